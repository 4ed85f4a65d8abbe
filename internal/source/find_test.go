package source_test

import (
	"database/sql"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pierrec/lz4/v4"
	_ "modernc.org/sqlite"

	"github.com/havre-cloud/havre/internal/source"
	"github.com/havre-cloud/havre/internal/source/sourcetest"
)

func registry() *source.Registry { return source.NewRegistry(sourcetest.Provider{}) }

// brief tells found addresses as "LINE URL TITLE".
func brief(found []source.Found) []string {
	var list []string
	for _, f := range found {
		list = append(list, strings.TrimSpace(fmt.Sprintf("%d %s %s", f.Line, f.Address().URL, f.Title)))
	}
	return list
}

func TestFindInTexts(t *testing.T) {
	for name, c := range map[string]struct {
		file, text string
		want       []string
	}{
		"sentences": {text: "See https://a.example/n/one, (https://a.example/n/two) and\n<https://a.example/n/three>! HTTPS://A.example/n/one.", want: []string{
			"1 https://a.example/n/one", "1 https://a.example/n/two", "2 https://a.example/n/three",
		}},
		"markdown": {text: "# Links\n\n- [Our *notes*](https://a.example/n/one)\n* **https://a.example/n/two**\n- [https://a.example/n/three](https://a.example/n/three)\n\n[r]: https://a.example/n/four 'x'\n| a | https://a.example/n/five | b |", want: []string{
			"3 https://a.example/n/one Our *notes*", "4 https://a.example/n/two", "5 https://a.example/n/three", "7 https://a.example/n/four", "8 https://a.example/n/five",
		}},
		"brackets in the name": {text: "(see https://a.example/n/x_(draft))", want: []string{"1 https://a.example/n/x_%28draft%29"}},
		"no scheme":            {text: "our pad: a.example/n/one, not ada@a.example/n/two", want: []string{"1 https://a.example/n/one"}},
		"only what may be":     {text: "https://a.example/ https://a.example/maybe/x https://other.example/p https://a.example/n/", want: []string{"1 https://a.example/n/x"}},
		"tracking": {text: "https://a.example/n/one?utm_source=mail&fbclid=1 https://mail.example/?url=https%3A%2F%2Fa.example%2Fn%2Ftwo&data=3", want: []string{
			"1 https://a.example/n/one", "1 https://a.example/n/two",
		}},
		"ports and users": {text: "http://a.example:80/n/one https://u:p@a.example:443/n/two https://a.example:8443/n/two", want: []string{
			"1 http://a.example/n/one", "1 https://a.example/n/two", "1 https://a.example:8443/n/two",
		}},
		"lists with commas": {text: "https://a.example/n/one,https://a.example/n/two;https://a.example/n/three", want: []string{
			"1 https://a.example/n/one,https:", // a comma may be part of a name; what follows is found as well
		}},
		"table": {file: "list.csv", text: "title;address\r\n\"Plan; 2026\";https://a.example/n/one\r\nB;\"https://a.example/n/two\"\r\n", want: []string{
			"2 https://a.example/n/one Plan; 2026", "3 https://a.example/n/two B",
		}},
		"UTF-16": {text: "\xff\xfeh\x00t\x00t\x00p\x00:\x00/\x00/\x00a\x00.\x00b\x00/\x00n\x00/\x00c\x00", want: []string{"1 http://a.b/n/c"}},
		"bookmarks": {text: "<!DOCTYPE NETSCAPE-Bookmark-file-1>\n<DL><p>\n<DT><A HREF=\"https://a.example/n/one?x=1&amp;y=2\" ADD_DATE=\"1\">Ren&eacute;e's\n notes</A>\n<DT><A HREF=\"https://a.example/about\">About</A>\n</DL>", want: []string{
			"3 https://a.example/n/one Renée's notes",
		}},
		"page": {text: "<html><body><p>https://a.example/n/one</p><iframe src='https://a.example/n/two?showChat=false'></iframe><a href=https://a.example/n/three>https://a.example/n/three</a></body>", want: []string{
			"1 https://a.example/n/one", "1 https://a.example/n/two", "1 https://a.example/n/three",
		}},
		"Firefox": {text: `{"guid":"root","children":[{"title":"Menu","children":[{"title":"Notes","uri":"https://a.example/n/one"}]}]}`, want: []string{"0 https://a.example/n/one Notes"}},
		"Chromium": {text: `{"roots":{"bookmark_bar":{"children":[{"name":"Notes","type":"url","url":"https://a.example/n/one"}],"name":"Bar"}},"version":1}`, want: []string{
			"0 https://a.example/n/one Notes",
		}},
		"broken JSON": {text: `{"a": "https://a.example/n/one", `, want: []string{"1 https://a.example/n/one"}},
		"mail": {text: "From: ada@example.org\r\nSubject: =?utf-8?q?R=C3=A9union?=\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=x\r\n\r\n--x\r\n" +
			"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nhttps://a.example/n/a-very-=\r\nlong-name=3F\r\n--x\r\n" +
			"Content-Type: text/html; charset=iso-8859-1\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
			base64.StdEncoding.EncodeToString([]byte("<a href=\"https://a.example/n/two\">l'\xe9t\xe9</a>")) + "\r\n--x--\r\n", want: []string{
			"0 https://a.example/n/a-very-long-name Réunion", "0 https://a.example/n/two l'été",
		}},
		"mail box": {text: "From ada Sat Nov 21\nFrom: a@b\nSubject: One\n\nhttps://a.example/n/one\n\nFrom bob Sat Nov 21\nFrom: b@b\nSubject: Two\n\nhttps://a.example/n/two\n", want: []string{
			"0 https://a.example/n/one One", "0 https://a.example/n/two Two",
		}},
		"nothing": {text: "\x00\x01\x02"},
	} {
		t.Run(name, func(t *testing.T) {
			got := brief(registry().Find(c.file, []byte(c.text)))
			if name == "lists with commas" {
				for _, want := range []string{"n/one", "n/two", "n/three"} {
					if !strings.Contains(strings.Join(got, " "), want) {
						t.Errorf("%s is not in %q", want, got)
					}
				}
				return
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFindKeepsSecretsOfTheSameDocument(t *testing.T) {
	found := registry().Find("", []byte("https://a.example/n/one\nhttps://a.example/n/one?key=k\nhttps://a.example/n/one"))
	if len(found) != 1 || found[0].Kinds[0].Secrets.Address.Reveal() != "https://a.example/n/one?key=k" || strings.Contains(found[0].Address().URL, "key") {
		t.Errorf("got %+v", found)
	}
}

func TestFindKeepsTheSurerFormOfAnAddress(t *testing.T) {
	for _, text := range []string{"https://a.example/n/one https://a.example/maybe/one?key=k", "https://a.example/maybe/one https://a.example/n/one?key=k"} {
		found := registry().Find("", []byte(text))
		if len(found) != 1 || found[0].Kinds[0].Likelihood != source.Certain || found[0].Kinds[0].Secrets.Address == "" {
			t.Errorf("%s: got %+v", text, found)
		}
	}
}

func TestFindInFirefox(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "places.sqlite")
	db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(path)+"?_pragma=journal_mode(wal)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() // it stays open, like a browser's, with what was written last in the journal
	for _, statement := range []string{
		"CREATE TABLE moz_places (id INTEGER PRIMARY KEY, url TEXT, title TEXT)",
		"CREATE TABLE moz_bookmarks (id INTEGER PRIMARY KEY, fk INTEGER, title TEXT)",
		"INSERT INTO moz_places VALUES (1, 'https://a.example/n/seen', 'Seen'), (2, 'https://a.example/n/kept', NULL), (3, 'place:x', '')",
		"INSERT INTO moz_bookmarks VALUES (1, 2, 'Kept')",
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	found, err := registry().FindFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"0 https://a.example/n/kept Kept", "0 https://a.example/n/seen Seen"}
	if diff := cmp.Diff(want, brief(found)); diff != "" {
		t.Error(diff)
	}
	if left, _ := os.ReadDir(dir); len(left) > 3 {
		t.Errorf("left behind: %v", left)
	}

	// A database that pretends: a view that never ends.
	db2, err := sql.Open("sqlite", filepath.Join(dir, "evil.sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	defer db2.Close()
	if _, err := db2.ExecContext(t.Context(), "CREATE VIEW moz_places AS WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id+1 FROM n) SELECT id, 'x' url, '' title FROM n"); err != nil {
		t.Fatal(err)
	}
	if _, err := registry().FindFile(filepath.Join(dir, "evil.sqlite")); err == nil {
		t.Error("a view is read")
	}
}

func TestFindInFirefoxBackups(t *testing.T) {
	plain := []byte(`{"children":[{"title":"Notes","uri":"https://a.example/n/one"}]}` + strings.Repeat(" ", 200))
	block := make([]byte, lz4.CompressBlockBound(len(plain)))
	n, err := lz4.CompressBlock(plain, block, nil)
	if err != nil {
		t.Fatal(err)
	}
	data := append(binary.LittleEndian.AppendUint32([]byte("mozLz40\x00"), uint32(len(plain))), block[:n]...)
	if diff := cmp.Diff([]string{"0 https://a.example/n/one Notes"}, brief(registry().Find("b.jsonlz4", data))); diff != "" {
		t.Error(diff)
	}
}

func TestRecogniseRefusesWhatIsNoAddress(t *testing.T) {
	for _, text := range []string{"", "notes", "ftp://a.example/n/x", "https:///n/x", "https://a.example/n/x\ny", "mailto:a@b.c", "https://a.example/n/" + strings.Repeat("x", 3000), "javascript://a.example/n/x"} {
		if got := registry().Recognise(text); len(got) != 0 {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func FuzzFind(f *testing.F) {
	for _, seed := range []string{
		"See https://a.example/n/one, (https://a.example/n/two)", "[a](https://a.example/n/x)", `{"url":"https://a.example/n/x"}`,
		"<a href='https://a.example/n/x'>y</a>", "From: a\nTo: b\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--", "From x\nFrom: a\nTo: b\n\nx",
		"mozLz40\x00\x10\x00\x00\x00\x00", "\xff\xfea\x00", "https://a.example/n/one,https://a.example/n/two", "a.b/n/c?url=https://a.example/n/x", "SQLite format 3\x00",
	} {
		f.Add("x.csv", []byte(seed))
		f.Add("", []byte(seed))
	}
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		if len(data) > 100_000 {
			return
		}
		seen := map[string]bool{}
		for _, one := range registry().Find(name, data) {
			a := one.Address()
			u, err := url.Parse(a.URL)
			if err != nil || u.Host == "" || u.User != nil || seen[a.URL] || strings.ContainsAny(a.URL, " \n") {
				t.Fatalf("found %q", a.URL)
			}
			seen[a.URL] = true
		}
	})
}
