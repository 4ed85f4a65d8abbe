// Command serve runs an Etherpad of the tests on a fixed port, to be used by hand:
//
//	go run ./internal/source/etherpad/etherpadtest/serve                      # a real 1.8.14, on port 9001
//	go run ./internal/source/etherpad/etherpadtest/serve --fake 2.5.3 --port 9002 --limit 10
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"github.com/havre-cloud/havre/internal/source/etherpad/etherpadtest"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "serve:", err)
		os.Exit(1) //nolint:forbidigo // a program
	}
}

func run() error {
	port := flag.Int("port", 9001, "the port on 127.0.0.1")
	fake := flag.String("fake", "", "a fake server of this version, 2.5.3 or 1.8.14; without it a real 1.8.14")
	limit := flag.Int("limit", 0, "exports and imports in 90 s; 10 is what instances have; 0 for no limit")
	user := flag.String("user", "", "a user without whom nobody gets in")
	password := flag.String("password", "", "the user's password")
	pad := flag.String("pad", "demo", "a pad that is made at the start")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	o := etherpadtest.Options{Port: *port, Limit: *limit, User: *user, Password: *password}
	var server interface {
		etherpadtest.Server
		Call(function string, args ...string) (json.RawMessage, error)
	}
	if *fake != "" {
		f, err := etherpadtest.NewFake(etherpadtest.FakeOptions{Options: o, Version: *fake})
		if err != nil {
			return err
		}
		defer f.Kill()
		server = f
	} else {
		dir, err := os.MkdirTemp("", "etherpad-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir) //nolint:errcheck // it is a temporary directory
		r, err := etherpadtest.NewReal(o, dir)
		if err != nil {
			return err
		}
		defer r.Kill()
		server = r
	}
	if _, err := server.Call("createPad", "padID", *pad, "text", "Bonjour\n"); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(os.Stdout, "%s/p/%s   API key: %s\n", server.URL(), *pad, server.APIKey()); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}
