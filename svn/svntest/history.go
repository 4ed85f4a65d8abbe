package svntest

import (
	"bytes"
	"crypto/sha1"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/havre-cloud/havre/svn"
)

// History is a series of commits upon an empty repository, and what they have to lead to.
type History struct {
	// Commits makes revision i+1 with Commits[i]. Every change has its Base, and contents can be
	// opened as often as needed.
	Commits []svn.Commit
	// Trees holds the tree at each revision, from 0.
	Trees []Tree
}

// RandomHistory makes n commits, the same for the same seed: files and directories added, modified
// a little or altogether, some over several delta windows, deleted, replaced, copied from any
// revision and changed inside the fresh copy, with properties and odd names.
//
// No commit writes contents that a later change of it overwrites or deletes: libsvn 1.14 leaves
// them in the revision, referenced by nothing, and svnadmin pack then loses them from one of the two
// indexes, so that svnadmin verify fails. For commits that do so see RandomRewrites.
func RandomHistory(t testing.TB, seed uint64, n int) *History {
	t.Helper()
	return randomHistory(seed, n, false)
}

// RandomRewrites is like RandomHistory, but its commits also change and delete what earlier changes
// of the same commit wrote.
func RandomRewrites(t testing.TB, seed uint64, n int) *History {
	t.Helper()
	return randomHistory(seed, n, true)
}

func randomHistory(seed uint64, n int, rewrites bool) *History {
	g := &generator{rewrites: rewrites, rng: rand.New(rand.NewPCG(seed, 0x68617672))}
	g.Trees = []Tree{{"": {Kind: svn.KindDir}}}
	for len(g.Commits) < n {
		g.commit()
	}
	return &g.History
}

// Apply commits the whole history, and checks that each commit makes the next revision.
func (h *History) Apply(t testing.TB, repo svn.Repository) {
	t.Helper()
	for i := range h.Commits {
		rev, err := repo.Commit(t.Context(), &h.Commits[i])
		if err != nil {
			t.Fatalf("commit r%d: %v\n%s", i+1, err, Describe(&h.Commits[i]))
		}
		if want := svn.Revnum(i + 1); rev != want {
			t.Fatalf("commit made r%d, want r%d", rev, want)
		}
	}
}

// Check compares every revision of the repository with the history.
func (h *History) Check(t testing.TB, repo svn.Repository) {
	t.Helper()
	for rev, want := range h.Trees {
		RequireSameTree(t, fmt.Sprintf("r%d", rev), RepositoryTree(t, repo, svn.Revnum(rev)), want)
	}
}

// CheckDir compares every revision of the repository in dir with the history, as svnadmin reads it.
func (h *History) CheckDir(t testing.TB, dir string) {
	t.Helper()
	for rev, want := range h.Trees {
		RequireSameTree(t, fmt.Sprintf("r%d", rev), DumpTree(t, dir, svn.Revnum(rev)), want)
	}
}

// Load makes a repository of the history with svnadmin, and returns its directory. The arguments
// are those of Create.
func (h *History) Load(t testing.TB, args ...string) string {
	t.Helper()
	dir := Create(t, args...)
	RunIn(t, bytes.NewReader(h.Dump(t)), "svnadmin", "load", "-q", "--no-flush-to-disk", dir)
	return dir
}

// Describe returns a line for each change of a commit.
func Describe(c *svn.Commit) string {
	var b strings.Builder
	for i := range c.Changes {
		ch := &c.Changes[i]
		fmt.Fprintf(&b, "%s /%s base %d", [...]string{"put", "mkdir", "delete", "copy"}[ch.Op], ch.Path, ch.Base)
		if ch.CopyFrom != nil {
			fmt.Fprintf(&b, " from /%s@%d", ch.CopyFrom.Path, ch.CopyFrom.Rev)
		}
		if ch.Content != nil {
			fmt.Fprintf(&b, " %d bytes", ch.Size)
		}
		if ch.Props != nil {
			fmt.Fprintf(&b, " props %q", ch.Props)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// Content returns what Change.Content has to be for the bytes.
func Content(p []byte) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(p)), nil }
}

// generator makes a History. While a commit is being made, tree is what it leads to so far.
type generator struct {
	History
	rng     *rand.Rand
	tree    Tree
	changes []svn.Change
	// written has the files of which the commit has written contents. Unless rewrites is set they
	// are neither written again nor deleted.
	written  map[svn.Path]bool
	rewrites bool
	serial   int
}

func (g *generator) head() svn.Revnum { return svn.Revnum(len(g.Commits)) }

func (g *generator) commit() {
	g.tree = maps.Clone(g.Trees[g.head()])
	g.changes = nil
	g.written = map[svn.Path]bool{}
	count := 1 + g.rng.IntN(4)
	if g.rng.IntN(10) == 0 {
		count = 30
	}
	for range count {
		g.change()
	}
	if g.rng.IntN(20) == 0 {
		g.tree, g.changes = maps.Clone(g.Trees[g.head()]), nil // an empty commit
	}
	g.Commits = append(g.Commits, svn.Commit{
		RevProps: svn.Props{
			svn.PropAuthor: "généré",
			svn.PropLog:    fmt.Sprintf("commit %d\nof %d changes", g.head()+1, len(g.changes)),
		},
		Changes: g.changes,
	})
	g.Trees = append(g.Trees, g.tree)
}

// change makes one change, or two that belong together.
func (g *generator) change() {
	switch n := g.rng.IntN(100); {
	case n < 25 || len(g.tree) < 6:
		g.addFile(g.newPath())
	case n < 35:
		g.addDir(g.newPath())
	case n < 65:
		g.modify()
	case n < 72:
		g.changeProps()
	case n < 82:
		if p, ok := g.pick(svn.KindNone); ok {
			g.remove(p)
		}
	case n < 95:
		g.copy(g.newPath())
	default:
		g.replace()
	}
}

// base returns the Base of a change at a path.
func (g *generator) base(p svn.Path) svn.Revnum {
	if _, ok := g.tree[p]; ok {
		return g.head()
	}
	return svn.InvalidRevnum
}

func (g *generator) add(c svn.Change) {
	c.Base = g.base(c.Path)
	g.changes = append(g.changes, c)
}

func (g *generator) put(p svn.Path, content []byte, props svn.Props) {
	if content != nil && g.written[p] && !g.rewrites {
		return
	}
	e := g.tree[p]
	e.Kind = svn.KindFile
	c := svn.Change{Op: svn.OpPut, Path: p, Props: props}
	if content != nil {
		g.setContent(&c, &e, content)
	}
	if props != nil {
		e.Props = someProps(props)
	}
	g.add(c)
	g.tree[p] = e
}

func (g *generator) setContent(c *svn.Change, e *Entry, content []byte) {
	g.written[c.Path] = true
	e.Content = content
	c.Content = Content(content)
	c.Size = int64(len(content))
	if g.rng.IntN(2) == 0 {
		sum := sha1.Sum(content)
		c.SHA1 = sum[:]
	}
}

func (g *generator) addFile(p svn.Path) {
	content := g.content()
	if g.rng.IntN(15) == 0 {
		content = nil // a file that never had any
	}
	props := g.props()
	if g.rng.IntN(15) == 0 {
		content, props = []byte("link ../some where"), svn.Props{svn.PropSpecial: "*"}
	}
	g.put(p, content, props)
}

func (g *generator) addDir(p svn.Path) {
	props := g.props()
	g.add(svn.Change{Op: svn.OpMkdir, Path: p, Props: props})
	g.tree[p] = Entry{Kind: svn.KindDir, Props: someProps(props)}
	for range g.rng.IntN(4) {
		g.addFile(g.newPathIn(p))
	}
}

func (g *generator) modify() {
	p, ok := g.pick(svn.KindFile)
	if !ok || g.tree[p].Props[svn.PropSpecial] != "" {
		return
	}
	g.put(p, g.edit(g.tree[p].Content), nil)
}

func (g *generator) changeProps() {
	p, ok := g.pick(svn.KindNone)
	if !ok || g.tree[p].Props[svn.PropSpecial] != "" {
		return
	}
	props := g.props()
	if props == nil {
		props = svn.Props{} // takes all away
	}
	if maps.Equal(props, g.tree[p].Props) {
		return // a dump shows a change of nothing, and loading forgets it
	}
	e := g.tree[p]
	if e.Kind == svn.KindFile {
		g.put(p, nil, props)
		return
	}
	g.add(svn.Change{Op: svn.OpMkdir, Path: p, Props: props})
	e.Props = someProps(props)
	g.tree[p] = e
}

// remove deletes a node, and says whether it did.
func (g *generator) remove(p svn.Path) bool {
	for q := range g.written {
		if _, below := q.Rel(p); below && !g.rewrites {
			return false
		}
	}
	g.add(svn.Change{Op: svn.OpDelete, Path: p})
	g.tree.remove(p)
	return true
}

// replace deletes a node and puts another in its place.
func (g *generator) replace() {
	p, ok := g.pick(svn.KindNone)
	if !ok || !g.remove(p) {
		return
	}
	switch g.rng.IntN(3) {
	case 0:
		g.addFile(p)
	case 1:
		g.addDir(p)
	default:
		g.copy(p)
	}
}

// copy copies something from any revision to a path, and at times changes the copy at once.
func (g *generator) copy(to svn.Path) {
	rev := svn.Revnum(g.rng.IntN(len(g.Trees)))
	if g.rng.IntN(2) == 0 {
		rev = g.head()
	}
	source := g.Trees[rev]
	from, ok := pickFrom(g.rng, source, svn.KindNone)
	if !ok {
		return
	}
	copied := source.Below(from)
	if len(g.tree)+len(copied) > 400 {
		return
	}
	root := copied[""]
	c := svn.Change{Op: svn.OpCopy, Path: to, CopyFrom: &svn.CopySource{Path: from, Rev: rev}}
	if root.Props[svn.PropSpecial] == "" {
		if root.Kind == svn.KindFile && g.rng.IntN(3) == 0 {
			g.setContent(&c, &root, g.edit(root.Content))
		}
		if props := g.props(); props != nil && g.rng.IntN(3) == 0 {
			c.Props, root.Props = props, someProps(props)
		}
	}
	copied[""] = root
	g.add(c)
	for p, e := range copied {
		g.tree[to.Join(string(p))] = e
	}
	if root.Kind == svn.KindDir && g.rng.IntN(2) == 0 {
		g.changeInside(to, copied)
	}
}

// changeInside changes a little in a directory that this commit has copied.
func (g *generator) changeInside(dir svn.Path, copied Tree) {
	g.addFile(g.newPathIn(dir))
	for _, kind := range []svn.Kind{svn.KindFile, svn.KindNone} {
		rel, ok := pickFrom(g.rng, copied, kind)
		if !ok {
			continue
		}
		p := dir.Join(string(rel))
		e, ok := g.tree[p]
		switch {
		case !ok || e.Props[svn.PropSpecial] != "":
		case kind == svn.KindFile:
			g.put(p, g.edit(e.Content), nil)
		default:
			g.remove(p)
		}
	}
}

// pick returns a path of the tree other than the root; KindNone stands for any kind.
func (g *generator) pick(kind svn.Kind) (svn.Path, bool) { return pickFrom(g.rng, g.tree, kind) }

func pickFrom(rng *rand.Rand, tree Tree, kind svn.Kind) (svn.Path, bool) {
	paths := slices.DeleteFunc(tree.Paths(), func(p svn.Path) bool {
		return p == "" || kind != svn.KindNone && tree[p].Kind != kind
	})
	if len(paths) == 0 {
		return "", false
	}
	return paths[rng.IntN(len(paths))], true
}

// newPath returns a path that is free, in a directory that exists.
func (g *generator) newPath() svn.Path {
	dir, ok := g.pick(svn.KindDir)
	if !ok || g.rng.IntN(4) == 0 || strings.Count(string(dir), "/") > 6 {
		dir = ""
	}
	return g.newPathIn(dir)
}

// names are what names are made from: they need quoting in some place, or mean something there.
var names = []string{
	"plain", "with space", "été", "e\u0301te\u0301", "emoji 🚢", "quote'\"", "-dash", "at@2", "#hash", "%20", "a&b<c>",
	".hidden", "trailing.", "K 1", "END", "PROPS-END", "back\\slash", "semi;colon", "ünï", "日本語", "$Id$", "*", "CAPS", "caps",
	strings.Repeat("long", 45),
}

func (g *generator) newPathIn(dir svn.Path) svn.Path {
	name := names[g.rng.IntN(len(names))]
	p := dir.Join(name)
	for {
		if _, taken := g.tree[p]; !taken {
			return p
		}
		g.serial++
		p = dir.Join(fmt.Sprintf("%s %d", name, g.serial))
	}
}

// props returns a new set of properties, nil most of the time.
func (g *generator) props() svn.Props {
	switch g.rng.IntN(8) {
	case 0:
		return svn.Props{"havre:mtime": fmt.Sprintf("2026-11-21T14:05:09.%09dZ", g.rng.IntN(1e9))}
	case 1:
		return svn.Props{"havre:a": "", "havre:b": "V 3\nend\nEND\n", "havre:binary": "\x00\xff\n\r"}
	case 2:
		return svn.Props{"havre:large": string(g.text(20000))}
	default:
		return nil
	}
}

func (g *generator) content() []byte {
	sizes := []int{0, 1, 63, 100, 1000, 5000, 20000, 102399, 102400, 102401, 250000, 400000}
	n := sizes[g.rng.IntN(len(sizes))]
	if n > 5000 && g.rng.IntN(3) > 0 {
		n = g.rng.IntN(5000)
	}
	if g.rng.IntN(2) == 0 {
		return g.noise(n)
	}
	return g.text(n)
}

func (g *generator) noise(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(g.rng.Uint32())
	}
	return p
}

func (g *generator) text(n int) []byte {
	p := make([]byte, 0, n+20)
	for len(p) < n {
		p = fmt.Appendf(p, "line %d of the log\n", g.rng.IntN(1000))
	}
	return p[:n]
}

// edit returns contents that differ, and are not nil, which would say that they stay.
func (g *generator) edit(old []byte) []byte {
	if p := g.anyEdit(old); !bytes.Equal(p, old) {
		return p
	}
	return append(bytes.Clone(old), '+')
}

func (g *generator) anyEdit(old []byte) []byte {
	at := g.rng.IntN(len(old) + 1)
	to := at + g.rng.IntN(len(old)-at+1)
	p := []byte{}
	switch g.rng.IntN(7) {
	case 0:
		return append(append(p, old...), g.noise(1+g.rng.IntN(300))...)
	case 1:
		return append(append(append(p, old[:at]...), g.text(1+g.rng.IntN(3000))...), old[at:]...)
	case 2:
		return append(append(append(p, old[:at]...), g.noise(to-at)...), old[to:]...)
	case 3:
		return append(append(p, old[:at]...), old[to:]...)
	case 4:
		return append(append(p, old[to:]...), old[:to]...)
	case 5:
		return append(append(append(p, old[:at]...), g.text(110000)...), old[at:]...)
	default:
		return g.content()
	}
}
