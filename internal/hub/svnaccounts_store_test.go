package hub

import (
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/internal/svnaccounts"
)

const svnRules = `[groups]
Dev = ada, ben
All of them = @Dev, cy
[docs:/]
@All of them = r
* =
[docs:/trunk]
@Dev = rw
ben = r
~cy = r
`

// svnWorld is a server with an adopted repository and a plan to import people.
func svnWorld(t *testing.T, passwords string) (*doorWorld, *SvnImport, *SvnPlan) {
	t.Helper()
	w := newDoor(t)
	a := w.Admin(store.Console)
	repo := filepath.Join(t.TempDir(), "docs")
	run(t, "svnadmin", "create", repo)
	f := ok(a.AdoptFolder(t.Context(), "Docs", repo, ""))(t)
	if err := a.Grant(t.Context(), f.Name, "maelle", havre.RightManage); err != nil {
		t.Fatal(err)
	}
	parse := svnaccounts.ParsePasswd
	if !strings.Contains(passwords, "[users]") {
		parse = svnaccounts.ParseHtpasswd
	}
	in := &SvnImport{Passwords: ok(parse(strings.NewReader(passwords)))(t), Authz: parseAuthz(t, svnRules)}
	in.Folders = ok(a.SvnFolders(t.Context(), nil, in.Authz))(t)
	if len(in.Folders) != 1 || in.Folders[0].Repo != "docs" {
		t.Fatalf("the folders are %+v", in.Folders)
	}
	return w, in, ok(a.PlanSvnImport(t.Context(), in))(t)
}

// TestSvnImport takes people, groups and rights over: passwords go on to be good, the log says what was done, and a
// second time nothing is to be done.
func TestSvnImport(t *testing.T) {
	w, in, plan := svnWorld(t, "[users]\nada = "+goodPhrase+"\nben = short\ncy =\ntom = other words than these\nmaelle = x\n")
	a := w.Admin(store.Console)
	got := map[string]SvnPerson{}
	for _, p := range plan.People {
		p.entry = nil
		got[p.Name] = p
	}
	want := map[string]SvnPerson{
		"ada":    {Name: "ada", New: true, Password: SvnPasswordTaken},
		"ben":    {Name: "ben", New: true, Password: SvnPasswordTaken, Weak: true, Why: "the password is too short: take 10 characters or more"},
		"cy":     {Name: "cy", New: true, Why: "the password is empty"},
		"tom":    {Name: "tom", Password: SvnPasswordHas},
		"maelle": {Name: "maelle", Why: "an administrator's password is chosen anew"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(SvnPerson{})); diff != "" {
		t.Error(diff)
	}
	invitations := ok(a.ImportSvn(t.Context(), in, plan))(t)
	if len(invitations) != 1 || invitations[0].User != "cy" {
		t.Errorf("invitations for %+v", invitations)
	}
	if _, _, err := w.Accept(t.Context(), invitations[0].Secret, "several words of cy", home, "test"); err != nil {
		t.Error(err)
	}
	w.must("ada", goodPhrase, home)
	w.must("ben", "short", home)
	w.must("tom", goodPhrase, home)
	book := ok(a.Book(t.Context()))(t)
	for name, want := range map[string]havre.Right{"ada": havre.RightWrite, "ben": havre.RightWrite, "cy": havre.RightRead, "tom": havre.RightRead, "maelle": havre.RightRead} {
		u := ok(a.User(t.Context(), name))(t)
		if got := book.reachOf(Holder{User: u.ID}, in.Folders[0].Folder.ID).right("trunk/x"); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	maelle := ok(a.User(t.Context(), "maelle"))(t)
	if got := book.reachOf(Holder{User: maelle.ID}, in.Folders[0].Folder.ID).right("branches"); got != havre.RightManage {
		t.Errorf("who manages the folder: %v", got)
	}
	var lines []string
	for _, e := range ok(a.Audit(t.Context(), 0, 200))(t) {
		lines = append(lines, strings.TrimSpace(e.Action+" "+e.Subject+" "+e.Detail))
	}
	for _, line := range []string{"user.add ada member", "user.password ada imported", "group.add Dev imported", "group.join All of them group Dev", "group.join Dev ada", "grant.set Docs /trunk: Dev may write"} {
		if !slices.Contains(lines, line) {
			t.Errorf("the log lacks %q: %q", line, lines)
		}
	}
	again := ok(a.PlanSvnImport(t.Context(), in))(t)
	if !again.Empty() {
		t.Errorf("the second time: %+v %+v", again.Groups, again.Folders)
	}
	if more, err := a.ImportSvn(t.Context(), in, again); err != nil || more != nil {
		t.Errorf("the second time: %v, %v", more, err)
	}
}

// TestSvnImportedHashes: who has a hash of htpasswd comes in with the old password, and havre has a hash of its own
// from then on.
func TestSvnImportedHashes(t *testing.T) {
	var file strings.Builder
	kinds := map[string]string{"apr": "-m", "bcrypt": "-B", "sha": "-s", "sha256": "-2", "sha512": "-5"}
	for name, flag := range kinds {
		out, err := exec.CommandContext(t.Context(), "htpasswd", "-nb", flag, name, "pw of "+name).Output()
		if err != nil {
			t.Fatal(err)
		}
		file.Write(out)
	}
	file.WriteString("crypted:rqXexS6ZhobKA\n")
	w, in, _ := svnWorld(t, file.String())
	in.Authz = nil
	a := w.Admin(store.Console)
	plan := ok(a.PlanSvnImport(t.Context(), in))(t)
	if inv := ok(a.ImportSvn(t.Context(), in, plan))(t); len(inv) != 1 || inv[0].User != "crypted" {
		t.Errorf("invitations: %+v", inv)
	}
	for name := range kinds {
		u := ok(a.User(t.Context(), name))(t)
		kept := ok(w.store.Secrets(t.Context(), u.ID))(t).PasswordHash
		if !svnaccounts.Wrapped(kept) {
			t.Errorf("%s: kept is %s", name, kept)
		}
		if _, _, err := w.signIn(name, "pw of nobody", home); havre.CodeOf(err) != havre.CodeDenied {
			t.Errorf("%s: another password: %v", name, err)
		}
		if now := ok(w.store.Secrets(t.Context(), u.ID))(t).PasswordHash; now != kept {
			t.Errorf("%s: a wrong password changed it", name)
		}
		w.must(name, "pw of "+name, home)
		renewed := ok(w.store.Secrets(t.Context(), u.ID))(t).PasswordHash
		if !strings.HasPrefix(renewed, "$argon2id$") {
			t.Errorf("%s: kept is %s after the first time", name, renewed)
		}
	}
	w.must("apr", "pw of apr", home)
}

// TestSvnImportWhole: an import is done wholly or not at all, and only as it was shown.
func TestSvnImportWhole(t *testing.T) {
	w, in, plan := svnWorld(t, "[users]\nada = "+goodPhrase+"\nben = short\ncy = x\n")
	a, ctx := w.Admin(store.Console), t.Context()
	version := ok(w.store.AccessVersion(ctx))(t)
	users, invitations, err := importedUsers(ctx, plan)
	if err != nil {
		t.Fatal(err)
	}
	unchanged := func(what string) {
		t.Helper()
		if n := len(ok(a.Users(ctx))(t)); n != 2 {
			t.Errorf("%s: %d users", what, n)
		}
		if n := len(ok(a.Groups(ctx))(t)); n != 0 {
			t.Errorf("%s: %d groups", what, n)
		}
		if n := len(ok(a.Grants(ctx, in.Folders[0].Folder.ID))(t)); n != 1 {
			t.Errorf("%s: %d grants", what, n)
		}
	}
	broken := importOf(plan, users, invitations, version)
	broken.Grants = append(broken.Grants, store.ImportedGrant{Grant: store.Grant{Folder: in.Folders[0].Folder.ID}, User: "nobody"})
	if err := w.store.ImportAccounts(ctx, store.Console, broken); havre.CodeOf(err) != havre.CodeNotFound {
		t.Errorf("the last step fails: %v", err)
	}
	unchanged("the last step fails")
	circle := importOf(plan, users, invitations, version)
	circle.Groups[1].AddGroups = append(slices.Clone(circle.Groups[1].AddGroups), circle.Groups[0].Name)
	circle.Groups[0].AddGroups = append(slices.Clone(circle.Groups[0].AddGroups), circle.Groups[1].Name)
	if err := w.store.ImportAccounts(ctx, store.Console, circle); havre.CodeOf(err) != havre.CodeInvalid {
		t.Errorf("a circle: %v", err)
	}
	unchanged("a circle")
	old := importOf(plan, users, invitations, version-1)
	if err := w.store.ImportAccounts(ctx, store.Console, old); !errors.Is(err, store.ErrChanged) {
		t.Errorf("something has changed: %v", err)
	}
	unchanged("something has changed")
	if err := a.Grant(ctx, "Docs", "tom", havre.RightWrite); err != nil {
		t.Fatal(err)
	}
	if _, err := a.ImportSvn(ctx, in, plan); !errors.Is(err, store.ErrChanged) {
		t.Errorf("tom has a right that the plan does not know of: %v", err)
	}
	plan = ok(a.PlanSvnImport(ctx, in))(t)
	if _, err := a.ImportSvn(ctx, in, plan); err != nil {
		t.Error(err)
	}
}

// TestSvnImportRefused: two people who are one here are no people, and neither is a group that is two.
func TestSvnImportRefused(t *testing.T) {
	for _, c := range []struct{ passwd, authz, want string }{
		{"a:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=\nA:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=\n", "", "A and a are two people"},
		{"", "[/]\na = r\nA = rw\n", "A and a are two people"},
		{"", "[groups]\ng = a\nG = b\n", "G and g are two groups"},
		{"", "[groups]\ng/h = a\n", "g/h"},
	} {
		in := &SvnImport{Authz: parseAuthz(t, c.authz)}
		if c.passwd != "" {
			in.Passwords = ok(svnaccounts.ParseHtpasswd(strings.NewReader(c.passwd)))(t)
		}
		b := &Book{}
		b.index()
		p := ok(planSvn(in, b, time.Now()))(t)
		said := func(n SvnNote) bool { return n.Refused && strings.Contains(n.Text, c.want) && n.Line > 0 }
		if !p.plan.Refused() || !slices.ContainsFunc(p.plan.Notes, said) {
			t.Errorf("%q %q: %+v", c.passwd, c.authz, p.plan.Notes)
		}
	}
}

// TestSvnImportNotes: what has another meaning here is said with its line.
func TestSvnImportNotes(t *testing.T) {
	rules := `[groups]
g = ada, Ben, ghost, CORP\dee
[/]
* = r
$anonymous = r
[other:/x]
@g = rw
[docs:/trunk/x]
@g = rw
[docs:/branches]
@g = rw
[:glob:docs:/trunk/*/secret]
* =
[:glob:/trunk/**]
@g = rw
`
	b := &Book{Folders: []store.Folder{{ID: "f", Name: "Docs", Prefix: "trunk"}, {ID: "o", Name: "Own"}}, Users: []store.User{{ID: "z", Name: "zoe"}}}
	b.Groups = []store.Group{{ID: "g", Name: "G", Members: []havre.UserID{"z"}}}
	b.Grants = []store.Grant{{Folder: "o", Group: "g", Right: havre.RightRead}}
	b.index()
	p := ok(planSvn(&SvnImport{
		Passwords: ok(svnaccounts.ParsePasswd(strings.NewReader("[users]\nada=x\nben=y\nx/y=z\n")))(t), AnyCase: true,
		Authz: parseAuthz(t, rules), Folders: []SvnFolder{{b.Folders[0], "docs"}},
	}, b, time.Now()))(t)
	var got []string
	for _, n := range p.plan.Notes {
		got = append(got, n.Text[:min(len(n.Text), 40)])
	}
	want := []string{
		"zoe: none instead of read in the folder ", "ada: read instead of none in the folder ", "ben: read instead of none in the folder ",
		`"x/y" is left out: the name of the user `,
		"ghost is left out: this name is in no pa", `"CORP\\dee" is left out: the name of the`,
		"for Subversion * is also who has not sig",
		"$anonymous = read is left out: nobody co", "[other:/x] is left out: no folder has th",
		"[docs:/branches] is left out: it is in n", "[:glob:docs:/trunk/*/secret]: there are ",
		"[:glob:/trunk/**] is left out: there are",
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
