package web

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
)

// heldRoutes are the decision about deletions that wait.
func (s *Server) heldRoutes() []route {
	return []route{
		{pattern: "GET /admin/held/{id}", need: needAdmin, handle: s.showHeld},
		{pattern: "POST /admin/held/{id}", need: needAdmin, handle: s.decideHeld},
	}
}

// heldPage is what held/page shows.
type heldPage struct {
	ID             string
	Up             bool // the device wants to delete for everybody; otherwise others did
	N              int64
	Device, Person string
	Folder, Root   string
	Place, System  string
	Since          string
	LastSeen       time.Time
	Connected      bool
	Others         int // devices that have everything
	Files          int64
	Part           int64 // percent of the folder's files, -1 if nobody knows
	Most           bool  // nearly all: it looks like a lost disk
	Tops           []heldTop
	Listed         int  // how many files the device has listed
	Open           bool // the files are shown
	Query          string
	Shown          []havre.HeldFile
	Found          int
	All            bool
	Decided        string
	DecidedBy      string
	Wrong          bool // the box was not ticked
}

// heldTop is what would go of a subfolder; Name is "" for files that are in none.
type heldTop struct {
	Name  string
	Files int64
	Bytes int64
	Part  int64 // percent of its files
}

// heldShown is how many files are shown before somebody asks for all.
const heldShown = 200

// Count is how many deletions wait.
func (p *heldPage) Count() int { return int(p.N) }

// Link is the address of the page with the list of files.
func (p *heldPage) Link(pairs ...string) string {
	q := url.Values{"files": {"1"}}
	if p.Query != "" {
		q.Set("q", p.Query)
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return "/admin/held/" + p.ID + "?" + q.Encode() + "#files"
}

// files fills in which files wait: by subfolder, and one by one if that is asked for.
func (p *heldPage) files(x *exchange, r *hub.ReplicaStatus, f *hub.FolderStatus) error {
	q := x.r.URL.Query()
	p.Open, p.All, p.Query = q.Has("files"), q.Has("all"), strings.TrimSpace(q.Get("q"))
	list, err := x.admin().HeldFiles(x.ctx(), r, p.Open)
	if err != nil || len(list) == 0 {
		return err
	}
	p.Listed = len(list)
	there, err := x.hub.FilesByTop(x.ctx(), f, r.Report.Scope.Root)
	if err != nil {
		return err
	}
	tops := map[string]*heldTop{}
	for _, file := range list {
		name := hub.TopOf(file.Path)
		if tops[name] == nil {
			tops[name] = &heldTop{Name: name}
		}
		tops[name].Files++
		tops[name].Bytes += file.Size
	}
	for name, t := range tops {
		all := there[name]
		if !p.Up {
			all += t.Files // on the server they are gone
		}
		t.Part = min(t.Files*100/max(all, t.Files), 100)
		p.Tops = append(p.Tops, *t)
	}
	slices.SortFunc(p.Tops, func(a, b heldTop) int { return cmp.Or(cmp.Compare(b.Files, a.Files), cmp.Compare(a.Name, b.Name)) })
	if !p.Open {
		return nil
	}
	slices.SortFunc(list, func(a, b havre.HeldFile) int { return a.Path.Compare(b.Path) })
	want := strings.ToLower(p.Query)
	for _, file := range list {
		if !strings.Contains(strings.ToLower(string(file.Path)), want) {
			continue
		}
		if p.Found++; p.All || p.Found <= heldShown {
			p.Shown = append(p.Shown, file)
		}
	}
	return nil
}

// held returns the replica that the address names, as long as deletions wait in it.
func (x *exchange) held() (*hub.ReplicaStatus, *hub.FolderStatus, error) {
	states, err := x.hub.States(x.ctx())
	if err != nil {
		return nil, nil, err
	}
	for i := range states {
		for j := range states[i].Replicas {
			if r := &states[i].Replicas[j]; r.ID() == x.r.PathValue("id") {
				return r, &states[i], nil
			}
		}
	}
	return nil, nil, notFound()
}

func (s *Server) showHeld(x *exchange) error { return s.heldWith(x, false) }

func (s *Server) heldWith(x *exchange, wrong bool) error {
	r, f, err := x.held()
	if err != nil {
		return err
	}
	if r.Held() == 0 {
		x.toast(x.t("admin.held.over"), nil)
		return x.redirect("/admin")
	}
	report := &r.Report
	p := heldPage{
		ID: r.ID(), Up: report.HeldUp > 0, N: r.Held(), Device: r.Device.Name, Person: r.Device.UserName, Folder: f.Folder.Name,
		Root: string(report.Scope.Root), Place: visible(report.Place), System: platformName(r.Device.Platform), Since: x.since(r.Since),
		LastSeen: r.Device.LastSeen, Connected: r.Connected, Others: len(f.Replicas) - 1, Part: -1, DecidedBy: r.DecisionBy, Wrong: wrong,
	}
	if u, err := x.admin().Users(x.ctx()); err == nil {
		for i := range u {
			if u[i].ID == r.Device.User {
				p.Person = u[i].DisplayName
			}
		}
	}
	if r.Decision != havre.DecisionNone {
		p.Decided = r.Decision.String()
	}
	if f.Measure.Files > 0 && report.Scope.Root == "" {
		p.Files = f.Measure.Files
		p.Part = min(p.N*100/p.Files, 100)
		p.Most = p.Part >= 90
	}
	if err := p.files(x, r, f); err != nil {
		return err
	}
	status := http.StatusOK
	if wrong {
		status = http.StatusUnprocessableEntity
	}
	return x.pageStatus(status, "held/page", page{
		Title: x.t("admin.held.title", "n", p.N), Nav: navAdmin, At: "overview",
		Crumbs: []crumb{{Name: x.t("core.nav.overview"), Address: "/admin"}}, Data: &p,
	})
}

// decideHeld sends the decision to the device.
func (s *Server) decideHeld(x *exchange) error {
	r, _, err := x.held()
	if err != nil {
		return err
	}
	d, key := havre.DecisionKeep, "admin.held.kept"
	if x.r.PostFormValue("do") == "delete" {
		if x.r.PostFormValue("sure") == "" {
			return s.heldWith(x, true)
		}
		d, key = havre.DecisionDelete, "admin.held.deleted"
	}
	n, err := strconv.ParseInt(x.r.PostFormValue("n"), 10, 64)
	if err != nil || n != r.Held() {
		x.toast(x.t("admin.held.changed"), nil)
		return x.redirect("/admin/held/" + r.ID())
	}
	if err := x.admin().DecideHeld(x.ctx(), r.Device.ID, r.Report.Scope, d, n); err != nil {
		return err
	}
	x.toast(x.t(key, "n", n, "device", r.Device.Name), nil)
	return x.redirect("/admin")
}
