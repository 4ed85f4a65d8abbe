package changeset

import (
	"encoding/binary"
	"errors"
	"slices"
)

// setID stands for a set of attributes; equal sets have equal ones. 0 is the empty set.
type setID uint32

// maxSets bounds what all sets together hold, in numbers. It is more than any real pad has by a factor of hundreds.
const maxSets = 1 << 23

var errSets = errors.New("too many combinations of attributes")

// sets gives each set of attributes that occurs in a text a number, so that a unit of text needs four bytes for them
// and runs are compared by comparing numbers.
type sets struct {
	pool  *Pool
	all   [][]int32 // by ID, sorted
	ids   map[string]setID
	after map[[2]setID]setID // what a set becomes by the attributes of a "="
	held  int
	key   []byte
	buf   []int32
}

func newSets(pool *Pool) *sets {
	return &sets{pool: pool, all: [][]int32{nil}, ids: map[string]setID{"": 0}, after: map[[2]setID]setID{}}
}

// ordered returns the ID of a list whose order matters: what a "=" sets.
func (s *sets) ordered(numbers []int32) (setID, error) {
	if len(numbers) == 0 {
		return 0, nil
	}
	s.key = s.key[:0]
	for _, n := range numbers {
		s.key = binary.LittleEndian.AppendUint32(s.key, uint32(n))
	}
	if id, ok := s.ids[string(s.key)]; ok {
		return id, nil
	}
	for _, n := range numbers {
		if _, ok := s.pool.Attrib(int(n)); !ok {
			return 0, &AttribError{Number: int(n)}
		}
	}
	if s.held += len(numbers) + 1; s.held > maxSets {
		return 0, errSets
	}
	id := setID(len(s.all))
	s.all = append(s.all, slices.Clone(numbers))
	s.ids[string(s.key)] = id
	return id, nil
}

// set returns the ID of a set.
func (s *sets) set(numbers []int32) (setID, error) {
	if slices.IsSorted(numbers) {
		return s.ordered(numbers)
	}
	s.buf = append(s.buf[:0], numbers...)
	slices.Sort(s.buf)
	return s.ordered(s.buf)
}

// compose returns what text with the attributes old has after those of the list set were applied: a key has one value, and
// an empty value takes it away.
func (s *sets) compose(old, set setID) (setID, error) {
	if set == 0 {
		return old, nil
	}
	if id, ok := s.after[[2]setID{old, set}]; ok {
		return id, nil
	}
	result := slices.Clone(s.all[old])
	for _, n := range s.all[set] {
		a, _ := s.pool.Attrib(int(n)) // ordered has looked
		i := slices.IndexFunc(result, func(m int32) bool {
			b, _ := s.pool.Attrib(int(m))
			return b.Key == a.Key
		})
		switch {
		case a.Value == "" && i >= 0:
			result = slices.Delete(result, i, i+1)
		case a.Value == "":
		case i >= 0:
			result[i] = n
		default:
			result = append(result, n)
		}
	}
	id, err := s.set(result)
	if err != nil {
		return 0, err
	}
	if s.held += 2; s.held > maxSets {
		return 0, errSets
	}
	s.after[[2]setID{old, set}] = id
	return id, nil
}
