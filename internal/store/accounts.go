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

// ChangeUser lets edit change an account: display name, e-mail address, role, expiry and quota are
// taken over. The last administrator stays one.
func (s *Store) ChangeUser(ctx context.Context, by Actor, id havre.UserID, edit func(*User)) error {
	return s.changeAccess(ctx, func(tx *sql.Tx) (AuditEntry, error) {
		was, err := userIn(ctx, tx, id)
		if err != nil {
			return AuditEntry{}, err
		}
		u := was
		edit(&u)
		if u.DisplayName, err = checkName(havre.Say("user"), u.DisplayName); err != nil {
			return AuditEntry{}, err
		}
		if u.Email, err = checkEmail(u.Email); err != nil {
			return AuditEntry{}, err
		}
		if u.Role > RoleAdmin {
			return AuditEntry{}, invalid("there is no role %d", uint8(u.Role))
		}
		if was.IsAdmin() && (!u.IsAdmin() || u.Closed(s.now())) {
			if err := s.anotherAdmin(ctx, tx, id); err != nil {
				return AuditEntry{}, err
			}
		}
		var expires, quota sql.NullInt64
		if !u.Expires.IsZero() {
			expires = sql.NullInt64{Int64: u.Expires.UnixMilli(), Valid: true}
		}
		if u.Quota >= 0 {
			quota = sql.NullInt64{Int64: u.Quota, Valid: true}
		}
		_, err = tx.ExecContext(ctx, `UPDATE users SET display_name = ?, email = ?, role = ?, expires_at = ?, quota = ? WHERE id = ?`,
			u.DisplayName, u.Email, u.Role, expires, quota, id)
		return by.entry("user.change", was.Name, changed(&was, &u)), err
	})
}

// changed says what differs, for the audit log.
func changed(was, is *User) string {
	var words []string
	if was.DisplayName != is.DisplayName {
		words = append(words, fmt.Sprintf(detailName, is.DisplayName))
	}
	if was.Email != is.Email {
		words = append(words, fmt.Sprintf(detailEmail, is.Email))
	}
	if was.Role != is.Role {
		words = append(words, fmt.Sprintf(detailRole, is.Role))
	}
	if !was.Expires.Equal(is.Expires) {
		if is.Expires.IsZero() {
			words = append(words, detailForever)
		} else {
			words = append(words, fmt.Sprintf(detailExpires, is.Expires.UTC().Format(time.RFC3339)))
		}
	}
	if was.Quota != is.Quota {
		quota := "none"
		if is.Quota >= 0 {
			quota = fmt.Sprintf(detailBytes, is.Quota)
		}
		words = append(words, fmt.Sprintf(detailQuota, quota))
	}
	return strings.Join(words, "; ")
}

// RenameUser gives an account another name. Revisions that it made keep the one they have.
func (s *Store) RenameUser(ctx context.Context, by Actor, id havre.UserID, name string) error {
	name, err := checkName(havre.Say("user"), name)
	if err != nil {
		return err
	}
	return s.changeAccess(ctx, func(tx *sql.Tx) (AuditEntry, error) {
		was, err := userIn(ctx, tx, id)
		if err != nil {
			return AuditEntry{}, err
		}
		_, err = tx.ExecContext(ctx, `UPDATE users SET name = ?, name_key = ? WHERE id = ?`, name, foldName(name), id)
		return by.entry("user.rename", was.Name, name), taken(err, "there is a user called %s already: choose another name", name)
	})
}

// DeleteUser removes an account with its devices, sessions, memberships and grants. The files that the
// person wrote stay, and so does the name in their history. The last administrator stays.
func (s *Store) DeleteUser(ctx context.Context, by Actor, id havre.UserID) error {
	return s.changeAccess(ctx, func(tx *sql.Tx) (AuditEntry, error) {
		u, err := userIn(ctx, tx, id)
		if err != nil {
			return AuditEntry{}, err
		}
		if u.IsAdmin() {
			if err := s.anotherAdmin(ctx, tx, id); err != nil {
				return AuditEntry{}, err
			}
		}
		// Invitations refer to the devices that came with them.
		if _, err := tx.ExecContext(ctx, `DELETE FROM invitations WHERE user_id = ?`, id); err != nil {
			return AuditEntry{}, err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM users WHERE id = ?`, id)
		return by.entry("user.delete", u.Name, ""), err
	})
}

// SetPreferences records what the person chose for the pages, as JSON.
func (s *Store) SetPreferences(ctx context.Context, id havre.UserID, preferences string) error {
	return s.changeAccess(ctx, func(tx *sql.Tx) (AuditEntry, error) {
		_, err := tx.ExecContext(ctx, `UPDATE users SET preferences = ? WHERE id = ?`, preferences, id)
		return AuditEntry{}, err
	})
}

// SetFeed sets the hash of the secret of the user's feed; an empty one takes it away.
func (s *Store) SetFeed(ctx context.Context, by Actor, id havre.UserID, hash string) error {
	action := "user.feed.set"
	if hash == "" {
		action = "user.feed.remove"
	}
	return s.changeAccess(ctx, func(tx *sql.Tx) (AuditEntry, error) {
		var name string
		err := tx.QueryRowContext(ctx, `UPDATE users SET feed_hash = ? WHERE id = ? RETURNING name`, hash, id).Scan(&name)
		return by.entry(action, name, ""), orMissing(err, "there is no user %s any more", id)
	})
}

// UserByFeed returns whose feed has the secret with the hash.
func (s *Store) UserByFeed(ctx context.Context, hash string) (User, error) {
	return queryOne(ctx, s.read, scanUser, func() error { return notFound("there is no such feed") },
		`SELECT `+userColumns+` FROM users WHERE feed_hash = ? AND feed_hash <> ''`, hash)
}

// HasFeed says whether the user has one.
func (s *Store) HasFeed(ctx context.Context, id havre.UserID) (bool, error) {
	var has bool
	err := s.read.QueryRowContext(ctx, `SELECT feed_hash <> '' FROM users WHERE id = ?`, id).Scan(&has)
	return has, err
}

// anotherAdmin fails if nobody but the account can administer.
func (s *Store) anotherAdmin(ctx context.Context, tx *sql.Tx, id havre.UserID) error {
	var n int
	err := tx.QueryRowContext(ctx, `SELECT count(*) FROM users WHERE role = ? AND id <> ? AND NOT disabled
		AND (expires_at IS NULL OR expires_at > ?)`, RoleAdmin, id, s.stamp()).Scan(&n)
	if err == nil && n == 0 {
		return invalid("this is the last administrator: make somebody else one first")
	}
	return err
}

func userIn(ctx context.Context, tx *sql.Tx, id havre.UserID) (User, error) {
	u, err := scanUser(tx.QueryRowContext(ctx, `SELECT `+userColumns+` FROM users WHERE id = ?`, id).Scan)
	return u, orMissing(err, "there is no user %s any more", id)
}

// Invitation is what is known of one, without its secret.
type Invitation struct {
	User     havre.UserID
	Expires  time.Time
	Password bool // it lets the person choose a password, and pairs no device
	// DeviceUsed and PasswordUsed say what of it was used.
	DeviceUsed, PasswordUsed bool
}

// InvitationByHash returns the invitation whose secret has the hash. An unknown or expired one, and one
// for a closed account, is havre.CodeDenied with one sentence for all.
func (s *Store) InvitationByHash(ctx context.Context, secretHash string) (Invitation, User, error) {
	return s.invitation(ctx, s.read, secretHash)
}

type rower interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func (s *Store) invitation(ctx context.Context, db rower, secretHash string) (Invitation, User, error) {
	var v Invitation
	var expires int64
	var device, password sql.NullInt64
	var purpose string
	unknown := havre.Errorf(havre.CodeDenied, "this invitation is unknown, used already or expired: ask for a new one")
	err := db.QueryRowContext(ctx, `SELECT user_id, expires_at, used_at, password_used_at, purpose FROM invitations
		WHERE secret_hash = ? AND expires_at > ?`, secretHash, s.stamp()).Scan(&v.User, &expires, &device, &password, &purpose)
	if errors.Is(err, sql.ErrNoRows) {
		return v, User{}, unknown
	}
	if err != nil {
		return v, User{}, err
	}
	v.Expires, v.DeviceUsed, v.PasswordUsed, v.Password = fromStamp(expires), device.Valid, password.Valid, purpose == "password"
	u, err := scanUser(db.QueryRowContext(ctx, `SELECT `+userColumns+` FROM users WHERE id = ?`, v.User).Scan)
	if err == nil && u.Closed(s.now()) {
		return v, User{}, unknown
	}
	return v, u, err
}

// AddPasswordInvitation lets who has the secret choose a new password for the account, once and until
// it expires. Earlier ones of the account are worthless then.
func (s *Store) AddPasswordInvitation(ctx context.Context, by Actor, secretHash string, user havre.UserID, expires time.Time) error {
	return s.changeAccess(ctx, func(tx *sql.Tx) (AuditEntry, error) {
		u, err := userIn(ctx, tx, user)
		if err != nil {
			return AuditEntry{}, err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM invitations WHERE user_id = ? AND purpose = 'password'`, user); err != nil {
			return AuditEntry{}, err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO invitations (secret_hash, user_id, created_by, created_at, expires_at, purpose)
			VALUES (?, ?, ?, ?, ?, 'password')`, secretHash, user, by.Name, s.stamp(), expires.UnixMilli())
		return by.entry("user.reset", u.Name, fmt.Sprintf(detailUntil, expires.UTC().Format(time.RFC3339))), err
	})
}

// RedeemPassword sets the hash of the password that the person with the invitation chose: the first one
// of the account, or with a password invitation a new one, once. Browsers that were signed in are
// signed out.
func (s *Store) RedeemPassword(ctx context.Context, secretHash, passwordHash string) (User, error) {
	var u User
	err := s.changeAccess(ctx, func(tx *sql.Tx) (AuditEntry, error) {
		v, found, err := s.invitation(ctx, tx, secretHash)
		if err != nil {
			return AuditEntry{}, err
		}
		u = found
		if v.PasswordUsed || !v.Password && u.Password {
			return AuditEntry{}, havre.Errorf(havre.CodeDenied, "a password was chosen with this invitation already: sign in with it")
		}
		at := s.stamp()
		if _, err := tx.ExecContext(ctx, `UPDATE invitations SET password_used_at = ? WHERE secret_hash = ?`, at, secretHash); err != nil {
			return AuditEntry{}, err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE users SET password_hash = ?, password_at = ? WHERE id = ?`, passwordHash, at, u.ID); err != nil {
			return AuditEntry{}, err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM sessions WHERE user_id = ?`, u.ID)
		return Actor{Name: u.Name}.entry("user.password", u.Name, detailInvitation), err
	})
	return u, err
}
