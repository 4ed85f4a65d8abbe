package main

import (
	"context"
	"strings"

	"github.com/havre-cloud/havre/internal/source"
)

type pollCmd struct {
	Restore pollRestoreCmd `cmd:"" help:"Bring saved polls back to life on an instance."`
}

type pollRestoreCmd struct {
	restoreFlags
	Path     string `arg:"" name:"file|dir" type:"path" help:"A .json file of a poll, as havre backup saves it, or a directory of them."`
	Instance string `arg:"" help:"The Framadate instance."`
}

// Help is the text below the usage.
func (pollRestoreCmd) Help() string {
	return `The poll is made anew by the instance's own forms, with its options, votes and comments as far as the instance allows.
What could not be carried over is said. The address with which the poll is administered is printed and
written nowhere: keep it.

Examples:

    havre poll restore "Summer party.json" https://polls.example.org
    havre poll restore ~/Polls https://polls.example.org

` + restoreExitCodes
}

// Run executes the command.
func (c *pollRestoreCmd) Run(ctx context.Context, con *console) error {
	u, err := parseInstance(c.Instance)
	if err != nil {
		return err
	}
	provider, err := restorerOf(source.KindFramadate)
	if err != nil {
		return err
	}
	to := source.Recognised{Address: source.Address{Kind: source.KindFramadate}}
	to.Address.Instance = strings.TrimSuffix(strings.ToLower(u.Scheme+"://"+u.Host)+u.EscapedPath(), "/")
	to.Address.URL = to.Address.Instance
	if to.Secrets, err = c.secrets(con); err != nil {
		return err
	}
	r := &restorer{con: con, provider: provider, client: newRestoreClient(con, c.backupFlags), ext: ".json", one: "poll", to: to}
	return r.run(ctx, c.Path, c.Table)
}

// restorerOf returns the provider that brings documents of a kind back.
func restorerOf(kind source.Kind) (source.Restorer, error) {
	for _, p := range providers() {
		if r, ok := p.(source.Restorer); ok && p.Kind() == kind {
			return r, nil
		}
	}
	return nil, &backupError{exitFailed, "this program does not bring documents of that kind back"}
}
