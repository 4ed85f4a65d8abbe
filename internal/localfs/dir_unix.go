//go:build (linux || darwin) && !havre_portable

package localfs

import (
	"cmp"
	"errors"
	"io/fs"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// dir is an open directory. Everything happens relative to one, so that a directory that is
// replaced meanwhile cannot lead elsewhere. It does not stay open between two calls of Disk: an open
// descriptor would keep a person from unmounting the disk.
type dir struct{ fd int }

// openDir opens a directory of our own or the root, by its path, whatever that leads through.
func openDir(path string) (*dir, error) {
	fd, err := open(unix.AT_FDCWD, path, openPath|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	return &dir{fd}, nil
}

// sub opens the directory at rel, which has components as an svn.Path has, without following a link.
func (d *dir) sub(rel string) (*dir, error) {
	if rel == "" {
		rel = "."
	}
	fd, err := openBeneath(d.fd, rel, openPath|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	return &dir{fd}, nil
}

func (d *dir) close() { _ = unix.Close(d.fd) }

// stat looks at the directory itself.
func (d *dir) stat() (Info, error) {
	var st unix.Stat_t
	if err := unix.Fstat(d.fd, &st); err != nil {
		return Info{}, err
	}
	return infoOf("", &st), nil
}

func (d *dir) lstat(name string) (Info, error) {
	info, _, err := d.lstatMode(name)
	return info, err
}

// lstatMode returns the permission bits too.
func (d *dir) lstatMode(name string) (Info, uint32, error) {
	var st unix.Stat_t
	err := unix.Fstatat(d.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if err != nil {
		return Info{}, 0, err
	}
	return infoOf(name, &st), uint32(st.Mode) & 0o777, nil //nolint:unconvert // uint16 on darwin
}

func infoOf(name string, st *unix.Stat_t) Info {
	info := Info{
		Name:       name,
		ModTime:    st.Mtim.Nano(),
		ChangeTime: st.Ctim.Nano(),
		Inode:      st.Ino,
		Device:     uint64(st.Dev),   //nolint:unconvert // int32 on darwin
		Links:      uint64(st.Nlink), //nolint:unconvert // uint16 on darwin
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		info.Kind = KindFile
		info.Size = st.Size
		info.Executable = st.Mode&0o100 != 0
	case unix.S_IFDIR:
		info.Kind = KindDir
	case unix.S_IFLNK:
		info.Kind = KindSymlink
		info.Size = st.Size
	case unix.S_IFIFO:
		info.Kind, info.Problem = KindOther, "is a FIFO, which is not synchronised"
	case unix.S_IFSOCK:
		info.Kind, info.Problem = KindOther, "is a socket, which is not synchronised"
	default:
		info.Kind, info.Problem = KindOther, "is a device, which is not synchronised"
	}
	return info
}

// list returns all entries, sorted by name.
func (d *dir) list() ([]Info, error) {
	fd, err := open(d.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), ".")
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

// openFile opens what must be a regular file for reading. O_NONBLOCK is for a FIFO that took its place.
func (d *dir) openFile(name string) (*os.File, error) {
	fd, err := open(d.fd, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		_ = unix.Close(fd)
		if err == nil {
			err = &KindError{Want: KindFile, Got: infoOf(name, &st).Kind}
		}
		return nil, err
	}
	_ = unix.SetNonblock(fd, false) // or os.File would ask the poller, which takes no files
	return os.NewFile(uintptr(fd), name), nil
}

// create makes a new file; with again set, one that is there is opened.
func (d *dir) create(name string, again bool) (*os.File, error) {
	flags := unix.O_RDWR | unix.O_CREAT | unix.O_NOFOLLOW
	if !again {
		flags |= unix.O_EXCL
	}
	fd, err := open(d.fd, name, flags, 0o666)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

func (d *dir) readlink(name string) (string, error) {
	for size := 256; ; size *= 4 {
		buf := make([]byte, size)
		n, err := unix.Readlinkat(d.fd, name, buf)
		if err != nil {
			return "", err
		}
		if n < size {
			return string(buf[:n]), nil
		}
	}
}

func (d *dir) symlink(target, name string) error { return unix.Symlinkat(target, d.fd, name) }
func (d *dir) mkdir(name string, perm uint32) error {
	return unix.Mkdirat(d.fd, name, perm)
}
func (d *dir) remove(name string) error { return unix.Unlinkat(d.fd, name, 0) }
func (d *dir) rmdir(name string) error {
	return unix.Unlinkat(d.fd, name, unix.AT_REMOVEDIR)
}

// link gives the file a second name.
func (d *dir) link(name string, to *dir, toName string) error {
	return unix.Linkat(d.fd, name, to.fd, toName, 0)
}

// rename replaces whatever is at toName.
func (d *dir) rename(name string, to *dir, toName string) error {
	return unix.Renameat(d.fd, name, to.fd, toName)
}

// renameNew is rename for a name that nothing has, fs.ErrExist otherwise.
func (d *dir) renameNew(name string, to *dir, toName string) error {
	err := renameNoReplace(d.fd, name, to.fd, toName)
	if unsupported(err) {
		return renameInSteps(d, name, to, toName)
	}
	return err
}

// exchange swaps two names in one step, errors.ErrUnsupported if the file system cannot.
func (d *dir) exchange(name string, to *dir, toName string) error {
	err := renameSwap(d.fd, name, to.fd, toName)
	if unsupported(err) {
		return errors.ErrUnsupported
	}
	return err
}

// chmod changes the permissions of a file that is not a link.
func (d *dir) chmod(name string, perm uint32) error {
	f, err := d.openFile(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Chmod(os.FileMode(perm))
}

func (d *dir) chtimes(name string, mtime time.Time) error {
	return unix.UtimesNanoAt(d.fd, name, timespecs(mtime), unix.AT_SYMLINK_NOFOLLOW)
}

// timespecs keeps odd times, before 1970 too; the file system rounds what it cannot hold.
func timespecs(mtime time.Time) []unix.Timespec {
	return []unix.Timespec{
		{Nsec: utimeOmit},
		{Sec: mtime.Unix(), Nsec: int64(mtime.Nanosecond())},
	}
}

// sync makes renames in the directory durable.
func (d *dir) sync() error {
	fd, err := open(d.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), ".")
	defer f.Close()
	return errnoOf(f.Sync())
}

// open is openat that goes on after a signal, as network file systems may need it.
func open(at int, path string, flags int, perm uint32) (int, error) {
	for {
		fd, err := unix.Openat(at, path, flags|unix.O_CLOEXEC, perm)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// walkBeneath is openBeneath in steps.
func walkBeneath(at int, rel string, flags int) (int, error) {
	cur := -1
	for name := range strings.SplitSeq(rel, "/") {
		from := at
		if cur >= 0 {
			from = cur
		}
		fd, err := open(from, name, flags|unix.O_NOFOLLOW, 0)
		if cur >= 0 {
			_ = unix.Close(cur)
		}
		if err != nil {
			return -1, err
		}
		cur = fd
	}
	return cur, nil
}

// infoOfFile looks at an open file.
func infoOfFile(f *os.File, name string) (Info, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return Info{}, err
	}
	return infoOf(name, &st), nil
}

// unsupported reports whether a file system says that it does not know a kind of rename or link.
func unsupported(err error) bool {
	return isAny(err, unix.ENOSYS, unix.EINVAL, unix.ENOTSUP, unix.EOPNOTSUPP)
}

// errnoOf strips the path that os adds, which is not one the caller knows.
func errnoOf(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

func isNotDir(err error) bool   { return isAny(err, unix.ENOTDIR, unix.ELOOP) }
func isTooLong(err error) bool  { return isAny(err, unix.ENAMETOOLONG) }
func isBadName(err error) bool  { return isAny(err, unix.EILSEQ) }
func isNotEmpty(err error) bool { return isAny(err, unix.ENOTEMPTY, unix.EEXIST) }
func isCross(err error) bool    { return isAny(err, unix.EXDEV) }
func isInvalid(err error) bool  { return isAny(err, unix.EINVAL) }

func isAny(err error, numbers ...unix.Errno) bool {
	e, ok := errors.AsType[unix.Errno](err)
	return ok && slices.Contains(numbers, e)
}

// IsFull reports whether an error says that there is no room: on the disk, or in the person's quota.
func IsFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}

// free returns the bytes that a person may still write.
func free(path string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, err
	}
	avail, size := uint64(st.Bavail), uint64(st.Bsize) //nolint:unconvert // types differ between systems
	if size != 0 && avail > math.MaxInt64/size {
		return math.MaxInt64, nil
	}
	return int64(avail * size), nil
}

// nameProblem says why this system cannot have a name that a repository can.
func nameProblem(string) string { return "" }
