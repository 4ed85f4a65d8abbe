package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// bulkContent is what the file with the number has: it can be told from the name, so that anybody who
// looks at any moment knows whether a file is complete.
func bulkContent(i int) string {
	return strings.Repeat(fmt.Sprintf("file %d. ", i), 1+i*i%4000)
}

const bulk = 1500

func bulkName(i int) string { return fmt.Sprintf("bulk/%02d/f%d", i%40, i) }

// watchPartial reads what appears in a client's directory until stop is called, and fails the test
// if a file is ever there incomplete.
func watchPartial(t *testing.T, c *client) (stop func()) {
	t.Helper()
	quit := make(chan struct{}) // closed by stop
	var wg sync.WaitGroup
	wg.Go(func() {
		seen := map[string]bool{}
		for {
			err := filepath.WalkDir(filepath.Join(c.dir, "bulk"), func(path string, e fs.DirEntry, err error) error {
				if err != nil || e.IsDir() || seen[path] {
					return nil //nolint:nilerr // it was there a moment ago
				}
				var i int
				if _, err := fmt.Sscanf(e.Name(), "f%d", &i); err != nil {
					t.Errorf("%s: appeared", path)
					return nil //nolint:nilerr // reported
				}
				got, err := os.ReadFile(path)
				if err == nil && string(got) != bulkContent(i) {
					t.Errorf("%s: %d bytes of %d are visible", path, len(got), len(bulkContent(i)))
				}
				seen[path] = err == nil
				return nil
			})
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Error(err)
			}
			select {
			case <-quit:
				return
			case <-time.After(time.Millisecond): // other processes want the processor too
			}
		}
	})
	return func() {
		close(quit)
		wg.Wait()
	}
}

// countBulk returns how many files of the bulk a client has.
func countBulk(c *client) int {
	names, err := filepath.Glob(filepath.Join(c.dir, "bulk", "*", "f*"))
	if err != nil {
		return 0
	}
	return len(names)
}

// TestKill kills one of the three in the middle of a bulk of files, several times, and starts it again.
func TestKill(t *testing.T) {
	for _, who := range []string{"server", "sender", "receiver"} {
		t.Run(who, func(t *testing.T) {
			s := newSite(t)
			cs := s.running("laptop", "desktop")
			laptop, desktop := cs[0], cs[1]
			stop := watchPartial(t, desktop)

			written := make(chan struct{})
			go func() {
				defer close(written)
				for i := range bulk {
					laptop.write(bulkName(i), bulkContent(i))
				}
			}()
			for _, n := range []int{1, bulk / 4, bulk / 2} {
				eventually(t, fmt.Sprintf("%d files have arrived", n), func() error {
					if got := countBulk(desktop); got < n {
						return fmt.Errorf("%d", got)
					}
					return nil
				})
				switch who {
				case "server":
					s.server.kill()
					s.start()
				case "sender":
					laptop.process.kill()
					laptop.start()
				case "receiver":
					desktop.process.kill()
					desktop.start()
				}
			}
			<-written

			want := tree{"bulk": "dir"}
			for i := range bulk {
				want[bulkName(i)] = bulkContent(i)
				want[filepath.Dir(bulkName(i))] = "dir"
			}
			eventually(t, "all files have arrived", func() error {
				if got := countBulk(desktop); got < bulk {
					return fmt.Errorf("%d of %d", got, bulk)
				}
				return nil
			})
			s.settled(want, laptop, desktop)
			stop()
			for _, c := range cs {
				c.noTemporaries()
				c.process.stop()
			}
			s.server.stop()
			verify(t, s.repository())
		})
	}
}

// TestKillWhileALargeFileTravels kills each in turn under one large file.
func TestKillWhileALargeFileTravels(t *testing.T) {
	s := newSite(t)
	cs := s.running("laptop", "desktop")
	laptop, desktop := cs[0], cs[1]
	var content bytes.Buffer
	for i := 0; content.Len() < 48<<20; i++ {
		fmt.Fprintf(&content, "line %d of a large file, never the same twice\n", i)
	}
	copyFile(t, laptop.path("large"), bytes.NewReader(content.Bytes()))

	s.server.kill()
	s.start()
	laptop.process.kill()
	laptop.start()
	desktop.process.kill()
	desktop.start()
	eventually(t, "the file arrives", func() error {
		got, err := os.ReadFile(desktop.path("large"))
		if err == nil && !bytes.Equal(got, content.Bytes()) {
			t.Fatalf("%d bytes of %d are visible", len(got), content.Len())
		}
		return err
	})
	got := s.converge(laptop, desktop)
	if diff := cmp.Diff([]string{"large"}, keys(got)); diff != "" {
		t.Error(diff)
	}
	for _, c := range cs {
		c.noTemporaries()
	}
	verify(t, s.repository())
}

func keys(t tree) []string {
	var names []string
	for name := range t {
		names = append(names, name)
	}
	return names
}
