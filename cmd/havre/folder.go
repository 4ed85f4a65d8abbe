package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
)

type folderCmd struct {
	Add  folderAddCmd  `cmd:"" help:"Add a folder: a new Subversion repository, or one on another server."`
	List folderListCmd `cmd:"" help:"List the folders and who may do what."`

	Adopt     folderAdoptCmd     `cmd:"" help:"Make a folder of a Subversion repository that is there."`
	Rename    folderRenameCmd    `cmd:"" help:"Give a folder another name."`
	Archive   folderArchiveCmd   `cmd:"" help:"Put a folder away; nothing is lost."`
	Unarchive folderUnarchiveCmd `cmd:"" help:"Take an archived folder back into use."`
	Login     folderLoginCmd     `cmd:"" help:"Say with what password a folder's Subversion server is reached."`
	Quota     folderQuotaCmd     `cmd:"" help:"Bound what a folder's files may take."`
}

const folderHelp = `A new folder can be managed by the first administrator; everybody else needs --grant, or
"havre grant" later. Works while the server runs.

Examples:

    havre folder add --data /srv/havre Team --grant ada=write --grant ben=read
    havre folder list --data /srv/havre

` + exitCodes

// Help is the text below the usage.
func (folderCmd) Help() string { return folderHelp }

type folderAddCmd struct {
	dataFlag
	loginFlags
	Name  string   `arg:"" help:"The folder's name, without a slash."`
	Svn   string   `placeholder:"URL" help:"The folder is a repository on another Subversion server, or a directory in it."`
	Grant []string `placeholder:"USER=RIGHT" sep:"none" help:"Give a user a right: read, write or manage."`
}

// Help is the text below the usage.
func (folderAddCmd) Help() string { return remoteHelp + folderHelp }

// Run executes the command.
func (c *folderAddCmd) Run(ctx context.Context, con *console) error {
	a, err := openAdmin(ctx, c.Data)
	if err != nil {
		return err
	}
	defer a.Close()
	// All is checked before anything is made.
	grants, err := a.parseGrants(ctx, c.Grant)
	if err != nil {
		return err
	}
	var folder *store.Folder
	if c.Svn != "" {
		folder, err = c.addRemote(ctx, con, a)
	} else {
		folder, err = a.addFolder(ctx, c.Name)
	}
	if err != nil {
		return err
	}
	for _, g := range grants {
		if err := a.Grant(ctx, folder.Name, g.user, g.right); err != nil {
			return err
		}
	}
	where := folder.RemotePlace()
	if where == "" {
		where = fileURL(a.RepositoryDir(folder))
	}
	fmt.Fprintf(con.out, "%s is a folder now. Its Subversion repository:\n\n    %s\n", shown(folder.Name), where)
	return nil
}

type folderListCmd struct{ dataFlag }

// Help is the text below the usage.
func (folderListCmd) Help() string { return folderHelp }

// Run executes the command.
func (c *folderListCmd) Run(ctx context.Context, con *console) error {
	a, err := openAdmin(ctx, c.Data)
	if err != nil {
		return err
	}
	defer a.Close()
	folders, err := a.Folders(ctx)
	if err != nil {
		return err
	}
	rows := [][]string{{"NAME", "RIGHTS", "REPOSITORY", ""}}
	for i := range folders {
		rights, err := a.rightsText(ctx, &folders[i])
		if err != nil {
			return err
		}
		rows = append(rows, []string{shown(folders[i].Name), rights, shown(repositoryOf(a, &folders[i])), conditionOf(&folders[i])})
	}
	_, err = fmt.Fprint(con.out, table(rows))
	return err
}

// userRight is what one USER=RIGHT says.
type userRight struct {
	user  string
	right havre.Right
}

// parseGrants reads the words USER=RIGHT. The last = counts: a name may have one.
func (a *admin) parseGrants(ctx context.Context, words []string) ([]userRight, error) {
	users, err := a.Users(ctx)
	if err != nil {
		return nil, err
	}
	var grants []userRight
	for _, word := range words {
		i := strings.LastIndexByte(word, '=')
		if i <= 0 {
			return nil, errors.New(shown(word) + ": a grant is written USER=RIGHT, as in ada=write")
		}
		right, err := parseRight(word[i+1:])
		if err != nil {
			return nil, err
		}
		name := word[:i]
		if !slices.ContainsFunc(users, func(u store.User) bool { return strings.EqualFold(u.Name, name) }) {
			return nil, &havre.Error{Code: havre.CodeNotFound, Text: fmt.Sprintf("there is no user called %s; see: havre user list", shown(name))}
		}
		grants = append(grants, userRight{name, right})
	}
	return grants, nil
}
