package svn

import (
	"cmp"
	"strings"
	"unicode/utf8"
)

// Path is a path inside a repository: components separated by "/", without a leading or trailing
// one; the root is "". Components are UTF-8, not empty, not "." or "..", and hold no "/", NUL or
// newline; nothing else is forbidden, and no normalisation takes place.
type Path string

// CheckPath returns p as a Path, or an *InvalidPathError that says what is wrong with it.
func CheckPath(p string) (Path, error) {
	if p == "" {
		return "", nil
	}
	for name := range strings.SplitSeq(p, "/") {
		if why := badName(name); why != "" {
			return "", &InvalidPathError{Path: p, Reason: why}
		}
	}
	return Path(p), nil
}

func badName(name string) string {
	switch {
	case name == "":
		return "it has an empty component"
	case name == "." || name == "..":
		return "it has the component " + name
	case !utf8.ValidString(name):
		return "it is not valid UTF-8"
	case strings.ContainsRune(name, 0):
		return "it contains a NUL byte"
	case strings.ContainsRune(name, '\n'):
		return "it contains a newline, which Subversion cannot store"
	}
	return ""
}

// Join returns the path of name in the directory p. The name may itself have several components.
func (p Path) Join(name string) Path {
	if p == "" {
		return Path(name)
	}
	if name == "" {
		return p
	}
	return p + "/" + Path(name)
}

// Split returns the directory that p is in and its name there; "" and "" for the root.
func (p Path) Split() (dir Path, name string) {
	if i := strings.LastIndexByte(string(p), '/'); i >= 0 {
		return p[:i], string(p[i+1:])
	}
	return "", string(p)
}

// Dir returns the directory that p is in; the root is in itself.
func (p Path) Dir() Path { dir, _ := p.Split(); return dir }

// Name returns the last component of p.
func (p Path) Name() string { _, name := p.Split(); return name }

// Rel returns the path of p seen from dir, and whether p is dir or below it.
func (p Path) Rel(dir Path) (Path, bool) {
	if dir == "" || p == dir {
		return p[len(dir):], true
	}
	if strings.HasPrefix(string(p), string(dir)+"/") {
		return p[len(dir)+1:], true
	}
	return "", false
}

// Compare orders paths as a walk meets them: component by component, bytewise, a directory
// before what is in it. It returns -1, 0 or 1.
func (p Path) Compare(q Path) int {
	n := min(len(p), len(q))
	for i := range n {
		a, b := p[i], q[i]
		if a == b {
			continue
		}
		if a == '/' || b != '/' && a < b {
			return -1
		}
		return 1
	}
	return cmp.Compare(len(p), len(q))
}
