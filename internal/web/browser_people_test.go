package web

import (
	"crypto/rand"
	"net/url"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
)

// joined lets everybody have been there: with passwords, most with a second factor, and with devices.
func (s *testServer) joined() {
	s.t.Helper()
	ctx := s.t.Context()
	db, err := store.Open(ctx, filepath.Join(s.dir, "havre.db"), store.Options{Program: "test"})
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	for i, p := range testPeople {
		u := s.user(p.Name)
		if err := db.SetPassword(ctx, store.Console, u.ID, "$argon2id$", ""); err != nil {
			s.t.Fatal(err)
		}
		if i%3 != 2 {
			if err := db.SetTOTP(ctx, store.Console, u.ID, "GEZDGNBVGY3TQOJQ", 1, nil); err != nil {
				s.t.Fatal(err)
			}
		}
		s.session(&u) // a new password has ended the others
		for d := range 1 + i%3 {
			name := p.Name + []string{"-x1", "-pixel", "-studio"}[d]
			hash := rand.Text()
			if err := db.AddInvitation(ctx, store.Console, hash, u.ID, time.Now().Add(time.Hour)); err != nil {
				s.t.Fatal(err)
			}
			dev, err := db.Redeem(ctx, hash, store.NewDevice{Name: name, Platform: "linux/amd64", Version: "0.3.0", TokenHash: rand.Text()})
			if err != nil {
				s.t.Fatal(err)
			}
			report := havre.ReplicaReport{Scope: havre.Scope{Folder: s.folder("Projets").ID}, Revision: s.head("Projets")}
			if d == 0 && i%4 == 1 {
				report.Revision -= 2
			}
			if _, err := db.SaveReplicas(ctx, dev.ID, []havre.ReplicaReport{report}); err != nil {
				s.t.Fatal(err)
			}
		}
		if u := s.user(p.Name); u.Email == "" {
			mail := p.Name + "@goulet.example"
			if err := s.hub.Admin(store.Console).ChangeUser(ctx, p.Name, func(u *store.User) { u.Email = mail }); err != nil {
				s.t.Fatal(err)
			}
		}
	}
}

// TestPeopleStory is what an administrator does with people, groups and rights, by keyboard where there is
// one.
func TestPeopleStory(t *testing.T) {
	everyLook(t, newTestServer, func(_ *testing.T, y *story) {
		groups := y.team()
		y.joined()
		y.ofPeople(groups)
	})
}

func (y *story) ofPeople(groups map[string]string) {
	t, tab := y.t, y.tab("maelle")
	for _, p := range []struct{ name, address string }{
		{"people", "/admin/people"},
		{"person", "/admin/people/karim?reach=" + url.QueryEscape("Comptabilité / Paie 2026")},
		{"person-reason", "/admin/people/lena?by=reason"},
		{"invite", "/admin/people?new=1"},
		{"change", "/admin/people/karim?change"},
		{"delete", "/admin/people/tom?delete"},
		{"import", "/admin/people?import=1"},
		{"groups", "/admin/groups/" + url.PathEscape("Bureau d’études")},
		{"groups-none", "/admin/groups"},
		{"rights", "/admin/rights"},
		{"rights-people", "/admin/rights?by=people"},
		{"rights-exceptions", "/admin/rights?by=exceptions"},
		{"share", folderAddress("Projets", permits) + "?access"},
		{"access", "/access" + strings.TrimPrefix(folderAddress("Projets", permits), "/f")},
	} {
		y.visit(tab, "people-"+p.name, p.address)
	}

	// A list that is filtered while one types.
	tab.Open("/admin/people")
	tab.Run(chromedp.SendKeys(`[data-live-filter] [name="q"]`, "lena", chromedp.ByQuery))
	tab.Until(`document.querySelectorAll(".people-table tbody tr").length === 1 && location.search === "?q=lena"`)

	tab.Click(`[data-person-menu]`)
	tab.Until(`document.querySelector("#row-menu:popover-open")?.contains(document.activeElement)`)
	y.checked(tab, "people-menu")
	tab.Run(chromedp.KeyEvent("\u001b"))
	tab.Until(`document.activeElement.matches("[data-person-menu]")`)

	// Rights by keyboard: none for Falmouth, with its effect before it is applied.
	tab.Open("/admin/rights")
	cell := `.cell [value="g.` + groups["Partenaires Falmouth"] + " " + string(y.folder("Projets").ID) + "/" + permits + `"]`
	tab.Eval(`document.querySelector('`+cell+`').focus()`, nil)
	tab.Run(chromedp.KeyEvent("0"))
	tab.Until(`document.querySelector(".pending-bar")?.textContent.includes(` + y.says("rights.effect.gone", "n", 1, "who", "Siobhán O’Rourke", "place", path.Base(permits)) + `)`)
	tab.Until(`document.activeElement.matches('` + cell + `')`)
	tab.Run(chromedp.KeyEvent("\r"))
	tab.Until(`document.querySelector("#cell-menu:popover-open")?.contains(document.activeElement)`)
	y.checked(tab, "people-rights-pending")
	tab.Run(chromedp.KeyEvent(map[string]string{"fr": "l", "en": "r"}[y.lang])) // Peut lire, Can read
	tab.Until(`document.querySelector('` + cell + `').textContent.includes(` + y.says("rights.short.read") + `)`)
	tab.Run(chromedp.KeyEvent("0"))
	tab.Until(`document.querySelector('` + cell + `').textContent.includes(` + y.says("rights.short.none") + `)`)
	tab.Click(`[name="review"]`)
	tab.Until(`document.querySelector(".review li")`)
	y.shot(tab, "people-rights-review")
	tab.Click(`.pending-bar .primary`)
	tab.Until(`document.querySelector("#toast").textContent.includes(` + y.says("rights.applied", "n", 1) + `)`)
	why, err := y.hub.Admin(store.Console).Grants(t.Context(), y.folder("Projets").ID)
	if err != nil {
		t.Fatal(err)
	}
	set := false
	for _, g := range why {
		set = set || (g.Group == groups["Partenaires Falmouth"] && string(g.Path) == permits && g.Right == havre.RightNone)
	}
	if !set {
		t.Error("the right is not set")
	}
	tab.Click(`#toast [data-undo]`)
	tab.Until(`document.querySelector('` + cell + `').textContent.includes(` + y.says("rights.short.read") + `) || document.querySelector('` + cell + `').textContent.includes("·")`)

	// The pane: the effect follows the choice.
	tab.Open("/access" + strings.TrimPrefix(folderAddress("Projets", permits), "/f"))
	tab.Run(chromedp.SendKeys(`[name="add"]`, "karim\r", chromedp.ByQuery))
	tab.Until(`document.querySelector("#access .effects")?.textContent.includes(` + y.says("rights.effect.more.read", "n", 1, "who", "Karim Haddad", "place", path.Base(permits)) + `.slice(0, 24))`)
	tab.Do(`(() => { const s = document.querySelector('#access select[name=r]'); s.value = s.options[0].value; s.dispatchEvent(new Event("change", {bubbles: true})); })()`)
	tab.Until(`document.querySelectorAll("#access .effects li").length > 1`)
	y.checked(tab, "people-access-pending")
	tab.Click(`[name="apply"]`)
	tab.Until(`document.querySelector("#toast").textContent.includes(` + y.says("rights.applied", "n", 2) + `)`)

	// Somebody is invited: the link is there once.
	tab.Open("/admin/people?new=1")
	tab.Run(chromedp.SendKeys(`[name="display"]`, "Émile Castaing", chromedp.ByQuery))
	tab.Until(`document.querySelector("[name=name]").value === "emile"`)
	tab.Click(`.form-panel .primary`)
	tab.Until(`document.querySelector("#link")?.value.includes("/join/")`)
	y.checked(tab, "people-link")
}
