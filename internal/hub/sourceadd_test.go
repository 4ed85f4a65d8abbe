package hub

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/source"
	"github.com/havre-cloud/havre/internal/source/framadate"
	"github.com/havre-cloud/havre/internal/source/framadate/framadatetest"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
)

// TestPollsByTheirAdministration: the address with which a poll is administered reads all of it, and is seen nowhere.
func TestPollsByTheirAdministration(t *testing.T) {
	polls := framadatetest.New(t, framadatetest.Options{})
	poll := framadatetest.SampleDates()
	poll.ID = "our-own-choice"
	poll = polls.Add(poll)
	w := newSourceWorld(t)
	w.stop()
	w.Hub = ok(Open(t.Context(), w.dir, Options{
		Version: "test", Logger: slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Sources: source.NewRegistry(framadate.New()), SourceClient: source.ClientOptions{AllowPrivate: true, PerSecond: -1},
	}))(t)
	w.run()
	ok(w.AddSources(t.Context(), w.ada, w.spot(""), []SourceWish{{URL: polls.Administration(poll)}}))(t)
	all := w.until("are backed up", func(all []Source) bool { return len(all) == 1 && all[0].State == SourceOK })
	if s := all[0]; s.Address.Name != poll.ID || strings.Contains(fmt.Sprintf("%+v", s), poll.Admin) || len(s.Files) < 4 {
		t.Errorf("%+v", s)
	}
	for name, content := range w.tree() {
		if strings.Contains(content, poll.Admin) {
			t.Errorf("%s has the address of the administration", name)
		}
	}
	w.pause()
	if strings.Contains(w.log.String(), poll.Admin) {
		t.Errorf("in the log: %s", w.log)
	}
	err := filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(content, []byte(poll.Admin)) {
			t.Errorf("%s has it", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestAddingManyAnswersAtOnce(t *testing.T) {
	w := newSourceWorld(t)
	ctx := t.Context()
	const many = 500
	var text strings.Builder
	for i := range many {
		w.notes.Set(fmt.Sprintf("n%d", i), fmt.Sprintf("Note %d\n", i))
		fmt.Fprintf(&text, "see http://notes.example/n/n%d please\n", i)
	}
	text.WriteString("http://notes.example/maybe/other http://closed.example/maybe/x\n")
	release := make(chan struct{})
	var first sync.Once
	busy := make(chan struct{})
	w.notes.Before = func(http.ResponseWriter, *http.Request) bool {
		first.Do(func() { close(busy) })
		<-release
		return false
	}
	w.run()
	// Nothing is answered by the instance until release is closed: what returns does not wait for it, nor do those of which
	// nobody is asked.
	list := ok(w.FindSources(ctx, w.ada, "", []byte(text.String())))(t)
	found := ok(w.Found(ctx, w.ada, list))(t)
	if len(found.Items) < many || found.Done {
		t.Fatalf("%d items, done %v", len(found.Items), found.Done)
	}
	var indexes []int
	for i := range found.Items {
		indexes = append(indexes, i)
	}
	if err := w.AddFound(ctx, w.ada, list, indexes, w.spot(""), SourceHow{}); err != nil {
		t.Fatal(err)
	}
	<-busy
	w.until("are there", func(all []Source) bool { return len(all) == many-maxLooks })
	close(release)
	all := w.until("are backed up", func(all []Source) bool {
		good := 0
		for i := range all {
			if all[i].State == SourceOK && all[i].Days[29] == DayVersion {
				good++
			}
		}
		return good >= 20 && len(all) == many
	})
	if got := len(w.tree()); got < 40 || len(all) != many {
		t.Errorf("%d files, %d sources", got, len(all))
	}
	found = ok(w.Found(ctx, w.ada, list))(t)
	states := map[FoundState]int{}
	for _, f := range found.Items {
		states[f.State]++
	}
	if states[FoundAdded] != many {
		t.Errorf("%v", states)
	}
	w.notes.Set("new", "New\n")
	again := ok(w.FindSources(ctx, w.ada, "", []byte("http://notes.example/n/n1\nhttp://notes.example/n/new\nhttp://notes.example/n/none\nhttp://away.example/n/x")))(t)
	w.until("were checked", func([]Source) bool {
		found = ok(w.Found(ctx, w.ada, again))(t)
		return found.Done
	})
	if found.Items[0].State != FoundKnown || found.Items[0].Place != "Team" || found.Items[1].State != FoundReady || found.Items[1].Reason != "" {
		t.Errorf("%+v", found.Items)
	}
	if none, away := found.Items[2], found.Items[3]; none.State != FoundNone || none.Reason != source.ReasonGone || away.State != FoundReady || away.Reason != source.ReasonDown {
		t.Errorf("%+v, %+v", none, away)
	}
	if waiting := ok(w.UnresolvedSources(ctx, w.ada))(t); !slices.ContainsFunc(waiting, func(f Found) bool { return f.Given == "http://notes.example/n/new" }) {
		t.Errorf("%+v", waiting)
	}
	if err := w.DropFound(ctx, w.ada, again, []int{1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	if waiting := ok(w.UnresolvedSources(ctx, w.ada))(t); slices.ContainsFunc(waiting, func(f Found) bool { return f.List == again }) {
		t.Errorf("%+v", waiting)
	}
	if err := w.DropFound(ctx, w.join("ben", "phone", havre.RightRead), again, []int{0}); havre.CodeOf(err) != havre.CodeNotFound {
		t.Errorf("another person's list: %v", err)
	}
}

func TestCollectionsAddWhatTheyHold(t *testing.T) {
	w := newSourceWorld(t)
	ctx := t.Context()
	w.notes.Set("shelf", "a b")
	w.notes.Set("a", "A\n")
	w.notes.Set("b", "B\n")
	w.notes.Set("c", "C\n")
	w.run()
	ok(w.AddSources(ctx, w.ada, ok(w.SourceSpot(ctx, w.ada, "Team", "Shelf"))(t), []SourceWish{{URL: "http://notes.example/shelf", Live: true}}))(t)
	good := func(many int) func([]Source) bool {
		return func(all []Source) bool {
			return len(all) == many && !slices.ContainsFunc(all, func(s Source) bool { return s.State != SourceOK })
		}
	}
	all := w.until("are backed up", good(3))
	shelf := all[slices.IndexFunc(all, func(s Source) bool { return s.Address.Collection != "" })]
	if shelf.Documents != 2 || shelf.Live || shelf.Summary != "2 documents" || w.tree()["Shelf/A.txt"] != "A\n" {
		t.Errorf("%+v %v", shelf, w.tree())
	}
	w.notes.Set("shelf", "a c")
	w.check(shelf.ID)
	all = w.until("are backed up", good(4))
	for i := range all {
		if all[i].Address.Name != "a" {
			continue
		}
		n := ok(w.store.Source(ctx, all[i].ID))(t)
		if kept := ok(w.vault.openSecrets(n.ID, n.Sealed))(t); kept.Session.Reveal() != "s.3" || all[i].Parent != shelf.ID {
			t.Errorf("%+v", revealed(&kept))
		}
	}
	w.notes.Delete("shelf")
	if got := w.check(shelf.ID); got.State != SourceGone {
		t.Errorf("%s %q", got.State, got.Text)
	}
	if err := w.RemoveSource(ctx, w.ada, shelf.ID); err != nil {
		t.Fatal(err)
	}
	if all := ok(w.Sources(ctx, w.ada, SourceFilter{}))(t); len(all) != 0 || w.tree()["Shelf/C.txt"] != "C\n" {
		t.Errorf("%d sources, %v", len(all), w.tree())
	}
}

func TestSourcesAreFollowedLive(t *testing.T) {
	w := newSourceWorld(t)
	ctx := t.Context()
	w.notes.Set("one", "Live\n0")
	w.run()
	ok(w.AddSources(ctx, w.ada, w.spot(""), []SourceWish{{URL: "http://notes.example/n/one", Live: true}}))(t)
	all := w.until("are live", func(all []Source) bool { return len(all) == 1 && all[0].State == SourceLive })
	w.notes.Set("one", "Live\n1")
	w.until("have the change", func([]Source) bool { return w.tree()["Live.txt"] == "Live\n1" })
	runs := ok(w.SourceRuns(ctx, w.ada, all[0].ID, 0, 10))(t)
	if len(runs) != 2 || !runs[0].Live || runs[1].Live {
		t.Errorf("%+v", runs)
	}
	// The server stops and starts again: it is followed on.
	w.pause()
	if s := ok(w.Source(ctx, w.ada, all[0].ID))(t); s.State != SourceOK {
		t.Errorf("nobody follows it, and its state is %s", s.State)
	}
	w.notes.Set("one", "Live\n2")
	w.run()
	w.until("have what was written meanwhile", func([]Source) bool { return w.tree()["Live.txt"] == "Live\n2" })
	if err := w.SetSource(ctx, w.ada, all[0].ID, SourceChange{Live: new(false)}); err != nil {
		t.Fatal(err)
	}
	w.until("are live no longer", func(all []Source) bool { return all[0].State == SourceOK })
	if err := w.PauseSource(ctx, w.ada, all[0].ID); err != nil {
		t.Fatal(err)
	}
	if s := ok(w.Source(ctx, w.ada, all[0].ID))(t); s.State != SourcePaused || !s.Next.IsZero() {
		t.Errorf("%s %s", s.State, s.Next)
	}
}

func TestListsOfBackups(t *testing.T) {
	w := newSourceWorld(t)
	ctx := t.Context()
	w.must(w.ada, mkdir("Pads"))
	w.notes.Set("one", "One\n1")
	w.run()
	s := w.add("Pads", "one")[0]
	later := func() time.Time { return time.Now().Add(time.Hour) }
	if err := w.backups.writeStale(ctx, later()); err != nil {
		t.Fatal(err)
	}
	tree := w.tree()
	if !strings.Contains(tree["Pads/index.html"], "One") || !strings.Contains(tree["Pads/index.csv"], "http://notes.example/n/one") {
		t.Errorf("%v", tree)
	}
	head := w.spot("").Folder.Head
	if err := w.backups.writeStale(ctx, later()); err != nil || w.spot("").Folder.Head != head {
		t.Errorf("%v, written again at %d", err, head)
	}
	w.must(w.ada, put("Pads/index.csv", "mine", head), del("Pads/index.html", head))
	w.notes.Set("one", "One\n2")
	w.check(s.ID)
	if err := w.backups.writeStale(ctx, later()); err != nil {
		t.Fatal(err)
	}
	if tree = w.tree(); tree["Pads/index.csv"] != "mine" || tree["Pads/index.html"] != "" {
		t.Errorf("what a person did is undone: %v", tree)
	}
}

func TestBackupsWithoutRoom(t *testing.T) {
	w := newSourceWorld(t)
	ctx := t.Context()
	w.notes.Set("one", "One\n"+strings.Repeat("much ", 4000))
	if err := w.console().SetFolderQuota(ctx, "Team", 30_000); err != nil {
		t.Fatal(err)
	}
	w.run()
	s := w.add("", "one")[0]
	if s.State != SourceFailed || s.Reason != source.ReasonOurs || !strings.Contains(s.Text, "is full") {
		t.Fatalf("%s %s %q", s.State, s.Reason, s.Text)
	}
	w.notes.Set("one", "One\n"+strings.Repeat("less ", 2000))
	if s = w.check(s.ID); s.State != SourceOK || len(w.tree()["One.txt"]) != 4+10_000 {
		t.Errorf("%s %q", s.State, s.Text)
	}
}

func TestAClosedAccountHoldsUpNobody(t *testing.T) {
	w := newSourceWorld(t)
	ctx := t.Context()
	ben := w.join("ben", "phone", havre.RightWrite)
	w.notes.Set("one", "One\n1")
	at := ok(w.Spot(ctx, ben, "Team", "", svn.InvalidRevnum))(t)
	list := ok(w.AddSources(ctx, ben, at, []SourceWish{{URL: "http://notes.example/n/two"}}))(t)
	if err := w.console().SetUserDisabled(ctx, "ben", true); err != nil {
		t.Fatal(err)
	}
	w.run()
	if all := w.add("", "one"); len(all) != 1 || all[0].State != SourceOK {
		t.Errorf("%+v", all)
	}
	found := ok(w.Found(ctx, ben, list))(t)
	if f := found.Items[0]; f.State != FoundNone || !strings.Contains(f.Text, "closed") || !found.Done {
		t.Errorf("%+v", f)
	}
}

func TestLargeCopies(t *testing.T) {
	w := newSourceWorld(t)
	ctx := t.Context()
	w.notes.Set("one", "One\n1")
	w.run()
	s := w.add("", "one")[0]
	w.pause()
	caller := ok(w.backups.callerOf(ctx, w.ada.User))(t)
	target := &folderTarget{hub: w.Hub, id: s.ID, caller: caller}
	n := ok(w.store.Source(ctx, s.ID))(t)
	big := strings.Repeat("a history of many revisions\n", 200_000)
	opened := 0
	c := source.NewCopy(nil)
	c.Files = []source.File{{Ext: ".txt", Size: int64(len(big)), Open: func() (io.ReadCloser, error) {
		opened++
		return io.NopCloser(strings.NewReader(big)), nil
	}}}
	saved := ok(target.Save(ctx, itemOf(&n), c))(t)
	if !saved.Written || target.rev <= 0 || opened != 1 {
		t.Errorf("%+v at %d, opened %d times", saved, target.rev, opened)
	}
	if f := ok(w.OpenSpot(ctx, w.spot("One.txt")))(t); f.Size() != int64(len(big)) {
		t.Errorf("%d bytes", f.Size())
	}
	if saved = ok(target.Save(ctx, itemOf(&n), c))(t); saved.Written || target.rev != 0 {
		t.Errorf("the same again is a version: %+v", saved)
	}
	if files, err := os.ReadDir(filepath.Join(w.dir, "uploads", string(caller.Device))); err != nil || len(files) > 0 {
		t.Errorf("%v: %d uploads are left", err, len(files))
	}
}

func TestBudgetsSurviveARestart(t *testing.T) {
	w := newSourceWorld(t)
	w.notes.Set("one", "One\n1")
	reset := time.Now().Add(time.Hour)
	w.notes.Before = func(rw http.ResponseWriter, _ *http.Request) bool {
		rw.Header().Set("X-RateLimit-Limit", "10")
		rw.Header().Set("X-RateLimit-Remaining", "7")
		rw.Header().Set("X-RateLimit-Reset", fmt.Sprint(reset.Unix()))
		return false
	}
	w.run()
	w.add("", "one")
	w.pause()
	w.stop()
	w.open()
	for host, b := range w.backups.budgets(t.Context()) {
		if host == "notes.example:80" && b.Limit == 10 && b.Remaining == 7 && b.Reset.Unix() == reset.Unix() {
			return
		}
	}
	t.Errorf("got %v", w.backups.budgets(t.Context()))
}

func TestSourceSettings(t *testing.T) {
	w := newSourceWorld(t)
	ctx := t.Context()
	if err := w.SetSourceSettings(ctx, store.Console, SourceSettings{Contact: "ops@example.org", Networks: []string{"10.1.2.3/8", " "}}); err != nil {
		t.Fatal(err)
	}
	want := SourceSettings{Contact: "ops@example.org", Networks: []string{"10.0.0.0/8"}}
	if diff := cmp.Diff(want, ok(w.SourceSettings(ctx))(t)); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []SourceSettings{{Contact: "me"}, {Networks: []string{"here"}}} {
		if err := w.SetSourceSettings(ctx, store.Console, bad); havre.CodeOf(err) != havre.CodeInvalid {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	w.notes.Set("one", "One\n1")
	var agent string
	var mu sync.Mutex
	w.notes.Before = func(_ http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		agent = r.UserAgent()
		return false
	}
	w.run()
	w.add("", "one")
	mu.Lock()
	defer mu.Unlock()
	if agent != "havre/test (+ops@example.org)" {
		t.Errorf("it calls itself %q", agent)
	}
}
