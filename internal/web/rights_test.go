package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
)

// change writes a change of rights as forms do.
func (s *testServer) change(holder, right, folder, path string) string {
	return holder + " " + right + " " + string(s.folder(folder).ID) + "/" + path
}

func (s *testServer) person(name string) string { return "u." + string(s.user(name).ID) }

// rightOf returns what decides for a person at a path.
func (s *testServer) rightOf(person, folder, path string) havre.Right {
	s.t.Helper()
	why, err := s.hub.Admin(store.Console).Why(s.t.Context(), s.folder(folder).ID, svn.Path(path), s.user(person).ID)
	if err != nil {
		s.t.Fatal(err)
	}
	return why.Right
}

func TestRightsTable(t *testing.T) {
	s := newTestServer(t)
	groups := s.team()
	a := s.get("maelle", "/admin/rights")
	wantStatus(t, a, 200)
	wantText(t, a, "8 folders, 8 groups,", "Dossiers du personnel", "Projets / Dossiers du personnel, </span>", `<span class="chip none">none</span>`)

	// A draft changes nothing, and shows who gains and who loses.
	siobhan := s.change("g."+groups["Partenaires Falmouth"], "0", "Projets", permits)
	falmouth := url.Values{"cell": {"g." + groups["Partenaires Falmouth"] + " " + string(s.folder("Projets").ID) + "/" + permits}, "set": {"0"}}
	a = s.post("maelle", "/admin/rights/draft", falmouth)
	wantStatus(t, a, 200)
	wantText(t, a, "1 change to apply", "waits to be applied")
	// Without script a cell opens a form with the choices.
	open := url.Values{"cell": falmouth["cell"]}
	wantText(t, s.post("maelle", "/admin/rights/draft", open), `name="set" value="3"`, `Partenaires Falmouth in Projets / `)
	if got := s.rightOf("siobhan", "Projets", permits); got != havre.RightRead {
		t.Fatalf("a draft has set %s", got)
	}
	s.takeRight("siobhan", "Projets")
	a = s.post("maelle", "/admin/rights/draft", url.Values{"p": {siobhan}, "review": {"1"}})
	wantText(t, a, "Siobhán O’Rourke will no longer see “03 Autorisations (PC, ABF, commission de sécurité)”")

	wantStatus(t, s.post("maelle", "/admin/rights/apply", url.Values{"p": {siobhan}}), 303)
	if got := s.rightOf("siobhan", "Projets", permits); got != havre.RightNone {
		t.Errorf("after apply: %s", got)
	}
	wantStatus(t, s.post("maelle", "/admin/rights/apply", url.Values{"p": {strings.Replace(siobhan, " 0 ", " - ", 1)}}), 303)
	if got := s.rightOf("siobhan", "Projets", permits); got != havre.RightRead {
		t.Errorf("after taking it away again: %s", got)
	}
	wantText(t, s.get("maelle", "/admin/rights?by=people&q=karim"), `Karim Haddad</span><span class="hidden-text">: </span><span class="chip inherited">reads</span>`, "below")
	a = s.get("maelle", "/admin/rights?by=exceptions")
	wantText(t, a, "Scans 1911-1978")
	a = s.post("maelle", "/admin/rights/draft", url.Values{"add": {"1"}, "folder": {"Communication"}, "path": {"Affiches / 2026"}})
	wantText(t, a, "Communication / Affiches / 2026")
	wantStatus(t, s.post("maelle", "/admin/rights/draft", url.Values{"add": {"1"}, "folder": {"Communication"}, "path": {"../x"}}), 422)
	for _, bad := range []string{"", "x", "u.x 1 y/z", "g. 1 a/b", siobhan + "/../x", strings.Replace(siobhan, " 0 ", " 9 ", 1), strings.Repeat("u.a 1 b/", 10000)} {
		wantStatus(t, s.post("maelle", "/admin/rights/draft", url.Values{"p": {bad}}), 200)
		wantStatus(t, s.post("maelle", "/admin/rights/apply", url.Values{"p": {bad}}), 303)
	}
}

// takeRight removes the right that a person has in a whole folder.
func (s *testServer) takeRight(person, folder string) {
	s.t.Helper()
	g := store.Grant{Folder: s.folder(folder).ID, User: s.user(person).ID}
	if err := s.hub.Admin(store.Console).RemoveGrant(s.t.Context(), g); err != nil {
		s.t.Fatal(err)
	}
}

func TestExportRights(t *testing.T) {
	s := newTestServer(t)
	if _, err := s.hub.Admin(store.Console).AddGroup(t.Context(), "=HYPERLINK(\"x\")"); err != nil {
		t.Fatal(err)
	}
	g, err := s.hub.Admin(store.Console).Groups(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.hub.Admin(store.Console).SetGrant(t.Context(), store.Grant{Folder: s.folder("Projets").ID, Group: g[0].ID, Right: havre.RightRead}); err != nil {
		t.Fatal(err)
	}
	a := s.get("maelle", "/admin/rights/export")
	wantStatus(t, a, 200)
	wantText(t, a, `'=HYPERLINK`, "Karim Haddad", "Can manage")
	if strings.Contains(a.body, ",=") || strings.Contains(a.body, `,"=`) {
		t.Error("a cell is a formula")
	}
	a = s.get("tom", "/admin/folders/Projets/rights/export")
	wantStatus(t, a, 200)
	if strings.Contains(a.body, "Comptabilit") {
		t.Error("the table of one folder has another")
	}
}

// TestManagerSetsRights is somebody who manages a folder and administers nothing.
func TestManagerSetsRights(t *testing.T) {
	s := newTestServer(t)
	s.team()
	wantStatus(t, s.get("tom", "/admin/rights"), 404)
	wantStatus(t, s.get("tom", "/admin/folders/Administration/rights"), 404)
	wantStatus(t, s.get("aicha", "/admin/folders/Projets/rights"), 404) // her own right beats that of Direction
	s.takeRight("aicha", "Projets")
	wantStatus(t, s.get("aicha", "/admin/folders/Projets/rights"), 200)
	wantStatus(t, s.get("priya", "/admin/folders/Projets/rights"), 404)
	a := s.get("tom", "/admin/folders/Projets/rights")
	wantStatus(t, a, 200)
	if strings.Contains(a.body, "Comptabilité</span></span></th>") {
		t.Error("another folder is in the table")
	}
	wantStatus(t, s.post("tom", "/admin/folders/Projets/rights/apply", url.Values{"p": {s.change(s.person("stranger"), "1", "Projets", project)}}), 303)
	if got := s.rightOf("stranger", "Projets", project); got != havre.RightRead {
		t.Errorf("tom gave %s", got)
	}
	// Bureau d’études, in which tom is, only edits in a subfolder: he sees what is set there.
	fixed := s.change(s.person("stranger"), "1", "Projets", permits)
	a = s.post("tom", "/admin/folders/Projets/rights/draft", url.Values{"p": {fixed}})
	wantStatus(t, a, 200)
	wantText(t, a, "You do not manage this place.")
	if strings.Contains(a.body, "pending-bar") {
		t.Error("a change where tom does not manage waits")
	}
	wantStatus(t, s.post("tom", "/admin/folders/Projets/rights/apply", url.Values{"p": {fixed}}), 403)
	// A change in another folder is none of that table.
	wantStatus(t, s.post("tom", "/admin/folders/Projets/rights/apply", url.Values{"p": {s.change(s.person("stranger"), "1", "Administration", "")}}), 303)
	if got := s.rightOf("stranger", "Administration", ""); got != havre.RightNone {
		t.Errorf("tom gave %s where he manages nothing", got)
	}
	wantStatus(t, s.post("priya", "/admin/folders/Projets/rights/apply", url.Values{"p": {s.change(s.person("stranger"), "3", "Projets", "")}}), 404)

	// priya manages a subfolder: there and below, not above.
	s.grant("Projets", project, "priya", havre.RightManage)
	pane := "/access" + strings.TrimPrefix(folderAddress("Projets", project), "/f")
	below := pane + "/01%20Esquisse"
	wantStatus(t, s.get("priya", pane), 200)
	wantStatus(t, s.get("priya", below), 200)
	wantStatus(t, s.get("priya", "/access/Projets/"), 404)
	wantStatus(t, s.get("lena", pane), 404)
	change := s.change(s.person("stranger"), "2", "Projets", project+"/01 Esquisse")
	a = s.post("priya", below, url.Values{"r": {change}})
	wantStatus(t, a, 200)
	wantText(t, a, "Effect of your changes", "Sans Droit will be able to edit")
	if got := s.rightOf("stranger", "Projets", project+"/01 Esquisse"); got != havre.RightRead {
		t.Errorf("a look at the effect has set %s", got)
	}
	// Apply without having seen the effect shows it first.
	wantStatus(t, s.post("priya", below, url.Values{"r": {change}, "apply": {"1"}}), 200)
	wantStatus(t, s.post("priya", below, url.Values{"r": {change}, "apply": {"1"}, "seen": {change}}), 303)
	if got := s.rightOf("stranger", "Projets", project+"/01 Esquisse"); got != havre.RightWrite {
		t.Errorf("priya gave %s", got)
	}
	// The pane of one place changes nothing at another.
	root := s.change(s.person("stranger"), "3", "Projets", "")
	wantStatus(t, s.post("priya", below, url.Values{"r": {root}, "apply": {"1"}, "seen": {root}}), 200)
	s.post("priya", below, url.Values{"p": {root}})
	if got := s.rightOf("stranger", "Projets", ""); got != havre.RightNone {
		t.Errorf("priya gave %s above what she manages", got)
	}
}

func TestAccessPane(t *testing.T) {
	s := newTestServer(t)
	s.team()
	s.takeRight("aicha", "Projets") // she manages through Direction
	pane := "/access" + strings.TrimPrefix(folderAddress("Projets", permits), "/f")
	wantStatus(t, s.get("tom", pane), 404) // manages the folder, but Bureau d’études only edits here
	a := s.get("aicha", pane)
	wantStatus(t, a, 200)
	wantText(t, a, "Set here", "Bureau d’études", "From above", "from “Projets”", "replaced by what is set here", "Partenaires Falmouth")
	a = s.post("aicha", pane, url.Values{"add": {"Karim Haddad"}, "right": {"1"}})
	wantText(t, a, "Karim Haddad will be able to read", "Apply 1 change")
	a = s.post("aicha", pane, url.Values{"add": {"@Communication"}, "right": {"2"}})
	wantText(t, a, "Communication", "Apply 1 change")
	a = s.post("aicha", pane, url.Values{"add": {"Nobody"}, "right": {"1"}})
	wantStatus(t, a, 422)
	wantText(t, a, "Nobody and no group is called “Nobody”", `value="Nobody"`)
	a = s.post("aicha", pane, url.Values{"add": {"karim"}, "right": {"king"}})
	wantStatus(t, a, 422)
}

func TestWarnings(t *testing.T) {
	s := newTestServer(t)
	s.takeRight("maelle", "Projets")
	down := s.change(s.person("tom"), "1", "Projets", "")
	a := s.post("maelle", "/admin/rights/draft", url.Values{"p": {down}})
	wantText(t, a, "Nobody will manage “Projets” any more, except administrators.", "Tom Whitfield will only read “Projets”")
	s.grant("Projets", "", "lena", havre.RightManage)
	a = s.post("tom", "/admin/folders/Projets/rights/draft", url.Values{"p": {down}})
	wantText(t, a, "You will no longer manage “Projets” yourself.")
}

func TestGrantMarks(t *testing.T) {
	s := newTestServer(t)
	s.team()
	f := s.folder("Projets").ID
	marks, err := s.hub.GrantMarks(t.Context(), s.caller("tom"), f, svn.Path(project))
	if err != nil || !marks["01 Esquisse"] || !marks[strings.TrimPrefix(permits, project+"/")] || len(marks) != 2 {
		t.Errorf("%v, %v", marks, err)
	}
	if marks, err := s.hub.GrantMarks(t.Context(), s.caller("priya"), f, svn.Path(project)); err != nil || len(marks) != 0 {
		t.Errorf("priya is told %v, %v", marks, err)
	}
}

// TestBook compares what the table shows with what the hub decides, for everybody and every place.
func TestBook(t *testing.T) {
	s := newTestServer(t)
	s.team()
	admin := s.hub.Admin(store.Console)
	b, err := admin.Book(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range b.Places(nil) {
		for _, u := range b.Users {
			why, err := admin.Why(t.Context(), p.Folder, p.Path, u.ID)
			if err != nil {
				t.Fatal(err)
			}
			if got := b.At(hub.Holder{User: u.ID}, p).Right; got != why.Right {
				t.Errorf("%s at %s: the table says %s, the hub %s", u.Name, p.Path, got, why.Right)
			}
		}
	}
}

// TestSeeAs: a manager sees the names that another person would, and the log says so; who manages a part only
// sees that part, and nothing that is closed to himself.
func TestSeeAs(t *testing.T) {
	s := newTestServer(t)
	at := folderAddress("Projets", project)[len("/f"):]
	if a := s.get("tom", "/access"+at+"?as=karim"); a.Header.Get("Location") != "/as/karim"+at {
		t.Errorf("the pane leads to %q, %d", a.Header.Get("Location"), a.StatusCode)
	}
	full, part := s.get("tom", "/as/tom"+at), s.get("tom", "/as/karim"+at)
	wantText(t, full, "02 Avant-projet", "As Tom sees it")
	wantText(t, part, "01 Esquisse", "As Karim sees it", "Names only")
	if strings.Contains(part.body, "02 Avant-projet") {
		t.Error("karim sees what is closed to him")
	}
	wantText(t, s.get("maelle", "/admin/log?kind=folder"), "looked with somebody else’s rights at", "Projets/"+project)
	for person, address := range map[string]string{"aicha": "/as/karim" + at, "karim": "/as/tom" + at, "tom": "/as/tom/Comptabilit%C3%A9"} {
		if a := s.get(person, address); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s at %s: %d", person, address, a.StatusCode)
		}
	}
	wantStatus(t, s.get("tom", "/as/nobody"+at), http.StatusNotFound)

	// aicha manages one directory, in which something is closed to her.
	s.grant("Projets", project+"/01 Esquisse", "aicha", havre.RightManage)
	s.grant("Projets", project+"/01 Esquisse/Notes.md", "aicha", havre.RightNone)
	below := s.get("aicha", "/as/tom"+at+"/01%20Esquisse")
	wantStatus(t, below, http.StatusOK)
	if strings.Contains(below.body, "Notes.md") {
		t.Error("a manager learns a name that is closed to her")
	}
	wantText(t, s.get("tom", "/as/aicha"+at+"/01%20Esquisse"), "Aïcha")
	wantText(t, s.get("maelle", "/as/siobhan/Comptabilit%C3%A9"), "sees nothing here")
}
