package main

import (
	"context"
	"sync"

	"github.com/havre-cloud/havre/internal/home"
)

// broadcast gives events to all who listen. It never waits for them: who is too slow misses some.
// It is safe for concurrent use.
type broadcast struct {
	mu        sync.Mutex // guards listeners
	listeners map[chan home.Event]struct{}
}

// eventBuffer is how many events a listener may be behind.
const eventBuffer = 4096

func newBroadcast() *broadcast { return &broadcast{listeners: map[chan home.Event]struct{}{}} }

func (b *broadcast) send(e home.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for l := range b.listeners {
		select {
		case l <- e:
		default:
		}
	}
}

// subscribe returns what is sent from now on, until ctx is done. The channel is never closed.
func (b *broadcast) subscribe(ctx context.Context) <-chan home.Event {
	l := make(chan home.Event, eventBuffer)
	b.mu.Lock()
	b.listeners[l] = struct{}{}
	b.mu.Unlock()
	context.AfterFunc(ctx, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.listeners, l)
	})
	return l
}
