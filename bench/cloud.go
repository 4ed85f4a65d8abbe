package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// cloud is a running havre or Syncthing: two directories that are kept the same.
type cloud struct {
	laptop, desktop string
	processes       map[string]*exec.Cmd
}

func (c *cloud) stop() error {
	var errs []error
	for name, cmd := range c.processes {
		errs = append(errs, cmd.Process.Signal(syscall.SIGTERM))
		if err := cmd.Wait(); err != nil && cmd.ProcessState.ExitCode() > 0 {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

func (c *cloud) start(ctx context.Context, name string, cmd *exec.Cmd) error {
	if cmd.Stdout == nil {
		cmd.Stdout = io.Discard
	}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	if err := cmd.Start(); err != nil {
		return err
	}
	c.processes[name] = cmd
	return ctx.Err()
}

// newCloud makes the two directories below dir.
func newCloud(dir string) (*cloud, error) {
	c := &cloud{
		laptop: filepath.Join(dir, "laptop"), desktop: filepath.Join(dir, "desktop"),
		processes: map[string]*exec.Cmd{},
	}
	return c, errors.Join(os.MkdirAll(c.laptop, 0o755), os.MkdirAll(c.desktop, 0o755))
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	address, err := netip.ParseAddrPort(l.Addr().String())
	return int(address.Port()), err
}

// buildHavre builds the program as a release would be.
func buildHavre(ctx context.Context, c config) (string, error) {
	bin := filepath.Join(c.dir, "havre")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", bin, "github.com/havre-cloud/havre/cmd/havre")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w: %s", err, out)
	}
	return bin, nil
}

var invitationPattern = regexp.MustCompile(`https://\S+/join/\S+#sha256=[0-9a-f]+`)

// startHavre starts a server and two clients, each a process of its own, as people would.
func startHavre(ctx context.Context, cfg config, bin string) (*cloud, error) {
	return startHavreWith(ctx, cfg, bin, func(data string) error {
		return command(ctx, bin, "folder", "add", "--data", data, "Bench")
	})
}

// startHavreWith is startHavre with a folder Bench that addFolder makes; data is the server's directory.
func startHavreWith(ctx context.Context, cfg config, bin string, addFolder func(data string) error) (*cloud, error) {
	dir, err := cfg.fresh("cloud-havre")
	if err != nil {
		return nil, err
	}
	c, err := newCloud(dir)
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "server")
	server := exec.CommandContext(ctx, bin, "serve", "--data", data, "--listen", fmt.Sprintf("127.0.0.1:%d", port))
	invitation, err := firstMatch(server, invitationPattern, func() error { return c.start(ctx, "server", server) })
	if err != nil {
		return nil, fmt.Errorf("havre serve: %w", err)
	}
	if err := addFolder(data); err != nil {
		return nil, err
	}
	for _, name := range []string{"laptop", "desktop"} {
		if name == "desktop" { // an invitation is good for one device
			out, err := exec.CommandContext(ctx, bin, "invite", "--data", data, "admin").Output()
			if err != nil {
				return nil, fmt.Errorf("havre invite: %w", err)
			}
			invitation = invitationPattern.FindString(string(out))
		}
		home := filepath.Join(dir, "home-"+name)
		for _, args := range [][]string{
			{"join", "--home", home, "--name", name, invitation},
			{"add", "--home", home, "Bench", filepath.Join(dir, name)},
		} {
			if err := command(ctx, bin, args...); err != nil {
				return nil, err
			}
		}
		if err := c.start(ctx, name, exec.CommandContext(ctx, bin, "run", "--home", home)); err != nil {
			return nil, err
		}
	}
	return c, c.awaitReady(ctx)
}

// firstMatch starts a program and returns the first match in what it prints.
func firstMatch(cmd *exec.Cmd, pattern *regexp.Regexp, start func() error) (string, error) {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := start(); err != nil {
		return "", err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if m := pattern.FindString(lines.Text()); m != "" {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return m, nil
		}
	}
	return "", errors.Join(fmt.Errorf("ended without printing %s", pattern), lines.Err())
}

// awaitReady sends a file each way.
func (c *cloud) awaitReady(ctx context.Context) error {
	for _, way := range [][2]string{{c.laptop, c.desktop}, {c.desktop, c.laptop}} {
		name := "ready-" + filepath.Base(way[0])
		if err := os.WriteFile(filepath.Join(way[0], name), []byte("ready"), 0o644); err != nil {
			return err
		}
		if err := await(ctx, 20*time.Millisecond, func() bool { return exists(filepath.Join(way[1], name)) }); err != nil {
			return err
		}
	}
	return nil
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

// startSyncthing starts two Syncthing devices that know only each other, on loopback, with
// nothing announced anywhere. Its watcher is told to wait one second, the least it takes, instead
// of the ten it waits by default.
func startSyncthing(ctx context.Context, cfg config) (*cloud, error) {
	dir, err := cfg.fresh("cloud-syncthing")
	if err != nil {
		return nil, err
	}
	c, err := newCloud(dir)
	if err != nil {
		return nil, err
	}
	type device struct {
		name, home, id string
		port, gui      int
	}
	var devices []device
	for _, name := range []string{"laptop", "desktop"} {
		d := device{name: name, home: filepath.Join(dir, "home-"+name)}
		if err := command(ctx, "syncthing", "generate", "--home", d.home, "--no-default-folder"); err != nil {
			return nil, err
		}
		out, err := exec.CommandContext(ctx, "syncthing", "--device-id", "--home", d.home).Output()
		if err != nil {
			return nil, err
		}
		d.id = strings.TrimSpace(string(out))
		if d.port, err = freePort(); err != nil {
			return nil, err
		}
		if d.gui, err = freePort(); err != nil {
			return nil, err
		}
		devices = append(devices, d)
	}
	for i, d := range devices {
		peer := devices[1-i]
		xml := fmt.Sprintf(`<configuration version="35">
<folder id="bench" path="%s" type="sendreceive" rescanIntervalS="3600" fsWatcherEnabled="true" fsWatcherDelayS="1">
<device id="%s"/><device id="%s"/></folder>
<device id="%s" name="%s"><address>dynamic</address></device>
<device id="%s" name="%s"><address>tcp://127.0.0.1:%d</address></device>
<gui enabled="true" tls="false"><address>127.0.0.1:%d</address></gui>
<options><listenAddress>tcp://127.0.0.1:%d</listenAddress>
<globalAnnounceEnabled>false</globalAnnounceEnabled><localAnnounceEnabled>false</localAnnounceEnabled>
<relaysEnabled>false</relaysEnabled><natEnabled>false</natEnabled><startBrowser>false</startBrowser>
<urAccepted>-1</urAccepted><autoUpgradeIntervalH>0</autoUpgradeIntervalH>
<crashReportingEnabled>false</crashReportingEnabled><stunKeepaliveStartS>0</stunKeepaliveStartS>
<reconnectionIntervalS>1</reconnectionIntervalS></options>
</configuration>`, filepath.Join(dir, d.name), d.id, peer.id, d.id, d.name, peer.id, peer.name, peer.port, d.gui, d.port)
		if err := os.WriteFile(filepath.Join(d.home, "config.xml"), []byte(xml), 0o600); err != nil {
			return nil, err
		}
		// The marker that Syncthing wants in a folder before it will scan it.
		if err := os.MkdirAll(filepath.Join(dir, d.name, ".stfolder"), 0o755); err != nil {
			return nil, err
		}
		cmd := exec.CommandContext(ctx, "syncthing", "serve", "--home", d.home, "--no-browser", "--no-restart", "--no-upgrade")
		cmd.Env = append(os.Environ(), "STNODEFAULTFOLDER=1", "STNOUPGRADE=1", "HOME="+dir)
		if err := c.start(ctx, d.name, cmd); err != nil {
			return nil, err
		}
	}
	return c, c.awaitReady(ctx)
}
