package web

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/svn"
)

// timeline is the one line of time of all pages: bars above a base line, now at the right end. The server
// draws it; under it is a real range input that steps from change to change.
type timeline struct {
	Label    string
	Address  string // of the page that takes ?at=
	Bars     []timeBar
	Ticks    []timeTick
	Chosen   int // where the chosen moment is, -1 without one
	Stops    []timeStop
	Value    int    // index into Stops; len(Stops) is now
	Text     string // of the value
	Xs       string // of Stops, for the script
	Previous string // addresses of the changes beside the chosen moment
	Next     string

	bucket time.Duration
}

// timeStop is a change that the range input stops at.
type timeStop struct {
	X    int
	Rev  svn.Revnum
	Text string
}

type timeBar struct {
	X, Y, H int
	Class   string
}

type timeTick struct {
	X    int
	Text string
}

// Sizes of the drawing, in its own units.
const (
	timeWidth  = 880
	timeHeight = 60
	timeBars   = timeWidth / 8
	maxStops   = 2000
)

// timeBuckets are the widths of a bar of a time line, the smallest that shows everything is taken.
var timeBuckets = []time.Duration{time.Hour, 2 * time.Hour, 6 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour, 28 * 24 * time.Hour, 91 * 24 * time.Hour, 364 * 24 * time.Hour}

// timeCount is what a time line is made of.
type timeCount struct {
	time  time.Time
	files int
}

// newTimeline draws counts, the youngest first, up to now. past is the chosen moment, or zero.
func (x *exchange) newTimeline(label string, counts []timeCount, past time.Time) *timeline {
	l := &timeline{Label: label, Chosen: -1}
	oldest := x.now.Add(-time.Hour)
	for _, c := range counts {
		if !c.time.IsZero() && c.time.Before(oldest) {
			oldest = c.time
		}
	}
	if !past.IsZero() && past.Before(oldest) {
		oldest = past
	}
	bucket := timeBuckets[len(timeBuckets)-1]
	for _, b := range timeBuckets {
		if x.now.Sub(oldest) <= time.Duration(timeBars-1)*b {
			bucket = b
			break
		}
	}
	l.bucket = bucket
	l.draw(x, counts, bucket, past)
	return l
}

// timeStart returns the moment at the left end.
func timeStart(now time.Time, bucket time.Duration) time.Time {
	return now.Add(-time.Duration(timeBars) * bucket)
}

// timeX returns where a moment is.
func timeX(t, now time.Time, bucket time.Duration) int {
	span := float64(time.Duration(timeBars) * bucket)
	return min(max(int(math.Round(float64(t.Sub(timeStart(now, bucket)))/span*timeWidth)), 0), timeWidth)
}

func (l *timeline) draw(x *exchange, counts []timeCount, bucket time.Duration, past time.Time) {
	var sums [timeBars]int
	start, most := timeStart(x.now, bucket), 1
	for _, c := range counts {
		i := int(c.time.Sub(start) / bucket)
		if c.time.Before(start) || i < 0 {
			continue
		}
		i = min(i, timeBars-1)
		sums[i] += c.files
		most = max(most, sums[i])
	}
	if !past.IsZero() {
		l.Chosen = timeX(past, x.now, bucket)
	}
	for i, n := range sums {
		if n == 0 {
			continue
		}
		h := max(2, int(math.Round(math.Sqrt(float64(n)/float64(most))*52)))
		b := timeBar{X: i*8 + 1, Y: timeHeight - 1 - h, H: h, Class: "bars"}
		if l.Chosen >= 0 {
			b.Class = "bars past"
			if b.X > l.Chosen {
				b.Class = "bars after"
			}
		}
		l.Bars = append(l.Bars, b)
	}
	l.ticks(x, bucket)
}

// ticks writes days, months or years below the line.
func (l *timeline) ticks(x *exchange, bucket time.Duration) {
	now, last := x.now.In(x.zone), -1000
	add := func(t time.Time, text string) {
		at := timeX(t, x.now, bucket)
		if at < 4 || at > timeWidth-60 || at-last < 70 {
			return
		}
		last = at
		l.Ticks = append(l.Ticks, timeTick{at, text})
	}
	t := timeStart(x.now, bucket).In(x.zone)
	switch {
	case bucket < 24*time.Hour:
		for t = time.Date(t.Year(), t.Month(), t.Day()+1, 0, 0, 0, 0, x.zone); t.Before(now); t = t.AddDate(0, 0, 1) {
			add(t, upperFirst(days[x.lang][t.Weekday()])+" "+strconv.Itoa(t.Day()))
		}
	case bucket <= 7*24*time.Hour:
		for t = time.Date(t.Year(), t.Month()+1, 1, 0, 0, 0, 0, x.zone); t.Before(now); t = t.AddDate(0, 1, 0) {
			text := upperFirst(longMonths[x.lang][t.Month()-1])
			if t.Month() == time.January {
				text = strconv.Itoa(t.Year())
			}
			add(t, text)
		}
	default:
		for t = time.Date(t.Year()+1, 1, 1, 0, 0, 0, 0, x.zone); t.Before(now); t = t.AddDate(1, 0, 0) {
			add(t, strconv.Itoa(t.Year()))
		}
	}
}

// historyLine is the time line of a place, with the changes that it stops at.
func (x *exchange) historyLine(at *hub.Spot, past time.Time) (*timeline, []hub.Touch, error) {
	touches, _, err := x.hub.Touches(x.ctx(), at, maxStops)
	if err != nil {
		return nil, nil, err
	}
	counts := make([]timeCount, len(touches))
	for i, t := range touches {
		counts[i] = timeCount{t.Time, t.Files}
	}
	l := x.newTimeline(x.t("history.line"), counts, past)
	l.Address = folderAddress(at.Folder.Name, string(at.Path))
	var xs strings.Builder
	l.Value = -1
	for _, t := range slices.Backward(touches) {
		if t.Rev <= at.Rev {
			l.Value = len(l.Stops)
		}
		s := timeStop{X: timeX(t.Time, x.now, l.bucket), Rev: t.Rev}
		s.Text = fmt.Sprintf("%s, %s, %s", x.moment(t.Time), x.s.fullName(x.ctx(), t.Author), x.t("history.files", "n", t.Files))
		fmt.Fprintf(&xs, "%d:%d:%s\n", s.X, s.Rev, strings.ReplaceAll(s.Text, "\n", " "))
		l.Stops = append(l.Stops, s)
	}
	l.Xs = xs.String()
	l.neighbours(at)
	if l.Value >= 0 {
		l.Text = l.Stops[l.Value].Text
	}
	return l, touches, nil
}

// neighbours finds the changes before and after the revision of the spot.
func (l *timeline) neighbours(at *hub.Spot) {
	address := func(i int) string { return fmt.Sprintf("%s?at=r%d", l.Address, l.Stops[i].Rev) }
	if l.Value > 0 {
		l.Previous = address(l.Value - 1)
	}
	if l.Value+1 < len(l.Stops) {
		l.Next = address(l.Value + 1)
	}
	if !at.Past {
		l.Next = ""
	}
	l.Value = max(l.Value, 0)
}

// smallHistory draws the last 24 active days of a place inside the button of its history.
func (s *Server) smallHistory(x *exchange, at *hub.Spot) (template.HTML, error) {
	touches, _, err := s.hub.Touches(x.ctx(), at, 500)
	if err != nil {
		return "", err
	}
	var sums []int
	day, most := "", 1
	for _, t := range touches {
		if d := t.Time.In(x.zone).Format(time.DateOnly); d != day {
			if len(sums) == 24 {
				break
			}
			day = d
			sums = append(sums, 0)
		}
		sums[len(sums)-1] += t.Files
		most = max(most, sums[len(sums)-1])
	}
	var b strings.Builder
	b.WriteString(`<svg class="mini-history" viewBox="0 0 72 16" aria-hidden="true">`)
	for i, n := range sums {
		h := max(2, int(math.Round(math.Sqrt(float64(n)/float64(most))*13)))
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="2" height="%d"></rect>`, 69-3*i, 15-h, h)
	}
	b.WriteString(`<rect y="15" width="72" height="1"></rect></svg>`)
	return template.HTML(b.String()), nil //nolint:gosec // numbers
}
