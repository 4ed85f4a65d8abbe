package syncer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/localfs"
	"github.com/havre-cloud/havre/internal/reconcile"
	"github.com/havre-cloud/havre/internal/relay"
	"github.com/havre-cloud/havre/internal/syncer/state"
	"github.com/havre-cloud/havre/svn"
)

const (
	fetchFiles = 300     // files in one job
	fetchBytes = 4 << 20 // bytes in one job of small files
	// fetchers is how many temporaries of a job are written at the same time.
	fetchers = 4
)

// fetchItem is one file or link to bring to the disk.
type fetchItem struct {
	id     reconcile.NodeID
	entry  havre.Entry // that it is to become
	place  reconcile.Place
	from   havre.FileVersion
	inline []byte
	has    bool       // inline is the contents
	copies []svn.Path // local files that had these contents

	temp localfs.Temp
	err  error
}

// fetchJob is to bring the contents of some files into temporaries.
type fetchJob struct {
	items []*fetchItem
	large bool
	err   error // of the server: none of those without temp could be fetched
}

func (j *fetchJob) discard() {
	for _, it := range j.items {
		if it.temp != nil {
			_ = it.temp.Discard()
			it.temp = nil
		}
	}
}

// fetchItem returns what a worker needs to know to write a node.
func (l *loop) fetchItem(n *state.Node) *fetchItem {
	path, ok := l.remotePath(n.ID)
	if !ok {
		return nil
	}
	it := &fetchItem{
		id: n.ID, entry: n.Remote.Entry, place: n.Remote.Place,
		from: havre.FileVersion{Path: path, Rev: max(n.Remote.Rev, l.cursor)},
	}
	if it.inline, it.has = l.inline.get(n.ID, n.Remote.Hash); it.has || n.Remote.Kind != havre.KindFile {
		return it
	}
	if it.entry.Size == 0 {
		it.has = true
		return it
	}
	for c := range l.db.ByHash(n.Remote.Hash, 3) {
		if p, ok := l.localPath(c.ID); ok && c.Local.Size == it.entry.Size {
			it.copies = append(it.copies, p)
		}
	}
	return it
}

// fetch gives files to the workers. It reports whether there was room for all.
func (l *loop) fetch(items []*fetchItem) bool {
	if !l.downAt.IsZero() {
		return true // it is planned again when the pause is over; what goes up need not wait
	}
	fits := true
	job, bytes := &fetchJob{}, int64(0)
	flush := func() {
		if len(job.items) > 0 {
			l.fetches.start(job)
		}
		job, bytes = &fetchJob{}, 0
	}
	for _, it := range items {
		if it.entry.Size > havre.InlineLimit {
			if !l.downloads.free() {
				l.waitingLarge = true
				continue
			}
			l.busy[it.id] = true
			l.downloads.start(&fetchJob{items: []*fetchItem{it}, large: true})
			continue
		}
		if len(job.items) == 0 && !l.fetches.free() {
			fits = false
			continue
		}
		l.busy[it.id] = true
		job.items = append(job.items, it)
		if bytes += it.entry.Size; len(job.items) == fetchFiles || bytes >= fetchBytes {
			flush()
		}
	}
	flush()
	return fits
}

// errContents says that contents are not those that were asked for.
var errContents = errors.New("the contents are not what the server announced")

// fetchWork does a fetchJob.
func (l *loop) fetchWork(ctx context.Context, j *fetchJob) {
	if j.large {
		j.items[0].err = l.download(ctx, j.items[0])
	} else {
		l.fetchSmall(ctx, j)
	}
	var temps []localfs.Temp
	for _, it := range j.items {
		if it.temp != nil {
			temps = append(temps, it.temp)
		}
	}
	if len(temps) == 0 {
		return
	}
	if err := l.cfg.FS.SyncTemps(temps); err != nil {
		j.discard()
		for _, it := range j.items {
			it.err = err
		}
	}
}

func (l *loop) fetchSmall(ctx context.Context, j *fetchJob) {
	var wg sync.WaitGroup
	next := make(chan func(), fetchers)
	for range min(fetchers, len(j.items)) {
		wg.Go(func() {
			for fn := range next {
				fn()
			}
		})
	}
	var files []havre.FileVersion
	var asked []*fetchItem
	var mu sync.Mutex // guards files and asked
	var local sync.WaitGroup
	for _, it := range j.items {
		local.Add(1)
		next <- func() {
			defer local.Done()
			if it.has {
				it.err = l.fill(it, it.inline)
				return
			}
			if l.copyLocal(ctx, it) {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			files, asked = append(files, it.from), append(asked, it)
		}
	}
	local.Wait()
	if len(files) > 0 {
		got := 0
		j.err = l.cfg.Remote.Fetch(ctx, l.cfg.Scope, files, func(i int, content []byte, err error) error {
			it := asked[i]
			got++
			if err != nil {
				it.err = err
				return nil //nolint:nilerr // the other files go on
			}
			content = append([]byte(nil), content...) // it is ours during the call only
			next <- func() { it.err = l.fill(it, content) }
			return nil
		})
		if j.err == nil {
			l.net.worked("fetch")
		}
		for _, it := range asked[got:] {
			it.err = j.err
			if it.err == nil {
				it.err = io.ErrUnexpectedEOF
			}
		}
	}
	close(next)
	wg.Wait()
}

// fill makes the temporary of an item from its contents.
func (l *loop) fill(it *fetchItem, content []byte) error {
	if int64(len(content)) != it.entry.Size || it.entry.Hash != "" && havre.HashBytes(content) != it.entry.Hash {
		return errContents
	}
	if it.entry.Kind == havre.KindSymlink {
		target, ok := strings.CutPrefix(string(content), state.LinkPrefix)
		if !ok {
			return errContents
		}
		var err error
		it.temp, err = l.cfg.FS.SymlinkTemp(target)
		return err
	}
	t, err := l.cfg.FS.CreateTemp()
	if err != nil {
		return err
	}
	if _, err := t.Write(content); err != nil {
		return errors.Join(err, t.Discard())
	}
	return l.finish(it, t)
}

// finish sets the attributes of a temporary that is complete.
func (l *loop) finish(it *fetchItem, t localfs.Temp) error {
	if err := t.SetAttrs(localfs.Attrs{ModTime: it.entry.ModTime, Executable: it.entry.Executable}); err != nil {
		return errors.Join(err, t.Discard())
	}
	it.temp = t
	return nil
}

// copyLocal makes the temporary of an item from a local file with the same contents.
func (l *loop) copyLocal(ctx context.Context, it *fetchItem) bool {
	for _, p := range it.copies {
		t, err := l.cfg.FS.CreateTemp()
		if err != nil {
			return false
		}
		if l.copyFrom(ctx, t, p, it.entry) == nil && l.finish(it, t) == nil {
			return true
		}
		_ = t.Discard()
	}
	return false
}

func (l *loop) copyFrom(ctx context.Context, t localfs.Temp, p svn.Path, e havre.Entry) error {
	f, err := l.cfg.FS.Open(p)
	if err != nil {
		return err
	}
	defer f.Close()
	h := havre.NewHasher()
	size, err := relay.Copy(io.MultiWriter(t, h), io.LimitReader(&stoppable{ctx, f}, e.Size+1))
	if err != nil {
		return err
	}
	if havre.SHA1Hash(h.Sum(nil)) != e.Hash || size != e.Size {
		return errContents
	}
	return nil
}

// download fetches a large file. What came before the connection was cut is kept for the next try,
// in this process or a later one.
func (l *loop) download(ctx context.Context, it *fetchItem) error {
	if l.copyLocal(ctx, it) {
		return nil
	}
	t, err := l.cfg.FS.ResumeTemp(it.entry.Hash.String())
	if err != nil {
		return err
	}
	err = l.net.persist(ctx, "download", func() error { return l.resume(ctx, it, t) })
	switch {
	case errors.Is(err, errContents):
		return errors.Join(err, t.Discard())
	case err != nil:
		return errors.Join(err, t.Close())
	}
	return l.finish(it, t)
}

// resume appends to a temporary what is missing.
func (l *loop) resume(ctx context.Context, it *fetchItem, t localfs.Temp) error {
	if t.Size() > it.entry.Size {
		if err := t.Truncate(0); err != nil {
			return &fatal{err}
		}
	}
	h := havre.NewHasher()
	if _, err := relay.Copy(h, io.NewSectionReader(t, 0, t.Size())); err != nil {
		return &fatal{err}
	}
	if t.Size() < it.entry.Size {
		r, err := l.cfg.Remote.Open(ctx, l.cfg.Scope, it.from, t.Size())
		if err != nil {
			return err
		}
		defer r.Close()
		w := &diskWriter{w: io.MultiWriter(t, h)}
		_, err = relay.Copy(w, io.LimitReader(r, it.entry.Size-t.Size()))
		if w.err != nil {
			return &fatal{w.err}
		}
		if err != nil {
			return err
		}
		if t.Size() < it.entry.Size {
			return fmt.Errorf("/%s: %w", it.from.Path, io.ErrUnexpectedEOF)
		}
	}
	if havre.SHA1Hash(h.Sum(nil)) != it.entry.Hash {
		return &fatal{errContents}
	}
	return nil
}

// diskWriter remembers whether it was the disk that failed, and not the network.
type diskWriter struct {
	w   io.Writer
	err error
}

func (d *diskWriter) Write(b []byte) (int, error) {
	n, err := d.w.Write(b)
	if err != nil {
		d.err = err
	}
	return n, err
}

// fetched puts what a worker fetched in its place.
func (l *loop) fetched(j *fetchJob) error {
	l.waitingLarge = l.waitingLarge && !j.large
	l.planSoon()
	return l.tx(func() {
		worked := false
		for _, it := range j.items {
			delete(l.busy, it.id)
			if it.temp == nil {
				l.notFetched(it, j)
				continue
			}
			path, err := l.place(it)
			if err != nil {
				l.setBack(it.id, path, err)
				_ = it.temp.Discard()
				continue
			}
			worked = true
		}
		if worked {
			l.fullWait = backoff{}
		}
	})
}

func (l *loop) notFetched(it *fetchItem, j *fetchJob) {
	path, _ := l.remotePath(it.id)
	err := it.err
	switch {
	case err == nil || errors.Is(err, context.Canceled):
		return
	case localfs.IsFull(err):
		l.diskFull(err)
	case j.err != nil && err == j.err: //nolint:errorlint // the very same: the whole job failed
		l.net.failed("fetch", err)
		l.downAt = time.Now().Add(l.downWait.next())
	case havre.CodeOf(err) == havre.CodeNotFound:
		l.again(it.id, 500*time.Millisecond, true) // it was renamed or deleted: that is on its way
	default:
		l.problems.set(path, reasonOf(err))
		l.again(it.id, 2*time.Second, true)
	}
}

// place renames a temporary to its name, if the node is still what it was.
func (l *loop) place(it *fetchItem) (svn.Path, error) {
	n := l.db.Get(it.id)
	if n == nil || n.Remote == nil || n.Remote.Entry != it.entry || n.Remote.Place != it.place ||
		n.Local != nil && n.Local.Place != it.place ||
		n.Local != nil && (n.Base == nil || !n.Base.SameContent(&n.Local.Entry)) {
		_ = it.temp.Discard() // something else came up: it is planned anew
		return "", nil
	}
	path, err := l.placePath(it.place)
	if err != nil {
		return path, err
	}
	event := Event{What: "added", Path: path, Rev: it.entry.Rev, Bytes: it.entry.Size}
	var expected *localfs.Info
	if n.Local != nil {
		info := l.infoOf(n)
		expected = &info
		event.What = "changed"
	}
	info, err := l.cfg.FS.Commit(it.temp, path, expected)
	if err != nil {
		return path, err
	}
	l.touched[path.Dir()] = true
	l.wrote(n.Clone(), info)
	l.inline.remove(n.ID)
	l.problems.drop(path)
	l.tell(n.ID, event)
	l.settled(n.ID)
	return path, nil
}
