package web

import (
	"context"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"time"
)

// fullNames knows the names of people by their logins, as they were a few seconds ago.
type fullNames struct {
	mu    sync.Mutex
	asked time.Time
	of    map[string]string
	// version is another one when a name is another one.
	version int
}

// namesAge is how old the names that pages show may be.
const namesAge = 5 * time.Second

// fullName returns the name of the person with that login, which may have gone: then the login.
func (s *Server) fullName(ctx context.Context, login string) string {
	n := &s.names
	n.mu.Lock()
	defer n.mu.Unlock()
	s.readNames(ctx)
	if name := n.of[login]; name != "" {
		return name
	}
	return login
}

// namesVersion is another number when a name has become another.
func (s *Server) namesVersion(ctx context.Context) int {
	s.names.mu.Lock()
	defer s.names.mu.Unlock()
	s.readNames(ctx)
	return s.names.version
}

// readNames reads the names anew when they are too old. The lock is held.
func (s *Server) readNames(ctx context.Context) {
	n := &s.names
	if time.Since(n.asked) < namesAge {
		return
	}
	of, err := s.hub.FullNames(ctx)
	if err != nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "names of people not read", slog.Any("error", err))
		return
	}
	if !maps.Equal(of, n.of) {
		n.version++
	}
	n.of, n.asked = of, time.Now()
}

// firstName returns the first of the names of the person with that login, for lists.
func (x *exchange) firstName(login string) string {
	first, _, _ := strings.Cut(x.s.fullName(x.ctx(), login), " ")
	return first
}
