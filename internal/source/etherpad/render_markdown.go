package etherpad

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/havre-cloud/havre/internal/source/etherpad/changeset"
)

// RenderMarkdown writes a text as CommonMark. What Markdown has no signs for is HTML: underline, strike-through, and bold
// within words, where signs would not be recognised.
func RenderMarkdown(w io.Writer, t *changeset.Text) error {
	m := markdown{}
	for _, p := range Paragraphs(t) {
		m.line(p)
	}
	m.end()
	_, err := io.WriteString(w, m.b.String())
	return err
}

// markdown writes blocks.
type markdown struct {
	b     strings.Builder
	open  Kind // of the block that the next line may continue, if inBlock
	block bool // there is one
	code  []string
	lists []mdList
}

type mdList struct {
	list
	indent int // of what belongs to the last item
}

// end ends the block.
func (m *markdown) end() {
	if !m.block {
		return
	}
	if m.open == KindCode {
		m.fence()
	}
	m.b.WriteByte('\n')
	m.block, m.lists = false, nil
}

// begin begins a block, with a blank line before it.
func (m *markdown) begin(kind Kind) {
	m.end()
	if m.b.Len() > 0 {
		m.b.WriteByte('\n')
	}
	m.open, m.block = kind, true
}

func (m *markdown) line(p Paragraph) {
	if p.Kind == KindText && strings.TrimSpace(strings.Map(printable, plain(p))) == "" {
		m.end()
		return
	}
	switch p.Kind {
	case KindBullet, KindNumber:
		m.item(p)
	case KindCode:
		if !m.block || m.open != KindCode {
			m.begin(KindCode)
			m.code = nil
		}
		m.code = append(m.code, strings.Map(printable, plain(p)))
	case KindHeading:
		m.begin(KindHeading)
		m.b.WriteString(strings.Repeat("#", p.Level) + " ")
		text := inline(p)
		if rest, ok := strings.CutSuffix(text, "#"); ok && !strings.HasSuffix(rest, "\\") {
			text = rest + "\\#" // it would be taken for a frame
		}
		m.b.WriteString(text)
		m.end()
	default:
		if m.block && m.open == KindText {
			// Every line of a pad is one. A break after a backslash is not understood by all readers.
			if strings.HasSuffix(m.b.String(), "\\") {
				m.b.WriteString("  \n")
			} else {
				m.b.WriteString("\\\n")
			}
		} else {
			m.begin(KindText)
		}
		if p.Kind == KindIndent {
			m.b.WriteString(strings.Repeat("&emsp;", p.Level))
		}
		m.b.WriteString(inline(p))
	}
}

// item writes a line of a list.
func (m *markdown) item(p Paragraph) {
	if !m.block || m.open != KindBullet {
		m.begin(KindBullet)
	} else {
		m.b.WriteByte('\n')
	}
	for len(m.lists) > 0 && m.lists[len(m.lists)-1].level > p.Level {
		m.lists = m.lists[:len(m.lists)-1]
	}
	deeper := len(m.lists) > 0
	if n := len(m.lists); n > 0 && m.lists[n-1].level == p.Level {
		m.lists, deeper = m.lists[:n-1], false
	}
	indent := 0
	if n := len(m.lists); n > 0 {
		indent = m.lists[n-1].indent
	}
	sign := "- "
	if p.Kind == KindNumber {
		n := p.Number[len(p.Number)-1]
		sign = fmt.Sprintf("%d. ", n)
		if deeper && n != 1 {
			m.b.WriteByte('\n') // only a list that begins with 1 may follow text at once
		}
	}
	m.b.WriteString(strings.Repeat(" ", indent))
	text := inline(p)
	m.b.WriteString(sign + text)
	if text == "" {
		m.b.WriteString("&#8203;") // an empty item could not have another below it
	}
	m.lists = append(m.lists, mdList{list: list{p.Kind, p.Level}, indent: indent + len(sign)})
}

// fence writes a block of code between more backticks than are in it.
func (m *markdown) fence() {
	text := strings.Join(m.code, "\n")
	longest, run := 2, 0
	for _, r := range text {
		if run++; r != '`' {
			run = 0
		}
		longest = max(longest, run)
	}
	fence := strings.Repeat("`", longest+1)
	m.b.WriteString(fence + "\n" + text + "\n" + fence)
}

func plain(p Paragraph) string {
	var b strings.Builder
	for _, s := range p.Spans {
		b.WriteString(s.Text)
	}
	return b.String()
}

// inline returns the text of a line. White space at its beginning, which Markdown would drop or take for code, is written as
// entities; that at its end is dropped.
func inline(p Paragraph) string {
	spans := slices.Clone(p.Spans)
	for i := range spans {
		spans[i].Text = strings.Map(printable, spans[i].Text)
	}
	for n := len(spans) - 1; n >= 0; n-- {
		if spans[n].Text = strings.TrimRightFunc(spans[n].Text, unicode.IsSpace); spans[n].Text != "" {
			break
		}
		spans = spans[:n]
	}
	var b strings.Builder
	for i, s := range spans {
		if b.Len() == 0 {
			rest := strings.TrimLeftFunc(s.Text, unicode.IsSpace)
			for _, r := range s.Text[:len(s.Text)-len(rest)] {
				if r == '\t' {
					b.WriteString("&emsp;")
				} else {
					b.WriteString("&nbsp;")
				}
			}
			s.Text = rest
		}
		if s.Text == "" {
			continue
		}
		before, after := true, true
		if i > 0 {
			r, _ := utf8.DecodeLastRuneInString(spans[i-1].Text)
			before = apart(r, spans[i-1])
		}
		if i+1 < len(spans) {
			r, _ := utf8.DecodeRuneInString(spans[i+1].Text)
			after = apart(r, spans[i+1])
		}
		writeSpan(&b, s, before, after)
	}
	return b.String()
}

// apart tells whether signs beside a character, which is of the span s, are recognised whatever they stand around: it is white
// space, or punctuation without signs of its own.
func apart(r rune, s Span) bool {
	s.Text, s.Author = "", ""
	return unicode.IsSpace(r) || s == Span{} && r < utf8.RuneSelf && unicode.IsPunct(r)
}

// writeSpan writes a span. Signs may stand before and after it, or only if it has white space there itself.
func writeSpan(b *strings.Builder, s Span, before, after bool) {
	core := strings.TrimFunc(s.Text, unicode.IsSpace)
	if core == "" {
		b.WriteString(escapeMarkdown(s.Text, b.Len() == 0))
		return
	}
	at := strings.Index(s.Text, core)
	lead, trail := s.Text[:at], s.Text[at+len(core):]
	signs := (lead != "" || before) && (trail != "" || after)
	first := b.Len() == 0
	b.WriteString(lead)
	var end string
	in := func(on bool, sign, element string) {
		switch {
		case !on:
		case signs && sign != "":
			b.WriteString(sign)
			end = sign + end
		default:
			b.WriteString("<" + element + ">")
			end = "</" + element + ">" + end
		}
	}
	in(s.Underline, "", "u")
	in(s.Strike, "", "s")
	in(s.Sub, "", "sub")
	in(s.Super, "", "sup")
	in(s.Bold, "**", "strong")
	in(s.Italic, "*", "em")
	switch {
	case s.Code:
		in(true, "", "code")
		b.WriteString(escapeMarkdown(core, false))
	case s.Link == core:
		b.WriteString("<" + s.Link + ">")
	case s.Link != "":
		b.WriteString("[" + escapeMarkdown(core, false) + "](<" + s.Link + ">)")
	default:
		b.WriteString(escapeMarkdown(core, first && end == ""))
	}
	b.WriteString(end + trail)
}

// escapeMarkdown returns text that means nothing in Markdown; start says that it is at the beginning of a line.
func escapeMarkdown(s string, start bool) string {
	var b strings.Builder
	digits := start
	for i, r := range s {
		switch {
		case strings.ContainsRune("\\`*_[]<>&~|", r):
			b.WriteByte('\\')
		case i == 0 && start && strings.ContainsRune("#+-=:", r):
			b.WriteByte('\\')
		case r == '!' && i == len(s)-1: // a link after it would be a picture
			b.WriteByte('\\')
		case digits && i > 0 && (r == '.' || r == ')'):
			b.WriteByte('\\')
		}
		digits = digits && r >= '0' && r <= '9'
		b.WriteRune(r)
	}
	return b.String()
}
