package hub

import (
	"context"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// rights tells the follower what has appeared and what has vanished of the tree at its cursor.
func (f *follower) rights(ctx context.Context) error {
	had := f.has
	// A closed account has no rights, too, but that takes nothing off its disks.
	if err := f.hub.access.alive(ctx, f.caller.Device); err != nil {
		return err
	}
	c := &rightsChange{
		had: had,
		translation: translation{
			v: f.v, rev: f.cursor, choose: upTo(rightsContent),
			send: func(r *havre.Revision) error {
				r.Access = havre.AccessChanged
				if !f.v.sees("", true) {
					r.Access = havre.AccessEnded
				}
				return f.withView(r)
			},
		},
	}
	c.part.Rev = f.cursor
	root, err := f.v.stat(ctx, "", f.cursor)
	if err != nil {
		return err
	}
	if root != nil && root.Kind == svn.KindDir {
		if err := c.vanish(ctx, ""); err != nil {
			return err
		}
		if err := c.appear(ctx, ""); err != nil {
			return err
		}
	}
	if err := c.flush(false); err != nil {
		return err
	}
	f.has = f.v.reach
	return nil
}

// rightsContent is how many bytes of contents go along with a change of rights. Clients keep no more at a
// time, and fetch the rest.
const rightsContent = 8 << 20

// upTo chooses contents up to a number of bytes.
func upTo(room int64) chooser {
	return func(_ context.Context, n *svn.Node) (bool, error) {
		room -= n.Size
		return room >= 0, nil
	}
}

// rightsChange compares what could be read of one revision with what can be read now. It looks only at
// what differs.
type rightsChange struct {
	translation
	had *reach
}

// differs says whether anything in p can be read by the one and not by the other.
func (c *rightsChange) differs(p svn.Path) bool {
	at := c.v.inFolder(p)
	if c.had.reads(at) != c.v.reach.reads(at) {
		return true
	}
	for _, r := range []*reach{c.had, c.v.reach} {
		for _, q := range r.below(at) {
			if c.had.reads(q) != c.v.reach.reads(q) {
				return true
			}
		}
	}
	return false
}

// vanish lists what was visible in the directory p, which still is, and no longer is. What it names the
// follower has.
func (c *rightsChange) vanish(ctx context.Context, p svn.Path) error {
	if !c.differs(p) {
		return nil
	}
	for n, err := range c.v.repo.List(ctx, c.v.abs(p), c.rev, false) {
		if err != nil {
			return err
		}
		at, ok := c.v.rel(n.Path)
		if !ok {
			continue
		}
		dir := n.Kind == svn.KindDir
		if !c.had.sees(c.v.inFolder(at), dir) {
			continue
		}
		if !c.v.sees(at, dir) {
			c.part.Removed = append(c.part.Removed, at)
		} else if dir {
			if err := c.vanish(ctx, at); err != nil {
				return err
			}
		}
	}
	return nil
}

// appear lists what is visible in the directory p, which was and is, and was not before.
func (c *rightsChange) appear(ctx context.Context, p svn.Path) error {
	if !c.differs(p) {
		return nil
	}
	for n, err := range c.v.repo.List(ctx, c.v.abs(p), c.rev, true) {
		if err != nil {
			return err
		}
		at, ok := c.v.rel(n.Path)
		if !ok || !c.v.seesNode(at, n) {
			continue
		}
		dir := n.Kind == svn.KindDir
		if c.had.sees(c.v.inFolder(at), dir) {
			if dir {
				if err := c.appear(ctx, at); err != nil {
					return err
				}
			}
			continue
		}
		for n, err := range c.v.walk(ctx, at, c.rev, "") {
			if err != nil {
				return err
			}
			if inner, ok := c.v.rel(n.Path); ok {
				if err := c.putNode(ctx, inner, n); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
