package fsfs_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/fsfs"
	"github.com/havre-cloud/havre/svn/svndiff"
)

// versions commits a large file of random contents three times: as it is, with a byte changed, and
// with other contents in its first window, which hide what the first version has there.
func versions(t *testing.T) (r *fsfs.Repository, want [4][]byte) {
	t.Helper()
	rng := rand.New(rand.NewPCG(11, 12))
	random := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		return b
	}
	want[1] = random(700_001)
	want[2] = slices.Clone(want[1])
	want[2][350_000] ^= 1
	want[3] = append(random(svndiff.MaxView), want[1][svndiff.MaxView:]...)
	r = create(t)
	base := unknown
	for _, text := range want[1:] {
		base = commit(t, r, svn.Change{Op: svn.OpPut, Path: "f", Base: base, Content: content(string(text))})
	}
	return r, want
}

// TestDamageInChain changes single bits of what a version of a large file is stored in, and of what
// that is against.
func TestDamageInChain(t *testing.T) {
	r, want := versions(t)
	rng := rand.New(rand.NewPCG(13, 14))
	for _, damaged := range []string{"1", "2"} {
		name := filepath.Join(r.Dir(), "db/revs/0", damaged)
		good, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if damaged == "2" && len(good) > 10_000 {
			t.Fatal("the second version is not stored as a delta")
		}
		to := bytes.Index(good, []byte("ENDREP\n")) + len("ENDREP\n")
		byItem := 0
		for range 40 {
			bad := slices.Clone(good)
			bad[rng.IntN(to)] ^= 1 << rng.IntN(8)
			replaceFile(t, name, bad)
			r = reopen(t, r)
			got, err := readContents(t, r, &svn.Node{Path: "f", CreatedRev: 2})
			damage, ok := errors.AsType[*fsfs.CorruptError](err)
			switch {
			case err == nil && !bytes.Equal(got, want[2]):
				t.Fatalf("wrong contents from a damaged r%s", damaged)
			case err == nil && damaged == "2":
				t.Errorf("damage in r2 is not found")
			case err != nil && !ok:
				t.Errorf("damage in r%s gives %v", damaged, err)
			case ok && strings.HasPrefix(damage.Want, "an item with checksum"):
				byItem++
			}
		}
		if byItem == 0 {
			t.Errorf("the checksums of items were never looked at when r%s was damaged", damaged)
		}
		replaceFile(t, name, good)
	}
}

// TestHiddenDamage reads contents that do not depend on the damaged part of what they are stored against.
func TestHiddenDamage(t *testing.T) {
	r, want := versions(t)
	name := filepath.Join(r.Dir(), "db/revs/0/1")
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	i := bytes.Index(data, want[1][1000:1016])
	if i < 0 {
		t.Fatal("the contents are not there as they are")
	}
	data[i] ^= 8
	replaceFile(t, name, data)
	r = reopen(t, r)
	for rev := svn.Revnum(1); rev <= 3; rev++ {
		got, err := readContents(t, r, &svn.Node{Path: "f", CreatedRev: rev})
		if rev < 3 {
			if _, ok := errors.AsType[*fsfs.CorruptError](err); !ok {
				t.Errorf("r%d: damage gives %v", rev, err)
			}
			continue
		}
		if err != nil || !bytes.Equal(got, want[3]) {
			t.Errorf("r%d does not have the damaged part, and cannot be read: %v", rev, err)
		}
	}
}
