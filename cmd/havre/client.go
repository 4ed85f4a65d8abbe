package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/home"
)

// homeFlag is the flag of all commands of the client.
type homeFlag struct {
	Home string `env:"HAVRE_HOME" placeholder:"DIR" help:"Directory of this client: its token, state and trash. By default the person's own place for that."`
}

func (f *homeFlag) open() (*home.Home, error) {
	dir := f.Home
	if dir == "" {
		var err error
		if dir, err = home.DefaultDir(); err != nil {
			return nil, fmt.Errorf("no place for the client's directory: %w; say which with --home DIR", err)
		}
	}
	return home.Open(dir)
}

// agent returns who does what a command asks for: the running client, or, when none runs, the command
// itself, which then keeps a client from starting meanwhile. The returned function ends it.
func (f *homeFlag) agent(ctx context.Context, con *console) (home.Agent, func(), error) {
	h, err := f.open()
	if err != nil {
		return nil, nil, err
	}
	conn, err := h.Connect(ctx)
	if err == nil {
		return conn, conn.Close, nil
	}
	if _, ok := errors.AsType[*home.NotRunningError](err); !ok {
		return nil, nil, err
	}
	lock, err := h.Lock()
	if err != nil {
		return nil, nil, err
	}
	unlock := func() { _ = lock.Unlock() }
	if _, err := h.Joined(); err != nil {
		unlock()
		return nil, nil, err
	}
	return newDirectAgent(h, con.log), unlock, nil
}

// findReplica returns the replica that a person means by a directory or by a folder's name.
func findReplica(s *home.Status, what string) (*home.ReplicaStatus, error) {
	var found []*home.ReplicaStatus
	dir, err := filepath.Abs(what)
	for i := range s.Replicas {
		r := &s.Replicas[i]
		if err == nil && r.Dir == dir {
			return r, nil
		}
		if r.Name() == strings.Trim(what, "/") || r.ID == what {
			found = append(found, r)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return nil, &havre.Error{Code: havre.CodeNotFound, Text: fmt.Sprintf("%s: neither a directory nor a folder that this client keeps; see: havre status", shown(what))}
	default:
		return nil, &havre.Error{Code: havre.CodeInvalid, Text: fmt.Sprintf("%s: several directories are kept the same as this folder; say which directory", shown(what))}
	}
}
