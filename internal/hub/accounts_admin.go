package hub

import (
	"context"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
)

// User returns the account with that name.
func (a *Admin) User(ctx context.Context, name string) (*store.User, error) {
	u, err := a.store.UserByName(ctx, name)
	if err != nil {
		return nil, err
	}
	return &u, nil
}

// ChangeUser lets edit change display name, e-mail address, role, expiry and quota of an account.
func (a *Admin) ChangeUser(ctx context.Context, user string, edit func(*store.User)) error {
	return a.on(ctx, user, func(u *store.User) error { return a.store.ChangeUser(ctx, a.by, u.ID, edit) })
}

// DeleteUser removes an account; its devices stop at once, its files stay.
func (a *Admin) DeleteUser(ctx context.Context, user string) error {
	return a.on(ctx, user, func(u *store.User) error { return a.store.DeleteUser(ctx, a.by, u.ID) })
}

// Sessions returns the browsers in which the user is signed in, the latest first.
func (a *Admin) Sessions(ctx context.Context, user string) ([]store.Session, error) {
	u, err := a.store.UserByName(ctx, user)
	if err != nil {
		return nil, err
	}
	return a.store.Sessions(ctx, u.ID)
}

// EndSessions signs all browsers of the user out.
func (a *Admin) EndSessions(ctx context.Context, user string) error {
	return a.on(ctx, user, func(u *store.User) error { return a.store.EndSessions(ctx, a.by, u.ID, "") })
}

// RemoveSecondFactor lets the user sign in by the password alone, as after the loss of a phone.
func (a *Admin) RemoveSecondFactor(ctx context.Context, user string) error {
	return a.on(ctx, user, func(u *store.User) error { return a.store.SetTOTP(ctx, a.by, u.ID, "", 0, nil) })
}

// passwordLife is how long the address at which a new password is chosen can be used.
const passwordLife = 24 * time.Hour

// InvitePassword returns an invitation with which the user chooses a new password in the browser. It
// pairs no device.
func (a *Admin) InvitePassword(ctx context.Context, user string) (*Invitation, error) {
	inv := &Invitation{Secret: newSecret(), Expires: time.Now().Add(passwordLife).UTC()}
	return inv, a.on(ctx, user, func(u *store.User) error {
		inv.User = u.Name
		return a.store.AddPasswordInvitation(ctx, a.by, hashSecret(inv.Secret), u.ID, inv.Expires)
	})
}

// on does something with the account that has the name.
func (a *Admin) on(ctx context.Context, name string, do func(*store.User) error) error {
	u, err := a.store.UserByName(ctx, name)
	if err != nil {
		return err
	}
	return a.done(do(&u))
}

// errWrongPassword is for a person who is signed in already.
func errWrongPassword() error {
	return havre.Errorf(havre.CodeInvalid, "this is not your present password")
}
