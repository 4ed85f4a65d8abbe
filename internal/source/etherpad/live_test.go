package etherpad

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/havre-cloud/havre/internal/source"
	"github.com/havre-cloud/havre/internal/source/etherpad/etherpadtest"
	"github.com/havre-cloud/havre/internal/source/etherpad/socket"
	"github.com/havre-cloud/havre/internal/source/sourcetest"
)

// received is a copy as the caller of Follow gets it.
type received struct {
	when      time.Time
	text      string
	html      string
	markdown  string
	authors   []string
	suspect   string
	unchanged bool
}

// following is a pad that is followed.
type following struct {
	t      *testing.T
	cancel context.CancelFunc
	done   chan struct{}
	err    error

	mu     sync.Mutex // guards what follows
	more   *sync.Cond
	copies []received // that were not waited for
	all    []received
	alive  int
}

func follow(t *testing.T, p *Provider, c *source.Client, d source.Document) *following {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	f := &following{t: t, cancel: cancel, done: make(chan struct{})}
	f.more = sync.NewCond(&f.mu)
	go func() {
		defer close(f.done)
		f.err = p.Follow(ctx, c, d, f.seen, f.take)
		f.more.Broadcast()
	}()
	return f
}

func (f *following) seen() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.alive++
}

func (f *following) take(c *source.Copy) error {
	defer c.Close()
	r := received{when: time.Now(), authors: c.Authors, suspect: c.Suspect, unchanged: c.Unchanged}
	for _, file := range c.Files {
		content, err := file.Open()
		if err != nil {
			return err
		}
		b, err := io.ReadAll(content)
		if err != nil {
			return err
		}
		switch file.Ext {
		case ".txt":
			r.text = string(b)
		case ".html":
			r.html = string(b)
		case ".md":
			r.markdown = string(b)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.copies, f.all = append(f.copies, r), append(f.all, r)
	f.more.Broadcast()
	return nil
}

// wait returns the first copy that has a part of text, after those that were waited for.
func (f *following) wait(part string) received {
	f.t.Helper()
	return f.waitFor(func(r received) bool { return strings.Contains(r.text, part) })
}

func (f *following) waitFor(is func(received) bool) received {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	over := false
	patience := time.AfterFunc(24*time.Hour, func() { // of a bubble, where no test takes that long
		f.mu.Lock()
		defer f.mu.Unlock()
		over = true
		f.more.Broadcast()
	})
	defer patience.Stop()
	for {
		if over {
			f.t.Fatalf("nothing more comes; the copies were %+v", f.copies)
		}
		if i := slices.IndexFunc(f.copies, is); i >= 0 {
			found := f.copies[i]
			f.copies = f.copies[i+1:]
			return found
		}
		select {
		case <-f.done:
			f.t.Fatalf("following ended: %v; the copies were %+v", f.err, f.copies)
		default:
		}
		f.more.Wait()
	}
}

// stop ends it and returns what Follow returned.
func (f *following) stop() error {
	f.cancel()
	<-f.done
	return f.err
}

// ended waits for Follow to return by itself.
func (f *following) ended() error {
	<-f.done
	return f.err
}

func padAt(root, name string) source.Document {
	return source.Document{Address: source.Address{Kind: source.KindEtherpad, Instance: root, Name: name, URL: padURL(root, name)}}
}

// bubble runs a story with a fake server on a network in memory, in fake time.
func bubble(t *testing.T, version string, o etherpadtest.FakeOptions, story func(t *testing.T, s *etherpadtest.Fake, c *source.Client)) {
	synctest.Test(t, func(t *testing.T) {
		network := sourcetest.NewNetwork(t)
		defer network.Close()
		o.Version = version
		s := etherpadtest.NewFakeOn(network, "pads.example.org", o)
		defer s.Kill()
		c := network.Client(source.ClientOptions{})
		defer c.CloseIdle()
		story(t, s, c)
	})
}

func dialects(t *testing.T, story func(t *testing.T, version string)) {
	for _, v := range []string{"2.5.3", "1.8.14"} {
		t.Run(v, func(t *testing.T) { story(t, v) })
	}
}

func TestFollow(t *testing.T) {
	dialects(t, func(t *testing.T, version string) {
		bubble(t, version, etherpadtest.FakeOptions{}, func(t *testing.T, s *etherpadtest.Fake, c *source.Client) {
			s.CreatePad(t, "notes", "début\n")
			zoe := s.Author(t, "Zoé")
			defer zoe.Leave()
			f := follow(t, New(), c, padAt(s.URL(), "notes"))
			f.wait("début")
			zoe.Join("notes")
			typed := time.Now()
			zoe.Type("notes", "une idée 🎉")
			got := f.wait("une idée 🎉")
			if d := got.when.Sub(typed); d > time.Second {
				t.Errorf("what was typed came after %v", d)
			}
			if !slices.Equal(got.authors, []string{"Zoé"}) {
				t.Errorf("written by %q", got.authors)
			}

			// One who does not stop typing: a copy every two seconds, and one when it is over.
			keys := map[string]time.Time{}
			for i := range 50 {
				mark := fmt.Sprintf("<%d>", i)
				keys[mark] = time.Now()
				zoe.Type("notes", mark)
				time.Sleep(300 * time.Millisecond)
			}
			time.Sleep(5 * time.Second)
			f.mu.Lock()
			var delays []time.Duration
			for mark, typed := range keys {
				i := slices.IndexFunc(f.copies, func(r received) bool { return strings.Contains(r.text, mark) })
				if i < 0 {
					t.Fatalf("%s is in no copy", mark)
				}
				delays = append(delays, f.copies[i].when.Sub(typed))
			}
			slices.Sort(delays)
			if median, most := delays[len(delays)/2], delays[len(delays)-1]; median > 1500*time.Millisecond || most > 2500*time.Millisecond {
				t.Errorf("what was typed came after %v, at most %v", median, most)
			}
			if n := len(f.copies); n < 5 || n > 10 {
				t.Errorf("%d copies of 15 s of typing", n)
			}
			f.mu.Unlock()

			zoe.Say("notes", "salut")
			f.waitFor(func(r received) bool { return r.unchanged })
			zoe.Delete("notes", 0, 100000)
			if got := f.waitFor(func(r received) bool { return r.suspect != "" }); !strings.Contains(got.suspect, "emptied") {
				t.Errorf("suspect: %q", got.suspect)
			}
			time.Sleep(10 * time.Minute) // heartbeats
			zoe.Type("notes", "encore là")
			f.wait("encore là")
			if err := f.stop(); err != nil {
				t.Error(err)
			}
			if n := s.Joins(); n != 2 {
				t.Errorf("%d joined, and there is an author and a follower", n)
			}
		})
	})
}

// reason returns why a call failed.
func reason(t *testing.T, err error) source.Reason {
	t.Helper()
	e, ok := errors.AsType[*source.Error](err)
	if !ok {
		t.Fatalf("%v is no error for people", err)
	}
	return e.Reason
}

// A pad that does not exist is not made by following it, however it went away.
func TestFollowMakesNoPad(t *testing.T) {
	dialects(t, func(t *testing.T, version string) {
		for _, tc := range []struct {
			name string
			o    etherpadtest.FakeOptions
			pad  string
			gone func(t *testing.T, s *etherpadtest.Fake)
			want source.Reason
		}{
			{name: "never there", pad: "none", want: source.ReasonGone},
			{name: "on an instance where only some may make pads", pad: "none", o: etherpadtest.FakeOptions{Options: etherpadtest.Options{EditOnly: true}}, want: source.ReasonPrivate},
			{name: "an unknown read-only id", pad: "r.00000000000000000000000000000000", want: source.ReasonPrivate},
			{name: "deleted", pad: "notes", gone: func(t *testing.T, s *etherpadtest.Fake) { s.DeletePad(t, "notes") }, want: source.ReasonGone},
			{name: "deleted while we were away", pad: "notes", gone: func(t *testing.T, s *etherpadtest.Fake) {
				s.Mute(true)
				s.Cut()
				s.Forget("notes")
				s.Mute(false)
			}, want: source.ReasonGone},
			{name: "an instance that lost everything", pad: "notes", gone: func(t *testing.T, s *etherpadtest.Fake) { s.Reset(t) }, want: source.ReasonGone},
			{name: "damaged", pad: "notes", gone: func(t *testing.T, s *etherpadtest.Fake) { s.Expel("corruptPad") }, want: source.ReasonDamaged},
		} {
			t.Run(tc.name, func(t *testing.T) {
				bubble(t, version, tc.o, func(t *testing.T, s *etherpadtest.Fake, c *source.Client) {
					s.CreatePad(t, "notes", "ici\n")
					f := follow(t, New(), c, padAt(s.URL(), tc.pad))
					if tc.gone != nil {
						f.wait("ici")
						tc.gone(t, s)
					}
					if got := reason(t, f.ended()); got != tc.want {
						t.Errorf("it ended with %v, want %v", f.err, tc.want)
					}
					if got := s.Pads(); len(got) > 1 || len(got) == 1 && got[0] != "notes" {
						t.Errorf("there are the pads %q", got)
					}
				})
			})
		}
	})
}

// Whatever happens on the way, the follower has the text in the end, and never a wrong one.
func TestFollowResumes(t *testing.T) {
	dialects(t, func(t *testing.T, version string) {
		bubble(t, version, etherpadtest.FakeOptions{}, func(t *testing.T, s *etherpadtest.Fake, c *source.Client) {
			s.CreatePad(t, "notes", "zéro\n")
			zoe := s.Author(t, "Zoé")
			defer func() { zoe.Leave() }()
			f := follow(t, New(), c, padAt(s.URL(), "notes"))
			f.wait("zéro")

			zoe.Type("notes", " un")
			s.Cut()
			time.Sleep(100 * time.Millisecond)
			zoe.Type("notes", " deux")
			f.wait("zéro\n un deux")

			s.Lose("notes")
			zoe.Type("notes", " trois")
			zoe.Type("notes", " quatre")
			f.wait("trois quatre")

			zoe.Leave()
			s.Kill()
			time.Sleep(3 * time.Minute)
			s.Restart(t)
			zoe.Type("notes", " cinq")
			f.wait("quatre cinq")

			for _, reason := range []string{"rateLimited", "userdup", "badChangeset", "rejected"} {
				s.Expel(reason)
				zoe.Leave()
				time.Sleep(time.Second)
				zoe.Type("notes", " après "+reason)
				f.wait("après " + reason)
			}
			zoe.Leave()

			// A crash takes the latest revisions: what is older is not taken for good.
			s.Kill()
			s.Rewind("notes", 2)
			s.Restart(t)
			if got := f.waitFor(func(r received) bool { return r.suspect != "" }); !strings.Contains(got.suspect, "lost") {
				t.Errorf("suspect: %q", got.suspect)
			}
			for range 3 {
				zoe.Type("notes", " de plus")
			}
			if got := f.wait("de plus de plus de plus"); got.suspect != "" {
				t.Errorf("suspect: %q", got.suspect)
			}

			// Another crash, after which others were faster than we: the numbers say nothing.
			zoe.Leave()
			s.Kill()
			s.Rewind("notes", 1)
			s.Restart(t)
			zoe.Insert("notes", 0, "tout autre ")
			zoe.Insert("notes", 0, "chose ")
			got := f.wait("chose tout autre")
			if want := s.Text(t, "notes"); strings.TrimSpace(got.text) != strings.TrimSpace(want) {
				t.Errorf("the copy has %q, the pad %q", got.text, want)
			}
			if err := f.stop(); err != nil {
				t.Error(err)
			}
		})
	})
}

// After a while without an answer the scheduler has to look when the instance is back.
func TestFollowGivesUp(t *testing.T) {
	dialects(t, func(t *testing.T, version string) {
		for name, away := range map[string]func(s *etherpadtest.Fake){
			"killed": func(s *etherpadtest.Fake) { s.Kill() },
			"mute":   func(s *etherpadtest.Fake) { s.Mute(true); s.Cut() },
		} {
			t.Run(name, func(t *testing.T) {
				bubble(t, version, etherpadtest.FakeOptions{}, func(t *testing.T, s *etherpadtest.Fake, c *source.Client) {
					s.CreatePad(t, "notes", "ici\n")
					f := follow(t, New(), c, padAt(s.URL(), "notes"))
					f.wait("ici")
					begun := time.Now()
					away(s)
					if got := reason(t, f.ended()); got != source.ReasonDown {
						t.Errorf("it ended with %v", f.err)
					}
					if d := time.Since(begun); d < liveGivesUp || d > 2*time.Hour {
						t.Errorf("it gave up after %v", d)
					}
				})
			})
		}
	})
}

// All pads of an instance together stay below the number of messages that it takes from one address.
func TestFollowPace(t *testing.T) {
	o := etherpadtest.FakeOptions{Options: etherpadtest.Options{Messages: 10}}
	bubble(t, "2.5.3", o, func(t *testing.T, s *etherpadtest.Fake, c *source.Client) {
		p := New()
		var all []*following
		for i := range 40 {
			name := fmt.Sprintf("pad%d", i)
			s.CreatePad(t, name, "texte de "+name+"\n")
			all = append(all, follow(t, p, c, padAt(s.URL(), name)))
		}
		for i, f := range all {
			f.wait(fmt.Sprintf("texte de pad%d\n", i))
		}
		if n := s.Joins(); n != len(all) {
			t.Errorf("joined %d times, want %d", n, len(all))
		}
		for _, f := range all {
			if err := f.stop(); err != nil {
				t.Error(err)
			}
		}
		if len(p.live.hosts) != 0 {
			t.Errorf("something is kept of hosts that nobody follows")
		}
	})
}

// A pad that was just fetched is followed without a second export.
func TestFollowAfterFetch(t *testing.T) {
	bubble(t, "2.5.3", etherpadtest.FakeOptions{}, func(t *testing.T, s *etherpadtest.Fake, c *source.Client) {
		s.CreatePad(t, "notes", "ici\n")
		p, d := New(), padAt(s.URL(), "notes")
		for _, tc := range []struct {
			wait time.Duration
			want int
		}{{0, 1}, {time.Minute, 2}} {
			s.Loosen()
			got, err := p.Fetch(t.Context(), c, d)
			if err != nil {
				t.Fatal(err)
			}
			if err := got.Close(); err != nil {
				t.Error(err)
			}
			time.Sleep(tc.wait)
			f := follow(t, p, c, d)
			f.wait("ici")
			if n := s.Exports(); n != tc.want {
				t.Errorf("%d exports when it is followed after %v, want %d", n, tc.wait, tc.want)
			}
			if err := f.stop(); err != nil {
				t.Error(err)
			}
		}
	})
}

// Pads of groups need a session, some instances a password.
func TestFollowWithSecrets(t *testing.T) {
	dialects(t, func(t *testing.T, version string) {
		o := etherpadtest.FakeOptions{Options: etherpadtest.Options{User: "zoé", Password: "été"}, NoPolling: true}
		bubble(t, version, o, func(t *testing.T, s *etherpadtest.Fake, c *source.Client) {
			group := field(t, s.API(t, "createGroup"), "groupID")
			name := group + "$notes"
			s.API(t, "createGroupPad", "groupID", group, "padName", "notes", "text", "entre nous\n")
			session := field(t, s.API(t, "createSession", "groupID", group), "sessionID")
			for _, tc := range []struct {
				name    string
				secrets source.Secrets
				want    source.Reason
			}{
				{name: "nothing", want: source.ReasonPassword},
				{name: "wrong password", secrets: source.Secrets{User: "zoé", Password: "x"}, want: source.ReasonPassword},
				{name: "no session", secrets: source.Secrets{User: "zoé", Password: "été"}, want: source.ReasonPrivate},
				{name: "all", secrets: source.Secrets{User: "zoé", Password: "été", Session: source.Secret(session), Author: "t.abcdefghijklmnopqrst"}},
			} {
				d := padAt(s.URL(), name)
				d.Secrets = tc.secrets
				f := follow(t, New(), c, d)
				if tc.want == "" {
					f.wait("entre nous")
					if err := f.stop(); err != nil {
						t.Error(err)
					}
				} else if got := reason(t, f.ended()); got != tc.want {
					t.Errorf("%s: %v, want %v", tc.name, f.err, tc.want)
				}
			}
		})
	})
}

// field returns a string of a JSON object.
func field(t *testing.T, data json.RawMessage, name string) string {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	s, ok := m[name].(string)
	if !ok {
		t.Fatalf("%s has no %s", data, name)
	}
	return s
}

// FuzzLive gives a follower what an instance may send. It must not fail in any other way than by an error, and whatever
// it takes for the text can be rendered.
func FuzzLive(f *testing.F) {
	joined := `{"type":"CLIENT_VARS","data":{"readOnlyId":"r.0123456789abcdef0123456789abcdef","collab_client_vars":{"rev":3,"time":5,` +
		`"initialAttributedText":{"text":"ab\n","attribs":"*0+2|1+1"},"apool":{"numToAttrib":{"0":["author","a.x"]},"nextNum":1},` +
		`"historicalAuthorData":{"a.x":{"name":"Zoé","colorId":3}}}}}`
	for _, s := range []string{
		joined, `{"accessStatus":"deny"}`, `{"disconnect":"deleted"}`, `{"disconnect":"userdup"}`,
		`{"type":"COLLABROOM","data":{"type":"NEW_CHANGES","newRev":4,"changeset":"Z:3>1*0+1$c","apool":{"numToAttrib":{"0":["author","a.y"]}},"author":"a.y","currentTime":6}}`,
		`{"type":"COLLABROOM","data":{"type":"CLIENT_RECONNECT","newRev":3,"currentTime":5}}`,
		`{"type":"COLLABROOM","data":{"type":"CLIENT_RECONNECT","noChanges":true,"newRev":2}}`,
		`{"type":"COLLABROOM","data":{"type":"USER_NEWINFO","userInfo":{"userId":"a.y","name":null,"colorId":"#abcdef"}}}`,
		`{"type":"COLLABROOM","data":{"type":"CHAT_MESSAGE","message":{"text":"x"}}}`,
	} {
		f.Add(s, joined)
		f.Add(joined, s)
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		l := &follower{doc: padAt("https://pads.example.org", "x"), alive: func() {}, changed: func(c *source.Copy) error { return c.Close() }}
		for _, m := range []string{first, second} {
			p, err := socket.ParsePacket([]byte(`2["message",` + m + `]`))
			if err != nil {
				return
			}
			if _, err := l.receive(p); err != nil {
				continue
			}
			if err := l.emit(); err != nil {
				t.Fatalf("%q: %v", m, err)
			}
		}
	})
}
