// Package ethercalctest starts a real EtherCalc for tests, installed once from npm into the user's cache directory.
package ethercalctest

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/havre-cloud/havre/svn/svntest"
)

var (
	//go:embed npm/package.json
	packageJSON []byte
	//go:embed npm/package-lock.json
	packageLock []byte
	//go:embed npm/parent.js
	parentJS []byte
)

// install is done once for a process; processes that do it at the same time each do it, and the first one's stays.
var install = sync.OnceValues(func() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(slices.Concat(packageJSON, packageLock, parentJS))
	dir := filepath.Join(cache, "havre-test", "ethercalc-"+hex.EncodeToString(sum[:6]))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", err
	}
	temp, err := os.MkdirTemp(filepath.Dir(dir), "installing-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temp)
	if err := installInto(temp); err != nil {
		return "", err
	}
	if err := os.Rename(temp, dir); err != nil && !isDir(dir) {
		return "", err
	}
	return dir, nil
})

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func installInto(dir string) error {
	for name, content := range map[string][]byte{"package.json": packageJSON, "package-lock.json": packageLock, "parent.js": parentJS} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return err
		}
	}
	npm := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir = dir
	if out, err := npm.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w\n%s", err, out)
	}
	// EtherCalc looks for SocialCalc below itself only.
	own := filepath.Join(dir, "node_modules", "ethercalc", "node_modules")
	if err := os.MkdirAll(own, 0o755); err != nil {
		return err
	}
	return os.Symlink(filepath.Join("..", "..", "socialcalc"), filepath.Join(own, "socialcalc"))
}

// Server is a running EtherCalc 0.20200127, with its sheets in a directory that goes with the test.
type Server struct {
	URL  string
	port string
	dir  string
	cmd  *exec.Cmd
	done chan struct{} // closed by the goroutine that waits for cmd
	log  *buffer

	client http.Client
}

// buffer keeps what the program says. Safe for concurrent use.
type buffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// Start installs EtherCalc if that was not done before, starts it, and waits until it answers. It ends with the test.
func Start(tb testing.TB) *Server {
	tb.Helper()
	port := strconv.Itoa(svntest.FreePort(tb))
	s := &Server{URL: "http://127.0.0.1:" + port, port: port, dir: tb.TempDir()}
	s.run(tb)
	tb.Cleanup(s.Kill)
	return s
}

func (s *Server) run(tb testing.TB) {
	tb.Helper()
	root, err := install()
	if err != nil {
		tb.Fatal(err)
	}
	s.log, s.done = &buffer{}, make(chan struct{})
	s.cmd = exec.Command("node", "-r", filepath.Join(root, "parent.js"), filepath.Join(root, "node_modules", "ethercalc", "bin", "ethercalc"), "--host", "127.0.0.1", "--port", s.port)
	s.cmd.Dir = s.dir
	// No Redis of this machine: then it keeps sheets in files.
	s.cmd.Env = append(os.Environ(), "REDIS_HOST=127.0.0.1", "REDIS_PORT=1", "OPENSHIFT_DATA_DIR="+s.dir)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	stdin, err := s.cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	done := s.done
	go func() {
		_ = s.cmd.Wait()
		stdin.Close() // it was open as long as the program was to run
		close(done)
	}()
	s.await(tb)
}

// await waits until it has its storage and answers.
func (s *Server) await(tb testing.TB) {
	tb.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-s.done:
			tb.Fatalf("EtherCalc ended:\n%s", s.log)
		case <-tb.Context().Done():
			tb.Fatalf("EtherCalc does not answer:\n%s", s.log)
		case <-tick.C:
		}
		if strings.Contains(s.log.String(), "Falling back to file system storage") {
			if _, body, err := s.ask(tb.Context(), http.MethodGet, "/_exists/nothing", "", ""); err == nil && body == "false" {
				return
			}
		}
	}
}

// Kill ends it at once.
func (s *Server) Kill() {
	if s.cmd.Process != nil {
		_ = s.cmd.Process.Kill()
	}
	<-s.done
}

// Restart starts it again with the same sheets, at the same address.
func (s *Server) Restart(tb testing.TB) {
	tb.Helper()
	s.run(tb)
}

// Alive says whether the program is still there.
func (s *Server) Alive() bool {
	select {
	case <-s.done:
		return false
	default:
		return true
	}
}

func (s *Server) ask(ctx context.Context, method, path, kind, body string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.URL+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(data), err
}

// Ask makes a request that must succeed and returns the body.
func (s *Server) Ask(tb testing.TB, method, path, kind, body string) string {
	tb.Helper()
	status, text, err := s.ask(tb.Context(), method, path, kind, body)
	if err == nil && status >= 300 {
		err = errors.New(http.StatusText(status))
	}
	if err != nil {
		tb.Fatalf("%s %s: %v\n%s\n%s", method, path, err, text, s.log)
	}
	return text
}

// Put replaces a room's sheet by a CSV, which has to be ASCII.
func (s *Server) Put(tb testing.TB, room, csv string) {
	tb.Helper()
	s.Ask(tb, http.MethodPut, "/_/"+room, "text/csv", csv)
}

// Command runs commands of SocialCalc, as typing does: "set A1 text t x". It waits until what the cells show has changed.
func (s *Server) Command(tb testing.TB, room string, commands ...string) {
	tb.Helper()
	before := s.Ask(tb, http.MethodGet, "/_/"+room, "", "")
	body := `{"command":["` + strings.Join(commands, `","`) + `"]}`
	s.Ask(tb, http.MethodPost, "/_/"+room, "application/json", body)
	s.Await(tb, room, func(save string) bool { return save != before })
}

// Await waits until the save of a room is as it should be: what refers to other rooms is calculated when those were read.
func (s *Server) Await(tb testing.TB, room string, good func(save string) bool) {
	tb.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !good(s.Ask(tb, http.MethodGet, "/_/"+room, "", "")) {
		select {
		case <-tb.Context().Done():
			tb.Fatalf("/%s did not become what it should be", room)
		case <-tick.C:
		}
	}
}

// Rooms lists all there are.
func (s *Server) Rooms(tb testing.TB) string {
	tb.Helper()
	return strings.Join(strings.Fields(s.Ask(tb, http.MethodGet, "/_rooms", "", "")), "")
}
