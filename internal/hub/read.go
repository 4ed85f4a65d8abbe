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

// Folders returns the folders in which the caller may read anything, by name. A folder whose repository cannot be opened is left
// out and logged, so that it does not stop the others.
func (h *Hub) Folders(ctx context.Context, c *havre.Caller) ([]havre.Folder, error) {
	all, err := h.store.Folders(ctx)
	if err != nil {
		return nil, err
	}
	var mine []havre.Folder
	for _, f := range all {
		reach, err := h.access.reachOf(ctx, c.User, f.ID)
		if err != nil {
			return nil, err
		}
		if !reach.sees("", true) || !f.Archived.IsZero() {
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
			level := slog.LevelError
			if havre.CodeOf(err) == havre.CodeUnavailable {
				level = slog.LevelWarn // another server is away, and will be back
			}
			h.log.LogAttrs(ctx, level, "folder cannot be opened", slog.String("folder", f.Name), slog.Any("error", err))
			continue
		}
		mine = append(mine, havre.Folder{ID: f.ID, Name: f.Name, Repository: repo.UUID(), Head: head, Right: reach.right(""), View: h.seal.make(c.User, f.ID, head, reach)})
	}
	return mine, nil
}

// Head returns the youngest revision of the scope's repository; to a caller who could read the scope at
// scope.View, and no longer can, the revision of that.
func (h *Hub) Head(ctx context.Context, c *havre.Caller, scope havre.Scope) (svn.Revnum, error) {
	v, err := h.anyView(ctx, c, scope)
	if err == nil && !v.reach.sees(scope.Root, true) {
		if had, ok := h.seal.open(scope.View, c.User, v.folder.ID); ok {
			return had.rev, nil
		}
		err = errNoFolder()
	}
	if err != nil {
		return svn.InvalidRevnum, err
	}
	return v.repo.Youngest(ctx)
}

// List yields what the caller sees in the scope at rev, in the order of a walk, from behind the path
// after on. The scope's root itself is not listed. It ends after the first error, which is
// havre.CodeRightsChanged when what the caller may read is not what it was at scope.View, or changes
// before the end.
func (h *Hub) List(ctx context.Context, c *havre.Caller, scope havre.Scope, rev svn.Revnum, after svn.Path) iter.Seq2[havre.Item, error] {
	return func(yield func(havre.Item, error) bool) {
		v, err := h.view(ctx, c, scope)
		if err == nil && scope.View != "" && !h.seal.fits(scope.View, c.User, v) {
			err = errRightsChanged()
		}
		if err != nil {
			yield(havre.Item{}, err)
			return
		}
		if after, err = v.after(after); err != nil {
			yield(havre.Item{}, err)
			return
		}
		count := 0
		for n, err := range v.walk(ctx, "", rev, after) {
			if err != nil {
				yield(havre.Item{}, explain(err, ""))
				return
			}
			p, ok := v.rel(n.Path)
			if !ok || p == "" {
				continue
			}
			if count++; count%listCheck == 0 {
				if err := h.sameRights(ctx, c, v); err != nil {
					yield(havre.Item{}, err)
					return
				}
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
		if err := h.sameRights(ctx, c, v); err != nil {
			yield(havre.Item{}, err)
		}
	}
}

// listCheck is after how many entries of a listing the rights are looked at again.
const listCheck = 1000

// sameRights fails if the caller may not read any more, or not the same as when v was made.
func (h *Hub) sameRights(ctx context.Context, c *havre.Caller, v *view) error {
	now, err := h.view(ctx, c, v.scope)
	if err == nil && now.reach.shape != v.reach.shape {
		err = errRightsChanged()
	}
	return err
}

// walk yields what the caller sees at and below p, in the order of svn.Repository.Walk, whose after is a
// path of the repository. What is hidden is not looked at.
func (v *view) walk(ctx context.Context, p svn.Path, rev svn.Revnum, after svn.Path) iter.Seq2[*svn.Node, error] {
	if v.reach.readsAll(v.inFolder(p)) {
		return v.repo.Walk(ctx, v.abs(p), rev, after)
	}
	return func(yield func(*svn.Node, error) bool) {
		n, err := v.repo.Stat(ctx, v.abs(p), rev)
		if err != nil {
			yield(nil, err)
			return
		}
		v.walkNode(ctx, p, n, rev, after, yield)
	}
}

// walkNode yields a node and what is in it, and says whether to go on.
func (v *view) walkNode(ctx context.Context, p svn.Path, n *svn.Node, rev svn.Revnum, after svn.Path, yield func(*svn.Node, error) bool) bool {
	abs := v.abs(p)
	_, inside := after.Rel(abs) // goes on somewhere in it
	switch {
	case !v.seesNode(p, n):
		return true
	case after != "" && abs.Compare(after) <= 0 && !inside:
		return true
	}
	if v.reach.readsAll(v.inFolder(p)) {
		for n, err := range v.repo.Walk(ctx, abs, rev, after) {
			if !yield(n, err) || err != nil {
				return false
			}
		}
		return true
	}
	if (after == "" || abs.Compare(after) > 0) && !yield(n, nil) {
		return false
	}
	if n.Kind != svn.KindDir {
		return true
	}
	for c, err := range v.repo.List(ctx, abs, rev, true) {
		if err != nil {
			yield(nil, err)
			return false
		}
		at, ok := v.rel(c.Path)
		if ok && !v.walkNode(ctx, at, c, rev, after, yield) {
			return false
		}
	}
	return true
}

// after translates the path that a walk continues behind; "" is the beginning.
func (v *view) after(p svn.Path) (svn.Path, error) {
	if p == "" {
		return "", nil
	}
	if _, err := svn.CheckPath(string(p)); err != nil {
		return "", havre.Errorf(havre.CodeInvalid, "the listing cannot continue behind that path").Because(err)
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
		return havre.Errorf(havre.CodeInvalid, "that path cannot be in a folder").Because(err)
	}
	if v.right(p) < havre.RightRead || isReserved(p) {
		return havre.Errorf(havre.CodeDenied, "you may not read %s: ask who manages the folder", show(p))
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
