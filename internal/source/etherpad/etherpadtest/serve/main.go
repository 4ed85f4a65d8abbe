// Command serve runs an Etherpad of the tests on a fixed port, to be used by hand:
//
//	go run ./internal/source/etherpad/etherpadtest/serve                      # a real 1.8.14, on port 9001
//	go run ./internal/source/etherpad/etherpadtest/serve --fake 2.5.3 --port 9002 --limit 10
package main

import (
	"context"
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
	var call func(string, ...string) error
	if *fake != "" {
		f, err := etherpadtest.NewFake(etherpadtest.FakeOptions{Options: o, Version: *fake})
		if err != nil {
			return err
		}
		defer f.Kill()
		call = func(name string, args ...string) error { _, err := f.Call(name, args...); return err }
		fmt.Fprintf(os.Stdout, "%s/p/%s   API key: %s\n", f.URL(), *pad, f.APIKey())
	} else {
		dir, err := os.MkdirTemp("", "etherpad-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		r, err := etherpadtest.NewReal(o, dir)
		if err != nil {
			return err
		}
		defer r.Kill()
		call = func(name string, args ...string) error { _, err := r.Call(name, args...); return err }
		fmt.Fprintf(os.Stdout, "%s/p/%s   API key: %s\n", r.URL(), *pad, r.APIKey())
	}
	if err := call("createPad", "padID", *pad, "text", "Bonjour\n"); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}
