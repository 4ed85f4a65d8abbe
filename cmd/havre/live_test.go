package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/internal/home"
	"github.com/havre-cloud/havre/svn"
)

func TestLiveLine(t *testing.T) {
	l := newLive(&bytes.Buffer{}, 1<<20, "laptop", "desktop")
	at := time.Date(2026, 11, 21, 14, 5, 9, 0, time.Local)
	for _, tt := range []struct {
		name  string
		event home.Event
		width int
		want  string
	}{
		{
			"not a terminal",
			home.Event{Device: "laptop", Up: true, What: "changed", Path: "a.txt", Rev: 12, Took: 14 * time.Millisecond},
			0,
			"14:05:09  laptop  ↑ changed  a.txt                               r12      14 ms",
		},
		{
			"terminal",
			home.Event{Device: "desktop", What: "added", Path: "a.txt", Rev: 12, Took: 1400 * time.Microsecond},
			60,
			"14:05:09  desktop ↓ added    a.txt            r12     1.4 ms",
		},
		{
			"long path",
			home.Event{Device: "desktop", What: "added", Path: svn.Path(strings.Repeat("x", 50) + "/the-end.txt"), Rev: 12, Took: time.Second},
			60,
			"14:05:09  desktop ↓ added    xxx…-end.txt    r12   1,000 ms",
		},
		{
			"renamed",
			home.Event{Device: "laptop", What: "renamed", From: "a", Path: "b", Rev: 1},
			70,
			"14:05:09  laptop  ↓ renamed  a → b                       r1     0.0 ms",
		},
		{
			"held",
			home.Event{Device: "laptop", Up: true, What: "held", Rev: 1, Count: 1500},
			80,
			"14:05:09  laptop  ↑ 1,500 deletions wait for you to decide: havre status",
		},
		{
			"hostile name",
			home.Event{Device: "laptop", What: "added", Path: "a\x1b[2Jb", Rev: 1},
			0,
			`14:05:09  laptop  ↓ added    "a\x1b[2Jb"                           r1     0.0 ms`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.event.Time = at
			got := l.line(tt.event, tt.width)
			if tt.width > 0 && utf8.RuneCountInString(got) > tt.width {
				t.Errorf("%d columns: %q", utf8.RuneCountInString(got), got)
			}
			if got, want := strings.Fields(got), strings.Fields(tt.want); !cmp.Equal(got, want) && tt.name != "long path" {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestLiveCountsWhatComesAtOnce(t *testing.T) {
	var out bytes.Buffer
	l := newLive(&out, 1<<20, "laptop")
	for i := range 1000 {
		l.event(home.Event{Device: "laptop", Up: true, What: "added", Path: "x", Rev: svn.Revnum(1 + i/500), Bytes: 1024})
	}
	l.flush()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if got, want := len(lines), liveBudget+1; got != want {
		t.Fatalf("got %d lines, want %d", got, want)
	}
	if got, want := lines[liveBudget], "laptop ↑ added    and 980 more, 980.0 KiB, r1-r2"; !strings.HasSuffix(got, want) {
		t.Errorf("got %q, want it to end with %q", got, want)
	}
	out.Reset()
	if l.flush(); out.Len() > 0 {
		t.Errorf("told twice: %s", &out)
	}
}

// TestLiveCountsForEachDevice: "more" is only what another line of that device comes before.
func TestLiveCountsForEachDevice(t *testing.T) {
	var out bytes.Buffer
	l := newLive(&out, 1<<20, "laptop", "desktop")
	for i := range 30 {
		l.event(home.Event{Device: "laptop", Up: true, What: "deleted", Path: "x", Rev: svn.Revnum(1 + i/29)})
	}
	for range 40 {
		l.event(home.Event{Device: "desktop", What: "deleted", Path: "x", Rev: 1})
	}
	l.event(home.Event{Device: "desktop", Up: true, What: "added", Path: "alone", Rev: 2})
	l.flush()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")[liveBudget:]
	want := []string{"desktop ↑ added alone r2", "desktop ↓ deleted 40 paths, r1", "laptop ↑ deleted and 10 more, r1-r2"}
	for i, line := range lines {
		if i >= len(want) || !strings.Contains(strings.Join(strings.Fields(line), " "), want[i]) {
			t.Errorf("line %d: %q, want one of %q", i, line, want)
		}
	}
	if len(lines) != len(want) {
		t.Errorf("%d lines, want %d", len(lines), len(want))
	}
}
