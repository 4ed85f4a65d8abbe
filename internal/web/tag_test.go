package web

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
)

// TestDirectoryTag: a directory's page that is the same is not rendered again, and whatever can be seen
// on it makes it another.
func TestDirectoryTag(t *testing.T) {
	s := newTestServer(t)
	cookies := map[string]string{}
	person := "tom"
	ask := func(address, tag string) answer {
		t.Helper()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "https://havre.test"+address, nil)
		for name, value := range cookies {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
		if tag != "" {
			r.Header.Set("If-None-Match", tag)
		}
		return s.do(person, r)
	}
	for _, address := range []string{addressOf(), addressOf() + "?part=list", addressOf() + "?view=grid&sort=-changed"} {
		tag := ask(address, "").Header.Get("Etag")
		pages := s.pages
		s.pages = &templates{} // nothing can be rendered
		a := ask(address, tag)
		if a.StatusCode != http.StatusNotModified || a.body != "" || a.Header.Get("Etag") != tag || a.Header.Get("Vary") == "" {
			t.Errorf("%s again: %s %v", address, a.Status, a.Header)
		}
		s.pages = pages
	}
	admin := s.hub.Admin(store.Console)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, change := range []struct {
		name string
		do   func()
	}{
		{"a file", func() { s.commit("priya", "Projets", testFile(project+"/Neuf.txt", "neuf", svn.InvalidRevnum)) }},
		{"something in a subdirectory", func() {
			s.commit("priya", "Projets", testFile(project+"/02 Avant-projet/Neuf.txt", "neuf", svn.InvalidRevnum))
		}},
		{"another name of who changed", func() {
			must(admin.ChangeUser(t.Context(), "priya", func(u *store.User) { u.DisplayName = "Prisca Nair" }))
			s.Server.names.mu.Lock()
			s.Server.names.asked = time.Time{}
			s.Server.names.mu.Unlock()
		}},
		{"the own name", func() {
			must(admin.ChangeUser(t.Context(), "tom", func(u *store.User) { u.DisplayName = "Thomas Whitfield" }))
		}},
		{"a device", func() {
			d := s.device("tom", "laptop", "linux/amd64")
			s.report(d, s.replica("Projets", "/home/tom/Projets", s.head("Projets")))
		}},
		{"another folder", func() {
			_, err := admin.AddFolder(t.Context(), "Nouveau")
			must(err)
			s.grant("Nouveau", "", "tom", havre.RightRead)
		}},
		{"the right to manage", func() { s.grant("Projets", "", "tom", havre.RightWrite) }},
		{"the right to write", func() { s.grant("Projets", "", "tom", havre.RightRead) }},
		{"what may be seen", func() { s.grant("Projets", project+"/02 Avant-projet", "tom", havre.RightNone) }},
		{"the language", func() { cookies[cookieLang] = "fr" }},
		{"the colours", func() { cookies[cookieTheme] = "dark" }},
		{"the density", func() { cookies[cookieDensity] = "compact" }},
		{"the zone", func() { cookies[cookieZone] = "Pacific/Auckland" }},
		{"something to say", func() { cookies[cookieToast] = (&toast{Text: "Ceci est fait."}).encode() }},
		{"another person", func() { delete(cookies, cookieToast); person = "siobhan" }},
	} {
		before := ask(addressOf(), "")
		tag := before.Header.Get("Etag")
		change.do()
		after := ask(addressOf(), tag)
		for end := time.Now().Add(time.Minute); after.StatusCode == http.StatusNotModified && time.Now().Before(end); after = ask(addressOf(), tag) {
			time.Sleep(20 * time.Millisecond) // states of devices are at most half a second old
		}
		if after.StatusCode != http.StatusOK || after.body == before.body || after.Header.Get("Etag") == tag {
			t.Errorf("%s: %s, tag %s was %s, the same page: %v", change.name, after.Status, after.Header.Get("Etag"), tag, after.body == before.body)
		}
	}
	if a := s.post("tom", "/signout", url.Values{}); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("sign out: %s", a.Status)
	}
	person = "tom"
	if a := ask(addressOf(), "*"); a.StatusCode == http.StatusNotModified || a.StatusCode == http.StatusOK {
		t.Errorf("after signing out: %s", a.Status)
	}
}
