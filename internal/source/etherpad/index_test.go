package etherpad

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestIndex(t *testing.T) {
	for _, name := range []string{"demo.etherpad", "long.etherpad", "group-public.etherpad"} {
		b := sample(t, "2.5.3", name)
		d := open(t, b)
		var index bytes.Buffer
		if err := d.WriteIndex(&index); err != nil {
			t.Fatal(err)
		}
		got, err := OpenIndexed(bytes.NewReader(b), int64(len(b)), bytes.NewReader(index.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		if got.Name() != d.Name() || got.Head() != d.Head() || got.ChatHead() != d.ChatHead() {
			t.Error(got.Name(), got.Head(), got.ChatHead())
		}
		if diff := cmp.Diff(slices.Collect(d.Changes(0, 500)), slices.Collect(got.Changes(0, 500))); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(d.Authors(), got.Authors()); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(d.Saved(), got.Saved()); diff != "" {
			t.Error(diff)
		}
		for rev := range d.Head() + 1 {
			want, err1 := d.TextAt(rev)
			text, err2 := got.TextAt(rev)
			if err := errors.Join(err1, err2); err != nil || text != want {
				t.Fatalf("revision %d: %q, want %q: %v", rev, text, want, err)
			}
		}

		other := slices.Clone(b)
		other[len(b)-3] ^= 1
		for what, test := range map[string]struct{ file, index []byte }{
			"another file":     {other, index.Bytes()},
			"a longer file":    {append(slices.Clone(b), ' '), index.Bytes()},
			"a damaged index":  {b, append(slices.Clone(index.Bytes()[:index.Len()-6]), 1, 2, 3, 4, 5, 6)},
			"half an index":    {b, index.Bytes()[:index.Len()/2]},
			"no index":         {b, nil},
			"an index of text": {b, []byte(strings.Repeat("x", 1000))},
		} {
			if _, err := OpenIndexed(bytes.NewReader(test.file), int64(len(test.file)), bytes.NewReader(test.index)); !errors.Is(err, ErrIndex) {
				t.Errorf("%s of %s: %v", what, name, err)
			}
		}
	}
}

func TestRewrite(t *testing.T) {
	const name = "r.147db530583decd176cce1e8a8626e80"
	b := sample(t, "1.8.14", "readonly-export.etherpad")
	d := open(t, b)
	if d.Name() != "demo" {
		t.Fatalf("the sample is of %q", d.Name())
	}
	all := append(records(t, b), `"comments:demo":{"padId":"demo","demo":[{"url":"https://x/p/demo#c","word":"democracy"}],"q":"\"demo\" demo demo"}`, `"pad:demo:ep_x":1`)
	b = []byte("{" + strings.Join(all, ",") + "}")
	d = open(t, b)
	var out bytes.Buffer
	if err := d.Rewrite(&out, name); err != nil {
		t.Fatal(err)
	}
	got := open(t, out.Bytes())
	if got.Name() != name || got.Head() != d.Head() || got.ChatHead() != d.ChatHead() || len(got.Authors()) != 3 {
		t.Error(got.Name(), got.Head(), got.ChatHead(), got.Authors())
	}
	if rest := strings.ReplaceAll(out.String(), "democracy", ""); strings.Contains(rest, "demo") {
		t.Error("the name is still there:", rest[strings.Index(rest, "demo"):])
	}
	var kept []string
	for _, r := range all {
		kept = append(kept, strings.ReplaceAll(strings.ReplaceAll(r, "demo", name), name+"cracy", "democracy"))
	}
	if diff := cmp.Diff(kept, records(t, out.Bytes())); diff != "" {
		t.Error(diff)
	}
}

func FuzzOpenIndexed(f *testing.F) {
	b := sample(f, "2.5.3", "demo.etherpad")
	var index bytes.Buffer
	if err := open(f, b).WriteIndex(&index); err != nil {
		f.Fatal(err)
	}
	f.Add(index.Bytes()[:index.Len()-4])
	f.Fuzz(func(t *testing.T, index []byte) {
		index = binary.LittleEndian.AppendUint32(slices.Clone(index), crc32.ChecksumIEEE(index))
		d, err := OpenIndexed(bytes.NewReader(b), int64(len(b)), bytes.NewReader(index))
		if err != nil {
			return
		}
		// It is believed, but it must not be able to do more than give errors.
		for rev := range d.Head() + 1 {
			_, _ = d.TextAt(rev)
		}
	})
}
