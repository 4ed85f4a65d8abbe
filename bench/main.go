// Command bench prints the figures that the README quotes, each beside what Debian offers for the
// same job, in one run on one machine: svn, svnmucc and svnadmin for repositories, rsync and
// Syncthing for the way from one machine to another.
//
//	go run ./bench                 everything
//	go run ./bench -only repository,verify
//	                               some parts only: repository, commit, import, large, verify, sync, idle, remote, web, pads
//	go run ./bench -rounds 5       medians of five instead of three
//	go run ./bench -dir /mnt/x     where the data goes (default: the temporary directory)
//	go run ./bench -only repository -rounds 1 -large 67108864 -entries 10000
//	                               smaller, to see where one is
//
// Machines are noisy and differ: believe the ratios, not the seconds. Each part says which of Debian's
// packages it needs when something is missing; all of them together are subversion, libsvn-dev, gcc, rsync,
// syncthing, rclone, nginx-light and chromium. About 8 GiB of disk are used for a while.
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
	// What follows is for the part repository: commits of one file in a round, and entries of
	// the wide directory.
	commits, entries int
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
	flag.IntVar(&c.commits, "commits", 200, "commits of one file in each round of the part repository")
	flag.IntVar(&c.entries, "entries", 100_000, "entries of the wide directory of the part repository")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, c, strings.Split(*only, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, c config, parts []string) error {
	for _, name := range parts {
		i := slices.IndexFunc(allParts, func(p part) bool { return p.name == name })
		if i < 0 {
			return fmt.Errorf("no part %q: there are %s", name, strings.Join(partNames(), ", "))
		}
		if err := allParts[i].missing(); err != nil {
			return err
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
	for _, p := range allParts {
		if !slices.Contains(parts, p.name) {
			continue
		}
		if err := p.run(ctx, c); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

// part is a group of figures.
type part struct {
	name string
	run  func(context.Context, config) error
	// tools are the programs that it needs, in this order those of the packages.
	tools, packages string
}

var allParts = []part{
	// First: ext4 makes files slowly for minutes where many were deleted.
	{"repository", benchLibsvn, "svnadmin cc apr-1-config", "subversion gcc libsvn-dev"},
	{"commit", benchCommit, "svnmucc svnadmin", "subversion"},
	{"import", benchImport, "svn svnadmin", "subversion"},
	{"large", benchLarge, "svn svnadmin", "subversion"},
	{"verify", benchVerify, "svnadmin", "subversion"},
	{"sync", benchSync, "rsync syncthing", "rsync syncthing"},
	{"idle", benchIdle, "", ""},
	{"remote", benchRemote, "svn svnserve apache2 htpasswd", "subversion apache2-bin apache2-utils libapache2-mod-svn"},
	{"web", benchWeb, "nginx rclone chromium", "nginx-light rclone chromium"},
	{"pads", benchPads, "", ""},
}

// missing says which packages to install when a program that the part needs is not there.
func (p part) missing() error {
	for tool := range strings.FieldsSeq(p.tools) {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("the part %s: %w: apt-get install %s", p.name, err, p.packages)
		}
	}
	return nil
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
