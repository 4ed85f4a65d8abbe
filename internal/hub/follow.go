package hub

import (
	"context"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// liveRevisions is how many revisions behind the youngest one still counts as live: its small contents
// go along, for everybody will ask for them at once. Further behind only what has not changed since
// is sent along.
const liveRevisions = 64

// Follow calls send with what each revision after since changed in the scope, in order, large ones in
// parts, and goes on with new ones as they are made; it ends with ctx, with the error of send, or
// when the caller may no longer read the scope. What is sent is shared with other followers: it must
// not be changed.
//
// Revisions that touch nothing in the scope are left out, but for the youngest, so that the cursor
// moves. repository is the UUID that since belongs to, empty if the caller has none yet;
// another one, or a since beyond the youngest revision, is havre.CodeHistoryWentBack.
//
// With scope.View, changes of the caller's rights are told too, also those before the call, and a caller
// who may read nothing any more waits for the right to come back. Without it, they end the call.
func (h *Hub) Follow(ctx context.Context, c *havre.Caller, scope havre.Scope, since svn.Revnum, repository string, send func(*havre.Revision) error) error {
	f := &follower{hub: h, caller: c, send: send}
	var err error
	if scope.View == "" {
		f.v, err = h.view(ctx, c, scope)
	} else {
		f.v, err = h.anyView(ctx, c, scope)
	}
	if err != nil {
		return err
	}
	defer h.presence.enter(c, scope)()
	f.has = f.v.reach
	if scope.View != "" {
		if f.view, err = h.hadView(scope.View, c, f.v); err != nil {
			return err
		}
	}
	if since < 0 {
		return invalid("there is no revision %d to follow from", since)
	}
	if repository != "" && repository != f.v.repo.UUID() {
		return havre.Errorf(havre.CodeHistoryWentBack, "the folder's repository is another one than before")
	}
	return f.follow(ctx, since)
}

// hadView reads the view that a follower comes with. One that is not ours tells a stranger nothing about
// what is there.
func (h *Hub) hadView(text string, c *havre.Caller, v *view) (*sealed, error) {
	had, ok := h.seal.open(text, c.User, v.folder.ID)
	switch {
	case ok && (had.reach != nil || had.digest == v.reach.digest()):
		return had, nil
	case !v.reach.sees(v.scope.Root, true):
		return nil, errNoFolder()
	default:
		return nil, errRightsChanged()
	}
}

// follower is one call of Follow.
type follower struct {
	hub    *Hub
	caller *havre.Caller
	send   func(*havre.Revision) error
	v      *view
	cursor svn.Revnum
	// view is what the follower came with, nil if it does not care about rights.
	view *sealed
	// has is what can be read of the tree that the follower has.
	has *reach
}

func (f *follower) follow(ctx context.Context, since svn.Revnum) error {
	f.cursor = since
	for first := true; ; first = false {
		head, err := f.v.repo.Youngest(ctx)
		if err != nil {
			return err
		}
		if head < f.cursor || first && f.view != nil && head < f.view.rev {
			return havre.Errorf(havre.CodeHistoryWentBack, "the server's history is older than what this device has seen")
		}
		if first {
			if err := f.begin(ctx, head); err != nil {
				return err
			}
		}
		if f.cursor < head {
			err = f.catchUp(ctx, head, head)
		} else {
			err = f.wait(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// begin brings the follower's tree from what it was to what the caller may read now.
func (f *follower) begin(ctx context.Context, head svn.Revnum) error {
	if f.view != nil && f.view.digest != f.v.reach.digest() {
		if f.cursor > f.view.rev {
			return errRightsChanged()
		}
		// The revisions that it has already say which repository this is; it does not apply them.
		if err := f.catchUp(ctx, f.view.rev, head); err != nil {
			return err
		}
		f.has = f.view.reach
		if err := f.rights(ctx); err != nil {
			return err
		}
	}
	return f.v.checkRoot(ctx, head)
}

// checkRoot fails if the scope is not a directory in head. That is no deletion of what was in it: the
// follower is told, and keeps what it has.
func (v *view) checkRoot(ctx context.Context, head svn.Revnum) error {
	if v.prefix == "" || !v.sees("", true) {
		return nil
	}
	n, err := v.stat(ctx, "", head)
	if err != nil || n != nil && n.Kind == svn.KindDir {
		return err
	}
	return havre.Errorf(havre.CodeNotFound,
		"the directory %q is not in the folder %s any more: nothing is deleted here; remove this replica, or put the directory back", v.scope.Root, v.folder.Name)
}

// still looks at the rights anew, and fails if the device may not come in any more. What has changed for
// the follower is told at once.
func (f *follower) still(ctx context.Context) error {
	h := f.hub
	if err := h.access.alive(ctx, f.caller.Device); err != nil {
		return err
	}
	var err error
	if f.view == nil {
		f.v, err = h.view(ctx, f.caller, f.v.scope)
	} else {
		f.v, err = h.anyView(ctx, f.caller, f.v.scope)
	}
	if err != nil || f.has.shape == f.v.reach.shape {
		return err
	}
	if f.view == nil {
		return errRightsChanged()
	}
	return f.rights(ctx)
}

// catchUp sends the revisions after the cursor up to last; head is the youngest.
func (f *follower) catchUp(ctx context.Context, last, head svn.Revnum) error {
	if f.cursor >= last {
		return nil
	}
	b := f.batch(head)
	for rev, err := range f.v.repo.Log(ctx, f.cursor+1, last) {
		if err != nil {
			return err
		}
		if err := b.add(ctx, rev); err != nil {
			return err
		}
	}
	return b.flush(ctx)
}

// began is the revision from which on the follower's tree changes.
func (f *follower) began() svn.Revnum {
	if f.view == nil {
		return 0
	}
	return f.view.rev
}

// withView sends a part of a revision, with the view that the follower has after the last.
func (f *follower) withView(r *havre.Revision) error {
	if f.view == nil || r.More {
		return f.send(r)
	}
	with := *r
	with.View = f.hub.seal.make(f.caller.User, f.v.folder.ID, r.Rev, f.v.reach)
	return f.send(&with)
}

// wait returns when there is a revision after the cursor.
func (f *follower) wait(ctx context.Context) error {
	waiting, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	repo, cursor := f.v.repo, f.cursor
	go func() {
		_, err := repo.Wait(waiting, cursor)
		ended <- err
	}()
	defer stop()
	tick := time.NewTicker(accessAge)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			return err
		case <-tick.C:
			f.hub.touch(ctx, f.caller.Device)
			if err := f.still(ctx); err != nil {
				stop()
				<-ended //nolint:errcheck // it was told to end
				return explain(err, "")
			}
		}
	}
}

// sender sends revisions to one follower.
type sender struct {
	hub    *Hub
	v      *view
	caller *havre.Caller
	head   svn.Revnum
	send   func(*havre.Revision) error
}

// revision sends one revision, from the cache if it is live: a hundred followers then cost one reading.
func (s *sender) revision(ctx context.Context, rev *svn.Revision) error {
	own := havre.DeviceID(rev.Props[propDevice]) == s.caller.Device
	send := s.send
	if own {
		send = s.withoutContent
	}
	if s.head-rev.Rev >= liveRevisions {
		return s.translate(ctx, rev, s.unchangedSince, send)
	}
	key := cacheKey{s.v.folder.Location, s.v.prefix, rev.Rev, s.v.seen()}
	if own {
		// The device has the contents. Others will want them, and read them once for all.
		if parts := s.hub.cache.get(key); parts != nil {
			return sendAll(parts, s.skipEmpty(send))
		}
		return s.translate(ctx, rev, withoutAny, send)
	}
	parts, lead, err := s.hub.cache.claim(ctx, key)
	switch {
	case err != nil:
		return err
	case lead != nil:
		return s.lead(ctx, rev, lead)
	case parts != nil:
		return sendAll(parts, s.skipEmpty(send))
	default: // too large to be kept
		return s.translate(ctx, rev, withAll, send)
	}
}

// lead translates a revision for all who wait for it, as long as it is small enough to be kept. Our own
// follower gets it after that, so that a slow one holds up nobody.
func (s *sender) lead(ctx context.Context, rev *svn.Revision, lead *lead) error {
	defer lead.end(nil)
	var parts []*havre.Revision
	size := 0
	err := translate(ctx, s.v, rev, withAll, func(r *havre.Revision) error {
		if size >= 0 {
			parts = append(parts, r)
			if size += sizeOf(r); size <= maxCached {
				return nil
			}
			size = -1
			lead.end(nil)
			kept := parts
			parts = nil
			return sendAll(kept, s.send)
		}
		return s.send(r)
	})
	if err != nil {
		return err
	}
	if size >= 0 {
		lead.end(parts)
	}
	return sendAll(parts, s.skipEmpty(s.send))
}

func (s *sender) translate(ctx context.Context, rev *svn.Revision, choose chooser, send func(*havre.Revision) error) error {
	return translate(ctx, s.v, rev, choose, s.skipEmpty(send))
}

// skipEmpty leaves out what says nothing, unless it is news that the cursor has reached the youngest. Who
// made that, and why, is nothing to whoever may not read what it changed.
func (s *sender) skipEmpty(send func(*havre.Revision) error) func(*havre.Revision) error {
	return func(r *havre.Revision) error {
		if len(r.Moves) > 0 || len(r.Removed) > 0 || len(r.Ops) > 0 || r.More || r.Origin.Device == s.caller.Device {
			return send(r)
		}
		if r.Rev < s.head {
			return nil
		}
		bare := &havre.Revision{Rev: r.Rev, Time: r.Time}
		bare.Origin.CommitID, bare.Origin.Confirmed = r.Origin.CommitID, r.Origin.Confirmed
		return send(bare)
	}
}

// withoutContent sends without contents, leaving what is shared as it is.
func (s *sender) withoutContent(r *havre.Revision) error {
	bare := *r
	bare.Ops = make([]havre.Op, len(r.Ops))
	for i, op := range r.Ops {
		op.Content = nil
		bare.Ops[i] = op
	}
	return s.send(&bare)
}

// unchangedSince chooses the contents that the youngest revision still has.
func (s *sender) unchangedSince(ctx context.Context, n *svn.Node) (bool, error) {
	p, _ := s.v.rel(n.Path)
	now, err := s.v.stat(ctx, p, s.head)
	if err != nil || now == nil || now.Kind != svn.KindFile {
		return false, err
	}
	return n.ID != "" && n.ID == now.ID || n.SHA1 != nil && string(n.SHA1) == string(now.SHA1), nil
}

func sendAll(parts []*havre.Revision, send func(*havre.Revision) error) error {
	for _, r := range parts {
		if err := send(r); err != nil {
			return err
		}
	}
	return nil
}
