package repcache

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/fsfs"
)

// rowsAtOnce is how many rows are read before the database is given free for those who write.
const rowsAtOnce = 10_000

// What is no integer is -1, which no column can be. Other hashes than Subversion's are not even read: they could be
// of any size.
const (
	selectRows = `SELECT hash,
		CASE typeof(revision) WHEN 'integer' THEN revision ELSE -1 END, CASE typeof(offset) WHEN 'integer' THEN offset ELSE -1 END,
		CASE typeof(size) WHEN 'integer' THEN size ELSE -1 END, CASE typeof(expanded_size) WHEN 'integer' THEN expanded_size ELSE -1 END
		FROM rep_cache WHERE hash > ? AND typeof(hash) = 'text' AND octet_length(hash) = 40 ORDER BY hash LIMIT ?`
	countOthers = `SELECT count(*) FROM rep_cache WHERE typeof(hash) <> 'text' OR octet_length(hash) <> 40`
)

// All implements fsfs.RepCache.
func (c *cache) All(ctx context.Context, do func(row fsfs.SharedRep, malformed string) error) error {
	info, err := os.Stat(c.name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	db, err := sql.Open("sqlite", dsn(c.name, updateWait))
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	defer func() { _ = db.Close() }() // it was only read
	if err := c.checkWriter(ctx, db); err != nil {
		return c.explain(err)
	}
	var others int64
	if err := db.QueryRowContext(ctx, countOthers).Scan(&others); err != nil {
		return c.explain(err)
	}
	if others > 0 {
		if err := do(fsfs.SharedRep{}, fmt.Sprintf("%d without a SHA-1", others)); err != nil {
			return err
		}
	}
	for last := ""; ; {
		rows, err := c.some(ctx, db, last)
		if err != nil {
			return c.explain(err)
		}
		for _, row := range rows {
			if err := do(row.rep, row.malformed); err != nil {
				return err
			}
		}
		if len(rows) < rowsAtOnce {
			return nil
		}
		last = rows[len(rows)-1].hash
	}
}

// hashRow is a row as it was read.
type hashRow struct {
	hash, malformed string
	rep             fsfs.SharedRep
}

// some returns the next rows behind a hash.
func (c *cache) some(ctx context.Context, db *sql.DB, last string) ([]hashRow, error) {
	found, err := db.QueryContext(ctx, selectRows, last, rowsAtOnce)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	var rows []hashRow
	for found.Next() {
		var row hashRow
		var rev int64
		if err := found.Scan(&row.hash, &rev, &row.rep.Item, &row.rep.Size, &row.rep.Expanded); err != nil {
			return nil, err
		}
		row.rep.Rev = svn.Revnum(rev)
		if _, err := hex.Decode(row.rep.SHA1[:], []byte(row.hash)); err != nil {
			row.malformed = fmt.Sprintf("one with %q instead of a SHA-1", row.hash)
		}
		rows = append(rows, row)
	}
	return rows, found.Err()
}
