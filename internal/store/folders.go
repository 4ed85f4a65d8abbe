package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// Folder is a shared folder and where its files are.
type Folder struct {
	ID         havre.FolderID
	Name       string   // unique without regard to case
	Location   string   // directory of the repository, inside the server's repositories
	Prefix     svn.Path // of the folder inside the repository
	Repository string   // UUID
	Created    time.Time
	Archived   time.Time // zero: in use
}

const folderColumns = `id, name, location, prefix, repository, created_at, archived_at`

func scanFolder(row func(...any) error) (Folder, error) {
	var f Folder
	var created int64
	var archived sql.NullInt64
	err := row(&f.ID, &f.Name, &f.Location, &f.Prefix, &f.Repository, &created, &archived)
	f.Created, f.Archived = fromStamp(created), fromNullStamp(archived)
	return f, err
}

// CheckFolderName returns the name as AddFolder would store it, or why it cannot be one.
func CheckFolderName(name string) (string, error) { return checkName("folder", name) }

// AddFolder records a folder whose repository is there. ID and Created are set by it. A name that is
// taken is havre.CodeExists.
func (s *Store) AddFolder(ctx context.Context, by Actor, f Folder) (*Folder, error) {
	name, err := CheckFolderName(f.Name)
	if err != nil {
		return nil, err
	}
	f.ID, f.Name = havre.FolderID(newID()), name
	err = s.changeAccess(ctx, func(tx *sql.Tx) (AuditEntry, error) {
		at := s.stamp()
		f.Created = fromStamp(at)
		_, err := tx.ExecContext(ctx, `INSERT INTO folders (id, name, name_key, location, prefix, repository, created_at)
			VALUES (?, ?, ?, ?, ?, ?, ?)`, f.ID, f.Name, foldName(f.Name), f.Location, f.Prefix, f.Repository, at)
		return by.entry("folder.add", f.Name, f.Location), taken(err, "there is a folder called %s already: choose another name", name)
	})
	if err != nil {
		return nil, err
	}
	return &f, nil
}

// Folders returns all folders by name, archived ones included.
func (s *Store) Folders(ctx context.Context) ([]Folder, error) {
	return query(ctx, s.read, scanFolder, `SELECT `+folderColumns+` FROM folders ORDER BY name_key`)
}

// Folder returns the folder with the identifier.
func (s *Store) Folder(ctx context.Context, id havre.FolderID) (Folder, error) {
	return queryOne(ctx, s.read, scanFolder, func() error { return notFound("there is no folder %s any more", id) },
		`SELECT `+folderColumns+` FROM folders WHERE id = ?`, id)
}

// FolderByName returns the folder with the name, in whatever case.
func (s *Store) FolderByName(ctx context.Context, name string) (Folder, error) {
	return queryOne(ctx, s.read, scanFolder,
		func() error { return notFound("there is no folder called %s: see the list of folders", name) },
		`SELECT `+folderColumns+` FROM folders WHERE name_key = ?`, foldName(name))
}

// Grant is a right of a user, or of a group, on a path of a folder and what is below it.
type Grant struct {
	Folder havre.FolderID
	Path   svn.Path
	User   havre.UserID // this
	Group  string       // or this
	Right  havre.Right
}

func scanGrant(row func(...any) error) (Grant, error) {
	var g Grant
	var user, group sql.NullString
	err := row(&g.Folder, &g.Path, &user, &group, &g.Right)
	g.User, g.Group = havre.UserID(user.String), group.String
	return g, err
}

// SetGrant sets the right of g.User or g.Group on g.Path. RightNone is a grant like the others: it
// takes away what a path further up gives.
func (s *Store) SetGrant(ctx context.Context, by Actor, g Grant) error {
	if (g.User == "") == (g.Group == "") {
		return invalid("a grant is for a user or for a group: name one of them")
	}
	if g.Right > havre.RightManage {
		return invalid("there is no right %d", uint8(g.Right))
	}
	column, holder, table := "user_id", string(g.User), "users"
	if g.Group != "" {
		column, holder, table = "group_id", g.Group, "user_groups"
	}
	return s.changeAccess(ctx, func(tx *sql.Tx) (AuditEntry, error) {
		var folder, name string
		err := tx.QueryRowContext(ctx, fmt.Sprintf(`SELECT folders.name, %s.name FROM folders, %[1]s WHERE folders.id = ? AND %[1]s.id = ?`, table),
			g.Folder, holder).Scan(&folder, &name)
		if err != nil {
			return AuditEntry{}, orMissing(err, "there is no such folder, user or group any more")
		}
		_, err = tx.ExecContext(ctx, fmt.Sprintf(`INSERT INTO grants (folder_id, path, %s, level, created_at) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (folder_id, path, %[1]s) WHERE %[1]s IS NOT NULL DO UPDATE SET level = excluded.level`, column),
			g.Folder, g.Path, holder, g.Right, s.stamp())
		return by.entry("grant.set", folder, fmt.Sprintf("/%s: %s may %s", g.Path, name, g.Right)), err
	})
}

// Grants returns all grants of a folder, by path.
func (s *Store) Grants(ctx context.Context, folder havre.FolderID) ([]Grant, error) {
	return query(ctx, s.read, scanGrant, `SELECT folder_id, path, user_id, group_id, level FROM grants
		WHERE folder_id = ? ORDER BY path, user_id, group_id`, folder)
}

// GrantsOf returns the grants that a user has in all folders, himself or through groups, by folder
// and path.
func (s *Store) GrantsOf(ctx context.Context, user havre.UserID) ([]Grant, error) {
	return query(ctx, s.read, scanGrant, `SELECT folder_id, path, user_id, group_id, level FROM grants
		WHERE user_id = ? OR group_id IN (SELECT group_id FROM members WHERE members.user_id = ?)
		ORDER BY folder_id, path`, user, user)
}
