// Package store is the server's database of people: accounts and groups, devices and their tokens,
// folders and grants, invitations, what each replica last reported, the audit log and the settings.
//
// It holds nothing about files, which are in the repositories, and decides nothing: which right a
// person has on a path is the hub's business. Every failure that a person can cause is a *havre.Error
// with a sentence that says what to do.
//
// The database is one SQLite file, used by several processes at once: the server, and the commands
// that administer it while it runs. Each process writes through one connection and reads through
// a few others. The schema is in migrations/: numbered, forward only. The statements keep to
// what other SQL databases understand, so that accounts can move to one.
package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the database/sql driver "sqlite"

	"github.com/havre-cloud/havre/internal/havre"
)

//go:embed migrations/*.sql
var migrations embed.FS

// readers is how many statements one process reads with at the same time.
const readers = 4

// Store is an open database. It is safe for concurrent use.
type Store struct {
	write *sql.DB // one connection: SQLite has one writer, and waiting in Go is fair
	read  *reader
	now   func() time.Time
}

// Options are the settings of Open.
type Options struct {
	// Program is the version of this program, recorded beside each schema upgrade.
	Program string
	// Now is the clock; time.Now if nil.
	Now func() time.Time
}

// Open opens the database file at path, which is made if it is not there, and brings its schema up
// to date. A schema newer than this program is refused with havre.CodeInvalid.
func Open(ctx context.Context, path string, opts Options) (*Store, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	s := &Store{now: opts.Now}
	var err error
	if s.write, err = sql.Open("sqlite", dsn(path, "_txlock=immediate")); err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	s.write.SetMaxOpenConns(1)
	if err := s.migrate(ctx, path, opts.Program); err != nil {
		return nil, errors.Join(err, s.write.Close())
	}
	read, err := sql.Open("sqlite", dsn(path, "_pragma=query_only(1)"))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), s.write.Close())
	}
	read.SetMaxOpenConns(readers)
	read.SetMaxIdleConns(readers)
	s.read = newReader(read)
	return s, nil
}

// dsn returns the data source name. The settings are in it because SQLite keeps most of them for
// each connection, and database/sql opens connections when it likes. synchronous(FULL): a
// revoked device must stay revoked after a power cut.
func dsn(path, more string) string {
	p := filepath.ToSlash(path)
	if !strings.HasPrefix(p, "/") && filepath.IsAbs(path) {
		p = "/" + p // C:/...
	}
	u := url.URL{Scheme: "file", Path: p, OmitHost: true}
	return u.String() + "?_pragma=busy_timeout(15000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)" +
		"&_pragma=foreign_keys(1)&" + more
}

// Close closes the database.
func (s *Store) Close() error { return errors.Join(s.read.Close(), s.write.Close()) }

func (s *Store) migrate(ctx context.Context, path, program string) error {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, s.write, dir, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read the schema: %w", err)
	}
	sources := p.ListSources()
	newest := sources[len(sources)-1].Version
	have, err := p.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	if have > newest {
		return havre.Errorf(havre.CodeInvalid,
			"the database %s was made by a newer havre (its schema is version %d, this program knows %d): install that version or a later one",
			path, have, newest)
	}
	if have == newest {
		return nil
	}
	if _, err := p.Up(ctx); err != nil {
		// Two processes may begin with the same new database; the second finds it done.
		if now, vErr := p.GetDBVersion(ctx); vErr == nil && now == newest {
			return nil
		}
		return fmt.Errorf("upgrade %s from schema %d to %d: %w", path, have, newest, err)
	}
	return s.recordUpgrade(ctx, have, newest, program)
}

func (s *Store) recordUpgrade(ctx context.Context, from, to int64, program string) error {
	return s.change(ctx, func(tx *sql.Tx) error {
		for v := from + 1; v <= to; v++ {
			_, err := tx.ExecContext(ctx, `INSERT INTO upgrades (version, program, at) VALUES (?, ?, ?)
				ON CONFLICT (version) DO NOTHING`, v, program, s.stamp())
			if err != nil {
				return err
			}
		}
		return foreignKeys(ctx, tx)
	})
}

// foreignKeys fails if a row refers to one that does not exist; SQLite reports these as rows.
func foreignKeys(ctx context.Context, tx *sql.Tx) error {
	rows, err := tx.QueryContext(ctx, `PRAGMA foreign_key_check`)
	if err != nil {
		return err
	}
	defer rows.Close()
	if rows.Next() {
		var table, parent string
		var row, key sql.NullInt64
		if err := rows.Scan(&table, &row, &parent, &key); err != nil {
			return err
		}
		return fmt.Errorf("table %s, row %d: its row in %s is missing", table, row.Int64, parent)
	}
	return rows.Err()
}

// change runs fn in a transaction that writes.
func (s *Store) change(ctx context.Context, fn func(*sql.Tx) error) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := fn(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// changeAccess is change for what decides who may do what: it raises AccessVersion as well, and
// writes the entry into the audit log, if it has an action.
func (s *Store) changeAccess(ctx context.Context, fn func(*sql.Tx) (AuditEntry, error)) error {
	return s.change(ctx, func(tx *sql.Tx) error {
		entry, err := fn(tx)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE access_version SET version = version + 1`); err != nil {
			return err
		}
		if entry.Action == "" {
			return nil
		}
		return s.audit(ctx, tx, entry)
	})
}

// AccessVersion returns a number that grows with every change of users, devices, groups, folders and
// grants, whichever process made it.
func (s *Store) AccessVersion(ctx context.Context) (int64, error) {
	var v int64
	err := s.read.QueryRowContext(ctx, `SELECT version FROM access_version`).Scan(&v)
	return v, err
}

// stamp returns now as it is stored.
func (s *Store) stamp() int64 { return s.now().UnixMilli() }

func fromStamp(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// fromNullStamp returns the zero time for NULL.
func fromNullStamp(ms sql.NullInt64) time.Time {
	if !ms.Valid {
		return time.Time{}
	}
	return fromStamp(ms.Int64)
}

// query returns all rows that scan reads.
func query[T any](ctx context.Context, db *reader, scan func(row func(...any) error) (T, error), text string, args ...any) ([]T, error) {
	rows, err := db.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		v, err := scan(rows.Scan)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}

// queryOne returns the one row that scan reads, or missing() if there is none.
func queryOne[T any](ctx context.Context, db *reader, scan func(row func(...any) error) (T, error), missing func() error, text string, args ...any) (T, error) {
	v, err := scan(db.QueryRowContext(ctx, text, args...).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		var none T
		return none, missing()
	}
	return v, err
}
