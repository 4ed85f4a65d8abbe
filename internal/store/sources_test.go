package store

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// TestTwoServersDoNothingTwice: a source that one server holds is not given to another, until the hold ends.
func TestTwoServersDoNothingTwice(t *testing.T) {
	now := time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC)
	path := t.TempDir() + "/havre.db"
	open := func() *Store {
		s := ok(Open(t.Context(), path, Options{Program: "test", Now: func() time.Time { return now }}))(t)
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return s
	}
	one, two := open(), open()
	ctx := t.Context()
	ada := ok(one.AddUser(ctx, boss, NewUser{Name: "ada"}))(t)
	folder := ok(one.AddFolder(ctx, boss, Folder{Name: "Team", Location: "team", Repository: "u"}))(t)
	add := func(name, instance string) SourceID {
		n := ok(one.AddSource(ctx, boss, Source{
			ID: NewSourceID(), Folder: folder.ID, Path: "Pads", Kind: "note", Instance: instance, Document: name, URL: instance + name, User: ada.ID, Item: "{}",
		}))(t)
		return n.ID
	}
	a, b, other := add("a", "https://x"), add("b", "https://x"), add("c", "https://y")
	if diff := cmp.Diff([]string{"https://x", "https://y"}, ok(two.DueInstances(ctx, now))(t)); diff != "" {
		t.Error(diff)
	}
	until := now.Add(time.Minute)
	first := ok(one.ClaimSources(ctx, "one-1", "https://x", now, until, 1))(t)
	second := ok(two.ClaimSources(ctx, "two-1", "https://x", now, until, 5))(t)
	both := slices.Sorted(slices.Values(append(slices.Clone(first), second...)))
	if want := slices.Sorted(slices.Values([]SourceID{a, b})); len(first) != 1 || !slices.Equal(both, want) {
		t.Errorf("claimed %v and %v", first, second)
	}
	if more := ok(one.ClaimSources(ctx, "one-1", "https://x", now, until, 5))(t); len(more) > 0 {
		t.Errorf("claimed twice: %v", more)
	}
	if next := ok(one.DueSource(ctx, now))(t); next.IsZero() {
		t.Error("the one of y is due")
	}

	// The result of the holder counts, that of another does not.
	result := &SourceResult{Run: SourceRun{Start: now, Outcome: "new", Rev: 3}, Item: `{"title":"A"}`, Next: now.Add(time.Hour), Day: 3}
	if mine := ok(two.FinishSource(ctx, "two-1", first[0], result))(t); mine {
		t.Error("a result of who does not hold the source is stored")
	}
	if mine := ok(one.FinishSource(ctx, "one-1", first[0], result))(t); !mine {
		t.Error("the holder's result is not stored")
	}
	if got := ok(two.Source(ctx, first[0]))(t); got.Item != result.Item || !got.Next.Equal(result.Next) || got.LastVersion.IsZero() {
		t.Errorf("%+v", got)
	}

	// A server that dies loses what it has, one that lives keeps it.
	now = now.Add(50 * time.Second)
	if held := ok(two.HoldSources(ctx, "two-1", now.Add(time.Minute)))(t); len(held) != 1 {
		t.Errorf("holds %v", held)
	}
	lost := ok(one.ClaimSources(ctx, "one-1", "https://y", now, now.Add(time.Second), 5))(t)
	now = now.Add(30 * time.Second)
	if got := ok(two.ClaimSources(ctx, "two-1", "https://y", now, now.Add(time.Minute), 5))(t); !slices.Equal(got, lost) || got[0] != other {
		t.Errorf("%v is not free", lost)
	}
	if got := ok(one.ClaimSources(ctx, "one-1", "https://x", now, now.Add(time.Minute), 5))(t); len(got) > 0 {
		t.Errorf("%v is held by the other", got)
	}
	if err := one.FreeSources(ctx, "two-"); err != nil {
		t.Fatal(err)
	}
	if got := ok(one.ClaimSources(ctx, "one-1", "https://x", now, now.Add(time.Minute), 5))(t); !slices.Equal(got, second) {
		t.Errorf("%v, want %v", got, second)
	}
}

func TestRunsOfSourcesAreBounded(t *testing.T) {
	now := time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC)
	s := ok(Open(t.Context(), t.TempDir()+"/havre.db", Options{Program: "test", Now: func() time.Time { return now }}))(t)
	defer s.Close()
	ctx := t.Context()
	ada := ok(s.AddUser(ctx, boss, NewUser{Name: "ada"}))(t)
	folder := ok(s.AddFolder(ctx, boss, Folder{Name: "Team", Location: "team", Repository: "u"}))(t)
	n := ok(s.AddSource(ctx, boss, Source{ID: NewSourceID(), Folder: folder.ID, Kind: "note", Instance: "https://x", Document: "a", User: ada.ID, Item: "{}"}))(t)
	run := func(rev svn.Revnum, live bool) {
		t.Helper()
		ok(s.ClaimSources(ctx, "h", "https://x", now, now.Add(time.Minute), 1))(t)
		r := &SourceResult{Run: SourceRun{Start: now, Outcome: "changed", Rev: rev, Live: live}, Item: "{}", Next: now, Day: 3, Document: "a"}
		if !ok(s.FinishSource(ctx, "h", n.ID, r))(t) {
			t.Fatal("lost")
		}
	}
	for i := range keptRuns + 20 {
		now = now.Add(12 * time.Hour)
		run(svn.Revnum(i+1), false)
	}
	runs := ok(s.SourceRuns(ctx, n.ID, 0, 1000))(t)
	if len(runs) != keptRuns || runs[0].Rev != keptRuns+20 {
		t.Errorf("%d runs, the latest of revision %d", len(runs), runs[0].Rev)
	}
	if days := ok(s.SourceDays(ctx, SourceFilter{ID: n.ID}))(t)[n.ID]; len(days) != keptDays+1 {
		t.Errorf("%d days", len(days))
	}
	for i := range 10 { // typed within a quarter of an hour
		now = now.Add(time.Minute)
		run(svn.Revnum(1000+i), true)
	}
	now = now.Add(time.Hour)
	run(2000, true)
	runs = ok(s.SourceRuns(ctx, n.ID, 0, 3))(t)
	if got := []svn.Revnum{runs[0].Rev, runs[1].Rev, runs[2].Rev}; !slices.Equal(got, []svn.Revnum{2000, 1009, keptRuns + 20}) {
		t.Errorf("revisions %v", got)
	}
	// The account goes, the source stays and knows nobody.
	if err := s.DeleteUser(ctx, boss, ada.ID); err != nil {
		t.Fatal(err)
	}
	if got := ok(s.Source(ctx, n.ID))(t); got.User != "" {
		t.Errorf("added by %q", got.User)
	}
	if _, err := s.AddSource(ctx, boss, *n); havre.CodeOf(err) != havre.CodeExists {
		t.Error(err)
	}
}
