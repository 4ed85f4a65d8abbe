package hub

import (
	"context"
	"sync"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// lookBack is how many of the youngest revisions are searched for a commit that is repeated. A client
// repeats for as long as it runs, and after that it finds by their hashes what is committed.
const lookBack = 10_000

// knownCommits knows in which revisions of a repository the latest commits ended. What it remembers is
// read from the revision properties, so that a restart and other servers on the same repository do
// not matter.
type knownCommits struct {
	repo svn.Repository

	mu        sync.Mutex
	low, high svn.Revnum // the revisions read, both included; none if low > high
	revs      map[string]svn.Revnum
}

func newKnownCommits(repo svn.Repository) *knownCommits {
	return &knownCommits{repo: repo, low: 0, high: -1, revs: map[string]svn.Revnum{}}
}

// add records a commit that this process made.
func (k *knownCommits) add(id string, rev svn.Revnum) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.revs[id] = rev
	if k.low <= k.high && rev == k.high+1 {
		k.high = rev
	}
}

// madeCommit is what the first call with an ID made.
type madeCommit struct {
	rev     svn.Revnum
	refused map[int]havre.RefusalReason
}

// find returns what the commit made if it is one of the revisions from since to head, else nil.
func (k *knownCommits) find(ctx context.Context, id string, since, head svn.Revnum) (*madeCommit, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.readUp(ctx, head); err != nil {
		return nil, err
	}
	since = max(since, head-lookBack)
	for _, there := k.revs[id]; !there && k.low > since; _, there = k.revs[id] {
		to := max(since, k.low-readAtOnce)
		if err := k.read(ctx, k.low-1, to); err != nil {
			return nil, err
		}
		k.low = to
	}
	rev, ok := k.revs[id]
	if !ok {
		return nil, nil //nolint:nilnil // not found is no failure
	}
	props, err := k.repo.RevProps(ctx, rev)
	if err != nil {
		return nil, err
	}
	return &madeCommit{rev: rev, refused: parseRefused(props[propRefused])}, nil
}

// readUp reads the revisions that came since the last time.
func (k *knownCommits) readUp(ctx context.Context, head svn.Revnum) error {
	if k.low > k.high || head-k.high > lookBack {
		k.low, k.high = head+1, head
		clear(k.revs)
	}
	for k.high < head {
		to := min(head, k.high+readAtOnce)
		if err := k.read(ctx, k.high+1, to); err != nil {
			return err
		}
		k.high = to
	}
	if len(k.revs) > 4*lookBack {
		k.low, k.high = head+1, head
		clear(k.revs)
	}
	return nil
}

// readAtOnce is how many revisions are read before it is looked whether that was enough.
const readAtOnce = 200

// read reads the revisions from the first to the last number: of another server with one question.
func (k *knownCommits) read(ctx context.Context, first, last svn.Revnum) error {
	if far, ok := k.repo.(*remote); ok {
		for rev, err := range far.logProps(ctx, first, last) {
			if err != nil {
				return err
			}
			k.note(rev.Rev, rev.Props)
		}
		return nil
	}
	for rev := first; ; {
		props, err := k.repo.RevProps(ctx, rev)
		if err != nil {
			return err
		}
		k.note(rev, props)
		switch {
		case rev == last:
			return nil
		case first < last:
			rev++
		default:
			rev--
		}
	}
}

func (k *knownCommits) note(rev svn.Revnum, props svn.Props) {
	if id := props[propCommit]; id != "" {
		k.revs[id] = rev
	}
}
