package localfs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// Disk is the FS of a real directory. Init or Check comes first: until one of them succeeded
// nothing is done in the directory, and every other method is a *RootGoneError.
//
// It keeps no descriptor open between calls, so that a disk can be unmounted under it, and every call
// makes sure that the root is still the one that was checked.
type Disk struct {
	root  string
	aside string

	// mu guards what follows.
	mu    sync.Mutex
	ready *place // nil until the marker was seen
	heaps [2]trashBatch
}

// place is where the replica was when it was checked. It does not change.
type place struct {
	inode, device uint64
	tmp, trash    string // absolute
	kept          string // absolute; made when needed
	features      Features
}

var _ FS = (*Disk)(nil)

// NewDisk returns the replica at root, an absolute path. The aside directory is where temporaries
// and the trash go if it is on the same file system; it is for this replica alone and is made when
// needed. With "", or when it is on another one, they are in the root's .havre.
func NewDisk(root, aside string) *Disk { return &Disk{root: filepath.Clean(root), aside: aside} }

// Root returns the absolute path of the replica.
func (d *Disk) Root() string { return d.root }

// Features says what the disk can do.
func (d *Disk) Features() Features {
	if p := d.place(); p != nil {
		return p.features
	}
	return Features{}
}

// Free returns how many bytes may still be written.
func (d *Disk) Free() (int64, error) {
	n, err := free(d.root)
	return n, wrap("free space of", "", err)
}

func (d *Disk) place() *place {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ready
}

// Init makes the marker.
func (d *Disk) Init(folder havre.FolderID) error {
	if folder == "" || strings.ContainsAny(string(folder), "\n\x00") {
		return fmt.Errorf("init %s: the folder's id %q cannot be written to a marker", d.root, folder)
	}
	root, info, err := d.openRoot()
	if err != nil {
		return err
	}
	defer root.close()
	ours, err := makeSub(root, Reserved, 0o755)
	if err != nil {
		return wrap("make", Reserved, err)
	}
	defer ours.close()
	switch there, err := readMarker(ours); {
	case err == nil && there != folder:
		return &OtherFolderError{Root: d.root, Want: folder, Got: there}
	case err == nil:
	case !errors.Is(err, fs.ErrNotExist):
		return wrap("read", Reserved+"/"+markerName, err)
	default:
		if err := writeMarker(ours, folder); err != nil {
			return wrap("write", Reserved+"/"+markerName, err)
		}
		if err := root.sync(); err != nil {
			return wrap("sync", "", err)
		}
	}
	if err := d.rememberRoot(info); err != nil {
		return err
	}
	return d.enter(ours, info)
}

// Check looks whether the root is the one that Init saw.
func (d *Disk) Check(folder havre.FolderID) error {
	root, info, err := d.openRoot()
	if err != nil {
		return err
	}
	defer root.close()
	ours, err := root.sub(Reserved)
	if errors.Is(err, fs.ErrNotExist) || isNotDir(err) {
		return &MarkerGoneError{Root: d.root}
	}
	if err != nil {
		return wrap("open", Reserved, err)
	}
	defer ours.close()
	there, err := readMarker(ours)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &MarkerGoneError{Root: d.root}
	case err != nil:
		return wrap("read", Reserved+"/"+markerName, err)
	case there != folder:
		return &OtherFolderError{Root: d.root, Want: folder, Got: there}
	}
	if p := d.place(); p != nil && p.inode == info.Inode && p.device == info.Device {
		return nil
	}
	if inode := d.rememberedRoot(); inode != 0 && inode != d.inodeToKeep(info) {
		return &RootGoneError{Root: d.root, Reason: "is a copy of the directory that was synchronised, not that directory"}
	}
	return d.enter(ours, info)
}

// rememberRoot notes in the aside directory which directory the root is. It is not in the marker, which
// is the same on every machine, so that two replicas do not differ by it.
func (d *Disk) rememberRoot(info Info) error {
	if d.aside == "" {
		return nil
	}
	if err := os.MkdirAll(d.aside, 0o700); err != nil {
		return err
	}
	text := strconv.FormatUint(d.inodeToKeep(info), 10) + "\n"
	return os.WriteFile(filepath.Join(d.aside, rootName), []byte(text), 0o600)
}

// rememberedRoot returns the inode of the root, 0 when it is not known. A note that is lost or damaged only
// means that copies are not recognised.
func (d *Disk) rememberedRoot() uint64 {
	if d.aside == "" {
		return 0
	}
	text, err := os.ReadFile(filepath.Join(d.aside, rootName))
	if err != nil {
		return 0
	}
	inode, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return 0
	}
	return inode
}

// inodeToKeep is what is noted about the root, so that a copy of the directory, which may be
// an old one, is not taken for it. 0 where inode numbers do not last.
func (d *Disk) inodeToKeep(info Info) uint64 {
	if inodesLast(d.root) {
		return info.Inode
	}
	return 0
}

// openRoot opens the root, whatever it is.
func (d *Disk) openRoot() (*dir, Info, error) {
	root, err := openDir(d.root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, Info{}, &RootGoneError{Root: d.root, Reason: "is not there"}
	}
	if isNotDir(err) {
		return nil, Info{}, &RootGoneError{Root: d.root, Reason: "is not a directory"}
	}
	if err != nil {
		return nil, Info{}, &fs.PathError{Op: "open", Path: d.root, Err: err}
	}
	info, err := root.stat()
	if err != nil {
		root.close()
		return nil, Info{}, &fs.PathError{Op: "stat", Path: d.root, Err: err}
	}
	return root, info, nil
}

// checkedRoot opens the root, which must be the one that was checked.
func (d *Disk) checkedRoot() (*dir, *place, error) {
	p := d.place()
	if p == nil {
		return nil, nil, &RootGoneError{Root: d.root, Reason: "its marker was not found yet"}
	}
	root, info, err := d.openRoot()
	if err != nil {
		return nil, nil, err
	}
	if info.Inode != p.inode || info.Device != p.device {
		root.close()
		return nil, nil, &RootGoneError{Root: d.root, Reason: "is another directory than before"}
	}
	return root, p, nil
}

// dir opens the directory at p.
func (d *Disk) dir(p svn.Path) (*dir, error) {
	if err := checkPath(p); err != nil {
		return nil, err
	}
	root, _, err := d.checkedRoot()
	if err != nil {
		return nil, err
	}
	if p == "" {
		return root, nil
	}
	defer root.close()
	sub, err := root.sub(string(p))
	if err != nil {
		return nil, wrap("open", p, err)
	}
	return sub, nil
}

// parent opens the directory that p is in, and returns p's name there.
func (d *Disk) parent(p svn.Path) (*dir, string, error) {
	if p == "" {
		return nil, "", &NameError{Path: p, Reason: "is the root of the folder"}
	}
	if err := checkPath(p); err != nil {
		return nil, "", err
	}
	parent, name := p.Split()
	dir, err := d.dir(parent)
	return dir, name, err
}

// checkPath refuses what must not reach the disk, wherever it comes from.
func checkPath(p svn.Path) error {
	if p == "" {
		return nil
	}
	if _, err := svn.CheckPath(string(p)); err != nil {
		return err
	}
	first := true
	for name := range strings.SplitSeq(string(p), "/") {
		if first && isReserved(name) {
			return &NameError{Path: p, Reason: "the name " + Reserved + " is kept for havre"}
		}
		first = false
		if why := nameProblem(name); why != "" {
			return &NameError{Path: p, Reason: why}
		}
	}
	return nil
}

// isReserved goes by the fold of letters, because some disks do.
func isReserved(name string) bool { return strings.EqualFold(name, Reserved) }

// wrap gives an error of the system its path, and those that have a meaning here their type.
func wrap(op string, p svn.Path, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*KindError](err); ok {
		e.Path = p
		return e
	}
	switch {
	case isNotDir(err):
		return &NotDirError{Path: p}
	case isTooLong(err):
		return &NameError{Path: p, Reason: fmt.Sprintf("the name has %d bytes, which is too long for this disk", len(p.Name()))}
	case isBadName(err):
		return &NameError{Path: p, Reason: "the name is not possible on this disk"}
	case isCross(err):
		return &OtherDiskError{Path: p}
	}
	return &fs.PathError{Op: op, Path: string(p), Err: err}
}

// makeSub opens a directory of ours, after making it if it is not there.
func makeSub(in *dir, name string, perm uint32) (*dir, error) {
	if err := in.mkdir(name, perm); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return in.sub(name)
}

const (
	markerFirst = "havre folder 1"
	markerLimit = 4096   // bytes
	rootName    = "root" // in the aside directory: the inode of the root
)

func markerText(folder havre.FolderID) string {
	return fmt.Sprintf("%s\nfolder %s\n\n"+
		"This directory is kept the same as a havre folder. Without this file\n"+
		"nothing is synchronised any more.\n", markerFirst, folder)
}

// readMarker returns the folder that the marker names.
func readMarker(ours *dir) (havre.FolderID, error) {
	f, err := ours.openFile(markerName)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b := make([]byte, markerLimit)
	n, err := f.ReadAt(b, 0)
	if n == 0 && err != nil {
		return "", fmt.Errorf("the marker is empty: %w", err)
	}
	head, _, _ := bytes.Cut(b[:n], []byte("\n\n"))
	first, rest, _ := strings.Cut(string(head), "\n")
	if first != markerFirst {
		return "", fmt.Errorf("the marker begins with %q, not with %q", first, markerFirst)
	}
	for line := range strings.Lines(rest) {
		if folder, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "folder "); ok && folder != "" {
			return havre.FolderID(folder), nil
		}
	}
	return "", errors.New("the marker names no folder")
}

// writeMarker writes beside it and renames, so that no crash leaves half a marker.
func writeMarker(ours *dir, folder havre.FolderID) error {
	const draft = markerName + ".new"
	if err := ours.remove(draft); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := ours.create(draft, false)
	if err != nil {
		return err
	}
	_, err = f.WriteString(markerText(folder))
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := ours.rename(draft, ours, markerName); err != nil {
		return err
	}
	return ours.sync()
}

// enter makes the places for temporaries and the trash and finds out what the disk can do.
func (d *Disk) enter(ours *dir, root Info) error {
	p := &place{inode: root.Inode, device: root.Device}
	at := filepath.Join(d.root, Reserved)
	if d.asideReaches(ours) {
		at = d.aside
	}
	p.tmp, p.trash, p.kept = filepath.Join(at, "tmp"), filepath.Join(at, "trash"), filepath.Join(at, "kept")
	for _, path := range []string{p.tmp, p.trash} {
		if err := os.MkdirAll(path, 0o700); err != nil {
			return err
		}
	}
	tmp, err := openDir(p.tmp)
	if err != nil {
		return &fs.PathError{Op: "open", Path: p.tmp, Err: err}
	}
	defer tmp.close()
	if p.features, err = probe(ours, tmp); err != nil {
		return fmt.Errorf("try out the disk of %s: %w", d.root, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ready = p
	d.heaps = [2]trashBatch{}
	return nil
}

// asideReaches reports whether a file can be renamed from the aside directory into the replica.
// Equal device numbers do not suffice: btrfs subvolumes and bind mounts refuse.
func (d *Disk) asideReaches(ours *dir) bool {
	if d.aside == "" || os.MkdirAll(d.aside, 0o700) != nil {
		return false
	}
	aside, err := openDir(d.aside)
	if err != nil {
		return false
	}
	defer aside.close()
	name := probeName()
	f, err := aside.create(name, false)
	if err != nil {
		return false
	}
	f.Close()
	if err := aside.rename(name, ours, name); err != nil {
		_ = aside.remove(name)
		return false
	}
	return ours.remove(name) == nil
}
