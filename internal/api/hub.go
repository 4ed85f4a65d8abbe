package api

import (
	"context"
	"io"
	"iter"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// Accounts knows who may come in.
type Accounts interface {
	// Authenticate returns the caller with this token, or CodeUnauthenticated.
	Authenticate(ctx context.Context, token string) (*havre.Caller, error)
	Join(ctx context.Context, req havre.JoinRequest) (*havre.Joined, error)
	Leave(ctx context.Context, caller *havre.Caller) error
	// Report records what all replicas of the caller have reached, and returns what people decided
	// about deletions that wait in them.
	Report(ctx context.Context, caller *havre.Caller, replicas []havre.ReplicaReport) (havre.Instructions, error)
}

// Folders is what callers read. Rights are checked behind it.
type Folders interface {
	Folders(ctx context.Context, caller *havre.Caller) ([]havre.Folder, error)
	Head(ctx context.Context, caller *havre.Caller, scope havre.Scope) (svn.Revnum, error)
	List(ctx context.Context, caller *havre.Caller, scope havre.Scope, rev svn.Revnum, after svn.Path) iter.Seq2[havre.Item, error]
	// Follow calls send with the revisions behind since, one after the other, until ctx is done
	// or send fails.
	Follow(ctx context.Context, caller *havre.Caller, scope havre.Scope, since svn.Revnum, repository string, send func(*havre.Revision) error) error
	// Open returns the contents of a file, or of a symbolic link.
	Open(ctx context.Context, caller *havre.Caller, scope havre.Scope, file havre.FileVersion) (svn.File, error)
	Chunks(ctx context.Context, caller *havre.Caller, scope havre.Scope, file havre.FileVersion) iter.Seq2[havre.Chunk, error]
}

// Changes is what callers write. Rights are checked behind it.
type Changes interface {
	Commit(ctx context.Context, caller *havre.Caller, scope havre.Scope, commit *havre.Commit) (*havre.CommitResult, error)
	// BeginUpload returns the upload's id and how many bytes of it are there.
	BeginUpload(ctx context.Context, caller *havre.Caller, scope havre.Scope, size int64, resume havre.UploadID) (havre.UploadID, int64, error)
	// WriteUpload appends r at offset, which must be what is there so far, and returns what is
	// there now, after an error as well. It reads no more than the upload's announced size.
	WriteUpload(ctx context.Context, caller *havre.Caller, upload havre.UploadID, offset int64, r io.Reader) (int64, error)
	CopyIntoUpload(ctx context.Context, caller *havre.Caller, scope havre.Scope, upload havre.UploadID, offset int64, source havre.FileVersion, sourceOffset, length int64) (int64, error)
}

// Hub is the server behind the protocol. Methods are called concurrently.
type Hub interface {
	Accounts
	Folders
	Changes
}
