package reconcile

import "github.com/havre-cloud/havre/internal/havre"

// order sorts what goes up so that a directory comes before what is put into it.
func (p *planner) order() {
	waiting := make(map[NodeID]Action, len(p.plan.Up))
	for _, a := range p.plan.Up {
		waiting[a.Node] = a
	}
	sorted := make([]Action, 0, len(p.plan.Up))
	var add func(a Action)
	add = func(a Action) {
		if _, ok := waiting[a.Node]; !ok {
			return
		}
		delete(waiting, a.Node)
		if a.Kind != Delete {
			if parent, ok := waiting[p.view.Node(a.Node).Local.Parent]; ok && parent.Kind == PutDir {
				add(parent)
			}
		}
		sorted = append(sorted, a)
	}
	for _, a := range p.plan.Up {
		add(a)
	}
	p.plan.Up = sorted
}

// disappointed adds the nodes whose upward actions count on something that did not come about to
// suppressed, and reports whether there are any.
func (p *planner) disappointed(suppressed map[NodeID]bool) bool {
	before := len(suppressed)
	for _, a := range p.plan.Up {
		n := p.view.Node(a.Node)
		if a.Kind == Delete && n.Remote.Kind == havre.KindDir && p.inside(n.ID, true) == leaving && !p.emptied(n) {
			suppressed[n.ID] = true
		}
		if a.Kind == Delete || a.Kind == PutAttrs {
			continue
		}
		there := p.view.RemoteAt(n.Local.Place)
		if there != 0 && there != n.ID && p.up[there] != Delete && p.up[there] != PutMove {
			suppressed[n.ID] = true
			continue
		}
		p.suppressParents(n, suppressed)
	}
	return len(suppressed) > before
}

// suppressParents takes out n if its new directory will not be there, or the directories that
// would move together with what is moved into them.
func (p *planner) suppressParents(n *Node, suppressed map[NodeID]bool) {
	for id := n.Local.Parent; id != Root; {
		dir := p.view.Node(id)
		switch {
		case dir.Remote != nil:
			if p.up[id] == PutMove {
				suppressed[id] = true
			}
			id = dir.Remote.Parent
		case p.up[id] == PutDir:
			id = dir.Local.Parent
		default:
			suppressed[n.ID] = true
			return
		}
	}
}

// emptied reports whether what is on disk of a directory that is deleted on the server is moved
// out of it in the same commit.
func (p *planner) emptied(n *Node) bool {
	for m := range p.view.RemoteBelow(n.ID) {
		if m.Local != nil && p.up[m.ID] != PutMove {
			return false
		}
	}
	return true
}
