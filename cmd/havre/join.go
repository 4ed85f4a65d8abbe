package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/havre-cloud/havre/internal/api/apiclient"
	"github.com/havre-cloud/havre/internal/api/invite"
	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/home"
)

type joinCmd struct {
	homeFlag
	Invitation string `arg:"" help:"The invitation, in quotes: it begins with https:// and has a # in it."`
	Name       string `placeholder:"DEVICE" help:"What this device is called, for the others too. By default the machine's name."`
}

// Help is the text below the usage.
func (joinCmd) Help() string {
	return `The server is recognised by the fingerprint in the invitation, now and from then on.

Example:

    havre join 'https://files.example.org:7443/join/SECRET#sha256=FINGERPRINT' --name laptop

` + exitCodes
}

// Run executes the command.
func (c *joinCmd) Run(ctx context.Context, con *console) error {
	invitation, err := invite.Parse(c.Invitation)
	if err != nil {
		return err
	}
	if c.Name == "" {
		if c.Name, err = os.Hostname(); err != nil {
			return fmt.Errorf("the name of this machine: %w; say what the device is called with --name", err)
		}
	}
	h, err := c.open()
	if err != nil {
		return err
	}
	lock, err := h.Lock()
	if err != nil {
		return err
	}
	defer lock.Unlock() //nolint:errcheck // the end of the process does it too
	if err := join(ctx, h, invitation, c.Name); err != nil {
		return err
	}
	config, err := h.Joined()
	if err != nil {
		return err
	}
	id := config.Identity
	fmt.Fprintf(con.out, "This machine is %s's device %s on %s now.\n", shown(id.UserName), shown(id.DeviceName), shown(id.ServerName))
	c.showFolders(ctx, con, id)
	return nil
}

// showFolders says what there is to add.
func (c *joinCmd) showFolders(ctx context.Context, con *console, id *home.Identity) {
	remote := connect(id)
	defer remote.Close()
	folders, err := remote.Folders(ctx)
	switch {
	case err != nil:
		return // it has joined; what fails now fails again, and is told, with `havre add`
	case len(folders) == 0:
		fmt.Fprintln(con.out, "No folder is shared with this person yet.")
	default:
		fmt.Fprintln(con.out, "\nFolders:")
		for _, f := range folders {
			right := f.Right.String()
			if f.Right == havre.RightNone {
				right = "parts of it"
			}
			fmt.Fprintf(con.out, "  %s (%s)\n", shown(f.Name), right)
		}
		fmt.Fprintf(con.out, "\nNext: havre add %s DIR, then: havre run\n", quoteArg(folders[0].Name))
	}
}

// join pairs the device and writes down who it is. The caller has the home's lock.
func join(ctx context.Context, h *home.Home, i invite.Invitation, name string) error {
	config, err := h.Config()
	if err != nil {
		return err
	}
	if id := config.Identity; id != nil {
		return &havre.Error{Code: havre.CodeExists, Text: fmt.Sprintf(
			"this machine is the device %s of the server %s already; leave it first (havre leave --all), or choose another directory for this client with --home",
			shown(id.DeviceName), id.Server)}
	}
	joined, err := apiclient.Join(ctx, i, havre.JoinRequest{
		DeviceName: name, ClientVersion: programVersion(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
	})
	if err != nil {
		return err
	}
	config.Identity = &home.Identity{
		Server: i.Address, Fingerprint: i.Fingerprint, Token: joined.Token, Device: joined.Device,
		DeviceName: name, UserName: joined.UserName, ServerName: joined.ServerName,
	}
	if err := h.Save(config); err != nil {
		// Without its token the device is of no use to anybody.
		remote := connect(config.Identity)
		defer remote.Close()
		return errors.Join(err, remote.Leave(ctx))
	}
	return nil
}

// connect returns the server as the device sees it.
func connect(id *home.Identity) *apiclient.Client {
	return apiclient.New(apiclient.Options{Address: id.Server, Fingerprint: id.Fingerprint, Token: id.Token})
}
