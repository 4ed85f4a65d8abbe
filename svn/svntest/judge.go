package svntest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/svn"
)

// Judge has all judges look at the repository in dir, which stays as it is: svnadmin verify, the
// checks of CheckFSFS for what verify does not see, a working copy updated through every
// revision, dump and load with and without deltas, svnsync, hotcopy, pack, upgrade, and commits by
// svn on top. It takes some 20 ms for each revision, and reads everything several times.
func Judge(t testing.TB, dir string) {
	t.Helper()
	JudgeQuick(t, dir)
	j := newJudge(t, dir)
	j.update()
	j.load("--deltas")
	j.load()
	j.sync()
	j.hotcopy()
	j.packed(2)
	j.upgrade()
	j.commitOnTop()
}

// JudgeQuick is for repositories of many revisions or much data: Verify, CheckFSFS, and an
// export of the youngest revision.
func JudgeQuick(t testing.TB, dir string) {
	t.Helper()
	RequireSubversion(t)
	Verify(t, dir)
	CheckFSFS(t, dir)
	Run(t, "svn", "export", "-q", "--ignore-externals", URL(dir, ""), filepath.Join(t.TempDir(), "export"))
}

// Verify runs svnadmin verify, and fails the test for warnings too. The cache is for wide
// directories, which take hours without one.
func Verify(t testing.TB, dir string) {
	t.Helper()
	if out := Run(t, "svnadmin", "verify", "-q", "-M", "1024", dir); out != "" {
		t.Fatalf("svnadmin verify %s:\n%s", dir, out)
	}
}

// Youngest returns the number of the last revision as svnlook reads it.
func Youngest(t testing.TB, dir string) svn.Revnum {
	t.Helper()
	n, err := strconv.ParseInt(strings.TrimSpace(Run(t, "svnlook", "youngest", dir)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return svn.Revnum(n)
}

// Pack returns a copy of the repository in dir that has shards of that many revisions, all full
// ones of which are packed.
func Pack(t testing.TB, dir string, shard int) string {
	t.Helper()
	to := Reshard(t, dir, shard)
	Run(t, "svnadmin", "pack", "-q", to)
	return to
}

// Reshard returns a copy of the unpacked repository in dir that has shards of that many revisions.
func Reshard(t testing.TB, dir string, shard int) string {
	t.Helper()
	to := hotcopy(t, dir)
	reshard(t, to, shard)
	return to
}

// SameDump fails the test if the dumps of two repositories differ in more than their identity and r0.
func SameDump(t testing.TB, what, got, want string) {
	t.Helper()
	newJudge(t, want).same(what, got)
}

func hotcopy(t testing.TB, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "hotcopy")
	Run(t, "svnadmin", "hotcopy", "-q", dir, to)
	return to
}

// reshard changes how many revisions a shard of an unpacked repository has. Only names of files
// depend on it.
func reshard(t testing.TB, dir string, size int) {
	t.Helper()
	db := filepath.Join(dir, "db")
	name := filepath.Join(db, "format")
	format, err := os.ReadFile(name)
	must(t, err)
	lines := strings.Split(string(format), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "layout ") {
			lines[i] = fmt.Sprintf("layout sharded %d", size)
		}
	}
	must(t, os.Remove(name)) // it is read-only
	must(t, os.WriteFile(name, []byte(strings.Join(lines, "\n")), 0o444))
	for _, kind := range []string{"revs", "revprops"} {
		old := filepath.Join(db, kind+".old")
		must(t, os.Rename(filepath.Join(db, kind), old))
		files, err := filepath.Glob(filepath.Join(old, "*", "*"))
		must(t, err)
		for _, file := range files {
			rev, err := strconv.Atoi(filepath.Base(file))
			if err != nil {
				t.Fatalf("%s: only unpacked repositories can be resharded", file)
			}
			to := filepath.Join(db, kind, strconv.Itoa(rev/size))
			must(t, os.MkdirAll(to, 0o755))
			must(t, os.Rename(file, filepath.Join(to, strconv.Itoa(rev))))
		}
		must(t, os.RemoveAll(old))
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// judge is a judgement on one repository.
type judge struct {
	t    testing.TB
	dir  string
	head svn.Revnum
	dump string // of all revisions, to compare with
}

func newJudge(t testing.TB, dir string) *judge {
	t.Helper()
	return &judge{t: t, dir: dir, head: Youngest(t, dir), dump: dumpAll(t, dir)}
}

func dumpAll(t testing.TB, dir string, args ...string) string {
	t.Helper()
	return Run(t, "svnadmin", append([]string{"dump", "-q", "-M", "256", dir}, args...)...)
}

// same fails the test if the dump of another repository differs in more than its identity and r0.
func (j *judge) same(what, dir string) {
	j.t.Helper()
	got, want := dumpRevisions(dumpAll(j.t, dir)), dumpRevisions(j.dump)
	if got == want {
		return
	}
	diff := cmp.Diff(strings.Split(got, "\n"), strings.Split(want, "\n"))
	j.t.Fatalf("%s: the dumps differ (-got +want):\n%s", what, diff[:min(len(diff), 4000)])
}

// dumpRevisions returns the part of a dump from r1 on, without what says whether a file without
// contents ever was given any: loading does so.
func dumpRevisions(dump string) string {
	_, rest, _ := strings.Cut(dump, "\nRevision-number: 1\n")
	for _, kind := range []string{"content", "copy-source"} {
		rest = strings.ReplaceAll(rest, "Text-"+kind+"-md5: d41d8cd98f00b204e9800998ecf8427e\n", "")
		rest = strings.ReplaceAll(rest, "Text-"+kind+"-sha1: da39a3ee5e6b4b0d3255bfef95601890afd80709\n", "")
	}
	return rest
}

// update checks out r0 and updates the working copy to each revision, which streams the deltas as
// they are stored; at some it is compared with an export.
func (j *judge) update() {
	t := j.t
	t.Helper()
	wc := filepath.Join(t.TempDir(), "wc")
	Run(t, "svn", "checkout", "-q", "-r", "0", URL(j.dir, ""), wc)
	every := max(1, j.head/4)
	for rev := svn.Revnum(1); rev <= j.head; rev++ {
		Run(t, "svn", "update", "-q", "-r", fmt.Sprint(rev), wc)
		if rev%every == 0 || rev == j.head {
			export := filepath.Join(t.TempDir(), "export")
			Run(t, "svn", "export", "-q", "-r", fmt.Sprint(rev), URL(j.dir, ""), export)
			sameFiles(t, fmt.Sprintf("working copy updated to r%d", rev), wc, export)
		}
	}
	if status := Run(t, "svn", "status", wc); status != "" {
		t.Fatalf("working copy updated to r%d is changed:\n%s", j.head, status)
	}
	// Backwards, and over many revisions at once.
	Run(t, "svn", "update", "-q", "-r", fmt.Sprint(j.head/2), wc)
	Run(t, "svn", "update", "-q", wc)
}

func (j *judge) load(args ...string) {
	j.t.Helper()
	dump := dumpAll(j.t, j.dir, args...)
	to := Create(j.t)
	RunIn(j.t, strings.NewReader(dump), "svnadmin", "load", "-q", "--no-flush-to-disk", to)
	j.same(fmt.Sprintf("dump %s and load", args), to)
}

func (j *judge) sync() {
	t := j.t
	t.Helper()
	to := Create(t)
	hook := filepath.Join(to, "hooks", "pre-revprop-change")
	must(t, os.WriteFile(hook, []byte("#!/bin/sh\nexit 0\n"), 0o755))
	Run(t, "svnsync", "initialize", "-q", URL(to, ""), URL(j.dir, ""))
	Run(t, "svnsync", "synchronize", "-q", URL(to, ""))
	j.same("svnsync", to)
}

func (j *judge) hotcopy() {
	j.t.Helper()
	to := hotcopy(j.t, j.dir)
	Verify(j.t, to)
	j.same("hotcopy", to)
}

func (j *judge) packed(shard int) {
	j.t.Helper()
	to := Pack(j.t, j.dir, shard)
	Verify(j.t, to)
	j.same("pack", to)
}

func (j *judge) upgrade() {
	j.t.Helper()
	to := hotcopy(j.t, j.dir)
	Run(j.t, "svnadmin", "upgrade", to)
	Verify(j.t, to)
	j.same("upgrade", to)
}

// sameFiles compares two directories, except for the administrative one of a working copy.
func sameFiles(t testing.TB, what, got, want string) {
	t.Helper()
	if diff := cmp.Diff(fileLines(t, got), fileLines(t, want)); diff != "" {
		t.Fatalf("%s (-got +want):\n%s", what, diff[:min(len(diff), 4000)])
	}
}
