package web

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
)

// Large files arrive by the tus protocol, version 1.0.0 with its extensions creation, termination and
// expiration (https://tus.io/protocols/resumable-upload): what was sent stays after a cut, a reload and a
// restart of the server, as an upload of the hub. When files are complete the script says where they
// go, and they become a revision (docs/decisions/0016).

const (
	tusVersion = "1.0.0"
	tusKind    = "application/offset+octet-stream"
	// maxTus is the largest size in bytes that can be announced: what disks hold is found out by writing.
	maxTus = 1 << 46
)

// tus answers with the headers that every answer has, and checks the version.
func tus(handle func(*exchange) error) func(*exchange) error {
	return func(x *exchange) error {
		h := x.w.Header()
		h.Set("Tus-Resumable", tusVersion)
		h.Set("Cache-Control", "no-store")
		if x.r.Method != http.MethodOptions && x.r.Header.Get("Tus-Resumable") != tusVersion {
			h.Set("Tus-Version", tusVersion)
			return x.tusStatus(http.StatusPreconditionFailed)
		}
		return handle(x)
	}
}

// tusStatus answers with a status that the protocol gives a meaning, and nothing else.
func (x *exchange) tusStatus(status int) error {
	x.w.WriteHeader(status)
	return nil
}

func (s *Server) tusOptions(x *exchange) error {
	h := x.w.Header()
	h.Set("Tus-Version", tusVersion)
	h.Set("Tus-Extension", "creation,creation-with-upload,termination,expiration")
	h.Set("Tus-Max-Size", strconv.FormatInt(maxTus, 10))
	return x.tusStatus(http.StatusNoContent)
}

// tusMetadata reads Upload-Metadata: pairs of a key and a value in base64.
func tusMetadata(header string) map[string]string {
	m := map[string]string{}
	for pair := range strings.SplitSeq(header, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(pair), " ")
		if b, err := base64.StdEncoding.DecodeString(value); err == nil && key != "" {
			m[key] = string(b)
		}
	}
	return m
}

// tusCreate begins an upload for the folder that the metadata names.
func (s *Server) tusCreate(x *exchange) error {
	size, err := strconv.ParseInt(x.r.Header.Get("Upload-Length"), 10, 64)
	switch {
	case err != nil || size < 0:
		return &havre.Error{Code: havre.CodeInvalid, Text: "an upload says how long it is"}
	case size > maxTus:
		return x.tusStatus(http.StatusRequestEntityTooLarge)
	}
	id, err := s.hub.BeginUploadIn(x.ctx(), x.caller(), tusMetadata(x.r.Header.Get("Upload-Metadata"))["folder"], size)
	if err != nil {
		return err
	}
	x.w.Header().Set("Location", "/upload/"+string(id))
	x.tusExpires()
	if x.r.Header.Get("Content-Type") == tusKind {
		now, err := s.hub.WriteUpload(x.ctx(), x.caller(), id, 0, x.r.Body)
		if err != nil && now == 0 && x.ctx().Err() == nil {
			return err
		}
		x.w.Header().Set("Upload-Offset", strconv.FormatInt(now, 10))
	}
	return x.tusStatus(http.StatusCreated)
}

func (x *exchange) tusExpires() {
	x.w.Header().Set("Upload-Expires", x.hub.UploadExpires().UTC().Format(http.TimeFormat))
}

func (s *Server) tusHead(x *exchange) error {
	have, want, err := s.hub.UploadSize(x.caller(), havre.UploadID(x.r.PathValue("id")))
	if err != nil {
		return err
	}
	x.w.Header().Set("Upload-Offset", strconv.FormatInt(have, 10))
	x.w.Header().Set("Upload-Length", strconv.FormatInt(want, 10))
	x.tusExpires()
	return x.tusStatus(http.StatusOK)
}

func (s *Server) tusPatch(x *exchange) error {
	if x.r.Header.Get("Content-Type") != tusKind {
		return x.tusStatus(http.StatusUnsupportedMediaType)
	}
	id := havre.UploadID(x.r.PathValue("id"))
	offset, err := strconv.ParseInt(x.r.Header.Get("Upload-Offset"), 10, 64)
	if err != nil || offset < 0 {
		return &havre.Error{Code: havre.CodeInvalid, Text: "a part of an upload says where it begins"}
	}
	have, want, err := s.hub.UploadSize(x.caller(), id)
	if err != nil {
		return err
	}
	if offset != have {
		x.w.Header().Set("Upload-Offset", strconv.FormatInt(have, 10))
		return x.tusStatus(http.StatusConflict)
	}
	if x.r.ContentLength > want-offset {
		return x.tusStatus(http.StatusRequestEntityTooLarge)
	}
	now, err := s.hub.WriteUpload(x.ctx(), x.caller(), id, offset, x.r.Body)
	switch {
	case havre.CodeOf(err) == havre.CodeUnavailable && err != nil && now == 0:
		return x.tusStatus(http.StatusLocked)
	case err != nil && now <= have && x.ctx().Err() == nil:
		return err
	}
	// What arrived before a cut is kept; the client asks how much that was.
	x.w.Header().Set("Upload-Offset", strconv.FormatInt(now, 10))
	x.tusExpires()
	return x.tusStatus(http.StatusNoContent)
}

func (s *Server) tusDelete(x *exchange) error {
	id := havre.UploadID(x.r.PathValue("id"))
	if _, _, err := s.hub.UploadSize(x.caller(), id); err != nil {
		return err
	}
	if err := s.hub.DropUpload(x.caller(), id); err != nil {
		return err
	}
	return x.tusStatus(http.StatusNoContent)
}

// finishRequest says where complete uploads go.
type finishRequest struct {
	Base  int64        `json:"base"`
	Files []finishFile `json:"files"`
}

type finishFile struct {
	ID       string `json:"id"`
	Place    string `json:"place"`
	Modified int64  `json:"modified"` // milliseconds since 1970
	Existing string `json:"existing"`
}

// finish makes files of uploads that are complete: one revision.
func (s *Server) finish(x *exchange) error {
	var q finishRequest
	if err := x.readJSON(&q); err != nil {
		return err
	}
	if len(q.Files) > maxBatch {
		return &havre.Error{Code: havre.CodeInvalid, Text: "these are too many files at once"}
	}
	batch, err := s.newBatch(x)
	if err != nil {
		return err
	}
	for _, f := range q.Files {
		if err := batch.AddUpload(x.ctx(), batchFile(f.Place, f.Existing, f.Modified, q.Base), havre.UploadID(f.ID)); err != nil {
			return errors.Join(err, batch.Discard(x.ctx()))
		}
	}
	d, err := batch.Commit(x.ctx())
	if err != nil {
		return err
	}
	return x.writeJSON(x.outcomes(batch, d))
}

// milliseconds reads a time of the browser; zero for what cannot be one.
func milliseconds(n int64) time.Time {
	t := time.UnixMilli(n)
	if n <= 0 || t.Year() > 9999 {
		return time.Time{}
	}
	return t
}
