package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/internal/source"
	"github.com/havre-cloud/havre/internal/source/framadate"
	"github.com/havre-cloud/havre/internal/store"
)

// testInstances are all instances of a test: what is at an address, without any network. They are the provider of
// pads, and by polls that of polls.
type testInstances struct {
	kind source.Kind
	hold chan struct{} // if not nil, nothing is answered before it is closed

	mu   sync.Mutex // guards the following
	docs map[string]*testDocument
}

// testDocument is what an instance answers for one document.
type testDocument struct {
	title        string
	files        map[string][]byte
	order        []string
	err          error
	ends, closes time.Time
	changed      time.Time
	suspect      string
	version      int
}

func (p *testInstances) Kind() source.Kind { return p.kind }

func (p *testInstances) set(address string, d *testDocument) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if old := p.docs[address]; old != nil {
		d.version = old.version + 1
	}
	p.docs[address] = d
}

func (p *testInstances) Recognise(u *url.URL) source.Recognised {
	pad, name, _ := strings.Cut(strings.Trim(u.Path, "/"), "/")
	a := source.Address{Kind: p.kind, Instance: u.Scheme + "://" + u.Host, Name: name}
	if p.kind == source.KindFramadate {
		a.Name = pad
	} else if pad != "p" {
		return source.Recognised{}
	}
	if polls := strings.Contains(u.Host, "date") || strings.Contains(u.Host, "sondages"); a.Name == "" || polls != (p.kind == source.KindFramadate) {
		return source.Recognised{}
	}
	a.URL = u.String()
	return source.Recognised{Address: a, Likelihood: source.Possible}
}

func (p *testInstances) Probe(ctx context.Context, _ *source.Client, r source.Recognised) (source.Recognised, error) {
	if p.hold != nil {
		select {
		case <-p.hold:
		case <-ctx.Done():
			return r, ctx.Err()
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	d := p.docs[r.Address.URL]
	switch {
	case r.Address.Collection != "":
	case d == nil:
		return r, source.Errorf(source.ReasonGone, "there is no such document")
	case d.err != nil && r.Secrets.Password == "":
		return r, d.err
	}
	return r, nil
}

// List lets in who has the key, to nothing.
func (p *testInstances) List(_ context.Context, _ *source.Client, d source.Document) ([]source.Recognised, error) {
	if d.Secrets.APIKey == "right-key" {
		return nil, nil
	}
	return nil, source.Errorf(source.ReasonPassword, "the instance does not accept the API key")
}

func (p *testInstances) Fetch(_ context.Context, _ *source.Client, d source.Document) (*source.Copy, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	doc := p.docs[d.Address.URL]
	if doc == nil {
		return nil, source.Errorf(source.ReasonGone, "there is no such document")
	}
	if doc.err != nil {
		return nil, doc.err
	}
	c := source.NewCopy(nil)
	c.Title, c.Ends, c.Closes, c.Changed, c.Suspect = doc.title, doc.ends, doc.closes, doc.changed, doc.suspect
	state := fmt.Sprint(doc.version)
	c.State, _ = json.Marshal(state)
	var before string
	if json.Unmarshal(d.State, &before) == nil && before == state {
		c.Unchanged = true
		return c, nil
	}
	for _, ext := range doc.order {
		content := doc.files[ext]
		c.Files = append(c.Files, source.File{Ext: ext, Size: int64(len(content)), Open: func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(content)), nil
		}})
	}
	return c, nil
}

// backupServer is a server with pads and polls on instances of the test.
type backupServer struct {
	*testServer
	pads, polls *testInstances
	start       time.Time // of the meeting in the pad
}

// newBackupServer has the folders and documents of the pictures. maelle administers, tom writes, siobhan reads, and
// stranger has no rights.
func newBackupServer(t *testing.T) *backupServer { return newHeldBackupServer(t, nil) }

// newHeldBackupServer is one whose pads say nothing about addresses before hold is closed.
func newHeldBackupServer(t *testing.T, hold chan struct{}) *backupServer {
	t.Helper()
	s := &backupServer{
		pads:  &testInstances{kind: source.KindEtherpad, docs: map[string]*testDocument{}, hold: hold},
		polls: &testInstances{kind: source.KindFramadate, docs: map[string]*testDocument{}},
		start: time.Now().Add(-4 * 24 * time.Hour).Truncate(time.Hour),
	}
	dir := t.TempDir()
	h, err := hub.Open(t.Context(), dir, hub.Options{
		ServerName: "Ateliers du Goulet", Version: "test", Sources: source.NewRegistry(s.pads, s.polls),
		SourceClient: source.ClientOptions{AllowPrivate: true, PerSecond: -1},
	})
	if err != nil {
		t.Fatal(err)
	}
	logged := new(bytes.Buffer)
	web, err := New(h, Options{Logger: slog.New(slog.NewTextHandler(logged, &slog.HandlerOptions{Level: slog.LevelError})), Version: "test", Fingerprint: strings.Repeat("ab", 32)})
	if err != nil {
		t.Fatal(err)
	}
	s.testServer = &testServer{Server: web, t: t, hub: h, dir: dir, tokens: map[string]string{}, logged: logged}
	admin := h.Admin(store.Console)
	for _, p := range testPeople {
		switch p.Name {
		case "maelle", "tom", "siobhan", "stranger":
			u, err := admin.AddUser(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			s.session(u)
		}
	}
	for _, name := range testFolders {
		if _, err := admin.AddFolder(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		s.grant(name, "", "maelle", havre.RightManage)
		if name != "Comptabilité" && name != "Conseil d’administration" {
			s.grant(name, "", "tom", havre.RightWrite)
			s.grant(name, "", "siobhan", havre.RightRead)
		}
	}
	s.commit("maelle", "Projets", testDir("Douarnenez"), testDir("Douarnenez/Réunions – pads"))
	s.commit("maelle", "Conseil d’administration", testDir("Pads"))
	s.commit("maelle", "Administration", testDir("Pads"))
	s.commit("maelle", "Falmouth – shared", testDir("Notes"))
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.RunSources(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// pad is a document with a few revisions.
func (s *backupServer) pad(title string) *testDocument {
	b := newPad(s.t, "pad", s.start)
	b.author(padMaelle, "Maëlle Kerjean")
	b.insert(padMaelle, 0, title+"\n")
	return padDocument(title, b.file())
}

func padDocument(title string, file []byte) *testDocument {
	return &testDocument{
		title: title, order: []string{".txt", ".html", ".md", ".etherpad"}, changed: time.Now().Add(-time.Hour),
		files: map[string][]byte{".txt": []byte(title + "\n"), ".html": []byte("<!doctype html><title>" + title + "</title>"), ".md": []byte(title + "\n"), ".etherpad": file},
	}
}

// poll is a poll with some answers.
func (s *backupServer) poll(title string, answers ...string) *testDocument {
	p := framadate.Poll{
		Format: framadate.Format, Service: "framadate", ID: "abc", Kind: framadate.Dates, Title: title,
		Options: []framadate.Option{{Date: "2026-12-14", Moment: "9h"}, {Date: "2026-12-15", Moment: "14h"}}, Comments: []framadate.Comment{},
	}
	for _, a := range answers {
		name, marks, _ := strings.Cut(a, " ")
		v := framadate.Voter{Name: name}
		for _, m := range marks {
			v.Answers = append(v.Answers, map[rune]framadate.Answer{'y': framadate.Yes, 'm': framadate.IfNeedBe, 'n': framadate.No, '-': framadate.Unanswered}[m])
		}
		p.Voters = append(p.Voters, v)
	}
	return &testDocument{title: title, order: []string{".csv", ".json"}, files: map[string][]byte{".csv": []byte("x;y\n"), ".json": p.JSON()}, changed: time.Now().Add(-time.Hour)}
}

// add backs up documents in the name of a person, and waits for their first run.
func (s *backupServer) add(person, folder, path string, addresses ...string) []hub.Source {
	s.t.Helper()
	at, err := s.hub.Spot(s.t.Context(), s.caller(person), folder, "", -1)
	if err == nil && path != "" {
		at, err = s.hub.Spot(s.t.Context(), s.caller(person), folder, at.Path.Join(path), -1)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	wishes := make([]hub.SourceWish, len(addresses))
	for i, a := range addresses {
		wishes[i].URL = a
	}
	if _, err := s.hub.AddSources(s.t.Context(), s.caller(person), at, wishes); err != nil {
		s.t.Fatal(err)
	}
	found := make([]hub.Source, len(addresses))
	s.until(func(list []hub.Source) bool {
		n := 0
		for _, src := range list {
			for i, a := range addresses {
				if src.Address.URL == a && !src.LastRun.IsZero() && src.State != hub.SourceRunning {
					found[i] = src
					n++
				}
			}
		}
		return n == len(addresses)
	})
	return found
}

// addUnseen is add for what only that person sees.
func (s *backupServer) addUnseen(person, folder, address string) {
	s.t.Helper()
	at, err := s.hub.Spot(s.t.Context(), s.caller(person), folder, "", -1)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.hub.AddSources(s.t.Context(), s.caller(person), at, []hub.SourceWish{{URL: address}}); err != nil {
		s.t.Fatal(err)
	}
	since := int64(-1)
	for {
		if since, err = s.hub.WaitSources(s.t.Context(), since); err != nil {
			s.t.Fatal(err)
		}
		list, err := s.hub.Sources(s.t.Context(), s.caller(person), hub.SourceFilter{Folder: folder})
		if err != nil {
			s.t.Fatal(err)
		}
		if len(list) == 1 && list[0].State == hub.SourceOK {
			return
		}
	}
}

// until waits for the sources, as maelle sees them, to be as a test wants.
func (s *backupServer) until(good func([]hub.Source) bool) {
	s.t.Helper()
	since := int64(-1)
	for {
		var err error
		if since, err = s.hub.WaitSources(s.t.Context(), since); err != nil {
			s.t.Fatal(err)
		}
		list, err := s.hub.Sources(s.t.Context(), s.caller("maelle"), hub.SourceFilter{})
		if err != nil {
			s.t.Fatal(err)
		}
		if good(list) {
			return
		}
	}
}
