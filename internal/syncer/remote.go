package syncer

import (
	"context"
	"io"
	"iter"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// Remote is the server as the engine sees it. Methods may be called concurrently. Errors carry a
// *havre.Error; what has havre.CodeUnavailable is tried again later, as is every error of the
// network.
type Remote interface {
	Folders(ctx context.Context) ([]havre.Folder, error)

	// List yields the tree of the scope at rev in the order of a walk, from behind the path
	// after on.
	List(ctx context.Context, scope havre.Scope, rev svn.Revnum, after svn.Path) iter.Seq2[havre.Item, error]

	// Follow calls fn with each revision after since, in order, large ones in parts, and goes on
	// as new ones are made, until ctx is done, fn fails, or the connection is lost: a connection
	// on which neither a revision nor a heartbeat came for a minute is lost. It is havre.CodeHistoryWentBack
	// if the repository is not the one with that UUID or has fewer revisions than since.
	Follow(ctx context.Context, scope havre.Scope, since svn.Revnum, repository string, fn func(*havre.Revision) error) error

	Commit(ctx context.Context, scope havre.Scope, c *havre.Commit) (*havre.CommitResult, error)

	// Fetch calls fn with the contents of each small file (havre.InlineLimit), in the order of
	// files; err is set instead where one cannot be read. The slice is valid during the call.
	Fetch(ctx context.Context, scope havre.Scope, files []havre.FileVersion, fn func(i int, content []byte, err error) error) error

	// Open streams the contents of a file from offset on.
	Open(ctx context.Context, scope havre.Scope, file havre.FileVersion, offset int64) (io.ReadCloser, error)

	// Upload sends size bytes of contents to wait for a commit. It resumes by itself after a
	// lost connection as long as ctx is not done. The id of an upload that an earlier process
	// began may be given as resume; began is called with the id as soon as it is known.
	Upload(ctx context.Context, scope havre.Scope, content io.ReaderAt, size int64, resume havre.UploadID, began func(havre.UploadID)) (havre.UploadID, error)

	// Chunks lists the content-defined chunks of a file on the server.
	Chunks(ctx context.Context, scope havre.Scope, file havre.FileVersion) ([]havre.Chunk, error)
}
