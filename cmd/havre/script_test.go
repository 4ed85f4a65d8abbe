package main

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs testdata/*.txtar: what a person types, and what is answered.
func TestScripts(t *testing.T) {
	self, err := filepath.Abs(program)
	if err != nil {
		t.Fatal(err)
	}
	name := "havre"
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	bin := t.TempDir()
	if err := os.Symlink(self, filepath.Join(bin, name)); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", bin+string(filepath.ListSeparator)+e.Getenv("PATH"))
			e.Setenv(beHavre, "1")
			e.Setenv("HAVRE_HOME", filepath.Join(e.WorkDir, "home"))
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			// exits CODE COMMAND... runs a command that must end with that code.
			"exits": func(ts *testscript.TestScript, neg bool, args []string) {
				if neg || len(args) < 2 {
					ts.Fatalf("usage: exits CODE COMMAND...")
				}
				err := ts.Exec(args[1], args[2:]...)
				if got := exitText(err); got != args[0] {
					ts.Fatalf("exit code %s, want %s", got, args[0])
				}
			},
			// invitation FILE NAME sets a variable to the invitation in a file.
			"invitation": func(ts *testscript.TestScript, _ bool, args []string) {
				i := invitationPattern.FindString(ts.ReadFile(args[0]))
				if i == "" {
					ts.Fatalf("no invitation in %s", args[0])
				}
				ts.Setenv(args[1], i)
			},
			// retry COMMAND... runs a command until it succeeds: what it needs is being started.
			"retry": func(ts *testscript.TestScript, _ bool, args []string) {
				eventually(ts, args[0], func() error { return ts.Exec(args[0], args[1:]...) })
			},
		},
	})
}
