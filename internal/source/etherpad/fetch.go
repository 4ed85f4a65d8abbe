package etherpad

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/source"
	"github.com/havre-cloud/havre/internal/source/etherpad/changeset"
)

// How an unchanged pad costs one request in a run. The ".etherpad" export has everything, and is asked for with the ETag of
// the last one: 304 is the answer while nobody even opened the pad. It may be large, and the instance makes it anew each
// time: for a large one the HTML export, which shows the last revision only, is asked for first, and as long as that is the same
// the whole one, with chat, saved revisions and edits that were undone, is looked at twice a day.
const (
	largePad   = 1 << 20
	wholeAgain = 12 * time.Hour
	// plainAgain is how often the whole export is tried of a pad that the instance cannot export.
	plainAgain = 24 * time.Hour
)

// state is Copy.State: what is known of the last good copy.
type state struct {
	Head     int    `json:"head"`
	ChatHead int    `json:"chatHead"`
	Saved    string `json:"saved,omitempty"` // digest of the saved revisions
	ETag     string `json:"etag,omitempty"`
	Size     int64  `json:"size,omitempty"` // of the ".etherpad" export
	// First and Last are digests of the first and the last revision. A pad that does not have them any more is another one.
	First string    `json:"first,omitempty"`
	Last  string    `json:"last,omitempty"`
	Began time.Time `json:"began,omitzero"`
	// Text and Default are digests of the words of the text and of the first revision's; empty if there are none.
	Text    string `json:"text,omitempty"`
	Default string `json:"default,omitempty"`
	Words   int    `json:"words,omitempty"`
	// HTML is the ETag of the HTML export, and Whole when the ".etherpad" export was last asked for, if that is not always.
	HTML  string    `json:"html,omitempty"`
	Whole time.Time `json:"whole,omitzero"`
	// Plain says that the last copy has no history, for the instance does not export it.
	Plain bool `json:"plain,omitempty"`
}

// Fetch implements source.Provider.
func (p *Provider) Fetch(ctx context.Context, c *source.Client, d source.Document) (*source.Copy, error) {
	if d.Address.Name == "" || !validName(d.Address.Name) {
		return nil, source.Errorf(source.ReasonAddress, "this is not the address of one pad")
	}
	d.Address.Name = SanitiseName(d.Address.Name)
	f := &fetch{ctx: ctx, client: c, document: d}
	if len(d.State) > 0 && json.Unmarshal(d.State, &f.old) == nil {
		f.known = true
	}
	again := wholeAgain
	if f.old.Plain {
		again = plainAgain
	}
	var got *source.Copy
	var err error
	if f.old.HTML != "" && time.Since(f.old.Whole) < again {
		got, err = f.html()
	}
	if got == nil && err == nil {
		got, err = f.whole()
	}
	if err == nil {
		p.live.saw(d.Address)
	}
	return got, err
}

// fetch is one fetch of a pad.
type fetch struct {
	ctx      context.Context //nolint:containedctx // it lives as long as the call of Fetch
	client   *source.Client
	document source.Document
	old      state
	known    bool // old is of a good copy
}

// html asks whether the last revision still looks the same. It returns nothing if the whole export is needed.
func (f *fetch) html() (*source.Copy, error) {
	resp, err := f.export("html", f.old.HTML)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusNotModified:
		return f.unchanged(f.old)
	case http.StatusOK:
		if f.old.Plain {
			return f.plain("", 0, resp)
		}
		f.old.HTML = resp.Header.Get("ETag")
		return nil, nil
	}
	return nil, f.refusal(resp)
}

// refusal says why an answer is no export. A 404 that is not in Etherpad's own words is a proxy's: then it counts whether
// there is an Etherpad behind it.
func (f *fetch) refusal(resp *http.Response) error {
	e := errorFor(resp, head(resp), f.document.Secrets)
	if resp.StatusCode != http.StatusNotFound || e.Reason == source.ReasonGone {
		return e
	}
	api, err := get(source.Uncounted(f.ctx), f.client, f.document.Address.Instance+"/api", f.document.Secrets, "")
	if err != nil {
		return err
	}
	defer api.Body.Close()
	if isAPI(api, head(api)) {
		return source.Errorf(source.ReasonGone, "there is no such pad on the instance")
	}
	return e
}

func (f *fetch) export(kind, etag string) (*http.Response, error) {
	return get(f.ctx, f.client, exportURL(f.document.Address, kind), f.document.Secrets, etag)
}

// unchanged returns a copy that says that nothing changed.
func (f *fetch) unchanged(s state) (*source.Copy, error) {
	got := source.NewCopy(nil)
	got.Unchanged = true
	var err error
	got.State, err = json.Marshal(s)
	return got, err
}

// whole fetches the ".etherpad" export.
func (f *fetch) whole() (*source.Copy, error) {
	resp, err := f.export("etherpad", f.old.ETag)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotModified && f.known && f.old.ETag != "":
		s := f.old
		return f.unchanged(f.watched(s))
	case resp.StatusCode == http.StatusInternalServerError:
		source.Drain(resp.Body)
		return f.plain("the instance cannot give it out", plainAgain, nil)
	case resp.StatusCode != http.StatusOK:
		return nil, f.refusal(resp)
	case mediaType(resp) != "application/octet-stream" && mediaType(resp) != "application/json":
		return nil, source.Errorf(source.ReasonForeign, "the instance answers with a page instead of the pad")
	}
	spooled, err := f.client.Spool(resp, maxFile)
	if err != nil {
		return nil, err
	}
	doc, err := Open(spooled, spooled.Size())
	if err != nil {
		return f.refused(spooled, err)
	}
	got, err := f.read(spooled, doc, resp.Header.Get("ETag"))
	if err != nil || got.Unchanged {
		err = errors.Join(err, spooled.Close())
	}
	if err != nil {
		return nil, err
	}
	return got, nil
}

// watched adds what makes the next look at a large pad cheap.
func (f *fetch) watched(s state) state {
	if s.Size < largePad {
		s.HTML, s.Whole = "", time.Time{}
		return s
	}
	s.Whole = time.Now().UTC().Truncate(time.Second)
	if s.HTML = f.old.HTML; s.HTML == "" {
		s.HTML = `"?"` // none is this: the next look gets the true one
	}
	return s
}

// refused is for a file that is not complete. Where the JSON is whole, it is the pad that is wrong, and will be so next time
// too: then the copy is made without history.
func (f *fetch) refused(spooled *source.Spooled, err error) (*source.Copy, error) {
	defer func() { _ = spooled.Close() }() // the system tidies up temporary files
	wrong, ok := errors.AsType[*RecordError](err)
	if !ok {
		return nil, &source.Error{Reason: source.ReasonOurs, Text: "the pad could not be read from its temporary file", Err: err}
	}
	if wrong.Record == "file" {
		return nil, &source.Error{Reason: source.ReasonDamaged, Text: "what the instance gave out is incomplete: " + wrong.Problem, Err: err}
	}
	return f.plain(wrong.Error(), soonAgain, nil)
}

// read compares a whole document with the last copy and renders it.
func (f *fetch) read(spooled *source.Spooled, doc *Document, etag string) (*source.Copy, error) {
	text, err := doc.AText(doc.Head())
	if err != nil {
		return nil, err
	}
	var first *changeset.Text
	if first, err = doc.AText(0); err != nil {
		return nil, err
	}
	now := state{
		Head: doc.Head(), ChatHead: doc.ChatHead(), Saved: digestSaved(doc.Saved()), ETag: etag, Size: doc.Size(), Began: doc.Change(0).Time,
		Text: digestWords(text), Default: digestWords(first), Words: countWords(text),
	}
	if now.First, err = doc.digest(0); err != nil {
		return nil, err
	}
	if now.Last, err = doc.digest(doc.Head()); err != nil {
		return nil, err
	}
	now = f.watched(now)
	old := f.old
	if f.known && !old.Plain && old.Head == now.Head && old.ChatHead == now.ChatHead && old.Saved == now.Saved && old.First == now.First && old.Last == now.Last {
		return f.unchanged(now)
	}
	continues, err := f.continues(doc, now)
	if err != nil {
		return nil, err
	}
	got := source.NewCopy(spooled.Close)
	got.Suspect = f.suspect(now, continues)
	got.Title = titleOf(f.document.Address.Name, text)
	got.Changed = changed(doc)
	got.Summary = summary(now.Words)
	got.Authors = newAuthors(doc, f.old, continues)
	if got.State, err = json.Marshal(now); err != nil {
		return nil, err
	}
	if err := f.addFiles(got, text, doc, spooled); err != nil {
		return nil, errors.Join(err, got.Close())
	}
	return got, nil
}

// continues tells whether a document has the history of the last copy, as far as that went.
func (f *fetch) continues(doc *Document, now state) (bool, error) {
	if !f.known || f.old.First == "" {
		return true, nil
	}
	if now.First != f.old.First || now.Head < f.old.Head {
		return false, nil
	}
	last, err := doc.digest(f.old.Head)
	return last == f.old.Last, err
}

// suspect says why a copy should not replace the last one, or nothing.
func (f *fetch) suspect(now state, continues bool) string {
	old := f.old
	switch {
	case !f.known:
		return ""
	case !continues && now.Text == old.Text && now.Head < old.Head: // administrators can have that done
		return fmt.Sprintf("the pad has the same text, but only %d of the %d revisions that were saved", now.Head+1, old.Head+1)
	case !continues && now.First != old.First && now.Text != old.Text:
		return fmt.Sprintf("another pad has this name now: it begins on %s, the one that was saved on %s", now.Began.Format(time.DateOnly), old.Began.Format(time.DateOnly))
	case !continues && now.First != old.First:
		return "" // brought back elsewhere or from a file, with the same text
	case !continues && now.Head < old.Head:
		return fmt.Sprintf("the history of the pad became shorter: it ends with revision %d, the saved one with %d", now.Head, old.Head)
	case !continues:
		return "the history of the pad is another one than was saved"
	case now.Text == "" && old.Text != "":
		return fmt.Sprintf("the pad was emptied; the saved copy has %s", summary(old.Words))
	case now.Text == now.Default && old.Text != now.Text && old.Text != "":
		return fmt.Sprintf("the pad has the text again with which it began; the saved copy has %s", summary(old.Words))
	}
	return ""
}

// renderFiles returns the forms of a pad that people read: .txt, .html and .md.
func renderFiles(text *changeset.Text, a source.Address, authors map[string]Author) ([]source.File, error) {
	page := Page{Title: titleOf(a.Name, text), Source: a.URL, Authors: authors}
	var files []source.File
	for _, form := range []struct {
		ext    string
		render func(io.Writer) error
	}{
		{".txt", func(w io.Writer) error { return RenderText(w, text) }},
		{".html", func(w io.Writer) error { return RenderHTML(w, text, page) }},
		{".md", func(w io.Writer) error { return RenderMarkdown(w, text) }},
	} {
		var b strings.Builder
		if err := form.render(&b); err != nil {
			return nil, err
		}
		files = append(files, inMemory(form.ext, b.String()))
	}
	return files, nil
}

// addFiles adds all forms of a pad.
func (f *fetch) addFiles(got *source.Copy, text *changeset.Text, doc *Document, spooled *source.Spooled) (err error) {
	if got.Files, err = renderFiles(text, f.document.Address, doc.Authors()); err != nil {
		return err
	}
	whole := source.File{Ext: ".etherpad", Size: spooled.Size(), Open: spooled.Open}
	if doc.Name() != f.document.Address.Name {
		// Above all: exports of a read-only id by 1.8.14 have the name with which one can write.
		size := &counting{}
		if err := doc.Rewrite(size, f.document.Address.Name); err != nil {
			return err
		}
		whole.Size = size.n
		whole.Open = func() (io.ReadCloser, error) {
			r, w := io.Pipe()
			go func() { w.CloseWithError(doc.Rewrite(w, f.document.Address.Name)) }()
			return r, nil
		}
	}
	got.Files = append(got.Files, whole)
	return nil
}

func inMemory(ext, content string) source.File {
	return source.File{Ext: ext, Size: int64(len(content)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(content)), nil
	}}
}

// counting counts what is written.
type counting struct{ n int64 }

func (c *counting) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

// digest returns what tells a revision from others: its author, time and change.
func (d *Document) digest(rev int) (string, error) {
	for r, err := range d.Revisions(rev, rev) {
		if err != nil {
			return "", err
		}
		return digest(r.Author, fmt.Sprint(r.Time.UnixMilli()), r.Changeset), nil
	}
	return "", nil
}

func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write(fmt.Appendf(nil, "%d:%s", len(p), p))
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:12])
}

func digestSaved(saved []SavedRevision) string {
	if len(saved) == 0 {
		return ""
	}
	var parts []string
	for _, s := range saved {
		parts = append(parts, fmt.Sprint(s.Rev), s.ID, s.Label)
	}
	return digest(parts...)
}

func digestWords(t *changeset.Text) string { return digestText(t.String()) }

// digestText returns the digest of a text's words, empty if it has none.
func digestText(s string) string {
	words := strings.Fields(s)
	if len(words) == 0 {
		return ""
	}
	return digest(words...)
}

func countWords(t *changeset.Text) int {
	n := 0
	for _, p := range Paragraphs(t) {
		n += len(strings.Fields(plain(p)))
	}
	return n
}

// summary says how much a pad has: "1 240 words".
func summary(words int) string {
	switch words {
	case 0:
		return "empty"
	case 1:
		return "1 word"
	}
	s := fmt.Sprint(words)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s + " words"
}

// changed returns when someone last wrote or chatted. A clock that is wrong does not make it the future.
func changed(doc *Document) time.Time {
	last := doc.Change(doc.Head()).Time
	if n := doc.ChatHead(); n >= 0 {
		if chat, err := doc.Chat(); err == nil && chat[n].Time.After(last) {
			last = chat[n].Time
		}
	}
	if now := time.Now().UTC(); last.After(now) {
		return now.Truncate(time.Second)
	}
	return last
}

// maxNames bounds the names in a commit's message.
const maxNames = 12

// newAuthors returns the names of those who wrote since the last copy, in the order in which they did.
func newAuthors(doc *Document, old state, continues bool) []string {
	from := 0
	if continues && old.First != "" {
		from = old.Head + 1
	}
	known := doc.Authors()
	var names []string
	for c := range doc.Changes(from, doc.Head()) {
		name := strings.Join(strings.Fields(known[c.Author].Name), " ")
		if name != "" && !slices.Contains(names, name) {
			if names = append(names, name); len(names) == maxNames {
				break
			}
		}
	}
	return names
}

// titleOf returns what a pad is called: its name, or the first line of one that is known by a number only.
func titleOf(name string, text *changeset.Text) string {
	if !IsReadOnly(name) {
		return title(name)
	}
	for _, p := range Paragraphs(text) {
		if t := firstWords(plain(p)); t != "" {
			return t
		}
	}
	return name
}

// firstWords returns the beginning of a text, as a title.
func firstWords(s string) string {
	s = strings.Join(strings.Fields(strings.Map(printable, s)), " ")
	if r := []rune(s); len(r) > 60 {
		s = strings.TrimSpace(string(r[:60])) + "…"
	}
	return s
}
