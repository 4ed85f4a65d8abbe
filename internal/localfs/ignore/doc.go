// Package ignore decides which files of a replica are not synchronised.
//
// The rules are those of gitignore, in files named .havreignore, in any directory, for what is in
// that directory and below. Later lines beat earlier ones, deeper files beat higher ones, and
// below an ignored directory nothing is looked at. Under all of them lie built-in rules for what
// programs leave behind (Builtin), which a line like !*.part takes back.
//
// As with git, rules keep new files out; they do not take away what the folder has already: a file
// that is in the repository stays synchronised until somebody deletes it there or moves it. So a rule
// that one person adds never deletes another person's files.
//
// The .havreignore files themselves are synchronised like any other.
//
// Git's own program is the judge in the tests.
package ignore

// FileName is the name of the files with rules.
const FileName = ".havreignore"

// Builtin are the rules that hold without any file.
const Builtin = `
# Editors: locks, swap files, backups
.*.sw[a-p]
*~
.#*
\#*#
.*.kate-swp
.goutputstream-*

# Office programs: locks and drafts
.~lock.*#
lu[0-9]*.tmp
~$*
~WR[A-Z]*.tmp
ppt[0-9A-F]*.tmp

# Downloads in progress
*.part
*.crdownload
*.partial
*.opdownload
*.download/

# What systems leave behind
.DS_Store
._*
.AppleDouble/
.Spotlight-V100/
.Trashes/
.fseventsd/
.TemporaryItems/
.DocumentRevisions-V100/
[Tt]humbs.db
ehthumbs.db
[Dd]esktop.ini
$RECYCLE.BIN/
System Volume Information/
.Trash-[0-9]*/
lost+found/
.nfs[0-9a-f]*
.fuse_hidden*

# Other programs that synchronise
.syncthing.*.tmp
~syncthing~*.tmp
.stfolder/
.sync_*.db*
._sync_*.db*
.csync_journal.db*
`
