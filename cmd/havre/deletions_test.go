package main

import (
	"fmt"
	"os"
	"testing"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/home"
)

// TestHeldDeletions deletes nearly everything: it happens when the person who did it says so, once, and
// comes back when not.
func TestHeldDeletions(t *testing.T) {
	s := newSite(t)
	cs := s.running("laptop", "desktop")
	laptop, desktop := cs[0], cs[1]
	fill := func() {
		for i := range 1100 {
			laptop.write(fmt.Sprintf("big/%d", i), "x")
		}
		laptop.write("other", "x")
		s.converge(laptop, desktop)
	}
	heldUp := func() {
		laptop.vanish("big")
		eventually(t, "laptop holds 1,100 deletions", func() error {
			st, err := laptop.status()
			if err != nil {
				return err
			}
			if r := st.Replicas[0]; r.State != home.StateHeld || r.HeldUp != 1100 {
				return fmt.Errorf("%s, %d held", r.State, r.HeldUp)
			}
			return nil
		})
		if _, err := os.Stat(desktop.path("big/1099")); err != nil {
			t.Error(err)
		}
	}

	fill()
	heldUp()
	do(t, "deletions", "undo", "--home", laptop.home, laptop.dir)
	laptop.awaitContent("big/1099", "x")
	s.converge(laptop, desktop)

	heldUp()
	do(t, "deletions", "allow", "--home", laptop.home, laptop.dir)
	desktop.awaitGone("big")
	s.settled(tree{"other": "x"}, laptop, desktop)
}

// TestDecideOnTheServer deletes nearly everything on one device, and decides about it where the server is.
func TestDecideOnTheServer(t *testing.T) {
	s := newSite(t)
	cs := s.running("laptop", "desktop")
	laptop, desktop := cs[0], cs[1]
	for i := range 1100 {
		laptop.write(fmt.Sprintf("big/%d", i), "x")
	}
	laptop.write("other", "x")
	s.converge(laptop, desktop)
	a, err := openAdmin(t.Context(), s.data())
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	decide := func(d havre.Decision) {
		t.Helper()
		laptop.vanish("big")
		eventually(t, "the server hears of 1,100 deletions that wait", func() error {
			all, err := a.Replicas(t.Context(), "")
			if err != nil {
				return err
			}
			for _, r := range all {
				if r.Report.HeldUp == 1100 {
					if r.Report.Place != laptop.dir {
						return fmt.Errorf("the replica is in %q, want %q", r.Report.Place, laptop.dir)
					}
					return a.DecideHeld(t.Context(), r.Device, r.Report.Scope, d, 1100)
				}
			}
			return fmt.Errorf("%d replicas, none waits", len(all))
		})
	}
	// The device is heard of every few seconds: what the server knows may be of the deletions before.
	nothingWaits := func() {
		t.Helper()
		eventually(t, "the server hears that nothing waits", func() error {
			all, err := a.Replicas(t.Context(), "")
			if err != nil {
				return err
			}
			for _, r := range all {
				if r.Report.HeldUp != 0 || r.Decision != havre.DecisionNone || !r.Since.IsZero() {
					return fmt.Errorf("%+v", r)
				}
			}
			if len(all) != 2 {
				return fmt.Errorf("%d replicas", len(all))
			}
			return nil
		})
	}
	decide(havre.DecisionKeep)
	laptop.awaitContent("big/1099", "x")
	s.converge(laptop, desktop)
	nothingWaits()
	decide(havre.DecisionDelete)
	desktop.awaitGone("big")
	s.settled(tree{"other": "x"}, laptop, desktop)
	nothingWaits()
}
