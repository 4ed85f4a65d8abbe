package ignore

import (
	"errors"
	"io"
	"io/fs"
	"strings"
	"sync"

	"github.com/havre-cloud/havre/internal/localfs"
	"github.com/havre-cloud/havre/svn"
)

// sizeLimit is how much of a file with rules is read, in bytes.
const sizeLimit = 1 << 20

// cacheLimit is how many directories' rules are kept in memory.
const cacheLimit = 1 << 12

// Tree knows the rules of a replica. It reads files with rules when they are first needed and
// keeps what it read until Forget. It is safe for concurrent use.
type Tree struct {
	read func(p svn.Path) ([]byte, error)

	// mu guards dirs.
	mu   sync.Mutex
	dirs map[svn.Path]*Dir
}

// New returns the rules of the replica in fsys.
func New(fsys localfs.FS) *Tree {
	return NewFunc(func(p svn.Path) ([]byte, error) {
		f, err := fsys.Open(p)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return io.ReadAll(io.LimitReader(f, sizeLimit))
	})
}

// NewFunc returns the rules of a tree whose files read returns: fs.ErrNotExist if one is not there.
func NewFunc(read func(p svn.Path) ([]byte, error)) *Tree {
	return &Tree{read: read, dirs: make(map[svn.Path]*Dir)}
}

// Dir is the rules that hold for the entries of one directory. It does not change.
type Dir struct {
	path    svn.Path
	ignored bool
	rules   []ruleFile // the deepest first
	// Err is not nil if a file with rules could not be read: its rules do not hold then.
	Err error
}

// ruleFile is the patterns of one file, for what is below its directory.
type ruleFile struct {
	depth    int // components of the directory
	patterns []pattern
}

var builtin = ruleFile{patterns: parse(Builtin)}

// Forget drops what was read: after the file with rules in a directory changed, and after a directory
// with such files in it came or went. The caller looks through the directory again.
func (t *Tree) Forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.dirs)
}

// Match reports whether what is at p is ignored, by itself or with a directory that it is in.
func (t *Tree) Match(p svn.Path, isDir bool) bool {
	if p == "" {
		return false
	}
	dir, name := p.Split()
	return t.Dir(dir).Match(name, isDir)
}

// Dir returns the rules for the entries of a directory.
func (t *Tree) Dir(p svn.Path) *Dir {
	t.mu.Lock()
	d, ok := t.dirs[p]
	t.mu.Unlock()
	if ok {
		return d
	}
	d = t.load(p)
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.dirs) >= cacheLimit {
		clear(t.dirs)
	}
	t.dirs[p] = d
	return d
}

func (t *Tree) load(p svn.Path) *Dir {
	d := &Dir{path: p}
	depth := 0
	if p == "" {
		d.rules = []ruleFile{builtin}
	} else {
		parentPath, name := p.Split()
		parent := t.Dir(parentPath)
		d.rules = parent.rules
		if d.ignored = parent.Match(name, true); d.ignored {
			return d
		}
		depth = strings.Count(string(p), "/") + 1
	}
	text, err := t.read(p.Join(FileName))
	var kind *localfs.KindError
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.As(err, &kind) {
		d.Err = err
	}
	if patterns := parse(string(text)); err == nil && len(patterns) > 0 {
		d.rules = append([]ruleFile{{depth, patterns}}, d.rules...)
	}
	return d
}

// Match reports whether the entry with this name is ignored.
func (d *Dir) Match(name string, isDir bool) bool {
	if d.ignored {
		return true
	}
	path := strings.Split(string(d.path.Join(name)), "/")
	for _, r := range d.rules {
		for i := len(r.patterns) - 1; i >= 0; i-- {
			if p := &r.patterns[i]; p.match(path[r.depth:], isDir) {
				return !p.negated
			}
		}
	}
	return false
}
