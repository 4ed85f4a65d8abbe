package apiclient

import (
	"math/rand/v2"
	"time"
)

// Backoff says how long to wait before the next attempt. The zero value is ready; it is not for
// concurrent use.
//
// It is not a library because the loops that use it are all different in everything but this.
type Backoff struct{ failures int }

const (
	minWait = 250 * time.Millisecond
	maxWait = 20 * time.Second
)

// Next returns the wait after one more failure: at most twice that of the one before, 20 seconds at
// the longest, and between half of that and all of it by chance, so that the clients of a server
// that comes back do not come all at once.
func (b *Backoff) Next() time.Duration {
	wait := maxWait
	if b.failures < 8 {
		wait = min(maxWait, minWait<<b.failures)
	}
	b.failures++
	return wait/2 + rand.N(wait/2) //nolint:gosec // spreads load, protects nothing
}

// Reset is called after success.
func (b *Backoff) Reset() { b.failures = 0 }
