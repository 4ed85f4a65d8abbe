package web

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/havre-cloud/havre/svn"
)

// tusRequest sends a request of the tus protocol.
func (s *testServer) tus(person, method, address string, body []byte, headers ...string) answer {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), method, "https://havre.test"+address, bytes.NewReader(body))
	r.Header.Set("Tus-Resumable", "1.0.0")
	r.Header.Set("X-Csrf", s.csrf(person))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return s.do(person, r)
}

// begin creates an upload for Projets.
func (s *testServer) begin(person string, size int64) answer {
	return s.tus(person, http.MethodPost, "/upload/", nil, "Upload-Length", strconv.FormatInt(size, 10),
		"Upload-Metadata", "folder "+base64.StdEncoding.EncodeToString([]byte("Projets")))
}

func (s *testServer) patch(person, at string, offset int, part []byte) answer {
	return s.tus(person, http.MethodPatch, at, part, "Upload-Offset", strconv.Itoa(offset), "Content-Type", tusKind)
}

// ask sends JSON and decodes the answer.
func (s *testServer) ask(person, address string, question, into any) answer {
	s.t.Helper()
	b, err := json.Marshal(question)
	if err != nil {
		s.t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(s.t.Context(), http.MethodPost, "https://havre.test"+address, bytes.NewReader(b))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	r.Header.Set("X-Csrf", s.csrf(person))
	a := s.do(person, r)
	if a.StatusCode == http.StatusOK && into != nil {
		if err := json.Unmarshal([]byte(a.body), into); err != nil {
			s.t.Fatalf("%v: %s", err, a.body)
		}
	}
	return a
}

// content returns what a file of Projets holds.
func (s *testServer) content(path string) string {
	s.t.Helper()
	at, err := s.hub.Spot(s.t.Context(), s.caller("maelle"), "Projets", svn.Path(path), svn.InvalidRevnum)
	if err != nil {
		s.t.Fatal(err)
	}
	b, _, err := s.hub.ReadSmall(s.t.Context(), at, 10<<20)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

func TestTusResumes(t *testing.T) {
	s := newTestServer(t)
	content := make([]byte, 3000)
	for i := range content {
		content[i] = byte(rand.IntN(256))
	}
	for cut := 0; cut <= len(content); cut += 250 {
		a := s.begin("aicha", int64(len(content)))
		if a.StatusCode != http.StatusCreated || a.Header.Get("Tus-Resumable") != "1.0.0" || a.Header.Get("Upload-Expires") == "" {
			t.Fatalf("create: %d %v", a.StatusCode, a.Header)
		}
		at := a.Header.Get("Location")
		if a := s.patch("aicha", at, 0, content[:cut]); a.StatusCode != http.StatusNoContent || a.Header.Get("Upload-Offset") != strconv.Itoa(cut) {
			t.Fatalf("first part: %d %v", a.StatusCode, a.Header)
		}
		if a := s.patch("aicha", at, cut+1, []byte("x")); a.StatusCode != http.StatusConflict {
			t.Errorf("a gap: %d, want 409", a.StatusCode)
		}
		finish := finishRequest{Files: []finishFile{{ID: strings.TrimPrefix(at, "/upload/"), Place: fmt.Sprintf("tus/%d.bin", cut), Modified: 1_700_000_000_000}}}
		var done outcomesAnswer
		if cut < len(content) {
			if s.ask("aicha", "/finish/Projets", finish, &done); done.Files[0].State != "refused" {
				t.Errorf("half a file: %v", done)
			}
			a := s.tus("aicha", http.MethodHead, at, nil)
			if a.Header.Get("Upload-Offset") != strconv.Itoa(cut) || a.Header.Get("Upload-Length") != "3000" {
				t.Errorf("head: %v", a.Header)
			}
			s.patch("aicha", at, cut, content[cut:])
		}
		if s.ask("aicha", "/finish/Projets", finish, &done); len(done.Files) != 1 || done.Files[0].State != "done" {
			t.Fatalf("finish: %+v", done)
		}
		if got := s.content(fmt.Sprintf("tus/%d.bin", cut)); got != string(content) {
			t.Errorf("cut at %d: other content", cut)
		}
		if a := s.tus("aicha", http.MethodHead, at, nil); a.StatusCode != http.StatusNotFound {
			t.Errorf("after its revision: %d, want 404", a.StatusCode)
		}
	}
}

func TestTusRefuses(t *testing.T) {
	s := newTestServer(t)
	at := s.begin("aicha", 10).Header.Get("Location")
	folder := func(name string) string { return "folder " + base64.StdEncoding.EncodeToString([]byte(name)) }
	for what, c := range map[string]struct {
		got  answer
		want int
	}{
		"another's, head":     {s.tus("tom", http.MethodHead, at, nil), http.StatusNotFound},
		"another's, patch":    {s.patch("tom", at, 0, []byte("x")), http.StatusNotFound},
		"another's, delete":   {s.tus("tom", http.MethodDelete, at, nil), http.StatusNotFound},
		"reader":              {s.begin("siobhan", 10), http.StatusForbidden},
		"without rights":      {s.begin("stranger", 10), http.StatusNotFound},
		"huge":                {s.begin("aicha", 1<<60), http.StatusRequestEntityTooLarge},
		"negative":            {s.begin("aicha", -1), http.StatusUnprocessableEntity},
		"more than announced": {s.patch("aicha", at, 0, make([]byte, 11)), http.StatusRequestEntityTooLarge},
		"offset in letters":   {s.tus("aicha", http.MethodPatch, at, nil, "Upload-Offset", "x", "Content-Type", tusKind), http.StatusUnprocessableEntity},
		"another kind":        {s.tus("aicha", http.MethodPatch, at, nil, "Upload-Offset", "0", "Content-Type", "text/plain"), http.StatusUnsupportedMediaType},
		"another version":     {s.tus("aicha", http.MethodPatch, at, nil, "Tus-Resumable", "0.2.2"), http.StatusPreconditionFailed},
		"no metadata":         {s.tus("aicha", http.MethodPost, "/upload/", nil, "Upload-Length", "1", "Upload-Metadata", "%,,, =\x7f"), http.StatusNotFound},
		"traversal":           {s.tus("aicha", http.MethodPost, "/upload/", nil, "Upload-Length", "1", "Upload-Metadata", folder("../../etc")), http.StatusNotFound},
		"strange name":        {s.tus("aicha", http.MethodHead, "/upload/..%2f..%2fhavre.db-10", nil), http.StatusNotFound},
	} {
		if c.got.StatusCode != c.want {
			t.Errorf("%s: %d, want %d: %s", what, c.got.StatusCode, c.want, c.got.body)
		}
	}
	if a := s.tus("aicha", http.MethodHead, at, nil); a.Header.Get("Upload-Offset") != "0" {
		t.Errorf("something was written: %v", a.Header)
	}
	var done outcomesAnswer
	s.ask("tom", "/finish/Projets", finishRequest{Files: []finishFile{{ID: strings.TrimPrefix(at, "/upload/"), Place: "x"}}}, &done)
	if done.Files[0].State != "lost" {
		t.Errorf("another's upload: %+v", done)
	}
	if a := s.tus("aicha", http.MethodDelete, at, nil); a.StatusCode != http.StatusNoContent {
		t.Errorf("delete: %d", a.StatusCode)
	}
}

// sent is a file of a batch.
type sent struct{ place, existing, content string }

// batch sends small files as the script does.
func (s *testServer) batch(person, address, csrf string, files ...sent) (outcomesAnswer, answer) {
	s.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, f := range files {
		_ = w.WriteField("place", f.place)
		_ = w.WriteField("existing", f.existing)
		p, _ := w.CreateFormFile("file", "name")
		_, _ = p.Write([]byte(f.content))
	}
	_ = w.Close()
	r := httptest.NewRequestWithContext(s.t.Context(), http.MethodPost, "https://havre.test"+address, &b)
	r.Header.Set("Content-Type", w.FormDataContentType())
	r.Header.Set("Accept", "application/json")
	if csrf != "" {
		r.Header.Set("X-Csrf", csrf)
	}
	a := s.do(person, r)
	var out outcomesAnswer
	if a.StatusCode == http.StatusOK {
		if err := json.Unmarshal([]byte(a.body), &out); err != nil {
			s.t.Fatal(err)
		}
	}
	return out, a
}

func TestBatch(t *testing.T) {
	s := newTestServer(t)
	token := s.csrf("aicha")
	head := s.head("Projets")
	many := []sent{}
	for i := range 500 {
		many = append(many, sent{fmt.Sprintf("batch/dir %d/file %d.txt", i%7, i), "", fmt.Sprint(i)})
	}
	out, a := s.batch("aicha", "/upload/Projets", token, many...)
	if a.StatusCode != http.StatusOK || s.head("Projets") != head+1 {
		t.Fatalf("%d, %d revisions: %s", a.StatusCode, s.head("Projets")-head, a.body)
	}
	for i, f := range out.Files {
		if f.State != "done" {
			t.Fatalf("file %d: %+v", i, f)
		}
	}
	// Sent again, as after a lost answer: nothing changes.
	out, _ = s.batch("aicha", "/upload/Projets", token, many[:3]...)
	if out.Files[2].State != "same" || s.head("Projets") != head+1 {
		t.Errorf("again: %+v", out)
	}
	out, a = s.batch(
		"aicha", "/upload/Projets/batch", token,
		sent{"dir 0/file 0.txt", "", "other"},
		sent{"dir 1/file 1.txt", "replace", "newer"},
		sent{"dir 2/file 2.txt", "both", "beside"},
		sent{"dir 3", "", "a directory is there"},
		sent{"../../escape.txt", "", "x"},
		sent{"what?.txt", "", "x"},
		sent{".havre/marker", "", "x"},
		sent{"bad \n name", "", "x"},
		sent{"con.txt", "", "x"},
		sent{"good.txt", "", "good"},
		sent{"good.txt", "", "twice"},
	)
	if a.StatusCode != http.StatusOK {
		t.Fatalf("%d: %s", a.StatusCode, a.body)
	}
	var states []string
	for _, f := range out.Files {
		states = append(states, f.State)
	}
	want := "taken done done taken refused refused done refused refused done taken"
	if got := strings.Join(states, " "); got != want {
		t.Errorf("%s\nwant %s\n%s", got, want, a.body)
	}
	if got := s.content("batch/dir 1/file 1.txt"); got != "newer" {
		t.Errorf("replaced: %q", got)
	}
	if place := out.Files[2].Place; place == "" || s.content(place) != "beside" || s.content("batch/dir 2/file 2.txt") != "2" {
		t.Errorf("both: %q", place)
	}
	for what, c := range map[string]struct {
		person, address, token string
		want                   int
	}{
		"no token":  {"aicha", "/upload/Projets", "", http.StatusForbidden},
		"another's": {"aicha", "/upload/Projets", s.csrf("tom"), http.StatusForbidden},
		"reader":    {"siobhan", "/upload/Projets", s.csrf("siobhan"), http.StatusForbidden},
		"stranger":  {"stranger", "/upload/Projets", s.csrf("stranger"), http.StatusNotFound},
		"no place":  {"aicha", "/upload/Projets/nowhere", token, http.StatusNotFound},
	} {
		head := s.head("Projets")
		_, a := s.batch(c.person, c.address, c.token, sent{"new.txt", "", what})
		if a.StatusCode != c.want || s.head("Projets") != head {
			t.Errorf("%s: %d, want %d: %s", what, a.StatusCode, c.want, a.body)
		}
	}
}

func TestPresent(t *testing.T) {
	s := newTestServer(t)
	var a presentAnswer
	s.ask("aicha", "/present/Projets/"+strings.ReplaceAll(project, " ", "%20")+"/01%20Esquisse", presentRequest{Places: []string{
		"Notes.md", "new.txt", "new/deep/er.txt", "a?.txt", "../x",
	}}, &a)
	if len(a.Files) != 5 || !a.Files[0].Taken || len(a.Files[0].SHA1) != 40 || a.Files[1] != (presentPlace{}) || a.Files[2] != (presentPlace{}) || a.Files[3].Refused == "" || a.Files[4].Refused == "" {
		t.Errorf("%+v", a)
	}
	if got := s.ask("siobhan", "/present/Projets", presentRequest{Places: []string{"x"}}, nil); got.StatusCode != http.StatusForbidden {
		t.Errorf("reader: %d", got.StatusCode)
	}
}

func TestFormWithoutScript(t *testing.T) {
	s := newTestServer(t)
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	_ = w.WriteField("csrf", s.csrf("aicha"))
	for _, name := range []string{"one.txt", "two.txt"} {
		p, _ := w.CreateFormFile("file", name)
		_, _ = p.Write([]byte(name))
	}
	_ = w.Close()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "https://havre.test/upload/Projets", &b)
	r.Header.Set("Content-Type", w.FormDataContentType())
	head := s.head("Projets")
	if a := s.do("aicha", r); a.StatusCode != http.StatusSeeOther || s.head("Projets") != head+1 || s.content("two.txt") != "two.txt" {
		t.Errorf("%d: %s", a.StatusCode, a.body)
	}
}

func TestSearchPages(t *testing.T) {
	s := newTestServer(t)
	for _, c := range []struct {
		person, query string
		want, not     []string
	}{
		{"aicha", "q=facade+nord", []string{"<mark>Façade</mark> <mark>nord</mark>", "Projets / " + project}, []string{"Croquis"}},
		{"aicha", "q=ancien", []string{"Ancien", "Tom", "is-gone"}, nil},
		{"aicha", "q=salaires", []string{"found-none"}, []string{"Salaires.txt"}},
		{"maelle", "q=salaires", []string{"<mark>Salaires</mark>.txt"}, nil},
		{"karim", "q=budget", []string{"found-none"}, []string{"Budget"}},
		{"karim", "q=croquis", []string{"<mark>Croquis</mark>"}, nil},
		{"karim", "", []string{"Croquis"}, []string{"Budget", "Façade"}},
		{"maelle", "q=priya", []string{"/admin/people/priya"}, nil},
		{"tom", "q=priya", nil, []string{"/admin/people"}},
		{"stranger", "", []string{"found-none"}, []string{"Croquis"}},
		{"tom", "q=%3Cscript%3E", []string{"&lt;script&gt;"}, []string{"<script>alert"}},
	} {
		for _, page := range []string{"/search?", "/search/palette?"} {
			a := s.get(c.person, page+c.query)
			if a.StatusCode != http.StatusOK {
				t.Errorf("%s for %s: %d", c.query, c.person, a.StatusCode)
			}
			for _, w := range c.want {
				if !strings.Contains(a.body, w) {
					t.Errorf("%s%s for %s: no %q", page, c.query, c.person, w)
				}
			}
			for _, w := range c.not {
				if strings.Contains(a.body, w) {
					t.Errorf("%s%s for %s: %q", page, c.query, c.person, w)
				}
			}
		}
	}
	// What changes is found at once, and what goes is not any more.
	s.commit("aicha", "Projets", testDir("Neuf"), testFile("Neuf/Zanzibar.txt", "z", svn.InvalidRevnum))
	if a := s.get("tom", "/search?q=zanzi"); !strings.Contains(a.body, "<mark>Zanzi</mark>bar.txt") {
		t.Error("a new file is not found")
	}
	// What was deleted comes back with the button; who only reads has none.
	button := regexp.MustCompile(`action="([^"]+)"><input type="hidden" name="csrf"[^>]*><input type="hidden" name="do" value="bring-back"><input type="hidden" name="at" value="(r\d+)"><input type="hidden" name="item" value="([^"]+)">`)
	m := button.FindStringSubmatch(s.get("aicha", "/search?q=ancien").body)
	if m == nil || button.MatchString(s.get("siobhan", "/search?q=ancien").body) {
		t.Fatalf("the button is %q", m)
	}
	if a := s.post("aicha", html.UnescapeString(m[1]), url.Values{"do": {"bring-back"}, "at": {m[2]}, "item": {m[3]}}); a.StatusCode != http.StatusSeeOther || s.content(project+"/Ancien plan.txt") != "à supprimer\n" {
		t.Errorf("restore: %d %s", a.StatusCode, a.body)
	}
}
