package main

import (
	"context"

	"github.com/havre-cloud/havre/internal/source/ethercalc"
)

type sheetCmd struct {
	Restore sheetRestoreCmd `cmd:"" help:"Bring saved sheets back to life on an instance."`
}

type sheetRestoreCmd struct {
	restoreFlags
	Path     string `arg:"" name:"file|dir" type:"path" help:"A .socialcalc or .ethercalc file, as havre backup saves it, or a directory of them."`
	Instance string `arg:"" help:"The EtherCalc instance, or the address that the sheet should have there."`
}

// Help is the text below the usage.
func (sheetRestoreCmd) Help() string {
	return `The sheet is made anew, with its formulas and formats, under an address that is free. Nothing that exists on the
instance is touched.

Examples:

    havre sheet restore Budget.socialcalc https://sheets.example.org
    havre sheet restore ~/Sheets https://sheets.example.org

` + restoreExitCodes
}

// Run executes the command.
func (c *sheetRestoreCmd) Run(ctx context.Context, con *console) error {
	u, err := parseInstance(c.Instance)
	if err != nil {
		return err
	}
	to, ok := ethercalc.At(u)
	if !ok {
		return &backupError{exitUsage, "that is no address of an EtherCalc"}
	}
	given, err := c.secrets(con)
	if err != nil {
		return err
	}
	if given.User != "" || given.Password != "" {
		to.Secrets.User, to.Secrets.Password = given.User, given.Password
	}
	r := &restorer{
		con: con, provider: ethercalc.New(), client: newRestoreClient(con, c.backupFlags),
		exts: []string{".socialcalc", ".ethercalc"}, one: "sheet", to: to,
	}
	return r.run(ctx, c.Path, c.Table)
}
