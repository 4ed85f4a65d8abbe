package hub

import (
	"context"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
)

// Usage is what counts against the quota of a person: the bytes of all files, as they are now, of which
// he or she wrote the latest version, under the name of today, in whatever folder. What is in the
// history costs nobody anything, and who takes over a file takes over its bytes.
type Usage struct {
	Bytes int64
	Quota int64 // -1: none
	Known bool  // all folders have been measured
}

// nearlyUsed is the part of a quota from which on a person is warned.
const nearlyUsed = 0.9

// Nearly says whether the person should make room.
func (u *Usage) Nearly() bool { return u.Quota >= 0 && float64(u.Bytes) >= nearlyUsed*float64(u.Quota) }

// Full says whether there is no room left.
func (u *Usage) Full() bool { return u.Quota >= 0 && u.Bytes >= u.Quota }

// Left returns how many bytes there is room for.
func (u *Usage) Left() int64 { return max(u.Quota-u.Bytes, 0) }

// Usage returns what a person uses, as far as it was measured; what is out of date is measured again in
// the background.
func (h *Hub) Usage(ctx context.Context, user havre.UserID) (Usage, error) {
	u, err := h.access.user(ctx, user)
	if err != nil {
		return Usage{}, err
	}
	use := Usage{Quota: u.Quota, Known: true}
	all, err := h.store.Folders(ctx)
	if err != nil {
		return use, err
	}
	for i := range all {
		f := &all[i]
		repo, err := h.repos.get(f.Location)
		if err != nil {
			continue // the folder's own page says so
		}
		head, err := repo.Youngest(ctx)
		if err != nil {
			continue
		}
		m := h.measures.get(ctx, f, head)
		use.Bytes += m.By[u.Name]
		use.Known = use.Known && m.Rev >= 0
	}
	return use, nil
}

// checkQuota refuses a commit that brings contents into a folder that is as large as it may be, or from
// a person who has as much as he or she may have. What others commit at this moment is not known, and copies
// that the server makes count when they are measured: one can end a little above a quota.
func (h *Hub) checkQuota(ctx context.Context, v *view, c *havre.Caller, commit *havre.Commit, head svn.Revnum) error {
	var more int64
	for i := range commit.Changes {
		if c := &commit.Changes[i]; c.Kind == havre.ChangePut && !c.KeepContent {
			more += c.Entry.Size
		}
	}
	return h.checkRoom(ctx, v, c, more, func(name string) (int64, error) { return v.replaced(ctx, commit, head, name) }, head)
}

// checkRoom refuses more bytes than there is room for in the folder and for the person. replaced returns
// how many go at the same time, all or those that somebody wrote; it is asked only where that decides.
func (h *Hub) checkRoom(ctx context.Context, v *view, c *havre.Caller, more int64, replaced func(author string) (int64, error), head svn.Revnum) error {
	if more <= 0 {
		return nil
	}
	if v.folder.Quota > 0 {
		fits, err := h.measures.fits(ctx, &v.folder, head, more, func() (int64, error) { return replaced("") })
		if err != nil {
			return explain(err, "")
		}
		if !fits {
			return havre.Errorf(havre.CodeFull,
				"the folder %s may hold %d MB and is full: delete something, or ask an administrator for more room",
				v.folder.Name, v.folder.Quota/1_000_000)
		}
	}
	u, err := h.access.user(ctx, c.User)
	if havre.CodeOf(err) == havre.CodeNotFound || err == nil && u.Quota < 0 {
		return nil // what runs in nobody's name has no quota
	}
	if err != nil {
		return err
	}
	fits, err := h.fitsPerson(ctx, &u, more, replaced)
	if err != nil || fits {
		return explain(err, "")
	}
	return havre.Errorf(havre.CodeFull,
		"your files may take %d MB and there is no room for these: delete some of yours, or ask an administrator for more room",
		u.Quota/1_000_000)
}

// fitsPerson says whether so many bytes more are within the person's quota. The folders are measured only
// when what came since the last time might be too much.
func (h *Hub) fitsPerson(ctx context.Context, u *store.User, more int64, replaced func(author string) (int64, error)) (bool, error) {
	all, err := h.store.Folders(ctx)
	if err != nil {
		return false, err
	}
	if h.measures.fitsKnown(all, u, more) {
		return true, nil
	}
	var sum int64
	for i := range all {
		repo, err := h.repos.get(all[i].Location)
		if err != nil {
			continue // nobody can write there either
		}
		head, err := repo.Youngest(ctx)
		if err != nil {
			return false, err
		}
		m, err := h.measures.now(ctx, &all[i], head)
		if err != nil {
			return false, err
		}
		sum += m.By[u.Name]
	}
	gone, err := replaced(u.Name)
	if err != nil || sum+more-gone > u.Quota {
		return false, err
	}
	h.measures.letIn(u.Name, more)
	return true, nil
}

// replaced returns how many bytes of files the commit takes away or writes anew: of those that author
// wrote last, of all if it is empty. Directories that are deleted are not looked into.
func (v *view) replaced(ctx context.Context, commit *havre.Commit, head svn.Revnum, author string) (int64, error) {
	var sum int64
	for i := range commit.Changes {
		c := &commit.Changes[i]
		if c.Kind == havre.ChangeCopy || c.KeepContent {
			continue
		}
		n, err := v.stat(ctx, c.Path, head)
		if err != nil {
			return 0, err
		}
		if n == nil || n.Kind != svn.KindFile {
			continue
		}
		if author != "" {
			act, err := v.repo.ledger.act(ctx, n.CreatedRev)
			if err != nil {
				return 0, err
			}
			if act.Author != author {
				continue
			}
		}
		sum += n.Size
	}
	return sum, nil
}

// checkUpload refuses an upload for which there is no room. What it will replace is not known yet: that
// it might fit counts for it.
func (h *Hub) checkUpload(ctx context.Context, v *view, c *havre.Caller, size int64) error {
	u, err := h.access.user(ctx, c.User)
	if havre.CodeOf(err) == havre.CodeNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	room := u.Quota
	if q := v.folder.Quota; q > 0 && (room < 0 || q < room) {
		room = q
	}
	if room >= 0 && size > room {
		return havre.Errorf(havre.CodeFull, "the file has %d MB, more than there is room for: %d MB are allowed", size/1_000_000, room/1_000_000)
	}
	return nil
}
