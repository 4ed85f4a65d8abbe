package syncer_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/localfs"
	"github.com/havre-cloud/havre/internal/syncer"
	"github.com/havre-cloud/havre/internal/syncer/syncertest"
)

// device is an engine with a directory of its own. It has no watcher: tests say when it looks.
type device struct {
	t      testing.TB
	name   string
	dir    string // the replica
	aside  string // state and trash
	server *syncertest.Server
	fs     localfs.FS
	engine *syncer.Engine
	stop   func()

	mu     sync.Mutex // guards events
	events []syncer.Event
}

type change func(*syncer.Config)

// newDevice makes a device with an empty directory and starts it.
func newDevice(t testing.TB, s *syncertest.Server, name string, with ...change) *device {
	t.Helper()
	d := &device{t: t, name: name, dir: t.TempDir(), aside: t.TempDir(), server: s}
	disk := localfs.NewDisk(d.dir, d.aside)
	if err := disk.Init(syncertest.Folder); err != nil {
		t.Fatal(err)
	}
	d.fs = disk
	d.start(with...)
	return d
}

func (d *device) start(with ...change) {
	d.t.Helper()
	cfg := syncer.Config{
		FS: d.fs, Remote: d.server.Device(havre.DeviceID(d.name)), Scope: havre.Scope{Folder: syncertest.Folder},
		StatePath: filepath.Join(d.aside, "state.db"), Device: d.name,
		Events: func(e syncer.Event) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.events = append(d.events, e)
		},
	}
	if os.Getenv("HAVRE_TEST_LOG") != "" {
		cfg.Logger = slog.New(slog.NewTextHandler(d.t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})).With("device", d.name)
	}
	for _, fn := range with {
		fn(&cfg)
	}
	e, err := syncer.New(cfg)
	if err != nil {
		d.t.Fatal(err)
	}
	d.engine = e
	ctx, cancel := context.WithCancel(d.t.Context())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	d.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil && !strings.Contains(err.Error(), "revoked") {
			d.t.Errorf("%s: Run: %v", d.name, err)
		}
	})
	d.t.Cleanup(func() { d.stop() })
}

func (d *device) path(p string) string { return filepath.Join(d.dir, filepath.FromSlash(p)) }

func (d *device) write(p, content string) {
	d.t.Helper()
	if err := os.MkdirAll(filepath.Dir(d.path(p)), 0o755); err != nil {
		d.t.Fatal(err)
	}
	if err := os.WriteFile(d.path(p), []byte(content), 0o644); err != nil {
		d.t.Fatal(err)
	}
}

func (d *device) mkdir(p string)         { d.t.Helper(); d.must(os.MkdirAll(d.path(p), 0o755)) }
func (d *device) remove(p string)        { d.t.Helper(); d.must(os.RemoveAll(d.path(p))) }
func (d *device) rename(from, to string) { d.t.Helper(); d.must(os.Rename(d.path(from), d.path(to))) }

func (d *device) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// tree returns what is on disk, in the form of syncertest.Server.Tree.
func (d *device) tree() map[string]string {
	d.t.Helper()
	tree := map[string]string{}
	err := filepath.WalkDir(d.dir, func(path string, e fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(d.dir, path)
		rel = filepath.ToSlash(rel)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // the engine took it away while it was looked at
		case err != nil || rel == ".":
			return err
		case rel == localfs.Reserved:
			return fs.SkipDir
		case e.IsDir():
			tree[rel+"/"] = ""
		case e.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			tree[rel] = "link " + target
			return err
		default:
			b, err := os.ReadFile(path)
			info, infoErr := e.Info()
			if errors.Is(err, fs.ErrNotExist) || errors.Is(infoErr, fs.ErrNotExist) {
				return nil // the engine took it away while it was looked at
			}
			if err := errors.Join(err, infoErr); err != nil {
				return err
			}
			if info.Mode()&0o100 != 0 {
				tree[rel] = "*"
			}
			tree[rel] += string(b)
			return nil
		}
		return nil
	})
	d.must(err)
	return tree
}

// settle has all devices look at their disks until nothing is left to do, and checks that their
// trees are the server's.
func settle(t testing.TB, s *syncertest.Server, devices ...*device) {
	t.Helper()
	for {
		before := s.Head()
		for _, d := range devices {
			d.look()
		}
		if s.Head() == before {
			break
		}
	}
	for _, d := range devices {
		if diff := cmp.Diff(s.Tree(), d.tree()); diff != "" {
			t.Errorf("%s is not like the server (-server +device):\n%s", d.name, diff)
		}
	}
}

// look scans and waits until the device is up to date with the server.
func (d *device) look() {
	d.t.Helper()
	d.must(d.engine.Rescan(d.t.Context()))
	d.await(func(s syncer.Status) bool { return s.State == syncer.StateUpToDate && s.Revision == d.server.Head() })
}

func (d *device) await(until func(syncer.Status) bool) {
	d.t.Helper()
	// What is waited for may be on the disk or on the server, which no change of the status announces.
	for {
		ctx, cancel := context.WithTimeout(d.t.Context(), 100*time.Millisecond)
		err := d.engine.Wait(ctx, until)
		again := errors.Is(ctx.Err(), context.DeadlineExceeded)
		cancel()
		if err == nil {
			return
		}
		if !again || d.t.Context().Err() != nil {
			d.t.Fatalf("%s: %v; status %+v", d.name, err, d.engine.Status())
		}
	}
}

func (d *device) is(state syncer.State) {
	d.t.Helper()
	d.await(func(s syncer.Status) bool { return s.State == state })
}

func TestTwoDevices(t *testing.T) {
	s := syncertest.NewServer()
	laptop, desktop := newDevice(t, s, "laptop"), newDevice(t, s, "desktop")
	laptop.write("a.txt", "one")
	laptop.write("dir/b.txt", "two")
	laptop.mkdir("empty")
	settle(t, s, laptop, desktop)
	desktop.write("a.txt", "three")
	desktop.rename("dir", "other")
	desktop.remove("empty")
	settle(t, s, laptop, desktop)
	want := map[string]string{"a.txt": "three", "other/": "", "other/b.txt": "two"}
	if diff := cmp.Diff(want, laptop.tree()); diff != "" {
		t.Errorf("laptop (-want +got):\n%s", diff)
	}
}
