package fakefs

import (
	"io"
	"io/fs"
	"slices"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/localfs"
	"github.com/havre-cloud/havre/internal/localfs/watch"
	"github.com/havre-cloud/havre/svn"
)

// User is the person whose replica it is, and their programs. What they do is durable at once.
type User struct{ fs *FS }

// User returns who works in the replica.
func (f *FS) User() User { return User{f} }

// Write makes or changes a file in place.
func (u User) Write(p svn.Path, content string) error {
	u.fs.mu.Lock()
	defer u.fs.mu.Unlock()
	dir, name, err := u.fs.parent(p)
	if err != nil {
		return err
	}
	if e, ok := dir.children[u.fs.key(name)]; ok {
		if e.node.kind != localfs.KindFile {
			return &localfs.KindError{Path: p, Want: localfs.KindFile, Got: e.node.kind}
		}
		u.fs.overwrite(e.node, content)
	} else {
		n := u.fs.newInode(localfs.KindFile)
		u.fs.put(dir, name, n)
		u.fs.overwrite(n, content)
	}
	u.fs.hint(p, watch.Written)
	u.fs.hint(p, watch.Closed)
	return nil
}

// overwrite changes contents durably.
func (f *FS) overwrite(n *inode, content string) {
	f.write(n, []byte(content))
	n.durable = n.content
	delete(f.unsynced, n)
	f.settle()
}

// Replace makes a file and renames it to p.
func (u User) Replace(p svn.Path, content string) error {
	u.fs.mu.Lock()
	defer u.fs.mu.Unlock()
	dir, name, err := u.fs.parent(p)
	if err != nil {
		return err
	}
	if e, ok := dir.children[u.fs.key(name)]; ok && e.node.kind == localfs.KindDir {
		return &localfs.KindError{Path: p, Want: localfs.KindFile, Got: localfs.KindDir}
	}
	n := u.fs.newInode(localfs.KindFile)
	u.fs.put(dir, name, n)
	u.fs.overwrite(n, content)
	u.fs.hint(p, watch.Closed)
	return nil
}

// Mkdir makes a directory.
func (u User) Mkdir(p svn.Path) error { return u.add(p, localfs.KindDir, "") }

// Symlink makes a symbolic link.
func (u User) Symlink(target string, p svn.Path) error { return u.add(p, localfs.KindSymlink, target) }

func (u User) add(p svn.Path, kind localfs.Kind, content string) error {
	u.fs.mu.Lock()
	defer u.fs.mu.Unlock()
	dir, name, err := u.fs.parent(p)
	if err != nil {
		return err
	}
	if _, ok := dir.children[u.fs.key(name)]; ok {
		return fs.ErrExist
	}
	n := u.fs.newInode(kind)
	u.fs.put(dir, name, n)
	if kind == localfs.KindSymlink {
		u.fs.overwrite(n, content)
	}
	u.fs.settle()
	u.fs.hint(p, watch.Appeared)
	return nil
}

// Rename moves what is at from; a file that is at to goes.
func (u User) Rename(from, to svn.Path) error {
	u.fs.mu.Lock()
	defer u.fs.mu.Unlock()
	n, _, err := u.fs.find(from)
	if err != nil {
		return err
	}
	if _, below := to.Rel(from); below || from == "" {
		return fs.ErrInvalid
	}
	in, _, err := u.fs.parent(from)
	if err != nil {
		return err
	}
	out, name, err := u.fs.parent(to)
	if err != nil {
		return err
	}
	if e, ok := out.children[u.fs.key(name)]; ok && e.node != n && (e.node.kind == localfs.KindDir || n.kind == localfs.KindDir) {
		return fs.ErrExist
	}
	u.fs.move(in, from, out, to, n)
	u.fs.settle()
	return nil
}

// Remove removes p with all that is in it.
func (u User) Remove(p svn.Path) error {
	u.fs.mu.Lock()
	defer u.fs.mu.Unlock()
	if _, _, err := u.fs.find(p); err != nil {
		return err
	}
	dir, name, err := u.fs.parent(p)
	if err != nil {
		return err
	}
	u.fs.put(dir, name, nil)
	u.fs.settle()
	u.fs.hint(p, watch.Vanished)
	return nil
}

// SetExecutable changes the executable bit.
func (u User) SetExecutable(p svn.Path, executable bool) error {
	u.fs.mu.Lock()
	defer u.fs.mu.Unlock()
	n, _, err := u.fs.find(p)
	if err != nil {
		return err
	}
	if n.kind != localfs.KindFile {
		return &localfs.KindError{Path: p, Want: localfs.KindFile, Got: n.kind}
	}
	u.fs.setAttrs(n, localfs.Attrs{Executable: executable})
	u.fs.hint(p, watch.Touched)
	return nil
}

// OpenWriter opens an existing file to write at its end.
func (u User) OpenWriter(p svn.Path) (io.WriteCloser, error) {
	u.fs.mu.Lock()
	defer u.fs.mu.Unlock()
	n, _, err := u.fs.find(p)
	if err != nil {
		return nil, err
	}
	n.writers++
	return &writer{u.fs, n, p}, nil
}

type writer struct {
	fs   *FS
	node *inode
	path svn.Path
}

func (w *writer) Write(b []byte) (int, error) {
	w.fs.mu.Lock()
	defer w.fs.mu.Unlock()
	w.fs.overwrite(w.node, string(w.node.content)+string(b))
	w.fs.hint(w.path, watch.Written)
	return len(b), nil
}

func (w *writer) Close() error {
	w.fs.mu.Lock()
	defer w.fs.mu.Unlock()
	w.node.writers--
	w.fs.hint(w.path, watch.Closed)
	return nil
}

// SetMounted takes the root away or brings it back.
func (u User) SetMounted(mounted bool) {
	u.fs.mu.Lock()
	defer u.fs.mu.Unlock()
	u.fs.gone = !mounted
	u.fs.hint("", watch.Appeared)
}

// SetDeaf makes the watcher miss everything, or hear again.
func (u User) SetDeaf(deaf bool) {
	u.fs.mu.Lock()
	defer u.fs.mu.Unlock()
	u.fs.deaf = deaf
}

// Item is one thing in a Tree.
type Item struct {
	Kind       havre.Kind
	Content    string // the target of a link
	Executable bool
}

// Tree returns everything in the replica.
func (u User) Tree() map[svn.Path]Item {
	u.fs.mu.Lock()
	defer u.fs.mu.Unlock()
	tree := make(map[svn.Path]Item)
	gather(tree, "", u.fs.root)
	return tree
}

var kinds = map[localfs.Kind]havre.Kind{
	localfs.KindFile: havre.KindFile, localfs.KindDir: havre.KindDir, localfs.KindSymlink: havre.KindSymlink,
}

func gather(tree map[svn.Path]Item, p svn.Path, n *inode) {
	if p != "" {
		tree[p] = Item{Kind: kinds[n.kind], Content: string(n.content), Executable: n.exec}
	}
	for _, e := range n.children {
		gather(tree, p.Join(e.name), e.node)
	}
}

// Trash returns the contents of the files in the trash, sorted.
func (u User) Trash() []string {
	u.fs.mu.Lock()
	defer u.fs.mu.Unlock()
	return contentsOf(u.fs.trash)
}

// Kept returns the contents of the files that were set aside, sorted.
func (u User) Kept() []string {
	u.fs.mu.Lock()
	defer u.fs.mu.Unlock()
	return contentsOf(u.fs.kept)
}

func contentsOf(heap []trashed) []string {
	tree := make(map[svn.Path]Item)
	var contents []string
	for _, t := range heap {
		clear(tree)
		gather(tree, t.path, t.node)
		for _, item := range tree {
			if item.Kind != havre.KindDir {
				contents = append(contents, item.Content)
			}
		}
	}
	slices.Sort(contents)
	return contents
}

// Temporaries counts the temporaries, those of ResumeTemp left out.
func (u User) Temporaries() int {
	u.fs.mu.Lock()
	defer u.fs.mu.Unlock()
	n := 0
	for name := range u.fs.tmp {
		if len(name) < len(resumePrefix) || name[:len(resumePrefix)] != resumePrefix {
			n++
		}
	}
	return n
}
