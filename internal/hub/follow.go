package hub

import (
	"context"
	"fmt"
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
func (h *Hub) Follow(ctx context.Context, c *havre.Caller, scope havre.Scope, since svn.Revnum, repository string, send func(*havre.Revision) error) error {
	v, err := h.view(ctx, c, scope)
	if err != nil {
		return err
	}
	if since < 0 {
		return invalid("there is no revision %d to follow from", since)
	}
	if repository != "" && repository != v.repo.UUID() {
		return &havre.Error{Code: havre.CodeHistoryWentBack, Text: "the folder's repository is another one than before"}
	}
	for cursor := since; ; {
		head, err := v.repo.Youngest(ctx)
		if err != nil {
			return err
		}
		if head < cursor {
			return &havre.Error{Code: havre.CodeHistoryWentBack, Text: "the server's history is older than what this device has seen"}
		}
		if cursor == since {
			if err := v.checkRoot(ctx, head); err != nil {
				return err
			}
		}
		if cursor < head {
			if v, err = h.catchUp(ctx, c, v, cursor, head, send); err != nil {
				return err
			}
			cursor = head
			continue
		}
		if v, err = h.wait(ctx, c, v, cursor); err != nil {
			return err
		}
	}
}

// checkRoot fails if the scope is not a directory in head. That is no deletion of what was in it: the
// follower is told, and keeps what it has.
func (v *view) checkRoot(ctx context.Context, head svn.Revnum) error {
	if v.prefix == "" {
		return nil
	}
	n, err := v.stat(ctx, "", head)
	if err != nil || n != nil && n.Kind == svn.KindDir {
		return err
	}
	return &havre.Error{
		Code: havre.CodeNotFound,
		Text: fmt.Sprintf("the directory %q is not in the folder %s any more: nothing is deleted here; remove this replica, or put the directory back", v.scope.Root, v.folder.Name),
	}
}

// still returns the view anew if the caller may still read it and the device may still come in.
func (h *Hub) still(ctx context.Context, c *havre.Caller, v *view) (*view, error) {
	if err := h.access.alive(ctx, c.Device); err != nil {
		return nil, err
	}
	return h.view(ctx, c, v.scope)
}

// catchUp sends the revisions after cursor, up to head.
func (h *Hub) catchUp(ctx context.Context, c *havre.Caller, v *view, cursor, head svn.Revnum, send func(*havre.Revision) error) (*view, error) {
	for rev, err := range v.repo.Log(ctx, cursor+1, head) {
		if err != nil {
			return nil, err
		}
		if v, err = h.still(ctx, c, v); err != nil {
			return nil, err
		}
		s := &sender{hub: h, v: v, caller: c, head: head, send: send}
		if err := s.revision(ctx, rev); err != nil {
			return nil, explain(err, "")
		}
	}
	return v, nil
}

// wait returns when there is a revision after cursor.
func (h *Hub) wait(ctx context.Context, c *havre.Caller, v *view, cursor svn.Revnum) (*view, error) {
	waiting, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	repo := v.repo // v is replaced below while the goroutine waits
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
			return v, err
		case <-tick.C:
			next, err := h.still(ctx, c, v)
			if err != nil {
				stop()
				<-ended //nolint:errcheck // it was told to end
				return nil, err
			}
			v = next
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
	key := cacheKey{s.v.folder.Location, s.v.prefix, rev.Rev}
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

// skipEmpty leaves out what says nothing, unless it is news that the cursor has reached the youngest.
func (s *sender) skipEmpty(send func(*havre.Revision) error) func(*havre.Revision) error {
	return func(r *havre.Revision) error {
		if len(r.Moves) == 0 && len(r.Removed) == 0 && len(r.Ops) == 0 && !r.More && r.Rev < s.head && r.Origin.Device != s.caller.Device {
			return nil
		}
		return send(r)
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
