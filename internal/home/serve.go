package home

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
)

// maxSocketPath is what every system takes as the path of a socket: macOS has 104 bytes, Linux and
// Windows 108, one of them for the NUL.
const maxSocketPath = 103

// graceTime is what a request has for its end when the client ends.
const graceTime = 2 * time.Second

// Listen opens the socket of the running client, which has the lock. The returned function
// removes what was made.
func (h *Home) Listen() (net.Listener, func() error, error) {
	if err := h.make(); err != nil {
		return nil, nil, err
	}
	path := filepath.Join(h.dir, "control.sock")
	remove := func() error { return os.Remove(filepath.Join(h.dir, "control.addr")) }
	if len(path) > maxSocketPath {
		// The name is random and the directory ours alone, so nobody can be there first.
		dir, err := os.MkdirTemp("", "havre-")
		if err != nil {
			return nil, nil, err
		}
		path = filepath.Join(dir, "control.sock")
		inHome := remove
		remove = func() error { return errors.Join(inHome(), os.RemoveAll(dir)) }
	}
	// With the lock ours, a socket that is there is the leftover of a process that was killed.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	l, err := new(net.ListenConfig).Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, nil, fmt.Errorf("open the control socket: %w", err)
	}
	err = os.Chmod(path, 0o600)
	if err == nil {
		err = writeFile(filepath.Join(h.dir, "control.addr"), []byte(path))
	}
	if err != nil {
		return nil, nil, errors.Join(err, l.Close(), remove())
	}
	return l, remove, nil
}

// Serve answers the commands until ctx is done. Events are sent to those who ask for them; each
// subscriber has its own channel from subscribe, which ends when the given context does.
func Serve(ctx context.Context, l net.Listener, agent Agent, subscribe func(context.Context) <-chan Event) error {
	s := &http.Server{
		Handler:           handler(agent, subscribe),
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	done := make(chan struct{}) // closed by the function below
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		// The command that ended the client wants its answer.
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), graceTime)
		defer cancel()
		if s.Shutdown(grace) != nil {
			_ = s.Close()
		}
	})
	err := s.Serve(l)
	if stop() {
		return fmt.Errorf("control socket: %w", err)
	}
	<-done
	return nil
}

func handler(agent Agent, subscribe func(context.Context) <-chan Event) http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, fn func(*http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
			answer, err := fn(r)
			respond(w, answer, err)
		})
	}
	handle("GET /status", func(r *http.Request) (any, error) {
		return agent.Status(r.Context())
	})
	handle("POST /replicas", func(r *http.Request) (any, error) {
		var req AddRequest
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
			return nil, &havre.Error{Code: havre.CodeInvalid, Text: "the request is not JSON", Cause: err}
		}
		return agent.Add(r.Context(), req)
	})
	handle("DELETE /replicas/{id}", func(r *http.Request) (any, error) {
		return nil, agent.Remove(r.Context(), r.PathValue("id"))
	})
	handle("POST /replicas/{id}/deletions/{decision}", func(r *http.Request) (any, error) {
		decision := r.PathValue("decision")
		if decision != decisionAllow && decision != decisionUndo {
			return nil, &havre.Error{Code: havre.CodeInvalid, Text: "the decision is allow or undo"}
		}
		return nil, agent.Deletions(r.Context(), r.PathValue("id"), decision == decisionAllow)
	})
	handle("POST /leave", func(r *http.Request) (any, error) {
		return nil, agent.Leave(r.Context(), r.URL.Query().Has("force"))
	})
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		streamEvents(w, r, subscribe(r.Context()))
	})
	return mux
}

const (
	decisionAllow = "allow"
	decisionUndo  = "undo"
)

func streamEvents(w http.ResponseWriter, r *http.Request, events <-chan Event) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := http.NewResponseController(w)
	if out.Flush() != nil { // the subscriber knows now that it misses nothing
		return
	}
	enc := json.NewEncoder(w)
	for {
		select {
		case <-r.Context().Done():
			return
		case e, ok := <-events:
			if !ok || enc.Encode(e) != nil || out.Flush() != nil {
				return
			}
		}
	}
}

// failure is what an error looks like on the socket.
type failure struct {
	Code havre.Code `json:"code"`
	Text string     `json:"text"`
}

func respond(w http.ResponseWriter, answer any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(http.StatusUnprocessableEntity)
		answer = failure{Code: havre.CodeOf(err), Text: err.Error()}
	}
	if answer == nil {
		answer = struct{}{}
	}
	_ = json.NewEncoder(w).Encode(answer)
}
