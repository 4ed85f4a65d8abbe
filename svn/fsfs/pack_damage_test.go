package fsfs_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/havre-cloud/havre/svn/fsfs"
	"github.com/havre-cloud/havre/svn/svntest"
)

// TestPackRefuses gives Pack what it must not touch.
func TestPackRefuses(t *testing.T) {
	for _, l := range layouts {
		if l.name != "format 3" && l.name != "format 8, linear" {
			continue
		}
		dir := svntest.Create(t, layoutArgs(l.args, l.edit)...)
		editFormat(t, dir, l.edit)
		_, err := open(t, dir).Pack(t.Context(), nil)
		if bad, ok := errors.AsType[*fsfs.FormatError](err); !ok || !strings.Contains(bad.Error(), "svnadmin") {
			t.Errorf("%s: got %v", l.name, err)
		}
	}
	for _, name := range []string{"revs/0/2", "revprops/0/2", "revs/0/1"} {
		dir := filepath.Join(t.TempDir(), "damaged")
		copyTree(t, packCrashRepository(t, "8\nlayout sharded 3\naddressing physical\n"), dir)
		file := filepath.Join(dir, "db", filepath.FromSlash(name))
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		replaceFile(t, file, data[:len(data)-2])
		_, err = open(t, dir).Pack(t.Context(), nil)
		if bad, ok := errors.AsType[*fsfs.CorruptError](err); !ok || bad.File != "db/"+name {
			t.Errorf("with %s damaged: got %v", name, err)
		}
		if packs := glob(t, dir, "*/*.pack"); len(packs) > 0 {
			t.Errorf("with %s damaged there are %v", name, packs)
		}
	}
}

// TestPackDamaged changes a bit in each item of a revision with an index. What is not as its checksum says
// stays as it is.
func TestPackDamaged(t *testing.T) {
	made := create(t)
	h := svntest.RandomHistory(t, 611, 3)
	h.Apply(t, made)
	dir := svntest.Reshard(t, made.Dir(), 2)
	name := filepath.Join(dir, "db", "revs", "0", "1")
	good, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		bad := slices.Clone(good)
		at := i * len(bad) / 40
		bad[at] ^= 0x20
		replaceFile(t, name, bad)
		for _, batch := range []int64{1, 1 << 20} {
			_, err := open(t, dir).PackIn(t.Context(), batch)
			if bad, ok := errors.AsType[*fsfs.CorruptError](err); !ok || bad.File != "db/revs/0/1" {
				t.Fatalf("with byte %d changed and %d bytes at once: %v", at, batch, err)
			}
		}
	}
	replaceFile(t, name, good)
	if got, err := open(t, dir).Pack(t.Context(), nil); err != nil || got.Shards != 2 {
		t.Errorf("mended: %+v, %v", got, err)
	}
}

// TestVerifyDamagedPack changes single bits of packs that we and svnadmin made. With an index all have to be noticed;
// without one, what is read has to be right, or damage. Nothing else may come of it.
func TestVerifyDamagedPack(t *testing.T) {
	h := svntest.RandomHistory(t, 612, 7)
	for _, tt := range []struct {
		name, version, file string
		theirs, all         bool
	}{
		{"logical, ours", "1.10", "revs/0.pack/pack", false, true},
		{"logical, theirs", "1.10", "revs/0.pack/pack", true, true},
		{"physical", "1.8", "revs/0.pack/pack", false, false},
		{"manifest", "1.8", "revs/0.pack/manifest", false, true},
		{"revision properties", "1.8", "revprops/0.pack/1.0", false, false},
		{"their manifest", "1.8", "revprops/0.pack/manifest", false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			made := h.Load(t, "--compatible-version", tt.version)
			dir := svntest.Reshard(t, made, 8)
			if tt.theirs {
				svntest.Run(t, "svnadmin", "pack", "-q", dir)
			} else if _, err := open(t, dir).Pack(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			name := filepath.Join(dir, "db", filepath.FromSlash(tt.file))
			good, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			rng := rand.New(rand.NewPCG(11, 12))
			for range 50 {
				bad := slices.Clone(good)
				i := rng.IntN(len(bad))
				bad[i] ^= 1 << rng.IntN(8)
				replaceFile(t, name, bad)
				what := fmt.Sprintf("byte %d of %d changed from %#x to %#x", i, len(bad), good[i], bad[i])
				damaged := verify(t, dir)
				for rev, err := range damaged {
					requireDamage(t, fmt.Sprintf("%s, r%d", what, rev), err)
				}
				if len(damaged) == 0 && tt.all {
					t.Errorf("%s: nothing is found", what)
				}
			}
			for _, n := range []int{0, 1, len(good) / 2, len(good) - 2} {
				replaceFile(t, name, good[:n])
				if damaged := verify(t, dir); len(damaged) == 0 {
					t.Errorf("cut off after %d bytes of %d: nothing is found", n, len(good))
				}
			}
			replaceFile(t, name, good)
			for rev, err := range verify(t, dir) {
				t.Errorf("mended, r%d: %v", rev, err)
			}
		})
	}
}
