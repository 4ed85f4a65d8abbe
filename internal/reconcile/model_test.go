package reconcile_test

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/reconcile"
	"github.com/havre-cloud/havre/svn"
)

// model is a replica in memory. It is the View of its own plans and carries them out, checking each
// step as a disk and a server would.
type model struct {
	nodes map[reconcile.NodeID]*reconcile.Node
	next  reconcile.NodeID
	rev   svn.Revnum
	trash []havre.Hash
	busy  map[reconcile.NodeID]bool
	opt   reconcile.Options
}

func newModel() *model {
	root := func() *reconcile.State { return &reconcile.State{Entry: havre.Entry{Kind: havre.KindDir}} }
	return &model{
		nodes: map[reconcile.NodeID]*reconcile.Node{
			reconcile.Root: {ID: reconcile.Root, Base: root(), Local: root(), Remote: root()},
		},
		next: reconcile.Root + 1,
		busy: map[reconcile.NodeID]bool{},
		opt: reconcile.Options{
			Device: "laptop", Now: time.Date(2026, 11, 21, 14, 5, 9, 0, time.UTC), CaughtUp: true, Guard: reconcile.DefaultGuard,
		},
	}
}

type tree int

const (
	base tree = iota
	local
	remote
)

func (t tree) of(n *reconcile.Node) **reconcile.State {
	return [...]**reconcile.State{&n.Base, &n.Local, &n.Remote}[t]
}

func file(content string) havre.Entry {
	return havre.Entry{Kind: havre.KindFile, Size: int64(len(content)), Hash: havre.HashBytes([]byte(content))}
}

func dir() havre.Entry { return havre.Entry{Kind: havre.KindDir} }

func (m *model) Node(id reconcile.NodeID) *reconcile.Node { return m.nodes[id] }

func (m *model) at(t tree, p reconcile.Place) reconcile.NodeID {
	for _, id := range m.ids() {
		if s := *t.of(m.nodes[id]); s != nil && id != reconcile.Root && s.Place == p {
			return id
		}
	}
	return 0
}

func (m *model) LocalAt(p reconcile.Place) reconcile.NodeID  { return m.at(local, p) }
func (m *model) RemoteAt(p reconcile.Place) reconcile.NodeID { return m.at(remote, p) }

func (m *model) below(t tree, id reconcile.NodeID) iter.Seq[*reconcile.Node] {
	return func(yield func(*reconcile.Node) bool) {
		for _, c := range m.ids() {
			if c != id && c != reconcile.Root && m.isIn(t, c, id) && !yield(m.nodes[c]) {
				return
			}
		}
	}
}

func (m *model) isIn(t tree, id, dir reconcile.NodeID) bool {
	for range len(m.nodes) + 1 {
		if id == dir {
			return true
		}
		n := m.nodes[id]
		if n == nil || *t.of(n) == nil || id == reconcile.Root {
			return false // what a commit moves is nowhere until it is put again
		}
		id = (*t.of(n)).Parent
	}
	panic("a circle")
}

func (m *model) LocalBelow(id reconcile.NodeID) iter.Seq[*reconcile.Node] { return m.below(local, id) }

func (m *model) RemoteBelow(id reconcile.NodeID) iter.Seq[*reconcile.Node] {
	return m.below(remote, id)
}
func (m *model) Busy(id reconcile.NodeID) bool { return m.busy[id] }

func (m *model) Deletions() reconcile.Deletions {
	var d reconcile.Deletions
	for _, n := range m.nodes {
		if n.Base == nil || n.Base.Kind == havre.KindDir {
			continue
		}
		d.Agreed++
		if n.Local == nil && n.Remote != nil {
			d.Local++
		}
		if n.Remote == nil && n.Local != nil {
			d.Remote++
		}
	}
	return d
}

func (m *model) ids() []reconcile.NodeID { return slices.Sorted(maps.Keys(m.nodes)) }

func (m *model) differing() iter.Seq[*reconcile.Node] {
	return func(yield func(*reconcile.Node) bool) {
		for _, id := range m.ids() {
			if n := m.nodes[id]; n != nil && !n.AtRest() && id != reconcile.Root && !yield(n) {
				return
			}
		}
	}
}

// path of a node in a tree, "-" if it is not there.
func (m *model) path(t tree, id reconcile.NodeID) svn.Path {
	if id == reconcile.Root {
		return ""
	}
	s := *t.of(m.nodes[id])
	if s == nil {
		return "-"
	}
	return m.path(t, s.Parent).Join(s.Name)
}

// lookup finds a path in a tree, 0 if nothing is there.
func (m *model) lookup(t tree, p svn.Path) reconcile.NodeID {
	id := reconcile.Root
	for name := range strings.SplitSeq(string(p), "/") {
		if name == "" {
			continue
		}
		if id = m.at(t, reconcile.Place{Parent: id, Name: name}); id == 0 {
			return 0
		}
	}
	return id
}

// put makes or changes what is at a path of a tree, as a person would.
func (m *model) put(t tree, p svn.Path, e havre.Entry) {
	if t == remote {
		m.rev++
		e.Rev = m.rev
	}
	parent := m.lookup(t, p.Dir())
	if id := m.lookup(t, p); id != 0 {
		(*t.of(m.nodes[id])).Entry = e
		return
	}
	place := reconcile.Place{Parent: parent, Name: p.Name()}
	m.nodes[m.next] = &reconcile.Node{ID: m.next}
	*t.of(m.nodes[m.next]) = &reconcile.State{Place: place, Entry: e}
	m.next++
}

func (m *model) remove(t tree, p svn.Path) {
	id := m.lookup(t, p)
	for n := range m.below(t, id) {
		defer func() { *t.of(n) = nil }()
	}
	*t.of(m.nodes[id]) = nil
}

func (m *model) rename(t tree, from, to svn.Path) {
	id := m.lookup(t, from)
	s := **t.of(m.nodes[id])
	s.Place = reconcile.Place{Parent: m.lookup(t, to.Dir()), Name: to.Name()}
	*t.of(m.nodes[id]) = &s
}

// agree puts an entry into all three trees.
func (m *model) agree(p svn.Path, e havre.Entry) {
	m.put(remote, p, e)
	n := m.nodes[m.lookup(remote, p)]
	b, l := *n.Remote, *n.Remote
	n.Base, n.Local = &b, &l
}

// round plans and carries out once.
func (m *model) round() (reconcile.Round, error) {
	r := reconcile.Plan(m, m.differing(), m.opt)
	for _, a := range r.Down {
		if err := m.down(a); err != nil {
			return r, fmt.Errorf("%v of %d: %w", a.Kind, a.Node, err)
		}
	}
	return r, m.commit(r.Up)
}

// settle runs rounds until there is nothing to do.
func (m *model) settle() error {
	for range 200 {
		r, err := m.round()
		if err != nil {
			return err
		}
		if r.Empty() {
			return nil
		}
	}
	return fmt.Errorf("no end in 200 rounds")
}

func clone(s *reconcile.State) *reconcile.State { c := *s; return &c }

// free checks that a node may be put at a place of a tree.
func (m *model) free(t tree, p reconcile.Place, id reconcile.NodeID) error {
	if there := m.at(t, p); there != 0 && there != id {
		return fmt.Errorf("the place %d/%s is taken by %d", p.Parent, p.Name, there)
	}
	parent := m.nodes[p.Parent]
	if parent == nil || *t.of(parent) == nil || (*t.of(parent)).Kind != havre.KindDir {
		return fmt.Errorf("the place %d/%s has no directory", p.Parent, p.Name)
	}
	if m.isIn(t, p.Parent, id) {
		return fmt.Errorf("the place %d/%s is in the node itself", p.Parent, p.Name)
	}
	return nil
}

func (m *model) down(a reconcile.Action) error {
	n := m.nodes[a.Node]
	switch a.Kind {
	case reconcile.Adopt, reconcile.SetAttrs:
		if n.Local.Place != n.Remote.Place || n.Local.Hash != n.Remote.Hash {
			return fmt.Errorf("they differ")
		}
		n.Local.Executable, n.Local.ModTime = n.Remote.Executable, n.Remote.ModTime
		n.Base = clone(n.Remote)
	case reconcile.Forget:
		delete(m.nodes, n.ID)
	case reconcile.Unify:
		o := m.nodes[a.Other]
		n.Local, n.Base = o.Local, nil
		for _, c := range m.nodes {
			if c.Local != nil && c.Local.Parent == o.ID {
				c.Local = clone(c.Local)
				c.Local.Parent = n.ID
			}
		}
		delete(m.nodes, o.ID)
	case reconcile.MakeDir, reconcile.Write:
		if n.Local != nil && n.Local.Place != n.Remote.Place {
			return fmt.Errorf("it is elsewhere")
		}
		if n.Local != nil && n.Local.Hash != n.Base.Hash {
			return fmt.Errorf("it would replace what nobody else has")
		}
		n.Local = nil
		if err := m.free(local, n.Remote.Place, n.ID); err != nil {
			return err
		}
		n.Local, n.Base = clone(n.Remote), clone(n.Remote)
	case reconcile.Move:
		if err := m.free(local, a.To, n.ID); err != nil {
			return err
		}
		n.Local = clone(n.Local)
		n.Local.Place = a.To
		if n.Base != nil && n.Remote != nil && n.Remote.Place == a.To {
			n.Base = clone(n.Base)
			n.Base.Place = a.To
		}
	case reconcile.Trash:
		for range m.below(local, n.ID) {
			return fmt.Errorf("it is not empty")
		}
		if n.Local.Kind != havre.KindDir {
			m.trash = append(m.trash, n.Local.Hash)
		}
		n.Local = nil
	case reconcile.KeepBoth:
		if err := m.free(local, a.To, n.ID); err != nil {
			return err
		}
		l := clone(n.Local)
		l.Place = a.To
		m.nodes[m.next] = &reconcile.Node{ID: m.next, Local: l}
		m.next++
		n.Local, n.Base = nil, nil
	default:
		return fmt.Errorf("is no action for the disk")
	}
	return nil
}

// commit carries out what goes up as one revision.
func (m *model) commit(up []reconcile.Action) error {
	m.rev++
	was := map[reconcile.NodeID]*reconcile.State{}
	for _, a := range up {
		n := m.nodes[a.Node]
		switch a.Kind {
		case reconcile.Delete:
			for c := range m.below(remote, n.ID) {
				if c.Local != nil && !slices.Contains(up, reconcile.Action{Kind: reconcile.PutMove, Node: c.ID}) {
					return fmt.Errorf("delete of %d: %d in it is on disk", n.ID, c.ID)
				}
				if c.Local == nil {
					defer func() { c.Remote = nil }()
				}
			}
			defer func() { n.Remote = nil }()
			was[n.ID], n.Remote = n.Remote, &reconcile.State{Place: reconcile.Place{Parent: -n.ID}, Entry: n.Remote.Entry}
		case reconcile.PutMove:
			was[n.ID], n.Remote = n.Remote, &reconcile.State{Place: reconcile.Place{Parent: -n.ID}, Entry: n.Remote.Entry}
		}
	}
	for _, a := range up {
		n := m.nodes[a.Node]
		switch a.Kind {
		case reconcile.Delete:
			continue
		case reconcile.PutMove:
			for c := n.Local.Parent; c != reconcile.Root; c = m.nodes[c].Remote.Parent {
				if m.nodes[c].Remote == nil || m.nodes[c].Remote.Parent < 0 {
					return fmt.Errorf("move of %d: into %d, which is not there or moves itself", n.ID, c)
				}
			}
			n.Remote = was[n.ID]
			if err := m.free(remote, n.Local.Place, n.ID); err != nil {
				return fmt.Errorf("move of %d: %w", n.ID, err)
			}
			n.Remote, n.Base = clone(n.Remote), clone(n.Base)
			n.Remote.Place, n.Base.Place = n.Local.Place, n.Local.Place
		case reconcile.Put, reconcile.PutAttrs, reconcile.PutDir:
			if n.Remote != nil && n.Remote.Place != n.Local.Place {
				return fmt.Errorf("%v of %d: it is elsewhere", a.Kind, n.ID)
			}
			if err := m.free(remote, n.Local.Place, n.ID); err != nil {
				return fmt.Errorf("%v of %d: %w", a.Kind, n.ID, err)
			}
			if n.Remote != nil && n.Remote.Hash != n.Base.Hash {
				return fmt.Errorf("%v of %d: it would replace what others wrote", a.Kind, n.ID)
			}
			n.Remote = clone(n.Local)
			n.Remote.Rev = m.rev
			n.Base = clone(n.Remote)
		default:
			return fmt.Errorf("%v is no change of a commit", a.Kind)
		}
	}
	return nil
}

// list returns a tree as lines, sorted.
func (m *model) list(t tree) []string {
	lines := []string{}
	for id, n := range m.nodes {
		s := *t.of(n)
		if s == nil || id == reconcile.Root {
			continue
		}
		line := string(m.path(t, id))
		switch {
		case s.Kind == havre.KindDir:
			line += "/"
		case s.Executable:
			line += "* " + s.Hash.String()[:6]
		default:
			line += " " + s.Hash.String()[:6]
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}
