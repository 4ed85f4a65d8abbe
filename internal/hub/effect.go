package hub

import (
	"cmp"
	"context"
	"slices"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
)

// EffectLine is what a change of grants means for one person at one path.
type EffectLine struct {
	User       havre.UserID
	UserName   string
	Folder     havre.FolderID
	FolderName string
	Path       svn.Path
	Before     Reason
	After      Reason
	// Items are the files and directories, at most maxEffectItems, that the person will read and could
	// not, or no longer read.
	Items int
	// Devices are those of the person that keep any of it on their disks.
	Devices int
}

// Gains says whether the person may do more than before.
func (l *EffectLine) Gains() bool { return l.After.Right > l.Before.Right }

// Loses says whether the person may do less than before.
func (l *EffectLine) Loses() bool { return l.After.Right < l.Before.Right }

// Erased says whether what the person could read vanishes from the devices.
func (l *EffectLine) Erased() bool {
	return l.Before.Right >= havre.RightRead && l.After.Right < havre.RightRead
}

// maxEffectItems is how many entries of a path are counted.
const maxEffectItems = 200_000

// Effect returns what the changes would do, before they are made: a line for each path that is
// changed and each person for whom a grant of a change counts, by folder, path and person. Those for
// whom nothing changes are there, too. Closed accounts are left out.
func (a *Admin) Effect(ctx context.Context, changes []Pending) ([]EffectLine, error) {
	p, err := a.people(ctx)
	if err != nil {
		return nil, err
	}
	e := &effect{admin: a, people: p, after: applied(p.grants, changes), folders: map[havre.FolderID]store.Folder{}}
	var lines []EffectLine
	seen := map[reachKey]map[svn.Path]bool{}
	for _, u := range p.users {
		if u.Disabled {
			continue
		}
		chains := p.chains(u.ID)
		for i := range changes {
			g := &changes[i].Grant
			key := reachKey{u.ID, g.Folder}
			if len(holds([]store.Grant{*g}, u.ID, chains)) == 0 || seen[key][g.Path] {
				continue
			}
			if seen[key] == nil {
				seen[key] = map[svn.Path]bool{}
			}
			seen[key][g.Path] = true
			line, err := e.line(ctx, &u, chains, g)
			if err != nil {
				return nil, err
			}
			lines = append(lines, *line)
		}
	}
	slices.SortFunc(lines, func(x, y EffectLine) int {
		return cmp.Or(cmp.Compare(x.FolderName, y.FolderName), x.Path.Compare(y.Path), cmp.Compare(x.UserName, y.UserName))
	})
	return lines, nil
}

// effect is one run of Admin.Effect.
type effect struct {
	admin   *Admin
	people  *people
	after   []store.Grant
	folders map[havre.FolderID]store.Folder
	counts  map[effectKey]int // what has been counted
	devices map[reachKey][]replicaAt
	known   map[havre.FolderID]bool // folders whose devices are
}

// replicaAt is a directory of a folder that a device keeps.
type replicaAt struct {
	device havre.DeviceID
	root   svn.Path
}

// effectKey is what a count depends on: people with the same rights have the same.
type effectKey struct {
	folder      havre.FolderID
	path        svn.Path
	before, now string // shapes
}

func (e *effect) line(ctx context.Context, u *store.User, chains map[string][]string, g *store.Grant) (*EffectLine, error) {
	f, ok := e.folders[g.Folder]
	if !ok {
		var err error
		if f, err = e.admin.store.Folder(ctx, g.Folder); err != nil {
			return nil, err
		}
		e.folders[g.Folder] = f
	}
	before, after := holds(e.people.grants, u.ID, chains), holds(e.after, u.ID, chains)
	line := &EffectLine{
		User: u.ID, UserName: u.Name, Folder: f.ID, FolderName: f.Name, Path: g.Path,
		Before: reasonAt(before, chains, f.ID, g.Path), After: reasonAt(after, chains, f.ID, g.Path),
	}
	had, has := newReach(before, f.ID), newReach(after, f.ID)
	if had.reads(g.Path) == has.reads(g.Path) {
		return line, nil
	}
	var err error
	if line.Items, err = e.items(ctx, &f, g.Path, had, has); err != nil {
		return nil, err
	}
	line.Devices, err = e.replicas(ctx, u.ID, f.ID, g.Path)
	return line, err
}

// items counts what is at and in a path and can be read by only one of the two.
func (e *effect) items(ctx context.Context, f *store.Folder, path svn.Path, had, has *reach) (int, error) {
	key := effectKey{f.ID, path, had.shape, has.shape}
	if n, ok := e.counts[key]; ok {
		return n, nil
	}
	repo, err := e.admin.repos.get(f.Location)
	if err != nil {
		return 0, err
	}
	head, err := repo.Youngest(ctx)
	if err != nil {
		return 0, err
	}
	count := 0
	for n, err := range repo.Walk(ctx, f.Prefix.Join(string(path)), head, "") {
		if has404(err) {
			break // the right is set on what is not there
		}
		if err != nil {
			return 0, explain(err, path)
		}
		p, ok := n.Path.Rel(f.Prefix)
		if !ok || p == "" || isReserved(p) || had.reads(p) == has.reads(p) {
			continue
		}
		if count++; count == maxEffectItems {
			break
		}
	}
	if e.counts == nil {
		e.counts = map[effectKey]int{}
	}
	e.counts[key] = count
	return count, nil
}

// has404 says whether there is nothing at a path.
func has404(err error) bool { return has[*svn.NotFoundError](err) || has[*svn.NotDirError](err) }

// replicas counts the devices of the person that keep something at or in the path.
func (e *effect) replicas(ctx context.Context, user havre.UserID, folder havre.FolderID, path svn.Path) (int, error) {
	if !e.known[folder] {
		if err := e.readDevices(ctx, folder); err != nil {
			return 0, err
		}
	}
	devices := map[havre.DeviceID]bool{}
	for _, r := range e.devices[reachKey{user, folder}] {
		_, in := r.root.Rel(path)
		_, around := path.Rel(r.root)
		if in || around {
			devices[r.device] = true
		}
	}
	return len(devices), nil
}

// readDevices reads which devices keep which parts of a folder.
func (e *effect) readDevices(ctx context.Context, folder havre.FolderID) error {
	devices, err := e.admin.store.Devices(ctx, "")
	if err != nil {
		return err
	}
	owner := map[havre.DeviceID]havre.UserID{}
	for _, d := range devices {
		if d.Revoked.IsZero() {
			owner[d.ID] = d.User
		}
	}
	replicas, err := e.admin.store.Replicas(ctx, folder)
	if err != nil {
		return err
	}
	if e.known == nil {
		e.known, e.devices = map[havre.FolderID]bool{}, map[reachKey][]replicaAt{}
	}
	e.known[folder] = true
	for i := range replicas {
		r := &replicas[i]
		if u, ok := owner[r.Device]; ok {
			key := reachKey{u, folder}
			e.devices[key] = append(e.devices[key], replicaAt{r.Device, r.Report.Scope.Root})
		}
	}
	return nil
}
