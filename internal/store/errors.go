package store

import (
	"crypto/rand"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/havre-cloud/havre/internal/havre"
)

func notFound(format string, args ...any) error {
	return havre.Errorf(havre.CodeNotFound, format, args...)
}

func invalid(format string, args ...any) error {
	return havre.Errorf(havre.CodeInvalid, format, args...)
}

// taken turns the failure of an INSERT whose name exists into CodeExists with that sentence.
func taken(err error, format string, args ...any) error {
	if e, ok := errors.AsType[*sqlite.Error](err); ok && e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE {
		return havre.Errorf(havre.CodeExists, format, args...).Because(err)
	}
	return err
}

// newID returns a random identifier of 26 letters and digits, 130 bits.
func newID() string { return strings.ToLower(rand.Text()) }

// maxName is the length in bytes that the name of a user, group, folder or device may have.
const maxName = 128

// checkName returns the name without surrounding space, or why it cannot be one.
func checkName(what havre.Sentence, name string) (string, error) {
	name = strings.TrimSpace(name)
	switch {
	case name == "":
		return "", invalid("the name of the %s is empty: give it one", what)
	case len(name) > maxName:
		return "", invalid("the name of the %s is %d bytes long: %d is the limit", what, len(name), maxName)
	case !utf8.ValidString(name):
		return "", invalid("the name of the %s is not valid UTF-8", what)
	case strings.Trim(name, ".") == "": // addresses would lose it
		return "", invalid("the name of the %s consists of dots: give it a letter", what)
	}
	if i := strings.IndexFunc(name, func(r rune) bool { return !unicode.IsPrint(r) || r == '/' || r == '\\' }); i >= 0 {
		r, _ := utf8.DecodeRuneInString(name[i:])
		return "", invalid("the name of the %s contains %q: leave it out", what, r)
	}
	return name, nil
}

// ShortName returns what a stranger calls himself, at a length that a log can show.
func ShortName(name string) string { return clip(name) }

// foldName returns what two names have in common when they differ in case only.
func foldName(name string) string { return strings.ToLower(strings.ToUpper(name)) }
