//go:build unix

package radav_test

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/radav"
	"github.com/havre-cloud/havre/svn/svntest"
)

// TestContract has Apache behind the contract, with names and passwords. The hook lets authors be set, as it demands.
func TestContract(t *testing.T) {
	a := startApache(t, "AuthType Basic\nAuthName test\nAuthUserFile users\nRequire valid-user\n", "")
	a.people("users", "tester", "gehëim:x")
	var dirs []string
	svntest.TestRepository(t, func(sub *testing.T) svn.Repository {
		name := fmt.Sprintf("r%d", len(dirs))
		dir := a.create(name)
		dirs = append(dirs, dir)
		hook(sub, dir, "pre-revprop-change", `[ "$4" = svn:author ]`)
		return open(sub, a.url(name), radav.Options{User: "tester", Password: "gehëim:x"})
	})
	for _, dir := range dirs {
		judge(t, dir)
	}
}

func put(path svn.Path, content string, base svn.Revnum) svn.Change {
	return svn.Change{Op: svn.OpPut, Path: path, Base: base, Content: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(content)), nil
	}}
}

// requireRefused fails the test unless err is a refusal of that kind whose text has the words.
func requireRefused(t *testing.T, what string, err error, kind svn.Refusal, words string) {
	t.Helper()
	e, ok := errors.AsType[*svn.RefusedError](err)
	if !ok || e.Refusal != kind || !strings.Contains(e.Error(), words) {
		t.Errorf("%s: got %v (%T), want a refusal of kind %d with %q", what, err, err, kind, words)
	}
}

// TestPeople has a server with Digest, rights on paths, and readers without a name.
func TestPeople(t *testing.T) {
	a := startApache(t, "AuthType Digest\nAuthName test\nAuthUserFile digests\nAuthzSVNAccessFile authz\nSatisfy Any\nRequire valid-user\n", "")
	digest := func(name, password string) string {
		return fmt.Sprintf("%s:test:%x\n", name, md5.Sum([]byte(name+":test:"+password)))
	}
	a.file("digests", digest("alice", "1")+digest("bob", "2"))
	a.file("authz", "[/]\n* = r\nalice = rw\n[/trunk/secret]\n* =\nalice = rw\n")
	dir := a.create("repo")
	ctx := t.Context()
	alice := open(t, a.url("repo"), radav.Options{User: "alice", Password: "1"})
	rev, err := alice.Commit(ctx, &svn.Commit{
		RevProps: svn.Props{svn.PropLog: "from alice", svn.PropAuthor: "zoé", "havre:commit": "1"},
		Changes: []svn.Change{
			{Op: svn.OpMkdir, Path: "trunk", Base: svn.InvalidRevnum},
			{Op: svn.OpMkdir, Path: "trunk/secret", Base: svn.InvalidRevnum},
			put("trunk/secret/b", "2", svn.InvalidRevnum),
			put("trunk/a & <b>#?%;ü.txt", "1", svn.InvalidRevnum),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	props, err := alice.RevProps(ctx, rev)
	if err != nil {
		t.Fatal(err)
	}
	// No hook lets authors be set, so the message tells.
	if got, want := props[svn.PropLog], "from alice\n\nAuthor: zoé"; props[svn.PropAuthor] != "alice" || got != want {
		t.Errorf("author %q, message %q, want alice and %q", props[svn.PropAuthor], got, want)
	}
	for name, o := range map[string]radav.Options{"bob": {User: "bob", Password: "2"}, "nobody": {}} {
		r := open(t, a.url("repo"), o)
		var seen []svn.Path
		for n, err := range r.Walk(ctx, "", rev, "") {
			if err != nil {
				t.Fatal(err)
			}
			seen = append(seen, n.Path)
		}
		if got := fmt.Sprint(seen); got != "[ trunk trunk/a & <b>#?%;ü.txt]" {
			t.Errorf("%s sees %s", name, got)
		}
		kind := svn.RefusedAccess
		if name == "nobody" {
			kind = svn.RefusedSignIn
		}
		_, err := r.Stat(ctx, "trunk/secret/b", rev)
		requireRefused(t, name+" looks", err, kind, "")
		err = r.Try(ctx, &svn.Commit{Changes: []svn.Change{put("c", "3", svn.InvalidRevnum)}})
		requireRefused(t, name+" tries to write", err, kind, "")
		_, err = r.Commit(ctx, &svn.Commit{Changes: []svn.Change{put("c", "3", svn.InvalidRevnum)}})
		requireRefused(t, name+" writes", err, kind, "")
	}
	for _, tt := range []struct {
		what, url string
		o         radav.Options
		kind      svn.Refusal
		words     string
	}{
		{"wrong password", a.url("repo"), radav.Options{User: "alice", Password: "2"}, svn.RefusedSignIn, "does not accept this name"},
		{"no repository", a.url("nothing"), radav.Options{User: "alice", Password: "1"}, svn.RefusedPlace, "there is no Subversion repository at"},
		{"no Subversion", fmt.Sprintf("http://127.0.0.1:%d/", a.port), radav.Options{}, svn.RefusedPlace, "there is no Subversion repository at"},
	} {
		_, err := radav.Open(ctx, tt.url, tt.o)
		requireRefused(t, tt.what, err, tt.kind, tt.words)
	}
	if err := alice.Try(ctx, &svn.Commit{Changes: []svn.Change{put("new", "1", svn.InvalidRevnum)}}); err != nil {
		t.Errorf("alice tries to write: %v", err)
	}
	if now, err := alice.Youngest(ctx); err != nil || now != rev {
		t.Errorf("after trying there is r%d, %v", now, err)
	}
	below := open(t, a.url("repo/trunk"), radav.Options{User: "bob", Password: "2"})
	if below.Base() != "trunk" {
		t.Errorf("the address is at %q in the repository", below.Base())
	}
	judge(t, dir)
}

// TestHooksLocksRestart has a server that refuses, and that goes away and comes back. Anybody may write: the author is kept.
func TestHooksLocksRestart(t *testing.T) {
	a := startApache(t, "", "")
	dir := a.create("repo")
	ctx := t.Context()
	r := open(t, a.url("repo"), radav.Options{})
	rev, err := r.Commit(ctx, &svn.Commit{
		RevProps: svn.Props{svn.PropAuthor: "zoé", svn.PropLog: "1"},
		Changes: []svn.Change{
			{Op: svn.OpMkdir, Path: "d", Base: svn.InvalidRevnum},
			put("d/locked", "1", svn.InvalidRevnum), put("free", "1", svn.InvalidRevnum),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if props, err := r.RevProps(ctx, rev); err != nil || props[svn.PropAuthor] != "zoé" {
		t.Errorf("properties %q, %v", props, err)
	}
	svntest.Run(t, "svn", "lock", "--username", "lea", svntest.URL(dir, "d/locked"))
	a.own()
	for what, change := range map[string]svn.Change{
		"write":  put("d/locked", "x", rev),
		"delete": {Op: svn.OpDelete, Path: "d/locked", Base: rev},
		"above":  {Op: svn.OpDelete, Path: "d", Base: rev},
	} {
		_, err := r.Commit(ctx, &svn.Commit{Changes: []svn.Change{put("free", "y", rev), change}})
		locked, ok := errors.AsType[*svn.LockedError](err)
		if !ok || locked.Path != "d/locked" || locked.Owner != "lea" {
			t.Errorf("%s: got %v (%T)", what, err, err)
		}
	}
	svntest.Run(t, "svn", "unlock", "--username", "lea", svntest.URL(dir, "d/locked"))
	a.own()
	if _, err := r.Commit(ctx, &svn.Commit{Changes: []svn.Change{put("d/locked", "x", rev)}}); err != nil {
		t.Errorf("after svn unlock: %v", err)
	}
	hook(t, dir, "pre-commit", "echo 'Nicht ohne Ticket: ü' >&2; exit 1")
	_, err = r.Commit(ctx, &svn.Commit{Changes: []svn.Change{put("free", "y", rev)}})
	requireRefused(t, "pre-commit", err, svn.RefusedByHook, "Nicht ohne Ticket: ü")
	hook(t, dir, "start-commit", "echo 'Closed for today' >&2; exit 1")
	_, err = r.Commit(ctx, &svn.Commit{Changes: []svn.Change{put("free", "y", rev)}})
	requireRefused(t, "start-commit", err, svn.RefusedByHook, "Closed for today")
	for _, name := range []string{"pre-commit", "start-commit"} {
		if err := os.Remove(filepath.Join(dir, "hooks", name)); err != nil {
			t.Fatal(err)
		}
	}
	judge(t, dir)

	a.stop()
	_, err = r.Commit(ctx, &svn.Commit{Changes: []svn.Change{put("free", "2", rev)}})
	if e, ok := errors.AsType[*svn.UnreachableError](err); !ok || e.Sent {
		t.Errorf("committing to a server that is gone: got %v (%T)", err, err)
	}
	a.start()
	if rev, err = r.Commit(ctx, &svn.Commit{Changes: []svn.Change{put("free", "2", rev)}}); err != nil {
		t.Fatal(err)
	}
	waited := make(chan error, 1)
	go func() {
		_, err := r.Wait(ctx, rev)
		waited <- err
	}()
	other := open(t, a.url("repo"), radav.Options{})
	if _, err := other.Commit(ctx, &svn.Commit{Changes: []svn.Change{put("free", "3", rev)}}); err != nil {
		t.Fatal(err)
	}
	if err := <-waited; err != nil {
		t.Error(err)
	}
	large := strings.Repeat("a large file, which is sent only after the server agrees. ", 1<<17)
	sum := sha1.Sum([]byte(large))
	c := put("large", large, svn.InvalidRevnum)
	c.SHA1, c.Size = sum[:], int64(len(large))
	if rev, err = r.Commit(ctx, &svn.Commit{Changes: []svn.Change{c}}); err != nil {
		t.Fatal(err)
	}
	if got := svntest.ReadFile(t, r, "large", rev); string(got) != large {
		t.Errorf("the large file has %d bytes, or others, want %d", len(got), len(large))
	}
}

// TestTLS has a server with a certificate of its own, of which the error tells the fingerprint.
func TestTLS(t *testing.T) {
	a := startApache(t, "", "SSLEngine on\nSSLCertificateFile cert.pem\nSSLCertificateKeyFile key.pem\n", "ssl")
	a.scheme = "https"
	a.create("repo")
	_, err := radav.Open(t.Context(), a.url("repo"), radav.Options{})
	bad, ok := errors.AsType[*radav.CertificateError](err)
	if !ok {
		t.Fatalf("a certificate that nobody knows: got %v (%T)", err, err)
	}
	config := &tls.Config{InsecureSkipVerify: true, VerifyConnection: func(s tls.ConnectionState) error {
		if !s.PeerCertificates[0].Equal(bad.Certificate) {
			return errors.New("another certificate")
		}
		return nil
	}}
	r := open(t, a.url("repo"), radav.Options{TLS: config})
	if rev, err := r.Commit(t.Context(), &svn.Commit{Changes: []svn.Change{put("a", "1", svn.InvalidRevnum)}}); err != nil || rev != 1 {
		t.Errorf("got r%d, %v", rev, err)
	}
}

// TestClientCertificate has a server that wants certificates of its clients.
func TestClientCertificate(t *testing.T) {
	a := startApache(t, "SSLUserName SSL_CLIENT_S_DN_CN\n",
		"SSLEngine on\nSSLCertificateFile cert.pem\nSSLCertificateKeyFile key.pem\n", "ssl")
	a.scheme = "https"
	good, goodKey := selfSigned(t, &x509.Certificate{Subject: pkix.Name{CommonName: "léa"}, NotAfter: time.Now().Add(time.Hour)})
	old, oldKey := selfSigned(t, &x509.Certificate{Subject: pkix.Name{CommonName: "old"}, NotAfter: time.Now().Add(-time.Hour)})
	other, otherKey := selfSigned(t, &x509.Certificate{Subject: pkix.Name{CommonName: "other"}, NotAfter: time.Now().Add(time.Hour)})
	a.stop()
	a.file("clients.pem", good+old)
	conf, err := os.ReadFile(filepath.Join(a.dir, "httpd.conf"))
	if err != nil {
		t.Fatal(err)
	}
	a.file("httpd.conf", string(conf)+"SSLCACertificateFile clients.pem\nSSLVerifyClient require\n")
	a.start()
	dir := a.create("repo")
	config := func(cert, key string) *tls.Config {
		c := &tls.Config{InsecureSkipVerify: true}
		if cert != "" {
			pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
			if err != nil {
				t.Fatal(err)
			}
			c.Certificates = []tls.Certificate{pair}
		}
		return c
	}
	for _, tt := range []struct{ what, cert, key, words string }{
		{"no certificate", "", "", "wants a certificate"},
		{"an expired certificate", old, oldKey, "our certificate"},
		{"a certificate of others", other, otherKey, "our certificate"},
	} {
		_, err := radav.Open(t.Context(), a.url("repo"), radav.Options{TLS: config(tt.cert, tt.key)})
		requireRefused(t, tt.what, err, svn.RefusedSignIn, tt.words)
	}
	r := open(t, a.url("repo"), radav.Options{TLS: config(good, goodKey)})
	if rev, err := r.Commit(t.Context(), &svn.Commit{Changes: []svn.Change{put("a", "1", svn.InvalidRevnum)}}); err != nil || rev != 1 {
		t.Errorf("got r%d, %v", rev, err)
	}
	if author := strings.TrimSpace(svntest.Run(t, "svnlook", "author", dir)); author != "léa" {
		t.Errorf("the author is %q", author)
	}
	judge(t, dir)
}

// TestHistory makes random histories through Apache, and reads such that svnadmin has made.
func TestHistory(t *testing.T) {
	a := startApache(t, "", "")
	for name, h := range map[string]*svntest.History{"plain": svntest.RandomHistory(t, 51, 12), "rewrites": svntest.RandomRewrites(t, 52, 10)} {
		t.Run(name, func(t *testing.T) {
			dir, loaded := a.create(name), a.create(name+"-loaded")
			svntest.RunIn(t, bytes.NewReader(h.Dump(t)), "svnadmin", "load", "-q", "--no-flush-to-disk", loaded)
			a.own()
			h.Apply(t, open(t, a.url(name), radav.Options{}))
			svntest.SameHistory(t, dir, loaded)
			h.Check(t, open(t, a.url(name+"-loaded"), radav.Options{}))
			judge(t, dir)
		})
	}
}
