package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/internal/source"
	"github.com/havre-cloud/havre/internal/store"
)

// BenchmarkServersUnchangedSources is BenchmarkUnchangedSources for the team's server: a thousand backups, of which nothing has
// changed. It measures the requests for each, and the memory of the server: at rest, the most while it looks at
// them, and how much of that are mapped files, which is the program itself.
//
//	go test -run '^$' -bench ServersUnchangedSources -benchtime 1x -timeout 30m ./cmd/havre
func BenchmarkServersUnchangedSources(b *testing.B) {
	list, requests := tenInstances(b)
	dir := b.TempDir()
	// The test program is larger than the one that people have.
	build := exec.CommandContext(b.Context(), "go", "build", "-o", filepath.Join(dir, "havre"), ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("go build: %v: %s", err, out)
	}
	run := func(args ...string) (*exec.Cmd, *lines) {
		cmd := exec.CommandContext(b.Context(), filepath.Join(dir, "havre"), args...)
		cmd.Dir, cmd.Env = dir, []string{beHavre + "=1", "HOME=" + dir, "TMPDIR=" + dir, "PATH=" + os.Getenv("PATH")}
		out := &lines{}
		cmd.Stdout, cmd.Stderr = out, out
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		return cmd, out
	}
	must := func(args ...string) string {
		cmd, out := run(args...)
		if err := cmd.Wait(); err != nil {
			b.Fatalf("%q: %v: %s", args, err, out)
		}
		return out.String()
	}
	listen := "127.0.0.1:0"
	serve := func() (server *exec.Cmd, said string, end func()) {
		server, out := run("serve", "--data", "data", "--listen", listen, "--allow-private")
		end = sync.OnceFunc(func() {
			_ = server.Process.Signal(os.Interrupt)
			_ = server.Wait()
		})
		b.Cleanup(end)
		eventually(b, "the server is ready", func() error {
			if !readyPattern.MatchString(out.String()) {
				return fmt.Errorf("it says %s", out)
			}
			return nil
		})
		return server, out.String(), end
	}
	_, said, end := serve()
	listen = readyPattern.FindStringSubmatch(said)[1]
	must("folder", "add", "--data", "data", "Team")
	must("join", "--home", "home", "--name", "laptop", invitationPattern.FindString(said))
	end()
	saveInHaste(b, filepath.Join(dir, "data"), strings.Fields(list))
	server, _, _ := serve()
	wait := func(since time.Time) {
		eventually(b, "all were looked at", func() error {
			if n := requests.Load(); n < 900 {
				return fmt.Errorf("%d requests", n)
			}
			time.Sleep(2 * time.Second) // each look costs what is measured
			seen := 0
			for line := range strings.Lines(must("source", "list", "--home", "home")) {
				if f := seenPattern.FindStringSubmatch(line); f != nil && !clock(since, f[1]).Before(since.Truncate(time.Minute)) {
					seen++
				}
			}
			if seen < 1000 {
				return fmt.Errorf("%d were looked at", seen)
			}
			return nil
		})
	}
	for b.Loop() {
		time.Sleep(time.Until(time.Now().Truncate(time.Minute).Add(time.Minute))) // the list tells minutes
		b.ReportMetric(memoryOf(b, server.Process.Pid, "VmRSS"), "MB-rest")
		forgetPeak(b, server.Process.Pid)
		requests.Store(0)
		again := time.Now()
		must("source", "check", "--home", "home", "Team")
		wait(again)
		b.ReportMetric(float64(requests.Load())/1000, "requests/document")
		b.ReportMetric(memoryOf(b, server.Process.Pid, "VmHWM"), "MB-peak")
		b.ReportMetric(memoryOf(b, server.Process.Pid, "RssFile"), "MB-file")
	}
}

// saveInHaste adds documents to the backups of a server that does not run, and makes their first copies, without the manners
// because of which that would take it a quarter of an hour.
func saveInHaste(b *testing.B, data string, addresses []string) {
	b.Helper()
	h, err := hub.Open(b.Context(), data, hub.Options{
		Sources: source.NewRegistry(providers()...), SourceClient: source.ClientOptions{PerSecond: -1, Concurrent: 4},
	})
	if err != nil {
		b.Fatal(err)
	}
	users, err := h.Admin(store.Console).Users(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	var g errgroup.Group
	g.Go(func() error { return h.Run(ctx) })
	g.Go(func() error { return h.RunSources(ctx) })
	admin := &havre.Caller{User: users[0].ID, UserName: users[0].Name}
	at, err := h.SourceSpot(ctx, admin, "Team", "Pads")
	if err != nil {
		b.Fatal(err)
	}
	var wishes []hub.SourceWish
	for _, a := range addresses {
		wishes = append(wishes, hub.SourceWish{URL: a})
	}
	if _, err := h.AddSources(ctx, admin, at, wishes); err != nil {
		b.Fatal(err)
	}
	eventually(b, "all have a copy", func() error {
		time.Sleep(time.Second) // each look costs
		all, err := h.Sources(ctx, admin, hub.SourceFilter{States: []hub.SourceState{hub.SourceOK}})
		if err == nil && len(all) < 1000 {
			err = fmt.Errorf("%d have one", len(all))
		}
		return err
	})
	cancel()
	if err := errors.Join(g.Wait(), h.Close()); err != nil {
		b.Fatal(err)
	}
}

var seenPattern = regexp.MustCompile(` ok +[0-9:]{5} +([0-9]{2}:[0-9]{2}) `)

// clock returns the moment of the day of another that a list shows as hours and minutes.
func clock(day time.Time, text string) time.Time {
	t, err := time.Parse("15:04", text)
	if err != nil {
		return time.Time{}
	}
	return time.Date(day.Year(), day.Month(), day.Day(), t.Hour(), t.Minute(), 0, 0, day.Location())
}

// memoryOf returns a process's memory in MB: "VmRSS" is what it has, of which "RssFile" are mapped files, above all the
// program itself, and "VmHWM" the most that it had since forgetPeak.
func memoryOf(b *testing.B, pid int, what string) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := bytes.Cut(text, []byte(what+":"))
	number, _, _ := strings.Cut(strings.TrimSpace(string(rest)), " ")
	kilobytes, err := strconv.ParseFloat(number, 64)
	if err != nil {
		b.Fatal(err)
	}
	return kilobytes * 1024 / 1e6
}

func forgetPeak(b *testing.B, pid int) {
	b.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0o200); err != nil {
		b.Fatal(err)
	}
}
