package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
)

// Session is a browser that is signed in.
type Session struct {
	ID       string // may be shown
	User     havre.UserID
	Created  time.Time
	LastSeen time.Time
	Expires  time.Time
	Address  string // where it signed in from
	Agent    string // what the browser called itself
}

const sessionColumns = `sessions.id, sessions.user_id, sessions.created_at, sessions.last_seen_at, sessions.expires_at,
	sessions.address, sessions.agent`

func scanSession(row func(...any) error) (Session, error) {
	var v Session
	var created, seen, expires int64
	err := row(&v.ID, &v.User, &created, &seen, &expires, &v.Address, &v.Agent)
	v.Created, v.LastSeen, v.Expires = fromStamp(created), fromStamp(seen), fromStamp(expires)
	return v, err
}

// AddSession signs a browser in, whose token has the hash. ID and times but Expires are set by it.
func (s *Store) AddSession(ctx context.Context, by Actor, tokenHash string, n Session) (*Session, error) {
	n.ID, n.Address, n.Agent = newID(), clip(n.Address), clip(n.Agent)
	// Nothing that was known becomes wrong by it: the access version stays.
	err := s.change(ctx, func(tx *sql.Tx) error {
		at := s.stamp()
		n.Created, n.LastSeen = fromStamp(at), fromStamp(at)
		if _, err := tx.ExecContext(ctx, `DELETE FROM sessions WHERE expires_at <= ?`, at); err != nil {
			return err
		}
		var name string
		err := tx.QueryRowContext(ctx, `UPDATE users SET last_seen_at = ? WHERE id = ? RETURNING name`, at, n.User).Scan(&name)
		if err != nil {
			return orMissing(err, "there is no user %s any more", n.User)
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO sessions (id, token_hash, user_id, created_at, last_seen_at, expires_at, address, agent)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, n.ID, tokenHash, n.User, at, at, n.Expires.UnixMilli(), n.Address, n.Agent)
		if err != nil {
			return err
		}
		return s.audit(ctx, tx, by.entry("session.begin", name, n.Agent))
	})
	if err != nil {
		return nil, err
	}
	return &n, nil
}

// SessionByToken returns the session whose token has the hash, with its user. An unknown or expired
// one, and one of a closed account, is havre.CodeUnauthenticated.
func (s *Store) SessionByToken(ctx context.Context, tokenHash string) (Session, User, error) {
	v, err := queryOne(ctx, s.read, scanSession, func() error { return signedOut() },
		`SELECT `+sessionColumns+` FROM sessions WHERE token_hash = ? AND expires_at > ?`, tokenHash, s.stamp())
	if err != nil {
		return Session{}, User{}, err
	}
	u, err := s.User(ctx, v.User)
	if havre.CodeOf(err) == havre.CodeNotFound || err == nil && u.Closed(s.now()) {
		return Session{}, User{}, signedOut()
	}
	return v, u, err
}

func signedOut() error {
	return havre.Errorf(havre.CodeUnauthenticated, "you are signed out: sign in again")
}

// Sessions returns the open sessions of a user, the latest first.
func (s *Store) Sessions(ctx context.Context, user havre.UserID) ([]Session, error) {
	return query(ctx, s.read, scanSession, `SELECT `+sessionColumns+` FROM sessions
		WHERE user_id = ? AND expires_at > ? ORDER BY created_at DESC, id`, user, s.stamp())
}

// EndSession signs a browser of the user out. One that is not there any more is no failure.
func (s *Store) EndSession(ctx context.Context, by Actor, user havre.UserID, id string) error {
	return s.endSessions(ctx, by, `user_id = ? AND id = ?`, user, id)
}

// EndSessions signs all browsers of the user out, but the one called except.
func (s *Store) EndSessions(ctx context.Context, by Actor, user havre.UserID, except string) error {
	return s.endSessions(ctx, by, `user_id = ? AND id <> ?`, user, except)
}

func (s *Store) endSessions(ctx context.Context, by Actor, where string, user havre.UserID, id string) error {
	return s.changeAccess(ctx, func(tx *sql.Tx) (AuditEntry, error) {
		var name string
		if err := tx.QueryRowContext(ctx, `SELECT name FROM users WHERE id = ?`, user).Scan(&name); err != nil {
			return AuditEntry{}, orMissing(err, "there is no user %s any more", user)
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM sessions WHERE `+where, user, id) //nolint:gosec // where is a constant of this file
		return by.entry("session.end", name, ""), err
	})
}

// TouchSession records that the browser was there.
func (s *Store) TouchSession(ctx context.Context, id string) error {
	return s.change(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE users SET last_seen_at = ?1 WHERE id = (SELECT user_id FROM sessions WHERE id = ?2)`, s.stamp(), id)
		if err == nil {
			_, err = tx.ExecContext(ctx, `UPDATE sessions SET last_seen_at = ? WHERE id = ?`, s.stamp(), id)
		}
		return err
	})
}

// Secrets are what a person signs in with.
type Secrets struct {
	PasswordHash string // argon2id in PHC form; empty: none yet
	TOTPSecret   string // base32; empty: no second factor
	TOTPStep     int64  // the last time step used
}

// Secrets returns those of the user.
func (s *Store) Secrets(ctx context.Context, user havre.UserID) (Secrets, error) {
	return queryOne(ctx, s.read, func(row func(...any) error) (Secrets, error) {
		var v Secrets
		return v, row(&v.PasswordHash, &v.TOTPSecret, &v.TOTPStep)
	}, func() error { return notFound("there is no user %s any more", user) },
		`SELECT password_hash, totp_secret, totp_step FROM users WHERE id = ?`, user)
}

// SetPassword sets the hash of a password and signs all browsers of the user out, but the one called
// except.
func (s *Store) SetPassword(ctx context.Context, by Actor, user havre.UserID, hash, except string) error {
	return s.changeAccess(ctx, func(tx *sql.Tx) (AuditEntry, error) {
		var name string
		err := tx.QueryRowContext(ctx, `UPDATE users SET password_hash = ?, password_at = ? WHERE id = ? RETURNING name`,
			hash, s.stamp(), user).Scan(&name)
		if err != nil {
			return AuditEntry{}, orMissing(err, "there is no user %s any more", user)
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM sessions WHERE user_id = ? AND id <> ?`, user, except)
		return by.entry("user.password", name, ""), err
	})
}

// SetTOTP sets the secret of the second factor and its recovery codes; an empty secret takes it away.
func (s *Store) SetTOTP(ctx context.Context, by Actor, user havre.UserID, secret string, step int64, codeHashes []string) error {
	action := "user.totp.set"
	if secret == "" {
		action = "user.totp.remove"
	}
	return s.changeAccess(ctx, func(tx *sql.Tx) (AuditEntry, error) {
		var name string
		err := tx.QueryRowContext(ctx, `UPDATE users SET totp_secret = ?, totp_step = ? WHERE id = ? RETURNING name`, secret, step, user).Scan(&name)
		if err != nil {
			return AuditEntry{}, orMissing(err, "there is no user %s any more", user)
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM recovery_codes WHERE user_id = ?`, user); err != nil {
			return AuditEntry{}, err
		}
		for _, h := range codeHashes {
			if _, err := tx.ExecContext(ctx, `INSERT INTO recovery_codes (user_id, code_hash) VALUES (?, ?)`, user, h); err != nil {
				return AuditEntry{}, err
			}
		}
		return by.entry(action, name, ""), nil
	})
}

// UseTOTPStep records that the code of a time step was used, and says whether it was the first time.
func (s *Store) UseTOTPStep(ctx context.Context, user havre.UserID, step int64) (bool, error) {
	return s.changedOne(ctx, `UPDATE users SET totp_step = ? WHERE id = ? AND totp_step < ?`, step, user, step)
}

// UseRecoveryCode uses up the recovery code with the hash, and says whether it was good.
func (s *Store) UseRecoveryCode(ctx context.Context, user havre.UserID, hash string) (bool, error) {
	return s.changedOne(ctx, `UPDATE recovery_codes SET used_at = ? WHERE user_id = ? AND code_hash = ? AND used_at IS NULL`, s.stamp(), user, hash)
}

// RecoveryCodesLeft returns how many recovery codes of the user were not used yet.
func (s *Store) RecoveryCodesLeft(ctx context.Context, user havre.UserID) (int, error) {
	var n int
	err := s.read.QueryRowContext(ctx, `SELECT count(*) FROM recovery_codes WHERE user_id = ? AND used_at IS NULL`, user).Scan(&n)
	return n, err
}

func (s *Store) changedOne(ctx context.Context, text string, args ...any) (bool, error) {
	r, err := s.write.ExecContext(ctx, text, args...)
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	return n == 1, err
}

// Failures says how often signing in failed for a key since the last success, and when last.
type Failures struct {
	Count  int
	LastAt time.Time
}

// SignInFailures returns the failures of a key.
func (s *Store) SignInFailures(ctx context.Context, key string) (Failures, error) {
	var f Failures
	var at int64
	err := s.read.QueryRowContext(ctx, `SELECT count, last_at FROM sign_in_failures WHERE key = ?`, key).Scan(&f.Count, &at)
	if errors.Is(err, sql.ErrNoRows) {
		return Failures{}, nil
	}
	f.LastAt = fromStamp(at)
	return f, err
}

// CountSignInFailure adds a failure to a key; those older than forget start anew and are removed.
func (s *Store) CountSignInFailure(ctx context.Context, key string, forget time.Duration) error {
	return s.change(ctx, func(tx *sql.Tx) error {
		at := s.stamp()
		if _, err := tx.ExecContext(ctx, `DELETE FROM sign_in_failures WHERE last_at < ?`, at-forget.Milliseconds()); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO sign_in_failures (key, count, last_at) VALUES (?, 1, ?)
			ON CONFLICT (key) DO UPDATE SET count = count + 1, last_at = excluded.last_at`, strings.ToValidUTF8(key, ""), at)
		return err
	})
}

// ClearSignInFailures forgets the failures of a key.
func (s *Store) ClearSignInFailures(ctx context.Context, key string) error {
	_, err := s.write.ExecContext(ctx, `DELETE FROM sign_in_failures WHERE key = ?`, key)
	return err
}

// Record adds a line to the audit log for what changed nothing in the database.
func (s *Store) Record(ctx context.Context, e AuditEntry) error {
	return s.change(ctx, func(tx *sql.Tx) error { return s.audit(ctx, tx, e) })
}
