package web

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/havre-cloud/havre/internal/source/etherpad"
)

// drawn writes a text as the page shows it: authors before their runs, [-removed-], | where the writing is.
func drawn(t *testing.T, b *padBuilder, rev int) string {
	t.Helper()
	file := b.file()
	doc, err := etherpad.Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	m, err := padMomentOf(doc, rev)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, l := range padTextOf(m, func(id string) (string, string) { return "", id }, "x").Lines {
		s := ""
		if l.Class+l.Mark != "" {
			s = "<" + l.Class + l.Mark + ">"
		}
		for _, r := range l.Runs {
			if r.Caret {
				s += "|"
			}
			switch {
			case r.Removed:
				s += "[-" + r.Text + "-]"
			case r.Text != "":
				s += r.Title + ":" + r.Text + " "
			}
		}
		lines = append(lines, strings.TrimSpace(s))
	}
	return strings.Join(lines, "\n")
}

func TestPadText(t *testing.T) {
	b := newPad(t, "p", time.Now())
	check := func(want string) {
		t.Helper()
		if got := drawn(t, b, b.head); got != want {
			t.Errorf("revision %d:\n%s\nwant:\n%s", b.head, got, want)
		}
	}
	check("")
	b.insert("a.1", 0, "one")
	check("a.1:one |")
	b.insert("a.2", 3, " 😀two\nthree")
	check("a.1:one a.2: 😀two\na.2:three |")
	b.insert("a.1", 6, "X") // behind the two units of the emoji
	check("a.1:one a.2: 😀 a.1:X |a.2:two\na.2:three")
	b.remove("a.1", 4, 2)
	check("a.1:one a.2:  [-😀-]a.1:X a.2:two\na.2:three")
	b.remove("a.1", 5, 7) // "two\nthr"
	check("a.1:one a.2:  a.1:X [-two-]\n[-thr-]a.2:ee")
	b.insert("a.1", 0, "*", "lmkr", "1", "list", "bullet2")
	check("<in2•>|a.1:one a.2:  a.1:X a.2:ee")
	b.insert("a.1", 0, "*\n", "lmkr", "1", "heading", "h2")
	b.insert("a.1", 0, "\tA  B")
	if got := drawn(t, b, b.head); !strings.Contains(got, "\u00a0\u00a0\u00a0\u00a0A\u00a0 B") {
		t.Errorf("spaces are lost: %q", got)
	}
	b.remove("a.2", 0, len(b.plain)-1)
	if got := drawn(t, b, b.head); strings.Count(got, "[-") < 3 {
		t.Errorf("all that was removed is not shown: %q", got)
	}
}

// TestPadTextOfALargePad shows only the passage around the change.
func TestPadTextOfALargePad(t *testing.T) {
	b := newPad(t, "p", time.Now())
	var text strings.Builder
	for i := range 4000 {
		fmt.Fprintf(&text, "line %d of a text that is rather long\n", i)
	}
	b.insert("a.1", 0, text.String())
	b.insert("a.2", b.after("line 2000 of"), " HERE")
	file := b.file()
	doc, err := etherpad.Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	m, err := padMomentOf(doc, doc.Head())
	if err != nil {
		t.Fatal(err)
	}
	v := padTextOf(m, func(id string) (string, string) { return id, id }, "")
	all := 0
	shown := ""
	for _, l := range v.Lines {
		for _, r := range l.Runs {
			all += len(r.Text)
			shown += r.Text
		}
	}
	if all > 2*maxShown || !strings.Contains(shown, "line 2000 of HERE") || v.Above == 0 || v.Below == 0 || v.Above+v.Below+len(v.Lines) != 4001 {
		t.Errorf("%d characters, %d lines above, %d shown, %d below", all, v.Above, len(v.Lines), v.Below)
	}
	if m.counts["a.1"] < 100_000 || m.counts["a.2"] != 5 {
		t.Errorf("counted %v", m.counts)
	}
}

func TestReplayLine(t *testing.T) {
	all, err := loadTexts(content)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 11, 18, 14, 0, 0, 0, time.UTC)
	x := &exchange{s: &Server{texts: all}, lang: "fr", zone: time.UTC, now: start.AddDate(0, 1, 0)}
	tr := &track{authors: []trackAuthor{{ID: "a", First: -1}, {ID: "b", First: -1}}}
	at := start
	for i := range 1000 {
		at = at.Add(3 * time.Second)
		if i%100 == 99 {
			at = at.Add(70 * time.Hour)
		}
		tr.add(at.UnixMilli(), 5, int16(i/900))
	}
	tr.finish()
	l := x.newReplayLine(tr, 500)
	if len(l.spans) != 11 || len(l.Gaps) != 10 {
		t.Errorf("%d pieces, %d gaps", len(l.spans), len(l.Gaps))
	}
	last := -1.0
	for _, ms := range tr.times {
		p := l.at(ms)
		if p < last || p < 0 || p > replayWidth {
			t.Fatalf("a moment is at %f behind %f", p, last)
		}
		last = p
	}
	for _, b := range l.Bars {
		if b.Y < 0 || b.H < 2 || b.Y+b.H != replayBase || b.X < 0 || b.X+4 > replayWidth {
			t.Errorf("bar %+v", b)
		}
	}
	if len(l.Ticks) == 0 || !strings.HasPrefix(l.Ticks[0].Text, "18\u00a0nov. 14:0") {
		t.Errorf("ticks %+v", l.Ticks)
	}
	// A document of one moment, and one with clocks that go back.
	one := &track{}
	one.add(start.UnixMilli(), 0, -1)
	if l := x.newReplayLine(one, 0); l.Chosen != replayWidth-4 {
		t.Errorf("the only moment is at %d", l.Chosen)
	}
	one.add(start.Add(-time.Hour).UnixMilli(), 3, -1)
	if one.times[1] != one.times[0] {
		t.Error("a moment is before the one before it")
	}
	x.newReplayLine(one, 1)
}

func TestReplayNext(t *testing.T) {
	tr := &track{}
	for _, ms := range []int64{0, 100, 150, 5000, 3_600_000, 3_600_000, 900_000_000} {
		tr.add(1_700_000_000_000+ms, 1, -1)
	}
	for _, c := range []struct {
		from, speed int
		skip        bool
		to          int
		wait        time.Duration
	}{
		{0, 1, false, 2, playFrame},                 // two changes within one picture
		{2, 1, false, 3, 4850 * time.Millisecond},   // as long as it took
		{2, 8, false, 3, 606 * time.Millisecond},    // eight times faster
		{2, 60, false, 3, playFrame},                //
		{3, 60, false, 5, 59916 * time.Millisecond}, // both of one moment at once
		{3, 60, true, 5, playPause},                 // the pause is skipped
		{5, 1, false, 6, time.Hour},                 // a timer of a script can wait that long
		{6, 8, true, 6, 0},                          // the end
	} {
		to, wait := tr.next(c.from, c.speed, c.skip)
		if to != c.to || wait != c.wait {
			t.Errorf("from %d at ×%d: %d after %s, want %d after %s", c.from, c.speed, to, wait, c.to, c.wait)
		}
	}
}
