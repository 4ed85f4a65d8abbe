package home

import (
	"context"
	"time"

	"github.com/havre-cloud/havre/svn"
)

// Agent does what the commands ask for: the running client, reached through its socket, or the
// command itself when none runs. Errors carry a *havre.Error where a person can do something.
type Agent interface {
	Status(ctx context.Context) (*Status, error)
	// Add makes dir a replica of the directory path in the folder with that name.
	Add(ctx context.Context, r AddRequest) (*Replica, error)
	// Remove ends a replica; its files stay where they are.
	Remove(ctx context.Context, id string) error
	// Leave ends all replicas and revokes the device on the server; forced, it does the first
	// even if the server cannot be reached for the second.
	Leave(ctx context.Context, force bool) error
	// Deletions decides about the deletions that a replica holds back: they happen, or what
	// was deleted comes back.
	Deletions(ctx context.Context, id string, allow bool) error
}

// AddRequest says what Agent.Add is to do.
type AddRequest struct {
	Folder string   `json:"folder"` // its name
	Path   svn.Path `json:"path"`
	Dir    string   `json:"dir"` // absolute
}

// State says in one word what a replica is about.
type State string

// The states. Programs read them in `havre status --json`: never change one.
const (
	StateStarting   State = "starting"    // it looks at the disk and the server for the first time since the start
	StateSyncing    State = "syncing"     // changes are on their way
	StateUpToDate   State = "up-to-date"  // both sides are the same
	StateOffline    State = "offline"     // the server cannot be reached; it is tried again
	StateHeld       State = "held"        // many deletions wait for a person
	StateFailed     State = "failed"      // it cannot go on now; it is tried again
	StateStopped    State = "stopped"     // it cannot go on before a person has done something
	StateNotRunning State = "not-running" // no client runs here
	StateNoAccess   State = "no-access"   // the person may read nothing of it now; it goes on when that changes
)

// Status is what `havre status --json` prints. Fields may be added, none is renamed or removed.
type Status struct {
	Running  bool            `json:"running"`
	Version  string          `json:"version"` // of the running client, or of the command
	Home     string          `json:"home"`
	Server   ServerStatus    `json:"server"`
	User     string          `json:"user"`
	Device   string          `json:"device"`
	Replicas []ReplicaStatus `json:"replicas"` // in the order in which they were added
}

// ServerStatus is about the server that the device belongs to.
type ServerStatus struct {
	Name    string `json:"name"`
	Address string `json:"address"` // HOST:PORT
}

// ReplicaStatus is about one replica.
type ReplicaStatus struct {
	ID     string   `json:"id"`
	Folder string   `json:"folder"`
	Path   svn.Path `json:"path"`
	Dir    string   `json:"dir"`
	State  State    `json:"state"`
	// Revision is the one up to which the server's changes are known here; -1 before the first.
	Revision svn.Revnum `json:"revision"`
	// Pending counts what differs: Down is to be changed here, Up on the server.
	PendingDown      int64 `json:"pendingDown"`
	PendingUp        int64 `json:"pendingUp"`
	PendingDownBytes int64 `json:"pendingDownBytes"`
	PendingUpBytes   int64 `json:"pendingUpBytes"`
	// Held counts the deletions that wait for a person: see `havre deletions`.
	HeldDown int64 `json:"heldDown"`
	HeldUp   int64 `json:"heldUp"`
	// Watch says what is not noticed at once but only by the next scan, and how to change that;
	// empty when everything is watched.
	Watch string `json:"watch"`
	// LastError is the last failure of the replica as a whole; it stays until all is well.
	LastError   string    `json:"lastError"`
	LastErrorAt time.Time `json:"lastErrorAt,omitzero"`
	// Problems are single paths that cannot be kept the same: the first hundred of ProblemCount.
	Problems     []Problem `json:"problems"`
	ProblemCount int64     `json:"problemCount"`
	// Kept are files that were set aside, outside of the replica, because the right to send them was
	// taken away: the first hundred of KeptCount, the latest first. They are listed until they are gone
	// from there.
	Kept      []Kept `json:"kept"`
	KeptCount int64  `json:"keptCount"`
}

// Kept is a file that was set aside.
type Kept struct {
	Path  svn.Path  `json:"path"`  // that it had
	Place string    `json:"place"` // where it is
	At    time.Time `json:"at"`
}

// Problem is one path that cannot be kept the same.
type Problem struct {
	Path svn.Path `json:"path"`
	Text string   `json:"text"`
}

// Event is one change that took effect, for the live view: a line of GET /events.
type Event struct {
	Time    time.Time  `json:"time"`
	Replica string     `json:"replica"`
	Device  string     `json:"device"` // the one that tells
	Up      bool       `json:"up"`     // from here to the server; otherwise to here
	What    string     `json:"what"`   // added, changed, renamed, deleted, conflict, held; rights, no access, withdrawn, kept, refused
	Path    svn.Path   `json:"path"`
	From    svn.Path   `json:"from,omitempty"` // renamed: the old path
	Rev     svn.Revnum `json:"revision"`
	Bytes   int64      `json:"bytes"`
	Count   int64      `json:"count,omitempty"` // held: deletions that wait for a person
	Place   string     `json:"place,omitempty"` // kept: where it is now
	Text    string     `json:"text,omitempty"`  // refused: why
	// Took is the time since the change was noticed: by the watcher, or as it came from the server.
	Took time.Duration `json:"tookNanoseconds"`
}

// Name returns the folder and the path in it, as a person writes them.
func (r *ReplicaStatus) Name() string {
	return string(svn.Path(r.Folder).Join(string(r.Path)))
}
