package web

import (
	"fmt"
	"strings"
	"testing"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/internal/web/webtest"
	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/svntest"
)

// lock has a person lock a file with Subversion's own program.
func (s *testServer) lock(person, folder, path string) {
	s.t.Helper()
	f := s.folder(folder)
	dir := s.hub.Admin(store.Console).RepositoryDir(&f)
	svntest.Run(s.t, "svn", "lock", "-q", "--username", person, svntest.URL(dir, path))
}

// row returns the row of an entry in a list.
func row(t *testing.T, page, name string) string {
	t.Helper()
	i := strings.Index(page, `name="item" value="`+name+`"`)
	if i < 0 {
		t.Fatalf("there is no row %s", name)
	}
	rest, _, _ := strings.Cut(page[i:], `class="fm"`)
	return rest
}

// TestRowMarks: rights, read-only places and locks are seen in the list, by those whom they concern.
func TestRowMarks(t *testing.T) {
	s := newTestServer(t)
	const locked = "Plan masse.jpg"
	before := s.get("aicha", addressOf()).body
	if strings.Contains(before, `class="mk`) {
		t.Error("there are marks from the beginning")
	}
	s.grant("Projets", project+"/02 Avant-projet", "aicha", havre.RightRead)
	s.lock("tom", "Projets", project+"/"+locked)
	for _, test := range []struct{ person, name, has string }{
		{"aicha", "02 Avant-projet", "mk-o"},
		{"tom", "02 Avant-projet", "mk-r"},
		{"siobhan", "02 Avant-projet", ""},
		{"aicha", "01 Esquisse", ""},
		{"tom", locked, `title="Subversion lock of You: nobody can change it until it is released">You</span>`},
		{"aicha", locked, ">Tom</span>"},
		{"siobhan", locked, ">Tom</span>"},
	} {
		got := row(t, s.get(test.person, addressOf()).body, test.name)
		if !strings.Contains(got, test.has) || test.has == "" && strings.Contains(got, "mk") {
			t.Errorf("%s sees %s as %s", test.person, test.name, got)
		}
	}
	if a := s.get("tom", addressOf()+"?at=r3"); strings.Contains(a.body, `class="mk`) {
		t.Error("the past has marks of today")
	}
}

// TestRowMarksAsText: rows that the script makes of text have the same marks as those of the server.
func TestRowMarksAsText(t *testing.T) {
	s := newTestServer(t)
	files := []havre.Change{testDir("many")}
	for i := range 320 {
		files = append(files, testFile(fmt.Sprintf("many/%03d.txt", i), "x", svn.InvalidRevnum))
	}
	s.commit("tom", "Projets", files...)
	for _, i := range []int{3, 310} {
		s.lock("aicha", "Projets", fmt.Sprintf("many/%03d.txt", i))
		s.grant("Projets", fmt.Sprintf("many/%03d.txt", i+1), "karim", havre.RightRead)
	}
	tab := webtest.Start(t, s).Tab(t, webtest.Desktop, map[string]string{cookieLang: "en", cookieSession: s.tokens["tom"]})
	tab.Open("/f/Projets/many")
	tab.Eval(`document.querySelector(".fg:last-child").scrollIntoView(); true`, new(bool))
	tab.Until(`document.querySelectorAll('.mk-l').length === 2 && document.querySelectorAll('.mk-r').length === 2`)
	var same bool
	tab.Eval(`(() => { const of = s => [...document.querySelectorAll(s)].map(e => e.outerHTML), same = a => a.length === 2 && a[0] === a[1]; return same(of(".mk-l")) && same(of(".mk-r")) })()`, &same)
	if !same {
		t.Error("a mark that the script makes is another than that of the server")
	}
	tab.Screenshot("row-marks")
	tab.Axe("row marks")
}
