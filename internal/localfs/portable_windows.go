package localfs

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/windows"
)

const (
	keepsExecutable = false
	syncsDirs       = false
	openNonblock    = 0
)

// identify fills in what only an open file tells: the index that stands for the inode. It stays 0
// for a file that cannot be opened, which then differs from what it was.
func identify(root *os.Root, path string, fi fs.FileInfo, info *Info) {
	if fi.Mode().Type()&^fs.ModeDir != 0 {
		return
	}
	f, err := root.Open(path)
	if err != nil {
		return
	}
	defer f.Close()
	identifyFile(f, fi, info)
}

func identifyFile(f *os.File, _ fs.FileInfo, info *Info) {
	var h windows.ByHandleFileInformation
	if windows.GetFileInformationByHandle(windows.Handle(f.Fd()), &h) != nil {
		return
	}
	info.Inode = uint64(h.FileIndexHigh)<<32 | uint64(h.FileIndexLow)
	info.Device = uint64(h.VolumeSerialNumber)
	info.Links = uint64(h.NumberOfLinks)
}

func isBadName(err error) bool { return errors.Is(err, windows.ERROR_INVALID_NAME) }

// IsFull reports whether an error says that there is no room: on the disk, or in the person's quota.
func IsFull(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL) ||
		errors.Is(err, windows.ERROR_DISK_QUOTA_EXCEEDED) || errors.Is(err, syscall.ENOSPC)
}

func free(path string) (int64, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return 0, err
	}
	var avail uint64
	if err := windows.GetDiskFreeSpaceEx(name, &avail, nil, nil); err != nil {
		return 0, err
	}
	return unlimited(avail), nil
}

func inodesLast(string) bool { return false }

// nameProblem says why Windows cannot have a name that a repository can.
func nameProblem(name string) string {
	for i, r := range name {
		if r < 32 || strings.ContainsRune(`<>:"/\|?*`, r) {
			return "the character " + strconv.QuoteRune(r) + " at position " + strconv.Itoa(i+1) + " is not possible in names on Windows"
		}
	}
	if last := name[len(name)-1]; last == '.' || last == ' ' {
		return "names on Windows cannot end with a dot or a space"
	}
	base, _, _ := strings.Cut(name, ".")
	switch strings.ToUpper(strings.TrimRight(base, " ")) {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$",
		"COM1", "COM2", "COM3", "COM4", "COM5", "COM6", "COM7", "COM8", "COM9",
		"LPT1", "LPT2", "LPT3", "LPT4", "LPT5", "LPT6", "LPT7", "LPT8", "LPT9":
		return "is a name that Windows keeps for a device"
	}
	return ""
}
