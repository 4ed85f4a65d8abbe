package web

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/internal/source/etherpad"
)

const (
	// maxReplays is how many pads are kept open for the next request.
	maxReplays = 6
	// maxReplayFile is how large the file of a pad may be, in bytes.
	maxReplayFile = 256 << 20
	// maxReplayRevisions bounds what is kept in memory: some 62 bytes for each, for all pads together.
	maxReplayRevisions = 2_000_000
	// replayPatience is how long a request waits for a pad to be read; then the page says so and asks again.
	replayPatience = 1500 * time.Millisecond
	// maxReplayChat is how many messages of a pad are kept, the last ones.
	maxReplayChat = 20_000
	// replayReaders is how many pads are read at a time.
	replayReaders = 2
)

// replays keeps the pads that somebody looks at: their files on disk, as the repository can only be read from the
// beginning, and what is known of their revisions. Losing them costs time only.
type replays struct {
	dir     string
	readers chan struct{} // one place for each that reads

	mu   sync.Mutex // guards the following, and users and used of each pad
	pads map[string]*padReplay
}

// padReplay is one version of one pad.
type padReplay struct {
	done  chan struct{} // closed when the following are known
	doc   *etherpad.Document
	track *track
	chat  []etherpad.Message
	err   error

	file  *os.File
	users int
	used  time.Time
}

func newReplays(dir string) *replays {
	return &replays{dir: dir, readers: make(chan struct{}, replayReaders), pads: map[string]*padReplay{}}
}

// get returns the pad in the file at the spot, or nil if it is still being read; release has to be called after use.
func (rs *replays) get(ctx context.Context, h *hub.Hub, at *hub.Spot) (p *padReplay, release func(), err error) {
	if at.Dir() || at.Node.Kind != havre.KindFile || at.Node.Size > maxReplayFile {
		return nil, nil, errNoPad
	}
	key := at.Node.Hash.String()
	if at.Node.Hash == "" {
		key = string(at.Folder.ID) + "\x00" + string(at.Node.Path) + "\x00" + itoa(int64(at.Node.Changed.Rev))
	}
	rs.mu.Lock()
	p = rs.pads[key]
	if p == nil {
		p = &padReplay{done: make(chan struct{})}
		rs.pads[key] = p
		p.users++                  // of who reads
		go func(read *padReplay) { // it ends by itself: a file is bounded, and the next request waits for it
			rs.read(context.WithoutCancel(ctx), read, h, at)
			rs.release(read)
		}(p)
	}
	p.users++
	rs.mu.Unlock()
	patience := time.NewTimer(replayPatience)
	defer patience.Stop()
	select {
	case <-p.done:
	case <-patience.C:
	case <-ctx.Done():
	}
	select {
	case <-p.done:
		if p.err == nil {
			return p, sync.OnceFunc(func() { rs.release(p) }), nil
		}
		rs.mu.Lock()
		if rs.pads[key] == p {
			delete(rs.pads, key) // the next one tries again
		}
		rs.mu.Unlock()
		rs.release(p)
		return nil, nil, p.err
	default:
		rs.release(p)
		return nil, nil, ctx.Err()
	}
}

// errNoPad says that a file is no pad that can be replayed.
var errNoPad = errors.New("no pad that can be replayed")

// read copies the file from the repository and checks it.
func (rs *replays) read(ctx context.Context, p *padReplay, h *hub.Hub, at *hub.Spot) {
	defer close(p.done)
	rs.readers <- struct{}{}
	defer func() { <-rs.readers }()
	p.err = func() error {
		from, err := h.OpenSpot(ctx, at)
		if err != nil {
			return err
		}
		defer from.Close()
		if err := os.MkdirAll(rs.dir, 0o700); err != nil {
			return err
		}
		rs.sweep()
		f, err := os.CreateTemp(rs.dir, "pad-*")
		if err != nil {
			return err
		}
		p.file = f
		size, err := io.Copy(f, io.LimitReader(from, maxReplayFile+1))
		if err != nil {
			return err
		}
		if size > maxReplayFile {
			return errNoPad
		}
		if p.doc, err = etherpad.Open(f, size); err != nil {
			return errors.Join(errNoPad, err)
		}
		if p.chat, err = p.doc.Chat(); err != nil {
			return errors.Join(errNoPad, err)
		}
		p.chat = slices.Clone(p.chat[max(0, len(p.chat)-maxReplayChat):])
		p.track = padTrack(p.doc)
		return nil
	}()
}

// sweep removes what a process left behind that was killed.
func (rs *replays) sweep() {
	old, _ := filepath.Glob(filepath.Join(rs.dir, "pad-*")) // the pattern is right
	for _, name := range old {
		if info, err := os.Stat(name); err == nil && time.Since(info.ModTime()) > 48*time.Hour {
			_ = os.Remove(name) // one that is in use is not removed on Windows, and stays readable elsewhere
		}
	}
}

// release says that a pad is not used any more, and closes the ones that were not used for longest.
func (rs *replays) release(p *padReplay) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	p.users--
	p.used = time.Now()
	for {
		revisions, kept := 0, 0
		var oldest string
		for key, q := range rs.pads {
			if q.users == 0 && q.track != nil { // the reader is a user
				revisions += len(q.track.times)
			}
			kept++
			if q.users == 0 && (oldest == "" || q.used.Before(rs.pads[oldest].used)) {
				oldest = key
			}
		}
		if oldest == "" || kept <= maxReplays && revisions <= maxReplayRevisions {
			break
		}
		q := rs.pads[oldest]
		delete(rs.pads, oldest)
		q.close()
	}
	// One that failed, or that was replaced, is in no list.
	if p.users == 0 && p.err != nil {
		p.close()
	}
}

// close removes the file. Nobody uses the pad.
func (p *padReplay) close() {
	if p.file == nil {
		return
	}
	name := p.file.Name()
	_ = p.file.Close()  // nothing was written that is not there any more
	_ = os.Remove(name) // it is swept later
	p.file = nil
}

// padTrack makes the track of a pad.
func padTrack(doc *etherpad.Document) *track {
	n := doc.Head() + 1
	tr := &track{times: make([]int64, 0, n), weights: make([]uint32, 0, n), who: make([]int16, 0, n)}
	known := doc.Authors()
	index := map[string]int16{}
	for c := range doc.Changes(0, doc.Head()) {
		who := int16(-1)
		if c.Author != "" {
			i, ok := index[c.Author]
			if !ok && len(tr.authors) < maxTrackAuthors {
				i, ok = int16(len(tr.authors)), true
				index[c.Author] = i
				tr.authors = append(tr.authors, trackAuthor{ID: c.Author, Name: known[c.Author].Name, First: -1})
			}
			if ok {
				who = i
			}
		}
		tr.add(c.Time.UnixMilli(), uint32(c.Added+c.Removed), who)
	}
	for _, s := range doc.Saved() {
		if s.Rev >= 0 && s.Rev < n && len(tr.saved) < 200 {
			tr.saved = append(tr.saved, s.Rev)
		}
	}
	tr.finish()
	return tr
}

// maxTrackAuthors is how many authors of a pad are told apart.
const maxTrackAuthors = 1000
