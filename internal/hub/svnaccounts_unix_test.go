//go:build unix

package hub

import (
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/svntest"
)

// nobody runs Apache when the tests run as root, as which it refuses to.
const nobody = 65534

// svnServers are a svnserve and an Apache on the same repositories, with the authz file that havre has written.
type svnServers struct {
	t     *testing.T
	dir   string
	ports [2]int
}

// url returns the address of a path in the repository, for people with their password.
func (s *svnServers) url(server int, path svn.Path) string {
	if server == 0 {
		return fmt.Sprintf("svn://127.0.0.1:%d/docs/%s", s.ports[0], path)
	}
	return fmt.Sprintf("http://127.0.0.1:%d/svn/docs/%s", s.ports[1], path)
}

func newSvnServers(t *testing.T, people []string) *svnServers {
	t.Helper()
	// Not t.TempDir, into which nobody else can look.
	dir, err := os.MkdirTemp("", "servers-")
	if err != nil {
		t.Fatal(err)
	}
	s := &svnServers{t: t, dir: dir}
	t.Cleanup(func() { os.RemoveAll(dir) })
	repo := filepath.Join(dir, "repos", "docs")
	run(t, "svnadmin", "create", "--compatible-version", "1.14", s.mkdir("repos")+"/docs")
	run(t, "svn", "mkdir", "-q", "--parents", "-m", "layout", "file://"+repo+"/open/part", "file://"+repo+"/secret/hole", "file://"+repo+"/new")
	var passwd, htpasswd strings.Builder
	passwd.WriteString("[users]\n")
	for _, name := range people {
		fmt.Fprintf(&passwd, "%s = pw\n", name)
		// The digest of "pw", as htpasswd -s writes it.
		sum := sha1.Sum([]byte("pw"))
		fmt.Fprintf(&htpasswd, "%s:{SHA}%s\n", name, base64.StdEncoding.EncodeToString(sum[:]))
	}
	s.file("passwd", passwd.String())
	s.file("htpasswd", htpasswd.String())
	s.file("authz", "")
	s.file("svnserve.conf", "[general]\nanon-access = none\nauth-access = write\npassword-db = passwd\nauthz-db = authz\n")
	for i := range s.ports {
		s.ports[i] = svntest.FreePort(t)
	}
	s.start("svnserve", "-d", "-T", "--foreground", "--listen-host", "127.0.0.1", "--listen-port", fmt.Sprint(s.ports[0]),
		"--config-file", filepath.Join(dir, "svnserve.conf"), "-r", filepath.Join(dir, "repos"))
	s.apache()
	return s
}

func (s *svnServers) mkdir(name string) string {
	s.t.Helper()
	dir := filepath.Join(s.dir, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		s.t.Fatal(err)
	}
	return dir
}

func (s *svnServers) file(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.own()
}

// own gives everything to the user that the servers run as.
func (s *svnServers) own() {
	s.t.Helper()
	if os.Getuid() != 0 {
		return
	}
	err := filepath.WalkDir(s.dir, func(path string, _ fs.DirEntry, err error) error {
		if err == nil {
			err = os.Lchown(path, nobody, nobody)
		}
		if os.IsNotExist(err) {
			return nil // the servers' own files come and go
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *svnServers) apache() {
	s.t.Helper()
	var conf strings.Builder
	fmt.Fprintf(&conf, "ServerRoot %s\nServerName localhost\nPidFile httpd.pid\nErrorLog error.log\nMutex file:. default\nListen 127.0.0.1:%d\n", s.dir, s.ports[1])
	for _, m := range []string{"mpm_event", "authn_core", "authn_file", "authz_core", "authz_user", "auth_basic", "dav", "dav_svn", "authz_svn"} {
		fmt.Fprintf(&conf, "LoadModule %s_module /usr/lib/apache2/modules/mod_%[1]s.so\n", m)
	}
	fmt.Fprintf(&conf, "SVNUseUTF8 On\n<Location /svn>\nDAV svn\nSVNParentPath %s/repos\nAuthType Basic\nAuthName test\nAuthUserFile htpasswd\nAuthzSVNAccessFile authz\nRequire valid-user\n</Location>\n", s.dir)
	s.file("httpd.conf", conf.String())
	program, err := exec.LookPath("apache2")
	if err != nil {
		program = "httpd"
	}
	s.start(program, "-f", filepath.Join(s.dir, "httpd.conf"), "-DFOREGROUND")
}

// start starts a server and waits until it listens.
func (s *svnServers) start(program string, args ...string) {
	s.t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "HOME="+s.dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if os.Getuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	out := &strings.Builder{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // it is killed
		close(ended)
	}()
	s.t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // with all its processes
		<-ended
	})
	port := s.ports[0]
	if program != "svnserve" {
		port = s.ports[1]
	}
	svntest.AwaitListening(s.t, port, ended, out)
}

// reads says whether the server lets the person read the directory.
func (s *svnServers) reads(server int, user string, path svn.Path) bool {
	s.t.Helper()
	if server == 0 {
		return s.svn(user, "info", s.url(server, path))
	}
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.url(server, path), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	request.SetBasicAuth(user, "pw")
	answer, err := (&http.Client{}).Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK && answer.StatusCode != http.StatusForbidden {
		s.t.Fatalf("GET %s: %s", request.URL, answer.Status)
	}
	return answer.StatusCode == http.StatusOK
}

// svn says whether svn can do something as the person.
func (s *svnServers) svn(user string, args ...string) bool {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), "svn", append(args, "--non-interactive", "--no-auth-cache", "--username", user, "--password", "pw")...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "HOME="+s.dir)
	out, err := cmd.CombinedOutput()
	denied := false
	for _, sign := range []string{"Authorization failed", "Access denied", "E170001", "E220004", "Forbidden", "forbidden by the server", "E175013"} {
		denied = denied || strings.Contains(string(out), sign)
	}
	if err != nil && !denied {
		s.t.Fatalf("svn %v as %s: %v\n%s", args, user, err, out)
	}
	return err == nil
}

// TestSvnExportEnforced: svnserve and Apache refuse what havre refuses, and allow what it allows, on the same
// repository, and act on a new file without being started again.
func TestSvnExportEnforced(t *testing.T) {
	w := newWorld(t)
	people := []string{"ada", "ben", "cy"}
	for _, name := range people {
		ok(w.console().AddUser(t.Context(), store.NewUser{Name: name}))(t)
	}
	s := newSvnServers(t, people)
	a := w.console()
	f := ok(a.AdoptFolder(t.Context(), "Docs", filepath.Join(s.dir, "repos", "docs"), ""))(t)
	team := ok(a.AddGroup(t.Context(), "The Team"))(t)
	id := map[string]havre.UserID{}
	for _, name := range people {
		u := ok(a.User(t.Context(), name))(t)
		id[name] = u.ID
		if name != "cy" {
			if err := a.SetMember(t.Context(), team.ID, u.ID, true); err != nil {
				t.Fatal(err)
			}
		}
	}
	set := func(g store.Grant) {
		t.Helper()
		g.Folder = f.ID
		if err := a.SetGrant(t.Context(), g); err != nil {
			t.Fatal(err)
		}
	}
	set(store.Grant{Group: team.ID, Right: havre.RightWrite})
	set(store.Grant{Path: "secret", User: id["ben"], Right: havre.RightNone})
	set(store.Grant{Path: "secret/hole", User: id["ben"], Right: havre.RightRead})
	set(store.Grant{Path: "open", User: id["cy"], Right: havre.RightRead})
	set(store.Grant{Path: "open/part", Group: team.ID, Right: havre.RightRead})
	set(store.Grant{Path: "open/part", User: id["cy"], Right: havre.RightManage})
	n := 0
	check := func() {
		t.Helper()
		s.file("authz.new", ok(a.ExportAuthz(t.Context(), []SvnFolder{{*f, "docs"}}))(t))
		if err := os.Rename(filepath.Join(s.dir, "authz.new"), filepath.Join(s.dir, "authz")); err != nil {
			t.Fatal(err)
		}
		book := ok(a.Book(t.Context()))(t)
		for server, called := range []string{"svnserve", "Apache"} {
			for _, name := range people {
				r := book.reachOf(Holder{User: id[name]}, f.ID)
				for _, path := range []svn.Path{"", "open", "open/part", "secret", "secret/hole", "new"} {
					if got := s.reads(server, name, path); got != r.reads(path) {
						t.Errorf("%s: %s reads /%s: %v, here %v", called, name, path, got, r.reads(path))
					}
				}
				n++
				for _, path := range []svn.Path{"open/part", "secret"} {
					writes := s.svn(name, "mkdir", "-q", "-m", "by "+name, s.url(server, path.Join(fmt.Sprint("by-", n))))
					if want := r.right(path) >= havre.RightWrite; writes != want {
						t.Errorf("%s: %s writes in /%s: %v, here %v", called, name, path, writes, want)
					}
				}
			}
		}
	}
	check()
	set(store.Grant{Path: "secret", Group: team.ID, Right: havre.RightNone})
	set(store.Grant{Path: "secret", User: id["ben"], Right: havre.RightWrite})
	if err := a.SetUserDisabled(t.Context(), "cy", true); err != nil {
		t.Fatal(err)
	}
	people = people[:2]
	check()
	if s.reads(0, "cy", "open") || s.reads(1, "cy", "open") {
		t.Error("who has a closed account reads")
	}
}
