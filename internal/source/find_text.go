package source

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// text finds addresses in plain text and Markdown. Lines are counted from the given one, or from 1.
func (f *finder) text(data []byte, line int) {
	line = max(line, 1)
	for len(data) > 0 && len(f.found) < maxFound {
		one, rest, _ := bytes.Cut(data, []byte("\n"))
		f.line(string(one), "", line)
		data = rest
		line++
	}
}

// line finds addresses in one line: those with a scheme, and bare ones whose form is certain.
func (f *finder) line(s, title string, line int) {
	rest := s
	for {
		at := schemeAt(rest)
		if at < 0 {
			f.bare(rest, title, line)
			return
		}
		f.bare(rest[:at], title, line)
		end := at + strings.IndexFunc(rest[at:]+" ", notInAddress)
		address := trimAddress(rest[at:end], rest[:at])
		before := s[:len(s)-len(rest)+at]
		// A trimmed end may begin the next address: "<https://a>,<https://b>".
		end = at + len(address)
		if !f.add(address, cmpTitle(title, markdownTitle(before)), line, Possible) {
			// Separators within an address are allowed, and in lists they separate.
			if cut := strings.IndexAny(address, ",;|"); cut > 0 {
				f.add(trimAddress(address[:cut], rest[:at]), title, line, Possible)
				end = at + cut
			}
		}
		rest = rest[max(end, at+len("http://")):]
	}
}

func cmpTitle(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// schemeAt returns where the next address with a scheme begins, or -1.
func schemeAt(s string) int {
	for from := 0; ; {
		i := strings.Index(s[from:], "://")
		if i < 0 {
			return -1
		}
		i += from
		for _, scheme := range []string{"https", "http"} {
			if at := i - len(scheme); at >= 0 && strings.EqualFold(s[at:i], scheme) {
				return at
			}
		}
		from = i + 3
	}
}

// notInAddress says which characters end an address in a text.
func notInAddress(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune("<>\"`{}\\^«»“”„‹›", r) || r == utf8.RuneError
}

// trimAddress takes away what belongs to the sentence around an address: punctuation at its end, brackets that were opened before it.
func trimAddress(s, before string) string {
	for s != "" {
		r, size := utf8.DecodeLastRuneInString(s)
		switch {
		case strings.ContainsRune(".,;:!?'’…*~|", r):
		case r == '_' && strings.HasSuffix(before, "_"):
		case r == ')' && strings.Count(s, "(") < strings.Count(s, ")"):
		case r == ']' && strings.Count(s, "[") < strings.Count(s, "]"):
		default:
			if i := strings.Index(s, "]("); i > 0 { // [https://a](https://a)
				return s[:i]
			}
			if i := strings.Index(s, ")"); i > 0 && strings.HasSuffix(before, "](") && !strings.Contains(s[:i], "(") {
				return s[:i]
			}
			return s
		}
		s = s[:len(s)-size]
	}
	return s
}

// markdownTitle returns the text of the Markdown link whose address follows.
func markdownTitle(before string) string {
	inside, ok := strings.CutSuffix(strings.TrimSuffix(before, "<"), "](")
	if !ok {
		return ""
	}
	open := strings.LastIndex(inside, "[")
	if open < 0 {
		return ""
	}
	return inside[open+1:]
}

// bare finds addresses without a scheme: "pad.example.org/p/notes".
func (f *finder) bare(s, title string, line int) {
	if !strings.Contains(s, "/") {
		return
	}
	for word := range strings.FieldsFuncSeq(s, func(r rune) bool { return notInAddress(r) || strings.ContainsRune("()[],;|", r) }) {
		word = trimAddress(word, "")
		if strings.Contains(word, "/") && strings.Contains(word, ".") && !strings.Contains(word, "@") {
			f.add(word, title, line, Certain)
		}
	}
}

// csv finds addresses in the cells of a table, whose separator is the one that its first line has most of.
func (f *finder) csv(data []byte) bool {
	first, _, _ := bytes.Cut(data, []byte("\n"))
	separator := ','
	for _, r := range ";\t" {
		if bytes.Count(first, []byte(string(r))) > bytes.Count(first, []byte(string(separator))) {
			separator = r
		}
	}
	r := csv.NewReader(bytes.NewReader(data))
	r.Comma, r.LazyQuotes, r.FieldsPerRecord, r.ReuseRecord = separator, true, -1, true
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return true
		}
		if err != nil {
			return len(f.found) > 0
		}
		title := ""
		for _, cell := range row {
			if title == "" && !strings.Contains(cell, "://") {
				title = cell
			}
		}
		for i, cell := range row {
			line, _ := r.FieldPos(i)
			f.line(cell, title, line)
		}
	}
}
