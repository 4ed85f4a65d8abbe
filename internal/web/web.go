// Package web is the server's pages for people with a browser: files, history, accounts and
// administration, rendered on the server by html/template and refined by htmx.
//
// A Server is an http.Handler. Every endpoint is a row of one table (route.go) with what it needs;
// that is checked before its handler runs, and the hub checks again on every path. A handler gets an
// exchange, which is one request with its person and language, and returns an error; fail
// (errors.go) is the one place that turns an error into an answer. Pages are templates/SLICE/NAME.html
// in templates/layout.html, texts are texts/SLICE.LANGUAGE.json, style and scripts are joined from
// static/css and static/js into one file each, whose address contains its hash.
//
// Nothing is kept in the process but caches: sessions are the hub's, what a person chose for this
// browser is in cookies that no script can read.
//
// A Server is safe for concurrent use.
package web

import (
	"context"
	"crypto/rand"
	"embed"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/havre-cloud/havre/internal/hub"
)

//go:embed all:templates texts static
var content embed.FS

// Options of New. The zero value is good.
type Options struct {
	Logger  *slog.Logger // none if nil
	Version string       // of the program
	// Address returns HOST:PORT as it goes into invitations; the address of the request if nil or "".
	Address func(context.Context) string
	// Fingerprint is that of the server's certificate, in hexadecimal; it goes into invitations.
	Fingerprint string
	// CertificateEnd is until when the certificate is valid; zero if nobody knows.
	CertificateEnd time.Time
	// Traffic returns the bytes that came in and went out in the last hour; nil if nobody counts.
	Traffic func() (in, out int64)
	// Stopping, if not nil, is asked with a request's context for a channel that is closed when the
	// server is going to stop, so that streams end.
	Stopping func(context.Context) <-chan struct{}
}

// Server answers browsers.
type Server struct {
	hub   *hub.Hub
	opts  Options
	log   *slog.Logger
	texts *texts
	// sentences are those of the hub.
	sentences sentences
	assets    *assets
	pages     *templates
	cross     *http.CrossOriginProtection
	live      *live
	names     fullNames
	listings  listings
	epoch     string // of this process: tags of pages are not those of another
	thumbs    *thumbs
	replays   *replays
	problems  backupProblems
	handler   http.Handler
	mux       *http.ServeMux // what handler passes requests on to
}

// shown is what the program contains of the pages. It does not change, so that all servers of a
// process share it.
type shown struct {
	texts     *texts
	sentences sentences
	assets    *assets
	pages     *templates
}

// loaded reads what the program contains, the first time.
var loaded = sync.OnceValues(func() (s shown, err error) {
	if s.texts, err = loadTexts(content); err != nil {
		return s, err
	}
	if s.sentences, err = loadSentences(content); err != nil {
		return s, err
	}
	if s.assets, err = loadAssets(content); err != nil {
		return s, err
	}
	s.pages, err = loadTemplates(content, s.assets)
	return s, err
})

// New returns the pages of h.
func New(h *hub.Hub, opts Options) (*Server, error) {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{hub: h, opts: opts, log: opts.Logger, cross: http.NewCrossOriginProtection(), epoch: rand.Text()}
	shown, err := loaded()
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	s.texts, s.sentences, s.assets, s.pages = shown.texts, shown.sentences, shown.assets, shown.pages
	s.live = newLive(s)
	s.thumbs = newThumbs(h.CacheDir("thumbnails"))
	s.replays = newReplays(h.CacheDir("replays"))
	s.handler = s.routes(s.table())
	return s, nil
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }
