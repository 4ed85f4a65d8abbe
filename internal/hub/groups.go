package hub

import (
	"context"
	"slices"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
)

// Groups returns all groups by name, with their direct members.
func (a *Admin) Groups(ctx context.Context) ([]store.Group, error) { return a.store.Groups(ctx) }

// AddGroup makes a group without members. A name that is taken is havre.CodeExists.
func (a *Admin) AddGroup(ctx context.Context, name string) (*store.Group, error) {
	g, err := a.store.AddGroup(ctx, a.by, name)
	return g, a.done(err)
}

// RenameGroup gives the group another name.
func (a *Admin) RenameGroup(ctx context.Context, group, name string) error {
	return a.done(a.store.RenameGroup(ctx, a.by, group, name))
}

// RemoveGroup deletes the group and the rights it has.
func (a *Admin) RemoveGroup(ctx context.Context, group string) error {
	err := a.keepManagers(ctx, func(b *Book) *Book {
		return b.withGroups(func(all []store.Group) []store.Group {
			return slices.DeleteFunc(all, func(g store.Group) bool { return g.ID == group })
		})
	})
	if err != nil {
		return err
	}
	return a.done(a.store.RemoveGroup(ctx, a.by, group))
}

// SetMember puts a user into a group or takes it out.
func (a *Admin) SetMember(ctx context.Context, group string, user havre.UserID, member bool) error {
	if !member {
		err := a.keepManagers(ctx, func(b *Book) *Book {
			return b.withGroup(group, func(g *store.Group) {
				g.Members = slices.DeleteFunc(g.Members, func(u havre.UserID) bool { return u == user })
			})
		})
		if err != nil {
			return err
		}
	}
	return a.done(a.store.SetMember(ctx, a.by, group, user, member))
}

// SetGroupMember puts the group member into group or takes it out. A circle is havre.CodeInvalid.
func (a *Admin) SetGroupMember(ctx context.Context, group, member string, in bool) error {
	if in {
		return a.done(a.store.AddGroupMember(ctx, a.by, group, member))
	}
	err := a.keepManagers(ctx, func(b *Book) *Book {
		return b.withGroup(group, func(g *store.Group) {
			g.Groups = slices.DeleteFunc(g.Groups, func(inner string) bool { return inner == member })
		})
	})
	if err != nil {
		return err
	}
	return a.done(a.store.RemoveGroupMember(ctx, a.by, group, member))
}

// EffectiveMembers returns the users in the group, at whatever depth, by name.
func (a *Admin) EffectiveMembers(ctx context.Context, group string) ([]havre.UserID, error) {
	return a.store.EffectiveMembers(ctx, group)
}

// ImportPeople makes or changes accounts, with an invitation for each one that asks for it, or does nothing at
// all. Where SecretHash is set to anything, it is replaced by that of a new secret, which is returned at
// the same index.
func (a *Admin) ImportPeople(ctx context.Context, people []store.ImportedPerson) ([]Invitation, error) {
	expires := time.Now().Add(inviteLife).UTC()
	invitations := make([]Invitation, len(people))
	for i := range people {
		if people[i].SecretHash == "" {
			continue
		}
		invitations[i] = Invitation{Secret: newSecret(), User: people[i].Name, Expires: expires}
		people[i].SecretHash = hashSecret(invitations[i].Secret)
	}
	if err := a.done(a.store.ImportPeople(ctx, a.by, people, expires)); err != nil {
		return nil, err
	}
	return invitations, nil
}
