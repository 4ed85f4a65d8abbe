package web

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/collate"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
)

// peopleRoutes are the pages of people.
func (s *Server) peopleRoutes() []route {
	return []route{
		{pattern: "GET /admin/people", need: needAdmin, handle: s.showPeople},
		{pattern: "POST /admin/people", need: needAdmin, handle: s.invitePerson},
		{pattern: "POST /admin/people/import", need: needAdmin, handle: s.importPeople, body: maxImportBytes*2 + 1<<20},
		{pattern: "POST /admin/people/links", need: needAdmin, handle: s.saveLinks, body: maxImportBytes * 2},
		{pattern: "GET /admin/people/{person}", need: needAdmin, handle: s.showPerson},
		{pattern: "POST /admin/people/{person}/change", need: needAdmin, handle: s.changePerson},
		{pattern: "POST /admin/people/{person}/suspend", need: needAdmin, handle: s.suspendPerson},
		{pattern: "POST /admin/people/{person}/reset", need: needAdmin, handle: s.resetPerson},
		{pattern: "POST /admin/people/{person}/invite", need: needAdmin, handle: s.invitePersonAgain},
		{pattern: "POST /admin/people/{person}/delete", need: needAdmin, handle: s.deletePerson},
		{pattern: "POST /admin/people/{person}/groups", need: needAdmin, handle: s.joinGroup},
		{pattern: "POST /admin/people/{person}/signout", need: needAdmin, handle: s.signOutPerson},
	}
}

// peoplePage is what people/list shows.
type peoplePage struct {
	Show, Query, Group, Sort string
	NoFactor                 bool // only those without a second factor
	Tabs                     []peopleTab
	Groups                   []circle
	Rows                     []personRow
	People, Devices, Weak    int

	Form   *personForm // the form for a new person is open
	Import bool        // the form for a table is open
	Wrong  string      // about the table
}

// peopleTab is one of the views of the list.
type peopleTab struct {
	Key  string
	N    int
	On   bool
	Link string
}

// personRow is one person in the list.
type personRow struct {
	User    store.User
	Link    string
	Groups  string
	Devices []deviceMark
	Factor  bool
	Seen    time.Time
	State   string // active, invited, suspended, expired
	Me      bool
}

// deviceMark is the state of one device in a row of them.
type deviceMark struct{ State, Name, Words string }

// personState says in which of the views a person is.
func (x *exchange) personState(u *store.User, devices int) string {
	switch {
	case u.Disabled:
		return "suspended"
	case !u.Expires.IsZero() && !u.Expires.After(x.now):
		return "expired"
	case devices == 0 && !u.Password:
		return "invited"
	}
	return "active"
}

// showPeople lists people.
func (s *Server) showPeople(x *exchange) error {
	return s.peopleWith(x, 200, func(*peoplePage) {})
}

// peopleWith renders the list; change may open a form with what was typed.
func (s *Server) peopleWith(x *exchange, status int, change func(*peoplePage)) error {
	q := x.r.URL.Query()
	p := peoplePage{
		Show: q.Get("show"), Query: strings.TrimSpace(q.Get("q")), Group: q.Get("group"), Sort: q.Get("sort"),
		NoFactor: q.Get("factor") == "none", Import: q.Has("import"),
	}
	if q.Has("new") {
		p.Form = &personForm{New: true, Role: "member"}
	}
	d, err := readDirectory(x.ctx(), x.admin())
	if err != nil {
		return err
	}
	p.Groups = d.groups
	rows, err := x.personRows(d)
	if err != nil {
		return err
	}
	p.count(rows)
	p.filter(d, rows)
	p.order(x.lang)
	change(&p)
	if p.Form != nil {
		p.Form.Groups = d.groups
	}
	return x.pageStatus(status, "people/list", page{Title: x.t("people.title"), Nav: navAdmin, At: "people", Data: &p})
}

// personRows returns everybody.
func (x *exchange) personRows(d *directory) ([]personRow, error) {
	devices, err := x.admin().Devices(x.ctx(), "")
	if err != nil {
		return nil, err
	}
	marks, err := x.deviceMarks(devices)
	if err != nil {
		return nil, err
	}
	mine, seen := map[havre.UserID][]deviceMark{}, map[havre.UserID]time.Time{}
	for _, dev := range devices {
		if dev.LastSeen.After(seen[dev.User]) {
			seen[dev.User] = dev.LastSeen
		}
		if dev.Revoked.IsZero() {
			mine[dev.User] = append(mine[dev.User], marks[dev.ID])
		}
	}
	rows := make([]personRow, 0, len(d.users))
	for i := range d.users {
		u := &d.users[i]
		r := personRow{User: *u, Link: personAddress(u.Name), Devices: mine[u.ID], Factor: u.SecondFactor, Seen: seen[u.ID], Me: u.ID == x.session.User.ID}
		if u.LastSeen.After(r.Seen) {
			r.Seen = u.LastSeen
		}
		var names []string
		for _, g := range d.groupsOf(u.ID) {
			names = append(names, g.Name)
		}
		r.Groups, r.State = strings.Join(names, ", "), x.personState(u, len(r.Devices))
		rows = append(rows, r)
	}
	return rows, nil
}

// count fills in the answer of the page and the views.
func (p *peoplePage) count(rows []personRow) {
	n := map[string]int{}
	for _, r := range rows {
		n[r.view()]++
		if r.State == "active" {
			p.Devices += len(r.Devices)
			if !r.Factor {
				p.Weak++
			}
		}
	}
	p.People = n["active"]
	if p.Show != "invited" && p.Show != "suspended" {
		p.Show = "active"
	}
	for _, key := range []string{"active", "invited", "suspended"} {
		p.Tabs = append(p.Tabs, peopleTab{Key: key, N: n[key], On: key == p.Show, Link: p.With("show", key)})
	}
}

// view returns the view that the row is in: an account that has expired is as closed as a suspended one.
func (r *personRow) view() string {
	if r.State == "expired" {
		return "suspended"
	}
	return r.State
}

// With returns the address of the page with one thing different.
func (p *peoplePage) With(name, value string) string {
	v := url.Values{}
	set := func(k, val, normal string) {
		if val != "" && val != normal {
			v.Set(k, val)
		}
	}
	set("show", p.Show, "active")
	set("q", p.Query, "")
	set("group", p.Group, "")
	set("sort", p.Sort, "name")
	if p.NoFactor {
		v.Set("factor", "none")
	}
	v.Del(name)
	set(name, value, map[string]string{"show": "active", "sort": "name"}[name])
	if len(v) == 0 {
		return "/admin/people"
	}
	return "/admin/people?" + v.Encode()
}

// SortBy returns the address that sorts by a column: a second time the other way round.
func (p *peoplePage) SortBy(column string) string {
	if p.Sort == column {
		return p.With("sort", "-"+column)
	}
	return p.With("sort", column)
}

// Sorted returns the value of aria-sort for a column.
func (p *peoplePage) Sorted(column string) string {
	switch p.Sort {
	case column:
		return "ascending"
	case "-" + column:
		return "descending"
	}
	return ""
}

// filter keeps the rows that the page is asked for.
func (p *peoplePage) filter(d *directory, rows []personRow) {
	var in map[havre.UserID]bool
	if g := d.group(p.Group); p.Group != "" && g != nil {
		in = d.inside(g)
	} else {
		p.Group = ""
	}
	for _, r := range rows {
		names := []string{r.User.Name, r.User.DisplayName, r.User.Email}
		for _, m := range r.Devices {
			names = append(names, m.Name)
		}
		switch {
		case r.view() != p.Show, in != nil && !in[r.User.ID], p.NoFactor && r.Factor, !matches(p.Query, names...):
		default:
			p.Rows = append(p.Rows, r)
		}
	}
}

// order sorts the rows.
func (p *peoplePage) order(lang string) {
	column, down := strings.CutPrefix(p.Sort, "-")
	by := collate.New(tags[lang], collate.IgnoreCase)
	name := func(a, b personRow) int { return by.CompareString(a.User.DisplayName, b.User.DisplayName) }
	compare := name
	switch column {
	case "groups":
		compare = func(a, b personRow) int { return by.CompareString(a.Groups, b.Groups) }
	case "devices":
		compare = func(a, b personRow) int { return cmp.Compare(len(b.Devices), len(a.Devices)) }
	case "factor":
		compare = func(a, b personRow) int { return cmp.Compare(btoi(a.Factor), btoi(b.Factor)) }
	case "seen":
		compare = func(a, b personRow) int { return b.Seen.Compare(a.Seen) }
	default:
		p.Sort = "name"
		if down {
			p.Sort = "-name"
		}
	}
	slices.SortStableFunc(p.Rows, func(a, b personRow) int {
		c := compare(a, b)
		if down {
			c = -c
		}
		return cmp.Or(c, name(a, b))
	})
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
