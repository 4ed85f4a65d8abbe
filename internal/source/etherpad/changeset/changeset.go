package changeset

import (
	"errors"
	"fmt"
	"math"
	"unicode/utf16"
)

// MaxLen is the longest text in UTF-16 code units. A pad of that length cannot be used in a browser.
const MaxLen = 1 << 24

// maxAttribs bounds the attributes of one operation. Text has a handful.
const maxAttribs = 256

// Op is one step of a changeset, or a run of an attributed text.
type Op struct {
	Code    byte    // '=', '+' or '-'
	Chars   int     // UTF-16 code units, more than 0
	Lines   int     // line feeds within them; if there are any, the last unit is one
	Attribs []int32 // numbers of the pool, in the order that was written
}

// Changeset is one change. Its parts belong to it until it is parsed into again.
type Changeset struct {
	OldLen, NewLen int
	Ops            []Op
	Bank           []uint16 // what is inserted, in order

	attribs []int32 // what Op.Attribs are parts of
}

// Parse reads a changeset and checks that it fits together.
func Parse(s string) (*Changeset, error) {
	c := &Changeset{}
	return c, c.Parse(utf16.Encode([]rune(s)))
}

// Parse reads a changeset into c, which is used again. The bank is a part of s.
func (c *Changeset) Parse(s []uint16) error {
	c.Ops, c.attribs, c.Bank, c.OldLen, c.NewLen = c.Ops[:0], c.attribs[:0], nil, 0, 0
	p := parser{s: s}
	if !p.take('Z') || !p.take(':') {
		return errors.New("there is no Z: at the beginning")
	}
	var err error
	if c.OldLen, err = p.number(); err != nil {
		return err
	}
	grows := p.take('>')
	if !grows && !p.take('<') {
		return errors.New("the old length is followed by < or >")
	}
	diff, err := p.number()
	if err != nil {
		return err
	}
	if !grows {
		diff = -diff
	}
	c.NewLen = c.OldLen + diff
	if c.OldLen > MaxLen || c.NewLen > MaxLen || c.NewLen < 0 {
		return fmt.Errorf("a text of %d and then %d units is too long or less than nothing", c.OldLen, c.NewLen)
	}
	if c.Ops, c.attribs, err = p.ops(c.Ops, c.attribs); err != nil {
		return err
	}
	if !p.take('$') {
		return errors.New("there is no $ before the inserted text")
	}
	c.Bank = s[p.i:]
	return c.check()
}

// check compares the operations with the lengths and the bank.
func (c *Changeset) check() error {
	used, inserted, bank := 0, 0, c.Bank
	for i := range c.Ops {
		op := &c.Ops[i]
		switch op.Code {
		case '+':
			if op.Chars > len(bank) {
				return errors.New("it inserts more text than it has")
			}
			if err := checkLines(op, bank[:op.Chars]); err != nil {
				return err
			}
			bank = bank[op.Chars:]
			inserted += op.Chars
		case '-':
			inserted -= op.Chars
			used += op.Chars
		default:
			used += op.Chars
		}
		if used > c.OldLen {
			return errors.New("it reaches beyond the text")
		}
	}
	if c.OldLen+inserted != c.NewLen {
		return fmt.Errorf("the text gets %d units longer and should get %d", inserted, c.NewLen-c.OldLen)
	}
	return nil
}

func checkLines(op *Op, text []uint16) error {
	if n := countLines(text); n != op.Lines {
		return fmt.Errorf("%d line feeds where %d should be", n, op.Lines)
	}
	if op.Lines > 0 && text[len(text)-1] != '\n' {
		return errors.New("an operation on lines ends within one")
	}
	return nil
}

func countLines(text []uint16) int {
	n := 0
	for _, u := range text {
		if u == '\n' {
			n++
		}
	}
	return n
}

// Inserted returns how many units it inserts and how many it removes.
func (c *Changeset) Inserted() (added, removed int) {
	for i := range c.Ops {
		switch c.Ops[i].Code {
		case '+':
			added += c.Ops[i].Chars
		case '-':
			removed += c.Ops[i].Chars
		}
	}
	return added, removed
}

// Renumber replaces the numbers of attributes, which are those of one pool, by those of another, to which what is
// missing is added. Changesets that come over a socket have pools of their own.
func (c *Changeset) Renumber(from, to *Pool) error {
	for i := range c.Ops {
		for j, n := range c.Ops[i].Attribs {
			a, ok := from.Attrib(int(n))
			if !ok {
				return fmt.Errorf("attribute %d is not in the pool", n)
			}
			c.Ops[i].Attribs[j] = int32(to.Put(a))
		}
	}
	return nil
}

// parser reads what is before the bank.
type parser struct {
	s []uint16
	i int
}

func (p *parser) take(c uint16) bool {
	if p.i < len(p.s) && p.s[p.i] == c {
		p.i++
		return true
	}
	return false
}

// number reads a number in base 36.
func (p *parser) number() (int, error) {
	n, start := 0, p.i
	for ; p.i < len(p.s); p.i++ {
		d := digit(p.s[p.i])
		if d < 0 {
			break
		}
		if n = n*36 + d; n > math.MaxInt32 {
			return 0, errors.New("a number is too large")
		}
	}
	if p.i == start {
		return 0, fmt.Errorf("no number at %d", start)
	}
	return n, nil
}

func digit(u uint16) int {
	switch {
	case u >= '0' && u <= '9':
		return int(u - '0')
	case u >= 'a' && u <= 'z':
		return int(u-'a') + 10
	}
	return -1
}

// ops reads operations up to '$' or the end, and appends them.
func (p *parser) ops(ops []Op, attribs []int32) ([]Op, []int32, error) {
	var err error
	for err == nil && p.i < len(p.s) && p.s[p.i] != '$' {
		ops, attribs, err = p.one(ops, attribs)
	}
	return ops, attribs, err
}

// one reads an operation and appends it, unless it does nothing.
func (p *parser) one(ops []Op, attribs []int32) ([]Op, []int32, error) {
	start := len(attribs)
	for p.take('*') {
		n, err := p.number()
		if err != nil {
			return ops, attribs, err
		}
		if attribs = append(attribs, int32(n)); len(attribs)-start > maxAttribs {
			return ops, attribs, errors.New("too many attributes")
		}
	}
	var op Op
	var err error
	if p.take('|') {
		if op.Lines, err = p.number(); err != nil {
			return ops, attribs, err
		}
	}
	switch {
	case p.take('='):
		op.Code = '='
	case p.take('+'):
		op.Code = '+'
	case p.take('-'):
		op.Code = '-'
	default:
		return ops, attribs, fmt.Errorf("no operation at %d", p.i)
	}
	if op.Chars, err = p.number(); err != nil {
		return ops, attribs, err
	}
	if op.Lines > op.Chars {
		return ops, attribs, fmt.Errorf("an operation on %d units with %d line feeds", op.Chars, op.Lines)
	}
	if op.Chars > 0 {
		op.Attribs = attribs[start:len(attribs):len(attribs)]
		ops = append(ops, op)
	}
	return ops, attribs, nil
}
