package hub

import (
	"bytes"
	"context"
	"io"
	"maps"
	"strings"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// plan turns a havre.Commit into the changes of an svn.Commit, for a youngest revision, leaving out
// what is refused. Refusals stay when it is made again for another revision.
type plan struct {
	uploads *uploads
	v       *view
	caller  *havre.Caller
	commit  *havre.Commit
	refused map[int]havre.RefusalReason
	checked bool
	spoilt  []havre.UploadID

	// The following is made by make.
	head    svn.Revnum
	stats   map[svn.Path]*svn.Node // what was looked up in head; nil: nothing there
	over    map[svn.Path]*overlay  // what the changes so far did
	changes []svn.Change
	origin  []int // of each of changes: the index of the havre.Change that it is from
	noops   map[svn.Path]nothing
	dropped map[svn.Path]bool // paths of refused changes that others may stand on
}

// nothing is a change that was left out because head has it already: node is what it wants, nil for a
// deletion.
type nothing struct {
	index int
	node  *svn.Node
}

// overlay is what the changes so far did at a path and below it.
type overlay struct {
	step int // later ones hide what earlier ones did below them
	kind svn.Kind
	// props are of a file that was put.
	props svn.Props
	// from is where everything comes from that was copied.
	from *svn.CopySource
}

// target is what a change finds at its path.
type target struct {
	kind  svn.Kind
	props svn.Props
	node  *svn.Node // nil when an earlier change put it
	fresh bool      // made by the changes before, so that Base does not matter
}

func newPlan(u *uploads, v *view, c *havre.Caller, commit *havre.Commit) *plan {
	return &plan{uploads: u, v: v, caller: c, commit: commit, refused: map[int]havre.RefusalReason{}}
}

// out refuses a change. The first reason stays.
func (p *plan) out(i int, why havre.RefusalReason) {
	if _, there := p.refused[i]; !there {
		p.refused[i] = why
	}
}

// make plans all changes that are not refused, upon head.
func (p *plan) make(ctx context.Context, head svn.Revnum) error {
	if !p.checked {
		for i := range p.commit.Changes {
			if why := p.check(&p.commit.Changes[i]); why != 0 {
				p.out(i, why)
			}
		}
		p.checked = true
	}
	p.head, p.stats = head, map[svn.Path]*svn.Node{}
	for {
		p.over, p.noops, p.dropped = map[svn.Path]*overlay{}, map[svn.Path]nothing{}, map[svn.Path]bool{}
		p.changes, p.origin = nil, nil
		for i := range p.commit.Changes {
			if err := p.step(ctx, i); err != nil {
				return err
			}
		}
		if !p.breakMoves() {
			return nil
		}
	}
}

// step plans one change, or refuses it.
func (p *plan) step(ctx context.Context, i int) error {
	c := &p.commit.Changes[i]
	if p.refused[i] == 0 {
		why, err := p.try(ctx, i, c)
		if err != nil {
			return err
		}
		if why != 0 {
			p.out(i, why)
		}
	}
	if p.refused[i] != 0 {
		p.dropped[c.Path] = true
	}
	return nil
}

func (p *plan) try(ctx context.Context, i int, c *havre.Change) (havre.RefusalReason, error) {
	if c.Base > p.head {
		return 0, havre.Errorf(havre.CodeHistoryWentBack, "the server's history is older than what this device has seen")
	}
	for at := c.Path; len(p.dropped) > 0; at = at.Dir() {
		if p.dropped[at] {
			return havre.RefusedParent, nil
		}
		if at == "" {
			break
		}
	}
	parent, err := p.look(ctx, c.Path.Dir())
	if err != nil {
		return 0, err
	}
	if denied, err := p.denied(ctx, c); denied || err != nil {
		return havre.RefusedDenied, err
	}
	found := target{}
	if parent.kind == svn.KindDir {
		if found, err = p.look(ctx, c.Path); err != nil {
			return 0, err
		}
	} else if c.Kind != havre.ChangeDelete {
		return havre.RefusedOutOfDate, nil
	}
	switch c.Kind {
	case havre.ChangePut:
		if c.Entry.Kind == havre.KindDir {
			return p.mkdir(i, c, found), nil
		}
		return p.put(i, c, found), nil
	case havre.ChangeDelete:
		return p.remove(i, c, found), nil
	default:
		return p.copy(ctx, i, c, found)
	}
}

// add plans a change of the repository for the change i.
func (p *plan) add(i int, c svn.Change) {
	delete(p.noops, c.Path)
	c.Path = p.v.abs(c.Path)
	p.changes, p.origin = append(p.changes, c), append(p.origin, i)
}

// clear makes room for something of another kind at the path of the change, and says whether it may.
// An unknown node is not replaced.
func (p *plan) clear(i int, c *havre.Change, found target) bool {
	if c.Base < 0 && !found.fresh {
		return false
	}
	p.add(i, svn.Change{Op: svn.OpDelete, Path: c.Path, Base: c.Base})
	return true
}

func (p *plan) mkdir(i int, c *havre.Change, found target) havre.RefusalReason {
	base := c.Base
	switch found.kind {
	case svn.KindDir:
		if !found.fresh {
			p.noops[c.Path] = nothing{i, found.node}
		}
		return 0
	case svn.KindFile:
		if !p.clear(i, c, found) {
			return havre.RefusedOutOfDate
		}
		base = svn.InvalidRevnum
	}
	p.add(i, svn.Change{Op: svn.OpMkdir, Path: c.Path, Base: base})
	p.over[c.Path] = &overlay{step: i, kind: svn.KindDir}
	return 0
}

func (p *plan) put(i int, c *havre.Change, found target) havre.RefusalReason {
	sha1 := c.Entry.Hash.SHA1()
	if sha1 == nil && c.Upload == "" && !c.KeepContent {
		sha1 = havre.HashBytes(c.Content).SHA1()
	}
	change := svn.Change{Op: svn.OpPut, Path: c.Path, Base: c.Base}
	if found.kind == svn.KindDir {
		if !p.clear(i, c, found) {
			return havre.RefusedOutOfDate
		}
		change.Base, found = svn.InvalidRevnum, target{}
	}
	if found.kind == svn.KindNone && c.KeepContent {
		if c.Base >= 0 {
			return havre.RefusedOutOfDate // it was there once
		}
		return havre.RefusedInvalid
	}
	same := c.KeepContent || found.node != nil && sha1 != nil && string(found.node.SHA1) == string(sha1)
	if !same {
		change.Content, change.SHA1, change.Size = p.content(c), sha1, c.Entry.Size
	}
	props := withEntry(found.props, &c.Entry, same)
	sameProps := found.kind == svn.KindFile && maps.Equal(props, found.props)
	if !sameProps {
		change.Props = props
	}
	if same && sameProps {
		if !found.fresh {
			p.noops[c.Path] = nothing{i, found.node}
		}
		return 0
	}
	p.add(i, change)
	p.over[c.Path] = &overlay{step: i, kind: svn.KindFile, props: props}
	return 0
}

func (p *plan) remove(i int, c *havre.Change, found target) havre.RefusalReason {
	if found.kind == svn.KindNone {
		if p.isSource(c.Path) && !p.hidden(c.Path) {
			return havre.RefusedOutOfDate // the copy would bring back what somebody else took away
		}
		p.noops[c.Path] = nothing{i, nil}
		return 0
	}
	p.add(i, svn.Change{Op: svn.OpDelete, Path: c.Path, Base: c.Base})
	p.over[c.Path] = &overlay{step: i, kind: svn.KindNone}
	return 0
}

func (p *plan) copy(ctx context.Context, i int, c *havre.Change, found target) (havre.RefusalReason, error) {
	from := svn.CopySource{Path: p.v.abs(c.CopyFrom.Path), Rev: c.CopyFrom.Rev}
	if from.Rev > p.head {
		return 0, havre.Errorf(havre.CodeHistoryWentBack, "the server's history is older than what this device has seen")
	}
	source, err := p.v.stat(ctx, c.CopyFrom.Path, from.Rev)
	if err != nil {
		return 0, err
	}
	if source == nil {
		return havre.RefusedOutOfDate, nil
	}
	base := c.Base
	if found.kind != svn.KindNone {
		if !p.clear(i, c, found) {
			return havre.RefusedOutOfDate, nil
		}
		base = svn.InvalidRevnum
	}
	p.add(i, svn.Change{Op: svn.OpCopy, Path: c.Path, Base: base, CopyFrom: &from})
	p.over[c.Path] = &overlay{step: i, kind: source.Kind, props: source.Props, from: &from}
	return 0, nil
}

// look returns what the changes so far left at the path.
func (p *plan) look(ctx context.Context, path svn.Path) (target, error) {
	var o *overlay
	var at svn.Path
	for up := path; len(p.over) > 0; up = up.Dir() {
		if x := p.over[up]; x != nil && (o == nil || x.step > o.step) {
			o, at = x, up
		}
		if up == "" {
			break
		}
	}
	switch {
	case o == nil:
		n, err := p.stat(ctx, path)
		if err != nil || n == nil {
			return target{}, err
		}
		return target{kind: n.Kind, props: n.Props, node: n}, nil
	case o.from != nil:
		below, _ := path.Rel(at)
		n, err := p.v.repo.Stat(ctx, o.from.Path.Join(string(below)), o.from.Rev)
		if has[*svn.NotFoundError](err) || has[*svn.NotDirError](err) {
			return target{fresh: true}, nil
		}
		if err != nil {
			return target{}, err
		}
		return target{kind: n.Kind, props: n.Props, node: n, fresh: true}, nil
	case at == path:
		return target{kind: o.kind, props: o.props, fresh: true}, nil
	default: // below a new directory, or one that was deleted
		return target{fresh: true}, nil
	}
}

// stat returns the node at the path in head, or nil.
func (p *plan) stat(ctx context.Context, path svn.Path) (*svn.Node, error) {
	if n, ok := p.stats[path]; ok {
		return n, nil
	}
	n, err := p.v.stat(ctx, path, p.head)
	if err == nil {
		p.stats[path] = n
	}
	return n, err
}

// hidden says whether the changes so far did anything at or above the path.
func (p *plan) hidden(path svn.Path) bool {
	for ; ; path = path.Dir() {
		if p.over[path] != nil {
			return true
		}
		if path == "" {
			return false
		}
	}
}

// isSource says whether a copy takes something at or below the path.
func (p *plan) isSource(path svn.Path) bool {
	for i := range p.commit.Changes {
		c := &p.commit.Changes[i]
		if c.Kind == havre.ChangeCopy {
			if _, below := c.CopyFrom.Path.Rel(path); below {
				return true
			}
		}
	}
	return false
}

// breakMoves refuses what is left of a move when its other half is refused, and says whether there was
// any: the copy alone would double what is moved, the deletion alone would lose it.
func (p *plan) breakMoves() bool {
	if len(p.refused) == 0 {
		return false
	}
	deletions := map[svn.Path][]int{}
	for i := range p.commit.Changes {
		if c := &p.commit.Changes[i]; c.Kind == havre.ChangeDelete {
			deletions[c.Path] = append(deletions[c.Path], i)
		}
	}
	broken := false
	for i := range p.commit.Changes {
		c := &p.commit.Changes[i]
		if c.Kind != havre.ChangeCopy || len(deletions) == 0 {
			continue
		}
		for at := c.CopyFrom.Path; at != ""; at = at.Dir() {
			for _, j := range deletions[at] {
				if (p.refused[i] == 0) != (p.refused[j] == 0) {
					p.out(i, havre.RefusedParent)
					p.out(j, havre.RefusedParent)
					broken = true
				}
			}
		}
	}
	return broken
}

// unchanged returns the revision to answer with when nothing is left to commit.
func (p *plan) unchanged() svn.Revnum {
	if len(p.refused) == len(p.commit.Changes) && len(p.refused) > 0 {
		return svn.InvalidRevnum
	}
	return p.head
}

// recheck refuses, after the commit, what was left out of it because head had it already and no
// longer has in rev: others may have committed in between.
func (p *plan) recheck(ctx context.Context, rev svn.Revnum) error {
	if rev == p.head+1 {
		return nil
	}
	for path, n := range p.noops {
		if p.hidden(path) {
			continue // a later change of the same commit took it away
		}
		now, err := p.v.stat(ctx, path, rev)
		if err != nil {
			return err
		}
		same := now == nil && n.node == nil
		if now != nil && n.node != nil {
			same = now.Kind == n.node.Kind && (now.Kind == svn.KindDir || string(now.SHA1) == string(n.node.SHA1) && maps.Equal(now.Props, n.node.Props))
		}
		if !same {
			p.out(n.index, havre.RefusedOutOfDate)
		}
	}
	return nil
}

// finished returns the uploads that no commit needs any more: those in the revision, if one was made, and
// those that have other contents than announced, so that resuming them is of no use.
func (p *plan) finished(rev svn.Revnum) []havre.UploadID {
	ids := p.spoilt
	for i := range p.commit.Changes {
		if c := &p.commit.Changes[i]; c.Upload != "" && p.refused[i] == 0 && rev != svn.InvalidRevnum {
			ids = append(ids, c.Upload)
		}
	}
	return ids
}

// check refuses what cannot be right whatever the repository holds.
func (p *plan) check(c *havre.Change) havre.RefusalReason {
	if !validPath(c.Path) || c.Base < svn.InvalidRevnum {
		return havre.RefusedInvalid
	}
	_, atRoot := p.v.scope.Root.Join(string(c.Path)).Rel(reserved)
	switch {
	case atRoot || isReserved(c.Path):
		return havre.RefusedInvalid
	case p.v.right(c.Path) < havre.RightWrite:
		return havre.RefusedDenied
	case c.Kind == havre.ChangePut:
		return p.checkPut(c)
	case c.Kind == havre.ChangeCopy:
		if !validPath(c.CopyFrom.Path) || isReserved(c.CopyFrom.Path) || c.CopyFrom.Rev < 0 {
			return havre.RefusedInvalid
		}
		if p.v.right(c.CopyFrom.Path) < havre.RightRead {
			return havre.RefusedDenied
		}
	case c.Kind != havre.ChangeDelete:
		return havre.RefusedInvalid
	}
	return 0
}

func validPath(path svn.Path) bool {
	_, err := svn.CheckPath(string(path))
	return err == nil && path != "" && len(path) <= maxPath
}

func (p *plan) checkPut(c *havre.Change) havre.RefusalReason {
	e := &c.Entry
	switch {
	case e.Kind == havre.KindDir:
		return 0
	case e.Kind != havre.KindFile && e.Kind != havre.KindSymlink:
		return havre.RefusedInvalid
	case c.KeepContent:
		if c.Content != nil || c.Upload != "" {
			return havre.RefusedInvalid
		}
		return 0
	case e.Kind == havre.KindSymlink && (!isLink(c.Content) || len(c.Content) > maxLink || strings.ContainsRune(string(c.Content), 0)):
		return havre.RefusedInvalid
	case c.Upload == "":
		if int64(len(c.Content)) != e.Size || e.Hash != "" && e.Hash != havre.HashBytes(c.Content) {
			return havre.RefusedInvalid
		}
		return 0
	}
	have, want, err := p.uploads.size(p.caller.Device, c.Upload)
	if err != nil || have != want || want != e.Size {
		return havre.RefusedUpload
	}
	return 0
}

// content returns what opens the new contents of a change.
func (p *plan) content(c *havre.Change) func() (io.ReadCloser, error) {
	if c.Upload != "" {
		return func() (io.ReadCloser, error) { return p.uploads.open(p.caller.Device, c.Upload) }
	}
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(c.Content)), nil }
}
