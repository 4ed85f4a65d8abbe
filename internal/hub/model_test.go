package hub

import (
	"fmt"
	"testing"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// model is a client's tree. It applies revisions as havre.Revision says, and knows nothing else.
type model struct {
	root  *modelNode
	moved []*modelNode // of the revision whose parts are being applied
	open  bool         // whether more parts are to come
}

type modelNode struct {
	entry    havre.Entry
	children map[string]*modelNode
}

func newModel() *model { return &model{root: &modelNode{entry: havre.Entry{Kind: havre.KindDir}}} }

func (m *model) at(p svn.Path) *modelNode {
	if p == "" {
		return m.root
	}
	dir, name := p.Split()
	if d := m.at(dir); d != nil {
		return d.children[name]
	}
	return nil
}

// set puts the node at the path, or takes away what is there.
func (m *model) set(p svn.Path, n *modelNode) error {
	dir, name := p.Split()
	d := m.at(dir)
	if d == nil || d.entry.Kind != havre.KindDir {
		return fmt.Errorf("%s has no parent", p)
	}
	if n == nil {
		delete(d.children, name)
		return nil
	}
	if d.children == nil {
		d.children = map[string]*modelNode{}
	}
	d.children[name] = n
	return nil
}

func (m *model) apply(r *havre.Revision) error {
	if !m.open {
		m.moved = nil
		for _, mv := range r.Moves {
			n := m.at(mv.From)
			if n == nil {
				return fmt.Errorf("r%d moves %s, which is not there", r.Rev, mv.From)
			}
			m.moved = append(m.moved, n)
		}
		for _, n := range m.moved {
			m.take(m.root, n)
			for _, outer := range m.moved {
				m.take(outer, n)
			}
		}
		for _, p := range r.Removed {
			if m.at(p) != nil {
				if err := m.set(p, nil); err != nil {
					return err
				}
			}
		}
	} else if len(r.Moves)+len(r.Removed) > 0 {
		return fmt.Errorf("r%d has moves or removals in a later part", r.Rev)
	}
	m.open = r.More
	for i := range r.Ops {
		if err := m.op(&r.Ops[i], r); err != nil {
			return fmt.Errorf("r%d, op %d: %w", r.Rev, i, err)
		}
	}
	return nil
}

// take takes the node out of where it is below from.
func (m *model) take(from, n *modelNode) {
	for name, child := range from.children {
		if child == n {
			delete(from.children, name)
			return
		}
		m.take(child, n)
	}
}

func (m *model) op(op *havre.Op, r *havre.Revision) error {
	switch op.Kind {
	case havre.OpAttach:
		if m.at(op.Path) != nil {
			return fmt.Errorf("attaches to %s, where something is", op.Path)
		}
		return m.set(op.Path, m.moved[op.Move])
	case havre.OpDelete:
		return m.set(op.Path, nil)
	}
	if op.Content != nil && havre.HashBytes(op.Content) != op.Entry.Hash {
		return fmt.Errorf("sends other contents of %s than it says", op.Path)
	}
	if op.Entry.Rev != r.Rev {
		return fmt.Errorf("%s is of r%d", op.Path, op.Entry.Rev)
	}
	n := m.at(op.Path)
	if n == nil || n.entry.Kind == havre.KindDir != (op.Entry.Kind == havre.KindDir) {
		n = &modelNode{}
	}
	n.entry = op.Entry
	return m.set(op.Path, n)
}

// listing returns the tree in the form of world.listing.
func (m *model) listing() map[svn.Path]string {
	tree := map[svn.Path]string{}
	var walk func(p svn.Path, n *modelNode)
	walk = func(p svn.Path, n *modelNode) {
		for name, child := range n.children {
			tree[p.Join(name)] = describe(&child.entry)
			walk(p.Join(name), child)
		}
	}
	walk("", m.root)
	return tree
}

// modelAt returns the tree as a new client gets it at rev.
func (w *world) modelAt(t testing.TB, c *havre.Caller, scope havre.Scope, rev svn.Revnum) *model {
	t.Helper()
	m := newModel()
	for item, err := range w.List(t.Context(), c, scope, rev, "") {
		if err != nil {
			t.Fatal(err)
		}
		if err := m.set(item.Path, &modelNode{entry: item.Entry}); err != nil {
			t.Fatal(err)
		}
	}
	return m
}
