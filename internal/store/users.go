package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"net/mail"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
)

// Role is what a person may do on the server as a whole.
type Role uint8

// The roles, each including those before it. They are stored as numbers: never change one.
const (
	RoleGuest   Role = iota // only what others grant
	RoleMember              // the usual one
	RoleFolders             // may create folders
	RoleAdmin               // administers
)

func (r Role) String() string {
	if r > RoleAdmin {
		return fmt.Sprintf("Role(%d)", uint8(r))
	}
	return [...]string{"guest", "member", "folders", "administrator"}[r]
}

// ParseRole is the inverse of Role.String.
func ParseRole(text string) (Role, error) {
	for r := RoleGuest; r <= RoleAdmin; r++ {
		if r.String() == text {
			return r, nil
		}
	}
	return 0, invalid("%q is no role: use guest, member, folders or administrator", text)
}

// User is an account.
type User struct {
	ID           havre.UserID
	Name         string // unique without regard to case
	DisplayName  string
	Email        string
	Role         Role
	Disabled     bool
	Created      time.Time
	Expires      time.Time // the account is closed from then on; zero: never
	LastSeen     time.Time // in the browser; zero: not yet
	Quota        int64     // bytes, -1: none
	Password     bool      // has one
	PasswordAt   time.Time // when it was set
	SecondFactor bool
	Preferences  string // JSON, of the web pages
}

// IsAdmin says whether the person administers the server.
func (u *User) IsAdmin() bool { return u.Role == RoleAdmin }

// Closed says whether nobody may come in with the account at that time.
func (u *User) Closed(at time.Time) bool {
	return u.Disabled || !u.Expires.IsZero() && !at.Before(u.Expires)
}

// NewUser is what AddUser needs to know.
type NewUser struct {
	Name        string
	DisplayName string // Name if empty
	Email       string
	Role        Role
}

const userColumns = `users.id, users.name, users.display_name, users.email, users.role, users.disabled, users.created_at,
	users.expires_at, users.last_seen_at, coalesce(users.quota, -1), users.password_hash <> '', users.password_at,
	users.totp_secret <> '', users.preferences`

func scanUser(row func(...any) error) (User, error) {
	var u User
	var created int64
	var expires, seen, password sql.NullInt64
	err := row(&u.ID, &u.Name, &u.DisplayName, &u.Email, &u.Role, &u.Disabled, &created,
		&expires, &seen, &u.Quota, &u.Password, &password, &u.SecondFactor, &u.Preferences)
	u.Created, u.Expires = fromStamp(created), fromNullStamp(expires)
	u.LastSeen, u.PasswordAt = fromNullStamp(seen), fromNullStamp(password)
	return u, err
}

// AddUser makes an account. A name that is taken is havre.CodeExists.
func (s *Store) AddUser(ctx context.Context, by Actor, n NewUser) (*User, error) {
	name, err := checkName(havre.Say("user"), n.Name)
	if err != nil {
		return nil, err
	}
	display := name
	if n.DisplayName != "" {
		if display, err = checkName(havre.Say("user"), n.DisplayName); err != nil {
			return nil, err
		}
	}
	email, err := checkEmail(n.Email)
	if err != nil {
		return nil, err
	}
	u := &User{ID: havre.UserID(newID()), Name: name, DisplayName: display, Email: email, Role: n.Role, Quota: -1, Preferences: "{}"}
	err = s.changeAccess(ctx, func(tx *sql.Tx) (AuditEntry, error) {
		at := s.stamp()
		u.Created = fromStamp(at)
		_, err := tx.ExecContext(ctx, `INSERT INTO users (id, name, name_key, display_name, email, role, created_at)
			VALUES (?, ?, ?, ?, ?, ?, ?)`, u.ID, u.Name, foldName(u.Name), u.DisplayName, u.Email, u.Role, at)
		detail := ""
		if u.Role != RoleMember {
			detail = u.Role.String()
		}
		return by.entry("user.add", u.Name, detail), taken(err, "there is a user called %s already: choose another name", name)
	})
	if err != nil {
		return nil, err
	}
	return u, nil
}

// checkEmail returns the address without surrounding space, or why it cannot be one. None is fine.
func checkEmail(address string) (string, error) {
	address = strings.TrimSpace(address)
	if address == "" {
		return "", nil
	}
	parsed, err := mail.ParseAddress(address)
	if err != nil || parsed.Address != address || len(address) > maxName {
		return "", invalid("%q is no e-mail address: write it as name@example.org", clip(address))
	}
	return address, nil
}

// Users returns all accounts by name.
func (s *Store) Users(ctx context.Context) ([]User, error) {
	return query(ctx, s.read, scanUser, `SELECT `+userColumns+` FROM users ORDER BY name_key`)
}

// User returns the account with the identifier.
func (s *Store) User(ctx context.Context, id havre.UserID) (User, error) {
	return queryOne(ctx, s.read, scanUser, func() error { return notFound("there is no user %s any more", id) },
		`SELECT `+userColumns+` FROM users WHERE id = ?`, id)
}

// NextExpiry returns when the next account that is open expires, the zero time if none does.
func (s *Store) NextExpiry(ctx context.Context) (time.Time, error) {
	return queryOne(ctx, s.read, func(row func(...any) error) (time.Time, error) {
		var at sql.NullInt64
		err := row(&at)
		return fromNullStamp(at), err
	}, func() error { return nil }, `SELECT min(expires_at) FROM users WHERE expires_at > ? AND NOT disabled`, s.stamp())
}

// UserByName returns the account with the name, in whatever case.
func (s *Store) UserByName(ctx context.Context, name string) (User, error) {
	return queryOne(ctx, s.read, scanUser,
		func() error { return notFound("there is no user called %s: see the list of users", name) },
		`SELECT `+userColumns+` FROM users WHERE name_key = ?`, foldName(name))
}

// UserToSignIn returns the account with the name or the e-mail address; an address that several have is
// nobody's.
func (s *Store) UserToSignIn(ctx context.Context, name string) (User, error) {
	u, err := s.UserByName(ctx, name)
	if havre.CodeOf(err) != havre.CodeNotFound || err == nil || !strings.Contains(name, "@") {
		return u, err
	}
	found, errMail := query(ctx, s.read, scanUser, `SELECT `+userColumns+` FROM users WHERE lower(email) = lower(?) LIMIT 2`, name)
	if errMail != nil || len(found) != 1 {
		return User{}, cmp.Or(errMail, err)
	}
	return found[0], nil
}

// SetUserDisabled closes or reopens an account. All devices and browsers of a closed one stop at
// once. The last administrator stays.
func (s *Store) SetUserDisabled(ctx context.Context, by Actor, id havre.UserID, disabled bool) error {
	action := "user.enable"
	if disabled {
		action = "user.disable"
	}
	return s.changeAccess(ctx, func(tx *sql.Tx) (AuditEntry, error) {
		if disabled {
			u, err := userIn(ctx, tx, id)
			if err != nil {
				return AuditEntry{}, err
			}
			if u.IsAdmin() {
				if err := s.anotherAdmin(ctx, tx, id); err != nil {
					return AuditEntry{}, err
				}
			}
		}
		var name string
		err := tx.QueryRowContext(ctx, `UPDATE users SET disabled = ? WHERE id = ? RETURNING name`, disabled, id).Scan(&name)
		if err == nil && disabled {
			_, err = tx.ExecContext(ctx, `DELETE FROM sessions WHERE user_id = ?`, id)
		}
		return by.entry(action, name, ""), orMissing(err, "there is no user %s any more", id)
	})
}
