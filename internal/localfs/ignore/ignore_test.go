package ignore_test

import (
	"bytes"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/internal/localfs/ignore"
	"github.com/havre-cloud/havre/svn"
)

// gitIgnores asks git which of the paths are ignored by .gitignore files with this text. Paths with
// "/" at the end are directories.
func gitIgnores(t *testing.T, files map[svn.Path]string, paths []string) map[string]bool {
	t.Helper()
	root := t.TempDir()
	run := func(input string, args ...string) string {
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", root, "-c", "core.excludesFile=/dev/null"}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
		cmd.Stdin = strings.NewReader(input)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil && cmd.ProcessState.ExitCode() != 1 {
			t.Fatalf("git %v: %v\n%s", args, err, &stderr)
		}
		return string(out)
	}
	run("", "init", "-q")
	write := func(name, content string) {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range paths {
		if dir, ok := strings.CutSuffix(p, "/"); ok {
			if err := os.MkdirAll(filepath.Join(root, dir), 0o777); err != nil {
				t.Fatal(err)
			}
		} else {
			write(p, "")
		}
	}
	for dir, text := range files {
		write(string(dir.Join(".gitignore")), text)
	}
	ignored := map[string]bool{}
	out := run(strings.ReplaceAll(strings.Join(paths, "\x00"), "/\x00", "\x00"), "check-ignore", "-z", "--no-index", "--stdin")
	for p := range strings.SplitSeq(strings.TrimSuffix(out, "\x00"), "\x00") {
		ignored[strings.TrimSuffix(p, "/")] = true
	}
	return ignored
}

func compare(t *testing.T, files map[svn.Path]string, paths []string) {
	t.Helper()
	tree := ignore.NewFunc(func(p svn.Path) ([]byte, error) {
		if text, ok := files[p.Dir()]; ok {
			return []byte(text), nil
		}
		return nil, fs.ErrNotExist
	})
	want := gitIgnores(t, files, paths)
	for _, p := range paths {
		p, isDir := strings.CutSuffix(p, "/")
		if got := tree.Match(svn.Path(p), isDir); got != want[p] {
			t.Errorf("%q: ignored %v, git says %v; rules %q", p, got, want[p], files)
		}
	}
}

func TestAgainstGit(t *testing.T) {
	paths := []string{
		"a", "b.txt", "c.o", "d/", "d/a", "d/b.txt", "d/e/", "d/e/a", "d/e/f/", "d/e/f/g.o", "foo/", "foo/bar/", "foo/bar/baz",
		"x foo", "foo ", "#hash", "!bang", "back\\slash", "[br]", "star*", "q?", "é", "🙂.txt", "build/", "build/out", "build/keep",
		"doc/", "doc/frotz/", "doc/frotz/x", "z/", "z/doc/", "z/doc/frotz/", "z/doc/frotz/x", "file1", "file2", "fileA", "A", "tab\t",
	}
	for _, c := range []struct{ name, rules string }{
		{"empty", ""},
		{"comment and blank lines", "# a\n\n   \n#hash\n"},
		{"a name anywhere", "a\n"},
		{"anchored", "/a\n"},
		{"directory only", "a/\nfoo/\n"},
		{"suffix", "*.o\n"},
		{"negation", "*.txt\n!b.txt\n"},
		{"negation below an ignored directory", "build/\n!build/keep\n"},
		{"contents of a directory but one", "build/*\n!build/keep\n"},
		{"slash in the middle anchors", "doc/frotz\n"},
		{"slash at the end does not anchor", "frotz/\n"},
		{"leading double star", "**/frotz\n"},
		{"trailing double star", "doc/**\n"},
		{"double star in the middle", "d/**/g.o\n"},
		{"double star matches nothing", "d/**/e\n"},
		{"double star alone", "**\n"},
		{"double star and slash", "**/\n"},
		{"slash and double star", "/**\n"},
		{"double star in a word", "f**o\nd/e**g.o\n"},
		{"slash alone", "/\n//\n"},
		{"question mark", "file?\nq\\?\n"},
		{"sets", "file[0-9]\n"},
		{"negated sets", "file[!0-9]\nfile[^1A]\n"},
		{"classes", "file[[:digit:]]\n[[:upper:]]\n"},
		{"class that is none", "file[[:nothing:]]\n"},
		{"set that does not end", "file[12\n"},
		{"bracket escaped", "\\[br\\]\n"},
		{"bracket in a set", "[[]br[]]\n"},
		{"star escaped", "star\\*\n"},
		{"hash and bang escaped", "\\#hash\n\\!bang\n"},
		{"trailing spaces", "foo   \n"},
		{"trailing space escaped", "foo\\ \n"},
		{"trailing tab", "tab\t\n"},
		{"backslash", "back\\\\slash\n"},
		{"backslash at the end", "a\\\n"},
		{"carriage returns", "a\r\n*.o\r\n"},
		{"byte order mark", "\ufeffa\n"},
		{"multibyte", "é\n🙂*\n"},
		{"one question mark for each byte", "??\n"},
		{"no newline at the end", "a"},
		{"later lines win", "!a\na\n!d/a\n"},
		{"everything but", "*\n!*/\n!*.o\n"},
		{"the built-in rules", ignore.Builtin},
	} {
		t.Run(c.name, func(t *testing.T) { compare(t, map[svn.Path]string{"": c.rules}, paths) })
	}
	t.Run("files in several directories", func(t *testing.T) {
		compare(t, map[svn.Path]string{"": "*.txt\na\n/foo/bar\n", "d": "!b.txt\n/a\n", "d/e": "!a\nf/g.o\n", "foo": "!bar\n", "build": "!*\n"}, paths)
	})
}

// tame leaves out "**" beside letters: git compares the letters before the first wildcard by
// themselves, and takes "a**/b" for "a" and "**/b", so that it matches "ab"; its documentation says
// that such asterisks are regular ones.
func tame(line string) string {
	segments := strings.Split(line, "/")
	for i, s := range segments {
		if strings.Trim(s, "*") != "" {
			segments[i] = strings.ReplaceAll(strings.ReplaceAll(s, "**", "*"), "**", "*")
		}
	}
	return strings.Join(segments, "/")
}

// TestRandomAgainstGit puts random patterns of a small alphabet beside git.
func TestRandomAgainstGit(t *testing.T) {
	const rounds = 60
	for seed := range uint64(rounds) {
		r := rand.New(rand.NewPCG(seed, 1))
		word := func(alphabet []string, n int) string {
			var b strings.Builder
			for range 1 + r.IntN(n) {
				b.WriteString(alphabet[r.IntN(len(alphabet))])
			}
			return b.String()
		}
		names := []string{"a", "b", "ab", "ba", "aab"}
		var paths []string
		for _, x := range names[:3] {
			paths = append(paths, x+"/")
			for _, y := range names {
				if y == "b" {
					paths = append(paths, x+"/b/", x+"/b/a", x+"/b/ab", x+"/b/b/", x+"/b/b/a")
				} else {
					paths = append(paths, x+"/"+y)
				}
			}
		}
		paths = append(paths, "ba", "aab")
		rules := map[svn.Path]string{}
		for _, dir := range []svn.Path{"", "a", "a/b"}[:1+r.IntN(3)] {
			var b strings.Builder
			for range 1 + r.IntN(5) {
				if r.IntN(4) == 0 {
					b.WriteString("!")
				}
				b.WriteString(tame(word([]string{"a", "b", "a", "b", "*", "**", "/", "/", "?", "[ab]", "[!a]", "\\a", "/**/", "**/"}, 6)))
				b.WriteString("\n")
			}
			rules[dir] = b.String()
		}
		compare(t, rules, paths)
	}
}

func TestBuiltin(t *testing.T) {
	tree := ignore.NewFunc(func(svn.Path) ([]byte, error) { return nil, fs.ErrNotExist })
	got := map[string]bool{}
	want := map[string]bool{
		".DS_Store": true, "Thumbs.db": true, "~$report.docx": true, ".report.txt.swp": true, "notes.txt~": true,
		".~lock.a.odt#": true, "film.mkv.part": true, "x.crdownload": true, ".#a.el": true, "#a.el#": true, ".nfs000012ab": true,
		"swp": false, "report.docx": false, ".hidden": false, ".gitignore": false, "part": false, "a.tmp": false, "~": true,
		"#hashtag": false, "$money": false, ".havreignore": false, "lunch.tmp": false, "a.swp": false, "core": false,
	}
	for name := range want {
		got[name] = tree.Match(svn.Path("d/"+name), false)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestForget(t *testing.T) {
	rules := "a\n"
	tree := ignore.NewFunc(func(p svn.Path) ([]byte, error) {
		if p == ignore.FileName {
			return []byte(rules), nil
		}
		return nil, fs.ErrNotExist
	})
	if !tree.Match("d/a", false) || tree.Match("d/b", false) {
		t.Error("before")
	}
	rules = "b\n"
	tree.Forget()
	if tree.Match("d/a", false) || !tree.Match("d/b", false) {
		t.Error("after")
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("*a*b*c*d*e*f*g", "aaaaaaaaaaaaaaaaaaaaaaaaaaaa")
	f.Add("[[:alpha:]-z]\\", "a/b")
	f.Fuzz(func(t *testing.T, rules, path string) {
		p, err := svn.CheckPath(path)
		if err != nil || p == "" {
			return
		}
		tree := ignore.NewFunc(func(svn.Path) ([]byte, error) { return []byte(rules), nil })
		// An ignored directory ignores everything in it.
		if tree.Match(p, true) && !tree.Match(p.Join("x"), false) {
			t.Errorf("%q is ignored, %q is not", p, p.Join("x"))
		}
	})
}
