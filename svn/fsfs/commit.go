package fsfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/havre-cloud/havre/svn"
)

// Commit implements svn.Repository.
//
// The contents are read before the lock is taken. A *ChangeError is returned for what cannot be
// committed whatever others do, and a *svn.LockedError for what `svn lock` protects. The log
// message and the other revision properties are not looked at. Commits that are made at the same
// time through one Repository share the waits for the disk.
func (r *Repository) Commit(ctx context.Context, c *svn.Commit) (svn.Revnum, error) {
	if err := r.usable(ctx); err != nil {
		return svn.InvalidRevnum, err
	}
	if n := r.format.Load().number; n < 3 {
		return svn.InvalidRevnum, &FormatError{Dir: r.dir, Reason: fmt.Sprintf("db/format is %d; "+
			"commits need 3 or higher: `svnadmin upgrade` makes it current", n)}
	}
	if err := checkChanges(c.Changes); err != nil {
		return svn.InvalidRevnum, err
	}
	proto, staged, err := r.stage(ctx, c.Changes)
	if err != nil {
		return svn.InvalidRevnum, err
	}
	defer proto.discard()
	p := &pendingCommit{ctx: ctx, commit: c, proto: proto, staged: staged, done: make(chan struct{})}
	r.queue.push(p)
	for {
		select {
		case <-p.done:
			return p.rev, p.err
		case r.queue.leader <- struct{}{}:
			err := r.lead(ctx, p)
			<-r.queue.leader
			if err != nil && r.queue.withdraw(p) {
				return svn.InvalidRevnum, err
			}
		case <-ctx.Done():
			if r.queue.withdraw(p) {
				return svn.InvalidRevnum, ctx.Err()
			}
			<-p.done
			return p.rev, p.err
		}
	}
}

// lead takes the write lock and makes the commits that wait, unless another leader made p meanwhile.
func (r *Repository) lead(ctx context.Context, p *pendingCommit) error {
	select {
	case <-p.done:
		return nil
	default:
	}
	r.queue.gather(ctx)
	lock, err := r.writeLock(ctx)
	if err != nil {
		return fmt.Errorf("write lock: %w", err)
	}
	defer lock.Close()
	batch := r.queue.take()
	start := time.Now()
	r.commitGroup(batch)
	r.queue.made(len(batch), time.Since(start))
	for _, p := range batch {
		close(p.done)
	}
	return nil
}

// commitGroup makes a revision of each commit and publishes them together. What is wrong with one
// does not concern the others.
func (r *Repository) commitGroup(batch []*pendingCommit) {
	fail := func(commits []*pendingCommit, err error) {
		for _, p := range commits {
			p.rev, p.err = svn.InvalidRevnum, err
		}
	}
	base, err := r.refresh()
	if err != nil {
		fail(batch, err)
		return
	}
	g := &group{repo: r, base: base, format: *r.format.Load(), current: r.beginTemp(".current")}
	defer g.release()
	if err := g.prepare(); err != nil {
		fail(batch, err)
		return
	}
	for _, p := range batch {
		if err := g.add(p); err != nil {
			fail([]*pendingCommit{p}, err)
		}
	}
	if len(g.commits) == 0 {
		return
	}
	if err := g.publish(); err != nil {
		if _, visible := errors.AsType[*NotDurableError](err); !visible {
			r.forget(base + 1)
		} else {
			r.youngest.Store(int64(g.last()))
			r.changed.broadcast()
		}
		fail(g.commits, err)
		return
	}
	r.youngest.Store(int64(g.last()))
	r.changed.broadcast()
	for _, p := range g.commits {
		s := &p.proto.sharing
		r.notes.add(base, s.rows(p.rev), s.wrong)
	}
}

// refresh reads anew, under the write lock, what others may have changed, and removes what they
// left behind. It returns the youngest revision.
func (r *Repository) refresh() (svn.Revnum, error) {
	f, err := readFormat(r.dir)
	if err != nil {
		return 0, err
	}
	if old := r.format.Load(); f != *old {
		if f.shard != old.shard || f.logical != old.logical {
			return 0, &FormatError{Dir: r.dir, Reason: "its layout was changed while it was open: open it again"}
		}
		r.format.Store(&f)
	}
	if err := r.readMinUnpacked(); err != nil {
		return 0, err
	}
	seen := svn.Revnum(r.youngest.Load())
	youngest, err := r.readCurrent()
	if err == nil && youngest < seen {
		err = &FormatError{Dir: r.dir, Reason: fmt.Sprintf("its youngest revision went back from r%d to r%d "+
			"(restored from a backup?): open it again", seen, youngest)}
	}
	if unpacked := svn.Revnum(r.minUnpacked.Load()); err == nil && unpacked > youngest+1 {
		err = &CorruptError{File: "db/current", Want: fmt.Sprintf("r%d or higher, because r%d is packed", unpacked-1, unpacked-1), Got: fmt.Sprintf("r%d", youngest)}
	}
	return youngest, err
}

// forget drops from the caches everything of revisions that did not come to be.
func (r *Repository) forget(first svn.Revnum) {
	item := func(id itemID) bool { return id.rev >= first }
	r.nodes.dropIf(item)
	r.dirs.dropIf(item)
	r.props.dropIf(item)
	r.chains.dropIf(item)
	r.roots.dropIf(func(rev svn.Revnum) bool { return rev >= first })
	page := func(k pageKey) bool { return !k.file.packed && k.file.rev >= first }
	r.pages.dropIf(page)
	r.items.dropIf(page)
	r.files.drop(func(k fileKey) bool { return !k.packed && k.rev >= first })
}

// at is called between the steps of a commit.
func (r *Repository) at(point string) error {
	if r.crash == nil {
		return nil
	}
	return r.crash(point)
}

// group is the commits that are made under one write lock, as consecutive revisions.
type group struct {
	repo    *Repository
	format  format
	base    svn.Revnum // the youngest revision before
	commits []*pendingCommit
	props   []svn.Props // revision properties of each
	files   []*revFile  // of each, with a reference
	date    time.Time   // the latest svn:date
	mode    fs.FileMode // of the previous revision's file
	temps   []*os.File  // not yet renamed
	current *futureTemp // for db/current
}

func (g *group) last() svn.Revnum { return g.base + svn.Revnum(len(g.commits)) }

// prepare reads what new revisions take over from the last, and removes the leftovers above it.
func (g *group) prepare() error {
	if err := g.repo.removeUnborn(g.format, g.base); err != nil {
		return err
	}
	g.repo.swept.Store(true)
	g.repo.sweepTemps()
	f, err := g.repo.acquire(g.base)
	if err != nil {
		return err
	}
	defer f.release()
	info, err := f.file.Stat()
	if err != nil {
		return err
	}
	g.mode = info.Mode().Perm()
	props, err := g.repo.revProps(g.base)
	if err != nil {
		return err
	}
	g.date = (&svn.Revision{Props: props}).Date()
	return nil
}

// add builds the revision of a commit upon those before it.
func (g *group) add(p *pendingCommit) error {
	if err := p.ctx.Err(); err != nil {
		return err
	}
	if p.proto.format.logical != g.format.logical {
		return &FormatError{Dir: g.repo.dir, Reason: "its addressing changed"}
	}
	rev := g.last() + 1
	t := &txn{repo: g.repo, rev: rev, proto: p.proto, staged: p.staged}
	err := t.apply(p.commit.Changes)
	if err == nil {
		err = g.repo.checkLocks(t.sortedChanges())
	}
	if err == nil {
		err = t.finish()
	}
	if err == nil {
		err = g.open(p, rev)
	}
	if err != nil {
		g.repo.forget(rev)
		return err
	}
	g.date = later(g.date)
	props := maps.Clone(p.commit.RevProps)
	if props == nil {
		props = svn.Props{}
	}
	props[svn.PropDate] = svn.FormatTime(g.date)
	g.props = append(g.props, props)
	g.commits = append(g.commits, p)
	p.rev = rev
	return nil
}

// later returns the time of a revision that follows one of the time last: now, but after it.
func later(last time.Time) time.Time {
	now := time.Now().UTC().Truncate(time.Microsecond)
	if now.After(last) {
		return now
	}
	return last.Add(time.Microsecond)
}

// open makes the revision readable for the commits behind it in the group, before it is published.
func (g *group) open(p *pendingCommit, rev svn.Revnum) error {
	file, err := os.Open(p.proto.file.Name())
	if err != nil {
		return err
	}
	key := fileKey{rev: rev}
	f, err := g.repo.newRevFile(file, p.proto.written, key, g.format)
	if err != nil {
		_ = file.Close()
		return err
	}
	g.files = append(g.files, g.repo.files.put(key, f))
	return nil
}

// release gives back what the group holds.
func (g *group) release() {
	g.releaseFiles()
	g.current.discard()
	for _, f := range g.temps {
		if f != nil {
			discardTemp(f)
		}
	}
	g.temps = nil
}

func (g *group) releaseFiles() {
	for _, f := range g.files {
		f.release()
	}
	g.files = nil
}

// publish makes the revisions durable, and then visible all at once. When it returns an error other than
// *NotDurableError nothing of them is left.
func (g *group) publish() error {
	if err := g.writeTemps(); err != nil {
		return err
	}
	if err := g.syncTemps(); err != nil {
		return err
	}
	if err := g.rename(); err != nil {
		// Whoever takes the lock next removes what cannot be removed now.
		g.repo.swept.Store(g.repo.removeUnborn(g.format, g.base) == nil)
		return err
	}
	if err := g.repo.at("current moved"); err != nil {
		return &NotDurableError{Rev: g.last(), Err: err}
	}
	if err := syncDir(g.repo.db()); err != nil {
		return &NotDurableError{Rev: g.last(), Err: err}
	}
	return nil
}

// writeTemps writes the revision properties and the new db/current as temporary files: g.temps
// is the files of the properties in order, and that of current.
func (g *group) writeTemps() error {
	info, err := os.Stat(g.repo.db("current"))
	if err != nil {
		return err
	}
	for i, props := range g.props {
		if err := g.writeTemp("write properties", g.commits[i].proto.props, encodeProps(props), g.mode); err != nil {
			return err
		}
	}
	text := strconv.FormatInt(int64(g.last()), 10) + "\n"
	if err := g.writeTemp("write current", g.current, []byte(text), info.Mode().Perm()); err != nil {
		return err
	}
	for _, p := range g.commits {
		if err := p.proto.file.Chmod(g.mode); err != nil {
			return err
		}
	}
	return nil
}

func (g *group) writeTemp(point string, temp *futureTemp, data []byte, mode fs.FileMode) error {
	if err := g.repo.at(point); err != nil {
		return err
	}
	f, err := temp.take()
	if err != nil {
		return err
	}
	g.temps = append(g.temps, f)
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Chmod(mode)
}

// syncTemps waits for the contents of all files, at the same time.
func (g *group) syncTemps() error {
	if err := g.repo.at("sync contents"); err != nil {
		return err
	}
	files := slices.Clone(g.temps)
	for _, p := range g.commits {
		files = append(files, p.proto.file)
	}
	// Once the system has found places for all of them, one write of its journal serves them all.
	for _, f := range files {
		startWriteback(f, 0, 0)
	}
	calls := make([]func() error, len(files))
	for i, f := range files {
		calls[i] = func() error { return syncFile(f) }
	}
	return together(calls)
}

// rename gives all files their names, makes the names durable, and moves db/current last.
func (g *group) rename() error {
	dirs, err := g.makeShards()
	if err != nil {
		return err
	}
	if !renameOpen {
		g.releaseFiles()
		g.repo.files.drop(func(k fileKey) bool { return !k.packed && k.rev > g.base })
	}
	for i, p := range g.commits {
		if err := g.repo.at("rename revision"); err != nil {
			return err
		}
		if err := g.moveTemp(&p.proto.file, g.format.revPath("revs", p.rev)); err != nil {
			return err
		}
		if err := g.repo.at("rename properties"); err != nil {
			return err
		}
		if err := g.moveTemp(&g.temps[i], g.format.revPath("revprops", p.rev)); err != nil {
			return err
		}
	}
	if err := g.repo.at("sync names"); err != nil {
		return err
	}
	var calls []func() error
	for dir := range dirs {
		calls = append(calls, func() error { return syncDir(dir) })
	}
	if err := together(calls); err != nil {
		return err
	}
	if err := g.repo.at("move current"); err != nil {
		return err
	}
	return g.moveTemp(&g.temps[len(g.temps)-1], "current")
}

// moveTemp renames a temporary file to a name below db/. The file is closed.
func (g *group) moveTemp(f **os.File, name string) error {
	from := (*f).Name()
	if !renameOpen {
		if err := (*f).Close(); err != nil {
			return err
		}
	}
	if err := os.Rename(from, g.repo.db(name)); err != nil {
		return err
	}
	if renameOpen {
		_ = (*f).Close()
	}
	*f = nil
	return nil
}

// makeShards makes the directories of new shards. It returns all directories that get new names.
func (g *group) makeShards() (dirs map[string]bool, err error) {
	dirs = map[string]bool{}
	for _, p := range g.commits {
		for _, kind := range []string{"revs", "revprops"} {
			dir := filepath.Dir(g.repo.db(g.format.revPath(kind, p.rev)))
			dirs[dir] = true
			if g.format.shard == 0 || int64(p.rev)%g.format.shard != 0 {
				continue
			}
			if err := g.repo.at("make shard"); err != nil {
				return nil, err
			}
			if err := makeLike(dir, filepath.Dir(dir)); err != nil {
				return nil, err
			}
			dirs[filepath.Dir(dir)] = true
		}
	}
	return dirs, nil
}

// makeLike makes a directory with the permissions of another, unless it is there.
func makeLike(dir, like string) error {
	info, err := os.Stat(like)
	if err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o777); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		return err
	}
	return os.Chmod(dir, info.Mode()&(fs.ModePerm|fs.ModeSetgid|fs.ModeSetuid|fs.ModeSticky))
}
