//go:build linux && !havre_portable

package localfs

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

const (
	openPath  = unix.O_PATH
	utimeOmit = unix.UTIME_OMIT
)

// openBeneath opens rel below the directory without following any link.
func openBeneath(at int, rel string, flags int) (int, error) {
	how := unix.OpenHow{
		Flags:   uint64(flags | unix.O_CLOEXEC | unix.O_NOFOLLOW),
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	}
	for {
		fd, err := unix.Openat2(at, rel, &how)
		switch err {
		case unix.EINTR:
		case unix.ENOSYS, unix.EPERM, unix.EAGAIN:
			// Kernels before 5.6, and sandboxes that refuse the call.
			return walkBeneath(at, rel, flags)
		default:
			return fd, err
		}
	}
}

func renameNoReplace(from int, name string, to int, toName string) error {
	return unix.Renameat2(from, name, to, toName, unix.RENAME_NOREPLACE)
}

func renameSwap(from int, name string, to int, toName string) error {
	return unix.Renameat2(from, name, to, toName, unix.RENAME_EXCHANGE)
}

// hasWriter reports whether a program has the file open for writing. A read lease is only given
// when none has; where the system gives no leases, nobody knows.
func (d *dir) hasWriter(name string) bool {
	fd, err := open(d.fd, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer func() { _ = unix.Close(fd) }() // which gives the lease back
	_, err = unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_RDLCK)
	return errors.Is(err, unix.EAGAIN)
}

// startWriteback asks the kernel to write n bytes of the contents from offset, 0 for all there are,
// without waiting.
func startWriteback(f *os.File, offset, n int64) {
	_ = unix.SyncFileRange(int(f.Fd()), offset, n, unix.SYNC_FILE_RANGE_WRITE)
}

// inodesLast reports whether inode numbers of the file system survive unmounting.
func inodesLast(path string) bool {
	var st unix.Statfs_t
	if unix.Statfs(path, &st) != nil {
		return false
	}
	switch uint32(st.Type) {
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC, zfsMagic, bcachefsMagic:
		return true
	}
	return false
}

const (
	zfsMagic      = 0x2fc12fc1
	bcachefsMagic = 0xca451a4e
)
