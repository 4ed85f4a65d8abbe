package watch

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/havre-cloud/havre/internal/localfs"
	"github.com/havre-cloud/havre/svn"
)

// node is a watched directory.
type node struct {
	parent   *node // nil for the top, and for one that left
	name     string
	wd       int32
	children map[string]*node // nil if there are none
	// missed: an event inside could not be told, because the directory was on its way.
	missed bool
}

// watchDir sets the watch of one directory. It returns nil if there is none to be had.
func (w *Watch) watchDir(parent *node, p svn.Path, name string) *node {
	wd, err := w.add(w.fd, filepath.Join(w.root, string(p)), dirMask)
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP):
		return nil // gone again
	case err != nil:
		w.unwatched[p] = struct{}{}
		w.advice = err
		return nil
	}
	delete(w.unwatched, p)
	n, ok := w.nodes[int32(wd)]
	if !ok {
		n = &node{wd: int32(wd)}
		w.nodes[n.wd] = n
	}
	if n != w.top {
		w.attach(n, parent, name)
	}
	return n
}

// attach puts a node where its directory is now.
func (w *Watch) attach(n, parent *node, name string) {
	if n.parent == parent && n.name == name {
		return
	}
	if n.parent != nil && n.parent.children[n.name] == n {
		delete(n.parent.children, n.name)
	}
	n.parent, n.name = parent, name
	if parent.children == nil {
		parent.children = make(map[string]*node)
	}
	parent.children[name] = n
}

// descend watches all directories below n that are not watched yet.
func (w *Watch) descend(n *node, p svn.Path) {
	names, err := subdirs(filepath.Join(w.root, string(p)))
	if err != nil {
		return // gone again, or unreadable: the scan says so
	}
	rules := w.ign.Dir(p)
	for _, name := range names {
		sub := p.Join(name)
		if !isName(name) || rules.Match(name, true) || p == "" && name == localfs.Reserved {
			continue
		}
		child := n.children[name]
		if child == nil {
			child = w.watchDir(n, sub, name)
		}
		if child != nil {
			w.descend(child, sub)
		}
	}
}

func isName(name string) bool {
	_, err := svn.CheckPath(name)
	return err == nil
}

// subdirs returns the names of the directories in a directory, without looking at the other files.
func subdirs(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var names []string
	for {
		entries, err := f.ReadDir(1024)
		for _, e := range entries {
			if e.IsDir() {
				names = append(names, e.Name())
			}
		}
		if err != nil || len(entries) == 0 {
			return names, nil
		}
	}
}

// pathOf returns where a directory is. It is not ok for one that is on its way.
func (w *Watch) pathOf(n *node) (svn.Path, bool) {
	var names []string
	for ; n != w.top; n = n.parent {
		if n.parent == nil {
			n.missed = true
			return "", false
		}
		names = append(names, n.name)
	}
	slices.Reverse(names)
	return svn.Path(strings.Join(names, "/")), true
}

// remove forgets a directory whose watch the kernel has removed.
func (w *Watch) remove(n *node) {
	delete(w.nodes, n.wd)
	if n.parent != nil && n.parent.children[n.name] == n {
		delete(n.parent.children, n.name)
	}
}

// drop removes the watches of a directory that left, and of all below it.
func (w *Watch) drop(n *node) {
	for _, child := range n.children {
		w.drop(child)
	}
	if w.nodes[n.wd] == n {
		delete(w.nodes, n.wd)
		_, _ = unix.InotifyRmWatch(w.fd, uint32(n.wd))
	}
}

// forgetLeft drops what was renamed to outside the replica.
func (w *Watch) forgetLeft() {
	if len(w.leaving) == 0 {
		return
	}
	for cookie, n := range w.leaving {
		delete(w.leaving, cookie)
		if n.parent == nil { // else it came back by another rename
			w.drop(n)
		}
	}
	w.report()
}
