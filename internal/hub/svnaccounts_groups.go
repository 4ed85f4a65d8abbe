package hub

import (
	"slices"
	"strings"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/internal/svnaccounts"
)

// svnEveryone is the group of all people of the files, for * and lines that are inverted.
const svnEveryone = "Subversion users"

// findGroups finds out which groups there will be and who will be in them.
func (p *svnPlanner) findGroups() {
	keys := map[string]string{}
	for i := range p.request.Authz.Groups {
		g := &p.request.Authz.Groups[i]
		if err := store.CheckGroupName(g.Name); err != nil {
			p.refuse(SvnFileAuthz, g.Line, "the group %q cannot be taken over: %v", g.Name, err)
			continue
		}
		if other, twice := keys[store.NameKey(g.Name)]; twice {
			p.refuse(SvnFileAuthz, g.Line, "%s and %s are two groups for Subversion and one here: rename one of them", g.Name, other)
			continue
		}
		keys[store.NameKey(g.Name)] = g.Name
		p.groups = append(p.groups, p.group(g.Name, g.Users, g.Groups))
	}
	slices.SortFunc(p.groups, func(a, b *SvnGroup) int { return strings.Compare(store.NameKey(a.Name), store.NameKey(b.Name)) })
	p.after = p.book.withGroups(func(all []store.Group) []store.Group {
		for _, g := range p.groups {
			all = putGroup(all, &g.group)
		}
		return all
	})
	p.after.Users = slices.Clone(p.book.Users)
	for _, who := range p.people {
		if who.row.New {
			p.after.Users = append(p.after.Users, who.user)
		}
	}
}

// putGroup adds the group, or puts it into the place of the one that is there.
func putGroup(all []store.Group, g *store.Group) []store.Group {
	if i := slices.IndexFunc(all, func(o store.Group) bool { return o.ID == g.ID }); i >= 0 {
		all[i] = *g
		return all
	}
	return append(all, *g)
}

// group compares a group of the file with the one that is there.
func (p *svnPlanner) group(name string, users, groups []string) *SvnGroup {
	s := &SvnGroup{Name: name, New: true, id: svnNew + name}
	var is store.Group
	if i := slices.IndexFunc(p.book.Groups, func(g store.Group) bool { return store.SameName(g.Name, name) }); i >= 0 {
		is = p.book.Groups[i]
		s.Name, s.New, s.id = is.Name, false, is.ID
	}
	s.group = store.Group{ID: s.id, Name: s.Name}
	for _, u := range users {
		if who := p.byName[u]; who != nil && !slices.Contains(s.group.Members, who.user.ID) {
			s.group.Members = append(s.group.Members, who.user.ID)
			if !slices.Contains(is.Members, who.user.ID) {
				s.Add = append(s.Add, who.row.Name)
			}
		}
	}
	for _, id := range is.Members {
		if slices.Contains(s.group.Members, id) {
			continue
		}
		// A closed account of whom the files know nothing stays as it is: an export leaves it out.
		if u := p.userByID(id); u != nil && (!u.Closed(p.now) || p.isPerson(id)) {
			s.Remove = append(s.Remove, u.Name)
			continue
		}
		s.group.Members = append(s.group.Members, id)
	}
	p.nested(s, &is, groups)
	for _, list := range [][]string{s.Add, s.Remove, s.AddGroups, s.RemoveGroups} {
		slices.Sort(list)
	}
	return s
}

// nested compares the groups in a group.
func (p *svnPlanner) nested(s *SvnGroup, is *store.Group, groups []string) {
	names := map[string]string{}
	for _, g := range p.book.Groups {
		names[g.ID] = g.Name
	}
	for _, inner := range groups {
		id, shown := svnNew+inner, inner
		for _, g := range p.book.Groups {
			if store.SameName(g.Name, inner) {
				id, shown = g.ID, g.Name
			}
		}
		if slices.Contains(s.group.Groups, id) {
			continue
		}
		s.group.Groups = append(s.group.Groups, id)
		if !slices.Contains(is.Groups, id) {
			s.AddGroups = append(s.AddGroups, shown)
		}
	}
	for _, id := range is.Groups {
		if !slices.Contains(s.group.Groups, id) {
			s.RemoveGroups = append(s.RemoveGroups, names[id])
		}
	}
}

// userByID returns the account, nil if it is none of now.
func (p *svnPlanner) userByID(id havre.UserID) *store.User { return p.users[id] }

// isPerson says whether the files name who has the account.
func (p *svnPlanner) isPerson(id havre.UserID) bool { return p.byID[id] != nil }

// makeEveryone makes the group of all people. It counts for nothing unless a right is set for it.
func (p *svnPlanner) makeEveryone() {
	name := svnEveryone
	for slices.ContainsFunc(p.request.Authz.Groups, func(g svnaccounts.Group) bool { return store.SameName(g.Name, name) }) {
		name += " (all)"
	}
	var all []string
	for _, who := range p.people {
		all = append(all, who.name)
	}
	p.everyone = p.group(name, all, nil)
	p.everyone.Everybody = true
	p.after = p.after.withGroups(func(groups []store.Group) []store.Group { return putGroup(groups, &p.everyone.group) })
}

// groupsOf returns the groups that everybody will be in, at whatever depth.
func (p *svnPlanner) groupsOf() map[havre.UserID]map[string]bool {
	in := map[havre.UserID]map[string]bool{}
	for _, g := range p.after.Groups {
		for _, u := range g.Members {
			if in[u] == nil {
				in[u] = map[string]bool{}
			}
			for _, outer := range p.after.around[g.ID] {
				in[u][outer] = true
			}
		}
	}
	return in
}

// changedGroups returns those that are not as they will be.
func (p *svnPlanner) changedGroups() []SvnGroup {
	var changed []SvnGroup
	all := slices.Clone(p.groups)
	if p.everybody {
		all = append(all, p.everyone)
	}
	for _, g := range all {
		if g.New || len(g.Add)+len(g.Remove)+len(g.AddGroups)+len(g.RemoveGroups) > 0 {
			changed = append(changed, *g)
		}
	}
	slices.SortFunc(changed, func(a, b SvnGroup) int { return strings.Compare(store.NameKey(a.Name), store.NameKey(b.Name)) })
	return changed
}
