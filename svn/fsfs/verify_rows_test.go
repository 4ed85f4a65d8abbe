package fsfs_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/fsfs"
	"github.com/havre-cloud/havre/svn/svntest"
)

// verifyRows returns what is wrong with the rows of rep-cache.db.
func verifyRows(t *testing.T, dir string) (rows int64, wrong []error) {
	t.Helper()
	rows, err := openShared(t, dir).VerifyRepCache(t.Context(), func(err error) error {
		wrong = append(wrong, err)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return rows, wrong
}

// TestVerifyRows finds nothing wrong in rows that we and Subversion write, of representations of all kinds, packed or not.
func TestVerifyRows(t *testing.T) {
	h := svntest.RandomHistory(t, 78, 8)
	for _, l := range layouts {
		if !strings.HasPrefix(l.name, "format 8") && l.name != "format 6" {
			continue
		}
		t.Run(l.name, func(t *testing.T) {
			t.Parallel() // Subversion's programs wait for the disk most of the time
			dir := svntest.Create(t, layoutArgs(l.args, l.edit)...)
			editFormat(t, dir, l.edit)
			r := openShared(t, dir)
			h.Apply(t, r)
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			theirs := filepath.Join(t.TempDir(), "theirs")
			if err := os.WriteFile(theirs, []byte(text(300_000, "theirs")), 0o600); err != nil {
				t.Fatal(err)
			}
			svntest.Run(t, "svnmucc", "-m", "theirs", "-U", svntest.URL(dir, ""), "put", theirs, "theirs",
				"propset", "list", strings.Repeat("theirs", 100), "theirs")
			if !strings.Contains(l.name, "linear") {
				svntest.Run(t, "svnadmin", "pack", "-q", dir)
			}
			had := rows(t, dir)
			if got, wrong := verifyRows(t, dir); len(wrong) > 0 || int(got) != len(had) || got < 5 {
				t.Errorf("%d rows, want %d, wrong: %v", got, len(had), wrong)
			}
			svntest.Verify(t, dir)
		})
	}
}

// TestVerifyWrongRows has one row say what is not so. svnadmin finds those that lead nowhere.
func TestVerifyWrongRows(t *testing.T) {
	svntest.RequireSubversion(t)
	r := reopenShared(t, create(t))
	for i := range 4 {
		commit(t, r, put(svn.Path(fmt.Sprint("a", i)), text(150_000, fmt.Sprint("seed", i))))
	}
	dir := r.Dir()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	hash := hex.EncodeToString(sum(text(150_000, "seed2")))
	set := func(what string) string { return "UPDATE rep_cache SET " + what + " WHERE hash = '" + hash + "'" }
	file := filepath.Join(dir, "db", "rep-cache.db")
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, query, want string
		theirs            bool
	}{
		{"no item", set("offset = 77"), "cannot be read", true},
		{"a node-revision", set("offset = 2"), "cannot be read", true},
		{"another revision", set("revision = 1, offset = 2"), "cannot be read", true},
		{"an enormous item", set("offset = 9223372036854775807"), "cannot be read", false},
		{"a size too large", set("size = size + 1"), "no representation of this size", false},
		{"an enormous size", set("size = 9223372036854775807"), "cannot be read", false},
		{"another expanded size", set("expanded_size = 10"), "expands to 150000 bytes", false},
		{"a negative item", set("offset = -3"), "negative", false},
		{"beyond the youngest", set("revision = 5"), "youngest revision is r4", true},
		{"text", set("size = 'much'"), "negative numbers, or what is no number", false},
		{"no SHA-1", set("hash = 'short'"), "1 without a SHA-1", false},
		{"no hexadecimal SHA-1", set("hash = '" + strings.Repeat("x", 40) + "'"), "instead of a SHA-1", false},
		{"another table", "CREATE TABLE other (x)", "cannot be used", false},
		{"no database", "", "cannot be used", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := os.WriteFile(file, whole, 0o600); err != nil {
				t.Fatal(err)
			}
			if tt.query != "" {
				execSQL(t, dir, tt.query)
			} else if err := os.WriteFile(file, []byte(text(5000, "damaged")), 0o600); err != nil {
				t.Fatal(err)
			}
			_, wrong := verifyRows(t, dir)
			if len(wrong) != 1 || !strings.Contains(errors.Join(wrong...).Error(), tt.want) {
				t.Fatalf("got %v, want one with %q", wrong, tt.want)
			}
			if row, ok := errors.AsType[*fsfs.RowError](wrong[0]); ok && strings.Contains(tt.query, "offset") &&
				!strings.Contains(row.Error(), hash) {
				t.Errorf("%v: it does not name the row %s", row, hash)
			}
			if theirs := svntest.TryRun(t, nil, "svnadmin", "verify", "-q", dir); tt.theirs && theirs.Err == nil {
				t.Error("svnadmin verify finds nothing")
			}
		})
	}
	if err := os.WriteFile(file, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	svntest.Verify(t, dir)
	if _, err := open(t, dir).VerifyRepCache(t.Context(), func(err error) error { return err }); err != nil {
		t.Errorf("without the option: %v", err)
	}
	stop := errors.New("enough")
	execSQL(t, dir, "UPDATE rep_cache SET offset = -1")
	if rows, err := openShared(t, dir).VerifyRepCache(t.Context(), func(error) error { return stop }); !errors.Is(err, stop) || rows != 1 {
		t.Errorf("%d rows, then %v", rows, err)
	}
}
