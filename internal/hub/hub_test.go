package hub

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
)

// world is a server with one folder and people who may write in it.
type world struct {
	*Hub
	t      testing.TB
	dir    string
	folder *store.Folder
	scope  havre.Scope
	ids    int
}

// ok returns what a call gave, and fails the test for its error.
func ok[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir()}
	w.start()
	t.Cleanup(func() { w.stop() })
	w.folder = ok(w.console().AddFolder(t.Context(), "Documents"))(t)
	w.scope = havre.Scope{Folder: w.folder.ID}
	return w
}

func (w *world) start() {
	w.t.Helper()
	w.Hub = ok(Open(w.t.Context(), w.dir, Options{ServerName: "test", Version: "test"}))(w.t)
}

func (w *world) stop() {
	w.t.Helper()
	if err := w.Close(); err != nil {
		w.t.Error(err)
	}
}

func (w *world) console() *Admin { return w.Admin(store.Console) }

// join makes the user with the right, if there is none of that name, and a device of it.
func (w *world) join(user, device string, right havre.Right) *havre.Caller {
	w.t.Helper()
	ctx := w.t.Context()
	if _, err := w.console().AddUser(ctx, store.NewUser{Name: user}); err != nil && havre.CodeOf(err) != havre.CodeExists {
		w.t.Fatal(err)
	}
	if err := w.console().Grant(ctx, w.folder.Name, user, right); err != nil {
		w.t.Fatal(err)
	}
	inv := ok(w.console().Invite(ctx, user))(w.t)
	joined := ok(w.Join(ctx, havre.JoinRequest{Secret: inv.Secret, DeviceName: device, Platform: "linux/amd64", ClientVersion: "1"}))(w.t)
	return ok(w.Authenticate(ctx, joined.Token))(w.t)
}

// commit commits the changes, with an ID of their own.
func (w *world) commit(c *havre.Caller, changes ...havre.Change) *havre.CommitResult {
	w.t.Helper()
	w.ids++
	return ok(w.Commit(w.t.Context(), c, w.scope, &havre.Commit{ID: fmt.Sprintf("commit-%d", w.ids), Changes: changes}))(w.t)
}

// must is commit for changes that none is refused of.
func (w *world) must(c *havre.Caller, changes ...havre.Change) svn.Revnum {
	w.t.Helper()
	r := w.commit(c, changes...)
	if len(r.Refused) > 0 {
		w.t.Fatalf("refused: %v", r.Refused)
	}
	return r.Rev
}

const unknown = svn.InvalidRevnum

func put(path, content string, base svn.Revnum) havre.Change {
	return havre.Change{
		Kind: havre.ChangePut, Path: svn.Path(path), Base: base, Content: []byte(content),
		Entry: havre.Entry{Kind: havre.KindFile, Size: int64(len(content)), Hash: havre.HashBytes([]byte(content))},
	}
}

func link(path, target string, base svn.Revnum) havre.Change {
	c := put(path, linkPrefix+target, base)
	c.Entry.Kind = havre.KindSymlink
	return c
}

func mkdir(path string) havre.Change {
	return havre.Change{Kind: havre.ChangePut, Path: svn.Path(path), Base: unknown, Entry: havre.Entry{Kind: havre.KindDir}}
}

func del(path string, base svn.Revnum) havre.Change {
	return havre.Change{Kind: havre.ChangeDelete, Path: svn.Path(path), Base: base}
}

func cp(from string, rev svn.Revnum, to string) havre.Change {
	return havre.Change{Kind: havre.ChangeCopy, Path: svn.Path(to), Base: unknown, CopyFrom: svn.CopySource{Path: svn.Path(from), Rev: rev}}
}

// mv is both halves of a move.
func mv(from string, rev svn.Revnum, to string) []havre.Change {
	return []havre.Change{cp(from, rev, to), del(from, rev)}
}

// listing returns the tree at rev, a line for each entry: its path, and what it holds.
func (w *world) listing(c *havre.Caller, scope havre.Scope, rev svn.Revnum) map[svn.Path]string {
	w.t.Helper()
	tree := map[svn.Path]string{}
	for item, err := range w.List(w.t.Context(), c, scope, rev, "") {
		if err != nil {
			w.t.Fatal(err)
		}
		tree[item.Path] = describe(&item.Entry)
	}
	return tree
}

func describe(e *havre.Entry) string {
	s := fmt.Sprintf("%s %d %s", e.Kind, e.Size, e.Hash)
	if e.Executable {
		s += " executable"
	}
	if !e.ModTime.IsZero() {
		s += " " + e.ModTime.Format(time.RFC3339Nano)
	}
	return s
}

func (w *world) head(c *havre.Caller) svn.Revnum {
	w.t.Helper()
	return ok(w.Head(w.t.Context(), c, w.scope))(w.t)
}

// cat returns the contents of a file.
func (w *world) cat(c *havre.Caller, path string, rev svn.Revnum) string {
	w.t.Helper()
	f := ok(w.Open(w.t.Context(), c, w.scope, havre.FileVersion{Path: svn.Path(path), Rev: rev}))(w.t)
	b := ok(appendAll(nil, f))(w.t)
	if err := f.Close(); err != nil {
		w.t.Fatal(err)
	}
	return string(b)
}

// revisions follows from since to the youngest revision.
func (w *world) revisions(c *havre.Caller, scope havre.Scope, since svn.Revnum) []*havre.Revision {
	w.t.Helper()
	head := w.head(c)
	if since == head {
		return nil
	}
	var all []*havre.Revision
	reached := errors.New("reached")
	err := w.Follow(w.t.Context(), c, scope, since, w.folder.Repository, func(r *havre.Revision) error {
		all = append(all, r)
		if r.Rev == head && !r.More {
			return reached
		}
		return nil
	})
	if !errors.Is(err, reached) {
		w.t.Fatalf("follow ended with %v", err)
	}
	return all
}

func wantCode(t *testing.T, err error, want havre.Code) {
	t.Helper()
	if err == nil || havre.CodeOf(err) != want {
		t.Errorf("error %v, want the code %s", err, want)
	}
}

// verify lets Subversion's own program judge the repository.
func (w *world) verify() {
	w.t.Helper()
	w.run("svnadmin", "verify", "-q", w.repositoryDir())
}

func (w *world) repositoryDir() string { return w.console().RepositoryDir(w.folder) }

func (w *world) run(name string, args ...string) string {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestSecondServerIsRefused(t *testing.T) {
	w := newWorld(t)
	_, err := Open(t.Context(), w.dir, Options{})
	wantCode(t, err, havre.CodeUnavailable)
}

func TestFirstStart(t *testing.T) {
	dir := t.TempDir()
	h := ok(Open(t.Context(), dir, Options{}))(t)
	defer func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}()
	first := ok(h.Admin(store.Console).Bootstrap(t.Context(), "root"))(t)
	if first == nil || !first.Admin.IsAdmin() || len(first.SetupCode) != 14 || first.Invitation.User != "root" {
		t.Fatalf("the first start gave %+v", first)
	}
	if again := ok(h.Admin(store.Console).Bootstrap(t.Context(), "root"))(t); again != nil {
		t.Errorf("the second start gave %+v, want nothing", again)
	}
	joined := ok(h.Join(t.Context(), havre.JoinRequest{Secret: first.Invitation.Secret, DeviceName: "laptop"}))(t)
	if joined.ServerName != "havre" || joined.UserName != "root" {
		t.Errorf("joined as %+v", joined)
	}
	_, err := h.Join(t.Context(), havre.JoinRequest{Secret: first.Invitation.Secret, DeviceName: "laptop"})
	wantCode(t, err, havre.CodeDenied)
	_, err = h.Authenticate(t.Context(), "nonsense")
	wantCode(t, err, havre.CodeUnauthenticated)
}

func TestAdministrationBesideTheServer(t *testing.T) {
	w := newWorld(t)
	ada := w.join("ada", "laptop", havre.RightWrite)
	console := ok(OpenAdmin(t.Context(), w.dir, Options{Version: "test"}))(t)
	defer func() {
		if err := console.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, name := range []string{"Réunions & co", "réunions & CO", "Reunions  co", "日本"} {
		_, err := console.AddFolder(t.Context(), name)
		if want := name == "réunions & CO"; want != (havre.CodeOf(err) == havre.CodeExists) || err != nil && !want {
			t.Errorf("folder %q: %v", name, err)
		}
	}
	if err := console.Grant(t.Context(), "réunions & co", "ADA", havre.RightRead); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool {
		folders := ok(w.Folders(t.Context(), ada))(t)
		return len(folders) == 2 && folders[1].Name == "Réunions & co" && folders[1].Right == havre.RightRead
	})
	for _, f := range ok(console.Folders(t.Context()))(t) {
		w.run("svnadmin", "verify", "-q", console.RepositoryDir(&f))
	}
	left, err := filepath.Glob(filepath.Join(w.dir, "repositories", ".new*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
}

// eventually waits until what another process did is seen here, which the hub promises within a second.
func eventually(t *testing.T, done func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("it did not happen")
		}
	}
}

func TestRights(t *testing.T) {
	user, group := havre.UserID("u"), "g"
	const f = havre.FolderID("f")
	for _, row := range []struct {
		name   string
		grants []store.Grant
		path   svn.Path
		want   havre.Right
	}{
		{"no grant", nil, "a", havre.RightNone},
		{"another folder", []store.Grant{{Folder: "x", User: user, Right: havre.RightManage}}, "a", havre.RightNone},
		{"from above", []store.Grant{{Folder: f, User: user, Right: havre.RightWrite}}, "a/b", havre.RightWrite},
		{"the nearest decides", []store.Grant{{Folder: f, User: user, Right: havre.RightWrite}, {Folder: f, Path: "a", User: user, Right: havre.RightRead}}, "a/b", havre.RightRead},
		{"none takes away", []store.Grant{{Folder: f, User: user, Right: havre.RightWrite}, {Folder: f, Path: "a", User: user}}, "a", havre.RightNone},
		{"a sibling with the same beginning", []store.Grant{{Folder: f, Path: "a", User: user, Right: havre.RightWrite}}, "ab", havre.RightNone},
		{"the person beats groups", []store.Grant{{Folder: f, Group: group, Right: havre.RightManage}, {Folder: f, User: user, Right: havre.RightRead}}, "", havre.RightRead},
		{"in any order", []store.Grant{{Folder: f, User: user, Right: havre.RightRead}, {Folder: f, Group: group, Right: havre.RightManage}}, "", havre.RightRead},
		{"the widest of groups", []store.Grant{{Folder: f, Group: group, Right: havre.RightRead}, {Folder: f, Group: "h", Right: havre.RightWrite}, {Folder: f, Group: "i"}}, "", havre.RightWrite},
		{"a near group beats a far person", []store.Grant{{Folder: f, User: user, Right: havre.RightManage}, {Folder: f, Path: "a", Group: group, Right: havre.RightRead}}, "a", havre.RightRead},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := newReach(row.grants, f).right(row.path); got != row.want {
				t.Errorf("right %v, want %v", got, row.want)
			}
		})
	}
}

func TestStrangersLearnNothing(t *testing.T) {
	w := newWorld(t)
	eve := w.join("eve", "laptop", havre.RightNone)
	ctx := t.Context()
	if got := ok(w.Folders(ctx, eve))(t); len(got) != 0 {
		t.Errorf("eve sees %v", got)
	}
	for _, scope := range []havre.Scope{w.scope, {Folder: "nonsense"}, {Folder: w.folder.ID, Root: "a"}} {
		_, err := w.Head(ctx, eve, scope)
		wantCode(t, err, havre.CodeDenied)
		_, err = w.Commit(ctx, eve, scope, &havre.Commit{ID: "x"})
		wantCode(t, err, havre.CodeDenied)
		_, err = w.Open(ctx, eve, scope, havre.FileVersion{Path: "a", Rev: 0})
		wantCode(t, err, havre.CodeDenied)
		wantCode(t, w.Follow(ctx, eve, scope, 0, "", nil), havre.CodeDenied)
		for _, err := range w.List(ctx, eve, scope, 0, "") {
			wantCode(t, err, havre.CodeDenied)
		}
		_, _, err = w.BeginUpload(ctx, eve, scope, 1, "")
		wantCode(t, err, havre.CodeDenied)
	}
	_, err := w.Head(ctx, eve, havre.Scope{Folder: w.folder.ID, Root: "../x"})
	wantCode(t, err, havre.CodeInvalid)
}

func TestRevokedWhileFollowing(t *testing.T) {
	for _, row := range []struct {
		name   string
		revoke func(context.Context, *world, *havre.Caller) error
		want   havre.Code
	}{
		{"the device", func(ctx context.Context, w *world, c *havre.Caller) error {
			return w.console().RevokeDevice(ctx, c.Device)
		}, havre.CodeUnauthenticated},
		{"the grant", func(ctx context.Context, w *world, _ *havre.Caller) error {
			return w.console().Grant(ctx, w.folder.Name, "ada", havre.RightNone)
		}, havre.CodeDenied},
		{"the account, from another process", func(ctx context.Context, w *world, _ *havre.Caller) error {
			console, err := OpenAdmin(ctx, w.dir, Options{})
			if err != nil {
				return err
			}
			return errors.Join(console.SetUserDisabled(ctx, "ada", true), console.Close())
		}, havre.CodeUnauthenticated},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			ada := w.join("ada", "laptop", havre.RightWrite)
			w.must(ada, put("a", "1", unknown))
			got, ended := make(chan svn.Revnum), make(chan error)
			go func() {
				ended <- w.Follow(t.Context(), ada, w.scope, 0, "", func(r *havre.Revision) error {
					got <- r.Rev
					return nil
				})
			}()
			if rev := <-got; rev != 1 {
				t.Errorf("followed r%d, want r1", rev)
			}
			if err := row.revoke(t.Context(), w, ada); err != nil {
				t.Fatal(err)
			}
			wantCode(t, <-ended, row.want)
		})
	}
}
