package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/havre-cloud/havre/internal/source/etherpad/etherpadtest"
)

// allowPrivate lets backups of the site reach this machine; the server remembers it.
func (s *site) allowPrivate() {
	s.t.Helper()
	s.server.stop()
	s.server = start(s.t, "serve", "--data", s.data(), "--listen", s.listen, "--allow-private", "--contact", "ops@example.org")
	s.server.await(readyPattern)
}

// holds waits until a file of the client has the text in it, and returns how long that took.
func (c *client) holds(name, text string) time.Duration {
	c.site.t.Helper()
	began := time.Now()
	eventually(c.site.t, c.name+"/"+name, func() error {
		got, err := os.ReadFile(c.path(name))
		if err == nil && !strings.Contains(string(got), text) {
			err = fmt.Errorf("%q has no %q", clipped(string(got)), text)
		}
		return err
	})
	return time.Since(began)
}

// TestPadsReachEveryDisk is the story of a team that writes on an Etherpad: what is typed there is in a file on the
// disk of somebody else.
func TestPadsReachEveryDisk(t *testing.T) {
	pads := etherpadtest.StartReal(t, etherpadtest.Options{})
	pads.CreatePad(t, "minutes", "Minutes of Monday\n")
	s := newSite(t)
	s.allowPrivate()
	clients := s.running("laptop", "desk")
	laptop, desk := clients[0], clients[1]
	address := pads.URL() + "/p/minutes"

	out := do(t, "source", "add", "--home", laptop.home, address, pads.URL()+"/p/never-written", "--into", "Team/Pads", "--live")
	if !strings.Contains(out, "2 documents added to Team/Pads") {
		t.Errorf("got %q", out)
	}
	const file = "Pads/minutes.txt"
	desk.holds(file, "Minutes of Monday")
	eventually(t, "both were looked at", func() error {
		if out = do(t, "source", "list", "--home", laptop.home, "Team"); !strings.Contains(out, "live") || !strings.Contains(out, "gone") {
			return errors.New(out)
		}
		return nil
	})

	ben := pads.Author(t, "Ben")
	var took []time.Duration
	for i := range 5 {
		word := fmt.Sprintf("word%d ", i)
		ben.Type("minutes", word)
		took = append(took, desk.holds(file, word))
	}
	for i := range 12 {
		ben.Type("minutes", fmt.Sprintf("burst%d ", i))
	}
	last := desk.holds(file, "burst11 ")
	slices.Sort(took)
	t.Logf("from a key to the disk of another client: median %v, longest %v; the last of a burst %v", took[len(took)/2], took[len(took)-1], last)

	// The server starts again in the middle: it goes on, and the team's disks get what was typed meanwhile.
	s.server.kill()
	ben.Type("minutes", "while nobody looked ")
	s.start()
	desk.holds(file, "while nobody looked")

	do(t, "source", "pause", "--home", desk.home, address)
	if out = do(t, "source", "show", "--home", laptop.home, address); !strings.Contains(out, "paused") || !strings.Contains(out, "minutes.etherpad") {
		t.Errorf("got %s", out)
	}
	do(t, "source", "remove", "--home", laptop.home, "Team/Pads")
	if out = do(t, "source", "list", "--home", laptop.home); !strings.Contains(out, "Nothing is backed up") {
		t.Errorf("got %s", out)
	}
	if r := try(t, "source", "check", "--home", laptop.home, address); r.code != 1 || !strings.Contains(r.err, "no backup that you may see") {
		t.Errorf("%+v", r)
	}
	if _, err := os.Stat(desk.path(file)); err != nil {
		t.Errorf("the files went with the backup: %v", err)
	}
	verify(t, s.repository())
}
