package fsfs

import (
	"errors"
	"fmt"

	"github.com/havre-cloud/havre/svn"
)

// CorruptError says that a file of the repository is not what the format demands. A reader stops
// there; `svnadmin verify` tells how much of the repository is affected.
type CorruptError struct {
	// File is relative to the repository directory, with slashes.
	File string
	// Offset is in bytes from the start of the file.
	Offset int64
	// Want is what was expected there and Got what was found.
	Want, Got string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("%s at byte %d: damaged: expected %s, found %s", e.File, e.Offset, e.Want, e.Got)
}

// FormatError says that a directory is no repository that this package can work with.
type FormatError struct {
	// Dir is the repository.
	Dir string
	// Reason says what was found and what is needed.
	Reason string
}

func (e *FormatError) Error() string { return fmt.Sprintf("repository %s: %s", e.Dir, e.Reason) }

// NotDurableError says that a revision was committed and is visible to everybody, but that the
// operating system refused to confirm that it would survive a loss of power.
type NotDurableError struct {
	Rev svn.Revnum
	Err error
}

func (e *NotDurableError) Error() string {
	return fmt.Sprintf("r%d is committed, but may be lost if the power fails: %v", e.Rev, e.Err)
}

func (e *NotDurableError) Unwrap() error { return e.Err }

// ErrClosed is returned by the methods of a Repository that was closed.
var ErrClosed = errors.New("repository is closed")

// ChangeError says why a change can never be committed, whatever others did.
type ChangeError struct {
	// Index into Commit.Changes.
	Index  int
	Path   svn.Path
	Reason string
}

func (e *ChangeError) Error() string {
	return fmt.Sprintf("change %d, /%s: %s", e.Index, e.Path, e.Reason)
}
