package web

import (
	"encoding/json"
	"hash/crc32"
	"net/http"
	"testing"

	"github.com/havre-cloud/havre/internal/web/webtest"
)

// look is a way in which pages are looked at.
type look struct {
	name        string
	size        webtest.Size
	lang, theme string
}

// looks are both languages in both widths; each language and each width is seen in light and in dark.
var looks = []look{
	{"en", webtest.Desktop, "en", "light"},
	{"fr", webtest.Desktop, "fr", "dark"},
	{"en-phone", webtest.Phone, "en", "dark"},
	{"fr-phone", webtest.Phone, "fr", "light"},
}

// story is one telling of a story: a server with its data, and somebody who looks at it in one way.
type story struct {
	*testServer
	look

	t *testing.T
	b *webtest.Browser
}

// looksOf returns the looks in which a story is told: all of them. With the race detector, which makes the
// server slow and sees the same code each time, it is one: not the same for all stories.
func looksOf(t *testing.T) []look {
	if !underRace {
		return looks
	}
	i := int(crc32.ChecksumIEEE([]byte(t.Name())) % uint32(len(looks)))
	return looks[i : i+1]
}

// everyLook tells a story in all of its looks, each time on a server of its own. Stories run beside each other:
// much of their time is waiting.
func everyLook(t *testing.T, server func(*testing.T) *testServer, tell func(*testing.T, *story)) {
	t.Helper()
	t.Parallel()
	for _, l := range looksOf(t) {
		t.Run(l.name, func(t *testing.T) { tell(t, &story{testServer: server(t), look: l, t: t}) })
	}
}

// behind puts a handler before the server. It comes before the first tab.
func (y *story) behind(h http.Handler) { y.b = webtest.Start(y.t, h) }

// tab opens a tab in which a person is signed in; nobody, if empty.
func (y *story) tab(person string) *webtest.Tab {
	y.t.Helper()
	if y.b == nil {
		y.b = webtest.Start(y.t, y.testServer)
	}
	cookies := map[string]string{cookieLang: y.lang, cookieTheme: y.theme}
	if person != "" {
		cookies[cookieSession] = y.tokens[person]
	}
	return y.b.Tab(y.t, y.size, cookies)
}

// says returns a sentence of the pages in the story's language, as a string of JavaScript.
func (y *story) says(key string, args ...any) string {
	y.t.Helper()
	said := y.texts.text(y.lang, key, args...)
	if said == key {
		y.t.Fatalf("no text is called %s", key)
	}
	quoted, err := json.Marshal(said)
	if err != nil {
		y.t.Fatal(err)
	}
	return string(quoted)
}

// or returns what is there on a desktop, or what is there on a phone.
func (y *story) or(desktop, phone string) string {
	if y.size.Phone {
		return phone
	}
	return desktop
}

// shot keeps what is seen as STORY-LOOK.png.
func (y *story) shot(tab *webtest.Tab, name string) {
	y.t.Helper()
	tab.Screenshot(name + "-" + y.name)
}

// checked keeps what is seen, and fails for each rule of accessibility that it breaks, and if one has to
// scroll sideways.
func (y *story) checked(tab *webtest.Tab, name string) {
	y.t.Helper()
	tab.Ready()
	y.shot(tab, name)
	tab.Axe(name + "-" + y.name)
	var wide bool
	tab.Eval(`document.documentElement.scrollWidth > innerWidth + 1`, &wide)
	if wide {
		y.t.Errorf("%s-%s is wider than the window", name, y.name)
	}
}

// unbroken fails if a pair of a fingerprint is in two lines, or none is shown.
func (y *story) unbroken(tab *webtest.Tab) {
	y.t.Helper()
	var broken string
	tab.Eval(`(() => {
		const parts = [...document.querySelectorAll("code.fingerprint")].flatMap((c) => [...c.childNodes]).filter((n) => n.nodeType === Node.TEXT_NODE);
		if (parts.length < 32) return "no fingerprint";
		return parts.find((n) => { const r = document.createRange(); r.selectNodeContents(n); return r.getClientRects().length !== 1; })?.data ?? "";
	})()`, &broken)
	if broken != "" {
		y.t.Errorf("a fingerprint is broken at %q", broken)
	}
}

// visit opens a page and looks at it.
func (y *story) visit(tab *webtest.Tab, name, address string) {
	y.t.Helper()
	tab.Open(address)
	y.checked(tab, name)
}

// sees waits until the page contains a sentence in the story's language.
func (y *story) sees(tab *webtest.Tab, key string, args ...any) {
	y.t.Helper()
	tab.Until(`document.readyState === "complete" && document.querySelector("body").textContent.includes(` + y.says(key, args...) + `)`)
}
