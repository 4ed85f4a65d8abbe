package web

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
)

// permits is the subfolder of the pictures on which rights are set.
const permits = project + "/03 Autorisations (PC, ABF, commission de sécurité)"

// team gives the test server the groups and the rights of groups of the pictures.
func (s *testServer) team() map[string]string {
	s.t.Helper()
	s.log = slog.New(slog.NewTextHandler(s.t.Output(), nil))
	ctx, admin := s.t.Context(), s.hub.Admin(store.Console)
	ids := map[string]string{}
	members := map[string][]string{
		"Toute l’équipe": {"maelle", "tom", "aicha", "priya", "yannick", "lena", "jb", "karim"}, "Bureau d’études": {"jb", "maelle", "priya", "tom", "yannick"},
		"Chantier Capucins": {"lena"}, "Communication": {"lena"}, "Comptabilité": {"aicha"}, "Conseil d’administration": {"karim"},
		"Direction": {"maelle", "aicha"}, "Partenaires Falmouth": {"siobhan"},
	}
	for name, people := range members {
		g, err := admin.AddGroup(ctx, name)
		if err != nil {
			s.t.Fatal(err)
		}
		ids[name] = g.ID
		for _, p := range people {
			if err := admin.SetMember(ctx, g.ID, s.user(p).ID, true); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	if err := admin.SetGroupMember(ctx, ids["Bureau d’études"], ids["Chantier Capucins"], true); err != nil {
		s.t.Fatal(err)
	}
	for _, g := range []struct {
		folder, path, group string
		right               havre.Right
	}{
		{"Administration", "", "Direction", 3},
		{"Administration", "", "Toute l’équipe", 1},
		{"Communication", "", "Direction", 3},
		{"Communication", "", "Communication", 3},
		{"Communication", "", "Toute l’équipe", 1},
		{"Comptabilité", "", "Direction", 2},
		{"Comptabilité", "", "Comptabilité", 3},
		{"Conseil d’administration", "", "Direction", 2},
		{"Conseil d’administration", "", "Conseil d’administration", 3},
		{"Falmouth – shared", "", "Direction", 3},
		{"Falmouth – shared", "", "Bureau d’études", 3},
		{"Falmouth – shared", "", "Partenaires Falmouth", 2},
		{"Photos & archives", "", "Direction", 3},
		{"Photos & archives", "", "Bureau d’études", 2},
		{"Photos & archives", "", "Toute l’équipe", 2},
		{"Photos & archives", "Scans 1911-1978", "Toute l’équipe", 1},
		{"Projets", "", "Direction", 3},
		{"Projets", "", "Bureau d’études", 2},
		{"Projets", "", "Partenaires Falmouth", 1},
		{"Projets", "Dossiers du personnel", "Bureau d’études", 0},
		{"Projets", "Dossiers du personnel", "Partenaires Falmouth", 0},
		{"Projets", permits, "Bureau d’études", 2},
	} {
		err := admin.SetGrant(ctx, store.Grant{Folder: s.folder(g.folder).ID, Path: svn.Path(g.path), Group: ids[g.group], Right: g.right})
		if err != nil {
			s.t.Fatal(err)
		}
	}
	for name, mail := range map[string]string{"aicha": "aicha@goulet.example", "karim": "karim@goulet.example", "lena": "lena@goulet.example"} {
		if err := admin.ChangeUser(ctx, name, func(u *store.User) { u.Email = mail }); err != nil {
			s.t.Fatal(err)
		}
	}
	return ids
}

func wantStatus(t *testing.T, a answer, status int) {
	t.Helper()
	if a.StatusCode != status {
		t.Fatalf("%d, want %d: %.600s", a.StatusCode, status, a.body)
	}
}

func wantText(t *testing.T, a answer, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(a.body, text) {
			_, main, _ := strings.Cut(a.body, "<main")
			t.Errorf("the answer does not contain %q:\n%.3000s", text, main)
		}
	}
}

func TestPeopleList(t *testing.T) {
	s := newTestServer(t)
	s.team()
	a := s.get("maelle", "/admin/people?show=invited")
	wantStatus(t, a, 200)
	wantText(t, a, "Aïcha Benhaddou", "aicha@goulet.example", "Direction", "Folder manager")
	if a := s.get("maelle", "/admin/people?show=invited&q=BENHADOU"); strings.Contains(a.body, "Benhaddou") {
		t.Error("the filter let somebody through")
	}
	wantText(t, s.get("maelle", "/admin/people?show=invited&q=emilie"), "Nobody here is called “emilie”.")
	a = s.get("maelle", "/admin/people?show=invited&q=leNA+mor")
	wantText(t, a, "Léna Morvan")
	if strings.Contains(a.body, "Tom Whitfield") {
		t.Error("the filter let Tom through")
	}
	a = s.get("maelle", "/admin/people?show=invited&group="+url.QueryEscape("Bureau d’études"))
	wantText(t, a, "Léna Morvan", "Priya Nair") // Léna through a group in it
	if strings.Contains(a.body, "Karim Haddad") {
		t.Error("the filter by group let Karim through")
	}
	a = s.get("maelle", "/admin/people?show=invited&sort=-name")
	if strings.Index(a.body, "Yannick Le Goff") > strings.Index(a.body, "Aïcha Benhaddou") {
		t.Error("not sorted downwards")
	}
	wantText(t, a, `aria-sort="descending"`)
}

var joinAddress = regexp.MustCompile(`https://havre\.test/join/([a-z0-9]+)`)

func TestInvitePerson(t *testing.T) {
	s := newTestServer(t)
	s.team()
	form := url.Values{"display": {"Émile Castaing"}, "name": {"emile"}, "email": {"emile@goulet.example"}, "role": {"member"}, "group": {"Communication"}, "expires": {"2090-01-31"}, "quota": {"1,5"}}
	a := s.post("maelle", "/admin/people", form)
	wantStatus(t, a, 200)
	wantText(t, a, "Émile Castaing", "mailto:emile@goulet.example?")
	if a.Header.Get("Cache-Control") != "private, no-cache" && a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("the secret may be cached: %q", a.Header.Get("Cache-Control"))
	}
	if !joinAddress.MatchString(a.body) {
		t.Fatal("no link")
	}
	u := s.user("emile")
	if u.Quota != 1_500_000_000 || u.Expires.Year() != 2090 || u.Email != "emile@goulet.example" || u.Role != store.RoleMember {
		t.Errorf("%+v", u)
	}
	wantText(t, s.get("maelle", "/admin/people/emile"), "Communication", "31\u00a0Jan\u00a02090")
	// The same again: nothing is lost of what was typed.
	a = s.post("maelle", "/admin/people", form)
	wantStatus(t, a, 422)
	wantText(t, a, "Somebody is called emile already", `value="Émile Castaing"`)
	for field, bad := range map[string]string{"email": "no address", "role": "king", "quota": "-1", "expires": "tomorrow", "name": "a/b"} {
		f := url.Values{"display": {"X"}, "name": {"x"}, "role": {"guest"}, field: {bad}}
		wantStatus(t, s.post("maelle", "/admin/people", f), 422)
	}
	if a := s.post("tom", "/admin/people", form); a.StatusCode != http.StatusNotFound {
		t.Errorf("tom invites: %d", a.StatusCode)
	}
}

func TestPersonPage(t *testing.T) {
	s := newTestServer(t)
	s.team()
	a := s.get("maelle", "/admin/people/karim")
	wantStatus(t, a, 200)
	wantText(t, a, "What Karim reaches, and why", "Toute l’équipe", "01 Esquisse", "given to Karim", "Only below", "lowered here")
	for _, c := range []struct{ ask, want string }{
		{"Comptabilité / Paie 2026", "Nothing gives Karim access. “Comptabilité” is open to"},
		{"administration", "Karim can read this because Karim is in Toute l’équipe"},
		{"Nowhere", "There is no folder called “Nowhere”"},
		{"Projets/../x", "There is no folder called “Projets”"},
		{"Conseil d’administration", "Karim can manage this"},
	} {
		wantText(t, s.get("maelle", "/admin/people/karim?reach="+url.QueryEscape(c.ask)), c.want)
	}
	a = s.get("maelle", "/admin/people/lena?reach=Falmouth+–+shared")
	wantText(t, a, "Léna can edit this: it was given to Léna at “Falmouth – shared”.")
	wantText(t, s.get("maelle", "/admin/people/lena?by=reason"), "Toute l’équipe")
	wantStatus(t, s.get("maelle", "/admin/people/nobody"), 404)
}

func TestPersonActions(t *testing.T) {
	s := newTestServer(t)
	s.team()
	form := url.Values{"display": {"Karim H."}, "email": {""}, "role": {"folders"}, "quota": {"2"}}
	wantStatus(t, s.post("maelle", "/admin/people/karim/change", form), 303)
	wantText(t, s.get("maelle", "/admin/people/karim"), "0 B of 2 GB")
	if u := s.user("karim"); u.DisplayName != "Karim H." || u.Role != store.RoleFolders || u.Quota != 2e9 || u.Email != "" {
		t.Errorf("%+v", u)
	}
	wantStatus(t, s.post("maelle", "/admin/people/karim/suspend", url.Values{"suspend": {"1"}}), 303)
	if a := s.get("karim", "/admin/people"); a.StatusCode == http.StatusOK {
		t.Error("karim is still in")
	}
	wantText(t, s.get("maelle", "/admin/people?show=suspended"), "Karim H.")
	wantStatus(t, s.post("maelle", "/admin/people/karim/suspend", url.Values{"suspend": {"0"}}), 303)
	wantStatus(t, s.post("maelle", "/admin/people/karim/groups", url.Values{"group": {"Communication"}}), 303)
	wantText(t, s.get("maelle", "/admin/groups/Communication"), "Karim H.")
	wantStatus(t, s.post("maelle", "/admin/people/karim/groups", url.Values{"group": {"Nobody"}}), 404)
	a := s.post("maelle", "/admin/people/karim/reset", nil)
	wantStatus(t, a, 200)
	if !joinAddress.MatchString(a.body) {
		t.Error("no link for the password")
	}
	wantStatus(t, s.post("maelle", "/admin/people/karim/signout", nil), 303)
	wantText(t, s.get("maelle", "/admin/people/karim?delete"), "All files stay", "cannot be undone")
	wantStatus(t, s.post("maelle", "/admin/people/karim/delete", nil), 303)
	wantStatus(t, s.get("maelle", "/admin/people/karim"), 404)

	// Nobody shuts himself out.
	for _, action := range []string{"suspend", "delete"} {
		wantStatus(t, s.post("maelle", "/admin/people/maelle/"+action, url.Values{"suspend": {"1"}}), 422)
	}
	wantStatus(t, s.post("maelle", "/admin/people/maelle/change", url.Values{"display": {"M"}, "role": {"member"}}), 422)
	for _, action := range []string{"suspend", "delete", "change", "reset", "invite", "signout", "groups"} {
		wantStatus(t, s.post("tom", "/admin/people/lena/"+action, url.Values{"suspend": {"1"}}), 404)
	}
}

// upload posts a table as the browser does.
func (s *testServer) upload(person string, table []byte) answer {
	s.t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	_ = m.WriteField("csrf", s.csrf(person))
	f, err := m.CreateFormFile("table", "people.csv")
	if err != nil {
		s.t.Fatal(err)
	}
	_, _ = f.Write(table)
	_ = m.Close()
	r := httptest.NewRequestWithContext(s.t.Context(), http.MethodPost, "https://havre.test/admin/people/import", &b)
	r.Header.Set("Content-Type", m.FormDataContentType())
	return s.do(person, r)
}

var planField = regexp.MustCompile(`name="plan" value="([0-9a-f]+)"`)

func TestImportPeople(t *testing.T) {
	s := newTestServer(t)
	s.team()
	table := "\xef\xbb\xbfidentifiant;nom;courriel;groupes;rôle;espace\r\n" +
		"emile;Émile Castaing;emile@goulet.example;\"Communication, Stagiaires\";membre;2,5\r\n" +
		"tom;Tom Whitfield;tom@goulet.example;;\r\n" +
		"priya;Priya Nair;;;\r\n" +
		"maelle;Maëlle Kerjean;;;invité\r\n" +
		"emile;Another;;;\r\n" +
		";;not an address;;\r\n" +
		"\"=cmd|'calc'!A0\";\"<script src=x>\";;;guest\r\n" +
		"zoe;Zoé;;;king\r\n" +
		"yves;Yves;;;;much\r\n"
	a := s.upload("maelle", []byte(table))
	wantStatus(t, a, 200)
	wantText(t, a, "2 new people, 1 changed.", "1 stays as it is.", "1 new group will be made: Stagiaires.", "address tom@goulet.example",
		"is an administrator", "emile is in this table twice", "“king” is no role", "“much” is no number of gigabytes", "&lt;script src=x&gt;")
	if strings.Contains(a.body, "<script src=x") {
		t.Error("markup of the table is in the page")
	}
	users, err := s.hub.Admin(store.Console).Users(t.Context())
	if err != nil || len(users) != len(testPeople) {
		t.Fatalf("%d people before it was confirmed, %v", len(users), err)
	}
	plan := planField.FindStringSubmatch(a.body)
	if plan == nil {
		t.Fatalf("no plan:\n%s", a.body)
	}
	text := strings.TrimPrefix(table, "\xef\xbb\xbf")

	// Somebody else makes the account meanwhile: what was confirmed is not what would happen.
	if _, err := s.hub.Admin(store.Console).AddUser(t.Context(), store.NewUser{Name: "emile", Role: store.RoleMember}); err != nil {
		t.Fatal(err)
	}
	a = s.post("maelle", "/admin/people/import", url.Values{"text": {text}, "plan": {plan[1]}})
	wantStatus(t, a, 200)
	wantText(t, a, "Somebody changed accounts meanwhile", "1 new person, 2 changed.")
	plan = planField.FindStringSubmatch(a.body)
	a = s.post("maelle", "/admin/people/import", url.Values{"text": {text}, "plan": {plan[1]}})
	wantStatus(t, a, 200)
	wantText(t, a, "1 person invited, 2 changed.")
	if u := s.user("emile"); u.DisplayName != "Émile Castaing" || u.Email != "emile@goulet.example" || u.Quota != 2_500_000_000 {
		t.Errorf("%+v", u)
	}
	if u := s.user("maelle"); u.Role != store.RoleAdmin {
		t.Error("the administrator is none any more")
	}
	wantText(t, s.get("maelle", "/admin/groups/Stagiaires"), "Émile Castaing")
	if n := len(joinAddress.FindAllString(a.body, -1)); n != 1 {
		t.Errorf("%d links, want 1", n)
	}

	// The table of links: no cell is a formula.
	field := regexp.MustCompile(`(?s)<textarea name="links"[^>]*>(.*?)</textarea>`).FindStringSubmatch(a.body)
	if field == nil {
		t.Fatal("no links")
	}
	links := strings.NewReplacer("&#34;", `"`, "&#39;", "'", "&amp;", "&", "&lt;", "<", "&gt;", ">").Replace(field[1])
	a = s.post("maelle", "/admin/people/links", url.Values{"links": {strings.ReplaceAll(links, "\n", "\r\n")}})
	wantStatus(t, a, 200)
	if cd := a.Header.Get("Content-Disposition"); cd != `attachment; filename="invitations.csv"` {
		t.Error(cd)
	}
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(a.body, "\xef\xbb\xbf"))).ReadAll()
	if err != nil || len(rows) != 2 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for _, c := range rows[1] {
		if strings.HasPrefix(c, "=") || strings.HasPrefix(c, "''") {
			t.Errorf("the cell %q", c)
		}
	}
	wantStatus(t, s.upload("tom", []byte(table)), 404)
}

// TestImportLarge imports a school, through the forms that a browser would send.
func TestImportLarge(t *testing.T) {
	s := newTestServer(t)
	var table strings.Builder
	count := 3000
	if underRace { // which makes it slow, and sees the same code each time
		count = 600
	}
	for i := range count {
		fmt.Fprintf(&table, "personne%d;Étienne Forêt-Évêque n° %d;personne%d@goulet.example;Élèves | Année %d;membre\n", i, i, i, i%3)
	}
	a := s.upload("maelle", []byte(table.String()))
	wantStatus(t, a, 200)
	wantText(t, a, formatNumber("en", int64(count))+" new people", "4 new groups")
	plan := planField.FindStringSubmatch(a.body)
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	for name, value := range map[string]string{"csrf": s.csrf("maelle"), "plan": plan[1], "text": table.String()} {
		_ = m.WriteField(name, value)
	}
	_ = m.Close()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "https://havre.test/admin/people/import", &b)
	r.Header.Set("Content-Type", m.FormDataContentType())
	a = s.do("maelle", r)
	wantStatus(t, a, 200)
	wantText(t, a, formatNumber("en", int64(count))+" people invited")
}

func TestImportNothing(t *testing.T) {
	s := newTestServer(t)
	for name, c := range map[string]struct{ table, want string }{
		"empty":     {"", "There is nobody in this table."},
		"titles":    {"name,email\n", "There is nobody in this table."},
		"a picture": {"\x89PNG\x00\x01\x02", "This is not a text file."},
		"UTF-16":    {"\xff\xfen\x00a\x00", "This is not a text file."},
		"quotes":    {"name\n\"never closed\nx\n", "The table breaks off"},
		"too large": {strings.Repeat("a", maxImportBytes+1), "more than 5 MB"},
	} {
		t.Run(name, func(t *testing.T) {
			a := s.upload("maelle", []byte(c.table))
			wantStatus(t, a, 422)
			wantText(t, a, c.want)
		})
	}
}

func TestReadPeople(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []personLine
	}{
		"no titles, commas":    {"ada,Ada Lovelace,ada@x.example,\"a, b\",administrator\n", []personLine{{Line: 1, Name: "ada", DisplayName: "Ada Lovelace", Email: "ada@x.example", Groups: []string{"a", "b"}, Role: store.RoleAdmin}}},
		"tabs":                 {"name\temail\tgroups\nada\tada@x.example\ta|b\n", []personLine{{Line: 2, Name: "ada", Email: "ada@x.example", Groups: []string{"a", "b"}, Role: store.RoleMember}}},
		"names from addresses": {"nom;courriel\nAda Lovelace;ada@x.example\n", []personLine{{Line: 2, Name: "ada", DisplayName: "Ada Lovelace", Email: "ada@x.example", Role: store.RoleMember}}},
		"blank lines":          {"name\n\n  \nada\n", []personLine{{Line: 4, Name: "ada", Role: store.RoleMember}}},
		"a name with a slash":  {"name\na/b\n", []personLine{{Line: 2, Name: "a/b", Role: store.RoleMember, Problem: "people.import.bad_name", Detail: "a/b"}}},
		"control characters":   {"name\na\x01b\n", []personLine{{Line: 2, Name: "a\x01b", Role: store.RoleMember, Problem: "people.import.bad_name", Detail: "a\x01b"}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readPeople(c.text)
			if err != nil {
				t.Fatal(err)
			}
			for i := range got {
				if got[i].Quota != -1 {
					t.Errorf("line %d bounds the space to %d", got[i].Line, got[i].Quota)
				}
				got[i].Quota, got[i].hasDisplay, got[i].hasMail, got[i].hasRole = 0, false, false, false
			}
			if d := cmp.Diff(c.want, got, cmp.AllowUnexported(personLine{})); d != "" {
				t.Error(d)
			}
		})
	}
	many := "name\n" + strings.Repeat("x\n", maxImportLines+1)
	if _, err := readPeople(many); err == nil {
		t.Error("too many lines are taken")
	}
	if got, err := decodeTable([]byte("L\xe9na;\x80")); got != "Léna;€" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func FuzzReadPeople(f *testing.F) {
	f.Add([]byte("name;email\nada;ada@x.example\n"))
	f.Add([]byte("a,b,c\n\"=1+1\",\"x\ny\",\t\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		text, err := decodeTable(b)
		if err != nil {
			return
		}
		lines, err := readPeople(text)
		if _, ok := errors.AsType[*tableError](err); err != nil && !ok {
			t.Fatal(err)
		}
		for _, l := range lines {
			if l.Problem == "" && store.CheckUserName(l.Name) != nil {
				t.Errorf("the name %q is taken", l.Name)
			}
			out, err := safeTable([][]string{{l.Name, l.DisplayName, l.Email}})
			if err != nil {
				t.Fatal(err)
			}
			rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(out), "\xef\xbb\xbf"))).ReadAll()
			if err != nil {
				t.Fatalf("%q: %v", out, err)
			}
			for _, row := range rows {
				for _, c := range row {
					if c != "" && strings.ContainsRune("=+-@\t\r", rune(c[0])) {
						t.Errorf("%q is a formula", c)
					}
				}
			}
		}
	})
}
