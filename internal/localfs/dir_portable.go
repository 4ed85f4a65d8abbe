//go:build (!linux && !darwin) || havre_portable

package localfs

import (
	"cmp"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// dir is a directory below an os.Root, which nothing leads out of. For systems without the calls
// that dir_unix.go needs; it sees symbolic links on the way, but one that takes the place of a
// directory between the look and the use is followed, inside the root.
type dir struct {
	root *os.Root
	path string        // relative to root, with the system's separators
	refs *atomic.Int32 // of dirs that use root; the last one closes it
}

func openDir(path string) (*dir, error) {
	if fi, err := os.Stat(path); err == nil && !fi.IsDir() {
		return nil, errNotDir // OpenRoot's error for it has no type
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, errnoOf(err)
	}
	refs := new(atomic.Int32)
	refs.Store(1)
	return &dir{root, ".", refs}, nil
}

func (d *dir) sub(rel string) (*dir, error) {
	path := d.path
	if rel != "" {
		for name := range strings.SplitSeq(rel, "/") {
			path = filepath.Join(path, name)
			fi, err := d.root.Lstat(path)
			if err != nil {
				return nil, errnoOf(err)
			}
			if !fi.IsDir() {
				return nil, errNotDir
			}
		}
	}
	d.refs.Add(1)
	return &dir{d.root, path, d.refs}, nil
}

func (d *dir) close() {
	if d.refs.Add(-1) == 0 {
		d.root.Close()
	}
}

func (d *dir) at(name string) string { return filepath.Join(d.path, name) }

func (d *dir) stat() (Info, error) { return d.lstat(".") }

func (d *dir) lstat(name string) (Info, error) {
	info, _, err := d.lstatMode(name)
	return info, err
}

func (d *dir) lstatMode(name string) (Info, uint32, error) {
	fi, err := d.root.Lstat(d.at(name))
	if err != nil {
		return Info{}, 0, errnoOf(err)
	}
	info := infoOf(name, fi)
	identify(d.root, d.at(name), fi, &info)
	return info, uint32(fi.Mode().Perm()), nil
}

func infoOf(name string, fi fs.FileInfo) Info {
	info := Info{Name: name, ModTime: fi.ModTime().UnixNano(), Links: 1}
	switch fi.Mode().Type() {
	case 0:
		info.Kind, info.Size = KindFile, fi.Size()
		info.Executable = keepsExecutable && fi.Mode()&0o100 != 0
	case fs.ModeDir:
		info.Kind = KindDir
	case fs.ModeSymlink:
		info.Kind, info.Size = KindSymlink, fi.Size()
	case fs.ModeNamedPipe:
		info.Kind, info.Problem = KindOther, "is a FIFO, which is not synchronised"
	case fs.ModeSocket:
		info.Kind, info.Problem = KindOther, "is a socket, which is not synchronised"
	default:
		info.Kind, info.Problem = KindOther, "is neither file, directory nor symbolic link, and not synchronised"
	}
	return info
}

func (d *dir) list() ([]Info, error) {
	f, err := d.root.Open(d.path)
	if err != nil {
		return nil, errnoOf(err)
	}
	names, err := f.Readdirnames(-1)
	f.Close()
	if err != nil {
		return nil, errnoOf(err)
	}
	infos := make([]Info, 0, len(names))
	for _, name := range names {
		info, err := d.lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		infos = append(infos, info)
	}
	slices.SortFunc(infos, func(a, b Info) int { return cmp.Compare(a.Name, b.Name) })
	return infos, nil
}

func (d *dir) openFile(name string) (*os.File, error) {
	info, err := d.lstat(name)
	if err != nil {
		return nil, err
	}
	if info.Kind != KindFile {
		return nil, &KindError{Want: KindFile, Got: info.Kind}
	}
	f, err := d.root.OpenFile(d.at(name), os.O_RDONLY|openNonblock, 0)
	return f, errnoOf(err)
}

func (d *dir) create(name string, again bool) (*os.File, error) {
	flags := os.O_RDWR | os.O_CREATE
	if !again {
		flags |= os.O_EXCL
	}
	f, err := d.root.OpenFile(d.at(name), flags, 0o666)
	return f, errnoOf(err)
}

func (d *dir) readlink(name string) (string, error) {
	target, err := d.root.Readlink(d.at(name))
	return target, errnoOf(err)
}

func (d *dir) symlink(target, name string) error {
	return errnoOf(d.root.Symlink(target, d.at(name)))
}

func (d *dir) mkdir(name string, perm uint32) error {
	return errnoOf(d.root.Mkdir(d.at(name), os.FileMode(perm)))
}

func (d *dir) remove(name string) error { return errnoOf(d.root.Remove(d.at(name))) }
func (d *dir) rmdir(name string) error  { return errnoOf(d.root.Remove(d.at(name))) }

// within returns where to's name is, seen from d's root.
func (d *dir) within(to *dir, name string) (string, error) {
	if to.root.Name() == d.root.Name() {
		return to.at(name), nil
	}
	rel, err := filepath.Rel(d.root.Name(), to.root.Name())
	if err != nil || !filepath.IsLocal(rel) {
		return "", errCross
	}
	return filepath.Join(rel, to.at(name)), nil
}

func (d *dir) link(name string, to *dir, toName string) error {
	path, err := d.within(to, toName)
	if err != nil {
		return err
	}
	return errnoOf(d.root.Link(d.at(name), path))
}

// rename works from the one of the two roots that the other lies in.
func (d *dir) rename(name string, to *dir, toName string) error {
	if path, err := d.within(to, toName); err == nil {
		return errnoOf(d.root.Rename(d.at(name), path))
	}
	path, err := to.within(d, name)
	if err != nil {
		return err
	}
	return errnoOf(to.root.Rename(path, to.at(toName)))
}

func (d *dir) renameNew(name string, to *dir, toName string) error {
	return renameInSteps(d, name, to, toName)
}

func (d *dir) exchange(string, *dir, string) error { return errors.ErrUnsupported }

func (d *dir) chmod(name string, perm uint32) error {
	return errnoOf(d.root.Chmod(d.at(name), os.FileMode(perm)))
}

func (d *dir) chtimes(name string, mtime time.Time) error {
	return errnoOf(d.root.Chtimes(d.at(name), time.Time{}, mtime))
}

// sync makes renames in the directory durable; on Windows they are by themselves.
func (d *dir) sync() error {
	if !syncsDirs {
		return nil
	}
	f, err := d.root.Open(d.path)
	if err != nil {
		return errnoOf(err)
	}
	defer f.Close()
	return errnoOf(f.Sync())
}

// hasWriter: the system cannot tell.
func (d *dir) hasWriter(string) bool { return false }

func startWriteback(*os.File, int64, int64) {}

func infoOfFile(f *os.File, name string) (Info, error) {
	fi, err := f.Stat()
	if err != nil {
		return Info{}, errnoOf(err)
	}
	info := infoOf(name, fi)
	identifyFile(f, fi, &info)
	return info, nil
}

// errnoOf strips the paths that os adds, which are not those that the caller knows.
func errnoOf(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Err
	}
	return err
}

// unlimited fits a number of bytes into what the FS says.
func unlimited(n uint64) int64 { return int64(min(n, math.MaxInt64)) } //nolint:gosec // bounded

var (
	errNotDir error = syscall.ENOTDIR
	errCross  error = syscall.EXDEV
)

func isNotDir(err error) bool  { return errors.Is(err, syscall.ENOTDIR) }
func isTooLong(err error) bool { return errors.Is(err, syscall.ENAMETOOLONG) }
func isNotEmpty(err error) bool {
	return errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, fs.ErrExist)
}
func isCross(err error) bool   { return errors.Is(err, syscall.EXDEV) }
func isInvalid(err error) bool { return errors.Is(err, syscall.EINVAL) }
