package syncer_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/localfs"
	"github.com/havre-cloud/havre/internal/syncer"
	"github.com/havre-cloud/havre/internal/syncer/syncertest"
)

// backup copies the disk of a device that does not run: files and state. The returned function puts it
// back as it was.
func (d *device) backup() (restore func()) {
	d.t.Helper()
	copies := map[string]string{d.dir: d.t.TempDir(), d.aside: d.t.TempDir()}
	for from, to := range copies {
		d.must(os.CopyFS(to, os.DirFS(from)))
	}
	return func() {
		d.t.Helper()
		for to, from := range copies {
			entries, err := os.ReadDir(to)
			d.must(err)
			for _, e := range entries {
				if e.Name() != localfs.Reserved {
					d.must(os.RemoveAll(filepath.Join(to, e.Name())))
				}
			}
			d.must(os.RemoveAll(filepath.Join(from, localfs.Reserved)))
			d.must(os.CopyFS(to, os.DirFS(from)))
		}
	}
}

// TestMachineRestoredFromABackup: the revisions that a machine made after its backup are its own, and
// are not on its disk. That is no deletion and no edit of anybody.
func TestMachineRestoredFromABackup(t *testing.T) {
	t.Parallel()
	s := syncertest.NewServer()
	laptop, desktop := newDevice(t, s, "laptop"), newDevice(t, s, "desktop")
	laptop.write("edited", "before")
	laptop.write("renamed", "r")
	laptop.write("deleted", "d")
	settle(t, s, laptop, desktop)
	laptop.stop()
	restore := laptop.backup()
	laptop.start()
	laptop.write("edited", "after")
	laptop.write("new/file", "new")
	laptop.rename("renamed", "renamed since")
	laptop.remove("deleted")
	settle(t, s, laptop, desktop)
	laptop.stop()
	restore()
	laptop.start()
	settle(t, s, laptop, desktop)
	want := map[string]string{"edited": "after", "new/": "", "new/file": "new", "renamed since": "r"}
	if diff := cmp.Diff(want, desktop.tree()); diff != "" {
		t.Errorf("in the end (-want +got):\n%s", diff)
	}
}

// interrupted is a server that something happens at between a commit and its answer.
type interrupted struct {
	syncer.Remote
	after chan func() // nil: nothing
}

func (r *interrupted) Commit(ctx context.Context, scope havre.Scope, c *havre.Commit) (*havre.CommitResult, error) {
	res, err := r.Remote.Commit(ctx, scope, c)
	select {
	case fn := <-r.after:
		fn()
	default:
	}
	return res, err
}

// TestChangedWhileTheAnswerIsOnItsWay: the revision that comes back is the one of the node that it was
// made of, wherever that is by now.
func TestChangedWhileTheAnswerIsOnItsWay(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(d *device)
		want   map[string]string
	}{
		{"renamed", func(d *device) { d.rename("new", "renamed"); d.rename("dir", "moved") }, map[string]string{"renamed": "n", "moved/": "", "moved/f": "f"}},
		{"edited", func(d *device) { d.write("new", "nn") }, map[string]string{"new": "nn", "dir/": "", "dir/f": "f"}},
		{"deleted", func(d *device) { d.remove("new"); d.remove("dir") }, map[string]string{}},
		{"another in its place", func(d *device) { d.rename("new", "renamed"); d.write("new", "2") }, map[string]string{"new": "2", "renamed": "n", "dir/": "", "dir/f": "f"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := syncertest.NewServer()
			r := &interrupted{Remote: s.Device("laptop"), after: make(chan func(), 1)}
			laptop := newDevice(t, s, "laptop", func(c *syncer.Config) { c.Remote = r })
			desktop := newDevice(t, s, "desktop")
			laptop.look()
			seen := make(chan struct{})
			r.after <- func() {
				tt.change(laptop)
				_ = laptop.engine.Rescan(t.Context())
				// The revision comes before the answer does, and after what happened on disk was seen.
				laptop.must(laptop.engine.Wait(t.Context(), func(st syncer.Status) bool { return st.Revision == s.Head() }))
				close(seen)
			}
			laptop.write("new", "n")
			laptop.write("dir/f", "f")
			laptop.must(laptop.engine.Rescan(t.Context()))
			<-seen
			settle(t, s, laptop, desktop)
			if diff := cmp.Diff(tt.want, desktop.tree()); diff != "" {
				t.Errorf("in the end (-want +got):\n%s", diff)
			}
		})
	}
}
