package syncer

import (
	"context"
	"errors"
	"io"
	"io/fs"
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
	// scanBatch is how many names of a directory are looked at in one job, if only some are to be.
	scanBatch = 1000
	// largeHash is the size in bytes from which on a file is hashed aside, not to keep others waiting.
	largeHash = 4 << 20
	// hashers is how many files of a job are read at the same time.
	hashers = 4
	// clockGrain is how far apart two changes must be to get different times on the disk. Linux
	// counts in ticks of up to 10 ms; file systems whose times are whole seconds, of up to 2 s.
	clockGrain, coarseGrain = 12 * time.Millisecond, 2 * time.Second
)

// scanJob is to look at a directory, or at some names in it.
type scanJob struct {
	dir   svn.Path
	dirID reconcile.NodeID
	full  bool // all names; else those in hints
	tree  bool // and then all directories in it
	large bool // hash what was too large in the job before
	hints map[string]hint
	known map[string]known // what the state says of the names

	// The result.
	found   []found
	missing []string
	err     error // of the directory
}

// hint is what is known of a name that is to be looked at.
type hint struct {
	first  time.Time     // when a change was noticed
	pause  time.Duration // how long it was last left alone because it kept changing
	gone   bool          // it was missing a moment ago
	forced bool          // look even if it is to be ignored
}

// known is what the state says of a name.
type known struct {
	id        reconcile.NodeID
	info      localfs.Info
	entry     havre.Entry
	uncertain bool
}

// found is what a look at a name told.
type found struct {
	name     string
	info     localfs.Info
	entry    havre.Entry
	same     bool // nothing to record
	unsure   bool // see state.Look.Uncertain
	unstable bool // it changed while it was read
	later    bool // it is for the hash lane
	// young is how long to leave alone what a scan came across while it was being written.
	young   time.Duration
	problem string
}

// scan does a scanJob.
func (e *Engine) scan(ctx context.Context, j *scanJob) {
	infos, err := e.look(j)
	if err != nil {
		j.err = err
		return
	}
	rules := e.rules.Dir(j.dir)
	seen := make(map[string]bool, len(infos))
	for _, info := range infos {
		if ctx.Err() != nil {
			return
		}
		seen[info.Name] = true
		_, isKnown := j.known[info.Name]
		if !isKnown && !j.hints[info.Name].forced && rules.Match(info.Name, info.Kind == localfs.KindDir) {
			continue
		}
		j.found = append(j.found, found{name: info.Name, info: info, problem: info.Problem})
	}
	for name := range j.known {
		if !seen[name] {
			j.missing = append(j.missing, name)
		}
	}
	e.read(ctx, j)
}

// look returns what there is.
func (e *Engine) look(j *scanJob) ([]localfs.Info, error) {
	if j.full {
		return e.cfg.FS.ReadDir(j.dir)
	}
	infos := make([]localfs.Info, 0, len(j.hints))
	for name := range j.hints {
		info, err := e.cfg.FS.Stat(j.dir.Join(name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			j.found = append(j.found, found{name: name, problem: reasonOf(err)})
			delete(j.known, name)
		default:
			infos = append(infos, info)
		}
	}
	return infos, nil
}

// read fills in the entries of what was found, several files at a time.
func (e *Engine) read(ctx context.Context, j *scanJob) {
	next := make(chan *found)
	var wg sync.WaitGroup
	workers := 0
	for i := range j.found {
		f := &j.found[i]
		k, isKnown := j.known[f.name]
		if f.problem != "" || e.sameAsKnown(f, k, isKnown) {
			continue
		}
		// Without a watcher nothing ever tells that a file was closed.
		if _, hinted := j.hints[f.name]; !hinted && e.cfg.Watcher != nil {
			if f.young = stillYoung(f.info, time.Now()); f.young > 0 {
				continue
			}
		}
		if f.info.Kind == localfs.KindFile && f.info.Size >= largeHash && !j.large {
			f.later = true
			continue
		}
		// Another worker only when all are busy, so that single files cost no goroutine more.
		select {
		case next <- f:
			continue
		default:
		}
		if workers < hashers {
			workers++
			wg.Go(func() {
				for f := range next {
					e.entry(ctx, j.dir.Join(f.name), f)
				}
			})
		}
		next <- f
	}
	close(next)
	wg.Wait()
	for i := range j.found {
		f := &j.found[i]
		if k, ok := j.known[f.name]; ok && f.entry.Kind == havre.KindFile && !e.cfg.FS.Features().Executable {
			f.entry.Executable = k.entry.Executable
		}
	}
}

// sameAsKnown reports whether nothing has to be read, because it is known or a directory.
func (e *Engine) sameAsKnown(f *found, k known, isKnown bool) bool {
	if f.info.Kind == localfs.KindDir {
		f.entry = havre.Entry{Kind: havre.KindDir}
		f.same = isKnown && f.info.Same(k.info)
		return true
	}
	f.same = isKnown && !k.uncertain && f.info.Same(k.info)
	if f.same {
		f.entry = k.entry
	}
	return f.same
}

// entry reads a file or link.
func (e *Engine) entry(ctx context.Context, p svn.Path, f *found) {
	if f.info.Kind == localfs.KindSymlink {
		target, err := e.cfg.FS.Readlink(p)
		if err != nil {
			f.failed(err)
			return
		}
		content := []byte(state.LinkPrefix + target)
		f.entry = havre.Entry{Kind: havre.KindSymlink, Size: int64(len(content)), Hash: havre.HashBytes(content)}
		return
	}
	began := time.Now()
	file, err := e.cfg.FS.Open(p)
	if err != nil {
		f.failed(err)
		return
	}
	defer file.Close()
	before, err := file.Stat()
	if err != nil {
		f.failed(err)
		return
	}
	h := havre.NewHasher()
	size, err := relay.Copy(h, &stoppable{ctx, file})
	if err != nil {
		f.failed(err)
		return
	}
	after, err := file.Stat()
	if err != nil {
		f.failed(err)
		return
	}
	if !after.Same(before) || size != after.Size {
		f.unstable = true
		return
	}
	after.Name = f.name
	f.info = after
	f.unsure = tooYoung(after, began)
	f.entry = havre.Entry{
		Kind: havre.KindFile, Size: size, Hash: havre.SHA1Hash(h.Sum(nil)), Executable: after.Executable,
		ModTime: time.Unix(0, after.ModTime).UTC(),
	}
}

// tooYoung reports whether a file was changed so shortly before it was read that another change since
// could have left the same times.
func tooYoung(info localfs.Info, read time.Time) bool {
	grain := clockGrain
	if info.ModTime%int64(time.Second) == 0 && info.ChangeTime%int64(time.Second) == 0 {
		grain = coarseGrain
	}
	age := read.UnixNano() - max(info.ModTime, info.ChangeTime)
	return age >= 0 && age < int64(grain)
}

// stillYoung returns how long a file should be left alone that was written to a moment ago, and of which
// nobody said that it was closed: it may be half there.
func stillYoung(info localfs.Info, now time.Time) time.Duration {
	age := now.Sub(time.Unix(0, info.ModTime))
	if info.Kind != localfs.KindFile || age < 0 || age >= writtenQuiet {
		return 0
	}
	return writtenQuiet - age
}

func (f *found) failed(err error) {
	if errors.Is(err, fs.ErrNotExist) {
		f.unstable = true // it went meanwhile
		return
	}
	if _, ok := errors.AsType[*localfs.KindError](err); ok {
		f.unstable = true
		return
	}
	f.problem = reasonOf(err)
}

// reasonOf says for the person why a path cannot be kept the same.
func reasonOf(err error) string {
	if errors.Is(err, fs.ErrPermission) {
		return "may not be read: give this account the right to read it"
	}
	return err.Error()
}

// stoppable is a reader that ends with ctx.
type stoppable struct {
	ctx  context.Context //nolint:containedctx // a Read has none
	file io.Reader
}

func (s *stoppable) Read(b []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.file.Read(b)
}
