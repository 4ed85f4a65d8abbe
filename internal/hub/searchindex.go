package hub

import (
	"context"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/havre-cloud/havre/svn"
)

// maxIndexed is how many entries of one folder are searched: some 100 MB.
const maxIndexed = 500_000

// indexLife is how long the names of a folder are kept in memory after the last search in it.
const indexLife = 20 * time.Minute

// names are the indexes for searching, made when somebody searches and dropped when nobody does.
type names struct {
	mu sync.Mutex // guards of, never held while one is read
	by map[string]*nameIndex
}

// nameIndex has the names of everything in one folder as of a revision, whoever may read what.
type nameIndex struct {
	mu    sync.Mutex // held by the one who brings it up to date
	rev   svn.Revnum // 0 when it is empty
	all   map[svn.Path]*indexed
	items []*indexed // those of all; never changed in place, so that it can be read without mu
	whole bool
	used  time.Time // guarded by names.mu
}

// indexed is one entry. It is never changed.
type indexed struct {
	path   svn.Path
	folded string // the name
	rev    svn.Revnum
	dir    bool
}

// of returns the entries of the folder of v at head, and whether these are all.
func (n *names) of(ctx context.Context, v *view, head svn.Revnum) ([]*indexed, bool, error) {
	key := v.folder.Location + "\x00" + string(v.abs(""))
	n.mu.Lock()
	if n.by == nil {
		n.by = map[string]*nameIndex{}
	}
	index := n.by[key]
	if index == nil {
		index = &nameIndex{}
		n.by[key] = index
	}
	index.used = time.Now()
	n.mu.Unlock()
	index.mu.Lock()
	defer index.mu.Unlock()
	if index.rev < head {
		// Who types on gives up the request, not the reading: the next one needs it too.
		if err := index.update(context.WithoutCancel(ctx), v, head); err != nil {
			*index = nameIndex{used: index.used}
			return nil, false, err
		}
	}
	return index.items, index.whole, nil
}

// sweep drops what nobody has searched since.
func (n *names) sweep(before time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for key, index := range n.by {
		if index.used.Before(before) {
			delete(n.by, key)
		}
	}
}

// maxTouched is after how many changed paths it costs less to read everything again.
const maxTouched = 5000

func (x *nameIndex) update(ctx context.Context, v *view, head svn.Revnum) error {
	touched, few, err := x.touched(ctx, v, head)
	if err != nil {
		return err
	}
	if x.rev == 0 || !few || !x.whole {
		x.all, x.whole = map[svn.Path]*indexed{}, true
		touched = map[svn.Path]bool{"": true}
	}
	x.remove(touched)
	for p := range touched {
		if above := p != "" && within(touched, p.Dir()); above {
			continue // read with what is above it
		}
		if err := x.read(ctx, v, p, head); err != nil {
			return err
		}
	}
	x.items = make([]*indexed, 0, len(x.all))
	for _, it := range x.all {
		x.items = append(x.items, it)
	}
	x.rev = head
	return nil
}

// touched returns the paths that changed since the index was made, directories that only contain a change
// left out.
func (x *nameIndex) touched(ctx context.Context, v *view, head svn.Revnum) (touched map[svn.Path]bool, few bool, err error) {
	touched = map[svn.Path]bool{}
	if x.rev == 0 {
		return touched, false, nil
	}
	root := v.abs("")
	for rev := x.rev + 1; rev <= head; rev++ {
		changes, err := v.repo.ledger.changes(ctx, rev)
		if err != nil {
			return nil, false, err
		}
		for i := range changes {
			c := &changes[i]
			if c.Kind == svn.KindDir && c.Action == svn.ActionModify {
				continue
			}
			if p, ok := v.rel(c.Path); ok {
				touched[p] = true
			} else if _, above := root.Rel(c.Path); above {
				return nil, false, nil // the folder itself came, went or was replaced
			}
		}
		if len(touched) > maxTouched {
			return nil, false, nil
		}
	}
	return touched, true, nil
}

// remove takes out what is at and below the paths.
func (x *nameIndex) remove(paths map[svn.Path]bool) {
	dirs := false
	for p := range paths {
		it := x.all[p]
		dirs = dirs || it != nil && it.dir
		delete(x.all, p)
	}
	if !dirs {
		return
	}
	for p := range x.all {
		if within(paths, p) {
			delete(x.all, p)
		}
	}
}

// read adds what is at and below p.
func (x *nameIndex) read(ctx context.Context, v *view, p svn.Path, head svn.Revnum) error {
	for n, err := range v.repo.Walk(ctx, v.abs(p), head, "") {
		if has[*svn.NotFoundError](err) || has[*svn.NotDirError](err) {
			return nil
		}
		if err != nil {
			return explain(err, p)
		}
		at, ok := v.rel(n.Path)
		if !ok || at == "" || isReserved(at) {
			continue
		}
		if len(x.all) >= maxIndexed {
			x.whole = false
			return nil
		}
		x.all[at] = &indexed{path: at, folded: FoldName(at.Name()), rev: n.CreatedRev, dir: n.Kind == svn.KindDir}
	}
	return nil
}

// letters that no decomposition turns into what people type.
var letters = strings.NewReplacer("œ", "oe", "æ", "ae", "ø", "o", "ł", "l", "đ", "d", "ß", "ss", "ı", "i", "’", "'", "\u00a0", " ", "\u202f", " ")

// FoldName returns the text without regard to case and accents, as names are looked for.
func FoldName(s string) string {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			s = norm.NFKD.String(s)
			s = strings.Map(func(r rune) rune {
				if unicode.Is(unicode.Mn, r) {
					return -1
				}
				return unicode.ToLower(r)
			}, s)
			return letters.Replace(s)
		}
	}
	return strings.ToLower(s)
}
