package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set by the linker (Makefile); without it the module's own version is told.
var version string

type versionCmd struct{}

// Help is the text below the usage.
func (versionCmd) Help() string {
	return `Example:

    havre version

` + exitCodes
}

// Run executes the command.
func (versionCmd) Run(con *console) error {
	_, err := fmt.Fprintf(con.out, "havre %s (%s, %s/%s)\n", programVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

func programVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "unreleased"
}
