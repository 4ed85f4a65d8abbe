package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
)

// Actor is who does something, for the audit log.
type Actor struct {
	Name    string // of the user
	Device  havre.DeviceID
	Address string // IP address, if it is known
}

// Console is who uses the commands on the server itself.
var Console = Actor{Name: "console"}

func (a Actor) entry(action, subject, detail string) AuditEntry {
	return AuditEntry{Actor: a.Name, Device: a.Device, Address: a.Address, Action: action, Subject: subject, Detail: detail}
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
	Address string // IP address, empty if it is not known
}

func (s *Store) audit(ctx context.Context, tx *sql.Tx, e AuditEntry) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO audit (at, actor, device, action, subject, detail, address) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		s.stamp(), e.Actor, e.Device, e.Action, e.Subject, e.Detail, e.Address)
	return err
}

// Setting is the name of a value that belongs to the server as a whole.
type Setting string

// The settings.
const (
	SettingServerID   Setting = "server.id"
	SettingServerName Setting = "server.name"
	SettingSetupHash  Setting = "setup.hash" // SHA-256 of the one-time setup code, until it is used
	SettingTicketKey  Setting = "signin.key" // a secret by which the server knows its own tickets

	SettingSources Setting = "sources"         // JSON: hub.SourceSettings
	SettingBudgets Setting = "sources.budgets" // JSON: what instances may be asked, by host

	SettingAddress      Setting = "server.address"  // HOST:PORT where clients reach it, if somebody said so
	SettingGuard        Setting = "deletions.guard" // from when on deletions wait: "FILES PERCENT"
	SettingTrashDays    Setting = "trash.days"      // how long the trash of devices keeps things
	SettingSessionHours Setting = "session.hours"   // how long a browser stays signed in
	SettingFactor       Setting = "admin.factor"    // "yes": administrators need a second factor
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

// ChangeSetting is SetSetting by a person, which the audit log tells.
func (s *Store) ChangeSetting(ctx context.Context, by Actor, name Setting, value string) error {
	// A setting can decide who may do what: that administrators need a second factor does.
	return s.changeAccess(ctx, func(tx *sql.Tx) (AuditEntry, error) {
		_, err := tx.ExecContext(ctx, `INSERT INTO settings (name, value) VALUES (?, ?)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
		return by.entry("setting.change", string(name), value), err
	})
}

// CheckServerName returns the name as it is shown, or why it cannot be one.
func CheckServerName(name string) (string, error) { return checkName(havre.Say("server"), name) }

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

// orMissing turns sql.ErrNoRows into havre.CodeNotFound with that sentence.
func orMissing(err error, format string, args ...any) error {
	if errors.Is(err, sql.ErrNoRows) {
		return notFound(format, args...)
	}
	return err
}
