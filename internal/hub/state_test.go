package hub

import (
	"context"
	"testing"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
)

func TestConditions(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	hour := now.Add(-time.Hour)
	for _, c := range []struct {
		name      string
		connected bool
		seen      time.Time
		report    havre.ReplicaReport
		behind    int64
		want      Condition
	}{
		{"well", true, now, havre.ReplicaReport{Revision: 9}, 0, ConditionOK},
		{"well and asleep", false, hour, havre.ReplicaReport{Revision: 9}, 0, ConditionOK},
		{"later revisions changed nothing in it", false, hour, havre.ReplicaReport{Revision: 5}, 0, ConditionOK},
		{"receiving", true, now, havre.ReplicaReport{Revision: 8}, 3, ConditionReceiving},
		{"sending", true, now, havre.ReplicaReport{Revision: 9, Pending: 2}, 0, ConditionReceiving},
		{"asleep", false, hour, havre.ReplicaReport{Revision: 8}, 3, ConditionBehind},
		{"asleep with unsent work", false, hour, havre.ReplicaReport{Revision: 9, Pending: 1}, 0, ConditionBehind},
		{"failing", true, now, havre.ReplicaReport{Revision: 8, Error: "disk full"}, 3, ConditionStopped},
		{"its own deletions wait", true, now, havre.ReplicaReport{Revision: 9, HeldUp: 70}, 0, ConditionWaits},
		{"others' deletions wait", true, now, havre.ReplicaReport{Revision: 9, HeldDown: 70, Error: "x"}, 0, ConditionWaits},
		{"away", false, now.Add(-8 * 24 * time.Hour), havre.ReplicaReport{Revision: 9}, 0, ConditionAway},
		{"away with deletions", false, now.Add(-8 * 24 * time.Hour), havre.ReplicaReport{Revision: 9, HeldUp: 70}, 0, ConditionAway},
		{"connected, last contact not written for long", true, now.Add(-8 * 24 * time.Hour), havre.ReplicaReport{Revision: 9}, 0, ConditionOK},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := ReplicaStatus{
				Replica: store.Replica{Report: c.report}, Device: store.Device{LastSeen: c.seen}, Connected: c.connected, Behind: c.behind,
			}
			r.judge(now, 9)
			if r.Condition != c.want {
				t.Errorf("got %s, want %s", r.Condition, c.want)
			}
		})
	}
}

func TestFolderState(t *testing.T) {
	w := newWorld(t)
	ada := w.join("ada", "laptop", havre.RightWrite)
	ben := w.join("ben", "desk", havre.RightRead)
	eve := w.join("eve", "phone", havre.RightNone)
	put := func(path string) {
		t.Helper()
		ok(w.Commit(t.Context(), ada, w.scope, &havre.Commit{ID: path, Changes: []havre.Change{{
			Kind: havre.ChangePut, Path: svn.Path(path), Base: svn.InvalidRevnum, Entry: havre.Entry{Kind: havre.KindDir},
		}}}))(t)
	}
	put("a")
	put("b")
	head := ok(w.Head(t.Context(), ada, w.scope))(t)
	report := func(c *havre.Caller, r ...havre.ReplicaReport) {
		t.Helper()
		ok(w.Report(t.Context(), c, r))(t)
		w.states.mu.Lock()
		w.states.at = time.Time{}
		w.states.mu.Unlock()
	}
	report(ada, havre.ReplicaReport{Scope: w.scope, Revision: head, Place: "/home/ada/docs"})
	report(ben, havre.ReplicaReport{Scope: w.scope, Revision: head - 2})
	s := ok(w.FolderState(t.Context(), ben, w.folder.ID))(t)
	if s.Devices != 2 || s.UpToDate != 1 || s.Worst != ConditionBehind || len(s.Mine) != 1 || s.Mine[0].Behind != 2 {
		t.Errorf("ben sees %+v", s)
	}
	_, err := w.FolderState(t.Context(), eve, w.folder.ID)
	wantCode(t, err, havre.CodeDenied)
	// A stream makes the one that is behind a receiving one, and its end takes that back.
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Follow(ctx, ben, w.scope, head, "", func(*havre.Revision) error { return nil }) }()
	eventually := func(want Condition) {
		t.Helper()
		for end := time.Now().Add(3 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			f := ok(w.State(t.Context(), w.folder.ID))(t)
			if f.Worst() == want {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("the worst is %s, want %s", f.Worst(), want)
			}
		}
	}
	eventually(ConditionReceiving)
	stop()
	<-ended
	eventually(ConditionBehind)
	if !w.Connected(ben.Device).IsZero() {
		t.Error("ben counts as connected")
	}
	// What a device does not name any more is forgotten.
	report(ben)
	if f := ok(w.State(t.Context(), w.folder.ID))(t); len(f.Replicas) != 1 || f.Worst() != ConditionOK {
		t.Errorf("after ben has removed it: %+v", f.Replicas)
	}
	// A revoked device is not counted.
	if err := w.console().RevokeDevice(t.Context(), ada.Device); err != nil {
		t.Fatal(err)
	}
	w.states.at = time.Time{}
	if f := ok(w.State(t.Context(), w.folder.ID))(t); len(f.Replicas) != 0 {
		t.Errorf("after revoking: %+v", f.Replicas)
	}
}

func TestRecent(t *testing.T) {
	w := newWorld(t)
	ada := w.join("ada", "laptop", havre.RightWrite)
	for _, p := range []svn.Path{"a", "b", "c"} {
		ok(w.Commit(t.Context(), ada, w.scope, &havre.Commit{ID: string(p), Changes: []havre.Change{{
			Kind: havre.ChangePut, Path: p, Base: svn.InvalidRevnum, Entry: havre.Entry{Kind: havre.KindDir},
		}}}))(t)
		w.states.at = time.Time{}
		r := ok(w.Recent(t.Context(), time.UTC))(t)
		want := int64(p[0]-'a') + 1
		if r.Changes != want || r.Days[29]+r.Days[28] != want || r.Hours[23]+r.Hours[22] != want || r.People != 1 {
			t.Errorf("after %s: %+v", p, r)
		}
	}
}

// A folder has a state as soon as it is made, though the states were read a moment before.
func TestStateOfNewFolder(t *testing.T) {
	w := newWorld(t)
	ok(w.States(t.Context()))(t)
	made := ok(w.console().AddFolder(t.Context(), "made since"))(t)
	if f := ok(w.State(t.Context(), made.ID))(t); f.Folder.Name != "made since" {
		t.Errorf("its state is that of %s", f.Folder.Name)
	}
}
