package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/havre-cloud/havre/internal/source"
)

// The exit codes of `havre backup`, besides those of all commands.
const (
	exitGone    = 5
	exitSuspect = 6
)

const backupExitCodes = `Exit codes: 0 every document has a current copy; 1 something else failed; 2 the command line is wrong;
3 an instance could not be reached or asked for a pause; 5 a document is gone or may not be read;
6 a copy is suspect and was kept apart. Where several apply: the first of 1, 6, 5, 3.`

type backupCmd struct {
	Save backupSaveCmd `cmd:"" default:"withargs" help:"Save pads, polls and sheets into a directory (the word save can be left out)."`
	Find backupFindCmd `cmd:"" help:"List the pads, polls and sheets that texts, mails or bookmarks name."`
}

// Help is the text below the usage.
func (backupCmd) Help() string {
	return `Addresses, and last the directory; or the directory alone, to bring it up to date:

    havre backup https://pads.example.org/p/notes ~/Pads
    havre backup --from bookmarks.html ~/Pads
    havre backup ~/Pads --watch

All that "havre backup" takes is in: havre backup save --help

` + backupExitCodes
}

// backupFlags are those of all commands that ask instances.
type backupFlags struct {
	Contact      string `env:"HAVRE_CONTACT" placeholder:"MAIL|URL" help:"Where administrators of instances reach whoever runs this; it is sent with each request."`
	AllowPrivate bool   `help:"Allow addresses on this machine and in private networks."`
}

type backupSaveCmd struct {
	homeFlag
	backupFlags
	secretFlags
	Args   []string `arg:"" name:"address|dir" help:"Addresses of pads, polls and sheets, and last the directory. Without addresses, what the directory holds is brought up to date."`
	From   []string `type:"path" placeholder:"FILE" help:"Take addresses out of a text, mail, page, bookmark export, places.sqlite, table or earlier backup; - for standard input."`
	Watch  bool     `help:"Go on, and look at each document again: in minutes while it changes, in days when it sleeps."`
	Live   bool     `help:"Follow documents as they are written, where their instance can tell. Goes on as --watch does."`
	Group  string   `placeholder:"GROUP" help:"Of an Etherpad or account, only this group of pads."`
	Accept []string `placeholder:"ADDRESS" help:"Take the next copy of a document for good though it looks suspect."`
	Forget []string `placeholder:"ADDRESS" help:"Save a document no longer. Its files stay."`
}

// Help is the text below the usage.
func (backupSaveCmd) Help() string {
	return `No server is needed. Each document becomes files that anything reads: a pad .txt, .html, .md and .etherpad
(with its complete history), a poll .csv, .json, .html, .md and .ics, a sheet its own. index.html and
index.csv in the directory list them. A good copy is never replaced by a bad one: what is gone stays, and
what was emptied or replaced is kept apart under another name. Files that you change are kept, too.

Secrets (passwords, keys, addresses with which polls are administered) are kept encrypted in your own
directory of havre, never in DIR. An Etherpad's address with the key of its API saves all its pads, those
that come later too; with --user and --password those of an account of MyPads. --group takes one group of
them. The private pads of a group can also be read with a session in HAVRE_BACKUP_SESSION.

Examples:

    havre backup https://pads.example.org/p/notes https://polls.example.org/aBcDeFgH12345678 ~/Pads
    havre backup --from bookmarks.html --from mail.eml ~/Pads
    havre backup ~/Pads                     # all of it again, for cron
    havre backup ~/Pads --watch --live
    havre backup https://pads.example.org --api-key-file APIKEY.txt ~/Pads

` + backupExitCodes
}

// backupError ends the command with a code of its own.
type backupError struct {
	code int
	text string
}

func (e *backupError) Error() string { return e.text }

// Run executes the command.
func (c *backupSaveCmd) Run(ctx context.Context, con *console) error {
	return c.run(ctx, con, source.NewRegistry(providers()...))
}

func (c *backupSaveCmd) run(ctx context.Context, con *console, registry *source.Registry) error {
	addresses, dir, err := c.split()
	if err != nil {
		return err
	}
	given, err := c.given(con, registry, addresses)
	if err != nil {
		return err
	}
	b, err := openBackup(con, registry, &c.homeFlag, c.backupFlags, dir, len(given) > 0)
	if err != nil {
		return err
	}
	defer b.close()
	if err := c.change(b, given); err != nil {
		return err
	}
	b.live = c.Live
	return b.run(ctx, c.Watch || c.Live)
}

// split tells the addresses from the directory.
func (c *backupSaveCmd) split() (addresses []string, dir string, err error) {
	last := len(c.Args) - 1
	dir = c.Args[last]
	if strings.Contains(dir, "://") {
		return nil, "", &backupError{exitUsage, "the directory is missing: it comes last, after the addresses"}
	}
	for _, a := range c.Args[:last] {
		if !strings.Contains(a, "://") && !strings.Contains(a, "/") {
			return nil, "", &backupError{exitUsage, fmt.Sprintf("%s: that is no address; one looks like https://pads.example.org/p/notes", shown(a))}
		}
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, "", fmt.Errorf("the directory: %w", err)
	}
	return c.Args[:last], dir, nil
}

// givenAddress is a document that the person named, or that was found in a file.
type givenAddress struct {
	kinds    []source.Recognised
	title    string
	explicit bool // typed: it is not dropped when nobody answers
}

// given returns what the command line names, with secrets.
func (c *backupSaveCmd) given(con *console, registry *source.Registry, addresses []string) ([]givenAddress, error) {
	extra, err := c.secrets(con)
	if err == nil {
		err = oneInstance(extra, addresses)
	}
	if err == nil && c.Group != "" && len(addresses) != 1 {
		err = &backupError{exitUsage, "--group is for one address, that of its instance"}
	}
	if err != nil {
		return nil, err
	}
	var list []givenAddress
	for _, a := range addresses {
		if c.Group != "" {
			if a, err = groupAddress(registry, a, c.Group, extra); err != nil {
				return nil, err
			}
		}
		kinds := registry.Candidates(a, "", extra)
		if len(kinds) == 0 {
			return nil, &backupError{exitUsage, fmt.Sprintf("%s: that is no address of a pad, a poll or a sheet", shownAddress(a))}
		}
		for i := range kinds {
			s := &kinds[i].Secrets
			s.User, s.Password = cmp.Or(extra.User, s.User), cmp.Or(extra.Password, s.Password)
			s.APIKey, s.Session = cmp.Or(extra.APIKey, s.APIKey), cmp.Or(extra.Session, s.Session)
		}
		list = append(list, givenAddress{kinds: kinds, explicit: true})
	}
	// What a file names gets no secrets but those that are in the file.
	for _, name := range c.From {
		found, err := findIn(con, registry, name)
		if err != nil {
			return nil, err
		}
		for _, f := range found {
			list = append(list, givenAddress{kinds: f.Kinds, title: f.Title})
		}
	}
	if len(c.From) > 0 && len(list) == 0 {
		fmt.Fprintln(con.err, "havre: no address of a pad, a poll or a sheet was found")
	}
	return list, nil
}

// change applies what the command line says to what is known of the directory.
func (c *backupSaveCmd) change(b *backup, given []givenAddress) error {
	for _, g := range given {
		if err := b.add(g); err != nil {
			return err
		}
	}
	for _, list := range [][]string{c.Forget, c.Accept} {
		for _, a := range list {
			r := b.recordOf(a)
			if r == nil {
				return &backupError{exitUsage, fmt.Sprintf("%s is not one of the documents that are saved there", shownAddress(a))}
			}
		}
	}
	for _, a := range c.Accept {
		r := b.recordOf(a)
		r.Accept()
		if err := b.state.save(r); err != nil {
			return err
		}
	}
	for _, a := range c.Forget {
		if err := b.forget(b.recordOf(a)); err != nil {
			return err
		}
	}
	if len(b.records) == 0 && len(given) == 0 && len(c.From)+len(c.Forget) == 0 {
		return &backupError{exitUsage, "nothing is saved there yet: give the addresses of pads, polls or sheets before the directory"}
	}
	return nil
}

// findIn returns the addresses in a file, or in standard input.
func findIn(con *console, registry *source.Registry, name string) ([]source.Found, error) {
	if filepath.Base(name) != "-" {
		found, err := registry.FindFile(name)
		if err != nil {
			return nil, err
		}
		return found, nil
	}
	const limit = 64 << 20
	data, err := io.ReadAll(io.LimitReader(con.in, limit))
	if err != nil {
		return nil, fmt.Errorf("read standard input: %w", err)
	}
	return registry.Find("standard input", data), nil
}

// shownAddress returns an address without what may be secret in it.
func shownAddress(a string) string {
	a, _, _ = strings.Cut(a, "?")
	a, _, _ = strings.Cut(a, "#")
	if scheme, rest, ok := strings.Cut(a, "://"); ok {
		host, path, _ := strings.Cut(rest, "/")
		a = scheme + "://" + host[strings.LastIndex(host, "@")+1:] + "/" + path
	}
	return shorten(shown(a), 100)
}

// kindsOf returns the addresses that something could be, once each.
func kindsOf(list []source.Recognised) []source.Address {
	var all []source.Address
	for _, r := range list {
		if !slices.Contains(all, r.Address) {
			all = append(all, r.Address)
		}
	}
	return all
}
