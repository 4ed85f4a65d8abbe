package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

// figures are what one cloud needed for each job.
type figures struct {
	edits                []time.Duration
	small, large, rename []time.Duration
}

func benchSync(ctx context.Context, c config) error {
	bin, err := buildHavre(ctx, c)
	if err != nil {
		return err
	}
	report{}.title("From laptop to desktop: two clients and a server on loopback, TLS; Syncthing with a delay of 1 s")
	ours, err := measureCloud(ctx, c, c.edits, func() (*cloud, error) { return startHavre(ctx, c, bin) })
	if err != nil {
		return fmt.Errorf("havre: %w", err)
	}
	theirs, err := measureCloud(ctx, c, 5, func() (*cloud, error) { return startSyncthing(ctx, c) })
	if err != nil {
		return fmt.Errorf("syncthing: %w", err)
	}
	copied, err := measureRsync(ctx, c)
	if err != nil {
		return err
	}

	var r report
	r.row("edit of 1 KiB, until it is there: median", ms(median(ours.edits)), "Syncthing "+ms(median(theirs.edits)), "(goal 60 ms)")
	r.row("  99th percentile of "+fmt.Sprint(len(ours.edits)), ms(percentile(ours.edits, 99)), "", "(goal 200 ms)")
	perSecond := func(d time.Duration) string { return fmt.Sprintf("%.0f files/s", smallFiles/d.Seconds()) }
	small := median(ours.small)
	r.row("10,000 new files of 1 KiB", secs(small)+", "+perSecond(small),
		"Syncthing "+secs(median(theirs.small)), ratio(median(theirs.small), small)+" (goal 1,500 files/s)")
	r.row("", "", "rsync -a "+secs(median(copied.small)), ratio(median(copied.small), small))
	large := median(ours.large)
	r.row(mib(c.large)+" of random data, one file", fmt.Sprintf("%s, %.0f MB/s", secs(large), float64(c.large)/1e6/large.Seconds()),
		"Syncthing "+secs(median(theirs.large)), ratio(median(theirs.large), large)+" (goal 100 MB/s)")
	r.row("", "", "rsync -a "+secs(median(copied.large)), ratio(median(copied.large), large))
	r.row("directory of 10,000 files renamed", secs(median(ours.rename)), "Syncthing "+secs(median(theirs.rename)),
		ratio(median(theirs.rename), median(ours.rename))+" (goal under 1 s)")
	return nil
}

func measureCloud(ctx context.Context, cfg config, edits int, start func() (*cloud, error)) (f figures, err error) {
	c, err := start()
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, c.stop()) }()

	if f.edits, err = c.timeEdits(ctx, edits); err != nil {
		return f, err
	}
	for round := range cfg.rounds {
		d, err := c.timeSmallFiles(ctx, cfg, fmt.Sprintf("tree-%d", round))
		if err != nil {
			return f, err
		}
		f.small = append(f.small, d)
		d, err = c.timeRename(ctx, fmt.Sprintf("tree-%d", round), fmt.Sprintf("renamed-%d", round))
		if err != nil {
			return f, err
		}
		f.rename = append(f.rename, d)
		d, err = c.timeLarge(ctx, cfg, fmt.Sprintf("large-%d.bin", round))
		if err != nil {
			return f, err
		}
		f.large = append(f.large, d)
	}
	return f, sameTree(ctx, c.laptop, c.desktop)
}

// timeEdits writes a small file again and again, at irregular intervals, and times each until the
// other side has it.
func (c *cloud) timeEdits(ctx context.Context, n int) ([]time.Duration, error) {
	var times []time.Duration
	content := make([]byte, smallSize)
	from, to := filepath.Join(c.laptop, "edited.txt"), filepath.Join(c.desktop, "edited.txt")
	for range n {
		rand.Read(content)
		start := time.Now()
		if err := os.WriteFile(from, content, 0o644); err != nil {
			return nil, err
		}
		if err := await(ctx, time.Millisecond, func() bool { return holds(to, content) }); err != nil {
			return nil, err
		}
		times = append(times, time.Since(start))
		time.Sleep(50*time.Millisecond + mathrand.N(100*time.Millisecond)) //nolint:gosec // an interval, not a secret
	}
	return times, nil
}

func holds(name string, content []byte) bool {
	got, err := os.ReadFile(name)
	return err == nil && bytes.Equal(got, content)
}

// timeSmallFiles writes the tree of small files where it is synchronised, and measures from the
// first file written until the last is on the other side.
func (c *cloud) timeSmallFiles(ctx context.Context, _ config, name string) (time.Duration, error) {
	return timed(func() error {
		if err := writeSmallTree(filepath.Join(c.laptop, name)); err != nil {
			return err
		}
		return c.awaitFiles(ctx, name)
	})
}

func (c *cloud) awaitFiles(ctx context.Context, name string) error {
	err := await(ctx, 50*time.Millisecond, func() bool { return countFiles(filepath.Join(c.desktop, name)) == smallFiles })
	if err != nil {
		return err
	}
	return sameTree(ctx, filepath.Join(c.laptop, name), filepath.Join(c.desktop, name))
}

func (c *cloud) timeRename(ctx context.Context, from, to string) (time.Duration, error) {
	return timed(func() error {
		if err := os.Rename(filepath.Join(c.laptop, from), filepath.Join(c.laptop, to)); err != nil {
			return err
		}
		return await(ctx, 10*time.Millisecond, func() bool {
			return !exists(filepath.Join(c.desktop, from)) && countFiles(filepath.Join(c.desktop, to)) == smallFiles
		})
	})
}

// timeLarge writes a large file beside the replica and renames it in, so that the time to make it
// does not count.
func (c *cloud) timeLarge(ctx context.Context, cfg config, name string) (time.Duration, error) {
	aside := filepath.Join(cfg.dir, name)
	if err := writeLarge(aside, cfg.large); err != nil {
		return 0, err
	}
	return timed(func() error {
		if err := os.Rename(aside, filepath.Join(c.laptop, name)); err != nil {
			return err
		}
		return await(ctx, 20*time.Millisecond, func() bool {
			info, err := os.Stat(filepath.Join(c.desktop, name))
			return err == nil && info.Size() == cfg.large
		})
	})
}

// measureRsync times plain copies on the local disk, which rsync does not wait for.
func measureRsync(ctx context.Context, cfg config) (f figures, err error) {
	dir, err := cfg.fresh("rsync")
	if err != nil {
		return f, err
	}
	defer os.RemoveAll(dir)
	tree, large := filepath.Join(dir, "tree"), filepath.Join(dir, "large.bin")
	if err := errors.Join(writeSmallTree(tree), writeLarge(large, cfg.large)); err != nil {
		return f, err
	}
	for round := range cfg.rounds {
		for src, times := range map[string]*[]time.Duration{tree: &f.small, large: &f.large} {
			d, err := timed(func() error {
				return command(ctx, "rsync", "-a", src, filepath.Join(dir, fmt.Sprintf("copy-%d/", round)))
			})
			if err != nil {
				return f, err
			}
			*times = append(*times, d)
		}
	}
	return f, nil
}

// benchIdle measures what server and client cost while nothing changes in a tree of 10,000 files.
func benchIdle(ctx context.Context, c config) (err error) {
	const settle, watch = 5 * time.Second, 30 * time.Second
	bin, err := buildHavre(ctx, c)
	if err != nil {
		return err
	}
	report{}.title("At rest with 10,000 files, over %s", watch)
	cloud, err := startHavre(ctx, c, bin)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cloud.stop()) }()
	if err := writeSmallTree(filepath.Join(cloud.laptop, "tree")); err != nil {
		return err
	}
	if err := cloud.awaitFiles(ctx, "tree"); err != nil {
		return err
	}
	time.Sleep(settle)
	before := map[string]usage{}
	for name, cmd := range cloud.processes {
		if before[name], err = processUsage(cmd.Process.Pid); err != nil {
			return err
		}
	}
	time.Sleep(watch)
	for _, name := range []string{"server", "laptop", "desktop"} {
		after, err := processUsage(cloud.processes[name].Process.Pid)
		if err != nil {
			return err
		}
		cpu := 100 * (after.cpu - before[name].cpu).Seconds() / watch.Seconds()
		report{}.row(name, fmt.Sprintf("%.2f %% of a core", cpu), mib(after.rss)+" resident", "(goal 0.5 %, 80 MB)")
	}
	return nil
}
