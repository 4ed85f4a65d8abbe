package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// assets are the static files. Their addresses contain their hashes, so that browsers keep them for
// a year. They do not change.
type assets struct {
	byName    map[string]*asset // name as in static/, or of a joined file
	byAddress map[string]*asset
	best      *zstd.Encoder // while they are loaded, for it takes 34 MB
}

type asset struct {
	address string
	kind    string
	raw     []byte
	gzip    []byte // nil if it would not be smaller
	zstd    []byte
}

// parts of the joined script, before static/js/*.js: what is vendored and needed on every page.
var vendored = []string{"vendor/htmx.min.js", "vendor/idiomorph-ext.min.js"}

var cssReference = regexp.MustCompile(`url\("?([a-z0-9_./-]+)"?\)`)

// loadAssets reads static/. css/*.css become app.css, js/*.js behind the vendored libraries app.js,
// sprite/*.svg sprite.svg; everything else keeps its name.
func loadAssets(files fs.FS) (*assets, error) {
	a := &assets{byName: map[string]*asset{}, byAddress: map[string]*asset{}, best: newZstd(zstd.SpeedBestCompression, 1)}
	defer func() {
		_ = a.best.Close() // it has nothing open
		a.best = nil
	}()
	err := fs.WalkDir(files, "static", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name = strings.TrimPrefix(name, "static/")
		if dir := path.Dir(name); dir == "css" || dir == "js" || dir == "sprite" || path.Ext(name) == ".md" {
			return nil
		}
		b, err := fs.ReadFile(files, "static/"+name)
		if err != nil {
			return err
		}
		a.add(name, b)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := a.join(files); err != nil {
		return nil, err
	}
	return a, nil
}

func (a *assets) join(files fs.FS) error {
	css, err := readAll(files, "static/css/*.css")
	if err != nil {
		return err
	}
	var missing error
	css = cssReference.ReplaceAllFunc(css, func(m []byte) []byte {
		name := string(cssReference.FindSubmatch(m)[1])
		if a.byName[name] == nil {
			missing = fmt.Errorf("static/css names %s, which is not there", name)
			return m
		}
		return []byte(`url("` + a.address(name) + `")`)
	})
	if missing != nil {
		return missing
	}
	a.add("app.css", css)

	var js bytes.Buffer
	for _, name := range vendored {
		if v := a.byName[name]; v != nil {
			js.Write(v.raw)
			js.WriteString("\n;\n")
		}
	}
	own, err := readAll(files, "static/js/*.js")
	if err != nil {
		return err
	}
	js.Write(own)
	a.add("app.js", js.Bytes())

	symbols, err := readAll(files, "static/sprite/*.svg")
	if err != nil {
		return err
	}
	symbols = svgFrame.ReplaceAll(symbols, nil)
	a.add("sprite.svg", bytes.Join([][]byte{[]byte(`<svg xmlns="http://www.w3.org/2000/svg">`), symbols, []byte(`</svg>`)}, nil))
	return nil
}

var svgFrame = regexp.MustCompile(`</?svg[^>]*>|<!--[^>]*-->`)

// readAll returns the files of a pattern, by name, one after the other.
func readAll(files fs.FS, pattern string) ([]byte, error) {
	names, err := fs.Glob(files, pattern)
	if err != nil {
		return nil, err
	}
	var all []byte
	for _, name := range names {
		b, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		all = append(append(all, b...), '\n')
	}
	return all, nil
}

func (a *assets) add(name string, b []byte) {
	sum := sha256.Sum256(b)
	ext := path.Ext(name)
	s := &asset{
		address: "/static/" + strings.TrimSuffix(name, ext) + "-" + hex.EncodeToString(sum[:6]) + ext,
		kind:    mime.TypeByExtension(ext), raw: b,
	}
	switch ext {
	case ".woff2":
		s.kind = "font/woff2"
	case ".js", ".mjs":
		s.kind = "text/javascript; charset=utf-8"
	case ".css":
		s.kind = "text/css; charset=utf-8"
	case ".svg":
		s.kind = "image/svg+xml"
	}
	if compressible(s.kind) {
		s.gzip, s.zstd = gzipped(b, gzip.BestCompression), a.best.EncodeAll(b, nil)
	}
	a.byName[name], a.byAddress[s.address] = s, s
}

func compressible(kind string) bool {
	return strings.HasPrefix(kind, "text/") || strings.HasPrefix(kind, "image/svg")
}

// address returns where the file is; what is not there is a defect that tests find.
func (a *assets) address(name string) string {
	if s := a.byName[name]; s != nil {
		return s.address
	}
	return "/static/missing/" + name
}

// ServeHTTP answers with a static file.
func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := a.byAddress[r.URL.Path]
	if s == nil {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", s.kind)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Etag", `"`+path.Base(s.address)+`"`)
	if strings.Contains(r.Header.Get("If-None-Match"), `"`+path.Base(s.address)+`"`) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body := s.raw
	if s.gzip != nil {
		h.Set("Vary", "Accept-Encoding")
		switch accepted(r) {
		case "zstd":
			h.Set("Content-Encoding", "zstd")
			body = s.zstd
		case "gzip":
			h.Set("Content-Encoding", "gzip")
			body = s.gzip
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) //nolint:gosec // a file of ours; who asked may have gone
}

// accepted returns how the answer may be compressed: "zstd", "gzip" or "".
func accepted(r *http.Request) string {
	best := ""
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		if q := strings.TrimSpace(params); q == "q=0" || q == "q=0.0" {
			continue
		}
		switch strings.TrimSpace(name) {
		case "zstd":
			return "zstd"
		case "gzip":
			best = "gzip"
		}
	}
	return best
}

// minCompressed is the length in bytes below which an answer is sent as it is.
const minCompressed = 600

// writeCompressed writes an answer as the request likes it best.
func writeCompressed(w http.ResponseWriter, r *http.Request, status int, b []byte) error {
	if len(b) >= minCompressed {
		switch accepted(r) {
		case "zstd":
			w.Header().Set("Content-Encoding", "zstd")
			b = zstdFast().EncodeAll(b, make([]byte, 0, len(b)/4))
		case "gzip":
			w.Header().Set("Content-Encoding", "gzip")
			b = gzipped(b, gzip.BestSpeed)
		}
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	_, err := w.Write(b)
	return err
}

// zstdFast is safe for concurrent EncodeAll.
var zstdFast = sync.OnceValue(func() *zstd.Encoder { return newZstd(zstd.SpeedFastest, 2) })

func newZstd(level zstd.EncoderLevel, atOnce int) *zstd.Encoder {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithWindowSize(1<<20), zstd.WithEncoderConcurrency(atOnce))
	if err != nil {
		panic(err) // the options are constants
	}
	return e
}

var gzipWriters = sync.Pool{New: func() any { w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed); return w }}

func gzipped(b []byte, level int) []byte {
	var out bytes.Buffer
	if level == gzip.BestSpeed {
		w := gzipWriters.Get().(*gzip.Writer) //nolint:errcheck,forcetypeassert // the pool holds nothing else
		w.Reset(&out)
		_, _ = w.Write(b) // into memory
		_ = w.Close()
		gzipWriters.Put(w)
		return out.Bytes()
	}
	w, err := gzip.NewWriterLevel(&out, level)
	if err != nil {
		panic(err) // the levels are constants
	}
	_, _ = w.Write(b) // into memory
	_ = w.Close()
	return out.Bytes()
}
