package rasvn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/internal/remote"
)

// Options say how a repository is reached. The zero value is for one that is open to all.
type Options struct {
	// User and Password to sign in with. Without a user nobody signs in.
	User, Password string
	// Poll is how often Wait looks for others' commits; 1 second if zero.
	Poll time.Duration
	// Silence is how long the server may be silent before it counts as gone; 2 minutes if zero. An answer to a
	// commit, for which hooks may run, has no such limit.
	Silence time.Duration
	// Dial connects to the server in another way than the address says: the greeting of svnserve comes out of the
	// connection. With it the server signs the user in by itself, as at the end of a tunnel.
	Dial func(ctx context.Context) (io.ReadWriteCloser, error)
	// Unattributed makes the log message of a commit whose author, for which the commit has svn:author, the server does
	// not let us set. Without it a line "Author: NAME" is added.
	Unattributed func(message, author string) string
}

// maxIdle is how many connections are kept open for the next calls.
const maxIdle = 4

// Repository is a repository on another server. It implements svn.Repository for the whole repository, of
// which the address may be a part (see Base).
type Repository struct {
	o       Options
	opening opening
	dial    func(ctx context.Context) (io.ReadWriteCloser, error)
	uuid    string
	rootURL string
	base    svn.Path

	poller remote.Poller
	author remote.Committer
	nodes  remote.Nodes

	mu     sync.Mutex
	idle   []*session
	closed bool
}

var _ svn.Repository = (*Repository)(nil)

// Open connects to the server and signs in. The address is svn://HOST[:PORT]/PATH or svn+ssh://[USER@]HOST[:PORT]/PATH,
// percent-encoded. Errors are *svn.UnreachableError, *svn.RefusedError, *svn.NotFoundError (there is no
// repository, or nothing at the path in it), *AddressError and, with svn+ssh://, *TunnelError.
func Open(ctx context.Context, address string, o Options) (*Repository, error) {
	r := &Repository{o: o}
	if err := r.prepare(address); err != nil {
		return nil, err
	}
	if r.o.Poll <= 0 {
		r.o.Poll = time.Second
	}
	r.poller.Youngest, r.poller.Every = r.Youngest, r.o.Poll
	r.author.User, r.author.Unattributed, r.author.MayAttribute = o.User, o.Unattributed, r.mayAttribute
	s, err := r.connect(ctx)
	if err != nil {
		if f, ok := errors.AsType[*failure](err); ok && f.is(codeNoRepository) {
			return nil, &svn.RefusedError{Refusal: svn.RefusedPlace, Code: codeNoRepository, Text: "there is no repository at " + r.opening.url}
		}
		return nil, translate(err, "", svn.InvalidRevnum)
	}
	r.uuid, r.rootURL = s.uuid, s.root
	if r.base, err = below(s.root, r.opening.url); err != nil {
		s.close()
		return nil, err
	}
	// From now on paths are those in the repository.
	if r.base != "" {
		if err := r.toRoot(ctx, s); err != nil {
			s.close()
			return nil, err
		}
		r.opening.url = s.root
	}
	r.giveBack(s)
	if r.base != "" {
		if _, err := r.Stat(ctx, r.base, svn.InvalidRevnum); err != nil {
			_ = r.Close() // nothing to lose
			return nil, err
		}
	}
	return r, nil
}

// AddressError says what is wrong with an address.
type AddressError struct {
	Address, Reason string
}

func (e *AddressError) Error() string { return fmt.Sprintf("%s: %s", e.Address, e.Reason) }

// prepare takes the address apart.
func (r *Repository) prepare(address string) error {
	bad := func(format string, args ...any) error {
		return &AddressError{Address: redacted(address), Reason: fmt.Sprintf(format, args...)}
	}
	u, err := url.Parse(address)
	if err != nil {
		return bad("it is not an address")
	}
	switch {
	case u.Scheme != "svn" && u.Scheme != "svn+ssh":
		return bad("only svn:// and svn+ssh:// are spoken here")
	case u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "":
		return bad("it should be %s://HOST/PATH", u.Scheme)
	case strings.HasPrefix(u.Hostname(), "-") || u.User != nil && strings.HasPrefix(u.User.Username(), "-"):
		return bad("a name begins with a dash") // ssh would take it for an option
	}
	if _, set := u.User.Password(); set {
		return bad("a password does not belong into an address")
	}
	clean := url.URL{Scheme: u.Scheme, Host: u.Host, User: u.User}
	r.opening = opening{
		url:    clean.String() + escape(strings.TrimRight(u.Path, "/")),
		server: u.Host,
		auth:   authentication{user: r.o.User, password: r.o.Password},
		idle:   r.o.Silence,
	}
	if r.opening.idle <= 0 {
		r.opening.idle = 2 * time.Minute
	}
	switch {
	case r.o.Dial != nil:
		r.dial, r.opening.tunnel, r.opening.auth.tunnel = r.o.Dial, true, true
	case u.Scheme == "svn+ssh":
		r.dial = func(ctx context.Context) (io.ReadWriteCloser, error) { return dialSSH(ctx, u) }
		r.opening.tunnel, r.opening.auth.tunnel = true, true
	default:
		host := u.Host
		if u.Port() == "" {
			host = net.JoinHostPort(u.Hostname(), "3690")
		}
		r.dial = func(ctx context.Context) (io.ReadWriteCloser, error) { return tcp(ctx, host) }
	}
	return nil
}

// redacted is an address without a password, for errors.
func redacted(address string) string {
	if u, err := url.Parse(address); err == nil {
		return u.Redacted()
	}
	return "the address"
}

// unescaped is what svnserve leaves as it is in addresses, which it compares.
const unescaped = "/-_.~!$&'()*+,:=@"

// escape percent-encodes a path for an address.
func escape(p string) string { return remote.Escape(p, unescaped) }

// below returns the path of an address in the repository with the root.
func below(root, address string) (svn.Path, error) {
	r, err := url.Parse(root)
	if err != nil {
		return "", malformed("the repository's address %q", root)
	}
	a, err := url.Parse(address)
	if err != nil {
		return "", malformed("the address %q", address)
	}
	rest, ok := strings.CutPrefix(a.Path, strings.TrimRight(r.Path, "/"))
	if !ok || rest != "" && rest[0] != '/' {
		return "", malformed("the repository's address %q for %q", root, address)
	}
	return svn.CheckPath(strings.Trim(rest, "/"))
}

// Base returns the path of the address in the repository: "" if it was that of the repository itself.
func (r *Repository) Base() svn.Path { return r.base }

// URL returns the address of the repository's root.
func (r *Repository) URL() string { return r.rootURL }

// UUID implements svn.Repository.
func (r *Repository) UUID() string { return r.uuid }

func (r *Repository) toRoot(ctx context.Context, s *session) error {
	defer s.guard(ctx)()
	_, err := s.call(ctx, "reparent", appendString(nil, s.root))
	return translate(err, "", svn.InvalidRevnum)
}

// connect opens a session.
func (r *Repository) connect(ctx context.Context) (*session, error) {
	conn, err := r.dial(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if _, ok := errors.AsType[*TunnelError](err); ok {
			return nil, err
		}
		return nil, &svn.UnreachableError{Server: r.opening.server, Err: err}
	}
	return open(ctx, conn, &r.opening)
}

// errClosed is returned after Close.
var errClosed = errors.New("svn/rasvn: the repository is closed")

// take returns a session that nobody uses.
func (r *Repository) take(ctx context.Context) (*session, error) {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil, errClosed
	}
	if n := len(r.idle); n > 0 {
		s := r.idle[n-1]
		r.idle = r.idle[:n-1]
		r.mu.Unlock()
		return s, nil
	}
	r.mu.Unlock()
	s, err := r.connect(ctx)
	if err != nil {
		return nil, err
	}
	if s.uuid != r.uuid {
		s.close()
		return nil, &svn.RefusedError{Text: fmt.Sprintf("at %s there is another repository now: %s instead of %s",
			r.rootURL, s.uuid, r.uuid)}
	}
	return s, nil
}

// giveBack takes a session that is no longer used.
func (r *Repository) giveBack(s *session) {
	s.held, s.used = false, true
	r.mu.Lock()
	keep := !s.broken && !r.closed && len(r.idle) < maxIdle
	if keep {
		r.idle = append(r.idle, s)
	}
	r.mu.Unlock()
	if !keep {
		s.close()
	}
}

// do runs a conversation. One that reads is begun anew, once, when the connection it was on had been idle and
// turns out to be cut: a server that restarts cuts them all.
func (r *Repository) do(ctx context.Context, talk func(s *session) error) error {
	for {
		s, err := r.take(ctx)
		if err != nil {
			return err
		}
		kept := s.used
		s.used = false
		release := s.guard(ctx)
		err = talk(s)
		release()
		answered := s.used
		s.used = true
		if !s.held {
			r.giveBack(s)
		}
		if _, cut := errors.AsType[*svn.UnreachableError](err); !cut || !kept || answered || ctx.Err() != nil {
			return err
		}
		r.dropIdle()
	}
}

// dropIdle closes the connections that nobody uses.
func (r *Repository) dropIdle() {
	r.mu.Lock()
	idle := r.idle
	r.idle = nil
	r.mu.Unlock()
	for _, s := range idle {
		s.close()
	}
}

// Close closes the connections that nobody uses, and the others when they are no longer used.
func (r *Repository) Close() error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.dropIdle()
	return nil
}
