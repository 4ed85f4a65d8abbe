package rasvn

import (
	"context"
	"crypto/md5"  //nolint:gosec // what the protocol has
	"crypto/sha1" //nolint:gosec // what svn.Change announces
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/internal/edit"
	"github.com/havre-cloud/havre/svn/svndiff"
)

// driver sends an edit.
type driver struct {
	repo     *Repository
	session  *session
	youngest svn.Revnum
	root     *edit.Node
	props    svn.Props
	dry      bool // to be given up when all of it was taken

	tokens int
	early  chan first // the server's first words, which come before the end only if something is wrong
	buf    []byte
	differ svndiff.Differ
	at     svn.Path // where it is
	sent   bool     // to the end: it may be committed

	rev    svn.Revnum
	author string
}

// first is what the server says at the end of an edit, or in the middle of it.
type first struct {
	item item
	err  error
}

// errEarly stops an edit because the server has said something.
var errEarly = errors.New("the server interrupts")

// run makes the commit.
func (d *driver) run(ctx context.Context) error {
	s := d.session
	// Nothing is sent behind this before it is answered: what follows a refused commit would be taken for commands.
	b := appendString(nil, d.props[svn.PropLog])
	b = appendBool(append(b, "( ) "...), false)
	b = openList(b)
	for _, name := range slices.Sorted(maps.Keys(d.props)) {
		b = closeList(appendString(appendString(openList(b), name), d.props[name]))
	}
	if _, err := s.call(ctx, "commit", closeList(b)); err != nil {
		return err
	}
	s.used = true // what happens from here on is not simply tried again
	s.patience(0)
	d.early = make(chan first, 1)
	go func() {
		it, err := s.read.next()
		d.early <- first{it, err}
	}()
	err := d.edit()
	switch {
	case err == nil && d.dry:
		defer s.close() // there is more on its way
		d.abort()
		return d.refused(ctx, <-d.early, true)
	case err == nil:
		err = d.end()
	}
	if err == nil {
		d.sent = true
		return d.finish(ctx, <-d.early)
	}
	defer s.close() // it may not be where we think
	if errors.Is(err, errEarly) {
		return d.refused(ctx, <-d.early, false)
	}
	// The other side may have said why, before the connection broke or while we failed.
	d.abort()
	select {
	case f := <-d.early:
		if _, own := errors.AsType[*contentError](err); !own {
			return d.refused(ctx, f, false)
		}
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if own, ok := errors.AsType[*contentError](err); ok {
		return own.error
	}
	return s.lost(ctx, err)
}

// contentError is an error on our own side.
type contentError struct{ error }

// refused reads the failure that the server sent in the middle. Where an edit was given up, a success says that there was none.
func (d *driver) refused(ctx context.Context, f first, givenUp bool) error {
	if f.err != nil {
		return d.session.lost(ctx, f.err)
	}
	_, err := d.session.outcome(ctx, &f.item)
	if givenUp {
		return err
	}
	d.abort() // so that nothing is left there
	if err == nil {
		err = malformed("success in the middle of an edit")
	}
	return err
}

func (d *driver) abort() {
	_ = d.session.put([]byte("( abort-edit ( ) ) ")) // the connection is closed next in any case
	_ = d.session.flush()
}

// end says that the edit is complete.
func (d *driver) end() error {
	if err := d.session.put([]byte("( close-edit ( ) ) ")); err != nil {
		return err
	}
	return d.session.flush()
}

// finish reads what came of it. Hooks may take their time.
func (d *driver) finish(ctx context.Context, f first) error {
	s := d.session
	if f.err != nil {
		return s.lost(ctx, f.err)
	}
	if _, err := s.outcome(ctx, &f.item); err != nil {
		d.sent = false
		d.abort()
		s.broken = true
		return err
	}
	s.patience(0)
	it, err := s.read.next()
	if err == nil {
		if _, err = s.outcome(ctx, &it); err == nil {
			it, err = s.read.next()
		}
	}
	if err != nil {
		return s.lost(ctx, err)
	}
	if len(it.list) == 2 && it.list[0].text == "failure" {
		_, err := s.outcome(ctx, &it)
		d.sent = false
		return err
	}
	a, err := it.fields(3)
	if err == nil {
		if d.rev, err = readRev(&a[0]); err == nil {
			d.author, _, err = a[2].optionalString()
		}
	}
	return s.lost(ctx, err)
}

// command sends an editor command, unless the server has said that it wants none.
func (d *driver) command(name string, params []byte) error {
	if len(d.early) > 0 {
		return errEarly
	}
	d.session.buf = appendCommand(d.session.buf[:0], name, params)
	return d.session.put(d.session.buf)
}

// token names a node within the edit.
func (d *driver) token() string {
	d.tokens++
	return "n" + strconv.Itoa(d.tokens)
}

// params is a buffer for parameters.
func (d *driver) params() []byte { return d.buf[:0] }

// edit sends the whole edit.
func (d *driver) edit() error {
	tok := d.token()
	// The root's revision is looked at only if its own properties change.
	if err := d.command("open-root", appendString(d.revision(d.params(), d.root), tok)); err != nil {
		return err
	}
	return d.inDir(d.root, tok)
}

// revision appends the revision at which a node was looked at. What this edit made has none.
func (d *driver) revision(b []byte, n *edit.Node) []byte {
	if n.Mine || n.Kind == svn.KindDir && len(n.Set)+len(n.Unset) == 0 {
		return append(b, "( ) "...)
	}
	return appendRev(b, d.youngest)
}

// inDir sends what is to be done with an open directory, and closes it.
func (d *driver) inDir(n *edit.Node, tok string) error {
	if err := d.properties("change-dir-prop", n, tok); err != nil {
		return err
	}
	for _, kid := range n.Kids {
		if err := d.node(kid, tok); err != nil {
			return err
		}
	}
	return d.command("close-dir", appendString(d.params(), tok))
}

// node sends what is to be done with an entry of an open directory.
func (d *driver) node(n *edit.Node, parent string) error {
	d.at = n.Path
	if n.Removes {
		b := appendString(d.params(), string(n.Path))
		if n.Mine && !n.Added {
			b = append(b, "( ) "...)
		} else {
			b = appendRev(b, d.youngest)
		}
		if err := d.command("delete-entry", appendString(b, parent)); err != nil {
			return err
		}
	}
	if n.Kind == svn.KindNone {
		return nil
	}
	tok := d.token()
	b := appendString(appendString(appendString(d.params(), string(n.Path)), parent), tok)
	name := "open-"
	if n.Added {
		name = "add-"
		b = openList(b)
		if n.From != nil {
			b = appendString(b, d.repo.rootURL+"/"+escape(string(n.From.Path)))
			b = appendNumber(b, n.From.Rev)
		}
		b = closeList(b)
	} else {
		b = d.revision(b, n)
	}
	if n.Kind == svn.KindDir {
		if err := d.command(name+"dir", b); err != nil {
			return err
		}
		return d.inDir(n, tok)
	}
	if err := d.command(name+"file", b); err != nil {
		return err
	}
	sum, err := d.contents(n, tok)
	if err != nil {
		return err
	}
	if err := d.properties("change-file-prop", n, tok); err != nil {
		return err
	}
	b = openList(appendString(d.params(), tok))
	if sum != nil {
		b = appendString(b, hex.EncodeToString(sum))
	}
	return d.command("close-file", closeList(b))
}

// properties sends the properties that change.
func (d *driver) properties(command string, n *edit.Node, tok string) error {
	for _, name := range slices.Sorted(maps.Keys(n.Set)) {
		b := appendString(appendString(d.params(), tok), name)
		if err := d.command(command, closeList(appendString(openList(b), n.Set[name]))); err != nil {
			return err
		}
	}
	for _, name := range n.Unset {
		b := appendString(appendString(d.params(), tok), name)
		if err := d.command(command, append(b, "( ) "...)); err != nil {
			return err
		}
	}
	return nil
}

// contents sends the new contents of a file and returns their MD5, nil if they stay.
func (d *driver) contents(n *edit.Node, tok string) ([]byte, error) {
	if n.Content == nil {
		return nil, nil
	}
	r, err := n.Content.Content()
	if err != nil {
		return nil, &contentError{fmt.Errorf("/%s: %w", n.Path, err)}
	}
	sum, err := d.send(n, tok, r)
	if cerr := r.Close(); err == nil && cerr != nil {
		err = &contentError{fmt.Errorf("/%s: %w", n.Path, cerr)}
	}
	return sum, err
}

// send sends contents as a delta against nothing, window by window.
func (d *driver) send(n *edit.Node, tok string, r io.Reader) ([]byte, error) {
	version := svndiff.V0
	if d.session.capabilities["svndiff1"] {
		version = svndiff.V1
	}
	if err := d.command("apply-textdelta", append(appendString(d.params(), tok), "( ) "...)); err != nil {
		return nil, err
	}
	md5sum, sha1sum := md5.New(), sha1.New() //nolint:gosec // as at the imports
	text := make([]byte, svndiff.MaxView)
	var size int64
	var w svndiff.Window
	enc := svndiff.AppendHeader(nil, version)
	for {
		got, err := io.ReadFull(r, text)
		if err != nil && err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, &contentError{fmt.Errorf("/%s: %w", n.Path, err)}
		}
		if errors.Is(err, io.ErrUnexpectedEOF) && got == 0 {
			return nil, &contentError{fmt.Errorf("/%s: %w", n.Path, err)}
		}
		if got > 0 {
			md5sum.Write(text[:got])
			sha1sum.Write(text[:got])
			size += int64(got)
			d.differ.Diff(&w, nil, text[:got])
			w.SourceOffset = 0
			var werr error
			if enc, werr = svndiff.AppendWindow(enc, version, &w); werr != nil {
				return nil, &contentError{werr}
			}
		}
		if len(enc) > 0 {
			if err := d.command("textdelta-chunk", appendString(appendString(d.params(), tok), enc)); err != nil {
				return nil, err
			}
			enc = enc[:0]
		}
		if err != nil {
			break
		}
	}
	if c := n.Content; c.SHA1 != nil {
		if c.Size != size {
			return nil, &contentError{&svn.ChecksumError{Path: n.Path, Want: fmt.Sprintf("%d bytes", c.Size), Got: fmt.Sprintf("%d bytes", size)}}
		}
		if got := sha1sum.Sum(nil); string(got) != string(c.SHA1) {
			return nil, &contentError{&svn.ChecksumError{Path: n.Path, Want: "sha1 " + hex.EncodeToString(c.SHA1), Got: "sha1 " + hex.EncodeToString(got)}}
		}
	}
	return md5sum.Sum(nil), d.command("textdelta-end", appendString(d.params(), tok))
}
