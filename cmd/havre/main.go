// Command havre keeps the folders of a team the same on everyone's machines, and every version of
// every file in Subversion repositories.
//
// It is one program with a file for each command: the server (serve, user, folder, grant, invite,
// device), the client (join, add, run, status, deletions, leave), and both at once to look at
// (demo). Everything is wired here, and only here the process ends.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/havre-cloud/havre/internal/havre"
)

// The exit codes; exitCodes tells them to people.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitUnreachable = 3
	exitRefused     = 4
)

const exitCodes = `Exit codes: 0 done; 1 it failed; 2 the command line is wrong; 3 the server cannot be reached
now; 4 the server refused: the device is not known, or lacks the right.`

// cli is the command line.
type cli struct {
	Demo demoCmd `cmd:"" group:"look" help:"Try havre: a server and two clients on this machine."`

	Serve  serveCmd  `cmd:"" group:"server" help:"Run the server."`
	User   userCmd   `cmd:"" group:"server" help:"Add and list users."`
	Folder folderCmd `cmd:"" group:"server" help:"Add and list shared folders."`
	Grant  grantCmd  `cmd:"" group:"server" help:"Say what a user or a group may do in a folder, or in a part of it."`
	Group  groupCmd  `cmd:"" group:"server" help:"Add and list groups of users."`
	Invite inviteCmd `cmd:"" group:"server" help:"Make an invitation with which a user adds a device."`
	Device deviceCmd `cmd:"" group:"server" help:"List and revoke devices."`

	ImportSvnAccounts importSvnCmd   `cmd:"" group:"server" help:"Take over the people, groups and rights of a Subversion server."`
	ExportAuthz       exportAuthzCmd `cmd:"" group:"server" help:"Write the rights for Subversion's own servers."`

	Backup backupCmd `cmd:"" group:"alone" help:"Save pads, polls and sheets from any instance into a directory; no server is needed."`
	Pad    padCmd    `cmd:"" group:"alone" help:"Look at the history of a saved pad, or bring it back to life."`
	Poll   pollCmd   `cmd:"" group:"alone" help:"Bring a saved poll back to life."`
	Sheet  sheetCmd  `cmd:"" group:"alone" help:"Bring a saved sheet back to life."`
	Svn    svnCmd    `cmd:"" group:"alone" help:"Look at, verify and pack Subversion repositories, without Subversion."`

	Join      joinCmd      `cmd:"" group:"client" help:"Make this machine a device of the person who was invited."`
	Add       addCmd       `cmd:"" group:"client" help:"Keep a directory of this machine the same as a shared folder."`
	Run       runCmd       `cmd:"" group:"client" help:"Keep the directories the same, until told to stop."`
	Status    statusCmd    `cmd:"" group:"client" help:"Show the state of each directory."`
	Deletions deletionsCmd `cmd:"" group:"client" help:"Let deletions happen that were held back, or undo them."`
	Source    sourceCmd    `cmd:"" group:"client" help:"Have the server back up pads, polls and sheets into shared folders."`
	Leave     leaveCmd     `cmd:"" group:"client" help:"Stop keeping a directory the same, or leave the server."`

	Version versionCmd `cmd:"" group:"look" help:"Print the version of the program."`

	Verbose     bool        `short:"v" help:"Log more, for finding faults."`
	ShowVersion versionFlag `name:"version" help:"Print the version of the program."`
}

// console is where a command talks to the person.
type console struct {
	in       io.Reader
	out, err io.Writer
	log      *slog.Logger
}

func main() {
	os.Exit(run(os.Args[1:]))
}

// run executes a command line and returns the exit code.
func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The second signal ends the process at once, as without us.
	context.AfterFunc(ctx, stop)

	var c cli
	parser, err := kong.New(&c,
		kong.Name("havre"),
		kong.Description("Keeps the folders of a team the same on everyone's machines, and every version of every file in a Subversion repository.\n\n"+
			"Begin with \"havre demo\". Each command explains itself, with an example: havre COMMAND --help."),
		kong.ExplicitGroups([]kong.Group{
			{Key: "look", Title: "To look at it:"},
			{Key: "server", Title: "On the server:"},
			{Key: "client", Title: "On a person's machine:"},
			{Key: "alone", Title: "Without any server:"},
		}),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 80}),
		kong.BindTo(ctx, (*context.Context)(nil)),
	)
	if err != nil {
		panic(err) // the command line's own definition is wrong
	}
	cmd, err := parser.Parse(gather(parser.Model.Node, args))
	if err != nil {
		return usageError(os.Stderr, err)
	}
	level := slog.LevelInfo
	if c.Verbose {
		level = slog.LevelDebug
	}
	con := &console{
		in: os.Stdin, out: os.Stdout, err: os.Stderr,
		log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})),
	}
	if err := cmd.Run(con); err != nil {
		con.log.Debug("the command failed", "error", err)
		fmt.Fprintln(os.Stderr, "havre:", forPerson(err))
		return exitCode(err)
	}
	return exitOK
}

// usageError tells what is wrong with the command line and where the help is.
func usageError(w io.Writer, err error) int {
	command := "havre"
	if e, ok := errors.AsType[*kong.ParseError](err); ok && e.Context != nil {
		if sel := e.Context.Selected(); sel != nil {
			command = "havre " + sel.Path()
		}
	}
	fmt.Fprintf(w, "havre: %s; see: %s --help\n", forPerson(err), command)
	return exitUsage
}

func exitCode(err error) int {
	if e, ok := errors.AsType[*backupError](err); ok {
		return e.code
	}
	switch havre.CodeOf(err) {
	case havre.CodeUnavailable:
		return exitUnreachable
	case havre.CodeDenied, havre.CodeUnauthenticated:
		return exitRefused
	default:
		return exitFailed
	}
}

// forPerson returns the error as one line, whatever is in the names it quotes. Where there is a
// sentence for people the cause behind it is left out.
func forPerson(err error) string {
	text := err.Error()
	if e, ok := errors.AsType[*havre.Error](err); ok && e.Code != havre.CodeInternal {
		text = strings.Replace(text, e.Error(), e.Text, 1)
	}
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), " ")
}
