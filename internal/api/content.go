package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/havre-cloud/havre/internal/api/wire"
	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/relay"
)

// content answers GET and HEAD of wire.ContentPath: a file at a revision, or one range of it.
func (s *server) content(w http.ResponseWriter, r *http.Request, caller *havre.Caller) error {
	scope, file, err := contentQuery(r)
	if err != nil {
		return err
	}
	f, err := s.hub.Open(r.Context(), caller, scope, file)
	if err != nil {
		return err
	}
	defer f.Close()

	// A path at a revision never changes, so the revision says it all.
	etag := fmt.Sprintf(`"r%d"`, file.Rev)
	h := w.Header()
	h.Set("ETag", etag)
	h.Set("Accept-Ranges", "bytes")
	h.Set("Cache-Control", "private, no-cache")
	if none := r.Header.Get("If-None-Match"); none == etag || none == "*" {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	status, first, length := http.StatusOK, int64(0), f.Size()
	if spec := r.Header.Get("Range"); spec != "" && (r.Header.Get("If-Range") == "" || r.Header.Get("If-Range") == etag) {
		var ok bool
		switch first, length, ok = parseRange(spec, f.Size()); {
		case !ok:
			h.Set("Content-Range", fmt.Sprintf("bytes */%d", f.Size()))
			h.Del("ETag")
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			return nil
		case length >= 0:
			status = http.StatusPartialContent
			h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, first+length-1, f.Size()))
		default:
			first, length = 0, f.Size()
		}
	}
	if first > 0 && r.Method != http.MethodHead {
		if err := f.SkipTo(first); err != nil {
			return err
		}
	}
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", "attachment")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.FormatInt(length, 10))
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return nil
	}
	n, err := relay.Copy(w, io.LimitReader(f, length))
	if err == nil && n == length && first == 0 && length == f.Size() {
		err = ended(f) // where the checksum is looked at
	}
	if err != nil && r.Context().Err() == nil {
		// Only for the log: the answer has begun.
		_ = s.public(r.Context(), "content", fmt.Errorf("%s@%d: %w", file.Path, file.Rev, err))
	}
	if err != nil || n != length {
		// Only cutting it off tells that it is not complete.
		panic(http.ErrAbortHandler)
	}
	return nil
}

func contentQuery(r *http.Request) (havre.Scope, havre.FileVersion, error) {
	q := r.URL.Query()
	folder, err := wire.DecodeText("folder", q.Get("folder"), wire.MaxName)
	if err != nil {
		return havre.Scope{}, havre.FileVersion{}, err
	}
	root, err := wire.DecodePath(q.Get("root"))
	if err != nil {
		return havre.Scope{}, havre.FileVersion{}, err
	}
	path, err := wire.DecodePath(q.Get("path"))
	if err != nil {
		return havre.Scope{}, havre.FileVersion{}, err
	}
	n, err := number(q.Get("rev"), "rev")
	if err != nil {
		return havre.Scope{}, havre.FileVersion{}, err
	}
	rev, err := wire.DecodeRev(n)
	if err != nil {
		return havre.Scope{}, havre.FileVersion{}, err
	}
	return havre.Scope{Folder: havre.FolderID(folder), Root: root}, havre.FileVersion{Path: path, Rev: rev}, nil
}

// number reads a parameter of an address: decimal digits, nothing else.
func number(s, name string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || s[0] == '+' || s[0] == '-' {
		return 0, &havre.Error{Code: havre.CodeInvalid, Text: fmt.Sprintf("the parameter %s is %q, not a number", name, s)}
	}
	return n, nil
}

// parseRange reads a Range header for contents of size bytes. A length of -1 means all of them: the
// header is not understood, or asks for several ranges, and may be ignored (RFC 9110, 14.2). It
// is not ok if the range holds no byte.
func parseRange(header string, size int64) (first, length int64, ok bool) {
	spec, isBytes := strings.CutPrefix(header, "bytes=")
	from, to, isRange := strings.Cut(strings.TrimSpace(spec), "-")
	if !isBytes || !isRange || !digits(from) || !digits(to) || from == "" && to == "" {
		return 0, -1, true
	}
	last := size - 1
	if to != "" {
		n, err := strconv.ParseInt(to, 10, 64)
		if err != nil {
			n = size // more than any file has
		}
		if from == "" { // the last n bytes
			n = min(n, size)
			return size - n, n, n > 0
		}
		last = min(n, last)
	}
	first, err := strconv.ParseInt(from, 10, 64)
	if err != nil || first >= size {
		return 0, 0, false
	}
	if to != "" && last < first {
		return 0, -1, true // not a range at all
	}
	return first, last - first + 1, true
}

func digits(s string) bool { return strings.Trim(s, "0123456789") == "" }

// upload answers PUT of wire.UploadPath: the body is appended to the upload at offset. The answer
// tells how far the upload is.
func (s *server) upload(w http.ResponseWriter, r *http.Request, caller *havre.Caller) error {
	q := r.URL.Query()
	id, err := wire.DecodeText("upload", q.Get("upload"), wire.MaxName)
	if err != nil {
		return err
	}
	offset, err := number(q.Get("offset"), "offset")
	if err != nil {
		return err
	}
	if enc := r.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return &havre.Error{Code: havre.CodeInvalid, Text: "an upload is not compressed"}
	}
	offset, err = s.hub.WriteUpload(r.Context(), caller, havre.UploadID(id), offset, r.Body)
	if err != nil {
		if _, ok := errors.AsType[*bodyError](err); ok {
			// The client is gone, or was too slow: what came is kept, and nothing is wrong here.
			return &havre.Error{Code: havre.CodeUnavailable, Text: "the contents ended in the middle; go on with the upload", Cause: err}
		}
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	// If the answer is lost the client asks how far the upload is.
	_ = json.NewEncoder(w).Encode(struct {
		Offset int64 `json:"offset"`
	}{offset})
	return nil
}
