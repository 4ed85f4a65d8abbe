package web

import (
	"bytes"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn/svntest"
)

// subversion is a svnserve with a repository in which havre may write, reader read, and nobody nothing.
type subversion struct {
	*svntest.Server
	t         *testing.T
	repo, url string
}

func newSubversion(t *testing.T) *subversion {
	t.Helper()
	s := &subversion{t: t, repo: filepath.Join(t.TempDir(), "plans")}
	svntest.Run(t, "svnadmin", "create", s.repo)
	for name, text := range map[string]string{
		"svnserve.conf": "[general]\nanon-access = none\nauth-access = write\npassword-db = passwd\nauthz-db = authz\n",
		"authz":         "[/]\nhavre = rw\nreader = r\n",
	} {
		if err := os.WriteFile(filepath.Join(s.repo, "conf", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.passwords("secret")
	svntest.Run(t, "svn", "mkdir", "-q", "-m", "layout", svntest.URL(s.repo, "trunk"))
	s.Server = svntest.Serve(t, s.repo)
	s.url = s.URL("plans")
	return s
}

// passwords sets that of havre.
func (s *subversion) passwords(password string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.repo, "conf", "passwd"), []byte("[users]\nhavre = "+password+"\nreader = r\nnobody = n\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// newForeignTLS returns the address of a server with a certificate that nobody vouches for, and nothing behind it.
func newForeignTLS(t *testing.T) string {
	t.Helper()
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // that the certificate is refused is the test
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL
}

// postFile sends a form with a file.
func (s *testServer) postFile(person, address string, fields url.Values, field, name string, data []byte) answer {
	s.t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	for k := range fields {
		_ = m.WriteField(k, fields.Get(k)) // into memory
	}
	part, err := m.CreateFormFile(field, name)
	if err != nil {
		s.t.Fatal(err)
	}
	_, _ = part.Write(data)
	_ = m.Close()
	r := httptest.NewRequestWithContext(s.t.Context(), http.MethodPost, "https://havre.test"+address, &b)
	r.Header.Set("Content-Type", m.FormDataContentType())
	r.Header.Set("X-Csrf", s.csrf(person))
	return s.do(person, r)
}

// TestRemoteFolderForm: each thing that can be wrong is said in its place, and what was typed stays.
func TestRemoteFolderForm(t *testing.T) {
	s := newTestServer(t)
	far := newSubversion(t)
	tls := newForeignTLS(t)
	form := func(dir, user, password string, more ...string) url.Values {
		v := url.Values{"dir": {dir}, "user": {user}, "password": {password}, "name": {"Plans"}}
		for i := 0; i < len(more); i += 2 {
			v.Set(more[i], more[i+1])
		}
		return v
	}
	at := func(field string) string { return `name="` + field + `"` }
	for _, test := range []struct {
		name  string
		form  url.Values
		field string // that is marked as wrong
		words string
	}{
		{"wrong password", form(far.url, "havre", "x"), "password", "does not let us in"},
		{"no name", form(far.url, "", ""), "password", "does not let us in"},
		{"may not read", form(far.url, "nobody", "n"), "password", "no right to read there"},
		{"may not write", form(far.url, "reader", "r"), "password", "lets us read there, and not write"},
		{"no repository", form(far.url+"x", "havre", "secret"), "dir", "there is no Subversion repository"},
		{"no directory", form(far.url, "havre", "secret", "root", "branches/b"), "dir", "no directory “branches/b”"},
		{"nobody there", form("svn://127.0.0.1:1/plans", "havre", "secret"), "dir", "does not answer"},
		{"another scheme", form("ftp://127.0.0.1/plans", "havre", "secret"), "dir", "begins with svn://"},
		{"neither", form("svn.example.org/plans", "havre", "secret"), "dir", "neither an address nor a directory"},
		{"no such directory", form("/nowhere/at/all", "", ""), "dir", "cannot be read by the server"},
		{"root", form(far.url, "havre", "secret", "root", "a//b"), "root", "cannot be a directory"},
		{"no name for it", form(far.url, "havre", "secret", "name", ""), "name", "is empty"},
		{"certificate", form(tls+"/svn/plans", "havre", "secret"), "", "Is this really 127.0.0.1"},
		{"accepted", form(tls+"/svn/plans", "havre", "secret", "accept", "00"), "", "not the one that was accepted"},
	} {
		a := s.post("maelle", "/admin/folders/adopt", test.form)
		if a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.body, test.words) {
			t.Errorf("%s: %d, without %q", test.name, a.StatusCode, test.words)
			continue
		}
		for _, field := range []string{"dir", "root", "name", "user", "password"} {
			_, tag, _ := strings.Cut(a.body, at(field))
			tag, _, _ = strings.Cut(tag, ">")
			marked := strings.Contains(tag, `aria-invalid="true"`)
			if want := field == test.field || field == "user" && test.field == "password"; marked != want {
				t.Errorf("%s: %s is marked: %v", test.name, field, marked)
			}
			if typed := test.form.Get(field); typed != "" && field != "password" && !strings.Contains(tag, `value="`+typed) {
				t.Errorf("%s: what was typed as %s is gone", test.name, field)
			}
		}
		if !strings.Contains(a.body, `hx-get="/admin/folders"`) {
			t.Errorf("%s: the list behind the form asks elsewhere for itself", test.name)
		}
		if h := a.Header.Get("Cache-Control"); h != "no-store" {
			t.Errorf("%s: a page with a password may be kept: %s", test.name, h)
		}
	}
	// A file that is no certificate is said beside it.
	a := s.postFile("maelle", "/admin/folders/adopt", form(tls+"/svn/plans", "havre", "secret"), "certificate", "me.p12", []byte("nonsense"))
	if a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.body, "neither PEM nor PKCS#12") {
		t.Errorf("a certificate of ours that is none: %d", a.StatusCode)
	}
	// The certificate that is shown can be accepted; there is no repository behind it.
	body := s.post("maelle", "/admin/folders/adopt", form(tls+"/svn/plans", "havre", "secret")).body
	_, key, _ := strings.Cut(body, `name="accept" value="`)
	key, _, _ = strings.Cut(key, `"`)
	a = s.post("maelle", "/admin/folders/adopt", form(tls+"/svn/plans", "havre", "secret", "accept", key))
	if !strings.Contains(a.body, "there is no Subversion repository") || !strings.Contains(a.body, `name="accepted" value="`+key) {
		t.Errorf("with the key %s: %d", key, a.StatusCode)
	}
	if a := s.post("tom", "/admin/folders/adopt", form(far.url, "havre", "secret")); a.StatusCode != http.StatusNotFound {
		t.Errorf("a member adopts: %d", a.StatusCode)
	}
	if _, err := s.hub.Admin(store.Console).FolderByName(t.Context(), "Plans"); havre.CodeOf(err) != havre.CodeNotFound {
		t.Errorf("a folder was made: %v", err)
	}
}

// TestRemoteFolderPages: a folder on another server that goes away, changes its password, and comes back.
func TestRemoteFolderPages(t *testing.T) {
	s := newTestServer(t)
	far := newSubversion(t)
	wantPage(t, s.post("maelle", "/admin/folders/adopt", url.Values{"dir": {far.url}, "root": {"trunk"}, "user": {"havre"}, "password": {"secret"}, "name": {"Plans"}}))
	s.grant("Plans", "", "maelle", havre.RightManage)
	s.grant("Plans", "", "tom", havre.RightManage)
	page := "/admin/folders/Plans/server"
	wantPage(t, s.get("maelle", page), "Connected.", far.url, "/trunk", "havre")
	for who, address := range map[string]string{"tom": page, "maelle": "/admin/folders/Projets/server"} {
		if a := s.get(who, address); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s sees %s: %d", who, address, a.StatusCode)
		}
	}
	wantPage(t, s.get("tom", "/f/Plans"), "Plans")

	far.Stop()
	settle()
	const away = "The Subversion server does not answer."
	if a := s.get("tom", "/f/Plans"); a.StatusCode != http.StatusServiceUnavailable || !strings.Contains(a.body, away) || strings.Contains(a.body, page) {
		t.Errorf("the folder of a server that is away: %d", a.StatusCode)
	}
	wantPage(t, s.get("tom", "/"), "Plans", away)
	wantPage(t, s.get("tom", "/admin/folders/Plans"), away)
	wantPage(t, s.get("maelle", "/admin"), "The Subversion server of Plans does not answer", "See the server", page)
	wantPage(t, s.get("maelle", "/admin/folders"), away)
	wantPage(t, s.get("maelle", page), away, "waits on their devices")

	far.passwords("changed")
	far.Start()
	change := func(user, password string) answer {
		return s.post("maelle", page, url.Values{"user": {user}, "password": {password}})
	}
	if a := change("havre", "secret"); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.body, "does not let us in") {
		t.Errorf("the former password: %d", a.StatusCode)
	}
	for !strings.Contains(s.get("maelle", "/admin").body, "The Subversion server of Plans does not let havre in any more") {
		settle()
	}
	wantPage(t, s.get("maelle", "/admin"), "Give the password")
	if a := change("havre", "changed"); a.Header.Get("Location") != page {
		t.Errorf("the right password: %d", a.StatusCode)
	}
	settle()
	wantPage(t, s.get("maelle", page), "Connected.")
	wantPage(t, s.get("tom", "/f/Plans"), "Plans")
	if a := s.get("maelle", "/admin"); strings.Contains(a.body, "Subversion server of") {
		t.Error("the overview goes on complaining")
	}
	// An empty password keeps the present one, but not for another name.
	if a := change("havre", ""); a.StatusCode != http.StatusSeeOther {
		t.Errorf("the same name without a password: %d", a.StatusCode)
	}
	if a := change("reader", ""); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("another name without a password: %d", a.StatusCode)
	}
}
