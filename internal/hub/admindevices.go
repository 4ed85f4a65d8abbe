package hub

import (
	"context"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
)

// ownInvitation is how long an invitation lives that a person makes for another own device.
const ownInvitation = 15 * time.Minute

// InviteOwn returns an invitation for another device of the person, for a quarter of an hour.
func (h *Hub) InviteOwn(ctx context.Context, s *Session) (*Invitation, error) {
	inv := &Invitation{Secret: newSecret(), User: s.User.Name, Expires: time.Now().Add(ownInvitation).UTC()}
	err := h.store.AddInvitation(ctx, store.Actor{Name: s.User.Name, Address: havre.PeerOf(ctx)}, hashSecret(inv.Secret), s.User.ID, inv.Expires)
	if err != nil {
		return nil, full(err)
	}
	return inv, nil
}

// Device returns one device, revoked or not.
func (a *Admin) Device(ctx context.Context, id havre.DeviceID) (store.Device, error) {
	return a.store.Device(ctx, id)
}

// RenameDevice gives the device another name on the server's pages.
func (a *Admin) RenameDevice(ctx context.Context, id havre.DeviceID, name string) error {
	return a.done(a.store.RenameDevice(ctx, a.by, id, name))
}

// DecideHeld tells the device what a person decided about the count deletions that wait in a replica.
// The device hears it within seconds, or when it is back. Another number of deletions by now is an
// error: the person has seen something else.
func (a *Admin) DecideHeld(ctx context.Context, device havre.DeviceID, scope havre.Scope, d havre.Decision, count int64) error {
	return a.done(a.store.DecideHeld(ctx, a.by, device, scope, d, count))
}

// FindAudit returns lines of the audit log, see store.Store.FindAudit.
func (a *Admin) FindAudit(ctx context.Context, f store.AuditFilter, limit int) ([]store.AuditEntry, error) {
	return a.store.FindAudit(ctx, f, limit)
}

// AuditActors returns everybody who appears in the audit log.
func (a *Admin) AuditActors(ctx context.Context) ([]string, error) { return a.store.AuditActors(ctx) }
