package etherpad

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"maps"
	random "math/rand/v2"
	"net/url"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/havre-cloud/havre/internal/source"
)

// An instance drops what comes beyond 10 messages in a second from one address, whichever pads they are for
// (commitRateLimiting). A follower sends one message for each time it joins.
const (
	joinsPerSecond = 4
	joinBurst      = 2
)

// joinTimeout is how long an instance may take to answer who joins. 1.8 does not answer at all what it does not like.
const (
	joinTimeout   = 30 * time.Second
	resumeTimeout = 10 * time.Second // for who comes back, who can join anew instead
)

// When a follower is cut off it comes back after the first pause, and after longer ones while that does not succeed. After
// liveGivesUp it leaves it to the scheduler to find out when the instance is back.
const (
	firstPause  = time.Second
	longPause   = 2 * time.Minute
	liveGivesUp = 15 * time.Minute
	// dupPause is how long it stays away after another one joined with the same token: there is a second havre with the
	// same secrets, and they should not put each other out all the time.
	dupPause = time.Minute
	// limitPause is how long it waits after the instance dropped its message.
	limitPause = 5 * time.Second
)

// followers is what all those have in common that follow pads by one provider: the pace at which they join.
type followers struct {
	mu    sync.Mutex // guards what follows
	hosts map[string]*pace
	seen  map[string]time.Time // when an export proved that a pad exists, by Address.URL
}

// proofHolds is how long a pad is taken to exist after an export of it. Who follows a pad fetches it just before; to ask
// a second time would double what counts against the instance's limit.
const proofHolds = 10 * time.Second

// saw remembers that a pad exists now.
func (f *followers) saw(a source.Address) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.seen == nil {
		f.seen = map[string]time.Time{}
	}
	maps.DeleteFunc(f.seen, func(_ string, at time.Time) bool { return time.Since(at) > proofHolds })
	f.seen[a.URL] = time.Now()
}

// sawJustNow tells whether a pad was there a moment ago. It tells so once: who has to ask again has lost the pad meanwhile.
func (f *followers) sawJustNow(a source.Address) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	at, ok := f.seen[a.URL]
	delete(f.seen, a.URL)
	return ok && time.Since(at) <= proofHolds
}

type pace struct {
	*rate.Limiter
	users int
}

func (f *followers) enter(host string) *pace {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.hosts[host]
	if p == nil {
		if f.hosts == nil {
			f.hosts = map[string]*pace{}
		}
		p = &pace{Limiter: rate.NewLimiter(joinsPerSecond, joinBurst)}
		f.hosts[host] = p
	}
	p.users++
	return p
}

func (f *followers) leave(host string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p := f.hosts[host]; p != nil {
		if p.users--; p.users == 0 {
			delete(f.hosts, host)
		}
	}
}

// Follow follows a pad over its socket, as source.Follower says. The pad must exist, which is asked by an export before it
// is joined by a name under which joining would create it; afterwards it is known by its read-only id, which cannot.
// The copies hold the text, the page and Markdown; one that is Unchanged tells of something that only the complete document
// shows, such as chat, and one that is Suspect that the complete document should be looked at first.
func (p *Provider) Follow(ctx context.Context, c *source.Client, d source.Document, alive func(), changed func(*source.Copy) error) error {
	root, err := url.Parse(d.Address.Instance)
	if err != nil || !validName(SanitiseName(d.Address.Name)) {
		return source.Errorf(source.ReasonAddress, "this is no address of one pad")
	}
	d.Address.Name = SanitiseName(d.Address.Name)
	f := &follower{client: c, doc: d, root: root, alive: alive, changed: changed}
	f.all = &p.live
	f.pace = p.live.enter(root.Host)
	defer p.live.leave(root.Host)
	if IsReadOnly(d.Address.Name) {
		f.readOnly = d.Address.Name
	}
	if f.token = d.Secrets.Author.Reveal(); f.token == "" {
		f.token = AuthorToken()
	}
	return f.run(ctx)
}

// AuthorToken returns a new author token (source.Secrets.Author). Whoever has it is that author.
func AuthorToken() string {
	b := make([]byte, 15) // 20 characters: 2.x refuses what is no whole base64url
	_, _ = rand.Read(b)   // it never fails
	return "t." + base64.RawURLEncoding.EncodeToString(b)
}

// run stays with the pad over many connections.
func (f *follower) run(ctx context.Context) error {
	pause := firstPause
	lost := time.Now()
	for {
		begun := time.Now()
		joined, err := f.session(ctx)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // we were told to stop
		case f.failed != nil:
			return f.failed
		case joined:
			lost = time.Now()
			if lost.Sub(begun) > longPause {
				pause = firstPause
			}
		}
		wait := pause/2 + random.N(pause) //nolint:gosec // so that not all come back at once
		pause = min(pause*2, longPause)
		if e, ok := errors.AsType[*source.Error](err); ok {
			switch e.Reason {
			case source.ReasonDown, source.ReasonLimited:
				wait = max(wait, time.Until(e.Until))
			default:
				return e
			}
		}
		if time.Since(lost) > liveGivesUp {
			if e, ok := errors.AsType[*source.Error](err); ok {
				return e
			}
			return &source.Error{Reason: source.ReasonDown, Text: f.root.Host + " cannot be followed any more", Err: err}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}
