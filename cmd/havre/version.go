package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/alecthomas/kong"
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
	_, err := fmt.Fprintln(con.out, versionLine())
	return err
}

// versionFlag is --version, which people try first.
type versionFlag bool

// BeforeReset prints the version before anything of the rest of the command line is missed.
func (versionFlag) BeforeReset(app *kong.Kong) error {
	if _, err := fmt.Fprintln(app.Stdout, versionLine()); err != nil {
		return err
	}
	app.Exit(exitOK)
	return nil
}

func versionLine() string {
	return fmt.Sprintf("havre %s (%s, %s/%s)", programVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
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
