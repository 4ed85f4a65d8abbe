package syncer

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/reconcile"
	"github.com/havre-cloud/havre/internal/syncer/state"
)

// settingGuard is where the guard that a person chose is kept: "FILES SHARE".
const settingGuard = "guard"

// SetGuard sets from when on deletions wait for a person. It is remembered, so that it holds from the next start on.
func (e *Engine) SetGuard(ctx context.Context, g reconcile.Guard) error {
	return e.ask(ctx, func(l *loop) {
		if l.guard() == g {
			return
		}
		if err := l.tx(func() { l.db.Set(settingGuard, fmt.Sprintf("%d %g", g.Files, g.Share)) }); err != nil {
			l.cfg.Logger.Error("the guard against deletions cannot be kept", "error", err)
			return
		}
		l.planFrom = 0
		l.planSoon()
	})
}

// settingTrash is how many days the trash keeps what was deleted, if a person chose that.
const settingTrash = "trash days"

// SetTrashAge sets how long the trash keeps what was deleted, in days from 1; what is older goes now. It is
// remembered.
func (e *Engine) SetTrashAge(ctx context.Context, days int) error {
	return e.ask(ctx, func(l *loop) {
		text := strconv.Itoa(days)
		if days < 1 || l.db.Setting(settingTrash) == text {
			return
		}
		err := l.tx(func() { l.db.Set(settingTrash, text) })
		if err == nil {
			err = l.cfg.FS.ExpireTrash(trashAge(l.db, l.cfg.TrashAge))
		}
		if err != nil {
			l.cfg.Logger.Warn("the trash cannot be emptied", "error", err)
		}
	})
}

// trashAge returns what was chosen, else the default.
func trashAge(db *state.DB, standard time.Duration) time.Duration {
	if days, err := strconv.Atoi(db.Setting(settingTrash)); err == nil && days > 0 {
		return time.Duration(days) * 24 * time.Hour
	}
	return standard
}

// guard returns the one that counts.
func (l *loop) guard() reconcile.Guard {
	var g reconcile.Guard
	if n, err := fmt.Sscanf(l.db.Setting(settingGuard), "%d %g", &g.Files, &g.Share); err != nil || n != 2 {
		return l.cfg.Guard
	}
	return g
}

// HeldFiles returns the files whose deletion waits for a person, in no order, as many as fit into room bytes
// of names and sizes.
func (e *Engine) HeldFiles(ctx context.Context, room int) ([]havre.HeldFile, error) {
	var files []havre.HeldFile
	var failed error
	err := e.ask(ctx, func(l *loop) {
		failed = l.tx(func() {
			if l.held.HeldLocal > 0 {
				files = l.heldFiles(files, true, &room)
			}
			if l.held.HeldRemote > 0 {
				files = l.heldFiles(files, false, &room)
			}
		})
	})
	if err == nil {
		err = failed
	}
	return files, err
}

// heldOverhead is what a file costs in a report besides its name.
const heldOverhead = 16

// heldFiles appends those that were deleted here, or by others.
func (l *loop) heldFiles(files []havre.HeldFile, local bool, room *int) []havre.HeldFile {
	for n := range l.db.Deleted(local, max(*room, 0)/heldOverhead) {
		path, ok := l.localPath(n.ID)
		entry := n.Local
		if local {
			path, ok = l.remotePath(n.ID)
			entry = n.Remote
		}
		if !ok || entry == nil {
			continue
		}
		if *room -= len(path) + heldOverhead; *room < 0 {
			break
		}
		files = append(files, havre.HeldFile{Path: path, Size: entry.Size})
	}
	return files
}
