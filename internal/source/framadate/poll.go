package framadate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Format is what Poll.Format is in JSON: the name and version of the schema.
const Format = "havre-poll/1"

// Limits of a poll. Instances have a few hundred columns and voters at most.
const (
	maxOptions  = 4000
	maxVoters   = 50_000
	maxAnswers  = 2_000_000
	maxComments = 50_000
	maxText     = 1 << 20  // bytes of one text
	maxJSON     = 64 << 20 // bytes of a file
)

// Kind is what a poll asks for.
type Kind string

// The kinds.
const (
	Dates   Kind = "dates"
	Choices Kind = "choices"
)

// Answer is what a voter says to an option.
type Answer string

// The answers.
const (
	Yes        Answer = "yes"
	IfNeedBe   Answer = "if-need-be"
	No         Answer = "no"
	Unanswered Answer = "unanswered"
)

// Poll is all that is known of a poll. It holds no secrets. Its JSON is described in docs/formats/poll.md.
type Poll struct {
	Format      string    `json:"format"`
	Service     string    `json:"service"` // "framadate"
	URL         string    `json:"url"`
	ID          string    `json:"id"`
	Kind        Kind      `json:"kind"`
	Title       string    `json:"title"`
	Author      string    `json:"author,omitempty"`
	Description Text      `json:"description"`
	Status      Status    `json:"status"`
	Options     []Option  `json:"options"`
	Voters      []Voter   `json:"voters"` // nil if the instance hides them
	Comments    []Comment `json:"comments"`
}

// Text is a text in the forms that are known of it.
type Text struct {
	Plain    string `json:"text,omitempty"`
	Markdown string `json:"markdown,omitempty"` // as its author wrote it
	HTML     string `json:"html,omitempty"`     // harmless: a few elements, no images, only links of the web and mail
}

// Status is what may still be done with a poll.
type Status struct {
	Expired  bool `json:"expired"`
	Locked   bool `json:"locked"`
	Hidden   bool `json:"hidden"`   // only the author sees the votes
	Password bool `json:"password"` // one is needed, at least to vote
	// Editable says who may change votes: "nobody", "own", "everybody"; empty if it is not known.
	Editable string `json:"editable,omitempty"`
	Expires  string `json:"expires,omitempty"` // the last day, "2027-03-01"; only the author's page tells
	Deletion string `json:"deletion,omitempty"`
	// Full are the numbers of the options that take no further yes.
	Full []int `json:"full,omitempty"`
}

// Option is a column of the table.
type Option struct {
	Label string `json:"label"` // for people: "2026-12-14 9h", "Pizza"

	// Of a poll of dates. Date is empty if it could not be told; Day is then what the instance writes.
	Date   string `json:"date,omitempty"` // "2026-12-14"
	Day    string `json:"day,omitempty"`
	Moment string `json:"moment,omitempty"` // as it was written: "9h", "soir"
	// Start and End are what the moment means, if it means a time: RFC 3339, "2026-12-14T09:00:00+01:00", or without a
	// zone where the instance's is not known. End is empty if only a start was written.
	Start  string `json:"start,omitempty"`
	End    string `json:"end,omitempty"`
	Offset string `json:"offset,omitempty"` // from UTC on that day where the instance is: "+01:00"

	// Of a poll of choices.
	Markdown string `json:"markdown,omitempty"`
	HTML     string `json:"html,omitempty"`

	Totals *Totals `json:"totals,omitempty"` // nil if the votes are hidden
	Best   bool    `json:"best,omitempty"`   // no other option has more yes
}

// Totals count the answers to an option.
type Totals struct {
	Yes        int `json:"yes"`
	IfNeedBe   int `json:"if_need_be"`
	No         int `json:"no"`
	Unanswered int `json:"unanswered"`
}

// Voter is a line of the table: one answer for each option.
type Voter struct {
	Name    string   `json:"name"`
	Answers []Answer `json:"answers"`
}

// Comment is one.
type Comment struct {
	Number int    `json:"number,omitempty"` // the instance's, if it tells
	Date   string `json:"date,omitempty"`   // the instance's local time, "2026-11-20T14:05"
	Author string `json:"author"`
	Text   string `json:"text"`
}

// finish fills in what follows from the rest.
func (p *Poll) finish() {
	p.Format, p.Service = Format, "framadate"
	if p.Options == nil {
		p.Options = []Option{}
	}
	if p.Comments == nil {
		p.Comments = []Comment{}
	}
	most := 0
	for i := range p.Options {
		o := &p.Options[i]
		o.Best, o.Totals = false, nil
		if p.Kind == Dates {
			o.describe()
		}
		if p.Voters == nil {
			continue
		}
		o.Totals = &Totals{}
		for _, v := range p.Voters {
			switch v.Answers[i] {
			case Yes:
				o.Totals.Yes++
			case IfNeedBe:
				o.Totals.IfNeedBe++
			case No:
				o.Totals.No++
			default:
				o.Totals.Unanswered++
			}
		}
		most = max(most, o.Totals.Yes)
	}
	for i := range p.Options {
		p.Options[i].Best = most > 0 && p.Options[i].Totals.Yes == most
	}
}

// describe fills in what the date and the moment mean.
func (o *Option) describe() {
	o.Start, o.End = "", ""
	day, err := time.Parse(time.DateOnly, o.Date)
	if err != nil {
		o.Date = ""
		o.Label = strings.TrimSpace(strings.TrimSpace(o.Day) + " " + strings.TrimSpace(o.Moment))
		return
	}
	o.Day = ""
	o.Label = strings.TrimSpace(o.Date + " " + strings.TrimSpace(o.Moment))
	from, to, ok := parseMoment(o.Moment)
	if !ok {
		return
	}
	write := func(minutes int) string {
		return day.Add(time.Duration(minutes)*time.Minute).Format("2006-01-02T15:04:05") + o.Offset
	}
	o.Start = write(from)
	if to >= 0 {
		o.End = write(to)
	}
}

// JSON returns the poll as it is written into files: indented, with a newline at the end.
func (p *Poll) JSON() []byte {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(p); err != nil {
		panic(err) // nothing in it can fail
	}
	return out.Bytes()
}

// ReadPoll reads what JSON wrote, checks it, and recalculates what follows from the rest.
func ReadPoll(r io.Reader) (*Poll, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxJSON+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxJSON {
		return nil, fmt.Errorf("the file is larger than %d MiB", maxJSON>>20)
	}
	p := &Poll{}
	if err := json.Unmarshal(data, p); err != nil {
		return nil, fmt.Errorf("it is no poll in JSON: %w", err)
	}
	if p.Format != Format {
		return nil, fmt.Errorf("its format is %.40q, not %q", p.Format, Format)
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	p.clean()
	p.finish()
	return p, nil
}

// check says what is wrong with a poll that was read.
func (p *Poll) check() error {
	switch {
	case p.Kind != Dates && p.Kind != Choices:
		return fmt.Errorf("its kind is %.40q", p.Kind)
	case len(p.Options) > maxOptions || len(p.Voters) > maxVoters || len(p.Comments) > maxComments ||
		len(p.Options)*len(p.Voters) > maxAnswers:
		return fmt.Errorf("it is too large: %d options, %d voters, %d comments", len(p.Options), len(p.Voters), len(p.Comments))
	}
	for i, v := range p.Voters {
		if len(v.Answers) != len(p.Options) {
			return fmt.Errorf("voter %d has %d answers to %d options", i+1, len(v.Answers), len(p.Options))
		}
		for _, a := range v.Answers {
			if !slices.Contains([]Answer{Yes, IfNeedBe, No, Unanswered}, a) {
				return fmt.Errorf("voter %d has the answer %.40q", i+1, a)
			}
		}
	}
	return nil
}

// clean makes the texts of a poll harmless and bounded. It changes nothing in one that is.
func (p *Poll) clean() {
	for _, text := range []*string{&p.URL, &p.ID, &p.Title, &p.Author, &p.Description.Plain, &p.Description.Markdown} {
		*text = bounded(*text)
	}
	p.URL = webAddress(p.URL)
	p.Description.HTML = sanitize(bounded(p.Description.HTML))
	for i := range p.Options {
		o := &p.Options[i]
		o.Label, o.Day, o.Moment, o.Markdown, o.HTML = bounded(o.Label), bounded(o.Day), bounded(o.Moment), bounded(o.Markdown), sanitize(bounded(o.HTML))
		if !validOffset(o.Offset) {
			o.Offset = ""
		}
	}
	for i := range p.Voters {
		p.Voters[i].Name = bounded(p.Voters[i].Name)
	}
	for i := range p.Comments {
		c := &p.Comments[i]
		c.Author, c.Text = bounded(c.Author), bounded(c.Text)
		c.Date = valid(c.Date, "2006-01-02T15:04")
	}
	s := &p.Status
	s.Expires, s.Deletion = valid(s.Expires, time.DateOnly), valid(s.Deletion, time.DateOnly)
	s.Full = slices.DeleteFunc(s.Full, func(i int) bool { return i < 0 || i >= len(p.Options) })
	if !slices.Contains([]string{"nobody", "own", "everybody"}, s.Editable) {
		s.Editable = ""
	}
}

// valid returns a time that is written in a layout, and nothing of any other text.
func valid(text, layout string) string {
	if _, err := time.Parse(layout, text); err != nil {
		return ""
	}
	return text
}

// bounded returns valid text of at most maxText bytes, without control characters but those of lines.
func bounded(text string) string {
	if len(text) > maxText {
		end := maxText
		for end > 0 && !utf8.RuneStart(text[end]) {
			end--
		}
		text = text[:end]
	}
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\ufffd"), "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
}

// validOffset says whether the text is like "+01:00".
func validOffset(text string) bool {
	_, err := time.Parse("-07:00", text)
	return err == nil
}
