package main

import (
	"context"
	"fmt"
)

type inviteCmd struct {
	dataFlag
	User string `arg:"" help:"The user's name."`
}

// Help is the text below the usage.
func (inviteCmd) Help() string {
	return `An invitation is good for one device. Pass it on in a way that others do not read. Works while the
server runs.

Example:

    havre invite --data /srv/havre ada

` + exitCodes
}

// Run executes the command.
func (c *inviteCmd) Run(ctx context.Context, con *console) error {
	a, err := openAdmin(ctx, c.Data)
	if err != nil {
		return err
	}
	defer a.Close()
	return a.printInvitation(ctx, con, c.User)
}

// printInvitation makes an invitation and says what to do with it.
func (a *admin) printInvitation(ctx context.Context, con *console, user string) error {
	made, err := a.Invite(ctx, user)
	if err != nil {
		return err
	}
	i, err := a.invitation(ctx, made.Secret)
	if err != nil {
		return err
	}
	fmt.Fprintf(con.out, "On the person's machine (good for one device, until %s):\n\n    havre join '%s'\n",
		made.Expires.Local().Format("2006-01-02 15:04"), i)
	return nil
}
