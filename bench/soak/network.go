package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// network are three network namespaces with a cable each to one switch, which is in the server's. The
// kernel's tools make it: ip, of Debian's iproute2.
type network struct{ made []string }

const serverAddress = "10.213.7.1"

func (n *network) name(who string) string { return fmt.Sprintf("soak%d-%s", os.Getpid(), who) }

// ip runs an ip command in the server's namespace, or in the machine's when it says so itself.
func (n *network) ip(ctx context.Context, args string) error {
	out, err := exec.CommandContext(ctx, "ip", strings.Fields(args)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", args, err, out)
	}
	return nil
}

func (n *network) setUp(ctx context.Context) error {
	server := n.name("server")
	for _, who := range append([]string{"server"}, clients...) {
		if err := n.ip(ctx, "netns add "+n.name(who)); err != nil {
			return fmt.Errorf("%w; networks of one's own need Linux, iproute2 and root: leave them out with -only kill,away", err)
		}
		n.made = append(n.made, n.name(who))
		if err := n.ip(ctx, "-n "+n.name(who)+" link set lo up"); err != nil {
			return err
		}
	}
	commands := []string{
		"-n " + server + " link add switch type bridge",
		"-n " + server + " addr add " + serverAddress + "/24 dev switch",
		"-n " + server + " link set switch up",
	}
	for i, c := range clients {
		commands = append(commands,
			"-n "+server+" link add "+c+" type veth peer name cable netns "+n.name(c),
			"-n "+server+" link set "+c+" master switch",
			"-n "+server+" link set "+c+" up",
			fmt.Sprintf("-n %s addr add 10.213.7.%d/24 dev cable", n.name(c), i+2),
			"-n "+n.name(c)+" link set cable up",
		)
	}
	for _, command := range commands {
		if err := n.ip(ctx, command); err != nil {
			return err
		}
	}
	return nil
}

// plug connects a client with the switch, or takes it off: its cable is fine, and what it sends goes nowhere.
func (n *network) plug(ctx context.Context, client string, in bool) error {
	if in {
		return n.ip(ctx, "-n "+n.name("server")+" link set "+client+" master switch")
	}
	return n.ip(ctx, "-n "+n.name("server")+" link set "+client+" nomaster")
}

func (n *network) tearDown() error {
	var errs []error
	for _, name := range n.made {
		errs = append(errs, n.ip(context.Background(), "netns delete "+name))
	}
	return errors.Join(errs...)
}
