package framadate

import (
	"fmt"
	"time"
)

// title is how an option is written for people: with the name of the day.
func (o *Option) title() string {
	t, err := time.Parse(time.DateOnly, o.Date)
	if err != nil {
		return o.name()
	}
	text := t.Format("Mon 2 January 2006")
	if moment := (&Option{Label: o.Moment}).name(); o.Moment != "" {
		text += ", " + moment
	}
	return text
}

// score is what an option got.
func (o *Option) score() string {
	if o.Totals == nil {
		return ""
	}
	text := fmt.Sprintf("%d yes", o.Totals.Yes)
	if o.Totals.IfNeedBe > 0 {
		text += fmt.Sprintf(", %d if need be", o.Totals.IfNeedBe)
	}
	return text
}

// best are the options with the most yes.
func (p *Poll) best() []*Option {
	var best []*Option
	for i := range p.Options {
		if p.Options[i].Best {
			best = append(best, &p.Options[i])
		}
	}
	return best
}

// facts are what is to be known of the poll, in a few words each.
func (p *Poll) facts() []string {
	var facts []string
	s := p.Status
	long := func(date string) string {
		t, err := time.Parse(time.DateOnly, date)
		if err != nil {
			return date
		}
		return t.Format("2 January 2006")
	}
	switch {
	case s.Expired && s.Deletion != "":
		facts = append(facts, "Expired, to be deleted on "+long(s.Deletion))
	case s.Expired:
		facts = append(facts, "Expired")
	case s.Expires != "":
		facts = append(facts, "Open until "+long(s.Expires))
	}
	if s.Locked {
		facts = append(facts, "Locked by its author")
	}
	if s.Hidden {
		facts = append(facts, "Results hidden from voters")
	}
	if s.Password {
		facts = append(facts, "With a password")
	}
	if text := map[string]string{"nobody": "Votes are final", "own": "Voters may change their own vote", "everybody": "Anyone may change any vote"}[s.Editable]; text != "" {
		facts = append(facts, text)
	}
	return facts
}
