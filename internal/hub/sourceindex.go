package hub

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"path"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/source"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
)

const (
	// indexAfter is how long after a backup changed the lists of its directory are written: many change together.
	indexAfter = 20 * time.Second
	indexEvery = 5 * time.Second
)

// keepIndexes writes the lists of directories whose backups have changed, until ctx is done.
func (b *backups) keepIndexes(ctx context.Context) error {
	tick := time.NewTicker(indexEvery)
	defer tick.Stop()
	for {
		if err := b.writeStale(ctx, b.hub.now().Add(-indexAfter)); err != nil && ctx.Err() == nil {
			b.log.LogAttrs(ctx, slog.LevelWarn, "lists of backups not written", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// writeStale writes the lists that have been stale since before the time. One that cannot be written now is written
// with the next change of its directory.
func (b *backups) writeStale(ctx context.Context, before time.Time) error {
	stale, err := b.hub.store.StaleIndexes(ctx, before)
	if err != nil {
		return err
	}
	for i := range stale {
		x := &stale[i]
		if err := b.writeIndex(ctx, x); err != nil {
			if ctx.Err() != nil {
				return err
			}
			b.log.LogAttrs(ctx, slog.LevelWarn, "list of backups not written", slog.String("folder", string(x.Folder)), slog.Any("error", err))
		}
		if err := b.hub.store.IndexWritten(ctx, x); err != nil {
			return err
		}
	}
	return nil
}

// writeIndex makes the lists of one directory and commits what differs. What a person has written under these names
// stays.
func (b *backups) writeIndex(ctx context.Context, x *store.SourceIndex) error {
	h := b.hub
	all, err := h.store.Sources(ctx, store.SourceFilter{Folder: x.Folder})
	if err != nil {
		return err
	}
	files, err := h.store.SourceFiles(ctx, store.SourceFilter{Folder: x.Folder})
	if err != nil {
		return err
	}
	var entries []source.IndexEntry
	var caller *havre.Caller
	for i := range all {
		n := &all[i]
		if n.Path != x.Path {
			continue
		}
		entries = append(entries, indexEntry(n, files[n.ID]))
		if caller == nil {
			if c, err := b.callerOf(ctx, n.User); err == nil {
				if _, reach, err := h.access.of(ctx, c.User, x.Folder); err == nil && reach.right(x.Path) >= havre.RightWrite {
					caller = c
				}
			}
		}
	}
	if caller == nil {
		return nil // nobody is left in whose name
	}
	v, err := h.view(ctx, caller, havre.Scope{Folder: x.Folder})
	if err != nil {
		return err
	}
	title := cmp.Or(x.Path.Name(), v.folder.Name)
	page, table, err := source.Index(title, entries)
	if err != nil {
		return err
	}
	return b.commitIndex(ctx, v, caller, x, map[string][]byte{source.IndexHTML: page, source.IndexCSV: table})
}

// indexEntry is the line of a source in the lists.
func indexEntry(n *store.Source, files []store.SourceFile) source.IndexEntry {
	item := itemOf(n)
	e := item.IndexEntry()
	e.Exts = nil
	for _, f := range files {
		if f.Path == n.Path.Join(n.Name+f.Ext) { // the lists name no file that is elsewhere
			e.Exts = append(e.Exts, f.Ext)
		}
	}
	if n.Paused {
		e.State = "paused"
	}
	return e
}

func (b *backups) commitIndex(ctx context.Context, v *view, c *havre.Caller, x *store.SourceIndex, lists map[string][]byte) error {
	head, err := v.repo.Youngest(ctx)
	if err != nil {
		return err
	}
	dir, err := v.stat(ctx, x.Path, head)
	if err != nil || dir == nil {
		return err // it is made with the first file
	}
	hashes := map[string]string{}
	_ = json.Unmarshal([]byte(x.Files), &hashes) // only the hub writes it
	var changes []havre.Change
	for _, name := range []string{source.IndexHTML, source.IndexCSV} {
		content := lists[name]
		p := x.Path.Join(name)
		hash := havre.HashBytes(content)
		n, err := v.stat(ctx, p, head)
		if err != nil {
			return err
		}
		change := havre.Change{
			Kind: havre.ChangePut, Path: p, Base: svn.InvalidRevnum, Content: content,
			Entry: havre.Entry{Kind: havre.KindFile, Size: int64(len(content)), Hash: hash, ModTime: b.hub.now().UTC()},
		}
		switch {
		case n == nil && hashes[name] != "":
			continue // a person has deleted it
		case n == nil:
		case n.Kind != svn.KindFile, n.SHA1 == nil:
			continue
		case havre.SHA1Hash(n.SHA1).String() != hashes[name]:
			if act, err := v.repo.ledger.act(ctx, n.CreatedRev); err != nil || !act.Backup() {
				continue // a person's
			}
			change.Base = head
		case string(n.SHA1) == string(hash.SHA1()):
			continue
		default:
			change.Base = head
		}
		if len(content) > havre.InlineLimit {
			id, _, _, err := b.hub.uploads.receive(c.Device, strings.NewReader(string(content)))
			if err != nil {
				return full(err)
			}
			change.Upload, change.Content = id, nil
			defer b.hub.uploads.remove(c.Device, []havre.UploadID{id}) //nolint:errcheck // it expires
		}
		changes = append(changes, change)
		hashes[name] = hash.String()
	}
	if len(changes) == 0 {
		return nil
	}
	r, err := b.hub.Commit(ctx, c, havre.Scope{Folder: x.Folder}, &havre.Commit{
		ID: "backup-" + strings.ToLower(rand.Text()), Message: "list of the backups in " + cmp.Or(path.Base(string(x.Path)), v.folder.Name), Changes: changes, Confirmed: true,
	})
	if err != nil || len(r.Refused) > 0 {
		return err
	}
	x.Files, err = marshal(hashes)
	return err
}
