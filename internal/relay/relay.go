// Package relay copies streams with the reading and the writing side by side, for where both take
// time of their own: a disk and its checksum on one side, a network and its cipher on the other.
package relay

import (
	"io"
	"sync"
)

const (
	pieceSize = 128 << 10 // bytes that are written at once
	pieces    = 4         // of one stream in memory
)

type buffer [pieceSize]byte

var buffers = sync.Pool{New: func() any { return new(buffer) }}

// piece is what one round of reading gave. After an error there is no other.
type piece struct {
	buf *buffer
	n   int
	err error
}

// Copy copies from src to dst until src gives io.EOF, and returns the number of bytes written. What
// src gave before an error is written. src is read in a goroutine of its own when there is more than
// one piece; it has ended when Copy returns, which therefore waits for a read that is under way. At most
// 512 KiB are in memory.
func Copy(dst io.Writer, src io.Reader) (int64, error) {
	buf := take()
	first := read(src, buf)
	n, err := first.write(dst)
	if err != nil || first.err != nil {
		buffers.Put(buf)
		return int64(n), result(first.err, err)
	}
	rest, err := copyRest(dst, src, buf)
	return int64(n) + rest, err
}

// copyRest is Copy with two goroutines. buf is a buffer to begin with.
func copyRest(dst io.Writer, src io.Reader, buf *buffer) (written int64, err error) {
	// Each has room for all buffers there are, so that nobody waits to send.
	full := make(chan piece, pieces)   // closed by the reader
	free := make(chan *buffer, pieces) // closed here
	free <- buf
	for range pieces - 1 {
		free <- take()
	}
	var reader sync.WaitGroup
	defer reader.Wait()
	defer func() {
		close(free)
		for buf := range free {
			buffers.Put(buf)
		}
	}()
	reader.Go(func() {
		defer close(full)
		for buf := range free {
			p := read(src, buf)
			full <- p
			if p.err != nil {
				return
			}
		}
	})
	for p := range full {
		n, err := p.write(dst)
		written += int64(n)
		free <- p.buf
		if err != nil || p.err != nil {
			return written, result(p.err, err)
		}
	}
	panic("relay: the reader ended without an error")
}

func take() *buffer {
	buf, _ := buffers.Get().(*buffer)
	return buf
}

// read fills a buffer. Unlike io.ReadFull it leaves the error as src gave it.
func read(src io.Reader, buf *buffer) piece {
	p := piece{buf: buf}
	for p.n < len(buf) && p.err == nil {
		var n int
		n, p.err = src.Read(buf[p.n:])
		p.n += n
	}
	return p
}

func (p *piece) write(dst io.Writer) (int, error) {
	if p.n == 0 {
		return 0, nil
	}
	n, err := dst.Write(p.buf[:p.n])
	if err == nil && n < p.n {
		err = io.ErrShortWrite
	}
	return n, err
}

// result returns the error of a copy that has ended.
func result(read, write error) error {
	if write != nil {
		return write
	}
	if read == io.EOF { //nolint:errorlint // readers return it as it is
		return nil
	}
	return read
}
