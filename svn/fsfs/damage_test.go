package fsfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/fsfs"
	"github.com/havre-cloud/havre/svn/svntest"
)

// TestDamaged flips bits in, and cuts, the files of revisions. Reading everything has to give the right
// contents or an error, never wrong contents.
func TestDamaged(t *testing.T) {
	h := svntest.RandomHistory(t, 300, 12)
	made := create(t)
	h.Apply(t, made)
	rng := rand.New(rand.NewPCG(5, 6))
	dir := filepath.Join(t.TempDir(), "damaged")
	copyTree(t, made.Dir(), dir)
	detected := 0
	const rounds = 150
	for round := range rounds {
		rev := 1 + rng.IntN(len(h.Commits))
		name := filepath.Join(dir, "db", "revs", "0", fmt.Sprint(rev))
		good, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		bad := append([]byte(nil), good...)
		var what string
		if round%10 == 0 {
			n := rng.IntN(len(bad))
			bad, what = bad[:n], fmt.Sprintf("r%d cut to %d bytes", rev, n)
		} else {
			i := rng.IntN(len(bad))
			bad[i] ^= 1 << rng.IntN(8)
			what = fmt.Sprintf("r%d with byte %d changed from %#x to %#x", rev, i, good[i], bad[i])
		}
		replaceFile(t, name, bad)
		if readDamaged(t, what, dir, h) {
			detected++
		}
		replaceFile(t, name, good)
	}
	// What lies in other places than contents, names and numbers is not looked at in reading.
	if detected < rounds/2 {
		t.Errorf("only %d of %d damages were detected", detected, rounds)
	}
}

func replaceFile(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := errors.Join(os.Remove(name), os.WriteFile(name, data, 0o600)); err != nil {
		t.Fatal(err)
	}
}

// readDamaged reads all revisions and says whether there was an error.
func readDamaged(t *testing.T, what, dir string, h *svntest.History) (detected bool) {
	t.Helper()
	r := open(t, dir)
	defer r.Close()
	for rev, want := range h.Trees {
		for n, err := range r.Walk(t.Context(), "", svn.Revnum(rev), "") {
			if err != nil {
				requireDamage(t, what, err)
				detected = true
				break
			}
			if n.Kind != svn.KindFile {
				continue
			}
			data, err := readContents(t, r, n)
			if err != nil {
				requireDamage(t, what, err)
				detected = true
				continue
			}
			if string(data) != string(want[n.Path].Content) {
				t.Errorf("%s: /%s@%d has wrong contents", what, n.Path, rev)
			}
		}
	}
	return detected
}

func readContents(t *testing.T, r *fsfs.Repository, n *svn.Node) ([]byte, error) {
	t.Helper()
	f, err := r.Open(t.Context(), n.Path, n.CreatedRev)
	if _, missing := errors.AsType[*svn.NotFoundError](err); missing {
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

func requireDamage(t *testing.T, what string, err error) {
	t.Helper()
	if _, ok := errors.AsType[*fsfs.CorruptError](err); !ok {
		t.Errorf("%s: the error is a %T: %v", what, err, err)
	}
}

// TestDamagedLarge changes bytes of contents large enough to be checked while they are read, which all
// have to be noticed, in the instructions, the data, the header and the end.
func TestDamagedLarge(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	random := make([]byte, 700_001)
	for i := range random {
		random[i] = byte(rng.Uint32())
	}
	text := []byte(strings.Repeat("a line of text that repeats\n", 30_000))
	for _, tt := range []struct {
		name    string
		content []byte
	}{{"random", random}, {"text", text}, {"both", append(slices.Clone(text), random...)}} {
		t.Run(tt.name, func(t *testing.T) {
			r := create(t)
			rev := commit(t, r, svn.Change{Op: svn.OpPut, Path: "f", Base: unknown, Content: content(string(tt.content))})
			if got := read(t, r, "f", rev); got != string(tt.content) {
				t.Fatal("wrong contents of a file that is not damaged")
			}
			name := filepath.Join(r.Dir(), "db/revs/0/1")
			good, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			from, to := bytes.Index(good, []byte("DELTA\nSVN")), bytes.Index(good, []byte("ENDREP\n"))
			if from < 0 || to < from {
				t.Fatal("no representation in the revision")
			}
			to += len("ENDREP\n")
			places := []int{from, from + 5, from + 6, from + 9, from + 10, from + 11, to - 1, to - 8}
			for range 60 {
				places = append(places, from+rng.IntN(to-from))
			}
			byItem := 0
			for _, i := range places {
				bad := slices.Clone(good)
				bad[i] ^= 1 << rng.IntN(8)
				replaceFile(t, name, bad)
				r = reopen(t, r)
				_, err := readContents(t, r, &svn.Node{Path: "f", CreatedRev: rev})
				damage, ok := errors.AsType[*fsfs.CorruptError](err)
				if !ok {
					t.Errorf("with byte %d of %d changed the error is %v", i-from, to-from, err)
				} else if strings.HasPrefix(damage.Want, "an item with checksum") {
					byItem++
				}
			}
			if byItem == 0 {
				t.Error("the checksum of the item was never looked at")
			}
		})
	}
}

// TestLargeOfSubversion reads large contents that Subversion wrote, and finds damage in them by the
// checksums it wrote, in revisions and in packs.
func TestLargeOfSubversion(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	want := make([]byte, 600_000)
	for i := range want {
		want[i] = byte(rng.Uint32())
	}
	for _, version := range []string{"1.9", "1.14"} {
		t.Run(version, func(t *testing.T) {
			dir := svntest.Create(t, "--compatible-version", version)
			name := filepath.Join(t.TempDir(), "large")
			if err := os.WriteFile(name, want, 0o600); err != nil {
				t.Fatal(err)
			}
			for i := range 4 {
				svntest.Run(t, "svn", "import", "-q", "-m", "", name, svntest.URL(dir, fmt.Sprint(i)))
			}
			packed := svntest.Pack(t, dir, 4)
			requireByItem(t, dir, "db/revs/0/1", want)
			requireByItem(t, packed, "db/revs/0.pack/pack", want)
		})
	}
}

// requireByItem reads the file that r1 made, before and after a byte of it is changed.
func requireByItem(t *testing.T, dir, name string, want []byte) {
	t.Helper()
	r := open(t, dir)
	got, err := readContents(t, r, &svn.Node{Path: "0", CreatedRev: 1})
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%s: other contents, or none: %v", name, err)
	}
	name = filepath.Join(dir, filepath.FromSlash(name))
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	i := bytes.Index(data, want[300_000:300_016])
	if i < 0 {
		t.Fatalf("%s: the contents are not there as they are", name)
	}
	data[i] ^= 4
	replaceFile(t, name, data)
	_, err = readContents(t, reopen(t, r), &svn.Node{Path: "0", CreatedRev: 1})
	damage, ok := errors.AsType[*fsfs.CorruptError](err)
	if !ok || !strings.HasPrefix(damage.Want, "an item with checksum") {
		t.Errorf("%s: damaged contents give %v", name, err)
	}
}

// TestBaseIsDamaged changes a file whose older contents are damaged: the new ones must not be
// stored against them.
func TestBaseIsDamaged(t *testing.T) {
	r := create(t)
	old := strings.Repeat("a line of some text that repeats, nearly the same\n", 10)
	rev := commit(t, r, svn.Change{Op: svn.OpPut, Path: "f", Base: unknown, Content: content(old)})
	name := filepath.Join(r.Dir(), "db/revs/0/1")
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	i := strings.Index(string(data), "repeats")
	data[i] = 'R'
	replaceFile(t, name, data)
	r = reopen(t, r)
	changed := old + "changed"
	rev = commit(t, r, svn.Change{Op: svn.OpPut, Path: "f", Base: rev, Content: content(changed)})
	if got := read(t, r, "f", rev); got != changed {
		t.Error("the new contents are wrong")
	}
}

func TestOpenErrors(t *testing.T) {
	tests := []struct {
		name, file, text string
	}{
		{"not a repository", "format", ""},
		{"of the future", "format", "6\n"},
		{"BerkeleyDB", "db/fs-type", "bdb\n"},
		{"no db/fs-type", "db/fs-type", ""},
		{"format", "db/format", "9\nlayout sharded 1000\naddressing logical\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := create(t)
			name := filepath.Join(r.Dir(), filepath.FromSlash(tt.file))
			if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
			if tt.text != "" {
				if err := os.WriteFile(name, []byte(tt.text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, err := fsfs.Open(r.Dir(), fsfs.Options{})
			if _, ok := errors.AsType[*fsfs.FormatError](err); !ok {
				t.Errorf("got %v", err)
			}
		})
	}
}
