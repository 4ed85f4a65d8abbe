//go:build !windows && ((!linux && !darwin) || havre_portable)

package localfs

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"syscall"
)

const (
	keepsExecutable = true
	syncsDirs       = true
	openNonblock    = syscall.O_NONBLOCK
)

// identify fills in what fs.FileInfo does not say.
func identify(_ *os.Root, _ string, fi fs.FileInfo, info *Info) { identifyFile(nil, fi, info) }

func identifyFile(_ *os.File, fi fs.FileInfo, info *Info) {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		info.Inode, info.Device, info.Links = st.Ino, uint64(st.Dev), uint64(st.Nlink) //nolint:gosec,unconvert // types differ between systems
	}
}

func isBadName(err error) bool { return errors.Is(err, syscall.EILSEQ) }

// IsFull reports whether an error says that there is no room: on the disk, or in the person's quota.
func IsFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// free cannot be asked in one way for all these systems.
func free(string) (int64, error) { return math.MaxInt64, nil }

func inodesLast(string) bool { return false }

func nameProblem(string) string { return "" }
