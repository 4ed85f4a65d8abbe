//go:build unix

package main

import "syscall"

// detached keeps a Ctrl-C in the terminal from reaching the child: its parent ends it.
func detached() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
