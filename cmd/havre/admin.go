package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/havre-cloud/havre/internal/api/certs"
	"github.com/havre-cloud/havre/internal/api/invite"
	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/internal/store"
)

// admin is what the commands on the server work with. The server may run meanwhile.
type admin struct {
	*hub.Admin
	dir string
}

// openAdmin opens the data of a server that was started before.
func openAdmin(ctx context.Context, dir string) (*admin, error) {
	if _, err := os.Stat(filepath.Join(dir, "havre.db")); errors.Is(err, fs.ErrNotExist) {
		return nil, &havre.Error{Code: havre.CodeNotFound, Text: fmt.Sprintf("%s: no server's data is here; start the server once: havre serve --data %s", shown(dir), quoteArg(dir))}
	}
	a, err := hub.OpenAdmin(ctx, dir, hub.Options{Version: programVersion()})
	if err != nil {
		return nil, err
	}
	return &admin{a, dir}, nil
}

// address returns where clients find the server.
func (a *admin) address(ctx context.Context) (string, error) {
	for _, name := range []store.Setting{settingAddress, settingListening} {
		if at, err := a.Setting(ctx, name); err != nil || at != "" {
			return at, err
		}
	}
	return "", &havre.Error{Code: havre.CodeNotFound, Text: "the server's address is not known yet; start the server once: havre serve --data " + quoteArg(a.dir)}
}

// invitation makes the line with which a device joins of a secret.
func (a *admin) invitation(ctx context.Context, secret string) (invite.Invitation, error) {
	address, err := a.address(ctx)
	if err != nil {
		return invite.Invitation{}, err
	}
	certificate, err := certs.Load(filepath.Join(a.dir, "tls"))
	if err != nil {
		return invite.Invitation{}, err
	}
	return invite.Invitation{Address: address, Secret: secret, Fingerprint: certs.Fingerprint(certificate.Leaf)}, nil
}

// folder returns the folder with that name.
func (a *admin) folder(ctx context.Context, name string) (*store.Folder, error) {
	folders, err := a.Folders(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(folders, func(f store.Folder) bool { return strings.EqualFold(f.Name, name) })
	if i < 0 {
		return nil, &havre.Error{Code: havre.CodeNotFound, Text: fmt.Sprintf("there is no folder called %s; see: havre folder list", shown(name))}
	}
	return &folders[i], nil
}

// firstAdmin returns the name of the administrator who was there first.
func (a *admin) firstAdmin(ctx context.Context) (string, error) {
	users, err := a.Users(ctx)
	if err != nil {
		return "", err
	}
	users = slices.DeleteFunc(users, func(u store.User) bool { return !u.IsAdmin() })
	if len(users) == 0 {
		return "", &havre.Error{Code: havre.CodeNotFound, Text: "the server has no administrator yet; start the server once: havre serve --data " + quoteArg(a.dir)}
	}
	return slices.MinFunc(users, func(u, v store.User) int { return u.Created.Compare(v.Created) }).Name, nil
}

// addFolder makes a folder that the first administrator can manage.
func (a *admin) addFolder(ctx context.Context, name string) (*store.Folder, error) {
	first, err := a.firstAdmin(ctx)
	if err != nil {
		return nil, err
	}
	f, err := a.AddFolder(ctx, name)
	if err != nil {
		return nil, err
	}
	return f, a.Grant(ctx, f.Name, first, havre.RightManage)
}
