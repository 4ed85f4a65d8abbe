package svntest

import (
	"bytes"
	"path"
)

// differ compares a revision with the one before, and what has changed with the list of it.
type differ struct {
	*fsChecker
	expected map[string]bool // paths that may be listed
}

// want checks that a path is listed so.
func (d *differ) want(p, action string, n *fsNode) {
	d.t.Helper()
	d.expected[p] = true
	kind := "file"
	if n.dir {
		kind = "dir"
	}
	got, ok := d.cur.changes[p]
	if !ok {
		d.errorf("%s is not listed, want it as %s-%s", p, action, kind)
		return
	}
	if got.action != action || got.kind != kind {
		d.errorf("%s is listed as %s-%s, want %s-%s", p, got.action, got.kind, action, kind)
	}
	var from *fsPlace
	if action == "add" || action == "replace" {
		from = n.copyFrom
	}
	if (from == nil) != (got.copyFrom == nil) || from != nil && *from != *got.copyFrom {
		d.errorf("%s is listed as copied from %v, want %v", p, got.copyFrom, from)
	}
}

// flags checks that changes of contents and properties are listed as such.
func (d *differ) flags(p string, a, b *fsNode) {
	d.t.Helper()
	listed := d.cur.changes[p]
	if !b.dir && !listed.text && !d.same(a.text, b.text) {
		d.errorf("%s is listed without a change of its contents", p)
	}
	if !listed.props && !d.same(a.props, b.props) {
		d.errorf("%s is listed without a change of its properties", p)
	}
}

// same says whether two representations, which may be missing, have the same contents.
func (d *differ) same(a, b *fsRep) bool {
	d.t.Helper()
	var p, q []byte
	if a != nil {
		p = d.content(a.itemID)
	}
	if b != nil {
		q = d.content(b.itemID)
	}
	// No properties, and a list without any, are the same.
	end := []byte("END\n")
	return bytes.Equal(bytes.TrimSuffix(p, end), bytes.TrimSuffix(q, end))
}

// modified compares a node with its predecessor.
func (d *differ) modified(p string, a, b *fsNode) {
	d.t.Helper()
	if a.id == b.id {
		return
	}
	_, listed := d.cur.changes[p]
	if !b.dir || listed || !d.same(a.props, b.props) {
		d.want(p, "modify", b)
		d.flags(p, a, b)
	}
	if b.dir {
		d.children(p, a, b)
	}
}

// added checks a node that is new at its path.
func (d *differ) added(p, action string, b *fsNode) {
	d.t.Helper()
	d.want(p, action, b)
	a := &fsNode{dir: true}
	if b.copyFrom != nil {
		a = d.lookup(*b.copyFrom)
		d.flags(p, a, b)
	}
	if b.dir {
		d.children(p, a, b)
	}
}

// children compares the entries of two directories.
func (d *differ) children(p string, a, b *fsNode) {
	d.t.Helper()
	before, after := d.entriesOf(a), d.entriesOf(b)
	for name, old := range before {
		if after[name] == nil {
			d.want(path.Join(p, name), "delete", old)
		}
	}
	for name, n := range after {
		child := path.Join(p, name)
		switch old := before[name]; {
		case old == nil:
			d.added(child, "add", n)
		case old.id == n.id:
		case n.copyFrom != nil || n.id.node != old.id.node:
			d.added(child, "replace", n)
		default:
			d.modified(child, old, n)
		}
	}
}
