package web

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"net/url"
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
	time.Sleep(50 * time.Millisecond) // the watch of the folder asks for the first revision
	return events
}

func next(t *testing.T, events <-chan string) string {
	t.Helper()
	select {
	case e, ok := <-events:
		if !ok {
			return "(end)"
		}
		return e
	case <-time.After(8 * time.Second):
		return "(nothing)"
	}
}

// TestLive: a page hears of revisions of folders that its person may read, until that ends.
func TestLive(t *testing.T) {
	s := newTestServer(t)
	query := url.Values{"folder": {"Administration", "Comptabilité", "Nowhere"}}.Encode()
	events := s.listenTo("aicha", query)

	s.commit("maelle", "Comptabilité", testFile("b.txt", "b", svn.InvalidRevnum))
	begin := time.Now()
	s.commit("tom", "Administration", testFile("a.txt", "a", svn.InvalidRevnum))
	if got := next(t, events); !strings.HasPrefix(got, "changed ") || !strings.HasSuffix(got, " Administration") {
		t.Errorf("got %q", got)
	}
	if d := time.Since(begin); d > time.Second {
		t.Errorf("heard of it after %v", d)
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
	events := s.listenTo("maelle", "admin=1")
	time.Sleep(adminEvery)
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
	aicha := s.listenTo("aicha", "admin=1&mine=1&folder=Administration")
	maelle := s.listenTo("maelle", "admin=1&mine=1")
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
