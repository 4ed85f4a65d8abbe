package hub

import (
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/source"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
)

// SourceID names a source for ever.
type SourceID = store.SourceID

// SourceState says how a source is now.
type SourceState string

// The states. What a person is told of a failure is Source.Reason and Source.Text.
const (
	SourceWaiting     SourceState = "waiting"     // never fetched so far; its turn comes
	SourceRunning     SourceState = "running"     // being fetched at this moment
	SourceOK          SourceState = "ok"          // the last copy is good
	SourceLive        SourceState = "live"        // followed as it is written, and the instance is there
	SourceSuspect     SourceState = "suspect"     // what is there now is kept apart, a person decides: ResolveSuspect
	SourceGone        SourceState = "gone"        // the instance says that there is no such document
	SourcePrivate     SourceState = "private"     // it may not be read
	SourcePassword    SourceState = "password"    // a password is missing or wrong
	SourceHidden      SourceState = "hidden"      // the instance does not show what is asked for
	SourceUnreachable SourceState = "unreachable" // no answer, or another program's
	SourceLimited     SourceState = "limited"     // the instance asks for a pause
	SourceFailed      SourceState = "failed"      // damaged, too large, forbidden by our rules, no space
	SourcePaused      SourceState = "paused"      // nobody asks: Text says why if it was not a person
)

// Problem says whether somebody should look at a source in this state.
func (s SourceState) Problem() bool {
	switch s {
	case SourceWaiting, SourceRunning, SourceOK, SourceLive, SourceLimited, SourcePaused:
		return false
	}
	return true
}

// SourceDay is what happened to a source on one day.
type SourceDay byte

// What can happen on a day; later ones outweigh earlier ones.
const (
	DayNone    SourceDay = iota // nobody asked
	DaySame                     // nothing new
	DayFailed                   // only failures
	DayVersion                  // a new version
)

// SourceFile is one file of a source.
type SourceFile struct {
	Ext  string     // ".txt"
	Path svn.Path   // in the folder
	Rev  svn.Revnum // that wrote it last
}

// Source is an online document that is backed up into a folder, or a collection of them (Address.Collection
// is not empty), which adds the documents that it holds as sources beside it.
type Source struct {
	ID      SourceID
	Kind    source.Kind
	Address source.Address // holds nothing secret
	Title   string         // of the last good copy; the document's name before
	Name    string         // base of the names of its files; empty before the first copy

	Folder   string // name
	FolderID havre.FolderID
	Path     svn.Path     // the directory of its files
	Files    []SourceFile // of the last good copy, in the provider's order; they may have been renamed
	Right    havre.Right  // of the caller at Path; write is what changing the source takes
	// Bare: an administrator who may not read there. Title, Name, Files, Summary, Notes and of the address
	// everything but kind, instance and collection are left out.
	Bare bool

	Live     bool          // followed as it is written
	Schedule time.Duration // between two looks; 0: adaptive
	State    SourceState
	Since    time.Time     // when this state began
	Reason   source.Reason // of the last run if it failed, also while State is running or paused
	Text     string        // what a person is told of it: a sentence, names no secret

	Added       time.Time
	LastRun     time.Time // end of the last run; zero: none
	LastGood    time.Time // when the document was last seen to be well, changed or not
	LastChanged time.Time // when someone last changed the document, as far as is known
	LastVersion time.Time // when files were last committed
	Next        time.Time // zero: paused, or followed live
	Ends        time.Time // when the instance will remove it, as far as is known
	Closes      time.Time // when nobody can answer any more
	Failures    int       // runs since the last good one

	Summary string            // "1 240 words"; English
	Notes   []source.Note     // what a person should know of the last copy
	Authors map[string]string // names that people gave to unnamed authors, by the author's ID

	AddedBy   string   // login of the person in whose name its versions are committed
	Parent    SourceID // the collection that added it; empty for most
	Documents int      // of a collection: how many sources it has added
	// Secrets says which secrets are kept: "address", "password", "session", "key". Never the secrets.
	Secrets []string
	Suspect *SuspectCopy // what is kept apart; nil if nothing is

	// Days are the last 30, the last one is today (UTC).
	Days [30]SourceDay
}

// SuspectCopy is what an instance gave last and should not replace the good copy: it was emptied, or is
// someone else's document.
type SuspectCopy struct {
	Why   string       `json:"why"` // a sentence
	Since time.Time    `json:"since"`
	Files []SourceFile `json:"files"` // beside the good ones, under other names
}

// SourceRun is one look at a source.
type SourceRun struct {
	ID      int64
	Start   time.Time
	Took    time.Duration
	Outcome source.Outcome
	Reason  source.Reason // of a failure
	Text    string        // of a failure: a sentence; of a new version: its message
	Rev     svn.Revnum    // of a new version; 0 for none
	Live    bool          // versions written while the document was followed; Rev is the last one
}

// SourceFilter chooses sources; its zero value chooses all.
type SourceFilter struct {
	Folder string   // name
	Path   svn.Path // at or below it; with Folder
	Kind   source.Kind
	Parent SourceID // added by this collection
	States []SourceState
	Text   string // in title, name or address, in whatever case
	// All is for administrators: also what the caller may not read, bare. It is havre.CodeDenied for others.
	All bool
}

// SourceWish is a document that a person wants to be backed up.
type SourceWish struct {
	URL      string // as the person has it, secrets included: it is taken apart before anything is kept
	Group    string // of the instance or account at URL, only this group; mostly empty
	Secrets  source.Secrets
	Name     string // base of the names of its files; the document's title if it is empty
	Live     bool
	Schedule time.Duration // 0: adaptive
}

// FoundState says what is known of an address that a person gave.
type FoundState string

// The states.
const (
	FoundChecking FoundState = "checking" // the instance has not answered yet; with a Text it is asked again for some minutes
	FoundReady    FoundState = "ready"    // it can be added
	FoundKnown    FoundState = "known"    // Source backs it up already
	FoundNeeds    FoundState = "needs"    // Reason says what is missing: CompleteFound
	FoundNone     FoundState = "none"     // no document, or nothing answers: Text says why
	FoundAdded    FoundState = "added"    // Source is new
	FoundDropped  FoundState = "dropped"  // a person does not want it
)

// Found is one address out of a text that a person gave. The document's own title is not known before the first copy.
type Found struct {
	List    string // the ID of the list that it is on
	Index   int    // in the list, from 0
	Given   string // the address as it may be shown, without secrets
	Title   string // what the text called it, often empty
	Address source.Address
	State   FoundState
	Reason  source.Reason // also of FoundReady and FoundAdded, where the instance does not answer now
	Text    string        // a sentence, or how many documents it holds; names no secret
	Source  SourceID      // FoundKnown, FoundAdded
	Place   string        // FoundKnown and FoundAdded: FOLDER/PATH of that source
	At      time.Time
}

// FoundList is what became of a text with addresses so far.
type FoundList struct {
	ID    string
	At    time.Time
	Items []Found
	Done  bool // no item is FoundChecking any more
}

// SourceHow is how documents are to be backed up.
type SourceHow struct {
	Live     bool
	Schedule time.Duration // 0: adaptive
}

// SourceChange is what SetSource changes; nil stays as it is.
type SourceChange struct {
	Live     *bool
	Schedule *time.Duration
	Secrets  *source.Secrets // those that are not empty replace what is kept
	Forget   bool            // forgets all secrets before
}

// SuspectChoice is what ResolveSuspect keeps.
type SuspectChoice string

// The choices.
const (
	KeepGood    SuspectChoice = "good"    // the good copy; this content is not reported again
	KeepSuspect SuspectChoice = "suspect" // what the instance has now becomes the next version
)

// SourceInstance is one service and how much of it is asked.
type SourceInstance struct {
	Instance string
	Sources  int
	Problems int       // sources in a state that somebody should look at
	Until    time.Time // nothing is asked of it before; zero if it may be asked now
}

// SourceSettings are what an administrator says about backups.
type SourceSettings struct {
	Contact        string   // for the User-Agent: an address of a page or mail that an instance's administrator finds
	PrivateNetwork bool     // addresses of the server's own network may be asked
	Networks       []string // in CIDR form: networks that may be asked besides public addresses
}
