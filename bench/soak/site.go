package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// site is a server and two clients of one folder.
type site struct {
	dir, bin string
	size     size
	r        *rand.Rand
	notes    []string // for the line of the part

	listen    string
	network   *network // nil: all on this machine
	processes map[string]*exec.Cmd
	watch     *watcher
}

// clients are the two devices. The person works on the first.
var clients = []string{"laptop", "desktop"}

// victims are whom to kill: all is one of them at random each time.
var victims = []string{"server", "laptop", "desktop", "all"}

func (s *site) note(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

func (s *site) replica(client string) string { return filepath.Join(s.dir, client) }
func (s *site) home(client string) string    { return filepath.Join(s.dir, "home-"+client) }
func (s *site) data() string                 { return filepath.Join(s.dir, "server") }

var invitation = regexp.MustCompile(`https://\S+/join/\S+#sha256=[0-9a-f]+`)

func (s *site) setUp(ctx context.Context, networked bool) error {
	s.processes = map[string]*exec.Cmd{}
	host := "127.0.0.1"
	if networked {
		s.network = &network{}
		if err := s.network.setUp(ctx); err != nil {
			return err
		}
		host = serverAddress
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") // for a number that is free
	if err != nil {
		return err
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	s.listen = net.JoinHostPort(host, port)
	if err := errors.Join(l.Close(), s.start(ctx, "server")); err != nil {
		return err
	}
	if err := await(ctx, time.Minute, func() error { _, err := s.havre(ctx, "", "folder", "add", "--data", s.data(), "Soak"); return err }); err != nil {
		return err
	}
	for _, c := range clients {
		out, err := s.havre(ctx, "", "invite", "--data", s.data(), "admin")
		if err != nil {
			return err
		}
		if _, err := s.havre(ctx, c, "join", "--home", s.home(c), "--name", c, invitation.FindString(out)); err != nil {
			return err
		}
		if _, err := s.havre(ctx, c, "add", "--home", s.home(c), "Soak", s.replica(c)); err != nil {
			return err
		}
		if err := s.start(ctx, c); err != nil {
			return err
		}
	}
	s.watch = watch(s.replica("laptop"), s.replica("desktop"))
	return nil
}

func (s *site) tearDown() error {
	var errs []error
	if s.watch != nil {
		errs = append(errs, s.watch.stop())
	}
	for _, name := range append([]string{"server"}, clients...) {
		errs = append(errs, s.kill(name))
	}
	if s.network != nil {
		errs = append(errs, s.network.tearDown())
	}
	return errors.Join(errs...)
}

// command returns a command in the network of whom it is for, "" for this machine's.
func (s *site) command(ctx context.Context, who string, args ...string) *exec.Cmd {
	words := append([]string{s.bin}, args...)
	if s.network != nil && who != "" {
		words = append([]string{"ip", "netns", "exec", s.network.name(who)}, words...)
	}
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Env = append(os.Environ(), "HOME="+s.dir)
	return cmd
}

func (s *site) havre(ctx context.Context, who string, args ...string) (string, error) {
	out, err := s.command(ctx, who, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("havre %s: %w: %s", args[0], err, out)
	}
	return string(out), nil
}

// start starts the server or a client; what it says goes to a file.
func (s *site) start(ctx context.Context, name string) error {
	args := []string{"run", "--home", s.home(name)}
	if name == "server" {
		args = []string{"serve", "--data", s.data(), "--listen", s.listen}
	}
	log, err := os.OpenFile(filepath.Join(s.dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := s.command(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = log, log
	s.processes[name] = cmd
	return cmd.Start()
}

// kill ends a process as a power cut would.
func (s *site) kill(name string) error {
	cmd := s.processes[name]
	if cmd == nil || cmd.Process == nil {
		return nil
	}
	delete(s.processes, name)
	if err := cmd.Process.Kill(); err != nil {
		_ = cmd.Wait() // it says the same
		return fmt.Errorf("%s had ended by itself: %w", name, err)
	}
	_ = cmd.Wait() // killed
	return nil
}

// stop ends a process in order.
func (s *site) stop(name string) error {
	cmd := s.processes[name]
	delete(s.processes, name)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return cmd.Wait()
}

// replicaStatus is what `havre status --json` says of a replica.
type replicaStatus struct {
	State       string `json:"state"`
	Revision    int64  `json:"revision"`
	PendingDown int64  `json:"pendingDown"`
	PendingUp   int64  `json:"pendingUp"`
	LastError   string `json:"lastError"`
	Problems    []struct{ Path, Text string }
}

func (s *site) status(ctx context.Context, client string) (*replicaStatus, error) {
	out, err := s.command(ctx, "", "status", "--home", s.home(client), "--json").Output()
	if err != nil {
		return nil, err
	}
	var st struct{ Replicas []replicaStatus }
	if err := json.Unmarshal(out, &st); err != nil {
		return nil, err
	}
	if len(st.Replicas) != 1 {
		return nil, fmt.Errorf("%s has %d replicas", client, len(st.Replicas))
	}
	return &st.Replicas[0], nil
}

// await tries fn until it returns nil.
func await(ctx context.Context, limit time.Duration, fn func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		err := fn()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("after %s: %w", limit, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// convergeWithin is how long everything may take to arrive once nothing goes wrong any more.
const convergeWithin = 10 * time.Minute

// atRest waits until both clients say that they are up to date, at one revision.
func (s *site) atRest(ctx context.Context) error {
	return await(ctx, convergeWithin, func() error {
		var revs []int64
		for _, c := range clients {
			st, err := s.status(ctx, c)
			if err != nil {
				return err
			}
			if st.State != "up-to-date" || st.PendingDown+st.PendingUp != 0 {
				return fmt.Errorf("%s: %+v", c, st)
			}
			revs = append(revs, st.Revision)
		}
		if slices.Min(revs) != slices.Max(revs) {
			return fmt.Errorf("revisions %v", revs)
		}
		return nil
	})
}

// settled waits until both directories are as wanted and at rest, and checks everything else.
func (s *site) settled(ctx context.Context, want tree) error {
	began := time.Now()
	err := await(ctx, convergeWithin, func() error {
		if err := s.atRest(ctx); err != nil {
			return err
		}
		return s.same(want)
	})
	if err != nil {
		return err
	}
	s.note("settled after %.1f s", time.Since(began).Seconds())
	return s.finish(ctx, want)
}

func (s *site) same(want tree) error {
	for _, c := range clients {
		got, err := readTree(s.replica(c))
		if err != nil {
			return err
		}
		if diff := want.diff(got); diff != "" {
			return fmt.Errorf("%s: %s", c, diff)
		}
	}
	return nil
}

// finish starts the clients once more, after which nothing may change and no temporary be left.
func (s *site) finish(ctx context.Context, want tree) error {
	before, err := s.status(ctx, "laptop")
	if err != nil {
		return err
	}
	for _, c := range clients {
		if err := errors.Join(s.stop(c), s.start(ctx, c)); err != nil {
			return fmt.Errorf("%s: %w", c, err)
		}
	}
	if err := s.atRest(ctx); err != nil {
		return err
	}
	after, err := s.status(ctx, "laptop")
	if err != nil {
		return err
	}
	errs := []error{s.same(want)}
	if after.Revision != before.Revision {
		errs = append(errs, fmt.Errorf("the next start made the revisions %d to %d", before.Revision+1, after.Revision))
	}
	for _, c := range clients {
		errs = append(errs, noTemporaries(filepath.Join(s.home(c), "aside")), noTemporaries(filepath.Join(s.replica(c), ".havre")))
	}
	errs = append(errs, s.watch.stop())
	s.watch = nil
	for _, c := range clients {
		errs = append(errs, s.stop(c))
	}
	errs = append(errs, s.stop("server"), s.verify(ctx))
	return errors.Join(errs...)
}

// verify has Subversion judge the repository.
func (s *site) verify(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "svnadmin", "verify", "-q", filepath.Join(s.data(), "repositories", "soak")).CombinedOutput()
	if err != nil {
		return fmt.Errorf("svnadmin verify: %w: %s", err, out)
	}
	return nil
}

func noTemporaries(dir string) error {
	var found []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && strings.Contains(strings.TrimPrefix(path, dir), "tmp") {
			found = append(found, path)
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if len(found) > 0 {
		return errors.Join(err, fmt.Errorf("%d temporaries are left, first %s", len(found), found[0]))
	}
	return err
}
