package hub

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/source"
	"github.com/havre-cloud/havre/internal/source/sourcetest"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
)

// sourceWorld is a server that makes backups of notes on a network in memory.
type sourceWorld struct {
	*world
	net   *sourcetest.Network
	notes *sourcetest.Instance // of notes.example
	log   *lockedBuffer
	ada   *havre.Caller // writes
	end   func()
}

// lockedBuffer is written to and read at the same time.
type lockedBuffer struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.String()
}

func newSourceWorld(t testing.TB) *sourceWorld {
	t.Helper()
	w := &sourceWorld{world: &world{t: t, dir: t.TempDir()}, net: sourcetest.NewNetwork(t), notes: sourcetest.NewInstance(), log: &lockedBuffer{}}
	w.net.Serve("notes.example", w.notes)
	w.open()
	t.Cleanup(func() {
		w.pause()
		w.stop()
	})
	w.folder = ok(w.console().AddFolder(t.Context(), "Team"))(t)
	w.scope = havre.Scope{Folder: w.folder.ID}
	w.ada = w.join("ada", "laptop", havre.RightWrite)
	return w
}

func (w *sourceWorld) open() {
	w.t.Helper()
	w.Hub = ok(Open(w.t.Context(), w.dir, Options{
		Version: "test", Logger: slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Sources: source.NewRegistry(shelves{}),
		SourceClient: source.ClientOptions{
			Dial: w.net.Dial, AllowPrivate: true, PerSecond: -1, Concurrent: 8,
		},
	}))(w.t)
}

// shelves are notes, and http://HOST/shelf holds those of the instance that its page /n/shelf names.
type shelves struct{ sourcetest.Provider }

func (s shelves) Recognise(u *url.URL) source.Recognised {
	if u.Path != "/shelf" {
		return s.Provider.Recognise(u)
	}
	return source.Recognised{Likelihood: source.Certain, Address: source.Address{
		Kind: sourcetest.Kind, Instance: u.Scheme + "://" + u.Host, Collection: "shelf", URL: u.String(),
	}}
}

func (s shelves) Probe(ctx context.Context, c *source.Client, r source.Recognised) (source.Recognised, error) {
	if r.Address.Collection == "" {
		return s.Provider.Probe(ctx, c, r)
	}
	r.Likelihood = source.Certain
	return r, nil
}

func (s shelves) List(ctx context.Context, c *source.Client, d source.Document) ([]source.Recognised, error) {
	page := d.Address
	page.URL = page.Instance + "/n/shelf"
	got, err := s.Fetch(ctx, c, source.Document{Address: page})
	if err != nil {
		return nil, err
	}
	defer got.Close()
	r, err := got.Files[0].Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	names, err := io.ReadAll(r)
	var list []source.Recognised
	for name := range strings.FieldsSeq(string(names)) {
		a := source.Address{Kind: sourcetest.Kind, Instance: page.Instance, Name: name, URL: page.Instance + "/n/" + name}
		list = append(list, source.Recognised{Address: a, Secrets: source.Secrets{Session: "s." + source.Secret(fmt.Sprint(len(names)))}, Likelihood: source.Certain})
	}
	return list, err
}

// run makes backups until pause.
func (w *sourceWorld) run() {
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() { done <- w.RunSources(ctx) }()
	w.end = func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
	}
}

func (w *sourceWorld) pause() {
	if w.end != nil {
		w.end()
		w.end = nil
	}
}

func (w *sourceWorld) spot(path string) *Spot {
	w.t.Helper()
	return ok(w.Spot(w.t.Context(), w.ada, "Team", svn.Path(path), svn.InvalidRevnum))(w.t)
}

// add adds notes of notes.example and waits until each was looked at.
func (w *sourceWorld) add(at string, names ...string) []Source {
	w.t.Helper()
	var wishes []SourceWish
	for _, n := range names {
		wishes = append(wishes, SourceWish{URL: "http://notes.example/n/" + n})
	}
	ok(w.AddSources(w.t.Context(), w.ada, w.spot(at), wishes))(w.t)
	return w.until("were looked at", func(all []Source) bool {
		return len(all) >= len(names) && !slices.ContainsFunc(all, func(s Source) bool { return s.LastRun.IsZero() || s.State == SourceRunning })
	})
}

// until waits until what ada sees of the sources is as it should be.
func (w *sourceWorld) until(what string, is func([]Source) bool) []Source {
	w.t.Helper()
	since := int64(-1)
	for {
		v, err := w.WaitSources(w.t.Context(), since)
		if err != nil {
			w.t.Fatalf("not all sources %s: %v", what, err)
		}
		since = v
		all := ok(w.Sources(w.t.Context(), w.ada, SourceFilter{}))(w.t)
		if is(all) {
			return all
		}
	}
}

// check has a source looked at and waits for the result.
func (w *sourceWorld) check(id SourceID) Source {
	w.t.Helper()
	before := ok(w.Source(w.t.Context(), w.ada, id))(w.t)
	if err := w.CheckSource(w.t.Context(), w.ada, id); err != nil {
		w.t.Fatal(err)
	}
	return w.after(id, before)
}

// after waits until there was a run of the source after it was as before.
func (w *sourceWorld) after(id SourceID, before *Source) Source {
	w.t.Helper()
	var got Source
	w.until("were looked at again", func(all []Source) bool {
		i := slices.IndexFunc(all, func(s Source) bool { return s.ID == id })
		if i < 0 || all[i].State == SourceRunning || !all[i].LastRun.After(before.LastRun) {
			return false
		}
		got = all[i]
		return true
	})
	return got
}

// tree returns the files of the folder with their contents.
func (w *sourceWorld) tree() map[string]string {
	w.t.Helper()
	ctx := w.t.Context()
	at := w.spot("")
	files := map[string]string{}
	err := w.WalkSpot(ctx, at, func(p svn.Path, e havre.Entry) error {
		if e.Kind != havre.KindFile {
			return nil
		}
		here, err := w.Spot(ctx, w.ada, "Team", p, svn.InvalidRevnum)
		if err != nil {
			return err
		}
		content, _, err := w.ReadSmall(ctx, here, 1<<20)
		files[string(p)] = string(content)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return files
}

func TestSourcesBecomeFiles(t *testing.T) {
	w := newSourceWorld(t)
	w.must(w.ada, mkdir("Minutes"))
	w.notes.Set("one", "Monday\nhello")
	w.notes.Set("two", "Monday\nanother of the same title")
	w.run()
	all := w.add("Minutes", "one", "two", "missing")
	if len(all) != 3 {
		t.Fatalf("%d sources", len(all))
	}
	bySource := map[string]*Source{}
	for i := range all {
		bySource[all[i].Address.Name] = &all[i]
	}
	one, two, missing := bySource["one"], bySource["two"], bySource["missing"]
	if one.State != SourceOK || two.State != SourceOK || missing.State != SourceGone || missing.Text == "" || one.AddedBy != "ada" {
		t.Errorf("states %s %s %s %q, added by %s", one.State, two.State, missing.State, missing.Text, one.AddedBy)
	}
	if one.Name == two.Name || one.Title != "Monday" || len(one.Files) != 2 || one.Path != "Minutes" || one.Folder != "Team" || !one.Next.After(one.LastRun) {
		t.Errorf("%+v", one)
	}
	if one.Days[29] != DayVersion || missing.Days[29] != DayFailed || one.Days[28] != DayNone {
		t.Errorf("days %v %v", one.Days, missing.Days)
	}
	tree := w.tree()
	if got := tree["Minutes/"+one.Name+".txt"]; got != "Monday\nhello" || len(tree) != 4 {
		t.Errorf("%q in %v", got, tree)
	}

	before := w.spot("").Folder.Head
	if got := w.check(one.ID); got.State != SourceOK || w.spot("").Folder.Head != before || got.LastVersion != one.LastVersion {
		t.Errorf("an unchanged note made a version: %+v", got)
	}
	w.notes.Set("one", "Monday\nhello again")
	one = new(w.check(one.ID))
	if got := w.tree()["Minutes/"+one.Name+".txt"]; got != "Monday\nhello again" {
		t.Errorf("the file has %q", got)
	}
	at := w.spot("Minutes/" + one.Name + ".txt")
	if act := ok(w.Act(t.Context(), at, at.Folder.Head))(t); act.Author != "ada" || !act.Backup() || !strings.Contains(act.Message, "Monday") || !strings.Contains(act.Message, "notes.example") {
		t.Errorf("%+v", act)
	}
	runs := ok(w.SourceRuns(t.Context(), w.ada, one.ID, 0, 10))(t)
	var outcomes []source.Outcome
	for _, r := range runs {
		outcomes = append(outcomes, r.Outcome)
	}
	if diff := cmp.Diff([]source.Outcome{source.OutcomeChanged, source.OutcomeUnchanged, source.OutcomeNew}, outcomes); diff != "" {
		t.Error(diff)
	}
	if runs[0].Rev != at.Folder.Head || runs[1].Rev != 0 {
		t.Errorf("revisions %d %d", runs[0].Rev, runs[1].Rev)
	}

	w.notes.Delete("one")
	if got := w.check(one.ID); got.State != SourceGone || got.LastGood.IsZero() || len(got.Files) != 2 || got.Failures != 1 {
		t.Errorf("%+v", got)
	}
	if _, there := w.tree()["Minutes/"+one.Name+".txt"]; !there {
		t.Error("what is gone on the instance was deleted here")
	}
	if b := ok(w.Health(t.Context()))(t).Backups; b != (BackupHealth{All: 3, Problems: 2}) {
		t.Errorf("%+v", b)
	}
	if spot := ok(w.SourceFile(t.Context(), w.ada, one.ID, ".txt"))(t); spot.Path != at.Path {
		t.Errorf("the file is at %s", spot.Path)
	}
	if err := w.RemoveSource(t.Context(), w.ada, one.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Source(t.Context(), w.ada, one.ID); havre.CodeOf(err) != havre.CodeNotFound {
		t.Error(err)
	}
	if _, there := w.tree()["Minutes/"+one.Name+".txt"]; !there {
		t.Error("the files went with the source")
	}
}

func TestSourcesKeepWhatPersonsDo(t *testing.T) {
	w := newSourceWorld(t)
	w.notes.Set("one", "Plan\nfirst")
	w.run()
	s := w.add("", "one")[0]
	head := w.spot("").Folder.Head
	w.must(w.ada, put("Plan.txt", "ada was here", head), del("Plan.html", head))
	w.notes.Set("one", "Plan\nsecond")
	w.check(s.ID)
	tree := w.tree()
	var aside string
	for name, content := range tree {
		if content == "ada was here" {
			aside = name
		}
	}
	if tree["Plan.txt"] != "Plan\nsecond" || aside == "" || aside == "Plan.txt" {
		t.Errorf("%v", tree)
	}
	if _, back := tree["Plan.html"]; back {
		t.Error("a form that a person has deleted came back")
	}

	head = w.spot("").Folder.Head
	w.must(w.ada, mv("Plan.txt", head, "Old plan.txt")...)
	w.notes.Set("one", "Plan\nthird")
	s = w.check(s.ID)
	if tree = w.tree(); tree["Old plan.txt"] != "Plan\nthird" || tree["Plan.txt"] != "" {
		t.Errorf("a file that was renamed is not followed: %v", tree)
	}

	head = w.spot("").Folder.Head
	w.must(w.ada, del("Old plan.txt", head))
	w.notes.Set("one", "Plan\nfourth")
	before := s
	if err := w.CheckSource(t.Context(), w.ada, s.ID); err != nil {
		t.Fatal(err)
	}
	s = w.after(s.ID, &before)
	if s.State != SourcePaused || !strings.Contains(s.Text, "deleted") {
		t.Errorf("%s %q", s.State, s.Text)
	}
	if err := w.CheckSource(t.Context(), w.ada, s.ID); err == nil {
		t.Error("a paused source can be checked")
	}
	before = s
	if err := w.ResumeSource(t.Context(), w.ada, s.ID); err != nil {
		t.Fatal(err)
	}
	if s = w.after(s.ID, &before); s.State != SourceOK {
		t.Errorf("%s %q", s.State, s.Text)
	}
	if tree = w.tree(); tree["Plan.txt"] != "Plan\nfourth" || tree["Plan.html"] == "" {
		t.Errorf("%v", tree)
	}
}

func TestSourcesFollowTheirDirectory(t *testing.T) {
	w := newSourceWorld(t)
	w.must(w.ada, mkdir("A"), mkdir("A/Inner"), mkdir("AB"))
	w.notes.Set("one", "One\n1")
	w.run()
	s := w.add("A/Inner", "one")[0]
	head := w.spot("").Folder.Head
	w.must(w.ada, mv("A", head, "Z")...)
	w.notes.Set("one", "One\n2")
	s = w.check(s.ID)
	if got := w.tree()["Z/Inner/One.txt"]; got != "One\n2" || s.Path != "Z/Inner" || s.State != SourceOK {
		t.Errorf("%q, %s, %s", got, s.Path, s.State)
	}
	// All its files go to another directory: so does the source.
	head = w.spot("").Folder.Head
	w.must(w.ada, append(mv("Z/Inner/One.txt", head, "AB/One.txt"), mv("Z/Inner/One.html", head, "AB/One.html")...)...)
	w.notes.Set("one", "One\n3")
	if s = w.check(s.ID); s.Path != "AB" || w.tree()["AB/One.txt"] != "One\n3" {
		t.Errorf("%s %v", s.Path, w.tree())
	}
}

func TestSuspectCopiesAreKeptApart(t *testing.T) {
	w := newSourceWorld(t)
	w.notes.Set("one", "Budget\n1000")
	w.run()
	s := w.add("", "one")[0]
	w.notes.Set("one", "")
	s = w.check(s.ID)
	if s.State != SourceSuspect || s.Suspect == nil || len(s.Suspect.Files) != 2 || w.tree()["Budget.txt"] != "Budget\n1000" || !s.State.Problem() {
		t.Fatalf("%s %+v %v", s.State, s.Suspect, w.tree())
	}
	head := w.spot("").Folder.Head
	if s = w.check(s.ID); s.State != SourceSuspect || w.spot("").Folder.Head != head || s.Suspect == nil {
		t.Errorf("the same suspect copy is kept twice: %+v", s)
	}
	if err := w.ResolveSuspect(t.Context(), w.ada, s.ID, KeepGood); err != nil {
		t.Fatal(err)
	}
	if s = w.check(s.ID); s.State != SourceOK || s.Suspect != nil || len(w.tree()) != 2 {
		t.Errorf("%s %+v %v", s.State, s.Suspect, w.tree())
	}
	if err := w.ResolveSuspect(t.Context(), w.ada, s.ID, KeepGood); havre.CodeOf(err) != havre.CodeInvalid {
		t.Error(err)
	}
	w.notes.Set("one", "Budget\n2000")
	s = w.check(s.ID)
	w.notes.Set("one", "")
	if s = w.check(s.ID); s.State != SourceSuspect {
		t.Fatalf("%s", s.State)
	}
	before := s
	if err := w.ResolveSuspect(t.Context(), w.ada, s.ID, KeepSuspect); err != nil {
		t.Fatal(err)
	}
	if s = w.after(s.ID, &before); s.State != SourceOK || len(w.tree()) != 2 {
		t.Errorf("%s %v", s.State, w.tree())
	}
	if got, there := w.tree()["Budget.txt"]; got != "" || !there {
		t.Errorf("%q", got)
	}
}

func TestRightsOnSources(t *testing.T) {
	w := newSourceWorld(t)
	ctx := t.Context()
	w.notes.Set("one", "Secret title\n1")
	w.must(w.ada, mkdir("In"))
	w.run()
	s := w.add("In", "one")[0]
	ben := w.join("ben", "phone", havre.RightRead)
	eve := w.join("eve", "tablet", havre.RightNone)
	if got := ok(w.Sources(ctx, ben, SourceFilter{}))(t); len(got) != 1 || got[0].Right != havre.RightRead {
		t.Errorf("%v", got)
	}
	for what, err := range map[string]error{
		"check": w.CheckSource(ctx, ben, s.ID), "pause": w.PauseSource(ctx, ben, s.ID), "remove": w.RemoveSource(ctx, ben, s.ID),
		"live": w.SetSource(ctx, ben, s.ID, SourceChange{Live: new(true)}), "name": w.NameAuthor(ctx, ben, s.ID, "a.x", "x"),
	} {
		if havre.CodeOf(err) != havre.CodeDenied || err == nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if got := ok(w.Sources(ctx, eve, SourceFilter{}))(t); len(got) != 0 {
		t.Errorf("eve sees %v", got)
	}
	if _, err := w.Source(ctx, eve, s.ID); havre.CodeOf(err) != havre.CodeNotFound {
		t.Error(err)
	}
	if _, err := w.Sources(ctx, eve, SourceFilter{All: true}); havre.CodeOf(err) != havre.CodeDenied {
		t.Error(err)
	}
	if err := w.console().ChangeUser(ctx, "eve", func(u *store.User) { u.Role = store.RoleAdmin }); err != nil {
		t.Fatal(err)
	}
	all := ok(w.Sources(ctx, eve, SourceFilter{All: true}))(t)
	if len(all) != 1 || !all[0].Bare || all[0].Title != "" || all[0].Address.URL != "" || all[0].Address.Name != "" || all[0].Path != "" || all[0].State != SourceOK {
		t.Errorf("%+v", all)
	}

	// Who added it may write there no longer: nothing is written in that name.
	if err := w.console().Grant(ctx, "Team", "ada", havre.RightRead); err != nil {
		t.Fatal(err)
	}
	if err := w.console().Grant(ctx, "Team", "ben", havre.RightWrite); err != nil {
		t.Fatal(err)
	}
	w.notes.Set("one", "Secret title\n2")
	before := ok(w.Source(ctx, ben, s.ID))(t)
	if err := w.CheckSource(ctx, ben, s.ID); err != nil {
		t.Fatal(err)
	}
	got := w.after(s.ID, before)
	if got.State != SourcePaused || !strings.Contains(got.Text, "ada may not write here") || w.tree()["In/Secret title.txt"] != "Secret title\n1" {
		t.Errorf("%s %q %v", got.State, got.Text, w.tree())
	}
	if err := w.ResumeSource(ctx, ben, s.ID); err != nil {
		t.Fatal(err)
	}
	got = w.after(s.ID, &got)
	if got.State != SourceOK || got.AddedBy != "ben" || w.tree()["In/Secret title.txt"] != "Secret title\n2" {
		t.Errorf("%s %s %v", got.State, got.AddedBy, w.tree())
	}
}

func TestSecretsOfSourcesAreNowhere(t *testing.T) {
	w := newSourceWorld(t)
	ctx := t.Context()
	w.notes.Set("one", "One\n1")
	w.run()
	const secret, password = "kEy-that-nobody-may-see", "pass-that-nobody-may-see"
	list := ok(w.AddSources(ctx, w.ada, w.spot(""), []SourceWish{
		{URL: "http://notes.example/n/one?key=" + secret, Secrets: source.Secrets{User: "ada", Password: password}},
		{URL: "http://ada:" + password + "@nowhere.example/what#" + secret},
	}))(t)
	all := w.until("were looked at", func(all []Source) bool { return len(all) == 1 && all[0].State == SourceOK })
	if diff := cmp.Diff([]string{"address", "password"}, all[0].Secrets); diff != "" {
		t.Error(diff)
	}
	if err := w.SetSource(ctx, w.ada, all[0].ID, SourceChange{Secrets: &source.Secrets{Session: "s." + secret}}); err != nil {
		t.Fatal(err)
	}
	found := ok(w.Found(ctx, w.ada, list))(t)
	if len(found.Items) != 2 || found.Items[1].State != FoundNone || strings.Contains(fmt.Sprintf("%+v", found), "nobody-may-see") {
		t.Errorf("%+v", found)
	}
	w.pause()
	n := ok(w.store.Source(ctx, all[0].ID))(t)
	kept := ok(w.vault.openSecrets(n.ID, n.Sealed))(t)
	if kept.Address.Reveal() != "http://notes.example/n/one?key="+secret || kept.Password.Reveal() != password || kept.Session.Reveal() != "s."+secret {
		t.Errorf("%+v", revealed(&kept))
	}
	if _, err := w.vault.openSecrets("another", n.Sealed); err == nil {
		t.Error("secrets of one source can be read as another's")
	}
	if log := w.log.String(); strings.Contains(log, "nobody-may-see") {
		t.Errorf("in the log: %s", log)
	}
	if info := ok(os.Stat(filepath.Join(w.dir, vaultFile)))(t); info.Mode().Perm() != 0o600 {
		t.Errorf("the key is %v", info.Mode())
	}
	err := filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(content, []byte("nobody-may-see")) {
			t.Errorf("%s has the secret", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	// Whoever has the database without the key has nothing.
	w.stop()
	if err := os.Remove(filepath.Join(w.dir, vaultFile)); err != nil {
		t.Fatal(err)
	}
	w.open()
	if _, err := w.vault.openSecrets(n.ID, n.Sealed); reasonOf(err) != source.ReasonOurs {
		t.Error(err)
	}
}
