//go:build unix

package syncer_test

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/internal/syncer"
	"github.com/havre-cloud/havre/internal/syncer/syncertest"
)

// TestBothWorkedApart lets two devices work while neither hears of the other, and compares what both
// have in the end.
func TestBothWorkedApart(t *testing.T) {
	t.Parallel()
	start := func(d *device) {
		d.write("a.txt", "a")
		d.write("b.txt", "b")
		d.write("dir/c.txt", "c")
		d.write("dir/sub/d.txt", "d")
	}
	unchanged := map[string]string{"a.txt": "a", "b.txt": "b", "dir/": "", "dir/c.txt": "c", "dir/sub/": "", "dir/sub/d.txt": "d"}
	tests := []struct {
		name string
		// first works on the laptop, which reaches the server first; second on the desktop.
		first, second func(d *device)
		// want is what changes from unchanged; "-" for what is gone. A conflict copy is named
		// with the device only.
		want map[string]string
	}{
		{
			"edits of different files", func(d *device) { d.write("a.txt", "A") }, func(d *device) { d.write("b.txt", "B") },
			map[string]string{"a.txt": "A", "b.txt": "B"},
		},
		{
			"edits of the same file", func(d *device) { d.write("a.txt", "A1") }, func(d *device) { d.write("a.txt", "A2") },
			map[string]string{"a.txt": "A1", "a (conflict, desktop).txt": "A2"},
		},
		{
			"the same edit", func(d *device) { d.write("a.txt", "A") }, func(d *device) { d.write("a.txt", "A") },
			map[string]string{"a.txt": "A"},
		},
		{
			"the same new file", func(d *device) { d.write("n/n.txt", "N") }, func(d *device) { d.write("n/n.txt", "N") },
			map[string]string{"n/": "", "n/n.txt": "N"},
		},
		{
			"new files with one name", func(d *device) { d.write("n.txt", "N1") }, func(d *device) { d.write("n.txt", "N2") },
			map[string]string{"n.txt": "N1", "n (conflict, desktop).txt": "N2"},
		},
		{
			"edit and deletion", func(d *device) { d.write("a.txt", "A") }, func(d *device) { d.remove("a.txt") },
			map[string]string{"a.txt": "A"},
		},
		{
			"deletion and edit", func(d *device) { d.remove("a.txt") }, func(d *device) { d.write("a.txt", "A") },
			map[string]string{"a.txt": "A"},
		},
		{
			"deletions", func(d *device) { d.remove("a.txt") }, func(d *device) { d.remove("a.txt") },
			map[string]string{"a.txt": "-"},
		},
		{
			"rename and edit", func(d *device) { d.rename("a.txt", "z.txt") }, func(d *device) { d.write("a.txt", "A") },
			map[string]string{"a.txt": "-", "z.txt": "A"},
		},
		{
			"edit and rename", func(d *device) { d.write("a.txt", "A") }, func(d *device) { d.rename("a.txt", "z.txt") },
			map[string]string{"a.txt": "-", "z.txt": "A"},
		},
		{
			"renames of a file", func(d *device) { d.rename("a.txt", "y.txt") }, func(d *device) { d.rename("a.txt", "z.txt") },
			map[string]string{"a.txt": "-", "y.txt": "a"},
		},
		{
			"rename of a directory and an edit in it", func(d *device) { d.rename("dir", "new") }, func(d *device) { d.write("dir/c.txt", "C") },
			map[string]string{
				"dir/": "-", "dir/c.txt": "-", "dir/sub/": "-", "dir/sub/d.txt": "-",
				"new/": "", "new/c.txt": "C", "new/sub/": "", "new/sub/d.txt": "d",
			},
		},
		{
			"edit in a directory and its rename", func(d *device) { d.write("dir/c.txt", "C") }, func(d *device) { d.rename("dir", "new") },
			map[string]string{
				"dir/": "-", "dir/c.txt": "-", "dir/sub/": "-", "dir/sub/d.txt": "-",
				"new/": "", "new/c.txt": "C", "new/sub/": "", "new/sub/d.txt": "d",
			},
		},
		{
			"deletion of a directory and a new file in it", func(d *device) { d.remove("dir") }, func(d *device) { d.write("dir/sub/n.txt", "N") },
			map[string]string{"dir/c.txt": "-", "dir/sub/d.txt": "-", "dir/sub/n.txt": "N"},
		},
		{
			"new file in a directory and its deletion", func(d *device) { d.write("dir/sub/n.txt", "N") }, func(d *device) { d.remove("dir") },
			map[string]string{"dir/c.txt": "-", "dir/sub/d.txt": "-", "dir/sub/n.txt": "N"},
		},
		{
			"a file for a directory and an edit in it", func(d *device) { d.remove("dir"); d.write("dir", "file") }, func(d *device) { d.write("dir/c.txt", "C") },
			map[string]string{
				"dir": "file", "dir/": "-", "dir/c.txt": "-", "dir/sub/": "-", "dir/sub/d.txt": "-",
				"dir (conflict, desktop)/": "", "dir (conflict, desktop)/c.txt": "C",
			},
		},
		{
			"directories into each other", func(d *device) { d.mkdir("x"); d.rename("dir", "x/dir") }, func(d *device) { d.rename("dir/sub", "x") },
			map[string]string{
				"dir/": "-", "dir/c.txt": "-", "dir/sub/": "-", "dir/sub/d.txt": "-",
				"x/": "", "x/dir/": "", "x/dir/c.txt": "c", "x (conflict, desktop)/": "", "x (conflict, desktop)/d.txt": "d",
			},
		},
		{
			"names exchanged", func(d *device) { d.rename("a.txt", "t"); d.rename("b.txt", "a.txt"); d.rename("t", "b.txt") }, func(d *device) {},
			map[string]string{"a.txt": "b", "b.txt": "a"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := syncertest.NewServer()
			laptop, desktop := newDevice(t, s, "laptop"), newDevice(t, s, "desktop")
			start(laptop)
			settle(t, s, laptop, desktop)
			laptop.stop()
			desktop.stop()
			tt.first(laptop)
			tt.second(desktop)
			laptop.start()
			settle(t, s, laptop)
			desktop.start()
			settle(t, s, laptop, desktop)
			want := maps.Clone(unchanged)
			for p, content := range tt.want {
				if want[p] = content; content == "-" {
					delete(want, p)
				}
			}
			if diff := cmp.Diff(want, withoutTimes(desktop.tree())); diff != "" {
				t.Errorf("in the end (-want +got):\n%s", diff)
			}
			head := s.Head()
			settle(t, s, laptop, desktop)
			if got := s.Head(); got != head {
				t.Errorf("another round made %d revisions", got-head)
			}
		})
	}
}

// withoutTimes takes the time out of the names of conflict copies.
func withoutTimes(tree map[string]string) map[string]string {
	short := map[string]string{}
	for p, content := range tree {
		if i := strings.Index(p, ", 20"); i >= 0 {
			p = p[:i] + p[i+len(", 2006-01-02 15.04.05"):]
		}
		short[p] = content
	}
	return short
}

func TestNamesAndKinds(t *testing.T) {
	t.Parallel()
	s := syncertest.NewServer()
	laptop, desktop := newDevice(t, s, "laptop"), newDevice(t, s, "desktop")
	names := []string{
		"with space", "quote\"'`", "back\\slash", strings.Repeat("x", 255), strings.Repeat("é", 127), "emoji 🎉",
		"e\u0301 NFD", "\u00e9 NFC", "-rf", "%41", "tab\there", "#hash?x=1&y", "a:b", "trailing.", " leading",
	}
	for _, n := range names {
		laptop.write(n, n)
		laptop.write("dir of "+n[:min(len(n), 100)]+"/f", n)
	}
	laptop.write("empty file", "")
	laptop.mkdir("empty dir/in another")
	laptop.must(os.Symlink("../outside/nothing", laptop.path("link")))
	laptop.must(os.Symlink("empty dir", laptop.path("link to a dir")))
	laptop.write("run.sh", "#!/bin/sh\n")
	laptop.must(os.Chmod(laptop.path("run.sh"), 0o755))
	settle(t, s, laptop, desktop)
	laptop.must(os.Chmod(laptop.path("run.sh"), 0o644))
	laptop.must(os.Remove(laptop.path("link")))
	laptop.must(os.Symlink("elsewhere", laptop.path("link")))
	settle(t, s, laptop, desktop)
	if got := desktop.tree()["run.sh"]; got != "#!/bin/sh\n" {
		t.Errorf("run.sh after chmod -x: got %q", got)
	}
}

func TestWhatCannotBeSynchronised(t *testing.T) {
	t.Parallel()
	s := syncertest.NewServer()
	laptop := newDevice(t, s, "laptop")
	laptop.write("fine", "fine")
	laptop.write("new\nline", "x")
	laptop.write("latin \xe9", "x")
	mkfifo(t, laptop.path("pipe"))
	laptop.mkdir("dir/below")
	mkfifo(t, laptop.path("dir/below/pipe"))
	laptop.look()
	if diff := cmp.Diff([]string{"dir/", "dir/below/", "fine"}, s.Paths()); diff != "" {
		t.Errorf("on the server (-want +got):\n%s", diff)
	}
	var got []string
	for _, p := range laptop.engine.Status().Problems {
		got = append(got, string(p.Path)+": "+p.Text)
	}
	if len(got) != 4 || !strings.Contains(strings.Join(got, "\n"), "FIFO") {
		t.Errorf("problems: got %q, want four, two about a FIFO", got)
	}
	for _, n := range []string{"new\nline", "latin \xe9", "pipe", "dir"} {
		laptop.remove(n)
	}
	laptop.look()
	if got := laptop.engine.Status().ProblemCount; got != 0 {
		t.Errorf("problems after they are gone: got %d, want 0", got)
	}
}

func TestRenamesTransferNothing(t *testing.T) {
	t.Parallel()
	s := syncertest.NewServer()
	s.SetInline(-1)
	laptop, desktop := newDevice(t, s, "laptop"), newDevice(t, s, "desktop")
	for i := range 300 {
		laptop.write("dir/sub/"+strings.Repeat("f", 1+i%50)+string(rune('a'+i%26))+string(rune('a'+i/26)), "content "+string(rune('a'+i)))
	}
	settle(t, s, laptop, desktop)
	before := s.Stats()
	laptop.rename("dir", "renamed")
	laptop.rename("renamed/sub", "renamed/below")
	settle(t, s, laptop, desktop)
	after := s.Stats()
	if after.Fetched != before.Fetched || after.Opened != before.Opened {
		t.Errorf("the rename transferred %d contents", after.Fetched-before.Fetched)
	}
	if got := after.Changes - before.Changes; got > 4 {
		t.Errorf("the renames took %d changes, want at most 4", got)
	}
}

func TestCopiesAreFoundOnDisk(t *testing.T) {
	t.Parallel()
	s := syncertest.NewServer()
	s.SetInline(-1)
	laptop, desktop := newDevice(t, s, "laptop"), newDevice(t, s, "desktop")
	laptop.write("a", strings.Repeat("a", 1000))
	settle(t, s, laptop, desktop)
	before := s.Stats()
	laptop.write("b", strings.Repeat("a", 1000))
	settle(t, s, laptop, desktop)
	if got := s.Stats().Fetched - before.Fetched; got != 0 {
		t.Errorf("fetched %d files whose contents were there", got)
	}
}

func TestLargeFiles(t *testing.T) {
	t.Parallel()
	s := syncertest.NewServer()
	laptop, desktop := newDevice(t, s, "laptop"), newDevice(t, s, "desktop")
	content := strings.Repeat("0123456789abcdef", 600_000) // 9.6 MB
	laptop.write("large", content)
	laptop.write("small", "small")
	settle(t, s, laptop, desktop)
	laptop.write("large", "x"+content)
	settle(t, s, laptop, desktop)
	entries, err := os.ReadDir(desktop.aside)
	desktop.must(err)
	if got := slices.IndexFunc(entries, func(e os.DirEntry) bool { return strings.Contains(e.Name(), "tmp-") }); got >= 0 {
		t.Errorf("left behind: %s", entries[got].Name())
	}
}

func TestOfflineThenOnline(t *testing.T) {
	t.Parallel()
	s := syncertest.NewServer()
	laptop, desktop := newDevice(t, s, "laptop"), newDevice(t, s, "desktop")
	laptop.write("a", "a")
	settle(t, s, laptop, desktop)
	s.SetOffline(true)
	laptop.write("a", "laptop's")
	desktop.write("a", "desktop's")
	desktop.write("new", "new")
	laptop.must(laptop.engine.Rescan(t.Context()))
	desktop.must(desktop.engine.Rescan(t.Context()))
	laptop.is(syncer.StateOffline)
	desktop.is(syncer.StateOffline)
	s.SetOffline(false)
	settle(t, s, laptop, desktop)
	if got := len(s.Tree()); got != 3 {
		t.Errorf("files in the end: got %q, want a, its conflict copy and new", s.Paths())
	}
}

func TestLostAnswers(t *testing.T) {
	t.Parallel()
	s := syncertest.NewServer()
	laptop, desktop := newDevice(t, s, "laptop"), newDevice(t, s, "desktop")
	laptop.write("a", "a")
	settle(t, s, laptop, desktop)
	s.LoseAnswers(1)
	laptop.write("a", "aa")
	laptop.write("b", "b")
	settle(t, s, laptop, desktop)
	s.LoseAnswers(1)
	laptop.rename("a", "c")
	laptop.remove("b")
	settle(t, s, laptop, desktop)
	if diff := cmp.Diff(map[string]string{"c": "aa"}, desktop.tree()); diff != "" {
		t.Errorf("desktop (-want +got):\n%s", diff)
	}
}

func TestLostState(t *testing.T) {
	t.Parallel()
	s := syncertest.NewServer()
	laptop, desktop := newDevice(t, s, "laptop"), newDevice(t, s, "desktop")
	laptop.write("same", "same")
	laptop.write("dir/edited", "before")
	laptop.write("deleted meanwhile", "x")
	settle(t, s, laptop, desktop)
	desktop.stop()
	desktop.remove("deleted meanwhile")
	desktop.write("dir/edited", "after")
	desktop.write("dir/new", "new")
	for _, suffix := range []string{"", "-wal", "-shm"} {
		_ = os.Remove(desktop.aside + "/state.db" + suffix)
	}
	desktop.start()
	settle(t, s, laptop, desktop)
	want := map[string]string{
		"same": "same", "deleted meanwhile": "x", "dir/": "", "dir/edited": "before", "dir/new": "new",
		"dir/edited (conflict, desktop)": "after",
	}
	if diff := cmp.Diff(want, withoutTimes(laptop.tree())); diff != "" {
		t.Errorf("in the end (-want +got):\n%s", diff)
	}
}

func TestHistoryWentBack(t *testing.T) {
	t.Parallel()
	s := syncertest.NewServer()
	laptop, desktop := newDevice(t, s, "laptop"), newDevice(t, s, "desktop")
	laptop.write("a", "a1")
	settle(t, s, laptop, desktop)
	backup := s.Head()
	laptop.write("a", "a2")
	laptop.write("b", "b")
	settle(t, s, laptop, desktop)
	s.GoBack(backup)
	settle(t, s, laptop)
	// By now the server has as many revisions again as the desktop has seen.
	settle(t, s, laptop, desktop)
	tree := withoutTimes(desktop.tree())
	if tree["b"] != "b" || tree["a"] != "a1" {
		t.Errorf("in the end: %q", tree)
	}
	if !slices.Contains(slices.Collect(maps.Values(tree)), "a2") {
		t.Errorf("what was written after the backup is gone: %q", tree)
	}
}

func TestOtherRepository(t *testing.T) {
	t.Parallel()
	s := syncertest.NewServer()
	laptop := newDevice(t, s, "laptop")
	laptop.write("a", "a")
	settle(t, s, laptop)
	s.Replace("00000000-0000-4000-8000-000000000002")
	s.Do(syncertest.Delete("a"))
	laptop.write("b", "b")
	settle(t, s, laptop)
	if diff := cmp.Diff(map[string]string{"a": "a", "b": "b"}, laptop.tree()); diff != "" {
		t.Errorf("merging with another repository deletes nothing (-want +got):\n%s", diff)
	}
}
