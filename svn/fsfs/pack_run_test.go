package fsfs_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/fsfs"
	"github.com/havre-cloud/havre/svn/svntest"
)

// packedLayouts yields the names of the layouts that know packs, and what makes a repository of each.
func packedLayouts(yield func(string, func(*testing.T) string) bool) {
	for _, l := range layouts {
		if l.name < "format 4" || strings.Contains(l.name, "linear") {
			continue
		}
		if !yield(l.name, func(t *testing.T) string {
			dir := svntest.Create(t, layoutArgs(l.args, l.edit)...)
			editFormat(t, dir, l.edit)
			return dir
		}) {
			return
		}
	}
}

// TestPack packs random histories, some that we wrote and some that svnadmin loaded, in every format. They
// have to be the same to us and to Subversion's programs, which go on committing, and pack on.
func TestPack(t *testing.T) {
	seed := uint64(500)
	for name, create := range packedLayouts {
		for _, theirs := range []bool{false, true} {
			if theirs && !strings.HasPrefix(name, "format 8") {
				continue
			}
			seed++
			t.Run(fmt.Sprintf("%s, theirs %v", name, theirs), func(t *testing.T) {
				t.Parallel()
				h := svntest.RandomHistory(t, seed, 13)
				made := create(t)
				if theirs {
					svntest.RunIn(t, strings.NewReader(string(h.Dump(t))), "svnadmin", "load", "-q", made)
				} else {
					h.Apply(t, open(t, made))
				}
				dir := svntest.Reshard(t, made, 4)
				before := open(t, dir)
				h.Check(t, before)
				r := open(t, dir)
				got, err := r.Pack(t.Context(), nil)
				if err != nil {
					t.Fatal(err)
				}
				if got.Shards != 3 || got.Revisions != 12 || got.Packed != 12 || got.Next != 15 {
					t.Errorf("packed %+v", got)
				}
				packedFiles(t, dir)
				for _, r := range []*fsfs.Repository{before, r, open(t, dir)} {
					h.Check(t, r)
				}
				sameLog(t, r, made)
				svntest.Verify(t, dir)
				svntest.SameDump(t, "packed", dir, made)
				for rev, err := range verify(t, dir) {
					t.Errorf("r%d: %v", rev, err)
				}

				svntest.Run(t, "svnmucc", "-m", "on top", "mkdir", svntest.URL(dir, "on top"), "put", "/dev/null", svntest.URL(dir, "on top/f"))
				commit(t, r, svn.Change{Op: svn.OpMkdir, Path: "ours", Base: unknown})
				if got, err := r.Pack(t.Context(), nil); err != nil || got.Packed != 16 {
					t.Errorf("packed %+v, %v", got, err)
				}
				commit(t, r, svn.Change{Op: svn.OpMkdir, Path: "ours/d", Base: unknown})
				if got, err := r.Pack(t.Context(), nil); err != nil || got.Shards != 0 || got.Packed != 16 || got.Next != 19 {
					t.Errorf("with nothing to do: %+v, %v", got, err)
				}
				for i := range 3 {
					svntest.Run(t, "svnmucc", "-m", "on top", "mkdir", svntest.URL(dir, fmt.Sprint("d", i)))
				}
				svntest.Run(t, "svnadmin", "pack", "-q", dir)
				svntest.Verify(t, dir)
				h.Check(t, r)
			})
		}
	}
}

// packedFiles checks that a repository has nothing left of the shards that are packed.
func packedFiles(t *testing.T, dir string) {
	t.Helper()
	format, err := os.ReadFile(filepath.Join(dir, "db", "format"))
	if err != nil {
		t.Fatal(err)
	}
	revprops := []string{"0", "0.pack", "1.pack", "2.pack", "3"}
	if format[0] == '4' {
		revprops = []string{"0", "1", "2", "3"}
	}
	for name, want := range map[string][]string{
		"revs": {"0.pack", "1.pack", "2.pack", "3"}, "revprops": revprops, "txn-protorevs": nil,
	} {
		entries, err := os.ReadDir(filepath.Join(dir, "db", name))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range entries {
			got = append(got, e.Name())
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("db/%s has %v, want %v", name, got, want)
		}
	}
}

// TestPackInParts packs with little memory: several batches in a shard, and revisions that are too large
// for any.
func TestPackInParts(t *testing.T) {
	h := svntest.RandomRewrites(t, 610, 17)
	made := create(t)
	h.Apply(t, made)
	dir := svntest.Reshard(t, made.Dir(), 16)
	r := open(t, dir)
	if got, err := r.PackIn(t.Context(), 9000); err != nil || got.Shards != 1 {
		t.Fatalf("packed %+v, %v", got, err)
	}
	h.Check(t, r)
	svntest.Verify(t, dir)
	svntest.SameDump(t, "packed", dir, made.Dir())
	for rev, err := range verify(t, dir) {
		t.Errorf("r%d: %v", rev, err)
	}
}

// TestPackedRevProps changes packed properties with svn until packs are written anew and split, in packs of
// several sizes, compressed or not.
func TestPackedRevProps(t *testing.T) {
	for _, conf := range []string{"", "revprop-pack-size = 1\n", "compress-packed-revprops = true\n"} {
		t.Run(conf, func(t *testing.T) {
			t.Parallel()
			made := svntest.Create(t, "--compatible-version", "1.8")
			file := filepath.Join(made, "db", "fsfs.conf")
			if err := os.WriteFile(file, []byte("[packed-revprops]\n"+conf), 0o600); err != nil {
				t.Fatal(err)
			}
			hook := filepath.Join(made, "hooks", "pre-revprop-change")
			if err := os.WriteFile(hook, []byte("#!/bin/sh\nexit 0\n"), 0o700); err != nil {
				t.Fatal(err)
			}
			editFormat(t, made, func(string) string { return "6\nlayout sharded 20\n" })
			r := open(t, made)
			for i := range 20 {
				rev, err := r.Commit(t.Context(), &svn.Commit{RevProps: svn.Props{svn.PropLog: strings.Repeat(fmt.Sprint("message ", i, "\n"), 1+i)}})
				if err != nil || rev != svn.Revnum(i+1) {
					t.Fatal(rev, err)
				}
			}
			want := revProps(t, r)
			if _, err := r.Pack(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			packs := len(glob(t, made, "revprops/0.pack/*.0"))
			if several := packs > 1; several != strings.Contains(conf, "size") {
				t.Errorf("there are %d packs", packs)
			}
			if diff := cmp.Diff(revProps(t, r), want); diff != "" {
				t.Errorf("packed (-got +want):\n%s", diff)
			}
			for rev, value := range map[string]string{"1": "short", "7": strings.Repeat("long ", 5000), "19": strings.Repeat("x", 700), "0": "first"} {
				svntest.Run(t, "svn", "propset", "-q", "--revprop", "-r", rev, svn.PropLog, value, svntest.URL(made, ""))
				number, err := strconv.Atoi(rev)
				if err != nil {
					t.Fatal(err)
				}
				want[number][svn.PropLog] = value
			}
			svntest.Run(t, "svn", "propdel", "-q", "--revprop", "-r", "12", svn.PropDate, svntest.URL(made, ""))
			delete(want[12], svn.PropDate)
			if diff := cmp.Diff(revProps(t, open(t, made)), want); diff != "" {
				t.Errorf("changed (-got +want):\n%s", diff)
			}
			svntest.Verify(t, made)
		})
	}
}

// revProps returns the properties of all revisions.
func revProps(t *testing.T, r *fsfs.Repository) []svn.Props {
	t.Helper()
	var all []svn.Props
	for e, err := range r.Log(t.Context(), 0, 20) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e.Props)
	}
	return all
}

// TestPackWaits has somebody else hold the lock that packing takes.
func TestPackWaits(t *testing.T) {
	r := create(t)
	leave, err := r.HoldPackLock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	waited := false
	_, err = open(t, r.Dir()).Pack(ctx, func(p fsfs.PackProgress) {
		waited = waited || p.Waiting
		cancel()
	})
	if !waited || !errors.Is(err, context.Canceled) {
		t.Errorf("waited: %v; got %v", waited, err)
	}
	waits, done := make(chan struct{}), make(chan error)
	go func() {
		_, err := open(t, r.Dir()).Pack(t.Context(), func(fsfs.PackProgress) { close(waits) })
		done <- err
	}()
	<-waits
	leave()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
