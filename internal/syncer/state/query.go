package state

import (
	"database/sql"
	"iter"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/reconcile"
)

// many yields the nodes of a query. The rows are read before the first is yielded, so that whoever
// ranges may write.
func (d *DB) many(query string, args ...any) iter.Seq[*Node] {
	return func(yield func(*Node) bool) {
		if d.err != nil {
			return
		}
		s := d.prepared(query)
		if s == nil {
			return
		}
		nodes, err := read(s, args)
		d.fail(err)
		for _, n := range nodes {
			if known := d.cache[n.ID]; known != nil {
				n = known
			} else {
				d.keep(n)
			}
			if !yield(n) {
				return
			}
		}
	}
}

func read(s *sql.Stmt, args []any) ([]*Node, error) {
	rows, err := s.Query(args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var nodes []*Node
	for rows.Next() {
		n, err := scan(rows)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
	return nodes, rows.Err()
}

// found yields the nodes whose numbers a query gives, for queries that find few or none, or what is
// in memory already: 28 columns make even one that finds nothing take four times as long.
func (d *DB) found(query string, args ...any) iter.Seq[*Node] {
	return func(yield func(*Node) bool) {
		if d.err != nil {
			return
		}
		s := d.prepared(query)
		if s == nil {
			return
		}
		ids, err := numbers(s, args)
		d.fail(err)
		for _, id := range ids {
			if n := d.Get(id); n != nil && !yield(n) {
				return
			}
		}
	}
}

func numbers(s *sql.Stmt, args []any) ([]reconcile.NodeID, error) {
	rows, err := s.Query(args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ids []reconcile.NodeID
	for rows.Next() {
		var id reconcile.NodeID
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

func (d *DB) at(query string, p reconcile.Place) *Node {
	for n := range d.found(query, int64(p.Parent), p.Name) {
		return n
	}
	return nil
}

// LocalAt returns what is at a local place, nil if nothing is.
func (d *DB) LocalAt(p reconcile.Place) *Node {
	return d.at("SELECT id FROM nodes WHERE l_parent = ? AND l_name = ? AND l_kind IS NOT NULL", p)
}

// RemoteAt returns what is at a remote place, nil if nothing is.
func (d *DB) RemoteAt(p reconcile.Place) *Node {
	return d.at("SELECT id FROM nodes WHERE r_parent = ? AND r_name = ? AND r_kind IS NOT NULL", p)
}

// LocalChildren yields what is in a local directory, bytewise by name.
func (d *DB) LocalChildren(id reconcile.NodeID) iter.Seq[*Node] {
	return d.many("SELECT "+columns+" FROM nodes WHERE l_parent = ? AND l_kind IS NOT NULL AND id <> 1 ORDER BY l_name", int64(id))
}

// ByInode yields the local nodes with an inode.
func (d *DB) ByInode(inode uint64) iter.Seq[*Node] {
	return d.found("SELECT id FROM nodes WHERE l_inode = ? AND l_inode <> 0", int64(inode))
}

// ByHash yields at most limit local files with these contents.
func (d *DB) ByHash(h havre.Hash, limit int) iter.Seq[*Node] {
	return d.found("SELECT id FROM nodes WHERE l_hash = ? AND l_hash IS NOT NULL AND l_kind = 1 LIMIT ?", []byte(h), limit)
}

// Differing yields at most limit nodes for which there is something to do, with numbers above after.
func (d *DB) Differing(after reconcile.NodeID, limit int) iter.Seq[*Node] {
	return d.found("SELECT id FROM nodes WHERE differs = 1 AND id > ? ORDER BY id LIMIT ?", int64(after), limit)
}

// Deleted yields at most limit files that were deleted locally, or remotely, and are agreed on the other side.
func (d *DB) Deleted(local bool, limit int) iter.Seq[*Node] {
	gone, there := "r_kind", "l_kind"
	if local {
		gone, there = there, gone
	}
	return d.found("SELECT id FROM nodes WHERE differs = 1 AND b_kind <> 2 AND withdrawn = 0 AND "+
		gone+" IS NULL AND "+there+" IS NOT NULL ORDER BY id LIMIT ?", limit)
}

// below are the numbers of everything in a directory of the tree with the prefix.
func below(prefix string) string {
	return `(WITH RECURSIVE below (id) AS (
		SELECT id FROM nodes WHERE ` + prefix + `_parent = ?1 AND ` + prefix + `_kind IS NOT NULL AND id <> 1
		UNION ALL
		SELECT nodes.id FROM below CROSS JOIN nodes ON ` + prefix + `_parent = below.id AND ` + prefix + `_kind IS NOT NULL
	) SELECT id FROM below)`
}

// belowPage is how many nodes of a directory are in memory at once.
const belowPage = 10_000

// LocalBelow yields everything in a local directory, at any depth.
func (d *DB) LocalBelow(id reconcile.NodeID) iter.Seq[*Node] { return d.inside("l", id) }

// RemoteBelow yields everything in a remote directory, at any depth.
func (d *DB) RemoteBelow(id reconcile.NodeID) iter.Seq[*Node] { return d.inside("r", id) }

func (d *DB) inside(prefix string, id reconcile.NodeID) iter.Seq[*Node] {
	query := "SELECT " + columns + " FROM nodes WHERE id IN " + below(prefix) + " AND id > ?2 ORDER BY id LIMIT ?3"
	return func(yield func(*Node) bool) {
		after := reconcile.NodeID(0)
		for n := belowPage; n == belowPage; {
			n = 0
			for node := range d.many(query, int64(id), int64(after), belowPage) {
				n, after = n+1, node.ID
				if !yield(node) {
					return
				}
			}
		}
	}
}

const (
	noBase   = "b_parent = NULL, b_name = NULL, b_kind = NULL, b_size = NULL, b_hash = NULL, b_mtime = NULL, b_exec = NULL, b_rev = NULL"
	noLocal  = "l_parent = NULL, l_name = NULL, l_kind = NULL, l_size = NULL, l_hash = NULL, l_mtime = NULL, l_exec = NULL, l_inode = NULL, l_device = NULL, l_ctime = NULL, l_looked = NULL"
	noRemote = "r_parent = NULL, r_name = NULL, r_kind = NULL, r_size = NULL, r_hash = NULL, r_mtime = NULL, r_exec = NULL, r_rev = NULL"
)

// DropLocal records that a node is no longer on disk, with everything in it. What the server does
// not have either is forgotten.
func (d *DB) DropLocal(id reconcile.NodeID) {
	d.dropTree(id, "l", "r_kind IS NULL", noLocal)
}

// DropRemote records that a node is no longer on the server, with everything in it. What is not on
// disk either is forgotten. With agreed set it was deleted from here: the base goes too.
func (d *DB) DropRemote(id reconcile.NodeID, agreed bool) {
	clearing := noRemote
	if agreed {
		clearing += ", " + noBase
	}
	d.dropTree(id, "r", "l_kind IS NULL", clearing)
}

func (d *DB) dropTree(id reconcile.NodeID, prefix, unless, clearing string) {
	clear(d.cache)
	for _, of := range []string{" IN " + below(prefix), " = ?1"} {
		// What is forgotten could be a link of the chain below, so that the others go first.
		d.exec("UPDATE nodes SET differs = 2 WHERE id"+of, int64(id))
	}
	d.exec("DELETE FROM nodes WHERE differs = 2 AND " + unless)
	d.exec("UPDATE nodes SET differs = 1, " + clearing + " WHERE differs = 2")
}

// Deletions counts for reconcile.View.
func (d *DB) Deletions() reconcile.Deletions {
	var del reconcile.Deletions
	d.row(`SELECT coalesce(sum(l_kind IS NULL AND r_kind IS NOT NULL), 0), coalesce(sum(r_kind IS NULL AND l_kind IS NOT NULL), 0)
		FROM nodes WHERE differs = 1 AND b_kind <> 2 AND withdrawn = 0`, nil, []any{&del.Local, &del.Remote})
	d.row("SELECT count(*) FROM nodes WHERE b_kind <> 2", nil, []any{&del.Agreed})
	return del
}

// KeepDeleted makes what was deleted on one side come back: the base is forgotten, as if the
// other side had just made it.
func (d *DB) KeepDeleted(local bool) {
	clear(d.cache)
	if local {
		d.exec("UPDATE nodes SET " + noBase + " WHERE differs = 1 AND l_kind IS NULL AND r_kind IS NOT NULL")
	} else {
		d.exec("UPDATE nodes SET " + noBase + " WHERE differs = 1 AND r_kind IS NULL AND l_kind IS NOT NULL AND withdrawn = 0")
	}
}

// Pending is what is still to be done.
type Pending struct {
	Files, Bytes int64
}

// Pending counts what differs: what the server has that is not here, and the other way.
func (d *DB) Pending() (down, up Pending) {
	d.row(`SELECT
		coalesce(sum(toward), 0), coalesce(sum(CASE WHEN toward THEN coalesce(r_size, 0) ELSE 0 END), 0),
		coalesce(sum(NOT toward), 0), coalesce(sum(CASE WHEN toward THEN 0 ELSE coalesce(l_size, 0) END), 0)
		FROM (SELECT r_size, l_size, (b_kind IS NULL AND r_kind IS NOT NULL OR b_kind IS NOT NULL AND r_kind IS NULL
			OR r_rev IS NOT b_rev OR r_name IS NOT b_name OR r_parent IS NOT b_parent) AS toward
			FROM nodes WHERE differs = 1)`,
		nil, []any{&down.Files, &down.Bytes, &up.Files, &up.Bytes})
	return down, up
}

// Files counts the files that are on disk.
func (d *DB) Files() (n int64) {
	d.row("SELECT count(*) FROM nodes WHERE l_kind = 1", nil, []any{&n})
	return n
}

// Reset forgets base and remote tree, so that what is on disk is merged with what the server lists next.
func (d *DB) Reset() {
	clear(d.cache)
	d.exec("DELETE FROM nodes WHERE l_kind IS NULL")
	d.exec("UPDATE nodes SET differs = 1, " + noBase + ", " + noRemote + " WHERE id <> 1")
}
