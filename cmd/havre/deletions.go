package main

import (
	"context"
	"fmt"
)

type deletionsCmd struct {
	Allow deletionsAllowCmd `cmd:"" help:"Let the deletions happen."`
	Undo  deletionsUndoCmd  `cmd:"" help:"Bring back what was deleted."`
}

// Help is the text below the usage.
func (deletionsCmd) Help() string { return deletionsHelp }

const deletionsHelp = `When very many files disappear at once, here or on the server, havre does not pass that on before a
person has said that it was meant. "havre status" shows when deletions are held back. Everything
else goes on meanwhile.

Examples:

    havre deletions allow ~/Team
    havre deletions undo ~/Team

` + exitCodes

type deletionsAllowCmd struct{ deletionsArgs }

type deletionsUndoCmd struct{ deletionsArgs }

type deletionsArgs struct {
	homeFlag
	Dir string `arg:"" help:"The directory, or its folder's name."`
}

// Help is the text below the usage.
func (deletionsArgs) Help() string { return deletionsHelp }

// Run executes the command.
func (c *deletionsAllowCmd) Run(ctx context.Context, con *console) error {
	return c.decide(ctx, con, true)
}

// Run executes the command.
func (c *deletionsUndoCmd) Run(ctx context.Context, con *console) error {
	return c.decide(ctx, con, false)
}

func (c *deletionsArgs) decide(ctx context.Context, con *console, allow bool) error {
	h, err := c.open()
	if err != nil {
		return err
	}
	conn, err := h.Connect(ctx)
	if err != nil {
		return err // only a running client knows what is held
	}
	defer conn.Close()
	status, err := conn.Status(ctx)
	if err != nil {
		return err
	}
	r, err := findReplica(status, c.Dir)
	if err != nil {
		return err
	}
	if r.HeldDown+r.HeldUp == 0 {
		fmt.Fprintf(con.out, "%s: no deletions are held back.\n", shown(r.Dir))
		return nil
	}
	if err := conn.Deletions(ctx, r.ID, allow); err != nil {
		return err
	}
	if allow {
		fmt.Fprintf(con.out, "%s happen now. What goes from this machine is in the trash; every version stays in the repository.\n",
			counted(r.HeldDown+r.HeldUp, "deletion"))
	} else {
		fmt.Fprintln(con.out, "What was deleted comes back.")
	}
	return nil
}
