package web

import (
	"fmt"
	"regexp"
	"slices"
	"testing"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// TestOrder: names are in the order that people expect, and zero comes before one.
func TestOrder(t *testing.T) {
	want := []string{
		"0.txt", "000.txt", "01.txt", "1.txt", "9.txt", "00010.txt", "10.txt", "319.txt", "1000.txt",
		"99999999999999999999.txt", "100000000000000000000.txt",
		"eau 0", "Eau 1", "Été 2", "Ete 10", "photo 0-9.jpg", "photo 0-10.jpg", "photo 1-0.jpg", "photo 1-1.jpg",
		"r0", "r1.0", "r1.2", "r1.10", "zone",
	}
	for _, lang := range []string{"en", "fr"} {
		got := slices.Clone(want)
		slices.Reverse(got)
		sortNames(lang, got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q,\nwant %q", lang, got, want)
		}
	}
	paths := []string{"b", "a/10", "a/9/x", "a", "a/9", "a b", ""}
	sortPaths("en", paths)
	if want := []string{"", "a", "a/9", "a/9/x", "a/10", "a b", "b"}; !slices.Equal(paths, want) {
		t.Errorf("paths %q, want %q", paths, want)
	}
}

var shownName = regexp.MustCompile(`(?m)n-(\d+)\.txt`)

// TestOrderOfPages: the list, its tiles, what it was, the arrows of a file and a list of more than one page have the
// same order.
func TestOrderOfPages(t *testing.T) {
	s := newTestServer(t)
	changes := []havre.Change{testDir("Nombres")}
	for i := range 12 {
		changes = append(changes, testFile(fmt.Sprintf("Nombres/n-%d.txt", i), "x", svn.InvalidRevnum))
	}
	rev := s.commit("tom", "Projets", changes...)
	s.commit("tom", "Projets", testFile("Nombres/z.txt", "x", svn.InvalidRevnum))
	at := folderAddress("Projets", "Nombres")
	for _, address := range []string{at, at + "?view=grid", at + "?part=list", fmt.Sprintf("%s?at=r%d", at, rev)} {
		var got []string
		for _, m := range shownName.FindAllStringSubmatch(s.get("tom", address).body, -1) {
			if !slices.Contains(got, m[1]) {
				got = append(got, m[1])
			}
		}
		if want := []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"}; !slices.Equal(got, want) {
			t.Errorf("%s: %q", address, got)
		}
	}
	for name, next := range map[string]string{"n-0.txt": "n-1.txt", "n-9.txt": "n-10.txt"} {
		wantPage(t, s.get("tom", at+"/"+name), `href="`+at+"/"+next+`"`)
	}
}
