package fsfs

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/svn"
)

var newest = format{number: 8, shard: 1000, logical: true}

func TestParseFormat(t *testing.T) {
	tests := []struct {
		name, text string
		want       format
		ok         bool
	}{
		{"what svnadmin makes", "8\nlayout sharded 1000\naddressing logical\n", newest, true},
		{"upgraded from 6", "8\nlayout sharded 1000\naddressing physical\n", format{number: 8, shard: 1000}, true},
		{"linear", "4\nlayout linear\n", format{number: 4}, true},
		{"bare", "2\n", format{number: 2}, true},
		{"defaults of 3", "3\n", format{number: 3}, true},
		{"never released", "5\n", format{}, false},
		{"of the future", "9\nlayout sharded 1000\naddressing logical\n", format{}, false},
		{"unknown option", "8\nlayout sharded 1000\naddressing logical\nvoid\n", format{}, false},
		{"logical and linear", "8\nlayout linear\naddressing logical\n", format{}, false},
		{"empty shards", "8\nlayout sharded 0\n", format{}, false},
		{"option before its time", "6\naddressing logical\n", format{}, false},
		{"garbage", "eight\n", format{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, reason := parseFormat(tt.text)
			if ok := reason == ""; ok != tt.ok || ok && got != tt.want {
				t.Errorf("got %+v, %q", got, reason)
			}
			if tt.ok && tt.name == "what svnadmin makes" && got.String() != tt.text {
				t.Errorf("written as %q", got.String())
			}
		})
	}
}

func FuzzNodeRev(f *testing.F) {
	f.Add([]byte("id: 0-1.0.r1/6\ntype: file\ncount: 0\ntext: 1 3 210084 288894 c1d4ba52c72ac7bcc71ff2d6c083e684 5123787c62c8aed835c335b52f1891a5220dffea 0-0/_2\ncpath: /big\ncopyroot: 0 /\n"))
	f.Add([]byte("id: 3-1.0-2.r2/7\ntype: dir\npred: 3-1.0.r1/9\ncount: 1\ntext: 2 6 70 60 41e5ab86a0943b389424e705a3c012fd - -\nprops: 2 3 44 32 691f44cb8a5617ed24acfc9868e23e0e - 1-1/_5\ncpath: /d2\ncopyfrom: 1 /d1\nminfo-cnt: 1\nminfo-here: y\n"))
	f.Add([]byte("id: 0.0.r0/2\ntype: dir\ncount: 0\ntext: 0 3 4 4 2d2977d1c96f487abe4a1e202dd03b4e\ncpath: /\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		n, reason := parseNodeRev(text)
		if reason != "" {
			return
		}
		written := n.append(nil, newest)
		again, reason := parseNodeRev(bytes.TrimSuffix(written, []byte("\n")))
		if reason != "" {
			t.Fatalf("%q, written as %q, is not read back: %s", text, written, reason)
		}
		if diff := cmp.Diff(again.append(nil, newest), written); diff != "" {
			t.Errorf("%q (-again +written):\n%s", text, diff)
		}
	})
}

func FuzzRepHeader(f *testing.F) {
	for _, s := range []string{"PLAIN", "DELTA", "DELTA 1 12 88", "DELTA 1 12", "DELTA -1 0 0", ""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		h, ok := parseRepHeader(line)
		if !ok {
			return
		}
		if got := h.append(nil); string(got) != string(line)+"\n" {
			t.Errorf("%q is written as %q", line, got)
		}
	})
}

func FuzzChange(f *testing.F) {
	f.Add([]byte("3-1._0.t1-1 add-dir false false false /d2"), []byte("1 /d1"))
	f.Add([]byte("3-1.0.r1/1 modify-file true true /a b"), []byte(""))
	f.Add([]byte("0.0.t1-1 delete false false /"), []byte(""))
	f.Fuzz(func(t *testing.T, line, from []byte) {
		c, ok := parseChange(line, from)
		if !ok || bytes.ContainsRune(line, '\n') || bytes.ContainsRune(from, '\n') || c.Kind == svn.KindNone {
			return
		}
		written := bytes.Split(c.append(nil, newest), []byte{'\n'})
		again, ok := parseChange(written[0], written[1])
		if !ok {
			t.Fatalf("%q, written as %q, is not read back", line, written)
		}
		if diff := cmp.Diff(again.PathChange, c.PathChange); diff != "" {
			t.Errorf("%q (-again +first):\n%s", line, diff)
		}
	})
}

func FuzzHashDump(f *testing.F) {
	f.Add([]byte("K 3\nabc\nV 0\n\nEND\n"))
	f.Add([]byte("END\n"))
	f.Add([]byte("K 99999999999\nabc\nEND\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, reason := parseProps(text)
		if reason != "" {
			return
		}
		again, reason := parseProps(encodeProps(p))
		if diff := cmp.Diff(again, p); diff != "" || reason != "" {
			t.Errorf("%s (-again +first):\n%s", reason, diff)
		}
	})
}

func FuzzDirectory(f *testing.F) {
	f.Add([]byte("K 1\nb\nV 14\nfile 0-1.0.r1/6\nK 1\na\nV 14\nfile 0-1.0.r1/6\nEND\n"))
	f.Add([]byte("K 1\na\nV 15\nfile 0-1.0.r1/6\nK 1\nb\nV 14\ndir 0-1.0.r1/6\nEND\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		dir, reason := parseDirectory(bytes.Clone(text))
		if reason != "" {
			return
		}
		if dir.exact && !bytes.Equal(dir.text, text) {
			t.Error("the text of an exact directory is not what was read")
		}
		for i := range dir.len() {
			if j, found := dir.find(string(dir.name(i))); !found || j != i {
				t.Errorf("entry %d is found at %d, %v", i, j, found)
			}
		}
		if got := dir.apply(nil); !bytes.Equal(got.text, dir.text) {
			t.Errorf("without a change it becomes %q", got.text)
		}
	})
}

func FuzzL2P(f *testing.F) {
	f.Add(appendL2P(nil, 7, []int64{-1, 100, 50, 0, -1, 70}))
	f.Fuzz(func(t *testing.T, data []byte) {
		x, reason := parseL2P(data, 0)
		if reason != "" {
			return
		}
		for _, p := range x.pages {
			_, _ = parseL2PPage(data[p.offset:p.offset+int64(p.size)], int(p.entries))
		}
	})
}

func FuzzRevPropPack(f *testing.F) {
	f.Add([]byte("\x0c1\n2\n4\n4\n\nEND\nEND\n"), int64(2))
	f.Fuzz(func(_ *testing.T, data []byte, rev int64) {
		_, _ = parseRevPropPack(data, svn.Revnum(rev))
	})
}

// TestIndexes writes indexes of several pages and reads them back.
func TestIndexes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{3, 4, l2pPage - 1, l2pPage, l2pPage + 1, 3*l2pPage + 7} {
		offsets := make([]int64, n)
		for i := range offsets {
			offsets[i] = rng.Int64N(1<<40) - 1
		}
		data := appendL2P(nil, 7, offsets)
		x, reason := parseL2P(data, 0)
		if reason != "" {
			t.Fatalf("%d items: %s", n, reason)
		}
		var got [][]int64 // by page
		for _, p := range x.pages {
			entries, ok := parseL2PPage(data[p.offset:p.offset+int64(p.size)], int(p.entries))
			if !ok {
				t.Fatalf("%d items: a page cannot be read", n)
			}
			got = append(got, entries)
		}
		for i, want := range offsets {
			page, entry, ok := x.page(itemID{7, int64(i)})
			if !ok {
				t.Fatalf("%d items: item %d is not there", n, i)
			}
			if got[page][entry] != want {
				t.Fatalf("%d items: item %d is at %d, want %d", n, i, got[page][entry], want)
			}
		}
		if _, _, ok := x.page(itemID{7, int64(n)}); ok {
			t.Errorf("%d items: there is one more", n)
		}
	}
}

// TestItemSum compares the checksum with a plain one, whatever pieces the bytes come in.
func TestItemSum(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for n := range 40 {
		data := make([]byte, n)
		for i := range data {
			data[i] = byte(rng.Uint32())
		}
		want := plainItemSum(data)
		s := newItemSum()
		for rest := data; len(rest) > 0; {
			k := 1 + rng.IntN(len(rest))
			s.write(rest[:k])
			rest = rest[k:]
		}
		if got := s.sum(); got != want {
			t.Errorf("%d bytes: got %#x, want %#x", n, got, want)
		}
	}
}

func plainItemSum(data []byte) uint32 {
	hash := func(p []byte) uint32 {
		h := uint32(2166136261)
		for _, c := range p {
			h = (h ^ uint32(c)) * 16777619
		}
		return h
	}
	whole := len(data) / 4 * 4
	var lanes [4][]byte
	for i, c := range data[:whole] {
		lanes[i%4] = append(lanes[i%4], c)
	}
	var all []byte
	for _, lane := range lanes {
		all = binary.BigEndian.AppendUint32(all, hash(lane))
	}
	return hash(append(all, data[whole:]...))
}
