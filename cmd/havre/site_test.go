package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/internal/home"
	"github.com/havre-cloud/havre/svn/svntest"
)

var invitationPattern = regexp.MustCompile(`https://\S+/join/[^\s']+#sha256=[0-9a-f]{64}`)

// process is a running havre.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	out  *lines
	errs *lines
	done chan struct{} // closed by the goroutine of start when the process has ended
}

// lines is what a process has printed so far.
type lines struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// start starts a process that is stopped when the test ends.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: command(t, args...), out: &lines{}, errs: &lines{}, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.errs
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // how it ended is in ProcessState
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("havre %s\n%s%s", strings.Join(args, " "), p.out, p.errs)
		}
	})
	return p
}

// kill ends the process as the system would, without a chance to tidy up.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.done
}

// stop asks the process to end, and wants it to end well.
func (p *process) stop() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	<-p.done
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		p.t.Errorf("%s: exit code %d: %s", p.cmd.Args[1], code, p.errs)
	}
}

// await waits for a line that matches and returns the match.
func (p *process) await(pattern *regexp.Regexp) string {
	p.t.Helper()
	var found string
	eventually(p.t, pattern.String(), func() error {
		select {
		case <-p.done:
			p.t.Fatalf("%s ended before it printed %s: %s", p.cmd.Args[1], pattern, p.errs)
		default:
		}
		if found = pattern.FindString(p.out.String()); found == "" {
			return errors.New("not printed")
		}
		return nil
	})
	return found
}

// site is a server with a folder Team.
type site struct {
	t      *testing.T
	dir    string
	listen string // the same after every start
	server *process
}

var readyPattern = regexp.MustCompile(`(?m)^ready: https://(\S+)$`)

// newSite starts a server for the first time.
func newSite(t *testing.T) *site {
	t.Helper()
	return newSiteIn(t, t.TempDir())
}

func newSiteIn(t *testing.T, dir string) *site {
	t.Helper()
	s := &site{t: t, dir: dir, listen: fmt.Sprintf("127.0.0.1:%d", svntest.FreePort(t))}
	s.start()
	do(t, "folder", "add", "--data", s.data(), "Team")
	return s
}

func (s *site) data() string       { return filepath.Join(s.dir, "server") }
func (s *site) repository() string { return filepath.Join(s.data(), "repositories", "team") }

func (s *site) start() {
	s.t.Helper()
	s.server = start(s.t, "serve", "--data", s.data(), "--listen", s.listen)
	s.server.await(readyPattern)
}

// client is one device of the administrator, with the folder in dir.
type client struct {
	site      *site
	name      string
	home, dir string
	process   *process
}

// newClient pairs a device and adds the folder; it does not run yet.
func (s *site) newClient(name string) *client {
	s.t.Helper()
	c := &client{site: s, name: name, home: filepath.Join(s.dir, "home-"+name), dir: filepath.Join(s.dir, name)}
	invitation := invitationPattern.FindString(do(s.t, "invite", "--data", s.data(), "admin"))
	do(s.t, "join", "--home", c.home, "--name", name, invitation)
	do(s.t, "add", "--home", c.home, "Team", c.dir)
	return c
}

// running returns devices that run.
func (s *site) running(names ...string) []*client {
	s.t.Helper()
	clients := make([]*client, len(names))
	for i, name := range names {
		clients[i] = s.newClient(name)
		clients[i].start()
	}
	s.converge(clients...)
	return clients
}

func (c *client) start() { c.process = start(c.site.t, "run", "--home", c.home) }

func (c *client) status() (*home.Status, error) {
	r := try(c.site.t, "status", "--home", c.home, "--json")
	if r.code != 0 {
		return nil, errors.New(r.err)
	}
	var s home.Status
	return &s, json.Unmarshal([]byte(r.out), &s)
}

// upToDate returns nil when the client says that nothing is left to do.
func (c *client) upToDate() (*home.ReplicaStatus, error) {
	s, err := c.status()
	if err != nil {
		return nil, err
	}
	r := &s.Replicas[0]
	if r.State != home.StateUpToDate || r.PendingDown+r.PendingUp != 0 {
		return nil, fmt.Errorf("%s: %s, %d down, %d up, %s", c.name, r.State, r.PendingDown, r.PendingUp, r.LastError)
	}
	return r, nil
}

func (c *client) path(name string) string { return filepath.Join(c.dir, filepath.FromSlash(name)) }

func (c *client) write(name, content string) {
	c.site.t.Helper()
	p := c.path(name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, []byte(content), 0o644)); err != nil {
		c.site.t.Fatal(err)
	}
}

func (c *client) rename(from, to string) {
	c.site.t.Helper()
	if err := os.Rename(c.path(from), c.path(to)); err != nil {
		c.site.t.Fatal(err)
	}
}

func (c *client) remove(name string) {
	c.site.t.Helper()
	if err := os.RemoveAll(c.path(name)); err != nil {
		c.site.t.Fatal(err)
	}
}

// vanish deletes at once what remove deletes file by file, of which a client may see, and pass on, a part.
func (c *client) vanish(name string) {
	c.site.t.Helper()
	gone, err := os.MkdirTemp(c.site.dir, "gone-")
	if err == nil {
		err = os.Rename(c.path(name), filepath.Join(gone, "it"))
	}
	if err != nil {
		c.site.t.Fatal(err)
	}
}

// awaitContent waits until a file has the content.
func (c *client) awaitContent(name, want string) {
	c.site.t.Helper()
	eventually(c.site.t, c.name+"/"+name, func() error {
		got, err := os.ReadFile(c.path(name))
		if err == nil && string(got) != want {
			err = fmt.Errorf("got %q, want %q", clipped(string(got)), clipped(want))
		}
		return err
	})
}

func (c *client) awaitGone(name string) {
	c.site.t.Helper()
	eventually(c.site.t, c.name+"/"+name, func() error {
		_, err := os.Lstat(c.path(name))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			err = errors.New("is there")
		}
		return err
	})
}

func clipped(s string) string { return s[:min(len(s), 60)] }

// tree is a directory as two clients must have it: what is at each path, "dir", "-> TARGET", or
// contents with "x " before them if they can be executed.
type tree map[string]string

func readTree(dir string) (tree, error) {
	got := tree{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		switch {
		case e.Name() == ".havre" && e.IsDir():
			return filepath.SkipDir
		case e.IsDir():
			got[rel] = "dir"
		case e.Type() == fs.ModeSymlink:
			target, err := os.Readlink(path)
			got[rel] = "-> " + target
			return err
		case e.Type() == 0:
			data, err := os.ReadFile(path)
			if info, err2 := e.Info(); err == nil && err2 == nil && info.Mode()&0o100 != 0 {
				got[rel] = "x "
			}
			got[rel] += string(data)
			return err
		}
		return nil
	})
	return got, err
}

// converge waits until all clients are at rest at the same revision with equal trees, and returns the tree.
func (s *site) converge(clients ...*client) tree {
	s.t.Helper()
	var first tree
	eventually(s.t, "the clients become equal", func() error {
		var rev []int64
		for i, c := range clients {
			r, err := c.upToDate()
			if err != nil {
				return err
			}
			rev = append(rev, int64(r.Revision))
			got, err := readTree(c.dir)
			if err != nil {
				return err
			}
			if i == 0 {
				first = got
			} else if diff := cmp.Diff(first, got); diff != "" {
				return fmt.Errorf("%s and %s differ:\n%s", clients[0].name, c.name, diff)
			}
		}
		if slices.Min(rev) != slices.Max(rev) {
			return fmt.Errorf("revisions %v", rev)
		}
		return nil
	})
	return first
}

// settled is converge, and wants the tree to be this one.
func (s *site) settled(want tree, clients ...*client) {
	s.t.Helper()
	eventually(s.t, "the tree", func() error {
		if diff := cmp.Diff(want, s.converge(clients...)); diff != "" {
			return errors.New(diff)
		}
		return nil
	})
}

// noTemporaries looks for what must not be left once everything is at rest.
func (c *client) noTemporaries() {
	c.site.t.Helper()
	for _, dir := range []string{filepath.Join(c.home, "aside"), filepath.Join(c.dir, ".havre")} {
		err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			rel, err := filepath.Rel(dir, path)
			if slices.Contains(strings.Split(rel, string(filepath.Separator)), "tmp") {
				c.site.t.Errorf("%s: left behind: %s", c.name, path)
			}
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			c.site.t.Error(err)
		}
	}
}

// noise returns n bytes that do not compress, the same for the same seed.
func noise(seed, n int) string {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(seed)}).Read(b) // it never fails
	return string(b)
}

// copyFile copies contents slowly enough to be seen half done: in small pieces.
func copyFile(t *testing.T, to string, r io.Reader) {
	t.Helper()
	f, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{f}, r, make([]byte, 4096))
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}
