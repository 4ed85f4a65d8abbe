package reconcile

import (
	"iter"

	"github.com/havre-cloud/havre/internal/havre"
)

// progress says how far the planner is with a node.
type progress uint8

const (
	visiting progress = iota + 1 // on the stack: what asks for it again stands in a circle
	planned                      // has an action in this plan, or is covered by one
	idle                         // at rest, busy, or waiting for something
)

type planner struct {
	view View
	opt  Options
	plan Round

	state map[NodeID]progress
	up    map[NodeID]Kind // what goes up for a node, Delete also for those inside a deleted directory
	down  map[NodeID]Kind
	names map[Place]bool // local places that actions of this plan fill
	free  map[Place]bool // local places that actions of this plan empty
	below map[belowKey]content
	// placing are directories that will go up if only their place becomes free, departing are nodes
	// that leave theirs if they can. One may move into the other: both count on each other while
	// they are visited; disappointed looks whether they were right.
	placing, departing map[NodeID]bool
	suppressed         map[NodeID]bool // upward actions that this plan does without

	deletions *Deletions
}

type belowKey struct {
	id     NodeID
	remote bool
}

// content says what is inside a directory that one side has deleted.
type content uint8

const (
	nothing content = iota // nothing that is kept
	leaving                // something that will be moved out: wait
	news                   // something that is kept: so is the directory
)

// Plan decides what to do for the nodes that differ. The more of them it is given, the more it can do
// at once; with nodes left out it still ends with the same trees. What it finds on the way, such as
// a parent that has to be made first, is planned too.
func Plan(v View, differing iter.Seq[*Node], opt Options) Round {
	// Nodes in each other's way may count on each other in vain. Those that did are left out, which
	// lets the others go first.
	suppressed := map[NodeID]bool{}
	for {
		p := newPlanner(v, opt, suppressed)
		for n := range differing {
			if opt.Limit > 0 && len(p.plan.Down)+len(p.plan.Up) >= opt.Limit {
				break
			}
			p.visit(n)
		}
		if p.disappointed(suppressed) {
			continue
		}
		p.order()
		for _, s := range p.state {
			if s == idle {
				p.plan.Waiting++
			}
		}
		return p.plan
	}
}

func newPlanner(v View, opt Options, suppressed map[NodeID]bool) *planner {
	return &planner{
		view: v, opt: opt, suppressed: suppressed,
		state: map[NodeID]progress{}, up: map[NodeID]Kind{}, down: map[NodeID]Kind{},
		names: map[Place]bool{}, free: map[Place]bool{}, below: map[belowKey]content{},
		placing: map[NodeID]bool{}, departing: map[NodeID]bool{},
	}
}

func (p *planner) visitID(id NodeID) *Node {
	n := p.view.Node(id)
	if n != nil {
		p.visit(n)
	}
	return n
}

// visit plans the action for a node, once.
func (p *planner) visit(n *Node) {
	if p.state[n.ID] != 0 || n.ID == Root || n.AtRest() {
		return
	}
	p.state[n.ID] = visiting
	if !n.Withdrawn && !p.view.Busy(n.ID) {
		p.decide(n)
	}
	if p.state[n.ID] == visiting {
		p.state[n.ID] = idle
	}
}

func (p *planner) decide(n *Node) {
	switch {
	case n.Local == nil && n.Remote == nil:
		p.doDown(Action{Kind: Forget, Node: n.ID})
	case n.Local == nil:
		p.remoteOnly(n)
	case n.Remote == nil:
		p.localOnly(n)
	case n.Local.Place != n.Remote.Place:
		p.moved(n)
	default:
		p.changed(n)
	}
}

// acted reports whether a node got an action in this plan, or got one while others were planned.
func (p *planner) acted(id NodeID) bool { return p.state[id] == planned }

// doDown and doUp add an action, unless the node has got one meanwhile.
func (p *planner) doDown(a Action) {
	if p.acted(a.Node) {
		return
	}
	p.state[a.Node] = planned
	p.down[a.Node] = a.Kind
	p.plan.Down = append(p.plan.Down, a)
}

func (p *planner) doUp(a Action) {
	if p.acted(a.Node) || p.suppressed[a.Node] {
		return
	}
	p.state[a.Node] = planned
	p.up[a.Node] = a.Kind
	p.plan.Up = append(p.plan.Up, a)
}

// changed handles a node that both sides have at the same place.
func (p *planner) changed(n *Node) {
	l, r, b := &n.Local.Entry, &n.Remote.Entry, n.Base
	if l.SameContent(r) {
		touched := b != nil && r.Kind == havre.KindFile && !r.ModTime.IsZero() &&
			!b.ModTime.Equal(r.ModTime) && !l.ModTime.Equal(r.ModTime)
		if touched {
			p.doDown(Action{Kind: SetAttrs, Node: n.ID})
		} else {
			p.doDown(Action{Kind: Adopt, Node: n.ID})
		}
		return
	}
	if l.Kind != r.Kind { // a node keeps its kind; this is for a state that somebody else wrote
		p.keepBoth(n)
		return
	}
	sameBytes := l.Hash == r.Hash && l.Size == r.Size
	remoteChanged := b == nil || !b.SameContent(r)
	localChanged := b == nil || !b.SameContent(l)
	switch {
	case remoteChanged && sameBytes:
		p.doDown(Action{Kind: SetAttrs, Node: n.ID})
	case remoteChanged && localChanged:
		p.keepBoth(n)
	case remoteChanged:
		p.doDown(Action{Kind: Write, Node: n.ID})
	case !p.steadyUpwards(n.Remote.Parent):
	case sameBytes:
		p.doUp(Action{Kind: PutAttrs, Node: n.ID})
	default:
		p.doUp(Action{Kind: Put, Node: n.ID})
	}
}

func (p *planner) keepBoth(n *Node) {
	to := p.conflictPlace(n.Local)
	p.names[to] = true
	p.doDown(Action{Kind: KeepBoth, Node: n.ID, To: to})
}

// conflictPlace finds a free name beside a local node.
func (p *planner) conflictPlace(s *State) Place {
	for attempt := 1; ; attempt++ {
		to := Place{s.Parent, ConflictName(s.Name, s.Kind, p.opt.Device, p.opt.Now, attempt)}
		if p.view.LocalAt(to) == 0 && p.view.RemoteAt(to) == 0 && !p.names[to] {
			return to
		}
	}
}

// moved handles a node that is at different places.
func (p *planner) moved(n *Node) {
	if n.Base == nil || n.Base.Place != n.Remote.Place {
		p.moveDown(n)
		return
	}
	switch inside, undo := p.remotelyInside(n.Local.Parent, n.ID); {
	case undo:
		p.moveDown(n) // what it was moved into has been moved into it: the remote place wins
	case inside:
		// What it was moved into was in it and has been moved out of it, which goes first.
		p.visitID(n.Local.Parent)
	default:
		p.moveUp(n)
	}
}

// moveDown renames on disk to the remote place.
func (p *planner) moveDown(n *Node) {
	to := n.Remote.Place
	if !p.localDir(to.Parent) || p.locallyInside(to.Parent, n.ID) || !p.clear(to, n) || p.acted(n.ID) {
		return
	}
	p.free[n.Local.Place] = true
	p.names[to] = true
	p.doDown(Action{Kind: Move, Node: n.ID, To: to})
}

// moveUp renames on the server to the local place.
func (p *planner) moveUp(n *Node) {
	if !p.opt.CaughtUp {
		return
	}
	p.departing[n.ID] = !p.suppressed[n.ID]
	if !p.steadyUpwards(n.Remote.Parent) || !p.remoteDir(n.Local.Parent) ||
		!p.remotelyFree(n.Local.Place, n.ID) || p.acted(n.ID) {
		return
	}
	p.doUp(Action{Kind: PutMove, Node: n.ID})
}

// remoteOnly handles what is on the server and not on disk: new there, or deleted here.
func (p *planner) remoteOnly(n *Node) {
	b, r := n.Base, n.Remote
	keep := b == nil || !b.SameContent(&r.Entry) || r.Kind != havre.KindDir && b.Place != r.Place
	if !keep && r.Kind == havre.KindDir {
		switch p.inside(n.ID, true) {
		case news:
			keep = true
		case leaving:
			if !p.left(n) {
				return
			}
		case nothing:
		}
	}
	if keep {
		p.bringDown(n)
		return
	}
	p.deleteUp(n)
}

// left reports whether all that is to be moved out of a directory is moved out by this plan.
func (p *planner) left(n *Node) bool {
	p.departing[n.ID] = !p.suppressed[n.ID]
	for m := range p.view.RemoteBelow(n.ID) {
		if m.Local == nil {
			continue
		}
		p.visit(m)
		leaves := p.up[m.ID] == PutMove || p.state[m.ID] == visiting && p.departing[m.ID]
		if !leaves {
			return false
		}
	}
	return !p.acted(n.ID)
}

func (p *planner) bringDown(n *Node) {
	to := n.Remote.Place
	if !p.localDir(to.Parent) || !p.clear(to, n) || p.acted(n.ID) {
		return
	}
	p.names[to] = true
	if n.Remote.Kind == havre.KindDir {
		p.doDown(Action{Kind: MakeDir, Node: n.ID})
	} else {
		p.doDown(Action{Kind: Write, Node: n.ID})
	}
}

func (p *planner) deleteUp(n *Node) {
	if p.held(false) {
		p.plan.HeldLocal = p.deletions.Local
		return
	}
	if !p.steadyUpwards(n.Remote.Parent) {
		return
	}
	parent := p.view.Node(n.Remote.Parent)
	if !p.opt.CaughtUp && (n.Remote.Kind == havre.KindDir || parent.Local == nil) {
		return // the latter goes with its directory, in one step
	}
	if p.up[n.Remote.Parent] == Delete {
		p.up[n.ID] = Delete
		p.state[n.ID] = planned
		return
	}
	p.doUp(Action{Kind: Delete, Node: n.ID})
}

// localOnly handles what is on disk and not on the server: new here, or deleted there.
func (p *planner) localOnly(n *Node) {
	b, l := n.Base, n.Local
	keep := b == nil || !b.SameContent(&l.Entry) || l.Kind != havre.KindDir && b.Place != l.Place
	if !keep && l.Kind == havre.KindDir {
		switch p.inside(n.ID, false) {
		case news:
			keep = true
		case leaving:
			return
		case nothing:
		}
	}
	if keep {
		p.putUp(n)
		return
	}
	p.trash(n)
}

func (p *planner) putUp(n *Node) {
	l := n.Local
	if !p.remoteDir(l.Parent) {
		return
	}
	p.placing[n.ID] = l.Kind == havre.KindDir && !p.suppressed[n.ID]
	if !p.remotelyFree(l.Place, n.ID) || p.acted(n.ID) {
		return
	}
	if l.Kind == havre.KindDir {
		p.doUp(Action{Kind: PutDir, Node: n.ID})
	} else {
		p.doUp(Action{Kind: Put, Node: n.ID})
	}
}

func (p *planner) trash(n *Node) {
	if p.held(true) {
		p.plan.HeldRemote = p.deletions.Remote
		return
	}
	if n.Local.Kind == havre.KindDir {
		// Bottom up: what is in it goes first, in this plan or in an earlier one.
		for m := range p.view.LocalBelow(n.ID) {
			p.visit(m)
			if p.down[m.ID] != Trash {
				return
			}
		}
	}
	p.free[n.Local.Place] = true
	p.doDown(Action{Kind: Trash, Node: n.ID})
}

// held says whether deletions in a direction wait for a person.
func (p *planner) held(remote bool) bool {
	if p.deletions == nil {
		d := p.view.Deletions()
		p.deletions = &d
	}
	if remote {
		return !p.opt.RemoteConfirmed && p.opt.Guard.holds(p.deletions.Remote, p.deletions.Agreed)
	}
	return !p.opt.LocalConfirmed && p.opt.Guard.holds(p.deletions.Local, p.deletions.Agreed)
}
