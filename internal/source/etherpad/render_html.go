package etherpad

import (
	"bufio"
	"cmp"
	"fmt"
	"html"
	"io"
	"slices"
	"strings"

	"github.com/havre-cloud/havre/internal/source/etherpad/changeset"
)

// Page is what a page says besides the text.
type Page struct {
	Title string
	// Source is the address of the pad, without anything secret; empty if it is not known.
	Source string
	// Authors gives names and colours to those who wrote; those who are not in it are not told apart.
	Authors map[string]Author
}

// pageStyle is for reading and printing, in light and dark. Authors are told by a line under what they wrote.
const pageStyle = `
:root { color-scheme: light dark; --ink: #1d2127; --soft: #5c6570; --paper: #fff; --line: #d9dee4; --link: #0b57a4; }
@media (prefers-color-scheme: dark) { :root { --ink: #e3e6ea; --soft: #9aa4b0; --paper: #15181c; --line: #343b44; --link: #8ab8f0; } }
* { box-sizing: border-box; }
html { background: var(--paper); color: var(--ink); font: 1rem/1.65 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
body { max-width: 46rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; overflow-wrap: break-word; }
header { margin-bottom: 2rem; padding-bottom: 1rem; border-bottom: 1px solid var(--line); color: var(--soft); font-size: .875rem; }
header h1 { margin: 0 0 .25rem; color: var(--ink); font-size: 1.75rem; line-height: 1.25; }
header p, header ul { margin: .25rem 0 0; padding: 0; }
header ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; list-style: none; }
main p, main li, main h1, main h2, main h3, main h4, main h5, main h6, pre { white-space: pre-wrap; tab-size: 4; }
main p { margin: 0 0 .9em; }
main ul, main ol { margin: 0 0 .9em; padding-inline-start: 1.6em; white-space: normal; }
main li > ul, main li > ol { margin-bottom: 0; }
main ul.indent { list-style: none; }
main h1, main h2, main h3, main h4, main h5, main h6 { margin: 1.4em 0 .5em; line-height: 1.3; }
pre { overflow-x: auto; padding: .75rem 1rem; border: 1px solid var(--line); border-radius: .4rem; }
code { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; font-size: .925em; }
a { color: var(--link); }
.by { border-bottom: 2px solid color-mix(in srgb, var(--by) 60%, transparent); }
.center { text-align: center; } .right { text-align: end; } .justify { text-align: justify; }
@media print {
  :root { --ink: #000; --soft: #444; --paper: #fff; --line: #999; --link: #000; }
  body { max-width: none; padding: 0; }
  main h1, main h2, main h3, main h4, main h5, main h6 { break-after: avoid; }
  main li, main p { orphans: 2; widows: 2; }
}
`

// RenderHTML writes a text as a page that needs nothing else: valid HTML without scripts, the same bytes for the same text.
func RenderHTML(w io.Writer, t *changeset.Text, p Page) error {
	h := &htmlWriter{Writer: bufio.NewWriter(w), classes: map[string]string{}}
	lines := Paragraphs(t)
	authors := h.authors(lines, p.Authors)
	h.head(p, authors)
	h.legend(authors)
	h.put("</header>\n<main>\n")
	h.body(lines)
	h.put("</main>\n</body>\n</html>\n")
	return h.Flush()
}

// writePage writes a page around content that is HTML and harmless.
func writePage(w io.Writer, p Page, content string) error {
	h := &htmlWriter{Writer: bufio.NewWriter(w)}
	h.head(p, nil)
	h.put("</header>\n<main>\n", content, "\n</main>\n</body>\n</html>\n")
	return h.Flush()
}

// htmlWriter writes a page. Errors of writing stay with the buffer until Flush.
type htmlWriter struct {
	*bufio.Writer
	classes map[string]string // of authors, by ID
	lists   []list            // that are open, each in an open item of the one before
	open    string            // the element of lines that are not of a list, empty if none is open
}

type list struct {
	kind  Kind
	level int
}

func (h *htmlWriter) put(parts ...string) {
	for _, s := range parts {
		_, _ = h.WriteString(s) // the error comes again from Flush
	}
}

// authors gives a class to each who wrote what is there, in the order in which they appear. One alone is not marked.
func (h *htmlWriter) authors(lines []Paragraph, known map[string]Author) []Author {
	var found []Author
	seen := map[string]bool{"": true}
	for _, p := range lines {
		for _, s := range p.Spans {
			if a, ok := known[s.Author]; ok && !seen[s.Author] {
				seen[s.Author] = true
				found = append(found, a)
			}
		}
	}
	if len(found) > 1 {
		for i, a := range found {
			h.classes[a.ID] = fmt.Sprintf("a%d", i+1)
		}
	}
	return found
}

func (h *htmlWriter) head(p Page, authors []Author) {
	h.put("<!DOCTYPE html>\n<html>\n<head>\n<meta charset=\"utf-8\">\n",
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
		"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n",
		"<title>", escapeText(cmp.Or(p.Title, "Pad")), "</title>\n<style>", pageStyle)
	for _, a := range authors {
		if class := h.classes[a.ID]; class != "" {
			h.put(".", class, " { --by: ", colour(a.Color), "; }\n")
		}
	}
	h.put("</style>\n</head>\n<body>\n<header>\n<h1 dir=\"auto\">", escapeText(cmp.Or(p.Title, "Pad")), "</h1>\n")
	if source := safeLink(p.Source); source != "" {
		h.put("<p><a href=\"", html.EscapeString(source), "\" rel=\"noreferrer noopener\">", escapeText(source), "</a></p>\n")
	}
}

func (h *htmlWriter) legend(authors []Author) {
	var names []string
	unnamed := 0
	for _, a := range authors {
		class := h.classes[a.ID]
		switch {
		case a.Name != "" && class != "":
			names = append(names, `<li><span class="by `+class+`">`+escapeText(a.Name)+"</span></li>")
		case a.Name != "":
			names = append(names, "<li>"+escapeText(a.Name)+"</li>")
		case class != "":
			unnamed++
			names = append(names, fmt.Sprintf(`<li><span class="by %s">Unnamed %d</span></li>`, class, unnamed))
		}
	}
	if len(names) > 0 {
		h.put("<ul aria-label=\"Authors\">\n", strings.Join(names, "\n"), "\n</ul>\n")
	}
}

func (h *htmlWriter) body(lines []Paragraph) {
	for len(lines) > 0 && empty(lines[len(lines)-1]) {
		lines = lines[:len(lines)-1]
	}
	blank := 0
	for i, p := range lines {
		if empty(p) {
			if h.close(); blank > 0 {
				h.put("<p><br></p>\n")
			}
			blank++
			continue
		}
		blank = 0
		switch p.Kind {
		case KindBullet, KindNumber, KindIndent:
			h.item(p)
		case KindHeading:
			h.close()
			element := fmt.Sprintf("h%d", p.Level)
			h.put("<", element, attributes(p), ">")
			h.spans(p)
			h.put("</", element, ">\n")
		case KindCode:
			if h.open == "code></pre" {
				h.put("\n")
			} else {
				h.close()
				// The first line feed in pre is not shown: there may be one in the text.
				h.put("<pre><code>")
				h.open = "code></pre"
			}
			h.spans(p)
		default:
			if h.open == "p" && i > 0 && lines[i-1].Align == p.Align {
				h.put("<br>")
			} else {
				h.close()
				h.put("<p", attributes(p), ">")
				h.open = "p"
			}
			h.spans(p)
		}
	}
	h.close()
}

func empty(p Paragraph) bool { return len(p.Spans) == 0 && p.Kind == KindText }

func attributes(p Paragraph) string {
	if p.Align != "" {
		return ` dir="auto" class="` + p.Align + `"`
	}
	return ` dir="auto"`
}

// close ends what is open.
func (h *htmlWriter) close() {
	if h.open != "" {
		h.put("</", h.open, ">\n")
		h.open = ""
	}
	for len(h.lists) > 0 {
		h.closeList()
	}
}

func (h *htmlWriter) closeList() {
	last := h.lists[len(h.lists)-1]
	h.lists = h.lists[:len(h.lists)-1]
	h.put("</li>\n</", last.element(), ">")
	if len(h.lists) == 0 { // a line feed in an item would be seen
		h.put("\n")
	}
}

func (l list) element() string {
	if l.kind == KindNumber {
		return "ol"
	}
	return "ul"
}

// item writes the line of a list and leaves it open, for a list below it.
func (h *htmlWriter) item(p Paragraph) {
	if h.open != "" {
		h.close()
	}
	for len(h.lists) > 0 && h.lists[len(h.lists)-1].level > p.Level {
		h.closeList()
	}
	if n := len(h.lists); n > 0 && h.lists[n-1].level == p.Level && h.lists[n-1].kind != p.Kind {
		h.closeList()
	}
	if n := len(h.lists); n > 0 && h.lists[n-1].level == p.Level {
		h.put("</li>\n")
	} else {
		l := list{kind: p.Kind, level: p.Level}
		h.put("<", l.element())
		if p.Kind == KindIndent {
			h.put(` class="indent"`)
		}
		if p.Kind == KindNumber && p.Number[len(p.Number)-1] != 1 {
			h.put(fmt.Sprintf(` start="%d"`, p.Number[len(p.Number)-1]))
		}
		h.put(">\n")
		h.lists = append(h.lists, l)
	}
	h.put("<li", attributes(p), ">")
	h.spans(p)
}

// spans writes the text of a line.
func (h *htmlWriter) spans(p Paragraph) {
	rest := p.Spans
	if len(rest) > 0 { // the indentation is nobody's
		text := strings.TrimLeft(rest[0].Text, " \t")
		h.put(rest[0].Text[:len(rest[0].Text)-len(text)])
		rest = slices.Clone(rest)
		if rest[0].Text = text; text == "" {
			rest = rest[1:]
		}
	}
	for len(rest) > 0 {
		var part []Span
		part, rest = leading(rest, func(s Span) string { return h.classes[s.Author] })
		class := h.classes[part[0].Author]
		if class != "" {
			h.put(`<span class="by `, class, `">`)
		}
		h.links(part)
		if class != "" {
			h.put("</span>")
		}
	}
}

func (h *htmlWriter) links(rest []Span) {
	for len(rest) > 0 {
		var part []Span
		part, rest = leading(rest, func(s Span) string { return s.Link })
		link := part[0].Link
		if link != "" {
			h.put(`<a href="`, html.EscapeString(link), `" rel="noreferrer noopener">`)
		}
		for _, s := range part {
			h.span(s)
		}
		if link != "" {
			h.put("</a>")
		}
	}
}

// leading divides spans after the first ones that have the same key.
func leading(spans []Span, key func(Span) string) (first, rest []Span) {
	n := 1
	for n < len(spans) && key(spans[n]) == key(spans[0]) {
		n++
	}
	return spans[:n], spans[n:]
}

func (h *htmlWriter) span(s Span) {
	var end string
	in := func(on bool, element string) {
		if on {
			h.put("<", element, ">")
			end = "</" + element + ">" + end
		}
	}
	in(s.Bold, "strong")
	in(s.Italic, "em")
	in(s.Underline, "u")
	in(s.Strike, "s")
	in(s.Sub, "sub")
	in(s.Super, "sup")
	in(s.Code, "code")
	h.put(escapeText(s.Text), end)
}

// escapeText returns text for a page. Characters that no page may have are left out.
func escapeText(s string) string {
	return html.EscapeString(strings.Map(printable, s))
}

func printable(r rune) rune {
	switch {
	case r == '\t' || r == '\n':
		return r
	case r == '\r', r == '\v', r == '\f':
		return ' '
	case r < ' ', r >= 0x7f && r < 0xa0, r >= 0xfdd0 && r <= 0xfdef, r&0xfffe == 0xfffe:
		return -1
	}
	return r
}
