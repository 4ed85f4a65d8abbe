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

// Refusal says which kind of rule a server refused something by.
type Refusal uint8

// The kinds of refusals.
const (
	RefusedOther   Refusal = iota // something else: the text tells
	RefusedAccess                 // no right to read or write
	RefusedSignIn                 // a name and password are needed, or are wrong
	RefusedByHook                 // a hook of the repository said no
	RefusedContent                // the server does not store such a name or property
	RefusedPlace                  // there is no repository at the address
)

// RefusedError says that the server of a repository refused something, in its own words.
type RefusedError struct {
	Refusal Refusal
	// Path that it concerns, where that is known.
	Path Path
	// Code is Subversion's number for it, as in svn_error_codes.h; 0 if it gave none.
	Code int
	// Text is what the server says, hooks' output included.
	Text string
}

func (e *RefusedError) Error() string {
	if e.Path != "" {
		return fmt.Sprintf("/%s: %s", e.Path, e.Text)
	}
	return e.Text
}

// UnreachableError says that the server of a repository could not be asked, or stopped answering. What was
// to be read can be tried again. Of a commit it is not known whether it took place, unless Sent is false.
type UnreachableError struct {
	Server string // host and port, or what else tells it apart
	Sent   bool   // the commit had been sent to its end
	Err    error
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("the Subversion server %s does not answer: %v", e.Server, e.Err)
}

func (e *UnreachableError) Unwrap() error { return e.Err }
