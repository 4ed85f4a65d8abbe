package svntest

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/svn"
)

// Entry is a node of a Tree.
type Entry struct {
	Kind    svn.Kind
	Content []byte    // of a file; never written to, because trees share it
	Props   svn.Props // nil when there are none; shared as well
}

// Tree is everything in a repository at one revision, the root "" included.
type Tree map[svn.Path]Entry

// Paths returns the paths of the tree in the order of a walk.
func (t Tree) Paths() []svn.Path {
	return slices.SortedFunc(maps.Keys(t), svn.Path.Compare)
}

// Below returns what is at or below p, with paths relative to p.
func (t Tree) Below(p svn.Path) Tree {
	sub := Tree{}
	for q, e := range t {
		if rel, ok := q.Rel(p); ok {
			sub[rel] = e
		}
	}
	return sub
}

// remove deletes what is at or below p.
func (t Tree) remove(p svn.Path) {
	maps.DeleteFunc(t, func(q svn.Path, _ Entry) bool {
		_, below := q.Rel(p)
		return below
	})
}

// summary is a tree in a form whose differences can be read: a line for each node.
func (t Tree) summary() map[string]string {
	lines := make(map[string]string, len(t))
	for p, e := range t {
		line := e.Kind.String()
		if e.Kind == svn.KindFile {
			sum := sha1.Sum(e.Content)
			line = fmt.Sprintf("file of %d bytes, sha1 %x", len(e.Content), sum)
		}
		for _, name := range slices.Sorted(maps.Keys(e.Props)) {
			line += fmt.Sprintf(", %q=%q", name, e.Props[name])
		}
		lines["/"+string(p)] = line
	}
	return lines
}

// RequireSameTree fails the test when two trees differ, and says in which nodes.
func RequireSameTree(t testing.TB, what string, got, want Tree) {
	t.Helper()
	if diff := cmp.Diff(got.summary(), want.summary()); diff != "" {
		t.Fatalf("%s: the trees differ (-got +want):\n%s", what, diff)
	}
}

// RepositoryTree reads a whole tree through svn.Repository: Walk, and Open for each file. What
// the nodes say of their contents is checked on the way, and so is the order.
func RepositoryTree(t testing.TB, repo svn.Repository, rev svn.Revnum) Tree {
	t.Helper()
	tree := Tree{}
	var last *svn.Node
	for node, err := range repo.Walk(t.Context(), "", rev, "") {
		if err != nil {
			t.Fatalf("walk r%d: %v", rev, err)
		}
		if last != nil && last.Path.Compare(node.Path) >= 0 {
			t.Fatalf("walk r%d: %q after %q", rev, node.Path, last.Path)
		}
		last = node
		e := Entry{Kind: node.Kind, Props: someProps(node.Props)}
		if node.Kind == svn.KindFile {
			e.Content = ReadFile(t, repo, node.Path, rev)
			checkNode(t, node, e.Content)
		}
		tree[node.Path] = e
	}
	return tree
}

// checkNode checks size and checksums of a file's node.
func checkNode(t testing.TB, node *svn.Node, content []byte) {
	t.Helper()
	if node.Size != int64(len(content)) {
		t.Errorf("/%s: size %d, the contents have %d bytes", node.Path, node.Size, len(content))
	}
	md5sum, sha1sum := md5.Sum(content), sha1.Sum(content)
	if node.MD5 != nil && !bytes.Equal(node.MD5, md5sum[:]) {
		t.Errorf("/%s: md5 %x, of the contents it is %x", node.Path, node.MD5, md5sum)
	}
	if node.SHA1 != nil && !bytes.Equal(node.SHA1, sha1sum[:]) {
		t.Errorf("/%s: sha1 %x, of the contents it is %x", node.Path, node.SHA1, sha1sum)
	}
}

// ReadFile returns the contents of a file.
func ReadFile(t testing.TB, repo svn.Repository, path svn.Path, rev svn.Revnum) []byte {
	t.Helper()
	f, err := repo.Open(t.Context(), path, rev)
	if err != nil {
		t.Fatalf("open /%s@%d: %v", path, rev, err)
	}
	content, err := io.ReadAll(f)
	if err != nil {
		t.Fatalf("read /%s@%d: %v", path, rev, err)
	}
	if err := f.Close(); err != nil {
		t.Fatalf("close /%s@%d: %v", path, rev, err)
	}
	if f.Size() != int64(len(content)) {
		t.Errorf("/%s@%d: Size says %d, read %d bytes", path, rev, f.Size(), len(content))
	}
	return content
}

// someProps makes nil of an empty set, so that both compare equal.
func someProps(p svn.Props) svn.Props {
	if len(p) == 0 {
		return nil
	}
	return p
}

// DumpTree reads a whole tree as svnadmin dump sees it in the repository in dir.
func DumpTree(t testing.TB, dir string, rev svn.Revnum) Tree {
	t.Helper()
	dump := Run(t, "svnadmin", "dump", "-q", "-M", "256", "-r", fmt.Sprint(rev), dir)
	tree, err := parseDump(dump)
	if err != nil {
		t.Fatalf("dump of r%d of %s: %v", rev, dir, err)
	}
	return tree
}

// parseDump reads the one revision of a dump stream that begins with it, so that all nodes are
// added with their contents.
func parseDump(dump string) (Tree, error) {
	tree := Tree{"": {Kind: svn.KindDir}}
	for dump = strings.TrimLeft(dump, "\n"); dump != ""; dump = strings.TrimLeft(dump, "\n") {
		head, rest, ok := strings.Cut(dump, "\n\n")
		if !ok {
			return nil, fmt.Errorf("record %q has no end", head)
		}
		h := map[string]string{}
		for line := range strings.SplitSeq(head, "\n") {
			name, value, _ := strings.Cut(line, ": ")
			h[name] = value
		}
		var propLen, textLen int
		_, _ = fmt.Sscan(h["Prop-content-length"], &propLen)
		_, _ = fmt.Sscan(h["Text-content-length"], &textLen)
		if propLen < 0 || textLen < 0 || propLen+textLen > len(rest) {
			return nil, fmt.Errorf("record %q is cut", head)
		}
		props, text := rest[:propLen], rest[propLen:propLen+textLen]
		dump = rest[propLen+textLen:]
		path, isNode := h["Node-path"]
		if !isNode {
			continue
		}
		e := Entry{Kind: svn.KindDir}
		if h["Node-kind"] == "file" {
			e = Entry{Kind: svn.KindFile, Content: []byte(text)}
		}
		if sum, ok := h["Text-content-sha1"]; ok {
			if got := sha1.Sum([]byte(text)); hex.EncodeToString(got[:]) != sum {
				return nil, fmt.Errorf("/%s: sha1 %x, announced %s", path, got, sum)
			}
		}
		if props != "" {
			values, err := parseHash(props, "PROPS-END")
			if err != nil {
				return nil, fmt.Errorf("/%s: %w", path, err)
			}
			e.Props = someProps(svn.Props(maps.Collect(values.all())))
		}
		tree[svn.Path(path)] = e
	}
	return tree, nil
}
