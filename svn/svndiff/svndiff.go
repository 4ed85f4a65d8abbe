// Package svndiff reads, writes and makes delta windows in the svndiff 0, 1 and 2 encodings.
//
// A delta turns a source text into a target text, window by window. Each window has a view of the
// source (an offset and a length) and makes a stretch of the target out of copies from that view,
// copies from the target made so far, and new data. The package knows neither files nor networks.
//
// Format: notes/svndiff in the Subversion sources.
package svndiff

// MaxView is the largest source or target view of a window, in bytes: SVN_DELTA_WINDOW_SIZE of
// libsvn_delta. FSFS moreover needs every window but the last to expand to exactly this.
const MaxView = 102400

// Version of the encoding: how the sections of a window are compressed.
type Version byte

// The versions, and the first Subversion release that reads them.
const (
	V0 Version = 0 // not compressed; 1.0
	V1 Version = 1 // zlib; 1.4
	V2 Version = 2 // LZ4 block; 1.10
)

// HeaderSize is the length in bytes of what a delta begins with: "SVN" and the version.
const HeaderSize = 4

// OpKind says where an instruction takes its bytes from.
type OpKind byte

// The kinds of instructions, with their numbers on disk.
const (
	OpSource OpKind = 0 // from the source view, at Offset
	OpTarget OpKind = 1 // from the target view, at Offset, which lies before the current position
	OpNew    OpKind = 2 // the next bytes of the new data
)

// Op is one instruction. Offset and Length are in bytes, Offset relative to the window's view.
type Op struct {
	Kind           OpKind
	Offset, Length int
}

// Window is one step of a delta.
type Window struct {
	// SourceOffset is where the source view begins, in bytes from the start of the source.
	SourceOffset int64
	// SourceLen and TargetLen are the lengths of the views in bytes.
	SourceLen, TargetLen int
	Ops                  []Op
	// NewData is what the OpNew instructions use up, in order.
	NewData []byte
}
