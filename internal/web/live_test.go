package web

import (
	"bufio"
	"crypto/rand"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
)

// listenTo opens a stream as a person and returns its events, "NAME DATA"; beats are left out.
func (s *testServer) listenTo(person, query string) <-chan string {
	s.t.Helper()
	server := httptest.NewTLSServer(s)
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, server.URL+"/live?"+query, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	r.AddCookie(&http.Cookie{Name: cookieSession, Value: s.tokens[person]})
	resp, err := server.Client().Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		resp.Body.Close()
		server.Close()
	})
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		s.t.Fatalf("%d %s", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	events := make(chan string, 100)
	begun := make(chan struct{}) // closed by the goroutine at the first beat
	go func() {
		defer close(events)
		begin := sync.OnceFunc(func() { close(begun) })
		lines, name := bufio.NewScanner(resp.Body), ""
		for lines.Scan() {
			if v, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
				name = v
			}
			data, ok := strings.CutPrefix(lines.Text(), "data: ")
			switch {
			case !ok:
			case name == "beat":
				begin()
			default:
				events <- strings.TrimSpace(name + " " + data)
			}
		}
	}()
	<-begun
	s.watching()
	return events
}

// watching waits until each topic that some page listens to is known: what comes then is told.
func (s *testServer) watching() {
	for unknown := true; unknown; time.Sleep(5 * time.Millisecond) {
		unknown = false
		s.live.mu.Lock()
		for _, topic := range s.live.topics {
			unknown = unknown || topic.known == ""
		}
		s.live.mu.Unlock()
	}
}

func next(t *testing.T, events <-chan string) string {
	t.Helper()
	select {
	case e, ok := <-events:
		if !ok {
			return "(end)"
		}
		return e
	case <-time.After(time.Minute): // only a defect takes that long
		return "(nothing)"
	}
}

// TestLive: a page hears of revisions of folders that its person may read, until that ends.
func TestLive(t *testing.T) {
	s := newTestServer(t)
	query := url.Values{"folder": {"Administration", "Comptabilité", "Nowhere"}}.Encode()
	events := s.listenTo("aicha", query)

	s.commit("maelle", "Comptabilité", testFile("b.txt", "b", svn.InvalidRevnum))
	s.commit("tom", "Administration", testFile("a.txt", "a", svn.InvalidRevnum))
	if got := next(t, events); !strings.HasPrefix(got, "changed ") || !strings.HasSuffix(got, " Administration") {
		t.Errorf("got %q", got)
	}

	s.grant("Administration", "", "aicha", havre.RightNone)
	s.commit("tom", "Administration", testFile("c.txt", "c", svn.InvalidRevnum))
	s.grant("Administration", "", "aicha", havre.RightRead)
	time.Sleep(50 * time.Millisecond)
	if err := s.hub.Admin(store.Console).SetUserDisabled(t.Context(), "aicha", true); err != nil {
		t.Fatal(err)
	}
	got := next(t, events)
	for strings.HasPrefix(got, "changed ") && strings.HasSuffix(got, "Administration") { // between the two
		got = next(t, events)
	}
	if got != "ended" {
		t.Errorf("the account is closed, and the stream says %q", got)
	}
	if got := next(t, events); got != "(end)" {
		t.Errorf("behind the end: %q", got)
	}
}

// TestLivePeople: pages about people and devices hear of changes by whomever.
func TestLivePeople(t *testing.T) {
	s := newTestServer(t)
	events := s.listenTo("maelle", "admin")
	if _, err := s.hub.Admin(store.Console).AddUser(t.Context(), store.NewUser{Name: "gwen"}); err != nil {
		t.Fatal(err)
	}
	if got := next(t, events); got != "people" {
		t.Errorf("got %q", got)
	}
	if got := s.get("aicha", "/live?"+strings.Repeat("folder=x&", maxLiveFolders+1)); got.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("too many folders: %d", got.StatusCode)
	}
	s.live.mu.Lock()
	defer s.live.mu.Unlock()
	if len(s.live.topics) != 1 {
		t.Errorf("%d topics are watched for one page", len(s.live.topics))
	}
}

// TestLiveIsNotForAll: who neither administers nor manages hears nothing of people, devices and the log, but
// of the own devices.
func TestLiveIsNotForAll(t *testing.T) {
	s := newTestServer(t)
	aicha := s.listenTo("aicha", "admin&mine&folder=Administration")
	maelle := s.listenTo("maelle", "admin&mine")
	s.device("maelle", "a laptop", "linux/amd64")
	for heard := map[string]bool{}; !heard["people"] || !heard["mine"]; {
		e := next(t, maelle)
		if heard[e] = true; e == "(nothing)" {
			t.Fatalf("maelle hears %v", heard)
		}
	}
	s.device("aicha", "her laptop", "linux/amd64")
	if got := next(t, aicha); got != "mine" {
		t.Errorf("aicha hears %q", got)
	}
}

// seenPattern finds what a page listens to, and which version of it is shown.
var seenPattern = regexp.MustCompile(`data-live="([^"]*)" data-seen="([^"]*)"`)

// listening returns what a page of maelle asks to be told.
func (s *testServer) listening(page string) string {
	s.t.Helper()
	found := seenPattern.FindStringSubmatch(s.get("maelle", page).body)
	if found == nil {
		s.t.Fatalf("%s says nothing of what it shows", page)
	}
	query, seen := url.Values{}, strings.Split(found[2], "|")
	for i, topic := range strings.Split(html.UnescapeString(found[1]), "|") {
		switch name, isFolder := strings.CutPrefix(topic, "folder:"); {
		case isFolder:
			query.Add("folder", name)
			query.Add("seen", seen[i])
		case topic == "people":
			query.Set("admin", seen[i])
		default:
			query.Set(topic, seen[i])
		}
	}
	return query.Encode()
}

// TestLiveSinceThePage: what changes between the making of a page and its listening is told at once, whatever the
// page; of what it shows already it hears nothing.
func TestLiveSinceThePage(t *testing.T) {
	s := newTestServer(t)
	mine := s.device("maelle", "a laptop", "linux/amd64")
	folder := func() {
		s.commit("tom", "Projets", testFile(project+"/Neuf.txt", rand.Text(), svn.InvalidRevnum))
		s.commit("tom", "Projets", havre.Change{Kind: havre.ChangeDelete, Path: project + "/Neuf.txt", Base: s.head("Projets")})
	}
	people := func() {
		if _, err := s.hub.Admin(store.Console).AddUser(t.Context(), store.NewUser{Name: "a" + strings.ToLower(rand.Text())}); err != nil {
			t.Fatal(err)
		}
	}
	device := func() { s.report(mine, s.replica("Administration", "/home/maelle/"+rand.Text(), 1)) }
	for _, row := range []struct {
		page, told string
		change     func()
	}{
		{"/", "changed", folder},
		{"/activity", "changed", folder},
		{addressOf(), "changed", folder},
		{"/admin/folders/Projets", "changed", folder},
		{"/admin/folders/Projets", "people", people},
		{"/admin", "people", people},
		{"/admin/folders", "people", people},
		{"/admin/devices", "people", people},
		{"/devices", "mine", device},
	} {
		query := s.listening(row.page)
		// Nothing has happened: the first it hears of is what happens now.
		events := s.listenTo("maelle", query)
		row.change()
		if got := next(t, events); !strings.HasPrefix(got, row.told) {
			t.Errorf("%s hears %q first, want %s", row.page, got, row.told)
		}
		// The same page, opened before that and listening since: one that watches now already, and one that has to ask.
		if got := next(t, s.listenTo("maelle", query)); !strings.HasPrefix(got, row.told) {
			t.Errorf("%s, late, hears %q, want %s", row.page, got, row.told)
		}
	}
}

// TestLiveBackupsSinceThePage is the same for backups.
func TestLiveBackupsSinceThePage(t *testing.T) {
	s := newBackupServer(t)
	query := s.listening("/backups")
	s.pads.set("https://pad.goulet.example/p/cr", padDocument("Notes", newPad(t, "cr", s.start).file()))
	s.add("maelle", "Projets", "Douarnenez", "https://pad.goulet.example/p/cr")
	if got := next(t, s.listenTo("maelle", query)); got != "backups" {
		t.Errorf("hears %q, want backups", got)
	}
}
