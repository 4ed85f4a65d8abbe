package syncertest

import (
	"slices"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// transaction is a commit in the making.
type transaction struct {
	s    *Server
	rev  svn.Revnum
	tree map[svn.Path]*node // what the transaction changed; nil: deleted
	made map[svn.Path]bool  // made or copied by it: never out of date
	gone []svn.Path
	// copies are the ChangeCopies done so far.
	copies []havre.Change
	ops    map[svn.Path]havre.Op
}

func (t *transaction) at(p svn.Path) *node {
	if n, ok := t.tree[p]; ok {
		return n
	}
	return t.s.at(p, t.rev-1)
}

func (t *transaction) below(p svn.Path) []svn.Path {
	found := slices.DeleteFunc(t.s.below(p, t.rev-1), func(q svn.Path) bool { n, ok := t.tree[q]; return ok && n == nil })
	for q, n := range t.tree {
		if _, in := q.Rel(p); in && n != nil && !slices.Contains(found, q) {
			found = append(found, q)
		}
	}
	return found
}

// commit does what it can of c; s.mu is held.
func (s *Server) commit(c *havre.Commit, device havre.DeviceID) *havre.CommitResult {
	if res := s.commits[c.ID]; res != nil {
		return res
	}
	s.stats.Commits++
	s.stats.Changes += len(c.Changes)
	t := &transaction{
		s: s, rev: s.head + 1, tree: map[svn.Path]*node{}, made: map[svn.Path]bool{}, ops: map[svn.Path]havre.Op{},
	}
	res := &havre.CommitResult{Rev: svn.InvalidRevnum}
	refused := s.refusals(c, s.rights[device])
	for i := range c.Changes {
		if r := refused[i]; r != nil {
			res.Refused = append(res.Refused, *r)
			continue
		}
		t.apply(&c.Changes[i])
	}
	if len(res.Refused) < len(c.Changes) {
		res.Rev = t.rev
		s.log = append(s.log, t.revision(c, device))
		for p, n := range t.tree {
			s.paths[p] = append(s.paths[p], version{t.rev, n})
		}
		s.head = t.rev
		s.wake()
	}
	s.commits[c.ID] = res
	return res
}

// refusals tries the changes until those that are left stand, the two halves of a move together.
func (s *Server) refusals(c *havre.Commit, r rights) map[int]*havre.Refusal {
	refused := map[int]*havre.Refusal{}
	for {
		before := len(refused)
		t := &transaction{
			s: s, rev: s.head + 1, tree: map[svn.Path]*node{}, made: map[svn.Path]bool{}, ops: map[svn.Path]havre.Op{},
		}
		for i := range c.Changes {
			if refused[i] != nil {
				continue
			}
			reason, text := r.refuse(&c.Changes[i])
			if reason == 0 {
				reason, text = t.check(&c.Changes[i])
			}
			if reason != 0 {
				refused[i] = &havre.Refusal{Index: i, Path: c.Changes[i].Path, Reason: reason, Text: text}
				continue
			}
			t.apply(&c.Changes[i])
		}
		deletes := map[svn.Path]int{}
		for i := range c.Changes {
			if c.Changes[i].Kind == havre.ChangeDelete {
				deletes[c.Changes[i].Path] = i
			}
		}
		for j := range c.Changes {
			i, half := deletes[c.Changes[j].CopyFrom.Path]
			if c.Changes[j].Kind != havre.ChangeCopy || !half || (refused[i] == nil) == (refused[j] == nil) {
				continue
			}
			if refused[i] != nil {
				i = j
			}
			refused[i] = &havre.Refusal{Index: i, Path: c.Changes[i].Path, Reason: havre.RefusedParent, Text: "the other half of the move was refused"}
		}
		if len(refused) == before {
			return refused
		}
	}
}

func (t *transaction) check(c *havre.Change) (havre.RefusalReason, string) {
	if t.s.refuse != nil {
		if reason, text := t.s.refuse(*c); reason != 0 {
			return reason, text
		}
	}
	if parent := t.at(c.Path.Dir()); parent == nil || parent.Kind != havre.KindDir {
		return havre.RefusedParent, "there is no directory for it"
	}
	there := t.at(c.Path)
	mkdirs := c.Kind == havre.ChangePut && c.Entry.Kind == havre.KindDir && there != nil && there.Kind == havre.KindDir
	if t.made[c.Path] {
		return 0, ""
	}
	switch {
	case c.Kind == havre.ChangeCopy && t.s.at(c.CopyFrom.Path, c.CopyFrom.Rev) == nil:
		return havre.RefusedInvalid, "the source of the copy is not there"
	case c.Base == svn.InvalidRevnum && there != nil && !mkdirs:
		return havre.RefusedOutOfDate, "it exists"
	case c.Base == svn.InvalidRevnum:
		return 0, ""
	case there == nil:
		return havre.RefusedOutOfDate, "it is gone"
	}
	paths := []svn.Path{c.Path}
	if c.Kind == havre.ChangeDelete {
		paths = t.s.everBelow(c.Path)
	}
	for _, p := range paths {
		if t.s.at(p, c.Base) != t.s.at(p, t.rev-1) {
			return havre.RefusedOutOfDate, "it was changed"
		}
	}
	if c.Upload != "" && t.s.uploads[c.Upload] == nil {
		return havre.RefusedUpload, "the upload is not there"
	}
	return 0, ""
}

// everBelow returns all paths at or below p that something was at in any revision.
func (s *Server) everBelow(p svn.Path) []svn.Path {
	var found []svn.Path
	for q := range s.paths {
		if _, in := q.Rel(p); in {
			found = append(found, q)
		}
	}
	return found
}

func (t *transaction) apply(c *havre.Change) {
	switch c.Kind {
	case havre.ChangeDelete:
		inNew := false
		for _, d := range t.copies {
			_, in := c.Path.Rel(d.Path)
			inNew = inNew || in
		}
		for _, p := range t.below(c.Path) {
			t.tree[p] = nil
			delete(t.ops, p)
		}
		if inNew {
			t.ops[c.Path] = havre.Op{Kind: havre.OpDelete, Path: c.Path}
		} else {
			t.gone = append(t.gone, c.Path)
		}
	case havre.ChangeCopy:
		for _, from := range t.s.below(c.CopyFrom.Path, c.CopyFrom.Rev) {
			rel, _ := from.Rel(c.CopyFrom.Path)
			to := c.Path.Join(string(rel))
			n := *t.s.at(from, c.CopyFrom.Rev)
			n.Rev = t.rev
			t.tree[to], t.made[to] = &n, true
		}
		t.copies = append(t.copies, *c)
	case havre.ChangePut:
		n := &node{Entry: c.Entry, content: c.Content}
		if old := t.at(c.Path); c.KeepContent && old != nil {
			n.content = old.content
		}
		if c.Upload != "" {
			n.content = t.s.uploads[c.Upload]
		}
		n.Rev = t.rev
		if n.Kind != havre.KindDir && (n.Hash != havre.HashBytes(n.content) || n.Size != int64(len(n.content))) {
			panic("a commit's contents are not what it says: " + string(c.Path))
		}
		t.tree[c.Path], t.made[c.Path] = n, true
		t.ops[c.Path] = havre.Op{Kind: havre.OpPut, Path: c.Path, Entry: n.Entry, Content: n.content}
	}
}

// revision says what the transaction did, in the form of havre.Revision.
func (t *transaction) revision(c *havre.Commit, device havre.DeviceID) *havre.Revision {
	r := &havre.Revision{
		Rev: t.rev, Time: time.Unix(int64(t.rev), int64(t.s.cuts)).UTC(), Message: c.Message,
		Origin: havre.Origin{Author: string(device), Device: device, CommitID: c.ID, Confirmed: c.Confirmed},
	}
	for _, c := range t.copies {
		if t.isMove(c.CopyFrom) {
			t.ops[c.Path] = havre.Op{Kind: havre.OpAttach, Path: c.Path, Move: len(r.Moves)}
			r.Moves = append(r.Moves, havre.Move{From: c.CopyFrom.Path, To: c.Path})
			continue
		}
		for _, p := range t.below(c.Path) {
			if n := t.tree[p]; n != nil {
				t.ops[p] = havre.Op{Kind: havre.OpPut, Path: p, Entry: n.Entry, Content: n.content}
			}
		}
	}
	for _, p := range t.gone {
		if !slices.ContainsFunc(r.Moves, func(m havre.Move) bool { return m.From == p }) {
			r.Removed = append(r.Removed, p)
		}
	}
	for _, op := range t.ops {
		if op.Entry.Size > t.s.inlineMax {
			op.Content = nil
		}
		r.Ops = append(r.Ops, op)
	}
	slices.SortFunc(r.Ops, func(a, b havre.Op) int { return a.Path.Compare(b.Path) })
	return r
}

// isMove reports whether the source of a copy is deleted by the transaction, and is what it was in
// the revision copied from.
func (t *transaction) isMove(from svn.CopySource) bool {
	if !slices.ContainsFunc(t.gone, func(p svn.Path) bool { _, in := from.Path.Rel(p); return in }) {
		return false
	}
	for _, p := range t.s.everBelow(from.Path) {
		if t.s.at(p, from.Rev) != t.s.at(p, t.rev-1) {
			return false
		}
	}
	return true
}
