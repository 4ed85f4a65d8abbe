package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/havre-cloud/havre/internal/home"
)

// live prints a line for each change. When very many come at once it counts them instead, so
// that a terminal never slows down the work. For one goroutine.
type live struct {
	out     io.Writer
	names   int // width of the column of devices
	width   func() int
	color   bool
	budget  int // lines that may be printed before the next tick
	skipped map[liveKey]*liveCount
	printed map[liveKey]bool // what has had a line since the last tick
}

// liveKey is what changes have in common that are counted together.
type liveKey struct {
	device string
	up     bool
	what   string
}

type liveCount struct {
	changes, bytes int64
	first, last    int64 // revisions
	event          home.Event
}

const (
	liveTick   = 250 * time.Millisecond
	liveBudget = 20 // lines per tick
)

// newLive makes a live view; file is where out ends, to find out about a terminal.
func newLive(out io.Writer, fd uintptr, devices ...string) *live {
	l := &live{out: out, budget: liveBudget, width: func() int { return 0 }, skipped: map[liveKey]*liveCount{}, printed: map[liveKey]bool{}}
	for _, d := range devices {
		l.names = max(l.names, utf8.RuneCountInString(d))
	}
	if term.IsTerminal(int(fd)) {
		l.color = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
		l.width = func() int {
			w, _, err := term.GetSize(int(fd))
			if err != nil {
				return 80
			}
			return w
		}
	}
	return l
}

// run prints what comes until the channel is closed or ctx is done.
func (l *live) run(ctx context.Context, events <-chan home.Event, notes <-chan string) {
	tick := time.NewTicker(liveTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			l.flush()
			return
		case e := <-events:
			l.event(e)
		case note := <-notes:
			l.flush()
			fmt.Fprintln(l.out, note)
		case <-tick.C:
			l.flush()
			l.budget = liveBudget
			clear(l.printed)
		}
	}
}

func (l *live) event(e home.Event) {
	if l.budget == 0 && e.What != "held" && e.What != "rights" && e.What != "no access" {
		l.count(e)
		return
	}
	l.budget = max(l.budget-1, 0)
	l.printed[keyOf(e)] = true
	fmt.Fprintln(l.out, l.line(e, l.width()))
}

func keyOf(e home.Event) liveKey { return liveKey{e.Device, e.Up, e.What} }

func (l *live) count(e home.Event) {
	key := keyOf(e)
	c := l.skipped[key]
	if c == nil {
		c = &liveCount{first: int64(e.Rev), event: e}
		l.skipped[key] = c
	}
	c.changes++
	c.bytes += e.Bytes
	c.first = min(c.first, int64(e.Rev))
	c.last = max(c.last, int64(e.Rev))
}

// flush prints the counts.
func (l *live) flush() {
	byDevice := func(a, b liveKey) int { return strings.Compare(a.device+" "+a.what, b.device+" "+b.what) }
	for _, key := range slices.SortedFunc(maps.Keys(l.skipped), byDevice) {
		c := l.skipped[key]
		if c.changes == 1 {
			fmt.Fprintln(l.out, l.line(c.event, l.width()))
			continue
		}
		revs := fmt.Sprintf("r%d", c.last)
		if c.first != c.last {
			revs = fmt.Sprintf("r%d-r%d", c.first, c.last)
		}
		what := "and " + grouped(c.changes) + " more"
		if !l.printed[key] {
			what = grouped(c.changes) + " paths"
		}
		if c.bytes > 0 {
			what += ", " + bytesShown(c.bytes)
		}
		fmt.Fprintf(l.out, "%s  %-*s %s %-8s %s, %s\n", time.Now().Format(time.TimeOnly), l.names, key.device,
			arrow(key.up), key.what, what, revs)
	}
	clear(l.skipped)
}

// line is one change; width 0 means as long as it gets.
func (l *live) line(e home.Event, width int) string {
	if e.What == "held" {
		return fmt.Sprintf("%s  %-*s %s %s wait for you to decide: havre status", e.Time.Local().Format(time.TimeOnly),
			l.names, shown(e.Device), arrow(e.Up), counted(e.Count, "deletion"))
	}
	if e.What == "rights" || e.What == "no access" {
		text := "what you may read here has changed"
		if e.What == "no access" {
			text = "you have no access any more: havre status"
		}
		return fmt.Sprintf("%s  %-*s %s %s", e.Time.Local().Format(time.TimeOnly), l.names, shown(e.Device), arrow(e.Up), text)
	}
	path := shown(string(e.Path))
	if e.From != "" {
		path = shown(string(e.From)) + " → " + path
	}
	left := fmt.Sprintf("%s  %-*s %s %-8s ", e.Time.Local().Format(time.TimeOnly), l.names, shown(e.Device), arrow(e.Up), e.What)
	right := fmt.Sprintf("  %5s  %9s", fmt.Sprintf("r%d", e.Rev), took(e.Took))
	room := width - utf8.RuneCountInString(left) - utf8.RuneCountInString(right)
	if width > 0 {
		path = shorten(path, max(room, 12))
		path += strings.Repeat(" ", max(room-utf8.RuneCountInString(path), 0))
	} else {
		path = fmt.Sprintf("%-32s", path)
	}
	if l.color {
		right = "\x1b[2m" + right + "\x1b[0m"
	}
	return left + path + right
}

// arrow says whether a change goes to the server or comes from there.
func arrow(up bool) string {
	if up {
		return "↑"
	}
	return "↓"
}
