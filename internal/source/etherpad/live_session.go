package etherpad

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/source"
	"github.com/havre-cloud/havre/internal/source/etherpad/changeset"
	"github.com/havre-cloud/havre/internal/source/etherpad/socket"
)

// When a copy is made: soon after the writing paused, and after a while if it does not. Each copy can become a version.
const (
	liveQuiet = 600 * time.Millisecond
	liveMax   = 2 * time.Second
)

// aliveEvery is how often it is told that the instance is there while nobody writes.
const aliveEvery = 30 * time.Second

// follower follows one pad. It has one goroutine, besides those of its socket.
type follower struct {
	client  *source.Client
	doc     source.Document
	root    *url.URL
	token   string
	all     *followers
	pace    *pace
	alive   func()
	changed func(*source.Copy) error
	failed  error // of changed

	readOnly string // the pad's read-only id, as soon as it is known
	engine   int    // version of engine.io, zero if it is not known

	text    *changeset.Text // nil: it has to be read anew
	synced  bool            // what the instance has before the next change is what we have
	rev     int
	high    int   // the highest revision that was ever seen
	time    int64 // of rev, in milliseconds, by the instance's clock
	authors map[string]Author
	wrote   map[string]bool // IDs, since the last copy

	since   time.Time // of the first change that is in no copy, zero if there is none
	last    time.Time // of the latest change
	textual bool      // some of them changed the text
	filled  bool      // the last copy had some text
}

// errAnew ends a session whose text does not fit to what comes: the next one reads it anew.
var errAnew = errors.New("the pad is read anew")

// session follows the pad over one connection. It tells whether it could join, and why it ended.
func (f *follower) session(ctx context.Context) (joined bool, err error) {
	if err := f.pace.Wait(ctx); err != nil {
		return false, err
	}
	if f.readOnly == "" && !f.all.sawJustNow(f.doc.Address) {
		// Joining by name would create what does not exist.
		if err := f.exists(ctx); err != nil {
			return false, err
		}
	}
	conn, err := f.dial(ctx)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	f.engine = conn.Engine()
	if f.rev == 0 {
		f.text = nil // there is nothing before it to resume from
	}
	if err := conn.Emit(ctx, -1, "message", f.ready()); err != nil {
		return false, err
	}
	return f.listen(ctx, conn)
}

// exists asks for an export whether there is a pad of that name.
func (f *follower) exists(ctx context.Context) error {
	resp, err := get(ctx, f.client, exportURL(f.doc.Address, "txt"), f.doc.Secrets, "")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK && mediaType(resp) == "text/plain" {
		source.Drain(resp.Body)
		return nil
	}
	return errorFor(resp, head(resp), f.doc.Secrets)
}

func (f *follower) dial(ctx context.Context) (*socket.Conn, error) {
	ctx = source.Uncounted(ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.root.String(), http.NoBody)
	if err != nil {
		return nil, source.Errorf(source.ReasonAddress, "this is no address of a pad")
	}
	authorise(req, f.doc.Secrets)
	req.Header.Set("User-Agent", f.client.UserAgent())
	if f.doc.Secrets.User != "" {
		if err := f.signIn(ctx, req.Header); err != nil {
			return nil, err
		}
	}
	client := f.client.Upgrader()
	conn, err := socket.Dial(ctx, socket.Options{
		Root: f.root, Version: f.engine, Header: req.Header, Do: f.client.Do, Client: client, MaxMessage: maxExport * 2,
	})
	if err == nil {
		return conn, nil
	}
	client.CloseIdleConnections()
	if e, ok := errors.AsType[*source.Error](err); ok {
		return nil, e
	}
	f.engine = 0 // it may have been updated meanwhile
	e := &source.Error{Reason: source.ReasonDown, Text: "the pad cannot be followed", Err: err}
	if status, ok := errors.AsType[*socket.StatusError](err); ok {
		switch {
		case status.Status == http.StatusUnauthorized:
			e.Reason = source.ReasonPassword
		case status.Status == http.StatusForbidden:
			e.Reason = source.ReasonPrivate
		case status.Status == http.StatusTooManyRequests:
			e.Reason = source.ReasonLimited
		case status.Status < 500:
			e.Reason = source.ReasonForeign
		}
	}
	return nil, e
}

// maxCookies bounds what an instance can make us send back.
const maxCookies = 4096

// signIn asks for the pad's page, which counts against no limit, for the cookie by which the socket knows who it is: it does
// not look at the name and password that came with it.
func (f *follower) signIn(ctx context.Context, header http.Header) error {
	resp, err := get(ctx, f.client, padURL(f.doc.Address.Instance, f.doc.Address.Name), f.doc.Secrets, "")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusUnauthorized {
		return errorFor(resp, head(resp), f.doc.Secrets)
	}
	cookies := header.Get("Cookie")
	for _, c := range resp.Cookies() {
		if cookies != "" {
			cookies += "; "
		}
		cookies += c.Name + "=" + c.Value
	}
	if cookies != "" && len(cookies) <= maxCookies {
		header.Set("Cookie", cookies)
	}
	source.Drain(resp.Body)
	return nil
}

// ready is the message that joins the pad. What only one of the versions asks for does not disturb the other.
func (f *follower) ready() map[string]any {
	m := map[string]any{
		"component": "pad", "type": "CLIENT_READY", "padId": f.doc.Address.Name, "sessionID": nil, "token": f.token,
		"protocolVersion": 2, "userInfo": map[string]any{"colorId": nil, "name": nil},
	}
	if f.readOnly != "" {
		m["padId"] = f.readOnly
	}
	if s := f.doc.Secrets.Session.Reveal(); sessionValue.MatchString(s) {
		m["sessionID"] = s
	}
	if f.synced = false; f.text != nil {
		// The latest revision that we have is asked for again, for it tells whether the history is still the same one. An
		// instance that has none beyond the number it is told, not even that one, does not answer at all.
		m["reconnect"], m["client_rev"] = true, f.rev-1
	}
	return m
}

// liveMessage is what an instance sends. Only what is needed of it is read.
type liveMessage struct {
	Type         string
	AccessStatus string
	Disconnect   string
	Data         json.RawMessage
}

// clientVars is the pad as it is when it is joined.
type clientVars struct {
	ReadOnlyID string `json:"readOnlyId"`
	Collab     struct {
		Rev     int
		Time    int64
		Text    struct{ Text, Attribs string } `json:"initialAttributedText"`
		Pool    livePool                       `json:"apool"`
		Authors map[string]liveAuthor          `json:"historicalAuthorData"`
	} `json:"collab_client_vars"`
}

type livePool struct {
	NumToAttrib map[int][2]string
}

type liveAuthor struct {
	Name    *string
	ColorID json.RawMessage // a number of the palette or "#rrggbb"
}

// collabMessage is what happened in the pad.
type collabMessage struct {
	Type        string
	NoChanges   bool
	NewRev      int
	Changeset   string
	Pool        livePool `json:"apool"`
	Author      string
	CurrentTime int64
	UserInfo    struct {
		UserID string
		liveAuthor
	}
}

// listen follows the pad until the connection ends.
func (f *follower) listen(ctx context.Context, conn *socket.Conn) (joined bool, err error) {
	patience := joinTimeout
	if f.text != nil {
		patience = resumeTimeout
	}
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	tick := time.NewTicker(aliveEvery)
	defer tick.Stop()
	due := time.NewTimer(time.Hour)
	defer due.Stop()
	for {
		f.plan(due)
		select {
		case <-ctx.Done():
			return joined, ctx.Err()
		case <-timeout.C:
			if f.text != nil {
				f.text = nil
				return joined, errAnew
			}
			return joined, source.Errorf(source.ReasonDown, "the instance does not answer who joins the pad")
		case <-tick.C:
			if joined {
				f.alive()
			}
		case <-due.C:
			if f.failed = f.emit(); f.failed != nil {
				return joined, f.failed
			}
		case packet, ok := <-conn.Events():
			if !ok {
				return joined, fmt.Errorf("the connection ended: %w", conn.Err())
			}
			in, err := f.receive(packet)
			if in && !joined {
				joined = true
				timeout.Stop()
			}
			if err != nil {
				f.failed = f.emit() // what came before may be the last for long
				return joined, err
			}
			if joined {
				f.alive()
			}
		}
	}
}

// plan sets the timer to when the next copy is due.
func (f *follower) plan(due *time.Timer) {
	if f.since.IsZero() {
		due.Stop()
		return
	}
	at := f.last.Add(liveQuiet)
	if latest := f.since.Add(liveMax); latest.Before(at) {
		at = latest
	}
	due.Reset(max(time.Until(at), 0))
}

// note remembers that something happened that is in no copy.
func (f *follower) note(textual bool) {
	f.last = time.Now()
	if f.since.IsZero() {
		f.since = f.last
	}
	f.textual = f.textual || textual
}

// receive takes one packet; in tells that we are in the pad.
func (f *follower) receive(packet socket.Packet) (in bool, err error) {
	args, err := packet.Args()
	if err != nil || packet.Type != socket.Event || len(args) < 2 || string(args[0]) != `"message"` {
		return false, nil //nolint:nilerr // other events are none of ours
	}
	var m liveMessage
	if err := json.Unmarshal(args[1], &m); err != nil {
		return false, fmt.Errorf("a message of the pad cannot be read: %w", err)
	}
	switch {
	case m.AccessStatus != "":
		return false, f.denied()
	case m.Disconnect != "":
		return false, f.expelled(m.Disconnect)
	case m.Type == "CLIENT_VARS":
		return true, f.begin(m.Data)
	case m.Type != "COLLABROOM":
		return false, nil
	}
	var data collabMessage
	if err := json.Unmarshal(m.Data, &data); err != nil {
		return false, fmt.Errorf("a message of the pad cannot be read: %w", err)
	}
	switch data.Type {
	case "NEW_CHANGES":
		return true, f.change(&data)
	case "CLIENT_RECONNECT":
		return true, f.missed(&data)
	case "USER_NEWINFO":
		if data.UserInfo.UserID != "" {
			f.author(data.UserInfo.UserID, data.UserInfo.liveAuthor)
		}
	case "CHAT_MESSAGE":
		f.note(false)
	}
	return false, nil
}

// denied is the answer to who may not join.
func (f *follower) denied() error {
	if f.readOnly != "" && f.readOnly != f.doc.Address.Name {
		// The id was of a pad that is gone, with its instance's memory or without it.
		f.readOnly, f.text = "", nil
		return errAnew
	}
	return source.Errorf(source.ReasonPrivate, "the pad is private, or gone: the instance does not say which")
}

// expelled is what the instance says when it puts us out. The socket stays open, but nothing comes any more.
func (f *follower) expelled(reason string) error {
	switch reason {
	case "deleted":
		return source.Errorf(source.ReasonGone, "the pad was deleted on the instance")
	case "corruptPad":
		return source.Errorf(source.ReasonDamaged, "the instance says that the pad is damaged there")
	case "rateLimited":
		return &source.Error{
			Reason: source.ReasonLimited, Text: "the instance gets too many messages from this address", Until: time.Now().Add(limitPause),
		}
	case "userdup":
		return &source.Error{
			Reason: source.ReasonLimited, Text: "another havre follows the pad with the same secrets", Until: time.Now().Add(dupPause),
		}
	}
	f.text = nil
	return fmt.Errorf("the instance put us out: %.40q", reason)
}

// begin takes the pad as it is when it is joined.
func (f *follower) begin(data json.RawMessage) error {
	var v clientVars
	if err := json.Unmarshal(data, &v); err != nil {
		return fmt.Errorf("what the instance says of the pad cannot be read: %w", err)
	}
	pool, err := v.Collab.Pool.pool()
	if err != nil {
		return source.Errorf(source.ReasonDamaged, "what the instance says of the pad does not fit together: %v", err)
	}
	text, err := changeset.FromAText(v.Collab.Text.Text, v.Collab.Text.Attribs, pool)
	if err != nil {
		return source.Errorf(source.ReasonDamaged, "what the instance says of the pad does not fit together: %v", err)
	}
	if IsReadOnly(v.ReadOnlyID) {
		f.readOnly = v.ReadOnlyID
	}
	f.text, f.synced, f.rev, f.time, f.authors, f.wrote = text, true, v.Collab.Rev, v.Collab.Time, map[string]Author{}, map[string]bool{}
	for id, a := range v.Collab.Authors {
		f.author(id, a)
	}
	f.high = max(f.high, f.rev)
	f.note(true)
	return nil
}

func (p livePool) pool() (*changeset.Pool, error) {
	pool := &changeset.Pool{}
	for n, a := range p.NumToAttrib {
		if err := pool.Set(n, changeset.Attrib{Key: a[0], Value: a[1]}); err != nil {
			return nil, err
		}
	}
	return pool, nil
}

func (f *follower) author(id string, a liveAuthor) {
	known := Author{ID: id, Color: colour(strings.Trim(string(a.ColorID), `"`))}
	if a.Name != nil {
		known.Name = *a.Name
	}
	if f.authors == nil {
		f.authors = map[string]Author{}
	}
	f.authors[id] = known
}

// change applies a revision. Where one is missing, or this one does not fit, the session ends and the next one resumes.
func (f *follower) change(m *collabMessage) error {
	if m.NewRev <= f.rev && f.synced {
		return nil // it repeats what it sent to who came back
	}
	if f.text == nil || !f.synced {
		f.text = nil
		return errAnew
	}
	if m.NewRev != f.rev+1 {
		return fmt.Errorf("revision %d follows revision %d", m.NewRev, f.rev)
	}
	if err := f.apply(m); err != nil {
		f.text = nil
		return fmt.Errorf("revision %d does not fit: %w", m.NewRev, err)
	}
	f.rev, f.time = m.NewRev, m.CurrentTime
	f.high = max(f.high, f.rev)
	if m.Author != "" {
		f.wrote[m.Author] = true
	}
	f.note(true)
	return nil
}

func (f *follower) apply(m *collabMessage) error {
	c, err := changeset.Parse(m.Changeset)
	if err != nil {
		return err
	}
	pool, err := m.Pool.pool()
	if err != nil {
		return err
	}
	if err := c.Renumber(pool, f.text.Pool()); err != nil {
		return err
	}
	return f.text.Apply(c)
}

// missed takes what happened while there was no connection, and before that the revision that we have already. An instance
// that lost its latest revisions, in a crash or because it was restored, has others under their numbers.
func (f *follower) missed(m *collabMessage) error {
	if f.text != nil && !f.synced && !m.NoChanges && m.NewRev == f.rev && m.CurrentTime == f.time {
		f.synced = true
		return nil
	}
	return f.change(m)
}
