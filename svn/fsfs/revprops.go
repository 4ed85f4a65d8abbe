package fsfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path/filepath"
	"slices"

	"github.com/klauspost/compress/zlib"

	"github.com/havre-cloud/havre/svn"
)

const (
	// maxRevProps bounds the properties of a revision, in bytes.
	maxRevProps = 64 << 20
	// maxRevPropPack bounds a pack of them.
	maxRevPropPack = 256 << 20
)

// RevProps implements svn.Repository.
func (r *Repository) RevProps(ctx context.Context, rev svn.Revnum) (svn.Props, error) {
	if err := r.checkRev(ctx, rev); err != nil {
		return nil, err
	}
	return r.revProps(rev)
}

// revProps reads the properties of a revision. They may change, so they are not cached.
func (r *Repository) revProps(rev svn.Revnum) (svn.Props, error) {
	for try := 0; ; try++ {
		f := *r.format.Load()
		unpacked := r.minUnpacked.Load()
		var p svn.Props
		var err error
		if f.number >= 6 && rev > 0 && int64(rev) < unpacked {
			p, err = r.packedRevProps(f, rev)
		} else {
			p, err = r.plainRevProps(f, rev)
		}
		if err == nil || try == 10 || !errors.Is(err, fs.ErrNotExist) {
			return p, err
		}
		// Somebody may be packing, or writing the pack anew.
		if err := r.readMinUnpacked(); err != nil {
			return nil, err
		}
	}
}

func (r *Repository) plainRevProps(f format, rev svn.Revnum) (svn.Props, error) {
	name := f.revPath("revprops", rev)
	data, err := r.readBounded(name, maxRevProps)
	if err != nil {
		return nil, err
	}
	p, reason := parseProps(data)
	if reason != "" {
		return nil, &CorruptError{File: "db/" + filepath.ToSlash(name), Want: reason, Got: fmt.Sprintf("%.40q", data)}
	}
	return p, nil
}

// readBounded reads a file below db/ whole.
func (r *Repository) readBounded(name string, limit int64) ([]byte, error) {
	f, size, err := r.openIn(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if size > limit {
		return nil, &CorruptError{File: "db/" + filepath.ToSlash(name), Want: fmt.Sprintf("at most %d bytes", limit), Got: fmt.Sprintf("%d", size)}
	}
	data := make([]byte, size)
	n, err := io.ReadFull(f, data)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return data[:n], nil
}

// packedRevProps reads the properties of a revision from the pack that the manifest of its shard
// names for it.
func (r *Repository) packedRevProps(f format, rev svn.Revnum) (svn.Props, error) {
	dir := filepath.Join("revprops", f.shardOf(rev)+".pack")
	manifest, err := r.readBounded(filepath.Join(dir, "manifest"), maxRevPropPack)
	if err != nil {
		return nil, err
	}
	lines := bytes.Split(manifest, []byte{'\n'})
	first := max(1, rev-rev%svn.Revnum(f.shard)) // revision 0 is never packed
	i := int(rev - first)
	if i >= len(lines) || !validPackName(lines[i]) {
		return nil, &CorruptError{File: "db/" + filepath.ToSlash(filepath.Join(dir, "manifest")), Want: "the name of a pack for each revision", Got: "none"}
	}
	name := filepath.Join(dir, string(lines[i]))
	data, err := r.readBounded(name, maxRevPropPack)
	if err != nil {
		return nil, err
	}
	p, want := parseRevPropPack(data, rev)
	if want != "" {
		return nil, &CorruptError{File: "db/" + filepath.ToSlash(name), Want: want, Got: "something else"}
	}
	return p, nil
}

// validPackName says whether a name has the form FIRST.COUNTER.
func validPackName(name []byte) bool {
	first, counter, _ := bytes.Cut(name, []byte{'.'})
	_, ok1 := parseInt(first)
	_, ok2 := parseInt(counter)
	return ok1 && ok2
}

// parseRevPropPack returns the properties of one revision in a pack: a section as in svndiff 1 of
// first revision, count, the sizes, an empty line, and the property lists. want is what was
// expected when data is none.
func parseRevPropPack(data []byte, rev svn.Revnum) (p svn.Props, want string) {
	data, want = expandSection(data)
	if want != "" {
		return nil, want
	}
	line := func() (int64, bool) {
		text, rest, _ := bytes.Cut(data, []byte{'\n'})
		data = rest
		return parseInt(text)
	}
	first, ok1 := line()
	count, ok2 := line()
	i := int64(rev) - first
	if !ok1 || !ok2 || i < 0 || i >= count || count > int64(len(data)) {
		return nil, fmt.Sprintf("a pack with the properties of r%d", rev)
	}
	offset, size := int64(0), int64(0)
	for k := range count {
		n, ok := line()
		if !ok || n > maxRevPropPack {
			return nil, "a pack with the size of each property list"
		}
		if k < i {
			offset += n
		}
		if k == i {
			size = n
		}
	}
	if len(data) == 0 || data[0] != '\n' || offset+size > int64(len(data)-1) {
		return nil, "a pack with all its property lists"
	}
	p, want = parseProps(data[1+offset : 1+offset+size])
	return p, want
}

// expandSection undoes the compression of an svndiff 1 section: its length, then the bytes, raw if
// there are that many.
func expandSection(data []byte) (plain []byte, want string) {
	var n int64
	i := 0
	for {
		if i == len(data) || i == 5 {
			return nil, "the length of a pack"
		}
		c := data[i]
		i++
		n = n<<7 | int64(c&0x7f)
		if c < 0x80 {
			break
		}
	}
	data = data[i:]
	if n == int64(len(data)) {
		return data, ""
	}
	if n > maxRevPropPack {
		return nil, "a pack of at most 256 MiB"
	}
	z, err := zlib.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, "compressed properties"
	}
	var out bytes.Buffer
	if _, err := io.Copy(&out, io.LimitReader(z, n+1)); err != nil || int64(out.Len()) != n {
		return nil, fmt.Sprintf("%d bytes of compressed properties", n)
	}
	return out.Bytes(), ""
}

// Log implements svn.Repository.
func (r *Repository) Log(ctx context.Context, first, last svn.Revnum) iter.Seq2[*svn.Revision, error] {
	return func(yield func(*svn.Revision, error) bool) {
		step := svn.Revnum(1)
		if first > last {
			step = -1
		}
		if err := r.checkRev(ctx, max(first, last)); err != nil {
			yield(nil, err)
			return
		}
		for rev := first; ; rev += step {
			entry, err := r.logEntry(ctx, rev)
			if !yield(entry, err) || err != nil || rev == last {
				return
			}
		}
	}
}

func (r *Repository) logEntry(ctx context.Context, rev svn.Revnum) (*svn.Revision, error) {
	if err := r.checkRev(ctx, rev); err != nil {
		return nil, err
	}
	props, err := r.revProps(rev)
	if err != nil {
		return nil, err
	}
	changes, err := r.changes(rev)
	if err != nil {
		return nil, err
	}
	return &svn.Revision{Rev: rev, Props: props, Changes: changes}, nil
}

// changes reads the changed paths of a revision, sorted.
func (r *Repository) changes(rev svn.Revnum) ([]svn.PathChange, error) {
	f, err := r.acquire(rev)
	if err != nil {
		return nil, err
	}
	defer f.release()
	id := f.changesID(rev)
	at, err := r.offset(f, id)
	if err != nil {
		return nil, err
	}
	lines := lineReader{file: f, at: at}
	if f.index != nil {
		lines.whole = true
		if lines.buf, err = r.readItem(f, id, at, maxChanges); err != nil {
			return nil, err
		}
	}
	changes, err := lines.changes()
	if err != nil {
		return nil, err
	}
	for i := range changes {
		c := &changes[i]
		if c.Kind != svn.KindNone {
			continue
		}
		// Formats 1 to 3 do not say.
		at := rev
		if c.Action == svn.ActionDelete {
			at--
		}
		n, err := r.lookup(c.Path, at)
		if err != nil {
			return nil, err
		}
		c.Kind = n.kind
	}
	slices.SortFunc(changes, func(a, b svn.PathChange) int { return a.Path.Compare(b.Path) })
	return changes, nil
}

// maxChanges bounds the list of changed paths, in bytes: some millions of paths.
const maxChanges = 1 << 30

// changes reads pairs of lines up to an empty one.
func (l *lineReader) changes() ([]svn.PathChange, error) {
	var changes []svn.PathChange
	for {
		start := l.at + int64(l.pos)
		line, err := l.next()
		if err != nil {
			return nil, err
		}
		if len(line) == 0 {
			return changes, nil
		}
		line = bytes.Clone(line)
		from, err := l.next()
		if err != nil {
			return nil, err
		}
		c, ok := parseChange(line, from)
		if !ok {
			return nil, l.file.corrupt(start, "a changed path", fmt.Sprintf("%.80q", line))
		}
		changes = append(changes, c.PathChange)
	}
}

// lineReader reads lines of a file.
type lineReader struct {
	file  *revFile
	at    int64 // of buf in the file
	buf   []byte
	pos   int
	whole bool // there is no more than buf
}

// next returns the next line without its end, valid until the following call.
func (l *lineReader) next() ([]byte, error) {
	for {
		if i := bytes.IndexByte(l.buf[l.pos:], '\n'); i >= 0 {
			line := l.buf[l.pos : l.pos+i]
			l.pos += i + 1
			return line, nil
		}
		rest := len(l.buf) - l.pos
		at := l.at + int64(len(l.buf))
		more := min(64<<10, l.file.end-at)
		if l.whole || more <= 0 || rest > maxNodeRev {
			return nil, l.file.corrupt(at, "the end of a line", "the end of the data")
		}
		buf := make([]byte, rest+int(more))
		copy(buf, l.buf[l.pos:])
		if _, err := l.file.file.ReadAt(buf[rest:], at); err != nil {
			return nil, l.file.readError(at, err)
		}
		l.at, l.buf, l.pos = at-int64(rest), buf, 0
	}
}
