package hub

import (
	"context"
	"errors"
	"reflect"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/internal/svnaccounts"
)

// importTries is how often an import begins anew while others change accounts.
const importTries = 5

// ImportSvn carries out the plan, which PlanSvnImport has made for the same request, or does nothing at all. It
// returns the invitations of those for whom an account was made and no password taken over. If what is to be done
// is another thing by now, it is store.ErrChanged.
func (a *Admin) ImportSvn(ctx context.Context, in *SvnImport, plan *SvnPlan) ([]Invitation, error) {
	if plan.Refused() {
		return nil, invalid("the import cannot be done as it is: see what the plan says")
	}
	if plan.Empty() {
		return nil, nil
	}
	users, invitations, err := importedUsers(ctx, plan)
	if err != nil {
		return nil, err
	}
	for range importTries {
		version, err := a.store.AccessVersion(ctx)
		if err != nil {
			return nil, err
		}
		now, err := a.PlanSvnImport(ctx, in)
		if err != nil {
			return nil, err
		}
		if !samePlan(plan, now) {
			return nil, store.ErrChanged
		}
		err = a.keepManagers(ctx, func(b *Book) *Book { return b.afterSvn(plan) })
		if err != nil {
			return nil, err
		}
		err = a.done(a.store.ImportAccounts(ctx, a.by, importOf(plan, users, invitations, version)))
		if !errors.Is(err, store.ErrChanged) {
			return invitations, err
		}
	}
	return nil, store.ErrChanged
}

// samePlan says whether both do the same.
func samePlan(p, q *SvnPlan) bool {
	if len(p.People) != len(q.People) || len(p.Groups) != len(q.Groups) || len(p.Folders) != len(q.Folders) {
		return false
	}
	for i := range p.People {
		a, b := p.People[i], q.People[i]
		if a.Name != b.Name || a.New != b.New || a.Password != b.Password {
			return false
		}
	}
	for i := range p.Groups {
		a, b := p.Groups[i], q.Groups[i]
		if !reflect.DeepEqual([]any{a.Name, a.New, a.Add, a.Remove, a.AddGroups, a.RemoveGroups}, []any{b.Name, b.New, b.Add, b.Remove, b.AddGroups, b.RemoveGroups}) {
			return false
		}
	}
	for i := range p.Folders {
		if p.Folders[i].Folder.ID != q.Folders[i].Folder.ID || !reflect.DeepEqual(p.Folders[i].Changes, q.Folders[i].Changes) {
			return false
		}
	}
	return true
}

// importedUsers hashes the passwords and makes the invitations.
func importedUsers(ctx context.Context, plan *SvnPlan) ([]store.ImportedUser, []Invitation, error) {
	var users []store.ImportedUser
	var entries []*svnaccounts.Password
	var invitations []Invitation
	expires := time.Now().Add(inviteLife).UTC()
	for i := range plan.People {
		who := &plan.People[i]
		u := store.ImportedUser{Name: who.Name, New: who.New}
		var entry *svnaccounts.Password
		switch {
		case who.Password == SvnPasswordTaken:
			entry = who.entry
		case who.New:
			inv := Invitation{Secret: newSecret(), User: who.Name, Expires: expires}
			u.SecretHash = hashSecret(inv.Secret)
			invitations = append(invitations, inv)
		default:
			continue
		}
		users, entries = append(users, u), append(entries, entry)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.NumCPU())
	for i, entry := range entries {
		if entry == nil {
			continue
		}
		g.Go(func() (err error) {
			if err = ctx.Err(); err != nil {
				return err
			}
			if entry.Plain != "" {
				users[i].PasswordHash, err = hashPassword(entry.Plain)
			} else {
				users[i].PasswordHash, err = svnaccounts.Wrap(entry.Hash, hashPassword)
			}
			return err
		})
	}
	return users, invitations, g.Wait()
}

// importOf is the plan as the store wants it.
func importOf(plan *SvnPlan, users []store.ImportedUser, invitations []Invitation, version int64) *store.AccountsImport {
	in := &store.AccountsImport{Version: version, Users: users}
	if len(invitations) > 0 {
		in.Expires = invitations[0].Expires
	}
	for _, g := range plan.Groups {
		in.Groups = append(in.Groups, store.ImportedGroup{
			Name: g.Name, New: g.New, Add: g.Add, Remove: g.Remove, AddGroups: g.AddGroups, RemoveGroups: g.RemoveGroups,
		})
	}
	for _, f := range plan.Folders {
		for _, c := range f.Changes {
			in.Grants = append(in.Grants, store.ImportedGrant{
				Grant: store.Grant{Folder: f.Folder.ID, Path: c.Path, Right: c.After},
				User:  c.User, Group: c.Group, Remove: c.Remove,
			})
		}
	}
	return in
}

// afterSvn returns the book as it is once the plan is carried out.
func (b *Book) afterSvn(plan *SvnPlan) *Book {
	users, groups := map[string]havre.UserID{}, map[string]string{}
	after := b.withGroups(func(all []store.Group) []store.Group {
		for i := range plan.Groups {
			all = putGroup(all, &plan.Groups[i].group)
		}
		for _, g := range all {
			groups[g.Name] = g.ID
		}
		return all
	})
	for _, u := range b.Users {
		users[u.Name] = u.ID
	}
	var changes []store.GrantChange
	for _, f := range plan.Folders {
		for _, c := range f.Changes {
			g := store.Grant{Folder: f.Folder.ID, Path: c.Path, User: users[c.User], Group: groups[c.Group], Right: c.After}
			if c.User != "" && g.User == "" {
				g.User = havre.UserID(svnNew + c.User)
			}
			changes = append(changes, store.GrantChange{Grant: g, Remove: c.Remove})
		}
	}
	return after.With(changes)
}
