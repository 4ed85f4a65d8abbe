package fsfs

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/havre-cloud/havre/svn"
)

// CreateOptions are the choices of Create. The zero value is what `svnadmin create` makes.
type CreateOptions struct {
	// UUID of the repository; "" for a new one.
	UUID string
}

// UUIDError says that a string is no UUID.
type UUIDError struct{ UUID string }

func (e *UUIDError) Error() string {
	return fmt.Sprintf("%q is not a UUID of the form 01234567-89ab-cdef-0123-456789abcdef", e.UUID)
}

var uuidForm = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// Create makes a repository in dir, as Subversion 1.10 and later make it, and opens it. The
// directory is made unless it exists; it has to be empty. A directory that lacks the file "format"
// after a crash is no repository and may be removed.
func Create(dir string, opts CreateOptions) (*Repository, error) {
	if opts.UUID == "" {
		opts.UUID = newUUID()
	}
	if !uuidForm.MatchString(opts.UUID) {
		return nil, &UUIDError{opts.UUID}
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	if len(entries) > 0 {
		return nil, &FormatError{Dir: dir, Reason: "the directory is not empty"}
	}
	if err := makeRepository(dir, opts); err != nil {
		return nil, fmt.Errorf("create repository: %w", err)
	}
	return Open(dir, Options{})
}

func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40 // version 4: random
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// maker writes files until the first error.
type maker struct {
	dir string
	err error
}

func (m *maker) mkdir(names ...string) {
	for _, name := range names {
		if m.err == nil {
			m.err = os.Mkdir(filepath.Join(m.dir, name), 0o777)
		}
	}
}

// mkdirShared makes directories whose entries belong to the directory's group, so that all who
// commit can go on where others ended.
func (m *maker) mkdirShared(names ...string) {
	for _, name := range names {
		m.mkdir(name)
		if m.err != nil {
			return
		}
		path := filepath.Join(m.dir, name)
		var info fs.FileInfo
		if info, m.err = os.Stat(path); m.err == nil {
			m.err = os.Chmod(path, info.Mode().Perm()|fs.ModeSetgid)
		}
	}
}

func (m *maker) file(name, text string, mode fs.FileMode) {
	if m.err != nil {
		return
	}
	f, err := os.OpenFile(filepath.Join(m.dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		m.err = err
		return
	}
	_, err = f.WriteString(text)
	m.err = errors.Join(err, f.Sync(), f.Close())
}

const (
	writable = 0o666
	readOnly = 0o444
)

// makeRepository writes all files; the two called format last, because they say that the rest is
// complete.
func makeRepository(dir string, opts CreateOptions) error {
	f := format{number: newestFormat, shard: defaultShard, logical: true}
	m := &maker{dir: dir}
	m.mkdir("conf", "hooks", "locks")
	m.mkdirShared("db", "db/revs", "db/revs/0", "db/revprops", "db/revprops/0", "db/transactions", "db/txn-protorevs")
	m.file("README.txt", readmeText, writable)
	m.file("conf/svnserve.conf", svnserveText, writable)
	m.file("conf/passwd", svnserveUsersText, writable)
	m.file("conf/authz", authzText, writable)
	m.file("locks/db.lock", "", writable)
	m.file("locks/db-logs.lock", "", writable)

	m.file("db/fs-type", "fsfs\n", writable)
	m.file("db/uuid", opts.UUID+"\n"+newUUID()+"\n", writable)
	m.file("db/current", "0\n", writable)
	m.file("db/min-unpacked-rev", "0\n", writable)
	m.file("db/txn-current", "0\n", writable)
	m.file("db/txn-current-lock", "", writable)
	m.file("db/write-lock", "", writable)
	m.file("db/pack-lock", "", writable)
	m.file("db/fsfs.conf", fsfsConfText, writable)
	m.file("db/revs/0/0", firstRevision(), readOnly)
	date := svn.FormatTime(time.Now())
	m.file("db/revprops/0/0", string(encodeProps(svn.Props{svn.PropDate: date})), readOnly)
	for _, name := range []string{"db/revs/0", "db/revs", "db/revprops/0", "db/revprops"} {
		m.sync(name)
	}
	m.file("db/format", f.String(), readOnly)
	m.sync("db")
	m.file("format", "5\n", readOnly)
	m.sync("")
	return m.err
}

func (m *maker) sync(name string) {
	if m.err == nil {
		m.err = syncDir(filepath.Join(m.dir, name))
	}
}

// firstRevision returns the file of revision 0: an empty root.
func firstRevision() string {
	const (
		entries = "PLAIN\nEND\nENDREP\n"
		root    = "id: 0.0.r0/2\ntype: dir\ncount: 0\ntext: 0 3 4 4 2d2977d1c96f487abe4a1e202dd03b4e\ncpath: /\n\n"
		changes = "\n"
	)
	var data []byte
	var items []p2lEntry
	offsets := []int64{-1, -1, -1, -1}
	for _, item := range []struct {
		kind itemType
		id   int64
		text string
	}{
		{itemDirRep, firstItem, entries},
		{itemNodeRev, rootItem, root},
		{itemChanges, changesItem, changes},
	} {
		sum := newItemSum()
		sum.write([]byte(item.text))
		at := int64(len(data))
		offsets[item.id] = at
		items = append(items, p2lEntry{offset: at, size: int64(len(item.text)), kind: item.kind, item: item.id, sum: sum.sum()})
		data = append(data, item.text...)
	}
	size := int64(len(data))
	return string(appendIndexes(data, 0, size, offsets, items))
}

// appendIndexes writes what a revision file with logical addressing ends with; size is that of
// the items.
func appendIndexes(dst []byte, rev svn.Revnum, size int64, offsets []int64, items []p2lEntry) []byte {
	l2p := appendL2P(nil, rev, offsets)
	p2l := appendP2L(nil, rev, items, size)
	footer := strconv.FormatInt(size, 10) + " " + hexMD5(l2p) + " " +
		strconv.FormatInt(size+int64(len(l2p)), 10) + " " + hexMD5(p2l)
	dst = append(dst, l2p...)
	dst = append(dst, p2l...)
	dst = append(dst, footer...)
	return append(dst, byte(len(footer)))
}

// The texts say what the files are for; Subversion's manual tells what else can be in them.
const (
	readmeText = `This directory is a Subversion repository. Use svn, svnadmin and svnlook to look into it, and
do not add, change or remove files below db/ by hand.
`
	svnserveText = `# Settings of svnserve for this repository, see svnserve(8). With none, everybody may read and
# nobody may write.
[general]
# anon-access = read
# auth-access = write
# password-db = passwd
# authz-db = authz
`
	svnserveUsersText = `# Users of svnserve and their passwords, one "name = password" a line, if svnserve.conf names
# this file as its password-db.
[users]
`
	authzText = `# Who may read and write which paths, if svnserve.conf names this file as its authz-db.
[groups]

# [/path]
# user = rw
# @group = r
# * =
`
	fsfsConfText = `# How Subversion's programs write to this repository. Everything has its default value.
[rep-sharing]
[deltification]
[packed-revprops]
[io]
[debug]
`
)
