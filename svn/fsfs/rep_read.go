package fsfs

import (
	"bytes"
	"crypto/md5" //nolint:gosec // the format's checksum
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/havre-cloud/havre/svn/svndiff"
)

// chain reads a representation window by window: through its delta, the delta that one is
// against, and so on, down to one against nothing or to a plain one. It is for one goroutine.
//
// As in libsvn, window number k of a delta is applied to what window number k of its base expands
// to; the source offsets in the windows are not looked at.
type chain struct {
	rep   *rep
	links []*link // the newest first
	// plain is what the last link is against, or the representation itself; nil when that is a
	// delta against nothing.
	plain     io.Reader
	plainFile *revFile
	plainAt   int64

	window  int64 // number of the next
	read    int64 // bytes returned or skipped
	windows []*svndiff.Window
	buffers [3][]byte
}

// link is one delta of a chain.
type link struct {
	file    *revFile
	at      int64 // of its first byte behind the header line
	size    int64
	body    io.ReadSeeker
	decoder *svndiff.Decoder
	next    int64 // number of the window that decoder reads next
	id      itemID
	item    *itemReader // nil when the contents are checked by their MD5
}

var decoders = sync.Pool{New: func() any { return svndiff.NewDecoder(nil) }}

// inlineRep is up to which size a representation is read at once, in bytes.
const inlineRep = 4000

// openChain opens the representation p. The caller closes the chain.
func (r *Repository) openChain(p *rep) (*chain, error) {
	c := &chain{rep: p}
	if err := r.follow(c, p.at, p.size); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// follow adds the representation at id, with that many bytes, to the chain, and all that it is against.
func (r *Repository) follow(c *chain, id itemID, size int64) error {
	seen := map[itemID]bool{}
	for {
		h, err := r.openLink(c, id, size)
		if err != nil {
			return err
		}
		if h.plain || h.base == nil {
			return nil
		}
		if seen[*h.base] {
			last := c.links[len(c.links)-1]
			return last.file.corrupt(last.at, "a delta against older contents", "a circle of deltas")
		}
		id, size = *h.base, h.baseSize
		seen[id] = true
	}
}

// openLink adds the representation at id, with that many bytes, to the chain.
func (r *Repository) openLink(c *chain, id itemID, size int64) (repHeader, error) {
	f, err := r.acquire(id.rev)
	if err != nil {
		return repHeader{}, err
	}
	h, body, at, err := r.openRep(f, id, size)
	if err != nil {
		f.release()
		return h, err
	}
	if h.plain {
		c.plain, c.plainFile, c.plainAt = body, f, at
		return h, nil
	}
	c.add(f, at, size, body)
	c.links[len(c.links)-1].id = id
	return h, nil
}

// add adds a delta that is at so many bytes of the file, which the chain releases.
func (c *chain) add(f *revFile, at, size int64, body io.ReadSeeker) {
	d, _ := decoders.Get().(*svndiff.Decoder)
	d.Reset(body)
	c.links = append(c.links, &link{file: f, at: at, size: size, body: body, decoder: d})
}

// openRep reads the header line of a representation, and returns a reader of what follows and
// where that begins.
func (r *Repository) openRep(f *revFile, id itemID, size int64) (h repHeader, body io.ReadSeeker, at int64, err error) {
	start, err := r.offset(f, id)
	if err != nil {
		return h, nil, 0, err
	}
	want := int64(maxRepHeader)
	if size <= inlineRep {
		want += size
	}
	buf, err := f.few(start, min(want, f.end-start))
	if err != nil {
		return h, nil, 0, err
	}
	line, rest, ok := bytes.Cut(buf, []byte{'\n'})
	if ok {
		h, ok = parseRepHeader(line)
	}
	if !ok {
		return h, nil, 0, f.corrupt(start, "a representation", fmt.Sprintf("%.40q", buf))
	}
	at = start + int64(len(line)) + 1
	if size > f.end-at {
		return h, nil, 0, f.corrupt(at, fmt.Sprintf("a representation of %d bytes", size), "the end of the data")
	}
	if size <= int64(len(rest)) {
		return h, bytes.NewReader(rest[:size]), at, nil
	}
	return h, io.NewSectionReader(f.file, at, size), at, nil
}

func (c *chain) close() {
	for _, l := range c.links {
		l.decoder.Reset(nil)
		decoders.Put(l.decoder)
		l.file.release()
	}
	c.links = nil
	if c.plainFile != nil {
		c.plainFile.release()
		c.plainFile, c.plain = nil, nil
	}
}

// next returns the next piece of the contents, at most svndiff.MaxView bytes, or io.EOF. It is
// written to buf if that is large enough; otherwise it belongs to the chain until the next call.
func (c *chain) next(buf []byte) ([]byte, error) {
	var out []byte
	var err error
	if len(c.links) == 0 {
		out, err = c.nextPlain(buf)
	} else {
		out, err = c.nextWindow(buf)
	}
	if err != nil {
		return nil, err
	}
	c.read += int64(len(out))
	if c.read > c.rep.expanded {
		return nil, c.tooLong()
	}
	return out, nil
}

func (c *chain) nextPlain(buf []byte) ([]byte, error) {
	n := min(c.rep.size-c.read, svndiff.MaxView)
	if n == 0 {
		return nil, io.EOF
	}
	if buf == nil {
		buf = c.buffers[2]
	}
	if int64(cap(buf)) < n {
		buf = make([]byte, n)
		c.buffers[2] = buf
	}
	if _, err := io.ReadFull(c.plain, buf[:n]); err != nil {
		return nil, c.plainFile.readError(c.plainAt+c.read, err)
	}
	return buf[:n], nil
}

// nextWindow collects the windows of one number, from the newest delta down to the first that
// needs no source, and applies them upwards.
func (c *chain) nextWindow(buf []byte) ([]byte, error) {
	c.windows = c.windows[:0]
	for i, l := range c.links {
		w, err := l.window(c.window)
		if errors.Is(err, io.EOF) && i == 0 {
			return nil, io.EOF
		}
		if err != nil {
			return nil, l.corrupt(err)
		}
		c.windows = append(c.windows, w)
		if !w.ReadsSource() {
			break
		}
	}
	c.window++
	if w := c.windows[0]; buf == nil && len(w.Ops) == 1 && w.Ops[0].Kind == svndiff.OpNew && c.plain == nil {
		return w.NewData, nil // the decoder's until it reads the next window
	}
	source, err := c.plainSource(c.windows[len(c.windows)-1].SourceLen)
	if err != nil {
		return nil, err
	}
	for i, v := range slices.Backward(c.windows) {
		own := &c.buffers[i%2]
		if i == 0 {
			own = &c.buffers[2]
		}
		target := *own
		if i == 0 && buf != nil {
			target = buf
		}
		if target, err = v.Apply(source, target); err != nil {
			return nil, c.links[i].corrupt(err)
		}
		if cap(target) > cap(*own) && (i > 0 || buf == nil || cap(target) > cap(buf)) {
			*own = target
		}
		source = target
	}
	return source, nil
}

// plainSource reads the source view of the bottom window. It is a stream: every window takes its
// length from it, whether it copies anything or not.
func (c *chain) plainSource(n int) ([]byte, error) {
	if c.plain == nil || n == 0 {
		return nil, nil
	}
	// The bottom window is applied into the buffer of its number's parity.
	i := len(c.windows) % 2
	if cap(c.buffers[i]) < n {
		c.buffers[i] = make([]byte, svndiff.MaxView)
	}
	source := c.buffers[i][:n]
	if _, err := io.ReadFull(c.plain, source); err != nil {
		return nil, c.plainFile.readError(c.plainAt, err)
	}
	return source, nil
}

// skipWindow passes over the next window and returns how much it expands to. ok is false when
// the representation cannot be skipped by windows.
func (c *chain) skipWindow(most int64) (n int64, ok bool, err error) {
	if len(c.links) == 0 || c.plain != nil {
		return 0, false, nil
	}
	l := c.links[0]
	if err := l.skipTo(c.window); err != nil {
		return 0, false, l.corrupt(err)
	}
	h, err := l.decoder.Next()
	if errors.Is(err, io.EOF) {
		return 0, false, io.ErrUnexpectedEOF
	}
	if err != nil {
		return 0, false, l.corrupt(err)
	}
	if int64(h.TargetLen) > most {
		return 0, false, nil
	}
	c.window++
	c.read += int64(h.TargetLen)
	return int64(h.TargetLen), true, nil
}

func (l *link) skipTo(k int64) error {
	for ; l.next < k; l.next++ {
		if err := l.decoder.SkipWindow(); err != nil {
			return err
		}
	}
	return nil
}

// window returns window number k.
func (l *link) window(k int64) (*svndiff.Window, error) {
	if err := l.skipTo(k); err != nil {
		return nil, err
	}
	w, err := l.decoder.ReadWindow()
	if err == nil {
		l.next++
	}
	return w, err
}

// corrupt turns an error of the decoder into one that names the file.
func (l *link) corrupt(err error) error {
	if bad, ok := errors.AsType[*svndiff.CorruptError](err); ok {
		return l.file.corrupt(l.at+max(0, bad.Offset), "a valid delta", bad.Reason)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return l.file.corrupt(l.at+l.size, "another window of a delta", "the end of the representation")
	}
	return fmt.Errorf("%s: %w", l.file.name, err)
}

// where returns the file and the offset of the representation itself.
func (c *chain) where() (*revFile, int64) {
	if len(c.links) > 0 {
		return c.links[0].file, c.links[0].at
	}
	return c.plainFile, c.plainAt
}

func (c *chain) tooLong() error {
	f, at := c.where()
	return f.corrupt(at, fmt.Sprintf("contents of %d bytes", c.rep.expanded), "more")
}

// check compares the contents, of which all was read, with what the reference says.
func (c *chain) check(p *rep, text []byte) error {
	sum := md5.Sum(text) //nolint:gosec // the format's checksum
	return c.checkSum(p, sum[:])
}

func (c *chain) checkSum(p *rep, sum []byte) error {
	f, at := c.where()
	if c.read != p.expanded {
		return f.corrupt(at, fmt.Sprintf("contents of %d bytes", p.expanded), fmt.Sprintf("%d bytes", c.read))
	}
	if p.hasMD5 && !bytes.Equal(sum, p.md5[:]) {
		return f.corrupt(at, fmt.Sprintf("contents with MD5 %x", p.md5), fmt.Sprintf("%x", sum))
	}
	return nil
}
