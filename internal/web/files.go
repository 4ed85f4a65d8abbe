package web

import (
	"html/template"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
)

// filesRoutes are the folders, directories and files, and what is done in them.
func (s *Server) filesRoutes() []route {
	return []route{
		{pattern: "GET /{$}", need: needPerson, handle: s.foldersPage},
		{pattern: "GET /f/{folder}", need: needFolder, handle: s.files},
		{pattern: "GET /f/{folder}/{path...}", need: needFolder, handle: s.files},
		{pattern: "POST /f/{folder}", need: needFolder, handle: s.act},
		{pattern: "POST /f/{folder}/{path...}", need: needFolder, handle: s.act},
		{pattern: "GET /raw/{folder}/{path...}", need: needFolder, handle: s.raw},
		{pattern: "GET /thumb/{folder}/{path...}", need: needFolder, handle: s.thumb},
	}
}

// foldersPage lists the folders of the person; if there is only one it is that.
func (s *Server) foldersPage(x *exchange) error {
	folders, err := s.hub.FoldersShown(x.ctx(), x.caller())
	if err != nil {
		return err
	}
	if len(folders) == 1 && !x.session.Admin() {
		return x.redirect(folderAddress(folders[0].Name, ""))
	}
	v := &startView{Admin: x.session.Admin(), Create: x.session.User.Role >= store.RoleFolders}
	for i := range folders {
		f := &folders[i]
		row := startRow{
			Name: f.Name, Right: f.Right.String(), Changed: f.State.Changed, Author: s.fullName(x.ctx(), f.State.Author),
			Seen: strconv.FormatInt(int64(f.Head), 10),
		}
		if row.State, row.Words = "stopped", x.troubleWords(f); f.Problem == nil {
			row.State, row.Words = x.stateWords(&f.State)
		}
		v.Devices = max(v.Devices, f.State.Devices)
		v.Folders = append(v.Folders, row)
	}
	return x.page("files/folders", page{Title: x.t("files.folders"), Nav: navFiles, Data: v})
}

// startView is what the page of all folders shows.
type startView struct {
	Folders []startRow
	Admin   bool
	Create  bool
	Devices int
}

// Live names the folders whose changes concern the page.
func (v *startView) Live() string {
	var names []string
	for _, f := range v.Folders {
		names = append(names, "folder:"+f.Name)
	}
	return strings.Join(names, "|")
}

// Seen is which revision of each the page shows.
func (v *startView) Seen() string {
	var revs []string
	for _, f := range v.Folders {
		revs = append(revs, f.Seen)
	}
	return strings.Join(revs, "|")
}

type startRow struct {
	Name, Author, State, Words, Right string

	Seen    string // its revision
	Changed time.Time
}

// stateWords says on how many devices a folder is as it should be.
func (x *exchange) stateWords(st *hub.FolderState) (state, words string) {
	switch {
	case st.Devices == 0:
		return "", x.t("files.state.none")
	case st.UpToDate == st.Devices:
		return "ok", x.t("files.state.all", "n", st.Devices)
	}
	return string(st.Worst), x.t("files.state.some", "n", st.UpToDate, "behind", st.Devices-st.UpToDate)
}

// spot finds what the address names, as of ?at=, a moment or rNUMBER.
func (x *exchange) spot() (*hub.Spot, error) {
	folder, p := x.r.PathValue("folder"), svn.Path(strings.TrimSuffix(x.r.PathValue("path"), "/"))
	rev := svn.InvalidRevnum
	if text := x.r.FormValue("at"); text != "" {
		root, err := x.hub.Spot(x.ctx(), x.caller(), folder, "", svn.InvalidRevnum)
		if err != nil {
			return nil, err
		}
		if rev, err = x.revisionOf(root, text); err != nil {
			return nil, err
		}
	}
	at, err := x.hub.Spot(x.ctx(), x.caller(), folder, p, rev)
	if text := x.r.FormValue("v"); text != "" && err == nil && rev == svn.InvalidRevnum {
		return x.versionSpot(at, text)
	}
	return at, err
}

// revisionOf reads ?at=.
func (x *exchange) revisionOf(at *hub.Spot, text string) (svn.Revnum, error) {
	if digits, ok := strings.CutPrefix(text, "r"); ok {
		n, err := strconv.ParseInt(digits, 10, 63)
		if err != nil || n < 0 {
			return 0, notFound()
		}
		return min(svn.Revnum(n), at.Folder.Head), nil
	}
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, x.zone); err == nil {
			return x.hub.RevisionAt(x.ctx(), at, t)
		}
	}
	return 0, notFound()
}

// files shows what is at the address: a directory or a file, now or as it was.
func (s *Server) files(x *exchange) error {
	q := x.r.URL.Query()
	if !q.Has("at") && q.Has("deleted") {
		return s.deletedHere(x)
	}
	at, err := x.spot()
	if err != nil {
		return s.folderAway(x, err)
	}
	if q.Has("v") && !at.Dir() && !at.Past {
		if at, err = x.versionSpot(at, q.Get("v")); err != nil {
			return err
		}
	}
	switch {
	case at.Dir() && q.Has("download"):
		return s.downloadZip(x, at, q["item"])
	case at.Dir() && q.Has("restore"):
		return s.restoreQuestion(x, at)
	case at.Dir() && at.Past:
		return s.pastPage(x, at)
	case at.Dir():
		return s.directory(x, at)
	case q.Has("download"):
		return s.download(x, at, false)
	case q.Has("compare"):
		return s.difference(x, at)
	default:
		return s.filePage(x, at)
	}
}

// directoryView is what the page of a directory shows.
type directoryView struct {
	At      *hub.Spot
	Address string // of the directory
	Here    string // the same with what was asked for: filter, order
	Title   string
	Crumbs  []crumb
	List    *listing `json:"-"` // large: its sum stands for it in the page's tag
	Count   int      // without the filter
	Filter  string
	Grid    bool
	Whole   bool // all rows are elements, for who has no script
	Sort    string
	Write   bool
	Manage  bool
	State   string
	Words   string
	Changed time.Time
	Author  string
	Behind  bool
	Base    svn.Revnum
	Deleted int
	MoreDel bool
	Small   template.HTML // the small history
	Heads   []sortHead
	Orders  []sortHead
	New     string // the dialog that is open: "dir", "file", "upload"
	Rename  string // the entry that is to get another name
	Pane    *detailsView
	Access  *accessPane
	Folders bool        // there are others
	Readers hub.Readers // who else is here
}

// sortHead is the head of a column, or a choice of the order.
type sortHead struct {
	Key, Text, Address, Sorted, Class string
	On                                bool
}

func (s *Server) directory(x *exchange, at *hub.Spot) error {
	q := x.r.URL.Query()
	part := q.Get("part")
	if part == "pane" {
		pane, err := s.detailsOf(x, at, q.Get("details"))
		if err != nil {
			return err
		}
		return x.fragment("files/directory", "details-pane", pane)
	}
	v, err := s.directoryView(x, at)
	if err != nil {
		return err
	}
	state := v.state(x)
	if part == "list" {
		if same, err := x.unchanged("list", v, state); same || err != nil {
			return err
		}
		return x.fragment("files/directory", "file-list", v)
	}
	p := page{Title: v.Title, Nav: navFiles, At: "folder:" + at.Folder.Name, Crumbs: v.Crumbs, Data: v, Bare: v.Pane != nil || v.Access != nil}
	if v.Pane == nil && v.Access == nil { // whose words nobody lists
		p.State = state
	}
	return x.page("files/directory", p)
}

// state is what the view does not say as JSON of the page's content.
func (v *directoryView) state(x *exchange) any {
	return []any{v.List.sum, v.List.All, v.List.Dirs, v.List.Files, v.At.Shape(), x.ago(v.Changed)}
}

func (s *Server) directoryView(x *exchange, at *hub.Spot) (*directoryView, error) {
	q := x.r.URL.Query()
	v := &directoryView{
		At: at, Address: folderAddress(at.Folder.Name, string(at.Path)), Title: at.Folder.Name, Base: at.Folder.Head,
		Filter: strings.TrimSpace(q.Get("q")), Grid: q.Get("view") == "grid", Whole: q.Get("rows") == "all",
		Write: at.Right >= havre.RightWrite, Manage: at.Right >= havre.RightManage,
		Crumbs: crumbsTo(x, at), New: q.Get("new"), Rename: q.Get("rename"),
	}
	if at.Path != "" {
		v.Title = at.Path.Name()
	}
	v.sort(x, q.Get("sort"))
	v.Here = v.with(x)
	var err error
	if v.List, err = s.listing(x, at, v); err != nil {
		return nil, err
	}
	v.Count = v.List.All
	state, err := s.hub.FolderState(x.ctx(), x.caller(), at.Folder.ID)
	if err != nil {
		return nil, err
	}
	v.State, v.Words = x.stateWords(state)
	v.Behind = v.State != "" && v.State != "ok"
	if last := v.List.Last; last != nil {
		v.Changed, v.Author = last.Time, s.fullName(x.ctx(), last.Author)
	}
	v.Small = v.List.small
	if v.Readers, err = s.hub.Readers(x.ctx(), at); err != nil {
		return nil, err
	}
	if name := q.Get("details"); name != "" {
		if v.Pane, err = s.detailsOf(x, at, name); err != nil {
			return nil, err
		}
	} else if q.Has("access") && (v.Manage || x.session.Admin()) {
		if v.Access, err = x.accessOf(); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// with returns the address of the directory with the order, filter and view that were asked for, and
// other values for some names.
func (v *directoryView) with(x *exchange, pairs ...string) string {
	q := url.Values{}
	for _, keep := range []string{"q", "view", "sort", "rows"} {
		if value := x.r.URL.Query().Get(keep); value != "" {
			q.Set(keep, value)
		}
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Del(pairs[i])
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	if len(q) == 0 {
		return v.Address
	}
	return v.Address + "?" + q.Encode()
}

// Short says whether most of the rows are text.
func (v *directoryView) Short() bool { return !v.Grid && !v.Whole && v.List.Count() > maxWhole }

// Part is the address of a part of the page.
func (v *directoryView) Part(name string) string { return v.plus("part=" + name) }

// AllRows is the address of the same list with all its rows as elements.
func (v *directoryView) AllRows() string { return v.plus("rows=all") }

func (v *directoryView) plus(parameter string) string {
	sign := "?"
	if strings.Contains(v.Here, "?") {
		sign = "&"
	}
	return v.Here + sign + parameter
}

// sort reads the order that was asked for and makes the heads of the columns.
func (v *directoryView) sort(x *exchange, by string) {
	key, down := strings.CutPrefix(by, "-")
	switch hub.SortKey(key) {
	case hub.SortName, hub.SortChanged, hub.SortSize, hub.SortKind:
	default:
		key, down, by = string(hub.SortName), false, "name"
	}
	v.Sort = by
	for _, h := range []struct{ key, class string }{{"name", "f-name"}, {"changed", "f-when"}, {"size", "f-size"}} {
		head := sortHead{Key: h.key, Text: x.t("files.head." + h.key), Class: h.class}
		next := h.key
		switch {
		case key == h.key && down:
			head.Sorted = "descending"
		case key == h.key:
			head.Sorted, next = "ascending", "-"+h.key
		case h.key != "name":
			next = "-" + h.key
		}
		head.Address = v.with(x, "sort", strings.TrimPrefix(next, "name"))
		v.Heads = append(v.Heads, head)
	}
	for _, o := range []string{"name", "-changed", "changed", "-size", "kind"} {
		v.Orders = append(v.Orders, sortHead{Key: o, Text: x.t("files.order." + o), On: o == by})
	}
}

// matching returns the entries whose names contain all words.
func matching(entries []*hub.Entry, filter string) []*hub.Entry {
	words := strings.Fields(plain(filter))
	var out []*hub.Entry
next:
	for _, e := range entries {
		name := plain(e.Name)
		for _, w := range words {
			if !strings.Contains(name, w) {
				continue next
			}
		}
		out = append(out, e)
	}
	return out
}

// crumbsTo is the way to a place; its own name is not part of it.
func crumbsTo(x *exchange, at *hub.Spot) []crumb {
	list := []crumb{{x.t("files.folders"), "/"}}
	if at.Path == "" {
		return list
	}
	list = append(list, crumb{at.Folder.Name, folderAddress(at.Folder.Name, "")})
	dir := svn.Path("")
	for part := range strings.SplitSeq(string(at.Path.Dir()), "/") {
		if part == "" {
			continue
		}
		dir = dir.Join(part)
		list = append(list, crumb{part, folderAddress(at.Folder.Name, string(dir))})
	}
	return list
}

// Below is the address of the directory without its beginning: "/FOLDER/PATH".
func (v *directoryView) Below() string { return strings.TrimPrefix(v.Address, "/f") }

// Switch is the address of the same directory in another view: "list" or "grid".
func (v *directoryView) Switch(view string) string {
	address, query, _ := strings.Cut(v.Here, "?")
	q, err := url.ParseQuery(query)
	if err != nil {
		return v.Address
	}
	q.Del("view")
	if view == "grid" {
		q.Set("view", view)
	}
	if len(q) == 0 {
		return address
	}
	return address + "?" + q.Encode()
}
