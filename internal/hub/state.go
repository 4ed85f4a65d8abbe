package hub

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
)

// Condition says in one word how a replica is; the pages have a sign for each.
type Condition string

// The conditions, the best first.
const (
	ConditionOK        Condition = "ok"
	ConditionReceiving Condition = "receiving" // connected, and changes are on their way
	ConditionBehind    Condition = "behind"    // not connected, and others changed something since
	ConditionAway      Condition = "away"      // not seen for awayAfter
	ConditionStopped   Condition = "stopped"   // it says what keeps it from going on
	ConditionWaits     Condition = "waits"     // for a person to decide about deletions
)

var conditions = []Condition{ConditionOK, ConditionReceiving, ConditionAway, ConditionBehind, ConditionStopped, ConditionWaits}

// Worse says whether c needs somebody more than d.
func (c Condition) Worse(d Condition) bool {
	return slices.Index(conditions, c) > slices.Index(conditions, d)
}

// awayAfter is how long a device must not have been seen to be away.
const awayAfter = 7 * 24 * time.Hour

// ReplicaStatus is how one replica is now.
type ReplicaStatus struct {
	store.Replica
	Device    store.Device
	Folder    store.Folder
	Condition Condition
	Connected bool
	// Behind is how many changes of files others made that the replica has not.
	Behind int64
	// Since is when it fell behind, or when what it has to do began; zero when it is up to date.
	Since time.Time
}

// ID names the replica in an address.
func (r *ReplicaStatus) ID() string { return replicaID(r.Device.ID, r.Report.Scope) }

func replicaID(device havre.DeviceID, scope havre.Scope) string {
	return hashSecret(string(device) + "\n" + string(scope.Folder) + "\n" + string(scope.Root))[:20]
}

// Held is how many deletions wait in it.
func (r *ReplicaStatus) Held() int64 { return r.Report.HeldUp + r.Report.HeldDown }

// FolderStatus is how a folder is on all devices.
type FolderStatus struct {
	Folder   store.Folder
	Problem  error     // why the repository cannot be opened: what Head is and what devices lack is not known then
	Since    time.Time // of the problem, if that is known
	Head     svn.Revnum
	Changed  time.Time // when Head was made
	Author   string    // who made it
	Measure  Measure
	Replicas []ReplicaStatus // those that need somebody first
}

// UpToDate counts the replicas that are.
func (f *FolderStatus) UpToDate() int {
	n := 0
	for i := range f.Replicas {
		if f.Replicas[i].Condition == ConditionOK {
			n++
		}
	}
	return n
}

// Worst is the condition of the replica that needs somebody most.
func (f *FolderStatus) Worst() Condition {
	if len(f.Replicas) == 0 {
		return ConditionOK
	}
	return f.Replicas[0].Condition
}

// statusAge is how old what States returns may be.
const statusAge = 500 * time.Millisecond

// states remembers the last answer of States and what each folder's replicas lack.
type states struct {
	stale atomic.Int64 // how often something was changed here that concerns them

	mu   sync.Mutex // guards the following
	at   time.Time
	seen int64 // of stale
	last []FolderStatus
	lags map[havre.FolderID]*lag
}

// forget makes the next question look at the store: what who administers has just done is on the next page.
func (h *Hub) forget() {
	h.access.forget()
	h.states.stale.Add(1)
}

// States returns how all folders are, by name, archived ones included. It is shared: do not change it.
func (h *Hub) States(ctx context.Context) ([]FolderStatus, error) {
	return h.statesSince(ctx, time.Now().Add(-statusAge))
}

// StatesNow is States as of now, where States may be statusAge old: for pages, which are told only of what changes
// after they were made.
func (h *Hub) StatesNow(ctx context.Context) ([]FolderStatus, error) {
	return h.statesSince(ctx, time.Now())
}

// statesSince is States, read at a time or after it.
func (h *Hub) statesSince(ctx context.Context, at time.Time) ([]FolderStatus, error) {
	h.states.mu.Lock()
	defer h.states.mu.Unlock()
	seen := h.states.stale.Load()
	if h.states.at.After(at) && h.states.seen == seen {
		return h.states.last, nil
	}
	began := time.Now()
	all, err := h.readStates(ctx)
	if err == nil {
		h.states.at, h.states.seen, h.states.last = began, seen, all
	}
	return all, err
}

// State returns how one folder is.
func (h *Hub) State(ctx context.Context, id havre.FolderID) (*FolderStatus, error) {
	asked := time.Now()
	// A folder may have been made since they were read.
	for _, since := range []time.Time{asked.Add(-statusAge), asked} {
		all, err := h.statesSince(ctx, since)
		if err != nil {
			return nil, err
		}
		if i := slices.IndexFunc(all, func(f FolderStatus) bool { return f.Folder.ID == id }); i >= 0 {
			return &all[i], nil
		}
	}
	return nil, errNoFolder()
}

// FolderState is what everybody who reads a folder may know about its devices.
type FolderState struct {
	Devices  int       // on which it is
	UpToDate int       // of these
	Worst    Condition // of all
	Mine     []ReplicaStatus
	Changed  time.Time
	Author   string
}

// MineWorst is the worst condition of the caller's own devices.
func (s *FolderState) MineWorst() Condition {
	worst := ConditionOK
	for i := range s.Mine {
		if c := s.Mine[i].Condition; c.Worse(worst) {
			worst = c
		}
	}
	return worst
}

// FolderState returns on how many devices the folder is up to date, for who may read something in it;
// of other people's devices it says no more.
func (h *Hub) FolderState(ctx context.Context, c *havre.Caller, id havre.FolderID) (*FolderState, error) {
	if _, err := h.view(ctx, c, havre.Scope{Folder: id}); err != nil {
		return nil, err
	}
	f, err := h.State(ctx, id)
	if err != nil {
		return nil, err
	}
	return f.forReaders(c), nil
}

// readStates asks the store and the repositories.
func (h *Hub) readStates(ctx context.Context) ([]FolderStatus, error) {
	folders, err := h.store.Folders(ctx)
	if err != nil {
		return nil, err
	}
	devices, err := h.activeDevices(ctx)
	if err != nil {
		return nil, err
	}
	replicas, err := h.store.Replicas(ctx, "")
	if err != nil {
		return nil, err
	}
	of := map[havre.FolderID][]store.Replica{}
	for _, r := range replicas {
		if _, ok := devices[r.Device]; ok {
			of[r.Report.Scope.Folder] = append(of[r.Report.Scope.Folder], r)
		}
	}
	all := make([]FolderStatus, len(folders))
	for i := range folders {
		all[i] = h.readState(ctx, &folders[i], devices, of[folders[i].ID])
	}
	return all, ctx.Err()
}

// activeDevices returns those that may come in.
func (h *Hub) activeDevices(ctx context.Context) (map[havre.DeviceID]store.Device, error) {
	users, err := h.store.Users(ctx)
	if err != nil {
		return nil, err
	}
	closed := map[havre.UserID]bool{}
	for i := range users {
		closed[users[i].ID] = users[i].Disabled
	}
	list, err := h.store.Devices(ctx, "")
	if err != nil {
		return nil, err
	}
	devices := map[havre.DeviceID]store.Device{}
	for _, d := range list {
		if d.Revoked.IsZero() && !closed[d.User] {
			devices[d.ID] = d
		}
	}
	return devices, nil
}

func (h *Hub) readState(ctx context.Context, f *store.Folder, devices map[havre.DeviceID]store.Device, replicas []store.Replica) FolderStatus {
	s := FolderStatus{Folder: *f}
	repo, err := h.repos.get(f.Location)
	if err == nil {
		s.Head, err = repo.Youngest(ctx)
	}
	if err != nil {
		s.Problem, s.Since = err, repo.troubled()
		s.addReplicas(h, devices, replicas, nil)
		return s
	}
	if props, err := repo.RevProps(ctx, s.Head); err == nil {
		r := svn.Revision{Rev: s.Head, Props: props}
		s.Changed, s.Author = r.Date(), r.Author()
	}
	s.Measure = h.measures.get(ctx, f, s.Head)
	behind := h.lag(ctx, repo, f, s.Head, replicas)
	s.addReplicas(h, devices, replicas, behind)
	return s
}

// addReplicas judges the replicas; behind is nil if it is not known what they lack.
func (f *FolderStatus) addReplicas(h *Hub, devices map[havre.DeviceID]store.Device, replicas []store.Replica, behind *lag) {
	for _, r := range replicas {
		one := ReplicaStatus{Replica: r, Device: devices[r.Device], Folder: f.Folder}
		if behind != nil {
			one.Behind, one.Since = behind.after(r.Report.Revision)
		}
		_, one.Connected = h.presence.connected(r.Device, r.Report.Scope)
		one.judge(time.Now(), f.Head)
		f.Replicas = append(f.Replicas, one)
	}
	slices.SortStableFunc(f.Replicas, func(a, b ReplicaStatus) int {
		return cmp.Or(-cmp.Compare(slices.Index(conditions, a.Condition), slices.Index(conditions, b.Condition)),
			a.Since.Compare(b.Since), cmp.Compare(a.Device.Name, b.Device.Name))
	})
}

// judge decides the condition.
func (r *ReplicaStatus) judge(now time.Time, head svn.Revnum) {
	report := &r.Report
	if s := r.Replica.Since; !s.IsZero() && (r.Since.IsZero() || s.Before(r.Since)) {
		r.Since = s
	}
	todo := report.Revision < head && r.Behind > 0 || report.Pending > 0
	gone := !r.Connected && now.Sub(r.Device.LastSeen) > awayAfter
	switch {
	case gone:
		r.Condition = ConditionAway
	case r.Held() > 0:
		r.Condition = ConditionWaits
	case report.Error != "":
		r.Condition = ConditionStopped
	case !todo:
		r.Condition = ConditionOK
		r.Since = time.Time{}
	case r.Connected:
		r.Condition = ConditionReceiving
	default:
		r.Condition = ConditionBehind
	}
}

// lag knows how much changed in a folder after each of the last revisions.
type lag struct {
	from, head svn.Revnum
	changes    []int64     // of revision from+1+i and all later ones
	times      []time.Time // of revision from+1+i
}

// maxLag is how many revisions are looked at; who lacks more lacks at least as much.
const maxLag = 2000

// lag returns what the replicas lack; h.states.mu is held.
func (h *Hub) lag(ctx context.Context, repo svn.Repository, f *store.Folder, head svn.Revnum, replicas []store.Replica) *lag {
	from := head
	for _, r := range replicas {
		from = min(from, max(r.Report.Revision, 0))
	}
	from = max(from, head-maxLag)
	known := h.states.lags[f.ID]
	if known != nil && known.head == head && known.from <= from {
		return known
	}
	l := &lag{from: from, head: head, changes: make([]int64, head-from), times: make([]time.Time, head-from)}
	for rev, err := range repo.Log(ctx, from+1, head) {
		if err != nil {
			break // the folder's page says what is damaged
		}
		i := rev.Rev - from - 1
		l.times[i] = rev.Date()
		for _, c := range rev.Changes {
			if _, in := c.Path.Rel(f.Prefix); in {
				l.changes[i]++
			}
		}
	}
	for i := len(l.changes) - 2; i >= 0; i-- {
		l.changes[i] += l.changes[i+1]
	}
	h.states.lags[f.ID] = l
	return l
}

// after returns how many changes there are after the revision, and when the first was made.
func (l *lag) after(rev svn.Revnum) (int64, time.Time) {
	if rev >= l.head || len(l.changes) == 0 {
		return 0, time.Time{}
	}
	i := max(rev-l.from, 0)
	return l.changes[i], l.times[i]
}
