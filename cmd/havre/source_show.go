package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/api/apiclient"
	"github.com/havre-cloud/havre/internal/api/havrev1"
	"github.com/havre-cloud/havre/internal/api/wire"
	"github.com/havre-cloud/havre/internal/source"
)

type sourceListCmd struct {
	homeFlag
	Place string `arg:"" optional:"" name:"folder[/path]" help:"Only those in and below it."`
}

// Help is the text below the usage.
func (sourceListCmd) Help() string { return sourceHelp }

// Run executes the command.
func (c *sourceListCmd) Run(ctx context.Context, con *console) error {
	folder, path := "", ""
	if c.Place != "" {
		name, p, err := splitPlace(c.Place)
		if err != nil {
			return err
		}
		folder, path = name, string(p)
	}
	return c.withServer(func(remote *apiclient.Client) error {
		list, err := remote.Sources(ctx, folder, path)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			fmt.Fprintln(con.out, "Nothing is backed up here yet; add something with: havre source add")
			return nil
		}
		slices.SortStableFunc(list, func(a, b *havrev1.Source) int { return strings.Compare(placeOfSource(a), placeOfSource(b)) })
		rows := [][]string{{"TITLE", "IN", "STATE", "CHANGED", "SEEN", "FROM"}}
		for _, s := range list {
			rows = append(rows, []string{
				shorten(titleOf(s), 40), shorten(shown(placeOfSource(s)), 30), sourceState(s),
				dayOrTime(s.GetLastChanged()), dayOrTime(s.GetLastGood()), hostOf(s.GetInstance()),
			})
		}
		fmt.Fprint(con.out, table(rows))
		c.warnings(con, list)
		return nil
	})
}

// warnings tells what somebody should look at.
func (c *sourceListCmd) warnings(con *console, list []*havrev1.Source) {
	first := true
	for _, s := range list {
		text := s.GetText()
		if end := wire.DecodeTime(s.GetEnds()); text == "" && !end.IsZero() && time.Until(end) < 7*24*time.Hour && end.After(time.Now()) {
			text = "the instance removes it on " + end.Local().Format(time.DateOnly)
		}
		if text == "" {
			continue
		}
		if first {
			fmt.Fprintln(con.out)
			first = false
		}
		fmt.Fprintf(con.out, "%s: %s\n", titleOf(s), shown(text))
	}
}

// placeOfSource returns FOLDER/PATH.
func placeOfSource(s *havrev1.Source) string {
	return strings.Trim(s.GetFolder()+"/"+s.GetPath(), "/")
}

// sourceState says how a source is in a word or two.
func sourceState(s *havrev1.Source) string {
	word := shown(s.GetState())
	if n := s.GetFailures(); n > 1 {
		word += fmt.Sprintf(" (%s times)", grouped(n))
	}
	return word
}

// dayOrTime shows a moment: the time if it is of today, else the day.
func dayOrTime(n int64) string {
	t := wire.DecodeTime(n)
	if t.IsZero() {
		return "-"
	}
	t = t.Local()
	if now := time.Now(); t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04")
	}
	return t.Format(time.DateOnly)
}

type sourceShowCmd struct {
	sourcesCmd
	Runs int `default:"10" placeholder:"N" help:"How many of the latest runs to show (default: ${default})."`
}

// Run executes the command.
func (c *sourceShowCmd) Run(ctx context.Context, con *console) error {
	return c.withServer(func(remote *apiclient.Client) error {
		list, err := findSources(ctx, remote, c.What)
		if err != nil {
			return err
		}
		for i, s := range list {
			one, err := remote.Source(ctx, s.GetId(), c.Runs)
			if err != nil {
				return err
			}
			if i > 0 {
				fmt.Fprintln(con.out)
			}
			showSource(con, one)
		}
		return nil
	})
}

func showSource(con *console, one *havrev1.ShowSourceResponse) {
	s := one.GetSource()
	rows := [][]string{
		{"Title", titleOf(s)},
		{"Address", shown(s.GetUrl())},
		{"Kind", source.Kind(s.GetKind()).Word()},
		{"In", shown(placeOfSource(s))},
	}
	add := func(name, value string) {
		if value != "" && value != "-" {
			rows = append(rows, []string{name, value})
		}
	}
	for _, f := range s.GetFiles() {
		add("File", shown(s.GetFolder()+"/"+f))
	}
	add("Holds", shown(s.GetSummary()))
	add("State", sourceState(s)+", since "+momentShown(s.GetSince()))
	add("", shown(s.GetText()))
	add("Apart", shown(s.GetSuspect()))
	for _, n := range s.GetNotes() {
		add("Note", shown(n))
	}
	add("Changed", momentShown(s.GetLastChanged()))
	add("Seen", momentShown(s.GetLastGood()))
	add("Next look", momentShown(s.GetNext()))
	add("Schedule", scheduleShown(s))
	add("Removed on", momentShown(s.GetEnds()))
	add("Closes", momentShown(s.GetCloses()))
	add("Secrets", strings.Join(s.GetSecrets(), ", "))
	add("Added", momentShown(s.GetAdded())+" by "+shown(s.GetAddedBy()))
	add("ID", shown(s.GetId()))
	fmt.Fprint(con.out, table(rows))
	if len(one.GetRuns()) == 0 {
		return
	}
	fmt.Fprintln(con.out)
	runs := [][]string{{"WHEN", "OUTCOME", "TOOK", "REVISION", ""}}
	for _, r := range one.GetRuns() {
		revision, outcome := "", r.GetOutcome()
		if r.GetRevision() > 0 {
			revision = grouped(r.GetRevision())
		}
		if r.GetLive() {
			outcome += ", live"
		}
		runs = append(runs, []string{
			wire.DecodeTime(r.GetStart()).Local().Format("2006-01-02 15:04:05"), shown(outcome), took(time.Duration(r.GetTook())), revision,
			shorten(shown(r.GetText()), 80),
		})
	}
	fmt.Fprint(con.out, table(runs))
}

func momentShown(n int64) string {
	t := wire.DecodeTime(n)
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04")
}

func scheduleShown(s *havrev1.Source) string {
	switch {
	case s.GetLive():
		return "live, as it is written"
	case s.GetSchedule() == 0:
		return "adaptive"
	}
	return "every " + strings.TrimSuffix(strings.TrimSuffix((time.Duration(s.GetSchedule())*time.Second).String(), "0s"), "0m")
}

// titleOf is what people call a source.
func titleOf(s *havrev1.Source) string {
	kind, of, _ := strings.Cut(s.GetCollection(), " ")
	switch {
	case kind == "" || s.GetTitle() != s.GetCollection():
		return shown(s.GetTitle())
	case kind == "all":
		return "all pads"
	case kind == "mypads" && of == "":
		return "pads of an account"
	}
	return shown("group " + of)
}
