package remote

import (
	"context"
	"sync"
	"time"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/internal/edit"
)

// What Nodes keeps: nodes, bytes of properties, and for how long. What is at a path in a revision never changes; whether
// we may read it can.
const (
	maxNodes     = 4096
	maxNodeProps = 4 << 20
	nodeAge      = 10 * time.Second
)

// Nodes remembers for a moment what is at places: the same are looked at while a commit is planned, when it is made,
// and when others are told of it. The zero value is ready; it is safe for concurrent use.
type Nodes struct {
	mu    sync.Mutex
	known map[edit.Place]seenNode
	props int // bytes in known
}

type seenNode struct {
	node *svn.Node // nil: nothing is there
	at   time.Time
}

// All returns the nodes at the places, nil where nothing is, and asks for those that are not known.
func (c *Nodes) All(ctx context.Context, places []edit.Place, read edit.Reader) ([]*svn.Node, error) {
	nodes := make([]*svn.Node, len(places))
	var missing []edit.Place
	var index []int
	now := time.Now()
	c.mu.Lock()
	for i, p := range places {
		if s, ok := c.known[p]; ok && now.Sub(s.at) < nodeAge {
			nodes[i] = clone(s.node)
			continue
		}
		missing, index = append(missing, p), append(index, i)
	}
	c.mu.Unlock()
	if missing == nil {
		return nodes, nil
	}
	found, err := read(ctx, missing)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, n := range found {
		nodes[index[i]] = n
		if missing[i].Rev >= 0 {
			c.put(missing[i], seenNode{clone(n), now})
		}
	}
	return nodes, nil
}

// Stat returns the node at a path in a revision, or an error: that nothing is there, or what reading it says.
func (c *Nodes) Stat(ctx context.Context, path svn.Path, rev svn.Revnum, read edit.Reader) (*svn.Node, error) {
	nodes, err := c.All(ctx, []edit.Place{{Path: path, Rev: rev}}, read)
	if err != nil {
		return nil, err
	}
	if nodes[0] == nil {
		return nil, &svn.NotFoundError{Path: path, Rev: rev}
	}
	return nodes[0], nil
}

// LookAhead asks for the nodes at the paths in a revision, so that Stat knows them for some seconds.
func (c *Nodes) LookAhead(ctx context.Context, paths []svn.Path, rev svn.Revnum, read edit.Reader) error {
	places := make([]edit.Place, len(paths))
	for i, p := range paths {
		if _, err := svn.CheckPath(string(p)); err != nil {
			return err
		}
		places[i] = edit.Place{Path: p, Rev: rev}
	}
	_, err := c.All(ctx, places, read)
	return err
}

// put remembers a node; the mutex is held.
func (c *Nodes) put(p edit.Place, s seenNode) {
	if c.known == nil || len(c.known) >= maxNodes || c.props >= maxNodeProps {
		c.known, c.props = map[edit.Place]seenNode{}, 0
	}
	c.known[p] = s
	if s.node != nil {
		for name, value := range s.node.Props {
			c.props += len(name) + len(value)
		}
	}
}

// clone is a node that may be written to, but for what it refers to.
func clone(n *svn.Node) *svn.Node {
	if n == nil {
		return nil
	}
	own := *n
	return &own
}
