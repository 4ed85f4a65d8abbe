package web

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/havre-cloud/havre/internal/havre"
)

// failure is what the page core/error shows.
type failure struct {
	Status    int
	Title     string
	Text      string
	Reference string // of the log, for what is our fault
	Enter     bool   // signing in helps
}

// fail answers with what went wrong. What is not a *havre.Error is logged under a number that the
// person can tell.
func (s *Server) fail(x *exchange, err error) {
	if errors.Is(err, context.Canceled) && x.r.Context().Err() != nil {
		return // nobody listens
	}
	code := havre.CodeOf(err)
	if code == havre.CodeUnauthenticated && x.r.Method == http.MethodGet && !x.htmx() && x.session == nil && wantsPage(x.r) {
		_ = x.redirect("/signin?to=" + url.QueryEscape(x.r.URL.RequestURI())) // it cannot fail
		return
	}
	f := x.describe(code, err)
	if f.Status >= http.StatusInternalServerError && code == havre.CodeInternal {
		f.Reference = reference()
		s.log.LogAttrs(x.ctx(), slog.LevelError, "page failed", slog.String("reference", f.Reference),
			slog.String("method", x.r.Method), slog.String("path", x.r.URL.Path), slog.Any("error", err))
	}
	x.w.Header().Set("Cache-Control", "no-store")
	if err := x.showFailure(f); err != nil {
		s.log.LogAttrs(x.ctx(), slog.LevelError, "error page failed", slog.Any("error", err))
		http.Error(x.w, f.Title, f.Status)
	}
}

// showFailure renders a page, a fragment or a line, as the request wants.
func (x *exchange) showFailure(f failure) error {
	switch {
	case x.r.Header.Get("Hx-Request") == "true":
		x.w.Header().Set("Hx-Retarget", "#failure")
		x.w.Header().Set("Hx-Reswap", "innerHTML")
		return x.render(f.Status, "core/error", "failure-note", f)
	case wantsPage(x.r):
		nav := navFiles
		if x.session == nil {
			nav = navNone
		} else if strings.HasPrefix(x.r.URL.Path, "/admin") && x.session.Admin() {
			nav = navAdmin
		}
		return x.pageStatus(f.Status, "core/error", page{Title: f.Title, Nav: nav, Data: f})
	}
	text := f.Title
	if f.Text != "" {
		text = f.Text
	}
	x.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	x.w.WriteHeader(f.Status)
	_, err := x.w.Write([]byte(text + "\n"))
	return err
}

// wantsPage says whether the answer is read by a person.
func wantsPage(r *http.Request) bool {
	accept := r.Header.Get("Accept")
	return accept == "" || strings.Contains(accept, "text/html")
}

func (x *exchange) describe(code havre.Code, err error) failure {
	text := x.told(err)
	switch code {
	case havre.CodeInvalid:
		return failure{Status: http.StatusUnprocessableEntity, Title: x.t("core.error.invalid"), Text: text}
	case havre.CodeUnauthenticated:
		return failure{Status: http.StatusUnauthorized, Title: x.t("core.error.signin"), Text: x.t("core.error.signin.text"), Enter: true}
	case havre.CodeDenied, havre.CodeNotFound:
		if x.session == nil || x.r.Method == http.MethodGet || code == havre.CodeNotFound {
			return failure{Status: http.StatusNotFound, Title: x.t("core.error.none"), Text: x.t("core.error.none.text")}
		}
		return failure{Status: http.StatusForbidden, Title: x.t("core.error.denied"), Text: text}
	case havre.CodeExists:
		return failure{Status: http.StatusConflict, Title: x.t("core.error.exists"), Text: text}
	case havre.CodeFull:
		return failure{Status: http.StatusInsufficientStorage, Title: x.t("core.error.full"), Text: text}
	case havre.CodeUnavailable, havre.CodeHistoryWentBack:
		return failure{Status: http.StatusServiceUnavailable, Title: x.t("core.error.unavailable"), Text: text}
	case havre.CodeInternal:
	}
	return failure{Status: http.StatusInternalServerError, Title: x.t("core.error.ours"), Text: x.t("core.error.ours.text")}
}

// sentence turns the text of an error into one.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	r := []rune(text)
	text = strings.ToUpper(string(r[:1])) + string(r[1:])
	if strings.HasSuffix(text, ".") || strings.HasSuffix(text, "?") {
		return text
	}
	return text + "."
}

// reference returns a number that a person can read out.
func reference() string {
	const digits = "0123456789ABCDEF"
	b := make([]byte, 8)
	_, _ = rand.Read(b) // never fails
	for i := range b {
		b[i] = digits[b[i]&15]
	}
	return string(b[:4]) + "-" + string(b[4:])
}
