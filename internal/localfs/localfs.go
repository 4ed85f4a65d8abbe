// Package localfs is a replica on disk: everything that the engine reads from and does to a person's
// files goes through FS, and nothing else touches them.
//
// Three promises hold for every method:
//
//   - Nothing outside the root is reached. Symbolic links are never followed, neither the last
//     component nor one on the way, whatever replaces a directory in the meantime.
//   - Nothing that a person wrote is destroyed. What is replaced or taken away must be what the
//     caller expects, at the last moment; where the system allows it the look and the change are
//     one step. What turns out to be different stays where it is, or is kept in the trash.
//   - A file appears under its name complete or not at all: contents are written to a temporary
//     file on the same file system and renamed.
//
// Words: a temporary (Temp) is a file or symbolic link that is being made and has no name in the
// replica yet. Expected (an Info) is what the caller knows from its last look. The aside directory
// holds temporaries and the trash, outside the replica when that is possible.
//
// Disk is the real thing, fakefs.FS keeps everything in memory for the simulation. Both are safe
// for concurrent use; a Temp or File is for one goroutine at a time. Calls block for as long as
// the disk does; nothing here waits for a network or a person, so there are no contexts.
package localfs

import (
	"io"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// Reserved is the name in the replica's root that is ours: no method shows or touches anything in it
// by path.
const Reserved = ".havre"

// FS is a replica on a disk. Paths are relative to its root; "" is the root itself.
//
// A path that is not there is fs.ErrNotExist, a path below something that is not a directory (a
// symbolic link to one included) too. A full disk satisfies IsFull. Missing rights are
// fs.ErrPermission. A name that this disk cannot have is a *NameError. Where expectations fail it
// is a *ChangedError: look again, and plan again.
type FS interface {
	// Root is the absolute path of the replica, for messages and watchers.
	Root() string

	// Init makes the marker that says which folder this is. It does nothing if the marker is
	// there already and right; it is an *OtherFolderError if it names another folder. Only a
	// person's wish to join a directory to a folder leads here, never a missing marker.
	Init(folder havre.FolderID) error
	// Check looks whether the root is still the directory that was opened and its marker names
	// the folder: *RootGoneError, *MarkerGoneError or *OtherFolderError if not. Before a scan
	// and before its results count, call it: without it, missing files mean nothing.
	Check(folder havre.FolderID) error
	// Features says what the disk can do.
	Features() Features
	// Free returns how many bytes may still be written.
	Free() (int64, error)
	// Clean removes temporaries that an earlier process left, but keeps those of ResumeTemp
	// that were written to in the last week. Only for a start, before anything is created.
	Clean() error
	// ExpireTrash removes for good what went to the trash more than age ago.
	ExpireTrash(age time.Duration) error

	// Stat looks at one path without following a link.
	Stat(p svn.Path) (Info, error)
	// ReadDir returns what is in the directory, sorted bytewise by name. Names that cannot be
	// in a repository and things that are neither file, directory nor link are there too,
	// with Problem set. An entry that vanishes meanwhile is left out.
	ReadDir(p svn.Path) ([]Info, error)
	// Open opens a regular file for reading; for anything else it is a *KindError. It never blocks on a FIFO.
	Open(p svn.Path) (File, error)
	// Readlink returns the target of a symbolic link, as it is written there.
	Readlink(p svn.Path) (string, error)

	// CreateTemp begins a new file.
	CreateTemp() (Temp, error)
	// ResumeTemp begins a new file, or goes on with the one that an earlier call with this key
	// left by Close without Commit or Discard, in this process or before. The key is up to
	// 100 of [0-9A-Za-z-]. One Temp with a key at a time.
	ResumeTemp(key string) (Temp, error)
	// SymlinkTemp makes a symbolic link that waits for its Commit. On a disk without links it
	// is errors.ErrUnsupported.
	SymlinkTemp(target string) (Temp, error)
	// SyncTemps makes the contents of all of them durable and closes them, several at a time:
	// the wait for a disk is shared. Everything that is to be committed goes through it.
	// After an error none of them may be committed.
	SyncTemps(temps []Temp) error
	// Commit puts the temporary at p, if expected is still there (nil: if nothing is there),
	// and returns how it is known from now on. What was expected is gone then, unless a
	// program still has it open: then it is kept in the trash. After an error the Temp is
	// still the caller's, to commit again or to discard. SyncDirs makes the name durable.
	// A file that replaces one keeps that one's permissions, except the executable bits.
	Commit(t Temp, p svn.Path, expected *Info) (Info, error)
	// SyncDirs makes all that was renamed, made and removed in these directories durable.
	// Directories that are gone are left out.
	SyncDirs(dirs []svn.Path) error

	// Mkdir makes a directory; fs.ErrExist if anything is there.
	Mkdir(p svn.Path) (Info, error)
	// Rename moves what is at from, if it is still as expected, to a name that nothing has
	// (fs.ErrExist otherwise, except where from and to are one name to the disk: case,
	// Unicode form). A directory moves with everything in it.
	Rename(from, to svn.Path, expected Info) (Info, error)
	// SetAttrs changes what Attrs says, if p is still as expected, a regular file.
	SetAttrs(p svn.Path, a Attrs, expected Info) (Info, error)
	// Trash moves what is at p into the trash, if it is still as expected. A directory must be
	// empty: *NotEmptyError.
	Trash(p svn.Path, expected Info) error
	// TrashTree moves a directory into the trash with everything in it, which the caller has
	// looked at just before.
	TrashTree(p svn.Path, expected Info) error
	// SetAside moves the file or link at p, if it is still as expected, out of the replica to a place
	// beside the trash that nothing expires, and returns where it is.
	SetAside(p svn.Path, expected Info) (string, error)
	// IsAside reports whether what SetAside moved to a place is still there.
	IsAside(place string) bool
}

// File is a regular file open for reading.
type File interface {
	io.ReadCloser
	io.ReaderAt
	// Stat looks at the open file, whatever is at its path by now.
	Stat() (Info, error)
}

// Temp is a file or symbolic link in the making.
type Temp interface {
	io.Writer // at the end
	io.ReaderAt
	// Size in bytes so far.
	Size() int64
	// Truncate cuts what a ResumeTemp has.
	Truncate(size int64) error
	// SetAttrs sets what the file is to have; call it after the last Write.
	SetAttrs(a Attrs) error
	// Close gives back the descriptor; SyncTemps does it too. Closing again does nothing.
	Close() error
	// Discard closes and removes it. After a Commit it does nothing.
	Discard() error
}

// Attrs are the attributes of a file that travel.
type Attrs struct {
	// ModTime in the file's metadata; the zero time leaves it as it is.
	ModTime time.Time
	// Executable sets the executable bits that the umask allows, or removes them all. On a disk that
	// has none nothing happens.
	Executable bool
}

// Features says what a disk can do.
type Features struct {
	// CaseInsensitive: "A" and "a" are one file.
	CaseInsensitive bool
	// NormalizesUnicode: names that differ only in their Unicode form (NFC, NFD) are one file.
	NormalizesUnicode bool
	// Executable: executable bits are kept.
	Executable bool
	// Symlinks can be made.
	Symlinks bool
	// ExactReplace: Commit and Rename look and replace in one step. Without it a change in
	// the microseconds between the two can be replaced unseen.
	ExactReplace bool
}
