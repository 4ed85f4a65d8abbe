package web

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sergi/go-diff/diffmatchpatch"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
)

// What is compared as text: larger contents are only said to differ.
const (
	maxCompared  = 1 << 20 // bytes of each side
	maxLines     = 20_000
	compareFor   = 500 * time.Millisecond // what is found by then is good enough
	aroundChange = 3                      // unchanged lines shown beside a change
)

// differenceView is what changed between two versions of a file.
type differenceView struct {
	Address  string
	From, To int
	Old, New hub.Version
	Versions []hub.Version
	Names    map[string]string
	Rows     []diffRow
	Passages int
	Added    int // words
	Removed  int
	Between  int // versions after From up to To
	Authors  string
	Two      bool // columns
	All      bool // show what is the same
	Spaces   bool // are ignored
	Image    bool
	Text     bool
	TooLarge bool
	OldRaw   string
	NewRaw   string
	Write    bool
	Crumbs   []crumb
}

// diffRow is a line of a difference, or a fold of lines that are the same.
type diffRow struct {
	Sign        string // "=", "-", "+", "fold"; with two columns "~" has both sides
	Left, Right int    // line numbers, 0 for none
	Spans       []diffSpan
	Other       []diffSpan // the right column
	Fold        int
	Passage     int // its number on the first line of a passage
}

type diffSpan struct {
	Text   string
	Marked bool
}

// difference compares two versions of the file.
func (s *Server) difference(x *exchange, at *hub.Spot) error {
	if at.Dir() {
		return notFound()
	}
	q := x.r.URL.Query()
	from, to, ok := compareNumbers(q)
	if !ok { // nothing, one or three were ticked
		return x.redirect(folderAddress(at.Folder.Name, string(at.Path)))
	}
	if from > to && len(q["compare"]) == 2 { // two boxes: the older one is what it is compared with
		from, to = to, from
	}
	v := &differenceView{
		Address: folderAddress(at.Folder.Name, string(at.Path)), From: from, To: to, Names: map[string]string{},
		Two: q.Get("columns") == "2", All: q.Has("all"), Spaces: q.Get("spaces") == "ignore", Write: at.Right >= havre.RightWrite,
	}
	var err error
	if v.Versions, _, err = s.hub.Versions(x.ctx(), at); err != nil {
		return err
	}
	if err := v.choose(x, at); err != nil {
		return err
	}
	if err := s.compare(x, at, v); err != nil {
		return err
	}
	v.Crumbs = append(crumbsTo(x, at), crumb{at.Path.Name(), v.Address})
	return x.page("history/difference", page{
		Title: x.t("history.difference", "from", from, "to", to), Nav: navFiles, At: "folder:" + at.Folder.Name, Crumbs: v.Crumbs, Data: v,
	})
}

// choose finds the two versions.
func (v *differenceView) choose(x *exchange, at *hub.Spot) error {
	found := 0
	var authors []string
	for _, one := range v.Versions {
		v.Names[one.Author] = x.authorName(one.Author)
		if one.Number == v.From {
			v.Old = one
			found++
		}
		if one.Number == v.To {
			v.New = one
			found++
		}
		if one.Number > min(v.From, v.To) && one.Number <= max(v.From, v.To) {
			v.Between++
			if name := v.Names[one.Author]; !slices.Contains(authors, name) {
				authors = append(authors, name)
			}
		}
	}
	if found < 2 && v.From != v.To || found == 0 {
		return notFound()
	}
	slices.Reverse(authors)
	v.Authors = strings.Join(authors, ", ")
	raw := func(one hub.Version) string {
		return "/raw" + strings.TrimPrefix(folderAddress(at.Folder.Name, string(one.Path)), "/f") + fmt.Sprintf("?at=r%d", one.Rev)
	}
	v.OldRaw, v.NewRaw = raw(v.Old), raw(v.New)
	switch e := (&hub.Entry{Name: at.Path.Name()}); e.Ext() {
	case "png", "jpg", "jpeg", "gif", "webp", "avif":
		v.Image = true
	}
	return nil
}

// compare reads both versions and compares them if they are text.
func (s *Server) compare(x *exchange, at *hub.Spot, v *differenceView) error {
	if v.Image {
		return nil
	}
	var spots [2]*hub.Spot
	for i, one := range []hub.Version{v.Old, v.New} {
		var err error
		if spots[i], err = s.hub.Spot(x.ctx(), x.caller(), at.Folder.Name, one.Path, one.Rev); err != nil {
			return err
		}
	}
	return s.compareSpots(x, v, spots)
}

// compareSpots reads both sides and compares them if they are text.
func (s *Server) compareSpots(x *exchange, v *differenceView, spots [2]*hub.Spot) error {
	var sides [2]string
	for i, spot := range spots {
		b, whole, err := s.hub.ReadSmall(x.ctx(), spot, maxCompared)
		if err != nil {
			return err
		}
		if !whole {
			v.TooLarge = true
			return nil
		}
		if !utf8.Valid(b) || bytes.IndexByte(b, 0) >= 0 {
			return nil
		}
		sides[i] = strings.ReplaceAll(string(b), "\r\n", "\n")
	}
	a, b := lines(sides[0]), lines(sides[1])
	if len(a) > maxLines || len(b) > maxLines {
		v.TooLarge = true
		return nil
	}
	v.Text = true
	v.lines(a, b)
	return nil
}

func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// edit is a run of tokens that both sides have, or one.
type edit struct {
	op diffmatchpatch.Operation
	n  int
}

// compareTokens finds the edits from a to b; key says what counts as equal.
func compareTokens(a, b []string, key func(string) string) []edit {
	known := map[string]rune{}
	runes := func(tokens []string) []rune {
		out := make([]rune, len(tokens))
		for i, t := range tokens {
			k := key(t)
			r, ok := known[k]
			if !ok {
				r = rune(len(known) + 1)
				if r >= 0xd800 {
					r += 0x800 // no surrogates
				}
				known[k] = r
			}
			out[i] = r
		}
		return out
	}
	d := diffmatchpatch.New()
	d.DiffTimeout = compareFor
	var edits []edit
	for _, e := range d.DiffMainRunes(runes(a), runes(b), false) {
		edits = append(edits, edit{e.Type, utf8.RuneCountInString(e.Text)})
	}
	return edits
}

// lines makes the rows of the difference.
func (v *differenceView) lines(a, b []string) {
	key := func(s string) string { return s }
	if v.Spaces {
		key = func(s string) string { return strings.Join(strings.Fields(s), " ") }
	}
	edits := compareTokens(a, b, key)
	left, right := 0, 0
	for i := 0; i < len(edits); {
		if edits[i].op == diffmatchpatch.DiffEqual {
			v.same(b[right:right+edits[i].n], left, right, i == 0, i == len(edits)-1)
			left, right = left+edits[i].n, right+edits[i].n
			i++
			continue
		}
		gone, come := 0, 0
		for ; i < len(edits) && edits[i].op != diffmatchpatch.DiffEqual; i++ {
			if edits[i].op == diffmatchpatch.DiffDelete {
				gone += edits[i].n
			} else {
				come += edits[i].n
			}
		}
		v.passage(a[left:left+gone], b[right:right+come], left, right)
		left, right = left+gone, right+come
	}
}

// same adds lines that both have, folding those far from any change.
func (v *differenceView) same(text []string, left, right int, first, last bool) {
	row := func(i int) diffRow {
		spans := []diffSpan{{Text: text[i]}}
		return diffRow{Sign: "=", Left: left + i + 1, Right: right + i + 1, Spans: spans, Other: spans}
	}
	from, to := aroundChange, len(text)-aroundChange
	if first {
		from = 0
	}
	if last {
		to = len(text)
	}
	for i := 0; i < len(text); {
		if !v.All && i == from && to-from > 1 {
			v.Rows = append(v.Rows, diffRow{Sign: "fold", Fold: to - from})
			i = to
			continue
		}
		v.Rows = append(v.Rows, row(i))
		i++
	}
}

// passage adds lines that one side has, with the words that differ marked.
func (v *differenceView) passage(gone, come []string, left, right int) {
	v.Passages++
	old, fresh := v.words(gone, come)
	number := v.Passages
	if v.Two {
		for i := range max(len(old), len(fresh)) {
			r := diffRow{Sign: "~", Passage: number}
			number = 0
			if i < len(old) {
				r.Left, r.Spans = left+i+1, old[i]
			}
			if i < len(fresh) {
				r.Right, r.Other = right+i+1, fresh[i]
			}
			v.Rows = append(v.Rows, r)
		}
		return
	}
	for i, spans := range old {
		v.Rows = append(v.Rows, diffRow{Sign: "-", Left: left + i + 1, Spans: spans, Passage: number})
		number = 0
	}
	for i, spans := range fresh {
		v.Rows = append(v.Rows, diffRow{Sign: "+", Right: right + i + 1, Spans: spans, Passage: number})
		number = 0
	}
}

// words compares two passages word by word.
func (v *differenceView) words(gone, come []string) (old, fresh [][]diffSpan) {
	a, b := words(gone), words(come)
	old, fresh = make([][]diffSpan, len(gone)), make([][]diffSpan, len(come))
	var i, j, oldLine, newLine int
	put := func(to [][]diffSpan, line *int, token string, marked bool) {
		if token == "\n" {
			*line++
			return
		}
		spans := to[*line]
		if n := len(spans); n > 0 && spans[n-1].Marked == marked {
			spans[n-1].Text += token
			return
		}
		to[*line] = append(spans, diffSpan{token, marked})
	}
	for _, e := range compareTokens(a, b, func(s string) string { return s }) {
		for range e.n {
			switch e.op {
			case diffmatchpatch.DiffEqual:
				put(old, &oldLine, a[i], false)
				put(fresh, &newLine, b[j], false)
				i, j = i+1, j+1
			case diffmatchpatch.DiffDelete:
				put(old, &oldLine, a[i], true)
				if isWord(a[i]) {
					v.Removed++
				}
				i++
			default:
				put(fresh, &newLine, b[j], true)
				if isWord(b[j]) {
					v.Added++
				}
				j++
			}
		}
	}
	joinSpans(old)
	joinSpans(fresh)
	return old, fresh
}

// joinSpans marks the spaces between marked words.
func joinSpans(rows [][]diffSpan) {
	for i, spans := range rows {
		var out []diffSpan
		for j, s := range spans {
			if !s.Marked && j > 0 && j+1 < len(spans) && strings.TrimSpace(s.Text) == "" {
				s.Marked = true
			}
			if n := len(out); n > 0 && out[n-1].Marked == s.Marked {
				out[n-1].Text += s.Text
				continue
			}
			out = append(out, s)
		}
		rows[i] = out
	}
}

// words splits lines into words, runs of spaces and single signs; lines end with "\n".
func words(text []string) []string {
	var out []string
	class := func(r rune) int {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), unicode.IsMark(r):
			return 1
		case unicode.IsSpace(r):
			return 2
		}
		return 0
	}
	for i, line := range text {
		if i > 0 {
			out = append(out, "\n")
		}
		start, last := 0, -1
		for at, r := range line {
			if c := class(r); at > start && (c != last || c == 0) {
				out = append(out, line[start:at])
				start = at
			}
			last = class(r)
		}
		if start < len(line) {
			out = append(out, line[start:])
		}
	}
	return out
}

func isWord(token string) bool {
	r, _ := utf8.DecodeRuneInString(token)
	return unicode.IsLetter(r) || unicode.IsDigit(r)
}

// With is the address of the page with some parameters set or, if the value is empty, left out.
func (v *differenceView) With(set ...string) string {
	q := []string{fmt.Sprintf("compare=%d..%d", v.From, v.To)}
	has := map[string]string{}
	if v.Two {
		has["columns"] = "2"
	}
	if v.All {
		has["all"] = "1"
	}
	if v.Spaces {
		has["spaces"] = "ignore"
	}
	for i := 0; i+1 < len(set); i += 2 {
		has[set[i]] = set[i+1]
	}
	for _, k := range []string{"columns", "all", "spaces"} {
		if has[k] != "" {
			q = append(q, k+"="+has[k])
		}
	}
	return v.Address + "?" + strings.Join(q, "&")
}
