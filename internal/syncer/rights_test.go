package syncer_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/reconcile"
	"github.com/havre-cloud/havre/internal/syncer"
	"github.com/havre-cloud/havre/internal/syncer/syncertest"
	"github.com/havre-cloud/havre/svn"
)

// hide has the device's person not read these paths; without any, everything.
func (d *device) hide(hidden ...svn.Path) {
	d.t.Helper()
	d.server.SetRights(havre.DeviceID(d.name), hidden, nil)
}

// has waits until the replica is this.
func (d *device) has(want map[string]string) {
	d.t.Helper()
	d.await(func(s syncer.Status) bool {
		return (s.State == syncer.StateUpToDate || s.State == syncer.StateNoAccess) && maps.Equal(d.tree(), want)
	})
}

// kept returns the contents of the files that were set aside, by their paths.
func (d *device) kept() map[string]string {
	d.t.Helper()
	kept := map[string]string{}
	for _, k := range d.engine.Status().Kept {
		b, err := os.ReadFile(k.Place)
		d.must(err)
		if !strings.HasPrefix(k.Place, d.aside) {
			d.t.Errorf("%s was set aside to %s, which is not in %s", k.Path, k.Place, d.aside)
		}
		kept[string(k.Path)] = string(b)
	}
	return kept
}

// trashed returns the contents in the trash, sorted.
func (d *device) trashed() []string {
	d.t.Helper()
	var contents []string
	d.must(filepath.WalkDir(filepath.Join(d.aside, "trash"), func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		contents = append(contents, string(b))
		return err
	}))
	slices.Sort(contents)
	return contents
}

func (d *device) told(what string) (paths []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.events {
		if e.What == what {
			paths = append(paths, string(e.Path))
		}
	}
	slices.Sort(paths)
	return paths
}

var threeFiles = map[string]string{"a": "1", "hr/": "", "hr/b": "2", "hr/deep/": "", "hr/deep/c": "3"}

func newHR(t *testing.T) (*syncertest.Server, *device) {
	t.Helper()
	s := syncertest.NewServer()
	s.Do(syncertest.Put("a", "1"), syncertest.Mkdir("hr"), syncertest.Put("hr/b", "2"), syncertest.Mkdir("hr/deep"), syncertest.Put("hr/deep/c", "3"))
	d := newDevice(t, s, "laptop")
	d.has(threeFiles)
	return s, d
}

func TestRightsComeAndGo(t *testing.T) {
	s, d := newHR(t)
	head := s.Head()
	for range 2 {
		d.hide("hr")
		d.has(map[string]string{"a": "1"})
		d.hide("hr/deep")
		d.has(map[string]string{"a": "1", "hr/": "", "hr/b": "2"})
		d.hide()
		d.has(threeFiles)
	}
	if s.Head() != head {
		t.Errorf("it made revisions: %+v", s.Log()[head:])
	}
	if n := len(d.kept()); n != 0 {
		t.Errorf("%d files set aside, want none", n)
	}
	if diff := cmp.Diff([]string{"2", "2", "3", "3"}, d.trashed()); diff != "" {
		t.Errorf("trash (-want +got):\n%s", diff)
	}
	if got := len(d.told("rights")); got != 6 {
		t.Errorf("told %d times of other rights, want 6", got)
	}
	d.look()
	if s.Head() != head {
		t.Error("a scan afterwards made a revision")
	}
}

func TestRightsChangeWhileOffline(t *testing.T) {
	s, d := newHR(t)
	d.stop()
	d.hide("hr")
	s.Do(syncertest.Put("hr/new", "4"), syncertest.Put("a", "11"))
	d.start()
	d.has(map[string]string{"a": "11"})
	d.stop()
	d.hide()
	s.Do(syncertest.Put("a", "111"))
	d.start()
	want := maps.Clone(threeFiles)
	want["a"], want["hr/new"] = "111", "4"
	d.has(want)
}

func TestUnsentChangesAreSetAside(t *testing.T) {
	s, d := newHR(t)
	head := s.Head()
	d.stop()
	d.write("hr/b", "mine")
	d.write("hr/fresh", "new")
	d.write("hr/deep/sub/fresh", "newer")
	d.rename("a", "hr/a")
	d.write("b", "may go up")
	d.hide("hr")
	d.start()
	d.has(map[string]string{"a": "1", "b": "may go up"})
	want := map[string]string{"hr/b": "mine", "hr/fresh": "new", "hr/deep/sub/fresh": "newer"}
	if diff := cmp.Diff(want, d.kept()); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	if s.Head() != head+1 {
		t.Errorf("revisions: %+v, want only that of b", s.Log()[head:])
	}
	if got := s.Tree()["hr/b"]; got != "2" {
		t.Errorf("on the server hr/b is %q now", got)
	}
	d.hide()
	wantTree := maps.Clone(threeFiles)
	wantTree["b"] = "may go up"
	d.has(wantTree)
	if len(d.kept()) != 3 {
		t.Errorf("what was set aside went away: %v", d.kept())
	}
	// It is reported until somebody has taken it from there.
	for _, k := range d.engine.Status().Kept {
		d.must(os.Remove(k.Place))
	}
	d.stop()
	d.start()
	d.has(wantTree)
	if n := len(d.kept()); n != 0 {
		t.Errorf("%d files are still reported", n)
	}
}

func TestNothingMayBeRead(t *testing.T) {
	s, d := newHR(t)
	head := s.Head()
	d.hide("")
	d.has(map[string]string{})
	d.is(syncer.StateNoAccess)
	if got := d.told("no access"); len(got) != 1 {
		t.Errorf("told %d times that there is no access", len(got))
	}
	// What is written now waits.
	d.write("later", "x")
	d.must(d.engine.Rescan(t.Context()))
	d.stop()
	d.start()
	d.is(syncer.StateNoAccess)
	s.Do(syncertest.Put("a", "2"))
	if s.Head() != head+1 {
		t.Errorf("it went up: %+v", s.Log()[head:])
	}
	d.hide()
	want := maps.Clone(threeFiles)
	want["a"], want["later"] = "2", "x"
	d.has(want)
	d.look()
	if diff := cmp.Diff(s.Tree(), d.tree()); diff != "" {
		t.Errorf("server and device (-server +device):\n%s", diff)
	}
}

// TestRightsAreNoDeletions: the guard does not hold them.
func TestRightsAreNoDeletions(t *testing.T) {
	s := syncertest.NewServer()
	changes := []havre.Change{syncertest.Mkdir("many"), syncertest.Put("one", "1")}
	for i := range 300 {
		changes = append(changes, syncertest.Put(svn.Path("many/"+strings.Repeat("x", i/26+1)+string(rune('a'+i%26))), string(rune('a'+i))))
	}
	s.Do(changes...)
	guard := func(c *syncer.Config) { c.Guard = reconcile.Guard{Files: 10, Share: 0.1} }
	d := newDevice(t, s, "laptop", guard)
	other := newDevice(t, s, "desktop", guard)
	settle(t, s, d, other)
	d.hide("many")
	d.has(map[string]string{"one": "1"})
	if st := d.engine.Status(); st.HeldDown+st.HeldUp > 0 {
		t.Errorf("held: %+v", st)
	}
	settle(t, s, other)
	d.hide()
	d.has(s.Tree())
	settle(t, s, d, other)
}

func TestReadOnly(t *testing.T) {
	s, d := newHR(t)
	other := newDevice(t, s, "desktop")
	other.has(threeFiles) // or what it writes meets what it has not seen
	head := s.Head()
	s.SetRights("laptop", nil, []svn.Path{"hr"})
	d.write("hr/b", "mine")
	d.remove("hr/deep/c")
	d.rename("a", "hr/a")
	d.write("hr/fresh", "new")
	d.must(d.engine.Rescan(t.Context()))
	d.await(func(st syncer.Status) bool {
		tree := d.tree()
		return tree["hr/b"] == "2" && tree["hr/deep/c"] == "3" && tree["a"] == "1" && tree["hr/a"] == "" && st.ProblemCount == 1
	})
	if diff := cmp.Diff(map[string]string{"hr/b": "mine"}, d.kept()); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	if got := d.tree()["hr/fresh"]; got != "new" {
		t.Errorf("the new file is %q", got)
	}
	if p := d.engine.Status().Problems[0]; p.Path != "hr/fresh" || !strings.Contains(p.Text, "may not") {
		t.Errorf("problem %+v", p)
	}
	if s.Head() != head {
		t.Errorf("revisions: %+v", s.Log()[head:])
	}
	if got := d.told("refused"); len(got) != 3 {
		t.Errorf("told of refusals of %q, want three", got)
	}
	// What others change still comes, and with the right the new file goes up.
	other.write("hr/b", "theirs")
	settle(t, s, other)
	d.await(func(syncer.Status) bool { return d.tree()["hr/b"] == "theirs" })
	s.SetRights("laptop", []svn.Path{"hr/deep"}, nil)
	d.await(func(syncer.Status) bool { return s.Tree()["hr/fresh"] == "new" })
	d.hide()
	d.has(s.Tree())
	settle(t, s, d, other)
}
