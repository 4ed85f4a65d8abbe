package web

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
)

// rightsSetter sets rights: an administrator anywhere, a manager where he manages.
type rightsSetter interface {
	SetGrants(ctx context.Context, changes []hub.Pending) error
	Effect(ctx context.Context, changes []hub.Pending) ([]hub.EffectLine, error)
}

// setter returns what sets rights in the name of this person.
func (x *exchange) setter() rightsSetter {
	if x.session.Admin() {
		return x.admin()
	}
	return x.hub.Manager(x.caller())
}

func pendings(changes []store.GrantChange) []hub.Pending {
	list := make([]hub.Pending, len(changes))
	for i, c := range changes {
		list[i] = hub.Pending(c)
	}
	return list
}

// effectGroup is what changes mean for some people alike.
type effectGroup struct {
	Text string
	Lose bool // somebody loses something
}

// effects says in sentences what the changes would do.
func (x *exchange) effects(b *hub.Book, changes []store.GrantChange) ([]effectGroup, error) {
	lines, err := x.setter().Effect(x.ctx(), pendings(changes))
	if err != nil {
		return nil, err
	}
	type kind struct {
		folder       havre.FolderID
		path         svn.Path
		before, then havre.Right
	}
	groups, order := map[kind][]hub.EffectLine{}, []kind{}
	for _, l := range lines {
		if !l.Gains() && !l.Loses() {
			continue
		}
		k := kind{l.Folder, l.Path, l.Before.Right, l.After.Right}
		if groups[k] == nil {
			order = append(order, k)
		}
		groups[k] = append(groups[k], l)
	}
	// Who loses comes first: that is what one should not overlook.
	slices.SortStableFunc(order, func(a, b kind) int { return cmp.Compare(btoi(a.then > a.before), btoi(b.then > b.before)) })
	var all []effectGroup
	for _, k := range order {
		all = append(all, effectGroup{Text: x.effectText(b, groups[k]), Lose: k.then < k.before})
	}
	if len(all) == 0 {
		all = append(all, effectGroup{Text: x.t("rights.effect.nothing")})
	}
	return append(all, x.warnings(b, changes)...), nil
}

// effectText says what happens to the people of the lines, for whom it is the same.
func (x *exchange) effectText(b *hub.Book, lines []hub.EffectLine) string {
	l := lines[0]
	place := l.FolderName
	if parts := pathParts(l.Path); len(parts) > 0 {
		place = parts[len(parts)-1]
	}
	devices, items := 0, 0
	for i := range lines {
		devices += lines[i].Devices
		items = max(items, lines[i].Items)
	}
	who := x.t("rights.effect.people", "n", len(lines))
	switch {
	case len(lines) == 1:
		who = holderName(b, hub.Holder{User: l.User})
	case len(l.Before.Through) > 0 && sameThrough(lines):
		who = x.t("rights.effect.of", "n", len(lines), "group", l.Before.Through[0])
	}
	args := []any{"n", len(lines), "who", who, "place", place}
	var text string
	switch {
	case l.Erased():
		text = x.t("rights.effect.gone", args...)
		if devices > 0 {
			text += x.t("rights.effect.erased", "n", devices, "items", x.t("rights.effect.items", "n", items))
		}
	case l.Loses():
		text = x.t("rights.effect.less."+rightKey(l.After.Right), args...)
	case l.Before.Right == havre.RightNone && items > 0:
		text = x.t("rights.effect.more."+rightKey(l.After.Right)+".items", append(args, "items", x.t("rights.effect.items", "n", items))...)
	default:
		text = x.t("rights.effect.more."+rightKey(l.After.Right), args...)
	}
	return text + x.t("rights.effect.end")
}

// sameThrough says whether all lines had their right through the same group.
func sameThrough(lines []hub.EffectLine) bool {
	for i := range lines {
		if t := lines[i].Before.Through; len(t) == 0 || t[0] != lines[0].Before.Through[0] {
			return false
		}
	}
	return true
}

// warnings says where nobody is left who manages, and where this person shuts himself out.
func (x *exchange) warnings(b *hub.Book, changes []store.GrantChange) []effectGroup {
	after := b.With(changes)
	var all []effectGroup
	for _, f := range b.Folders {
		if !slices.ContainsFunc(changes, func(c store.GrantChange) bool { return c.Grant.Folder == f.ID }) {
			continue
		}
		root := hub.GrantPlace{Folder: f.ID}
		if managed(b, root) && !managed(after, root) {
			all = append(all, effectGroup{Lose: true, Text: x.t("rights.warn.last", "folder", f.Name)})
			continue
		}
		me := hub.Holder{User: x.session.User.ID}
		for _, c := range changes {
			p := hub.GrantPlace{Folder: c.Grant.Folder, Path: c.Grant.Path}
			if p.Folder == f.ID && b.At(me, p).Right == havre.RightManage && after.At(me, p).Right < havre.RightManage {
				all = append(all, effectGroup{Lose: true, Text: x.t("rights.warn.you", "place", newRow(p, folderNames(b)).Path)})
				break
			}
		}
	}
	return all
}

// managed says whether somebody whose account is open manages the place.
func managed(b *hub.Book, p hub.GrantPlace) bool {
	return slices.ContainsFunc(b.Users, func(u store.User) bool {
		return !u.Disabled && b.At(hub.Holder{User: u.ID}, p).Right == havre.RightManage
	})
}

// applyRights makes the changes of the form, all or none.
func (s *Server) applyRights(x *exchange) error {
	if err := x.parseForm(); err != nil {
		return err
	}
	d := readDraft(x.r.Form)
	b, err := x.book()
	if err != nil {
		return err
	}
	d.prune(b)
	base := "/admin/rights"
	if x.r.PathValue("folder") != "" {
		base = rightsAddress(b.Folders[0].Name)
	}
	back := base
	if d.by == "people" {
		back += "?by=people"
	}
	if err := x.apply(b, d.pending, base+"/apply"); err != nil {
		return err
	}
	return x.redirect(back)
}

// apply makes the changes and lets the next page offer the way back, which is posted to action.
func (x *exchange) apply(b *hub.Book, changes []store.GrantChange, action string) error {
	if len(changes) == 0 {
		return nil
	}
	if err := x.setter().SetGrants(x.ctx(), pendings(changes)); err != nil {
		return err
	}
	var back *undo
	if len(changes) == 1 {
		back = &undo{Action: action, Fields: map[string]string{"p": changeKey(opposite(b, changes[0]))}}
	}
	x.toast(x.t("rights.applied", "n", len(changes)), back)
	return nil
}

// opposite returns the change that brings back what the book has.
func opposite(b *hub.Book, c store.GrantChange) store.GrantChange {
	i := slices.IndexFunc(b.Grants, func(g store.Grant) bool { return g.SameHolder(&c.Grant) })
	if i < 0 {
		return store.GrantChange{Grant: c.Grant, Remove: true}
	}
	return store.GrantChange{Grant: b.Grants[i]}
}

// exportRights sends all rights that are set as a table.
func (s *Server) exportRights(x *exchange) error {
	b, err := x.book()
	if err != nil {
		return err
	}
	names := folderNames(b)
	rows := [][]string{{x.t("rights.folder"), x.t("rights.path"), x.t("rights.kind"), x.t("rights.who"), x.t("rights.right"), x.t("rights.since"), x.t("rights.by")}}
	for _, g := range b.Grants {
		kind := x.t("rights.kind.person")
		if g.Group != "" {
			kind = x.t("rights.kind.group")
		}
		rows = append(rows, []string{
			names[g.Folder], string(g.Path), kind, holderName(b, hub.Holder{User: g.User, Group: g.Group}),
			x.t("rights.can." + rightKey(g.Right)), g.Created.In(x.zone).Format("2006-01-02 15:04"), g.By,
		})
	}
	slices.SortStableFunc(rows[1:], func(a, b []string) int { return strings.Compare(a[0], b[0]) })
	return x.sendTable(x.t("rights.export.file"), rows)
}

// sendTable answers with a table for a spreadsheet.
func (x *exchange) sendTable(name string, rows [][]string) error {
	b, err := safeTable(rows)
	if err != nil {
		return err
	}
	h := x.w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="`+name+`.csv"`)
	h.Set("Cache-Control", "no-store")
	x.w.WriteHeader(http.StatusOK)
	_, err = x.w.Write(b)
	return err
}
