package hub

import (
	"bytes"
	"crypto/md5" //nolint:gosec // as servers tell it
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/havre-cloud/havre/svn"
)

// maxHashes is how many SHA-1 a hashCache keeps; each takes some 60 bytes of memory and 40 of the file.
const maxHashes = 1_000_000

// hashCache remembers the SHA-1 of files on a server that tells only MD5, which were found by reading them. It has
// a file, so that they need not be read again after a restart: records of a key (16 bytes), the SHA-1 and a CRC-32 of
// both, big endian. What cannot be read of it is found anew. The zero value has no file. It is safe for concurrent use,
// also of the file by several processes.
type hashCache struct {
	path string // of the file

	mu     sync.Mutex
	loaded bool
	of     map[hashKey][20]byte
	file   *os.File // nil if it cannot be written
}

// hashesDir is the directory of the files, beside the database.
const hashesDir = "svn-hashes"

// hashRecord is the length of a record in bytes.
const hashRecord = 16 + 20 + 4

// newHashCache returns the cache for the repository with the UUID, in a directory that need not be there yet.
func newHashCache(dir, uuid string) *hashCache {
	sum := sha256.Sum256([]byte(uuid)) // which a server makes up
	return &hashCache{path: filepath.Join(dir, hex.EncodeToString(sum[:16]))}
}

// hashKey is a version of a file: of its path, the revision that made it, and its MD5. That alone would not do: contents can
// be made to share theirs.
type hashKey [16]byte

func keyOf(n *svn.Node) hashKey {
	b := binary.BigEndian.AppendUint64(nil, uint64(n.CreatedRev))
	b = append(append(b, n.MD5...), n.Path...)
	sum := sha256.Sum256(b)
	return hashKey(sum[:16])
}

// fill sets the SHA-1 of a node if it is known, and returns the node.
func (c *hashCache) fill(n *svn.Node) *svn.Node {
	if n == nil || n.Kind != svn.KindFile || n.SHA1 != nil || len(n.MD5) != 16 {
		return n
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.load()
	if sum, ok := c.of[keyOf(n)]; ok {
		n.SHA1 = bytes.Clone(sum[:])
	}
	return n
}

// add remembers one.
func (c *hashCache) add(n *svn.Node, sha1 []byte) {
	if len(n.MD5) != 16 || len(sha1) != 20 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.load()
	key := keyOf(n)
	if _, known := c.of[key]; known {
		return
	}
	if len(c.of) >= maxHashes {
		clear(c.of)
		if c.file != nil && c.file.Truncate(0) != nil {
			c.closeFile()
		}
	}
	c.of[key] = [20]byte(sha1)
	if c.file == nil {
		return
	}
	record := append(append(make([]byte, 0, hashRecord), key[:]...), sha1...)
	record = binary.BigEndian.AppendUint32(record, crc32.ChecksumIEEE(record))
	if _, err := c.file.Write(record); err != nil {
		c.closeFile() // a full disk: what is not there is found anew
	}
}

// load reads the file, the first time. The mutex is held.
func (c *hashCache) load() {
	if c.loaded {
		return
	}
	c.loaded, c.of = true, map[hashKey][20]byte{}
	if c.path == "" || os.MkdirAll(filepath.Dir(c.path), 0o700) != nil {
		return
	}
	f, err := os.OpenFile(c.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return
	}
	c.file = f
	data, err := io.ReadAll(io.LimitReader(f, (maxHashes+1)*hashRecord))
	for len(data) >= hashRecord && err == nil {
		record := data[:hashRecord]
		data = data[hashRecord:]
		if crc32.ChecksumIEEE(record[:36]) == binary.BigEndian.Uint32(record[36:]) {
			c.of[hashKey(record[:16])] = [20]byte(record[16:36])
		}
	}
	if len(data) > 0 || err != nil || len(c.of) >= maxHashes {
		// Half a record, after a crash, would shift those behind it: begun anew, with what is good.
		if err := c.rewrite(); err != nil {
			c.closeFile()
			_ = os.Remove(c.path) // as above; Windows does not cut files that are appended to
		}
	}
}

// rewrite writes the file anew. The mutex is held.
func (c *hashCache) rewrite() error {
	if len(c.of) >= maxHashes {
		clear(c.of)
	}
	var b []byte
	for key, sum := range c.of {
		at := len(b)
		b = append(append(b, key[:]...), sum[:]...)
		b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[at:]))
	}
	if err := c.file.Truncate(0); err != nil {
		return err
	}
	_, err := c.file.Write(b)
	return err
}

func (c *hashCache) closeFile() {
	_ = c.file.Close() // what was not written is found anew
	c.file = nil
}

func (c *hashCache) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.file != nil {
		c.closeFile()
	}
	c.loaded, c.of = false, nil
}

// learner is a repository that wants to know the SHA-1 that were found.
type learner interface {
	learn(n *svn.Node, sha1 []byte)
}

func (r *remote) learn(n *svn.Node, sha1 []byte) { r.hashes.add(n, sha1) }

// watched is a commit of which the SHA-1 of the new contents is learnt, so that they need not be read back to know
// it. What it returns is called with the revision.
func (r *remote) watched(c *svn.Commit) (*svn.Commit, func(rev svn.Revnum)) {
	if !strings.HasPrefix(r.address, "svn") { // Apache tells SHA-1
		return c, func(svn.Revnum) {}
	}
	own := *c
	own.Changes = slices.Clone(c.Changes)
	sums := map[int]hash.Hash{}
	for i := range own.Changes {
		ch := &own.Changes[i]
		if ch.Content == nil || ch.SHA1 == nil {
			continue
		}
		open := ch.Content
		ch.Content = func() (io.ReadCloser, error) {
			content, err := open()
			if err != nil {
				return nil, err
			}
			sum := md5.New() //nolint:gosec // it is what the server tells of the file
			sums[i] = sum
			return &summing{content, sum}, nil
		}
	}
	return &own, func(rev svn.Revnum) {
		for i, sum := range sums {
			ch := &c.Changes[i]
			r.hashes.add(&svn.Node{Path: ch.Path, Kind: svn.KindFile, CreatedRev: rev, MD5: sum.Sum(nil)}, ch.SHA1)
		}
	}
}

// summing works out a checksum of what is read.
type summing struct {
	io.ReadCloser
	sum hash.Hash
}

func (s *summing) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	s.sum.Write(p[:n])
	return n, err
}
