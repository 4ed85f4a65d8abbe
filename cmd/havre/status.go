package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/home"
)

type statusCmd struct {
	homeFlag
	JSON bool `help:"Print JSON, for programs."`
}

// Help is the text below the usage.
func (statusCmd) Help() string {
	return `For each directory: what it is doing, the revision up to which the server's changes are here, what
waits to be fetched and sent, the last error, and the paths that cannot be kept the same, with the
reason.

Examples:

    havre status
    havre status --json | jq -r '.replicas[].state'

Fields of --json: running, version, home, server.name, server.address, user, device, and in
replicas: id, folder, path, dir, state (starting, syncing, up-to-date, offline, held, failed,
stopped, no-access, not-running), revision, pendingDown, pendingUp, pendingDownBytes, pendingUpBytes,
heldDown, heldUp, watch, lastError, lastErrorAt, problems (path, text), problemCount, kept (path,
place, at), keptCount. Fields may be added; none is renamed.

` + exitCodes
}

// Run executes the command.
func (c *statusCmd) Run(ctx context.Context, con *console) error {
	s, err := c.status(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		enc := json.NewEncoder(con.out)
		enc.SetIndent("", "  ")
		return enc.Encode(s)
	}
	_, err = fmt.Fprint(con.out, statusText(s, time.Now()))
	return err
}

// status asks the running client; without one it tells what is in the files, and needs no lock.
func (c *statusCmd) status(ctx context.Context) (*home.Status, error) {
	h, err := c.open()
	if err != nil {
		return nil, err
	}
	conn, err := h.Connect(ctx)
	if err == nil {
		defer conn.Close()
		return conn.Status(ctx)
	}
	if _, ok := errors.AsType[*home.NotRunningError](err); !ok {
		return nil, err
	}
	config, err := h.Joined()
	if err != nil {
		return nil, err
	}
	return stoppedStatus(h, config), nil
}

// stoppedStatus is the status of a client that does not run.
func stoppedStatus(h *home.Home, config *home.Config) *home.Status {
	s := &home.Status{
		Version:  programVersion(),
		Home:     h.Dir(),
		Server:   home.ServerStatus{Name: config.Identity.ServerName, Address: config.Identity.Server},
		User:     config.Identity.UserName,
		Device:   config.Identity.DeviceName,
		Replicas: []home.ReplicaStatus{},
	}
	for _, r := range config.Replicas {
		s.Replicas = append(s.Replicas, home.ReplicaStatus{
			ID: r.ID, Folder: r.FolderName, Path: r.Path, Dir: r.Dir,
			State: home.StateNotRunning, Revision: -1, Problems: []home.Problem{}, Kept: []home.Kept{},
		})
	}
	return s
}

// statusText is what a person reads.
func statusText(s *home.Status, now time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s on %s, server %s (%s)\n", shown(s.User), shown(s.Device), shown(s.Server.Name), s.Server.Address)
	if len(s.Replicas) == 0 {
		b.WriteString("\nNo directory is kept the same as a folder yet; add one with: havre add FOLDER DIR\n")
	}
	for i := range s.Replicas {
		r := &s.Replicas[i]
		fmt.Fprintf(&b, "\n%s: %s\n", shown(r.Name()), stateText(r))
		for _, line := range replicaLines(r, now) {
			fmt.Fprintf(&b, "    %s\n", line)
		}
	}
	if !s.Running {
		b.WriteString("\nNo client runs here: nothing is kept the same. Start it with: havre run\n")
	}
	return b.String()
}

// stateText says in words what a replica is doing.
func stateText(r *home.ReplicaStatus) string {
	words := map[home.State]string{
		home.StateStarting:   "starting",
		home.StateSyncing:    "syncing",
		home.StateUpToDate:   "up to date",
		home.StateOffline:    "offline, trying again",
		home.StateHeld:       "waiting for you to decide about deletions",
		home.StateFailed:     "in trouble, trying again",
		home.StateStopped:    "stopped until something is done",
		home.StateNotRunning: "not running",
		home.StateNoAccess:   "you have no access any more; it comes back when you do",
	}
	text := words[r.State]
	if r.Revision >= 0 {
		text += fmt.Sprintf(", revision %d", r.Revision)
	}
	return text + pendingText(r.PendingDown, r.PendingDownBytes, "to fetch") + pendingText(r.PendingUp, r.PendingUpBytes, "to send")
}

func pendingText(n, size int64, what string) string {
	switch {
	case n == 0:
		return ""
	case size == 0:
		return fmt.Sprintf(", %s %s", grouped(n), what)
	default:
		return fmt.Sprintf(", %s %s (%s)", grouped(n), what, bytesShown(size))
	}
}

// replicaLines is what is said about a replica below its first line.
func replicaLines(r *home.ReplicaStatus, now time.Time) []string {
	lines := []string{shown(r.Dir)}
	if n := r.HeldDown; n > 0 {
		lines = append(lines, fmt.Sprintf("%s on the server would remove files here;", counted(n, "deletion")))
	}
	if n := r.HeldUp; n > 0 {
		lines = append(lines, fmt.Sprintf("%s here would remove files for everyone;", counted(n, "deletion")))
	}
	if r.HeldDown+r.HeldUp > 0 {
		lines = append(lines,
			"    let them happen:  havre deletions allow "+quoteArg(r.Dir),
			"    bring files back: havre deletions undo "+quoteArg(r.Dir))
	}
	if r.LastError != "" {
		at := ""
		if !r.LastErrorAt.IsZero() {
			at = " (" + when(r.LastErrorAt, now) + ")"
		}
		lines = append(lines, "last error"+at+": "+shown(r.LastError))
	}
	if r.Watch != "" {
		lines = append(lines, shown(r.Watch))
	}
	if r.ProblemCount > 0 {
		lines = append(lines, counted(r.ProblemCount, "path")+" cannot be kept the same:")
		for i, p := range r.Problems {
			if i == 10 {
				break
			}
			lines = append(lines, "    "+shown(string(p.Path))+": "+shown(p.Text))
		}
		if more := r.ProblemCount - int64(min(10, len(r.Problems))); more > 0 {
			lines = append(lines, fmt.Sprintf("    and %s more", grouped(more)))
		}
	}
	return append(lines, keptLines(r)...)
}

// keptLines says what was set aside.
func keptLines(r *home.ReplicaStatus) []string {
	if r.KeptCount == 0 {
		return nil
	}
	lines := []string{counted(r.KeptCount, "file") + " set aside, which could not be sent for want of the right; delete them when you have seen to them:"}
	for i, k := range r.Kept {
		if i == 10 {
			break
		}
		lines = append(lines, "    "+shown(string(k.Path))+" is now "+shown(k.Place))
	}
	if more := r.KeptCount - int64(min(10, len(r.Kept))); more > 0 {
		lines = append(lines, fmt.Sprintf("    and %s more", grouped(more)))
	}
	return lines
}

// when returns the time of day, with the date when that is another one.
func when(t, now time.Time) string {
	t, now = t.Local(), now.Local()
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format("15:04:05")
	}
	return t.Format("2006-01-02 15:04")
}

// quoteArg quotes a word for a shell, if it needs that.
func quoteArg(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == filepath.Separator || strings.ContainsRune("/._-+:@%,=", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
