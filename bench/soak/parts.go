package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// work is what the person does on the laptop while something goes wrong.
type work struct {
	name string
	// before is done while all is well, and is everywhere before do begins.
	before func(s *site) (tree, error)
	// do works until it is done and returns what must be there in the end.
	do func(ctx context.Context, s *site, before tree) (tree, error)
}

var works = []work{
	{"edits", someFiles, edit},
	{"bulk", nothing, bulk},
	{"large", nothing, large},
	{"rename", func(s *site) (tree, error) { return bulk(context.Background(), s, nil) }, rename},
}

func workNamed(name string) work {
	return works[slices.IndexFunc(works, func(w work) bool { return w.name == name })]
}

func nothing(*site) (tree, error) { return tree{}, nil }

func someFiles(s *site) (tree, error) {
	t := tree{}
	for i := range 50 {
		if err := s.put(t, fmt.Sprintf("d%d/f%d", i%5, i)); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// put writes a new version of a file of the laptop.
func (s *site) put(t tree, name string) error {
	content := fileContent(s.r)
	t[name] = lineOf(content)
	return put(s.replica("laptop"), name, content)
}

// edit writes, renames and deletes like somebody in a hurry.
func edit(ctx context.Context, s *site, t tree) (tree, error) {
	n := 0
	for end := time.Now().Add(s.size.edits); time.Now().Before(end) && ctx.Err() == nil; n++ {
		name := fmt.Sprintf("d%d/f%d", s.r.IntN(5), s.r.IntN(60))
		var err error
		switch _, there := t[name]; {
		case there && s.r.IntN(20) == 0:
			delete(t, name)
			err = os.Remove(filepath.Join(s.replica("laptop"), name))
		case there && s.r.IntN(10) == 0:
			to := fmt.Sprintf("d%d/g%d", s.r.IntN(5), n)
			t[to] = t[name]
			delete(t, name)
			err = os.Rename(filepath.Join(s.replica("laptop"), name), filepath.Join(s.replica("laptop"), to))
		default:
			err = s.put(t, name)
		}
		if err != nil {
			return nil, err
		}
		time.Sleep(time.Duration(s.r.IntN(30)) * time.Millisecond)
	}
	s.note("%d edits", n)
	return t, ctx.Err()
}

func bulk(ctx context.Context, s *site, _ tree) (tree, error) {
	t := tree{}
	for i := range s.size.files {
		if err := errors.Join(ctx.Err(), s.put(t, fmt.Sprintf("bulk/%02d/f%d", i%100, i))); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func large(_ context.Context, s *site, _ tree) (tree, error) {
	line, err := putLarge(s.replica("laptop"), "large", s.r, s.size.large)
	return tree{"large": line}, err
}

func rename(_ context.Context, s *site, before tree) (tree, error) {
	t := tree{}
	for name, line := range before {
		t["renamed"+strings.TrimPrefix(name, "bulk")] = line
	}
	return t, os.Rename(filepath.Join(s.replica("laptop"), "bulk"), filepath.Join(s.replica("laptop"), "renamed"))
}

// begin prepares a work and starts it. The result comes when it is done.
func (s *site) begin(ctx context.Context, w work) (<-chan func() (tree, error), error) {
	before, err := w.before(s)
	if err != nil {
		return nil, err
	}
	if err := await(ctx, convergeWithin, func() error { return errors.Join(s.atRest(ctx), s.same(tree.withDirs(before))) }); err != nil {
		return nil, err
	}
	done := make(chan func() (tree, error), 1)
	go func() {
		t, err := w.do(ctx, s, before)
		done <- func() (tree, error) { return t.withDirs(), err }
	}()
	return done, nil
}

// killDuring kills somebody again and again while the person works and while it arrives.
func killDuring(ctx context.Context, s *site, w work, victim string) error {
	r := rand.New(rand.NewPCG(s.r.Uint64(), 1)) //nolint:gosec // no secret
	done, err := s.begin(ctx, w)
	if err != nil {
		return err
	}
	names := []string{victim}
	if victim == "all" {
		names = append([]string{"server"}, clients...)
	}
	for range s.size.kills {
		time.Sleep(time.Duration(50+r.IntN(1500)) * time.Millisecond)
		name := names[r.IntN(len(names))]
		if err := s.kill(name); err != nil {
			return err
		}
		time.Sleep(time.Duration(r.IntN(300)) * time.Millisecond)
		if err := s.start(ctx, name); err != nil {
			return err
		}
	}
	want, err := (<-done)()
	if err != nil {
		return err
	}
	return s.settled(ctx, want)
}

// awaitState waits until a client says that it is in a state.
func (s *site) awaitState(ctx context.Context, limit time.Duration, client, state string) error {
	return await(ctx, limit, func() error {
		st, err := s.status(ctx, client)
		if err == nil && st.State != state {
			err = fmt.Errorf("%s says %s, not %s: %s", client, st.State, state, st.LastError)
		}
		return err
	})
}

// serverAway stops the server while both sides work on files of their own.
func serverAway(ctx context.Context, s *site) error {
	t, err := someFiles(s)
	if err != nil {
		return err
	}
	if err := await(ctx, convergeWithin, func() error { return errors.Join(s.atRest(ctx), s.same(t.withDirs())) }); err != nil {
		return err
	}
	if err := s.stop("server"); err != nil {
		return err
	}
	end := time.Now().Add(s.size.away)
	for i := 0; time.Now().Before(end); i++ {
		for n, c := range clients { // even numbers are the laptop's, odd ones the desktop's
			name := fmt.Sprintf("d%d/f%d", (2*(i%20)+n)%5, 2*(i%20)+n)
			content := fileContent(s.r)
			t[name] = lineOf(content)
			if err := putWhole(s.replica(c), name, content); err != nil {
				return err
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	for _, c := range clients {
		if err := s.awaitState(ctx, time.Second, c, "offline"); err != nil {
			return err
		}
	}
	if err := s.start(ctx, "server"); err != nil {
		return err
	}
	return s.settled(ctx, t)
}

// sameFileApart has both change one file while they cannot reach each other.
func sameFileApart(ctx context.Context, s *site) error {
	t, err := someFiles(s)
	if err != nil {
		return err
	}
	if err := await(ctx, convergeWithin, func() error { return errors.Join(s.atRest(ctx), s.same(t.withDirs())) }); err != nil {
		return err
	}
	if err := s.kill("server"); err != nil {
		return err
	}
	const name = "d0/f0"
	versions := map[string]bool{}
	for _, c := range clients {
		content := fileContent(s.r)
		versions[lineOf(content)] = true
		if err := putWhole(s.replica(c), name, content); err != nil {
			return err
		}
	}
	time.Sleep(s.size.away / 10)
	if err := s.start(ctx, "server"); err != nil {
		return err
	}
	return s.bothVersions(ctx, t, name, versions)
}

// bothVersions waits until a file and its one conflict copy have the two versions, everywhere.
func (s *site) bothVersions(ctx context.Context, t tree, name string, versions map[string]bool) error {
	err := await(ctx, convergeWithin, func() error {
		if err := s.atRest(ctx); err != nil {
			return err
		}
		got, err := readTree(s.replica("laptop"))
		if err != nil {
			return err
		}
		delete(t, name)
		found := map[string]string{}
		for p, line := range got {
			if versions[line] {
				found[line], t[p] = p, line
			}
		}
		if len(found) != 2 || len(got) != len(t) || got[name] == "" {
			return fmt.Errorf("the versions are %v in %d files of %d", found, len(t), len(got))
		}
		return s.same(t)
	})
	if err != nil {
		return err
	}
	return s.finish(ctx, t)
}

// cutDuring cuts a client's cable while something travels: packets vanish, and nobody is told.
func cutDuring(ctx context.Context, s *site, w work, client string) error {
	done, err := s.begin(ctx, w)
	if err != nil {
		return err
	}
	time.Sleep(time.Duration(500+s.r.IntN(500)) * time.Millisecond)
	if err := s.network.plug(ctx, client, false); err != nil {
		return err
	}
	cut := time.Now()
	if err := s.awaitState(ctx, 3*time.Minute, client, "offline"); err != nil {
		return err
	}
	s.note("offline noticed after %.0f s", time.Since(cut).Seconds())
	want, err := (<-done)()
	if err != nil {
		return err
	}
	time.Sleep(s.size.away / 2)
	if err := s.network.plug(ctx, client, true); err != nil {
		return err
	}
	return s.settled(ctx, want)
}
