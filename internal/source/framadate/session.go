package framadate

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"

	"golang.org/x/net/html/charset"

	"github.com/havre-cloud/havre/internal/source"
)

const (
	maxPage      = 16 << 20 // bytes: 500 voters and 100 columns have 8 MB
	maxRedirects = 3
)

// session is a visit to one poll: its requests share a cookie jar, and want English.
type session struct {
	client   *source.Client
	jar      http.CookieJar
	language string
	user     string // of Basic authentication
	password string
}

func newSession(c *source.Client, secrets source.Secrets) *session {
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic(err) // it never fails
	}
	s := &session{client: c, jar: jar, language: "en"}
	if secrets.User != "" && secrets.Password != "" {
		s.user, s.password = secrets.User, secrets.Password.Reveal()
	}
	return s
}

// answer is what came back: the body whole, and where it came from.
type answer struct {
	status   int
	header   http.Header
	body     []byte
	location *url.URL // of a redirection
}

// html says whether it is a page.
func (a *answer) html() bool { return a.is("text/html") }

func (a *answer) is(kind string) bool {
	media, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	return err == nil && media == kind
}

// ask asks for an address; with a form, it sends that.
func (s *session) ask(ctx context.Context, address string, form url.Values) (*answer, error) {
	method, body := http.MethodGet, io.Reader(nil)
	if form != nil {
		method, body = http.MethodPost, strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return nil, source.Errorf(source.ReasonAddress, "this is no address of a poll")
	}
	req.Header.Set("Accept-Language", s.language)
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if s.user != "" {
		req.SetBasicAuth(s.user, s.password)
	}
	for _, cookie := range s.jar.Cookies(req.URL) {
		req.AddCookie(cookie)
	}
	resp, err := s.client.Do(req) //nolint:bodyclose // Drain closes it
	if err != nil {
		return nil, err
	}
	defer source.Drain(resp.Body)
	s.jar.SetCookies(req.URL, resp.Cookies())
	data, err := source.ReadAll(resp, maxPage)
	if err != nil {
		return nil, err
	}
	a := &answer{status: resp.StatusCode, header: resp.Header, body: data}
	if a.status >= 300 && a.status < 400 {
		a.location, err = req.URL.Parse(resp.Header.Get("Location"))
		if err != nil {
			a.location = nil
		}
	}
	return a, nil
}

// page asks for one, and follows only what leads to the same host, or from http to https there. The password, if there
// is one, goes along: an instance that needs none does not look at it.
func (s *session) page(ctx context.Context, address, password string) (*page, error) {
	var form url.Values
	if password != "" {
		form = url.Values{"password": {password}}
	}
	for range maxRedirects {
		a, err := s.ask(ctx, address, form)
		if err != nil {
			return nil, err
		}
		if a.location == nil {
			return readAnswer(a)
		}
		next, err := redirected(address, a.location)
		if err != nil {
			return nil, err
		}
		address = next
	}
	return nil, source.Errorf(source.ReasonForeign, "the address leads in a circle")
}

// redirected says whether a redirection may be followed, and where to.
func redirected(from string, to *url.URL) (string, error) {
	u, err := url.Parse(from)
	switch {
	case err != nil || to.Host == "":
		return "", source.Errorf(source.ReasonForeign, "the address leads nowhere")
	case strings.HasSuffix(to.Path, "/maintenance.php"):
		return "", down
	case to.Hostname() != u.Hostname() || to.Scheme != "https" && to.Host != u.Host:
		return "", source.Errorf(source.ReasonForeign, "the poll's address leads to %s now; if it moved there, add it with its new address", to.Host)
	}
	return to.String(), nil
}

// down is what everything leads to when an instance has no database.
var down = source.Errorf(source.ReasonDown, "the instance is under maintenance")

// statusError is what a status other than 200 means, nil for 200.
func statusError(status int) error {
	switch {
	case status == http.StatusOK:
		return nil
	case status == http.StatusUnauthorized:
		return source.Errorf(source.ReasonPassword, "the instance wants a user name and a password")
	case status == http.StatusForbidden:
		return source.Errorf(source.ReasonPrivate, "the instance does not let it be read")
	case status == http.StatusTooManyRequests:
		return source.Errorf(source.ReasonLimited, "the instance asks for a pause")
	case status >= 500:
		return source.Errorf(source.ReasonDown, "the instance answers with error %d", status)
	}
	return source.Errorf(source.ReasonForeign, "there is no Framadate at this address: it answers with %d", status)
}

// readAnswer reads a page of Framadate out of an answer.
func readAnswer(a *answer) (*page, error) {
	if err := statusError(a.status); err != nil {
		return nil, err
	}
	if !a.html() {
		return nil, source.Errorf(source.ReasonForeign, "there is no Framadate at this address: it answers with %s", cmp.Or(a.header.Get("Content-Type"), "something"))
	}
	body := a.body
	if r, err := charset.NewReader(bytes.NewReader(body), a.header.Get("Content-Type")); err == nil {
		if converted, err := io.ReadAll(r); err == nil {
			body = converted
		}
	}
	p, err := parsePage(body)
	if errors.Is(err, errTruncated) {
		return nil, &source.Error{Reason: source.ReasonDamaged, Text: "the page of the poll is not complete", Err: err}
	}
	if err != nil {
		return nil, &source.Error{Reason: source.ReasonDamaged, Text: "the page of the poll cannot be understood", Err: err}
	}
	switch p.kind {
	case pageMaintenance:
		return nil, down
	case pageOther:
		return nil, source.Errorf(source.ReasonForeign, "what answers at this address is not Framadate")
	}
	return p, nil
}

// sheet asks for the CSV. Nil without an error: the instance does not give it.
func (s *session) sheet(ctx context.Context, address string, kind Kind) (*sheet, error) {
	a, err := s.ask(ctx, address, nil)
	for range maxRedirects {
		if err != nil || a.location == nil {
			break
		}
		if address, err = redirected(address, a.location); err != nil {
			return nil, err
		}
		a, err = s.ask(ctx, address, nil)
	}
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusOK || !a.is("text/csv") {
		if a.status == http.StatusTooManyRequests || a.status >= 500 {
			return nil, statusError(a.status)
		}
		return nil, nil
	}
	return parseSheet(a.body, kind)
}

// reasonOf returns why there is no answer, empty for no error and for one of another kind.
func reasonOf(err error) source.Reason {
	if known, ok := errors.AsType[*source.Error](err); ok {
		return known.Reason
	}
	return ""
}
