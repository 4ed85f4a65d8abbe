package fsfs

import (
	"bytes"
	"cmp"
	"slices"
	"sort"

	"github.com/havre-cloud/havre/svn"
)

// directory is the contents of a directory: the hash dump as it is stored, and where its entries
// are. A directory of 100,000 entries takes some 6 MB in this form, is parsed in one pass, and
// changed by copying the text around the change. It is immutable.
type directory struct {
	text []byte
	// at has where each entry begins in text, sorted by name, and as its last element where
	// "END\n" begins.
	at []uint32
	// exact says that text is what the representation expands to; it is not when the entries
	// had to be sorted.
	exact bool
}

var noEntries = &directory{text: []byte("END\n"), at: []uint32{0}}

// maxDirectory bounds the text of a directory, in bytes.
const maxDirectory = 1<<32 - 1

// parseDirectory takes over text. reason is what was expected when it is no directory.
func parseDirectory(text []byte) (dir *directory, reason string) {
	if len(text) > maxDirectory {
		return nil, "a directory of less than 4 GiB"
	}
	dir = &directory{text: text, exact: true}
	h := hashReader{text: text}
	sorted := true
	var last []byte
	for {
		start := uint32(h.pos)
		name, value, ok, reason := h.next()
		if reason != "" {
			return nil, reason
		}
		dir.at = append(dir.at, start)
		if !ok {
			break
		}
		if _, id := splitEntry(value); id == nil {
			return nil, "a directory entry \"file ID\" or \"dir ID\""
		}
		if len(dir.at) > 1 && bytes.Compare(last, name) >= 0 {
			sorted = false
		}
		last = name
	}
	if h.pos != len(text) {
		return nil, "nothing behind the END of a directory"
	}
	if sorted {
		return dir, ""
	}
	return dir.sorted()
}

// sorted returns the directory with its entries in order.
func (d *directory) sorted() (dir *directory, reason string) {
	order := make([]int, d.len())
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(bytes.Compare(d.name(a), d.name(b)), cmp.Compare(a, b))
	})
	out := &directory{text: make([]byte, 0, len(d.text))}
	for n, i := range order {
		if n > 0 && bytes.Equal(d.name(order[n-1]), d.name(i)) {
			return nil, "no two directory entries of one name"
		}
		out.at = append(out.at, uint32(len(out.text)))
		out.text = append(out.text, d.text[d.at[i]:d.at[i+1]]...)
	}
	out.at = append(out.at, uint32(len(out.text)))
	out.text = append(out.text, "END\n"...)
	return out, ""
}

// splitEntry returns kind and ID of the value of an entry; a nil ID when it has not that form.
func splitEntry(value []byte) (kind svn.Kind, id []byte) {
	if rest, ok := bytes.CutPrefix(value, []byte("file ")); ok {
		return svn.KindFile, rest
	}
	if rest, ok := bytes.CutPrefix(value, []byte("dir ")); ok {
		return svn.KindDir, rest
	}
	return svn.KindNone, nil
}

func (d *directory) len() int { return len(d.at) - 1 }

// name returns the name of entry i; it aliases the text.
func (d *directory) name(i int) []byte {
	h := hashReader{text: d.text, pos: int(d.at[i])}
	name, _ := h.field('K')
	return name
}

// entry returns name, kind and ID of entry i. ok is false when the ID is malformed.
func (d *directory) entry(i int) (name []byte, kind svn.Kind, id nodeRevID, ok bool) {
	h := hashReader{text: d.text, pos: int(d.at[i])}
	name, value, _, _ := h.next()
	kind, text := splitEntry(value)
	id, ok = parseID(text)
	return name, kind, id, ok
}

// find returns where name is, or would be inserted.
func (d *directory) find(name string) (i int, found bool) {
	return sort.Find(d.len(), func(i int) int {
		return bytes.Compare([]byte(name), d.name(i))
	})
}

// dirEdit changes an entry of a directory: to what it is to be, or away with it if kind is none.
type dirEdit struct {
	name string
	kind svn.Kind
	id   nodeRevID
}

// apply returns the directory changed by the edits, which are sorted by name.
func (d *directory) apply(edits []dirEdit) *directory {
	out := &directory{
		text:  make([]byte, 0, len(d.text)+96*len(edits)),
		at:    make([]uint32, 0, len(d.at)+len(edits)),
		exact: true,
	}
	next := 0 // the first entry not copied yet
	var value []byte
	for _, e := range edits {
		i, found := d.find(e.name)
		out.copy(d, next, i)
		next = i
		if found {
			next++
		}
		if e.kind == svn.KindNone {
			continue
		}
		value = append(value[:0], e.kind.String()...)
		value = append(value, ' ')
		value = e.id.append(value)
		out.at = append(out.at, uint32(len(out.text)))
		out.text = appendHashField(out.text, 'K', e.name)
		out.text = appendHashField(out.text, 'V', value)
	}
	out.copy(d, next, d.len())
	out.at = append(out.at, uint32(len(out.text)))
	out.text = append(out.text, "END\n"...)
	return out
}

// copy appends entries i to j, j not included, of from.
func (d *directory) copy(from *directory, i, j int) {
	shift := uint32(len(d.text)) - from.at[i]
	for _, at := range from.at[i:j] {
		d.at = append(d.at, at+shift)
	}
	d.text = append(d.text, from.text[from.at[i]:from.at[j]]...)
}
