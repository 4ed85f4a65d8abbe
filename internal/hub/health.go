package hub

import (
	"context"
	"runtime/metrics"
	"time"

	"github.com/havre-cloud/havre/internal/store"
)

// Health is how the server itself is.
type Health struct {
	Started   time.Time
	Memory    int64 // bytes that the process has of the system
	Disk      int64 // bytes of the file system with the data; 0 if nobody knows
	Free      int64 // bytes of it that the server may use
	Stored    int64 // bytes of all repositories, as far as they are measured
	Connected int   // devices with a stream open
	Backups   BackupHealth
}

// BackupHealth is how the backups of online documents are.
type BackupHealth struct {
	All      int
	Live     int // followed at this moment
	Problems int // somebody should look: gone, suspect, a password is missing, ...
	Paused   int
	Ending   int // the instance removes them within endsSoon
}

// endsSoon is how long before the end of a document somebody should know.
const endsSoon = 7 * 24 * time.Hour

// backupHealth counts the sources by how they are.
func (h *Hub) backupHealth(ctx context.Context) (BackupHealth, error) {
	rows, err := h.store.Sources(ctx, store.SourceFilter{})
	now := h.now()
	b := BackupHealth{All: len(rows)}
	for i := range rows {
		item := itemOf(&rows[i])
		switch state := stateOf(&rows[i], item, now); {
		case state.Problem():
			b.Problems++
		case state == SourceLive:
			b.Live++
		case state == SourcePaused:
			b.Paused++
		}
		if end := item.History.Ends; end.After(now) && end.Before(now.Add(endsSoon)) {
			b.Ending++
		}
	}
	return b, err
}

// nearlyFull is the part of the disk that has to be free for all to be well.
const nearlyFull = 0.05

// DiskNearlyFull says whether somebody should make room.
func (s *Health) DiskNearlyFull() bool {
	return s.Disk > 0 && (float64(s.Free) < nearlyFull*float64(s.Disk) || s.Free < 1<<30)
}

// Health returns how the server is.
func (h *Hub) Health(ctx context.Context) (*Health, error) {
	s := &Health{Started: h.started, Connected: h.presence.count(), Memory: memory()}
	if free, size, err := diskSpace(h.dir); err == nil {
		s.Disk, s.Free = size, free
	}
	var err error
	if s.Backups, err = h.backupHealth(ctx); err != nil {
		return nil, err
	}
	states, err := h.States(ctx)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for i := range states {
		if f := &states[i]; !seen[f.Folder.Location] {
			seen[f.Folder.Location] = true
			s.Stored += f.Measure.Disk
		}
	}
	return s, nil
}

func memory() int64 {
	samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(samples)
	return int64(samples[0].Value.Uint64() - samples[1].Value.Uint64())
}

// SetServerName gives the server another name on all pages. Devices keep the one of their pairing.
func (h *Hub) SetServerName(ctx context.Context, by store.Actor, name string) error {
	name, err := store.CheckServerName(name)
	if err != nil {
		return err
	}
	if err := h.store.ChangeSetting(ctx, by, store.SettingServerName, name); err != nil {
		return full(err)
	}
	h.nameMu.Lock()
	defer h.nameMu.Unlock()
	h.name = name
	return nil
}

// MeasureFolder measures a folder as it is now.
func (h *Hub) MeasureFolder(ctx context.Context, f *FolderStatus) (Measure, error) {
	if f.Problem != nil {
		return Measure{}, f.Problem
	}
	return h.measures.now(ctx, &f.Folder, f.Head)
}
