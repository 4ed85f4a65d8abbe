package main

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browse measures what a person waits for, in a browser.
func (s *site) browse(ctx context.Context, c config, r report) error {
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("chromium"), chromedp.NoSandbox, chromedp.IgnoreCertErrors, chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true), chromedp.UserDataDir(filepath.Join(s.dir, "chromium")), chromedp.WindowSize(1280, 900),
	)
	ctx, stop := chromedp.NewExecAllocator(ctx, options...)
	defer stop()
	ctx, end := chromedp.NewContext(ctx, chromedp.WithErrorf(func(string, ...any) {}))
	defer end()
	if err := chromedp.Run(ctx, network.Enable(), network.SetCookie(cookieName, s.tokens[0]).WithURL(s.address).WithPath("/").WithSecure(true)); err != nil {
		return err
	}
	var sent atomic.Int64 // bytes since it was set to nothing
	chromedp.ListenTarget(ctx, func(event any) {
		if e, ok := event.(*network.EventLoadingFinished); ok {
			sent.Add(int64(e.EncodedDataLength))
		}
	})
	var paints, lists, ends, inputs []time.Duration
	for range c.rounds + 1 { // the first one fills the cache
		paint, err := s.timing(ctx, "/f/Bench/some", `performance.getEntriesByName("first-contentful-paint")[0].startTime`)
		if err != nil {
			return err
		}
		if len(paints) == 0 { // as if the list of 10,000 were the first page
			if err := chromedp.Run(ctx, network.ClearBrowserCache()); err != nil {
				return err
			}
			sent.Store(0)
		}
		list, err := s.timing(ctx, "/f/Bench/many", `document.querySelector("#list").textContent.includes("09999") && performance.getEntriesByType("navigation")[0].domContentLoadedEventStart`)
		if err != nil {
			return err
		}
		if len(paints) == 0 {
			r.row("10,000 entries, transferred at the first visit", fmt.Sprintf("%d KB", sent.Load()/1000), "", "goal: under 250 KB")
		}
		input, err := evaluate(ctx, nextPaint(`const boxes = document.querySelectorAll("[role=row] input[type=checkbox]"); boxes[Math.floor(boxes.length / 2)].click()`))
		if err != nil {
			return err
		}
		end, err := evaluate(ctx, nextPaint(`const row = document.querySelector("#list .fr"); row.focus(); row.dispatchEvent(new KeyboardEvent("keydown", {key: "End", bubbles: true, cancelable: true}))`))
		if err != nil {
			return err
		}
		paints, lists, ends, inputs = append(paints, paint), append(lists, list), append(ends, end), append(inputs, input)
	}
	r.row("first contentful paint, directory of 50", ms(median(paints[1:])), "first visit "+ms(paints[0]), "goal: under 300 ms")
	r.row("10,000 entries, until the last is in the page", ms(median(lists[1:])), "first visit "+ms(lists[0]), "goal: under 150 ms")
	r.row("10,000 entries, End until the last is painted", ms(median(ends)), "", "")
	r.row("10,000 entries, tick to next paint", ms(median(inputs)), "", "goal: under 100 ms")
	return s.uploads(ctx, c, r)
}

// nextPaint is a script that does something and returns how many milliseconds later the next frame was shown.
func nextPaint(script string) string {
	return `new Promise(done => { const t = performance.now(); ` + script + `;
		requestAnimationFrame(() => { const c = new MessageChannel(); c.port1.onmessage = () => done(performance.now() - t); c.port2.postMessage(0); }); })`
}

// timing opens a page and returns a moment of its loading.
func (s *site) timing(ctx context.Context, path, script string) (time.Duration, error) {
	if err := chromedp.Run(ctx, chromedp.Navigate(s.address+path), chromedp.Sleep(700*time.Millisecond)); err != nil {
		return 0, err
	}
	return evaluate(ctx, script)
}

// evaluate returns milliseconds from the page.
func evaluate(ctx context.Context, script string) (time.Duration, error) {
	var n float64
	err := chromedp.Run(ctx, chromedp.Evaluate(script, &n, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	return time.Duration(n * float64(time.Millisecond)), err
}

// uploads sends the large file as a person would, each time to a directory of its own.
func (s *site) uploads(ctx context.Context, c config, r report) error {
	var sent, all []time.Duration
	for i := range c.rounds {
		const to = "/Bench/some"
		if err := chromedp.Run(ctx, chromedp.Navigate(s.address+"/f"+to), chromedp.Evaluate(`havre.upload([], "`+to+`"); true`, nil),
			chromedp.WaitReady(`#uploads [data-files]`), chromedp.Evaluate(fmt.Sprintf(`(() => {
				const add = havre.upload, input = document.querySelector("#uploads [data-files]");
				input.addEventListener("change", (e) => { e.stopImmediatePropagation(); window.began = performance.now(); add([{file: input.files[0], place: "upload %d.bin"}], %q); }, true);
				const look = () => {
					const now = performance.now(), bar = document.querySelector("#uploads .uploads-bar");
					if (window.began && !window.sent && bar.value >= 1) window.sent = now - window.began;
					if (window.sent && document.querySelector("#uploads.is-finished")) window.all = now - window.began; else setTimeout(look, 50);
				};
				look();
				return true;
			})()`, i, to), nil)); err != nil {
			return err
		}
		if err := chromedp.Run(ctx, chromedp.SetUploadFiles(`#uploads [data-files]`, []string{filepath.Join(s.dir, "large.bin")}, chromedp.ByQuery)); err != nil {
			return err
		}
		ready, cancel := context.WithTimeout(ctx, 10*time.Minute)
		err := await(ready, 100*time.Millisecond, func() bool { d, err := evaluate(ctx, `window.all || 0`); return err == nil && d > 0 })
		cancel()
		if err != nil {
			return err
		}
		s, err := evaluate(ctx, `window.sent`)
		if err != nil {
			return err
		}
		a, err := evaluate(ctx, `window.all`)
		if err != nil {
			return err
		}
		sent, all = append(sent, s), append(all, a)
	}
	speed := func(d time.Duration) string { return fmt.Sprintf("%.0f MB/s", float64(c.large)/1e6/d.Seconds()) }
	r.row("upload of "+mib(c.large), speed(median(sent)), "with its revision "+speed(median(all)), "goal: 100 MB/s")
	return nil
}
