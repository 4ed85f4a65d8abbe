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
	"sync/atomic"
	"testing"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/fsfs"
	"github.com/havre-cloud/havre/svn/svntest"
)

// childPack names the variable that makes TestMain pack a repository, and kill itself at the step of
// childPoint.
const childPack = "FSFS_TEST_PACK_DIR"

func packChild(dir string) {
	point, err := strconv.ParseInt(os.Getenv(childPoint), 10, 64)
	if err != nil {
		panic(err)
	}
	r, err := fsfs.Open(dir, fsfs.Options{})
	if err != nil {
		panic(err)
	}
	var n atomic.Int64
	r.SetCrash(func(string) error {
		if n.Add(1) == point {
			self, err := os.FindProcess(os.Getpid())
			if err != nil {
				panic(err)
			}
			_ = self.Kill()
			select {}
		}
		return nil
	})
	if _, err := r.Pack(context.Background(), nil); err != nil {
		panic(err)
	}
}

// packCrashRepository has two complete shards and a revision more.
func packCrashRepository(t *testing.T, format string) string {
	t.Helper()
	dir := svntest.Create(t, "--compatible-version", "1.8")
	editFormat(t, dir, func(string) string { return format })
	r := open(t, dir)
	base := unknown
	for i := range 6 {
		base = commit(t, r, svn.Change{Op: svn.OpPut, Path: "f", Base: base, Content: content(fmt.Sprint("text ", i+1))})
	}
	return dir
}

var packCrashFormats = []string{"8\nlayout sharded 3\naddressing physical\n", "6\nlayout sharded 3\n", "4\nlayout sharded 3\n"}

// TestPackKilled kills a process at every step of packing. Everything has to be there for everybody,
// and packing again, by us and by svnadmin, has to come to an end.
func TestPackKilled(t *testing.T) {
	t.Parallel() // it waits for the disk most of the time
	svntest.RequireSubversion(t)
	made := packCrashRepository(t, packCrashFormats[0])
	for point := 1; ; point++ {
		dir := filepath.Join(t.TempDir(), "killed")
		copyTree(t, made, dir)
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), childPack+"="+dir, childPoint+"="+strconv.Itoa(point))
		out, err := cmd.CombinedOutput()
		if strings.Contains(string(out), "panic") {
			t.Fatalf("step %d: %s", point, out)
		}
		afterPackCrash(t, fmt.Sprintf("killed at step %d", point), dir)
		theirs := filepath.Join(t.TempDir(), "theirs")
		copyTree(t, dir, theirs)
		svntest.Run(t, "svnadmin", "pack", "-q", theirs)
		svntest.Verify(t, theirs)
		packAgain(t, fmt.Sprintf("killed at step %d", point), dir)
		if point%4 == 0 { // the bytes are the same wherever it was killed
			svntest.Verify(t, dir)
		}
		if err == nil {
			if point < 20 {
				t.Errorf("packing has only %d steps", point-1)
			}
			return
		}
	}
}

// TestPackFails has every step of packing fail. The error has to come through, readers have to go on,
// nothing may be left behind, and packing again has to come to an end.
func TestPackFails(t *testing.T) {
	for _, format := range packCrashFormats {
		t.Run(strings.ReplaceAll(strings.TrimSpace(format), "\n", ", "), func(t *testing.T) {
			t.Parallel()
			made := packCrashRepository(t, format)
			for point := int64(1); ; point++ {
				dir := filepath.Join(t.TempDir(), "failed")
				copyTree(t, made, dir)
				r := open(t, dir)
				var n atomic.Int64
				var name atomic.Value
				r.SetCrash(func(at string) error {
					if n.Add(1) == point {
						name.Store(at)
						return errDiskFull
					}
					return nil
				})
				_, err := r.Pack(t.Context(), nil)
				if err == nil {
					if point < 12 {
						t.Errorf("packing has only %d steps", point-1)
					}
					return
				}
				what := fmt.Sprintf("step %d, %v", point, name.Load())
				if !errors.Is(err, errDiskFull) {
					t.Fatalf("%s: got %v, want %v", what, err, errDiskFull)
				}
				r.SetCrash(nil)
				requireTexts(t, what, r)
				afterPackCrash(t, what, dir)
				packed := len(glob(t, dir, "revs/*.pack"))
				data, err := os.ReadFile(filepath.Join(dir, "db", "min-unpacked-rev"))
				if err != nil || string(data) != fmt.Sprintln(packed*3) {
					t.Errorf("%s: %d packs, but min-unpacked-rev is %q, %v", what, packed, data, err)
				}
				packAgain(t, what, dir)
				requireTexts(t, what, r)
			}
		})
	}
}

func glob(t *testing.T, dir, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "db", pattern))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// requireTexts reads what packCrashRepository wrote.
func requireTexts(t *testing.T, what string, r *fsfs.Repository) {
	t.Helper()
	for rev := svn.Revnum(1); rev <= 6; rev++ {
		if got, want := read(t, r, "f", rev), fmt.Sprint("text ", rev); got != want {
			t.Errorf("%s: /f@%d is %q, want %q", what, rev, got, want)
		}
		if props, err := r.RevProps(t.Context(), rev); err != nil || props[svn.PropAuthor] != "tester" {
			t.Errorf("%s: r%d has the properties %v, %v", what, rev, props, err)
		}
	}
}

// afterPackCrash opens the repository in which packing was interrupted.
func afterPackCrash(t *testing.T, what, dir string) {
	t.Helper()
	r := open(t, dir)
	defer r.Close()
	requireTexts(t, what, r)
	if left := glob(t, dir, "txn-protorevs/*"); len(left) > 0 {
		t.Errorf("%s: left behind: %v", what, left)
	}
}

// packAgain packs what is left to pack, and checks that it is all there is.
func packAgain(t *testing.T, what, dir string) {
	t.Helper()
	r := open(t, dir)
	defer r.Close()
	if got, err := r.Pack(t.Context(), nil); err != nil || got.Packed != 6 {
		t.Errorf("%s: packed again: %+v, %v", what, got, err)
	}
	requireTexts(t, what, r)
	if got := fmt.Sprint(glob(t, dir, "revs/[0-9]*")); strings.Count(got, "/revs/") != 3 || strings.Count(got, ".pack") != 2 {
		t.Errorf("%s: packed again there are %v", what, got)
	}
	for rev, err := range verify(t, dir) {
		t.Errorf("%s: r%d: %v", what, rev, err)
	}
}
