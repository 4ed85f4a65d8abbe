package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
)

// Device is one installation of the client.
type Device struct {
	ID       havre.DeviceID
	User     havre.UserID
	UserName string
	Name     string
	Platform string // GOOS/GOARCH
	Version  string // of the client
	Created  time.Time
	LastSeen time.Time
	Revoked  time.Time // zero: it may come in
	Address  string    // IP address of the last contact
}

// NewDevice is what Redeem needs to know of the device.
type NewDevice struct {
	Name, Platform, Version string
	TokenHash               string // of what the device will show, see Device
}

const deviceColumns = `devices.id, devices.user_id, users.name, devices.name, devices.platform, devices.version,
	devices.created_at, devices.last_seen_at, devices.revoked_at, devices.address`

func scanDevice(row func(...any) error) (Device, error) {
	var d Device
	var created, seen int64
	var revoked sql.NullInt64
	err := row(&d.ID, &d.User, &d.UserName, &d.Name, &d.Platform, &d.Version, &created, &seen, &revoked, &d.Address)
	d.Created, d.LastSeen, d.Revoked = fromStamp(created), fromStamp(seen), fromNullStamp(revoked)
	return d, err
}

// DeviceByToken returns the device whose token has the hash. An unknown token, a revoked device and a
// closed or expired account are havre.CodeUnauthenticated.
func (s *Store) DeviceByToken(ctx context.Context, tokenHash string) (Device, error) {
	return s.activeDevice(ctx, "token_hash", tokenHash)
}

// ActiveDevice returns the device, if it may still come in; errors are those of DeviceByToken.
func (s *Store) ActiveDevice(ctx context.Context, id havre.DeviceID) (Device, error) {
	return s.activeDevice(ctx, "id", string(id))
}

func (s *Store) activeDevice(ctx context.Context, column, value string) (Device, error) {
	var disabled bool
	d, err := queryOne(ctx, s.read, func(row func(...any) error) (Device, error) {
		return scanDevice(func(dest ...any) error { return row(append(dest, &disabled)...) })
	}, func() error {
		return havre.Errorf(havre.CodeUnauthenticated, "the server does not know this device: join again with a new invitation")
	}, `SELECT `+deviceColumns+`, users.disabled OR users.expires_at IS NOT NULL AND users.expires_at <= ?
		FROM devices JOIN users ON users.id = devices.user_id WHERE devices.`+column+` = ?`, s.stamp(), value)
	switch {
	case err != nil:
		return Device{}, err
	case !d.Revoked.IsZero():
		return Device{}, havre.Errorf(havre.CodeUnauthenticated, "this device was signed out on the server: join again with a new invitation")
	case disabled:
		return Device{}, havre.Errorf(havre.CodeUnauthenticated, "the account is closed: ask an administrator to reopen it")
	}
	return d, nil
}

// Devices returns the devices of a user, of all users if it is empty, revoked ones included.
func (s *Store) Devices(ctx context.Context, user havre.UserID) ([]Device, error) {
	return query(ctx, s.read, scanDevice, `SELECT `+deviceColumns+` FROM devices JOIN users ON users.id = devices.user_id
		WHERE ? = '' OR devices.user_id = ? ORDER BY users.name_key, devices.created_at, devices.id`, user, user)
}

// RevokeDevice makes the device's token worthless. Doing it twice changes nothing.
func (s *Store) RevokeDevice(ctx context.Context, by Actor, id havre.DeviceID) error {
	return s.changeAccess(ctx, func(tx *sql.Tx) (AuditEntry, error) {
		var name string
		err := tx.QueryRowContext(ctx, `UPDATE devices SET revoked_at = coalesce(revoked_at, ?) WHERE id = ? RETURNING name`,
			s.stamp(), id).Scan(&name)
		return by.entry("device.revoke", name, string(id)), orMissing(err, "there is no device %s: see the list of devices", id)
	})
}

// Device returns the device, revoked or not.
func (s *Store) Device(ctx context.Context, id havre.DeviceID) (Device, error) {
	return queryOne(ctx, s.read, scanDevice, func() error { return notFound("there is no device %s: see the list of devices", id) },
		`SELECT `+deviceColumns+` FROM devices JOIN users ON users.id = devices.user_id WHERE devices.id = ?`, id)
}

// RenameDevice gives the device another name on the server's pages. It keeps its own for conflict
// copies, which it names itself.
func (s *Store) RenameDevice(ctx context.Context, by Actor, id havre.DeviceID, name string) error {
	name, err := checkName(havre.Say("device"), name)
	if err != nil {
		return err
	}
	return s.changeAccess(ctx, func(tx *sql.Tx) (AuditEntry, error) {
		var was string
		if err := tx.QueryRowContext(ctx, `SELECT name FROM devices WHERE id = ?`, id).Scan(&was); err != nil {
			return AuditEntry{}, orMissing(err, "there is no device %s: see the list of devices", id)
		}
		_, err := tx.ExecContext(ctx, `UPDATE devices SET name = ? WHERE id = ?`, name, id)
		return by.entry("device.rename", was, name), err
	})
}

// TouchDevice records that the device was there, and from which IP address if that is known.
func (s *Store) TouchDevice(ctx context.Context, id havre.DeviceID, address string) error {
	_, err := s.write.ExecContext(ctx, `UPDATE devices SET last_seen_at = ?, address = coalesce(nullif(?, ''), address) WHERE id = ?`,
		s.stamp(), clip(address), id)
	return err
}

// AddInvitation lets who has the secret with this hash add one device to the user's account, once
// and until it expires.
func (s *Store) AddInvitation(ctx context.Context, by Actor, secretHash string, user havre.UserID, expires time.Time) error {
	return s.changeAccess(ctx, func(tx *sql.Tx) (AuditEntry, error) {
		var name string
		if err := tx.QueryRowContext(ctx, `SELECT name FROM users WHERE id = ?`, user).Scan(&name); err != nil {
			return AuditEntry{}, orMissing(err, "there is no user %s any more", user)
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO invitations (secret_hash, user_id, created_by, created_at, expires_at)
			VALUES (?, ?, ?, ?, ?)`, secretHash, user, by.Name, s.stamp(), expires.UnixMilli())
		return by.entry("user.invite", name, fmt.Sprintf(detailUntil, expires.UTC().Format(time.RFC3339))), err
	})
}

// Redeem uses up the invitation whose secret has the hash and adds the device to the account that it
// is for. An unknown, used or expired one is havre.CodeDenied, with one sentence for all three, so that
// guessing teaches nothing.
func (s *Store) Redeem(ctx context.Context, secretHash string, n NewDevice) (*Device, error) {
	name, err := checkName(havre.Say("device"), n.Name)
	if err != nil {
		return nil, err
	}
	d := &Device{ID: havre.DeviceID(newID()), Name: name, Platform: clip(n.Platform), Version: clip(n.Version)}
	err = s.changeAccess(ctx, func(tx *sql.Tx) (AuditEntry, error) {
		at := s.stamp()
		d.Created, d.LastSeen = fromStamp(at), fromStamp(at)
		err := tx.QueryRowContext(ctx, `SELECT users.id, users.name FROM invitations JOIN users ON users.id = invitations.user_id
			WHERE secret_hash = ? AND used_at IS NULL AND invitations.expires_at > ? AND purpose = 'join'
				AND NOT users.disabled AND (users.expires_at IS NULL OR users.expires_at > ?)`, secretHash, at, at).Scan(&d.User, &d.UserName)
		if errors.Is(err, sql.ErrNoRows) {
			return AuditEntry{}, havre.Errorf(havre.CodeDenied, "this invitation is unknown, used already or expired: ask for a new one")
		}
		if err != nil {
			return AuditEntry{}, err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO devices (id, user_id, name, platform, version, token_hash, created_at, last_seen_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, d.ID, d.User, d.Name, d.Platform, d.Version, n.TokenHash, at, at)
		if err != nil {
			return AuditEntry{}, err
		}
		_, err = tx.ExecContext(ctx, `UPDATE invitations SET used_at = ?, device_id = ? WHERE secret_hash = ?`, at, d.ID, secretHash)
		return Actor{Name: d.UserName, Device: d.ID}.entry("device.join", d.Name, d.Platform), err
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// clip keeps what a client says about itself to a length that a page can show.
func clip(text string) string { return strings.ToValidUTF8(text[:min(len(text), maxName)], "") }
