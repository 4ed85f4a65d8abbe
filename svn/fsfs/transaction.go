package fsfs

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/havre-cloud/havre/svn"
)

// txn applies the changes of one commit upon the revision before its own, under the write lock.
type txn struct {
	repo *Repository
	rev  svn.Revnum // that the commit will be
	// proto has the new contents already, and staged where; indexed by change, nil without.
	proto  *protoRev
	staged []*rep
	root   *txnNode

	nextNode, nextCopy uint64
	changes            map[svn.Path]*change
	enc                []byte
}

// apply applies all changes. It returns *svn.OutOfDateError with all that are out of date, or the
// first other error.
func (t *txn) apply(changes []svn.Change) error {
	if err := t.openRoot(); err != nil {
		return err
	}
	t.changes = make(map[svn.Path]*change, len(changes))
	var stale []svn.OutOfDate
	for i := range changes {
		reason, err := t.change(&changes[i], t.staged[i])
		if bad, ok := errors.AsType[*ChangeError](err); ok {
			bad.Index, bad.Path = i, changes[i].Path
		}
		if err != nil {
			return err
		}
		if reason != "" {
			stale = append(stale, svn.OutOfDate{Index: i, Path: changes[i].Path, Reason: reason})
		}
	}
	if stale != nil {
		return &svn.OutOfDateError{Youngest: t.rev - 1, Changes: stale}
	}
	return nil
}

// change applies one change, or returns why it is out of date.
func (t *txn) change(c *svn.Change, text *rep) (stale string, err error) {
	if c.Path == "" {
		return t.changeRoot(c)
	}
	parent, stale, err := t.openParent(c.Path)
	if stale != "" || err != nil {
		return stale, err
	}
	name := c.Path.Name()
	n, err := t.child(parent, name)
	if err != nil {
		return "", err
	}
	if stale, err := t.outOfDate(c, parent, n); stale != "" || err != nil {
		return stale, err
	}
	switch c.Op {
	case svn.OpPut:
		return "", t.putFile(c, parent, n, text)
	case svn.OpMkdir:
		return "", t.mkdir(c, parent, n)
	case svn.OpDelete:
		return "", t.delete(n)
	case svn.OpCopy:
		return "", t.copy(c, parent, n, text)
	default:
		return "", &ChangeError{Reason: fmt.Sprintf("unknown operation %d", c.Op)}
	}
}

// changeRoot sets properties of the root, the only thing that can be done to it.
func (t *txn) changeRoot(c *svn.Change) (stale string, err error) {
	if c.Op != svn.OpMkdir || c.Base < 0 {
		return "", &ChangeError{Reason: "the root directory is always there"}
	}
	if stale, err := t.outOfDate(c, nil, t.root); stale != "" || err != nil {
		return stale, err
	}
	return "", t.mkdir(c, nil, t.root)
}

// openParent returns the directory that path is in.
func (t *txn) openParent(path svn.Path) (n *txnNode, stale string, err error) {
	n = t.root
	dir := path.Dir()
	if dir == "" {
		return n, "", nil
	}
	for name := range strings.SplitSeq(string(dir), "/") {
		kid, err := t.child(n, name)
		if err != nil {
			return nil, "", err
		}
		if kid == nil {
			return nil, fmt.Sprintf("the directory /%s does not exist", n.path.Join(name)), nil
		}
		if kid.kind != svn.KindDir {
			return nil, fmt.Sprintf("/%s is a file", kid.path), nil
		}
		n = kid
	}
	return n, "", nil
}

// outOfDate compares what the change expects at its path with what is there: n, or nothing.
func (t *txn) outOfDate(c *svn.Change, parent, n *txnNode) (stale string, err error) {
	if n != nil && n.mine {
		return "", nil
	}
	if n == nil && t.removed(parent, c.Path.Name()) {
		return "", nil
	}
	if c.Base == svn.InvalidRevnum || c.Op == svn.OpCopy {
		if n != nil {
			return "exists", nil
		}
		if c.Op == svn.OpDelete {
			return "", &ChangeError{Reason: "there is nothing to delete"}
		}
		return "", nil
	}
	if c.Base >= t.rev || c.Base < 0 {
		return "", &svn.NoSuchRevisionError{Rev: c.Base, Youngest: t.rev - 1}
	}
	old, err := t.repo.lookup(c.Path, c.Base)
	if err != nil {
		if _, ok := errors.AsType[*svn.NotFoundError](err); !ok {
			return "", err
		}
	}
	return t.compare(c.Op, old, n)
}

// removed says whether an earlier change of this commit removed what was at name, or made the
// directory anew.
func (t *txn) removed(parent *txnNode, name string) bool {
	kid, ok := parent.kids[name]
	return parent.mine || ok && kid.gone
}

// compare says what became of a node since the committer saw it as old.
func (t *txn) compare(op svn.Op, old *nodeRev, n *txnNode) (stale string, err error) {
	switch {
	case old == nil && n == nil:
		if op == svn.OpDelete {
			return "", &ChangeError{Reason: "there is nothing to delete"}
		}
		return "", nil
	case n == nil:
		return "deleted", nil
	case old == nil:
		return "exists", nil
	case old.id == n.base.id:
		return "", nil
	}
	// A directory itself did not change just because something in it did.
	if op == svn.OpMkdir && n.kind == svn.KindDir && old.id.node == n.base.id.node && sameRep(old.props, n.base.props) {
		return "", nil
	}
	return fmt.Sprintf("changed in r%d", n.base.id.at.rev), nil
}

func (t *txn) putFile(c *svn.Change, parent, n *txnNode, text *rep) error {
	if n != nil && n.kind != svn.KindFile {
		return &ChangeError{Reason: "is a directory"}
	}
	record := change{PathChange: svn.PathChange{Path: c.Path, Kind: svn.KindFile, Action: svn.ActionModify}}
	if n == nil {
		var err error
		if n, err = t.add(parent, c.Path.Name(), svn.KindFile); err != nil {
			return err
		}
		record.Action = svn.ActionAdd
	} else if text == nil && c.Props == nil {
		return nil
	}
	return t.modify(c, n, text, record)
}

// modify sets contents and properties of a node and records the change. What is set to what it
// was is no change: libsvn would list one that its own dumps do not show.
func (t *txn) modify(c *svn.Change, n *txnNode, text *rep, record change) error {
	props, err := t.props(n)
	if err != nil {
		return err
	}
	record.TextModified = text != nil && (n.currentText() == nil || text.at != n.currentText().at)
	record.PropsModified = c.Props != nil && !maps.Equal(c.Props, props)
	if record.Action == svn.ActionModify && !record.TextModified && !record.PropsModified {
		return nil
	}
	if err := t.touch(n); err != nil {
		return err
	}
	if record.TextModified {
		n.text = text
		if text.at.rev == svn.InvalidRevnum {
			text.at.rev = t.rev
		}
	}
	if record.PropsModified {
		record.mergeinfoModified = t.setProps(n, props, c.Props)
	}
	t.record(record)
	return nil
}

func (t *txn) mkdir(c *svn.Change, parent, n *txnNode) error {
	record := change{PathChange: svn.PathChange{Path: c.Path, Kind: svn.KindDir, Action: svn.ActionModify}}
	switch {
	case n == nil:
		var err error
		if n, err = t.add(parent, c.Path.Name(), svn.KindDir); err != nil {
			return err
		}
		record.Action = svn.ActionAdd
	case n.kind != svn.KindDir:
		return &ChangeError{Reason: "is a file"}
	case c.Props == nil && n.mine:
		return &ChangeError{Reason: "exists already"}
	case c.Props == nil:
		return nil
	}
	return t.modify(c, n, nil, record)
}

func (t *txn) delete(n *txnNode) error {
	if n == nil {
		return &ChangeError{Reason: "an earlier change of the commit removed it"}
	}
	record := change{PathChange: svn.PathChange{Path: n.path, Kind: n.kind, Action: svn.ActionDelete}}
	if n.base != nil {
		record.id = n.base.id
	}
	if err := t.remove(n); err != nil {
		return err
	}
	if n.touched && n.kind == svn.KindDir {
		t.dropBelow(n.path)
	}
	t.record(record)
	return nil
}

func (t *txn) copy(c *svn.Change, parent, n *txnNode, text *rep) error {
	if n != nil {
		return &ChangeError{Reason: "exists already"}
	}
	from := *c.CopyFrom
	if from.Rev >= t.rev || from.Rev < 0 {
		return &svn.NoSuchRevisionError{Rev: from.Rev, Youngest: t.rev - 1}
	}
	source, err := t.repo.lookup(from.Path, from.Rev)
	if err != nil {
		return err
	}
	if text != nil && source.kind != svn.KindFile {
		return &ChangeError{Reason: "contents for the copy of a directory"}
	}
	if n, err = t.addCopy(parent, c.Path.Name(), source, from); err != nil {
		return err
	}
	return t.modify(c, n, text, change{PathChange: svn.PathChange{
		Path: c.Path, Kind: source.kind, Action: svn.ActionAdd, CopyFrom: &from,
	}})
}

// record adds a change to the list of changed paths, which has one entry for each path.
func (t *txn) record(c change) {
	old := t.changes[c.Path]
	switch {
	case old == nil:
		t.changes[c.Path] = &c
	case c.Action == svn.ActionModify:
		old.TextModified = old.TextModified || c.TextModified
		old.PropsModified = old.PropsModified || c.PropsModified
		old.mergeinfoModified = old.mergeinfoModified || c.mergeinfoModified
	case c.Action == svn.ActionDelete && old.Action == svn.ActionAdd:
		delete(t.changes, c.Path)
	case c.Action == svn.ActionDelete && old.Action == svn.ActionReplace:
		old.PathChange = svn.PathChange{Path: c.Path, Kind: old.removedKind, Action: svn.ActionDelete}
		old.id, old.mergeinfoModified = old.removedID, false
	case c.Action == svn.ActionDelete:
		t.changes[c.Path] = &c
	default: // something new where an earlier change removed something
		c.Action = svn.ActionReplace
		c.removedID, c.removedKind = old.id, old.Kind
		t.changes[c.Path] = &c
	}
}

// dropBelow takes back what was recorded below a path that is removed.
func (t *txn) dropBelow(path svn.Path) {
	maps.DeleteFunc(t.changes, func(p svn.Path, _ *change) bool {
		_, below := p.Rel(path)
		return below && p != path
	})
}

// finish writes the tree and the list of changed paths, and completes the file.
func (t *txn) finish() error {
	if err := t.write(t.root); err != nil {
		return err
	}
	t.enc = t.enc[:0]
	for _, c := range t.sortedChanges() {
		if err := t.fillID(c); err != nil {
			return err
		}
		t.enc = c.append(t.enc, t.proto.format)
	}
	item, err := t.proto.item(itemChanges, changesItem, append(t.enc, '\n'))
	if err != nil {
		return err
	}
	return t.proto.finish(t.rev, t.root.id.at.item, item)
}

// sortedChanges returns the changes sorted bytewise by path, as libsvn does.
func (t *txn) sortedChanges() []*change {
	paths := slices.Sorted(maps.Keys(t.changes))
	list := make([]*change, len(paths))
	for i, path := range paths {
		list[i] = t.changes[path]
	}
	return list
}

// fillID sets the ID of the node-revision that a change made.
func (t *txn) fillID(c *change) error {
	if c.Action == svn.ActionDelete {
		return nil
	}
	n := t.root
	for name := range strings.SplitSeq(string(c.Path), "/") {
		if c.Path == "" {
			break
		}
		kid, err := t.child(n, name)
		if err != nil {
			return err
		}
		if kid == nil {
			panic("svn/fsfs: a recorded change of a path that is not there")
		}
		n = kid
	}
	c.id = n.id
	return nil
}
