// Package apitest helps to test both ends of the protocol: a hub in memory, a server on the loopback
// interface with real TLS, and a network that can be cut.
package apitest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// Names of what a new Hub has.
const (
	Token  = "token-of-the-laptop"
	Secret = "secret-of-the-invitation"
	Folder = havre.FolderID("f1")
	UUID   = "7f0a3f66-3a5e-4d0c-9f6b-000000000001"
)

// Scope is all of Folder.
var Scope = havre.Scope{Folder: Folder}

// Hub is an api.Hub in memory, with one folder, one user and one device. It checks nothing that the
// tests do not need. It is safe for concurrent use.
type Hub struct {
	// Fail, if not nil, is called with the name of each method; its error is the answer.
	Fail func(method string) error

	mu        sync.Mutex // guards what follows
	tokens    map[string]*havre.Caller
	files     map[havre.FileVersion][]byte
	revisions []havre.Revision
	grown     chan struct{} // closed and replaced when revisions or tokens change
	uploads   map[havre.UploadID]*upload
	reports   []havre.ReplicaReport
	following int
}

type upload struct {
	size int64
	data []byte
}

// NewHub returns a hub with Folder, empty, and a device that has Token.
func NewHub() *Hub {
	return &Hub{
		tokens:  map[string]*havre.Caller{Token: {User: "u1", UserName: "ada", Device: "d1", DeviceName: "laptop"}},
		files:   map[havre.FileVersion][]byte{},
		grown:   make(chan struct{}),
		uploads: map[havre.UploadID]*upload{},
	}
}

func (h *Hub) fail(method string) error {
	if h.Fail == nil {
		return nil
	}
	return h.Fail(method)
}

func (h *Hub) wake() {
	close(h.grown)
	h.grown = make(chan struct{})
}

// Put makes a file exist in a revision.
func (h *Hub) Put(file havre.FileVersion, content []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.files[file] = content
}

// Add makes a revision with these operations.
func (h *Hub) Add(ops ...havre.Op) svn.Revnum {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.add(havre.Revision{Ops: ops})
}

func (h *Hub) add(r havre.Revision) svn.Revnum {
	r.Rev = svn.Revnum(len(h.revisions) + 1)
	h.revisions = append(h.revisions, r)
	h.wake()
	return r.Rev
}

// Revoke makes a token unknown.
func (h *Hub) Revoke(token string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.tokens, token)
	h.wake()
}

// Upload returns what came of an upload.
func (h *Hub) Upload(id havre.UploadID) []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	if u, ok := h.uploads[id]; ok {
		return slices.Clone(u.data)
	}
	return nil
}

// Forget makes an upload unknown.
func (h *Hub) Forget(id havre.UploadID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.uploads, id)
}

// Reports returns the last report.
func (h *Hub) Reports() []havre.ReplicaReport {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.reports
}

// Following returns how many calls of Follow are under way.
func (h *Hub) Following() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.following
}

func unauthenticated() error {
	return &havre.Error{Code: havre.CodeUnauthenticated, Text: "this device was revoked; join again"}
}

func notFound(what any) error {
	return &havre.Error{Code: havre.CodeNotFound, Text: fmt.Sprintf("there is no %v", what)}
}

// Authenticate implements api.Hub.
func (h *Hub) Authenticate(_ context.Context, token string) (*havre.Caller, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c, ok := h.tokens[token]; ok {
		return c, nil
	}
	return nil, unauthenticated()
}

// Join implements api.Hub.
func (h *Hub) Join(_ context.Context, req havre.JoinRequest) (*havre.Joined, error) {
	if err := h.fail("Join"); err != nil {
		return nil, err
	}
	if req.Secret != Secret {
		return nil, &havre.Error{Code: havre.CodeDenied, Text: "this invitation was used or is too old; ask for another"}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	n := len(h.tokens) + 1
	j := &havre.Joined{Token: fmt.Sprintf("token-%d", n), Device: havre.DeviceID(fmt.Sprintf("d%d", n)), UserName: "ada", ServerName: "test"}
	h.tokens[j.Token] = &havre.Caller{User: "u1", UserName: "ada", Device: j.Device, DeviceName: req.DeviceName}
	return j, nil
}

// Leave implements api.Hub.
func (h *Hub) Leave(_ context.Context, caller *havre.Caller) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for token, c := range h.tokens {
		if c.Device == caller.Device {
			delete(h.tokens, token)
		}
	}
	h.wake()
	return nil
}

// Report implements api.Hub. What waits is to be kept.
func (h *Hub) Report(_ context.Context, _ *havre.Caller, replicas []havre.ReplicaReport) (havre.Instructions, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reports = replicas
	var decided []havre.HeldDecision
	for _, r := range replicas {
		if r.HeldUp > 0 {
			decided = append(decided, havre.HeldDecision{Scope: r.Scope, Decision: havre.DecisionKeep, Count: r.HeldUp})
		}
	}
	return havre.Instructions{Decisions: decided, Guard: havre.Guard{Files: 500, Percent: 30, TrashDays: 90}}, nil
}

// Folders implements api.Hub.
func (h *Hub) Folders(context.Context, *havre.Caller) ([]havre.Folder, error) {
	if err := h.fail("Folders"); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return []havre.Folder{{ID: Folder, Name: "Team", Repository: UUID, Head: svn.Revnum(len(h.revisions)), Right: havre.RightWrite}}, nil
}

// Head implements api.Hub.
func (h *Hub) Head(context.Context, *havre.Caller, havre.Scope) (svn.Revnum, error) {
	if err := h.fail("Head"); err != nil {
		return 0, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return svn.Revnum(len(h.revisions)), nil
}

// List implements api.Hub: all files of exactly that revision.
func (h *Hub) List(_ context.Context, _ *havre.Caller, _ havre.Scope, rev svn.Revnum, after svn.Path) iter.Seq2[havre.Item, error] {
	h.mu.Lock()
	defer h.mu.Unlock()
	var items []havre.Item
	for v, content := range h.files {
		if v.Rev == rev && (after == "" || v.Path.Compare(after) > 0) {
			items = append(items, havre.Item{Path: v.Path, Entry: havre.Entry{
				Kind: havre.KindFile, Size: int64(len(content)), Hash: havre.HashBytes(content), Rev: rev,
			}})
		}
	}
	slices.SortFunc(items, func(a, b havre.Item) int { return a.Path.Compare(b.Path) })
	return func(yield func(havre.Item, error) bool) {
		for _, i := range items {
			if !yield(i, nil) {
				return
			}
		}
		if err := h.fail("List"); err != nil {
			yield(havre.Item{}, err)
		}
	}
}

// Follow implements api.Hub.
func (h *Hub) Follow(ctx context.Context, caller *havre.Caller, _ havre.Scope, since svn.Revnum, repository string, send func(*havre.Revision) error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.following++
	defer func() { h.following-- }()
	if repository != UUID || int(since) > len(h.revisions) {
		return &havre.Error{Code: havre.CodeHistoryWentBack, Text: "the folder's history is not the one this device knows"}
	}
	for {
		for int(since) < len(h.revisions) {
			r := h.revisions[since]
			since++
			h.mu.Unlock()
			err := send(&r)
			h.mu.Lock()
			if err != nil {
				return err
			}
		}
		if !slices.ContainsFunc(slices.Collect(maps.Values(h.tokens)), func(c *havre.Caller) bool { return c.Device == caller.Device }) {
			return unauthenticated()
		}
		grown := h.grown
		h.mu.Unlock()
		var err error
		select {
		case <-grown:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		h.mu.Lock()
		if err != nil {
			return err
		}
	}
}

// Open implements api.Hub.
func (h *Hub) Open(_ context.Context, _ *havre.Caller, scope havre.Scope, file havre.FileVersion) (svn.File, error) {
	if err := h.fail("Open"); err != nil {
		return nil, err
	}
	if scope.Folder != Folder {
		return nil, notFound(scope.Folder)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	content, ok := h.files[file]
	if !ok {
		return nil, notFound(file.Path)
	}
	return &File{Reader: bytes.NewReader(content)}, nil
}

// File is a svn.File in memory.
type File struct {
	*bytes.Reader

	Damage error // what is returned instead of io.EOF, if not nil
}

// Read implements io.Reader.
func (f *File) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err != nil && f.Damage != nil {
		err = f.Damage
	}
	return n, err
}

// SkipTo implements svn.File.
func (f *File) SkipTo(offset int64) error {
	_, err := f.Seek(offset, io.SeekStart)
	return err
}

// Close implements io.Closer.
func (f *File) Close() error { return nil }

// Chunks implements api.Hub: one chunk for each byte.
func (h *Hub) Chunks(_ context.Context, _ *havre.Caller, _ havre.Scope, file havre.FileVersion) iter.Seq2[havre.Chunk, error] {
	return func(yield func(havre.Chunk, error) bool) {
		h.mu.Lock()
		content, ok := h.files[file]
		h.mu.Unlock()
		if !ok {
			yield(havre.Chunk{}, notFound(file.Path))
		}
		for _, b := range content {
			if !yield(havre.Chunk{Length: 1, SHA256: [32]byte{b}}, nil) {
				return
			}
		}
	}
}

// Commit implements api.Hub. Puts become operations, everything below "refused" is refused.
func (h *Hub) Commit(_ context.Context, caller *havre.Caller, _ havre.Scope, c *havre.Commit) (*havre.CommitResult, error) {
	if err := h.fail("Commit"); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	result := &havre.CommitResult{Rev: svn.InvalidRevnum}
	r := havre.Revision{Message: c.Message, Origin: havre.Origin{Author: caller.UserName, Device: caller.Device, CommitID: c.ID}}
	for i, ch := range c.Changes {
		if _, below := ch.Path.Rel("refused"); below {
			result.Refused = append(result.Refused, havre.Refusal{Index: i, Path: ch.Path, Reason: havre.RefusedOutOfDate, Text: "it changed"})
			continue
		}
		switch ch.Kind {
		case havre.ChangePut:
			r.Ops = append(r.Ops, havre.Op{Kind: havre.OpPut, Path: ch.Path, Entry: ch.Entry, Content: ch.Content})
		case havre.ChangeDelete:
			r.Removed = append(r.Removed, ch.Path)
		case havre.ChangeCopy:
			r.Ops = append(r.Ops, havre.Op{Kind: havre.OpAttach, Path: ch.Path, Move: len(r.Moves)})
			r.Moves = append(r.Moves, havre.Move{From: ch.CopyFrom.Path, To: ch.Path})
		}
	}
	if len(result.Refused) < len(c.Changes) {
		result.Rev = h.add(r)
	}
	return result, nil
}

// BeginUpload implements api.Hub.
func (h *Hub) BeginUpload(_ context.Context, _ *havre.Caller, _ havre.Scope, size int64, resume havre.UploadID) (havre.UploadID, int64, error) {
	if err := h.fail("BeginUpload"); err != nil {
		return "", 0, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if u, ok := h.uploads[resume]; ok && u.size == size {
		return resume, int64(len(u.data)), nil
	}
	id := havre.UploadID("up" + strconv.Itoa(len(h.uploads)+1))
	h.uploads[id] = &upload{size: size}
	return id, 0, nil
}

// WriteUpload implements api.Hub.
func (h *Hub) WriteUpload(_ context.Context, _ *havre.Caller, id havre.UploadID, offset int64, r io.Reader) (int64, error) {
	if err := h.fail("WriteUpload"); err != nil {
		return 0, err
	}
	h.mu.Lock()
	u, ok := h.uploads[id]
	if !ok || offset != int64(len(u.data)) {
		h.mu.Unlock()
		return 0, notFound("such upload, or it is elsewhere")
	}
	if cap(u.data) == 0 {
		u.data = make([]byte, 0, u.size)
	}
	h.mu.Unlock()
	r = io.LimitReader(r, u.size-offset)
	buf := make([]byte, 256<<10)
	for {
		n, err := r.Read(buf)
		h.mu.Lock()
		u.data = append(u.data, buf[:n]...)
		offset = int64(len(u.data))
		h.mu.Unlock()
		if err == io.EOF {
			return offset, nil
		}
		if err != nil {
			return offset, err
		}
	}
}

// CopyIntoUpload implements api.Hub.
func (h *Hub) CopyIntoUpload(_ context.Context, _ *havre.Caller, _ havre.Scope, id havre.UploadID, offset int64, src havre.FileVersion, srcOffset, length int64) (int64, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	u, ok := h.uploads[id]
	content := h.files[src]
	if !ok || offset != int64(len(u.data)) || srcOffset > int64(len(content)) || length > int64(len(content))-srcOffset {
		return 0, notFound("such upload or source")
	}
	u.data = append(u.data, content[srcOffset:srcOffset+length]...)
	return int64(len(u.data)), nil
}
