package rasvn

import (
	"context"
	"errors"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/internal/edit"
	"github.com/havre-cloud/havre/svn/internal/remote"
)

// ChangeError says that a change cannot be committed whatever others do.
type ChangeError = edit.ChangeError

// Commit implements svn.Repository.
//
// What others have committed is looked at first, and the server is told the revision that it was looked at, so
// that what they commit meanwhile is noticed there; it begins anew then. A *ChangeError is returned for what cannot be committed
// whatever others do, a *svn.LockedError for what `svn lock` protects, a *svn.RefusedError for what the server refuses,
// and an *svn.UnreachableError when it is gone. If that happens after everything was sent, the revision is looked for by
// its properties other than Subversion's own, of which it should have a unique one.
//
// The server sets svn:author to the name that signed in. If another is wanted, it is set afterwards where a
// pre-revprop-change hook allows it; where none does, the message tells.
func (r *Repository) Commit(ctx context.Context, c *svn.Commit) (svn.Revnum, error) {
	return r.commit(ctx, c, false)
}

// Try does everything that Commit does but make the revision: it finds out what the server would refuse, but for
// hooks that look at the whole.
func (r *Repository) Try(ctx context.Context, c *svn.Commit) error {
	_, err := r.commit(ctx, c, true)
	return err
}

func (r *Repository) commit(ctx context.Context, c *svn.Commit, dry bool) (svn.Revnum, error) {
	props, author, err := r.author.RevProps(ctx, c.RevProps)
	if err != nil {
		return svn.InvalidRevnum, err
	}
	for {
		youngest, err := r.Youngest(ctx)
		if err != nil {
			return svn.InvalidRevnum, err
		}
		root, err := edit.Plan(ctx, r.statAll, youngest, c.Changes)
		if err != nil {
			return svn.InvalidRevnum, r.named(ctx, err, "", youngest)
		}
		d := &driver{repo: r, youngest: youngest, root: root, props: props, dry: dry}
		err = r.do(ctx, func(s *session) error {
			d.session = s
			return d.run(ctx)
		})
		switch f, failed := errors.AsType[*failure](err); {
		case err == nil && dry:
			return svn.InvalidRevnum, nil
		case err == nil:
			r.poller.Saw(d.rev, nil)
			r.attribute(ctx, d.rev, d.author, author)
			return d.rev, nil
		case failed && f.is(codeOutOfDate, codeTxnOutOfDate, codeConflict, codeExists, codeNotFound):
			// Somebody was faster: what there is now is another revision, or the failure is not of that kind.
			if now, err := r.Youngest(ctx); err != nil || now > youngest {
				continue
			}
		case failed && f.is(codeNoUser, codeNoLockToken, codeLockMismatch, codeBadLock):
			if locked := r.findLock(ctx, root); locked != nil {
				return svn.InvalidRevnum, locked
			}
		case d.sent:
			return remote.Recover(ctx, r, err, props, youngest)
		}
		return svn.InvalidRevnum, translate(err, d.at, youngest)
	}
}

// findLock returns an error that names a lock of somebody's on what the edit touches, nil if there is none.
func (r *Repository) findLock(ctx context.Context, root *edit.Node) error {
	var locked error
	_ = r.do(ctx, func(s *session) error { // without an answer the server's own words have to do
		for n := range root.Touched() {
			answer, err := s.call(ctx, "get-locks", append(appendString(nil, string(n.Path)), "( infinity ) "...))
			if err != nil {
				return err
			}
			f, err := answer.fields(1)
			if err != nil || f[0].kind != kindList {
				return s.lost(ctx, malformed("an answer to get-locks"))
			}
			for i := range f[0].list {
				lock, err := f[0].list[i].fields(3)
				if err != nil {
					return s.lost(ctx, err)
				}
				path, err := readPath(&lock[0])
				if err != nil {
					return s.lost(ctx, err)
				}
				if n.Removes || path == n.Path {
					locked = &svn.LockedError{Path: path, Owner: lock[2].text}
					return nil
				}
			}
		}
		return nil
	})
	return locked
}

// mayAttribute asks the server whether svn:author may be changed: by changing it from a value that it does
// not have, which a hook that allows it lets through to fail.
func (r *Repository) mayAttribute(ctx context.Context) (bool, error) {
	rev, err := r.Youngest(ctx)
	if err != nil {
		return false, err
	}
	err = r.do(ctx, func(s *session) error {
		if !s.capabilities["atomic-revprops"] {
			return nil
		}
		b := appendString(appendNumber(nil, rev), svn.PropAuthor)
		b = append(appendString(openList(b), "havre"), ") ( false "...)
		b = closeList(appendString(b, remote.Nobody))
		_, err := s.call(ctx, "change-rev-prop2", b)
		return err
	})
	f, failed := errors.AsType[*failure](err)
	if err != nil && !failed {
		return false, err
	}
	return failed && f.is(codeBadOldValue), nil
}

// attribute sets the author of a revision that was just made. If it cannot be set the revision stays as it is.
func (r *Repository) attribute(ctx context.Context, rev svn.Revnum, have, want string) {
	if want == "" || want == have {
		return
	}
	b := appendString(appendNumber(nil, rev), svn.PropAuthor)
	b = append(appendString(openList(b), want), ") ( true ) "...)
	err := r.do(ctx, func(s *session) error {
		_, err := s.call(ctx, "change-rev-prop2", b)
		return err
	})
	if _, failed := errors.AsType[*failure](err); failed {
		r.author.MayNotAttribute()
	}
}
