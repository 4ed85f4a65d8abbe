package apiclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"

	"github.com/havre-cloud/havre/internal/api/havrev1"
	"github.com/havre-cloud/havre/internal/api/wire"
	"github.com/havre-cloud/havre/internal/havre"
)

// segment is how much of an upload goes in one request, in bytes: what stands between client and
// server may refuse larger ones, and the server's answer tells that so much has arrived.
const segment = 64 << 20

// Open streams the contents of a file from offset on. The caller closes it. The reader returns
// io.EOF only after the last byte.
func (c *Client) Open(ctx context.Context, scope havre.Scope, file havre.FileVersion, offset int64) (io.ReadCloser, error) {
	q := url.Values{
		"folder": {string(scope.Folder)}, "root": {string(scope.Root)},
		"path": {string(file.Path)}, "rev": {strconv.FormatInt(int64(file.Rev), 10)},
	}
	w := c.watch(ctx)
	req, err := c.request(w.ctx, http.MethodGet, wire.ContentPath, q, nil)
	if err != nil {
		w.end()
		return nil, err
	}
	if offset > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	w.begin()
	resp, err := c.bulk.Do(req)
	w.pause()
	if err != nil {
		w.end()
		return nil, w.failure(err)
	}
	switch begins := "bytes " + strconv.FormatInt(offset, 10) + "-"; {
	case resp.StatusCode == http.StatusOK && offset == 0,
		resp.StatusCode == http.StatusPartialContent && offset > 0 && strings.HasPrefix(resp.Header.Get("Content-Range"), begins):
		return &download{body: resp.Body, watch: w}, nil
	case resp.StatusCode == http.StatusRequestedRangeNotSatisfiable &&
		resp.Header.Get("Content-Range") == fmt.Sprintf("bytes */%d", offset):
		// Exactly at the end.
		_ = resp.Body.Close()
		w.end()
		return http.NoBody, nil
	}
	defer w.end()
	return nil, c.answered(resp)
}

// download is the contents of a file on their way.
type download struct {
	body  io.ReadCloser
	watch *watch
}

func (d *download) Read(p []byte) (int, error) {
	d.watch.begin()
	n, err := d.body.Read(p)
	d.watch.pause()
	if err != nil && !errors.Is(err, io.EOF) {
		err = d.watch.failure(err)
	}
	return n, err
}

func (d *download) Close() error {
	d.watch.end() // first, so that closing does not wait for the rest
	return d.body.Close()
}

// Upload sends size bytes of contents to wait for a commit. See syncer.Remote.
func (c *Client) Upload(ctx context.Context, scope havre.Scope, content io.ReaderAt, size int64, resume havre.UploadID, began func(havre.UploadID)) (havre.UploadID, error) {
	u := &upload{c: c, scope: scope, content: content, size: size, id: resume, began: began}
	var backoff Backoff
	for {
		before := u.sent
		err := u.attempt(ctx)
		if err == nil {
			return u.id, nil
		}
		_, stranger := errors.AsType[*FingerprintError](err)
		if ctx.Err() != nil || stranger || havre.CodeOf(err) != havre.CodeUnavailable {
			return u.id, err
		}
		if u.sent > before {
			backoff.Reset()
		}
		timer := time.NewTimer(backoff.Next())
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return u.id, context.Cause(ctx)
		}
	}
}

// upload is one call of Upload.
type upload struct {
	c       *Client
	scope   havre.Scope
	content io.ReaderAt
	size    int64
	id      havre.UploadID
	began   func(havre.UploadID)
	told    havre.UploadID // what began was called with
	sent    int64          // what the server has, as far as known
}

// attempt asks how far the upload is and sends the rest, until something fails.
func (u *upload) attempt(ctx context.Context) error {
	resp, err := u.c.sync.BeginUpload(ctx, connect.NewRequest(&havrev1.BeginUploadRequest{
		Scope: wire.Scope(u.scope), Size: u.size, Resume: string(u.id),
	}))
	if err != nil {
		return u.c.failure(ctx, err)
	}
	u.id = havre.UploadID(resp.Msg.GetUpload())
	if u.began != nil && u.id != u.told {
		u.began(u.id)
		u.told = u.id
	}
	offset := resp.Msg.GetOffset()
	for {
		if offset < 0 || offset > u.size || u.id == "" {
			return &havre.Error{
				Code: havre.CodeInternal,
				Text: fmt.Sprintf("the server has %d bytes of the upload %q, which has %d", offset, u.id, u.size),
			}
		}
		u.sent = offset
		if offset == u.size {
			return nil
		}
		if offset, err = u.put(ctx, offset, min(segment, u.size-offset)); err != nil {
			return err
		}
		if offset <= u.sent {
			return u.c.unavailable(errors.New("the upload does not grow"))
		}
	}
}

// put sends one segment and returns how far the upload is then.
func (u *upload) put(ctx context.Context, offset, length int64) (int64, error) {
	w := u.c.watch(ctx)
	defer w.end()
	body := &segmentReader{r: io.NewSectionReader(u.content, offset, length), left: length, watch: w}
	req, err := u.c.request(w.ctx, http.MethodPut, wire.UploadPath,
		url.Values{"upload": {string(u.id)}, "offset": {strconv.FormatInt(offset, 10)}}, body)
	if err != nil {
		return 0, err
	}
	req.ContentLength = length
	// If the server has forgotten the upload it says so before anything is sent.
	req.Header.Set("Expect", "100-continue")
	w.begin()
	resp, err := u.c.bulk.Do(req)
	if local := body.failed(); local != nil {
		if err == nil {
			_ = resp.Body.Close()
		}
		return 0, local
	}
	if err != nil {
		return 0, w.failure(err)
	}
	if resp.StatusCode != http.StatusOK {
		return 0, u.c.answered(resp)
	}
	defer resp.Body.Close()
	var answer struct {
		Offset int64 `json:"offset"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, wire.MaxSmallMessage)).Decode(&answer); err != nil {
		return 0, w.failure(err)
	}
	// The end of the body is read so that the connection serves the next segment.
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, wire.MaxSmallMessage))
	return answer.Offset, nil
}

// request returns a request of plain HTTP with the token.
func (c *Client) request(ctx context.Context, method, path string, q url.Values, body io.Reader) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, "https://"+c.opts.Address+path+"?"+q.Encode(), body)
	if err != nil {
		return nil, &havre.Error{Code: havre.CodeInvalid, Text: fmt.Sprintf("%q is not the address of a server", c.opts.Address), Cause: err}
	}
	bearer(c.opts.Token).set(req.Header)
	return req, nil
}

// answered returns the failure in an answer, and closes it.
func (c *Client) answered(resp *http.Response) error {
	defer resp.Body.Close()
	var detail struct{ Code, Text string }
	err := json.NewDecoder(io.LimitReader(resp.Body, wire.MaxSmallMessage)).Decode(&detail)
	if err == nil && detail.Code != "" {
		return wire.DecodeError(&havrev1.ErrorDetail{Code: detail.Code, Text: detail.Text})
	}
	return c.unavailable(fmt.Errorf("unexpected answer %s", resp.Status))
}
