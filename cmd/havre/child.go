package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// child is a process of this program that is started again when it ends by itself. Processes, not
// goroutines, so that the demo is what people will run, and so that any of it can be killed.
type child struct {
	name string
	args []string
	log  string // file that its errors are appended to
	// line is called with what it prints, line by line; may be nil.
	line func(string)
	// note tells the person what happened to it.
	note func(string)
}

// firstWait is how long a process stays away that ends once in a while.
const firstWait = 200 * time.Millisecond

// run keeps the process running until ctx is done, then ends it cleanly.
func (c *child) run(ctx context.Context) {
	for wait := firstWait; ctx.Err() == nil; wait = min(2*wait, 10*time.Second) {
		started := time.Now()
		why := c.once(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(started) > time.Minute {
			wait = firstWait
		}
		c.note(fmt.Sprintf("%s ended (%v); it is started again", c.name, why))
		_ = pause(ctx, wait) // the loop's condition looks at ctx
	}
}

// once runs the process; it ends when it wants to or when ctx is done.
func (c *child) once(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(c.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, self, c.args...)
	cmd.Stderr = log
	cmd.SysProcAttr = detached()
	// The child ends when this pipe does, so that it never outlives us, however we end. On
	// Windows there is no other way to ask it.
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	cmd.Cancel = stdin.Close
	cmd.WaitDelay = 20 * time.Second
	cmd.Stdout = &lineWriter{fn: c.line}
	err = cmd.Run()
	if err == nil {
		return errors.New("without an error")
	}
	return fmt.Errorf("%w; see %s", err, filepath.Base(c.log))
}

// lineWriter calls fn with each complete line.
type lineWriter struct {
	fn   func(string)
	rest string
}

// Write implements io.Writer.
func (w *lineWriter) Write(p []byte) (int, error) {
	if w.fn == nil {
		return len(p), nil
	}
	w.rest += string(p)
	for {
		line, rest, ok := strings.Cut(w.rest, "\n")
		if !ok {
			return len(p), nil
		}
		w.rest = rest
		w.fn(line)
	}
}

// untilClosed returns a context that ends with ctx or when r does: the process that started us is
// gone then.
func untilClosed(ctx context.Context, r io.Reader) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, r)
		cancel()
	}()
	return ctx
}
