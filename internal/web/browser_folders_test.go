package web

import (
	"html"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/havre-cloud/havre/internal/havre"
)

// TestFolderStory makes folders, adopts a repository, renames, limits and archives; the same for who manages one
// without administering; then devices, and what the log and the activity say of all that.
func TestFolderStory(t *testing.T) {
	everyLook(t, newTestServer, func(_ *testing.T, y *story) {
		y.ofFolders()
		y.ofTheManager()
		y.ofDevices()
		y.ofTheLog()
		y.ofActivity()
	})
}

func (y *story) ofFolders() {
	t, tab := y.t, y.tab("maelle")
	tab.Expect("422")
	tab.Open("/admin/folders?new")
	y.checked(tab, "folders-new")
	create := `dialog form[action="/admin/folders"]`
	tab.Fill(create, map[string]string{"name": "PROJETS"})
	tab.Until(`document.querySelector("#new-wrong")`)
	y.checked(tab, "folders-taken")
	tab.Fill(create, map[string]string{"name": "Maquettes"})
	tab.Until(`document.readyState === "complete" && decodeURIComponent(location.pathname).startsWith("/admin/folders/Maquettes")`)
	y.checked(tab, "folders-made")

	// A repository that is there already.
	dir := filepath.Join(t.TempDir(), "svn")
	if out, err := exec.CommandContext(t.Context(), "svnadmin", "create", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	tab.Open("/admin/folders?adopt")
	adopt := `dialog form[action="/admin/folders/adopt"]`
	tab.Fill(adopt, map[string]string{"dir": dir + "/nowhere", "name": "Archives SVN"})
	tab.Until(`document.querySelector("#remote-wrong")`)
	y.checked(tab, "folders-adopt-wrong")
	tab.Fill(adopt, map[string]string{"dir": dir, "name": "Archives SVN"})
	tab.Until(`document.readyState === "complete" && decodeURIComponent(location.pathname).startsWith("/admin/folders/Archives SVN")`)
	if f := y.folder("Archives SVN"); f.AdoptedDir() != dir {
		t.Errorf("the folder is in %q", f.AdoptedDir())
	}

	// Another name; the old address leads on.
	tab.Open("/admin/folders/Maquettes")
	tab.Press(`#folder-menu a[href$="?do=rename"]`)
	tab.Fill(`dialog form[action$="/rename"]`, map[string]string{"name": "Maquettes 2027"})
	tab.Until(`document.readyState === "complete" && document.querySelector("h1")?.textContent === "Maquettes 2027"`)
	tab.Open("/admin/folders/Maquettes")
	tab.Until(`decodeURIComponent(location.pathname) === "/admin/folders/Maquettes 2027"`)

	// A limit, and what there is.
	tab.Open("/admin/folders/Projets/storage")
	quota := `form[action$="/quota"]`
	tab.Fill(quota, map[string]string{"quota": "minus one"})
	tab.Until(`document.querySelector("#quota-wrong")`)
	y.checked(tab, "folders-quota-wrong")
	tab.Fill(quota, map[string]string{"quota": "2"})
	tab.Until(`document.readyState === "complete" && document.querySelector("#toast")?.textContent.includes(` + y.says("admin.quota.saved", "name", "Projets") + `)`)
	tab.Open("/admin/folders/Projets/storage")
	y.sees(tab, "admin.retention.text")
	tab.Until(`document.querySelector("dl.facts progress") && document.querySelectorAll("dl.facts dd").length >= 6`)
	y.checked(tab, "folders-storage")
	if f := y.folder("Projets"); f.Quota != 2_000_000_000 {
		t.Errorf("the limit is %d", f.Quota)
	}

	// Out of use, and back: nothing is lost.
	head := y.head("Projets")
	tab.Open("/admin/folders/Projets?do=archive")
	y.checked(tab, "folders-archive")
	tab.Press(`dialog form[action$="/archive"] .primary`)
	tab.Until(`document.readyState === "complete" && document.querySelector('#folder-menu [name="archived"][value=""]')`)
	y.checked(tab, "folders-archived")
	if a := y.get("tom", addressOf()); a.StatusCode != http.StatusNotFound {
		t.Errorf("an archived folder: %s", a.Status)
	}
	tab.Press(`#folder-menu form[action$="/archive"] button`)
	tab.Until(`document.readyState === "complete" && document.querySelector('#folder-menu a[href$="?do=archive"]')`)
	if y.head("Projets") != head {
		t.Error("revisions are lost")
	}
}

var linkPattern = regexp.MustCompile(`<a [^>]*href="(/[^"]*)"`)

// ofTheManager: who manages a folder sees to its name and its rights, and makes folders if that is the role, but
// does not administer.
func (y *story) ofTheManager() {
	t, tab := y.t, y.tab("tom")
	y.visit(tab, "manager-folder", "/admin/folders/Projets")
	y.visit(tab, "manager-rights", "/admin/folders/Projets/rights")
	y.visit(tab, "manager-storage", "/admin/folders/Projets/storage")
	var quota bool
	tab.Eval(`!!document.querySelector('form[action$="/quota"]')`, &quota)
	if quota {
		t.Error("who manages a folder may set its limit")
	}
	// No way on these pages leads to what only administrators see.
	for _, page := range []string{"", "/rights", "/storage"} {
		body := y.get("tom", "/admin/folders/Projets"+page).body
		for _, m := range linkPattern.FindAllStringSubmatch(body, -1) {
			if a := y.get("tom", html.UnescapeString(m[1])); a.StatusCode == http.StatusNotFound {
				t.Errorf("%s leads to %s, where there is nothing for who manages", page, m[1])
			}
		}
	}
	tab.Open("/folders/new")
	tab.Fill(`form[action="/folders/new"]`, map[string]string{"name": "Falmouth 2"})
	tab.Until(`document.readyState === "complete" && decodeURIComponent(location.pathname) === "/f/Falmouth 2"`)
	y.checked(tab, "manager-made")
}

// ofDevices gives a device another name, and takes one away: it stops at once.
func (y *story) ofDevices() {
	tab := y.tab("tom")
	y.device("tom", "tom-studio", "linux/amd64")
	lost := y.device("tom", "lost-phone", "linux/arm64")
	ended := y.follow(lost, "Projets")
	tab.Open("/devices?rename=" + string(lost.Device))
	y.checked(tab, "devices-rename")
	tab.Fill(`dialog form[action$="/rename"]`, map[string]string{"name": "found-phone"})
	tab.Until(`document.readyState === "complete" && document.querySelector("#devices").textContent.includes("found-phone")`)
	tab.Open("/devices?revoke=" + string(lost.Device))
	y.checked(tab, "devices-revoke")
	tab.Press(`dialog form[action$="/revoke"] .danger`)
	if err := <-ended; err == nil {
		y.t.Error("the device that was taken away goes on")
	}
	tab.Until(`document.readyState === "complete" && !document.querySelector("#devices").textContent.includes("found-phone")`)
	y.checked(tab, "devices-left")
}

// ofTheLog reads the log, filters it, and takes it away as CSV and JSON.
func (y *story) ofTheLog() {
	t, tab := y.t, y.tab("maelle")
	tab.Open("/admin/log")
	tab.Until(`document.querySelector("#log").textContent.includes("Maquettes 2027")`)
	tab.Do(`(() => { const s = document.querySelector('.log-filters [name="person"]'); s.value = "tom"; s.dispatchEvent(new Event("change", {bubbles: true})); return true; })()`)
	tab.Until(`document.readyState === "complete" && location.search.includes("person=tom") && document.querySelector("#log").textContent.includes("Falmouth 2") && !document.querySelector("#log").textContent.includes("Maquettes")`)
	y.checked(tab, "log-person")
	for _, kind := range []string{"csv", "json"} {
		var text string
		tab.Eval(`fetch([...document.querySelectorAll(".head a[download]")].find((a) => a.href.includes("`+kind+`")).href).then((a) => a.text())`, &text)
		if !strings.Contains(text, "Falmouth 2") || strings.Contains(text, "Maquettes") {
			t.Errorf("the %s is %.300s", kind, text)
		}
	}
}

// ofActivity sees what others do as it happens, filters it, and undoes it.
func (y *story) ofActivity() {
	tab := y.tab("tom")
	tab.Open("/activity")
	tab.Until(`document.querySelector("#activity")`)
	y.commit("priya", "Projets", testFile(project+"/Nouvelle note.txt", "bonjour\n", -1))
	tab.Until(`document.querySelector("#activity .act")?.textContent.includes("Nouvelle note")`)
	y.checked(tab, "activity-live")
	choose := func(name, value string) {
		tab.Do(`(() => { const s = document.querySelector('#activity select[name="` + name + `"]'); s.value = "` + value + `"; s.dispatchEvent(new Event("change", {bubbles: true})); return s.value; })()`)
		tab.Until(`document.readyState === "complete" && new URLSearchParams(location.search).get("` + name + `") === "` + value + `"`)
	}
	choose("person", "priya")
	tab.Until(`[...document.querySelectorAll("#activity .act p b")].every((b) => b.textContent === "Priya Nair")`)
	choose("folder", "Projets")
	tab.Until(`document.querySelector("#activity .act")?.textContent.includes("Nouvelle note")`)
	// One's own is undone here.
	y.commit("tom", "Projets", havre.Change{Kind: havre.ChangeDelete, Path: project + "/Plan masse.jpg", Base: y.head("Projets")})
	tab.Open("/activity")
	tab.Until(`document.querySelector("#activity .act")?.textContent.includes("Plan masse")`)
	tab.Press(`#activity .act form button`)
	tab.Until(`document.readyState === "complete" && document.querySelector("#toast .toast")`)
	if a := y.get("tom", addressOf("Plan masse.jpg")); a.StatusCode != http.StatusOK {
		y.t.Errorf("after undo: %s", a.Status)
	}
}
