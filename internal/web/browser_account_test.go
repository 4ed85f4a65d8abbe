package web

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/internal/web/webtest"
)

// doorForm is the form of the pages before one is signed in.
const doorForm = `.door-body form`

// TestSetupStory goes from a server without anybody to an invitation that was taken up.
func TestSetupStory(t *testing.T) {
	everyLook(t, bareTestServer, func(t *testing.T, y *story) {
		first, err := y.hub.Admin(store.Console).Bootstrap(t.Context(), "admin")
		if err != nil {
			t.Fatal(err)
		}
		tab := y.tab("")
		tab.Expect("422")
		y.visit(tab, "setup-door", "/signin")
		tab.Press(`a[href="/setup"]`)
		tab.Until(`document.querySelector("#code")`)
		you := map[string]string{"code": first.SetupCode, "server": "Ateliers du Goulet", "display": "Maëlle Kerjean", "name": "maelle", "password": "password123"}
		tab.Fill(doorForm, you)
		tab.Until(`document.querySelector('[role="alert"]')`)
		y.checked(tab, "setup-refused")
		you["password"] = passphrase
		tab.Fill(doorForm, you)
		tab.Until(`location.pathname === "/setup/folders" && document.querySelector("#other")`)
		y.checked(tab, "setup-folders")
		tab.Fill(doorForm, map[string]string{"other": "Photos of the quay"})
		tab.Until(`location.pathname === "/setup/invite" && document.querySelector("#people")`)
		tab.Fill(doorForm, map[string]string{"people": "tom\naicha"})
		tab.Until(`document.querySelector("#link-1")`)
		y.checked(tab, "setup-invite")
		var link string
		tab.Eval(`document.querySelector("#link-0").textContent`, &link)

		// Whoever has the link chooses a password, and learns how to connect a machine.
		join := y.tab("")
		u, err := url.Parse(link)
		if err != nil {
			t.Fatal(err)
		}
		y.visit(join, "setup-join", u.Path)
		join.Fill(doorForm, map[string]string{"password": "trois marmottes sifflent tard"})
		join.Until(`document.querySelector("#join-line")?.textContent.startsWith("havre join ") && !document.querySelector("#password")`)
		y.checked(join, "setup-joined")
		join.Press(`.door-body a[href="/"]`)
		join.Until(`location.pathname !== "/signin" && document.querySelector("#main h1")`)
		y.checked(join, "setup-files")
	})
}

// signIn types a name and a password on the page for it.
func (y *story) signIn(tab *webtest.Tab, name, password string) {
	y.t.Helper()
	tab.Open("/signin")
	tab.Fill(doorForm, map[string]string{"name": name, "password": password})
}

// TestAccountStory is what one does with one's own account: a password, a second factor with codes for the case
// that it is lost, sessions elsewhere, and how pages look.
func TestAccountStory(t *testing.T) {
	everyLook(t, newTestServer, func(t *testing.T, y *story) {
		y.choose("tom")
		tab := y.tab("")
		tab.Expect("422")
		y.signIn(tab, "tom", "not this one")
		tab.Until(`document.querySelector('[role="alert"]')`)
		y.checked(tab, "account-wrong")
		y.signIn(tab, "tom", passphrase)
		tab.Until(`location.pathname === "/" && document.querySelector("#main h1")`)

		// A second factor.
		tab.Open("/me")
		y.checked(tab, "account-me")
		tab.Press(`a[href="/me/factor"]`)
		tab.Until(`document.querySelector("#secret")`)
		y.checked(tab, "account-factor")
		var secret string
		tab.Eval(`document.querySelector("#secret").textContent`, &secret)
		code := func(ahead time.Duration) string {
			c, err := totp.GenerateCode(strings.ReplaceAll(secret, " ", ""), time.Now().Add(ahead))
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		tab.Fill(`form[action="/me/factor"]`, map[string]string{"code": "000000"})
		tab.Until(`document.querySelector('#main [role="alert"]')`)
		tab.Fill(`form[action="/me/factor"]`, map[string]string{"code": code(-30 * time.Second)})
		tab.Until(`document.querySelector("#codes")`)
		y.checked(tab, "account-codes")
		var codes string
		tab.Eval(`document.querySelector("#codes").textContent`, &codes)

		// Elsewhere it is asked for; a code for the case that it is lost opens too, once.
		other := y.tab("")
		other.Expect("422")
		other.Expect("401")
		y.signIn(other, "tom", passphrase)
		other.Until(`document.querySelector('[name="ticket"]')`)
		y.checked(other, "account-code")
		other.Fill(doorForm, map[string]string{"code": "123456"})
		other.Until(`document.querySelector('[role="alert"]') && document.querySelector('[name="ticket"]')`)
		other.Fill(doorForm, map[string]string{"code": code(0)})
		other.Until(`location.pathname === "/"`)
		third := y.tab("")
		y.signIn(third, "tom", passphrase)
		third.Until(`document.querySelector('[name="ticket"]')`)
		third.Fill(doorForm, map[string]string{"code": strings.Fields(codes)[3]})
		third.Until(`location.pathname === "/"`)
		third.Open("/me")
		y.sees(third, "account.factor.left", "n", 9)

		// The sessions elsewhere are seen, and ended.
		tab.Open("/me")
		tab.Until(`document.querySelectorAll('[action="/me/sessions/end"] [name="id"]').length >= 3`)
		y.checked(tab, "account-sessions")
		tab.Press(`form[action="/me/sessions/end"].buttons button`)
		tab.Until(`document.readyState === "complete" && document.querySelectorAll('[action="/me/sessions/end"] [name="id"]').length === 1`)
		other.Eval(`location.assign("/me"); true`, nil) // it may be on its way by itself
		other.Until(`location.pathname === "/signin"`)

		// Another password; the second factor goes with the present one only.
		tab.Fill(`form[action="/me/password"]`, map[string]string{"present": passphrase, "password": "correct horse battery staple"})
		tab.Until(`location.search === "?saved=password" && document.querySelector("#me-password").closest("section").querySelector(".saved")`)
		tab.Fill(`form[action="/me/factor/remove"]`, map[string]string{"present": passphrase})
		tab.Until(`document.querySelector('#main [role="alert"]')`)
		y.checked(tab, "account-refused")
		tab.Fill(`form[action="/me/factor/remove"]`, map[string]string{"present": "correct horse battery staple"})
		tab.Until(`document.readyState === "complete" && document.querySelector('a[href="/me/factor"]')`)

		// Out.
		tab.Press(`form.section[action="/signout"] button`)
		tab.Until(`location.pathname === "/signin"`)
	})
}
