package hub

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/havre-cloud/havre/svn"
)

func TestHashCache(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "hashes")
	node := func(i byte) *svn.Node {
		return &svn.Node{Path: "a", Kind: svn.KindFile, CreatedRev: svn.Revnum(i), MD5: bytes.Repeat([]byte{i}, 16)}
	}
	sum := func(i byte) []byte { return bytes.Repeat([]byte{i}, 20) }
	c := newHashCache(dir, "uuid")
	for i := range byte(10) {
		c.add(node(i), sum(i))
		c.add(node(i), sum(i))
	}
	c.close()
	known := func(c *hashCache, want int) {
		t.Helper()
		got := 0
		for i := range byte(10) {
			if n := c.fill(node(i)); n.SHA1 != nil {
				got++
				if !bytes.Equal(n.SHA1, sum(i)) {
					t.Errorf("r%d: %x", i, n.SHA1)
				}
			}
		}
		if got != want {
			t.Errorf("%d are known, want %d", got, want)
		}
	}

	file := newHashCache(dir, "uuid").path
	c = newHashCache(dir, "uuid")
	known(c, 10)
	c.close()
	if n := newHashCache(dir, "another repository").fill(node(1)); n.SHA1 != nil {
		t.Error("what is known of one repository is believed of another")
	}
	for _, other := range []*svn.Node{
		{Path: "b", Kind: svn.KindFile, CreatedRev: 1, MD5: node(1).MD5},
		{Path: "a", Kind: svn.KindFile, CreatedRev: 2, MD5: node(1).MD5},
		{Path: "a", Kind: svn.KindFile, CreatedRev: 1, MD5: node(2).MD5},
		{Path: "a", Kind: svn.KindFile, CreatedRev: 1},
	} {
		if c.fill(other); other.SHA1 != nil {
			t.Errorf("%+v has the checksum of another", other)
		}
	}
	// A flipped bit, and half a record at the end as after a full disk: what is good stays, and it can be added to.
	data := ok(os.ReadFile(file))(t)
	if len(data) != 10*hashRecord {
		t.Errorf("the file has %d bytes", len(data))
	}
	data[3*hashRecord+20] ^= 1
	if err := os.WriteFile(file, data[:len(data)-7], 0o600); err != nil {
		t.Fatal(err)
	}
	c = newHashCache(dir, "uuid")
	known(c, 8)
	c.add(node(3), sum(3))
	c.close()
	c = newHashCache(dir, "uuid")
	known(c, 9)
	c.close()
	// Nowhere to write: it works without.
	if err := os.WriteFile(filepath.Join(dir, "a file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c = newHashCache(filepath.Join(dir, "a file"), "uuid")
	c.add(node(1), sum(1))
	known(c, 1)
	c.close()
}
