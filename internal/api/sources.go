package api

import (
	"context"
	"time"

	"connectrpc.com/connect"

	"github.com/havre-cloud/havre/internal/api/havrev1"
	"github.com/havre-cloud/havre/internal/api/wire"
	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/svn"
)

// Sources are the online documents that the server backs up. Rights are checked behind it; methods are called
// concurrently.
type Sources interface {
	// SourceSpot finds a directory, which need not be there.
	SourceSpot(ctx context.Context, caller *havre.Caller, folder string, path svn.Path) (*hub.Spot, error)
	AddSources(ctx context.Context, caller *havre.Caller, at *hub.Spot, wishes []hub.SourceWish) (list string, err error)
	Found(ctx context.Context, caller *havre.Caller, list string) (*hub.FoundList, error)
	Sources(ctx context.Context, caller *havre.Caller, f hub.SourceFilter) ([]hub.Source, error)
	Source(ctx context.Context, caller *havre.Caller, id hub.SourceID) (*hub.Source, error)
	SourceRuns(ctx context.Context, caller *havre.Caller, id hub.SourceID, before int64, n int) ([]hub.SourceRun, error)
	CheckSource(ctx context.Context, caller *havre.Caller, id hub.SourceID) error
	PauseSource(ctx context.Context, caller *havre.Caller, id hub.SourceID) error
	ResumeSource(ctx context.Context, caller *havre.Caller, id hub.SourceID) error
	RemoveSource(ctx context.Context, caller *havre.Caller, id hub.SourceID) error
	ResolveSuspect(ctx context.Context, caller *havre.Caller, id hub.SourceID, keep hub.SuspectChoice) error
	SetSource(ctx context.Context, caller *havre.Caller, id hub.SourceID, change hub.SourceChange) error
}

// sources answers the requests of the SourceService.
type sources struct{ hub Sources }

// maxRuns is how many runs are told at once.
const maxRuns = 200

// AddSources is of the protocol.
func (s *sources) AddSources(ctx context.Context, req *connect.Request[havrev1.AddSourcesRequest]) (*connect.Response[havrev1.AddSourcesResponse], error) {
	at, err := s.spot(ctx, req.Msg.GetFolder(), req.Msg.GetPath())
	if err != nil {
		return nil, err
	}
	var wishes []hub.SourceWish
	for _, m := range req.Msg.GetWishes() {
		var w hub.SourceWish
		if w.URL, err = wire.DecodeText("address", m.GetUrl(), wire.MaxPath); err != nil {
			return nil, err
		}
		if w.Name, err = wire.DecodeText("name", m.GetName(), wire.MaxName); err != nil {
			return nil, err
		}
		if w.Secrets, err = wire.DecodeSecrets(m.GetSecrets()); err != nil {
			return nil, err
		}
		if w.Schedule, err = wire.DecodeSchedule(m.GetSchedule()); err != nil {
			return nil, err
		}
		w.Live = m.GetLive()
		wishes = append(wishes, w)
	}
	list, err := s.hub.AddSources(ctx, caller(ctx), at, wishes)
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&havrev1.AddSourcesResponse{List: list}), nil
}

func (s *sources) spot(ctx context.Context, folder, path string) (*hub.Spot, error) {
	folder, err := wire.DecodeText("folder", folder, wire.MaxName)
	if err != nil {
		return nil, err
	}
	p, err := wire.DecodePath(path)
	if err != nil {
		return nil, err
	}
	return s.hub.SourceSpot(ctx, caller(ctx), folder, p)
}

// FoundSources is of the protocol.
func (s *sources) FoundSources(ctx context.Context, req *connect.Request[havrev1.FoundSourcesRequest]) (*connect.Response[havrev1.FoundSourcesResponse], error) {
	list, err := wire.DecodeText("list", req.Msg.GetList(), wire.MaxName)
	if err != nil {
		return nil, err
	}
	found, err := s.hub.Found(ctx, caller(ctx), list)
	if err != nil {
		return nil, err
	}
	answer := &havrev1.FoundSourcesResponse{Done: found.Done}
	for i := range found.Items {
		f := &found.Items[i]
		answer.Items = append(answer.Items, &havrev1.FoundSource{
			Given: wire.Text(f.Given), State: string(f.State), Reason: string(f.Reason), Text: wire.Text(f.Text),
			Source: string(f.Source), Place: wire.Text(f.Place),
		})
	}
	return connect.NewResponse(answer), nil
}

// ListSources is of the protocol.
func (s *sources) ListSources(ctx context.Context, req *connect.Request[havrev1.ListSourcesRequest]) (*connect.Response[havrev1.ListSourcesResponse], error) {
	folder, err := wire.DecodeText("folder", req.Msg.GetFolder(), wire.MaxName)
	if err != nil {
		return nil, err
	}
	path, err := wire.DecodePath(req.Msg.GetPath())
	if err != nil {
		return nil, err
	}
	all, err := s.hub.Sources(ctx, caller(ctx), hub.SourceFilter{Folder: folder, Path: path})
	if err != nil {
		return nil, err
	}
	answer := &havrev1.ListSourcesResponse{}
	for i := range all {
		answer.Sources = append(answer.Sources, sourceMessage(&all[i]))
	}
	return connect.NewResponse(answer), nil
}

// ShowSource is of the protocol.
func (s *sources) ShowSource(ctx context.Context, req *connect.Request[havrev1.ShowSourceRequest]) (*connect.Response[havrev1.ShowSourceResponse], error) {
	id, err := decodeSourceID(req.Msg.GetId())
	if err != nil {
		return nil, err
	}
	one, err := s.hub.Source(ctx, caller(ctx), id)
	if err != nil {
		return nil, err
	}
	runs, err := s.hub.SourceRuns(ctx, caller(ctx), id, 0, int(min(max(req.Msg.GetRuns(), 0), maxRuns)))
	if err != nil {
		return nil, err
	}
	answer := &havrev1.ShowSourceResponse{Source: sourceMessage(one)}
	for i := range runs {
		r := &runs[i]
		answer.Runs = append(answer.Runs, &havrev1.SourceRun{
			Start: wire.Time(r.Start), Took: int64(r.Took), Outcome: string(r.Outcome), Text: wire.Text(r.Text), Revision: int64(r.Rev), Live: r.Live,
		})
	}
	return connect.NewResponse(answer), nil
}

func decodeSourceID(text string) (hub.SourceID, error) {
	id, err := wire.DecodeText("source", text, wire.MaxName)
	return hub.SourceID(id), err
}

// ChangeSources is of the protocol.
func (s *sources) ChangeSources(ctx context.Context, req *connect.Request[havrev1.ChangeSourcesRequest]) (*connect.Response[havrev1.ChangeSourcesResponse], error) {
	for _, text := range req.Msg.GetIds() {
		id, err := decodeSourceID(text)
		if err != nil {
			return nil, err
		}
		if err := s.change(ctx, id, req.Msg.GetAction()); err != nil {
			return nil, err
		}
	}
	return connect.NewResponse(&havrev1.ChangeSourcesResponse{}), nil
}

func (s *sources) change(ctx context.Context, id hub.SourceID, action havrev1.SourceAction) error {
	c := caller(ctx)
	switch action {
	case havrev1.SourceAction_SOURCE_ACTION_CHECK:
		return s.hub.CheckSource(ctx, c, id)
	case havrev1.SourceAction_SOURCE_ACTION_PAUSE:
		return s.hub.PauseSource(ctx, c, id)
	case havrev1.SourceAction_SOURCE_ACTION_RESUME:
		return s.hub.ResumeSource(ctx, c, id)
	case havrev1.SourceAction_SOURCE_ACTION_REMOVE:
		return s.hub.RemoveSource(ctx, c, id)
	case havrev1.SourceAction_SOURCE_ACTION_KEEP_GOOD:
		return s.hub.ResolveSuspect(ctx, c, id, hub.KeepGood)
	case havrev1.SourceAction_SOURCE_ACTION_KEEP_SUSPECT:
		return s.hub.ResolveSuspect(ctx, c, id, hub.KeepSuspect)
	default:
		return havre.Errorf(havre.CodeInvalid, "this server cannot do that to a backup")
	}
}

// SetSource is of the protocol.
func (s *sources) SetSource(ctx context.Context, req *connect.Request[havrev1.SetSourceRequest]) (*connect.Response[havrev1.SetSourceResponse], error) {
	m := req.Msg
	id, err := decodeSourceID(m.GetId())
	if err != nil {
		return nil, err
	}
	change := hub.SourceChange{Live: m.Live, Forget: m.GetForgetSecrets()}
	if m.Schedule != nil {
		var every time.Duration
		if every, err = wire.DecodeSchedule(m.GetSchedule()); err != nil {
			return nil, err
		}
		change.Schedule = &every
	}
	if m.GetSecrets() != nil {
		secrets, err := wire.DecodeSecrets(m.GetSecrets())
		if err != nil {
			return nil, err
		}
		change.Secrets = &secrets
	}
	if err := s.hub.SetSource(ctx, caller(ctx), id, change); err != nil {
		return nil, err
	}
	return connect.NewResponse(&havrev1.SetSourceResponse{}), nil
}

func sourceMessage(s *hub.Source) *havrev1.Source {
	m := &havrev1.Source{
		Id: string(s.ID), Kind: string(s.Kind), Url: wire.Text(s.Address.URL), Collection: wire.Text(s.Address.Collection), Title: wire.Text(s.Title),
		Folder: wire.Text(s.Folder), Path: wire.Text(string(s.Path)), Right: wire.RightOf(s.Right), Live: s.Live, Schedule: int64(s.Schedule / time.Second),
		State: string(s.State), Reason: string(s.Reason), Text: wire.Text(s.Text),
		Added: wire.Time(s.Added), LastRun: wire.Time(s.LastRun), LastGood: wire.Time(s.LastGood), LastChanged: wire.Time(s.LastChanged),
		LastVersion: wire.Time(s.LastVersion), Next: wire.Time(s.Next), Ends: wire.Time(s.Ends), Closes: wire.Time(s.Closes),
		Failures: int64(s.Failures), Summary: wire.Text(s.Summary), AddedBy: wire.Text(s.AddedBy), Documents: int64(s.Documents), Secrets: s.Secrets,
		Since: wire.Time(s.Since), Instance: wire.Text(s.Address.Instance),
	}
	for _, f := range s.Files {
		m.Files = append(m.Files, wire.Text(string(f.Path)))
	}
	for _, n := range s.Notes {
		m.Notes = append(m.Notes, wire.Text(n.Text))
	}
	if s.Suspect != nil {
		m.Suspect = wire.Text(s.Suspect.Why)
	}
	return m
}
