package web

import (
	"net/url"
	"slices"
	"strings"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
)

// rightsRoutes are the table of rights and the pane of who reaches a place.
func (s *Server) rightsRoutes() []route {
	return []route{
		{pattern: "GET /admin/rights", need: needAdmin, handle: s.showRights},
		{pattern: "GET /admin/rights/export", need: needAdmin, handle: s.exportRights},
		{pattern: "POST /admin/rights/draft", need: needAdmin, handle: s.draftRights},
		{pattern: "POST /admin/rights/apply", need: needAdmin, handle: s.applyRights},
		{pattern: "GET /admin/folders/{folder}/rights", need: needManage, handle: s.showRights},
		{pattern: "GET /admin/folders/{folder}/rights/export", need: needManage, handle: s.exportRights},
		{pattern: "POST /admin/folders/{folder}/rights/draft", need: needManage, handle: s.draftRights},
		{pattern: "POST /admin/folders/{folder}/rights/apply", need: needManage, handle: s.applyRights},
	}
}

// maxColumns is how many holders the table shows at once; with more, one searches.
const maxColumns = 12

// maxChanges is how many changes of rights can wait to be applied together.
const maxChanges = 200

// rightsPage is what rights/table shows.
type rightsPage struct {
	Base    string // address of the table
	Folder  string // the only one, or empty
	By      string // groups, people
	Only    bool   // exceptions only
	Query   string
	Extra   []string // places to show that have no rights yet, encoded
	Pending []string // changes that wait, encoded

	Folders, Groups, People, Exceptions int
	Columns                             []tableColumn
	More                                int // holders that are not shown
	Rows                                []tableRow
	FolderNames                         []string
	Wrong                               string // about the path that was to be added

	Cell    *openCell
	Effects []effectGroup
	Review  bool
	Changes []changeLine
}

// tableColumn is a holder.
type tableColumn struct {
	Key    string // "g.ID" or "u.ID"
	Name   string
	Note   string // sign-in name of a person
	People int    // in the group
	Group  bool
	holder hub.Holder
}

// tableRow is a place.
type tableRow struct {
	Key    string // "FOLDERID/PATH"
	Name   string
	Folder string
	Path   string // of the whole, to read
	Depth  int
	Inner  bool // has rows below it
	Fixed  bool // this person may not set rights here
	Cells  []tableCell
}

// tableCell is a right.
type tableCell struct {
	hub.Cell
	Holder  string
	Changed bool // waits to be applied
	Open    bool // its menu is open
}

// openCell is the cell whose menu is open on a page without script.
type openCell struct {
	Key, Place, Name string
	Right            havre.Right
	Set              bool
}

// changeLine is one change in words.
type changeLine struct {
	Key, Place, Name string
	From, To         tableCell
	Remove           bool
}

// rightWords are the keys of the texts of rights.
func rightKey(r havre.Right) string {
	switch r {
	case havre.RightRead:
		return "read"
	case havre.RightWrite:
		return "write"
	case havre.RightManage:
		return "manage"
	default:
		return "none"
	}
}

// Key returns the name of the right in keys of texts and in classes.
func (c tableCell) Key() string { return rightKey(c.Right) }

// holderKey and readHolder translate a holder to and from a form.
func holderKey(h hub.Holder) string {
	if h.Group != "" {
		return "g." + h.Group
	}
	return "u." + string(h.User)
}

func readHolder(s string) (hub.Holder, bool) {
	if id, ok := strings.CutPrefix(s, "g."); ok && id != "" {
		return hub.Holder{Group: id}, true
	}
	if id, ok := strings.CutPrefix(s, "u."); ok && id != "" {
		return hub.Holder{User: havre.UserID(id)}, true
	}
	return hub.Holder{}, false
}

func placeKey(p hub.GrantPlace) string { return string(p.Folder) + "/" + string(p.Path) }

func readPlace(s string) (hub.GrantPlace, bool) {
	folder, path, ok := strings.Cut(s, "/")
	if !ok || folder == "" {
		return hub.GrantPlace{}, false
	}
	if _, err := svn.CheckPath(path); err != nil && path != "" {
		return hub.GrantPlace{}, false
	}
	return hub.GrantPlace{Folder: havre.FolderID(folder), Path: svn.Path(path)}, true
}

// changeKey writes a change as HOLDER RIGHT FOLDERID/PATH; the right is 0 to 3, or - for as above.
func changeKey(c store.GrantChange) string {
	right := string('0' + rune(c.Grant.Right))
	if c.Remove {
		right = "-"
	}
	return holderKey(hub.Holder{User: c.Grant.User, Group: c.Grant.Group}) + " " + right + " " + placeKey(hub.GrantPlace{Folder: c.Grant.Folder, Path: c.Grant.Path})
}

func readChange(s string) (store.GrantChange, bool) {
	who, rest, _ := strings.Cut(s, " ")
	right, where, _ := strings.Cut(rest, " ")
	h, ok := readHolder(who)
	p, found := readPlace(where)
	if !ok || !found || len(right) != 1 || !strings.Contains("-0123", right) {
		return store.GrantChange{}, false
	}
	c := store.GrantChange{Grant: store.Grant{Folder: p.Folder, Path: p.Path, User: h.User, Group: h.Group}, Remove: right == "-"}
	if !c.Remove {
		c.Grant.Right = havre.Right(right[0] - '0')
	}
	return c, true
}

// draft is what the table is asked to show: the state of its form.
type draft struct {
	by, query string
	only      bool
	extra     []hub.GrantPlace
	pending   []store.GrantChange
	cell      string // HOLDER FOLDERID/PATH
	review    bool
	wrong     string
}

// readDraft reads the form of the table, from an address or from a post.
func readDraft(v url.Values) draft {
	d := draft{by: v.Get("by"), query: strings.TrimSpace(v.Get("q")), cell: v.Get("cell"), review: v.Has("review")}
	if d.by == "exceptions" {
		d.only = true
	}
	if d.by != "people" {
		d.by = "groups"
	}
	d.only = d.only || v.Get("only") == "1"
	for _, e := range v["at"] {
		if p, ok := readPlace(e); ok && len(d.extra) < maxChanges {
			d.extra = append(d.extra, p)
		}
	}
	for _, e := range v["p"] {
		if c, ok := readChange(e); ok && len(d.pending) < maxChanges {
			d.put(c)
		}
	}
	return d
}

// put adds a change, in the place of an earlier one of the same cell.
func (d *draft) put(c store.GrantChange) {
	d.pending = slices.DeleteFunc(d.pending, func(o store.GrantChange) bool { return o.Grant.SameHolder(&c.Grant) })
	d.pending = append(d.pending, c)
}

// drop takes back the change of a cell.
func (d *draft) drop(g *store.Grant) {
	d.pending = slices.DeleteFunc(d.pending, func(o store.GrantChange) bool { return o.Grant.SameHolder(g) })
}

// showRights shows the table.
func (s *Server) showRights(x *exchange) error {
	return s.rightsWith(x, readDraft(x.r.URL.Query()))
}

// draftRights shows the table as it is with the changes of a form that is not applied yet. It changes
// nothing.
func (s *Server) draftRights(x *exchange) error {
	if err := x.parseForm(); err != nil {
		return err
	}
	v := x.r.Form
	d := readDraft(v)
	holder, place, _ := strings.Cut(d.cell, " ")
	if set := v.Get("set"); set != "" {
		if c, ok := readChange(holder + " " + set + " " + place); ok {
			d.put(c)
		}
		d.cell = ""
	}
	if un := v.Get("unset"); un != "" {
		if c, ok := readChange(un); ok {
			d.drop(&c.Grant)
		}
	}
	if v.Has("discard") {
		d.pending = nil
	}
	if v.Has("clear") {
		d.cell = ""
	}
	if v.Has("add") {
		if err := d.addPlace(x, v.Get("folder"), v.Get("path")); err != nil {
			return err
		}
	}
	return s.rightsWith(x, d)
}

// addPlace shows one more path in the table.
func (d *draft) addPlace(x *exchange, folder, path string) error {
	if only := x.r.PathValue("folder"); only != "" {
		folder = only
	}
	path = strings.Trim(strings.ReplaceAll(path, " / ", "/"), "/ ")
	f, err := x.folderNamed(folder)
	if err != nil {
		d.wrong = x.t("rights.add.folder", "name", folder)
		return nil //nolint:nilerr // said on the page
	}
	if _, err := svn.CheckPath(path); err != nil || path == "" {
		d.wrong = x.t("rights.add.path", "path", path)
		return nil //nolint:nilerr // said on the page
	}
	d.extra = append(d.extra, hub.GrantPlace{Folder: f.ID, Path: svn.Path(path)})
	return nil
}

// folderNamed returns the folder with the name, for somebody who may know of it.
func (x *exchange) folderNamed(name string) (*store.Folder, error) {
	folders, err := x.admin().Folders(x.ctx())
	if err != nil {
		return nil, err
	}
	for i := range folders {
		if store.SameName(folders[i].Name, name) && folders[i].Archived.IsZero() {
			return &folders[i], nil
		}
	}
	return nil, notFound()
}

// book returns who may do what, in the folder that the address names or everywhere.
func (x *exchange) book() (*hub.Book, error) {
	name := x.r.PathValue("folder")
	if name == "" {
		return x.admin().Book(x.ctx())
	}
	f, err := x.folderNamed(name)
	if err != nil {
		return nil, err
	}
	return x.hub.FolderBook(x.ctx(), f.ID)
}

// rightsWith renders the table.
func (s *Server) rightsWith(x *exchange, d draft) error {
	p, err := x.rightsTable(d)
	if err != nil {
		return err
	}
	status := 200
	if d.wrong != "" {
		status = 422
	}
	if x.htmx() && x.r.Header.Get("Hx-Target") == "rights" {
		return x.fragment("rights/table", "rights", p)
	}
	pg := page{Title: x.t("rights.title"), Nav: navAdmin, At: "rights", Data: p}
	if p.Folder != "" {
		pg.Crumbs = []crumb{{Name: x.t("rights.folders"), Address: "/admin/folders"}, {Name: p.Folder, Address: "/admin/folders/" + url.PathEscape(p.Folder)}}
		pg.At = "folders"
		if !x.session.Admin() {
			pg.Nav, pg.At = navFiles, "folder:"+p.Folder
			pg.Crumbs = []crumb{{Name: p.Folder, Address: folderAddress(p.Folder, "")}}
		}
	}
	return x.pageStatus(status, "rights/table", pg)
}

// rightsTable computes what the table shows.
func (x *exchange) rightsTable(d draft) (*rightsPage, error) {
	before, err := x.book()
	if err != nil {
		return nil, err
	}
	d.prune(before)
	if err := x.keepMine(&d); err != nil {
		return nil, err
	}
	book := before.With(d.pending)
	p := &rightsPage{
		Base: "/admin/rights", By: d.by, Only: d.only, Query: d.query, Review: d.review && len(d.pending) > 0, Wrong: d.wrong,
		Folders: len(book.Folders), Groups: len(book.Groups), People: len(book.Users), Exceptions: len(book.Exceptions()),
	}
	if name := x.r.PathValue("folder"); name != "" {
		p.Base, p.Folder = rightsAddress(before.Folders[0].Name), before.Folders[0].Name
	}
	for _, f := range book.Folders {
		p.FolderNames = append(p.FolderNames, f.Name)
	}
	for _, e := range d.extra {
		p.Extra = append(p.Extra, placeKey(e))
	}
	for _, c := range d.pending {
		p.Pending = append(p.Pending, changeKey(c))
	}
	rows := x.chooseRows(book, &d)
	p.Columns, p.More = chooseColumns(book, &d)
	names := folderNames(book)
	changed := map[string]bool{}
	for _, c := range d.pending {
		changed[cellKey(&c.Grant)] = true
	}
	for i, place := range rows {
		row := newRow(place, names)
		row.Inner = i+1 < len(rows) && inside(rows[i+1], place)
		if row.Fixed, err = x.fixed(place); err != nil {
			return nil, err
		}
		for _, col := range p.Columns {
			cell := tableCell{Cell: book.At(col.holder, place), Holder: col.Key}
			key := col.Key + " " + row.Key
			cell.Changed, cell.Open = changed[key], d.cell == key
			if cell.Open {
				p.Cell = &openCell{Key: key, Place: row.Path, Name: col.Name, Right: cell.Right, Set: cell.Set}
			}
			row.Cells = append(row.Cells, cell)
		}
		p.Rows = append(p.Rows, row)
	}
	if len(d.pending) > 0 {
		p.Changes = changeLines(before, book, d.pending, names)
		if p.Effects, err = x.effects(before, d.pending); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// fixed says that this person may not set rights at a place, which the table shows nevertheless.
func (x *exchange) fixed(p hub.GrantPlace) (bool, error) {
	if x.session.Admin() {
		return false, nil
	}
	may, err := x.hub.MayManage(x.ctx(), x.caller(), p.Folder, p.Path)
	return !may, err
}

// keepMine forgets changes that this person may not make.
func (x *exchange) keepMine(d *draft) error {
	var mine []store.GrantChange
	for _, c := range d.pending {
		fixed, err := x.fixed(hub.GrantPlace{Folder: c.Grant.Folder, Path: c.Grant.Path})
		if err != nil {
			return err
		}
		if !fixed {
			mine = append(mine, c)
		}
	}
	d.pending = mine
	return nil
}

// prune forgets changes of what is not in the book, and those that change nothing.
func (d *draft) prune(b *hub.Book) {
	inBook := map[havre.FolderID]bool{}
	for _, f := range b.Folders {
		inBook[f.ID] = true
	}
	d.pending = slices.DeleteFunc(d.pending, func(c store.GrantChange) bool {
		h := hub.Holder{User: c.Grant.User, Group: c.Grant.Group}
		if !inBook[c.Grant.Folder] || holderName(b, h) == "" {
			return true
		}
		now := b.At(h, hub.GrantPlace{Folder: c.Grant.Folder, Path: c.Grant.Path})
		return (c.Remove && !now.Set) || (!c.Remove && now.Set && now.Right == c.Grant.Right)
	})
	d.extra = slices.DeleteFunc(d.extra, func(p hub.GrantPlace) bool { return !inBook[p.Folder] })
}

// inside says whether a place is in another one.
func inside(p, outer hub.GrantPlace) bool {
	_, in := p.Path.Rel(outer.Path)
	return in && p.Folder == outer.Folder && p.Path != outer.Path
}

func cellKey(g *store.Grant) string {
	return holderKey(hub.Holder{User: g.User, Group: g.Group}) + " " + placeKey(hub.GrantPlace{Folder: g.Folder, Path: g.Path})
}

func folderNames(b *hub.Book) map[havre.FolderID]string {
	names := map[havre.FolderID]string{}
	for _, f := range b.Folders {
		names[f.ID] = f.Name
	}
	return names
}

func newRow(p hub.GrantPlace, names map[havre.FolderID]string) tableRow {
	parts := pathParts(p.Path)
	row := tableRow{Key: placeKey(p), Folder: names[p.Folder], Depth: len(parts), Name: names[p.Folder]}
	row.Path = strings.Join(append([]string{row.Folder}, parts...), " / ")
	if len(parts) > 0 {
		row.Name = parts[len(parts)-1]
	}
	row.Depth = min(row.Depth, 6)
	return row
}

// holderName returns what a holder is called, "" if there is none.
func holderName(b *hub.Book, h hub.Holder) string {
	for i := range b.Groups {
		if h.Group != "" && b.Groups[i].ID == h.Group {
			return b.Groups[i].Name
		}
	}
	for i := range b.Users {
		if h.User != "" && b.Users[i].ID == h.User {
			return b.Users[i].DisplayName
		}
	}
	return ""
}

// chooseRows returns the places to show: those whose names match the query, unless it is about a column.
func (x *exchange) chooseRows(b *hub.Book, d *draft) []hub.GrantPlace {
	names := folderNames(b)
	rows := b.Places(d.extra)
	if d.only {
		keep := b.Exceptions()
		rows = slices.DeleteFunc(rows, func(p hub.GrantPlace) bool { return !slices.Contains(keep, p) })
	}
	if d.query == "" || len(matchingColumns(b, d)) > 0 {
		return rows
	}
	return slices.DeleteFunc(rows, func(p hub.GrantPlace) bool { return !matches(d.query, names[p.Folder]+" "+string(p.Path)) })
}

// matchingColumns returns the holders that the query names.
func matchingColumns(b *hub.Book, d *draft) []tableColumn {
	if d.query == "" {
		return nil
	}
	return slices.DeleteFunc(allColumns(b, d.by), func(c tableColumn) bool { return !matches(d.query, c.Name, c.Note) })
}

// chooseColumns returns the holders to show and how many others there are. Those that have a right
// set come first, because the others have nothing to tell.
func chooseColumns(b *hub.Book, d *draft) ([]tableColumn, int) {
	all := matchingColumns(b, d)
	if len(all) == 0 {
		all = allColumns(b, d.by)
	}
	if len(all) <= maxColumns {
		return all, 0
	}
	used := map[hub.Holder]bool{}
	for _, g := range b.Grants {
		used[hub.Holder{User: g.User, Group: g.Group}] = true
	}
	slices.SortStableFunc(all, func(a, b tableColumn) int {
		switch {
		case used[a.holder] == used[b.holder]:
			return 0
		case used[a.holder]:
			return -1
		}
		return 1
	})
	return all[:maxColumns], len(all) - maxColumns
}

// allColumns returns all groups, or all people.
func allColumns(b *hub.Book, by string) []tableColumn {
	var all []tableColumn
	if by == "people" {
		for _, u := range b.Users {
			if !u.Disabled {
				h := hub.Holder{User: u.ID}
				all = append(all, tableColumn{Key: holderKey(h), Name: u.DisplayName, Note: u.Name, holder: h})
			}
		}
		return all
	}
	for _, g := range b.Groups {
		h := hub.Holder{Group: g.ID}
		all = append(all, tableColumn{Key: holderKey(h), Name: g.Name, Group: true, People: b.People(g.ID), holder: h})
	}
	return all
}

// changeLines says each change in words.
func changeLines(before, after *hub.Book, pending []store.GrantChange, names map[havre.FolderID]string) []changeLine {
	var lines []changeLine
	for _, c := range pending {
		h, p := hub.Holder{User: c.Grant.User, Group: c.Grant.Group}, hub.GrantPlace{Folder: c.Grant.Folder, Path: c.Grant.Path}
		lines = append(lines, changeLine{
			Key: changeKey(c), Place: newRow(p, names).Path, Name: holderName(after, h), Remove: c.Remove,
			From: tableCell{Cell: before.At(h, p)}, To: tableCell{Cell: after.At(h, p)},
		})
	}
	return lines
}
