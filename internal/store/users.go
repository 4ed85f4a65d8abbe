package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
)

// User is an account.
type User struct {
	ID          havre.UserID
	Name        string // unique without regard to case
	DisplayName string
	Admin       bool
	Disabled    bool
	Created     time.Time
}

// NewUser is what AddUser needs to know.
type NewUser struct {
	Name        string
	DisplayName string // Name if empty
	Admin       bool
}

const userColumns = `users.id, users.name, users.display_name, users.admin, users.disabled, users.created_at`

func scanUser(row func(...any) error) (User, error) {
	var u User
	var created int64
	err := row(&u.ID, &u.Name, &u.DisplayName, &u.Admin, &u.Disabled, &created)
	u.Created = fromStamp(created)
	return u, err
}

// AddUser makes an account. A name that is taken is havre.CodeExists.
func (s *Store) AddUser(ctx context.Context, by Actor, n NewUser) (*User, error) {
	name, err := checkName("user", n.Name)
	if err != nil {
		return nil, err
	}
	display := name
	if n.DisplayName != "" {
		if display, err = checkName("user", n.DisplayName); err != nil {
			return nil, err
		}
	}
	u := &User{ID: havre.UserID(newID()), Name: name, DisplayName: display, Admin: n.Admin}
	err = s.changeAccess(ctx, func(tx *sql.Tx) (AuditEntry, error) {
		at := s.stamp()
		u.Created = fromStamp(at)
		_, err := tx.ExecContext(ctx, `INSERT INTO users (id, name, name_key, display_name, admin, created_at)
			VALUES (?, ?, ?, ?, ?, ?)`, u.ID, u.Name, foldName(u.Name), u.DisplayName, u.Admin, at)
		detail := ""
		if u.Admin {
			detail = "administrator"
		}
		return by.entry("user.add", u.Name, detail), taken(err, "there is a user called %s already: choose another name", name)
	})
	if err != nil {
		return nil, err
	}
	return u, nil
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

// UserByName returns the account with the name, in whatever case.
func (s *Store) UserByName(ctx context.Context, name string) (User, error) {
	return queryOne(ctx, s.read, scanUser,
		func() error { return notFound("there is no user called %s: see the list of users", name) },
		`SELECT `+userColumns+` FROM users WHERE name_key = ?`, foldName(name))
}

// SetUserDisabled closes or reopens an account. All devices of a closed one stop at once.
func (s *Store) SetUserDisabled(ctx context.Context, by Actor, id havre.UserID, disabled bool) error {
	action := "user.enable"
	if disabled {
		action = "user.disable"
	}
	return s.changeAccess(ctx, func(tx *sql.Tx) (AuditEntry, error) {
		var name string
		err := tx.QueryRowContext(ctx, `UPDATE users SET disabled = ? WHERE id = ? RETURNING name`, disabled, id).Scan(&name)
		return by.entry(action, name, ""), orMissing(err, "there is no user %s any more", id)
	})
}
