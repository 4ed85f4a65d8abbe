package hub

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"net/url"
	"sync"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/radav"
	"github.com/havre-cloud/havre/svn/rasvn"
)

// RemoteReason says in one word what is wrong with a repository on another server.
type RemoteReason string

// The reasons.
const (
	RemoteAway        RemoteReason = "away"        // the server does not answer
	RemoteSignIn      RemoteReason = "signin"      // the name or the password is wrong, or one is needed
	RemoteRead        RemoteReason = "read"        // that name may not read there
	RemoteWrite       RemoteReason = "write"       // it may read, and not write
	RemoteCertificate RemoteReason = "certificate" // nobody vouches for the server's certificate, or it is another one now
	RemotePlace       RemoteReason = "place"       // there is no repository, or no such directory in it
	RemoteTunnel      RemoteReason = "tunnel"      // ssh does not get through
	RemoteAddress     RemoteReason = "address"     // it is no address that can be used
	RemoteRefused     RemoteReason = "refused"     // something else, in the server's words
)

// RemoteError is why a repository on another server cannot be used, with the word that tells a page where to say
// it. Err is a *havre.Error or a *CertificateError.
type RemoteError struct {
	Reason RemoteReason
	Err    error
}

func (e *RemoteError) Error() string { return e.Err.Error() }

func (e *RemoteError) Unwrap() error { return e.Err }

// RemoteState is how a folder's repository on another server is.
type RemoteState struct {
	Address string // of the repository's root
	User    string // that signs in there; "" for nobody
	// Fingerprint is the accepted certificate's, in hexadecimal; "" if the system's authorities decide.
	Fingerprint string
	// Own is the certificate with which we sign in, nil without one.
	Own *x509.Certificate
	// Problem is why it cannot be used, Reason the word for it; nil while all is well.
	Problem error
	Reason  RemoteReason
	Since   time.Time // when it was first noticed by this process
	// Certificate is what is wrong with that of the server, nil if that is not the problem.
	Certificate *CertificateError
}

// RemoteState tells an administrator how the repository of a folder is; nil if it is not on another server. It
// asks the server, unless it did not answer a moment ago.
func (a *Admin) RemoteState(ctx context.Context, f *store.Folder) (*RemoteState, error) {
	s := &RemoteState{Address: f.RemoteURL()}
	if s.Address == "" {
		return nil, nil //nolint:nilnil // most folders have none
	}
	login, err := a.repos.login(ctx, f.Location)
	if err != nil {
		return nil, err
	}
	s.User, s.Fingerprint = login.User, login.Fingerprint
	if block, _ := pem.Decode([]byte(login.Certificate)); block != nil {
		s.Own, _ = x509.ParseCertificate(block.Bytes) // ReadClientCertificate has looked at it
	}
	repo, err := a.repos.get(f.Location)
	if err != nil {
		return nil, err
	}
	r, ok := repo.Repository.(*remote)
	if !ok {
		return s, nil
	}
	if _, err := r.Youngest(ctx); err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		s.Problem, s.Reason, s.Since = err, reasonOfRemote(err), r.health.since()
		s.Certificate = certificateOf(err)
	}
	return s, nil
}

// ChangeRemoteLogin is SetRemoteLogin with what change makes of the present login.
func (a *Admin) ChangeRemoteLogin(ctx context.Context, folder string, change func(*RemoteLogin)) error {
	f, err := a.store.FolderByName(ctx, folder)
	if err != nil {
		return err
	}
	if f.RemoteURL() == "" {
		return a.SetRemoteLogin(ctx, folder, RemoteLogin{}) // says that there is none
	}
	login, err := a.repos.login(ctx, f.Location)
	if err != nil {
		return err
	}
	change(&login)
	return a.SetRemoteLogin(ctx, folder, login)
}

// explainRemote says to an administrator what is wrong with a server, as a *RemoteError if it is the server.
func explainRemote(ctx context.Context, address string, err error) error {
	problem := func(reason RemoteReason, err error) error { return &RemoteError{Reason: reason, Err: err} }
	if bad := certificateOf(err); bad != nil {
		return problem(RemoteCertificate, bad)
	}
	if e, ok := errors.AsType[*svn.UnreachableError](err); ok {
		return problem(RemoteAway, havre.Errorf(havre.CodeUnavailable, "the Subversion server %s does not answer: check the address, and whether this machine may reach it", e.Server).Because(e.Err))
	}
	if e, ok := errors.AsType[*rasvn.TunnelError](err); ok {
		return problem(RemoteTunnel, explainTunnel(havre.CodeInvalid, e))
	}
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil {
		return problem(RemoteAway, havre.Errorf(havre.CodeUnavailable, "the Subversion server %s does not answer: check the address, and whether this machine may reach it", serverOf(address)).Because(err))
	}
	if e, ok := errors.AsType[*svn.RefusedError](err); ok {
		switch e.Refusal {
		case svn.RefusedSignIn:
			return problem(RemoteSignIn, invalid("the Subversion server does not let us in: %s", oneLine(e.Text)))
		case svn.RefusedAccess:
			return problem(RemoteRead, invalid("there is no right to read there: %s", oneLine(e.Text)))
		case svn.RefusedPlace:
			return problem(RemotePlace, invalid("at that address there is no Subversion repository"))
		case svn.RefusedOther, svn.RefusedByHook, svn.RefusedContent:
		}
		return problem(RemoteRefused, invalid("the Subversion server refuses: %s", oneLine(e.Text)))
	}
	if e, ok := errors.AsType[*svn.NotFoundError](err); ok {
		return problem(RemotePlace, invalid("there is no directory %s in the repository", show(e.Path)))
	}
	if has[*RemoteError](err) || has[*havre.Error](err) || errors.Is(err, context.Canceled) {
		return err
	}
	return problem(RemoteAddress, invalid("this is no address of a Subversion repository that can be used: %v", err))
}

// explainTunnel says why ssh does not get through, and what to do.
func explainTunnel(code havre.Code, e *rasvn.TunnelError) error {
	switch e.Reason {
	case rasvn.TunnelUnknownKey:
		return havre.Errorf(code, "ssh does not know the key of %s: connect to it once by hand, as the account that havre runs as, and compare the key", e.Server)
	case rasvn.TunnelChangedKey:
		return havre.Errorf(code, "the key of %s is not the one that ssh knows: ask whoever runs it whether it was changed", e.Server)
	case rasvn.TunnelDenied:
		return havre.Errorf(code, "%s accepts none of the ssh keys of the account that havre runs as", e.Server)
	case rasvn.TunnelNoServer:
		return havre.Errorf(code, "there is no svnserve on %s", e.Server)
	case rasvn.TunnelNoProgram:
		return havre.Errorf(code, "havre's own machine has no ssh: install OpenSSH's client")
	default:
		return havre.Errorf(code, "ssh does not get through to %s: %s", e.Server, oneLine(e.Text))
	}
}

func serverOf(address string) string {
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		return u.Host
	}
	return address
}

// certificateOf returns what is wrong with the server's certificate, nil if nothing is.
func certificateOf(err error) *CertificateError {
	if bad, ok := errors.AsType[*CertificateError](err); ok {
		return bad
	}
	if bad, ok := errors.AsType[*radav.CertificateError](err); ok {
		return &CertificateError{Host: bad.Host, Fingerprint: bad.Fingerprint(), Certificate: bad.Certificate, Err: bad.Err}
	}
	return nil
}

// fingerprintOf is the SHA-256 of a public key (SubjectPublicKeyInfo), or of a whole certificate, in hexadecimal.
func fingerprintOf(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// CertificateFingerprint is the SHA-256 of a certificate in hexadecimal, as other programs show it.
func CertificateFingerprint(c *x509.Certificate) string { return fingerprintOf(c.Raw) }

// reasonOfRemote returns the word for what went wrong.
func reasonOfRemote(err error) RemoteReason {
	if p, ok := errors.AsType[*RemoteError](err); ok {
		return p.Reason
	}
	return RemoteRefused
}

// health knows since when a server cannot be worked with. The zero value is ready; it is safe for concurrent use.
type health struct {
	mu   sync.Mutex
	from time.Time // zero while all is well
}

// note takes in that something went well, or that the server failed.
func (h *health) note(well, failed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case well:
		h.from = time.Time{}
	case failed && h.from.IsZero():
		h.from = time.Now()
	}
}

func (h *health) since() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.from
}

// renew has the next one who asks connect anew, at once and with the login as it is then. Who is using the present
// connection is not disturbed: it is closed when the repository is.
func (r *remote) renew() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.repo != nil {
		r.former = append(r.former, r.repo)
	}
	r.repo = nil
}

// forget has a server asked again that did not answer a moment ago.
func (r *remote) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = nil
}

// renew has the repository at the location use its login anew, if it is open here.
func (rs *repositories) renew(location string) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if open := rs.open[location]; open != nil {
		if r, ok := open.Repository.(*remote); ok {
			r.renew()
			r.forget()
		}
	}
}

// troubled returns since when the repository cannot be worked with; zero if that is not known, also for nil.
func (r *repository) troubled() time.Time {
	if r == nil {
		return time.Time{}
	}
	if far, ok := r.Repository.(*remote); ok {
		return far.health.since()
	}
	return time.Time{}
}
