//go:build unix

package radav_test

import (
	"bytes"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/radav"
	"github.com/havre-cloud/havre/svn/svntest"
)

// cutter stands before a server and cuts all connections after so many bytes.
type cutter struct {
	in, out atomic.Int64 // bytes that may still come from the server and go to it
	server  string
	port    int

	mu    sync.Mutex
	conns map[net.Conn]bool
}

const unlimited = 1 << 40

func newCutter(t *testing.T, server string) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{server: server, port: l.Addr().(*net.TCPAddr).Port, conns: map[net.Conn]bool{}}
	c.mend()
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { c.serve(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		c.cut()
		wg.Wait()
	})
	return c
}

// mend lets everything through again.
func (c *cutter) mend() {
	c.in.Store(unlimited)
	c.out.Store(unlimited)
}

// cut closes what is open.
func (c *cutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.conns {
		conn.Close()
	}
}

func (c *cutter) serve(client net.Conn) {
	server, err := net.Dial("tcp", c.server)
	if err != nil {
		client.Close()
		return
	}
	c.mu.Lock()
	c.conns[client], c.conns[server] = true, true
	c.mu.Unlock()
	done := make(chan bool, 2)
	pass := func(to, from net.Conn, left *atomic.Int64) {
		buf := make([]byte, 4096)
		for {
			n, err := from.Read(buf)
			allowed := max(0, min(int64(n), left.Add(-int64(n))+int64(n)))
			_, werr := to.Write(buf[:allowed])
			if err != nil || werr != nil || allowed < int64(n) {
				break
			}
		}
		to.Close()
		from.Close()
		done <- true
	}
	go pass(client, server, &c.in)
	pass(server, client, &c.out)
	<-done
	<-done
	c.mu.Lock()
	delete(c.conns, client)
	delete(c.conns, server)
	c.mu.Unlock()
}

// TestCutCommit cuts the connections of a commit after every so many bytes in each direction. The commit took
// place wholly or not at all, who is told so is told the truth, and nothing is left behind.
func TestCutCommit(t *testing.T) {
	a := startApache(t, "", "")
	dir := a.create("repo")
	c := newCutter(t, fmt.Sprintf("127.0.0.1:%d", a.port))
	r := open(t, fmt.Sprintf("http://127.0.0.1:%d/svn/repo", c.port), radav.Options{})
	ctx := t.Context()
	judgement := func() svn.Revnum {
		c.mend()
		rev, err := r.Youngest(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return rev
	}
	sure, unsure := 0, 0
	for i, limit := range []*atomic.Int64{&c.in, &c.out} {
		for after := int64(1); after < 8000; after += 257 {
			before := judgement()
			limit.Store(after)
			id := fmt.Sprintf("%d-%d", i, after)
			path := svn.Path("f" + id)
			rev, err := r.Commit(ctx, &svn.Commit{
				RevProps: svn.Props{"havre:commit": id},
				Changes: []svn.Change{
					{Op: svn.OpMkdir, Path: path, Base: svn.InvalidRevnum, Props: svn.Props{"havre:x": "1"}},
					put(path.Join("x"), strings.Repeat("content ", 100), svn.InvalidRevnum),
				},
			})
			now := judgement()
			switch {
			case err == nil && (now != before+1 || rev != now):
				t.Errorf("cut %s: committed as r%d, youngest was r%d and is r%d", id, rev, before, now)
			case now > before+1:
				t.Errorf("cut %s: committed more than once", id)
			case now == before+1:
				if n, err := r.Stat(ctx, path.Join("x"), now); err != nil || n.Size != 800 {
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
	// Of a transaction whose name was cut off nobody knows.
	r.SweepAll(ctx)
	if left := strings.Fields(svntest.Run(t, "svnadmin", "lstxns", dir)); len(left) > 5 {
		t.Errorf("%d transactions were left behind, after %d commits that were cut: %s", len(left), unsure, left)
	}
}

// TestAbandoned has the server go away in the middle of a commit. Its transaction is removed when it is back.
func TestAbandoned(t *testing.T) {
	a := startApache(t, "", "")
	dir := a.create("repo")
	r := open(t, a.url("repo"), radav.Options{})
	ctx := t.Context()
	change := put("a", strings.Repeat("x", 1<<20), svn.InvalidRevnum)
	change.Content = func() (io.ReadCloser, error) {
		a.stop() // kills
		return io.NopCloser(strings.NewReader(strings.Repeat("x", 1<<20))), nil
	}
	sum := sha1.Sum([]byte(strings.Repeat("x", 1<<20)))
	change.SHA1, change.Size = sum[:], 1<<20
	_, err := r.Commit(ctx, &svn.Commit{Changes: []svn.Change{put("0", "", svn.InvalidRevnum), change}})
	if e, ok := errors.AsType[*svn.UnreachableError](err); !ok || e.Sent {
		t.Errorf("got %v (%T)", err, err)
	}
	if left := svntest.Run(t, "svnadmin", "lstxns", dir); left == "" {
		t.Error("there is no transaction left to remove")
	}
	a.start()
	if rev, err := r.Youngest(ctx); rev != 0 || err != nil {
		t.Errorf("youngest: r%d, %v", rev, err)
	}
	r.SweepAll(ctx) // as later calls do
	judge(t, dir)
}

// TestGraceful has the server told to start anew between and during commits: none fails.
func TestGraceful(t *testing.T) {
	a := startApache(t, "", "")
	dir := a.create("repo")
	r := open(t, a.url("repo"), radav.Options{})
	for i := range 5 {
		if err := a.cmd.Process.Signal(syscall.SIGUSR1); err != nil {
			t.Fatal(err)
		}
		for j := range 10 {
			if _, err := r.Commit(t.Context(), &svn.Commit{Changes: []svn.Change{put(svn.Path(fmt.Sprint(i, " ", j)), "1", svn.InvalidRevnum)}}); err != nil {
				t.Fatalf("round %d, commit %d: %v", i, j, err)
			}
		}
	}
	r.SweepAll(t.Context()) // what was cut off is removed by later calls
	judge(t, dir)
}

// noise are bytes that cannot be compressed.
func noise(n int) []byte {
	p := make([]byte, n)
	rng := rand.NewChaCha8([32]byte{1})
	_, _ = rng.Read(p) // never fails
	return p
}

// TestLimitRequestBody has a server that takes small bodies only. What can be compressed, or changes little, goes through.
func TestLimitRequestBody(t *testing.T) {
	const limit = 100_000
	a := startApache(t, fmt.Sprintf("LimitRequestBody %d\n", limit), "")
	dir := a.create("repo")
	ctx := t.Context()
	random := noise(3 * limit)
	local := filepath.Join(t.TempDir(), "random")
	if err := os.WriteFile(local, random, 0o600); err != nil {
		t.Fatal(err)
	}
	svntest.Run(t, "svnmucc", "-m", "", "-U", svntest.URL(dir, ""), "put", local, "random")
	a.own()
	r := open(t, a.url("repo"), radav.Options{})
	changed := bytes.Clone(random)
	changed[limit] ^= 1
	changed = append(changed, "and more"...)
	text := strings.Repeat("what can be compressed ", limit/10)
	rev, err := r.Commit(ctx, &svn.Commit{Changes: []svn.Change{
		put("before", "small", svn.InvalidRevnum), put("text", text, svn.InvalidRevnum), put("random", string(changed), 1),
		{Op: svn.OpCopy, Path: "copy", CopyFrom: &svn.CopySource{Path: "random", Rev: 1}, Content: svntest.Content(changed)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[svn.Path]string{"text": text, "random": string(changed), "copy": string(changed), "before": "small"} {
		if got := svntest.ReadFile(t, r, path, rev); string(got) != want {
			t.Errorf("/%s has %d bytes, or others, want %d", path, len(got), len(want))
		}
	}
	_, err = r.Commit(ctx, &svn.Commit{Changes: []svn.Change{put("too large", string(noise(2*limit)), svn.InvalidRevnum)}})
	requireRefused(t, "too large", err, svn.RefusedContent, "LimitRequestBody")
	judge(t, dir)
	// No text is in a revision that nothing refers to: that is what packing would stumble upon.
	svntest.Verify(t, svntest.Pack(t, dir, 1))
}
