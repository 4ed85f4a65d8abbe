package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/havre-cloud/havre/svn"
)

// libsvnSource is the program that does the same jobs through libsvn.
//
//go:embed libsvn/libsvn.c
var libsvnSource []byte

// buildLibsvn compiles it.
func buildLibsvn(ctx context.Context, dir string) (string, error) {
	source, program := filepath.Join(dir, "libsvn.c"), filepath.Join(dir, "libsvn")
	if err := os.WriteFile(source, libsvnSource, 0o600); err != nil {
		return "", err
	}
	flags, err := exec.CommandContext(ctx, "apr-1-config", "--includes", "--cppflags").Output()
	if err != nil {
		return "", fmt.Errorf("apr-1-config: %w: apt-get install libsvn-dev", err)
	}
	args := append([]string{"-O2", "-o", program, source, "-I/usr/include/subversion-1"}, strings.Fields(string(flags))...)
	args = append(args, "-lsvn_repos-1", "-lsvn_fs-1", "-lsvn_subr-1", "-lapr-1", "-lpthread")
	if err := command(ctx, "cc", args...); err != nil {
		return "", fmt.Errorf("%w: apt-get install gcc libsvn-dev", err)
	}
	return program, nil
}

// duel measures jobs that svn/fsfs and libsvn do alike, each in a process of its own, in turns.
type duel struct {
	ctx     context.Context //nolint:containedctx // lives as long as one part
	config  config
	libsvn  string // the program
	round   int
	results map[string]*pair
}

// side is one of the two.
type side int

const (
	ours side = iota
	theirs
)

func (s side) String() string { return [...]string{"havre", "libsvn"}[s] }

// pair is what came out of a job on either side: a value for each round.
type pair struct {
	took   [2][]time.Duration
	peak   [2]int64 // bytes
	growth [2][]int64
}

// libsvnCommitters is how many commit at once where several do.
const libsvnCommitters = 8

// benchLibsvn does the same jobs with svn/fsfs and with libsvn.
func benchLibsvn(ctx context.Context, c config) error {
	dir, err := c.fresh("repository")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	c.dir = dir
	d := &duel{ctx: ctx, config: c, results: map[string]*pair{}}
	if d.libsvn, err = buildLibsvn(ctx, dir); err != nil {
		return err
	}
	report{}.title("svn/fsfs beside libsvn called in one process")
	fmt.Print(`  Each job in a process of its own, timed from the opened repository to its end, both sides in turns;
  format 8 made by svnadmin, fsync on both sides, libsvn's default caches. What is read is in the system's
  cache and in neither's own; both read the repository that libsvn wrote.
`)
	for d.round = range c.rounds {
		if err := errors.Join(d.small(), d.large(), d.wide()); err != nil {
			return err
		}
	}
	d.print()
	return nil
}

// both does a job on both sides, the side that begins changing from round to round. What was written
// before is on the disk by then: a job waits for its own writes only.
func (d *duel) both(name string, do func(side) error) error {
	first := side(d.round % 2)
	for _, s := range []side{first, 1 - first} {
		if err := exec.CommandContext(d.ctx, "sync").Run(); err != nil {
			return fmt.Errorf("sync: %w", err)
		}
		if err := do(s); err != nil {
			return fmt.Errorf("%s, %s: %w", name, s, err)
		}
	}
	return nil
}

// job runs a job of one side, which is the same on both: name, repository, and what the source of
// the program says. The time is divided by n.
func (d *duel) job(s side, name string, n int, args ...string) error {
	program := d.libsvn
	if s == ours {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		program, args = self, append([]string{childFlag, "libsvn"}, args...)
	}
	out, err := exec.CommandContext(d.ctx, program, args...).Output()
	if err != nil {
		if e, ok := errors.AsType[*exec.ExitError](err); ok {
			err = fmt.Errorf("%w: %s", err, e.Stderr)
		}
		return err
	}
	var seconds float64
	var kib int64
	if _, err := fmt.Sscan(string(out), &seconds, &kib); err != nil {
		return fmt.Errorf("%q: %w", out, err)
	}
	p := d.pair(name)
	p.took[s] = append(p.took[s], time.Duration(seconds*float64(time.Second))/time.Duration(n))
	p.peak[s] = max(p.peak[s], kib*1024)
	return nil
}

func (d *duel) pair(name string) *pair {
	if d.results[name] == nil {
		d.results[name] = &pair{}
	}
	return d.results[name]
}

// growing does a job and notes by how much the repository grew, divided by n.
func (d *duel) growing(s side, name string, n int, repository string, args ...string) error {
	before, err := treeSize(repository)
	if err != nil {
		return err
	}
	if err := d.job(s, name, n, args...); err != nil {
		return err
	}
	after, err := treeSize(repository)
	p := d.pair(name)
	p.growth[s] = append(p.growth[s], (after-before)/int64(n))
	return err
}

// treeSize returns how many bytes the files below dir have together.
func treeSize(dir string) (int64, error) {
	var n int64
	err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		n += info.Size()
		return nil
	})
	return n, err
}

// repository makes an empty one for a side.
func (d *duel) repository(s side, name string) (string, error) {
	dir := filepath.Join(d.config.dir, name+"-"+s.String())
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	return dir, command(d.ctx, "svnadmin", "create", dir)
}

// small is the jobs with small files: 10,000 in one commit, read again, and changed one by one.
func (d *duel) small() error {
	tree, err := d.config.smallTree()
	if err != nil {
		return err
	}
	var dirs [2]string
	err = d.both("tree", func(s side) (err error) {
		if dirs[s], err = d.repository(s, "small"); err != nil {
			return err
		}
		return d.job(s, "tree", 1, "tree", dirs[s], tree)
	})
	if err != nil {
		return err
	}
	err = d.both("all", func(s side) error { return d.job(s, "all", 1, "all", dirs[theirs]) })
	if err != nil {
		return err
	}
	for _, committers := range []int{1, libsvnCommitters} {
		name := fmt.Sprintf("edits %d", committers)
		commits := max(1, d.config.commits/committers)
		err = d.both(name, func(s side) error {
			return d.job(s, name, commits*committers, "edits", dirs[s], strconv.Itoa(commits), strconv.Itoa(committers))
		})
		if err != nil {
			return err
		}
	}
	return d.finish(dirs)
}

// finish has svnadmin judge what svn/fsfs wrote, and removes both repositories.
func (d *duel) finish(dirs [2]string) error {
	if err := command(d.ctx, "svnadmin", "verify", "-q", "-M", "1024", dirs[ours]); err != nil {
		return err
	}
	return errors.Join(os.RemoveAll(dirs[ours]), os.RemoveAll(dirs[theirs]))
}

// large is the jobs with one large file.
func (d *duel) large() error {
	first, next := filepath.Join(d.config.dir, "large.bin"), filepath.Join(d.config.dir, "next.bin")
	if !exists(next) {
		if err := writeLarge(first, d.config.large); err != nil {
			return err
		}
		if err := writeChanged(first, next); err != nil {
			return err
		}
	}
	var dirs [2]string
	err := d.both("put", func(s side) (err error) {
		if dirs[s], err = d.repository(s, "large"); err != nil {
			return err
		}
		return d.growing(s, "put", 1, dirs[s], "put", dirs[s], "/large.bin", first)
	})
	if err != nil {
		return err
	}
	err = d.both("next", func(s side) error {
		return d.growing(s, "next", 1, dirs[s], "put", dirs[s], "/large.bin", next)
	})
	if err != nil {
		return err
	}
	for _, rev := range []string{"1", "2"} {
		name := "cat " + rev
		err := d.both(name, func(s side) error { return d.job(s, name, 1, "cat", dirs[theirs], "/large.bin", rev) })
		if err != nil {
			return err
		}
	}
	return d.finish(dirs)
}

// writeChanged makes a copy of a file with one byte changed in its middle.
func writeChanged(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer out.Close()
	size, err := out.ReadFrom(in)
	if err != nil {
		return err
	}
	var b [1]byte
	if _, err := in.ReadAt(b[:], size/2); err != nil {
		return err
	}
	b[0]++
	if _, err := out.WriteAt(b[:], size/2); err != nil {
		return err
	}
	return out.Sync()
}

// wide is changes in a directory of very many entries, which svn/fsfs makes for both: libsvn would take ten
// minutes for that.
func (d *duel) wide() error {
	const commits = 10
	model := filepath.Join(d.config.dir, "wide")
	if !exists(model) {
		if err := d.makeWide(model); err != nil {
			return err
		}
	}
	entries := strconv.Itoa(d.config.entries)
	var dirs [2]string
	err := d.both("wide", func(s side) error {
		dirs[s] = model + "-" + s.String()
		if err := command(d.ctx, "cp", "-a", model, dirs[s]); err != nil {
			return err
		}
		return d.growing(s, "wide", commits, dirs[s], "wide", dirs[s], strconv.Itoa(commits), entries)
	})
	if err != nil {
		return err
	}
	return d.finish(dirs)
}

func (d *duel) makeWide(dir string) error {
	if err := command(d.ctx, "svnadmin", "create", dir); err != nil {
		return err
	}
	repo, err := openRepository(dir)
	if err != nil {
		return err
	}
	defer repo.Close()
	commit := &svn.Commit{RevProps: svn.Props{svn.PropAuthor: "bench"}}
	for i := range d.config.entries {
		commit.Changes = append(commit.Changes, put(svn.Path(fmt.Sprintf("f%06d.txt", i)), svn.InvalidRevnum, []byte("new\n")).Changes...)
	}
	_, err = repo.Commit(d.ctx, commit)
	return err
}

func (d *duel) print() {
	size := mib(d.config.large)
	together := fmt.Sprintf("edits %d", libsvnCommitters)
	rows := []struct{ job, what, goal string }{
		{"edits 1", "one changed file of 1 KiB, one commit", "3 x"},
		{together, fmt.Sprintf("the same, %d committers at once, each", libsvnCommitters), "6 x"},
		{"tree", "10,000 new files of 1 KiB, one commit", "12 x"},
		{"all", "10,000 files of 1 KiB, read", "2 x"},
		{"put", "a new file of " + size, "4 x"},
		{"next", "its next version, 1 byte changed", "4 x, 300 KiB"},
		{"cat 1", size + ", read, first version", "2 x"},
		{"cat 2", size + ", read, second version", "2 x"},
		{"wide", fmt.Sprintf("a change among %d entries", d.config.entries), "50 ms, 8 KiB"},
	}
	const line = "  %-40s %10s %10s %8s  %-14s %-22s %s\n"
	fmt.Printf("\n"+line, "", "libsvn", "havre", "ratio", "goal", "memory, MiB", "the repository grows by")
	for _, r := range rows {
		p := d.results[r.job]
		memory := fmt.Sprintf("%d, havre %d", p.peak[theirs]>>20, p.peak[ours]>>20)
		growth := ""
		if p.growth[ours] != nil {
			growth = fmt.Sprintf("%s, havre %s", bytesOf(middle(p.growth[theirs])), bytesOf(middle(p.growth[ours])))
		}
		if r.job == together {
			growth = ratio(median(d.results["edits 1"].took[theirs]), median(p.took[ours])) + " what libsvn takes one by one"
		}
		fmt.Printf(line, r.what, short(median(p.took[theirs])), short(median(p.took[ours])),
			ratio(median(p.took[theirs]), median(p.took[ours])), r.goal, memory, growth)
	}
}
