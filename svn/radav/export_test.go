package radav

import (
	"context"
	"time"
)

// SweepAll removes the transactions that were left behind, also those that may still become revisions.
func (r *Repository) SweepAll(ctx context.Context) {
	r.litter.mu.Lock()
	for i := range r.litter.left {
		r.litter.left[i].from = time.Time{}
	}
	r.litter.mu.Unlock()
	r.sweep(ctx)
}
