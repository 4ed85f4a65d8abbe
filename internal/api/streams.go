package api

import (
	"context"
	"fmt"
	"io"

	"connectrpc.com/connect"

	"github.com/havre-cloud/havre/internal/api/havrev1"
	"github.com/havre-cloud/havre/internal/api/wire"
	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// packItems bounds the items that go into one message of List or Chunks.
const packItems = 1000

func (s *server) List(ctx context.Context, req *connect.Request[havrev1.ListRequest], stream *connect.ServerStream[havrev1.ListResponse]) error {
	scope, err := wire.DecodeScope(req.Msg.GetScope())
	if err != nil {
		return err
	}
	rev, err := wire.DecodeRev(req.Msg.GetRevision())
	if err != nil {
		return err
	}
	after, err := wire.DecodePath(req.Msg.GetAfter())
	if err != nil {
		return err
	}
	// The first message is short, so that a client with something to show can begin.
	var resp havrev1.ListResponse
	limit, bytes := 100, 0
	for item, err := range s.hub.List(ctx, caller(ctx), scope, rev, after) {
		if err != nil {
			return err
		}
		resp.Items = append(resp.Items, wire.Item(&item))
		bytes += len(item.Path)
		if len(resp.GetItems()) >= limit || bytes > wire.PackBytes {
			if err := stream.Send(&resp); err != nil {
				return err
			}
			resp.Items, limit, bytes = nil, packItems, 0
		}
	}
	if len(resp.GetItems()) == 0 {
		return nil
	}
	return stream.Send(&resp)
}

func (s *server) Chunks(ctx context.Context, req *connect.Request[havrev1.ChunksRequest], stream *connect.ServerStream[havrev1.ChunksResponse]) error {
	scope, err := wire.DecodeScope(req.Msg.GetScope())
	if err != nil {
		return err
	}
	file, err := wire.DecodeFileVersion(req.Msg.GetFile())
	if err != nil {
		return err
	}
	var resp havrev1.ChunksResponse
	for chunk, err := range s.hub.Chunks(ctx, caller(ctx), scope, file) {
		if err != nil {
			return err
		}
		resp.Chunks = append(resp.Chunks, wire.Chunk(&chunk))
		if len(resp.GetChunks()) >= packItems {
			if err := stream.Send(&resp); err != nil {
				return err
			}
			resp.Chunks = nil
		}
	}
	if len(resp.GetChunks()) == 0 {
		return nil
	}
	return stream.Send(&resp)
}

func (s *server) Fetch(ctx context.Context, req *connect.Request[havrev1.FetchRequest], stream *connect.ServerStream[havrev1.FetchResponse]) error {
	scope, err := wire.DecodeScope(req.Msg.GetScope())
	if err != nil {
		return err
	}
	if n := len(req.Msg.GetFiles()); n > wire.MaxFetch {
		return &havre.Error{
			Code: havre.CodeInvalid,
			Text: fmt.Sprintf("the request names %d files, more than %d: send several", n, wire.MaxFetch),
		}
	}
	var resp havrev1.FetchResponse
	bytes := 0
	for i, f := range req.Msg.GetFiles() {
		fetched := s.fetch(ctx, scope, i, f)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		resp.Files = append(resp.Files, fetched)
		// What protobuf adds to a small file counts too.
		if bytes += len(fetched.GetContent()) + 64; bytes >= wire.PackBytes {
			if err := stream.Send(&resp); err != nil {
				return err
			}
			resp.Files, bytes = nil, 0
		}
	}
	if len(resp.GetFiles()) == 0 {
		return nil
	}
	return stream.Send(&resp)
}

// fetch returns one file, or why it cannot be read.
func (s *server) fetch(ctx context.Context, scope havre.Scope, index int, m *havrev1.FileVersion) *havrev1.FetchedFile {
	fetched := &havrev1.FetchedFile{Index: int32(index)}
	content, err := s.small(ctx, scope, m)
	if err != nil {
		fetched.Error = wire.Detail(s.public(ctx, "Fetch", err))
		return fetched
	}
	fetched.Content = content
	return fetched
}

// small reads a file of at most havre.InlineLimit bytes.
func (s *server) small(ctx context.Context, scope havre.Scope, m *havrev1.FileVersion) (content []byte, err error) {
	file, err := wire.DecodeFileVersion(m)
	if err != nil {
		return nil, err
	}
	f, err := s.hub.Open(ctx, caller(ctx), scope, file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if f.Size() > havre.InlineLimit {
		return nil, &havre.Error{
			Code: havre.CodeInvalid,
			Text: fmt.Sprintf("%s has %d bytes, too many to be fetched with others: ask for its contents alone", file.Path, f.Size()),
		}
	}
	content = make([]byte, f.Size())
	if _, err := io.ReadFull(f, content); err != nil {
		return nil, err
	}
	// The checksum is looked at when the end is read.
	return content, ended(f)
}

// ended reads the end of a file of which all announced bytes have been read.
func ended(f svn.File) error {
	var b [1]byte
	for {
		n, err := f.Read(b[:])
		switch {
		case n > 0:
			return fmt.Errorf("the contents are longer than %d bytes", f.Size())
		case err == io.EOF: //nolint:errorlint // readers return it as it is
			return nil
		case err != nil:
			return err
		}
	}
}
