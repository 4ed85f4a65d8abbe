package svndiff

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/klauspost/compress/zlib"
	"github.com/pierrec/lz4/v4"
)

const (
	// maxOps is the longest instructions section, in bytes once expanded: every byte of the target
	// by an instruction of its own, written as wastefully as possible (libsvn_delta/svndiff.c).
	maxOps = MaxView * (1 + 2*maxIntSize)
	// maxData is the longest new data section as it is stored, its own length in front of it.
	maxData = MaxView + maxIntSize
	// maxWindowHeader is the longest header of a window: five integers.
	maxWindowHeader = 5 * maxIntSize
)

// WindowHeader is what a window says of itself before its instructions.
type WindowHeader struct {
	// SourceOffset, SourceLen and TargetLen are those of Window.
	SourceOffset         int64
	SourceLen, TargetLen int

	opsLen, dataLen int // the two sections as stored
}

// Decoder reads the windows of one delta. It is for one goroutine.
type Decoder struct {
	raw io.Reader
	r   *bufio.Reader
	pos int64 // bytes of the delta consumed

	version     Version
	versionRead bool
	next        WindowHeader
	nextAt      int64 // where next began
	nextRead    bool
	err         error // what ended the decoding; sticky

	win        Window
	opsBuf     []byte // sections as stored
	dataBuf    []byte
	opsPlain   []byte // sections expanded
	dataPlain  []byte
	compressed bytes.Reader
	inflate    io.ReadCloser
}

// bufferSize holds the headers of windows and small deltas; longer sections are read past it.
const bufferSize = 4096

// NewDecoder returns a decoder of the delta that r holds from its current position to its end. It
// reads ahead. If r is an io.Seeker, skipping windows seeks.
func NewDecoder(r io.Reader) *Decoder {
	// Made from nil, because NewReaderSize would take a *bufio.Reader of the caller for its own.
	d := &Decoder{r: bufio.NewReaderSize(nil, bufferSize)}
	d.Reset(r)
	return d
}

// Reset makes the decoder read another delta, keeping its buffers.
func (d *Decoder) Reset(r io.Reader) {
	d.raw, d.pos = r, 0
	d.r.Reset(r)
	d.version, d.versionRead, d.nextRead, d.err = 0, false, false, nil
}

// Version returns the version of the delta. It returns io.ErrUnexpectedEOF when there are fewer
// bytes than a header has, and a *CorruptError when they are no header of a known version.
func (d *Decoder) Version() (Version, error) {
	if d.versionRead {
		return d.version, nil
	}
	if d.err != nil {
		return 0, d.err
	}
	var header [HeaderSize]byte
	n, err := io.ReadFull(d.r, header[:])
	d.pos += int64(n)
	if err != nil {
		return 0, d.fail(inside(err))
	}
	if string(header[:3]) != "SVN" || Version(header[3]) > V2 {
		return 0, d.fail(&CorruptError{Reason: fmt.Sprintf("%q is not the header of an svndiff 0, 1 or 2", header[:])})
	}
	d.version, d.versionRead = Version(header[3]), true
	return d.version, nil
}

// Next returns the header of the next window, which the next ReadWindow or SkipWindow then returns
// or skips. Its errors are those of ReadWindow.
func (d *Decoder) Next() (WindowHeader, error) {
	if d.nextRead {
		return d.next, nil
	}
	if d.err != nil {
		return WindowHeader{}, d.err
	}
	if _, err := d.Version(); err != nil {
		return WindowHeader{}, err
	}
	d.nextAt = d.pos
	h, err := d.readHeader()
	if err != nil {
		return WindowHeader{}, d.fail(err)
	}
	d.next, d.nextRead = h, true
	return h, nil
}

// ReadWindow decodes the next window.
//
// All lengths are checked before anything is allocated, and the instructions before the window is
// returned: it can be applied to any source that is long enough. The window, and what it
// refers to, belongs to the decoder and is overwritten by the next call.
//
// It returns io.EOF after the last window, io.ErrUnexpectedEOF inside one, and a *CorruptError
// for bytes that the format does not allow. After an error it returns the same again.
func (d *Decoder) ReadWindow() (*Window, error) {
	h, err := d.Next()
	if err != nil {
		return nil, err
	}
	d.nextRead = false
	if err := d.readSections(h); err != nil {
		return nil, d.fail(err)
	}
	return &d.win, nil
}

// SkipWindow passes over the next window. Only its header is checked.
func (d *Decoder) SkipWindow() error {
	h, err := d.Next()
	if err != nil {
		return err
	}
	d.nextRead = false
	if err := d.skip(h.opsLen + h.dataLen); err != nil {
		return d.fail(err)
	}
	return nil
}

func (d *Decoder) fail(err error) error {
	d.err = err
	return err
}

func (d *Decoder) corrupt(format string, args ...any) error {
	return &CorruptError{Offset: d.nextAt, Reason: fmt.Sprintf(format, args...)}
}

// inside turns the end of the input into an unexpected one.
func inside(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (d *Decoder) readHeader() (WindowHeader, error) {
	p, err := d.r.Peek(maxWindowHeader)
	if len(p) == 0 {
		return WindowHeader{}, err
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return WindowHeader{}, err
	}
	var fields [5]uint64
	size := 0
	for i := range fields {
		n, s := readInt(p[size:])
		if s == 0 {
			if len(p)-size < maxIntSize && (len(p) == size || p[len(p)-1] >= 0x80) {
				return WindowHeader{}, io.ErrUnexpectedEOF
			}
			return WindowHeader{}, d.corrupt("an integer of its header is too large")
		}
		fields[i], size = n, size+s
	}
	if reason := checkHeader(fields); reason != "" {
		return WindowHeader{}, d.corrupt("%s", reason)
	}
	n, err := d.r.Discard(size)
	d.pos += int64(n)
	return WindowHeader{
		SourceOffset: int64(fields[0]),
		SourceLen:    int(fields[1]),
		TargetLen:    int(fields[2]),
		opsLen:       int(fields[3]),
		dataLen:      int(fields[4]),
	}, err
}

// checkHeader says what is wrong with the five integers of a window header; "" when nothing is.
func checkHeader(fields [5]uint64) string {
	offset, source, target, ops, data := fields[0], fields[1], fields[2], fields[3], fields[4]
	switch {
	case source > MaxView:
		return fmt.Sprintf("the source view has %d bytes, allowed are %d", source, MaxView)
	case target > MaxView:
		return fmt.Sprintf("the target view has %d bytes, allowed are %d", target, MaxView)
	case ops > maxOps+maxIntSize:
		return fmt.Sprintf("the instructions have %d bytes, allowed are %d", ops, maxOps+maxIntSize)
	case data > maxData:
		return fmt.Sprintf("the new data has %d bytes, allowed are %d", data, maxData)
	case int64(offset)+int64(source) < 0:
		return fmt.Sprintf("the source view begins at %d", offset)
	}
	return ""
}

func (d *Decoder) readSections(h WindowHeader) error {
	var err error
	if d.opsBuf, err = d.readBytes(d.opsBuf, h.opsLen); err != nil {
		return err
	}
	if d.dataBuf, err = d.readBytes(d.dataBuf, h.dataLen); err != nil {
		return err
	}
	ops, data := d.opsBuf, d.dataBuf
	if d.version != V0 {
		if ops, err = d.expand(ops, &d.opsPlain, maxOps); err != nil {
			return err
		}
		if data, err = d.expand(data, &d.dataPlain, MaxView); err != nil {
			return err
		}
	} else if len(ops) > maxOps || len(data) > MaxView {
		return d.corrupt("its sections have %d and %d bytes, allowed are %d and %d", len(ops), len(data), maxOps, MaxView)
	}
	d.win.SourceOffset, d.win.SourceLen, d.win.TargetLen = h.SourceOffset, h.SourceLen, h.TargetLen
	d.win.NewData = data
	return d.parseOps(ops)
}

// readBytes reads n bytes of the delta over buf, which grows as needed.
func (d *Decoder) readBytes(buf []byte, n int) ([]byte, error) {
	buf = slices.Grow(buf[:0], n)[:n]
	got, err := io.ReadFull(d.r, buf)
	d.pos += int64(got)
	if err != nil {
		return buf[:0], inside(err)
	}
	return buf, nil
}

// expand returns the contents of a section of version 1 or 2: as they are if the section stores
// them so, else uncompressed into buf.
func (d *Decoder) expand(section []byte, buf *[]byte, limit int) ([]byte, error) {
	n, size := readInt(section)
	if size == 0 {
		return nil, d.corrupt("a section does not begin with its length")
	}
	if n > uint64(limit) {
		return nil, d.corrupt("a section expands to %d bytes, allowed are %d", n, limit)
	}
	section = section[size:]
	if len(section) == int(n) {
		return section, nil
	}
	*buf = slices.Grow((*buf)[:0], int(n))[:n]
	var err error
	if d.version == V1 {
		err = d.inflateInto(*buf, section)
	} else {
		err = unpackInto(*buf, section)
	}
	if err != nil {
		return nil, d.corrupt("a section of %d bytes does not expand to %d: %v", len(section), n, err)
	}
	return *buf, nil
}

var errLength = errors.New("wrong length")

// unpackInto fills dst from an LZ4 block.
func unpackInto(dst, src []byte) error {
	if len(dst) == 0 || len(src) == 0 {
		return errLength // and the library's assembly reads through the nil pointer
	}
	n, err := lz4.UncompressBlock(src, dst)
	if err == nil && n != len(dst) {
		err = errLength
	}
	return err
}

// inflateInto fills dst from a zlib stream.
func (d *Decoder) inflateInto(dst, src []byte) error {
	d.compressed.Reset(src)
	var err error
	if r, ok := d.inflate.(zlib.Resetter); ok {
		err = r.Reset(&d.compressed, nil)
	} else {
		d.inflate, err = zlib.NewReader(&d.compressed)
	}
	if err != nil {
		d.inflate = nil // a reader that was never started cannot be reset
		return err
	}
	if _, err := io.ReadFull(d.inflate, dst); err != nil {
		return inside(err)
	}
	// The end has to come now; reading it is what checks the stream's checksum.
	var more [1]byte
	switch n, err := d.inflate.Read(more[:]); {
	case n > 0:
		return errLength
	case !errors.Is(err, io.EOF):
		return err
	}
	return nil
}

// parseOps parses the instructions section into the window and checks all of it.
func (d *Decoder) parseOps(p []byte) error {
	w := &d.win
	w.Ops = w.Ops[:0]
	made, used := 0, 0
	for len(p) > 0 {
		op, size := parseOp(p)
		if size == 0 {
			return d.corrupt("instruction %d is incomplete or too large", len(w.Ops))
		}
		if reason := w.checkOp(&op, made, used); reason != "" {
			return d.corrupt("instruction %d (kind %d, offset %d, length %d): %s", len(w.Ops), op.Kind, op.Offset, op.Length, reason)
		}
		made += op.Length
		if op.Kind == OpNew {
			used += op.Length
		}
		w.Ops = append(w.Ops, op)
		p = p[size:]
	}
	if made != w.TargetLen {
		return d.corrupt("the instructions make %d bytes, the target view has %d", made, w.TargetLen)
	}
	if used != len(w.NewData) {
		return d.corrupt("the instructions use %d bytes of new data, there are %d", used, len(w.NewData))
	}
	return nil
}

// parseOp returns the instruction at the start of p and its size in bytes, 0 if p does not hold
// one whose numbers lie within the largest view.
func parseOp(p []byte) (op Op, size int) {
	op.Kind = OpKind(p[0] >> 6)
	op.Length = int(p[0] & 0x3f)
	size = 1
	if op.Length == 0 {
		n, s := readInt(p[size:])
		if s == 0 || n > MaxView {
			return op, 0
		}
		op.Length, size = int(n), size+s
	}
	if op.Kind == OpSource || op.Kind == OpTarget {
		n, s := readInt(p[size:])
		if s == 0 || n > MaxView {
			return op, 0
		}
		op.Offset, size = int(n), size+s
	}
	return op, size
}

// skip passes over n bytes of the delta.
func (d *Decoder) skip(n int) error {
	if buffered := d.r.Buffered(); n > buffered {
		if s, ok := d.raw.(io.Seeker); ok {
			// Seeking past the end is no error; what follows then ends early, and it is the last
			// byte that must be there for a truncated window not to be taken for a whole one.
			if _, err := s.Seek(int64(n-buffered-1), io.SeekCurrent); err != nil {
				return err
			}
			d.r.Reset(d.raw)
			d.pos += int64(n - 1)
			n = 1
		}
	}
	got, err := d.r.Discard(n)
	d.pos += int64(got)
	return inside(err)
}
