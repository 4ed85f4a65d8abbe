package web

import (
	"html/template"
	"io"
	"strconv"
	"time"

	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/internal/source/framadate"
)

// Bounds of the table on the page; the file has all.
const (
	maxPollColumns  = 120
	maxPollRows     = 300
	maxPollComments = 200
	// maxPollCopies is how many copies of a poll are on its time line.
	maxPollCopies = 2000
)

// pollView is the table of a poll as people know it, with what one copy changed.
type pollView struct {
	Title    string
	About    template.HTML // harmless
	Plain    string
	Columns  []pollColumn
	Rows     []pollRow
	More     int // rows that are not shown
	Totals   []pollTotal
	Comments []pollComment
	Answers  int
	Remarks  int
	Hidden   bool
	Changes  int
}

type pollColumn struct {
	Label, Moment string
	Added         bool
}

type pollRow struct {
	Name    string
	Added   bool
	Removed bool
	Cells   []pollCell
}

type pollCell struct {
	Class   string // "yes", "maybe", "no" or ""
	Icon    string
	Words   string
	Was     string
	Changed bool
}

type pollTotal struct {
	Yes  int
	Best bool
}

type pollComment struct {
	Author, Text string
	Date         string
	Added        bool
}

// pollReplay makes the replay of the poll in a file, whose moments are its versions.
func (s *Server) pollReplay(x *exchange, at *hub.Spot, r *replayView) (bool, error) {
	versions, _, err := s.hub.Versions(x.ctx(), at)
	if err != nil || len(versions) == 0 {
		return false, err
	}
	// The youngest come first; the line begins with the oldest. A mere move is no copy.
	var copies []hub.Version
	for i := range versions {
		if v := versions[len(versions)-1-i]; i == 0 || !v.Moved {
			copies = append(copies, v)
		}
	}
	copies = copies[max(0, len(copies)-maxPollCopies):]
	tr := &track{}
	for i := range copies {
		size := copies[i].Size
		if i > 0 {
			size -= copies[i-1].Size
		}
		tr.add(copies[i].Time.UnixMilli(), uint32(min(max(size, -size)+20, 1<<20)), -1)
	}
	r.Min = 1
	r.place(x, tr)
	now, err := s.readPoll(x, at, &copies[r.At])
	if err != nil || now == nil {
		return false, err
	}
	var before *framadate.Poll
	if r.At > 0 {
		if before, err = s.readPoll(x, at, &copies[r.At-1]); err != nil {
			return false, err
		}
	}
	r.Poll = x.pollView(now, before)
	r.Last = r.Poll
	if r.At < r.Head {
		last, err := s.readPoll(x, at, &copies[r.Head])
		if err != nil {
			return false, err
		}
		if last != nil {
			r.Last = &pollView{Answers: len(last.Voters), Remarks: len(last.Comments)}
		}
	}
	r.What = x.t("backups.at.poll", "n", r.Shown, "of", r.Max)
	if r.At == 0 {
		r.What += " · " + x.t("backups.first.copy")
	} else {
		r.What += " · " + x.t("backups.changed", "n", r.Poll.Changes)
	}
	r.Spoken = r.Moment + ", " + r.What
	return true, nil
}

// readPoll reads one copy; nil if the file is no poll.
func (s *Server) readPoll(x *exchange, at *hub.Spot, v *hub.Version) (*framadate.Poll, error) {
	then, err := s.hub.Spot(x.ctx(), x.caller(), at.Folder.Name, v.Path, v.Rev)
	if err != nil {
		return nil, err
	}
	f, err := s.hub.OpenSpot(x.ctx(), then)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p, err := framadate.ReadPoll(io.Reader(f))
	if err != nil {
		return nil, nil // what the file is, is not our failure: the page says that it cannot be read
	}
	return p, nil
}

// pollView compares two copies; before is nil for the first.
func (x *exchange) pollView(p, before *framadate.Poll) *pollView {
	v := &pollView{
		Title: p.Title, About: template.HTML(p.Description.HTML), Plain: p.Description.Plain, //nolint:gosec // ReadPoll has made it harmless
		Answers: len(p.Voters), Remarks: len(p.Comments), Hidden: p.Voters == nil,
	}
	old := map[string]int{} // options of the copy before, by what they are
	if before != nil {
		for i := range before.Options {
			old[optionKey(&before.Options[i])] = i
		}
	}
	places := make([]int, len(p.Options))
	for i := range p.Options {
		o := &p.Options[i]
		place, known := old[optionKey(o)]
		if !known {
			place = -1
		}
		places[i] = place
		if before != nil && !known {
			v.Changes++
		}
		if i >= maxPollColumns {
			continue
		}
		v.Columns = append(v.Columns, x.pollColumn(p, o, before != nil && !known))
		t := pollTotal{Best: o.Best}
		if o.Totals != nil {
			t.Yes = o.Totals.Yes
		}
		v.Totals = append(v.Totals, t)
	}
	x.pollRows(v, p, before, places)
	known := map[string]int{}
	if before != nil {
		for _, c := range before.Comments {
			known[c.Author+"\x00"+c.Text]++
		}
	}
	for _, c := range p.Comments {
		key := c.Author + "\x00" + c.Text
		added := before != nil && known[key] == 0
		known[key]--
		if added {
			v.Changes++
		}
		if len(v.Comments) < maxPollComments {
			v.Comments = append(v.Comments, pollComment{c.Author, c.Text, x.pollDate(c.Date), added})
		}
	}
	return v
}

// pollRows adds the voters, and those who were there before and are not any more.
func (x *exchange) pollRows(v *pollView, p, before *framadate.Poll, places []int) {
	// People of one name are told apart by their order.
	type person struct {
		name string
		nth  int
	}
	old, seen := map[person]*framadate.Voter{}, map[string]int{}
	var order []person
	if before != nil {
		for i := range before.Voters {
			who := person{before.Voters[i].Name, seen[before.Voters[i].Name]}
			seen[who.name]++
			old[who] = &before.Voters[i]
			order = append(order, who)
		}
	}
	seen = map[string]int{}
	still := map[person]bool{}
	for i := range p.Voters {
		voter := &p.Voters[i]
		who := person{voter.Name, seen[voter.Name]}
		seen[who.name]++
		still[who] = true
		was := old[who]
		row := pollRow{Name: voter.Name, Added: before != nil && was == nil}
		if row.Added {
			v.Changes++
		}
		for k, a := range voter.Answers {
			c := x.pollCell(a)
			if was != nil && places[k] >= 0 && was.Answers[places[k]] != a {
				c.Changed, c.Was = true, x.t("backups.poll.was", "was", x.pollCell(was.Answers[places[k]]).Words)
				v.Changes++
			}
			if k < maxPollColumns {
				row.Cells = append(row.Cells, c)
			}
		}
		if len(v.Rows) < maxPollRows {
			v.Rows = append(v.Rows, row)
		} else {
			v.More++
		}
	}
	for _, who := range order {
		if still[who] {
			continue
		}
		v.Changes++
		if len(v.Rows) >= maxPollRows {
			continue
		}
		row := pollRow{Name: who.name, Removed: true}
		for k := range min(len(p.Options), maxPollColumns) {
			c := pollCell{}
			if places[k] >= 0 {
				c = x.pollCell(old[who].Answers[places[k]])
			}
			row.Cells = append(row.Cells, c)
		}
		v.Rows = append(v.Rows, row)
	}
}

func optionKey(o *framadate.Option) string { return o.Date + "\x00" + o.Moment + "\x00" + o.Label }

func (x *exchange) pollColumn(p *framadate.Poll, o *framadate.Option, added bool) pollColumn {
	c := pollColumn{Label: o.Label, Added: added}
	if t, err := time.Parse(time.DateOnly, o.Date); err == nil && p.Kind == framadate.Dates {
		c.Label = days[x.lang][t.Weekday()] + "\u00a0" + strconv.Itoa(t.Day()) + "\u00a0" + months[x.lang][t.Month()-1]
		if t.Year() != x.now.In(x.zone).Year() {
			c.Label += "\u00a0" + strconv.Itoa(t.Year())
		}
		c.Moment = o.Moment
	}
	return c
}

func (x *exchange) pollCell(a framadate.Answer) pollCell {
	switch a {
	case framadate.Yes:
		return pollCell{Class: "yes", Icon: "check", Words: x.t("backups.poll.yes")}
	case framadate.IfNeedBe:
		return pollCell{Class: "maybe", Words: x.t("backups.poll.maybe")}
	case framadate.No:
		return pollCell{Class: "no", Icon: "x", Words: x.t("backups.poll.no")}
	case framadate.Unanswered:
	}
	return pollCell{Words: x.t("backups.poll.unknown")}
}

// pollDate is the local time of an instance as it is shown; it has no zone.
func (x *exchange) pollDate(s string) string {
	t, err := time.Parse("2006-01-02T15:04", s)
	if err != nil {
		return s
	}
	return strconv.Itoa(t.Day()) + "\u00a0" + months[x.lang][t.Month()-1] + "\u00a0" + strconv.Itoa(t.Year()) + ", " + t.Format("15:04")
}
