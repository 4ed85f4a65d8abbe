package fsfs_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/fsfs"
	"github.com/havre-cloud/havre/svn/svntest"
)

// TestBesideSubversion commits the same contents from several goroutines of two Repositories, from svnmucc
// over file:// and from another over svnserve, all at once. All commits have to be there afterwards, and
// the contents not often.
func TestBesideSubversion(t *testing.T) {
	const rounds, goroutines = 15, 3
	r := reopenShared(t, create(t))
	commit(t, r, svn.Change{Op: svn.OpMkdir, Path: "shared", Base: unknown})
	serve := svnserve(t, r.Dir())
	same := text(2000, "of all")
	small := filepath.Join(t.TempDir(), "small")
	if err := os.WriteFile(small, []byte(same), 0o600); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	ours := func(r *fsfs.Repository, name string) {
		for i := range rounds {
			path := svn.Path(fmt.Sprintf("shared/%s-%d", name, i))
			_, err := r.Commit(t.Context(), &svn.Commit{Changes: []svn.Change{
				put(path, same),
			}})
			if err != nil {
				t.Errorf("%s, round %d: %v", name, i, err)
			}
		}
	}
	theirs := func(url, name string) {
		for i := range rounds {
			svntestTry(t, "svnmucc", "-m", name, "put", small, fmt.Sprintf("%s/shared/%s-%d", url, name, i))
		}
	}
	second := openShared(t, r.Dir())
	for g := range goroutines {
		wg.Go(func() { ours(r, fmt.Sprint("first", g)) })
		wg.Go(func() { ours(second, fmt.Sprint("second", g)) })
	}
	wg.Go(func() { theirs(svntest.URL(r.Dir(), ""), "file") })
	wg.Go(func() { theirs(serve, "serve") })
	wg.Wait()

	want := svn.Revnum(1 + rounds*(2*goroutines+2))
	youngest, err := r.Youngest(t.Context())
	if err != nil || youngest != want {
		t.Errorf("youngest is r%d, %v; want r%d", youngest, err, want)
	}
	count, stored := 0, map[string]bool{}
	for n, err := range r.List(t.Context(), "shared", youngest, false) {
		if err != nil {
			t.Fatal(err)
		}
		count++
		stored[textAt(t, r, n.Path, youngest)] = true
	}
	if len(stored) > count/2 {
		t.Errorf("the contents of %d files are stored %d times", count, len(stored))
	}
	if want := rounds * (2*goroutines + 2); count != want {
		t.Errorf("%d files are there, want %d", count, want)
	}
	var last string
	for e, err := range r.Log(t.Context(), 0, youngest) {
		if err != nil {
			t.Fatal(err)
		}
		if date := e.Props[svn.PropDate]; date < last {
			t.Errorf("r%d is of %s, before the one before: %s", e.Rev, date, last)
		}
		last = e.Props[svn.PropDate]
	}
	if err := errors.Join(r.Close(), second.Close()); err != nil {
		t.Fatal(err)
	}
	if got := len(rows(t, r.Dir())); got != 1 {
		t.Errorf("the cache has %d rows, want 1", got)
	}
	svntest.JudgeQuick(t, r.Dir())
}

// svntestTry runs a program in a goroutine, where a test must not be failed at once.
func svntestTry(t *testing.T, name string, args ...string) {
	cmd := exec.CommandContext(t.Context(), name, append([]string{"--non-interactive"}, args...)...)
	cmd.Env = svntest.Env(t)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s %v: %v\n%s", name, args, err, out)
	}
}

// svnserve serves the repository in dir on a free port and returns its address.
func svnserve(t *testing.T, dir string) string {
	t.Helper()
	conf := filepath.Join(t.TempDir(), "svnserve.conf")
	if err := os.WriteFile(conf, []byte("[general]\nanon-access = write\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(svntest.FreePort(t))
	cmd := exec.CommandContext(t.Context(), "svnserve", "-d", "--foreground", "--config-file", conf,
		"--listen-host", "127.0.0.1", "--listen-port", port, "-r", filepath.Dir(dir))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = c.Close()
			return "svn://127.0.0.1:" + port + "/" + filepath.Base(dir)
		}
		if t.Context().Err() != nil {
			t.Fatal(err)
		}
	}
}

// TestGroup has commits wait behind one whose contents are slow, so that they become durable
// together, and one among them be out of date.
func TestGroup(t *testing.T) {
	r := create(t)
	rev := commit(t, r, svn.Change{Op: svn.OpPut, Path: "contended", Base: unknown, Content: content("start")})
	// The first commit holds the lock until all others wait.
	entered, leave := make(chan struct{}), make(chan struct{})
	var once sync.Once
	groups := 0
	r.SetCrash(func(point string) error {
		if point == "sync contents" {
			groups++
			once.Do(func() { close(entered); <-leave })
		}
		return nil
	})
	const n = 8
	results := make(chan error, 2*n+1)
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := r.Commit(t.Context(), &svn.Commit{})
		results <- err
	})
	<-entered
	for i := range n {
		for _, c := range []svn.Change{
			{Op: svn.OpPut, Path: svn.Path(fmt.Sprint("own", i)), Base: unknown, Content: content("x")},
			{Op: svn.OpPut, Path: "contended", Base: rev, Content: content(fmt.Sprint(i))},
		} {
			wg.Go(func() {
				_, err := r.Commit(t.Context(), &svn.Commit{Changes: []svn.Change{c}})
				results <- err
			})
		}
	}
	r.WaitQueued(2 * n)
	// One that gives up while it waits is none of the others' business.
	ctx, cancel := context.WithCancel(t.Context())
	given := make(chan error)
	go func() {
		_, err := r.Commit(ctx, &svn.Commit{Changes: []svn.Change{{Op: svn.OpMkdir, Path: "never", Base: unknown}}})
		given <- err
	}()
	r.WaitQueued(2*n + 1)
	cancel()
	if err := <-given; !errors.Is(err, context.Canceled) {
		t.Errorf("the commit that was given up: %v", err)
	}
	close(leave)
	wg.Wait()
	close(results)
	stale := 0
	for err := range results {
		if bad, ok := errors.AsType[*svn.OutOfDateError](err); ok {
			stale++
			if len(bad.Changes) != 1 || bad.Changes[0].Path != "contended" || !strings.Contains(bad.Changes[0].Reason, "changed in r") {
				t.Errorf("got %v", bad)
			}
		} else if err != nil {
			t.Error(err)
		}
	}
	if stale != n-1 {
		t.Errorf("%d of the commits to one file were out of date, want %d", stale, n-1)
	}
	if groups != 2 {
		t.Errorf("%d times files were synced, want 2", groups)
	}
	youngest, err := r.Youngest(t.Context())
	if want := rev + 1 + n + 1; err != nil || youngest != want {
		t.Errorf("youngest is r%d, %v; want r%d", youngest, err, want)
	}
	r.SetCrash(nil)
	svntest.JudgeQuick(t, r.Dir())
}

// TestWait has somebody else commit while we wait.
func TestWait(t *testing.T) {
	r := create(t)
	got := make(chan svn.Revnum)
	go func() {
		rev, err := r.Wait(t.Context(), 0)
		if err != nil {
			t.Error(err)
		}
		got <- rev
	}()
	svntest.Run(t, "svnmucc", "-m", "theirs", "mkdir", svntest.URL(r.Dir(), "d"))
	if rev := <-got; rev != 1 {
		t.Errorf("waited for r%d, want r1", rev)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Wait(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want it cancelled", err)
	}
}

// TestLocks honours what svn lock protects.
func TestLocks(t *testing.T) {
	r := create(t)
	rev := commit(t, r,
		svn.Change{Op: svn.OpMkdir, Path: "d", Base: unknown},
		svn.Change{Op: svn.OpPut, Path: "d/locked", Base: unknown},
		svn.Change{Op: svn.OpPut, Path: "d/free", Base: unknown},
	)
	svntest.Run(t, "svn", "lock", "--username", "alice", svntest.URL(r.Dir(), "d/locked"))
	for _, tt := range []struct {
		name   string
		change svn.Change
		locked bool
	}{
		{"change", svn.Change{Op: svn.OpPut, Path: "d/locked", Base: rev, Content: content("x")}, true},
		{"delete", svn.Change{Op: svn.OpDelete, Path: "d/locked", Base: rev}, true},
		{"delete above", svn.Change{Op: svn.OpDelete, Path: "d", Base: rev}, true},
		{"properties above", svn.Change{Op: svn.OpMkdir, Path: "d", Base: rev, Props: svn.Props{"a": "b"}}, false},
		{"beside", svn.Change{Op: svn.OpPut, Path: "d/free", Base: rev, Content: content("x")}, false},
		{"copy from", svn.Change{Op: svn.OpCopy, Path: "e", Base: unknown, CopyFrom: &svn.CopySource{Path: "d", Rev: rev}}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := r.Commit(t.Context(), &svn.Commit{Changes: []svn.Change{tt.change}})
			if !tt.locked {
				if err != nil {
					t.Error(err)
				}
				return
			}
			bad, ok := errors.AsType[*svn.LockedError](err)
			if !ok || bad.Path != "d/locked" || bad.Owner != "alice" {
				t.Errorf("got %v", err)
			}
		})
	}
	svntest.Run(t, "svn", "unlock", "--force", "--username", "bob", svntest.URL(r.Dir(), "d/locked"))
	commit(t, r, svn.Change{Op: svn.OpDelete, Path: "d/locked", Base: rev})
	svntest.JudgeQuick(t, r.Dir())
}

func TestActiveHooks(t *testing.T) {
	dir := svntest.Create(t)
	if active, err := fsfs.ActiveHooks(dir); err != nil || len(active) > 0 {
		t.Errorf("the hooks of a new repository are %v, %v", active, err)
	}
	for _, name := range []string{"pre-lock", "post-commit", "post-commit.bak"} {
		if err := os.WriteFile(filepath.Join(dir, "hooks", name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	active, err := fsfs.ActiveHooks(dir)
	if got, want := fmt.Sprint(active), "[post-commit pre-lock]"; err != nil || got != want {
		t.Errorf("the hooks are %s, %v; want %s", got, err, want)
	}
	if has, err := fsfs.HasActiveHooks(dir); err != nil || !has {
		t.Errorf("HasActiveHooks says %v, %v", has, err)
	}
}
