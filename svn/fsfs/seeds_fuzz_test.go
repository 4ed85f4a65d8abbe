package fsfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/havre-cloud/havre/svn"
)

// seed returns what Subversion has written: see testdata/make-seeds.sh.
func seed(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "seeds", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// seeded makes a repository of r0 to r3 with the db/format given, of revisions that Subversion made in that
// format, in a pack or not.
func seeded(t testing.TB, format string, packed bool) *Repository {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "seeded")
	r, err := Create(dir, CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	props, err := os.ReadFile(r.db("revprops", "0", "0"))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	put(t, r, "format", []byte(format))
	put(t, r, "current", []byte("3\n"))
	number := format[:1]
	if format[:1] != "8" {
		put(t, r, "revs/0/0", []byte("PLAIN\nEND\nENDREP\nid: 0.0.r0/17\ntype: dir\ncount: 0\n"+
			"text: 0 0 4 4 2d2977d1c96f487abe4a1e202dd03b4e\ncpath: /\n\n\n17 107\n"))
	}
	for rev := 1; rev <= 3; rev++ {
		put(t, r, fmt.Sprintf("revprops/0/%d", rev), props)
		put(t, r, fmt.Sprintf("revs/0/%d", rev), seed(t, fmt.Sprintf("revision-%s-%d", number, rev)))
	}
	if packed {
		put(t, r, "revs/0.pack/pack", seed(t, "pack-"+number))
		put(t, r, "min-unpacked-rev", []byte("4\n"))
	}
	r, err = Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// put replaces a file below db/.
func put(t testing.TB, r *Repository, name string, data []byte) {
	t.Helper()
	name = r.db(filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

const (
	physical = "6\nlayout sharded 4\n"
	logical  = "8\nlayout sharded 4\naddressing logical\n"
)

// readRevision reads what a revision has, up to a bound. What goes wrong has to be damage, and nothing may take
// for ever.
func readRevision(t *testing.T, r *Repository, rev svn.Revnum) (nodes int) {
	t.Helper()
	for node, err := range r.Walk(t.Context(), "", rev, "") {
		if err != nil {
			requireDamage(t, err)
			break
		}
		if nodes++; nodes > 100 {
			break
		}
		if node.Kind != svn.KindFile {
			continue
		}
		file, err := r.Open(t.Context(), node.Path, rev)
		if err != nil {
			requireDamage(t, err)
			continue
		}
		if _, err := io.CopyN(io.Discard, file, 1<<20); err != nil && !errors.Is(err, io.EOF) {
			requireDamage(t, err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range r.Log(t.Context(), rev, rev) {
		if err != nil {
			requireDamage(t, err)
		}
	}
	return nodes
}

func requireDamage(t *testing.T, err error) {
	t.Helper()
	if _, ok := errors.AsType[*CorruptError](err); ok {
		return
	}
	if _, ok := errors.AsType[*svn.NotFoundError](err); ok || errors.Is(err, fs.ErrNotExist) {
		return // a reference to what is not there
	}
	t.Fatalf("%T: %v", err, err)
}

// FuzzRevision replaces one revision of a repository that Subversion made.
func FuzzRevision(f *testing.F) {
	byOffset, byNumber := seeded(f, physical, false), seeded(f, logical, false)
	for _, format := range []int{1, 2, 3, 4, 6, 7, 8} {
		for rev := 1; rev <= 3; rev++ {
			f.Add(seed(f, fmt.Sprintf("revision-%d-%d", format, rev)), format >= 7, rev)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, logical bool, rev int) {
		if rev < 1 || rev > 3 {
			return
		}
		r := byOffset
		number := 6
		if logical {
			r, number = byNumber, 8
		}
		name := fmt.Sprintf("revs/0/%d", rev)
		put(t, r, name, data)
		for at := svn.Revnum(1); at <= 3; at++ {
			r.forget(0)
			readRevision(t, r, at)
		}
		put(t, r, name, seed(t, fmt.Sprintf("revision-%d-%d", number, rev)))
	})
}

// FuzzPack replaces the pack of a shard, its manifest, and those of the revision properties.
func FuzzPack(f *testing.F) {
	byOffset, byNumber := seeded(f, physical, true), seeded(f, logical, true)
	f.Add(false, seed(f, "pack-6"), seed(f, "manifest-6"), seed(f, "revprops-6"), seed(f, "revprops-manifest-6"))
	f.Add(false, seed(f, "pack-4"), seed(f, "manifest-4"), seed(f, "revprops-6"), seed(f, "revprops-manifest-6"))
	f.Add(true, seed(f, "pack-8"), []byte(""), seed(f, "revprops-6"), seed(f, "revprops-manifest-6"))
	f.Fuzz(func(t *testing.T, logical bool, pack, manifest, props, propsManifest []byte) {
		r := byOffset
		if logical {
			r = byNumber
		}
		put(t, r, "revs/0.pack/pack", pack)
		put(t, r, "revs/0.pack/manifest", manifest)
		put(t, r, "revprops/0.pack/1.0", props)
		put(t, r, "revprops/0.pack/manifest", propsManifest)
		r.forget(0)
		r.files.drop(func(fileKey) bool { return true })
		r.pages.dropIf(func(pageKey) bool { return true })
		r.items.dropIf(func(pageKey) bool { return true })
		for rev := svn.Revnum(0); rev <= 3; rev++ {
			readRevision(t, r, rev)
			if _, err := r.RevProps(t.Context(), rev); err != nil {
				requireDamage(t, err)
			}
		}
	})
}

// FuzzP2L reads an index whose checksum would be right.
func FuzzP2L(f *testing.F) {
	for _, name := range []string{"revision-7-1", "revision-8-3", "pack-8"} {
		data := seed(f, name)
		l2p, p2l := bytes.Index(data, []byte(l2pMagic)), bytes.Index(data, []byte(p2lMagic))
		f.Add(data[p2l:len(data)-1-int(data[len(data)-1])], int64(l2p))
	}
	f.Fuzz(func(t *testing.T, data []byte, size int64) {
		const base = 1000
		x, reason := parseP2L(data, base, size)
		if reason != "" {
			return
		}
		for i := range x.pages[1:] {
			from, to := x.pages[i]-base, x.pages[i+1]-base
			if from < 0 || to < from || to > int64(len(data)) {
				t.Fatalf("page %d of %d is from %d to %d of %d bytes", i, len(x.pages)-1, from, to, len(data))
			}
			items, ok := parseP2LPage(data[from:to], x.first)
			if ok && len(items) > len(data) {
				t.Fatalf("%d items in %d bytes", len(items), to-from)
			}
		}
	})
}

// TestSeeds sees that the fuzz tests begin with what can be read.
func TestSeeds(t *testing.T) {
	for _, tt := range []struct {
		format string
		packed bool
	}{{physical, false}, {logical, false}, {physical, true}, {logical, true}} {
		r := seeded(t, tt.format, tt.packed)
		if tt.packed && tt.format == physical {
			put(t, r, "revs/0.pack/manifest", seed(t, "manifest-6"))
		}
		if got := readRevision(t, r, 2); got != 3 {
			t.Errorf("format %.1s, packed %v: %d nodes", tt.format, tt.packed, got)
		}
		if got := readRevision(t, r, 3); got != 5 {
			t.Errorf("format %.1s, packed %v: r3 has %d nodes", tt.format, tt.packed, got)
		}
	}
}

// TestCircle has a directory that is its own child.
func TestCircle(t *testing.T) {
	r := seeded(t, physical, false)
	data := seed(t, "revision-3-1")
	root := data[bytes.LastIndexByte(data[:len(data)-1], '\n')+1:]
	root = root[:bytes.IndexByte(root, ' ')]
	at := bytes.LastIndex(data, []byte("\nK 1\nd\nV "))
	if at < 0 {
		at = bytes.LastIndex(data, []byte("K 1\nd\nV ")) - 1
	}
	start := at + 1
	end := start + bytes.Index(data[start:], []byte("END\n")) + 4
	old := bytes.Clone(data[start:end])
	child := bytes.Index(data[start:end], []byte(".r1/")) + start + 4
	digits := bytes.IndexByte(data[child:], '\n')
	if digits != len(root) {
		t.Fatalf("the offset of the root is %s, that of the directory has %d digits", root, digits)
	}
	copy(data[child:], root)
	data = bytes.Replace(data, []byte(hexMD5(old)), []byte(hexMD5(data[start:end])), 1)
	put(t, r, "revs/0/1", data)
	r.forget(0)
	nodes := 0
	for _, err := range r.Walk(t.Context(), "", 1, "") {
		if nodes++; nodes > 10 {
			t.Fatal("the walk does not end")
		}
		if err != nil {
			requireDamage(t, err)
		}
	}
	checked := 0
	err := r.Verify(t.Context(), 1, 1, func(_ svn.Revnum, err error) error {
		if checked++; err == nil {
			t.Error("verify finds nothing")
		}
		return nil
	})
	if err != nil || checked != 1 {
		t.Errorf("verify: %v", err)
	}
}
