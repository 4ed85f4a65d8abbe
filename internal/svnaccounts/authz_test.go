package svnaccounts_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/svnaccounts"
	"github.com/havre-cloud/havre/internal/svnaccounts/svnaccountstest"
	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/svntest"
)

func write(t testing.TB, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "authz")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func parse(t testing.TB, text string) *svnaccounts.Authz {
	t.Helper()
	a, err := svnaccounts.ParseAuthz(strings.NewReader(text), nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return a
}

// TestAccess: what the rules say is what Subversion says, and with patterns never more.
func TestAccess(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, 5))
			patterns := seed%2 == 1
			f := svnaccountstest.Random(rng, patterns)
			a, file := parse(t, f.Text), write(t, f.Text)
			for range 40 {
				repo, path := f.Repos[rng.IntN(len(f.Repos))], f.Paths[rng.IntN(len(f.Paths))]
				user := append(f.Users, "stranger")[rng.IntN(len(f.Users)+1)]
				want := svnaccountstest.Ask(t, file, repo, path, user)
				if got := a.Floor(repo, path, user); got > want || !patterns && got != want {
					t.Errorf("%s: %s:/%s: got %v, want %v\n%s", user, repo, path, got, want, f.Text)
				}
			}
		})
	}
}

// TestAuthzRefused: what Subversion refuses is refused, with the line, and nothing else is.
func TestAuthzRefused(t *testing.T) {
	for _, c := range []struct {
		text string
		line int // 0: it is taken
	}{
		{"", 0},
		{"\xef\xbb\xbf# c\n\n[/]\r\na = r\r\n", 0},
		{"[groups]\ng = a,,b\n[/]\n@g=r\n= r\n", 0},
		{"[/]\na = r\n  w\nb =\n rw\n", 0},
		{"[/] what is here does not count\na = r\na = rw\n", 0},
		{"[:glob:/a\\*b]\na = r\n[/a]\na=r\n", 0},
		{"[/a ]\na = r\n[x y:/b=c:d, #]\nb=\n", 0},
		{"[/]\na = w\n", 2},
		{"[/]\na = x\n", 2},
		{"[/]\na = r # c\n", 2},
		{"[/]\na\n", 2},
		{"a = r\n", 1},
		{"[/]\n\n a = r\n", 3},
		{"[/]\n # c\n", 2},
		{" [/]\n", 1},
		{"[/\n", 1},
		{"[a]\n", 1},
		{"[r:a]\n", 1},
		{"[:/a]\n", 1},
		{"[/a/]\n", 1},
		{"[/a//b]\n", 1},
		{"[/a/../b]\n", 1},
		{"[/]\na=r\n[/]\nb=r\n", 3},
		{"[/a]\na=r\n[:glob:/a]\nb=r\n", 3},
		{"[Groups]\ng=a\n", 1},
		{"[groups]\ng=a\ng=b\n", 3},
		{"[groups]\ng=@h\n", 2},
		{"[groups]\ng=@h\nh=@i\ni=@g\n", 2},
		{"[groups]\ng=&x\n", 2},
		{"[groups]\n@g=a\n", 2},
		{"[aliases]\nx=a\nx=b\n", 3},
		{"[/]\n@g=r\n", 2},
		{"[/]\n&x=r\n", 2},
		{"[/]\n~*=r\n", 2},
		{"[aliases]\nx=@g\n[/]\n&x=r\n", 4},
		{"[aliases]\nx=@g\n[groups]\ng=&x\n[/]\n&x=r\n", 0},
		{"[/]\n~~a=r\n", 2},
		{"[/]\n$x=r\n", 2},
	} {
		_, err := svnaccounts.ParseAuthz(strings.NewReader(c.text), nil)
		said := svntest.TryRun(t, nil, "svnauthz", "validate", write(t, c.text))
		if (said.Err == nil) != (c.line == 0) {
			t.Errorf("%q: the test says line %d, Subversion: %s", c.text, c.line, said.Stderr)
		}
		e, _ := errors.AsType[*svnaccounts.SyntaxError](err)
		switch {
		case c.line == 0 && err != nil:
			t.Errorf("%q: %v", c.text, err)
		case c.line > 0 && e == nil:
			t.Errorf("%q is taken: %v", c.text, err)
		case c.line > 0 && e.Line != c.line:
			t.Errorf("%q: got line %d, want %d: %v", c.text, e.Line, c.line, err)
		}
	}
}

// TestGroupsFile: groups may be in a file of their own, and are then in no other.
func TestGroupsFile(t *testing.T) {
	a, err := svnaccounts.ParseAuthz(strings.NewReader("[/]\n@g = r\n&x = rw\n"), strings.NewReader("[aliases]\nx=b\n[groups]\ng = a\n"))
	if err != nil {
		t.Fatal(err)
	}
	for user, want := range map[string]havre.Right{"a": havre.RightRead, "b": havre.RightWrite, "c": havre.RightNone} {
		if got := a.Access("r", "x/y", user); got != want {
			t.Errorf("%s: got %v, want %v", user, got, want)
		}
	}
	_, err = svnaccounts.ParseAuthz(strings.NewReader("[groups]\ng = a\n"), strings.NewReader("[groups]\n"))
	if e, ok := errors.AsType[*svnaccounts.SyntaxError](err); !ok || e.Line != 1 {
		t.Errorf("groups in both files: %v", err)
	}
	_, err = svnaccounts.ParseAuthz(strings.NewReader(""), strings.NewReader("[/]\na=r\n"))
	if _, ok := errors.AsType[*svnaccounts.GroupsError](err); !ok {
		t.Errorf("rights in the file of groups: %v", err)
	}
}

func TestWrite(t *testing.T) {
	f := svnaccounts.Output{
		Comment: []string{"written by havre"},
		Groups:  []svnaccounts.OutputGroup{{Name: "a=b:c, @d", Users: []string{"ada", "b,en", "@x", " y"}, Groups: []string{"Legal Team"}}, {Name: "Legal Team"}, {Name: "a_b_c_ @d"}},
		Rules: []svnaccounts.OutputRule{
			{Repo: "one two", Path: "", Lines: []svnaccounts.OutputLine{{Everyone: true}, {Group: "a=b:c, @d", Right: havre.RightWrite}, {User: "*", Right: havre.RightRead}, {User: "@d", Right: havre.RightRead}}},
			{Repo: "one two", Path: "é/x=y: #", Lines: []svnaccounts.OutputLine{{User: "b,en", Right: havre.RightManage}, {User: "$anonymous", Right: havre.RightRead}}},
		},
	}
	text, err := f.Text()
	if err != nil {
		t.Fatal(err)
	}
	file := write(t, text)
	svntest.Run(t, "svnauthz", "validate", file)
	a := parse(t, text)
	for _, c := range []struct {
		user string
		path svn.Path
		want havre.Right
	}{
		{"ada", "", havre.RightWrite},
		{"@x", "", havre.RightWrite},
		{" y", "", havre.RightNone}, // no name of an account
		{"*", "", havre.RightRead},
		{"@d", "", havre.RightRead},
		{"z", "", havre.RightNone},
		{"b,en", "é/x=y: #/z", havre.RightWrite},
		{"$anonymous", "é/x=y: #", havre.RightRead},
	} {
		got := a.Access("one two", c.path, c.user)
		if said := svnaccountstest.Ask(t, file, "one two", c.path, c.user); got != c.want || said != c.want && c.user != "$anonymous" {
			t.Errorf("%s at /%s: got %v, Subversion says %v, want %v\n%s", c.user, c.path, got, said, c.want, text)
		}
	}
	again, err := f.Text()
	if err != nil || again != text {
		t.Errorf("the second time: %v\n%s", err, cmp.Diff(text, again))
	}
	for name, bad := range map[string]svnaccounts.OutputRule{
		"]":        {Repo: "r", Path: "a]b"},
		"repo :":   {Repo: "a:b", Path: "a"},
		"repo /":   {Repo: "/b", Path: "a"},
		"no repo":  {Path: "a"},
		"trailing": {Repo: "r]", Path: "a"},
		"CR":       {Repo: "r", Path: "a\rb"},
	} {
		_, err := (&svnaccounts.Output{Rules: []svnaccounts.OutputRule{bad}}).Text()
		if _, ok := errors.AsType[*svnaccounts.InexpressibleError](err); !ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
