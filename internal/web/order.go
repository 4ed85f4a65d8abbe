package web

import (
	"cmp"
	"slices"
	"strings"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"

	"github.com/havre-cloud/havre/internal/hub"
)

// The order of names, the same in all lists: as people who speak the language sort them, upper and lower case
// alike, digits by their value.

// newCollator compares what numbered returns.
func newCollator(lang string) *collate.Collator {
	return collate.New(language.Make(lang), collate.Numeric, collate.IgnoreCase)
}

// numbered puts a 1 before each number of a name, without its leading zeros. That keeps numbers in the order of
// their values, and none of them is zero: a zero has no weight in golang.org/x/text/collate, and would come
// behind all other numbers.
func numbered(name string) string {
	digit := func(i int) bool { return i < len(name) && '0' <= name[i] && name[i] <= '9' }
	var b strings.Builder
	b.Grow(len(name) + 8)
	for i := 0; i < len(name); {
		if !digit(i) {
			b.WriteByte(name[i])
			i++
			continue
		}
		for digit(i) && name[i] == '0' {
			i++
		}
		b.WriteByte('1')
		for ; digit(i); i++ {
			b.WriteByte(name[i])
		}
	}
	return b.String()
}

// collated returns how the names of the entries are compared. It makes their keys once.
func collated(lang string, entries []*hub.Entry) func(a, b string) int {
	c := newCollator(lang)
	keys := make(map[string]string, len(entries))
	var buf collate.Buffer
	for _, e := range entries {
		keys[e.Name] = string(c.KeyFromString(&buf, numbered(e.Name)))
		buf.Reset()
	}
	return func(a, b string) int { return cmp.Or(strings.Compare(keys[a], keys[b]), strings.Compare(a, b)) }
}

// collator returns how names are compared.
func collator(lang string) func(a, b string) int {
	c := newCollator(lang)
	return func(a, b string) int {
		return cmp.Or(c.CompareString(numbered(a), numbered(b)), strings.Compare(a, b))
	}
}

// sortNames sorts names.
func sortNames(lang string, names []string) { slices.SortFunc(names, collator(lang)) }

// sortPaths sorts directories: each before what is in it, those beside each other by name.
func sortPaths(lang string, paths []string) {
	c := newCollator(lang)
	keys := make(map[string][]string, len(paths))
	var buf collate.Buffer
	for _, p := range paths {
		for name := range strings.SplitSeq(p, "/") {
			keys[p] = append(keys[p], string(c.KeyFromString(&buf, numbered(name))))
			buf.Reset()
		}
	}
	slices.SortFunc(paths, func(a, b string) int {
		return cmp.Or(slices.Compare(keys[a], keys[b]), strings.Compare(a, b))
	})
}
