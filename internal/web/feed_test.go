package web

import (
	"encoding/xml"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/havre-cloud/havre/internal/store"
)

var feedAddress = regexp.MustCompile(`https://[^"]+(/feed/[a-z0-9]+\.atom)`)

// TestFeed: the address of a feed is a secret, shows what its person may read now, and ends with a new one, when it
// is taken away, and with the account.
func TestFeed(t *testing.T) {
	s := newTestServer(t)
	fresh := func(person string) string {
		t.Helper()
		found := feedAddress.FindStringSubmatch(s.post(person, "/me/feed", nil).body)
		if found == nil {
			t.Fatal("no address is shown")
		}
		return found[1]
	}
	at := fresh("tom")
	if a := s.get("tom", "/me"); strings.Contains(a.body, at) || !strings.Contains(a.body, "You have a private address.") {
		t.Error("the address is shown again, or not known of")
	}
	a := s.get("", at)
	wantStatus(t, a, http.StatusOK)
	var f atomFeed
	if err := xml.Unmarshal([]byte(a.body), &f); err != nil || len(f.Entries) < 3 || f.Entries[0].Author.Name == "" || f.Updated == "" {
		t.Fatalf("%v\n%.500s", err, a.body)
	}
	if kind := a.Header.Get("Content-Type"); !strings.HasPrefix(kind, "application/atom+xml") {
		t.Errorf("the feed is %s", kind)
	}
	if strings.Contains(a.body, "Comptabilité") {
		t.Error("the feed tells of a folder that is closed to its person")
	}
	wantText(t, s.get("", fresh("maelle")), "Comptabilité")
	second := fresh("tom")
	for _, gone := range []string{at, "/feed/", "/feed/x", "/feed/" + strings.Repeat("a", 52), "/feed/%00"} {
		if a := s.get("", gone); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", gone, a.StatusCode)
		}
	}
	wantStatus(t, s.post("tom", "/me/feed/remove", nil), http.StatusSeeOther)
	wantStatus(t, s.get("", second), http.StatusNotFound)
	third := fresh("tom")
	if err := s.hub.Admin(store.Console).SetUserDisabled(t.Context(), "tom", true); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, s.get("", third), http.StatusNotFound)
}
