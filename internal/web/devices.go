package web

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"rsc.io/qr"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/internal/store"
)

// devicesRoutes are the devices: a person's own, and all of them.
func (s *Server) devicesRoutes() []route {
	return []route{
		{pattern: "GET /devices", need: needPerson, handle: s.showMyDevices},
		{pattern: "GET /devices/new", need: needPerson, handle: s.explainNewDevice},
		{pattern: "POST /devices/new", need: needPerson, handle: s.inviteDevice},
		{pattern: "POST /devices/{device}/rename", need: needPerson, handle: s.renameMyDevice},
		{pattern: "POST /devices/{device}/revoke", need: needPerson, handle: s.revokeMyDevice},
		{pattern: "GET /admin/devices", need: needAdmin, handle: s.showAllDevices},
		{pattern: "POST /admin/devices/{device}/rename", need: needAdmin, handle: s.renameDevice},
		{pattern: "POST /admin/devices/{device}/revoke", need: needAdmin, handle: s.revokeDevice},
	}
}

// deviceCard is one device with its replicas.
type deviceCard struct {
	ID, Name, Person, PersonLink string
	Icon, System, Version        string
	Address                      string
	Since                        time.Time // connected since; zero: not
	SinceWords                   string
	LastSeen                     time.Time
	condition
	Replicas []replicaLine
	Base     string // of its actions
}

// replicaLine is one folder on it.
type replicaLine struct {
	Folder, Root, Place string
	Link                string // "" if the person may not read it
	condition
	Held string // address of the page to decide
	Why  string // what its owner can do
}

// devicesPage is what devices/mine and devices/all show.
type devicesPage struct {
	Seen          string // the version of what is shown
	Cards         []deviceCard
	Verdict, Rest string
	State         string
	Query, Show   string
	List          string // address of the page
	All, Away     int
	Revoke        *deviceCard // the question is open
	Rename        *deviceCard
	Typed, Wrong  string
	Invite        *newDevice
}

// newDevice is an invitation as the page shows it.
type newDevice struct {
	Link, Command string
	Size          int    // of the picture, in modules
	Path          string // the dark modules as an SVG path
	Minutes       int
}

// View is the width of the picture with its margin.
func (n *newDevice) View() int { return n.Size + 8 }

// cards returns the devices that may come in, of the user or of everybody.
func (x *exchange) cards(user havre.UserID) ([]deviceCard, error) {
	all, err := x.admin().Devices(x.ctx(), "")
	if err != nil {
		return nil, err
	}
	states, err := x.hub.StatesNow(x.ctx())
	if err != nil {
		return nil, err
	}
	users, err := x.admin().Users(x.ctx())
	if err != nil {
		return nil, err
	}
	names := map[havre.UserID]string{}
	for i := range users {
		names[users[i].ID] = users[i].DisplayName
	}
	of := map[havre.DeviceID][]*hub.ReplicaStatus{}
	for i := range states {
		if !states[i].Folder.Archived.IsZero() {
			continue
		}
		for j := range states[i].Replicas {
			r := &states[i].Replicas[j]
			of[r.Device.ID] = append(of[r.Device.ID], r)
		}
	}
	var cards []deviceCard
	for i := range all {
		d := &all[i]
		if !d.Revoked.IsZero() || user != "" && d.User != user {
			continue
		}
		cards = append(cards, x.card(d, names[d.User], of[d.ID], user != ""))
	}
	return cards, nil
}

func (x *exchange) card(d *store.Device, person string, replicas []*hub.ReplicaStatus, own bool) deviceCard {
	c := deviceCard{
		ID: string(d.ID), Name: d.Name, Person: person, PersonLink: "/admin/people/" + d.UserName, Icon: "laptop",
		System: platformName(d.Platform), Version: d.Version, Address: d.Address, Since: x.hub.Connected(d.ID), LastSeen: d.LastSeen,
		Base: "/admin/devices/" + string(d.ID),
	}
	c.SinceWords = x.since(c.Since)
	if own {
		c.Base = "/devices/" + string(d.ID)
	}
	if strings.HasPrefix(d.Platform, "linux") {
		c.Icon = "monitor"
	}
	worst := hub.ConditionOK
	var bad *hub.ReplicaStatus
	for _, r := range replicas {
		line := replicaLine{
			Folder: r.Folder.Name, Root: string(r.Report.Scope.Root), Place: visible(r.Report.Place), condition: x.condition(r),
		}
		line.Link = adminFolderAddress(line.Folder)
		if own {
			line.Link = folderAddress(line.Folder, line.Root)
		}
		switch r.Condition {
		case hub.ConditionWaits:
			line.Why = x.t("admin.device.waits", "dir", line.Place)
			if !own {
				line.Held = "/admin/held/" + r.ID()
			}
		case hub.ConditionStopped:
			line.Why = x.t("admin.device.stopped")
		case hub.ConditionOK, hub.ConditionReceiving, hub.ConditionBehind, hub.ConditionAway:
		}
		if r.Condition.Worse(worst) {
			worst, bad = r.Condition, r
		}
		c.Replicas = append(c.Replicas, line)
	}
	slices.SortStableFunc(c.Replicas, func(a, b replicaLine) int { return strings.Compare(plain(a.Folder+a.Root), plain(b.Folder+b.Root)) })
	switch {
	case bad != nil:
		c.condition = x.condition(bad)
	case c.Since.IsZero() && x.now.Sub(d.LastSeen) > 7*24*time.Hour:
		c.condition = condition{State: "away", Words: x.t("admin.state.away", "when", x.day(d.LastSeen))}
	case len(replicas) == 0:
		c.condition = condition{State: "ok", Words: x.t("admin.device.nothing")}
	default:
		c.condition = condition{State: "ok", Words: x.t("admin.state.ok")}
	}
	return c
}

func (s *Server) showMyDevices(x *exchange) error {
	return s.myDevicesWith(x, http.StatusOK, func(*devicesPage) {})
}

func (s *Server) myDevicesWith(x *exchange, status int, change func(*devicesPage)) error {
	seen, err := x.hub.DevicesVersion(x.ctx(), x.session.User.ID)
	if err != nil {
		return err
	}
	cards, err := x.cards(x.session.User.ID)
	if err != nil {
		return err
	}
	p := devicesPage{Seen: seen, Cards: cards, All: len(cards), List: "/devices"}
	p.verdict(x)
	p.ask(x)
	change(&p)
	return x.pageStatus(status, "devices/mine", page{Title: x.t("core.nav.devices"), Nav: navFiles, At: "devices", Data: p})
}

// ask opens the question that the address asks for.
func (p *devicesPage) ask(x *exchange) {
	q := x.r.URL.Query()
	for i := range p.Cards {
		if p.Cards[i].ID == q.Get("revoke") {
			p.Revoke = &p.Cards[i]
		}
		if p.Cards[i].ID == q.Get("rename") {
			p.Rename, p.Typed = &p.Cards[i], p.Cards[i].Name
		}
	}
}

// verdict is the answer of the page in one line.
func (p *devicesPage) verdict(x *exchange) {
	connected := 0
	worst := hub.ConditionOK
	var bad *deviceCard
	for i := range p.Cards {
		c := &p.Cards[i]
		if !c.Since.IsZero() {
			connected++
		}
		if hub.Condition(c.State).Worse(worst) {
			worst, bad = hub.Condition(c.State), c
		}
	}
	p.State = string(worst)
	switch {
	case len(p.Cards) == 0:
		p.Verdict, p.State = x.t("admin.devices.none"), "away"
	case connected == len(p.Cards):
		p.Verdict = x.t("admin.devices.all", "n", len(p.Cards))
	default:
		p.Verdict = x.t("admin.devices.some", "n", len(p.Cards), "connected", connected)
	}
	if bad != nil {
		p.Rest = bad.Name + x.t("admin.colon") + bad.Words + "."
	}
}

func (s *Server) explainNewDevice(x *exchange) error {
	return x.page("devices/new", page{
		Title: x.t("admin.connect"), Nav: navFiles, At: "devices", Crumbs: []crumb{{Name: x.t("core.nav.devices"), Address: "/devices"}},
		Data: devicesPage{},
	})
}

// inviteDevice makes an invitation for another device of this person.
func (s *Server) inviteDevice(x *exchange) error {
	inv, err := x.hub.InviteOwn(x.ctx(), x.session)
	if err != nil {
		return err
	}
	link := s.invitationLink(x, inv.Secret)
	n := &newDevice{Link: link, Command: "havre join '" + link + "'", Minutes: int(inv.Expires.Sub(x.now).Round(time.Minute) / time.Minute)}
	code, err := qr.Encode(link, qr.M)
	if err != nil {
		return err
	}
	n.Size, n.Path = code.Size, modules(code)
	return x.page("devices/new", page{
		Title: x.t("admin.connect"), Nav: navFiles, At: "devices", Crumbs: []crumb{{Name: x.t("core.nav.devices"), Address: "/devices"}},
		Data: devicesPage{Invite: n},
	})
}

// ownDevice returns the device that the address names if it is this person's.
func (x *exchange) ownDevice() (store.Device, error) {
	d, err := x.admin().Device(x.ctx(), havre.DeviceID(x.r.PathValue("device")))
	if havre.CodeOf(err) == havre.CodeNotFound && err != nil || err == nil && d.User != x.session.User.ID {
		return d, notFound()
	}
	return d, err
}

func (s *Server) renameMyDevice(x *exchange) error {
	d, err := x.ownDevice()
	if err != nil {
		return err
	}
	return s.renameIn(x, &d, "/devices", s.myDevicesWith)
}

func (s *Server) revokeMyDevice(x *exchange) error {
	d, err := x.ownDevice()
	if err != nil {
		return err
	}
	return s.revoke(x, &d, "/devices")
}

func (s *Server) renameDevice(x *exchange) error {
	d, err := x.anyDevice()
	if err != nil {
		return err
	}
	return s.renameIn(x, &d, "/admin/devices", s.allDevicesWith)
}

func (s *Server) revokeDevice(x *exchange) error {
	d, err := x.anyDevice()
	if err != nil {
		return err
	}
	return s.revoke(x, &d, "/admin/devices")
}

func (x *exchange) anyDevice() (store.Device, error) {
	d, err := x.admin().Device(x.ctx(), havre.DeviceID(x.r.PathValue("device")))
	if err != nil && havre.CodeOf(err) == havre.CodeNotFound {
		return d, notFound()
	}
	return d, err
}

func (s *Server) renameIn(x *exchange, d *store.Device, list string, again func(*exchange, int, func(*devicesPage)) error) error {
	name := x.r.PostFormValue("name")
	err := x.admin().RenameDevice(x.ctx(), d.ID, name)
	if text := x.formError(err); text != "" {
		return again(x, http.StatusUnprocessableEntity, func(p *devicesPage) {
			p.Rename, p.Typed, p.Wrong = &deviceCard{ID: string(d.ID), Name: d.Name, Base: list + "/" + string(d.ID)}, name, text
		})
	}
	if err != nil {
		return err
	}
	x.toast(x.t("admin.device.renamed", "was", d.Name, "name", strings.TrimSpace(name)), &undo{
		Action: list + "/" + string(d.ID) + "/rename", Fields: map[string]string{"name": d.Name},
	})
	return x.redirect(list)
}

func (s *Server) revoke(x *exchange, d *store.Device, list string) error {
	if err := x.admin().RevokeDevice(x.ctx(), d.ID); err != nil {
		return err
	}
	x.toast(x.t("admin.device.revoked", "name", d.Name), nil)
	return x.redirect(list)
}

func (s *Server) showAllDevices(x *exchange) error {
	return s.allDevicesWith(x, http.StatusOK, func(*devicesPage) {})
}

func (s *Server) allDevicesWith(x *exchange, status int, change func(*devicesPage)) error {
	seen, err := x.hub.Version(x.ctx())
	if err != nil {
		return err
	}
	cards, err := x.cards("")
	if err != nil {
		return err
	}
	q := x.r.URL.Query()
	p := devicesPage{Seen: seen, Cards: cards, Query: strings.TrimSpace(q.Get("q")), Show: q.Get("show"), All: len(cards), List: "/admin/devices"}
	p.verdict(x)
	p.ask(x)
	var shown []deviceCard
	for i := range cards {
		c := &cards[i]
		if c.State == "away" {
			p.Away++
		}
		text := plain(c.Name + " " + c.Person + " " + c.System + " " + c.Address)
		if (p.Show != "away" || c.State == "away") && strings.Contains(text, plain(p.Query)) {
			shown = append(shown, *c)
		}
	}
	slices.SortStableFunc(shown, func(a, b deviceCard) int {
		switch {
		case hub.Condition(a.State).Worse(hub.Condition(b.State)):
			return -1
		case hub.Condition(b.State).Worse(hub.Condition(a.State)):
			return 1
		}
		return strings.Compare(plain(a.Name), plain(b.Name))
	})
	p.Cards = shown
	change(&p)
	return x.pageStatus(status, "devices/all", page{Title: x.t("core.nav.alldevices"), Nav: navAdmin, At: "devices", Data: p})
}
