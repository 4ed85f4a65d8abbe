package svntest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/havre-cloud/havre/svn"
)

func testNew(f *fixture) {
	if rev := f.youngest(); rev != 0 {
		f.t.Errorf("youngest is r%d, want r0", rev)
	}
	if a, b := f.repo.UUID(), f.repo.UUID(); a == "" || a != b {
		f.t.Errorf("the UUID is %q, then %q", a, b)
	}
	if root := f.stat("", 0); root.Kind != svn.KindDir || root.CreatedRev != 0 || len(root.Props) > 0 {
		f.t.Errorf("root of r0: got %+v", root)
	}
	f.check(0, Tree{})
	if got := paths(f.t, f.repo.List(f.ctx(), "", 0, true)); len(got) > 0 {
		f.t.Errorf("entries of r0: got %q", got)
	}
	f.checkChanges(0)
	requireError[*svn.NotFileError](f.t, "open the root", errOf(f.repo.Open(f.ctx(), "", 0)))
	requireError[*svn.NotFoundError](f.t, "stat", errOf(f.repo.Stat(f.ctx(), "a/b", 0)))
	requireError[*svn.NotFoundError](f.t, "open", errOf(f.repo.Open(f.ctx(), "a", 0)))
	requireError[*svn.NotFoundError](f.t, "list", lastError(f.t, f.repo.List(f.ctx(), "a", 0, false)))
	requireError[*svn.NotFoundError](f.t, "walk", lastError(f.t, f.repo.Walk(f.ctx(), "a", 0, "")))
}

func testNoSuchRevision(f *fixture) {
	rev := f.commit(put("f", "1"))
	calls := map[string]func(rev svn.Revnum) error{
		"stat":      func(rev svn.Revnum) error { return errOf(f.repo.Stat(f.ctx(), "f", rev)) },
		"open":      func(rev svn.Revnum) error { return errOf(f.repo.Open(f.ctx(), "f", rev)) },
		"list":      func(rev svn.Revnum) error { return lastError(f.t, f.repo.List(f.ctx(), "", rev, false)) },
		"walk":      func(rev svn.Revnum) error { return lastError(f.t, f.repo.Walk(f.ctx(), "", rev, "")) },
		"log":       func(rev svn.Revnum) error { return lastError(f.t, f.repo.Log(f.ctx(), 0, rev)) },
		"log down":  func(rev svn.Revnum) error { return lastError(f.t, f.repo.Log(f.ctx(), rev, 0)) },
		"rev props": func(rev svn.Revnum) error { return errOf(f.repo.RevProps(f.ctx(), rev)) },
	}
	for name, call := range calls {
		if err := call(rev); err != nil {
			f.t.Errorf("%s of r%d: %v", name, rev, err)
		}
		err := requireError[*svn.NoSuchRevisionError](f.t, name, call(rev+1))
		if err.Rev != rev+1 || err.Youngest != rev {
			f.t.Errorf("%s of r%d: the error says %+v", name, rev+1, err)
		}
	}
}

// outOfDateTests are a change each, based on r1 in which base was committed, after others committed
// what others says.
var outOfDateTests = []struct {
	name   string
	others []svn.Change
	change svn.Change
	want   bool
}{
	{"file, nothing else", nil, based(put("d/f", "new"), 1), false},
	{"file, another changed", []svn.Change{based(put("d/g", "2"), 1)}, based(put("d/f", "new"), 1), false},
	{"file, changed", []svn.Change{based(put("d/f", "2"), 1)}, based(put("d/f", "new"), 1), true},
	{"file, properties changed", []svn.Change{withProps(propsOnly("d/f", 1), svn.Props{"p": "1"})}, based(put("d/f", "new"), 1), true},
	{"properties of a file, changed", []svn.Change{based(put("d/f", "2"), 1)}, withProps(propsOnly("d/f", 1), svn.Props{"p": "1"}), true},
	{"file, deleted", []svn.Change{remove("d/f", 1)}, based(put("d/f", "new"), 1), true},
	{"file, its directory deleted", []svn.Change{remove("d", 1)}, based(put("d/f", "new"), 1), true},
	{"file, replaced", []svn.Change{remove("d/f", 1), put("d/f", "1")}, based(put("d/f", "new"), 1), true},
	{"file, replaced by a directory", []svn.Change{remove("d/f", 1), mkdir("d/f")}, based(put("d/f", "new"), 1), true},
	{"file, its directory's properties changed", []svn.Change{dirProps("d", 1)}, based(put("d/f", "new"), 1), false},
	{"new file, another added", []svn.Change{put("d/new2", "2")}, put("d/new", "1"), false},
	{"new file, exists", nil, put("d/f", "new"), true},
	{"new file, added", []svn.Change{put("d/new", "2")}, put("d/new", "1"), true},
	{"new file, a directory added", []svn.Change{mkdir("d/new")}, put("d/new", "1"), true},
	{"new directory, exists", nil, mkdir("d"), true},
	{"new directory, added", []svn.Change{mkdir("new")}, mkdir("new"), true},
	{"new copy, added", []svn.Change{mkdir("new")}, copyOf("new", "d", 1), true},
	{"copy of what changed", []svn.Change{based(put("d/f", "2"), 1)}, copyOf("new", "d", 1), false},
	{"copy of what was deleted", []svn.Change{remove("d", 1)}, copyOf("new", "d", 1), false},
	{"properties of a directory, a child changed", []svn.Change{based(put("d/f", "2"), 1)}, dirProps("d", 1), false},
	{"properties of a directory, a child added", []svn.Change{put("d/new", "2")}, dirProps("d", 1), false},
	{"properties of a directory, changed", []svn.Change{withProps(dirProps("d", 1), svn.Props{"q": "2"})}, dirProps("d", 1), true},
	{"properties of a directory, deleted", []svn.Change{remove("d", 1)}, dirProps("d", 1), true},
	{"delete a file, nothing else", nil, remove("d/f", 1), false},
	{"delete a file, another changed", []svn.Change{based(put("d/g", "2"), 1)}, remove("d/f", 1), false},
	{"delete a file, changed", []svn.Change{based(put("d/f", "2"), 1)}, remove("d/f", 1), true},
	{"delete a file, deleted", []svn.Change{remove("d/f", 1)}, remove("d/f", 1), true},
	{"delete a directory, nothing in it", []svn.Change{based(put("x", "2"), 1)}, remove("d", 1), false},
	{"delete a directory, a child changed", []svn.Change{based(put("d/f", "2"), 1)}, remove("d", 1), true},
	{"delete a directory, a grandchild changed", []svn.Change{based(put("d/e/h", "2"), 1)}, remove("d", 1), true},
	{"delete a directory, a grandchild added", []svn.Change{put("d/e/new", "2")}, remove("d", 1), true},
	{"delete a directory, a child deleted", []svn.Change{remove("d/f", 1)}, remove("d", 1), true},
	{"delete a directory, its properties changed", []svn.Change{dirProps("d", 1)}, remove("d", 1), true},
	{"delete a directory, changed beside it", []svn.Change{put("d.txt", "2")}, remove("d", 1), false},
}

func propsOnly(path svn.Path, base svn.Revnum) svn.Change {
	return svn.Change{Op: svn.OpPut, Path: path, Base: base}
}

func dirProps(path svn.Path, base svn.Revnum) svn.Change {
	return svn.Change{Op: svn.OpMkdir, Path: path, Base: base, Props: svn.Props{"p": "1"}}
}

// testOutOfDate puts every case into a directory of its own, to do with one repository. The others'
// commits then are in the way of nothing but their case.
func testOutOfDate(f *fixture) {
	into := func(i int, c svn.Change, base svn.Revnum) svn.Change {
		root := svn.Path(fmt.Sprint(i))
		c.Path = root.Join(string(c.Path))
		if c.Base == 1 {
			c.Base = base
		}
		if c.CopyFrom != nil {
			c.CopyFrom = &svn.CopySource{Path: root.Join(string(c.CopyFrom.Path)), Rev: base}
		}
		return c
	}
	var setup, others []svn.Change
	for i := range outOfDateTests {
		for _, c := range []svn.Change{mkdir(""), mkdir("d"), put("d/f", "1"), put("d/g", "1"), mkdir("d/e"), put("d/e/h", "1"), put("x", "1")} {
			setup = append(setup, into(i, c, 0))
		}
	}
	base := f.commit(setup...)
	for i, tt := range outOfDateTests {
		for _, c := range tt.others {
			others = append(others, into(i, c, base))
		}
	}
	head := f.commit(others...)
	for i, tt := range outOfDateTests {
		c := into(i, tt.change, base)
		rev, err := f.repo.Commit(f.ctx(), &svn.Commit{Changes: []svn.Change{c}})
		if !tt.want {
			if err != nil {
				f.t.Errorf("%s: %v", tt.name, err)
			} else {
				head = rev
			}
			continue
		}
		outOfDate, ok := errors.AsType[*svn.OutOfDateError](err)
		if !ok {
			f.t.Errorf("%s: got r%d, %v, want it out of date", tt.name, rev, err)
			continue
		}
		want := []svn.OutOfDate{{Index: 0, Path: c.Path}}
		if diff := cmp.Diff(outOfDate.Changes, want, cmpopts.IgnoreFields(svn.OutOfDate{}, "Reason")); diff != "" {
			f.t.Errorf("%s (-got +want):\n%s", tt.name, diff)
		}
		if outOfDate.Youngest != head || f.youngest() != head {
			f.t.Errorf("%s: the error names r%d, youngest is r%d, want r%d", tt.name, outOfDate.Youngest, f.youngest(), head)
		}
	}
}

// testAllOutOfDate wants all stale changes named at once, in order, and nothing of the others done.
func testAllOutOfDate(f *fixture) {
	r1 := f.commit(put("a", "1"), put("b", "1"), put("c", "1"), mkdir("d"), put("d/e", "1"))
	r2 := f.commit(based(put("a", "2"), r1), remove("c", r1), put("d/new", "2"), put("x", "2"))
	err := requireError[*svn.OutOfDateError](f.t, "commit", f.refuse(
		based(put("a", "3"), r1), based(put("b", "3"), r1), remove("c", r1), remove("d", r1), put("new", "3"), put("x", "3")))
	want := []svn.OutOfDate{{Index: 0, Path: "a"}, {Index: 2, Path: "c"}, {Index: 3, Path: "d"}, {Index: 5, Path: "x"}}
	if diff := cmp.Diff(err.Changes, want, cmpopts.IgnoreFields(svn.OutOfDate{}, "Reason")); diff != "" {
		f.t.Errorf("(-got +want):\n%s", diff)
	}
	for _, c := range err.Changes {
		if c.Reason == "" {
			f.t.Errorf("/%s: no reason given", c.Path)
		}
	}
	// What was known at the youngest revision is taken.
	f.commit(based(put("a", "3"), r2), remove("d", r2))
}

func testRevProps(f *fixture) {
	props := svn.Props{svn.PropAuthor: "zoé", svn.PropLog: "two\nlines\n", "havre:commit": "\x00\xff"}
	var last svn.Props
	for i := range 3 {
		rev, err := f.repo.Commit(f.ctx(), &svn.Commit{RevProps: props, Changes: []svn.Change{put(svn.Path(fmt.Sprint(i)), "1")}})
		if err != nil {
			f.t.Fatal(err)
		}
		got, err := f.repo.RevProps(f.ctx(), rev)
		if err != nil {
			f.t.Fatal(err)
		}
		if _, err := svn.ParseTime(got[svn.PropDate]); err != nil {
			f.t.Errorf("r%d: svn:date: %v", rev, err)
		}
		if last != nil && got[svn.PropDate] < last[svn.PropDate] {
			f.t.Errorf("r%d has date %s, the revision before %s", rev, got[svn.PropDate], last[svn.PropDate])
		}
		last = got
		want := svn.Props{svn.PropDate: got[svn.PropDate]}
		maps.Copy(want, props)
		if diff := cmp.Diff(got, want); diff != "" {
			f.t.Errorf("r%d (-got +want):\n%s", rev, diff)
		}
		for r, err := range f.repo.Log(f.ctx(), rev, rev) {
			if err != nil || r.Author() != "zoé" || r.Date().IsZero() {
				f.t.Fatalf("log of r%d: %+v, %v", rev, r, err)
			}
			if diff := cmp.Diff(r.Props, want); diff != "" {
				f.t.Errorf("log of r%d (-got +want):\n%s", rev, diff)
			}
		}
	}
	if len(props) != 3 {
		f.t.Errorf("the commit's properties were changed: %q", props)
	}
}

func testEmptyCommit(f *fixture) {
	r1 := f.commit(put("f", "1"))
	r2 := f.commit()
	f.check(r2, Tree{"f": file("1")})
	f.checkChanges(r2)
	r3 := f.commit(based(put("f", "2"), r1))
	f.check(r3, Tree{"f": file("2")})
}

func testLog(f *fixture) {
	for i := range 5 {
		f.commit(put(svn.Path(fmt.Sprint(i)), "1"), put("a b", "1"), remove("a b", svn.InvalidRevnum), mkdir(svn.Path(fmt.Sprintf("%d.d", i))))
	}
	tests := []struct {
		name        string
		first, last svn.Revnum
		want        []svn.Revnum
	}{
		{"upwards", 1, 4, []svn.Revnum{1, 2, 3, 4}},
		{"downwards", 5, 2, []svn.Revnum{5, 4, 3, 2}},
		{"one", 3, 3, []svn.Revnum{3}},
		{"from the start", 0, 1, []svn.Revnum{0, 1}},
	}
	for _, tt := range tests {
		var got []svn.Revnum
		for r, err := range f.repo.Log(f.ctx(), tt.first, tt.last) {
			if err != nil {
				f.t.Fatalf("%s: %v", tt.name, err)
			}
			got = append(got, r.Rev)
			if !slices.IsSortedFunc(r.Changes, func(a, b svn.PathChange) int { return a.Path.Compare(b.Path) }) {
				f.t.Errorf("changes of r%d are not sorted: %+v", r.Rev, r.Changes)
			}
		}
		if diff := cmp.Diff(got, tt.want); diff != "" {
			f.t.Errorf("%s (-got +want):\n%s", tt.name, diff)
		}
	}
	for r := range f.repo.Log(f.ctx(), 2, 5) {
		if r.Rev != 2 {
			f.t.Errorf("got r%d first, want r2", r.Rev)
		}
		break
	}
}

func testList(f *fixture) {
	props := svn.Props{"havre:a": "1"}
	rev := f.commit(mkdir("d"), withProps(put("d/b", "123"), props), mkdir("d/a"), put("d/a/inside", "1"), put("d/a b", ""), put("d/é", ""), put("d/B", ""))
	for _, asked := range []bool{true, false} {
		var got []svn.Path
		for node, err := range f.repo.List(f.ctx(), "d", rev, asked) {
			if err != nil {
				f.t.Fatal(err)
			}
			got = append(got, node.Path)
			if node.Path != "d/b" {
				continue
			}
			if node.Size != 3 || node.Kind != svn.KindFile || node.CreatedRev != rev {
				f.t.Errorf("got %+v", node)
			}
			if diff := cmp.Diff(node.Props, props); asked && diff != "" {
				f.t.Errorf("properties (-got +want):\n%s", diff)
			}
		}
		if diff := cmp.Diff(got, []svn.Path{"d/B", "d/a", "d/a b", "d/b", "d/é"}); diff != "" {
			f.t.Errorf("(-got +want):\n%s", diff)
		}
	}
	for range f.repo.List(f.ctx(), "d", rev, false) {
		break
	}
	requireError[*svn.NotDirError](f.t, "list a file", lastError(f.t, f.repo.List(f.ctx(), "d/b", rev, false)))
	requireError[*svn.NotFoundError](f.t, "list nothing", lastError(f.t, f.repo.List(f.ctx(), "d/b/c", rev, false)))
}

func testWalk(f *fixture) {
	all := []svn.Path{"", "a", "a/b", "a/b/x", "a/b/y", "a/b c", "a/c", "a b", "a b/z", "a.txt", "b", "b/c"}
	dirs := map[svn.Path]bool{"a": true, "a/b": true, "a b": true, "b": true}
	var changes []svn.Change
	for _, p := range all[1:] {
		if dirs[p] {
			changes = append(changes, mkdir(p))
		} else {
			changes = append(changes, put(p, string(p)))
		}
	}
	rev := f.commit(changes...)
	below := func(root, after svn.Path) (want []svn.Path) {
		for _, p := range all {
			if _, ok := p.Rel(root); ok && (after == "" || p.Compare(after) > 0) {
				want = append(want, p)
			}
		}
		return want
	}
	for _, root := range []svn.Path{"", "a", "a/b", "a.txt"} {
		afters := append([]svn.Path{"a/b/x/gone", "a/b/xx", "a/bb", "a-", "0", "c"}, all...)
		for _, after := range afters {
			got := paths(f.t, f.repo.Walk(f.ctx(), root, rev, after))
			if diff := cmp.Diff(got, below(root, after), cmpopts.EquateEmpty()); diff != "" {
				f.t.Errorf("walk /%s after %q (-got +want):\n%s", root, after, diff)
			}
		}
	}
	for range f.repo.Walk(f.ctx(), "", rev, "") {
		break
	}
}

func testSkipTo(f *fixture) {
	content := make([]byte, 350000)
	for i := range content {
		content[i] = byte(i*i>>7 ^ i)
	}
	r1 := f.commit(put("f", string(content)))
	content[100] ^= 1
	content[200000] ^= 1
	r2 := f.commit(based(put("f", string(content)), r1))
	for _, offset := range []int{0, 1, 102399, 102400, 102401, 204800, 300000, 349999, 350000} {
		for _, first := range []int{0, 10} { // bytes read before
			r, err := f.repo.Open(f.ctx(), "f", r2)
			if err != nil {
				f.t.Fatal(err)
			}
			if offset < first {
				first = offset
			}
			head := make([]byte, first)
			_, err = io.ReadFull(r, head)
			must(f.t, errors.Join(err, r.SkipTo(int64(offset))))
			got, err := io.ReadAll(iotest.HalfReader(r))
			must(f.t, errors.Join(err, r.Close()))
			if string(head)+string(got) != string(content[:first])+string(content[offset:]) {
				f.t.Errorf("read %d, skip to %d: got %d bytes, want %d, or they differ", first, offset, len(got), len(content)-offset)
			}
			if r.Size() != int64(len(content)) {
				f.t.Errorf("size is %d, want %d", r.Size(), len(content))
			}
		}
	}
}

func testWait(f *fixture) {
	rev := f.commit(put("f", "1"))
	if got, err := f.repo.Wait(f.ctx(), rev-1); got != rev || err != nil {
		f.t.Errorf("wait for what is there: got r%d, %v, want r%d", got, err, rev)
	}
	type result struct {
		rev svn.Revnum
		err error
	}
	results := make(chan result, 3)
	for range cap(results) {
		go func() {
			got, err := f.repo.Wait(f.ctx(), rev)
			results <- result{got, err}
		}()
	}
	next := f.commit(put("g", "1"))
	for range cap(results) {
		if r := <-results; r.rev != next || r.err != nil {
			f.t.Errorf("wait: got r%d, %v, want r%d", r.rev, r.err, next)
		}
	}
	ctx, cancel := context.WithCancel(f.ctx())
	go func() {
		_, err := f.repo.Wait(ctx, next)
		results <- result{err: err}
	}()
	cancel()
	if r := <-results; !errors.Is(r.err, context.Canceled) {
		f.t.Errorf("cancelled: got %v", r.err)
	}
}
