package web

import (
	"strings"
	"testing"

	"github.com/havre-cloud/havre/internal/web/webtest"
)

// TestAdminStory goes through what an administrator sees and does when devices need somebody.
func TestAdminStory(t *testing.T) {
	s := newTestServer(t)
	d := s.fleet()
	_, rest, _ := strings.Cut(s.get("maelle", "/admin").body, `href="/admin/held/`)
	held, _, _ := strings.Cut(rest, `"`)
	b := webtest.Start(t, s)
	pages := []struct{ name, address string }{
		{"overview", "/admin"},
		{"folder", "/admin/folders/Projets"},
		{"storage", "/admin/folders/Projets/storage"},
		{"folders", "/admin/folders"},
		{"adopt", "/admin/folders?adopt"},
		{"alldevices", "/admin/devices"},
		{"held", "/admin/held/" + held},
		{"log", "/admin/log"},
		{"settings", "/admin/settings/server"},
		{"signin", "/admin/settings/signin"},
		{"rename", "/admin/folders/Projets?do=rename"},
	}
	for _, look := range []struct {
		name        string
		size        webtest.Size
		lang, theme string
	}{
		{"en-light", webtest.Desktop, "en", "light"},
		{"fr-phone-dark", webtest.Phone, "fr", "dark"},
	} {
		tab := b.Tab(t, look.size, map[string]string{cookieLang: look.lang, cookieTheme: look.theme, cookieSession: s.tokens["maelle"]})
		for _, p := range pages {
			tab.Open(p.address)
			tab.Screenshot("admin-" + p.name + "-" + look.name)
			tab.Axe(p.address)
			var wide bool
			tab.Eval(`document.documentElement.scrollWidth > innerWidth + 1`, &wide)
			if wide {
				t.Errorf("%s in %s is wider than the window", p.address, look.name)
			}
		}
		own := b.Tab(t, look.size, map[string]string{cookieLang: look.lang, cookieTheme: look.theme, cookieSession: s.tokens["tom"]})
		own.Open("/devices")
		own.Screenshot("admin-devices-" + look.name)
		own.Axe("/devices")
	}
	tab := b.Tab(t, webtest.Desktop, map[string]string{cookieLang: "en", cookieSession: s.tokens["maelle"]})
	// The folder's page follows the devices without being asked.
	tab.Open("/admin/folders/Projets")
	tab.Until(`document.body.textContent.includes("5 of 8 devices")`)
	s.report(d["priya-linux"], s.replica("Projets", "/home/priya/Projets", s.head("Projets")))
	tab.Until(`document.body.textContent.includes("6 of 8 devices")`)
	// A setting is saved as it is changed, and taken back.
	tab.Open("/admin/settings/signin")
	tab.Eval(`(() => { const s = document.querySelector("select[name=value]"); s.value = "4"; s.dispatchEvent(new Event("change", {bubbles: true})); return true })()`, new(bool))
	tab.Until(`document.querySelector(".saved")?.textContent.includes("Saved")`)
	if got := s.hub.SessionLength(t.Context()).Hours(); got != 4 {
		t.Errorf("a session lasts %v hours", got)
	}
	tab.Screenshot("admin-saved")
	tab.Eval(`(() => { document.querySelector(".saved-line button").click(); return true })()`, new(bool))
	tab.Until(`document.querySelector("select[name=value]")?.value === "12" && !document.querySelector(".saved")`)
	// The held deletions are decided.
	tab.Open("/admin/held/" + held)
	tab.Eval(`(() => { document.querySelector(".is-safe button").click(); return true })()`, new(bool))
	tab.Until(`document.querySelector("#toast")?.textContent.includes("brings the 4,218 files back")`)
	tab.Screenshot("admin-decided")
	// A device of one's own is connected.
	own := b.Tab(t, webtest.Desktop, map[string]string{cookieLang: "en", cookieSession: s.tokens["tom"]})
	own.Open("/devices")
	own.Eval(`(() => { document.querySelector(".head form button").click(); return true })()`, new(bool))
	own.Until(`!!document.querySelector(".qr")`)
	own.Screenshot("admin-connect")
	own.Axe("connect")
}
