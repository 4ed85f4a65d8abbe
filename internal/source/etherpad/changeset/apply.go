package changeset

import (
	"errors"
	"fmt"
	"slices"
)

// cursor is a place in a text: before the unit at of chunk i, or at the end of the chunk.
type cursor struct {
	t     *Text
	i, at int
}

// walk moves the cursor by n units, which there must be, calls f, if it is not nil, with each part of a chunk that it
// passes, and returns the number of line feeds within.
func (c *cursor) walk(n int, f func(k *chunk, from, to int)) (lines int) {
	for n > 0 {
		k := c.t.chunks[c.i]
		if c.at == len(k.text) {
			c.i, c.at = c.i+1, 0
			continue
		}
		m := min(n, len(k.text)-c.at)
		if m == len(k.text) {
			lines += k.lines
		} else {
			lines += countLines(k.text[c.at : c.at+m])
		}
		if f != nil {
			f(k, c.at, c.at+m)
		}
		c.at += m
		n -= m
	}
	return lines
}

// Apply makes a change. After an error the text is not to be used any more.
func (t *Text) Apply(c *Changeset) error { return t.ApplyFunc(c, nil) }

// ApplyFunc makes a change and calls removed, if it is not nil, with each part that it removes: the place in the text
// as it is after what precedes was changed, in units, the units, and their attributes, which are valid during the call.
func (t *Text) ApplyFunc(c *Changeset, removed func(offset int, text []uint16, attribs []int32)) error {
	if c.OldLen != t.n {
		return fmt.Errorf("it is for a text of %d units, and there are %d", c.OldLen, t.n)
	}
	cur := cursor{t: t}
	bank := c.Bank
	offset := 0
	for i := range c.Ops {
		op := &c.Ops[i]
		switch op.Code {
		case '=':
			set, err := t.sets.ordered(op.Attribs)
			if err != nil {
				return err
			}
			var change func(*chunk, int, int)
			if set != 0 {
				change = func(k *chunk, from, to int) {
					if err == nil {
						err = t.sets.recolour(k.attr[from:to], set)
					}
				}
			}
			lines := cur.walk(op.Chars, change)
			if err == nil && lines != op.Lines {
				err = fmt.Errorf("%d line feeds where %d should be kept", lines, op.Lines)
			}
			if err != nil {
				return err
			}
			offset += op.Chars
		case '-':
			lines, ended := cur.remove(op.Chars, offset, removed)
			if lines != op.Lines || lines > 0 && !ended {
				return fmt.Errorf("%d line feeds where %d should be removed", lines, op.Lines)
			}
		case '+':
			id, err := t.sets.set(op.Attribs)
			if err != nil {
				return err
			}
			cur.insert(bank[:op.Chars], id, op.Lines)
			bank = bank[op.Chars:]
			offset += op.Chars
		default:
			return errors.New("an operation of another kind")
		}
	}
	if t.n != c.NewLen {
		return fmt.Errorf("the text has %d units and should have %d", t.n, c.NewLen)
	}
	return nil
}

// recolour applies the list set to the attributes of a stretch of text.
func (s *sets) recolour(attr []setID, set setID) error {
	for j := 0; j < len(attr); {
		old := attr[j]
		id, err := s.compose(old, set)
		if err != nil {
			return err
		}
		for ; j < len(attr) && attr[j] == old; j++ {
			attr[j] = id
		}
	}
	return nil
}

// remove takes away the n units after the cursor; ended tells whether the last was a line feed.
func (c *cursor) remove(n, offset int, removed func(int, []uint16, []int32)) (lines int, ended bool) {
	t := c.t
	first, last := 0, 0 // the chunks of which nothing is left
	for n > 0 {
		k := t.chunks[c.i]
		if c.at == len(k.text) {
			c.i, c.at = c.i+1, 0
			continue
		}
		end := min(len(k.text), c.at+n)
		if removed != nil {
			c.tell(k, end, offset, removed)
		}
		gone := countLines(k.text[c.at:end])
		ended = k.text[end-1] == '\n'
		n -= end - c.at
		t.n -= end - c.at
		lines += gone
		if c.at == 0 && end == len(k.text) {
			if last == 0 {
				first = c.i
			}
			c.i++
			last = c.i
			continue
		}
		k.lines -= gone
		k.text = slices.Delete(k.text, c.at, end)
		k.attr = slices.Delete(k.attr, c.at, end)
	}
	t.chunks = slices.Delete(t.chunks, first, last)
	c.i -= last - first
	if len(t.chunks) == 0 {
		t.chunks = append(t.chunks, &chunk{})
	}
	if c.i == len(t.chunks) { // there is always a chunk to be in
		c.i--
		c.at = len(t.chunks[c.i].text)
	}
	c.merge()
	return lines, ended
}

// tell calls removed with each run between the cursor and end.
func (c *cursor) tell(k *chunk, end, offset int, removed func(int, []uint16, []int32)) {
	for from := c.at; from < end; {
		to := from + 1
		for to < end && k.attr[to] == k.attr[from] {
			to++
		}
		removed(offset, k.text[from:to], c.t.sets.all[k.attr[from]])
		from = to
	}
}

// merge joins the cursor's chunk with the one before it if both are small, so that there are never many small ones.
func (c *cursor) merge() {
	t := c.t
	if c.i == 0 || len(t.chunks[c.i-1].text)+len(t.chunks[c.i].text) > maxChunk/2 {
		return
	}
	before, k := t.chunks[c.i-1], t.chunks[c.i]
	c.i, c.at = c.i-1, c.at+len(before.text)
	before.text = append(before.text, k.text...)
	before.attr = append(before.attr, k.attr...)
	before.lines += k.lines
	t.chunks = slices.Delete(t.chunks, c.i+1, c.i+2)
}

// insert puts units before the cursor.
func (c *cursor) insert(units []uint16, id setID, lines int) {
	t := c.t
	t.n += len(units)
	for len(units) > 0 {
		k := t.chunks[c.i]
		if len(k.text) >= maxChunk {
			c.split()
			continue
		}
		n := min(len(units), maxChunk-len(k.text))
		k.text = slices.Insert(k.text, c.at, units[:n]...)
		k.attr = slices.Grow(k.attr, n)[:len(k.attr)+n]
		copy(k.attr[c.at+n:], k.attr[c.at:])
		for j := c.at; j < c.at+n; j++ {
			k.attr[j] = id
		}
		if n == len(units) {
			k.lines += lines
		} else {
			m := countLines(units[:n])
			k.lines += m
			lines -= m
		}
		c.at += n
		units = units[n:]
	}
}

// split divides the chunk of the cursor in two, or begins a new one where it is at the end.
func (c *cursor) split() {
	t := c.t
	k := t.chunks[c.i]
	if c.at == len(k.text) {
		t.chunks = slices.Insert(t.chunks, c.i+1, &chunk{})
		c.i, c.at = c.i+1, 0
		return
	}
	half := len(k.text) / 2
	second := &chunk{text: slices.Clone(k.text[half:]), attr: slices.Clone(k.attr[half:]), lines: countLines(k.text[half:])}
	k.text, k.attr, k.lines = k.text[:half], k.attr[:half], k.lines-second.lines
	t.chunks = slices.Insert(t.chunks, c.i+1, second)
	if c.at > half {
		c.i, c.at = c.i+1, c.at-half
	}
}
