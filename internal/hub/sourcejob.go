package hub

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/source"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
)

// job is one source while it is worked on.
type job struct {
	*backups
	row    store.Source
	item   *source.Item
	target *folderTarget
	lost   bool // the source is somebody else's, or gone
}

// Work is of source.Queue. It returns when the source was looked at once; one that is to be followed live is
// followed on.
func (b *backups) Work(ctx context.Context, j source.Job) error {
	id := SourceID(j.ID)
	n, err := b.hub.store.Source(ctx, id)
	if havre.CodeOf(err) == havre.CodeNotFound && err != nil {
		return nil //nolint:nilerr // removed at this moment
	}
	if err != nil {
		return err
	}
	work, cancel := context.WithCancelCause(ctx)
	b.mu.Lock()
	b.work[id] = cancel
	b.mu.Unlock()
	b.tell()
	end := func() error {
		cancel(nil)
		err := b.hub.store.ReleaseSources(context.WithoutCancel(ctx), b.holder, id)
		b.mu.Lock()
		delete(b.work, id)
		b.mu.Unlock()
		b.tell()
		return err
	}
	w := &job{backups: b, row: n, item: itemOf(&n)}
	secrets, follower, err := w.prepare(work)
	switch {
	case err != nil:
		return errors.Join(w.failed(work, err), end())
	case follower == nil:
		return errors.Join(w.once(work, secrets), end())
	}
	first := make(chan struct{})
	go func() {
		err := w.follow(work, follower, secrets, sync.OnceFunc(func() { close(first) }))
		if err = errors.Join(err, end()); err != nil && ctx.Err() == nil {
			b.log.LogAttrs(ctx, slog.LevelError, "a document is not followed any more", slog.String("backup", string(id)), slog.Any("error", err))
		}
	}()
	<-first // follow sees to it
	return nil
}

// pausedError is what is wrong with a source that only a person can put right.
type pausedError struct{ why *source.Error }

func (e *pausedError) Error() string { return e.why.Error() }
func (e *pausedError) Unwrap() error { return e.why }

func paused(format string, args ...any) error {
	return &pausedError{source.Errorf(source.ReasonOurs, format, args...)}
}

// prepare finds out whether the source can be worked on, and how; the follower is nil if it is not to be followed.
func (w *job) prepare(ctx context.Context) (source.Secrets, source.Follower, error) {
	var none source.Secrets
	p, ok := w.registry.Provider(source.Kind(w.row.Kind))
	if !ok {
		return none, nil, source.Errorf(source.ReasonForbidden, "this server does not know documents of this kind any more")
	}
	caller, err := w.callerOf(ctx, w.row.User)
	if err != nil {
		return none, nil, err
	}
	if err := w.mayWrite(ctx, caller); err != nil {
		return none, nil, err
	}
	if err := w.filesAreThere(ctx, caller); err != nil {
		return none, nil, err
	}
	w.target = &folderTarget{hub: w.hub, id: w.row.ID, caller: caller}
	secrets, err := w.secrets(ctx)
	if err != nil {
		return none, nil, err
	}
	follower, follows := p.(source.Follower)
	if !w.row.Live || !follows || w.row.Collection != "" {
		return secrets, nil, nil
	}
	secrets.Author, err = w.author(ctx)
	return secrets, paced{follower, liveEvery, &w.target.told}, err
}

// callerOf returns who acts in backups in the name of a person.
func (b *backups) callerOf(ctx context.Context, user havre.UserID) (*havre.Caller, error) {
	if user == "" {
		return nil, paused("the account of who added this backup was deleted: someone who may write here has to resume it")
	}
	u, err := b.hub.store.User(ctx, user)
	if err != nil {
		return nil, err
	}
	if u.Closed(b.hub.now()) {
		return nil, paused("the account of %s is closed: someone else who may write here has to resume the backup", u.Name)
	}
	return &havre.Caller{User: u.ID, UserName: u.Name, Device: havre.BackupDevice(u.ID), DeviceName: "backup"}, nil
}

func (w *job) mayWrite(ctx context.Context, c *havre.Caller) error {
	folder, reach, err := w.hub.access.of(ctx, c.User, w.row.Folder)
	if err != nil {
		return err
	}
	if reach.right(w.row.Path) < havre.RightWrite {
		return paused("%s may not write here any more: someone who may has to resume the backup", c.UserName)
	}
	if !folder.Archived.IsZero() {
		return source.Errorf(source.ReasonOurs, "the folder is archived: the backup goes on when it is taken back into use")
	}
	return nil
}

// filesAreThere fails if a person has deleted all files of the source: they do not come back by themselves.
func (w *job) filesAreThere(ctx context.Context, c *havre.Caller) error {
	files, err := w.hub.store.SourceFiles(ctx, store.SourceFilter{ID: w.row.ID})
	if err != nil || len(files[w.row.ID]) == 0 {
		return err
	}
	v, err := w.hub.view(ctx, c, havre.Scope{Folder: w.row.Folder})
	if err != nil {
		return err
	}
	head, err := v.repo.Youngest(ctx)
	if err != nil {
		return err
	}
	for _, f := range files[w.row.ID] {
		n, err := v.stat(ctx, f.Path, head)
		if err != nil && !has[*svn.NotFoundError](err) && !has[*svn.NotDirError](err) {
			return err
		}
		if n != nil {
			return nil
		}
	}
	return paused("its files were deleted: resume the backup to fetch them again, or remove it")
}

// secrets returns what is needed to read the document: its own secrets, and those of the collection it is from.
func (w *job) secrets(ctx context.Context) (source.Secrets, error) {
	own, err := w.hub.vault.openSecrets(w.row.ID, w.row.Sealed)
	if err != nil || w.row.Parent == "" {
		return own, err
	}
	parent, err := w.hub.store.Source(ctx, w.row.Parent)
	if err != nil {
		return own, err
	}
	more, err := w.hub.vault.openSecrets(parent.ID, parent.Sealed)
	return mergeSecrets(&own, &more), err
}

// author returns the token with which this server follows documents of the instance, always the same.
func (w *job) author(ctx context.Context) (source.Secret, error) {
	about := "instance " + w.row.Kind + " " + w.row.Instance
	fresh, err := w.hub.vault.seal(about, plainSecrets{Author: "t." + rand.Text()[:20]})
	if err != nil {
		return "", err
	}
	sealed, err := w.hub.store.InstanceSecret(ctx, w.row.Kind, w.row.Instance, fresh)
	if err != nil {
		return "", err
	}
	var p plainSecrets
	err = w.hub.vault.open(about, sealed, &p)
	return source.Secret(p.Author), err
}

// once looks at the document, or at what the collection holds.
func (w *job) once(ctx context.Context, secrets source.Secrets) error {
	p, _ := w.registry.Provider(source.Kind(w.row.Kind))
	before := w.item.Last
	if w.row.Collection != "" {
		r, err := w.list(ctx, p, secrets)
		if err != nil {
			return nil //nolint:nilerr // it was stopped, and stays due
		}
		return w.finish(ctx, before, r, false)
	}
	var r source.Result
	err := guarded(func() (err error) {
		r, err = source.Check(ctx, w.theClient(), p, secrets, w.target, w.item)
		return err
	})
	switch {
	case ctx.Err() != nil:
		return nil //nolint:nilerr // it was stopped, and stays due
	case err != nil:
		return w.failed(ctx, err)
	}
	return w.finish(ctx, before, r, false)
}

// guarded turns a panic, which a document of a stranger might bring about, into an error.
func guarded(do func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	return do()
}

// failed stores a failure that is not of the document.
func (w *job) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // it was stopped, and stays due
	}
	if havre.CodeOf(err) == havre.CodeNotFound && !has[*source.Error](err) {
		return nil // the source, its folder or its person went away meanwhile
	}
	before := w.item.Last
	r := source.FailedResult(w.hub.now(), w.told(ctx, err))
	w.item.Last, w.item.History = r, w.item.History.Add(r)
	if w.target == nil {
		w.target = &folderTarget{}
	}
	w.target.denied = w.target.denied || has[*pausedError](err)
	return w.finish(ctx, before, r, false)
}

// told returns what a person is told of an error; what is nobody's business goes into the log.
func (w *job) told(ctx context.Context, err error) error {
	if e, ok := asSource(oursOf(err)); ok {
		return e
	}
	w.log.LogAttrs(ctx, slog.LevelError, "a backup failed", slog.String("backup", string(w.row.ID)), slog.Any("error", err))
	return source.Errorf(source.ReasonOurs, "it failed on the server: the administrator finds why in the log")
}

// finish stores the result of a run. keep goes on to hold the source.
func (w *job) finish(ctx context.Context, before, r source.Result, keep bool) error {
	now := w.hub.now()
	result := &store.SourceResult{
		Run: store.SourceRun{
			Start: r.When, Took: r.Took, Outcome: string(r.Outcome), Reason: string(r.Reason), Said: r.Error,
			Rev: max(w.target.rev, 0), Live: w.target.partial,
		},
		Day: byte(dayOf(&r, w.target.rev)), URL: w.item.Address.URL, Document: w.item.Address.Name,
		News:  before.Outcome == "" || before.Outcome.Good() != r.Outcome.Good() || !r.Outcome.Good() && (before.Outcome != r.Outcome || before.Reason != r.Reason),
		Pause: w.target.denied, Keep: keep,
	}
	if w.target.rev > 0 {
		result.Run.Said = strings.TrimSpace(result.Run.Said + " " + w.target.message)
	}
	// Lists that changed every two seconds while somebody writes would be more versions than the document has.
	result.Index = result.News || w.target.rev > 0 && !w.target.partial
	if result.Next = source.Next(w.item.History, now, w.item.Address.URL); keep && r.Outcome.Good() {
		result.Next = now // a server that starts again follows at once
	}
	if again := now.Add(listAgain); w.row.Collection != "" && r.Outcome.Good() && w.item.History.Every == 0 && result.Next.After(again) {
		result.Next = again
	}
	var err error
	if result.Item, err = marshal(w.item); err != nil {
		return err
	}
	if result.Suspect, err = w.suspect(&r, now); err != nil {
		return err
	}
	mine, err := w.hub.store.FinishSource(ctx, w.holder, w.row.ID, result)
	if err != nil {
		return err
	}
	if !mine {
		w.lost = true
	}
	w.target.rev, w.target.message, w.target.apart, w.target.partial = 0, "", nil, false
	w.tell()
	return nil
}

// suspect returns what is to be stored of suspect copies after a result; nil leaves it as it is.
func (w *job) suspect(r *source.Result, now time.Time) (*string, error) {
	switch {
	case r.Outcome.Good():
		return new(""), nil
	case r.Outcome != source.OutcomeSuspect || len(w.target.apart) == 0:
		return nil, nil //nolint:nilnil // as it is
	}
	text, err := marshal(keptApart{SuspectCopy: SuspectCopy{Why: r.Error, Since: now, Files: slices.Clone(w.target.apart)}})
	return &text, err
}

func dayOf(r *source.Result, rev svn.Revnum) SourceDay {
	switch {
	case !r.Outcome.Good():
		return DayFailed
	case rev > 0:
		return DayVersion
	}
	return DaySame
}
