// Package edit makes of the changes of an svn.Commit the edit of one tree that Subversion's protocols
// want: each node once, from the root downwards.
package edit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/havre-cloud/havre/svn"
)

// Place is a path at a revision.
type Place struct {
	Path svn.Path
	Rev  svn.Revnum
}

// Reader tells what is at places: with properties and, for files, MD5; nil where nothing is.
type Reader func(ctx context.Context, places []Place) ([]*svn.Node, error)

// ChangeError says that a change cannot be committed whatever others do.
type ChangeError struct {
	Index  int // into Commit.Changes
	Path   svn.Path
	Reason string
}

func (e *ChangeError) Error() string { return fmt.Sprintf("/%s: %s", e.Path, e.Reason) }

// Node is a node of the edit. What has no change at or below it is not in it, but for the root.
type Node struct {
	Path svn.Path
	Kind svn.Kind // KindNone: it is only removed
	// Removes: what is there goes before anything else.
	Removes bool
	// Added: it is new, a copy if From is set.
	Added bool
	From  *svn.CopySource
	// Mine: it, or a directory above, was added by this edit. Others cannot have changed it.
	Mine bool
	// Content is the change with the new contents, nil if they stay.
	Content *svn.Change
	// Set are the properties to set, Unset those to remove.
	Set   svn.Props
	Unset []string
	Kids  []*Node // sorted by name
}

// state is a node while the changes are applied.
type state struct {
	path   svn.Path
	exists bool
	kind   svn.Kind
	mine   bool
	origin *Place    // where it, and what is in it, comes from; nil for what is new
	base   *svn.Node // what is at origin

	removes bool
	added   bool
	from    *svn.CopySource
	content *svn.Change
	props   svn.Props // nil: as they were
	kids    map[string]*state
}

// planner applies changes to states.
type planner struct {
	ctx      context.Context //nolint:containedctx // the planner lives for one call
	read     Reader
	youngest svn.Revnum
	known    map[Place]*svn.Node
	root     *state
}

// Plan returns the edit of the root upon the youngest revision. It returns an *svn.OutOfDateError with all changes that
// others' commits up to that revision stand against, and a *ChangeError, *svn.NotFoundError or *svn.NoSuchRevisionError
// for what is wrong with the changes themselves.
func Plan(ctx context.Context, read Reader, youngest svn.Revnum, changes []svn.Change) (*Node, error) {
	for i := range changes {
		if err := check(&changes[i]); err != nil {
			if e, ok := errors.AsType[*ChangeError](err); ok {
				e.Index = i
			}
			return nil, err
		}
	}
	p := &planner{ctx: ctx, read: read, youngest: youngest, known: map[Place]*svn.Node{}}
	if err := p.prefetch(changes); err != nil {
		return nil, err
	}
	at := Place{Rev: youngest}
	base, err := p.stat(at)
	if err != nil {
		return nil, err
	}
	if base == nil {
		return nil, &svn.NotFoundError{Rev: youngest}
	}
	p.root = &state{exists: true, kind: svn.KindDir, origin: &at, base: base}
	var stale []svn.OutOfDate
	for i := range changes {
		reason, err := p.change(&changes[i])
		if err != nil {
			if e, ok := errors.AsType[*ChangeError](err); ok {
				e.Index, e.Path = i, changes[i].Path
			}
			return nil, err
		}
		if reason != "" {
			stale = append(stale, svn.OutOfDate{Index: i, Path: changes[i].Path, Reason: reason})
		}
	}
	if stale != nil {
		return nil, &svn.OutOfDateError{Youngest: youngest, Changes: stale}
	}
	if n := p.root.edit(); n != nil {
		return n, nil
	}
	return &Node{Kind: svn.KindDir}, nil
}

// check looks at a change by itself.
func check(c *svn.Change) error {
	if _, err := svn.CheckPath(string(c.Path)); err != nil {
		return err
	}
	if (c.Op == svn.OpCopy) != (c.CopyFrom != nil) {
		return &ChangeError{Path: c.Path, Reason: "a copy has a source, and nothing else has"}
	}
	if c.CopyFrom != nil {
		if _, err := svn.CheckPath(string(c.CopyFrom.Path)); err != nil {
			return err
		}
	}
	if c.Content != nil && c.Op != svn.OpPut && c.Op != svn.OpCopy {
		return &ChangeError{Path: c.Path, Reason: "contents for what is no file"}
	}
	return nil
}

// prefetch asks at once for what will be looked at, as far as can be told beforehand.
func (p *planner) prefetch(changes []svn.Change) error {
	var places []Place
	want := func(path svn.Path, rev svn.Revnum) {
		at := Place{path, rev}
		if _, ok := p.known[at]; !ok && rev >= 0 && rev <= p.youngest {
			p.known[at] = nil
			places = append(places, at)
		}
	}
	want("", p.youngest)
	for i := range changes {
		c := &changes[i]
		for path := c.Path; path != ""; path = path.Dir() {
			want(path, p.youngest)
		}
		want(c.Path, c.Base)
		if c.CopyFrom != nil {
			want(c.CopyFrom.Path, c.CopyFrom.Rev)
		}
	}
	nodes, err := p.read(p.ctx, places)
	if err != nil {
		return err
	}
	for i, n := range nodes {
		p.known[places[i]] = n
	}
	return nil
}

// stat returns what is at a place, or nil.
func (p *planner) stat(at Place) (*svn.Node, error) {
	if n, ok := p.known[at]; ok {
		return n, nil
	}
	nodes, err := p.read(p.ctx, []Place{at})
	if err != nil {
		return nil, err
	}
	p.known[at] = nodes[0]
	return nodes[0], nil
}

// child returns what is known or found under a name, or nil.
func (p *planner) child(dir *state, name string) (*state, error) {
	if kid, ok := dir.kids[name]; ok {
		return kid, nil
	}
	if dir.origin == nil {
		return nil, nil
	}
	at := Place{dir.origin.Path.Join(name), dir.origin.Rev}
	base, err := p.stat(at)
	if err != nil || base == nil {
		return nil, err
	}
	kid := &state{path: dir.path.Join(name), exists: true, kind: base.Kind, mine: dir.mine, origin: &at, base: base}
	dir.put(name, kid)
	return kid, nil
}

func (s *state) put(name string, kid *state) {
	if s.kids == nil {
		s.kids = map[string]*state{}
	}
	s.kids[name] = kid
}

// change applies one change, or returns why it is out of date.
func (p *planner) change(c *svn.Change) (stale string, err error) {
	if c.Path == "" {
		if c.Op != svn.OpMkdir || c.Base < 0 {
			return "", &ChangeError{Reason: "the root directory is always there"}
		}
		if stale, err := p.outOfDate(c, nil, p.root); stale != "" || err != nil {
			return stale, err
		}
		p.root.modify(c)
		return "", nil
	}
	dir := p.root
	if up := c.Path.Dir(); up != "" {
		for name := range strings.SplitSeq(string(up), "/") {
			kid, err := p.child(dir, name)
			switch {
			case err != nil:
				return "", err
			case kid == nil || !kid.exists:
				return fmt.Sprintf("the directory /%s does not exist", dir.path.Join(name)), nil
			case kid.kind != svn.KindDir:
				return fmt.Sprintf("/%s is a file", kid.path), nil
			}
			dir = kid
		}
	}
	n, err := p.child(dir, c.Path.Name())
	if err != nil {
		return "", err
	}
	if stale, err := p.outOfDate(c, dir, n); stale != "" || err != nil {
		return stale, err
	}
	return "", p.apply(c, dir, n)
}

// outOfDate compares what the change expects at its path with what is there: n, or nothing.
func (p *planner) outOfDate(c *svn.Change, dir, n *state) (stale string, err error) {
	there := n != nil && n.exists
	switch {
	case there && n.mine, !there && (n != nil || dir.mine):
		return "", nil // made or removed by an earlier change
	case c.Base == svn.InvalidRevnum || c.Op == svn.OpCopy:
		if there {
			return "exists", nil
		}
		if c.Op == svn.OpDelete {
			return "", &ChangeError{Reason: "there is nothing to delete"}
		}
		return "", nil
	case c.Base > p.youngest || c.Base < 0:
		return "", &svn.NoSuchRevisionError{Rev: c.Base, Youngest: p.youngest}
	}
	old, err := p.stat(Place{c.Path, c.Base})
	if err != nil {
		return "", err
	}
	switch {
	case old == nil && !there:
		if c.Op == svn.OpDelete {
			return "", &ChangeError{Reason: "there is nothing to delete"}
		}
		return "", nil
	case !there:
		return "deleted", nil
	case old == nil:
		return "exists", nil
	case same(old, n.base):
		return "", nil
	// A directory itself did not change just because something in it did.
	case c.Op == svn.OpMkdir && old.Kind == svn.KindDir && n.kind == svn.KindDir && maps.Equal(old.Props, n.base.Props):
		return "", nil
	}
	return fmt.Sprintf("changed in r%d", n.base.CreatedRev), nil
}

// same says whether a node is what it was. The revision alone does not tell: a child of a copy has that of
// its source.
func same(a, b *svn.Node) bool {
	return a.Kind == b.Kind && a.CreatedRev == b.CreatedRev && a.Size == b.Size && bytes.Equal(a.MD5, b.MD5) && maps.Equal(a.Props, b.Props)
}

// apply does what the change says, which nothing stands against.
func (p *planner) apply(c *svn.Change, dir, n *state) error {
	there := n != nil && n.exists
	switch c.Op {
	case svn.OpDelete:
		if !there {
			return &ChangeError{Reason: "an earlier change of the commit removed it"}
		}
		n.remove()
		return nil
	case svn.OpCopy:
		if there {
			return &ChangeError{Reason: "exists already"}
		}
		return p.copy(c, dir, n)
	case svn.OpPut, svn.OpMkdir:
		kind, other := svn.KindFile, "a directory"
		if c.Op == svn.OpMkdir {
			kind, other = svn.KindDir, "a file"
		}
		switch {
		case !there:
			n = dir.add(c.Path, n)
			n.kind = kind
		case n.kind != kind:
			return &ChangeError{Reason: "is " + other}
		case c.Op == svn.OpMkdir && c.Props == nil && n.mine:
			return &ChangeError{Reason: "exists already"}
		}
		n.modify(c)
		return nil
	default:
		return &ChangeError{Reason: fmt.Sprintf("unknown operation %d", c.Op)}
	}
}

// remove takes a node away with all that is in it.
func (s *state) remove() {
	*s = state{path: s.path, mine: s.mine, removes: s.removes || !s.added}
}

// add makes a new node, in the place of one that was removed if there is one.
func (s *state) add(path svn.Path, gone *state) *state {
	n := &state{path: path, exists: true, added: true, mine: true, removes: gone != nil && gone.removes}
	s.put(path.Name(), n)
	return n
}

func (p *planner) copy(c *svn.Change, dir, gone *state) error {
	from := *c.CopyFrom
	if from.Rev > p.youngest || from.Rev < 0 {
		return &svn.NoSuchRevisionError{Rev: from.Rev, Youngest: p.youngest}
	}
	at := Place(from)
	source, err := p.stat(at)
	switch {
	case err != nil:
		return err
	case source == nil:
		return &svn.NotFoundError{Path: from.Path, Rev: from.Rev}
	case c.Content != nil && source.Kind != svn.KindFile:
		return &ChangeError{Reason: "contents for the copy of a directory"}
	}
	n := dir.add(c.Path, gone)
	n.kind, n.from, n.origin, n.base = source.Kind, &from, &at, source
	n.modify(c)
	return nil
}

func (s *state) modify(c *svn.Change) {
	if c.Content != nil {
		s.content = c
	}
	if c.Props != nil {
		s.props = c.Props
	}
}

// edit returns what is to be done at and below a node, or nil.
func (s *state) edit() *Node {
	n := &Node{Path: s.path, Removes: s.removes, Added: s.added, From: s.from, Mine: s.mine, Content: s.content}
	if s.exists {
		n.Kind = s.kind
		s.propChanges(n)
		for _, name := range slices.Sorted(maps.Keys(s.kids)) {
			if kid := s.kids[name].edit(); kid != nil {
				n.Kids = append(n.Kids, kid)
			}
		}
	}
	if !n.Removes && !n.Added && n.Content == nil && len(n.Set) == 0 && len(n.Unset) == 0 && len(n.Kids) == 0 {
		return nil
	}
	return n
}

// propChanges works out which properties to set and to remove.
func (s *state) propChanges(n *Node) {
	if s.props == nil {
		return
	}
	var old svn.Props
	if s.base != nil {
		old = s.base.Props
	}
	for name, value := range s.props {
		if was, ok := old[name]; !ok || was != value {
			if n.Set == nil {
				n.Set = svn.Props{}
			}
			n.Set[name] = value
		}
	}
	for name := range old {
		if _, ok := s.props[name]; !ok {
			n.Unset = append(n.Unset, name)
		}
	}
	slices.Sort(n.Unset)
}

// Touched yields the nodes of an edit that it changes themselves.
func (n *Node) Touched() iter.Seq[*Node] {
	return func(yield func(*Node) bool) { n.touched(yield) }
}

func (n *Node) touched(yield func(*Node) bool) bool {
	if (n.Removes || n.Added || n.Content != nil || len(n.Set)+len(n.Unset) > 0) && !yield(n) {
		return false
	}
	for _, kid := range n.Kids {
		if !kid.touched(yield) {
			return false
		}
	}
	return true
}
