package changeset

import "fmt"

// Attrib is something that text has: an author, bold, a kind of list.
type Attrib struct{ Key, Value string }

// maxPool bounds the numbers of a pool: each is a place in a slice, whoever named it.
const maxPool = 1 << 20

// Pool gives numbers to attributes. The zero value is an empty one.
type Pool struct {
	attribs []Attrib
	present []bool
	numbers map[Attrib]int
}

// Len returns the number after the highest that is used.
func (p *Pool) Len() int { return len(p.attribs) }

// Attrib returns the attribute with a number.
func (p *Pool) Attrib(n int) (Attrib, bool) {
	if n < 0 || n >= len(p.attribs) || !p.present[n] {
		return Attrib{}, false
	}
	return p.attribs[n], true
}

// Number returns the number of an attribute, the lowest if it has several.
func (p *Pool) Number(a Attrib) (int, bool) {
	n, ok := p.numbers[a]
	return n, ok
}

// Put returns the number of an attribute, which is added if it has none.
func (p *Pool) Put(a Attrib) int {
	if n, ok := p.numbers[a]; ok {
		return n
	}
	n := len(p.attribs)
	p.add(n, a)
	return n
}

// Set gives a number, which must be free, to an attribute.
func (p *Pool) Set(n int, a Attrib) error {
	if n < 0 || n >= maxPool {
		return fmt.Errorf("attribute number %d is out of range", n)
	}
	if n < len(p.present) && p.present[n] {
		return fmt.Errorf("attribute number %d is given twice", n)
	}
	p.add(n, a)
	return nil
}

func (p *Pool) add(n int, a Attrib) {
	for len(p.attribs) <= n {
		p.attribs = append(p.attribs, Attrib{})
		p.present = append(p.present, false)
	}
	p.attribs[n], p.present[n] = a, true
	if p.numbers == nil {
		p.numbers = map[Attrib]int{}
	}
	if old, ok := p.numbers[a]; !ok || n < old {
		p.numbers[a] = n
	}
}
