package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/havre-cloud/havre/svn/svntest"
)

// beHavre makes the test program behave as havre: the tests start real processes.
const beHavre = "HAVRE_TEST_BE_HAVRE"

// program is what the tests start: the test program itself, or, where that has the race detector, one without.
// A process needs half a second of a processor to start with it, and the tests start hundreds.
var program = os.Args[0]

// raced are the tests whose processes have the race detector, if the tests have it: they make server and clients
// do what they do every day. The packages below are tested with it in any case.
var raced = map[string]bool{"TestEveryDay": true}

func TestMain(m *testing.M) {
	if os.Getenv(beHavre) != "" {
		main()
		return
	}
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	if !underRace {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "havre-test")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "havre")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	build := exec.Command("go", "build", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		panic(fmt.Sprintf("go build: %v: %s", err, out))
	}
	return m.Run()
}

// command returns the program with these arguments, in an environment without the person's own.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	name := program
	if top, _, _ := strings.Cut(t.Name(), "/"); raced[top] {
		name = os.Args[0]
	}
	// Not t.Context: it ends before the tests' own tidying-up, which wants to end things well.
	cmd := exec.CommandContext(context.Background(), name, args...)
	cmd.Env = []string{beHavre + "=1", "PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "TMPDIR=" + os.TempDir(), "LC_ALL=C.UTF-8"}
	for _, variable := range []string{"GOCOVERDIR", "GORACE", "SYSTEMROOT"} {
		if v, ok := os.LookupEnv(variable); ok {
			cmd.Env = append(cmd.Env, variable+"="+v)
		}
	}
	return cmd
}

// result is how a command ended.
type result struct {
	out, err string
	code     int
}

// try runs a command to its end.
func try(t *testing.T, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := command(t, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatalf("havre %s: %v", strings.Join(args, " "), err)
	}
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// do runs a command that must succeed and returns what it printed.
func do(t *testing.T, args ...string) string {
	t.Helper()
	r := try(t, args...)
	if r.code != 0 {
		t.Fatalf("havre %s: exit code %d: %s", strings.Join(args, " "), r.code, r.err)
	}
	return r.out
}

// eventually calls check until it returns nil. The only bound is that of go test; so that a test that
// hangs can be told from the output, what it waits for is printed now and then.
func eventually(t interface{ Name() string }, what string, check func() error) {
	for said := time.Now(); ; {
		err := check()
		if err == nil {
			return
		}
		if time.Since(said) > 30*time.Second {
			fmt.Fprintf(os.Stderr, "%s waits: %s: %v\n", t.Name(), what, err)
			said = time.Now()
		}
		time.Sleep(10 * time.Millisecond) // between two looks; nothing depends on its length
	}
}

// verify lets Subversion judge a repository.
func verify(t *testing.T, dir string) {
	t.Helper()
	svntest.RequireSubversion(t)
	svntest.Verify(t, dir)
}

// exitText returns the exit code that an error of exec stands for.
func exitText(err error) string {
	if err == nil {
		return "0"
	}
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		return strconv.Itoa(e.ExitCode())
	}
	return err.Error()
}
