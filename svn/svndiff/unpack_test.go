package svndiff

import (
	"bytes"
	"testing"

	"github.com/pierrec/lz4/v4"
)

// FuzzUnpack checks the LZ4 library, whose decoder is assembly without bounds checks by the
// compiler, against a plain decoder, and that it writes nothing beside its destination.
func FuzzUnpack(f *testing.F) {
	packed := make([]byte, 200)
	n, err := lz4.CompressBlock(bytes.Repeat([]byte("havre de grâce "), 20), packed, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packed[:n], uint16(320))
	f.Add([]byte("\x8ahelloabc\x03\x00\x50abcde"), uint16(27))
	f.Add([]byte{0}, uint16(0))
	f.Fuzz(func(t *testing.T, src []byte, size uint16) {
		const guard = 64
		buf := bytes.Repeat([]byte{0xa5}, int(size)+2*guard)
		dst := buf[guard : guard+int(size)]
		err := unpackInto(dst, src)
		for i := range guard {
			if buf[i] != 0xa5 || buf[len(buf)-1-i] != 0xa5 {
				t.Fatal("wrote outside of the destination")
			}
		}
		if err != nil {
			return
		}
		// How a block may end is not compared: the library takes some that no encoder writes, and
		// refuses others.
		if want := plainUnpack(src, int(size)); !bytes.Equal(dst, want) {
			t.Fatalf("got %q, want %q", dst, want)
		}
	})
}

// plainUnpack decodes an LZ4 block, to at most limit bytes or to where it is wrong.
func plainUnpack(src []byte, limit int) (dst []byte) {
	for len(src) > 0 {
		token := src[0]
		n, src1, ok := extend(int(token>>4), src[1:])
		if src = src1; !ok || n > len(src) || n > limit-len(dst) {
			break
		}
		dst = append(dst, src[:n]...)
		if src = src[n:]; len(src) < 2 {
			break
		}
		offset := int(src[0]) | int(src[1])<<8
		n, src, ok = extend(int(token&15), src[2:])
		if !ok || offset == 0 || offset > len(dst) || n+4 > limit-len(dst) {
			break
		}
		dst = appendOverlapping(dst, len(dst)-offset, n+4)
	}
	return dst
}

// extend reads the bytes that continue a length of 15.
func extend(n int, src []byte) (length int, rest []byte, ok bool) {
	if n < 15 {
		return n, src, true
	}
	for len(src) > 0 {
		b := src[0]
		n, src = n+int(b), src[1:]
		if b < 255 {
			return n, src, true
		}
	}
	return n, src, false
}
