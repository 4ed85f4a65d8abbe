package web

import (
	"net/url"
	"strings"
	"testing"
)

func TestGroups(t *testing.T) {
	s := newTestServer(t)
	s.team()
	a := s.get("maelle", "/admin/groups")
	wantStatus(t, a, 200)
	wantText(t, a, "8 groups.", "in Bureau d’études")
	address := "/admin/groups/" + url.PathEscape("Bureau d’études")
	a = s.get("maelle", address)
	wantText(t, a, "5 people and 1 group", "Chantier Capucins", "Projets / Dossiers du personnel", "No access", "Can manage")

	wantStatus(t, s.post("maelle", address+"/members", url.Values{"add": {"karim"}}), 303)
	wantText(t, s.get("maelle", address), "6 people and 1 group")
	wantStatus(t, s.post("maelle", address+"/members", url.Values{"add": {"Léna Morvan"}}), 303)
	wantStatus(t, s.post("maelle", address+"/members", url.Values{"remove": {"lena"}}), 303)
	a = s.post("maelle", address+"/members", url.Values{"add": {"nobody at all"}})
	wantText(t, a, "Nobody and no group is called “nobody at all”", `value="nobody at all"`)
	// A circle is refused with its reason.
	a = s.post("maelle", "/admin/groups/"+url.PathEscape("Chantier Capucins")+"/members", url.Values{"add": {"@Bureau d’études"}})
	wantText(t, a, "a group cannot contain itself")
	wantStatus(t, s.post("maelle", address+"/members", url.Values{"remove": {"@Chantier Capucins"}}), 303)

	wantStatus(t, s.post("maelle", address+"/rename", url.Values{"name": {"Études"}}), 303)
	wantStatus(t, s.get("maelle", address), 404)
	a = s.post("maelle", "/admin/groups/"+url.PathEscape("Études")+"/rename", url.Values{"name": {"Direction"}})
	wantText(t, a, "There is a group called Direction already")
	wantText(t, s.get("maelle", "/admin/groups/"+url.PathEscape("Études")+"?delete"), "Delete the group “Études”?", "6 people are in it")
	wantStatus(t, s.post("maelle", "/admin/groups/"+url.PathEscape("Études")+"/delete", nil), 303)
	wantStatus(t, s.get("maelle", "/admin/groups/"+url.PathEscape("Études")), 404)

	a = s.post("maelle", "/admin/groups", url.Values{"name": {"direction"}})
	wantText(t, a, "There is a group called direction already")
}

// TestGroupMarkup makes a group whose name is markup.
func TestGroupMarkup(t *testing.T) {
	s := newTestServer(t)
	s.team()
	wantStatus(t, s.post("maelle", "/admin/groups", url.Values{"name": {`"><img src=x onerror=alert(1)>`}}), 303)
	for _, address := range []string{"/admin/groups", "/admin/groups/" + url.PathEscape(`"><img src=x onerror=alert(1)>`), "/admin/rights", "/admin/people?show=invited"} {
		a := s.get("maelle", address)
		wantStatus(t, a, 200)
		if strings.Contains(a.body, "<img src=x") {
			t.Errorf("%s contains the markup", address)
		}
	}
	wantStatus(t, s.get("tom", "/admin/groups"), 404)
	wantStatus(t, s.post("tom", "/admin/groups", url.Values{"name": {"mine"}}), 404)
}
