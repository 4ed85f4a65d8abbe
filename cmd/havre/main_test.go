package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/havre-cloud/havre/svn/svntest"
)

// beHavre makes the test program behave as havre: the tests start real processes, race detector
// included, without building anything.
const beHavre = "HAVRE_TEST_BE_HAVRE"

func TestMain(m *testing.M) {
	if os.Getenv(beHavre) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// command returns the program with these arguments, in an environment without the person's own.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	// Not t.Context: it ends before the tests' own tidying-up, which wants to end things well.
	cmd := exec.CommandContext(context.Background(), os.Args[0], args...)
	cmd.Env = []string{beHavre + "=1", "PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "TMPDIR=" + os.TempDir(), "LC_ALL=C.UTF-8"}
	for _, name := range []string{"GOCOVERDIR", "GORACE", "SYSTEMROOT"} {
		if v, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+v)
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
