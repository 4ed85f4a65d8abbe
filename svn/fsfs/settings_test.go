package fsfs_test

import (
	"bytes"
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

// TestSettings commits under other settings in db/fsfs.conf than the defaults.
func TestSettings(t *testing.T) {
	svntest.RequireSubversion(t)
	const plain = "PLAIN\nK "
	for _, tt := range []struct {
		name, conf string
		format     string // of svnadmin, "" for the newest
		// has is what the file of a revision with directories, properties and contents has, and what not.
		has, hasNot []string
		shares      bool
	}{
		{"defaults", "", "", []string{"DELTA\nSVN\x02"}, []string{plain, "SVN\x01", "SVN\x00"}, true},
		{"no sharing", "[rep-sharing]\nenable-rep-sharing = false", "", nil, nil, false},
		{"whole directories", "[deltification]\nenable-dir-deltification = no", "", []string{plain + "1\na\nV "}, []string{plain + "4\nlist"}, true},
		{"whole properties", "[deltification]\nenable-props-deltification: 0", "", []string{plain + "4\nlist"}, []string{plain + "1\na\nV "}, true},
		{"not compressed", "[deltification]\ncompression = none", "", []string{"SVN\x00"}, []string{"SVN\x02", "SVN\x01"}, true},
		{"zlib", "[deltification]\ncompression = zlib-9", "", []string{"SVN\x01"}, []string{"SVN\x02", "SVN\x00"}, true},
		{"lz4", "[deltification]\ncompression = lz4", "", []string{"SVN\x02"}, []string{"SVN\x01"}, true},
		{"level 0", "[deltification]\ncompression-level = 0", "1.8", []string{"SVN\x00"}, []string{"SVN\x01"}, true},
		{"level 7", "[deltification]\ncompression-level = 7", "1.8", []string{"SVN\x01"}, []string{"SVN\x00"}, true},
		{"no walk", "[deltification]\nmax-deltification-walk = 0", "", nil, []string{"DELTA 1 "}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // Subversion's programs wait for the disk most of the time
			var args []string
			if tt.format != "" {
				args = []string{"--compatible-version", tt.format}
			}
			dir := svntest.Create(t, args...)
			r := openShared(t, dir)
			commit(t, r, put("before", "the settings are read anew"))
			if err := os.WriteFile(filepath.Join(dir, "db", "fsfs.conf"), []byte(tt.conf+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			// Letters that LZ4 does not change much, so that the beginnings of contents stay.
			c := put("a", text(500, "a"))
			c.Props = svn.Props{"list": text(300, "props")}
			commit(t, r, c, put("b", text(500, "a")))
			data, err := os.ReadFile(revFile(dir, 2))
			if err != nil {
				t.Fatal(err)
			}
			commit(t, r, svn.Change{Op: svn.OpPut, Path: "a", Base: 2, Content: content(text(500, "a") + "more")})
			more, err := os.ReadFile(revFile(dir, 3))
			if err != nil {
				t.Fatal(err)
			}
			data = append(data, more...)
			for _, part := range tt.has {
				if !bytes.Contains(data, []byte(part)) {
					t.Errorf("the revisions have no %q", part)
				}
			}
			for _, part := range tt.hasNot {
				if bytes.Contains(data, []byte(part)) {
					t.Errorf("the revisions have %q", part)
				}
			}
			a, err1 := r.TextAt("a", 2)
			b, err2 := r.TextAt("b", 2)
			if shared := a == b; shared != tt.shares || err1 != nil || err2 != nil {
				t.Errorf("equal contents are at %s and %s: %v %v", a, b, err1, err2)
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			if cached := len(rows(t, dir)) > 1; cached != tt.shares {
				t.Errorf("the rows are %v", rows(t, dir))
			}
			svntest.Verify(t, dir)
		})
	}
}

// TestBadSettings has db/fsfs.conf say what nobody understands: libsvn does not even open such a repository.
func TestBadSettings(t *testing.T) {
	r := create(t)
	for _, text := range []string{
		"[rep-sharing]\nenable-rep-sharing = perhaps",
		"[deltification]\nmax-linear-deltification = many",
		"[deltification]\nmax-deltification-walk = -5",
		"[deltification]\ncompression = bzip2",
		"[deltification]\ncompression = zlib-10",
		"[deltification]\ncompression = lz4\ncompression-level = 5",
		"[deltification]\ncompression-level = high",
	} {
		if err := os.WriteFile(filepath.Join(r.Dir(), "db", "fsfs.conf"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := r.Commit(t.Context(), &svn.Commit{})
		if bad, ok := errors.AsType[*fsfs.FormatError](err); !ok || !strings.Contains(bad.Reason, "fsfs.conf") {
			t.Errorf("%q: the error is %v", text, err)
		}
	}
}

// TestLinear compares which versions ours are deltas against with libsvn's choice, over shards of
// several sizes.
func TestLinear(t *testing.T) {
	svntest.RequireSubversion(t)
	for _, shard := range []int{1000, 4, 1} {
		t.Run(fmt.Sprint(shard), func(t *testing.T) {
			t.Parallel() // Subversion's programs wait for the disk most of the time
			const versions = 40
			bases := func(dir string) (list []string) {
				for rev := range svn.Revnum(versions) {
					data, err := os.ReadFile(filepath.Join(dir, "db", "revs", fmt.Sprint(int(rev+1)/shard), fmt.Sprint(rev+1)))
					if err != nil {
						t.Fatal(err)
					}
					line, _, _ := strings.Cut(string(data), "\n")
					list = append(list, strings.Join(strings.Fields(line + " . .")[:2], " "))
				}
				return list
			}
			made, theirs, f := create(t), svntest.Create(t), newFolder()
			for _, dir := range []string{made.Dir(), theirs} {
				replaceFile(t, filepath.Join(dir, "db", "format"), fmt.Appendf(nil, "8\nlayout sharded %d\naddressing logical\n", shard))
			}
			ours := open(t, made.Dir())
			for i := range versions {
				commit(t, ours, f.steps(fmt.Sprint("put f ", i, text(4000, "linear")), "")...)
			}
			svntest.RunIn(t, strings.NewReader(f.dump.String()), "svnadmin", "load", "-q", theirs)
			got, want := bases(ours.Dir()), bases(theirs)
			for i := range got {
				if got[i] != want[i] {
					t.Errorf("r%d: %s, with libsvn %s", i+1, got[i], want[i])
				}
			}
		})
	}
}
