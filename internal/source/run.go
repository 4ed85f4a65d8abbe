package source

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// Outcome is what one check of a document led to.
type Outcome string

// The outcomes. In all but the first three the last good copy stays as it is.
const (
	OutcomeNew         Outcome = "new"         // the first copy was saved
	OutcomeChanged     Outcome = "changed"     // a new copy was saved
	OutcomeUnchanged   Outcome = "unchanged"   // the document is as it was
	OutcomeSuspect     Outcome = "suspect"     // what came should not replace what there is; it is kept apart
	OutcomeGone        Outcome = "gone"        // the instance says that there is no such document
	OutcomePrivate     Outcome = "private"     // it may not be read, or a password is missing
	OutcomeUnreachable Outcome = "unreachable" // the instance does not answer
	OutcomeLimited     Outcome = "limited"     // the instance asked for a pause
	OutcomeFailed      Outcome = "failed"      // anything else: Result.Reason and Result.Error say what
)

// Good says that the document was read and that its copy here is current.
func (o Outcome) Good() bool {
	return o == OutcomeNew || o == OutcomeChanged || o == OutcomeUnchanged
}

// outcomes says what each reason leads to; those that are not here lead to OutcomeFailed.
var outcomes = map[Reason]Outcome{
	ReasonGone: OutcomeGone, ReasonPrivate: OutcomePrivate, ReasonPassword: OutcomePrivate, ReasonHidden: OutcomePrivate,
	ReasonDown: OutcomeUnreachable, ReasonLimited: OutcomeLimited,
}

// Result is the record of one check.
type Result struct {
	When    time.Time     `json:"when"` // when it began, UTC
	Took    time.Duration `json:"took"`
	Outcome Outcome       `json:"outcome"`
	// Reason and Error say why there is no new copy, or why one is suspect. Error is a sentence for a person, without secrets.
	Reason Reason `json:"reason,omitempty"`
	Error  string `json:"error,omitempty"`
	// Until is before when the instance should not be asked again; zero if it did not say.
	Until   time.Time `json:"until,omitzero"`
	Authors []string  `json:"authors,omitempty"`
	// Kept are the files that were written beside the copy: a suspect one, or what a person had changed in the last one.
	Kept []string `json:"kept,omitempty"`
}

// Item is one document with all that is remembered of it, as a program stores it. It holds no secrets.
type Item struct {
	Address Address `json:"address"`
	// Name is the name of its files without the extension. Empty until the first copy was saved; then it stays, whatever
	// becomes of the title.
	Name    string          `json:"name,omitempty"`
	Files   []SavedFile     `json:"files,omitempty"` // of the last good copy
	Title   string          `json:"title,omitempty"`
	Summary string          `json:"summary,omitempty"`
	Notes   []Note          `json:"notes,omitempty"`
	State   json.RawMessage `json:"state,omitempty"`   // Copy.State of the last good copy
	Suspect string          `json:"suspect,omitempty"` // the digest of the last suspect copy, which is kept once
	History History         `json:"history"`
	Last    Result          `json:"last,omitzero"`
}

// SavedFile is one file of the last good copy, as it was written.
type SavedFile struct {
	Ext    string `json:"ext"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"` // in hexadecimal
}

// Target is where copies go. It is safe for concurrent use with different items.
type Target interface {
	// Complete says whether the files of the item's last copy are still there, so that it need not be fetched again.
	Complete(item *Item) bool
	// Save writes the files of a good copy as one change, under item.Name, or a name of its own choice where that is empty
	// (UniqueName). Files that the copy does not have stay. What a person has changed is never lost. It does not
	// change the item.
	Save(ctx context.Context, item *Item, c *Copy) (Saved, error)
	// Keep writes the files of a suspect copy beside the good one (SuspectName).
	Keep(ctx context.Context, item *Item, c *Copy) (Saved, error)
}

// Saved is what a target has written.
type Saved struct {
	Name    string      // of the files, without extension
	Files   []SavedFile // all of the copy's, the same order
	Written bool        // at least one differed from what was there
	Kept    []string    // paths of files that were set aside
}

// Check looks at one document once: it fetches it, and has the target save what is new. It updates the item and returns
// the result, which is also item.Last. A context that ends leaves the item as it was and is the only error.
func Check(ctx context.Context, c *Client, p Provider, secrets Secrets, target Target, item *Item) (Result, error) {
	r := Result{When: time.Now().UTC()}
	got, err := fetch(ctx, c, p, item.document(secrets), target.Complete(item))
	if err == nil {
		defer got.Close() //nolint:errcheck // what could be left lies in the temporary directory
		err = take(ctx, target, item, got, &r)
	}
	return item.noted(ctx, r, err)
}

// document is the item as a provider is asked for it.
func (i *Item) document(secrets Secrets) Document {
	return Document{Address: i.Address, Secrets: secrets, State: i.State}
}

// fetch fetches a document. What is unchanged is fetched whole if not all files of the last copy are there any more: only
// then, for without a state the provider cannot tell a suspect copy from a good one.
func fetch(ctx context.Context, c *Client, p Provider, d Document, complete bool) (*Copy, error) {
	got, err := p.Fetch(ctx, c, d)
	if err != nil || !got.Unchanged || complete {
		return got, err
	}
	got.Close() //nolint:errcheck // it has no files
	d.State = nil
	return p.Fetch(ctx, c, d)
}

// noted completes a result and notes it, unless the context ended before there was one.
func (i *Item) noted(ctx context.Context, r Result, err error) (Result, error) {
	if ctx.Err() != nil && !r.Outcome.Good() && r.Outcome != OutcomeSuspect {
		return Result{}, context.Cause(ctx)
	}
	if err != nil {
		r.failed(err)
	}
	r.Took = time.Since(r.When).Round(time.Millisecond)
	i.Last, i.History = r, i.History.Add(r)
	return r, nil
}

// FailedResult returns the result of something that failed at a time.
func FailedResult(when time.Time, err error) Result {
	r := Result{When: when.UTC()}
	r.failed(err)
	return r
}

// failed notes an error, without the parts that are for the log only.
func (r *Result) failed(err error) {
	r.Outcome, r.Reason, r.Error = OutcomeFailed, "", "it failed for a reason that is not known: "+err.Error()
	if e, ok := errors.AsType[*Error](err); ok {
		r.Reason, r.Error, r.Until = e.Reason, e.Text, e.Until
		r.Outcome = cmp.Or(outcomes[e.Reason], OutcomeFailed)
	}
}

// take does with a copy what is right: nothing, keep it apart, or have it saved.
func take(ctx context.Context, target Target, item *Item, got *Copy, r *Result) error {
	switch {
	case got.Unchanged:
		r.Outcome = OutcomeUnchanged
		item.take(got, len(got.State) > 0)
		return nil
	case got.Suspect != "":
		return keepSuspect(ctx, target, item, got, r)
	default:
		return save(ctx, target, item, got, r, true)
	}
}

// save has a good copy written and takes over what it says. Of a copy that is not whole (Follower), the state is not kept.
func save(ctx context.Context, target Target, item *Item, got *Copy, r *Result, whole bool) error {
	saved, err := target.Save(ctx, item, got)
	if err != nil {
		return ours(err)
	}
	first := item.Name == ""
	item.Name = saved.Name
	item.Files = slices.Clone(item.Files) // whoever has a copy of the item shares the old ones
	for _, f := range saved.Files {
		i := slices.IndexFunc(item.Files, func(old SavedFile) bool { return old.Ext == f.Ext })
		if i < 0 {
			item.Files = append(item.Files, f)
		} else {
			item.Files[i] = f
		}
	}
	r.Kept, r.Authors = saved.Kept, got.Authors
	switch {
	case first:
		r.Outcome = OutcomeNew
	case saved.Written:
		r.Outcome = OutcomeChanged
	default:
		r.Outcome = OutcomeUnchanged
	}
	if got.Changed.IsZero() && saved.Written {
		item.History.Changed = r.When
	}
	item.take(got, whole)
	if whole {
		item.Suspect = ""
	}
	return nil
}

// take takes over what a good copy says of the document.
func (i *Item) take(c *Copy, whole bool) {
	if whole {
		i.State = slices.Clone(c.State)
		i.Notes = c.Notes
	}
	i.Title, i.Summary = cmp.Or(c.Title, i.Title), cmp.Or(c.Summary, i.Summary)
	i.History.Changed = later(i.History.Changed, c.Changed)
	if !c.Ends.IsZero() || whole && !c.Unchanged {
		i.History.Ends = c.Ends
	}
	if !c.Closes.IsZero() || whole && !c.Unchanged {
		i.History.Closes = c.Closes
	}
	if days, ok := Lifetime(i.Address); ok && c.Ends.IsZero() && !i.History.Changed.IsZero() {
		i.History.Ends = i.History.Changed.AddDate(0, 0, days)
	}
}

// keepSuspect has a copy written beside the good one, once.
func keepSuspect(ctx context.Context, target Target, item *Item, got *Copy, r *Result) error {
	digest, err := digestOf(got)
	if err != nil {
		return ours(err)
	}
	r.Reason, r.Error = ReasonDamaged, got.Suspect
	if digest != item.Suspect {
		saved, err := target.Keep(ctx, item, got)
		if err != nil {
			return ours(err)
		}
		r.Kept = saved.Kept
		item.Suspect = digest
	}
	r.Outcome = OutcomeSuspect
	return nil
}

// Accept makes the next copy a good one whatever it is like: a person has looked at it.
func (i *Item) Accept() { i.State, i.Suspect = nil, "" }

// ours explains that a copy could not be kept.
func ours(err error) error {
	if _, ok := errors.AsType[*Error](err); ok || errors.Is(err, context.Canceled) {
		return err
	}
	return &Error{Reason: ReasonOurs, Text: "the copy could not be saved: " + err.Error(), Err: err}
}

// digestOf returns a digest of all files of a copy.
func digestOf(c *Copy) (string, error) {
	all := sha256.New()
	for _, f := range c.Files {
		digest, _, err := f.digest()
		if err != nil {
			return "", err
		}
		fmt.Fprintln(all, f.Ext, digest) //nolint:errcheck // a hash cannot fail
	}
	return hex.EncodeToString(all.Sum(nil)), nil
}

// digest returns the SHA-256 of a file in hexadecimal, and its size.
func (f File) digest() (string, int64, error) {
	r, err := f.Open()
	if err != nil {
		return "", 0, fmt.Errorf("open the %s: %w", f.Ext, err)
	}
	defer r.Close()
	h := sha256.New()
	n, err := io.Copy(h, r)
	if err != nil {
		return "", 0, fmt.Errorf("read the %s: %w", f.Ext, err)
	}
	return hex.EncodeToString(h.Sum(nil)), n, nil
}
