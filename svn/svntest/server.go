package svntest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// FreePort returns a port of 127.0.0.1 where nobody listens, for a program that wants to be told where to.
//
// It is below those that the system gives to connections: of such a one any process may have made use before the program
// listens there, or while it is started anew.
func FreePort(t testing.TB) int {
	t.Helper()
	for {
		port := 10_000 + rand.IntN(20_000)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return port
	}
}

// Server is a svnserve of a test's own, for the repositories in one directory.
type Server struct {
	t     testing.TB
	args  []string
	port  int
	cmd   *exec.Cmd
	out   *bytes.Buffer
	ended chan struct{} // closed when the program has
}

// Serve starts a svnserve for the repositories in the directory that the repository dir is in. The arguments are more
// options. It is stopped at the end of the test.
func Serve(t testing.TB, dir string, args ...string) *Server {
	t.Helper()
	RequireSubversion(t)
	s := &Server{t: t, port: FreePort(t)}
	s.args = append([]string{
		"-d", "-T", "--foreground", "--listen-host", "127.0.0.1", "--listen-port", strconv.Itoa(s.port), "-r", filepath.Dir(dir),
	}, args...)
	s.Start()
	t.Cleanup(s.Stop)
	return s
}

// Start starts the server anew where it was, and returns when it listens.
func (s *Server) Start() {
	s.t.Helper()
	s.cmd, s.out, s.ended = exec.Command("svnserve", s.args...), &bytes.Buffer{}, make(chan struct{})
	s.cmd.Env = Env(s.t)
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func(cmd *exec.Cmd, ended chan struct{}) {
		_ = cmd.Wait() // it is killed
		close(ended)
	}(s.cmd, s.ended)
	AwaitListening(s.t, s.port, s.ended, s.out)
}

// Stop ends the server, and with it all connections.
func (s *Server) Stop() {
	_ = s.cmd.Process.Kill() // it may have been stopped by the test
	<-s.ended
}

// Port returns where it listens.
func (s *Server) Port() int { return s.port }

// URL returns the address of a repository, or of a path in one: "NAME/PATH".
func (s *Server) URL(path string) string { return fmt.Sprintf("svn://127.0.0.1:%d/%s", s.port, path) }

// AwaitListening returns when something listens at the port. The test fails if the program, whose output is out, has ended.
func AwaitListening(t testing.TB, port int, ended <-chan struct{}, out fmt.Stringer) {
	t.Helper()
	for {
		conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-ended:
			t.Fatalf("the server ended before it listened:\n%s", out)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
