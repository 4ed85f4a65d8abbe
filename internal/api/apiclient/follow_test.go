package apiclient_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/havre-cloud/havre/internal/api"
	"github.com/havre-cloud/havre/internal/api/apiclient"
	"github.com/havre-cloud/havre/internal/api/apitest"
	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// follower runs Follow and passes on what comes.
type follower struct {
	revisions chan svn.Revnum
	ended     chan error
}

func follow(ctx context.Context, c *apiclient.Client, since svn.Revnum) *follower {
	f := &follower{revisions: make(chan svn.Revnum, 100), ended: make(chan error, 1)}
	go func() {
		f.ended <- c.Follow(ctx, apitest.Scope, since, apitest.UUID, func(r *havre.Revision) error {
			f.revisions <- r.Rev
			return nil
		})
	}()
	return f
}

func (f *follower) expect(t *testing.T, want ...svn.Revnum) {
	t.Helper()
	for _, w := range want {
		select {
		case got := <-f.revisions:
			if got != w {
				t.Fatalf("revision %d came, want %d", got, w)
			}
		case err := <-f.ended:
			t.Fatalf("the stream ended (%v), want revision %d", err, w)
		}
	}
}

func put(p svn.Path) havre.Op {
	return havre.Op{Kind: havre.OpPut, Path: p, Entry: havre.Entry{Kind: havre.KindDir}}
}

func TestFollow(t *testing.T) {
	hub := apitest.NewHub()
	hub.Add(put("a"))
	hub.Add(put("b"))
	// Heartbeats come all the time between the revisions and do no harm.
	c := apitest.Start(t, hub, api.Options{Heartbeat: time.Millisecond}).Client(t)
	ctx, cancel := context.WithCancel(t.Context())
	all, later := follow(ctx, c, 0), follow(ctx, c, 1)
	all.expect(t, 1, 2)
	later.expect(t, 2)
	for i := range 20 {
		hub.Add(put("c"))
		all.expect(t, svn.Revnum(3+i))
		later.expect(t, svn.Revnum(3+i))
	}
	cancel()
	for _, f := range []*follower{all, later} {
		if err := <-f.ended; !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
	}
}

func TestFollowHistoryWentBack(t *testing.T) {
	hub := apitest.NewHub()
	hub.Add(put("a"))
	c := apitest.Start(t, hub, api.Options{}).Client(t)
	none := func(*havre.Revision) error { t.Error("a revision came"); return nil }
	for _, test := range []struct {
		name  string
		since svn.Revnum
		uuid  string
	}{
		{"another repository", 1, "another"},
		{"fewer revisions", 2, apitest.UUID},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := c.Follow(t.Context(), apitest.Scope, test.since, test.uuid, none)
			if havre.CodeOf(err) != havre.CodeHistoryWentBack {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestFollowEnds(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(*testing.T, *apitest.Hub, *apitest.Server, *apitest.Network)
		want havre.Code
		says string
	}{
		{"revoked", func(_ *testing.T, h *apitest.Hub, _ *apitest.Server, _ *apitest.Network) {
			h.Revoke(apitest.Token)
		}, havre.CodeUnauthenticated, "revoked"},
		{"server stops", func(t *testing.T, _ *apitest.Hub, s *apitest.Server, _ *apitest.Network) {
			if err := s.Stop(); err != nil {
				t.Error(err)
			}
		}, havre.CodeUnavailable, "the server is stopping"},
		{"connection cut", func(_ *testing.T, _ *apitest.Hub, _ *apitest.Server, n *apitest.Network) {
			n.Cut()
		}, havre.CodeUnavailable, "the connection was lost"},
		{"cable pulled", func(_ *testing.T, _ *apitest.Hub, _ *apitest.Server, n *apitest.Network) {
			n.Freeze()
		}, havre.CodeUnavailable, "no answer came"},
	} {
		t.Run(test.name, func(t *testing.T) {
			hub := apitest.NewHub()
			hub.Add(put("a"))
			s := apitest.Start(t, hub, api.Options{Heartbeat: 10 * time.Millisecond})
			n := apitest.Connect(t, s)
			opts := s.Options()
			opts.Address = n.Address
			calm := opts
			if test.name == "cable pulled" {
				opts.Silence = 3 * time.Second // longer than a busy machine is silent
			}
			f := follow(t.Context(), apitest.Dial(t, opts), 0)
			f.expect(t, 1)
			test.end(t, hub, s, n)
			err := <-f.ended
			if havre.CodeOf(err) != test.want || !strings.Contains(err.Error(), test.says) {
				t.Errorf("ended with %v, want %s with %q", err, test.want, test.says)
			}
			if test.name == "cable pulled" {
				n.Thaw()
			}
			// The next attempt finds the server again, and nothing is missing.
			hub.Add(put("b"))
			if test.want == havre.CodeUnavailable && test.name != "server stops" {
				ctx, cancel := context.WithCancel(t.Context())
				f := follow(ctx, apitest.Dial(t, calm), 1)
				f.expect(t, 2)
				cancel()
				<-f.ended
			}
		})
	}
}

// A stream without revisions lives as long as heartbeats come, however short the client's patience.
func TestFollowHeartbeatsKeepAlive(t *testing.T) {
	hub := apitest.NewHub()
	s := apitest.Start(t, hub, api.Options{Heartbeat: 20 * time.Millisecond})
	opts := s.Options()
	opts.Silence = 3 * time.Second // longer than a busy machine is silent
	beats := make(chan struct{}, 1)
	hub.Fail = func(method string) error {
		if method == "Head" {
			select {
			case beats <- struct{}{}:
			default: // the last one has not been looked at
			}
		}
		return nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f := follow(ctx, apitest.Dial(t, opts), 0)
	for began := time.Now(); time.Since(began) < opts.Silence+time.Second; {
		select {
		case <-beats:
		case err := <-f.ended:
			t.Fatal("ended:", err)
		}
	}
	cancel()
	if err := <-f.ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestServerForgetsFollowersThatAreGone(t *testing.T) {
	hub := apitest.NewHub()
	s := apitest.Start(t, hub, api.Options{Heartbeat: 5 * time.Millisecond})
	n := apitest.Connect(t, s)
	opts := s.Options()
	opts.Address = n.Address
	f := follow(t.Context(), apitest.Dial(t, opts), 0)
	hub.Add(put("a"))
	f.expect(t, 1)
	n.Cut()
	<-f.ended
	for hub.Following() > 0 {
		time.Sleep(time.Millisecond) // a poll: the condition decides
	}
}

func TestBackoff(t *testing.T) {
	var b apiclient.Backoff
	for i := range 100 {
		wait, longest := b.Next(), 20*time.Second
		if i < 7 {
			longest = min(longest, 250*time.Millisecond<<i)
		}
		if wait < longest/2 || wait > longest {
			t.Errorf("failure %d: wait %v, want %v to %v", i, wait, longest/2, longest)
		}
	}
	b.Reset()
	if wait := b.Next(); wait > 250*time.Millisecond {
		t.Errorf("after Reset: %v", wait)
	}
}
