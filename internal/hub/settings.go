package hub

import (
	"context"

	"github.com/havre-cloud/havre/internal/store"
)

// Setting returns a value that belongs to the server as a whole, "" if it was never set.
func (a *Admin) Setting(ctx context.Context, name store.Setting) (string, error) {
	return a.store.Setting(ctx, name)
}

// SetSetting sets such a value.
func (a *Admin) SetSetting(ctx context.Context, name store.Setting, value string) error {
	return full(a.store.SetSetting(ctx, name, value))
}
