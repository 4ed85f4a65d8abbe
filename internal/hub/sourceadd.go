package hub

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/source"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
)

// Bounds of what a person can give at once.
const (
	maxWishes    = 10_000
	maxFindBytes = 64 << 20
	maxLive      = 200 // documents that are followed at the same time
)

// foundWish is where a document is to go, as it is stored.
type foundWish struct {
	Folder havre.FolderID `json:"folder"`
	Path   svn.Path       `json:"path"`
	Name   string         `json:"name,omitempty"`
	How    SourceHow      `json:"how"`
}

// FindSources looks through what a person has, for addresses of documents: a text, a mail, bookmarks, a
// browser's database (source.Registry.Find). name is the file's name, or empty. It returns the ID of the new list at once;
// Found tells what is known of it so far.
func (h *Hub) FindSources(ctx context.Context, c *havre.Caller, name string, data []byte) (string, error) {
	if len(data) > maxFindBytes {
		return "", invalid("the file has more than %d MB: take the addresses out of it, one on each line", maxFindBytes>>20)
	}
	var items []store.Found
	found := h.backups.registry.Find(name, data)
	if len(found) == 0 {
		return "", invalid("there is no address of a pad, a poll or a sheet in it")
	}
	if len(found) > maxWishes {
		return "", invalid("it has %d addresses: give at most %d at a time", len(found), maxWishes)
	}
	for i := range found {
		item, err := h.foundItem(c, i, found[i].Kinds, &sealedFound{Given: found[i].Address().URL}, nil)
		if err != nil {
			return "", err
		}
		item.Title = found[i].Title
		items = append(items, *item)
	}
	return h.addList(ctx, c, items)
}

// AddSources begins to back up documents into the directory at the spot. It returns the ID of a list at once, on
// which Found tells what becomes of each.
func (h *Hub) AddSources(ctx context.Context, c *havre.Caller, at *Spot, wishes []SourceWish) (string, error) {
	if err := mayAdd(at); err != nil {
		return "", err
	}
	if len(wishes) == 0 {
		return "", invalid("there is no address")
	}
	if len(wishes) > maxWishes {
		return "", invalid("these are %d addresses: give at most %d at a time", len(wishes), maxWishes)
	}
	var items []store.Found
	for i := range wishes {
		w := &wishes[i]
		if w.Name != "" {
			if err := CheckName(w.Name); err != nil {
				return "", err
			}
		}
		wish := &foundWish{Folder: at.Folder.ID, Path: at.Path, Name: w.Name, How: SourceHow{Live: w.Live, Schedule: w.Schedule}}
		kinds := h.backups.registry.Candidates(w.URL, w.Group, w.Secrets)
		item, err := h.foundItem(c, i, kinds, &sealedFound{Given: w.URL, Secrets: revealed(&w.Secrets)}, wish)
		if err != nil {
			return "", err
		}
		items = append(items, *item)
	}
	return h.addList(ctx, c, items)
}

// SourceSpot returns the directory at a path of the folder with that name, also one that is not there: it is made with
// the first copy.
func (h *Hub) SourceSpot(ctx context.Context, c *havre.Caller, folder string, p svn.Path) (*Spot, error) {
	at, err := h.Spot(ctx, c, folder, p, svn.InvalidRevnum)
	if err == nil || havre.CodeOf(err) != havre.CodeNotFound || p == "" {
		return at, err
	}
	missing := err
	for dir := p; ; dir = dir.Dir() {
		if at, err = h.Spot(ctx, c, folder, dir, svn.InvalidRevnum); err == nil {
			break
		}
		if dir == "" || havre.CodeOf(err) != havre.CodeNotFound {
			return nil, missing
		}
		if err := CheckName(dir.Name()); err != nil {
			return nil, err
		}
	}
	right := at.v.reach.right(p)
	if n, err := at.v.stat(ctx, p, at.Folder.Head); right < havre.RightWrite || !at.Dir() || err != nil || n != nil {
		return nil, missing // or there is something that the person may not know of
	}
	return &Spot{Folder: at.Folder, Path: p, Rev: at.Rev, Right: right, v: at.v}, nil
}

// mayAdd says why nothing can be backed up into the spot.
func mayAdd(at *Spot) error {
	switch {
	case at.Right < havre.RightWrite:
		return denied("you may not write here: ask who manages the folder")
	case !at.Dir():
		return invalid("%q is no directory", at.Path.Name())
	case at.Past:
		return invalid("nothing can be added to the past")
	}
	return nil
}

func (h *Hub) addList(ctx context.Context, c *havre.Caller, items []store.Found) (string, error) {
	list, err := h.store.AddFound(ctx, c.User, items)
	h.backups.tell()
	h.backups.checkLists()
	return list, full(err)
}

// foundItem makes an item of a list, at the index, of what an address could be.
func (h *Hub) foundItem(c *havre.Caller, index int, kinds []source.Recognised, s *sealedFound, wish *foundWish) (*store.Found, error) {
	s.Candidates, s.At = candidatesOf(kinds), h.now()
	item := &store.Found{State: string(FoundChecking), Given: shownAddress(s.Given)}
	var address source.Address
	if len(s.Candidates) == 0 {
		item.State, item.Reason = string(FoundNone), string(source.ReasonAddress)
		item.Said = "this is no address of a pad, a poll or a sheet"
	} else {
		address = s.Candidates[0].Address
		item.Given = address.URL
	}
	item.Ask = mustAsk(s) || wish == nil && index < maxLooks && len(s.Candidates) > 0
	var err error
	if item.Address, err = marshal(address); err != nil {
		return nil, err
	}
	if wish != nil {
		if item.Wish, err = marshal(wish); err != nil {
			return nil, err
		}
	}
	item.Sealed, err = h.vault.seal("found "+string(c.User), s)
	return item, err
}

func marshal(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}

// mustAsk says whether the form of an address leaves open what it is. The name of a document that is known by another address
// only, as polls are by that of their administration, is known to the instance alone; so is what a collection holds.
func mustAsk(s *sealedFound) bool {
	if len(s.Candidates) == 0 {
		return false
	}
	first := &s.Candidates[0]
	return first.Likelihood != source.Certain || first.Secrets.Address != "" || s.Secrets.Address != "" || first.Address.Collection != ""
}

// maxLooks is of how many addresses of a list that a person looks through the instance is asked whether there is such a
// document at all, so that who mistyped learns it at once. An Etherpad counts such requests, as it does those for copies.
const maxLooks = 20

// shownAddress returns what may be shown of a text that is no known address: nothing of a user, a query, or what is
// behind #, where secrets are.
func shownAddress(text string) string {
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil || u.Host == "" {
		if len(text) > 40 || strings.ContainsAny(text, "@?#") {
			return "…"
		}
		return strings.ToValidUTF8(text, "")
	}
	return u.Scheme + "://" + u.Host + "/…"
}

// Found tells what is known of a list of the caller's so far.
func (h *Hub) Found(ctx context.Context, c *havre.Caller, list string) (*FoundList, error) {
	rows, at, err := h.store.FoundOf(ctx, c.User, list)
	if err != nil {
		return nil, err
	}
	l := &FoundList{ID: list, At: at, Done: true}
	if l.Items, err = h.foundItems(ctx, c, rows); err != nil {
		return nil, err
	}
	for i := range l.Items {
		if waitsForUs(&rows[i]) {
			l.Done = false
		}
	}
	return l, nil
}

// waitsForUs says whether an item changes by itself.
func waitsForUs(f *store.Found) bool {
	return !f.Dropped && (f.State == string(FoundChecking) || f.State == string(FoundReady) && f.Wish != "")
}

// UnresolvedSources returns what is on lists of the caller and neither backed up nor dropped, the latest list first, at
// most 1,000.
func (h *Hub) UnresolvedSources(ctx context.Context, c *havre.Caller) ([]Found, error) {
	rows, err := h.store.Unresolved(ctx, c.User)
	if err != nil {
		return nil, err
	}
	return h.foundItems(ctx, c, rows)
}

func (h *Hub) foundItems(ctx context.Context, c *havre.Caller, rows []store.Found) ([]Found, error) {
	all, err := h.readSources(ctx, c, store.SourceFilter{}, false)
	if err != nil {
		return nil, err
	}
	place := make(map[SourceID]string, len(all))
	for i := range all {
		place[all[i].ID] = all[i].Folder
		if all[i].Path != "" {
			place[all[i].ID] += "/" + string(all[i].Path)
		}
	}
	items := make([]Found, len(rows))
	for i := range rows {
		r := &rows[i]
		f := Found{
			List: r.List, Index: r.Index, Given: r.Given, Title: r.Title, State: FoundState(r.State), Reason: source.Reason(r.Reason),
			Text: r.Said, Source: r.Source, Place: place[r.Source], At: r.At,
		}
		if r.Dropped {
			f.State = FoundDropped
		}
		_ = json.Unmarshal([]byte(r.Address), &f.Address) // only the hub writes it
		items[i] = f
	}
	return items, nil
}

// CompleteFound adds what was missing to read a document, and has it checked again.
func (h *Hub) CompleteFound(ctx context.Context, c *havre.Caller, list string, index int, more source.Secrets) error {
	return h.editFound(ctx, c, list, []int{index}, func(f *store.Found) error {
		if f.State == string(FoundAdded) {
			return invalid("it is backed up already: change the secrets there")
		}
		var s sealedFound
		if err := h.vault.open("found "+string(c.User), f.Sealed, &s); err != nil {
			return oursToHavre(err)
		}
		before := s.Secrets.secrets()
		if more.User == "" && more.Password != "" {
			more.User = before.User // another password for the same name
		}
		s.Secrets = revealed(new(mergeSecrets(&more, &before)))
		s.At = h.now()
		if address := more.Address.Reveal(); address != "" {
			if kinds := candidatesOf(h.backups.registry.Recognise(address)); len(kinds) > 0 {
				s.Candidates = kinds
				var err error
				if f.Address, err = marshal(kinds[0].Address); err != nil {
					return err
				}
				f.Given = kinds[0].Address.URL
			}
		}
		var err error
		f.Sealed, err = h.vault.seal("found "+string(c.User), &s)
		f.State, f.Reason, f.Said, f.Dropped, f.Ask = string(FoundChecking), "", "", false, len(s.Candidates) > 0
		return err
	})
}

// DropFound takes addresses off the list of what is unresolved.
func (h *Hub) DropFound(ctx context.Context, c *havre.Caller, list string, indexes []int) error {
	return h.editFound(ctx, c, list, indexes, func(f *store.Found) error {
		f.Dropped, f.Wish = true, ""
		return nil
	})
}

// AddFound begins to back up documents of a list into the directory at the spot. Those that are still being checked
// follow when they turn out to be ready.
func (h *Hub) AddFound(ctx context.Context, c *havre.Caller, list string, indexes []int, at *Spot, how SourceHow) error {
	if err := mayAdd(at); err != nil {
		return err
	}
	wish, err := marshal(&foundWish{Folder: at.Folder.ID, Path: at.Path, How: how})
	if err != nil {
		return err
	}
	return h.editFound(ctx, c, list, indexes, func(f *store.Found) error {
		if f.State == string(FoundAdded) {
			return nil
		}
		if f.State == string(FoundKnown) {
			f.State = string(FoundReady) // into another directory, or it turns out to be known again
		}
		f.Wish, f.Dropped = wish, false
		return nil
	})
}

// editFound changes items of a list of the caller's, one after the other.
func (h *Hub) editFound(ctx context.Context, c *havre.Caller, list string, indexes []int, edit func(*store.Found) error) error {
	if _, _, err := h.store.FoundOf(ctx, c.User, list); err != nil {
		return err
	}
	if err := h.store.EditFound(ctx, list, indexes, edit); err != nil {
		return full(err)
	}
	h.backups.tell()
	h.backups.checkLists()
	return nil
}

// oursToHavre turns a failure of package source into one that the pages can show.
func oursToHavre(err error) error {
	if e, ok := errors.AsType[*source.Error](err); ok {
		return &havre.Error{Code: havre.CodeInvalid, Text: e.Text, Cause: e.Err}
	}
	return err
}
