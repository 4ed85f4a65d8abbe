package apiclient

import (
	"context"

	"connectrpc.com/connect"

	"github.com/havre-cloud/havre/internal/api/havrev1"
)

// AddSources begins to back up documents into a directory of a folder, and returns the ID of the list on which
// FoundSources tells what becomes of each.
func (c *Client) AddSources(ctx context.Context, m *havrev1.AddSourcesRequest) (list string, err error) {
	resp, err := c.sources.AddSources(ctx, connect.NewRequest(m))
	if err != nil {
		return "", c.failure(ctx, err)
	}
	return resp.Msg.GetList(), nil
}

// FoundSources tells what became of a list so far.
func (c *Client) FoundSources(ctx context.Context, list string) (*havrev1.FoundSourcesResponse, error) {
	resp, err := c.sources.FoundSources(ctx, connect.NewRequest(&havrev1.FoundSourcesRequest{List: list}))
	if err != nil {
		return nil, c.failure(ctx, err)
	}
	return resp.Msg, nil
}

// Sources returns the sources at and below a path of a folder, or all if the folder is "".
func (c *Client) Sources(ctx context.Context, folder, path string) ([]*havrev1.Source, error) {
	resp, err := c.sources.ListSources(ctx, connect.NewRequest(&havrev1.ListSourcesRequest{Folder: folder, Path: path}))
	if err != nil {
		return nil, c.failure(ctx, err)
	}
	return resp.Msg.GetSources(), nil
}

// Source returns one source with its latest runs.
func (c *Client) Source(ctx context.Context, id string, runs int) (*havrev1.ShowSourceResponse, error) {
	resp, err := c.sources.ShowSource(ctx, connect.NewRequest(&havrev1.ShowSourceRequest{Id: id, Runs: int64(runs)}))
	if err != nil {
		return nil, c.failure(ctx, err)
	}
	return resp.Msg, nil
}

// ChangeSources does the same to each source.
func (c *Client) ChangeSources(ctx context.Context, ids []string, action havrev1.SourceAction) error {
	_, err := c.sources.ChangeSources(ctx, connect.NewRequest(&havrev1.ChangeSourcesRequest{Ids: ids, Action: action}))
	if err != nil {
		return c.failure(ctx, err)
	}
	return nil
}

// SetSource changes how a document is backed up.
func (c *Client) SetSource(ctx context.Context, m *havrev1.SetSourceRequest) error {
	if _, err := c.sources.SetSource(ctx, connect.NewRequest(m)); err != nil {
		return c.failure(ctx, err)
	}
	return nil
}
