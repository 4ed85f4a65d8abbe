package etherpad

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/internal/source"
	"github.com/havre-cloud/havre/internal/source/etherpad/changeset"
	"github.com/havre-cloud/havre/internal/source/sourcetest"
)

// made is a pad that is made up, revision by revision.
type made struct {
	name    string
	pool    changeset.Pool
	text    string
	records []string
	authors []string
	chat    int
	saved   []string
}

var longAgo = time.Date(2026, 3, 4, 10, 0, 0, 0, time.UTC)

func newPad(name, text string) *made { return newPadAt(name, 0, text) }

func newPadAt(name string, minute int, text string) *made {
	m := &made{name: name, text: "\n"}
	return m.write("", minute, text)
}

// write makes a revision that replaces the text.
func (m *made) write(author string, minute int, text string) *made {
	text += "\n"
	op := func(code, s string) string {
		if s == "" {
			return ""
		}
		attribs := ""
		if code == "+" && author != "" {
			attribs = "*" + strconv.FormatInt(int64(m.pool.Put(changeset.Attrib{Key: "author", Value: author})), 36)
		}
		return attribs + "|" + strconv.FormatInt(int64(strings.Count(s, "\n")), 36) + code + strconv.FormatInt(int64(len(s)), 36)
	}
	sign, diff := ">", len(text)-len(m.text)
	if diff < 0 {
		sign, diff = "<", -diff
	}
	change := "Z:" + strconv.FormatInt(int64(len(m.text)), 36) + sign + strconv.FormatInt(int64(diff), 36) + op("-", m.text) + op("+", text) + "$" + text
	at := longAgo.Add(time.Duration(minute) * time.Minute).UnixMilli()
	m.records = append(m.records, fmt.Sprintf(`"pad:%s:revs:%d":{"changeset":%q,"meta":{"author":%q,"timestamp":%d}}`, m.name, len(m.records), change, author, at))
	m.text = text
	if author != "" && !slices.Contains(m.authors, author) {
		m.authors = append(m.authors, author)
	}
	return m
}

func (m *made) file() string {
	attribs := ""
	var pool []string
	for n := range m.pool.Len() {
		a, _ := m.pool.Attrib(n)
		pool = append(pool, fmt.Sprintf(`"%d":[%q,%q]`, n, a.Key, a.Value))
	}
	d := m.records[len(m.records)-1]
	if i := strings.LastIndex(d, "|"); i > 0 { // of the last insertion
		if j := strings.LastIndex(d[:i], "*"); j > 0 && !strings.ContainsAny(d[j:i], "-$:") {
			attribs = d[j:i]
		}
	}
	attribs += fmt.Sprintf("|%s+%s", strconv.FormatInt(int64(strings.Count(m.text, "\n")), 36), strconv.FormatInt(int64(len(m.text)), 36))
	all := []string{fmt.Sprintf(`"pad:%s":{"atext":{"text":%q,"attribs":%q},"pool":{"numToAttrib":{%s},"nextNum":%d},"head":%d,"chatHead":%d,"publicStatus":false,"savedRevisions":[%s]}`,
		m.name, m.text, attribs, strings.Join(pool, ","), m.pool.Len(), len(m.records)-1, m.chat-1, strings.Join(m.saved, ","))}
	for _, a := range m.authors {
		all = append(all, fmt.Sprintf(`"globalAuthor:%s":{"colorId":3,"name":%q,"timestamp":1,"padIDs":%q}`, a, "Name of "+a, m.name))
	}
	all = append(all, m.records...)
	for n := range m.chat {
		all = append(all, fmt.Sprintf(`"pad:%s:chat:%d":{"text":"hello","userId":"a.1","time":%d}`, m.name, n, longAgo.UnixMilli()))
	}
	return "{" + strings.Join(all, ",") + "}"
}

// answer is what an instance says to one address.
type answer struct {
	status     int
	kind, body string
	header     map[string]string
}

// instance answers as Etherpad does.
type instance struct {
	mu       sync.Mutex
	answers  map[string]answer // by path
	requests []string          // path and status
	last     *http.Request
	check    func(r *http.Request) (answer, bool) // of who may read
}

func (i *instance) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.last = r
	path := r.URL.EscapedPath()
	a, ok := i.answers[path]
	if !ok {
		a = answer{status: 404, kind: "text/html", body: "<!DOCTYPE html>\n<html lang=\"en\"><head><title>Error</title></head><body><pre>Cannot GET " + path + "</pre></body></html>"}
	}
	if i.check != nil {
		if refused, ok := i.check(r); ok {
			a = refused
		}
	}
	for key, value := range a.header {
		w.Header().Set(key, value)
	}
	w.Header().Set("Content-Type", a.kind+"; charset=utf-8")
	if strings.Contains(path, "/export/") && a.status == 200 && w.Header().Get("Content-Disposition") == "" {
		w.Header().Set("Content-Disposition", `attachment; filename="pad"`)
		etag := fmt.Sprintf(`W/"%x"`, sha256.Sum256([]byte(a.body)))
		w.Header().Set("ETag", etag)
		if r.Header.Get("If-None-Match") == etag {
			a.status = 304
		}
	}
	i.requests = append(i.requests, path[strings.LastIndexByte(path, '/')+1:]+" "+strconv.Itoa(a.status))
	w.WriteHeader(a.status)
	if a.status != 304 {
		_, _ = io.WriteString(w, a.body)
	}
}

// set changes the exports of the pad "demo".
func (i *instance) set(m *made) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.answers["/p/demo/export/etherpad"] = answer{status: 200, kind: "application/octet-stream", body: m.file()}
	i.answers["/p/demo/export/txt"] = answer{status: 200, kind: "text/plain", body: m.text}
	i.answers["/p/demo/export/html"] = answer{status: 200, kind: "text/html", body: "<!doctype html><html><head><title>demo</title></head><body>" + strings.ReplaceAll(m.text, "\n", "<br>") + "</body></html>"}
}

// put changes one answer.
func (i *instance) put(path string, a answer) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.answers[path] = a
}

// asked returns the requests since it was called last.
func (i *instance) asked() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	defer func() { i.requests = nil }()
	return strings.Join(i.requests, ", ")
}

func newInstance() *instance { return &instance{answers: map[string]answer{}} }

// at returns the document of a pad on a network, and a client of it.
func at(t *testing.T, i http.Handler, name string) (source.Document, *source.Client) {
	t.Helper()
	n := sourcetest.NewNetwork(t)
	n.Serve("pads.test", i)
	c := n.Client(source.ClientOptions{AllowPrivate: true, TempDir: t.TempDir()})
	return source.Document{Address: source.Address{
		Kind: source.KindEtherpad, Instance: "http://pads.test", Name: name, URL: padURL("http://pads.test", name),
	}}, c
}

// contents returns the files of a copy by extension.
func contents(t *testing.T, c *source.Copy) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, f := range c.Files {
		for range 2 { // as often as it is called
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(r)
			if err != nil || r.Close() != nil {
				t.Fatal(err)
			}
			if int64(len(b)) != f.Size {
				t.Errorf("%s has %d bytes, %d were announced", f.Ext, len(b), f.Size)
			}
			all[f.Ext] = string(b)
		}
	}
	return all
}

// fetched fetches a pad and takes over its state, unless it is suspect.
func fetched(t *testing.T, c *source.Client, d *source.Document) *source.Copy {
	t.Helper()
	got, err := New().Fetch(t.Context(), c, *d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := got.Close(); err != nil {
			t.Error(err)
		}
	})
	if got.Suspect == "" && got.State != nil {
		d.State = got.State
	}
	return got
}

func TestFetchSamples(t *testing.T) {
	const readOnly = "r.147db530583decd176cce1e8a8626e80"
	for _, version := range versions {
		for _, name := range []string{"demo", readOnly} {
			i := newInstance()
			file := "demo.etherpad"
			if name == readOnly {
				file = "readonly-export.etherpad"
			}
			i.put("/p/"+name+"/export/etherpad", answer{status: 200, kind: "application/octet-stream", body: string(sample(t, version, file))})
			d, c := at(t, i, name)
			got := fetched(t, c, &d)
			files := contents(t, got)
			if files[".txt"] != string(sample(t, version, "demo.txt")) {
				t.Errorf("%s of %s: %q", name, version, files[".txt"])
			}
			checkHTML(t, files[".html"])
			if !strings.Contains(files[".md"], "- point un\n  - point deux\n1. num un\n") {
				t.Errorf("%q", files[".md"])
			}
			if doc := open(t, []byte(files[".etherpad"])); doc.Name() != name || doc.Head() != 19 || doc.ChatHead() != 3 {
				t.Error(doc.Name(), doc.Head())
			}
			if name == readOnly {
				for ext, content := range files {
					if strings.Contains(content, "demo") {
						t.Errorf("%s of %s has the name with which one can write", ext, version)
					}
				}
				if got.Title != "TITRE du pad — été 2026" {
					t.Error(got.Title)
				}
				if strings.Contains(string(got.State), "demo") {
					t.Error("the state has the name:", string(got.State))
				}
			} else if got.Title != "demo" || files[".etherpad"] != string(sample(t, version, file)) {
				t.Error(got.Title, "or its file is another")
			}
			if !slices.Equal(got.Authors, []string{"Zoé 日本", "Bob"}) || got.Summary != "29 words" || got.Changed.Year() != 2026 || len(got.Notes) > 0 || got.Suspect != "" {
				t.Errorf("%+v", got)
			}
			if again := fetched(t, c, &d); !again.Unchanged || len(again.Files) > 0 {
				t.Errorf("%+v", again)
			}
			if asked := i.asked(); asked != "etherpad 200, etherpad 304" {
				t.Error(asked)
			}
		}
	}
}

func TestFetchChanges(t *testing.T) {
	i := newInstance()
	pad := newPad("demo", "Welcome").write("a.1", 1, "one two three")
	i.set(pad)
	d, c := at(t, i, "demo")
	if got := fetched(t, c, &d); got.Unchanged || got.Suspect != "" || !slices.Equal(got.Authors, []string{"Name of a.1"}) || !got.Changed.Equal(longAgo.Add(time.Minute)) {
		t.Errorf("%+v", got)
	}
	// An author's visit changes the bytes, not the pad.
	i.put("/p/demo/export/etherpad", answer{status: 200, kind: "application/octet-stream", body: strings.Replace(pad.file(), `"timestamp":1,`, `"timestamp":2,`, 1)})
	if got := fetched(t, c, &d); !got.Unchanged {
		t.Errorf("%+v", got)
	}
	i.set(pad.write("a.2", 2, "one two three four"))
	if got := fetched(t, c, &d); got.Unchanged || got.Suspect != "" || !slices.Equal(got.Authors, []string{"Name of a.2"}) || got.Summary != "4 words" {
		t.Errorf("%+v", got)
	}
	pad.chat = 1
	i.set(pad)
	if got := fetched(t, c, &d); got.Unchanged || got.Suspect != "" || len(got.Authors) > 0 {
		t.Errorf("chat: %+v", got)
	}
	pad.saved = append(pad.saved, `{"revNum":1,"savedById":"a.1","label":"x","timestamp":1,"id":"y"}`)
	i.set(pad)
	if got := fetched(t, c, &d); got.Unchanged || got.Suspect != "" {
		t.Errorf("saved revision: %+v", got)
	}
	// The text is as before, but there was an edit.
	i.set(pad.write("a.1", 3, "x").write("a.1", 4, "one two three four"))
	if got := fetched(t, c, &d); got.Unchanged || got.Suspect != "" {
		t.Errorf("undone edit: %+v", got)
	}
	if got := fetched(t, c, &d); !got.Unchanged {
		t.Errorf("%+v", got)
	}
}

func TestFetchSuspects(t *testing.T) {
	good := func() *made { return newPad("demo", "Welcome").write("a.1", 1, "one").write("a.1", 2, "one two three") }
	for _, test := range []struct {
		name, suspect string
		pad           *made
	}{
		{"emptied", "emptied", good().write("a.2", 3, " \n")},
		{"default text again", "with which it began", good().write("a.2", 3, "Welcome")},
		{"made anew after a purge", "another pad has this name now", newPadAt("demo", 59, "Welcome").write("a.2", 60, "w")},
		{"made anew and long since written in", "another pad has this name now", newPadAt("demo", 59, "Welcome").write("a.2", 60, "other").write("a.2", 61, "others").write("a.2", 62, "much other text")},
		{"another history", "the history of the pad is another", newPad("demo", "Welcome").write("a.1", 1, "one").write("a.2", 2, "one two").write("a.2", 3, "one two three")},
		{"restored from a backup", "became shorter", newPad("demo", "Welcome").write("a.1", 1, "one")},
		{"history made shorter", "only 2 of the 3 revisions", newPadAt("demo", 2, "Welcome").write("a.1", 2, "one two three")},
		{"made anew with the same text", "", newPad("demo", "Hello").write("a.2", 60, "x").write("a.2", 61, "y").write("a.2", 62, "one two three")},
		{"written in", "", good().write("a.2", 3, "one")},
	} {
		t.Run(test.name, func(t *testing.T) {
			i := newInstance()
			i.set(good())
			d, c := at(t, i, "demo")
			fetched(t, c, &d)
			i.set(test.pad)
			for range 2 {
				got := fetched(t, c, &d)
				if test.suspect == "" {
					if got.Suspect != "" {
						t.Fatalf("it is suspect: %s", got.Suspect)
					}
					return
				}
				if !strings.Contains(got.Suspect, test.suspect) {
					t.Fatalf("%q, want %q", got.Suspect, test.suspect)
				}
				if len(got.Files) != 4 {
					t.Fatalf("there are %d files to look at", len(got.Files))
				}
			}
			i.set(good().write("a.2", 5, "one two three four"))
			if got := fetched(t, c, &d); got.Suspect != "" || got.Unchanged {
				t.Errorf("it came back and is %+v", got)
			}
		})
	}
	t.Run("an empty pad is no loss", func(t *testing.T) {
		i := newInstance()
		i.set(newPad("demo", ""))
		d, c := at(t, i, "demo")
		fetched(t, c, &d)
		i.set(newPad("demo", "").write("a.1", 1, "x").write("a.1", 2, ""))
		if got := fetched(t, c, &d); got.Suspect != "" || got.Summary != "empty" {
			t.Errorf("%+v", got)
		}
	})
}

func TestFetchRefusals(t *testing.T) {
	page := "<!doctype html><title>Welcome to the hotel</title>"
	small := newPad("demo", "x").file()
	for _, test := range []struct {
		name   string
		answer answer
		reason source.Reason
	}{
		{"no pad", answer{status: 404, kind: "text/html", body: "<pre>Cannot GET /p/demo/export/etherpad</pre>"}, source.ReasonGone},
		{"forbidden name", answer{status: 404, kind: "text/html", body: "Such a padname is forbidden"}, source.ReasonGone},
		{"another server's 404", answer{status: 404, kind: "text/html", body: page}, source.ReasonForeign},
		{"private", answer{status: 403, kind: "text/html", body: "403 - Can't touch this"}, source.ReasonPrivate},
		{"authentication", answer{status: 401, kind: "text/html", body: "Authentication Required", header: map[string]string{"WWW-Authenticate": `Basic realm="Protected Area"`}}, source.ReasonPassword},
		{"only members' pads", answer{status: 401, kind: "application/json", body: `{"error":"BACKEND.ERROR.PERMISSION.UNEXPECTED"}`}, source.ReasonPrivate},
		{"limit", answer{status: 429, kind: "text/html", body: "Too many requests, please try again later.", header: map[string]string{"Retry-After": "90"}}, source.ReasonLimited},
		{"a check against robots", answer{status: 403, kind: "text/html", body: page, header: map[string]string{"Cf-Mitigated": "challenge"}}, source.ReasonForeign},
		{"maintenance", answer{status: 503, kind: "text/html", body: page}, source.ReasonDown},
		{"a gateway without Etherpad behind", answer{status: 502, kind: "text/html", body: page}, source.ReasonDown},
		{"redirect to a page", answer{status: 302, kind: "text/html", header: map[string]string{"Location": "https://hotel.test/login"}}, source.ReasonForeign},
		{"redirect for ever", answer{status: 302, kind: "text/html", header: map[string]string{"Location": "/p/demo/export/etherpad"}}, source.ReasonForeign},
		{"password of MyPads", answer{status: 302, kind: "text/html", header: map[string]string{"Location": "/mypads/index.html?/mypads/group/g/pad/view/demo"}}, source.ReasonPassword},
		{"not enabled", answer{status: 200, kind: "text/html", body: "This export is not enabled at this Etherpad instance."}, source.ReasonForeign},
		{"captive portal", answer{status: 200, kind: "text/html", body: page}, source.ReasonForeign},
		{"captive portal that lies", answer{status: 200, kind: "application/octet-stream", body: page}, source.ReasonDamaged},
		{"nothing", answer{status: 200, kind: "application/octet-stream"}, source.ReasonDamaged},
		{"half", answer{status: 200, kind: "application/octet-stream", body: small[:len(small)/2]}, source.ReasonDamaged},
		{"cut", answer{status: 200, kind: "application/octet-stream", body: small, header: map[string]string{"Content-Length": "100000"}}, source.ReasonDamaged},
		{"not modified, unasked", answer{status: 304, kind: "text/html"}, source.ReasonForeign},
	} {
		t.Run(test.name, func(t *testing.T) {
			i := newInstance()
			i.put("/p/demo/export/etherpad", test.answer)
			d, c := at(t, i, "demo")
			_, err := New().Fetch(t.Context(), c, d)
			e, ok := errors.AsType[*source.Error](err)
			if !ok || e.Reason != test.reason || e.Text == "" {
				t.Fatalf("%v (%+v), want %s", err, e, test.reason)
			}
			if test.reason == source.ReasonLimited && time.Until(e.Until) < time.Minute {
				t.Error("it may be asked again at", e.Until)
			}
			// The same, and the good copy stays, when there was one before.
			i = newInstance()
			i.set(newPad("demo", "x").write("a.1", 1, "one two"))
			d, c = at(t, i, "demo")
			fetched(t, c, &d)
			i.put("/p/demo/export/etherpad", test.answer)
			if test.answer.status == 304 {
				return
			}
			if got, err := New().Fetch(t.Context(), c, d); err == nil {
				t.Errorf("a copy: %+v", got)
			}
		})
	}
	t.Run("a proxy's 404 before an Etherpad", func(t *testing.T) {
		i := newInstance()
		i.put("/p/demo/export/etherpad", answer{status: 404, kind: "text/html", body: page})
		i.put("/api", answer{status: 200, kind: "application/json", body: string(sample(t, "2.5.3", "api.json"))})
		d, c := at(t, i, "demo")
		if _, err := New().Fetch(t.Context(), c, d); reason(t, err) != source.ReasonGone {
			t.Error(err)
		}
	})
	t.Run("not a pad's name", func(t *testing.T) {
		i := newInstance()
		d, c := at(t, i, "a$b")
		if _, err := New().Fetch(t.Context(), c, d); err == nil || i.asked() != "" {
			t.Error(err)
		}
	})
}

// TestFetchName asks for a name as Etherpad writes it, for any other one redirects for ever.
func TestFetchName(t *testing.T) {
	i := newInstance()
	i.put("/p/a_b_c/export/etherpad", answer{status: 200, kind: "application/octet-stream", body: newPad("a_b_c", "x").file()})
	d, c := at(t, i, "a  b:c")
	if got := fetched(t, c, &d); got.Title != "a_b_c" {
		t.Error(got.Title)
	}
}

func TestFetchSecrets(t *testing.T) {
	const group = "g.PgvxU8l9cDg0XkSk$pub"
	path := "/p/" + group + "/export/etherpad"
	for _, test := range []struct {
		name    string
		secrets source.Secrets
		refused answer
		allowed func(r *http.Request) bool
		reason  source.Reason
	}{
		{"Basic", source.Secrets{User: "zoé", Password: "p"}, answer{status: 401, kind: "text/html", header: map[string]string{"WWW-Authenticate": "Basic"}}, func(r *http.Request) bool {
			user, password, _ := r.BasicAuth()
			return user == "zoé" && password == "p"
		}, source.ReasonPassword},
		{"session", source.Secrets{Session: "s.0123456789abcdef,s.0123456789abcdeg"}, answer{status: 403, kind: "text/html"}, func(r *http.Request) bool {
			return r.Header.Get("Cookie") == "sessionID=s.0123456789abcdef,s.0123456789abcdeg"
		}, source.ReasonPrivate},
		{"MyPads", source.Secrets{Password: "sécret"}, answer{status: 302, kind: "text/html", header: map[string]string{"Location": "/mypads/"}}, func(r *http.Request) bool {
			return r.URL.Query().Get("mypadspassword") == "c8OpY3JldA=="
		}, source.ReasonPassword},
	} {
		t.Run(test.name, func(t *testing.T) {
			i := newInstance()
			i.put(path, answer{status: 200, kind: "application/octet-stream", body: string(sample(t, "1.8.14", "group-public.etherpad"))})
			i.check = func(r *http.Request) (answer, bool) { return test.refused, !test.allowed(r) }
			d, c := at(t, i, group)
			_, err := New().Fetch(t.Context(), c, d)
			if e, ok := errors.AsType[*source.Error](err); !ok || e.Reason != test.reason {
				t.Errorf("without: %v", err)
			}
			d.Secrets = test.secrets
			got := fetched(t, c, &d)
			if got.Title != "pub" || bytes.Contains(got.State, []byte("cret")) {
				t.Error(got.Title, string(got.State))
			}
			d.Secrets = source.Secrets{User: "x", Password: "wrong", Session: "s.0123456789abcdeX"}
			if _, err := New().Fetch(t.Context(), c, d); err == nil || strings.Contains(err.Error(), "wrong") {
				t.Error("with a wrong one:", err)
			}
		})
	}
	// What moved elsewhere does not get them.
	i, other := newInstance(), newInstance()
	i.put(path, answer{status: 301, kind: "text/html", header: map[string]string{"Location": "http://other.test" + path}})
	n := sourcetest.NewNetwork(t)
	n.Serve("pads.test", i)
	n.Serve("other.test", other)
	c := n.Client(source.ClientOptions{AllowPrivate: true, TempDir: t.TempDir()})
	d := source.Document{Address: source.Address{Instance: "http://pads.test", Name: group}, Secrets: source.Secrets{Password: "p"}}
	if _, err := New().Fetch(t.Context(), c, d); err == nil || other.asked() != "" {
		t.Error("the other instance was asked", err)
	}
	other.put(path, answer{status: 200, kind: "application/octet-stream", body: string(sample(t, "1.8.14", "group-public.etherpad"))})
	d.Secrets = source.Secrets{}
	fetched(t, c, &d)
}

// TestFetchDamagedPad has a pad that the instance cannot export.
func TestFetchDamagedPad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newInstance()
		i.set(newPad("demo", "x").write("a.1", 1, "one\ntwo"))
		broken := answer{status: 500, kind: "text/html", body: "Internal Server Error"}
		page := answer{status: 200, kind: "text/html", body: `<!doctype html><html><head><title>secret name</title><style>x</style></head><body>one<br>
			<script>alert(1)</script><ul class="bullet"><li>a<ul><li>b</ul></ul><img src="https://x.test/y"><a href="javascript:x">j</a> <a onclick="x" href="https://x.test/">l</a> <b>bold</b></body></html>`}
		i.put("/p/demo/export/etherpad", broken)
		i.put("/p/demo/export/html", page)
		n := sourcetest.NewNetwork(t)
		defer n.Close()
		n.Serve("pads.test", i)
		c := n.Client(source.ClientOptions{AllowPrivate: true, TempDir: t.TempDir()})
		defer c.CloseIdle()
		d := source.Document{Address: source.Address{Kind: source.KindEtherpad, Instance: "http://pads.test", Name: "demo", URL: "http://pads.test/p/demo"}}
		got := fetched(t, c, &d)
		files := contents(t, got)
		if len(got.Notes) != 1 || got.Notes[0].Code != "no-history" || len(files) != 3 {
			t.Errorf("%+v", got)
		}
		if files[".txt"] != "one\ntwo\n" || !strings.Contains(files[".md"], "- a") || !strings.Contains(files[".md"], "**bold**") {
			t.Errorf("%q", files)
		}
		for _, bad := range []string{"script", "<img", "javascript", "onclick", "secret name"} {
			if strings.Contains(files[".html"], bad) || strings.Contains(files[".md"], bad) {
				t.Errorf("%s is in %q", bad, files)
			}
		}
		checkHTML(t, files[".html"])
		if !strings.Contains(files[".html"], "<ul><li>a<ul><li>b</li></ul></li></ul>") {
			t.Error(files[".html"])
		}
		if asked := i.asked(); asked != "etherpad 500, html 200, txt 200" {
			t.Error(asked)
		}
		if got := fetched(t, c, &d); !got.Unchanged {
			t.Errorf("%+v", got)
		}
		if asked := i.asked(); asked != "html 304" {
			t.Error("unchanged:", asked)
		}
		i.put("/p/demo/export/txt", answer{status: 200, kind: "text/plain", body: "\n"})
		page.body = strings.Replace(page.body, "one", "", 1)
		i.put("/p/demo/export/html", page)
		if got := fetched(t, c, &d); !strings.Contains(got.Suspect, "emptied") {
			t.Errorf("%+v", got)
		}
		i.asked()
		time.Sleep(plainAgain)
		if got := fetched(t, c, &d); !strings.Contains(got.Suspect, "emptied") {
			t.Errorf("%+v", got)
		}
		if asked := i.asked(); asked != "etherpad 500, html 200, txt 200" {
			t.Error("after a day:", asked)
		}
		i.set(newPad("demo", "x").write("a.1", 1, "one\ntwo"))
		time.Sleep(plainAgain)
		if got := fetched(t, c, &d); got.Unchanged || len(got.Files) != 4 || got.Suspect != "" || len(got.Notes) > 0 {
			t.Errorf("it can be exported again: %+v", got)
		}
		if asked := i.asked(); asked != "etherpad 200" {
			t.Error(asked)
		}
	})
}

// TestFetchContradiction has a pad whose export is there and wrong.
func TestFetchContradiction(t *testing.T) {
	i := newInstance()
	pad := newPad("demo", "x").write("a.1", 1, "one two")
	i.set(pad)
	d, c := at(t, i, "demo")
	fetched(t, c, &d)
	i.put("/p/demo/export/etherpad", answer{status: 200, kind: "application/octet-stream", body: strings.Replace(pad.file(), "revs:1", "revs:2", 1)})
	got := fetched(t, c, &d)
	if len(got.Files) != 3 || len(got.Notes) != 1 {
		t.Errorf("%+v", got)
	}
	i.set(pad.write("a.1", 2, "one two three"))
	var s state
	if err := json.Unmarshal(d.State, &s); err != nil {
		t.Fatal(err)
	}
	s.Whole = s.Whole.Add(-plainAgain)
	d.State, _ = json.Marshal(s)
	if got := fetched(t, c, &d); len(got.Files) != 4 || got.Suspect != "" {
		t.Errorf("%+v", got)
	}
	i.set(newPad("demo", "y").write("a.1", 100, "z"))
	if got := fetched(t, c, &d); got.Suspect == "" {
		t.Errorf("the history was forgotten: %+v", got)
	}
}

// TestFetchLarge counts the requests for a pad that is too large to be exported each time.
func TestFetchLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newInstance()
		pad := newPad("demo", "x").write("a.1", 1, strings.Repeat("one two three ", largePad/14)).write("a.1", 2, "one")
		i.set(pad)
		n := sourcetest.NewNetwork(t)
		defer n.Close()
		n.Serve("pads.test", i)
		c := n.Client(source.ClientOptions{AllowPrivate: true, TempDir: t.TempDir()})
		defer c.CloseIdle()
		d := source.Document{Address: source.Address{Instance: "http://pads.test", Name: "demo"}}
		fetched(t, c, &d)
		for n := range 20 {
			if got := fetched(t, c, &d); !got.Unchanged {
				t.Fatalf("look %d: %+v", n, got)
			}
			time.Sleep(time.Hour)
		}
		asked := i.asked()
		if whole, page := strings.Count(asked, "etherpad"), strings.Count(asked, "html"); whole != 3 || whole+page > 22 {
			t.Error(asked)
		}
		pad.chat = 1 // which the page does not show
		i.set(pad)
		time.Sleep(wholeAgain)
		if got := fetched(t, c, &d); got.Unchanged {
			t.Errorf("%+v", got)
		}
		i.set(pad.write("a.1", 3, "one two"))
		if got := fetched(t, c, &d); got.Unchanged || got.Suspect != "" {
			t.Errorf("%+v", got)
		}
	})
}

func TestProbe(t *testing.T) {
	api := answer{status: 200, kind: "application/json", body: string(sample(t, "1.8.14", "api.json"))}
	health := answer{status: 200, kind: "application/health+json", body: string(sample(t, "2.5.3", "health.json"))}
	page := answer{status: 200, kind: "text/html", body: `<!doctype html><div id="editorcontainerbox"></div><script src="../socket.io/socket.io.js"></script>`}
	for _, test := range []struct {
		name     string
		answers  map[string]answer
		instance string
		reason   source.Reason
	}{
		{"1.8.14", map[string]answer{"/sub/api": api}, "http://pads.test/sub", ""},
		{"2.x with a closed API", map[string]answer{"/sub/api": {status: 403, kind: "text/html"}, "/sub/health": health}, "http://pads.test/sub", ""},
		{"only the page", map[string]answer{"/sub/p/a%20b": page}, "http://pads.test/sub", ""},
		{"moved", map[string]answer{"/sub/api": {status: 301, kind: "text/html", header: map[string]string{"Location": "http://new.test/sub/api"}}}, "http://new.test/sub", ""},
		{"another program", map[string]answer{"/sub/p/a%20b": {status: 200, kind: "text/html", body: "<h1>Photos"}}, "", source.ReasonForeign},
		{"another program with an API", map[string]answer{"/sub/api": {status: 200, kind: "application/json", body: `{"version":1}`}}, "", source.ReasonForeign},
		{"everything is the same page", map[string]answer{"/sub/api": page, "/sub/health": page}, "", source.ReasonForeign},
		{"maintenance", map[string]answer{"/sub/api": {status: 503, kind: "text/html"}}, "", source.ReasonDown},
		{"all closed", map[string]answer{"/sub/api": {status: 401, kind: "text/html", header: map[string]string{"WWW-Authenticate": "Basic"}}}, "", source.ReasonPassword},
	} {
		t.Run(test.name, func(t *testing.T) {
			i, moved := newInstance(), newInstance()
			i.answers = test.answers
			moved.put("/sub/api", api)
			n := sourcetest.NewNetwork(t)
			n.Serve("pads.test", i)
			n.Serve("new.test", moved)
			c := n.Client(source.ClientOptions{AllowPrivate: true})
			u, err := url.Parse("http://pads.test/sub/p/x")
			if err != nil {
				t.Fatal(err)
			}
			r := New().Recognise(u)
			r.Address.Name = "a b"
			got, err := New().Probe(t.Context(), c, r)
			if test.reason != "" {
				if e, ok := errors.AsType[*source.Error](err); !ok || e.Reason != test.reason {
					t.Errorf("%v, want %s", err, test.reason)
				}
				return
			}
			want := source.Address{Kind: source.KindEtherpad, Instance: test.instance, Name: "a_b", URL: test.instance + "/p/a_b"}
			if diff := cmp.Diff(want, got.Address); err != nil || diff != "" || got.Likelihood != source.Certain {
				t.Error(err, diff)
			}
			if asked := i.asked(); strings.Contains(asked, "export") || strings.Contains(asked, "etherpad") {
				t.Error("an export was asked for:", asked)
			}
		})
	}
	if r, err := New().Probe(t.Context(), source.NewClient(source.ClientOptions{AllowPrivate: true, Backoff: time.Nanosecond}), source.Recognised{Address: source.Address{Instance: closedServer(t), Name: "x"}}); err == nil {
		t.Errorf("nobody answers: %+v", r)
	}
}

// closedServer returns the address of a server that is not there any more.
func closedServer(t *testing.T) string {
	s := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(s.Close)
	address := s.URL
	s.Close()
	return address
}
