package main

import (
	"cmp"
	"context"

	"github.com/havre-cloud/havre/internal/source/framadate"
)

type pollCmd struct {
	Restore pollRestoreCmd `cmd:"" help:"Bring saved polls back to life on an instance."`
}

type pollRestoreCmd struct {
	restoreFlags
	Path     string `arg:"" name:"file|dir" type:"path" help:"A .json file of a poll, as havre backup saves it, or a directory of them."`
	Instance string `arg:"" help:"The Framadate instance, or the address that the poll should have there."`
	Mail     string `placeholder:"ADDRESS" help:"The author's mail address, for instances that send them mail; it is not in the files."`
}

// Help is the text below the usage.
func (pollRestoreCmd) Help() string {
	return `The poll is made anew by the instance's own forms, with its options, votes and comments as far as the instance allows.
What could not be carried over is said. The address with which the poll is administered is printed and
written nowhere: keep it.

Examples:

    havre poll restore "Summer party.json" https://polls.example.org
    havre poll restore ~/Polls https://polls.example.org

It takes a request for each vote and comment, two in a second at most.

` + restoreExitCodes
}

// Run executes the command.
func (c *pollRestoreCmd) Run(ctx context.Context, con *console) error {
	u, err := parseInstance(c.Instance)
	if err != nil {
		return err
	}
	to, ok := framadate.At(u)
	if !ok {
		return &backupError{exitUsage, "that is no address of a Framadate"}
	}
	given, err := c.secrets(con)
	if err != nil {
		return err
	}
	to.Secrets.User, to.Secrets.Password = cmp.Or(given.User, to.Secrets.User), cmp.Or(given.Password, to.Secrets.Password)
	if c.Mail != "" {
		to.Secrets.User = c.Mail
	}
	r := &restorer{con: con, provider: framadate.New(), client: newRestoreClient(con, c.backupFlags), exts: []string{".json"}, one: "poll", to: to}
	return r.run(ctx, c.Path, c.Table)
}
