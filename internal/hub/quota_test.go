package hub

import (
	"strings"
	"testing"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
)

// TestPersonQuota: what a person wrote last counts, in all folders; what is replaced makes room, what
// others write does not count, and what is too much is refused with a reason.
func TestPersonQuota(t *testing.T) {
	w := newWorld(t)
	a := w.console()
	other := ok(a.AddFolder(t.Context(), "Archive"))(t)
	ada, bob := w.join("ada", "laptop", havre.RightWrite), w.join("bob", "desktop", havre.RightWrite)
	if err := a.Grant(t.Context(), "Archive", "ada", havre.RightWrite); err != nil {
		t.Fatal(err)
	}
	quota := func(n int64) {
		t.Helper()
		if err := a.ChangeUser(t.Context(), "ada", func(u *store.User) { u.Quota = n }); err != nil {
			t.Fatal(err)
		}
	}
	quota(1000)
	refused := func(changes ...havre.Change) {
		t.Helper()
		w.ids++
		_, err := w.Commit(t.Context(), ada, w.scope, &havre.Commit{ID: "too-much-" + string(rune('a'+w.ids%26)), Changes: changes})
		if havre.CodeOf(err) != havre.CodeFull || !strings.Contains(err.Error(), "your files may take") {
			t.Fatalf("got %v", err)
		}
	}
	text := func(n int) string { return strings.Repeat("x", n) }
	rev := w.must(ada, put("a", text(600), unknown))
	ok(w.Commit(t.Context(), ada, havre.Scope{Folder: other.ID}, &havre.Commit{ID: "elsewhere", Changes: []havre.Change{put("b", text(300), unknown)}}))(t)
	w.must(bob, put("c", text(5000), unknown))
	refused(put("d", text(200), unknown))
	rev = w.must(ada, put("a", text(650), rev))              // in the place of 600
	refused(put("a", text(800), rev))                        // 300 elsewhere
	w.must(ada, put("d", text(500), unknown), del("a", rev)) // one for the other
	w.must(ada, mkdir("e"))
	for _, f := range []*store.Folder{w.folder, other} { // as if half a minute had passed
		repo := ok(w.repos.get(f.Location))(t)
		ok(w.measures.now(t.Context(), f, ok(repo.Youngest(t.Context()))(t)))(t)
	}
	if use := ok(w.Usage(t.Context(), ada.User))(t); !use.Known || use.Bytes != 800 || use.Quota != 1000 || use.Nearly() || use.Left() != 200 {
		t.Fatalf("%+v", use)
	}
	w.must(bob, put("d", text(400), w.must(ada, put("d", text(500), unknown)))) // who takes a file over takes its bytes
	refused(put("f", text(701), unknown))
	w.must(ada, put("f", text(700), unknown))
	if _, _, err := w.BeginUpload(t.Context(), ada, w.scope, 1001, ""); havre.CodeOf(err) != havre.CodeFull {
		t.Errorf("an upload that can never fit: %v", err)
	}
	if _, err := w.BeginUploadIn(t.Context(), ada, "Documents", 1); havre.CodeOf(err) != havre.CodeFull {
		t.Errorf("an upload when all is used: %v", err)
	}
	if use := ok(w.Usage(t.Context(), bob.User))(t); use.Quota != -1 || use.Nearly() {
		t.Errorf("bob: %+v", use)
	}
	quota(-1)
	w.must(ada, put("g", text(5000), unknown))
	if r := w.commit(ada, put("g", "", svn.InvalidRevnum)); len(r.Refused) != 1 {
		t.Errorf("a refusal of another kind: %+v", r)
	}
}
