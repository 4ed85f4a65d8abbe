//go:build unix

package fsfs_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/fsfs"
	"github.com/havre-cloud/havre/svn/fsfs/repcache"
	"github.com/havre-cloud/havre/svn/svntest"
)

// childFull names the variable that makes TestMain commit while no file can have more bytes than
// childLimit says: every write beyond ends in the middle, as on a full disk.
const (
	childFull  = "FSFS_TEST_FULL_DIR"
	childLimit = "FSFS_TEST_FULL_LIMIT"
)

func init() { children[childFull] = fullChild }

func fullChild(dir string) {
	r, err := fsfs.Open(dir, fsfs.Options{RepCache: repcache.Open, Note: func(err error) { fmt.Fprintln(os.Stdout, "noted:", err) }})
	if err != nil {
		panic(err)
	}
	var limit uint64
	if _, err := fmt.Sscan(os.Getenv(childLimit), &limit); err != nil {
		panic(err)
	}
	// Without it the signal ends the process.
	signal.Ignore(unix.SIGXFSZ)
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: limit, Max: limit}); err != nil {
		panic(err)
	}
	base, err := r.Youngest(context.Background())
	if err != nil {
		panic(err)
	}
	changes := []svn.Change{
		put(svn.Path("limit"+os.Getenv(childLimit)), text(1000, os.Getenv(childLimit))),
		{Op: svn.OpPut, Path: "big", Base: base, Content: bigContent(1<<20, int64(limit))},
	}
	_, err = r.Commit(context.Background(), &svn.Commit{RevProps: svn.Props{svn.PropLog: strings.Repeat("a long message ", 300)}, Changes: changes})
	switch {
	case errors.Is(err, unix.EFBIG):
		fmt.Fprintln(os.Stdout, "refused:", err)
	case err != nil:
		panic(err)
	default:
		fmt.Fprintln(os.Stdout, "committed")
	}
	if err := r.Close(); err != nil {
		panic(err)
	}
}

// TestFull commits where writing fails after so many bytes of a file. There has to be an error that
// says so, and nothing left; or the whole commit.
func TestFull(t *testing.T) {
	t.Parallel() // it waits for the disk and for processes most of the time
	svntest.RequireSubversion(t)
	r := reopenShared(t, create(t))
	commit(t, r, put("a", "a"))
	rev := commit(t, r, svn.Change{Op: svn.OpPut, Path: "big", Base: unknown, Content: bigContent(1<<20, -1)})
	dir := r.Dir()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	committed := 0
	for _, limit := range []int{0, 1, 2, 100, 300, 1000, 1500, 3000, 5000, 20_000, 30_000, 2 << 20} {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), childFull+"="+dir, childLimit+"="+fmt.Sprint(limit))
		out, err := cmd.CombinedOutput()
		if err != nil || strings.Contains(string(out), "panic") {
			t.Fatalf("limit %d: %v\n%s", limit, err, out)
		}
		if strings.Contains(string(out), "committed") {
			rev++
			if committed++; committed == 1 && !strings.Contains(string(out), "noted:") {
				t.Errorf("limit %d: not a word of rep-cache.db", limit)
			}
		} else if !strings.Contains(string(out), "file too large") {
			t.Errorf("limit %d: %s", limit, out)
		}
		r := open(t, dir)
		if got, err := r.Youngest(t.Context()); err != nil || got != rev {
			t.Fatalf("limit %d: youngest is r%d, %v; want r%d", limit, got, err, rev)
		}
		for _, pattern := range []string{"txn-protorevs/*", fmt.Sprintf("rev*/0/%d", rev+1)} {
			if left, err := filepath.Glob(filepath.Join(dir, "db", pattern)); err != nil || len(left) > 0 {
				t.Errorf("limit %d: left behind: %v %v", limit, left, err)
			}
		}
	}
	if committed == 0 || committed > 8 {
		t.Errorf("%d of the commits went through", committed)
	}
	r = openShared(t, dir)
	rev = commit(t, r, put("b", "b"))
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if row := rows(t, dir)[fmt.Sprintf("%x", sum("b"))]; !strings.HasPrefix(row, fmt.Sprint(rev, " ")) {
		t.Errorf("the row of the last commit is %q", row)
	}
	svntest.JudgeQuick(t, dir)
}
