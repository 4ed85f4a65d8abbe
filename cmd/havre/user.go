package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/store"
)

// dataFlag is the flag of all commands on the server.
type dataFlag struct {
	Data string `required:"" env:"HAVRE_DATA" placeholder:"DIR" type:"path" help:"The server's directory."`
}

type userCmd struct {
	Add      userAddCmd      `cmd:"" help:"Add a user, and print an invitation for the first device."`
	List     userListCmd     `cmd:"" help:"List the users."`
	Role     userRoleCmd     `cmd:"" help:"Say what a user may do on the server as a whole."`
	Password userPasswordCmd `cmd:"" help:"Print an address at which a user chooses a new password."`
}

const userHelp = `Works while the server runs.

Examples:

    havre user add --data /srv/havre ada
    havre user list --data /srv/havre
    havre user role --data /srv/havre ada folders
    havre user password --data /srv/havre ada

` + exitCodes

// Help is the text below the usage.
func (userCmd) Help() string { return userHelp }

type userAddCmd struct {
	dataFlag
	Name        string `arg:"" help:"As the person is to be called in the history."`
	DisplayName string `placeholder:"NAME" help:"The name in full, if it is another."`
	Admin       bool   `help:"An administrator."`
}

// Help is the text below the usage.
func (userAddCmd) Help() string { return userHelp }

// Run executes the command.
func (c *userAddCmd) Run(ctx context.Context, con *console) error {
	a, err := openAdmin(ctx, c.Data)
	if err != nil {
		return err
	}
	defer a.Close()
	role := store.RoleMember
	if c.Admin {
		role = store.RoleAdmin
	}
	user, err := a.AddUser(ctx, store.NewUser{Name: c.Name, DisplayName: c.DisplayName, Role: role})
	if err != nil {
		return err
	}
	fmt.Fprintf(con.out, "%s is a user now.\n\n", shown(user.Name))
	return a.printInvitation(ctx, con, user.Name)
}

type userListCmd struct{ dataFlag }

// Help is the text below the usage.
func (userListCmd) Help() string { return userHelp }

// Run executes the command.
func (c *userListCmd) Run(ctx context.Context, con *console) error {
	a, err := openAdmin(ctx, c.Data)
	if err != nil {
		return err
	}
	defer a.Close()
	users, err := a.Users(ctx)
	if err != nil {
		return err
	}
	devices, err := a.Devices(ctx, "")
	if err != nil {
		return err
	}
	rows := [][]string{{"NAME", "IN FULL", "ROLE", "SINCE", "SEEN", ""}}
	for _, u := range users {
		seen := u.LastSeen
		for _, d := range devices {
			if d.User == u.ID && d.LastSeen.After(seen) {
				seen = d.LastSeen
			}
		}
		rows = append(rows, []string{shown(u.Name), shown(u.DisplayName), u.Role.String(), day(u.Created), day(seen), userNote(&u)})
	}
	_, err = fmt.Fprint(con.out, table(rows))
	return err
}

// day returns the date of a moment, or a dash for none.
func day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format(time.DateOnly)
}

// userNote says whether somebody can come in with the account.
func userNote(u *store.User) string {
	switch {
	case u.Disabled:
		return "disabled"
	case u.Closed(time.Now()):
		return "expired " + day(u.Expires)
	case !u.Expires.IsZero():
		return "expires " + day(u.Expires)
	}
	return ""
}

type userRoleCmd struct {
	dataFlag
	Name string `arg:"" help:"The user's name."`
	Role string `arg:"" help:"guest, member, folders (may create folders) or administrator."`
}

// Help is the text below the usage.
func (userRoleCmd) Help() string { return userHelp }

// Run executes the command.
func (c *userRoleCmd) Run(ctx context.Context, con *console) error {
	role, err := store.ParseRole(c.Role)
	if err != nil {
		return err
	}
	a, err := openAdmin(ctx, c.Data)
	if err != nil {
		return err
	}
	defer a.Close()
	if err := a.ChangeUser(ctx, c.Name, func(u *store.User) { u.Role = role }); err != nil {
		return err
	}
	_, err = fmt.Fprintf(con.out, "%s: %s\n", shown(c.Name), role)
	return err
}

type userPasswordCmd struct {
	dataFlag
	Name   string `arg:"" help:"The user's name."`
	Factor bool   `help:"Take the second factor away as well, after the loss of a phone."`
}

// Help is the text below the usage.
func (userPasswordCmd) Help() string { return userHelp }

// Run executes the command.
func (c *userPasswordCmd) Run(ctx context.Context, con *console) error {
	a, err := openAdmin(ctx, c.Data)
	if err != nil {
		return err
	}
	defer a.Close()
	made, err := a.InvitePassword(ctx, c.Name)
	if err != nil {
		return err
	}
	if c.Factor {
		if err := a.RemoveSecondFactor(ctx, c.Name); err != nil {
			return err
		}
	}
	i, err := a.invitation(ctx, made.Secret)
	if err != nil {
		return err
	}
	i.Fingerprint = "" // for a browser, which has its own way to know the server
	_, err = fmt.Fprintf(con.out, "The person chooses a new password here (once, until %s):\n\n    %s\n",
		made.Expires.Local().Format("2006-01-02 15:04"), strings.TrimSuffix(i.String(), "#sha256="))
	return err
}
