package framadate

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/source"
)

// Provider saves polls of Framadate. It is safe for concurrent use.
type Provider struct{}

// New returns the provider.
func New() *Provider { return &Provider{} }

// Kind is source.KindFramadate.
func (*Provider) Kind() source.Kind { return source.KindFramadate }

// visit is one look at a poll.
type visit struct {
	*session
	address  source.Address
	root     string
	admin    string // the id of the administration page, if its address is known
	vote     string // that of one line
	password string
	notes    []source.Note
}

func newVisit(c *source.Client, a source.Address, secrets source.Secrets) *visit {
	v := &visit{session: newSession(c, secrets), address: a, root: strings.TrimSuffix(a.Instance, "/")}
	if v.user == "" {
		v.password = secrets.Password.Reveal()
	}
	if u, err := url.Parse(secrets.Address.Reveal()); err == nil {
		if p, ok := takeApart(u); ok {
			v.admin, v.vote = p.admin, p.vote
		}
	}
	return v
}

// Probe asks whether there is a poll at an address, and under which name the instance knows it.
func (*Provider) Probe(ctx context.Context, c *source.Client, r source.Recognised) (source.Recognised, error) {
	v := newVisit(c, r.Address, r.Secrets)
	p, err := v.read(ctx)
	if reasonOf(err) == source.ReasonPassword && p != nil {
		r.Likelihood = source.Certain
		return r, nil // it is there; who has the password sees to the rest
	}
	if err != nil {
		return r, err
	}
	r.Address = v.canonical(p)
	r.Likelihood = source.Certain
	return r, nil
}

// read asks for the poll's best page: the author's if its address is known, else the public one. With an error of
// ReasonPassword it returns the page that says so.
func (v *visit) read(ctx context.Context) (*page, error) {
	if v.admin != "" {
		p, err := v.page(ctx, v.root+"/adminstuds.php?poll="+v.admin, "")
		if reasonOf(err) == source.ReasonForeign {
			p, err = v.page(ctx, adminAddress(parts{root: v.root, admin: v.admin}), "")
		}
		if err != nil && reasonOf(err) != source.ReasonForeign {
			return nil, err
		}
		if err == nil && p.kind == pagePoll && p.admin {
			return p, nil
		}
		v.note("admin-refused", "The address of the poll's administration is not taken, so that only what everybody sees was saved.")
	}
	p, err := v.page(ctx, v.root+"/studs.php?poll="+url.QueryEscape(v.address.Name), v.password)
	if reasonOf(err) == source.ReasonForeign && v.address.URL != "" && !strings.Contains(v.address.URL, ".php") {
		if clean, err := v.page(ctx, v.address.URL, v.password); err == nil {
			p = clean
		}
	}
	if p == nil {
		return nil, err
	}
	switch {
	case p.kind == pageFailure:
		return nil, source.Errorf(source.ReasonGone, "the instance says that there is no such poll")
	case p.kind == pagePassword && v.password != "":
		return p, source.Errorf(source.ReasonPassword, "the poll's password is wrong")
	case p.kind == pagePassword:
		return p, source.Errorf(source.ReasonPassword, "the poll needs a password")
	case p.publicID != "" && v.admin == "" && !strings.EqualFold(p.publicID, v.address.Name):
		return nil, source.Errorf(source.ReasonDamaged, "another poll is shown than the one that was asked for")
	}
	return p, nil
}

func (v *visit) note(code, text string) {
	v.notes = append(v.notes, source.Note{Code: code, Text: text})
}

// hidden says that the votes are not shown.
func (v *visit) hidden(p *Poll) {
	if p.Status.Hidden && p.Voters == nil {
		v.note("hidden-results", "The results are hidden: the votes are not in this copy. The address of the poll's administration shows them.")
	}
}

// canonical is the poll's public address: as the instance writes it if it knows its own host, else made of its id.
func (v *visit) canonical(p *page) source.Address {
	id := p.publicID
	if id == "" {
		id = v.address.Name
	}
	a := address(v.root, id, strings.Contains(v.address.URL, ".php"))
	if link := webAddress(p.link); strings.HasPrefix(link, v.root+"/") {
		a.URL = link
	}
	return a
}

// Fetch returns the poll as it is. It reads the page, and if that changed, the CSV beside it.
func (*Provider) Fetch(ctx context.Context, c *source.Client, d source.Document) (*source.Copy, error) {
	v := newVisit(c, d.Address, d.Secrets)
	before, err := readState(d.State)
	if err != nil {
		return nil, err
	}
	p, err := v.read(ctx)
	if err != nil {
		return nil, err
	}
	// A page does not tell that it was opened by a password.
	p.poll.Status.Password = p.poll.Status.Password || v.password != ""
	own := v.vote != "" && p.poll.Voters == nil // of a line that the page does not show
	if before != nil && before.Render == renderVersion && before.Page == p.seen && !own {
		poll := &p.poll
		v.hidden(poll)
		before.recall(poll)
		poll.finish()
		return v.copyOf(poll, before), nil
	}
	p, err = v.witnessed(ctx, p)
	if err != nil {
		return nil, err
	}
	if err := v.ownLine(ctx, p); err != nil {
		return nil, err
	}
	poll := &p.poll
	poll.URL, poll.ID = v.canonical(p).URL, v.canonical(p).Name
	before.recall(poll)
	poll.clean()
	poll.finish()
	if poll.Voters == nil && before != nil && before.Voters != nil && len(before.Voters) > 0 {
		return nil, source.Errorf(source.ReasonHidden,
			"the results are hidden now, so that the copy with them is kept; the address of the poll's administration shows them")
	}
	v.hidden(poll)
	for _, o := range poll.Options {
		if poll.Kind == Dates && o.Date == "" {
			v.note("dates-unknown", "Not all dates could be read: the instance writes months in a language that is not known here.")
			break
		}
	}
	return v.copyWithFiles(p, before), nil
}

// witnessed asks for the CSV, compares it with the page, and takes the dates from it. A vote may come between the two, so
// that both are asked for once more when they differ.
func (v *visit) witnessed(ctx context.Context, p *page) (*page, error) {
	for again := false; ; again = true {
		s, err := v.csv(ctx, p)
		if err != nil {
			return nil, err
		}
		differs := error(nil)
		if s != nil && p.poll.Voters != nil {
			differs = s.agrees(&p.poll)
		}
		if differs == nil {
			p.resolve(s)
			return p, nil
		}
		if again {
			return nil, &source.Error{Reason: source.ReasonDamaged, Text: "the poll's page and its CSV contradict each other", Err: differs}
		}
		if p, err = v.read(ctx); err != nil {
			return nil, err
		}
		p.poll.Status.Password = p.poll.Status.Password || v.password != ""
	}
}

// csv asks for the instance's CSV, nil if there is none for us: it is hidden, or cannot be read.
func (v *visit) csv(ctx context.Context, p *page) (*sheet, error) {
	var addresses []string
	if p.admin {
		addresses = append(addresses, v.root+"/exportcsv.php?admin="+v.admin)
	}
	if !p.poll.Status.Hidden {
		addresses = append(addresses, v.root+"/exportcsv.php?poll="+url.QueryEscape(v.canonical(p).Name))
	}
	for _, address := range addresses {
		s, err := v.sheet(ctx, address, p.poll.Kind)
		var known *source.Error
		switch {
		case errors.As(err, &known), ctx.Err() != nil:
			return nil, err
		case err == nil && s != nil:
			return s, nil
		}
	}
	return nil, nil
}

// ownLine adds the one line that a vote's own address shows, where all others are hidden.
func (v *visit) ownLine(ctx context.Context, p *page) error {
	if v.vote == "" || p.poll.Voters != nil {
		return nil
	}
	own, err := v.page(ctx, v.root+"/studs.php?poll="+url.QueryEscape(v.address.Name)+"&vote="+v.vote, v.password)
	if err != nil {
		return err
	}
	if own.kind == pagePoll && own.edited != nil && len(own.poll.Options) == len(p.poll.Options) {
		p.poll.Voters = []Voter{*own.edited}
		v.note("own-line", "The results are hidden: only the line of the given address is in this copy.")
	}
	return nil
}

// copyOf is a copy without files.
func (v *visit) copyOf(p *Poll, s *state) *source.Copy {
	c := source.NewCopy(nil)
	c.Unchanged = true
	c.Title, c.State, c.Notes = p.Title, s.json(), v.notes
	c.Closes, c.Ends = dayOf(p.Status.Expires), dayOf(p.Status.Deletion)
	c.Summary = summary(p)
	return c
}

// copyWithFiles is one that may have changed.
func (v *visit) copyWithFiles(p *page, before *state) *source.Copy {
	poll := &p.poll
	now := newState(p)
	c := v.copyOf(poll, now)
	if before != nil && before.Poll == now.Poll && before.Render == renderVersion {
		return c
	}
	c.Unchanged = false
	c.Authors = authors(before, poll)
	c.Suspect = suspicion(before, now, poll)
	c.Files = Files(poll)
	return c
}

// dayOf is the end of a day, zero if there is none.
func dayOf(date string) time.Time {
	t, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return time.Time{}
	}
	return t.AddDate(0, 0, 1)
}

func summary(p *Poll) string {
	parts := []string{plural(len(p.Options), "option")}
	if p.Voters != nil {
		parts = append(parts, plural(len(p.Voters), "vote"))
	}
	if len(p.Comments) > 0 {
		parts = append(parts, plural(len(p.Comments), "comment"))
	}
	return strings.Join(parts, ", ")
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
