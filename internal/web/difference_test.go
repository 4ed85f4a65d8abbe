package web

import (
	"strings"
	"testing"
	"time"
)

// TestWordsOfADifference: both sides can be put together again from the spans, whatever the texts.
func TestWordsOfADifference(t *testing.T) {
	for _, row := range []struct{ a, b string }{
		{"", "new\n"},
		{"a b c\n", "a x c\n"},
		{"une ligne\n\ndeux  lignes\n", "une autre ligne\ndeux lignes !\n\n"},
		{"<b>&amp;</b>\n", "<script>\n"},
		{strings.Repeat("x y z\n", 500), strings.Repeat("y z x w\n", 700)},
	} {
		v := &differenceView{All: true}
		v.lines(lines(row.a), lines(row.b))
		var a, b []string
		for _, r := range v.Rows {
			text := ""
			for _, s := range r.Spans {
				text += s.Text
			}
			if r.Left > 0 {
				a = append(a, text)
			}
			if r.Right > 0 {
				b = append(b, text)
			}
		}
		if strings.Join(a, "\n") != strings.Join(lines(row.a), "\n") || strings.Join(b, "\n") != strings.Join(lines(row.b), "\n") {
			t.Errorf("%q and %q became %q and %q", row.a, row.b, a, b)
		}
	}
}

// TestDifferenceEnds: texts that have nothing in common are compared in bounded time.
func TestDifferenceEnds(t *testing.T) {
	var a, b strings.Builder
	for i := range maxLines {
		a.WriteString(strings.Repeat("a", i%7) + string(rune('a'+i%26)) + strings.Repeat("b", i%11) + "\n")
		b.WriteString(strings.Repeat("c", i%5) + string(rune('a'+i%25)) + strings.Repeat("a", i%13) + "\n")
	}
	begun := time.Now()
	v := &differenceView{}
	v.lines(lines(a.String()), lines(b.String()))
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("it took %v", took)
	} else {
		t.Logf("%v for %d passages", took, v.Passages)
	}
}
