package fsfs_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/fsfs"
	"github.com/havre-cloud/havre/svn/svntest"
)

// TestDamagedFiles flips bits in, cuts and empties all kinds of files of a repository that is packed in part:
// packs, manifests, indexes, revision properties, the files that say where everything is. Reading
// everything has to give the right contents or an error of a known type, and must not take much memory.
func TestDamagedFiles(t *testing.T) {
	svntest.RequireSubversion(t)
	for i, layout := range layouts {
		if layout.name != "format 8" && layout.name != "format 6" {
			continue
		}
		t.Run(layout.name, func(t *testing.T) {
			h := svntest.RandomHistory(t, uint64(600+i), 10)
			made := svntest.Create(t, layout.args...)
			h.Apply(t, open(t, made))
			dir := svntest.Pack(t, made, 4)
			// No flipped bit in a string may be taken for another, and none be asked for before the locks.
			svntest.Run(t, "svn", "lock", "--username", "alice", svntest.URL(dir, string(anyFile(t, open(t, dir)))))
			makeOld(t, dir)
			damageFiles(t, dir, h, uint64(i))
		})
	}
}

// makeOld makes a repository one of which nothing was changed for an hour.
func makeOld(t *testing.T, dir string) {
	t.Helper()
	old := time.Now().Add(-time.Hour)
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Chtimes(path, old, old))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestCurrentIsDamaged has db/current name a revision that is not the youngest. A commit must not take those
// above for what a crash left.
func TestCurrentIsDamaged(t *testing.T) {
	for _, commits := range []int{5, 34} {
		r := create(t)
		for i := range commits {
			commit(t, r, put(svn.Path(fmt.Sprint("f", i)), "x"))
		}
		name := filepath.Join(r.Dir(), "db", "current")
		if commits < 34 { // so many cannot be one group, however new they are
			makeOld(t, r.Dir())
		}
		replaceFile(t, name, []byte("1\n"))
		damaged := open(t, r.Dir())
		_, err := damaged.Commit(t.Context(), &svn.Commit{Changes: []svn.Change{put("new", "x")}})
		if bad, ok := errors.AsType[*fsfs.CorruptError](err); !ok || bad.File != "db/current" {
			t.Errorf("%d revisions: the error is %v", commits, err)
		}
		replaceFile(t, name, fmt.Appendln(nil, commits))
		r = open(t, r.Dir())
		rev := commit(t, r, put("new", "x"))
		for i := range commits {
			if got := read(t, r, svn.Path(fmt.Sprint("f", i)), rev); got != "x" {
				t.Errorf("/f%d is %q", i, got)
			}
		}
		svntest.Verify(t, r.Dir())
	}
}

// anyFile returns the path of a file in the youngest revision.
func anyFile(t *testing.T, r *fsfs.Repository) svn.Path {
	t.Helper()
	youngest, err := r.Youngest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for n, err := range r.Walk(t.Context(), "", youngest, "") {
		if err == nil && n.Kind == svn.KindFile {
			return n.Path
		}
	}
	t.Fatal("there is no file in the repository")
	return ""
}

func damageFiles(t *testing.T, dir string, h *svntest.History, seed uint64) {
	t.Helper()
	var names []string
	for _, pattern := range []string{
		"format", "db/format", "db/current", "db/uuid", "db/fs-type", "db/min-unpacked-rev",
		"db/revs/*.pack/*", "db/revs/*/*", "db/revprops/*.pack/*", "db/revprops/*/*", "db/locks/*/*",
	} {
		found, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(pattern)))
		if err != nil || len(found) == 0 && !strings.Contains(pattern, ".pack") {
			t.Fatalf("%s: %v, %v", pattern, found, err)
		}
		names = append(names, found...)
	}
	rng := rand.New(rand.NewPCG(seed, 77))
	detected := 0
	const rounds = 60
	for round := range rounds {
		name := names[round%len(names)]
		good, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		bad := slices.Clone(good)
		var what string
		switch i := rng.IntN(max(1, len(bad))); {
		case len(bad) == 0:
			bad, what = []byte{0xff}, "a byte more"
		case round%7 == 0:
			bad, what = nil, "nothing"
		case round%3 == 0:
			bad, what = bad[:i], fmt.Sprintf("cut to %d bytes", i)
		default:
			bad[i] ^= 1 << rng.IntN(8)
			what = fmt.Sprintf("byte %d changed from %#x to %#x", i, good[i], bad[i])
		}
		rel, _ := filepath.Rel(dir, name)
		what = rel + ": " + what
		replaceFile(t, name, bad)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if readAll(t, what, dir, h) {
			detected++
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 64<<20 {
			t.Errorf("%s: %d MiB were allocated", what, n>>20)
		}
		replaceFile(t, name, good)
	}
	if detected < rounds/3 {
		t.Errorf("only %d of %d damages were detected", detected, rounds)
	}
}

// readAll reads all revisions, their properties and changed paths, and commits; it says whether there was an error.
func readAll(t *testing.T, what, dir string, h *svntest.History) (detected bool) {
	t.Helper()
	r, err := fsfs.Open(dir, fsfs.Options{})
	if err != nil {
		requireTyped(t, what, err)
		return true
	}
	defer r.Close()
	see := func(err error) {
		if err != nil {
			detected = true
			requireTyped(t, what, err)
		}
	}
	for rev, want := range h.Trees {
		for n, err := range r.Walk(t.Context(), "", svn.Revnum(rev), "") {
			if err != nil {
				see(err)
				break
			}
			if n.Kind != svn.KindFile {
				continue
			}
			data, err := readContents(t, r, n)
			see(err)
			if err == nil && string(data) != string(want[n.Path].Content) {
				t.Errorf("%s: /%s@%d has wrong contents", what, n.Path, rev)
			}
		}
		for _, err := range r.Log(t.Context(), svn.Revnum(rev), svn.Revnum(rev)) {
			see(err)
		}
	}
	// What cannot be committed is refused, and nothing of the repository is gone for it.
	_, err = r.Commit(t.Context(), &svn.Commit{Changes: []svn.Change{
		put("new", "x"), {Op: svn.OpCopy, Path: "never", Base: unknown, CopyFrom: &svn.CopySource{Path: "is not there", Rev: 1}},
	}})
	see(err)
	return detected
}

// requireTyped wants an error that says which file is damaged or what is missing.
func requireTyped(t *testing.T, what string, err error) {
	t.Helper()
	for _, is := range []func(error) bool{is[*fs.PathError], is[*fsfs.CorruptError], is[*fsfs.FormatError], is[*svn.NoSuchRevisionError], is[*svn.NotFoundError]} {
		if is(err) {
			return
		}
	}
	t.Errorf("%s: the error is a %T: %v", what, err, err)
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
