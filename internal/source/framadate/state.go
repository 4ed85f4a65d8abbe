package framadate

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"

	"github.com/havre-cloud/havre/internal/source"
)

// renderVersion changes when equal polls give other files than before, so that all are written anew.
const renderVersion = 1

// state is what is remembered of the last good copy: enough to tell whether anything changed, who changed it, whether
// it is still the same poll, and what an expired poll's pages do not show any more. It holds no secrets.
type state struct {
	Render  int               `json:"render"`
	Page    string            `json:"page"` // hash of what the page said
	Poll    string            `json:"poll"` // hash of the JSON
	Kind    Kind              `json:"kind"`
	Title   string            `json:"title"`
	Options []string          `json:"options"` // hashes of the labels
	Voters  map[string]string `json:"voters"`  // hash of the name: hash of the answers; nil if hidden
	Talk    []string          `json:"talk"`    // hashes of the comments
	Kept    kept              `json:"kept"`
}

// kept is what only the author's page shows, and only until the poll expires.
type kept struct {
	Description string `json:"description,omitempty"` // hash of its HTML
	Markdown    string `json:"markdown,omitempty"`
	Options     []struct {
		Markdown string `json:"markdown,omitempty"`
		Offset   string `json:"offset,omitempty"`
	} `json:"options,omitempty"`
	Expires string `json:"expires,omitempty"`
}

func readState(data json.RawMessage) (*state, error) {
	if len(data) == 0 || string(data) == "null" {
		return nil, nil
	}
	s := &state{}
	if err := json.Unmarshal(data, s); err != nil {
		return nil, &source.Error{Reason: source.ReasonOurs, Text: "what was remembered of the poll cannot be read", Err: err}
	}
	return s, nil
}

func (s *state) json() json.RawMessage {
	data, err := json.Marshal(s)
	if err != nil {
		panic(err) // nothing in it can fail
	}
	return data
}

// short is a hash that is long enough to tell the things of one poll apart.
func short(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		h.Write([]byte(strconv.Itoa(len(part)) + ":" + part))
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// digest is a hash of all that a page says.
func (p *page) digest() string {
	data, err := json.Marshal(struct {
		Poll    *Poll
		Columns []string
		Admin   bool
		Control string
		ID      string
	}{&p.poll, p.columnTexts(), p.admin, p.control, p.publicID})
	if err != nil {
		panic(err) // nothing in it can fail
	}
	return short(string(data))
}

func (p *page) columnTexts() []string {
	var texts []string
	for _, c := range p.columns {
		texts = append(texts, c.month+"|"+c.day+"|"+strconv.FormatInt(c.unix, 10))
	}
	return texts
}

// newState describes a finished poll. What the page said is hashed as it was before the CSV was joined to it.
func newState(p *page) *state {
	q := &p.poll
	s := &state{Render: renderVersion, Page: p.seen, Poll: short(string(q.JSON())), Kind: q.Kind, Title: q.Title}
	for _, o := range q.Options {
		s.Options = append(s.Options, short(o.Label, o.HTML))
	}
	if q.Voters != nil {
		s.Voters = map[string]string{}
	}
	for _, v := range q.Voters {
		s.Voters[short(v.Name)] = answersHash(v)
	}
	for _, c := range q.Comments {
		s.Talk = append(s.Talk, short(c.Author, c.Text))
	}
	s.Kept = kept{Description: short(q.Description.HTML), Markdown: q.Description.Markdown, Expires: q.Status.Expires}
	for _, o := range q.Options {
		s.Kept.Options = append(s.Kept.Options, struct {
			Markdown string `json:"markdown,omitempty"`
			Offset   string `json:"offset,omitempty"`
		}{o.Markdown, o.Offset})
	}
	return s
}

func answersHash(v Voter) string {
	texts := make([]string, len(v.Answers))
	for i, a := range v.Answers {
		texts[i] = string(a)
	}
	return short(texts...)
}

// recall gives a poll what was known of it before and is not shown any more, as long as what is shown is the same.
func (s *state) recall(q *Poll) {
	if s == nil {
		return
	}
	if q.Description.Markdown == "" && s.Kept.Description == short(sanitize(q.Description.HTML)) {
		q.Description.Markdown = s.Kept.Markdown
	}
	if q.Status.Expires == "" {
		q.Status.Expires = s.Kept.Expires
	}
	if len(s.Kept.Options) != len(q.Options) || len(s.Options) != len(q.Options) {
		return
	}
	for i := range q.Options {
		o := &q.Options[i]
		if q.Kind == Dates {
			o.describe()
		}
		if short(o.Label, o.HTML) != s.Options[i] {
			continue
		}
		if o.Markdown == "" {
			o.Markdown = s.Kept.Options[i].Markdown
		}
		if o.Offset == "" {
			o.Offset = s.Kept.Options[i].Offset
		}
	}
}

// authors are the names of those who voted or wrote since the last copy; of a first one, of all. At most 50.
func authors(before *state, q *Poll) []string {
	var names []string
	add := func(name string) {
		if name != "" && len(names) < 50 && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, v := range q.Voters {
		if before == nil || before.Voters[short(v.Name)] != answersHash(v) {
			add(v.Name)
		}
	}
	for _, c := range q.Comments {
		if before == nil || !slices.Contains(before.Talk, short(c.Author, c.Text)) {
			add(c.Author)
		}
	}
	return names
}

// suspicion says why a copy should not replace the one before: it is of another poll that got the same name, or
// its votes are gone.
func suspicion(before, now *state, q *Poll) string {
	if before == nil {
		return ""
	}
	same := func(list, other []string) bool {
		return slices.ContainsFunc(list, func(x string) bool { return slices.Contains(other, x) })
	}
	voters := false
	for name := range before.Voters {
		if _, found := now.Voters[name]; found {
			voters = true
		}
	}
	emptied := len(before.Voters) > 0 && now.Voters != nil && len(now.Voters) == 0
	switch {
	case before.Kind != now.Kind,
		before.Title != now.Title && !same(before.Options, now.Options) && !voters && !same(before.Talk, now.Talk):
		return "it is another poll now: someone else's may have taken the name"
	case emptied:
		return "all " + plural(len(before.Voters), "vote") + " are gone"
	case len(before.Options) > 1 && len(q.Options) == 0:
		return "all its options are gone"
	}
	return ""
}
