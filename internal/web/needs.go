package web

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/internal/store"
)

// expiresSoon is how long before its end an account is mentioned, and renewSoon a certificate.
const (
	expiresSoon = 14 * 24 * time.Hour
	renewSoon   = 30 * 24 * time.Hour
)

// need is one thing that waits for an administrator, with the way to it.
type adminNeed struct {
	State  string // of the glyph
	Title  string
	Text   string
	Button string
	Link   string
}

// adminNeeds returns what needs somebody, the worst first. Few queries: the navigation counts them on
// every page of an administrator.
func (x *exchange) adminNeeds() ([]adminNeed, error) {
	states, err := x.hub.States(x.ctx())
	if err != nil {
		return nil, err
	}
	var held, stopped, broken []adminNeed
	away := map[string]time.Time{}
	for i := range states {
		f := &states[i]
		if !f.Folder.Archived.IsZero() {
			continue
		}
		far := f.Folder.RemoteURL() != ""
		if f.Problem != nil && !far {
			broken = append(broken, adminNeed{
				State: "stopped", Title: x.t("admin.need.broken", "folder", f.Folder.Name), Text: x.t("admin.need.broken.text"),
				Button: x.t("admin.need.folder"), Link: adminFolderAddress(f.Folder.Name),
			})
		}
		for j := range f.Replicas {
			r := &f.Replicas[j]
			switch r.Condition {
			case hub.ConditionWaits:
				held = append(held, x.heldNeed(r))
			case hub.ConditionStopped:
				if f.Problem != nil && far {
					continue // for that reason
				}
				stopped = append(stopped, x.stoppedNeed(r))
			case hub.ConditionAway:
				away[r.Device.Name] = r.Device.LastSeen
			case hub.ConditionOK, hub.ConditionReceiving, hub.ConditionBehind:
			}
		}
	}
	all := slices.Concat(held, broken, x.farNeeds(states), stopped)
	health, err := x.hub.Health(x.ctx())
	if err != nil {
		return nil, err
	}
	if health.DiskNearlyFull() {
		all = append(all, adminNeed{
			State: "stopped", Title: x.t("admin.need.disk"), Link: "/admin/folders", Button: x.t("admin.need.disk.button"),
			Text: x.t("admin.need.disk.text", "free", formatSize(x.lang, health.Free), "size", formatSize(x.lang, health.Disk)),
		})
	}
	people, err := x.peopleNeeds()
	if err != nil {
		return nil, err
	}
	all = append(all, people...)
	if end := x.s.opts.CertificateEnd; !end.IsZero() && end.Sub(x.now) < renewSoon {
		all = append(all, adminNeed{
			State: "behind", Title: x.t("admin.need.certificate", "when", x.day(end)), Text: x.t("admin.need.certificate.text"),
			Link: "/admin/settings/server", Button: x.t("admin.need.certificate.button"),
		})
	}
	if len(away) > 0 {
		all = append(all, x.awayNeed(away))
	}
	return x.backupNeed(all)
}

func (x *exchange) heldNeed(r *hub.ReplicaStatus) adminNeed {
	n := adminNeed{State: "waits", Link: "/admin/held/" + r.ID(), Button: x.t("admin.need.held.button")}
	since := x.since(r.Since)
	if r.Report.HeldUp > 0 {
		n.Title = x.t("admin.need.held", "device", r.Device.Name, "n", r.Report.HeldUp, "folder", r.Folder.Name)
		n.Text = x.t("admin.need.held.text", "since", since)
	} else {
		n.Title = x.t("admin.need.helddown", "device", r.Device.Name, "n", r.Report.HeldDown, "folder", r.Folder.Name)
		n.Text = x.t("admin.need.helddown.text", "since", since)
	}
	if r.Decision != 0 {
		n.Text = x.t("admin.held.decided", "name", r.DecisionBy)
		n.Button = x.t("admin.need.see")
	}
	return n
}

func (x *exchange) stoppedNeed(r *hub.ReplicaStatus) adminNeed {
	c := x.condition(r)
	text := sentence(c.Words)
	if n := max(r.Behind, r.Report.Pending); n > 0 {
		text += " " + x.t("admin.need.stopped.wait", "n", n, "since", x.since(r.Since))
	}
	return adminNeed{
		State: "stopped", Title: x.t("admin.need.stopped", "device", r.Device.Name, "folder", r.Folder.Name),
		Text: text, Button: x.t("admin.need.device"), Link: "/admin/devices?q=" + queryEscape(r.Device.Name),
	}
}

func (x *exchange) awayNeed(away map[string]time.Time) adminNeed {
	names := make([]string, 0, len(away))
	for name := range away {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(away[a].Compare(away[b]), cmp.Compare(a, b)) })
	var parts []string
	for _, name := range names[:min(len(names), 4)] {
		parts = append(parts, x.t("admin.need.away.one", "device", name, "when", x.day(away[name])))
	}
	return adminNeed{
		State: "away", Title: x.t("admin.need.away", "n", len(names)), Text: strings.Join(parts, ", ") + ".",
		Button: x.t("admin.need.devices", "n", len(names)), Link: "/admin/devices?show=away",
	}
}

// peopleNeeds are accounts that end soon, and administrators without a second factor.
func (x *exchange) peopleNeeds() ([]adminNeed, error) {
	users, err := x.admin().Users(x.ctx())
	if err != nil {
		return nil, err
	}
	var ending, weak []store.User
	for i := range users {
		u := &users[i]
		if u.Closed(x.now) {
			continue
		}
		if !u.Expires.IsZero() && u.Expires.Sub(x.now) < expiresSoon {
			ending = append(ending, *u)
		}
		if u.IsAdmin() && !u.SecondFactor && u.Password {
			weak = append(weak, *u)
		}
	}
	var all []adminNeed
	add := func(list []store.User, key string) {
		if len(list) == 0 {
			return
		}
		names := make([]string, 0, len(list))
		for i := range list[:min(len(list), 4)] {
			names = append(names, list[i].DisplayName)
		}
		n := adminNeed{
			State: "behind", Title: x.t(key, "n", len(list), "name", names[0]), Text: strings.Join(names, ", ") + ". " + x.t(key+".text"),
			Button: x.t("admin.need.people", "n", len(list)), Link: "/admin/people",
		}
		if len(list) == 1 {
			n.Text, n.Link = x.t(key+".text"), "/admin/people/"+url.PathEscape(list[0].Name)
			if list[0].ID == x.session.User.ID && key == "admin.need.factor" {
				n.Title, n.Link, n.Button = x.t("admin.need.factor.you"), "/me", x.t("admin.need.factor.button")
			}
		}
		all = append(all, n)
	}
	add(ending, "admin.need.ending")
	add(weak, "admin.need.factor")
	return all, nil
}

// adminFolderAddress is a folder's page in the administration.
func adminFolderAddress(folder string) string { return "/admin/folders/" + url.PathEscape(folder) }
