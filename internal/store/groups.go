package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/havre-cloud/havre/internal/havre"
)

// Group is a set of users and of other groups.
type Group struct {
	ID      string
	Name    string
	Members []havre.UserID // direct ones
	Groups  []string       // groups in it, direct ones
}

// AddGroup makes a group without members.
func (s *Store) AddGroup(ctx context.Context, by Actor, name string) (*Group, error) {
	name, err := checkName(havre.Say("group"), name)
	if err != nil {
		return nil, err
	}
	g := &Group{ID: newID(), Name: name}
	err = s.changeAccess(ctx, func(tx *sql.Tx) (AuditEntry, error) {
		_, err := tx.ExecContext(ctx, `INSERT INTO user_groups (id, name, name_key, created_at) VALUES (?, ?, ?, ?)`,
			g.ID, g.Name, foldName(g.Name), s.stamp())
		return by.entry("group.add", name, ""), taken(err, "there is a group called %s already: choose another name", name)
	})
	if err != nil {
		return nil, err
	}
	return g, nil
}

// RenameGroup gives the group another name. One that is taken is havre.CodeExists.
func (s *Store) RenameGroup(ctx context.Context, by Actor, group, name string) error {
	name, err := checkName(havre.Say("group"), name)
	if err != nil {
		return err
	}
	return s.changeAccess(ctx, func(tx *sql.Tx) (AuditEntry, error) {
		old, err := groupName(ctx, tx, group)
		if err != nil {
			return AuditEntry{}, err
		}
		_, err = tx.ExecContext(ctx, `UPDATE user_groups SET name = ?, name_key = ? WHERE id = ?`, name, foldName(name), group)
		return by.entry("group.rename", name, fmt.Sprintf(detailWas, old)), taken(err, "there is a group called %s already: choose another name", name)
	})
}

// RemoveGroup deletes the group with all grants that it has. Its members lose what they had through it.
func (s *Store) RemoveGroup(ctx context.Context, by Actor, group string) error {
	return s.changeAccess(ctx, func(tx *sql.Tx) (AuditEntry, error) {
		name, err := groupName(ctx, tx, group)
		if err != nil {
			return AuditEntry{}, err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM user_groups WHERE id = ?`, group)
		return by.entry("group.delete", name, ""), err
	})
}

func groupName(ctx context.Context, tx *sql.Tx, group string) (string, error) {
	var name string
	err := tx.QueryRowContext(ctx, `SELECT name FROM user_groups WHERE id = ?`, group).Scan(&name)
	return name, orMissing(err, "there is no such group any more")
}

// SetMember puts a user into a group or takes it out.
func (s *Store) SetMember(ctx context.Context, by Actor, group string, user havre.UserID, member bool) error {
	action, text := "group.remove", `DELETE FROM members WHERE group_id = ? AND user_id = ?`
	if member {
		action, text = "group.join", `INSERT INTO members (group_id, user_id) VALUES (?, ?) ON CONFLICT DO NOTHING`
	}
	return s.changeAccess(ctx, func(tx *sql.Tx) (AuditEntry, error) {
		var groupName, userName string
		err := tx.QueryRowContext(ctx, `SELECT g.name, u.name FROM user_groups g, users u WHERE g.id = ? AND u.id = ?`,
			group, user).Scan(&groupName, &userName)
		if err != nil {
			return AuditEntry{}, orMissing(err, "there is no such group or user any more")
		}
		_, err = tx.ExecContext(ctx, text, group, user)
		return by.entry(action, groupName, userName), err
	})
}

// groupsIn are a group and all groups in it, at whatever depth.
const groupsIn = `WITH RECURSIVE inside (id) AS (
		SELECT ?1
		UNION
		SELECT group_members.member_id FROM inside JOIN group_members ON group_members.group_id = inside.id
	)`

// AddGroupMember puts the group member into group: whoever is in member is in group, too. A circle is
// havre.CodeInvalid.
func (s *Store) AddGroupMember(ctx context.Context, by Actor, group, member string) error {
	return s.changeAccess(ctx, func(tx *sql.Tx) (AuditEntry, error) {
		outer, inner, err := twoGroups(ctx, tx, group, member)
		if err != nil {
			return AuditEntry{}, err
		}
		var circle bool
		err = tx.QueryRowContext(ctx, groupsIn+` SELECT EXISTS (SELECT 1 FROM inside WHERE id = ?2)`, member, group).Scan(&circle)
		if err != nil {
			return AuditEntry{}, err
		}
		if circle {
			return AuditEntry{}, invalid("%s is in %s already, or is the same: a group cannot contain itself", outer, inner)
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO group_members (group_id, member_id) VALUES (?, ?) ON CONFLICT DO NOTHING`, group, member)
		return by.entry("group.join", outer, fmt.Sprintf(detailGroup, inner)), err
	})
}

// RemoveGroupMember takes the group member out of group.
func (s *Store) RemoveGroupMember(ctx context.Context, by Actor, group, member string) error {
	return s.changeAccess(ctx, func(tx *sql.Tx) (AuditEntry, error) {
		outer, inner, err := twoGroups(ctx, tx, group, member)
		if err != nil {
			return AuditEntry{}, err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM group_members WHERE group_id = ? AND member_id = ?`, group, member)
		return by.entry("group.remove", outer, fmt.Sprintf(detailGroup, inner)), err
	})
}

func twoGroups(ctx context.Context, tx *sql.Tx, group, member string) (outer, inner string, err error) {
	if outer, err = groupName(ctx, tx, group); err == nil {
		inner, err = groupName(ctx, tx, member)
	}
	return outer, inner, err
}

// Groups returns all groups by name, with their direct members.
func (s *Store) Groups(ctx context.Context) ([]Group, error) {
	groups, err := query(ctx, s.read, func(row func(...any) error) (Group, error) {
		var g Group
		return g, row(&g.ID, &g.Name)
	}, `SELECT id, name FROM user_groups ORDER BY name_key`)
	if err != nil {
		return nil, err
	}
	at := make(map[string]*Group, len(groups))
	for i := range groups {
		at[groups[i].ID] = &groups[i]
	}
	// What is set between the queries may be seen by one of them only, and is seen by all the next time.
	pairs := func(text string, into func(g *Group, member string)) error {
		all, err := query(ctx, s.read, func(row func(...any) error) (p [2]string, err error) {
			return p, row(&p[0], &p[1])
		}, text)
		for _, p := range all {
			if g := at[p[0]]; g != nil {
				into(g, p[1])
			}
		}
		return err
	}
	err = pairs(`SELECT group_id, user_id FROM members JOIN users ON users.id = user_id ORDER BY users.name_key`,
		func(g *Group, m string) { g.Members = append(g.Members, havre.UserID(m)) })
	if err != nil {
		return nil, err
	}
	err = pairs(`SELECT group_id, member_id FROM group_members JOIN user_groups ON user_groups.id = member_id ORDER BY user_groups.name_key`,
		func(g *Group, m string) { g.Groups = append(g.Groups, m) })
	return groups, err
}

// GroupByName returns the group with the name, in whatever case, without its members.
func (s *Store) GroupByName(ctx context.Context, name string) (Group, error) {
	return queryOne(ctx, s.read, func(row func(...any) error) (Group, error) {
		var g Group
		return g, row(&g.ID, &g.Name)
	}, func() error { return notFound("there is no group called %s: see the list of groups", name) },
		`SELECT id, name FROM user_groups WHERE name_key = ?`, foldName(name))
}

// EffectiveMembers returns the users that are in the group, directly or through the groups in it, by name.
func (s *Store) EffectiveMembers(ctx context.Context, group string) ([]havre.UserID, error) {
	return query(ctx, s.read, func(row func(...any) error) (id havre.UserID, err error) { return id, row(&id) },
		groupsIn+` SELECT users.id FROM users WHERE id IN
			(SELECT user_id FROM members WHERE group_id IN (SELECT id FROM inside)) ORDER BY name_key`, group)
}
