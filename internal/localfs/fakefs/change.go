package fakefs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"github.com/havre-cloud/havre/internal/localfs"
	"github.com/havre-cloud/havre/internal/localfs/watch"
	"github.com/havre-cloud/havre/svn"
)

const resumePrefix = "part-"

// file is an open file.
type file struct {
	fs   *FS
	boot int
	node *inode
	name string
	path svn.Path
	off  int64
}

// Open opens a regular file for reading.
func (f *FS) Open(p svn.Path) (localfs.File, error) {
	if err := f.begin("open", p); err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	n, name, err := f.find(p)
	if err != nil {
		return nil, err
	}
	if n.kind != localfs.KindFile {
		return nil, &localfs.KindError{Path: p, Want: localfs.KindFile, Got: n.kind}
	}
	return &file{fs: f, boot: f.boot, node: n, name: name, path: p}, nil
}

func (h *file) Read(b []byte) (int, error) {
	n, err := h.ReadAt(b, h.off)
	h.off += int64(n)
	if n > 0 && errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

func (h *file) ReadAt(b []byte, off int64) (int, error) {
	if err := h.fs.begin("read", h.path); err != nil {
		return 0, err
	}
	defer h.fs.mu.Unlock()
	if h.boot != h.fs.boot {
		return 0, errDead
	}
	return readAt(h.node.content, b, off)
}

func readAt(content, b []byte, off int64) (int, error) {
	if off >= int64(len(content)) {
		return 0, io.EOF
	}
	n := copy(b, content[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (h *file) Stat() (localfs.Info, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if h.boot != h.fs.boot {
		return localfs.Info{}, errDead
	}
	return h.node.info(h.name), nil
}

func (h *file) Close() error { return nil }

// temp is a file or link in the making.
type temp struct {
	fs     *FS
	boot   int
	name   string
	node   *inode
	closed bool
	synced bool
	done   bool
}

// CreateTemp begins a new file.
func (f *FS) CreateTemp() (localfs.Temp, error) { return f.newTemp("", localfs.KindFile) }

// ResumeTemp goes on with the file of that key.
func (f *FS) ResumeTemp(key string) (localfs.Temp, error) {
	for _, c := range key {
		if c == '/' || c == '.' {
			return nil, fmt.Errorf("resume temporary: the key %q is none", key)
		}
	}
	return f.newTemp(resumePrefix+key, localfs.KindFile)
}

// SymlinkTemp makes a symbolic link that waits for its Commit.
func (f *FS) SymlinkTemp(target string) (localfs.Temp, error) {
	t, err := f.newTemp("", localfs.KindSymlink)
	if err != nil {
		return nil, err
	}
	t.node.content = []byte(target)
	t.node.durable = t.node.content
	t.synced = true
	return t, nil
}

func (f *FS) newTemp(name string, kind localfs.Kind) (*temp, error) {
	if err := f.begin("createtemp", ""); err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	n := f.tmp[name]
	if n == nil {
		n = f.newInode(kind)
		if name == "" {
			name = fmt.Sprint("t-", n.id)
		}
		f.tmp[name] = n
		f.changed(func() { delete(f.tmp, name) })
	}
	return &temp{fs: f, boot: f.boot, name: name, node: n}, nil
}

func (t *temp) usable() error {
	if t.boot != t.fs.boot {
		return errDead
	}
	if t.closed {
		return fs.ErrClosed
	}
	return nil
}

func (t *temp) Write(b []byte) (int, error) {
	if err := t.fs.begin("write", ""); err != nil {
		return 0, err
	}
	defer t.fs.mu.Unlock()
	if err := t.usable(); err != nil {
		return 0, err
	}
	t.synced = false
	t.fs.write(t.node, append(slices.Clip(t.node.content), b...))
	return len(b), nil
}

// write changes contents that are not durable by it.
func (f *FS) write(n *inode, content []byte) {
	f.unsynced[n] = struct{}{}
	n.content = content
	n.mtime = f.now()
	n.ctime = n.mtime
}

func (t *temp) ReadAt(b []byte, off int64) (int, error) {
	t.fs.mu.Lock()
	defer t.fs.mu.Unlock()
	if err := t.usable(); err != nil {
		return 0, err
	}
	return readAt(t.node.content, b, off)
}

func (t *temp) Size() int64 {
	t.fs.mu.Lock()
	defer t.fs.mu.Unlock()
	return int64(len(t.node.content))
}

func (t *temp) Truncate(size int64) error {
	t.fs.mu.Lock()
	defer t.fs.mu.Unlock()
	if err := t.usable(); err != nil {
		return err
	}
	t.synced = false
	t.fs.write(t.node, t.node.content[:size])
	return nil
}

func (t *temp) SetAttrs(a localfs.Attrs) error {
	if err := t.fs.begin("setattrs", ""); err != nil {
		return err
	}
	defer t.fs.mu.Unlock()
	if err := t.usable(); err != nil {
		return err
	}
	if t.node.kind == localfs.KindFile {
		t.fs.setAttrs(t.node, a)
	}
	return nil
}

func (f *FS) setAttrs(n *inode, a localfs.Attrs) {
	n.exec = a.Executable
	n.ctime = f.now()
	if !a.ModTime.IsZero() {
		n.mtime = a.ModTime.UnixNano()
	}
}

func (t *temp) Close() error {
	t.closed = true
	return nil
}

func (t *temp) Discard() error {
	t.fs.mu.Lock()
	defer t.fs.mu.Unlock()
	t.closed = true
	if t.done || t.boot != t.fs.boot {
		return nil
	}
	t.done = true
	if t.fs.tmp[t.name] == t.node {
		delete(t.fs.tmp, t.name)
	}
	return nil
}

// SyncTemps makes the contents of all of them durable and closes them.
func (f *FS) SyncTemps(temps []localfs.Temp) error {
	for _, x := range temps {
		if err := f.syncTemp(x.(*temp)); err != nil { //nolint:errcheck // no other reaches a test
			return err
		}
	}
	return nil
}

func (f *FS) syncTemp(t *temp) error {
	if err := f.begin("synctemps", ""); err != nil {
		return err
	}
	defer f.mu.Unlock()
	if t.boot != f.boot {
		return errDead
	}
	t.closed, t.synced = true, true
	t.node.durable = t.node.content
	delete(f.unsynced, t.node)
	f.settle()
	return nil
}

// SyncDirs makes what happened in the directories durable, and with it all else.
func (f *FS) SyncDirs([]svn.Path) error {
	if err := f.begin("syncdirs", ""); err != nil {
		return err
	}
	defer f.mu.Unlock()
	f.settle()
	return nil
}

// put sets or, with nil, removes an entry, and notes how to undo it.
func (f *FS) put(dir *inode, name string, n *inode) {
	key := f.key(name)
	old := dir.children[key]
	if n == nil {
		delete(dir.children, key)
	} else {
		dir.children[key] = &entry{name, n}
		n.ctime = f.now()
	}
	f.changed(func() {
		if old == nil {
			delete(dir.children, key)
		} else {
			dir.children[key] = old
		}
	})
}

// toTrash notes what lies in the trash from now on.
func (f *FS) toTrash(p svn.Path, n *inode) {
	before := f.trash
	f.trash = append(slices.Clip(f.trash), trashed{time.Now(), p, n})
	f.changed(func() { f.trash = before })
}

// expected returns what is at p, if it is as expected.
func (f *FS) expected(p svn.Path, want localfs.Info) (*inode, *inode, error) {
	dir, name, err := f.parent(p)
	if err != nil {
		return nil, nil, err
	}
	e, ok := dir.children[f.key(name)]
	if !ok {
		return nil, nil, &localfs.ChangedError{Path: p, Reason: "was removed"}
	}
	if !e.node.info(e.name).Same(want) {
		return nil, nil, &localfs.ChangedError{Path: p, Reason: "was changed"}
	}
	return dir, e.node, nil
}

// Commit puts the temporary at p.
func (f *FS) Commit(x localfs.Temp, p svn.Path, expected *localfs.Info) (localfs.Info, error) {
	if err := f.begin("commit", p); err != nil {
		return localfs.Info{}, err
	}
	defer f.mu.Unlock()
	t := x.(*temp) //nolint:errcheck // no other reaches a test
	switch {
	case t.boot != f.boot:
		return localfs.Info{}, errDead
	case t.done:
		return localfs.Info{}, errors.New("commit: the temporary was committed or discarded already")
	case !t.synced:
		panic("commit of " + string(p) + " before its contents are durable")
	case f.tmp[t.name] != t.node:
		return localfs.Info{}, &fs.PathError{Op: "commit", Path: t.name, Err: fs.ErrNotExist}
	}
	dir, name, err := f.parent(p)
	if err != nil {
		return localfs.Info{}, err
	}
	if expected == nil {
		if _, ok := dir.children[f.key(name)]; ok {
			return localfs.Info{}, &localfs.ChangedError{Path: p, Reason: "something appeared there"}
		}
	} else {
		_, old, err := f.expected(p, *expected)
		if err != nil {
			return localfs.Info{}, err
		}
		if old.kind == localfs.KindDir {
			return localfs.Info{}, &localfs.KindError{Path: p, Want: localfs.KindFile, Got: localfs.KindDir}
		}
		if old.writers > 0 {
			f.toTrash(p, old)
		}
	}
	t.done, t.closed = true, true
	delete(f.tmp, t.name)
	f.changed(func() { f.tmp[t.name] = t.node })
	f.put(dir, name, t.node)
	f.hint(p, watch.Closed)
	return t.node.info(name), nil
}

// Mkdir makes a directory.
func (f *FS) Mkdir(p svn.Path) (localfs.Info, error) {
	if err := f.begin("mkdir", p); err != nil {
		return localfs.Info{}, err
	}
	defer f.mu.Unlock()
	dir, name, err := f.parent(p)
	if err != nil {
		return localfs.Info{}, err
	}
	if _, ok := dir.children[f.key(name)]; ok {
		return localfs.Info{}, &fs.PathError{Op: "mkdir", Path: string(p), Err: fs.ErrExist}
	}
	n := f.newInode(localfs.KindDir)
	f.put(dir, name, n)
	f.hint(p, watch.Appeared)
	return n.info(name), nil
}

// Rename moves what is at from to a name that nothing has.
func (f *FS) Rename(from, to svn.Path, expected localfs.Info) (localfs.Info, error) {
	if err := f.begin("rename", from); err != nil {
		return localfs.Info{}, err
	}
	defer f.mu.Unlock()
	if _, below := to.Rel(from); below {
		return localfs.Info{}, &fs.PathError{Op: "rename into itself", Path: string(from), Err: fs.ErrInvalid}
	}
	in, n, err := f.expected(from, expected)
	if err != nil {
		return localfs.Info{}, err
	}
	out, name, err := f.parent(to)
	if err != nil {
		return localfs.Info{}, err
	}
	if e, ok := out.children[f.key(name)]; ok && e.node != n {
		return localfs.Info{}, &fs.PathError{Op: "rename", Path: string(to), Err: fs.ErrExist}
	}
	f.move(in, from, out, to, n)
	return n.info(name), nil
}

// move is one change of names.
func (f *FS) move(in *inode, from svn.Path, out *inode, to svn.Path, n *inode) {
	f.put(in, from.Name(), nil)
	f.put(out, to.Name(), n)
	last := len(f.undo)
	first, second := f.undo[last-2], f.undo[last-1]
	f.undo = append(f.undo[:last-2], func() { second(); first() })
	if f.Hints == nil || f.deaf {
		return
	}
	if n.kind == localfs.KindDir {
		f.Hints.Move(from, to)
	} else {
		f.hint(from, watch.Vanished)
		f.hint(to, watch.Closed)
	}
}

// SetAttrs changes what Attrs says.
func (f *FS) SetAttrs(p svn.Path, a localfs.Attrs, expected localfs.Info) (localfs.Info, error) {
	if err := f.begin("setattrs", p); err != nil {
		return localfs.Info{}, err
	}
	defer f.mu.Unlock()
	_, n, err := f.expected(p, expected)
	if err != nil {
		return localfs.Info{}, err
	}
	if n.kind != localfs.KindFile {
		return localfs.Info{}, &localfs.KindError{Path: p, Want: localfs.KindFile, Got: n.kind}
	}
	f.setAttrs(n, a)
	f.hint(p, watch.Touched)
	info := n.info(p.Name())
	if !a.ModTime.IsZero() {
		info.ChangeTime = 0
	}
	return info, nil
}

// Trash moves what is at p into the trash.
func (f *FS) Trash(p svn.Path, expected localfs.Info) error {
	return f.take("trash", p, expected, func(n *inode) error {
		if len(n.children) > 0 {
			return &localfs.NotEmptyError{Path: p}
		}
		return nil
	})
}

// TrashTree moves a directory into the trash with everything in it.
func (f *FS) TrashTree(p svn.Path, expected localfs.Info) error {
	return f.take("trashtree", p, expected, func(n *inode) error {
		if n.kind != localfs.KindDir {
			return &localfs.KindError{Path: p, Want: localfs.KindDir, Got: n.kind}
		}
		return nil
	})
}

// SetAside moves the file or link at p out of the replica.
func (f *FS) SetAside(p svn.Path, expected localfs.Info) (string, error) {
	err := f.take("setaside", p, expected, func(n *inode) error {
		if n.kind == localfs.KindDir {
			return &localfs.KindError{Path: p, Want: localfs.KindFile, Got: n.kind}
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return fmt.Sprintf("kept/%d/%s", f.nextID, p), nil
}

// IsAside reports whether what SetAside moved to a place is still there.
func (f *FS) IsAside(string) bool { return true }

func (f *FS) take(op string, p svn.Path, expected localfs.Info, check func(n *inode) error) error {
	if err := f.begin(op, p); err != nil {
		return err
	}
	defer f.mu.Unlock()
	dir, n, err := f.expected(p, expected)
	if err != nil {
		return err
	}
	if err := check(n); err != nil {
		return err
	}
	f.put(dir, p.Name(), nil)
	if op == "setaside" {
		before := f.kept
		f.kept = append(slices.Clip(f.kept), trashed{time.Now(), p, n})
		f.changed(func() { f.kept = before })
	} else {
		f.toTrash(p, n)
	}
	f.hint(p, watch.Vanished)
	return nil
}
