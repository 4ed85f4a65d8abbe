//go:build !linux

package main

import "os"

// maxMemory is measured on Linux only: others count in other units, or not at all.
func maxMemory(*os.ProcessState) int64 { return 0 }
