package source

import (
	"fmt"
	"time"
)

// Reason says why there is no good copy. It decides when to try again and what a person is told.
type Reason string

// The reasons.
const (
	ReasonGone      Reason = "gone"      // the instance answers that there is no such document
	ReasonPrivate   Reason = "private"   // it may not be read: private, or gone on an instance that does not say so
	ReasonPassword  Reason = "password"  // a password is needed, or the one given is wrong
	ReasonHidden    Reason = "hidden"    // the instance does not show what is asked for
	ReasonDown      Reason = "down"      // no connection, no answer, 5xx, maintenance
	ReasonLimited   Reason = "limited"   // the instance asks for a pause
	ReasonForeign   Reason = "foreign"   // what answers is something else: another program, a captive portal
	ReasonDamaged   Reason = "damaged"   // the answer is incomplete or contradicts itself
	ReasonForbidden Reason = "forbidden" // our own rules: an address of the server's own network, too large
	ReasonAddress   Reason = "address"   // the address is not one
	ReasonExists    Reason = "exists"    // restoring: something is there already
	ReasonRefused   Reason = "refused"   // restoring: the instance does not take it
	ReasonTooLarge  Reason = "too-large" // more than the limit
	ReasonOurs      Reason = "ours"      // the copy could not be kept: a right, a full disk
)

// Error says why there is no good copy. Text is a sentence for a person, with what to do if anything can be done; it
// names no secret.
type Error struct {
	Reason Reason
	Text   string
	// Until is the moment before which nothing should be asked of the instance again; zero if it did not say.
	Until time.Time
	Err   error // the cause, may be nil
}

func (e *Error) Error() string {
	if e.Err != nil {
		return e.Text + ": " + e.Err.Error()
	}
	return e.Text
}

func (e *Error) Unwrap() error { return e.Err }

// Errorf returns an Error without a cause.
func Errorf(reason Reason, format string, args ...any) *Error {
	return &Error{Reason: reason, Text: fmt.Sprintf(format, args...)}
}
