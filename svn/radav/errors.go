package radav

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/havre-cloud/havre/svn"
)

// Numbers of errors, from svn_error_codes.h.
const (
	codeNotFound     = 160013
	codeNoRevision   = 160006
	codeExists       = 160020
	codeConflict     = 160024
	codeOutOfDate    = 160028
	codeTxnOutOfDate = 170004
	codeNoUser       = 160034 // nobody signed in, where a lock stands
	codeNoLockToken  = 160037
	codeLockMismatch = 160039
	codeBadLock      = 160040
	codeHook         = 165001
	codeBadPath      = 160005
	codeBadProperty  = 125005
	codeBadPropName  = 125017
	codeNoDirectory  = 2 // of the operating system: there is no such repository
)

// CertificateError says that the server's certificate cannot be trusted as it stands: a person may compare its
// fingerprint and accept it (Options.TLS).
type CertificateError struct {
	Host        string
	Certificate *x509.Certificate
	Err         error
}

func (e *CertificateError) Error() string {
	return fmt.Sprintf("the certificate of %s is not trusted: %v (SHA-256 %s)", e.Host, e.Err, e.Fingerprint())
}

func (e *CertificateError) Unwrap() error { return e.Err }

// Fingerprint returns the SHA-256 of the certificate's public key (SubjectPublicKeyInfo) in hexadecimal.
func (e *CertificateError) Fingerprint() string {
	sum := sha256.Sum256(e.Certificate.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

func (f *failure) is(codes ...int) bool { return slices.Contains(codes, f.code) }

// translate makes the server's failure one of svn's errors. What it concerns is the path at rev, where that is known.
func translate(err error, path svn.Path, rev svn.Revnum) error {
	if own, ok := errors.AsType[*bodyError](err); ok {
		return fmt.Errorf("/%s: %w", path, own.error)
	}
	f, ok := errors.AsType[*failure](err)
	if !ok {
		return err
	}
	refused := func(r svn.Refusal, text string) error {
		return &svn.RefusedError{Refusal: r, Path: path, Code: f.code, Text: text}
	}
	switch {
	case f.is(codeNoRevision):
		return &svn.NoSuchRevisionError{Rev: rev, Youngest: svn.InvalidRevnum}
	case f.is(codeHook):
		return refused(svn.RefusedByHook, f.Error())
	case f.is(codeNotFound), f.status == http.StatusNotFound && f.code == 0:
		return &svn.NotFoundError{Path: path, Rev: rev}
	case f.is(codeBadPath, codeBadProperty, codeBadPropName):
		return refused(svn.RefusedContent, f.Error())
	case f.status == http.StatusUnauthorized:
		return refused(svn.RefusedSignIn, "the server does not accept this name and password, or wants some")
	case f.status == http.StatusForbidden:
		return refused(svn.RefusedAccess, "the server does not allow it: no right")
	case f.status == http.StatusRequestEntityTooLarge:
		return refused(svn.RefusedContent, "it is larger than the server takes (LimitRequestBody or LimitXMLRequestBody of Apache)")
	case f.status >= 300 && f.status < 400:
		return refused(svn.RefusedOther, "the server sends us elsewhere: "+withoutSecrets(f.where))
	default:
		return refused(svn.RefusedOther, f.Error())
	}
}

func withoutSecrets(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "an address that is none"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}
