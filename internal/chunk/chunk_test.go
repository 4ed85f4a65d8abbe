package chunk

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/internal/havre"
)

// noise returns n bytes that are the same in every run.
func noise(seed byte, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

func collect(t testing.TB, r io.Reader) []havre.Chunk {
	t.Helper()
	var all []havre.Chunk
	for c, err := range Chunks(r) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}

func TestChunksAreTheContents(t *testing.T) {
	for _, row := range []struct {
		name string
		data []byte
	}{
		{"empty", nil},
		{"one byte", []byte("x")},
		{"smaller than the smallest", noise(1, MinSize-1)},
		{"the smallest", noise(1, MinSize)},
		{"the largest", noise(1, MaxSize)},
		{"several", noise(1, 5*MaxSize+77)},
		{"zeros", make([]byte, 3*MaxSize+5)},
	} {
		t.Run(row.name, func(t *testing.T) {
			chunks := collect(t, bytes.NewReader(row.data))
			rest := row.data
			for i, c := range chunks {
				if last := i == len(chunks)-1; c.Length > MaxSize || c.Length < MinSize && !last || c.Length <= 0 {
					t.Fatalf("chunk %d of %d has %d bytes", i, len(chunks), c.Length)
				}
				if sum := sha256.Sum256(rest[:c.Length]); sum != c.SHA256 {
					t.Fatalf("chunk %d is not what is in the file", i)
				}
				rest = rest[c.Length:]
			}
			if len(rest) > 0 {
				t.Errorf("%d bytes are in no chunk", len(rest))
			}
		})
	}
}

// TestVersion1 pins the cuts: a change of the library or of the sizes that moves them needs another
// Version.
func TestVersion1(t *testing.T) {
	h := sha256.New()
	for _, c := range collect(t, bytes.NewReader(noise(7, 20<<20))) {
		fmt.Fprintln(h, c.Length)
	}
	if got, want := hex.EncodeToString(h.Sum(nil)), "d80870b541e2e86c2e1c6197a491620e703d16b6c78882df0a9ab523723a4e29"; got != want {
		t.Errorf("the cuts of version 1 have the sum %s, want %s", got, want)
	}
}

func TestReaderDoesNotMatter(t *testing.T) {
	data := noise(2, 3*MaxSize)
	want := collect(t, bytes.NewReader(data))
	for name, r := range map[string]io.Reader{
		"halves":       iotest.HalfReader(bytes.NewReader(data)),
		"error at end": iotest.DataErrReader(bytes.NewReader(data)),
	} {
		if diff := cmp.Diff(want, collect(t, r)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestReaderFails(t *testing.T) {
	broken := errors.New("broken")
	var last error
	for _, err := range Chunks(io.MultiReader(bytes.NewReader(noise(3, 3*MaxSize)), iotest.ErrReader(broken))) {
		last = err
	}
	if !errors.Is(last, broken) {
		t.Errorf("the iterator ended with %v, want the reader's error", last)
	}
}

func TestInsertionMovesFewChunks(t *testing.T) {
	old := noise(4, 32<<20)
	edited := slices.Insert(bytes.Clone(old), 10<<20, []byte("a few more bytes")...)
	have := map[[32]byte]bool{}
	for _, c := range collect(t, bytes.NewReader(old)) {
		have[c.SHA256] = true
	}
	var missing int64
	for c, err := range Chunks(bytes.NewReader(edited)) {
		if err != nil {
			t.Fatal(err)
		}
		if !have[c.SHA256] {
			missing += c.Length
		}
	}
	if missing > 2*MaxSize {
		t.Errorf("16 bytes inserted into 32 MiB make %d bytes to send, want at most %d", missing, 2*MaxSize)
	}
}

func BenchmarkChunks(b *testing.B) {
	data := noise(5, 64<<20)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		for _, err := range Chunks(bytes.NewReader(data)) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkSizes reports what a hundred edits of a file of 256 MiB cost with several sizes: the bytes to
// send, the list of chunks included (42 bytes each on the wire).
func BenchmarkSizes(b *testing.B) {
	old := noise(6, 256<<20)
	rnd := rand.New(rand.NewPCG(1, 1))
	for _, edits := range []int{1, 10, 100} {
		edited := bytes.Clone(old)
		for range edits {
			at := rnd.IntN(len(edited))
			edited = slices.Insert(edited, at, noise(byte(at), 100)...)
		}
		for _, size := range []struct{ min, normal, max int }{
			{16 << 10, 64 << 10, 1 << 20},
			{64 << 10, 256 << 10, 2 << 20},
			{128 << 10, 512 << 10, 4 << 20},
			{256 << 10, 1 << 20, 4 << 20},
		} {
			b.Run(fmt.Sprintf("edits=%d/normal=%dKiB", edits, size.normal>>10), func(b *testing.B) {
				var list, missing int64
				for b.Loop() {
					list, missing = 0, 0
					have := map[[32]byte]bool{}
					for c := range cut(bytes.NewReader(old), size.min, size.normal, size.max) {
						have[c.SHA256] = true
						list += 42
					}
					for c := range cut(bytes.NewReader(edited), size.min, size.normal, size.max) {
						if !have[c.SHA256] {
							missing += c.Length
						}
					}
				}
				b.ReportMetric(float64(list+missing)/(1<<20), "MiB-to-send")
				b.ReportMetric(float64(list)/1024, "KiB-list")
			})
		}
	}
}
