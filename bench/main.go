// Command bench prints the figures that the README quotes, each beside what Debian offers for the
// same job, in one run on one machine: svn, svnmucc and svnadmin for repositories, rsync and
// Syncthing for the way from one machine to another.
//
//	go run ./bench                 everything
//	go run ./bench -only sync      one part only: commit, import, large, verify, sync, idle, web, pads; several with commas
//	go run ./bench -rounds 5       medians of five instead of three
//	go run ./bench -dir /mnt/x     where the data goes (default: the temporary directory)
//
// Machines are noisy and differ: believe the ratios, not the seconds. Needs Debian's packages
// subversion, rsync and syncthing, for the part web rclone, nginx-light and chromium, and about 8 GiB of disk.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

// config is what the flags say.
type config struct {
	dir    string // everything is made below it and removed again
	rounds int
	edits  int
	large  int64 // bytes of the one large file
}

// report prints rows as they are measured.
type report struct{}

func (report) title(format string, args ...any) {
	fmt.Printf("\n%s\n", fmt.Sprintf(format, args...))
}

func (report) row(what, ours, theirs, verdict string) {
	fmt.Printf("  %-44s %-26s %-30s %s\n", what, ours, theirs, verdict)
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == childFlag {
		os.Exit(runChild(os.Args[2:]))
	}
	var c config
	only := flag.String("only", strings.Join(partNames(), ","), "which parts to run")
	flag.StringVar(&c.dir, "dir", os.TempDir(), "directory for the data")
	flag.IntVar(&c.rounds, "rounds", 3, "rounds of each measurement; the median is printed")
	flag.IntVar(&c.edits, "edits", 200, "single edits to time from one client to the other")
	flag.Int64Var(&c.large, "large", 1<<30, "size of the large file in bytes")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, c, strings.Split(*only, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, c config, parts []string) error {
	for _, tool := range []string{"svn", "svnadmin", "svnmucc", "rsync", "syncthing"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%w: apt-get install subversion rsync syncthing", err)
		}
	}
	dir, err := os.MkdirTemp(c.dir, "havre-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	c.dir = dir

	fmt.Printf("%s, %d CPUs, %s/%s, medians of %d rounds\n", runtime.Version(), runtime.NumCPU(),
		runtime.GOOS, runtime.GOARCH, c.rounds)
	for _, name := range parts {
		i := slices.IndexFunc(allParts, func(p part) bool { return p.name == name })
		if i < 0 {
			return fmt.Errorf("no part %q: there are %s", name, strings.Join(partNames(), ", "))
		}
		if err := allParts[i].run(ctx, c); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// part is a group of figures.
type part struct {
	name string
	run  func(context.Context, config) error
}

var allParts = []part{
	{"commit", benchCommit}, // first: ext4 makes files slowly for minutes where many were deleted
	{"import", benchImport},
	{"large", benchLarge},
	{"verify", benchVerify},
	{"sync", benchSync},
	{"idle", benchIdle},
	{"web", benchWeb},
	{"pads", benchPads},
}

func partNames() []string {
	names := make([]string, len(allParts))
	for i, p := range allParts {
		names[i] = p.name
	}
	return names
}

// fresh returns a new empty directory below c.dir.
func (c config) fresh(name string) (string, error) {
	dir := filepath.Join(c.dir, name)
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	return dir, os.MkdirAll(dir, 0o755)
}
