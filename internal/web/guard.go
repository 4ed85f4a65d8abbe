package web

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
)

// policy is the Content-Security-Policy of every answer; a preview in a sandbox has one of its own.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data: blob:; " +
	"media-src 'self' blob:; connect-src 'self'; form-action 'self'; frame-src 'self'; manifest-src 'self'; base-uri 'none'; frame-ancestors 'none'"

// maxBody is how many bytes the body of a request may have where the route says nothing else.
const maxBody = 1 << 20

// guard sets the headers that every answer has. There is no Strict-Transport-Security: a browser
// that has seen it offers no way past a self-made certificate.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=()")
		next.ServeHTTP(w, r)
	})
}

// serve answers the requests of one route.
func (s *Server) serve(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := &beginning{ResponseWriter: w}
		x := &exchange{w: begun, r: r, s: s, hub: s.hub, now: time.Now()}
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so
					panic(p)
				}
				s.failIn(x, begun, fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
			}
		}()
		if err := s.answer(x, rt); err != nil {
			s.failIn(x, begun, err)
		}
	})
}

// failIn is fail, or the end of the connection if the answer has begun: who gets it must not take it
// for whole.
func (s *Server) failIn(x *exchange, begun *beginning, err error) {
	if !begun.wrote {
		s.fail(x, err)
		return
	}
	if x.ctx().Err() == nil {
		s.log.LogAttrs(x.ctx(), slog.LevelWarn, "answer cut off", slog.String("path", x.r.URL.Path), slog.Any("error", err))
	}
	panic(http.ErrAbortHandler)
}

// beginning knows whether an answer has begun.
type beginning struct {
	http.ResponseWriter

	wrote bool
}

func (b *beginning) WriteHeader(status int) {
	b.wrote = b.wrote || status >= http.StatusOK
	b.ResponseWriter.WriteHeader(status)
}

func (b *beginning) Write(p []byte) (int, error) {
	b.wrote = true
	return b.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (b *beginning) Unwrap() http.ResponseWriter { return b.ResponseWriter }

// answer does what is to be done before the handler, and calls it.
func (s *Server) answer(x *exchange, rt route) error {
	x.lang, x.zone = x.language(), zoneOf(x.r)
	x.secret = x.cookie(cookieVisitor)
	if token := x.cookie(cookieSession); token != "" {
		session, err := s.hub.Session(x.ctx(), token)
		switch {
		case err == nil:
			x.session, x.secret = session, token
			x.lang = x.language()
		case havre.CodeOf(err) != havre.CodeUnauthenticated:
			return err
		}
	}
	limit := rt.body
	if limit == 0 {
		limit = maxBody
	}
	if limit > 0 {
		x.r.Body = http.MaxBytesReader(x.w, x.r.Body, limit)
	}
	if err := x.check(rt.need); err != nil {
		if _, factor := errors.AsType[*needsFactorError](err); factor && x.r.Method == http.MethodGet {
			x.toast(x.t("account.factor.required"), nil)
			return x.redirect("/me/factor")
		}
		return err
	}
	if err := x.checkOrigin(rt); err != nil {
		return err
	}
	return rt.handle(x)
}

// checkOrigin refuses requests that another page made in the name of this browser: first by what the
// browser says about their origin, then by a token that only our own pages contain.
func (x *exchange) checkOrigin(rt route) error {
	switch x.r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return nil
	}
	forged := &havre.Error{Code: havre.CodeDenied, Text: x.t("core.error.forged")}
	if x.s.cross.Check(x.r) != nil {
		return forged
	}
	if rt.foreign {
		return nil
	}
	given := x.r.Header.Get("X-Csrf")
	if given == "" {
		if err := x.parseForm(); err != nil {
			return err
		}
		given = x.r.PostFormValue("csrf")
	}
	if want := x.csrf(); x.secret == "" || !hmac.Equal([]byte(given), []byte(want)) {
		return forged
	}
	return nil
}

// formMemory is how much of a form with files is held in memory; the rest is in temporary files.
const formMemory = 1 << 20

// parseForm reads the form of a request; one that is too large or malformed is havre.CodeInvalid.
func (x *exchange) parseForm() error {
	kind, _, err := mime.ParseMediaType(x.r.Header.Get("Content-Type"))
	if err != nil {
		return nil //nolint:nilerr // no form then
	}
	switch kind {
	case "multipart/form-data":
		err = x.r.ParseMultipartForm(formMemory)
	case "application/x-www-form-urlencoded":
		err = x.r.ParseForm()
	}
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	text := x.t("core.error.form")
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		text = x.t("core.error.large")
	}
	return &havre.Error{Code: havre.CodeInvalid, Text: text, Cause: err}
}

// csrf returns the token of this browser's forms. It is made from a secret in a cookie, so that the
// server keeps nothing.
func (x *exchange) csrf() string {
	if x.secret == "" {
		x.secret = rand.Text()
		x.setCookie(cookieVisitor, x.secret, 0)
	}
	m := hmac.New(sha256.New, []byte(x.secret))
	m.Write([]byte("form"))
	return base32.StdEncoding.EncodeToString(m.Sum(nil)[:20])
}
