package hub

import (
	"context"
	"slices"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
)

// Reason says which grant decides at a path.
type Reason struct {
	Right havre.Right
	Path  svn.Path     // where the grant is set
	Grant *store.Grant // nil if None
	// Through are names of groups, from the grant's down to the one that the person is in; empty for a
	// grant to the person.
	Through []string
	None    bool // no grant reaches the path
}

// Reached is a path at which the right of a person is set, with what decides there.
type Reached struct {
	Folder havre.FolderID
	Name   string // of the folder
	Path   svn.Path
	Reason Reason
}

// Pending is a change of grants that is not made yet.
type Pending struct {
	Grant  store.Grant
	Remove bool
}

// people is what decides about rights, read at one moment.
type people struct {
	users  map[havre.UserID]store.User
	groups map[string]*store.Group
	outer  map[string][]string       // groups that a group is in
	direct map[havre.UserID][]string // groups that a person is in
	grants []store.Grant
}

func (a *Admin) people(ctx context.Context) (*people, error) {
	p := &people{
		users: map[havre.UserID]store.User{}, groups: map[string]*store.Group{},
		outer: map[string][]string{}, direct: map[havre.UserID][]string{},
	}
	users, err := a.store.Users(ctx)
	if err != nil {
		return nil, err
	}
	for _, u := range users {
		p.users[u.ID] = u
	}
	groups, err := a.store.Groups(ctx)
	if err != nil {
		return nil, err
	}
	for i := range groups {
		g := &groups[i]
		p.groups[g.ID] = g
		for _, u := range g.Members {
			p.direct[u] = append(p.direct[u], g.ID)
		}
		for _, inner := range g.Groups {
			p.outer[inner] = append(p.outer[inner], g.ID)
		}
	}
	p.grants, err = a.store.AllGrants(ctx)
	return p, err
}

// chains returns the groups that a person is in, each with the shortest way down to the person.
func (p *people) chains(user havre.UserID) map[string][]string {
	chains := map[string][]string{}
	var next []string
	for _, id := range p.direct[user] {
		if chains[id] == nil {
			chains[id] = []string{p.groups[id].Name}
			next = append(next, id)
		}
	}
	for len(next) > 0 {
		id := next[0]
		next = next[1:]
		for _, outer := range p.outer[id] {
			if chains[outer] == nil {
				chains[outer] = append([]string{p.groups[outer].Name}, chains[id]...)
				next = append(next, outer)
			}
		}
	}
	return chains
}

// holds returns those of the grants that a person has, himself or through the chains.
func holds(grants []store.Grant, user havre.UserID, chains map[string][]string) []store.Grant {
	var mine []store.Grant
	for i := range grants {
		if grants[i].User == user || grants[i].Group != "" && chains[grants[i].Group] != nil {
			mine = append(mine, grants[i])
		}
	}
	return mine
}

// reasonAt returns what decides at a path among the grants of one person.
func reasonAt(mine []store.Grant, chains map[string][]string, folder havre.FolderID, path svn.Path) Reason {
	var best *store.Grant
	for i := range mine {
		g := &mine[i]
		if _, covers := path.Rel(g.Path); g.Folder != folder || !covers {
			continue
		}
		if best == nil || beats(g, best, chains) {
			best = g
		}
	}
	if best == nil {
		return Reason{None: true}
	}
	grant := *best
	return Reason{Right: grant.Right, Path: grant.Path, Grant: &grant, Through: chains[grant.Group]}
}

// beats says whether g decides and not h, which both cover the path.
func beats(g, h *store.Grant, chains map[string][]string) bool {
	switch {
	case len(g.Path) != len(h.Path):
		return len(g.Path) > len(h.Path)
	case (g.User != "") != (h.User != ""):
		return g.User != ""
	case g.Right != h.Right:
		return g.Right > h.Right
	default:
		return len(chains[g.Group]) < len(chains[h.Group])
	}
}

// Why says what a person may do at a path and which grant decides it. It does not ask whether the account is
// open.
func (a *Admin) Why(ctx context.Context, folder havre.FolderID, path svn.Path, user havre.UserID) (Reason, error) {
	p, err := a.people(ctx)
	if err != nil {
		return Reason{}, err
	}
	chains := p.chains(user)
	return reasonAt(holds(p.grants, user, chains), chains, folder, path), nil
}

// Reach returns the paths at which something is set for a person, in folders by name and then in the order
// of a walk, with what it comes to.
func (a *Admin) Reach(ctx context.Context, user havre.UserID) ([]Reached, error) {
	p, err := a.people(ctx)
	if err != nil {
		return nil, err
	}
	folders, err := a.store.Folders(ctx)
	if err != nil {
		return nil, err
	}
	chains := p.chains(user)
	mine := holds(p.grants, user, chains)
	var all []Reached
	for _, f := range folders {
		var paths []svn.Path
		for i := range mine {
			if mine[i].Folder == f.ID {
				paths = append(paths, mine[i].Path)
			}
		}
		slices.SortFunc(paths, svn.Path.Compare)
		for _, path := range slices.Compact(paths) {
			all = append(all, Reached{Folder: f.ID, Name: f.Name, Path: path, Reason: reasonAt(mine, chains, f.ID, path)})
		}
	}
	return all, nil
}

// SetGrants makes all changes or none, each with a line of the audit log.
func (a *Admin) SetGrants(ctx context.Context, changes []Pending) error {
	list := make([]store.GrantChange, len(changes))
	for i := range changes {
		list[i] = store.GrantChange(changes[i])
	}
	if err := a.keepManagers(ctx, func(b *Book) *Book { return b.With(list) }); err != nil {
		return err
	}
	return a.done(a.store.ChangeGrants(ctx, a.by, list))
}

// keepManagers fails if a change of rights or groups leaves a folder, which somebody manages, without anybody
// who does. Closing an account is no such change: it must never have to wait.
func (a *Admin) keepManagers(ctx context.Context, change func(*Book) *Book) error {
	before, err := a.Book(ctx)
	if err != nil {
		return err
	}
	after := change(before)
	for i := range before.Folders {
		f := &before.Folders[i]
		if before.managed(f.ID) && !after.managed(f.ID) {
			return invalid("nobody would manage the folder %s any more: let somebody else manage it first", f.Name)
		}
	}
	return nil
}

// managed says whether somebody with an open account manages the folder.
func (b *Book) managed(folder havre.FolderID) bool {
	now := time.Now()
	return slices.ContainsFunc(b.Users, func(u store.User) bool {
		return !u.Closed(now) && b.reachOf(Holder{User: u.ID}, folder).right("") >= havre.RightManage
	})
}

// withGroup returns the book with a group changed.
func (b *Book) withGroup(group string, edit func(*store.Group)) *Book {
	return b.withGroups(func(all []store.Group) []store.Group {
		for i := range all {
			if all[i].ID == group {
				edit(&all[i])
			}
		}
		return all
	})
}

// withGroups returns the book with other groups.
func (b *Book) withGroups(edit func([]store.Group) []store.Group) *Book {
	groups := slices.Clone(b.Groups)
	for i := range groups {
		groups[i].Members, groups[i].Groups = slices.Clone(groups[i].Members), slices.Clone(groups[i].Groups)
	}
	n := &Book{Users: b.Users, Groups: edit(groups), Folders: b.Folders, Grants: b.Grants}
	n.index()
	return n
}

// RemoveGrant takes a grant away, so that the next one further up decides.
func (a *Admin) RemoveGrant(ctx context.Context, g store.Grant) error {
	return a.SetGrants(ctx, []Pending{{Grant: g, Remove: true}})
}

// SetGrant sets a grant on any path, for a user or a group.
func (a *Admin) SetGrant(ctx context.Context, g store.Grant) error {
	return a.SetGrants(ctx, []Pending{{Grant: g}})
}

// applied returns the grants as they will be.
func applied(grants []store.Grant, changes []Pending) []store.Grant {
	after := slices.Clone(grants)
	for _, c := range changes {
		after = slices.DeleteFunc(after, func(g store.Grant) bool { return g.SameHolder(&c.Grant) })
		if !c.Remove {
			after = append(after, c.Grant)
		}
	}
	return after
}

// MayManage says whether the caller may set the rights on a path of a folder.
func (h *Hub) MayManage(ctx context.Context, c *havre.Caller, folder havre.FolderID, path svn.Path) (bool, error) {
	r, err := h.access.reachOf(ctx, c.User, folder)
	if err != nil {
		return false, err
	}
	return r.right(path) >= havre.RightManage, nil
}

// Manager sets rights in the name of a person who need not be an administrator.
type Manager struct {
	admin  *Admin
	hub    *Hub
	caller *havre.Caller
}

// Manager returns what sets the rights that the caller may set.
func (h *Hub) Manager(c *havre.Caller) *Manager {
	return &Manager{admin: h.Admin(actor(c)), hub: h, caller: c}
}

// SetGrants is Admin.SetGrants where the caller manages all the paths; otherwise havre.CodeDenied.
func (m *Manager) SetGrants(ctx context.Context, changes []Pending) error {
	if err := m.check(ctx, changes); err != nil {
		return err
	}
	return m.admin.SetGrants(ctx, changes)
}

// Effect is Admin.Effect where the caller manages all the paths; otherwise havre.CodeDenied.
func (m *Manager) Effect(ctx context.Context, changes []Pending) ([]EffectLine, error) {
	if err := m.check(ctx, changes); err != nil {
		return nil, err
	}
	return m.admin.Effect(ctx, changes)
}

func (m *Manager) check(ctx context.Context, changes []Pending) error {
	for i := range changes {
		g := &changes[i].Grant
		may, err := m.hub.MayManage(ctx, m.caller, g.Folder, g.Path)
		if err != nil {
			return err
		}
		if !may {
			return havre.Errorf(havre.CodeDenied, "you do not manage %s: ask who manages the folder", show(g.Path))
		}
	}
	return nil
}
