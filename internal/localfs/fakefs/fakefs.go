// Package fakefs is a replica in memory, for the simulation: a disk that fails on demand, that loses in a
// crash what was not made durable, and that people work in unseen by the engine.
//
// It keeps to the contract of localfs.FS as the real disk does (localfstest). What is not durable
// follows the rules of a journalling file system: contents are what they were at the last fsync;
// changes of names become durable in their order, all of them with the next fsync of anything. What
// the User does is durable at once.
package fakefs

import (
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/localfs"
	"github.com/havre-cloud/havre/internal/localfs/watch"
	"github.com/havre-cloud/havre/svn"
)

// FS is a replica in memory. It is safe for concurrent use.
type FS struct {
	// Fold makes names that differ in case or Unicode form one name. Set it before use.
	Fold bool
	// Fail is asked before each step of the FS, not of the User, which fails with what it
	// returns. It may take its time, too. The operations are the names of the methods in lower
	// case; "write" is one of a Temp, "read" of a File. It may be nil.
	Fail func(op string, p svn.Path) error
	// Hints, if not nil, gets what a watcher would notice.
	Hints *watch.Set

	// mu guards everything below and what is reached from there.
	mu       sync.Mutex
	root     *inode
	tmp      map[string]*inode
	trash    []trashed
	kept     []trashed // what was set aside
	marker   havre.FolderID
	gone     bool
	deaf     bool // hints are lost
	nextID   uint64
	ticks    int64    // makes every time different
	boot     int      // handles of earlier boots are dead
	undo     []func() // of changes of names that are not durable, the oldest first
	unsynced map[*inode]struct{}
}

var _ localfs.FS = (*FS)(nil)

type inode struct {
	id           uint64
	kind         localfs.Kind
	content      []byte // of a file; the target of a link
	durable      []byte
	exec         bool
	mtime, ctime int64
	children     map[string]*entry // by key, of a directory
	writers      int
}

type entry struct {
	name string
	node *inode
}

type trashed struct {
	when time.Time
	path svn.Path
	node *inode
}

// New returns an empty replica without a marker.
func New() *FS {
	f := &FS{tmp: make(map[string]*inode), unsynced: make(map[*inode]struct{})}
	f.root = f.newInode(localfs.KindDir)
	return f
}

func (f *FS) newInode(kind localfs.Kind) *inode {
	f.nextID++
	n := &inode{id: f.nextID, kind: kind}
	if kind == localfs.KindDir {
		n.children = make(map[string]*entry)
	}
	n.ctime = f.now()
	n.mtime = n.ctime
	return n
}

func (f *FS) now() int64 {
	f.ticks++
	return time.Now().UnixNano() + f.ticks
}

func (f *FS) key(name string) string {
	if f.Fold {
		return strings.ToLower(norm.NFC.String(name))
	}
	return name
}

// begin asks Fail, and locks the FS if nothing is to fail.
func (f *FS) begin(op string, p svn.Path) error {
	if f.Fail != nil {
		if err := f.Fail(op, p); err != nil {
			return &fs.PathError{Op: op, Path: string(p), Err: err}
		}
	}
	f.mu.Lock()
	if f.gone {
		f.mu.Unlock()
		return &localfs.RootGoneError{Root: f.Root(), Reason: "is not there"}
	}
	return nil
}

func (f *FS) hint(p svn.Path, what watch.What) {
	if f.Hints != nil && !f.deaf {
		f.Hints.Add(p, what)
	}
}

// Root returns a path that does not exist.
func (f *FS) Root() string { return "/fake" }

// Init makes the marker.
func (f *FS) Init(folder havre.FolderID) error {
	if err := f.begin("init", ""); err != nil {
		return err
	}
	defer f.mu.Unlock()
	if f.marker != "" && f.marker != folder {
		return &localfs.OtherFolderError{Root: f.Root(), Want: folder, Got: f.marker}
	}
	f.marker = folder
	return nil
}

// Check looks at the marker.
func (f *FS) Check(folder havre.FolderID) error {
	if err := f.begin("check", ""); err != nil {
		return err
	}
	defer f.mu.Unlock()
	switch f.marker {
	case folder:
		return nil
	case "":
		return &localfs.MarkerGoneError{Root: f.Root()}
	}
	return &localfs.OtherFolderError{Root: f.Root(), Want: folder, Got: f.marker}
}

// Features says what the disk can do.
func (f *FS) Features() localfs.Features {
	return localfs.Features{CaseInsensitive: f.Fold, NormalizesUnicode: f.Fold, Executable: true, Symlinks: true, ExactReplace: true}
}

// Free returns that there is room.
func (f *FS) Free() (int64, error) { return 1 << 40, nil }

// Clean removes temporaries.
func (f *FS) Clean() error {
	if err := f.begin("clean", ""); err != nil {
		return err
	}
	defer f.mu.Unlock()
	for name := range f.tmp {
		if !strings.HasPrefix(name, resumePrefix) {
			delete(f.tmp, name)
		}
	}
	return nil
}

// ExpireTrash removes for good what went to the trash more than age ago.
func (f *FS) ExpireTrash(age time.Duration) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	limit := time.Now().Add(-age)
	f.trash = slices.DeleteFunc(f.trash, func(t trashed) bool { return t.when.Before(limit) })
	return nil
}

// find returns the node at p, or an error as the FS has them.
func (f *FS) find(p svn.Path) (*inode, string, error) {
	if err := checkPath(p); err != nil {
		return nil, "", err
	}
	if p == "" {
		return f.root, "", nil
	}
	dir, name, err := f.parent(p)
	if err != nil {
		return nil, "", err
	}
	e, ok := dir.children[f.key(name)]
	if !ok {
		return nil, "", &fs.PathError{Op: "find", Path: string(p), Err: fs.ErrNotExist}
	}
	return e.node, e.name, nil
}

// parent returns the directory that p is in.
func (f *FS) parent(p svn.Path) (*inode, string, error) {
	if p == "" {
		return nil, "", &localfs.NameError{Path: p, Reason: "is the root of the folder"}
	}
	if err := checkPath(p); err != nil {
		return nil, "", err
	}
	parent, name := p.Split()
	dir, _, err := f.find(parent)
	if err != nil {
		return nil, "", err
	}
	if dir.kind != localfs.KindDir {
		return nil, "", &localfs.NotDirError{Path: p}
	}
	return dir, name, nil
}

func checkPath(p svn.Path) error {
	if p == "" {
		return nil
	}
	if _, err := svn.CheckPath(string(p)); err != nil {
		return err
	}
	first, _, _ := strings.Cut(string(p), "/")
	if strings.EqualFold(first, localfs.Reserved) {
		return &localfs.NameError{Path: p, Reason: "the name is kept for havre"}
	}
	if len(p.Name()) > 255 {
		return &localfs.NameError{Path: p, Reason: "the name is too long for this disk"}
	}
	return nil
}

func (n *inode) info(name string) localfs.Info {
	info := localfs.Info{
		Name: name, Kind: n.kind, ModTime: n.mtime, ChangeTime: n.ctime, Inode: n.id, Device: 1, Links: 1, Executable: n.exec,
	}
	if n.kind != localfs.KindDir {
		info.Size = int64(len(n.content))
	}
	return info
}

// Stat looks at one path.
func (f *FS) Stat(p svn.Path) (localfs.Info, error) {
	if err := f.begin("stat", p); err != nil {
		return localfs.Info{}, err
	}
	defer f.mu.Unlock()
	n, name, err := f.find(p)
	if err != nil {
		return localfs.Info{}, err
	}
	return n.info(name), nil
}

// ReadDir returns what is in the directory, sorted by name.
func (f *FS) ReadDir(p svn.Path) ([]localfs.Info, error) {
	if err := f.begin("readdir", p); err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	n, _, err := f.find(p)
	if err != nil {
		return nil, err
	}
	if n.kind != localfs.KindDir {
		return nil, &localfs.NotDirError{Path: p}
	}
	infos := make([]localfs.Info, 0, len(n.children))
	for _, e := range n.children {
		infos = append(infos, e.node.info(e.name))
	}
	slices.SortFunc(infos, func(a, b localfs.Info) int { return strings.Compare(a.Name, b.Name) })
	return infos, nil
}

// Readlink returns the target of a symbolic link.
func (f *FS) Readlink(p svn.Path) (string, error) {
	if err := f.begin("readlink", p); err != nil {
		return "", err
	}
	defer f.mu.Unlock()
	n, _, err := f.find(p)
	if err != nil {
		return "", err
	}
	if n.kind != localfs.KindSymlink {
		return "", &localfs.KindError{Path: p, Want: localfs.KindSymlink, Got: n.kind}
	}
	return string(n.content), nil
}

// Crash is the machine losing power: handles die, and what is not durable is as it was. Of the changes
// of names that are not, as many as r says have reached the disk.
func (f *FS) Crash(r *rand.Rand) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.boot++
	for keep := r.IntN(len(f.undo) + 1); len(f.undo) > keep; f.undo = f.undo[:len(f.undo)-1] {
		f.undo[len(f.undo)-1]()
	}
	f.undo = nil
	for n := range f.unsynced {
		n.content = n.durable
	}
	clear(f.unsynced)
}

// Kill is the process ending: handles die.
func (f *FS) Kill() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.boot++
}

// settle makes all changes of names durable.
func (f *FS) settle() { f.undo = nil }

// changed notes a change of names.
func (f *FS) changed(undo func()) { f.undo = append(f.undo, undo) }

var errDead = &fs.PathError{Op: "use", Path: "handle", Err: syscall.EBADF}
