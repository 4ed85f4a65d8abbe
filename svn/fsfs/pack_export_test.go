package fsfs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/havre-cloud/havre/svn"
)

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

// writeRevision replaces the file of a revision by one with the indexes, whose checksums are right.
func (r *Repository) writeRevision(rev svn.Revnum, items, l2p, p2l []byte) error {
	data := slices.Concat(items, l2p, p2l)
	footer := fmt.Appendf(nil, "%d %s %d %s", len(items), hexMD5(l2p), len(items)+len(l2p), hexMD5(p2l))
	data = append(append(data, footer...), byte(len(footer)))
	name := r.db(r.format.Load().revPath("revs", rev))
	return errors.Join(os.RemoveAll(name), os.WriteFile(name, data, 0o600))
}
