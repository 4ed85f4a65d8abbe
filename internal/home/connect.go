package home

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"

	"github.com/havre-cloud/havre/internal/havre"
)

// NotRunningError says that no client runs in a home.
type NotRunningError struct{ Dir string }

func (e *NotRunningError) Error() string {
	return fmt.Sprintf("%s: no client runs here; start it with: havre run", e.Dir)
}

// Conn speaks to the running client of a home. It is an Agent.
type Conn struct{ http *http.Client }

var _ Agent = (*Conn)(nil)

// Connect reaches the running client, or returns a *NotRunningError.
func (h *Home) Connect(ctx context.Context) (*Conn, error) {
	path, err := os.ReadFile(filepath.Join(h.dir, "control.addr"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &NotRunningError{Dir: h.dir}
	}
	if err != nil {
		return nil, err
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", string(path))
	}
	// A process that was killed leaves the file; nobody listens behind it.
	probe, err := dial(ctx, "", "")
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &NotRunningError{Dir: h.dir}
	}
	probe.Close()
	return &Conn{http: &http.Client{Transport: &http.Transport{DialContext: dial}}}, nil
}

// Close ends the connection.
func (c *Conn) Close() { c.http.CloseIdleConnections() }

// Status is Agent's.
func (c *Conn) Status(ctx context.Context) (*Status, error) {
	var s Status
	return &s, c.call(ctx, http.MethodGet, "/status", nil, &s)
}

// Add is Agent's.
func (c *Conn) Add(ctx context.Context, r AddRequest) (*Replica, error) {
	var replica Replica
	return &replica, c.call(ctx, http.MethodPost, "/replicas", r, &replica)
}

// Remove is Agent's.
func (c *Conn) Remove(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, "/replicas/"+url.PathEscape(id), nil, nil)
}

// Leave is Agent's.
func (c *Conn) Leave(ctx context.Context, force bool) error {
	path := "/leave"
	if force {
		path += "?force"
	}
	return c.call(ctx, http.MethodPost, path, nil, nil)
}

// Deletions is Agent's.
func (c *Conn) Deletions(ctx context.Context, id string, allow bool) error {
	decision := decisionUndo
	if allow {
		decision = decisionAllow
	}
	return c.call(ctx, http.MethodPost, "/replicas/"+url.PathEscape(id)+"/deletions/"+decision, nil, nil)
}

// Events calls fn with each change from now on, until ctx is done or the client ends; ready is
// called once none will be missed.
func (c *Conn) Events(ctx context.Context, ready func(), fn func(Event)) error {
	resp, err := c.send(ctx, http.MethodGet, "/events", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	ready()
	dec := json.NewDecoder(resp.Body)
	for {
		var e Event
		if err := dec.Decode(&e); err != nil {
			return fmt.Errorf("the running client: %w", err)
		}
		fn(e)
	}
}

func (c *Conn) send(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var b bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&b).Encode(body); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://havre"+path, &b)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("the running client: %w", err)
	}
	return resp, nil
}

func (c *Conn) call(ctx context.Context, method, path string, body, answer any) error {
	resp, err := c.send(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return fmt.Errorf("the running client: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		var f failure
		if err := json.Unmarshal(data, &f); err != nil || f.Text == "" {
			return fmt.Errorf("the running client answered %s", resp.Status)
		}
		return &havre.Error{Code: f.Code, Text: f.Text}
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(data, answer); err != nil {
		return fmt.Errorf("the running client: %w", err)
	}
	return nil
}
