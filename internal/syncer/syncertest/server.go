package syncertest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// node is one version of something; it never changes.
type node struct {
	havre.Entry
	content []byte
}

// version is what was at a path from rev on; nil: nothing.
type version struct {
	rev  svn.Revnum
	node *node
}

// Server is a folder in memory.
type Server struct {
	mu        sync.Mutex // guards everything below
	uuid      string
	head      svn.Revnum
	paths     map[svn.Path][]version
	log       []*havre.Revision // of revision 1 on
	commits   map[string]*havre.CommitResult
	uploads   map[havre.UploadID][]byte
	nextID    int
	changed   chan struct{} // closed at each new revision, cut or change of offline
	cuts      int
	offline   bool
	lose      int
	refuse    func(havre.Change) (havre.RefusalReason, string)
	right     havre.Right
	rights    map[havre.DeviceID]rights // of those who have less
	stats     Stats
	partSize  int
	inlineMax int64
}

// Stats counts what clients asked for.
type Stats struct {
	Commits, Changes     int
	Fetched, Opened      int
	Inlined              int
	UploadedBytes, Lists int64
}

// NewServer returns a server with an empty folder.
func NewServer() *Server {
	return &Server{
		uuid:  "6d7f2f9e-0000-4000-8000-000000000001",
		paths: map[svn.Path][]version{}, commits: map[string]*havre.CommitResult{},
		uploads: map[havre.UploadID][]byte{}, changed: make(chan struct{}), right: havre.RightManage,
		partSize: 1000, inlineMax: 64 << 10,
	}
}

// SetOffline makes the server unreachable, or reachable again.
func (s *Server) SetOffline(offline bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offline = offline
	s.cut()
}

// Cut breaks all connections that are open.
func (s *Server) Cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut()
}

func (s *Server) cut() {
	s.cuts++
	s.wake()
}

func (s *Server) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// LoseAnswers makes the next n commits happen without the client hearing of it.
func (s *Server) LoseAnswers(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lose = n
}

// Refuse sets what decides which changes are refused besides those that are out of date; nil for none.
func (s *Server) Refuse(fn func(havre.Change) (havre.RefusalReason, string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = fn
}

// SetInline sets up to which size contents are sent along with revisions.
func (s *Server) SetInline(limit int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inlineMax = limit
}

// Stats returns what was counted so far.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// Head returns the youngest revision.
func (s *Server) Head() svn.Revnum {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.head
}

// Log returns the revisions from 1 on.
func (s *Server) Log() []*havre.Revision {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

// GoBack forgets all revisions after rev, as a restored backup does.
func (s *Server) GoBack(rev svn.Revnum) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p, versions := range s.paths {
		s.paths[p] = slices.DeleteFunc(versions, func(v version) bool { return v.rev > rev })
	}
	s.head, s.log = rev, s.log[:rev]
	clear(s.commits)
	s.cut()
}

// Replace makes the folder another repository, with what is in it as its first revision.
func (s *Server) Replace(uuid string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.uuid = uuid
	s.cut()
}

// at returns what is at a path in a revision.
func (s *Server) at(p svn.Path, rev svn.Revnum) *node {
	versions := s.paths[p]
	i, _ := slices.BinarySearchFunc(versions, rev+1, func(v version, r svn.Revnum) int { return cmp.Compare(v.rev, r) })
	if i == 0 {
		if p == "" {
			return &node{Entry: havre.Entry{Kind: havre.KindDir}}
		}
		return nil
	}
	return versions[i-1].node
}

// below returns the paths at and below p in a revision, in the order of a walk.
func (s *Server) below(p svn.Path, rev svn.Revnum) []svn.Path {
	var found []svn.Path
	for q := range s.paths {
		if _, in := q.Rel(p); in && q != "" && s.at(q, rev) != nil {
			found = append(found, q)
		}
	}
	slices.SortFunc(found, svn.Path.Compare)
	return found
}

// Tree returns the youngest revision: paths with contents; directories end with "/", links begin
// with "link ", executable files have "*" before their contents.
func (s *Server) Tree() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	tree := map[string]string{}
	for _, p := range s.below("", s.head) {
		n := s.at(p, s.head)
		switch {
		case n.Kind == havre.KindDir:
			tree[string(p)+"/"] = ""
		case n.Executable:
			tree[string(p)] = "*" + string(n.content)
		default:
			tree[string(p)] = string(n.content)
		}
	}
	return tree
}

// Paths returns the keys of Tree, sorted.
func (s *Server) Paths() []string { return slices.Sorted(maps.Keys(s.Tree())) }

func (s *Server) newID(what string) string {
	s.nextID++
	return fmt.Sprintf("%s-%d", what, s.nextID)
}

// Do commits changes as somebody else, against the youngest revision, and returns the new one. It
// panics if any is refused.
func (s *Server) Do(changes ...havre.Change) svn.Revnum {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range changes {
		c := &changes[i]
		c.Base = svn.InvalidRevnum
		if s.at(c.Path, s.head) != nil {
			c.Base = s.head
		}
		if c.Kind == havre.ChangeCopy && c.CopyFrom.Rev == 0 {
			c.CopyFrom.Rev = s.head
		}
	}
	res := s.commit(&havre.Commit{ID: s.newID("somebody"), Changes: changes}, "somebody")
	if len(res.Refused) > 0 {
		panic(fmt.Sprintf("refused: %+v", res.Refused))
	}
	return res.Rev
}

// Put returns a change for Do.
func Put(p svn.Path, content string) havre.Change {
	return havre.Change{Kind: havre.ChangePut, Path: p, Content: []byte(content), Entry: havre.Entry{
		Kind: havre.KindFile, Size: int64(len(content)), Hash: havre.HashBytes([]byte(content)),
		ModTime: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC),
	}}
}

// Mkdir returns a change for Do.
func Mkdir(p svn.Path) havre.Change {
	return havre.Change{Kind: havre.ChangePut, Path: p, Entry: havre.Entry{Kind: havre.KindDir}}
}

// Link returns a change for Do.
func Link(p svn.Path, target string) havre.Change {
	c := Put(p, "link "+target)
	c.Entry.Kind = havre.KindSymlink
	return c
}

// Delete returns a change for Do.
func Delete(p svn.Path) havre.Change { return havre.Change{Kind: havre.ChangeDelete, Path: p} }

// Move returns the changes for Do that rename.
func Move(from, to svn.Path) []havre.Change {
	return []havre.Change{
		{Kind: havre.ChangeDelete, Path: from},
		{Kind: havre.ChangeCopy, Path: to, CopyFrom: svn.CopySource{Path: from}},
	}
}

// Wait blocks until something is true of the server, which is asked at each new revision, or ctx is
// done.
func (s *Server) Wait(ctx context.Context, until func() bool) error {
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if until() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
