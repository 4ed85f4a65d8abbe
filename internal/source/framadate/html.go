package framadate

import (
	"bytes"
	_ "embed"
	"html/template"
	"strings"
	"time"
)

//go:embed poll.html
var pollPage string

//go:embed poll.css
var pollStyle string

var pollTemplate = template.Must(template.New("poll").Parse(pollPage))

// maxBest is how many best options are listed; the others are marked in the table.
const maxBest = 6

// cell is one answer, as it is shown.
type cell struct {
	Class, Mark, Word string
}

var cells = map[Answer]cell{
	Yes:        {"y", "✓", "yes"},
	IfNeedBe:   {"i", "(✓)", "if need be"},
	No:         {"n", "✗", "no"},
	Unanswered: {"u", "–", "unanswered"},
}

// group is a run of columns with the same month or day.
type group struct {
	Text, Second string
	Span         int
}

// view is what the template shows.
type view struct {
	*Poll
	Style       template.CSS
	Description template.HTML
	Facts       []string
	Months      []group
	Days        []group
	Heads       []template.HTML
	Rows        []viewRow
	Best        []viewBest
	More        int // best options that are not in Best
	Talk        []viewComment
	Dated       bool
	Moments     bool // some column has one
}

type viewRow struct {
	Name  string
	Cells []cell
}

type viewBest struct {
	Head  template.HTML
	Score string
}

type viewComment struct {
	Author, Date string
	Lines        []string
}

// HTML returns a page that needs nothing else: the table as people know it, totals, best options, comments. It runs
// no script and loads nothing.
func (p *Poll) HTML() []byte {
	v := view{
		Poll: p, Facts: p.facts(), Dated: p.Kind == Dates,
		Style:       template.CSS(pollStyle),                     //nolint:gosec // our own
		Description: template.HTML(sanitize(p.Description.HTML)), //nolint:gosec // made harmless here
	}
	for i := range p.Options {
		o := &p.Options[i]
		v.Heads = append(v.Heads, o.head())
		if o.Best && len(v.Best) == maxBest {
			v.More++
		} else if o.Best {
			v.Best = append(v.Best, viewBest{Head: o.long(), Score: o.score()})
		}
		v.Moments = v.Moments || o.Moment != ""
		if v.Dated {
			v.group(o)
		}
	}
	for _, voter := range p.Voters {
		row := viewRow{Name: voter.Name}
		for _, a := range voter.Answers {
			row.Cells = append(row.Cells, cells[a])
		}
		v.Rows = append(v.Rows, row)
	}
	for _, c := range p.Comments {
		v.Talk = append(v.Talk, viewComment{
			Author: c.Author, Date: strings.Replace(c.Date, "T", " ", 1), Lines: strings.Split(c.Text, "\n"),
		})
	}
	var out bytes.Buffer
	if err := pollTemplate.Execute(&out, v); err != nil {
		panic(err) // the template and its data belong together
	}
	return out.Bytes()
}

// group adds a column to the rows of months and days.
func (v *view) group(o *Option) {
	month, day, number := "?", "?", ""
	if t, err := time.Parse(time.DateOnly, o.Date); err == nil {
		month, day, number = t.Format("January 2006"), t.Format("Mon"), t.Format("2")
	}
	sameMonth := len(v.Months) > 0 && v.Months[len(v.Months)-1].Text == month
	if sameMonth {
		v.Months[len(v.Months)-1].Span++
	} else {
		v.Months = append(v.Months, group{Text: month, Span: 1})
	}
	if last := len(v.Days) - 1; sameMonth && last >= 0 && v.Days[last].Text == day && v.Days[last].Second == number {
		v.Days[last].Span++
	} else {
		v.Days = append(v.Days, group{Text: day, Second: number, Span: 1})
	}
}

// head is what stands above a column: the moment, or the choice as it was formatted.
func (o *Option) head() template.HTML {
	switch {
	case o.Date != "" || o.Moment != "":
		text := strings.TrimSpace(o.Moment)
		if len(text) <= 16 {
			return template.HTML(`<span class="short">` + template.HTMLEscapeString(text) + `</span>`) //nolint:gosec // escaped
		}
		return template.HTML(template.HTMLEscapeString(text)) //nolint:gosec // escaped
	case o.HTML != "":
		return template.HTML(sanitize(o.HTML)) //nolint:gosec // made harmless here
	}
	return template.HTML(template.HTMLEscapeString(o.name())) //nolint:gosec // escaped
}

// long names an option where it stands alone.
func (o *Option) long() template.HTML {
	if o.Date != "" {
		return template.HTML(template.HTMLEscapeString(o.title())) //nolint:gosec // escaped
	}
	return o.head()
}
