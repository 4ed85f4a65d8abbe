package state_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/reconcile"
	"github.com/havre-cloud/havre/internal/syncer/state"
)

func open(t testing.TB, path string) *state.DB {
	t.Helper()
	db, err := state.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// in runs fn in a transaction.
func in(t testing.TB, db *state.DB, fn func()) {
	t.Helper()
	db.Begin()
	fn()
	if err := db.Commit(); err != nil {
		t.Fatal(err)
	}
}

func at(parent reconcile.NodeID, name string, e havre.Entry) *reconcile.State {
	return &reconcile.State{Place: reconcile.Place{Parent: parent, Name: name}, Entry: e}
}

func file(i int) havre.Entry {
	return havre.Entry{Kind: havre.KindFile, Size: 1024, Hash: havre.HashBytes(fmt.Append(nil, i)), Rev: 7}
}

// fill makes a directory with n files in all three trees.
func fill(db *state.DB, n int) reconcile.NodeID {
	dir := db.Add()
	dir.Local = at(reconcile.Root, "dir", havre.Entry{Kind: havre.KindDir})
	dir.Base, dir.Remote = state.CloneState(dir.Local), state.CloneState(dir.Local)
	db.Put(dir)
	for i := range n {
		f := db.Add()
		f.Local = at(dir.ID, fmt.Sprintf("file %d", i), file(i))
		f.Base, f.Remote = state.CloneState(f.Local), state.CloneState(f.Local)
		f.Look = state.Look{Inode: uint64(i) + 1000, Device: 1<<63 + 5, ChangeTime: 1, DiskTime: 2}
		db.Put(f)
	}
	return dir.ID
}

func TestStateSurvivesReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	db := open(t, path)
	var want *state.Node
	in(t, db, func() {
		dir := fill(db, 3)
		want = db.LocalAt(reconcile.Place{Parent: dir, Name: "file 1"}).Clone()
		db.Set("cursor", "12")
	})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(t, path)
	in(t, db, func() {
		got := db.Get(want.ID)
		want.Local.ModTime, want.Local.Rev = got.Local.ModTime, 0
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("a node after reopening (-want +got):\n%s", diff)
		}
		if got, want := db.Setting("cursor"), "12"; got != want {
			t.Errorf("setting: got %q, want %q", got, want)
		}
		if n := db.Add(); n.ID <= want.ID {
			t.Errorf("a new node got the number %d, which was given before", n.ID)
		}
	})
}

func TestRollback(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "state.db"))
	in(t, db, func() { fill(db, 1) })
	db.Begin()
	fill(db, 1) // the same place again
	if err := db.Commit(); err == nil {
		t.Fatal("two nodes at one place were accepted")
	}
	in(t, db, func() {
		if got := db.Files(); got != 1 {
			t.Errorf("files after the rollback: got %d, want 1", got)
		}
	})
}

func TestDropTrees(t *testing.T) {
	tests := []struct {
		name    string
		drop    func(db *state.DB, id reconcile.NodeID)
		differs int
		left    int
	}{
		{"local", func(db *state.DB, id reconcile.NodeID) { db.DropLocal(id) }, 4, 4},
		{"remote by others", func(db *state.DB, id reconcile.NodeID) { db.DropRemote(id, false) }, 4, 4},
		{"local, then agreed", func(db *state.DB, id reconcile.NodeID) { db.DropLocal(id); db.DropRemote(id, true) }, 0, 0},
		{"both", func(db *state.DB, id reconcile.NodeID) { db.DropRemote(id, false); db.DropLocal(id) }, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			db := open(t, filepath.Join(t.TempDir(), "state.db"))
			in(t, db, func() {
				dir := fill(db, 3)
				tt.drop(db, dir)
				differs, left := 0, 0
				for range db.Differing(0, 100) {
					differs++
				}
				for id := dir; id < dir+4; id++ {
					if db.Get(id) != nil {
						left++
					}
				}
				if differs != tt.differs || left != tt.left {
					t.Errorf("got %d that differ and %d left, want %d and %d", differs, left, tt.differs, tt.left)
				}
			})
		})
	}
}

func BenchmarkPut10000(b *testing.B) {
	for b.Loop() {
		db := open(b, filepath.Join(b.TempDir(), "state.db"))
		in(b, db, func() { fill(db, 10_000) })
	}
}

func BenchmarkUpdate10000(b *testing.B) {
	db := open(b, filepath.Join(b.TempDir(), "state.db"))
	in(b, db, func() { fill(db, 10_000) })
	for b.Loop() {
		in(b, db, func() {
			for i := range 10_000 {
				n := db.LocalAt(reconcile.Place{Parent: 2, Name: fmt.Sprintf("file %d", i)}).Clone()
				n.Local.Size++
				db.Put(n)
			}
		})
	}
}

func BenchmarkDropDirectoryOf10000(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		db := open(b, filepath.Join(b.TempDir(), "state.db"))
		var dir reconcile.NodeID
		in(b, db, func() { dir = fill(db, 10_000) })
		b.StartTimer()
		in(b, db, func() { db.DropRemote(dir, false) })
	}
}
