package api

import (
	"context"

	"connectrpc.com/connect"

	"github.com/havre-cloud/havre/internal/api/havrev1"
	"github.com/havre-cloud/havre/internal/api/wire"
	"github.com/havre-cloud/havre/internal/havre"
)

func (p *pairing) Join(ctx context.Context, req *connect.Request[havrev1.JoinRequest]) (*connect.Response[havrev1.JoinResponse], error) {
	join, err := wire.DecodeJoin(req.Msg)
	if err != nil {
		return nil, err
	}
	joined, err := p.hub.Join(ctx, join)
	if err != nil {
		switch havre.CodeOf(err) {
		case havre.CodeUnauthenticated, havre.CodeDenied, havre.CodeNotFound:
			p.door.fail(req.Peer().Addr, [32]byte{})
		}
		return nil, err
	}
	return connect.NewResponse(wire.Joined(joined)), nil
}

func (s *server) Leave(ctx context.Context, _ *connect.Request[havrev1.LeaveRequest]) (*connect.Response[havrev1.LeaveResponse], error) {
	if err := s.hub.Leave(ctx, caller(ctx)); err != nil {
		return nil, err
	}
	return connect.NewResponse(&havrev1.LeaveResponse{}), nil
}

func (s *server) Folders(ctx context.Context, _ *connect.Request[havrev1.FoldersRequest]) (*connect.Response[havrev1.FoldersResponse], error) {
	list, err := s.hub.Folders(ctx, caller(ctx))
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(wire.Folders(list)), nil
}

func (s *server) Commit(ctx context.Context, req *connect.Request[havrev1.CommitRequest]) (*connect.Response[havrev1.CommitResponse], error) {
	scope, err := wire.DecodeScope(req.Msg.GetScope())
	if err != nil {
		return nil, err
	}
	commit, err := wire.DecodeCommit(req.Msg)
	if err != nil {
		return nil, err
	}
	result, err := s.hub.Commit(ctx, caller(ctx), scope, commit)
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(wire.CommitResult(result)), nil
}

func (s *server) BeginUpload(ctx context.Context, req *connect.Request[havrev1.BeginUploadRequest]) (*connect.Response[havrev1.BeginUploadResponse], error) {
	scope, err := wire.DecodeScope(req.Msg.GetScope())
	if err != nil {
		return nil, err
	}
	size, err := wire.DecodeSize("size", req.Msg.GetSize())
	if err != nil {
		return nil, err
	}
	resume, err := wire.DecodeText("upload", req.Msg.GetResume(), wire.MaxName)
	if err != nil {
		return nil, err
	}
	id, offset, err := s.hub.BeginUpload(ctx, caller(ctx), scope, size, havre.UploadID(resume))
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&havrev1.BeginUploadResponse{Upload: string(id), Offset: offset}), nil
}

func (s *server) CopyIntoUpload(ctx context.Context, req *connect.Request[havrev1.CopyIntoUploadRequest]) (*connect.Response[havrev1.CopyIntoUploadResponse], error) {
	scope, err := wire.DecodeScope(req.Msg.GetScope())
	if err != nil {
		return nil, err
	}
	source, err := wire.DecodeFileVersion(req.Msg.GetSource())
	if err != nil {
		return nil, err
	}
	upload, err := wire.DecodeText("upload", req.Msg.GetUpload(), wire.MaxName)
	if err != nil {
		return nil, err
	}
	for _, n := range []int64{req.Msg.GetOffset(), req.Msg.GetSourceOffset(), req.Msg.GetLength()} {
		if _, err := wire.DecodeSize("position", n); err != nil {
			return nil, err
		}
	}
	offset, err := s.hub.CopyIntoUpload(ctx, caller(ctx), scope, havre.UploadID(upload), req.Msg.GetOffset(),
		source, req.Msg.GetSourceOffset(), req.Msg.GetLength())
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&havrev1.CopyIntoUploadResponse{Offset: offset}), nil
}

func (s *server) Report(ctx context.Context, req *connect.Request[havrev1.ReportRequest]) (*connect.Response[havrev1.ReportResponse], error) {
	reports, err := wire.DecodeReports(req.Msg)
	if err != nil {
		return nil, err
	}
	decided, err := s.hub.Report(ctx, caller(ctx), reports)
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(wire.Instructions(decided)), nil
}
