package hub

import (
	"bytes"
	"context"
	"maps"
	"slices"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

const (
	// togetherFrom is from how many revisions in a row on those of a repository on another server are told as one. Each
	// by itself would cost some questions for every path that it changed.
	togetherFrom = 20
	// maxTogether is how many changed paths are told as one.
	maxTogether = 200_000
)

// batch takes the revisions that a follower is behind, and tells them one by one or many as one.
type batch struct {
	*follower
	head  svn.Revnum
	since svn.Revnum // where the follower was
	from  int        // as togetherFrom; 0: never
	revs  []*svn.Revision
	paths int
}

func (f *follower) batch(head svn.Revnum) *batch {
	b := &batch{follower: f, head: head, since: f.cursor, from: f.hub.together}
	if _, far := f.v.repo.Repository.(*remote); far {
		b.from = togetherFrom
	}
	return b
}

// add takes the next revision.
func (b *batch) add(ctx context.Context, rev *svn.Revision) error {
	alone := b.from == 0 ||
		havre.DeviceID(rev.Props[propDevice]) == b.caller.Device || // which waits for it
		rev.Rev <= max(b.since+1, b.began()) // by the first the device sees that this is the history that it knows
	if b.from == togetherFrom {
		alone = alone || b.head-rev.Rev < liveRevisions || // others are told of it too
			slices.ContainsFunc(rev.Changes, func(c svn.PathChange) bool { return c.CopyFrom != nil }) // it may move what the device has
	}
	if alone {
		if err := b.flush(ctx); err != nil {
			return err
		}
		return b.one(ctx, rev)
	}
	b.revs = append(b.revs, rev)
	if b.paths += len(rev.Changes); b.paths > maxTogether {
		return b.flush(ctx)
	}
	return nil
}

// flush tells what was taken.
func (b *batch) flush(ctx context.Context) error {
	revs := b.revs
	b.revs, b.paths = nil, 0
	if len(revs) >= b.from && len(revs) > 1 {
		told, err := b.all(ctx, revs)
		if told || err != nil {
			return err
		}
	}
	for _, rev := range revs {
		if err := b.one(ctx, rev); err != nil {
			return err
		}
	}
	return nil
}

// one tells a revision.
func (b *batch) one(ctx context.Context, rev *svn.Revision) error {
	if b.cursor >= b.began() {
		if err := b.still(ctx); err != nil {
			return err
		}
	}
	s := &sender{hub: b.hub, v: b.v, caller: b.caller, head: b.head, send: b.withView}
	if err := s.revision(ctx, rev); err != nil {
		return explain(err, "")
	}
	b.cursor = rev.Rev
	return nil
}

// all tells the difference that several revisions make, as that of the last; or says that it cannot.
func (b *batch) all(ctx context.Context, revs []*svn.Revision) (told bool, err error) {
	if err := b.still(ctx); err != nil {
		return false, err
	}
	last := revs[len(revs)-1]
	s := &sender{hub: b.hub, v: b.v, caller: b.caller, head: b.head, send: b.withView}
	t := &translation{v: b.v, rev: last.Rev, choose: s.unchangedSince, send: s.skipEmpty(s.send)}
	t.part = havre.Revision{Rev: last.Rev, Time: last.Date(), Origin: havre.Origin{CommitID: last.Props[propCommit]}}
	n := &netted{translation: t, ctx: ctx, first: revs[0].Rev - 1, structural: map[svn.Path]bool{}, puts: map[svn.Path]*svn.Node{}}
	if !n.collect(revs) {
		return false, nil
	}
	if err := n.compare(); err != nil {
		return false, explain(err, "")
	}
	if err := n.tell(); err != nil {
		return false, explain(err, "")
	}
	b.cursor = last.Rev
	return true, nil
}

// netted is the difference between two revisions in a view.
type netted struct {
	*translation
	ctx   context.Context //nolint:containedctx // it lives for one call
	first svn.Revnum

	// structural are the paths at which something came or went; false: only contents or properties changed.
	structural map[svn.Path]bool
	puts       map[svn.Path]*svn.Node
}

// collect finds the paths that have to be looked at. It says false if the view's root is another one than before.
func (n *netted) collect(revs []*svn.Revision) bool {
	authors := map[string]bool{}
	for _, rev := range revs {
		for i := range rev.Changes {
			c := &rev.Changes[i]
			structural := c.Action != svn.ActionModify
			if _, above := n.v.prefix.Rel(c.Path); above {
				if structural {
					return false
				}
				continue
			}
			p, ok := n.v.rel(c.Path)
			if !ok || !n.v.sees(p, true) {
				continue
			}
			n.structural[p] = n.structural[p] || structural
			if n.v.sees(p, c.Kind == svn.KindDir) {
				authors[rev.Author()] = true
			}
		}
	}
	if len(authors) == 1 {
		for name := range authors {
			n.part.Origin.Author = name
		}
	}
	return true
}

// compare looks at what was and what is at the paths.
func (n *netted) compare() error {
	root, inside := svn.Path(""), false
	var files []svn.Path
	for _, p := range slices.SortedFunc(maps.Keys(n.structural), svn.Path.Compare) {
		if _, below := p.Rel(root); inside && below {
			continue
		}
		if !n.structural[p] {
			files = append(files, p)
			continue
		}
		root, inside = p, true
		if err := n.trees(p); err != nil {
			return err
		}
	}
	for some := range slices.Chunk(files, 500) {
		if err := n.files(some); err != nil {
			return err
		}
	}
	return nil
}

// files looks at paths at which only contents or properties changed.
func (n *netted) files(paths []svn.Path) error {
	if far, ok := n.v.repo.Repository.(*remote); ok {
		if err := far.lookAhead(n.ctx, n.v, paths, n.rev); err != nil {
			return err
		}
	}
	for _, p := range paths {
		node, err := n.v.stat(n.ctx, p, n.rev)
		if err != nil {
			return err
		}
		if node != nil && node.Kind == svn.KindFile {
			n.puts[p] = node
		}
	}
	return nil
}

// trees compares what was at and below a path with what is.
func (n *netted) trees(root svn.Path) error {
	before, err := n.tree(root, n.first)
	if err != nil {
		return err
	}
	now, err := n.tree(root, n.rev)
	if err != nil {
		return err
	}
	gone, inGone := svn.Path(""), false
	for _, p := range slices.SortedFunc(maps.Keys(before), svn.Path.Compare) {
		if _, below := p.Rel(gone); inGone && below {
			continue
		}
		was, is := before[p], now[p]
		// A file in the place of a directory takes it away by itself.
		if is == nil || was.Kind == svn.KindFile && is.Kind == svn.KindDir {
			n.part.Removed = append(n.part.Removed, p)
			gone, inGone = p, true
		}
	}
	for p, is := range now {
		was := before[p]
		if was == nil || was.Kind != is.Kind || is.Kind == svn.KindFile && !sameVersion(was, is) {
			n.puts[p] = is
		}
	}
	return nil
}

// sameVersion says whether two nodes of a file are the same version of it.
func sameVersion(a, b *svn.Node) bool {
	return a.CreatedRev == b.CreatedRev && a.Size == b.Size && bytes.Equal(a.MD5, b.MD5) && bytes.Equal(a.SHA1, b.SHA1) && maps.Equal(a.Props, b.Props)
}

// tree returns what can be seen at and below a path.
func (n *netted) tree(root svn.Path, rev svn.Revnum) (map[svn.Path]*svn.Node, error) {
	nodes := map[svn.Path]*svn.Node{}
	for node, err := range n.v.walk(n.ctx, root, rev, "") {
		if has404(err) {
			break
		}
		if err != nil {
			return nil, err
		}
		if p, ok := n.v.rel(node.Path); ok && n.v.seesNode(p, node) {
			nodes[p] = node
		}
	}
	return nodes, nil
}

// tell sends it.
func (n *netted) tell() error {
	for _, p := range slices.SortedFunc(maps.Keys(n.puts), svn.Path.Compare) {
		if err := n.putNode(n.ctx, p, n.puts[p]); err != nil {
			return err
		}
	}
	return n.flush(false)
}
