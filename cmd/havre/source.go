package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/api/apiclient"
	"github.com/havre-cloud/havre/internal/api/havrev1"
	"github.com/havre-cloud/havre/internal/api/wire"
	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/source"
	"github.com/havre-cloud/havre/svn"
)

type sourceCmd struct {
	Add    sourceAddCmd    `cmd:"" help:"Have pads, polls or sheets backed up into a shared folder."`
	List   sourceListCmd   `cmd:"" help:"List what is backed up."`
	Show   sourceShowCmd   `cmd:"" help:"Show one backup and its latest runs."`
	Check  sourceCheckCmd  `cmd:"" help:"Look at documents now."`
	Pause  sourcePauseCmd  `cmd:"" help:"Ask for documents no longer, for the time being."`
	Resume sourceResumeCmd `cmd:"" help:"Go on with what was paused."`
	Set    sourceSetCmd    `cmd:"" help:"Change how a document is backed up, or its secrets."`
	Keep   sourceKeepCmd   `cmd:"" help:"Decide which of two copies is the good one."`
	Remove sourceRemoveCmd `cmd:"" help:"End backups; their files stay."`
}

const sourceHelp = `The server of the team fetches the documents, as long as it runs, and every version goes to everyone's disk
like any other file. Who may write in a directory may back up documents into it.

A backup is named by its address, by FOLDER/PATH of one of its files, or by its ID; a FOLDER or
FOLDER/PATH alone means all in and below it.

Examples:

    havre source add https://pads.example.org/p/minutes --into Team/Pads --live
    havre source add --from bookmarks.html --into Team/Pads
    havre source add https://pads.example.org --api-key-file APIKEY.txt --into Team/Pads
    havre source add https://pads.example.org --user ada --password --group minutes-7aq --into Team/Pads
    havre source list Team
    havre source check Team/Pads
    havre source show https://pads.example.org/p/minutes

` + exitCodes

// Help is the text below the usage.
func (sourceCmd) Help() string { return sourceHelp }

// withServer calls do with the server of the home.
func (f *homeFlag) withServer(do func(*apiclient.Client) error) error {
	h, err := f.open()
	if err != nil {
		return err
	}
	config, err := h.Joined()
	if err != nil {
		return err
	}
	remote := connect(config.Identity)
	defer remote.Close()
	return do(remote)
}

// read returns the secrets, with those of the environment; nil if there are none.
func (f *secretFlags) read(con *console) (*source.Secrets, error) {
	s, err := f.secrets(con)
	if err != nil || s == (source.Secrets{}) {
		return nil, err
	}
	return &s, nil
}

// parseSchedule reads how often a document is looked at, in seconds; 0 is adaptive.
func parseSchedule(word string) (int64, error) {
	switch word {
	case "", "adaptive":
		return 0, nil
	case "hourly":
		return 3600, nil
	case "daily":
		return 24 * 3600, nil
	case "weekly":
		return 7 * 24 * 3600, nil
	}
	d, err := time.ParseDuration(word)
	if err != nil || d < 5*time.Minute {
		return 0, fmt.Errorf("%s: the schedule is adaptive, hourly, daily, weekly or a time of 5m at least, as in 30m", shown(word))
	}
	return int64(d / time.Second), nil
}

type sourceAddCmd struct {
	homeFlag
	secretFlags
	Addresses []string `arg:"" optional:"" name:"address" help:"Addresses of pads, polls, sheets, or of groups and instances full of them."`
	Into      string   `required:"" placeholder:"FOLDER/PATH" help:"The shared folder and the directory in it."`
	From      []string `type:"path" placeholder:"FILE" help:"Take addresses out of a text, mail, page, bookmark export, places.sqlite, table or earlier backup; - for standard input."`
	Name      string   `placeholder:"NAME" help:"Name of the files, without extension; by the document's title if nothing is said."`
	Group     string   `placeholder:"GROUP" help:"Of an Etherpad or account, only this group of pads."`
	Live      bool     `help:"Follow the document as it is written, where its instance can tell."`
	Schedule  string   `default:"adaptive" placeholder:"WHEN" help:"How often to look: adaptive, hourly, daily, weekly, or a time as in 30m (default: ${default})."`
}

// Help is the text below the usage.
func (sourceAddCmd) Help() string { return sourceHelp }

// Run executes the command.
func (c *sourceAddCmd) Run(ctx context.Context, con *console) error {
	folder, path, err := splitPlace(c.Into)
	if err != nil {
		return err
	}
	req := &havrev1.AddSourcesRequest{Folder: folder, Path: string(path)}
	if req.Wishes, err = c.wishes(con); err != nil {
		return err
	}
	return c.withServer(func(remote *apiclient.Client) error {
		list, err := remote.AddSources(ctx, req)
		if err != nil {
			return err
		}
		return c.watch(ctx, con, remote, list)
	})
}

// splitPlace reads FOLDER/PATH.
func splitPlace(place string) (folder string, path svn.Path, err error) {
	folder, rest, _ := strings.Cut(strings.Trim(place, "/"), "/")
	if path, err = svn.CheckPath(rest); err != nil || folder == "" {
		return "", "", havre.Errorf(havre.CodeInvalid, "%s: write it as FOLDER or FOLDER/PATH, as in Team/Pads", shown(place))
	}
	return folder, path, nil
}

// wishes are the documents that the command line names.
func (c *sourceAddCmd) wishes(con *console) ([]*havrev1.SourceWish, error) {
	schedule, err := parseSchedule(c.Schedule)
	if err != nil {
		return nil, err
	}
	secrets, err := c.read(con)
	if err != nil {
		return nil, err
	}
	var list []*havrev1.SourceWish
	add := func(url string, secrets *source.Secrets) {
		w := &havrev1.SourceWish{Url: url, Name: c.Name, Live: c.Live, Schedule: schedule}
		if secrets != nil {
			w.Secrets = wire.Secrets(secrets)
		}
		list = append(list, w)
	}
	registry := source.NewRegistry(providers()...)
	if secrets != nil {
		err = oneInstance(*secrets, c.Addresses)
	}
	if err == nil && c.Group != "" {
		err = c.meanGroup(registry, secrets)
	}
	if err != nil {
		return nil, err
	}
	for _, a := range c.Addresses {
		add(a, secrets)
	}
	for _, name := range c.From {
		found, err := findIn(con, registry, name)
		if err != nil {
			return nil, err
		}
		for i := range found {
			r := &found[i].Kinds[0]
			// An address that may do more than read is the one that the server has to see: the other may be a guess.
			add(cmp.Or(r.Secrets.Address.Reveal(), r.Address.URL), &r.Secrets)
		}
	}
	switch {
	case len(list) == 0 && len(c.From) > 0:
		return nil, errors.New("there is no address of a pad, a poll or a sheet in it")
	case len(list) == 0:
		return nil, errors.New("say what: an address, or --from FILE")
	case len(list) > 1 && c.Name != "":
		return nil, errors.New("--name is for one document")
	}
	return list, nil
}

// meanGroup makes the address of the instance that of one group.
func (c *sourceAddCmd) meanGroup(registry *source.Registry, secrets *source.Secrets) error {
	if len(c.Addresses) != 1 || len(c.From) > 0 {
		return errors.New("--group is for one address, that of its instance")
	}
	if secrets == nil {
		secrets = &source.Secrets{}
	}
	address, err := groupAddress(registry, c.Addresses[0], c.Group, *secrets)
	c.Addresses = []string{address}
	return err
}

// watchEvery is how often the server is asked how far it is.
const watchEvery = 300 * time.Millisecond

// watch waits until it is known of each document what became of it, and tells it. The server goes on without us.
func (c *sourceAddCmd) watch(ctx context.Context, con *console, remote *apiclient.Client, list string) error {
	told := map[int]bool{}
	for {
		found, err := remote.FoundSources(ctx, list)
		if err != nil {
			return err
		}
		silent := true // all that is left was asked for, and its instances do not answer
		for i, f := range found.GetItems() {
			if told[i] {
				continue
			}
			if f.GetState() == "checking" || f.GetState() == "ready" && !found.GetDone() {
				silent = silent && f.GetState() == "checking" && f.GetText() != ""
				continue
			}
			told[i] = true
			fmt.Fprintf(con.out, "%-8s %s%s\n", foundWord(f), shown(f.GetGiven()), foundMore(f))
		}
		if found.GetDone() || silent {
			return c.summary(con, found)
		}
		pause := time.NewTimer(watchEvery)
		select {
		case <-ctx.Done():
			pause.Stop()
			fmt.Fprintf(con.out, "\nThe server goes on with the other %d; see: havre source list %s\n", len(found.GetItems())-len(told), quoteArg(c.Into))
			return nil
		case <-pause.C:
		}
	}
}

// summary tells what became of all documents.
func (c *sourceAddCmd) summary(con *console, found *havrev1.FoundSourcesResponse) error {
	var added, known, waiting, failed int64
	for _, f := range found.GetItems() {
		switch f.GetState() {
		case "added":
			added++
		case "known":
			known++
		case "checking":
			waiting++
			fmt.Fprintf(con.out, "%-8s %s%s\n", "waits", shown(f.GetGiven()), foundMore(f))
		default:
			failed++
		}
	}
	into := shown(strings.Trim(c.Into, "/"))
	text := counted(added, addedWord(found)) + " added to " + into
	if added == 0 {
		text = "nothing added to " + into
	}
	if known > 0 {
		text += fmt.Sprintf(", %s there already", grouped(known))
	}
	fmt.Fprintf(con.out, "\n%s; see: havre source list %s\n", text, quoteArg(c.Into))
	if waiting > 0 {
		fmt.Fprintln(con.out, "The server asks again for those that wait, for some minutes.")
	}
	if failed > 0 {
		return havre.Errorf(havre.CodeInvalid, "%s could not be added", counted(failed, "address"))
	}
	return nil
}

// addedWord is what those are that were added: collections are more than a document.
func addedWord(found *havrev1.FoundSourcesResponse) string {
	for _, f := range found.GetItems() {
		if f.GetState() == "added" && f.GetText() == "" {
			return "document"
		}
	}
	return "collection"
}

func foundWord(f *havrev1.FoundSource) string {
	switch f.GetState() {
	case "added", "known":
		return f.GetState()
	case "needs":
		return "needs"
	}
	return "not"
}

func foundMore(f *havrev1.FoundSource) string {
	switch {
	case f.GetState() == "known":
		return ": backed up into " + shown(f.GetPlace()) + " already"
	case f.GetText() != "":
		return ": " + shown(f.GetText())
	}
	return ""
}

// sourcesCmd are the flags of commands that do something to backups.
type sourcesCmd struct {
	homeFlag
	What []string `arg:"" name:"what" help:"The backup's address, FOLDER/PATH of its files or directory, or its ID."`
}

// Help is the text below the usage.
func (sourcesCmd) Help() string { return sourceHelp }

// change does the same to all that are meant.
func (c *sourcesCmd) change(ctx context.Context, con *console, action havrev1.SourceAction, done string) error {
	return c.withServer(func(remote *apiclient.Client) error {
		list, err := findSources(ctx, remote, c.What)
		if err != nil {
			return err
		}
		for _, s := range list {
			if err := remote.ChangeSources(ctx, []string{s.GetId()}, action); err != nil {
				return fmt.Errorf("%s: %w", titleOf(s), err)
			}
			fmt.Fprintf(con.out, "%s %s\n", titleOf(s), done)
		}
		return nil
	})
}

// findSources returns the sources that words mean.
func findSources(ctx context.Context, remote *apiclient.Client, words []string) ([]*havrev1.Source, error) {
	all, err := remote.Sources(ctx, "", "")
	if err != nil {
		return nil, err
	}
	var list []*havrev1.Source
	for _, w := range words {
		n := len(list)
		for _, s := range all {
			if meansSource(s, w) && !slices.Contains(list, s) {
				list = append(list, s)
			}
		}
		if len(list) == n {
			return nil, havre.Errorf(havre.CodeNotFound, "%s: no backup that you may see; see: havre source list", shown(w))
		}
	}
	return list, nil
}

func meansSource(s *havrev1.Source, word string) bool {
	place := strings.Trim(word, "/")
	dir := strings.Trim(s.GetFolder()+"/"+s.GetPath(), "/")
	return word == s.GetId() || strings.TrimRight(word, "/") == strings.TrimRight(s.GetUrl(), "/") ||
		dir == place || strings.HasPrefix(dir, place+"/") ||
		slices.ContainsFunc(s.GetFiles(), func(p string) bool { return s.GetFolder()+"/"+p == place })
}

type sourceCheckCmd struct{ sourcesCmd }

// Run executes the command.
func (c *sourceCheckCmd) Run(ctx context.Context, con *console) error {
	return c.change(ctx, con, havrev1.SourceAction_SOURCE_ACTION_CHECK, "is looked at now.")
}

type sourcePauseCmd struct{ sourcesCmd }

// Run executes the command.
func (c *sourcePauseCmd) Run(ctx context.Context, con *console) error {
	return c.change(ctx, con, havrev1.SourceAction_SOURCE_ACTION_PAUSE, "is paused.")
}

type sourceResumeCmd struct{ sourcesCmd }

// Run executes the command.
func (c *sourceResumeCmd) Run(ctx context.Context, con *console) error {
	return c.change(ctx, con, havrev1.SourceAction_SOURCE_ACTION_RESUME, "goes on, in your name.")
}

type sourceRemoveCmd struct{ sourcesCmd }

// Run executes the command.
func (c *sourceRemoveCmd) Run(ctx context.Context, con *console) error {
	return c.change(ctx, con, havrev1.SourceAction_SOURCE_ACTION_REMOVE, "is backed up no longer. Its files stay.")
}

type sourceKeepCmd struct {
	sourcesCmd
	New bool `help:"What the instance has now becomes the next version. Otherwise the copy here stays the good one."`
}

// Run executes the command.
func (c *sourceKeepCmd) Run(ctx context.Context, con *console) error {
	if c.New {
		return c.change(ctx, con, havrev1.SourceAction_SOURCE_ACTION_KEEP_SUSPECT, "is fetched as the instance has it now.")
	}
	return c.change(ctx, con, havrev1.SourceAction_SOURCE_ACTION_KEEP_GOOD, "stays as it is here.")
}

type sourceSetCmd struct {
	sourcesCmd
	secretFlags
	Live          *bool  `negatable:"" help:"Follow the document as it is written."`
	Schedule      string `placeholder:"WHEN" help:"How often to look: adaptive, hourly, daily, weekly, or a time as in 30m."`
	ForgetSecrets bool   `help:"Forget all secrets that the server keeps for it."`
}

// Run executes the command.
func (c *sourceSetCmd) Run(ctx context.Context, con *console) error {
	req := havrev1.SetSourceRequest{Live: c.Live, ForgetSecrets: c.ForgetSecrets}
	if c.Schedule != "" {
		schedule, err := parseSchedule(c.Schedule)
		if err != nil {
			return err
		}
		req.Schedule = &schedule
	}
	secrets, err := c.read(con)
	if err != nil {
		return err
	}
	if secrets != nil {
		req.Secrets = wire.Secrets(secrets)
	}
	if req.Live == nil && req.Schedule == nil && req.Secrets == nil && !req.ForgetSecrets {
		return errors.New("say what changes: --live, --schedule, --password or --api-key")
	}
	return c.withServer(func(remote *apiclient.Client) error {
		list, err := findSources(ctx, remote, c.What)
		if err != nil {
			return err
		}
		for _, s := range list {
			one := &havrev1.SetSourceRequest{Id: s.GetId(), Live: req.Live, Schedule: req.Schedule, Secrets: req.Secrets, ForgetSecrets: req.ForgetSecrets}
			if err := remote.SetSource(ctx, one); err != nil {
				return fmt.Errorf("%s: %w", titleOf(s), err)
			}
			fmt.Fprintf(con.out, "%s is changed, and looked at now.\n", titleOf(s))
		}
		return nil
	})
}
