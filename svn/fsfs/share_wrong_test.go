package fsfs_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/fsfs"
	"github.com/havre-cloud/havre/svn/fsfs/repcache"
	"github.com/havre-cloud/havre/svn/svntest"
)

// execSQL changes rep-cache.db behind the back of everybody.
func execSQL(t *testing.T, dir, query string, args ...any) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "db", "rep-cache.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatal(err)
	}
}

// TestWrongRows has rows say what is not so. The contents have to be right, and afterwards
// svn, which believes more of a row, has to be able to commit the same contents.
func TestWrongRows(t *testing.T) {
	t.Parallel() // it waits for the disk and for processes most of the time
	svntest.RequireSubversion(t)
	want, other := text(3000, "want"), text(3000, "other")
	for _, tt := range []struct{ name, query string }{
		{"other contents", "UPDATE rep_cache SET (revision, offset, size, expanded_size) = (SELECT revision, offset, size, expanded_size FROM rep_cache WHERE hash <> ?1) WHERE hash = ?1"},
		{"no item", "UPDATE rep_cache SET offset = 77 WHERE hash = ?"},
		{"a node-revision", "UPDATE rep_cache SET offset = 2 WHERE hash = ?"},
		{"changed paths", "UPDATE rep_cache SET offset = 1 WHERE hash = ?"},
		{"a size too large", "UPDATE rep_cache SET size = size + 1 WHERE hash = ?"},
		{"a size too small", "UPDATE rep_cache SET size = size - 1 WHERE hash = ?"},
		{"an enormous size", "UPDATE rep_cache SET size = 9223372036854775807 WHERE hash = ?"},
		{"a negative size", "UPDATE rep_cache SET size = -1 WHERE hash = ?"},
		{"a negative item", "UPDATE rep_cache SET offset = -3 WHERE hash = ?"},
		{"a negative revision", "UPDATE rep_cache SET revision = -1 WHERE hash = ?"},
		{"another expanded size", "UPDATE rep_cache SET expanded_size = 10 WHERE hash = ?"},
		{"beyond the youngest", "UPDATE rep_cache SET revision = 4000000000 WHERE hash = ?"},
		{"text", "UPDATE rep_cache SET size = 'much' WHERE hash = ?"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := create(t)
			r = reopenShared(t, r)
			commit(t, r, put("a", want), put("b", other))
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			hash := fmt.Sprintf("%x", sha1.Sum([]byte(want)))
			execSQL(t, r.Dir(), tt.query, hash)
			r = openShared(t, r.Dir())
			rev := commit(t, r, put("c", want))
			if got := read(t, r, "c", rev); got != want {
				t.Error("wrong contents")
			}
			if n := revSize(t, r.Dir(), rev); n < 3000 {
				t.Errorf("the revision has %d bytes: a row was believed that is wrong", n)
			}
			r = reopenShared(t, r)
			rev = commit(t, r, put("d", want))
			if tt.name != "text" {
				if n := revSize(t, r.Dir(), rev); n > 2000 {
					t.Errorf("the row was not put right: a later revision has %d bytes", n)
				}
			}
			name := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(name, []byte(want), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			if tt.name != "text" {
				svntest.Run(t, "svnmucc", "-m", "theirs", "put", name, svntest.URL(r.Dir(), "theirs"))
				svntest.Verify(t, r.Dir())
			}
			svntest.CheckFSFS(t, r.Dir())
		})
	}
}

// TestRestored has a repository go back to an older revision, as from a backup, while the cache
// stays: svn refuses such rows, so ours have to go with our first commit.
func TestRestored(t *testing.T) {
	svntest.RequireSubversion(t)
	r := reopenShared(t, create(t))
	commit(t, r, put("a", "a"))
	commit(t, r, put("b", text(1000, "lost")), put("b2", text(2000, "lost too")))
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"revs/0/2", "revprops/0/2"} {
		if err := os.Remove(filepath.Join(r.Dir(), "db", name)); err != nil {
			t.Fatal(err)
		}
	}
	replaceFile(t, filepath.Join(r.Dir(), "db", "current"), []byte("1\n"))
	r = openShared(t, r.Dir())
	// Another revision 2, in which the old rows mean something else.
	commit(t, r, put("c", text(500, "new")))
	r.WaitNotes()
	commit(t, r, put("d", text(1000, "lost")))
	if got := read(t, r, "d", 3); got != text(1000, "lost") {
		t.Error("wrong contents")
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(text(2000, "lost too")), 0o600); err != nil {
		t.Fatal(err)
	}
	svntest.Run(t, "svnmucc", "-m", "theirs", "put", file, svntest.URL(r.Dir(), "theirs"))
	svntest.Verify(t, r.Dir())
	for hash, row := range rows(t, r.Dir()) {
		if strings.HasPrefix(row, "3 ") && hash == fmt.Sprintf("%x", sha1.Sum([]byte(text(1000, "lost")))) {
			return
		}
	}
	t.Errorf("the rows are %v", rows(t, r.Dir()))
}

// notes collects what a Repository tells.
type notes struct {
	mu   sync.Mutex
	errs []error
}

func (n *notes) add(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.errs = append(n.errs, err)
}

// TestBadCache commits beside databases that cannot be used. Every commit has to go through, with
// the right contents, and the first has to say what is wrong.
func TestBadCache(t *testing.T) {
	const schema = "CREATE TABLE rep_cache (hash TEXT NOT NULL PRIMARY KEY, revision INTEGER NOT NULL, offset INTEGER NOT NULL, size INTEGER NOT NULL, expanded_size INTEGER NOT NULL);"
	for _, tt := range []struct {
		name  string
		spoil func(t *testing.T, dir, file string)
	}{
		{"no database", func(t *testing.T, _, file string) {
			replaceFile(t, file, []byte("this is no database, but long enough to look like one\n"))
		}},
		{"cut", func(t *testing.T, _, file string) {
			if err := os.Truncate(file, 5000); err != nil {
				t.Fatal(err)
			}
		}},
		{"a directory", func(t *testing.T, _, file string) {
			if err := errors.Join(os.Remove(file), os.Mkdir(file, 0o700)); err != nil {
				t.Fatal(err)
			}
		}},
		{"of the future", func(t *testing.T, dir, _ string) { execSQL(t, dir, "PRAGMA user_version = 3") }},
		{"another table", func(t *testing.T, dir, _ string) {
			execSQL(t, dir, "DROP TABLE rep_cache; CREATE TABLE rep_cache (hash TEXT PRIMARY KEY)")
		}},
		{"a view that never ends", func(t *testing.T, dir, _ string) {
			execSQL(t, dir, `DROP TABLE rep_cache; CREATE VIEW rep_cache AS WITH RECURSIVE n(hash) AS
				(SELECT 'a' UNION ALL SELECT hash || 'a' FROM n)
				SELECT hash, 1 AS revision, 1 AS offset, 1 AS size, 1 AS expanded_size FROM n`)
		}},
		{"a trigger", func(t *testing.T, dir, _ string) {
			execSQL(t, dir, "CREATE TRIGGER t BEFORE INSERT ON rep_cache BEGIN SELECT raise(ABORT, 'no'); END")
		}},
		{"a table of version 0", func(t *testing.T, dir, _ string) {
			execSQL(t, dir, "DROP TABLE rep_cache; PRAGMA user_version = 0; "+schema)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := reopenShared(t, create(t))
			var before []svn.Change
			for i := range 100 {
				before = append(before, put(svn.Path(fmt.Sprint("before", i)), fmt.Sprint("before", i)))
			}
			commit(t, r, before...)
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			tt.spoil(t, r.Dir(), filepath.Join(r.Dir(), "db", "rep-cache.db"))
			var n notes
			r, err := fsfs.Open(r.Dir(), fsfs.Options{RepCache: repcache.Open, Note: n.add})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			for i := range 3 {
				rev := commit(t, r, put(svn.Path(fmt.Sprint("a", i)), "some contents"), put(svn.Path(fmt.Sprint("b", i)), "some contents"))
				if got := read(t, r, svn.Path(fmt.Sprint("b", i)), rev); got != "some contents" {
					t.Errorf("the contents are %q", got)
				}
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			if len(n.errs) != 1 {
				t.Fatalf("noted: %v; want one note", n.errs)
			}
			if e, ok := errors.AsType[*fsfs.RepCacheError](n.errs[0]); !ok || e.Dir != r.Dir() {
				t.Errorf("noted: %v", n.errs[0])
			}
			svntest.CheckFSFS(t, r.Dir())
		})
	}
}

// TestDamagedCache flips bits in the database. Whatever it says then, contents have to be right.
func TestDamagedCache(t *testing.T) {
	made := reopenShared(t, create(t))
	contents := make([]string, 20)
	var first []svn.Change
	for i := range contents {
		contents[i] = text(100+i, fmt.Sprint("contents", i))
		first = append(first, put(svn.Path(fmt.Sprint("f", i)), contents[i]))
	}
	commit(t, made, first...)
	if err := made.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(made.Dir(), "db", "rep-cache.db")
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(11, 12))
	hash := []byte(hex.EncodeToString(sum(contents[0])))
	start := bytes.LastIndex(good, hash) - 400
	for round := range 40 {
		bad := bytes.Clone(good)
		for range 1 + rng.IntN(4) {
			bad[start+rng.IntN(len(good)-start)] ^= 1 << rng.IntN(8)
		}
		if round%8 == 0 {
			bad = bad[:rng.IntN(len(bad))]
		}
		replaceFile(t, file, bad)
		r, err := fsfs.Open(made.Dir(), fsfs.Options{RepCache: repcache.Open, Note: func(error) {}})
		if err != nil {
			t.Fatal(err)
		}
		var changes []svn.Change
		for i, c := range contents {
			changes = append(changes, put(svn.Path(fmt.Sprintf("again%d-%d", round, i)), c))
		}
		rev := commit(t, r, changes...)
		for i, c := range contents {
			if read(t, r, changes[i].Path, rev) != c {
				t.Errorf("round %d: /%s has wrong contents", round, changes[i].Path)
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	svntest.CheckFSFS(t, made.Dir())
}

func sum(text string) []byte {
	h := sha1.Sum([]byte(text))
	return h[:]
}

// TestBusyCache has somebody else hold the database while we commit.
func TestBusyCache(t *testing.T) {
	r := reopenShared(t, create(t))
	commit(t, r, put("a", "first"))
	r = reopenShared(t, r)
	db, err := sql.Open("sqlite", filepath.Join(r.Dir(), "db", "rep-cache.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), "BEGIN EXCLUSIVE"); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		rev := commit(t, r, put(svn.Path(fmt.Sprint("b", i)), "first"))
		if got := read(t, r, svn.Path(fmt.Sprint("b", i)), rev); got != "first" {
			t.Errorf("the contents are %q", got)
		}
	}
	rev := commit(t, r, put("c", "second"))
	// The row is not written yet, and known all the same.
	commit(t, r, put("d", "second"))
	if got, want := textAt(t, r, "d", rev+1), textAt(t, r, "c", rev); got != want {
		t.Errorf("/d is stored at %s, want %s", got, want)
	}
	if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(conn.Close(), r.Close()); err != nil {
		t.Fatal(err)
	}
	if _, ok := rows(t, r.Dir())[hex.EncodeToString(sum("second"))]; !ok {
		t.Error("the row was not written afterwards")
	}
}

// textAt returns where the contents of a file are stored, "revision/item".
func textAt(t *testing.T, r *fsfs.Repository, path svn.Path, rev svn.Revnum) string {
	t.Helper()
	at, err := r.TextAt(path, rev)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// TestCacheIsRemoved has somebody remove the database while it is in use: it is made again.
func TestCacheIsRemoved(t *testing.T) {
	r := reopenShared(t, create(t))
	commit(t, r, put("a", "first"))
	r.WaitNotes()
	if err := os.Remove(filepath.Join(r.Dir(), "db", "rep-cache.db")); err != nil {
		t.Fatal(err)
	}
	commit(t, r, put("b", "second"))
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if got := rows(t, r.Dir()); len(got) != 1 {
		t.Errorf("the rows are %v", got)
	}
}

// TestCollision has contents, and a list of properties, whose SHA-1 a row gives to others.
func TestCollision(t *testing.T) {
	r := create(t)
	fake := &fakeCache{rows: map[[20]byte]fsfs.SharedRep{}}
	r, err := fsfs.Open(r.Dir(), fsfs.Options{RepCache: func(string, int, os.FileMode) (fsfs.RepCache, error) { return fake, nil }})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	a, b := put("a", "some contents A"), put("b", "some contents B")
	a.Props, b.Props = svn.Props{"list": strings.Repeat("A", 300)}, svn.Props{"list": strings.Repeat("B", 300)}
	commit(t, r, a)
	r.WaitNotes()
	for hash, row := range maps.Clone(fake.rows) {
		switch hash {
		case sha1.Sum([]byte("some contents A")):
			row.SHA1 = sha1.Sum([]byte("some contents B"))
		default:
			row.SHA1 = sha1.Sum([]byte("K 4\nlist\nV 300\n" + b.Props["list"] + "\nEND\n"))
		}
		fake.rows[row.SHA1] = row
	}
	rev := commit(t, r, b)
	if got := read(t, r, "b", rev); got != "some contents B" {
		t.Errorf("the contents are %q", got)
	}
	if n, err := reopen(t, r).Stat(t.Context(), "b", rev); err != nil || n.Props["list"] != b.Props["list"] {
		t.Errorf("the properties are %v, %v", n, err)
	}
	r.WaitNotes()
	if row := fake.rows[sha1.Sum([]byte("some contents B"))]; row.Rev != rev {
		t.Errorf("the row is %+v, want one of r%d", row, rev)
	}
}

type fakeCache struct {
	rows map[[20]byte]fsfs.SharedRep
}

func (c *fakeCache) Find(_ context.Context, sum [20]byte) (fsfs.SharedRep, bool, error) {
	row, ok := c.rows[sum]
	return row, ok, nil
}

func (c *fakeCache) All(_ context.Context, do func(fsfs.SharedRep, string) error) error {
	for _, row := range c.rows {
		if err := do(row, ""); err != nil {
			return err
		}
	}
	return nil
}

func (c *fakeCache) Update(_ context.Context, u *fsfs.RepCacheUpdate) error {
	for _, row := range u.Wrong {
		if c.rows[row.SHA1] == row {
			delete(c.rows, row.SHA1)
		}
	}
	for _, row := range u.Rows {
		if _, ok := c.rows[row.SHA1]; !ok {
			c.rows[row.SHA1] = row
		}
	}
	return nil
}

func (c *fakeCache) Close() error { return nil }
