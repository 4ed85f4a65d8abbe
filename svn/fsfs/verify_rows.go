package fsfs

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// RowError says what is wrong with a row of db/rep-cache.db. No contents are damaged by it; but Subversion's programs
// refuse commits, or make revisions that cannot be read, when they come upon it.
type RowError struct {
	Row    SharedRep
	Reason string
	Err    error // may be nil
}

func (e *RowError) Error() string {
	text := fmt.Sprintf("db/rep-cache.db: the row %x (revision %d, offset %d, size %d, expanded_size %d): %s",
		e.Row.SHA1, e.Row.Rev, e.Row.Item, e.Row.Size, e.Row.Expanded, e.Reason)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *RowError) Unwrap() error { return e.Err }

// VerifyRepCache looks at each row of db/rep-cache.db: what it names has to be a representation of the size that it says,
// in a revision that exists, which expands to the size that it says. The contents are not read. It does nothing
// without Options.RepCache.
//
// wrong is called with a *RowError for each row that is wrong, and with a *RepCacheError if the database cannot be read. What
// it returns ends the verification, and is returned. rows is how many were looked at.
func (r *Repository) VerifyRepCache(ctx context.Context, wrong func(error) error) (rows int64, err error) {
	if r.notes.make == nil || r.format.Load().number < 4 {
		return 0, nil
	}
	if err := r.usable(ctx); err != nil {
		return 0, err
	}
	cache, err := r.notes.make()
	if err == nil {
		defer func() { _ = cache.Close() }() // it was only read
		var stop error
		err = cache.All(ctx, func(row SharedRep, malformed string) error {
			rows++
			stop = ctx.Err()
			if bad := r.verifyRow(row, malformed); bad != nil && stop == nil {
				stop = wrong(bad)
			}
			return stop
		})
		if stop != nil {
			return rows, stop
		}
	}
	if ctx.Err() != nil {
		return rows, ctx.Err()
	}
	if err != nil {
		return rows, wrong(&RepCacheError{Dir: r.dir, Err: err})
	}
	return rows, nil
}

// verifyRow returns what is wrong with a row: a *RowError, or nil.
func (r *Repository) verifyRow(row SharedRep, malformed string) error {
	bad := &RowError{Row: row}
	if malformed != "" {
		bad.Reason = "is none: " + malformed
		return bad
	}
	if row.Rev < 0 || row.Item < 0 || row.Size < 0 || row.Expanded < 0 {
		bad.Reason = "has negative numbers, or what is no number"
		return bad
	}
	if int64(row.Rev) > r.youngest.Load() {
		// It may be of a commit that was made while this goes on.
		youngest, err := r.readCurrent()
		if err != nil || row.Rev > youngest {
			bad.Reason, bad.Err = fmt.Sprintf("the youngest revision is r%d (was the repository brought back from a backup?)", youngest), err
			return bad
		}
	}
	p := &rep{at: itemID{row.Rev, row.Item}, size: row.Size, expanded: row.Expanded}
	ok, err := r.isRep(p, []itemType{itemFileRep, itemDirRep, itemFileProps, itemDirProps})
	switch {
	case err != nil:
		bad.Reason, bad.Err = "what it names cannot be read", err
		return bad
	case !ok:
		bad.Reason = "there is no representation of this size"
		return bad
	}
	expanded, err := r.expandedSize(p)
	switch {
	case err != nil:
		bad.Reason, bad.Err = "what it names cannot be read", err
		return bad
	case expanded != row.Expanded:
		bad.Reason = fmt.Sprintf("the representation expands to %d bytes", expanded)
		return bad
	}
	return nil
}

// expandedSize returns to how many bytes a representation expands, without reading them.
func (r *Repository) expandedSize(p *rep) (int64, error) {
	f, err := r.acquire(p.at.rev)
	if err != nil {
		return 0, err
	}
	h, body, at, err := r.openRep(f, p.at, p.size)
	if err != nil || h.plain {
		f.release()
		return p.size, err
	}
	var c chain
	defer c.close()
	c.add(f, at, p.size, body)
	l := c.links[0]
	total := int64(0)
	for {
		window, err := l.decoder.Next()
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err == nil {
			total += int64(window.TargetLen)
			err = l.decoder.SkipWindow()
		}
		if err != nil {
			return 0, l.corrupt(err)
		}
	}
}
