package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/havre-cloud/havre/internal/source"
	"github.com/havre-cloud/havre/internal/source/etherpad"
)

type padRestoreCmd struct {
	restoreFlags
	Path string `arg:"" name:"file|dir" type:"path" help:"An .etherpad file, or a directory of them."`
	URL  string `arg:"" name:"url" help:"The new address of the pad, or the instance: a pad then keeps its name."`
}

// Help is the text below the usage.
func (padRestoreCmd) Help() string {
	return `The pad comes back with its whole history, authors and chat. The file is checked before anything is sent, nothing that
exists on the instance is touched, and the pad is read back and compared, record for record. An instance that takes no
complete pads gets the text; what is lost by that is said.

A directory is restored to an instance, pad by pad, as fast as the instance allows: usually three pads in 90
seconds. restored.csv lists old and new addresses. The same command goes on where it ended.

Examples:

    havre pad restore Minutes.etherpad https://pads.example.org/p/minutes
    havre pad restore ~/Pads https://pads.example.org

` + restoreExitCodes
}

// Run executes the command.
func (c *padRestoreCmd) Run(ctx context.Context, con *console) error {
	provider := etherpad.New()
	u, err := parseInstance(c.URL)
	if err != nil {
		return err
	}
	to := provider.Recognise(u)
	if to.Address.Collection != "" {
		return &backupError{exitUsage, "that is the address of many pads: give that of one, or of the instance"}
	}
	if to.Address.Name == "" {
		to.Address = source.Address{Kind: source.KindEtherpad, Instance: strings.ToLower(u.Scheme + "://" + u.Host)}
		to.Address.Instance += strings.TrimSuffix(strings.TrimSuffix(u.EscapedPath(), "/"), "/p")
		to.Address.URL = to.Address.Instance
	}
	given, err := c.secrets(con)
	if err != nil {
		return err
	}
	if given.User != "" || given.Password != "" {
		to.Secrets.User, to.Secrets.Password = given.User, given.Password
	}
	to.Secrets.Session = given.Session
	client := newRestoreClient(con, c.backupFlags)
	if to, err = provider.Probe(ctx, client, to); err != nil {
		client.CloseIdle()
		return restoreError(err)
	}
	r := &restorer{
		con: con, provider: provider, client: client, exts: []string{".etherpad"}, one: "pad", to: to,
		name: padName, address: func(instance, name string) source.Address {
			return source.Address{Kind: source.KindEtherpad, Instance: instance, Name: name, URL: instance + "/p/" + url.PathEscape(name)}
		},
	}
	return r.run(ctx, c.Path, c.Table)
}

// padName returns under which name a file is restored: the one that the pad had, or else that of the file.
func padName(path string, old *url.URL) (string, error) {
	var before string
	if old != nil {
		before = etherpad.New().Recognise(old).Address.Name
	}
	base := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	if name := etherpad.RestoreName(before); name != "" {
		return name, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	doc, err := etherpad.Open(file, info.Size())
	if err != nil {
		return "", &source.Error{Reason: source.ReasonDamaged, Text: "the file is no complete pad and is not sent to any instance", Err: err}
	}
	name := etherpad.RestoreName(doc.Name(), base)
	if name == "" {
		return "", fmt.Errorf("%s: give the new address, with the name of the pad", shown(base))
	}
	return name, nil
}
