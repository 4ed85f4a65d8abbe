package fsfs

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestConf(t *testing.T) {
	const text = "\xef\xbb\xbf# a comment\n[Packed-RevProps]\n### revprop-pack-size = 1\nrevprop-pack-size = 64\r\n" +
		"Compress-Packed-RevProps : Yes\n\n[io]\nblock-size=\nlong = one\n  two\n\tthree\n"
	got, bad := parseConf([]byte(text))
	want := map[string]string{
		"packed-revprops/revprop-pack-size": "64", "packed-revprops/compress-packed-revprops": "Yes",
		"io/block-size": "", "io/long": "one two three",
	}
	if diff := cmp.Diff(got, want); bad != 0 || diff != "" {
		t.Errorf("line %d is bad (-got +want):\n%s", bad, diff)
	}
	for text, want := range map[string]int{
		"a = b\n": 1, "[s]\nword\n": 2, "[s\n": 1, "[s]\n\n  continued\n": 3, "[s]\n= value\n": 2,
	} {
		if _, bad := parseConf([]byte(text)); bad != want {
			t.Errorf("%q: line %d is bad, want %d", text, bad, want)
		}
	}
	c := conf{values: map[string]string{"s/n": "17", "s/b": "maybe", "s/on": "ON", "s/off": "0"}}
	if n, err := c.int("s/n", 1, 1, 17); n != 17 || err != nil {
		t.Error(n, err)
	}
	if _, err := c.int("s/n", 1, 1, 16); err == nil || !strings.Contains(err.Error(), `s/n is "17" instead of a number from 1 to 16`) {
		t.Error(err)
	}
	if n, err := c.int("s/other", 5, 1, 9); n != 5 || err != nil {
		t.Error(n, err)
	}
	if _, err := c.bool("s/b", true); err == nil {
		t.Error("maybe is neither true nor false")
	}
	on, err1 := c.bool("s/on", false)
	off, err2 := c.bool("s/off", true)
	if !on || off || err1 != nil || err2 != nil {
		t.Error(on, off, err1, err2)
	}
}

func FuzzConf(f *testing.F) {
	f.Add([]byte("[io]\nblock-size = 64\n continued\n# comment\n[deltification]\nenable-dir-deltification: yes\n"))
	f.Add([]byte(fsfsConfText))
	f.Fuzz(func(t *testing.T, data []byte) {
		values, bad := parseConf(data)
		if lines := strings.Count(string(data), "\n") + 1; bad < 0 || bad > lines || (values == nil) != (bad > 0) {
			t.Errorf("line %d of %d is bad, %v", bad, lines, values)
		}
	})
}
