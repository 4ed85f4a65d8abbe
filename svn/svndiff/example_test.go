package svndiff_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/havre-cloud/havre/svn/svndiff"
)

// A delta that makes a new version of a text out of an old one, window by window, and the way back.
func Example() {
	before := strings.Repeat("a line that stays\n", 20_000)
	after := strings.Replace(before, "stays", "changes", 1)

	// Both are cut at multiples of MaxView, as FSFS needs it.
	view := func(text string, offset int) []byte {
		return []byte(text[min(offset, len(text)):min(offset+svndiff.MaxView, len(text))])
	}
	var differ svndiff.Differ
	delta := svndiff.AppendHeader(nil, svndiff.V2)
	for offset := 0; offset < len(after); offset += svndiff.MaxView {
		var w svndiff.Window
		differ.Diff(&w, view(before, offset), view(after, offset))
		w.SourceOffset = int64(min(offset, len(before)))
		var err error
		if delta, err = svndiff.AppendWindow(delta, svndiff.V2, &w); err != nil {
			panic(err)
		}
	}

	var made []byte
	d := svndiff.NewDecoder(bytes.NewReader(delta))
	for {
		w, err := d.ReadWindow()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			panic(err)
		}
		target, err := w.Apply(view(before, int(w.SourceOffset)), nil)
		if err != nil {
			panic(err)
		}
		made = append(made, target...)
	}
	fmt.Println(len(after), "bytes out of a delta of less than 150:", len(delta) < 150)
	fmt.Println("the same:", string(made) == after)
	// Output:
	// 360002 bytes out of a delta of less than 150: true
	// the same: true
}

// A window as people write it by hand: what the source has, turned around, and something new.
func ExampleWindow_Apply() {
	w := svndiff.Window{
		SourceLen: 10, TargetLen: 14,
		Ops: []svndiff.Op{
			{Kind: svndiff.OpSource, Offset: 5, Length: 5},
			{Kind: svndiff.OpNew, Length: 2},
			{Kind: svndiff.OpSource, Offset: 0, Length: 4},
			{Kind: svndiff.OpTarget, Offset: 5, Length: 3}, // of what was made so far
		},
		NewData: []byte(", "),
	}
	target, err := w.Apply([]byte("helloworld"), nil)
	fmt.Printf("%q %v\n", target, err)
	// Output: "world, hell, h" <nil>
}

// Damage is an error that says where, and never a wrong text.
func ExampleDecoder() {
	delta := []byte("SVN\x00\x00\x00\x05\x01\x05\x85hell!") // one window: five bytes of new data
	_, err := svndiff.NewDecoder(bytes.NewReader(delta)).ReadWindow()
	fmt.Println(err)
	delta[8] = 4 // the new data would have four bytes
	_, err = svndiff.NewDecoder(bytes.NewReader(delta)).ReadWindow()
	damage, _ := errors.AsType[*svndiff.CorruptError](err)
	fmt.Println(damage.Offset, damage.Reason)
	// Output:
	// <nil>
	// 4 instruction 0 (kind 2, offset 0, length 5): it reads more new data than there is
}
