package reconcile

import (
	"iter"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
)

// NodeID identifies a node of a replica for as long as it exists on either side.
type NodeID int64

// Root is the replica's directory itself: always there, agreed and at rest.
const Root NodeID = 1

// Place is where a node is in one of the trees.
type Place struct {
	Parent NodeID
	Name   string
}

// State is a node as one of the trees has it.
type State struct {
	Place
	havre.Entry
}

// Node is a file, directory or symbolic link in the three trees; a nil State says that the tree does
// not have it.
type Node struct {
	ID                  NodeID
	Base, Local, Remote *State
	// Withdrawn: the person may read it no longer, or the directory that it is in. It is taken off the
	// disk without Plan, which leaves it alone.
	Withdrawn bool
}

// AtRest reports whether there is nothing to do for a node: both sides have it at the same place
// with the same contents, and that is agreed.
func (n *Node) AtRest() bool {
	return !n.Withdrawn && n.Base != nil && n.Local != nil && n.Remote != nil &&
		n.Local.Place == n.Remote.Place && n.Local.SameContent(&n.Remote.Entry) && agreed(n.Base, n.Remote)
}

// agreed says whether the base says all that the remote tree does.
func agreed(base, remote *State) bool {
	return base.Place == remote.Place && base.SameContent(&remote.Entry) && base.Rev == remote.Rev &&
		base.ModTime.Equal(remote.ModTime)
}

// View is what Plan looks things up in.
type View interface {
	// Node returns the node, nil if there is none. The caller does not change it.
	Node(id NodeID) *Node
	// LocalAt and RemoteAt return the node at a place, 0 if there is none.
	LocalAt(p Place) NodeID
	RemoteAt(p Place) NodeID
	// LocalBelow and RemoteBelow yield every node inside a directory, at any depth, in any order.
	LocalBelow(id NodeID) iter.Seq[*Node]
	RemoteBelow(id NodeID) iter.Seq[*Node]
	// Busy reports whether an earlier action on the node is not finished, or failed a moment ago:
	// no action is planned for it.
	Busy(id NodeID) bool
	// Deletions counts the files that were deleted on one side and are agreed and unchanged
	// on the other, and all files that are agreed.
	Deletions() Deletions
}

// Deletions counts files.
type Deletions struct {
	Local  int // deleted locally, still on the server
	Remote int // deleted on the server, still on disk
	Agreed int // files in the base
}

// Guard says which deletions wait for a person: those of a direction in which at least Files files
// are to go, and more than Share of all that were agreed. Files 0 means never.
type Guard struct {
	Files int
	Share float64
}

// DefaultGuard holds back what hardly anybody does on purpose.
var DefaultGuard = Guard{Files: 1000, Share: 0.5}

func (g Guard) holds(deleted, agreed int) bool {
	return g.Files > 0 && deleted >= g.Files && float64(deleted) > g.Share*float64(agreed)
}

// Options are what Plan needs besides the trees.
type Options struct {
	// Device and Now appear in the names of conflict copies. Now is in the zone of the person.
	Device string
	Now    time.Time
	// CaughtUp: the remote tree has all revisions up to our own last commit. Only then moves
	// and deletions of directories go up, since they are about everything in them.
	CaughtUp bool
	// Guard is not applied to the directions that a person has confirmed.
	Guard                           Guard
	LocalConfirmed, RemoteConfirmed bool
	// Limit ends the plan once it has that many actions; a few more may come with the last.
	Limit int
}

// Kind says what an Action does.
type Kind uint8

// The actions. Those of Plan.Down change the local tree or only what is recorded, those of Round.Up
// the remote one.
const (
	// Adopt records that both sides agree: Base becomes Remote.
	Adopt Kind = iota + 1
	// Forget removes a node that neither side has.
	Forget
	// Unify gives the Local of Other, and all that is in it locally, to the node, which has
	// none; Other and the node's Base go.
	Unify
	// MakeDir makes the directory at its remote place. Local and Base become Remote.
	MakeDir
	// Write puts the remote contents on disk, in place of the local ones or as something new at
	// the remote place. Local and Base become Remote.
	Write
	// SetAttrs sets the executable bit and the modification time on disk. Local and Base
	// become Remote.
	SetAttrs
	// Move renames on disk to To. Local's place becomes To, and Base's if To is the remote place.
	Move
	// Trash moves the file, link or empty directory to the trash. Local goes.
	Trash
	// KeepBoth renames the file on disk to To, and makes a new node of it that only the local
	// tree has. The node's own Local and Base go, so that the remote contents come next.
	KeepBoth

	// Put makes or changes the remote file or link. Remote and Base become Local.
	Put
	// PutAttrs changes the remote executable bit, not the contents.
	PutAttrs
	// PutDir makes the remote directory.
	PutDir
	// PutMove renames in the remote tree to the local place. Remote's and Base's places become
	// Local's.
	PutMove
	// Delete deletes in the remote tree, with everything below. Remote goes.
	Delete
)

func (k Kind) String() string {
	return [...]string{
		"", "adopt", "forget", "unify", "make directory", "write", "set attributes", "move", "trash", "keep both",
		"put", "put attributes", "put directory", "put move", "delete",
	}[k]
}

// Action is one step for one node.
type Action struct {
	Kind  Kind
	Node  NodeID
	Other NodeID // Unify
	To    Place  // Move, KeepBoth
}

// Round is what Plan returns.
type Round struct {
	// Down are to be done in this order; a Write may be finished later.
	Down []Action
	// Up may become one commit: all deletions and sources of moves first, then the rest in
	// this order. A node has at most one action.
	Up []Action
	// HeldLocal and HeldRemote count the files that were deleted locally or remotely and whose
	// deletion on the other side waits for a person.
	HeldLocal, HeldRemote int
	// Waiting counts the nodes that differ and for which nothing can be done yet.
	Waiting int
}

// Empty reports whether there is nothing to do.
func (p *Round) Empty() bool { return len(p.Down) == 0 && len(p.Up) == 0 }
