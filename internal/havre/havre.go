// Package havre is the product's vocabulary: folders, devices, entries, commits and revisions as
// the hub, the protocol and the client mean them. It does no I/O.
//
// Paths are svn.Path, relative to a Scope: the folder, or the directory in it, that the speaker
// asked for.
package havre

import (
	"crypto/sha1" //nolint:gosec // the identity of contents that Subversion itself keeps
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/havre-cloud/havre/svn"
)

// FolderID names a shared folder, for ever and on every server it may move to.
type FolderID string

// UserID names an account.
type UserID string

// DeviceID names one installation of the client.
type DeviceID string

// UploadID names contents that were uploaded and wait for the commit that uses them.
type UploadID string

// Kind is what an entry is to the person: unlike Subversion's kinds, a symbolic link is one.
type Kind uint8

// The kinds of entries.
const (
	KindFile Kind = iota + 1
	KindDir
	KindSymlink
)

func (k Kind) String() string {
	switch k {
	case KindFile:
		return "file"
	case KindDir:
		return "directory"
	case KindSymlink:
		return "symbolic link"
	default:
		return fmt.Sprintf("Kind(%d)", uint8(k))
	}
}

// Hash identifies contents: one byte that names the algorithm, then the digest. The zero value ""
// means unknown; directories have none.
//
// The algorithm is one that the repository keeps with every file anyway, so that no second index
// is needed to know what has changed (docs/decisions/0002). The hash of a symbolic link is that of
// "link TARGET", its contents in the repository.
type Hash string

// HashSHA1 is the algorithm byte of SHA-1, which FSFS keeps for each file.
const HashSHA1 = 's'

// SHA1Hash returns the Hash with this SHA-1 digest of 20 bytes.
func SHA1Hash(sum []byte) Hash { return Hash(string(rune(HashSHA1)) + string(sum)) }

// HashBytes returns the Hash of contents in memory.
func HashBytes(b []byte) Hash {
	sum := sha1.Sum(b) //nolint:gosec // see Hash
	return SHA1Hash(sum[:])
}

// HashReader returns the Hash and the length in bytes of what r gives until io.EOF.
func HashReader(r io.Reader) (Hash, int64, error) {
	h := NewHasher()
	n, err := io.Copy(h, r)
	if err != nil {
		return "", n, err
	}
	return SHA1Hash(h.Sum(nil)), n, nil
}

// NewHasher returns what computes the digest of a Hash; pass its Sum to SHA1Hash.
func NewHasher() hash.Hash { return sha1.New() } //nolint:gosec // see Hash

// SHA1 returns the digest, or nil when the hash is unknown or of another algorithm.
func (h Hash) SHA1() []byte {
	if len(h) != 1+sha1.Size || h[0] != HashSHA1 {
		return nil
	}
	return []byte(h[1:])
}

// String returns the digest in hexadecimal.
func (h Hash) String() string {
	if h == "" {
		return "unknown"
	}
	return hex.EncodeToString([]byte(h[1:]))
}

// Entry is one version of a file, directory or symbolic link.
type Entry struct {
	Kind Kind
	// Size in bytes of the contents; of a symbolic link, of "link TARGET".
	Size int64
	Hash Hash
	// ModTime is when the person's machine last wrote the contents; zero when unknown and for
	// directories. It is carried along, it never decides anything.
	ModTime time.Time
	// Executable is set for files that the owner may execute.
	Executable bool
	// Rev is a revision in which this version was at the path that the entry came with. It is
	// neither the oldest such revision nor, once a directory above has been moved, one in which
	// there was anything at the new path: who asks for the contents later, or commits, names
	// the later one of Rev and the revision his tree is at. Ignored in commits.
	Rev svn.Revnum
}

// SameContent says whether two entries need no transfer and no conflict between them: kind,
// contents and executable bit are equal.
func (e *Entry) SameContent(f *Entry) bool {
	return e.Kind == f.Kind && e.Hash == f.Hash && e.Size == f.Size && e.Executable == f.Executable
}

// Item is an entry with its path.
type Item struct {
	Path svn.Path
	Entry
}

// Scope is what a request is about: a folder, or the directory Root inside it. All paths of the
// request and its answers are relative to it.
type Scope struct {
	Folder FolderID
	Root   svn.Path
	// View is what the person could read when the tree was made that a client has, as the server
	// told it in Folder.View or Revision.View; empty if nobody cares. Follow tells what has
	// appeared and vanished since, List goes on only while nothing has.
	View string
}

// Right is what a person may do in a folder.
type Right uint8

// The rights, each including those before it.
const (
	RightNone Right = iota
	RightRead
	RightWrite
	RightManage
)

func (r Right) String() string {
	return [...]string{"none", "read", "write", "manage"}[r]
}

// Folder is a shared folder as a person sees it.
type Folder struct {
	ID   FolderID
	Name string
	// Repository is the UUID of the Subversion repository. When it is not the one that a
	// client knows, the history is another one and the client must merge upwards.
	Repository string
	Head       svn.Revnum
	Right      Right  // at its root
	View       string // for Scope.View, with Head
}

// Origin says who made a revision; fields are empty when it was not made through havre.
type Origin struct {
	Author   string   // svn:author: the user's name
	Device   DeviceID // of the device that committed
	CommitID string   // Commit.ID
	// Confirmed: a person has agreed to the deletions, so that nobody else need be asked.
	Confirmed bool
}

// Revision is what one revision changed within a Scope, in the form that a client can apply to the
// tree it has of the revision before:
//
//  1. The nodes at all Moves' From paths are looked up, then taken out of the tree with all that is
//     in them.
//  2. What is then still at the paths in Removed is deleted; paths that are not there are ignored.
//     These paths, like From, mean the tree before the revision.
//  3. Ops are applied in their order, which is by path, parents first. Their paths mean the
//     tree after the revision.
//
// A large revision comes in several parts with the same Rev. Moves and Removed are in the first
// part; More is set on all but the last. The parts belong into one transaction.
type Revision struct {
	Rev     svn.Revnum
	Time    time.Time
	Origin  Origin
	Message string // svn:log
	Moves   []Move
	Removed []svn.Path
	Ops     []Op
	More    bool
	// View, in the last part, is what Scope.View is to be once the tree is that of Rev.
	View string
	// Access is set when it is not a revision that changed the tree, but what the person may read
	// of the one at Rev. What is in Removed is still there for others.
	Access Access
}

// Access says what became of the rights of a person in a scope.
type Access uint8

// The kinds of Access.
const (
	AccessSame    Access = iota
	AccessChanged        // other things can be read than before
	AccessEnded          // nothing in the scope can be read any more
)

// Move takes the node at From to To, where an Op of the same revision attaches it.
type Move struct{ From, To svn.Path }

// OpKind says what an Op does.
type OpKind uint8

// The kinds of Ops.
const (
	// OpPut makes the node at Path, or if one is there already, changes it to Entry. If the
	// one there is of another kind it goes first, with all that is in it.
	OpPut OpKind = iota + 1
	// OpAttach puts the moved node Moves[Move] at Path.
	OpAttach
	// OpDelete removes the node at Path, if there is one: something inside a moved directory.
	OpDelete
)

// Op is one change of the tree.
type Op struct {
	Kind  OpKind
	Path  svn.Path
	Entry Entry // OpPut
	// Content is the whole contents of a small file or symbolic link, when the sender chose to
	// send it along; nil otherwise. An empty file has Size 0.
	Content []byte
	Move    int // OpAttach
}

// InlineLimit is the size in bytes up to which the contents of a file travel inside commits,
// pushes and batches of Fetch. Larger contents travel as uploads and range requests.
const InlineLimit = 256 << 10

// Commit is what a client wants to become one revision.
type Commit struct {
	// ID is chosen by the client, unique for ever (UUID). Committing the same ID again returns
	// the revision that the first time made.
	ID      string
	Message string
	Changes []Change
	// Confirmed says that a person has agreed to the deletions in it, which are many.
	Confirmed bool
}

// ChangeKind says what a Change does.
type ChangeKind uint8

// The kinds of changes.
const (
	// ChangePut makes or changes the file, symbolic link or directory at Path.
	ChangePut ChangeKind = iota + 1
	// ChangeDelete deletes the node at Path, with all that is in it.
	ChangeDelete
	// ChangeCopy copies CopyFrom, with all that is in it, to Path. A move is a ChangeCopy and a
	// ChangeDelete of its source. A file changed on the way has a ChangePut of Path behind it.
	ChangeCopy
)

// Change is one step of a Commit; they are applied in order. For the meaning of Base see
// svn.Change: the committer's tree at Base has at Path what he changes, so that it is the later one
// of Entry.Rev and his cursor. A change of something that an earlier change of the same commit
// made or copied has Base svn.InvalidRevnum.
type Change struct {
	Kind     ChangeKind
	Path     svn.Path
	Base     svn.Revnum
	CopyFrom svn.CopySource // ChangeCopy
	Entry    Entry          // ChangePut; Hash and Size are checked against the contents
	// For a ChangePut of a file or symbolic link the contents come inline, or, if Upload is not
	// empty, from that upload. With neither, and KeepContent set, they stay as they are.
	Content     []byte
	Upload      UploadID
	KeepContent bool
}

// RefusalReason says why a change was refused.
type RefusalReason uint8

// The reasons for refusals.
const (
	RefusedOutOfDate RefusalReason = iota + 1 // others changed it since Base: apply theirs, then try again
	RefusedDenied                             // the person may not write there
	RefusedInvalid                            // the name or the contents cannot be stored
	RefusedLocked                             // somebody holds its `svn lock`
	RefusedUpload                             // the upload is unknown or incomplete: upload again
	RefusedParent                             // it needs another change that was refused
)

// Refusal is one change that was left out of a revision.
type Refusal struct {
	Index  int // into Commit.Changes
	Path   svn.Path
	Reason RefusalReason
	Text   string   // a sentence for the person
	Said   Sentence // what Text was made of; empty if it came over the network
}

// CommitResult tells what became of a Commit: in Rev is everything that is not in Refused, because
// the commit made that revision or, where nothing was left to change, because it was so already.
// It is svn.InvalidRevnum if everything was refused. Refused is sorted by Index.
type CommitResult struct {
	Rev     svn.Revnum
	Refused []Refusal
}
