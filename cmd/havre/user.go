package main

import (
	"context"
	"fmt"
	"time"

	"github.com/havre-cloud/havre/internal/store"
)

// dataFlag is the flag of all commands on the server.
type dataFlag struct {
	Data string `required:"" env:"HAVRE_DATA" placeholder:"DIR" type:"path" help:"The server's directory."`
}

type userCmd struct {
	Add  userAddCmd  `cmd:"" help:"Add a user, and print an invitation for the first device."`
	List userListCmd `cmd:"" help:"List the users."`
}

const userHelp = `Works while the server runs.

Examples:

    havre user add --data /srv/havre ada
    havre user list --data /srv/havre

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
	rows := [][]string{{"NAME", "IN FULL", "SINCE", ""}}
	for _, u := range users {
		note := ""
		switch {
		case u.Disabled:
			note = "disabled"
		case u.Role != store.RoleMember:
			note = u.Role.String()
		}
		rows = append(rows, []string{shown(u.Name), shown(u.DisplayName), u.Created.Local().Format(time.DateOnly), note})
	}
	_, err = fmt.Fprint(con.out, table(rows))
	return err
}
