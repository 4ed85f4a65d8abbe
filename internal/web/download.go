package web

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/svn"
)

// inlineTypes are the kinds of files that the browser may show under our origin: none of them can run.
// Everything else is a download, or goes into a sandbox.
var inlineTypes = map[string]string{
	"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp", "avif": "image/avif", "bmp": "image/bmp",
	"mp4": "video/mp4", "webm": "video/webm", "mov": "video/quicktime", "m4v": "video/mp4", "ogv": "video/ogg",
	"mp3": "audio/mpeg", "wav": "audio/wav", "flac": "audio/flac", "ogg": "audio/ogg", "opus": "audio/ogg", "m4a": "audio/mp4", "aac": "audio/aac",
}

// sandboxTypes are shown in a frame that may run nothing and reach nothing.
var sandboxTypes = map[string]string{"pdf": "application/pdf", "html": "text/html; charset=utf-8", "htm": "text/html; charset=utf-8", "svg": "image/svg+xml"}

// sandbox is the policy of what may have been made to harm. The browser's own viewer of PDF does not
// start in a sandbox, so a PDF has a policy without one; it cannot run scripts of ours there.
const (
	sandbox    = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; media-src data:; frame-ancestors 'self'"
	pdfSandbox = "default-src 'none'; style-src 'unsafe-inline'; object-src 'self'; plugin-types application/pdf; frame-ancestors 'self'"
)

// raw serves the contents of a file for a preview.
func (s *Server) raw(x *exchange) error {
	at, err := x.spot()
	if err != nil {
		return err
	}
	if at.Dir() || at.Node.Kind != havre.KindFile {
		return notFound()
	}
	return s.download(x, at, true)
}

// download serves the contents of a file, or a range of them.
func (s *Server) download(x *exchange, at *hub.Spot, inline bool) error {
	h := x.w.Header()
	kind, ext := "application/octet-stream", at.Node.Ext()
	show := false
	if inline {
		if t, ok := inlineTypes[ext]; ok {
			kind, show = t, true
		} else if t, ok := sandboxTypes[ext]; ok {
			kind, show = t, true
			h.Set("Content-Security-Policy", sandbox)
			if ext == "pdf" {
				h.Set("Content-Security-Policy", pdfSandbox)
			}
			h.Set("X-Frame-Options", "SAMEORIGIN")
		}
	}
	disposition := "attachment"
	if show {
		disposition = "inline"
	}
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", contentDisposition(disposition, at.Path.Name()))
	h.Set("Cache-Control", "private, no-cache")
	tag := ""
	if at.Node.Hash != "" {
		tag = `"` + at.Node.Hash.String() + `"`
		h.Set("Etag", tag)
	}
	h.Set("Accept-Ranges", "bytes")
	if tag != "" && strings.Contains(x.r.Header.Get("If-None-Match"), tag) {
		x.w.WriteHeader(http.StatusNotModified)
		return nil
	}
	f, err := s.hub.OpenSpot(x.ctx(), at)
	if err != nil {
		return err
	}
	defer f.Close()
	return serveRange(x, f, tag)
}

// serveRange serves one range of a file that can only be read forwards, or all of it.
func serveRange(x *exchange, f svn.File, tag string) error {
	from, length, partial, err := parseRange(x.r, f.Size(), tag)
	if err != nil {
		x.w.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", f.Size()))
		x.w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
		return nil //nolint:nilerr // the status says it
	}
	h := x.w.Header()
	h.Set("Content-Length", fmt.Sprint(length))
	status := http.StatusOK
	if partial {
		status = http.StatusPartialContent
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, from+length-1, f.Size()))
	}
	if from > 0 {
		if err := f.SkipTo(from); err != nil {
			h.Del("Content-Length")
			return err
		}
	}
	x.w.WriteHeader(status)
	if x.r.Method == http.MethodHead {
		return nil
	}
	buf := make([]byte, 256<<10)
	_, err = io.CopyBuffer(onlyWriter{x.w}, io.LimitReader(f, length), buf)
	if err == nil && !partial {
		// The end is where the contents are checked.
		if _, err = f.Read(buf[:1]); errors.Is(err, io.EOF) {
			err = nil
		}
	}
	if err != nil {
		panic(http.ErrAbortHandler) // the browser must see that this is not all
	}
	return nil
}

// onlyWriter hides ReadFrom, which would read in small pieces.
type onlyWriter struct{ io.Writer }

// parseRange reads the Range header. Several ranges, and one for another version, give all.
func parseRange(r *http.Request, size int64, tag string) (from, length int64, partial bool, err error) {
	text := r.Header.Get("Range")
	if cond := r.Header.Get("If-Range"); cond != "" && cond != tag {
		text = ""
	}
	spec, ok := strings.CutPrefix(text, "bytes=")
	if !ok || strings.Contains(spec, ",") {
		return 0, size, false, nil
	}
	var first, last int64
	a, b, ok := strings.Cut(strings.TrimSpace(spec), "-")
	if !ok {
		return 0, size, false, nil
	}
	bad := errors.New("no such range")
	switch a {
	case "":
		if _, err := fmt.Sscanf(b, "%d", &last); err != nil || last <= 0 {
			return 0, 0, false, bad
		}
		first = max(size-last, 0)
		last = size - 1
	default:
		if _, err := fmt.Sscanf(a, "%d", &first); err != nil || first < 0 {
			return 0, 0, false, bad
		}
		last = size - 1
		if b != "" {
			if _, err := fmt.Sscanf(b, "%d", &last); err != nil || last < first {
				return 0, 0, false, bad
			}
			last = min(last, size-1)
		}
	}
	if first >= size {
		return 0, 0, false, bad
	}
	return first, last - first + 1, true, nil
}

// contentDisposition names a file as RFC 6266 wants it, for old and new browsers.
func contentDisposition(how, name string) string {
	ascii := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' || r == '%' {
			return '_'
		}
		return r
	}, name)
	return how + `; filename="` + ascii + `"; filename*=UTF-8''` + strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
}

// encodeItems writes the chosen entries as part of an address.
func encodeItems(items []string) string { return url.Values{"item": items}.Encode() }

// stored are kinds of files that do not become smaller.
var stored = map[string]bool{
	"zip": true, "gz": true, "7z": true, "xz": true, "bz2": true, "zst": true, "rar": true, "png": true, "jpg": true, "jpeg": true, "gif": true,
	"webp": true, "avif": true, "heic": true, "mp4": true, "mov": true, "mkv": true, "webm": true, "mp3": true, "ogg": true, "opus": true, "flac": true,
	"m4a": true, "docx": true, "xlsx": true, "pptx": true, "odt": true, "ods": true, "odp": true, "pdf": true,
}

// downloadZip sends a directory, or the chosen entries of it, as it is read. What the person may not read
// is not in it; a failure breaks the connection, so that nobody takes a part for the whole.
func (s *Server) downloadZip(x *exchange, at *hub.Spot, items []string) error {
	name := at.Folder.Name
	if at.Path != "" {
		name = at.Path.Name()
	}
	chosen := map[string]bool{}
	for _, i := range items {
		chosen[i] = true
	}
	h := x.w.Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Disposition", contentDisposition("attachment", name+".zip"))
	h.Set("Cache-Control", "no-store")
	if x.r.Method == http.MethodHead {
		return nil
	}
	z := zip.NewWriter(x.w)
	err := s.hub.WalkSpot(x.ctx(), at, func(p svn.Path, e havre.Entry) error {
		rel, ok := p.Rel(at.Path)
		if !ok || rel == "" {
			return nil
		}
		top, _, _ := strings.Cut(string(rel), "/")
		if len(chosen) > 0 && !chosen[top] {
			return nil
		}
		return s.addToZip(x, z, at, p, path.Join(name, string(rel)), e)
	})
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		s.log.WarnContext(x.ctx(), "download broke off", "folder", at.Folder.Name, "error", err)
		panic(http.ErrAbortHandler)
	}
	return nil
}

func (s *Server) addToZip(x *exchange, z *zip.Writer, at *hub.Spot, p svn.Path, name string, e havre.Entry) error {
	head := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: e.ModTime}
	switch e.Kind {
	case havre.KindDir:
		head.Name += "/"
		_, err := z.CreateHeader(head)
		return err
	case havre.KindSymlink:
		return nil // a link that points outside would write there when it is unpacked
	case havre.KindFile:
	}
	if stored[strings.ToLower(strings.TrimPrefix(path.Ext(name), "."))] || e.Size < 64 {
		head.Method = zip.Store
	}
	mode := uint32(0o644)
	if e.Executable {
		mode = 0o755
	}
	head.SetMode(fs.FileMode(mode))
	w, err := z.CreateHeader(head)
	if err != nil {
		return err
	}
	f, err := s.hub.OpenIn(x.ctx(), at, p)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return errors.Join(err, f.Close())
}
