package state

import (
	"database/sql"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/localfs"
	"github.com/havre-cloud/havre/internal/reconcile"
	"github.com/havre-cloud/havre/svn"
)

// Node is a row.
type Node struct {
	reconcile.Node
	Look Look // what the last look at Local told; zero without Local
}

// Look is what, besides Local, is known of a file on disk, to see whether it was touched since.
type Look struct {
	Inode, Device uint64
	ChangeTime    int64
	// DiskTime is the modification time on disk, in nanoseconds. It is Local.ModTime unless
	// the disk has a coarser clock.
	DiskTime int64
	// Uncertain: it was changed so shortly before it was read that another change could have
	// got the same times.
	Uncertain bool
}

// Info returns the node as localfs expects it on disk.
func (n *Node) Info() localfs.Info {
	l := n.Local
	info := localfs.Info{
		Name: l.Name, Kind: localfs.KindFile, Size: l.Size, ModTime: n.Look.DiskTime, ChangeTime: n.Look.ChangeTime,
		Inode: n.Look.Inode, Device: n.Look.Device, Executable: l.Executable,
	}
	switch l.Kind {
	case havre.KindDir:
		info.Kind = localfs.KindDir
	case havre.KindSymlink:
		info.Kind, info.Executable = localfs.KindSymlink, false
		info.Size = l.Size - int64(len(LinkPrefix))
	case havre.KindFile:
	}
	return info
}

// LinkPrefix is what Subversion puts before the target in the contents of a symbolic link.
const LinkPrefix = "link "

// LookOf returns what there is to remember of a look.
func LookOf(info localfs.Info) Look {
	return Look{Inode: info.Inode, Device: info.Device, ChangeTime: info.ChangeTime, DiskTime: info.ModTime}
}

// Clone returns a copy that may be changed and Put.
func (n *Node) Clone() *Node {
	c := *n
	c.Base, c.Local, c.Remote = CloneState(n.Base), CloneState(n.Local), CloneState(n.Remote)
	return &c
}

// CloneState returns a copy of one of a node's states.
func CloneState(s *reconcile.State) *reconcile.State {
	if s == nil {
		return nil
	}
	c := *s
	return &c
}

// columns in the order of scan and Put.
const columns = `id, b_parent, b_name, b_kind, b_size, b_hash, b_mtime, b_exec, b_rev,
	l_parent, l_name, l_kind, l_size, l_hash, l_mtime, l_exec, l_inode, l_device, l_ctime, l_looked,
	r_parent, r_name, r_kind, r_size, r_hash, r_mtime, r_exec, r_rev, withdrawn`

// rowState is a State as a row has it.
type rowState struct {
	parent, kind, size, mtime, exec, rev sql.NullInt64
	name                                 sql.NullString
	hash                                 []byte
}

func (r *rowState) state() *reconcile.State {
	if !r.kind.Valid {
		return nil
	}
	s := &reconcile.State{
		Place: reconcile.Place{Parent: reconcile.NodeID(r.parent.Int64), Name: r.name.String},
		Entry: havre.Entry{
			Kind: havre.Kind(r.kind.Int64), Size: r.size.Int64, Hash: havre.Hash(r.hash),
			Executable: r.exec.Int64 != 0, Rev: svn.Revnum(r.rev.Int64),
		},
	}
	if r.mtime.Int64 != 0 {
		s.ModTime = time.Unix(0, r.mtime.Int64).UTC()
	}
	return s
}

// Nanoseconds returns a time as rows and the disk have it, 0 for the zero time.
func Nanoseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func scan(from interface{ Scan(into ...any) error }) (*Node, error) {
	var b, l, r rowState
	var inode, device, ctime, looked sql.NullInt64
	n := &Node{}
	err := from.Scan(&n.ID, &b.parent, &b.name, &b.kind, &b.size, &b.hash, &b.mtime, &b.exec, &b.rev,
		&l.parent, &l.name, &l.kind, &l.size, &l.hash, &l.mtime, &l.exec, &inode, &device, &ctime, &looked,
		&r.parent, &r.name, &r.kind, &r.size, &r.hash, &r.mtime, &r.exec, &r.rev, &n.Withdrawn)
	if err != nil {
		return nil, err
	}
	n.Base, n.Local, n.Remote = b.state(), l.state(), r.state()
	if n.Local != nil {
		n.Look = Look{
			Inode: uint64(inode.Int64), Device: uint64(device.Int64), ChangeTime: ctime.Int64,
			DiskTime: l.mtime.Int64, Uncertain: looked.Int64 == 0,
		}
	}
	return n, nil
}

// values appends the columns of a state, up to exec.
func values(args []any, s *reconcile.State) []any {
	if s == nil {
		return append(args, nil, nil, nil, nil, nil, nil, nil)
	}
	var hash any
	if s.Hash != "" {
		hash = []byte(s.Hash)
	}
	return append(args, int64(s.Parent), s.Name, int64(s.Kind), s.Size, hash, Nanoseconds(s.ModTime), flag(s.Executable))
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

const putQuery = `INSERT INTO nodes (differs, ` + columns + `)
	VALUES (?, ?, ?,?,?,?,?,?,?,?, ?,?,?,?,?,?,?, ?,?,?,?, ?,?,?,?,?,?,?,?,?)
	ON CONFLICT (id) DO UPDATE SET differs = excluded.differs,
	b_parent = excluded.b_parent, b_name = excluded.b_name, b_kind = excluded.b_kind, b_size = excluded.b_size,
	b_hash = excluded.b_hash, b_mtime = excluded.b_mtime, b_exec = excluded.b_exec, b_rev = excluded.b_rev,
	l_parent = excluded.l_parent, l_name = excluded.l_name, l_kind = excluded.l_kind, l_size = excluded.l_size,
	l_hash = excluded.l_hash, l_mtime = excluded.l_mtime, l_exec = excluded.l_exec,
	l_inode = excluded.l_inode, l_device = excluded.l_device, l_ctime = excluded.l_ctime, l_looked = excluded.l_looked,
	r_parent = excluded.r_parent, r_name = excluded.r_name, r_kind = excluded.r_kind, r_size = excluded.r_size,
	r_hash = excluded.r_hash, r_mtime = excluded.r_mtime, r_exec = excluded.r_exec, r_rev = excluded.r_rev,
	withdrawn = excluded.withdrawn`

// Add returns a new node that no tree has yet; Put makes it known.
func (d *DB) Add() *Node {
	d.next++
	return &Node{Node: reconcile.Node{ID: d.next}}
}

// Put records a node, which belongs to the DB from then on. One that no tree has is forgotten.
func (d *DB) Put(n *Node) {
	if n.Base == nil && n.Local == nil && n.Remote == nil {
		d.Forget(n.ID)
		return
	}
	args := make([]any, 0, 30)
	args = append(args, flag(!n.AtRest()), int64(n.ID))
	args = values(args, n.Base)
	if n.Base != nil {
		args = append(args, int64(n.Base.Rev))
	} else {
		args = append(args, nil)
	}
	args = values(args, n.Local)
	if n.Local != nil {
		args[len(args)-2] = n.Look.DiskTime
		args = append(args, int64(n.Look.Inode), int64(n.Look.Device), n.Look.ChangeTime, flag(!n.Look.Uncertain))
	} else {
		n.Look = Look{}
		args = append(args, nil, nil, nil, nil)
	}
	args = values(args, n.Remote)
	if n.Remote != nil {
		args = append(args, int64(n.Remote.Rev))
	} else {
		args = append(args, nil)
	}
	args = append(args, flag(n.Withdrawn))
	d.exec(putQuery, args...)
	d.keep(n)
}

// Forget removes a node.
func (d *DB) Forget(id reconcile.NodeID) {
	d.exec("DELETE FROM nodes WHERE id = ?", int64(id))
	delete(d.cache, id)
}

func (d *DB) keep(n *Node) {
	if len(d.cache) >= cacheSize {
		clear(d.cache)
	}
	d.cache[n.ID] = n
}

// Get returns a node, nil if there is none. It must not be changed: Clone it.
func (d *DB) Get(id reconcile.NodeID) *Node {
	if n := d.cache[id]; n != nil {
		return n
	}
	return d.one("SELECT "+columns+" FROM nodes WHERE id = ?", int64(id))
}

func (d *DB) one(query string, args ...any) *Node {
	if d.err != nil {
		return nil
	}
	s := d.prepared(query) //nolint:sqlclosecheck // Close does it
	if s == nil {
		return nil
	}
	n, err := scan(s.QueryRow(args...))
	if err != nil {
		if err != sql.ErrNoRows { //nolint:errorlint // database/sql returns it as it is
			d.fail(err)
		}
		return nil
	}
	if known := d.cache[n.ID]; known != nil {
		return known
	}
	d.keep(n)
	return n
}
