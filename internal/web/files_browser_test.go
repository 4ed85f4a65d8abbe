package web

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// TestFilesStory goes through a directory as a person does: looks, selects, renames, moves, deletes
// and takes it back, by mouse and by keys, and sees what others do.
func TestFilesStory(t *testing.T) {
	everyLook(t, newTestServer, func(_ *testing.T, y *story) {
		y.commit("lena", "Projets", testFile(project+"/Photos chantier/IMG_4512.png", testPicture(640, 480), svn.InvalidRevnum),
			testFile(project+"/Photos chantier/IMG_4513 – charpente, assemblage tenon-mortaise.png", testPicture(300, 400), svn.InvalidRevnum))
		y.ofFiles()
	})
}

func (y *story) ofFiles() {
	tab := y.tab("tom")
	for _, p := range []struct{ name, address string }{
		{"list", addressOf()},
		{"grid", addressOf("Photos chantier") + "?view=grid"},
		{"folders", "/"},
		{"file", addressOf("Fish market – structural notes for the Falmouth team.md")},
		{"details", addressOf() + "?details=Plan+masse.jpg"},
		{"empty", addressOf("02 Avant-projet")},
		{"filter", addressOf() + "?q=devi"},
	} {
		y.visit(tab, "files-"+p.name, p.address)
	}
	tab.Open(addressOf())
	key := func(k string, m ...chromedp.KeyOption) chromedp.Action { return chromedp.KeyEvent(k, m...) }
	// Keys: down, tick, extend.
	tab.Eval(`document.querySelector("#list .fr").focus(); true`, nil)
	tab.Run(key(kb.ArrowDown), key("x"))
	tab.Until(`document.querySelector("#list [data-count]").textContent === ` + y.says("files.selected", "n", 1))
	tab.Run(key(kb.ArrowDown, chromedp.KeyModifiers(8)))
	tab.Until(`document.querySelector("#list [data-count]").textContent === ` + y.says("files.selected", "n", 2))
	tab.Run(key(kb.End))
	tab.Until(`document.activeElement === [...document.querySelectorAll("#list .fr")].at(-1)`)
	tab.Run(key("f"), key("i"))
	tab.Until(`document.activeElement.querySelector("input").value.startsWith("Fish")`)
	y.shot(tab, "files-selected")
	tab.Run(key("a", chromedp.KeyModifiers(2)))
	tab.Until(`document.querySelectorAll("#list [name=item]:checked").length === document.querySelectorAll("#list .fr").length`)
	tab.Run(key(kb.Escape))
	tab.Until(`document.querySelectorAll("#list [name=item]:checked").length === 0`)
	// Details follow the arrows.
	tab.Run(key(" "))
	tab.Until(`document.querySelector("#f-pane")?.dataset.item.startsWith("Fish")`)
	y.shot(tab, "files-pane")
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
	y.shot(tab, "files-toast")
	tab.Run(key("z", chromedp.KeyModifiers(2)))
	tab.Until(`document.querySelector("#list").textContent.includes("Plan masse") && !document.querySelector("#list").textContent.includes("Plan neuf")`)
	// The menu, and a deletion.
	tab.Do(`{const r = [...document.querySelectorAll("#list .fr")].find(r => r.textContent.includes("Plan masse")); r.scrollIntoView({block: "center"}); const b = r.getBoundingClientRect(); r.dispatchEvent(new MouseEvent("contextmenu", {bubbles: true, cancelable: true, clientX: 600, clientY: b.top + 5}));} true`)
	tab.Until(`document.querySelector("#f-menu:popover-open")`)
	y.shot(tab, "files-menu")
	tab.Click(`#f-menu [data-do="delete"]`)
	tab.Until(`document.querySelector("#toast")?.textContent.includes(` + y.says("files.deleted.done", "n", 1, "name", "Plan masse.jpg") + `) && !document.querySelector("#list").textContent.includes("Plan masse")`)
	tab.Click(`#toast [data-undo]`)
	tab.Until(`document.querySelector("#list").textContent.includes("Plan masse")`)
	// A new subfolder; a name that cannot be is refused beside the field.
	tab.Click(y.or(`[popovertarget="f-add"]:not(.float)`, `[popovertarget="f-add"].float`))
	tab.Until(`document.querySelector("#f-add:popover-open")`)
	y.shot(tab, "files-add")
	tab.Click(`[data-dialog="#new-dir"]`)
	tab.Until(`document.querySelector("#new-dir:modal")`)
	tab.Expect("409")
	tab.Run(chromedp.SendKeys("#new-dir-name", "02 Avant-projet"), key(kb.Enter))
	tab.Until(`document.querySelector("#new-dir .dialog-failure")?.textContent.includes(` + y.says("files.taken", "name", "02 Avant-projet") + `)`)
	y.shot(tab, "files-refused")
	tab.Run(chromedp.SetValue("#new-dir-name", "04 Chantier"))
	tab.Click("#new-dir .primary")
	tab.Until(`document.querySelector("#list").textContent.includes("04 Chantier")`)
	// Moving by the dialog.
	tab.Do(`{const r = [...document.querySelectorAll("#list .fr")].find(r => r.textContent.includes("Plan masse")); r.querySelector("input").click();} true`)
	// The toast of the new subfolder is above the bar, also where the page ends.
	var over string
	tab.Eval(`(() => {
		const toast = document.querySelector("#toast .toast"), bar = document.querySelector("#f-form .selection-bar");
		if (!toast) return "";
		for (const y of [0, document.documentElement.scrollHeight]) {
			scrollTo({top: y, behavior: "instant"});
			const t = toast.getBoundingClientRect(), b = bar.getBoundingClientRect();
			if (t.bottom > b.top) return t.bottom + " > " + b.top + " at " + y;
		}
		return "";
	})()`, &over)
	if over != "" {
		y.t.Errorf("the toast is over the bar of what is ticked: %s", over)
	}
	tab.Click(`#f-form [value="ask-move"]`)
	tab.Until(`document.querySelector("#f-move:modal")`)
	y.checked(tab, "files-move")
	tab.Do(`[...document.querySelectorAll("#f-move [name=to]")].find(i => i.value.endsWith("04 Chantier")).click(); true`)
	tab.Click("#f-move .primary")
	tab.Until(`document.querySelector("#toast")?.textContent.includes("04 Chantier") && !document.querySelector("#list").textContent.includes("Plan masse")`)
	// What others do appears, and ticks stay.
	tab.Do(`document.querySelector("#list .fr input").click(); true`)
	y.commit("priya", "Projets", testFile(project+"/De Priya.txt", "bonjour\n", svn.InvalidRevnum))
	tab.Until(`document.querySelector("#list").textContent.includes("De Priya")`)
	tab.Until(`document.querySelectorAll("#list [name=item]:checked").length === 1`)
	y.shot(tab, "files-live")
}

// oddNames are names of which a row made by the script must be what the server makes.
var oddNames = []string{
	"Plan (conflict, poste de Léna, 2026-11-21 14.05.09).dwg", "Plan.dwg", "<b>&amp; 'un' \"deux\".md", "\u202egpj.exe", "%2e%2e.txt", "a+b c#d?e=f.png",
	"sans extension", "un.nom.avec.beaucoup.de points.conf", "Très long nom d’un compte rendu de chantier dont la fin compte – version 12.docx", "😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀.mp4",
	".caché", "x.etherpad", "y.zip", "z.go", "t.ods", "d.pdf", "e.pptx", "a · b.jpg",
}

// TestLargeDirectoryStory looks at 10,000 entries. They are all in the page when it is loaded, in few bytes and few
// elements; rows that the script makes of text are those that the server would have written; keys, ticks,
// filter and what others change reach rows that are no elements yet.
func TestLargeDirectoryStory(t *testing.T) {
	everyLook(t, newTestServer, func(t *testing.T, y *story) { y.ofTenThousand() })
}

func (y *story) ofTenThousand() {
	t := y.t
	changes := []havre.Change{testDir("Grand"), testDir("Grand/Un dossier")}
	for i := range 10_000 - len(oddNames) - 1 {
		changes = append(changes, testFile(fmt.Sprintf("Grand/Mesure de vibration numéro %05d – capteur nord.csv", i), fmt.Sprint(i), svn.InvalidRevnum))
	}
	for _, name := range oddNames {
		changes = append(changes, testFile("Grand/"+name, name, svn.InvalidRevnum))
	}
	y.commit("tom", "Projets", changes...)
	address := folderAddress("Projets", "Grand")
	tab := y.tab("tom")
	tab.Open(address)
	if n := tab.Transferred(); n > maxTransfer {
		t.Errorf("the page costs %d bytes, more than %d", n, maxTransfer)
	}
	var elements int
	tab.Eval(`document.querySelectorAll("#list *").length`, &elements)
	if elements > 8000 {
		t.Errorf("%d elements", elements)
	}
	tab.Until(`document.querySelector("#list").textContent.includes("numéro 00000") && document.querySelector("#list").textContent.includes("numéro 09980")`)
	tab.Eval(`document.querySelector("#list .fr").focus(); true`, nil)
	key := func(k string, m ...chromedp.KeyOption) { tab.Run(chromedp.KeyEvent(k, m...)) }
	t.Logf("a tick: next paint after %.0f ms", tab.NextPaint(`document.querySelector("#list .fr input").click()`))
	t.Logf("to the last row: next paint after %.0f ms", tab.NextPaint(`document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key: "End", bubbles: true, cancelable: true}))`))
	key(kb.End)
	tab.Until(`document.activeElement === [...document.querySelectorAll("#list .fr")].at(-1) && document.activeElement.getBoundingClientRect().bottom <= innerHeight`)
	y.shot(tab, "files-10000")
	key("a", chromedp.KeyModifiers(2))
	tab.Until(`document.querySelector("#list [data-count]").textContent === ` + y.says("files.selected", "n", 10_000))
	key(kb.Escape)
	tab.Until(`document.querySelector("#list [data-count]").textContent.startsWith("0")`)

	// What the filter leaves are lines too; what is ticked stays when others change the list.
	filter := func(text string) {
		tab.Do(fmt.Sprintf(`(() => { const i = document.querySelector("[data-f-filter] input"); i.value = %q; i.dispatchEvent(new Event("input", {bubbles: true})); return true; })()`, text))
	}
	filter("numero 0777") // and 00777
	tab.Until(`[...document.querySelectorAll("#list .fr")].filter(r => r.checkVisibility()).length === 11 && document.querySelector("#list").innerText.includes("numéro 07770")`)
	tab.Do(`[...document.querySelectorAll("#list .fr")].find(r => r.textContent.includes("07775")).querySelector("input").click(); true`)
	filter("")
	tab.Until(`document.querySelectorAll("#list .fg").length === 200 && [...document.querySelectorAll("#list .fg")].every(g => !g.hidden)`)
	tab.Eval(`document.querySelector("#list .fr").focus(); true`, nil)
	key("m")
	tab.Until(`document.activeElement.textContent.includes("Mesure de vibration")`)
	y.commit("priya", "Projets", testFile("Grand/A tout devant.txt", "bonjour\n", svn.InvalidRevnum))
	tab.Until(`document.querySelector("#g0").textContent.includes("A tout devant")`)
	tab.Until(`havre.rows.chosen().length === 1 && document.querySelector("#list [data-count]").textContent.includes("1") && document.activeElement.textContent.includes("Mesure de vibration")`)

	// All rows as elements: those of the server.
	tab.Do(`dispatchEvent(new Event("beforeprint")); true`)
	tab.Until(`document.querySelectorAll("#list .fr").length === 10001 && havre.rows.chosen()[0].el.querySelector("input").checked`)
	var differ []string
	tab.Eval(`fetch(location.pathname + "?rows=all").then(a => a.text()).then(text => {
		const page = new DOMParser().parseFromString(text, "text/html"), wrong = [];
		const same = (r) => { const c = r.cloneNode(true); ["tabindex", "aria-rowindex"].forEach(a => c.removeAttribute(a)); c.classList.remove("is-new"); c.querySelectorAll("[title]").forEach(e => e.closest(".tag") || e.removeAttribute("title"));
			c.querySelectorAll("a").forEach(a => a.setAttribute("href", decodeURIComponent(a.getAttribute("href").replaceAll("+", "%20"))));
			c.querySelectorAll("time").forEach(t => { t.textContent = ""; }); return c.outerHTML; };
		const theirs = [...page.querySelectorAll("#list .fr")], ours = [...document.querySelectorAll("#list .fr")];
		if (theirs.length !== ours.length) wrong.push(theirs.length + " rows");
		ours.forEach((r, i) => { if (wrong.length < 5 && same(r) !== same(theirs[i])) wrong.push(same(r) + "\n" + same(theirs[i])); });
		return wrong;
	})`, &differ)
	for _, d := range differ {
		t.Errorf("of the script, of the server:\n%s", d)
	}
}
