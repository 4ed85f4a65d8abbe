package source

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Bounds of what an instance can make us wait, and how many are remembered.
const (
	maxPause       = 24 * time.Hour
	maxBackoff     = 6 * time.Hour
	pauseUntold    = 90 * time.Second // an Etherpad's window, where the instance does not tell
	maxHosts       = 4096
	hostRemembered = time.Hour
)

// Budget is what is known of how much an instance takes. All requests to one host and port share one.
type Budget struct {
	// Limit and Remaining are of the instance's own window, which ends at Reset: its last X-RateLimit headers. Zero
	// Reset: it has not told of one.
	Limit     int       `json:"limit,omitempty"`
	Remaining int       `json:"remaining,omitempty"`
	Reset     time.Time `json:"reset,omitzero"`
	// Paused is until when it asked to be left alone (429, 503, Retry-After).
	Paused time.Time `json:"paused,omitzero"`
	// Failures counts how often it did not answer since it last did; until Down it is not asked again.
	Failures int       `json:"failures,omitempty"`
	Down     time.Time `json:"down,omitzero"`
}

// host is one server with its budget.
//
// What can be asked at once is decided by delay. Those who wait stand in one of two lines, the requests that the instance
// counts and the others, so that first come is first served and pages need not wait for exports.
type host struct {
	options *ClientOptions
	name    string
	counted chan struct{} // holds one token: whose turn it is
	other   chan struct{}

	mu       sync.Mutex // guards what follows
	changed  chan struct{}
	budget   Budget
	window   string // the header that Budget.Reset was read from
	pauses   int    // 429s in a row, for instances that do not say how long
	known    bool   // it has answered at least once
	tokens   *rate.Limiter
	inFlight int
	counting int // of inFlight, those that the instance counts
	used     time.Time
}

func (c *Client) host(name string) *host {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.hosts[name]
	if h == nil {
		if len(c.hosts) >= maxHosts {
			c.forget()
		}
		limit := rate.Limit(c.options.PerSecond)
		if c.options.PerSecond < 0 {
			limit = rate.Inf
		}
		h = &host{
			options: &c.options, name: name, changed: make(chan struct{}), tokens: rate.NewLimiter(limit, c.options.Burst),
			counted: make(chan struct{}, 1), other: make(chan struct{}, 1), used: time.Now(),
		}
		c.hosts[name] = h
	}
	return h
}

// forget removes hosts that were not asked for long and have nothing to remember.
func (c *Client) forget() {
	now := time.Now()
	for name, h := range c.hosts {
		h.mu.Lock()
		idle := h.inFlight == 0 && now.Sub(h.used) > hostRemembered && now.After(h.budget.Paused) && now.After(h.budget.Down)
		h.mu.Unlock()
		if idle {
			delete(c.hosts, name)
		}
	}
}

// Budgets returns what was learned of all instances that has not passed yet, by host and port, to be kept for
// ClientOptions.Budgets.
func (c *Client) Budgets() map[string]Budget {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	list := map[string]Budget{}
	for name, h := range c.hosts {
		h.mu.Lock()
		if b := h.budget; now.Before(b.Reset) || now.Before(b.Paused) || b.Failures > 0 {
			list[name] = b
		}
		h.mu.Unlock()
	}
	return list
}

func (h *host) restore(b Budget) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.budget = b
	// A new process asks once whatever was before: perhaps it was our own network that was down.
	h.budget.Failures, h.budget.Down = min(max(b.Failures, 0), 3), time.Time{}
	h.budget.Paused = earlier(b.Paused, time.Now().Add(maxPause))
	h.known = time.Now().Before(b.Reset)
}

// Ready returns when the instance can be asked the next time, now or before if it can at once. The instance is the root of
// its addresses (Address.Instance).
func (c *Client) Ready(instance string) time.Time {
	h := c.hostOf(instance)
	if h == nil {
		return time.Time{}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return later(h.free(), h.budget.Down)
}

// Spare says whether the instance takes a counted request that could as well be left out: what is left of its window is
// more than half.
func (c *Client) Spare(instance string) bool {
	h := c.hostOf(instance)
	if h == nil {
		return true // the request says what is wrong
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	b, now := &h.budget, time.Now()
	if now.Before(b.Paused) || now.Before(b.Down) {
		return false
	}
	return !now.Before(b.Reset) || 2*(b.Remaining-h.counting) > b.Limit
}

// pausedFor says for how long jobs of an instance should wait, because their requests would. Where requests fail at once
// nothing has to wait: neither for long pauses nor for an instance that did not answer, unless that was the first time.
func (c *Client) pausedFor(instance string, now time.Time) time.Duration {
	h := c.hostOf(instance)
	if h == nil {
		return 0
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	until := h.free()
	if h.budget.Failures == 1 {
		until = later(until, h.budget.Down)
	}
	if wait := until.Sub(now); wait > 0 && wait <= c.options.MaxWait {
		return wait
	}
	return 0
}

// hostOf returns the host of an instance, nil if the address is none.
func (c *Client) hostOf(instance string) *host {
	u, err := url.Parse(instance)
	if err != nil {
		return nil
	}
	name, err := c.check(u)
	if err != nil {
		return nil
	}
	return c.host(name)
}

// free returns until when the instance wants to be left alone. The caller holds the lock.
func (h *host) free() time.Time {
	if h.budget.low() && h.counting == 0 {
		return later(h.budget.Paused, h.budget.renewed())
	}
	return h.budget.Paused
}

// margin is how many requests of an instance's window are left to others.
func (b Budget) margin() int { return max(1, b.Limit/10) }

// low says that the window has none left for us.
func (b Budget) low() bool { return !b.Reset.IsZero() && b.Remaining <= b.margin() }

// renewed is when the window is over for sure, whatever the clocks' fractions of a second.
func (b Budget) renewed() time.Time { return b.Reset.Add(time.Second) }

// acquire waits until the instance can be asked, and returns what gives the place back. It fails with ReasonDown where the
// instance did not answer lately, and with ReasonLimited where the wait would be too long.
func (h *host) acquire(ctx context.Context, counted bool) (release func(), err error) {
	line := h.other
	if counted {
		line = h.counted
	}
	patience := time.NewTimer(h.options.MaxWait)
	defer patience.Stop()
	select {
	case line <- struct{}{}:
		defer func() { <-line }()
	case <-patience.C:
		return nil, h.impatient(time.Now())
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	for {
		h.mu.Lock()
		now := time.Now()
		wait, err := h.delay(now, counted)
		if err == nil && wait == 0 {
			h.take(now, counted)
			h.mu.Unlock()
			return sync.OnceFunc(func() { h.giveBack(counted) }), nil
		}
		changed := h.changed
		h.mu.Unlock()
		if err != nil {
			return nil, err
		}
		if wait < 0 {
			wait = time.Hour // until something changes
		}
		due := time.NewTimer(wait)
		select {
		case <-due.C:
		case <-changed:
		case <-patience.C:
			err = h.impatient(now)
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		due.Stop()
		if err != nil {
			return nil, err
		}
	}
}

// delay says how long to wait before asking again whether a request can be sent: 0 for now, negative until something
// changes. The caller holds the lock.
func (h *host) delay(now time.Time, counted bool) (time.Duration, error) {
	b := &h.budget
	if now.Before(b.Down) {
		return 0, &Error{
			Reason: ReasonDown, Until: b.Down,
			Text: fmt.Sprintf("%s did not answer; it is asked again later", h.name),
		}
	}
	if wait := b.Paused.Sub(now); wait > 0 {
		if wait > h.options.MaxWait {
			return 0, h.limited(b.Paused)
		}
		return wait, nil
	}
	if h.inFlight >= h.options.Concurrent || h.inFlight > 0 && (b.Failures > 0 || !h.known) {
		return -1, nil
	}
	if counted && !b.Reset.IsZero() {
		if !now.Before(b.renewed()) {
			// A new window, of which others may have used some: one request finds out.
			if h.counting > 0 {
				return -1, nil
			}
		} else if b.Remaining-h.counting <= b.margin() {
			if h.counting > 0 {
				return -1, nil
			}
			wait := b.renewed().Sub(now)
			if wait > h.options.MaxWait {
				return 0, h.limited(b.renewed())
			}
			return wait + jitter(time.Second), nil
		}
	}
	if h.tokens.Limit() != rate.Inf && h.tokens.TokensAt(now) < 1 {
		missing := (1 - h.tokens.TokensAt(now)) / float64(h.tokens.Limit())
		wait := time.Duration(missing * float64(time.Second))
		return wait + jitter(wait/2) + time.Millisecond, nil
	}
	return 0, nil
}

// take notes a request that is being sent. The caller holds the lock.
func (h *host) take(now time.Time, counted bool) {
	h.tokens.AllowN(now, 1)
	h.used = now
	h.inFlight++
	if counted {
		h.counting++
	}
}

func (h *host) giveBack(counted bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.inFlight--
	if counted {
		h.counting--
	}
	h.wake()
}

// wake lets those who wait look again. The caller holds the lock.
func (h *host) wake() {
	close(h.changed)
	h.changed = make(chan struct{})
}

// impatient is the error of a request that waited for too long.
func (h *host) impatient(now time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	until := later(h.budget.Paused, now.Add(h.options.Backoff))
	if h.budget.low() {
		until = later(until, h.budget.renewed())
	}
	return h.limited(until)
}

func (h *host) limited(until time.Time) *Error {
	return &Error{
		Reason: ReasonLimited, Until: until,
		Text: fmt.Sprintf("%s takes no more requests for a while", h.name),
	}
}

// answered learns from the head of an answer.
func (h *host) answered(resp *http.Response) {
	h.mu.Lock()
	defer h.mu.Unlock()
	defer h.wake()
	now := time.Now()
	h.known = true
	h.learn(resp.Header, now)
	pause, told := retryAfter(resp.Header, now)
	switch {
	case resp.StatusCode == http.StatusTooManyRequests:
		if !told {
			pause = pauseUntold << min(h.pauses, 6)
			if now.Before(h.budget.Reset) {
				pause = h.budget.renewed().Sub(now)
			}
		}
		h.pauses++
		h.pause(now, pause)
	case resp.StatusCode == http.StatusServiceUnavailable && told:
		h.pause(now, pause)
	case resp.StatusCode >= http.StatusBadGateway && resp.StatusCode <= http.StatusGatewayTimeout:
		h.down(now) // something in front of the instance answers
	default:
		h.pauses, h.budget.Failures, h.budget.Down = 0, 0, time.Time{}
	}
}

func (h *host) pause(now time.Time, d time.Duration) {
	d = min(max(d, time.Second), maxPause)
	h.budget.Paused = later(h.budget.Paused, now.Add(d+time.Second+jitter(time.Second)))
}

// down notes that the instance does not answer, and leaves it alone for 5 s, 20 s, 80 s, ... and at last 6 hours.
func (h *host) down(now time.Time) {
	pause := min(h.options.Backoff<<min(2*h.budget.Failures, 30), maxBackoff)
	h.budget.Failures++
	h.budget.Down = now.Add(pause*3/4 + jitter(pause/2))
}

// failed notes that no answer came. It says whether that is because of a limit, and until when to leave the
// instance alone.
func (h *host) failed(timeout, counted bool) (limited bool, until time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	defer h.wake()
	now := time.Now()
	b := &h.budget
	// Etherpad 2.x does not answer any more when its limit is passed. That others who share our address used it up
	// cannot be seen otherwise.
	if timeout && counted && !b.Reset.IsZero() && 2*b.Remaining <= b.Limit {
		until := later(b.renewed(), now.Add(h.options.Backoff))
		b.Paused, b.Remaining = later(b.Paused, until), 0
		return true, until
	}
	h.down(now)
	return false, b.Down
}

// learn takes over what the headers say of the instance's window. The caller holds the lock.
func (h *host) learn(header http.Header, now time.Time) {
	remaining, ok := headerNumber(header, "X-RateLimit-Remaining", "RateLimit-Remaining")
	if !ok {
		return
	}
	window := cmp.Or(header.Get("X-RateLimit-Reset"), header.Get("RateLimit-Reset"))
	reset, ok := resetTime(header, window, now)
	if !ok {
		reset = now.Add(pauseUntold)
	}
	limit, ok := headerNumber(header, "X-RateLimit-Limit", "RateLimit-Limit")
	if !ok {
		limit = max(remaining, h.budget.Limit)
	}
	b := &h.budget
	// Answers overtake each other: within one window there are never more left than before.
	if window == h.window && len(window) > 8 || b.Reset.Sub(reset).Abs() < 2*time.Second {
		remaining, reset = min(remaining, b.Remaining), b.Reset
	}
	h.window = window
	b.Limit, b.Remaining, b.Reset = limit, remaining, reset
}

// headerNumber returns the number that one of the headers begins with.
func headerNumber(header http.Header, names ...string) (int, bool) {
	for _, name := range names {
		text, _, _ := strings.Cut(header.Get(name), ",")
		text, _, _ = strings.Cut(text, ";")
		if n, err := strconv.Atoi(strings.TrimSpace(text)); err == nil && n >= 0 && n < 1<<31 {
			return n, true
		}
	}
	return 0, false
}

// resetTime reads when the window ends: a time in Unix seconds (express-rate-limit, which Etherpad uses) or milliseconds,
// or the seconds until then. What the instance takes for the present is in its Date, so that its clock need not be ours.
func resetTime(header http.Header, text string, now time.Time) (time.Time, bool) {
	n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || !(n >= 0 && n < 1e15) {
		return time.Time{}, false
	}
	if n < 1e8 {
		return now.Add(time.Duration(min(n, maxPause.Seconds()) * float64(time.Second))), true
	}
	if n > 1e11 {
		n /= 1000
	}
	theirs := now
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		theirs = date
	}
	return now.Add(min(max(time.Unix(int64(n), 0).Sub(theirs), 0), maxPause)), true
}

// retryAfter reads how long to wait: seconds, or a time (RFC 9110, 10.2.3).
func retryAfter(header http.Header, now time.Time) (time.Duration, bool) {
	text := strings.TrimSpace(header.Get("Retry-After"))
	if n, err := strconv.Atoi(text); err == nil && n >= 0 {
		return time.Duration(min(n, int(maxPause.Seconds()))) * time.Second, true
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0, false
	}
	theirs := now
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		theirs = date
	}
	return max(at.Sub(theirs), 0), true
}

// jitter returns a random duration below d, so that many who wait do not come back at the same moment.
func jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return rand.N(d) //nolint:gosec // nobody gains by guessing it
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
