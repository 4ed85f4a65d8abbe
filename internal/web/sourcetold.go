package web

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"sync"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/source"
)

// tellsMore are the reasons of which the error's own sentence says more than that of the reason: what is wrong here, or with
// which secret.
var tellsMore = map[source.Reason]bool{
	source.ReasonOurs: true, source.ReasonPassword: true, source.ReasonForeign: true, source.ReasonDamaged: true, source.ReasonForbidden: true,
	source.ReasonTooLarge: true, source.ReasonAddress: true,
}

// sourceTold says why there is no good copy of a document, in the person's language: as the error said it, in English, where
// that is known and tells more, or else by its reason.
func (x *exchange) sourceTold(r source.Reason, text string) string {
	if tellsMore[r] {
		if said := x.toldText(text); said != "" {
			return said
		}
	}
	return x.sourceReason(r)
}

// toldText says what was kept as an English text in the person's language; "" if that is no sentence of ours.
func (x *exchange) toldText(text string) string {
	s, ok := told().sentence(text)
	if !ok {
		return ""
	}
	return sentence(x.say(s))
}

// toldFormats finds the format of an English sentence, for what was kept as text. The rarest words are tried first.
type toldFormats []toldFormat

type toldFormat struct {
	format  string
	pattern *regexp.Regexp
	verbs   []string
	letters int // of the sentence, without its places
}

var (
	toldVerb  = regexp.MustCompile(`%[.0-9]*[a-z]`)
	toldWords = regexp.MustCompile(`[a-z]{2,}`)
)

// told are the formats of all that the hub and the sources say; they do not change.
var told = sync.OnceValue(func() toldFormats {
	shown, err := loaded()
	if err != nil {
		return nil // no server gets so far
	}
	return newToldFormats(shown.sentences["fr"])
})

// leastTold is how many letters a format has that can be recognised: "%s %s" would be anything.
const leastTold = 8

func newToldFormats(sentences map[string]string) toldFormats {
	var all toldFormats
	for format := range sentences {
		f := toldFormat{format: format, verbs: toldVerb.FindAllString(format, -1)}
		for _, word := range toldWords.FindAllString(toldVerb.ReplaceAllString(format, " "), -1) {
			f.letters += len(word)
		}
		if f.letters < leastTold {
			continue
		}
		pattern, last := "(?s)^", 0
		for _, at := range toldVerb.FindAllStringIndex(format, -1) {
			pattern += regexp.QuoteMeta(format[last:at[0]]) + map[byte]string{'q': `("(?:[^"\\]|\\.)*")`, 'd': `([0-9]+)`}[format[at[1]-1]]
			if c := format[at[1]-1]; c != 'q' && c != 'd' {
				pattern += "(.{0,500}?)"
			}
			last = at[1]
		}
		f.pattern = regexp.MustCompile(pattern + regexp.QuoteMeta(format[last:]) + "$")
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b toldFormat) int {
		return cmp.Or(cmp.Compare(b.letters, a.letters), cmp.Compare(a.format, b.format))
	})
	return all
}

// sentence returns what an English text was made of.
func (all toldFormats) sentence(text string) (havre.Sentence, bool) {
	for i := range all {
		f := &all[i]
		found := f.pattern.FindStringSubmatch(text)
		if found == nil {
			continue
		}
		s := havre.Sentence{Format: f.format}
		for n, value := range found[1:] {
			s.Args = append(s.Args, all.place(f.verbs[n], value))
		}
		return s, true
	}
	return havre.Sentence{}, false
}

// place returns what stands in a place of a sentence: a number, a name, or another sentence.
func (all toldFormats) place(verb, value string) any {
	switch verb[len(verb)-1] {
	case 'd':
		if n, err := strconv.ParseInt(value, 10, 64); err == nil {
			return n
		}
	case 'q':
		if name, err := strconv.Unquote(value); err == nil {
			return name
		}
	default:
		if s, ok := all.sentence(value); ok {
			return s
		}
	}
	return value
}
