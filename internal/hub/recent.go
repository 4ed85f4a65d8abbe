package hub

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/havre-cloud/havre/svn"
)

// Recent is what happened in all folders lately, for the overview.
type Recent struct {
	Days    [30]int64 // changed paths; the last one is today, in the zone that was asked for
	Hours   [24]int64 // commits; the last one is this hour
	Changes int64     // of the 30 days
	People  int       // who made them
}

// recentRevisions bounds what is remembered of one folder.
const recentRevisions = 50_000

// recents remembers the last revisions of each repository, so that only new ones are read.
type recents struct {
	mu sync.Mutex
	of map[measureKey]*recentLog
}

type recentLog struct {
	head svn.Revnum
	revs []recentRev // the oldest first
}

type recentRev struct {
	at      time.Time
	changes int64
	author  string
}

// Recent counts what happened in the last 30 days in all folders that are in use.
func (h *Hub) Recent(ctx context.Context, zone *time.Location) (*Recent, error) {
	states, err := h.States(ctx)
	if err != nil {
		return nil, err
	}
	h.recents.mu.Lock()
	defer h.recents.mu.Unlock()
	now := time.Now().In(zone)
	year, month, day := now.Date()
	today := time.Date(year, month, day, 0, 0, 0, 0, zone)
	people := map[string]bool{}
	got := &Recent{}
	for i := range states {
		if states[i].Problem != nil || !states[i].Folder.Archived.IsZero() {
			continue
		}
		for _, r := range h.recents.read(ctx, h, &states[i]) {
			if ago := now.Sub(r.at); ago >= 0 && ago < 24*time.Hour {
				got.Hours[23-int(ago/time.Hour)]++
			}
			// Days have 23 to 25 hours: rounding finds the right one.
			y, m, d := r.at.In(zone).Date()
			n := int(today.Sub(time.Date(y, m, d, 0, 0, 0, 0, zone)).Round(24*time.Hour) / (24 * time.Hour))
			if n < 0 || n >= len(got.Days) {
				continue
			}
			got.Days[len(got.Days)-1-n] += r.changes
			got.Changes += r.changes
			people[r.author] = true
		}
	}
	got.People = len(people)
	return got, ctx.Err()
}

// read returns the revisions of the last 31 days; h.recents.mu is held.
func (r *recents) read(ctx context.Context, h *Hub, f *FolderStatus) []recentRev {
	key := measureKey{f.Folder.Location, f.Folder.Prefix}
	repo, err := h.repos.get(f.Folder.Location)
	if err != nil {
		return nil
	}
	oldest := time.Now().Add(-31 * 24 * time.Hour)
	l := r.of[key]
	if l == nil || l.head > f.Head {
		l = &recentLog{head: svn.InvalidRevnum}
		r.of[key] = l
	}
	if l.head < f.Head {
		var fresh []recentRev
		for rev, err := range repo.Log(ctx, f.Head, l.head+1) {
			if err != nil || rev.Date().Before(oldest) || len(fresh) == recentRevisions {
				break
			}
			one := recentRev{at: rev.Date(), author: rev.Author()}
			for _, c := range rev.Changes {
				if _, in := c.Path.Rel(f.Folder.Prefix); in {
					one.changes++
				}
			}
			if one.changes > 0 {
				fresh = append(fresh, one)
			}
		}
		slices.Reverse(fresh)
		l.revs = append(l.revs, fresh...)
		l.head = f.Head
	}
	for len(l.revs) > 0 && (l.revs[0].at.Before(oldest) || len(l.revs) > recentRevisions) {
		l.revs = l.revs[1:]
	}
	return l.revs
}
