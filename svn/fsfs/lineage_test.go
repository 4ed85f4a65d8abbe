package fsfs

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/svntest"
)

// TestLineage commits the same history here and with libsvn, and compares what svnadmin verify does
// not see: lines of history, branches, where node-revisions were made and copied.
func TestLineage(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			h := svntest.RandomHistory(t, 400+seed, 30)
			ours, err := Create(filepath.Join(t.TempDir(), "ours"), CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer ours.Close()
			h.Apply(t, ours)
			theirs, err := Open(h.Load(t), Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer theirs.Close()
			c := lineage{t: t, nodes: map[idPart]idPart{}, copies: map[idPart]idPart{}, back: map[string]idPart{}}
			for rev, tree := range h.Trees {
				for _, path := range tree.Paths() {
					c.compare(path, svn.Revnum(rev), mustLookup(t, ours, path, rev), mustLookup(t, theirs, path, rev))
				}
			}
		})
	}
}

func mustLookup(t *testing.T, r *Repository, path svn.Path, rev int) *nodeRev {
	t.Helper()
	n, err := r.lookup(path, svn.Revnum(rev))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// lineage pairs our IDs with those of libsvn. The numbers may differ, but not which are equal.
type lineage struct {
	t             *testing.T
	nodes, copies map[idPart]idPart
	back          map[string]idPart
}

func (c *lineage) compare(path svn.Path, rev svn.Revnum, ours, theirs *nodeRev) {
	c.t.Helper()
	describe := func(n *nodeRev) string {
		s := fmt.Sprintf("created r%d at /%s, number %d, copied as a part of /%s@%d, mergeinfo %d %v",
			n.id.at.rev, n.path, n.predCount, n.root.Path, n.root.Rev, n.mergeinfo, n.hasMergeinfo)
		if n.pred != nil {
			s += fmt.Sprintf(", after r%d", n.pred.at.rev)
		}
		if n.from != nil {
			s += fmt.Sprintf(", copy of /%s@%d", n.from.Path, n.from.Rev)
		}
		return s
	}
	if got, want := describe(ours), describe(theirs); got != want {
		c.t.Errorf("/%s@%d:\n%s\nof libsvn:\n%s", path, rev, got, want)
	}
	c.pair(path, rev, "node", c.nodes, ours.id.node, theirs.id.node)
	c.pair(path, rev, "copy", c.copies, ours.id.copy, theirs.id.copy)
}

func (c *lineage) pair(path svn.Path, rev svn.Revnum, kind string, pairs map[idPart]idPart, ours, theirs idPart) {
	c.t.Helper()
	key := fmt.Sprint(kind, theirs)
	want, known := pairs[ours]
	back, backKnown := c.back[key]
	if known && want != theirs || backKnown && back != ours {
		c.t.Errorf("/%s@%d: %s %v is with libsvn %v, before it was %v", path, rev, kind, ours, theirs, want)
	}
	pairs[ours], c.back[key] = theirs, ours
}
