package web

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/svn"
)

// historyRoutes are what happened and what was deleted, in all folders.
func (s *Server) historyRoutes() []route {
	return []route{
		{pattern: "GET /deleted", need: needPerson, handle: s.deletedPage},
		{pattern: "GET /activity", need: needPerson, handle: s.activityPage},
		{pattern: "POST /deleted/{folder}", need: needFolder, handle: s.restoreDeleted},
	}
}

// deletedView is what was deleted, grouped by act.
type deletedView struct {
	Here    string // the address of the page
	Place   string // of one directory; "" for all folders
	Up      string
	Crumbs  []crumb
	Groups  []deletedDay
	Query   string
	Folder  string
	Person  string
	Days    int
	Folders []string
	People  []choiceOption
	More    string // address of what is older
	All     int
}

// choiceOption is one of a list to choose from.
type choiceOption struct{ Value, Label string }

type deletedDay struct {
	Title string
	Acts  []deletedAct
}

// deletedAct is what one person deleted at once.
type deletedAct struct {
	hub.Act
	Name   string // of the person
	Web    bool
	Folder string
	Dir    svn.Path // all of it was in
	Items  []deletedItem
	Rest   []deletedItem
	Back   bool // all of it is back
	Write  bool
	Size   int64
	Single *deletedItem
}

type deletedItem struct {
	Path         svn.Path
	Name         string
	Symbol, Kind string
	Dir          bool
	Size         int64
	Back         bool
}

// maxDeleted is how many deletions of one folder a page looks at; there is a link to older ones.
const maxDeleted = 500

// shownItems is how many items of an act are shown unfolded.
const shownItems = 3

// deletedPage lists what was deleted in all folders.
func (s *Server) deletedPage(x *exchange) error {
	folders, err := s.hub.Folders(x.ctx(), x.caller())
	if err != nil {
		return err
	}
	v := &deletedView{Here: "/deleted"}
	for _, f := range folders {
		v.Folders = append(v.Folders, f.Name)
	}
	v.Folder = x.r.FormValue("folder")
	var acts []deletedAct
	for _, f := range folders {
		if v.Folder != "" && f.Name != v.Folder {
			continue
		}
		at, err := s.hub.Spot(x.ctx(), x.caller(), f.Name, "", svn.InvalidRevnum)
		if havre.CodeOf(err) == havre.CodeNotFound && err != nil {
			continue
		}
		if err != nil {
			return err
		}
		found, err := s.deletedActs(x, at, v)
		if err != nil {
			return err
		}
		acts = append(acts, found...)
	}
	v.group(x, acts)
	return x.page("history/deleted", page{Title: x.t("history.deleted.title"), Nav: navFiles, At: "deleted", Data: v})
}

// deletedHere lists what was deleted in one directory.
func (s *Server) deletedHere(x *exchange) error {
	at, err := x.spot()
	if err != nil {
		return err
	}
	if x.r.URL.Query().Get("deleted") == "count" {
		return s.deletedCount(x, at)
	}
	v := &deletedView{Up: folderAddress(at.Folder.Name, string(at.Path)), Place: at.Folder.Name}
	v.Here = v.Up + "?deleted"
	if at.Path != "" {
		v.Place = at.Path.Name()
	}
	v.Crumbs = append(crumbsTo(x, at), crumb{v.Place, v.Up})
	acts, err := s.deletedActs(x, at, v)
	if err != nil {
		return err
	}
	v.group(x, acts)
	return x.page("history/deleted", page{
		Title: x.t("history.deleted.in", "name", v.Place), Nav: navFiles, At: "folder:" + at.Folder.Name, Crumbs: v.Crumbs, Data: v,
	})
}

// mostCounted is how many deletions are counted for the button beside a list.
const mostCounted = 99

// deletedCount answers with " (6)" for the button, with nothing if nothing was deleted; beyond the most that is
// counted with " (99+)".
func (s *Server) deletedCount(x *exchange, at *hub.Spot) error {
	list, err := s.hub.Deleted(x.ctx(), at, 0, mostCounted+1)
	if err != nil {
		return err
	}
	n, text := 0, ""
	for i := range list {
		if !list[i].Back {
			n++
		}
	}
	switch {
	case n > mostCounted:
		text = " (" + formatNumber(x.lang, mostCounted) + "+)"
	case n > 0:
		text = " (" + formatNumber(x.lang, int64(n)) + ")"
	}
	x.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	x.w.Header().Set("Cache-Control", "no-store")
	_, err = x.w.Write([]byte(text))
	return err
}

// deletedActs groups the deletions at a place by revision.
func (s *Server) deletedActs(x *exchange, at *hub.Spot, v *deletedView) ([]deletedAct, error) {
	before := svn.Revnum(0)
	if x.r.FormValue("before") != "" {
		var err error
		if before, err = x.revisionParam("before"); err != nil {
			return nil, err
		}
	}
	list, err := s.hub.Deleted(x.ctx(), at, before, maxDeleted)
	if err != nil {
		return nil, err
	}
	v.Query, v.Person = x.r.FormValue("q"), x.r.FormValue("person")
	v.Days, _ = strconv.Atoi(x.r.FormValue("days"))
	var acts []deletedAct
	for i := 0; i < len(list); {
		n := i
		for n < len(list) && list[n].Rev == list[i].Rev {
			n++
		}
		if len(list) == maxDeleted && n == len(list) && i > 0 {
			if v.Place != "" || v.Folder != "" {
				v.More = x.older(list[i].Rev + 1)
			}
			break // the rest of this act was not listed: the next page has it
		}
		acts = append(acts, x.deletedAct(at, list[i:n]))
		i = n
	}
	return slices.DeleteFunc(acts, func(a deletedAct) bool { return !v.wants(x, &a) }), nil
}

// older is the address of this page, as of below a revision.
func (x *exchange) older(rev svn.Revnum) string {
	q := x.r.URL.Query()
	q.Set("before", strconv.FormatInt(int64(rev), 10))
	return x.r.URL.EscapedPath() + "?" + q.Encode()
}

// wants says whether the act passes the filters, and leaves in it the items that do. What it was is
// known to all filters, so it is seen by people even when nothing passes.
func (v *deletedView) wants(x *exchange, a *deletedAct) bool {
	v.addPerson(a.Author, a.Name)
	if v.Person != "" && a.Author != v.Person {
		return false
	}
	if v.Days > 0 && x.now.Sub(a.Time) > time.Duration(v.Days)*24*time.Hour {
		return false
	}
	if v.Query == "" {
		return true
	}
	matches := func(i deletedItem) bool { return strings.Contains(plain(i.Name), plain(v.Query)) }
	return slices.ContainsFunc(a.Items, matches) || slices.ContainsFunc(a.Rest, matches)
}

func (v *deletedView) addPerson(login, name string) {
	if login != "" && !slices.ContainsFunc(v.People, func(o choiceOption) bool { return o.Value == login }) {
		v.People = append(v.People, choiceOption{login, name})
	}
}

func (x *exchange) deletedAct(at *hub.Spot, list []hub.Deletion) deletedAct {
	a := deletedAct{
		Act: list[0].Act, Name: x.authorName(list[0].Author), Web: list[0].Web(), Folder: at.Folder.Name,
		Back: true, Dir: list[0].Path.Dir(), Write: at.Right >= havre.RightWrite,
	}
	for _, d := range list {
		i := deletedItem{Path: d.Path, Name: d.Path.Name(), Dir: d.Dir, Size: d.Size, Back: d.Back}
		e := &hub.Entry{Name: i.Name}
		e.Kind = havre.KindFile
		if d.Dir {
			e.Kind = havre.KindDir
		}
		i.Symbol, i.Kind = iconOf(e)
		a.Back = a.Back && d.Back
		a.Size += d.Size
		for a.Dir != "" {
			if _, in := d.Path.Rel(a.Dir); in {
				break
			}
			a.Dir = a.Dir.Dir()
		}
		if len(a.Items) < shownItems || len(list) == shownItems+1 {
			a.Items = append(a.Items, i)
		} else {
			a.Rest = append(a.Rest, i)
		}
	}
	if len(list) == 1 {
		a.Single = &a.Items[0]
	}
	return a
}

// Count is how many items the act has.
func (a *deletedAct) Count() int { return len(a.Items) + len(a.Rest) }

// authorName is who did something, also when no account has the name.
func (x *exchange) authorName(login string) string {
	if login == "" {
		return x.t("history.somebody")
	}
	return x.s.fullName(x.ctx(), login)
}

// group sorts the acts into days, the youngest first.
func (v *deletedView) group(x *exchange, acts []deletedAct) {
	slices.SortStableFunc(acts, func(a, b deletedAct) int { return b.Time.Compare(a.Time) })
	slices.SortFunc(v.People, func(a, b choiceOption) int { return cmp.Compare(a.Label, b.Label) })
	for _, a := range acts {
		v.All += a.Count()
		title := x.dayTitle(a.Time)
		if n := len(v.Groups); n == 0 || v.Groups[n-1].Title != title {
			v.Groups = append(v.Groups, deletedDay{Title: title})
		}
		last := &v.Groups[len(v.Groups)-1]
		last.Acts = append(last.Acts, a)
	}
}

// dayTitle is the head above what happened on one day: "Today", "Tuesday 17 November".
func (x *exchange) dayTitle(t time.Time) string {
	if t.IsZero() {
		return x.t("history.undated")
	}
	t, now := t.In(x.zone), x.now.In(x.zone)
	switch daysBetween(t, now) {
	case 0:
		return x.t("history.today")
	case 1:
		return x.t("history.yesterday")
	}
	title := upperFirst(longDays[x.lang][t.Weekday()]) + " " + strconv.Itoa(t.Day()) + " " + longMonths[x.lang][t.Month()-1]
	if t.Year() != now.Year() {
		title += " " + strconv.Itoa(t.Year())
	}
	return title
}

// maxRestored is how many paths one form may bring back.
const maxRestored = 10_000

// restoreDeleted brings back what a revision deleted: the items that were chosen, or all of it.
func (s *Server) restoreDeleted(x *exchange) error {
	if err := x.parseForm(); err != nil {
		return err
	}
	rev, err := x.revisionParam("rev")
	if err != nil {
		return err
	}
	now, err := s.hub.Spot(x.ctx(), x.caller(), x.r.PathValue("folder"), "", svn.InvalidRevnum)
	if err != nil {
		return err
	}
	names := x.r.PostForm["item"] //nolint:forbidigo // a field, filled by act
	if len(names) == 0 {
		list, err := s.hub.Deleted(x.ctx(), now, rev+1, maxRestored)
		if err != nil {
			return err
		}
		for _, d := range list {
			if d.Rev == rev && !d.Back {
				names = append(names, string(d.Path))
			}
		}
	}
	if len(names) == 0 || len(names) > maxRestored || rev < 1 {
		return &havre.Error{Code: havre.CodeInvalid, Text: x.t("history.none")}
	}
	then, err := s.hub.Spot(x.ctx(), x.caller(), now.Folder.Name, "", rev-1)
	if err != nil {
		return err
	}
	plan, err := s.hub.PlanRestore(x.ctx(), then, names)
	if err != nil {
		return err
	}
	d, err := s.hub.Restore(x.ctx(), x.caller(), then, plan, false, "")
	if err != nil {
		return err
	}
	first := svn.Path(names[0])
	back := x.back("/deleted?" + url.Values{"folder": {now.Folder.Name}}.Encode())
	return s.done(x, now, d, x.t("history.back", "n", len(names), "name", first.Name()), back)
}
