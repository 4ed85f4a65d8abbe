package hub

import "golang.org/x/sys/windows"

// diskSpace returns the bytes that a file system has left for this program, and has in all.
func diskSpace(dir string) (free, total int64, err error) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, 0, err
	}
	var f, t uint64
	err = windows.GetDiskFreeSpaceEx(name, &f, &t, nil)
	return int64(f), int64(t), err
}
