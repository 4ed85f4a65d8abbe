package fsfs_test

import (
	"crypto/sha1"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // to look into rep-cache.db

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/fsfs"
	"github.com/havre-cloud/havre/svn/fsfs/repcache"
	"github.com/havre-cloud/havre/svn/svntest"
)

// openShared opens a repository with its rep-cache. Notes fail the test unless they are expected.
func openShared(t *testing.T, dir string) *fsfs.Repository {
	t.Helper()
	r, err := fsfs.Open(dir, fsfs.Options{RepCache: repcache.Open, Note: func(err error) { t.Errorf("noted: %v", err) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// reopenShared closes a repository, which writes all rows, and opens it again.
func reopenShared(t *testing.T, r *fsfs.Repository) *fsfs.Repository {
	t.Helper()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return openShared(t, r.Dir())
}

// revSize returns how many bytes the file of an unpacked revision has.
func revSize(t *testing.T, dir string, rev svn.Revnum) int64 {
	t.Helper()
	info, err := os.Stat(revFile(dir, rev))
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func revFile(dir string, rev svn.Revnum) string {
	name := filepath.Join(dir, "db", "revs", "0", fmt.Sprint(rev))
	if info, err := os.Stat(filepath.Dir(name)); err == nil && !info.IsDir() {
		return filepath.Join(dir, "db", "revs", fmt.Sprint(rev)) // linear
	}
	return name
}

// rows returns the rows of rep-cache.db as "revision item size expanded", by SHA-1.
func rows(t *testing.T, dir string) map[string]string {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "db", "rep-cache.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	found, err := db.QueryContext(t.Context(), "SELECT hash, revision || ' ' || offset || ' ' || size || ' ' || expanded_size FROM rep_cache")
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	out := map[string]string{}
	for found.Next() {
		var hash, row string
		if err := found.Scan(&hash, &row); err != nil {
			t.Fatal(err)
		}
		out[hash] = row
	}
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// text is n bytes that cannot be compressed much, different for each seed.
func text(n int, seed string) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%x", sha1.Sum([]byte(fmt.Sprint(seed, i))))
	}
	return b.String()[:n]
}

func put(path svn.Path, text string) svn.Change {
	return svn.Change{Op: svn.OpPut, Path: path, Base: unknown, Content: content(text)}
}

// TestSharing stores equal contents and properties once: within a commit, in later revisions, in
// those that Subversion makes of ours and we of its, in all formats and with both kinds of addressing.
func TestSharing(t *testing.T) {
	svntest.RequireSubversion(t)
	for _, tt := range layouts[:6] {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // Subversion's programs wait for the disk most of the time
			dir := svntest.Create(t, layoutArgs(tt.args, tt.edit)...)
			editFormat(t, dir, tt.edit)
			r := openShared(t, dir)
			big, list := text(200_000, "big"), svn.Props{"list": text(3000, "props")}
			a, b := put("a", big), put("b", big)
			a.Props, b.Props = list, list
			commit(t, r, a, b)
			if n := revSize(t, dir, 1); n > 260_000 {
				t.Errorf("two equal files in one commit take %d bytes", n)
			}
			c := put("c", big)
			c.Props = list
			commit(t, r, c)
			if n := revSize(t, dir, 2); n > 2000 {
				t.Errorf("a file with the contents of another takes %d bytes", n)
			}
			r = reopenShared(t, r)
			commit(t, r, put("d", big))
			if n := revSize(t, dir, 3); n > 2000 {
				t.Errorf("opened anew, a file with the contents of another takes %d bytes", n)
			}
			if got := len(rows(t, dir)); got != 2 {
				t.Errorf("the cache has %d rows, want 2", got)
			}

			name := filepath.Join(t.TempDir(), "file")
			for i, contents := range []string{big, text(100_000, "theirs")} {
				if err := os.WriteFile(name, []byte(contents), 0o600); err != nil {
					t.Fatal(err)
				}
				svntest.Run(t, "svnmucc", "-m", "theirs", "put", name, svntest.URL(dir, fmt.Sprint("theirs", i)))
			}
			if n := revSize(t, dir, 4); n > 2000 {
				t.Errorf("a file of svn with the contents of ours takes %d bytes", n)
			}
			commit(t, r, put("e", text(100_000, "theirs")))
			if n := revSize(t, dir, 6); n > 2000 {
				t.Errorf("a file with the contents of one of svn takes %d bytes", n)
			}
			for _, path := range []svn.Path{"a", "b", "c", "d", "theirs0"} {
				if read(t, r, path, 6) != big {
					t.Errorf("/%s has other contents", path)
				}
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			if tt.name == layouts[0].name {
				svntest.Judge(t, dir)
			} else {
				svntest.Verify(t, dir)
			}
		})
	}
}
