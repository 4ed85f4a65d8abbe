// Package chunk cuts contents into content-defined chunks, so that a large file that changed a little
// can be sent by the chunks which the other side has not.
//
// Both sides must cut alike, so the algorithm and its sizes are a part of the protocol: they are
// Version, and changing any of them makes another version. Version 1 is FastCDC with the Gear table
// and the spread masks that github.com/PlakarKorp/go-cdc-chunkers (ISC) calls "fastcdc-v1.0.0",
// two levels of normalisation, and the sizes below. The chunks of a file depend on its contents
// alone, not on how the reader hands them out.
//
// BenchmarkSizes decided the sizes. To send a random file of 256 MiB again after 1, 10 and 100 insertions
// takes, with the list of chunks, 0.26, 1.0 and 7.6 MiB in chunks of 64 KiB, 0.30, 3.1 and 29 MiB in
// chunks of 256 KiB, and 0.65, 6.0 and 56 MiB in chunks of 512 KiB. A single edit, which is what a
// saved document or an appended recording is, costs nothing by the step from 64 to 256 KiB, and the
// list and the number of ranges to copy are a quarter: 38 KiB for the 256 MiB.
package chunk

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"

	chunkers "github.com/PlakarKorp/go-cdc-chunkers"
	_ "github.com/PlakarKorp/go-cdc-chunkers/chunkers/fastcdc" // the algorithm

	"github.com/havre-cloud/havre/internal/havre"
)

// Version is what the rest of the package does.
const Version = 1

// The sizes of chunks in bytes: none is smaller but the last of a file, none larger, and most are
// around Normal.
const (
	MinSize    = 64 << 10
	NormalSize = 256 << 10
	MaxSize    = 2 << 20
)

// algorithm is the name that the library has for the algorithm of Version 1.
const algorithm = "fastcdc-v1.0.0"

// Chunks yields the chunks of what r gives, in order, and ends with the first error, which is the
// reader's. Contents of 0 bytes have no chunks. It holds two buffers of MaxSize while it is ranged over.
func Chunks(r io.Reader) iter.Seq2[havre.Chunk, error] {
	return cut(r, MinSize, NormalSize, MaxSize)
}

func cut(r io.Reader, minSize, normal, maxSize int) iter.Seq2[havre.Chunk, error] {
	return func(yield func(havre.Chunk, error) bool) {
		c, err := chunkers.NewChunker(algorithm, r, &chunkers.ChunkerOpts{MinSize: minSize, NormalSize: normal, MaxSize: maxSize})
		if err != nil {
			yield(havre.Chunk{}, fmt.Errorf("cut into chunks: %w", err))
			return
		}
		for {
			b, err := c.Next()
			if err != nil && !errors.Is(err, io.EOF) {
				yield(havre.Chunk{}, err)
				return
			}
			// The last chunk may come together with io.EOF.
			if len(b) > 0 && !yield(havre.Chunk{Length: int64(len(b)), SHA256: sha256.Sum256(b)}, nil) {
				return
			}
			if err != nil {
				return
			}
		}
	}
}
