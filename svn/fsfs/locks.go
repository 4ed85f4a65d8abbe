package fsfs

import (
	"bytes"
	"crypto/md5" //nolint:gosec // the format's digest of paths
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path/filepath"
	"time"

	"github.com/havre-cloud/havre/svn"
)

// The locks that `svn lock` makes are in db/locks/XXX/DIGEST: the MD5 of the path in hexadecimal
// and its first three digits. A file has the lock of its path, or the digests of all locked paths
// below, or both.

// maxLockFile bounds such a file, in bytes.
const maxLockFile = 64 << 20

func lockDigest(path svn.Path) string {
	sum := md5.Sum([]byte("/" + path)) //nolint:gosec // the format's digest of paths
	return hex.EncodeToString(sum[:])
}

// readLock reads the lock file of a digest; nil when there is none.
func (r *Repository) readLock(digest string) (svn.Props, error) {
	name := filepath.Join("locks", digest[:3], digest)
	data, err := r.readBounded(name, maxLockFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	p, reason := parseProps(data)
	if reason != "" {
		return nil, &CorruptError{File: "db/" + filepath.ToSlash(name), Want: reason, Got: fmt.Sprintf("%.40q", data)}
	}
	return p, nil
}

// children yields the digests that a lock file lists. What is none would be the name of some other file.
func children(lock svn.Props) iter.Seq[string] {
	return func(yield func(string) bool) {
		var sum [md5.Size]byte
		for digest := range bytes.SplitSeq([]byte(lock["children"]), []byte{'\n'}) {
			if len(digest) != hex.EncodedLen(len(sum)) {
				continue
			}
			if _, err := hex.Decode(sum[:], digest); err == nil && !yield(string(digest)) {
				return
			}
		}
	}
}

// checkLocks returns *svn.LockedError if any of the changes touches a path that is locked. Nobody
// presents lock tokens here, so that every lock that has not expired stands against the change.
func (r *Repository) checkLocks(changes []*change) error {
	// Every lock is listed in the file of the root.
	all, err := r.readLock(lockDigest(""))
	if err != nil || all == nil {
		return err
	}
	for _, c := range changes {
		own, err := r.readLock(lockDigest(c.Path))
		if err != nil {
			return err
		}
		if err := lockedBy(own); err != nil {
			return err
		}
		if c.Action == svn.ActionModify || own == nil {
			continue
		}
		for digest := range children(own) {
			below, err := r.readLock(digest)
			if err != nil {
				return err
			}
			if err := lockedBy(below); err != nil {
				return err
			}
		}
	}
	return nil
}

// lockedBy returns the error that a lock file stands for; nil when it has no lock in force.
func lockedBy(lock svn.Props) error {
	path, ok := parsePath([]byte(lock["path"]))
	if !ok {
		return nil
	}
	if end, ok := lock["expiration_date"]; ok && end != "" {
		if t, err := svn.ParseTime(end); err == nil && t.Before(time.Now()) {
			return nil
		}
	}
	return &svn.LockedError{Path: path, Owner: lock["owner"]}
}
