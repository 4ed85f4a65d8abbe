package api

import (
	"context"
	"errors"
	"sync"
	"time"

	"connectrpc.com/connect"

	"github.com/havre-cloud/havre/internal/api/havrev1"
	"github.com/havre-cloud/havre/internal/api/wire"
	"github.com/havre-cloud/havre/internal/havre"
)

func (s *server) Follow(ctx context.Context, req *connect.Request[havrev1.FollowRequest], stream *connect.ServerStream[havrev1.FollowResponse]) error {
	scope, err := wire.DecodeScope(req.Msg.GetScope())
	if err != nil {
		return err
	}
	since, err := wire.DecodeRev(req.Msg.GetSince())
	if err != nil {
		return err
	}
	uuid, err := wire.DecodeText("repository", req.Msg.GetRepository(), wire.MaxName)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	out := &followStream{server: s, scope: scope, stream: stream}
	var beats sync.WaitGroup
	beats.Go(func() { cancel(out.beat(ctx)) })
	err = s.hub.Follow(ctx, caller(ctx), scope, since, uuid, out.revision)
	cancel(nil)
	beats.Wait()
	// When the heart stopped first, its reason is the reason.
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

// followStream sends to one follower.
type followStream struct {
	server *server
	scope  havre.Scope

	mu     sync.Mutex // guards what follows: streams take one sender at a time
	stream *connect.ServerStream[havrev1.FollowResponse]
	last   time.Time // of the last message
}

func (f *followStream) revision(r *havre.Revision) error {
	return f.send(&havrev1.FollowResponse{Event: &havrev1.FollowResponse_Revision{Revision: wire.Revision(r)}})
}

func (f *followStream) send(m *havrev1.FollowResponse) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last = time.Now()
	return f.stream.Send(m)
}

func (f *followStream) silence() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return time.Since(f.last)
}

// beat sends a heartbeat at once, so that the follower knows that it is heard and how far it is
// behind, and later whenever nothing else was sent for a while. It returns why it stopped.
func (f *followStream) beat(ctx context.Context) error {
	stopping := Stopping(ctx)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-stopping:
			return errStopping
		case <-timer.C:
		}
		if silence := f.silence(); silence < f.server.heartbeat {
			timer.Reset(f.server.heartbeat - silence)
			continue
		}
		head, err := f.server.hub.Head(ctx, caller(ctx), f.scope)
		if err != nil {
			return err
		}
		err = f.send(&havrev1.FollowResponse{Event: &havrev1.FollowResponse_Heartbeat{Heartbeat: &havrev1.Heartbeat{Head: int64(head)}}})
		if err != nil {
			return err
		}
		timer.Reset(f.server.heartbeat)
	}
}
