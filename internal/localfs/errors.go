package localfs

import (
	"fmt"
	"io/fs"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// ChangedError says that something at Path is not what the caller expected: a person or a program
// was there in between. Nothing was done.
type ChangedError struct {
	Path svn.Path
	// Reason as in "was changed", "is gone", "is there already".
	Reason string
}

func (e *ChangedError) Error() string { return fmt.Sprintf("/%s: %s meanwhile", e.Path, e.Reason) }

// NotEmptyError says that a directory has something in it.
type NotEmptyError struct{ Path svn.Path }

func (e *NotEmptyError) Error() string { return fmt.Sprintf("/%s: is not empty", e.Path) }

// KindError says that something is not of the kind that the method is for.
type KindError struct {
	Path svn.Path
	Want Kind
	Got  Kind
}

func (e *KindError) Error() string {
	return fmt.Sprintf("/%s: is a %s, not a %s", e.Path, e.Got, e.Want)
}

// NotDirError says that a component on the way to a path is not a directory; a symbolic link to
// one is not one. It is an fs.ErrNotExist: for us nothing can be below.
type NotDirError struct{ Path svn.Path }

func (e *NotDirError) Error() string {
	return fmt.Sprintf("/%s: a part of the path is not a directory", e.Path)
}

// Is makes errors.Is(err, fs.ErrNotExist) true.
func (e *NotDirError) Is(target error) bool { return target == fs.ErrNotExist }

// NameError says that this disk cannot have a file at Path.
type NameError struct {
	Path   svn.Path
	Reason string // a sentence for the person
}

func (e *NameError) Error() string { return fmt.Sprintf("/%s: %s", e.Path, e.Reason) }

// OtherDiskError says that Path lies on another file system than the replica: nothing can be
// renamed there.
type OtherDiskError struct{ Path svn.Path }

func (e *OtherDiskError) Error() string {
	return fmt.Sprintf("/%s: lies on another file system, mounted inside the folder; such parts are not synchronised", e.Path)
}

// RootGoneError says that the replica's directory is not there, or is not the one that it was.
type RootGoneError struct {
	Root   string
	Reason string
}

func (e *RootGoneError) Error() string {
	return fmt.Sprintf("%s: %s; nothing is synchronised, and nothing deleted, until it is back "+
		"(is the disk mounted? was the directory moved? then add it again at its new place)", e.Root, e.Reason)
}

// MarkerGoneError says that the replica's directory has no marker.
type MarkerGoneError struct{ Root string }

func (e *MarkerGoneError) Error() string {
	return fmt.Sprintf("%s: the marker %s/%s is missing, so this may not be the folder; nothing is synchronised, "+
		"and nothing deleted (is the disk mounted? if the marker was deleted by mistake, add the folder again at this place)",
		e.Root, Reserved, markerName)
}

// OtherFolderError says that a directory belongs to another folder.
type OtherFolderError struct {
	Root      string
	Want, Got havre.FolderID
}

func (e *OtherFolderError) Error() string {
	return fmt.Sprintf("%s: belongs to the folder %s, not to %s; choose another directory, or delete %s/%s in it "+
		"if that folder is not synchronised here any more", e.Root, e.Got, e.Want, Reserved, markerName)
}

const markerName = "marker"
