package syncertest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"slices"

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
	mine := r.s.rights[r.device]
	if !mine.sees("") {
		return nil, nil
	}
	return []havre.Folder{{
		ID: Folder, Name: Folder, Repository: r.s.uuid, Head: r.s.head, Right: r.s.right, View: mine.view(r.s.head),
	}}, nil
}

// List is syncer.Remote's.
func (r *Remote) List(ctx context.Context, scope havre.Scope, rev svn.Revnum, after svn.Path) iter.Seq2[havre.Item, error] {
	return func(yield func(havre.Item, error) bool) {
		if err := r.lock(); err != nil {
			yield(havre.Item{}, err)
			return
		}
		r.s.stats.Lists++
		cuts := r.s.cuts
		paths := r.s.below("", rev)
		_, had := parseView(scope.View)
		r.s.mu.Unlock()
		for _, p := range paths {
			if after != "" && p.Compare(after) <= 0 || !had.sees(p) {
				continue
			}
			r.s.mu.Lock()
			n, cut := r.s.at(p, rev), cuts != r.s.cuts
			changed := !slices.Equal(had.hidden, r.s.rights[r.device].hidden)
			r.s.mu.Unlock()
			if changed {
				yield(havre.Item{}, rightsChanged())
				return
			}
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

func rightsChanged() error {
	return &havre.Error{Code: havre.CodeRightsChanged, Text: "what you may read has changed"}
}

// Follow is syncer.Remote's.
func (r *Remote) Follow(ctx context.Context, scope havre.Scope, since svn.Revnum, repository string, fn func(*havre.Revision) error) error {
	if err := r.lock(); err != nil {
		return err
	}
	cuts := r.s.cuts
	viewed, had := parseView(scope.View)
	wrong := repository != r.s.uuid || since > r.s.head || viewed > r.s.head
	r.s.mu.Unlock()
	if wrong {
		return &havre.Error{Code: havre.CodeHistoryWentBack, Text: "the repository is another one, or an older one"}
	}
	if viewed != since && viewed != since+1 {
		return rightsChanged()
	}
	for {
		r.s.mu.Lock()
		if r.s.cuts != cuts {
			r.s.mu.Unlock()
			return unreachable()
		}
		changed, size := r.s.changed, r.s.partSize
		news := r.news(since, viewed, &had)
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

// news returns what there is to tell after a revision; s.mu is held. viewed is the revision that the follower
// has, which may be the one after since, and had what it sees of it.
func (r *Remote) news(since, viewed svn.Revnum, had *rights) []*havre.Revision {
	has := r.s.rights[r.device]
	if since < viewed {
		return []*havre.Revision{r.s.seen(r.s.log[since], has)}
	}
	var news []*havre.Revision
	if !slices.Equal(had.hidden, has.hidden) {
		news = append(news, r.s.rightsChange(since, *had, has))
		*had = has
	}
	for _, rev := range r.s.log[since:] {
		news = append(news, r.s.seen(rev, has))
	}
	return news
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
			if p.More {
				p.View = ""
			}
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
	if !r.s.rights[r.device].sees(f.Path) {
		return nil, &havre.Error{Code: havre.CodeDenied, Text: fmt.Sprintf("you may not read /%s", f.Path)}
	}
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
