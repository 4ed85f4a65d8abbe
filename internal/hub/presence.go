package hub

import (
	"context"
	"sync"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
)

// presence knows which devices follow which scopes of this process now.
type presence struct {
	mu   sync.Mutex // guards the following
	here map[havre.DeviceID]*present
}

// present is one device that has streams open.
type present struct {
	since  time.Time
	scopes map[havre.Scope]int // streams of each; View is empty
}

func newPresence() *presence {
	return &presence{here: map[havre.DeviceID]*present{}}
}

// enter notes a stream and returns what notes its end.
func (p *presence) enter(c *havre.Caller, scope havre.Scope) (leave func()) {
	scope.View = ""
	p.mu.Lock()
	defer p.mu.Unlock()
	d := p.here[c.Device]
	if d == nil {
		d = &present{since: time.Now(), scopes: map[havre.Scope]int{}}
		p.here[c.Device] = d
	}
	d.scopes[scope]++
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if d.scopes[scope]--; d.scopes[scope] == 0 {
			delete(d.scopes, scope)
		}
		if len(d.scopes) == 0 {
			delete(p.here, c.Device)
		}
	}
}

// connected returns since when the device is here, and whether it follows the scope; the zero time if
// it is not here.
func (p *presence) connected(id havre.DeviceID, scope havre.Scope) (since time.Time, follows bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	d := p.here[id]
	if d == nil {
		return time.Time{}, false
	}
	return d.since, d.scopes[scope] > 0
}

// count returns how many devices are here.
func (p *presence) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.here)
}

// Connected returns since when the device has a stream open, the zero time if it has none.
func (h *Hub) Connected(id havre.DeviceID) time.Time {
	since, _ := h.presence.connected(id, havre.Scope{})
	return since
}

// Report records what all replicas of the caller have reached, and returns what people decided about
// deletions that wait in them, and from when on deletions do.
func (h *Hub) Report(ctx context.Context, c *havre.Caller, reports []havre.ReplicaReport) (havre.Instructions, error) {
	decided, err := h.store.SaveReplicas(ctx, c.Device, reports)
	if err != nil {
		return havre.Instructions{}, full(err)
	}
	guard, err := h.Guard(ctx)
	return havre.Instructions{Decisions: decided, Guard: guard}, err
}
