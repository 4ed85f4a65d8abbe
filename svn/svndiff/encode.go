package svndiff

import (
	"bytes"
	"slices"
	"sync"

	"github.com/klauspost/compress"
	"github.com/klauspost/compress/zlib"
	"github.com/pierrec/lz4/v4"
)

const (
	// minDeflate is the shortest section that is compressed with zlib: MIN_COMPRESS_SIZE of libsvn.
	minDeflate = 512
	// minPack is the shortest section that is tried with LZ4; its blocks end in 5 literal bytes and
	// no match starts in the last 12, so that less than this never becomes smaller.
	minPack = 18
	// deflateLevel is libsvn's default for svndiff1.
	deflateLevel = 5
	// hopeless is the estimate of compressibility, between 0 and 1, below which zlib is not tried:
	// on random data deflating costs 20 times what the estimate costs.
	hopeless = 0.01
)

// AppendHeader appends what a delta begins with.
func AppendHeader(dst []byte, v Version) []byte {
	return append(dst, 'S', 'V', 'N', byte(v))
}

// scratch is what AppendWindow needs besides its result.
type scratch struct {
	ops, packed []byte
	deflated    bytes.Buffer
	deflate     *zlib.Writer
}

var scratches sync.Pool // of *scratch

// AppendWindow appends the encoded window. Sections are stored as they are in version 0, and in
// the others wherever compressing does not make them smaller. It returns a *CorruptError for a
// window that no decoder would accept. It may be called concurrently.
func AppendWindow(dst []byte, v Version, w *Window) ([]byte, error) {
	if v > V2 {
		return dst, invalid("there is no version %d", v)
	}
	if err := w.check(); err != nil {
		return dst, err
	}
	s, ok := scratches.Get().(*scratch)
	if !ok {
		s = new(scratch)
	}
	defer scratches.Put(s)

	s.ops = appendOps(s.ops[:0], w.Ops)
	ops, data := s.ops, w.NewData
	if v != V0 {
		s.packed = s.appendSection(s.packed[:0], v, s.ops)
		n := len(s.packed)
		s.packed = s.appendSection(s.packed, v, w.NewData)
		ops, data = s.packed[:n], s.packed[n:]
	}
	dst = appendInt(dst, uint64(w.SourceOffset))
	dst = appendInt(dst, uint64(w.SourceLen))
	dst = appendInt(dst, uint64(w.TargetLen))
	dst = appendInt(dst, uint64(len(ops)))
	dst = appendInt(dst, uint64(len(data)))
	dst = append(dst, ops...)
	return append(dst, data...), nil
}

func appendOps(dst []byte, ops []Op) []byte {
	for i := range ops {
		op := &ops[i]
		if op.Length < 0x40 {
			dst = append(dst, byte(op.Kind)<<6|byte(op.Length))
		} else {
			dst = append(dst, byte(op.Kind)<<6)
			dst = appendInt(dst, uint64(op.Length))
		}
		if op.Kind != OpNew {
			dst = appendInt(dst, uint64(op.Offset))
		}
	}
	return dst
}

// appendSection appends a section of version 1 or 2: its length, then its bytes, compressed
// if that makes them fewer.
func (s *scratch) appendSection(dst []byte, v Version, p []byte) []byte {
	dst = appendInt(dst, uint64(len(p)))
	if v == V1 {
		if q := s.tryDeflate(p); q != nil {
			return append(dst, q...)
		}
		return append(dst, p...)
	}
	if len(p) >= minPack {
		start := len(dst)
		// One byte less than the section: a block that does not fit is not wanted.
		dst = slices.Grow(dst, len(p))
		n, err := lz4.CompressBlock(p, dst[start:start+len(p)-1], nil)
		if err == nil && n > 0 {
			return dst[:start+n]
		}
	}
	return append(dst, p...)
}

// tryDeflate returns p compressed, in a buffer of s, or nil if that is not smaller.
func (s *scratch) tryDeflate(p []byte) []byte {
	if len(p) < minDeflate || compress.Estimate(p) < hopeless {
		return nil
	}
	s.deflated.Reset()
	if s.deflate == nil {
		// The level is a constant within the allowed ones, the only thing that can be wrong.
		s.deflate, _ = zlib.NewWriterLevel(&s.deflated, deflateLevel)
	} else {
		s.deflate.Reset(&s.deflated)
	}
	// A bytes.Buffer takes everything.
	_, _ = s.deflate.Write(p)
	_ = s.deflate.Close()
	if s.deflated.Len() >= len(p) {
		return nil
	}
	return s.deflated.Bytes()
}
