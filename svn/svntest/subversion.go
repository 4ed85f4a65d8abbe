package svntest

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// programs are those of Subversion that the tests need. svnfsfs comes with svnadmin.
var programs = []string{"svn", "svnadmin", "svnlook", "svnmucc", "svnsync", "svnrdump", "svnserve", "svnfsfs"}

// RequireSubversion fails the test if a program of Subversion is missing. Tests are not skipped
// for it: without the oracle they would say nothing.
func RequireSubversion(t testing.TB) {
	t.Helper()
	for _, name := range programs {
		if _, err := exec.LookPath(name); err != nil {
			t.Fatalf("%s is not installed: the tests need Subversion 1.14, as in: apt-get install subversion", name)
		}
	}
}

// Env returns the environment in which Subversion's programs run: no configuration of the
// person who runs the tests, and UTF-8 names.
func Env(t testing.TB) []string {
	t.Helper()
	keep := func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return name == "HOME" || name == "LANG" || name == "LANGUAGE" || strings.HasPrefix(name, "LC_") ||
			strings.HasPrefix(name, "SVN") || name == "EDITOR" || name == "VISUAL"
	}
	return append(slices.DeleteFunc(os.Environ(), keep), "HOME="+t.TempDir(), "LC_ALL=C.UTF-8", "TZ=UTC")
}

// Result is what a program left behind.
type Result struct {
	Stdout, Stderr string
	// Err is nil if the program ended well.
	Err error
}

// TryRun runs a program with the standard input, which may be nil, and returns what happened.
func TryRun(t testing.TB, stdin io.Reader, name string, args ...string) Result {
	t.Helper()
	switch filepath.Base(name) {
	case "svn", "svnmucc", "svnsync", "svnrdump":
		args = append(slices.Clone(args), "--non-interactive")
	}
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = Env(t)
	cmd.Stdin = stdin
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if errors.Is(err, exec.ErrNotFound) {
		RequireSubversion(t)
	}
	return Result{Stdout: stdout.String(), Stderr: stderr.String(), Err: err}
}

// Run runs a program and returns its standard output. The test fails if the program does, or
// if it writes anything to its standard error, warnings included.
func Run(t testing.TB, name string, args ...string) string {
	t.Helper()
	return RunIn(t, nil, name, args...)
}

// RunIn is Run with a standard input.
func RunIn(t testing.TB, stdin io.Reader, name string, args ...string) string {
	t.Helper()
	r := TryRun(t, stdin, name, args...)
	if r.Err != nil || r.Stderr != "" {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), r.Err, r.Stderr)
	}
	return r.Stdout
}

// Create makes a repository with svnadmin and returns its directory. The arguments are more
// options of svnadmin create, as in "--compatible-version", "1.8".
func Create(t testing.TB, args ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "repository")
	Run(t, "svnadmin", append([]string{"create", dir}, args...)...)
	return dir
}

// URL returns the file:// address of a path in the repository in a directory; "" is its root.
func URL(dir, path string) string {
	const upper = "0123456789ABCDEF"
	var b strings.Builder
	b.WriteString("file://")
	p := dir
	if path != "" {
		p += "/" + path
	}
	for i := range len(p) {
		c := p[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("/-_.~", c) >= 0 {
			b.WriteByte(c)
		} else {
			b.WriteString("%" + string(upper[c>>4]) + string(upper[c&15]))
		}
	}
	return b.String()
}
