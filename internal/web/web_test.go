package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/internal/web/webtest"
	"github.com/havre-cloud/havre/svn"
)

// testServer is a server with invented people and files: those of the pictures in the design.
type testServer struct {
	*Server
	t      *testing.T
	hub    *hub.Hub
	dir    string
	tokens map[string]string // of the sessions, by the person's name
	logged *bytes.Buffer     // what the server says was its fault
	ids    int
}

// people of the test server: maelle administers; karim is a guest; the others are members.
var testPeople = []store.NewUser{
	{Name: "maelle", DisplayName: "Maëlle Kerjean", Role: store.RoleAdmin},
	{Name: "tom", DisplayName: "Tom Whitfield", Role: store.RoleFolders},
	{Name: "aicha", DisplayName: "Aïcha Benhaddou", Role: store.RoleMember},
	{Name: "priya", DisplayName: "Priya Nair", Role: store.RoleMember},
	{Name: "yannick", DisplayName: "Yannick Le Goff", Role: store.RoleMember},
	{Name: "lena", DisplayName: "Léna Morvan", Role: store.RoleMember},
	{Name: "jb", DisplayName: "Jean-Baptiste Delaunay-Rousseau", Role: store.RoleMember},
	{Name: "siobhan", DisplayName: "Siobhán O’Rourke", Role: store.RoleMember},
	{Name: "karim", DisplayName: "Karim Haddad", Role: store.RoleGuest},
	{Name: "stranger", DisplayName: "Sans Droit", Role: store.RoleMember}, // has no rights at all
}

// testFolders of the test server and who may do what; the administrator manages all but the last.
var testFolders = []string{
	"Administration", "Communication", "Comptabilité", "Conseil d’administration", "Falmouth – shared",
	"Pads & sondages", "Photos & archives", "Projets",
}

// project is the directory of the pictures.
const project = "Douarnenez – halle aux poissons"

// newTestServer returns a server of its own for the test, which runs beside others: folders of the
// team, of which "Projets" has the files of the pictures with several versions by several people. tom
// may manage Projets, aicha, priya, yannick, lena and jb may write in it, siobhan may read it, karim
// reads only one subfolder, stranger nothing.
func newTestServer(t *testing.T) *testServer {
	t.Helper()
	t.Parallel()
	seed.once.Do(func() { seed.dir = makeSeed(t) })
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.CopyFS(dir, os.DirFS(seed.dir)); err != nil {
		t.Fatal(err)
	}
	s := openTestServer(t, dir)
	s.ids = 1000 // those below were taken by makeSeed
	for _, p := range testPeople {
		s.tokens[p.Name] = tokenOf(p.Name)
	}
	return s
}

// bareTestServer returns a server without anybody. The test runs beside others.
func bareTestServer(t *testing.T) *testServer {
	t.Helper()
	t.Parallel()
	return openTestServer(t, t.TempDir())
}

// seed is the data directory that newTestServer copies.
var seed struct {
	once sync.Once
	dir  string
}

func TestMain(m *testing.M) {
	webtest.Main(m)
	if err := os.RemoveAll(seed.dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

// makeSeed makes the people, folders and files of newTestServer.
func makeSeed(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "havre-web-") //nolint:usetesting // it is for all tests
	if err != nil {
		t.Fatal(err)
	}
	s := &testServer{t: t, dir: dir, tokens: map[string]string{}}
	if s.hub, err = hub.Open(t.Context(), dir, testHub); err != nil {
		t.Fatal(err)
	}
	admin := s.hub.Admin(store.Console)
	for _, p := range testPeople {
		u, err := admin.AddUser(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		s.session(u)
	}
	rights := map[string]havre.Right{
		"tom": havre.RightManage, "aicha": havre.RightWrite, "priya": havre.RightWrite, "yannick": havre.RightWrite,
		"lena": havre.RightWrite, "jb": havre.RightWrite, "siobhan": havre.RightRead,
	}
	for _, name := range testFolders {
		if _, err := admin.AddFolder(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		s.grant(name, "", "maelle", havre.RightManage)
		if name == "Comptabilité" || name == "Conseil d’administration" {
			continue // of the administrator alone
		}
		for person, right := range rights {
			if name != "Projets" && right == havre.RightManage {
				right = havre.RightWrite
			}
			s.grant(name, "", person, right)
		}
	}
	s.grant("Projets", project+"/01 Esquisse", "karim", havre.RightRead)
	s.fill()
	if err := s.hub.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// testHub are the options of the hub of test servers.
var testHub = hub.Options{ServerName: "Ateliers du Goulet", Version: "test"}

// openTestServer returns the server of a data directory.
func openTestServer(t *testing.T, dir string) *testServer {
	t.Helper()
	h, err := hub.Open(t.Context(), dir, testHub)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	logged := new(bytes.Buffer) // slog's handlers lock
	web, err := New(h, Options{
		Logger:  slog.New(slog.NewTextHandler(logged, &slog.HandlerOptions{Level: slog.LevelError})),
		Version: "test", Fingerprint: strings.Repeat("ab", 32),
	})
	if err != nil {
		t.Fatal(err)
	}
	return &testServer{Server: web, t: t, hub: h, dir: dir, tokens: map[string]string{}, logged: logged}
}

func tokenOf(person string) string { return "token-of-" + person }

// session signs a person in, past the password.
func (s *testServer) session(u *store.User) {
	s.t.Helper()
	db, err := store.Open(s.t.Context(), filepath.Join(s.dir, "havre.db"), store.Options{Program: "test"})
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	token := tokenOf(u.Name)
	sum := sha256.Sum256([]byte(token))
	if _, err := db.AddSession(s.t.Context(), store.Actor{Name: u.Name}, hex.EncodeToString(sum[:]), store.Session{
		User: u.ID, Expires: time.Now().Add(time.Hour), Address: "192.0.2.7", Agent: "Mozilla/5.0 (X11; Linux x86_64) Firefox/142.0",
	}); err != nil {
		s.t.Fatal(err)
	}
	s.tokens[u.Name] = token
}

// user returns an account.
func (s *testServer) user(name string) store.User {
	s.t.Helper()
	users, err := s.hub.Admin(store.Console).Users(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, u := range users {
		if u.Name == name {
			return u
		}
	}
	s.t.Fatalf("there is no %s", name)
	return store.User{}
}

// folder returns a folder.
func (s *testServer) folder(name string) store.Folder {
	s.t.Helper()
	folders, err := s.hub.Admin(store.Console).Folders(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range folders {
		if f.Name == name {
			return f
		}
	}
	s.t.Fatalf("there is no folder %s", name)
	return store.Folder{}
}

// grant gives a person a right on a path.
func (s *testServer) grant(folder, path, person string, right havre.Right) {
	s.t.Helper()
	g := store.Grant{Folder: s.folder(folder).ID, Path: svn.Path(path), User: s.user(person).ID, Right: right}
	if err := s.hub.Admin(store.Console).SetGrant(s.t.Context(), g); err != nil {
		s.t.Fatal(err)
	}
}

// caller is a person as the hub knows it from the browser.
func (s *testServer) caller(name string) *havre.Caller {
	s.t.Helper()
	u := s.user(name)
	return &havre.Caller{User: u.ID, UserName: u.Name, Device: havre.WebDevice(u.ID), DeviceName: "web"}
}

// commit commits changes in a folder in the name of a person.
func (s *testServer) commit(person, folder string, changes ...havre.Change) svn.Revnum {
	s.t.Helper()
	s.ids++
	r, err := s.hub.Commit(s.t.Context(), s.caller(person), havre.Scope{Folder: s.folder(folder).ID},
		&havre.Commit{ID: fmt.Sprintf("test-%d", s.ids), Changes: changes})
	if err != nil {
		s.t.Fatal(err)
	}
	if len(r.Refused) > 0 {
		s.t.Fatalf("refused: %v", r.Refused)
	}
	return r.Rev
}

// head is a folder's youngest revision.
func (s *testServer) head(folder string) svn.Revnum {
	s.t.Helper()
	r, err := s.hub.WaitFolder(s.t.Context(), folder, svn.InvalidRevnum)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// testFile is a change that writes a file; base is svn.InvalidRevnum for a new one.
func testFile(path, content string, base svn.Revnum) havre.Change {
	return havre.Change{
		Kind: havre.ChangePut, Path: svn.Path(path), Base: base, Content: []byte(content),
		Entry: havre.Entry{Kind: havre.KindFile, Size: int64(len(content)), Hash: havre.HashBytes([]byte(content))},
	}
}

// testDir is a change that makes a directory.
func testDir(path string) havre.Change {
	return havre.Change{Kind: havre.ChangePut, Path: svn.Path(path), Base: svn.InvalidRevnum, Entry: havre.Entry{Kind: havre.KindDir}}
}

// fill makes the files of the pictures.
func (s *testServer) fill() {
	s.t.Helper()
	none := svn.InvalidRevnum
	in := func(name string) string { return project + "/" + name }
	s.commit("priya", "Projets", testDir(project), testDir(in("01 Esquisse")), testDir(in("02 Avant-projet")))
	s.commit("priya", "Projets", testFile(in("01 Esquisse/Croquis.txt"), "Croquis de la halle.\n", none), testFile(in("01 Esquisse/Notes.md"), "# Notes\n\n- lumière\n- vent\n", none))
	s.commit("yannick", "Projets", testDir(in("03 Autorisations (PC, ABF, commission de sécurité)")))
	s.commit("lena", "Projets", testDir(in("Photos chantier")), testFile(in("Photos chantier/mur nord.svg"), `<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30"><rect width="40" height="30" fill="teal"/></svg>`, none))
	s.commit("lena", "Projets", testDir(in("Réunions – pads")), testFile(in("Réunions – pads/2026-11-16.md"), "# Réunion\n", none))
	for _, f := range []struct{ person, name, content string }{
		{"maelle", "Compte rendu de chantier n° 14 – 18 novembre 2026.docx", strings.Repeat("compte rendu ", 200)},
		{"jb", "Devis – réhabilitation de la halle aux poissons, lot 4 (menuiseries extérieures, maîtrise d’ouvrage).pdf", "%PDF-1.4\n" + strings.Repeat("devis ", 400)},
		{"tom", "Façade nord – élévation 1-50.dwg", strings.Repeat("AC1032 ", 900)},
		{"tom", "Fish market – structural notes for the Falmouth team.md", "# Structural notes\n\nThe roof carries **2.4 kN/m²**.\n"},
		{"maelle", "Planning travaux, tranche 1.ods", strings.Repeat("planning ", 60)},
		{"lena", "Plan masse.jpg", testImage()},
		{"priya", "Présentation au conseil municipal – version longue avec annexes.pptx", strings.Repeat("présentation ", 50)},
		{"lena", "Tour de la halle au drone.mp4", strings.Repeat("drone ", 300)},
		{"aicha", "Budget prévisionnel 2026-2027.xlsx", "poste;montant\ngros œuvre;120000\n"},
		{"tom", "Ancien plan.txt", "à supprimer\n"},
	} {
		s.commit(f.person, "Projets", testFile(in(f.name), f.content, none))
	}
	notes := in("Fish market – structural notes for the Falmouth team.md")
	for i, person := range []string{"siobhan", "priya", "tom"} {
		if person == "siobhan" {
			continue // reads only
		}
		s.commit(person, "Projets", testFile(notes, fmt.Sprintf("# Structural notes\n\nThe roof carries **2.%d kN/m²**.\n\nChecked by %s.\n", 5+i, person), s.head("Projets")))
	}
	s.commit("aicha", "Projets", testFile(in("Budget prévisionnel 2026-2027.xlsx"), "poste;montant\ngros œuvre;125000\nmenuiseries;48000\n", s.head("Projets")))
	s.commit("tom", "Projets", havre.Change{Kind: havre.ChangeDelete, Path: svn.Path(in("Ancien plan.txt")), Base: s.head("Projets")})
	s.commit("maelle", "Comptabilité", testFile("Salaires.txt", "secret\n", none))
	s.commit("aicha", "Administration", testFile("Statuts.txt", "Article premier.\n", none))
}

// testImage is a small JPEG.
func testImage() string {
	m := image.NewRGBA(image.Rect(0, 0, 320, 240))
	for i := range m.Pix {
		m.Pix[i] = byte(i*7 ^ i>>9)
	}
	var b strings.Builder
	if err := jpeg.Encode(&b, m, nil); err != nil {
		panic(err)
	}
	return b.String()
}

// answer is what the server said.
type answer struct {
	*http.Response
	body string
}

// get asks for a page as a person, a stranger if empty, in English.
func (s *testServer) get(person, path string) answer {
	return s.send(person, http.MethodGet, path, nil)
}

// post sends a form as a person, with the token that its page would have.
func (s *testServer) post(person, path string, fields url.Values) answer {
	if fields == nil {
		fields = url.Values{}
	}
	if !fields.Has("csrf") {
		fields.Set("csrf", s.csrf(person))
	}
	return s.send(person, http.MethodPost, path, fields)
}

// csrf returns the token of a person's forms.
func (s *testServer) csrf(person string) string {
	secret := "visitor"
	if person != "" {
		secret = s.tokens[person]
	}
	x := &exchange{secret: secret}
	return x.csrf()
}

func (s *testServer) send(person, method, path string, fields url.Values) answer {
	s.t.Helper()
	var body io.Reader
	if fields != nil {
		body = strings.NewReader(fields.Encode())
	}
	r := httptest.NewRequestWithContext(s.t.Context(), method, "https://havre.test"+path, body)
	if fields != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return s.do(person, r)
}

// do sends a request as a person.
func (s *testServer) do(person string, r *http.Request) answer {
	s.t.Helper()
	if person != "" {
		r.AddCookie(&http.Cookie{Name: cookieSession, Value: s.tokens[person]})
	} else {
		r.AddCookie(&http.Cookie{Name: cookieVisitor, Value: "visitor"})
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return answer{w.Result(), w.Body.String()}
}

// addressOf returns the address of a path in the directory of the pictures.
func addressOf(names ...string) string {
	return folderAddress("Projets", strings.Join(append([]string{project}, names...), "/"))
}
