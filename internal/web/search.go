package web

import (
	"fmt"
	"html/template"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
)

// searchRoutes find what a person may read by its name.
func (s *Server) searchRoutes() []route {
	return []route{
		{pattern: "GET /search", need: needPerson, handle: s.searchPage},
		{pattern: "GET /search/palette", need: needPerson, handle: s.searchPalette},
	}
}

// How many hits the page and the palette show.
const (
	pageHits    = 100
	paletteHits = 8
	maxGoTo     = 5
)

// searchView is what the page and the palette show.
type searchView struct {
	Query   string
	Folder  string // the only folder that is searched
	Hits    []foundRow
	Deleted []foundRow
	GoTo    []foundRow
	More    bool
	Partial bool
	count   int
}

// Empty says whether nothing was found.
func (v *searchView) Empty() bool { return len(v.Hits)+len(v.Deleted)+len(v.GoTo) == 0 }

// foundRow is one thing that was found.
type foundRow struct {
	ID      int // of the row
	Address string
	Shown   string        // where it is shown in its directory; empty for what is in none
	Name    template.HTML // with the matches marked
	Where   string
	Icon    string
	Class   string
	When    time.Time
	Author  string
	// Of something deleted: where its restoration is posted to, and as of when.
	Gone    bool
	Restore string
	Item    string
	At      string
}

func (s *Server) searchPage(x *exchange) error {
	v, err := s.search(x, pageHits)
	if err != nil {
		return err
	}
	title := x.t("search.title")
	if v.Query != "" {
		title = x.t("search.title.for", "query", v.Query)
	}
	return x.page("search/page", page{Title: title, Nav: navFiles, At: "search", Data: v})
}

func (s *Server) searchPalette(x *exchange) error {
	v, err := s.search(x, paletteHits)
	if err != nil {
		return err
	}
	block := "results"
	if x.r.URL.Query().Has("frame") {
		block = "palette"
	}
	return x.fragment("search/palette", block, v)
}

func (s *Server) search(x *exchange, limit int) (*searchView, error) {
	q := x.r.URL.Query()
	v := &searchView{Query: strings.TrimSpace(strings.ToValidUTF8(q.Get("q"), "")), Folder: strings.ToValidUTF8(q.Get("folder"), "")}
	if len(v.Query) > 200 {
		v.Query = strings.ToValidUTF8(v.Query[:200], "")
	}
	r, err := s.hub.Search(x.ctx(), x.caller(), hub.SearchQuery{Text: v.Query, Folder: v.Folder, Limit: limit})
	if err != nil {
		return nil, err
	}
	words := strings.Fields(hub.FoldName(v.Query))
	v.More, v.Partial = r.More, r.Partial
	for i := range r.Hits {
		v.Hits = append(v.Hits, x.found(v, &r.Hits[i], words))
	}
	for i := range r.Deleted {
		v.Deleted = append(v.Deleted, x.found(v, &r.Deleted[i], words))
	}
	if len(words) > 0 {
		if err := s.goTo(x, v, words); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// found makes the row of a hit.
func (x *exchange) found(v *searchView, h *hub.SearchHit, words []string) foundRow {
	dir := h.Path.Dir()
	where := h.Folder
	if dir != "" {
		where += " / " + strings.ReplaceAll(string(dir), "/", " / ")
	}
	symbol, class := "folder", "folder"
	if !h.Dir {
		symbol, class = iconOf(&hub.Entry{Name: h.Name(), Entry: havre.Entry{Kind: havre.KindFile}})
	}
	v.count++
	row := foundRow{
		ID: v.count, Address: folderAddress(h.Folder, string(h.Path)), Name: marked(h.Name(), words), Where: visible(where),
		Icon: symbol, Class: class, When: h.Changed.Time, Author: x.firstName(h.Changed.Author),
		Shown: folderAddress(h.Folder, string(dir)) + "?details=" + url.QueryEscape(h.Name()),
	}
	if h.Deleted {
		row.Item, row.At = h.Name(), fmt.Sprintf("r%d", h.Changed.Rev-1)
		if row.Gone = true; h.Write {
			row.Restore = folderAddress(h.Folder, string(dir))
		}
		row.Address = folderAddress(h.Folder, string(h.Path)) + "?at=" + row.At
		row.Shown = folderAddress(h.Folder, string(dir)) + "?deleted"
	}
	return row
}

// pagesOf are the pages that the palette leads to.
func (x *exchange) pagesOf() []foundRow {
	list := []struct{ key, address, icon string }{
		{"search.page.activity", "/activity", "waves"},
		{"search.page.deleted", "/deleted", "trash-2"},
		{"search.page.devices", "/devices", "monitor-smartphone"},
		{"search.page.me", "/me", "user-round"},
	}
	if x.session.Admin() {
		list = append(list, []struct{ key, address, icon string }{
			{"search.page.overview", "/admin", "binoculars"},
			{"search.page.people", "/admin/people", "user-round"},
			{"search.page.groups", "/admin/groups", "users-round"},
			{"search.page.folders", "/admin/folders", "folders"},
			{"search.page.rights", "/admin/rights", "grid-3x3"},
			{"search.page.alldevices", "/admin/devices", "monitor-smartphone"},
			{"search.page.log", "/admin/log", "scroll-text"},
			{"search.page.settings", "/admin/settings/protection", "sliders-horizontal"},
		}...)
	}
	var rows []foundRow
	for _, p := range list {
		rows = append(rows, foundRow{Address: p.address, Where: x.t(p.key), Icon: p.icon})
	}
	return rows
}

// goTo adds folders, pages and, for administrators, people.
func (s *Server) goTo(x *exchange, v *searchView, words []string) error {
	folders, err := s.hub.Folders(x.ctx(), x.caller())
	if err != nil {
		return err
	}
	add := func(row foundRow, name string) {
		if len(v.GoTo) >= maxGoTo || !containsWords(name, words) {
			return
		}
		v.count++
		row.ID, row.Name, row.Where = v.count, marked(name, words), ""
		v.GoTo = append(v.GoTo, row)
	}
	for _, f := range folders {
		add(foundRow{Address: folderAddress(f.Name, ""), Icon: "folder", Class: "folder"}, f.Name)
	}
	if x.session.Admin() {
		people, err := x.admin().Users(x.ctx())
		if err != nil {
			return err
		}
		for i := range people {
			add(foundRow{Address: "/admin/people/" + url.PathEscape(people[i].Name), Icon: "user-round"}, people[i].DisplayName)
		}
	}
	for _, p := range x.pagesOf() {
		add(p, p.Where)
	}
	return nil
}

func containsWords(name string, words []string) bool {
	folded := hub.FoldName(name)
	for _, w := range words {
		if !strings.Contains(folded, w) {
			return false
		}
	}
	return true
}

// marked returns a name with what was looked for underlined.
func marked(name string, words []string) template.HTML {
	on := make([]bool, len(name)+1) // for each byte of the name
	var folded strings.Builder
	var from []int // for each byte of folded: where in the name it comes from
	for i := 0; i < len(name); {
		_, size := utf8.DecodeRuneInString(name[i:])
		part := hub.FoldName(name[i : i+size])
		folded.WriteString(part)
		for range len(part) {
			from = append(from, i)
		}
		i += size
	}
	text := folded.String()
	for _, w := range words {
		for at := 0; ; {
			i := strings.Index(text[at:], w)
			if i < 0 || w == "" {
				break
			}
			for k := at + i; k < at+i+len(w); k++ {
				_, size := utf8.DecodeRuneInString(name[from[k]:])
				for b := range size {
					on[from[k]+b] = true
				}
			}
			at += i + len(w)
		}
	}
	var b strings.Builder
	open := false
	for i, r := range name {
		if on[i] != open {
			if open = on[i]; open {
				b.WriteString("<mark>")
			} else {
				b.WriteString("</mark>")
			}
		}
		b.WriteString(template.HTMLEscapeString(visible(string(r))))
	}
	if open {
		b.WriteString("</mark>")
	}
	return template.HTML(b.String()) //nolint:gosec // every character is escaped
}
