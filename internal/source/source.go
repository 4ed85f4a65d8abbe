// Package source saves online documents (pads, polls, sheets) as ordinary files, from any instance.
//
// A [Provider] knows one kind of document: how its addresses look, how it is fetched, checked and
// turned into files. Everything else is the same for all kinds and is here: finding addresses in texts,
// the requests with their manners and limits ([Client]), when to look again, what is a good copy, and
// where copies go. Nothing here knows of the hub: the command line uses it without any server.
package source

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/url"
	"time"
)

// Kind names a kind of document, as it is stored and shown in addresses: "etherpad", "framadate".
type Kind string

// The kinds.
const (
	KindEtherpad  Kind = "etherpad"
	KindFramadate Kind = "framadate"
	KindEtherCalc Kind = "ethercalc"
)

// Secret is text that must not be seen: neither printed, logged, nor written as JSON.
type Secret string

// String, GoString, LogValue and MarshalJSON hide it.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "[secret]"
}

// GoString hides it from %#v.
func (s Secret) GoString() string { return s.String() }

// LogValue hides it from logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalJSON hides it from JSON; what stores secrets encrypts them first.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// Reveal returns the text itself.
func (s Secret) Reveal() string { return string(s) }

// Secrets are what is needed to read a document and must not be shown to others. Whoever stores them
// encrypts them.
type Secrets struct {
	// Address is an address that may do more than read: a poll's administration, a pad's writable name
	// where the document is known by its read-only id.
	Address Secret
	// User and Password are for HTTP's Basic authentication, a poll's password (no User) or a prompt of MyPads.
	User     string
	Password Secret
	// Session is the value of Etherpad's sessionID cookie for pads of a group.
	Session Secret
	// APIKey is an Etherpad instance's key, or "ID:SECRET" of an OAuth client.
	APIKey Secret
	// Author is the stable author token with which a pad is followed, "t." and 20 characters. One for an instance.
	Author Secret
}

// Address is where one document, or a collection of them, is. It is comparable by URL, and holds no secrets.
type Address struct {
	Kind Kind `json:"kind"`
	// Instance is the root of the service, scheme and host in lower case, with the sub-path if it lives below one and
	// without a slash at the end: "https://pads.example.org", "https://example.org/etherpad".
	Instance string `json:"instance"`
	// Name is the document's name on the instance, decoded: a pad's name, a poll's ID. Empty for a collection.
	Name string `json:"name,omitempty"`
	// Collection is what holds documents instead of being one: "group g.XXXX", "all", "mypads"; empty for a document.
	Collection string `json:"collection,omitempty"`
	// URL is the canonical address that one opens in a browser, without anything secret.
	URL string `json:"url"`
}

// Likelihood says how sure the form of an address is.
type Likelihood uint8

// Likelihoods.
const (
	Unlikely Likelihood = iota // it is not one of this kind
	Possible                   // it could be: the instance has to be asked (Provider.Probe)
	Certain                    // its form is that of this kind and no other, or the instance is a known one
)

// Recognised is an address as a person gave it, taken apart.
type Recognised struct {
	Address    Address
	Secrets    Secrets // what the given address had of them: an administration address, a user and password
	Likelihood Likelihood
}

// Document is one source to fetch.
type Document struct {
	Address Address
	Secrets Secrets
	// State is what the provider said of the last good copy (Copy.State), nil before the first.
	State json.RawMessage
}

// Provider is one kind of online document. It is safe for concurrent use and keeps nothing between calls: what it
// wants to know again is in Copy.State. Errors are of type *Error wherever the cause is known.
type Provider interface {
	Kind() Kind
	// Recognise takes an address apart by its form, without asking anyone.
	Recognise(u *url.URL) Recognised
	// Probe asks the instance whether it is of this kind, and returns the address corrected by what it answers (the
	// canonical name, the root of the instance). It must not create the document. An instance of another kind
	// is an Error with ReasonForeign.
	Probe(ctx context.Context, c *Client, r Recognised) (Recognised, error)
	// Fetch returns the document as it is, checked, or an error that says why there is no good copy. The caller
	// closes the copy.
	Fetch(ctx context.Context, c *Client, d Document) (*Copy, error)
}

// Follower is a provider whose documents can be followed as they are written.
type Follower interface {
	Provider
	// Follow calls changed with a new copy soon after something was written, and after it pauses, until the
	// context ends (nil) or something is wrong. It resumes after cut connections by itself. The copies hold what can be
	// known cheaply (at least the text); the caller fetches the whole document when the writing is over.
	// alive is called whenever the instance is known to be there.
	Follow(ctx context.Context, c *Client, d Document, alive func(), changed func(*Copy) error) error
}

// Finder is a provider whose Probe says nothing of the document itself, because that costs a request which instances count.
type Finder interface {
	Provider
	// Find returns nil if the document is there, without fetching it: an error says what Fetch would. It must not create it.
	Find(ctx context.Context, c *Client, r Recognised) error
}

// Lister is a provider that can say which documents a collection holds.
type Lister interface {
	Provider
	List(ctx context.Context, c *Client, d Document) ([]Recognised, error)
}

// Restorer is a provider that can bring a document back to life on an instance.
type Restorer interface {
	Provider
	// Restore makes the document anew at the address, from the file with the complete content that Fetch gave
	// (".etherpad", ".json"). It checks the file first, never changes anything that exists there, and reads
	// the result back.
	Restore(ctx context.Context, c *Client, to Recognised, file io.ReaderAt, size int64) (*Restored, error)
}

// Restored is what became of a restored document.
type Restored struct {
	Address Address
	Secrets Secrets  // of a new poll: its administration address
	Lost    []string // what could not be carried over, one sentence each
}

// Copy is a document that was fetched and is whole.
type Copy struct {
	// Unchanged: nothing differs from the copy that Document.State describes; there are no files.
	Unchanged bool
	Title     string
	State     json.RawMessage // for the next Fetch; no secrets
	Files     []File          // one for each form, the same order every time
	Changed   time.Time       // when someone last changed it, zero if unknown
	Ends      time.Time       // when the instance will remove it, as far as is known; zero if it is not
	Closes    time.Time       // when nobody can answer any more (a poll's expiry); zero if unknown
	Authors   []string        // those who changed it since the copy before, as far as they have names
	Summary   string          // what it holds, for lists: "1 240 words", "12 answers"; English
	Notes     []Note          // what a person should know: results hidden, a format missing
	// Suspect says why this copy should not replace the one before, which was better: it was emptied, or is someone
	// else's document. It is kept apart. Empty for a good one.
	Suspect string

	close func() error
}

// NewCopy returns a copy that runs release, which may be nil, when it is closed.
func NewCopy(release func() error) *Copy { return &Copy{close: release} }

// Close removes what the copy holds on disk.
func (c *Copy) Close() error {
	if c == nil || c.close == nil {
		return nil
	}
	release := c.close
	c.close = nil
	return release()
}

// Note is something that a person should know of a copy.
type Note struct {
	Code string // for the page's words: "hidden-results", "no-history"
	Text string // a sentence in English
}

// File is one form of a document.
type File struct {
	// Ext is what follows the name: ".txt", ".etherpad". It differs between the files of a copy.
	Ext  string
	Size int64 // bytes
	// Open returns the content, as often as it is called, until the copy is closed.
	Open func() (io.ReadCloser, error)
}
