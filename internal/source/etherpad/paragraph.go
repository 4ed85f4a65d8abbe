package etherpad

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/havre-cloud/havre/internal/source/etherpad/changeset"
)

// Kind is what a line is.
type Kind uint8

// The kinds of lines.
const (
	KindText    Kind = iota
	KindBullet       // of a list
	KindNumber       // of a numbered list
	KindIndent       // of a list without signs
	KindHeading      // Level 1 to 6
	KindCode         // preformatted
)

// Paragraph is a line of a pad.
type Paragraph struct {
	Kind   Kind
	Level  int    // depth of a list, from 1 to 16; of a heading from 1 to 6
	Align  string // "", "center", "right" or "justify"
	Number []int  // of a numbered line: its number and before it those of the lines it belongs to, as in "2.1"
	Spans  []Span
}

// Span is a part of a line that looks the same.
type Span struct {
	Text   string
	Author string // ID, empty if nobody is known
	Link   string // an http, https or mailto address, or empty

	Bold, Italic, Underline, Strike, Sub, Super, Code bool
}

// maxLevel is the deepest list that Etherpad's own buttons make.
const maxLevel = 16

// Paragraphs returns the lines of the text after a revision.
func (d *Document) Paragraphs(rev int) ([]Paragraph, error) {
	var all []Paragraph
	err := d.look(rev, func(t *changeset.Text) { all = Paragraphs(t) })
	return all, err
}

// Paragraphs returns the lines of a text. The sign at the beginning of a line that has line attributes is taken away, and
// addresses in the text are links.
func Paragraphs(t *changeset.Text) []Paragraph {
	lines := t.Lines()
	all := make([]Paragraph, 0, len(lines))
	looks := map[*int32]Span{}
	var count counter
	for _, runs := range lines {
		p := Paragraph{}
		if len(runs) > 0 && strings.HasPrefix(runs[0].Text, "*") && p.mark(t.Pool(), runs[0].Attribs, &count) {
			runs[0].Text = runs[0].Text[1:]
		} else {
			count.reset(0)
		}
		p.spans(t.Pool(), runs, looks)
		p.link()
		all = append(all, p)
	}
	return all
}

// mark reads the attributes of a line, which are those of the sign at its beginning; false means that the sign is text.
func (p *Paragraph) mark(pool *changeset.Pool, attribs []int32, count *counter) bool {
	marked := false
	for _, n := range attribs {
		switch a, _ := pool.Attrib(int(n)); a.Key {
		case "lmkr":
			marked = true
		case "list":
			kind, level := listKind(a.Value)
			if level > 0 {
				marked = true
				p.Kind, p.Level = kind, level
			}
		case "heading":
			level, err := strconv.Atoi(strings.TrimPrefix(strings.ToLower(a.Value), "h"))
			switch {
			case p.Level > 0: // a list stays one
			case err == nil && level >= 1 && level <= 6:
				p.Kind, p.Level = KindHeading, level
			case a.Value == "code":
				p.Kind = KindCode
			}
		case "align":
			if a.Value == "center" || a.Value == "right" || a.Value == "justify" {
				p.Align = a.Value
			}
		}
	}
	if !marked {
		*p = Paragraph{}
		return false
	}
	switch p.Kind {
	case KindNumber:
		p.Number = count.next(p.Level)
	case KindBullet, KindIndent:
		count.reset(p.Level - 1)
	default:
		count.reset(0)
	}
	return true
}

func listKind(value string) (Kind, int) {
	name := strings.TrimRight(value, "0123456789")
	level, err := strconv.Atoi(value[len(name):])
	if err != nil || level < 1 {
		return KindText, 0
	}
	level = min(level, maxLevel)
	switch name {
	case "number":
		return KindNumber, level
	case "indent":
		return KindIndent, level
	}
	return KindBullet, level
}

// counter numbers lists, from 1 as the text export does: the attribute "start", which is there, too, holds numbers that no
// one sees after an import. A line that belongs to no list, or to one of the same or a higher level without numbers, ends those
// below it.
type counter []int

func (c *counter) reset(level int) {
	if len(*c) > level {
		*c = (*c)[:level]
	}
}

func (c *counter) next(level int) []int {
	c.reset(level)
	for len(*c) < level-1 {
		*c = append(*c, 1)
	}
	if len(*c) < level {
		*c = append(*c, 1)
	} else {
		(*c)[level-1]++
	}
	return append([]int(nil), *c...)
}

// look returns how text with these attributes looks. Sets of attributes are the same slice wherever they occur.
func look(pool *changeset.Pool, attribs []int32, known map[*int32]Span) Span {
	if len(attribs) == 0 {
		return Span{}
	}
	if s, ok := known[&attribs[0]]; ok {
		return s
	}
	var s Span
	for _, n := range attribs {
		a, _ := pool.Attrib(int(n))
		if a.Value == "" || a.Value == "false" {
			continue
		}
		switch a.Key {
		case "author":
			s.Author = a.Value
		case "bold":
			s.Bold = true
		case "italic":
			s.Italic = true
		case "underline":
			s.Underline = true
		case "strikethrough":
			s.Strike = true
		case "sub":
			s.Sub = true
		case "sup":
			s.Super = true
		case "code":
			s.Code = true
		case "url", "link": // of plugins
			s.Link = safeLink(a.Value)
		}
	}
	known[&attribs[0]] = s
	return s
}

// spans makes one of neighbours that look the same.
func (p *Paragraph) spans(pool *changeset.Pool, runs []changeset.Run, known map[*int32]Span) {
	var text strings.Builder
	var last Span
	flush := func() {
		if text.Len() > 0 {
			last.Text = text.String()
			p.Spans = append(p.Spans, last)
			text.Reset()
		}
	}
	for _, run := range runs {
		if s := look(pool, run.Attribs, known); s != last {
			flush()
			last = s
		}
		text.WriteString(run.Text)
		last.Text = ""
	}
	flush()
}

// safeLink returns an address that may be followed from a page, or nothing.
func safeLink(address string) string {
	address = strings.TrimSpace(address)
	u, err := url.Parse(address)
	if err != nil || strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r == utf8.RuneError || strings.ContainsRune("<>\"`\\", r) }) {
		return ""
	}
	switch strings.ToLower(u.Scheme) {
	case "http", "https":
		if u.Host == "" {
			return ""
		}
	case "mailto":
		if u.Opaque == "" {
			return ""
		}
	default:
		return ""
	}
	return address
}

var addressPattern = regexp.MustCompile("(?i)(?:https?://|mailto:)[^\\s<>\"`{}|\\\\^\\x00-\\x1f]+")

// link makes links of addresses in the text, wherever their parts look different.
func (p *Paragraph) link() {
	if p.Kind == KindCode {
		return
	}
	var line strings.Builder
	for _, s := range p.Spans {
		if s.Link != "" {
			// What a plugin has made a link is not looked at; the place is kept.
			line.WriteString(strings.Repeat(" ", len(s.Text)))
			continue
		}
		line.WriteString(s.Text)
	}
	text := line.String()
	if !strings.Contains(text, ":") {
		return
	}
	type place struct {
		from, to int
		link     string
	}
	var found []place
	for _, f := range addressPattern.FindAllStringIndex(text, -1) {
		if f[1]-f[0] > maxAddress {
			continue
		}
		address := trimAddress(text[f[0]:f[1]])
		if link := safeLink(address); link != "" {
			found = append(found, place{f[0], f[0] + len(address), link})
		}
	}
	if found == nil {
		return
	}
	old := p.Spans
	p.Spans = nil
	at := 0 // of the rest's first byte in the line
	put := func(rest *Span, n int, link string) {
		if n > 0 {
			part := *rest
			part.Text, part.Link = rest.Text[:n], link
			p.Spans = append(p.Spans, part)
			rest.Text, at = rest.Text[n:], at+n
		}
	}
	for _, rest := range old {
		for end := at + len(rest.Text); rest.Link == "" && len(found) > 0 && found[0].from < end; {
			put(&rest, found[0].from-at, "")
			put(&rest, min(found[0].to, end)-at, found[0].link)
			if found[0].to > end {
				break // it goes on in the next span
			}
			found = found[1:]
		}
		put(&rest, len(rest.Text), rest.Link)
	}
}

// maxAddress is the length of the longest address that becomes a link.
const maxAddress = 2048

// trimAddress takes away what rather ends the sentence around an address.
func trimAddress(s string) string {
	for s != "" {
		r, n := utf8.DecodeLastRuneInString(s)
		switch {
		case r == ')' && strings.Count(s, "(") >= strings.Count(s, ")"):
			return s
		case strings.ContainsRune(".,;:!?)'*_]»”’…", r):
			s = s[:len(s)-n]
		default:
			return s
		}
	}
	return s
}
