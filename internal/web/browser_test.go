package web

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

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

// TestEveryPage opens every page of the table: in English on a desktop with light colours, and in French on a
// phone with dark ones. No rule of accessibility is broken, the console is empty, no other host is
// asked, and the page is not too heavy.
func TestEveryPage(t *testing.T) {
	s := newTestServer(t)
	b := webtest.Start(t, s)
	name := regexp.MustCompile(`[^a-z0-9]+`)
	for _, look := range []struct {
		name    string
		size    webtest.Size
		cookies map[string]string
	}{
		{"en", webtest.Desktop, map[string]string{cookieLang: "en", cookieTheme: "light"}},
		{"fr-phone-dark", webtest.Phone, map[string]string{cookieLang: "fr", cookieTheme: "dark"}},
	} {
		t.Run(look.name, func(t *testing.T) {
			tab := b.Tab(t, look.size, look.cookies)
			table := s.table()
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
				if a := s.get(person, address); a.StatusCode != http.StatusOK || !strings.Contains(a.body, "<html") {
					continue
				}
				tab.Cookie(cookieSession, s.tokens[person])
				tab.Open(address)
				shot := strings.Trim(name.ReplaceAllString(strings.ToLower(strings.TrimPrefix(rt.pattern, "GET ")), "-"), "-")
				tab.Screenshot("page-" + shot + "-" + look.name)
				tab.Axe(address)
				if n := tab.Transferred(); n > maxTransfer {
					t.Errorf("%s costs %d bytes, more than %d", address, n, maxTransfer)
				}
				var wide bool
				tab.Eval(`document.documentElement.scrollWidth > innerWidth + 1`, &wide)
				if wide {
					t.Errorf("%s is wider than the window", address)
				}
			}
		})
	}
}

// TestFrame tries what all pages have: menus, keys, themes, toasts, the error page.
func TestFrame(t *testing.T) {
	s := newTestServer(t)
	b := webtest.Start(t, s)
	tab := b.Tab(t, webtest.Desktop, map[string]string{cookieSession: s.tokens["tom"]})
	tab.Expect("404")
	tab.Open("/nowhere")
	tab.Screenshot("frame-404")
	tab.Axe("/nowhere")
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
	tab.Run(chromedp.Click(".person"))
	tab.Until(`document.querySelector("#person-menu:popover-open")?.contains(document.activeElement)`)
	tab.Screenshot("frame-menu")
	tab.Run(chromedp.KeyEvent("\u001b"))
	tab.Until(`!document.querySelector("#person-menu:popover-open")`)
	tab.Until(`document.activeElement.classList.contains("person")`)
	// The zone of the browser reaches the server without a cookie that a script could read.
	tab.Until(`document.cookie === ""`)
	tab.Run(chromedp.Click(".person"), chromedp.Click(`[name="theme"][value="dark"]`))
	tab.Until(`document.documentElement.dataset.theme === "dark"`)
	tab.Screenshot("frame-404-dark")
	tab.Run(chromedp.Click(".person"), chromedp.Click(`[name="lang"][value="fr"]`))
	tab.Until(`document.documentElement.lang === "fr"`)
	tab.Screenshot("frame-404-fr")
	// What others change appears by itself, and the focus stays where it was.
	admin := b.Tab(t, webtest.Desktop, map[string]string{cookieSession: s.tokens["maelle"]})
	admin.Open("/admin/folders")
	admin.Until(`document.querySelector("[data-live]")`)
	admin.Eval(`document.querySelector('#folders a, #main a').focus(); document.activeElement.id = "marked"; true`, nil)
	time.Sleep(2 * adminEvery)
	if _, err := s.hub.Admin(store.Console).AddFolder(t.Context(), "Nouveau"); err != nil {
		t.Fatal(err)
	}
	admin.Until(`document.querySelector("#main").textContent.includes("Nouveau")`)
	admin.Until(`document.activeElement !== document.body`)

	phone := b.Tab(t, webtest.Phone, map[string]string{cookieSession: s.tokens["tom"]})
	phone.Expect("404")
	phone.Open("/nowhere")
	phone.Screenshot("frame-404-phone")
}
