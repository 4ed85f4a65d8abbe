package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// smallFiles and smallSize are the shape of the tree of many small files: in 100 directories.
const (
	smallFiles = 10_000
	smallSize  = 1 << 10
)

func timed(f func() error) (time.Duration, error) {
	start := time.Now()
	err := f()
	return time.Since(start), err
}

// middle returns the median of sizes.
func middle(n []int64) int64 {
	s := slices.Sorted(slices.Values(n))
	return s[len(s)/2]
}

func median(d []time.Duration) time.Duration { return percentile(d, 50) }

// percentile returns the smallest value that p percent of d do not exceed.
func percentile(d []time.Duration, p int) time.Duration {
	s := slices.Sorted(slices.Values(d))
	return s[min(len(s)-1, len(s)*p/100)]
}

// command runs a program to its end, quietly, and returns what it said if it fails.
func command(ctx context.Context, name string, args ...string) error {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// writeSmallTree makes the tree of many small files with random contents below dir.
func writeSmallTree(dir string) error {
	content := make([]byte, smallSize)
	for d := range 100 {
		sub := filepath.Join(dir, fmt.Sprintf("d%02d", d))
		if err := os.MkdirAll(sub, 0o755); err != nil {
			return err
		}
		for f := range smallFiles / 100 {
			rand.Read(content)
			if err := os.WriteFile(filepath.Join(sub, fmt.Sprintf("f%02d.txt", f)), content, 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// smallTree makes the tree of many small files in a directory of its own.
func (c config) smallTree() (string, error) {
	dir := filepath.Join(c.dir, "tree")
	if exists(dir) {
		return dir, nil
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	return dir, writeSmallTree(dir)
}

// writeLarge makes a file of random contents.
func writeLarge(name string, size int64) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	if _, err := io.CopyN(f, rand.Reader, size); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}

// countFiles returns how many regular files are below dir, names that begin with a dot left out.
func countFiles(dir string) int {
	n := 0
	_ = filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil //nolint:nilerr // the tree changes while it is counted
		case strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return filepath.SkipDir
			}
		case d.Type().IsRegular():
			n++
		}
		return nil
	})
	return n
}

// sameTree compares two directories by content, names that begin with a dot left out.
func sameTree(ctx context.Context, a, b string) error {
	return command(ctx, "diff", "-r", "-q", "--exclude=.*", a, b)
}

// await polls ok until it is true; only ctx ends it before.
func await(ctx context.Context, every time.Duration, ok func() bool) error {
	for !ok() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(every):
		}
	}
	return nil
}

// usage is what a process has used so far.
type usage struct {
	cpu time.Duration
	rss int64 // bytes, resident now
}

// processUsage reads /proc.
func processUsage(pid int) (usage, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return usage{}, err
	}
	// After the name in parentheses: field 14 and 15 are user and system time in ticks of
	// 1/100 s, field 24 the resident pages (proc(5)).
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	var v [3]int64
	for i, f := range []int{14, 15, 24} {
		if v[i], err = strconv.ParseInt(fields[f-3], 10, 64); err != nil {
			return usage{}, err
		}
	}
	return usage{cpu: time.Duration(v[0]+v[1]) * 10 * time.Millisecond, rss: v[2] * int64(os.Getpagesize())}, nil
}

// peakSelf returns the most memory that this process has held, in bytes. (What the system says of
// a finished child counts the parent's memory from before the child's program was loaded.)
func peakSelf() (int64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		var kib int64
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kib); err == nil {
			return kib * 1024, nil
		}
	}
	return 0, fmt.Errorf("no VmHWM in /proc/self/status")
}

// runSelf runs a job of this program as a process of its own and returns the time it took and the
// most memory it held, in bytes.
func runSelf(ctx context.Context, args ...string) (time.Duration, int64, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, 0, err
	}
	cmd := exec.CommandContext(ctx, self, append([]string{childFlag}, args...)...)
	cmd.Stderr = os.Stderr
	var out []byte
	d, err := timed(func() (err error) { out, err = cmd.Output(); return err })
	if err != nil {
		return 0, 0, fmt.Errorf("%s: %w", strings.Join(args, " "), err)
	}
	peak, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	return d, peak, err
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond)) }

func secs(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

func mib(n int64) string { return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20)) }

func ratio(theirs, ours time.Duration) string {
	return fmt.Sprintf("%.1f x", float64(theirs)/float64(ours))
}
