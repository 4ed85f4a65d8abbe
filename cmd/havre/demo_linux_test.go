package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// children returns the processes that a process has started, by the name of their home or data
// directory: server, laptop, desktop.
func children(t *testing.T, pid int) map[string]int {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, task := range tasks {
		data, err := os.ReadFile(task)
		if err != nil {
			continue // the thread has ended
		}
		for word := range strings.FieldsSeq(string(data)) {
			child, err := strconv.Atoi(word)
			if err != nil {
				t.Fatal(err)
			}
			line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", child))
			if err != nil {
				continue
			}
			args := strings.Split(string(bytes.TrimRight(line, "\x00")), "\x00")
			if len(args) > 3 {
				found[filepath.Base(args[3])] = child
			}
		}
	}
	return found
}

// TestDemoParts: each part of the demo may be killed, and none outlives the demo.
func TestDemoParts(t *testing.T) {
	dir := t.TempDir()
	d := start(t, "demo", "--dir", dir)
	d.await(demoReady)
	for i, name := range []string{"server", "laptop", "desktop"} {
		pid := children(t, d.cmd.Process.Pid)[name]
		if pid == 0 {
			t.Fatalf("no process of %s", name)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		file := fmt.Sprintf("f%d", i)
		if err := os.WriteFile(filepath.Join(dir, "laptop", file), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
		eventually(t, "a file arrives after the end of "+name, func() error {
			_, err := os.Stat(filepath.Join(dir, "desktop", file))
			return err
		})
		if out := d.out.String(); !strings.Contains(out, name+" ended (signal: killed") {
			t.Errorf("the end of %s is not told:\n%s", name, out)
		}
	}
	left := children(t, d.cmd.Process.Pid)
	if len(left) != 3 {
		t.Errorf("processes: %v", left)
	}
	d.kill()
	for name, pid := range left {
		eventually(t, name+" ends with the demo", func() error {
			stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			// Z: it has ended; init has not noticed yet, or is one that never does.
			if errors.Is(err, fs.ErrNotExist) || bytes.Contains(stat, []byte(") Z ")) {
				return nil
			}
			return fmt.Errorf("process %d is there: %s, %w", pid, stat, err)
		})
	}
	verify(t, filepath.Join(dir, "server", "repositories", "demo"))
}
