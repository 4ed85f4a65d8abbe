// Package etherpadtest has Etherpads for tests: a real one, 1.8.14, installed from npm once for a machine, and a fake one
// that behaves as was measured of 2.5.3 and 1.8.14, including what surprised us. Both have pads, an API, and simulated
// authors who write over the socket.
//
// By hand, on a fixed port: go run ./internal/source/etherpad/etherpadtest/serve --help.
package etherpadtest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// Server is an Etherpad.
type Server interface {
	// URL is its root, without a slash at the end.
	URL() string
	// APIKey is the key of its API.
	APIKey() string
	// Version is "1.8.14" or "2.5.3".
	Version() string
	// Kill ends it at once, Restart starts it again with the same data and address, Reset without any data.
	Kill()
	Restart(t testing.TB)
	Reset(t testing.TB)

	CreatePad(t testing.TB, name, text string)
	DeletePad(t testing.TB, name string)
	Text(t testing.TB, name string) string
	API(t testing.TB, function string, args ...string) json.RawMessage
	Author(t testing.TB, name string) *Author
}

// base is what both have in common.
type base struct {
	url, key, version string
	user, password    string
	transport         *http.Transport
	dial              func(ctx context.Context, network, address string) (net.Conn, error) // nil: the machine's network

	mu      sync.Mutex // guards what follows
	writing map[string]*sync.Mutex
}

func newBase(root, key, version string, o Options) base {
	return base{transport: &http.Transport{DisableKeepAlives: true}, url: root, key: key, version: version, user: o.User, password: o.Password, writing: map[string]*sync.Mutex{}}
}

func (b *base) URL() string     { return b.url }
func (b *base) APIKey() string  { return b.key }
func (b *base) Version() string { return b.version }

// PadURL is the address of a pad.
func (b *base) PadURL(name string) string { return b.url + "/p/" + url.PathEscape(name) }

// pen is held by the author who writes in a pad: no two changes cross each other on the way.
func (b *base) pen(pad string) *sync.Mutex {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.writing[pad] == nil {
		b.writing[pad] = &sync.Mutex{}
	}
	return b.writing[pad]
}

// API calls a function of the HTTP API, with pairs of names and values, and returns its data.
func (b *base) API(t testing.TB, function string, args ...string) json.RawMessage {
	t.Helper()
	data, err := b.Call(function, args...)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Call is API that returns what went wrong.
func (b *base) Call(function string, args ...string) (json.RawMessage, error) {
	form := url.Values{"apikey": {b.key}}
	for i := 0; i+1 < len(args); i += 2 {
		form.Set(args[i], args[i+1])
	}
	resp, err := (&http.Client{Transport: b.transport}).PostForm(b.url+"/api/1.2.15/"+function, form)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Code    int
		Message string
		Data    json.RawMessage
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Code != 0 {
		return nil, fmt.Errorf("%s: %d %s", function, resp.StatusCode, body)
	}
	return answer.Data, nil
}

// CreatePad makes a pad.
func (b *base) CreatePad(t testing.TB, name, text string) {
	t.Helper()
	b.API(t, "createPad", "padID", name, "text", text)
}

// DeletePad removes a pad; who has it open is told.
func (b *base) DeletePad(t testing.TB, name string) {
	t.Helper()
	b.API(t, "deletePad", "padID", name)
}

// Text returns a pad's text.
func (b *base) Text(t testing.TB, name string) string {
	t.Helper()
	var data struct{ Text string }
	if err := json.Unmarshal(b.API(t, "getText", "padID", name), &data); err != nil {
		t.Fatal(err)
	}
	return data.Text
}

// ReadOnlyID returns the id under which a pad can be read only.
func (b *base) ReadOnlyID(t testing.TB, name string) string {
	t.Helper()
	var data struct {
		ReadOnlyID string `json:"readOnlyID"`
	}
	if err := json.Unmarshal(b.API(t, "getReadOnlyID", "padID", name), &data); err != nil {
		t.Fatal(err)
	}
	return data.ReadOnlyID
}

// SubPath serves a server below a path of another one, as a reverse proxy does, and returns the root's address.
func SubPath(t testing.TB, s Server, path string) string {
	t.Helper()
	target, err := url.Parse(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	root := serve(t, http.StripPrefix(path, proxy))
	return strings.TrimSuffix(root, "/") + path
}
