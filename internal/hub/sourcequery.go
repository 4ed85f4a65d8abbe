package hub

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/source"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
)

func errNoSource() error {
	return havre.Errorf(havre.CodeNotFound, "there is no such backup, or it is not open to you")
}

// Sources returns the sources whose directory the caller may read, by title. It takes a few queries, whatever
// their number.
func (h *Hub) Sources(ctx context.Context, c *havre.Caller, f SourceFilter) ([]Source, error) {
	chosen := store.SourceFilter{Kind: string(f.Kind), Parent: f.Parent}
	if f.Folder != "" {
		folder, err := h.store.FolderByName(ctx, f.Folder)
		if err != nil {
			return nil, err
		}
		chosen.Folder = folder.ID
	}
	if f.All {
		if err := h.mustAdminister(ctx, c); err != nil {
			return nil, err
		}
	}
	all, err := h.readSources(ctx, c, chosen, f.All)
	if err != nil {
		return nil, err
	}
	text := strings.ToLower(f.Text)
	slices.SortStableFunc(all, func(a, b Source) int { return cmp.Compare(strings.ToLower(a.Title), strings.ToLower(b.Title)) })
	return slices.DeleteFunc(all, func(s Source) bool {
		_, in := s.Path.Rel(f.Path)
		return !in || len(f.States) > 0 && !slices.Contains(f.States, s.State) ||
			text != "" && !strings.Contains(strings.ToLower(s.Title+"\n"+s.Name+"\n"+s.Address.URL), text)
	}), nil
}

// mustAdminister fails for who is no administrator.
func (h *Hub) mustAdminister(ctx context.Context, c *havre.Caller) error {
	u, err := h.store.User(ctx, c.User)
	if err != nil {
		return err
	}
	if u.Role != store.RoleAdmin {
		return denied("only administrators see the backups of everybody")
	}
	return nil
}

// Source returns a source whose directory the caller may read; all others are havre.CodeNotFound.
func (h *Hub) Source(ctx context.Context, c *havre.Caller, id SourceID) (*Source, error) {
	if id == "" {
		return nil, errNoSource()
	}
	all, err := h.readSources(ctx, c, store.SourceFilter{ID: id}, false)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, errNoSource()
	}
	return &all[0], nil
}

// readSources reads what the filter chooses and the caller may read, and with bare also the rest.
func (h *Hub) readSources(ctx context.Context, c *havre.Caller, f store.SourceFilter, bare bool) ([]Source, error) {
	rows, err := h.store.Sources(ctx, f)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	files, err := h.store.SourceFiles(ctx, f)
	if err != nil {
		return nil, err
	}
	days, err := h.store.SourceDays(ctx, f)
	if err != nil {
		return nil, err
	}
	users, err := h.store.Users(ctx)
	if err != nil {
		return nil, err
	}
	logins := make(map[havre.UserID]string, len(users))
	for i := range users {
		logins[users[i].ID] = users[i].Name
	}
	documents := map[SourceID]int{}
	if f.ID != "" {
		children, err := h.store.Sources(ctx, store.SourceFilter{Parent: f.ID})
		if err != nil {
			return nil, err
		}
		documents[f.ID] = len(children)
	}
	for i := range rows {
		documents[rows[i].Parent]++
	}
	now := h.now()
	var all []Source
	for i := range rows {
		n := &rows[i]
		folder, reach, err := h.access.of(ctx, c.User, n.Folder)
		if err != nil {
			return nil, err
		}
		right := reach.right(n.Path)
		open := right >= havre.RightRead && folder.Archived.IsZero()
		if !open && !bare {
			continue
		}
		s := h.source(n, now)
		s.Folder, s.Right, s.AddedBy, s.Documents = folder.Name, right, logins[n.User], documents[n.ID]
		today := store.Day(now)
		for i := range s.Days {
			s.Days[i] = SourceDay(days[n.ID][today-int64(len(s.Days)-1-i)])
		}
		for _, f := range files[n.ID] {
			if reach.reads(f.Path) {
				s.Files = append(s.Files, SourceFile{Ext: f.Ext, Path: f.Path, Rev: f.Rev})
			}
		}
		if !open {
			s.strip()
		}
		all = append(all, s)
	}
	return all, nil
}

// strip leaves out what tells of the content, or leads to it.
func (s *Source) strip() {
	s.Bare, s.Title, s.Name, s.Files, s.Summary, s.Notes, s.Authors, s.Path, s.Suspect = true, "", "", nil, "", nil, nil, "", nil
	s.Address = source.Address{Kind: s.Address.Kind, Instance: s.Address.Instance, Collection: s.Address.Collection}
}

// source makes a Source of a row, without what other tables say.
func (h *Hub) source(n *store.Source, now time.Time) Source {
	item := itemOf(n)
	s := Source{
		ID: n.ID, Kind: source.Kind(n.Kind), Address: item.Address, Title: cmp.Or(item.Title, n.Name, n.Document, n.Collection), Name: n.Name,
		FolderID: n.Folder, Path: n.Path, Live: n.Live, Schedule: item.History.Every,
		State: stateOf(n, item, now), Since: n.Since, Reason: item.Last.Reason, Text: item.Last.Error,
		Added: n.Added, LastRun: n.LastRun, LastGood: item.History.Good, LastChanged: item.History.Changed, LastVersion: n.LastVersion,
		Ends: item.History.Ends, Closes: item.History.Closes, Summary: item.Summary, Notes: item.Notes, Parent: n.Parent,
		Secrets: strings.Fields(n.SecretKinds),
	}
	if !item.Last.Outcome.Good() {
		s.Failures = item.History.Failures
	}
	if !n.Paused && s.State != SourceLive {
		s.Next = n.Next
	}
	_ = json.Unmarshal([]byte(n.Authors), &s.Authors) // only the hub writes it
	if k := suspectOf(n); k != nil && !k.Dismissed {
		s.Suspect = &k.SuspectCopy
	}
	return s
}

// itemOf returns what is remembered of the document. Only the hub writes it: what is damaged is as if it were new.
func itemOf(n *store.Source) *source.Item {
	item := &source.Item{}
	if json.Unmarshal([]byte(n.Item), item) != nil {
		item = &source.Item{}
	}
	item.Address = source.Address{Kind: source.Kind(n.Kind), Instance: n.Instance, Name: n.Document, Collection: n.Collection, URL: n.URL}
	item.Name = n.Name
	return item
}

// keptApart is what is stored of a suspect copy.
type keptApart struct {
	SuspectCopy
	Dismissed bool   `json:"dismissed,omitempty"` // a person keeps the good copy
	Digest    string `json:"digest,omitempty"`    // source.Item.Suspect of the dismissed one
}

func suspectOf(n *store.Source) *keptApart {
	if n.Suspect == "" {
		return nil
	}
	k := &keptApart{}
	if json.Unmarshal([]byte(n.Suspect), k) != nil {
		return nil
	}
	return k
}

// stateOf says how the source is.
func stateOf(n *store.Source, item *source.Item, now time.Time) SourceState {
	held := n.HeldUntil.After(now)
	last := item.Last.Outcome
	switch {
	case n.Paused:
		return SourcePaused
	case held && n.Live && n.Collection == "" && last.Good():
		return SourceLive
	case held:
		return SourceRunning
	case last == "":
		return SourceWaiting
	case last.Good():
		return SourceOK
	case last == source.OutcomeSuspect:
		if k := suspectOf(n); k != nil && k.Dismissed && k.Digest == item.Suspect {
			return SourceOK
		}
		return SourceSuspect
	}
	return stateOfReason(item.Last.Reason)
}

func stateOfReason(r source.Reason) SourceState {
	switch r {
	case source.ReasonGone:
		return SourceGone
	case source.ReasonPrivate:
		return SourcePrivate
	case source.ReasonPassword:
		return SourcePassword
	case source.ReasonHidden:
		return SourceHidden
	case source.ReasonDown, source.ReasonForeign:
		return SourceUnreachable
	case source.ReasonLimited:
		return SourceLimited
	}
	return SourceFailed
}

// SourceRuns returns at most n runs of a source that are older than the one with ID before, or the latest if it is
// 0; the latest first.
func (h *Hub) SourceRuns(ctx context.Context, c *havre.Caller, id SourceID, before int64, n int) ([]SourceRun, error) {
	if _, err := h.Source(ctx, c, id); err != nil {
		return nil, err
	}
	rows, err := h.store.SourceRuns(ctx, id, before, min(max(n, 0), 1000))
	runs := make([]SourceRun, len(rows))
	for i := range rows {
		r := &rows[i]
		runs[i] = SourceRun{ID: r.ID, Start: r.Start, Took: r.Took, Outcome: source.Outcome(r.Outcome), Reason: source.Reason(r.Reason), Text: r.Said, Rev: r.Rev, Live: r.Live}
	}
	return runs, err
}

// SourceFile returns the place of a file of a source, as it is today.
func (h *Hub) SourceFile(ctx context.Context, c *havre.Caller, id SourceID, ext string) (*Spot, error) {
	s, err := h.Source(ctx, c, id)
	if err != nil {
		return nil, err
	}
	for _, f := range s.Files {
		if f.Ext == ext {
			return h.Spot(ctx, c, s.Folder, f.Path, svn.InvalidRevnum)
		}
	}
	return nil, havre.Errorf(havre.CodeNotFound, "this backup has no file that ends with %q", ext)
}

// waitEvery is how long a change of a source by another process may take to be told.
const waitEvery = time.Second

// WaitSources returns a number as soon as it is above since, which it becomes with every change of a source; with a
// negative since at once. It does not ask who wants to know, and tells nothing more.
func (h *Hub) WaitSources(ctx context.Context, since int64) (int64, error) {
	tick := time.NewTicker(waitEvery)
	defer tick.Stop()
	for {
		changed := h.backups.changed()
		v, err := h.store.SourceVersion(ctx)
		if err != nil || v > since {
			return v, err
		}
		select {
		case <-ctx.Done():
			return since, ctx.Err()
		case <-changed:
		case <-tick.C:
		}
	}
}
