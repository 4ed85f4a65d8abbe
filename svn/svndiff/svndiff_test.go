package svndiff_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/svn/svndiff"
)

var versions = []svndiff.Version{svndiff.V0, svndiff.V1, svndiff.V2}

func randomBytes(seed uint64, n int) []byte {
	rng := rand.New(rand.NewPCG(seed, 0))
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(rng.Uint32())
	}
	return p
}

func text(seed uint64, n int) []byte {
	words := []string{"harbour", "tide", "quay", "anchor", "rope", "pilot", "42", "\n"}
	rng := rand.New(rand.NewPCG(seed, 1))
	var b bytes.Buffer
	for b.Len() < n {
		b.WriteString(words[rng.IntN(len(words))])
		b.WriteByte(' ')
	}
	return b.Bytes()[:n]
}

func insert(p []byte, at int, what []byte) []byte {
	return append(append(bytes.Clone(p[:at]), what...), p[at:]...)
}

func encode(t *testing.T, v svndiff.Version, windows ...*svndiff.Window) []byte {
	t.Helper()
	p := svndiff.AppendHeader(nil, v)
	for _, w := range windows {
		var err error
		if p, err = svndiff.AppendWindow(p, v, w); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func TestDiffRoundTrip(t *testing.T) {
	const view = svndiff.MaxView
	noise, prose := randomBytes(1, view), text(2, view)
	tests := []struct {
		name           string
		source, target []byte
		minCopied      int // bytes that have to come from the source
		maxOps         int
	}{
		{"both empty", nil, nil, 0, 0},
		{"new", nil, prose, 0, 1},
		{"emptied", prose, nil, 0, 0},
		{"equal", noise, noise, view, 1},
		{"unrelated", noise, prose, 0, 5},
		{"one byte changed", prose, append(insert(prose[:500], 500, []byte("#")), prose[501:]...), view - 1, 3},
		{"first byte changed", noise, append([]byte{noise[0] ^ 1}, noise[1:]...), view - 1, 2},
		{"last byte changed", noise, append(bytes.Clone(noise[:view-1]), noise[view-1]^1), view - 1, 2},
		{"inserted", noise[:1000], insert(noise[:1000], 500, []byte("hello")), 1000, 3},
		{"removed", noise[:1000], append(bytes.Clone(noise[:300]), noise[400:1000]...), 900, 2},
		{"two halves exchanged", noise[:2000], append(bytes.Clone(noise[1000:2000]), noise[:1000]...), 1900, 6},
		{"prepended, cut at the end", noise, insert(noise, 0, []byte("hello"))[:view], view - 70, 3},
		{"grown from part of a block", noise[:10], noise[:5000], 10, 2},
		{"zeros", make([]byte, view), make([]byte, view/2), view / 2, 1},
		{"repetition", bytes.Repeat([]byte("ab"), 1000), bytes.Repeat([]byte("ab"), 3000), 2000, 50},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var d svndiff.Differ
			w := svndiff.Window{SourceOffset: 7 * view}
			for range 2 { // the second time with what the first left behind
				d.Diff(&w, tt.source, tt.target)
			}
			if got := w.CopiedFromSource(); got < tt.minCopied {
				t.Errorf("copied %d bytes from the source, want at least %d", got, tt.minCopied)
			}
			if len(w.Ops) > tt.maxOps {
				t.Errorf("%d instructions, want at most %d: %+v", len(w.Ops), tt.maxOps, w.Ops)
			}
			checkRoundTrip(t, &w, tt.source, tt.target)
		})
	}
}

// checkRoundTrip checks that w makes target out of source, and does so after being encoded
// and decoded in each version.
func checkRoundTrip(t *testing.T, w *svndiff.Window, source, target []byte) {
	t.Helper()
	got, err := w.Apply(source, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, target) {
		t.Fatalf("applied: got %d bytes, want %d, or they differ", len(got), len(target))
	}
	for _, v := range versions {
		encoded := encode(t, v, w, w)
		d := svndiff.NewDecoder(iotest.OneByteReader(bytes.NewReader(encoded)))
		if got, err := d.Version(); got != v || err != nil {
			t.Fatalf("version: got %d, %v, want %d", got, err, v)
		}
		for range 2 {
			decoded, err := d.ReadWindow()
			if err != nil {
				t.Fatalf("version %d: %v", v, err)
			}
			requireSameWindow(t, decoded, w)
		}
		if _, err := d.ReadWindow(); !errors.Is(err, io.EOF) {
			t.Fatalf("version %d, after the last window: got %v, want EOF", v, err)
		}
		if raw := len(encode(t, svndiff.V0, w, w)); len(encoded) > raw+2*2*3 {
			t.Errorf("version %d takes %d bytes, version 0 %d", v, len(encoded), raw)
		}
	}
}

// requireSameWindow is quick, where cmp would look at each byte by itself.
func requireSameWindow(t *testing.T, got, want *svndiff.Window) {
	t.Helper()
	if got.SourceOffset != want.SourceOffset || got.SourceLen != want.SourceLen || got.TargetLen != want.TargetLen {
		t.Fatalf("got views %d+%d and %d, want %d+%d and %d",
			got.SourceOffset, got.SourceLen, got.TargetLen, want.SourceOffset, want.SourceLen, want.TargetLen)
	}
	if !slices.Equal(got.Ops, want.Ops) {
		t.Fatalf("instructions (-got +want):\n%s", cmp.Diff(got.Ops, want.Ops))
	}
	if !bytes.Equal(got.NewData, want.NewData) {
		t.Fatalf("got new data of %d bytes, want %d, or they differ", len(got.NewData), len(want.NewData))
	}
}

func TestCompression(t *testing.T) {
	w := &svndiff.Window{TargetLen: 50000, NewData: text(1, 50000), Ops: []svndiff.Op{{Kind: svndiff.OpNew, Length: 50000}}}
	for _, v := range versions[1:] {
		if got := len(encode(t, v, w)); got > 30000 {
			t.Errorf("version %d stores 50000 bytes of repetitive text in %d", v, got)
		}
	}
}

func TestTargetCopies(t *testing.T) {
	w := &svndiff.Window{TargetLen: 1000, NewData: []byte("abc"), Ops: []svndiff.Op{
		{Kind: svndiff.OpNew, Length: 3},
		{Kind: svndiff.OpTarget, Offset: 0, Length: 996},
		{Kind: svndiff.OpTarget, Offset: 1, Length: 1},
	}}
	checkRoundTrip(t, w, nil, []byte(strings.Repeat("abc", 333)+"b"))
}

func TestSkipWindow(t *testing.T) {
	var windows []*svndiff.Window
	for i := range 5 {
		p := randomBytes(uint64(i), 30000)
		windows = append(windows, &svndiff.Window{
			SourceOffset: int64(i), TargetLen: len(p), NewData: p, Ops: []svndiff.Op{{Kind: svndiff.OpNew, Length: len(p)}},
		})
	}
	encoded := encode(t, svndiff.V2, windows...)
	readers := map[string]func([]byte) io.Reader{
		"seekable":     func(p []byte) io.Reader { return bytes.NewReader(p) },
		"not seekable": func(p []byte) io.Reader { return iotest.HalfReader(bytes.NewReader(p)) },
	}
	for name, open := range readers {
		t.Run(name, func(t *testing.T) {
			d := svndiff.NewDecoder(open(encoded))
			for i := range 4 {
				h, err := d.Next()
				if err != nil || h.SourceOffset != int64(i) || h.TargetLen != 30000 {
					t.Fatalf("window %d: got %+v, %v", i, h, err)
				}
				if err := d.SkipWindow(); err != nil {
					t.Fatal(err)
				}
			}
			w, err := d.ReadWindow()
			if err != nil {
				t.Fatal(err)
			}
			requireSameWindow(t, w, windows[4])
			if err := d.SkipWindow(); !errors.Is(err, io.EOF) {
				t.Errorf("after the last: got %v, want EOF", err)
			}

			d.Reset(open(encoded[:len(encoded)-1]))
			for range 4 {
				if err := d.SkipWindow(); err != nil {
					t.Fatal(err)
				}
			}
			if err := d.SkipWindow(); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("truncated: got %v, want %v", err, io.ErrUnexpectedEOF)
			}
		})
	}
}

// TestTruncated cuts a delta at each byte: that is the end only between windows.
func TestTruncated(t *testing.T) {
	source := randomBytes(1, 300)
	var d svndiff.Differ
	var w svndiff.Window
	d.Diff(&w, source, insert(source, 100, []byte("hello")))
	for _, v := range versions {
		one, two := encode(t, v, &w), encode(t, v, &w, &w)
		for n := range two {
			d := svndiff.NewDecoder(bytes.NewReader(two[:n]))
			var err error
			for err == nil {
				_, err = d.ReadWindow()
			}
			want := io.ErrUnexpectedEOF
			if n == svndiff.HeaderSize || n == len(one) {
				want = io.EOF
			}
			if !errors.Is(err, want) {
				t.Errorf("version %d, %d of %d bytes: got %v, want %v", v, n, len(two), err, want)
			}
			if _, again := d.ReadWindow(); !errors.Is(again, want) {
				t.Errorf("version %d, %d bytes, again: got %v, want %v", v, n, again, want)
			}
		}
	}
}

func TestCorrupt(t *testing.T) {
	huge := "\xff\xff\xff\xff\xff\xff\xff\xff\x7f" // the largest int64
	tests := []struct {
		name, delta, want string
	}{
		{"no header", "PLAIN\n", "not the header"},
		{"version 3", "SVN\x03", "not the header"},
		{"integer too large", "SVN\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x00\x00\x00\x00", "too large"},
		{"integer too long", "SVN\x00\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00\x00\x00\x00", "too large"},
		{"source view", "SVN\x00\x00\x86\xa0\x01\x00\x00\x00", "source view has 102401"},
		{"target view", "SVN\x00\x00\x00\x86\xa0\x01\x00\x00", "target view has 102401"},
		{"source offset", "SVN\x00" + huge + "\x01\x00\x00\x00", "source view begins"},
		{"instructions", "SVN\x00\x00\x00\x00" + huge + "\x00", "the instructions have"},
		{"data", "SVN\x00\x00\x00\x00\x00" + huge, "the new data has"},
		{"source copy outside", "SVN\x00\x00\x02\x02\x02\x00\x02\x01", "outside of the source view"},
		{"source offset outside", "SVN\x00\x00\x02\x02\x02\x00\x02\x03", "outside of the source view"},
		{"target copy before anything", "SVN\x00\x00\x00\x02\x02\x00\x42\x00", "not made yet"},
		{"target copy ahead", "SVN\x00\x00\x00\x03\x03\x01\x81\x42\x01a", "not made yet"},
		{"kind 3", "SVN\x00\x00\x00\x02\x01\x00\xc2", "no such kind"},
		{"nothing made", "SVN\x00\x00\x00\x02\x02\x00\x80\x00", "makes nothing"},
		{"instruction cut", "SVN\x00\x00\x00\x02\x01\x00\x80", "incomplete"},
		{"too little data", "SVN\x00\x00\x00\x02\x01\x01\x82a", "more new data"},
		{"data left", "SVN\x00\x00\x00\x02\x01\x03\x82abc", "use 2 bytes of new data, there are 3"},
		{"target too long", "SVN\x00\x00\x00\x01\x01\x02\x82ab", "more than the target view"},
		{"target too short", "SVN\x00\x00\x00\x03\x01\x02\x82ab", "make 2 bytes"},
		{"section without length", "SVN\x01\x00\x00\x00\x00\x00", "begin with its length"},
		{"section too long", "SVN\x02\x00\x00\x00\x02\x03\x01\x82\x86\xa0\x01", "a section expands to 102401"},
		{"section empty", "SVN\x02\x00\x00\x00\x02\x02\x01\x82\xff\x7f", "does not expand to 16383"},
		{"bad zlib", "SVN\x01\x00\x00\x05\x02\x04\x01\x85\x05xyz", "does not expand to 5"},
		{"bad lz4", "SVN\x02\x00\x00\x05\x02\x04\x01\x85\x05xyz", "does not expand to 5"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := svndiff.NewDecoder(strings.NewReader(tt.delta))
			_, err := d.ReadWindow()
			corrupt, ok := errors.AsType[*svndiff.CorruptError](err)
			if !ok {
				t.Fatalf("got %v, want a CorruptError", err)
			}
			if !strings.Contains(corrupt.Reason, tt.want) {
				t.Errorf("got %q, want %q in it", corrupt.Reason, tt.want)
			}
		})
	}
}

func TestInvalidWindow(t *testing.T) {
	tests := []struct {
		name   string
		window svndiff.Window
		source int
	}{
		{"source shorter than its view", svndiff.Window{SourceLen: 5, TargetLen: 1, Ops: []svndiff.Op{{Length: 1}}}, 4},
		{"negative offset", svndiff.Window{SourceLen: 5, TargetLen: 1, Ops: []svndiff.Op{{Offset: -1, Length: 1}}}, 5},
		{"negative length", svndiff.Window{SourceLen: 5, TargetLen: 1, Ops: []svndiff.Op{{Length: -1}}}, 5},
		{"view too large", svndiff.Window{SourceLen: svndiff.MaxView + 1}, svndiff.MaxView + 1},
		{"target too long", svndiff.Window{TargetLen: 1}, 0},
		{"unused data", svndiff.Window{NewData: []byte("a")}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tt.window.Apply(make([]byte, tt.source), nil)
			if _, ok := errors.AsType[*svndiff.CorruptError](err); !ok {
				t.Errorf("got %v, want a CorruptError", err)
			}
		})
	}
	w := svndiff.Window{TargetLen: 1}
	if _, err := svndiff.AppendWindow(nil, svndiff.V2, &w); err == nil {
		t.Error("AppendWindow took an invalid window")
	}
	if _, err := svndiff.AppendWindow(nil, 3, &svndiff.Window{}); err == nil {
		t.Error("AppendWindow took version 3")
	}
}

// TestApplyReuse checks that a target with enough room is used, and one without is left alone.
func TestApplyReuse(t *testing.T) {
	w := svndiff.Window{TargetLen: 3, NewData: []byte("abc"), Ops: []svndiff.Op{{Kind: svndiff.OpNew, Length: 3}}}
	buf := []byte("xxxxx")
	got, err := w.Apply(nil, buf)
	if err != nil || string(got) != "abc" || &got[0] != &buf[0] {
		t.Errorf("got %q, %v in another slice or wrong", got, err)
	}
	small := []byte("xx")
	got, err = w.Apply(nil, small[:1:2])
	if err != nil || string(got) != "abc" || string(small) != "xx" {
		t.Errorf("got %q, %v, and %q of the slice that is too small", got, err, small)
	}
}
