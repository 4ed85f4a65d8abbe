package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// BenchmarkServersUnchangedSources is BenchmarkUnchangedSources for the team's server: a thousand backups, of which nothing has
// changed. It measures the requests for each, and the memory of the server: before there are any, and the most while it looks at
// them.
//
//	go test -run '^$' -bench ServersUnchangedSources -benchtime 1x -timeout 30m ./cmd/havre
func BenchmarkServersUnchangedSources(b *testing.B) {
	list, requests := tenInstances(b)
	dir := b.TempDir()
	run := func(args ...string) (*exec.Cmd, *lines) {
		cmd := exec.CommandContext(b.Context(), program, args...)
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
	server, out := run("serve", "--data", "data", "--listen", "127.0.0.1:0", "--allow-private")
	b.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	eventually(b, "the server is ready", func() error {
		if !readyPattern.MatchString(out.String()) {
			return fmt.Errorf("it says %s", out)
		}
		return nil
	})
	must("folder", "add", "--data", "data", "Team")
	must("join", "--home", "home", "--name", "laptop", invitationPattern.FindString(out.String()))
	if err := os.WriteFile(filepath.Join(dir, "list.txt"), []byte(list), 0o600); err != nil {
		b.Fatal(err)
	}
	before := peakOf(b, server.Process.Pid)
	began := time.Now()
	must("source", "add", "--home", "home", "--from", "list.txt", "--into", "Team/Pads")
	wait := func(since time.Time) {
		eventually(b, "all were looked at", func() error {
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
	wait(began)
	b.Logf("added and saved in %s", time.Since(began).Round(time.Second))
	for b.Loop() {
		forgetPeak(b, server.Process.Pid)
		requests.Store(0)
		time.Sleep(time.Until(time.Now().Truncate(time.Minute).Add(time.Minute))) // the list tells minutes
		again := time.Now()
		must("source", "check", "--home", "home", "Team")
		wait(again)
		b.ReportMetric(float64(requests.Load())/1000, "requests/document")
		b.ReportMetric(peakOf(b, server.Process.Pid), "MB-peak")
	}
	b.ReportMetric(before, "MB-empty")
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

// peakOf returns the most memory that a process had since forgetPeak, in MB.
func peakOf(b *testing.B, pid int) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := bytes.Cut(text, []byte("VmHWM:"))
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
