// Package svnaccountstest makes authz files up and asks Subversion's own program what they say.
package svnaccountstest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/svntest"
)

// Ask returns what `svnauthz accessof` says.
func Ask(t testing.TB, file, repo string, path svn.Path, user string) havre.Right {
	t.Helper()
	args := []string{"accessof", "--path", "/" + string(path), "--repository", repo}
	if user != "" {
		args = append(args, "--username", user)
	}
	// It warns of empty groups on its standard error.
	r := svntest.TryRun(t, nil, "svnauthz", append(args, file)...)
	if r.Err != nil {
		t.Fatalf("svnauthz %s: %v\n%s", strings.Join(args, " "), r.Err, r.Stderr)
	}
	switch said := strings.TrimSpace(r.Stdout); said {
	case "no":
		return havre.RightNone
	case "r":
		return havre.RightRead
	case "rw":
		return havre.RightWrite
	default:
		t.Fatalf("svnauthz says %q", said)
		return havre.RightNone
	}
}

// File is a made-up authz file with what it is about.
type File struct {
	Text  string
	Users []string
	Repos []string
	Paths []svn.Path // those of rules, some below them, and some elsewhere
}

// Random returns a file that Subversion takes. With patterns it has rules for :glob: as well.
func Random(rng *rand.Rand, patterns bool) *File {
	f := &File{
		Users: []string{"ada", "ben", "Cy d'Or", "dee=x,y", "eve"},
		Repos: []string{"one", "two"},
		Paths: []svn.Path{"", "a", "a/b", "a/b/c", "a/b/c/d", "a b", "é/x", "é", "z", "a/x.c"},
	}
	var b strings.Builder
	b.WriteString("# made up\n[aliases]\nodd = dee=x,y\nme = ada\n\n[groups]\n")
	groups := []string{"in", "Mid Dle", "out", "none"}
	spell := func(user string) string {
		if strings.ContainsAny(user, "=,") {
			return "&odd"
		}
		return user
	}
	some := func(n int) []string {
		var words []string
		for range n {
			words = append(words, spell(f.Users[rng.IntN(len(f.Users))]))
		}
		return words
	}
	fmt.Fprintf(&b, "in = %s\n", strings.Join(some(rng.IntN(3)), ", "))
	fmt.Fprintf(&b, "Mid Dle: %s\n", strings.Join(append(some(rng.IntN(2)), "@in"), ","))
	fmt.Fprintf(&b, "out = %s\n", strings.Join(append(some(1), "@Mid Dle"), ",\n  "))
	b.WriteString("none =\n")
	rights := []string{"", "r", "rw", " r w"}
	seen := map[string]bool{}
	for range 3 + rng.IntN(8) {
		header := "/" + string(f.Paths[rng.IntN(7)])
		if rng.IntN(2) == 0 {
			header = f.Repos[rng.IntN(2)] + ":" + header
		}
		if patterns && rng.IntN(3) == 0 {
			header = ":glob:" + []string{"", "one:"}[rng.IntN(2)] + []string{"/a/*", "/**/c", "/*/b", "/a/**", "/a/*.c", "/a?b", "/a/b/*/d"}[rng.IntN(7)]
		}
		if seen[header] {
			continue
		}
		seen[header] = true
		fmt.Fprintf(&b, "\n[%s]\n", header)
		for range 1 + rng.IntN(4) {
			var who string
			switch rng.IntN(9) {
			case 0, 1, 2:
				who = spell(f.Users[rng.IntN(len(f.Users))])
			case 3, 4:
				who = "@" + groups[rng.IntN(len(groups))]
			case 5:
				who = "*"
			case 6:
				who = []string{"$authenticated", "$anonymous", "~$anonymous", "~$authenticated"}[rng.IntN(4)]
			case 7:
				who = "~" + spell(f.Users[rng.IntN(len(f.Users))])
			case 8:
				who = []string{"~@" + groups[rng.IntN(len(groups))], "&me"}[rng.IntN(2)]
			}
			fmt.Fprintf(&b, "%s = %s\n", who, rights[rng.IntN(len(rights))])
		}
	}
	f.Text = b.String()
	return f
}
