package hub

import (
	"context"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// denied says whether a change would take away, or lay open, something inside its path that the caller has
// no right to. That the caller may write at the path itself has been checked.
//
// A directory is deleted, moved or replaced only by those who may write everything that is in it: what
// they may not see is not theirs to delete. It is copied only by those who may read all of it.
func (p *plan) denied(ctx context.Context, c *havre.Change) (bool, error) {
	if p.v.wholeRight(c.Path) && c.Kind != havre.ChangeCopy {
		return false, nil
	}
	if c.Kind == havre.ChangeCopy {
		bad, err := p.lacking(ctx, c.CopyFrom.Path, c.CopyFrom.Rev, havre.RightRead)
		if bad || err != nil {
			return bad, err
		}
		// What comes with the copy may land where the caller must not write.
		for _, q := range p.v.lacking(c.Path, havre.RightWrite) {
			inner, _ := q.Rel(c.Path)
			n, err := p.v.stat(ctx, c.CopyFrom.Path.Join(string(inner)), min(c.CopyFrom.Rev, p.head))
			if n != nil || err != nil {
				return err == nil, err
			}
		}
	}
	if c.Kind == havre.ChangePut && c.Entry.Kind == havre.KindDir {
		return false, nil // one that is there stays
	}
	return p.lacking(ctx, c.Path, p.head, havre.RightWrite)
}

// lacking says whether there is anything in a directory, as it is in rev, for which the caller lacks the right.
func (p *plan) lacking(ctx context.Context, dir svn.Path, rev svn.Revnum, right havre.Right) (bool, error) {
	for _, q := range p.v.lacking(dir, right) {
		n, err := p.v.stat(ctx, q, min(rev, p.head))
		if n != nil || err != nil {
			return err == nil, err
		}
	}
	return false, nil
}

// wholeRight says whether one right is all that counts at and inside the path.
func (v *view) wholeRight(p svn.Path) bool { return len(v.reach.below(v.inFolder(p))) == 0 }

// lacking returns the paths inside p where the caller has less than the right.
func (v *view) lacking(p svn.Path, right havre.Right) []svn.Path {
	var paths []svn.Path
	for _, q := range v.reach.lacking(v.inFolder(p), right) {
		if rel, ok := q.Rel(v.scope.Root); ok {
			paths = append(paths, rel)
		}
	}
	return paths
}

// deniedText says why a change is refused for want of a right.
func (v *view) deniedText(c *havre.Change) havre.Sentence {
	switch {
	case v.right(c.Path) < havre.RightWrite:
		return refusalText(havre.RefusedDenied)
	case c.Kind == havre.ChangeCopy && v.right(c.CopyFrom.Path) < havre.RightRead:
		return havre.Say("you may not read %s: ask who manages the folder", show(c.CopyFrom.Path))
	case c.Kind == havre.ChangeCopy:
		return havre.Say("it holds parts that you may not read, so it cannot be copied or moved: ask who manages the folder")
	default:
		return havre.Say("it holds parts that you may not change, so it cannot be deleted, moved or replaced: ask who manages the folder")
	}
}
