package fsfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/havre-cloud/havre/svn"
)

// PackProgress says how far Pack is.
type PackProgress struct {
	// Done revisions of Total are packed, or on their way into a pack.
	Done, Total int
	// Waiting is set, in one call at the start, when another program packs the same repository.
	Waiting bool
}

// PackResult says what Pack did.
type PackResult struct {
	// Revisions were put into packs, those of so many shards.
	Revisions, Shards int
	// Packed is how many revisions are in packs now, those from before included: all below this
	// number. Next is the first revision that will make another shard complete.
	Packed, Next svn.Revnum
	// Before and After are what the revisions take, without directories.
	Before, After DiskUse
}

// DiskUse is how many files there are, and how much of the disk they take in bytes, blocks that are
// filled in part included where the system tells.
type DiskUse struct {
	Files int
	Bytes int64
}

func (d *DiskUse) add(info fs.FileInfo) {
	d.Files++
	d.Bytes += allocated(info)
}

// Pack puts the revisions of each complete shard into one file, and from format 6 on their revision
// properties into a few: what `svnadmin pack` does. Others may read and commit meanwhile, and may be
// packing too.
//
// Each shard is packed by itself: when Pack is interrupted, by its context, an error or a loss of power, those
// before stay packed and nothing is lost; another call goes on. Every checksum that the format has is
// compared on the way; a shard with damage, told of as *CorruptError, stays as it is. Memory is bounded
// by some 100 MiB, whatever a shard holds. progress may be nil; it is called often.
//
// It returns *FormatError for repositories that know no packs: format 3 and below, and the linear layout.
func (r *Repository) Pack(ctx context.Context, progress func(PackProgress)) (PackResult, error) {
	return r.pack(ctx, packBatch, progress)
}

func (r *Repository) pack(ctx context.Context, batch int64, progress func(PackProgress)) (PackResult, error) {
	if err := r.usable(ctx); err != nil {
		return PackResult{}, err
	}
	if progress == nil {
		progress = func(PackProgress) {}
	}
	f, err := readFormat(r.dir)
	if err != nil {
		return PackResult{}, err
	}
	switch {
	case f.number < 4:
		return PackResult{}, &FormatError{Dir: r.dir, Reason: fmt.Sprintf("db/format is %d; "+
			"packs need 4 or higher: `svnadmin upgrade` makes it current", f.number)}
	case f.shard == 0:
		return PackResult{}, &FormatError{Dir: r.dir, Reason: "all its revisions are in one directory (linear layout), which knows no packs; " +
			"`svnadmin dump` and `svnadmin load` into a new repository change that"}
	}
	if f.number >= 7 {
		lock, err := r.packLock(ctx, func() { progress(PackProgress{Waiting: true}) })
		if err != nil {
			return PackResult{}, fmt.Errorf("pack lock: %w", err)
		}
		defer lock.Close()
	}
	p := &packer{repo: r, format: f, batch: batch, progress: progress}
	err = p.run(ctx)
	return p.result, err
}

// packLock takes the lock that keeps two from packing at the same time. Closing the file gives it back.
func (r *Repository) packLock(ctx context.Context, waiting func()) (*os.File, error) {
	f, err := os.OpenFile(r.db("pack-lock"), os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	if ok, err := lockFile(f, false); ok || err != nil {
		if err != nil {
			_ = f.Close()
		}
		return f, err
	}
	waiting()
	got := make(chan struct{}) // closed when the wait is over
	go func() {
		defer close(got)
		_, err = lockFile(f, true)
	}()
	select {
	case <-got:
		if err != nil {
			_ = f.Close()
		}
		return f, err
	case <-ctx.Done():
		// The wait for a lock cannot be called off.
		go func() {
			<-got
			_ = f.Close()
		}()
		return nil, ctx.Err()
	}
}

// exclusive takes the write lock, which commits of this Repository share. The caller calls leave.
func (r *Repository) exclusive(ctx context.Context) (leave func(), err error) {
	select {
	case r.queue.leader <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	lock, err := r.writeLock(ctx)
	if err != nil {
		<-r.queue.leader
		return nil, fmt.Errorf("write lock: %w", err)
	}
	return func() {
		_ = lock.Close()
		<-r.queue.leader
	}, nil
}

// packer packs the complete shards of a repository, one after the other.
type packer struct {
	repo     *Repository
	format   format
	batch    int64 // packBatch
	progress func(PackProgress)
	state    PackProgress
	result   PackResult
}

func (p *packer) run(ctx context.Context) error {
	if err := p.repo.readMinUnpacked(); err != nil {
		return err
	}
	youngest, err := p.repo.readCurrent()
	if err != nil {
		return err
	}
	size := svn.Revnum(p.format.shard)
	first := svn.Revnum(p.repo.minUnpacked.Load())
	if first%size != 0 {
		return &CorruptError{File: "db/min-unpacked-rev", Want: fmt.Sprintf("a multiple of %d", size), Got: fmt.Sprint(first)}
	}
	end := (youngest + 1) / size * size
	p.state.Total = int(max(0, end-first))
	p.result.Packed, p.result.Next = first, max(first, end)+size-1
	if err := p.clean(ctx, first); err != nil {
		return err
	}
	for ; first < end; first += size {
		err := p.shard(ctx, first)
		if errors.Is(err, errPackedMeanwhile) {
			p.state.Done = int(int64(p.state.Total) - int64(end-first-size))
			p.result.Packed = first + size
			continue
		}
		if err != nil {
			return fmt.Errorf("pack r%d to r%d: %w", first, first+size-1, err)
		}
		p.result.Packed = first + size
		p.result.Shards++
		p.result.Revisions += int(size)
	}
	return nil
}

// shard packs the revisions from first on. The pack is built beside the repository; then, under
// the write lock, it is put in its place, and min-unpacked-rev moved: from then on everybody looks
// there. Only when that is durable are the old files removed.
func (p *packer) shard(ctx context.Context, first svn.Revnum) error {
	r := p.repo
	var before, after DiskUse
	end := first + svn.Revnum(p.format.shard)
	revs := &revPacker{repo: r, first: first, end: end, batch: p.batch}
	revs.done = func(info fs.FileInfo) {
		before.add(info)
		p.state.Done++
		p.progress(p.state)
	}
	defer revs.discard()
	if err := revs.run(ctx, p.format.logical); err != nil {
		return err
	}
	leave, err := r.exclusive(ctx)
	if err != nil {
		return err
	}
	err = p.publish(revs, &before, &after)
	leave()
	if err != nil {
		return err
	}
	p.result.Before = DiskUse{p.result.Before.Files + before.Files, p.result.Before.Bytes + before.Bytes}
	p.result.After = DiskUse{p.result.After.Files + after.Files, p.result.After.Bytes + after.Bytes}
	r.files.drop(func(k fileKey) bool { return !k.packed && k.rev < end })
	var removals []func() error
	for _, kind := range p.packedKinds() {
		removals = append(removals, func() error { return p.removeShard(kind, p.format.shardOf(first)) })
	}
	if err := together(removals); err != nil {
		return fmt.Errorf("is done, but the old files are not removed: %w", err)
	}
	return nil
}

// publish puts a pack in its place. The caller has the write lock.
func (p *packer) publish(revs *revPacker, before, after *DiskUse) error {
	r := p.repo
	if _, err := r.refresh(); err != nil {
		return err
	}
	if r.minUnpacked.Load() != int64(revs.first) {
		return errPackedMeanwhile
	}
	f := *r.format.Load()
	err := p.publishRevs(f, revs, after)
	if err == nil && f.number >= 6 {
		err = r.packRevProps(f, revs.first, before, after)
	}
	if err == nil {
		err = r.moveMinUnpacked(revs.end)
	}
	if err != nil {
		for _, kind := range p.packedKinds() {
			_ = os.RemoveAll(r.db(kind, f.shardOf(revs.first)+".pack")) // nobody reads it yet
		}
		return err
	}
	r.minUnpacked.Store(int64(revs.end))
	if err := r.at("sync min-unpacked-rev"); err != nil {
		return err
	}
	return syncDir(r.db())
}

// publishRevs moves the files of a pack to where they belong.
func (p *packer) publishRevs(f format, revs *revPacker, after *DiskUse) error {
	r := p.repo
	like, err := os.Stat(r.db(f.revPath("revs", revs.end-1)))
	if err != nil {
		return err
	}
	dir, err := r.makePackDir("revs", f, revs.first)
	if err != nil {
		return err
	}
	files := []*spool{revs.out}
	names := []string{"pack"}
	if !f.logical {
		manifest, err := r.newSpool(".manifest")
		if err != nil {
			return err
		}
		defer manifest.discard()
		if _, err := manifest.file.Write(revs.manifest); err != nil {
			return err
		}
		if err := syncFile(manifest.file); err != nil {
			return err
		}
		files, names = append(files, manifest), append(names, "manifest")
	}
	for i, s := range files {
		if err := makeFileLike(s.file, like); err != nil {
			return err
		}
		if err := r.at("rename " + names[i]); err != nil {
			return err
		}
		if err := s.moveTo(filepath.Join(dir, names[i])); err != nil {
			return err
		}
		info, err := os.Stat(filepath.Join(dir, names[i]))
		if err != nil {
			return err
		}
		after.add(info)
	}
	if err := r.at("sync pack directory"); err != nil {
		return err
	}
	return errors.Join(syncDir(dir), syncDir(filepath.Dir(dir)))
}

// moveTo closes the file and gives it its name. It is not a temporary file any more then.
func (s *spool) moveTo(name string) error {
	from := s.file.Name()
	if !renameOpen {
		if err := s.file.Close(); err != nil {
			return err
		}
	}
	if err := os.Rename(from, name); err != nil {
		return err
	}
	if renameOpen {
		_ = s.file.Close()
	}
	s.file = nil
	return nil
}

// makePackDir makes the empty directory for a pack. What is there was left by somebody who did not
// come to an end: min-unpacked-rev says that nobody reads it.
func (r *Repository) makePackDir(kind string, f format, first svn.Revnum) (string, error) {
	if err := r.at("make pack directory"); err != nil {
		return "", err
	}
	shard := r.db(kind, f.shardOf(first))
	dir := shard + ".pack"
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	if err := makeLike(dir, shard); err != nil {
		return "", err
	}
	info, err := os.Stat(shard)
	if err != nil {
		return "", err
	}
	keepOwner(dir, info)
	return dir, nil
}

// makeFileLike gives a new file the permissions, and as far as that is allowed the owner, of the
// one in whose place it comes.
func makeFileLike(f *os.File, like fs.FileInfo) error {
	keepOwner(f.Name(), like)
	return f.Chmod(like.Mode().Perm())
}

// moveMinUnpacked tells everybody that all revisions below rev are in packs.
func (r *Repository) moveMinUnpacked(rev svn.Revnum) error {
	if err := r.at("move min-unpacked-rev"); err != nil {
		return err
	}
	name := r.db("min-unpacked-rev")
	like, err := os.Stat(name)
	if err != nil {
		return err
	}
	s, err := r.newSpool(".min-unpacked-rev")
	if err != nil {
		return err
	}
	defer s.discard()
	if _, err := s.file.WriteString(strconv.FormatInt(int64(rev), 10) + "\n"); err != nil {
		return err
	}
	if err := syncFile(s.file); err != nil {
		return err
	}
	if err := makeFileLike(s.file, like); err != nil {
		return err
	}
	return s.moveTo(name)
}

// packedKinds are the directories of db/ that have packs.
func (p *packer) packedKinds() []string {
	if p.repo.format.Load().number < 6 {
		return []string{"revs"}
	}
	return []string{"revs", "revprops"}
}

// clean removes what somebody who was interrupted left of the shards below end. In repositories without a
// pack lock, whoever else packs has the write lock as long as there is anything to remove: svnadmin fails
// when it is gone.
func (p *packer) clean(ctx context.Context, end svn.Revnum) error {
	if p.format.number >= 7 {
		return p.removePacked(end)
	}
	leave, err := p.repo.exclusive(ctx)
	if err != nil {
		return err
	}
	defer leave()
	return p.removePacked(end)
}

// removePacked removes the directories of shards below a revision that somebody who was interrupted
// left: they are packed.
func (p *packer) removePacked(end svn.Revnum) error {
	for _, kind := range p.packedKinds() {
		entries, err := os.ReadDir(p.repo.db(kind))
		if err != nil {
			return err
		}
		for _, e := range entries {
			shard, ok := parseInt([]byte(e.Name()))
			if !ok || shard >= int64(end)/p.format.shard {
				continue
			}
			if err := p.removeShard(kind, e.Name()); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeShard removes the directory of a shard that is packed. It stays if the pack is not there.
func (p *packer) removeShard(kind, shard string) error {
	must := map[string]string{"revs": "pack", "revprops": "manifest"}[kind]
	if _, err := os.Stat(p.repo.db(kind, shard+".pack", must)); err != nil {
		return err
	}
	if err := p.repo.at("remove shard"); err != nil {
		return err
	}
	dir := p.repo.db(kind, shard)
	if kind == "revs" || shard != "0" {
		return os.RemoveAll(dir)
	}
	// The properties of r0 are never packed.
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == "0" {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
