package fsfs

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/havre-cloud/havre/svn"
)

// FuzzSection packs property lists and reads them back.
func FuzzSection(f *testing.F) {
	f.Add([]byte(""), true)
	f.Add(bytes.Repeat([]byte("K 7\nsvn:log\nV 3\nabc\nEND\n"), 100), true)
	f.Add(bytes.Repeat([]byte{0x80}, 200), false)
	f.Fuzz(func(t *testing.T, plain []byte, compress bool) {
		section, err := sectionOf(bytes.Clone(plain), compress)
		if err != nil {
			t.Fatal(err)
		}
		got, want := expandSection(section)
		if want != "" || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes came back as %d: %s", len(plain), len(got), want)
		}
	})
}

// FuzzPackRevision packs a revision with indexes of which only the checksums are right. Either that is
// damage, or what comes out has the same items.
func FuzzPackRevision(f *testing.F) {
	dir := filepath.Join(f.TempDir(), "r")
	r, err := Create(dir, CreateOptions{})
	if err != nil {
		f.Fatal(err)
	}
	if _, err := r.Commit(context.Background(), &svn.Commit{Changes: []svn.Change{
		{Op: svn.OpMkdir, Path: "d", Base: -1, Props: svn.Props{"a": "b"}}, {Op: svn.OpPut, Path: "d/f", Base: -1},
	}}); err != nil {
		f.Fatal(err)
	}
	data, err := os.ReadFile(r.db("revs", "0", "1"))
	if err != nil {
		f.Fatal(err)
	}
	l2p, p2l := bytes.Index(data, []byte(l2pMagic)), bytes.Index(data, []byte(p2lMagic))
	end := len(data) - 1 - int(data[len(data)-1])
	_ = r.Close()
	f.Add(data[:l2p], data[l2p:p2l], data[p2l:end], int64(1))
	f.Add(data[:l2p], data[l2p:p2l], data[p2l:end], int64(1<<20))
	f.Fuzz(func(t *testing.T, items, l2p, p2l []byte, batch int64) {
		if err := r.writeRevision(1, items, l2p, p2l); err != nil {
			t.Fatal(err)
		}
		r, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		p := &revPacker{repo: r, first: 1, end: 2, batch: batch, done: func(os.FileInfo) {}}
		defer p.discard()
		err = p.run(t.Context(), true)
		if _, damaged := errors.AsType[*CorruptError](err); damaged {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		from, err := r.acquire(1)
		if err != nil {
			t.Fatal(err)
		}
		defer from.release()
		size := p.out.size
		out, err := os.Open(p.out.file.Name())
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		to, err := r.newRevFile(out, size, fileKey{rev: 0, packed: true}, *r.format.Load())
		if err != nil {
			t.Fatal(err)
		}
		for e, err := range r.itemsOf(from, 1) {
			if err != nil {
				t.Fatal(err)
			}
			if e.kind == itemUnused {
				continue
			}
			at, err := r.offset(to, itemID{1, e.item})
			if err != nil {
				t.Fatal(err)
			}
			got, err := r.readItem(to, itemID{1, e.item}, at, 1<<30)
			if want := items[e.offset : e.offset+e.size]; err != nil || !bytes.Equal(got, want) {
				t.Errorf("item %d is %q, %v; want %q", e.item, got, err, want)
			}
		}
	})
}
