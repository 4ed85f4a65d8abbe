//go:build unix

package hub

import "golang.org/x/sys/unix"

// diskSpace returns the bytes that a file system has left for this program, and has in all.
func diskSpace(dir string) (free, total int64, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, 0, err
	}
	return int64(s.Bavail) * int64(s.Bsize), int64(s.Blocks) * int64(s.Bsize), nil //nolint:unconvert // other systems have other types
}
