//go:build unix

package fsfs

import (
	"io/fs"
	"os"
	"syscall"
)

// allocated returns what a file takes on the disk, in bytes.
func allocated(info fs.FileInfo) int64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Blocks * 512
	}
	return info.Size()
}

// keepOwner gives a new file the owner and the group of another. Only the superuser may, and only
// then it matters: what packs made by root cannot be read by the server is lost to it.
func keepOwner(name string, like fs.FileInfo) {
	if s, ok := like.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
		_ = os.Lchown(name, int(s.Uid), int(s.Gid))
	}
}
