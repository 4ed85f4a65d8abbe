// Package state keeps what a replica knows: one row in SQLite for each node, with what base, local
// and remote tree say of it, and how far the remote tree has come.
//
// The database may always say less than is true, never more: it is written after the disk, and a
// power cut may take its last transactions away. Losing it altogether loses no file: the trees are
// merged anew.
//
// A DB belongs to one goroutine. Everything is read and written between Begin and Commit. To keep
// what uses it readable, methods return no errors: the first one sticks, what is read after it is
// empty, and Commit rolls back and returns it.
package state

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

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite" // also the database/sql driver "sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/reconcile"
)

//go:embed migrations/*.sql
var migrations embed.FS

// DB is the open state of a replica.
type DB struct {
	path  string
	pool  *sql.DB
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
	open  bool  // a transaction is
	err   error // the first of this transaction

	cache map[reconcile.NodeID]*Node
	next  reconcile.NodeID // the last number given
}

// cacheSize bounds the nodes in memory; at about 500 bytes each that is 10 MB.
const cacheSize = 20_000

// Open opens the database file at path, made if it is not there, and brings its schema up to date.
func Open(ctx context.Context, path string) (*DB, error) {
	pool, err := sql.Open("sqlite", dsn(path))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	pool.SetMaxOpenConns(1)
	d := &DB{path: path, pool: pool, stmts: map[string]*sql.Stmt{}, cache: map[reconcile.NodeID]*Node{}}
	if err := d.open1(ctx, path); err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	return d, nil
}

func (d *DB) open1(ctx context.Context, path string) error {
	if err := migrate(ctx, d.pool, path); err != nil {
		return err
	}
	conn, err := d.pool.Conn(ctx)
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	d.conn = conn
	if err := conn.QueryRowContext(ctx, "SELECT max(id) FROM nodes").Scan(&d.next); err != nil {
		return errors.Join(fmt.Errorf("open %s: %w", path, err), conn.Close())
	}
	return nil
}

// dsn returns the data source name. synchronous(NORMAL): after a power cut the last transactions
// may be missing, which costs looking at some files again; the program dying costs nothing.
func dsn(path string) string {
	p := filepath.ToSlash(path)
	if !strings.HasPrefix(p, "/") && filepath.IsAbs(path) {
		p = "/" + p // C:/...
	}
	u := url.URL{Scheme: "file", Path: p, OmitHost: true}
	return u.String() + "?_pragma=busy_timeout(15000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)" +
		"&_pragma=cache_size(-16000)&_txlock=immediate"
}

func migrate(ctx context.Context, pool *sql.DB, path string) error {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, pool, dir, goose.WithDisableGlobalRegistry(true))
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
		return &havre.Error{Code: havre.CodeInvalid, Text: fmt.Sprintf(
			"%s was written by a newer havre (its schema is version %d, this program knows %d): install that version or a later one",
			path, have, newest)}
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("upgrade %s from schema %d to %d: %w", path, have, newest, err)
	}
	return nil
}

// Close closes the database; an open transaction is rolled back.
func (d *DB) Close() error {
	if d.open {
		d.Rollback()
	}
	for _, s := range d.stmts {
		s.Close()
	}
	return errors.Join(d.conn.Close(), d.pool.Close())
}

// Begin starts a transaction.
func (d *DB) Begin() {
	if d.open {
		panic("state: Begin in a transaction")
	}
	d.open = true
	d.exec("BEGIN IMMEDIATE")
}

// Commit ends the transaction. After an error none of it happened.
func (d *DB) Commit() error {
	d.exec("COMMIT")
	if d.err != nil {
		err := d.err
		d.Rollback()
		return err
	}
	d.open = false
	return nil
}

// Rollback ends the transaction as if it had not been.
func (d *DB) Rollback() {
	d.err = nil
	d.exec("ROLLBACK")
	d.open, d.err = false, nil
	clear(d.cache)
}

// Err returns what went wrong in this transaction.
func (d *DB) Err() error { return d.err }

func (d *DB) fail(err error) {
	if d.err != nil || err == nil {
		return
	}
	d.err = fmt.Errorf("the state of the replica: %w", err)
	if e, ok := errors.AsType[*sqlite.Error](err); ok && e.Code()&0xff == sqlite3.SQLITE_FULL {
		d.err = fmt.Errorf("the state of the replica, %s, has no space left: free some on its disk, then it goes on by itself: %w", d.path, err)
	}
}

// prepared returns the statement, prepared once. It waits for the disk only, so that no context is
// needed: a transaction is not left half-way when the program is told to end.
func (d *DB) prepared(query string) *sql.Stmt {
	if s := d.stmts[query]; s != nil {
		return s
	}
	s, err := d.conn.PrepareContext(context.Background(), query)
	if err != nil {
		d.fail(fmt.Errorf("%s: %w", query, err))
		return nil
	}
	d.stmts[query] = s
	return s
}

func (d *DB) exec(query string, args ...any) {
	if d.err != nil {
		return
	}
	if s := d.prepared(query); s != nil { //nolint:sqlclosecheck // Close does it
		if _, err := s.Exec(args...); err != nil {
			d.fail(err)
		}
	}
}

// row reads one row, if there is one.
func (d *DB) row(query string, args, into []any) {
	if d.err != nil {
		return
	}
	s := d.prepared(query) //nolint:sqlclosecheck // Close does it
	if s == nil {
		return
	}
	if err := s.QueryRow(args...).Scan(into...); !errors.Is(err, sql.ErrNoRows) {
		d.fail(err)
	}
}

// Setting returns a value that was set, "" if none was.
func (d *DB) Setting(name string) string {
	var v string
	d.row("SELECT value FROM settings WHERE name = ?", []any{name}, []any{&v})
	return v
}

// Set sets a value; "" removes it.
func (d *DB) Set(name, value string) {
	if value == "" {
		d.exec("DELETE FROM settings WHERE name = ?", name)
		return
	}
	d.exec("INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", name, value)
}
