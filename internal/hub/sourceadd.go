package hub

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

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
		item, err := h.foundItem(c, found[i].Kinds, &sealedFound{Given: found[i].Address().URL}, nil)
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
		kinds := h.backups.registry.Recognise(w.URL)
		if len(kinds) == 0 {
			kinds = source.WholeInstance(w.URL, w.Secrets)
		}
		item, err := h.foundItem(c, kinds, &sealedFound{Given: w.URL, Secrets: revealed(&w.Secrets)}, wish)
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

// foundItem makes an item of what an address could be.
func (h *Hub) foundItem(c *havre.Caller, kinds []source.Recognised, s *sealedFound, wish *foundWish) (*store.Found, error) {
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
	item.Ask = mustAsk(s)
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
// only, as polls are by that of their administration, is known to the instance alone.
func mustAsk(s *sealedFound) bool {
	return len(s.Candidates) > 0 && (s.Candidates[0].Likelihood != source.Certain || s.Candidates[0].Secrets.Address != "" || s.Secrets.Address != "")
}

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
		f.State, f.Reason, f.Said, f.Dropped, f.Ask = string(FoundChecking), "", "", false, mustAsk(&s)
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

// listEvery is how often lists are looked at that another process changed, and addresses tried again whose instance
// did not answer.
const listEvery = 30 * time.Second

// checkers is how many addresses are checked at once.
const checkers = 8

// checkAddresses does what waits on lists, until ctx is done: what has to be asked of instances apart from what is
// known by itself, so that no instance holds up what does not depend on it.
func (b *backups) checkAddresses(ctx context.Context) error {
	var both errgroup.Group
	both.Go(func() error { return b.checkLoop(ctx, b.lists, b.checkForms) })
	both.Go(func() error { return b.checkLoop(ctx, b.asks, b.askInstances) })
	return both.Wait()
}

// checkLoop checks again and again as long as there is more, then when it is woken.
func (b *backups) checkLoop(ctx context.Context, woken <-chan struct{}, check func(context.Context) (more bool, err error)) error {
	tick := time.NewTicker(listEvery)
	defer tick.Stop()
	for {
		more, err := check(ctx)
		if err != nil && ctx.Err() == nil {
			b.log.LogAttrs(ctx, slog.LevelError, "addresses of documents not checked", slog.Any("error", err))
		}
		if more && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-woken:
		}
	}
}

// checkForms finishes items for which nobody has to be asked.
func (b *backups) checkForms(ctx context.Context) (bool, error) {
	waiting, err := b.hub.store.FoundToDo(ctx, false, 500)
	if err != nil || len(waiting) == 0 {
		return false, err
	}
	for i := range waiting {
		f := &waiting[i]
		var s sealedFound
		why := b.hub.vault.open("found "+string(f.User), f.Sealed, &s)
		if why == nil && len(s.Candidates) == 0 {
			why = source.Errorf(source.ReasonAddress, "this is no address of a pad, a poll or a sheet")
		}
		var r source.Recognised
		if why == nil {
			r = s.Candidates[0].recognised(&s.Secrets)
		}
		if err := b.settle(ctx, f, &r, why); err != nil {
			return false, err
		}
		b.tell()
	}
	return true, nil
}

// askInstances asks instances what addresses are, of several at once.
func (b *backups) askInstances(ctx context.Context) (bool, error) {
	waiting, err := b.hub.store.FoundToDo(ctx, true, 200)
	if err != nil || len(waiting) == 0 {
		return false, err
	}
	var g errgroup.Group
	g.SetLimit(checkers)
	moved := make([]bool, len(waiting))
	for i := range waiting {
		g.Go(func() error {
			var err error
			moved[i], err = b.askInstance(ctx, &waiting[i])
			b.tell()
			return err
		})
	}
	err = g.Wait()
	return slices.Contains(moved, true), err
}

// maxAsking is how long an instance that does not answer is asked for an address again and again.
const maxAsking = 10 * time.Minute

// askInstance asks the instance what an address is, and says whether something came out of it.
func (b *backups) askInstance(ctx context.Context, f *store.Found) (bool, error) {
	var s sealedFound
	if err := b.hub.vault.open("found "+string(f.User), f.Sealed, &s); err != nil {
		return true, b.settle(ctx, f, nil, err)
	}
	var worst error
	for i := range s.Candidates {
		r := s.Candidates[i].recognised(&s.Secrets)
		p, ok := b.registry.Provider(r.Address.Kind)
		if !ok {
			continue
		}
		got, err := p.Probe(ctx, b.theClient(), r)
		if err == nil {
			return true, b.settle(ctx, f, &got, nil)
		}
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		if worst == nil || reasonOf(worst) == source.ReasonForeign {
			worst = err
		}
	}
	if worst == nil {
		worst = source.Errorf(source.ReasonAddress, "this is no address of a pad, a poll or a sheet")
	}
	if again := reasonOf(worst); (again == source.ReasonLimited || again == source.ReasonDown) && b.hub.now().Sub(s.At) < maxAsking {
		return false, b.stillAsking(ctx, f, worst)
	}
	return true, b.settle(ctx, f, nil, worst)
}

// stillAsking says of an item why it is not known yet what it is.
func (b *backups) stillAsking(ctx context.Context, f *store.Found, why error) error {
	e, ok := asSource(why)
	if !ok || f.Said == e.Text {
		return nil
	}
	return b.hub.store.EditFound(ctx, f.List, []int{f.Index}, func(into *store.Found) error {
		if into.Sealed == f.Sealed {
			into.Reason, into.Said = string(e.Reason), e.Text
		}
		return nil
	})
}

func reasonOf(err error) source.Reason {
	if e, ok := errors.AsType[*source.Error](err); ok {
		return e.Reason
	}
	return ""
}

// settle stores what was found out about an item: that it can be backed up as r, and whether it is, or why not.
func (b *backups) settle(ctx context.Context, f *store.Found, r *source.Recognised, why error) error {
	edit := func(into *store.Found) {}
	if why != nil {
		state, text := FoundNone, "it failed for a reason that is not known"
		if e, ok := errors.AsType[*source.Error](why); ok {
			text = e.Text
		}
		switch reasonOf(why) {
		case source.ReasonPassword, source.ReasonPrivate, source.ReasonHidden:
			state = FoundNeeds
		}
		edit = func(into *store.Found) {
			into.State, into.Reason, into.Said = string(state), string(reasonOf(why)), text
		}
	} else {
		state, id, said, err := b.resolve(ctx, f, r)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil { // it must not hold up those behind it
			e, ok := asSource(oursOf(err))
			if !ok {
				b.log.LogAttrs(ctx, slog.LevelError, "a document was not added", slog.Any("error", err))
				e = source.Errorf(source.ReasonOurs, "it failed on the server: the administrator finds why in the log")
			}
			state, said = FoundNone, e.Text
		}
		address, err := marshal(r.Address)
		if err != nil {
			return err
		}
		sealed, err := b.hub.vault.seal("found "+string(f.User), &sealedFound{
			Given: r.Address.URL, At: b.hub.now(), Candidates: []foundCandidate{{r.Address, revealed(&r.Secrets), source.Certain}},
		})
		if err != nil {
			return err
		}
		edit = func(into *store.Found) {
			into.State, into.Reason, into.Said, into.Source = string(state), "", said, id
			into.Address, into.Given, into.Sealed, into.Ask = address, r.Address.URL, sealed, false
			if state != FoundReady {
				into.Wish = ""
			}
		}
	}
	return b.hub.store.EditFound(ctx, f.List, []int{f.Index}, func(into *store.Found) error {
		if into.Sealed == f.Sealed { // else a person has changed it since
			edit(into)
		}
		return nil
	})
}

// resolve says what becomes of a document that can be backed up, and backs it up if somebody said where.
func (b *backups) resolve(ctx context.Context, f *store.Found, r *source.Recognised) (FoundState, SourceID, string, error) {
	h := b.hub
	caller, err := b.callerOf(ctx, f.User)
	if err != nil {
		return FoundNone, "", "", err
	}
	if f.Wish == "" {
		known, err := h.store.SourcesOf(ctx, string(r.Address.Kind), r.Address.Instance, r.Address.Name, r.Address.Collection)
		if err != nil {
			return FoundNone, "", "", err
		}
		for i := range known {
			if _, err := h.Source(ctx, caller, known[i].ID); err == nil {
				return FoundKnown, known[i].ID, "", nil
			}
		}
		return FoundReady, "", "", nil
	}
	var wish foundWish
	if err := json.Unmarshal([]byte(f.Wish), &wish); err != nil {
		return FoundNone, "", "", err
	}
	added, err := b.add(ctx, caller, &wish, r, "")
	switch code := havre.CodeOf(err); {
	case err == nil:
		return FoundAdded, added.ID, "", nil
	case code == havre.CodeExists && added != nil:
		return FoundKnown, added.ID, "", nil
	case code != havre.CodeInternal:
		e, _ := errors.AsType[*havre.Error](err)
		return FoundNone, "", e.Text, nil
	}
	return FoundNone, "", "", err
}

// add stores a new source. If the directory has it already it is returned with havre.CodeExists.
func (b *backups) add(ctx context.Context, c *havre.Caller, wish *foundWish, r *source.Recognised, parent SourceID) (*store.Source, error) {
	h := b.hub
	if _, reach, err := h.access.of(ctx, c.User, wish.Folder); err != nil {
		return nil, err
	} else if reach.right(wish.Path) < havre.RightWrite {
		return nil, denied("you may not write here: ask who manages the folder")
	}
	p, ok := b.registry.Provider(r.Address.Kind)
	if !ok {
		return nil, invalid("this server does not know documents of this kind")
	}
	n := store.Source{
		ID: store.NewSourceID(), Folder: wish.Folder, Path: wish.Path, Kind: string(r.Address.Kind), Instance: r.Address.Instance,
		Document: r.Address.Name, Collection: r.Address.Collection, URL: r.Address.URL, Name: wish.Name, Parent: parent, User: c.User,
	}
	if _, follows := p.(source.Follower); follows && n.Collection == "" {
		n.Live = wish.How.Live
	}
	if n.Live {
		if err := h.mayFollowMore(ctx); err != nil {
			return nil, err
		}
	}
	if there, err := h.store.SourceOf(ctx, &n); err == nil {
		return &there, havre.Errorf(havre.CodeExists, "this document is backed up into this directory already")
	}
	item := source.Item{Address: r.Address}
	item.History.Every = wish.How.Schedule
	var err error
	if n.Item, err = marshal(&item); err != nil {
		return nil, err
	}
	if n.Sealed, n.SecretKinds, err = h.vault.sealSecrets(n.ID, &r.Secrets); err != nil {
		return nil, err
	}
	added, err := h.store.AddSource(ctx, actor(c), n)
	b.wake()
	return added, full(err)
}

func (h *Hub) mayFollowMore(ctx context.Context) error {
	n, err := h.store.CountLive(ctx)
	if err == nil && n >= maxLive {
		err = havre.Errorf(havre.CodeFull, "%d documents are followed live already, which is the limit: add it without, or stop following another", n)
	}
	return err
}
