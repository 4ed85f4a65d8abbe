// Package repcache keeps db/rep-cache.db, the SQLite database in which Subversion's programs and
// package fsfs note under which SHA-1 contents are stored, so that equal ones are stored once:
//
//	fsfs.Open(dir, fsfs.Options{RepCache: repcache.Open})
//
// It is a package of its own because it brings SQLite into a program. It has one table,
//
//	rep_cache (hash TEXT PRIMARY KEY, revision, offset, size, expanded_size INTEGER, all NOT NULL)
//
// hash is the SHA-1 in lower case hexadecimal, offset the item, size the length as stored.
// PRAGMA user_version is 1 up to format 7 and 2 in format 8, where the table is WITHOUT ROWID. Written
// as Subversion writes it: rollback journal, truncated after use, without waiting for the disk; after a
// loss of power it may be damaged, and then is of no use until somebody removes it. Rows are hints: who
// reads one compares what is stored there.
package repcache

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/fsfs"
)

const (
	// findWait is how long looking up waits for others, in milliseconds: a commit is waiting.
	findWait = 50
	// updateWait is how long writing waits for others, in milliseconds; libsvn waits as long.
	updateWait = 10_000
)

// table is the definition of the table without its spaces, in lower case.
const table = "createtablerep_cache(hashtextnotnullprimarykey,revisionintegernotnull," +
	"offsetintegernotnull,sizeintegernotnull,expanded_sizeintegernotnull)"

const create = `CREATE TABLE rep_cache (
  hash TEXT NOT NULL PRIMARY KEY,
  revision INTEGER NOT NULL,
  offset INTEGER NOT NULL,
  size INTEGER NOT NULL,
  expanded_size INTEGER NOT NULL
)`

// SchemaError says that a database is not one that Subversion makes.
type SchemaError struct {
	File   string
	Reason string
}

func (e *SchemaError) Error() string { return fmt.Sprintf("%s: %s", e.File, e.Reason) }

// errClosed is returned after Close.
var errClosed = errors.New("rep-cache.db is closed")

// cache implements fsfs.RepCache. One connection reads while another writes: a commit need not wait
// until the rows of the commits before it are written.
type cache struct {
	name    string
	version int
	mode    fs.FileMode

	write sync.Mutex // held while writing; guards db and file; taken before read
	db    *sql.DB
	file  fs.FileInfo // the file that db is

	read   sync.Mutex // guards what follows
	conn   driver.Conn
	query  driver.StmtQueryContext
	closed bool
}

// Open returns the database of a repository, for fsfs.Options. Nothing is opened or made before it is
// needed.
func Open(name string, format int, mode fs.FileMode) (fsfs.RepCache, error) {
	version := 1
	if format >= 8 {
		version = 2
	}
	return &cache{name: name, version: version, mode: mode}, nil
}

// Find implements fsfs.RepCache.
func (c *cache) Find(_ context.Context, sum [20]byte) (row fsfs.SharedRep, ok bool, err error) {
	c.read.Lock()
	defer c.read.Unlock()
	if c.query == nil {
		if ok, err := c.openReader(); !ok || err != nil {
			return row, false, c.explain(err)
		}
	}
	// Without a context that ends: a look-up does not take long, and watching one takes half of it.
	rows, err := c.query.QueryContext(context.Background(), []driver.NamedValue{{Ordinal: 1, Value: hex.EncodeToString(sum[:])}})
	if err != nil {
		return row, false, c.explain(err)
	}
	defer func() { _ = rows.Close() }() // everything was read
	values := make([]driver.Value, 4)
	if err := rows.Next(values); err != nil {
		if errors.Is(err, io.EOF) {
			return row, false, nil
		}
		return row, false, c.explain(err)
	}
	var n [4]int64
	for i, v := range values {
		n[i], _ = v.(int64) // the query returns nothing else
	}
	return fsfs.SharedRep{SHA1: sum, Rev: svn.Revnum(n[0]), Item: n[1], Size: n[2], Expanded: n[3]}, true, nil
}

// openReader opens the connection for look-ups. ok is false when there is no database yet.
func (c *cache) openReader() (ok bool, err error) {
	if c.closed {
		return false, errClosed
	}
	info, err := os.Stat(c.name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	conn, err := new(sqlite.Driver).Open(dsn(c.name, findWait))
	if err != nil {
		return false, err
	}
	defer func() {
		if !ok {
			err = errors.Join(err, conn.Close())
		}
	}()
	if ok, err = c.check(conn); !ok || err != nil {
		return false, err
	}
	// Values of other types are possible in a damaged database, and of any size.
	stmt, err := conn.Prepare(`SELECT revision, offset, size, expanded_size FROM rep_cache WHERE hash = ?
		AND typeof(revision) = 'integer' AND typeof(offset) = 'integer'
		AND typeof(size) = 'integer' AND typeof(expanded_size) = 'integer'`)
	if err != nil {
		return false, err
	}
	query, ok := stmt.(driver.StmtQueryContext)
	if !ok {
		return false, errors.New("the driver of SQLite has no queries with contexts")
	}
	c.conn, c.query = conn, query
	return true, nil
}

// closeReader closes the connection for look-ups; c.read is held.
func (c *cache) closeReader() error {
	if c.conn == nil {
		return nil
	}
	conn := c.conn
	c.conn, c.query = nil, nil
	return conn.Close()
}

// check looks whether the database is one of Subversion's; ok is false when it is still empty. Others
// may have triggers and the like, which would be executed.
func (c *cache) check(conn driver.Conn) (ok bool, err error) {
	q, ok := conn.(driver.QueryerContext)
	if !ok {
		return false, errors.New("the driver of SQLite has no queries")
	}
	version, err := first(q, "PRAGMA user_version", 1)
	if err != nil || len(version) == 0 {
		return false, err
	}
	defined, err := first(q, "SELECT substr(sql, 1, 1000) FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' LIMIT 2", 2)
	if err != nil {
		return false, err
	}
	if version[0] == int64(0) && len(defined) == 0 {
		return false, nil
	}
	if version[0] != int64(1) && version[0] != int64(2) {
		return false, &SchemaError{c.name, fmt.Sprintf("its version is %v; understood are 1 and 2", version[0])}
	}
	text, _ := defined[0].(string)
	text = strings.ToLower(strings.Join(strings.Fields(text), ""))
	if len(defined) != 1 || text != table && text != table+"withoutrowid" {
		return false, &SchemaError{c.name, "it has other tables, or more, than Subversion makes"}
	}
	return true, nil
}

// first returns the first column of up to n rows.
func first(q driver.QueryerContext, query string, n int) ([]driver.Value, error) {
	rows, err := q.QueryContext(context.Background(), query, nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // everything was read
	var out []driver.Value
	values := make([]driver.Value, 1)
	for len(out) < n {
		if err := rows.Next(values); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		out = append(out, values[0])
	}
	return out, nil
}

// Update implements fsfs.RepCache.
func (c *cache) Update(ctx context.Context, u *fsfs.RepCacheUpdate) error {
	c.write.Lock()
	defer c.write.Unlock()
	if err := c.openWriter(ctx); err != nil {
		return c.explain(err)
	}
	tx, err := c.db.BeginTx(ctx, nil)
	if err != nil {
		return c.explain(err)
	}
	if err := update(ctx, tx, u); err != nil {
		_ = tx.Rollback() // the first error tells more
		return c.explain(err)
	}
	return c.explain(tx.Commit())
}

func update(ctx context.Context, tx *sql.Tx, u *fsfs.RepCacheUpdate) error {
	if u.Sweep {
		if _, err := tx.ExecContext(ctx, "DELETE FROM rep_cache WHERE revision > ?", int64(u.Youngest)); err != nil {
			return err
		}
	}
	err := each(ctx, tx, "DELETE FROM rep_cache WHERE hash = ? AND revision = ? AND offset = ? AND size = ? AND expanded_size = ?", u.Wrong)
	if err != nil {
		return err
	}
	return each(ctx, tx, "INSERT OR IGNORE INTO rep_cache (hash, revision, offset, size, expanded_size) VALUES (?, ?, ?, ?, ?)", u.Rows)
}

// each executes a statement with the columns of every row.
func each(ctx context.Context, tx *sql.Tx, query string, rows []fsfs.SharedRep) error {
	if len(rows) == 0 {
		return nil
	}
	stmt, err := tx.PrepareContext(ctx, query)
	if err != nil {
		return err
	}
	defer stmt.Close()
	for _, r := range rows {
		if _, err := stmt.ExecContext(ctx, hex.EncodeToString(r.SHA1[:]), int64(r.Rev), r.Item, r.Size, r.Expanded); err != nil {
			return err
		}
	}
	return nil
}

// openWriter opens the database for writing, and makes it if there is none. It opens it anew when the
// file was replaced: somebody may have removed it to have it made again.
func (c *cache) openWriter(ctx context.Context) error {
	info, err := os.Stat(c.name)
	if errors.Is(err, fs.ErrNotExist) {
		err = c.make(ctx)
		if err == nil {
			info, err = os.Stat(c.name)
		}
	}
	if err != nil {
		return err
	}
	if c.db != nil && os.SameFile(info, c.file) {
		return nil
	}
	if err := c.closeAll(); err != nil {
		return err
	}
	c.read.Lock()
	closed := c.closed
	c.read.Unlock()
	if closed {
		return errClosed
	}
	db, err := sql.Open("sqlite", dsn(c.name, updateWait)+"&_pragma=synchronous(OFF)&_pragma=journal_mode(TRUNCATE)&_txlock=immediate")
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	if err := c.prepare(ctx, db); err != nil {
		return errors.Join(err, db.Close())
	}
	c.db, c.file = db, info
	return nil
}

// make makes the database beside its place and moves it there with its table: Subversion looks for the table and
// makes it in two steps, and fails where it appears in between.
func (c *cache) make(ctx context.Context) error {
	f, err := os.CreateTemp(filepath.Dir(c.name), "rep-cache.db.*.new")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // what stays is in nobody's way
	if err := errors.Join(f.Chmod(c.mode), f.Close()); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", dsn(f.Name(), updateWait)+"&_pragma=synchronous(OFF)&_pragma=journal_mode(MEMORY)&_txlock=immediate")
	if err != nil {
		return err
	}
	if err := errors.Join(c.prepare(ctx, db), db.Close()); err != nil {
		return err
	}
	switch err := os.Link(f.Name(), c.name); {
	case err == nil, errors.Is(err, fs.ErrExist): // somebody else made it
		return nil
	default:
		return c.makeEmpty() // a file system without links
	}
}

// makeEmpty makes an empty file with the permissions that the others need.
func (c *cache) makeEmpty() error {
	f, err := os.OpenFile(c.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(c.mode), f.Close())
}

// prepare makes the table unless it is there.
func (c *cache) prepare(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	var version, tables int
	err = tx.QueryRowContext(ctx, "SELECT (SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_schema)").Scan(&version, &tables)
	if err != nil {
		return err
	}
	if version != 0 || tables > 0 {
		if err := tx.Rollback(); err != nil {
			return err
		}
		return c.checkWriter(ctx, db)
	}
	text := create
	if c.version == 2 {
		text += " WITHOUT ROWID"
	}
	if _, err := tx.ExecContext(ctx, text); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", c.version)); err != nil {
		return err
	}
	return tx.Commit()
}

// checkWriter applies check to the connection of db.
func (c *cache) checkWriter(ctx context.Context, db *sql.DB) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	err = conn.Raw(func(raw any) error {
		dc, ok := raw.(driver.Conn)
		if !ok {
			return errors.New("the driver of SQLite has no connections")
		}
		ok, err := c.check(dc)
		if err == nil && !ok {
			err = &SchemaError{c.name, "it has no table"}
		}
		return err
	})
	return errors.Join(err, conn.Close())
}

// closeAll closes both connections; c.write is held.
func (c *cache) closeAll() error {
	c.read.Lock()
	err := c.closeReader()
	c.read.Unlock()
	if c.db != nil {
		err = errors.Join(err, c.db.Close())
		c.db = nil
	}
	return err
}

// Close implements fsfs.RepCache.
func (c *cache) Close() error {
	c.read.Lock()
	c.closed = true
	c.read.Unlock()
	c.write.Lock()
	defer c.write.Unlock()
	return c.closeAll()
}

// dsn returns the data source name of a file, with how long to wait for others in milliseconds.
func dsn(name string, wait int) string {
	p := filepath.ToSlash(name)
	if !strings.HasPrefix(p, "/") && filepath.IsAbs(name) {
		p = "/" + p // C:/...
	}
	u := url.URL{Scheme: "file", Path: p, OmitHost: true}
	return u.String() + fmt.Sprintf("?mode=rw&_pragma=busy_timeout(%d)&_pragma=trusted_schema(0)&_pragma=cell_size_check(1)", wait)
}

// explain wraps what SQLite says.
func (c *cache) explain(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() & 0xff {
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
			return fmt.Errorf("%w: %w", fsfs.ErrRepCacheBusy, err)
		}
	}
	return err
}
