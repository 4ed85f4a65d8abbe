package hub

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/svntest"
)

// subversionServer is a svnserve with one repository that has two people.
type subversionServer struct {
	*svntest.Server
	repo, url string
}

func newSubversionServer(t *testing.T) *subversionServer {
	t.Helper()
	root := t.TempDir()
	s := &subversionServer{repo: filepath.Join(root, "plans")}
	run(t, "svnadmin", "create", s.repo)
	for name, text := range map[string]string{
		"svnserve.conf": "[general]\nanon-access = none\nauth-access = write\npassword-db = passwd\nauthz-db = authz\n",
		"passwd":        "[users]\nhavre = very secret\nreader = 2\n",
		"authz":         "[/]\nhavre = rw\nreader = r\n",
	} {
		if err := os.WriteFile(filepath.Join(s.repo, "conf", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run(t, "svn", "mkdir", "-q", "-m", "layout", "file://"+s.repo+"/trunk")
	s.Server = svntest.Serve(t, s.repo)
	s.url = s.URL("plans")
	return s
}

// TestRemoteFolder has a folder in a directory of a repository on another server, which goes away and comes back.
func TestRemoteFolder(t *testing.T) {
	s := newSubversionServer(t)
	w := newWorld(t)
	ada := w.join("ada", "laptop", havre.RightNone)
	a := w.console()
	f := ok(a.AddRemoteFolder(t.Context(), "Plans", s.url+"/trunk", RemoteLogin{User: "havre", Password: "very secret"}))(t)
	if f.Prefix != "trunk" || f.RemoteURL() != s.url {
		t.Errorf("the folder is /%s of %s", f.Prefix, f.RemoteURL())
	}
	if err := a.Grant(t.Context(), "Plans", "ada", havre.RightWrite); err != nil {
		t.Fatal(err)
	}
	w.access.forget()
	scope := havre.Scope{Folder: f.ID}
	commit := func(id, path, text string, base svn.Revnum) (*havre.CommitResult, error) {
		return w.Commit(t.Context(), ada, scope, &havre.Commit{ID: id, Message: "by hand", Changes: []havre.Change{put(path, text, base)}})
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	seen := make(chan string, 16)
	ended := make(chan error, 1)
	follow := func(since svn.Revnum) {
		go func() {
			ended <- w.Follow(ctx, ada, scope, since, f.Repository, func(r *havre.Revision) error {
				for _, op := range r.Ops {
					seen <- fmt.Sprintf("%d %s=%s", r.Rev, op.Path, op.Content)
				}
				return nil
			})
		}()
	}
	follow(1)
	want := func(what string) {
		t.Helper()
		select {
		case got := <-seen:
			if got != what {
				t.Errorf("the follower was sent %q, want %q", got, what)
			}
		case err := <-ended:
			t.Fatalf("following ended: %v", err)
		}
	}
	if got := ok(commit("one", "a.txt", "1", svn.InvalidRevnum))(t); got.Rev != 2 || len(got.Refused) > 0 {
		t.Errorf("committed: %+v", got)
	}
	want("2 a.txt=") // its own
	if got := ok(commit("one", "a.txt", "1", svn.InvalidRevnum))(t); got.Rev != 2 {
		t.Errorf("a repeated commit made r%d", got.Rev)
	}
	if got := run(t, "svn", "log", "-q", "-r2", "file://"+s.repo); !strings.Contains(got, "r2 | havre |") {
		t.Errorf("svn log says %s", got)
	}
	if got := run(t, "svn", "log", "-r2", "file://"+s.repo); !strings.Contains(got, "by hand\n\n(ada, havre)") {
		t.Errorf("svn log says %s", got)
	}
	run(t, "svnmucc", "-m", "", "-U", "file://"+s.repo+"/trunk", "mkdir", "d", "cp", "2", "a.txt", "d/copy.txt")
	want("3 d=")
	want("3 d/copy.txt=1")
	got := ok(commit("two", "a.txt", "2", 1))(t)
	if len(got.Refused) != 1 || got.Refused[0].Reason != havre.RefusedOutOfDate {
		t.Errorf("a change that is out of date: %+v", got)
	}

	s.Stop()
	if err := <-ended; havre.CodeOf(err) != havre.CodeUnavailable || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("while the server is away following ends with %v", err)
	}
	_, err := commit("three", "b.txt", "3", svn.InvalidRevnum)
	wantCode(t, err, havre.CodeUnavailable)
	if left := ok(w.Folders(t.Context(), ada))(t); len(left) != 0 {
		t.Errorf("folders: %+v", left)
	}
	s.Start()
	for {
		got, err := commit("three", "b.txt", "3", svn.InvalidRevnum)
		if err == nil {
			if got.Rev != 4 {
				t.Errorf("afterwards r%d is made", got.Rev)
			}
			break
		}
		wantCode(t, err, havre.CodeUnavailable)
	}
	follow(3)
	want("4 b.txt=")
	run(t, "svnadmin", "verify", "-q", s.repo)

	// The password is nowhere to be read.
	db := ok(os.ReadFile(filepath.Join(w.dir, "havre.db")))(t)
	wal, _ := os.ReadFile(filepath.Join(w.dir, "havre.db-wal"))
	if strings.Contains(string(db)+string(wal), "very secret") {
		t.Error("the password is in the database")
	}
	wantCode(t, a.SetRemoteLogin(t.Context(), "Plans", RemoteLogin{User: "havre", Password: "wrong"}), havre.CodeInvalid)
	if err := a.SetRemoteLogin(t.Context(), "Plans", RemoteLogin{User: "havre", Password: "very secret"}); err != nil {
		t.Error(err)
	}
}

func TestRemoteFolderRefused(t *testing.T) {
	s := newSubversionServer(t)
	w := newWorld(t)
	a := w.console()
	good := RemoteLogin{User: "havre", Password: "very secret"}
	for _, tt := range []struct {
		name, url string
		login     RemoteLogin
		code      havre.Code
		words     string
	}{
		{"wrong password", s.url, RemoteLogin{User: "havre", Password: "x"}, havre.CodeInvalid, "does not let us in"},
		{"no name", s.url, RemoteLogin{}, havre.CodeInvalid, "does not let us in"},
		{"may not write", s.url, RemoteLogin{User: "reader", Password: "2"}, havre.CodeInvalid, "and not write"},
		{"no repository", s.url + "x", good, havre.CodeInvalid, "there is no Subversion repository"},
		{"no directory", s.url + "/branches", good, havre.CodeInvalid, "there is no directory"},
		{"nobody there", "svn://127.0.0.1:1/plans", good, havre.CodeUnavailable, "does not answer"},
		{"no such scheme", "ftp://127.0.0.1/plans", good, havre.CodeInvalid, "begins with svn://"},
		{"nothing", "", good, havre.CodeInvalid, ""},
	} {
		_, err := a.AddRemoteFolder(t.Context(), "X "+tt.name, tt.url, tt.login)
		wantCode(t, err, tt.code)
		if err != nil && !strings.Contains(err.Error(), tt.words) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	ok(a.AddRemoteFolder(t.Context(), "Plans", s.url, good))(t)
	_, err := a.AddRemoteFolder(t.Context(), "Again", s.url+"/trunk", good)
	wantCode(t, err, havre.CodeExists)
	if head := strings.TrimSpace(run(t, "svnlook", "youngest", s.repo)); head != "1" {
		t.Errorf("trying made r%s", head)
	}
	if left := run(t, "svnadmin", "lstxns", s.repo); left != "" {
		t.Errorf("trying left transactions behind: %s", left)
	}
	if _, err := w.repos.get(store.Remote + "svn://127.0.0.1/nobody knows it"); err == nil {
		t.Error("a repository that no folder is in was opened")
	}
}

// counting passes on what is said to a server, and counts the questions for single paths and revisions.
func counting(t *testing.T, to int) (port int, questions *atomic.Int64) {
	t.Helper()
	l := ok(net.Listen("tcp", "127.0.0.1:0"))(t)
	questions = &atomic.Int64{}
	var all sync.WaitGroup
	serve := func(client net.Conn) {
		defer client.Close()
		server, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", to))
		if err != nil {
			return
		}
		defer server.Close()
		all.Go(func() { _, _ = io.Copy(client, server) })
		buf := make([]byte, 64<<10)
		for {
			n, err := client.Read(buf)
			for _, word := range []string{"( stat ", "( get-file ", "( get-dir ", "( rev-proplist ", "( log "} {
				questions.Add(int64(strings.Count(string(buf[:n]), word)))
			}
			if _, werr := server.Write(buf[:n]); err != nil || werr != nil {
				return
			}
		}
	}
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { serve(conn) })
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return l.Addr().(*net.TCPAddr).Port, questions
}

// TestFarBehind has a device that was away while many revisions were made: what they come to costs few questions.
func TestFarBehind(t *testing.T) {
	s := newSubversionServer(t)
	const revisions, files = 200, 5
	var dump strings.Builder
	dump.WriteString("SVN-fs-dump-format-version: 2\n\n")
	for i := range revisions {
		action := "change"
		if i < files {
			action = "add"
		}
		text := fmt.Sprintf("version %d\n", i)
		fmt.Fprintf(&dump, "Revision-number: %d\nProp-content-length: 10\nContent-length: 10\n\nPROPS-END\n\n"+
			"Node-path: trunk/f%d\nNode-kind: file\nNode-action: %s\nText-content-length: %d\nContent-length: %d\n\n%s\n\n", i+2, i%files, action, len(text), len(text), text)
	}
	load := exec.Command("svnadmin", "load", "-q", "--no-flush-to-disk", s.repo)
	load.Stdin = strings.NewReader(dump.String())
	if out, err := load.CombinedOutput(); err != nil {
		t.Fatalf("svnadmin load: %v: %s", err, out)
	}
	port, questions := counting(t, s.Port())
	w := newWorld(t)
	ada := w.join("ada", "laptop", havre.RightNone)
	a := w.console()
	f := ok(a.AddRemoteFolder(t.Context(), "Plans", fmt.Sprintf("svn://127.0.0.1:%d/plans/trunk", port), RemoteLogin{User: "havre", Password: "very secret"}))(t)
	if err := a.Grant(t.Context(), "Plans", "ada", havre.RightWrite); err != nil {
		t.Fatal(err)
	}
	w.access.forget()
	w.folder, w.scope = f, havre.Scope{Folder: f.ID}
	m := w.modelAt(t, ada, w.scope, 1)
	before := questions.Load()
	revs := w.revisions(ada, w.scope, 1)
	asked := questions.Load() - before
	for _, r := range revs {
		if err := m.apply(r); err != nil {
			t.Fatal(err)
		}
	}
	head := w.head(ada)
	if diff := cmp.Diff(w.listing(ada, w.scope, head), m.listing()); diff != "" || head != revisions+1 {
		t.Errorf("at r%d the tree differs (-listed +followed):\n%s", head, diff)
	}
	// The latest revisions are told one by one, with some questions each.
	if most := int64(5 * liveRevisions); asked > most || len(revs) > liveRevisions+5 {
		t.Errorf("%d revisions cost %d questions, want at most %d", len(revs), asked, most)
	}
	// A commit that stands on an old revision does not read all since one by one either.
	before = questions.Load()
	got := ok(w.Commit(t.Context(), ada, w.scope, &havre.Commit{ID: "old-base", Changes: []havre.Change{put("f0", "new", 3)}}))(t)
	if asked := questions.Load() - before; len(got.Refused) != 1 || asked > 20 {
		t.Errorf("a commit upon r3 cost %d questions, and came to %+v", asked, got)
	}
}

// TestHiddenOnServer: what the account may not read there is not in the folder, and what is copied out of it is.
func TestHiddenOnServer(t *testing.T) {
	s := newSubversionServer(t)
	if err := os.WriteFile(filepath.Join(s.repo, "conf", "authz"), []byte("[/]\nhavre = rw\n[/secret]\nhavre =\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	ada := w.join("ada", "laptop", havre.RightNone)
	a := w.console()
	f := ok(a.AddRemoteFolder(t.Context(), "Plans", s.url, RemoteLogin{User: "havre", Password: "very secret"}))(t)
	if err := a.Grant(t.Context(), "Plans", "ada", havre.RightWrite); err != nil {
		t.Fatal(err)
	}
	w.access.forget()
	w.folder, w.scope = f, havre.Scope{Folder: f.ID}
	m := w.modelAt(t, ada, w.scope, 1)
	root := "file://" + s.repo
	one := filepath.Join(t.TempDir(), "one")
	if err := os.WriteFile(one, []byte("1"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "svnmucc", "-m", "", "-U", root, "mkdir", "secret", "mkdir", "secret/d", "put", one, "secret/d/a", "mkdir", "secret/d/e", "put", one, "secret/d/e/b")
	run(t, "svnmucc", "-m", "", "-U", root, "cp", "HEAD", "secret/d", "public", "put", one, "public/e/new", "rm", "public/a")
	run(t, "svnmucc", "-m", "", "-U", root, "mkdir", "made", "mkdir", "made/here", "put", one, "made/here/x", "cp", "HEAD", "public/e", "made/copy")
	run(t, "svnmucc", "-m", "", "-U", root, "mv", "public", "secret/public")
	for _, r := range w.revisions(ada, w.scope, 1) {
		if err := m.apply(r); err != nil {
			t.Fatal(err)
		}
		if r.Rev == 3 {
			if diff := cmp.Diff(w.listing(ada, w.scope, 3), m.listing()); diff != "" || len(m.listing()) != 5 {
				t.Errorf("at r3 the tree differs (-listed +followed):\n%s\nand is %v", diff, m.listing())
			}
		}
	}
	if diff := cmp.Diff(w.listing(ada, w.scope, w.head(ada)), m.listing()); diff != "" || len(m.listing()) != 7 {
		t.Errorf("in the end the tree differs (-listed +followed):\n%s\nand is %v", diff, m.listing())
	}
}
