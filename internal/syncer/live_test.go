//go:build unix

package syncer_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/localfs"
	"github.com/havre-cloud/havre/internal/localfs/ignore"
	"github.com/havre-cloud/havre/internal/localfs/watch"
	"github.com/havre-cloud/havre/internal/reconcile"
	"github.com/havre-cloud/havre/internal/syncer"
	"github.com/havre-cloud/havre/internal/syncer/syncertest"
	"github.com/havre-cloud/havre/svn"
)

// watched gives a device a real watcher.
func watched(c *syncer.Config) {
	c.Ignore = ignore.New(c.FS)
	c.Watcher = watch.New(c.FS.Root(), c.Ignore)
}

// awaitTree waits until the server has what is wanted, without asking the devices to look.
func awaitTree(t testing.TB, s *syncertest.Server, want map[string]string) {
	t.Helper()
	if err := s.Wait(t.Context(), func() bool { return cmp.Equal(s.Tree(), want) }); err != nil {
		t.Fatalf("the server never had what was wanted (-want +got):\n%s", cmp.Diff(want, s.Tree()))
	}
}

func (d *device) awaitDisk(want map[string]string) {
	d.t.Helper()
	d.await(func(st syncer.Status) bool {
		return st.State == syncer.StateUpToDate && cmp.Equal(d.tree(), want)
	})
}

// TestEditorsSave replays what editors do to a file, under a watcher.
func TestEditorsSave(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		save func(d *device)
		// history is what may happen on the server: not a deletion of the file.
	}{
		{"in place", func(d *device) { d.write("f.txt", "new") }},
		{"temporary and rename", func(d *device) { d.write("f.txt.tmp123", "new"); d.rename("f.txt.tmp123", "f.txt") }},
		{"backup, then new", func(d *device) { d.rename("f.txt", "f.txt~"); d.write("f.txt", "new"); d.remove("f.txt~") }},
		{"remove, then new", func(d *device) { d.remove("f.txt"); d.write("f.txt", "new") }},
		{"swap file beside it", func(d *device) { d.write(".f.txt.swp", "x"); d.write("f.txt", "new"); d.remove(".f.txt.swp") }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := syncertest.NewServer()
			laptop, desktop := newDevice(t, s, "laptop", watched), newDevice(t, s, "desktop", watched)
			laptop.write("f.txt", "old")
			awaitTree(t, s, map[string]string{"f.txt": "old"})
			tt.save(laptop)
			awaitTree(t, s, map[string]string{"f.txt": "new"})
			desktop.awaitDisk(map[string]string{"f.txt": "new"})
			for _, r := range s.Log()[1:] {
				if slices.Contains(r.Removed, "f.txt") {
					t.Errorf("r%d deletes the file", r.Rev)
				}
			}
		})
	}
}

func TestWatchedWork(t *testing.T) {
	t.Parallel()
	s := syncertest.NewServer()
	laptop, desktop := newDevice(t, s, "laptop", watched), newDevice(t, s, "desktop", watched)
	want := map[string]string{}
	for i := range 200 {
		laptop.write(fmt.Sprintf("dir/file %d", i), fmt.Sprint(i))
		want[fmt.Sprintf("dir/file %d", i)] = fmt.Sprint(i)
	}
	want["dir/"] = ""
	awaitTree(t, s, want)
	desktop.awaitDisk(want)
	desktop.rename("dir", "renamed")
	desktop.write("renamed/file 7", "edited")
	renamed := map[string]string{"renamed/": ""}
	for i := range 200 {
		renamed[fmt.Sprintf("renamed/file %d", i)] = fmt.Sprint(i)
	}
	renamed["renamed/file 7"] = "edited"
	awaitTree(t, s, renamed)
	laptop.awaitDisk(renamed)
	laptop.remove("renamed")
	awaitTree(t, s, map[string]string{})
	desktop.awaitDisk(map[string]string{})
}

// BenchmarkEdit is from an edit of a 1 KiB file to the other device having it; the server needs no time.
func BenchmarkEdit(b *testing.B) {
	s := syncertest.NewServer()
	came := make(chan syncer.Event, 100)
	laptop := newDevice(b, s, "laptop", watched)
	desktop := newDevice(b, s, "desktop", watched, func(c *syncer.Config) { c.Events = func(e syncer.Event) { came <- e } })
	laptop.write("f", "old")
	awaitTree(b, s, map[string]string{"f": "old"})
	<-came
	var took []time.Duration
	i := 0
	for b.Loop() {
		i++
		began := time.Now()
		laptop.write("f", fmt.Sprintf("%1024d", i))
		<-came
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-p50")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "ms-p99")
	_ = desktop
}

func TestManyDeletionsAreHeld(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		allow bool
		left  int
	}{
		{"allowed", true, 0},
		{"undone", false, 20},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := syncertest.NewServer()
			guard := func(c *syncer.Config) { c.Guard.Files, c.Guard.Share = 10, 0.5 }
			laptop, desktop := newDevice(t, s, "laptop", guard), newDevice(t, s, "desktop", guard)
			for i := range 20 {
				laptop.write(fmt.Sprintf("dir/%d", i), fmt.Sprint(i))
			}
			settle(t, s, laptop, desktop)
			head := s.Head()
			laptop.remove("dir")
			laptop.must(laptop.engine.Rescan(t.Context()))
			laptop.await(func(st syncer.Status) bool { return st.State == syncer.StateHeld && st.HeldUp == 20 })
			if s.Head() != head {
				t.Fatal("deletions went up though they are held")
			}
			held, err := laptop.engine.HeldFiles(t.Context(), 1<<20)
			if laptop.must(err); len(held) != 20 || !slices.Contains(held, havre.HeldFile{Path: "dir/13", Size: 2}) {
				t.Errorf("held are %v", held)
			}
			if some, err := laptop.engine.HeldFiles(t.Context(), 200); err != nil || len(some) == 0 || len(some) > 10 {
				t.Errorf("what fits into 200 bytes are %v, %v", some, err)
			}
			laptop.must(laptop.engine.Deletions(t.Context(), tt.allow))
			laptop.is(syncer.StateUpToDate)
			settle(t, s, laptop, desktop)
			files := 0
			for p := range desktop.tree() {
				if !strings.HasSuffix(p, "/") {
					files++
				}
			}
			if files != tt.left {
				t.Errorf("files in the end: got %d, want %d", files, tt.left)
			}
		})
	}
}

// TestDeletionsThatNobodyAgreedTo are held on every device, and decided on each.
func TestDeletionsThatNobodyAgreedTo(t *testing.T) {
	t.Parallel()
	s := syncertest.NewServer()
	guard := func(c *syncer.Config) { c.Guard.Files, c.Guard.Share = 10, 0.5 }
	laptop, desktop := newDevice(t, s, "laptop", guard), newDevice(t, s, "desktop", guard)
	for i := range 20 {
		laptop.write(fmt.Sprintf("dir/%d", i), fmt.Sprint(i))
	}
	settle(t, s, laptop, desktop)
	s.Do(syncertest.Delete("dir"))
	for _, d := range []*device{laptop, desktop} {
		d.await(func(st syncer.Status) bool { return st.State == syncer.StateHeld && st.HeldDown == 20 })
	}
	if files, err := desktop.engine.HeldFiles(t.Context(), 1<<20); err != nil || len(files) != 20 || files[0].Path.Dir() != "dir" {
		t.Errorf("held are %v, %v", files, err)
	}
	laptop.must(laptop.engine.SetGuard(t.Context(), reconcile.Guard{Files: 21, Share: 0.5}))
	laptop.awaitDisk(map[string]string{})
	desktop.must(desktop.engine.Deletions(t.Context(), false))
	settle(t, s, laptop, desktop)
	if n := len(laptop.tree()); n != 21 {
		t.Errorf("what the desktop kept: got %d files and directories, want 21", n)
	}
}

func TestMissingMarkerDeletesNothing(t *testing.T) {
	t.Parallel()
	s := syncertest.NewServer()
	laptop := newDevice(t, s, "laptop")
	laptop.write("a", "a")
	settle(t, s, laptop)
	laptop.rename(localfs.Reserved, "../marker-of-"+laptop.name)
	laptop.remove("a")
	laptop.must(laptop.engine.Rescan(t.Context()))
	laptop.is(syncer.StateFailed)
	if diff := cmp.Diff(map[string]string{"a": "a"}, s.Tree()); diff != "" {
		t.Errorf("the server without the marker (-want +got):\n%s", diff)
	}
	laptop.must(os.Rename(laptop.path("../marker-of-"+laptop.name), laptop.path(localfs.Reserved)))
	laptop.look()
	if diff := cmp.Diff(map[string]string{}, s.Tree()); diff != "" {
		t.Errorf("the server with the marker back (-want +got):\n%s", diff)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	s := syncertest.NewServer()
	s.Refuse(func(c havre.Change) (havre.RefusalReason, string) {
		if _, in := c.Path.Rel("locked"); in {
			return havre.RefusedDenied, "you may not write there"
		}
		return 0, ""
	})
	laptop := newDevice(t, s, "laptop")
	laptop.write("locked", "x")
	for i := range 5 {
		laptop.write(fmt.Sprint(i), "fine")
	}
	laptop.await(func(syncer.Status) bool { return len(s.Tree()) == 0 })
	laptop.must(laptop.engine.Rescan(t.Context()))
	laptop.await(func(st syncer.Status) bool { return len(s.Tree()) == 5 && st.ProblemCount == 1 })
	if got, want := laptop.engine.Status().Problems[0], (syncer.Problem{Path: "locked", Text: "you may not write there"}); got != want {
		t.Errorf("problem: got %v, want %v", got, want)
	}
}

// failing is a disk on which chosen operations fail.
type failing struct {
	localfs.FS
	fail func(op string, p svn.Path) error
}

func (f *failing) Commit(t localfs.Temp, p svn.Path, expected *localfs.Info) (localfs.Info, error) {
	if err := f.fail("commit", p); err != nil {
		return localfs.Info{}, err
	}
	info, err := f.FS.Commit(t, p, expected)
	if err == nil {
		err = f.fail("committed", p)
	}
	return info, err
}

func (f *failing) Rename(from, to svn.Path, expected localfs.Info) (localfs.Info, error) {
	info, err := f.FS.Rename(from, to, expected)
	if err == nil {
		err = f.fail("renamed", to)
	}
	return info, err
}

func (f *failing) Trash(p svn.Path, expected localfs.Info) error {
	err := f.FS.Trash(p, expected)
	if err == nil {
		err = f.fail("trashed", p)
	}
	return err
}

func (f *failing) CreateTemp() (localfs.Temp, error) {
	if err := f.fail("create", ""); err != nil {
		return nil, err
	}
	return f.FS.CreateTemp()
}

// TestCrashes ends the engine right after the disk was changed and before the state knows.
func TestCrashes(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"commit", "committed", "renamed", "trashed"} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			s := syncertest.NewServer()
			laptop, desktop := newDevice(t, s, "laptop"), newDevice(t, s, "desktop")
			laptop.write("edited", "1")
			laptop.write("deleted", "1")
			laptop.write("dir/renamed", "1")
			settle(t, s, laptop, desktop)
			desktop.stop()
			laptop.write("edited", "2")
			laptop.write("new", "new")
			laptop.remove("deleted")
			laptop.rename("dir", "other")
			settle(t, s, laptop)
			crashed := make(chan struct{})
			// The panic of a crash would end the test: the process "stops" instead, for ever.
			ctx, cancel := context.WithCancel(t.Context())
			once := false
			disk := desktop.fs
			desktop.fs = &failing{disk, func(did string, _ svn.Path) error {
				if did == op && !once {
					once = true
					cancel()
					close(crashed)
				}
				if once && ctx.Err() != nil {
					return errors.New("the power is gone")
				}
				return nil
			}}
			desktop.start()
			<-crashed
			desktop.stop()
			desktop.fs = disk
			desktop.start()
			settle(t, s, laptop, desktop)
			want := map[string]string{"edited": "2", "new": "new", "other/": "", "other/renamed": "1"}
			if diff := cmp.Diff(want, desktop.tree()); diff != "" {
				t.Errorf("after the crash (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	s := syncertest.NewServer()
	laptop, desktop := newDevice(t, s, "laptop"), newDevice(t, s, "desktop")
	desktop.stop()
	full := make(chan struct{})
	disk := desktop.fs
	desktop.fs = &failing{disk, func(op string, _ svn.Path) error {
		select {
		case <-full:
			return nil
		default:
		}
		if op == "create" {
			return &fs.PathError{Op: "create", Path: "x", Err: errFull}
		}
		return nil
	}}
	desktop.start()
	laptop.write("a", "a")
	settle(t, s, laptop)
	desktop.await(func(st syncer.Status) bool {
		return st.State == syncer.StateFailed && strings.Contains(st.LastError, "no space left")
	})
	desktop.write("up", "still goes up")
	desktop.must(desktop.engine.Rescan(t.Context()))
	laptop.await(func(syncer.Status) bool { return s.Tree()["up"] != "" })
	close(full)
	settle(t, s, laptop, desktop)
	if got := desktop.engine.Status().LastError; got != "" {
		t.Errorf("the error stays: %s", got)
	}
}

func TestSlowWriter(t *testing.T) {
	t.Parallel()
	s := syncertest.NewServer()
	laptop := newDevice(t, s, "laptop", watched)
	f, err := os.Create(laptop.path("slow"))
	laptop.must(err)
	defer f.Close()
	want := ""
	for i := range 40 {
		line := fmt.Sprintf("line %d\n", i)
		want += line
		_, err := f.WriteString(line)
		laptop.must(err)
	}
	awaitTree(t, s, map[string]string{"slow": want})
}

// TestTrashAge: what a person chose counts at the next start, instead of the default.
func TestTrashAge(t *testing.T) {
	t.Parallel()
	short := func(c *syncer.Config) { c.TrashAge = time.Nanosecond }
	for name, want := range map[string]int{"chosen": 1, "default": 0} {
		s := syncertest.NewServer()
		laptop := newDevice(t, s, name, short)
		laptop.is(syncer.StateUpToDate)
		if name == "chosen" {
			laptop.must(laptop.engine.SetTrashAge(t.Context(), 90))
		}
		s.Do(syncertest.Put("old", "x"))
		laptop.awaitDisk(map[string]string{"old": "x"})
		s.Do(syncertest.Delete("old"))
		laptop.awaitDisk(map[string]string{})
		laptop.is(syncer.StateUpToDate)
		laptop.stop()
		laptop.start(short)
		laptop.is(syncer.StateUpToDate)
		if n := len(laptop.trashed()); n != want {
			t.Errorf("%s: %d entries are in the trash, want %d", name, n, want)
		}
	}
}
