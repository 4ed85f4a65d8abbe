package fsfs

import (
	"crypto/md5" //nolint:gosec // the format's checksum
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"sync"

	"github.com/havre-cloud/havre/svn"
)

// protoRev is a revision file that is being written, as a temporary file until it is published. It
// is for one goroutine.
type protoRev struct {
	repo   *Repository
	file   *os.File
	props  *futureTemp // for the revision properties
	format format
	conf   *settings
	// txn is the transaction that uniquifiers name. It need not exist, only be different each time.
	txn     string
	uniques uint64

	buf     []byte // not yet written
	size    int64  // written and in buf
	written int64  // or being written
	pushed  int64  // up to where the system was told to write
	// behind says how the writing of taken ended, which is done beside the rest; nil when nothing is written.
	behind chan error
	taken  []byte
	broken error // what went wrong there

	items   []p2lEntry
	offsets []int64 // of items, -1 where there is none; logical addressing
	current p2lEntry
	sum     itemSum

	sharing sharing
}

const (
	protoBuffer    = 256 << 10 // bytes
	writebackEvery = 16 << 20  // bytes
)

var protoBuffers = sync.Pool{New: func() any { return new([protoBuffer]byte) }}

func (r *Repository) newProtoRev() (*protoRev, error) {
	conf, err := r.settings()
	if err != nil {
		return nil, err
	}
	file, err := r.createTemp(".rev")
	if err != nil {
		return nil, err
	}
	var random [8]byte
	_, _ = rand.Read(random[:])
	number := binary.LittleEndian.Uint64(random[:]) >> 1
	return &protoRev{
		repo: r, file: file, props: r.beginTemp(".props"), format: *r.format.Load(), conf: conf,
		txn:     strconv.FormatInt(max(0, r.youngest.Load()), 10) + "-" + strconv.FormatUint(number, 36),
		offsets: []int64{-1, -1, -1},
		sharing: newSharing(conf.share),
	}, nil
}

// begin starts an item and returns its number. fixed is the number it has to have, or 0.
func (p *protoRev) begin(kind itemType, fixed int64) int64 {
	item := fixed
	switch {
	case !p.format.logical:
		item = p.size
	case fixed == 0:
		item = int64(len(p.offsets))
		p.offsets = append(p.offsets, p.size)
	default:
		p.offsets[fixed] = p.size
	}
	p.current = p2lEntry{offset: p.size, kind: kind, item: item}
	p.sum = newItemSum()
	return item
}

// end completes the item that was begun.
func (p *protoRev) end() {
	if p.format.logical {
		p.current.size = p.size - p.current.offset
		p.current.sum = p.sum.sum()
		p.items = append(p.items, p.current)
	}
}

// write appends to the item. data is not kept.
func (p *protoRev) write(data []byte) error {
	if p.format.logical {
		p.sum.write(data)
	}
	return p.append(data)
}

func (p *protoRev) append(data []byte) error {
	p.size += int64(len(data))
	if len(p.buf)+len(data) > protoBuffer {
		if err := p.writeBehind(); err != nil {
			return err
		}
	}
	if len(data) <= protoBuffer {
		p.buf = append(p.buf, data...)
		return nil
	}
	if err := p.settle(); err != nil {
		return err
	}
	return p.writeFile(data)
}

// writeBehind writes what is in the buffer while more is made.
func (p *protoRev) writeBehind() error {
	if err := p.settle(); err != nil || len(p.buf) == 0 {
		return err
	}
	if err := p.repo.at("write contents"); err != nil {
		return err
	}
	if p.taken == nil {
		b, _ := protoBuffers.Get().(*[protoBuffer]byte)
		p.taken = b[:]
	}
	data, at := p.buf, p.written
	p.taken, p.buf = p.buf, p.taken[:0]
	p.written += int64(len(data))
	from, n := p.pushed, p.written-p.pushed
	if n >= writebackEvery {
		p.pushed = p.written
	}
	behind := make(chan error, 1)
	p.behind = behind
	go func() {
		_, err := p.file.WriteAt(data, at)
		if err == nil && n >= writebackEvery {
			startWriteback(p.file, from, n)
		}
		behind <- err
	}()
	return nil
}

// settle waits for what is being written.
func (p *protoRev) settle() error {
	if p.behind != nil {
		if err := <-p.behind; err != nil {
			p.broken = err
		}
		p.behind = nil
	}
	return p.broken
}

// flush writes what is in the buffer and waits for it.
func (p *protoRev) flush() error {
	if err := p.settle(); err != nil {
		return err
	}
	err := p.writeFile(p.buf)
	p.buf = p.buf[:0]
	return err
}

func (p *protoRev) writeFile(data []byte) error {
	if len(data) == 0 {
		return nil
	}
	if err := p.repo.at("write contents"); err != nil {
		return err
	}
	n, err := p.file.WriteAt(data, p.written)
	p.written += int64(n)
	return err
}

// item writes a whole item and returns its number.
func (p *protoRev) item(kind itemType, fixed int64, data []byte) (int64, error) {
	item := p.begin(kind, fixed)
	if err := p.write(data); err != nil {
		return 0, err
	}
	p.end()
	return item, nil
}

// finish writes what a revision file ends with. root and changes are items.
func (p *protoRev) finish(rev svn.Revnum, root, changes int64) error {
	var tail []byte
	if p.format.logical {
		tail = appendIndexes(nil, rev, p.size, p.offsets, p.items)
	} else {
		tail = fmt.Appendf(nil, "%d %d\n", root, changes)
	}
	if err := p.append(tail); err != nil {
		return err
	}
	return p.flush()
}

func hexMD5(data []byte) string {
	sum := md5Of(data)
	return hex.EncodeToString(sum[:])
}

func md5Of(data []byte) [md5.Size]byte {
	return md5.Sum(data) //nolint:gosec // the format's checksum
}

// uniq returns another uniquifier.
func (p *protoRev) uniq() string {
	p.uniques++
	return p.txn + "/_" + strconv.FormatUint(p.uniques, 36)
}

// discard removes the file unless it was published.
func (p *protoRev) discard() {
	p.props.discard()
	_ = p.settle() // whoever needs it has asked
	for _, b := range [][]byte{p.buf, p.taken} {
		if cap(b) >= protoBuffer {
			protoBuffers.Put((*[protoBuffer]byte)(b[:protoBuffer]))
		}
	}
	p.buf, p.taken = nil, nil
	if p.file != nil {
		discardTemp(p.file)
		p.file = nil
	}
}

// protoMark is a place in a proto-revision between two items.
type protoMark struct {
	size           int64
	items, offsets int
}

func (p *protoRev) mark() protoMark { return protoMark{p.size, len(p.items), len(p.offsets)} }

// back forgets everything that was written since the mark.
func (p *protoRev) back(m protoMark) error {
	p.size = m.size
	p.items, p.offsets = p.items[:m.items], p.offsets[:m.offsets]
	if m.size >= p.written {
		p.buf = p.buf[:m.size-p.written]
		return nil
	}
	if err := p.settle(); err != nil {
		return err
	}
	p.buf = p.buf[:0]
	p.written = m.size
	p.pushed = min(p.pushed, m.size)
	return p.file.Truncate(m.size)
}
