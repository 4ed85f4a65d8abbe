package web

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

const (
	// liveBeat is how long a stream may be silent: the page takes the server for lost after more.
	liveBeat = 4 * time.Second
	// adminEvery is how often people, devices and the log are looked at for all streams together.
	adminEvery = time.Second
	// maxLiveFolders is how many folders one page can be interested in.
	maxLiveFolders = 400
	// retryWatch is how long a watch waits after a failure.
	retryWatch = 5 * time.Second
)

// adminTopic is the topic of people, devices and the log; no folder has an empty name.
const adminTopic = ""

// live tells the pages that are open what has changed. For each folder that somebody looks at, one
// goroutine waits for revisions; it ends with the last page.
type live struct {
	s *Server

	mu     sync.Mutex // guards the following
	topics map[string]*topic
}

// topic is what pages can be interested in.
type topic struct {
	pages map[*listener]struct{}
	stop  context.CancelFunc
	done  chan struct{} // closed by the topic's goroutine at its end
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

// listen tells p the changes of a topic until the function that it returns is called.
func (l *live) listen(name string, p *listener) (leave func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.topics[name]
	if t == nil {
		ctx, stop := context.WithCancel(context.Background())
		t = &topic{pages: map[*listener]struct{}{}, stop: stop, done: make(chan struct{})}
		l.topics[name] = t
		go func() {
			defer close(t.done)
			if name == adminTopic {
				l.watchAdmin(ctx, t)
			} else {
				l.watchFolder(ctx, t, name)
			}
		}()
	}
	t.pages[p] = struct{}{}
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

func (l *live) tell(t *topic, name string, rev svn.Revnum) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for p := range t.pages {
		p.put(name, rev)
	}
}

func (l *live) watchFolder(ctx context.Context, t *topic, folder string) {
	rev := svn.InvalidRevnum
	for ctx.Err() == nil {
		now, err := l.s.hub.WaitFolder(ctx, folder, rev)
		switch {
		case err != nil:
			pause(ctx, retryWatch)
		case now != rev:
			if rev != svn.InvalidRevnum {
				l.tell(t, folder, now)
			}
			rev = now
		}
	}
}

func (l *live) watchAdmin(ctx context.Context, t *topic) {
	var known string
	for ctx.Err() == nil {
		if v, err := l.s.hub.Version(ctx); err == nil && v != known {
			if known != "" {
				l.tell(t, adminTopic, 0)
			}
			known = v
		}
		pause(ctx, adminEvery)
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
// revision for each folder=NAME of the address that the person may read, "people" with admin=1 for
// who administers, "beat" to say that the server is there, and "ended" with the session.
func (s *Server) serveLive(x *exchange) error {
	folders := x.r.URL.Query()["folder"]
	if len(folders) > maxLiveFolders {
		return &havre.Error{Code: havre.CodeInvalid, Text: "too many folders for one page"}
	}
	p := newListener()
	for _, f := range folders {
		if x.sees(f) {
			defer s.live.listen(f, p)()
		}
	}
	if x.r.URL.Query().Has("admin") {
		defer s.live.listen(adminTopic, p)()
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
				ok = send("people", "")
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

// alive says whether the session has not ended.
func (x *exchange) alive() bool {
	_, err := x.hub.Session(x.ctx(), x.cookie(cookieSession))
	return err == nil || havre.CodeOf(err) != havre.CodeUnauthenticated
}
