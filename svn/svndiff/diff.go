package svndiff

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

const (
	// blockSize is the grain at which equal data is looked for in the source view, in bytes. The
	// checksum of a block fits a word because of it, see gear.
	blockSize = 64
	// slotBits is the size of the table of blocks: more than twice the MaxView/blockSize = 1,600
	// blocks of a view.
	slotBits = 12
)

// slot is a block of the source: the checksum's bits that do not choose the slot, and where the
// block begins, plus one; 0 says that the slot is free.
type slot struct {
	tag uint32
	pos uint32
}

// Differ makes the instructions of windows. It has tables that are used again by each call, and is
// for one goroutine. The zero value is ready.
type Differ struct {
	slots [1 << slotBits]slot
	data  []byte
}

// Diff fills w with the instructions that make target out of source, both of which are views of at
// most MaxView bytes. SourceOffset is left to the caller. NewData points into target or into a
// buffer of the differ, and holds until the next call or until target is written to.
//
// Equal views become one instruction. Otherwise what both begin and end with is copied, and in
// between blocks of the source are searched at every position of the target, forwards only, so
// that the time is linear whatever the data is.
func (d *Differ) Diff(w *Window, source, target []byte) {
	w.SourceLen, w.TargetLen = len(source), len(target)
	w.Ops = w.Ops[:0]
	w.NewData = nil

	m := matcher{Differ: d, w: w, source: source, target: target}
	d.data = d.data[:0]
	prefix := commonPrefix(source, target)
	m.copySource(0, prefix)
	suffix := commonSuffix(source[prefix:], target[prefix:])
	end := len(target) - suffix
	if end-m.done >= blockSize && len(source) >= blockSize {
		m.match(end)
	}
	m.flush(end)
	m.copySource(len(source)-suffix, suffix)

	if m.gaps > 1 {
		w.NewData = d.data
	} else {
		w.NewData = m.gap
	}
}

// matcher is one call of Diff.
type matcher struct {
	*Differ
	w              *Window
	source, target []byte
	done           int // target bytes that have their instructions
	// One gap of new data is used where it lies; from the second on they are put together.
	gaps int
	gap  []byte
}

// copySource makes the next n bytes by copying.
func (m *matcher) copySource(offset, n int) {
	if n == 0 {
		return
	}
	m.done += n
	// A match behind a match that continues it in the source makes one instruction.
	if i := len(m.w.Ops) - 1; i >= 0 {
		last := &m.w.Ops[i]
		if last.Kind == OpSource && last.Offset+last.Length == offset {
			last.Length += n
			return
		}
	}
	m.w.Ops = append(m.w.Ops, Op{Kind: OpSource, Offset: offset, Length: n})
}

// flush makes the bytes up to end of the target from new data.
func (m *matcher) flush(end int) {
	if end == m.done {
		return
	}
	gap := m.target[m.done:end:end]
	switch m.gaps {
	case 0:
		m.gap = gap
	case 1:
		m.data = append(m.data, m.gap...)
		fallthrough
	default:
		m.data = append(m.data, gap...)
	}
	m.gaps++
	m.w.Ops = append(m.w.Ops, Op{Kind: OpNew, Length: len(gap)})
	m.done = end
}

// match finds blocks of the source in target[m.done:end].
func (m *matcher) match(end int) {
	m.index()
	for {
		from, at := m.nextBlock(end)
		if at < 0 {
			return
		}
		n := commonPrefix(m.source[from:], m.target[at:end])
		back := commonSuffix(m.source[:from], m.target[m.done:at])
		m.flush(at - back)
		m.copySource(from-back, back+n)
	}
}

// nextBlock returns where the next block of the source that is in target[m.done:end] lies in either;
// at is negative when there is none.
func (m *matcher) nextBlock(end int) (from, at int) {
	slots, source, target := &m.slots, m.source, m.target[:end]
	var sum uint64
	for i, b := range target[m.done:] {
		sum = sum<<1 + gear[b]
		s := &slots[sum>>(64-slotBits)]
		// The tag alone is almost always enough, so that the processor guesses right; free slots
		// have tag 0.
		if s.tag != tag(sum) {
			continue
		}
		at := m.done + i + 1 - blockSize
		if s.pos == 0 || at < m.done {
			continue
		}
		from := int(s.pos - 1)
		if bytes.Equal(source[from:from+blockSize], target[at:at+blockSize]) {
			return from, at
		}
	}
	return 0, -1
}

// index puts the blocks of the source into the table. Of blocks that would take the same slot the
// first stays: it has the most data behind it to continue a match with.
func (m *matcher) index() {
	clear(m.slots[:])
	for at := 0; at+blockSize <= len(m.source); at += blockSize {
		var sum uint64
		for _, b := range m.source[at : at+blockSize] {
			sum = sum<<1 + gear[b]
		}
		s := &m.slots[sum>>(64-slotBits)]
		if s.pos == 0 {
			*s = slot{tag: tag(sum), pos: uint32(at + 1)}
		}
	}
}

func tag(sum uint64) uint32 { return uint32(sum >> (64 - slotBits - 32)) }

// gear has a random word for each byte. A checksum is shifted by one bit for each byte that is
// added, so that after 64 more a byte has left it: rolling needs no subtraction.
var gear = func() (table [256]uint64) {
	// Steele, Lea and Flood's SplitMix64, from 0.
	var state uint64
	for i := range table {
		state += 0x9e3779b97f4a7c15
		z := state
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		table[i] = z ^ z>>31
	}
	return table
}()

// commonPrefix returns how many bytes a and b begin with in common.
func commonPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	if bytes.Equal(a[:n], b[:n]) {
		return n
	}
	i := 0
	for ; i+8 <= n; i += 8 {
		if x := binary.LittleEndian.Uint64(a[i:]) ^ binary.LittleEndian.Uint64(b[i:]); x != 0 {
			return i + bits.TrailingZeros64(x)/8
		}
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}

// commonSuffix returns how many bytes a and b end with in common.
func commonSuffix(a, b []byte) int {
	n := min(len(a), len(b))
	a, b = a[len(a)-n:], b[len(b)-n:]
	i := n
	for ; i >= 8; i -= 8 {
		if x := binary.LittleEndian.Uint64(a[i-8:]) ^ binary.LittleEndian.Uint64(b[i-8:]); x != 0 {
			return n - i + bits.LeadingZeros64(x)/8
		}
	}
	for i > 0 && a[i-1] == b[i-1] {
		i--
	}
	return n - i
}
