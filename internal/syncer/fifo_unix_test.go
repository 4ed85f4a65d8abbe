//go:build unix

package syncer_test

import (
	"syscall"
	"testing"
)

func mkfifo(t *testing.T, path string) {
	t.Helper()
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
}

// errFull is what a full disk says.
const errFull = syscall.ENOSPC
