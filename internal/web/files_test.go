package web

import (
	"archive/zip"
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// testPicture returns a PNG.
func testPicture(w, h int) string {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.SetRGBA(x, y, color.RGBA{uint8(x * 255 / w), uint8(y * 255 / h), 120, 255})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic(err)
	}
	return b.String()
}

// deed makes the fields of a form: do, then pairs.
func deed(do string, pairs ...string) url.Values {
	v := url.Values{"do": {do}}
	for i := 0; i < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v
}

// names returns what a directory shows to a person.
func (s *testServer) names(person, address string) []string {
	s.t.Helper()
	a := s.get(person, address)
	if a.StatusCode != http.StatusOK {
		s.t.Fatalf("%s for %s: %s", address, person, a.Status)
	}
	var list []string
	for _, m := range regexp.MustCompile(`name="item" value="([^"]*)" aria`).FindAllStringSubmatch(a.body, -1) {
		list = append(list, m[1])
	}
	return list
}

// undone sends the form of the toast that the answer brings.
func (s *testServer) undone(person string, a answer) answer {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), http.MethodGet, "https://havre.test"+a.Header.Get("Location"), nil)
	for _, c := range a.Cookies() {
		r.AddCookie(c)
	}
	page := s.do(person, r)
	rev := regexp.MustCompile(`name="rev" value="(\d+)"`).FindStringSubmatch(page.body)
	if rev == nil {
		s.t.Fatalf("no way back is offered: %s", a.Status)
	}
	return s.post(person, folderAddress("Projets", ""), deed("undo", "rev", rev[1]))
}

// TestActions does what the forms of a directory do, and takes each back.
func TestActions(t *testing.T) {
	s := newTestServer(t)
	before := s.names("tom", addressOf())
	for _, c := range []struct {
		name string
		form url.Values
		has  []string
		not  []string
	}{
		{"mkdir", deed("mkdir", "name", "04 Chantier"), []string{"04 Chantier"}, nil},
		{"file", deed("file", "name", "Liste"), []string{"Liste.txt"}, nil},
		{"rename", deed("rename", "item", "Plan masse.jpg", "name", "Plan.jpg"), []string{"Plan.jpg"}, []string{"Plan masse.jpg"}},
		{"rename by case", deed("rename", "item", "Plan masse.jpg", "name", "PLAN masse.jpg"), []string{"PLAN masse.jpg"}, []string{"Plan masse.jpg"}},
		{"move two", deed("move", "item", "Plan masse.jpg", "item", "01 Esquisse", "to", project+"/02 Avant-projet"), nil, []string{"Plan masse.jpg", "01 Esquisse"}},
		{"copy", deed("copy", "item", "Plan masse.jpg", "to", project), []string{"Plan masse.jpg", "Plan masse 2.jpg"}, nil},
		{"delete two", deed("delete", "item", "Plan masse.jpg", "item", "01 Esquisse"), nil, []string{"Plan masse.jpg", "01 Esquisse"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			head := s.head("Projets")
			a := s.post("tom", addressOf(), c.form)
			if a.StatusCode != http.StatusSeeOther {
				t.Fatalf("%s\n%s", a.Status, a.body)
			}
			if got := s.head("Projets"); got != head+1 {
				t.Errorf("%d revisions, want 1", got-head)
			}
			names := s.names("tom", addressOf())
			for _, n := range c.has {
				if !slices.Contains(names, n) {
					t.Errorf("%q is not there: %q", n, names)
				}
			}
			for _, n := range c.not {
				if slices.Contains(names, n) {
					t.Errorf("%q is still there", n)
				}
			}
			if a := s.undone("tom", a); a.StatusCode != http.StatusSeeOther {
				t.Fatalf("undo: %s\n%s", a.Status, a.body)
			}
			if got := s.names("tom", addressOf()); !slices.Equal(got, before) {
				t.Errorf("after undo\n%q\nwant\n%q", got, before)
			}
		})
	}
}

// TestUndoOfWhatOthersChanged: it stays as they made it.
func TestUndoOfWhatOthersChanged(t *testing.T) {
	s := newTestServer(t)
	a := s.post("tom", addressOf(), deed("rename", "item", "Plan masse.jpg", "name", "Plan.jpg"))
	s.commit("priya", "Projets", testFile(project+"/Plan.jpg", "neuf", s.head("Projets")))
	head := s.head("Projets")
	if a := s.undone("tom", a); a.StatusCode < 400 || !strings.Contains(a.body, "changed since") {
		t.Errorf("%s\n%s", a.Status, a.body)
	}
	if s.head("Projets") != head {
		t.Error("something was changed")
	}
}

// TestActionsNeedRights: who may only read, or reads only below, changes nothing, and learns nothing.
func TestActionsNeedRights(t *testing.T) {
	s := newTestServer(t)
	head := s.head("Projets")
	for _, person := range []string{"siobhan", "karim", "stranger", ""} {
		for _, f := range []url.Values{
			deed("mkdir", "name", "Neu"), deed("file", "name", "Neu.txt"), deed("rename", "item", "Plan masse.jpg", "name", "x.jpg"),
			deed("move", "item", "Plan masse.jpg", "to", ""), deed("copy", "item", "Plan masse.jpg", "to", ""), deed("delete", "item", "Plan masse.jpg"),
			deed("save", "text", "x"), deed("undo", "rev", fmt.Sprint(head)), deed("unknown"), deed(""),
		} {
			a := s.post(person, addressOf(), f)
			if a.StatusCode < 300 || a.StatusCode == http.StatusSeeOther && person != "" && !strings.HasPrefix(a.Header.Get("Location"), "/signin") {
				t.Errorf("%q %v: %s to %s", person, f, a.Status, a.Header.Get("Location"))
			}
		}
		if person == "karim" || person == "stranger" {
			for _, path := range []string{addressOf("Plan masse.jpg"), addressOf("Plan masse.jpg") + "?download", "/raw" + addressOf("Plan masse.jpg")[2:], "/thumb" + addressOf("Plan masse.jpg")[2:]} {
				if a := s.get(person, path); a.StatusCode != http.StatusNotFound {
					t.Errorf("%s gets %s: %s", person, path, a.Status)
				}
			}
		}
	}
	if got := s.head("Projets"); got != head {
		t.Errorf("%d revisions were made", got-head)
	}
	if got := s.names("karim", addressOf()); !slices.Equal(got, []string{"01 Esquisse"}) {
		t.Errorf("karim sees %q", got)
	}
}

// TestHostileNames: none makes a revision, none is a fault of the server, none gets out of its place.
func TestHostileNames(t *testing.T) {
	s := newTestServer(t)
	head := s.head("Projets")
	for _, name := range []string{
		"", " ", ".", "..", "../x", "a/b", "/etc", "a\x00b", "a\nb", "\xff\xfe", "CON", "nul.txt", "a:b", `a\b`, "a?", "a*", "<b7>", "end.", "x\x1b[2J",
		strings.Repeat("x", 256), ".havre", "\u202egnp.exe\x7f",
	} {
		for _, f := range []url.Values{
			deed("mkdir", "name", name), deed("file", "name", name), deed("rename", "item", "Plan masse.jpg", "name", name), deed("rename", "item", name, "name", "y"),
			deed("delete", "item", name), deed("move", "item", name, "to", ""), deed("move", "item", "Plan masse.jpg", "to", "../"+name),
		} {
			if name == ".havre" || f.Get("do") == "file" && name == "end." {
				continue // taken below a directory; becomes a name that can be
			}
			a := s.post("tom", addressOf(), f)
			if a.StatusCode >= 500 {
				t.Errorf("%v: %s %s", f, a.Status, s.logged)
			}
			if strings.Contains(a.body, "<b7>") {
				t.Errorf("%v: markup comes back", f)
			}
		}
	}
	if got := s.head("Projets"); got != head {
		t.Errorf("%d revisions were made", got-head)
	}
	s.commit("tom", "Projets", testFile(project+`/<img src=x onerror=alert(1)>".txt`, "x", svn.InvalidRevnum))
	for _, address := range []string{addressOf(), addressOf() + "?view=grid", addressOf() + "?q=%3Cimg", addressOf(`<img src=x onerror=alert(1)>".txt`), addressOf() + "?details=" + url.QueryEscape(`<img src=x onerror=alert(1)>".txt`)} {
		if a := s.get("tom", address); a.StatusCode != http.StatusOK || strings.Contains(a.body, "<img src=x") {
			t.Errorf("%s: %s, markup: %v", address, a.Status, strings.Contains(a.body, "<img src=x"))
		}
	}
}

// TestTwoRenameTheSame: one of them does, the other is told.
func TestTwoRenameTheSame(t *testing.T) {
	s := newTestServer(t)
	base := fmt.Sprint(s.head("Projets"))
	var wg sync.WaitGroup
	answers := make([]answer, 4)
	for i := range answers {
		wg.Go(func() {
			answers[i] = s.post([]string{"tom", "priya"}[i%2], addressOf(), deed("rename", "item", "Plan masse.jpg", "name", fmt.Sprintf("Plan %d.jpg", i), "base", base))
		})
	}
	wg.Wait()
	done := 0
	for _, a := range answers {
		switch {
		case a.StatusCode == http.StatusSeeOther:
			done++
		case a.StatusCode >= 500:
			t.Errorf("%s: %s", a.Status, s.logged)
		}
	}
	if done != 1 {
		t.Errorf("%d were told that it is done, want 1", done)
	}
	count := 0
	for _, n := range s.names("tom", addressOf()) {
		if strings.HasPrefix(n, "Plan ") && strings.HasSuffix(n, ".jpg") {
			count++
		}
	}
	if count != 1 {
		t.Errorf("%d files, want 1", count)
	}
}

// TestLargeDeletionAsks: above a limit the numbers come first.
func TestLargeDeletionAsks(t *testing.T) {
	s := newTestServer(t)
	changes := []havre.Change{testDir("Viel")}
	for i := range askAbove + 1 {
		changes = append(changes, testFile(fmt.Sprintf("Viel/%03d.txt", i), "x", svn.InvalidRevnum))
	}
	head := s.commit("tom", "Projets", changes...)
	root := folderAddress("Projets", "")
	a := s.post("tom", root, deed("delete", "item", "Viel"))
	if a.StatusCode != http.StatusOK || !strings.Contains(a.body, "Delete 101 files") || s.head("Projets") != head {
		t.Fatalf("%s, r%d\n%s", a.Status, s.head("Projets"), a.body)
	}
	if a := s.post("tom", root, deed("delete-many", "item", "Viel")); a.StatusCode != http.StatusSeeOther || s.head("Projets") != head+1 {
		t.Errorf("%s", a.Status)
	}
}

// TestSaveText: a text is saved upon the version that was seen, and kept when somebody was faster.
func TestSaveText(t *testing.T) {
	s := newTestServer(t)
	notes := "Fish market – structural notes for the Falmouth team.md"
	base := fmt.Sprint(s.head("Projets"))
	if a := s.post("tom", addressOf(notes), deed("save", "text", "eins\r\nzwei\r\n", "base", base)); a.StatusCode != http.StatusSeeOther {
		t.Fatal(a.Status, a.body)
	}
	if a := s.get("tom", addressOf(notes)+"?download"); a.body != "eins\nzwei\n" {
		t.Errorf("%q", a.body)
	}
	a := s.post("priya", addressOf(notes), deed("save", "text", "drei & mein <b>Text</b>", "base", base))
	if a.StatusCode != http.StatusConflict || !strings.Contains(a.body, "Tom Whitfield saved a newer version") || !strings.Contains(a.body, "drei &amp; mein &lt;b&gt;") {
		t.Errorf("%s\n%s", a.Status, a.body)
	}
}

// TestDownload: ranges, conditions, names, and types that cannot run.
func TestDownload(t *testing.T) {
	s := newTestServer(t)
	content := strings.Repeat("0123456789", 50_000)
	s.commit("tom", "Projets", testFile(project+"/naïve “x”.bin", content, svn.InvalidRevnum), testFile(project+"/a.html", "<script>alert(1)</script>", svn.InvalidRevnum),
		testFile(project+"/a.svg", "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", svn.InvalidRevnum), testFile(project+"/empty", "", svn.InvalidRevnum))
	get := func(address string, header ...string) answer {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "https://havre.test"+address, nil)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		return s.do("tom", r)
	}
	address := addressOf("naïve “x”.bin") + "?download"
	all := get(address)
	if all.body != content || all.Header.Get("Content-Type") != "application/octet-stream" ||
		all.Header.Get("Content-Disposition") != `attachment; filename="na_ve _x_.bin"; filename*=UTF-8''na%C3%AFve%20%E2%80%9Cx%E2%80%9D.bin` {
		t.Errorf("%s %v", all.Status, all.Header)
	}
	tag := all.Header.Get("Etag")
	for _, c := range []struct {
		header []string
		status int
		body   string
	}{
		{[]string{"Range", "bytes=0-9"}, 206, content[:10]},
		{[]string{"Range", "bytes=499990-"}, 206, content[499990:]},
		{[]string{"Range", "bytes=-5"}, 206, content[499995:]},
		{[]string{"Range", "bytes=250000-250099"}, 206, content[250000:250100]},
		{[]string{"Range", "bytes=499999-9999999"}, 206, "9"},
		{[]string{"Range", "bytes=500000-"}, 416, ""},
		{[]string{"Range", "bytes=9-1"}, 416, ""},
		{[]string{"Range", "bytes=x"}, 200, content},
		{[]string{"Range", "bytes=0-1,5-6"}, 200, content},
		{[]string{"Range", "bytes=5-9", "If-Range", tag}, 206, content[5:10]},
		{[]string{"Range", "bytes=5-9", "If-Range", `"other"`}, 200, content},
		{[]string{"If-None-Match", tag}, 304, ""},
	} {
		if a := get(address, c.header...); a.StatusCode != c.status || c.status < 300 && a.body != c.body {
			t.Errorf("%q: %s, %d bytes", c.header, a.Status, len(a.body))
		}
	}
	if a := get(addressOf("empty") + "?download"); a.StatusCode != http.StatusOK || a.body != "" {
		t.Errorf("an empty file: %s", a.Status)
	}
	for _, name := range []string{"a.html", "a.svg"} {
		a := get("/raw" + addressOf(name)[2:])
		if p := a.Header.Get("Content-Security-Policy"); !strings.HasPrefix(p, "sandbox;") || strings.Contains(p, "allow-scripts") {
			t.Errorf("%s is served with %q", name, p)
		}
	}
	for _, name := range []string{"Façade nord – élévation 1-50.dwg", "naïve “x”.bin"} {
		a := get("/raw" + addressOf(name)[2:])
		if a.Header.Get("Content-Type") != "application/octet-stream" || !strings.HasPrefix(a.Header.Get("Content-Disposition"), "attachment") {
			t.Errorf("%s: %v", name, a.Header)
		}
	}
}

// TestZip: what the person may read and nothing else, with its names.
func TestZip(t *testing.T) {
	s := newTestServer(t)
	s.grant("Projets", project+"/Réunions – pads", "siobhan", havre.RightNone)
	for _, c := range []struct {
		person, query string
		has, not      string
	}{
		{"tom", "?download", project + "/Réunions – pads/2026-11-16.md", ""},
		{"siobhan", "?download", project + "/01 Esquisse/Notes.md", project + "/Réunions – pads/2026-11-16.md"},
		{"karim", "?download", project + "/01 Esquisse/Notes.md", project + "/Plan masse.jpg"},
		{"tom", "?download&item=Plan+masse.jpg&item=01+Esquisse", project + "/01 Esquisse/Croquis.txt", project + "/Planning travaux, tranche 1.ods"},
	} {
		a := s.get(c.person, addressOf()+c.query)
		z, err := zip.NewReader(strings.NewReader(a.body), int64(len(a.body)))
		if err != nil {
			t.Fatalf("%s: %v", c.person, err)
		}
		var names []string
		for _, f := range z.File {
			names = append(names, f.Name)
			r, err := f.Open()
			if err == nil {
				_, err = io.Copy(io.Discard, r)
			}
			if err != nil {
				t.Errorf("%s: %v", f.Name, err)
			}
		}
		if !slices.Contains(names, c.has) || c.not != "" && slices.Contains(names, c.not) {
			t.Errorf("%s %s: %q", c.person, c.query, names)
		}
	}
}

// TestThumbnails: two sizes, of pictures only, turned as the camera was held, and no bombs.
func TestThumbnails(t *testing.T) {
	s := newTestServer(t)
	s.commit("lena", "Projets", testFile(project+"/a.png", testPicture(1000, 500), svn.InvalidRevnum), testFile(project+"/b.png", "no picture", svn.InvalidRevnum))
	for query, width := range map[string]int{"": 400, "?size=2": 800} {
		a := s.get("tom", "/thumb"+addressOf("a.png")[2:]+query)
		c, err := jpeg.DecodeConfig(strings.NewReader(a.body))
		if err != nil || c.Width != width || c.Height != width*3/4 {
			t.Errorf("%q: %v %v", query, c, err)
		}
	}
	for name, status := range map[string]int{"b.png": 204, "Planning travaux, tranche 1.ods": 404, "01 Esquisse": 404, "nothing.png": 404} {
		if a := s.get("tom", "/thumb"+addressOf(name)[2:]); a.StatusCode != status {
			t.Errorf("%s: %s", name, a.Status)
		}
	}
	if a := s.get("tom", "/thumb"+addressOf("a.png")[2:]+"?size=900000"); a.StatusCode != http.StatusNotFound {
		t.Errorf("any size: %s", a.Status)
	}
	bomb := []byte(testPicture(2, 2))
	copy(bomb[16:24], []byte{0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff})
	if _, err := shrink(bomb, 400); err == nil {
		t.Error("a picture of 4 billion pixels a side is decoded")
	}
	for turn, want := range map[byte]int{1: 1, 6: 6, 8: 8, 9: 1} {
		exif := append([]byte("\xff\xd8\xff\xe1\x00\x22Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00"), turn, 0, 0, 0, 0, 0, 0)
		if got := orientation(exif); got != want {
			t.Errorf("orientation %d is read as %d", turn, got)
		}
	}
}

// FuzzOrientation: no picture makes it fail.
func FuzzOrientation(f *testing.F) {
	f.Add([]byte("\xff\xd8\xff\xe1\x00\x22Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00"))
	f.Add([]byte("\xff\xd8\xff\xe1\x00\x10Exif\x00\x00II\x2a\x00\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if n := orientation(b); n < 1 || n > 8 {
			t.Errorf("%d", n)
		}
	})
}
