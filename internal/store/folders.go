package store

import (
	"context"
	"database/sql"
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
