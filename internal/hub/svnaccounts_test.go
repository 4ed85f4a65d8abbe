package hub

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/internal/svnaccounts"
	"github.com/havre-cloud/havre/internal/svnaccounts/svnaccountstest"
	"github.com/havre-cloud/havre/svn"
)

func parseAuthz(t testing.TB, text string) *svnaccounts.Authz {
	t.Helper()
	a, err := svnaccounts.ParseAuthz(strings.NewReader(text), nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return a
}

func authzFile(t testing.TB, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "authz")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// randomBook has some of the people and groups already, with rights of all kinds.
func randomBook(rng *rand.Rand, f *svnaccountstest.File) *Book {
	b := &Book{Folders: []store.Folder{{ID: "one", Name: "One"}, {ID: "two", Name: "Two", Prefix: "a"}, {ID: "rest", Name: "Rest"}}}
	for _, name := range append(slices.Clone(f.Users), "zoe", "yan", "closed", "root") {
		if rng.IntN(2) == 0 || name == "root" {
			b.Users = append(b.Users, store.User{ID: havre.UserID("u-" + name), Name: name, Disabled: name == "closed"})
		}
	}
	user := func() havre.UserID { return b.Users[rng.IntN(len(b.Users))].ID }
	groups := []string{"in", "mid dle", "Board"}
	for i, name := range groups[:rng.IntN(4)] {
		g := store.Group{ID: "g-" + name, Name: name}
		for range rng.IntN(3) {
			if u := user(); len(b.Users) > 0 && !slices.Contains(g.Members, u) {
				g.Members = append(g.Members, u)
			}
		}
		if i > 0 && rng.IntN(2) == 0 {
			g.Groups = []string{"g-" + groups[i-1]}
		}
		b.Groups = append(b.Groups, g)
	}
	for range rng.IntN(12) {
		g := store.Grant{Folder: b.Folders[rng.IntN(3)].ID, Path: f.Paths[rng.IntN(5)], Right: havre.Right(rng.IntN(4))}
		if len(b.Groups) > 0 && rng.IntN(2) == 0 {
			g.Group = b.Groups[rng.IntN(len(b.Groups))].ID
		} else {
			g.User = user()
		}
		if !slices.ContainsFunc(b.Grants, func(o store.Grant) bool { return o.SameHolder(&g) }) {
			b.Grants = append(b.Grants, g)
		}
	}
	b.index()
	return b
}

// carriedOut returns the book after the plan, as the store would have it.
func carriedOut(t testing.TB, b *Book, p *svnPlanner) *Book {
	t.Helper()
	if p.plan.Refused() {
		t.Fatalf("refused: %+v", p.plan.Notes)
	}
	n := &Book{Folders: b.Folders, Users: slices.Clone(b.Users), Grants: slices.Clone(b.Grants)}
	users, groups := map[string]havre.UserID{}, map[string]string{}
	for _, who := range p.plan.People {
		if who.New {
			n.Users = append(n.Users, store.User{ID: havre.UserID("made-" + who.Name), Name: who.Name})
		}
	}
	for _, u := range n.Users {
		users[u.Name] = u.ID
	}
	for _, g := range b.Groups {
		g.Members, g.Groups = slices.Clone(g.Members), slices.Clone(g.Groups)
		n.Groups = append(n.Groups, g)
	}
	for _, g := range p.plan.Groups {
		if g.New {
			n.Groups = append(n.Groups, store.Group{ID: "made-" + g.Name, Name: g.Name})
		}
	}
	for _, g := range n.Groups {
		groups[g.Name] = g.ID
	}
	for _, c := range p.plan.Groups {
		g := &n.Groups[slices.IndexFunc(n.Groups, func(g store.Group) bool { return g.Name == c.Name })]
		for _, u := range c.Remove {
			g.Members = slices.DeleteFunc(g.Members, func(id havre.UserID) bool { return id == users[u] })
		}
		for _, u := range c.Add {
			g.Members = append(g.Members, users[u])
		}
		for _, inner := range c.RemoveGroups {
			g.Groups = slices.DeleteFunc(g.Groups, func(id string) bool { return id == groups[inner] })
		}
		for _, inner := range c.AddGroups {
			g.Groups = append(g.Groups, groups[inner])
		}
	}
	n.index()
	for _, f := range p.plan.Folders {
		for _, c := range f.Changes {
			g := store.Grant{Folder: f.Folder.ID, Path: c.Path, User: users[c.User], Group: groups[c.Group], Right: c.After}
			if (g.User == "") == (g.Group == "") {
				t.Fatalf("for nobody, or for two: %+v", c)
			}
			n = n.With([]store.GrantChange{{Grant: g, Remove: c.Remove}})
		}
	}
	return n
}

// TestSvnImportRights: after the import everybody may do what Subversion says, and with patterns never more, whatever was
// there before; a second import changes nothing.
func TestSvnImportRights(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 9))
		patterns := seed%3 == 0
		f := svnaccountstest.Random(rng, patterns)
		rules := parseAuthz(t, f.Text)
		before := randomBook(rng, f)
		in := &SvnImport{Authz: rules, Patterns: SvnPatternsNarrow, Folders: []SvnFolder{{before.Folders[0], "one"}, {before.Folders[1], "two"}}}
		if seed%2 == 0 {
			in.Passwords = []svnaccounts.Password{{Line: 1, Name: "ada", Plain: "x"}, {Line: 2, Name: "frank", Plain: "y"}}
			in.Others = seed%4 == 0
		}
		p, err := planSvn(in, before, time.Now())
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, f.Text)
		}
		after := carriedOut(t, before, p)
		file := ""
		for i, folder := range before.Folders[:2] {
			repo := in.Folders[i].Repo
			for _, u := range after.Users {
				who := slices.ContainsFunc(p.plan.People, func(q SvnPerson) bool { return q.Name == u.Name })
				for _, path := range f.Paths {
					abs := folder.Prefix.Join(string(path))
					want := rules.Access(repo, abs, u.Name)
					if patterns || seed < 8 && rng.IntN(10) == 0 {
						if file == "" {
							file = authzFile(t, f.Text)
						}
						if rng.IntN(40) > 0 && patterns {
							continue
						}
						want = svnaccountstest.Ask(t, file, repo, abs, u.Name)
					}
					was, got := before.reachOf(Holder{User: u.ID}, folder.ID).right(path), after.reachOf(Holder{User: u.ID}, folder.ID).right(path)
					switch {
					case u.Disabled:
					case got == havre.RightManage && was == got:
					case !who && got > havre.RightNone, got > want:
						t.Fatalf("seed %d: %s gets %v at %s:/%s, Subversion says %v\n%s", seed, u.Name, got, repo, abs, want, f.Text)
					case who && got < want && !patterns:
						t.Fatalf("seed %d: %s gets %v at %s:/%s only, Subversion says %v\n%s", seed, u.Name, got, repo, abs, want, f.Text)
					}
				}
			}
		}
		in.Folders[0].Folder, in.Folders[1].Folder = after.Folders[0], after.Folders[1]
		again, err := planSvn(in, after, time.Now())
		if err != nil {
			t.Fatalf("seed %d: the second time: %v", seed, err)
		}
		for i := range again.plan.People {
			again.plan.People[i].Password = SvnPasswordHas // the book has none
		}
		if !again.plan.Empty() {
			t.Fatalf("seed %d: the second time: %+v\n%+v\n%s", seed, again.plan.Groups, again.plan.Folders, f.Text)
		}
		if diff := cmp.Diff(grantsOf(before, "rest"), grantsOf(after, "rest")); diff != "" {
			t.Fatalf("seed %d: another folder: %s", seed, diff)
		}
	}
}

func grantsOf(b *Book, folder havre.FolderID) []string {
	var all []string
	for _, g := range b.Grants {
		if g.Folder == folder {
			all = append(all, fmt.Sprint(g.Path, g.User, g.Group, g.Right))
		}
	}
	slices.Sort(all)
	return all
}

// oddNames are names of people and groups that an authz file cannot have as they are.
var oddNames = []string{"ann", "b=c", "*", "@d", "e,f", "#g", "~h", "$anonymous", "Zoé d'Or", "[x]", "&i", "k:l"}

// TestSvnExport: Subversion gives everybody what havre gives, and importing the file changes nothing.
func TestSvnExport(t *testing.T) {
	for seed := range uint64(80) {
		rng := rand.New(rand.NewPCG(seed, 11))
		b := &Book{Folders: []store.Folder{
			{ID: "one", Name: "One", Location: "adopted:/srv/one", Prefix: "trunk"},
			{ID: "uno", Name: "Uno", Location: "adopted:/srv/one", Prefix: "b/x y"},
			{ID: "two", Name: "Two", Location: "two"},
		}}
		for i, name := range oddNames[:4+rng.IntN(len(oddNames)-4)] {
			b.Users = append(b.Users, store.User{ID: havre.UserID("u" + name), Name: name, Disabled: i == 2})
		}
		for i := range rng.IntN(6) {
			g := store.Group{ID: fmt.Sprint("g", i), Name: fmt.Sprint(oddNames[(i*5)%len(oddNames)], "s")}
			for _, u := range b.Users {
				if rng.IntN(3) == 0 {
					g.Members = append(g.Members, u.ID)
				}
			}
			if i > 0 && rng.IntN(2) == 0 {
				g.Groups = []string{fmt.Sprint("g", rng.IntN(i))}
			}
			b.Groups = append(b.Groups, g)
		}
		paths := []svn.Path{"", "a", "a/b", "a/b/c", "é =:#", "a/b c"}
		for range rng.IntN(25) {
			g := store.Grant{Folder: b.Folders[rng.IntN(3)].ID, Path: paths[rng.IntN(len(paths))], Right: havre.Right(rng.IntN(4))}
			if len(b.Groups) > 0 && rng.IntN(3) > 0 {
				g.Group = b.Groups[rng.IntN(len(b.Groups))].ID
			} else {
				g.User = b.Users[rng.IntN(len(b.Users))].ID
			}
			if !slices.ContainsFunc(b.Grants, func(o store.Grant) bool { return o.SameHolder(&g) }) {
				b.Grants = append(b.Grants, g)
			}
		}
		b.index()
		folders := []SvnFolder{{b.Folders[0], "one"}, {b.Folders[1], "one"}, {b.Folders[2], "two"}}
		text, err := b.authz(folders, time.Now(), []string{"made up"})
		if err != nil {
			t.Fatal(err)
		}
		again, err := b.authz([]SvnFolder{folders[2], folders[0], folders[1]}, time.Now(), []string{"made up"})
		if err != nil || again != text {
			t.Fatalf("seed %d: the second time: %v\n%s", seed, err, cmp.Diff(text, again))
		}
		rules, file := parseAuthz(t, text), ""
		for _, f := range folders {
			for _, u := range append(slices.Clone(b.Users), store.User{ID: "x", Name: "stranger"}) {
				for _, path := range append(slices.Clone(paths), "a/b/c/d", "z") {
					want := min(b.reachOf(Holder{User: u.ID}, f.Folder.ID).right(path), havre.RightWrite)
					if u.Disabled {
						want = havre.RightNone
					}
					abs := f.Folder.Prefix.Join(string(path))
					got := rules.Access(f.Repo, abs, u.Name)
					// The program takes --username '$anonymous' for nobody.
					if u.Name != "$anonymous" && rng.IntN(200) == 0 {
						if file == "" {
							file = authzFile(t, text)
						}
						got = svnaccountstest.Ask(t, file, f.Repo, abs, u.Name)
					}
					if got != want {
						t.Fatalf("seed %d: %s at %s:/%s: got %v, want %v\n%s", seed, u.Name, f.Repo, abs, got, want, text)
					}
				}
			}
			for _, outside := range []svn.Path{"", "b", "trunkx"} {
				if got := rules.Access("one", outside, "ann"); got != havre.RightNone {
					t.Fatalf("seed %d: outside of the folders, at %s: %v\n%s", seed, outside, got, text)
				}
			}
		}
		plan, err := planSvn(&SvnImport{Authz: rules, Folders: folders}, b, time.Now())
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, text)
		}
		if names := plan.plan.Groups; !plan.plan.Empty() && !slices.ContainsFunc(names, func(g SvnGroup) bool { return g.New }) {
			t.Fatalf("seed %d: importing it changes something: %+v\n%+v\n%s", seed, names, plan.plan.Folders, text)
		}
	}
}

// TestSvnExportRefused: what an authz file cannot say is not left out.
func TestSvnExportRefused(t *testing.T) {
	b := &Book{Users: []store.User{{ID: "a", Name: "ann"}}, Folders: []store.Folder{{ID: "f", Name: "F", Location: "f"}, {ID: "g", Name: "G", Location: "g"}}}
	b.Grants = []store.Grant{{Folder: "f", Path: "a]", User: "a"}}
	b.index()
	for name, folders := range map[string][]SvnFolder{
		"a path":           {{b.Folders[0], "f"}},
		"a repository":     {{b.Folders[1], "a:b"}},
		"two repositories": {{b.Folders[0], "f"}, {b.Folders[1], "f"}},
	} {
		if _, err := b.authz(folders, time.Now(), nil); havre.CodeOf(err) != havre.CodeInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}
