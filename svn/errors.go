package svn

import (
	"fmt"
	"strings"
)

// NotFoundError says that there is nothing at Path in Rev.
type NotFoundError struct {
	Path Path
	Rev  Revnum
}

func (e *NotFoundError) Error() string {
	return fmt.Sprintf("/%s: not found in r%d", e.Path, e.Rev)
}

// NotFileError says that the node at Path in Rev is a directory where a file is needed.
type NotFileError struct {
	Path Path
	Rev  Revnum
}

func (e *NotFileError) Error() string {
	return fmt.Sprintf("/%s: is a directory in r%d", e.Path, e.Rev)
}

// NotDirError says that the node at Path in Rev is a file where a directory is needed.
type NotDirError struct {
	Path Path
	Rev  Revnum
}

func (e *NotDirError) Error() string {
	return fmt.Sprintf("/%s: is not a directory in r%d", e.Path, e.Rev)
}

// NoSuchRevisionError says that the repository has no revision Rev yet.
type NoSuchRevisionError struct {
	Rev, Youngest Revnum
}

func (e *NoSuchRevisionError) Error() string {
	return fmt.Sprintf("no revision %d: the youngest is %d", e.Rev, e.Youngest)
}

// InvalidPathError says why a string is not a Path.
type InvalidPathError struct {
	Path, Reason string
}

func (e *InvalidPathError) Error() string {
	return fmt.Sprintf("path %q: %s", e.Path, e.Reason)
}

// ChecksumError says that contents are not what their committer announced.
type ChecksumError struct {
	Path      Path
	Want, Got string // "sha1 HEX" or "N bytes"
}

func (e *ChecksumError) Error() string {
	return fmt.Sprintf("/%s: contents are %s, announced were %s", e.Path, e.Got, e.Want)
}

// LockedError says that somebody else holds the lock that `svn lock` made on Path.
type LockedError struct {
	Path  Path
	Owner string
}

func (e *LockedError) Error() string {
	return fmt.Sprintf("/%s: locked by %s", e.Path, e.Owner)
}

// OutOfDate is one change of a Commit that others' commits stand against.
type OutOfDate struct {
	// Index into Commit.Changes.
	Index int
	Path  Path
	// Reason for the log, as in "changed in r12" or "exists".
	Reason string
}

// OutOfDateError says that nothing was committed because some of the changes were out of date,
// and which: all of them, in the order of Commit.Changes.
type OutOfDateError struct {
	Youngest Revnum
	Changes  []OutOfDate
}

func (e *OutOfDateError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "out of date against r%d:", e.Youngest)
	for i, c := range e.Changes {
		if i == 3 {
			fmt.Fprintf(&b, " and %d more", len(e.Changes)-i)
			break
		}
		fmt.Fprintf(&b, " /%s (%s)", c.Path, c.Reason)
	}
	return b.String()
}
