package web

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

const (
	// liveBeat is how long a stream may be silent: the page takes the server for lost after more.
	liveBeat = 2 * time.Second
	// adminEvery is how often people, devices and the log are looked at for all streams together.
	adminEvery = time.Second
	// backupEvery is how often backups are looked at, for all streams together.
	backupEvery = time.Second
	// maxLiveFolders is how many folders one page can be interested in.
	maxLiveFolders = 400
	// retryWatch is how long a watch waits after a failure.
	retryWatch = 5 * time.Second
)

// adminTopic is the topic of people, devices and the log; no folder has an empty name.
const adminTopic = ""

// mineTopic begins the topic of the devices of one person; no folder has such a name.
const mineTopic = "/mine/"

// backupTopic is that of all backups together; no folder has a name with a slash. It tells nothing but that
// something changed.
const backupTopic = "/backups"

// live tells the pages that are open what has changed. For each folder that somebody looks at, one
// goroutine waits for revisions; it ends with the last page.
type live struct {
	s *Server

	mu     sync.Mutex // guards the following
	topics map[string]*topic
}

// topic is what pages can be interested in. The mutex of live guards it.
type topic struct {
	pages map[*listener]string // what each shows: a version of the topic, "" if it does not say
	known string               // the version now, "" while nobody knows
	rev   svn.Revnum           // the same of a folder
	stop  context.CancelFunc
	done  chan struct{} // closed by the topic's goroutine at its end
}

// behind says whether a page that shows a version lacks what happened between its making and its listening. A
// page may know a revision before the watch does.
func (t *topic) behind(seen string) bool {
	if t.known == "" || seen == "" || seen == t.known {
		return false
	}
	rev, err := strconv.ParseInt(seen, 10, 64)
	return err != nil || t.rev == svn.InvalidRevnum || svn.Revnum(rev) < t.rev
}

// listener is one stream. Changes that it has not taken yet are merged by topic, so that a slow page
// misses none that counts.
type listener struct {
	wake chan struct{} // holds one; never closed

	mu      sync.Mutex // guards pending
	pending map[string]svn.Revnum
}

func newListener() *listener {
	return &listener{wake: make(chan struct{}, 1), pending: map[string]svn.Revnum{}}
}

func (p *listener) put(topic string, rev svn.Revnum) {
	p.mu.Lock()
	p.pending[topic] = rev
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *listener) take() map[string]svn.Revnum {
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := p.pending
	p.pending = map[string]svn.Revnum{}
	return taken
}

func newLive(s *Server) *live { return &live{s: s, topics: map[string]*topic{}} }

// listen tells p the changes of a topic since the version that it has seen, until the function that it returns
// is called.
func (l *live) listen(name string, p *listener, seen string) (leave func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.topics[name]
	if t == nil {
		ctx, stop := context.WithCancel(context.Background())
		t = &topic{pages: map[*listener]string{}, rev: svn.InvalidRevnum, stop: stop, done: make(chan struct{})}
		l.topics[name] = t
		go func() {
			defer close(t.done)
			user, mine := strings.CutPrefix(name, mineTopic)
			switch {
			case name == adminTopic:
				l.watch(ctx, t, name, l.s.hub.Version)
			case mine:
				l.watch(ctx, t, name, func(ctx context.Context) (string, error) { return l.s.hub.DevicesVersion(ctx, havre.UserID(user)) })
			case name == backupTopic:
				l.watchBackups(ctx, t)
			default:
				l.watchFolder(ctx, t, name)
			}
		}()
	}
	t.pages[p] = seen
	if t.behind(seen) {
		p.put(name, max(t.rev, 0))
	}
	return func() { l.leave(name, t, p) }
}

func (l *live) leave(name string, t *topic, p *listener) {
	l.mu.Lock()
	delete(t.pages, p)
	last := len(t.pages) == 0
	if last {
		delete(l.topics, name)
		t.stop()
	}
	l.mu.Unlock()
	if last {
		<-t.done
	}
}

// learn takes note of a topic's version, and tells the pages that show an older one, or all if it has changed.
func (l *live) learn(t *topic, name, version string, rev svn.Revnum, changed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t.known, t.rev = version, rev
	for p, seen := range t.pages {
		if changed || t.behind(seen) {
			p.put(name, max(rev, 0))
		}
	}
}

// watchFolder tells of new revisions, and when the folder's repository cannot be asked any more or can again.
func (l *live) watchFolder(ctx context.Context, t *topic, folder string) {
	rev, failing := svn.InvalidRevnum, false
	for ctx.Err() == nil {
		since := rev
		if failing {
			since = svn.InvalidRevnum // whether it answers, without waiting for something new
		}
		now, err := l.s.hub.WaitFolder(ctx, folder, since)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			l.learn(t, folder, "", rev, !failing && rev != svn.InvalidRevnum)
			failing = true
			pause(ctx, retryWatch)
			continue
		}
		l.learn(t, folder, strconv.FormatInt(int64(now), 10), now, failing || now != rev && rev != svn.InvalidRevnum)
		rev, failing = now, false
	}
}

// watch tells of a topic when what version returns has become another.
func (l *live) watch(ctx context.Context, t *topic, name string, version func(context.Context) (string, error)) {
	var known string
	for ctx.Err() == nil {
		if v, err := version(ctx); err == nil && v != known {
			l.learn(t, name, v, svn.InvalidRevnum, known != "")
			known = v
		}
		pause(ctx, adminEvery)
	}
}

func (l *live) watchBackups(ctx context.Context, t *topic) {
	known := int64(-1)
	for ctx.Err() == nil {
		now, err := l.s.hub.WaitSources(ctx, known)
		switch {
		case err != nil:
			pause(ctx, retryWatch)
		case now != known:
			l.learn(t, backupTopic, strconv.FormatInt(now, 10), svn.InvalidRevnum, known >= 0)
			known = now
			pause(ctx, backupEvery) // a run changes a source several times
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// serveLive sends events until the page goes or the session ends: "changed" with a folder and its
// revision for each folder=NAME of the address that the person may read, "people" with admin=VERSION for
// who administers the server or manages one of the folders, "mine" with mine=VERSION when the person's own
// devices have changed, "backups" with backups=VERSION, "beat" to say that the server is there, and "ended" with
// the session. VERSION is what the page shows, and so is a seen=REVISION for each folder, in their order: what has
// changed since the page was made is told at once. It may be empty.
func (s *Server) serveLive(x *exchange) error {
	q := x.r.URL.Query()
	folders, seen := q["folder"], q["seen"]
	if len(folders) > maxLiveFolders {
		return &havre.Error{Code: havre.CodeInvalid, Text: x.t("core.error.form")}
	}
	if len(seen) != len(folders) {
		seen = make([]string, len(folders))
	}
	p := newListener()
	for i, f := range folders {
		if x.sees(f) {
			defer s.live.listen(f, p, seen[i])()
		}
	}
	if q.Has("mine") {
		defer s.live.listen(mineTopic+string(x.session.User.ID), p, q.Get("mine"))()
	}
	if q.Has("admin") && x.oversees(folders) {
		defer s.live.listen(adminTopic, p, q.Get("admin"))()
	}
	if q.Has("backups") {
		defer s.live.listen(backupTopic, p, q.Get("backups"))()
	}
	h := x.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	x.w.WriteHeader(http.StatusOK)
	return s.stream(x, p)
}

// stream writes events. Its errors mean that nobody listens any more.
func (s *Server) stream(x *exchange, p *listener) error {
	control := http.NewResponseController(x.w)
	var stopping <-chan struct{}
	if s.opts.Stopping != nil {
		stopping = s.opts.Stopping(x.ctx())
	}
	send := func(event, data string) bool {
		_, err := fmt.Fprintf(x.w, "event: %s\ndata: %s\n\n", event, data)
		return err == nil && control.Flush() == nil
	}
	beat := time.NewTicker(liveBeat)
	defer beat.Stop()
	if !send("beat", "") {
		return nil
	}
	for {
		select {
		case <-x.ctx().Done():
			return nil
		case <-stopping:
			return nil
		case <-p.wake:
		case <-beat.C:
			if !send("beat", "") {
				return nil
			}
		}
		if !x.alive() {
			send("ended", "")
			return nil
		}
		for topic, rev := range p.take() {
			ok := true
			switch {
			case topic == adminTopic:
				if x.oversees(x.r.URL.Query()["folder"]) {
					ok = send("people", "")
				}
			case strings.HasPrefix(topic, mineTopic):
				ok = send("mine", "")
			case topic == backupTopic:
				ok = send("backups", "")
			case x.sees(topic):
				ok = send("changed", strconv.FormatInt(int64(rev), 10)+" "+topic)
			}
			if !ok {
				return nil
			}
		}
	}
}

// sees says whether the person may know the folder now.
func (x *exchange) sees(folder string) bool {
	right, err := x.hub.Reach(x.ctx(), x.caller(), folder, "")
	return err == nil && right >= havre.RightRead
}

// oversees says whether the person administers the server now, or manages one of the folders.
func (x *exchange) oversees(folders []string) bool {
	return x.session.Admin() || slices.ContainsFunc(folders, func(f string) bool {
		right, err := x.hub.Reach(x.ctx(), x.caller(), f, "")
		return err == nil && right >= havre.RightManage
	})
}

// alive says whether the session has not ended, and looks again at what the person is.
func (x *exchange) alive() bool {
	session, err := x.hub.Session(x.ctx(), x.cookie(cookieSession))
	if err == nil {
		x.session = session
	}
	return err == nil || havre.CodeOf(err) != havre.CodeUnauthenticated
}
