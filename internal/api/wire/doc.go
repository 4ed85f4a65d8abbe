// Package wire translates between internal/havre, which the hub and the client's engine speak, and
// the messages of the protocol, in both directions; and it holds what both ends must agree on:
// limits, compression, and how failures travel.
//
// What comes from the network is not trusted, on neither end: the functions in decode.go check
// paths, numbers, lengths and counts, and return a *havre.Error with CodeInvalid that names what is
// wrong. The functions in encode.go cannot fail. Slices of contents are shared, not copied.
package wire

// Limits that both ends keep. The server refuses what is above them.
const (
	// MaxMessage bounds one message, decompressed, in bytes.
	MaxMessage = 64 << 20
	// MaxSmallMessage bounds the messages that hold no contents and no lists.
	MaxSmallMessage = 64 << 10
	// MaxChanges bounds the changes of one commit.
	MaxChanges = 100_000
	// MaxFetch bounds the files of one Fetch request; a client splits longer lists.
	MaxFetch = 10_000
	// MaxReports bounds the replicas of one Report.
	MaxReports = 1_000
	// MaxPath and MaxDepth bound a path, in bytes and in components. Linux takes 4,096 bytes, so
	// that nothing that exists on a disk there is refused.
	MaxPath  = 8 << 10
	MaxDepth = 1 << 10
	// MaxText bounds messages for people, in bytes, MaxName the names of things and their IDs.
	MaxText = 64 << 10
	MaxName = 1 << 10
	// MaxView bounds Scope.View, in bytes.
	MaxView = 33 << 10
	// PackBytes is about how much a sender of many small things puts into one message.
	PackBytes = 1 << 20
)

// Addresses of what is not a remote procedure call.
const (
	ContentPath = "/havre.v1/content"
	UploadPath  = "/havre.v1/upload"
)
