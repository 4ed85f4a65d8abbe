package syncer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/localfs"
	"github.com/havre-cloud/havre/internal/reconcile"
	"github.com/havre-cloud/havre/internal/syncer/state"
	"github.com/havre-cloud/havre/svn"
)

const (
	commitChanges = 1000    // changes in one commit
	commitBytes   = 4 << 20 // contents in one commit
)

// misledAfter is how many refusals in a row without any news from the server, over one minute, say that
// the remote tree is not what the server has.
const misledAfter = 8

// commitItem is one node's part of a commit.
type commitItem struct {
	action reconcile.Kind
	id     reconcile.NodeID
	// place and entry are what the server is told; path is where the contents are on disk, while
	// they are as expected.
	place    reconcile.Place
	entry    havre.Entry
	path     svn.Path
	expected localfs.Info
	changes  []havre.Change // two for a move

	skip error // why it was left out
	refusal
}

// refusal is the server's answer for an item; reason 0: it was done.
type refusal struct {
	reason havre.RefusalReason
	text   string
}

// commitJob is one commit. Deletions and sources of moves come before the rest.
type commitJob struct {
	id        string
	items     []*commitItem
	bytes     int64
	confirmed bool // a person has agreed to the deletions

	rev svn.Revnum
	err error
}

// upload is what has been sent and waits for its commit.
type upload struct {
	id   havre.UploadID
	hash havre.Hash
}

// uploadJob is to send a large file.
type uploadJob struct {
	node     reconcile.NodeID
	path     svn.Path
	hash     havre.Hash
	expected localfs.Info
	resume   havre.UploadID

	began, id havre.UploadID
	err       error
}

// submit makes a commit of what is planned, and gives it to the worker. It reports whether there was
// room for all.
func (l *loop) submit(actions []reconcile.Action) bool {
	if len(actions) == 0 || !l.upAt.IsZero() {
		return true
	}
	if !l.commits.free() {
		return false
	}
	b := builder{l: l, job: &commitJob{id: uuid.NewString(), confirmed: l.db.Setting(settingAllowLocal) != ""}, paths: map[reconcile.NodeID]svn.Path{}}
	fits := true
	for _, a := range actions {
		if len(b.job.items) == l.commitLimit || b.job.bytes >= commitBytes {
			fits = false
			break
		}
		b.add(a.Kind, l.db.Get(a.Node))
	}
	if len(b.job.items) > 0 {
		for _, it := range b.job.items {
			l.busy[it.id] = true
		}
		l.asked[b.job.id] = b.job
		l.db.Set(askedSetting(b.job.id), "yes")
		l.commits.reserve()
		l.ready = append(l.ready, b.job)
	}
	return fits
}

// askedSetting is where it is noted, before a commit is sent, that it is of this disk as it is: so its
// revision is recognised whatever happens to the process meanwhile. It is not enough that this device
// made a revision: on a machine that was restored from a backup its later ones never happened, and
// what they did must not be taken for undone here.
func askedSetting(id string) string { return "asked " + id }

// send gives the workers what the last transaction noted.
func (l *loop) send() {
	for _, j := range l.ready {
		l.commits.begin(j)
	}
	clear(l.ready)
	l.ready = l.ready[:0]
}

// builder makes a commitJob.
type builder struct {
	l     *loop
	job   *commitJob
	paths map[reconcile.NodeID]svn.Path // of directories that the commit makes
}

// target returns the path on the server of a local place.
func (b *builder) target(p reconcile.Place) (svn.Path, bool) {
	if dir, ok := b.paths[p.Parent]; ok {
		return dir.Join(p.Name), true
	}
	dir, ok := b.l.remotePath(p.Parent)
	return dir.Join(p.Name), ok
}

func (b *builder) add(kind reconcile.Kind, n *state.Node) {
	it := &commitItem{action: kind, id: n.ID}
	var from, to svn.Path
	ok := true
	if n.Remote != nil {
		from, ok = b.l.remotePath(n.ID)
	}
	if n.Local != nil && ok {
		it.place, it.entry, it.expected = n.Local.Place, n.Local.Entry, b.l.infoOf(n)
		if to, ok = b.target(n.Local.Place); ok {
			it.path, ok = b.l.localPath(n.ID)
		}
	}
	if !ok {
		return // something above it changed: it is planned anew
	}
	base := svn.InvalidRevnum
	if n.Remote != nil {
		base = max(n.Remote.Rev, b.l.cursor)
		if n.Remote.Kind == havre.KindDir {
			base = b.l.cursor
		}
	}
	switch kind {
	case reconcile.Delete:
		it.changes = []havre.Change{{Kind: havre.ChangeDelete, Path: from, Base: base}}
	case reconcile.PutMove:
		it.changes = []havre.Change{
			{Kind: havre.ChangeDelete, Path: from, Base: base},
			{Kind: havre.ChangeCopy, Path: to, Base: svn.InvalidRevnum, CopyFrom: svn.CopySource{Path: from, Rev: b.l.cursor}},
		}
	case reconcile.PutDir:
		b.paths[n.ID] = to
		it.changes = []havre.Change{{Kind: havre.ChangePut, Path: to, Base: base, Entry: n.Local.Entry}}
	case reconcile.PutAttrs:
		it.changes = []havre.Change{{Kind: havre.ChangePut, Path: to, Base: base, Entry: n.Local.Entry, KeepContent: true}}
	case reconcile.Put:
		c := havre.Change{Kind: havre.ChangePut, Path: to, Base: base, Entry: n.Local.Entry}
		if n.Local.Size > havre.InlineLimit {
			if c.Upload = b.l.uploadOf(n, it); c.Upload == "" {
				return
			}
		} else {
			b.job.bytes += n.Local.Size
		}
		it.changes = []havre.Change{c}
	default:
		panic("syncer: no change of a commit: " + kind.String())
	}
	b.job.items = append(b.job.items, it)
}

// uploadOf returns the upload with a large file's contents; if there is none it is begun, and the
// file waits for it.
func (l *loop) uploadOf(n *state.Node, it *commitItem) havre.UploadID {
	if u, ok := l.uploaded[n.ID]; ok && u.hash == n.Local.Hash {
		return u.id
	}
	if !l.uploads.free() {
		return "" // planned again when the one under way is done
	}
	l.busy[n.ID] = true
	l.uploads.start(&uploadJob{
		node: n.ID, path: it.path, hash: n.Local.Hash, expected: it.expected,
		resume: havre.UploadID(l.db.Setting(uploadSetting(n.Local.Hash))),
	})
	return ""
}

// uploadSetting is where the id of an upload is kept, so that a later process can go on with it.
func uploadSetting(h havre.Hash) string { return "upload " + h.String() }

func (l *loop) uploadWork(ctx context.Context, j *uploadJob) {
	f, err := l.cfg.FS.Open(j.path)
	if err != nil {
		j.err = err
		return
	}
	defer f.Close()
	if j.err = asExpected(f, j.path, j.expected); j.err != nil {
		return
	}
	j.began = j.resume
	j.err = l.net.persist(ctx, "upload", func() error {
		id, err := l.cfg.Remote.Upload(ctx, l.cfg.Scope, f, j.expected.Size, j.began, func(id havre.UploadID) { j.began = id })
		if changed := asExpected(f, j.path, j.expected); changed != nil {
			return &fatal{changed}
		}
		j.id = id
		return err
	})
}

// asExpected reports whether an open file is still what it was.
func asExpected(f localfs.File, p svn.Path, expected localfs.Info) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Same(expected) {
		return &localfs.ChangedError{Path: p, Reason: "was changed"}
	}
	return nil
}

// sent takes the result of an upload.
func (l *loop) sent(j *uploadJob) error {
	delete(l.busy, j.node)
	l.planSoon()
	return l.tx(func() {
		if j.err == nil {
			l.uploaded[j.node] = upload{j.id, j.hash}
			return
		}
		if j.began != "" {
			l.db.Set(uploadSetting(j.hash), string(j.began))
		}
		if !errors.Is(j.err, context.Canceled) {
			l.notSent(j.node, j.path, j.err)
		}
	})
}

// notSent decides what follows when a file could not be read or sent.
func (l *loop) notSent(id reconcile.NodeID, path svn.Path, err error) {
	_, changed := errors.AsType[*localfs.ChangedError](err)
	_, kind := errors.AsType[*localfs.KindError](err)
	if changed || kind || errors.Is(err, fs.ErrNotExist) {
		l.queue.later(path, 50*time.Millisecond, hint{})
		l.again(id, 50*time.Millisecond, false)
		return
	}
	l.problems.set(path, reasonOf(err))
	l.again(id, 5*time.Second, false)
}

// commitWork does a commitJob.
func (l *loop) commitWork(ctx context.Context, j *commitJob) {
	c := &havre.Commit{ID: j.id, Confirmed: j.confirmed}
	var owner []*commitItem
	add := func(it *commitItem, ch havre.Change) {
		c.Changes, owner = append(c.Changes, ch), append(owner, it)
	}
	for _, it := range j.items {
		if it.action == reconcile.Put && it.changes[0].Upload == "" {
			it.skip = l.content(ctx, it)
		}
	}
	gone := coverage(j.items)
	for _, it := range j.items {
		first := it.changes[0]
		if it.skip == nil && first.Kind == havre.ChangeDelete && !gone.covers(first.Path) {
			add(it, first)
		}
	}
	for _, it := range j.items {
		last := it.changes[len(it.changes)-1]
		if it.skip == nil && last.Kind != havre.ChangeDelete {
			add(it, last)
		}
	}
	if len(c.Changes) == 0 {
		j.rev = svn.InvalidRevnum
		return
	}
	c.Message = message(j.items)
	var res *havre.CommitResult
	j.err = l.net.persist(ctx, "commit", func() error {
		var err error
		res, err = l.cfg.Remote.Commit(ctx, l.cfg.Scope, c)
		return err
	})
	if j.err != nil {
		return
	}
	j.rev = res.Rev
	for _, r := range res.Refused {
		if r.Index >= 0 && r.Index < len(owner) {
			it := owner[r.Index]
			if it.reason == 0 || it.reason == havre.RefusedParent {
				it.refusal = refusal{r.Reason, r.Text}
			}
		}
	}
}

// content reads what an item puts.
func (l *loop) content(ctx context.Context, it *commitItem) error {
	if it.entry.Kind == havre.KindSymlink {
		target, err := l.cfg.FS.Readlink(it.path)
		if err != nil {
			return err
		}
		it.changes[0].Content = []byte(state.LinkPrefix + target)
	} else {
		f, err := l.cfg.FS.Open(it.path)
		if err != nil {
			return err
		}
		defer f.Close()
		b := make([]byte, it.entry.Size, it.entry.Size+1)
		if _, err := io.ReadFull(&stoppable{ctx, f}, b); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		it.changes[0].Content = b
	}
	// The size and the times may be right and the contents not: the hash decides.
	if havre.HashBytes(it.changes[0].Content) != it.entry.Hash {
		return &localfs.ChangedError{Path: it.path, Reason: "was changed"}
	}
	return nil
}

// covered are the directories that a commit deletes.
type covered map[svn.Path]bool

func coverage(items []*commitItem) covered {
	gone := covered{}
	for _, it := range items {
		if it.action == reconcile.Delete {
			gone[it.changes[0].Path] = true
		}
	}
	return gone
}

// covers reports whether something goes with a directory above it.
func (c covered) covers(p svn.Path) bool {
	for p = p.Dir(); p != ""; p = p.Dir() {
		if c[p] {
			return true
		}
	}
	return false
}

// message is what `svn log` shows of a commit.
func message(items []*commitItem) string {
	it := items[0]
	path := it.changes[len(it.changes)-1].Path
	switch {
	case len(items) > 1:
		return fmt.Sprintf("%d changes, first /%s", len(items), path)
	case it.action == reconcile.Delete:
		return fmt.Sprintf("Delete /%s", path)
	case it.action == reconcile.PutMove:
		return fmt.Sprintf("Rename /%s to /%s", it.changes[0].Path, path)
	default:
		return fmt.Sprintf("Write /%s", path)
	}
}

// committed takes the answer to a commit. The remote tree changes when its revision comes back and not
// before: what others committed in between comes first.
func (l *loop) committed(j *commitJob) error {
	delete(l.asked, j.id)
	for _, it := range j.items {
		delete(l.busy, it.id)
	}
	l.planSoon()
	if j.err != nil {
		return l.notCommitted(j)
	}
	l.upWait = backoff{}
	l.commitLimit = min(2*l.commitLimit, commitChanges)
	err := l.tx(func() {
		if j.rev <= l.cursor { // nothing was done, or it has come back
			l.db.Set(askedSetting(j.id), "")
		}
		barred := slices.ContainsFunc(j.items, func(it *commitItem) bool {
			return it.reason == havre.RefusedDenied || it.reason == havre.RefusedInvalid
		})
		done := j.items[:0:0]
		for _, it := range j.items {
			switch {
			case it.skip != nil:
				l.notSent(it.id, it.path, it.skip)
			case it.reason != 0:
				l.refused(it, barred)
			default:
				done = append(done, it)
				l.taken(it, j.rev)
			}
		}
		j.items = done
	})
	if err != nil {
		return err
	}
	if l.cursor >= 0 && j.rev > l.cursor {
		for _, it := range j.items {
			l.busy[it.id] = true
		}
		l.answered[j.rev] = j
	}
	if l.misled {
		l.misled = false
		l.cfg.Logger.Error("the server refuses again and again as out of date what nobody changed: merging anew")
		return l.anew()
	}
	return nil
}

// taken tells what the server took.
func (l *loop) taken(it *commitItem, rev svn.Revnum) {
	l.problems.drop(it.path)
	l.tell(it.id, it.event(rev))
	if u, ok := l.uploaded[it.id]; ok {
		delete(l.uploaded, it.id)
		l.db.Set(uploadSetting(u.hash), "")
	}
	l.settled(it.id)
}

// release lets go of the nodes of commits whose revisions have come back.
func (l *loop) release() {
	for rev, j := range l.answered {
		if l.cursor >= rev || l.cursor < 0 {
			for _, it := range j.items {
				delete(l.busy, it.id)
			}
			delete(l.answered, rev)
		}
	}
}

func (it *commitItem) event(rev svn.Revnum) Event {
	e := Event{Up: true, Path: it.changes[len(it.changes)-1].Path, Rev: rev, What: "changed", Bytes: it.entry.Size}
	switch {
	case it.action == reconcile.Delete:
		e.What = "deleted"
	case it.action == reconcile.PutMove:
		e.What, e.From, e.Bytes = "renamed", it.changes[0].Path, 0
	case it.changes[0].Base == svn.InvalidRevnum:
		e.What = "added"
	}
	return e
}

// refused decides what follows when the server did not take a change. barred says that other changes of
// the commit were refused for good.
func (l *loop) refused(it *commitItem, barred bool) {
	switch it.reason {
	case havre.RefusedOutOfDate, havre.RefusedParent:
		// What stands against it is on its way. If it does not come, what we know is wrong, unless what
		// it needs was refused for a reason that stays.
		l.again(it.id, 500*time.Millisecond, true)
		l.misled = l.misled || l.retries[it.id].failures == misledAfter && !barred
	case havre.RefusedUpload:
		delete(l.uploaded, it.id)
		l.db.Set(uploadSetting(it.entry.Hash), "")
	case havre.RefusedLocked:
		l.problems.set(it.path, it.text)
		l.again(it.id, 10*time.Second, false)
	case havre.RefusedDenied:
		l.denied(it)
	default:
		path := it.path
		if it.action == reconcile.Delete {
			path = it.changes[0].Path
		}
		l.problems.set(path, it.text)
		l.again(it.id, 30*time.Second, false)
	}
}

// notCommitted decides what the failure of a whole commit means.
func (l *loop) notCommitted(j *commitJob) error {
	switch havre.CodeOf(j.err) {
	case havre.CodeUnauthenticated, havre.CodeNotFound:
		return &StoppedError{j.err}
	case havre.CodeHistoryWentBack:
		return l.anew()
	default:
		if errors.Is(j.err, context.Canceled) {
			return nil
		}
		if err := l.tx(func() { l.db.Set(askedSetting(j.id), "") }); err != nil {
			return err
		}
		if len(j.items) == 1 {
			// The others shall not wait for what the server cannot take.
			it := j.items[0]
			l.problems.set(it.changes[len(it.changes)-1].Path, j.err.Error())
			l.again(it.id, 30*time.Second, true)
			l.commitLimit = commitChanges
			return nil
		}
		l.commitLimit = max(len(j.items)/2, 1)
		l.lastError, l.errorAt = j.err, time.Now()
		l.upAt = l.errorAt.Add(l.upWait.next())
		return nil
	}
}
