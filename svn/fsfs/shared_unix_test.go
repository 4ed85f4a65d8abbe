//go:build unix

package fsfs_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/fsfs"
	"github.com/havre-cloud/havre/svn/svntest"
)

// nobody is who all the programs of the test run as when it runs as root: Apache refuses that.
const nobody = 65534

// site is a directory with a repository that several programs serve, all as one user.
type site struct {
	t    *testing.T
	dir  string
	repo string
	self string // the test's own program
}

func newSite(t *testing.T, format string) *site {
	t.Helper()
	// Not t.TempDir, into which nobody else can look.
	dir, err := os.MkdirTemp("", "shared-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &site{t: t, dir: dir, repo: filepath.Join(dir, "repos", "r"), self: filepath.Join(dir, "self")}
	program, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{os.Mkdir(filepath.Join(dir, "repos"), 0o755), os.WriteFile(s.self, program, 0o755)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	svntest.Run(t, "svnadmin", "create", s.repo, "--compatible-version", map[byte]string{'8': "1.10", '6': "1.8"}[format[0]])
	replaceFile(t, filepath.Join(s.repo, "db", "format"), []byte(format))
	if err := os.WriteFile(filepath.Join(s.repo, "conf", "svnserve.conf"), []byte("[general]\nanon-access = write\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// program returns a program that runs as the site's user, in a process group of its own.
func (s *site) program(name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(s.t.Context(), name, args...)
	cmd.Env = svntest.Env(s.t)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if os.Getuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	return cmd
}

// own gives everything to the site's user.
func (s *site) own() {
	s.t.Helper()
	if os.Getuid() != 0 {
		return
	}
	if err := filepath.WalkDir(s.dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, nobody, nobody)
	}); err != nil {
		s.t.Fatal(err)
	}
}

// serve starts a server that listens on the port, and ends it with all its processes.
func (s *site) serve(port string, cmd *exec.Cmd) {
	s.t.Helper()
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	s.t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	for {
		conn, err := (&net.Dialer{}).DialContext(s.t.Context(), "tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = conn.Close()
			return
		}
		select {
		case err := <-ended:
			s.t.Fatalf("%s ended: %v\n%s", cmd, err, out.String())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

const sharedApache = `ServerRoot %[1]s
ServerName localhost
PidFile httpd.pid
ErrorLog error.log
Mutex file:. default
Listen 127.0.0.1:%[2]s
%[3]s<Location /svn>
DAV svn
SVNPath %[1]s/repos/r
</Location>
`

// apache serves the repository with mod_dav_svn, and returns its address.
func (s *site) apache() string {
	s.t.Helper()
	program, err := exec.LookPath("apache2")
	if err != nil {
		program = "httpd"
	}
	modules := "/usr/lib/apache2/modules"
	var load strings.Builder
	for _, m := range []string{"mpm_event", "authn_core", "authz_core", "dav", "dav_svn"} {
		fmt.Fprintf(&load, "LoadModule %s_module %s/mod_%s.so\n", m, modules, m)
	}
	port := strconv.Itoa(svntest.FreePort(s.t))
	conf := filepath.Join(s.dir, "httpd.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, sharedApache, s.dir, port, load.String()), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.own()
	s.serve(port, s.program(program, "-f", conf, "-DFOREGROUND"))
	return "http://127.0.0.1:" + port + "/svn"
}

func (s *site) svnserve() string {
	s.t.Helper()
	port := strconv.Itoa(svntest.FreePort(s.t))
	s.serve(port, s.program("svnserve", "-d", "--foreground", "--listen-host", "127.0.0.1", "--listen-port", port, "-r", filepath.Dir(s.repo)))
	return "svn://127.0.0.1:" + port + "/r"
}

// child starts the test's own program. It is killed after so many lines, unless that is 0.
func (s *site) child(lines func(string), kill int, env ...string) error {
	cmd := s.program(s.self)
	cmd.Env = append(cmd.Env, env...)
	var log strings.Builder
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	// Nothing that was written is lost when the program is killed.
	n := 0
	for text := bufio.NewScanner(out); text.Scan(); {
		lines(text.Text())
		if n++; n == kill {
			_ = cmd.Process.Kill()
		}
	}
	if err := cmd.Wait(); err != nil && kill == 0 {
		return fmt.Errorf("%v: %w\n%s", env, err, log.String())
	}
	if strings.Contains(log.String(), "panic") {
		return fmt.Errorf("%v\n%s", env, log.String())
	}
	return nil
}

// promises are the commits of which somebody was told that they are made.
type promises struct {
	mu   sync.Mutex
	made map[string]svn.Revnum // by name; 0 where the program does not tell
}

func (p *promises) add(name string, rev svn.Revnum) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.made[name] = rev
}

// TestShared has havre, svnserve and Apache commit to one repository from many processes, of which some are
// killed, while two more pack it in turns. All that was promised has to be there, to everybody.
func TestShared(t *testing.T) {
	for _, format := range []string{"8\nlayout sharded 7\naddressing logical\n", "6\nlayout sharded 4\n"} {
		t.Run(format[:1], func(t *testing.T) { testShared(t, format) })
	}
}

func testShared(t *testing.T, format string) {
	const count, theirCount = 12, 6
	s := newSite(t, format)
	svntest.Run(t, "svnmucc", "-m", "", "mkdir", svntest.URL(s.repo, "shared"))
	s.own()
	made := promises{made: map[string]svn.Revnum{}}
	told := func(line string) {
		var name string
		var rev svn.Revnum
		if n, err := fmt.Sscan(line, &name, &rev); err != nil || n != 2 {
			t.Errorf("a child says %q", line)
		}
		made.add(name, rev)
	}
	var committers sync.WaitGroup
	for i, kill := range []int{0, 9, 3} {
		committers.Go(func() {
			for round := range 2 {
				name := fmt.Sprintf("havre%d%c", i, 'a'+round)
				if err := s.child(told, kill, childShared+"="+s.repo, childName+"="+name, fmt.Sprintf("%s=%d", childCount, count/2)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	file := filepath.Join(t.TempDir(), "file")
	for name, url := range map[string]string{"svnserve": s.svnserve(), "apache": s.apache()} {
		committers.Go(func() {
			for i := range theirCount {
				name := fmt.Sprintf("%s-%d", name, i)
				file := file + name
				if err := os.WriteFile(file, []byte(sharedText(name)), 0o600); err != nil {
					t.Error(err)
				}
				r := svntest.TryRun(t, nil, "svnmucc", "-m", name, "put", file, url+"/shared/"+name)
				if r.Err != nil {
					t.Errorf("%s: %v\n%s", name, r.Err, r.Stderr)
					continue
				}
				made.add(name, 0)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	packers := s.packers(ctx)
	go func() {
		committers.Wait()
		cancel()
	}()
	reader := open(t, s.repo)
	s.follow(ctx, reader)
	packers.Wait()
	s.requirePromises(reader, &made)
}

// packers starts two programs that pack until the context ends. Ours is killed after each round.
func (s *site) packers(ctx context.Context) *sync.WaitGroup {
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			if err := s.packOnce(ctx); err != nil {
				s.t.Error(err)
				return
			}
		}
	})
	wg.Go(func() {
		r := open(s.t, s.repo)
		rev := svn.Revnum(0)
		for ctx.Err() == nil {
			if out, err := s.program("svnadmin", "pack", "-q", s.repo).CombinedOutput(); err != nil {
				s.t.Errorf("svnadmin pack: %v\n%s", err, out)
			}
			rev, _ = r.Wait(ctx, rev+3)
		}
	})
	return &wg
}

// packOnce has a child pack until it has packed something, and kills it while it goes on.
func (s *site) packOnce(ctx context.Context) error {
	cmd := s.program(s.self)
	cmd.Env = append(cmd.Env, childPacker+"="+s.repo)
	var log strings.Builder
	cmd.Stderr = &log
	in, err := cmd.StdinPipe() // it ends when we do
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })()
	_, _ = bufio.NewReader(out).ReadByte()
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // it was killed
	if strings.Contains(log.String(), "panic") {
		return errors.New(log.String())
	}
	return nil
}

// follow reads what each revision changed as soon as it is there, until the context ends.
func (s *site) follow(ctx context.Context, r *fsfs.Repository) {
	rev := svn.Revnum(1)
	for {
		youngest, err := r.Wait(ctx, rev)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			s.t.Fatal(err)
		}
		for e, err := range r.Log(s.t.Context(), rev+1, youngest) {
			if err != nil {
				s.t.Fatal(err)
			}
			for _, c := range e.Changes {
				requireShared(s.t, c.Path.Name(), read(s.t, r, c.Path, e.Rev))
				requireShared(s.t, c.Path.Name(), read(s.t, r, c.Path, youngest))
			}
		}
		rev = youngest
	}
}

func requireShared(t *testing.T, name, got string) {
	t.Helper()
	if want := sharedText(name); got != want && got != want+" changed" {
		t.Errorf("%s is %q", name, got)
	}
}

// requirePromises checks that every commit that was promised was made, once, and is whole.
func (s *site) requirePromises(r *fsfs.Repository, p *promises) {
	t := s.t
	t.Helper()
	svntest.Verify(t, s.repo)
	for rev, err := range verify(t, s.repo) {
		t.Errorf("r%d: %v", rev, err)
	}
	info, err := r.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if info.Packed == 0 {
		t.Error("nothing was packed")
	}
	tree := svntest.DumpTree(t, s.repo, info.Youngest)
	names := map[string]svn.Revnum{}
	for e, err := range r.Log(t.Context(), 2, info.Youngest) {
		if err != nil {
			t.Fatal(err)
		}
		name := e.Props[svn.PropLog]
		if names[name] != 0 {
			t.Errorf("%s was committed in r%d and in r%d", name, names[name], e.Rev)
		}
		names[name] = e.Rev
		requireShared(t, name, string(tree[svn.Path("shared/"+name)].Content))
	}
	for name, rev := range p.made {
		if names[name] == 0 || rev != 0 && names[name] != rev {
			t.Errorf("%s was promised in r%d and is in r%d", name, rev, names[name])
		}
	}
	if len(p.made) == 0 || len(tree) != 2+len(names) {
		t.Errorf("%d promises, %d commits, %d files", len(p.made), len(names), len(tree)-2)
	}
	t.Logf("%d commits, %d of them promised, r0 to r%d packed", len(names), len(p.made), info.Packed-1)
}
