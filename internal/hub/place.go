package hub

import (
	"context"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// ServerName returns what the server is called.
func (h *Hub) ServerName() string {
	h.nameMu.RLock()
	defer h.nameMu.RUnlock()
	return h.name
}

// Reach returns the right that the caller has at a path of the folder with the name; RightRead at least if
// anything below the path may be read, so that a person finds the way to it. A folder of which the
// caller may read nothing is havre.CodeNotFound, like one that is not there.
func (h *Hub) Reach(ctx context.Context, c *havre.Caller, folder string, path svn.Path) (havre.Right, error) {
	missing := func() error {
		return havre.Errorf(havre.CodeNotFound, "there is no folder called %s", folder)
	}
	f, err := h.store.FolderByName(ctx, folder)
	if err != nil {
		if havre.CodeOf(err) == havre.CodeNotFound {
			return havre.RightNone, missing()
		}
		return havre.RightNone, err
	}
	r, err := h.access.reachOf(ctx, c.User, f.ID)
	if err != nil {
		return havre.RightNone, err
	}
	if !r.sees("", true) || !f.Archived.IsZero() {
		return havre.RightNone, missing()
	}
	right := r.right(path)
	if right == havre.RightNone && r.leads(path) {
		right = havre.RightRead
	}
	return right, nil
}

// WaitFolder returns the youngest revision of a folder as soon as it is above since; with svn.InvalidRevnum it
// returns at once. It tells no names and does not ask who wants to know.
func (h *Hub) WaitFolder(ctx context.Context, folder string, since svn.Revnum) (svn.Revnum, error) {
	f, err := h.store.FolderByName(ctx, folder)
	if err != nil {
		return svn.InvalidRevnum, err
	}
	repo, err := h.repos.get(f.Location)
	if err != nil {
		return svn.InvalidRevnum, err
	}
	if since == svn.InvalidRevnum {
		return repo.Youngest(ctx)
	}
	return repo.Wait(ctx, since)
}

// Version returns something that is another when people, rights, folders, devices, what these reported or
// the audit log have changed, by whatever process.
func (h *Hub) Version(ctx context.Context) (string, error) { return h.store.Version(ctx) }

// DevicesVersion returns something that is another when the devices of a person, or what they reported, have
// changed.
func (h *Hub) DevicesVersion(ctx context.Context, user havre.UserID) (string, error) {
	return h.store.DevicesVersion(ctx, user)
}
