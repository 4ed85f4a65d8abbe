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

// CheckUserName says why the name cannot be one of a user, or nil.
func CheckUserName(name string) error {
	_, err := checkName(havre.Say("user"), name)
	return err
}

// CheckGroupName says why the name cannot be one of a group, or nil.
func CheckGroupName(name string) error {
	_, err := checkName(havre.Say("group"), name)
	return err
}

// SameName says whether two names of users, groups or folders are the same to the store.
func SameName(a, b string) bool {
	return foldName(strings.TrimSpace(a)) == foldName(strings.TrimSpace(b))
}

// NameKey returns what all spellings of a name have in common.
func NameKey(name string) string { return foldName(strings.TrimSpace(name)) }

// ImportedPerson is one line of ImportPeople: a new account, or what changes of one.
type ImportedPerson struct {
	User        havre.UserID // of the account that changes; empty: a new one
	Name        string       // of a new one
	DisplayName string       // as it is then
	Email       string
	Role        Role
	Join        []string  // names of groups, made if they are not there
	Expires     time.Time // of a new account; zero: never
	Quota       int64     // in bytes; negative: none
	// SecretHash is that of the invitation for the person, none if empty.
	SecretHash string
}

// ImportPeople makes all accounts, groups, memberships and invitations, or nothing at all.
func (s *Store) ImportPeople(ctx context.Context, by Actor, people []ImportedPerson, expires time.Time) error {
	return s.changeAccess(ctx, func(tx *sql.Tx) (AuditEntry, error) {
		in := importing{s: s, tx: tx, by: by, expires: expires, groups: map[string]string{}}
		for i := range people {
			if err := in.person(ctx, &people[i]); err != nil {
				return AuditEntry{}, err
			}
		}
		return AuditEntry{}, nil
	})
}

// importing is one run of ImportPeople.
type importing struct {
	s       *Store
	tx      *sql.Tx
	by      Actor
	expires time.Time
	groups  map[string]string // identifiers by name key
}

func (in *importing) person(ctx context.Context, p *ImportedPerson) error {
	for _, name := range []string{p.Name, p.DisplayName} {
		if err := CheckUserName(name); err != nil {
			return err
		}
	}
	if _, err := checkEmail(p.Email); err != nil {
		return err
	}
	id, err := in.account(ctx, p)
	if err != nil {
		return err
	}
	for _, g := range p.Join {
		if err := in.join(ctx, g, id, p.Name); err != nil {
			return err
		}
	}
	if p.SecretHash == "" {
		return nil
	}
	_, err = in.tx.ExecContext(ctx, `INSERT INTO invitations (secret_hash, user_id, created_by, created_at, expires_at)
		VALUES (?, ?, ?, ?, ?)`, p.SecretHash, id, in.by.Name, in.s.stamp(), in.expires.UnixMilli())
	if err != nil {
		return err
	}
	return in.s.audit(ctx, in.tx, in.by.entry("user.invite", p.Name, fmt.Sprintf(detailUntil, in.expires.UTC().Format(time.RFC3339))))
}

// account makes the account or changes it.
func (in *importing) account(ctx context.Context, p *ImportedPerson) (havre.UserID, error) {
	quota := sql.NullInt64{Int64: p.Quota, Valid: p.Quota >= 0}
	if p.User == "" {
		id := havre.UserID(newID())
		expires := sql.NullInt64{Int64: p.Expires.UnixMilli(), Valid: !p.Expires.IsZero()}
		_, err := in.tx.ExecContext(ctx, `INSERT INTO users (id, name, name_key, display_name, email, role, created_at, expires_at, quota)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`, id, strings.TrimSpace(p.Name), NameKey(p.Name), p.DisplayName, p.Email, p.Role, in.s.stamp(), expires, quota)
		if err != nil {
			return "", taken(err, "there is a user called %s already: choose another name", p.Name)
		}
		return id, in.s.audit(ctx, in.tx, in.by.entry("user.add", p.Name, p.Role.String()))
	}
	var name string
	err := in.tx.QueryRowContext(ctx, `UPDATE users SET display_name = ?, email = ?, role = ?, quota = ? WHERE id = ? RETURNING name`,
		p.DisplayName, p.Email, p.Role, quota, p.User).Scan(&name)
	if err != nil {
		return "", orMissing(err, "there is no user called %s any more", p.Name)
	}
	return p.User, in.s.audit(ctx, in.tx, in.by.entry("user.change", name, detailImported))
}

func (in *importing) join(ctx context.Context, group string, user havre.UserID, name string) error {
	id, err := in.group(ctx, strings.TrimSpace(group))
	if err != nil {
		return err
	}
	_, err = in.tx.ExecContext(ctx, `INSERT INTO members (group_id, user_id) VALUES (?, ?) ON CONFLICT DO NOTHING`, id, user)
	if err != nil {
		return err
	}
	return in.s.audit(ctx, in.tx, in.by.entry("group.join", group, name))
}

// group returns the identifier of the group, which it makes if there is none.
func (in *importing) group(ctx context.Context, name string) (string, error) {
	if err := CheckGroupName(name); err != nil {
		return "", err
	}
	key := NameKey(name)
	if id := in.groups[key]; id != "" {
		return id, nil
	}
	var id string
	err := in.tx.QueryRowContext(ctx, `SELECT id FROM user_groups WHERE name_key = ?`, key).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		id = newID()
		_, err = in.tx.ExecContext(ctx, `INSERT INTO user_groups (id, name, name_key, created_at) VALUES (?, ?, ?, ?)`, id, name, key, in.s.stamp())
		if err == nil {
			err = in.s.audit(ctx, in.tx, in.by.entry("group.add", name, detailImported))
		}
	}
	if err != nil {
		return "", err
	}
	in.groups[key] = id
	return id, nil
}
