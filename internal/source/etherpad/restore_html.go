package etherpad

import (
	"html"
	"strconv"
	"strings"
)

// importHTML writes lines as a page that Etherpad imports as they are: an element of HTML's for each thing that it knows, and
// a line break after each line.
func importHTML(lines []Paragraph) string {
	var b strings.Builder
	b.WriteString("<!DOCTYPE html>\n<html>\n<head><meta charset=\"utf-8\"><title>pad</title></head>\n<body>")
	var open []string // elements of lists
	shut := func(to int) {
		for len(open) > to {
			b.WriteString("</li></" + open[len(open)-1] + ">")
			open = open[:len(open)-1]
		}
	}
	for _, p := range lines {
		kind := listOf(p.Kind)
		if kind == "" {
			shut(0)
			importSpans(&b, p)
			b.WriteString("<br>")
			continue
		}
		level := min(max(p.Level, 1), 16)
		shut(level)
		if len(open) == level && open[level-1] != kind {
			shut(level - 1)
		}
		if len(open) == level {
			b.WriteString("</li><li>")
		}
		for len(open) < level {
			b.WriteString("<" + kind + listStart(p, kind) + "><li>")
			open = append(open, kind)
		}
		importSpans(&b, p)
	}
	shut(0)
	b.WriteString("</body>\n</html>\n")
	return b.String()
}

func listOf(k Kind) string {
	switch k {
	case KindBullet, KindIndent:
		return "ul"
	case KindNumber:
		return "ol"
	}
	return ""
}

// listStart returns the attributes with which Etherpad tells its lists apart.
func listStart(p Paragraph, kind string) string {
	switch {
	case p.Kind == KindIndent:
		return ` class="indent"`
	case kind == "ul":
		return ` class="bullet"`
	case len(p.Number) > 0:
		return ` class="number" start="` + strconv.Itoa(p.Number[len(p.Number)-1]) + `"`
	}
	return ` class="number"`
}

func importSpans(b *strings.Builder, p Paragraph) {
	for _, s := range p.Spans {
		var end string
		for _, e := range []struct {
			on   bool
			name string
		}{{s.Bold, "strong"}, {s.Italic, "em"}, {s.Underline, "u"}, {s.Strike, "s"}, {s.Sub, "sub"}, {s.Super, "sup"}, {s.Code, "code"}} {
			if e.on {
				b.WriteString("<" + e.name + ">")
				end = "</" + e.name + ">" + end
			}
		}
		b.WriteString(strings.ReplaceAll(html.EscapeString(s.Text), "  ", " &nbsp;"))
		b.WriteString(end)
	}
}
