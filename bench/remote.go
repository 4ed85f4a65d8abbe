package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// svnServer is a Subversion server with one repository, plans, in which havre and ada may write.
type svnServer struct {
	name string
	dir  string // of everything
	url  string // of the repository
	cmd  *exec.Cmd
}

const benchPassword = "secret"

// startSvnserve starts svnserve.
func startSvnserve(ctx context.Context, c config) (*svnServer, error) {
	s, port, err := newSvnServer(ctx, c, "svnserve")
	if err != nil {
		return nil, err
	}
	conf := filepath.Join(s.dir, "repos", "plans", "conf")
	err = errors.Join(
		os.WriteFile(filepath.Join(conf, "svnserve.conf"), []byte("[general]\nanon-access = none\nauth-access = write\npassword-db = passwd\n"), 0o644),
		os.WriteFile(filepath.Join(conf, "passwd"), []byte("[users]\nhavre = "+benchPassword+"\nada = "+benchPassword+"\n"), 0o644))
	if err != nil {
		return nil, err
	}
	s.url = fmt.Sprintf("svn://127.0.0.1:%d/plans", port)
	s.cmd = exec.CommandContext(ctx, "svnserve", "-d", "--foreground", "-T", "--listen-host", "127.0.0.1", "--listen-port", fmt.Sprint(port), "-r", filepath.Join(s.dir, "repos"))
	return s, s.start(ctx, port)
}

// startApache starts Apache as Debian configures it, with names and passwords as htpasswd stores them by itself.
func startApache(ctx context.Context, c config) (*svnServer, error) {
	s, port, err := newSvnServer(ctx, c, "Apache")
	if err != nil {
		return nil, err
	}
	const modules = "/usr/lib/apache2/modules"
	if !exists(modules + "/mod_dav_svn.so") {
		return nil, errors.New("apt-get install apache2-bin libapache2-mod-svn apache2-utils")
	}
	var conf strings.Builder
	fmt.Fprintf(&conf, "ServerRoot %s\nServerName localhost\nPidFile httpd.pid\nErrorLog error.log\nMutex file:. default\nListen 127.0.0.1:%d\n", s.dir, port)
	for _, m := range []string{"mpm_event", "authn_core", "authn_file", "authz_core", "authz_user", "auth_basic", "dav", "dav_svn"} {
		fmt.Fprintf(&conf, "LoadModule %s_module %s/mod_%s.so\n", m, modules, m)
	}
	if os.Getuid() == 0 { // as which Apache's children do not run
		conf.WriteString("User nobody\nGroup nogroup\n")
	}
	fmt.Fprintf(&conf, "SVNUseUTF8 On\nMaxKeepAliveRequests 100\nKeepAliveTimeout 5\n<Location /svn>\nDAV svn\nSVNParentPath %s/repos\n"+
		"AuthType Basic\nAuthName bench\nAuthUserFile users\nRequire valid-user\n</Location>\n", s.dir)
	if err := os.WriteFile(filepath.Join(s.dir, "httpd.conf"), []byte(conf.String()), 0o644); err != nil {
		return nil, err
	}
	users := filepath.Join(s.dir, "users")
	if err := errors.Join(command(ctx, "htpasswd", "-bc", users, "havre", benchPassword), command(ctx, "htpasswd", "-b", users, "ada", benchPassword)); err != nil {
		return nil, err
	}
	s.url = fmt.Sprintf("http://127.0.0.1:%d/svn/plans", port)
	s.cmd = exec.CommandContext(ctx, "apache2", "-f", filepath.Join(s.dir, "httpd.conf"), "-DFOREGROUND")
	if os.Getuid() == 0 {
		if err := errors.Join(command(ctx, "chown", "-R", "nobody:nogroup", s.dir), os.Chmod(c.dir, 0o755)); err != nil {
			return nil, err
		}
	}
	return s, s.start(ctx, port)
}

func newSvnServer(ctx context.Context, c config, name string) (*svnServer, int, error) {
	dir, err := c.fresh("server-" + name)
	if err != nil {
		return nil, 0, err
	}
	s := &svnServer{name: name, dir: dir}
	if err := os.Mkdir(filepath.Join(dir, "repos"), 0o755); err != nil {
		return nil, 0, err
	}
	if err := command(ctx, "svnadmin", "create", filepath.Join(dir, "repos", "plans")); err != nil {
		return nil, 0, err
	}
	port, err := freePort()
	return s, port, err
}

func (s *svnServer) start(ctx context.Context, port int) error {
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(syscall.SIGTERM) }
	if err := s.cmd.Start(); err != nil {
		return err
	}
	return await(ctx, 10*time.Millisecond, func() bool {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
}

func (s *svnServer) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	_ = s.cmd.Wait() // it says that it was told to
}

// svn runs a command of Subversion's client as ada.
func (s *svnServer) svn(ctx context.Context, args ...string) error {
	return command(ctx, "svn", append(args, "--non-interactive", "--no-auth-cache", "--config-dir", filepath.Join(s.dir, "config"),
		"--username", "ada", "--password", benchPassword)...)
}

// benchRemote times folders that are on other Subversion servers.
func benchRemote(ctx context.Context, c config) error {
	bin, err := buildHavre(ctx, c)
	if err != nil {
		return err
	}
	for _, start := range []func(context.Context, config) (*svnServer, error){startSvnserve, startApache} {
		s, err := start(ctx, c)
		if err != nil {
			return err
		}
		err = s.measure(ctx, c, bin)
		s.stop()
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// measure times the ways to and from one server.
func (s *svnServer) measure(ctx context.Context, c config, bin string) (err error) {
	report{}.title("A folder on another Subversion server: %s, and two clients, on loopback", s.name)
	cloud, err := startHavreWith(ctx, c, bin, func(data string) error {
		cmd := exec.CommandContext(ctx, bin, "folder", "add", "--data", data, "Bench", "--svn", s.url, "--user", "havre")
		cmd.Stdin = strings.NewReader(benchPassword + "\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("havre folder add: %w: %s", err, out)
		}
		return nil
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cloud.stop()) }()
	goal := map[string]string{"svnserve": "(goal 250 ms)", "Apache": "(goal 400 ms)"}[s.name]
	edits, err := cloud.timeEdits(ctx, c.edits)
	if err != nil {
		return err
	}
	ours, err := s.alone(ctx, c)
	if err != nil {
		return err
	}
	var r report
	r.row("edit of 1 KiB, until the other client has it", "median "+ms(median(edits)), "svn commit, svn update "+ms(median(ours)), goal)
	r.row(fmt.Sprintf("  worst of %d, and 99th percentile", len(edits)), ms(percentile(edits, 100))+", "+ms(percentile(edits, 99)), ms(percentile(ours, 100)), "")
	others, err := s.timeOthers(ctx, cloud, min(c.edits, 20))
	if err != nil {
		return err
	}
	r.row("svn commit, until both clients have it", "median "+ms(median(others)), "", "(goal 2 s)")
	r.row(fmt.Sprintf("  worst of %d", len(others)), ms(percentile(others, 100)), "", "")
	return s.idle(ctx, cloud)
}

// alone times a person who uses Subversion alone: commit in one working copy, update in another.
func (s *svnServer) alone(ctx context.Context, c config) ([]time.Duration, error) {
	one, two := filepath.Join(s.dir, "one"), filepath.Join(s.dir, "two")
	if err := errors.Join(s.svn(ctx, "checkout", "-q", s.url, one), s.svn(ctx, "checkout", "-q", s.url, two)); err != nil {
		return nil, err
	}
	var times []time.Duration
	content := make([]byte, smallSize)
	for range min(c.edits, 20) {
		rand.Read(content)
		d, err := timed(func() error {
			if err := os.WriteFile(filepath.Join(one, "edited.txt"), content, 0o644); err != nil {
				return err
			}
			return errors.Join(s.svn(ctx, "commit", "-q", "-m", "edit", one), s.svn(ctx, "update", "-q", two))
		})
		if err != nil {
			return nil, err
		}
		times = append(times, d)
		if err := s.svn(ctx, "update", "-q", one); err != nil {
			return nil, err
		}
	}
	return times, nil
}

// timeOthers commits with svn and times each commit, from its end, until both clients have it.
func (s *svnServer) timeOthers(ctx context.Context, cloud *cloud, n int) ([]time.Duration, error) {
	wc := filepath.Join(s.dir, "one")
	var times []time.Duration
	content := make([]byte, smallSize)
	for range n {
		rand.Read(content)
		if err := os.WriteFile(filepath.Join(wc, "edited.txt"), content, 0o644); err != nil {
			return nil, err
		}
		if err := s.svn(ctx, "commit", "-q", "-m", "by hand", wc); err != nil {
			return nil, err
		}
		d, err := timed(func() error {
			return await(ctx, time.Millisecond, func() bool {
				return holds(filepath.Join(cloud.laptop, "edited.txt"), content) && holds(filepath.Join(cloud.desktop, "edited.txt"), content)
			})
		})
		if err != nil {
			return nil, err
		}
		times = append(times, d)
	}
	return times, nil
}

// idle measures what asking the server again and again costs.
func (s *svnServer) idle(ctx context.Context, cloud *cloud) error {
	const settle, watch = 3 * time.Second, 15 * time.Second
	pid := cloud.processes["server"].Process.Pid
	time.Sleep(settle)
	before, err := processUsage(pid)
	if err != nil {
		return err
	}
	time.Sleep(watch)
	after, err := processUsage(pid)
	if err != nil {
		return err
	}
	report{}.row("at rest: havre's server", fmt.Sprintf("%.2f %% of a core", 100*(after.cpu-before.cpu).Seconds()/watch.Seconds()), mib(after.rss)+" resident", "")
	return ctx.Err()
}
