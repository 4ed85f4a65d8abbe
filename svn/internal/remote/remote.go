// Package remote is what the clients of Subversion's servers have in common, whatever protocol they speak.
package remote

import (
	"context"
	"errors"
	"iter"
	"strings"
	"sync"
	"time"

	"github.com/havre-cloud/havre/svn"
)

// List yields the entries of a directory, as svn.Repository.List does.
func List(entries func() ([]*svn.Node, error)) iter.Seq2[*svn.Node, error] {
	return func(yield func(*svn.Node, error) bool) {
		nodes, err := entries()
		if err != nil {
			yield(nil, err)
			return
		}
		for _, n := range nodes {
			if !yield(n, nil) {
				return
			}
		}
	}
}

// Walk yields the node at path and what is below it, as svn.Repository.Walk does, with a question for each directory.
func Walk(path, after svn.Path, stat func() (*svn.Node, error), entries func(dir svn.Path) ([]*svn.Node, error)) iter.Seq2[*svn.Node, error] {
	return func(yield func(*svn.Node, error) bool) {
		n, err := stat()
		if err != nil {
			yield(nil, err)
			return
		}
		if after == "" || path.Compare(after) > 0 {
			if !yield(n, nil) {
				return
			}
		}
		if n.Kind == svn.KindDir {
			walkDir(path, after, entries, yield)
		}
	}
}

// walkDir yields what is in a directory, as far as it comes behind after.
func walkDir(dir, after svn.Path, entries func(svn.Path) ([]*svn.Node, error), yield func(*svn.Node, error) bool) bool {
	nodes, err := entries(dir)
	if err != nil {
		yield(nil, err)
		return false
	}
	for _, n := range nodes {
		if after == "" || n.Path.Compare(after) > 0 {
			if !yield(n, nil) {
				return false
			}
		} else if _, within := after.Rel(n.Path); !within {
			continue // all of it comes before
		}
		if n.Kind == svn.KindDir && !walkDir(n.Path, after, entries, yield) {
			return false
		}
	}
	return true
}

// TellYoungest makes an error that names a revision which is not there tell the youngest one, if that can be had.
func TellYoungest(ctx context.Context, err error, youngest func(context.Context) (svn.Revnum, error)) error {
	if e, ok := errors.AsType[*svn.NoSuchRevisionError](err); ok && e.Youngest < 0 {
		if rev, yerr := youngest(ctx); yerr == nil {
			e.Youngest = rev
		}
	}
	return err
}

// MaxEntries is how many entries of one directory are taken from a server; each takes some 300 bytes.
const MaxEntries = 2_000_000

// Order checks that revisions come in the order of svn.Repository.Log, each once: a server could go on for ever.
type Order struct {
	First, Last svn.Revnum

	begun bool
	at    svn.Revnum
}

// Next says whether a revision may be the next.
func (o *Order) Next(rev svn.Revnum) bool {
	low, high := min(o.First, o.Last), max(o.First, o.Last)
	switch {
	case !o.begun:
	case o.First <= o.Last:
		low = o.at + 1
	default:
		high = o.at - 1
	}
	o.begun, o.at = true, rev
	return rev >= low && rev <= high
}

// Poller asks for the youngest revision while somebody waits, once for all who do.
type Poller struct {
	Youngest func(ctx context.Context) (svn.Revnum, error)
	Every    time.Duration

	mu      sync.Mutex
	wake    chan struct{} // closed at the next thing to know
	rev     svn.Revnum    // the youngest seen
	err     error         // of the last question
	waiting int
	stop    context.CancelFunc
}

// Wait is svn.Repository.Wait. An error of the server's ends it.
func (p *Poller) Wait(ctx context.Context, rev svn.Revnum) (svn.Revnum, error) {
	p.join()
	defer p.leave()
	youngest, err := p.Youngest(ctx) // what happened while nobody waited
	if err != nil {
		return svn.InvalidRevnum, err
	}
	p.Saw(youngest, nil)
	for {
		p.mu.Lock()
		seen, err, wake := p.rev, p.err, p.wake
		p.mu.Unlock()
		switch {
		case seen > rev:
			return seen, nil
		case err != nil:
			return svn.InvalidRevnum, err
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return svn.InvalidRevnum, context.Cause(ctx)
		}
	}
}

// join counts in one who waits; with the first the questions begin.
func (p *Poller) join() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting++; p.waiting > 1 {
		return
	}
	var ctx context.Context
	ctx, p.stop = context.WithCancel(context.Background())
	p.err = nil
	p.wake = make(chan struct{})
	go p.poll(ctx)
}

func (p *Poller) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting--; p.waiting == 0 {
		p.stop()
	}
}

func (p *Poller) poll(ctx context.Context) {
	tick := time.NewTicker(p.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		rev, err := p.Youngest(ctx)
		if ctx.Err() != nil {
			return
		}
		p.Saw(rev, err)
	}
}

// Saw tells those who wait of a revision, one that was just committed for instance, or of an error.
func (p *Poller) Saw(rev svn.Revnum, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil && rev <= p.rev && p.err == nil {
		return
	}
	p.rev, p.err = max(p.rev, rev), err
	if p.wake != nil {
		close(p.wake)
	}
	p.wake = make(chan struct{})
}

// Authorship is whether the server lets a client say who made a revision. The zero value does not know yet.
type Authorship struct {
	mu      sync.Mutex
	asked   bool
	allowed bool
}

// Allowed returns whether svn:author may be set, and asks the first time.
func (a *Authorship) Allowed(ask func() (bool, error)) (bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.asked {
		allowed, err := ask()
		if err != nil {
			return false, err
		}
		a.asked, a.allowed = true, allowed
	}
	return a.allowed, nil
}

// Refused notes that it may not be set after all.
func (a *Authorship) Refused() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked, a.allowed = true, false
}

// Nobody is no value that svn:author has. Asked to change it from that, a server that allows changes says that the
// value is another one, and the others say that they allow none.
const Nobody = "nobody has this name"

// Unattributed returns the log message of a commit whose author cannot be told otherwise.
func Unattributed(message, author string) string {
	return strings.TrimLeft(strings.TrimRight(message, "\n")+"\n\nAuthor: "+author, "\n")
}

// Escape percent-encodes a path, except for ASCII letters, digits and the bytes in safe.
func Escape(p, safe string) string {
	const upper = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(p) {
		c := p[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(safe, c) >= 0 {
			b.WriteByte(c)
		} else {
			b.WriteString("%" + string(upper[c>>4]) + string(upper[c&15]))
		}
	}
	return b.String()
}
