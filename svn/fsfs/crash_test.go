package fsfs_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/fsfs"
	"github.com/havre-cloud/havre/svn/fsfs/repcache"
	"github.com/havre-cloud/havre/svn/svntest"
)

// childDir names the variable that makes TestMain commit in a repository and kill itself.
const (
	childDir   = "FSFS_TEST_CRASH_DIR"
	childPoint = "FSFS_TEST_CRASH_POINT" // the number of the step
	childPath  = "FSFS_TEST_CRASH_PATH"  // of the file to add; the changes of crashChanges if empty
)

// children are what TestMain does instead of testing, by the variable that names the repository.
var children = map[string]func(dir string){
	childDir: crashChild, childPack: packChild, childShared: sharedChild, childPacker: packerChild,
}

func TestMain(m *testing.M) {
	for env, child := range children {
		if dir := os.Getenv(env); dir != "" {
			child(dir)
			return
		}
	}
	m.Run()
}

// crashChild makes the commit of crashChanges and kills itself at a step of it. It ends normally
// when the commit has fewer steps.
func crashChild(dir string) {
	point, err := strconv.Atoi(os.Getenv(childPoint))
	if err != nil {
		panic(err)
	}
	r, err := fsfs.Open(dir, fsfs.Options{RepCache: repcache.Open, Note: func(err error) { panic(err) }})
	if err != nil {
		panic(err)
	}
	n := 0
	r.SetCrash(func(string) error {
		if n++; n == point {
			self, err := os.FindProcess(os.Getpid())
			if err != nil {
				panic(err)
			}
			_ = self.Kill()
			select {}
		}
		return nil
	})
	changes := crashChanges()
	if path := os.Getenv(childPath); path != "" {
		changes = []svn.Change{put(svn.Path(path), sharedText("crash")), put(svn.Path(path+" again"), sharedText("crash"))}
	}
	if _, err := r.Commit(context.Background(), &svn.Commit{Changes: changes}); err != nil {
		panic(err)
	}
	if err := r.Close(); err != nil {
		panic(err)
	}
}

func crashChanges() []svn.Change {
	return []svn.Change{
		{Op: svn.OpMkdir, Path: "new", Base: unknown},
		{Op: svn.OpPut, Path: "new/file", Base: unknown, Content: bigContent(1<<20, -1)},
		{Op: svn.OpPut, Path: "old", Base: 1, Content: content("changed")},
	}
}

// crashRepository has shards of two revisions, so that the commit under test, r2, makes new ones.
func crashRepository(t *testing.T) string {
	t.Helper()
	r := create(t)
	name := filepath.Join(r.Dir(), "db", "format")
	if err := errors.Join(os.Remove(name), os.WriteFile(name, []byte("8\nlayout sharded 2\naddressing logical\n"), 0o444)); err != nil {
		t.Fatal(err)
	}
	r = open(t, r.Dir())
	commit(t, r, svn.Change{Op: svn.OpPut, Path: "old", Base: unknown, Content: content("old")})
	return r.Dir()
}

// TestKilled kills a process at every step of a commit. What is left has to be the old or the new
// revision, and both we and svn have to be able to go on.
func TestKilled(t *testing.T) {
	t.Parallel() // it waits for the disk and for processes most of the time
	svntest.RequireSubversion(t)
	for point := 1; ; point++ {
		dir := crashRepository(t)
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), childDir+"="+dir, childPoint+"="+strconv.Itoa(point))
		out, err := cmd.CombinedOutput()
		if strings.Contains(string(out), "panic") {
			t.Fatalf("step %d: %s", point, out)
		}
		afterCrash(t, fmt.Sprintf("killed at step %d", point), dir)
		if err == nil {
			if point < 10 {
				t.Errorf("the commit has only %d steps", point-1)
			}
			return
		}
	}
}

// afterCrash checks a repository in which a commit of crashChanges was interrupted.
func afterCrash(t *testing.T, what, dir string) {
	t.Helper()
	svntest.Verify(t, dir)
	first, second := filepath.Join(t.TempDir(), "first"), filepath.Join(t.TempDir(), "second")
	copyTree(t, dir, first)
	copyTree(t, dir, second)

	r := open(t, first)
	if left, err := filepath.Glob(filepath.Join(first, "db", "txn-protorevs", "*")); err != nil || len(left) > 0 {
		t.Errorf("%s: left behind: %v %v", what, left, err)
	}
	youngest, err := r.Youngest(t.Context())
	if err != nil || youngest != 1 && youngest != 2 {
		t.Fatalf("%s: youngest is r%d, %v", what, youngest, err)
	}
	if got, want := read(t, r, "old", youngest), map[svn.Revnum]string{1: "old", 2: "changed"}[youngest]; got != want {
		t.Errorf("%s: /old@%d is %q, want %q", what, youngest, got, want)
	}
	rev := commit(t, r, svn.Change{Op: svn.OpPut, Path: "old", Base: youngest, Content: content("ours")})
	if rev != youngest+1 {
		t.Errorf("%s: the next revision was r%d, want r%d", what, rev, youngest+1)
	}
	svntest.JudgeQuick(t, first)

	svntest.Run(t, "svnmucc", "-m", "theirs", "put", filepath.Join(second, "format"), svntest.URL(second, "old"))
	svntest.JudgeQuick(t, second)
}

// TestKilledBesideSvnserve kills a process at every step of a commit while svnserve commits to the same
// repository, from which we and svn then go on.
func TestKilledBesideSvnserve(t *testing.T) {
	t.Parallel() // it waits for the disk and for processes most of the time
	svntest.RequireSubversion(t)
	dir := crashRepository(t)
	url := svnserve(t, dir)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(sharedText("crash")), 0o600); err != nil {
		t.Fatal(err)
	}
	theirs := 0
	for done := false; !done; {
		theirs++
		var out []byte
		var err error
		var child sync.WaitGroup
		child.Go(func() {
			cmd := exec.CommandContext(t.Context(), os.Args[0])
			cmd.Env = append(os.Environ(), childDir+"="+dir, childPoint+"="+strconv.Itoa(theirs), childPath+"="+fmt.Sprint("ours", theirs))
			out, err = cmd.CombinedOutput()
		})
		svntest.Run(t, "svnmucc", "--non-interactive", "-m", "theirs", "put", file, fmt.Sprint(url, "/theirs", theirs))
		child.Wait()
		if strings.Contains(string(out), "panic") {
			t.Fatalf("step %d: %s", theirs, out)
		}
		done = err == nil
	}
	r := openShared(t, dir)
	rev := commit(t, r, put("last", sharedText("crash")))
	for i := range theirs {
		if got, want := read(t, r, svn.Path(fmt.Sprint("theirs", i+1)), rev), sharedText("crash"); got != want {
			t.Errorf("/theirs%d is %q", i+1, got)
		}
	}
	if at, err := r.TextAt("last", rev); err != nil || strings.HasPrefix(at, fmt.Sprint(rev, "/")) {
		t.Errorf("/last is stored at %s, not with the equal ones: %v", at, err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "db", "txn-protorevs", "*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	svntest.JudgeQuick(t, dir)
}

func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

var errDiskFull = errors.New("no space left on the fake device")

// TestFailedSteps has every step of a commit fail. The error has to come through, nothing may be
// left of the commit, and the same Repository has to go on.
func TestFailedSteps(t *testing.T) {
	t.Parallel() // it waits for the disk and for processes most of the time
	for point := 1; ; point++ {
		dir := crashRepository(t)
		r := open(t, dir)
		n, name := 0, ""
		r.SetCrash(func(at string) error {
			if n++; n == point {
				name = at
				return errDiskFull
			}
			return nil
		})
		_, err := r.Commit(t.Context(), &svn.Commit{Changes: crashChanges()})
		if err == nil {
			if point < 10 {
				t.Errorf("the commit has only %d steps", point-1)
			}
			return
		}
		what := fmt.Sprintf("step %d, %s", point, name)
		if !errors.Is(err, errDiskFull) {
			t.Fatalf("%s: got %v, want %v", what, err, errDiskFull)
		}
		want := svn.Revnum(1)
		if _, visible := errors.AsType[*fsfs.NotDurableError](err); visible {
			want = 2
		}
		if got, err := r.Youngest(t.Context()); err != nil || got != want {
			t.Fatalf("%s: youngest is r%d, %v; want r%d", what, got, err, want)
		}
		for _, pattern := range []string{"txn-protorevs/*", fmt.Sprintf("rev*/1/%d", want+1)} {
			if left, _ := filepath.Glob(filepath.Join(dir, "db", pattern)); len(left) > 0 {
				t.Errorf("%s: left behind: %v", what, left)
			}
		}
		r.SetCrash(nil)
		rev := commit(t, r, svn.Change{Op: svn.OpPut, Path: "old", Base: want, Content: content("afterwards")})
		if got, want := read(t, r, "old", rev), "afterwards"; got != want {
			t.Errorf("%s: /old is %q, want %q", what, got, want)
		}
		afterwards := open(t, dir)
		if got, want := read(t, afterwards, "old", rev), "afterwards"; got != want {
			t.Errorf("%s: /old, opened anew, is %q, want %q", what, got, want)
		}
		svntest.JudgeQuick(t, dir)
	}
}
