package web

import (
	"cmp"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/internal/store"
)

// foldersRoutes are the folders as a whole: their list, their devices, their repositories.
func (s *Server) foldersRoutes() []route {
	return []route{
		{pattern: "GET /admin/folders", need: needAdmin, handle: s.showFolders},
		{pattern: "POST /admin/folders", need: needAdmin, handle: s.createFolder},
		{pattern: "POST /admin/folders/adopt", need: needAdmin, handle: s.adoptFolder},
		{pattern: "GET /admin/folders/{folder}", need: needManage, handle: s.showFolder},
		{pattern: "GET /admin/folders/{folder}/storage", need: needManage, handle: s.showStorage},
		{pattern: "GET /admin/folders/{folder}/server", need: needAdmin, handle: s.showRemote},
		{pattern: "POST /admin/folders/{folder}/server", need: needAdmin, handle: s.changeRemote},
		{pattern: "POST /admin/folders/{folder}/rename", need: needManage, handle: s.renameFolder},
		{pattern: "POST /admin/folders/{folder}/archive", need: needAdmin, handle: s.archiveFolder},
		{pattern: "POST /admin/folders/{folder}/quota", need: needAdmin, handle: s.setQuota},
		{pattern: "GET /folders/new", need: needFolders, handle: s.newFolder},
		{pattern: "POST /folders/new", need: needFolders, handle: s.createOwnFolder},
	}
}

// foldersPage is what folders/list shows.
type foldersPage struct {
	Rows                     []adminFolder
	Query, Show              string // Show is "archived" or empty
	InUse, Archived, Devices int
	Worst                    hub.Condition
	Form                     string // "new" or "adopt" when its dialog is open
	Name, Wrong              string // of the form for a new one
	Adopt                    remoteForm
	Here                     string // the list's own address, also where a form was refused
	Seen                     string // the version of what is shown
}

func (s *Server) showFolders(x *exchange) error {
	return s.foldersWith(x, http.StatusOK, func(*foldersPage) {})
}

func (s *Server) foldersWith(x *exchange, status int, change func(*foldersPage)) error {
	states, seen, err := x.statesNow()
	if err != nil {
		return err
	}
	q := x.r.URL.Query()
	p := foldersPage{Here: "/admin/folders", Seen: seen, Query: strings.TrimSpace(q.Get("q")), Show: q.Get("show")}
	if x.r.Method == http.MethodGet {
		p.Here = x.r.URL.RequestURI()
	}
	if q.Has("new") {
		p.Form = "new"
	} else if q.Has("adopt") {
		p.Form = "adopt"
	}
	rows := x.folderRows(states)
	p.Worst = hub.ConditionOK
	for _, r := range rows {
		if r.Archived {
			p.Archived++
		} else {
			p.InUse++
			if r.Worst.Worse(p.Worst) {
				p.Worst = r.Worst
			}
		}
		if r.Archived == (p.Show == "archived") && strings.Contains(plain(r.Name), plain(p.Query)) {
			p.Rows = append(p.Rows, r)
		}
	}
	change(&p)
	return x.pageStatus(status, "folders/list", page{Title: x.t("core.nav.folders"), Nav: navAdmin, At: "folders", Data: p})
}

// formError returns the sentence of a failure that a form can show, "" for others.
func (x *exchange) formError(err error) string {
	switch havre.CodeOf(err) {
	case havre.CodeInvalid, havre.CodeExists, havre.CodeFull, havre.CodeNotFound:
		return x.told(err)
	}
	return ""
}

func (s *Server) createFolder(x *exchange) error {
	name := x.r.PostFormValue("name")
	f, err := x.admin().CreateFolder(x.ctx(), name, x.session.User.ID)
	if text := x.formError(err); text != "" {
		return s.foldersWith(x, http.StatusUnprocessableEntity, func(p *foldersPage) { p.Form, p.Name, p.Wrong = "new", name, text })
	}
	if err != nil {
		return err
	}
	x.toast(x.t("admin.folder.created", "name", f.Name), nil)
	return x.redirect(adminFolderAddress(f.Name) + "/rights")
}

// newFolderPage is what folders/new shows to people who may create folders.
type newFolderPage struct{ Name, Wrong string }

func (s *Server) newFolder(x *exchange) error {
	return x.page("folders/new", page{Title: x.t("admin.folder.new"), Nav: navFiles, Crumbs: []crumb{{Name: x.t("core.nav.folders"), Address: "/"}}, Data: newFolderPage{}})
}

func (s *Server) createOwnFolder(x *exchange) error {
	name := x.r.PostFormValue("name")
	f, err := x.admin().CreateFolder(x.ctx(), name, x.session.User.ID)
	if text := x.formError(err); text != "" {
		return x.pageStatus(http.StatusUnprocessableEntity, "folders/new", page{
			Title: x.t("admin.folder.new"), Nav: navFiles, Data: newFolderPage{Name: name, Wrong: text},
		})
	}
	if err != nil {
		return err
	}
	x.toast(x.t("admin.folder.created", "name", f.Name), nil)
	return x.redirect(folderAddress(f.Name, ""))
}

// folderPage is what folders/page and folders/storage show.
type folderPage struct {
	Seen          string // the version of what is shown
	Name, Link    string
	Tab           string // "devices", "storage", "server"
	Head          int64  // the youngest revision
	Admin         bool   // the person administers the server
	Reads         bool   // and may read the folder
	Archived      bool
	Status        *hub.FolderStatus
	Problem       string
	Far           bool        // on another Subversion server
	Remote        *remoteView // of the tab "server"
	Verdict, Rest string
	Rows          []lagRow // those that need somebody, and some of the others
	Others        []lagRow // all up to date
	Browser       []string // names of people who use it in the browser only
	BrowserMore   int
	Browsers      int
	Author        string
	Dir           string // of the repository
	Measure       hub.Measure
	Full          int64 // percent of the quota
	TrashDays     int64 // how long devices keep what others delete
	Dialog        string
	Wrong, Typed  string
}

// lagRow is one device of the folder.
type lagRow struct {
	Device, Person, Root, Link string
	condition
	At     string // on the lag line, in percent; empty when up to date
	Bar    string // where the bar begins
	Worded string
}

// shownWell is how many devices that are up to date are shown before they fold.
const shownWell = 5

// folderOf returns the status of the folder that the address names, or where it is now.
func (x *exchange) folderOf() (*hub.FolderStatus, string, error) {
	name := x.r.PathValue("folder")
	f, err := x.admin().FolderByName(x.ctx(), name)
	if err != nil {
		if havre.CodeOf(err) == havre.CodeNotFound {
			err = notFound()
		}
		return nil, "", err
	}
	if f.Name != name && !store.SameName(f.Name, name) {
		if !x.session.Admin() {
			return nil, "", notFound()
		}
		return nil, adminFolderAddress(f.Name), nil
	}
	status, err := x.hub.State(x.ctx(), f.ID)
	return status, "", err
}

func (s *Server) showFolder(x *exchange) error { return s.folderWith(x, "devices", http.StatusOK, nil) }

func (s *Server) showStorage(x *exchange) error {
	return s.folderWith(x, "storage", http.StatusOK, nil)
}

// statesNow returns how the folders are, and the version of all that pages about people, folders and devices show,
// as it was before: nothing of what a later version has is missed.
func (x *exchange) statesNow() (states []hub.FolderStatus, seen string, err error) {
	if seen, err = x.hub.Version(x.ctx()); err == nil {
		states, err = x.hub.StatesNow(x.ctx())
	}
	return states, seen, err
}

// folderWith renders a page of one folder; change may open a form with what was typed.
func (s *Server) folderWith(x *exchange, tab string, status int, change func(*folderPage)) error {
	_, seen, err := x.statesNow() // which folderOf looks at, too
	if err != nil {
		return err
	}
	f, elsewhere, err := x.folderOf()
	if err != nil {
		return err
	}
	if elsewhere != "" {
		return x.redirect(elsewhere)
	}
	p := folderPage{
		Seen: seen,
		Name: f.Folder.Name, Link: adminFolderAddress(f.Folder.Name), Tab: tab, Admin: x.session.Admin(), Status: f, Head: int64(f.Head),
		Archived: !f.Folder.Archived.IsZero(), Measure: f.Measure, Dialog: x.r.URL.Query().Get("do"),
	}
	if right, err := x.hub.Reach(x.ctx(), x.caller(), f.Folder.Name, ""); err == nil && right >= havre.RightRead {
		p.Reads = true
	}
	guard, err := x.hub.Guard(x.ctx())
	if err != nil {
		return err
	}
	p.TrashDays = guard.TrashDays
	if p.Admin {
		p.Dir = x.admin().RepositoryDir(&f.Folder)
		if url := f.Folder.RemoteURL(); url != "" {
			p.Dir = url
		}
	}
	p.Far = f.Folder.RemoteURL() != ""
	if f.Problem != nil {
		p.Problem = x.t("admin.folder.broken")
		if p.Admin || p.Far {
			p.Problem = cmp.Or(x.told(f.Problem), p.Problem)
		}
	} else if tab == "storage" {
		if p.Measure, err = x.hub.MeasureFolder(x.ctx(), f); err != nil {
			return err
		}
	}
	if p.Measure.Rev >= 0 && f.Folder.Quota > 0 {
		p.Full = min(p.Measure.Bytes*100/f.Folder.Quota, 100)
	}
	if err := p.fill(x); err != nil {
		return err
	}
	if change != nil {
		change(&p)
	}
	name := map[string]string{"devices": "folders/page", "storage": "folders/storage", "server": "folders/server"}[tab]
	nav, crumbs := navAdmin, []crumb{{Name: x.t("core.nav.folders"), Address: "/admin/folders"}}
	if !p.Admin {
		nav, crumbs = navFiles, []crumb{{Name: p.Name, Address: folderAddress(p.Name, "")}}
	}
	at := "folders"
	if !p.Admin {
		at = "folder:" + p.Name
	}
	return x.pageStatus(status, name, page{Title: p.Name, Nav: nav, At: at, Crumbs: crumbs, Data: p})
}

// fill adds the devices and people.
func (p *folderPage) fill(x *exchange) error {
	users, err := x.admin().Users(x.ctx())
	if err != nil {
		return err
	}
	names, display := map[havre.UserID]string{}, map[string]string{}
	for i := range users {
		names[users[i].ID] = users[i].DisplayName
		display[users[i].Name] = users[i].DisplayName
	}
	p.Author = cmp.Or(display[p.Status.Author], p.Status.Author)
	counts := map[hub.Condition]int{}
	owners := map[havre.UserID]bool{}
	for i := range p.Status.Replicas {
		r := &p.Status.Replicas[i]
		counts[r.Condition]++
		owners[r.Device.User] = true
		row := newLagRow(x, r, names[r.Device.User])
		if r.Condition == hub.ConditionOK && counts[hub.ConditionOK] > shownWell {
			p.Others = append(p.Others, row)
		} else {
			p.Rows = append(p.Rows, row)
		}
	}
	if len(p.Others) == 1 {
		p.Rows, p.Others = append(p.Rows, p.Others...), nil
	}
	p.verdict(x, counts)
	for i := range users {
		u := &users[i]
		if owners[u.ID] || u.Closed(x.now) || p.Archived {
			continue
		}
		c := &havre.Caller{User: u.ID, UserName: u.Name, Device: havre.WebDevice(u.ID)}
		if right, err := x.hub.Reach(x.ctx(), c, p.Name, ""); err == nil && right >= havre.RightRead {
			p.Browsers++
			if len(p.Browser) < 5 {
				p.Browser = append(p.Browser, u.DisplayName)
			}
		}
	}
	p.BrowserMore = p.Browsers - len(p.Browser)
	return nil
}

// verdict is the answer of the page in one line.
func (p *folderPage) verdict(x *exchange, counts map[hub.Condition]int) {
	all, well := len(p.Status.Replicas), counts[hub.ConditionOK]
	switch {
	case p.Archived:
		p.Verdict, p.Rest = x.t("admin.folder.archived"), x.t("admin.folder.archived.text")
	case p.Problem != "" && p.Far:
		p.Verdict, p.Rest = x.farVerdict(p.Status.Problem), x.farSince(p.Status.Since)
	case p.Problem != "":
		p.Verdict, p.Rest = x.t("admin.folder.broken"), ""
	case all == 0:
		p.Verdict, p.Rest = x.t("admin.folder.nodevice"), x.t("admin.folder.nodevice.text")
	case all == well:
		p.Verdict = x.t("admin.folder.allwell", "n", all)
	default:
		p.Verdict = x.t("admin.folder.well", "n", well, "all", all)
		var parts []string
		for _, c := range []hub.Condition{hub.ConditionReceiving, hub.ConditionBehind, hub.ConditionAway, hub.ConditionStopped, hub.ConditionWaits} {
			if n := counts[c]; n > 0 {
				parts = append(parts, x.t("admin.count."+string(c), "n", n))
			}
		}
		p.Rest = upperFirst(strings.Join(parts, ", ")) + "."
	}
}

func newLagRow(x *exchange, r *hub.ReplicaStatus, person string) lagRow {
	row := lagRow{Device: r.Device.Name, Person: person, Root: string(r.Report.Scope.Root), condition: x.condition(r), Link: "/admin/devices?q=" + queryEscape(r.Device.Name)}
	if r.Condition == hub.ConditionWaits {
		row.Link = "/admin/held/" + r.ID()
	}
	if r.Condition == hub.ConditionOK {
		return row
	}
	since := r.Since
	if r.Condition == hub.ConditionAway || since.IsZero() && !r.Connected {
		since = r.Device.LastSeen
	}
	if since.IsZero() {
		since = x.now.Add(-5 * time.Second)
	}
	place := min(lagPlace(x.now.Sub(since)), 95)
	row.At, row.Bar = percent(place), percent(place+2)
	return row
}

func (s *Server) renameFolder(x *exchange) error {
	f, elsewhere, err := x.folderOf()
	if err != nil || elsewhere != "" {
		return cmpNotFound(err)
	}
	was, name := f.Folder.Name, x.r.PostFormValue("name")
	err = x.admin().RenameFolder(x.ctx(), was, name)
	if text := x.formError(err); text != "" {
		return s.folderWith(x, "devices", http.StatusUnprocessableEntity, func(p *folderPage) { p.Dialog, p.Typed, p.Wrong = "rename", name, text })
	}
	if err != nil {
		return err
	}
	name = strings.TrimSpace(name)
	x.toast(x.t("admin.folder.renamed", "name", name), &undo{Action: adminFolderAddress(name) + "/rename", Fields: map[string]string{"name": was}})
	return x.redirect(adminFolderAddress(name))
}

// archiveFolder puts a folder away, or takes it back.
func (s *Server) archiveFolder(x *exchange) error {
	f, elsewhere, err := x.folderOf()
	if err != nil || elsewhere != "" {
		return cmpNotFound(err)
	}
	name, away := f.Folder.Name, x.r.PostFormValue("archived") == "yes"
	if err := x.admin().ArchiveFolder(x.ctx(), name, away); err != nil {
		return err
	}
	key, back := "admin.folder.putaway", ""
	if !away {
		key, back = "admin.folder.takenback", "yes"
	}
	x.toast(x.t(key, "name", name), &undo{Action: adminFolderAddress(name) + "/archive", Fields: map[string]string{"archived": back}})
	return x.redirect(adminFolderAddress(name))
}

// setQuota takes gigabytes, as people think of disks, or nothing for no bound.
func (s *Server) setQuota(x *exchange) error {
	f, elsewhere, err := x.folderOf()
	if err != nil || elsewhere != "" {
		return cmpNotFound(err)
	}
	typed := strings.TrimSpace(x.r.PostFormValue("quota"))
	bytes, ok := parseGigabytes(typed)
	if !ok {
		return s.folderWith(x, "storage", http.StatusUnprocessableEntity, func(p *folderPage) { p.Typed, p.Wrong = typed, x.t("admin.quota.wrong") })
	}
	if err := x.admin().SetFolderQuota(x.ctx(), f.Folder.Name, bytes); err != nil {
		return err
	}
	was := ""
	if f.Folder.Quota > 0 {
		was = gigabytes(f.Folder.Quota)
	}
	x.toast(x.t("admin.quota.saved", "name", f.Folder.Name), &undo{Action: adminFolderAddress(f.Folder.Name) + "/quota", Fields: map[string]string{"quota": was}})
	return x.redirect(adminFolderAddress(f.Folder.Name) + "/storage")
}

// Quota is the bound as the field shows it.
func (p folderPage) Quota() string {
	if p.Wrong != "" && p.Tab == "storage" {
		return p.Typed
	}
	if p.Status.Folder.Quota == 0 {
		return ""
	}
	return gigabytes(p.Status.Folder.Quota)
}

func gigabytes(n int64) string { return strconv.FormatFloat(float64(n)/1e9, 'f', -1, 64) }

// parseGigabytes reads a number of GB with a point or a comma; empty is none, which is 0.
func parseGigabytes(text string) (bytes int64, ok bool) {
	if text == "" {
		return 0, true
	}
	v, err := strconv.ParseFloat(strings.Replace(text, ",", ".", 1), 64)
	if err != nil || !(v >= 0.001 && v <= 1e6) {
		return 0, false
	}
	return int64(v * 1e9), true
}

// cmpNotFound is for a form that comes to an old name: its page is gone.
func cmpNotFound(err error) error {
	if err == nil {
		err = notFound()
	}
	return err
}

func queryEscape(s string) string { return url.QueryEscape(s) }
