package radav

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/internal/edit"
	"github.com/havre-cloud/havre/svn/svndiff"
)

// errSmaller says that the transaction has to be begun anew, with smaller bodies.
var errSmaller = errors.New("the server takes smaller bodies only")

// put sends the contents of a file: as they are, or, if that is more than the server takes in one request, as a
// compressed delta against what is there.
//
// They could also come in pieces, each a delta upon those before. Each piece would leave its text in the revision, and what
// `svnadmin pack` makes of that fails `svnadmin verify` (docs/decisions/0029).
func (t *transaction) put(ctx context.Context, n *edit.Node) error {
	text, err := measure(n.Content)
	if err != nil {
		return fmt.Errorf("/%s: %w", n.Path, err)
	}
	defer text.close()
	req := &request{method: "PUT", path: t.address(n.Path), header: http.Header{}, body: text.open, size: text.size, once: true}
	switch {
	case n.Added && n.From == nil:
		req.header.Set("If-None-Match", "*") // else it would replace what is there
	case !n.Mine:
		req.header.Set("X-SVN-Version-Name", strconv.FormatInt(int64(t.youngest), 10))
	}
	limit := t.repo.tooLarge.Load()
	compressed := limit > 0 && text.size >= limit
	if compressed {
		d, err := t.delta(ctx, n, text)
		if err != nil {
			return err
		}
		defer d.close()
		req.body, req.size = d.open, d.size
		req.header.Set("Content-Type", "application/vnd.svn-svndiff")
		if d.base != nil {
			req.header.Set("X-SVN-Base-Fulltext-MD5", hex.EncodeToString(d.base))
		}
	}
	h, err := t.repo.conn.exchange(ctx, req)
	if f, failed := errors.AsType[*failure](err); failed && f.status == http.StatusRequestEntityTooLarge && !compressed && text.size > 0 {
		// The file is in the transaction already, empty: another request for it would leave that in the revision.
		t.repo.tooLarge.Store(max(text.size/2, 1))
		return errSmaller
	}
	if err != nil {
		return err
	}
	want, err := text.finish(n.Path)
	if err != nil {
		return err
	}
	// What is in the transaction after a failure would be committed all the same.
	if got := h.Get("X-SVN-Result-Fulltext-MD5"); got != "" && got != hex.EncodeToString(want) {
		return &svn.ChecksumError{Path: n.Path, Want: "md5 " + hex.EncodeToString(want), Got: "md5 " + got}
	}
	return nil
}

// delta is contents as svndiff, on the disk.
type delta struct {
	outgoing
	base []byte // MD5 of what it is against, nil for nothing
}

// delta makes one against what the transaction has at the node.
func (t *transaction) delta(ctx context.Context, n *edit.Node, text *outgoing) (d *delta, err error) {
	d = &delta{outgoing: outgoing{change: n.Content}}
	var base io.Reader = eof{}
	if !n.Added || n.From != nil {
		path, rev := n.Path, t.youngest
		if n.From != nil {
			path, rev = n.From.Path, n.From.Rev
		}
		f, err := t.repo.Open(ctx, path, rev)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }() // read only: what mattered came with Read
		base = f
		if own, ok := f.(*file); ok {
			d.base = own.md5
		}
	}
	contents, err := text.open()
	if err != nil {
		return nil, fmt.Errorf("/%s: %w", n.Path, err)
	}
	pipe, into := io.Pipe()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = into.CloseWithError(writeDelta(into, base, contents)) // always nil
	}()
	err = d.toDisk(pipe)
	_ = pipe.CloseWithError(err) // always nil; the other side ends, if it has not
	<-ended
	if err = errors.Join(err, contents.Close()); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

// eof is nothing to read.
type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

// writeDelta writes svndiff that makes target out of base, window by window. After the end of the shorter the
// other goes on alone.
func writeDelta(w io.Writer, base, target io.Reader) error {
	out := bufio.NewWriterSize(w, 256<<10)
	enc := svndiff.AppendHeader(nil, svndiff.V1)
	var (
		differ       svndiff.Differ
		window       svndiff.Window
		source, text = make([]byte, svndiff.MaxView), make([]byte, svndiff.MaxView)
		offset       int64
	)
	for {
		had, err := io.ReadFull(base, source)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		got, end := io.ReadFull(target, text)
		if end != nil && end != io.EOF && !errors.Is(end, io.ErrUnexpectedEOF) {
			return end
		}
		if got > 0 {
			differ.Diff(&window, source[:had], text[:got])
			window.SourceOffset = offset
			if had == 0 {
				window.SourceOffset = 0
			}
			if enc, err = svndiff.AppendWindow(enc, svndiff.V1, &window); err != nil {
				return err
			}
		}
		offset += int64(had)
		if _, err := out.Write(enc); err != nil {
			return err
		}
		enc = enc[:0]
		if end != nil {
			return out.Flush()
		}
	}
}
