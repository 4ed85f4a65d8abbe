package fsfs

import (
	"crypto/sha1" //nolint:gosec // the format's checksum
	"errors"
	"maps"
	"slices"

	"github.com/havre-cloud/havre/svn"
)

// txnNode is a node of the tree that a commit makes. It is made when a path is walked over, and
// gets a node-revision of its own once it is touched; until then it stands for its base.
type txnNode struct {
	parent *txnNode
	name   string
	path   svn.Path
	kind   svn.Kind
	// base is the committed node-revision that the node comes from: what is at its path, or the
	// source of the copy that it is. Nil for a new node.
	base *nodeRev
	// mine says that an earlier change of this commit made the node, or a directory above it.
	mine bool
	gone bool // removed
	kids map[string]*txnNode

	// What follows holds once the node is touched.
	touched    bool
	node, copy idPart
	from       *svn.CopySource
	root       svn.CopySource // copyroot
	text       *rep           // new contents of a file; nil: those of base
	props      svn.Props      // if newProps
	newProps   bool
	mergeinfo  int64
	hasInfo    bool
	id         nodeRevID // once it is written
}

// root node of the tree, upon the root of revision base.
func (t *txn) openRoot() error {
	base, err := t.repo.root(t.rev - 1)
	if err != nil {
		return err
	}
	t.root = &txnNode{
		kind: svn.KindDir, base: base, touched: true, node: base.id.node, copy: base.id.copy,
		root: base.root, mergeinfo: base.mergeinfo, hasInfo: base.hasMergeinfo,
	}
	return nil
}

// child returns the entry of a directory; nil when there is none.
func (t *txn) child(n *txnNode, name string) (*txnNode, error) {
	if kid, ok := n.kids[name]; ok {
		if kid.gone {
			return nil, nil
		}
		return kid, nil
	}
	if n.base == nil {
		return nil, nil
	}
	base, err := t.repo.child(n.base, name)
	if err != nil || base == nil {
		return nil, err
	}
	kid := &txnNode{parent: n, name: name, path: n.path.Join(name), kind: base.kind, base: base, mine: n.mine}
	n.put(kid)
	return kid, nil
}

func (n *txnNode) put(kid *txnNode) {
	if n.kids == nil {
		n.kids = map[string]*txnNode{}
	}
	n.kids[kid.name] = kid
}

// info returns how many nodes of the subtree have svn:mergeinfo, and whether the node itself has.
func (n *txnNode) info() (count int64, own bool) {
	if n.touched {
		return n.mergeinfo, n.hasInfo
	}
	return n.base.mergeinfo, n.base.hasMergeinfo
}

// addInfo changes the mergeinfo count of the node and everything above, all of which is touched.
func (n *txnNode) addInfo(delta int64) {
	if delta == 0 {
		return
	}
	for ; n != nil; n = n.parent {
		n.mergeinfo += delta
	}
}

// touch gives the node, and all above it, a node-revision of this commit.
func (t *txn) touch(n *txnNode) error {
	if n.touched {
		return nil
	}
	if err := t.touch(n.parent); err != nil {
		return err
	}
	branch, root, err := t.inherit(n)
	if err != nil {
		return err
	}
	n.touched = true
	n.node, n.copy, n.root = n.base.id.node, branch, root
	n.mergeinfo, n.hasInfo = n.base.mergeinfo, n.base.hasMergeinfo
	return nil
}

// inherit decides on which branch the successor of a node is, and where that was copied: as its
// parent, if the node is no branch of its own; as before, if it is at the place where it was
// branched; and on a new branch, if it was branched elsewhere and came here within a copy.
func (t *txn) inherit(n *txnNode) (branch idPart, root svn.CopySource, err error) {
	own, parent := n.base.id.copy, n.parent.copy
	origin, err := t.repo.lookup(n.base.root.Path, n.base.root.Rev)
	if err != nil {
		// Repositories of the first releases may name a place that never was.
		if _, ok := errors.AsType[*svn.NotFoundError](err); !ok {
			return branch, root, err
		}
	}
	related := origin != nil && origin.id.node == n.base.id.node
	root = n.base.root
	if !related {
		root = n.parent.root
	}
	switch {
	case own == (idPart{}) || own == t.committedCopy(n.parent) || own == parent || !related:
		return parent, root, nil
	case n.base.path == n.path:
		return own, root, nil
	default:
		return t.newCopyID(), root, nil
	}
}

// committedCopy returns the branch that a directory was on before this commit.
func (t *txn) committedCopy(n *txnNode) idPart {
	if n.base == nil || n.from != nil {
		return n.copy
	}
	return n.base.id.copy
}

func (t *txn) newNodeID() idPart {
	id := idPart{rev: t.rev, num: t.nextNode}
	t.nextNode++
	return id
}

func (t *txn) newCopyID() idPart {
	id := idPart{rev: t.rev, num: t.nextCopy}
	t.nextCopy++
	return id
}

// add makes a new node without contents.
func (t *txn) add(parent *txnNode, name string, kind svn.Kind) (*txnNode, error) {
	if err := t.touch(parent); err != nil {
		return nil, err
	}
	n := &txnNode{
		parent: parent, name: name, path: parent.path.Join(name), kind: kind, mine: true,
		touched: true, node: t.newNodeID(), copy: parent.copy, root: parent.root,
	}
	parent.put(n)
	return n, nil
}

// addCopy makes a copy of a committed node with everything in it.
func (t *txn) addCopy(parent *txnNode, name string, source *nodeRev, from svn.CopySource) (*txnNode, error) {
	if err := t.touch(parent); err != nil {
		return nil, err
	}
	path := parent.path.Join(name)
	n := &txnNode{
		parent: parent, name: name, path: path, kind: source.kind, base: source, mine: true,
		touched: true, node: source.id.node, copy: t.newCopyID(),
		from: &from, root: svn.CopySource{Path: path, Rev: t.rev},
		mergeinfo: source.mergeinfo, hasInfo: source.hasMergeinfo,
	}
	parent.put(n)
	parent.addInfo(source.mergeinfo)
	return n, nil
}

// remove takes a node away with everything in it.
func (t *txn) remove(n *txnNode) error {
	if err := t.touch(n.parent); err != nil {
		return err
	}
	count, _ := n.info()
	n.parent.addInfo(-count)
	n.parent.put(&txnNode{parent: n.parent, name: n.name, gone: true})
	return nil
}

// props returns the properties of a node, which are shared and must not be changed.
func (t *txn) props(n *txnNode) (svn.Props, error) {
	switch {
	case n.newProps:
		return n.props, nil
	case n.base != nil:
		return t.repo.nodeProps(n.base)
	}
	return nil, nil
}

// currentText returns the contents of a file as they are at this point of the commit.
func (n *txnNode) currentText() *rep {
	if n.text == nil && n.base != nil {
		return n.base.text
	}
	return n.text
}

// setProps replaces the properties old of a touched node and says whether svn:mergeinfo changed.
func (t *txn) setProps(n *txnNode, old, props svn.Props) (infoChanged bool) {
	before, had := old[svn.PropMergeinfo]
	after, has := props[svn.PropMergeinfo]
	n.props, n.newProps = maps.Clone(props), true
	if has != n.hasInfo {
		n.hasInfo = has
		if has {
			n.addInfo(1)
		} else {
			n.addInfo(-1)
		}
	}
	return had != has || before != after
}

// write writes the node-revisions of everything touched at and below the node, children first.
func (t *txn) write(n *txnNode) error {
	edits := make([]dirEdit, 0, len(n.kids))
	for _, name := range slices.Sorted(maps.Keys(n.kids)) {
		kid := n.kids[name]
		switch {
		case kid.gone:
			edits = append(edits, dirEdit{name: name})
		case kid.touched:
			if err := t.write(kid); err != nil {
				return err
			}
			edits = append(edits, dirEdit{name: name, kind: kid.kind, id: kid.id})
		}
	}
	out := &nodeRev{
		kind: n.kind, path: n.path, from: n.from, root: n.root, mergeinfo: n.mergeinfo, hasMergeinfo: n.hasInfo,
		id: nodeRevID{node: n.node, copy: n.copy, at: itemID{rev: t.rev}},
	}
	if n.base != nil {
		out.pred, out.predCount = &n.base.id, n.base.predCount+1
		out.text, out.props = n.base.text, n.base.props
	}
	if err := t.writeContents(n, out, edits); err != nil {
		return err
	}
	return t.writeNodeRev(n, out)
}

// writeContents writes what is new of the node's contents and properties.
func (t *txn) writeContents(n *txnNode, out *nodeRev, edits []dirEdit) error {
	var err error
	if n.text != nil {
		out.text = n.text
	}
	if len(edits) > 0 {
		if out.text, err = t.writeDirectory(n, edits); err != nil {
			return err
		}
	}
	if n.newProps {
		out.props, err = t.writeProps(n)
	}
	return err
}

func (t *txn) writeDirectory(n *txnNode, edits []dirEdit) (*rep, error) {
	old := noEntries
	if n.base != nil {
		var err error
		if old, err = t.repo.directory(n.base); err != nil {
			return nil, err
		}
	}
	dir := old.apply(edits)
	if dir.len() == 0 && (n.base == nil || n.base.text == nil) {
		return nil, nil
	}
	if len(dir.text) > maxDirectory {
		return nil, &ChangeError{Index: -1, Path: n.path, Reason: "the directory would have more than 4 GiB of names"}
	}
	var base *rep
	if t.proto.deltifies(itemDirRep) {
		var err error
		if base, err = t.repo.deltaBase(t.proto.conf, n.base, textOf); err != nil {
			return nil, err
		}
	}
	var source []byte
	switch {
	case base == nil:
	case base.at == n.base.text.at && old.exact:
		source = old.text
	default:
		var err error
		if source, err = t.repo.directoryText(base); err != nil {
			return nil, err
		}
	}
	p, err := t.proto.writeMeta(t.rev, itemDirRep, dir.text, base, source)
	if err == nil {
		t.repo.dirs.put(p.at, dir)
	}
	return p, err
}

// writeProps writes the properties of a node, or refers to an equal list that is there already.
func (t *txn) writeProps(n *txnNode) (*rep, error) {
	if len(n.props) == 0 && (n.base == nil || n.base.props == nil) {
		return nil, nil
	}
	text := encodeProps(n.props)
	sum := sha1.Sum(text) //nolint:gosec // the format's checksum
	p := t.proto
	if p.sharing.on {
		if old := p.sharing.props[sum]; old != nil {
			shared := *old
			shared.uniq = p.uniq()
			return &shared, nil
		}
	}
	out, err := t.writePropsRep(n, text)
	if err != nil {
		return nil, err
	}
	out.describe(text, p.format)
	out.uniq = p.uniq()
	if p.sharing.on {
		p.sharing.props[sum] = out
		if len(text) >= minSharedProps {
			p.noteFresh(sum, out)
		}
	}
	return out, nil
}

func (t *txn) writePropsRep(n *txnNode, text []byte) (*rep, error) {
	kind := itemFileProps
	if n.kind == svn.KindDir {
		kind = itemDirProps
	}
	var base *rep
	var source []byte
	if t.proto.deltifies(kind) {
		var err error
		if base, err = t.repo.deltaBase(t.proto.conf, n.base, propsOf); err != nil {
			return nil, err
		}
		if base != nil {
			if source, err = t.repo.readRep(base); err != nil {
				return nil, err
			}
		}
	}
	return t.proto.writeMeta(t.rev, kind, text, base, source)
}

func (t *txn) writeNodeRev(n *txnNode, out *nodeRev) error {
	fixed := int64(0)
	if n == t.root {
		fixed = rootItem
	}
	p := t.proto
	out.id.at.item = p.begin(itemNodeRev, fixed)
	n.id = out.id
	t.enc = out.append(t.enc[:0], p.format)
	if err := p.write(t.enc); err != nil {
		return err
	}
	p.end()
	t.repo.nodes.put(out.id.at, out)
	return nil
}
