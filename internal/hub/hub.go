// Package hub is the server's core: it keeps shared folders in Subversion repositories, lets devices
// commit to them, list and follow them, and enforces the rights of people on every path.
//
// The hub knows no network; internal/api carries its methods over one. Files are in the
// repositories and nowhere else: what changed since a revision is asked of the repository itself,
// so that commits of other programs are seen like our own, and a process that dies forgets only
// caches. People are in internal/store, which other processes may change at any time; what the
// hub remembers of it is at most half a second old.
//
// The data directory:
//
//	havre.db       people, see internal/store
//	havre.lock     locked by the one server that works on the directory
//	repositories/  a Subversion repository for each folder
//	uploads/       contents that wait for their commit, a directory for each device
//
// All failures that a person can do something about are *havre.Error.
package hub

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/source"
	"github.com/havre-cloud/havre/internal/store"
)

// Options are the settings of Open and OpenAdmin.
type Options struct {
	Logger *slog.Logger // none if nil
	// ServerName is what devices are told when they join. If empty, it is the one of the last
	// start, or "havre".
	ServerName string
	// Now is the clock by which accounts expire; time.Now if nil.
	Now func() time.Time
	// Version is this program's.
	Version string
	// Sources are the kinds of online documents that can be backed up; none if nil.
	Sources *source.Registry
	// SourceClient says how instances are visited, besides what an administrator says in SourceSettings.
	SourceClient source.ClientOptions
}

// Hub is the open core of a server. It is safe for concurrent use.
type Hub struct {
	dir       string
	log       *slog.Logger
	name      string // of the server
	store     *store.Store
	lock      *os.File
	access    *access
	repos     *repositories
	uploads   *uploads
	cache     *revisionCache
	seal      *seal
	commits   commitGate
	passwords *hashing
	now       func() time.Time // sessions, second factors and pauses go by it

	touchMu sync.Mutex
	touched map[havre.DeviceID]time.Time // when the store was last told that the device was there

	states   states
	recents  recents
	nameMu   sync.RWMutex // guards name
	presence *presence
	measures *measures
	names    names
	started  time.Time
	vault    *vault
	backups  *backups

	together int // as togetherFrom, for repositories of our own: 0
}

// touchEvery is how often "last seen" is written for a device that is busy all the time.
const touchEvery = time.Minute

// janitorEvery is how often Run looks for uploads that nobody came back for.
const janitorEvery = time.Hour

// Open opens the data directory dir, which is made if it is not there, and locks it: havre.CodeUnavailable
// says that another server has it.
func Open(ctx context.Context, dir string, opts Options) (*Hub, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if err := layOut(dir); err != nil {
		return nil, err
	}
	lock, err := lockDir(filepath.Join(dir, "havre.lock"))
	if err != nil {
		return nil, err
	}
	s, err := store.Open(ctx, filepath.Join(dir, "havre.db"), store.Options{Program: opts.Version, Now: opts.Now})
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	h := &Hub{
		dir: dir, log: opts.Logger, store: s, lock: lock,
		access:    newAccess(s),
		repos:     newRepositories(dir, s),
		uploads:   newUploads(filepath.Join(dir, "uploads")),
		cache:     newRevisionCache(cacheBytes),
		passwords: newHashing(), now: opts.Now,
		touched: map[havre.DeviceID]time.Time{},
		recents: recents{of: map[measureKey]*recentLog{}}, presence: newPresence(), started: time.Now(), states: states{lags: map[havre.FolderID]*lag{}},
	}
	h.repos.note = func(err error) {
		h.log.LogAttrs(context.Background(), slog.LevelWarn, "repository", slog.Any("error", err))
	}
	h.measures = newMeasures(h.repos)
	if h.vault, err = openVault(dir); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	opts.SourceClient.Version = opts.Version
	h.backups = newBackups(h, opts.Sources, opts.SourceClient)
	if h.seal, err = newSeal(ctx, s); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	if h.name, err = identify(ctx, s, opts.ServerName); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

// layOut makes the directories. They are for the server's user alone: who may read a repository
// reads it without asking the hub.
func layOut(dir string) error {
	for _, d := range []string{dir, filepath.Join(dir, "repositories"), filepath.Join(dir, "uploads")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return full(fmt.Errorf("make the data directory: %w", err))
		}
	}
	return nil
}

// identify gives a new server its identity and returns its name.
func identify(ctx context.Context, s *store.Store, name string) (string, error) {
	if _, err := s.InitSetting(ctx, store.SettingServerID, strings.ToLower(rand.Text())); err != nil {
		return "", err
	}
	if name != "" {
		return name, s.SetSetting(ctx, store.SettingServerName, name)
	}
	return s.InitSetting(ctx, store.SettingServerName, "havre")
}

// Close closes everything and lets another server have the directory. Requests must have ended.
func (h *Hub) Close() error {
	return errors.Join(h.repos.close(), h.store.Close(), h.lock.Close())
}

// Run does what has to be done from time to time, until ctx is done.
func (h *Hub) Run(ctx context.Context) error {
	tick := time.NewTicker(janitorEvery)
	defer tick.Stop()
	for {
		h.names.sweep(time.Now().Add(-indexLife))
		if err := h.repos.sweep(time.Now().Add(-uploadLife)); err != nil {
			h.log.LogAttrs(ctx, slog.LevelWarn, "unfinished repositories not removed", slog.Any("error", err))
		}
		if n, err := h.uploads.expire(time.Now().Add(-uploadLife)); err != nil {
			h.log.LogAttrs(ctx, slog.LevelWarn, "uploads not cleaned", slog.Any("error", err))
		} else if n > 0 {
			h.log.LogAttrs(ctx, slog.LevelInfo, "old uploads removed", slog.Int("count", n))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Authenticate returns who has the token. It is havre.CodeUnauthenticated for an unknown token, a
// revoked device and a closed account.
func (h *Hub) Authenticate(ctx context.Context, token string) (*havre.Caller, error) {
	c, err := h.access.caller(ctx, token)
	if err != nil {
		return nil, err
	}
	h.touch(ctx, c.Device)
	return c, nil
}

// touch records that the device is there, now and then.
func (h *Hub) touch(ctx context.Context, id havre.DeviceID) {
	if !h.mustTouch(id, time.Now()) {
		return
	}
	if err := h.store.TouchDevice(ctx, id, havre.PeerOf(ctx)); err != nil {
		h.log.LogAttrs(ctx, slog.LevelWarn, "last contact not recorded", slog.String("device", string(id)), slog.Any("error", err))
	}
}

func (h *Hub) mustTouch(id havre.DeviceID, now time.Time) bool {
	h.touchMu.Lock()
	defer h.touchMu.Unlock()
	if now.Sub(h.touched[id]) < touchEvery {
		return false
	}
	h.touched[id] = now
	return true
}

// Join pairs a device. An invitation that is unknown, used or expired is havre.CodeDenied.
func (h *Hub) Join(ctx context.Context, r havre.JoinRequest) (*havre.Joined, error) {
	token := newSecret()
	d, err := h.store.Redeem(ctx, hashSecret(r.Secret), store.NewDevice{
		Name: r.DeviceName, Platform: r.Platform, Version: r.ClientVersion, TokenHash: hashSecret(token),
	})
	if err != nil {
		return nil, full(err)
	}
	h.access.forget()
	return &havre.Joined{Token: token, Device: d.ID, UserName: d.UserName, ServerName: h.ServerName()}, nil
}

// Leave makes the caller's token worthless.
func (h *Hub) Leave(ctx context.Context, c *havre.Caller) error {
	return h.Admin(actor(c)).RevokeDevice(ctx, c.Device)
}

func actor(c *havre.Caller) store.Actor { return store.Actor{Name: c.UserName, Device: c.Device} }
