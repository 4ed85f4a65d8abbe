package hub

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/radav"
	"github.com/havre-cloud/havre/svn/rasvn"
)

// RemoteLogin is with what a repository on another server is reached. It is stored encrypted.
type RemoteLogin struct {
	User     string `json:"user,omitempty"`
	Password string `json:"password,omitempty"`
	// Fingerprint is the SHA-256 of the public key of a certificate that an administrator has accepted, in
	// hexadecimal; empty: the system's authorities decide.
	Fingerprint string `json:"fingerprint,omitempty"`
	// Certificate and Key are PEM, see ReadClientCertificate; empty for servers that ask for none.
	Certificate string `json:"certificate,omitempty"`
	Key         string `json:"key,omitempty"`
}

// CertificateError says that a server has a certificate that nobody vouches for; its fingerprint can be compared and accepted.
type CertificateError struct {
	Host        string
	Fingerprint string // SHA-256 of its public key, in hexadecimal: what RemoteLogin accepts
	Certificate *x509.Certificate
	Err         error
}

func (e *CertificateError) Error() string {
	return fmt.Sprintf("the certificate of %s is not trusted: %v", e.Host, e.Err)
}

func (e *CertificateError) Unwrap() error { return e.Err }

// explain says it to a person whose changes wait.
func (e *CertificateError) explain() error {
	if bad, ok := errors.AsType[x509.CertificateInvalidError](e.Err); ok && bad.Reason == x509.Expired && bad.Cert != nil && time.Now().After(bad.Cert.NotAfter) {
		return havre.Errorf(havre.CodeUnavailable, "the certificate of the Subversion server %s ended on %s: whoever runs it has to renew it",
			e.Host, bad.Cert.NotAfter.UTC().Format(time.DateOnly)).Because(e)
	}
	return havre.Errorf(havre.CodeUnavailable, "the certificate of the Subversion server %s is another one: an administrator has to look", e.Host).Because(e)
}

// opened is a repository on another server, as both protocols have it.
type opened interface {
	svn.Repository
	URL() string
	Base() svn.Path
	Try(ctx context.Context, c *svn.Commit) error
	LookAhead(ctx context.Context, paths []svn.Path, rev svn.Revnum) error
	LogProps(ctx context.Context, first, last svn.Revnum) iter.Seq2[*svn.Revision, error]
}

// dialRemote connects to a repository.
func dialRemote(ctx context.Context, address string, login *RemoteLogin) (opened, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, &RemoteError{RemoteAddress, invalid("this is no address of a Subversion repository")}
	}
	switch u.Scheme {
	case "svn", "svn+ssh":
		return rasvn.Open(ctx, address, rasvn.Options{User: login.User, Password: login.Password, Unattributed: unattributed})
	case "http", "https":
		o := radav.Options{User: login.User, Password: login.Password, Unattributed: unattributed, Proxy: true}
		if o.TLS, err = login.tls(); err != nil {
			return nil, err
		}
		r, err := radav.Open(ctx, address, o)
		if bad := certificateOf(err); bad != nil {
			return nil, bad
		}
		return r, err
	default:
		return nil, &RemoteError{RemoteAddress, invalid("an address of a Subversion repository begins with svn://, svn+ssh://, http:// or https://")}
	}
}

// pinned trusts one key, whoever vouches for it.
func pinned(fingerprint string) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, //nolint:gosec // the key is compared instead
		VerifyConnection: func(s tls.ConnectionState) error {
			shown := s.PeerCertificates[0]
			if got := fingerprintOf(shown.RawSubjectPublicKeyInfo); got != fingerprint {
				return &CertificateError{Host: s.ServerName, Fingerprint: got, Certificate: shown, Err: errors.New("it is not the one that was accepted")}
			}
			return nil
		},
	}
}

// unattributed names the author in the message, where the server knows all of us by one name.
func unattributed(message, author string) string {
	return strings.TrimLeft(strings.TrimRight(message, "\n")+"\n\n("+author+", havre)", "\n")
}

// retryPause is how long a server that did not answer is left alone: those who ask meanwhile are told at once.
const retryPause = 3 * time.Second

// remote is a repository on another server. It connects when something is asked of it, and says to
// people what is wrong when it cannot.
type remote struct {
	address string
	uuid    string
	hashes  *hashCache
	health  health
	login   func(ctx context.Context, location string) (RemoteLogin, error)

	mu     sync.Mutex
	repo   opened
	former []opened      // of earlier logins: somebody may be reading there
	busy   chan struct{} // closed when somebody who connects is done
	failed error
	until  time.Time // failed is believed
}

func newRemote(address, uuid string, hashes *hashCache, login func(ctx context.Context, location string) (RemoteLogin, error)) *remote {
	return &remote{address: address, uuid: uuid, hashes: hashes, login: login}
}

// connected returns the repository.
func (r *remote) connected(ctx context.Context) (opened, error) {
	for {
		r.mu.Lock()
		switch {
		case r.repo != nil:
			defer r.mu.Unlock()
			return r.repo, nil
		case r.failed != nil && time.Now().Before(r.until):
			defer r.mu.Unlock()
			return nil, r.failed
		case r.busy == nil:
			r.busy = make(chan struct{})
			r.mu.Unlock()
			return r.connect(ctx)
		}
		busy := r.busy
		r.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (r *remote) connect(ctx context.Context) (opened, error) {
	var repo opened
	login, err := r.login(ctx, store.Remote+r.address)
	if err == nil {
		repo, err = dialRemote(ctx, r.address, &login)
	}
	if err == nil && repo.UUID() != r.uuid {
		err = errors.Join(havre.Errorf(havre.CodeUnavailable, "at %s there is another repository now: an administrator has to look", r.address), repo.Close())
		repo = nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.busy)
	r.busy = nil
	if err != nil {
		if ctx.Err() == nil {
			r.failed, r.until = err, time.Now().Add(retryPause)
		}
		return nil, err
	}
	r.repo, r.failed = repo, nil
	return repo, nil
}

// explain says to a person what a server's error means, and remembers since when something is wrong. What commits are
// refused for is said elsewhere. A connection that the server does not let in any more is made anew, for the login
// may have been changed since.
func (r *remote) explain(err error) error {
	why := RemoteReason("")
	if bad := certificateOf(err); bad != nil {
		why, err = RemoteCertificate, bad.explain()
	} else if e, ok := errors.AsType[*svn.UnreachableError](err); ok {
		why, err = RemoteAway, havre.Errorf(havre.CodeUnavailable, "the Subversion server %s does not answer: what changed waits until it does", e.Server).Because(e.Err)
	} else if e, ok := errors.AsType[*rasvn.TunnelError](err); ok {
		why, err = RemoteTunnel, explainTunnel(havre.CodeUnavailable, e)
	} else if e, ok := errors.AsType[*svn.RefusedError](err); ok && e.Refusal == svn.RefusedSignIn {
		why, err = RemoteSignIn, havre.Errorf(havre.CodeUnavailable, "the Subversion server does not let this server in: an administrator has to give the password again")
	} else if e, ok := errors.AsType[*havre.Error](err); ok && e.Code == havre.CodeUnavailable && !has[*RemoteError](err) {
		why = RemoteRefused
	}
	r.health.note(err == nil, why != "")
	if why == "" {
		return err
	}
	if why == RemoteCertificate || why == RemoteSignIn {
		r.renew()
	}
	return &RemoteError{why, err}
}

// explainRead is explain where nothing can be refused for its own sake.
func (r *remote) explainRead(err error) error {
	err = r.explain(err)
	if e, ok := errors.AsType[*svn.RefusedError](err); ok {
		return havre.Errorf(havre.CodeUnavailable, "the Subversion server refuses: %s", oneLine(e.Text))
	}
	return err
}

// ask calls do with the repository.
func ask[T any](ctx context.Context, r *remote, do func(opened) (T, error)) (T, error) {
	repo, err := r.connected(ctx)
	if err != nil {
		var none T
		return none, r.explainRead(err)
	}
	v, err := do(repo)
	return v, r.explainRead(err)
}

// each ranges over what the repository yields.
func each[T any](ctx context.Context, r *remote, do func(opened) iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		repo, err := r.connected(ctx)
		if err != nil {
			var none T
			yield(none, r.explainRead(err))
			return
		}
		for v, err := range do(repo) {
			if !yield(v, r.explainRead(err)) || err != nil {
				return
			}
		}
	}
}

// UUID implements svn.Repository.
func (r *remote) UUID() string { return r.uuid }

// Youngest implements svn.Repository.
func (r *remote) Youngest(ctx context.Context) (svn.Revnum, error) {
	return ask(ctx, r, func(repo opened) (svn.Revnum, error) { return repo.Youngest(ctx) })
}

// Stat implements svn.Repository.
func (r *remote) Stat(ctx context.Context, path svn.Path, rev svn.Revnum) (*svn.Node, error) {
	n, err := ask(ctx, r, func(repo opened) (*svn.Node, error) { return repo.Stat(ctx, path, rev) })
	return r.hashes.fill(n), err
}

// lookAhead asks for what stat is asked for next, several at a time.
func (r *remote) lookAhead(ctx context.Context, v *view, paths []svn.Path, rev svn.Revnum) error {
	abs := make([]svn.Path, len(paths))
	for i, p := range paths {
		abs[i] = v.abs(p)
	}
	_, err := ask(ctx, r, func(repo opened) (struct{}, error) { return struct{}{}, repo.LookAhead(ctx, abs, rev) })
	return err
}

// List implements svn.Repository.
func (r *remote) List(ctx context.Context, path svn.Path, rev svn.Revnum, props bool) iter.Seq2[*svn.Node, error] {
	return r.filled(each(ctx, r, func(repo opened) iter.Seq2[*svn.Node, error] { return repo.List(ctx, path, rev, props) }))
}

// Walk implements svn.Repository.
func (r *remote) Walk(ctx context.Context, path svn.Path, rev svn.Revnum, after svn.Path) iter.Seq2[*svn.Node, error] {
	return r.filled(each(ctx, r, func(repo opened) iter.Seq2[*svn.Node, error] { return repo.Walk(ctx, path, rev, after) }))
}

func (r *remote) filled(nodes iter.Seq2[*svn.Node, error]) iter.Seq2[*svn.Node, error] {
	return func(yield func(*svn.Node, error) bool) {
		for n, err := range nodes {
			if !yield(r.hashes.fill(n), err) {
				return
			}
		}
	}
}

// Open implements svn.Repository.
func (r *remote) Open(ctx context.Context, path svn.Path, rev svn.Revnum) (svn.File, error) {
	return ask(ctx, r, func(repo opened) (svn.File, error) { return repo.Open(ctx, path, rev) })
}

// Log implements svn.Repository.
func (r *remote) Log(ctx context.Context, first, last svn.Revnum) iter.Seq2[*svn.Revision, error] {
	return each(ctx, r, func(repo opened) iter.Seq2[*svn.Revision, error] { return repo.Log(ctx, first, last) })
}

// logProps is Log without the changed paths.
func (r *remote) logProps(ctx context.Context, first, last svn.Revnum) iter.Seq2[*svn.Revision, error] {
	return each(ctx, r, func(repo opened) iter.Seq2[*svn.Revision, error] { return repo.LogProps(ctx, first, last) })
}

// RevProps implements svn.Repository.
func (r *remote) RevProps(ctx context.Context, rev svn.Revnum) (svn.Props, error) {
	return ask(ctx, r, func(repo opened) (svn.Props, error) { return repo.RevProps(ctx, rev) })
}

// Commit implements svn.Repository. A *svn.RefusedError stays one.
func (r *remote) Commit(ctx context.Context, c *svn.Commit) (svn.Revnum, error) {
	repo, err := r.connected(ctx)
	if err != nil {
		return svn.InvalidRevnum, r.explainRead(err)
	}
	c, learn := r.watched(c)
	rev, err := repo.Commit(ctx, c)
	if err == nil {
		learn(rev)
	}
	return rev, r.explain(err)
}

// Wait implements svn.Repository.
func (r *remote) Wait(ctx context.Context, rev svn.Revnum) (svn.Revnum, error) {
	return ask(ctx, r, func(repo opened) (svn.Revnum, error) { return repo.Wait(ctx, rev) })
}

// Close implements svn.Repository.
func (r *remote) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hashes.close()
	var errs []error
	for _, f := range r.former {
		errs = append(errs, f.Close())
	}
	if r.repo != nil {
		errs = append(errs, r.repo.Close())
	}
	return errors.Join(errs...)
}

// oneLine is what a server says, which may have been written for a terminal.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
