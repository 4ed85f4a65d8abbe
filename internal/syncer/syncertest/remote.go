package syncertest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/syncer"
	"github.com/havre-cloud/havre/svn"
)

// Remote is the server as one device sees it. The scope's root must be "".
type Remote struct {
	s      *Server
	device havre.DeviceID
}

var _ syncer.Remote = (*Remote)(nil)

// Folder is the folder's name and ID.
const Folder = "team"

// Device returns the server as a device sees it.
func (s *Server) Device(name havre.DeviceID) *Remote { return &Remote{s, name} }

func unreachable() error {
	return &havre.Error{Code: havre.CodeUnavailable, Text: "the server cannot be reached"}
}

// lock locks the server, unless it cannot be reached.
func (r *Remote) lock() error {
	r.s.mu.Lock()
	if r.s.offline {
		r.s.mu.Unlock()
		return unreachable()
	}
	return nil
}

// Folders is syncer.Remote's.
func (r *Remote) Folders(context.Context) ([]havre.Folder, error) {
	if err := r.lock(); err != nil {
		return nil, err
	}
	defer r.s.mu.Unlock()
	return []havre.Folder{{ID: Folder, Name: Folder, Repository: r.s.uuid, Head: r.s.head, Right: r.s.right}}, nil
}

// List is syncer.Remote's.
func (r *Remote) List(ctx context.Context, _ havre.Scope, rev svn.Revnum, after svn.Path) iter.Seq2[havre.Item, error] {
	return func(yield func(havre.Item, error) bool) {
		if err := r.lock(); err != nil {
			yield(havre.Item{}, err)
			return
		}
		r.s.stats.Lists++
		cuts := r.s.cuts
		paths := r.s.below("", rev)
		r.s.mu.Unlock()
		for _, p := range paths {
			if after != "" && p.Compare(after) <= 0 {
				continue
			}
			r.s.mu.Lock()
			n, cut := r.s.at(p, rev), cuts != r.s.cuts
			r.s.mu.Unlock()
			if cut {
				yield(havre.Item{}, unreachable())
				return
			}
			if ctx.Err() != nil || !yield(havre.Item{Path: p, Entry: n.Entry}, nil) {
				return
			}
		}
	}
}

// Follow is syncer.Remote's.
func (r *Remote) Follow(ctx context.Context, _ havre.Scope, since svn.Revnum, repository string, fn func(*havre.Revision) error) error {
	if err := r.lock(); err != nil {
		return err
	}
	cuts := r.s.cuts
	wrong := repository != r.s.uuid || since > r.s.head
	r.s.mu.Unlock()
	if wrong {
		return &havre.Error{Code: havre.CodeHistoryWentBack, Text: "the repository is another one, or an older one"}
	}
	for {
		r.s.mu.Lock()
		if r.s.cuts != cuts {
			r.s.mu.Unlock()
			return unreachable()
		}
		news, changed := r.s.log[since:], r.s.changed
		size := r.s.partSize
		r.s.mu.Unlock()
		for _, rev := range news {
			for part := range parts(rev, size) {
				if err := fn(part); err != nil {
					return err
				}
			}
			since = rev.Rev
		}
		if len(news) > 0 {
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// parts splits a revision as havre.Revision says.
func parts(rev *havre.Revision, size int) iter.Seq[*havre.Revision] {
	return func(yield func(*havre.Revision) bool) {
		part := *rev
		for ops := rev.Ops; ; {
			n := min(size, len(ops))
			part.Ops, ops = ops[:n], ops[n:]
			part.More = len(ops) > 0
			p := part
			if !yield(&p) || !part.More {
				return
			}
			part.Moves, part.Removed = nil, nil
		}
	}
}

// Commit is syncer.Remote's.
func (r *Remote) Commit(_ context.Context, _ havre.Scope, c *havre.Commit) (*havre.CommitResult, error) {
	if err := r.lock(); err != nil {
		return nil, err
	}
	defer r.s.mu.Unlock()
	res := r.s.commit(c, r.device)
	if r.s.lose > 0 {
		r.s.lose--
		return nil, unreachable()
	}
	return res, nil
}

func (r *Remote) content(f havre.FileVersion) ([]byte, error) {
	if err := r.lock(); err != nil {
		return nil, err
	}
	defer r.s.mu.Unlock()
	n := r.s.at(f.Path, f.Rev)
	if n == nil || n.Kind == havre.KindDir || f.Rev > r.s.head {
		return nil, &havre.Error{Code: havre.CodeNotFound, Text: fmt.Sprintf("/%s is no file in r%d", f.Path, f.Rev)}
	}
	return n.content, nil
}

// Fetch is syncer.Remote's.
func (r *Remote) Fetch(ctx context.Context, _ havre.Scope, files []havre.FileVersion, fn func(i int, content []byte, err error) error) error {
	for i, f := range files {
		content, err := r.content(f)
		if havre.CodeOf(err) == havre.CodeUnavailable || ctx.Err() != nil {
			return err
		}
		if err := fn(i, content, err); err != nil {
			return err
		}
		r.s.mu.Lock()
		r.s.stats.Fetched++
		r.s.mu.Unlock()
	}
	return nil
}

// Open is syncer.Remote's.
func (r *Remote) Open(_ context.Context, _ havre.Scope, file havre.FileVersion, offset int64) (io.ReadCloser, error) {
	content, err := r.content(file)
	if err != nil {
		return nil, err
	}
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	r.s.stats.Opened++
	return &reader{Reader: bytes.NewReader(content[min(offset, int64(len(content))):]), s: r.s, cuts: r.s.cuts}, nil
}

// reader fails when the connection is cut.
type reader struct {
	*bytes.Reader
	s    *Server
	cuts int
}

func (r *reader) Read(p []byte) (int, error) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if r.s.cuts != r.cuts {
		return 0, unreachable()
	}
	return r.Reader.Read(p[:min(len(p), 64<<10)])
}

// WriteTo would go around Read.
func (r *reader) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{r})
}

func (r *reader) Close() error { return nil }

// Upload is syncer.Remote's.
func (r *Remote) Upload(_ context.Context, _ havre.Scope, content io.ReaderAt, size int64, _ havre.UploadID, began func(havre.UploadID)) (havre.UploadID, error) {
	if err := r.lock(); err != nil {
		return "", err
	}
	id := havre.UploadID(r.s.newID("upload"))
	r.s.mu.Unlock()
	began(id)
	b := make([]byte, size)
	if _, err := content.ReadAt(b, 0); err != nil && err != io.EOF {
		return "", err
	}
	if err := r.lock(); err != nil {
		return "", err
	}
	defer r.s.mu.Unlock()
	r.s.uploads[id] = b
	r.s.stats.UploadedBytes += size
	return id, nil
}

// Chunks is syncer.Remote's; this server has none.
func (r *Remote) Chunks(context.Context, havre.Scope, havre.FileVersion) ([]havre.Chunk, error) {
	return nil, &havre.Error{Code: havre.CodeNotFound, Text: "no chunks"}
}

// Report is syncer.Remote's.
func (r *Remote) Report(context.Context, []havre.ReplicaReport) error { return r.lockOnly() }

func (r *Remote) lockOnly() error {
	if err := r.lock(); err != nil {
		return err
	}
	r.s.mu.Unlock()
	return nil
}
