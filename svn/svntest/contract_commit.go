package svntest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/svn"
)

func testPut(f *fixture) {
	props := svn.Props{"havre:a": "1", "havre:binary": "\x00\xff\n", "havre:empty": ""}
	rev := f.commit(
		put("a", "hello"),
		withProps(put("b", ""), props),
		svn.Change{Op: svn.OpPut, Path: "never written", Base: svn.InvalidRevnum},
		withSHA1(put("c", "with a checksum"), "with a checksum"),
	)
	f.check(rev, Tree{"a": file("hello"), "b": file("").with(props), "never written": file(""), "c": file("with a checksum")})
	f.check(0, Tree{})
	node := f.stat("a", rev)
	if node.Kind != svn.KindFile || node.Size != 5 || node.CreatedRev != rev || len(node.Props) > 0 {
		f.t.Errorf("got %+v", node)
	}
	if diff := cmp.Diff(f.stat("b", rev).Props, props); diff != "" {
		f.t.Errorf("properties (-got +want):\n%s", diff)
	}
	requireError[*svn.NotFoundError](f.t, "stat before it was added", errOf(f.repo.Stat(f.ctx(), "a", 0)))
}

func errOf[T any](_ T, err error) error { return err }

func testPutChanges(f *fixture) {
	// Long enough for several delta windows.
	old := string(bytes.Repeat([]byte("0123456789abcdef"), 20000))
	changed := old[:150000] + "#" + old[150001:]
	longer := changed[:100] + "inserted" + changed[100:]
	one, two := svn.Props{"havre:a": "1"}, svn.Props{"havre:b": "2"}
	r1 := f.commit(withProps(put("f", old), one))
	r2 := f.commit(based(put("f", changed), r1))
	r3 := f.commit(svn.Change{Op: svn.OpPut, Path: "f", Base: r2, Props: two})
	r4 := f.commit(withProps(based(put("f", longer), r3), svn.Props{}))
	r5 := f.commit(based(put("f", ""), r4))
	r6 := f.commit(based(put("f", old), r5))
	f.check(r1, Tree{"f": file(old).with(one)})
	f.check(r2, Tree{"f": file(changed).with(one)})
	f.check(r3, Tree{"f": file(changed).with(two)})
	f.check(r4, Tree{"f": file(longer)})
	f.check(r5, Tree{"f": file("")})
	f.check(r6, Tree{"f": file(old)})
	modified := svn.PathChange{Path: "f", Action: svn.ActionModify, Kind: svn.KindFile}
	text, props, both := modified, modified, modified
	text.TextModified, props.PropsModified, both.TextModified, both.PropsModified = true, true, true, true
	f.checkChanges(r1, svn.PathChange{Path: "f", Action: svn.ActionAdd, Kind: svn.KindFile})
	f.checkChanges(r2, text)
	f.checkChanges(r3, props)
	f.checkChanges(r4, both)
}

func testDirectories(f *fixture) {
	props := svn.Props{"havre:a": "1"}
	r1 := f.commit(mkdir("d"), mkdir("d/e"), put("d/e/f", "x"), withProps(mkdir("g"), props))
	f.check(r1, Tree{"d": dir(), "d/e": dir(), "d/e/f": file("x"), "g": dir().with(props)})
	r2 := f.commit(svn.Change{Op: svn.OpMkdir, Path: "d", Base: r1, Props: props}, svn.Change{Op: svn.OpMkdir, Path: "g", Base: r1, Props: svn.Props{}})
	f.check(r2, Tree{"d": dir().with(props), "d/e": dir(), "d/e/f": file("x"), "g": dir()})
	f.checkChanges(r2,
		svn.PathChange{Path: "d", Action: svn.ActionModify, Kind: svn.KindDir, PropsModified: true},
		svn.PathChange{Path: "g", Action: svn.ActionModify, Kind: svn.KindDir, PropsModified: true})
	r3 := f.commit(svn.Change{Op: svn.OpMkdir, Path: "", Base: r2, Props: props})
	f.check(r3, Tree{"": dir().with(props), "d": dir().with(props), "d/e": dir(), "d/e/f": file("x"), "g": dir()})
	if size := f.stat("d", r3).Size; size != 0 {
		f.t.Errorf("a directory has size %d, want 0", size)
	}
}

func testCreatedRev(f *fixture) {
	r1 := f.commit(mkdir("d"), put("d/f", "1"), put("d/g", "1"), mkdir("other"))
	r2 := f.commit(based(put("d/f", "2"), r1))
	r3 := f.commit(copyOf("copy", "d", r2))
	r4 := f.commit(put("copy/new", "4"))
	tests := []struct {
		path svn.Path
		rev  svn.Revnum
		want svn.Revnum
	}{
		{"", r1, r1},
		{"d", r1, r1},
		{"d/f", r1, r1},
		{"", r2, r2},
		{"d", r2, r2},
		{"d/f", r2, r2},
		{"d/g", r2, r1},
		{"other", r2, r1},
		{"", r3, r3},
		{"copy", r3, r3},
		{"copy/f", r3, r2},
		{"copy/g", r3, r1},
		{"d", r3, r2},
		{"copy", r4, r4},
		{"copy/f", r4, r2},
		{"d", r4, r2},
	}
	for _, tt := range tests {
		if got := f.stat(tt.path, tt.rev).CreatedRev; got != tt.want {
			f.t.Errorf("/%s@%d: created in r%d, want r%d", tt.path, tt.rev, got, tt.want)
		}
	}
	if id := f.stat("d", r2).ID; id != "" {
		if got := f.stat("d", r4).ID; got != id {
			f.t.Errorf("a directory that is the same has ID %q, and later %q", id, got)
		}
		if got := f.stat("d", r1).ID; got == id {
			f.t.Errorf("a directory in which something changed kept its ID %q", id)
		}
		if a, b := f.stat("d/f", r4).ID, f.stat("copy/f", r4).ID; a != b {
			f.t.Errorf("an unchanged child of a copy has ID %q, its source %q", b, a)
		}
	}
}

func testDelete(f *fixture) {
	r1 := f.commit(mkdir("d"), put("d/f", "1"), put("g", "2"), put("h", "3"))
	r2 := f.commit(remove("d", r1), remove("g", r1))
	f.check(r2, Tree{"h": file("3")})
	f.check(r1, Tree{"d": dir(), "d/f": file("1"), "g": file("2"), "h": file("3")})
	f.checkChanges(r2,
		svn.PathChange{Path: "d", Action: svn.ActionDelete, Kind: svn.KindDir},
		svn.PathChange{Path: "g", Action: svn.ActionDelete, Kind: svn.KindFile})
	requireError[*svn.NotFoundError](f.t, "stat", errOf(f.repo.Stat(f.ctx(), "d/f", r2)))
	r3 := f.commit(put("g", "again"), remove("h", r1))
	f.check(r3, Tree{"g": file("again")})
	f.refuse(remove("", r3))
	f.refuse(remove("nothing there", r3))
}

func testCopy(f *fixture) {
	props := svn.Props{"havre:a": "1"}
	r1 := f.commit(mkdir("d"), withProps(put("d/f", "1"), props), mkdir("d/sub"), put("d/sub/g", "2"))
	r2 := f.commit(remove("d/f", r1))
	r3 := f.commit(copyOf("copy", "d", r1), copyOf("file", "d/f", r1), copyOf("d/sub/inner", "d/sub", r2))
	want := Tree{
		"d": dir(), "d/sub": dir(), "d/sub/g": file("2"), "d/sub/inner": dir(), "d/sub/inner/g": file("2"),
		"copy": dir(), "copy/f": file("1").with(props), "copy/sub": dir(), "copy/sub/g": file("2"), "file": file("1").with(props),
	}
	f.check(r3, want)
	f.checkChanges(r3,
		svn.PathChange{Path: "copy", Action: svn.ActionAdd, Kind: svn.KindDir, CopyFrom: &svn.CopySource{Path: "d", Rev: r1}},
		svn.PathChange{Path: "d/sub/inner", Action: svn.ActionAdd, Kind: svn.KindDir, CopyFrom: &svn.CopySource{Path: "d/sub", Rev: r2}},
		svn.PathChange{Path: "file", Action: svn.ActionAdd, Kind: svn.KindFile, CopyFrom: &svn.CopySource{Path: "d/f", Rev: r1}})
	// A move, and a change of what arrived with the first copy.
	r4 := f.commit(copyOf("moved", "copy", r3), remove("copy", r3), based(put("d/sub/inner/g", "changed"), r3))
	f.check(r4, Tree{
		"d": dir(), "d/sub": dir(), "d/sub/g": file("2"), "d/sub/inner": dir(), "d/sub/inner/g": file("changed"),
		"moved": dir(), "moved/f": file("1").with(props), "moved/sub": dir(), "moved/sub/g": file("2"), "file": file("1").with(props),
	})
	r5 := f.commit(copyOf("whole", "", r1))
	if got := string(ReadFile(f.t, f.repo, "whole/d/sub/g", r5)); got != "2" {
		f.t.Errorf("copy of the root: got %q, want 2", got)
	}
}

func testCopyAndChange(f *fixture) {
	props := svn.Props{"havre:a": "1"}
	r1 := f.commit(mkdir("d"), put("d/f", "1"), put("d/g", "2"), put("file", "old"))
	changed := withProps(copyOf("changed", "file", r1), props)
	changed.Content, changed.Size = Content([]byte("new")), 3
	r2 := f.commit(
		changed,
		withProps(copyOf("copy", "d", r1), props),
		based(put("copy/f", "1, changed in the copy"), r1),
		remove("copy/g", r1),
		put("copy/new", "3"),
	)
	f.check(r2, Tree{
		"d": dir(), "d/f": file("1"), "d/g": file("2"), "file": file("old"), "changed": file("new").with(props),
		"copy": dir().with(props), "copy/f": file("1, changed in the copy"), "copy/new": file("3"),
	})
	f.checkChanges(r2,
		svn.PathChange{
			Path: "changed", Action: svn.ActionAdd, Kind: svn.KindFile, TextModified: true, PropsModified: true,
			CopyFrom: &svn.CopySource{Path: "file", Rev: r1},
		},
		svn.PathChange{
			Path: "copy", Action: svn.ActionAdd, Kind: svn.KindDir, PropsModified: true,
			CopyFrom: &svn.CopySource{Path: "d", Rev: r1},
		},
		svn.PathChange{Path: "copy/f", Action: svn.ActionModify, Kind: svn.KindFile, TextModified: true},
		svn.PathChange{Path: "copy/g", Action: svn.ActionDelete, Kind: svn.KindFile},
		svn.PathChange{Path: "copy/new", Action: svn.ActionAdd, Kind: svn.KindFile})
}

func testCopyErrors(f *fixture) {
	r1 := f.commit(put("f", "1"), put("g", "2"))
	requireError[*svn.NotFoundError](f.t, "no source", f.refuse(copyOf("c", "nothing", r1)))
	requireError[*svn.NoSuchRevisionError](f.t, "source in the future", f.refuse(copyOf("c", "f", r1+1)))
	requireError[*svn.OutOfDateError](f.t, "onto something", f.refuse(copyOf("g", "f", r1)))
}

func testReplace(f *fixture) {
	r1 := f.commit(put("file", "1"), mkdir("dir"), put("dir/f", "2"), put("x", "3"))
	r2 := f.commit(
		remove("file", r1), mkdir("file"), put("file/inside", "4"),
		remove("dir", r1), put("dir", "5"),
		remove("x", r1), copyOf("x", "dir", r1),
	)
	f.check(r2, Tree{"file": dir(), "file/inside": file("4"), "dir": file("5"), "x": dir(), "x/f": file("2")})
	f.checkChanges(r2,
		svn.PathChange{Path: "dir", Action: svn.ActionReplace, Kind: svn.KindFile},
		svn.PathChange{Path: "file", Action: svn.ActionReplace, Kind: svn.KindDir},
		svn.PathChange{Path: "file/inside", Action: svn.ActionAdd, Kind: svn.KindFile},
		svn.PathChange{Path: "x", Action: svn.ActionReplace, Kind: svn.KindDir, CopyFrom: &svn.CopySource{Path: "dir", Rev: r1}})
}

func testSameNode(f *fixture) {
	r1 := f.commit(put("f", "1"), put("g", "1"))
	r2 := f.commit(
		based(put("f", "2"), r1), withProps(based(put("f", "3"), r1), svn.Props{"havre:a": "1"}), // twice
		put("passing", "4"), remove("passing", svn.InvalidRevnum), // nothing in the end
		remove("g", r1), put("g", "5"), remove("g", svn.InvalidRevnum), // deleted in the end
	)
	f.check(r2, Tree{"f": file("3").with(svn.Props{"havre:a": "1"})})
	f.checkChanges(r2,
		svn.PathChange{Path: "f", Action: svn.ActionModify, Kind: svn.KindFile, TextModified: true, PropsModified: true},
		svn.PathChange{Path: "g", Action: svn.ActionDelete, Kind: svn.KindFile})
}

func testParents(f *fixture) {
	r1 := f.commit(put("file", "1"), mkdir("dir"))
	for _, c := range []svn.Change{put("missing/f", "1"), put("file/f", "1"), mkdir("missing/d"), copyOf("file/c", "dir", r1)} {
		err := f.refuse(c)
		_, notFound := errors.AsType[*svn.NotFoundError](err)
		_, notDir := errors.AsType[*svn.NotDirError](err)
		_, outOfDate := errors.AsType[*svn.OutOfDateError](err)
		if !notFound && !notDir && !outOfDate {
			f.t.Errorf("/%s: got %v, want it not found, not a directory, or out of date", c.Path, err)
		}
	}
}

func testInvalidPaths(f *fixture) {
	for _, path := range []svn.Path{"a\nb", "a/../b", "./a", "a//b", "/a", "a/", "a\x00b", "a\xffb"} {
		requireError[*svn.InvalidPathError](f.t, fmt.Sprintf("put %q", path), f.refuse(put(path, "1")))
		requireError[*svn.InvalidPathError](f.t, fmt.Sprintf("mkdir %q", path), f.refuse(mkdir(path)))
	}
}

func testOddNames(f *fixture) {
	want := Tree{}
	var changes []svn.Change
	for i, name := range names {
		changes = append(changes, mkdir(svn.Path(name)), put(svn.Path(name).Join(name), fmt.Sprint(i)))
		want[svn.Path(name)] = dir()
		want[svn.Path(name).Join(name)] = file(fmt.Sprint(i))
	}
	f.check(f.commit(changes...), want)
}

func testBadContents(f *fixture) {
	r1 := f.commit(put("f", "old"))
	sum := requireError[*svn.ChecksumError](f.t, "wrong sha1", f.refuse(put("g", "good"), withSHA1(put("bad", "hello"), "jello")))
	if sum.Path != "bad" {
		f.t.Errorf("the error names /%s, want /bad", sum.Path)
	}
	short := withSHA1(put("g", "hello"), "hello")
	short.Size = 4
	requireError[*svn.ChecksumError](f.t, "wrong size", f.refuse(short))

	broken := errors.New("the disk fell down")
	late := based(put("f", ""), r1)
	late.Content = func() (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(bytes.NewReader(make([]byte, 300000)), iotest.ErrReader(broken))), nil
	}
	if err := f.refuse(put("g", "good"), late); !errors.Is(err, broken) {
		f.t.Errorf("reading failed: got %v, want %v", err, broken)
	}
	late.Content = func() (io.ReadCloser, error) { return nil, broken }
	if err := f.refuse(late); !errors.Is(err, broken) {
		f.t.Errorf("opening failed: got %v, want %v", err, broken)
	}

	var opened, closed int
	counted := put("g", "counted")
	counted.Content = func() (io.ReadCloser, error) {
		opened++
		return &closeCounter{Reader: bytes.NewReader([]byte("counted")), closed: &closed}, nil
	}
	f.check(f.commit(counted), Tree{"f": file("old"), "g": file("counted")})
	if opened == 0 || closed != opened {
		f.t.Errorf("contents were opened %d times and closed %d times", opened, closed)
	}
}

type closeCounter struct {
	io.Reader
	closed *int
}

func (c *closeCounter) Close() error {
	*c.closed++
	return nil
}

// testConcurrent has several committers change files of their own, and all of them one in common,
// which they try again when another one was faster.
func testConcurrent(f *fixture) {
	const committers, rounds = 4, 5
	start := f.commit(put("shared", ""))
	var wg sync.WaitGroup
	for i := range committers {
		wg.Go(func() {
			own := svn.Path(fmt.Sprintf("own %d", i))
			base := svn.InvalidRevnum
			for round := range rounds {
				rev, err := f.repo.Commit(f.ctx(), &svn.Commit{Changes: []svn.Change{based(put(own, fmt.Sprint(round)), base)}})
				if err != nil {
					f.t.Errorf("committer %d, round %d: %v", i, round, err)
					return
				}
				base = rev
			}
			if err := f.appendShared(fmt.Sprintf("%d\n", i)); err != nil {
				f.t.Errorf("committer %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	head := f.youngest()
	if want := start + committers*rounds + committers; head != want {
		f.t.Errorf("youngest is r%d, want r%d", head, want)
	}
	for i := range committers {
		own := svn.Path(fmt.Sprintf("own %d", i))
		if got, want := string(ReadFile(f.t, f.repo, own, head)), fmt.Sprint(rounds-1); got != want {
			f.t.Errorf("/%s: got %q, want %q", own, got, want)
		}
	}
	shared := ReadFile(f.t, f.repo, "shared", head)
	if got := bytes.Count(shared, []byte("\n")); got != committers {
		f.t.Errorf("/shared has %d lines, want %d: %q", got, committers, shared)
	}
}

// appendShared appends a line to the file in common, as often as it takes.
func (f *fixture) appendShared(line string) error {
	for {
		rev, err := f.repo.Youngest(f.ctx())
		if err != nil {
			return err
		}
		r, err := f.repo.Open(f.ctx(), "shared", rev)
		if err != nil {
			return err
		}
		old, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil {
			return err
		}
		_, err = f.repo.Commit(f.ctx(), &svn.Commit{Changes: []svn.Change{based(put("shared", string(old)+line), rev)}})
		if _, ok := errors.AsType[*svn.OutOfDateError](err); ok {
			continue
		}
		return err
	}
}

func testHistory(f *fixture, h *History) {
	h.Apply(f.t, f.repo)
	h.Check(f.t, f.repo)
}
