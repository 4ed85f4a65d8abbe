package reconcile

import "github.com/havre-cloud/havre/internal/havre"

// localDir reports whether the directory is on disk when the actions planned so far are done.
func (p *planner) localDir(id NodeID) bool {
	if id == Root {
		return true
	}
	n := p.visitID(id)
	if n == nil || p.down[id] == Trash {
		return false
	}
	return n.Local != nil || p.down[id] == MakeDir
}

// remoteDir reports whether the directory is on the server when the actions planned so far are
// done, and where it is stays the same meanwhile.
func (p *planner) remoteDir(id NodeID) bool {
	if id == Root {
		return true
	}
	n := p.visitID(id)
	if n == nil || p.up[id] == Delete {
		return false
	}
	if n.Remote == nil {
		return p.up[id] == PutDir || p.state[id] == visiting && p.placing[id]
	}
	return p.steadyUpwards(id)
}

// steadyUpwards reports whether neither the directory nor one above it is being renamed on the
// server: a commit names paths, and a path through a renamed directory means something else
// before and after. What is inside waits for the next commit.
func (p *planner) steadyUpwards(id NodeID) bool {
	for id != Root {
		n := p.visitID(id)
		if n == nil || n.Remote == nil {
			return n != nil && (p.up[id] == PutDir || p.state[id] == visiting && p.placing[id])
		}
		if p.up[id] == PutMove || p.view.Busy(id) && (n.Local == nil || n.Local.Place != n.Remote.Place) {
			return false
		}
		id = n.Remote.Parent
	}
	return true
}

// remotelyInside reports whether the node id is, or is in, the directory dir of the remote tree, and
// whether that will stay so: a remote rename made it so, not local ones that have not gone up yet.
// What is not on the server yet counts where it will be made.
func (p *planner) remotelyInside(id, dir NodeID) (inside, stays bool) {
	for id != Root {
		if id == dir {
			return true, stays
		}
		n := p.view.Node(id)
		switch {
		case n == nil:
			return false, false
		case n.Remote != nil:
			stays = stays || n.Base == nil || n.Local == nil || n.Base.Place != n.Remote.Place
			id = n.Remote.Parent
		case n.Local != nil:
			id = n.Local.Parent
		default:
			return false, false
		}
	}
	return false, false
}

// locallyInside reports whether the node id is, or will be made, in the directory dir on disk.
func (p *planner) locallyInside(id, dir NodeID) bool {
	for id != Root {
		if id == dir {
			return true
		}
		n := p.view.Node(id)
		switch {
		case n == nil:
			return false
		case n.Local != nil:
			id = n.Local.Parent
		case n.Remote != nil:
			id = n.Remote.Parent
		default:
			return false
		}
	}
	return false
}

// remotelyFree reports whether a place on the server is free once this plan's deletions and sources
// of moves are done, which come first in a commit.
func (p *planner) remotelyFree(at Place, id NodeID) bool {
	there := p.view.RemoteAt(at)
	if there == 0 || there == id {
		return true
	}
	p.visitID(there)
	return p.up[there] == Delete || p.up[there] == PutMove || p.state[there] == visiting && p.departing[there]
}

// clear sees to it that a local place is free for the node n when its action is done.
func (p *planner) clear(at Place, n *Node) bool {
	if p.names[at] {
		return false // another action of this plan fills it
	}
	id := p.view.LocalAt(at)
	if id == 0 || id == n.ID || p.free[at] {
		return true
	}
	there := p.view.Node(id)
	if there.Withdrawn || p.view.Busy(id) {
		return false
	}
	circle := p.state[id] == visiting
	p.visit(there)
	switch {
	case p.free[at]:
		return true
	case p.acted(id):
		return false
	}
	if there.Remote != nil {
		remoteMoved := there.Base == nil || there.Base.Place != there.Remote.Place
		switch {
		case remoteMoved && (circle || p.locallyInside(there.Remote.Parent, n.ID)):
			// Each waits for the other.
			p.park(there)
			return true
		case remoteMoved:
			return false
		}
		return p.evade(there)
	}
	dirs := n.Local == nil && there.Local.Kind == havre.KindDir && n.Remote.Kind == havre.KindDir
	switch {
	case p.dying(there) && n.Local != nil && p.locallyInside(n.Local.Parent, id):
		// It has to get out first, and back in when the place is free.
		p.park(n)
		return false
	case p.dying(there) && !dirs:
		return false
	case n.Local == nil && n.Remote.Kind == there.Local.Kind:
		p.names[at] = true
		p.state[id] = planned
		p.doDown(Action{Kind: Unify, Node: n.ID, Other: id})
		return false
	}
	return p.evade(there)
}

// park renames a node that waits for its place, out of the way of those that wait for it.
func (p *planner) park(n *Node) {
	to := Place{n.Remote.Parent, parkedName(n.Local.Name, n.ID)}
	if !p.localDir(to.Parent) || p.locallyInside(to.Parent, n.ID) || p.locallyInside(to.Parent, p.view.LocalAt(n.Remote.Place)) {
		to.Parent = n.Local.Parent
	}
	p.free[n.Local.Place] = true
	p.doDown(Action{Kind: Move, Node: n.ID, To: to})
}

// evade gives a local node another name, because the remote tree has given its name to another.
func (p *planner) evade(n *Node) bool {
	to := p.conflictPlace(n.Local)
	p.names[to] = true
	p.free[n.Local.Place] = true
	p.doDown(Action{Kind: Move, Node: n.ID, To: to})
	return true
}

// dying reports whether a node without Remote will go to the trash, now or later.
func (p *planner) dying(n *Node) bool {
	b, l := n.Base, n.Local
	if b == nil || !b.SameContent(&l.Entry) {
		return false
	}
	if l.Kind == havre.KindDir {
		return p.inside(n.ID, false) != news
	}
	return b.Place == l.Place
}

// inside says what is in a directory that one side has deleted: on disk, or with remote set on the
// server.
func (p *planner) inside(id NodeID, remote bool) content {
	key := belowKey{id, remote}
	if c, ok := p.below[key]; ok {
		return c
	}
	c := p.lookInside(id, remote)
	p.below[key] = c
	return c
}

func (p *planner) lookInside(id NodeID, remote bool) content {
	n := p.view.Node(id)
	// Nothing inside the directory above is nothing inside this one.
	if s := n.Local; !remote && s != nil {
		if c, ok := p.below[belowKey{s.Parent, false}]; ok && c == nothing {
			return nothing
		}
	}
	if s := n.Remote; remote && s != nil {
		if c, ok := p.below[belowKey{s.Parent, true}]; ok && c == nothing {
			return nothing
		}
	}
	below, judge := p.view.LocalBelow, localNews
	if remote {
		below, judge = p.view.RemoteBelow, remoteNews
	}
	c := nothing
	for m := range below(id) {
		c = max(c, judge(m))
		if c == news {
			break
		}
	}
	return c
}

// localNews judges a node on disk inside a directory that the server no longer has.
func localNews(n *Node) content {
	b, l, r := n.Base, n.Local, n.Remote
	moved := b == nil || b.Place != l.Place
	if n.Withdrawn {
		return leaving
	}
	if r != nil {
		if moved && b != nil && b.Place == r.Place {
			return news // moved here, which is to go up
		}
		return leaving // moved away on the server
	}
	if b == nil || !b.SameContent(&l.Entry) || moved && l.Kind != havre.KindDir {
		return news
	}
	return nothing
}

// remoteNews judges a node on the server inside a directory that is no longer on disk.
func remoteNews(n *Node) content {
	b, l, r := n.Base, n.Local, n.Remote
	moved := b == nil || b.Place != r.Place
	if l != nil {
		if moved {
			return news // moved here on the server, which wins
		}
		return leaving // moved away on disk
	}
	if b == nil || !b.SameContent(&r.Entry) || moved && r.Kind != havre.KindDir {
		return news
	}
	return nothing
}
