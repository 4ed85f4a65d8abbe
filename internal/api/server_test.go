package api_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/havre-cloud/havre/internal/api"
	"github.com/havre-cloud/havre/internal/api/apitest"
	"github.com/havre-cloud/havre/internal/api/havrev1"
	"github.com/havre-cloud/havre/internal/api/havrev1/havrev1connect"
	"github.com/havre-cloud/havre/internal/api/wire"
	"github.com/havre-cloud/havre/internal/havre"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// peer is somebody who writes requests by hand.
type peer struct {
	*http.Client

	base string
}

func newPeer(t *testing.T, s *apitest.Server, http2 bool) *peer {
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		ForceAttemptHTTP2: http2,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &peer{
		Client: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		base:   "https://" + s.Address,
	}
}

// do sends a request and returns the answer with its contents.
func (p *peer) do(t *testing.T, method, path string, body io.Reader, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, p.base+path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+apitest.Token)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
		if header[i+1] == "" {
			req.Header.Del(header[i])
		}
	}
	resp, err := p.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(got)
}

func TestContent(t *testing.T) {
	hub := apitest.NewHub()
	hub.Put(havre.FileVersion{Path: "a", Rev: 3}, []byte("0123456789"))
	hub.Put(havre.FileVersion{Path: "empty", Rev: 3}, nil)
	s := apitest.Start(t, hub, api.Options{})
	const a = wire.ContentPath + "?folder=f1&path=a&rev=3"
	for _, test := range []struct {
		name, method, path string
		header             []string
		status             int
		body, contentRange string
	}{
		{"all", "GET", a, nil, 200, "0123456789", ""},
		{"head", "HEAD", a, nil, 200, "", ""},
		{"first bytes", "GET", a, []string{"Range", "bytes=0-3"}, 206, "0123", "bytes 0-3/10"},
		{"middle", "GET", a, []string{"Range", "bytes=4-5"}, 206, "45", "bytes 4-5/10"},
		{"from", "GET", a, []string{"Range", "bytes=7-"}, 206, "789", "bytes 7-9/10"},
		{"last", "GET", a, []string{"Range", "bytes=-2"}, 206, "89", "bytes 8-9/10"},
		{"more last than there are", "GET", a, []string{"Range", "bytes=-99"}, 206, "0123456789", "bytes 0-9/10"},
		{"beyond the end", "GET", a, []string{"Range", "bytes=8-99999999999999999999999"}, 206, "89", "bytes 8-9/10"},
		{"behind the end", "GET", a, []string{"Range", "bytes=10-"}, 416, "", "bytes */10"},
		{"far behind", "GET", a, []string{"Range", "bytes=99999999999999999999999-"}, 416, "", "bytes */10"},
		{"no last bytes", "GET", a, []string{"Range", "bytes=-0"}, 416, "", "bytes */10"},
		{"of an empty file", "GET", wire.ContentPath + "?folder=f1&path=empty&rev=3", []string{"Range", "bytes=0-"}, 416, "", "bytes */0"},
		{"backwards", "GET", a, []string{"Range", "bytes=5-2"}, 200, "0123456789", ""},
		{"several", "GET", a, []string{"Range", "bytes=0-1,3-4"}, 200, "0123456789", ""},
		{"another unit", "GET", a, []string{"Range", "lines=0-1"}, 200, "0123456789", ""},
		{"negative", "GET", a, []string{"Range", "bytes=--5"}, 200, "0123456789", ""},
		{"not changed", "GET", a, []string{"If-None-Match", `"r3"`}, 304, "", ""},
		{"if range holds", "GET", a, []string{"If-Range", `"r3"`, "Range", "bytes=1-1"}, 206, "1", "bytes 1-1/10"},
		{"if range does not", "GET", a, []string{"If-Range", `"r2"`, "Range", "bytes=1-1"}, 200, "0123456789", ""},
	} {
		for _, http2 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s http2=%v", test.name, http2), func(t *testing.T) {
				resp, body := newPeer(t, s, http2).do(t, test.method, test.path, nil, test.header...)
				if resp.StatusCode != test.status || body != test.body || resp.Header.Get("Content-Range") != test.contentRange {
					t.Errorf("got %d %q %q, want %d %q %q", resp.StatusCode, body, resp.Header.Get("Content-Range"),
						test.status, test.body, test.contentRange)
				}
				if test.status < 300 && (resp.Header.Get("ETag") != `"r3"` || resp.Header.Get("Content-Type") != "application/octet-stream") {
					t.Errorf("header %v", resp.Header)
				}
			})
		}
	}
}

func TestRawRefuses(t *testing.T) {
	s := apitest.Start(t, apitest.NewHub(), api.Options{})
	p := newPeer(t, s, false)
	for _, test := range []struct {
		name, method, path string
		header             []string
		status             int
		code               havre.Code
	}{
		{"no token", "GET", wire.ContentPath + "?folder=f1&path=a&rev=1", []string{"Authorization", ""}, 401, havre.CodeUnauthenticated},
		{"wrong token", "GET", wire.ContentPath + "?folder=f1&path=a&rev=1", []string{"Authorization", "Bearer x"}, 401, havre.CodeUnauthenticated},
		{"huge token", "GET", wire.ContentPath, []string{"Authorization", "Bearer " + strings.Repeat("x", 10_000)}, 401, havre.CodeUnauthenticated},
		{"another scheme", "PUT", wire.UploadPath, []string{"Authorization", "Basic " + apitest.Token}, 401, havre.CodeUnauthenticated},
		{"no such file", "GET", wire.ContentPath + "?folder=f1&path=b&rev=1", nil, 404, havre.CodeNotFound},
		{"upwards", "GET", wire.ContentPath + "?folder=f1&path=../a&rev=1", nil, 400, havre.CodeInvalid},
		{"upwards, hidden", "GET", wire.ContentPath + "?folder=f1&path=b/%2e%2e/%2e%2e/etc/passwd&rev=1", nil, 400, havre.CodeInvalid},
		{"upwards root", "GET", wire.ContentPath + "?folder=f1&root=..&path=a&rev=1", nil, 400, havre.CodeInvalid},
		{"absolute", "GET", wire.ContentPath + "?folder=f1&path=/etc/passwd&rev=1", nil, 400, havre.CodeInvalid},
		{"NUL", "GET", wire.ContentPath + "?folder=f1&path=a%00b&rev=1", nil, 400, havre.CodeInvalid},
		{"not UTF-8", "GET", wire.ContentPath + "?folder=f1&path=%ff&rev=1", nil, 400, havre.CodeInvalid},
		{"very deep", "GET", wire.ContentPath + "?folder=f1&path=a" + strings.Repeat("/a", 2000) + "&rev=1", nil, 400, havre.CodeInvalid},
		{"very long", "GET", wire.ContentPath + "?folder=f1&path=" + strings.Repeat("a", 9000) + "&rev=1", nil, 400, havre.CodeInvalid},
		{"no revision", "GET", wire.ContentPath + "?folder=f1&path=a", nil, 400, havre.CodeInvalid},
		{"negative revision", "GET", wire.ContentPath + "?folder=f1&path=a&rev=-1", nil, 400, havre.CodeInvalid},
		{"signed revision", "GET", wire.ContentPath + "?folder=f1&path=a&rev=%2b1", nil, 400, havre.CodeInvalid},
		{"huge revision", "GET", wire.ContentPath + "?folder=f1&path=a&rev=99999999999999999999", nil, 400, havre.CodeInvalid},
		{"negative offset", "PUT", wire.UploadPath + "?upload=x&offset=-1", nil, 400, havre.CodeInvalid},
		{"no offset", "PUT", wire.UploadPath + "?upload=x", nil, 400, havre.CodeInvalid},
		{"unknown upload", "PUT", wire.UploadPath + "?upload=../x&offset=0", nil, 404, havre.CodeNotFound},
		{"compressed upload", "PUT", wire.UploadPath + "?upload=x&offset=0", []string{"Content-Encoding", "gzip"}, 400, havre.CodeInvalid},
	} {
		t.Run(test.name, func(t *testing.T) {
			resp, body := p.do(t, test.method, test.path, nil, test.header...)
			var detail struct{ Code, Text string }
			if err := json.Unmarshal([]byte(body), &detail); err != nil {
				t.Fatalf("%q: %v", body, err)
			}
			if resp.StatusCode != test.status || havre.Code(detail.Code) != test.code || detail.Text == "" {
				t.Errorf("got %d %+v, want %d %s", resp.StatusCode, detail, test.status, test.code)
			}
		})
	}
	for _, test := range []struct {
		method, path string
		status       int
	}{
		{"POST", wire.ContentPath, 405},
		{"GET", wire.UploadPath, 405},
		{"GET", "/nowhere", 404},
		{"GET", "/join/", 404},
		{"GET", "/havre.v1.SyncService/Commit", 405},
		{"POST", "/havre.v1.SyncService/Nothing", 404},
	} {
		if resp, _ := p.do(t, test.method, test.path, nil); resp.StatusCode != test.status {
			t.Errorf("%s %s: %d, want %d", test.method, test.path, resp.StatusCode, test.status)
		}
	}
}

func TestUploadNoMoreThanAnnounced(t *testing.T) {
	hub := apitest.NewHub()
	s := apitest.Start(t, hub, api.Options{})
	id, _, err := hub.BeginUpload(t.Context(), nil, apitest.Scope, 10, "")
	if err != nil {
		t.Fatal(err)
	}
	p := newPeer(t, s, false)
	resp, body := p.do(t, "PUT", fmt.Sprintf("%s?upload=%s&offset=0", wire.UploadPath, id), bytes.NewReader(make([]byte, 100_000)))
	if resp.StatusCode != http.StatusOK || strings.TrimSpace(body) != `{"offset":10}` || len(hub.Upload(id)) != 10 {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

// rpc returns a client of generated code, which sends what the checked one would not.
func rpc(t *testing.T, s *apitest.Server) havrev1connect.SyncServiceClient {
	p := newPeer(t, s, true)
	return havrev1connect.NewSyncServiceClient(authorized{p.Client}, p.base, wire.ClientCompression())
}

type authorized struct{ *http.Client }

func (a authorized) Do(req *http.Request) (*http.Response, error) {
	req.Header.Set("Authorization", "Bearer "+apitest.Token)
	return a.Client.Do(req)
}

func TestCommitRefusesNonsense(t *testing.T) {
	hub := apitest.NewHub()
	hub.Fail = func(method string) error { return fmt.Errorf("%s was reached", method) }
	s := apitest.Start(t, hub, api.Options{})
	scope := &havrev1.Scope{Folder: "f1"}
	file := &havrev1.Entry{Kind: havrev1.Kind_KIND_FILE, Size: 1}
	content := func(n int) *havrev1.Put_Content { return &havrev1.Put_Content{Content: make([]byte, n)} }
	change := func(c *havrev1.Change) *havrev1.CommitRequest {
		return &havrev1.CommitRequest{Scope: scope, Id: "x", Changes: []*havrev1.Change{c}}
	}
	put := func(path string, p *havrev1.Put) *havrev1.CommitRequest {
		return change(&havrev1.Change{Path: path, Change: &havrev1.Change_Put{Put: p}})
	}
	for _, test := range []struct {
		name string
		req  *havrev1.CommitRequest
	}{
		{"nothing", &havrev1.CommitRequest{}},
		{"no folder", &havrev1.CommitRequest{Id: "x", Scope: &havrev1.Scope{Root: "a"}}},
		{"root upwards", &havrev1.CommitRequest{Id: "x", Scope: &havrev1.Scope{Folder: "f1", Root: "a/.."}}},
		{"no id", &havrev1.CommitRequest{Scope: scope}},
		{"long id", &havrev1.CommitRequest{Scope: scope, Id: strings.Repeat("x", 5000)}},
		{"long message", &havrev1.CommitRequest{Scope: scope, Id: "x", Message: strings.Repeat("x", 100_000)}},
		{"too many changes", &havrev1.CommitRequest{Scope: scope, Id: "x", Changes: make([]*havrev1.Change, wire.MaxChanges+1)}},
		{"no change", change(&havrev1.Change{Path: "a"})},
		{"no path", change(&havrev1.Change{Change: &havrev1.Change_Delete{Delete: true}})},
		{"path upwards", change(&havrev1.Change{Path: "../a", Change: &havrev1.Change_Delete{Delete: true}})},
		{"newline", change(&havrev1.Change{Path: "a\nb", Change: &havrev1.Change_Delete{Delete: true}})},
		{"base", change(&havrev1.Change{Path: "a", Base: -2, Change: &havrev1.Change_Delete{Delete: true}})},
		{"copy without source", change(&havrev1.Change{Path: "a", Change: &havrev1.Change_Copy{Copy: &havrev1.CopySource{Path: "/b"}}})},
		{"copy from the future of the past", change(&havrev1.Change{Path: "a", Change: &havrev1.Change_Copy{Copy: &havrev1.CopySource{Path: "b", Revision: -1}}})},
		{"put without entry", put("a", &havrev1.Put{From: content(0)})},
		{"unknown kind", put("a", &havrev1.Put{Entry: &havrev1.Entry{Kind: 9}, From: content(0)})},
		{"negative size", put("a", &havrev1.Put{Entry: &havrev1.Entry{Kind: havrev1.Kind_KIND_FILE, Size: -1}, From: content(0)})},
		{"long hash", put("a", &havrev1.Put{Entry: &havrev1.Entry{Kind: havrev1.Kind_KIND_FILE, Hash: make([]byte, 999)}, From: content(0)})},
		{"other size", put("a", &havrev1.Put{Entry: file, From: content(2)})},
		{"file without contents", put("a", &havrev1.Put{Entry: file})},
		{"keep nothing", put("a", &havrev1.Put{Entry: file, From: &havrev1.Put_Keep{}})},
		{"directory with contents", put("a", &havrev1.Put{Entry: &havrev1.Entry{Kind: havrev1.Kind_KIND_DIR}, From: content(0)})},
		{"directory from an upload", put("a", &havrev1.Put{Entry: &havrev1.Entry{Kind: havrev1.Kind_KIND_DIR}, From: &havrev1.Put_Upload{Upload: "x"}})},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := rpc(t, s).Commit(t.Context(), connect.NewRequest(test.req))
			e := wire.DecodeConnectError(err)
			if e == nil || e.Code != havre.CodeInvalid || connect.CodeOf(err) != connect.CodeInvalidArgument {
				t.Errorf("got %v, want CodeInvalid", err)
			}
		})
	}
	t.Run("huge", func(t *testing.T) {
		// Compressed it is small; it is not decompressed beyond the limit.
		_, err := rpc(t, s).Commit(t.Context(), connect.NewRequest(put("a", &havrev1.Put{Entry: file, From: content(80 << 20)})))
		if err == nil || strings.Contains(err.Error(), "reached") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("huge where little is expected", func(t *testing.T) {
		_, err := rpc(t, s).BeginUpload(t.Context(), connect.NewRequest(&havrev1.BeginUploadRequest{Scope: scope, Resume: strings.Repeat("x", 1<<20)}))
		if connect.CodeOf(err) != connect.CodeResourceExhausted {
			t.Errorf("got %v", err)
		}
	})
}

func TestCopyIntoUpload(t *testing.T) {
	hub := apitest.NewHub()
	hub.Put(havre.FileVersion{Path: "a", Rev: 2}, []byte("0123456789"))
	c := rpc(t, apitest.Start(t, hub, api.Options{}))
	scope := &havrev1.Scope{Folder: "f1"}
	up, err := c.BeginUpload(t.Context(), connect.NewRequest(&havrev1.BeginUploadRequest{Scope: scope, Size: 3}))
	if err != nil {
		t.Fatal(err)
	}
	req := &havrev1.CopyIntoUploadRequest{
		Scope: scope, Upload: up.Msg.GetUpload(), Source: &havrev1.FileVersion{Path: "a", Revision: 2}, SourceOffset: 4, Length: 3,
	}
	resp, err := c.CopyIntoUpload(t.Context(), connect.NewRequest(req))
	if err != nil || resp.Msg.GetOffset() != 3 || string(hub.Upload("up1")) != "456" {
		t.Errorf("%v, %v, %q", resp, err, hub.Upload("up1"))
	}
	req.Length = -1
	if _, err := c.CopyIntoUpload(t.Context(), connect.NewRequest(req)); connect.CodeOf(err) != connect.CodeInvalidArgument {
		t.Errorf("negative length: %v", err)
	}
}

func TestFailuresAreLoggedWithTheirNumber(t *testing.T) {
	hub := apitest.NewHub()
	hub.Fail = func(string) error { return fmt.Errorf("the disk burns") }
	var log bytes.Buffer
	s := apitest.Start(t, hub, api.Options{Logger: slog.New(slog.NewJSONHandler(&log, nil))})
	_, err := rpc(t, s).Folders(t.Context(), connect.NewRequest(&havrev1.FoldersRequest{}))
	e := wire.DecodeConnectError(err)
	if e == nil || strings.Contains(e.Text, "burns") {
		t.Fatal(err)
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	var line struct{ Msg, ID, Error, Request string }
	if err := json.Unmarshal(log.Bytes(), &line); err != nil {
		t.Fatal(err, log.String())
	}
	if line.Error != "the disk burns" || line.ID == "" || !strings.Contains(e.Text, line.ID) || !strings.Contains(line.Request, "Folders") {
		t.Errorf("logged %s, answered %q", log.String(), e.Text)
	}
}

// TestPages: what is not of the protocol goes to the pages, and what is does not.
func TestPages(t *testing.T) {
	pages := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "page %s", r.URL.Path) })
	p := newPeer(t, apitest.Start(t, apitest.NewHub(), api.Options{Pages: pages}), true)
	for path, want := range map[string]bool{
		"/": true, "/join/abc": true, "/f/Team/a.txt": true, "/havre.v1.SyncService/Folders": false, wire.ContentPath: false,
	} {
		if _, body := p.do(t, "GET", path, nil); strings.HasPrefix(body, "page ") != want {
			t.Errorf("%s is a page: %v, want %v", path, !want, want)
		}
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	s := apitest.Start(t, apitest.NewHub(), api.Options{})
	_, err := tls.Dial("tcp", s.Address, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12})
	if err == nil || !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("got %v", err)
	}
}

func TestPlainHTTP(t *testing.T) {
	s := apitest.Start(t, apitest.NewHub(), api.Options{})
	for _, test := range []struct {
		name, request string
		status        int
		location      string
		says          string
	}{
		{"browser", "GET /a?b=c HTTP/1.1\r\nHost: files.example:7443\r\n\r\n", 308, "https://files.example:7443/a?b=c", "TLS"},
		{"old", "GET / HTTP/1.0\r\n\r\n", 400, "", "https://"},
		{"post", "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", 400, "", "https://"},
		{"invitation", "GET /join/abc HTTP/1.1\r\nHost: h\r\n\r\n", 400, "", "new one"},
		{"nonsense", "HELO there\r\n\r\n", 400, "", "https://"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := net.Dial("tcp", s.Address)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := io.WriteString(c, test.request); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != test.status || resp.Header.Get("Location") != test.location || !strings.Contains(string(body), test.says) {
				t.Errorf("%d %v %q %v", resp.StatusCode, resp.Header, body, err)
			}
		})
	}
}

func TestWrongTokensAreSlowedDown(t *testing.T) {
	s := apitest.Start(t, apitest.NewHub(), api.Options{})
	p := newPeer(t, s, true)
	const path = wire.ContentPath + "?folder=f1&path=a&rev=1"
	if resp, _ := p.do(t, "GET", path, nil); resp.StatusCode != http.StatusNotFound {
		t.Fatal(resp.Status)
	}
	last := 0
	for range 30 {
		resp, _ := p.do(t, "GET", path, nil, "Authorization", "Bearer wrong")
		last = resp.StatusCode
	}
	if last != http.StatusServiceUnavailable {
		t.Errorf("the 30th wrong token: %d", last)
	}
	if resp, _ := p.do(t, "GET", path, nil); resp.StatusCode != http.StatusNotFound {
		t.Errorf("a good token from the same address: %d", resp.StatusCode)
	}
	pairing := havrev1connect.NewPairingServiceClient(p.Client, p.base)
	_, err := pairing.Join(t.Context(), connect.NewRequest(&havrev1.JoinRequest{Secret: apitest.Secret}))
	if connect.CodeOf(err) != connect.CodeUnavailable {
		t.Errorf("Join from the same address: %v", err)
	}
}

// A request of which the rest does not come ends, as does an answer that nobody takes; a handler may
// take its time all the same.
func TestStalledPeersAreCutOff(t *testing.T) {
	hub := apitest.NewHub()
	hub.Put(havre.FileVersion{Path: "large", Rev: 1}, make([]byte, 64<<20))
	id, _, err := hub.BeginUpload(t.Context(), nil, apitest.Scope, 1000, "")
	if err != nil {
		t.Fatal(err)
	}
	const stall = 100 * time.Millisecond
	hub.Fail = func(method string) error {
		if method == "Folders" {
			time.Sleep(3 * stall) // the work of a slow handler
		}
		return nil
	}
	var log bytes.Buffer
	s := apitest.Start(t, hub, api.Options{Stall: stall, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	send := func(request string) net.Conn {
		c, err := tls.Dial("tcp", s.Address, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if _, err := io.WriteString(c, request+" HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer "+apitest.Token+"\r\n"); err != nil {
			t.Fatal(err)
		}
		return c
	}
	t.Run("answer", func(t *testing.T) {
		c := send(fmt.Sprintf("GET %s?folder=f1&path=large&rev=1", wire.ContentPath))
		if _, err := io.WriteString(c, "\r\n"); err != nil {
			t.Error(err)
		}
	})
	for _, test := range []struct {
		name   string
		upload havre.UploadID
		status int
	}{{"request", id, 503}, {"request that is refused", "unknown", 404}} {
		t.Run(test.name, func(t *testing.T) {
			c := send(fmt.Sprintf("PUT %s?upload=%s&offset=0", wire.UploadPath, test.upload))
			if _, err := io.WriteString(c, "Content-Length: 1000\r\n\r\nabc"); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != test.status {
				t.Errorf("got %s, want %d", resp.Status, test.status)
			}
		})
	}
	t.Run("slow handler", func(t *testing.T) {
		resp, body := newPeer(t, s, false).do(t, "POST", "/havre.v1.SyncService/Folders", strings.NewReader("{}"), "Content-Type", "application/json")
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s %s", resp.Status, body)
		}
	})
	// The peers still hold their connections, but no handler waits for them.
	if err := s.Stop(); err != nil || strings.Contains(log.String(), "cut off") {
		t.Errorf("%v\n%s", err, log.String())
	}
}

func TestStopLetsRequestsEnd(t *testing.T) {
	hub := apitest.NewHub()
	s := apitest.Start(t, hub, api.Options{})
	inside, leave := make(chan struct{}), make(chan struct{})
	hub.Fail = func(string) error {
		close(inside)
		<-leave
		return nil
	}
	answered := make(chan error, 1)
	c := rpc(t, s)
	go func() {
		_, err := c.Commit(context.Background(), connect.NewRequest(&havrev1.CommitRequest{Scope: &havrev1.Scope{Folder: "f1"}, Id: "x"}))
		answered <- err
	}()
	<-inside
	stopped := make(chan error, 1)
	go func() { stopped <- s.Stop() }()
	close(leave)
	if err := <-answered; err != nil {
		t.Error("the commit under way:", err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if _, err := c.Folders(t.Context(), connect.NewRequest(&havrev1.FoldersRequest{})); connect.CodeOf(err) != connect.CodeUnavailable {
		t.Errorf("after the stop: %v", err)
	}
}

func TestJSONWorksToo(t *testing.T) {
	p := newPeer(t, apitest.Start(t, apitest.NewHub(), api.Options{}), true)
	resp, body := p.do(t, "POST", "/havre.v1.SyncService/Folders", strings.NewReader("{}"), "Content-Type", "application/json")
	var got any
	if err := json.Unmarshal([]byte(body), &got); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status, body)
	}
	want := map[string]any{"folders": []any{map[string]any{
		"id": "f1", "name": "Team", "repository": apitest.UUID, "right": "RIGHT_WRITE",
	}}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
