package etherpadtest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/havre-cloud/havre/internal/source/etherpad/changeset"
	"github.com/havre-cloud/havre/internal/source/etherpad/socket"
)

// Author is a simulated person with a browser: it has a token of its own and an open socket for each pad that it wrote in.
type Author struct {
	t       testing.TB
	server  *base
	name    string
	token   string
	session string

	mu   sync.Mutex // guards what follows
	pads map[string]*padOf
}

// padOf is a pad as an author's browser has it.
type padOf struct {
	author *Author
	name   string
	conn   *socket.Conn

	mu       sync.Mutex // guards what follows
	changed  *sync.Cond
	text     *changeset.Text
	rev      int
	accepted int
	userID   string
	over     string // why nothing more comes
}

// Author returns a new author. Its sockets are closed at the end of the test.
func (b *base) Author(t testing.TB, name string) *Author {
	sum := base64.RawURLEncoding.EncodeToString([]byte(fmt.Sprintf("%-15.15s", name)))
	a := &Author{t: t, server: b, name: name, token: "t." + sum[:20], pads: map[string]*padOf{}}
	t.Cleanup(a.Leave)
	return a
}

// WithSession makes the author join with a session of a group.
func (a *Author) WithSession(id string) *Author {
	a.session = id
	return a
}

// Leave closes the author's sockets.
func (a *Author) Leave() {
	a.mu.Lock()
	pads := a.pads
	a.pads = map[string]*padOf{}
	a.mu.Unlock()
	for _, p := range pads {
		p.conn.Close()
	}
}

// Type writes text at the end of a pad, before the line feed that ends it, and returns when the server has it.
func (a *Author) Type(pad, text string) {
	a.t.Helper()
	if err := a.TryType(pad, text); err != nil {
		a.t.Fatal(err)
	}
}

// TryType is Type for a server that may not be there.
func (a *Author) TryType(pad, text string) error {
	return a.change(pad, func(p *padOf) string {
		return splice(p.text.String(), p.text.Len()-1, 0, text, p.userID)
	})
}

// Insert writes text at a place, in UTF-16 units.
func (a *Author) Insert(pad string, at int, text string) {
	a.t.Helper()
	if err := a.change(pad, func(p *padOf) string { return splice(p.text.String(), at, 0, text, p.userID) }); err != nil {
		a.t.Fatal(err)
	}
}

// Delete removes n UTF-16 units at a place.
func (a *Author) Delete(pad string, at, n int) {
	a.t.Helper()
	if err := a.change(pad, func(p *padOf) string { return splice(p.text.String(), at, n, "", p.userID) }); err != nil {
		a.t.Fatal(err)
	}
}

// Join opens a pad without writing; a pad that does not exist is made by that.
func (a *Author) Join(pad string) {
	a.t.Helper()
	a.pad(pad)
}

// ID is the author's id in a pad that was joined: "a." and 16 characters.
func (a *Author) ID(pad string) string {
	a.t.Helper()
	return a.pad(pad).userID
}

// Say writes in a pad's chat.
func (a *Author) Say(pad, text string) {
	a.t.Helper()
	message := map[string]any{"type": "CHAT_MESSAGE", "text": text}
	if a.server.version != "1.8.14" {
		message = map[string]any{"type": "CHAT_MESSAGE", "message": map[string]any{"text": text}}
	}
	a.pad(pad).send(message)
}

// SaveRevision marks the present revision of a pad.
func (a *Author) SaveRevision(pad string) {
	a.t.Helper()
	a.pad(pad).send(map[string]any{"type": "SAVE_REVISION"})
}

// Wait returns when the author sees a text with the given part.
func (a *Author) Wait(pad, part string) {
	a.t.Helper()
	p := a.pad(pad)
	p.mu.Lock()
	defer p.mu.Unlock()
	for !strings.Contains(p.text.String(), part) {
		if p.over != "" {
			a.t.Fatalf("%s waits for %q in a pad that ended: %s", a.name, part, p.over)
		}
		p.changed.Wait()
	}
}

// change sends a change and waits until it is a revision. Only one author of a server changes a pad at a time; a change that
// crosses another one all the same is rebased by the server, and the author looks at the pad anew.
func (a *Author) change(pad string, change func(*padOf) string) error {
	pen := a.server.pen(pad)
	pen.Lock()
	defer pen.Unlock()
	p, err := a.open(pad)
	if err != nil {
		return err
	}
	p.mu.Lock()
	base := p.rev
	cs := change(p)
	p.mu.Unlock()
	err = p.trySend(map[string]any{"type": "USER_CHANGES", "baseRev": base, "changeset": cs, "apool": map[string]any{
		"numToAttrib": map[string]any{"0": []string{"author", p.userID}}, "nextNum": 1,
	}})
	if err != nil {
		p.end(err.Error())
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.accepted <= base && p.over == "" {
		p.changed.Wait()
	}
	switch {
	case p.over != "":
		return fmt.Errorf("%s writes in %q: %s", a.name, pad, p.over)
	case p.accepted != base+1 || p.rev != base:
		p.over = "rebased"
		return nil
	}
	p.rev = p.accepted
	return p.apply(cs, attribs{"0": {"author", p.userID}})
}

// pad returns a pad that is open in the author's browser.
func (a *Author) pad(name string) *padOf {
	a.t.Helper()
	p, err := a.open(name)
	if err != nil {
		a.t.Fatal(err)
	}
	return p
}

func (a *Author) open(name string) (*padOf, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p := a.pads[name]; p != nil {
		p.mu.Lock()
		over := p.over
		p.mu.Unlock()
		if over == "" {
			return p, nil
		}
		p.conn.Close()
	}
	p, err := a.join(name)
	if err != nil {
		return nil, fmt.Errorf("%s joins %q: %w", a.name, name, err)
	}
	a.pads[name] = p
	return p, nil
}

func (a *Author) join(name string) (*padOf, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	root, err := url.Parse(a.server.url)
	if err != nil {
		return nil, err
	}
	header := http.Header{}
	if a.server.user != "" {
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(a.server.user+":"+a.server.password)))
		page, err := http.NewRequestWithContext(ctx, http.MethodGet, a.server.PadURL(name), http.NoBody)
		if err != nil {
			return nil, err
		}
		page.Header = header.Clone()
		resp, err := (&http.Client{Transport: a.server.transport}).Do(page)
		if err != nil {
			return nil, err
		}
		resp.Body.Close()
		for _, c := range resp.Cookies() {
			header.Add("Cookie", c.Name+"="+c.Value)
		}
	}
	client := &http.Client{Transport: &http.Transport{DialContext: a.server.dial}}
	conn, err := socket.Dial(ctx, socket.Options{Root: root, Client: client, Do: client.Do, Header: header})
	if err != nil {
		return nil, err
	}
	client.CloseIdleConnections()
	p := &padOf{author: a, name: name, conn: conn}
	p.changed = sync.NewCond(&p.mu)
	ready := map[string]any{
		"component": "pad", "type": "CLIENT_READY", "padId": name, "sessionID": nil, "token": a.token, "protocolVersion": 2,
		"userInfo": map[string]any{"colorId": nil, "name": a.name},
	}
	if a.session != "" {
		ready["sessionID"] = a.session
	}
	if err := conn.Emit(ctx, -1, "message", ready); err != nil {
		conn.Close()
		return nil, err
	}
	joined := make(chan error, 1)
	go p.listen(joined)
	select {
	case err = <-joined:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	if a.server.version == "1.8.14" { // it takes no name with which to join
		p.send(map[string]any{"type": "USERINFO_UPDATE", "userInfo": map[string]any{"name": a.name, "colorId": "#336699"}})
	}
	return p, nil
}

func (p *padOf) trySend(data map[string]any) error {
	return p.conn.Emit(context.Background(), -1, "message", map[string]any{"type": "COLLABROOM", "component": "pad", "data": data})
}

func (p *padOf) send(data map[string]any) {
	p.author.t.Helper()
	if err := p.trySend(data); err != nil {
		p.author.t.Fatalf("%s in %q: %v", p.author.name, p.name, err)
	}
}

type attribs = map[string][2]string

// message is what a server says of a pad, in as much as an author needs it.
type message struct {
	Type, AccessStatus, Disconnect string
	Data                           struct {
		Type      string
		NewRev    int
		Changeset string
		Apool     struct{ NumToAttrib attribs }
		UserID    string
		Collab    struct {
			Rev   int
			AText struct{ Text, Attribs string } `json:"initialAttributedText"`
			Apool struct{ NumToAttrib attribs }
		} `json:"collab_client_vars"`
	}
}

// listen follows the pad until its socket is closed.
func (p *padOf) listen(joined chan<- error) {
	tell := func(err error) {
		select {
		case joined <- err:
		default: // it was told before
		}
	}
	defer func() {
		p.end(fmt.Sprint(p.conn.Err()))
		tell(p.conn.Err())
	}()
	for packet := range p.conn.Events() {
		args, err := packet.Args()
		if err != nil || len(args) < 2 {
			continue
		}
		var m message
		if err := json.Unmarshal(args[1], &m); err != nil {
			tell(err)
			return
		}
		switch {
		case m.AccessStatus != "":
			tell(fmt.Errorf("access: %s", m.AccessStatus))
			return
		case m.Disconnect != "":
			p.end(m.Disconnect)
		case m.Type == "CLIENT_VARS":
			tell(p.begin(&m))
		case m.Type == "COLLABROOM":
			p.collab(&m)
		}
	}
}

func (p *padOf) end(why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over == "" {
		p.over = why
	}
	p.changed.Broadcast()
}

func (p *padOf) begin(m *message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	pool := &changeset.Pool{}
	if err := fill(pool, m.Data.Collab.Apool.NumToAttrib); err != nil {
		return err
	}
	text, err := changeset.FromAText(m.Data.Collab.AText.Text, m.Data.Collab.AText.Attribs, pool)
	if err != nil {
		return err
	}
	p.text, p.rev, p.userID = text, m.Data.Collab.Rev, m.Data.UserID
	return nil
}

func fill(pool *changeset.Pool, from attribs) error {
	for n, a := range from {
		var i int
		if _, err := fmt.Sscan(n, &i); err != nil {
			return err
		}
		if err := pool.Set(i, changeset.Attrib{Key: a[0], Value: a[1]}); err != nil {
			return err
		}
	}
	return nil
}

func (p *padOf) collab(m *message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.changed.Broadcast()
	switch m.Data.Type {
	case "NEW_CHANGES":
		if err := p.apply(m.Data.Changeset, m.Data.Apool.NumToAttrib); err != nil {
			p.over = err.Error()
		}
		p.rev = m.Data.NewRev
	case "ACCEPT_COMMIT":
		p.accepted = m.Data.NewRev
	}
}

func (p *padOf) apply(s string, from attribs) error {
	cs, err := changeset.Parse(s)
	if err != nil {
		return err
	}
	pool := &changeset.Pool{}
	if err := fill(pool, from); err != nil {
		return err
	}
	if err := cs.Renumber(pool, p.text.Pool()); err != nil {
		return err
	}
	return p.text.Apply(cs)
}
