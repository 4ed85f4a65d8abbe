package main

import "syscall"

// detached keeps a Ctrl-C in the terminal from reaching the child: its parent ends it.
func detached() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}
