package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/internal/svnaccounts"
)

const importSvnHelp = `Reads the files of svnserve or Apache and says what it will do: which accounts are made, who keeps the
password, what becomes of groups and rights, and line by line what has another meaning here. Then it asks; it does
everything or nothing. Nobody gets more than Subversion gives: what cannot be said here exactly is narrower (but see
--patterns leave-out).

The rights in the folders become what the authz file says, but who manages a folder goes on to. A section
[repository:/path] is about the folder whose repository is in a directory of that name; --folder says it where
that is not so. Done again with changed files, it changes what is new. Works while the server runs.

Examples:

    havre import-svn-accounts --data /srv/havre --passwd conf/passwd --authz conf/authz
    havre import-svn-accounts --data /srv/havre --htpasswd /etc/svn/htpasswd --authz /etc/svn/authz --dry-run
    havre import-svn-accounts --data /srv/havre --authz authz --folder calc=Calculations --yes

`

type importSvnCmd struct {
	dataFlag
	Passwd    string   `placeholder:"FILE" help:"The password file of svnserve."`
	Htpasswd  string   `placeholder:"FILE" help:"The password file of Apache. People keep their passwords where the kind of hash allows it."`
	Authz     string   `placeholder:"FILE" help:"Groups and rights on paths."`
	Groups    string   `placeholder:"FILE" help:"The groups, if they are in a file of their own (groups-db, AuthzSVNGroupsFile)."`
	Folder    []string `placeholder:"[REPOSITORY=]FOLDER" sep:"none" help:"A folder whose rights become those of the file, and its repository's name there."`
	Passwords string   `enum:"keep,strong,none" default:"keep" help:"Which passwords are taken over: keep (all that can be), strong (those that would be accepted today) or none. Who has none gets an invitation."`
	Others    bool     `help:"Make accounts also for people who are in the authz file and in no password file."`
	Patterns  string   `enum:"refuse,narrow,leave-out" default:"refuse" help:"What becomes of rules with patterns (:glob:) that take something away, which cannot be said here: refuse (nothing is done), narrow (it is taken away in the whole directory) or leave-out (people have what matches)."`
	DryRun    bool     `help:"Say what would be done, and do nothing."`
	Yes       bool     `help:"Do it without asking."`
}

// Help is the text below the usage.
func (importSvnCmd) Help() string { return importSvnHelp + exitCodes }

// Run executes the command.
func (c *importSvnCmd) Run(ctx context.Context, con *console) error {
	in, err := c.read()
	if err != nil {
		return err
	}
	a, err := openAdmin(ctx, c.Data)
	if err != nil {
		return err
	}
	defer a.Close()
	if in.Authz != nil {
		if in.Folders, err = a.SvnFolders(ctx, c.Folder, in.Authz); err != nil {
			return err
		}
	}
	plan, err := a.PlanSvnImport(ctx, in)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(con.out, c.describe(in, plan)); err != nil {
		return err
	}
	switch {
	case plan.Refused():
		return errors.New("nothing was changed: see the lines with !! above")
	case c.DryRun || plan.Empty():
		return nil
	case !c.Yes:
		yes, err := confirmed(con)
		if err != nil {
			return err
		}
		if !yes {
			_, err = fmt.Fprintln(con.out, "Nothing was changed.")
			return err
		}
	}
	invitations, err := a.ImportSvn(ctx, in, plan)
	if err != nil {
		return err
	}
	return c.report(ctx, con, a, plan, invitations)
}

// read reads all files before anything else is done.
func (c *importSvnCmd) read() (*hub.SvnImport, error) {
	switch {
	case c.Passwd != "" && c.Htpasswd != "":
		return nil, errors.New("--passwd and --htpasswd are two ways to sign in: say one of them at a time")
	case c.Passwd == "" && c.Htpasswd == "" && c.Authz == "":
		return nil, errors.New("say which files: --passwd or --htpasswd, and --authz")
	case c.Groups != "" && c.Authz == "", len(c.Folder) > 0 && c.Authz == "":
		return nil, errors.New("--groups and --folder are for the rules of --authz")
	}
	in := &hub.SvnImport{AnyCase: c.Passwd != "", Others: c.Others}
	in.Keep = map[string]hub.SvnPasswords{"keep": hub.SvnKeep, "strong": hub.SvnStrong, "none": hub.SvnNone}[c.Passwords]
	in.Patterns = map[string]hub.SvnPatterns{"refuse": hub.SvnPatternsRefuse, "narrow": hub.SvnPatternsNarrow, "leave-out": hub.SvnPatternsLeaveOut}[c.Patterns]
	if err := c.readPasswords(in); err != nil || c.Authz == "" {
		return in, err
	}
	rules, err := openFile(c.Authz)
	if err != nil {
		return nil, err
	}
	defer rules.Close()
	if c.Groups == "" {
		in.Authz, err = svnaccounts.ParseAuthz(rules, nil)
		return in, about(c.Authz, err)
	}
	groups, err := openFile(c.Groups)
	if err != nil {
		return nil, err
	}
	defer groups.Close()
	in.Authz, err = svnaccounts.ParseAuthz(rules, groups)
	if bad, ok := errors.AsType[*svnaccounts.GroupsError](err); ok {
		return nil, about(c.Groups, bad.Err)
	}
	return in, about(c.Authz, err)
}

func (c *importSvnCmd) readPasswords(in *hub.SvnImport) error {
	parse := svnaccounts.ParsePasswd
	if c.Htpasswd != "" {
		parse = svnaccounts.ParseHtpasswd
	}
	name := c.passwordFile()
	if name == "" {
		return nil
	}
	f, err := openFile(name)
	if err != nil {
		return err
	}
	defer f.Close()
	in.Passwords, err = parse(f)
	if err == nil && len(in.Passwords) == 0 {
		err = errors.New("there is nobody in it")
	}
	return about(name, err)
}

func (c *importSvnCmd) passwordFile() string {
	if c.Htpasswd != "" {
		return c.Htpasswd
	}
	return c.Passwd
}

// confirmed asks.
func confirmed(con *console) (bool, error) {
	fmt.Fprint(con.out, "Do this? Type yes: ")
	line, err := bufio.NewReader(io.LimitReader(con.in, 100)).ReadString('\n')
	if errors.Is(err, io.EOF) && line == "" {
		fmt.Fprintln(con.out)
		return false, errors.New("nothing was changed: say --yes where nobody can be asked")
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return strings.EqualFold(strings.TrimSpace(line), "yes"), nil
}

// report says what was done, and hands the invitations out.
func (c *importSvnCmd) report(ctx context.Context, con *console, a *admin, plan *hub.SvnPlan, invitations []hub.Invitation) error {
	rights, people := 0, 0
	for _, f := range plan.Folders {
		rights += len(f.Changes)
	}
	for _, p := range plan.People {
		if p.New {
			people++
		}
	}
	fmt.Fprintf(con.out, "Done: %s, %s, %s.\n",
		counted(int64(people), "new account"), counted(int64(len(plan.Groups)), "changed group"), counted(int64(rights), "changed right"))
	if len(invitations) == 0 {
		return nil
	}
	fmt.Fprintf(con.out, "\nInvitations, each for one person and good until %s. They are not shown again; pass them on in a way\nthat others do not read:\n\n",
		invitations[0].Expires.Local().Format("2006-01-02 15:04"))
	var rows [][]string
	for _, made := range invitations {
		i, err := a.invitation(ctx, made.Secret)
		if err != nil {
			return err
		}
		rows = append(rows, []string{shown(made.User), i.String()})
	}
	_, err := io.WriteString(con.out, indented(table(rows)))
	return err
}

func openFile(name string) (*os.File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, &havre.Error{Code: havre.CodeNotFound, Text: shown(name) + " cannot be read: check the path, and who may read it", Cause: err}
	}
	return f, nil
}

// about says which file an error is about.
func about(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", shown(name), err)
}
