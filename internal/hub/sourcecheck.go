package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/source"
	"github.com/havre-cloud/havre/internal/store"
)

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
		if err := b.settle(ctx, f, &r, why, said{}); err != nil {
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
			if moved[i], err = b.askInstance(ctx, &waiting[i]); moved[i] {
				poke(b.lists) // somebody may have said meanwhile where it is to go
			}
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
		return true, b.settle(ctx, f, nil, err, said{})
	}
	var worst error
	for i := range s.Candidates {
		r := s.Candidates[i].recognised(&s.Secrets)
		p, ok := b.registry.Provider(r.Address.Kind)
		if !ok {
			continue
		}
		got, told, err := b.ask(ctx, p, r, f.Index)
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		if err == nil {
			return true, b.settle(ctx, f, &got, nil, told)
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
	return true, b.settle(ctx, f, nil, worst, said{})
}

// said is what is told of an address that is fine.
type said struct {
	reason source.Reason // that the instance does not answer now, and is asked again when it is backed up
	text   string
}

// ask asks an instance what an address is, and whether there is anything at it.
func (b *backups) ask(ctx context.Context, p source.Provider, r source.Recognised, index int) (source.Recognised, said, error) {
	finder, finds := p.(source.Finder)
	certain := r.Likelihood == source.Certain && r.Secrets.Address == "" && r.Address.Collection == ""
	err := error(nil)
	switch {
	case !certain:
		r, err = p.Probe(ctx, b.theClient(), r)
	case !finds && index < maxLooks:
		_, err = p.Probe(ctx, b.theClient(), r)
	}
	if err == nil && r.Address.Collection != "" {
		return b.tryList(ctx, p, r)
	}
	if err == nil && finds && index < maxLooks && b.theClient().Spare(r.Address.Instance) {
		certain, err = true, finder.Find(ctx, b.theClient(), r)
	}
	if e, ok := asSource(err); ok && certain && (e.Reason == source.ReasonDown || e.Reason == source.ReasonLimited) {
		return r, said{e.Reason, e.Text}, nil // what it is, is known
	}
	return r, said{}, err
}

// tryList finds out whether what opens a collection is right, and how much is in it.
func (b *backups) tryList(ctx context.Context, p source.Provider, r source.Recognised) (source.Recognised, said, error) {
	lister, ok := p.(source.Lister)
	if !ok {
		return r, said{}, source.Errorf(source.ReasonForbidden, "documents of this kind cannot be listed")
	}
	var n int
	err := guarded(func() error {
		all, err := lister.List(ctx, b.theClient(), source.Document{Address: r.Address, Secrets: r.Secrets})
		n = len(all)
		return err
	})
	if n == 1 {
		return r, said{text: "1 document"}, err
	}
	return r, said{text: fmt.Sprintf("%d documents", n)}, err
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

// settle stores what was found out about an item: that it can be backed up as r, whether it is, and what is told of it; or why
// not.
func (b *backups) settle(ctx context.Context, f *store.Found, r *source.Recognised, why error, told said) error {
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
		state, id, text, err := b.resolve(ctx, f, r)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if text != "" {
			told = said{text: text}
		}
		if err != nil { // it must not hold up those behind it
			e, ok := asSource(oursOf(err))
			if !ok {
				b.log.LogAttrs(ctx, slog.LevelError, "a document was not added", slog.Any("error", err))
				e = source.Errorf(source.ReasonOurs, "it failed on the server: the administrator finds why in the log")
			}
			state, told = FoundNone, said{text: e.Text}
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
			into.State, into.Reason, into.Said, into.Source = string(state), string(told.reason), told.text, id
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
