package web

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/internal/store"
)

// backupAdminView is what backups/admin shows.
type backupAdminView struct {
	Seen      int64 // the version of what is shown
	State     string
	Verdict   string
	Rest      string
	Instances []backupInstance
	Rows      []backupRow
}

type backupInstance struct {
	Host     string
	Sources  int
	Problems int
	Until    time.Time
}

// adminBackups lists all sources and the instances they are on.
func (s *Server) adminBackups(x *exchange) error {
	seen, err := s.hub.WaitSources(x.ctx(), -1)
	if err != nil {
		return err
	}
	list, err := s.hub.Sources(x.ctx(), x.caller(), hub.SourceFilter{All: true})
	if err != nil {
		return err
	}
	instances, err := s.hub.SourceInstances(x.ctx(), x.caller())
	if err != nil {
		return err
	}
	sum := &backupListView{}
	x.backupSum(sum, list)
	v := &backupAdminView{Seen: seen, State: sum.State, Verdict: sum.Verdict, Rest: sum.Rest}
	if len(list) == 0 {
		v.Verdict, v.Rest = "", x.t("backups.admin.none")
	}
	for _, i := range instances {
		n := backupInstance{Host: hostOf(i.Instance), Sources: i.Sources, Problems: i.Problems}
		if i.Until.After(x.now) {
			n.Until = i.Until
		}
		v.Instances = append(v.Instances, n)
	}
	slices.SortStableFunc(v.Instances, func(a, b backupInstance) int {
		if (a.Problems > 0) != (b.Problems > 0) {
			return b.Problems - a.Problems
		}
		return strings.Compare(a.Host, b.Host)
	})
	for i := range list {
		r := x.backupRow(&list[i])
		r.AddedBy = x.authorName(list[i].AddedBy)
		v.Rows = append(v.Rows, r)
	}
	slices.SortStableFunc(v.Rows, func(a, b backupRow) int {
		if a.Look != b.Look {
			if a.Look {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Host+a.Title, b.Host+b.Title)
	})
	return x.page("backups/admin", page{Title: x.t("backups.title"), Nav: navAdmin, At: "backups", Data: v})
}

// backupProblems counts the backups that somebody should look at, for the navigation of every page. It is counted
// anew when a source has changed.
type backupProblems struct {
	mu         sync.Mutex // guards the following
	version    int64      // of the sources; 0 before the first count
	lost, look int
}

// backupNeed adds what backups need of an administrator. It names none, for not all are open to the person.
func (x *exchange) backupNeed(all []adminNeed) ([]adminNeed, error) {
	version, err := x.hub.WaitSources(x.ctx(), -1)
	if err != nil {
		return nil, err
	}
	p := &x.s.problems
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.version != version+1 {
		list, err := x.hub.Sources(x.ctx(), x.caller(), hub.SourceFilter{All: true})
		if err != nil {
			return nil, err
		}
		p.version, p.lost, p.look = version+1, 0, 0
		for i := range list {
			switch s := &list[i]; {
			case !s.State.Problem():
			case lost(s):
				p.lost++
			default:
				p.look++
			}
		}
	}
	n := p.lost + p.look
	if n == 0 {
		return all, nil
	}
	need := adminNeed{State: "behind", Title: x.t("backups.need.look", "n", n), Text: x.t("backups.need.look.text"), Button: x.t("backups.need.button", "n", n), Link: "/admin/backups"}
	if p.look == 0 {
		need.Title, need.Text = x.t("backups.need.lost", "n", n), x.t("backups.need.lost.text", "n", n)
	}
	return append(all, need), nil
}

// lost says whether the document does not answer any more, while its copy is kept.
func lost(s *hub.Source) bool {
	return !s.LastGood.IsZero() && (s.State == hub.SourceGone || s.State == hub.SourceUnreachable || s.State == hub.SourcePrivate)
}

// backupSettingsView is what backups/settings shows.
type backupSettingsView struct {
	Sections []string
	Contact  string
	Private  bool
	Networks string
	Saved    *savedSetting
	Clock    string
	Wrong    map[string]string
}

// backupSettings shows what holds for all backups.
func (s *Server) backupSettings(x *exchange) error {
	var saved *savedSetting
	if key := x.r.FormValue("saved"); key != "" {
		saved = &savedSetting{Key: key, Was: x.r.FormValue("was")}
	}
	return s.backupSettingsWith(x, http.StatusOK, saved, nil)
}

func (s *Server) backupSettingsWith(x *exchange, status int, saved *savedSetting, wrong map[string]string) error {
	set, err := x.hub.SourceSettings(x.ctx())
	if err != nil {
		return err
	}
	v := &backupSettingsView{
		Sections: settingsSections, Contact: set.Contact, Private: set.PrivateNetwork, Networks: strings.Join(set.Networks, " "),
		Saved: saved, Clock: x.now.In(x.zone).Format("15:04"), Wrong: wrong,
	}
	return x.pageStatus(status, "backups/settings", page{Title: x.t("core.nav.settings"), Nav: navAdmin, At: "settings", Data: v})
}

// saveBackupSetting changes one of them.
func (s *Server) saveBackupSetting(x *exchange) error {
	key, value := x.r.PostFormValue("key"), x.r.PostFormValue("value")
	set, err := x.hub.SourceSettings(x.ctx())
	if err != nil {
		return err
	}
	var was string
	switch key {
	case "contact":
		was, set.Contact = set.Contact, strings.TrimSpace(value)
	case "private":
		was, set.PrivateNetwork = map[bool]string{true: "yes"}[set.PrivateNetwork], value == "yes"
	case "networks":
		was, set.Networks = strings.Join(set.Networks, " "), strings.FieldsFunc(value, func(r rune) bool { return r == ' ' || r == ',' || r == ';' || r == '\n' })
	default:
		return notFound()
	}
	err = x.hub.SetSourceSettings(x.ctx(), store.Actor{Name: x.session.User.Name, Address: x.address()}, set)
	if text := x.formError(err); text != "" {
		return s.backupSettingsWith(x, http.StatusUnprocessableEntity, nil, map[string]string{key: text})
	}
	if err != nil {
		return err
	}
	if x.r.PostFormValue("undo") != "" {
		return x.redirect("/admin/settings/backups")
	}
	return x.redirect("/admin/settings/backups?saved=" + queryEscape(key) + "&was=" + queryEscape(was))
}
