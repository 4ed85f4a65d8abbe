package framadate

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/source"
)

const (
	maxAuthor = 32  // characters of the author's name that an instance takes
	maxDays   = 366 // of a poll of dates
	maxFields = 990 // of a form, by PHP's default limit of 1,000
)

// restoring is one poll on its way to an instance.
type restoring struct {
	*session
	root   string
	poll   *Poll
	admin  string // the id of the administration page, once there is one
	page   *page  // that page
	script bool   // the instance writes addresses of scripts
	marked bool   // it takes Markdown: since 1.1
	lost   []string
}

func (r *restoring) lose(format string, args ...any) {
	r.lost = append(r.lost, fmt.Sprintf(format, args...))
}

// Restore makes the poll of a JSON file anew with the instance's own forms: the poll, its options, votes and comments. The
// address names the instance (see At), and the id that the poll should have, if it names one. Instances that send mail want the author's
// address: it is taken from Secrets.User when there is no Secrets.Password. If something goes wrong after the poll
// was made, both what was made and the error are returned.
func (*Provider) Restore(ctx context.Context, c *source.Client, to source.Recognised, file io.ReaderAt, size int64) (*source.Restored, error) {
	if size > maxJSON {
		return nil, source.Errorf(source.ReasonTooLarge, "the file is larger than %d MiB", maxJSON>>20)
	}
	poll, err := ReadPoll(io.NewSectionReader(file, 0, size))
	if err != nil {
		return nil, &source.Error{Reason: source.ReasonDamaged, Text: "the file is no poll that can be brought back", Err: err}
	}
	r := &restoring{session: newSession(c, to.Secrets), root: strings.TrimSuffix(to.Address.Instance, "/"), poll: poll}
	if err := r.suits(); err != nil {
		return nil, err
	}
	// In French every version writes and reads dates as dd/mm/yyyy; the others differ between versions.
	r.language = "fr, en"
	if err := r.free(ctx, to.Address.Name); err != nil {
		return nil, err
	}
	if err := r.create(ctx, to); err != nil {
		return nil, err
	}
	err = r.fill(ctx)
	restored := &source.Restored{Lost: r.lost}
	restored.Address = source.Address{Kind: source.KindFramadate, Instance: r.root}
	if r.page != nil && r.page.publicID != "" {
		restored.Address = address(r.root, r.page.publicID, r.script)
	}
	restored.Secrets.Address = source.Secret(adminAddress(parts{root: r.root, admin: r.admin, script: r.script}))
	return restored, err
}

// suits says whether an instance can take such a poll, and turns one whose dates are not all known into one of choices.
func (r *restoring) suits() error {
	p := r.poll
	days := map[string]bool{}
	for _, o := range p.Options {
		days[o.Date] = true
	}
	switch {
	case strings.TrimSpace(p.Title) == "":
		return source.Errorf(source.ReasonRefused, "the poll has no title, which Framadate wants")
	case len(p.Options) == 0:
		return source.Errorf(source.ReasonRefused, "the poll has no options")
	case len(p.Options) > maxFields || p.Kind == Dates && len(days) > maxDays:
		return source.Errorf(source.ReasonRefused, "the poll has more options than Framadate takes: %d", len(p.Options))
	}
	if p.Kind == Dates && days[""] {
		r.lose("Not all dates are known, so that it is a poll of choices now, with the dates as text.")
		p.Kind = Choices
		for i := range p.Options {
			p.Options[i] = Option{Label: p.Options[i].title(), Markdown: escapeMarkdown(p.Options[i].title())}
		}
	}
	return nil
}

// free checks that there is no poll with the id yet.
func (r *restoring) free(ctx context.Context, id string) error {
	if id == "" {
		return nil
	}
	if !anyID.MatchString(id) || reserved(id) {
		return source.Errorf(source.ReasonAddress, "a poll's address has letters, digits and hyphens only")
	}
	p, err := r.session.page(ctx, r.root+"/studs.php?poll="+url.QueryEscape(id), "")
	if err != nil {
		return err
	}
	if p.kind != pageFailure {
		return source.Errorf(source.ReasonExists, "there is a poll with this address already")
	}
	return nil
}

// create goes through the three forms by which a poll is made.
func (r *restoring) create(ctx context.Context, to source.Recognised) error {
	kind := map[Kind]string{Dates: "date", Choices: "classic"}[r.poll.Kind]
	first := r.root + "/create_poll.php?type=" + kind
	f, err := r.form(ctx, first, nil, "input[name=title]")
	if err != nil {
		return err
	}
	fields, err := r.firstStep(f, to, kind)
	if err != nil {
		return err
	}
	a, err := r.ask(ctx, first, fields)
	if err != nil {
		return err
	}
	if a.location == nil {
		if err := statusError(a.status); err != nil {
			return err
		}
		return source.Errorf(source.ReasonRefused, "the instance does not take the poll: %s", problemOf(a))
	}
	if strings.HasSuffix(a.location.Path, "/maintenance.php") {
		return down
	}
	second := r.root + "/create_" + kind + "_poll.php"
	step := "input[name='choices[]']"
	if r.poll.Kind == Dates {
		step = "input[name='days[]']"
	}
	f, err = r.form(ctx, second, nil, step)
	if err != nil {
		return err
	}
	f, err = r.form(ctx, second, r.options(f), "input[name=enddate]")
	if err != nil {
		return err
	}
	a, err = r.ask(ctx, second, r.confirmation(f))
	if err != nil {
		return err
	}
	if a.location != nil {
		if p, ok := takeApart(a.location); ok && p.admin != "" {
			r.admin, r.script = p.admin, p.script
			return nil
		}
	}
	if err := statusError(a.status); err != nil && a.location == nil {
		return err
	}
	return source.Errorf(source.ReasonRefused, "the instance did not say where the new poll is")
}

// firstStep fills in the first form.
func (r *restoring) firstStep(f *form, to source.Recognised, kind string) (url.Values, error) {
	p := r.poll
	author := strings.TrimSpace(p.Author)
	if author == "" {
		author = "?"
	}
	if runes := []rune(author); len(runes) > maxAuthor {
		author = strings.TrimSpace(string(runes[:maxAuthor]))
		r.lose("The author's name is cut to %d characters.", maxAuthor)
	}
	r.marked = f.has("input[name=use_ValueMax]") // the limit of votes is as new
	fields := url.Values{
		"title": {strings.TrimSpace(p.Title)}, "name": {author}, "type": {kind}, "gotostep2": {kind}, "mail": {""},
		"editable":    {map[string]string{"nobody": "0", "everybody": "1"}[p.Status.Editable]},
		"description": {p.Description.source(r.marked)},
	}
	if fields.Get("editable") == "" {
		fields.Set("editable", "2")
	}
	if p.Status.Hidden {
		fields.Set("hidden", "on")
	}
	if f.has("input[name=mail]") {
		mail := to.Secrets.User
		if !strings.Contains(mail, "@") || to.Secrets.Password != "" {
			return nil, source.Errorf(source.ReasonRefused, "this instance sends the new addresses by mail and wants one of the poll's author: --user name@example.org gives it")
		}
		fields.Set("mail", mail)
	}
	if to.Address.Name != "" {
		if !f.has("input[name=customized_url]") {
			return nil, source.Errorf(source.ReasonRefused, "this instance is too old for addresses of one's own choice")
		}
		fields.Set("use_customized_url", "on")
		fields.Set("customized_url", to.Address.Name)
	}
	return fields, nil
}

// source is what is typed as a description: Markdown or plain text, by the instance's version.
func (t Text) source(markdown bool) string {
	switch {
	case !markdown && t.Markdown == "":
		return t.Plain
	case t.Markdown != "":
		return t.Markdown
	case t.HTML != "":
		return toMarkdown(t.HTML, t.Plain)
	}
	return t.Plain
}

// options fills in the second form: choices, or days with their moments.
func (r *restoring) options(f *form) url.Values {
	fields := url.Values{}
	if r.poll.Kind == Choices {
		fields.Set("fin_sondage_autre", "1")
		for i := range r.poll.Options {
			fields.Add("choices[]", r.poll.Options[i].source(r.marked))
		}
		return fields
	}
	fields.Set("choixheures", "1")
	layout := f.layout("input[name='days[]']", "data-date-format")
	day, index := "", -1
	for _, o := range r.poll.Options {
		if o.Date != day {
			day, index = o.Date, index+1
			t, _ := time.Parse(time.DateOnly, day)
			fields.Add("days[]", t.Format(layout))
		}
		fields.Add(fmt.Sprintf("horaires%d[]", index), phpTruth(o.Moment))
	}
	return fields
}

var linked = regexp.MustCompile(`\[.*\]\(.+\)`)

// source is what is typed as a choice. Before 1.1 that is text, or one link or image.
func (o *Option) source(marked bool) string {
	text := o.Markdown
	if text == "" && o.HTML != "" {
		text = strings.Join(strings.Fields(toMarkdown(o.HTML, o.Label)), " ")
	}
	switch {
	case !marked && !linked.MatchString(text):
		text = o.name()
	case strings.TrimSpace(text) == "":
		text = escapeMarkdown(o.name())
	}
	return phpTruth(text)
}

// phpTruth makes the one text that PHP takes for nothing into another that looks the same.
func phpTruth(text string) string {
	if text == "0" {
		return "0 "
	}
	return text
}

// confirmation fills in the third form: the day of expiry.
func (r *restoring) confirmation(f *form) url.Values {
	offered := f.value("input[name=enddate]")
	fields := url.Values{"enddate": {offered}, "confirmation": {"confirmation"}, "confirmecreation": {"confirmation"}}
	end, err := time.Parse(time.DateOnly, r.poll.Status.Expires)
	if err == nil {
		layout := time.DateOnly
		if strings.Contains(offered, "/") {
			layout = "02/01/2006"
		}
		fields.Set("enddate", end.Format(layout))
	}
	return fields
}

// fill votes and writes in the names of those who did, sets what is left, and reads everything back.
func (r *restoring) fill(ctx context.Context) error {
	if err := r.look(ctx, nil); err != nil {
		return err
	}
	if len(r.page.poll.Options) != len(r.poll.Options) {
		return source.Errorf(source.ReasonRefused, "the new poll has %d options instead of %d, so that no votes were entered", len(r.page.poll.Options), len(r.poll.Options))
	}
	if err := r.votes(ctx); err != nil {
		return err
	}
	if err := r.comments(ctx); err != nil {
		return err
	}
	if r.poll.Status.Locked {
		if err := r.look(ctx, url.Values{"update_poll_info": {"rules"}, "rules": {"0"}}); err != nil {
			return err
		}
	}
	if err := r.look(ctx, nil); err != nil {
		return err
	}
	r.compare()
	return nil
}

// look asks for the administration page, and sends a form to it if there is one.
func (r *restoring) look(ctx context.Context, fields url.Values) error {
	a, err := r.ask(ctx, r.root+"/adminstuds.php?poll="+r.admin, fields)
	if err != nil {
		return err
	}
	if a.location != nil {
		return down
	}
	p, err := readAnswer(a)
	if err != nil {
		return err
	}
	if p.kind != pagePoll || !p.admin {
		return source.Errorf(source.ReasonRefused, "the instance does not show the new poll")
	}
	p.resolve(nil)
	r.page = p
	return nil
}

// votes enters one after the other, each as its voter would.
func (r *restoring) votes(ctx context.Context) error {
	if r.poll.Voters == nil {
		r.lose("The votes: they were hidden when the poll was saved.")
	}
	blanks := false
	for _, v := range r.poll.Voters {
		fields := url.Values{"control": {r.page.control}, "save": {""}}
		for i, a := range v.Answers {
			value := map[Answer]string{Yes: "2", IfNeedBe: "1", No: "0", Unanswered: " "}[a]
			if a == Unanswered && !r.page.blank {
				value, blanks = "0", true
			}
			fields.Set(fmt.Sprintf("choices[%d]", i), value)
		}
		if err := r.vote(ctx, v.Name, fields); err != nil {
			return err
		}
	}
	if blanks {
		r.lose("Unanswered options: this version of Framadate knows only yes, if need be and no.")
	}
	return nil
}

// vote enters one. An instance takes each name once, whatever its case and accents are.
func (r *restoring) vote(ctx context.Context, name string, fields url.Values) error {
	name = strings.TrimSpace(name)
	if name == "" || name == "0" {
		name += "?"
	}
	for attempt := 1; attempt <= 3; attempt++ {
		tried := name
		if attempt > 1 {
			tried = fmt.Sprintf("%s (%d)", name, attempt)
		}
		fields.Set("name", tried)
		before := len(r.page.poll.Voters)
		if err := r.look(ctx, fields); err != nil {
			return err
		}
		if len(r.page.poll.Voters) > before {
			if attempt > 1 {
				r.lose("The voter %q is called %q, for the instance takes the name for another's.", name, tried)
			}
			return nil
		}
	}
	r.lose("The vote of %q: the instance does not take it.", name)
	return nil
}

// comments writes them in their order.
func (r *restoring) comments(ctx context.Context) error {
	seen := map[string]bool{}
	for _, comment := range r.poll.Comments {
		name := strings.TrimSpace(comment.Author)
		if name == "" || name == "0" {
			name += "?"
		}
		key := name + "\x00" + comment.Text
		if strings.TrimSpace(comment.Text) == "" || seen[key] {
			r.lose("A comment of %q: it is empty or there twice, which the instance does not take.", name)
			continue
		}
		seen[key] = true
		fields := url.Values{"name": {name}, "comment": {comment.Text}, "poll": {r.page.publicID}, "poll_admin": {r.admin}, "add_comment": {"1"}}
		taken, err := r.comment(ctx, fields)
		if err != nil {
			return err
		}
		if !taken {
			r.lose("A comment of %q: the instance does not take it.", name)
		}
	}
	return nil
}

// comment writes one: by the script there is since 1.0, or the form of the page before.
func (r *restoring) comment(ctx context.Context, fields url.Values) (bool, error) {
	if !r.page.commentScript {
		before := len(r.page.poll.Comments)
		err := r.look(ctx, fields)
		return err == nil && len(r.page.poll.Comments) > before, err
	}
	a, err := r.ask(ctx, r.root+"/action/add_comment.php", fields)
	if err != nil {
		return false, err
	}
	if a.status != http.StatusOK {
		return false, statusError(a.status)
	}
	var said struct {
		Result bool `json:"result"`
	}
	return json.Unmarshal(a.body, &said) == nil && said.Result, nil
}

// compare says what of the poll is not on the new page.
func (r *restoring) compare() {
	old, is := r.poll, &r.page.poll
	is.clean()
	is.finish()
	if is.Title != strings.TrimSpace(old.Title) {
		r.lose("The title is %q now.", is.Title)
	}
	if old.Description.Plain != "" && squeeze(is.Description.Plain) != squeeze(old.Description.Plain) {
		r.lose("The description reads differently.")
	}
	for i, o := range old.Options {
		n := is.Options[i]
		if n.Date != o.Date || squeeze(n.Moment) != squeeze(o.Moment) || old.Kind == Choices && squeeze(n.Label) != squeeze(o.Label) {
			r.lose("Option %d is %q instead of %q.", i+1, n.Label, o.Label)
		}
	}
	r.compareVotes(is)
	if s := old.Status; s.Expires != "" && s.Expires != is.Status.Expires && !near(s.Expires, is.Status.Expires) {
		r.lose("The poll is open until %s instead of %s.", is.Status.Expires, s.Expires)
	}
	if old.Status.Password {
		r.lose("The password: set one on the administration page.")
	}
	if len(old.Status.Full) > 0 {
		r.lose("The limit of votes for an option, which is not known.")
	}
	if len(old.Comments) > 0 {
		r.lose("The times of the comments: they are those of today.")
	}
	if len(old.Voters) > 0 {
		r.lose("The voters' own addresses to change their votes: the administration page shows new ones.")
	}
}

// compareVotes compares each voter's line, by its place: names may have been changed.
func (r *restoring) compareVotes(is *Poll) {
	answers := map[string]Voter{}
	for _, v := range is.Voters {
		answers[v.Name] = v
	}
	for _, v := range r.poll.Voters {
		n, found := answers[strings.TrimSpace(v.Name)]
		if !found {
			continue // it was said already
		}
		for i, a := range v.Answers {
			if n.Answers[i] != a && (a != Unanswered || r.page.blank) {
				r.lose("The answers of %q are not all the same.", v.Name)
				break
			}
		}
	}
	if len(is.Comments) < len(r.poll.Comments) {
		r.lose("%s of %d are there.", plural(len(is.Comments), "comment"), len(r.poll.Comments))
	}
}

// near says whether two dates are a day apart, which the zones of an instance's parts make of one.
func near(a, b string) bool {
	x, errX := time.Parse(time.DateOnly, a)
	y, errY := time.Parse(time.DateOnly, b)
	return errX == nil && errY == nil && x.Sub(y).Abs() <= 24*time.Hour
}

// problemOf names what an instance says is wrong with a form.
func problemOf(a *answer) string {
	f, err := readForm(a)
	if err != nil {
		return "it shows the form again"
	}
	text := oneLine(f.doc.Find(".has-error, .alert-danger").Not(".hidden").First().Text())
	if text == "" || len(text) > 300 {
		return "it shows the form again, " + strconv.Itoa(f.doc.Find(".has-error").Length()) + " fields are marked"
	}
	return text
}
