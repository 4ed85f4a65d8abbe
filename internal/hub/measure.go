package hub

import (
	"context"
	"io/fs"
	"path/filepath"
	"sync"
	"time"

	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
)

// Measure is how much a folder holds.
type Measure struct {
	Rev   svn.Revnum // as of; svn.InvalidRevnum before it was measured for the first time
	Files int64
	Dirs  int64
	Bytes int64 // of the files
	// By is how many of these bytes are in files that each person wrote last, by svn:author.
	By   map[string]int64
	Disk int64 // bytes of the repository on disk, with every version
	At   time.Time
}

// measureEvery is how often a folder that changes is measured again, in the background.
const measureEvery = 30 * time.Second

// measureRemoteEvery is the same for a folder on another server, which is asked a question for each directory.
const measureRemoteEvery = time.Hour

// measures keeps what was measured. A tree of 60,000 files takes some 0.3 s to walk.
type measures struct {
	repos *repositories

	mu  sync.Mutex // guards of
	of  map[measureKey]*measuring
	one chan struct{} // held by the one that walks: the disk is for the clients
	// people is how many bytes of each were let in since all folders were measured for him or her; mu guards it.
	people map[string]int64
}

type measureKey struct {
	location string
	prefix   svn.Path
}

type measuring struct {
	last  Measure
	added int64 // bytes that were let in since, at most
	busy  bool
}

func newMeasures(repos *repositories) *measures {
	return &measures{repos: repos, of: map[measureKey]*measuring{}, one: make(chan struct{}, 1), people: map[string]int64{}}
}

// get returns what was measured last, and measures again in the background if there is something newer.
func (m *measures) get(ctx context.Context, f *store.Folder, head svn.Revnum) Measure {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.entry(f)
	every := measureEvery
	if f.RemoteURL() != "" {
		every = measureRemoteEvery
	}
	if !e.busy && e.last.Rev != head && time.Since(e.last.At) > every {
		e.busy = true
		folder := *f
		go m.measure(context.WithoutCancel(ctx), &folder, e, head)
	}
	return e.last
}

// entry returns what is known of the folder; m.mu is held.
func (m *measures) entry(f *store.Folder) *measuring {
	key := measureKey{f.Location, f.Prefix}
	e := m.of[key]
	if e == nil {
		e = &measuring{last: Measure{Rev: svn.InvalidRevnum}}
		m.of[key] = e
	}
	return e
}

// now measures the folder as it is at head.
func (m *measures) now(ctx context.Context, f *store.Folder, head svn.Revnum) (Measure, error) {
	m.mu.Lock()
	known := m.entry(f).last
	m.mu.Unlock()
	if known.Rev == head {
		return known, nil
	}
	got, err := m.walk(ctx, f, head)
	if err != nil {
		return got, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.entry(f)
	e.last, e.added = got, 0
	return got, nil
}

// fits says whether so many bytes more are within the quota. It measures, and asks how many bytes go at the
// same time, only when what came since the last time might be too much.
func (m *measures) fits(ctx context.Context, f *store.Folder, head svn.Revnum, more int64, replaced func() (int64, error)) (bool, error) {
	m.mu.Lock()
	e := m.entry(f)
	if e.last.Rev >= 0 && e.last.Bytes+e.added+more <= f.Quota {
		e.added += more
		m.mu.Unlock()
		return true, nil
	}
	m.mu.Unlock()
	got, err := m.now(ctx, f, head)
	if err != nil {
		return false, err
	}
	if got.Bytes+more > f.Quota {
		gone, err := replaced()
		if err != nil || got.Bytes+more-gone > f.Quota {
			return false, err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.entry(f).added += more
	return true, nil
}

// fitsKnown says whether what is known of all folders leaves so much room for a person, and counts it if so.
func (m *measures) fitsKnown(all []store.Folder, u *store.User, more int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	sum := m.people[u.Name] + more
	for i := range all {
		e := m.entry(&all[i])
		if e.last.Rev < 0 {
			return false
		}
		sum += e.last.By[u.Name]
	}
	if sum > u.Quota {
		return false
	}
	m.people[u.Name] += more
	return true
}

// letIn notes that all folders have just been measured for a person, and how many bytes come now.
func (m *measures) letIn(name string, more int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.people[name] = more
}

func (m *measures) measure(ctx context.Context, f *store.Folder, e *measuring, head svn.Revnum) {
	ctx, stop := context.WithTimeout(ctx, 5*time.Minute)
	defer stop()
	m.one <- struct{}{}
	got, err := m.walk(ctx, f, head)
	<-m.one
	m.mu.Lock()
	defer m.mu.Unlock()
	e.busy = false
	if err == nil {
		e.last = got
	} else {
		e.last.At = time.Now() // a damaged repository is not read all the time
	}
}

// walk measures the folder at head.
func (m *measures) walk(ctx context.Context, f *store.Folder, head svn.Revnum) (Measure, error) {
	got := Measure{Rev: head, At: time.Now()}
	repo, err := m.repos.get(f.Location)
	if err != nil {
		return got, err
	}
	got.By = map[string]int64{}
	wrote := map[svn.Revnum]string{} // authors of revisions
	for n, err := range repo.Walk(ctx, f.Prefix, head, "") {
		switch {
		case err != nil:
			return got, err
		case n.Kind == svn.KindFile:
			got.Files++
			got.Bytes += n.Size
			author, ok := wrote[n.CreatedRev]
			if !ok {
				act, err := repo.ledger.act(ctx, n.CreatedRev)
				if err != nil {
					return got, err
				}
				author = act.Author
				wrote[n.CreatedRev] = author
			}
			got.By[author] += n.Size
		case n.Path != f.Prefix:
			got.Dirs++
		}
	}
	if dir := m.repos.path(f.Location); dir != "" {
		got.Disk, err = diskUsage(ctx, dir)
	}
	return got, err
}

// diskUsage returns the bytes of all files in the directory.
func diskUsage(ctx context.Context, dir string) (int64, error) {
	var sum int64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || ctx.Err() != nil {
			return ctx.Err() // what goes away meanwhile counts nothing
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			sum += info.Size()
		}
		return nil
	})
	return sum, err
}
