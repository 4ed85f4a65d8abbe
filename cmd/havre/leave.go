package main

import (
	"context"
	"errors"
	"fmt"
)

type leaveCmd struct {
	homeFlag
	Dir   string `arg:"" optional:"" help:"The directory, or its folder's name, that is to be kept the same no longer."`
	All   bool   `help:"End all of them and leave the server: this machine is no device any more."`
	Force bool   `help:"With --all: even if the server cannot be reached. Revoke the device there later."`
}

// Help is the text below the usage.
func (leaveCmd) Help() string {
	return `The files stay where they are, here and on the server.

Examples:

    havre leave ~/Team
    havre leave --all

` + exitCodes
}

// Run executes the command.
func (c *leaveCmd) Run(ctx context.Context, con *console) error {
	if c.All == (c.Dir != "") {
		return errors.New("say either a directory or --all; see: havre leave --help")
	}
	agent, done, err := c.agent(ctx, con)
	if err != nil {
		return err
	}
	defer done()
	if c.All {
		if err := agent.Leave(ctx, c.Force); err != nil {
			return err
		}
		fmt.Fprintln(con.out, "This machine is no device of the server any more. All files stay where they are.")
		return nil
	}
	status, err := agent.Status(ctx)
	if err != nil {
		return err
	}
	r, err := findReplica(status, c.Dir)
	if err != nil {
		return err
	}
	if err := agent.Remove(ctx, r.ID); err != nil {
		return err
	}
	fmt.Fprintf(con.out, "%s is not kept the same as %s any more. Its files stay.\n", shown(r.Dir), shown(r.Name()))
	return nil
}
