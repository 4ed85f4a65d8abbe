package hub

import (
	"context"
	"errors"
	"io"
	"iter"
	"log/slog"

	"github.com/havre-cloud/havre/internal/chunk"
	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// Folders returns what the caller may read, by name. A folder whose repository cannot be opened is left
// out and logged, so that it does not stop the others.
func (h *Hub) Folders(ctx context.Context, c *havre.Caller) ([]havre.Folder, error) {
	all, err := h.store.Folders(ctx)
	if err != nil {
		return nil, err
	}
	grants, err := h.access.grantsOf(ctx, c.User)
	if err != nil {
		return nil, err
	}
	var mine []havre.Folder
	for _, f := range all {
		right := rightAt(grants, f.ID, "")
		if right < havre.RightRead || !f.Archived.IsZero() {
			continue
		}
		repo, err := h.repos.get(f.Location)
		var head svn.Revnum
		if err == nil {
			head, err = repo.Youngest(ctx)
		}
		if err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			h.log.LogAttrs(ctx, slog.LevelError, "folder cannot be opened", slog.String("folder", f.Name), slog.Any("error", err))
			continue
		}
		mine = append(mine, havre.Folder{ID: f.ID, Name: f.Name, Repository: repo.UUID(), Head: head, Right: right})
	}
	return mine, nil
}

// Head returns the youngest revision of the scope's repository.
func (h *Hub) Head(ctx context.Context, c *havre.Caller, scope havre.Scope) (svn.Revnum, error) {
	v, err := h.view(ctx, c, scope)
	if err != nil {
		return svn.InvalidRevnum, err
	}
	return v.repo.Youngest(ctx)
}

// List yields what is in the scope at rev, in the order of a walk, from behind the path after on. The
// scope's root itself is not listed. It ends after the first error.
func (h *Hub) List(ctx context.Context, c *havre.Caller, scope havre.Scope, rev svn.Revnum, after svn.Path) iter.Seq2[havre.Item, error] {
	return func(yield func(havre.Item, error) bool) {
		v, err := h.view(ctx, c, scope)
		if err != nil {
			yield(havre.Item{}, err)
			return
		}
		if after, err = v.after(after); err != nil {
			yield(havre.Item{}, err)
			return
		}
		for n, err := range v.repo.Walk(ctx, v.prefix, rev, after) {
			if err != nil {
				yield(havre.Item{}, explain(err, ""))
				return
			}
			p, ok := v.rel(n.Path)
			if !ok || p == "" {
				continue
			}
			e, err := v.entry(ctx, n, rev)
			if err != nil {
				yield(havre.Item{}, explain(err, p))
				return
			}
			if !yield(havre.Item{Path: p, Entry: e}, nil) {
				return
			}
		}
	}
}

// after translates the path that a walk continues behind; "" is the beginning.
func (v *view) after(p svn.Path) (svn.Path, error) {
	if p == "" {
		return "", nil
	}
	if _, err := svn.CheckPath(string(p)); err != nil {
		return "", &havre.Error{Code: havre.CodeInvalid, Text: "the listing cannot continue behind that path", Cause: err}
	}
	return v.abs(p), nil
}

// Open returns the contents of a file; of a symbolic link, "link TARGET". The caller closes it.
func (h *Hub) Open(ctx context.Context, c *havre.Caller, scope havre.Scope, file havre.FileVersion) (svn.File, error) {
	v, err := h.view(ctx, c, scope)
	if err != nil {
		return nil, err
	}
	return v.openFile(ctx, file)
}

func (v *view) openFile(ctx context.Context, file havre.FileVersion) (svn.File, error) {
	if err := v.checkRead(file.Path); err != nil {
		return nil, err
	}
	f, err := v.repo.Open(ctx, v.abs(file.Path), file.Rev)
	return f, explain(err, file.Path)
}

// checkRead fails for a path that the caller cannot ask for.
func (v *view) checkRead(p svn.Path) error {
	if _, err := svn.CheckPath(string(p)); err != nil {
		return &havre.Error{Code: havre.CodeInvalid, Text: "that path cannot be in a folder", Cause: err}
	}
	if v.right(p) < havre.RightRead || isReserved(p) {
		return &havre.Error{Code: havre.CodeDenied, Text: "you may not read " + show(p) + ": ask who manages the folder"}
	}
	return nil
}

// Chunks yields the content-defined chunks of a file, see internal/chunk.
func (h *Hub) Chunks(ctx context.Context, c *havre.Caller, scope havre.Scope, file havre.FileVersion) iter.Seq2[havre.Chunk, error] {
	return func(yield func(havre.Chunk, error) bool) {
		f, err := h.Open(ctx, c, scope, file)
		if err != nil {
			yield(havre.Chunk{}, err)
			return
		}
		defer func() { _ = f.Close() }() // read only: what mattered came with Read
		for c, err := range chunk.Chunks(cancelled{ctx, f}) {
			if err != nil {
				yield(havre.Chunk{}, explain(err, file.Path))
				return
			}
			if !yield(c, nil) {
				return
			}
		}
	}
}

// cancelled is a reader that ends with the request.
type cancelled struct {
	ctx context.Context //nolint:containedctx // lives as long as the call that made it
	r   io.Reader
}

func (c cancelled) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// CopyIntoUpload appends length bytes of the file src, from srcOffset on, to the upload at offset, and
// returns how many bytes the upload has then.
func (h *Hub) CopyIntoUpload(ctx context.Context, c *havre.Caller, scope havre.Scope, id havre.UploadID, offset int64,
	src havre.FileVersion, srcOffset, length int64,
) (int64, error) {
	f, err := h.Open(ctx, c, scope, src)
	if err != nil {
		return 0, err
	}
	n, err := h.copyRange(ctx, c, id, offset, f, srcOffset, length)
	return n, errors.Join(err, f.Close())
}

func (h *Hub) copyRange(ctx context.Context, c *havre.Caller, id havre.UploadID, offset int64, f svn.File, from, length int64) (int64, error) {
	if from < 0 || length < 0 || from > f.Size() || length > f.Size()-from {
		return 0, invalid("the file has %d bytes, none at %d to %d", f.Size(), from, from+length)
	}
	if err := f.SkipTo(from); err != nil {
		return 0, err
	}
	return h.uploads.write(c.Device, id, offset, cancelled{ctx, io.LimitReader(f, length)})
}
