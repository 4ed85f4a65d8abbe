package hub

import (
	"fmt"
	"slices"
	"strings"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/internal/svnaccounts"
	"github.com/havre-cloud/havre/svn"
)

// maxSvnRights bounds the people times the paths of a folder.
const maxSvnRights = 20_000_000

// rights plans those of all folders.
func (p *svnPlanner) rights() error {
	p.makeEveryone()
	p.in = p.groupsOf()
	for i := range p.request.Folders {
		f := svnFolder{svnPlanner: p, SvnFolder: p.request.Folders[i]}
		if err := f.plan(); err != nil {
			return err
		}
	}
	p.aboutRules()
	p.plan.Groups = p.changedGroups()
	p.elsewhere()
	return nil
}

// svnFolder plans the rights of one folder.
type svnFolder struct {
	*svnPlanner
	SvnFolder
	paths []svn.Path    // of the folder, at which the rules say something, in the order of a walk
	kept  []store.Grant // of who manages
	final []store.Grant // as it will be
}

// wish is what a person should have at a path.
type wish struct {
	set   bool // something is said there
	right havre.Right
}

func (f *svnFolder) abs(path svn.Path) svn.Path { return f.Folder.Prefix.Join(string(path)) }

func (f *svnFolder) plan() error {
	f.findPaths()
	if len(f.paths)*len(f.people) > maxSvnRights {
		return invalid("the folder %s would have rights of %d people at %d paths: that is too much", f.Folder.Name, len(f.people), len(f.paths))
	}
	before := f.present()
	for i := range before {
		if before[i].Right >= havre.RightManage || f.stranger(&before[i]) {
			f.kept = append(f.kept, before[i])
		}
	}
	f.final = slices.Clone(f.kept)
	for _, path := range f.paths {
		f.at(path)
	}
	for i := range f.after.Users {
		f.noNewManager(&f.after.Users[i])
	}
	row := SvnRights{SvnFolder: f.SvnFolder, Manage: f.managers()}
	if !f.same(before, f.final) {
		row.Changes = f.changes(before)
	} else {
		f.final = before
	}
	if err := f.verify(); err != nil {
		return err
	}
	for i := range f.final {
		f.everybody = f.everybody || f.final[i].Group == f.everyone.id
	}
	f.svnPlanner.plan.Folders = append(f.svnPlanner.plan.Folders, row)
	return nil
}

// present returns the grants of the folder.
func (f *svnFolder) present() []store.Grant {
	var mine []store.Grant
	for _, g := range f.book.Grants {
		if g.Folder == f.Folder.ID {
			mine = append(mine, g)
		}
	}
	return mine
}

// stranger says whether the grant is of a closed account of whom the files know nothing.
func (f *svnFolder) stranger(g *store.Grant) bool {
	u := f.userByID(g.User)
	return u != nil && u.Closed(f.now) && !f.isPerson(u.ID)
}

// findPaths finds out where in the folder rules begin.
func (f *svnFolder) findPaths() {
	at := map[svn.Path]bool{"": true}
	for i := range f.request.Authz.Rules {
		r := &f.request.Authz.Rules[i]
		if rel, in := r.Path.Rel(f.Folder.Prefix); in && f.about(r) {
			at[rel] = true
		}
	}
	for path := range at {
		f.paths = append(f.paths, path)
	}
	slices.SortFunc(f.paths, svn.Path.Compare)
}

// about says whether the rule is about the folder's repository.
func (f *svnFolder) about(r *svnaccounts.Rule) bool { return r.Repo == "" || r.Repo == f.Repo }

// at chooses the grants at one path: groups as the rules have them, and people where groups do not come to the same.
func (f *svnFolder) at(path svn.Path) {
	wishes := make([]wish, len(f.people))
	for i, who := range f.people {
		wishes[i] = f.wish(path, who.name)
	}
	groups := f.better(path, wishes, f.candidates(path))
	for _, g := range groups {
		f.add(store.Grant{Folder: f.Folder.ID, Path: path, Group: g.id, Right: g.right})
	}
	for i, who := range f.people {
		right, differs := f.own(who, wishes[i], groups)
		if differs || wishes[i].set && f.manages(path, who) {
			f.addOwn(path, who, right)
		}
	}
}

// searchCost bounds how long better looks, in looks at a person and a group.
const searchCost = 100_000

// better returns the groups with which the fewest people need a right of their own: without some of them, or with
// other rights.
func (f *svnFolder) better(path svn.Path, wishes []wish, groups []groupRight) []groupRight {
	best := f.cost(wishes, groups)
	for budget := searchCost; best > 0; {
		next := groups
		for _, other := range f.alternatives(path, groups) {
			if budget -= len(f.people) * len(groups); budget < 0 {
				return groups
			}
			if n := f.cost(wishes, other); n < best {
				next, best = other, n
			}
		}
		if slices.Equal(next, groups) {
			break
		}
		groups = next
	}
	return groups
}

// alternatives returns the groups without one of them, and with another right for one of them. Only that of everybody
// may be above that of the file: who comes into another group later gets no more than the file says.
func (f *svnFolder) alternatives(path svn.Path, groups []groupRight) [][]groupRight {
	var all [][]groupRight
	for i := range groups {
		for right := havre.RightNone; right <= havre.RightWrite; right++ {
			allowed := right < groups[i].right || groups[i].id == f.everyone.id
			if right != groups[i].right && allowed && (path != "" || right > havre.RightNone) {
				other := slices.Clone(groups)
				other[i].right = right
				all = append(all, other)
			}
		}
		all = append(all, slices.Delete(slices.Clone(groups), i, i+1))
	}
	return all
}

// wish returns what the rules say to a person at a path of the folder.
func (f *svnFolder) wish(path svn.Path, name string) wish {
	rules, abs := f.request.Authz, f.abs(path)
	w := wish{right: f.least(f.Repo, abs, name)}
	if path == "" {
		w.set = w.right > havre.RightNone
		return w
	}
	_, w.set = rules.At(f.Repo, abs, name)
	for _, r := range rules.Patterns(f.Repo) {
		if !w.set && r.Path == abs && f.request.Patterns != SvnPatternsLeaveOut {
			w.set = slices.ContainsFunc(r.Grants, func(g svnaccounts.Grant) bool { return rules.Fits(&g, name) })
		}
	}
	return w
}

// groupRight is a grant to a group that may be made.
type groupRight struct {
	id    string
	right havre.Right
}

// candidates returns what the rules give to groups at a path, or for the folder itself, at the nearest path upwards.
func (f *svnFolder) candidates(path svn.Path) []groupRight {
	var groups []groupRight
	add := func(id string, right havre.Right) {
		known := slices.ContainsFunc(groups, func(g groupRight) bool { return g.id == id })
		if !known && (path != "" || right > havre.RightNone) {
			groups = append(groups, groupRight{id, right})
		}
	}
	for abs := f.abs(path); ; abs = abs.Dir() {
		for _, r := range f.request.Authz.RuleAt(f.Repo, abs) {
			for i := range r.Grants {
				switch g := &r.Grants[i]; {
				case g.To == svnaccounts.ToGroup && !g.Inverted:
					if own := f.groupNamed(g.Name); own != nil {
						add(own.id, g.Right)
					}
				case g.To != svnaccounts.ToAnonymous && (g.Inverted || g.To != svnaccounts.ToUser):
					add(f.everyone.id, g.Right)
				}
			}
		}
		if path != "" || abs == "" {
			return groups
		}
	}
}

func (p *svnPlanner) groupNamed(name string) *SvnGroup {
	for _, g := range p.groups {
		if store.SameName(g.Name, name) {
			return g
		}
	}
	return nil
}

// cost grows with the people for whom the groups do not come to what they should have, and a little with groups that
// get nothing, which matter only where they take away.
func (f *svnFolder) cost(wishes []wish, groups []groupRight) int {
	n := 0
	for i, who := range f.people {
		if _, differs := f.own(who, wishes[i], groups); differs {
			n += 2
		}
	}
	for _, g := range groups {
		if g.right == havre.RightNone {
			n++
		}
	}
	return n
}

// own returns the right that a person needs besides those of the groups, if any.
func (f *svnFolder) own(who *svnPerson, w wish, groups []groupRight) (right havre.Right, differs bool) {
	var got wish
	for _, g := range groups {
		if f.in[who.user.ID][g.id] {
			got = wish{true, max(got.right, g.right)}
		}
	}
	// Without a line the right is that of the path above.
	return w.right, got.set && got.right != w.right || !got.set && w.set
}

// add adds a grant unless the same holder manages there.
func (f *svnFolder) add(g store.Grant) {
	if !slices.ContainsFunc(f.kept, func(k store.Grant) bool { return k.SameHolder(&g) }) {
		f.final = append(f.final, g)
	}
}

// manages says whether a person manages a path of the folder now.
func (f *svnFolder) manages(path svn.Path, who *svnPerson) bool {
	return f.book.reachOf(Holder{User: who.user.ID}, f.Folder.ID).right(path) >= havre.RightManage
}

// addOwn adds a grant to a person. Where managing begins it stays; below, who may write goes on to manage.
func (f *svnFolder) addOwn(path svn.Path, who *svnPerson, right havre.Right) {
	if f.reach(f.kept, who.user.ID).at[path] >= havre.RightManage {
		return
	}
	if right == havre.RightWrite && f.manages(path, who) {
		right = havre.RightManage
	}
	f.add(store.Grant{Folder: f.Folder.ID, Path: path, User: who.user.ID, Right: right})
}

// noNewManager makes sure that nobody manages through what is kept who did not before: a grant that kept the person from
// it may be gone, or the groups are others.
func (f *svnFolder) noNewManager(u *store.User) {
	if f.stranger(&store.Grant{User: u.ID}) {
		return
	}
	before, after := f.book.reachOf(Holder{User: u.ID}, f.Folder.ID), f.reach(f.final, u.ID)
	paths := slices.Concat(before.paths, after.paths)
	slices.SortFunc(paths, svn.Path.Compare)
	for _, path := range slices.Compact(paths) {
		if after.right(path) < havre.RightManage || before.right(path) >= havre.RightManage {
			continue
		}
		right := havre.RightNone
		if who := f.byID[u.ID]; who != nil {
			right = f.least(f.Repo, f.abs(path), who.name)
		}
		g := store.Grant{Folder: f.Folder.ID, Path: path, User: u.ID, Right: right}
		f.final = append(slices.DeleteFunc(f.final, func(o store.Grant) bool { return o.SameHolder(&g) }), g)
		after = f.reach(f.final, u.ID)
	}
}

// reach returns what a person may do with the grants, once the groups are as they will be.
func (f *svnFolder) reach(grants []store.Grant, user havre.UserID) *reach {
	var mine []store.Grant
	for i := range grants {
		if g := &grants[i]; g.User == user || g.Group != "" && f.in[user][g.Group] {
			mine = append(mine, *g)
		}
	}
	return newReach(mine, f.Folder.ID)
}

// same says whether everybody may do the same with both.
func (f *svnFolder) same(a, b []store.Grant) bool {
	for i := range f.after.Users {
		id := f.after.Users[i].ID
		if f.stranger(&store.Grant{User: id}) {
			continue
		}
		ra, rb := f.reach(a, id), f.reach(b, id)
		for _, paths := range [][]svn.Path{ra.paths, rb.paths} {
			for _, path := range paths {
				if ra.right(path) != rb.right(path) {
					return false
				}
			}
		}
	}
	return true
}

// changes returns what is to be done.
func (f *svnFolder) changes(before []store.Grant) []SvnChange {
	find := func(all []store.Grant, g *store.Grant) *store.Grant {
		if i := slices.IndexFunc(all, func(o store.Grant) bool { return o.SameHolder(g) }); i >= 0 {
			return &all[i]
		}
		return nil
	}
	var all []SvnChange
	for i := range f.final {
		g := &f.final[i]
		was := find(before, g)
		if was != nil && was.Right == g.Right {
			continue
		}
		c := f.named(g)
		c.After = g.Right
		if was != nil {
			c.Had, c.Before = true, was.Right
		}
		all = append(all, c)
	}
	for i := range before {
		if g := &before[i]; find(f.final, g) == nil {
			c := f.named(g)
			c.Had, c.Before, c.Remove = true, g.Right, true
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b SvnChange) int {
		if by := a.Path.Compare(b.Path); by != 0 {
			return by
		}
		if (a.Group == "") != (b.Group == "") {
			return map[bool]int{true: 1, false: -1}[a.Group == ""]
		}
		return strings.Compare(store.NameKey(a.Group+a.User), store.NameKey(b.Group+b.User))
	})
	return all
}

// named says by name who has the grant.
func (f *svnFolder) named(g *store.Grant) SvnChange {
	c := SvnChange{Path: g.Path}
	for i := range f.after.Users {
		if f.after.Users[i].ID == g.User {
			c.User = f.after.Users[i].Name
		}
	}
	for i := range f.after.Groups {
		if f.after.Groups[i].ID == g.Group {
			c.Group = f.after.Groups[i].Name
		}
	}
	return c
}

// managers says who manages what.
func (f *svnFolder) managers() []string {
	var all []string
	for i := range f.kept {
		if f.kept[i].Right < havre.RightManage {
			continue
		}
		c := f.named(&f.kept[i])
		name := c.User
		if c.Group != "" {
			name = "@" + c.Group
		}
		if c.Path != "" {
			name += " at /" + string(c.Path)
		}
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// verify makes sure that the plan is right: nobody gets anything else than the rules say, but who manages.
func (f *svnFolder) verify() error {
	for _, who := range f.people {
		r := f.reach(f.final, who.user.ID)
		for _, path := range f.paths {
			want := f.least(f.Repo, f.abs(path), who.name)
			if got := r.right(path); got != want && got < havre.RightManage {
				return fmt.Errorf("plan the rights of %s in the folder %s at /%s: %v instead of %v", who.name, f.Folder.Name, path, got, want)
			}
		}
	}
	for i := range f.after.Users {
		u := &f.after.Users[i]
		if f.isPerson(u.ID) || u.Closed(f.now) {
			continue
		}
		r := f.reach(f.final, u.ID)
		for _, path := range r.paths {
			if got := r.right(path); got > havre.RightNone && got < havre.RightManage {
				return fmt.Errorf("plan the rights of %s in the folder %s at /%s: %v without a rule", u.Name, f.Folder.Name, path, got)
			}
		}
	}
	return nil
}
