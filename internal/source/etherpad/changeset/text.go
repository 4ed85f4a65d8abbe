package changeset

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// AttribError is the use of an attribute that is not in the pool.
type AttribError struct{ Number int }

func (e *AttribError) Error() string { return fmt.Sprintf("attribute %d is not in the pool", e.Number) }

// maxChunk is how many units a chunk has before it is divided. An edit moves one chunk's at most, and looks at the
// number of units of all chunks before it: 1,024 was the fastest for texts of 10 KB to 1 MB.
const maxChunk = 1024

// chunk is a part of a text.
type chunk struct {
	text  []uint16
	attr  []setID // of the same length
	lines int     // line feeds in text
}

// Text is a text with attributes, to which changesets are applied.
type Text struct {
	chunks []*chunk
	n      int // units
	sets   *sets
}

// New returns the text that every pad begins with before its revision 0: one line feed. The pool may grow afterwards.
func New(pool *Pool) *Text {
	return &Text{chunks: []*chunk{{text: []uint16{'\n'}, attr: []setID{0}, lines: 1}}, n: 1, sets: newSets(pool)}
}

// FromAText returns the text that an atext of Etherpad describes.
func FromAText(text, attribs string, pool *Pool) (*Text, error) {
	return FromUnits(utf16.Encode([]rune(text)), []byte(attribs), pool)
}

// FromUnits is FromAText for a text in UTF-16, which keeps halves of surrogate pairs as they are.
func FromUnits(text []uint16, attribs []byte, pool *Pool) (*Text, error) {
	if len(text) > MaxLen {
		return nil, errors.New("the text is too long")
	}
	t := &Text{n: len(text), sets: newSets(pool)}
	attr := make([]setID, 0, len(text))
	rest := text
	err := eachOp(attribs, func(op *Op) error {
		if op.Code != '+' || op.Chars > len(rest) {
			return errors.New("the attributes do not fit the text")
		}
		if err := checkLines(op, rest[:op.Chars]); err != nil {
			return err
		}
		id, err := t.sets.set(op.Attribs)
		if err != nil {
			return err
		}
		for range op.Chars {
			attr = append(attr, id)
		}
		rest = rest[op.Chars:]
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(rest) > 0 {
		return nil, errors.New("the attributes are for a shorter text")
	}
	for len(text) > 0 {
		n := min(len(text), maxChunk/2)
		t.chunks = append(t.chunks, &chunk{text: slices.Clone(text[:n]), attr: slices.Clone(attr[:n]), lines: countLines(text[:n])})
		text, attr = text[n:], attr[n:]
	}
	if len(t.chunks) == 0 {
		t.chunks = []*chunk{{}}
	}
	return t, nil
}

// eachOp calls f with the operations of an attribs string.
func eachOp(attribs []byte, f func(*Op) error) error {
	s := make([]uint16, len(attribs))
	for i, b := range attribs {
		s[i] = uint16(b)
	}
	p := parser{s: s}
	var ops [1]Op
	var buf []int32
	for p.i < len(s) {
		found, numbers, err := p.one(ops[:0], buf[:0])
		if err != nil {
			return err
		}
		buf = numbers
		for i := range found {
			if err := f(&found[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// Len returns the length in UTF-16 code units.
func (t *Text) Len() int { return t.n }

// Pool returns the pool that the numbers of attributes are of.
func (t *Text) Pool() *Pool { return t.sets.pool }

// Clone returns a copy, with the same pool.
func (t *Text) Clone() *Text {
	c := &Text{n: t.n, sets: newSets(t.sets.pool), chunks: make([]*chunk, len(t.chunks))}
	for _, numbers := range t.sets.all[1:] {
		if _, err := c.sets.ordered(numbers); err != nil {
			panic(err) // it fitted before
		}
	}
	for i, k := range t.chunks {
		c.chunks[i] = &chunk{text: slices.Clone(k.text), attr: slices.Clone(k.attr), lines: k.lines}
	}
	return c
}

// String returns the text. Halves of surrogate pairs become U+FFFD.
func (t *Text) String() string {
	b := make([]byte, 0, t.n+t.n/8)
	var high uint16 // the first half of a pair that is in the chunk before
	for _, k := range t.chunks {
		for _, u := range k.text {
			b, high = appendUnit(b, high, u)
		}
	}
	if high != 0 {
		b = utf8.AppendRune(b, utf8.RuneError)
	}
	return string(b)
}

// appendUnit appends a unit to UTF-8; high is the half of a pair that waits, or 0, as is what it returns.
func appendUnit(b []byte, high, u uint16) (text []byte, waits uint16) {
	if high != 0 {
		if u >= 0xdc00 && u < 0xe000 {
			return utf8.AppendRune(b, utf16.DecodeRune(rune(high), rune(u))), 0
		}
		b = utf8.AppendRune(b, utf8.RuneError)
	}
	if u >= 0xd800 && u < 0xdc00 {
		return b, u
	}
	return utf8.AppendRune(b, rune(u)), 0 // a second half alone becomes U+FFFD
}

// Decode returns UTF-16 code units as a string. Halves of surrogate pairs become U+FFFD.
func Decode(units []uint16) string {
	b := make([]byte, 0, len(units))
	var high uint16
	for _, u := range units {
		b, high = appendUnit(b, high, u)
	}
	if high != 0 {
		b = utf8.AppendRune(b, utf8.RuneError)
	}
	return string(b)
}

// Run is a part of a text with the same attributes.
type Run struct {
	Text    string
	Units   int     // length of Text in UTF-16 code units
	Attribs []int32 // sorted numbers of the pool; not to be changed
}

// Lines returns the runs of each line, without the line feeds. A surrogate pair whose halves have different attributes, which
// browsers make when one emoji becomes another, has those of the first. What follows the last line feed, of which there is nothing in a
// whole pad, is a line if it is not empty.
func (t *Text) Lines() [][]Run {
	var lines [][]Run
	var line []Run
	var units []uint16
	var last setID
	flush := func() {
		if len(units) > 0 {
			line = append(line, Run{Text: Decode(units), Units: len(units), Attribs: t.sets.all[last]})
			units = units[:0]
		}
	}
	for _, k := range t.chunks {
		for i, u := range k.text {
			if u == '\n' {
				flush()
				lines, line = append(lines, line), nil
				continue
			}
			if k.attr[i] != last {
				if n := len(units); n > 0 && utf16.DecodeRune(rune(units[n-1]), rune(u)) != utf8.RuneError {
					units = append(units, u)
					continue
				}
				flush()
				last = k.attr[i]
			}
			units = append(units, u)
		}
	}
	flush()
	if line != nil {
		lines = append(lines, line)
	}
	return lines
}

// Attribs returns the attributes of the whole text as Etherpad writes them: neighbours with the same ones are one, and
// what follows its last line feed another.
func (t *Text) Attribs() string {
	var b strings.Builder
	var id setID
	chars, lines, last := 0, 0, 0 // of the run; last is the units up to its last line feed
	flush := func() {
		if lines > 0 {
			writeOp(&b, t.sets.all[id], lines, last)
		}
		if chars > last {
			writeOp(&b, t.sets.all[id], 0, chars-last)
		}
		chars, lines, last = 0, 0, 0
	}
	for _, k := range t.chunks {
		for i, u := range k.text {
			if k.attr[i] != id {
				flush()
				id = k.attr[i]
			}
			chars++
			if u == '\n' {
				lines++
				last = chars
			}
		}
	}
	flush()
	return b.String()
}

func writeOp(b *strings.Builder, attribs []int32, lines, chars int) {
	for _, n := range attribs {
		b.WriteByte('*')
		b.WriteString(strconv.FormatInt(int64(n), 36))
	}
	if lines > 0 {
		b.WriteByte('|')
		b.WriteString(strconv.FormatInt(int64(lines), 36))
	}
	b.WriteByte('+')
	b.WriteString(strconv.FormatInt(int64(chars), 36))
}

// Equal tells whether this is the text that an atext describes; the error says where it is not, or what is wrong with that.
func (t *Text) Equal(text []uint16, attribs []byte) error {
	if len(text) != t.n {
		return fmt.Errorf("the text has %d units, and %d after all changes", len(text), t.n)
	}
	i := 0
	for _, k := range t.chunks {
		if !slices.Equal(k.text, text[i:i+len(k.text)]) {
			return fmt.Errorf("the text differs between the units %d and %d", i, i+len(k.text))
		}
		i += len(k.text)
	}
	c := cursor{t: t}
	at := 0
	err := eachOp(attribs, func(op *Op) error {
		id, err := t.sets.set(op.Attribs)
		if err != nil {
			return err
		}
		if op.Code != '+' || at+op.Chars > t.n {
			return errors.New("the attributes do not fit the text")
		}
		same := true
		lines := c.walk(op.Chars, func(k *chunk, from, to int) {
			for _, other := range k.attr[from:to] {
				same = same && other == id
			}
		})
		if !same || lines != op.Lines {
			return fmt.Errorf("the attributes differ between the units %d and %d", at, at+op.Chars)
		}
		at += op.Chars
		return nil
	})
	if err == nil && at != t.n {
		err = errors.New("the attributes are for a shorter text")
	}
	return err
}
