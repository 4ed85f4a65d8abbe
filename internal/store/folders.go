package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// Folder is a shared folder and where its files are.
type Folder struct {
	ID         havre.FolderID
	Name       string   // unique without regard to case
	Location   string   // directory of the repository, inside the server's repositories, or Adopted and its path
	Prefix     svn.Path // of the folder inside the repository
	Repository string   // UUID
	Created    time.Time
	Archived   time.Time // zero: in use
	Quota      int64     // bytes of the latest revision; 0: none
	CreatedBy  string    // name of a user, "console", or empty if nobody knows
}

// Adopted begins the location of a repository that was there before and is somewhere else on the
// server's disks; its absolute path follows. Such a repository is never deleted.
const Adopted = "adopted:"

// AdoptedDir returns where an adopted repository is, "" if the server made it itself.
func (f *Folder) AdoptedDir() string {
	dir, ok := strings.CutPrefix(f.Location, Adopted)
	if !ok {
		return ""
	}
	return dir
}

const folderColumns = `id, name, location, prefix, repository, created_at, archived_at, quota, created_by`

func scanFolder(row func(...any) error) (Folder, error) {
	var f Folder
	var created int64
	var archived, quota sql.NullInt64
	err := row(&f.ID, &f.Name, &f.Location, &f.Prefix, &f.Repository, &created, &archived, &quota, &f.CreatedBy)
	f.Created, f.Archived, f.Quota = fromStamp(created), fromNullStamp(archived), quota.Int64
	return f, err
}

// CheckFolderName returns the name as AddFolder would store it, or why it cannot be one.
func CheckFolderName(name string) (string, error) { return checkName(havre.Say("folder"), name) }

// AddFolder records a folder whose repository is there. ID and Created are set by it. A name that is
// taken is havre.CodeExists.
func (s *Store) AddFolder(ctx context.Context, by Actor, f Folder) (*Folder, error) {
	name, err := CheckFolderName(f.Name)
	if err != nil {
		return nil, err
	}
	f.ID, f.Name, f.CreatedBy = havre.FolderID(newID()), name, by.Name
	err = s.changeAccess(ctx, func(tx *sql.Tx) (AuditEntry, error) {
		at := s.stamp()
		f.Created = fromStamp(at)
		_, err := tx.ExecContext(ctx, `INSERT INTO folders (id, name, name_key, location, prefix, repository, created_at, created_by)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, f.ID, f.Name, foldName(f.Name), f.Location, f.Prefix, f.Repository, at, f.CreatedBy)
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

// RenameFolder gives the folder another name. One that is taken is havre.CodeExists.
func (s *Store) RenameFolder(ctx context.Context, by Actor, id havre.FolderID, name string) error {
	name, err := CheckFolderName(name)
	if err != nil {
		return err
	}
	return s.changeFolder(ctx, id, func(tx *sql.Tx, f *Folder) (AuditEntry, error) {
		_, err := tx.ExecContext(ctx, `UPDATE folders SET name = ?, name_key = ? WHERE id = ?`, name, foldName(name), id)
		if err != nil {
			return AuditEntry{}, taken(err, "there is a folder called %s already: choose another name", name)
		}
		// Addresses with the old name go on to lead to the folder until another one has it.
		_, err = tx.ExecContext(ctx, `INSERT INTO settings (name, value) VALUES (?, ?)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`, formerName+Setting(foldName(f.Name)), id)
		return by.entry("folder.rename", f.Name, name), err
	})
}

// formerName begins the settings that say which folder had a name.
const formerName Setting = "folder.former."

// FormerFolder returns the folder that had the name before it was renamed.
func (s *Store) FormerFolder(ctx context.Context, name string) (Folder, error) {
	id, err := s.Setting(ctx, formerName+Setting(foldName(name)))
	if err != nil {
		return Folder{}, err
	}
	return s.Folder(ctx, havre.FolderID(id))
}

// ArchiveFolder puts the folder away, or takes it back: nobody can read or change it meanwhile, and
// nothing of it is lost. Doing it twice changes nothing.
func (s *Store) ArchiveFolder(ctx context.Context, by Actor, id havre.FolderID, archived bool) error {
	return s.changeFolder(ctx, id, func(tx *sql.Tx, f *Folder) (AuditEntry, error) {
		if archived {
			_, err := tx.ExecContext(ctx, `UPDATE folders SET archived_at = coalesce(archived_at, ?) WHERE id = ?`, s.stamp(), id)
			return by.entry("folder.archive", f.Name, ""), err
		}
		_, err := tx.ExecContext(ctx, `UPDATE folders SET archived_at = NULL WHERE id = ?`, id)
		return by.entry("folder.unarchive", f.Name, ""), err
	})
}

// SetFolderQuota bounds the bytes of the folder's latest revision; 0 takes the bound away.
func (s *Store) SetFolderQuota(ctx context.Context, by Actor, id havre.FolderID, bytes int64) error {
	if bytes < 0 {
		return invalid("a quota is a number of bytes, or 0 for none")
	}
	return s.changeFolder(ctx, id, func(tx *sql.Tx, f *Folder) (AuditEntry, error) {
		_, err := tx.ExecContext(ctx, `UPDATE folders SET quota = nullif(?, 0) WHERE id = ?`, bytes, id)
		detail := "none"
		if bytes > 0 {
			detail = fmt.Sprintf(detailBytes, bytes)
		}
		return by.entry("folder.quota", f.Name, detail), err
	})
}

// changeFolder runs fn with the folder as it is.
func (s *Store) changeFolder(ctx context.Context, id havre.FolderID, fn func(*sql.Tx, *Folder) (AuditEntry, error)) error {
	return s.changeAccess(ctx, func(tx *sql.Tx) (AuditEntry, error) {
		f, err := scanFolder(tx.QueryRowContext(ctx, `SELECT `+folderColumns+` FROM folders WHERE id = ?`, id).Scan)
		if err != nil {
			return AuditEntry{}, orMissing(err, "there is no folder %s any more", id)
		}
		return fn(tx, &f)
	})
}
