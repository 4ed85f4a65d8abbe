package hub

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
)

// Admin administers a server, in the name of somebody for the audit log. A running hub and the commands
// beside it may do so at the same time: the hub notices within half a second what others did.
type Admin struct {
	store   *store.Store
	repos   *repositories
	by      store.Actor
	changed func() // tells the hub of this process
	close   func() error
}

// inviteLife is how long an invitation can be used.
const inviteLife = 7 * 24 * time.Hour

// Admin returns what administers this server in the name of by. It needs no Close.
func (h *Hub) Admin(by store.Actor) *Admin {
	return &Admin{store: h.store, repos: h.repos, by: by, changed: h.forget, close: func() error { return nil }}
}

// OpenAdmin administers the data directory dir from beside the server, which may be running or not, in
// the name of store.Console. Close it afterwards.
func OpenAdmin(ctx context.Context, dir string, opts Options) (*Admin, error) {
	if err := layOut(dir); err != nil {
		return nil, err
	}
	s, err := store.Open(ctx, filepath.Join(dir, "havre.db"), store.Options{Program: opts.Version})
	if err != nil {
		return nil, err
	}
	repos := newRepositories(dir, s)
	return &Admin{
		store: s, repos: repos, by: store.Console, changed: func() {},
		close: func() error { return errors.Join(repos.close(), s.Close()) },
	}, nil
}

// Close ends what OpenAdmin opened.
func (a *Admin) Close() error { return a.close() }

// FirstStart is what the first start of a server gives to the person who started it.
type FirstStart struct {
	Admin *store.User
	// SetupCode lets the person in on the setup page, once.
	SetupCode string
	// Invitation is the secret with which the administrator's first device joins.
	Invitation Invitation
}

// Invitation lets one device join.
type Invitation struct {
	Secret  string
	User    string // name
	Expires time.Time
}

// Bootstrap makes the first administrator if the server has no users yet, else it returns nil.
func (a *Admin) Bootstrap(ctx context.Context, name string) (*FirstStart, error) {
	users, err := a.store.Users(ctx)
	if err != nil || len(users) > 0 {
		return nil, err
	}
	admin, err := a.AddUser(ctx, store.NewUser{Name: name, Role: store.RoleAdmin})
	if err != nil {
		return nil, err
	}
	code, err := a.newSetupCode(ctx)
	if err != nil {
		return nil, err
	}
	inv, err := a.Invite(ctx, admin.Name)
	if err != nil {
		return nil, err
	}
	return &FirstStart{Admin: admin, SetupCode: code, Invitation: *inv}, nil
}

// newSetupCode makes the code that lets a person in on the set-up page; an earlier one is worthless then.
func (a *Admin) newSetupCode(ctx context.Context) (string, error) {
	// 60 bits, in groups that can be typed; guesses are slowed down by the page.
	code := rand.Text()[:12]
	code = code[:4] + "-" + code[4:8] + "-" + code[8:]
	return code, full(a.store.SetSetting(ctx, store.SettingSetupHash, hashSecret(code)))
}

// RenewSetupCode returns a new code in place of the one of the first start; "" if that was used.
func (a *Admin) RenewSetupCode(ctx context.Context) (string, error) {
	if hash, err := a.store.Setting(ctx, store.SettingSetupHash); err != nil || hash == "" {
		return "", err
	}
	return a.newSetupCode(ctx)
}

// done tells the hub of a change.
func (a *Admin) done(err error) error {
	a.changed()
	return full(err)
}

// AddUser makes an account. A name that is taken is havre.CodeExists.
func (a *Admin) AddUser(ctx context.Context, n store.NewUser) (*store.User, error) {
	u, err := a.store.AddUser(ctx, a.by, n)
	return u, a.done(err)
}

// Users returns all accounts by name.
func (a *Admin) Users(ctx context.Context) ([]store.User, error) { return a.store.Users(ctx) }

// SetUserDisabled closes or reopens an account; its devices stop at once.
func (a *Admin) SetUserDisabled(ctx context.Context, user string, disabled bool) error {
	u, err := a.store.UserByName(ctx, user)
	if err != nil {
		return err
	}
	return a.done(a.store.SetUserDisabled(ctx, a.by, u.ID, disabled))
}

// Invite returns a new invitation for a device of the user.
func (a *Admin) Invite(ctx context.Context, user string) (*Invitation, error) {
	u, err := a.store.UserByName(ctx, user)
	if err != nil {
		return nil, err
	}
	inv := &Invitation{Secret: newSecret(), User: u.Name, Expires: time.Now().Add(inviteLife).UTC()}
	if err := a.store.AddInvitation(ctx, a.by, hashSecret(inv.Secret), u.ID, inv.Expires); err != nil {
		return nil, full(err)
	}
	return inv, nil
}

// Devices returns the devices of the user, of everybody if it is empty.
func (a *Admin) Devices(ctx context.Context, user string) ([]store.Device, error) {
	if user == "" {
		return a.store.Devices(ctx, "")
	}
	u, err := a.store.UserByName(ctx, user)
	if err != nil {
		return nil, err
	}
	return a.store.Devices(ctx, u.ID)
}

// RevokeDevice makes the device's token worthless; its streams end within a second.
func (a *Admin) RevokeDevice(ctx context.Context, id havre.DeviceID) error {
	return a.done(a.store.RevokeDevice(ctx, a.by, id))
}

// AddFolder makes a folder with a new repository. Nobody may read it yet: see Grant.
func (a *Admin) AddFolder(ctx context.Context, name string) (*store.Folder, error) {
	name, err := store.CheckFolderName(name)
	if err != nil {
		return nil, err
	}
	if _, err := a.store.FolderByName(ctx, name); err == nil {
		return nil, havre.Errorf(havre.CodeExists, "there is a folder called %s already: choose another name", name)
	}
	location, uuid, err := a.repos.create(ctx, name)
	if err != nil {
		return nil, full(fmt.Errorf("make the repository of the folder %s: %w", name, err))
	}
	// A crash here leaves a repository without a folder, never a folder without its repository.
	f, err := a.store.AddFolder(ctx, a.by, store.Folder{Name: name, Location: location, Repository: uuid})
	if err != nil {
		err = errors.Join(err, a.repos.remove(location))
	}
	return f, a.done(err)
}

// Folders returns all folders by name.
func (a *Admin) Folders(ctx context.Context) ([]store.Folder, error) { return a.store.Folders(ctx) }

// RepositoryDir returns the directory of the folder's repository, for `svn` and its like; "" if it is on another server.
func (a *Admin) RepositoryDir(f *store.Folder) string {
	return a.repos.path(f.Location)
}

// Grant gives the user the right in the whole folder.
func (a *Admin) Grant(ctx context.Context, folder, user string, right havre.Right) error {
	f, err := a.store.FolderByName(ctx, folder)
	if err != nil {
		return err
	}
	u, err := a.store.UserByName(ctx, user)
	if err != nil {
		return err
	}
	return a.done(a.store.SetGrant(ctx, a.by, store.Grant{Folder: f.ID, User: u.ID, Right: right}))
}

// Grants returns the grants of a folder.
func (a *Admin) Grants(ctx context.Context, folder havre.FolderID) ([]store.Grant, error) {
	return a.store.Grants(ctx, folder)
}

// Replicas returns what the devices last reported about a folder.
func (a *Admin) Replicas(ctx context.Context, folder havre.FolderID) ([]store.Replica, error) {
	return a.store.Replicas(ctx, folder)
}

// Audit returns lines of the audit log, see store.Store.Audit.
func (a *Admin) Audit(ctx context.Context, before int64, limit int) ([]store.AuditEntry, error) {
	return a.store.Audit(ctx, before, limit)
}

// slug returns a name for a directory that looks like the folder's and is one everywhere.
func slug(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case b.Len() > 40:
		case r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)):
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	s := strings.Trim(b.String(), "-")
	if s == "" || deviceNames[s] {
		return "folder-" + strings.ToLower(rand.Text()[:6])
	}
	return s
}

// deviceNames cannot be directories on Windows.
var deviceNames = map[string]bool{
	"con": true, "prn": true, "aux": true, "nul": true,
	"com1": true, "com2": true, "com3": true, "com4": true, "lpt1": true, "lpt2": true, "lpt3": true, "lpt4": true,
}
