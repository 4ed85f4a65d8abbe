package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/havre-cloud/havre/internal/home"
	"github.com/havre-cloud/havre/svn"
)

type addCmd struct {
	homeFlag
	Folder string `arg:"" name:"folder[/path]" help:"The shared folder, or a directory in it."`
	Dir    string `arg:"" help:"The directory of this machine. It is made if it is not there; files that it has are shared, none is deleted."`
}

// Help is the text below the usage.
func (addCmd) Help() string {
	return `Where both sides have a file of the same name with different contents, both are kept.

Examples:

    havre add Team ~/Team
    havre add Team/Photos/2026 /data/photos

` + exitCodes
}

// Run executes the command.
func (c *addCmd) Run(ctx context.Context, con *console) error {
	req, err := addRequest(c.Folder, c.Dir)
	if err != nil {
		return err
	}
	agent, done, err := c.agent(ctx, con)
	if err != nil {
		return err
	}
	defer done()
	r, err := agent.Add(ctx, req)
	if err != nil {
		return err
	}
	fmt.Fprintf(con.out, "%s is kept the same as %s from now on.\n", shown(r.Dir), shown(r.Name()))
	if _, direct := agent.(*directAgent); direct {
		fmt.Fprintln(con.out, "No client runs here yet; start it with: havre run")
	}
	return nil
}

// addRequest reads the arguments: the name of a folder has no slash, what follows is a path in it.
func addRequest(folder, dir string) (home.AddRequest, error) {
	name, rest, _ := strings.Cut(strings.Trim(folder, "/"), "/")
	if name == "" {
		return home.AddRequest{}, errors.New("no folder is named; see: havre add --help")
	}
	path, err := svn.CheckPath(rest)
	if err != nil {
		return home.AddRequest{}, err
	}
	dir, err = filepath.Abs(dir)
	return home.AddRequest{Folder: name, Path: path, Dir: dir}, err
}
