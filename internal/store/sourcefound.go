package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
)

// Found is one address of a list that a person gave.
type Found struct {
	List    string
	Index   int
	User    havre.UserID // whose list it is
	At      time.Time    // of the list
	Given   string       // as it may be shown
	Title   string       // what the text called it
	Address string       // JSON: source.Address
	State   string       // hub.FoundState
	Reason  string
	Said    string
	Source  SourceID // that backs it up
	Wish    string   // JSON: where it is to go, empty until somebody said so
	Dropped bool
	Ask     bool   // the instance has to be asked what it is
	Sealed  string // the address as it was given, and what it could be
}

const foundColumns = `f.list_id, f.place, l.user_id, l.at, f.given, f.title, f.address, f.state, f.reason, f.said, COALESCE(f.source_id, ''), f.wish, f.dropped, f.ask, f.sealed`

func scanFound(row func(...any) error) (Found, error) {
	var f Found
	var at int64
	err := row(&f.List, &f.Index, &f.User, &at, &f.Given, &f.Title, &f.Address, &f.State, &f.Reason, &f.Said, &f.Source, &f.Wish, &f.Dropped, &f.Ask, &f.Sealed)
	f.At = fromStamp(at)
	return f, err
}

// keptLists is how long a list is kept of which nothing waits any more.
const keptLists = 30 * 24 * time.Hour

// AddFound stores a new list of a person and returns its ID. List, Index, User and At are set by it.
func (s *Store) AddFound(ctx context.Context, user havre.UserID, items []Found) (string, error) {
	list := newID()
	err := s.changeSources(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM source_lists WHERE at < ? AND NOT EXISTS (SELECT 1 FROM source_found
			WHERE list_id = source_lists.id AND NOT dropped AND state NOT IN ('added', 'known'))`, s.now().Add(-keptLists).UnixMilli())
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO source_lists (id, user_id, at) VALUES (?, ?, ?)`, list, user, s.stamp()); err != nil {
			return err
		}
		for i := range items {
			f := &items[i]
			_, err := tx.ExecContext(ctx, `INSERT INTO source_found (list_id, place, given, title, address, state, reason, said, source_id, wish, ask, sealed)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, list, i, f.Given, f.Title, f.Address, f.State, f.Reason, f.Said, orNull(string(f.Source)), f.Wish, f.Ask, f.Sealed)
			if err != nil {
				return err
			}
		}
		return nil
	})
	return list, err
}

// FoundOf returns the items of a list of the person in their order, CodeNotFound if there is none.
func (s *Store) FoundOf(ctx context.Context, user havre.UserID, list string) ([]Found, time.Time, error) {
	at, err := queryOne(ctx, s.read, func(row func(...any) error) (at int64, err error) { return at, row(&at) },
		func() error { return notFound("there is no such list of addresses: give them again") },
		`SELECT at FROM source_lists WHERE id = ? AND user_id = ?`, list, user)
	if err != nil {
		return nil, time.Time{}, err
	}
	items, err := query(ctx, s.read, scanFound, `SELECT `+foundColumns+` FROM source_found f JOIN source_lists l ON l.id = f.list_id
		WHERE list_id = ? ORDER BY place`, list)
	return items, fromStamp(at), err
}

// Unresolved returns the items of all lists of the person that are neither added, known nor dropped, the newest
// list first.
func (s *Store) Unresolved(ctx context.Context, user havre.UserID) ([]Found, error) {
	return query(ctx, s.read, scanFound, `SELECT `+foundColumns+` FROM source_found f JOIN source_lists l ON l.id = f.list_id
		WHERE l.user_id = ? AND NOT dropped AND state NOT IN ('added', 'known') ORDER BY l.at DESC, f.list_id, f.place LIMIT 1000`, user)
}

// FoundToDo returns at most limit items that wait for the server: those to be checked and, ready, to be added. Those for
// which an instance has to be asked come apart from the others.
func (s *Store) FoundToDo(ctx context.Context, ask bool, limit int) ([]Found, error) {
	return query(ctx, s.read, scanFound, `SELECT `+foundColumns+` FROM source_found f JOIN source_lists l ON l.id = f.list_id
		WHERE NOT dropped AND (state = 'checking' OR state = 'ready' AND wish <> '') AND ask = ? ORDER BY l.at, f.list_id, f.place LIMIT ?`, ask, limit)
}

// EditFound reads items of a list, lets edit change each, and stores State, Reason, Said, Address, Given, Source, Wish,
// Dropped, Ask and Sealed. All are changed or none.
func (s *Store) EditFound(ctx context.Context, list string, indexes []int, edit func(*Found) error) error {
	return s.changeSources(ctx, func(tx *sql.Tx) error {
		for _, index := range indexes {
			f, err := scanFound(tx.QueryRowContext(ctx, `SELECT `+foundColumns+` FROM source_found f JOIN source_lists l ON l.id = f.list_id
				WHERE list_id = ? AND place = ?`, list, index).Scan)
			if err != nil {
				return orMissing(err, "there is no such address on the list")
			}
			if err := edit(&f); err != nil {
				return err
			}
			_, err = tx.ExecContext(ctx, `UPDATE source_found SET given = ?, address = ?, state = ?, reason = ?, said = ?, source_id = ?, wish = ?, dropped = ?, ask = ?, sealed = ?
				WHERE list_id = ? AND place = ?`, f.Given, f.Address, f.State, f.Reason, f.Said, orNull(string(f.Source)), f.Wish, f.Dropped, f.Ask, f.Sealed, list, index)
			if err != nil {
				return err
			}
		}
		return nil
	})
}
