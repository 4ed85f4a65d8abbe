package fsfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/havre-cloud/havre/svn"
)

// checkChanges looks at what can be said of changes without the repository.
func checkChanges(changes []svn.Change) error {
	for i := range changes {
		c := &changes[i]
		if _, err := svn.CheckPath(string(c.Path)); err != nil {
			return err
		}
		reason := ""
		switch {
		case c.Op == svn.OpCopy && c.CopyFrom == nil:
			reason = "a copy without a source"
		case c.Op != svn.OpCopy && c.CopyFrom != nil:
			reason = "a source without being a copy"
		case c.Content != nil && c.Op != svn.OpPut && c.Op != svn.OpCopy:
			reason = "contents for something that is no file"
		}
		if reason != "" {
			return &ChangeError{Index: i, Path: c.Path, Reason: reason}
		}
		for name := range c.Props {
			if why := badPropName(name); why != "" {
				return &ChangeError{Index: i, Path: c.Path, Reason: fmt.Sprintf("property %q: %s", name, why)}
			}
		}
	}
	return nil
}

func badPropName(name string) string {
	switch {
	case name == "":
		return "it has no name"
	case strings.ContainsAny(name, "\x00\n"):
		return "its name contains a NUL byte or a newline"
	}
	return ""
}

// stage writes the contents of all changes into a new proto-revision, before the write lock is
// taken. The caller discards it. The result is indexed by change; nil where there are none.
func (r *Repository) stage(ctx context.Context, changes []svn.Change) (*protoRev, []*rep, error) {
	p, err := r.newProtoRev()
	if err != nil {
		return nil, nil, err
	}
	staged := make([]*rep, len(changes))
	copies := map[svn.Path]svn.CopySource{}
	useless := overwritten(changes)
	youngest, err := r.readCurrent()
	if err != nil {
		p.discard()
		return nil, nil, err
	}
	for i := range changes {
		c := &changes[i]
		if c.Op == svn.OpCopy {
			copies[c.Path] = *c.CopyFrom
		}
		err := p.shareProps(ctx, c.Props)
		if err == nil && c.Content != nil {
			var pred *nodeRev
			if pred, err = r.stagePred(c, copies, youngest); err == nil {
				staged[i], err = p.stageFile(ctx, c, pred, useless[i])
			}
		}
		if err != nil {
			p.discard()
			return nil, nil, err
		}
	}
	return p, staged, nil
}

// stageFile writes the contents of a change, unless they are useless or there already.
func (p *protoRev) stageFile(ctx context.Context, c *svn.Change, pred *nodeRev, useless bool) (*rep, error) {
	mark := p.mark()
	out, err := p.stageContents(ctx, c, pred)
	switch {
	case err != nil:
		return nil, err
	case useless:
		return nil, p.back(mark)
	case sameContents(pred, out):
		return p.share(pred.text, mark)
	}
	return p.shareContents(ctx, out, mark)
}

// overwritten says of which changes the contents are replaced or deleted by a later change of the
// same commit. They must not stay in the revision: `svnadmin pack` makes a pack that
// `svnadmin verify` refuses out of representations that nothing refers to.
func overwritten(changes []svn.Change) []bool {
	useless := make([]bool, len(changes))
	written, deleted := map[svn.Path]bool{}, map[svn.Path]bool{}
	for i := len(changes) - 1; i >= 0; i-- {
		c := &changes[i]
		useless[i] = written[c.Path]
		for p := c.Path; len(deleted) > 0 && p != "" && !useless[i]; p = p.Dir() {
			useless[i] = deleted[p]
		}
		if c.Content != nil {
			written[c.Path] = true
		}
		if c.Op == svn.OpDelete {
			deleted[c.Path] = true
		}
	}
	return useless
}

// stagePred returns the node-revision whose successor gets the new contents at a path, as far as that can be
// told before the lock is taken: nil for a new file. What comes of it is valid even if others
// change the file meanwhile.
func (r *Repository) stagePred(c *svn.Change, copies map[svn.Path]svn.CopySource, youngest svn.Revnum) (*nodeRev, error) {
	if c.Op == svn.OpPut && c.Base == svn.InvalidRevnum && len(copies) == 0 {
		return nil, nil
	}
	source := svn.CopySource{Path: c.Path, Rev: youngest}
	for p := c.Path; p != "" && len(copies) > 0; p = p.Dir() {
		if from, ok := copies[p]; ok {
			below, _ := c.Path.Rel(p)
			source = svn.CopySource{Path: from.Path.Join(string(below)), Rev: from.Rev}
			break
		}
	}
	if source.Rev < 0 || source.Rev > youngest {
		return nil, nil // refused later, with the reason
	}
	n, err := r.lookup(source.Path, source.Rev)
	if _, missing := errors.AsType[*svn.NotFoundError](err); missing {
		return nil, nil
	}
	if err != nil || n.kind != svn.KindFile {
		return nil, err
	}
	return n, nil
}

// sameContents says whether the new contents are those that the node has already.
func sameContents(n *nodeRev, p *rep) bool {
	return n != nil && n.text != nil && p != nil && p.expanded == n.text.expanded &&
		n.text.hasMD5 && p.md5 == n.text.md5 && n.text.sha1 != nil && bytes.Equal(p.sha1, n.text.sha1)
}

// share takes back what was written since the mark and refers to older contents instead.
func (p *protoRev) share(old *rep, mark protoMark) (*rep, error) {
	shared := *old
	shared.uniq = p.uniq()
	return &shared, p.back(mark)
}

// ignoreDamage makes damage of older contents no obstacle to storing new ones: without a base.
func ignoreDamage(err error) error {
	if _, damaged := errors.AsType[*CorruptError](err); damaged {
		return nil
	}
	return err
}

// stageContents writes the contents of a change and compares them with what was announced.
func (p *protoRev) stageContents(ctx context.Context, c *svn.Change, pred *nodeRev) (*rep, error) {
	mark := p.mark()
	base, err := p.repo.deltaBase(p.conf, pred, textOf)
	if err := ignoreDamage(err); err != nil {
		return nil, err
	}
	out, err := p.copyContents(ctx, c, base)
	if _, damaged := errors.AsType[*CorruptError](err); damaged && base != nil {
		if err := p.back(mark); err != nil {
			return nil, err
		}
		out, err = p.copyContents(ctx, c, nil)
	}
	if err != nil {
		return nil, err
	}
	if c.SHA1 == nil {
		return out, nil
	}
	if out.expanded != c.Size {
		return nil, &svn.ChecksumError{Path: c.Path, Want: fmt.Sprintf("%d bytes", c.Size), Got: fmt.Sprintf("%d bytes", out.expanded)}
	}
	if !bytes.Equal(out.sha1, c.SHA1) {
		return nil, &svn.ChecksumError{Path: c.Path, Want: fmt.Sprintf("sha1 %x", c.SHA1), Got: fmt.Sprintf("sha1 %x", out.sha1)}
	}
	return out, nil
}

func (p *protoRev) copyContents(ctx context.Context, c *svn.Change, base *rep) (*rep, error) {
	src, err := c.Content()
	if err != nil {
		return nil, fmt.Errorf("contents of /%s: %w", c.Path, err)
	}
	defer src.Close()
	return p.writeContents(ctx, src, base)
}
