package syncer

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// The settings of the state.
const (
	settingRepository = "repository" // UUID that the revisions belong to
	settingCursor     = "cursor"     // revision up to which the remote tree is complete
	settingIdentity   = "identity"   // what distinguishes that revision from another of its number
	settingListing    = "listing"    // revision that is being listed
	settingListed     = "listed"     // the last path that was
	settingView       = "view"       // havre.Scope.View, of the cursor or of the listing
	settingEnded      = "no access"  // set while nothing may be read
	settingAllowLocal = "allow local deletions"
	settingAllowOther = "allow remote deletions"
)

// rightsPause is for those who set rights one after the other.
const rightsPause = 100 * time.Millisecond

// listBatch is how many entries of a listing are recorded at once.
const listBatch = 1000

func parseRev(s string) svn.Revnum {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return svn.InvalidRevnum
	}
	return svn.Revnum(n)
}

func formatRev(r svn.Revnum) string { return strconv.FormatInt(int64(r), 10) }

// remoteEvent is what the listener says. One of the fields is set.
type remoteEvent struct {
	folder *havre.Folder   // at the beginning of a listing
	items  []havre.Item    // of the listing
	listed bool            // it is complete
	rev    *havre.Revision // or a part of it
	again  string          // the identity of the revision that the cursor is at
	ended  bool            // the listener has ended, with err
	err    error
}

// listen starts the listener, which lists the tree if that is not done and then follows.
func (l *loop) listen(ctx context.Context) {
	l.listening, l.deaf = true, false
	within, stop := context.WithCancel(ctx)
	l.stopListening = stop
	cursor, repository := l.cursor, l.repository
	l.db.Begin()
	identity, view := l.db.Setting(settingIdentity), l.db.Setting(settingView)
	listing, after := parseRev(l.db.Setting(settingListing)), svn.Path(l.db.Setting(settingListed))
	l.db.Rollback()
	l.wg.Go(func() {
		defer stop()
		err := l.listener(within, cursor, repository, identity, view, listing, after)
		_ = l.say(ctx, remoteEvent{ended: true, err: err})
	})
}

func (l *loop) say(ctx context.Context, e remoteEvent) error {
	select {
	case l.remote <- e:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *loop) listener(ctx context.Context, cursor svn.Revnum, repository, identity, view string, listing svn.Revnum, after svn.Path) error {
	f, err := l.folder(ctx)
	switch {
	case err != nil && (cursor < 0 || view == "" || havre.CodeOf(err) != havre.CodeNotFound):
		return err
	case err != nil:
		// What was there can be read no longer: Follow says so.
		f = &havre.Folder{Head: cursor, Repository: repository, View: view}
	}
	l.net.worked(listenerName)
	switch {
	case cursor >= 0 && (f.Head < cursor || f.Repository != repository):
		return &havre.Error{Code: havre.CodeHistoryWentBack, Text: fmt.Sprintf(
			"the repository %s has %d revisions; known were %d of %s", f.Repository, f.Head, cursor, repository)}
	case cursor >= 0 && view == "" && f.View != "":
		return &havre.Error{Code: havre.CodeRightsChanged, Text: "it is not known what could be read so far"}
	case cursor < 0:
		if f.Repository != repository || listing < 0 || listing > f.Head || view == "" && f.View != "" {
			listing, after, view = f.Head, "", f.View
		}
		f.Head, f.View, repository = listing, view, f.Repository
		if err := l.say(ctx, remoteEvent{folder: f}); err != nil {
			return err
		}
		if err := l.list(ctx, listing, after, view); err != nil {
			return err
		}
		cursor, identity = listing, ""
	}
	scope := l.cfg.Scope
	scope.View = view
	// The revision of the cursor is asked for again. A repository that was restored from a backup
	// and has grown since has another one with this number.
	return l.cfg.Remote.Follow(ctx, scope, max(cursor-1, 0), repository, func(r *havre.Revision) error {
		l.net.worked(listenerName)
		if r.Rev > cursor || r.Access != havre.AccessSame {
			return l.say(ctx, remoteEvent{rev: r})
		}
		id := identityOf(r)
		if r.Rev < cursor || id == identity {
			return nil
		}
		if identity != "" {
			return &havre.Error{Code: havre.CodeHistoryWentBack, Text: fmt.Sprintf("revision %d is another one than before", r.Rev)}
		}
		identity = id
		return l.say(ctx, remoteEvent{again: id})
	})
}

// identityOf returns what another revision of the same number does not have.
func identityOf(r *havre.Revision) string {
	return r.Time.UTC().Format(time.RFC3339Nano) + " " + r.Origin.CommitID
}

func (l *loop) folder(ctx context.Context) (*havre.Folder, error) {
	folders, err := l.cfg.Remote.Folders(ctx)
	if err != nil {
		return nil, err
	}
	for i := range folders {
		if folders[i].ID == l.cfg.Scope.Folder {
			return &folders[i], nil
		}
	}
	return nil, &havre.Error{Code: havre.CodeNotFound, Text: "the folder does not exist any more, or you may not read it; ask those who administer the server"}
}

func (l *loop) list(ctx context.Context, rev svn.Revnum, after svn.Path, view string) error {
	var items []havre.Item
	scope := l.cfg.Scope
	scope.View = view
	for item, err := range l.cfg.Remote.List(ctx, scope, rev, after) {
		if err != nil {
			return err
		}
		items = append(items, item)
		if len(items) == listBatch {
			if err := l.say(ctx, remoteEvent{items: items}); err != nil {
				return err
			}
			items = nil
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return l.say(ctx, remoteEvent{items: items, listed: true})
}

// heard takes what the listener says.
func (l *loop) heard(ctx context.Context, e remoteEvent) error {
	switch {
	case e.ended:
		return l.cutOff(e.err)
	case l.deaf:
		return nil
	case e.rev != nil:
		l.listenWait = backoff{}
		return l.applyRevision(ctx, e.rev)
	case e.again != "":
		return l.tx(func() { l.db.Set(settingIdentity, e.again) })
	case e.folder != nil:
		return l.tx(func() {
			if l.repository != e.folder.Repository && l.repository != "" {
				l.db.Reset()
			}
			l.repository = e.folder.Repository
			l.db.Set(settingRepository, l.repository)
			l.db.Set(settingListing, formatRev(e.folder.Head))
			l.db.Set(settingView, e.folder.View)
		})
	default:
		return l.tx(func() { l.applyList(e) })
	}
}

// cutOff decides what the end of the listener means.
func (l *loop) cutOff(err error) error {
	l.listening = false
	if l.deaf {
		l.listenAt = time.Now()
		return nil
	}
	if err == nil {
		err = &havre.Error{Code: havre.CodeUnavailable, Text: "the server ended the connection"}
	}
	switch havre.CodeOf(err) {
	case havre.CodeHistoryWentBack:
		l.cfg.Logger.Warn("the repository is another one, or was restored from a backup: merging anew", "error", err)
		l.listenAt = time.Now()
		return l.tx(l.forget)
	case havre.CodeRightsChanged:
		l.cfg.Logger.Info("what may be read has changed: merging anew", "error", err)
		l.listenAt = time.Now().Add(rightsPause)
		return l.tx(l.forget)
	case havre.CodeUnauthenticated, havre.CodeDenied, havre.CodeNotFound:
		return &StoppedError{err}
	default:
		l.net.failed(listenerName, err)
		l.listenAt = time.Now().Add(l.listenWait.next())
		return nil
	}
}

// anew ends the listener and lists the tree anew.
func (l *loop) anew() error {
	if l.listening {
		l.deaf = true
		l.stopListening()
	}
	return l.tx(l.forget)
}

// forget drops what is known of the server, so that everything is merged anew.
func (l *loop) forget() {
	l.db.Reset()
	l.cursor, l.repository, l.ended = -1, "", false
	for _, name := range []string{settingCursor, settingIdentity, settingRepository, settingListing, settingListed, settingView, settingEnded} {
		l.db.Set(name, "")
	}
	clear(l.retries)
	clear(l.uploaded)
	l.release()
	l.inline.clear()
	l.planFrom = 0
	l.planSoon()
}

func (l *loop) applyList(e remoteEvent) {
	t := newTree(l)
	for _, item := range e.items {
		if err := t.put(item.Path, item.Entry, nil); err != nil {
			l.db.Set(settingListed, "")
			l.cfg.Logger.Error("a listing that makes no sense", "path", item.Path, "error", err)
			return
		}
	}
	if len(e.items) > 0 {
		l.db.Set(settingListed, string(e.items[len(e.items)-1].Path))
	}
	if e.listed {
		l.cursor = parseRev(l.db.Setting(settingListing))
		l.db.Set(settingCursor, formatRev(l.cursor))
		l.db.Set(settingListing, "")
		l.db.Set(settingListed, "")
		l.release()
		l.planSoon()
	}
}
