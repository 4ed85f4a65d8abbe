package remote

import (
	"crypto/md5"
	"errors"
	"testing"

	"github.com/havre-cloud/havre/svn"
)

// TestContents has servers that send something else than they announced.
func TestContents(t *testing.T) {
	sum := md5.Sum([]byte("hello"))
	for name, tt := range map[string]struct {
		pieces    []string
		sum       []byte
		long, bad bool // of another length, with another checksum
	}{
		"as announced":         {[]string{"hel", "lo"}, sum[:], false, false},
		"without checksum":     {[]string{"jello"}, nil, false, false},
		"short":                {[]string{"hell"}, sum[:], true, false},
		"nothing":              {nil, sum[:], true, false},
		"one too many":         {[]string{"hello", "!"}, sum[:], true, false},
		"endless":              {[]string{"hello", "hello", "hello"}, nil, true, false},
		"other of that length": {[]string{"jello"}, sum[:], false, true},
	} {
		c := NewContents("f", 5, tt.sum)
		var err error
		taken := 0
		for _, p := range tt.pieces {
			if err = c.Add([]byte(p)); err != nil {
				break
			}
			taken += len(p)
		}
		if err == nil {
			err = c.End()
		}
		_, long := errors.AsType[*LengthError](err)
		_, bad := errors.AsType[*svn.ChecksumError](err)
		if long != tt.long || bad != tt.bad || !long && !bad && err != nil || taken > 5 {
			t.Errorf("%s: got %v after %d bytes", name, err, taken)
		}
	}
}

// TestOrder has servers that tell revisions again, in another order, or for ever.
func TestOrder(t *testing.T) {
	for _, tt := range []struct {
		first, last svn.Revnum
		told        []svn.Revnum
		taken       int
	}{
		{1, 3, []svn.Revnum{1, 2, 3}, 3},
		{1, 3, []svn.Revnum{2, 2}, 1},
		{1, 3, []svn.Revnum{2, 1}, 1},
		{1, 3, []svn.Revnum{1, 3, 4}, 2},
		{3, 1, []svn.Revnum{3, 1}, 2},
		{3, 1, []svn.Revnum{2, 3}, 1},
		{3, 1, []svn.Revnum{4}, 0},
		{2, 2, []svn.Revnum{2, 2}, 1},
	} {
		o := Order{First: tt.first, Last: tt.last}
		taken := 0
		for taken < len(tt.told) && o.Next(tt.told[taken]) {
			taken++
		}
		if taken != tt.taken {
			t.Errorf("r%d to r%d, told %v: %d were taken, want %d", tt.first, tt.last, tt.told, taken, tt.taken)
		}
	}
}
