package svntest

import (
	"context"
	"crypto/sha1"
	"errors"
	"iter"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/havre-cloud/havre/svn"
)

// TestRepository is the contract of svn.Repository, as subtests. The function opens a new
// repository at r0 each time and has it closed at the end of the test.
//
// Size and order, errors, and what a commit does are the same for all implementations. Where the
// interface lets a repository say that it does not know (checksums, IDs), it may.
func TestRepository(t *testing.T, open func(t *testing.T) svn.Repository) {
	tests := []struct {
		name string
		run  func(f *fixture)
	}{
		{"new repository", testNew},
		{"no such revision", testNoSuchRevision},
		{"put", testPut},
		{"put changes", testPutChanges},
		{"directories", testDirectories},
		{"created revision and ID", testCreatedRev},
		{"delete", testDelete},
		{"copy", testCopy},
		{"copy and change", testCopyAndChange},
		{"copy errors", testCopyErrors},
		{"replace", testReplace},
		{"several changes of one node", testSameNode},
		{"parents", testParents},
		{"invalid paths", testInvalidPaths},
		{"odd names", testOddNames},
		{"out of date", testOutOfDate},
		{"all that is out of date", testAllOutOfDate},
		{"bad contents", testBadContents},
		{"revision properties", testRevProps},
		{"empty commit", testEmptyCommit},
		{"log", testLog},
		{"list", testList},
		{"walk", testWalk},
		{"read and skip", testSkipTo},
		{"wait", testWait},
		{"concurrent commits", testConcurrent},
		{"random history", func(f *fixture) { testHistory(f, RandomHistory(f.t, 7, 25)) }},
		{"random history with rewrites", func(f *fixture) { testHistory(f, RandomRewrites(f.t, 8, 15)) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.run(&fixture{t: t, repo: open(t)})
		})
	}
}

// fixture is one subtest of the contract.
type fixture struct {
	t    *testing.T
	repo svn.Repository
}

func (f *fixture) ctx() context.Context { return f.t.Context() }

// commit commits the changes, upon which the youngest revision has to be the one it makes.
func (f *fixture) commit(changes ...svn.Change) svn.Revnum {
	f.t.Helper()
	before := f.youngest()
	rev, err := f.repo.Commit(f.ctx(), &svn.Commit{Changes: changes})
	if err != nil {
		f.t.Fatalf("commit:\n%s%v", Describe(&svn.Commit{Changes: changes}), err)
	}
	if rev != before+1 || f.youngest() != rev {
		f.t.Fatalf("commit upon r%d made r%d, youngest is r%d", before, rev, f.youngest())
	}
	return rev
}

// refuse has the changes refused and returns the error. Nothing may be left behind.
func (f *fixture) refuse(changes ...svn.Change) error {
	f.t.Helper()
	before := f.youngest()
	tree := RepositoryTree(f.t, f.repo, before)
	rev, err := f.repo.Commit(f.ctx(), &svn.Commit{Changes: changes})
	if err == nil {
		f.t.Fatalf("committed as r%d:\n%s", rev, Describe(&svn.Commit{Changes: changes}))
	}
	if got := f.youngest(); got != before {
		f.t.Fatalf("refused with %v, but the youngest revision is r%d, was r%d", err, got, before)
	}
	RequireSameTree(f.t, "after a refused commit", RepositoryTree(f.t, f.repo, before), tree)
	return err
}

func (f *fixture) youngest() svn.Revnum {
	f.t.Helper()
	rev, err := f.repo.Youngest(f.ctx())
	if err != nil {
		f.t.Fatal(err)
	}
	return rev
}

func (f *fixture) stat(path svn.Path, rev svn.Revnum) *svn.Node {
	f.t.Helper()
	node, err := f.repo.Stat(f.ctx(), path, rev)
	if err != nil {
		f.t.Fatalf("stat /%s@%d: %v", path, rev, err)
	}
	if node.Path != path {
		f.t.Errorf("stat /%s@%d: got the node of /%s", path, rev, node.Path)
	}
	return node
}

// check compares the tree of a revision with what is expected below the root.
func (f *fixture) check(rev svn.Revnum, want Tree) {
	f.t.Helper()
	if _, ok := want[""]; !ok {
		want[""] = Entry{Kind: svn.KindDir}
	}
	RequireSameTree(f.t, "", RepositoryTree(f.t, f.repo, rev), want)
}

// changes returns the changed paths of a revision; flags of plain additions and deletions, about
// which nothing is promised, are cleared.
func (f *fixture) changes(rev svn.Revnum) []svn.PathChange {
	f.t.Helper()
	for r, err := range f.repo.Log(f.ctx(), rev, rev) {
		if err != nil {
			f.t.Fatal(err)
		}
		for i := range r.Changes {
			c := &r.Changes[i]
			if c.CopyFrom == nil && c.Action != svn.ActionModify {
				c.TextModified, c.PropsModified = false, false
			}
		}
		return r.Changes
	}
	f.t.Fatalf("the log of r%d is empty", rev)
	return nil
}

func (f *fixture) checkChanges(rev svn.Revnum, want ...svn.PathChange) {
	f.t.Helper()
	if diff := cmp.Diff(f.changes(rev), want, cmpopts.EquateEmpty()); diff != "" {
		f.t.Errorf("changes of r%d (-got +want):\n%s", rev, diff)
	}
}

// requireError fails the test unless err is an E, and returns it.
func requireError[E error](t testing.TB, what string, err error) E {
	t.Helper()
	e, ok := errors.AsType[E](err)
	if !ok {
		t.Fatalf("%s: got error %v (%T), want a %T", what, err, err, e)
	}
	return e
}

// lastError ranges over what an iterator yields and returns the error it ends with.
func lastError[T any](t testing.TB, seq iter.Seq2[T, error]) error {
	t.Helper()
	var last error
	for _, err := range seq {
		if last != nil {
			t.Error("an iterator goes on after an error")
		}
		last = err
	}
	return last
}

// Changes in short. Unless said otherwise they expect nothing at the path.

func put(path svn.Path, content string) svn.Change {
	return svn.Change{Op: svn.OpPut, Path: path, Base: svn.InvalidRevnum, Content: Content([]byte(content)), Size: int64(len(content))}
}

func mkdir(path svn.Path) svn.Change {
	return svn.Change{Op: svn.OpMkdir, Path: path, Base: svn.InvalidRevnum}
}

func remove(path svn.Path, base svn.Revnum) svn.Change {
	return svn.Change{Op: svn.OpDelete, Path: path, Base: base}
}

func copyOf(path, from svn.Path, rev svn.Revnum) svn.Change {
	return svn.Change{Op: svn.OpCopy, Path: path, Base: svn.InvalidRevnum, CopyFrom: &svn.CopySource{Path: from, Rev: rev}}
}

func based(c svn.Change, base svn.Revnum) svn.Change {
	c.Base = base
	return c
}

func withProps(c svn.Change, props svn.Props) svn.Change {
	c.Props = props
	return c
}

func withSHA1(c svn.Change, content string) svn.Change {
	sum := sha1.Sum([]byte(content))
	c.SHA1, c.Size = sum[:], int64(len(content))
	return c
}

func file(content string) Entry { return Entry{Kind: svn.KindFile, Content: []byte(content)} }

func dir() Entry { return Entry{Kind: svn.KindDir} }

func (e Entry) with(props svn.Props) Entry {
	e.Props = props
	return e
}

// paths collects the paths of nodes.
func paths(t testing.TB, seq iter.Seq2[*svn.Node, error]) []svn.Path {
	t.Helper()
	var all []svn.Path
	for node, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, node.Path)
	}
	return slices.Clip(all)
}
