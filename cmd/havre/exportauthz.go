package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/hub"
)

const exportAuthzHelp = `svnserve (authz-db) and Apache (AuthzSVNAccessFile) read the file anew by themselves when it changes. It has each
folder under the name of its repository's directory; --folder says another name. Passwords are not in it, and cannot
be exported: havre keeps only their hashes, of a kind that Subversion's servers do not know.

With --output the file is replaced at once, and only if something else is in it. With --watch it goes on to be.
Works while the server runs.

Examples:

    havre export-authz --data /srv/havre
    havre export-authz --data /srv/havre --folder calc=Calculations --output /srv/svn/authz
    havre export-authz --data /srv/havre --output /srv/svn/authz --watch

`

type exportAuthzCmd struct {
	dataFlag
	Folder []string `placeholder:"[REPOSITORY=]FOLDER" sep:"none" help:"A folder, and its repository's name for Subversion. Without, all whose repositories are on this machine."`
	Output string   `short:"o" placeholder:"FILE" type:"path" help:"Write into this file."`
	Watch  bool     `help:"Go on until told to stop, and replace the file whenever rights change."`
}

// Help is the text below the usage.
func (exportAuthzCmd) Help() string { return exportAuthzHelp + exitCodes }

// Run executes the command.
func (c *exportAuthzCmd) Run(ctx context.Context, con *console) error {
	if c.Watch && c.Output == "" {
		return errors.New("--watch is for a file: say --output FILE as well")
	}
	a, err := openAdmin(ctx, c.Data)
	if err != nil {
		return err
	}
	defer a.Close()
	if c.Output == "" {
		text, _, err := c.text(ctx, a)
		if err != nil {
			return err
		}
		_, err = fmt.Fprint(con.out, text)
		return err
	}
	// What is asked first is older than what is written: nothing is missed.
	state, err := a.AccessState(ctx)
	if err != nil {
		return err
	}
	if err := c.write(ctx, con, a); err != nil || !c.Watch {
		return err
	}
	return c.watch(ctx, con, a, state)
}

// exportLook is how often it is looked whether rights have changed: a query of some 50 µs.
const exportLook = time.Second

// watch writes the file again whenever it may be another one. What cannot be written is said, once for the
// same reason, and tried again.
func (c *exportAuthzCmd) watch(ctx context.Context, con *console, a *admin, state hub.AccessState) error {
	ticker := time.NewTicker(exportLook)
	defer ticker.Stop()
	said := ""
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		now, err := a.AccessState(ctx)
		if err == nil && now == state {
			continue
		}
		if err == nil {
			err = c.write(ctx, con, a)
		}
		if ctx.Err() != nil {
			return nil
		}
		if err == nil {
			state, said = now, ""
		} else if text := forPerson(err); text != said {
			said = text
			fmt.Fprintln(con.err, "havre:", text)
		}
	}
}

// text returns the file, and how many folders it is about.
func (c *exportAuthzCmd) text(ctx context.Context, a *admin) (string, int, error) {
	folders, err := a.SvnExportFolders(ctx, c.Folder)
	if err != nil {
		return "", 0, err
	}
	comment := []string{
		fmt.Sprintf("Written by havre %s from %s at %s.", programVersion(), a.dir, time.Now().UTC().Format(time.RFC3339)),
		"Change rights in havre: what is changed here is lost.",
		"",
	}
	for _, f := range folders {
		where := f.Repo + ":/" + string(f.Folder.Prefix)
		comment = append(comment, fmt.Sprintf("[%s] is the folder %s.", where, f.Folder.Name))
	}
	text, err := a.ExportAuthz(ctx, folders, comment...)
	return text, len(folders), err
}

// write replaces the file if something else is to be in it.
func (c *exportAuthzCmd) write(ctx context.Context, con *console, a *admin) error {
	text, folders, err := c.text(ctx, a)
	if err != nil {
		return err
	}
	if old, err := os.ReadFile(c.Output); err == nil && afterFirst(string(old)) == afterFirst(text) {
		_, err = fmt.Fprintf(con.out, "%s is as it should be.\n", shown(c.Output))
		return err
	}
	if err := replaceFile(c.Output, text); err != nil {
		return err
	}
	_, err = fmt.Fprintf(con.out, "%s has the rights of %s.\n", shown(c.Output), counted(int64(folders), "folder"))
	return err
}

// afterFirst returns the text without its first line, which has the time.
func afterFirst(text string) string {
	_, rest, _ := strings.Cut(text, "\n")
	return rest
}

// replaceFile puts a whole file into the place of another one, whose owner and rights it gets, so that a server
// which reads it sees the one or the other.
func replaceFile(name, text string) (err error) {
	if target, err := filepath.EvalSymlinks(name); err == nil {
		name = target
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close() // it may be closed already
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if err := likeFile(f, name); err != nil {
		return err
	}
	if _, err := f.WriteString(text); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// newFileMode is for a file that was not there: servers of other users read it, and nothing in it is secret to them.
const newFileMode fs.FileMode = 0o644

// likeFile gives f the rights of the file that is there.
func likeFile(f *os.File, name string) error {
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return f.Chmod(newFileMode)
	}
	if err != nil {
		return err
	}
	if err := sameOwner(f, info); err != nil {
		return err
	}
	return f.Chmod(info.Mode().Perm())
}
