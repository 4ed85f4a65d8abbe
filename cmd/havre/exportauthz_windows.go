package main

import (
	"io/fs"
	"os"
)

// sameOwner does nothing: a new file gets the rights of its directory.
func sameOwner(*os.File, fs.FileInfo) error { return nil }
