package framadate

import (
	"bytes"
	"encoding/base64"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/PuerkitoBio/goquery"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// pageKind is what an answer is.
type pageKind int

const (
	pageOther       pageKind = iota // nothing of Framadate's
	pagePoll                        // a poll
	pageFailure                     // "there is no such poll", or what of it may not be read
	pagePassword                    // a password is needed to see anything
	pageMaintenance                 // no database
)

// page is what a page says.
type page struct {
	kind     pageKind
	language string // <html lang>
	admin    bool
	poll     Poll
	publicID string
	link     string // the poll's public address, as the instance sees itself
	control  string // hash of the columns
	ask      bool   // a form asks for the password
	edited   *Voter // the line that is open for editing
	columns  []column
	uniqs    []string // of votes, where the page shows them
	seen     string   // hash of all this, as it came

	// What the page takes.
	blank         bool // an option may be left unanswered
	commentScript bool // comments go to a script of their own
}

// column is what the page says about a day of a poll of dates.
type column struct {
	month string // "December 2026"
	day   string // "Mon 14"
	unix  int64  // the instant at which the day begins, 0 if it does not say
}

var errTruncated = errors.New("the page ends in its middle")

// parsePage reads a page of Framadate. Anything is a page of some kind; the error is for what is not whole, or larger than
// the limits.
func parsePage(data []byte) (*page, error) {
	doc, err := goquery.NewDocumentFromReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	p := &page{language: strings.ToLower(doc.Find("html").AttrOr("lang", ""))}
	whole := bytes.Contains(bytes.ToLower(data[max(0, len(data)-4096):]), []byte("</html"))
	table := doc.Find("table.results").First()
	switch {
	case table.Length() > 0:
		p.kind = pagePoll
	case doc.Find(".password_request, form input#password[type=password]").Length() > 0:
		p.kind = pagePassword
	case doc.Find("main div.alert.alert-warning h2").Length() > 0:
		// The page of failures leads back to the start, that of maintenance does not.
		p.kind = pageMaintenance
		if doc.Find("main div.alert.alert-warning p a[href]").Length() > 0 {
			p.kind = pageFailure
		}
	case doc.Find("main #message-container .alert-danger").Length() > 0 && doc.Find(`meta[property="og:title"]`).Length() > 0:
		// Expired or locked, with a password: the page does not even ask for it.
		p.kind = pagePassword
	}
	if !whole && p.kind != pageOther {
		return nil, errTruncated
	}
	if p.kind != pagePoll {
		return p, nil
	}
	if err := p.read(doc, table); err != nil {
		return nil, err
	}
	p.seen = p.digest()
	return p, nil
}

// own returns the text of an element itself, without that of its children.
func own(s *goquery.Selection) string {
	var out strings.Builder
	for _, n := range s.Nodes {
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			if c.Type == html.TextNode {
				out.WriteString(c.Data)
			}
		}
	}
	return strings.TrimSpace(out.String())
}

func (p *page) read(doc *goquery.Document, table *goquery.Selection) error {
	q := &p.poll
	q.Title = own(doc.Find("#title-form h3").First())
	if q.Title == "" { // another theme: the head has it, with the instance's name behind it
		shown := doc.Find(`meta[property="og:title"]`).AttrOr("content", "")
		q.Title = strings.TrimSpace(shown[:max(strings.LastIndex(shown, " - "), 0)])
	}
	q.Author = own(doc.Find("#name-form p.form-control-static").First())
	p.link = strings.TrimSpace(doc.Find("#public-link").AttrOr("value", ""))
	p.publicID = idOf(p.link)
	p.admin = doc.Find(".jumbotron.bg-danger, #admin-link").Length() > 0
	p.control = doc.Find("input[name=control]").AttrOr("value", "")
	p.ask = doc.Find(".password_request").Length() > 0
	p.blank = doc.Find("#vote-form input[value=' ']").Length() > 0
	p.commentScript = doc.Find("#comment_form, #comments_alerts").Length() > 0
	p.description(doc)
	p.status(doc)
	if err := p.header(table); err != nil {
		return err
	}
	if err := p.votes(table); err != nil {
		return err
	}
	return p.comments(doc)
}

// description takes it as it is shown, and on the author's page as it was written.
func (p *page) description(doc *goquery.Document) {
	d := &p.poll.Description
	shown := doc.Find("#description-form .poll-description").First()
	raw := doc.Find("textarea#newdescription").First()
	switch {
	case shown.Length() == 0:
		return
	case goquery.NodeName(shown) == "pre": // before 1.1 it is plain text
		d.Plain = strings.TrimSpace(strings.ReplaceAll(shown.Text(), "\r\n", "\n"))
		if d.Plain != "" {
			d.HTML = sanitize("<p>" + strings.ReplaceAll(html.EscapeString(d.Plain), "\n", "<br>\n") + "</p>")
		}
		return
	}
	linkImages(shown)
	d.Plain = lines(shown.Nodes...)
	inner, err := shown.Html()
	if err == nil {
		d.HTML = sanitize(inner)
	}
	if raw.Length() > 0 {
		d.Markdown = strings.ReplaceAll(raw.Text(), "\r\n", "\n")
	}
}

// status reads what may be done with the poll.
func (p *page) status(doc *goquery.Document) {
	s := &p.poll.Status
	doc.Find("main div.alert.alert-danger").Each(func(_ int, box *goquery.Selection) {
		// Messages can be dismissed; what is hidden waits for scripts.
		if box.Is(".alert-dismissible, .hidden, .password_request") {
			return
		}
		lines := box.ChildrenFiltered("p")
		if box.ParentsFiltered("#hint_modal").Length() > 0 || lines.Last().Is("[aria-hidden]") {
			s.Locked = true
			return
		}
		if lines.Length() >= 2 && lines.Last().Children().Length() == 0 {
			s.Expired = true
			s.Deletion, _ = readLongDate(lines.Last().Text())
		}
	})
	s.Password = p.ask || doc.Find("#removePassword").Length() > 0
	s.Hidden = doc.Find("#tableContainer").PrevAllFiltered("h3").ChildrenFiltered("i").Length() > 0
	if !p.admin {
		return
	}
	_, hidden := doc.Find("input#hidden").Attr("checked")
	s.Hidden = s.Hidden || hidden
	switch doc.Find("select#rules option[selected]").AttrOr("value", "") {
	case "0":
		s.Locked = true
	case "1":
		s.Editable = "nobody"
	case "2":
		s.Editable = "everybody"
	case "3":
		s.Editable = "own"
	}
	text := doc.Find("#newexpirationdate").AttrOr("value", "")
	if text == "" {
		text = own(doc.Find("#expiration-form p").First())
	}
	s.Expires = readShortDate(text)
}

var columnID = regexp.MustCompile(`(?:^|\s)[CH](\d{1,6})(?:\s|$)`)

// header reads the columns.
func (p *page) header(table *goquery.Selection) error {
	head := table.Find("thead")
	raw := p.rawColumns(head)
	choices := head.Find("th[id^=C]")
	if choices.Length() > maxOptions {
		return errors.New("it has too many options")
	}
	if head.Find("th.month, th.day").Length() == 0 {
		p.poll.Kind = Choices
		choices.Each(func(i int, th *goquery.Selection) {
			option := Option{}
			linkImages(th)
			option.Label = lines(th.Nodes...)
			if inner, err := th.Html(); err == nil {
				option.HTML = sanitize(inner)
			}
			if len(raw) == choices.Length() {
				option.Markdown = raw[i]
			}
			p.poll.Options = append(p.poll.Options, option)
		})
		return nil
	}
	p.poll.Kind = Dates
	months, err := spans(head.Find("th.month"))
	if err != nil {
		return err
	}
	days, err := spans(head.Find("th.day"))
	if err != nil {
		return err
	}
	moments := head.Find("th[id^=H]")
	if moments.Length() > maxOptions {
		return errors.New("it has too many options")
	}
	if len(months) != moments.Length() || len(days) != moments.Length() {
		return errors.New("its rows of months, days and moments do not fit")
	}
	moments.Each(func(i int, th *goquery.Selection) {
		p.poll.Options = append(p.poll.Options, Option{Moment: strings.TrimRight(th.Text(), "\n\t\r")})
		c := column{month: months[i], day: days[i]}
		if len(raw) == moments.Length() {
			if seconds, _, found := strings.Cut(raw[i], "@"); found {
				c.unix, _ = strconv.ParseInt(seconds, 10, 64)
			}
		}
		p.columns = append(p.columns, c)
	})
	return nil
}

// spans repeats the text of each cell as often as it has columns.
func spans(cells *goquery.Selection) ([]string, error) {
	var texts []string
	for _, cell := range cells.EachIter() {
		count, err := strconv.Atoi(strings.TrimSpace(cell.AttrOr("colspan", "1")))
		if err != nil || count < 1 || len(texts)+count > maxOptions {
			return nil, errors.New("a row of its table has too many columns")
		}
		texts = append(texts, slices.Repeat([]string{strings.TrimSpace(cell.Text())}, count)...)
	}
	return texts, nil
}

var deleteColumn = regexp.MustCompile(`delete_column(?:[/=]([A-Za-z0-9_-]*)=*)?(?:[#&]|$)`)

// rawColumns decodes what the author's page would delete: a choice as it was written, "UNIXTIME@MOMENT" of a date.
func (p *page) rawColumns(head *goquery.Selection) []string {
	var raw []string
	head.Find("tr").First().Find("td a[href]").Each(func(_ int, a *goquery.Selection) {
		m := deleteColumn.FindStringSubmatch(a.AttrOr("href", ""))
		if m == nil {
			return
		}
		data, err := base64.RawURLEncoding.DecodeString(m[1])
		if err == nil {
			raw = append(raw, string(data))
		}
	})
	return raw
}

var voteLink = regexp.MustCompile(`(?:/vote/|[?&]vote=)([A-Za-z0-9]{16})`)

// votes reads the lines of voters. Nil where the results are hidden.
func (p *page) votes(table *goquery.Selection) error {
	q := &p.poll
	if !q.Status.Hidden || p.admin {
		q.Voters = []Voter{}
	}
	for _, row := range table.Find("tbody > tr").EachIter() {
		if row.Is("#vote-form") {
			p.full(row)
			continue
		}
		if row.Is("#addition") {
			continue
		}
		if row.Find("input[name=edited_vote]").Length() > 0 {
			v := p.editedRow(row)
			p.edited = &v
			if q.Voters != nil {
				q.Voters, p.uniqs = append(q.Voters, v), append(p.uniqs, "")
			}
			continue
		}
		first := row.Children().First()
		if !first.Is("th.bg-info") {
			continue
		}
		if len(q.Voters) >= maxVoters || (len(q.Voters)+1)*len(q.Options) > maxAnswers {
			return errors.New("it has too many votes")
		}
		q.Voters = append(q.Voters, p.voteRow(row, first))
		uniq := ""
		for _, a := range row.ChildrenFiltered("td").Last().Find("a[href]").EachIter() {
			if m := voteLink.FindStringSubmatch(a.AttrOr("href", "")); m != nil {
				uniq = m[1]
			}
		}
		p.uniqs = append(p.uniqs, uniq)
	}
	if !p.admin && q.Status.Editable == "" && len(p.uniqs) > 0 && !slices.Contains(p.uniqs, "") {
		q.Status.Editable = "everybody"
	}
	return nil
}

// index returns the column of a cell, -1 if it says none that there is.
func (p *page) index(cell *goquery.Selection) int {
	m := columnID.FindStringSubmatch(cell.AttrOr("headers", ""))
	if m == nil {
		return -1
	}
	if i, err := strconv.Atoi(m[1]); err == nil && i < len(p.poll.Options) {
		return i
	}
	return -1
}

func (p *page) unanswered() []Answer { return slices.Repeat([]Answer{Unanswered}, len(p.poll.Options)) }

func (p *page) voteRow(row, first *goquery.Selection) Voter {
	first.Find(".edit-username-left").Remove()
	v := Voter{Name: strings.TrimSpace(first.Text()), Answers: p.unanswered()}
	for _, cell := range row.ChildrenFiltered("td[headers]").EachIter() {
		i := p.index(cell)
		if i < 0 {
			continue
		}
		switch {
		case cell.HasClass("bg-success"):
			v.Answers[i] = Yes
		case cell.HasClass("bg-warning"):
			v.Answers[i] = IfNeedBe
		case cell.HasClass("bg-danger"):
			v.Answers[i] = No
		}
	}
	return v
}

// editedRow reads a line that is open for editing, a form.
func (p *page) editedRow(row *goquery.Selection) Voter {
	v := Voter{Name: strings.TrimSpace(row.Find("input[name=name]").AttrOr("value", "")), Answers: p.unanswered()}
	for _, cell := range row.ChildrenFiltered("td[headers]").EachIter() {
		if i := p.index(cell); i >= 0 {
			v.Answers[i] = map[string]Answer{"2": Yes, "1": IfNeedBe, "0": No}[cell.Find("input[checked]").AttrOr("value", "")]
			if v.Answers[i] == "" {
				v.Answers[i] = Unanswered
			}
		}
	}
	return v
}

// full reads which columns take no further yes: those without a field for it.
func (p *page) full(form *goquery.Selection) {
	for _, cell := range form.ChildrenFiltered("td[headers]").EachIter() {
		if i := p.index(cell); i >= 0 && cell.Find("li.no").Length() > 0 && cell.Find("li.yes").Length() == 0 {
			p.poll.Status.Full = append(p.poll.Status.Full, i)
		}
	}
}

// comments reads them in their order.
func (p *page) comments(doc *goquery.Document) error {
	for _, div := range doc.Find("main div.comment").EachIter() {
		if len(p.poll.Comments) >= maxComments {
			return errors.New("it has too many comments")
		}
		c := Comment{Author: strings.TrimSpace(div.ChildrenFiltered("b").First().Text())}
		c.Number, _ = strconv.Atoi(div.Find("button[name=delete_comment]").AttrOr("value", ""))
		c.Date = readCommentTime(div.ChildrenFiltered(".comment_date").Text(), p.language)
		for _, n := range div.ChildrenFiltered("span").Last().Nodes {
			c.Text = broken(n)
		}
		p.poll.Comments = append(p.poll.Comments, c)
	}
	return nil
}

// broken returns the text of an element with its breaks: each is an element and, mostly, a newline behind it.
func broken(n *html.Node) string {
	var out strings.Builder
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		switch {
		case c.Type == html.TextNode:
			text := strings.ReplaceAll(c.Data, "\r\n", "\n")
			if c.PrevSibling != nil && c.PrevSibling.DataAtom == atom.Br {
				text = strings.TrimPrefix(text, "\n")
			}
			out.WriteString(text)
		case c.DataAtom == atom.Br:
			out.WriteString("\n")
		}
	}
	return strings.TrimSpace(out.String())
}
