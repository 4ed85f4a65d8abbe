package web

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
)

// wildcard is a place in a pattern.
var wildcard = regexp.MustCompile(`\{([a-z]+)(\.\.\.)?\}`)

// samples are values for the places of patterns for which a page exists on the test server.
var samples = map[string]string{
	"folder": "Projets", "path": project, "login": "priya", "person": "priya", "user": "priya",
	"section": "protection",
}

// at fills the places of a pattern, "GET /f/{folder}/{path...}", and returns method and address.
func at(pattern string, values map[string]string) (method, address string) {
	method, address, _ = strings.Cut(pattern, " ")
	address = strings.TrimSuffix(address, "{$}")
	return method, wildcard.ReplaceAllStringFunc(address, func(m string) string {
		name := wildcard.FindStringSubmatch(m)[1]
		v, ok := values[name]
		if !ok {
			v = "1"
		}
		v = url.PathEscape(v)
		if strings.HasSuffix(m, "...}") {
			v = strings.ReplaceAll(v, "%2F", "/")
		}
		return v
	})
}

// TestEveryRouteWithEveryRole walks the table with every role. The handlers are replaced by one that says
// that it was reached, so that only the guard is seen.
func TestEveryRouteWithEveryRole(t *testing.T) {
	s := newTestServer(t)
	if _, err := s.hub.Admin(store.Console).AddFolder(t.Context(), "Privé"); err != nil {
		t.Fatal(err)
	}
	s.grant("Privé", "", "tom", havre.RightWrite) // and nobody else, the administrator included
	table := s.table()
	for i := range table {
		table[i].handle = func(x *exchange) error {
			x.w.WriteHeader(http.StatusTeapot)
			return nil
		}
	}
	s.handler = s.routes(table)

	roles := []string{"", "stranger", "karim", "siobhan", "aicha", "tom", "maelle"}
	places := []struct {
		folder, path    string
		readers, manage []string
	}{
		{"Projets", project, []string{"karim", "siobhan", "aicha", "tom", "maelle"}, []string{"tom", "maelle"}},
		{"Projets", project + "/01 Esquisse/Notes.md", []string{"karim", "siobhan", "aicha", "tom", "maelle"}, []string{"tom", "maelle"}},
		{"Projets", project + "/02 Avant-projet", []string{"siobhan", "aicha", "tom", "maelle"}, []string{"tom", "maelle"}},
		{"Comptabilité", "Salaires.txt", []string{"maelle"}, []string{"maelle"}},
		{"Privé", "", []string{"tom"}, []string{"maelle"}},
		{"Nowhere", "", nil, []string{"maelle"}}, // the handler says that there is none
	}
	signedIn := roles[1:]
	for _, rt := range table {
		for _, place := range places {
			if !strings.Contains(rt.pattern, "{folder}") && place.path != project {
				continue
			}
			if strings.Contains(rt.pattern, "{folder}") && strings.Contains(rt.pattern, "{path...}") == (place.path == "") && !strings.Contains(rt.pattern, "{path...}") && place.path != project && place.folder == "Projets" {
				continue // the folder alone: below it is another question
			}
			allowed := map[need][]string{
				needNothing: roles, needPerson: signedIn, needFolder: place.readers, needManage: place.manage,
				needFolders: {"tom", "maelle"}, needAdmin: {"maelle"},
			}[rt.need]
			method, address := at(rt.pattern, map[string]string{"folder": place.folder, "path": place.path, "login": "priya"})
			for _, person := range roles {
				got := s.send(person, method, address, emptyForm(method, s.csrf(person)))
				if method == http.MethodPatch || method == http.MethodPut || method == http.MethodHead || method == http.MethodDelete {
					r := httptest.NewRequestWithContext(t.Context(), method, "https://havre.test"+address, nil)
					r.Header.Set("X-Csrf", s.csrf(person))
					got = s.do(person, r)
				}
				want := http.StatusTeapot
				switch {
				case slices.Contains(allowed, person):
				case person == "" && method == http.MethodGet:
					want = http.StatusSeeOther
				case person == "":
					want = http.StatusUnauthorized
				default:
					want = http.StatusNotFound
				}
				if got.StatusCode != want {
					t.Errorf("%s for %q at %s/%s: %d, want %d", rt.pattern, person, place.folder, place.path, got.StatusCode, want)
				}
			}
		}
	}
}

func emptyForm(method, csrf string) url.Values {
	if method == http.MethodGet {
		return nil
	}
	return url.Values{"csrf": {csrf}}
}

// TestForgedRequests: nothing that changes anything is done for another page.
func TestForgedRequests(t *testing.T) {
	s := newTestServer(t)
	for _, rt := range s.table() {
		method, address := at(rt.pattern, samples)
		if method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions {
			continue
		}
		for name, change := range map[string]func(*http.Request){
			"no token":  func(*http.Request) {},
			"another's": func(r *http.Request) { r.Header.Set("X-Csrf", s.csrf("tom")) },
			"another origin": func(r *http.Request) {
				r.Header.Set("X-Csrf", s.csrf("maelle"))
				r.Header.Set("Sec-Fetch-Site", "cross-site")
			},
			"origin header": func(r *http.Request) {
				r.Header.Set("X-Csrf", s.csrf("maelle"))
				r.Header.Set("Origin", "https://elsewhere.test")
			},
		} {
			r := httptest.NewRequestWithContext(t.Context(), method, "https://havre.test"+address, nil)
			change(r)
			if got := s.do("maelle", r); got.StatusCode != http.StatusForbidden {
				t.Errorf("%s with %s: %d, want 403", rt.pattern, name, got.StatusCode)
			}
		}
	}
}

// hostile values for every place, parameter and field.
var hostile = []string{
	"../../../../etc/passwd", "..%2f..%2fetc%2fpasswd", `<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`,
	"'; DROP TABLE users; --", "a\x00b", "\xff\xfe", "javascript:alert(1)", "//elsewhere.test/", "-1", "99999999999999999999",
	strings.Repeat("é", 700), "2026-99-99T99:99", "\u202egpj.exe", "..",
}

// isRaw says whether a page contains markup of hostile as it was sent.
func isRaw(page string) bool {
	return strings.Contains(page, `<script>alert`) || strings.Contains(page, `<img src=x onerror`) || strings.Contains(page, `href="javascript:`)
}

// TestHostile sends hostile values to every endpoint, as a person who may write and as an
// administrator: nothing is our fault (500), and no markup comes back as markup.
func TestHostile(t *testing.T) {
	names := parameters(t)
	for _, person := range []string{"aicha", "maelle"} {
		t.Run(person, func(t *testing.T) {
			s := newTestServer(t)
			groups := s.team()
			s.grant("Projets", "", "aicha", havre.RightWrite)
			there := maps.Clone(samples)
			there["group"], there["device"] = "Direction", string(s.device(person, "laptop", "linux/amd64").Device)
			if _, ok := groups["Direction"]; !ok {
				t.Fatal("the group of the samples is not there")
			}
			for _, rt := range s.table() {
				if rt.pattern == "GET /live" || strings.HasPrefix(rt.pattern, "POST /signout") {
					continue // a stream; the end of the session
				}
				if rt.need == needAdmin && person != "maelle" {
					continue // refused before anything is read
				}
				s.attack(t, rt, person, names, there)
			}
		})
	}
}

// TestHostileBackups is the same for the pages of backups, with one that is there.
func TestHostileBackups(t *testing.T) {
	names := parameters(t)
	s := newBackupServer(t)
	s.pads.set("https://pad.goulet.example/p/cr", s.pad("CR réunion chantier"))
	pad := s.add("maelle", "Projets", "Douarnenez", "https://pad.goulet.example/p/cr")
	there := maps.Clone(samples)
	there["source"] = string(pad[0].ID)
	for _, person := range []string{"siobhan", "maelle"} {
		for _, rt := range s.backupRoutes() {
			if rt.need == needAdmin && person != "maelle" {
				continue // refused before anything is read
			}
			s.attack(t, rt, person, names, there)
		}
		if person == "siobhan" { // she reads only
			if a := s.get("maelle", "/backups/"+there["source"]); a.StatusCode != http.StatusOK {
				t.Errorf("afterwards the backup is not there: %s", a.Status)
			}
		}
	}
}

// deeds returns the values of the field that says what a form is for.
func deeds(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("templates/*/*.html")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range deedPattern.FindAllSubmatch(b, -1) {
			found[string(m[1])] = true
		}
	}
	if len(found) < 10 {
		t.Fatalf("only %d deeds are found", len(found))
	}
	return slices.Sorted(maps.Keys(found))
}

var deedPattern = regexp.MustCompile(`name="do" value="([a-z-]+)"`)

// attack sends hostile values in every place, parameter and field of an endpoint; there are values of places
// behind which something is.
func (s *testServer) attack(t *testing.T, rt route, person string, names []string, there map[string]string) {
	t.Helper()
	ids := []string{string(s.user("tom").ID), string(s.folder("Comptabilité").ID)}
	wrong := 0
	look := func(what string, a answer) {
		if wrong == 2 {
			return // the others are likely the same
		}
		if a.StatusCode >= 500 && a.StatusCode != http.StatusInsufficientStorage && a.StatusCode != http.StatusServiceUnavailable {
			wrong++
			t.Errorf("%s with %.60q: %d %.600s", rt.pattern, what, a.StatusCode, s.logged)
		}
		s.logged.Reset()
		if strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") && isRaw(a.body) {
			wrong++
			t.Errorf("%s with %.60q: markup comes back", rt.pattern, what)
		}
	}
	request := func(method, address string, body []byte, kind string) answer {
		r := httptest.NewRequestWithContext(t.Context(), method, "https://havre.test/", bytes.NewReader(body))
		path, query, _ := strings.Cut(address, "?")
		u, err := url.Parse("https://havre.test" + path)
		if err != nil {
			return answer{Response: &http.Response{}}
		}
		u.RawQuery = query
		r.URL, r.RequestURI = u, address
		r.Header.Set("Content-Type", kind)
		r.Header.Set("X-Csrf", s.csrf(person))
		return s.do(person, r)
	}
	const encoded = "application/x-www-form-urlencoded"
	for k, v := range append(slices.Clone(hostile), ids...) {
		places := map[string]string{}
		for _, m := range wildcard.FindAllStringSubmatch(rt.pattern, -1) {
			places[m[1]] = v
		}
		method, address := at(rt.pattern, places)
		if len(places) > 0 && !strings.Contains(address, "/..") && !strings.Contains(address, "/./") {
			look(v, request(method, address, nil, encoded))
		}
		all := url.Values{}
		for _, n := range names {
			all.Set(n, v)
		}
		_, good := at(rt.pattern, there)
		if method == http.MethodGet {
			// A third of the names at a time, for one that is refused hides the others.
			some := url.Values{}
			for j := k % 3; j < len(names); j += 3 {
				some.Set(names[j], v)
			}
			look(v, request(method, good+"?"+some.Encode(), nil, encoded))
			continue
		}
		look(v, request(method, good, []byte(all.Encode()), encoded))
	}
	method, good := at(rt.pattern, there)
	if method == http.MethodGet {
		return
	}
	if strings.Contains(rt.pattern, " /f/") || strings.Contains(rt.pattern, " /backups") || strings.Contains(rt.pattern, " /conflict/") {
		// A form that has one address for all that it may be for goes further with a word that is known.
		for i, deed := range deeds(t) {
			if underRace && i%4 != 0 {
				continue // slow there, and no other code
			}
			all := url.Values{}
			for j, n := range names {
				all.Set(n, hostile[(i+j)%len(hostile)])
			}
			all.Set("do", deed)
			look(deed, request(method, good, []byte(all.Encode()), encoded))
		}
	}
	for _, b := range []struct{ kind, body string }{
		{encoded, "%zz=%"},
		{encoded, "a=" + strings.Repeat("x", maxBody)},
		{"multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"../../x\"\r\n\r\n"},
		{"multipart/form-data", "nothing"},
		{"application/json", `{"a":` + strings.Repeat("[", 10000)},
		{"application/offset+octet-stream", "bytes"},
	} {
		look(b.kind, request(method, good, []byte(b.body), b.kind))
	}
}

// parameters returns the names of all fields and parameters that the pages know.
func parameters(t *testing.T) []string {
	t.Helper()
	found := map[string]bool{}
	for _, p := range []struct{ files, name string }{
		{"*.go", `(?:FormValue|Query\(\)\.Get|Query\(\)\.Has|\.Has|\.Get|PostForm|Query\(\))[\(\[]+"([a-z][a-z_.-]*)"`},
		{"templates/*/*.html", `name="([a-z][a-z_.-]*)"`},
	} {
		files, err := filepath.Glob(p.files)
		if err != nil {
			t.Fatal(err)
		}
		name := regexp.MustCompile(p.name)
		for _, f := range files {
			if strings.HasSuffix(f, "_test.go") {
				continue
			}
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range name.FindAllSubmatch(b, -1) {
				found[string(m[1])] = true
			}
		}
	}
	delete(found, "csrf")
	names := make([]string, 0, len(found))
	for n := range found {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

func TestSecurityHeaders(t *testing.T) {
	s := newTestServer(t)
	for _, path := range []string{"/", "/nowhere", "/static/nothing", "/admin", "/about/licences"} {
		h := s.get("maelle", path).Header
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff",
			"Referrer-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin",
		} {
			if got := h.Get(name); !strings.HasPrefix(got, want) {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		if got := h.Get("Strict-Transport-Security"); got != "" {
			t.Errorf("%s: Strict-Transport-Security is %q", path, got)
		}
	}
	for _, path := range []string{"/nowhere?lang=fr"} {
		if a := s.get("", path); a.StatusCode != http.StatusNotFound || !strings.Contains(a.body, "<html") {
			t.Errorf("%s: %d", path, a.StatusCode)
		}
	}
}

func TestCookiesAreHidden(t *testing.T) {
	s := newTestServer(t)
	a := s.post("tom", "/appearance", url.Values{"theme": {"dark"}, "lang": {"fr"}, "density": {"compact"}, "zone": {"Europe/Paris"}, "back": {"//elsewhere.test/"}})
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/" {
		t.Fatalf("%d to %q", a.StatusCode, a.Header.Get("Location"))
	}
	for _, c := range a.Cookies() {
		if !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteLaxMode || c.Path != "/" {
			t.Errorf("cookie %s: %s", c.Name, fmt.Sprint(c))
		}
	}
	if n := len(a.Cookies()); n != 4 {
		t.Errorf("%d cookies, want 4", n)
	}
	for to, want := range map[string]bool{
		"/": true, "/f/a?b=c": true, "//x": false, "https://x": false, "/\\x": false, "": false, "/\tx": false, "x": false,
	} {
		if localAddress(to) != want {
			t.Errorf("localAddress(%q) is not %v", to, want)
		}
	}
}
