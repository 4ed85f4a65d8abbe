package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/fsfs"
)

type svnCmd struct {
	Info   svnInfoCmd   `cmd:"" help:"Say what a Subversion repository on this machine is like."`
	Verify svnVerifyCmd `cmd:"" help:"Read all of a repository and compare every checksum."`
}

const svnHelp = `These work on the directory of any Subversion repository (FSFS, of Subversion 1.1 and later), without Subversion
installed, and change nothing. Others may use the repository meanwhile.

Examples:

    havre svn info /srv/svn/plans
    havre svn verify /srv/svn/plans

` + exitCodes

// Help is the text below the usage.
func (svnCmd) Help() string { return svnHelp }

type svnInfoCmd struct {
	Dir string `arg:"" help:"The directory of the repository."`
}

// Help is the text below the usage.
func (svnInfoCmd) Help() string { return svnHelp }

// Run executes the command.
func (c *svnInfoCmd) Run(ctx context.Context, con *console) error {
	r, err := openFSFS(c.Dir)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // it was only read
	info, err := r.Info(ctx)
	if err != nil {
		return err
	}
	hooks, err := fsfs.ActiveHooks(c.Dir)
	if err != nil {
		return err
	}
	layout := "one directory for all revisions"
	if info.Shard > 0 {
		layout = fmt.Sprintf("%s revisions in a directory", grouped(int64(info.Shard)))
	}
	addressing := "physical"
	if info.Logical {
		addressing = "logical"
	}
	packed := "none"
	if info.Packed > 0 {
		packed = fmt.Sprintf("r0 to r%d", info.Packed-1)
	}
	rows := [][]string{
		{"UUID", r.UUID()},
		{"Youngest", fmt.Sprintf("r%d", info.Youngest)},
	}
	for rev, err := range r.Log(ctx, info.Youngest, info.Youngest) {
		if err != nil {
			return err
		}
		if !rev.Date().IsZero() {
			rows = append(rows, []string{"Last change", rev.Date().Local().Format("2006-01-02 15:04") + by(rev.Author())})
		}
	}
	rows = append(rows,
		[]string{"Format", fmt.Sprintf("FSFS %d, %s addressing, %s", info.Format, addressing, layout)},
		[]string{"Packed", packed},
	)
	if len(hooks) > 0 {
		rows = append(rows, []string{"Hooks", strings.Join(hooks, ", ")})
	}
	_, err = fmt.Fprint(con.out, table(rows))
	return err
}

// by names an author, if there is one.
func by(author string) string {
	if author == "" {
		return ""
	}
	return " by " + shown(author)
}

// openFSFS opens a repository, with what is wrong in words.
func openFSFS(dir string) (*fsfs.Repository, error) {
	r, err := fsfs.Open(filepath.Clean(dir), fsfs.Options{})
	if bad, ok := errors.AsType[*fsfs.FormatError](err); ok {
		return nil, &havre.Error{Code: havre.CodeInvalid, Text: bad.Error()}
	}
	return r, err
}

type svnVerifyCmd struct {
	Dir string `arg:"" help:"The directory of the repository."`
}

// Help is the text below the usage.
func (svnVerifyCmd) Help() string { return svnHelp }

// Run executes the command.
func (c *svnVerifyCmd) Run(ctx context.Context, con *console) error {
	r, err := openFSFS(c.Dir)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // it was only read
	youngest, err := r.Youngest(ctx)
	if err != nil {
		return err
	}
	bad := 0
	err = r.Verify(ctx, 0, youngest, func(rev svn.Revnum, err error) error {
		if err != nil {
			bad++
			_, werr := fmt.Fprintf(con.out, "r%d: %v\n", rev, err)
			return werr
		}
		return nil
	})
	if err != nil {
		return err
	}
	all := fmt.Sprintf("%s revisions", grouped(int64(youngest)+1))
	if bad > 0 {
		return &havre.Error{Code: havre.CodeInternal, Text: fmt.Sprintf("%d of %s are damaged: bring the repository back from a backup, or ask for help with `svnadmin recover` and `fsfsverify`", bad, all)}
	}
	_, err = fmt.Fprintf(con.out, "%s, all of them whole.\n", all)
	return err
}
