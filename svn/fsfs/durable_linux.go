package fsfs

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// renameOpen says whether a file may be renamed while it is open.
const renameOpen = true

// syncFile makes the contents of a file durable. Its times need not be.
func syncFile(f *os.File) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EINTR) {
			return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
		}
	}
}

// startWriteback makes the system begin to write n bytes from an offset, 0 for all there are, so
// that the sync at the end has little left to wait for. It is a hint.
func startWriteback(f *os.File, offset, n int64) {
	_ = unix.SyncFileRange(int(f.Fd()), offset, n, unix.SYNC_FILE_RANGE_WRITE)
}
