package svntest

import (
	"fmt"
	"iter"
	"strconv"
	"strings"
)

// hash is a hash dump in the order of its entries: Subversion's form of properties and directories.
type hash []struct{ name, value string }

func (h hash) all() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, e := range h {
			if !yield(e.name, e.value) {
				return
			}
		}
	}
}

// parseHash reads a hash dump that is followed by the end line and nothing else.
func parseHash(s, end string) (hash, error) {
	var h hash
	for {
		if s == end+"\n" {
			return h, nil
		}
		name, rest, err := parseCounted(s, "K ")
		if err != nil {
			return nil, err
		}
		value, rest, err := parseCounted(rest, "V ")
		if err != nil {
			return nil, err
		}
		h = append(h, struct{ name, value string }{name, value})
		s = rest
	}
}

// parseCounted reads "K LEN\nBYTES\n".
func parseCounted(s, prefix string) (value, rest string, err error) {
	line, rest, _ := strings.Cut(s, "\n")
	digits, ok := strings.CutPrefix(line, prefix)
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || n < 0 || n >= len(rest) || rest[n] != '\n' {
		return "", "", fmt.Errorf("hash dump: bad line %q", line)
	}
	return rest[:n], rest[n+1:], nil
}

// appendHash appends a hash dump.
func appendHash(dst []byte, h iter.Seq2[string, string], end string) []byte {
	for name, value := range h {
		dst = fmt.Appendf(dst, "K %d\n%s\nV %d\n%s\n", len(name), name, len(value), value)
	}
	return append(dst, end+"\n"...)
}
