package svnaccounts_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/internal/svnaccounts"
	"github.com/havre-cloud/havre/svn/svntest"
)

func TestPasswd(t *testing.T) {
	got, err := svnaccounts.ParsePasswd(strings.NewReader(
		"### c\n[general]\nx = y\n[USERS]\nAda = one\nben: 1 2:=#\ncy = a%(ben)s\ndee =\neve = x\n y\nada = two\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []svnaccounts.Password{
		{Line: 6, Name: "ben", Plain: "1 2:=#"},
		{Line: 7, Name: "cy", Why: "the password contains %(, which Subversion replaces by something else"},
		{Line: 8, Name: "dee", Why: "the password is empty"},
		{Line: 9, Name: "eve", Plain: "x y"},
		{Line: 11, Name: "ada", Plain: "two"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := svnaccounts.ParsePasswd(strings.NewReader("[users]\nada\n")); err == nil {
		t.Error("a line without = is taken")
	}
	if _, err := svnaccounts.ParsePasswd(strings.NewReader(strings.Repeat("x", svnaccounts.MaxFile+1))); err == nil {
		t.Error("a file without end is taken")
	}
}

// TestHtpasswd: what Apache's own program writes can be checked, and nothing else.
func TestHtpasswd(t *testing.T) {
	const password = "correct horse: bättery"
	for flag, kind := range map[string]string{"-m": "$apr1$", "-B": "$2y$", "-s": "{SHA}", "-2": "$5$", "-5": "$6$", "-d": "", "-p": ""} {
		line := svntest.TryRun(t, nil, "htpasswd", "-nb", flag, "ada", password).Stdout
		got, err := svnaccounts.ParseHtpasswd(strings.NewReader("# c\n\n" + line + "ada:other\nben:\n"))
		if err != nil || len(got) != 2 || got[0].Name != "ada" || got[0].Line != 3 {
			t.Fatalf("%s: %+v, %v", line, got, err)
		}
		if kind == "" {
			if got[0].Hash != "" || got[0].Why == "" {
				t.Errorf("%s: taken as %+v", line, got[0])
			}
			continue
		}
		if !strings.HasPrefix(got[0].Hash, kind) || got[0].Why != "" || got[1].Why == "" {
			t.Fatalf("%s: %+v", line, got)
		}
		if !svnaccounts.SameHash(password, got[0].Hash) || svnaccounts.SameHash(password+"x", got[0].Hash) || svnaccounts.SameHash("", got[0].Hash) {
			t.Errorf("%s: the password is not known again, or any is", flag)
		}
		kept, err := svnaccounts.Wrap(got[0].Hash, func(s string) (string, error) { return "sealed", nil })
		if err != nil || !svnaccounts.Wrapped(kept) {
			t.Fatal(kept, err)
		}
		if kind != "$2y$" && strings.Contains(kept, got[0].Hash[len(got[0].Hash)-15:]) {
			t.Errorf("%s: the quick hash is kept: %s", flag, kept)
		}
	}
	if _, err := svnaccounts.ParseHtpasswd(strings.NewReader("ada:realm:" + strings.Repeat("a", 32) + "\n")); err == nil {
		t.Error("a file of htdigest is taken")
	}
	if _, err := svnaccounts.ParseHtpasswd(strings.NewReader("ada\n")); err == nil {
		t.Error("a line without a hash is taken")
	}
}

// TestHashCost: whoever writes the file cannot make signing in cost minutes, or have damaged hashes looked at.
func TestHashCost(t *testing.T) {
	for _, hash := range []string{
		"$2y$31$" + strings.Repeat("a", 53), "$2y$03$" + strings.Repeat("a", 53), "$6$rounds=999999999$salt$" + strings.Repeat("a", 86),
		"$6$rounds=1$salt$" + strings.Repeat("a", 86), "$6$salt$abc", "$5$salt$" + strings.Repeat("a", 86), "$apr1$$" + strings.Repeat("a", 22),
		"{SHA}", "plain", "", "imported:$2y$",
	} {
		if _, err := svnaccounts.Wrap(hash, nil); !errors.Is(err, svnaccounts.ErrHash) {
			t.Errorf("%s: %v", hash, err)
		}
	}
	for _, kept := range []string{"", "imported:", "imported:x|y", "$argon2id$", "imported:{SHA}"} {
		if ok, err := svnaccounts.CheckWrapped("x", kept, func(string, string) (bool, error) { return true, nil }); ok || err == nil {
			t.Errorf("%s is taken", kept)
		}
	}
}

func FuzzParseHtpasswd(f *testing.F) {
	f.Add("ada:$apr1$LzfI/oqI$QNGrqIc3xWWVy2sS2n8S5.\nben:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=\n#\n", "test")
	f.Add("ada:$5$x$"+strings.Repeat("a", 43)+"\r\nada:rest", "")
	f.Add("a:$6$rounds=1000$s$"+strings.Repeat("a", 86), "x")
	f.Fuzz(func(t *testing.T, text, password string) {
		all, err := svnaccounts.ParseHtpasswd(strings.NewReader(text))
		if err != nil {
			return
		}
		names := map[string]bool{}
		for _, p := range all {
			if p.Name == "" || names[p.Name] || (p.Hash == "") == (p.Why == "") || p.Line < 1 {
				t.Fatalf("%+v", p)
			}
			names[p.Name] = true
			if len(password) < 100 && !strings.HasPrefix(p.Hash, "$2") && strings.Count(p.Hash, "rounds") == 0 {
				svnaccounts.SameHash(password, p.Hash)
			}
		}
	})
}

func FuzzParsePasswd(f *testing.F) {
	f.Add("[users]\nada = one\n  two\nben:x\n")
	f.Add("\xef\xbb\xbf[users]\r\nada=%(x)s\r\n# c\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := svnaccounts.ParsePasswd(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, p := range all {
			if p.Name == "" || (p.Plain == "") == (p.Why == "") {
				t.Fatalf("%+v", p)
			}
		}
	})
}

// FuzzParseAuthz: nothing makes the reader fall, and what it takes means the same when it is written again by name.
func FuzzParseAuthz(f *testing.F) {
	f.Add("[aliases]\nx = a=b\n[groups]\ng = &x, c\nh=@g\n[/]\n*=r\n~@h = rw\n[r:/a b]\n@g=\n$anonymous=r\n[:glob:r:/**/x]\n&x = r\n")
	f.Add("[groups]\ng = @h\nh = @g\n")
	f.Add("[/]\na = r\n  w\n")
	f.Fuzz(func(t *testing.T, text string) {
		a, err := svnaccounts.ParseAuthz(strings.NewReader(text), nil)
		if err != nil {
			return
		}
		var o svnaccounts.Output
		for _, g := range a.Groups {
			o.Groups = append(o.Groups, svnaccounts.OutputGroup{Name: g.Name, Users: g.Users, Groups: g.Groups})
		}
		written, err := o.Text()
		if err != nil {
			t.Fatal(err)
		}
		b, err := svnaccounts.ParseAuthz(strings.NewReader(written), nil)
		if err != nil {
			t.Fatalf("%v\n%s", err, written)
		}
		for i, g := range a.Groups {
			for _, u := range append(g.Users, "somebody") {
				if a.InGroup(g.Name, u) != b.InGroup(b.Groups[i].Name, u) {
					t.Fatalf("%q in %q: %v\n%s", u, g.Name, a.InGroup(g.Name, u), written)
				}
			}
		}
		for _, r := range a.Rules {
			for _, u := range []string{"a=b", "c", ""} {
				if floor := a.Floor("r", r.Path, u); floor > a.Access("r", r.Path, u) {
					t.Fatalf("the floor is above: %v", floor)
				}
			}
		}
	})
}
