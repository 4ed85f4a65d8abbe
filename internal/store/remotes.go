package store

import (
	"context"
	"database/sql"
	"strings"
)

// Remote begins the location of a repository on another server; its address follows.
const Remote = "remote:"

// RemoteURL returns the address of the folder's repository on another server, "" if it is on this one's disks.
func (f *Folder) RemoteURL() string {
	url, ok := strings.CutPrefix(f.Location, Remote)
	if !ok {
		return ""
	}
	return url
}

// RemotePlace is RemoteURL with the folder's directory in the repository, for people.
func (f *Folder) RemotePlace() string {
	url := f.RemoteURL()
	if url == "" || f.Prefix == "" {
		return url
	}
	return url + "/" + string(f.Prefix)
}

// RemoteRecord is what is known of a repository on another server.
type RemoteRecord struct {
	Location   string // of the folders in it
	Repository string // UUID
	Login      string // encrypted
}

// Remote returns what is known of the repository at the location.
func (s *Store) Remote(ctx context.Context, location string) (RemoteRecord, error) {
	r := RemoteRecord{Location: location}
	err := s.read.QueryRowContext(ctx, `SELECT repository, login FROM remotes WHERE location = ?`, location).Scan(&r.Repository, &r.Login)
	return r, orMissing(err, "nothing is known of the repository at %s", strings.TrimPrefix(location, Remote))
}

// SetRemote notes or changes what is known of a repository.
func (s *Store) SetRemote(ctx context.Context, by Actor, r RemoteRecord) error {
	return s.changeAccess(ctx, func(tx *sql.Tx) (AuditEntry, error) {
		_, err := tx.ExecContext(ctx, `INSERT INTO remotes (location, repository, login, changed_at) VALUES (?, ?, ?, ?)
			ON CONFLICT (location) DO UPDATE SET repository = excluded.repository, login = excluded.login, changed_at = excluded.changed_at`,
			r.Location, r.Repository, r.Login, s.stamp())
		return by.entry("folder.remote", strings.TrimPrefix(r.Location, Remote), ""), err
	})
}
