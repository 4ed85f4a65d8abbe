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

	"github.com/klauspost/compress/zlib"

	"github.com/havre-cloud/havre/svn"
)

const (
	// maxRevProps bounds the properties of a revision, in bytes.
	maxRevProps = 64 << 20
	// maxRevPropPack bounds a pack of them.
	maxRevPropPack = 256 << 20
	// revPropTries is how often a file that is gone is looked for again, as libsvn does.
	revPropTries = 10
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
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return p, err
		}
		if missing, ok := errors.AsType[*fs.PathError](err); ok && try == revPropTries {
			return nil, &CorruptError{File: r.inRepository(missing.Path), Want: fmt.Sprintf("the properties of r%d", rev), Got: "no such file"}
		}
		// Somebody may be packing, or writing the pack anew.
		if err := r.readMinUnpacked(); err != nil {
			return nil, err
		}
	}
}

// inRepository returns the name of a file as errors have it: relative to the repository, with slashes.
func (r *Repository) inRepository(name string) string {
	if rel, err := filepath.Rel(r.dir, name); err == nil {
		name = rel
	}
	return filepath.ToSlash(name)
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
