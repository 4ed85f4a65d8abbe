package state

import (
	"database/sql"
	"iter"
	"time"

	"github.com/havre-cloud/havre/internal/reconcile"
	"github.com/havre-cloud/havre/svn"
)

// Withdraw records that a node on the server, with everything in it, may be read no longer. What is not
// on disk is forgotten, the rest is withdrawn.
func (d *DB) Withdraw(id reconcile.NodeID) {
	d.dropTree(id, "r", "l_kind IS NULL", noRemote+", withdrawn = 1")
}

// WithdrawAll withdraws everything.
func (d *DB) WithdrawAll() {
	clear(d.cache)
	d.exec("DELETE FROM nodes WHERE l_kind IS NULL")
	d.exec("UPDATE nodes SET differs = 1, withdrawn = 1, " + noRemote + " WHERE id <> 1")
}

// SpreadWithdrawn marks what is on disk in directories that are withdrawn, whatever it is, and reports
// whether anything is withdrawn.
func (d *DB) SpreadWithdrawn() bool {
	var some bool
	d.row("SELECT EXISTS (SELECT 1 FROM nodes WHERE withdrawn = 1)", nil, []any{&some})
	for more := some; more && d.err == nil; {
		clear(d.cache)
		more = d.changes(`UPDATE nodes SET withdrawn = 1, differs = 1 WHERE withdrawn = 0 AND l_kind IS NOT NULL
			AND l_parent IN (SELECT id FROM nodes WHERE withdrawn = 1)`) > 0
	}
	return some
}

// changes executes a statement and returns how many rows it changed.
func (d *DB) changes(query string, args ...any) int64 {
	if d.err != nil {
		return 0
	}
	s := d.prepared(query) //nolint:sqlclosecheck // Close does it
	if s == nil {
		return 0
	}
	r, err := s.Exec(args...)
	if err != nil {
		d.fail(err)
		return 0
	}
	n, err := r.RowsAffected()
	d.fail(err)
	return n
}

// Withdrawn yields at most limit withdrawn nodes with numbers above after that are not directories with
// something in them.
func (d *DB) Withdrawn(after reconcile.NodeID, limit int) iter.Seq[*Node] {
	return d.found(`SELECT id FROM nodes WHERE withdrawn = 1 AND id > ?1 AND NOT EXISTS
		(SELECT 1 FROM nodes AS inner WHERE inner.l_parent = nodes.id AND inner.l_kind IS NOT NULL) ORDER BY id LIMIT ?2`,
		int64(after), limit)
}

// Kept is a file that was set aside.
type Kept struct {
	Place string // absolute, on disk
	Path  svn.Path
	At    time.Time
}

// Keep records that a file was set aside.
func (d *DB) Keep(k Kept) {
	d.exec("INSERT INTO kept (place, path, at) VALUES (?, ?, ?) ON CONFLICT (place) DO NOTHING", k.Place, string(k.Path), k.At.UnixNano())
}

// Unkeep forgets a file that was set aside.
func (d *DB) Unkeep(place string) { d.exec("DELETE FROM kept WHERE place = ?", place) }

// Kept returns what was set aside, the latest first.
func (d *DB) Kept() []Kept {
	if d.err != nil {
		return nil
	}
	s := d.prepared("SELECT place, path, at FROM kept ORDER BY at DESC, place")
	if s == nil {
		return nil
	}
	kept, err := readKept(s)
	d.fail(err)
	return kept
}

func readKept(s *sql.Stmt) ([]Kept, error) {
	rows, err := s.Query()
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []Kept
	for rows.Next() {
		var k Kept
		var at int64
		if err := rows.Scan(&k.Place, (*string)(&k.Path), &at); err != nil {
			return nil, err
		}
		k.At = time.Unix(0, at)
		all = append(all, k)
	}
	return all, rows.Err()
}
