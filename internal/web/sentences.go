package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
)

// sentences are what the hub says, in the languages of the pages: from a havre.Sentence's format to
// the format that says it there, with the same verbs in the same order. English says it as the hub does, but for
// a few words that the pages have others for.
type sentences map[string]map[string]string

// loadSentences reads texts/sentences/LANGUAGE.json.
func loadSentences(files fs.FS) (sentences, error) {
	all := sentences{}
	for lang := range tags {
		name := "texts/sentences/" + lang + ".json"
		b, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		m := map[string]string{}
		if err := json.Unmarshal(b, &m); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all[lang] = m
	}
	return all, nil
}

// say returns a sentence of the hub in the person's language.
func (x *exchange) say(s havre.Sentence) string {
	format := s.Format
	if f, ok := x.s.sentences[x.lang][format]; ok {
		format = f
	}
	args := make([]any, len(s.Args))
	for i, a := range s.Args {
		args[i] = &spoken{x: x, value: a}
	}
	return fmt.Sprintf(format, args...)
}

// told returns what an error says in the person's language, as a sentence; "" if it has none.
func (x *exchange) told(err error) string {
	e, ok := errors.AsType[*havre.Error](err)
	switch {
	case !ok:
		return ""
	case e.Said.Format == "":
		return sentence(e.Text) // made by a page, in the language of the page
	}
	return sentence(x.say(e.Said))
}

// spoken is a place of a sentence as a person reads it: names in the quotation marks of the language,
// numbers with grouped digits, durations in words.
type spoken struct {
	x     *exchange
	value any
}

// Format implements fmt.Formatter.
func (s *spoken) Format(f fmt.State, verb rune) {
	text := s.text(verb)
	if n, ok := f.Precision(); ok {
		if r := []rune(text); len(r) > n {
			text = string(r[:n]) + "…"
		}
	}
	if verb == 'q' {
		text = s.x.quoted(text)
	}
	_, _ = f.Write([]byte(text)) // into memory
}

// quoted returns a name in the quotation marks of the language.
func (x *exchange) quoted(name string) string {
	if x.lang == "fr" {
		return "«\u00a0" + name + "\u00a0»"
	}
	return "“" + name + "”"
}

func (s *spoken) text(verb rune) string {
	switch v := s.value.(type) {
	case havre.Sentence:
		return s.x.say(v)
	case error:
		if e, ok := errors.AsType[*havre.Error](v); ok && e.Said.Format != "" {
			return s.x.say(e.Said)
		}
		return v.Error()
	case time.Duration:
		return s.x.span(v)
	case rune:
		if verb == 'q' || verb == 'c' {
			return visible(string(v))
		}
	case byte:
		if verb == 'q' || verb == 'c' {
			return visible(string(rune(v)))
		}
	}
	v := reflect.ValueOf(s.value)
	switch {
	case v.Kind() == reflect.String:
		return visible(v.String())
	case v.CanInt():
		return formatNumber(s.x.lang, v.Int())
	case v.CanUint():
		return formatNumber(s.x.lang, int64(v.Uint()))
	}
	return fmt.Sprint(s.value)
}

// detail returns the detail of a line of the log in the person's language, as it is if it is no sentence.
func (x *exchange) detail(action, detail string) string {
	formats := store.DetailFormats(action)
	if len(formats) == 0 || detail == "" {
		return detail
	}
	parts := []string{detail}
	if action == "user.change" {
		parts = strings.Split(detail, "; ")
	}
	for i := range parts {
		parts[i] = x.detailPart(formats, parts[i])
	}
	return strings.Join(parts, x.t("core.semicolon"))
}

func (x *exchange) detailPart(formats []string, text string) string {
	if found := detailSize.FindStringSubmatch(text); found != nil {
		n, _ := strconv.ParseInt(found[1], 10, 64) // digits; the largest number if there are too many
		return formatSize(x.lang, n)
	}
	for _, format := range formats {
		found := detailPattern(format).FindStringSubmatch(text)
		if found == nil {
			continue
		}
		verbs := detailVerb.FindAllString(format, -1)
		s := havre.Sentence{Format: strings.ReplaceAll(format, "%d", "%s")}
		for i, value := range found[1:] {
			s.Args = append(s.Args, x.detailPlace(verbs[i], value))
		}
		if f, ok := x.s.sentences[x.lang][format]; ok {
			s.Format = strings.ReplaceAll(f, "%d", "%s")
		}
		return x.say(s)
	}
	return text
}

// detailPlace returns what stands in a place of a detail: %s is a name or a moment, %v a word of havre.
func (x *exchange) detailPlace(verb, value string) any {
	if at, err := time.Parse(time.RFC3339, value); err == nil {
		if x.lang == "fr" { // days are written small
			return lowerFirst(x.exact(at))
		}
		return x.exact(at)
	}
	switch {
	case verb == "%v" && detailSize.MatchString(value):
		return x.detailPart(nil, value)
	case verb == "%v":
		return havre.Sentence{Format: value}
	}
	return value
}

var (
	detailSize    = regexp.MustCompile(`^([0-9]+) bytes$`)
	detailVerb    = regexp.MustCompile(`%[dsv]`)
	detailPlaceRE = strings.NewReplacer("%s", "(.*)", "%v", "([a-z]+|[0-9]+ bytes)", "%d", "([0-9]+)")
)

// detailPattern returns what recognises the sentences of a format.
func detailPattern(format string) *regexp.Regexp {
	return regexp.MustCompile("(?s)^" + detailPlaceRE.Replace(regexp.QuoteMeta(format)) + "$")
}
