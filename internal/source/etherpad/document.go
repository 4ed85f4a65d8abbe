package etherpad

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/havre-cloud/havre/internal/source/etherpad/changeset"
)

// maxAuthors bounds the memory for authors. A pad takes 64 people at a time at most.
const maxAuthors = 100_000

// DefaultPause is the pause after which writing is a new session.
const DefaultPause = 30 * time.Minute

// span is where a record's value is in the file.
type span struct {
	off int64
	len int32
}

// entry is what is remembered of a revision.
type entry struct {
	span
	author         int32 // index of ids; 0 is nobody
	time           int64 // ms
	added, removed int32
	snapshot       bool // it has the whole text
}

// Document is an ".etherpad" file. What it remembers is 48 bytes for each revision; everything else it reads again when
// it is asked. It is safe for concurrent use.
type Document struct {
	r    io.ReaderAt
	size int64

	name    string
	at      span // the pad's record
	pad     pad
	authors map[string]Author
	ids     []string // of those who made a revision; the first is ""
	revs    []entry
	chats   []span

	mu   sync.Mutex
	last *changeset.Text // at revision lastRev: whoever looks at one revision looks at the next
	rev  int
}

// Open reads an ".etherpad" file and checks that it is complete: one pad, all revisions and chat messages, authors that are
// known to the pool, and that the revisions, one after the other, give the pad's text and every snapshot of it. The
// order of the records does not matter. What is wrong is a *RecordError. The file is read while the document is used.
func Open(r io.ReaderAt, size int64) (*Document, error) {
	d, err := scan(r, size)
	if err != nil {
		return nil, err
	}
	if err := d.replay(); err != nil {
		return nil, err
	}
	return d, d.checkChat()
}

// replay makes all changes, checks them, and remembers what they were.
func (d *Document) replay() error {
	var (
		w       = window{r: d.r, size: d.size}
		read    reader
		v       revision
		c       changeset.Changeset
		numbers = map[string]int32{"": 0}
		text    = changeset.New(d.pad.pool)
	)
	d.ids = []string{""}
	fail := func(rev int, problem string, err error) error {
		return &RecordError{Record: fmt.Sprintf("revs:%d", rev), Problem: problem, Err: err}
	}
	for rev := range d.revs {
		e := &d.revs[rev]
		raw, err := w.at(e.span)
		if err != nil {
			return err
		}
		if err := v.read(&read, raw); err != nil {
			return fail(rev, "it cannot be read", err)
		}
		n, ok := numbers[v.author]
		if !ok {
			if _, known := d.pad.pool.Number(changeset.Attrib{Key: "author", Value: v.author}); !known {
				return fail(rev, "its author is not in the pool", nil)
			}
			n = int32(len(d.ids))
			numbers[v.author] = n
			d.ids = append(d.ids, v.author)
		}
		if err := c.Parse(v.changeset); err != nil {
			return fail(rev, "its changeset is wrong", err)
		}
		if err := text.Apply(&c); err != nil {
			return fail(rev, "its changeset does not fit the text", err)
		}
		if v.snapshot {
			if err := text.Equal(v.text, v.attribs); err != nil {
				return fail(rev, "its snapshot is not what the changes give", err)
			}
		}
		added, removed := c.Inserted()
		e.author, e.time, e.added, e.removed, e.snapshot = n, v.time, int32(added), int32(removed), v.snapshot
	}
	if err := text.Equal(d.pad.text, d.pad.attribs); err != nil {
		return &RecordError{Record: "pad", Problem: "its text is not what the changes give", Err: err}
	}
	d.pad.text, d.pad.attribs = nil, nil
	d.last, d.rev = text, d.Head()
	return nil
}

func (d *Document) checkChat() error {
	w, read := window{r: d.r, size: d.size}, reader{}
	for i, s := range d.chats {
		raw, err := w.at(s)
		if err != nil {
			return err
		}
		if _, err := read.message(raw); err != nil {
			return &RecordError{Record: fmt.Sprintf("chat:%d", i), Problem: "it cannot be read", Err: err}
		}
	}
	return nil
}

// Name returns the pad's name, as the records have it. For a read-only export of 1.8.14 that is the name with which
// one can write.
func (d *Document) Name() string { return d.name }

// Head returns the number of the last revision.
func (d *Document) Head() int { return len(d.revs) - 1 }

// Size returns the size of the file in bytes.
func (d *Document) Size() int64 { return d.size }

// Pool returns the attributes, which are not to be changed.
func (d *Document) Pool() *changeset.Pool { return d.pad.pool }

// Public tells whether a group's pad may be read by everyone.
func (d *Document) Public() bool { return d.pad.public }

// Saved returns the revisions that were marked, in the order in which they were.
func (d *Document) Saved() []SavedRevision { return slices.Clone(d.pad.saved) }

// Authors returns everyone whom the file knows, by ID.
func (d *Document) Authors() map[string]Author {
	all := maps.Clone(d.authors)
	for _, id := range d.ids[1:] {
		if _, ok := all[id]; !ok {
			all[id] = Author{ID: id, Color: colour("")}
		}
	}
	return all
}

// ChatHead returns the number of the last chat message, -1 if there is none.
func (d *Document) ChatHead() int { return len(d.chats) - 1 }

// Chat returns all messages.
func (d *Document) Chat() ([]Message, error) {
	w, read := window{r: d.r, size: d.size}, reader{}
	all := make([]Message, 0, len(d.chats))
	for _, s := range d.chats {
		raw, err := w.at(s)
		if err != nil {
			return nil, err
		}
		m, err := read.message(raw)
		if err != nil {
			return nil, err
		}
		if m.Name == "" {
			m.Name = d.authors[m.Author].Name
		}
		all = append(all, m)
	}
	return all, nil
}

// Change returns what is known of a revision, from memory.
func (d *Document) Change(rev int) Change {
	e := &d.revs[rev]
	return Change{Rev: rev, Author: d.ids[e.author], Time: millis(e.time), Added: int(e.added), Removed: int(e.removed)}
}

// Changes returns what is known of the revisions from up to and with to, from memory.
func (d *Document) Changes(from, to int) iter.Seq[Change] {
	return func(yield func(Change) bool) {
		for rev := max(from, 0); rev <= min(to, d.Head()); rev++ {
			if !yield(d.Change(rev)) {
				return
			}
		}
	}
}

// Revisions returns the revisions from up to and with to, read from the file.
func (d *Document) Revisions(from, to int) iter.Seq2[Revision, error] {
	return func(yield func(Revision, error) bool) {
		w, read, v := window{r: d.r, size: d.size}, reader{}, revision{}
		for c := range d.Changes(from, to) {
			raw, err := w.at(d.revs[c.Rev].span)
			if err == nil {
				err = v.read(&read, raw)
			}
			if err != nil {
				yield(Revision{}, err)
				return
			}
			if !yield(Revision{Change: c, Changeset: changeset.Decode(v.changeset)}, nil) {
				return
			}
		}
	}
}

// RevAt returns the last revision that was made at or before a time, -1 if there is none.
func (d *Document) RevAt(t time.Time) int {
	ms := t.UnixMilli()
	for rev := d.Head(); rev >= 0; rev-- { // clocks have been set back: the times need not be in order
		if d.revs[rev].time <= ms {
			return rev
		}
	}
	return -1
}

// Sessions divides the history where nobody wrote for longer than pause, DefaultPause if it is 0.
func (d *Document) Sessions(pause time.Duration) []Session {
	if pause <= 0 {
		pause = DefaultPause
	}
	var all []Session
	seen := make([]int, len(d.ids)) // the number of the session, from 1, in which an author was last
	for c := range d.Changes(0, math.MaxInt) {
		if n := len(all); n == 0 || c.Time.Sub(all[n-1].End) > pause {
			all = append(all, Session{From: c.Rev, Start: c.Time, End: c.Time})
		}
		s := &all[len(all)-1]
		s.To = c.Rev
		if c.Time.After(s.End) {
			s.End = c.Time
		}
		s.Added += c.Added
		s.Removed += c.Removed
		if author := d.revs[c.Rev].author; author != 0 && seen[author] != len(all) {
			seen[author] = len(all)
			s.Authors = append(s.Authors, c.Author)
		}
	}
	return all
}

// ErrNoRevision is the error for a revision that a document does not have.
var ErrNoRevision = errors.New("there is no such revision")

// TextAt returns the text as it was after a revision. The first character of a line with a list or heading is a "*".
func (d *Document) TextAt(rev int) (string, error) {
	var text string
	err := d.look(rev, func(t *changeset.Text) { text = t.String() })
	return text, err
}

// AText returns the text with its attributes as it was after a revision. It is the caller's.
func (d *Document) AText(rev int) (*changeset.Text, error) {
	var text *changeset.Text
	err := d.look(rev, func(t *changeset.Text) { text = t.Clone() })
	return text, err
}

// look calls f with the text after a revision.
func (d *Document) look(rev int, f func(*changeset.Text)) error {
	if rev < 0 || rev > d.Head() {
		return fmt.Errorf("revision %d: %w", rev, ErrNoRevision)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.seek(rev, nil); err != nil {
		d.last = nil
		return err
	}
	f(d.last)
	return nil
}

// seek makes d.last the text at a revision: from the snapshot before it, or from where it was. removed is called with what
// the revision itself removes.
func (d *Document) seek(rev int, removed func(int, []uint16, []int32)) error {
	w, read, v := window{r: d.r, size: d.size}, reader{}, revision{}
	load := func(rev int) error {
		raw, err := w.at(d.revs[rev].span)
		if err == nil {
			err = v.read(&read, raw)
		}
		if err != nil {
			err = &RecordError{Record: fmt.Sprintf("revs:%d", rev), Problem: "it cannot be read", Err: err}
		}
		return err
	}
	start := rev // the revision at which one can begin
	if removed != nil {
		start--
	}
	for start >= 0 && !d.revs[start].snapshot && (d.last == nil || d.rev != start) {
		start--
	}
	switch {
	case start >= 0 && d.last != nil && d.rev == start:
	case start >= 0:
		if err := load(start); err != nil {
			return err
		}
		t, err := changeset.FromUnits(v.text, v.attribs, d.pad.pool)
		if err != nil {
			return &RecordError{Record: fmt.Sprintf("revs:%d", start), Problem: "its snapshot is wrong", Err: err}
		}
		d.last = t
	default:
		d.last = changeset.New(d.pad.pool)
	}
	var c changeset.Changeset
	for d.rev = start; d.rev < rev; d.rev++ {
		next := d.rev + 1
		err := load(next)
		if err == nil {
			err = c.Parse(v.changeset)
		}
		if err == nil {
			f := removed
			if next != rev {
				f = nil
			}
			err = d.last.ApplyFunc(&c, f)
		}
		if err != nil {
			return &RecordError{Record: fmt.Sprintf("revs:%d", next), Problem: "it does not fit the text", Err: err}
		}
	}
	return nil
}

// Removal is a part of the text that a revision took away.
type Removal struct {
	Offset int // where it was, in UTF-16 code units of the text after the revision
	Text   string
	Author string // ID of who had written it
}

// Removals returns what a revision took away.
func (d *Document) Removals(rev int) ([]Removal, error) {
	if rev < 0 || rev > d.Head() {
		return nil, fmt.Errorf("revision %d: %w", rev, ErrNoRevision)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []Removal
	var units []uint16 // of the last one
	flush := func() {
		if n := len(all); n > 0 {
			all[n-1].Text = changeset.Decode(units)
		}
		units = units[:0]
	}
	err := d.seek(rev, func(offset int, text []uint16, attribs []int32) {
		r := Removal{Offset: offset, Author: authorOf(d.pad.pool, attribs)}
		if n := len(all); n == 0 || all[n-1].Offset != offset || all[n-1].Author != r.Author {
			flush()
			all = append(all, r)
		}
		units = append(units, text...)
	})
	if err != nil {
		d.last = nil
		return nil, err
	}
	flush()
	return all, nil
}

func authorOf(pool *changeset.Pool, attribs []int32) string {
	for _, n := range attribs {
		if a, _ := pool.Attrib(int(n)); a.Key == "author" {
			return a.Value
		}
	}
	return ""
}
