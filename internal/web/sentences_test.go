package web

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
)

// sayers are the functions that make sentences, with the place of the format among their arguments.
var sayers = map[string]int{
	"invalid": 0, "denied": 0, "notFound": 0, "why": 0, "taken": 1, "orMissing": 1, "havre.Say": 0, "havre.Errorf": 1,
	"source.Errorf": 1, "paused": 0,
}

// said returns the formats of all sentences in the packages of the hub, with where they are.
func said(t *testing.T) map[string]string {
	found := map[string]string{}
	for _, dir := range []string{"../hub", "../store"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatal(err, dir)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range file.Decls {
				ast.Inspect(d, func(n ast.Node) bool {
					if l, ok := n.(*ast.CompositeLit); ok && calls(l.Type) == "havre.Error" && !passesOn(l) {
						t.Errorf("%s makes a havre.Error by hand: havre.Errorf can be translated", name)
					}
					c, ok := n.(*ast.CallExpr)
					if !ok {
						return true
					}
					at, ok := sayers[calls(c.Fun)]
					if !ok || at >= len(c.Args) {
						return true
					}
					if text, ok := literal(c.Args[at]); ok {
						found[text] = name
					} else if calls(c.Args[at]) != "format" { // a sayer itself
						t.Errorf("%s says a sentence that is no constant", name)
					}
					return true
				})
			}
		}
	}
	return found
}

// saidOfSources returns the texts in the packages of sources: what they say of a document has a reason, and need not be in
// French where the sentence of the reason says as much.
func saidOfSources(t *testing.T) map[string]bool {
	found := map[string]bool{}
	for _, dir := range []string{"../source", "../source/etherpad", "../source/framadate", "../source/ethercalc"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatal(err, dir)
		}
		for _, name := range files {
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if e, ok := n.(ast.Expr); ok {
					if text, ok := literal(e); ok {
						found[text] = true
					}
				}
				return true
			})
		}
	}
	return found
}

// passesOn says whether the sentence of an error by hand is that of another one: what a source says has a
// reason, by which the pages of backups say it.
func passesOn(l *ast.CompositeLit) bool {
	for _, e := range l.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok && calls(kv.Key) == "Text" {
			return calls(kv.Value) != ""
		}
	}
	return false
}

func calls(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		if p, ok := e.X.(*ast.Ident); ok {
			return p.Name + "." + e.Sel.Name
		}
	}
	return ""
}

// literal returns the value of a string, which may be put together with +.
func literal(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(e.Value)
		return s, err == nil
	case *ast.BinaryExpr:
		a, okA := literal(e.X)
		b, okB := literal(e.Y)
		return a + b, okA && okB
	}
	return "", false
}

// TestSentences: what the hub can say is there in French, with the same places in the same order, and
// nothing else is.
func TestSentences(t *testing.T) {
	all, err := loadSentences(content)
	if err != nil {
		t.Fatal(err)
	}
	used := said(t)
	for _, action := range []string{
		"user.add", "user.change", "user.reset", "user.password", "group.add", "group.rename", "group.join", "grant.set", "grant.move", "folder.quota", "held.keep",
	} {
		for _, f := range store.DetailFormats(action) {
			used[f] = "the details of " + action
		}
	}
	for r := havre.RightNone; r <= havre.RightManage; r++ {
		used[r.String()] = "rights"
	}
	for r := store.RoleGuest; r <= store.RoleAdmin; r++ {
		used[r.String()] = "roles"
	}
	for text := range saidOfSources(t) {
		if _, ok := all["fr"][text]; ok && used[text] == "" {
			used[text] = "a source"
		}
	}
	verbs := regexp.MustCompile(`%[.0-9]*[a-z]`)
	for format, where := range used {
		fr, ok := all["fr"][format]
		if !ok {
			t.Errorf("%s: not in texts/sentences/fr.json: %q", where, format)
		}
		for _, f := range []string{fr, all["en"][format]} {
			if f != "" && !slices.Equal(verbs.FindAllString(f, -1), verbs.FindAllString(format, -1)) {
				t.Errorf("%q has other places than %q", f, format)
			}
		}
		if strings.ContainsAny(fr, `'"`) || regexp.MustCompile(`[^\x{a0}][;!?»]|[^\x{a0}T]:( |$)`).MatchString(fr) {
			t.Errorf("quotation mark or no-break space: %s", fr)
		}
	}
	for lang, m := range all {
		for format := range m {
			if used[format] == "" {
				t.Errorf("%s: nobody says %q any more", lang, format)
			}
		}
	}
}

// TestSaid: names, numbers and reasons stand in a sentence as the language writes them.
func TestSaid(t *testing.T) {
	all, err := loadSentences(content)
	if err != nil {
		t.Fatal(err)
	}
	words, err := loadTexts(content)
	if err != nil {
		t.Fatal(err)
	}
	where := havre.Say("%q", string(svn.Path("Plans/A")))
	for _, test := range []struct {
		err    error
		en, fr string
	}{
		{
			havre.Errorf(havre.CodeDenied, "you may not read %s: ask who manages the folder", where),
			"You may not read “Plans/A”: ask who manages the folder.", "Vous ne pouvez pas lire « Plans/A » : voyez avec qui gère le dossier.",
		},
		{
			havre.Errorf(havre.CodeInvalid, "Windows cannot store a name with %c (character %d)", '?', 1200),
			"Windows cannot store a name with ? (character 1,200).", "Windows ne sait pas garder un nom avec ? (caractère 1 200).",
		},
		{havre.Errorf(havre.CodeDenied, "too many tries: wait %v", 90*time.Second), "Too many tries: wait 1 min.", "Trop d’essais : attendez 1 min."},
		{
			havre.Errorf(havre.CodeInvalid, "the name of the %s is empty: give it one", havre.Say("group")),
			"The name of the group is empty: give it one.", "Le nom du groupe est vide : donnez-en un.",
		},
		{
			havre.Errorf(havre.CodeInvalid, "%.60q cannot be the place of a file", strings.Repeat("a", 70)),
			"“" + strings.Repeat("a", 60) + "…” cannot be the place of a file.", "« " + strings.Repeat("a", 60) + "… » ne peut pas être la place d’un fichier.",
		},
		{&havre.Error{Code: havre.CodeInvalid, Text: "of a page"}, "Of a page.", "Of a page."},
		{errors.New("a cause that nobody is told"), "", ""},
	} {
		for lang, want := range map[string]string{"en": test.en, "fr": test.fr} {
			x := &exchange{s: &Server{texts: words, sentences: all}, lang: lang, zone: time.UTC}
			if got := strings.ReplaceAll(x.told(test.err), "\u00a0", " "); got != want {
				t.Errorf("%s: got %q, want %q", lang, got, want)
			}
		}
	}
	for _, test := range []struct{ action, detail, en, fr string }{
		{"grant.set", "/Plans: Tom; B may write", "/Plans: Tom; B can edit", "/Plans : Tom; B peut modifier"},
		{
			"user.change", "role: administrator; expires 2026-12-01T00:00:00Z; quota: 2000000000 bytes",
			"role: administrator; expires Tuesday 1 December 2026, 00:00:00; quota: 2 GB", "rôle : administre ; expire le mardi 1 décembre 2026, 00:00:00 ; quota : 2 Go", //nolint:misspell // French
		},
		{"folder.quota", "none", "none", "aucun"},
		{"folder.quota", "5000000 bytes", "5 MB", "5 Mo"},
		{"session.begin", "Firefox may write", "Firefox may write", "Firefox may write"},
		{"held.keep", "laptop: 4218 deletions", "laptop: 4218 deletions", "laptop : 4218 suppressions"},
	} {
		for lang, want := range map[string]string{"en": test.en, "fr": test.fr} {
			x := &exchange{s: &Server{texts: words, sentences: all}, lang: lang, zone: time.UTC}
			if got := strings.ReplaceAll(x.detail(test.action, test.detail), "\u00a0", " "); got != want {
				t.Errorf("%s: got %q, want %q", lang, got, want)
			}
		}
	}
}
