package web

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
)

// accessRoutes are the pane of who reaches a place, for who manages it.
func (s *Server) accessRoutes() []route {
	return []route{
		{pattern: "GET /access/{folder}/{path...}", need: needManage, handle: s.showAccess},
		{pattern: "POST /access/{folder}/{path...}", need: needManage, handle: s.changeAccess},
	}
}

// accessPane is what the pane shows, beside a directory or alone.
type accessPane struct {
	Folder, Path, Name  string
	Place               string // encoded, for the form
	Action, Close       string // addresses
	Manage, Write, Read int    // people, as it will be
	Here, Above         []accessLine
	Candidates          []candidate
	Everybody           []candidate // whose eyes one can borrow
	Added               []string    // changes that wait and have no line of their own in Here: none, kept for the form
	Pending             int
	Seen                string // names the changes whose effect is shown
	Effects             []effectGroup
	Typed, Wrong        string
	Alone               bool // on a page of its own
}

// accessLine is a person or a group with a right.
type accessLine struct {
	Key, Name, Note string
	Group           bool
	Right           havre.Right
	Set             bool
	Changed, New    bool
	Was             havre.Right // before the change
	From            string      // the place above that it is from
	Replaced        bool        // by what is set here
	options         string
}

// Option returns the change that a choice in the line stands for: a right, or "-" for as above.
func (l accessLine) Option(right string) string { return l.Key + " " + right + " " + l.options }

// Chosen says whether the choice is the line's.
func (l accessLine) Chosen(right string) bool {
	if !l.Set {
		return right == "-"
	}
	return right == string('0'+rune(l.Right))
}

// People returns how many people reach the place.
func (p *accessPane) People() int { return p.Manage + p.Write + p.Read }

// placeOf returns the folder and the path that the address names.
func (x *exchange) placeOf() (*store.Folder, hub.GrantPlace, error) {
	f, err := x.folderNamed(x.r.PathValue("folder"))
	if err != nil {
		return nil, hub.GrantPlace{}, err
	}
	path := strings.Trim(x.r.PathValue("path"), "/")
	if _, err := svn.CheckPath(path); err != nil && path != "" {
		return nil, hub.GrantPlace{}, notFound()
	}
	return f, hub.GrantPlace{Folder: f.ID, Path: svn.Path(path)}, nil
}

// showAccess shows the pane as a page of its own.
func (s *Server) showAccess(x *exchange) error {
	if as := x.r.URL.Query().Get("as"); as != "" {
		return x.redirect(seeAsAddress(as, x.r.PathValue("folder"), strings.Trim(x.r.PathValue("path"), "/")))
	}
	p, err := x.access(draft{})
	if err != nil {
		return err
	}
	return x.accessPage(200, p)
}

// accessPage answers with the pane, as a page or as the fragment that replaces it.
func (x *exchange) accessPage(status int, p *accessPane) error {
	p.Alone = true
	if x.htmx() && x.r.Header.Get("Hx-Target") == "access" {
		p.Alone = x.r.PostFormValue("beside") == ""
		return x.fragment("rights/access", "access-pane", p)
	}
	crumbs := []crumb{{Name: p.Folder, Address: folderAddress(p.Folder, "")}}
	if p.Path != "" {
		crumbs = append(crumbs, crumb{Name: p.Name, Address: folderAddress(p.Folder, p.Path)})
	}
	return x.pageStatus(status, "rights/access", page{Title: x.t("access.title", "name", p.Name), Nav: navFiles, At: "folder:" + p.Folder, Crumbs: crumbs, Data: p})
}

// accessOf returns the pane for a directory page: for the place that its address names, which the
// person manages or administers.
func (x *exchange) accessOf() (*accessPane, error) { return x.access(draft{}) }

// access computes the pane with the changes that wait.
func (x *exchange) access(d draft) (*accessPane, error) {
	f, place, err := x.placeOf()
	if err != nil {
		return nil, err
	}
	if err := x.mayManage(place); err != nil {
		return nil, err
	}
	before, err := x.hub.FolderBook(x.ctx(), f.ID)
	if err != nil {
		return nil, err
	}
	// What is not about this place is not this pane's business.
	d.pending = slices.DeleteFunc(d.pending, func(c store.GrantChange) bool {
		return c.Grant.Folder != place.Folder || c.Grant.Path != place.Path
	})
	d.prune(before)
	p := &accessPane{
		Folder: f.Name, Path: string(place.Path), Name: f.Name, Place: placeKey(place),
		Action: "/access" + strings.TrimPrefix(folderAddress(f.Name, string(place.Path)), "/f"),
		Close:  folderAddress(f.Name, string(place.Path)), Wrong: d.wrong, Typed: d.query, Pending: len(d.pending), Seen: seenKey(d.pending),
	}
	if place.Path != "" {
		p.Name = place.Path.Name()
	}
	after := before.With(d.pending)
	p.lines(x, before, after, place, &d)
	for i := range after.Users {
		if u := &after.Users[i]; !u.Closed(x.now) {
			switch after.At(hub.Holder{User: u.ID}, place).Right {
			case havre.RightManage:
				p.Manage++
			case havre.RightWrite:
				p.Write++
			case havre.RightRead:
				p.Read++
			case havre.RightNone:
			}
		}
	}
	if len(d.pending) > 0 {
		p.Effects, err = x.effects(before, d.pending)
	}
	return p, err
}

// mayManage fails unless this person may set rights at the place.
func (x *exchange) mayManage(p hub.GrantPlace) error {
	if x.session.Admin() {
		return nil
	}
	may, err := x.hub.MayManage(x.ctx(), x.caller(), p.Folder, p.Path)
	if err == nil && !may {
		err = notFound()
	}
	return err
}

func seenKey(changes []store.GrantChange) string {
	keys := make([]string, len(changes))
	for i, c := range changes {
		keys[i] = changeKey(c)
	}
	slices.Sort(keys)
	return strings.Join(keys, "\n")
}

// lines fills in who has a right here, and from above.
func (p *accessPane) lines(x *exchange, before, after *hub.Book, place hub.GrantPlace, d *draft) {
	changed := map[hub.Holder]bool{}
	for _, c := range d.pending {
		changed[hub.Holder{User: c.Grant.User, Group: c.Grant.Group}] = true
	}
	taken := map[hub.Holder]bool{}
	for _, h := range holders(after) {
		now, was := after.At(h, place), before.At(h, place)
		if !now.Set && !was.Set {
			continue
		}
		taken[h] = true
		l := x.accessLine(after, h, place)
		l.Right, l.Set, l.Changed, l.New, l.Was = now.Right, now.Set, changed[h], !was.Set, was.Right
		p.Here = append(p.Here, l)
	}
	for _, h := range holders(after) {
		grant, from, ok := nearestAbove(after, h, place)
		if !ok {
			continue
		}
		l := x.accessLine(after, h, place)
		l.Right, l.From, l.Replaced = grant.Right, p.Folder, after.At(h, place).Set
		if from != "" {
			l.From = from.Name()
		}
		p.Above = append(p.Above, l)
	}
	order := func(a, b accessLine) int {
		return cmp.Or(btoi(b.Group)-btoi(a.Group), strings.Compare(plain(a.Name), plain(b.Name)))
	}
	slices.SortStableFunc(p.Here, order)
	slices.SortStableFunc(p.Above, order)
	for i := range after.Groups {
		if g := &after.Groups[i]; !taken[hub.Holder{Group: g.ID}] {
			p.Candidates = append(p.Candidates, candidate{Value: g.Name, Label: g.Name, Group: true, People: after.People(g.ID)})
		}
	}
	for i := range after.Users {
		u := &after.Users[i]
		if !u.Disabled {
			p.Everybody = append(p.Everybody, candidate{Value: u.Name, Label: u.DisplayName})
		}
		if !u.Disabled && !taken[hub.Holder{User: u.ID}] {
			p.Candidates = append(p.Candidates, candidate{Value: u.Name, Label: u.DisplayName})
		}
	}
}

func (x *exchange) accessLine(b *hub.Book, h hub.Holder, place hub.GrantPlace) accessLine {
	l := accessLine{Key: holderKey(h), Name: holderName(b, h), Group: h.Group != "", options: placeKey(place)}
	if l.Group {
		l.Note = x.t("access.group", "n", b.People(h.Group))
		return l
	}
	for i := range b.Users {
		if u := &b.Users[i]; u.ID == h.User {
			l.Note = cmp.Or(u.Email, u.Name)
			if u.Closed(x.now) {
				l.Note += " · " + x.t("people.tag.suspended")
			}
		}
	}
	return l
}

// holders returns all groups and people who have a right set somewhere in the book.
func holders(b *hub.Book) []hub.Holder {
	var all []hub.Holder
	seen := map[hub.Holder]bool{}
	for _, g := range b.Grants {
		h := hub.Holder{User: g.User, Group: g.Group}
		if !seen[h] && holderName(b, h) != "" {
			seen[h] = true
			all = append(all, h)
		}
	}
	return all
}

// nearestAbove returns what is set for exactly this holder at the nearest place above.
func nearestAbove(b *hub.Book, h hub.Holder, place hub.GrantPlace) (store.Grant, svn.Path, bool) {
	var best store.Grant
	found := false
	for _, g := range b.Grants {
		if g.Folder != place.Folder || g.Path == place.Path || g.User != h.User || g.Group != h.Group {
			continue
		}
		if _, above := place.Path.Rel(g.Path); above && (!found || len(g.Path) > len(best.Path)) {
			best, found = g, true
		}
	}
	return best, best.Path, found
}

// changeAccess shows the effect of what the form says, and applies it if that effect was shown before.
func (s *Server) changeAccess(x *exchange) error {
	if err := x.parseForm(); err != nil {
		return err
	}
	v := x.r.Form
	d := readDraft(url.Values{"p": v["r"]})
	f, place, err := x.placeOf()
	if err != nil {
		return err
	}
	if err := x.mayManage(place); err != nil {
		return err
	}
	b, err := x.hub.FolderBook(x.ctx(), f.ID)
	if err != nil {
		return err
	}
	d.pending = slices.DeleteFunc(d.pending, func(c store.GrantChange) bool {
		return c.Grant.Folder != place.Folder || c.Grant.Path != place.Path
	})
	// The way back of a toast is applied at once: its effect is the one that was just undone.
	if back := v["p"]; len(back) > 0 {
		d = readDraft(url.Values{"p": back})
		d.prune(b)
		if err := x.apply(b, d.pending, x.r.URL.Path); err != nil {
			return err
		}
		return x.redirect(x.back(folderAddress(f.Name, string(place.Path))))
	}
	if v.Has("discard") {
		d.pending = nil
	}
	if who := strings.TrimSpace(v.Get("add")); who != "" && !v.Has("discard") {
		d.add(x, b, place, who, v.Get("right"))
	}
	d.prune(b)
	if v.Has("apply") && d.wrong == "" && len(d.pending) > 0 && seenKey(d.pending) == strings.ReplaceAll(v.Get("seen"), "\r\n", "\n") {
		if err := x.apply(b, d.pending, x.r.URL.Path); err != nil {
			return err
		}
		return x.redirect(x.back(x.r.URL.Path))
	}
	p, err := x.access(d)
	if err != nil {
		return err
	}
	status := 200
	if d.wrong != "" {
		status = 422
	}
	return x.accessPage(status, p)
}

// add adds what was typed into the field for a person or group.
func (d *draft) add(x *exchange, b *hub.Book, place hub.GrantPlace, who, right string) {
	h, ok := findHolder(b, who)
	c, valid := readChange(holderKey(h) + " " + right + " " + placeKey(place))
	if !ok || !valid {
		d.query, d.wrong = who, x.t("access.unknown", "name", who)
		return
	}
	d.put(c)
}

// findHolder returns the group ("@name" or a name that no person has) or the person that was typed.
func findHolder(b *hub.Book, name string) (hub.Holder, bool) {
	rest, group := strings.CutPrefix(name, "@")
	var found hub.Holder
	n := 0
	for i := range b.Users {
		u := &b.Users[i]
		switch {
		case group:
		case store.SameName(u.Name, name):
			return hub.Holder{User: u.ID}, true
		case store.SameName(u.DisplayName, name), u.Email != "" && store.SameName(u.Email, name):
			found = hub.Holder{User: u.ID}
			n++
		}
	}
	if n > 0 {
		return found, n == 1
	}
	for i := range b.Groups {
		if store.SameName(b.Groups[i].Name, rest) {
			return hub.Holder{Group: b.Groups[i].ID}, true
		}
	}
	return hub.Holder{}, false
}
