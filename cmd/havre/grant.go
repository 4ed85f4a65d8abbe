package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
)

type grantCmd struct {
	dataFlag
	Folder string   `arg:"" name:"folder[/path]" help:"The folder's name, and a path in it if the right is for a part of it."`
	Grants []string `arg:"" optional:"" name:"user=right" help:"The right is none, read, write or manage."`
	Group  string   `placeholder:"GROUP" help:"For a group: the right stands alone."`
	Path   string   `placeholder:"PATH" help:"The path, another way to say it."`
	Remove bool     `help:"Take the right away that is set there: what is set further up counts again."`
}

// Help is the text below the usage.
func (grantCmd) Help() string {
	return `Each right includes those before it. What is set nearest to a file decides; "none" takes away what is
set further up. There, a right of the person beats those of groups, and among these the widest counts.
The server and the clients act on it within a second: what may be read no longer leaves the disks;
what was not sent yet is set aside, see "havre status".

Examples:

    havre grant --data /srv/havre Team ada=write
    havre grant --data /srv/havre Team ada=none ben=read
    havre grant --data /srv/havre Team/Accounts ben=none
    havre grant --data /srv/havre Team/Accounts --group Finance write
    havre grant --data /srv/havre Team/Accounts --remove ben

` + exitCodes
}

// Run executes the command.
func (c *grantCmd) Run(ctx context.Context, con *console) error {
	a, err := openAdmin(ctx, c.Data)
	if err != nil {
		return err
	}
	defer a.Close()
	name, path, _ := strings.Cut(c.Folder, "/")
	folder, err := a.folder(ctx, name)
	if err != nil {
		return err
	}
	at, err := svn.CheckPath(strings.Trim(path, "/"))
	if err == nil && c.Path != "" {
		at, err = svn.CheckPath(string(at.Join(strings.Trim(c.Path, "/"))))
	}
	if err != nil {
		return &havre.Error{Code: havre.CodeInvalid, Text: shown(c.Folder) + ": this cannot be a path of a folder", Cause: err}
	}
	changes, err := c.changes(ctx, a)
	if err != nil {
		return err
	}
	for i := range changes {
		changes[i].Grant.Folder, changes[i].Grant.Path, changes[i].Remove = folder.ID, at, c.Remove
	}
	if err := a.SetGrants(ctx, changes); err != nil {
		return err
	}
	rights, err := a.rightsText(ctx, folder)
	if err != nil {
		return err
	}
	fmt.Fprintf(con.out, "%s: %s\n", shown(folder.Name), rights)
	return nil
}

// changes returns whose rights become what.
func (c *grantCmd) changes(ctx context.Context, a *admin) ([]hub.Pending, error) {
	switch {
	case c.Group != "":
		return c.groupChange(ctx, a)
	case len(c.Grants) == 0:
		return nil, errors.New("whose right, and which: ada=write")
	case !c.Remove:
		words := c.Grants
		if len(words) == 2 && !strings.Contains(words[0]+words[1], "=") {
			words = []string{words[0] + "=" + words[1]}
		}
		rights, err := a.parseGrants(ctx, words)
		if err != nil {
			return nil, err
		}
		return a.pending(ctx, rights)
	}
	rights := make([]userRight, len(c.Grants))
	for i, name := range c.Grants {
		rights[i].user = name
	}
	return a.pending(ctx, rights)
}

// groupChange is changes for a group.
func (c *grantCmd) groupChange(ctx context.Context, a *admin) ([]hub.Pending, error) {
	g, err := a.group(ctx, c.Group)
	if err != nil {
		return nil, err
	}
	change := hub.Pending{Grant: store.Grant{Group: g.ID}}
	switch {
	case c.Remove && len(c.Grants) == 0:
	case c.Remove || len(c.Grants) != 1:
		return nil, errors.New("with --group comes the right alone, and with --remove nothing: --group Finance write")
	default:
		if change.Grant.Right, err = parseRight(c.Grants[0]); err != nil {
			return nil, err
		}
	}
	return []hub.Pending{change}, nil
}

// pending turns names into grants.
func (a *admin) pending(ctx context.Context, rights []userRight) ([]hub.Pending, error) {
	users, err := a.Users(ctx)
	if err != nil {
		return nil, err
	}
	var changes []hub.Pending
	for _, r := range rights {
		i := slices.IndexFunc(users, func(u store.User) bool { return strings.EqualFold(u.Name, r.user) })
		if i < 0 {
			return nil, &havre.Error{Code: havre.CodeNotFound, Text: fmt.Sprintf("there is no user called %s; see: havre user list", shown(r.user))}
		}
		changes = append(changes, hub.Pending{Grant: store.Grant{User: users[i].ID, Right: r.right}})
	}
	return changes, nil
}

// rights are those that there are.
var rights = []havre.Right{havre.RightNone, havre.RightRead, havre.RightWrite, havre.RightManage}

func parseRight(word string) (havre.Right, error) {
	i := slices.IndexFunc(rights, func(r havre.Right) bool { return r.String() == word })
	if i < 0 {
		return 0, fmt.Errorf("%s: the right is none, read, write or manage", shown(word))
	}
	return rights[i], nil
}

// rightsText says who may do what in a folder: people first, groups behind @, then the paths where
// something else is set.
func (a *admin) rightsText(ctx context.Context, f *store.Folder) (string, error) {
	grants, err := a.Grants(ctx, f.ID)
	if err != nil {
		return "", err
	}
	names, err := a.holders(ctx)
	if err != nil {
		return "", err
	}
	slices.SortStableFunc(grants, func(g, h store.Grant) int {
		if by := g.Path.Compare(h.Path); by != 0 {
			return by
		}
		return strings.Compare(names[g.User]+names[havre.UserID("@"+g.Group)], names[h.User]+names[havre.UserID("@"+h.Group)])
	})
	var words []string
	last := svn.Path("")
	for i := range grants {
		g := &grants[i]
		if g.Path == "" && g.Right == havre.RightNone {
			continue
		}
		if g.Path != last {
			words = append(words, shown("/"+string(g.Path))+":")
			last = g.Path
		}
		name := names[g.User]
		if g.Group != "" {
			name = names[havre.UserID("@"+g.Group)]
		}
		words = append(words, shown(name)+"="+g.Right.String())
	}
	if len(words) == 0 {
		return "nobody", nil
	}
	return strings.Join(words, " "), nil
}

// holders returns the names of users by their IDs, and of groups, with @ before both.
func (a *admin) holders(ctx context.Context) (map[havre.UserID]string, error) {
	users, err := a.Users(ctx)
	if err != nil {
		return nil, err
	}
	groups, err := a.Groups(ctx)
	if err != nil {
		return nil, err
	}
	names := map[havre.UserID]string{}
	for _, u := range users {
		names[u.ID] = u.Name
	}
	for _, g := range groups {
		names[havre.UserID("@"+g.ID)] = "@" + g.Name
	}
	return names, nil
}
