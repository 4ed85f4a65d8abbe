package havre

import (
	"errors"
	"fmt"
)

// Code tells programs what kind of failure an Error is.
type Code string

// The codes. They go over the wire: never change one.
const (
	CodeInternal        Code = "internal"          // a defect or a broken machine; details are in the server's log
	CodeInvalid         Code = "invalid"           // the request makes no sense
	CodeUnauthenticated Code = "unauthenticated"   // no token, an unknown one, or a revoked device
	CodeDenied          Code = "denied"            // known, but without the right
	CodeNotFound        Code = "not_found"         // no such folder, path, revision, user
	CodeExists          Code = "exists"            // the name is taken
	CodeFull            Code = "full"              // no space left, or the quota is used up
	CodeUnavailable     Code = "unavailable"       // try again later: stopping, overloaded, network gone
	CodeHistoryWentBack Code = "history_went_back" // the repository is another one, or older than what the client has seen
	CodeRightsChanged   Code = "rights_changed"    // what the person may read is not what the client thinks: list anew
)

// Error is a failure that a person or another program is told about.
type Error struct {
	Code Code
	// Text is a sentence for the person: what, why, and what to do. Lower case, no full stop.
	Text string
	// Said is what Text was made of, so that the pages can say it in another language; empty if
	// that is not known, as for what came over the network.
	Said Sentence
	// Cause is for the log; it never crosses the network.
	Cause error
}

// Sentence is a sentence for a person, and what it was made of. The English format is the key of its
// translations (internal/web/texts/sentences).
type Sentence struct {
	Format string // for fmt, a constant
	Args   []any
}

// Say returns the sentence with its places filled when it is printed. An argument can be a Sentence.
func Say(format string, args ...any) Sentence {
	return Sentence{Format: format, Args: args}
}

// String returns the sentence in English.
func (s Sentence) String() string { return fmt.Sprintf(s.Format, s.Args...) }

// Errorf returns an error with this sentence. The format is a constant.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Text: fmt.Sprintf(format, args...), Said: Sentence{Format: format, Args: args}}
}

// ErrorSaying returns an error with a sentence made before.
func ErrorSaying(code Code, s Sentence) *Error {
	return &Error{Code: code, Text: s.String(), Said: s}
}

// Because sets the cause and returns the error itself.
func (e *Error) Because(cause error) *Error {
	e.Cause = cause
	return e
}

func (e *Error) Error() string {
	if e.Cause != nil {
		return e.Text + ": " + e.Cause.Error()
	}
	return e.Text
}

func (e *Error) Unwrap() error { return e.Cause }

// CodeOf returns the code of the first *Error in err's chain, CodeInternal if there is none.
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return CodeInternal
}
