//go:build unix

package radav_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/havre-cloud/havre/svn/radav"
	"github.com/havre-cloud/havre/svn/svntest"
)

// apache is an Apache of the test's own, with repositories.
type apache struct {
	t      *testing.T
	dir    string
	port   int
	scheme string
	cmd    *exec.Cmd
}

// nobody runs Apache when the tests run as root, as which it refuses to.
const nobody = 65534

const apacheConf = `ServerRoot %[1]s
ServerName localhost
PidFile httpd.pid
ErrorLog error.log
Mutex file:. default
Listen 127.0.0.1:%[2]d
%[3]sSVNUseUTF8 On
%[5]s<Location /svn>
DAV svn
SVNParentPath %[1]s/repos
%[4]s</Location>
`

// modules is the directory with those of Apache.
func modules(t *testing.T) string {
	t.Helper()
	for _, dir := range []string{"/usr/lib/apache2/modules", "/usr/lib64/httpd/modules", "/usr/libexec/apache2"} {
		if _, err := os.Stat(filepath.Join(dir, "mod_dav_svn.so")); err == nil {
			return dir
		}
	}
	t.Fatal("Apache with mod_dav_svn is not installed: apt-get install apache2-bin libapache2-mod-svn apache2-utils")
	return ""
}

// startApache starts one. The location is configuration of /svn, the rest of the server.
func startApache(t *testing.T, location, rest string, more ...string) *apache {
	t.Helper()
	svntest.RequireSubversion(t)
	// Not t.TempDir, into which nobody else can look.
	dir, err := os.MkdirTemp("", "apache-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Mkdir(filepath.Join(dir, "repos"), 0o700); err != nil {
		t.Fatal(err)
	}
	a := &apache{t: t, dir: dir, port: svntest.FreePort(t), scheme: "http"}
	var load strings.Builder
	from := modules(t)
	for _, m := range append([]string{
		"mpm_event", "access_compat", "authn_core", "authn_file", "authz_core", "authz_user", "auth_basic", "auth_digest", "dav", "dav_svn", "authz_svn",
	}, more...) {
		fmt.Fprintf(&load, "LoadModule %s_module %s/mod_%s.so\n", m, from, m)
	}
	text := fmt.Sprintf(apacheConf, dir, a.port, load.String(), location, rest)
	a.file("httpd.conf", text)
	a.certificate()
	a.start()
	t.Cleanup(func() {
		a.stop()
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "error.log"))
			t.Logf("Apache's log:\n%s", log)
		}
	})
	return a
}

// file writes a file beside the configuration.
func (a *apache) file(name, text string) {
	a.t.Helper()
	if err := os.WriteFile(filepath.Join(a.dir, name), []byte(text), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// certificate makes a certificate of the server's own.
func (a *apache) certificate() {
	a.t.Helper()
	cert, key := selfSigned(a.t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(time.Hour),
	})
	a.file("cert.pem", cert)
	a.file("key.pem", key)
}

// selfSigned makes a certificate that vouches for itself, as PEM, and its key.
func selfSigned(t *testing.T, template *x509.Certificate) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber, template.NotBefore = big.NewInt(1), time.Now().Add(-2*time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
}

// own gives everything to the user that Apache runs as.
func (a *apache) own() {
	a.t.Helper()
	if os.Getuid() != 0 {
		return
	}
	err := filepath.WalkDir(a.dir, func(path string, _ fs.DirEntry, err error) error {
		if err == nil {
			err = os.Lchown(path, nobody, nobody)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // Apache's own files come and go
		}
		return err
	})
	if err != nil {
		a.t.Fatal(err)
	}
}

func (a *apache) start() {
	a.t.Helper()
	a.own()
	program, err := exec.LookPath("apache2")
	if err != nil {
		program = "httpd"
	}
	a.cmd = exec.Command(program, "-f", filepath.Join(a.dir, "httpd.conf"), "-DFOREGROUND")
	a.cmd.Env = svntest.Env(a.t)
	a.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if os.Getuid() == 0 {
		a.cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	out := &strings.Builder{}
	a.cmd.Stdout, a.cmd.Stderr = out, out
	if err := a.cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func(cmd *exec.Cmd) { // by then there may be another
		_ = cmd.Wait() // it is killed
		close(ended)
	}(a.cmd)
	svntest.AwaitListening(a.t, a.port, ended, out)
}

// stop ends Apache with all its processes, at once.
func (a *apache) stop() {
	_ = syscall.Kill(-a.cmd.Process.Pid, syscall.SIGKILL) // it may have been stopped by the test
	for {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", a.port))
		if err != nil {
			break
		}
		conn.Close()
		time.Sleep(10 * time.Millisecond)
	}
	_ = os.Remove(filepath.Join(a.dir, "httpd.pid"))
}

// create makes a repository.
func (a *apache) create(name string) (dir string) {
	a.t.Helper()
	dir = filepath.Join(a.dir, "repos", name)
	svntest.Run(a.t, "svnadmin", "create", dir)
	a.own()
	return dir
}

// people writes a file with names and passwords.
func (a *apache) people(file string, namesAndPasswords ...string) {
	a.t.Helper()
	a.file(file, "")
	for i := 0; i < len(namesAndPasswords); i += 2 {
		r := svntest.TryRun(a.t, nil, "htpasswd", "-bm", filepath.Join(a.dir, file), namesAndPasswords[i], namesAndPasswords[i+1])
		if r.Err != nil {
			a.t.Fatalf("htpasswd: %v: %s", r.Err, r.Stderr)
		}
	}
	a.own()
}

func (a *apache) url(path string) string {
	return fmt.Sprintf("%s://127.0.0.1:%d/svn/%s", a.scheme, a.port, path)
}

func open(t *testing.T, url string, o radav.Options) *radav.Repository {
	t.Helper()
	o.Poll = 20 * time.Millisecond
	r, err := radav.Open(t.Context(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// hook installs a hook in a repository, as a shell script.
func hook(t *testing.T, dir, name, script string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "hooks", name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

// judge has Subversion look at what was committed, and for what was left behind.
func judge(t *testing.T, dir string) {
	t.Helper()
	svntest.JudgeQuick(t, dir)
	if left := svntest.Run(t, "svnadmin", "lstxns", dir); left != "" {
		t.Errorf("%s: transactions were left behind:\n%s", dir, left)
	}
}
