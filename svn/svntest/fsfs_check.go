package svntest

import (
	"crypto/md5"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// maxChecked is the largest revision file whose contents are expanded, in bytes: they are kept
// in memory.
const maxChecked = 64 << 20

// maxCached limits what is kept of expanded contents, in bytes; an entry counts for 64.
const maxCached = 256 << 20

// CheckFSFS checks the files of the repository in dir for what svnadmin verify does not look at:
// where windows begin, checksums and sizes of representations, representations nothing refers to,
// order of entries, ids, cpath and copyroot, and that the changed paths are what has changed.
//
// Only formats 7 and 8 with logical addressing are checked, up to the first packed revision or the first
// file above 64 MiB.
func CheckFSFS(t testing.TB, dir string) {
	t.Helper()
	RequireSubversion(t)
	c := &fsChecker{
		t: t, dir: dir, revs: map[int]*fsRevision{},
		contents: map[itemID][]byte{}, entries: map[itemID]map[string]*fsNode{},
		nodes: map[string]int{}, copies: map[string]int{}, uniqs: map[string]int{},
	}
	db := filepath.Join(dir, "db")
	format, err := os.ReadFile(filepath.Join(db, "format"))
	must(t, err)
	lines := strings.Split(string(format), "\n")
	packed, err := os.ReadFile(filepath.Join(db, "min-unpacked-rev"))
	if !slices.Contains(lines, "addressing logical") || err != nil || string(packed) != "0\n" {
		return
	}
	for _, line := range lines {
		if s, ok := strings.CutPrefix(line, "layout sharded "); ok {
			c.shard, err = strconv.Atoi(s)
			must(t, err)
		}
	}
	head := int(Youngest(t, dir))
	before := t.Failed()
	for rev := 0; rev <= head && c.load(rev); rev++ {
		c.revision(rev)
		if t.Failed() && !before {
			t.Fatalf("r%d of %s is damaged in ways that svnadmin verify does not see", rev, dir)
		}
	}
}

// fsChecker checks one repository, revision by revision.
type fsChecker struct {
	t     testing.TB
	dir   string
	shard int // revisions in a directory
	revs  map[int]*fsRevision

	// Expanded representations and directories; both are emptied when they hold maxCached.
	contents map[itemID][]byte
	entries  map[itemID]map[string]*fsNode
	cached   int

	// What was first seen in which revision.
	nodes, copies, uniqs map[string]int

	rev  int // the revision that is being checked
	cur  *fsRevision
	used map[int]map[string]bool // items referred to in it, and as what kind
	seen map[int]bool            // node-revisions met in its tree
}

func (c *fsChecker) errorf(format string, args ...any) {
	c.t.Helper()
	c.t.Errorf("r%d: %s", c.rev, fmt.Sprintf(format, args...))
}

// load reads a revision, and says whether it is one to check.
func (c *fsChecker) load(rev int) bool {
	c.t.Helper()
	name := filepath.Join(c.dir, "db", "revs", strconv.Itoa(rev/c.shard), strconv.Itoa(rev))
	info, err := os.Stat(name)
	must(c.t, err)
	if info.Size() > maxChecked {
		return false
	}
	items, err := parseIndex(Run(c.t, "svnfsfs", "dump-index", "-r", strconv.Itoa(rev), c.dir))
	must(c.t, err)
	r := &fsRevision{file: name, items: items}
	must(c.t, r.parse())
	c.revs[rev] = r
	return true
}

func (c *fsChecker) revision(rev int) {
	c.t.Helper()
	c.rev, c.cur = rev, c.revs[rev]
	c.used, c.seen = map[int]map[string]bool{1: {"chgs": true}}, map[int]bool{}
	for number, n := range c.cur.nodes {
		if n.id.itemID != (itemID{rev, number}) {
			c.errorf("item %d is the node-revision %v", number, n.id)
		}
		c.use(n.id.itemID, "node")
		c.reps(n)
	}
	c.tree("/", c.cur.root, nil)
	for number, item := range c.cur.items {
		switch {
		case c.used[number] == nil:
			c.errorf("item %d (%s) is referred to by nothing: svnadmin pack would lose it", number, item.kind)
		case !c.used[number][item.kind]:
			c.errorf("item %d is indexed as %s, used as %v", number, item.kind, c.used[number])
		case item.kind == "node" && !c.seen[number]:
			c.errorf("node-revision %d is not in the tree", number)
		}
	}
	if rev > 0 {
		d := differ{c, map[string]bool{}}
		d.modified("/", c.revs[rev-1].root, c.cur.root)
		for p, ch := range c.cur.changes {
			if !d.expected[p] {
				c.errorf("%s is listed as %s, but is not changed", p, ch.action)
			}
		}
	}
}

func (c *fsChecker) use(id itemID, kind string) {
	if id.rev != c.rev {
		return
	}
	if c.used[id.item] == nil {
		c.used[id.item] = map[string]bool{}
	}
	c.used[id.item][kind] = true
}

// reps checks the representations of a node-revision.
func (c *fsChecker) reps(n *fsNode) {
	c.t.Helper()
	text, props := "frep", "fprop"
	if n.dir {
		text, props = "drep", "dprop"
	}
	var pred fsNode
	if n.pred != nil {
		pred = *c.node(n.pred.itemID)
	}
	if n.text != nil {
		c.rep(n, text, n.text, pred.text)
		if n.dir {
			c.entriesOf(n)
		} else if n.text.sha1 == "-" {
			c.errorf("%s: no sha1", n.cpath)
		}
	}
	if n.props != nil {
		c.rep(n, props, n.props, pred.props)
		h, err := parseHash(string(c.content(n.props.itemID)), "END")
		if err != nil {
			c.errorf("properties of %s: %v", n.cpath, err)
		}
		c.sorted("properties of "+n.cpath, h)
	}
}

func (c *fsChecker) sorted(what string, h hash) {
	for i := 1; i < len(h); i++ {
		if h[i-1].name >= h[i].name {
			c.errorf("%s: %q comes after %q", what, h[i].name, h[i-1].name)
		}
	}
}

// rep checks one reference, of which pred is the one that the predecessor has in its place.
func (c *fsChecker) rep(n *fsNode, kind string, r, pred *fsRep) {
	c.t.Helper()
	c.use(r.itemID, kind)
	content := c.content(r.itemID)
	p, err := c.revs[r.rev].read(r.item)
	must(c.t, err)
	h, body, err := parseRepItem(p)
	must(c.t, err)
	what := fmt.Sprintf("%s of %s (item %d of r%d)", kind, n.cpath, r.item, r.rev)
	if r.size != int64(len(body)) {
		c.errorf("%s: size is %d, not %d", what, len(body), r.size)
	}
	if r.expanded != int64(len(content)) && (r.expanded != 0 || !h.plain) {
		c.errorf("%s: expanded size is %d, not %d", what, len(content), r.expanded)
	}
	if sum := md5.Sum(content); hex.EncodeToString(sum[:]) != r.md5 {
		c.errorf("%s: md5 is %x, not %s", what, sum, r.md5)
	}
	if sum := sha1.Sum(content); r.sha1 != "-" && hex.EncodeToString(sum[:]) != r.sha1 {
		c.errorf("%s: sha1 is %x, not %s", what, sum, r.sha1)
	}
	// The uniquifier tells whether contents were changed, also to what is stored already.
	if changed := pred == nil || *pred != *r; changed && r.uniq != "-" {
		if first, ok := c.uniqs[r.uniq]; ok {
			c.errorf("%s: uniquifier %s was used in r%d", what, r.uniq, first)
		}
		c.uniqs[r.uniq] = c.rev
	} else if changed && kind == "frep" {
		c.errorf("%s: no uniquifier", what)
	}
}

// content returns the expanded contents of a representation.
func (c *fsChecker) content(id itemID) []byte {
	c.t.Helper()
	if p, ok := c.contents[id]; ok {
		return p
	}
	r := c.revs[id.rev]
	if r == nil {
		c.t.Fatalf("r%d: reference to r%d", c.rev, id.rev)
	}
	p, err := r.read(id.item)
	must(c.t, err)
	h, body, err := parseRepItem(p)
	if err == nil && !h.plain {
		var base []byte
		if h.base != nil {
			base = c.content(*h.base)
			if size := c.repSize(*h.base); size != h.baseSize {
				err = fmt.Errorf("says that its base has size %d, it has %d", h.baseSize, size)
			}
		}
		if err == nil {
			body, err = applyWindows(body, base)
		}
	}
	if err != nil {
		c.t.Fatalf("r%d: item %d: %v", id.rev, id.item, err)
	}
	c.cache(len(body))
	c.contents[id] = body
	return body
}

// cache makes room for so many bytes.
func (c *fsChecker) cache(size int) {
	if c.cached+size > maxCached {
		clear(c.contents)
		clear(c.entries)
		c.cached = 0
	}
	c.cached += size
}

func (c *fsChecker) repSize(id itemID) int64 {
	p, err := c.revs[id.rev].read(id.item)
	must(c.t, err)
	_, body, err := parseRepItem(p)
	must(c.t, err)
	return int64(len(body))
}

// node returns a node-revision.
func (c *fsChecker) node(id itemID) *fsNode {
	c.t.Helper()
	if r := c.revs[id.rev]; r != nil && r.nodes[id.item] != nil {
		return r.nodes[id.item]
	}
	c.t.Fatalf("r%d: there is no node-revision r%d/%d", c.rev, id.rev, id.item)
	return nil
}

// entriesOf returns the entries of a directory, and checks their order.
func (c *fsChecker) entriesOf(n *fsNode) map[string]*fsNode {
	c.t.Helper()
	if n.text == nil {
		return nil
	}
	if entries, ok := c.entries[n.text.itemID]; ok {
		return entries
	}
	h, err := parseHash(string(c.content(n.text.itemID)), "END")
	must(c.t, err)
	c.sorted("entries of "+n.cpath, h)
	entries := map[string]*fsNode{}
	for name, value := range h.all() {
		kind, s, _ := strings.Cut(value, " ")
		id, err := parseNodeID(s)
		must(c.t, err)
		child := c.node(id.itemID)
		if child.id != id || child.dir != (kind == "dir") {
			c.errorf("entry %q of %s is %q, the node-revision there is %v", name, n.cpath, value, child.id)
		}
		entries[name] = child
	}
	c.cache(64 * len(entries))
	c.entries[n.text.itemID] = entries
	return entries
}

// lookup returns the node at a place.
func (c *fsChecker) lookup(p fsPlace) *fsNode {
	c.t.Helper()
	n := c.revs[p.rev].root
	for name := range strings.SplitSeq(strings.TrimPrefix(p.path, "/"), "/") {
		if name == "" {
			continue
		}
		if n = c.entriesOf(n)[name]; n == nil {
			c.t.Fatalf("r%d: reference to %s@%d, which does not exist", c.rev, p.path, p.rev)
		}
	}
	return n
}

// tree checks the ids of all node-revisions that this revision made at or below p.
func (c *fsChecker) tree(p string, n, parent *fsNode) {
	c.t.Helper()
	if n.id.rev != c.rev {
		return
	}
	c.seen[n.id.item] = true
	if n.cpath != p {
		c.errorf("cpath of %s is %s", p, n.cpath)
	}
	switch {
	case parent == nil:
		if n.id.node != "0" || n.id.copy != "0" || n.copyRoot != (fsPlace{0, "/"}) {
			c.errorf("the root has id %v, copyroot %v", n.id, n.copyRoot)
		}
	case n.pred == nil:
		c.newNode(p, n, parent)
	case n.copyFrom != nil:
		c.copiedNode(p, n)
	default:
		c.modifiedNode(p, n, parent)
	}
	if n.dir {
		for name, child := range c.entriesOf(n) {
			c.tree(path.Join(p, name), child, n)
		}
	}
}

func (c *fsChecker) newNode(p string, n, parent *fsNode) {
	if first, ok := c.nodes[n.id.node]; ok || !strings.HasSuffix(n.id.node, fmt.Sprintf("-%d", c.rev)) {
		c.errorf("new node %s has id %v, first used in r%d", p, n.id, first)
	}
	c.nodes[n.id.node] = c.rev
	if n.id.copy != parent.id.copy || n.copyRoot != parent.copyRoot || n.count != 0 || n.copyFrom != nil {
		c.errorf("new node %s: %+v, its parent: %+v", p, n, parent)
	}
}

// freshCopy checks a copy id that nothing may have had before.
func (c *fsChecker) freshCopy(p string, n *fsNode) {
	if first, ok := c.copies[n.id.copy]; ok || !strings.HasSuffix(n.id.copy, fmt.Sprintf("-%d", c.rev)) {
		c.errorf("copy %s has id %v, whose copy id is not new (r%d)", p, n.id, first)
	}
	c.copies[n.id.copy] = c.rev
}

func (c *fsChecker) copiedNode(p string, n *fsNode) {
	c.t.Helper()
	source := c.lookup(*n.copyFrom)
	c.freshCopy(p, n)
	if *n.pred != source.id || n.id.node != source.id.node || n.count != source.count+1 || n.copyRoot != (fsPlace{c.rev, p}) {
		c.errorf("copy %s: %+v, its source: %+v", p, n, source)
	}
}

func (c *fsChecker) modifiedNode(p string, n, parent *fsNode) {
	c.t.Helper()
	pred := c.node(n.pred.itemID)
	if pred.id != *n.pred || pred.id.node != n.id.node || n.count != pred.count+1 {
		c.errorf("%s: %+v, its predecessor: %+v", p, n, pred)
	}
	atRoot := c.lookup(pred.copyRoot)
	related := atRoot.id.node == pred.id.node
	wantRoot := pred.copyRoot
	if !related {
		wantRoot = parent.copyRoot
	}
	if n.copyRoot != wantRoot {
		c.errorf("copyroot of %s is %v, want %v", p, n.copyRoot, wantRoot)
	}
	oldParent := parent
	if parent.pred != nil {
		oldParent = c.node(parent.pred.itemID)
	}
	want := parent.id.copy
	own := pred.id.copy
	if own != "0" && own != oldParent.id.copy && own != parent.id.copy && related {
		if pred.cpath != p {
			c.freshCopy(p, n)
			return
		}
		want = own
	}
	if n.id.copy != want {
		c.errorf("%s has copy id %s, want %s; predecessor %v, parent %v", p, n.id.copy, want, pred.id, parent.id)
	}
}
