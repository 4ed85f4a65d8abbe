// Command soak lets a server and two clients, real processes, work while they are killed, stopped and cut
// off from each other at random moments, and checks what must hold afterwards:
//
//   - both directories are the same, and what the person wrote last;
//   - no file was ever visible incomplete, which somebody looks for all the time;
//   - no conflict copy where only one side worked, and exactly one where both wrote one file;
//   - `svnadmin verify` finds nothing, and no temporary file outlives the next start.
//
// It takes long, so it is not one of the tests:
//
//	go run ./bench/soak                  everything, in full size
//	go run ./bench/soak -small           the same with less, in a few minutes
//	go run ./bench/soak -only kill/edits a part: all whose names begin so, several with commas
//	go run ./bench/soak -seed 7          the moments of an earlier run
//	go run ./bench/soak -dir /mnt/x      where the data goes (default: the temporary directory)
//
// The parts "network" put each process into a network of its own and need Linux and root. It ends with 1 when
// something does not hold; the data of that part stays then.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// size is how much there is to do.
type size struct {
	files  int           // in a bulk
	large  int64         // bytes of the large file
	edits  time.Duration // how long a person goes on editing
	kills  int           // in each part
	away   time.Duration // how long the server is away
	rounds int
}

var (
	full  = size{files: 10_000, large: 1 << 30, edits: 30 * time.Second, kills: 8, away: time.Minute, rounds: 1}
	small = size{files: 1000, large: 64 << 20, edits: 5 * time.Second, kills: 4, away: 5 * time.Second, rounds: 1}
)

// part is one thing to try.
type part struct {
	name string
	run  func(ctx context.Context, s *site) error
}

func parts() []part {
	var all []part
	for _, w := range works {
		for _, victim := range victims {
			all = append(all, part{"kill/" + w.name + "/" + victim, func(ctx context.Context, s *site) error { return killDuring(ctx, s, w, victim) }})
		}
	}
	return append(all,
		part{"away/server", serverAway},
		part{"away/one-file", sameFileApart},
		part{"network/upload", func(ctx context.Context, s *site) error { return cutDuring(ctx, s, workNamed("large"), "laptop") }},
		part{"network/download", func(ctx context.Context, s *site) error { return cutDuring(ctx, s, workNamed("bulk"), "desktop") }},
		part{"network/edits", func(ctx context.Context, s *site) error { return cutDuring(ctx, s, workNamed("edits"), "laptop") }},
	)
}

func main() {
	dir := flag.String("dir", os.TempDir(), "directory for the data")
	only := flag.String("only", "", "the beginnings of the parts' names to run")
	seed := flag.Uint64("seed", rand.Uint64()>>32, "decides the random moments") //nolint:gosec // no secret
	less := flag.Bool("small", false, "less of everything")
	rounds := flag.Int("rounds", 1, "how often to run each part")
	flag.Parse()
	n := full
	if *less {
		n = small
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	n.rounds = *rounds
	if err := run(ctx, *dir, *only, *seed, n); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, dir, only string, seed uint64, n size) error {
	dir, err := os.MkdirTemp(dir, "soak")
	if err != nil {
		return err
	}
	bin := filepath.Join(dir, "havre")
	build := exec.CommandContext(ctx, "go", "build", "-o", bin, "github.com/havre-cloud/havre/cmd/havre")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w: %s", err, out)
	}
	fmt.Printf("seed %d\n", seed)
	failed := 0
	for i := range n.rounds {
		for _, p := range parts() {
			if !wanted(p.name, only) || ctx.Err() != nil {
				continue
			}
			if err := one(ctx, filepath.Join(dir, fmt.Sprintf("%s-%d", strings.ReplaceAll(p.name, "/", "-"), i)), bin, p, seed+uint64(i), n); err != nil {
				failed++
			}
		}
	}
	if failed == 0 && ctx.Err() == nil {
		return os.RemoveAll(dir)
	}
	return errors.Join(ctx.Err(), fmt.Errorf("%d parts failed; their data is in %s", failed, dir))
}

func wanted(name, only string) bool {
	for beginning := range strings.SplitSeq(only, ",") {
		if strings.HasPrefix(name, beginning) {
			return true
		}
	}
	return false
}

// one runs a part in a directory of its own, which is removed if all is well.
func one(ctx context.Context, dir, bin string, p part, seed uint64, n size) error {
	began := time.Now()
	s := &site{dir: dir, bin: bin, size: n, r: rand.New(rand.NewPCG(seed, 0))} //nolint:gosec // no secret
	err := os.MkdirAll(dir, 0o755)
	if err == nil {
		err = s.setUp(ctx, strings.HasPrefix(p.name, "network/"))
	}
	if err == nil {
		err = p.run(ctx, s)
	}
	err = errors.Join(err, s.tearDown())
	verdict := "well"
	if err != nil {
		verdict = "FAILED"
	}
	fmt.Printf("%-28s %-7s %6.1f s  %s\n", p.name, verdict, time.Since(began).Seconds(), strings.Join(s.notes, "; "))
	if err != nil {
		fmt.Println("\t" + strings.ReplaceAll(err.Error(), "\n", "\n\t"))
		return err
	}
	return os.RemoveAll(dir)
}
