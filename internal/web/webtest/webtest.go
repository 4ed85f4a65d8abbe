// Package webtest looks at pages with a real Chromium, for tests: screenshots, rules of accessibility,
// what the console says, which hosts were asked, and how long things take.
//
// Tabs are for one goroutine each; they share nothing with others, not even cookies.
package webtest

import (
	"context"
	_ "embed"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

//go:embed testdata/axe.min.js
var axe string

// Browser is one running Chromium with the server that it looks at.
type Browser struct {
	URL string // of the server: https://127.0.0.1:PORT

	ctx context.Context //nolint:containedctx // chromedp keeps the browser in it
}

// shared is the browser of all tests of a program that calls Main.
var shared struct {
	on   bool
	once sync.Once
	err  error
	ctx  context.Context //nolint:containedctx // chromedp keeps the browser in it
	stop func()
}

// Main runs the tests of a program with one browser for all that call Start: it starts with the first
// of them.
func Main(m *testing.M) {
	shared.on = true
	m.Run() // the testing package ends the program with what it returned
	if shared.stop != nil {
		shared.stop()
	}
}

// Start serves the handler over TLS until the test ends, and returns a browser that looks at it: that of
// Main, else one of the test. The browser is the program "chromium-headless-shell", which is
// Chromium without its windows and takes half the time of the whole; that it is absent is a failure.
func Start(t *testing.T, handler http.Handler) *Browser {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	if !shared.on {
		return Attach(t, server.URL)
	}
	shared.once.Do(func() {
		dir, err := os.MkdirTemp("", "havre-chromium-") //nolint:usetesting // it is for all tests
		if err != nil {
			shared.err = err
			return
		}
		var stop func()
		shared.ctx, stop, shared.err = launch(context.Background(), dir) //nolint:fatcontext // once
		shared.stop = func() { stop(); _ = os.RemoveAll(dir) }
	})
	if shared.err != nil {
		t.Fatalf("start chromium: %v", shared.err)
	}
	return &Browser{URL: server.URL, ctx: shared.ctx}
}

// Attach opens a browser that looks at a server which is there already, https://HOST:PORT; it ends with
// the test.
func Attach(t *testing.T, address string) *Browser {
	t.Helper()
	ctx, stop, err := launch(context.WithoutCancel(t.Context()), t.TempDir())
	t.Cleanup(stop)
	if err != nil {
		t.Fatalf("start chromium: %v", err)
	}
	return &Browser{URL: address, ctx: ctx}
}

// launch starts a browser with a directory for its data. stop ends it and waits for that.
func launch(ctx context.Context, dir string) (_ context.Context, stop func(), _ error) {
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("chromium-headless-shell"), chromedp.NoSandbox, chromedp.IgnoreCertErrors, chromedp.DisableGPU,
		chromedp.UserDataDir(dir), chromedp.WSURLReadTimeout(time.Minute),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("hide-scrollbars", true), chromedp.Flag("lang", "en-GB"),
		chromedp.Flag("force-color-profile", "srgb"),
	)
	allocated, free := chromedp.NewExecAllocator(ctx, options...)
	// chromedp prints events of the page's nodes that it does not know, which tell nothing here.
	ctx, end := chromedp.NewContext(allocated, chromedp.WithErrorf(func(string, ...any) {}))
	return ctx, func() {
		_ = chromedp.Cancel(ctx) // asks it to end and waits
		end()
		free()
	}, chromedp.Run(ctx)
}

// Size is one of the sizes that pages are looked at in.
type Size struct {
	Width, Height int64
	Phone         bool
}

// The sizes of the pictures.
var (
	Desktop = Size{Width: 1280, Height: 900}
	Phone   = Size{Width: 390, Height: 844, Phone: true}
)

// Tab is one page of the browser. What goes wrong in it fails its test at the end, unless Forget was
// called.
type Tab struct {
	Ctx context.Context //nolint:containedctx // chromedp keeps the tab in it

	t     *testing.T
	b     *Browser
	frame cdp.FrameID // of the page itself, not of what is in it

	mu   sync.Mutex // guards the following
	bad  []string
	sent float64 // bytes that the page has transferred
	skip []string
	due  map[network.RequestID]struct{} // pages that are on their way
}

// Tab opens a page of a size, with cookies of the server. It ends with the test.
func (b *Browser) Tab(t *testing.T, size Size, cookies map[string]string) *Tab {
	t.Helper()
	// A context of its own, so that cookies of other tabs are not its; Chromium wants a window for it.
	browser := cdp.WithExecutor(b.ctx, chromedp.FromContext(b.ctx).Browser)
	jar, err := target.CreateBrowserContext().WithDisposeOnDetach(true).Do(browser)
	if err != nil {
		t.Fatalf("in the browser: %v", err)
	}
	id, err := target.CreateTarget("about:blank").WithBrowserContextID(jar).WithNewWindow(true).Do(browser)
	if err != nil {
		t.Fatalf("in the browser: %v", err)
	}
	ctx, end := chromedp.NewContext(b.ctx, chromedp.WithTargetID(id))
	t.Cleanup(func() {
		end()
		if err := target.DisposeBrowserContext(jar).Do(browser); err != nil {
			t.Logf("in the browser: %v", err)
		}
	})
	// The first Run starts what lives as long as its context: one without the limit of Tab.Run.
	if err := chromedp.Run(ctx); err != nil {
		t.Fatalf("in the browser: %v", err)
	}
	tab := &Tab{Ctx: ctx, t: t, b: b, frame: cdp.FrameID(id), due: map[network.RequestID]struct{}{}}
	chromedp.ListenTarget(ctx, tab.watch)
	metrics := emulation.SetDeviceMetricsOverride(size.Width, size.Height, 1, size.Phone)
	if size.Phone {
		metrics = emulation.SetDeviceMetricsOverride(size.Width, size.Height, 2, true)
	}
	tab.run(metrics, network.Enable(), log.Enable(), runtime.Enable())
	if size.Phone {
		tab.run(emulation.SetTouchEmulationEnabled(true))
	}
	for name, value := range cookies {
		tab.Cookie(name, value)
	}
	t.Cleanup(func() {
		tab.mu.Lock()
		defer tab.mu.Unlock()
		for _, line := range tab.bad {
			t.Errorf("in the browser: %s", line)
		}
	})
	return tab
}

// Cookie sets a cookie; an empty value removes it.
func (tab *Tab) Cookie(name, value string) {
	tab.t.Helper()
	if value == "" {
		tab.run(network.DeleteCookies(name).WithURL(tab.b.URL))
		return
	}
	tab.run(network.SetCookie(name, value).WithURL(tab.b.URL).WithPath("/").WithSecure(true).WithHTTPOnly(true).
		WithSameSite(network.CookieSameSiteLax))
}

// Run executes actions, keys for example, as soon as the page is at rest, and within two minutes.
func (tab *Tab) Run(actions ...chromedp.Action) {
	tab.t.Helper()
	tab.Ready()
	tab.run(actions...)
}

// run executes actions at once, within two minutes.
func (tab *Tab) run(actions ...chromedp.Action) {
	tab.t.Helper()
	defer tab.slow(time.Now(), "an action")
	ctx, cancel := context.WithTimeout(tab.Ctx, 2*time.Minute)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		tab.t.Fatalf("in the browser: %v", err)
	}
}

// slow logs what took so long that somebody who looks for the time of a test, or for a defect, wants to know.
func (tab *Tab) slow(since time.Time, what string) {
	tab.t.Helper()
	if took := time.Since(since); took > 2*time.Second {
		tab.t.Logf("%.1f s for %.200s", took.Seconds(), what)
	}
}

// Open goes to an address of the server and waits until everything is there. A page that is on its way
// already arrives first.
func (tab *Tab) Open(path string) {
	tab.t.Helper()
	tab.ready("true")
	tab.mu.Lock()
	tab.sent = 0
	tab.mu.Unlock()
	tab.run(chromedp.Navigate(tab.b.URL+path), chromedp.Evaluate(`document.fonts.ready.then(() => true)`, nil,
		func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	tab.Ready()
}

// rest is true when the page is complete and no part of it is being asked for or exchanged.
const rest = `document.readyState === "complete" && !document.querySelector(".htmx-request, .htmx-swapping, .htmx-settling, .htmx-added")`

// Ready waits until the page is at rest: no other page is on its way, and no part of it. What is pressed
// before that would be pressed on something that goes away.
func (tab *Tab) Ready() {
	tab.t.Helper()
	tab.ready(rest)
}

// ready waits until no other page is on its way and a script returns true.
func (tab *Tab) ready(script string) {
	tab.t.Helper()
	tab.until(script, func() bool {
		tab.mu.Lock()
		defer tab.mu.Unlock()
		return len(tab.due) == 0
	})
}

// Click clicks on what a selector finds as soon as a person could: the page is at rest, and the element is
// there, does not move, can be used and is not behind another. Unlike a click at a place of the screen it
// cannot miss.
func (tab *Tab) Click(selector string) {
	tab.t.Helper()
	quoted, err := json.Marshal(selector)
	if err != nil {
		tab.t.Fatal(err)
	}
	tab.ready(rest + ` && (() => {
		const e = document.querySelector(` + string(quoted) + `);
		if (!e || e.disabled || !e.checkVisibility()) return false;
		e.scrollIntoView({block: "center", inline: "center", behavior: "instant"});
		const r = e.getBoundingClientRect(), was = window.webtestPlace;
		window.webtestPlace = [r.x, r.y, r.width, r.height].join();
		const top = document.elementFromPoint(r.x + r.width / 2, r.y + r.height / 2);
		return was === window.webtestPlace && top && (e.contains(top) || top.closest("label")?.control === e);
	})()`)
	tab.act(`const e = document.querySelector(` + string(quoted) + `); e.focus(); e.click();`)
}

// Press does what a click does on what a selector finds, as soon as it is there and the page at rest, whether
// it is seen or not.
func (tab *Tab) Press(selector string) {
	tab.t.Helper()
	quoted, err := json.Marshal(selector)
	if err != nil {
		tab.t.Fatal(err)
	}
	tab.ready(rest + ` && document.querySelector(` + string(quoted) + `)`)
	tab.act(`document.querySelector(` + string(quoted) + `).click();`)
}

// Fill types values into the fields of these names of a form, as soon as it is there and the page at rest, and
// sends it.
func (tab *Tab) Fill(form string, values map[string]string) {
	tab.t.Helper()
	quoted, err := json.Marshal([]any{form, values})
	if err != nil {
		tab.t.Fatal(err)
	}
	tab.ready(rest + ` && document.querySelector((` + string(quoted) + `)[0])`)
	tab.act(`const [form, values] = ` + string(quoted) + `;
		const f = document.querySelector(form);
		for (const [name, value] of Object.entries(values)) {
			const i = f.elements[name];
			i.value = value;
			i.dispatchEvent(new Event("input", {bubbles: true}));
		}
		f.requestSubmit(f.querySelector("button.primary, button.danger, button:not([type])"));`)
}

// Do does something in the page as soon as it is at rest.
func (tab *Tab) Do(script string) {
	tab.t.Helper()
	tab.Ready()
	tab.act(script)
}

// act does something in the page, and returns when the page has begun with what follows from it: another
// page is on its way then.
func (tab *Tab) act(script string) {
	tab.t.Helper()
	tab.Eval(`{`+script+`} true`, nil)
	// That fails if the other page is here already.
	_ = chromedp.Run(tab.Ctx, chromedp.Evaluate(`new Promise((done) => setTimeout(done, 0, true))`, nil,
		func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
}

// Eval evaluates a script, which may be a promise, and decodes what it returns into v.
func (tab *Tab) Eval(script string, v any) {
	tab.t.Helper()
	tab.run(chromedp.Evaluate(script, v, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
}

// Until waits until a script returns true, for two minutes at most: only a defect takes that long. While the
// page changes it may fail.
func (tab *Tab) Until(script string) {
	tab.t.Helper()
	tab.until(script, func() bool { return true })
}

// until waits until a script returns true, and something else holds too.
func (tab *Tab) until(script string, also func() bool) {
	tab.t.Helper()
	begin := time.Now()
	defer tab.slow(begin, script)
	for {
		var ok bool
		err := chromedp.Run(tab.Ctx, chromedp.Evaluate("(() => { try { return !!("+script+"); } catch { return false; } })()", &ok))
		// In this order: a page that the script has asked for is known when its answer is.
		if err == nil && ok && also() {
			return
		}
		if time.Since(begin) > 2*time.Minute {
			tab.Screenshot("never-" + strings.ReplaceAll(tab.t.Name(), "/", "-"))
			tab.t.Fatalf("in the browser: never %s", script)
		}
		time.Sleep(30 * time.Millisecond)
	}
}

// Screenshot keeps what is seen as NAME.png in $HAVRE_SHOTS, or, with the flag -artifacts, among the
// test's artefacts. Else nobody would see it, and no picture is made.
func (tab *Tab) Screenshot(name string) {
	tab.t.Helper()
	dir := os.Getenv("HAVRE_SHOTS")
	if dir == "" {
		if f := flag.Lookup("test.artifacts"); f == nil || f.Value.String() != "true" {
			return
		}
		dir = tab.t.ArtifactDir()
	}
	// What moves has arrived in the picture.
	tab.Eval(`document.getAnimations().forEach(a => { try { a.finish(); } catch { } }); true`, nil)
	var png []byte
	tab.run(chromedp.ActionFunc(func(ctx context.Context) (err error) {
		png, err = page.CaptureScreenshot().WithFormat(page.CaptureScreenshotFormatPng).Do(ctx)
		return err
	}))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		tab.t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		tab.t.Error(err)
	}
}

// Axe fails the test for each rule of accessibility (WCAG 2.2 A and AA, and axe-core's best practices)
// that the page breaks.
func (tab *Tab) Axe(name string) {
	tab.t.Helper()
	// The policy of the pages allows no scripts but the server's; the debugger's are exempt.
	tab.Eval(axe+";true", nil)
	// What fades in has less contrast for a moment; what turns without an end cannot be finished.
	tab.Eval(`document.getAnimations().forEach(a => { try { a.finish(); } catch { } }); true`, nil)
	var found []struct {
		ID, Help string
		Nodes    []struct {
			HTML, FailureSummary string
		}
	}
	tab.Eval(`axe.run(document, {resultTypes: ["violations"]}).then(r => r.violations)`, &found)
	for _, v := range found {
		for i, n := range v.Nodes {
			if i == 3 {
				tab.t.Errorf("%s: axe %s: and %d more", name, v.ID, len(v.Nodes)-i)
				break
			}
			tab.t.Errorf("%s: axe %s: %s: %.300s\n%s", name, v.ID, v.Help, n.HTML, n.FailureSummary)
		}
	}
}

// Transferred returns how many bytes the page has cost so far since Open.
func (tab *Tab) Transferred() int64 {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	return int64(tab.sent)
}

// Paint returns when the page first showed something, in milliseconds since the click.
func (tab *Tab) Paint() float64 {
	tab.t.Helper()
	var ms float64
	tab.Eval(`new Promise(done => {
		const look = () => { const p = performance.getEntriesByName("first-contentful-paint")[0]; p ? done(p.startTime) : setTimeout(look, 10); };
		look();
	})`, &ms)
	return ms
}

// NextPaint does something in the page and returns how long it took until the next frame was shown, in
// milliseconds.
func (tab *Tab) NextPaint(script string) float64 {
	tab.t.Helper()
	var ms float64
	tab.Eval(`new Promise(done => { const t = performance.now(); `+script+`;
		requestAnimationFrame(() => { const c = new MessageChannel(); c.port1.onmessage = () => done(performance.now() - t); c.port2.postMessage(0); }); })`, &ms)
	return ms
}

// Expect lets lines of the console that contain the text pass: a page that is not there says so.
func (tab *Tab) Expect(text string) {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	tab.skip = append(tab.skip, text)
}

// watch collects what is wrong: errors of scripts, lines of the console, requests to other hosts.
func (tab *Tab) watch(event any) {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		tab.wrong(e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.APITypeError || e.Type == runtime.APITypeWarning || e.Type == runtime.APITypeAssert {
			b, _ := json.Marshal(e.Args)
			tab.wrong(string(b))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.LevelError || e.Entry.Level == log.LevelWarning {
			tab.wrong(fmt.Sprintf("%s %s", e.Entry.Text, e.Entry.URL))
		}
	case *network.EventRequestWillBeSent:
		u, err := url.Parse(e.Request.URL)
		if err != nil || (u.Scheme != "data" && u.Scheme != "blob" && u.Scheme != "about" && !strings.HasPrefix(e.Request.URL, tab.b.URL+"/")) {
			tab.wrong("asked another host: " + e.Request.URL)
		}
		if e.Type == network.ResourceTypeDocument && e.FrameID == tab.frame {
			tab.due[e.RequestID] = struct{}{}
		}
	case *network.EventLoadingFinished:
		tab.sent += e.EncodedDataLength
		delete(tab.due, e.RequestID)
	case *network.EventLoadingFailed:
		delete(tab.due, e.RequestID)
	}
}

func (tab *Tab) wrong(text string) {
	for _, s := range tab.skip {
		if strings.Contains(text, s) {
			return
		}
	}
	tab.bad = append(tab.bad, text)
}
