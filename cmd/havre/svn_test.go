package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/fsfs"
	"github.com/havre-cloud/havre/svn/fsfs/repcache"
)

// makeShards makes a repository of nine empty commits, with four revisions in a directory.
func makeShards(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "plans")
	r, err := fsfs.Create(dir, fsfs.CreateOptions{UUID: "01234567-89ab-cdef-0123-456789abcdef"})
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	writeFormat(t, dir, "8\nlayout sharded 4\naddressing logical\n")
	if r, err = fsfs.Open(dir, fsfs.Options{}); err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for range 9 {
		if _, err := r.Commit(t.Context(), &svn.Commit{RevProps: svn.Props{svn.PropAuthor: "ada"}}); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func writeFormat(t *testing.T, dir, text string) {
	t.Helper()
	name := filepath.Join(dir, "db", "format")
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestSvn looks at a repository, packs it and verifies it.
func TestSvn(t *testing.T) {
	dir := makeShards(t)
	var out bytes.Buffer
	con := &console{out: &out, err: &out}
	ctx := t.Context()
	for i, run := range []func() error{
		func() error { return (&svnInfoCmd{Dir: dir}).Run(ctx, con) },
		func() error { return (&svnPackCmd{Dir: dir}).Run(ctx, con) },
		func() error { return (&svnPackCmd{Dir: dir}).Run(ctx, con) },
		func() error { return (&svnInfoCmd{Dir: dir}).Run(ctx, con) },
		func() error { return (&svnVerifyCmd{Dir: dir}).Run(ctx, con) },
	} {
		if err := run(); err != nil {
			t.Errorf("command %d: %v", i, err)
		}
	}
	got := regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d`).ReplaceAllString(out.String(), "DATE")
	got = regexp.MustCompile(`in [0-9.]+ m?s: (\d+ files) of [0-9.]+ [KMB]i?B? before, now (\d+ files) of .*\n`).ReplaceAllString(got, "in TIME: $1, $2\n")
	const want = `UUID         01234567-89ab-cdef-0123-456789abcdef
Youngest     r9
Last change  DATE by ada
Format       FSFS 8, logical addressing, 4 revisions in a directory
Packed       none; %[1]shavre svn pack%[1]s would take 8 more
Packed 8 revisions in TIME: 15 files, 6 files
Nothing to do: r0 to r7 are packed; the next pack is possible from r11 on.
UUID         01234567-89ab-cdef-0123-456789abcdef
Youngest     r9
Last change  DATE by ada
Format       FSFS 8, logical addressing, 4 revisions in a directory
Packed       r0 to r7
10 revisions, whole.
`
	if diff := cmp.Diff(got, fmt.Sprintf(want, "`")); diff != "" {
		t.Errorf("the commands say (-got +want):\n%s", diff)
	}
}

// TestSvnPackErrors packs what cannot be packed.
func TestSvnPackErrors(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		damage     func(dir string)
	}{
		{"format", "db/format is 3; packs need 4 or higher", func(dir string) { writeFormat(t, dir, "3\nlayout sharded 4\n") }},
		{"linear", "all its revisions are in one directory", func(dir string) { writeFormat(t, dir, "8\nlayout linear\n") }},
		{"nothing", "not a Subversion repository", func(dir string) { _ = os.RemoveAll(dir) }},
		{"damaged", "db/revs/1/5 at byte 99: damaged", func(dir string) {
			name := filepath.Join(dir, "db", "revs", "1", "5")
			_ = os.Remove(name)
			_ = os.WriteFile(name, make([]byte, 100), 0o600)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := makeShards(t)
			tt.damage(dir)
			var out bytes.Buffer
			err := (&svnPackCmd{Dir: dir}).Run(t.Context(), &console{out: &out, err: &out})
			if err == nil || !regexp.MustCompile(regexp.QuoteMeta(tt.want)).MatchString(forPerson(err)) {
				t.Errorf("got %v, want %q; out: %s", err, tt.want, out.String())
			}
		})
	}
}

// TestSvnVerifyRows verifies a repository whose rep-cache.db is of a later time than its revisions.
func TestSvnVerifyRows(t *testing.T) {
	dir := makeShards(t)
	cache, err := repcache.Open(filepath.Join(dir, "db", "rep-cache.db"), 8, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	row := fsfs.SharedRep{SHA1: [20]byte{1}, Rev: 12, Item: 3, Size: 10, Expanded: 10}
	if err := errors.Join(cache.Update(t.Context(), &fsfs.RepCacheUpdate{Rows: []fsfs.SharedRep{row}}), cache.Close()); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err = (&svnVerifyCmd{Dir: dir}).Run(t.Context(), &console{out: &out, err: &out})
	if err == nil || !strings.Contains(forPerson(err), "not right at 1 place: nothing is lost") {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(out.String(), "the row 01") || !strings.Contains(out.String(), "the youngest revision is r9") {
		t.Errorf("it says %q", out.String())
	}
}
