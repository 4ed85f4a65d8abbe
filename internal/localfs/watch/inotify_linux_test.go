package watch

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/havre-cloud/havre/internal/localfs/ignore"
	"github.com/havre-cloud/havre/svn"
)

// watched is a directory with a running Watch.
type watched struct {
	*testing.T
	*Watch
	root string
	// seen gathers what was taken.
	seen map[svn.Path]Hint
}

func start(t *testing.T, root string, change func(w *Watch)) *watched {
	t.Helper()
	w := New(root, ignore.NewFunc(func(p svn.Path) ([]byte, error) {
		return os.ReadFile(filepath.Join(root, string(p)))
	}))
	if change != nil {
		change(w)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != context.Canceled { //nolint:errorlint // exactly this
			t.Errorf("Run: %v", err)
		}
	})
	h := &watched{T: t, Watch: w, root: root, seen: map[svn.Path]Hint{}}
	h.until("")
	clear(h.seen)
	return h
}

// until waits for hints of all the paths.
func (w *watched) until(want ...svn.Path) {
	w.Helper()
	for {
		hints, _ := w.Take(Quiet{}, 1<<30)
		for _, h := range hints {
			w.seen[h.Path] = h
		}
		missing := 0
		for _, p := range want {
			if _, ok := w.seen[p]; !ok {
				missing++
			}
		}
		if missing == 0 {
			return
		}
		<-w.Wake()
	}
}

// untilHint waits until the last hint of a path is such.
func (w *watched) untilHint(p svn.Path, such func(h Hint) bool) {
	w.Helper()
	for {
		w.until(p)
		if such(w.seen[p]) {
			return
		}
		delete(w.seen, p)
	}
}

func (w *watched) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *watched) at(p svn.Path) string { return filepath.Join(w.root, string(p)) }

func (w *watched) write(p svn.Path) { w.ok(os.WriteFile(w.at(p), []byte("x"), 0o666)) }

func (w *watched) mkdir(p svn.Path) { w.ok(os.MkdirAll(w.at(p), 0o777)) }

func (w *watched) hint(p svn.Path) Hint {
	w.Helper()
	h, ok := w.seen[p]
	if !ok {
		w.Errorf("no hint for %q", p)
	}
	return h
}

func TestEvents(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "d/e"), 0o777); err != nil {
		t.Fatal(err)
	}
	w := start(t, root, nil)
	w.write("d/e/f")
	w.until("d/e/f")
	w.ok(os.Rename(w.at("d/e/f"), w.at("g")))
	w.untilHint("g", func(h Hint) bool { return h.Closed && !h.Gone })
	w.untilHint("d/e/f", func(h Hint) bool { return h.Gone })
	w.ok(os.Remove(w.at("g")))
	w.untilHint("g", func(h Hint) bool { return h.Gone })
	f, err := os.Create(w.at("open"))
	w.ok(err)
	_, err = f.WriteString("more to come")
	w.ok(err)
	w.untilHint("open", func(h Hint) bool { return !h.Closed })
	w.ok(f.Close())
	w.untilHint("open", func(h Hint) bool { return h.Closed })
}

// TestNewDirectories makes deep trees as fast as possible: nothing may be missed, by hints for the files or for a tree
// that they are in and that is looked through after the hint.
func TestNewDirectories(t *testing.T) {
	w := start(t, t.TempDir(), nil)
	var files []svn.Path
	for i := range 50 {
		d := svn.Path(fmt.Sprintf("d%d/a/b/c", i))
		w.mkdir(d)
		files = append(files, d.Join("f"))
		w.write(d.Join("f"))
	}
	w.write("last")
	found := map[svn.Path]bool{}
	for len(found) < len(files) {
		hints, _ := w.Take(Quiet{}, 1<<30)
		for _, h := range hints {
			if !h.Tree {
				found[h.Path] = true
				continue
			}
			w.ok(filepath.WalkDir(w.at(h.Path), func(path string, e fs.DirEntry, err error) error {
				rel, _ := filepath.Rel(w.root, path)
				found[svn.Path(rel)] = true
				return err
			}))
		}
		maps.DeleteFunc(found, func(p svn.Path, _ bool) bool { return p.Name() != "f" })
		if len(found) < len(files) {
			<-w.Wake()
		}
	}
	// All of them are watched now: each change is told.
	for _, p := range files {
		w.write(p)
	}
	w.until(files...)
}

func TestRenamedDirectory(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "d/sub"), 0o777); err != nil {
		t.Fatal(err)
	}
	w := start(t, root, nil)
	before := w.Status().Dirs
	w.mkdir("e")
	w.until("e")
	w.ok(os.Rename(w.at("d"), w.at("e/moved")))
	w.until("d", "e/moved")
	if h := w.hint("e/moved"); h.Tree {
		t.Error("a rename inside the replica makes the whole tree be looked through")
	}
	w.write("e/moved/sub/f")
	w.until("e/moved/sub/f")
	// Away, and back under another name.
	out := filepath.Join(t.TempDir(), "out")
	w.ok(os.Rename(w.at("e/moved"), out))
	w.until("e/moved")
	w.ok(os.WriteFile(filepath.Join(out, "sub/unseen"), nil, 0o666))
	w.ok(os.Rename(out, w.at("back")))
	w.until("back")
	if h := w.hint("back"); !h.Tree {
		t.Error("what came from outside is not looked through")
	}
	w.write("back/sub/g")
	w.until("back/sub/g")
	for p := range w.seen {
		if strings.HasSuffix(string(p), "unseen") {
			t.Errorf("a hint for %q outside", p)
		}
	}
	if got := w.Status().Dirs; got != before+1 {
		t.Errorf("%d directories are watched, want %d", got, before+1)
	}
}

func TestIgnored(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "node_modules/x"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, ignore.FileName), []byte("node_modules/\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	w := start(t, root, nil)
	if got := w.Status().Dirs; got != 1 {
		t.Errorf("%d directories are watched, want the root only", got)
	}
	w.write("node_modules/x/f")
	w.write("~$lock")
	w.mkdir(".havre/tmp")
	w.write(".havre/tmp/t")
	w.write("f")
	w.until("f")
	if len(w.seen) != 1 {
		t.Errorf("hints for ignored files: %v", w.seen)
	}
	// Without the rule the directory is watched.
	w.ok(os.Remove(w.at(ignore.FileName)))
	w.until("", ignore.FileName)
	w.write("node_modules/x/f")
	w.until("node_modules/x/f")
}

func TestNameThatIsNone(t *testing.T) {
	w := start(t, t.TempDir(), nil)
	w.mkdir("d")
	w.until("d")
	clear(w.seen)
	w.write("d/new\nline")
	w.until("d")
	if h := w.hint("d"); !h.Tree {
		t.Errorf("%+v", h)
	}
}

func TestRootGoesAndComes(t *testing.T) {
	root := filepath.Join(t.TempDir(), "root")
	if err := os.Mkdir(root, 0o777); err != nil {
		t.Fatal(err)
	}
	w := start(t, root, nil)
	w.ok(os.Rename(root, root+".away"))
	w.until("")
	clear(w.seen)
	w.ok(os.Rename(root+".away", root))
	w.until("") // it was found, and is watched again
	w.write("f")
	w.until("f")
}

func TestTooFewWatches(t *testing.T) {
	root := t.TempDir()
	for i := range 10 {
		if err := os.MkdirAll(filepath.Join(root, fmt.Sprintf("d%d/sub", i)), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	left := 5
	w := start(t, root, func(w *Watch) {
		w.add = func(fd int, path string, mask uint32) (int, error) {
			if left == 0 {
				return -1, unix.ENOSPC
			}
			left--
			return unix.InotifyAddWatch(fd, path, mask)
		}
	})
	got := w.Status()
	if got.Dirs != 5 || got.Degraded == nil || got.Degraded.Needed != 21 || got.Degraded.Unwatched != 16 {
		t.Fatalf("%+v", got)
	}
	if text := got.Degraded.Error(); !strings.Contains(text, "fs.inotify.max_user_watches=65536") {
		t.Errorf("no advice in %q", text)
	}
	w.write("f") // what is watched works
	w.until("f")
}

// TestStorm makes 10,000 files and looks that the hints are complete, and one for each.
func TestStorm(t *testing.T) {
	w := start(t, t.TempDir(), nil)
	var want []svn.Path
	for i := range 10_000 {
		p := svn.Path(fmt.Sprint("f", i))
		want = append(want, p)
		w.write(p)
	}
	for len(w.seen) < len(want) {
		if _, ok := w.seen[""]; ok {
			return // the queue overflowed, and everything is to be looked through
		}
		<-w.Wake()
		hints, _ := w.Take(Quiet{}, 1<<30)
		for _, h := range hints {
			w.seen[h.Path] = h
		}
	}
	w.until(want...)
}
