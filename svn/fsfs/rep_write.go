package fsfs

import (
	"bytes"
	"context"
	"crypto/md5"  //nolint:gosec // the format's checksum
	"crypto/sha1" //nolint:gosec // the format's checksum
	"errors"
	"hash"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/svndiff"
)

// repEnd is what a representation ends with. Readers skip it, but it belongs to the item.
const repEnd = "ENDREP\n"

// fileWriter writes the contents of one file as a representation. Every window but the last
// expands to exactly svndiff.MaxView bytes: libsvn makes wrong deltas otherwise.
type fileWriter struct {
	ctx     context.Context //nolint:containedctx // lives as long as one call
	proto   *protoRev
	base    *rep  // what the delta is against, or nil
	source  *file // contents of base
	differ  *svndiff.Differ
	version svndiff.Version
	sums    contentSums

	sourceBuf []byte
	offset    int64 // of the next window in the contents
	misses    int   // windows in a row with nothing from the base
	// held are the first windows while none has anything from the base: if the contents end
	// before, there is no point in a delta.
	held     []*slab
	decided  bool
	rep      rep
	enc      []byte
	win      svndiff.Window
	repStart int64
}

const (
	// heldWindows is after how many windows the base is kept although it was of no use so far.
	heldWindows = 8
	// hopeless is after how many windows without a hit most are only looked at superficially.
	hopeless = 8
	// retryEvery is which windows are still matched fully then.
	retryEvery = 16
)

var differs = sync.Pool{New: func() any { return new(svndiff.Differ) }}

// writeContents writes the contents that src yields as an item of the proto-revision. base is what
// they are stored against if that is of any use; it may be nil. The revision of the result is
// svn.InvalidRevnum.
func (p *protoRev) writeContents(ctx context.Context, src io.Reader, base *rep) (*rep, error) {
	w := &fileWriter{ctx: ctx, proto: p, base: base, version: p.conf.version}
	w.sums.init()
	defer w.sums.stop()
	w.rep.at = itemID{svn.InvalidRevnum, p.begin(itemFileRep, 0)}
	if base != nil {
		var err error
		if w.source, err = p.repo.openFile(ctx, base); err != nil {
			return nil, err
		}
		defer func() { _ = w.source.Close() }()
		w.differ, _ = differs.Get().(*svndiff.Differ)
		defer differs.Put(w.differ)
		buf, _ := slabs.Get().(*slab)
		defer slabs.Put(buf)
		w.sourceBuf = buf.data[:svndiff.MaxView]
	}
	if err := w.copy(src); err != nil {
		return nil, err
	}
	if err := w.finish(); err != nil {
		return nil, err
	}
	// A copy: caches keep the result, and a pointer into w would keep all of w with it.
	out := w.rep
	return &out, nil
}

func (w *fileWriter) copy(src io.Reader) error {
	for {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		s := w.sums.slab()
		n, err := io.ReadFull(src, s.data[:svndiff.MaxView])
		s.data = s.data[:n]
		last := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !last {
			return err
		}
		if n > 0 {
			if err := w.window(s); err != nil {
				return err
			}
		}
		if last {
			return nil
		}
	}
}

// window takes over a slab with one reference.
func (w *fileWriter) window(s *slab) error {
	w.sums.write(s)
	if w.decided || w.base == nil {
		if err := w.decide(w.base != nil); err != nil {
			return err
		}
		err := w.emit(s)
		w.sums.release(s)
		return err
	}
	source, err := w.readSource()
	if err != nil {
		return err
	}
	w.differ.Diff(&w.win, source, s.data)
	if w.win.CopiedFromSource() == 0 && len(w.held) < heldWindows {
		w.held = append(w.held, s)
		return nil
	}
	// The windows held back have nothing from the base; this one was matched already.
	found := w.win
	if err := w.decide(true); err != nil {
		return err
	}
	w.win = found
	w.win.SourceOffset = min(w.offset, w.base.expanded)
	err = w.encode(len(s.data))
	w.sums.release(s)
	return err
}

// decide writes the beginning of the representation, once, and the windows held back.
func (w *fileWriter) decide(delta bool) error {
	if w.decided {
		return nil
	}
	w.decided = true
	var h repHeader
	if delta {
		h.base, h.baseSize = &w.base.at, w.base.size
	} else {
		w.base = nil
	}
	if err := w.proto.write(h.append(nil)); err != nil {
		return err
	}
	w.repStart = w.proto.size
	if err := w.proto.write(svndiff.AppendHeader(nil, w.version)); err != nil {
		return err
	}
	for _, s := range w.held {
		w.win = svndiff.Window{}
		if delta {
			w.win.SourceLen = w.sourceLen()
		}
		w.newData(s.data)
		if err := w.encode(len(s.data)); err != nil {
			return err
		}
		w.sums.release(s)
	}
	w.held = nil
	return nil
}

// sourceLen is how much the base has at the window's place.
func (w *fileWriter) sourceLen() int {
	return int(min(svndiff.MaxView, max(0, w.base.expanded-w.offset)))
}

// newData makes the window one of new data only.
func (w *fileWriter) newData(data []byte) {
	w.win.TargetLen = len(data)
	w.win.Ops = append(w.win.Ops[:0], svndiff.Op{Kind: svndiff.OpNew, Length: len(data)})
	w.win.NewData = data
}

// readSource returns what the base has at the window's place.
func (w *fileWriter) readSource() ([]byte, error) {
	n, err := io.ReadFull(w.source, w.sourceBuf)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return w.sourceBuf[:n], err
}

// emit writes a window, matched against the base if there is one.
func (w *fileWriter) emit(s *slab) error {
	w.win.SourceOffset, w.win.SourceLen = 0, 0
	if w.base == nil {
		w.newData(s.data)
		return w.encode(len(s.data))
	}
	source, err := w.readSource()
	if err != nil {
		return err
	}
	if w.worthMatching(source, s.data) {
		w.differ.Diff(&w.win, source, s.data)
	} else {
		w.win.SourceLen = len(source)
		w.newData(s.data)
	}
	if w.win.CopiedFromSource() > 0 {
		w.misses = 0
	} else {
		w.misses++
	}
	return w.encode(len(s.data))
}

// worthMatching says whether to match a window with its source. On unrelated data that costs
// several times what its checksums cost.
func (w *fileWriter) worthMatching(source, target []byte) bool {
	const probe = 64
	if w.misses < hopeless || w.offset/svndiff.MaxView%retryEvery == 0 {
		return true
	}
	n := min(len(source), len(target))
	return n >= probe && (bytes.Equal(source[:probe], target[:probe]) ||
		bytes.Equal(source[len(source)-probe:], target[len(target)-probe:]))
}

// encode writes w.win, which expands to n bytes.
func (w *fileWriter) encode(n int) error {
	if w.base != nil {
		w.win.SourceOffset = min(w.offset, w.base.expanded)
	}
	w.offset += int64(n)
	var err error
	if w.enc, err = svndiff.AppendWindow(w.enc[:0], w.version, &w.win); err != nil {
		return err
	}
	return w.proto.write(w.enc)
}

func (w *fileWriter) finish() error {
	if err := w.decide(false); err != nil {
		return err
	}
	if w.base != nil {
		// A damaged base would make the new contents unreadable: its checksum is compared at its end.
		if _, err := io.Copy(io.Discard, w.source); err != nil {
			return err
		}
	}
	w.rep.size = w.proto.size - w.repStart
	w.rep.expanded = w.offset
	if err := w.proto.write([]byte(repEnd)); err != nil {
		return err
	}
	w.proto.end()
	md5Sum, sha1Sum := w.sums.stop()
	copy(w.rep.md5[:], md5Sum)
	w.rep.hasMD5 = true
	w.rep.sha1 = sha1Sum
	w.rep.uniq = w.proto.uniq()
	return nil
}

// slab is a window of contents that several goroutines read.
type slab struct {
	data []byte
	refs atomic.Int32
}

var slabs = sync.Pool{New: func() any { return &slab{data: make([]byte, svndiff.MaxView)} }}

// contentSums computes MD5 and SHA-1 of contents, each in its own goroutine when there is much:
// MD5 alone sets the pace of a commit.
type contentSums struct {
	md5, sha1 hash.Hash
	made      []*slab
	hashed    int // slabs hashed without goroutines
	free      chan *slab
	toMD5     chan slabBatch // nil until the goroutines run
	toSHA1    chan slabBatch
	batch     slabBatch // to be sent
	running   sync.WaitGroup
}

// slabBatch is what the goroutines are given at a time, nil behind its end: waking them for each slab takes
// a tenth of the time.
type slabBatch [4]*slab

const (
	// maxSlabs bounds the contents that are in memory at a time, in windows; more than heldWindows and a batch.
	maxSlabs = 24
	// aloneWindows is how many windows are hashed before goroutines are started for the rest.
	aloneWindows = 3
)

func (c *contentSums) init() {
	c.md5, c.sha1 = md5.New(), sha1.New() //nolint:gosec // the format's checksums
	c.free = make(chan *slab, maxSlabs)
}

// slab returns an unused slab with one reference.
func (c *contentSums) slab() *slab {
	var s *slab
	select {
	case s = <-c.free:
	default:
		if len(c.made) == maxSlabs {
			s = <-c.free
			break
		}
		s, _ = slabs.Get().(*slab)
		c.made = append(c.made, s)
	}
	s.data = s.data[:svndiff.MaxView]
	s.refs.Store(1)
	return s
}

func (c *contentSums) release(s *slab) {
	if s.refs.Add(-1) == 0 {
		c.free <- s
	}
}

func (c *contentSums) write(s *slab) {
	if c.toMD5 == nil && c.hashed < aloneWindows {
		c.hashed++
		c.md5.Write(s.data)
		c.sha1.Write(s.data)
		return
	}
	if c.toMD5 == nil {
		c.toMD5 = c.run(c.md5)
		c.toSHA1 = c.run(c.sha1)
	}
	s.refs.Add(2)
	i := slices.Index(c.batch[:], nil)
	c.batch[i] = s
	if i == len(c.batch)-1 {
		c.send()
	}
}

// send gives the batch to the goroutines.
func (c *contentSums) send() {
	c.toMD5 <- c.batch
	c.toSHA1 <- c.batch
	c.batch = slabBatch{}
}

func (c *contentSums) run(h hash.Hash) chan slabBatch {
	batches := make(chan slabBatch, maxSlabs)
	c.running.Go(func() {
		for batch := range batches {
			for _, s := range batch {
				if s != nil {
					h.Write(s.data)
					c.release(s)
				}
			}
		}
	})
	return batches
}

// stop ends the goroutines, gives the slabs back and returns the sums.
func (c *contentSums) stop() (md5Sum, sha1Sum []byte) {
	if c.toMD5 != nil {
		c.send()
		close(c.toMD5)
		close(c.toSHA1)
		c.running.Wait()
		c.toMD5, c.toSHA1 = nil, nil
		c.hashed = aloneWindows
	}
	for _, s := range c.made {
		slabs.Put(s)
	}
	c.made = nil
	return c.md5.Sum(nil), c.sha1.Sum(nil)
}

// writeMeta writes a directory or a property list. base is what it is stored against if that is
// of any use, and source the contents of base.
func (p *protoRev) writeMeta(rev svn.Revnum, kind itemType, text []byte, base *rep, source []byte) (*rep, error) {
	out := &rep{expanded: int64(len(text)), md5: md5Of(text), hasMD5: true}
	var h repHeader
	var body []byte
	var err error
	switch {
	case !p.deltifies(kind):
		h.plain, body = true, text
	default:
		h, body, err = p.delta(text, base, source)
	}
	if err != nil {
		return nil, err
	}
	out.size = int64(len(body))
	data := h.append(make([]byte, 0, len(body)+maxRepHeader))
	data = append(data, body...)
	data = append(data, repEnd...)
	item, err := p.item(kind, 0, data)
	out.at = itemID{rev, item}
	if err == nil {
		p.repo.noteChain(out.at, h)
	}
	return out, err
}

// deltifies says whether directories, or else property lists, are stored as deltas.
func (p *protoRev) deltifies(kind itemType) bool {
	if kind == itemDirRep {
		return p.conf.dirDeltas
	}
	return p.conf.propDeltas
}

// noteChain remembers the chain of a representation that was written.
func (r *Repository) noteChain(id itemID, h repHeader) {
	info := chainInfo{length: 1, shards: 1}
	if h.base != nil {
		known, ok := r.chains.get(*h.base)
		if !ok {
			return
		}
		info = r.extendChain(known, id, *h.base)
	}
	r.chains.put(id, info)
}

// delta returns text as a delta against base, or against nothing if base is nil or has nothing in
// common with it.
func (p *protoRev) delta(text []byte, base *rep, source []byte) (repHeader, []byte, error) {
	differ, _ := differs.Get().(*svndiff.Differ)
	defer differs.Put(differ)
	if base == nil {
		body, _, err := p.windows(differ, text, nil)
		return repHeader{}, body, err
	}
	body, copied, err := p.windows(differ, text, source)
	if err != nil || copied > 0 {
		return repHeader{base: &base.at, baseSize: base.size}, body, err
	}
	body, _, err = p.windows(differ, text, nil)
	return repHeader{}, body, err
}

// windows returns text as a delta against source, and how much of it comes from there.
func (p *protoRev) windows(differ *svndiff.Differ, text, source []byte) (body []byte, copied int, err error) {
	version := p.conf.version
	body = svndiff.AppendHeader(make([]byte, 0, 256), version)
	var w svndiff.Window
	for offset := 0; offset < len(text); offset += svndiff.MaxView {
		view := func(data []byte) []byte {
			return data[min(offset, len(data)):min(offset+svndiff.MaxView, len(data))]
		}
		differ.Diff(&w, view(source), view(text))
		w.SourceOffset = int64(min(offset, len(source)))
		copied += w.CopiedFromSource()
		if body, err = svndiff.AppendWindow(body, version, &w); err != nil {
			return nil, 0, err
		}
	}
	return body, copied, nil
}
