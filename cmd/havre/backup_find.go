package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/havre-cloud/havre/internal/source"
)

type backupFindCmd struct {
	backupFlags
	Files   []string `arg:"" type:"path" name:"file" help:"Texts, mails, pages, bookmark exports, places.sqlite, tables, earlier backups; - for standard input."`
	Offline bool     `help:"Ask nobody."`
}

// Help is the text below the usage.
func (backupFindCmd) Help() string {
	return `Nothing is saved. Each address is listed once, with its kind, its instance, whether that answers, and where it
was found. One document of each instance is asked for, and each whose address does not tell what it is.

Examples:

    havre backup find ~/.mozilla/firefox/*/places.sqlite
    havre backup find --offline minutes.md mail.eml

Exit codes: 0 done, whatever answers; 1 a file could not be read; 2 the command line is wrong.`
}

// Run executes the command.
func (c *backupFindCmd) Run(ctx context.Context, con *console) error {
	return c.run(ctx, con, source.NewRegistry(providers()...))
}

func (c *backupFindCmd) run(ctx context.Context, con *console, registry *source.Registry) error {
	var found []source.Found
	seen := map[string]bool{}
	var failed error
	for _, name := range c.Files {
		list, err := findIn(con, registry, name)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		for _, f := range list {
			if !seen[f.Address().URL] {
				seen[f.Address().URL] = true
				found = append(found, f)
			}
		}
	}
	answers := make([]string, len(found))
	if !c.Offline {
		client := source.NewClient(source.ClientOptions{Contact: c.Contact, Version: programVersion(), AllowPrivate: c.AllowPrivate, Logger: con.log})
		defer client.CloseIdle()
		found, answers = c.ask(ctx, con, client, registry, found)
	}
	if ctx.Err() != nil {
		return &backupError{exitFailed, "stopped"}
	}
	if len(found) > 0 {
		fmt.Fprint(con.out, c.table(found, answers))
	} else if failed == nil {
		fmt.Fprintln(con.err, "havre: no address of a pad, a poll or a sheet was found")
	}
	return failed
}

// ask asks the instances. What turned out to be something else is left out.
func (c *backupFindCmd) ask(ctx context.Context, con *console, client *source.Client, registry *source.Registry, found []source.Found) ([]source.Found, []string) {
	show := newBackupShow(con)
	stop := show.begin(len(found))
	defer stop()
	answers := make([]string, len(found))
	var mu sync.Mutex
	instances := map[string]string{}
	queue := &findQueue{}
	show.paused = func() (string, time.Time) { return longestPause(client, &queue.JobList) }
	queue.work = func(ctx context.Context, i int) {
		f := &found[i]
		certain := f.Kinds[0].Likelihood == source.Certain
		key := string(f.Address().Kind) + " " + f.Address().Instance
		mu.Lock()
		answer := instances[key]
		mu.Unlock()
		record := &backupRecord{}
		record.Address = f.Address()
		show.working(record)
		if answer == "" || !certain {
			answer = probe(ctx, client, registry, f)
			mu.Lock()
			if f.Kinds[0].Likelihood == source.Certain {
				instances[key] = answer
			}
			mu.Unlock()
		}
		answers[i] = answer
		show.done(record, source.Result{Outcome: source.OutcomeUnchanged})
	}
	now := time.Now()
	for i, f := range found {
		queue.Put(source.Job{ID: fmt.Sprint(i), Instance: f.Address().Instance}, now)
	}
	// One of an instance at a time, so that its first answer is known when the second is due.
	_ = source.NewScheduler(queue, client, source.SchedulerOptions{PerInstance: 1, Logger: con.log}).RunOnce(ctx) // the context's error, which the caller sees
	var kept []source.Found
	var keptAnswers []string
	for i, f := range found {
		if answers[i] != "" {
			kept, keptAnswers = append(kept, f), append(keptAnswers, answers[i])
		}
	}
	return kept, keptAnswers
}

// probe asks what an address is. It returns what is to be said of it, or nothing if it is something else.
func probe(ctx context.Context, client *source.Client, registry *source.Registry, f *source.Found) string {
	var failed error
	for _, r := range f.Kinds {
		p, ok := registry.Provider(r.Address.Kind)
		if !ok {
			continue
		}
		got, err := p.Probe(ctx, client, r)
		if err == nil {
			got.Likelihood = source.Certain
			f.Kinds = []source.Recognised{got}
			return "answers"
		}
		if e, ok := errors.AsType[*source.Error](err); ok && e.Reason == source.ReasonForeign && r.Likelihood < source.Certain {
			continue
		}
		failed = err
	}
	if failed == nil {
		return ""
	}
	if f.Kinds[0].Likelihood < source.Certain {
		return "unknown"
	}
	e, ok := errors.AsType[*source.Error](failed)
	if !ok {
		return "failed"
	}
	switch e.Reason {
	case source.ReasonGone, source.ReasonPrivate, source.ReasonPassword, source.ReasonHidden:
		return "answers"
	case source.ReasonLimited:
		return "busy"
	case source.ReasonForbidden:
		return "not allowed"
	case source.ReasonForeign:
		return "something else"
	default:
		return "no answer"
	}
}

// table lists what was found.
func (c *backupFindCmd) table(found []source.Found, answers []string) string {
	rows := [][]string{{"KIND", "INSTANCE", "STATE", "ADDRESS", "FOUND IN", "TITLE"}}
	for i, f := range found {
		a := f.Address()
		kind := a.Kind.Word()
		if f.Kinds[0].Likelihood < source.Certain {
			kind += "?"
		}
		if a.Collection != "" {
			kind += "s"
		}
		where := filepath.Base(f.File)
		if f.Line > 0 {
			where = fmt.Sprintf("%s:%d", where, f.Line)
		}
		rows = append(rows, []string{kind, hostOf(a.Instance), answers[i], shown(a.URL), shorten(shown(where), 40), shorten(shown(f.Title), 50)})
	}
	if c.Offline {
		for i := range rows {
			rows[i] = append(rows[i][:2], rows[i][3:]...)
		}
	}
	return table(rows) + counted(int64(len(found)), "document") + "\n"
}

// findQueue is the source.Queue of what was found.
type findQueue struct {
	source.JobList
	work func(ctx context.Context, i int)
}

// Work is source.Queue.Work.
func (q *findQueue) Work(ctx context.Context, job source.Job) error {
	var i int
	if _, err := fmt.Sscan(strings.TrimSpace(job.ID), &i); err != nil {
		return fmt.Errorf("job %q: %w", job.ID, err)
	}
	q.work(ctx, i)
	return nil
}
