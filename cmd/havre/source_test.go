package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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

	added := try(t, "source", "add", "--home", laptop.home, address, pads.URL()+"/p/never-written", "--into", "Team/Pads", "--live")
	if added.code != 1 || !strings.Contains(added.out, "1 document added to Team/Pads") || !strings.Contains(added.out, "never-written: there is no such pad") {
		t.Errorf("got %+v", added)
	}
	const file = "Pads/minutes.txt"
	desk.holds(file, "Minutes of Monday")
	var out string
	eventually(t, "it was looked at", func() error {
		if out = do(t, "source", "list", "--home", laptop.home, "Team"); !strings.Contains(out, "live") {
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
	wholeInstance(t, pads, laptop, desk)
	verify(t, s.repository())
}

// wholeInstance is the story of who has the key of an Etherpad: all its pads, and all of a group of them.
func wholeInstance(t *testing.T, pads *etherpadtest.Real, laptop, desk *client) {
	t.Helper()
	keys := t.TempDir()
	key := func(text string) string {
		name := filepath.Join(keys, text)
		if err := os.WriteFile(name, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	right, wrong := key(pads.APIKey()), key("wrong")
	var group struct {
		GroupID string `json:"groupID"`
	}
	if err := json.Unmarshal(pads.API(t, "createGroup"), &group); err != nil {
		t.Fatal(err)
	}
	pads.API(t, "createGroupPad", "groupID", group.GroupID, "padName", "board", "text", "Of the board\n")

	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--api-key-file", wrong, "--into", "Team/All"}, "does not accept the API key"},
		{[]string{"--api-key-file", right, "--into", "Team/All", "--group", "g.aaaaaaaaaaaaaaaa"}, "there is no such group"},
		{[]string{"--api-key-file", right, "--into", "Team/All", "--group", "board"}, "g. and 16 letters"},
	} {
		r := try(t, slices.Concat([]string{"source", "add", "--home", laptop.home, pads.URL()}, c.args)...)
		if r.code == 0 || !strings.Contains(r.out+r.err, c.want) {
			t.Errorf("%q: %+v", c.args, r)
		}
	}
	for _, args := range [][]string{{"--into", "Team/All"}, {"--into", "Team/Board", "--group", group.GroupID}} {
		out := do(t, slices.Concat([]string{"source", "add", "--home", laptop.home, pads.URL(), "--api-key-file", right}, args)...)
		if !strings.Contains(out, "1 collection added to "+args[1]) {
			t.Errorf("got %q", out)
		}
	}
	desk.holds("All/minutes.txt", "Minutes of Monday")
	desk.holds("All/board.txt", "Of the board")
	desk.holds("Board/board.txt", "Of the board")

	// What is written later comes by itself, here at the next look; what is deleted there stays here.
	pads.CreatePad(t, "later", "Written later\n")
	do(t, "source", "check", "--home", laptop.home, pads.URL())
	desk.holds("All/later.txt", "Written later")
	pads.DeletePad(t, "later")
	do(t, "source", "check", "--home", laptop.home, pads.URL()+"/p/later")
	do(t, "source", "set", "--home", laptop.home, pads.URL(), "--api-key-file", wrong)
	eventually(t, "both are noticed", func() error {
		out := do(t, "source", "list", "--home", laptop.home, "Team/All")
		if !strings.Contains(out, "later: there is no such pad") || !strings.Contains(out, "all pads: the instance does not accept the API key") {
			return errors.New(out)
		}
		return nil
	})
	desk.holds("All/later.txt", "Written later")

	// The same without a server.
	dir := t.TempDir()
	out := do(t, "backup", "--home", t.TempDir(), "--allow-private", pads.URL(), "--group", group.GroupID, "--api-key-file", right, dir)
	if text, err := os.ReadFile(filepath.Join(dir, "board.txt")); err != nil || !strings.Contains(string(text), "Of the board") {
		t.Errorf("%q, %v: %s", text, err, out)
	}
}
