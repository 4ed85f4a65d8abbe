package framadate

import (
	"fmt"
	"strings"
	"time"

	ics "github.com/arran4/golang-ical"
)

// Calendar returns a poll of dates as iCalendar (RFC 5545): an event for each option, those with the most yes marked. A
// time is exact where the instance's zone is known, and else floats: it is then the reader's local one. An option whose moment
// means no time is a whole day. One without an end lasts an hour, as in the instance's own files.
func (p *Poll) Calendar() []byte {
	calendar := ics.NewCalendarFor("havre")
	calendar.SetProductId("-//havre//poll//EN")
	calendar.SetCalscale("GREGORIAN")
	calendar.SetXWRCalName(oneLine(p.Title))
	seen := map[string]int{}
	for i := range p.Options {
		o := &p.Options[i]
		day, err := time.Parse(time.DateOnly, o.Date)
		if err != nil {
			continue
		}
		key := o.Date + "|" + o.Moment
		seen[key]++
		p.event(calendar, o, day, short(strings.ToLower(p.ID), p.instance(), key, fmt.Sprint(seen[key])))
	}
	return []byte(calendar.Serialize(ics.WithNewLine("\r\n")))
}

// instance is the host of the poll, for what must be unique in the world.
func (p *Poll) instance() string {
	_, rest, _ := strings.Cut(p.URL, "://")
	host, _, _ := strings.Cut(rest, "/")
	return strings.ToLower(host)
}

func (p *Poll) event(calendar *ics.Calendar, o *Option, day time.Time, uid string) {
	event := calendar.AddEvent(uid + "@poll.havre")
	// The stamp is when the event was made, which nobody knows; it must not differ between equal polls.
	event.SetDtStampTime(day)
	summary := oneLine(p.Title)
	if moment := oneLine(o.Moment); moment != "" && o.Start == "" {
		summary += " (" + moment + ")"
	}
	event.SetStatus(ics.ObjectStatusTentative)
	event.SetTimeTransparency(ics.TransparencyTransparent)
	if o.Totals != nil {
		summary += " – " + o.score()
	}
	if o.Best {
		summary = "★ " + summary
		event.AddCategory("Best")
	}
	event.SetSummary(summary)
	event.SetDescription(p.eventText(o))
	if p.URL != "" {
		event.SetURL(p.URL)
	}
	from, to, ok := parseMoment(o.Moment)
	if !ok {
		event.SetAllDayStartAt(day)
		event.SetAllDayEndAt(day.AddDate(0, 0, 1))
		return
	}
	if to < 0 {
		to = from + 60
	}
	setTime(event, ics.ComponentPropertyDtStart, day.Add(time.Duration(from)*time.Minute), o.Offset)
	setTime(event, ics.ComponentPropertyDtEnd, day.Add(time.Duration(to)*time.Minute), o.Offset)
}

// setTime writes a local time: as the instant it is where the offset is known, else without a zone.
func setTime(event *ics.VEvent, property ics.ComponentProperty, local time.Time, offset string) {
	if zone, err := time.Parse("-07:00", offset); err == nil {
		_, seconds := zone.Zone()
		event.SetProperty(property, local.Add(-time.Duration(seconds)*time.Second).Format("20060102T150405Z"))
		return
	}
	event.SetProperty(property, local.Format("20060102T150405"))
}

// eventText tells who said what.
func (p *Poll) eventText(o *Option) string {
	var lines []string
	if o.Moment != "" {
		lines = append(lines, o.title())
	}
	index := -1
	for i := range p.Options {
		if &p.Options[i] == o {
			index = i
		}
	}
	for _, a := range []Answer{Yes, IfNeedBe, No} {
		var names []string
		for _, v := range p.Voters {
			if v.Answers[index] == a {
				names = append(names, oneLine(v.Name))
			}
		}
		if len(names) > 0 {
			lines = append(lines, fmt.Sprintf("%s (%d): %s", answerText(a), len(names), strings.Join(names, ", ")))
		}
	}
	return strings.Join(lines, "\n")
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
