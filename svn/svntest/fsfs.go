package svntest

import "testing"

func CheckFSFS(t testing.TB, dir string) {}
