package hub

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// words writes a revision in one line: a>b a move, -a removed, then the ops: +a put, @a attached, xa deleted.
func words(parts []*havre.Revision) string {
	var all []string
	for _, r := range parts {
		for _, m := range r.Moves {
			all = append(all, fmt.Sprintf("%s>%s", m.From, m.To))
		}
		for _, p := range r.Removed {
			all = append(all, "-"+string(p))
		}
		for _, op := range r.Ops {
			all = append(all, string(" +@x"[op.Kind])+string(op.Path))
		}
	}
	return strings.Join(all, " ")
}

// TestMoves commits upon this tree: d/a d/b d/sub/c e f g
func TestMoves(t *testing.T) {
	many := func(lists ...[]havre.Change) []havre.Change { return slices.Concat(lists...) }
	one := func(c ...havre.Change) []havre.Change { return c }
	for _, row := range []struct {
		name    string
		changes []havre.Change
		want    string
	}{
		{"a file", mv("f", 1, "h"), "f>h @h"},
		{"a file into a directory", mv("f", 1, "d/f"), "f>d/f @d/f"},
		{"a directory", mv("d", 1, "h"), "d>h @h"},
		{"deletion first", one(del("d", 1), cp("d", 1, "h")), "d>h @h"},
		{"an edit inside", append(mv("d", 1, "h"), put("h/a", "new", unknown)), "d>h @h +h/a"},
		{"an addition inside", append(mv("d", 1, "h"), put("h/new", "new", unknown)), "d>h @h +h/new"},
		{"a deletion inside", append(mv("d", 1, "h"), del("h/a", unknown)), "d>h @h xh/a"},
		{"an edit of the moved file", append(mv("f", 1, "h"), put("h", "new", unknown)), "f>h @h +h"},
		{"a swap of files", one(del("f", 1), del("g", 1), cp("f", 1, "g"), cp("g", 1, "f")), "f>g g>f @f @g"},
		{"a swap of directories", one(del("d", 1), del("e", 1), cp("d", 1, "e"), cp("e", 1, "d")), "d>e e>d @d @e"},
		{"out of a directory that goes", one(cp("d/a", 1, "h"), del("d", 1)), "d/a>h -d @h"},
		{"out of a directory that moves", one(cp("d", 1, "h"), cp("d/a", 1, "i"), del("h/a", unknown), del("d", 1)), "d>h d/a>i @h xh/a @i"},
		{"a copy out of a directory that moves", one(cp("d", 1, "h"), cp("d/a", 1, "i"), del("d", 1)), "d>h @h +i"},
		{"a rename inside a directory that moves", one(cp("d", 1, "h"), cp("d/a", 1, "h/z"), del("h/a", unknown), del("d", 1)), "d>h d/a>h/z @h xh/a @h/z"},
		{"below itself", one(del("d", 1), mkdir("d"), cp("d", 1, "d/d")), "d>d/d +d @d/d"},
		{"in the place of another", one(del("g", 1), cp("f", 1, "g"), del("f", 1)), "f>g -g @g"},
		{"a directory in the place of another", one(del("e", 1), cp("d", 1, "e"), del("d", 1)), "d>e -e @e"},
		{"twice", one(cp("f", 1, "h"), cp("f", 1, "i"), del("f", 1)), "f>h @h +i"},
		{"several", many(mv("d/a", 1, "a"), mv("d/b", 1, "b"), mv("f", 1, "d/f")), "d/a>a d/b>b f>d/f @a @b @d/f"},
		{"a copy", one(cp("d", 1, "h")), "+h +h/a +h/b +h/sub +h/sub/c"},
		{"a copy with an edit", one(cp("d", 1, "h"), put("h/a", "new", unknown), del("h/sub", unknown)), "+h +h/a +h/b"},
		{"a move into a copy", one(cp("d", 1, "h"), cp("f", 1, "h/f"), del("f", 1), cp("g", 1, "h/sub/g")), "f>h/f +h +h/a +h/b @h/f +h/sub +h/sub/c +h/sub/g"},
		{"a deletion", one(del("d", 1)), "-d"},
		{"a file in the place of a directory", one(put("d", "1", 1)), "+d"},
		{"a directory in the place of a file", one(havre.Change{Kind: havre.ChangePut, Path: "f", Base: 1, Entry: havre.Entry{Kind: havre.KindDir}}, put("f/x", "1", unknown)), "-f +f +f/x"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			ada, bob := w.join("ada", "laptop", havre.RightWrite), w.join("bob", "desktop", havre.RightRead)
			w.must(ada, mkdir("d"), put("d/a", "da", unknown), put("d/b", "db", unknown), mkdir("d/sub"), put("d/sub/c", "dsc", unknown),
				mkdir("e"), put("e/x", "ex", unknown), put("f", "f", unknown), put("g", "g", unknown))
			m := w.modelAt(t, bob, w.scope, 1)
			head := w.must(ada, row.changes...)
			got := w.revisions(bob, w.scope, 1)
			if words(got) != row.want {
				t.Errorf("got  %s\nwant %s", words(got), row.want)
			}
			for _, r := range got {
				if err := m.apply(r); err != nil {
					t.Fatal(err)
				}
				if r.Origin.Author != "ada" || r.Origin.Device != ada.Device {
					t.Errorf("it is from %+v", r.Origin)
				}
			}
			if diff := cmp.Diff(w.listing(bob, w.scope, head), m.listing()); diff != "" {
				t.Errorf("the tree differs (-listed +followed):\n%s", diff)
			}
			w.verify()
		})
	}
}

// TestMoveFromAnOlderRevision: a move from a revision further back is one as long as nothing changed.
func TestMoveFromAnOlderRevision(t *testing.T) {
	w := newWorld(t)
	ada := w.join("ada", "laptop", havre.RightWrite)
	bob := w.join("bob", "desktop", havre.RightWrite)
	w.must(ada, mkdir("d"), put("d/a", "1", unknown), mkdir("e"), put("e/a", "1", unknown))
	w.must(bob, put("other", "1", unknown))
	w.must(ada, mv("d", 1, "h")...)
	if got := words(w.revisions(bob, w.scope, 2)); got != "d>h @h" {
		t.Errorf("unchanged in between: %s", got)
	}
	w.must(bob, put("e/a", "2", 1))
	head := w.must(bob, del("e", 4), cp("e", 1, "i"))
	if got := words(w.revisions(ada, w.scope, head-1)); got != "-e +i +i/a" {
		t.Errorf("changed in between: %s", got)
	}
}

func TestFollowStartsAndEnds(t *testing.T) {
	w := newWorld(t)
	ada := w.join("ada", "laptop", havre.RightWrite)
	w.must(ada, put("a", "1", unknown))
	none := func(*havre.Revision) error { return nil }
	wantCode(t, w.Follow(t.Context(), ada, w.scope, 0, "another", none), havre.CodeHistoryWentBack)
	wantCode(t, w.Follow(t.Context(), ada, w.scope, 2, w.folder.Repository, none), havre.CodeHistoryWentBack)
	wantCode(t, w.Follow(t.Context(), ada, w.scope, -1, w.folder.Repository, none), havre.CodeInvalid)
	full := errors.New("full")
	if err := w.Follow(t.Context(), ada, w.scope, 0, "", func(*havre.Revision) error { return full }); !errors.Is(err, full) {
		t.Errorf("ended with %v, want the error of send", err)
	}
}

// TestPush lets several devices follow while one commits: all get every revision, in order, and the
// small contents with it, but for the device that has them.
func TestPush(t *testing.T) {
	w := newWorld(t)
	ada := w.join("ada", "laptop", havre.RightWrite)
	const followers, commits = 5, 20
	done := errors.New("done")
	var group sync.WaitGroup
	for i := range followers {
		c := w.join("bob", fmt.Sprint("device", i), havre.RightRead)
		if i == 0 {
			c = ada
		}
		group.Go(func() {
			next := svn.Revnum(1)
			err := w.Follow(t.Context(), c, w.scope, 0, w.folder.Repository, func(r *havre.Revision) error {
				if r.Rev != next || len(r.Ops) != 1 || (r.Ops[0].Content == nil) != (c == ada) {
					t.Errorf("device %d: r%d after r%d with %d ops, contents %q", i, r.Rev, next-1, len(r.Ops), r.Ops[0].Content)
				}
				if next++; next > commits {
					return done
				}
				return nil
			})
			if !errors.Is(err, done) {
				t.Errorf("device %d: %v", i, err)
			}
		})
	}
	for i := range commits {
		w.must(ada, put(fmt.Sprint("f", i), fmt.Sprint("contents", i), unknown))
	}
	group.Wait()
}

func TestLargeRevisionComesInParts(t *testing.T) {
	w := newWorld(t)
	ada, bob := w.join("ada", "laptop", havre.RightWrite), w.join("bob", "desktop", havre.RightRead)
	changes := []havre.Change{mkdir("d"), put("empty", "", unknown), put("big", strings.Repeat("x", pushLimit+1), unknown)}
	for i := range 2500 {
		changes = append(changes, put(fmt.Sprintf("d/%04d", i), strings.Repeat("y", 3000), unknown))
	}
	head := w.must(ada, changes...)
	parts := w.revisions(bob, w.scope, 0)
	m := newModel()
	for i, r := range parts {
		bytes := 0
		for _, op := range r.Ops {
			bytes += len(op.Content)
			if inline := op.Content != nil; op.Entry.Kind == havre.KindFile && inline != (op.Path != "big") {
				t.Errorf("%s is sent along: %v", op.Path, inline)
			}
		}
		if r.More != (i < len(parts)-1) || len(r.Ops) > partOps || bytes > partBytes+pushLimit {
			t.Errorf("part %d of %d has %d ops, %d bytes, more: %v", i, len(parts), len(r.Ops), bytes, r.More)
		}
		if err := m.apply(r); err != nil {
			t.Fatal(err)
		}
	}
	if len(parts) < 4 {
		t.Errorf("it came in %d parts", len(parts))
	}
	if diff := cmp.Diff(w.listing(bob, w.scope, head), m.listing()); diff != "" {
		t.Errorf("the tree differs (-listed +followed):\n%s", diff)
	}
	if again := w.revisions(bob, w.scope, 0); words(again) != words(parts) {
		t.Error("a second follower gets something else")
	}
}

// TestCatchUpSendsOnlyWhatIsStillThere: far behind, old contents are of no use.
func TestCatchUpSendsOnlyWhatIsStillThere(t *testing.T) {
	w := newWorld(t)
	ada, bob := w.join("ada", "laptop", havre.RightWrite), w.join("bob", "desktop", havre.RightRead)
	base := unknown
	w.must(ada, put("stays", "1", unknown))
	const edits = liveRevisions + 20
	for i := range edits {
		base = w.must(ada, put("f", fmt.Sprint(i), base))
	}
	along := map[svn.Path]int{}
	for _, r := range w.revisions(bob, w.scope, 0) {
		for _, op := range r.Ops {
			if op.Content != nil {
				along[op.Path]++
			}
		}
	}
	if want := map[svn.Path]int{"stays": 1, "f": liveRevisions}; cmp.Diff(want, along) != "" {
		t.Errorf("contents came along %v times, want %v", along, want)
	}
}

// TestScopes follows a directory of the folder: what comes from outside is added, what leaves is removed.
func TestScopes(t *testing.T) {
	w := newWorld(t)
	ada, bob := w.join("ada", "laptop", havre.RightWrite), w.join("bob", "desktop", havre.RightWrite)
	w.must(ada, mkdir("in"), put("in/a", "1", unknown), mkdir("in.not"), mkdir("out"), put("out/b", "2", unknown), mkdir("out/d"), put("out/d/c", "3", unknown))
	scope := havre.Scope{Folder: w.folder.ID, Root: "in"}
	m := w.modelAt(t, bob, scope, 1)
	for i, step := range []struct {
		name    string
		changes []havre.Change
		want    string
	}{
		{"from outside", mv("out/d", 1, "in/d"), "+d +d/c"},
		{"elsewhere", []havre.Change{put("in.not/x", "1", unknown)}, ""},
		{"inside", mv("in/a", 1, "in/d/a"), "a>d/a @d/a"},
		{"to outside", mv("in/d", 4, "out/d"), "-d"},
		{"the directory itself, renamed and back", mv("out/b", 1, "in/b"), "+b"},
	} {
		head := w.must(ada, step.changes...)
		parts := w.revisions(bob, scope, svn.Revnum(i+1))
		if got := words(parts); got != step.want {
			t.Errorf("%s: got %q, want %q", step.name, got, step.want)
		}
		for _, r := range parts {
			if err := m.apply(r); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(w.listing(bob, scope, head), m.listing()); diff != "" {
			t.Errorf("%s: the tree differs (-listed +followed):\n%s", step.name, diff)
		}
	}
	r := ok(w.Commit(t.Context(), bob, scope, &havre.Commit{ID: "in-scope", Changes: []havre.Change{put("x", "1", unknown), mkdir(".havre")}}))(t)
	if len(r.Refused) != 1 || w.cat(ada, "in/x", r.Rev) != "1" {
		t.Errorf("committed through the directory: %+v", r)
	}
	for _, r := range w.revisions(bob, scope, r.Rev-1) {
		if err := m.apply(r); err != nil {
			t.Fatal(err)
		}
	}

	// The directory itself goes: that is told, and nothing is deleted.
	head := w.must(ada, mv("in", w.head(ada), "away")...)
	var got []*havre.Revision
	err := w.Follow(t.Context(), bob, scope, head-1, "", func(r *havre.Revision) error {
		got = append(got, r)
		return nil
	})
	wantCode(t, err, havre.CodeNotFound)
	if len(got) > 0 {
		t.Errorf("sent %s", words(got))
	}
	// It comes back.
	head = w.must(ada, mv("away", head, "in")...)
	for _, r := range w.revisions(bob, scope, head-2) {
		if err := m.apply(r); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(w.listing(bob, scope, head), m.listing()); diff != "" {
		t.Errorf("back again, the tree differs (-listed +followed):\n%s", diff)
	}
}

// TestOthersCommit follows what Subversion's own programs commit.
func TestOthersCommit(t *testing.T) {
	w := newWorld(t)
	bob := w.join("bob", "desktop", havre.RightRead)
	url := "file://" + w.repositoryDir()
	m := newModel()
	for i, args := range [][]string{
		{"mkdir", "trunk", "mkdir", "trunk/d", "put", "/dev/null", "trunk/d/a", "put", "/etc/passwd", "trunk/b"},
		{"cp", "HEAD", "trunk", "branch"},
		{"cp", "HEAD", "trunk", "trunk2", "rm", "trunk", "put", "/etc/passwd", "trunk2/d/a", "rm", "trunk2/b"},
		{"rm", "branch/d", "cp", "HEAD", "trunk2/d", "branch/d"},
		{"propset", "svn:executable", "*", "branch/b"},
		{"cp", "1", "trunk", "trunk"},
		{"mv", "branch/b", "c", "mv", "trunk2", "branch/t"},
		{"rm", "trunk/b", "put", "/etc/hostname", "trunk/b"},
	} {
		w.run("svnmucc", append([]string{"-m", "x", "-U", url}, args...)...)
		head := svn.Revnum(i + 1)
		parts := w.revisions(bob, w.scope, head-1)
		for _, r := range parts {
			if err := m.apply(r); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(w.listing(bob, w.scope, head), m.listing()); diff != "" {
			t.Errorf("after svnmucc %v, as %s, the tree differs (-listed +followed):\n%s", args, words(parts), diff)
		}
	}
}

// TestRandomHistories commits random changes, then follows from random revisions.
func TestRandomHistories(t *testing.T) {
	for _, seed := range []uint64{0, 1, 2, 3, 4, 10, 47} {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			w := newWorld(t)
			ada, bob := w.join("ada", "laptop", havre.RightWrite), w.join("bob", "desktop", havre.RightRead)
			rnd := rand.New(rand.NewPCG(seed, 1))
			w.must(ada, mkdir("d0"), mkdir("d1"), put("d0/f", "0", unknown))
			for range 40 {
				at := w.head(ada)
				changes := w.randomChanges(rnd, ada, max(1, at-svn.Revnum(rnd.IntN(4))))
				w.checkMoves(changes, w.commit(ada, changes...))
			}
			head := w.head(ada)
			want := w.listing(bob, w.scope, head)
			for _, since := range []svn.Revnum{0, 1 + svn.Revnum(rnd.IntN(int(head))), head / 2} {
				for _, root := range []svn.Path{"", "d0"} {
					scope := havre.Scope{Folder: w.folder.ID, Root: root}
					if root != "" && (!isDir(want[root]) || !isDir(w.listing(bob, w.scope, since)[root])) {
						continue
					}
					for _, together := range []int{0, 2} { // one by one, and many as one
						w.together = together
						m := w.modelAt(t, bob, scope, since)
						revs := map[svn.Revnum]bool{}
						for _, r := range w.revisions(bob, scope, since) {
							revs[r.Rev] = true
							if err := m.apply(r); err != nil {
								t.Fatalf("from r%d in %q, %d together: %v", since, root, together, err)
							}
						}
						if root == "" && together > 0 && len(revs) > 2 {
							t.Errorf("from r%d %d revisions were told by themselves", since, len(revs))
						}
						if diff := cmp.Diff(w.listing(bob, scope, head), m.listing()); diff != "" {
							t.Errorf("from r%d in %q, %d together, the tree differs (-listed +followed):\n%s", since, root, together, diff)
						}
					}
				}
			}
			w.verify()
		})
	}
}

func isDir(described string) bool { return strings.HasPrefix(described, havre.KindDir.String()) }

// checkMoves fails if one half of a move went in without the other.
func (w *world) checkMoves(changes []havre.Change, r *havre.CommitResult) {
	w.t.Helper()
	refused := map[int]bool{}
	for _, x := range r.Refused {
		refused[x.Index] = true
	}
	for i := range changes[1:] {
		half, other := &changes[i], &changes[i+1]
		if half.Kind == havre.ChangeCopy && other.Kind == havre.ChangeDelete && half.CopyFrom.Path == other.Path && refused[i] != refused[i+1] {
			w.t.Errorf("of the move of %s to %s one half was refused: %v", other.Path, half.Path, r.Refused)
		}
	}
}

// randomChanges returns a commit of one to six changes, by somebody who has seen the revision head, which
// may not be the youngest. They may stand in each other's way: what is refused is part of the test.
func (w *world) randomChanges(rnd *rand.Rand, c *havre.Caller, head svn.Revnum) []havre.Change {
	tree := w.listing(c, w.scope, head)
	var paths, dirs []string
	for p, e := range tree {
		paths = append(paths, string(p))
		if isDir(e) {
			dirs = append(dirs, string(p))
		}
	}
	slices.Sort(paths)
	dirs = append(dirs, "")
	slices.Sort(dirs)
	pick := func(list []string) string { return list[rnd.IntN(len(list))] }
	fresh := func() string {
		return string(svn.Path(pick(dirs)).Join(fmt.Sprintf("%c%d", "df"[rnd.IntN(2)], rnd.IntN(6))))
	}
	base := func(p string) svn.Revnum {
		if tree[svn.Path(p)] == "" {
			return unknown
		}
		return head
	}
	var changes []havre.Change
	for range 1 + rnd.IntN(6) {
		if len(paths) == 0 {
			return append(changes, mkdir("d0"))
		}
		to := fresh()
		switch rnd.IntN(8) {
		case 0, 1:
			changes = append(changes, put(to, fmt.Sprint(rnd.IntN(1000)), base(to)))
		case 2:
			changes = append(changes, mkdir(to))
		case 3:
			changes = append(changes, del(pick(paths), head))
		case 4:
			changes = append(changes, cp(pick(paths), head, to))
		case 5, 6:
			changes = append(changes, mv(pick(paths), head, to)...)
		case 7:
			from := pick(paths)
			changes = append(changes, mv(from, head, to)...)
			changes = append(changes, put(to, "moved and changed", unknown))
		}
	}
	return changes
}

// TestConfirmedDeletions: that a person has agreed to deletions is told to all, and kept.
func TestConfirmedDeletions(t *testing.T) {
	w := newWorld(t)
	ada := w.join("ada", "laptop", havre.RightWrite)
	base := w.must(ada, put("a", "1", unknown), put("b", "2", unknown))
	for i, confirmed := range []bool{true, false} {
		change := havre.Change{Kind: havre.ChangeDelete, Path: svn.Path("ab"[i : i+1]), Base: base}
		commit := &havre.Commit{ID: fmt.Sprintf("deletion-%d", i), Changes: []havre.Change{change}, Confirmed: confirmed}
		rev := ok(w.Commit(t.Context(), ada, w.scope, commit))(t).Rev
		w.stop()
		w.start()
		got := w.revisions(ada, w.scope, rev-1)
		if len(got) != 1 || got[0].Origin.Confirmed != confirmed {
			t.Errorf("r%d: got %+v, want confirmed %t", rev, got, confirmed)
		}
	}
}
