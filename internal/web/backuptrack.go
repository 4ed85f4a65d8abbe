package web

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// track is what is known of all moments of a document: those of a pad are its revisions, those of a poll
// its copies. It does not change once it is made. A revision costs 14 bytes.
type track struct {
	times   []int64  // milliseconds since 1970, never decreasing
	weights []uint32 // how much was written
	who     []int16  // index into authors, -1 for nobody
	authors []trackAuthor
	saved   []int // moments that somebody saved in the pad, in order
}

// trackAuthor is somebody who wrote.
type trackAuthor struct {
	ID     string
	Name   string // "" if the pad does not know it
	First  int    // the first moment
	Amount int64  // of characters
}

// maxLanes is how many authors have a lane and a colour of their own.
const maxLanes = 6

// add appends a moment. A time before the one before it is taken for that: clocks go back.
func (tr *track) add(ms int64, weight uint32, who int16) {
	if n := len(tr.times); n > 0 {
		ms = max(ms, tr.times[n-1])
	}
	if who >= 0 {
		a := &tr.authors[who]
		if a.Amount == 0 && a.First < 0 {
			a.First = len(tr.times)
		}
		a.Amount += int64(weight)
	}
	tr.times, tr.weights, tr.who = append(tr.times, ms), append(tr.weights, weight), append(tr.who, who)
}

// finish sorts the authors, who wrote most first.
func (tr *track) finish() {
	order := make([]int, len(tr.authors))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(tr.authors[b].Amount, tr.authors[a].Amount) })
	place, sorted := make([]int16, len(order)), make([]trackAuthor, len(order))
	for to, from := range order {
		place[from], sorted[to] = int16(to), tr.authors[from]
	}
	tr.authors = sorted
	for i, w := range tr.who {
		if w >= 0 {
			tr.who[i] = place[w]
		}
	}
}

// head is the last moment.
func (tr *track) head() int { return len(tr.times) - 1 }

func (tr *track) time(i int) time.Time { return time.UnixMilli(tr.times[i]) }

// next returns what is shown after the moment i, and how long to wait before, at so many times the speed
// it was written with. skip makes pauses short.
func (tr *track) next(i, speed int, skip bool) (to int, wait time.Duration) {
	if i >= tr.head() {
		return tr.head(), 0
	}
	frame := int64(speed) * playFrame.Milliseconds()
	to, _ = slices.BinarySearch(tr.times, tr.times[i]+frame+1)
	if to--; to > i {
		return to, playFrame
	}
	// What was written within one millisecond is shown at once.
	to, _ = slices.BinarySearch(tr.times, tr.times[i+1]+1)
	to--
	wait = time.Duration((tr.times[to]-tr.times[i])/int64(speed)) * time.Millisecond
	if skip {
		wait = min(wait, playPause)
	}
	return to, min(wait, time.Hour)
}

const (
	// playFrame is the time between two pictures: each one is asked for.
	playFrame = 200 * time.Millisecond
	// playPause is what a pause becomes when pauses are skipped.
	playPause = 700 * time.Millisecond
	// maxSpeed bounds how fast it can be asked for.
	maxSpeed = 3600
)

// replayLine is the time line of a document. Where nobody wrote for long, the line is shortened and has a gap.
type replayLine struct {
	Width, Height, Base int
	Bars                []timeBar
	Lanes               []laneBar
	Ticks               []timeTick
	Saved               []int
	Gaps                []int // where the line is shortened
	Chosen              int
	Stops               string // "x:moment" for each bar, for the script

	spans []lineSpan
}

// laneBar says that an author wrote from X on.
type laneBar struct {
	X, Y, W int
	Class   string
}

// lineSpan is a piece of the line without long pauses.
type lineSpan struct {
	first, last int // moments
	from, to    int64
	x, w        float64
}

// Sizes of the drawing, in its own units.
const (
	replayWidth = 922
	replayBase  = 55
	replayBar   = 6 // from one bar to the next
	replayGap   = 14
	laneStep    = 6
	maxSpans    = 16
)

// newReplayLine draws the track with the chosen moment.
func (x *exchange) newReplayLine(tr *track, chosen int) *replayLine {
	lanes := min(len(tr.authors), maxLanes+1)
	l := &replayLine{Width: replayWidth, Base: replayBase, Height: replayBase + 10 + laneStep*lanes + 19}
	l.divide(tr)
	l.Chosen = int(math.Round(l.at(tr.times[chosen])))
	if chosen == tr.head() {
		l.Chosen = replayWidth - 4
	}
	l.bars(tr)
	for _, s := range tr.saved {
		l.Saved = append(l.Saved, int(math.Round(l.at(tr.times[s]))))
	}
	l.ticks(x)
	return l
}

// divide cuts the line where nobody wrote for long, at most maxSpans-1 times.
func (l *replayLine) divide(tr *track) {
	n := len(tr.times)
	var gaps []int64
	for i := 1; i < n; i++ {
		if g := tr.times[i] - tr.times[i-1]; g > (10 * time.Minute).Milliseconds() {
			gaps = append(gaps, g)
		}
	}
	slices.SortFunc(gaps, func(a, b int64) int { return cmp.Compare(b, a) })
	shortest := int64(math.MaxInt64)
	if len(gaps) > 0 {
		shortest = gaps[min(len(gaps), maxSpans-1)-1]
	}
	s := lineSpan{from: tr.times[0]}
	for i := 1; i < n; i++ {
		if tr.times[i]-tr.times[i-1] >= shortest && len(l.spans) < maxSpans-1 {
			s.last, s.to = i-1, tr.times[i-1]
			l.spans = append(l.spans, s)
			s = lineSpan{first: i, from: tr.times[i]}
		}
	}
	s.last, s.to = n-1, tr.times[n-1]
	l.spans = append(l.spans, s)
	// Each piece has room for two bars at least, the rest is shared by their lengths in time.
	const least = 3 * replayBar
	room := float64(replayWidth - 8 - (len(l.spans)-1)*replayGap - len(l.spans)*least)
	var all float64
	for _, s := range l.spans {
		all += float64(s.to - s.from)
	}
	at := 0.0
	for i := range l.spans {
		s := &l.spans[i]
		s.x, s.w = at, least+room/float64(len(l.spans))
		if all > 0 {
			s.w = least + room*float64(s.to-s.from)/all
		}
		at += s.w + replayGap
		if i > 0 {
			l.Gaps = append(l.Gaps, int(s.x)-replayGap/2)
		}
	}
}

// at returns where a moment is.
func (l *replayLine) at(ms int64) float64 {
	for i, s := range l.spans {
		if ms > s.to && i < len(l.spans)-1 {
			continue
		}
		if s.to == s.from || ms <= s.from {
			return s.x
		}
		return s.x + s.w*min(1, float64(ms-s.from)/float64(s.to-s.from))
	}
	return replayWidth
}

// bars counts what was written, and who wrote, by place on the line.
func (l *replayLine) bars(tr *track) {
	const n = replayWidth/replayBar + 1
	var sums [n]float64
	var first [n]int
	var lanes [maxLanes + 1][n]bool
	for i := range first {
		first[i] = -1
	}
	span, most := 0, 1.0
	for i, ms := range tr.times {
		for i > l.spans[span].last {
			span++
		}
		s := l.spans[span]
		p := s.x
		if s.to > s.from {
			p += s.w * float64(ms-s.from) / float64(s.to-s.from)
		}
		b := min(int(p)/replayBar, n-1)
		if first[b] < 0 {
			first[b] = i
		}
		sums[b] += float64(tr.weights[i])
		most = max(most, sums[b])
		if w := tr.who[i]; w >= 0 {
			lanes[min(w, maxLanes)][b] = true
		}
	}
	var stops strings.Builder
	for b, sum := range sums {
		if first[b] < 0 {
			continue
		}
		h := max(2, int(math.Round(math.Sqrt(sum/most)*(replayBase-8))))
		class := "bars past"
		if b*replayBar > l.Chosen {
			class = "bars after"
		}
		l.Bars = append(l.Bars, timeBar{X: b*replayBar + 1, Y: replayBase - h, H: h, Class: class})
		stops.WriteString(strconv.Itoa(b*replayBar) + ":" + strconv.Itoa(first[b]) + " ")
	}
	l.Stops = stops.String() + strconv.Itoa(replayWidth-4) + ":" + strconv.Itoa(tr.head())
	for lane := range lanes {
		l.lane(lane, lanes[lane][:])
	}
}

// lane draws when one author wrote. Pauses of a few bars do not count.
func (l *replayLine) lane(lane int, wrote []bool) {
	const pause = 4
	for b := 0; b < len(wrote); b++ {
		if !wrote[b] {
			continue
		}
		end := b
		for i := b; i < len(wrote) && i <= end+pause; i++ {
			if wrote[i] {
				end = i
			}
		}
		l.Lanes = append(l.Lanes, laneBar{X: b * replayBar, Y: replayBase + 4 + lane*laneStep, W: min((end-b+1)*replayBar, replayWidth-b*replayBar), Class: authorClass(lane)})
		b = end
	}
}

// authorClass is the colour of an author, by how much was written.
func authorClass(i int) string {
	if i >= maxLanes {
		return "au au0"
	}
	return "au au" + strconv.Itoa(i+1)
}

// tickSteps are the distances of marks below the line.
var tickSteps = []time.Duration{
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 20 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour,
	24 * time.Hour, 7 * 24 * time.Hour, 30 * 24 * time.Hour, 365 * 24 * time.Hour,
}

// ticks writes the times below the line: where each piece begins, and within long pieces.
func (l *replayLine) ticks(x *exchange) {
	last, day := -1000.0, ""
	first, end := time.UnixMilli(l.spans[0].from).In(x.zone), time.UnixMilli(l.spans[len(l.spans)-1].to).In(x.zone)
	sameDay := daysBetween(first, end) == 0
	add := func(p float64, t time.Time, clock bool) {
		text, date := t.Format("15:04"), x.day(t)
		width := 62.0
		if !clock {
			text = date
		} else if !sameDay && date != day {
			text, width = date+" "+text, 100
		}
		if p-last < width || p > replayWidth-96 {
			return
		}
		last, day = p+width-62, date
		l.Ticks = append(l.Ticks, timeTick{int(math.Round(p)), text})
	}
	for _, s := range l.spans {
		length := time.Duration(s.to-s.from) * time.Millisecond
		step := tickSteps[len(tickSteps)-1]
		for _, d := range tickSteps {
			if float64(d)/float64(max(length, 1))*s.w >= 150 {
				step = d
				break
			}
		}
		from := time.UnixMilli(s.from).In(x.zone)
		add(s.x, from, length < 36*time.Hour)
		if s.w < 150 || length == 0 {
			continue
		}
		_, offset := from.Zone()
		at := from.Add(time.Duration(offset) * time.Second).Truncate(step).Add(-time.Duration(offset) * time.Second)
		for range 200 {
			if at = at.Add(step); at.UnixMilli() > s.to {
				break
			}
			add(l.at(at.UnixMilli()), at, step < 24*time.Hour)
		}
	}
}
