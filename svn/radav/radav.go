package radav

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/internal/remote"
)

// Options say how a repository is reached. The zero value is for one that is open to all.
type Options struct {
	// User and Password to sign in with, by Basic or Digest, whatever the server asks for. Without a user nobody signs in.
	User, Password string
	// TLS says whom to trust, and with which certificate to sign in. Nil trusts whom the system trusts.
	TLS *tls.Config
	// Proxy: use the proxy that the environment names (HTTPS_PROXY, NO_PROXY).
	Proxy bool
	// Poll is how often Wait looks for others' commits; 1 second if zero.
	Poll time.Duration
	// Silence is how long the server may be silent before it counts as gone; 2 minutes if zero. The answer to a
	// commit, for which hooks may run, has no such limit.
	Silence time.Duration
	// Unattributed makes the log message of a commit whose author, for which the commit has svn:author, the server does not
	// let us set. Without it a line "Author: NAME" is added.
	Unattributed func(message, author string) string
}

// Repository is a repository on an HTTP server. It implements svn.Repository for the whole repository, of which the
// address may be a part (see Base).
type Repository struct {
	o    Options
	conn *conn
	uuid string
	base svn.Path

	// Addresses on the server, percent-encoded, without a slash at the end. They come from the server.
	root, me, rev, revRoot, txn, txnRoot string
	txnProps                             bool // a transaction may begin with properties

	poller remote.Poller
	author remote.Committer
	nodes  remote.Nodes

	litter   litter
	tooLarge atomic.Int64 // bytes of a body that the server may not take, 0 if it took all
}

var _ svn.Repository = (*Repository)(nil)

// AddressError says what is wrong with an address.
type AddressError struct {
	Address, Reason string
}

func (e *AddressError) Error() string { return fmt.Sprintf("%s: %s", e.Address, e.Reason) }

// Open asks the server and signs in. The address is http://HOST[:PORT]/PATH or https://..., percent-encoded. Errors are
// *svn.UnreachableError, *svn.RefusedError, *svn.NotFoundError (there is nothing at the path in the repository),
// *CertificateError and *AddressError.
func Open(ctx context.Context, address string, o Options) (*Repository, error) {
	u, err := parse(address)
	if err != nil {
		return nil, err
	}
	if o.Poll <= 0 {
		o.Poll = time.Second
	}
	if o.Silence <= 0 {
		o.Silence = 2 * time.Minute
	}
	r := &Repository{o: o, conn: newConn(u, &o)}
	r.poller.Youngest, r.poller.Every = r.Youngest, o.Poll
	r.author.User, r.author.Unattributed, r.author.MayAttribute = o.User, o.Unattributed, r.mayAttribute
	if err := r.begin(ctx, u); err != nil {
		r.conn.http.CloseIdleConnections()
		return nil, err
	}
	if r.base != "" {
		if _, err := r.Stat(ctx, r.base, svn.InvalidRevnum); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func parse(address string) (*url.URL, error) {
	bad := func(why string) error {
		shown := "the address"
		if u, err := url.Parse(address); err == nil {
			shown = u.Redacted()
		}
		return &AddressError{Address: shown, Reason: why}
	}
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return nil, bad("it is not an address")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, bad("only http:// and https:// are spoken here")
	case u.Host == "" || u.Opaque != "" || u.RawQuery != "" || u.Fragment != "":
		return nil, bad("it should be " + u.Scheme + "://HOST/PATH")
	case u.User != nil:
		return nil, bad("a name and a password do not belong into an address")
	}
	return u, nil
}

// optionsBody makes the server tell about the repository.
const optionsBody = `<D:options xmlns:D="DAV:"><D:activity-collection-set/></D:options>`

// begin finds out about the repository. A server that moved it says so here, and only here is that followed.
func (r *Repository) begin(ctx context.Context, u *url.URL) error {
	path := strings.TrimRight(escape(u.Path), "/")
	var h http.Header
	for hop := 0; ; hop++ {
		var err error
		h, err = r.conn.exchange(ctx, xmlRequest("OPTIONS", or(path, "/"), optionsBody))
		f, failed := errors.AsType[*failure](err)
		if failed && f.status == http.StatusMovedPermanently && hop < 3 {
			to, perr := url.Parse(f.where)
			if perr == nil && (to.Host == "" || to.Host == u.Host && to.Scheme == u.Scheme) && to.User == nil {
				path = strings.TrimRight(escape(to.Path), "/")
				continue
			}
		}
		if failed && (f.code == codeNoDirectory || f.status == http.StatusNotFound || f.status == http.StatusMethodNotAllowed) {
			return &svn.RefusedError{Refusal: svn.RefusedPlace, Code: f.code, Text: "there is no Subversion repository at " + u.Redacted()}
		}
		if err != nil {
			return translate(err, "", svn.InvalidRevnum)
		}
		break
	}
	// A server that lets everybody read does not ask who we are, and leaves out in silence what is not for everybody.
	if r.o.User != "" && r.conn.introduce() {
		if _, err := r.conn.exchange(ctx, xmlRequest("OPTIONS", or(path, "/"), optionsBody)); err != nil {
			return translate(err, "", svn.InvalidRevnum)
		}
	}
	r.author.KeepsAuthor = r.o.User == "" && (r.o.TLS == nil || len(r.o.TLS.Certificates) == 0)
	if h.Get("SVN-Me-Resource") == "" {
		refusal, text := svn.RefusedPlace, "there is no Subversion repository at "+u.Redacted()
		if h.Get("SVN-Youngest-Rev") != "" || strings.Contains(strings.Join(h.Values("DAV"), ","), "subversion.tigris.org") {
			refusal, text = svn.RefusedOther, "the server is older than Subversion 1.7, or has SVNAdvertiseV2Protocol switched off: that protocol is not spoken here"
		}
		return &svn.RefusedError{Refusal: refusal, Text: text}
	}
	for name, to := range map[string]*string{
		"SVN-Repository-Root": &r.root, "SVN-Me-Resource": &r.me, "SVN-Rev-Stub": &r.rev,
		"SVN-Rev-Root-Stub": &r.revRoot, "SVN-Txn-Stub": &r.txn, "SVN-Txn-Root-Stub": &r.txnRoot,
	} {
		value := h.Get(name)
		p, err := url.PathUnescape(value)
		if err != nil || !strings.HasPrefix(value, "/") {
			return malformed("%s is %q", name, value)
		}
		*to = strings.TrimRight(escape(p), "/")
	}
	for _, v := range h.Values("SVN-Supported-Posts") {
		r.txnProps = r.txnProps || v == "create-txn-with-props"
	}
	if r.uuid = h.Get("SVN-Repository-UUID"); r.uuid == "" {
		return malformed("the server does not tell the UUID")
	}
	rest, ok := strings.CutPrefix(path, r.root)
	if !ok || rest != "" && rest[0] != '/' {
		return malformed("the repository's root %q for %q", r.root, path)
	}
	p, err := url.PathUnescape(strings.Trim(rest, "/"))
	if err == nil {
		r.base, err = svn.CheckPath(p)
	}
	return err
}

// introduce has all requests say who we are, if none did yet, and whether that is new.
func (c *conn) introduce() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.basic || c.challenge != nil {
		return false
	}
	c.basic = true
	return true
}

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// escape percent-encodes a path.
func escape(p string) string { return remote.Escape(p, "/-_.~!$*,=@") }

// at returns the address of a path at a revision.
func (r *Repository) at(path svn.Path, rev svn.Revnum) string {
	return below(r.revRoot+"/"+strconv.FormatInt(int64(rev), 10), path)
}

// below returns the address of a path below another address.
func below(address string, path svn.Path) string {
	if path == "" {
		return address
	}
	return address + "/" + escape(string(path))
}

// Base returns the path of the address in the repository: "" if it was that of the repository itself.
func (r *Repository) Base() svn.Path { return r.base }

// URL returns the address of the repository's root.
func (r *Repository) URL() string { return r.conn.base.String() + r.root }

// UUID implements svn.Repository.
func (r *Repository) UUID() string { return r.uuid }

// Close implements svn.Repository.
func (r *Repository) Close() error {
	r.conn.http.CloseIdleConnections()
	return nil
}

// Youngest implements svn.Repository.
func (r *Repository) Youngest(ctx context.Context) (svn.Revnum, error) {
	h, err := r.conn.exchange(ctx, xmlRequest("OPTIONS", r.me, optionsBody))
	if err != nil {
		return svn.InvalidRevnum, translate(err, "", svn.InvalidRevnum)
	}
	if uuid := h.Get("SVN-Repository-UUID"); uuid != "" && uuid != r.uuid {
		return svn.InvalidRevnum, &svn.RefusedError{Text: fmt.Sprintf("at %s there is another repository now: %s instead of %s", r.URL(), uuid, r.uuid)}
	}
	rev, err := strconv.ParseInt(h.Get("SVN-Youngest-Rev"), 10, 64)
	if err != nil || rev < 0 {
		return svn.InvalidRevnum, malformed("SVN-Youngest-Rev is %q", h.Get("SVN-Youngest-Rev"))
	}
	r.sweep(ctx)
	return svn.Revnum(rev), nil
}

// Wait implements svn.Repository: others' commits are asked for every Options.Poll, those through this
// Repository are known at once. An error of the server's ends it.
func (r *Repository) Wait(ctx context.Context, rev svn.Revnum) (svn.Revnum, error) {
	return r.poller.Wait(ctx, rev)
}
