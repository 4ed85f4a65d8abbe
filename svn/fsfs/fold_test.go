package fsfs_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/svntest"
)

// TestFold makes several changes of one path in one commit, and has svnadmin load make the same, one after
// the other in a transaction of libsvn. The lists of changed paths and the trees have to be the same. A
// step is "rm PATH", "mkdir PATH", "put PATH CONTENTS", "cp PATH FROM" (of r1), "propset PATH VALUE".
func TestFold(t *testing.T) {
	svntest.RequireSubversion(t)
	ours, f := create(t), newFolder()
	tests := []struct {
		name  string
		steps string
	}{
		{"added and removed", "put new 1; rm new"},
		{"added, removed, added", "put new 1; rm new; put new 2"},
		{"removed and added", "rm f; put f 1"},
		{"removed, added, removed", "rm f; put f 1; rm f"},
		{"removed, added, changed", "rm f; put f 1; propset f v"},
		{"changed twice", "put f 1; put f 2"},
		{"contents and properties", "put f 1; propset f v"},
		{"changed and removed", "put f 1; rm f"},
		{"changed, removed, added", "put f 1; rm f; put f 2"},
		{"another kind", "rm f; mkdir f; put f/x 1"},
		{"another kind and back", "rm f; mkdir f; put f/x 1; rm f; put f 3"},
		{"a directory as a file", "rm d; put d 1"},
		{"below what is removed", "put d/a 1; rm d/b; propset d/sub v; rm d"},
		{"below what is replaced", "put d/a 1; rm d; mkdir d; put d/a 2; put d/c 3"},
		{"removed with all below, twice", "rm d; mkdir d; mkdir d/sub; put d/sub/x 1; rm d"},
		{"below an added directory", "mkdir n; put n/a 1; mkdir n/m; put n/m/b 2; rm n/m; propset n v"},
		{"all of an added directory", "mkdir n; put n/a 1; rm n"},
		{"a copy", "cp n d; put n/a 1; rm n/b; put n/c 2"},
		{"a copy that is removed", "cp n d; put n/a 1; rm n"},
		{"a copy, removed below and added", "cp n d; rm n/a; put n/a 1"},
		{"a copy, removed below, added and removed", "cp n d; rm n/a; put n/a 1; rm n/a"},
		{"a copy, a directory below replaced", "cp n d; rm n/sub; mkdir n/sub; put n/sub/y 2"},
		{"a copy over what is removed", "rm d; cp d e; put d/x 1"},
		{"a copy over a copy", "cp n d; rm n; cp n e; put n/x 1"},
		{"a file moved", "cp g f; rm f; put g 1"},
		{"a directory moved into itself", "cp n d; rm d; mkdir d; cp d/d d"},
		{"two places changed", "rm d/a; cp d/a f; rm f; cp f d/b; rm d/b"},
		{"mergeinfo comes and goes", "cp n m; rm n/i; put n/i 1"},
		{"mergeinfo in a removed copy", "cp n m; rm n; rm m/i"},
	}
	start := "put f 0; mkdir d; put d/a 0; put d/b 0; mkdir d/sub; put d/sub/x 0; mkdir e; put e/x 0; mkdir m; put m/i 0; mergeinfo m/i /f:1"
	commit(t, ours, f.steps(start, "")...)
	f.first = maps.Clone(f.kinds)
	for i, tt := range tests {
		top := fmt.Sprintf("t%d", i) // each in a copy of the beginning
		commit(t, ours, f.steps("mkdir .; cp f f; cp d d; cp e e; cp m m", top)...)
		commit(t, ours, f.steps(tt.steps, top)...)
	}
	theirs := svntest.Create(t)
	svntest.RunIn(t, strings.NewReader(f.dump.String()), "svnadmin", "load", "-q", theirs)
	got, want := logsOf(t, ours.Dir()), logsOf(t, theirs)
	for i, tt := range tests {
		rev := fmt.Sprint("r", 2*i+3)
		if diff := cmp.Diff(got[rev], want[rev]); diff != "" {
			t.Errorf("%s: changed paths (-ours +libsvn):\n%s", tt.name, diff)
		}
	}
	if diff := cmp.Diff(svntest.Run(t, "svnlook", "tree", ours.Dir()), svntest.Run(t, "svnlook", "tree", theirs)); diff != "" {
		t.Errorf("trees (-ours +libsvn):\n%s", diff)
	}
	svntest.JudgeQuick(t, ours.Dir())
	svntest.Verify(t, svntest.Pack(t, ours.Dir(), 10))
}

// TestMergeinfoCounts sets, copies and removes svn:mergeinfo at random. Each node counts those at and below it, which
// verify counts too.
func TestMergeinfoCounts(t *testing.T) {
	svntest.RequireSubversion(t)
	ours, f := create(t), newFolder()
	rng := rand.New(rand.NewPCG(21, 22))
	commit(t, ours, f.steps("put f 0; mkdir d; mkdir d/e; put d/e/x 0; put d/y 0; mergeinfo d/e/x /f:1; mergeinfo d /f:1; mkdir e; put e/z 0", "")...)
	f.first = maps.Clone(f.kinds)
	pick := func(paths []svn.Path) svn.Path { return paths[rng.IntN(len(paths))] }
	for range 60 {
		f.begin()
		var changes []svn.Change
		for n := range 1 + rng.IntN(5) {
			all := slices.Sorted(maps.Keys(f.kinds))
			dirs := slices.DeleteFunc(slices.Clone(all), func(p svn.Path) bool { return f.kinds[p] != svn.KindDir })
			fresh := svn.Path(fmt.Sprintf("n%d-%d", f.rev, n))
			if len(dirs) > 0 && rng.IntN(3) > 0 {
				fresh = pick(dirs).Join(string(fresh))
			}
			var step string
			switch k := rng.IntN(12); {
			case len(all) == 0 || k < 2:
				step = fmt.Sprint("put ", fresh, " new")
			case k < 3:
				step = fmt.Sprint("mkdir ", fresh)
			case k < 6:
				step = fmt.Sprint("cp ", fresh, " ", pick(slices.Sorted(maps.Keys(f.first))))
			case k < 9:
				step = fmt.Sprintf("mergeinfo %s /f:%d", pick(all), f.rev)
			case k < 10:
				step = fmt.Sprintf("propset %s v%d", pick(all), f.rev)
			default:
				step = fmt.Sprint("rm ", pick(all))
			}
			changes = append(changes, f.step(step, ""))
		}
		commit(t, ours, changes...)
	}
	theirs := svntest.Create(t)
	svntest.RunIn(t, strings.NewReader(f.dump.String()), "svnadmin", "load", "-q", theirs)
	if diff := cmp.Diff(logsOf(t, ours.Dir()), logsOf(t, theirs)); diff != "" {
		t.Errorf("changed paths (-ours +libsvn):\n%s", diff)
	}
	svntest.JudgeQuick(t, ours.Dir())
}

// logsOf returns what svn lists as changed in each revision.
func logsOf(t *testing.T, dir string) map[string][]string {
	t.Helper()
	out := svntest.Run(t, "svn", "log", "-v", "-q", svntest.URL(dir, ""))
	logs := map[string][]string{}
	rev := ""
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "r") {
			rev, _, _ = strings.Cut(line, " ")
		} else if strings.HasPrefix(line, "   ") {
			logs[rev] = append(logs[rev], strings.TrimSpace(line))
		}
	}
	return logs
}

// folder turns steps into changes and into a dump stream.
type folder struct {
	dump  strings.Builder
	rev   svn.Revnum
	kinds map[svn.Path]svn.Kind // what is there at this point
	first map[svn.Path]svn.Kind // in r1
}

func newFolder() *folder {
	f := &folder{kinds: map[svn.Path]svn.Kind{}}
	f.dump.WriteString("SVN-fs-dump-format-version: 2\n\n")
	f.revision()
	return f
}

func (f *folder) revision() {
	fmt.Fprintf(&f.dump, "Revision-number: %d\nProp-content-length: 10\nContent-length: 10\n\nPROPS-END\n\n", f.rev)
}

// steps makes a revision.
func (f *folder) steps(steps, top string) []svn.Change {
	f.begin()
	var changes []svn.Change
	for step := range strings.SplitSeq(steps, "; ") {
		changes = append(changes, f.step(step, top))
	}
	return changes
}

func (f *folder) begin() {
	f.rev++
	f.revision()
}

// step is a change of the revision that was begun.
func (f *folder) step(step, top string) svn.Change {
	base := f.rev - 1
	words := strings.Fields(step)
	path := svn.Path(top)
	if words[1] != "." {
		path = path.Join(words[1])
	}
	kind, there := f.kinds[path]
	c := svn.Change{Path: path, Base: base}
	if !there {
		c.Base = unknown
	}
	action := map[bool]string{true: "change", false: "add"}[there]
	switch words[0] {
	case "rm":
		c.Op = svn.OpDelete
		f.node(path, "delete", "", "")
		maps.DeleteFunc(f.kinds, func(p svn.Path, _ svn.Kind) bool { _, below := p.Rel(path); return below })
	case "mkdir":
		c.Op = svn.OpMkdir
		f.kinds[path] = svn.KindDir
		f.node(path, "add", "Node-kind: dir\n", "")
	case "put":
		c.Op, c.Content = svn.OpPut, content(words[2])
		f.kinds[path] = svn.KindFile
		f.node(path, action, fmt.Sprintf("Node-kind: file\nText-content-length: %d\nContent-length: %d\n", len(words[2]), len(words[2])), words[2])
	case "cp":
		from := svn.Path(words[2])
		c.Op, c.Base, c.CopyFrom = svn.OpCopy, unknown, &svn.CopySource{Path: from, Rev: 1}
		for p, kind := range f.first {
			if rest, below := p.Rel(from); below {
				f.kinds[path.Join(string(rest))] = kind
			}
		}
		f.node(path, "add", fmt.Sprintf("Node-kind: %s\nNode-copyfrom-rev: 1\nNode-copyfrom-path: %s\n", f.first[from], from), "")
	default:
		name := "p"
		if words[0] == "mergeinfo" {
			name = svn.PropMergeinfo
		}
		c.Op, c.Props = svn.OpPut, svn.Props{name: words[2]}
		if kind == svn.KindDir {
			c.Op = svn.OpMkdir
		}
		props := fmt.Sprintf("K %d\n%s\nV %d\n%s\nPROPS-END\n", len(name), name, len(words[2]), words[2])
		f.node(path, "change", fmt.Sprintf("Node-kind: %s\nProp-content-length: %d\nContent-length: %d\n", kind, len(props), len(props)), props)
	}
	return c
}

func (f *folder) node(path svn.Path, action, headers, body string) {
	fmt.Fprintf(&f.dump, "Node-path: %s\nNode-action: %s\n%s\n%s\n\n", path, action, headers, body)
}
