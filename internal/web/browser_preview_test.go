package web

import (
	"bytes"
	"encoding/binary"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/havre-cloud/havre/svn"
)

// testSound is two seconds of silence, as WAVE.
func testSound() string {
	const rate, seconds = 8000, 2
	var b bytes.Buffer
	b.WriteString("RIFF")
	_ = binary.Write(&b, binary.LittleEndian, uint32(36+rate*seconds))
	b.WriteString("WAVEfmt ")
	_ = binary.Write(&b, binary.LittleEndian, struct {
		Size           uint32
		Format, Tracks uint16
		Rate, Bytes    uint32
		Frame, Bits    uint16
	}{16, 1, 1, rate, rate, 1, 8})
	b.WriteString("data")
	_ = binary.Write(&b, binary.LittleEndian, uint32(rate*seconds))
	b.Write(bytes.Repeat([]byte{128}, rate*seconds))
	return b.String()
}

// TestPreviewStory looks at a file of each kind, changes a text, compares pictures, sorts, goes through tiles by
// keyboard, copies, and takes a directory away.
func TestPreviewStory(t *testing.T) {
	everyLook(t, newTestServer, func(_ *testing.T, y *story) {
		none, in := svn.InvalidRevnum, func(name string) string { return "Aperçus/" + name }
		y.commit("tom", "Projets", testDir("Aperçus"), testDir(in("Copies")),
			testFile(in("plan.png"), testPicture(640, 480), none),
			testFile(in("son.wav"), testSound(), none),
			testFile(in("film.mp4"), testSound(), none), // a browser looks at what is in it
			testFile(in("page.html"), "<!doctype html><title>x</title><h1>Une page</h1><script>top.document.title = 'taken'; document.body.dataset.ran = 1</script>", none),
			testFile(in("main.go"), "package main\n\n// main says hello.\nfunc main() { println(\"hello\") }\n", none),
			testFile(in("lisez.md"), "# Lisez-moi\n\n- un\n- [x] deux\n\n<script>alert(1)</script>\n\n![un plan](https://elsewhere.test/x.png)\n", none),
			testFile(in("devis.pdf"), "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj 3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>endobj\ntrailer<</Root 1 0 R>>\n", none),
			testFile(in("rien.bin"), "\x00\x01\x02", none))
		y.commit("priya", "Projets", testFile(in("plan.png"), testPicture(480, 640), y.head("Projets")))
		y.ofPreviews()
		y.ofTheirDirectory()
	})
}

func (y *story) ofPreviews() {
	tab := y.tab("tom")
	tab.Expect("sandboxed")           // that is what the sandbox is for
	tab.Expect("chrome-extension://") // the browser's own viewer of PDF
	at := func(name string) string { return folderAddress("Projets", "Aperçus/"+name) }
	for _, p := range []struct{ name, shown string }{
		{"plan.png", `document.querySelector(".f-is-image img")?.naturalWidth === 480`},
		{"main.go", `document.querySelector(".f-is-text .f-code span")`},
		{"lisez.md", `document.querySelector(".f-doc h1, .f-doc h2")?.textContent === "Lisez-moi" && !document.querySelector(".f-doc script, .f-doc img") && document.querySelector(".f-doc").textContent.includes("un plan")`},
		{"devis.pdf", `document.querySelector(".f-is-pdf iframe")`},
		{"rien.bin", `document.querySelector(".f-no a[download]")`},
	} {
		tab.Open(at(p.name))
		tab.Until(p.shown)
		y.checked(tab, "preview-"+strings.ReplaceAll(p.name, ".", "-"))
	}
	// Sound and film are sent in the parts that the browser asks for, from anywhere in them.
	for kind, name := range map[string]string{"audio": "son.wav", "video": "film.mp4"} {
		tab.Open(at(name))
		tab.Until(`document.querySelector(".f-view ` + kind + `")?.duration > 1.9`)
		tab.Eval(`new Promise((done, wrong) => { const m = document.querySelector(".f-view `+kind+`"); m.onseeked = () => done(true); m.onerror = () => wrong(m.error.message); m.currentTime = 1.5; })`, nil)
		tab.Until(`document.querySelector(".f-view ` + kind + `").currentTime === 1.5`)
		y.checked(tab, "preview-"+kind)
	}
	// A page of somebody is shown, and does nothing.
	tab.Open(at("page.html"))
	tab.Until(`document.querySelector(".f-is-frame iframe[sandbox]")`)
	y.shot(tab, "preview-page")
	tab.Until(`document.title !== "taken"`)
	var alone bool
	tab.Eval(`(() => { try { return !document.querySelector("iframe").contentDocument; } catch { return true; } })()`, &alone)
	if !alone {
		y.t.Error("the page of the frame is of our origin")
	}

	// A text is changed where it is; two pictures are beside each other.
	tab.Open(at("main.go") + "?edit")
	y.checked(tab, "preview-edit")
	tab.Fill(`.f-edit`, map[string]string{"text": "package main\n"})
	tab.Until(`document.readyState === "complete" && !document.querySelector(".f-edit") && document.querySelector(".f-code")?.textContent.includes("package main") && !document.querySelector(".f-code").textContent.includes("hello")`)
	tab.Open(at("plan.png") + "?compare=1..2")
	tab.Until(`[...document.querySelectorAll(".diff-images img")].map((i) => i.naturalWidth).join() === "640,480"`)
	y.checked(tab, "preview-pictures")
}

func (y *story) ofTheirDirectory() {
	t, tab := y.t, y.tab("tom")
	address := folderAddress("Projets", "Aperçus")
	// Sorted by size, the largest first; on a phone the address does it.
	tab.Open(address)
	if !y.size.Phone {
		tab.Press(`.f-head a[href*="size"]`)
		tab.Until(`location.search.includes("sort=")`)
	}
	tab.Open(address + "?sort=-size")
	tab.Until(`[...document.querySelectorAll("#list .fr")].findIndex((r) => r.textContent.includes("son")) < [...document.querySelectorAll("#list .fr")].findIndex((r) => r.textContent.includes("rien"))`)
	y.checked(tab, "preview-sorted")
	// Tiles by keyboard.
	tab.Open(address + "?view=grid")
	tab.Until(`document.querySelectorAll("#list .ft").length >= 8`)
	tab.Eval(`document.querySelector("#list .ft a").focus(); true`, nil)
	tab.Run(chromedp.KeyEvent(kb.ArrowRight), chromedp.KeyEvent(kb.ArrowRight))
	tab.Until(`document.activeElement.closest(".ft") === document.querySelectorAll("#list .ft")[2]`)
	y.checked(tab, "preview-tiles")
	// A copy, by the dialog.
	tab.Open(address)
	tab.Do(`[...document.querySelectorAll("#list .fr")].find((r) => r.textContent.includes("plan")).querySelector("input").click(); true`)
	tab.Press(`#f-form [value="ask-copy"]`)
	tab.Until(`document.querySelector("#f-move:modal")`)
	tab.Do(`[...document.querySelectorAll("#f-move [name=to]")].find((i) => i.value.endsWith("Copies")).click(); true`)
	tab.Press(`#f-move .primary`)
	tab.Until(`document.querySelector("#toast .toast")`)
	y.shot(tab, "preview-copied")
	if a := y.get("tom", folderAddress("Projets", "Aperçus/Copies/plan.png")); a.StatusCode != http.StatusOK {
		t.Errorf("the copy: %s", a.Status)
	}
	// All of it in one archive.
	var begin string
	tab.Eval(`fetch("`+folderAddress("Projets", "Aperçus")+`?download").then((a) => a.arrayBuffer()).then((b) => String.fromCharCode(...new Uint8Array(b).slice(0, 2)) + " " + (b.byteLength > 16000))`, &begin)
	if begin != "PK true" {
		t.Errorf("the archive begins with %q", begin)
	}
}
