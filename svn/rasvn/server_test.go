package rasvn_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/rasvn"
	"github.com/havre-cloud/havre/svn/svntest"
)

// configure writes the configuration of a repository's svnserve.
func configure(t *testing.T, dir, general string, files map[string]string) {
	t.Helper()
	conf := filepath.Join(dir, "conf")
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(conf, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(conf, "svnserve.conf"), []byte("[general]\n"+general), 0o600); err != nil {
		t.Fatal(err)
	}
}

// withPeople is a repository with two people, of whom one may write and not read everything.
func withPeople(t *testing.T) string {
	t.Helper()
	dir := svntest.Create(t)
	svntest.Run(t, "svnmucc", "-m", "first", "-U", svntest.URL(dir, ""), "mkdir", "trunk", "mkdir", "trunk/secret", "mkdir", "docs")
	configure(t, dir, "anon-access = none\nauth-access = write\npassword-db = passwd\nauthz-db = authz\n", map[string]string{
		"passwd": "[users]\nalice = motë de passe\nbob = 2\n",
		"authz":  "[/]\nalice = rw\nbob = r\n[/trunk/secret]\nbob =\n",
	})
	return dir
}

func open(t *testing.T, url string, o rasvn.Options) *rasvn.Repository {
	t.Helper()
	o.Poll = 20 * time.Millisecond
	r, err := rasvn.Open(t.Context(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
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

func TestPeople(t *testing.T) {
	dir := withPeople(t)
	s := svntest.Serve(t, dir)
	alice := open(t, s.URL("repository"), rasvn.Options{User: "alice", Password: "motë de passe"})
	ctx := t.Context()
	rev, err := alice.Commit(ctx, &svn.Commit{
		RevProps: svn.Props{svn.PropLog: "from alice", svn.PropAuthor: "zoé", "havre:commit": "1"},
		Changes:  []svn.Change{put("trunk/a", "1", svn.InvalidRevnum), put("trunk/secret/b", "2", svn.InvalidRevnum)},
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

	bob := open(t, s.URL("repository"), rasvn.Options{User: "bob", Password: "2"})
	_, err = bob.Commit(ctx, &svn.Commit{Changes: []svn.Change{put("docs/c", "3", svn.InvalidRevnum)}})
	requireRefused(t, "bob writes", err, svn.RefusedAccess, "Authorization failed")
	_, err = bob.Stat(ctx, "trunk/secret/b", rev)
	requireRefused(t, "bob looks", err, svn.RefusedAccess, "")
	var seen []svn.Path
	for n, err := range bob.Walk(ctx, "", rev, "") {
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, n.Path)
	}
	if got := fmt.Sprint(seen); got != "[ docs trunk trunk/a]" {
		t.Errorf("bob sees %s", got)
	}

	for _, tt := range []struct {
		what, url string
		o         rasvn.Options
		kind      svn.Refusal
		words     string
	}{
		{"wrong password", "repository", rasvn.Options{User: "alice", Password: "1"}, svn.RefusedSignIn, "Password incorrect"},
		{"nobody of that name", "repository", rasvn.Options{User: "carol", Password: "1"}, svn.RefusedSignIn, "Username not found"},
		{"no name", "repository", rasvn.Options{}, svn.RefusedSignIn, "a name and a password are needed"},
		{"no repository", "nothing", rasvn.Options{}, svn.RefusedPlace, "there is no repository at"},
	} {
		_, err := rasvn.Open(ctx, s.URL(tt.url), tt.o)
		requireRefused(t, tt.what, err, tt.kind, tt.words)
	}
	if _, err := rasvn.Open(ctx, s.URL("repository/trunk/nothing"), rasvn.Options{User: "alice", Password: "motë de passe"}); err == nil {
		t.Error("a path that is not there could be opened")
	}
	if err := alice.Try(ctx, &svn.Commit{Changes: []svn.Change{put("docs/new", "1", svn.InvalidRevnum)}}); err != nil {
		t.Errorf("alice tries to write: %v", err)
	}
	err = bob.Try(ctx, &svn.Commit{Changes: []svn.Change{put("docs/new", "1", svn.InvalidRevnum)}})
	requireRefused(t, "bob tries to write", err, svn.RefusedAccess, "")
	if now, err := alice.Youngest(ctx); err != nil || now != rev {
		t.Errorf("after trying there is r%d, %v", now, err)
	}
	below := open(t, s.URL("repository/trunk"), rasvn.Options{User: "bob", Password: "2"})
	if below.Base() != "trunk" {
		t.Errorf("the address is at %q in the repository", below.Base())
	}
	if n, err := below.Stat(ctx, "docs", rev); err != nil || n.Kind != svn.KindDir {
		t.Errorf("what lies beside the address: %+v, %v", n, err)
	}
	judge(t, dir)
}

func TestHooksAndLocks(t *testing.T) {
	dir := svntest.Create(t)
	svntest.Run(t, "svnmucc", "-m", "", "-U", svntest.URL(dir, ""), "mkdir", "d", "put", "/dev/null", "d/locked", "put", "/dev/null", "free")
	svntest.Run(t, "svn", "lock", "--username", "léa", svntest.URL(dir, "d/locked"))
	r := pipes(t, dir, rasvn.Options{})
	ctx := t.Context()
	for what, change := range map[string]svn.Change{
		"write":  put("d/locked", "x", 1),
		"delete": {Op: svn.OpDelete, Path: "d/locked", Base: 1},
		"above":  {Op: svn.OpDelete, Path: "d", Base: 1},
	} {
		_, err := r.Commit(ctx, &svn.Commit{Changes: []svn.Change{put("free", "y", 1), change}})
		locked, ok := errors.AsType[*svn.LockedError](err)
		if !ok || locked.Path != "d/locked" || locked.Owner != "léa" {
			t.Errorf("%s: got %v", what, err)
		}
	}
	svntest.Run(t, "svn", "unlock", "--username", "léa", svntest.URL(dir, "d/locked"))
	if _, err := r.Commit(ctx, &svn.Commit{Changes: []svn.Change{put("d/locked", "x", 1)}}); err != nil {
		t.Errorf("after svn unlock: %v", err)
	}
	hook(t, dir, "pre-commit", "echo 'Nicht ohne Ticket: ü' >&2; exit 1")
	_, err := r.Commit(ctx, &svn.Commit{Changes: []svn.Change{put("free", "y", 1)}})
	requireRefused(t, "pre-commit", err, svn.RefusedByHook, "Nicht ohne Ticket")
	hook(t, dir, "start-commit", "echo 'Closed for today' >&2; exit 1")
	_, err = r.Commit(ctx, &svn.Commit{Changes: []svn.Change{put("free", string(bytes.Repeat([]byte("much to send"), 1<<18)), 1)}})
	requireRefused(t, "start-commit", err, svn.RefusedByHook, "Closed for today")
	judge(t, dir)
}

// TestRestart has the server go away and come back: what reads goes on, what waits hears of it.
func TestRestart(t *testing.T) {
	dir := svntest.Create(t)
	configure(t, dir, "anon-access = write\n", nil)
	s := svntest.Serve(t, dir)
	r := open(t, s.URL("repository"), rasvn.Options{})
	ctx := t.Context()
	rev, err := r.Commit(ctx, &svn.Commit{Changes: []svn.Change{put("a", "1", svn.InvalidRevnum)}})
	if err != nil {
		t.Fatal(err)
	}
	s.Stop()
	s.Start()
	if _, err := r.Stat(ctx, "a", rev); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	waited := make(chan error, 1)
	go func() {
		_, err := r.Wait(ctx, rev)
		waited <- err
	}()
	s.Stop()
	if err := <-waited; err == nil {
		t.Error("waiting for a server that is gone ended well")
	} else if e, ok := errors.AsType[*svn.UnreachableError](err); !ok || e.Sent {
		t.Errorf("waiting: got %v (%T)", err, err)
	}
	_, err = r.Commit(ctx, &svn.Commit{Changes: []svn.Change{put("a", "2", rev)}})
	if _, ok := errors.AsType[*svn.UnreachableError](err); !ok {
		t.Errorf("committing: got %v (%T)", err, err)
	}
	s.Start()
	if _, err = r.Commit(ctx, &svn.Commit{Changes: []svn.Change{put("a", "2", rev)}}); err != nil {
		t.Error(err)
	}
	go func() {
		_, err := r.Wait(ctx, rev+1)
		waited <- err
	}()
	svntest.Run(t, "svnmucc", "-m", "", "-U", svntest.URL(dir, ""), "mkdir", "by somebody else")
	if err := <-waited; err != nil {
		t.Error(err)
	}
}

// cut is a connection that ends after so many bytes.
type cut struct {
	io.ReadWriteCloser
	in, out *atomic.Int64 // bytes that may still be read and written
}

func (c *cut) Read(p []byte) (int, error) {
	n, err := c.ReadWriteCloser.Read(p)
	if c.in.Add(-int64(n)) < 0 {
		c.Close()
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

func (c *cut) Write(p []byte) (int, error) {
	if left := c.out.Add(-int64(len(p))); left < 0 {
		n, _ := c.ReadWriteCloser.Write(p[:max(0, int64(len(p))+left)])
		c.Close()
		return n, io.ErrClosedPipe
	}
	return c.ReadWriteCloser.Write(p)
}

// TestCutCommit cuts the connection of a commit after every so many bytes in each direction. The commit took place
// wholly or not at all, and who is told so is told the truth.
func TestCutCommit(t *testing.T) {
	dir := svntest.Create(t)
	const unlimited = 1 << 40
	var in, out atomic.Int64
	in.Store(unlimited)
	out.Store(unlimited)
	svntest.RequireSubversion(t)
	r, err := rasvn.Open(t.Context(), "svn://localhost/"+filepath.Base(dir), rasvn.Options{Dial: func(ctx context.Context) (io.ReadWriteCloser, error) {
		conn, err := rasvn.Command(ctx, "svnserve", "-t", "-r", filepath.Dir(dir), "--tunnel-user", "tester")
		return &cut{conn, &in, &out}, err
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	judgement := func() svn.Revnum {
		in.Store(unlimited)
		out.Store(unlimited)
		rev, err := r.Youngest(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return rev
	}
	sure, unsure := 0, 0
	for i, limit := range []*atomic.Int64{&in, &out} {
		for after := int64(1); after < 2200; after += 97 {
			before := judgement()
			limit.Store(after)
			id := fmt.Sprintf("%d-%d", i, after)
			path := svn.Path("f" + id)
			rev, err := r.Commit(t.Context(), &svn.Commit{
				RevProps: svn.Props{"havre:commit": id},
				Changes:  []svn.Change{{Op: svn.OpMkdir, Path: path, Base: svn.InvalidRevnum}, put(path.Join("x"), strings.Repeat("content ", 100), svn.InvalidRevnum)},
			})
			now := judgement()
			switch {
			case err == nil && (now != before+1 || rev != now):
				t.Errorf("cut %s: committed as r%d, youngest was r%d and is r%d", id, rev, before, now)
			case now > before+1:
				t.Errorf("cut %s: committed more than once", id)
			case now == before+1:
				if n, err := r.Stat(t.Context(), path.Join("x"), now); err != nil || n.Size != 800 {
					t.Errorf("cut %s: half of it was committed: %+v, %v", id, n, err)
				}
			}
			if err == nil {
				sure++
				continue
			}
			unsure++
			if e, ok := errors.AsType[*svn.UnreachableError](err); !ok || now != before && !e.Sent {
				t.Errorf("cut %s: committed: %t, and the error is %v (%T)", id, now != before, err, err)
			}
		}
	}
	if sure == 0 || unsure == 0 {
		t.Errorf("%d commits went well and %d were cut: the test cuts at the wrong places", sure, unsure)
	}
	svntest.JudgeQuick(t, dir)
}
