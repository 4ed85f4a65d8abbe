package ethercalc

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/havre-cloud/havre/internal/source"
)

// renderVersion changes when equal sheets give other files than before.
const renderVersion = 1

// Provider saves sheets of EtherCalc. It is safe for concurrent use.
type Provider struct{}

// New returns the provider.
func New() *Provider { return &Provider{} }

// Kind is source.KindEtherCalc.
func (*Provider) Kind() source.Kind { return source.KindEtherCalc }

// state is what is remembered of the last good copy.
type state struct {
	Render int             `json:"render"`
	Rooms  map[string]seen `json:"rooms"`
}

type seen struct {
	Tag   string `json:"tag,omitempty"` // ETag of the save
	Hash  string `json:"hash"`
	Cells int    `json:"cells"`
}

// visit is one look at an instance.
type visit struct {
	client   *source.Client
	root     string
	user     string
	password string
}

func newVisit(c *source.Client, root string, secrets source.Secrets) *visit {
	return &visit{client: c, root: strings.TrimSuffix(root, "/"), user: secrets.User, password: secrets.Password.Reveal()}
}

// ask makes a request below the root. A tag makes it conditional.
func (v *visit) ask(ctx context.Context, method, path, kind, tag string, send []byte) (*http.Response, []byte, error) {
	var reader io.Reader
	if send != nil {
		reader = bytes.NewReader(send)
	}
	req, err := http.NewRequestWithContext(ctx, method, v.root+path, reader)
	if err != nil {
		return nil, nil, source.Errorf(source.ReasonAddress, "this is no address of a sheet")
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	if tag != "" {
		req.Header.Set("If-None-Match", tag)
	}
	if v.user != "" {
		req.SetBasicAuth(v.user, v.password)
	}
	resp, err := v.client.DoFollowing(req, func(next *url.URL) bool { // to https
		return next.Hostname() == req.URL.Hostname() && next.EscapedPath() == req.URL.EscapedPath()
	})
	if err != nil {
		return nil, nil, err
	}
	data, err := source.ReadAll(resp, maxSave)
	return resp, data, err
}

// failed is what a status that is not expected means.
func failed(resp *http.Response) error {
	switch status := resp.StatusCode; {
	case status == http.StatusUnauthorized:
		return source.Errorf(source.ReasonPassword, "the instance wants a user name and a password")
	case status == http.StatusForbidden:
		return source.Errorf(source.ReasonPrivate, "the instance does not let it be read")
	case status == http.StatusTooManyRequests:
		return source.Errorf(source.ReasonLimited, "the instance asks for a pause")
	case status >= 500:
		return source.Errorf(source.ReasonDown, "the instance answers with error %d", status)
	case status >= 300 && status < 400:
		return source.Errorf(source.ReasonForeign, "the address leads elsewhere now: %s", target(resp))
	}
	return source.Errorf(source.ReasonForeign, "there is no EtherCalc at this address: it answers with %d", resp.StatusCode)
}

// target is the host that a redirection leads to.
func target(resp *http.Response) string {
	u, err := resp.Location()
	if err != nil {
		return "nowhere"
	}
	return u.Host
}

// is says whether an answer is of a kind of content.
func is(resp *http.Response, kind string) bool {
	media, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return err == nil && media == kind
}

// room is a sheet as it was fetched.
type room struct {
	name string
	seen seen
	save *save      // nil if it is unchanged
	rows [][]string // what the cells show
}

// fetchSave asks for a room's save. With a tag of the one before it may be unchanged.
func (v *visit) fetchSave(ctx context.Context, name string, before seen) (*room, error) {
	resp, data, err := v.ask(ctx, http.MethodGet, "/_/"+escape(name), "", before.Tag, nil) //nolint:bodyclose // ask closes it
	if err != nil {
		return nil, err
	}
	switch {
	case resp.StatusCode == http.StatusNotModified && before.Tag != "":
		return &room{name: name, seen: before}, nil
	case resp.StatusCode == http.StatusNotFound:
		return nil, v.missing(ctx, name)
	case resp.StatusCode != http.StatusOK:
		return nil, failed(resp)
	case is(resp, "text/html"):
		return nil, source.Errorf(source.ReasonForeign, "what answers at this address is not EtherCalc")
	case !utf8.Valid(data):
		return nil, source.Errorf(source.ReasonDamaged, "the sheet is not text")
	}
	s, err := parseSave(string(data))
	if err != nil {
		return nil, &source.Error{Reason: source.ReasonDamaged, Text: "the sheet that the instance gave is not whole", Err: err}
	}
	sum := sha256.Sum256([]byte(s.content()))
	r := &room{name: name, save: s, seen: seen{Tag: tagOf(resp), Hash: hex.EncodeToString(sum[:16]), Cells: len(s.cells)}}
	return r, nil
}

// tagOf is the ETag, bounded.
func tagOf(resp *http.Response) string {
	if tag := resp.Header.Get("ETag"); len(tag) <= 200 {
		return tag
	}
	return ""
}

// missing tells a room that is not there from a place where there are no rooms.
func (v *visit) missing(ctx context.Context, name string) error {
	resp, data, err := v.ask(ctx, http.MethodGet, "/_exists/"+escape(name), "", "", nil) //nolint:bodyclose // ask closes it
	if err != nil {
		return err
	}
	if resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests {
		return failed(resp)
	}
	if text := strings.TrimSpace(string(data)); resp.StatusCode == http.StatusOK && (text == "false" || text == "true") {
		return source.Errorf(source.ReasonGone, "the instance says that there is no such sheet")
	}
	return source.Errorf(source.ReasonForeign, "there is no EtherCalc at this address")
}

// fetchRows asks for what the cells show.
func (v *visit) fetchRows(ctx context.Context, r *room) error {
	resp, data, err := v.ask(ctx, http.MethodGet, "/_/"+escape(r.name)+"/csv", "", "", nil) //nolint:bodyclose // ask closes it
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return failed(resp)
	}
	if !is(resp, "text/csv") || !utf8.Valid(data) {
		return source.Errorf(source.ReasonDamaged, "the instance did not give what the cells show")
	}
	reader := csv.NewReader(bytes.NewReader(data))
	reader.FieldsPerRecord, reader.LazyQuotes = -1, true
	r.rows, err = reader.ReadAll()
	if err != nil {
		return &source.Error{Reason: source.ReasonDamaged, Text: "the instance's CSV cannot be read", Err: err}
	}
	return nil
}

// agrees says whether the texts of the save are where the CSV shows them. A program that was just started gives a save
// without what was typed last.
func (r *room) agrees() bool {
	for _, c := range r.save.cells {
		if c.number || c.formula != "" || c.value == "" || c.format != "" {
			continue
		}
		if c.row > len(r.rows) || c.column > len(r.rows[c.row-1]) {
			return false
		}
		if shown := r.rows[c.row-1][c.column-1]; shown == "" {
			return false
		}
	}
	return true
}

// book is a document: one room, or those of a book in the order of its list.
type book struct {
	name   string // the document's
	rooms  []*room
	titles []string
}

// Probe asks whether there is such a sheet.
func (*Provider) Probe(ctx context.Context, c *source.Client, r source.Recognised) (source.Recognised, error) {
	v := newVisit(c, r.Address.Instance, r.Secrets)
	if _, _, err := v.rooms(ctx, r.Address.Name, nil); err != nil {
		return r, err
	}
	r.Likelihood = source.Certain
	return r, nil
}

// rooms returns the first room to read of a document, and whether that is the list of a book.
func (v *visit) rooms(ctx context.Context, name string, before map[string]seen) (*room, bool, error) {
	plain, isBook := strings.CutPrefix(name, "=")
	known := before[plain]
	if isBook {
		known = seen{} // its titles are needed, so that it is asked for whole
	}
	first, err := v.fetchSave(ctx, plain, known)
	if isBook && reasonOf(err) == source.ReasonGone {
		// A book of one sheet whose list was never written.
		first, err = v.fetchSave(ctx, plain+".1", before[plain+".1"])
		return first, false, err
	}
	return first, isBook, err
}

// Fetch returns the sheet or book as it is: one request for each sheet that has not changed, two for one that has.
func (*Provider) Fetch(ctx context.Context, c *source.Client, d source.Document) (*source.Copy, error) {
	v := newVisit(c, d.Address.Instance, d.Secrets)
	before := state{}
	if len(d.State) > 0 {
		if err := json.Unmarshal(d.State, &before); err != nil {
			return nil, &source.Error{Reason: source.ReasonOurs, Text: "what was remembered of the sheet cannot be read", Err: err}
		}
	}
	if before.Render != renderVersion {
		before.Rooms = withoutTags(before.Rooms)
	}
	b, err := v.read(ctx, d.Address.Name, before.Rooms)
	if err != nil {
		return nil, err
	}
	now := b.state()
	if before.Render == renderVersion && now.same(before) {
		return b.copyOf(now), nil
	}
	for _, r := range b.rooms {
		if err := v.whole(ctx, r); err != nil {
			return nil, err
		}
	}
	now = b.state()
	copied := b.copyOf(now)
	copied.Unchanged = false
	copied.Suspect = suspicion(before, now)
	if copied.Files, err = files(b); err != nil {
		return nil, &source.Error{Reason: source.ReasonDamaged, Text: "no files could be made of the sheet", Err: err}
	}
	return copied, nil
}

func withoutTags(rooms map[string]seen) map[string]seen {
	bare := map[string]seen{}
	for name, s := range rooms {
		s.Tag = ""
		bare[name] = s
	}
	return bare
}

// read asks for the saves of all rooms of a document.
func (v *visit) read(ctx context.Context, name string, before map[string]seen) (*book, error) {
	first, isBook, err := v.rooms(ctx, name, before)
	if err != nil {
		return nil, err
	}
	b := &book{name: name, rooms: []*room{first}}
	if !isBook {
		return b, nil
	}
	sheets := first.save.list()
	if len(sheets) > maxSheets {
		return nil, source.Errorf(source.ReasonTooLarge, "the book has more than %d sheets", maxSheets)
	}
	for _, sheet := range sheets {
		r, err := v.fetchSave(ctx, sheet.room, before[sheet.room])
		if reasonOf(err) == source.ReasonGone {
			continue // listed, but nobody has written into it
		}
		if err != nil {
			return nil, err
		}
		b.rooms, b.titles = append(b.rooms, r), append(b.titles, sheet.title)
	}
	return b, nil
}

// whole makes sure that a room's save and what it shows are there and belong together.
func (v *visit) whole(ctx context.Context, r *room) error {
	for range 2 {
		if r.save == nil {
			again, err := v.fetchSave(ctx, r.name, seen{})
			if err != nil {
				return err
			}
			*r = *again
		}
		if err := v.fetchRows(ctx, r); err != nil {
			return err
		}
		if r.agrees() {
			return nil
		}
		r.save = nil
	}
	return source.Errorf(source.ReasonDamaged, "the sheet and what the instance shows of it contradict each other")
}

// listed is one sheet of a book's list.
type listed struct{ room, title string }

// list reads the list of a book: below its header, the path of a room and a title. Each room counts once.
func (s *save) list() []listed {
	rows := map[int]*listed{}
	last := 0
	for _, c := range s.cells {
		if c.column > 2 || c.row < 2 {
			continue
		}
		if rows[c.row] == nil {
			rows[c.row] = &listed{}
		}
		if c.column == 1 {
			rows[c.row].room, _ = strings.CutPrefix(c.value, "/")
		} else {
			rows[c.row].title = c.value
		}
		last = max(last, c.row)
	}
	var sheets []listed
	found := map[string]bool{}
	for i := 2; i <= last && len(sheets) <= maxSheets; i++ {
		sheet := rows[i]
		if sheet == nil || found[sheet.room] {
			continue
		}
		if name, err := url.PathUnescape(sheet.room); err == nil {
			sheet.room = name
		}
		if !validRoom(sheet.room) || strings.HasPrefix(sheet.room, "=") {
			continue
		}
		found[sheet.room] = true
		sheets = append(sheets, *sheet)
	}
	return sheets
}

func (b *book) state() state {
	s := state{Render: renderVersion, Rooms: map[string]seen{}}
	for _, r := range b.rooms {
		s.Rooms[r.name] = r.seen
	}
	return s
}

// same says whether two states are of the same contents.
func (s state) same(other state) bool {
	if len(s.Rooms) != len(other.Rooms) {
		return false
	}
	for name, one := range s.Rooms {
		if two, found := other.Rooms[name]; !found || one.Hash != two.Hash {
			return false
		}
	}
	return true
}

func (s state) cells() int {
	count := 0
	for _, one := range s.Rooms {
		count += one.Cells
	}
	return count
}

// suspicion says why a copy should not replace the one before.
func suspicion(before, now state) string {
	was, is := before.cells(), now.cells()
	switch {
	case was > 0 && is == 0:
		return fmt.Sprintf("all %d cells are empty now", was)
	case was >= 20 && is*10 < was:
		return fmt.Sprintf("only %d of %d cells are left", is, was)
	}
	return ""
}

// copyOf is an unchanged copy.
func (b *book) copyOf(s state) *source.Copy {
	c := source.NewCopy(nil)
	data, err := json.Marshal(s)
	if err != nil {
		panic(err) // nothing in it can fail
	}
	c.Unchanged, c.State, c.Title = true, data, strings.TrimPrefix(b.name, "=")
	count := 0
	for _, r := range b.sheets() {
		count += r.seen.Cells
	}
	c.Summary = plural(count, "cell")
	if len(b.titles) > 0 {
		c.Summary = plural(len(b.titles), "sheet") + ", " + c.Summary
	}
	return c
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// reasonOf returns why there is no answer, empty for no error and for one of another kind.
func reasonOf(err error) source.Reason {
	if known, ok := errors.AsType[*source.Error](err); ok {
		return known.Reason
	}
	return ""
}
