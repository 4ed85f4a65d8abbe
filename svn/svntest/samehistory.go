package svntest

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// dates are what two repositories with the same history differ in.
var dates = regexp.MustCompile(`(?m)^K 8\nsvn:date\nV \d+\n.*$`)

// SameHistory fails the test if svnadmin dump says something else of the repository in one directory than of the other, apart
// from the repositories' identity, r0 and dates.
func SameHistory(t testing.TB, got, want string) {
	t.Helper()
	g := dates.ReplaceAllString(dumpRevisions(dumpAll(t, got)), "")
	w := dates.ReplaceAllString(dumpRevisions(dumpAll(t, want)), "")
	if g == w {
		return
	}
	diff := cmp.Diff(strings.Split(g, "\n"), strings.Split(w, "\n"))
	t.Errorf("the dumps differ (-got +want):\n%s", diff[:min(len(diff), 4000)])
}
