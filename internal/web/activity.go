package web

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/svn"
)

// activityView is what happened in the folders of the person.
type activityView struct {
	Here    string
	Live    string // what the page listens to
	Seen    string // which revision of each it shows
	Line    *timeline
	Days    []activityDay
	Folders []string
	People  []choiceOption
	Folder  string
	Person  string
	Kind    string
	Others  bool // without the person's own
	Path    string
	Sum     string
	Kinds   []choiceOption
	More    string
}

type activityDay struct {
	Title string
	Acts  []activityAct
}

// activityAct is what one person did in one place, in one or several revisions.
type activityAct struct {
	hub.Act
	Name   string
	Me     bool
	Folder string
	Place  svn.Path // the directory that all of it is in
	Deed   hub.Deed
	Mixed  bool
	Things []hub.Thing // the first
	Count  int
	Undo   bool
	From   svn.Path // of a move: where it was

	Restored bool
	Conflict string // address where one decides, if it made a conflict copy
	Other    string // who had changed the original
	Original svn.Path
}

// What one page of the activity shows.
const (
	activityActs   = 60
	activityThings = 4
	// togetherFor is how long acts of one person in one place count as one.
	togetherFor = time.Hour
)

// activityPage shows what happened, grouped by person and act.
func (s *Server) activityPage(x *exchange) error {
	folders, err := s.hub.Folders(x.ctx(), x.caller())
	if err != nil {
		return err
	}
	v := &activityView{
		Here: x.r.URL.RequestURI(), Folder: x.r.FormValue("folder"), Person: x.r.FormValue("person"), Kind: x.r.FormValue("kind"),
		Others: x.r.FormValue("others") != "", Path: strings.Trim(x.r.FormValue("path"), "/"),
	}
	for _, d := range []hub.Deed{hub.DeedAdded, hub.DeedChanged, hub.DeedMoved, hub.DeedCopied, hub.DeedDeleted} {
		v.Kinds = append(v.Kinds, choiceOption{string(d), x.t("history.kind." + string(d))})
	}
	until := x.now
	if t, err := time.Parse(time.RFC3339Nano, x.r.FormValue("until")); err == nil {
		until = t
	}
	var acts []activityAct
	var counts []timeCount
	var topics, seen []string
	people := map[string]bool{}
	week, files := x.now.AddDate(0, 0, -7), 0
	for _, f := range folders {
		v.Folders = append(v.Folders, f.Name)
		if v.Folder != "" && f.Name != v.Folder {
			continue
		}
		path := svn.Path("")
		if v.Folder != "" {
			path = svn.Path(v.Path)
		}
		at, err := s.hub.Spot(x.ctx(), x.caller(), f.Name, path, svn.InvalidRevnum)
		if havre.CodeOf(err) == havre.CodeNotFound && err != nil {
			continue
		}
		if err != nil {
			return err
		}
		topics, seen = append(topics, "folder:"+f.Name), append(seen, strconv.FormatInt(int64(at.Folder.Head), 10))
		touches, _, err := s.hub.Touches(x.ctx(), at, maxStops)
		if err != nil {
			return err
		}
		for _, t := range touches {
			v.People = addOption(v.People, t.Author, x.authorName(t.Author))
			if t.Time.Before(week) {
				continue
			}
			counts = append(counts, timeCount{t.Time, t.Files})
			people[t.Author] = true
			files += t.Files
		}
		found, err := s.activityOf(x, at, v, until)
		if err != nil {
			return err
		}
		acts = append(acts, found...)
	}
	v.Live, v.Seen = strings.Join(topics, "|"), strings.Join(seen, "|")
	v.Line = x.newTimeline(x.t("history.line"), counts, time.Time{})
	v.Sum = x.t("history.week", "n", len(people), "people", x.t("history.people", "n", len(people)), "files", x.t("history.files", "n", files))
	slices.SortStableFunc(acts, func(a, b activityAct) int { return b.Time.Compare(a.Time) })
	if len(acts) > activityActs {
		acts = acts[:activityActs]
	}
	if len(acts) == activityActs {
		q := x.r.URL.Query()
		q.Set("until", acts[len(acts)-1].Time.UTC().Format(time.RFC3339Nano))
		v.More = "/activity?" + q.Encode()
	}
	v.group(x, acts)
	slices.SortFunc(v.People, func(a, b choiceOption) int { return strings.Compare(a.Label, b.Label) })
	return x.page("history/activity", page{Title: x.t("history.activity"), Nav: navFiles, At: "activity", Data: v})
}

func addOption(list []choiceOption, value, label string) []choiceOption {
	if value == "" || slices.ContainsFunc(list, func(o choiceOption) bool { return o.Value == value }) {
		return list
	}
	return append(list, choiceOption{value, label})
}

// activityOf returns the acts in one folder, those of one person and place close to each other as one.
func (s *Server) activityOf(x *exchange, at *hub.Spot, v *activityView, until time.Time) ([]activityAct, error) {
	var acts []activityAct
	f := hub.ActivityFilter{Author: v.Person, Deed: hub.Deed(v.Kind), Until: until, Limit: 4 * activityActs}
	for len(acts) <= activityActs {
		list, next, err := s.hub.Activity(x.ctx(), at, f)
		if err != nil {
			return nil, err
		}
		for i := range list {
			if v.Others && x.session != nil && list[i].Author == x.session.User.Name {
				continue
			}
			a := x.activityAct(at, &list[i])
			if n := len(acts); n > 0 && acts[n-1].join(&a) {
				continue
			}
			acts = append(acts, a)
		}
		if next == 0 {
			break
		}
		f.Before = next
	}
	return acts, nil
}

func (x *exchange) activityAct(at *hub.Spot, d *hub.Doing) activityAct {
	a := activityAct{
		Act: d.Act, Name: x.authorName(d.Author), Me: x.session != nil && d.Author == x.session.User.Name, Folder: at.Folder.Name,
		Deed: d.Things[0].What, Count: len(d.Things) + d.More, Place: d.Things[0].Path.Dir(), From: d.Things[0].From,
	}
	for _, t := range d.Things {
		a.Mixed = a.Mixed || t.What != a.Deed
		for a.Place != "" {
			if _, in := t.Path.Rel(a.Place); in {
				break
			}
			a.Place = a.Place.Dir()
		}
	}
	_, a.Restored = d.Restored()
	x.findConflict(at, &a, d)
	// New directories with what is in them are one thing each.
	for _, t := range d.Things {
		if len(a.Things) < activityThings {
			a.Things = append(a.Things, t)
		}
	}
	a.Undo = at.Right >= havre.RightWrite && (a.Deed == hub.DeedDeleted || a.Deed == hub.DeedMoved) && !a.Mixed && a.Rev == at.Folder.Head ||
		at.Right >= havre.RightWrite && a.Me && (a.Deed == hub.DeedDeleted || a.Deed == hub.DeedMoved) && !a.Mixed && x.now.Sub(a.Time) < 7*24*time.Hour
	return a
}

// findConflict says so if somebody's client set a conflict copy beside a file that another had changed.
func (x *exchange) findConflict(at *hub.Spot, a *activityAct, d *hub.Doing) {
	for _, t := range d.Things {
		original := hub.ConflictOriginal(t.Path.Name())
		if t.What != hub.DeedAdded || original == "" {
			continue
		}
		for _, p := range []svn.Path{t.Path, t.Path.Dir().Join(original)} {
			spot, err := x.hub.Spot(x.ctx(), x.caller(), at.Folder.Name, p, svn.InvalidRevnum)
			if err != nil || spot.Dir() {
				return // somebody has decided already
			}
			a.Other = x.authorName(spot.Node.Changed.Author)
		}
		a.Conflict, a.Original = conflictAddress(at.Folder.Name, t.Path), t.Path.Dir().Join(original)
		return
	}
}

// join makes one act of two, b being the older one, if they belong together.
func (a *activityAct) join(b *activityAct) bool {
	if a.Author != b.Author || a.Device != b.Device || a.Place != b.Place || a.Deed != b.Deed || a.Mixed || b.Mixed || a.Undo || b.Undo || a.Restored || b.Restored || a.Conflict != "" || b.Conflict != "" ||
		a.Time.Sub(b.Time) > togetherFor || a.Deed == hub.DeedDeleted || a.Deed == hub.DeedMoved {
		return false
	}
	for _, t := range b.Things {
		same := slices.ContainsFunc(a.Things, func(o hub.Thing) bool { return o.Path == t.Path })
		if same {
			b.Count--
		} else if len(a.Things) < activityThings {
			a.Things = append(a.Things, t)
		}
	}
	a.Count += b.Count
	return true
}

// Rest is how many things are not shown.
func (a *activityAct) Rest() int { return a.Count - len(a.Things) }

// Link is the address of a thing: where it was if it is deleted.
func (a *activityAct) Link(t hub.Thing) string {
	if t.What == hub.DeedDeleted {
		return folderAddress(a.Folder, string(t.Path)) + "?at=r" + strconv.FormatInt(int64(a.Rev-1), 10)
	}
	return folderAddress(a.Folder, string(t.Path))
}

// Icon is the symbol of a thing.
func (a *activityAct) Icon(t hub.Thing) string { s, _ := thingIcon(t); return s }

// IconClass is the colour of it.
func (a *activityAct) IconClass(t hub.Thing) string { _, c := thingIcon(t); return c }

func thingIcon(t hub.Thing) (symbol, class string) {
	e := &hub.Entry{Name: t.Path.Name()}
	e.Kind = havre.KindFile
	if t.Dir {
		e.Kind = havre.KindDir
	}
	return iconOf(e)
}

// Where is the name of the place.
func (a *activityAct) Where() string {
	if a.Place == "" {
		return a.Folder
	}
	return a.Place.Name()
}

func (v *activityView) group(x *exchange, acts []activityAct) {
	for _, a := range acts {
		title := x.dayTitle(a.Time)
		if n := len(v.Days); n == 0 || v.Days[n-1].Title != title {
			v.Days = append(v.Days, activityDay{Title: title})
		}
		last := &v.Days[len(v.Days)-1]
		last.Acts = append(last.Acts, a)
	}
}
