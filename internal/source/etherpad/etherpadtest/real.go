package etherpadtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Options says how a server is set up. The zero value is an open instance without limits that a test would notice.
type Options struct {
	// Limit is how many exports and imports are answered in Window; zero for no limit to speak of. Window is 90 s if zero.
	Limit  int
	Window time.Duration
	// Messages is how many messages an address may send over sockets in a second; zero for no limit to speak of.
	Messages int
	// User and Password, if there is a user, are needed for everything (requireAuthentication).
	User, Password string
	// EditOnly: nobody can make pads, except over the API.
	EditOnly bool
	// RequireSession: nobody gets in without a session of the API.
	RequireSession bool
	// Port to listen on, zero for any that is free.
	Port int
}

func (o Options) limit() int {
	if o.Limit == 0 {
		return 100000
	}
	return o.Limit
}

func (o Options) messages() int {
	if o.Messages == 0 {
		return 100000
	}
	return o.Messages
}

func (o Options) window() time.Duration {
	if o.Window == 0 {
		return 90 * time.Second
	}
	return o.Window
}

const defaultText = "Welcome to Etherpad!\n\nThis pad text is synchronized as you type.\n"

// Real is a real Etherpad 1.8.14 in a process of its own.
type Real struct {
	base
	options Options
	port    int
	dir     string
	install string

	mu     sync.Mutex // guards what follows
	cmd    *exec.Cmd
	stdin  io.Closer
	output *bytes.Buffer
	ended  chan struct{}
}

// StartReal starts an Etherpad, which is installed first if it was never before on this machine. It ends with the test.
func StartReal(t testing.TB, o Options) *Real {
	t.Helper()
	r, err := NewReal(o, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Kill)
	return r
}

// NewReal is StartReal for what is no test. The directory holds its database and settings. Kill ends it.
func NewReal(o Options, dir string) (*Real, error) {
	where, err := install()
	if err != nil {
		return nil, fmt.Errorf("installing Etherpad: %w", err)
	}
	port := o.Port
	for port == 0 {
		// Below those that systems give to who asks for any: another process would get it while Etherpad starts again.
		one := 10_000 + rand.IntN(20_000)
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", one)); err == nil {
			port = one
			l.Close()
		}
	}
	r := &Real{options: o, port: port, dir: dir, install: where}
	r.base = newBase(fmt.Sprintf("http://127.0.0.1:%d", port), "0123456789abcdef", "1.8.14", o)
	if err := os.WriteFile(filepath.Join(dir, "APIKEY.txt"), []byte(r.key), 0o644); err != nil {
		return nil, err
	}
	return r, r.start()
}

// Set changes the settings, except for the port, from the next start on. Authors know the new password.
func (r *Real) Set(o Options) { r.options, r.user, r.password = o, o.User, o.Password }

func (r *Real) writeSettings() error {
	o := r.options
	settings := map[string]any{
		"title": "Etherpad", "ip": "127.0.0.1", "port": r.port, "skinName": "colibris", "minify": false, "loglevel": "WARN",
		"dbType": "dirty", "dbSettings": map[string]any{"filename": r.database()}, "defaultPadText": defaultText,
		"editOnly": o.EditOnly, "requireSession": o.RequireSession,
		"importExportRateLimiting": map[string]any{"windowMs": o.window().Milliseconds(), "max": o.limit()},
		"commitRateLimiting":       map[string]any{"duration": 1, "points": o.messages()},
	}
	if o.User != "" {
		settings["requireAuthentication"] = true
		settings["users"] = map[string]any{o.User: map[string]any{"password": o.Password}}
	}
	b, err := json.Marshal(settings)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.dir, "settings.json"), b, 0o644)
}

func (r *Real) database() string { return filepath.Join(r.dir, "dirty.db") }

func (r *Real) start() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.writeSettings(); err != nil {
		return err
	}
	r.output = &bytes.Buffer{}
	cmd := exec.Command("node", "--require", filepath.Join(r.install, "parent.js"), "node/server.js",
		"--settings", filepath.Join(r.dir, "settings.json"), "--apikey", filepath.Join(r.dir, "APIKEY.txt"))
	cmd.Dir = filepath.Join(r.install, "src")
	cmd.Stdout, cmd.Stderr = r.output, r.output
	// It asks the world at each start whether there is a newer version; here nobody answers.
	cmd.Env = append(os.Environ(), "NODE_ENV=production", "HTTPS_PROXY=http://127.0.0.1:9", "https_proxy=http://127.0.0.1:9",
		"PATH="+filepath.Join(r.install, "bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		cmd.Wait()
		close(ended)
	}()
	r.cmd, r.stdin, r.ended = cmd, stdin, ended
	for {
		select {
		case <-ended:
			return fmt.Errorf("etherpad ended while it started:\n%s", r.output)
		case <-time.After(50 * time.Millisecond):
		}
		resp, err := http.Get(r.url + "/api") //nolint:forbidigo // a test's own server
		if err == nil {
			resp.Body.Close()
			return nil
		}
	}
}

// Kill ends the server at once. What it wrote in the last 100 ms may be lost.
func (r *Real) Kill() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cmd == nil {
		return
	}
	r.cmd.Process.Kill()
	<-r.ended
	r.stdin.Close()
	r.cmd = nil
}

// Restart starts a server that was killed, with the same address and data.
func (r *Real) Restart(t testing.TB) {
	t.Helper()
	if err := r.start(); err != nil {
		t.Fatal(err)
	}
}

// Reset kills the server and starts it without any data.
func (r *Real) Reset(t testing.TB) {
	t.Helper()
	r.Kill()
	if err := os.Remove(r.database()); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	r.Restart(t)
}

// Flush waits until what was written before is on disk, where Kill does not reach it.
func (r *Real) Flush(t testing.TB, text string) {
	t.Helper()
	quoted, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	for {
		b, err := os.ReadFile(r.database())
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), strings.Trim(string(quoted), `"`)) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}
