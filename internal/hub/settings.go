package hub

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
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

// What an administrator may say about deletions that wait: fewer files than fewestHeld are what a person
// deletes every day.
const fewestHeld, mostHeld = 20, 1_000_000

// DefaultGuard is that of clients which nobody tells otherwise.
var DefaultGuard = havre.Guard{Files: 1000, Percent: 50, TrashDays: 30}

// Guard returns from when on deletions wait for a person, and how long the trash of a device keeps things. Settings
// that cannot be read are as if nobody had said anything.
func (h *Hub) Guard(ctx context.Context) (havre.Guard, error) {
	g := DefaultGuard
	value, err := h.store.Setting(ctx, store.SettingGuard)
	if err != nil {
		return g, err
	}
	if _, err := fmt.Sscanf(value, "%d %d", &g.Files, &g.Percent); err != nil {
		g = DefaultGuard
	}
	if value, err = h.store.Setting(ctx, store.SettingTrashDays); err != nil {
		return g, err
	}
	if days, err := strconv.ParseInt(value, 10, 64); err == nil {
		g.TrashDays = days
	}
	return g, nil
}

// SetTrashDays says how long the trash of a device keeps what others deleted. Devices hear of it with their next
// report; one that gets a shorter time empties its trash at once.
func (a *Admin) SetTrashDays(ctx context.Context, days int64) error {
	if days < 1 || days > havre.MaxTrashDays {
		return invalid("the trash keeps things for 1 to %d days", havre.MaxTrashDays)
	}
	return full(a.store.ChangeSetting(ctx, a.by, store.SettingTrashDays, strconv.FormatInt(days, 10)))
}

// SetGuard says from when on deletions wait. Devices hear of it with their next report, within seconds.
func (a *Admin) SetGuard(ctx context.Context, g havre.Guard) error {
	if g.Files < fewestHeld || g.Files > mostHeld {
		return invalid("at least %d files, and at most %d: below that, tidying up would be held every day", fewestHeld, mostHeld)
	}
	if g.Percent < 0 || g.Percent > 99 {
		return invalid("the part of the files is from 0 to %d percent", 99)
	}
	return full(a.store.ChangeSetting(ctx, a.by, store.SettingGuard, fmt.Sprintf("%d %d", g.Files, g.Percent)))
}

// HeldFiles returns the files whose deletion waits in a replica, as the device listed them. That somebody looks at
// their names, and not only at how many there are where, is logged.
func (a *Admin) HeldFiles(ctx context.Context, r *ReplicaStatus, names bool) ([]havre.HeldFile, error) {
	if !names {
		return a.store.HeldFiles(ctx, r.Device.ID, r.Report.Scope)
	}
	entry := store.AuditEntry{Actor: a.by.Name, Address: a.by.Address, Action: "held.look", Subject: r.Folder.Name, Detail: r.Device.Name}
	if err := a.store.Record(ctx, entry); err != nil {
		return nil, full(err)
	}
	return a.store.HeldFiles(ctx, r.Device.ID, r.Report.Scope)
}

// FactorRequired says whether administrators need a second factor to administer.
func (h *Hub) FactorRequired(ctx context.Context) (bool, error) {
	value, err := h.store.Setting(ctx, store.SettingFactor)
	return value == "yes", err
}
