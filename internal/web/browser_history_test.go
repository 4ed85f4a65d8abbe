package web

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
)

// age spreads the revisions of Projets over the last days, so that there is a history. It must come
// before any page has read it.
func (s *testServer) age(days int) {
	s.t.Helper()
	f := s.folder("Projets")
	dir := s.hub.Admin(store.Console).RepositoryDir(&f)
	head := int(s.head("Projets"))
	for rev := 1; rev <= head; rev++ {
		moment := time.Now().Add(-time.Duration(float64(days)*float64(head-rev)/float64(head)*24) * time.Hour)
		file := filepath.Join(s.t.TempDir(), "date")
		if err := os.WriteFile(file, []byte(svn.FormatTime(moment)), 0o600); err != nil {
			s.t.Fatal(err)
		}
		cmd := exec.CommandContext(s.t.Context(), "svnadmin", "setrevprop", "-r", fmt.Sprint(rev), dir, "svn:date", file)
		if out, err := cmd.CombinedOutput(); err != nil {
			s.t.Fatalf("%v: %s", err, out)
		}
	}
}

const notesName = "Fish market – structural notes for the Falmouth team.md"

// history makes what the pictures of the past show: changes, a rename, deletions by several people.
func (s *testServer) history() (then svn.Revnum) {
	in := func(name string) string { return project + "/" + name }
	for i := range 6 {
		s.commit([]string{"tom", "priya", "lena"}[i%3], "Projets", testFile(in(fmt.Sprintf("Photos chantier/IMG_22%02d.jpg", i)), strings.Repeat("photo", 100*(i+1)), svn.InvalidRevnum))
	}
	then = s.head("Projets")
	head := func() svn.Revnum { return s.head("Projets") }
	s.commit("aicha", "Projets",
		havre.Change{Kind: havre.ChangeCopy, Path: svn.Path(in("Budget 2027.xlsx")), Base: svn.InvalidRevnum, CopyFrom: svn.CopySource{Path: svn.Path(in("Budget prévisionnel 2026-2027.xlsx")), Rev: head()}},
		havre.Change{Kind: havre.ChangeDelete, Path: svn.Path(in("Budget prévisionnel 2026-2027.xlsx")), Base: head()})
	s.commit("yannick", "Projets", havre.Change{Kind: havre.ChangeDelete, Path: svn.Path(in("Plan masse.jpg")), Base: head()})
	s.commit("yannick", "Projets",
		havre.Change{Kind: havre.ChangeDelete, Path: svn.Path(in("Photos chantier/IMG_2200.jpg")), Base: head()},
		havre.Change{Kind: havre.ChangeDelete, Path: svn.Path(in("Photos chantier/IMG_2201.jpg")), Base: head()},
		havre.Change{Kind: havre.ChangeDelete, Path: svn.Path(in("Photos chantier/IMG_2202.jpg")), Base: head()},
		havre.Change{Kind: havre.ChangeDelete, Path: svn.Path(in("Photos chantier/IMG_2203.jpg")), Base: head()},
		havre.Change{Kind: havre.ChangeDelete, Path: svn.Path(in("Photos chantier/IMG_2204.jpg")), Base: head()})
	text := "# Structural notes\n\n## What carries the roof\n\nThe roof rests on seven timber trusses from 1911.\nTrusses 3 and 5 show rot at the heel over about 40 cm.\n\n" + strings.Repeat("The other lines stay.\n", 20) + "\nSee the e-mail.\n"
	s.commit("priya", "Projets", testFile(in(notesName), text, head()))
	s.commit("tom", "Projets", testFile(in(notesName), strings.NewReplacer("40 cm", "60 cm, on the seaward side", "See the e-mail", "We keep the open east side. See the annex").Replace(text), head()))
	s.commit("tom", "Projets", testFile(in("Neu.txt"), "new\n", svn.InvalidRevnum))
	s.age(90)
	return then
}

// TestHistoryStory goes back in time in a browser, compares, restores, and undoes.
func TestHistoryStory(t *testing.T) {
	everyLook(t, newTestServer, func(t *testing.T, y *story) {
		then := y.history()
		dir, notes := folderAddress("Projets", project), addressOf(notesName)
		past := fmt.Sprintf("%s?at=r%d", dir, then)
		tab := y.tab("tom")
		for _, p := range []struct{ name, address string }{
			{"past", past},
			{"past-restore", past + "&restore"},
			{"deleted", "/deleted"},
			{"deleted-here", dir + "?deleted"},
			{"activity", "/activity"},
			{"difference", notes + "?compare=4..5"},
			{"difference-two", notes + "?compare=3..5&columns=2"},
			{"versions", notes},
			{"version-old", notes + "?v=3"},
		} {
			y.visit(tab, "history-"+p.name, p.address)
		}
		tab.Open(past)
		// Arrows go change by change, and the list follows.
		tab.Eval(`document.querySelector(".timeline input").focus(); true`, nil)
		tab.Run(chromedp.KeyEvent(kb.ArrowLeft))
		tab.Until(fmt.Sprintf(`location.search === "?at=r%d" && document.querySelector(".past-rev")?.textContent === "r%d"`, then-1, then-1))
		tab.Run(chromedp.KeyEvent(kb.ArrowRight))
		tab.Until(fmt.Sprintf(`document.querySelector(".past-rev")?.textContent === "r%d"`, then))
		// One of the deleted comes back.
		tab.Do(`document.querySelector('[name="item"][value="Plan masse.jpg"]').click(); true`)
		tab.Until(`document.querySelector(".past-selection.on")`)
		y.shot(tab, "history-ticked")
		tab.Click(`.past-selection .past`)
		tab.Until(`document.querySelector("#toast")?.textContent.includes("Plan masse.jpg")`)
		if a := y.get("tom", addressOf("Plan masse.jpg")); a.StatusCode != http.StatusOK {
			t.Errorf("after bringing it back: %s", a.Status)
		}
		tab.Click(`#toast [data-undo]`)
		tab.Until(`document.querySelector("#toast")?.textContent && !document.querySelector("#toast [data-undo]")`)
		if a := y.get("tom", addressOf("Plan masse.jpg")); a.StatusCode != http.StatusNotFound {
			t.Errorf("after undo: %s", a.Status)
		}
		// All of the directory.
		tab.Open(past + "&restore")
		tab.Click(`dialog [name="newer"][value="delete"]`)
		tab.Click(`dialog .past`)
		tab.Until(`document.querySelector("#toast [data-undo]")`)
		for name, want := range map[string]int{"Plan masse.jpg": 200, "Budget prévisionnel 2026-2027.xlsx": 200, "Budget 2027.xlsx": 404, "Neu.txt": 404, "Photos chantier/IMG_2200.jpg": 200} {
			if a := y.get("tom", addressOf(strings.Split(name, "/")...)); a.StatusCode != want {
				t.Errorf("%s after the restore: %s", name, a.Status)
			}
		}
		y.shot(tab, "history-restored")
	})
}

// TestHistoryPages: what the pages say, to whom.
func TestHistoryPages(t *testing.T) {
	s := newTestServer(t)
	then := s.history()
	dir, notes := folderAddress("Projets", project), addressOf(notesName)
	for _, row := range []struct {
		person, address string
		status          int
		has, lacks      string
	}{
		{"tom", fmt.Sprintf("%s?at=r%d", dir, then), 200, "Renamed since: Budget 2027.xlsx", "Neu.txt</"},
		{"siobhan", fmt.Sprintf("%s?at=r%d", dir, then), 200, "Plan masse", "bring-back"},
		{"siobhan", fmt.Sprintf("%s?at=r%d&restore", dir, then), 404, "", "dialog"},
		{"karim", fmt.Sprintf("%s?at=r%d", dir, then), 200, "01 Esquisse", "Plan masse"},
		{"stranger", fmt.Sprintf("%s?at=r%d", dir, then), 404, "", "Plan masse"},
		{"karim", "/deleted", 200, "Nothing", "Plan masse"},
		{"karim", "/activity", 200, "01 Esquisse", "Plan masse"},
		{"karim", "/activity?folder=Comptabilit%C3%A9", 200, "", "Salaires"},
		{"stranger", "/activity", 200, "Nothing has happened", "Projets"},
		{"tom", dir + "?deleted", 200, "5 items", "IMG_22/"},
		{"tom", notes + "?compare=4..5", 200, "<ins>60</ins>", ""},
		{"tom", notes + "?compare=4..99", 404, "", ""},
		{"tom", notes + "?compare=x", 303, "", ""},
		{"tom", notes + "?v=1", 200, "", ""},
		{"tom", notes + "?v=77", 404, "", ""},
		{"karim", notes + "?compare=1..2", 404, "", "Structural"},
		{"tom", dir + "?at=r99999", 200, "", ""},
		{"tom", dir + "?at=2001-01-01", 404, "", ""},
		{"tom", dir + "?at=%00", 404, "", ""},
	} {
		a := s.get(row.person, row.address)
		if a.StatusCode != row.status || !strings.Contains(a.body, row.has) || row.lacks != "" && strings.Contains(a.body, row.lacks) {
			t.Errorf("%s %s: %s, want %d with %q, without %q", row.person, row.address, a.Status, row.status, row.has, row.lacks)
		}
	}
	// A whole deletion comes back; who may only read cannot.
	rev := fmt.Sprint(int(then) + 3)
	if a := s.post("siobhan", "/deleted/Projets", url.Values{"rev": {rev}}); a.StatusCode == http.StatusSeeOther {
		t.Errorf("who reads restores: %s", a.Status)
	}
	if a := s.post("tom", "/deleted/Projets", url.Values{"rev": {rev}}); a.StatusCode != http.StatusSeeOther {
		t.Errorf("restore of a deletion: %s %s", a.Status, a.body)
	}
	if a := s.get("tom", addressOf("Photos chantier", "IMG_2203.jpg")); a.StatusCode != http.StatusOK {
		t.Errorf("after the restore: %s", a.Status)
	}
	if a := s.get("tom", dir+"?deleted"); !strings.Contains(a.body, "Restored") {
		t.Error("the list does not say that it is back")
	}
	// An older version.
	if a := s.post("tom", notes, url.Values{"do": {"restore"}, "v": {"1"}}); a.StatusCode != http.StatusSeeOther {
		t.Errorf("restore of a version: %s %s", a.Status, a.body)
	}
	if a := s.get("tom", notes+"?download"); !strings.Contains(a.body, "**2.4 kN") {
		t.Errorf("the version is %q", a.body)
	}
}
