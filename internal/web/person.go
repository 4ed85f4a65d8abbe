package web

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
)

// personPage is what people/person shows.
type personPage struct {
	User    store.User
	State   string
	Link    string
	Me      bool
	Short   string // what one calls the person in a sentence
	Seen    time.Time
	By      string // folder or reason
	Reach   []reachRow
	Reasons []reasonGroup

	Folders, Reached, Edited int // of all; that the person reaches; where he or she may write
	Devices                  []deviceLine
	Behind                   string // one sentence about the worst device
	Groups                   []*circle
	Others                   []string // groups that the person is not directly in
	Sessions                 int
	Usage                    hub.Usage

	Ask    *askAnswer
	Asked  string
	Places []string // that the field suggests

	Form   *personForm
	Reset  bool
	Delete *deleteFacts
}

// deviceLine is a device of a person.
type deviceLine struct {
	store.Device
	deviceMark
}

// reachRow is a place with what the person may do there and why.
type reachRow struct {
	Folder, Name, In string // In: the way to Name, if it is not right below the folder
	Deep             bool
	Right            havre.Right
	Below            bool // nothing here, but further down
	Link             string
	Why              reasonText
}

// reasonText is why somebody may do something, for a template.
type reasonText struct {
	Group   string // through which the right comes, or empty
	Link    string
	Through []string // groups between that one and the person
	Words   string   // the rest
	By      string
	When    time.Time
}

// reasonGroup are the places that one reason opens.
type reasonGroup struct {
	Why  reasonText
	Rows []reachRow
}

// askAnswer is the answer to "Can Karim reach …?".
type askAnswer struct {
	Yes    bool
	Right  havre.Right
	Text   string // the sentence
	Change string // address where it can be changed
}

// deleteFacts is what the question before a deletion says.
type deleteFacts struct {
	Devices, Grants int
	LastOf          []string // folders that nobody else manages
	LastAdmin       bool
}

// showPerson shows one person.
func (s *Server) showPerson(x *exchange) error {
	return s.personWith(x, 200, func(*personPage) {})
}

// chosenPerson returns the person that the address names.
func (x *exchange) chosenPerson() (store.User, error) {
	users, err := x.admin().Users(x.ctx())
	if err != nil {
		return store.User{}, err
	}
	for _, u := range users {
		if store.SameName(u.Name, x.r.PathValue("person")) {
			return u, nil
		}
	}
	return store.User{}, notFound()
}

// personWith renders the page; change may open a form with what was typed.
func (s *Server) personWith(x *exchange, status int, change func(*personPage)) error {
	u, err := x.chosenPerson()
	if err != nil {
		return err
	}
	q := x.r.URL.Query()
	p := &personPage{
		User: u, Link: personAddress(u.Name), Me: u.ID == x.session.User.ID, Short: shortName(u.DisplayName),
		By: "folder", Asked: strings.TrimSpace(q.Get("reach")), Reset: q.Has("reset"),
	}
	if q.Get("by") == "reason" {
		p.By = "reason"
	}
	b, err := x.admin().Book(x.ctx())
	if err != nil {
		return err
	}
	d, err := readDirectory(x.ctx(), x.admin())
	if err != nil {
		return err
	}
	p.Groups = d.groupsOf(u.ID)
	for i := range d.groups {
		if !slices.Contains(d.groups[i].Members, u.ID) {
			p.Others = append(p.Others, d.groups[i].Name)
		}
	}
	if err := p.reach(x, b, d); err != nil {
		return err
	}
	if err := p.devices(x); err != nil {
		return err
	}
	if p.Usage, err = x.hub.Usage(x.ctx(), u.ID); err != nil {
		return err
	}
	if p.Asked != "" {
		if p.Ask, err = x.answerReach(b, &u, p.Asked); err != nil {
			return err
		}
	}
	if q.Has("change") {
		p.Form = formOf(x, &u)
	}
	if q.Has("delete") && !p.Me {
		p.Delete = p.deletion(b)
	}
	change(p)
	if q.Has("menu") && x.htmx() {
		return x.fragment("people/person", "person-menu", p)
	}
	return x.pageStatus(status, "people/person", page{
		Title: u.DisplayName, Nav: navAdmin, At: "people", Data: p,
		Crumbs: []crumb{{Name: x.t("people.title"), Address: "/admin/people"}},
	})
}

// LastDay returns a moment in the last day of the account.
func (p *personPage) LastDay() time.Time { return p.User.Expires.Add(-time.Second) }

// shortName returns the first name, or the whole if it has one word.
func shortName(name string) string {
	first, _, _ := strings.Cut(strings.TrimSpace(name), " ")
	return first
}

// reach fills in what the person reaches: every folder, and in it the paths where something is set for him
// or her.
func (p *personPage) reach(x *exchange, b *hub.Book, d *directory) error {
	reached, err := x.admin().Reach(x.ctx(), p.User.ID)
	if err != nil {
		return err
	}
	at := map[hub.GrantPlace]hub.Reached{}
	for _, r := range reached {
		at[hub.GrantPlace{Folder: r.Folder, Path: r.Path}] = r
	}
	me := hub.Holder{User: p.User.ID}
	for _, f := range b.Folders {
		p.Folders++
		p.Places = append(p.Places, f.Name)
		root := hub.GrantPlace{Folder: f.ID}
		cell := b.At(me, root)
		right := cell.Right
		row := reachRow{Folder: f.Name, Name: f.Name, Right: cell.Right, Below: cell.Below, Link: rightsAddress(f.Name)}
		row.Why = x.reason(at[root].Reason, d, p.Short, cell)
		p.Reach = append(p.Reach, row)
		for _, r := range reached {
			if r.Folder != f.ID || r.Path == "" {
				continue
			}
			parts := pathParts(r.Path)
			right = max(right, r.Reason.Right)
			row := reachRow{
				Folder: f.Name, Name: parts[len(parts)-1], In: strings.Join(parts[:len(parts)-1], " / "), Deep: true,
				Right: r.Reason.Right, Link: rightsAddress(f.Name), Why: x.reason(r.Reason, d, p.Short, hub.Cell{Any: true}),
			}
			if above := b.At(me, hub.GrantPlace{Folder: f.ID, Path: r.Path.Dir()}); above.Right > r.Reason.Right {
				row.Why.Words = x.t("people.why.lowered")
			}
			p.Reach = append(p.Reach, row)
			p.Places = append(p.Places, f.Name+" / "+strings.Join(parts, " / "))
		}
		if right >= havre.RightRead {
			p.Reached++
		}
		if right >= havre.RightWrite {
			p.Edited++
		}
	}
	p.groupReasons()
	return nil
}

// reason says what decides, in words and links.
func (x *exchange) reason(r hub.Reason, d *directory, short string, cell hub.Cell) reasonText {
	if r.Grant == nil {
		switch {
		case cell.Below:
			return reasonText{Words: x.t("people.why.below")}
		default:
			return reasonText{Words: x.t("people.why.nothing")}
		}
	}
	if r.Grant.Group == "" {
		t := reasonText{By: r.Grant.By, When: r.Grant.Created, Words: x.t("people.why.given", "name", short)}
		if u := d.user(r.Grant.By); u != nil {
			t.By = u.DisplayName
		}
		return t
	}
	t := reasonText{}
	if g := d.byID[r.Grant.Group]; g != nil {
		t.Group, t.Link = g.Name, g.Link
	}
	if len(r.Through) > 1 {
		t.Through = r.Through[1:]
	}
	return t
}

// groupReasons orders the places by why.
func (p *personPage) groupReasons() {
	for _, r := range p.Reach {
		if r.Right == havre.RightNone && !r.Deep {
			continue
		}
		i := slices.IndexFunc(p.Reasons, func(g reasonGroup) bool {
			return g.Why.Group == r.Why.Group && (r.Why.Group != "" || g.Why.Group == "")
		})
		if i < 0 {
			why := r.Why
			if why.Group != "" {
				why.Words = ""
			}
			p.Reasons = append(p.Reasons, reasonGroup{Why: why})
			i = len(p.Reasons) - 1
		}
		p.Reasons[i].Rows = append(p.Reasons[i].Rows, r)
	}
	slices.SortStableFunc(p.Reasons, func(a, b reasonGroup) int { return cmp.Compare(len(b.Rows), len(a.Rows)) })
}

// devices fills in the devices, and the browsers that are signed in.
func (p *personPage) devices(x *exchange) error {
	devices, err := x.admin().Devices(x.ctx(), p.User.Name)
	if err != nil {
		return err
	}
	marks, err := x.deviceMarks(devices)
	if err != nil {
		return err
	}
	p.Seen = p.User.LastSeen
	for _, d := range devices {
		if d.LastSeen.After(p.Seen) {
			p.Seen = d.LastSeen
		}
		if d.Revoked.IsZero() {
			p.Devices = append(p.Devices, deviceLine{d, marks[d.ID]})
		}
	}
	for _, d := range p.Devices {
		if d.State != "ok" && p.Behind == "" {
			p.Behind = x.t("people.device.worst", "name", d.deviceMark.Name, "state", d.Words)
		}
	}
	p.State = x.personState(&p.User, len(p.Devices))
	sessions, err := x.admin().Sessions(x.ctx(), p.User.Name)
	p.Sessions = len(sessions)
	return err
}

// answerReach answers whether the person reaches the place that was typed: a folder, or a path in one.
func (x *exchange) answerReach(b *hub.Book, u *store.User, asked string) (*askAnswer, error) {
	name, path, _ := strings.Cut(strings.ReplaceAll(strings.ReplaceAll(asked, " / ", "/"), "\\", "/"), "/")
	i := slices.IndexFunc(b.Folders, func(f store.Folder) bool { return store.SameName(f.Name, name) })
	path = strings.Trim(path, "/ ")
	if _, err := svn.CheckPath(path); i < 0 || (path != "" && err != nil) {
		return &askAnswer{Text: x.t("people.ask.where", "name", name)}, nil //nolint:nilerr // the answer says so
	}
	f := &b.Folders[i]
	why, err := x.admin().Why(x.ctx(), f.ID, svn.Path(path), u.ID)
	if err != nil {
		return nil, err
	}
	a := &askAnswer{Right: why.Right, Yes: why.Right >= havre.RightRead, Change: rightsAddress(f.Name) + "?by=people&q=" + url.QueryEscape(u.Name)}
	short := shortName(u.DisplayName)
	at := placeName(f.Name, why.Path)
	switch {
	case u.Closed(x.now):
		a.Yes, a.Text, a.Change = false, x.t("people.ask.closed", "name", short), personAddress(u.Name)
	case why.None:
		a.Text = x.t("people.ask.nothing", "name", short) + " " + x.openTo(b, f)
	case why.Right == havre.RightNone && why.Grant.Group == "":
		a.Text = x.t("people.ask.taken", "name", short, "place", at)
	case why.Right == havre.RightNone:
		a.Text = x.t("people.ask.taken.group", "name", short, "place", at, "group", why.Through[0])
	case why.Grant.Group == "":
		a.Text = x.t("people.ask.own."+why.Right.String(), "name", short, "place", at)
	case len(why.Through) > 1:
		a.Text = x.t("people.ask.through."+why.Right.String(), "name", short, "place", at, "group", why.Through[0], "inner", why.Through[len(why.Through)-1])
	default:
		a.Text = x.t("people.ask.group."+why.Right.String(), "name", short, "place", at, "group", why.Through[0])
	}
	return a, nil
}

func placeName(folder string, path svn.Path) string {
	return strings.Join(append([]string{folder}, pathParts(path)...), " / ")
}

// openTo says to whom a folder is open.
func (x *exchange) openTo(b *hub.Book, f *store.Folder) string {
	var names []string
	for _, g := range b.Grants {
		n := holderName(b, hub.Holder{User: g.User, Group: g.Group})
		if g.Folder == f.ID && g.Path == "" && g.Right > havre.RightNone && n != "" {
			names = append(names, n)
		}
	}
	if len(names) == 0 {
		return x.t("people.ask.nobody", "folder", f.Name)
	}
	if len(names) > 4 {
		names = append(names[:4:4], x.t("people.ask.others", "n", len(names)-4))
	}
	return x.t("people.ask.open", "folder", f.Name, "names", x.enumerate(names))
}

// enumerate joins names as a sentence does: a, b and c.
func (x *exchange) enumerate(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + x.t("people.and") + names[len(names)-1]
}

// deletion collects what the question before a deletion says.
func (p *personPage) deletion(b *hub.Book) *deleteFacts {
	f := &deleteFacts{Devices: len(p.Devices)}
	for _, g := range b.Grants {
		if g.User == p.User.ID {
			f.Grants++
		}
	}
	for _, folder := range b.Folders {
		root := hub.GrantPlace{Folder: folder.ID}
		if b.At(hub.Holder{User: p.User.ID}, root).Right != havre.RightManage {
			continue
		}
		others := slices.ContainsFunc(b.Users, func(u store.User) bool {
			return u.ID != p.User.ID && !u.Disabled && b.At(hub.Holder{User: u.ID}, root).Right == havre.RightManage
		})
		if !others {
			f.LastOf = append(f.LastOf, folder.Name)
		}
	}
	admins := 0
	for i := range b.Users {
		if b.Users[i].IsAdmin() && !b.Users[i].Disabled {
			admins++
		}
	}
	f.LastAdmin = p.User.IsAdmin() && admins == 1
	return f
}

// personForm is what one types about a person.
type personForm struct {
	New                        bool
	Display, Name, Email, Role string
	Expires, Quota             string
	Chosen                     []string // groups
	Groups                     []circle
	Wrong                      string
	Action, Back               string
	expires                    time.Time
	quota                      int64
	role                       store.Role
}

// Has says whether the group is ticked.
func (f *personForm) Has(group string) bool { return slices.Contains(f.Chosen, group) }

// formOf returns the form with what is known of a person.
func formOf(x *exchange, u *store.User) *personForm {
	f := &personForm{
		Display: u.DisplayName, Name: u.Name, Email: u.Email, Role: u.Role.String(),
		Action: personAddress(u.Name) + "/change", Back: personAddress(u.Name),
	}
	if !u.Expires.IsZero() {
		f.Expires = u.Expires.In(x.zone).Add(-time.Second).Format(time.DateOnly)
	}
	if u.Quota >= 0 {
		f.Quota = strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(float64(u.Quota)/1e9, 'f', 3, 64), "0"), ".")
		if x.lang == "fr" {
			f.Quota = strings.Replace(f.Quota, ".", ",", 1)
		}
	}
	return f
}

// readPersonForm reads the form; Wrong says what is wrong with it.
func (x *exchange) readPersonForm() *personForm {
	v := func(name string) string { return strings.TrimSpace(x.r.PostFormValue(name)) }
	f := &personForm{Display: v("display"), Name: v("name"), Email: v("email"), Role: v("role"), Expires: v("expires"), Quota: v("quota"), Chosen: x.r.Form["group"], quota: -1}
	var err error
	if f.role, err = store.ParseRole(f.Role); err != nil {
		f.Wrong = x.t("people.form.wrong.role")
	}
	if f.Expires != "" {
		// The account is open until the end of that day, where the administrator is.
		day, err := time.ParseInLocation(time.DateOnly, f.Expires, x.zone)
		if err != nil || day.Year() < 2000 || day.Year() > 9999 {
			f.Wrong = x.t("people.form.wrong.date")
		} else {
			f.expires = day.AddDate(0, 0, 1)
		}
	}
	if f.Quota != "" {
		var ok bool
		if f.quota, ok = readGigabytes(f.Quota); !ok {
			f.Wrong = x.t("people.form.wrong.quota")
		}
	}
	return f
}

// readGigabytes reads a number of them, with a point or a comma, as bytes.
func readGigabytes(text string) (bytes int64, ok bool) {
	gb, err := strconv.ParseFloat(strings.Replace(text, ",", ".", 1), 64)
	if err != nil || !(gb >= 0 && gb <= 1e6) {
		return -1, false
	}
	return int64(gb * 1e9), true
}
