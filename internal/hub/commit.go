package hub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/fsfs"
	"github.com/havre-cloud/havre/svn/rasvn"
)

// maxChanges is how many changes one commit may have; the client sends a thousand.
const maxChanges = 100_000

// maxPath is the length in bytes of a path that the hub takes.
const maxPath = 4096

// maxMovingTarget is how often a commit is planned anew because others changed, between the look and the
// commit, what it stands on.
const maxMovingTarget = 10

// Commit makes one revision of everything in the commit that nothing stands against, and says what
// it left out and why. Committing the same ID again returns what the first time did.
func (h *Hub) Commit(ctx context.Context, c *havre.Caller, scope havre.Scope, commit *havre.Commit) (*havre.CommitResult, error) {
	v, err := h.view(ctx, c, scope)
	if err != nil {
		return nil, err
	}
	if err := checkCommit(commit); err != nil {
		return nil, err
	}
	// A repetition waits for the call that it repeats.
	release, err := h.commits.enter(ctx, v.folder.Location+" "+commit.ID)
	if err != nil {
		return nil, err
	}
	defer release()
	head, err := v.repo.Youngest(ctx)
	if err != nil {
		return nil, err
	}
	done, err := v.repo.known.find(ctx, commit.ID, lowestBase(commit), head)
	if err != nil {
		return nil, err
	}
	if done != nil {
		return v.answer(commit, done.rev, done.refused), nil
	}
	if err := h.checkQuota(ctx, v, c, commit, head); err != nil {
		return nil, err
	}
	p := newPlan(h.uploads, v, c, commit)
	rev, err := h.commitPlan(ctx, p, head)
	if err != nil {
		return nil, full(err)
	}
	result := v.answer(commit, rev, p.refused)
	h.log.LogAttrs(ctx, slog.LevelDebug, "commit", slog.String("folder", v.folder.Name), slog.String("device", c.DeviceName),
		slog.Int64("revision", int64(rev)), slog.Int("changes", len(commit.Changes)), slog.Int("refused", len(result.Refused)))
	if err := h.uploads.remove(c.Device, p.finished(rev)); err != nil {
		h.log.LogAttrs(ctx, slog.LevelWarn, "used uploads not removed", slog.Any("error", err))
	}
	return result, nil
}

func checkCommit(c *havre.Commit) error {
	printable := func(r rune) bool { return r <= unicode.MaxASCII && unicode.IsGraphic(r) && r != ' ' }
	if c.ID == "" || len(c.ID) > 128 || strings.IndexFunc(c.ID, func(r rune) bool { return !printable(r) }) >= 0 {
		return invalid("a commit needs an identifier of at most 128 printable characters")
	}
	if len(c.Changes) > maxChanges {
		return invalid("a commit of %d changes is too large: send at most %d at a time", len(c.Changes), maxChanges)
	}
	return nil
}

// lowestBase returns the oldest revision that the commit refers to: the first time, if there was one,
// came later.
func lowestBase(c *havre.Commit) svn.Revnum {
	lowest := svn.Revnum(-1)
	for i := range c.Changes {
		for _, r := range []svn.Revnum{c.Changes[i].Base, c.Changes[i].CopyFrom.Rev} {
			if r > 0 && (lowest < 0 || r < lowest) {
				lowest = r
			}
		}
	}
	return max(lowest, 0)
}

// commitPlan commits what of the plan nothing stands against, and returns the revision. Each round
// ends, or refuses a change more, or finds that others moved what the plan stands on.
func (h *Hub) commitPlan(ctx context.Context, p *plan, head svn.Revnum) (svn.Revnum, error) {
	for moved := 0; ; {
		if err := p.make(ctx, head); err != nil {
			return svn.InvalidRevnum, err
		}
		if len(p.changes) == 0 {
			return p.unchanged(), nil
		}
		rights, err := h.moveRights(ctx, p)
		if err != nil {
			return svn.InvalidRevnum, err
		}
		rev, err := p.v.repo.Commit(ctx, &svn.Commit{RevProps: p.revProps(), Changes: p.changes})
		if err == nil {
			p.v.repo.known.add(p.commit.ID, rev)
			h.moveSources(ctx, p)
			return rev, errors.Join(rights.done(ctx), p.recheck(ctx, rev))
		}
		refused, fatal := p.refuse(err)
		if fatal != nil {
			return svn.InvalidRevnum, fatal
		}
		if err := rights.undo(ctx); err != nil {
			return svn.InvalidRevnum, err
		}
		if !refused {
			if moved++; moved > maxMovingTarget {
				return svn.InvalidRevnum, havre.Errorf(havre.CodeUnavailable, "others change the same directories too fast: try again").Because(err)
			}
		}
		if head, err = p.v.repo.Youngest(ctx); err != nil {
			return svn.InvalidRevnum, err
		}
	}
}

// refuse takes out the changes that a failed commit names, and says whether there were any. A
// failure that is not about single changes is returned.
func (p *plan) refuse(err error) (bool, error) {
	if e, ok := errors.AsType[*svn.OutOfDateError](err); ok {
		// What stands on another change that is named falls with it when the plan is made again.
		named := map[svn.Path]bool{}
		for _, c := range e.Changes {
			if c.Index >= 0 && c.Index < len(p.origin) && !within(named, p.changes[c.Index].Path) {
				named[p.changes[c.Index].Path] = true
				p.out(p.origin[c.Index], havre.RefusedOutOfDate)
			}
		}
		return len(named) > 0, nil
	}
	if e, ok := errors.AsType[*svn.LockedError](err); ok {
		return p.refusePath(e.Path, havre.RefusedLocked), nil
	}
	if e, ok := errors.AsType[*svn.ChecksumError](err); ok {
		if !p.refusePath(e.Path, havre.RefusedUpload) {
			return false, err
		}
		return true, nil
	}
	if e, ok := errors.AsType[*fsfs.ChangeError](err); ok && e.Index >= 0 && e.Index < len(p.origin) {
		// The plan is right for its head: the change stands on one before it that others made
		// out of date since, which the next round shows.
		p.out(p.origin[e.Index], havre.RefusedParent)
		return true, nil
	}
	if e, ok := errors.AsType[*rasvn.ChangeError](err); ok && e.Index >= 0 && e.Index < len(p.origin) {
		p.out(p.origin[e.Index], havre.RefusedParent) // as above
		return true, nil
	}
	if e, ok := errors.AsType[*svn.RefusedError](err); ok {
		return false, havre.Errorf(havre.CodeInvalid, "the Subversion repository does not take it: %s", oneLine(e.Text))
	}
	if has[*svn.NotFoundError](err) || has[*svn.NotDirError](err) || has[*svn.NotFileError](err) {
		return false, nil
	}
	return false, err
}

// refusePath takes out what touches the path in the repository: changes of it, and deletions and
// copies of directories above it.
func (p *plan) refusePath(abs svn.Path, reason havre.RefusalReason) bool {
	found := false
	for i := range p.changes {
		c := &p.changes[i]
		_, above := abs.Rel(c.Path)
		if c.Path != abs && (!above || c.Op != svn.OpDelete && c.Op != svn.OpCopy || reason != havre.RefusedLocked) {
			continue
		}
		if reason == havre.RefusedUpload && c.Content == nil {
			continue
		}
		found = true
		j := p.origin[i]
		if reason == havre.RefusedUpload && p.commit.Changes[j].Upload == "" {
			p.out(j, havre.RefusedInvalid)
			continue
		}
		p.out(j, reason)
		if reason == havre.RefusedUpload {
			p.spoilt = append(p.spoilt, p.commit.Changes[j].Upload)
		}
	}
	return found
}

// answer tells what became of the commit.
func (v *view) answer(c *havre.Commit, rev svn.Revnum, refused map[int]havre.RefusalReason) *havre.CommitResult {
	r := &havre.CommitResult{Rev: rev}
	for _, i := range slices.Sorted(maps.Keys(refused)) {
		if i < 0 || i >= len(c.Changes) {
			continue // read back from a revision that somebody else may have edited
		}
		said := refusalText(refused[i])
		if refused[i] == havre.RefusedDenied {
			said = v.deniedText(&c.Changes[i])
		}
		r.Refused = append(r.Refused, havre.Refusal{Index: i, Path: c.Changes[i].Path, Reason: refused[i], Text: said.String(), Said: said})
	}
	return r
}

func refusalText(r havre.RefusalReason) havre.Sentence {
	switch r {
	case havre.RefusedOutOfDate:
		return havre.Say("somebody else changed it in the meantime")
	case havre.RefusedDenied:
		return havre.Say("you may not write here: ask who manages the folder")
	case havre.RefusedInvalid:
		return havre.Say("this name, or these contents, cannot be stored")
	case havre.RefusedLocked:
		return havre.Say("somebody holds the Subversion lock on it")
	case havre.RefusedUpload:
		return havre.Say("its contents did not arrive completely: they are sent again")
	case havre.RefusedParent:
		return havre.Say("it needs another change that was refused")
	default:
		return havre.Say("refused")
	}
}

// revProps returns the properties of the new revision.
func (p *plan) revProps() svn.Props {
	props := svn.Props{
		svn.PropAuthor: p.caller.UserName,
		propCommit:     p.commit.ID,
		propDevice:     string(p.caller.Device),
	}
	if m := logMessage(p.commit.Message); m != "" {
		props[svn.PropLog] = m
	}
	if p.commit.Confirmed {
		props[propConfirmed] = "yes"
	}
	if r := formatRefused(p.refused); r != "" {
		props[propRefused] = r
	}
	return props
}

// logMessage returns the text as Subversion wants svn:log: UTF-8 with LF alone.
func logMessage(text string) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\r\n", "\n")
	return strings.ReplaceAll(strings.ReplaceAll(text, "\r", "\n"), "\x00", "")
}

// formatRefused writes which changes a revision leaves out, as in "3:1 7:6": the index and the
// reason. A repeated commit is answered with it.
func formatRefused(refused map[int]havre.RefusalReason) string {
	var words []string
	for i, r := range refused {
		words = append(words, fmt.Sprintf("%d:%d", i, r))
	}
	slices.Sort(words)
	return strings.Join(words, " ")
}

func parseRefused(text string) map[int]havre.RefusalReason {
	refused := map[int]havre.RefusalReason{}
	for word := range strings.FieldsSeq(text) {
		index, reason, _ := strings.Cut(word, ":")
		i, err := strconv.Atoi(index)
		r, rErr := strconv.ParseUint(reason, 10, 8)
		if err == nil && rErr == nil {
			refused[i] = havre.RefusalReason(r)
		}
	}
	return refused
}

// commitGate lets one call at a time work on a commit ID.
type commitGate struct {
	mu   sync.Mutex
	busy map[string]chan struct{} // closed by the call that works on it when it ends
}

// enter waits until nobody works on the key; release ends the own work.
func (g *commitGate) enter(ctx context.Context, key string) (release func(), err error) {
	for {
		g.mu.Lock()
		other, busy := g.busy[key]
		if !busy {
			break
		}
		g.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	defer g.mu.Unlock()
	if g.busy == nil {
		g.busy = map[string]chan struct{}{}
	}
	mine := make(chan struct{})
	g.busy[key] = mine
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.busy, key)
		close(mine)
	}, nil
}
