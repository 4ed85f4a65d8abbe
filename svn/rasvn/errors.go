package rasvn

import (
	"errors"
	"slices"
	"strings"

	"github.com/havre-cloud/havre/svn"
)

// Numbers of errors, from svn_error_codes.h.
const (
	codeNoRepository   = 210005
	codeUnknownCommand = 210001
	codeNotFound       = 160013
	codeNoRevision     = 160006
	codeNotFile        = 160017
	codeNotDirectory   = 160016
	codeExists         = 160020
	codeConflict       = 160024
	codeOutOfDate      = 160028
	codeTxnOutOfDate   = 170004
	codeNoUser         = 160034 // nobody signed in, where a lock stands
	codeNoLockToken    = 160037
	codeLockMismatch   = 160039
	codeBadLock        = 160040
	codeHook           = 165001
	codeNoRevPropHook  = 165006
	codeBadOldValue    = 160049
	codeNotAuthorized  = 170001
	codeUnreadable     = 220001
	codeUnwritable     = 220004
	codeBadPath        = 160005
	codeBadProperty    = 125005
	codeBadPropName    = 125017
	codeWrongURL       = 170000
)

// failure is what the server answers instead of a success: errors, the outermost first.
type failure struct {
	codes []int
	texts []string
}

func (f *failure) Error() string { return strings.Join(f.texts, ": ") }

// is tells whether one of the codes is in the failure.
func (f *failure) is(codes ...int) bool {
	return slices.ContainsFunc(f.codes, func(code int) bool { return slices.Contains(codes, code) })
}

// readFailure reads the parameters of a failure.
func readFailure(list *item) error {
	f := &failure{}
	for i := range list.list {
		e, err := list.list[i].fields(2)
		if err != nil {
			return err
		}
		text := strings.ToValidUTF8(e[1].text, "\uFFFD")
		f.codes = append(f.codes, int(min(e[0].number, 1<<31-1)))
		if text != "" && (len(f.texts) == 0 || f.texts[len(f.texts)-1] != text) {
			f.texts = append(f.texts, text)
		}
	}
	if len(f.codes) == 0 {
		return malformed("a failure without an error")
	}
	if len(f.texts) == 0 {
		f.texts = []string{"the server gives no reason"}
	}
	return f
}

// translate makes the server's failure one of svn's errors. What it concerns is the path at rev, where that is
// known.
func translate(err error, path svn.Path, rev svn.Revnum) error {
	f, ok := errors.AsType[*failure](err)
	if !ok {
		return err
	}
	refused := func(r svn.Refusal) error {
		return &svn.RefusedError{Refusal: r, Path: path, Code: f.codes[0], Text: f.Error()}
	}
	switch {
	case f.is(codeNoRevision):
		return &svn.NoSuchRevisionError{Rev: rev, Youngest: svn.InvalidRevnum}
	case f.is(codeHook):
		return refused(svn.RefusedByHook)
	case f.is(codeNotAuthorized, codeUnreadable, codeUnwritable):
		return refused(svn.RefusedAccess)
	case f.is(codeNotFile):
		return &svn.NotFileError{Path: path, Rev: rev}
	case f.is(codeNotDirectory):
		return &svn.NotDirError{Path: path, Rev: rev}
	case f.is(codeNotFound):
		return &svn.NotFoundError{Path: path, Rev: rev}
	case f.is(codeBadPath, codeBadProperty, codeBadPropName):
		return refused(svn.RefusedContent)
	default:
		return refused(svn.RefusedOther)
	}
}
