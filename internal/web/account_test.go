package web

import (
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/havre-cloud/havre/internal/store"
)

const passphrase = "trois marmottes sifflent tard"

// cookieOf returns the value that an answer gives a cookie.
func (a answer) cookieOf(name string) string {
	for _, c := range a.Cookies() {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// choose lets a person choose a password, by an address for it, and keeps the session.
func (s *testServer) choose(name string) {
	s.t.Helper()
	inv, err := s.hub.Admin(store.Console).InvitePassword(s.t.Context(), name)
	if err != nil {
		s.t.Fatal(err)
	}
	a := s.post("", "/join/"+inv.Secret, url.Values{"password": {passphrase}})
	if s.tokens[name] = a.cookieOf(cookieSession); a.StatusCode != http.StatusSeeOther || s.tokens[name] == "" {
		s.t.Fatalf("choose a password: %d %s", a.StatusCode, a.body)
	}
}

func TestSignInPage(t *testing.T) {
	s := newTestServer(t)
	s.choose("tom")
	a := s.get("", "/me?saved=look")
	if to := a.Header.Get("Location"); a.StatusCode != http.StatusSeeOther || to != "/signin?to=%2Fme%3Fsaved%3Dlook" {
		t.Errorf("a stranger is led to %q, %d", to, a.StatusCode)
	}
	a = s.get("", "/signin?to=/f/Projets")
	for _, want := range []string{"<h1>Ateliers du Goulet</h1>", "ABAB·ABAB·ABAB", `value="/f/Projets"`, `autocomplete="current-password"`} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	a = s.post("", "/signin", url.Values{"name": {"tom"}, "password": {"guess"}})
	if a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.body, "This is not the password of tom. 4 tries left before a pause of 5 minutes.") {
		t.Errorf("a wrong password: %d", a.StatusCode)
	}
	if strings.Contains(a.body, "guess") || a.cookieOf(cookieSession) != "" {
		t.Error("the page repeats the password, or lets in")
	}
	a = s.post("", "/signin", url.Values{"name": {"tom"}, "password": {passphrase}, "to": {"/f/Projets"}})
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/f/Projets" {
		t.Fatalf("signed in: %d to %q", a.StatusCode, a.Header.Get("Location"))
	}
	token := a.cookieOf(cookieSession)
	for _, c := range a.Cookies() {
		if c.Name == cookieSession && (!c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteLaxMode || c.MaxAge > 12*60*60) {
			t.Errorf("the cookie is %s", c)
		}
	}
	if token == s.tokens["tom"] {
		t.Error("the session is no new one")
	}
	s.tokens["tom"] = token
	if a = s.get("tom", "/signin?to=//elsewhere.test/"); a.Header.Get("Location") != "/" {
		t.Errorf("who is signed in is led to %q", a.Header.Get("Location"))
	}
	if a = s.post("tom", "/signout", nil); a.StatusCode != http.StatusSeeOther {
		t.Errorf("signed out: %d", a.StatusCode)
	}
	if a = s.get("tom", "/me"); a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), "/signin") {
		t.Errorf("after signing out: %d", a.StatusCode)
	}
}

func TestPauseIsSaid(t *testing.T) {
	s := newTestServer(t)
	s.choose("tom")
	var a answer
	for range 5 {
		a = s.post("", "/signin", url.Values{"name": {"tom"}, "password": {"guess"}})
	}
	if !strings.Contains(a.body, "5 minutes") || strings.Contains(a.body, "tries left") {
		t.Errorf("the fifth wrong password: %d", a.StatusCode)
	}
	if a = s.post("", "/signin", url.Values{"name": {"tom"}, "password": {passphrase}}); a.cookieOf(cookieSession) != "" {
		t.Error("no pause for the right password")
	}
	// Whether there is such a person makes no difference.
	for range 5 {
		a = s.post("", "/signin", url.Values{"name": {"nobody"}, "password": {"guess"}})
	}
	if !strings.Contains(a.body, "5 minutes") {
		t.Error("an unknown name gets no pause")
	}
	if a = s.get("tom", "/me"); a.StatusCode != http.StatusOK {
		t.Errorf("who is signed in is touched: %d", a.StatusCode)
	}
}

// TestOpenRedirects: signing in leads to this server only.
func TestOpenRedirects(t *testing.T) {
	s := newTestServer(t)
	s.choose("tom")
	for _, to := range []string{"//elsewhere.test/", "https://elsewhere.test/", `/\elsewhere.test`, "/\t/elsewhere.test", "javascript:alert(1)", "/signout", ""} {
		a := s.post("", "/signin", url.Values{"name": {"tom"}, "password": {passphrase}, "to": {to}})
		if got := a.Header.Get("Location"); got != "/" {
			t.Errorf("%q leads to %q", to, got)
		}
	}
}

// TestSessionFixation: a token that somebody else has put into the browser is never let in.
func TestSessionFixation(t *testing.T) {
	s := newTestServer(t)
	s.choose("tom")
	planted := "planted-by-somebody-else"
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "https://havre.test/signin",
		strings.NewReader(url.Values{"name": {"tom"}, "password": {passphrase}, "csrf": {s.csrf("")}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.AddCookie(&http.Cookie{Name: cookieSession, Value: planted})
	a := s.do("", r)
	if got := a.cookieOf(cookieSession); got == "" || got == planted {
		t.Errorf("signed in with the token %q", got)
	}
	s.tokens["eve"] = planted
	if a := s.get("eve", "/me"); a.StatusCode != http.StatusSeeOther {
		t.Errorf("the planted token: %d", a.StatusCode)
	}
}

func TestSecondFactorPages(t *testing.T) {
	s := newTestServer(t)
	s.choose("tom")
	a := s.get("tom", "/me/factor")
	m := regexp.MustCompile(`name="secret" value="([A-Z2-7]+)"`).FindStringSubmatch(a.body)
	if m == nil || a.Header.Get("Cache-Control") != "no-store" || !strings.Contains(a.body, "data:image/png;base64,") {
		t.Fatalf("the page to begin with: %d, %q", a.StatusCode, a.Header.Get("Cache-Control"))
	}
	code := func(d time.Duration) string {
		c, err := totp.GenerateCode(m[1], time.Now().Add(d))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if a = s.post("tom", "/me/factor", url.Values{"secret": {m[1]}, "code": {"12345"}}); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.body, m[1]) {
		t.Errorf("a wrong code: %d", a.StatusCode)
	}
	a = s.post("tom", "/me/factor", url.Values{"secret": {m[1]}, "code": {code(-30 * time.Second)}})
	codes := regexp.MustCompile(`\b[a-z2-7]{5}-[a-z2-7]{5}\b`).FindAllString(a.body[strings.Index(a.body, "<pre"):strings.Index(a.body, "</pre>")], -1)
	if len(codes) != 10 || !strings.Contains(a.body, "data:text/plain,") {
		t.Fatalf("%d recovery codes, %d", len(codes), a.StatusCode)
	}
	a = s.post("", "/signin", url.Values{"name": {"tom"}, "password": {passphrase}, "to": {"/f/Projets"}})
	ticket := regexp.MustCompile(`name="ticket" value="([^"]+)"`).FindStringSubmatch(a.body)
	if ticket == nil || a.cookieOf(cookieSession) != "" || strings.Contains(html.UnescapeString(a.body), passphrase) {
		t.Fatalf("the password alone: %d", a.StatusCode)
	}
	try := func(code string) answer {
		return s.post("", "/signin", url.Values{"ticket": {ticket[1]}, "code": {code}, "to": {"/f/Projets"}})
	}
	if a = try("000000"); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.body, `name="ticket"`) {
		t.Errorf("a wrong code: %d", a.StatusCode)
	}
	good := code(0)
	if a = try(good); a.Header.Get("Location") != "/f/Projets" || a.cookieOf(cookieSession) == "" {
		t.Errorf("a good code: %d", a.StatusCode)
	}
	if a = try(good); a.cookieOf(cookieSession) != "" {
		t.Error("a code is good twice")
	}
	if a = try(codes[3]); a.cookieOf(cookieSession) == "" {
		t.Errorf("a recovery code: %d", a.StatusCode)
	}
	if a = s.get("tom", "/me"); !strings.Contains(a.body, "9 recovery codes") {
		t.Error("the page does not say how many codes are left")
	}
	if a = s.post("tom", "/me/factor/remove", url.Values{"present": {"guess"}}); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("removed without the password: %d", a.StatusCode)
	}
	s.post("tom", "/me/factor/remove", url.Values{"present": {passphrase}})
	if a = s.post("", "/signin", url.Values{"name": {"tom"}, "password": {passphrase}}); a.cookieOf(cookieSession) == "" {
		t.Errorf("without a second factor again: %d", a.StatusCode)
	}
}

func TestOwnPage(t *testing.T) {
	s := newTestServer(t)
	s.choose("tom")
	first := s.tokens["tom"]
	a := s.post("", "/signin", url.Values{"name": {"tom"}, "password": {passphrase}})
	s.tokens["tom"], s.tokens["other"] = a.cookieOf(cookieSession), first
	if a = s.post("tom", "/me/profile", url.Values{"display": {"Tom W."}, "email": {"tom@example.org"}}); a.Header.Get("Location") != "/me?saved=profile" {
		t.Errorf("saved: %d %s", a.StatusCode, a.body)
	}
	if a = s.get("tom", "/me?saved=profile"); !strings.Contains(a.body, "Tom W.") || !strings.Contains(a.body, "Saved") {
		t.Error("the page does not show what was saved")
	}
	if a = s.post("tom", "/me/profile", url.Values{"display": {"Tom"}, "email": {"no address"}}); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.body, "no address") {
		t.Errorf("a wrong address: %d", a.StatusCode)
	}
	for _, row := range []struct{ present, password, says string }{
		{"guess", "correct horse battery staple", "present password"},
		{passphrase, "short", "10 characters"},
		{passphrase, "password123", "program"},
	} {
		a = s.post("tom", "/me/password", url.Values{"present": {row.present}, "password": {row.password}})
		if a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.body, row.says) {
			t.Errorf("%q, %q: %d, want %q", row.present, row.password, a.StatusCode, row.says)
		}
	}
	if a = s.post("tom", "/me/password", url.Values{"present": {passphrase}, "password": {"correct horse battery staple"}}); a.StatusCode != http.StatusSeeOther {
		t.Errorf("a good password: %d", a.StatusCode)
	}
	if a = s.get("other", "/me"); a.StatusCode != http.StatusSeeOther {
		t.Errorf("the other browser after a change of the password: %d", a.StatusCode)
	}
	if a = s.get("tom", "/me"); a.StatusCode != http.StatusOK {
		t.Errorf("this browser after a change of the password: %d", a.StatusCode)
	}
}

// TestOthersSessions: nobody ends or sees a session of somebody else.
func TestOthersSessions(t *testing.T) {
	s := newTestServer(t)
	m := regexp.MustCompile(`name="id" value="([a-z0-9]+)"`).FindStringSubmatch(s.get("aicha", "/me").body)
	if m == nil {
		t.Fatal("the page lists no session")
	}
	if strings.Contains(s.get("tom", "/me").body, m[1]) {
		t.Error("tom sees the session of aicha")
	}
	s.post("tom", "/me/sessions/end", url.Values{"id": {m[1]}})
	if a := s.get("aicha", "/me"); a.StatusCode != http.StatusOK {
		t.Errorf("tom has signed aicha out: %d", a.StatusCode)
	}
	if a := s.post("aicha", "/me/sessions/end", url.Values{"id": {m[1]}}); a.Header.Get("Location") != "/signin" {
		t.Errorf("aicha ends her own: %d", a.StatusCode)
	}
}

func TestJoinPage(t *testing.T) {
	s := newTestServer(t)
	ctx := t.Context()
	admin := s.hub.Admin(store.Console)
	if _, err := admin.AddUser(ctx, store.NewUser{Name: "ada", DisplayName: "Ada Le Bris", Role: store.RoleMember}); err != nil {
		t.Fatal(err)
	}
	inv, err := admin.Invite(ctx, "ada")
	if err != nil {
		t.Fatal(err)
	}
	a := s.get("", "/join/"+inv.Secret)
	line := "havre join &#39;https://havre.test/join/" + inv.Secret + "#sha256=" + strings.Repeat("ab", 32) + "&#39;"
	if a.StatusCode != http.StatusOK || !strings.Contains(a.body, line) || !strings.Contains(a.body, "Ada Le Bris") || !strings.Contains(a.body, "data:image/png") {
		t.Errorf("the invitation: %d", a.StatusCode)
	}
	if a.Header.Get("Referrer-Policy") != "no-referrer" {
		t.Error("the address of the invitation is passed on")
	}
	if a = s.post("", "/join/"+inv.Secret, url.Values{"password": {"azertyuiop"}}); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a weak password: %d", a.StatusCode)
	}
	a = s.post("", "/join/"+inv.Secret, url.Values{"password": {passphrase}})
	if s.tokens["ada"] = a.cookieOf(cookieSession); a.StatusCode != http.StatusSeeOther || s.tokens["ada"] == "" {
		t.Fatalf("a good password: %d", a.StatusCode)
	}
	if a = s.get("ada", a.Header.Get("Location")); !strings.Contains(a.body, line) || strings.Contains(a.body, `name="password"`) {
		t.Error("the page does not go on with the device")
	}
	for _, secret := range []string{"nonsense", strings.Repeat("a", 5000), "..%2f", "%00"} {
		if a = s.get("", "/join/"+secret); a.StatusCode != http.StatusNotFound {
			t.Errorf("/join/%.20s: %d", secret, a.StatusCode)
		}
	}
}

func TestSetupPages(t *testing.T) {
	s := bareTestServer(t)
	first, err := s.hub.Admin(store.Console).Bootstrap(t.Context(), "admin")
	if err != nil {
		t.Fatal(err)
	}
	if a := s.get("", "/signin"); !strings.Contains(a.body, `href="/setup"`) {
		t.Error("the page to sign in does not lead to the set-up")
	}
	fields := func(code string) url.Values {
		return url.Values{"code": {code}, "name": {"maelle"}, "display": {"Maëlle Kerjean"}, "password": {passphrase}}
	}
	if a := s.post("", "/setup", fields("AAAA-BBBB-CCCC")); a.StatusCode != http.StatusUnprocessableEntity || a.cookieOf(cookieSession) != "" {
		t.Errorf("a wrong code: %d", a.StatusCode)
	}
	a := s.post("", "/setup", fields(first.SetupCode))
	if s.tokens["maelle"] = a.cookieOf(cookieSession); a.Header.Get("Location") != "/setup/folders" {
		t.Fatalf("the right code: %d", a.StatusCode)
	}
	if a = s.post("", "/setup", fields(first.SetupCode)); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("the code is good twice: %d", a.StatusCode)
	}
	if a = s.get("", "/setup"); !strings.Contains(a.body, "/signin") || strings.Contains(a.body, `name="code"`) {
		t.Error("the set-up is still open")
	}
	if a = s.get("maelle", "/setup/folders"); a.StatusCode != http.StatusOK || !strings.Contains(a.body, "<progress") {
		t.Errorf("the second step: %d", a.StatusCode)
	}
	if a = s.post("maelle", "/setup/folders", url.Values{"folder": {"Projets"}, "other": {"a/b"}}); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a bad name of a folder: %d", a.StatusCode)
	}
	if a = s.post("maelle", "/setup/folders", url.Values{"folder": {"Projets"}, "other": {"Cartes"}}); a.Header.Get("Location") != "/setup/invite" {
		t.Errorf("the folders: %d", a.StatusCode)
	}
	a = s.post("maelle", "/setup/invite", url.Values{"people": {"tom\r\naicha, lena"}})
	links := regexp.MustCompile(`<code[^>]*>(https://havre\.test/join/[a-z0-9]+)`).FindAllStringSubmatch(a.body, -1)
	if len(links) != 3 {
		t.Fatalf("%d invitations, want 3: %d", len(links), a.StatusCode)
	}
	if a = s.get("", strings.TrimPrefix(links[0][1], "https://havre.test")); a.StatusCode != http.StatusOK || !strings.Contains(a.body, "tom") {
		t.Errorf("the invitation of tom: %d", a.StatusCode)
	}
	if a = s.post("maelle", "/setup/invite", url.Values{"people": {"tom"}}); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("tom twice: %d", a.StatusCode)
	}
}

func TestAdministratorsAreAskedForTheSecondFactor(t *testing.T) {
	s := newTestServer(t)
	if err := s.hub.Admin(store.Console).SetFactorRequired(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	s.choose("maelle")
	if a := s.get("maelle", "/admin/people"); a.Header.Get("Location") != "/me/factor" {
		t.Errorf("led to %q, %d", a.Header.Get("Location"), a.StatusCode)
	}
	if a := s.post("maelle", "/setup/invite", url.Values{"people": {"eve"}}); a.StatusCode == http.StatusOK {
		t.Error("she administers without a second factor")
	}
	if a := s.get("maelle", "/me"); !strings.Contains(a.body, "you need a second factor first") {
		t.Error("her page does not say so")
	}
}

// TestAppearanceIsKeptWithTheAccount: another browser of the same person looks the same, that of somebody else
// does not.
func TestAppearanceIsKeptWithTheAccount(t *testing.T) {
	s := newTestServer(t)
	wantStatus(t, s.post("tom", "/appearance", url.Values{"lang": {"fr"}, "theme": {"dark"}, "letters": {"off"}, "density": {"huge"}}), http.StatusSeeOther)
	wantText(t, s.get("tom", "/me"), `<html lang="fr" data-theme="dark" data-density="normal" data-letters="off"`) // no cookie is sent along
	wantStatus(t, s.post("tom", "/appearance", url.Values{"theme": {"light"}}), http.StatusSeeOther)
	wantText(t, s.get("tom", "/me"), `<html lang="fr" data-theme="light"`)
	wantText(t, s.get("priya", "/me"), `<html lang="en" data-theme="auto"`)
	wantText(t, s.get("", "/signin"), `<html lang="en" data-theme="auto"`)
	if u := s.user("tom"); u.Preferences != `{"lang":"fr","letters":"off","theme":"light"}` {
		t.Errorf("kept is %s", u.Preferences)
	}
	for _, broken := range []string{"", "[]", `{"theme":"pink","lang":5}`, "{"} {
		if got := preferences(broken); len(got) != 0 {
			t.Errorf("%q gives %v", broken, got)
		}
	}
}
