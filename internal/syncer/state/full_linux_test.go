package state_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/reconcile"
	"github.com/havre-cloud/havre/internal/syncer/state"
)

// TestFullDisk: what does not fit is an error that names the place, nothing of the transaction stays, and
// it goes on when there is room.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	mount := func(size string, flags uintptr) {
		t.Helper()
		if err := syscall.Mount("tmpfs", dir, "tmpfs", flags, "size="+size); err != nil {
			t.Fatalf("mounting is refused; run the tests as root, or in `unshare --map-root-user --mount`: %v", err)
		}
	}
	mount("1m", 0)
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	db, err := state.Open(t.Context(), dir+"/state.db")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	add := func(files int) error {
		db.Begin()
		for range files {
			n := db.Add()
			n.Local = &reconcile.State{
				Place: reconcile.Place{Parent: reconcile.Root, Name: fmt.Sprintf("%0100d", n.ID)},
				Entry: havre.Entry{Kind: havre.KindFile, Hash: havre.HashBytes(nil)},
			}
			db.Put(n)
		}
		return db.Commit()
	}
	if err := add(10); err != nil {
		t.Fatal(err)
	}
	err = add(5000)
	if err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("on a full disk: got %v, want an error that names %s", err, dir)
	}
	mount("100m", syscall.MS_REMOUNT)
	if err := add(100); err != nil {
		t.Errorf("with room: %v", err)
	}
	db.Begin()
	defer db.Rollback()
	if got, want := db.Files(), int64(110); got != want {
		t.Errorf("files: got %d, want %d", got, want)
	}
}
