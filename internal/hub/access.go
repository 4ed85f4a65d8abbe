package hub

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"strings"
	"sync"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
)

// accessAge is how old what the hub knows about people may be. Another process revokes a device: its
// streams end within twice this time.
const accessAge = 250 * time.Millisecond

// access remembers who may do what, as long as the store's access version stays the same.
type access struct {
	store *store.Store

	mu       sync.Mutex // guards the following
	asked    time.Time  // when version was read
	version  int64
	callers  map[string]*havre.Caller // by hash of the token
	devices  map[havre.DeviceID]bool  // those that may come in
	sessions map[string]*Session      // by hash of the token
	until    time.Time                // when the next account expires; zero: none does
	users    map[havre.UserID]store.User
	readers  map[GrantPlace]Readers
	folders  map[havre.FolderID]store.Folder
	grants   map[havre.UserID][]store.Grant
	reaches  map[reachKey]*reach
}

// reachKey is a person and a folder.
type reachKey struct {
	user   havre.UserID
	folder havre.FolderID
}

func newAccess(s *store.Store) *access { return &access{store: s} }

// forget makes the next question look at the store.
func (a *access) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = time.Time{}
}

// refresh drops what is known if the store has changed since; a.mu is held. It holds up all
// requests for one query of some 50 µs every accessAge.
func (a *access) refresh(ctx context.Context) error {
	if time.Since(a.asked) < accessAge {
		return nil
	}
	v, err := a.store.AccessVersion(ctx)
	if err != nil {
		return err
	}
	// An account that expires raises no version, but it is known when it will.
	if v != a.version || a.callers == nil || !a.until.IsZero() && !time.Now().Before(a.until) {
		if a.until, err = a.store.NextExpiry(ctx); err != nil {
			return err
		}
		a.version = v
		a.users = map[havre.UserID]store.User{}
		a.readers = map[GrantPlace]Readers{}
		a.callers = map[string]*havre.Caller{}
		a.sessions = map[string]*Session{}
		a.devices = map[havre.DeviceID]bool{}
		a.folders = map[havre.FolderID]store.Folder{}
		a.grants = map[havre.UserID][]store.Grant{}
		a.reaches = map[reachKey]*reach{}
	}
	a.asked = time.Now()
	return nil
}

// caller returns who has the token. Unknown tokens are not remembered: there is no end to them.
func (a *access) caller(ctx context.Context, token string) (*havre.Caller, error) {
	hash := hashSecret(token)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.refresh(ctx); err != nil {
		return nil, err
	}
	if c, ok := a.callers[hash]; ok {
		return c, nil
	}
	d, err := a.store.DeviceByToken(ctx, hash)
	if err != nil {
		return nil, err
	}
	c := &havre.Caller{User: d.User, UserName: d.UserName, Device: d.ID, DeviceName: d.Name}
	a.callers[hash], a.devices[d.ID] = c, true
	return c, nil
}

// alive fails if the device may not come in any more.
func (a *access) alive(ctx context.Context, id havre.DeviceID) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.refresh(ctx); err != nil {
		return err
	}
	if a.devices[id] {
		return nil
	}
	if user, web := havre.UserOfWeb(id); web {
		u, err := a.store.User(ctx, user)
		if havre.CodeOf(err) == havre.CodeNotFound || err == nil && u.Closed(time.Now()) {
			return havre.Errorf(havre.CodeUnauthenticated, "the account is closed: ask an administrator to reopen it")
		}
		if err != nil {
			return err
		}
	} else if _, err := a.store.ActiveDevice(ctx, id); err != nil {
		return err
	}
	a.devices[id] = true
	return nil
}

// user returns an account as it is.
func (a *access) user(ctx context.Context, id havre.UserID) (store.User, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.refresh(ctx); err != nil {
		return store.User{}, err
	}
	if u, ok := a.users[id]; ok {
		return u, nil
	}
	u, err := a.store.User(ctx, id)
	if err == nil {
		a.users[id] = u
	}
	return u, err
}

// of returns the folder and what the user may do in it.
func (a *access) of(ctx context.Context, user havre.UserID, id havre.FolderID) (store.Folder, *reach, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.refresh(ctx); err != nil {
		return store.Folder{}, nil, err
	}
	f, ok := a.folders[id]
	if !ok {
		var err error
		if f, err = a.store.Folder(ctx, id); err != nil {
			return store.Folder{}, nil, err
		}
		a.folders[id] = f
	}
	r, err := a.reach(ctx, user, id)
	return f, r, err
}

// reachOf returns what the user may do in a folder.
func (a *access) reachOf(ctx context.Context, user havre.UserID, id havre.FolderID) (*reach, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.refresh(ctx); err != nil {
		return nil, err
	}
	return a.reach(ctx, user, id)
}

// reach is reachOf; a.mu is held.
func (a *access) reach(ctx context.Context, user havre.UserID, id havre.FolderID) (*reach, error) {
	key := reachKey{user, id}
	if r, ok := a.reaches[key]; ok {
		return r, nil
	}
	grants, ok := a.grants[user]
	if !ok {
		var err error
		if grants, err = a.store.GrantsOf(ctx, user); err != nil {
			return nil, err
		}
		a.grants[user] = grants
	}
	r := newReach(grants, id)
	a.reaches[key] = r
	return r, nil
}

// newSecret returns 256 random bits in letters and digits that survive shells, mails and double clicks.
func newSecret() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b))
}

// hashSecret returns what the store keeps of a secret. A plain hash is enough for 256 random bits.
func hashSecret(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

func sqliteFull(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && e.Code()&0xff == sqlite3.SQLITE_FULL
}
