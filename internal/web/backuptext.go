package web

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/havre-cloud/havre/internal/source/etherpad"
	"github.com/havre-cloud/havre/internal/source/etherpad/changeset"
)

// padText is the text of a pad at one moment, with who wrote what, and what was removed just then.
type padText struct {
	Above, Below int // lines that are not shown
	Lines        []padLine
}

type padLine struct {
	Class string // of the style: a heading, how deep it is in a list
	Mark  string // of a list
	Runs  []padRun
}

// padRun is text of one author.
type padRun struct {
	Text    string
	Class   string
	Title   string // who wrote it, or removed it
	Removed bool
	Caret   bool // the writing is here, before the run
}

// maxShown is how many characters of a text are shown: those around the change.
const maxShown = 40_000

// padMoment is a revision as it is drawn.
type padMoment struct {
	text   *changeset.Text
	gone   []etherpad.Removal
	caret  int // in UTF-16 code units, -1 without one
	counts map[string]int
}

// padMomentOf reads a revision: its text, what it removed, and where it wrote last.
func padMomentOf(doc *etherpad.Document, rev int) (*padMoment, error) {
	m := &padMoment{caret: -1, counts: map[string]int{}}
	var err error
	if m.gone, err = doc.Removals(rev); err != nil {
		return nil, err
	}
	if m.text, err = doc.AText(rev); err != nil {
		return nil, err
	}
	for r, err := range doc.Revisions(rev, rev) {
		if err != nil {
			return nil, err
		}
		c, err := changeset.Parse(r.Changeset)
		if err != nil {
			return nil, err
		}
		at := 0
		for i := range c.Ops {
			switch op := &c.Ops[i]; op.Code {
			case '+':
				at += op.Chars
				m.caret = at
			case '=':
				at += op.Chars
			}
		}
	}
	return m, nil
}

// place is where the change is, in UTF-16 code units.
func (m *padMoment) place() int {
	switch {
	case m.caret >= 0:
		return m.caret
	case len(m.gone) > 0:
		return m.gone[0].Offset
	}
	return 0
}

// padTextOf draws the lines around the change. style returns class and name of an author; remover says who removed.
func padTextOf(m *padMoment, style func(id string) (class, name string), removed string) *padText {
	lines, pool := m.text.Lines(), m.text.Pool()
	from, to := m.window(lines)
	t := &padText{Above: from, Below: len(lines) - to}
	offset := 0 // of the line, in units
	gone := m.gone
	var numbers counters
	for i, line := range lines {
		length := 1
		for _, r := range line {
			length += r.Units
			m.counts[authorOf(pool, r.Attribs)] += r.Units
		}
		if i < from || i >= to {
			for len(gone) > 0 && gone[0].Offset < offset+length {
				gone = gone[1:]
			}
			offset += length
			continue
		}
		var l padLine
		l, line, offset = beginLine(line, pool, offset, &numbers)
		end := offset
		for _, r := range line {
			end += r.Units
		}
		d := &lineDrawing{m: m, line: &l, out: t, removed: removed}
		for _, r := range line {
			id := authorOf(pool, r.Attribs)
			class, name := style(id)
			gone = d.run(r, strings.TrimSpace(class+formatOf(pool, r.Attribs)), name, offset, gone)
			offset += r.Units
		}
		gone = d.removals(end, true, gone)
		if m.caret == end && m.caret >= 0 && !d.placed {
			l.Runs = append(l.Runs, padRun{Caret: true})
		}
		t.Lines = append(t.Lines, l)
		offset = end + 1
	}
	if len(gone) > 0 && t.Below == 0 {
		l := padLine{}
		for _, g := range gone {
			l.Runs = append(l.Runs, padRun{Text: visibleText(g.Text), Removed: true, Title: removed})
		}
		t.Lines = append(t.Lines, l)
	}
	// Every pad ends with an empty line, which is nothing to look at.
	for n := len(t.Lines); n > 0 && t.Below == 0 && len(t.Lines[n-1].Runs) == 0; n = len(t.Lines) {
		t.Lines = t.Lines[:n-1]
	}
	return t
}

// lineDrawing draws the runs of one line.
type lineDrawing struct {
	m       *padMoment
	line    *padLine
	out     *padText
	removed string
	placed  bool // the caret is drawn
}

// removals draws what was removed before a place, or at it. A line feed that was removed ends the line.
func (d *lineDrawing) removals(at int, here bool, gone []etherpad.Removal) []etherpad.Removal {
	for len(gone) > 0 && (gone[0].Offset < at || here && gone[0].Offset == at) {
		for i, part := range strings.Split(gone[0].Text, "\n") {
			if i > 0 {
				d.out.Lines = append(d.out.Lines, *d.line)
				*d.line = padLine{Class: d.line.Class}
			}
			if part = strings.TrimPrefix(part, "*"); part != "" {
				d.line.Runs = append(d.line.Runs, padRun{Text: visibleText(part), Removed: true, Title: d.removed})
			}
		}
		gone = gone[1:]
	}
	return gone
}

// run draws a run that begins at offset, cut where something was removed and where the caret is.
func (d *lineDrawing) run(r changeset.Run, class, name string, offset int, gone []etherpad.Removal) []etherpad.Removal {
	text := r.Text
	for text != "" {
		gone = d.removals(offset, true, gone)
		end := offset + r.Units
		if len(gone) > 0 {
			end = min(end, gone[0].Offset)
		}
		caret := d.m.caret
		if !d.placed && caret > offset && caret < end {
			end = caret
		}
		var part string
		part, text = cutUnits(text, end-offset)
		d.add(padRun{Text: visibleText(part), Class: class, Title: name, Caret: !d.placed && caret == offset && caret >= 0})
		r.Units -= end - offset
		if part == "" && end == offset || r.Units <= 0 && text != "" {
			d.add(padRun{Text: visibleText(text), Class: class, Title: name})
			break // lengths that do not fit; nothing is left out
		}
		offset = end
	}
	return gone
}

func (d *lineDrawing) add(r padRun) {
	d.placed = d.placed || r.Caret
	if n := len(d.line.Runs); n > 0 && !r.Caret {
		if last := &d.line.Runs[n-1]; !last.Removed && last.Class == r.Class && last.Title == r.Title {
			last.Text += r.Text
			return
		}
	}
	d.line.Runs = append(d.line.Runs, r)
}

// cutUnits cuts a text after n UTF-16 code units.
func cutUnits(s string, n int) (head, tail string) {
	for i, r := range s {
		if n <= 0 {
			return s[:i], s[i:]
		}
		n--
		if r > 0xffff {
			n--
		}
	}
	return s, ""
}

// window returns the lines around the change that are shown.
func (m *padMoment) window(lines [][]changeset.Run) (from, to int) {
	units := func(i int) int {
		n := 1
		for _, r := range lines[i] {
			n += r.Units
		}
		return n
	}
	if m.text.Len() <= maxShown {
		return 0, len(lines)
	}
	at, offset := 0, 0
	for at < len(lines)-1 && offset+units(at) <= m.place() {
		offset += units(at)
		at++
	}
	from, to = at, min(at+1, len(lines))
	for room := maxShown; room > 0 && (from > 0 || to < len(lines)); {
		if from > 0 {
			from--
			room -= units(from)
		}
		if to < len(lines) {
			room -= units(to)
			to++
		}
	}
	return from, to
}

func attribOf(pool *changeset.Pool, numbers []int32, key string) string {
	for _, n := range numbers {
		if a, _ := pool.Attrib(int(n)); a.Key == key {
			return a.Value
		}
	}
	return ""
}

func authorOf(pool *changeset.Pool, numbers []int32) string { return attribOf(pool, numbers, "author") }

// formatOf returns classes for what the text has besides an author.
func formatOf(pool *changeset.Pool, numbers []int32) string {
	var s strings.Builder
	for _, n := range numbers {
		switch a, _ := pool.Attrib(int(n)); {
		case a.Value != "true":
		case a.Key == "strikethrough":
			s.WriteString(" strike")
		case a.Key == "bold", a.Key == "italic", a.Key == "underline":
			s.WriteString(" " + a.Key)
		}
	}
	return s.String()
}

// counters number the items of lists.
type counters [9]int

// beginLine takes the mark of a list or heading off a line.
func beginLine(line []changeset.Run, pool *changeset.Pool, offset int, c *counters) (padLine, []changeset.Run, int) {
	var l padLine
	if len(line) == 0 || !strings.HasPrefix(line[0].Text, "*") || attribOf(pool, line[0].Attribs, "lmkr") == "" {
		*c = counters{}
		return l, line, offset
	}
	first := line[0]
	kind := attribOf(pool, first.Attribs, "list")
	heading := attribOf(pool, first.Attribs, "heading")
	switch heading {
	case "h1", "h2", "h3":
		l.Class = heading
	case "h4", "h5", "h6":
		l.Class = "h3"
	}
	if name := strings.TrimRight(kind, "0123456789"); name != "" {
		depth, _ := strconv.Atoi(kind[len(name):]) // at least 1 below
		depth = min(max(depth, 1), 8)
		l.Class = strings.TrimSpace(l.Class + " in" + strconv.Itoa(depth))
		for i := depth + 1; i < len(c); i++ {
			c[i] = 0
		}
		switch name {
		case "number":
			c[depth]++
			l.Mark = strconv.Itoa(c[depth]) + "."
		case "indent":
		default:
			l.Mark = "•"
		}
	} else {
		*c = counters{}
	}
	line = slices.Clone(line)
	line[0].Text, line[0].Units = first.Text[1:], first.Units-1
	if line[0].Units == 0 {
		line = line[1:]
	}
	return l, line, offset + 1
}

// spaces keeps what HTML would make one space, in lines that break at spaces all the same.
var spaces = strings.NewReplacer("\t", strings.Repeat("\u00a0", 4), "  ", "\u00a0 ")

// visibleText is visible for a text with tabs and several spaces.
func visibleText(s string) string {
	s = spaces.Replace(s)
	if rest, ok := strings.CutPrefix(s, " "); ok && strings.HasPrefix(rest, "\u00a0") {
		s = "\u00a0" + rest
	}
	return visible(s)
}

// shorten cuts a text for a line of a list.
func shorten(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}
