package hub

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// TestRefusals commits upon this tree, in which bob changed what is called his after r2, in r3:
//
//	d/mine d/his  e/mine  f  bobs(changed)  gone(deleted)  new(added)
func TestRefusals(t *testing.T) {
	const (
		outOfDate = havre.RefusedOutOfDate
		invalid   = havre.RefusedInvalid
		parent    = havre.RefusedParent
	)
	bad := func(c havre.Change, edit func(*havre.Change)) havre.Change { edit(&c); return c }
	for _, row := range []struct {
		name    string
		changes []havre.Change
		refused map[int]havre.RefusalReason
		want    string // the tree afterwards, of changes from the one before
	}{
		{"a new file", []havre.Change{put("x", "1", unknown)}, nil, "+x"},
		{"a change", []havre.Change{put("f", "new", 2)}, nil, "~f"},
		{"changed by others", []havre.Change{put("bobs", "mine", 2)}, map[int]havre.RefusalReason{0: outOfDate}, ""},
		{"changed by others, the rest goes in", []havre.Change{put("bobs", "mine", 2), put("f", "new", 2), put("x", "1", unknown)}, map[int]havre.RefusalReason{0: outOfDate}, "~f +x"},
		{"deleted by others", []havre.Change{put("gone", "mine", 2)}, map[int]havre.RefusalReason{0: outOfDate}, ""},
		{"added by others", []havre.Change{put("new", "mine", unknown)}, map[int]havre.RefusalReason{0: outOfDate}, ""},
		{"added by others with the same contents", []havre.Change{put("new", "new", unknown)}, nil, ""},
		{"deleted on both sides", []havre.Change{del("gone", 2)}, nil, ""},
		{"a directory that is there", []havre.Change{mkdir("d"), put("d/x", "1", unknown)}, nil, "+d/x"},
		{"a deletion of what others changed in", []havre.Change{del("d", 2)}, map[int]havre.RefusalReason{0: outOfDate}, ""},
		{"a deletion", []havre.Change{del("e", 2)}, nil, "-e -e/mine"},
		{"below a refused directory", []havre.Change{mkdir("new"), mkdir("new/sub"), put("new/sub/x", "1", unknown), put("y", "1", unknown)}, map[int]havre.RefusalReason{0: outOfDate, 1: parent, 2: parent}, "+y"},
		{"in a directory that is gone", []havre.Change{put("gone/x", "1", unknown), put("y", "1", unknown)}, map[int]havre.RefusalReason{0: outOfDate}, "+y"},
		{"a move", mv("e", 2, "g"), nil, "-e -e/mine +g +g/mine"},
		{"a move whose source others changed", mv("bobs", 2, "g"), map[int]havre.RefusalReason{0: parent, 1: outOfDate}, ""},
		{"a move of a directory that others changed in", mv("d", 2, "g"), map[int]havre.RefusalReason{0: parent, 1: outOfDate}, ""},
		{"a move whose source is gone", mv("gone", 2, "g"), map[int]havre.RefusalReason{0: parent, 1: outOfDate}, ""},
		{"a move to what others made", mv("e", 2, "new"), map[int]havre.RefusalReason{0: outOfDate, 1: parent}, ""},
		{"a change of a refused move's target", append(mv("bobs", 2, "g"), put("g", "mine", unknown)), map[int]havre.RefusalReason{0: parent, 1: outOfDate, 2: parent}, ""},
		{"out of a directory that goes", []havre.Change{cp("d/mine", 2, "g"), del("d", 2)}, map[int]havre.RefusalReason{0: parent, 1: outOfDate}, ""},
		{"a swap, one side changed by others", []havre.Change{del("f", 2), del("bobs", 2), cp("f", 2, "bobs"), cp("bobs", 2, "f")}, map[int]havre.RefusalReason{0: parent, 1: outOfDate, 2: parent, 3: parent}, ""},
		{"a directory in the place of a file that others changed", []havre.Change{bad(mkdir("bobs"), func(c *havre.Change) { c.Base = 2 }), put("bobs/x", "1", unknown)}, map[int]havre.RefusalReason{0: outOfDate, 1: parent}, ""},
		{"a directory in the place of a file", []havre.Change{bad(mkdir("f"), func(c *havre.Change) { c.Base = 2 }), put("f/x", "1", unknown)}, nil, "~f +f/x"},
		{"a file in the place of a directory", []havre.Change{put("e", "1", 2)}, nil, "~e -e/mine"},
		{"a reserved name", []havre.Change{mkdir(".havre"), put(".havre/marker", "1", unknown), put("d/.havre", "1", unknown)}, map[int]havre.RefusalReason{0: invalid, 1: invalid}, "+d/.havre"},
		{"a name with a newline", []havre.Change{put("a\nb", "1", unknown), put("x", "1", unknown)}, map[int]havre.RefusalReason{0: invalid}, "+x"},
		{
			"names that are none",
			[]havre.Change{put("../x", "1", unknown), put("", "1", unknown), put("a//b", "1", unknown), put("a\xff", "1", unknown), put(strings.Repeat("x/", 3000)+"x", "1", unknown)},
			map[int]havre.RefusalReason{0: invalid, 1: invalid, 2: invalid, 3: invalid, 4: invalid},
			"",
		},
		{"other contents than announced", []havre.Change{bad(put("x", "1", unknown), func(c *havre.Change) { c.Content = []byte("2") }), put("y", "1", unknown)}, map[int]havre.RefusalReason{0: invalid}, "+y"},
		{"no such upload", []havre.Change{bad(put("x", "1", unknown), func(c *havre.Change) { c.Content, c.Upload = nil, "abc-1" }), put("y", "1", unknown)}, map[int]havre.RefusalReason{0: havre.RefusedUpload}, "+y"},
		{"kept contents of nothing", []havre.Change{bad(put("x", "", unknown), func(c *havre.Change) { c.KeepContent, c.Content = true, nil })}, map[int]havre.RefusalReason{0: invalid}, ""},
		{"a link that is none", []havre.Change{bad(put("x", "text", unknown), func(c *havre.Change) { c.Entry.Kind = havre.KindSymlink })}, map[int]havre.RefusalReason{0: invalid}, ""},
		{"a copy of nothing", []havre.Change{cp("nowhere", 2, "g")}, map[int]havre.RefusalReason{0: outOfDate}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			ada, bob := w.join("ada", "laptop", havre.RightWrite), w.join("bob", "desktop", havre.RightWrite)
			w.must(ada, mkdir("d"), put("d/mine", "1", unknown), put("d/his", "1", unknown), mkdir("e"), put("e/mine", "1", unknown))
			w.must(ada, put("f", "1", unknown), put("bobs", "1", unknown), put("gone", "1", unknown))
			head := w.must(bob, put("bobs", "2", 2), put("d/his", "2", 2), del("gone", 2), put("new", "new", unknown))
			before := w.listing(ada, w.scope, head)
			result := w.commit(ada, row.changes...)
			got := map[int]havre.RefusalReason{}
			for _, r := range result.Refused {
				got[r.Index] = r.Reason
				if r.Text == "" || r.Path != row.changes[r.Index].Path {
					t.Errorf("refusal %+v", r)
				}
			}
			if len(row.refused) != len(got) || len(got) > 0 && cmp.Diff(row.refused, got) != "" {
				t.Errorf("refused %v, want %v", got, row.refused)
			}
			wantRev := head
			switch {
			case row.want != "":
				wantRev++
			case len(row.refused) == len(row.changes):
				wantRev = svn.InvalidRevnum
			}
			if result.Rev != wantRev {
				t.Errorf("became r%d, want r%d", result.Rev, wantRev)
			}
			if diff := difference(before, w.listing(ada, w.scope, w.head(ada))); diff != row.want {
				t.Errorf("the tree changed by %q, want %q", diff, row.want)
			}
			w.verify()
		})
	}
}

// difference says what came (+), went (-) and changed (~), by path.
func difference(before, after map[svn.Path]string) string {
	var words []string
	for p, e := range before {
		if now, there := after[p]; !there {
			words = append(words, "-"+string(p))
		} else if now != e {
			words = append(words, "~"+string(p))
		}
	}
	for p := range after {
		if _, there := before[p]; !there {
			words = append(words, "+"+string(p))
		}
	}
	slices.SortFunc(words, func(a, b string) int { return strings.Compare(a[1:], b[1:]) })
	return strings.Join(words, " ")
}

func TestAttributes(t *testing.T) {
	w := newWorld(t)
	ada := w.join("ada", "laptop", havre.RightWrite)
	at := time.Date(2026, 11, 21, 14, 5, 9, 123456789, time.FixedZone("", 3600))
	run := put("run", "#!", unknown)
	run.Entry.Executable, run.Entry.ModTime = true, at
	w.must(ada, run, link("l", "run", unknown), put("plain", "", unknown))
	url := "file://" + w.repositoryDir()
	if got := w.run("svn", "propget", "svn:special", url+"/l"); got != "*\n" {
		t.Errorf("svn:special is %q", got)
	}
	if got := w.run("svn", "propget", "havre:mtime", url+"/run"); got != "2026-11-21T13:05:09.123456789Z\n" {
		t.Errorf("havre:mtime is %q", got)
	}
	copyOut := filepath.Join(t.TempDir(), "wc")
	w.run("svn", "checkout", "-q", url, copyOut)
	if target := ok(os.Readlink(filepath.Join(copyOut, "l")))(t); target != "run" {
		t.Errorf("checked out, the link leads to %q", target)
	}
	if mode := ok(os.Stat(filepath.Join(copyOut, "run")))(t).Mode(); mode&0o100 == 0 {
		t.Errorf("checked out, the program has the mode %v", mode)
	}

	// What others set stays, what we know of the contents goes with them.
	w.run("svn", "propset", "-q", "svn:mime-type", "text/x-sh", filepath.Join(copyOut, "run"))
	w.run("svn", "commit", "-q", "-m", "type", copyOut)
	w.must(ada, put("run", "new", 2))
	if got := w.run("svn", "proplist", "-q", url+"/run"); strings.TrimSpace(got) != "svn:mime-type" {
		t.Errorf("after the change the properties are %q, want svn:mime-type alone", got)
	}
	var got []havre.Item
	for item, err := range w.List(t.Context(), ada, w.scope, 1, "") {
		if err != nil {
			t.Fatal(err)
		}
		item.Hash = ""
		got = append(got, item)
	}
	want := []havre.Item{
		{Path: "l", Entry: havre.Entry{Kind: havre.KindSymlink, Size: 8, Rev: 1}},
		{Path: "plain", Entry: havre.Entry{Kind: havre.KindFile, Rev: 1}},
		{Path: "run", Entry: havre.Entry{Kind: havre.KindFile, Size: 2, Rev: 1, Executable: true, ModTime: at.UTC()}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("listing (-want +got):\n%s", diff)
	}
	author := w.run("svnlook", "author", w.repositoryDir())
	device := w.run("svnlook", "propget", "--revprop", w.repositoryDir(), propDevice)
	if author != "ada\n" || device != string(ada.Device) {
		t.Errorf("the revision is by %q on %q", author, device)
	}
	w.verify()
}

func TestKeepContent(t *testing.T) {
	w := newWorld(t)
	ada := w.join("ada", "laptop", havre.RightWrite)
	w.must(ada, put("f", "text", unknown))
	c := havre.Change{Kind: havre.ChangePut, Path: "f", Base: 1, KeepContent: true, Entry: havre.Entry{Kind: havre.KindFile, Executable: true}}
	if rev := w.must(ada, c); rev != 2 || w.cat(ada, "f", 2) != "text" {
		t.Errorf("r%d has %q", rev, w.cat(ada, "f", 2))
	}
	if rev := w.must(ada, c); rev != 2 {
		t.Errorf("the same again made r%d", rev)
	}
	moved := append(mv("f", 2, "g"), havre.Change{Kind: havre.ChangePut, Path: "g", Base: unknown, KeepContent: true, Entry: havre.Entry{Kind: havre.KindFile}})
	rev := w.must(ada, moved...)
	plain := put("g", "text", unknown).Entry
	if got := w.listing(ada, w.scope, rev)["g"]; got != describe(&plain) {
		t.Errorf("moved and made plain it is %q", got)
	}
	w.verify()
}

func TestRepeatedCommit(t *testing.T) {
	w := newWorld(t)
	ada, bob := w.join("ada", "laptop", havre.RightWrite), w.join("bob", "desktop", havre.RightWrite)
	w.must(bob, put("his", "1", unknown))
	commit := &havre.Commit{ID: "the-one", Message: "two\r\nlines", Changes: []havre.Change{put("x", "1", unknown), put("his", "2", unknown), put("y", "2", unknown)}}
	first := ok(w.Commit(t.Context(), ada, w.scope, commit))(t)
	if len(first.Refused) != 1 || first.Rev != 2 {
		t.Fatalf("the first time gave %+v", first)
	}
	again := ok(w.Commit(t.Context(), ada, w.scope, commit))(t)
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("the second time gave (-first +second):\n%s", diff)
	}
	for i := range 5 {
		w.must(bob, put(fmt.Sprint("more", i), "1", unknown))
	}
	w.stop()
	w.start()
	again = ok(w.Commit(t.Context(), ada, w.scope, commit))(t)
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("after a restart it gave (-first +again):\n%s", diff)
	}
	if got := w.run("svnlook", "log", "-r", "2", w.repositoryDir()); got != "two\nlines\n" {
		t.Errorf("the message is %q", got)
	}
	_, err := w.Commit(t.Context(), ada, w.scope, &havre.Commit{ID: ""})
	wantCode(t, err, havre.CodeInvalid)
}

func TestRepeatedWhileItRuns(t *testing.T) {
	w := newWorld(t)
	ada := w.join("ada", "laptop", havre.RightWrite)
	commit := &havre.Commit{ID: "the-one", Changes: []havre.Change{put("x", "1", unknown)}}
	results := make([]*havre.CommitResult, 8)
	var group sync.WaitGroup
	for i := range results {
		group.Go(func() {
			r, err := w.Commit(t.Context(), ada, w.scope, commit)
			if err != nil {
				t.Error(err)
			}
			results[i] = r
		})
	}
	group.Wait()
	for _, r := range results {
		if diff := cmp.Diff(&havre.CommitResult{Rev: 1}, r); diff != "" {
			t.Errorf("one call gave (-want +got):\n%s", diff)
		}
	}
}

// TestRacingCommitters lets several devices change the same file: of those with the same base one wins,
// and what wins is never lost.
func TestRacingCommitters(t *testing.T) {
	w := newWorld(t)
	devices := make([]*havre.Caller, 4)
	for i := range devices {
		devices[i] = w.join("ada", fmt.Sprint("device", i), havre.RightWrite)
	}
	base := w.must(devices[0], put("f", "", unknown))
	const rounds = 10
	for round := range rounds {
		var mu sync.Mutex
		var won []svn.Revnum
		var group sync.WaitGroup
		for i, d := range devices {
			group.Go(func() {
				r, err := w.Commit(t.Context(), d, w.scope, &havre.Commit{ID: fmt.Sprintf("%d-%d", round, i), Changes: []havre.Change{
					put("f", fmt.Sprint(round, i), base), put(fmt.Sprintf("own-%d-%d", round, i), "1", unknown),
				}})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				if len(r.Refused) == 0 {
					won = append(won, r.Rev)
				}
			})
		}
		group.Wait()
		if len(won) != 1 {
			t.Fatalf("round %d: %d of the devices changed the file, want one", round, len(won))
		}
		base = won[0]
	}
	if got := len(w.listing(devices[0], w.scope, w.head(devices[0]))); got != 1+rounds*len(devices) {
		t.Errorf("%d files, want %d", got, 1+rounds*len(devices))
	}
	w.verify()
}

func TestSubversionLock(t *testing.T) {
	w := newWorld(t)
	ada := w.join("ada", "laptop", havre.RightWrite)
	w.must(ada, mkdir("d"), put("d/f", "1", unknown), put("g", "1", unknown))
	w.run("svn", "lock", "--username", "bob", "file://"+w.repositoryDir()+"/d/f")
	r := w.commit(ada, put("d/f", "2", 1), put("g", "2", 1))
	if len(r.Refused) != 1 || r.Refused[0].Reason != havre.RefusedLocked || r.Rev != 2 {
		t.Errorf("a locked file gave %+v", r)
	}
	r = w.commit(ada, append(mv("d", 2, "e"), put("g", "3", 2))...)
	if len(r.Refused) != 2 || r.Rev != 3 {
		t.Errorf("a move of a directory with a locked file gave %+v", r)
	}
}

func TestUpload(t *testing.T) {
	w := newWorld(t)
	ada, bob := w.join("ada", "laptop", havre.RightWrite), w.join("bob", "desktop", havre.RightWrite)
	ctx := t.Context()
	content := bytes.Repeat([]byte("0123456789"), 100_000)
	size := int64(len(content))
	id, have, err := w.BeginUpload(ctx, ada, w.scope, size, "")
	if err != nil || have != 0 {
		t.Fatal(have, err)
	}
	if n := ok(w.WriteUpload(ctx, ada, id, 0, bytes.NewReader(content[:1000])))(t); n != 1000 {
		t.Errorf("%d bytes after the first piece", n)
	}
	w.stop()
	w.start()
	same, have, err := w.BeginUpload(ctx, ada, w.scope, size, id)
	if err != nil || same != id || have != 1000 {
		t.Fatalf("resumed %s at %d: %v", same, have, err)
	}
	_, err = w.WriteUpload(ctx, ada, id, 2000, strings.NewReader("x"))
	wantCode(t, err, havre.CodeInvalid)
	_, err = w.WriteUpload(ctx, bob, id, 1000, strings.NewReader("x"))
	wantCode(t, err, havre.CodeNotFound)
	_, err = w.WriteUpload(ctx, ada, "../../havre.db-1", 0, strings.NewReader("x"))
	wantCode(t, err, havre.CodeNotFound)

	big := havre.Change{
		Kind: havre.ChangePut, Path: "big", Base: unknown, Upload: id,
		Entry: havre.Entry{Kind: havre.KindFile, Size: size, Hash: havre.HashBytes(content)},
	}
	if r := w.commit(ada, big); len(r.Refused) != 1 || r.Refused[0].Reason != havre.RefusedUpload {
		t.Errorf("an incomplete upload gave %+v", r)
	}
	if n, err := w.WriteUpload(ctx, ada, id, 1000, bytes.NewReader(content[1000:])); err != nil || n != size {
		t.Fatal(n, err)
	}
	_, err = w.WriteUpload(ctx, ada, id, size, strings.NewReader("x"))
	wantCode(t, err, havre.CodeInvalid)
	rev := w.must(ada, big)
	if w.cat(ada, "big", rev) != string(content) {
		t.Error("the file is not what was uploaded")
	}
	if _, err := w.WriteUpload(ctx, ada, id, 0, strings.NewReader("x")); havre.CodeOf(err) != havre.CodeNotFound {
		t.Errorf("the used upload is still there: %v", err)
	}

	// The next version: what the server has is copied there.
	id, _, err = w.BeginUpload(ctx, ada, w.scope, size, "")
	if err != nil {
		t.Fatal(err)
	}
	src := havre.FileVersion{Path: "big", Rev: rev}
	if n := ok(w.CopyIntoUpload(ctx, ada, w.scope, id, 0, src, 500_000, 400_000))(t); n != 400_000 {
		t.Errorf("%d bytes after the copy", n)
	}
	_, err = w.CopyIntoUpload(ctx, ada, w.scope, id, 400_000, src, size-10, 11)
	wantCode(t, err, havre.CodeInvalid)
	want := append(bytes.Clone(content[500_000:900_000]), bytes.Repeat([]byte("x"), 600_000)...)
	ok(w.WriteUpload(ctx, ada, id, 400_000, bytes.NewReader(want[400_000:])))(t)
	spoilt := big
	spoilt.Upload, spoilt.Base = id, rev
	spoilt.Entry.Hash = havre.HashBytes([]byte("something else"))
	if r := w.commit(ada, spoilt, put("small", "1", unknown)); len(r.Refused) != 1 || r.Refused[0].Reason != havre.RefusedUpload || r.Rev != rev+1 {
		t.Errorf("other contents than announced gave %+v", r)
	}
	if _, have, err := w.BeginUpload(ctx, ada, w.scope, size, id); err != nil || have != 0 {
		t.Errorf("the spoilt upload is resumed at %d: %v", have, err)
	}

	if n, err := w.uploads.expire(time.Now().Add(time.Hour)); err != nil || n != 1 {
		t.Errorf("%d uploads expired, want the one above: %v", n, err)
	}
	w.verify()
}

func TestUploadHasOneWriter(t *testing.T) {
	w := newWorld(t)
	ada := w.join("ada", "laptop", havre.RightWrite)
	id, _, err := w.BeginUpload(t.Context(), ada, w.scope, 10, "")
	if err != nil {
		t.Fatal(err)
	}
	r, in := io.Pipe()
	var group sync.WaitGroup
	group.Go(func() {
		if n, err := w.WriteUpload(t.Context(), ada, id, 0, r); err != nil || n != 3 {
			t.Errorf("%d bytes: %v", n, err)
		}
	})
	ok(in.Write([]byte("abc")))(t) // the first writer reads: it has the upload
	_, err = w.WriteUpload(t.Context(), ada, id, 0, strings.NewReader("x"))
	wantCode(t, err, havre.CodeUnavailable)
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	group.Wait()
}
