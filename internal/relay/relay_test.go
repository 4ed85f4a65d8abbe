package relay_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	"github.com/havre-cloud/havre/internal/relay"
)

var errBroken = errors.New("broken")

// limited is a writer that breaks after some bytes.
type limited struct {
	bytes.Buffer

	left int
}

func (w *limited) Write(p []byte) (int, error) {
	if len(p) > w.left {
		n, _ := w.Buffer.Write(p[:w.left])
		w.left -= n
		return n, errBroken
	}
	w.left -= len(p)
	return w.Buffer.Write(p)
}

func TestCopy(t *testing.T) {
	content := make([]byte, 3<<20+17)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range content {
		content[i] = byte(rng.Uint32())
	}
	tests := []struct {
		name string
		size int
		end  error // of the reader
		room int   // of the writer
		want error
	}{
		{"nothing", 0, io.EOF, 0, nil},
		{"little", 1, io.EOF, 1, nil},
		{"one piece", 128 << 10, io.EOF, 128 << 10, nil},
		{"a byte more", 128<<10 + 1, io.EOF, 1 << 20, nil},
		{"much", len(content), io.EOF, len(content), nil},
		{"little, then cut", 5, errBroken, 10, errBroken},
		{"much, then cut", 1 << 20, io.ErrUnexpectedEOF, 1 << 20, io.ErrUnexpectedEOF},
		{"cut at once", 0, errBroken, 0, errBroken},
		{"no room", 10, io.EOF, 5, errBroken},
		{"no room later", len(content), io.EOF, 700_000, errBroken},
		{"both", 1 << 20, io.ErrUnexpectedEOF, 1<<20 - 1, errBroken},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			readers := map[string]io.Reader{
				"whole":     bytes.NewReader(content[:tt.size]),
				"halves":    iotest.HalfReader(bytes.NewReader(content[:tt.size])),
				"with data": iotest.DataErrReader(bytes.NewReader(content[:tt.size])),
			}
			for name, r := range readers {
				if tt.end != io.EOF { //nolint:errorlint // as the table says it
					r = io.MultiReader(r, iotest.ErrReader(tt.end))
				}
				w := &limited{left: tt.room}
				n, err := relay.Copy(w, r)
				if err != tt.want { //nolint:errorlint // it has to be the very same
					t.Errorf("%s: the error is %v, not %v", name, err, tt.want)
				}
				want := content[:min(tt.size, tt.room)]
				if n != int64(len(want)) || !bytes.Equal(w.Bytes(), want) {
					t.Errorf("%s: copied %d bytes, not %d, or wrong ones", name, n, len(want))
				}
			}
		})
	}
}

// TestCopyEnds: the reader is at rest when Copy returns, whatever ended it.
func TestCopyEnds(t *testing.T) {
	reading := 0 // the race detector sees a reader that goes on
	r := readerFunc(func(p []byte) (int, error) {
		reading++
		return len(p), nil
	})
	w := &limited{left: 10 << 20}
	if _, err := relay.Copy(w, r); !errors.Is(err, errBroken) {
		t.Fatal(err)
	}
	reading++
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func BenchmarkCopy(b *testing.B) {
	b.SetBytes(64 << 20)
	for b.Loop() {
		if _, err := relay.Copy(io.Discard, io.LimitReader(readerFunc(func(p []byte) (int, error) { return len(p), nil }), 64<<20)); err != nil {
			b.Fatal(err)
		}
	}
}
