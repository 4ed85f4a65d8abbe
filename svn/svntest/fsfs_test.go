package svntest_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/havre-cloud/havre/svn/svntest"
)

// recorder is a test that fails without anybody minding.
type recorder struct {
	testing.TB
	failed bool
	log    strings.Builder
}

func (r *recorder) Errorf(format string, args ...any) {
	r.failed = true
	fmt.Fprintf(&r.log, format+"\n", args...)
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Fatal(args ...any) { r.Fatalf("%s", fmt.Sprint(args...)) }
func (r *recorder) Failed() bool      { return r.failed }

// complaints returns what CheckFSFS says of a repository.
func complaints(t *testing.T, dir string) string {
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		svntest.CheckFSFS(r, dir)
	}()
	<-done
	return r.log.String()
}

func TestCheckFSFSAcceptsSubversion(t *testing.T) {
	for _, version := range []string{"1.9", "1.14"} {
		t.Run(version, func(t *testing.T) {
			h := svntest.RandomHistory(t, 3, 25)
			svntest.CheckFSFS(t, h.Load(t, "--compatible-version", version))
		})
	}
}

// TestCheckFSFSSees damages files of one repository, without changing lengths, in ways that
// svnadmin verify accepts or would accept after the item's checksum is made again.
func TestCheckFSFSSees(t *testing.T) {
	dir := svntest.Create(t)
	// Nothing compressed or deltified, so that it can be found.
	conf := "[deltification]\nenable-dir-deltification = false\nenable-props-deltification = false\ncompression = none\n"
	if err := os.WriteFile(filepath.Join(dir, "db", "fsfs.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	url := svntest.URL(dir, "")
	text := filepath.Join(t.TempDir(), "text")
	commit := func(content []byte, args ...string) {
		t.Helper()
		if err := os.WriteFile(text, content, 0o600); err != nil {
			t.Fatal(err)
		}
		svntest.Run(t, "svnmucc", append([]string{"-m", "log", "-U", url}, args...)...)
	}
	long := bytes.Repeat([]byte("0123456789abcdef"), 20000)
	commit(long, "mkdir", "d", "put", text, "d/f", "put", text, "d/g", "mkdir", "d/sub")
	commit(append(long, '#'), "put", text, "d/f")
	commit([]byte("1"), "cp", "2", "d", "e", "put", text, "e/f")
	commit([]byte("2"), "put", text, "e/f", "put", text, "new", "propset", "p", "1", "e")
	if got := complaints(t, dir); got != "" {
		t.Fatalf("before anything is damaged: %s", got)
	}
	tests := []struct {
		name     string
		rev      int
		old, new string // a regular expression, and what replaces it everywhere
		want     string
	}{
		{"sha1", 1, `(text: .* [0-9a-f]{32} )[0-9a-f]`, "${1}z", "sha1 is"},
		{"md5", 1, `(text: 1 3 .* )[0-9a-f]([0-9a-f]{31} [0-9a-f]{40})`, "${1}z${2}", "md5 is"},
		{"no sha1", 1, `(text: .* )[0-9a-f]{40}`, "${1}-" + strings.Repeat(" ", 39), "no sha1"},
		{"expanded size", 2, `(text: 2 \d+ \d+ )320001`, "${1}320002", "expanded size is"},
		{"size of the base", 2, `DELTA 1 3 (\d+)\d\n`, "DELTA 1 3 ${1}x\n", "representation begins|base"},
		{"cpath", 1, `cpath: /d/f`, "cpath: /d/x", "cpath of /d/f is /d/x"},
		{"copyroot", 4, `copyroot: 3 /e`, "copyroot: 2 /d", "copyroot of"},
		{"node id used again", 1, `5-1\.0\.r1`, "2-1.0.r1", "new node /d/. has id"},
		{"entry name", 1, `(K 1\n)f(\nV \d+\nfile)`, "${1}z${2}", `"g" comes after "z"`},
		{"duplicate entry", 1, `(K 1\n)f(\nV \d+\nfile)`, "${1}g${2}", `"g" comes after "g"`},
		{"ENDREP", 1, `ENDREP`, "ENDREX", "without header or ENDREP"},
		{"change not listed", 4, `modify-file true false false /e/f`, "modify-file true false false /e/x", "/e/f is not listed"},
		{"text flag", 4, `modify-file true`, "modify-file none", "without a change of its contents"},
		{"wrong kind", 4, `add-file`, "add-dirx", "want add-file"},
		{"copy source", 3, `\n2 /d\n`, "\n1 /d\n", "copied from"},
		{"uniquifier", 4, `3-3/_5`, "3-3/_3", "uniquifier"},
		{"copy id", 3, `0-3\.r3`, "0-2.r3", "copy /e has id"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			name := filepath.Join(dir, "db", "revs", "0", fmt.Sprint(tt.rev))
			p, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			damaged := regexp.MustCompile(tt.old).ReplaceAll(p, []byte(tt.new))
			if bytes.Equal(damaged, p) || len(damaged) != len(p) {
				t.Fatalf("%q matches nothing in r%d, or changes its length:\n%s", tt.old, tt.rev, p[max(0, len(p)-6000):])
			}
			rewrite(t, name, damaged)
			defer rewrite(t, name, p)
			got := complaints(t, dir)
			if !regexp.MustCompile(tt.want).MatchString(got) {
				t.Errorf("got %q, want %q in it", got, tt.want)
			}
		})
	}
}

func rewrite(t *testing.T, name string, p []byte) {
	t.Helper()
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, p, 0o600); err != nil {
		t.Fatal(err)
	}
}
