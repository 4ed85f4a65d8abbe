package hub

import (
	"context"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
)

// Readers are the people with open accounts who may read a place.
type Readers struct {
	First []string // the full names of a few, by name to sign in
	Count int
}

// firstReaders is how many names Readers has, and mostReaders how many places are remembered.
const (
	firstReaders = 3
	mostReaders  = 10_000
)

// Readers returns who may read the spot. It is remembered until somebody's access changes.
func (h *Hub) Readers(ctx context.Context, at *Spot) (Readers, error) {
	key := GrantPlace{Folder: at.Folder.ID, Path: at.Path}
	version, known := h.access.readersOf(ctx, key)
	if known != nil {
		return *known, nil
	}
	b, err := h.FolderBook(ctx, at.Folder.ID)
	if err != nil {
		return Readers{}, err
	}
	var r Readers
	now := time.Now()
	for i := range b.Users {
		u := &b.Users[i]
		if u.Closed(now) || b.reachOf(Holder{User: u.ID}, at.Folder.ID).right(at.Path) < havre.RightRead {
			continue
		}
		if r.Count++; r.Count <= firstReaders {
			r.First = append(r.First, u.DisplayName)
		}
	}
	h.access.rememberReaders(version, key, r)
	return r, nil
}

// readersOf returns what is known of a place, nil if nothing is, and the version that new knowledge is of.
func (a *access) readersOf(ctx context.Context, key GrantPlace) (version int64, known *Readers) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.refresh(ctx); err != nil {
		return -1, nil
	}
	if r, ok := a.readers[key]; ok {
		return a.version, &r
	}
	return a.version, nil
}

func (a *access) rememberReaders(version int64, key GrantPlace, r Readers) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.version != version {
		return // it may be of before
	}
	if len(a.readers) >= mostReaders {
		clear(a.readers)
	}
	a.readers[key] = r
}
