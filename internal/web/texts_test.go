package web

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestTexts: every key is there in both languages, with the same places, and every key that is used is
// there.
func TestTexts(t *testing.T) {
	all, err := loadTexts(content)
	if err != nil {
		t.Fatal(err)
	}
	place := regexp.MustCompile(`\{[a-z]+\}`)
	places := func(s string) []string {
		p := place.FindAllString(s, -1)
		slices.Sort(p)
		return slices.Compact(p)
	}
	french := regexp.MustCompile(`(^|[^\x{a0}\x{202f}])[;!?%€»]|«[^\x{a0}]|[^\x{a0}\d/pst]:(\s|$)`)
	for key, en := range all.byLang["en"] {
		fr, ok := all.byLang["fr"][key]
		if !ok {
			t.Errorf("%s is not there in French", key)
			continue
		}
		if a, b := places(en.other), places(fr.other); !slices.Equal(a, b) {
			t.Errorf("%s has the places %v in English and %v in French", key, a, b)
		}
		for lang, text := range map[string]string{"en": en.other, "fr": fr.other, "en one": en.one, "fr one": fr.one} {
			if strings.ContainsAny(text, `'"`) && !strings.Contains(text, "<") {
				t.Errorf("%s (%s): straight quotation marks: %s", key, lang, text)
			}
		}
		if m := french.FindString(fr.other); m != "" && !strings.Contains(fr.other, "<") && !strings.Contains(fr.other, "://") {
			t.Errorf("%s: no-break space missing at %q: %s", key, m, fr.other)
		}
	}
	for key := range all.byLang["fr"] {
		if _, ok := all.byLang["en"][key]; !ok {
			t.Errorf("%s is not there in English", key)
		}
	}
	used := regexp.MustCompile(`(?:\{\{-? ?|\()th? "([a-z0-9.-]+)"|\bx\.t\("([a-z0-9.-]+)"`)
	err = filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, "_test.go") || filepath.Ext(name) != ".go" && filepath.Ext(name) != ".html" {
			return err
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for _, m := range used.FindAllSubmatch(b, -1) {
			key := string(m[1]) + string(m[2])
			if _, ok := all.byLang["en"][key]; !ok && !strings.HasSuffix(key, ".") {
				t.Errorf("%s uses %s, which is not there", name, key)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestFormats(t *testing.T) {
	now := time.Date(2026, 11, 20, 11, 0, 0, 0, time.UTC) // a Friday
	all, err := loadTexts(content)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		ago    time.Duration
		en, fr string
	}{
		{4 * time.Minute, "4 min ago", "il y a 4\u00a0min"},
		{3 * time.Hour, "Today 08:00", "Aujourd’hui 08:00"},
		{17 * time.Hour, "Yesterday 18:00", "Hier 18:00"},
		{41 * time.Hour, "Wed\u00a018:00", "Mer.\u00a018:00"},
		{8 * 24 * time.Hour, "12\u00a0Nov", "12\u00a0nov."},
		{800 * 24 * time.Hour, "11\u00a0Sep\u00a02024", "11\u00a0sept.\u00a02024"},
		{-time.Hour, "Today 12:00", "Aujourd’hui 12:00"}, // another clock
	} {
		for lang, want := range map[string]string{"en": test.en, "fr": test.fr} {
			x := &exchange{s: &Server{texts: all}, lang: lang, zone: time.UTC, now: now}
			if got := x.ago(now.Add(-test.ago)); strings.ReplaceAll(got, "\u00a0", " ") != strings.ReplaceAll(want, "\u00a0", " ") {
				t.Errorf("%s, %s: got %q, want %q", test.ago, lang, got, want)
			}
		}
	}
	for n, want := range map[int64][2]string{
		0: {"0 B", "0 o"}, 999: {"999 B", "999 o"}, 86_000: {"86 KB", "86 Ko"}, 4_100_000: {"4.1 MB", "4,1 Mo"}, 1_000_000: {"1 MB", "1 Mo"},
		2_400_000_000: {"2.4 GB", "2,4 Go"}, 999_600: {"1 MB", "1 Mo"},
	} {
		for i, lang := range []string{"en", "fr"} {
			if got := formatSize(lang, n); got != strings.ReplaceAll(want[i], " ", "\u00a0") {
				t.Errorf("%d: got %q, want %q", n, got, want[i])
			}
		}
	}
	if got := formatNumber("fr", 1234567); got != "1\u00a0234\u00a0567" {
		t.Errorf("got %q", got)
	}
	for name, want := range map[string][3]string{
		"a.txt": {"a", "", ".txt"}, ".profile": {".profile", "", ""}, "no extension": {"no extension", "", ""},
		"Compte rendu de chantier n° 14 – 18 novembre 2026.docx": {"Compte rendu de chantier n° 14 – 18 nov", "embre 2026", ".docx"},
	} {
		stem, end, ext := splitName(name)
		if stem+end+ext != name || ext != want[2] {
			t.Errorf("%q: %q %q %q", name, stem, end, ext)
		}
	}
	for name, want := range map[string]string{"Tom Whitfield": "TW", "maelle": "M", "": "?", "Siobhán O’Rourke": "SO", "Jean-Baptiste Delaunay-Rousseau": "JR"} {
		if got := initials(name); got != want {
			t.Errorf("initials of %q: %q, want %q", name, got, want)
		}
	}
}
