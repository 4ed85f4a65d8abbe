package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sync/errgroup"

	"github.com/havre-cloud/havre/internal/home"
)

type runCmd struct {
	homeFlag
	Quiet      bool `short:"q" help:"Do not show a line for each change."`
	WithParent bool `hidden:"" help:"End when standard input does."`
}

// Help is the text below the usage.
func (runCmd) Help() string {
	return `It shows a line for each change: when, to the server (↑) or from it (↓), what, the revision, and the time
it took. Ctrl-C ends it cleanly; what changes meanwhile is found at the next start. From another terminal:
havre status.

Examples:

    havre run
    havre run --quiet 2>> havre.log

` + exitCodes
}

// Run executes the command.
func (c *runCmd) Run(ctx context.Context, con *console) error {
	if c.WithParent {
		ctx = untilClosed(ctx, con.in)
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
	config, err := h.Joined()
	if err != nil {
		return err
	}
	control, remove, err := h.Listen()
	if err != nil {
		return err
	}
	r := newRunner(h, config, con.log)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return keepSmall(ctx) })
	g.Go(func() error { return home.Serve(ctx, control, r, r.events.subscribe) })
	g.Go(func() error {
		defer cancel() // `leave --all` ends it
		return r.run(ctx)
	})
	if !c.Quiet {
		view := newLive(con.out, os.Stdout.Fd(), config.Identity.DeviceName)
		fmt.Fprint(con.out, runningText(config))
		events := r.events.subscribe(ctx)
		g.Go(func() error {
			view.run(ctx, events, r.notes)
			return nil
		})
	}
	return errors.Join(g.Wait(), remove())
}

// runningText says what is kept the same.
func runningText(config *home.Config) string {
	if len(config.Replicas) == 0 {
		return "No directory is kept the same as a folder yet; add one, from another terminal: havre add FOLDER DIR\n"
	}
	rows := make([][]string, len(config.Replicas))
	for i, r := range config.Replicas {
		rows[i] = []string{shown(r.Name()), shown(r.Dir)}
	}
	return "Kept the same, until Ctrl-C:\n\n" + indented(table(rows)) + "\n"
}
