package sourcetest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/havre-cloud/havre/internal/source"
)

// Kind is the kind of the notes that Provider knows.
const Kind source.Kind = "note"

// Provider knows notes: lines of text at https://HOST/n/NAME, which are edited with ?key=SECRET. Addresses /maybe/NAME
// could be notes. It is what docs/sources.md describes as the smallest source.
type Provider struct{}

// Kind is source.Provider.
func (Provider) Kind() source.Kind { return Kind }

// Recognise is source.Provider.
func (Provider) Recognise(u *url.URL) source.Recognised {
	r := source.Recognised{Address: source.Address{Kind: Kind, Instance: u.Scheme + "://" + u.Host}, Likelihood: source.Certain}
	name, ok := strings.CutPrefix(u.Path, "/n/")
	if !ok {
		name, ok = strings.CutPrefix(u.Path, "/maybe/")
		r.Likelihood = source.Possible
	}
	if !ok || name == "" || strings.Contains(name, "/") {
		return source.Recognised{}
	}
	r.Address.Name = name
	r.Address.URL = r.Address.Instance + "/n/" + url.PathEscape(name)
	if key := u.Query().Get("key"); key != "" {
		r.Secrets.Address = source.Secret(u.String())
	}
	return r
}

// Probe is source.Provider.
func (p Provider) Probe(ctx context.Context, c *source.Client, r source.Recognised) (source.Recognised, error) {
	if _, err := p.get(ctx, c, source.Document{Address: r.Address}, ""); err != nil {
		return r, err
	}
	r.Likelihood = source.Certain
	return r, nil
}

// state is what a fetch says to the next.
type state struct {
	ETag string `json:"etag"`
	Size int    `json:"size"`
}

type answer struct {
	etag string
	body []byte
}

func (Provider) get(ctx context.Context, c *source.Client, d source.Document, query string) (*answer, error) {
	var old state
	if len(d.State) > 0 {
		if err := json.Unmarshal(d.State, &old); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.Address.URL+query, http.NoBody)
	if err != nil {
		return nil, err
	}
	if old.ETag != "" {
		req.Header.Set("If-None-Match", old.ETag)
	}
	resp, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer source.Drain(resp.Body)
	switch {
	case resp.StatusCode == http.StatusNotModified:
		return nil, nil
	case resp.StatusCode == http.StatusNotFound:
		return nil, source.Errorf(source.ReasonGone, "there is no such note")
	case resp.StatusCode == http.StatusForbidden:
		return nil, source.Errorf(source.ReasonPrivate, "the note is private")
	case resp.StatusCode == http.StatusTooManyRequests:
		return nil, source.Errorf(source.ReasonLimited, "the instance asks for a pause")
	case resp.StatusCode >= 500:
		return nil, source.Errorf(source.ReasonDown, "the instance is out of order")
	case resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain"):
		return nil, source.Errorf(source.ReasonForeign, "that is no note")
	}
	body, err := source.ReadAll(resp, 1<<20)
	if err != nil {
		return nil, err
	}
	return &answer{etag: resp.Header.Get("ETag"), body: body}, nil
}

// Fetch is source.Provider. A note that was emptied is suspect.
func (p Provider) Fetch(ctx context.Context, c *source.Client, d source.Document) (*source.Copy, error) {
	a, err := p.get(ctx, c, d, "")
	if err != nil {
		return nil, err
	}
	if a == nil {
		got := source.NewCopy(nil)
		got.Unchanged = true
		return got, nil
	}
	return p.copyOf(a, d)
}

func (Provider) copyOf(a *answer, d source.Document) (*source.Copy, error) {
	text := a.body
	title, _, _ := strings.Cut(string(text), "\n")
	got := source.NewCopy(nil)
	got.Title, got.Summary = title, fmt.Sprintf("%d bytes", len(text))
	if len(text) == 0 && len(d.State) > 0 {
		got.Title, got.Suspect = d.Address.Name, "the note was emptied"
	}
	var err error
	if got.State, err = json.Marshal(state{ETag: a.etag, Size: len(text)}); err != nil {
		return nil, err
	}
	file := func(ext string, content []byte) source.File {
		return source.File{Ext: ext, Size: int64(len(content)), Open: func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(content)), nil
		}}
	}
	page := fmt.Appendf(nil, "<!doctype html><title>%s</title><pre>%s</pre>\n", title, text)
	got.Files = []source.File{file(".txt", text), file(".html", page)}
	return got, nil
}

// Follow is source.Follower: it asks for the note every second.
func (p Provider) Follow(ctx context.Context, c *source.Client, d source.Document, alive func(), changed func(*source.Copy) error) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		a, err := p.get(ctx, c, d, "?live")
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		alive()
		if a == nil {
			continue
		}
		got, err := p.copyOf(a, d)
		if err != nil {
			return err
		}
		d.State = got.State
		got.Files = got.Files[:1]
		if err := changed(got); err != nil {
			return err
		}
	}
}

// Instance serves notes. It is safe for concurrent use.
type Instance struct {
	// Before, if it is set, sees each request and may answer it, which it says.
	Before   func(w http.ResponseWriter, r *http.Request) (answered bool)
	Requests atomic.Int64

	mu    sync.Mutex // guards what follows
	notes map[string]string
}

// NewInstance returns an instance without notes.
func NewInstance() *Instance { return &Instance{notes: map[string]string{}} }

// Set writes a note.
func (i *Instance) Set(name, text string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.notes[name] = text
}

// Delete removes a note.
func (i *Instance) Delete(name string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.notes, name)
}

func (i *Instance) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.Requests.Add(1)
	if i.Before != nil && i.Before(w, r) {
		return
	}
	i.mu.Lock()
	text, ok := i.notes[strings.TrimPrefix(r.URL.Path, "/n/")]
	i.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, text))
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(text))
}
