package repcache_test

import (
	"bufio"
	"context"
	"crypto/sha1"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/fsfs"
	"github.com/havre-cloud/havre/svn/fsfs/repcache"
	"github.com/havre-cloud/havre/svn/svntest"
)

// childFile names the variable that makes TestMain begin to write rows to a database, say so, and wait to
// be killed.
const childFile = "REPCACHE_TEST_FILE"

func TestMain(m *testing.M) {
	if name := os.Getenv(childFile); name != "" {
		half(name)
		return
	}
	m.Run()
}

func half(name string) {
	// A cache of one page, so that what is not committed goes to the file.
	db, err := sql.Open("sqlite", name+"?_pragma=journal_mode(TRUNCATE)&_pragma=cache_size(1)&_txlock=immediate")
	if err != nil {
		panic(err)
	}
	tx, err := db.BeginTx(context.Background(), nil)
	if err != nil {
		panic(err)
	}
	for i := range 3000 {
		r := row(i, 1000)
		if _, err := tx.ExecContext(context.Background(), "INSERT INTO rep_cache VALUES (?, ?, ?, 1, 1)", fmt.Sprintf("%x", r.SHA1), r.Rev, r.Item); err != nil {
			panic(err)
		}
	}
	fmt.Fprintln(os.Stdout, "written")
	select {}
}

// row is row number i of a revision.
func row(i int, rev svn.Revnum) fsfs.SharedRep {
	return fsfs.SharedRep{SHA1: sha1.Sum(fmt.Append(nil, i)), Rev: rev, Item: int64(i) + 3, Size: int64(i) * 2, Expanded: int64(i) * 3}
}

func open(t *testing.T, name string) fsfs.RepCache {
	t.Helper()
	c, err := repcache.Open(name, 8, 0o640)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func update(t *testing.T, c fsfs.RepCache, u fsfs.RepCacheUpdate) {
	t.Helper()
	if err := c.Update(t.Context(), &u); err != nil {
		t.Fatal(err)
	}
}

// find returns the rows of the numbers below n that are there.
func find(t *testing.T, c fsfs.RepCache, n int) []fsfs.SharedRep {
	t.Helper()
	var found []fsfs.SharedRep
	for i := range n {
		r, ok, err := c.Find(t.Context(), row(i, 0).SHA1)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			found = append(found, r)
		}
	}
	return found
}

func TestUpdate(t *testing.T) {
	for _, dir := range []string{"plain", "odd % ? # & ünï"} {
		t.Run(dir, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), dir, "rep-cache.db")
			if err := os.Mkdir(filepath.Dir(name), 0o700); err != nil {
				t.Fatal(err)
			}
			c := open(t, name)
			if got := find(t, c, 3); got != nil {
				t.Errorf("without a database there are %v", got)
			}
			if _, err := os.Stat(name); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("looking up made a database: %v", err)
			}
			update(t, c, fsfs.RepCacheUpdate{Rows: []fsfs.SharedRep{row(0, 1), row(1, 1), row(2, 2), row(3, 3)}})
			info, err := os.Stat(name)
			if err != nil || info.Mode().Perm() != 0o640 {
				t.Errorf("the file has the mode %v, %v", info.Mode(), err)
			}
			want := []fsfs.SharedRep{row(0, 1), row(1, 1), row(2, 2), row(3, 3)}
			if diff := cmp.Diff(find(t, c, 5), want); diff != "" {
				t.Errorf("rows (-got +want):\n%s", diff)
			}
			// A row that is there stays; a wrong one goes only if it is still the same.
			update(t, c, fsfs.RepCacheUpdate{
				Wrong: []fsfs.SharedRep{row(1, 1), row(2, 1)}, Sweep: true, Youngest: 2,
				Rows: []fsfs.SharedRep{row(0, 2), row(1, 2), row(4, 2)},
			})
			want = []fsfs.SharedRep{row(0, 1), row(1, 2), row(2, 2), row(4, 2)}
			if diff := cmp.Diff(find(t, c, 5), want); diff != "" {
				t.Errorf("rows (-got +want):\n%s", diff)
			}
			if diff := cmp.Diff(find(t, open(t, name), 5), want); diff != "" {
				t.Errorf("rows, opened anew (-got +want):\n%s", diff)
			}
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			if _, _, err := c.Find(t.Context(), row(0, 0).SHA1); err == nil {
				t.Error("a database that is closed answers")
			}
			if err := c.Update(t.Context(), &fsfs.RepCacheUpdate{Rows: want}); err == nil {
				t.Error("a database that is closed is written")
			}
		})
	}
}

// TestSchema compares the databases with those that Subversion makes, and has either work with the other's.
func TestSchema(t *testing.T) {
	svntest.RequireSubversion(t)
	for format, version := range map[int]string{4: "1.6", 6: "1.8", 7: "1.9", 8: "1.10"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			dir := svntest.Create(t, "--compatible-version", version)
			file := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(file, []byte("contents"), 0o600); err != nil {
				t.Fatal(err)
			}
			name := filepath.Join(dir, "db", "rep-cache.db")
			svntest.Run(t, "svnmucc", "-m", "", "put", file, svntest.URL(dir, "a"))
			theirs := schema(t, name)
			c, err := repcache.Open(name, format, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if r, ok, err := c.Find(t.Context(), sha1.Sum([]byte("contents"))); !ok || err != nil || r.Rev != 1 || r.Expanded != 8 {
				t.Errorf("the row of svn is %+v, %v, %v", r, ok, err)
			}
			update(t, c, fsfs.RepCacheUpdate{Rows: []fsfs.SharedRep{row(0, 1)}, Sweep: true})
			if err := errors.Join(c.Close(), os.Remove(name)); err != nil {
				t.Fatal(err)
			}
			if c, err = repcache.Open(name, format, 0o600); err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			update(t, c, fsfs.RepCacheUpdate{})
			if diff := cmp.Diff(schema(t, name), theirs); diff != "" {
				t.Errorf("the schema (-got +want):\n%s", diff)
			}
			svntest.Run(t, "svnmucc", "-m", "", "put", file, svntest.URL(dir, "b"))
			if r, ok, err := c.Find(t.Context(), sha1.Sum([]byte("contents"))); !ok || err != nil || r.Rev != 2 {
				t.Errorf("the row that svn added to ours is %+v, %v, %v", r, ok, err)
			}
		})
	}
}

// schema returns what defines the database.
func schema(t *testing.T, name string) string {
	t.Helper()
	db, err := sql.Open("sqlite", name)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var text, version, mode string
	err = db.QueryRowContext(t.Context(), "SELECT (SELECT group_concat(sql) FROM sqlite_schema), (SELECT user_version FROM pragma_user_version), (SELECT journal_mode FROM pragma_journal_mode)").Scan(&text, &version, &mode)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(text), "") + " " + version + " " + mode
}

// TestKilled kills a process in the middle of its transaction: the next who comes takes it back.
func TestKilled(t *testing.T) {
	name := filepath.Join(t.TempDir(), "rep-cache.db")
	c := open(t, name)
	update(t, c, fsfs.RepCacheUpdate{Rows: []fsfs.SharedRep{row(5000, 1)}})
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childFile+"="+name)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "written\n" {
		t.Errorf("the child says %q, %v", line, err)
	}
	// Meanwhile a look-up does not wait for long.
	c = open(t, name)
	if _, _, err := c.Find(t.Context(), row(1, 0).SHA1); !errors.Is(err, fsfs.ErrRepCacheBusy) {
		t.Errorf("beside a transaction: %v", err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if got := find(t, c, 3000); got != nil {
		t.Errorf("%d rows of a transaction that was not completed are there", len(got))
	}
	update(t, c, fsfs.RepCacheUpdate{Rows: []fsfs.SharedRep{row(0, 1)}})
	if got := find(t, c, 5001); len(got) != 2 {
		t.Errorf("there are %d rows, want 2", len(got))
	}
}

// TestTogether writes and looks up from several caches at once.
func TestTogether(t *testing.T) {
	name := filepath.Join(t.TempDir(), "rep-cache.db")
	var wg sync.WaitGroup
	const caches, rounds = 3, 20
	for n := range caches {
		c := open(t, name)
		wg.Go(func() {
			for i := range rounds {
				own := row(n*rounds+i, 1)
				if err := c.Update(t.Context(), &fsfs.RepCacheUpdate{Rows: []fsfs.SharedRep{own}}); err != nil {
					t.Errorf("update: %v", err)
				}
				got, ok, err := c.Find(t.Context(), own.SHA1)
				if err == nil && (!ok || got != own) || err != nil && !errors.Is(err, fsfs.ErrRepCacheBusy) {
					t.Errorf("found %+v, %v, %v", got, ok, err)
				}
			}
		})
	}
	wg.Wait()
	if got := find(t, open(t, name), caches*rounds); len(got) != caches*rounds {
		t.Errorf("%d rows are there, want %d", len(got), caches*rounds)
	}
}

// TestMadeAtOnce has nobody see the database without its table: Subversion's programs would make that then, and fail.
func TestMadeAtOnce(t *testing.T) {
	name := filepath.Join(t.TempDir(), "rep-cache.db")
	c, err := repcache.Open(name, 8, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	first := make(chan int64)
	go func() {
		for t.Context().Err() == nil {
			if info, err := os.Stat(name); err == nil {
				first <- info.Size()
				return
			}
		}
	}()
	if err := c.Update(t.Context(), &fsfs.RepCacheUpdate{}); err != nil {
		t.Fatal(err)
	}
	if size := <-first; size == 0 {
		t.Error("at first the database was empty")
	}
}
