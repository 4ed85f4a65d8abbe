package hub

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

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

// The bounds of the length of a session.
const (
	shortestSession = time.Hour
	longestSession  = 30 * 24 * time.Hour
)

// SetAddress says where clients reach the server: HOST:PORT, or empty for the address of its last start.
func (a *Admin) SetAddress(ctx context.Context, address string) error {
	address = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(address), "https://"), "/")
	if address != "" {
		host, port, err := net.SplitHostPort(address)
		if n, portErr := strconv.Atoi(port); err != nil || host == "" || portErr != nil || n < 1 || n > 65535 || strings.ContainsAny(address, " /\\@?#%") || len(address) > 255 {
			return invalid("%q is not HOST:PORT, as in files.example.org:7443", address)
		}
	}
	return full(a.store.ChangeSetting(ctx, a.by, store.SettingAddress, address))
}

// SetSessionLength says how long a browser stays signed in that signs in from now on.
func (a *Admin) SetSessionLength(ctx context.Context, d time.Duration) error {
	if d < shortestSession || d > longestSession {
		return invalid("a session lasts from 1 hour to 30 days")
	}
	return full(a.store.ChangeSetting(ctx, a.by, store.SettingSessionHours, fmt.Sprint(int(d/time.Hour))))
}

// SetFactorRequired says whether administrators need a second factor to administer.
func (a *Admin) SetFactorRequired(ctx context.Context, required bool) error {
	value := ""
	if required {
		value = "yes"
	}
	return a.done(a.store.ChangeSetting(ctx, a.by, store.SettingFactor, value))
}

// SessionLength returns how long a browser stays signed in.
func (h *Hub) SessionLength(ctx context.Context) time.Duration {
	value, err := h.store.Setting(ctx, store.SettingSessionHours)
	n, badNumber := strconv.Atoi(value)
	if d := time.Duration(n) * time.Hour; err == nil && badNumber == nil && d >= shortestSession && d <= longestSession {
		return d
	}
	return sessionLife
}

// FactorRequired says whether administrators need a second factor to administer.
func (h *Hub) FactorRequired(ctx context.Context) (bool, error) {
	value, err := h.store.Setting(ctx, store.SettingFactor)
	return value == "yes", err
}
