package fsfs

import (
	"context"
	"iter"
	"maps"
	"strings"

	"github.com/havre-cloud/havre/svn"
)

// root returns the node-revision of the root of a revision.
func (r *Repository) root(rev svn.Revnum) (*nodeRev, error) {
	id, err := r.rootID(rev)
	if err != nil {
		return nil, err
	}
	return r.nodeRev(id)
}

// lookup returns the node-revision at a path.
func (r *Repository) lookup(path svn.Path, rev svn.Revnum) (*nodeRev, error) {
	n, err := r.root(rev)
	if err != nil || path == "" {
		return n, err
	}
	for name := range strings.SplitSeq(string(path), "/") {
		if n.kind != svn.KindDir {
			return nil, &svn.NotFoundError{Path: path, Rev: rev}
		}
		if n, err = r.child(n, name); err != nil {
			return nil, err
		}
		if n == nil {
			return nil, &svn.NotFoundError{Path: path, Rev: rev}
		}
	}
	return n, nil
}

// child returns the entry of a directory; nil when there is none of that name.
func (r *Repository) child(n *nodeRev, name string) (*nodeRev, error) {
	dir, err := r.directory(n)
	if err != nil {
		return nil, err
	}
	i, found := dir.find(name)
	if !found {
		return nil, nil
	}
	return r.entry(n, dir, i)
}

// entry returns the node-revision of entry i of the directory n.
func (r *Repository) entry(n *nodeRev, dir *directory, i int) (*nodeRev, error) {
	name, kind, id, ok := dir.entry(i)
	if !ok || id.at.rev > n.id.at.rev {
		return nil, r.corruptRep(n.text, "the ID of an older node-revision in the entry "+string(name))
	}
	child, err := r.nodeRev(id.at)
	if err != nil {
		return nil, err
	}
	if child.kind != kind {
		return nil, r.corruptRep(n.text, "the kind of the node in the entry "+string(name))
	}
	return child, nil
}

// describe returns the public description of a node.
func (r *Repository) describe(n *nodeRev, path svn.Path, props bool) (*svn.Node, error) {
	node := &svn.Node{Path: path, Kind: n.kind, CreatedRev: n.id.at.rev, ID: n.id.String()}
	if n.kind == svn.KindFile {
		if p := n.text; p != nil {
			node.Size, node.SHA1 = p.expanded, p.sha1
			if p.hasMD5 {
				node.MD5 = p.md5[:]
			}
		} else {
			node.MD5, node.SHA1 = []byte(emptyMD5), []byte(emptySHA1)
		}
	}
	if props {
		p, err := r.nodeProps(n)
		if err != nil {
			return nil, err
		}
		node.Props = maps.Clone(p)
	}
	return node, nil
}

// Stat implements svn.Repository.
func (r *Repository) Stat(ctx context.Context, path svn.Path, rev svn.Revnum) (*svn.Node, error) {
	if err := r.checkRev(ctx, rev); err != nil {
		return nil, err
	}
	n, err := r.lookup(path, rev)
	if err != nil {
		return nil, err
	}
	return r.describe(n, path, true)
}

// List implements svn.Repository.
func (r *Repository) List(ctx context.Context, path svn.Path, rev svn.Revnum, props bool) iter.Seq2[*svn.Node, error] {
	return func(yield func(*svn.Node, error) bool) {
		n, err := r.lookupDir(ctx, path, rev)
		if err != nil {
			yield(nil, err)
			return
		}
		dir, err := r.directory(n)
		if err != nil {
			yield(nil, err)
			return
		}
		for i := range dir.len() {
			node, err := r.listEntry(ctx, n, dir, i, path, props)
			if !yield(node, err) || err != nil {
				return
			}
		}
	}
}

func (r *Repository) lookupDir(ctx context.Context, path svn.Path, rev svn.Revnum) (*nodeRev, error) {
	if err := r.checkRev(ctx, rev); err != nil {
		return nil, err
	}
	n, err := r.lookup(path, rev)
	if err != nil {
		return nil, err
	}
	if n.kind != svn.KindDir {
		return nil, &svn.NotDirError{Path: path, Rev: rev}
	}
	return n, nil
}

func (r *Repository) listEntry(ctx context.Context, n *nodeRev, dir *directory, i int, path svn.Path, props bool) (*svn.Node, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	child, err := r.entry(n, dir, i)
	if err != nil {
		return nil, err
	}
	return r.describe(child, path.Join(string(dir.name(i))), props)
}

// walker is one Walk on its way.
type walker struct {
	*Repository
	ctx   context.Context //nolint:containedctx // lives as long as the call of Walk
	yield func(*svn.Node, error) bool
	after svn.Path
	stack []level
}

// level is a directory on the way from the root of a walk to where it is.
type level struct {
	n    *nodeRev
	dir  *directory
	path svn.Path
	next int // entry
}

// Walk implements svn.Repository.
func (r *Repository) Walk(ctx context.Context, path svn.Path, rev svn.Revnum, after svn.Path) iter.Seq2[*svn.Node, error] {
	return func(yield func(*svn.Node, error) bool) {
		w := walker{Repository: r, ctx: ctx, yield: yield, after: after}
		err := r.checkRev(ctx, rev)
		var n *nodeRev
		if err == nil {
			n, err = r.lookup(path, rev)
		}
		if err != nil {
			yield(nil, err)
			return
		}
		if !w.visit(n, path) {
			return
		}
		for len(w.stack) > 0 && w.step() {
		}
	}
}

// step goes on to the next entry of the deepest directory. It returns false when the walk ends.
func (w *walker) step() bool {
	top := &w.stack[len(w.stack)-1]
	if top.next == top.dir.len() {
		w.stack = w.stack[:len(w.stack)-1]
		return true
	}
	i := top.next
	top.next++
	if err := w.ctx.Err(); err != nil {
		return w.fail(err)
	}
	child, err := w.entry(top.n, top.dir, i)
	if err != nil {
		return w.fail(err)
	}
	return w.visit(child, top.path.Join(string(top.dir.name(i))))
}

// visit yields a node if it comes behind the start, and descends into a directory.
func (w *walker) visit(n *nodeRev, path svn.Path) bool {
	if w.after == "" || path.Compare(w.after) > 0 {
		node, err := w.describe(n, path, true)
		if err != nil {
			return w.fail(err)
		}
		if !w.yield(node, nil) {
			return false
		}
	} else if _, within := w.after.Rel(path); !within {
		return true // all of it comes before the start
	}
	if n.kind != svn.KindDir {
		return true
	}
	for _, above := range w.stack {
		if above.n.id.at == n.id.at {
			return w.fail(w.corruptRep(w.stack[len(w.stack)-1].n.text, "no directory within itself"))
		}
	}
	dir, err := w.directory(n)
	if err != nil {
		return w.fail(err)
	}
	w.stack = append(w.stack, level{n: n, dir: dir, path: path, next: w.first(dir, path)})
	return true
}

// first returns the first entry of a directory that the walk has to look at.
func (w *walker) first(dir *directory, path svn.Path) int {
	rest, within := w.after.Rel(path)
	if !within || rest == "" {
		return 0
	}
	name, _, _ := strings.Cut(string(rest), "/")
	i, _ := dir.find(name)
	return i
}

func (w *walker) fail(err error) bool {
	w.yield(nil, err)
	return false
}
