package web

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/svn"
)

// pastView is a directory as it was.
type pastView struct {
	At        *hub.Spot
	Address   string // of the directory today
	Name      string
	Crumbs    []crumb
	Moment    time.Time
	Date      string // for the fields
	Clock     string
	AtParam   string // of this page, for links
	Line      *timeline
	Last      *hub.Touch // the change that led to this state
	LastWhat  string
	Rows      []pastRow
	Count     int
	Differ    int
	Sum       string // what has become of it
	Only      bool   // what differs alone
	Newer     int
	NewerList []*hub.Entry // shown on demand
	Write     bool
	Plan      *restoreView
}

// pastRow is an entry as it was, and what has become of it.
type pastRow struct {
	*hub.Entry
	Link   string
	Symbol string
	Kind   string
	Who    string
	Since  string
	Sign   string // an icon
	Class  string
}

// momentOf returns the moment that the page of the past shows: the one that was asked for, or that of
// the revision.
func (x *exchange) momentOf(at *hub.Spot) (time.Time, error) {
	text := x.r.FormValue("at")
	for _, layout := range momentLayouts {
		if t, err := time.ParseInLocation(layout, text, x.zone); err == nil {
			return t, nil
		}
	}
	act, err := x.hub.Act(x.ctx(), at, at.Rev)
	return act.Time, err
}

var momentLayouts = []string{"2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly}

// pastPage shows a directory as it was, each row with what differs today.
func (s *Server) pastPage(x *exchange, at *hub.Spot) error {
	q := x.r.URL.Query()
	if q.Has("day") {
		return x.redirect(folderAddress(at.Folder.Name, string(at.Path)) + "?at=" + url.QueryEscape(q.Get("day")+"T"+q.Get("time")))
	}
	v, err := s.pastView(x, at)
	if err != nil {
		return err
	}
	return x.page("history/past", x.pastFrame(at, v))
}

func (x *exchange) pastFrame(at *hub.Spot, v *pastView) page {
	return page{
		Title: x.t("history.past", "moment", x.moment(v.Moment)), Nav: navFiles, At: "folder:" + at.Folder.Name,
		Crumbs: v.Crumbs, Data: v, Past: true, Bare: true,
	}
}

func (s *Server) pastView(x *exchange, at *hub.Spot) (*pastView, error) {
	v := &pastView{
		At: at, Address: folderAddress(at.Folder.Name, string(at.Path)), Name: at.Folder.Name, AtParam: x.r.FormValue("at"),
		Only: x.r.FormValue("only") != "", Write: at.Right >= havre.RightWrite,
	}
	if at.Path != "" {
		v.Name = at.Path.Name()
	}
	v.Crumbs = append(crumbsTo(x, at), crumb{v.Name, v.Address})
	var err error
	if v.Moment, err = x.momentOf(at); err != nil {
		return nil, err
	}
	local := v.Moment.In(x.zone)
	v.Date, v.Clock = local.Format(time.DateOnly), local.Format("15:04")
	var touches []hub.Touch
	if v.Line, touches, err = x.historyLine(at, v.Moment); err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(touches, func(t hub.Touch) bool { return t.Rev <= at.Rev }); i >= 0 {
		v.Last = &touches[i]
		v.LastWhat = x.t("history.did."+string(v.Last.Deed), "n", v.Last.Files)
	}
	return v, s.pastRows(x, at, v)
}

// pastRows compares the directory with today.
func (s *Server) pastRows(x *exchange, at *hub.Spot, v *pastView) error {
	differences, err := s.hub.Differences(x.ctx(), x.caller(), at)
	if err != nil {
		return err
	}
	var then []*hub.Entry
	now := map[string]hub.Difference{}
	for _, d := range differences {
		if d.Then != nil {
			then = append(then, d.Then)
			now[d.Then.Name] = d
		}
	}
	since, err := s.hub.SinceThen(x.ctx(), at, then)
	if err != nil {
		return err
	}
	hub.SortEntries(then, hub.SortName, false, collator(x.lang))
	var deleted, changed, renamed int
	moved := map[svn.Path]bool{}
	for _, e := range then {
		row := x.pastRow(at, e, since[e.Name])
		switch row.Class {
		case "is-deleted":
			deleted++
		case "is-renamed":
			renamed++
			moved[since[e.Name].Now] = true
		case "is-changed":
			changed++
		}
		v.Count++
		if row.Class != "" {
			v.Differ++
		} else if v.Only {
			continue
		}
		row.Link = fmt.Sprintf("%s/%s?at=%s", v.Address, url.PathEscape(e.Name), url.QueryEscape(v.AtParam))
		v.Rows = append(v.Rows, row)
	}
	for _, d := range differences {
		if d.Then == nil && !moved[d.Now.Path] {
			v.Newer++
			v.NewerList = append(v.NewerList, d.Now)
		}
	}
	v.Sum = x.sinceThen(deleted, changed, renamed)
	return nil
}

// sinceThen says in a sentence what has become of a directory.
func (x *exchange) sinceThen(deleted, changed, renamed int) string {
	var parts []string
	for _, p := range []struct {
		key string
		n   int
	}{{"deleted", deleted}, {"changed", changed}, {"renamed", renamed}} {
		if p.n > 0 {
			parts = append(parts, x.t("history.sum."+p.key, "n", p.n))
		}
	}
	if len(parts) == 0 {
		return x.t("history.sum.same")
	}
	return x.t("history.sum", "list", strings.Join(parts, ", "))
}

// pastRow says what has become of an entry.
func (x *exchange) pastRow(at *hub.Spot, e *hub.Entry, since *hub.Since) pastRow {
	row := pastRow{Entry: e, Sign: "equal", Since: x.t("history.same")}
	row.Symbol, row.Kind = iconOf(e)
	if e.Changed.Author != "" {
		row.Who = x.firstName(e.Changed.Author)
	}
	switch {
	case since.Deleted != nil:
		row.Class, row.Sign = "is-deleted", "trash-2"
		row.Since = x.t("history.deleted", "day", x.day(since.Deleted.Time), "name", x.s.fullName(x.ctx(), since.Deleted.Author))
	case since.Now == "":
		row.Class, row.Sign, row.Since = "is-deleted", "trash-2", x.t("history.gone")
	case since.Now != e.Path && since.Now.Dir() == at.Path:
		row.Class, row.Sign = "is-renamed", "text-cursor-input"
		row.Since = x.t("history.renamed", "name", since.Now.Name())
	case since.Now != e.Path:
		row.Class, row.Sign = "is-renamed", "folder-input"
		row.Since = x.t("history.moved", "place", x.placeName(at.Folder.Name, since.Now.Dir()))
	case since.Changes > 0:
		row.Class, row.Sign = "is-changed", "pencil"
		switch {
		case e.Kind != havre.KindDir:
			row.Since = x.t("history.versions.since", "n", since.Changes)
		case since.Added == since.Changes:
			row.Since = x.t("history.added.since", "n", since.Added)
		default:
			row.Since = x.t("history.changes.since", "n", since.Changes)
		}
	}
	return row
}

// placeName is what a directory is called in a sentence.
func (x *exchange) placeName(folder string, p svn.Path) string {
	if p == "" {
		return folder
	}
	return p.Name()
}

// restoreView is the question before a directory is brought back.
type restoreView struct {
	Returning, Contents, Names, Newer []string
	Count                             int
	Devices                           int
	People                            int
	Folder                            bool // the whole folder
}

// maxNamed is how many names the question lists.
const maxNamed = 200

func (s *Server) restorePlan(x *exchange, at *hub.Spot, names []string) (*hub.RestorePlan, error) {
	plan, err := s.hub.PlanRestore(x.ctx(), at, names)
	if err != nil {
		return nil, err
	}
	if at.Dir() {
		entries, err := s.hub.Entries(x.ctx(), at)
		if err != nil {
			return nil, err
		}
		since, err := s.hub.SinceThen(x.ctx(), at, entries)
		if err != nil {
			return nil, err
		}
		plan.Renames(since, at)
	}
	return plan, nil
}

// restoreQuestion shows what bringing a directory back would do, before it is done.
func (s *Server) restoreQuestion(x *exchange, at *hub.Spot) error {
	if !at.Past || at.Right < havre.RightWrite {
		return notFound()
	}
	v, err := s.pastView(x, at)
	if err != nil {
		return err
	}
	plan, err := s.restorePlan(x, at, nil)
	if err != nil {
		return err
	}
	r := &restoreView{Count: plan.Count(), Folder: at.Path == ""}
	list := func(paths []svn.Path) []string {
		var names []string
		for _, p := range paths[:min(len(paths), maxNamed)] {
			rel, _ := p.Rel(at.Path)
			names = append(names, string(rel))
		}
		return names
	}
	r.Returning, r.Contents, r.Newer = list(plan.Returning), list(plan.Contents), list(plan.Newer)
	for _, t := range plan.Names {
		r.Names = append(r.Names, t.To.Name())
	}
	if state, err := s.hub.FolderState(x.ctx(), x.caller(), at.Folder.ID); err == nil {
		r.Devices = state.Devices
	}
	readers, err := s.hub.Readers(x.ctx(), at)
	if err != nil {
		return err
	}
	r.People = readers.Count
	v.Plan = r
	return x.page("history/past", x.pastFrame(at, v))
}

// restore brings back a directory as it was, or a version of a file.
func (s *Server) restore(x *exchange, at *hub.Spot) error {
	if !at.Past {
		return notFound()
	}
	if n := x.r.PostFormValue("v"); n != "" {
		return s.restoreVersion(x, at, n)
	}
	plan, err := s.restorePlan(x, at, nil)
	if err != nil {
		return err
	}
	moment, err := x.momentOf(at)
	if err != nil {
		return err
	}
	d, err := s.hub.Restore(x.ctx(), x.caller(), at, plan, x.r.PostFormValue("newer") == "delete", "")
	if err != nil {
		return err
	}
	here := folderAddress(at.Folder.Name, string(at.Path))
	if !at.Dir() {
		return s.done(x, at, d, x.t("history.restored.file", "name", at.Path.Name(), "moment", x.moment(moment)), here)
	}
	return s.done(x, at, d, x.t("history.restored", "n", plan.Count(), "moment", x.moment(moment)), here)
}

// bringBack restores the chosen entries of a directory as it was; what is newer in it stays.
func (s *Server) bringBack(x *exchange, at *hub.Spot) error {
	if !at.Past {
		return notFound()
	}
	items, err := x.items(at)
	if err != nil {
		return err
	}
	names := make([]string, len(items))
	for i, p := range items {
		names[i] = p.Name()
	}
	plan, err := s.restorePlan(x, at, names)
	if err != nil {
		return err
	}
	d, err := s.hub.Restore(x.ctx(), x.caller(), at, plan, false, "")
	if err != nil {
		return err
	}
	return s.done(x, at, d, x.t("history.back", "n", len(items), "name", items[0].Name()), folderAddress(at.Folder.Name, string(at.Path)))
}

// revisionParam is a revision of a form.
func (x *exchange) revisionParam(name string) (svn.Revnum, error) {
	n, err := strconv.ParseInt(x.r.FormValue(name), 10, 63)
	if err != nil || n < 0 {
		return 0, &havre.Error{Code: havre.CodeInvalid, Text: x.t("core.error.form")}
	}
	return svn.Revnum(n), nil
}

// restoreVersion makes an older version of a file the newest; then is that version.
func (s *Server) restoreVersion(x *exchange, then *hub.Spot, number string) error {
	now, err := s.hub.Spot(x.ctx(), x.caller(), then.Folder.Name, svn.Path(x.r.PathValue("path")), svn.InvalidRevnum)
	if err != nil {
		return err
	}
	d, err := s.hub.RestoreVersion(x.ctx(), x.caller(), now, then.Path, then.Rev)
	if err != nil {
		return err
	}
	return s.done(x, now, d, x.t("history.restored.version", "name", now.Path.Name(), "n", number), folderAddress(now.Folder.Name, string(now.Path)))
}
