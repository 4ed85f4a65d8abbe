package hub

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// SearchQuery is what a person looks for.
type SearchQuery struct {
	Text   string // words in any order; empty: what changed last
	Folder string // the name of the only folder to look in; all if empty
	Limit  int    // how many hits at most
}

// SearchHit is something whose name was looked for.
type SearchHit struct {
	Folder  string
	Path    svn.Path
	Dir     bool
	Changed Act
	// Deleted: it is not there any more; Changed says who deleted it.
	Deleted bool
	Write   bool // the caller may bring it back

	score int
}

// Name is the last part of the path; of a folder itself, its name.
func (s *SearchHit) Name() string {
	if s.Path == "" {
		return s.Folder
	}
	return s.Path.Name()
}

// SearchResult is what was found, the best first.
type SearchResult struct {
	Hits    []SearchHit
	Deleted []SearchHit // the last deleted first
	More    bool        // there are more hits than asked for
	Partial bool        // a folder has more entries than are searched
}

// maxQuery is the length in bytes of what is looked for; the rest is left out.
const maxQuery = 200

// maxDeletedHits is how many deleted entries an answer has.
const maxDeletedHits = 5

// Search looks for names in everything that the caller may read. What is deleted is only looked for by
// name.
func (h *Hub) Search(ctx context.Context, c *havre.Caller, q SearchQuery) (*SearchResult, error) {
	text := q.Text
	if len(text) > maxQuery {
		text = strings.ToValidUTF8(text[:maxQuery], "")
	}
	want := split(text)
	folders, err := h.Folders(ctx, c)
	if err != nil {
		return nil, err
	}
	result := &SearchResult{}
	best := &bestHits{limit: max(q.Limit, 1)}
	for i := range folders {
		if q.Folder != "" && folders[i].Name != q.Folder {
			continue
		}
		here := best
		if len(want.words) == 0 {
			here = &bestHits{limit: best.limit} // revisions of different folders do not compare
		}
		if err := h.searchFolder(ctx, c, &folders[i], want, here, result); err != nil {
			return nil, err
		}
		if here != best {
			best.merge(here)
		}
	}
	result.Hits, result.More = best.list, best.more
	slices.SortStableFunc(result.Deleted, func(a, b SearchHit) int { return b.Changed.Time.Compare(a.Changed.Time) })
	result.Deleted = result.Deleted[:min(len(result.Deleted), maxDeletedHits)]
	return result, nil
}

// wanted is what is looked for, as names are compared with it.
type wanted struct {
	words  []string
	inside []string // the words with a space before them
	whole  string
}

// split reads a query.
func split(query string) *wanted {
	w := &wanted{words: strings.Fields(FoldName(query))}
	for _, word := range w.words {
		w.inside = append(w.inside, " "+word)
	}
	w.whole = strings.Join(w.words, " ")
	return w
}

func (h *Hub) searchFolder(ctx context.Context, c *havre.Caller, f *havre.Folder, want *wanted, best *bestHits, result *SearchResult) error {
	v, err := h.view(ctx, c, havre.Scope{Folder: f.ID})
	if err != nil {
		if code := havre.CodeOf(err); code == havre.CodeDenied || code == havre.CodeNotFound {
			return nil // it went between the list and the look
		}
		return err
	}
	head, err := v.repo.Youngest(ctx)
	if err != nil {
		return err
	}
	items, whole, err := h.names.of(ctx, v, head)
	if err != nil {
		return err
	}
	result.Partial = result.Partial || !whole
	for _, it := range items {
		score, ok := it.match(want)
		if !ok || !best.wants(score) || !v.reach.sees(v.inFolder(it.path), it.dir) {
			continue
		}
		if len(want.words) == 0 && !v.reach.reads(v.inFolder(it.path)) {
			continue // a directory on the way to something else tells nothing of when it changed
		}
		best.add(SearchHit{Folder: f.Name, Path: it.path, Dir: it.dir, Changed: Act{Rev: it.rev}, score: score})
	}
	best.finish()
	for i := range best.list {
		hit := &best.list[i]
		if hit.Folder != f.Name || !hit.Changed.Time.IsZero() || !v.reach.reads(v.inFolder(hit.Path)) {
			continue
		}
		if hit.Changed, err = v.repo.ledger.act(ctx, hit.Changed.Rev); err != nil {
			return err
		}
	}
	if len(want.words) == 0 {
		return nil
	}
	deleted, err := v.searchDeleted(ctx, want.words, head)
	for i := range deleted {
		deleted[i].Folder = f.Name
	}
	result.Deleted = append(result.Deleted, deleted...)
	return err
}

// maxDeletedLooks bounds how many deletions of one folder are looked at, the last first.
const maxDeletedLooks = 50_000

// searchDeleted finds what was deleted under a name with these words and is not back.
func (v *view) searchDeleted(ctx context.Context, words []string, head svn.Revnum) ([]SearchHit, error) {
	var list []SearchHit
	looks := 0
	seen := map[svn.Path]bool{}
	for e, err := range v.repo.ledger.down(ctx, head, 1) {
		if err != nil {
			return nil, err
		}
		for i := range e.changes {
			c := &e.changes[i]
			if c.Action != svn.ActionDelete {
				continue
			}
			if looks++; looks > maxDeletedLooks {
				return list, nil
			}
			p, ok := v.rel(c.Path)
			if !ok || p == "" || isReserved(p) || seen[p] || !containsAll(FoldName(p.Name()), words) || v.movedAway(e, c.Path) || !v.reach.reads(v.inFolder(p)) {
				continue
			}
			seen[p] = true
			d, err := v.deletion(ctx, e, p, head)
			if err != nil {
				return nil, explain(err, p)
			}
			if d == nil || d.Back {
				continue
			}
			list = append(list, SearchHit{Path: p, Dir: d.Dir, Changed: d.Act, Deleted: true, Write: v.right(p) >= havre.RightWrite})
			if len(list) == maxDeletedHits {
				return list, nil
			}
		}
	}
	return list, nil
}

// bestHits keeps the hits with the highest scores.
type bestHits struct {
	limit int
	list  []SearchHit // some more than the limit, in any order until finish
	floor int         // the score below which a hit is not wanted any more, once there were enough
	more  bool
}

// surplus is how many hits more than wanted are gathered before the worst go.
const surplus = 1000

// wants says whether a hit with the score would be kept.
func (b *bestHits) wants(score int) bool {
	if score > b.floor || b.floor == 0 {
		return true
	}
	b.more = true
	return false
}

func (b *bestHits) add(hit SearchHit) {
	b.list = append(b.list, hit)
	if len(b.list) >= b.limit+surplus {
		b.finish()
		b.floor = b.list[b.limit-1].score
	}
}

// finish sorts, the best first, and leaves out what is too much.
func (b *bestHits) finish() {
	slices.SortFunc(b.list, func(a, x SearchHit) int {
		return cmp.Or(cmp.Compare(x.score, a.score), cmp.Compare(len(a.Path), len(x.Path)), a.Path.Compare(x.Path))
	})
	b.more = b.more || len(b.list) > b.limit
	b.list = b.list[:min(len(b.list), b.limit)]
}

// merge adds what was found in another folder, by when it changed.
func (b *bestHits) merge(other *bestHits) {
	b.list = append(b.list, other.list...)
	slices.SortStableFunc(b.list, func(a, x SearchHit) int { return x.Changed.Time.Compare(a.Changed.Time) })
	b.more = b.more || other.more || len(b.list) > b.limit
	b.list = b.list[:min(len(b.list), b.limit)]
}

// match says whether the entry has all the words, one of them in its name and the others at least in its
// path, and how well it fits: a name that begins with the first word, then words that begin where
// the query's do, then names before paths, then what changed last.
func (it *indexed) match(want *wanted) (score int, ok bool) {
	const scale = 1 << 40 // above any revision
	words := want.words
	if len(words) == 0 {
		return int(it.rev), !it.dir
	}
	inName, starts := 0, 0
	for k, w := range words {
		i := strings.Index(it.folded, w)
		if i < 0 {
			continue
		}
		inName++
		if i == 0 || !isLetter(it.folded[i-1]) || strings.Contains(it.folded, want.inside[k]) {
			starts++
		}
	}
	if inName == 0 || inName < len(words) && !containsAll(FoldName(string(it.path)), words) {
		return 0, false
	}
	if strings.HasPrefix(it.folded, words[0]) {
		score += 8
	}
	score += 4 * starts / len(words)
	if inName == len(words) {
		score += 16
	}
	if it.folded == want.whole {
		score += 32
	}
	return score*scale + int(it.rev), true
}

func isLetter(b byte) bool { return b >= 'a' && b <= 'z' || b >= '0' && b <= '9' || b >= 0x80 }

func containsAll(s string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(s, w) {
			return false
		}
	}
	return true
}
