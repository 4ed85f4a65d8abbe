package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// Grant is a right of a user, or of a group, on a path of a folder and what is below it.
type Grant struct {
	Folder  havre.FolderID
	Path    svn.Path
	User    havre.UserID // this
	Group   string       // or this
	Right   havre.Right
	By      string // name of who set it, or empty
	Created time.Time
}

// SameHolder says whether both grants are for the same user or group, on the same path.
func (g *Grant) SameHolder(o *Grant) bool {
	return g.Folder == o.Folder && g.Path == o.Path && g.User == o.User && g.Group == o.Group
}

// GrantChange sets a grant, or takes it away so that the next one further up decides.
type GrantChange struct {
	Grant  Grant
	Remove bool
}

const grantColumns = `folder_id, path, user_id, group_id, level, created_by, created_at`

func scanGrant(row func(...any) error) (Grant, error) {
	var g Grant
	var user, group sql.NullString
	var created int64
	err := row(&g.Folder, &g.Path, &user, &group, &g.Right, &g.By, &created)
	g.User, g.Group, g.Created = havre.UserID(user.String), group.String, fromStamp(created)
	return g, err
}

// SetGrant sets the right of g.User or g.Group on g.Path. RightNone is a grant like the others: it
// takes away what a path further up gives.
func (s *Store) SetGrant(ctx context.Context, by Actor, g Grant) error {
	return s.ChangeGrants(ctx, by, []GrantChange{{Grant: g}})
}

// RemoveGrant takes the grant of g.User or g.Group on g.Path away. It is havre.CodeNotFound if there is
// none.
func (s *Store) RemoveGrant(ctx context.Context, by Actor, g Grant) error {
	return s.ChangeGrants(ctx, by, []GrantChange{{Grant: g, Remove: true}})
}

// ChangeGrants makes all changes or none, with a line of the audit log for each.
func (s *Store) ChangeGrants(ctx context.Context, by Actor, changes []GrantChange) error {
	for i := range changes {
		if err := changes[i].check(); err != nil {
			return err
		}
	}
	return s.changeAccess(ctx, func(tx *sql.Tx) (AuditEntry, error) {
		last := AuditEntry{}
		for i := range changes {
			if last.Action != "" {
				if err := s.audit(ctx, tx, last); err != nil {
					return AuditEntry{}, err
				}
			}
			var err error
			if last, err = s.changeGrant(ctx, tx, by, &changes[i]); err != nil {
				return AuditEntry{}, err
			}
		}
		return last, nil
	})
}

func (c *GrantChange) check() error {
	g := &c.Grant
	if (g.User == "") == (g.Group == "") {
		return invalid("a grant is for a user or for a group: name one of them")
	}
	if g.Right > havre.RightManage {
		return invalid("there is no right %d", uint8(g.Right))
	}
	if _, err := svn.CheckPath(string(g.Path)); err != nil {
		return invalid("%q cannot be a path of a folder", g.Path)
	}
	return nil
}

// changeGrant makes one change and returns its line of the audit log.
func (s *Store) changeGrant(ctx context.Context, tx *sql.Tx, by Actor, c *GrantChange) (AuditEntry, error) {
	g := &c.Grant
	column, holder, table := "user_id", string(g.User), "users"
	if g.Group != "" {
		column, holder, table = "group_id", g.Group, "user_groups"
	}
	var folder, name string
	err := tx.QueryRowContext(ctx, fmt.Sprintf(`SELECT folders.name, %s.name FROM folders, %[1]s WHERE folders.id = ? AND %[1]s.id = ?`, table),
		g.Folder, holder).Scan(&folder, &name)
	if err != nil {
		return AuditEntry{}, orMissing(err, "there is no such folder, user or group any more")
	}
	if c.Remove {
		r, err := tx.ExecContext(ctx, fmt.Sprintf(`DELETE FROM grants WHERE folder_id = ? AND path = ? AND %s = ?`, column),
			g.Folder, g.Path, holder)
		if err != nil {
			return AuditEntry{}, err
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			return AuditEntry{}, orMissing(sql.ErrNoRows, "%s has no right set on /%s any more", name, g.Path)
		}
		return by.entry("grant.remove", folder, fmt.Sprintf("/%s: %s", g.Path, name)), nil
	}
	_, err = tx.ExecContext(ctx, fmt.Sprintf(`INSERT INTO grants (folder_id, path, %s, level, created_at, created_by) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (folder_id, path, %[1]s) WHERE %[1]s IS NOT NULL DO UPDATE SET
		level = excluded.level, created_at = excluded.created_at, created_by = excluded.created_by`, column),
		g.Folder, g.Path, holder, g.Right, s.stamp(), by.Name)
	return by.entry("grant.set", folder, fmt.Sprintf(detailGrant, g.Path, name, g.Right)), err
}

// Grants returns all grants of a folder, by path.
func (s *Store) Grants(ctx context.Context, folder havre.FolderID) ([]Grant, error) {
	return query(ctx, s.read, scanGrant, `SELECT `+grantColumns+` FROM grants
		WHERE folder_id = ? ORDER BY path, user_id, group_id`, folder)
}

// AllGrants returns all grants of all folders, by folder and path.
func (s *Store) AllGrants(ctx context.Context) ([]Grant, error) {
	return query(ctx, s.read, scanGrant, `SELECT `+grantColumns+` FROM grants ORDER BY folder_id, path, user_id, group_id`)
}

// groupsOf are the groups that a user is in, at whatever depth. UNION ends even where a circle was
// written by somebody else.
const groupsOf = `WITH RECURSIVE mine (id) AS (
		SELECT group_id FROM members WHERE user_id = ?1
		UNION
		SELECT group_members.group_id FROM mine JOIN group_members ON group_members.member_id = mine.id
	)`

// GrantsOf returns the grants that a user has in all folders, himself or through groups at any depth,
// by folder and path. A closed account, or one that has expired, has none.
func (s *Store) GrantsOf(ctx context.Context, user havre.UserID) ([]Grant, error) {
	return query(ctx, s.read, scanGrant, groupsOf+` SELECT `+grantColumns+` FROM grants
		WHERE (user_id = ?1 OR group_id IN (SELECT id FROM mine))
		AND EXISTS (SELECT 1 FROM users WHERE users.id = ?1 AND NOT disabled AND (expires_at IS NULL OR expires_at > ?2))
		ORDER BY folder_id, path`, user, s.stamp())
}

// CopyGrants sets, before something is moved from one path of a folder to another, what is set at and
// below the one also there, unless something is set there for the same holder already. It returns the
// grants that are to go once it is moved, and those that are to go if it is not.
func (s *Store) CopyGrants(ctx context.Context, by Actor, folder havre.FolderID, from, to svn.Path) (old, made []Grant, err error) {
	all, err := s.Grants(ctx, folder)
	if err != nil {
		return nil, nil, err
	}
	for i := range all {
		if _, in := all[i].Path.Rel(from); in {
			old = append(old, all[i])
		}
	}
	if len(old) == 0 {
		return nil, nil, nil
	}
	err = s.changeAccess(ctx, func(tx *sql.Tx) (AuditEntry, error) {
		for _, g := range old {
			rel, _ := g.Path.Rel(from)
			g.Path = to.Join(string(rel))
			r, err := tx.ExecContext(ctx, `INSERT INTO grants (folder_id, path, user_id, group_id, level, created_at, created_by)
				VALUES (?, ?, nullif(?, ''), nullif(?, ''), ?, ?, ?) ON CONFLICT DO NOTHING`,
				g.Folder, g.Path, g.User, g.Group, g.Right, g.Created.UnixMilli(), g.By)
			if err != nil {
				return AuditEntry{}, err
			}
			if n, err := r.RowsAffected(); err == nil && n > 0 {
				made = append(made, g)
			}
		}
		var name string
		err := tx.QueryRowContext(ctx, `SELECT name FROM folders WHERE id = ?`, folder).Scan(&name)
		return by.entry("grant.move", name, fmt.Sprintf(detailGrantMove, from, to)), err
	})
	return old, made, err
}

// DropGrants takes away what CopyGrants returned. It writes nothing into the audit log, which has the move.
func (s *Store) DropGrants(ctx context.Context, grants []Grant) error {
	if len(grants) == 0 {
		return nil
	}
	return s.changeAccess(ctx, func(tx *sql.Tx) (AuditEntry, error) {
		for _, g := range grants {
			_, err := tx.ExecContext(ctx, `DELETE FROM grants WHERE folder_id = ? AND path = ? AND coalesce(user_id, '') = ? AND coalesce(group_id, '') = ?`,
				g.Folder, g.Path, g.User, g.Group)
			if err != nil {
				return AuditEntry{}, err
			}
		}
		return AuditEntry{}, nil
	})
}
