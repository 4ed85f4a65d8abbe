package hub

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

func TestListContinues(t *testing.T) {
	w := newWorld(t)
	ada := w.join("ada", "laptop", havre.RightWrite)
	w.must(ada, put("a!", "1", unknown), mkdir("a"), put("a/x", "1", unknown), put("a/y", "1", unknown), put("b", "1", unknown))
	all := []svn.Path{"a", "a/x", "a/y", "a!", "b"}
	for _, row := range []struct {
		scope havre.Scope
		after svn.Path
		want  []svn.Path
	}{
		{w.scope, "", all},
		{w.scope, "a", all[1:]},
		{w.scope, "a/x", all[2:]},
		{w.scope, "a/xx", all[2:]},
		{w.scope, "b", nil},
		{havre.Scope{Folder: w.folder.ID, Root: "a"}, "", []svn.Path{"x", "y"}},
		{havre.Scope{Folder: w.folder.ID, Root: "a"}, "x", []svn.Path{"y"}},
	} {
		var got []svn.Path
		for item, err := range w.List(t.Context(), ada, row.scope, 1, row.after) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, item.Path)
		}
		if diff := cmp.Diff(row.want, got); diff != "" {
			t.Errorf("%q behind %q (-want +got):\n%s", row.scope.Root, row.after, diff)
		}
	}
}

func TestReadingWhatIsNotThere(t *testing.T) {
	w := newWorld(t)
	ada := w.join("ada", "laptop", havre.RightWrite)
	w.must(ada, mkdir("d"), put("f", "1", unknown))
	for _, row := range []struct {
		name string
		file havre.FileVersion
		want havre.Code
	}{
		{"no such path", havre.FileVersion{Path: "x", Rev: 1}, havre.CodeNotFound},
		{"not yet", havre.FileVersion{Path: "f", Rev: 0}, havre.CodeNotFound},
		{"no such revision", havre.FileVersion{Path: "f", Rev: 7}, havre.CodeNotFound},
		{"a directory", havre.FileVersion{Path: "d", Rev: 1}, havre.CodeInvalid},
		{"no path at all", havre.FileVersion{Path: "../f", Rev: 1}, havre.CodeInvalid},
		{"reserved", havre.FileVersion{Path: ".havre/marker", Rev: 1}, havre.CodeDenied},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := w.Open(t.Context(), ada, w.scope, row.file)
			wantCode(t, err, row.want)
			for _, err := range w.Chunks(t.Context(), ada, w.scope, row.file) {
				wantCode(t, err, row.want)
			}
		})
	}
	for _, err := range w.List(t.Context(), ada, w.scope, 7, "") {
		wantCode(t, err, havre.CodeNotFound)
	}
}

func TestReservedIsHidden(t *testing.T) {
	w := newWorld(t)
	ada := w.join("ada", "laptop", havre.RightWrite)
	w.run("svnmucc", "-m", "x", "-U", "file://"+w.repositoryDir(), "mkdir", ".havre", "put", "/dev/null", ".havre/marker", "put", "/dev/null", "f")
	if got := difference(nil, w.listing(ada, w.scope, 1)); got != "+f" {
		t.Errorf("listed %s", got)
	}
	if got := words(w.revisions(ada, w.scope, 0)); got != "+f" {
		t.Errorf("followed %s", got)
	}
}

func TestChunks(t *testing.T) {
	w := newWorld(t)
	ada := w.join("ada", "laptop", havre.RightWrite)
	content := make([]byte, 3<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(content)
	rev := w.must(ada, put("f", string(content), unknown))
	rest := content
	for c, err := range w.Chunks(t.Context(), ada, w.scope, havre.FileVersion{Path: "f", Rev: rev}) {
		if err != nil {
			t.Fatal(err)
		}
		if c.SHA256 != sha256.Sum256(rest[:c.Length]) {
			t.Fatalf("a chunk of %d bytes is not what is in the file", c.Length)
		}
		rest = rest[c.Length:]
	}
	if len(rest) > 0 {
		t.Errorf("%d bytes are in no chunk", len(rest))
	}
	f := ok(w.Open(t.Context(), ada, w.scope, havre.FileVersion{Path: "f", Rev: rev}))(t)
	if err := f.SkipTo(2 << 20); err != nil {
		t.Fatal(err)
	}
	if got := ok(appendAll(nil, f))(t); !bytes.Equal(got, content[2<<20:]) {
		t.Error("read from the middle, it is something else")
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

func TestFullDisk(t *testing.T) {
	err := full(fmt.Errorf("write: %w", &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}))
	wantCode(t, err, havre.CodeFull)
	if err := full(os.ErrNotExist); havre.CodeOf(err) != havre.CodeInternal {
		t.Errorf("another failure became %v", err)
	}
}

func TestReports(t *testing.T) {
	w := newWorld(t)
	ada := w.join("ada", "laptop", havre.RightWrite)
	report := havre.ReplicaReport{Scope: w.scope, Revision: 3, Pending: 1, Error: "disk full"}
	if _, err := w.Report(t.Context(), ada, []havre.ReplicaReport{report}); err != nil {
		t.Fatal(err)
	}
	got := ok(w.console().Replicas(t.Context(), w.folder.ID))(t)
	if len(got) != 1 || got[0].Device != ada.Device || cmp.Diff(report, got[0].Report) != "" {
		t.Errorf("recorded %+v", got)
	}
	if err := w.Leave(t.Context(), ada); err != nil {
		t.Fatal(err)
	}
	devices := ok(w.console().Devices(t.Context(), "ada"))(t)
	if len(devices) != 1 || devices[0].Revoked.IsZero() {
		t.Errorf("after leaving the devices are %+v", devices)
	}
}

func TestRunCleans(t *testing.T) {
	w := newWorld(t)
	ada := w.join("ada", "laptop", havre.RightWrite)
	old := time.Now().Add(-2 * uploadLife)
	stale := filepath.Join(w.dir, "repositories", unfinished+"1")
	if err := os.Mkdir(stale, 0o700); err != nil {
		t.Fatal(err)
	}
	id, _, err := w.BeginUpload(t.Context(), ada, w.scope, 5, "")
	if err != nil {
		t.Fatal(err)
	}
	kept, _, err := w.BeginUpload(t.Context(), ada, w.scope, 5, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{stale, filepath.Join(w.dir, "uploads", string(ada.Device), string(id))} {
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := w.Run(ctx); err != nil { // it cleans once, then sees that it should end
		t.Fatal(err)
	}
	if _, err := os.Stat(stale); !os.IsNotExist(err) {
		t.Errorf("the unfinished repository: %v", err)
	}
	if _, _, err := w.uploads.size(ada.Device, id); havre.CodeOf(err) != havre.CodeNotFound {
		t.Errorf("the old upload: %v", err)
	}
	if _, _, err := w.uploads.size(ada.Device, kept); err != nil {
		t.Errorf("the new upload: %v", err)
	}
	if _, _, err := w.BeginUpload(t.Context(), ada, w.scope, 6, kept); err != nil {
		t.Errorf("an upload of another size: %v", err)
	}
}
