package web

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/web/webtest"
	"github.com/havre-cloud/havre/svn"
)

// TestFilesInTheBrowser goes through a directory as a person does: looks, selects, renames, moves, deletes
// and takes it back, by mouse and by keys, and sees what others do.
func TestFilesInTheBrowser(t *testing.T) {
	s := newTestServer(t)
	b := webtest.Start(t, s)
	s.commit("lena", "Projets", testFile(project+"/Photos chantier/IMG_4512.png", testPicture(640, 480), svn.InvalidRevnum),
		testFile(project+"/Photos chantier/IMG_4513 – charpente, assemblage tenon-mortaise.png", testPicture(300, 400), svn.InvalidRevnum))
	for _, look := range []struct {
		name    string
		size    webtest.Size
		cookies map[string]string
	}{
		{"en", webtest.Desktop, map[string]string{cookieLang: "en", cookieTheme: "light"}},
		{"fr-phone-dark", webtest.Phone, map[string]string{cookieLang: "fr", cookieTheme: "dark"}},
	} {
		look.cookies[cookieSession] = s.tokens["tom"]
		tab := b.Tab(t, look.size, look.cookies)
		for name, address := range map[string]string{
			"list": addressOf(), "grid": addressOf("Photos chantier") + "?view=grid", "folders": "/",
			"file":    addressOf("Fish market – structural notes for the Falmouth team.md"),
			"details": addressOf() + "?details=Plan+masse.jpg", "empty": addressOf("02 Avant-projet"), "filter": addressOf() + "?q=devi",
		} {
			tab.Open(address)
			tab.Screenshot("files-" + name + "-" + look.name)
			tab.Axe(address)
		}
	}

	tab := b.Tab(t, webtest.Desktop, map[string]string{cookieSession: s.tokens["tom"], cookieLang: "en"})
	tab.Open(addressOf())
	key := func(k string, m ...chromedp.KeyOption) chromedp.Action { return chromedp.KeyEvent(k, m...) }
	// Keys: down, tick, extend.
	tab.Eval(`document.querySelector("#list .fr").focus(); true`, nil)
	tab.Run(key(kb.ArrowDown), key("x"), key(kb.ArrowDown, chromedp.KeyModifiers(8)))
	tab.Until(`document.querySelector("#list [data-count]").textContent === "2 selected"`)
	tab.Run(key(kb.End))
	tab.Until(`document.activeElement === [...document.querySelectorAll("#list .fr")].at(-1)`)
	tab.Run(key("f"), key("i"))
	tab.Until(`document.activeElement.querySelector("input").value.startsWith("Fish")`)
	tab.Screenshot("files-selected")
	tab.Run(key("a", chromedp.KeyModifiers(2)))
	tab.Until(`document.querySelectorAll("#list [name=item]:checked").length === document.querySelectorAll("#list .fr").length`)
	tab.Run(key(kb.Escape))
	tab.Until(`document.querySelectorAll("#list [name=item]:checked").length === 0`)
	// Details follow the arrows.
	tab.Run(key(" "))
	tab.Until(`document.querySelector("#f-pane")?.dataset.item.startsWith("Fish")`)
	tab.Screenshot("files-pane")
	tab.Run(key(kb.ArrowDown))
	tab.Until(`document.querySelector("#f-pane").dataset.item.startsWith("Plan")`)
	tab.Run(key(kb.Escape))
	tab.Until(`!document.querySelector("#f-pane")`)
	// Another name in its place, and back.
	tab.Eval(`[...document.querySelectorAll("#list .fr")].find(r => r.textContent.includes("Plan masse")).focus(); true`, nil)
	tab.Run(key(kb.F2))
	tab.Until(`document.activeElement.value === "Plan masse.jpg"`)
	tab.Run(chromedp.KeyEvent("Plan neuf"), key(kb.Enter))
	tab.Until(`document.querySelector("#toast")?.textContent.includes("Plan neuf.jpg") && document.querySelector("#list").textContent.includes("Plan neuf")`)
	tab.Screenshot("files-toast")
	tab.Run(key("z", chromedp.KeyModifiers(2)))
	tab.Until(`document.querySelector("#list").textContent.includes("Plan masse") && !document.querySelector("#list").textContent.includes("Plan neuf")`)
	// The menu, and a deletion.
	tab.Eval(`{const r = [...document.querySelectorAll("#list .fr")].find(r => r.textContent.includes("Plan masse")); r.scrollIntoView({block: "center"}); const b = r.getBoundingClientRect(); r.dispatchEvent(new MouseEvent("contextmenu", {bubbles: true, cancelable: true, clientX: 600, clientY: b.top + 5}));} true`, nil)
	tab.Until(`document.querySelector("#f-menu:popover-open")`)
	tab.Screenshot("files-menu")
	tab.Run(chromedp.Click(`#f-menu [data-do="delete"]`))
	tab.Until(`document.querySelector("#toast")?.textContent.includes("deleted") && !document.querySelector("#list").textContent.includes("Plan masse")`)
	tab.Run(chromedp.Click(`#toast [data-undo]`))
	tab.Until(`document.querySelector("#list").textContent.includes("Plan masse")`)
	// A new subfolder; a name that cannot be is refused beside the field.
	tab.Run(chromedp.Click(`[popovertarget="f-add"]:not(.float)`))
	tab.Until(`document.querySelector("#f-add:popover-open")`)
	tab.Screenshot("files-add")
	tab.Run(chromedp.Click(`[data-dialog="#new-dir"]`))
	tab.Until(`document.querySelector("#new-dir:modal")`)
	tab.Expect("409")
	tab.Run(chromedp.SendKeys("#new-dir-name", "02 Avant-projet"), key(kb.Enter))
	tab.Until(`document.querySelector("#new-dir .dialog-failure")?.textContent.includes("already here")`)
	tab.Screenshot("files-refused")
	tab.Run(chromedp.SetValue("#new-dir-name", "04 Chantier"), chromedp.Click("#new-dir .primary"))
	tab.Until(`document.querySelector("#list").textContent.includes("04 Chantier")`)
	// Moving by the dialog.
	tab.Eval(`{const r = [...document.querySelectorAll("#list .fr")].find(r => r.textContent.includes("Plan masse")); r.querySelector("input").click();} true`, nil)
	tab.Run(chromedp.Click(`#f-form [value="ask-move"]`))
	tab.Until(`document.querySelector("#f-move:modal")`)
	tab.Screenshot("files-move")
	tab.Axe("move")
	tab.Eval(`[...document.querySelectorAll("#f-move [name=to]")].find(i => i.value.endsWith("04 Chantier")).click(); true`, nil)
	tab.Run(chromedp.Click("#f-move .primary"))
	tab.Until(`document.querySelector("#toast")?.textContent.includes("04 Chantier") && !document.querySelector("#list").textContent.includes("Plan masse")`)
	// What others do appears, and ticks stay.
	tab.Eval(`document.querySelector("#list .fr input").click(); true`, nil)
	s.commit("priya", "Projets", testFile(project+"/De Priya.txt", "bonjour\n", svn.InvalidRevnum))
	tab.Until(`document.querySelector("#list").textContent.includes("De Priya")`)
	tab.Until(`document.querySelectorAll("#list [name=item]:checked").length === 1`)
	tab.Screenshot("files-live")
}

// TestLargeDirectory looks at 10,000 entries: they are all there, and keys are answered at once.
func TestLargeDirectory(t *testing.T) {
	s := newTestServer(t)
	var changes []havre.Change
	changes = append(changes, testDir("Grand"))
	for i := range 10_000 {
		changes = append(changes, testFile(fmt.Sprintf("Grand/Mesure de vibration numéro %05d – capteur nord.csv", i), fmt.Sprint(i), svn.InvalidRevnum))
	}
	s.commit("tom", "Projets", changes...)
	address := folderAddress("Projets", "Grand")
	for _, what := range []string{"cold", "warm"} {
		start := time.Now()
		a := s.get("tom", address)
		t.Logf("%s: %v, %d bytes", what, time.Since(start), len(a.body))
	}
	b := webtest.Start(t, s)
	tab := b.Tab(t, webtest.Desktop, map[string]string{cookieSession: s.tokens["tom"], cookieLang: "en"})
	tab.Open(address)
	t.Logf("painted after %.0f ms, %d bytes", tab.Paint(), tab.Transferred())
	tab.Until(`document.querySelectorAll("#list .fr").length === 10000`)
	tab.Eval(`document.querySelector("#list .fr").focus(); true`, nil)
	for name, script := range map[string]string{
		"tick":  `document.querySelector("#list .fr input").click()`,
		"arrow": `document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowDown", bubbles: true, cancelable: true}))`,
		"end":   `document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key: "End", bubbles: true, cancelable: true}))`,
		"all":   `document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key: "a", ctrlKey: true, bubbles: true, cancelable: true}))`,
	} {
		ms := tab.NextPaint(script)
		t.Logf("%s: next paint after %.0f ms", name, ms)
		if ms > 1000 {
			t.Errorf("%s takes %.0f ms", name, ms)
		}
	}
	tab.Screenshot("files-10000")
}
