package web

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
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

// cutting is a server that hangs up in the middle of some uploads.
type cutting struct {
	http.Handler
	left atomic.Int64 // how many are still to be cut
}

func (c *cutting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPatch && c.left.Add(-1) >= 0 {
		r.Body = &cutBody{ReadCloser: r.Body, left: 3 << 20}
		c.Handler.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler) // the answer is lost with the connection
	}
	c.Handler.ServeHTTP(w, r)
}

// TestUploadStory drops files and directories, is asked about names that are taken, loses the connection,
// and drops a directory of 3,000 files.
func TestUploadStory(t *testing.T) {
	s := newTestServer(t)
	cut := &cutting{Handler: s}
	b := webtest.Start(t, cut)
	tab := b.Tab(t, webtest.Desktop, map[string]string{cookieSession: s.tokens["aicha"]})
	tab.Expect("ERR_")
	tab.Expect("htmx:") // asked for while the connection was gone
	tab.Open(addressOf())

	// Three at once: one is new, one is there with other content, one has a name that cannot be.
	tab.Eval(dropScript+`("[data-upload-to]", [["Neuf.txt", 100, 65], ["Plan masse.jpg", 50, 66], ["Quoi ?.txt", 10, 67]]); true`, nil)
	tab.Until(`document.querySelectorAll("#uploads .is-asking").length === 2`)
	tab.Screenshot("upload-needs")
	tab.Axe("upload panel")
	tab.Eval(`document.querySelector('#uploads [data-act="choose"]').click(); true`, nil)
	tab.Until(`document.querySelector('#uploads [data-act="both"]')`)
	tab.Eval(`document.querySelector('#uploads [data-act="both"]').click(); true`, nil)
	tab.Until(`document.querySelectorAll("#uploads .is-asking").length === 1`)
	tab.Eval(`document.querySelector('#uploads [data-act="rename"]').click(); true`, nil)
	tab.Until(`document.querySelector("#uploads [name=rename]")`)
	tab.Eval(`(() => { const i = document.querySelector("#uploads [name=rename]"); i.value = "Quoi.txt"; i.form.requestSubmit(); return true; })()`, nil)
	tab.Until(`document.querySelector("#uploads.is-finished") && !document.querySelector("#uploads .is-asking")`)
	for _, name := range []string{"Neuf.txt", "Quoi.txt", "Plan masse 2.jpg"} {
		if got := s.content(project + "/" + name); got == "" {
			t.Errorf("%s is empty", name)
		}
	}

	// The same once more: nothing is sent.
	head := s.head("Projets")
	tab.Eval(dropScript+`("[data-upload-to]", [["Neuf.txt", 100, 65]]); true`, nil)
	tab.Until(`[...document.querySelectorAll("#uploads li small")].some(e => e.textContent.startsWith("Already here with the same content"))`)
	if s.head("Projets") != head {
		t.Error("identical content made a revision")
	}

	// A large file whose connection is cut twice, on the row of a subdirectory.
	cut.left.Store(2)
	tab.Eval(dropScript+`('.fr:has([value="02 Avant-projet"])', [["Tour.mp4", 12000000, 68]]); true`, nil)
	deadline := time.Now().Add(2 * time.Minute)
	for s.get("aicha", addressOf("02 Avant-projet", "Tour.mp4")).StatusCode != http.StatusOK {
		if time.Now().After(deadline) {
			tab.Screenshot("upload-stuck")
			t.Fatal("the large file does not arrive")
		}
		time.Sleep(50 * time.Millisecond)
	}
	if got := s.content(project + "/02 Avant-projet/Tour.mp4"); len(got) != 10<<20 && len(got) != 12_000_000 {
		t.Errorf("%d bytes", len(got))
	}

	s.manyFiles(t, tab)
}

// manyFiles chooses a directory of 3,000 files and follows how the page keeps answering.
func (s *testServer) manyFiles(t *testing.T, tab *webtest.Tab) {
	t.Helper()
	const count = 3000
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
	head := s.head("Projets")
	start := time.Now()
	tab.Run(chromedp.SetUploadFiles(`#uploads [data-dir]`, []string{dir}, chromedp.ByQuery))
	tab.Until(`!document.querySelector("#uploads.is-finished")`)
	worst := 0.0
	for time.Since(start) < 40*time.Second {
		var finished bool
		tab.Eval(`!!document.querySelector("#uploads.is-finished")`, &finished)
		if finished {
			break
		}
		worst = max(worst, tab.NextPaint(`document.querySelector("#main").scrollTop`))
		// The connection goes and comes back.
		if time.Since(start) > 500*time.Millisecond && s.head("Projets") == head {
			tab.Run(network.EmulateNetworkConditions(true, 0, -1, -1))
			time.Sleep(300 * time.Millisecond)
			tab.Run(network.EmulateNetworkConditions(false, 0, -1, -1))
		}
		time.Sleep(20 * time.Millisecond)
	}
	var rows int
	tab.Eval(`document.querySelectorAll("#uploads li").length`, &rows)
	tab.Screenshot("upload-many")
	t.Logf("%d files in %v, %d revisions, %d rows, longest until the next paint %.0f ms", count, time.Since(start), s.head("Projets")-head, rows, worst)
	if rows > 100 {
		t.Errorf("%d rows for %d files", rows, count)
	}
	for _, i := range []int{0, 1234, count - 1} {
		if got, want := s.content(fmt.Sprintf("%s/Relevés/jour %02d/mesure %04d.csv", project, i%30, i)), fmt.Sprintf("%d;%d\n", i, i*i); got != want {
			t.Errorf("file %d is %q, want %q", i, got, want)
		}
	}
	if n := s.head("Projets") - head; n > 20 {
		t.Errorf("%d revisions for one directory", n)
	}
}

// TestPalette searches with the keyboard alone.
func TestPalette(t *testing.T) {
	s := newTestServer(t)
	b := webtest.Start(t, s)
	tab := b.Tab(t, webtest.Desktop, map[string]string{cookieSession: s.tokens["maelle"]})
	tab.Open(addressOf())
	tab.Run(chromedp.KeyEvent("/"))
	tab.Until(`document.querySelector("#palette[open]")`)
	tab.Run(chromedp.SendKeys(`#palette input[name=q]`, "devis hal"))
	tab.Until(`document.querySelectorAll("#palette .found mark").length > 0 && document.querySelector("#palette .is-at")`)
	tab.Screenshot("palette")
	tab.Axe("palette")
	tab.Run(chromedp.SendKeys(`#palette input[name=q]`, "\t"))
	tab.Until(`document.querySelector("#palette [data-wider]").hidden`)
	tab.Eval(`(() => { const i = document.querySelector("#palette input[name=q]"); i.value = "ancien"; i.dispatchEvent(new Event("input", {bubbles: true})); return true; })()`, nil)
	tab.Until(`document.querySelector("#palette .is-gone")`)
	tab.Screenshot("palette-deleted")
	tab.Axe("palette with something deleted")
	tab.Eval(`(() => { const i = document.querySelector("#palette input[name=q]"); i.value = "facade"; i.dispatchEvent(new Event("input", {bubbles: true})); return true; })()`, nil)
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

// cutBody breaks off after some bytes.
type cutBody struct {
	io.ReadCloser
	left int
}

func (c *cutBody) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := c.ReadCloser.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}
