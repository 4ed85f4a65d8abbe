package web

import (
	"strings"

	"github.com/havre-cloud/havre/internal/hub"
)

// frame is what the layout shows around a page.
type frame struct {
	x          *exchange
	page       page
	Folders    []navFolder
	Waiting    int    // things that wait for an administrator
	Devices    string // the state of the person's own devices; "" without any
	DevicesWhy string
	Toast      *toast
	Space      *hub.Usage // the person's, when there is hardly any left
}

// navFolder is a folder in the navigation.
type navFolder struct {
	Name    string
	State   string // of the person's own devices; "" when all is well
	Why     string
	Current bool
}

func (f *frame) Page() page       { return f.page }
func (f *frame) Data() any        { return f.page.Data }
func (f *frame) Lang() string     { return f.x.lang }
func (f *frame) Theme() string    { return f.x.chosen(cookieTheme) }
func (f *frame) Density() string  { return f.x.chosen(cookieDensity) }
func (f *frame) Letters() string  { return f.x.chosen(cookieLetters) }
func (f *frame) Zone() string     { return f.x.cookie(cookieZone) }
func (f *frame) Server() string   { return f.x.hub.ServerName() }
func (f *frame) Files() bool      { return f.page.Nav == navFiles && f.x.session != nil }
func (f *frame) Admin() bool      { return f.page.Nav == navAdmin && f.x.session != nil }
func (f *frame) At(s string) bool { return f.page.At == s }

// Many says whether the folders need a filter.
func (f *frame) Many() bool { return len(f.Folders) > 15 }

// InFiles says whether the page is about folders and files.
func (f *frame) InFiles() bool { return f.page.At == "" || strings.HasPrefix(f.page.At, "folder") }

// Up returns the address above the page, "" at the top.
func (f *frame) Up() string {
	if n := len(f.page.Crumbs); n > 0 {
		return f.page.Crumbs[n-1].Address
	}
	return ""
}

// frame collects what is around the page.
func (x *exchange) frame(p page) (*frame, error) {
	f := &frame{x: x, page: p, Toast: x.takeToast()}
	if x.session == nil || p.Nav == navNone {
		return f, nil
	}
	if p.Nav == navFiles {
		if err := x.navFolders(f); err != nil {
			return nil, err
		}
	}
	if x.session.User.Quota >= 0 {
		use, err := x.hub.Usage(x.ctx(), x.session.User.ID)
		if err != nil {
			return nil, err
		}
		if use.Nearly() {
			f.Space = &use
		}
	}
	if x.session.Admin() {
		needs, err := x.adminNeeds()
		if err != nil {
			return nil, err
		}
		f.Waiting = len(needs)
	}
	return f, nil
}

// navFolders lists the person's folders with what is wrong with them on the person's own devices.
func (x *exchange) navFolders(f *frame) error {
	folders, err := x.hub.FoldersShown(x.ctx(), x.caller())
	if err != nil {
		return err
	}
	at, _ := strings.CutPrefix(f.page.At, "folder:")
	devices, worst := 0, hub.ConditionOK
	for i := range folders {
		d := &folders[i]
		n := navFolder{Name: d.Name, Current: d.Name == at}
		mine := d.State.MineWorst()
		switch {
		case d.Problem != nil:
			n.State, n.Why = "stopped", x.troubleWords(d)
		case mine != hub.ConditionOK:
			n.State, n.Why = string(mine), x.t("core.state."+string(mine))
		}
		if mine.Worse(worst) {
			worst = mine
		}
		devices += len(d.State.Mine)
		f.Folders = append(f.Folders, n)
	}
	if devices > 0 {
		f.Devices, f.DevicesWhy = string(worst), x.t("core.state."+string(worst))
	}
	return nil
}

// troubleWords says why nothing in a folder can be read at the moment; "" while all is well.
func (x *exchange) troubleWords(f *hub.ShownFolder) string {
	switch {
	case f.Problem == nil:
		return ""
	case isError[*hub.RemoteError](f.Problem):
		return x.farVerdict(f.Problem)
	}
	return x.t("admin.folder.broken")
}
