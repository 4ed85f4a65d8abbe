package main

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/havre-cloud/havre/internal/web/webtest"
)

// TestFirstMinute goes from an empty directory to a first synchronised file as a person does: the
// administrator sets the server up in the browser, the invited person chooses a password in hers and
// joins with the line that the page shows. Both write.
func TestFirstMinute(t *testing.T) {
	begin := time.Now()
	dir := t.TempDir()
	server := start(t, "serve", "--data", filepath.Join(dir, "server"), "--listen", "127.0.0.1:0")
	server.await(readyPattern)
	said := server.out.String()
	code := regexp.MustCompile(`Setup code +(\S+)`).FindStringSubmatch(said)[1]
	b := webtest.Attach(t, "https://"+readyPattern.FindStringSubmatch(said)[1])

	admin := b.Tab(t, webtest.Desktop, map[string]string{"lang": "en"})
	admin.Open("/signin")
	admin.Axe("/signin")
	admin.Run(chromedp.Click(`a[href="/setup"]`), chromedp.WaitVisible(`#code`))
	admin.Screenshot("setup-1")
	admin.Axe("/setup")
	admin.Expect("422")
	fill := func(code, password string) {
		admin.Run(chromedp.SetValue(`#code`, code), chromedp.SetValue(`#server`, "Ateliers du Goulet"), chromedp.SetValue(`#display`, "Maëlle Kerjean"), chromedp.SetValue(`#name`, "maelle"),
			chromedp.SendKeys(`#password`, password), chromedp.Click(`.door-body form button.primary`))
	}
	fill(code, "password123")
	admin.Until(`document.querySelector('[role="alert"]')`)
	admin.Axe("/setup, refused")
	fill(code, "three odd marmots whistle")
	admin.Until(`location.pathname === "/setup/folders" && document.readyState === "complete"`)
	admin.Screenshot("setup-2")
	admin.Axe("/setup/folders")
	admin.Run(chromedp.SendKeys(`#other`, "Photos of the quay"), chromedp.Click(`.door-body form button.primary`))
	admin.Until(`location.pathname === "/setup/invite" && document.querySelector("#people")`)
	admin.Run(chromedp.SendKeys(`#people`, "tom"), chromedp.Click(`.door-body form button.primary`))
	admin.Until(`document.querySelector("#link-0")`)
	admin.Screenshot("setup-3")
	admin.Axe("/setup/invite")
	var link string
	admin.Eval(`document.querySelector("#link-0").textContent`, &link)

	tom := b.Tab(t, webtest.Phone, map[string]string{"lang": "fr"})
	path, _, _ := strings.Cut(strings.TrimPrefix(link, b.URL), "#")
	tom.Open(path)
	tom.Screenshot("join-1")
	tom.Axe("/join")
	tom.Run(chromedp.SendKeys(`#password`, "trois marmottes sifflent tard"), chromedp.Click(`.door-body form button.primary`))
	tom.Until(`!document.querySelector("#password") && document.querySelector("#join-line")`)
	tom.Screenshot("join-2")
	tom.Axe("/join, chosen")
	var line string
	tom.Eval(`document.querySelector("#join-line").textContent`, &line)
	invitation := strings.TrimSuffix(strings.TrimPrefix(line, "havre join '"), "'")
	if invitation != link {
		t.Errorf("the page says %q, the link is %q", line, link)
	}

	hers := device(t, dir, "maelle", invitationPattern.FindString(said))
	his := device(t, dir, "tom", invitation)
	for _, w := range []struct{ from, to string }{{his, hers}, {hers, his}} {
		name := filepath.Base(w.from) + ".txt"
		if err := os.WriteFile(filepath.Join(w.from, name), []byte("hello"), 0o600); err != nil {
			t.Fatal(err)
		}
		eventually(t, name, func() error {
			if got, err := os.ReadFile(filepath.Join(w.to, name)); err != nil || string(got) != "hello" {
				return errors.New("not there")
			}
			return nil
		})
	}
	if took := time.Since(begin); took > time.Minute {
		t.Errorf("it took %v", took)
	} else {
		t.Logf("it took %v", took)
	}

	// Signing out and in again works.
	tom.Open("/me")
	tom.Screenshot("me-phone")
	tom.Axe("/me")
	admin.Expect("404")
	admin.Open("/me")
	admin.Screenshot("me")
	admin.Run(chromedp.Click(`form.section[action="/signout"] button`))
	admin.Until(`location.pathname === "/signin" && document.readyState === "complete"`)
	admin.Screenshot("signin")
	admin.Until(`document.querySelector("h1").textContent === "Ateliers du Goulet"`)
	admin.Run(chromedp.SendKeys(`#name`, "maelle"), chromedp.SendKeys(`#password`, "not this one"), chromedp.Click(`.door-body form button.primary`))
	admin.Until(`document.querySelector('[role="alert"]')`)
	admin.Screenshot("signin-wrong")
	admin.Axe("/signin, refused")
	admin.Run(chromedp.SendKeys(`#password`, "three odd marmots whistle"), chromedp.Click(`.door-body form button.primary`))
	admin.Until(`location.pathname !== "/signin"`)
}

// device joins with the invitation and keeps the first folder in the directory that it returns.
func device(t *testing.T, dir, name, invitation string) string {
	t.Helper()
	at, home := filepath.Join(dir, name), filepath.Join(dir, "home-"+name)
	folder := regexp.MustCompile(`havre add (.+) DIR`).FindStringSubmatch(do(t, "join", "--home", home, "--name", name, invitation))[1]
	do(t, "add", "--home", home, strings.Trim(folder, `'"`), at)
	start(t, "run", "--home", home)
	return at
}
