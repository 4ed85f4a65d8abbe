package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
)

const folderManageHelp = `A folder's repository keeps its place and its history whatever the folder is called. An archived
folder leaves everybody's list and is not synchronised any more; nothing of it is lost, and it can be
taken back. Works while the server runs.

An adopted repository stays where it is, and Subversion's own programs can go on to use it: havre never
deletes it. Its format must be one that havre can write (1.4 or later). Where it has hooks that run around
commits, they run, through Subversion's program svnserve, which the server needs then.

Examples:

    havre folder adopt --data /srv/havre Plans /srv/svn/plans --root trunk
    havre folder rename --data /srv/havre Plans Drawings
    havre folder quota --data /srv/havre Drawings 50GB
    havre folder archive --data /srv/havre Drawings
    havre folder unarchive --data /srv/havre Drawings

` + exitCodes

type folderAdoptCmd struct {
	dataFlag
	Name  string   `arg:"" help:"The folder's name, without a slash."`
	Dir   string   `arg:"" help:"The directory of the repository."`
	Root  string   `placeholder:"PATH" help:"Only this directory in the repository."`
	Grant []string `placeholder:"USER=RIGHT" sep:"none" help:"Give a user a right: read, write or manage."`
}

// Help is the text below the usage.
func (folderAdoptCmd) Help() string { return folderManageHelp }

// Run executes the command.
func (c *folderAdoptCmd) Run(ctx context.Context, con *console) error {
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return err
	}
	return onFolders(ctx, c.Data, func(a *admin) error {
		first, err := a.firstAdmin(ctx)
		if err != nil {
			return err
		}
		grants, err := a.parseGrants(ctx, c.Grant)
		if err != nil {
			return err
		}
		f, err := a.AdoptFolder(ctx, c.Name, dir, svn.Path(c.Root))
		if err != nil {
			return err
		}
		for _, g := range append([]userRight{{first, havre.RightManage}}, grants...) {
			if err := a.Grant(ctx, f.Name, g.user, g.right); err != nil {
				return err
			}
		}
		fmt.Fprintf(con.out, "%s is a folder now, in the repository where it is:\n\n    %s\n", shown(f.Name), fileURL(a.RepositoryDir(f)))
		return nil
	})
}

type folderRenameCmd struct {
	dataFlag
	Name string `arg:"" help:"The folder's name."`
	To   string `arg:"" help:"The new name."`
}

// Help is the text below the usage.
func (folderRenameCmd) Help() string { return folderManageHelp }

// Run executes the command.
func (c *folderRenameCmd) Run(ctx context.Context, con *console) error {
	return onFolders(ctx, c.Data, func(a *admin) error {
		f, err := a.folder(ctx, c.Name)
		if err != nil {
			return err
		}
		if err := a.RenameFolder(ctx, f.Name, c.To); err != nil {
			return err
		}
		fmt.Fprintf(con.out, "%s is called %s now. Directories on people's machines keep their names.\n", shown(f.Name), shown(c.To))
		return nil
	})
}

type folderArchiveCmd struct {
	dataFlag
	Name string `arg:"" help:"The folder's name."`
}

// Help is the text below the usage.
func (folderArchiveCmd) Help() string { return folderManageHelp }

// Run executes the command.
func (c *folderArchiveCmd) Run(ctx context.Context, con *console) error {
	return archive(ctx, con, c.Data, c.Name, true, "%s is archived: it is not synchronised any more, and nothing of it is lost.\n")
}

type folderUnarchiveCmd struct {
	dataFlag
	Name string `arg:"" help:"The folder's name."`
}

// Help is the text below the usage.
func (folderUnarchiveCmd) Help() string { return folderManageHelp }

// Run executes the command.
func (c *folderUnarchiveCmd) Run(ctx context.Context, con *console) error {
	return archive(ctx, con, c.Data, c.Name, false, "%s is in use again.\n")
}

func archive(ctx context.Context, con *console, data, name string, archived bool, done string) error {
	return onFolders(ctx, data, func(a *admin) error {
		f, err := a.folder(ctx, name)
		if err != nil {
			return err
		}
		if err := a.ArchiveFolder(ctx, f.Name, archived); err != nil {
			return err
		}
		fmt.Fprintf(con.out, done, shown(f.Name))
		return nil
	})
}

type folderQuotaCmd struct {
	dataFlag
	Name  string `arg:"" help:"The folder's name."`
	Quota string `arg:"" help:"What its files may take, as in 50GB; none for no limit."`
}

// Help is the text below the usage.
func (folderQuotaCmd) Help() string { return folderManageHelp }

// Run executes the command.
func (c *folderQuotaCmd) Run(ctx context.Context, con *console) error {
	quota, err := parseBytes(c.Quota)
	if err != nil {
		return err
	}
	return onFolders(ctx, c.Data, func(a *admin) error {
		f, err := a.folder(ctx, c.Name)
		if err != nil {
			return err
		}
		if err := a.SetFolderQuota(ctx, f.Name, quota); err != nil {
			return err
		}
		if quota == 0 {
			fmt.Fprintf(con.out, "%s has no quota now.\n", shown(f.Name))
		} else {
			fmt.Fprintf(con.out, "The files in %s may take %d bytes now.\n", shown(f.Name), quota)
		}
		return nil
	})
}

// parseBytes reads a size in bytes, kB, MB, GB or TB, or "none" for 0.
func parseBytes(text string) (int64, error) {
	if text == "none" {
		return 0, nil
	}
	var n float64
	var unit string
	factors := map[string]float64{"": 1, "B": 1, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}
	_, err := fmt.Sscanf(text+" ", "%g%s", &n, &unit)
	factor, known := factors[unit]
	if bytes := n * factor; (err == nil || unit == "") && known && bytes >= 1 && bytes <= 1e18 {
		return int64(bytes), nil
	}
	return 0, &havre.Error{Code: havre.CodeInvalid, Text: fmt.Sprintf("%s: not a size, as in 500MB or 2TB, and not the word none", shown(text))}
}

// onFolders opens the server's data for one command.
func onFolders(ctx context.Context, data string, do func(*admin) error) error {
	a, err := openAdmin(ctx, data)
	if err != nil {
		return err
	}
	defer a.Close()
	return do(a)
}

// conditionOf says in the list of folders what is special about one.
func conditionOf(f *store.Folder) string {
	switch {
	case !f.Archived.IsZero():
		return "archived"
	case f.AdoptedDir() != "":
		return "adopted"
	case f.RemoteURL() != "":
		return "on another server"
	}
	return ""
}
