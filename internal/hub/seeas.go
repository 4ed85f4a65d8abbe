package hub

import (
	"context"
	"slices"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
)

// SeeAs returns what a person would see in a directory: the names, and what he or she may do with each. It is
// nil if nothing there is open to the person. Who looks must be an administrator, or manage the directory; of what
// is inside, a manager who does not administer is shown no name that he may not read himself. That somebody
// looked is in the log.
func (h *Hub) SeeAs(ctx context.Context, s *Session, folder string, dir svn.Path, as *store.User) ([]*Entry, error) {
	f, err := h.store.FolderByName(ctx, folder)
	if err != nil {
		return nil, err
	}
	own, err := h.access.reachOf(ctx, s.User.ID, f.ID)
	if err != nil {
		return nil, err
	}
	if !s.Admin() && own.right(dir) < havre.RightManage {
		return nil, havre.Errorf(havre.CodeDenied, "you do not manage %s: ask who manages the folder", show(dir))
	}
	err = h.store.Record(ctx, store.AuditEntry{
		Actor: s.User.Name, Device: havre.WebDevice(s.User.ID), Address: hostOf(s.Address), Action: "folder.seeas",
		Subject: f.Name + "/" + string(dir), Detail: as.Name,
	})
	if err != nil {
		return nil, full(err)
	}
	at, err := h.Spot(ctx, &havre.Caller{User: as.ID, UserName: as.Name, Device: havre.WebDevice(as.ID)}, folder, dir, svn.InvalidRevnum)
	if havre.CodeOf(err) == havre.CodeNotFound && err != nil {
		return nil, nil //nolint:nilerr // nothing there is open to the person
	}
	if err != nil {
		return nil, err
	}
	if !at.Dir() {
		return []*Entry{at.Node}, nil
	}
	entries, err := h.Entries(ctx, at)
	if !s.Admin() {
		entries = slices.DeleteFunc(entries, func(e *Entry) bool { return !own.sees(dir.Join(e.Name), e.Kind == havre.KindDir) })
	}
	return entries, err
}
