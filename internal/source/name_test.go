package source_test

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/havre-cloud/havre/internal/source"
)

func TestFileName(t *testing.T) {
	for title, want := range map[string]string{
		"Réunion du 3/4": "Réunion du 3-4", "": "untitled", "  ": "untitled", "...": "untitled", "a\x00b\nc": "a b c",
		"con": "_con", "COM1.txt": "_COM1.txt", "com¹": "_com¹", "console": "console", "NUL .x": "_NUL .x", ".hidden": "hidden", "-rf": "rf",
		"end. ": "end", `a<b>c:"d"|e?f*`: "a b c- d -e f", "../../etc/passwd": "etc-passwd", `C:\x`: "C--x",
		"abc\u202etxt.exe": "abctxt.exe", "e\u0301": "é", "👩‍💻 Pad": "👩‍💻 Pad", "~$lock": "lock", "x~": "x",
		strings.Repeat("é", 200): strings.Repeat("é", 75), "a\xffb": "a b", "\u200b": "untitled",
	} {
		if got := source.FileName(title); got != want {
			t.Errorf("FileName(%q) = %q, want %q", title, got, want)
		}
	}
}

func FuzzFileName(f *testing.F) {
	for _, seed := range []string{"Notes", "con", "a/b", "é\u0301", "\u200d\u200d", "👩‍💻", "aux.\u200d", strings.Repeat("e\u0301\u0301", 60), ". _con", "\u1100\u1161\u11a8", "~.x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, title string) {
		name := source.FileName(title)
		if name == "" || len(name) > 151 || !utf8.ValidString(name) || !norm.NFC.IsNormalString(name) {
			t.Fatalf("%q: %q", title, name)
		}
		if again := source.FileName(name); again != name {
			t.Fatalf("%q: %q, then %q", title, name, again)
		}
		for _, r := range name {
			if unicode.IsControl(r) || strings.ContainsRune(`/\:*?"<>|`, r) {
				t.Fatalf("%q: %q", title, name)
			}
		}
	})
}

func TestUniqueNameTellsNoCaseApart(t *testing.T) {
	taken := map[string]bool{}
	is := func(name string) bool { return taken[source.Folded(name)] }
	for _, c := range [][2]string{{"Notes", "Notes"}, {"notes", "notes (2)"}, {"NOTES", "NOTES (3)"}, {"Straße", "Straße"}, {"STRASSE", "STRASSE (2)"}} {
		got := source.UniqueName(c[0], is)
		if got != c[1] {
			t.Errorf("got %q, want %q", got, c[1])
		}
		taken[source.Folded(got)] = true
	}
	long := source.FileName(strings.Repeat("x", 500))
	taken[source.Folded(long)] = true
	at := time.Date(2026, 11, 21, 14, 5, 9, 0, time.UTC)
	if got := source.UniqueName(long, is); len(source.AsideName(got, at)) > 200 || !strings.HasSuffix(got, " (2)") {
		t.Errorf("got %q", got)
	}
	if got := source.SuspectName("Notes", at); got != "Notes (suspect, 2026-11-21 14.05.09)" {
		t.Errorf("got %q", got)
	}
}
