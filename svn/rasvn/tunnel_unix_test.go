//go:build unix

package rasvn_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/rasvn"
	"github.com/havre-cloud/havre/svn/svntest"
)

// sshd is a real one, on a port of this machine, and an ssh that knows only what the test tells it.
type sshd struct {
	t    *testing.T
	dir  string
	port int
}

func startSSH(t *testing.T) *sshd {
	t.Helper()
	daemon, err := exec.LookPath("/usr/sbin/sshd") // it wants to be called by its whole name
	if err != nil {
		t.Fatalf("this test needs Debian's openssh-server: %v", err)
	}
	s := &sshd{t: t, dir: t.TempDir(), port: svntest.FreePort(t)}
	for _, key := range []string{"host", "other-host", "ours", "stranger"} {
		svntest.Run(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", s.path(key))
	}
	s.allow("svnserve -t --tunnel-user=ann")
	s.file("sshd_config", fmt.Sprintf("ListenAddress 127.0.0.1:%d\nHostKey %s\nAuthorizedKeysFile %s\nStrictModes no\nUsePAM no\nPidFile none\nPasswordAuthentication no\n",
		s.port, s.path("host"), s.path("authorized_keys")))
	if os.Getuid() == 0 {
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil { // the empty directory that its other half locks itself into
			t.Fatal(err)
		}
	}
	cmd, said := exec.Command(daemon, "-D", "-e", "-f", s.path("sshd_config")), &bytes.Buffer{}
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }() // it is killed
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		<-ended
	})
	svntest.AwaitListening(t, s.port, ended, said)
	// The real ssh, which otherwise reads the home of whoever runs the test.
	program, err := exec.LookPath("ssh")
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(s.dir, "bin")
	if err := os.Mkdir(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("#!/bin/sh\nexec %s -F %s \"$@\"\n", program, s.path("ssh_config"))
	if err := os.WriteFile(filepath.Join(bin, "ssh"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	return s
}

func (s *sshd) path(name string) string { return filepath.Join(s.dir, name) }

func (s *sshd) file(name, content string) {
	s.t.Helper()
	if err := os.WriteFile(s.path(name), []byte(content), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *sshd) read(name string) string {
	s.t.Helper()
	b, err := os.ReadFile(s.path(name))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

// allow lets our key in, for one command.
func (s *sshd) allow(command string) {
	s.t.Helper()
	s.file("authorized_keys", fmt.Sprintf("command=%q %s", command, s.read("ours.pub")))
}

// knows tells ssh which key is ours, and which one the host has; "" for none.
func (s *sshd) knows(key, host string) {
	s.t.Helper()
	known := ""
	if host != "" {
		known = fmt.Sprintf("[127.0.0.1]:%d %s", s.port, s.read(host+".pub"))
	}
	s.file("known_hosts", known)
	s.file("ssh_config", fmt.Sprintf("IdentityFile %s\nIdentitiesOnly yes\nIdentityAgent none\nUserKnownHostsFile %s\nGlobalKnownHostsFile none\n",
		s.path(key), s.path("known_hosts")))
}

func (s *sshd) url(path string) string { return fmt.Sprintf("svn+ssh://127.0.0.1:%d%s", s.port, path) }

// TestSSH goes through a real sshd, and has the reason when ssh does not get through.
func TestSSH(t *testing.T) {
	svntest.RequireSubversion(t)
	s := startSSH(t)
	dir := svntest.Create(t)
	refused := func(what string, want rasvn.TunnelReason, words string) {
		t.Helper()
		_, err := rasvn.Open(t.Context(), s.url(dir), rasvn.Options{})
		if e, ok := errors.AsType[*rasvn.TunnelError](err); !ok || e.Reason != want || !strings.Contains(e.Text, words) {
			t.Errorf("%s: got %v (%T), want reason %d with %q", what, err, err, want, words)
		}
	}
	s.knows("ours", "")
	refused("a host that ssh does not know", rasvn.TunnelUnknownKey, "verification failed")
	s.knows("ours", "other-host")
	refused("a host with another key", rasvn.TunnelChangedKey, "verification failed")
	s.knows("stranger", "host")
	refused("a key that the host does not know", rasvn.TunnelDenied, "Permission denied")
	s.knows("ours", "host")
	if _, err := rasvn.Open(t.Context(), s.url(dir+"-none"), rasvn.Options{}); err != nil {
		requireRefused(t, "no repository", err, svn.RefusedPlace, "no repository")
	} else {
		t.Error("a repository that is not there was opened")
	}

	r := open(t, s.url(dir), rasvn.Options{})
	if rev, err := r.Commit(t.Context(), &svn.Commit{Changes: []svn.Change{put("a", "through ssh", svn.InvalidRevnum)}}); err != nil || rev != 1 {
		t.Fatalf("commit: r%d, %v", rev, err)
	}
	if got := svntest.ReadFile(t, r, "a", 1); string(got) != "through ssh" {
		t.Errorf("read %q", got)
	}
	svntest.Run(t, "svnadmin", "verify", "-q", dir)
	if author := strings.TrimSpace(svntest.Run(t, "svnlook", "author", dir)); author != "ann" {
		t.Errorf("the author is %q", author)
	}

	s.allow("exec svnserve-that-is-not-there")
	refused("no svnserve over there", rasvn.TunnelNoServer, "not found")
	s.allow("echo the house is closed >&2; exit 3")
	_, err := rasvn.Open(t.Context(), s.url(dir), rasvn.Options{})
	if e, ok := errors.AsType[*svn.UnreachableError](err); !ok || e.Err.Error() != "ssh: the house is closed" {
		t.Errorf("another reason: got %v (%T)", err, err)
	}
	t.Setenv("PATH", t.TempDir())
	refused("no ssh here", rasvn.TunnelNoProgram, "no such program")
}
