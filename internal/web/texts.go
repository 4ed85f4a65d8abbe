package web

import (
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
)

// texts are all sentences in all languages. They do not change.
type texts struct {
	byLang map[string]map[string]text
}

// text is one sentence with places in braces; one is its form for the language's singular, "" if
// there is none.
type text struct{ one, other string }

// UnmarshalJSON reads a string or {"one": ..., "other": ...}.
func (t *text) UnmarshalJSON(b []byte) error {
	if json.Unmarshal(b, &t.other) == nil {
		return nil
	}
	var forms map[string]string
	if err := json.Unmarshal(b, &forms); err != nil {
		return err
	}
	t.one, t.other = forms["one"], forms["other"]
	if t.one == "" || t.other == "" || len(forms) != 2 {
		return fmt.Errorf("a plural has the forms one and other, not %v", forms)
	}
	return nil
}

var tags = map[string]language.Tag{"en": language.English, "fr": language.French}

// loadTexts reads texts/SLICE.LANGUAGE.json.
func loadTexts(files fs.FS) (*texts, error) {
	t := &texts{byLang: map[string]map[string]text{"en": {}, "fr": {}}}
	names, err := fs.Glob(files, "texts/*.json")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		parts := strings.Split(path.Base(name), ".")
		if len(parts) != 3 || t.byLang[parts[1]] == nil {
			return nil, fmt.Errorf("%s: not texts/SLICE.LANGUAGE.json", name)
		}
		b, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		var m map[string]text
		if err := json.Unmarshal(b, &m); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for k, v := range m {
			if _, twice := t.byLang[parts[1]][k]; twice {
				return nil, fmt.Errorf("%s: %s is there twice", name, k)
			}
			t.byLang[parts[1]][k] = v
		}
	}
	return t, nil
}

// text returns a sentence with its places filled; the key itself if there is none.
func (t *texts) text(lang, key string, args ...any) string {
	return t.fill(lang, key, args, func(s string) string { return s })
}

// begin returns the texts whose keys begin with prefix as JSON, without the prefix, for a script: a
// string, or an object of one and other.
func (t *texts) begin(lang, prefix string) (string, error) {
	found := map[string]any{}
	for key, s := range t.byLang[lang] {
		name, ok := strings.CutPrefix(key, prefix)
		switch {
		case !ok:
		case s.one != "":
			found[name] = map[string]string{"one": s.one, "other": s.other}
		default:
			found[name] = s.other
		}
	}
	b, err := json.Marshal(found)
	return string(b), err
}

// html is text for a sentence that contains markup; what is filled in is escaped.
func (t *texts) html(lang, key string, args ...any) template.HTML {
	return template.HTML(t.fill(lang, key, args, template.HTMLEscapeString)) //nolint:gosec // our own text, escaped values
}

func (t *texts) fill(lang, key string, args []any, escape func(string) string) string {
	s, ok := t.byLang[lang][key]
	if !ok {
		return escape(key)
	}
	form := s.other
	if s.one != "" && singular(lang, args) {
		form = s.one
	}
	if len(args) == 0 || !strings.Contains(form, "{") {
		return form
	}
	pairs := make([]string, 0, len(args))
	for i := 0; i+1 < len(args); i += 2 {
		name, _ := args[i].(string)
		pairs = append(pairs, "{"+name+"}", escape(place(lang, args[i+1])))
	}
	return strings.NewReplacer(pairs...).Replace(form)
}

// singular says whether the place "n" takes the form "one".
func singular(lang string, args []any) bool {
	for i := 0; i+1 < len(args); i += 2 {
		if args[i] == "n" {
			n, ok := integer(args[i+1])
			return ok && plural.Cardinal.MatchPlural(tags[lang], int(n), 0, 0, 0, 0) == plural.One
		}
	}
	return false
}

// place returns a value as it stands in a sentence.
func place(lang string, v any) string {
	switch v := v.(type) {
	case string:
		return v
	case fmt.Stringer:
		return v.String()
	}
	if n, ok := integer(v); ok {
		return formatNumber(lang, n)
	}
	return fmt.Sprint(v)
}

func integer(v any) (int64, bool) {
	switch v := v.(type) {
	case int:
		return int64(v), true
	case int64:
		return v, true
	case int32:
		return int64(v), true
	case uint64:
		return int64(v), true
	case uint32:
		return int64(v), true
	}
	return 0, false
}

// formatNumber groups digits by three.
func formatNumber(lang string, n int64) string {
	s := strconv.FormatInt(n, 10)
	sep := ","
	if lang == "fr" {
		sep = "\u00a0"
	}
	neg := strings.HasPrefix(s, "-")
	s = strings.TrimPrefix(s, "-")
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + sep + s[i:]
	}
	if neg {
		return "−" + s
	}
	return s
}
