package web

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"html/template"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
)

// listing is the list of a directory as it was rendered for somebody. It is not changed, and shared.
type listing struct {
	Rows        template.HTML
	All         int // entries without the filter
	Dirs, Files int // with it
	Last        *hub.Act
	sum         string        // of Rows
	small       template.HTML // the small history
	until       time.Time     // the words for times are right until then
}

// Count is how many entries are shown.
func (l *listing) Count() int { return l.Dirs + l.Files }

// listingKey names a rendered list: who may do the same sees the same.
type listingKey struct {
	folder       havre.FolderID
	path         string
	id, shape    string // of the directory, and of what may be read
	lang, zone   string
	sort, filter string
	grid, writes bool
	whole        bool
	names        int    // the version of people's names
	marks        string // beside the names, as JSON
}

// listings keeps the lists that were rendered last, within a bound of bytes.
type listings struct {
	mu   sync.Mutex
	of   map[listingKey]*listing
	size int
}

// maxListings is how many bytes of rendered lists are kept.
const maxListings = 32 << 20

func (c *listings) get(k listingKey, now time.Time) *listing {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l := c.of[k]; l != nil && now.Before(l.until) {
		return l
	}
	return nil
}

func (c *listings) put(k listingKey, l *listing) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.of[k]; old != nil {
		c.size -= len(old.Rows)
	}
	if c.of == nil || c.size+len(l.Rows) > maxListings {
		c.of, c.size = map[listingKey]*listing{}, 0
	}
	c.of[k] = l
	c.size += len(l.Rows)
}

// listing returns the list of a directory, sorted and filtered as the page wants it.
func (s *Server) listing(x *exchange, at *hub.Spot, v *directoryView) (*listing, error) {
	key := listingKey{
		folder: at.Folder.ID, path: string(at.Path), id: at.ID, shape: at.Shape(), lang: x.lang, zone: x.zone.String(),
		sort: v.Sort, filter: v.Filter, grid: v.Grid, writes: v.Write, whole: v.Whole,
		names: s.namesVersion(x.ctx()),
	}
	marks, err := s.hub.Marks(x.ctx(), at)
	if err != nil {
		return nil, err
	}
	if len(marks) > 0 {
		text, err := json.Marshal(marks)
		if err != nil {
			return nil, err
		}
		key.marks = string(text) + x.session.User.Name // whose own lock is called so
	}
	if l := s.listings.get(key, x.now); l != nil && at.ID != "" {
		return l, nil
	}
	entries, err := s.hub.Entries(x.ctx(), at)
	if err != nil {
		return nil, err
	}
	l := &listing{All: len(entries), until: x.untilWords(entries)}
	for _, e := range entries {
		if l.Last == nil || e.Changed.Rev > l.Last.Rev {
			l.Last = &e.Changed
		}
	}
	if v.Filter != "" {
		entries = matching(entries, v.Filter)
	}
	by, down := strings.CutPrefix(v.Sort, "-")
	hub.SortEntries(entries, hub.SortKey(by), down, collated(x.lang, entries))
	for _, e := range entries {
		if e.Kind == havre.KindDir {
			l.Dirs++
		} else {
			l.Files++
		}
	}
	r := &rowWriter{x: x, v: v, dot: " · ", marks: x.rowMarks(marks)}
	if v.Grid {
		l.Rows = r.tiles(entries)
	} else {
		l.Rows = r.list(entries)
	}
	sum := sha256.Sum256([]byte(l.Rows))
	l.sum = hex.EncodeToString(sum[:])
	if l.small, err = s.smallHistory(x, at); err != nil {
		return nil, err
	}
	if at.ID != "" {
		s.listings.put(key, l)
	}
	return l, nil
}

// untilWords returns when the words for the times of the entries may become others: within a minute if
// one is as young as an hour, else at midnight.
func (x *exchange) untilWords(entries []*hub.Entry) time.Time {
	for _, e := range entries {
		if age := x.now.Sub(e.Changed.Time); age < time.Hour+time.Minute {
			return x.now.Truncate(time.Minute).Add(time.Minute)
		}
	}
	y, m, d := x.now.In(x.zone).Date()
	return time.Date(y, m, d+1, 0, 0, 0, 0, x.zone)
}

const (
	// rowsInGroup is how many rows the browser lays out together.
	rowsInGroup = 50
	// groupsWhole is how many groups of a long list are rows from the beginning; the others are text.
	groupsWhole = 2
	// maxWhole is how many entries a list may have that is sent as rows wholly.
	maxWhole = 300
)

// rowWriter writes the rows of a directory. There may be 10,000 of them: a template takes ten times as
// long, and each byte and each element of a row counts. Icons are drawn by the style. Of a long list
// only the first rows are elements; the others are lines of text (docs/decisions/0023), which the script
// turns into rows when they come near.
type rowWriter struct {
	x     *exchange
	v     *directoryView
	b     strings.Builder
	dot   string
	marks map[string]rowMark // by the names of entries
	dates map[int64]string
	names map[string]string
	sizes map[int64]string
}

func (r *rowWriter) list(entries []*hub.Entry) template.HTML {
	r.b.Grow(min(len(entries), maxWhole)*800 + len(entries)*80)
	r.dates, r.names, r.sizes = map[int64]string{}, map[string]string{}, map[int64]string{}
	tick, menu, conflict := r.word("files.tick"), r.word("files.menu"), r.word("files.conflict")
	whole := r.v.Whole || len(entries) <= maxWhole
	n := 0
	for group := range slices.Chunk(entries, rowsInGroup) {
		if whole || n < groupsWhole {
			r.write(`<div role="rowgroup" class="fg" id="g`, strconv.Itoa(n), `">`)
			for _, e := range group {
				r.row(e, tick, menu, conflict)
			}
		} else {
			r.lines(n, group)
		}
		r.write(`</div>`)
		n++
	}
	return template.HTML(r.b.String()) //nolint:gosec // everything from outside is escaped
}

// lines writes a group as text: for each entry a line of its name, what changed says, and its amount,
// between tabs, which no name contains, and if it has marks their kinds and who has locked it. data-k has a letter for the kind of each entry, a capital for a
// conflict copy; data-t the times of the changes in seconds since 1970 to the base of 36 between commas,
// nothing for the same as before.
func (r *rowWriter) lines(n int, group []*hub.Entry) {
	kinds, times := make([]byte, len(group)), strings.Builder{}
	before := ""
	for i, e := range group {
		kinds[i] = kindLetters[kindName(e)]
		if e.ConflictOf != "" {
			kinds[i] -= 'a' - 'A'
		}
		if i > 0 {
			times.WriteByte(',')
		}
		if t := strconv.FormatInt(e.Changed.Time.Unix(), 36); t != before {
			times.WriteString(t)
			before = t
		}
	}
	r.write(`<div class="fg" id="g`, strconv.Itoa(n), `" data-k="`, string(kinds), `" data-t="`, times.String(), `">`)
	for i, e := range group {
		if i > 0 {
			r.write("\n")
		}
		r.write(template.HTMLEscapeString(e.Name), "\t", r.when(e), "\t", r.amount(e))
		if m, ok := r.marks[e.Name]; ok {
			r.write("\t", m.kinds, "\t", template.HTMLEscapeString(m.lock))
		}
	}
}

func (r *rowWriter) word(key string) string { return template.HTMLEscapeString(r.x.t(key)) }

func (r *rowWriter) write(parts ...string) {
	for _, p := range parts {
		r.b.WriteString(p)
	}
}

func (r *rowWriter) row(e *hub.Entry, tick, menu, conflict string) {
	name := template.HTMLEscapeString(e.Name)
	class, shown, mark := "fr", e.Name, ""
	if e.ConflictOf != "" {
		class, shown = "fr fc", e.ConflictOf
		mark = `<span class="tag warn" title="` + template.HTMLEscapeString(visible(e.Name)) + `">` + conflict + `</span>`
	}
	if age := r.x.now.Sub(e.Changed.Time); age >= 0 && age < 8*time.Second {
		class += " is-new"
	}
	r.write(`<div role="row" class="`, class, `" id="f`, strconv.FormatUint(uint64(fnv(e.Name)), 36), `">`,
		`<span role="gridcell"><input type="checkbox" name="item" value="`, name, `" aria-label="`, tick, `" tabindex="-1"></span>`,
		`<span role="gridcell" class="fn `, rowIcon(e), `"><a href="`, template.HTMLEscapeString(r.v.Address+"/"+url.PathEscape(e.Name)), `" tabindex="-1">`,
		rowName(shown), `</a>`, mark, r.marksOf(e.Name), `</span>`,
		`<span role="gridcell">`, r.changed(e), `</span><span role="gridcell">`, r.amount(e), `</span>`,
		`<span role="gridcell"><a href="?details=`, template.HTMLEscapeString(url.QueryEscape(e.Name)), `" class="fm" aria-label="`, menu, `" tabindex="-1"></a></span></div>`)
}

// rowName is fileName without the tooltip, which the script adds to what does not fit.
func rowName(name string) string {
	stem, end, ext := splitName(name)
	e := template.HTMLEscapeString
	if end == "" && ext == "" {
		return `<bdi class="name">` + e(stem) + `</bdi>`
	}
	s := `<bdi class="name"><span class="stem">` + e(stem) + `</span>`
	if end != "" {
		s += `<span class="end">` + e(end) + `</span>`
	}
	if ext != "" {
		s += `<span class="ext">` + e(ext) + `</span>`
	}
	return s + `</bdi>`
}

// changed says when and by whom the entry was changed last.
func (r *rowWriter) changed(e *hub.Entry) string {
	when, who, _ := strings.Cut(r.when(e), r.dot)
	if when == "" {
		return ""
	}
	s := `<time datetime="` + e.Changed.Time.UTC().Format(time.RFC3339) + `">` + when + `</time>`
	if who != "" {
		s += r.dot + who
	}
	return s
}

// when is changed as text: "Today 08:15 · Priya".
func (r *rowWriter) when(e *hub.Entry) string {
	if e.Changed.Time.IsZero() {
		return ""
	}
	key := int64(e.Changed.Rev)
	if s, ok := r.dates[key]; ok {
		return s
	}
	s := template.HTMLEscapeString(r.x.ago(e.Changed.Time))
	if a := e.Changed.Author; a != "" {
		s += r.dot + template.HTMLEscapeString(r.x.firstName(a))
	}
	r.dates[key] = s
	return s
}

// amount is the size of a file, or how many entries a directory has.
func (r *rowWriter) amount(e *hub.Entry) string {
	switch {
	case e.Kind == havre.KindDir && e.Items < 0:
		return ""
	case e.Kind == havre.KindDir:
		return template.HTMLEscapeString(r.x.t("files.items", "n", e.Items))
	}
	return formatSize(r.x.lang, e.Size)
}

// tiles writes the entries as pictures, by day when they are sorted by the time of their change.
func (r *rowWriter) tiles(entries []*hub.Entry) template.HTML {
	r.dates = map[int64]string{}
	tick := r.word("files.tick")
	byDay := strings.TrimPrefix(r.v.Sort, "-") == "changed"
	day, open, in := "", false, 0
	for _, e := range entries {
		if d := r.x.dayHead(e.Changed.Time); byDay && d != day {
			if open {
				r.write(`</div>`)
			}
			day, open = d, false
			r.write(`<h2 class="f-day">`, template.HTMLEscapeString(d), `</h2>`)
		}
		if open && in == rowsInGroup {
			r.write(`</div>`)
			open = false
		}
		if !open {
			r.write(`<div class="f-tiles">`)
			open, in = true, 0
		}
		in++
		r.tile(e, tick)
	}
	if open {
		r.write(`</div>`)
	}
	return template.HTML(r.b.String()) //nolint:gosec // everything from outside is escaped
}

func (r *rowWriter) tile(e *hub.Entry, tick string) {
	name := template.HTMLEscapeString(e.Name)
	address := template.HTMLEscapeString(r.v.Address + "/" + url.PathEscape(e.Name))
	r.write(`<div class="ft" id="f`, strconv.FormatUint(uint64(fnv(e.Name)), 36), `"><a href="`, address, `"><span class="f-pic `, rowIcon(e), `">`)
	if thumbnails[e.Ext()] && e.Size <= maxPicture {
		src := template.HTMLEscapeString("/thumb/" + strings.TrimPrefix(r.v.Address, "/f/") + "/" + url.PathEscape(e.Name) + "?h=" + shortHash(e.Hash))
		r.write(`<img src="`, src, `" srcset="`, src, `&amp;size=2 2x" width="400" height="300" alt="" loading="lazy" decoding="async">`)
	}
	r.write(`</span>`, string(fileName(e.Name)), `</a><input type="checkbox" name="item" value="`, name, `" aria-label="`, tick, ` `, name, `"></div>`)
}

// dayHead is the head of the pictures of one day.
func (x *exchange) dayHead(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	if daysBetween(t.In(x.zone), x.now.In(x.zone)) == 0 {
		return x.t("files.today")
	}
	m := x.moment(t)
	if x.lang == "fr" {
		m, _, _ = strings.Cut(m, " à ")
	} else {
		m, _, _ = strings.Cut(m, ", ")
	}
	return upperFirst(m)
}

// fnv is a short name for a row, so that a list that changes is merged row by row.
func fnv(s string) uint32 {
	h := uint32(2166136261)
	for i := range len(s) {
		h = (h ^ uint32(s[i])) * 16777619
	}
	return h
}

// rowIcon returns the class of the kind of an entry in lists, whose icons are drawn by the style.
func rowIcon(e *hub.Entry) string {
	return "k-" + kindName(e)
}

// kindName returns the name of the kind of an entry.
func kindName(e *hub.Entry) string {
	if e.Kind == havre.KindDir {
		return "dir"
	}
	return kindOf(e.Ext())
}

// kindLetters are the kinds in lists of text; 29-rows.js has the same.
var kindLetters = map[string]byte{
	"dir": 'd', "text": 't', "table": 'b', "slides": 's', "pdf": 'p', "image": 'i', "drawing": 'w',
	"media": 'm', "archive": 'a', "code": 'c', "pad": 'e', "other": 'o',
}

// iconOf returns the symbol and the classes of the kind of an entry.
func iconOf(e *hub.Entry) (symbol, class string) {
	if e.Kind == havre.KindDir {
		return "folder", "folder"
	}
	kind := kindOf(e.Ext())
	symbol = kindSymbols[kind]
	switch kind {
	case "drawing":
		kind = "image"
	case "code":
		kind = "text"
	}
	return symbol, "kind-" + kind
}

func kindOf(ext string) string {
	if k, ok := fileKinds[ext]; ok {
		return k
	}
	return "other"
}

var kindSymbols = map[string]string{
	"text": "file-text", "table": "file-spreadsheet", "slides": "file-chart-column", "pdf": "file-type", "image": "file-image",
	"drawing": "file-axis-3d", "media": "file-play", "archive": "file-archive", "code": "file-code", "pad": "notebook-pen", "other": "file",
}

var fileKinds = func() map[string]string {
	m := map[string]string{}
	for kind, exts := range map[string]string{
		"text":    "txt md markdown rst doc docx odt rtf tex log pages html htm",
		"table":   "xls xlsx ods csv tsv numbers",
		"slides":  "ppt pptx odp key",
		"pdf":     "pdf ps eps",
		"image":   "png jpg jpeg gif webp avif svg bmp tif tiff heic psd ai xcf",
		"drawing": "dwg dxf skp ifc step stl",
		"media":   "mp4 mov mkv avi webm mp3 wav flac ogg opus m4a aac m4v ogv",
		"archive": "zip gz tgz bz2 xz 7z rar tar zst",
		"code":    "go py js ts c h cpp rs java sh rb php css json xml yml yaml toml sql",
		"pad":     "etherpad",
	} {
		for e := range strings.FieldsSeq(exts) {
			m[e] = kind
		}
	}
	return m
}()

// shortHash is enough of a hash for the address of something that may be kept for ever.
func shortHash(h havre.Hash) string {
	s := h.String()
	return s[:min(len(s), 16)]
}
