package web

import (
	"errors"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
)

// accountRoutes are signing in and out, setting up and joining, and the person's own page.
func (s *Server) accountRoutes() []route {
	return []route{
		{pattern: "GET /signin", handle: s.signInPage},
		{pattern: "POST /signin", handle: s.signIn},
		{pattern: "POST /signout", need: needPerson, handle: s.signOut},
		{pattern: "GET /setup", handle: s.setupPage},
		{pattern: "POST /setup", handle: s.setUp},
		{pattern: "GET /setup/folders", need: needAdmin, handle: s.setupFoldersPage},
		{pattern: "POST /setup/folders", need: needAdmin, handle: s.setUpFolders},
		{pattern: "GET /setup/invite", need: needAdmin, handle: s.setupInvitePage},
		{pattern: "POST /setup/invite", need: needAdmin, handle: s.setupInvite},
		{pattern: "GET /join/{secret}", handle: s.joinPage},
		{pattern: "POST /join/{secret}", handle: s.join},
		{pattern: "GET /me", need: needPerson, handle: s.mePage},
		{pattern: "POST /me/profile", need: needPerson, handle: s.changeProfile},
		{pattern: "POST /me/password", need: needPerson, handle: s.changePassword},
		{pattern: "GET /me/factor", need: needPerson, handle: s.factorPage},
		{pattern: "POST /me/factor", need: needPerson, handle: s.enableFactor},
		{pattern: "POST /me/factor/remove", need: needPerson, handle: s.disableFactor},
		{pattern: "POST /me/sessions/end", need: needPerson, handle: s.endSession},
	}
}

// door is what the pages before signing in show.
type door struct {
	Server      string
	Fingerprint string // short, to be compared
	To          string // where the person wanted to go
	Name        string
	NeedsCode   bool
	Wrong       string // why it was refused
	Left        string // what the refusal means for the next try
	Setup       bool   // the server waits to be set up
}

func (s *Server) door(x *exchange) *door {
	return &door{Server: s.hub.ServerName(), Fingerprint: shortFingerprint(s.opts.Fingerprint), To: x.wanted()}
}

// shortFingerprint returns the beginning of a fingerprint in groups that can be read out.
func shortFingerprint(hex string) string {
	hex = strings.ToUpper(hex)
	if len(hex) < 12 {
		return ""
	}
	return hex[:4] + "·" + hex[4:8] + "·" + hex[8:12]
}

// wanted returns the address of this server that the person wants to reach by signing in.
func (x *exchange) wanted() string {
	to := x.r.FormValue("to")
	if !localAddress(to) || strings.HasPrefix(to, "/sign") {
		return "/"
	}
	return to
}

func (s *Server) signInPage(x *exchange) error {
	if x.session != nil {
		return x.redirect(x.wanted())
	}
	needs, err := s.hub.NeedsSetup(x.ctx())
	if err != nil {
		return err
	}
	d := s.door(x)
	d.Setup = needs
	return x.page("account/signin", page{Title: x.t("account.signin.title"), Data: d, Bare: true})
}

// signIn lets a person in by name and password, and then by the code of the second factor. The
// password is kept in the page meanwhile by nobody: it is typed again with the code, hidden.
func (s *Server) signIn(x *exchange) error {
	token, session, err := s.hub.SignIn(x.ctx(), hub.SignIn{
		Name: x.r.PostFormValue("name"), Password: x.r.PostFormValue("password"), Code: x.r.PostFormValue("code"),
		Address: x.r.RemoteAddr, Agent: x.r.UserAgent(),
	})
	refused, is := errors.AsType[*hub.SignInError](err)
	if err != nil && !is {
		return err
	}
	if err == nil {
		return x.enter(token, session, x.wanted())
	}
	d := s.door(x)
	d.Name, d.NeedsCode = x.r.PostFormValue("name"), refused.NeedsCode
	switch {
	case refused.Pause > 0:
		d.NeedsCode = false
		d.Wrong = x.t("account.signin.pause", "n", int(math.Ceil(refused.Pause.Minutes())))
	case refused.NeedsCode && x.r.PostFormValue("code") == "":
	case refused.NeedsCode:
		d.Wrong = x.t("account.signin.code.wrong")
	default:
		d.Wrong = x.t("account.signin.wrong", "name", d.Name)
		if refused.Left > 0 {
			d.Left = x.t("account.signin.left", "n", refused.Left)
		}
	}
	status := http.StatusOK
	if d.Wrong != "" {
		status = http.StatusUnprocessableEntity
	}
	name := "account/signin"
	if d.NeedsCode {
		return x.pageStatus(status, "account/code", page{Title: x.t("account.code.title"), Data: codeDoor{d, x.r.PostFormValue("password")}, Bare: true})
	}
	return x.pageStatus(status, name, page{Title: x.t("account.signin.title"), Data: d, Bare: true})
}

// codeDoor asks for the second factor. The page carries the password back; it is never stored.
type codeDoor struct {
	*door
	Password string
}

// enter gives the browser its token and leads on.
func (x *exchange) enter(token string, session *hub.Session, to string) error {
	x.session = session
	x.setCookie(cookieSession, token, int(time.Until(session.Expires).Seconds()))
	x.setCookie(cookieVisitor, "", -1)
	return x.redirect(to)
}

func (s *Server) signOut(x *exchange) error {
	if err := s.hub.SignOut(x.ctx(), x.session); err != nil {
		return err
	}
	x.setCookie(cookieSession, "", -1)
	// What the browser has of our pages is not for the next person at it.
	x.w.Header().Set("Clear-Site-Data", `"cache"`)
	return x.redirect("/signin")
}

// typed returns what a person can correct in what was typed, "" for another error.
func (x *exchange) passwordWrong(err error) string {
	weak, is := errors.AsType[*hub.WeakPasswordError](err)
	switch {
	case !is:
		return ""
	case weak.Short:
		return x.t("account.password.short", "n", hub.MinPassword)
	case weak.Long:
		return x.t("account.password.long")
	case weak.Name:
		return x.t("account.password.name")
	default:
		return x.t("account.password.guess")
	}
}

// sayable returns the sentence of an error that the person can do something about, "" for others.
func sayable(err error) string {
	e, is := errors.AsType[*havre.Error](err)
	if !is {
		return ""
	}
	switch e.Code {
	case havre.CodeInvalid, havre.CodeDenied, havre.CodeExists:
		return sentence(e.Text)
	case havre.CodeInternal, havre.CodeUnauthenticated, havre.CodeNotFound, havre.CodeFull, havre.CodeUnavailable, havre.CodeHistoryWentBack:
	}
	return ""
}
