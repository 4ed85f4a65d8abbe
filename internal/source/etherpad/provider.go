package etherpad

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/source"
)

// Provider fetches pads. It keeps nothing between calls.
type Provider struct{ live followers }

// New returns the provider of pads.
func New() *Provider { return &Provider{} }

// Kind implements source.Provider.
func (*Provider) Kind() source.Kind { return source.KindEtherpad }

// Bounds of what an instance may answer. The largest pads that are known have 100 MB.
const (
	maxFile   = 512 << 20
	maxExport = 32 << 20 // txt and html
	maxAnswer = 64 << 10 // everything else
)

// get asks for an address with what the document's secrets allow. Redirects are followed only to the same path, for
// instances that moved to https or another name: every other one is a page for people, or goes on for ever.
func get(ctx context.Context, c *source.Client, address string, s source.Secrets, etag string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, source.Errorf(source.ReasonAddress, "this is no address of a pad")
	}
	authorise(req, s)
	if etag != "" {
		req.Header.Set("If-None-Match", etag)
	}
	return c.DoFollowing(req, func(next *url.URL) bool {
		private := s.Password != "" || s.Session != ""
		return next.EscapedPath() == req.URL.EscapedPath() && (!private || next.Hostname() == req.URL.Hostname())
	})
}

// authorise adds what a document's secrets allow: Basic authentication, the cookie of a group, or the password of MyPads,
// which that plugin takes from the address.
func authorise(req *http.Request, s source.Secrets) {
	switch {
	case s.User != "":
		req.SetBasicAuth(s.User, s.Password.Reveal())
	case s.Password != "":
		query := req.URL.Query()
		query.Set("mypadspassword", base64.StdEncoding.EncodeToString([]byte(s.Password.Reveal())))
		req.URL.RawQuery = query.Encode()
	}
	if sessionValue.MatchString(s.Session.Reveal()) {
		// Not AddCookie, which would quote a list of sessions.
		req.Header.Set("Cookie", "sessionID="+s.Session.Reveal())
	}
}

// mediaType returns an answer's type without parameters.
func mediaType(resp *http.Response) string {
	t, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return t
}

// errorFor says why an answer to a request for an export, or an import, is none. The body's beginning helps to tell an
// Etherpad from what stands before it; resp's body is not read.
func errorFor(resp *http.Response, body []byte, s source.Secrets) *source.Error {
	e := &source.Error{Until: retryAt(resp)}
	switch status := resp.StatusCode; {
	case status == http.StatusTooManyRequests:
		e.Reason, e.Text = source.ReasonLimited, "the instance asks for a pause"
	case status >= 500:
		e.Reason, e.Text = source.ReasonDown, "the instance has a fault of its own ("+resp.Status+")"
	case resp.Header.Get("Cf-Mitigated") != "":
		e.Reason, e.Text = source.ReasonForeign, "the instance lets only browsers in: a check against robots stands before it"
	case status == http.StatusUnauthorized && resp.Header.Get("WWW-Authenticate") == "" && mediaType(resp) == "application/json":
		e.Reason, e.Text = source.ReasonPrivate, "the instance shows only pads of its members"
	case status == http.StatusUnauthorized && s.User != "":
		e.Reason, e.Text = source.ReasonPassword, "the instance does not accept the user name and password"
	case status == http.StatusUnauthorized:
		e.Reason, e.Text = source.ReasonPassword, "the instance asks for a user name and password"
	case status == http.StatusForbidden:
		e.Reason, e.Text = source.ReasonPrivate, "the pad is private, or gone: the instance does not say which"
		if s.Session != "" {
			e.Text = "the pad is private, or gone, or the session has ended"
		}
	case status == http.StatusNotFound && isNoPad(body), status == http.StatusGone:
		e.Reason, e.Text = source.ReasonGone, "there is no such pad on the instance"
	case status >= 300 && status < 400 && strings.Contains(resp.Header.Get("Location"), "/mypads/"):
		e.Reason, e.Text = source.ReasonPassword, "the pad asks for a password"
		if s.Password != "" {
			e.Text = "the pad does not accept the password"
		}
	case status >= 300 && status < 400:
		e.Reason, e.Text = source.ReasonForeign, "the instance sends visitors elsewhere: it may be closed for maintenance, or the network asks to sign in"
	default:
		e.Reason, e.Text = source.ReasonForeign, "what answers is not an Etherpad, or not one that gives out its pads"
	}
	return e
}

// isNoPad recognises Etherpad's own way of saying that there is no pad, or that there cannot be one of that name.
func isNoPad(body []byte) bool {
	return bytes.Contains(body, []byte("Cannot GET /")) || bytes.Contains(body, []byte("Such a padname is forbidden"))
}

// retryAt returns when an instance may be asked again, as it says itself; zero if it does not.
func retryAt(resp *http.Response) time.Time {
	if after := resp.Header.Get("Retry-After"); after != "" {
		if n, err := strconv.Atoi(after); err == nil && n >= 0 && n < 7*24*3600 {
			return time.Now().Add(time.Duration(n) * time.Second).UTC()
		}
		if t, err := http.ParseTime(after); err == nil {
			return t.UTC()
		}
	}
	if resp.StatusCode == http.StatusTooManyRequests {
		if n, err := strconv.ParseInt(resp.Header.Get("X-RateLimit-Reset"), 10, 64); err == nil && n > 0 && n < 1<<40 {
			return time.Unix(n+1, 0).UTC()
		}
	}
	return time.Time{}
}

// head reads the beginning of a body that is no export.
func head(resp *http.Response) []byte {
	b, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // what has come tells enough
	return b
}

// Probe implements source.Provider. It asks only for what an Etherpad does not count against its limit and what creates no
// pad.
func (*Provider) Probe(ctx context.Context, c *source.Client, r source.Recognised) (source.Recognised, error) {
	ctx = source.Uncounted(ctx)
	var first error
	for _, test := range []struct {
		path string
		is   func(resp *http.Response, body []byte) bool
	}{
		{"/api", isAPI},
		{"/health", isHealth},
		{"/p/" + url.PathEscape(r.Address.Name), isPadPage},
	} {
		if test.path == "/p/" {
			continue
		}
		resp, err := get(ctx, c, r.Address.Instance+test.path, r.Secrets, "")
		if err != nil {
			return r, err // it does not answer: it is not asked more
		}
		body := head(resp)
		resp.Body.Close()
		if test.is(resp, body) {
			return corrected(r, resp.Request.URL, test.path), nil
		}
		if e := errorFor(resp, body, r.Secrets); first == nil && (e.Reason == source.ReasonDown || e.Reason == source.ReasonLimited || e.Reason == source.ReasonPassword) {
			first = e
		}
	}
	if first != nil {
		return r, first
	}
	return r, source.Errorf(source.ReasonForeign, "what answers at this address is not an Etherpad")
}

// Find implements source.Finder: only an export tells whether there is a pad.
func (*Provider) Find(ctx context.Context, c *source.Client, r source.Recognised) error {
	f := &fetch{ctx: ctx, client: c, document: source.Document{Address: r.Address, Secrets: r.Secrets}}
	f.document.Address.Name = SanitiseName(r.Address.Name)
	resp, err := f.export("txt", "")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusInternalServerError:
		return nil // the pad is damaged there: what can be saved of it is
	case resp.StatusCode != http.StatusOK:
		return f.refusal(resp)
	case mediaType(resp) != "text/plain":
		return source.Errorf(source.ReasonForeign, "the instance answers with a page instead of the pad")
	}
	return nil
}

// corrected returns the address with the root of the instance that answered, which may be another after redirects.
func corrected(r source.Recognised, answered *url.URL, path string) source.Recognised {
	u := *answered
	u.RawQuery, u.Fragment, u.User = "", "", nil
	instance, ok := strings.CutSuffix(u.String(), path)
	if !ok {
		return r
	}
	old := r.Address.Instance
	r.Address.Instance = instance
	r.Address.Name = SanitiseName(r.Address.Name)
	if r.Address.Collection == "" {
		r.Address.URL = padURL(instance, r.Address.Name)
	} else if rest, ok := strings.CutPrefix(r.Address.URL, old); ok {
		r.Address.URL = instance + rest
	}
	r.Likelihood = source.Certain
	return r
}

func isAPI(resp *http.Response, body []byte) bool {
	var answer struct {
		CurrentVersion string `json:"currentVersion"`
	}
	return resp.StatusCode == http.StatusOK && json.Unmarshal(body, &answer) == nil && answer.CurrentVersion != ""
}

func isHealth(resp *http.Response, body []byte) bool {
	var answer struct {
		ReleaseID string `json:"releaseId"`
	}
	return resp.StatusCode == http.StatusOK && mediaType(resp) == "application/health+json" && json.Unmarshal(body, &answer) == nil && answer.ReleaseID != ""
}

// isPadPage recognises the page by the frame that its editor is put into; a proxy may let nothing else through.
func isPadPage(resp *http.Response, body []byte) bool {
	return resp.StatusCode == http.StatusOK && mediaType(resp) == "text/html" &&
		bytes.Contains(body, []byte("editorcontainer")) && bytes.Contains(body, []byte("socket.io"))
}
