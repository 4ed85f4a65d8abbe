package source

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
	"unicode"
)

// Defaults of ClientOptions.
const (
	defaultConcurrent = 2
	defaultPerSecond  = 2
	defaultBurst      = 8
	defaultMaxWait    = 2 * time.Minute
	// A large pad is read from the instance's database record by record before the first byte comes.
	defaultHeaderTimeout = time.Minute
	defaultIdleTimeout   = 30 * time.Second
	defaultTotalTimeout  = 15 * time.Minute
	defaultBackoff       = 5 * time.Second

	connectTimeout = 15 * time.Second
	maxHeader      = 64 << 10
	maxRedirects   = 5
)

// ClientOptions says how a Client visits instances. The zero value is a polite visitor that reaches public addresses only.
type ClientOptions struct {
	// Contact is a mail address or a URL of whoever runs this, for the administrators of instances. It is in the User-Agent:
	// "havre/VERSION (+CONTACT)".
	Contact string
	Version string

	// AllowPrivate allows addresses of the own machine and of private networks.
	AllowPrivate bool
	// AllowHosts are networks that are allowed besides public addresses.
	AllowHosts []netip.Prefix

	// Concurrent is how many requests an instance gets at once, 2 if zero.
	Concurrent int
	// PerSecond is how many requests an instance gets in a second over time, 2 if zero, without limit of ours if
	// negative; Burst is how many it may get at once after a pause, 8 if zero.
	PerSecond float64
	Burst     int
	// MaxWait is how long a request waits for its turn before it fails with ReasonLimited, 2 minutes if zero.
	MaxWait time.Duration
	// HeaderTimeout is how long the head of an answer may take, 1 minute if zero; IdleTimeout how long its body may
	// pause, 30 s if zero; TotalTimeout how long it may take altogether, 15 minutes if zero.
	HeaderTimeout, IdleTimeout, TotalTimeout time.Duration
	// Backoff is the first pause after an instance did not answer, 5 s if zero. It grows fourfold each time.
	Backoff time.Duration
	// Budgets is what an earlier Client learned (Client.Budgets), so that a new process does not ask too much.
	Budgets map[string]Budget

	// TempDir is where large answers are kept while they are worked on, os.TempDir() if empty.
	TempDir string
	// RootCAs and what else a test or an administrator needs of TLS; nil for the system's.
	TLS *tls.Config
	// Dial replaces the network, in tests; names are then not resolved and only literal addresses are checked.
	Dial   func(ctx context.Context, network, address string) (net.Conn, error)
	Logger *slog.Logger
}

// Client makes the requests of all providers, so that each instance meets one polite visitor, whoever asks. Its limits
// hold for all of them together. It is safe for concurrent use.
type Client struct {
	options   ClientOptions
	userAgent string
	guard     guard
	dialer    *net.Dialer
	transport *http.Transport
	http      *http.Client
	log       *slog.Logger

	mu    sync.Mutex
	hosts map[string]*host // by host:port
}

// NewClient returns a client. Nothing is asked before its first use.
func NewClient(o ClientOptions) *Client {
	o.Concurrent = cmp.Or(o.Concurrent, defaultConcurrent)
	o.PerSecond = cmp.Or(o.PerSecond, defaultPerSecond)
	o.Burst = cmp.Or(o.Burst, defaultBurst)
	o.MaxWait = cmp.Or(o.MaxWait, defaultMaxWait)
	o.HeaderTimeout = cmp.Or(o.HeaderTimeout, defaultHeaderTimeout)
	o.IdleTimeout = cmp.Or(o.IdleTimeout, defaultIdleTimeout)
	o.TotalTimeout = cmp.Or(o.TotalTimeout, defaultTotalTimeout)
	o.Backoff = cmp.Or(o.Backoff, defaultBackoff)
	c := &Client{
		options: o, userAgent: userAgent(o.Version, o.Contact), hosts: map[string]*host{}, log: o.Logger,
		guard: guard{all: o.AllowPrivate, allowed: o.AllowHosts},
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	c.dialer = &net.Dialer{Timeout: connectTimeout, KeepAlive: 30 * time.Second, ControlContext: c.guard.control}
	c.transport = &http.Transport{
		// No proxy: it would resolve the names, past the guard.
		Proxy: nil, DialContext: c.dial, TLSClientConfig: o.TLS, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: connectTimeout, ResponseHeaderTimeout: o.HeaderTimeout,
		MaxResponseHeaderBytes: maxHeader, MaxIdleConns: 64, MaxIdleConnsPerHost: o.Concurrent, IdleConnTimeout: 30 * time.Second,
	}
	c.http = &http.Client{
		Transport:     c.transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	for name, b := range o.Budgets {
		c.host(name).restore(b)
	}
	return c
}

// userAgent returns how we introduce ourselves; what could break the header is left out.
func userAgent(version, contact string) string {
	clean := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r > unicode.MaxASCII || !unicode.IsPrint(r) || r == '(' || r == ')' {
				return -1
			}
			return r
		}, s)
	}
	agent := "havre/" + cmp.Or(strings.ReplaceAll(clean(version), " ", ""), "0")
	if contact = clean(contact); contact != "" {
		agent += " (+" + contact + ")"
	}
	return agent
}

// UserAgent is what the client calls itself, for requests that another library makes over DialContext.
func (c *Client) UserAgent() string { return c.userAgent }

// CloseIdle closes connections that nobody uses.
func (c *Client) CloseIdle() { c.transport.CloseIdleConnections() }

// uncounted is the key of Uncounted's value.
type uncounted struct{}

// Uncounted marks requests that the instance does not count against the limit which its answers tell of: an
// Etherpad's pages and socket, for it counts exports and imports only. They need not wait for it.
func Uncounted(ctx context.Context) context.Context { return context.WithValue(ctx, uncounted{}, true) }

// Do sends a request that belongs to an instance. It waits for the instance's budget (see Budget), does not follow
// redirects, and bounds the time until the answer's head and the pauses within its body. An answer of any status
// is returned as it is; that there is none is an *Error with ReasonDown, ReasonForbidden, ReasonAddress or
// ReasonLimited, or the context's error. The body has to be closed: until then it takes one of the places of the instance.
func (c *Client) Do(req *http.Request) (*http.Response, error) {
	name, err := c.check(req.URL)
	if err != nil {
		return nil, err
	}
	h := c.host(name)
	counted := req.Context().Value(uncounted{}) == nil
	release, err := h.acquire(req.Context(), counted)
	if err != nil {
		return nil, err
	}
	req, body := withBounds(req, c.options.IdleTimeout, c.options.TotalTimeout, release)
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", c.userAgent)
	}
	begun := time.Now()
	resp, err := c.http.Do(req)
	if err != nil {
		err = c.explain(h, req, err, counted)
		body.Close() //nolint:errcheck // there is no body yet: it only frees the place
		c.log.Debug("no answer of an instance", "host", name, "method", req.Method, "took", time.Since(begun), "error", err)
		return nil, err
	}
	h.answered(resp)
	c.log.Debug("an instance answered", "host", name, "method", req.Method, "status", resp.StatusCode, "took", time.Since(begun))
	body.wrap(resp.Body)
	resp.Body = body
	return resp, nil
}

// DoFollowing is Do that follows up to 5 redirects of a GET. Each target must be allowed by the caller, who knows what
// an address of the same kind looks like; none leads from https to http. Credentials stay with the host they were given for.
// A redirect that is not allowed is returned as the answer.
func (c *Client) DoFollowing(req *http.Request, allowed func(next *url.URL) bool) (*http.Response, error) {
	for hop := 0; ; hop++ {
		resp, err := c.Do(req)
		if err != nil {
			return nil, err
		}
		next := redirectOf(resp)
		if next == nil || hop == maxRedirects || req.Method != http.MethodGet || !allowed(next) ||
			req.URL.Scheme == "https" && next.Scheme != "https" {
			return resp, nil
		}
		resp.Body.Close()
		following := req.Clone(req.Context())
		following.URL, following.Host = next, ""
		if next.Host != req.URL.Host {
			following.Header.Del("Authorization")
			following.Header.Del("Cookie")
		}
		req = following
	}
}

// redirectOf returns where an answer sends us, nil if nowhere.
func redirectOf(resp *http.Response) *url.URL {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil
	}
	next, err := resp.Location()
	if err != nil {
		return nil
	}
	return next
}

// DialContext opens a connection under the same rules, for what is not HTTP's request and answer (WebSocket). It does not
// take one of the instance's places, for it may stay open for days.
func (c *Client) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if !strings.HasPrefix(network, "tcp") {
		return nil, Errorf(ReasonForbidden, "only TCP is spoken with instances")
	}
	if _, err := c.check(&url.URL{Scheme: "http", Host: address}); err != nil {
		return nil, err
	}
	h := c.host(strings.ToLower(address))
	release, err := h.acquire(ctx, false)
	if err != nil {
		return nil, err
	}
	defer release()
	conn, err := c.dial(ctx, network, address)
	if err != nil {
		return nil, c.explain(h, (&http.Request{Method: http.MethodConnect, URL: &url.URL{Host: address}}).WithContext(ctx), err, false)
	}
	return conn, nil
}

// dial connects, past the guard.
func (c *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if c.options.Dial == nil {
		return c.dialer.DialContext(ctx, network, address)
	}
	if ap, err := netip.ParseAddrPort(address); err == nil {
		if err := c.guard.check(ap.Addr()); err != nil {
			return nil, err
		}
	}
	return c.options.Dial(ctx, network, address)
}

// check says what is wrong with an address before anything is asked, and returns host:port.
func (c *Client) check(u *url.URL) (string, error) {
	if u == nil || u.Hostname() == "" {
		return "", Errorf(ReasonAddress, "the address names no server")
	}
	port := u.Port()
	switch u.Scheme {
	case "http":
		port = cmp.Or(port, "80")
	case "https":
		port = cmp.Or(port, "443")
	default:
		return "", Errorf(ReasonAddress, "only http and https addresses can be saved")
	}
	if err := c.guard.checkPort(port); err != nil {
		return "", err
	}
	return strings.ToLower(net.JoinHostPort(u.Hostname(), port)), nil
}

// explain turns the error of a request into one for people, and remembers that the instance did not answer.
func (c *Client) explain(h *host, req *http.Request, err error, counted bool) error {
	name := req.URL.Host
	if e, ok := errors.AsType[*Error](err); ok {
		return e // the guard's
	}
	if ctxErr := context.Cause(req.Context()); ctxErr != nil && !errors.Is(ctxErr, errIdle) && !errors.Is(ctxErr, errTotal) {
		return ctxErr
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // without the address, which may be a secret
	}
	timeout := isTimeout(err)
	limited, until := h.failed(timeout, counted)
	if limited {
		return &Error{
			Reason: ReasonLimited, Until: until, Err: err,
			Text: fmt.Sprintf("%s did not answer after many requests; it is asked again later", name),
		}
	}
	e := &Error{Reason: ReasonDown, Until: until, Err: err}
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		e.Text = fmt.Sprintf("there is no server called %s", req.URL.Hostname())
	} else if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		e.Text = fmt.Sprintf("the certificate of %s is not valid", name)
	} else if timeout {
		e.Text = fmt.Sprintf("%s does not answer in time", name)
	} else {
		e.Text = fmt.Sprintf("%s cannot be reached", name)
	}
	return e
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout() || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, errIdle) || errors.Is(err, errTotal)
}

// Drain reads what is left of a small body, so that the connection can be used again, and closes it.
func Drain(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, 64<<10) // nobody needs what it says
	body.Close()
}
