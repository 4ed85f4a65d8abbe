package web

import (
	"cmp"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
)

// settingsRoutes are what holds for the server as a whole.
func (s *Server) settingsRoutes() []route {
	return []route{
		{pattern: "GET /admin/settings", need: needAdmin, handle: s.showSettings},
		{pattern: "GET /admin/settings/{section}", need: needAdmin, handle: s.showSettings},
		{pattern: "POST /admin/settings/{section}", need: needAdmin, handle: s.saveSetting},
	}
}

// settingsSections are the pages of the settings, the first one the default.
var settingsSections = []string{"server", "protection", "signin", "storage", "backups", "about"}

// sessionChoices are the lengths of a session that can be chosen, in hours.
var sessionChoices = []int{1, 4, 8, 12, 24, 24 * 7, 24 * 30}

// settingsPage is what settings/page shows.
type settingsPage struct {
	Section     string
	Sections    []string
	Name        string
	Address     string // that was set, or empty
	Reached     string // that is in use
	Fingerprint string
	CertEnd     time.Time
	Hours       int
	Choices     []int
	Factor      bool
	OwnFactor   bool // the person has one
	Guard       havre.Guard
	Days        []int64 // that can be chosen for the trash
	Holding     int64   // deletions that wait now
	Weak        int     // administrators without one
	Limits      []limit
	Disk, Free  int64
	Stored      int64
	Version, Go string
	System      string
	Modules     int

	Saved *savedSetting
	Typed [2]string // files and percent that were refused
	Clock string    // when it was saved
	Wrong map[string]string
}

// savedSetting is what was just changed, and what it was.
type savedSetting struct{ Key, Was string }

// limit is one that the program has.
type limit struct{ Name, Value string }

func (s *Server) showSettings(x *exchange) error {
	section := x.r.PathValue("section")
	if section == "" {
		section = settingsSections[0]
	}
	q := x.r.URL.Query()
	var saved *savedSetting
	if key := q.Get("saved"); key != "" {
		saved = &savedSetting{Key: key, Was: q.Get("was")}
	}
	return s.settingsWith(x, section, http.StatusOK, saved, nil)
}

func (s *Server) settingsWith(x *exchange, section string, status int, saved *savedSetting, wrong map[string]string) error {
	if !slices.Contains(settingsSections, section) {
		return notFound()
	}
	p := settingsPage{
		Section: section, Sections: settingsSections, Name: x.hub.ServerName(), Fingerprint: s.opts.Fingerprint, CertEnd: s.opts.CertificateEnd,
		Hours: int(x.hub.SessionLength(x.ctx()) / time.Hour), Choices: sessionChoices, OwnFactor: x.session.User.SecondFactor,
		Version: s.opts.Version, Go: runtime.Version(), System: platformName(runtime.GOOS) + ", " + runtime.GOARCH, Saved: saved, Wrong: wrong,
	}
	p.Clock = x.now.In(x.zone).Format("15:04")
	var err error
	if p.Address, err = x.admin().Setting(x.ctx(), store.SettingAddress); err != nil {
		return err
	}
	if s.opts.Address != nil {
		p.Reached = s.opts.Address(x.ctx())
	}
	if p.Reached == "" {
		p.Reached = x.r.Host
	}
	if p.Factor, err = x.hub.FactorRequired(x.ctx()); err != nil {
		return err
	}
	if err := p.protection(x); err != nil {
		return err
	}
	users, err := x.admin().Users(x.ctx())
	if err != nil {
		return err
	}
	for i := range users {
		if u := &users[i]; u.IsAdmin() && !u.SecondFactor && !u.Closed(x.now) {
			p.Weak++
		}
	}
	if !slices.Contains(p.Choices, p.Hours) {
		p.Choices = slices.Sorted(slices.Values(append(slices.Clone(p.Choices), p.Hours)))
	}
	health, err := x.hub.Health(x.ctx())
	if err != nil {
		return err
	}
	p.Disk, p.Free, p.Stored = health.Disk, health.Free, health.Stored
	if info, ok := debug.ReadBuildInfo(); ok {
		p.Modules = len(info.Deps)
	}
	return x.pageStatus(status, "settings/page", page{
		Title: x.t("core.nav.settings"), Nav: navAdmin, At: "settings", Data: p,
	})
}

// trashChoices are the days that the trash of devices can keep things.
var trashChoices = []int64{7, 30, 90, 365}

// protection fills in what guards against deletions.
func (p *settingsPage) protection(x *exchange) error {
	var err error
	if p.Guard, err = x.hub.Guard(x.ctx()); err != nil || p.Section != "protection" {
		return err
	}
	if p.Days = trashChoices; !slices.Contains(p.Days, p.Guard.TrashDays) {
		p.Days = slices.Sorted(slices.Values(append(slices.Clone(p.Days), p.Guard.TrashDays)))
	}
	p.Typed = [2]string{x.r.PostFormValue("files"), x.r.PostFormValue("percent")}
	states, err := x.hub.States(x.ctx())
	for i := range states {
		for j := range states[i].Replicas {
			p.Holding += states[i].Replicas[j].Held()
		}
	}
	return err
}

// wholeNumber reads a number as people write it, with or without gaps; -1 if it is none.
func wholeNumber(text string) int64 {
	text = strings.Map(func(r rune) rune {
		if r == ' ' || r == '\u00a0' || r == '\u202f' || r == ',' {
			return -1
		}
		return r
	}, strings.TrimSuffix(strings.TrimSpace(text), "%"))
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// saveSetting changes one value; each form has one field, whose name is that of the setting.
func (s *Server) saveSetting(x *exchange) error {
	section, key, value := x.r.PathValue("section"), x.r.PostFormValue("key"), x.r.PostFormValue("value")
	a, ctx := x.admin(), x.ctx()
	var was string
	var err error
	switch section + "." + key {
	case "server.name":
		was = x.hub.ServerName()
		err = x.hub.SetServerName(ctx, store.Actor{Name: x.session.User.Name}, value)
	case "server.address":
		if was, err = a.Setting(ctx, store.SettingAddress); err == nil {
			err = a.SetAddress(ctx, value)
		}
	case "signin.hours":
		was = strconv.Itoa(int(x.hub.SessionLength(ctx) / time.Hour))
		n, _ := strconv.Atoi(value) // 0 is refused
		err = a.SetSessionLength(ctx, time.Duration(min(n, 1e5))*time.Hour)
	case "signin.factor":
		var required bool
		required, err = x.hub.FactorRequired(ctx)
		was = map[bool]string{true: "yes"}[required]
		if err == nil && value == "yes" && !x.session.User.SecondFactor {
			return s.settingsWith(x, section, http.StatusUnprocessableEntity, nil, map[string]string{key: x.t("admin.set.factor.own")})
		}
		if err == nil {
			err = a.SetFactorRequired(ctx, value == "yes")
		}
	case "protection.held":
		var g havre.Guard
		if g, err = x.hub.Guard(ctx); err == nil {
			was = strconv.FormatInt(g.Files, 10) + " " + strconv.FormatInt(g.Percent, 10)
			files, percent, _ := strings.Cut(value, " ") // of an undo; the form has fields of its own
			g.Files, g.Percent = wholeNumber(cmp.Or(x.r.PostFormValue("files"), files)), wholeNumber(cmp.Or(x.r.PostFormValue("percent"), percent))
			err = a.SetGuard(ctx, g)
		}
	case "protection.trash":
		var g havre.Guard
		if g, err = x.hub.Guard(ctx); err == nil {
			was = strconv.FormatInt(g.TrashDays, 10)
			err = a.SetTrashDays(ctx, wholeNumber(value))
		}
	default:
		return notFound()
	}
	if text := x.formError(err); text != "" {
		return s.settingsWith(x, section, http.StatusUnprocessableEntity, nil, map[string]string{key: text})
	}
	if err != nil {
		return err
	}
	if x.r.PostFormValue("undo") != "" {
		return x.redirect("/admin/settings/" + section)
	}
	return x.redirect("/admin/settings/" + section + "?saved=" + queryEscape(key) + "&was=" + queryEscape(was))
}
