package web

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/havre-cloud/havre/internal/web/webtest"
)

// dropScript drops files that it makes on an element, as a person would from a file manager.
const dropScript = `((target, files) => {
	const d = new DataTransfer();
	files.forEach(([name, size, fill]) => d.items.add(new File([new Uint8Array(size).fill(fill)], name, {lastModified: 1700000000000})));
	for (const type of ["dragover", "drop"])
		document.querySelector(target).dispatchEvent(new DragEvent(type, {bubbles: true, cancelable: true, dataTransfer: d}));
})`

// gate is a server that hangs up in the middle of some uploads, or lets them go on only so far.
type gate struct {
	http.Handler

	cuts atomic.Int64 // how many parts of uploads are still to be cut

	mu      sync.Mutex    // guards the following
	reached chan struct{} // if not nil, parts stop here after three million bytes; closed when one has
	offsets []string      // where the parts of uploads began
}

// hold lets the next part of an upload go on for three million bytes only; what it returns is closed when
// it has come so far.
func (g *gate) hold() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.reached, g.offsets = make(chan struct{}), nil
	return g.reached
}

// resumed says whether a part began behind the beginning since hold.
func (g *gate) resumed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.ContainsFunc(g.offsets, func(o string) bool { return o != "0" })
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPatch {
		g.Handler.ServeHTTP(w, r)
		return
	}
	g.mu.Lock()
	g.offsets = append(g.offsets, r.Header.Get("Upload-Offset"))
	reached := g.reached
	g.reached = nil
	g.mu.Unlock()
	switch {
	case reached != nil:
		r.Body = &shortBody{ReadCloser: r.Body, left: 3_000_000, end: func() {
			close(reached)
			<-r.Context().Done() // whoever sends gives up
		}}
	case g.cuts.Add(-1) >= 0:
		r.Body = &shortBody{ReadCloser: r.Body, left: 3_000_000, end: func() {}}
		g.Handler.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler) // the answer is lost with the connection
	}
	g.Handler.ServeHTTP(w, r)
}

// shortBody breaks off after some bytes.
type shortBody struct {
	io.ReadCloser

	left int
	end  func() // called once, before it breaks off
}

func (b *shortBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		if b.end != nil {
			b.end()
			b.end = nil
		}
		return 0, io.ErrUnexpectedEOF
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// TestUploadStory drops, chooses and pastes files and directories, is asked about names that are taken, loses
// the connection, pauses, reloads the page in the middle of a file, and drops a directory of 3,000 files.
func TestUploadStory(t *testing.T) {
	everyLook(t, newTestServer, func(_ *testing.T, y *story) { y.ofUploads() })
}

func (y *story) ofUploads() {
	t, g := y.t, &gate{Handler: y.testServer}
	y.behind(g)
	tab := y.tab("aicha")
	tab.Expect("ERR_")
	tab.Expect("beforeunload") // nobody has touched the page
	tab.Expect("htmx:")        // asked for while the connection was gone
	tab.Open(addressOf())
	finished := func() { tab.Until(`document.querySelector("#uploads.is-finished")`) }

	// Three at once: one is new, one is there with other content, one has a name that cannot be.
	tab.Eval(dropScript+`("[data-upload-to]", [["Neuf.txt", 100, 65], ["Plan masse.jpg", 50, 66], ["Quoi ?.txt", 10, 67]]); true`, nil)
	tab.Until(`document.querySelectorAll("#uploads .is-asking").length === 2`)
	y.checked(tab, "upload-needs")
	tab.Do(`document.querySelector('#uploads [data-act="choose"]').click(); true`)
	tab.Until(`document.querySelector('#uploads [data-act="both"]')`)
	tab.Do(`document.querySelector('#uploads [data-act="both"]').click(); true`)
	tab.Until(`document.querySelectorAll("#uploads .is-asking").length === 1`)
	tab.Do(`document.querySelector('#uploads [data-act="rename"]').click(); true`)
	tab.Until(`document.querySelector("#uploads [name=rename]")`)
	tab.Do(`(() => { const i = document.querySelector("#uploads [name=rename]"); i.value = "Quoi.txt"; i.form.requestSubmit(); return true; })()`)
	tab.Until(`document.querySelector("#uploads.is-finished") && !document.querySelector("#uploads .is-asking")`)
	for _, name := range []string{"Neuf.txt", "Quoi.txt", "Plan masse 2.jpg"} {
		if got := y.content(project + "/" + name); got == "" {
			t.Errorf("%s is empty", name)
		}
	}

	// The same once more: nothing is sent.
	head := y.head("Projets")
	tab.Eval(dropScript+`("[data-upload-to]", [["Neuf.txt", 100, 65]]); true`, nil)
	tab.Until(`[...document.querySelectorAll("#uploads li small")].some(e => e.textContent.startsWith(` + y.says("upload.same") + `))`)
	if y.head("Projets") != head {
		t.Error("identical content made a revision")
	}

	// What was copied elsewhere is pasted.
	tab.Eval(`(() => { const d = new DataTransfer(); d.items.add(new File(["collé"], "Collé.txt"));
		document.querySelector("#main").dispatchEvent(new ClipboardEvent("paste", {bubbles: true, cancelable: true, clipboardData: d})); return true; })()`, nil)
	y.await(t, tab, "Collé.txt")

	// A large file whose connection is cut twice, on the row of a subdirectory.
	g.cuts.Store(2)
	tab.Eval(dropScript+`('.fr:has([value="02 Avant-projet"])', [["Tour.mp4", 12000000, 68]]); true`, nil)
	y.await(t, tab, "02 Avant-projet/Tour.mp4")
	if got := y.content(project + "/02 Avant-projet/Tour.mp4"); len(got) != 10<<20 && len(got) != 12_000_000 {
		t.Errorf("%d bytes", len(got))
	}
	finished()

	// A pause in the middle of a file: it goes on where it was.
	reached := g.hold()
	tab.Eval(dropScript+`("[data-upload-to]", [["Pause.mp4", 8000000, 69]]); true`, nil)
	<-reached
	press := func(act string) {
		tab.Until(fmt.Sprintf(`document.querySelector('#uploads [data-act=%q]').checkVisibility()`, act))
		tab.Do(fmt.Sprintf(`document.querySelector('#uploads [data-act=%q]').click(); true`, act))
	}
	press("pause")
	tab.Until(`!document.querySelector('#uploads [data-act="resume"]').hidden && document.querySelector("#uploads [data-title]").textContent.startsWith(` + y.says("backups.is.paused") + `)`)
	y.shot(tab, "upload-paused")
	press("resume")
	y.await(t, tab, "Pause.mp4")
	if !g.resumed() {
		t.Error("after the pause the file was sent anew")
	}
	finished()

	y.reloaded(t, tab, g)
	y.manyFiles(t, tab)
}

// await waits until a file is there.
func (y *story) await(t *testing.T, tab *webtest.Tab, place string) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); y.get("aicha", addressOf(strings.Split(place, "/")...)).StatusCode != http.StatusOK; {
		if time.Now().After(end) {
			y.shot(tab, "upload-stuck")
			t.Fatalf("%s does not arrive", place)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// reloaded reloads the page in the middle of a file: chosen again it goes on, to where it was going.
func (y *story) reloaded(t *testing.T, tab *webtest.Tab, g *gate) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "Film.mp4")
	if err := os.WriteFile(file, bytes.Repeat([]byte("film"), 2_000_000), 0o644); err != nil {
		t.Fatal(err)
	}
	chromedp.ListenTarget(tab.Ctx, func(event any) {
		if _, ok := event.(*cdppage.EventJavascriptDialogOpening); ok { // whether to leave
			go func() { _ = chromedp.Run(tab.Ctx, cdppage.HandleJavaScriptDialog(true)) }()
		}
	})
	reached := g.hold()
	tab.Run(chromedp.SetUploadFiles(`#uploads [data-files]`, []string{file}, chromedp.ByQuery))
	<-reached
	tab.Open("/f/Projets")
	tab.Until(`document.querySelector("#uploads [data-again]:not([hidden])")?.textContent.includes("Film.mp4")`)
	y.checked(tab, "upload-again")
	tab.Run(chromedp.SetUploadFiles(`#uploads [data-files]`, []string{file}, chromedp.ByQuery))
	y.await(t, tab, "Film.mp4")
	if !g.resumed() {
		t.Error("after the reload the file was sent anew")
	}
	tab.Until(`document.querySelector("#uploads.is-finished") && document.querySelector("#uploads [data-again]").hidden`)
	tab.Open(addressOf())
}

// manyFiles drops a directory of 3,000 files as a file manager does, loses the connection meanwhile, and
// follows how the page keeps answering.
func (y *story) manyFiles(t *testing.T, tab *webtest.Tab) {
	t.Helper()
	// Thousands once: on each phone and in each language the same is shown of some hundreds.
	count := 300
	if y.look == looks[0] {
		count = 3000
	}
	dir := filepath.Join(t.TempDir(), "Relevés")
	for i := range count {
		sub := filepath.Join(dir, fmt.Sprintf("jour %02d", i%30))
		if err := os.MkdirAll(sub, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(sub, fmt.Sprintf("mesure %04d.csv", i)), fmt.Appendf(nil, "%d;%d\n", i, i*i), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	head := y.head("Projets")
	dropped := &input.DragData{Items: []*input.DragDataItem{}, Files: []string{dir}, DragOperationsMask: 1}
	for _, step := range []input.DispatchDragEventType{input.DragEnter, input.DragOver, input.Drop} {
		tab.Run(input.DispatchDragEvent(step, float64(y.size.Width/2), 500, dropped))
	}
	tab.Until(`document.querySelector("#uploads") && !document.querySelector("#uploads.is-finished")`)
	// The connection goes and comes back.
	tab.Run(network.EmulateNetworkConditions(true, 0, -1, -1))
	tab.Until(`document.querySelector("#uploads [data-figures]").textContent.includes(` + y.says("upload.waits") + `)`)
	y.shot(tab, "upload-offline")
	tab.Run(network.EmulateNetworkConditions(false, 0, -1, -1))
	start, worst := time.Now(), 0.0
	for finished := false; !finished; {
		worst = max(worst, tab.NextPaint(`document.querySelector("#main").scrollTop`))
		tab.Eval(`!!document.querySelector("#uploads.is-finished")`, &finished)
	}
	var rows int
	tab.Eval(`document.querySelectorAll("#uploads li").length`, &rows)
	y.shot(tab, "upload-many")
	t.Logf("%d files in %v, %d revisions, %d rows, longest until the next paint %.0f ms", count, time.Since(start), y.head("Projets")-head, rows, worst)
	if rows > 100 {
		t.Errorf("%d rows for %d files", rows, count)
	}
	for _, i := range []int{0, count / 3, count - 1} {
		if got, want := y.content(fmt.Sprintf("%s/Relevés/jour %02d/mesure %04d.csv", project, i%30, i)), fmt.Sprintf("%d;%d\n", i, i*i); got != want {
			t.Errorf("file %d is %q, want %q", i, got, want)
		}
	}
	if n := y.head("Projets") - head; n > 20 {
		t.Errorf("%d revisions for one directory", n)
	}
}

// TestPaletteStory searches with the keyboard alone.
func TestPaletteStory(t *testing.T) {
	everyLook(t, newTestServer, func(_ *testing.T, y *story) { y.ofThePalette() })
}

func (y *story) ofThePalette() {
	tab := y.tab("maelle")
	tab.Open(addressOf())
	tab.Run(chromedp.KeyEvent("/"))
	tab.Until(`document.querySelector("#palette[open]")`)
	tab.Run(chromedp.SendKeys(`#palette input[name=q]`, "devis hal"))
	tab.Until(`document.querySelectorAll("#palette .found mark").length > 0 && document.querySelector("#palette .is-at")`)
	y.checked(tab, "palette")
	tab.Run(chromedp.SendKeys(`#palette input[name=q]`, "\t"))
	tab.Until(`document.querySelector("#palette [data-wider]").hidden`)
	tab.Do(`(() => { const i = document.querySelector("#palette input[name=q]"); i.value = "ancien"; i.dispatchEvent(new Event("input", {bubbles: true})); return true; })()`)
	tab.Until(`document.querySelector("#palette .is-gone")`)
	y.checked(tab, "palette-deleted")
	tab.Do(`(() => { const i = document.querySelector("#palette input[name=q]"); i.value = "facade"; i.dispatchEvent(new Event("input", {bubbles: true})); return true; })()`)
	tab.Until(`document.querySelector("#palette .is-at")?.textContent.includes("Façade")`)
	// The list may be exchanged for a wider one in the moment of the key: it is pressed until it counts.
	tab.Until(`(() => {
		if (decodeURIComponent(location.pathname).includes("Façade nord")) return true;
		const found = document.querySelector("#palette .is-at");
		if (found && found.textContent.includes("Façade")) document.querySelector("#palette input[name=q]")
			.dispatchEvent(new KeyboardEvent("keydown", {key: "Enter", bubbles: true, cancelable: true}));
		return false;
	})()`)
}
