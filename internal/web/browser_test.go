package web

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/internal/web/webtest"
)

const (
	maxTransfer = 250 << 10 // bytes that a page may cost at the first visit
	maxStyle    = 28 << 10  // bytes of the style, compressed, which the first paint waits for
)

// views are pages of which the table has only the pattern.
var views = []string{
	addressOf() + "?view=grid", addressOf() + "?details=Plan%20masse.jpg", addressOf() + "?access", addressOf() + "?deleted",
	addressOf() + "?at=r12", addressOf("Fish market – structural notes for the Falmouth team.md"),
}

// TestEveryPage opens every page of the table, in every look. No rule of accessibility is broken, the console
// is empty, no other host is asked, and the page is not too heavy.
func TestEveryPage(t *testing.T) {
	name := regexp.MustCompile(`[^a-z0-9]+`)
	everyLook(t, newTestServer, func(t *testing.T, y *story) {
		tab := y.tab("")
		table := y.table()
		for _, v := range views {
			table = append(table, route{pattern: "GET " + v, need: needFolder})
		}
		for _, rt := range table {
			method, address := at(rt.pattern, samples)
			person := "maelle"
			if rt.need == needNothing {
				person = ""
			}
			if method != http.MethodGet || address == "/live" {
				continue
			}
			if a := y.get(person, address); a.StatusCode != http.StatusOK || !strings.Contains(a.body, "<html") {
				continue
			}
			tab.Cookie(cookieSession, y.tokens[person])
			y.visit(tab, "page-"+strings.Trim(name.ReplaceAllString(strings.ToLower(strings.TrimPrefix(rt.pattern, "GET ")), "-"), "-"), address)
			if n := tab.Transferred(); n > maxTransfer {
				t.Errorf("%s costs %d bytes, more than %d", address, n, maxTransfer)
			}
		}
	})
}

// TestFrameStory tries what all pages have: menus, keys, themes, toasts, the error page.
func TestFrameStory(t *testing.T) {
	everyLook(t, newTestServer, func(t *testing.T, y *story) {
		tab := y.tab("tom")
		tab.Expect("404")
		y.visit(tab, "frame-404", "/nowhere")
		// What the first paint waits for, whatever the machine: the page, and one style of few bytes.
		var blocking []struct {
			Name  string
			Bytes int64
		}
		tab.Eval(`performance.getEntriesByType("resource").filter(r => r.renderBlockingStatus === "blocking").map(r => ({name: r.name, bytes: r.encodedBodySize}))`, &blocking)
		if len(blocking) != 1 || !strings.HasSuffix(blocking[0].Name, ".css") || blocking[0].Bytes > maxStyle {
			t.Errorf("the first paint waits for %v, want one style of at most %d bytes", blocking, maxStyle)
		}
		t.Logf("first paint after %.0f ms", tab.Paint())
		// The zone of the browser reaches the server without a cookie that a script could read.
		tab.Until(`document.cookie === ""`)
		y.otherLook(tab)
		// What others change appears by itself, and the focus stays where it was.
		admin := y.tab("maelle")
		admin.Open("/admin/folders")
		admin.Until(`document.querySelector("[data-live]")`)
		admin.Eval(`document.querySelector('#folders a, #main a').focus(); document.activeElement.id = "marked"; true`, nil)
		if _, err := y.hub.Admin(store.Console).AddFolder(t.Context(), "Nouveau"); err != nil {
			t.Fatal(err)
		}
		admin.Until(`document.querySelector("#main").textContent.includes("Nouveau")`)
		admin.Until(`document.activeElement !== document.body`)
		y.shot(admin, "frame-live")
	})
}

// otherLook chooses another theme and another language: in the menu of the person, on a phone on the page of
// one's own.
func (y *story) otherLook(tab *webtest.Tab) {
	theme, lang := "dark", "fr"
	if y.theme == theme {
		theme = "light"
	}
	if y.lang == lang {
		lang = "en"
	}
	shown := `document.readyState === "complete" && `
	if y.size.Phone {
		tab.Open("/me")
		tab.Do(`(() => { const f = document.querySelector(".me-look"); f.elements.theme.value = "` + theme + `"; f.elements.lang.value = "` + lang + `"; f.requestSubmit(); return true; })()`)
		tab.Until(shown + `document.documentElement.dataset.theme === "` + theme + `" && document.documentElement.lang === "` + lang + `"`)
		tab.Until(`document.querySelector(".me-look .saved")`)
		y.shot(tab, "frame-chosen")
		return
	}
	tab.Click(".person")
	tab.Until(`document.querySelector("#person-menu:popover-open")?.contains(document.activeElement)`)
	y.checked(tab, "frame-menu")
	tab.Run(chromedp.KeyEvent("\u001b"))
	tab.Until(`!document.querySelector("#person-menu:popover-open")`)
	tab.Until(`document.activeElement.classList.contains("person")`)
	tab.Click(".person")
	tab.Click(`[name="theme"][value="` + theme + `"]`)
	tab.Until(shown + `document.documentElement.dataset.theme === "` + theme + `"`)
	y.shot(tab, "frame-theme")
	tab.Open("/") // the page that was shown in the other theme may still be arriving
	tab.Click(".person")
	tab.Until(`document.querySelector("#person-menu:popover-open")?.contains(document.activeElement)`)
	tab.Click(`[name="lang"][value="` + lang + `"]`)
	tab.Until(shown + `document.documentElement.lang === "` + lang + `"`)
	y.shot(tab, "frame-language")
}
