package fsfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/havre-cloud/havre/svn"
)

// revFile is the open file of a revision, or a pack of them. Its items may be read concurrently.
type revFile struct {
	file *os.File
	name string // relative to the repository, for errors
	key  fileKey
	// start and end bound the part of the file that holds items: of this revision with physical
	// addressing, of all with logical addressing.
	start, end int64
	index      *l2pIndex // logical addressing
	p2l        *p2lIndex // logical addressing
	// root and changes are items, with physical addressing.
	root, changes int64

	blocks *blocks

	cache   *fileCache
	refs    int
	used    int64
	dropped bool
}

// pageKey names a page of an L2P index.
type pageKey struct {
	file fileKey
	page int
}

func (f *revFile) corrupt(offset int64, want, got string) error {
	return &CorruptError{File: f.name, Offset: offset, Want: want, Got: got}
}

// acquire returns the file that holds a revision. The caller releases it.
func (r *Repository) acquire(rev svn.Revnum) (*revFile, error) {
	for try := 0; ; try++ {
		format := *r.format.Load()
		unpacked := r.minUnpacked.Load()
		key := fileKey{rev: rev, packed: int64(rev) < unpacked}
		if key.packed && format.logical {
			key.rev -= rev % svn.Revnum(format.shard)
		}
		if f := r.files.get(key); f != nil {
			return f, nil
		}
		f, err := r.openRevFile(key, format)
		if err == nil {
			return r.files.put(key, f), nil
		}
		// Somebody may just have packed the revision.
		if try == 10 || !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if err2 := r.readMinUnpacked(); err2 != nil || r.minUnpacked.Load() == unpacked {
			return nil, fmt.Errorf("r%d: %w", rev, err)
		}
	}
}

func (r *Repository) openRevFile(key fileKey, format format) (*revFile, error) {
	name := format.revPath("revs", key.rev)
	if key.packed {
		name = filepath.Join("revs", format.shardOf(key.rev)+".pack", "pack")
	}
	file, size, err := r.openIn(name)
	if err != nil {
		return nil, err
	}
	f, err := r.newRevFile(file, size, key, format)
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return f, nil
}

// newRevFile reads the index or trailer of a file.
func (r *Repository) newRevFile(file *os.File, size int64, key fileKey, format format) (*revFile, error) {
	name := format.revPath("revs", key.rev)
	if key.packed {
		name = filepath.Join("revs", format.shardOf(key.rev)+".pack", "pack")
	}
	f := &revFile{file: file, name: "db/" + filepath.ToSlash(name), key: key, end: size, blocks: newBlocks()}
	if format.logical {
		return f, f.readFooter()
	}
	if key.packed {
		if err := r.readManifest(f, format); err != nil {
			return nil, err
		}
	}
	return f, f.readTrailer()
}

// maxIndexes bounds the indexes of a file, in bytes: some hundred million items.
const maxIndexes = 1 << 30

// readFooter reads the footer and the indexes of a file with logical addressing: the last byte
// is the length of "L2P-OFFSET MD5 P2L-OFFSET MD5".
func (f *revFile) readFooter() error {
	tail := make([]byte, min(256, f.end))
	if _, err := f.file.ReadAt(tail, f.end-int64(len(tail))); err != nil {
		return err
	}
	if len(tail) < 2 || int(tail[len(tail)-1]) > len(tail)-1 {
		return f.corrupt(max(0, f.end-1), "the length of the footer", "more than the file has")
	}
	footer := tail[len(tail)-1-int(tail[len(tail)-1]) : len(tail)-1]
	footerAt := f.end - int64(len(footer)) - 1
	fields := bytes.Split(footer, []byte{' '})
	bad := f.corrupt(footerAt, "a footer of two offsets and checksums", fmt.Sprintf("%.80q", footer))
	if len(fields) != 4 {
		return bad
	}
	l2p, ok1 := parseInt(fields[0])
	p2l, ok2 := parseInt(fields[2])
	if !ok1 || !ok2 || l2p > p2l || p2l > footerAt || footerAt-l2p > maxIndexes {
		return bad
	}
	data, err := f.readIndex(l2p, p2l, string(fields[1]))
	if err != nil {
		return err
	}
	var reason string
	if f.index, reason = parseL2P(data, l2p); reason != "" {
		return f.corrupt(l2p, reason, "something else")
	}
	if data, err = f.readIndex(p2l, footerAt, string(fields[3])); err != nil {
		return err
	}
	if f.p2l, reason = parseP2L(data, p2l, l2p); reason != "" {
		return f.corrupt(p2l, reason, "something else")
	}
	f.end = l2p
	return nil
}

// readIndex reads an index and compares it with its checksum.
func (f *revFile) readIndex(from, to int64, sum string) ([]byte, error) {
	data := make([]byte, to-from)
	if _, err := f.file.ReadAt(data, from); err != nil {
		return nil, f.readError(from, err)
	}
	if got := hexMD5(data); got != sum {
		return nil, f.corrupt(from, "an index with MD5 "+sum, "one with "+got)
	}
	return data, nil
}

// readTrailer reads the last line of a revision with physical addressing: the offsets of the root
// and of the changed paths, within the last 64 bytes.
func (f *revFile) readTrailer() error {
	tail := make([]byte, min(64, f.end-f.start))
	if _, err := f.file.ReadAt(tail, f.end-int64(len(tail))); err != nil {
		return f.readError(f.end, err)
	}
	at := f.end - int64(len(tail))
	line, ok := bytes.CutSuffix(tail, []byte{'\n'})
	i := bytes.LastIndexByte(line, '\n')
	if !ok || i < 0 {
		return f.corrupt(at, "a last line with two offsets", fmt.Sprintf("%.64q", tail))
	}
	root, changes, _ := bytes.Cut(line[i+1:], []byte{' '})
	var ok1, ok2 bool
	f.root, ok1 = parseInt(root)
	f.changes, ok2 = parseInt(changes)
	if !ok1 || !ok2 || f.root >= f.end-f.start || f.changes >= f.end-f.start {
		return f.corrupt(at, "a last line with two offsets", fmt.Sprintf("%.64q", line))
	}
	return nil
}

// readManifest finds the part of a pack that holds the revision, with physical addressing: the
// manifest has a line with the start of each revision.
func (r *Repository) readManifest(f *revFile, format format) error {
	name := filepath.Join("revs", format.shardOf(f.key.rev)+".pack", "manifest")
	file, size, err := r.openIn(name)
	if err != nil {
		return err
	}
	defer file.Close()
	bad := &CorruptError{File: "db/" + filepath.ToSlash(name), Want: "a line for each revision", Got: "something else"}
	if size > format.shard*21 {
		return bad
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(file, data); err != nil {
		return err
	}
	lines := bytes.Split(bytes.TrimSuffix(data, []byte{'\n'}), []byte{'\n'})
	i := int64(f.key.rev) % format.shard
	if int64(len(lines)) != format.shard {
		return bad
	}
	var ok bool
	if f.start, ok = parseInt(lines[i]); !ok {
		return bad
	}
	if i+1 < format.shard {
		next, ok := parseInt(lines[i+1])
		if !ok || next > f.end {
			return bad
		}
		f.end = next
	}
	if f.start >= f.end {
		return bad
	}
	return nil
}

// readError turns the end of the file where there should be more into damage.
func (f *revFile) readError(offset int64, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return f.corrupt(offset, "more bytes", "the end of the file")
	}
	return fmt.Errorf("%s: %w", f.name, err)
}

// offset returns where an item begins.
func (r *Repository) offset(f *revFile, id itemID) (int64, error) {
	if f.index == nil {
		if id.item >= f.end-f.start {
			return 0, f.corrupt(f.end, fmt.Sprintf("an item at offset %d", id.item), "the end of the revision")
		}
		return f.start + id.item, nil
	}
	page, entry, ok := f.index.page(id)
	if !ok {
		return 0, f.corrupt(f.end, fmt.Sprintf("an index with item %d of r%d", id.item, id.rev), "none")
	}
	offsets, err := r.l2pPage(f, page)
	if err != nil {
		return 0, err
	}
	at := offsets[entry]
	if at < 0 || at >= f.end {
		return 0, f.corrupt(f.index.pages[page].offset, fmt.Sprintf("the offset of item %d of r%d", id.item, id.rev), fmt.Sprint(at))
	}
	return at, nil
}

func (r *Repository) l2pPage(f *revFile, page int) ([]int64, error) {
	key := pageKey{f.key, page}
	if offsets, ok := r.pages.get(key); ok {
		return offsets, nil
	}
	info := f.index.pages[page]
	data := make([]byte, info.size)
	if _, err := f.file.ReadAt(data, info.offset); err != nil {
		return nil, f.readError(info.offset, err)
	}
	offsets, ok := parseL2PPage(data, int(info.entries))
	if !ok {
		return nil, f.corrupt(info.offset, "a page of an L2P index", "something else")
	}
	r.pages.put(key, offsets)
	return offsets, nil
}

// changesID returns the item of a revision that is the list of changed paths.
func (f *revFile) changesID(rev svn.Revnum) itemID {
	if f.index != nil {
		return itemID{rev, changesItem}
	}
	return itemID{rev, f.changes}
}

// rootID returns where the node-revision of a revision's root is.
func (r *Repository) rootID(rev svn.Revnum) (itemID, error) {
	if r.format.Load().logical {
		return itemID{rev, rootItem}, nil
	}
	if id, ok := r.roots.get(rev); ok {
		return id, nil
	}
	f, err := r.acquire(rev)
	if err != nil {
		return itemID{}, err
	}
	defer f.release()
	id := itemID{rev, f.root}
	r.roots.put(rev, id)
	return id, nil
}
