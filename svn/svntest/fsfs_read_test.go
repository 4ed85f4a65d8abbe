package svntest

import (
	"bytes"
	"strings"
	"testing"

	"github.com/havre-cloud/havre/svn/svndiff"
)

func TestApplyWindows(t *testing.T) {
	base := bytes.Repeat([]byte("0123456789"), 12000)
	copyAll := func(offset, length int) svndiff.Window {
		return svndiff.Window{
			SourceOffset: int64(offset), SourceLen: length, TargetLen: length,
			Ops: []svndiff.Op{{Kind: svndiff.OpSource, Length: length}},
		}
	}
	shortView := copyAll(0, svndiff.MaxView)
	shortView.SourceLen--
	shortView.Ops[0].Length--
	shortView.TargetLen--
	tests := []struct {
		name    string
		windows []svndiff.Window
		want    string // "" for none
	}{
		{"as libsvn wants it", []svndiff.Window{copyAll(0, svndiff.MaxView), copyAll(svndiff.MaxView, 120000-svndiff.MaxView)}, ""},
		{"small first window", []svndiff.Window{shortView, copyAll(svndiff.MaxView-1, 10)}, "window 0 says"},
		{"wrong source offset", []svndiff.Window{copyAll(1, svndiff.MaxView)}, "window 0 says"},
		{"source not said", []svndiff.Window{{TargetLen: 1, NewData: []byte("a"), Ops: []svndiff.Op{{Kind: svndiff.OpNew, Length: 1}}}}, "window 0 says"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body := svndiff.AppendHeader(nil, svndiff.V2)
			for i := range tt.windows {
				var err error
				body, err = svndiff.AppendWindow(body, svndiff.V2, &tt.windows[i])
				must(t, err)
			}
			got, err := applyWindows(body, base)
			if tt.want == "" {
				if err != nil || !bytes.Equal(got, base) {
					t.Errorf("got %d bytes, %v", len(got), err)
				}
			} else if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
	// A small window with a true source is not enough.
	one := svndiff.Window{TargetLen: 1, NewData: []byte("a"), Ops: []svndiff.Op{{Kind: svndiff.OpNew, Length: 1}}}
	body := svndiff.AppendHeader(nil, svndiff.V2)
	for range 2 {
		var err error
		body, err = svndiff.AppendWindow(body, svndiff.V2, &one)
		must(t, err)
	}
	if _, err := applyWindows(body, nil); err == nil || !strings.Contains(err.Error(), "window 1 begins at byte 1") {
		t.Errorf("small windows: got %v", err)
	}
}
