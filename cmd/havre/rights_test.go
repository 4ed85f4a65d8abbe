package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/havre-cloud/havre/internal/home"
)

// person pairs a device of somebody, who gets an account, and adds the folder.
func (s *site) person(name, right string) *client {
	s.t.Helper()
	c := &client{site: s, name: name, home: filepath.Join(s.dir, "home-"+name), dir: filepath.Join(s.dir, name)}
	invitation := invitationPattern.FindString(do(s.t, "user", "add", "--data", s.data(), name))
	do(s.t, "grant", "--data", s.data(), "Team", name+"="+right)
	do(s.t, "join", "--home", c.home, "--name", name, invitation)
	do(s.t, "add", "--home", c.home, "Team", c.dir)
	return c
}

// soon does something and returns how long it takes until want is what there is.
func soon(t *testing.T, what string, deed func(), want func() error) time.Duration {
	t.Helper()
	deed()
	began := time.Now() // the command is done: the change is in the database
	eventually(t, what, want)
	return time.Since(began)
}

func (c *client) gone(names ...string) func() error {
	return func() error {
		for _, name := range names {
			if _, err := os.Lstat(c.path(name)); !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("%s is there: %w", name, err)
			}
		}
		return nil
	}
}

func (c *client) there(name, content string) func() error {
	return func() error {
		b, err := os.ReadFile(c.path(name))
		if err == nil && string(b) != content {
			err = fmt.Errorf("%s: %q", name, b)
		}
		return err
	}
}

func (c *client) inState(want home.State) func() error {
	return func() error {
		s, err := c.status()
		if err == nil && s.Replicas[0].State != want {
			err = fmt.Errorf("%s is %s", c.name, s.Replicas[0].State)
		}
		return err
	}
}

// TestRightsOnPaths: a server, two clients, and somebody who grants and revokes meanwhile.
func TestRightsOnPaths(t *testing.T) {
	s := newSite(t)
	admin := s.newClient("admin")
	admin.start()
	admin.write("Plans/a.txt", "a")
	admin.write("Accounts/pay.txt", "pay")
	admin.write("Accounts/2026/q1.txt", "q1")
	admin.write("top.txt", "top")
	ada := s.person("ada", "write")
	ada.start()
	s.converge(admin, ada)
	grant := func(args ...string) func() {
		return func() { do(t, append([]string{"grant", "--data", s.data()}, args...)...) }
	}
	var slowest time.Duration
	measured := func(what string, deed func(), want func() error) {
		t.Helper()
		took := soon(t, what, deed, want)
		t.Logf("%s: %v", what, took)
		slowest = max(slowest, took)
	}

	measured("revoked", grant("Team/Accounts", "ada=none"), ada.gone("Accounts"))
	if err := ada.there("top.txt", "top")(); err != nil {
		t.Error(err)
	}
	measured("a part granted again", grant("Team/Accounts/2026", "ada=read"), ada.there("Accounts/2026/q1.txt", "q1"))
	if err := ada.gone("Accounts/pay.txt")(); err != nil {
		t.Error(err)
	}
	measured("taken back", func() {
		grant("Team/Accounts/2026", "--remove", "ada")()
		grant("Team", "--path", "Accounts", "--remove", "ada")()
	}, ada.there("Accounts/pay.txt", "pay"))

	// Groups count as well, through groups.
	do(t, "group", "add", "--data", s.data(), "Interns", "ada")
	do(t, "group", "add", "--data", s.data(), "Guests", "--group", "Interns")
	if r := try(t, "group", "add", "--data", s.data(), "Interns", "--group", "Guests"); r.code == 0 {
		t.Error("a circle of groups was made")
	}
	measured("revoked from a group", grant("Team/Accounts", "--group", "Guests", "none"), ada.gone("Accounts"))
	measured("out of the group", func() { do(t, "group", "remove", "--data", s.data(), "Interns", "ada") }, ada.there("Accounts/pay.txt", "pay"))

	// What was not sent is set aside.
	ada.process.stop()
	ada.write("Accounts/pay.txt", "changed by ada")
	ada.write("Accounts/new.txt", "new by ada")
	grant("Team/Accounts", "ada=none")()
	ada.start()
	eventually(t, "Accounts gone", ada.gone("Accounts"))
	status, err := ada.status()
	if err != nil {
		t.Fatal(err)
	}
	kept := map[string]string{}
	for _, k := range status.Replicas[0].Kept {
		b, err := os.ReadFile(k.Place)
		if err != nil {
			t.Error(err)
		}
		kept[string(k.Path)] = string(b)
	}
	if len(kept) != 2 || kept["Accounts/pay.txt"] != "changed by ada" || kept["Accounts/new.txt"] != "new by ada" {
		t.Errorf("kept: %v", kept)
	}
	if out := do(t, "status", "--home", ada.home); !strings.Contains(out, "2 files set aside") {
		t.Errorf("status says:\n%s", out)
	}
	if err := admin.there("Accounts/pay.txt", "pay")(); err != nil {
		t.Error(err)
	}

	// No access at all, and back.
	measured("all revoked", grant("Team", "ada=none"), ada.gone("top.txt", "Plans"))
	eventually(t, "no access", ada.inState(home.StateNoAccess))
	admin.write("top.txt", "changed meanwhile")
	s.converge(admin)
	measured("all granted", func() {
		grant("Team/Accounts", "--remove", "ada")()
		grant("Team", "ada=read")()
	}, ada.there("top.txt", "changed meanwhile"))
	eventually(t, "Accounts back", ada.there("Accounts/pay.txt", "pay"))

	// Who may only read gets back what he changes.
	ada.write("top.txt", "changed by ada")
	eventually(t, "top.txt as it was", ada.there("top.txt", "changed meanwhile"))
	if err := admin.there("top.txt", "changed meanwhile")(); err != nil {
		t.Error(err)
	}
	t.Logf("the slowest change of rights was on the disk after %v", slowest)
	if slowest > 3*time.Second { // promised is one; the machine may be busy
		t.Errorf("a change of rights took %v", slowest)
	}
	ada.process.stop()
	admin.process.stop()
	s.server.stop()
	verify(t, s.repository())
}
