package svndiff_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/havre-cloud/havre/svn/svndiff"
)

func BenchmarkDiff(b *testing.B) {
	const view = svndiff.MaxView
	noise := randomBytes(1, view)
	benchmarks := []struct {
		name           string
		source, target []byte
	}{
		{"equal", noise, bytes.Clone(noise)},
		{"one byte changed", noise, append(insert(noise[:500], 500, []byte("#")), noise[501:]...)},
		{"shifted", noise, insert(noise, 0, randomBytes(3, 1000))[:view]},
		{"unrelated", noise, randomBytes(2, view)},
		{"unrelated text", text(1, view), text(2, view)},
	}
	for _, bm := range benchmarks {
		b.Run(bm.name, func(b *testing.B) {
			var d svndiff.Differ
			var w svndiff.Window
			b.SetBytes(int64(len(bm.target)))
			b.ReportAllocs()
			for b.Loop() {
				d.Diff(&w, bm.source, bm.target)
			}
		})
	}
}

var contents = []struct {
	name string
	data []byte
}{
	{"random", randomBytes(1, svndiff.MaxView)},
	{"text", text(1, svndiff.MaxView)},
}

func newData(p []byte) *svndiff.Window {
	return &svndiff.Window{TargetLen: len(p), NewData: p, Ops: []svndiff.Op{{Kind: svndiff.OpNew, Length: len(p)}}}
}

func BenchmarkEncode(b *testing.B) {
	for _, c := range contents {
		for _, v := range versions {
			b.Run(fmt.Sprintf("%s/svndiff%d", c.name, v), func(b *testing.B) {
				w := newData(c.data)
				var dst []byte
				b.SetBytes(int64(len(c.data)))
				b.ReportAllocs()
				for b.Loop() {
					dst, _ = svndiff.AppendWindow(dst[:0], v, w)
				}
			})
		}
	}
}

func BenchmarkDecodeAndApply(b *testing.B) {
	for _, c := range contents {
		for _, v := range versions {
			b.Run(fmt.Sprintf("%s/svndiff%d", c.name, v), func(b *testing.B) {
				p, err := svndiff.AppendWindow(svndiff.AppendHeader(nil, v), v, newData(c.data))
				if err != nil {
					b.Fatal(err)
				}
				d := svndiff.NewDecoder(nil)
				r := bytes.NewReader(nil)
				var target []byte
				b.SetBytes(int64(len(c.data)))
				b.ReportAllocs()
				for b.Loop() {
					r.Reset(p)
					d.Reset(r)
					w, err := d.ReadWindow()
					if err != nil {
						b.Fatal(err)
					}
					if target, err = w.Apply(nil, target); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
