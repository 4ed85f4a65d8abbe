package home_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/home"
)

// agent remembers what it was asked.
type agent struct{ asked chan string }

func (a *agent) Status(context.Context) (*home.Status, error) {
	return &home.Status{Running: true, Replicas: []home.ReplicaStatus{{
		ID: "r1", State: home.StateUpToDate, Revision: 7, Problems: []home.Problem{{Path: "a\nb", Text: "bad name"}},
	}}}, nil
}

func (a *agent) Add(_ context.Context, r home.AddRequest) (*home.Replica, error) {
	if r.Folder == "Secret" {
		return nil, &havre.Error{Code: havre.CodeDenied, Text: "not yours", Cause: errors.New("for the log")}
	}
	return &home.Replica{ID: "r2", FolderName: r.Folder, Path: r.Path, Dir: r.Dir}, nil
}

func (a *agent) Remove(_ context.Context, id string) error { a.asked <- "remove " + id; return nil }

func (a *agent) Leave(_ context.Context, force bool) error {
	a.asked <- fmt.Sprint("leave ", force)
	return nil
}

func (a *agent) Deletions(_ context.Context, id string, allow bool) error {
	word := "undo "
	if allow {
		word = "allow "
	}
	a.asked <- word + id
	return nil
}

// serve runs a client in a home until the test ends.
func serve(t *testing.T, h *home.Home, a home.Agent, events chan home.Event) {
	t.Helper()
	l, remove, err := h.Listen()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- home.Serve(ctx, l, a, func(context.Context) <-chan home.Event { return events })
	}()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, remove()); err != nil {
			t.Error(err)
		}
	})
}

func TestControl(t *testing.T) {
	for _, tt := range []struct {
		name string
		dir  string
	}{
		{"socket in the home", "h"},
		{"path too long for a socket", strings.Repeat("long-", 30)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := open(t, filepath.Join(t.TempDir(), tt.dir))
			a := &agent{asked: make(chan string, 1)}
			serve(t, h, a, nil)
			c, err := h.Connect(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()

			status, err := c.Status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			want, err := a.Status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, status); diff != "" {
				t.Error(diff)
			}
			replica, err := c.Add(t.Context(), home.AddRequest{Folder: "Team", Path: "a b/ü", Dir: "/x"})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&home.Replica{ID: "r2", FolderName: "Team", Path: "a b/ü", Dir: "/x"}, replica); diff != "" {
				t.Error(diff)
			}
			_, err = c.Add(t.Context(), home.AddRequest{Folder: "Secret"})
			if got := havre.CodeOf(err); got != havre.CodeDenied {
				t.Errorf("got code %v of %v, want %v", got, err, havre.CodeDenied)
			}
			for _, call := range []struct {
				want string
				do   func() error
			}{
				{"remove a/b", func() error { return c.Remove(t.Context(), "a/b") }},
				{"allow r1", func() error { return c.Deletions(t.Context(), "r1", true) }},
				{"undo r1", func() error { return c.Deletions(t.Context(), "r1", false) }},
				{"leave false", func() error { return c.Leave(t.Context(), false) }},
				{"leave true", func() error { return c.Leave(t.Context(), true) }},
			} {
				if err := call.do(); err != nil {
					t.Fatal(err)
				}
				if got := <-a.asked; got != call.want {
					t.Errorf("got %q, want %q", got, call.want)
				}
			}
		})
	}
}

func TestEvents(t *testing.T) {
	h := open(t, t.TempDir())
	events := make(chan home.Event)
	serve(t, h, &agent{}, events)
	c, err := h.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	want := home.Event{Time: time.Unix(1, 0).UTC(), What: "renamed", Path: "b", From: "a", Rev: 3, Took: time.Millisecond}
	ready := func() {
		go func() { events <- want; close(events) }()
	}
	var got []home.Event
	if err := c.Events(t.Context(), ready, func(e home.Event) { got = append(got, e) }); err == nil {
		t.Error("the end of the client is no error")
	}
	if diff := cmp.Diff([]home.Event{want}, got); diff != "" {
		t.Error(diff)
	}
}

func TestConnectWithoutClient(t *testing.T) {
	h := open(t, t.TempDir())
	notRunning := func() {
		t.Helper()
		_, err := h.Connect(t.Context())
		if _, ok := errors.AsType[*home.NotRunningError](err); !ok {
			t.Errorf("got %v, want a *NotRunningError", err)
		}
	}
	notRunning()

	// As after a kill: the files are there, nobody listens. The next client takes their place.
	if err := os.WriteFile(filepath.Join(h.Dir(), "control.addr"), []byte(filepath.Join(h.Dir(), "control.sock")), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(h.Dir(), "control.sock"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	notRunning()
	serve(t, h, &agent{}, nil)
	c, err := h.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}
