package web

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/internal/store"
)

// The cookies. No script can read them.
const (
	cookieSession = "__Host-havre" // the token of hub.SignIn
	cookieVisitor = "__Host-visit" // random, for the forms of strangers
	cookieToast   = "__Host-toast" // what the next page says
	cookieTheme   = "theme"
	cookieLetters = "letters"
	cookieLang    = "lang"
	cookieDensity = "density"
	cookieZone    = "zone"
)

// exchange is one request and its answer. It is for one goroutine.
type exchange struct {
	w       http.ResponseWriter
	r       *http.Request
	s       *Server
	hub     *hub.Hub
	session *hub.Session // nil for strangers
	lang    string       // "en" or "fr"
	zone    *time.Location
	now     time.Time
	secret  string // what the token of forms is made from
	says    *toast // the next page or fragment says it
	tag     string // of the answer, if it is known before it is rendered
}

// ctx ends with the request.
func (x *exchange) ctx() context.Context { return x.r.Context() }

// t returns a text of this language. args are names of places and their values, in turn; the place
// "n" chooses the plural.
func (x *exchange) t(key string, args ...any) string { return x.s.texts.text(x.lang, key, args...) }

// caller is the person as the hub's methods want it; the zero value, which may do nothing, for strangers.
func (x *exchange) caller() *havre.Caller {
	if x.session == nil {
		return &havre.Caller{}
	}
	return x.session.Caller()
}

// admin administers in the name of this person, for the audit log.
func (x *exchange) admin() *hub.Admin {
	return x.hub.Admin(store.Actor{Name: x.session.User.Name, Address: x.address()})
}

// address is where the request came from, without the port.
func (x *exchange) address() string {
	host, _, err := net.SplitHostPort(x.r.RemoteAddr)
	if err != nil {
		return x.r.RemoteAddr
	}
	return host
}

// htmx says that htmx asks for a part of a page.
func (x *exchange) htmx() bool {
	h := x.r.Header
	return h.Get("Hx-Request") == "true" && h.Get("Hx-Boosted") != "true" && h.Get("Hx-History-Restore-Request") != "true"
}

// redirect leads on to another address of this server.
func (x *exchange) redirect(to string) error {
	if !localAddress(to) {
		to = "/"
	}
	if x.says != nil {
		x.setCookie(cookieToast, x.says.encode(), 60)
	}
	if x.htmx() {
		x.w.Header().Set("Hx-Redirect", to)
		x.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	x.w.Header().Set("Cache-Control", "no-store")
	http.Redirect(x.w, x.r, to, http.StatusSeeOther)
	return nil
}

// here is the address of the page: of the one that a form was on, if it was refused.
func (x *exchange) here() string {
	if to := x.r.URL.RequestURI(); x.s.shows(to) {
		return to
	}
	return x.back("/")
}

// back returns the page that the request came from, or the alternative. A form that was refused is shown at the
// address that it was sent to, where there may be nothing else.
func (x *exchange) back(otherwise string) string {
	if to := x.r.PostFormValue("back"); localAddress(to) && x.s.shows(to) {
		return to
	}
	from := x.r.Header.Get("Hx-Current-Url")
	if from == "" {
		from = x.r.Referer()
	}
	if u, err := url.Parse(from); err == nil && u.Host == x.r.Host && localAddress(u.RequestURI()) && x.s.shows(u.RequestURI()) {
		return u.RequestURI()
	}
	return otherwise
}

// localAddress says whether to is an address of this server and nothing else to any browser.
func localAddress(to string) bool {
	if !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\r\n\t") {
		return false
	}
	u, err := url.Parse(to)
	return err == nil && u.Host == "" && u.Scheme == ""
}

// setCookie sets a cookie for this server for some seconds; -1 removes it.
func (x *exchange) setCookie(name, value string, seconds int) {
	http.SetCookie(x.w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: seconds,
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// cookie returns the value of a cookie, "" if there is none.
func (x *exchange) cookie(name string) string {
	c, err := x.r.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}

// folderAddress returns the address of a path in a folder, "" for the folder itself.
func folderAddress(folder, path string) string {
	a := "/f/" + url.PathEscape(folder)
	if path == "" {
		return a
	}
	for part := range strings.SplitSeq(path, "/") {
		a += "/" + url.PathEscape(part)
	}
	return a
}
