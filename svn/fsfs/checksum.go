package fsfs

import "encoding/binary"

const (
	fnvBasis = 2166136261
	fnvPrime = 16777619
)

// itemSum is the checksum of an item in the P2L index: four FNV-1a hashes over the bytes at
// positions 0, 1, 2, 3 modulo 4, whole groups only; their big-endian bytes and the bytes left over
// are hashed once more.
type itemSum struct {
	lanes [4]uint32
	left  [4]byte
	n     int // bytes in left, below 4
}

func newItemSum() itemSum {
	return itemSum{lanes: [4]uint32{fnvBasis, fnvBasis, fnvBasis, fnvBasis}}
}

// write adds p.
func (s *itemSum) write(p []byte) {
	for s.n > 0 && len(p) > 0 {
		s.left[s.n] = p[0]
		p = p[1:]
		if s.n++; s.n == 4 {
			s.n = 0
			group := s.left
			s.groups(group[:])
		}
	}
	whole := len(p) &^ 3
	s.groups(p[:whole])
	for _, c := range p[whole:] {
		s.left[s.n] = c
		s.n++
	}
}

// groups adds p, whose length is a multiple of 4.
func (s *itemSum) groups(p []byte) {
	a, b, c, d := s.lanes[0], s.lanes[1], s.lanes[2], s.lanes[3]
	// Four groups at a time: else the loop takes as long as the multiplications.
	for ; len(p) >= 16; p = p[16:] {
		q := (*[16]byte)(p)
		a = (a ^ uint32(q[0])) * fnvPrime
		b = (b ^ uint32(q[1])) * fnvPrime
		c = (c ^ uint32(q[2])) * fnvPrime
		d = (d ^ uint32(q[3])) * fnvPrime
		a = (a ^ uint32(q[4])) * fnvPrime
		b = (b ^ uint32(q[5])) * fnvPrime
		c = (c ^ uint32(q[6])) * fnvPrime
		d = (d ^ uint32(q[7])) * fnvPrime
		a = (a ^ uint32(q[8])) * fnvPrime
		b = (b ^ uint32(q[9])) * fnvPrime
		c = (c ^ uint32(q[10])) * fnvPrime
		d = (d ^ uint32(q[11])) * fnvPrime
		a = (a ^ uint32(q[12])) * fnvPrime
		b = (b ^ uint32(q[13])) * fnvPrime
		c = (c ^ uint32(q[14])) * fnvPrime
		d = (d ^ uint32(q[15])) * fnvPrime
	}
	for len(p) >= 4 {
		a = (a ^ uint32(p[0])) * fnvPrime
		b = (b ^ uint32(p[1])) * fnvPrime
		c = (c ^ uint32(p[2])) * fnvPrime
		d = (d ^ uint32(p[3])) * fnvPrime
		p = p[4:]
	}
	s.lanes = [4]uint32{a, b, c, d}
}

func (s *itemSum) sum() uint32 {
	var all [20]byte
	for i, lane := range s.lanes {
		binary.BigEndian.PutUint32(all[4*i:], lane)
	}
	n := 16 + copy(all[16:], s.left[:s.n])
	h := uint32(fnvBasis)
	for _, c := range all[:n] {
		h = (h ^ uint32(c)) * fnvPrime
	}
	return h
}
