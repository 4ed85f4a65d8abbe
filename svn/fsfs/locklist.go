package fsfs

import (
	"context"
	"errors"

	"github.com/havre-cloud/havre/svn"
)

// maxLocksListed bounds how many locks Locks returns.
const maxLocksListed = 1000

// Locks returns the locks in force at and below a path, as `svn lock` makes them, in no order, at most 1,000. Where there
// are none it costs one look for a file. Who holds a lock is told, its token is not.
func (r *Repository) Locks(ctx context.Context, path svn.Path) ([]*svn.LockedError, error) {
	below, err := r.readLock(lockDigest(path))
	if err != nil || below == nil {
		return nil, err
	}
	var all []*svn.LockedError
	if own, ok := errors.AsType[*svn.LockedError](lockedBy(below)); ok {
		all = append(all, own)
	}
	for digest := range children(below) {
		if len(all) >= maxLocksListed {
			break
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		lock, err := r.readLock(digest)
		if err != nil {
			return nil, err
		}
		if held, ok := errors.AsType[*svn.LockedError](lockedBy(lock)); ok {
			all = append(all, held)
		}
	}
	return all, nil
}
