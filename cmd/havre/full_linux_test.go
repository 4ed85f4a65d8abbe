package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/havre-cloud/havre/internal/home"
)

// smallDisk mounts a disk of that many MiB at dir; the returned function gives it another size.
func smallDisk(t *testing.T, dir string, size int) func(size int) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	mount := func(size int, flags uintptr) error {
		return syscall.Mount("tmpfs", dir, "tmpfs", flags, fmt.Sprintf("size=%dm", size))
	}
	if err := mount(size, 0); err != nil {
		t.Fatalf("a disk that fills up can only be had where mounting is allowed; run the tests as root, or in `unshare --map-root-user --mount`: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return func(size int) {
		if err := mount(size, syscall.MS_REMOUNT); err != nil {
			t.Fatal(err)
		}
	}
}

// saysFull waits until a client says that a disk is full, and that it is not stuck for good.
func saysFull(t *testing.T, c *client) {
	t.Helper()
	eventually(t, c.name+" says that the disk is full", func() error {
		s, err := c.status()
		if err != nil {
			return err
		}
		r := s.Replicas[0]
		text := r.LastError
		for _, p := range r.Problems {
			text += " " + p.Text
		}
		if r.State == home.StateUpToDate || !strings.Contains(text, "space") && !strings.Contains(text, "full") {
			return fmt.Errorf("%s: %q", r.State, text)
		}
		return nil
	})
}

// TestFullDiskOfClient: what does not fit is not there at all, everything else goes on, and the
// rest follows when there is room.
func TestFullDiskOfClient(t *testing.T) {
	s := newSite(t)
	resize := smallDisk(t, filepath.Join(s.dir, "desktop"), 8)
	cs := s.running("laptop", "desktop")
	laptop, desktop := cs[0], cs[1]
	laptop.write("small", "fits")
	desktop.awaitContent("small", "fits")
	large := strings.Repeat("0123456789abcde\n", 1<<20) // 16 MiB
	laptop.write("large", large)
	saysFull(t, desktop)
	if _, err := os.Stat(desktop.path("large")); err == nil {
		t.Error("a file that does not fit is visible")
	}
	laptop.write("tiny", "fits as well")
	resize(64)
	s.settled(tree{"small": "fits", "large": large, "tiny": "fits as well"}, laptop, desktop)
	desktop.noTemporaries()
}

// TestFullDiskOfServer: nothing is committed by halves, and everything follows when there is room.
func TestFullDiskOfServer(t *testing.T) {
	dir := t.TempDir()
	resize := smallDisk(t, filepath.Join(dir, "server"), 8)
	s := newSiteIn(t, dir)
	cs := s.running("laptop", "desktop")
	laptop, desktop := cs[0], cs[1]
	laptop.write("small", "fits")
	desktop.awaitContent("small", "fits")
	want := tree{"small": "fits"}
	for i := range 20 {
		name := fmt.Sprintf("random%d", i)
		want[name] = noise(i, 1<<20)
		laptop.write(name, want[name])
	}
	saysFull(t, laptop)
	verify(t, s.repository())
	resize(128)
	s.settled(want, laptop, desktop)
	verify(t, s.repository())
}
