package wire

import (
	"io"

	"connectrpc.com/connect"
	"github.com/klauspost/compress/zstd"
)

// Zstd is the name of the compression that both ends use for messages of at least CompressMin bytes.
const Zstd = "zstd"

// CompressMin is the size in bytes below which compressing a message costs more than it saves.
const CompressMin = 1 << 10

// window is how far back in bytes zstd looks for repetitions. Messages are about PackBytes long;
// encoders and decoders keep this much memory each.
const window = 1 << 20

// ClientCompression makes a client send and accept zstd.
func ClientCompression() connect.ClientOption {
	return connect.WithClientOptions(
		connect.WithAcceptCompression(Zstd, newDecompressor, newCompressor),
		connect.WithSendCompression(Zstd),
		connect.WithCompressMinBytes(CompressMin),
	)
}

// HandlerCompression makes a handler accept zstd, and send it to who accepts it.
func HandlerCompression() connect.HandlerOption {
	return connect.WithHandlerOptions(
		connect.WithCompression(Zstd, newDecompressor, newCompressor),
		connect.WithCompressMinBytes(CompressMin),
	)
}

func newCompressor() connect.Compressor {
	// At the fastest level contents that do not compress are noticed quickly. Concurrency 1
	// means no goroutines, so that the pools may forget encoders.
	e, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(window),
		zstd.WithLowerEncoderMem(true))
	if err != nil {
		panic("zstd: " + err.Error()) // the options are constants
	}
	return e
}

func newDecompressor() connect.Decompressor {
	d, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(8*window),
		zstd.WithDecoderMaxMemory(MaxMessage+1))
	if err != nil {
		panic("zstd: " + err.Error()) // the options are constants
	}
	return &decompressor{d}
}

// decompressor keeps a decoder alive after Close, since ConnectRPC uses it again.
type decompressor struct{ dec *zstd.Decoder }

func (d *decompressor) Read(p []byte) (int, error) { return d.dec.Read(p) }

func (d *decompressor) Reset(r io.Reader) error { return d.dec.Reset(r) }

func (d *decompressor) Close() error { return nil }
