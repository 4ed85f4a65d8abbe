package svndiff

import "math"

// maxIntSize is the longest encoding of an integer, in bytes: SVN__MAX_ENCODED_UINT_LEN.
const maxIntSize = 10

// appendInt appends n in svndiff's form: 7 bits a byte, most significant first, the top bit set
// on all bytes but the last.
func appendInt(dst []byte, n uint64) []byte {
	var buf [maxIntSize]byte
	i := len(buf) - 1
	buf[i] = byte(n & 0x7f)
	for n >>= 7; n > 0; n >>= 7 {
		i--
		buf[i] = byte(n&0x7f) | 0x80
	}
	return append(dst, buf[i:]...)
}

// readInt returns the integer at the start of p and its length in bytes; a length of 0 says that p
// ends before the integer does, or that it is above the largest int64.
func readInt(p []byte) (n uint64, size int) {
	for i, b := range p[:min(len(p), maxIntSize)] {
		if n > math.MaxInt64>>7 {
			return 0, 0
		}
		n = n<<7 | uint64(b&0x7f)
		if b < 0x80 {
			return n, i + 1
		}
	}
	return 0, 0
}
