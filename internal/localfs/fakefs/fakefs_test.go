package fakefs_test

import (
	"errors"
	"io"
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/internal/localfs"
	"github.com/havre-cloud/havre/internal/localfs/fakefs"
	"github.com/havre-cloud/havre/internal/localfs/localfstest"
	"github.com/havre-cloud/havre/svn"
)

// person is a User that ends the test when something goes wrong.
type person struct {
	t *testing.T
	fakefs.User
}

func (p person) ok(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p person) Write(path svn.Path, content string)   { p.ok(p.User.Write(path, content)) }
func (p person) Replace(path svn.Path, content string) { p.ok(p.User.Replace(path, content)) }
func (p person) Mkdir(path svn.Path)                   { p.ok(p.User.Mkdir(path)) }
func (p person) Symlink(target string, path svn.Path)  { p.ok(p.User.Symlink(target, path)) }
func (p person) Rename(from, to svn.Path)              { p.ok(p.User.Rename(from, to)) }
func (p person) Remove(path svn.Path)                  { p.ok(p.User.Remove(path)) }

func (p person) OpenWriter(path svn.Path) io.WriteCloser {
	w, err := p.User.OpenWriter(path)
	p.ok(err)
	return w
}

func fresh(t *testing.T) (*fakefs.FS, person) {
	f := fakefs.New()
	if err := f.Init(localfstest.Folder); err != nil {
		t.Fatal(err)
	}
	return f, person{t, f.User()}
}

func TestContract(t *testing.T) {
	for _, fold := range []bool{false, true} {
		t.Run(map[bool]string{false: "exact names", true: "folded names"}[fold], func(t *testing.T) {
			localfstest.Test(t, func(t *testing.T) (localfs.FS, localfstest.Person) {
				f, p := fresh(t)
				f.Fold = fold
				return f, p
			})
		})
	}
}

func TestFold(t *testing.T) {
	f, p := fresh(t)
	f.Fold = true
	p.Write("Cafe\u0301", "x")
	if _, err := f.Stat("CAFÉ"); err != nil {
		t.Error(err)
	}
	if _, err := f.Mkdir("café"); err == nil {
		t.Error("two names that are one")
	}
}

func TestCrash(t *testing.T) {
	states := map[string]bool{}
	for seed := range uint64(50) {
		g, q := fresh(t)
		q.Write("old", "old")
		temp, err := g.CreateTemp()
		q.ok(err)
		_, err = io.WriteString(temp, "new")
		q.ok(err)
		q.ok(g.SyncTemps([]localfs.Temp{temp}))
		info, err := g.Stat("old")
		q.ok(err)
		_, err = g.Commit(temp, "old", &info)
		q.ok(err)
		_, err = g.Mkdir("d")
		q.ok(err)
		g.Crash(rand.New(rand.NewPCG(seed, 1)))
		tree := q.Tree()
		_, dir := tree["d"]
		states[tree["old"].Content] = true
		if dir && tree["old"].Content != "new" {
			t.Error("a later change of names is durable without the earlier one")
		}
	}
	if diff := cmp.Diff(map[string]bool{"old": true, "new": true}, states); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestCrashLosesUnsyncedContents(t *testing.T) {
	f, p := fresh(t)
	temp, err := f.ResumeTemp("k")
	p.ok(err)
	_, err = io.WriteString(temp, "half")
	p.ok(err)
	p.ok(f.SyncDirs(nil))
	f.Crash(rand.New(rand.NewPCG(1, 1)))
	if _, err := io.WriteString(temp, "x"); !errors.Is(err, syscall.EBADF) {
		t.Errorf("a handle survives: %v", err)
	}
	temp, err = f.ResumeTemp("k")
	p.ok(err)
	if temp.Size() != 0 {
		t.Errorf("%d bytes survive without fsync", temp.Size())
	}
}

func TestFail(t *testing.T) {
	f, p := fresh(t)
	p.Write("f", "x")
	f.Fail = func(op string, p svn.Path) error {
		if op == "write" {
			return syscall.ENOSPC
		}
		if op == "open" && p == "f" {
			return syscall.EACCES
		}
		return nil
	}
	temp, err := f.CreateTemp()
	p.ok(err)
	if _, err := io.WriteString(temp, "x"); !localfs.IsFull(err) {
		t.Error(err)
	}
	if _, err := f.Open("f"); !errors.Is(err, syscall.EACCES) {
		t.Error(err)
	}
}
