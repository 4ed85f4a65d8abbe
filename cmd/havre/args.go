package main

import (
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// gather moves the flags of a command before its arguments. The parser takes no further argument of a list after a flag, and
// people write: havre backup ADDRESS --watch DIR.
func gather(root *kong.Node, args []string) []string {
	node, n := root, 0
	for n < len(args) {
		if node == root && strings.HasPrefix(args[n], "-") {
			n++ // those of all commands take no values
			continue
		}
		i := slices.IndexFunc(node.Children, func(c *kong.Node) bool {
			return c.Type == kong.CommandNode && (c.Name == args[n] || slices.Contains(c.Aliases, args[n]))
		})
		if i < 0 {
			break
		}
		node, n = node.Children[i], n+1
	}
	if node.DefaultCmd != nil {
		node = node.DefaultCmd
	}
	var flags, rest []string
	for i := n; i < len(args); i++ {
		switch a := args[i]; {
		case a == "--":
			rest = append(rest, args[i:]...)
			i = len(args)
		case len(a) < 2 || a[0] != '-':
			rest = append(rest, a)
		default:
			flags = append(flags, a)
			if takesValue(node, a) && i+1 < len(args) {
				i++
				flags = append(flags, args[i])
			}
		}
	}
	return slices.Concat(args[:n], flags, rest)
}

// takesValue says whether the next argument belongs to the flag.
func takesValue(node *kong.Node, flag string) bool {
	name, long := strings.CutPrefix(flag, "--")
	for ; node != nil; node = node.Parent {
		for _, f := range node.Flags {
			if long && f.Name == name || !long && len(flag) == 2 && f.Short == rune(flag[1]) {
				return !f.IsBool()
			}
		}
	}
	return false // --name=value, or what the parser does not know
}
