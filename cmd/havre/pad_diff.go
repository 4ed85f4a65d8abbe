package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/sergi/go-diff/diffmatchpatch"

	"github.com/havre-cloud/havre/internal/source/etherpad"
)

type padDiffCmd struct {
	File  string `arg:"" type:"existingfile" help:"An .etherpad file."`
	From  string `arg:"" help:"The first moment."`
	To    string `arg:"" optional:"" default:"head" help:"The second moment, the end of the history if it is left out."`
	Lines bool   `help:"Compare lines, not words; the result is a patch in the unified format."`
}

// Help is the text below the usage.
func (padDiffCmd) Help() string {
	return padMoments + `

What was removed is in [-brackets-], what was added in {+braces+}; on a terminal they are in colour instead.

Examples:

    havre pad diff Minutes.etherpad 2026-03-14
    havre pad diff Minutes.etherpad 12 head --lines

` + padExitCodes
}

// Run executes the command.
func (c *padDiffCmd) Run(ctx context.Context, con *console) error {
	doc, err := openPad(ctx, c.File)
	if err != nil {
		return err
	}
	defer doc.Close()
	var texts [2]string
	var revs [2]int
	for i, moment := range []string{c.From, c.To} {
		if revs[i], err = padMoment(doc.Document, moment); err != nil {
			return err
		}
		text, err := doc.AText(revs[i])
		if err != nil {
			return err
		}
		var b strings.Builder
		if err := etherpad.RenderText(&b, text); err != nil {
			return err
		}
		texts[i] = b.String()
	}
	p := newPaint(con.out)
	if p.terminal {
		texts[0], texts[1] = printable(texts[0]), printable(texts[1])
	}
	head := func(sign string, rev int) string {
		return fmt.Sprintf("%s %s\trevision %d, %s", sign, shown(doc.title), rev, doc.Change(rev).Time.Local().Format("2006-01-02 15:04:05"))
	}
	var b strings.Builder
	b.WriteString(p.put("1", head("---", revs[0])) + "\n" + p.put("1", head("+++", revs[1])) + "\n")
	if c.Lines {
		writeLines(&b, texts[0], texts[1], p)
	} else {
		writeWords(&b, texts[0], texts[1], p)
	}
	_, err = io.WriteString(con.out, b.String())
	return err
}

// piece is a stretch of tokens that two texts have both, or only one of them.
type piece struct {
	op     diffmatchpatch.Operation
	tokens []string
}

// compare returns the pieces that two lists consist of.
func compare(a, b []string) []piece {
	numbers, tokens := map[string]rune{}, []string{}
	encode := func(list []string) []rune {
		r := make([]rune, len(list))
		for i, token := range list {
			n, ok := numbers[token]
			if !ok {
				n = rune(len(tokens))
				numbers[token], tokens = n, append(tokens, token)
			}
			if n >= 0xd800 { // no rune may be a half of a surrogate pair
				n += 0x800
			}
			r[i] = n
		}
		return r
	}
	d := diffmatchpatch.New()
	d.DiffTimeout = 5 * time.Second
	var pieces []piece
	for _, diff := range d.DiffMainRunes(encode(a), encode(b), false) {
		one := piece{op: diff.Type}
		for _, r := range diff.Text {
			if r >= 0xe000 {
				r -= 0x800
			}
			one.tokens = append(one.tokens, tokens[r])
		}
		pieces = append(pieces, one)
	}
	return pieces
}

func linesOf(s string) []string {
	lines := strings.SplitAfter(s, "\n")
	if n := len(lines); lines[n-1] == "" {
		lines = lines[:n-1]
	}
	return lines
}

// wordsOf divides a text into words, white space and single signs.
func wordsOf(s string) []string {
	class := func(r rune) int {
		switch {
		case unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r):
			return 1
		case r == ' ' || r == '\t':
			return 2
		}
		return 0
	}
	var words []string
	start, last := 0, -1
	for i, r := range s {
		c := class(r)
		if i > start && (c != last || c == 0) {
			words = append(words, s[start:i])
			start = i
		}
		last = c
	}
	if start < len(s) {
		words = append(words, s[start:])
	}
	return words
}

// context is how many lines around a change are shown.
const diffContext = 3

// hunk is a part of two texts in which something differs, with lines around it that are equal.
type hunk struct {
	pieces         []piece
	oldAt, newAt   int // first lines, from 1
	oldLen, newLen int
}

// hunks returns where two texts differ.
func hunks(a, b string) []hunk {
	var all []hunk
	var open *hunk
	oldLine, newLine := 1, 1
	var before []string // equal lines before the next change
	for _, p := range compare(linesOf(a), linesOf(b)) {
		n := len(p.tokens)
		if p.op == diffmatchpatch.DiffEqual {
			if open != nil {
				if n <= 2*diffContext {
					open.add(p)
				} else {
					open.add(piece{p.op, p.tokens[:diffContext]})
					all, open = append(all, *open), nil
				}
			}
			before = p.tokens
			oldLine, newLine = oldLine+n, newLine+n
			continue
		}
		if open == nil {
			around := before[max(0, len(before)-diffContext):]
			open = &hunk{oldAt: oldLine - len(around), newAt: newLine - len(around)}
			if len(around) > 0 {
				open.add(piece{diffmatchpatch.DiffEqual, around})
			}
		}
		open.add(p)
		if p.op == diffmatchpatch.DiffDelete {
			oldLine += n
		} else {
			newLine += n
		}
	}
	if open != nil {
		if last := &open.pieces[len(open.pieces)-1]; last.op == diffmatchpatch.DiffEqual && len(last.tokens) > diffContext {
			cut := len(last.tokens) - diffContext
			last.tokens = last.tokens[:diffContext]
			open.oldLen, open.newLen = open.oldLen-cut, open.newLen-cut
		}
		all = append(all, *open)
	}
	return all
}

func (h *hunk) add(p piece) {
	h.pieces = append(h.pieces, p)
	if p.op != diffmatchpatch.DiffInsert {
		h.oldLen += len(p.tokens)
	}
	if p.op != diffmatchpatch.DiffDelete {
		h.newLen += len(p.tokens)
	}
}

// writeLines writes a patch.
func writeLines(b *strings.Builder, old, now string, p paint) {
	for _, h := range hunks(old, now) {
		b.WriteString(p.put("36", fmt.Sprintf("@@ -%s +%s @@", extent(h.oldAt, h.oldLen), extent(h.newAt, h.newLen))) + "\n")
		for _, part := range h.pieces {
			sign, code := " ", ""
			switch part.op {
			case diffmatchpatch.DiffDelete:
				sign, code = "-", "31"
			case diffmatchpatch.DiffInsert:
				sign, code = "+", "32"
			case diffmatchpatch.DiffEqual:
			}
			for _, line := range part.tokens {
				text, ended := strings.CutSuffix(line, "\n")
				if code != "" {
					text = p.put(code, sign+text)
				} else {
					text = sign + text
				}
				b.WriteString(text + "\n")
				if !ended {
					b.WriteString("\\ No newline at end of file\n")
				}
			}
		}
	}
}

// extent is how a patch says where a part is.
func extent(at, n int) string {
	if n == 0 {
		at-- // the line before
	}
	if n == 1 {
		return fmt.Sprint(at)
	}
	return fmt.Sprintf("%d,%d", at, n)
}

// writeWords writes the lines around changes with the words that differ marked.
func writeWords(b *strings.Builder, old, now string, p paint) {
	for i, h := range hunks(old, now) {
		if i > 0 {
			b.WriteString(p.put("2", "…") + "\n")
		}
		var before, after strings.Builder
		for _, part := range h.pieces {
			text := strings.Join(part.tokens, "")
			if part.op != diffmatchpatch.DiffInsert {
				before.WriteString(text)
			}
			if part.op != diffmatchpatch.DiffDelete {
				after.WriteString(text)
			}
		}
		for _, part := range compare(wordsOf(before.String()), wordsOf(after.String())) {
			text := strings.Join(part.tokens, "")
			switch part.op {
			case diffmatchpatch.DiffDelete:
				b.WriteString(mark(p, text, "31;9", "[-", "-]"))
			case diffmatchpatch.DiffInsert:
				b.WriteString(mark(p, text, "32;4", "{+", "+}"))
			case diffmatchpatch.DiffEqual:
				b.WriteString(text)
			}
		}
		if !strings.HasSuffix(b.String(), "\n") {
			b.WriteByte('\n')
		}
	}
}

// mark marks text line by line, so that neither colours nor brackets cross the end of one.
func mark(p paint, text, code, begin, end string) string {
	var b strings.Builder
	for _, line := range linesOf(text) {
		words, ended := strings.CutSuffix(line, "\n")
		switch {
		case p.colour:
			b.WriteString(p.put(code, words))
			if words == "" {
				b.WriteString(p.put(code, "¶")) // a line that came or went
			}
		case words != "":
			b.WriteString(begin + words + end)
		}
		if ended {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// sortedAuthors returns authors by name, those without one last.
func sortedAuthors(all map[string]etherpad.Author) []etherpad.Author {
	return slices.SortedFunc(maps.Values(all), func(a, b etherpad.Author) int {
		if (a.Name == "") != (b.Name == "") {
			return strings.Compare(b.Name, a.Name)
		}
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID))
	})
}
