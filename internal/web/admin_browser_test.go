package web

import (
	"strings"
	"testing"
)

// TestAdminStory goes through what an administrator sees and does when devices need somebody.
func TestAdminStory(t *testing.T) {
	everyLook(t, newTestServer, func(t *testing.T, y *story) {
		d := y.fleet()
		_, rest, _ := strings.Cut(y.get("maelle", "/admin").body, `href="/admin/held/`)
		held, _, _ := strings.Cut(rest, `"`)
		tab := y.tab("maelle")
		for _, p := range []struct{ name, address string }{
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
		} {
			y.visit(tab, "admin-"+p.name, p.address)
			if p.name == "settings" {
				y.unbroken(tab)
			}
		}
		// The folder's page follows the devices without being asked.
		tab.Open("/admin/folders/Projets")
		tab.Until(`document.body.textContent.includes(` + y.says("admin.folder.well", "n", 5, "all", 8) + `)`)
		y.report(d["priya-linux"], y.replica("Projets", "/home/priya/Projets", y.head("Projets")))
		tab.Until(`document.body.textContent.includes(` + y.says("admin.folder.well", "n", 6, "all", 8) + `)`)
		// A setting is saved as it is changed, and taken back.
		tab.Open("/admin/settings/signin")
		tab.Do(`(() => { const s = document.querySelector("select[name=value]"); s.value = "4"; s.dispatchEvent(new Event("change", {bubbles: true})); return true })()`)
		tab.Until(`document.querySelector(".saved")?.textContent.includes(` + y.says("admin.saved", "clock", "") + `.trim())`)
		if got := y.hub.SessionLength(t.Context()).Hours(); got != 4 {
			t.Errorf("a session lasts %v hours", got)
		}
		y.shot(tab, "admin-saved")
		tab.Do(`(() => { document.querySelector(".saved-line button").click(); return true })()`)
		tab.Until(`document.querySelector("select[name=value]")?.value === "12" && !document.querySelector(".saved")`)
		// The held deletions are decided.
		tab.Open("/admin/held/" + held)
		tab.Do(`(() => { document.querySelector(".is-safe button").click(); return true })()`)
		tab.Until(`document.querySelector("#toast")?.textContent.includes(` + y.says("admin.held.kept", "device", "yl-thinkpad", "n", 4218) + `)`)
		y.shot(tab, "admin-decided")
		// A device of one's own is connected.
		own := y.tab("tom")
		y.visit(own, "admin-devices", "/devices")
		own.Do(`(() => { document.querySelector(".head form button").click(); return true })()`)
		own.Until(`!!document.querySelector(".qr")`)
		y.checked(own, "admin-connect")
	})
}
