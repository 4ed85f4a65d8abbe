package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// Actor is who does something, for the audit log.
type Actor struct {
	Name   string // of the user
	Device havre.DeviceID
}

// Console is who uses the commands on the server itself.
var Console = Actor{Name: "console"}

func (a Actor) entry(action, subject, detail string) AuditEntry {
	return AuditEntry{Actor: a.Name, Device: a.Device, Action: action, Subject: subject, Detail: detail}
}

// AuditEntry is a line of the audit log, which can only grow.
type AuditEntry struct {
	ID      int64
	At      time.Time
	Actor   string
	Device  havre.DeviceID
	Action  string // as in "user.add"
	Subject string // what it was done to, by the name it had
	Detail  string
}

func (s *Store) audit(ctx context.Context, tx *sql.Tx, e AuditEntry) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO audit (at, actor, device, action, subject, detail) VALUES (?, ?, ?, ?, ?, ?)`,
		s.stamp(), e.Actor, e.Device, e.Action, e.Subject, e.Detail)
	return err
}

// Audit returns at most limit lines of the audit log that are older than the one with ID before, or
// the newest ones if it is 0; the newest first.
func (s *Store) Audit(ctx context.Context, before int64, limit int) ([]AuditEntry, error) {
	return query(ctx, s.read, func(row func(...any) error) (AuditEntry, error) {
		var e AuditEntry
		var at int64
		err := row(&e.ID, &at, &e.Actor, &e.Device, &e.Action, &e.Subject, &e.Detail)
		e.At = fromStamp(at)
		return e, err
	}, `SELECT id, at, actor, device, action, subject, detail FROM audit WHERE ? = 0 OR id < ? ORDER BY id DESC LIMIT ?`,
		before, before, limit)
}

// Setting is the name of a value that belongs to the server as a whole.
type Setting string

// The settings.
const (
	SettingServerID   Setting = "server.id"
	SettingServerName Setting = "server.name"
	SettingSetupHash  Setting = "setup.hash" // SHA-256 of the one-time setup code, until it is used
)

// Setting returns the value, "" if it was never set.
func (s *Store) Setting(ctx context.Context, name Setting) (string, error) {
	var value string
	err := s.read.QueryRowContext(ctx, `SELECT value FROM settings WHERE name = ?`, name).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return value, err
}

// SetSetting sets the value.
func (s *Store) SetSetting(ctx context.Context, name Setting, value string) error {
	_, err := s.write.ExecContext(ctx, `INSERT INTO settings (name, value) VALUES (?, ?)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
	return err
}

// InitSetting sets the value unless there is one, and returns the one that is there then.
func (s *Store) InitSetting(ctx context.Context, name Setting, value string) (string, error) {
	err := s.change(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING`, name, value); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, `SELECT value FROM settings WHERE name = ?`, name).Scan(&value)
	})
	return value, err
}

// Replica is what a device last reported about one of its replicas.
type Replica struct {
	Device   havre.DeviceID
	Report   havre.ReplicaReport
	Reported time.Time
}

// SaveReplicas records what a device reports. Folders that are gone are left out.
func (s *Store) SaveReplicas(ctx context.Context, device havre.DeviceID, reports []havre.ReplicaReport) error {
	return s.change(ctx, func(tx *sql.Tx) error {
		for _, r := range reports {
			_, err := tx.ExecContext(ctx, `INSERT INTO replicas (device_id, folder_id, root, revision, pending, error, reported_at)
				SELECT ?, id, ?, ?, ?, ?, ? FROM folders WHERE id = ?
				ON CONFLICT (device_id, folder_id, root) DO UPDATE SET revision = excluded.revision,
					pending = excluded.pending, error = excluded.error, reported_at = excluded.reported_at`,
				device, r.Scope.Root, r.Revision, r.Pending, r.Error, s.stamp(), r.Scope.Folder)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Replicas returns what all devices last reported about a folder.
func (s *Store) Replicas(ctx context.Context, folder havre.FolderID) ([]Replica, error) {
	return query(ctx, s.read, func(row func(...any) error) (Replica, error) {
		var r Replica
		var rev, at int64
		err := row(&r.Device, &r.Report.Scope.Folder, &r.Report.Scope.Root, &rev, &r.Report.Pending, &r.Report.Error, &at)
		r.Report.Revision, r.Reported = svn.Revnum(rev), fromStamp(at)
		return r, err
	}, `SELECT device_id, folder_id, root, revision, pending, error, reported_at FROM replicas
		WHERE folder_id = ? ORDER BY device_id, root`, folder)
}

// orMissing turns sql.ErrNoRows into havre.CodeNotFound with that sentence.
func orMissing(err error, format string, args ...any) error {
	if errors.Is(err, sql.ErrNoRows) {
		return notFound(format, args...)
	}
	return err
}
