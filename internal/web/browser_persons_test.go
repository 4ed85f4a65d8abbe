package web

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/havre-cloud/havre/internal/store"
)

// TestPersonStory is the life of an account as who administers sees it: invited with a role, an end and a limit,
// changed, suspended with its devices, given a new password, deleted; groups in groups; a table of people.
func TestPersonStory(t *testing.T) {
	everyLook(t, newTestServer, func(_ *testing.T, y *story) {
		y.ofAPerson()
		y.ofGroups()
		y.ofATable()
	})
}

func (y *story) ofAPerson() {
	t, tab := y.t, y.tab("maelle")
	tab.Open("/admin/people?new=1")
	tab.Fill(`.form-panel form`, map[string]string{
		"display": "Émile Castaing", "name": "emile", "email": "emile@goulet.example", "role": "guest", "expires": "2199-12-31", "quota": "1,5",
	})
	tab.Until(`document.querySelector("#link")?.value.includes("/join/")`)
	y.checked(tab, "person-link")
	u := y.user("emile")
	if u.Role != store.RoleGuest || u.Quota != 1_500_000_000 || u.Expires.Year() < 2199 || u.Email != "emile@goulet.example" {
		t.Errorf("the account is %+v", u)
	}

	// Other values; a limit that is none is refused beside the form.
	tab.Expect("422")
	tab.Open("/admin/people/emile?change")
	tab.Fill(`.form-panel form`, map[string]string{"quota": "much"})
	tab.Until(`document.querySelector('.form-panel [role="alert"]')`)
	y.checked(tab, "person-refused")
	tab.Fill(`.form-panel form`, map[string]string{"display": "Émile C.", "role": "folders", "quota": "2", "expires": ""})
	tab.Until(`document.readyState === "complete" && document.querySelector("h1")?.textContent === "Émile C." && !document.querySelector(".form-panel")`)
	y.checked(tab, "person-changed")
	if u := y.user("emile"); u.Role != store.RoleFolders || u.Quota != 2_000_000_000 || !u.Expires.IsZero() {
		t.Errorf("the changed account is %+v", u)
	}

	// Suspended: a device stops at once.
	ended := y.follow(y.device("lena", "lena-imac", "darwin/arm64"), "Projets")
	tab.Open("/admin/people/lena")
	tab.Press(`.person-side form[action$="/suspend"] button`)
	if err := <-ended; err == nil {
		t.Error("the device of who is suspended goes on")
	}
	tab.Until(`document.readyState === "complete" && document.querySelector('.person-side [name="suspend"][value="0"]')`)
	y.checked(tab, "person-suspended")
	if a := y.get("lena", "/"); a.StatusCode != http.StatusSeeOther {
		t.Errorf("who is suspended sees pages: %s", a.Status)
	}
	tab.Press(`.person-side [name="suspend"][value="0"]`)
	tab.Until(`document.readyState === "complete" && document.querySelector('.person-side [name="suspend"][value="1"]')`)

	// A new password by a link, which ends the sessions when it is chosen. Sessions are ended alone too.
	y.choose("lena")
	tab.Open("/admin/people/lena?reset")
	y.checked(tab, "person-reset")
	tab.Press(`form[action$="/lena/reset"] .primary`)
	tab.Until(`document.querySelector("#link")?.value.includes("/join/")`)
	var link string
	tab.Eval(`new URL(document.querySelector("#link").value).pathname`, &link)
	hers := y.tab("")
	hers.Open(link)
	hers.Fill(doorForm, map[string]string{"password": "correct horse battery staple"})
	hers.Until(`document.readyState === "complete" && !document.querySelector("#password")`)
	if a := y.get("lena", "/"); a.StatusCode != http.StatusSeeOther {
		t.Errorf("the session goes on: %s", a.Status)
	}
	y.choose("priya")
	tab.Open("/admin/people/priya")
	tab.Press(`form[action$="/priya/signout"] button`)
	tab.Until(`document.readyState === "complete" && !document.querySelector('form[action$="/priya/signout"]')`)
	if a := y.get("priya", "/"); a.StatusCode != http.StatusSeeOther {
		t.Errorf("the ended session goes on: %s", a.Status)
	}

	// Deleted: what the person made stays.
	tab.Open("/admin/people/lena?delete")
	y.checked(tab, "person-delete")
	tab.Press(`form[action$="/lena/delete"] .danger`)
	tab.Until(`location.pathname === "/admin/people"`)
	y.sees(tab, "people.deleted", "name", "Léna Morvan")
	if a := y.get("tom", addressOf("Plan masse.jpg")); a.StatusCode != http.StatusOK {
		t.Errorf("a file of who was deleted: %s", a.Status)
	}
}

// ofGroups makes groups, one in the other, and sees what that opens.
func (y *story) ofGroups() {
	t, tab := y.t, y.tab("maelle")
	tab.Expect("422")
	for _, name := range []string{"Chantier", "Toute l’équipe"} {
		tab.Open("/admin/groups?new")
		tab.Fill(`form[action="/admin/groups"]`, map[string]string{"name": name})
		tab.Until(`document.readyState === "complete" && [...document.querySelectorAll(".group-head h2")].some((h) => h.textContent === "` + name + `")`)
	}
	add := func(what string) { tab.Fill(`form.add-member`, map[string]string{"add": what}) }
	add("@Chantier")
	tab.Until(`document.readyState === "complete" && document.querySelector('.members [name="remove"][value="@Chantier"]')`)
	add("nobody of that name")
	tab.Until(`document.querySelector("#add-wrong")`)
	y.checked(tab, "groups-refused")
	tab.Press(`.members a[href^="/admin/groups/"]`)
	tab.Until(`document.readyState === "complete" && document.querySelector(".group-head h2")?.textContent === "Chantier"`)
	add("priya")
	tab.Until(`document.readyState === "complete" && document.querySelector('.members [name="remove"][value="priya"]')`)
	// Who is in the inner one is in the outer one too; the outer one cannot be put into the inner one.
	add("@Toute l’équipe")
	tab.Until(`document.querySelector("#add-wrong")`)
	y.checked(tab, "groups-circle")
	tab.Press(`.members [name="remove"][value="priya"]`)
	tab.Until(`document.readyState === "complete" && !document.querySelector('.members [name="remove"]')`)
	tab.Press(`.group-head a[href$="?rename"]`)
	tab.Fill(`form.rename`, map[string]string{"name": "Chantier sud"})
	tab.Until(`document.readyState === "complete" && document.querySelector(".group-head h2")?.textContent === "Chantier sud"`)
	tab.Press(`#group-menu .danger`)
	tab.Until(`document.querySelector(".question")`)
	y.checked(tab, "groups-delete")
	tab.Press(`.question .danger`)
	y.sees(tab, "groups.deleted", "name", "Chantier sud")
	groups, err := y.hub.Admin(store.Console).Groups(t.Context())
	if err != nil || len(groups) != 1 {
		t.Errorf("%d groups are left, %v", len(groups), err)
	}
}

// ofATable imports people from a table, after having seen what will happen.
func (y *story) ofATable() {
	t, tab := y.t, y.tab("maelle")
	file := filepath.Join(t.TempDir(), "people.csv")
	table := "name,display name,e-mail,groups,role\nnaima,Naïma Cohen,naima@goulet.example,Bénévoles,guest\ntom,Tom Whitfield,tom@goulet.example,,folders\nbad name,,x,,\n<b>,<script>alert(1)</script>,,,\n"
	if err := os.WriteFile(file, []byte(table), 0o600); err != nil {
		t.Fatal(err)
	}
	tab.Open("/admin/people?import=1")
	tab.Run(chromedp.SetUploadFiles(`.form-panel [name="table"]`, []string{file}, chromedp.ByQuery))
	tab.Press(`.form-panel .primary`)
	tab.Until(`document.querySelectorAll(".import-table .what-new").length === 1 && document.querySelectorAll(".import-table .what-wrong").length >= 1`)
	y.checked(tab, "import-preview")
	users := len(y.everybody())
	tab.Press(`form[action="/admin/people/import"] .primary`)
	tab.Until(`document.querySelector('[name="links"]')?.value.includes("/join/")`)
	y.checked(tab, "import-done")
	if n := len(y.everybody()); n != users+1 {
		t.Errorf("%d accounts, were %d", n, users)
	}
	if u := y.user("naima"); u.DisplayName != "Naïma Cohen" || u.Role != store.RoleGuest {
		t.Errorf("the account is %+v", u)
	}
}

func (s *testServer) everybody() []store.User {
	s.t.Helper()
	users, err := s.hub.Admin(store.Console).Users(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return users
}
