//go:build darwin && !havre_portable

package localfs

import (
	"os"

	"golang.org/x/sys/unix"
)

const (
	openPath  = unix.O_RDONLY
	utimeOmit = -2 // UTIME_OMIT in sys/stat.h
)

// openBeneath opens rel below the directory without following any link.
func openBeneath(at int, rel string, flags int) (int, error) {
	return walkBeneath(at, rel, flags)
}

func renameNoReplace(from int, name string, to int, toName string) error {
	return unix.RenameatxNp(from, name, to, toName, unix.RENAME_EXCL)
}

func renameSwap(from int, name string, to int, toName string) error {
	return unix.RenameatxNp(from, name, to, toName, unix.RENAME_SWAP)
}

// hasWriter: the system cannot tell.
func (d *dir) hasWriter(string) bool { return false }

func startWriteback(*os.File, int64, int64) {}

// inodesLast reports whether inode numbers of the file system survive unmounting.
func inodesLast(path string) bool {
	var st unix.Statfs_t
	if unix.Statfs(path, &st) != nil {
		return false
	}
	name := unix.ByteSliceToString(st.Fstypename[:])
	return name == "apfs" || name == "hfs"
}
