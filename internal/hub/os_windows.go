package hub

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/windows"

	"github.com/havre-cloud/havre/internal/havre"
)

// isFull says whether err is about space on a disk or in a quota.
func isFull(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL) ||
		errors.Is(err, windows.ERROR_DISK_QUOTA_EXCEEDED) || sqliteFull(err)
}

// lockDir locks the file at path for this process. The lock goes with the process.
func lockDir(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, full(fmt.Errorf("lock the data directory: %w", err))
	}
	err = windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY,
		0, 1, 0, &windows.Overlapped{})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		err = havre.Errorf(havre.CodeUnavailable, "another server works on this data directory: stop it first, or give this one its own --data")
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// syncDir does nothing: Windows makes a rename durable with its journal.
func syncDir(string) error { return nil }
