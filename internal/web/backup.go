package web

import (
	"cmp"
	"html/template"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
)

// backupRoutes are the pages of the pads and polls that are backed up.
func (s *Server) backupRoutes() []route {
	return []route{
		{pattern: "GET /backups", need: needPerson, handle: s.backupList},
		{pattern: "POST /backups", need: needPerson, handle: s.backupCheckAll},
		{pattern: "GET /backups/new", need: needPerson, handle: s.backupNew},
		{pattern: "POST /backups/new", need: needPerson, handle: s.backupPaste, body: maxPaste + 1<<20},
		{pattern: "GET /backups/new/{list}", need: needPerson, handle: s.backupFound},
		{pattern: "POST /backups/new/{list}", need: needPerson, handle: s.backupAdd},
		{pattern: "GET /backups/{source}", need: needPerson, handle: s.backupPage},
		{pattern: "POST /backups/{source}", need: needPerson, handle: s.backupChange},
		{pattern: "GET /admin/backups", need: needAdmin, handle: s.adminBackups},
		{pattern: "GET /admin/settings/backups", need: needAdmin, handle: s.backupSettings},
		{pattern: "POST /admin/settings/backups", need: needAdmin, handle: s.saveBackupSetting},
	}
}

// backupListView is what backups/list shows.
type backupListView struct {
	Seen      int64 // the version of what is shown
	Here      string
	State     string // of the answer's glyph
	Verdict   string
	Rest      string
	Total     int
	Kind      string
	Instance  string
	Query     string
	Kinds     []backupKind
	Instances []choiceOption
	Rows      []backupRow
	Write     bool // the person may write somewhere
}

// backupKind is one of the filters above the list.
type backupKind struct {
	Label, Address string
	Count          int
	Current, Look  bool
}

// backupRow is a source in a list.
type backupRow struct {
	sourceWords
	ID        hub.SourceID
	Address   string
	Title     string
	Icon      string
	Host      string
	Place     string
	PlaceLink string
	Strip     template.HTML
	Last      time.Time // that the document was seen to be well
	AddedBy   string
	Next      time.Time
}

// hostOf is an instance as people name it: without the scheme.
func hostOf(instance string) string {
	_, host, ok := strings.Cut(instance, "://")
	if !ok {
		return instance
	}
	return host
}

// placeWords is a directory as people read it: "Projets / Douarnenez".
func placeWords(folder, path string) string {
	if path == "" {
		return folder
	}
	return folder + " / " + strings.ReplaceAll(path, "/", " / ")
}

func (x *exchange) backupRow(s *hub.Source) backupRow {
	r := backupRow{
		sourceWords: x.sourceWords(s), ID: s.ID, Address: "/backups/" + url.PathEscape(string(s.ID)), Title: x.sourceTitle(s), Icon: sourceIcon(s.Address),
		Host: hostOf(s.Address.Instance), Place: placeWords(s.Folder, string(s.Path)), Strip: x.sourceDays(&s.Days), Last: s.LastGood, Next: s.Next,
	}
	if s.Address.Collection != "" {
		r.Words = x.t("backups.holds", "n", s.Documents)
		if r.Look {
			r.Words = x.sourceWords(s).Words
		}
	}
	if !s.Bare {
		r.PlaceLink = folderAddress(s.Folder, string(s.Path))
	} else {
		r.Title = x.t("backups.bare." + sourceUnit(s.Kind))
	}
	return r
}

// backupList is the overview.
func (s *Server) backupList(x *exchange) error {
	seen, err := s.hub.WaitSources(x.ctx(), -1)
	if err != nil {
		return err
	}
	list, err := s.hub.Sources(x.ctx(), x.caller(), hub.SourceFilter{})
	if err != nil {
		return err
	}
	v := &backupListView{Seen: seen, Here: x.r.URL.RequestURI(), Kind: x.r.FormValue("kind"), Instance: x.r.FormValue("instance"), Query: strings.TrimSpace(x.r.FormValue("q"))}
	if v.Write, err = x.writesSomewhere(); err != nil {
		return err
	}
	x.backupSum(v, list)
	v.filter(x, list)
	return x.page("backups/list", page{Title: x.t("backups.title"), Nav: navFiles, At: "backups", Data: v})
}

// backupSum writes the answer: what is safe, and what is not.
func (x *exchange) backupSum(v *backupListView, list []hub.Source) {
	safe := map[string]int{}
	var total, away, look, waiting int
	var last time.Time
	for i := range list {
		s := &list[i]
		if s.Address.Collection != "" {
			if s.State.Problem() {
				look++
			}
			continue
		}
		if s.LastGood.IsZero() {
			waiting++
		} else {
			safe[sourceUnit(s.Kind)]++
			total++
		}
		if s.LastRun.After(last) {
			last = s.LastRun
		}
		switch {
		case !s.State.Problem():
		case lost(s):
			away++
		default:
			look++
			if s.LastGood.IsZero() {
				waiting--
			}
		}
	}
	v.Total, v.State = len(list), "ok"
	var parts, rest []string
	for _, unit := range []string{"pad", "poll", "sheet"} {
		if n := safe[unit]; n > 0 {
			parts = append(parts, x.t("backups.n."+unit, "n", n))
		}
	}
	v.Verdict = x.t("backups.none.safe")
	if total > 0 {
		v.Verdict = x.t("backups.safe", "n", total, "list", x.series(parts))
	}
	if away > 0 {
		rest = append(rest, x.t("backups.lost", "n", away))
	}
	if look > 0 {
		rest = append(rest, x.t("backups.look", "n", look))
	}
	switch {
	case away+look > 0:
		v.State = "waits"
	case total == 0:
		v.State = "receiving"
	}
	if waiting > 0 {
		rest = append(rest, x.t("backups.first", "n", waiting))
	}
	if len(rest) == 0 && !last.IsZero() {
		rest = append(rest, x.t("backups.checked", "when", x.within(last)))
	}
	v.Rest = strings.Join(rest, " ")
}

// filter chooses the rows: what somebody should look at comes first, then what changed last.
func (v *backupListView) filter(x *exchange, list []hub.Source) {
	query := plain(v.Query)
	counts, instances := map[string]int{}, map[string]bool{}
	for i := range list {
		s := &list[i]
		row, unit := x.backupRow(s), sourceUnit(s.Kind)
		host := row.Host
		instances[host] = true
		if v.Instance != "" && host != v.Instance ||
			query != "" && !strings.Contains(plain(s.Title+" "+s.Name+" "+s.Address.URL+" "+row.Place), query) {
			continue
		}
		counts[""]++
		counts[unit]++
		if row.Look {
			counts["look"]++
		}
		if v.Kind == "" || v.Kind == unit || v.Kind == "look" && row.Look {
			v.Rows = append(v.Rows, row)
		}
	}
	changed := make(map[hub.SourceID]time.Time, len(list))
	for i := range list {
		changed[list[i].ID] = list[i].LastVersion
	}
	slices.SortStableFunc(v.Rows, func(a, b backupRow) int {
		if a.Look != b.Look {
			if a.Look {
				return -1
			}
			return 1
		}
		return cmp.Or(changed[b.ID].Compare(changed[a.ID]), strings.Compare(a.Title, b.Title))
	})
	if len(instances) > 1 {
		for host := range instances {
			v.Instances = append(v.Instances, choiceOption{host, host})
		}
		slices.SortFunc(v.Instances, func(a, b choiceOption) int { return strings.Compare(a.Value, b.Value) })
	}
	for _, kind := range []string{"", "pad", "poll", "sheet", "look"} {
		if counts[kind] == 0 && kind != "" && kind != v.Kind {
			continue
		}
		q := url.Values{}
		for name, value := range map[string]string{"kind": kind, "instance": v.Instance, "q": v.Query} {
			if value != "" {
				q.Set(name, value)
			}
		}
		v.Kinds = append(v.Kinds, backupKind{
			Label: x.t("backups.kind." + cmp.Or(kind, "all")), Address: strings.TrimSuffix("/backups?"+q.Encode(), "?"),
			Count: counts[kind], Current: kind == v.Kind, Look: kind == "look",
		})
	}
}

// writesSomewhere says whether the person may write in any folder, or below it.
func (x *exchange) writesSomewhere() (bool, error) {
	folders, err := x.hub.Folders(x.ctx(), x.caller())
	if err != nil {
		return false, err
	}
	for _, f := range folders {
		if f.Right >= havre.RightWrite {
			return true, nil
		}
	}
	for _, f := range folders {
		if below, err := x.hub.Directories(x.ctx(), x.caller(), f.Name, 1, nil); err == nil && len(below) > 0 {
			return true, nil
		}
	}
	return false, nil
}

// backupCheckAll has everything looked at again that the person may change.
func (s *Server) backupCheckAll(x *exchange) error {
	n, err := s.hub.CheckSources(x.ctx(), x.caller(), hub.SourceFilter{})
	if err != nil {
		return err
	}
	x.toast(x.t("backups.checking.all", "n", n), nil)
	return x.redirect(x.back("/backups"))
}
