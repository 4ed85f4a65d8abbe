package web

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
)

// groupsRoutes are the pages of groups.
func (s *Server) groupsRoutes() []route {
	return []route{
		{pattern: "GET /admin/groups", need: needAdmin, handle: s.showGroups},
		{pattern: "POST /admin/groups", need: needAdmin, handle: s.addGroup},
		{pattern: "GET /admin/groups/{group}", need: needAdmin, handle: s.showGroups},
		{pattern: "POST /admin/groups/{group}/rename", need: needAdmin, handle: s.renameGroup},
		{pattern: "POST /admin/groups/{group}/delete", need: needAdmin, handle: s.deleteGroup},
		{pattern: "POST /admin/groups/{group}/members", need: needAdmin, handle: s.changeMembers},
	}
}

// circle is a group with what is known about it in the whole.
type circle struct {
	store.Group
	People int      // in it, at whatever depth
	Depth  int      // in the list, 0 or 1
	In     []string // names of the groups that it is in directly
	Link   string
}

// directory is everybody and all groups at one moment.
type directory struct {
	users  []store.User
	groups []circle
	byUser map[havre.UserID]*store.User
	byID   map[string]*circle
}

// directory reads the people and groups.
func readDirectory(ctx context.Context, a *hub.Admin) (*directory, error) {
	d := &directory{byUser: map[havre.UserID]*store.User{}, byID: map[string]*circle{}}
	var err error
	if d.users, err = a.Users(ctx); err != nil {
		return nil, err
	}
	groups, err := a.Groups(ctx)
	if err != nil {
		return nil, err
	}
	for i := range d.users {
		d.byUser[d.users[i].ID] = &d.users[i]
	}
	for _, g := range groups {
		d.groups = append(d.groups, circle{Group: g, Link: groupAddress(g.Name)})
	}
	for i := range d.groups {
		d.byID[d.groups[i].ID] = &d.groups[i]
	}
	for i := range d.groups {
		for _, m := range d.groups[i].Groups {
			if inner := d.byID[m]; inner != nil {
				inner.In = append(inner.In, d.groups[i].Name)
			}
		}
		d.groups[i].People = len(d.inside(&d.groups[i]))
	}
	return d, nil
}

// inside returns the users in the group, at whatever depth. A circle that somebody wrote into the
// database ends it like any other group that was seen already.
func (d *directory) inside(g *circle) map[havre.UserID]bool {
	all, seen, todo := map[havre.UserID]bool{}, map[string]bool{}, []*circle{g}
	for len(todo) > 0 {
		c := todo[0]
		todo = todo[1:]
		if c == nil || seen[c.ID] {
			continue
		}
		seen[c.ID] = true
		for _, u := range c.Members {
			all[u] = true
		}
		for _, m := range c.Groups {
			todo = append(todo, d.byID[m])
		}
	}
	return all
}

// groupsOf returns the groups that the user is directly in, by name.
func (d *directory) groupsOf(user havre.UserID) []*circle {
	var in []*circle
	for i := range d.groups {
		if slices.Contains(d.groups[i].Members, user) {
			in = append(in, &d.groups[i])
		}
	}
	return in
}

// group returns the group with the name, in whatever case.
func (d *directory) group(name string) *circle {
	for i := range d.groups {
		if store.SameName(d.groups[i].Name, name) {
			return &d.groups[i]
		}
	}
	return nil
}

// user returns the person with the sign-in name or, if it is the only one, the display name or address.
func (d *directory) user(name string) *store.User {
	var found *store.User
	for i := range d.users {
		u := &d.users[i]
		if store.SameName(u.Name, name) {
			return u
		}
		if store.SameName(u.DisplayName, name) || (u.Email != "" && store.SameName(u.Email, name)) {
			if found != nil {
				return nil
			}
			found = u
		}
	}
	return found
}

// nested returns the groups as a list in which a group that is in one other only stands below that.
func (d *directory) nested() []circle {
	var list []circle
	for _, g := range d.groups {
		if len(g.In) == 1 {
			continue
		}
		list = append(list, g)
		for _, m := range g.Groups {
			if inner := d.byID[m]; inner != nil && len(inner.In) == 1 {
				list = d.below(list, inner, 1)
			}
		}
	}
	for _, g := range d.groups { // what only a circle reaches
		if !slices.ContainsFunc(list, func(l circle) bool { return l.ID == g.ID }) {
			list = append(list, g)
		}
	}
	return list
}

func (d *directory) below(list []circle, g *circle, depth int) []circle {
	if depth > 8 || slices.ContainsFunc(list, func(l circle) bool { return l.ID == g.ID }) {
		return list
	}
	c := *g
	c.Depth = min(depth, 3)
	list = append(list, c)
	for _, m := range g.Groups {
		if inner := d.byID[m]; inner != nil && len(inner.In) == 1 {
			list = d.below(list, inner, depth+1)
		}
	}
	return list
}

// groupAddress and personAddress return the addresses of pages.
func groupAddress(name string) string  { return "/admin/groups/" + url.PathEscape(name) }
func personAddress(name string) string { return "/admin/people/" + url.PathEscape(name) }

// groupsPage is what the page groups/list shows.
type groupsPage struct {
	Query  string
	List   []circle
	Count  int
	Chosen *circle // nil: none yet
	New    bool    // the form for a new one is open
	Rename bool
	Delete bool
	Name   string // as typed
	Wrong  string

	Members    []store.User
	Inner      []*circle
	Candidates []candidate
	Reaches    []reachLine
	LosePeople int // who has something through the group
}

// candidate is somebody or a group that a field suggests.
type candidate struct {
	Value, Label string
	Group        bool
	People       int
}

// reachLine is a place that a group opens.
type reachLine struct {
	Folder string
	Parts  []string
	Link   string
	Right  havre.Right
}

// showGroups shows the list and, beside it, one group.
func (s *Server) showGroups(x *exchange) error {
	return s.groupsWith(x, x.r.PathValue("group"), func(*groupsPage) {})
}

// groupsWith renders the page for the group with the name; change may add what was typed and what is wrong.
func (s *Server) groupsWith(x *exchange, name string, change func(*groupsPage)) error {
	d, err := readDirectory(x.ctx(), x.admin())
	if err != nil {
		return err
	}
	q := x.r.URL.Query()
	p := groupsPage{Query: strings.TrimSpace(q.Get("q")), Count: len(d.groups), New: q.Has("new"), Rename: q.Has("rename"), Delete: q.Has("delete")}
	for _, g := range d.nested() {
		if matches(p.Query, g.Name) {
			p.List = append(p.List, g)
		}
	}
	if name != "" {
		if p.Chosen = d.group(name); p.Chosen == nil {
			return notFound()
		}
		if err := p.describe(x, d); err != nil {
			return err
		}
	}
	change(&p)
	title := x.t("groups.title")
	if p.Chosen != nil {
		title = p.Chosen.Name
	}
	status := 200
	if p.Wrong != "" {
		status = 422
	}
	return x.pageStatus(status, "groups/list", page{Title: title, Nav: navAdmin, At: "groups", Data: p})
}

// describe fills in what the page shows of the chosen group.
func (p *groupsPage) describe(x *exchange, d *directory) error {
	g := p.Chosen
	for _, id := range g.Members {
		if u := d.byUser[id]; u != nil {
			p.Members = append(p.Members, *u)
		}
	}
	for _, id := range g.Groups {
		if inner := d.byID[id]; inner != nil {
			p.Inner = append(p.Inner, inner)
		}
	}
	for _, u := range d.users {
		if !slices.Contains(g.Members, u.ID) {
			p.Candidates = append(p.Candidates, candidate{Value: u.Name, Label: u.DisplayName})
		}
	}
	for i := range d.groups {
		if o := &d.groups[i]; o.ID != g.ID && !slices.Contains(g.Groups, o.ID) {
			p.Candidates = append(p.Candidates, candidate{Value: o.Name, Label: o.Name, Group: true, People: o.People})
		}
	}
	p.LosePeople = g.People
	folders, err := x.admin().Folders(x.ctx())
	if err != nil {
		return err
	}
	for _, f := range folders {
		if !f.Archived.IsZero() {
			continue
		}
		grants, err := x.admin().Grants(x.ctx(), f.ID)
		if err != nil {
			return err
		}
		for _, grant := range grants {
			if grant.Group == g.ID {
				p.Reaches = append(p.Reaches, reachLine{Folder: f.Name, Parts: pathParts(grant.Path), Link: rightsAddress(f.Name), Right: grant.Right})
			}
		}
	}
	return nil
}

func pathParts(p svn.Path) []string {
	if p == "" {
		return nil
	}
	return strings.Split(string(p), "/")
}

// rightsAddress returns the address of the rights of one folder.
func rightsAddress(folder string) string {
	return "/admin/folders/" + url.PathEscape(folder) + "/rights"
}

// matches says whether all words of the query are in one of the texts, without regard to case and accents.
func matches(query string, in ...string) bool {
	if query == "" {
		return true
	}
	text := plain(strings.Join(in, "\n"))
	for word := range strings.FieldsSeq(plain(query)) {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

// addGroup makes a group.
func (s *Server) addGroup(x *exchange) error {
	name := strings.TrimSpace(x.r.PostFormValue("name"))
	g, err := x.admin().AddGroup(x.ctx(), name)
	if wrong := x.typed(err); wrong != "" {
		return s.groupsWith(x, "", func(p *groupsPage) { p.New, p.Name, p.Wrong = true, name, wrong })
	}
	if err != nil {
		return err
	}
	return x.redirect(groupAddress(g.Name))
}

// typed returns the sentence about what somebody typed wrong, "" for other failures and for none.
func (x *exchange) typed(err error) string {
	switch havre.CodeOf(err) { //nolint:exhaustive // the others are not about what was typed
	case havre.CodeInvalid, havre.CodeExists:
		if err != nil {
			return x.describe(havre.CodeOf(err), err).Text
		}
	}
	return ""
}

// chosenGroup returns the group that the address names.
func (x *exchange) chosenGroup() (*directory, *circle, error) {
	d, err := readDirectory(x.ctx(), x.admin())
	if err != nil {
		return nil, nil, err
	}
	g := d.group(x.r.PathValue("group"))
	if g == nil {
		return nil, nil, notFound()
	}
	return d, g, nil
}

func (s *Server) renameGroup(x *exchange) error {
	_, g, err := x.chosenGroup()
	if err != nil {
		return err
	}
	old, name := g.Name, strings.TrimSpace(x.r.PostFormValue("name"))
	err = x.admin().RenameGroup(x.ctx(), g.ID, name)
	if wrong := x.typed(err); wrong != "" {
		return s.groupsWith(x, old, func(p *groupsPage) { p.Rename, p.Name, p.Wrong = true, name, wrong })
	}
	if err != nil {
		return err
	}
	if old != name {
		x.toast(x.t("groups.renamed", "old", old, "name", name), &undo{Action: groupAddress(name) + "/rename", Fields: map[string]string{"name": old}})
	}
	return x.redirect(groupAddress(name))
}

// deleteGroup deletes a group. What it opened was shown before: the form says so with its number.
func (s *Server) deleteGroup(x *exchange) error {
	_, g, err := x.chosenGroup()
	if err != nil {
		return err
	}
	if err := x.admin().RemoveGroup(x.ctx(), g.ID); err != nil {
		return err
	}
	x.toast(x.t("groups.deleted", "name", g.Name), nil)
	return x.redirect("/admin/groups")
}

// changeMembers adds one person or group, or takes one out.
func (s *Server) changeMembers(x *exchange) error {
	d, g, err := x.chosenGroup()
	if err != nil {
		return err
	}
	back := x.back(groupAddress(g.Name))
	if who := strings.TrimSpace(x.r.PostFormValue("add")); who != "" {
		u, inner := d.named(who)
		if u == nil && inner == nil {
			return s.groupsWith(x, g.Name, func(p *groupsPage) { p.Name, p.Wrong = who, x.t("groups.unknown", "name", who) })
		}
		err := x.setMember(g, u, inner, true)
		if wrong := x.typed(err); wrong != "" {
			return s.groupsWith(x, g.Name, func(p *groupsPage) { p.Name, p.Wrong = who, wrong })
		}
		if err != nil {
			return err
		}
		x.toastMember("groups.added", g, u, inner, "remove")
		return x.redirect(back)
	}
	u, inner := d.named(strings.TrimSpace(x.r.PostFormValue("remove")))
	if u == nil && inner == nil {
		return notFound()
	}
	if err := x.setMember(g, u, inner, false); err != nil {
		return err
	}
	x.toastMember("groups.removed", g, u, inner, "add")
	return x.redirect(back)
}

// named returns who has the name: "@name" is a group for certain, else people come first.
func (d *directory) named(name string) (*store.User, *circle) {
	if rest, ok := strings.CutPrefix(name, "@"); ok {
		return nil, d.group(rest)
	}
	if u := d.user(name); u != nil {
		return u, nil
	}
	return nil, d.group(name)
}

func (x *exchange) setMember(g *circle, u *store.User, inner *circle, member bool) error {
	if u != nil {
		return x.admin().SetMember(x.ctx(), g.ID, u.ID, member)
	}
	return x.admin().SetGroupMember(x.ctx(), g.ID, inner.ID, member)
}

// toastMember says who came or went, with the way back.
func (x *exchange) toastMember(key string, g *circle, u *store.User, inner *circle, field string) {
	var name, value string
	if u != nil {
		name, value = u.DisplayName, u.Name
	} else {
		name, value = inner.Name, "@"+inner.Name
	}
	x.toast(x.t(key, "name", name, "group", g.Name), &undo{Action: g.Link + "/members", Fields: map[string]string{field: value}})
}

// InNames returns the names of the groups that the group is in.
func (c circle) InNames() string { return strings.Join(c.In, ", ") }
