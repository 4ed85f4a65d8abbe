package fsfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/havre-cloud/havre/svn"
)

// What the caches' values take, roughly, in bytes.

func nodeRevCost(n *nodeRev) int64 {
	return 400 + int64(len(n.path)+len(n.root.Path))
}

func directoryCost(d *directory) int64 { return 200 + int64(len(d.text)+4*len(d.at)) }

func propsCost(p svn.Props) int64 {
	n := int64(300)
	for name, value := range p {
		n += int64(len(name)+len(value)) + 60
	}
	return n
}

// maxNodeRev bounds the text of a node-revision, in bytes: paths have no limit in the format.
const maxNodeRev = 1 << 20

// nodeRev returns the node-revision at id.
func (r *Repository) nodeRev(id itemID) (*nodeRev, error) {
	if n, ok := r.nodes.get(id); ok {
		return n, nil
	}
	f, err := r.acquire(id.rev)
	if err != nil {
		return nil, err
	}
	defer f.release()
	at, err := r.offset(f, id)
	if err != nil {
		return nil, err
	}
	var text []byte
	if f.index != nil {
		text, err = r.readItem(f, id, at, maxNodeRev)
		text, _, _ = bytes.Cut(text, []byte("\n\n"))
	} else {
		text, err = f.readUntil(at, []byte("\n\n"), maxNodeRev)
	}
	if err != nil {
		return nil, err
	}
	n, reason := parseNodeRev(text)
	if reason != "" {
		return nil, f.corrupt(at, reason, fmt.Sprintf("%.60q", text))
	}
	if n.id.at != id {
		return nil, f.corrupt(at, fmt.Sprintf("the node-revision r%d/%d", id.rev, id.item), n.id.String())
	}
	r.nodes.put(id, n)
	return n, nil
}

// readUntil returns the bytes from an offset to the first end mark, without it.
func (f *revFile) readUntil(at int64, mark []byte, limit int64) ([]byte, error) {
	for size := int64(512); ; size *= 4 {
		size = min(size, limit, f.end-at)
		buf, err := f.few(at, size)
		if err != nil {
			return nil, err
		}
		if before, _, ok := bytes.Cut(buf, mark); ok {
			return before, nil
		}
		if size == limit || size == f.end-at {
			return nil, f.corrupt(at, fmt.Sprintf("an item that ends in %q", mark), fmt.Sprintf("%.60q", buf))
		}
	}
}

// directory returns the entries of a directory.
func (r *Repository) directory(n *nodeRev) (*directory, error) {
	if n.text == nil {
		return noEntries, nil
	}
	if dir, ok := r.dirs.get(n.text.at); ok {
		return dir, nil
	}
	text, err := r.readRep(n.text)
	if err != nil {
		return nil, err
	}
	dir, reason := parseDirectory(text)
	if reason != "" {
		return nil, r.corruptRep(n.text, reason)
	}
	r.dirs.put(n.text.at, dir)
	return dir, nil
}

// directoryText returns what the representation of a directory expands to.
func (r *Repository) directoryText(p *rep) ([]byte, error) {
	if dir, ok := r.dirs.get(p.at); ok && dir.exact {
		return dir.text, nil
	}
	return r.readRep(p)
}

// nodeProps returns the properties of a node, which are shared and must not be changed; nil when
// there are none.
func (r *Repository) nodeProps(n *nodeRev) (svn.Props, error) {
	if n.props == nil {
		return nil, nil
	}
	if p, ok := r.props.get(n.props.at); ok {
		return p, nil
	}
	text, err := r.readRep(n.props)
	if err != nil {
		return nil, err
	}
	p, reason := parseProps(text)
	if reason != "" {
		return nil, r.corruptRep(n.props, reason)
	}
	if len(p) == 0 {
		p = nil
	}
	r.props.put(n.props.at, p)
	return p, nil
}

// corruptRep returns the damage of a representation whose contents are not what they should be.
func (r *Repository) corruptRep(p *rep, want string) error {
	f, err := r.acquire(p.at.rev)
	if err != nil {
		return err
	}
	defer f.release()
	at, err := r.offset(f, p.at)
	if err != nil {
		return err
	}
	return f.corrupt(at, want, "something else")
}

// readRep returns the contents of a representation. It is for directories and properties.
func (r *Repository) readRep(p *rep) ([]byte, error) {
	c, err := r.openChain(p)
	if err != nil {
		return nil, err
	}
	defer c.close()
	// The declared size is not believed before that much was read.
	text := make([]byte, 0, min(p.expanded, 1<<20))
	for {
		window, err := c.next(nil)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		text = append(text, window...)
	}
	return text, c.check(p, text)
}
