package hub

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// Done is what a person did on the pages: a revision, and what was left out of it.
type Done struct {
	Rev     svn.Revnum
	Refused []havre.Refusal
}

// do commits changes in a folder in the name of a person on the pages.
func (h *Hub) do(ctx context.Context, c *havre.Caller, at *Spot, message string, changes []havre.Change) (*Done, error) {
	if len(changes) == 0 {
		return &Done{Rev: at.Folder.Head}, nil
	}
	for i := range changes {
		if err := checkNewName(&changes[i]); err != nil {
			return nil, err
		}
	}
	r, err := h.Commit(ctx, c, at.Scope(), &havre.Commit{ID: "web-" + strings.ToLower(rand.Text()), Message: message, Changes: changes, Confirmed: true})
	if err != nil {
		return nil, err
	}
	if len(r.Refused) > 0 && r.Rev == svn.InvalidRevnum {
		f := r.Refused[0]
		code := havre.CodeInvalid
		if f.Reason == havre.RefusedDenied {
			code = havre.CodeDenied
		}
		return nil, havre.Errorf(code, "%s: %s", f.Path, f.Said)
	}
	return &Done{Rev: r.Rev, Refused: r.Refused}, nil
}

// notOnWindows are the signs that no name on Windows can have.
const notOnWindows = `<>:"|?*\`

// checkNewName refuses names that the devices of others could not store. What is in the folder already
// under such a name can still be renamed and deleted.
func checkNewName(c *havre.Change) error {
	if c.Kind == havre.ChangeDelete || c.KeepContent {
		return nil
	}
	name := c.Path.Name()
	if i := strings.IndexAny(name, notOnWindows); i >= 0 && (c.Kind == havre.ChangePut && c.Base == svn.InvalidRevnum || c.Kind == havre.ChangeCopy && c.CopyFrom.Path.Name() != name) {
		return invalid("Windows cannot store a name with %c: leave it out of %q", name[i], name)
	}
	return nil
}

// NameFault is what is wrong with a name; "" is nothing.
type NameFault string

// The faults of names, and the sign that At is about.
const (
	NameEmpty   NameFault = "empty"   // or it cannot be one component of a path
	NameLong    NameFault = "long"    // more than 255 bytes
	NameEdge    NameFault = "edge"    // begins or ends with a space, or ends with a dot
	NameDevice  NameFault = "device"  // means a device on Windows
	NameControl NameFault = "control" // has control characters
	NameSign    NameFault = "sign"    // has a sign that Windows cannot store
)

// FaultOf says what is wrong with a name that a person wants to give, and for NameSign the sign and where
// it is, from 1.
func FaultOf(name string) (fault NameFault, sign rune, at int) {
	p, err := svn.CheckPath(name)
	switch {
	case strings.IndexFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) >= 0:
		return NameControl, 0, 0
	case err != nil || p == "" || strings.Contains(name, "/"):
		return NameEmpty, 0, 0
	case len(name) > 255:
		return NameLong, 0, 0
	case strings.TrimSpace(name) != name || strings.HasSuffix(name, "."):
		return NameEdge, 0, 0
	case deviceNames[strings.ToLower(strings.SplitN(name, ".", 2)[0])]:
		return NameDevice, 0, 0
	}
	for i, r := range []rune(name) {
		if strings.ContainsRune(notOnWindows, r) {
			return NameSign, r, i + 1
		}
	}
	return "", 0, 0
}

// CheckName says why a person cannot give something this name, nil if it can be.
func CheckName(name string) error {
	switch fault, sign, at := FaultOf(name); fault {
	case NameEmpty:
		return invalid("%q cannot be a name: leave out /", name)
	case NameLong:
		return invalid("the name is %d bytes long: 255 is the limit", len(name))
	case NameEdge:
		return invalid("a name cannot begin or end with a space, or end with a dot: Windows would change it")
	case NameDevice:
		return invalid("%q is the name of a device on Windows: choose another", name)
	case NameControl:
		return invalid("a name cannot have control characters")
	case NameSign:
		return invalid("Windows cannot store a name with %c (character %d)", sign, at)
	}
	return nil
}

// MakeDir makes a directory in the one at the spot.
func (h *Hub) MakeDir(ctx context.Context, c *havre.Caller, at *Spot, name string) (*Done, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	p := at.Path.Join(name)
	if err := h.mustBeFree(ctx, at, p); err != nil {
		return nil, err
	}
	return h.do(ctx, c, at, "", []havre.Change{{Kind: havre.ChangePut, Path: p, Base: svn.InvalidRevnum, Entry: havre.Entry{Kind: havre.KindDir}}})
}

// mustBeFree fails if there is something at the path.
func (h *Hub) mustBeFree(ctx context.Context, at *Spot, p svn.Path) error {
	n, err := at.v.stat(ctx, p, at.Folder.Head)
	if err == nil && n != nil {
		err = havre.Errorf(havre.CodeExists, "%q is already here: choose another name", p.Name())
	}
	return err
}

// PutFile makes a small file in the folder, or a new version of the one that the person knew at base;
// svn.InvalidRevnum makes a new one.
func (h *Hub) PutFile(ctx context.Context, c *havre.Caller, at *Spot, p svn.Path, base svn.Revnum, content []byte) (*Done, error) {
	if len(content) > havre.InlineLimit {
		return nil, invalid("the file has %d bytes: %d is the limit here", len(content), havre.InlineLimit)
	}
	if base == svn.InvalidRevnum {
		if err := CheckName(p.Name()); err != nil {
			return nil, err
		}
		if err := h.mustBeFree(ctx, at, p); err != nil {
			return nil, err
		}
	}
	e := havre.Entry{Kind: havre.KindFile, Size: int64(len(content)), Hash: havre.HashBytes(content), ModTime: h.now().UTC()}
	return h.do(ctx, c, at, "", []havre.Change{{Kind: havre.ChangePut, Path: p, Base: base, Entry: e, Content: content}})
}

// Delete deletes what is at the paths, as the person knew it at base.
func (h *Hub) Delete(ctx context.Context, c *havre.Caller, at *Spot, paths []svn.Path, base svn.Revnum) (*Done, error) {
	var changes []havre.Change
	for _, p := range outermost(paths) {
		changes = append(changes, havre.Change{Kind: havre.ChangeDelete, Path: p, Base: base})
	}
	return h.do(ctx, c, at, "", changes)
}

// Transfer is one path and where it goes.
type Transfer struct{ From, To svn.Path }

// Move moves or, if copying is set, copies, as the person knew everything at base. Directories go with all
// that is in them. Where something is already, the name gets a number.
func (h *Hub) Move(ctx context.Context, c *havre.Caller, at *Spot, list []Transfer, base svn.Revnum, copying bool) (*Done, []Transfer, error) {
	var changes []havre.Change
	var made []Transfer
	taken := map[svn.Path]bool{}
	for _, t := range list {
		if t.From == t.To && !copying {
			continue
		}
		if _, inside := t.To.Rel(t.From); inside && t.To != t.From {
			return nil, nil, invalid("%q cannot go into itself: choose another place", t.From.Name())
		}
		if t.To.Name() != t.From.Name() {
			if err := CheckName(t.To.Name()); err != nil {
				return nil, nil, err
			}
		}
		var failed error
		name := FreeName(t.To.Name(), func(name string) bool {
			p := t.To.Dir().Join(name)
			if taken[p] {
				return true
			}
			n, err := at.v.stat(ctx, p, at.Folder.Head)
			failed = errors.Join(failed, err)
			return n != nil && failed == nil
		})
		if failed != nil {
			return nil, nil, explain(failed, t.To)
		}
		t.To = t.To.Dir().Join(name)
		taken[t.To] = true
		made = append(made, t)
		changes = append(changes, havre.Change{Kind: havre.ChangeCopy, Path: t.To, Base: svn.InvalidRevnum, CopyFrom: svn.CopySource{Path: t.From, Rev: base}})
		if !copying {
			changes = append(changes, havre.Change{Kind: havre.ChangeDelete, Path: t.From, Base: base})
		}
	}
	d, err := h.do(ctx, c, at, "", changes)
	return d, made, err
}

// outermost leaves out what is inside of other paths of the list.
func outermost(paths []svn.Path) []svn.Path {
	paths = slices.Clone(paths)
	slices.SortFunc(paths, svn.Path.Compare)
	var out []svn.Path
	for _, p := range paths {
		if n := len(out); n > 0 {
			if _, in := p.Rel(out[n-1]); in {
				continue
			}
		}
		out = append(out, p)
	}
	return out
}

// RestorePlan is what restoring would do.
type RestorePlan struct {
	Returning []svn.Path // not there today
	Contents  []svn.Path // other contents today
	Newer     []svn.Path // there today, not then
	Names     []Transfer // what takes its old name again, see Renames
	changes   []havre.Change
	deletions []havre.Change // of Newer
}

// Count is how many items come back or get other contents.
func (r *RestorePlan) Count() int { return len(r.Returning) + len(r.Contents) + len(r.Names) }

// PlanRestore compares what was at the spot, which is in the past, with today. names limits it to these
// entries of the directory; all if there are none. Directories that differ are gone through; one that
// is missing comes back as one copy.
func (h *Hub) PlanRestore(ctx context.Context, at *Spot, names []string) (*RestorePlan, error) {
	plan := &RestorePlan{}
	var paths []svn.Path
	switch {
	case len(names) > 0:
		for _, n := range names {
			p, err := svn.CheckPath(string(at.Path.Join(n)))
			if err != nil || n == "" {
				return nil, invalid("%q cannot be a name", n)
			}
			paths = append(paths, p)
		}
	default:
		paths = []svn.Path{at.Path}
	}
	for _, p := range paths {
		if err := plan.compare(ctx, at, p); err != nil {
			return nil, explain(err, p)
		}
	}
	return plan, nil
}

// compare plans for one path and what is below it.
func (r *RestorePlan) compare(ctx context.Context, at *Spot, p svn.Path) error {
	v, head := at.v, at.Folder.Head
	was, err := v.stat(ctx, p, at.Rev)
	if err != nil {
		return err
	}
	is, err := v.stat(ctx, p, head)
	if err != nil {
		return err
	}
	if !v.reach.sees(v.inFolder(p), true) {
		return nil
	}
	back := havre.Change{Kind: havre.ChangeCopy, Path: p, Base: svn.InvalidRevnum, CopyFrom: svn.CopySource{Path: p, Rev: at.Rev}}
	switch {
	case was == nil && is == nil:
	case was == nil:
		r.Newer = append(r.Newer, p)
		r.deletions = append(r.deletions, havre.Change{Kind: havre.ChangeDelete, Path: p, Base: head})
	case is == nil:
		r.Returning = append(r.Returning, p)
		r.parents(ctx, at, p)
		r.changes = append(r.changes, back)
	case was.ID != "" && was.ID == is.ID:
	case was.Kind == svn.KindDir && is.Kind == svn.KindDir:
		return r.compareDir(ctx, at, p)
	case was.Kind == svn.KindFile && is.Kind == svn.KindFile && was.SHA1 != nil && string(was.SHA1) == string(is.SHA1):
	default:
		r.Contents = append(r.Contents, p)
		r.changes = append(r.changes, havre.Change{Kind: havre.ChangeDelete, Path: p, Base: head}, back)
	}
	return nil
}

// parents brings back the directories above p that are gone.
func (r *RestorePlan) parents(ctx context.Context, at *Spot, p svn.Path) {
	var missing []svn.Path
	for d := p.Dir(); d != ""; d = d.Dir() {
		if n, err := at.v.stat(ctx, d, at.Folder.Head); err != nil || n != nil {
			break
		}
		missing = append(missing, d)
	}
	slices.Reverse(missing)
	for _, d := range missing {
		if !slices.ContainsFunc(r.changes, func(c havre.Change) bool { return c.Path == d }) {
			r.changes = append(r.changes, havre.Change{Kind: havre.ChangePut, Path: d, Base: svn.InvalidRevnum, Entry: havre.Entry{Kind: havre.KindDir}})
		}
	}
}

func (r *RestorePlan) compareDir(ctx context.Context, at *Spot, p svn.Path) error {
	names := map[string]bool{}
	for _, rev := range []svn.Revnum{at.Rev, at.Folder.Head} {
		for n, err := range at.v.repo.List(ctx, at.v.abs(p), rev, false) {
			if err != nil {
				return err
			}
			if q, ok := at.v.rel(n.Path); ok {
				names[q.Name()] = true
			}
		}
	}
	sorted := make([]string, 0, len(names))
	for n := range names {
		sorted = append(sorted, n)
	}
	slices.Sort(sorted)
	for _, n := range sorted {
		if len(r.changes) > maxChanges/2 {
			return invalid("more than %d items differ: restore a part at a time", maxChanges/2)
		}
		if err := r.compare(ctx, at, p.Join(n)); err != nil {
			return err
		}
	}
	return nil
}

// Restore brings back what the plan says as one revision; what is newer goes if deleteNewer is set, and
// can come back the same way.
func (h *Hub) Restore(ctx context.Context, c *havre.Caller, at *Spot, plan *RestorePlan, deleteNewer bool, message string) (*Done, error) {
	changes := slices.Clone(plan.changes)
	if deleteNewer {
		changes = append(slices.Clone(plan.deletions), changes...)
	}
	if len(changes) == 0 {
		return nil, invalid("nothing is different today: there is nothing to restore")
	}
	if message == "" {
		message = fmt.Sprintf(restoredFrom, at.Rev)
	}
	return h.do(ctx, c, at, message, changes)
}

// Undo takes back what a revision did in the folder, as far as nobody has changed it since: what it
// changed is again as it was in the revision before.
func (h *Hub) Undo(ctx context.Context, c *havre.Caller, at *Spot, rev svn.Revnum) (*Done, error) {
	if rev <= 0 || rev > at.Folder.Head {
		return nil, invalid("there is no revision %d to take back", rev)
	}
	var entry *ledgerEntry
	for e, err := range at.v.repo.ledger.down(ctx, rev, rev) {
		if err != nil {
			return nil, err
		}
		entry = e
	}
	var paths []svn.Path
	for i := range entry.changes {
		p, ok := at.v.rel(entry.changes[i].Path)
		if !ok || p == "" {
			return nil, invalid("this cannot be taken back: it changed more than what is in the folder")
		}
		paths = append(paths, p)
	}
	if err := at.untouchedSince(ctx, rev, paths); err != nil {
		return nil, err
	}
	before := *at
	before.Rev = rev - 1
	plan := &RestorePlan{}
	for _, p := range outermost(paths) {
		if err := plan.compare(ctx, &before, p); err != nil {
			return nil, explain(err, p)
		}
	}
	return h.Restore(ctx, c, at, plan, true, fmt.Sprintf("undo of r%d", rev))
}

// untouchedSince fails if somebody has changed one of the paths, or something in it, after the revision.
func (at *Spot) untouchedSince(ctx context.Context, rev svn.Revnum, paths []svn.Path) error {
	for e, err := range at.v.repo.ledger.down(ctx, at.Folder.Head, rev+1) {
		if err != nil {
			return err
		}
		for i := range e.changes {
			p, ok := at.v.rel(e.changes[i].Path)
			if !ok {
				continue
			}
			for _, q := range paths {
				_, in := p.Rel(q)
				_, above := q.Rel(p)
				if in || above && e.changes[i].Action != svn.ActionModify {
					return havre.Errorf(havre.CodeExists, "%q has been changed since: it stays as it is, and the history has every version", q.Name())
				}
			}
		}
	}
	return nil
}

// ReadSmall returns the contents of the file at the spot, and whether these are all: at most limit bytes.
func (h *Hub) ReadSmall(ctx context.Context, at *Spot, limit int) (content []byte, whole bool, err error) {
	f, err := h.OpenSpot(ctx, at)
	if err != nil {
		return nil, false, err
	}
	content, err = appendAll(make([]byte, 0, min(f.Size(), int64(limit))+1), io.LimitReader(f, int64(limit)))
	return content, f.Size() <= int64(limit), errors.Join(explain(err, at.Path), f.Close())
}
