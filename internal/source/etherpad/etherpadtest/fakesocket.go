package etherpadtest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/havre-cloud/havre/internal/source/etherpad/changeset"
	"github.com/havre-cloud/havre/internal/source/etherpad/socket"
)

// fakeSocket is one connection. Its fields are guarded by the server's lock.
type fakeSocket struct {
	f  *Fake
	ws *websocket.Conn
	ip string

	pad      *fakePad
	asked    string // the name it joined with
	readOnly bool
	stranger bool // on an instance that wants people to sign in
	author   string
	rev      int
	lastTime int64 // of the change sent last
	out      chan []byte
}

func (f *Fake) socket(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if !f.old() && q.Get("EIO") != "4" {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"code":5,"message":"Unsupported protocol version"}`)
		return
	}
	open := map[string]any{
		"sid": id("", time.Now().String(), 20), "upgrades": []string{},
		"pingInterval": f.options.PingInterval.Milliseconds(), "pingTimeout": f.options.PingTimeout.Milliseconds(),
	}
	if !f.old() {
		open["maxPayload"] = 50000
	}
	if q.Get("transport") == "polling" {
		f.polling(w, q.Has("sid"), open)
		return
	}
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return
	}
	ip, _, _ := net.SplitHostPort(r.RemoteAddr)
	s := &fakeSocket{f: f, ws: ws, ip: ip, out: make(chan []byte, 4096)}
	if c, err := r.Cookie("express_sid"); f.options.User != "" && (err != nil || c.Value != f.signedIn()) {
		s.stranger = true
	}
	ws.SetReadLimit(map[bool]int64{true: 10000, false: 50000}[f.old()])
	f.mu.Lock()
	if f.sockets == nil {
		f.mu.Unlock()
		ws.CloseNow()
		return
	}
	f.sockets[s] = true
	f.serving.Add(1)
	f.mu.Unlock()
	defer f.serving.Done()
	s.raw("0" + string(mustJSON(open)))
	if f.old() {
		s.raw("40")
	}
	s.run()
}

func (f *Fake) polling(w http.ResponseWriter, known bool, open map[string]any) {
	if f.options.NoPolling || known {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, map[bool]string{true: `{"code":1,"message":"Session ID unknown"}`, false: `{"code":0,"message":"Transport unknown"}`}[known])
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	open["upgrades"] = []string{"websocket"}
	body := "0" + string(mustJSON(open))
	if f.old() {
		body = fmt.Sprintf("%d:%s2:40", units(body), body)
	}
	io.WriteString(w, body)
}

func (s *fakeSocket) raw(packet string) {
	select {
	case s.out <- []byte(packet):
	default:
		go s.ws.CloseNow() // nobody reads
	}
}

func (s *fakeSocket) message(v any) { s.raw(`42["message",` + string(mustJSON(v)) + "]") }

func (s *fakeSocket) collab(data map[string]any) {
	s.message(map[string]any{"type": "COLLABROOM", "data": data})
}

// run reads and writes until the connection ends.
func (s *fakeSocket) run() {
	ctx, cancel := context.WithCancel(context.Background())
	written := make(chan struct{})
	o := s.f.options
	alive := time.AfterFunc(o.PingInterval+o.PingTimeout, func() { s.ws.CloseNow() })
	go func() {
		defer close(written)
		ping := time.NewTicker(o.PingInterval)
		defer ping.Stop()
		for {
			var packet []byte
			select {
			case <-ctx.Done():
				return
			case packet = <-s.out:
			case <-ping.C:
				if s.f.old() {
					continue // the client asks
				}
				packet = []byte("2")
			}
			if s.ws.Write(ctx, websocket.MessageText, packet) != nil {
				return
			}
		}
	}()
	for {
		_, packet, err := s.ws.Read(ctx)
		if err != nil {
			break
		}
		switch {
		case len(packet) == 0:
		case packet[0] == '2' && s.f.old():
			alive.Reset(o.PingInterval + o.PingTimeout)
			s.raw("3" + string(packet[1:]))
		case packet[0] == '3' && !s.f.old():
			alive.Reset(o.PingInterval + o.PingTimeout)
		case packet[0] == '4':
			s.packet(packet[1:])
		}
	}
	alive.Stop()
	s.f.mu.Lock()
	delete(s.f.sockets, s)
	if s.pad != nil {
		s.others(map[string]any{"type": "USER_LEAVE", "userInfo": map[string]any{"userId": s.author, "colorId": 1}})
	}
	s.f.mu.Unlock()
	cancel()
	<-written
	s.ws.CloseNow()
}

// others sends to all who have the same pad open.
func (s *fakeSocket) others(data map[string]any) {
	for o := range s.f.sockets {
		if o != s && o.pad == s.pad {
			o.collab(data)
		}
	}
}

func (s *fakeSocket) packet(b []byte) {
	p, err := socket.ParsePacket(b)
	if err != nil {
		return
	}
	if p.Type == socket.Connect && !s.f.old() {
		s.raw(`40{"sid":"` + id("", time.Now().String(), 20) + `"}`)
		return
	}
	args, err := p.Args()
	if err != nil || p.Type != socket.Event || len(args) < 2 {
		return
	}
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	seen := s.f.messages[s.ip]
	if seen == nil {
		seen = &window{}
		s.f.messages[s.ip] = seen
	}
	if _, ok := seen.take(s.f.options.messages(), time.Second); !ok {
		s.message(map[string]any{"disconnect": "rateLimited"})
		return
	}
	problem := s.receive(args[1])
	if p.Number >= 0 && !s.f.old() {
		answer := `[null,null]`
		if problem != nil {
			answer = string(mustJSON([]any{map[string]any{"name": "Error", "message": problem.Error()}}))
		}
		s.raw(fmt.Sprintf("43%d%s", p.Number, answer))
	}
}

// said is what a client sends.
type said struct {
	Type, Component, PadID, Token string
	SessionID                     *string
	ProtocolVersion               int
	UserInfo                      struct{ Name, ColorID any }
	Reconnect                     bool
	ClientRev                     int `json:"client_rev"`
	Data                          struct {
		Type      string
		BaseRev   int
		Changeset string
		Apool     struct{ NumToAttrib attribs }
		Text      string
		Message   struct{ Text string }
		UserInfo  struct{ Name, ColorID any }
	}
}

func (s *fakeSocket) receive(b []byte) error {
	var m said
	if err := json.Unmarshal(b, &m); err != nil {
		return err
	}
	switch {
	case m.Type == "CLIENT_READY":
		return s.join(&m)
	case s.pad == nil || m.Type != "COLLABROOM":
		return nil
	}
	switch m.Data.Type {
	case "USER_CHANGES":
		if s.readOnly {
			return nil
		}
		return s.change(&m)
	case "CHAT_MESSAGE":
		said := m.Data.Message.Text
		if s.f.old() {
			said = m.Data.Text
		}
		c := fakeChat{Text: said, Time: time.Now().UnixMilli(), User: s.author, Name: s.f.authors[s.author].Name}
		s.pad.chat = append(s.pad.chat, c)
		data := map[string]any{"type": "CHAT_MESSAGE", "message": c}
		if s.f.old() {
			data = map[string]any{"type": "CHAT_MESSAGE", "text": c.Text, "time": c.Time, "userId": c.User, "userName": c.Name}
		}
		s.others(data)
		s.collab(data)
	case "USERINFO_UPDATE":
		s.f.authors[s.author].Name, s.f.authors[s.author].Color = m.Data.UserInfo.Name, m.Data.UserInfo.ColorID
		s.others(s.info())
	case "SAVE_REVISION":
		n := s.pad.head()
		s.pad.saved = append(s.pad.saved, map[string]any{
			"revNum": n, "savedById": s.author, "label": fmt.Sprint("Revision ", n), "timestamp": time.Now().UnixMilli(),
			"id": id("", fmt.Sprint(s.pad.name, n), 20),
		})
	}
	return nil
}

// validToken is what 2.x takes for the secret of an author.
func validToken(token string) bool {
	rest, ok := strings.CutPrefix(token, "t.")
	_, err := base64.RawURLEncoding.DecodeString(rest)
	return ok && rest != "" && err == nil
}

func (s *fakeSocket) join(m *said) error {
	f := s.f
	deny := func() error {
		s.message(map[string]any{"accessStatus": "deny"})
		return nil
	}
	if f.old() && (m.ProtocolVersion != 2 || m.Token == "") {
		return nil // no answer at all
	}
	if s.stranger || m.PadID == "" || !f.old() && m.Token != "" && !validToken(m.Token) {
		return deny()
	}
	f.joins++
	name, session := m.PadID, ""
	if !f.old() {
		name = spaces.ReplaceAllString(name, "_")
	}
	if m.SessionID != nil {
		session = *m.SessionID
	}
	known, readOnly, err := f.access(name, session, true)
	if err != nil {
		return deny()
	}
	s.author = id("a.", f.address+m.Token, 16)
	if f.authors[s.author] == nil {
		f.authors[s.author] = &fakeAuthor{Name: nil, Color: 28}
	}
	author := f.authors[s.author]
	author.Seen = time.Now().UnixMilli()
	if !f.old() && m.UserInfo.Name != nil {
		author.Name = m.UserInfo.Name
	}
	p := f.pads[known]
	if p == nil {
		if p, err = f.makePad(known, nil, s.author); err != nil {
			return err
		}
	}
	for o := range f.sockets {
		if o != s && o.pad == p && o.author == s.author {
			o.pad = nil
			o.message(map[string]any{"disconnect": "userdup"})
		}
	}
	s.pad, s.asked, s.readOnly, s.rev = p, name, readOnly, p.head()
	if m.Reconnect {
		s.missed(m.ClientRev)
	} else if err := s.clientVars(author); err != nil {
		return err
	}
	s.others(s.info())
	return nil
}

// info is what the others are told of an author.
func (s *fakeSocket) info() map[string]any {
	a := s.f.authors[s.author]
	return map[string]any{"type": "USER_NEWINFO", "userInfo": map[string]any{"userId": s.author, "name": a.Name, "colorId": a.Color}}
}

// missed sends what a client that comes back has not seen.
func (s *fakeSocket) missed(since int) {
	p := s.pad
	if since+1 == p.head()+1 {
		s.collab(map[string]any{"type": "CLIENT_RECONNECT", "noChanges": true, "newRev": p.head()})
		return
	}
	for n := max(since+1, 0); n <= p.head(); n++ {
		cs, pool, err := wirePool(p.revs[n].changeset, p.text.Pool())
		if err != nil {
			return
		}
		s.collab(map[string]any{
			"type": "CLIENT_RECONNECT", "headRev": p.head(), "newRev": n, "changeset": cs, "apool": pool,
			"author": p.revs[n].author, "currentTime": p.revs[n].time,
		})
	}
}

func (s *fakeSocket) clientVars(author *fakeAuthor) error {
	p, f := s.pad, s.f
	if p.missing["corrupt"] {
		s.message(map[string]any{"disconnect": "corruptPad"})
		return nil
	}
	atts, pool, err := wirePool(p.text.Attribs(), p.text.Pool())
	if err != nil {
		return err
	}
	delete(pool, "attribToNum")
	authors := map[string]any{}
	for n := range p.text.Pool().Len() {
		if a, _ := p.text.Pool().Attrib(n); a.Key == "author" && f.authors[a.Value] != nil {
			authors[a.Value] = map[string]any{"name": f.authors[a.Value].Name, "colorId": f.authors[a.Value].Color}
		}
	}
	saved := p.saved
	if saved == nil {
		saved = []any{}
	}
	s.message(map[string]any{"type": "CLIENT_VARS", "data": map[string]any{
		"skinName": "colibris", "savedRevisions": saved, "colorPalette": []string{"#ffc7c7", "#fff1c7"}, "clientIp": "127.0.0.1",
		"collab_client_vars": map[string]any{
			"initialAttributedText": map[string]any{"text": p.text.String(), "attribs": atts}, "clientIp": "127.0.0.1",
			"padId": s.asked, "historicalAuthorData": authors, "apool": pool, "rev": p.head(), "time": p.revs[p.head()].time,
		},
		"padId": s.asked, "readOnlyId": f.readOnlyID(p.name), "readonly": s.readOnly, "chatHead": len(p.chat) - 1,
		"numConnectedUsers": 0, "userId": s.author, "userName": author.Name, "userColor": author.Color,
		"serverTimestamp": time.Now().UnixMilli(), "initialTitle": "Pad: " + s.asked, "plugins": map[string]any{"plugins": map[string]any{}, "parts": []any{}},
	}})
	return nil
}

// change is a client's change of its pad.
func (s *fakeSocket) change(m *said) error {
	p := s.pad
	bad := func(err error) error {
		s.message(map[string]any{"disconnect": "badChangeset"})
		return err
	}
	c, err := changeset.Parse(m.Data.Changeset)
	if err != nil {
		return bad(err)
	}
	pool := &changeset.Pool{}
	if err := fill(pool, m.Data.Apool.NumToAttrib); err != nil {
		return bad(err)
	}
	for n := m.Data.BaseRev + 1; n <= p.head(); n++ {
		other, err := changeset.Parse(p.revs[n].changeset)
		if err != nil {
			return bad(err)
		}
		t, err := p.at(n)
		if err != nil {
			return bad(err)
		}
		if c, err = rebase(c, other, utf16Of(t.String()), s.author); err != nil {
			return bad(err)
		}
	}
	if err := c.Renumber(pool, p.text.Pool()); err != nil {
		return bad(err)
	}
	if err := p.append(c, s.author); err != nil {
		return bad(err)
	}
	s.f.tell(p, s)
	return nil
}

// write is a change by the server itself.
func (f *Fake) write(p *fakePad, at, n int, insert, author string) error {
	if err := p.splice(at, n, insert, author); err != nil {
		return err
	}
	f.tell(p, nil)
	return nil
}

// tell sends the latest revision to all who have the pad open.
func (f *Fake) tell(p *fakePad, by *fakeSocket) {
	lose := p.lose
	p.lose = false
	r := p.revs[p.head()]
	cs, pool, err := wirePool(r.changeset, p.text.Pool())
	if err != nil {
		return
	}
	for s := range f.sockets {
		if s.pad != p {
			continue
		}
		if s == by {
			s.collab(map[string]any{"type": "ACCEPT_COMMIT", "newRev": p.head()})
			continue
		}
		if lose {
			continue
		}
		data := map[string]any{
			"type": "NEW_CHANGES", "newRev": p.head(), "changeset": cs, "apool": pool, "author": r.author,
			"currentTime": r.time, "timeDelta": nil,
		}
		if s.lastTime != 0 {
			data["timeDelta"] = r.time - s.lastTime
		}
		s.lastTime = r.time
		s.collab(data)
	}
}
