//go:build unix && !linux

package fsfs

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// lockFile takes the exclusive lock on an open file, and waits for it if wait is set; ok is false
// when somebody else has it. On the systems that descend from BSD, flock and fcntl see each
// other's locks, so that one of them is enough, and both would wait for each other.
func lockFile(f *os.File, wait bool) (ok bool, err error) {
	how := unix.LOCK_EX
	if !wait {
		how |= unix.LOCK_NB
	}
	for {
		err = unix.Flock(int(f.Fd()), how) //nolint:gosec // descriptors are small
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, unix.EWOULDBLOCK):
			return false, nil
		case !errors.Is(err, unix.EINTR):
			return false, &os.PathError{Op: "flock", Path: f.Name(), Err: err}
		}
	}
}

// claim marks a temporary file of ours as in use; ok is false when another has it. The mark goes
// with the last descriptor, at the latest with the process.
func claim(f *os.File) (ok bool, err error) { return lockFile(f, false) }
