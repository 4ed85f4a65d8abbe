package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
)

// AccountsImport is what comes from another server: people, groups and rights. Everybody and every group is known by
// name, as it is spelled here.
type AccountsImport struct {
	// Version is the AccessVersion for which all of this was thought out.
	Version int64
	// Users are accounts that are made, and accounts without a password that get one.
	Users   []ImportedUser
	Expires time.Time // of the invitations
	Groups  []ImportedGroup
	Grants  []ImportedGrant
}

// ImportedUser is an account of an AccountsImport.
type ImportedUser struct {
	Name string
	New  bool
	// PasswordHash is that of the person's password, if it is known. An account that has one keeps its own.
	PasswordHash string
	// SecretHash is that of the person's invitation, empty for none.
	SecretHash string
}

// ImportedGroup is a group with the members that come and go.
type ImportedGroup struct {
	Name                    string
	New                     bool
	Add, Remove             []string // people
	AddGroups, RemoveGroups []string
}

// ImportedGrant is a right that is set or taken away. The Grant has neither User nor Group.
type ImportedGrant struct {
	Grant       Grant
	User, Group string // one of them
	Remove      bool
}

// ErrChanged is for an import for which something has changed since it was thought out.
var ErrChanged = havre.Errorf(havre.CodeUnavailable, "somebody has changed accounts, groups or rights meanwhile: look at it again")

// ImportAccounts does everything or nothing, with the lines of the audit log that each step has for itself.
func (s *Store) ImportAccounts(ctx context.Context, by Actor, in *AccountsImport) error {
	return s.changeAccess(ctx, func(tx *sql.Tx) (AuditEntry, error) {
		var version int64
		if err := tx.QueryRowContext(ctx, `SELECT version FROM access_version`).Scan(&version); err != nil {
			return AuditEntry{}, err
		}
		if version != in.Version {
			return AuditEntry{}, ErrChanged
		}
		do := accountsImport{s: s, tx: tx, by: by, in: in}
		for _, step := range []func(context.Context) error{do.users, do.groups, do.members, do.grants} {
			if err := step(ctx); err != nil {
				return AuditEntry{}, err
			}
		}
		return AuditEntry{}, nil
	})
}

// accountsImport is one run of ImportAccounts.
type accountsImport struct {
	s  *Store
	tx *sql.Tx
	by Actor
	in *AccountsImport
}

func (d *accountsImport) audit(ctx context.Context, action, subject, detail string) error {
	return d.s.audit(ctx, d.tx, d.by.entry(action, subject, detail))
}

func (d *accountsImport) users(ctx context.Context) error {
	people := importing{s: d.s, tx: d.tx, by: d.by, expires: d.in.Expires, groups: map[string]string{}}
	for i := range d.in.Users {
		u := &d.in.Users[i]
		if u.New {
			err := people.person(ctx, &ImportedPerson{Name: u.Name, DisplayName: u.Name, Role: RoleMember, Quota: -1, SecretHash: u.SecretHash})
			if err != nil {
				return err
			}
		}
		if u.PasswordHash == "" {
			continue
		}
		r, err := d.tx.ExecContext(ctx, `UPDATE users SET password_hash = ?, password_at = ? WHERE name_key = ? AND password_hash = ''`,
			u.PasswordHash, d.s.stamp(), NameKey(u.Name))
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			return orMissing(sql.ErrNoRows, "%s is not there, or has a password already", u.Name)
		}
		if err := d.audit(ctx, "user.password", u.Name, detailImported); err != nil {
			return err
		}
	}
	return nil
}

// groups makes those that are new, so that all can be members of each other.
func (d *accountsImport) groups(ctx context.Context) error {
	for i := range d.in.Groups {
		g := &d.in.Groups[i]
		if !g.New {
			continue
		}
		if err := CheckGroupName(g.Name); err != nil {
			return err
		}
		name := strings.TrimSpace(g.Name)
		_, err := d.tx.ExecContext(ctx, `INSERT INTO user_groups (id, name, name_key, created_at) VALUES (?, ?, ?, ?)`,
			newID(), name, NameKey(name), d.s.stamp())
		if err != nil {
			return taken(err, "there is a group called %s already: choose another name", name)
		}
		if err := d.audit(ctx, "group.add", name, detailImported); err != nil {
			return err
		}
	}
	return nil
}

// groupID returns the identifier of the group with the name.
func (d *accountsImport) groupID(ctx context.Context, name string) (id string, err error) {
	err = d.tx.QueryRowContext(ctx, `SELECT id FROM user_groups WHERE name_key = ?`, NameKey(name)).Scan(&id)
	return id, orMissing(err, "there is no group called %s: see the list of groups", name)
}

func (d *accountsImport) userID(ctx context.Context, name string) (id string, err error) {
	err = d.tx.QueryRowContext(ctx, `SELECT id FROM users WHERE name_key = ?`, NameKey(name)).Scan(&id)
	return id, orMissing(err, "there is no user called %s: see the list of users", name)
}

// members puts people and groups into groups and takes others out. Who goes, goes first: a circle may be there in
// between only.
func (d *accountsImport) members(ctx context.Context) error {
	for i := range d.in.Groups {
		g := &d.in.Groups[i]
		id, err := d.groupID(ctx, g.Name)
		if err != nil {
			return err
		}
		for _, step := range []struct {
			names  []string
			lookUp func(context.Context, string) (string, error)
			action string
			text   string
			group  bool
		}{
			{g.Remove, d.userID, "group.remove", `DELETE FROM members WHERE group_id = ? AND user_id = ?`, false},
			{g.RemoveGroups, d.groupID, "group.remove", `DELETE FROM group_members WHERE group_id = ? AND member_id = ?`, true},
			{g.Add, d.userID, "group.join", `INSERT INTO members (group_id, user_id) VALUES (?, ?) ON CONFLICT DO NOTHING`, false},
			{g.AddGroups, d.groupID, "group.join", `INSERT INTO group_members (group_id, member_id) VALUES (?, ?) ON CONFLICT DO NOTHING`, true},
		} {
			for _, name := range step.names {
				member, err := step.lookUp(ctx, name)
				if err != nil {
					return err
				}
				if _, err := d.tx.ExecContext(ctx, step.text, id, member); err != nil {
					return err
				}
				if step.group {
					name = fmt.Sprintf(detailGroup, name)
				}
				if err := d.audit(ctx, step.action, g.Name, name); err != nil {
					return err
				}
			}
		}
	}
	return d.noCircle(ctx)
}

// noCircle fails if a group contains itself.
func (d *accountsImport) noCircle(ctx context.Context) error {
	for i := range d.in.Groups {
		g := &d.in.Groups[i]
		id, err := d.groupID(ctx, g.Name)
		if err != nil {
			return err
		}
		var circle bool
		err = d.tx.QueryRowContext(ctx, groupsIn+` SELECT EXISTS (SELECT 1 FROM inside
			JOIN group_members ON group_members.group_id = inside.id WHERE group_members.member_id = ?1)`, id).Scan(&circle)
		if err != nil {
			return err
		}
		if circle {
			return invalid("the group %s would contain itself", g.Name)
		}
	}
	return nil
}

func (d *accountsImport) grants(ctx context.Context) error {
	for i := range d.in.Grants {
		g := d.in.Grants[i]
		id, err := d.holder(ctx, &g)
		if err != nil {
			return err
		}
		if g.User != "" {
			g.Grant.User = havre.UserID(id)
		} else {
			g.Grant.Group = id
		}
		c := GrantChange{Grant: g.Grant, Remove: g.Remove}
		if err := c.check(); err != nil {
			return err
		}
		entry, err := d.s.changeGrant(ctx, d.tx, d.by, &c)
		if err != nil {
			return err
		}
		if err := d.s.audit(ctx, d.tx, entry); err != nil {
			return err
		}
	}
	return nil
}

func (d *accountsImport) holder(ctx context.Context, g *ImportedGrant) (string, error) {
	if g.User != "" {
		return d.userID(ctx, g.User)
	}
	return d.groupID(ctx, g.Group)
}

// RenewPasswordHash puts another hash of the same password into the place of one.
func (s *Store) RenewPasswordHash(ctx context.Context, user havre.UserID, old, renewed string) error {
	return s.change(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE users SET password_hash = ? WHERE id = ? AND password_hash = ?`, renewed, user, old)
		return err
	})
}
