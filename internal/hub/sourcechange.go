package hub

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/source"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
)

func asSource(err error) (*source.Error, bool) { return errors.AsType[*source.Error](err) }

func isExists(err error) bool { return err != nil && havre.CodeOf(err) == havre.CodeExists }

// mayChange returns a source that the caller may change.
func (h *Hub) mayChange(ctx context.Context, c *havre.Caller, id SourceID) (*Source, error) {
	s, err := h.Source(ctx, c, id)
	if err != nil {
		return nil, err
	}
	if s.Right < havre.RightWrite {
		return nil, denied("you may not write in the directory of this backup: ask who manages the folder")
	}
	return s, nil
}

// CheckSource has the document looked at now.
func (h *Hub) CheckSource(ctx context.Context, c *havre.Caller, id SourceID) error {
	s, err := h.mayChange(ctx, c, id)
	if err != nil {
		return err
	}
	if s.State == SourcePaused {
		return invalid("the backup is paused: resume it")
	}
	return h.sourcesNow(ctx, []SourceID{id})
}

// CheckSources has those looked at now that the filter chooses and the caller may change, and returns how many.
func (h *Hub) CheckSources(ctx context.Context, c *havre.Caller, f SourceFilter) (int, error) {
	f.All = false
	all, err := h.Sources(ctx, c, f)
	if err != nil {
		return 0, err
	}
	var ids []SourceID
	for i := range all {
		if all[i].Right >= havre.RightWrite && all[i].State != SourcePaused {
			ids = append(ids, all[i].ID)
		}
	}
	return len(ids), h.sourcesNow(ctx, ids)
}

func (h *Hub) sourcesNow(ctx context.Context, ids []SourceID) error {
	err := h.store.SourceNow(ctx, ids)
	h.backups.wake()
	return full(err)
}

// editSource changes a source that the caller may change, and ends what is being done for it as it was.
func (h *Hub) editSource(ctx context.Context, c *havre.Caller, id SourceID, action string, edit func(*store.Source) error) error {
	if _, err := h.mayChange(ctx, c, id); err != nil {
		return err
	}
	if err := h.store.EditSource(ctx, actor(c), id, action, edit); err != nil {
		return full(err)
	}
	h.backups.stop(id)
	h.backups.wake()
	return nil
}

// PauseSource has nobody ask for the document until the source is resumed.
func (h *Hub) PauseSource(ctx context.Context, c *havre.Caller, id SourceID) error {
	return h.editSource(ctx, c, id, "source.pause", func(n *store.Source) error {
		n.Paused = true
		return nil
	})
}

// ResumeSource goes on, now and in the name of the caller. Files that were deleted come back.
func (h *Hub) ResumeSource(ctx context.Context, c *havre.Caller, id SourceID) error {
	if _, err := h.mayChange(ctx, c, id); err != nil {
		return err
	}
	if err := h.forgetMissing(ctx, c, id); err != nil {
		return err
	}
	return h.editSource(ctx, c, id, "source.resume", func(n *store.Source) error {
		item := itemOf(n)
		n.Paused, n.User, n.Next = false, c.User, h.now()
		if item.Last.Reason == source.ReasonOurs {
			item.Last.Error, item.Last.Reason = "", ""
		}
		return setItem(n, item)
	})
}

// forgetMissing lets a source write all its files again if none is there any more.
func (h *Hub) forgetMissing(ctx context.Context, c *havre.Caller, id SourceID) error {
	s, err := h.Source(ctx, c, id)
	if err != nil || len(s.Files) == 0 {
		return err
	}
	for _, f := range s.Files {
		if _, err := h.Spot(ctx, c, s.Folder, f.Path, svn.InvalidRevnum); err == nil {
			return nil
		}
	}
	if err := h.store.SaveSourceFiles(ctx, id, nil); err != nil {
		return full(err)
	}
	return h.store.EditSource(ctx, actor(c), id, "", func(n *store.Source) error {
		item := itemOf(n)
		item.State = nil // all of it is fetched again
		return setItem(n, item)
	})
}

func setItem(n *store.Source, item *source.Item) error {
	text, err := marshal(item)
	n.Item = text
	return err
}

// shortestSchedule is how often a document can be looked at by a fixed schedule.
const shortestSchedule = 5 * time.Minute

// SetSource changes how a document is backed up.
func (h *Hub) SetSource(ctx context.Context, c *havre.Caller, id SourceID, change SourceChange) error {
	if d := change.Schedule; d != nil && *d != 0 && (*d < shortestSchedule || *d > 31*24*time.Hour) {
		return invalid("a document can be looked at every 5 minutes at most, and every 31 days at least")
	}
	s, err := h.mayChange(ctx, c, id)
	if err != nil {
		return err
	}
	if change.Live != nil && *change.Live && !s.Live {
		p, _ := h.backups.registry.Provider(s.Kind)
		if _, follows := p.(source.Follower); !follows || s.Address.Collection != "" {
			return invalid("documents of this kind cannot be followed live")
		}
		if err := h.mayFollowMore(ctx); err != nil {
			return err
		}
	}
	return h.editSource(ctx, c, id, "source.change", func(n *store.Source) error {
		item := itemOf(n)
		if change.Live != nil {
			n.Live = *change.Live
		}
		if change.Schedule != nil {
			item.History.Every = *change.Schedule
		}
		if change.Secrets != nil || change.Forget {
			if err := h.changeSecrets(n, &change); err != nil {
				return err
			}
		}
		n.Next = h.now()
		return setItem(n, item)
	})
}

func (h *Hub) changeSecrets(n *store.Source, change *SourceChange) error {
	var secrets source.Secrets
	if !change.Forget {
		// Secrets that cannot be read any more are replaced by what is given.
		if was, err := h.vault.openSecrets(n.ID, n.Sealed); err == nil {
			secrets = was
		}
	}
	if change.Secrets != nil {
		secrets = mergeSecrets(change.Secrets, &secrets)
	}
	var err error
	n.Sealed, n.SecretKinds, err = h.vault.sealSecrets(n.ID, &secrets)
	return err
}

// RemoveSource ends a backup. Its files stay, and become files like any other. With a collection go the sources that
// it has added.
func (h *Hub) RemoveSource(ctx context.Context, c *havre.Caller, id SourceID) error {
	if _, err := h.mayChange(ctx, c, id); err != nil {
		return err
	}
	children, err := h.store.Sources(ctx, store.SourceFilter{Parent: id})
	if err != nil {
		return err
	}
	if err := h.store.RemoveSource(ctx, actor(c), id); err != nil {
		return full(err)
	}
	h.backups.stop(id)
	for i := range children {
		h.backups.stop(children[i].ID)
	}
	h.backups.wake()
	return nil
}

// ResolveSuspect decides what becomes of a suspect copy. Its files beside the good ones go, and stay in the history.
func (h *Hub) ResolveSuspect(ctx context.Context, c *havre.Caller, id SourceID, keep SuspectChoice) error {
	s, err := h.mayChange(ctx, c, id)
	if err != nil {
		return err
	}
	if s.Suspect == nil {
		return invalid("nothing of this backup is kept apart")
	}
	if keep != KeepGood && keep != KeepSuspect {
		return invalid("keep the good copy or the suspect one")
	}
	err = h.editSource(ctx, c, id, "source.resolve", func(n *store.Source) error {
		item := itemOf(n)
		if keep == KeepSuspect {
			item.Accept()
			n.Suspect, n.Next = "", h.now()
			return setItem(n, item)
		}
		var err error
		n.Suspect, err = marshal(keptApart{Dismissed: true, Digest: item.Suspect, SuspectCopy: SuspectCopy{Why: s.Suspect.Why, Since: s.Suspect.Since}})
		return err
	})
	if err != nil {
		return err
	}
	return h.dropSuspect(ctx, c, s)
}

// dropSuspect deletes the files of a suspect copy, as far as they are there.
func (h *Hub) dropSuspect(ctx context.Context, c *havre.Caller, s *Source) error {
	at, err := h.Spot(ctx, c, s.Folder, s.Path, svn.InvalidRevnum)
	if err != nil {
		return err
	}
	var paths []svn.Path
	for _, f := range s.Suspect.Files {
		if n, err := at.v.stat(ctx, f.Path, at.Folder.Head); err == nil && n != nil {
			paths = append(paths, f.Path)
		}
	}
	_, err = h.Delete(ctx, c, at, paths, at.Folder.Head)
	return err
}

// NameAuthor gives an author of a pad who has no name one; an empty name takes it away.
func (h *Hub) NameAuthor(ctx context.Context, c *havre.Caller, id SourceID, author, name string) error {
	name = strings.TrimSpace(name)
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
	if author == "" || len(author) > 128 || len(name) > 128 || !utf8.ValidString(author+name) || strings.ContainsFunc(author+name, unprintable) {
		return invalid("this cannot be the name of an author")
	}
	if _, err := h.mayChange(ctx, c, id); err != nil {
		return err
	}
	err := h.store.EditSource(ctx, actor(c), id, "", func(n *store.Source) error {
		names := map[string]string{}
		_ = json.Unmarshal([]byte(n.Authors), &names) // only the hub writes it
		if name != "" && len(names) >= 1000 {
			return invalid("1,000 authors of this document have names already")
		}
		names[author] = name
		maps.DeleteFunc(names, func(_, name string) bool { return name == "" })
		var err error
		n.Authors, err = marshal(names)
		return err
	})
	h.backups.tell()
	return full(err)
}

// moveSources lets backups follow what a commit has moved. That it does not is no failure of the commit: then the
// backup makes its files anew where they were.
func (h *Hub) moveSources(ctx context.Context, p *plan) {
	moves := p.moves()
	if len(moves) == 0 {
		return
	}
	list := make([]havre.Move, len(moves))
	for i, m := range moves {
		list[i] = havre.Move{From: p.v.inFolder(m.From), To: p.v.inFolder(m.To)}
	}
	moved, err := h.store.MoveSources(context.WithoutCancel(ctx), p.v.folder.ID, list)
	if err != nil {
		h.log.LogAttrs(ctx, slog.LevelWarn, "backups do not follow what was moved", slog.String("folder", p.v.folder.Name), slog.Any("error", err))
	}
	if moved {
		h.backups.wake()
	}
}
