package fsfs

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// lockFile takes the exclusive lock on an open file, and waits for it if wait is set; ok is false
// when somebody else has it.
//
// Subversion's programs use flock or fcntl, depending on how APR was built, and Linux does not
// let one see the other: so both are taken, always in this order. The fcntl lock is of the kind
// that belongs to the open file and not to the process. Closing the file gives both back.
func lockFile(f *os.File, wait bool) (ok bool, err error) {
	how, cmd := unix.LOCK_EX|unix.LOCK_NB, unix.F_OFD_SETLK
	if wait {
		how, cmd = unix.LOCK_EX, unix.F_OFD_SETLKW
	}
	fd := f.Fd()
	err = retry(func() error { return unix.Flock(int(fd), how) })
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	if err != nil {
		return false, &os.PathError{Op: "flock", Path: f.Name(), Err: err}
	}
	err = retry(func() error {
		whole := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
		return unix.FcntlFlock(fd, cmd, &whole)
	})
	if err == nil {
		return true, nil
	}
	_ = unix.Flock(int(fd), unix.LOCK_UN)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return false, nil
	}
	return false, &os.PathError{Op: "fcntl", Path: f.Name(), Err: err}
}

func retry(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// claim marks a temporary file of ours as in use; ok is false when another has it. The mark goes
// with the last descriptor, at the latest with the process.
func claim(f *os.File) (ok bool, err error) {
	err = retry(func() error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) })
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}
