// Package svn is the vocabulary of a Subversion repository: revisions, paths, nodes, changes, and
// the Repository interface behind which every kind of repository stands, on the local disk
// (svn/fsfs) or on a server.
//
// A program opens one with fsfs.Open (a directory), rasvn.Open (svn://, svn+ssh://) or radav.Open (http://,
// https://) and does the same with each: Youngest is where it begins, a revision never changes, Log tells what
// came since another, Walk, List, Stat and Open read a revision, Commit makes the next one, and Wait blocks
// until there is one. Errors are told apart by type, with errors.As; those of this package mean the same everywhere.
//
// The package does no I/O. Its words are Subversion's own (node, revision, youngest, copyfrom,
// revprop), so that its documents can be read beside the code. Everything under svn/ imports
// nothing from the rest of havre.
package svn

import (
	"context"
	"io"
	"iter"
	"time"
)

// Revnum is a revision number. Revision 0 is the empty root that every repository starts with.
type Revnum int64

// InvalidRevnum stands for "no revision", as SVN_INVALID_REVNUM does in Subversion.
const InvalidRevnum Revnum = -1

// Kind says what a node is.
type Kind uint8

// The kinds of nodes. Subversion knows no others: a symbolic link is a file with svn:special.
const (
	KindNone Kind = iota
	KindFile
	KindDir
)

// String returns Subversion's word for the kind: "none", "file" or "dir".
func (k Kind) String() string {
	switch k {
	case KindFile:
		return "file"
	case KindDir:
		return "dir"
	default:
		return "none"
	}
}

// Names of properties that Subversion gives a meaning.
const (
	PropExecutable = "svn:executable" // versioned; present: the file is executable
	PropSpecial    = "svn:special"    // versioned; contents "link TARGET" make it a symbolic link
	PropMergeinfo  = "svn:mergeinfo"  // versioned; counted up to the root by FSFS
	PropAuthor     = "svn:author"     // revision property
	PropDate       = "svn:date"       // revision property, see FormatTime
	PropLog        = "svn:log"        // revision property
)

// Props maps property names to values. Values are bytes; they may hold anything.
type Props map[string]string

// Node describes a file or directory as it is at one revision.
type Node struct {
	// Path from the repository root, see Path.
	Path Path
	Kind Kind
	// Size of the contents in bytes; 0 for directories.
	Size int64
	// MD5 and SHA1 are of the contents, raw digests. Either is nil when the repository does
	// not know it; both are nil for directories.
	MD5, SHA1 []byte
	// CreatedRev is the revision in which this node, or for a directory anything in it, last
	// changed. A child of a copied directory keeps the one it had before.
	CreatedRev Revnum
	// ID is equal for two nodes of one repository exactly if they are the same node-revision,
	// that is, nothing at or below them differs. Empty when the repository does not know it.
	ID string
	// Props are the versioned properties; nil when there are none or when they were not
	// asked for.
	Props Props
}

// Action says what a revision did to a path, in Subversion's letters.
type Action byte

// The actions of a changed path.
const (
	ActionAdd     Action = 'A'
	ActionDelete  Action = 'D'
	ActionReplace Action = 'R'
	ActionModify  Action = 'M'
)

// PathChange is one changed path of a revision.
//
// A copied directory is one PathChange; what is in it is not listed, unless the same revision
// changed it further.
type PathChange struct {
	Path   Path
	Action Action
	Kind   Kind
	// TextModified and PropsModified say what a modification, or a change on top of a copy,
	// touched.
	TextModified, PropsModified bool
	// CopyFrom is where an added or replacing node was copied from; nil when it was not.
	CopyFrom *CopySource
}

// CopySource is a path at a revision that something was copied from.
type CopySource struct {
	Path Path
	Rev  Revnum
}

// Revision is an entry of the log.
type Revision struct {
	Rev Revnum
	// Props are the revision properties, svn:author, svn:date and svn:log among them where
	// they are set.
	Props Props
	// Changes is sorted by path.
	Changes []PathChange
}

// Author returns svn:author, or "" for an anonymous commit.
func (r *Revision) Author() string { return r.Props[PropAuthor] }

// Date returns svn:date, or the zero time when it is missing or malformed.
func (r *Revision) Date() time.Time {
	t, err := ParseTime(r.Props[PropDate])
	if err != nil {
		return time.Time{}
	}
	return t
}

// Repository is one Subversion repository, wherever it is.
//
// All methods may be called concurrently. A path that does not exist at the revision is
// *NotFoundError, a revision beyond the youngest is *NoSuchRevisionError; damage of a local
// repository is an error type of the package that reads it. Iterators end after the first error
// they yield, and hold resources only while they are being ranged over.
type Repository interface {
	// UUID identifies the repository for ever: all its copies share it.
	UUID() string

	// Youngest returns the number of the last revision, as it is now, others' commits included.
	Youngest(ctx context.Context) (Revnum, error)

	// Stat returns the node at path in rev, with its properties.
	Stat(ctx context.Context, path Path, rev Revnum) (*Node, error)

	// List yields the entries of the directory at path, sorted bytewise by name, with
	// their properties if props is set.
	List(ctx context.Context, path Path, rev Revnum, props bool) iter.Seq2[*Node, error]

	// Walk yields the node at path and everything below it, with properties: a directory
	// before its entries, entries sorted as in List. Memory is bounded by the largest
	// directories on the way down, not by the tree. With after not empty it continues behind
	// that path, which need not exist any more: only nodes that come later are yielded.
	Walk(ctx context.Context, path Path, rev Revnum, after Path) iter.Seq2[*Node, error]

	// Open returns the contents of the file at path in rev. The reader checks the contents
	// against the repository's checksum and returns the damage instead of io.EOF. The caller
	// closes it. A *NotFileError is returned for a directory.
	Open(ctx context.Context, path Path, rev Revnum) (File, error)

	// Log yields the revisions from the first to the last number, both included, downwards
	// if first > last. Paths are not filtered.
	Log(ctx context.Context, first, last Revnum) iter.Seq2[*Revision, error]

	// RevProps returns the properties of a revision.
	RevProps(ctx context.Context, rev Revnum) (Props, error)

	// Commit makes one revision of all the changes, or none: see Commit for the rules.
	// When it returns without error the revision is durable. An *OutOfDateError names each
	// change that others' commits stand against; nothing was committed then.
	Commit(ctx context.Context, c *Commit) (Revnum, error)

	// Wait blocks until the youngest revision is above rev, however it came about, and
	// returns it; or until ctx is done.
	Wait(ctx context.Context, rev Revnum) (Revnum, error)

	Close() error
}

// File is the contents of a file at one revision.
type File interface {
	io.ReadCloser
	// Size in bytes.
	Size() int64
	// SkipTo moves the next Read to the offset from the start of the contents, which must not
	// lie behind what has been read already. What is skipped costs less than reading it, but
	// the contents' checksum is not checked any more then.
	SkipTo(offset int64) error
}

// Commit is what one call of Repository.Commit is to do.
//
// Changes are applied in their order, upon the youngest revision; sources of copies are read from
// the revision they name, not from the changes before. Each change is checked against what others
// committed since its Base.
type Commit struct {
	// RevProps are set on the new revision. svn:date is set by the repository.
	RevProps Props
	Changes  []Change
}

// Op is what a Change does.
type Op uint8

// The operations of a Change.
const (
	// OpPut adds the file at Path, or changes the one that is there: contents (if Content is
	// not nil), properties (if Props is not nil), or both.
	OpPut Op = iota
	// OpMkdir adds the directory at Path, or, if Props is not nil and Base says that it
	// exists, changes its properties.
	OpMkdir
	// OpDelete removes the node at Path with all that is in it.
	OpDelete
	// OpCopy adds at Path a copy of CopyFrom, with everything in it and with its history.
	// Content and Props, if not nil, change the copy at once (Content: files only).
	OpCopy
)

// Change is one step of a Commit.
type Change struct {
	Op   Op
	Path Path

	// Base is the revision at which the committer knew Path. The change is out of date if the
	// node there differs from the youngest one: for OpDelete at or below Path; for OpPut and
	// OpMkdir in the node itself. InvalidRevnum says that nothing is known to be at Path: the
	// change is out of date if something is there (unless an earlier change of the same
	// Commit removed it). Nodes made by an earlier change of the same Commit are never out of
	// date: for them Base is ignored.
	Base Revnum

	// CopyFrom is the source of an OpCopy. A copy is never out of date because of its source.
	CopyFrom *CopySource

	// Content opens the new contents. It may be called more than once, and the reader is
	// closed. Nil leaves the contents as they are: empty for a new file.
	Content func() (io.ReadCloser, error)
	// SHA1 and Size, when SHA1 is not nil, are what Content must turn out to be, or the commit
	// fails with a *ChecksumError.
	SHA1 []byte
	Size int64

	// Props replace all properties of the node; nil leaves them as they are.
	Props Props
}
