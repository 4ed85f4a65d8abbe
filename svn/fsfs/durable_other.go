//go:build !linux

package fsfs

import (
	"os"
	"runtime"
)

// renameOpen says whether a file may be renamed while it is open.
const renameOpen = runtime.GOOS != "windows"

// syncFile makes the contents of a file durable.
func syncFile(f *os.File) error { return f.Sync() }

// startWriteback does nothing here.
func startWriteback(*os.File, int64, int64) {}
