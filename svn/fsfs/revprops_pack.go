package fsfs

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zlib"

	"github.com/havre-cloud/havre/svn"
)

// revPropPacking is how revision properties are packed, as db/fsfs.conf has it.
type revPropPacking struct {
	// limit is how long a pack may become before compression, in bytes. One list of properties may be longer.
	limit    int64
	compress bool
}

func (r *Repository) revPropPacking() (revPropPacking, error) {
	c, err := r.readConf()
	if err != nil {
		return revPropPacking{}, err
	}
	var p revPropPacking
	if p.compress, err = c.bool("packed-revprops/compress-packed-revprops", false); err != nil {
		return p, err
	}
	kib := int64(16)
	if p.compress {
		kib = 64
	}
	kib, err = c.int("packed-revprops/revprop-pack-size", kib, 1, maxRevPropPack>>11)
	p.limit = kib << 10 / 10 * 9 // there has to be room for changes
	return p, err
}

// revPropNumber is what a number in a pack may take, in bytes; libsvn reckons with as much.
const revPropNumber = 22

// packRevProps puts the revision properties of a shard into packs. The caller has the write lock, for
// they may change.
func (r *Repository) packRevProps(f format, first svn.Revnum, before, after *DiskUse) error {
	how, err := r.revPropPacking()
	if err != nil {
		return err
	}
	like, err := os.Stat(r.db(f.revPath("revprops", first+svn.Revnum(f.shard)-1)))
	if err != nil {
		return err
	}
	dir, err := r.makePackDir("revprops", f, first)
	if err != nil {
		return err
	}
	w := &revPropWriter{dir: dir, like: like, how: how, after: after}
	defer func() { _ = w.close() }() // after an error; what is whole was closed by sync
	for rev := max(1, first); rev < first+svn.Revnum(f.shard); rev++ {
		name := f.revPath("revprops", rev)
		data, err := r.readBounded(name, maxRevProps)
		if err != nil {
			return err
		}
		if _, reason := parseProps(data); reason != "" {
			return &CorruptError{File: "db/" + filepath.ToSlash(name), Want: reason, Got: fmt.Sprintf("%.40q", data)}
		}
		info, err := os.Stat(r.db(name))
		if err != nil {
			return err
		}
		before.add(info)
		if err := w.add(rev, data); err != nil {
			return err
		}
	}
	if err := w.endPack(); err != nil {
		return err
	}
	if err := r.at("write revprop manifest"); err != nil {
		return err
	}
	if err := w.write("manifest", w.manifest); err != nil {
		return err
	}
	if err := w.sync(); err != nil {
		return err
	}
	return together([]func() error{
		func() error { return syncDir(dir) },
		func() error { return syncDir(filepath.Dir(dir)) },
	})
}

// revPropWriter writes the packs of a shard.
type revPropWriter struct {
	dir      string
	like     fs.FileInfo
	how      revPropPacking
	after    *DiskUse
	manifest []byte // the name of a pack for each revision

	// The pack that is being filled.
	first svn.Revnum
	sizes []byte // a line each
	count int
	lists []byte

	files []*os.File // written and not yet synced
}

// maxUnsynced is how many files wait to be synced together.
const maxUnsynced = 32

// add puts the properties of the next revision into the pack, or into a new one if it is full.
func (w *revPropWriter) add(rev svn.Revnum, props []byte) error {
	size := int64(2*revPropNumber + (w.count+1)*revPropNumber + len(w.lists) + len(props))
	if w.count > 0 && size > w.how.limit {
		if err := w.endPack(); err != nil {
			return err
		}
	}
	if w.count == 0 {
		w.first = rev
	}
	w.manifest = fmt.Appendf(w.manifest, "%d.0\n", w.first)
	w.sizes = fmt.Appendf(w.sizes, "%d\n", len(props))
	w.lists = append(w.lists, props...)
	w.count++
	return nil
}

func (w *revPropWriter) endPack() error {
	if w.count == 0 {
		return nil
	}
	head := fmt.Appendf(nil, "%d\n%d\n%s\n", w.first, w.count, w.sizes)
	data, err := sectionOf(append(head, w.lists...), w.how.compress)
	if err != nil {
		return err
	}
	w.sizes, w.lists, w.count = w.sizes[:0], w.lists[:0], 0
	return w.write(fmt.Sprintf("%d.0", w.first), data)
}

// minCompressed is the length below which Subversion compresses nothing, in bytes.
const minCompressed = 512

// sectionOf returns the form that expandSection undoes: the length, 7 bits a byte and the high ones
// first, then the bytes, compressed if that is wanted and makes them fewer.
func sectionOf(plain []byte, compress bool) ([]byte, error) {
	var head []byte
	n := len(plain)
	for shift := 63; shift >= 0; shift -= 7 {
		if b := byte(n >> shift & 0x7f); len(head) > 0 || b > 0 || shift == 0 {
			if shift > 0 {
				b |= 0x80
			}
			head = append(head, b)
		}
	}
	if compress && n >= minCompressed {
		var packed bytes.Buffer
		z, err := zlib.NewWriterLevel(&packed, 5)
		if err != nil {
			return nil, err
		}
		if _, err := z.Write(plain); err != nil {
			return nil, err
		}
		if err := z.Close(); err != nil {
			return nil, err
		}
		if packed.Len() < n {
			plain = packed.Bytes()
		}
	}
	return append(head, plain...), nil
}

func (w *revPropWriter) write(name string, data []byte) error {
	f, err := os.OpenFile(filepath.Join(w.dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	w.files = append(w.files, f)
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := makeFileLike(f, w.like); err != nil {
		return err
	}
	startWriteback(f, 0, 0)
	if len(w.files) == maxUnsynced {
		return w.sync()
	}
	return nil
}

// sync makes the files durable that were written.
func (w *revPropWriter) sync() error {
	calls := make([]func() error, len(w.files))
	for i, f := range w.files {
		calls[i] = func() error { return syncFile(f) }
	}
	if err := together(calls); err != nil {
		return err
	}
	for _, f := range w.files {
		info, err := f.Stat()
		if err != nil {
			return err
		}
		w.after.add(info)
	}
	return w.close()
}

// close closes the files that were written.
func (w *revPropWriter) close() error {
	var err error
	for _, f := range w.files {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}
	w.files = nil
	return err
}
