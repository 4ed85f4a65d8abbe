package hub

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
)

// benchWorld is a world with 10,000 files of 1 KiB in 100 directories, in r1.
func benchWorld(b *testing.B, fill bool) (*Hub, *havre.Caller, havre.Scope) {
	b.Helper()
	ctx := b.Context()
	h := ok(Open(ctx, b.TempDir(), Options{}))(b)
	b.Cleanup(func() {
		if err := h.Close(); err != nil {
			b.Error(err)
		}
	})
	first := ok(h.Admin(store.Console).Bootstrap(ctx, "ada"))(b)
	f := ok(h.Admin(store.Console).AddFolder(ctx, "Documents"))(b)
	if err := h.Admin(store.Console).Grant(ctx, "Documents", "ada", havre.RightWrite); err != nil {
		b.Fatal(err)
	}
	joined := ok(h.Join(ctx, havre.JoinRequest{Secret: first.Invitation.Secret, DeviceName: "laptop"}))(b)
	c := ok(h.Authenticate(ctx, joined.Token))(b)
	scope := havre.Scope{Folder: f.ID}
	if fill {
		ok(h.Commit(ctx, c, scope, &havre.Commit{ID: "fill", Changes: tenThousand("")}))(b)
	}
	return h, c, scope
}

func tenThousand(prefix string) []havre.Change {
	rnd := rand.NewChaCha8([32]byte{1})
	var changes []havre.Change
	if prefix != "" {
		changes = append(changes, mkdir(prefix))
	}
	content := make([]byte, 1024)
	for d := range 100 {
		dir := string(svn.Path(prefix).Join(fmt.Sprintf("d%02d", d)))
		changes = append(changes, mkdir(dir))
		for i := range 100 {
			_, _ = rnd.Read(content)
			changes = append(changes, put(fmt.Sprintf("%s/f%02d", dir, i), string(content), unknown))
		}
	}
	return changes
}

func BenchmarkCommitOne(b *testing.B) {
	h, c, scope := benchWorld(b, true)
	base, n := svn.Revnum(1), 0
	for b.Loop() {
		n++
		r := ok(h.Commit(b.Context(), c, scope, &havre.Commit{ID: fmt.Sprint("c", n), Changes: []havre.Change{
			put("d50/f50", fmt.Sprintf("%01024d", n), base),
		}}))(b)
		base = r.Rev
	}
}

func BenchmarkCommit10000(b *testing.B) {
	h, c, scope := benchWorld(b, false)
	n := 0
	for b.Loop() {
		n++
		ok(h.Commit(b.Context(), c, scope, &havre.Commit{ID: fmt.Sprint("c", n), Changes: tenThousand(fmt.Sprint("t", n))}))(b)
	}
}

// BenchmarkFollow10000 translates the revision with its contents anew each time.
func BenchmarkFollow10000(b *testing.B) {
	h, c, scope := benchWorld(b, true)
	other := *c
	other.Device = "another"
	v := ok(h.view(b.Context(), &other, scope))(b)
	for b.Loop() {
		for rev, err := range v.repo.Log(b.Context(), 1, 1) {
			if err != nil {
				b.Fatal(err)
			}
			if err := translate(b.Context(), v, rev, withAll, func(*havre.Revision) error { return nil }); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkList10000(b *testing.B) {
	h, c, scope := benchWorld(b, true)
	for b.Loop() {
		for _, err := range h.List(b.Context(), c, scope, 1, "") {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkPush is one edit from the commit to the follower.
func BenchmarkPush(b *testing.B) {
	h, c, scope := benchWorld(b, true)
	got, ended := make(chan svn.Revnum), make(chan error)
	ctx, cancel := context.WithCancel(b.Context())
	other := ok(h.Admin(store.Console).Invite(b.Context(), "ada"))(b)
	joined := ok(h.Join(b.Context(), havre.JoinRequest{Secret: other.Secret, DeviceName: "desktop"}))(b)
	follower := ok(h.Authenticate(b.Context(), joined.Token))(b)
	go func() {
		ended <- h.Follow(ctx, follower, scope, 1, "", func(r *havre.Revision) error {
			got <- r.Rev
			return nil
		})
	}()
	base, n := svn.Revnum(1), 0
	for b.Loop() {
		n++
		r := ok(h.Commit(b.Context(), c, scope, &havre.Commit{ID: fmt.Sprint("c", n), Changes: []havre.Change{
			put("d50/f50", fmt.Sprintf("%01024d", n), base),
		}}))(b)
		base = r.Rev
		<-got
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		b.Error(err)
	}
}
