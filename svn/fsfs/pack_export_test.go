package fsfs

import "context"

// PackIn is Pack with that many bytes in memory at once.
func (r *Repository) PackIn(ctx context.Context, batch int64) (PackResult, error) {
	return r.pack(ctx, batch, nil)
}

// HoldPackLock takes the lock that packing takes, as another process would.
func (r *Repository) HoldPackLock(ctx context.Context) (leave func(), err error) {
	f, err := r.packLock(ctx, func() {})
	if err != nil {
		return nil, err
	}
	return func() { _ = f.Close() }, nil
}
