package hub

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
)

// grantAt sets the right of a user on a path.
func (w *world) grantAt(c *havre.Caller, path string, right havre.Right) {
	w.t.Helper()
	err := w.console().SetGrant(w.t.Context(), store.Grant{Folder: w.folder.ID, Path: svn.Path(path), User: c.User, Right: right})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) ungrantAt(c *havre.Caller, path string) {
	w.t.Helper()
	if err := w.console().RemoveGrant(w.t.Context(), store.Grant{Folder: w.folder.ID, Path: svn.Path(path), User: c.User}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) paths(c *havre.Caller) []string {
	w.t.Helper()
	head := ok(w.Head(w.t.Context(), c, w.scope))(w.t)
	var paths []string
	for item, err := range w.List(w.t.Context(), c, w.scope, head, "") {
		if err != nil {
			w.t.Fatal(err)
		}
		paths = append(paths, string(item.Path))
	}
	return paths
}

func TestReach(t *testing.T) {
	const f = havre.FolderID("f")
	g := func(path string, r havre.Right) store.Grant {
		return store.Grant{Folder: f, Path: svn.Path(path), User: "u", Right: r}
	}
	r := newReach([]store.Grant{g("a/b", havre.RightRead), g("a/b/c", havre.RightNone), g("a/b/c/d", havre.RightWrite), g("z", havre.RightNone), g("a/b/w", havre.RightWrite)}, f)
	for _, row := range []struct {
		path                 svn.Path
		reads, leads, seeing bool // seeing: as a directory
	}{
		{"", false, true, true},
		{"a", false, true, true},
		{"ab", false, false, false},
		{"a/b", true, true, true},
		{"a/x", false, false, false},
		{"a/b/c", false, true, true},
		{"a/b/c/x", false, false, false},
		{"a/b/c/d/e", true, false, true},
		{"a/b/x", true, false, true},
		{"z", false, false, false},
		{"zz", false, false, false},
	} {
		if got := [3]bool{r.reads(row.path), r.leads(row.path), r.sees(row.path, true)}; got != [3]bool{row.reads, row.leads, row.seeing} {
			t.Errorf("%q: reads, leads, sees: got %v, want %v", row.path, got, row)
		}
	}
	if want := "+a/b\x00-a/b/c\x00+a/b/c/d\x00"; r.shape != want {
		t.Errorf("shape %q, want %q", r.shape, want)
	}
	again, ok := parseShape(r.shape)
	if !ok || again.shape != r.shape {
		t.Errorf("the shape %q is read as %v", r.shape, again)
	}
	for _, bad := range []string{"a\x00", "+a", "+a\x00+b/\x00", "-a\x00", "+b\x00+a\x00", "+a\x00+a\x00", "+a\x00+a/b\x00", "+..\x00", "\x00", "+\x00-\x00"} {
		if _, ok := parseShape(bad); ok {
			t.Errorf("the shape %q is taken", bad)
		}
	}
}

func FuzzView(f *testing.F) {
	f.Add([]byte("+\x00-a\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, ok := parseShape(string(b)); ok && r.shape != string(b) {
			t.Errorf("%q is read as %q", b, r.shape)
		}
	})
}

func TestViewsAreSealed(t *testing.T) {
	w := newWorld(t)
	r := newReach([]store.Grant{{Folder: w.folder.ID, User: "u", Right: havre.RightRead}, {Folder: w.folder.ID, Path: "secret name", User: "u"}}, w.folder.ID)
	view := w.seal.make("u", w.folder.ID, 7, r)
	if view != w.seal.make("u", w.folder.ID, 7, r) {
		t.Error("the same view is another text")
	}
	got, ok := w.seal.open(view, "u", w.folder.ID)
	if !ok || got.rev != 7 || got.reach.shape != r.shape || got.digest != r.digest() {
		t.Fatalf("opened: %+v, %v", got, ok)
	}
	w.stop()
	w.start()
	if _, ok := w.seal.open(view, "u", w.folder.ID); !ok {
		t.Error("after a restart it is not ours any more")
	}
	if _, ok := w.seal.open(view, "v", w.folder.ID); ok {
		t.Error("somebody else's is taken")
	}
	if _, ok := w.seal.open(view, "u", "other"); ok {
		t.Error("another folder's is taken")
	}
	for i := range len(view) {
		bad := view[:i] + string('A'+(view[i]+1)%26) + view[i+1:]
		if _, ok := w.seal.open(bad, "u", w.folder.ID); ok && bad != view {
			t.Errorf("changed at %d it is taken", i)
		}
	}
	var many []store.Grant
	for i := range 3000 {
		many = append(many, store.Grant{Folder: w.folder.ID, Path: svn.Path(fmt.Sprintf("a long path %d", i)), User: "u", Right: havre.RightRead})
	}
	long := newReach(many, w.folder.ID)
	view = w.seal.make("u", w.folder.ID, 7, long)
	if got, ok := w.seal.open(view, "u", w.folder.ID); len(view) > 200 || !ok || got.reach != nil || got.digest != long.digest() {
		t.Errorf("a long one: %d bytes, %+v", len(view), got)
	}
}

func (w *world) tree(by *havre.Caller) {
	w.t.Helper()
	w.must(by, mkdir("a"), mkdir("a/b"), put("a/b/f", "1", unknown), put("a/x", "2", unknown), mkdir("hr"), put("hr/pay", "3", unknown), put("top", "4", unknown))
}

func TestListingByPath(t *testing.T) {
	w := newWorld(t)
	ada := w.join("ada", "laptop", havre.RightManage)
	bob := w.join("bob", "laptop", havre.RightNone)
	w.tree(ada)
	ctx := t.Context()
	w.grantAt(bob, "a/b", havre.RightWrite)
	if diff := cmp.Diff([]string{"a", "a/b", "a/b/f"}, w.paths(bob)); diff != "" {
		t.Errorf("bob sees (-want +got):\n%s", diff)
	}
	folders := ok(w.Folders(ctx, bob))(t)
	if len(folders) != 1 || folders[0].Right != havre.RightNone || folders[0].View == "" {
		t.Errorf("folders of bob: %+v", folders)
	}
	for _, p := range []svn.Path{"a/x", "hr/pay", "top", "nothing", "a/nothing"} {
		_, err := w.Open(ctx, bob, w.scope, havre.FileVersion{Path: p, Rev: 1})
		wantCode(t, err, havre.CodeDenied)
		if strings.Contains(fmt.Sprint(err), "not there") {
			t.Errorf("%s: %v tells what is there", p, err)
		}
	}
	if _, err := w.Open(ctx, bob, w.scope, havre.FileVersion{Path: "a/b/f", Rev: 1}); err != nil {
		t.Error(err)
	}
	w.grantAt(ada, "hr", havre.RightNone)
	if diff := cmp.Diff([]string{"a", "a/b", "a/b/f", "a/x", "top"}, w.paths(ada)); diff != "" {
		t.Errorf("ada sees (-want +got):\n%s", diff)
	}
	// A listing that is continued, from everywhere.
	all := w.paths(ada)
	for i, after := range all {
		var rest []string
		for item, err := range w.List(ctx, ada, w.scope, 1, svn.Path(after)) {
			rest = append(rest, string(item.Path))
			if err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(rest, all[i+1:]) {
			t.Errorf("behind %s: %q, want %q", after, rest, all[i+1:])
		}
	}
}

func TestListingWithOtherRights(t *testing.T) {
	w := newWorld(t)
	ada := w.join("ada", "laptop", havre.RightManage)
	w.tree(ada)
	scope := w.scope
	scope.View = ok(w.Folders(t.Context(), ada))(t)[0].View
	count := func() (n int, err error) {
		for _, err := range w.List(t.Context(), ada, scope, 1, "") {
			if err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	}
	if n, err := count(); n != 7 || err != nil {
		t.Errorf("%d entries, %v", n, err)
	}
	w.grantAt(ada, "hr", havre.RightNone)
	_, err := count()
	wantCode(t, err, havre.CodeRightsChanged)
	scope.View = "nonsense"
	_, err = count()
	wantCode(t, err, havre.CodeRightsChanged)
}

func TestCommitsByPath(t *testing.T) {
	w := newWorld(t)
	ada := w.join("ada", "laptop", havre.RightManage)
	bob := w.join("bob", "laptop", havre.RightWrite)
	w.tree(ada)
	w.grantAt(bob, "hr", havre.RightNone)
	w.grantAt(bob, "a/b", havre.RightRead)
	w.grantAt(bob, "nowhere/at/all", havre.RightNone)
	for _, row := range []struct {
		name    string
		changes []havre.Change
		denied  bool
	}{
		{"write where it may be read", []havre.Change{put("a/b/f", "x", 1)}, true},
		{"write where nothing may be read", []havre.Change{put("hr/new", "x", unknown)}, true},
		{"a directory there", []havre.Change{mkdir("hr/new")}, true},
		{"delete it", []havre.Change{del("hr", 1)}, true},
		{"delete what holds a part that may only be read", []havre.Change{del("a", 1)}, true},
		{"move what holds it", mv("a", 1, "c"), true},
		{"move into it", mv("top", 1, "hr/top"), true},
		{"move out of it", mv("hr/pay", 1, "pay"), true},
		{"copy out of it", []havre.Change{cp("hr/pay", 1, "pay")}, true},
		{"copy out of what may be read", []havre.Change{cp("a/b", 1, "copy")}, false},
		{"copy what holds what may be read", []havre.Change{cp("a", 1, "copy2")}, false},
		{"replace a directory that holds a protected part", []havre.Change{put("a", "file", 1)}, true},
		{"a directory where one is", []havre.Change{mkdir("a")}, false},
		{"copy to where a part would land under a grant", []havre.Change{mkdir("nowhere"), mkdir("nowhere/at"), mkdir("src"), put("src/all", "x", unknown)}, false},
		{"write elsewhere", []havre.Change{put("a/y", "x", unknown)}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			res := w.commit(bob, row.changes...)
			denied := slices.ContainsFunc(res.Refused, func(r havre.Refusal) bool { return r.Reason == havre.RefusedDenied })
			if denied != row.denied || !row.denied && len(res.Refused) > 0 {
				t.Errorf("refused: %+v, want denied: %v", res.Refused, row.denied)
			}
			if denied && res.Rev != svn.InvalidRevnum {
				t.Errorf("it made r%d", res.Rev)
			}
			for _, r := range res.Refused {
				if r.Text == "" || strings.Contains(r.Text, "pay") && r.Path != "pay" && r.Path != "hr/pay" {
					t.Errorf("text %q", r.Text)
				}
			}
		})
	}
	head := ok(w.Head(t.Context(), ada, w.scope))(t)
	res := w.commit(bob, del("nowhere/at", head), cp("src", head, "nowhere/at"))
	if len(res.Refused) == 0 {
		t.Error("a copy laid something where bob may not write")
	}
	w.grantAt(bob, "a/b", havre.RightWrite)
	w.must(bob, mv("a", head, "moved")...)
}

// followed is a follower that keeps a tree as a client does.
type followed struct {
	w      *world
	c      *havre.Caller
	scope  havre.Scope
	events chan *havre.Revision
	ended  chan error
	stop   context.CancelFunc

	tree   map[svn.Path]havre.Kind
	cursor svn.Revnum
	said   []string // authors and messages
}

// follow lists and follows.
func (w *world) follow(c *havre.Caller) *followed { return w.followIn(c, "") }

// followIn follows a directory of the folder.
func (w *world) followIn(c *havre.Caller, root svn.Path) *followed {
	w.t.Helper()
	f := &followed{w: w, c: c, scope: w.scope, tree: map[svn.Path]havre.Kind{}}
	f.scope.Root = root
	folder := ok(w.Folders(w.t.Context(), c))(w.t)[0]
	f.cursor, f.scope.View = folder.Head, folder.View
	for item, err := range w.List(w.t.Context(), c, f.scope, f.cursor, "") {
		if err != nil {
			w.t.Fatal(err)
		}
		f.tree[item.Path] = item.Kind
	}
	f.start()
	return f
}

func (f *followed) start() {
	ctx, stop := context.WithCancel(f.w.t.Context())
	f.stop, f.events, f.ended = stop, make(chan *havre.Revision, 100), make(chan error, 1)
	f.w.t.Cleanup(stop)
	scope, since, events := f.scope, max(f.cursor-1, 0), f.events
	go func() {
		f.ended <- f.w.Follow(ctx, f.c, scope, since, f.w.folder.Repository, func(r *havre.Revision) error {
			events <- r
			return nil
		})
	}()
}

// next applies what comes, until the tree is as wanted.
func (f *followed) until(want ...string) time.Duration {
	f.w.t.Helper()
	began := time.Now()
	for {
		var got []string
		for _, p := range slices.SortedFunc(maps.Keys(f.tree), svn.Path.Compare) {
			got = append(got, string(p))
		}
		if slices.Equal(got, want) {
			return time.Since(began)
		}
		select {
		case r := <-f.events:
			f.apply(r)
		case err := <-f.ended:
			f.w.t.Fatalf("ended: %v; has %q, want %q", err, got, want)
		case <-time.After(5 * time.Second):
			f.w.t.Fatalf("has %q, want %q", got, want)
		}
	}
}

func (f *followed) apply(r *havre.Revision) {
	f.w.t.Helper()
	if r.Rev < f.cursor || r.Rev == f.cursor && r.Access == havre.AccessSame {
		return
	}
	f.said = append(f.said, r.Origin.Author+": "+r.Message)
	moved := map[svn.Path]map[svn.Path]havre.Kind{}
	drop := func(p svn.Path) map[svn.Path]havre.Kind {
		gone := map[svn.Path]havre.Kind{}
		for q, k := range f.tree {
			if rel, in := q.Rel(p); in {
				gone[rel] = k
				delete(f.tree, q)
			}
		}
		return gone
	}
	for _, m := range r.Moves {
		moved[m.To] = drop(m.From)
	}
	for _, p := range r.Removed {
		if len(drop(p)) == 0 {
			f.w.t.Errorf("r%d removes %s, which the follower never saw", r.Rev, p)
		}
	}
	for _, op := range r.Ops {
		if dir := op.Path.Dir(); dir != "" && f.tree[dir] != havre.KindDir {
			f.w.t.Errorf("r%d: there is no directory for %s", r.Rev, op.Path)
		}
		switch op.Kind {
		case havre.OpPut:
			f.tree[op.Path] = op.Entry.Kind
		case havre.OpAttach:
			for rel, k := range moved[op.Path] {
				f.tree[op.Path.Join(string(rel))] = k
			}
		case havre.OpDelete:
			drop(op.Path)
		}
	}
	f.cursor, f.scope.View = r.Rev, r.View
	if r.View == "" && !r.More {
		f.w.t.Errorf("r%d without a view", r.Rev)
	}
}

func TestFollowedRights(t *testing.T) {
	w := newWorld(t)
	ada := w.join("ada", "laptop", havre.RightManage)
	bob := w.join("bob", "laptop", havre.RightRead)
	w.tree(ada)
	all := []string{"a", "a/b", "a/b/f", "a/x", "hr", "hr/pay", "top"}
	f := w.follow(bob)
	f.until(all...)
	slowest := time.Duration(0)
	step := func(want ...string) {
		t.Helper()
		slowest = max(slowest, f.until(want...))
	}
	w.grantAt(bob, "hr", havre.RightNone)
	step("a", "a/b", "a/b/f", "a/x", "top")
	w.grantAt(bob, "a/b", havre.RightRead)
	w.grantAt(bob, "a", havre.RightNone)
	step("a", "a/b", "a/b/f", "top")
	w.ungrantAt(bob, "hr")
	step("a", "a/b", "a/b/f", "hr", "hr/pay", "top")
	w.grantAt(bob, "", havre.RightNone)
	step("a", "a/b", "a/b/f")
	w.grantAt(bob, "a/b", havre.RightNone)
	step()
	// It waits for the right to come back, and goes on where it was.
	w.must(ada, put("a/b/g", "x", unknown))
	w.grantAt(bob, "a/b", havre.RightRead)
	step("a", "a/b", "a/b/f", "a/b/g")
	w.grantAt(bob, "", havre.RightRead)
	w.ungrantAt(bob, "a")
	step("a", "a/b", "a/b/f", "a/b/g", "a/x", "hr", "hr/pay", "top")
	t.Logf("the slowest change took %v", slowest)
	if slowest > 3*time.Second { // promised is one; the machine may be busy
		t.Errorf("a change of rights took %v", slowest)
	}
}

func TestRightsWhileAway(t *testing.T) {
	w := newWorld(t)
	ada := w.join("ada", "laptop", havre.RightManage)
	bob := w.join("bob", "laptop", havre.RightRead)
	w.tree(ada)
	f := w.follow(bob)
	f.stop()
	<-f.ended
	w.must(ada, put("hr/more", "x", unknown), put("new", "x", unknown))
	w.grantAt(bob, "hr", havre.RightNone)
	w.must(ada, put("hr/secret", "x", unknown), put("newer", "x", unknown))
	f.start()
	f.until("a", "a/b", "a/b/f", "a/x", "new", "newer", "top")
	f.stop()
	<-f.ended
	w.ungrantAt(bob, "hr")
	w.must(ada, mv("a/x", 3, "x")...)
	f.start()
	f.until("a", "a/b", "a/b/f", "hr", "hr/more", "hr/pay", "hr/secret", "new", "newer", "top", "x")
	// An old view with a later revision says nothing.
	f.stop()
	<-f.ended
	stale := f.scope
	w.must(ada, put("hr/later", "x", unknown))
	w.grantAt(bob, "hr", havre.RightNone)
	wantCode(t, w.Follow(t.Context(), bob, stale, f.cursor+1, "", nil), havre.CodeRightsChanged)
	stale.View = "AAAA" + stale.View[4:]
	wantCode(t, w.Follow(t.Context(), bob, stale, f.cursor, "", nil), havre.CodeRightsChanged)
	w.grantAt(bob, "", havre.RightNone)
	wantCode(t, w.Follow(t.Context(), bob, stale, f.cursor, "", nil), havre.CodeDenied)
}

// TestWhatIsHiddenDoesNotLeak: of what happens where they may not read, people learn nothing.
func TestWhatIsHiddenDoesNotLeak(t *testing.T) {
	w := newWorld(t)
	ada := w.join("ada", "laptop", havre.RightManage)
	bob := w.join("bob", "laptop", havre.RightRead)
	w.tree(ada)
	w.grantAt(bob, "hr", havre.RightNone)
	f := w.follow(bob)
	commit := func(message string, changes ...havre.Change) {
		t.Helper()
		w.ids++
		res := ok(w.Commit(t.Context(), ada, w.scope, &havre.Commit{ID: fmt.Sprintf("c-%d", w.ids), Message: message, Changes: changes}))(t)
		if len(res.Refused) > 0 {
			t.Fatalf("refused: %+v", res.Refused)
		}
	}
	commit("Write /hr/layoffs", put("hr/layoffs", "x", unknown))
	commit("2 changes, first /hr/layoffs", put("hr/layoffs", "y", 2), put("top", "z", 1))
	commit("Rename /top to /hr/top", mv("top", 3, "hr/top")...)
	f.until("a", "a/b", "a/b/f", "a/x")
	commit("Rename /hr/layoffs to /plans", mv("hr/layoffs", 4, "plans")...)
	f.until("a", "a/b", "a/b/f", "a/x", "plans")
	commit("Copy /hr to /a/hr", cp("hr", 5, "a/hr"))
	f.until("a", "a/b", "a/b/f", "a/hr", "a/hr/pay", "a/hr/top", "a/x", "plans")
	commit("Rename /a/hr to /hr/again", mv("a/hr", 6, "hr/again")...)
	f.until("a", "a/b", "a/b/f", "a/x", "plans")
	commit("Copy /a", cp("a", 7, "hr/copy"), del("plans", 7))
	f.until("a", "a/b", "a/b/f", "a/x")
	if said := strings.Join(f.said, "\n"); strings.Contains(said, "hr") {
		t.Errorf("messages that bob got:\n%s", said)
	}
}

// TestRightsOfASubtree: a replica of a directory in a folder knows only of that.
func TestRightsOfASubtree(t *testing.T) {
	w := newWorld(t)
	ada := w.join("ada", "laptop", havre.RightManage)
	bob := w.join("bob", "laptop", havre.RightRead)
	w.tree(ada)
	f := w.followIn(bob, "a")
	f.until("b", "b/f", "x")
	w.grantAt(bob, "hr", havre.RightNone)
	w.grantAt(bob, "a/b", havre.RightNone)
	f.until("x")
	w.grantAt(bob, "a", havre.RightNone)
	f.until()
	// It waits, also when it comes again, and its heart goes on beating.
	f.stop()
	<-f.ended
	if head := ok(w.Head(t.Context(), bob, f.scope))(t); head != 1 {
		t.Errorf("head %d for somebody without access, want r1", head)
	}
	w.must(ada, put("a/y", "2", unknown), put("hr/z", "2", unknown))
	f.start()
	w.ungrantAt(bob, "a/b")
	w.grantAt(bob, "a/b", havre.RightRead)
	f.until("b", "b/f")
	w.ungrantAt(bob, "a")
	f.until("b", "b/f", "x", "y")
	// The same shape of another folder is another thing.
	if _, err := w.console().AddFolder(t.Context(), "Other"); err != nil {
		t.Fatal(err)
	}
	other := f.scope
	other.Folder = ok(w.console().Folders(t.Context()))(t)[1].ID
	wantCode(t, w.Follow(t.Context(), bob, other, 0, "", nil), havre.CodeDenied)
	// A closed account has no rights, and loses nothing from its disks.
	if err := w.console().SetUserDisabled(t.Context(), "bob", true); err != nil {
		t.Fatal(err)
	}
	for {
		select {
		case r := <-f.events:
			f.apply(r)
			if len(r.Removed) > 0 {
				t.Errorf("told to remove %q", r.Removed)
			}
			continue
		case err := <-f.ended:
			wantCode(t, err, havre.CodeUnauthenticated)
		}
		break
	}
}

// TestRightsMoveAlong: a directory that is closed to somebody stays so under another name.
func TestRightsMoveAlong(t *testing.T) {
	w := newWorld(t)
	ada := w.join("ada", "laptop", havre.RightManage)
	bob := w.join("bob", "laptop", havre.RightRead)
	w.tree(ada)
	w.grantAt(bob, "hr", havre.RightNone)
	w.grantAt(bob, "a/b", havre.RightNone)
	f := w.follow(bob)
	w.must(ada, mv("hr", 1, "people")...)
	w.must(ada, put("seen", "x", unknown))
	f.until("a", "a/x", "seen", "top")
	w.must(ada, append(mv("a", 3, "c"), del("top", 3))...)
	f.until("c", "c/x", "seen")
	var got []string
	for _, g := range ok(w.console().Grants(t.Context(), w.folder.ID))(t) {
		if g.User == bob.User {
			got = append(got, fmt.Sprintf("%s=%s", g.Path, g.Right))
		}
	}
	if diff := cmp.Diff([]string{"=read", "c/b=none", "people=none"}, got); diff != "" {
		t.Errorf("grants of bob (-want +got):\n%s", diff)
	}
	// One that is refused moves nothing.
	if res := w.commit(ada, mv("people", 1, "hr")...); len(res.Refused) == 0 {
		t.Error("an old move was made")
	}
	if got := len(ok(w.console().Grants(t.Context(), w.folder.ID))(t)); got != 4 {
		t.Errorf("%d grants, want 4", got)
	}
	// Where names are exchanged, rather too little can be read than too much.
	w.must(ada, cp("people", 4, "t"), del("people", 4), cp("c", 4, "people"), del("c", 4), cp("people", 4, "c"))
	f.until("seen")
}

func TestWhyAndEffect(t *testing.T) {
	w := newWorld(t)
	ada := w.join("ada", "laptop", havre.RightManage)
	bob := w.join("bob", "laptop", havre.RightNone)
	w.tree(ada)
	ctx, a := t.Context(), w.console()
	w.ungrantAt(bob, "")
	team := ok(a.AddGroup(ctx, "Team"))(t)
	inner := ok(a.AddGroup(ctx, "Interns"))(t)
	for _, err := range []error{
		a.SetMember(ctx, inner.ID, bob.User, true), a.SetGroupMember(ctx, team.ID, inner.ID, true),
		a.SetGrant(ctx, store.Grant{Folder: w.folder.ID, Group: team.ID, Right: havre.RightRead}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	wantCode(t, a.SetGroupMember(ctx, inner.ID, team.ID, true), havre.CodeInvalid)
	wantCode(t, a.SetGroupMember(ctx, inner.ID, inner.ID, true), havre.CodeInvalid)
	why := ok(a.Why(ctx, w.folder.ID, "hr/pay", bob.User))(t)
	if why.None || why.Right != havre.RightRead || why.Path != "" || !slices.Equal(why.Through, []string{"Team", "Interns"}) {
		t.Errorf("why: %+v", why)
	}
	if got := w.paths(bob); len(got) != 7 {
		t.Errorf("through two groups bob sees %q", got)
	}
	hide := []Pending{{Grant: store.Grant{Folder: w.folder.ID, Path: "hr", Group: team.ID}}}
	lines := ok(a.Effect(ctx, hide))(t)
	if len(lines) != 1 || lines[0].UserName != "bob" || !lines[0].Loses() || !lines[0].Erased() || lines[0].Items != 2 {
		t.Errorf("effect: %+v", lines)
	}
	if got := w.paths(bob); len(got) != 7 {
		t.Errorf("only asking for the effect changed it: bob sees %q", got)
	}
	manager, reader := w.Manager(ada), w.Manager(bob)
	wantCode(t, reader.SetGrants(ctx, hide), havre.CodeDenied)
	if err := manager.SetGrants(ctx, hide); err != nil {
		t.Error(err)
	}
	if got := w.paths(bob); len(got) != 5 {
		t.Errorf("bob sees %q", got)
	}
	reached := ok(a.Reach(ctx, bob.User))(t)
	if len(reached) != 2 || reached[1].Path != "hr" || reached[1].Reason.Right != havre.RightNone || reached[0].Reason.Right != havre.RightRead {
		t.Errorf("reach: %+v", reached)
	}
	// All or none.
	bad := append(slices.Clone(hide), Pending{Grant: store.Grant{Folder: w.folder.ID, Group: "nobody", Right: havre.RightRead}})
	bad[0].Remove = true
	wantCode(t, a.SetGrants(ctx, bad), havre.CodeNotFound)
	if got := w.paths(bob); len(got) != 5 {
		t.Errorf("half of a change was made: bob sees %q", got)
	}
}

func TestArchivedFolder(t *testing.T) {
	w := newWorld(t)
	ada := w.join("ada", "laptop", havre.RightManage)
	eve := w.join("eve", "laptop", havre.RightNone)
	w.tree(ada)
	if err := w.console().ArchiveFolder(t.Context(), w.folder.Name, true); err != nil {
		t.Fatal(err)
	}
	if got := ok(w.Folders(t.Context(), ada))(t); len(got) != 0 {
		t.Errorf("folders: %+v", got)
	}
	_, err := w.Commit(t.Context(), ada, w.scope, &havre.Commit{ID: "x", Changes: []havre.Change{put("n", "x", unknown)}})
	wantCode(t, err, havre.CodeUnavailable)
	if !strings.Contains(err.Error(), "archived") {
		t.Error(err)
	}
	wantCode(t, w.Follow(t.Context(), ada, w.scope, 0, "", nil), havre.CodeUnavailable)
	wantCode(t, w.Follow(t.Context(), eve, w.scope, 0, "", nil), havre.CodeDenied)
}

// TestTheLastManagerStays: whichever way the right would go, but not when an account is closed.
func TestTheLastManagerStays(t *testing.T) {
	w := newWorld(t)
	a := w.console()
	ada := w.join("ada", "laptop", havre.RightManage)
	w.join("bob", "desktop", havre.RightRead)
	own := store.Grant{Folder: w.folder.ID, User: ada.User, Right: havre.RightWrite}
	for name, change := range map[string]Pending{"taken away": {Grant: own, Remove: true}, "lowered": {Grant: own}} {
		if err := a.SetGrants(t.Context(), []Pending{change}); havre.CodeOf(err) != havre.CodeInvalid {
			t.Errorf("%s: %v", name, err)
		}
		if err := w.Manager(ada).SetGrants(t.Context(), []Pending{change}); havre.CodeOf(err) != havre.CodeInvalid {
			t.Errorf("%s by herself: %v", name, err)
		}
	}
	inner, outer := ok(a.AddGroup(t.Context(), "Inner"))(t), ok(a.AddGroup(t.Context(), "Outer"))(t)
	all := func(errs ...error) {
		t.Helper()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	lower := Pending{Grant: own}
	all(a.SetGroupMember(t.Context(), outer.ID, inner.ID, true), a.SetMember(t.Context(), inner.ID, ada.User, true),
		a.SetGrants(t.Context(), []Pending{{Grant: store.Grant{Folder: w.folder.ID, Group: outer.ID, Right: havre.RightManage}}, {Grant: own, Remove: true}}))
	for name, err := range map[string]error{
		"out of the group": a.SetMember(t.Context(), inner.ID, ada.User, false), "group out of the group": a.SetGroupMember(t.Context(), outer.ID, inner.ID, false),
		"group deleted": a.RemoveGroup(t.Context(), outer.ID), "inner group deleted": a.RemoveGroup(t.Context(), inner.ID), "own right": a.SetGrants(t.Context(), []Pending{lower}),
	} {
		if havre.CodeOf(err) != havre.CodeInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	all(a.Grant(t.Context(), w.folder.Name, "bob", havre.RightManage), a.RemoveGroup(t.Context(), inner.ID))
	if err := a.SetUserDisabled(t.Context(), "bob", true); err != nil {
		t.Errorf("closing an account waits: %v", err)
	}
}
