package ignore

import (
	"strings"
)

// pattern is one line of a file with rules.
type pattern struct {
	negated bool
	dirOnly bool
	// anchored patterns match the path from the directory of the file, the others the last
	// component of any path below it.
	anchored bool
	// segments of an anchored pattern, separated by "/"; otherwise one. "**" is for any number
	// of components.
	segments []string
}

// parse reads the lines of a file.
func parse(text string) []pattern {
	text = strings.TrimPrefix(text, "\ufeff")
	var patterns []pattern
	for line := range strings.SplitSeq(text, "\n") {
		if p, ok := parseLine(strings.TrimSuffix(line, "\r")); ok {
			patterns = append(patterns, p)
		}
	}
	return patterns
}

func parseLine(line string) (pattern, bool) {
	if strings.HasPrefix(line, "#") {
		return pattern{}, false
	}
	line = trimSpaces(line)
	var p pattern
	line, p.negated = strings.CutPrefix(line, "!")
	line, p.dirOnly = strings.CutSuffix(line, "/")
	p.anchored = strings.Contains(line, "/")
	line = strings.TrimPrefix(line, "/")
	if line == "" {
		return pattern{}, false
	}
	p.segments = []string{line}
	if p.anchored {
		p.segments = strings.Split(line, "/")
		for i, s := range p.segments {
			if len(s) > 2 && strings.Trim(s, "*") == "" {
				p.segments[i] = "**" // to git any number of them is the same
			}
		}
	}
	return p, true
}

// trimSpaces removes spaces at the end that no backslash protects.
func trimSpaces(line string) string {
	end := 0
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case ' ':
			continue
		case '\\':
			i++
		}
		end = min(i+1, len(line))
	}
	return line[:end]
}

// match reports whether the pattern is about a path, whose components it gets.
func (p *pattern) match(path []string, isDir bool) bool {
	if p.dirOnly && !isDir {
		return false
	}
	if !p.anchored {
		return glob(p.segments[0], path[len(path)-1])
	}
	return matchSegments(p.segments, path)
}

// matchSegments compares component by component. Time is bounded by the product of the lengths: of
// several "**" only the last one that was met is ever taken up again, as of "*" in glob.
func matchSegments(pat, path []string) bool {
	star, mark := -1, 0
	i, j := 0, 0
	for j < len(path) {
		switch {
		case i < len(pat) && pat[i] == "**":
			if i == len(pat)-1 {
				return true
			}
			star, mark = i, j
			i++
		case i < len(pat) && glob(pat[i], path[j]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	// A "**" at the end stands for at least one component, others for none.
	return i == len(pat)
}

// glob reports whether a pattern without "/" matches a name: * for any bytes, ? for one, [...] for
// one of a set, \ for the next byte itself. A pattern that is not well-formed matches nothing.
func glob(pat, name string) bool {
	star, mark := -1, 0
	i, j := 0, 0
	for j < len(name) {
		if i < len(pat) {
			if pat[i] == '*' {
				star, mark = i, j
				i++
				continue
			}
			n, ok := one(pat[i:], name[j])
			if n == 0 {
				return false
			}
			if ok {
				i += n
				j++
				continue
			}
		}
		if star < 0 {
			return false
		}
		mark++
		i, j = star+1, mark
	}
	for i < len(pat) && pat[i] == '*' {
		i++
	}
	return i == len(pat)
}

// one matches the first element of a pattern, which is not *, with one byte. It returns the length of
// the element, 0 if it is not well-formed.
func one(pat string, c byte) (int, bool) {
	switch pat[0] {
	case '?':
		return 1, true
	case '\\':
		if len(pat) == 1 {
			return 0, false
		}
		return 2, pat[1] == c
	case '[':
		return set(pat, c)
	}
	return 1, pat[0] == c
}

// set matches a bracket expression.
func set(pat string, c byte) (int, bool) {
	i := 1
	negated := false
	if i < len(pat) && (pat[i] == '!' || pat[i] == '^') {
		negated = true
		i++
	}
	matched := false
	for first := true; ; first = false {
		if i >= len(pat) {
			return 0, false
		}
		if pat[i] == ']' && !first {
			return i + 1, matched != negated
		}
		if strings.HasPrefix(pat[i:], "[:") {
			n, ok, valid := class(pat[i:], c)
			if !valid {
				return 0, false
			}
			if n > 0 {
				matched = matched || ok
				i += n
				continue
			}
		}
		lo, n := member(pat[i:])
		if n == 0 {
			return 0, false
		}
		i += n
		hi := lo
		if i+1 < len(pat) && pat[i] == '-' && pat[i+1] != ']' {
			if hi, n = member(pat[i+1:]); n == 0 {
				return 0, false
			}
			i += 1 + n
		}
		matched = matched || lo <= c && c <= hi
	}
}

// member reads one byte of a set.
func member(pat string) (byte, int) {
	if pat[0] != '\\' {
		return pat[0], 1
	}
	if len(pat) == 1 {
		return 0, 0
	}
	return pat[1], 2
}

// class matches [:name:] inside a set. The length is 0 if this is no class but the byte "[".
func class(pat string, c byte) (n int, matched, valid bool) {
	end := strings.IndexByte(pat[2:], ']')
	if end < 0 {
		return 0, false, false
	}
	name, ok := strings.CutSuffix(pat[2:2+end], ":")
	if !ok {
		return 0, false, true
	}
	is, ok := classes[name]
	if !ok {
		return 0, false, false
	}
	return 2 + end + 1, is(c), true
}

var classes = map[string]func(byte) bool{
	"alnum":  func(c byte) bool { return isAlpha(c) || isDigit(c) },
	"alpha":  isAlpha,
	"blank":  func(c byte) bool { return c == ' ' || c == '\t' },
	"cntrl":  func(c byte) bool { return c < ' ' || c == 0x7f },
	"digit":  isDigit,
	"graph":  func(c byte) bool { return c > ' ' && c < 0x7f },
	"lower":  isLower,
	"print":  func(c byte) bool { return c >= ' ' && c < 0x7f },
	"punct":  func(c byte) bool { return c > ' ' && c < 0x7f && !isAlpha(c) && !isDigit(c) },
	"space":  func(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' },
	"upper":  isUpper,
	"xdigit": func(c byte) bool { return isDigit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' },
}

func isLower(c byte) bool { return c >= 'a' && c <= 'z' }
func isUpper(c byte) bool { return c >= 'A' && c <= 'Z' }
func isAlpha(c byte) bool { return isLower(c) || isUpper(c) }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }
