package web

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/havre-cloud/havre/internal/source"
)

// TestBackupStory adds a pad in a browser, sees it come, replays it, and looks at all pages of backups.
func TestBackupStory(t *testing.T) {
	t.Parallel()
	for _, l := range looksOf(t) {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			s := newBackupServer(t)
			(&story{testServer: s.testServer, look: l, t: t}).ofBackups(s)
		})
	}
}

func (y *story) ofBackups(s *backupServer) {
	t := y.t
	file, rev := meetingPad(t, s.start)
	s.pads.set("https://pad.goulet.example/p/cr", padDocument("CR réunion chantier", file))
	s.pads.set("https://pad.goulet.example/p/private", &testDocument{err: source.Errorf(source.ReasonPassword, "a password")})
	s.polls.set("https://framadate.org/visite", s.poll("Choix de la date", "Maëlle ym", "Tom yn"))
	poll := s.add("maelle", "Projets", "Douarnenez", "https://framadate.org/visite")
	tab := y.tab("maelle")

	// Pasted, found, added, here.
	tab.Open("/backups/new")
	tab.Do(`const f = document.querySelector("#b-text"); f.value = "see https://pad.goulet.example/p/cr, https://pad.goulet.example/p/private"; f.form.requestSubmit(); true`)
	tab.Until(`document.querySelectorAll("#b-found .is-ready").length === 1 && document.querySelectorAll("#b-found .is-needs").length === 1`)
	y.checked(tab, "backups-found")
	tab.Do(`document.querySelector("#b-found [name=item]:checked").click(); true`)
	tab.Until(`document.querySelector("[data-add]").disabled`)
	tab.Do(`document.querySelector("#b-found [name=item]").click(); true`)
	tab.Until(`!document.querySelector("[data-add]").disabled && document.querySelector("[data-add]").textContent === ` + y.says("backups.new.go.one"))
	tab.Do(`document.querySelector("[data-add]").click(); true`)
	tab.Until(`location.pathname === "/backups" && [...document.querySelectorAll(".b-table tr")].some((r) => r.textContent.includes("CR réunion chantier") && r.querySelector("td:last-child").textContent.includes(` + y.says("backups.is.ok") + `))`)
	var pad string
	tab.Eval(`[...document.querySelectorAll(".b-table a")].find((a) => a.textContent === "CR réunion chantier").getAttribute("href")`, &pad)

	// The slider goes change by change; the text and the address follow.
	tab.Open(fmt.Sprintf("%s?at=%d", pad, rev))
	tab.Eval(`document.querySelector(".b-line input").focus(); document.querySelector("del").textContent === "4. Point planning reporté"`, nil)
	tab.Run(chromedp.KeyEvent(kb.ArrowRight))
	tab.Until(fmt.Sprintf(`location.search === "?at=%d" && !document.querySelector("del") && document.querySelector(".b-line input").getAttribute("aria-valuetext").includes(%s.trim())`, rev+1, y.says("backups.at.pad", "n", rev+1, "of", "")))
	tab.Run(chromedp.KeyEvent(kb.Home))
	tab.Until(`location.search === "?at=0"`)
	tab.Open(pad + "?at=230")
	tab.Eval(`document.querySelector(".b-line input").focus(); true`, nil)
	// It plays to the end at sixty times the speed, and stops there.
	tab.Do(`document.querySelector("[data-speed='60']").click(); true`)
	tab.Run(chromedp.KeyEvent(" "))
	tab.Until(`document.querySelector("[data-play]").getAttribute("aria-pressed") === "true" && +document.querySelector("[data-part=when]").dataset.at > 230`)
	tab.Until(`document.querySelector("[data-play]").getAttribute("aria-pressed") === "false" && location.search === "?at=258"`)
	tab.Until(`document.querySelector(".b-text").textContent.includes("prépare la délibération")`)

	// A new copy comes while somebody looks at the end of the one before.
	b2 := newPad(t, "cr", s.start)
	b2.author(padMaelle, "Maëlle Kerjean")
	for i := range 300 {
		b2.insert(padMaelle, 0, fmt.Sprintf("Line %d\n", i))
	}
	s.pads.set("https://pad.goulet.example/p/cr", padDocument("CR réunion chantier", b2.file()))
	tab.Do(`document.querySelector("[name=do][value=check]").click(); true`)
	tab.Until(`document.querySelector(".b-replay")?.dataset.head === "300" && document.querySelector(".b-text").textContent.includes("Line 299")`)

	for _, p := range []struct{ name, address string }{
		{"list", "/backups"},
		{"pad", fmt.Sprintf("%s?at=%d", pad, rev)},
		{"poll", "/backups/" + string(poll[0].ID)},
		{"new", "/backups/new"},
		{"admin", "/admin/backups"},
		{"settings", "/admin/settings/backups"},
		{"file", folderAddress("Administration", "CR réunion chantier.etherpad") + "?replay"},
	} {
		y.visit(tab, "backups-"+p.name, p.address)
	}
}
