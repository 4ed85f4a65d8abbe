package hub

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
)

// spot is a place of the folder, as of a revision.
func (w *world) spot(c *havre.Caller, path string, rev svn.Revnum) *Spot {
	w.t.Helper()
	return ok(w.Spot(w.t.Context(), c, "Documents", svn.Path(path), rev))(w.t)
}

// mucc commits with Subversion's own program, as somebody without havre; an empty author is none.
func (w *world) mucc(author string, args ...string) svn.Revnum {
	w.t.Helper()
	url := "file://" + w.repositoryDir()
	w.run("svnmucc", append([]string{"--non-interactive", "-u", "x", "-U", url, "-m", "x"}, args...)...)
	rev := strings.TrimSpace(w.run("svnlook", "youngest", w.repositoryDir()))
	n := svn.Revnum(0)
	if _, err := fmt.Sscan(rev, &n); err != nil {
		w.t.Fatal(err)
	}
	if author == "" {
		w.run("svnadmin", "delrevprop", "-r", rev, w.repositoryDir(), "svn:author")
	} else {
		w.setProp(rev, "svn:author", author)
	}
	return n
}

func (w *world) setProp(rev, name, value string) {
	w.t.Helper()
	file := filepath.Join(w.t.TempDir(), "value")
	if err := os.WriteFile(file, []byte(value), 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.run("svnadmin", "setrevprop", "-r", rev, w.repositoryDir(), name, file)
}

func (w *world) file(content string) string {
	w.t.Helper()
	file := filepath.Join(w.t.TempDir(), "content")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return file
}

func numbers(list []Version) string {
	var b strings.Builder
	for _, v := range list {
		fmt.Fprintf(&b, "%d:%s@%d ", v.Number, v.Path, v.Rev)
	}
	return strings.TrimSpace(b.String())
}

func TestVersionsThroughRenames(t *testing.T) {
	w := newWorld(t)
	ada := w.join("ada", "laptop", havre.RightWrite)
	r1 := w.must(ada, mkdir("a"), put("a/plan.txt", "1\n", unknown))
	r2 := w.must(ada, put("a/plan.txt", "2\n", r1))
	r3 := w.must(ada, mv("a", r2, "b")...)                                    // its directory
	r4 := w.must(ada, mv("b/plan.txt", r3, "b/Plan 2.txt")...)                // itself
	r5 := w.mucc("", "put", w.file("3\n"), "b/Plan 2.txt")                    // svn, without an author
	w.setProp(fmt.Sprint(int(r5)), "svn:date", "1999-01-01T00:00:00.000000Z") // and with an odd date
	now := w.spot(ada, "b/Plan 2.txt", unknown)
	list, more, err := w.Versions(t.Context(), now)
	if err != nil || more {
		t.Fatal(err, more)
	}
	want := fmt.Sprintf("4:b/Plan 2.txt@%d 3:b/Plan 2.txt@%d 2:a/plan.txt@%d 1:a/plan.txt@%d", r5, r4, r2, r1)
	if got := numbers(list); got != want {
		t.Errorf("versions %s, want %s", got, want)
	}
	if list[0].Author != "" || !list[1].Moved || list[1].Device != ada.Device || list[0].Size != 2 {
		t.Errorf("versions are %+v", list)
	}
	// The first version comes back under today's name, and is a fifth one.
	d := ok(w.RestoreVersion(t.Context(), ada, now, list[3].Path, list[3].Rev))(t)
	if got := w.cat(ada, "b/Plan 2.txt", d.Rev); got != "1\n" {
		t.Errorf("restored %q", got)
	}
	list, _, err = w.Versions(t.Context(), w.spot(ada, "b/Plan 2.txt", unknown))
	if err != nil || len(list) != 5 || list[0].Number != 5 || list[4].Path != "a/plan.txt" {
		t.Errorf("after the restore %s, %v", numbers(list), err)
	}
	// And the way back.
	u := ok(w.Undo(t.Context(), ada, w.spot(ada, "", unknown), d.Rev))(t)
	if got := w.cat(ada, "b/Plan 2.txt", u.Rev); got != "3\n" {
		t.Errorf("after undo %q", got)
	}
	w.verify()
}

func TestRestoreDirectoryIsTheOldOne(t *testing.T) {
	w := newWorld(t)
	ada := w.join("ada", "laptop", havre.RightWrite)
	w.must(ada, mkdir("p"), mkdir("p/in"), put("p/keep.txt", "k\n", unknown), put("p/change.txt", "1\n", unknown), put("p/name.txt", "n\n", unknown),
		put("p/in/deep.txt", "d\n", unknown), put("p/in/gone.txt", "g\n", unknown), link("p/link", "keep.txt", unknown))
	then := w.mucc("jo", "mkdir", "p/replaced", "put", w.file("old\n"), "p/replaced/x")
	w.must(ada, put("p/change.txt", "2\n", then), del("p/in/gone.txt", then))
	w.must(ada, mv("p/name.txt", then+1, "p/other name.txt")...)
	r := w.mucc("jo", "rm", "p/replaced", "mkdir", "p/replaced", "put", w.file("new\n"), "p/replaced/y")
	r = w.must(ada, put("p/new.txt", "new\n", unknown), del("p/link", r))
	for _, deleteNewer := range []bool{false, true} {
		at := w.spot(ada, "p", then)
		entries := ok(w.Entries(t.Context(), at))(t)
		since := ok(w.SinceThen(t.Context(), at, entries))(t)
		plan := ok(w.PlanRestore(t.Context(), at, nil))(t)
		plan.Renames(since, at)
		if !deleteNewer && (len(plan.Names) != 1 || plan.Names[0].To != "p/name.txt" || !slices.Equal(plan.Contents, []svn.Path{"p/change.txt"})) {
			t.Errorf("the plan is %+v", plan)
		}
		head := w.head(ada)
		d := ok(w.Restore(t.Context(), ada, at, plan, deleteNewer, ""))(t)
		if len(d.Refused) > 0 || d.Rev != head+1 {
			t.Fatalf("restored as r%d, head was r%d, refused %v", d.Rev, head, d.Refused)
		}
		_, err := w.Spot(t.Context(), ada, "Documents", "p/new.txt", unknown)
		if deleteNewer != (havre.CodeOf(err) == havre.CodeNotFound && err != nil) {
			t.Errorf("delete newer %v: %v", deleteNewer, err)
		}
		if !deleteNewer {
			u := ok(w.Undo(t.Context(), ada, w.spot(ada, "", unknown), d.Rev))(t)
			if got := w.cat(ada, "p/change.txt", u.Rev); got != "2\n" {
				t.Errorf("after undo %q", got)
			}
			continue
		}
		a, b := filepath.Join(t.TempDir(), "then"), filepath.Join(t.TempDir(), "now")
		url := "file://" + w.repositoryDir() + "/p"
		w.run("svn", "export", "-q", "-r", fmt.Sprint(int(then)), url+"@"+fmt.Sprint(int(then)), a)
		w.run("svn", "export", "-q", "-r", fmt.Sprint(int(d.Rev)), url, b)
		w.run("diff", "-r", a, b)
	}
	_ = r
	w.verify()
}

func TestSinceThen(t *testing.T) {
	w := newWorld(t)
	ada := w.join("ada", "laptop", havre.RightWrite)
	then := w.must(ada, mkdir("p"), mkdir("p/d"), put("p/a", "a", unknown), put("p/b", "b", unknown), put("p/c", "c", unknown), put("p/same", "s", unknown))
	r := w.must(ada, put("p/d/new", "1", unknown), put("p/a", "a2", then))
	r = w.must(ada, mv("p/a", r, "p/z")...)
	r = w.must(ada, put("p/z", "a3", r), del("p/b", r))
	w.must(ada, mv("p", r, "q")...) // all of it
	at := w.spot(ada, "p", then)
	since := ok(w.SinceThen(t.Context(), at, ok(w.Entries(t.Context(), at))(t)))(t)
	got := map[string]string{}
	for name, s := range since {
		got[name] = fmt.Sprintf("%d %d %v %s", s.Changes, s.Added, s.Deleted != nil, s.Now)
	}
	want := map[string]string{"a": "2 0 false q/z", "b": "0 0 true ", "c": "0 0 false q/c", "d": "1 1 false q/d", "same": "0 0 false q/same"}
	for name, s := range want {
		if got[name] != s {
			t.Errorf("%s: %q, want %q", name, got[name], s)
		}
	}
}

// TestHistoryTellsNoNames: what a person may not read is in no history, list of deletions, activity or
// time line.
func TestHistoryTellsNoNames(t *testing.T) {
	w := newWorld(t)
	ada := w.join("ada", "laptop", havre.RightWrite)
	eve := w.join("eve", "laptop", havre.RightRead)
	r := w.must(ada, mkdir("open"), mkdir("secret"), put("open/a", "a", unknown), put("secret/salary", "s", unknown))
	if err := w.console().SetGrant(t.Context(), store.Grant{Folder: w.folder.ID, Path: "secret", User: eve.User, Right: havre.RightNone}); err != nil {
		t.Fatal(err)
	}
	w.access.forget()
	r = w.must(ada, put("secret/salary", "s2", r))
	r = w.must(ada, mv("secret/salary", r, "open/public")...)
	w.must(ada, del("open/a", r), mkdir("secret/other"), put("secret/x", "x", unknown))
	w.must(ada, del("secret/x", w.head(ada)))
	at := w.spot(eve, "", unknown)
	var seen strings.Builder
	for _, d := range ok(w.Deleted(t.Context(), at, 0, 100))(t) {
		fmt.Fprintln(&seen, d.Path)
	}
	doings, _, err := w.Activity(t.Context(), at, ActivityFilter{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range doings {
		fmt.Fprintln(&seen, d.Things)
	}
	touches, _, err := w.Touches(t.Context(), at, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, touch := range touches {
		fmt.Fprintln(&seen, touch.Path, touch.Files)
	}
	versions, _, err := w.Versions(t.Context(), w.spot(eve, "open/public", unknown))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(&seen, numbers(versions))
	if strings.Contains(seen.String(), "secret") || strings.Contains(seen.String(), "salary") {
		t.Errorf("eve sees\n%s", &seen)
	}
	if len(versions) != 1 || !strings.Contains(seen.String(), "open/a") {
		t.Errorf("eve sees only\n%s", &seen)
	}
	if _, err := w.Spot(t.Context(), eve, "Documents", "secret/salary", 1); havre.CodeOf(err) != havre.CodeNotFound {
		t.Errorf("the past of what eve may not read: %v", err)
	}
}

func TestMomentsAndDates(t *testing.T) {
	w := newWorld(t)
	ada := w.join("ada", "laptop", havre.RightWrite)
	for i := range 4 {
		w.must(ada, put(fmt.Sprintf("f%d", i), "x", unknown))
	}
	day := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for i, d := range []int{1, 5, 3, 8} { // the third is dated before the second
		w.setProp(fmt.Sprint(i+1), "svn:date", day.AddDate(0, 0, d).Format("2006-01-02T15:04:05.000000Z"))
	}
	at := w.spot(ada, "", unknown)
	for d, want := range map[int]svn.Revnum{0: 0, 1: 1, 2: 1, 4: 3, 6: 3, 9: 4} {
		if got := ok(w.RevisionAt(t.Context(), at, day.AddDate(0, 0, d)))(t); got != want {
			t.Errorf("after %d days r%d, want r%d", d, got, want)
		}
	}
}
