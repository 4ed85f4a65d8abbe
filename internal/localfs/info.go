package localfs

import (
	"fmt"

	"github.com/havre-cloud/havre/svn"
)

// Kind says what an Info is about.
type Kind uint8

// The kinds. Other is what is not synchronised: FIFO, socket, device.
const (
	KindFile Kind = iota + 1
	KindDir
	KindSymlink
	KindOther
)

func (k Kind) String() string {
	switch k {
	case KindFile:
		return "file"
	case KindDir:
		return "directory"
	case KindSymlink:
		return "symbolic link"
	case KindOther:
		return "special file"
	default:
		return fmt.Sprintf("Kind(%d)", uint8(k))
	}
}

// Info is what a look at a file, directory or link tells.
type Info struct {
	// Name is the last component, with the bytes that the disk has.
	Name string
	Kind Kind
	// Size in bytes: of a file its contents, of a symbolic link its target, else 0.
	Size int64
	// ModTime and ChangeTime are nanoseconds since 1970 UTC, ChangeTime 0 where the system has
	// none. A person sets the first at will; nobody sets the second.
	ModTime, ChangeTime int64
	// Inode and Device identify the file, as long as it exists, across renames. A Device may
	// change when the machine starts again. Inode is 0 where the system has none.
	Inode, Device uint64
	Executable    bool
	// Links counts the names of the file.
	Links uint64
	// Problem is not empty if this cannot be synchronised: a sentence without the name, such as
	// "is a FIFO". Everything else may go on.
	Problem string
}

// Same reports whether this is still what old was: the same file, not written to since. Of
// directories only the identity counts, not what is in them. The name does not count, nor the
// Device.
//
// Links, being renamed and permissions change ChangeTime, so a difference means "look at the
// contents again", not "the contents differ".
func (i Info) Same(old Info) bool {
	if i.Kind != old.Kind || i.Inode != old.Inode {
		return false
	}
	if i.Kind == KindDir {
		return true
	}
	return i.Size == old.Size && i.ModTime == old.ModTime && i.ChangeTime == old.ChangeTime &&
		i.Executable == old.Executable
}

// sameButMoved is Same for something that was just renamed, which sets ChangeTime.
func (i Info) sameButMoved(old Info) bool {
	i.ChangeTime = old.ChangeTime
	return i.Same(old)
}

// problemOfName says why a name cannot be in a repository, "" if it can.
func problemOfName(name string) string {
	if _, err := svn.CheckPath(name); err != nil {
		if e, ok := err.(*svn.InvalidPathError); ok { //nolint:errorlint // CheckPath returns no other
			return "the name: " + e.Reason
		}
		return err.Error()
	}
	return ""
}
