package syncertest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// SetRights says what the person of a device may not read, and what only not change: whole subtrees. ""
// is everything.
func (s *Server) SetRights(device havre.DeviceID, hidden, readOnly []svn.Path) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rights == nil {
		s.rights = map[havre.DeviceID]rights{}
	}
	s.rights[device] = rights{slices.Sorted(slices.Values(hidden)), slices.Clone(readOnly)}
	s.wake()
}

// rights are those of one person.
type rights struct{ hidden, readOnly []svn.Path }

func covered(by []svn.Path, p svn.Path) bool {
	return slices.ContainsFunc(by, func(q svn.Path) bool { _, in := p.Rel(q); return in })
}

// sees says whether the person sees what is at the path.
func (r rights) sees(p svn.Path) bool { return !covered(r.hidden, p) }

// view describes what is seen of a revision.
func (r rights) view(rev svn.Revnum) string {
	words := []string{strconv.Itoa(int(rev))}
	for _, p := range r.hidden {
		words = append(words, strconv.Quote(string(p)))
	}
	return strings.Join(words, " ")
}

// parseView is the opposite of view.
func parseView(view string) (svn.Revnum, rights) {
	words := strings.Fields(view)
	rev, err := strconv.Atoi(words[0])
	var r rights
	for _, w := range words[1:] {
		p, pErr := strconv.Unquote(w)
		if pErr != nil {
			err = pErr
		}
		r.hidden = append(r.hidden, svn.Path(p))
	}
	if err != nil {
		panic(fmt.Sprintf("the view %q: %v", view, err))
	}
	return svn.Revnum(rev), r
}

// refuse says why the person may not make a change.
func (r rights) refuse(c *havre.Change) (havre.RefusalReason, string) {
	closed := slices.Concat(r.hidden, r.readOnly)
	denied := covered(closed, c.Path)
	switch c.Kind {
	case havre.ChangeDelete:
		denied = touches(closed, c.Path)
	case havre.ChangeCopy:
		denied = touches(closed, c.Path) || touches(r.hidden, c.CopyFrom.Path)
	}
	if denied {
		return havre.RefusedDenied, "you may not change this"
	}
	return 0, ""
}

// touches says whether a path is in one of the others, or one of the others in it.
func touches(others []svn.Path, p svn.Path) bool {
	return covered(others, p) || slices.ContainsFunc(others, func(q svn.Path) bool { _, in := q.Rel(p); return in })
}

// concerns says whether a revision does anything to what is hidden.
func (r rights) concerns(rev *havre.Revision) bool {
	return slices.ContainsFunc(rev.Moves, func(m havre.Move) bool { return touches(r.hidden, m.From) || touches(r.hidden, m.To) }) ||
		slices.ContainsFunc(rev.Removed, func(p svn.Path) bool { return touches(r.hidden, p) }) ||
		slices.ContainsFunc(rev.Ops, func(op havre.Op) bool { return covered(r.hidden, op.Path) })
}

// seen returns a revision as a person sees it; s.mu is held.
func (s *Server) seen(rev *havre.Revision, r rights) *havre.Revision {
	c := *rev
	if r.concerns(rev) {
		c.Moves, c.Removed, c.Ops = nil, nil, nil
		s.compare(&c, rev.Rev-1, r, rev.Rev, r)
	}
	c.View = r.view(c.Rev)
	return &c
}

// rightsChange returns what a change of rights does to the tree of a revision; s.mu is held.
func (s *Server) rightsChange(rev svn.Revnum, had, has rights) *havre.Revision {
	c := &havre.Revision{Rev: rev, Access: havre.AccessChanged, View: has.view(rev)}
	if !has.sees("") {
		c.Access = havre.AccessEnded
	}
	s.compare(c, rev, had, rev, has)
	return c
}

// compare lists what differs between two trees, both as somebody sees them.
func (s *Server) compare(c *havre.Revision, before svn.Revnum, had rights, after svn.Revnum, has rights) {
	was := func(p svn.Path) *node {
		if n := s.at(p, before); n != nil && had.sees(p) {
			return n
		}
		return nil
	}
	is := func(p svn.Path) *node {
		if n := s.at(p, after); n != nil && has.sees(p) {
			return n
		}
		return nil
	}
	for _, p := range s.below("", before) {
		o, n := was(p), is(p)
		if o == nil || n != nil && o.Kind == n.Kind || covered(c.Removed, p.Dir()) {
			continue
		}
		c.Removed = append(c.Removed, p)
	}
	for _, p := range s.below("", after) {
		o, n := was(p), is(p)
		if n == nil || o == n && !covered(c.Removed, p) {
			continue
		}
		op := havre.Op{Kind: havre.OpPut, Path: p, Entry: n.Entry, Content: n.content}
		if n.Size > s.inlineMax {
			op.Content = nil
		}
		c.Ops = append(c.Ops, op)
	}
}
