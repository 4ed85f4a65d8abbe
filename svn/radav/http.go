package radav

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/icholy/digest"

	"github.com/havre-cloud/havre/svn"
)

// userAgent has to begin so: the server treats others as foreign DAV clients, with other answers.
const userAgent = "SVN/1.14.2 (havre)"

// maxErrorBody is how much of an error's page is looked at, in bytes.
const maxErrorBody = 256 << 10

// conn makes the requests.
type conn struct {
	http    *http.Client
	alone   *http.Client // with a connection for each request
	base    url.URL      // scheme and host
	user    string
	pass    string
	silence time.Duration

	mu        sync.Mutex
	challenge *digest.Challenge // with which to sign in, once the server asked for it
	count     int               // requests with that
	basic     bool              // sign in with Basic
}

func newConn(base *url.URL, o *Options) *conn {
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.TLS != nil {
		tlsConfig = o.TLS.Clone()
	}
	if own := tlsConfig.Certificates; len(own) > 0 && tlsConfig.GetClientCertificate == nil {
		// Shown even if the server names other issuers, so that it says what it has against it.
		tlsConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &own[0], nil }
	}
	dialer := &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 15 * time.Second}
	transport := &http.Transport{
		DialContext:         dialer.DialContext,
		DialTLSContext:      (&tlsDialer{dialer, tlsConfig}).dial,
		TLSClientConfig:     tlsConfig, // through a proxy
		TLSHandshakeTimeout: 30 * time.Second,
		DisableCompression:  true,
		MaxIdleConnsPerHost: 4,
		// Apache closes after five seconds; whoever closes first has no surprises.
		IdleConnTimeout:       4 * time.Second,
		ExpectContinueTimeout: 2 * time.Second,
		// HTTP/2 was never tried with mod_dav_svn.
		TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{},
	}
	if o.Proxy {
		transport.Proxy = http.ProxyFromEnvironment
	}
	alone := transport.Clone()
	alone.DisableKeepAlives = true
	client := func(t *http.Transport) *http.Client {
		return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return &conn{
		http: client(transport), alone: client(alone),
		base: url.URL{Scheme: base.Scheme, Host: base.Host}, user: o.User, pass: o.Password, silence: o.Silence,
	}
}

// request is one to be made.
type request struct {
	method string
	path   string // percent-encoded, from the root of the host
	header http.Header
	body   func() (io.ReadCloser, error) // nil for none; called again when the server wants to know who asks
	size   int64                         // of the body
	// patient: the answer may take as long as it likes, for hooks run.
	patient bool
	// once: it must not be repeated when the connection breaks.
	once bool
	// alone: it gets a connection of its own. Those that are kept may be closed by the server, one that starts anew for
	// instance, in the moment that they are used, and then nobody knows whether it was done.
	alone bool
}

func text(s string) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(s)), nil }
}

// xmlRequest is a request with an XML body.
func xmlRequest(method, path, body string, header ...string) *request {
	body = `<?xml version="1.0" encoding="utf-8"?>` + body
	r := &request{method: method, path: path, header: http.Header{"Content-Type": {"text/xml"}}, body: text(body), size: int64(len(body))}
	for i := 0; i+1 < len(header); i += 2 {
		r.header.Set(header[i], header[i+1])
	}
	return r
}

// failure is an answer that is no success.
type failure struct {
	status int
	code   int    // of Subversion, 0 if it has none
	text   string // what the server says
	where  string // it redirects to
}

func (f *failure) Error() string {
	if f.text != "" {
		return f.text
	}
	return fmt.Sprintf("the server answers %d %s", f.status, http.StatusText(f.status))
}

// bodyError is an error of the one who gives the contents.
type bodyError struct {
	error
	cut bool // the connection was cut for it: the server may still be at work with what it got
}

func (e *bodyError) Unwrap() error { return e.error }

// do makes a request and returns its answer if that is a success. The body has to be closed.
func (c *conn) do(ctx context.Context, r *request) (*http.Response, error) {
	repeat := !r.once
	for try := 0; ; try++ {
		resp, err := c.once(ctx, r)
		if e, gone := errors.AsType[*svn.UnreachableError](err); gone && repeat && !errors.Is(e.Err, errSilent) {
			// It was on a connection that the server had closed: one that starts anew closes all.
			repeat = false
			c.http.CloseIdleConnections()
			continue
		}
		if err != nil {
			return nil, err
		}
		if resp.StatusCode == http.StatusUnauthorized && try < 2 && c.canSignIn(resp) {
			drop(resp)
			continue
		}
		if resp.StatusCode >= 200 && resp.StatusCode < 300 {
			return resp, nil
		}
		err = readError(resp)
		if f, ok := errors.AsType[*failure](err); ok && f.code == 0 && gateway(f.status) {
			// A proxy does not reach the server, or the server is about to stop: what was asked may have been done.
			return nil, &svn.UnreachableError{Server: c.base.Host, Err: err}
		}
		return nil, err
	}
}

// gateway says whether a status is that of somebody who stands before the server.
func gateway(status int) bool {
	return status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
}

// canSignIn chooses, after an answer that asks who we are, how to say it; false if that is what was said already.
func (c *conn) canSignIn(resp *http.Response) bool {
	if c.user == "" {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if chal, err := digest.FindChallenge(resp.Header); err == nil {
		// A new nonce is no refusal, unless the one before was never any good.
		good := c.challenge == nil || c.count > 1 && chal.Nonce != c.challenge.Nonce
		c.challenge, c.count, c.basic = chal, 0, false
		return good
	}
	if c.basic {
		return false
	}
	for _, h := range resp.Header.Values("WWW-Authenticate") {
		if scheme, _, _ := strings.Cut(h, " "); strings.EqualFold(scheme, "Basic") {
			c.basic, c.challenge = true, nil
			return true
		}
	}
	return false
}

// sign adds who we are.
func (c *conn) sign(req *http.Request) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.challenge != nil:
		c.count++
		cred, err := digest.Digest(c.challenge, digest.Options{
			Method: req.Method, URI: req.URL.RequestURI(), Count: c.count, Username: c.user, Password: c.pass, GetBody: req.GetBody,
		})
		if err != nil {
			return &svn.RefusedError{Refusal: svn.RefusedSignIn, Text: "the server wants a kind of Digest that is not known: " + err.Error()}
		}
		req.Header.Set("Authorization", cred.String())
	case c.basic:
		req.SetBasicAuth(c.user, c.pass)
	}
	return nil
}

// once makes a request a single time.
func (c *conn) once(ctx context.Context, r *request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	watch := time.AfterFunc(c.silence, func() { cancel(errSilent) })
	if r.patient {
		watch.Stop()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, c.base.String()+r.path, nil)
	if err != nil {
		cancel(nil)
		return nil, err
	}
	maps.Copy(req.Header, r.header)
	req.Header.Set("User-Agent", userAgent)
	if !r.once {
		req.Header["Idempotency-Key"] = []string{} // net/http repeats it on a connection that had been closed
	}
	var given *contents
	if r.body != nil && r.size > 0 {
		open := func() (io.ReadCloser, error) {
			body, err := r.body()
			if err != nil {
				return nil, &bodyError{error: err}
			}
			given = &contents{ReadCloser: body, left: r.size, watch: watch, silence: c.silence}
			return given, nil
		}
		if req.Body, err = open(); err != nil {
			cancel(nil)
			return nil, err
		}
		req.GetBody, req.ContentLength = open, r.size
		if r.size > 1<<20 {
			req.Header.Set("Expect", "100-continue") // so that a refusal comes before it is all sent
		}
	}
	if err := c.sign(req); err != nil {
		cancel(nil)
		return nil, err
	}
	client := c.http
	if r.alone {
		client = c.alone
	}
	resp, err := client.Do(req)
	if err != nil {
		defer cancel(nil)
		if given != nil && given.err != nil {
			return nil, &bodyError{given.err, true}
		}
		return nil, c.lost(ctx, err)
	}
	if given != nil && given.padding {
		resp.Body.Close()
		cancel(nil)
		return nil, &bodyError{error: given.err}
	}
	watch.Reset(c.silence)
	resp.Body = &answer{ReadCloser: resp.Body, conn: c, ctx: ctx, cancel: cancel, watch: watch}
	return resp, nil
}

// errSilent ends a request whose server says nothing for too long.
var errSilent = errors.New("it says nothing any more")

// lost is the error of a connection.
func (c *conn) lost(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	switch {
	case cause != nil && !errors.Is(cause, errSilent):
		return cause
	case cause != nil:
		err = cause
	}
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return &CertificateError{Host: c.base.Host, Certificate: e.UnverifiedCertificates[0], Err: e.Err}
	}
	if why := askedForCertificate(err); why != "" {
		return &svn.RefusedError{Refusal: svn.RefusedSignIn, Text: why}
	}
	return &svn.UnreachableError{Server: c.base.Host, Err: err}
}

// alerts are those of TLS that a server ends a connection with because of the client's certificate, as crypto/tls
// words them, which has no other way to tell them apart.
var alerts = map[string]string{
	"tls: certificate required":          "the server wants a certificate to sign in with",
	"tls: expired certificate":           "the server says that our certificate has expired",
	"tls: revoked certificate":           "the server says that our certificate was revoked",
	"tls: unknown certificate authority": "the server does not know who issued our certificate",
	"tls: bad certificate":               "the server does not accept our certificate, or wants one",
	"tls: unsupported certificate":       "the server does not accept our kind of certificate",
	"tls: unknown certificate":           "the server does not accept our certificate",
}

// askedForCertificate says what a server has against our certificate, "" if that is not the problem.
func askedForCertificate(err error) string {
	e, ok := errors.AsType[*net.OpError](err)
	if !ok || e.Op != "remote error" || e.Err == nil {
		return ""
	}
	return alerts[e.Err.Error()]
}

// maxPadding is how many bytes are sent instead of what cannot be read.
const maxPadding = 16 << 20

// contents notes errors of the one who gives them, and that something is being sent. After an error the request is
// brought to its end with zeros, if that is not much: of one that was cut nobody knows when the server is done with it, and
// who removes its transaction meanwhile leaves half of that on the server.
type contents struct {
	io.ReadCloser
	left    int64 // bytes to be sent
	watch   *time.Timer
	silence time.Duration
	err     error
	padding bool
}

func (b *contents) Read(p []byte) (int, error) {
	if b.padding {
		n := int(min(int64(len(p)), b.left))
		clear(p[:n])
		b.left -= int64(n)
		if b.left == 0 {
			return n, io.EOF
		}
		return n, nil
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	if err != nil && err != io.EOF {
		b.err = err
		if b.left <= maxPadding {
			b.padding = true
			return n, nil
		}
	}
	if b.watch.Stop() {
		b.watch.Reset(b.silence)
	}
	return n, err
}

// answer is the body of an answer, which must not pause for too long.
type answer struct {
	io.ReadCloser
	conn   *conn
	ctx    context.Context //nolint:containedctx // it is that of the request
	cancel context.CancelCauseFunc
	watch  *time.Timer
}

func (b *answer) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.watch.Reset(b.conn.silence)
	if err != nil && !errors.Is(err, io.EOF) {
		err = b.conn.lost(b.ctx, err)
	}
	return n, err
}

func (b *answer) Close() error {
	b.watch.Stop()
	err := b.ReadCloser.Close()
	b.cancel(nil)
	return err
}

// drop ends an answer that nobody wants, so that its connection can be used again.
func drop(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, maxErrorBody) // else the connection is closed
	_ = resp.Body.Close()
}

// readError reads an answer that is no success.
func readError(resp *http.Response) error {
	defer drop(resp)
	f := &failure{status: resp.StatusCode, where: resp.Header.Get("Location")}
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/xml") {
		return f
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err != nil {
		return f // the status is all there is
	}
	f.code, f.text = errorBody(body)
	return f
}

// errorBody reads an error of mod_dav_svn; 0 and "" if it is none.
func errorBody(body []byte) (code int, said string) {
	_ = document(bytes.NewReader(body), "error", func(e *element) error { // what is no error has no code
		if e.name == "human-readable" {
			code, _ = strconv.Atoi(e.attrs["errcode"])
			said = strings.ToValidUTF8(strings.TrimSpace(e.text), "\uFFFD")
		}
		return nil
	})
	return code, said
}

// exchange makes a request whose answer has nothing of interest in its body.
func (c *conn) exchange(ctx context.Context, r *request) (http.Header, error) {
	resp, err := c.do(ctx, r)
	if err != nil {
		return nil, err
	}
	drop(resp)
	return resp.Header, nil
}

// query makes a request whose answer is a document.
func (c *conn) query(ctx context.Context, r *request, root string, each func(*element) error) error {
	resp, err := c.do(ctx, r)
	if err != nil {
		return err
	}
	err = document(resp.Body, root, each)
	if err == nil {
		_, _ = io.CopyN(io.Discard, resp.Body, 4096) // the line break at the end, so that the connection can be used again
	}
	if cerr := resp.Body.Close(); err == nil {
		err = cerr
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		err = &svn.UnreachableError{Server: c.base.Host, Err: errors.New("its answer breaks off: look into its log")}
	}
	return err
}
