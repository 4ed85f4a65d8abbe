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
	Ticket      string // for the page that asks for the code
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

// signIn lets a person in by name and password, and then by the code of the second factor. Between the two
// the page carries a ticket, not the password.
func (s *Server) signIn(x *exchange) error {
	token, session, err := s.hub.SignIn(x.ctx(), hub.SignIn{
		Name: x.r.PostFormValue("name"), Password: x.r.PostFormValue("password"),
		Ticket: x.r.PostFormValue("ticket"), Code: x.r.PostFormValue("code"),
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
	d.Name, d.Ticket = x.r.PostFormValue("name"), refused.Ticket
	switch {
	case refused.Pause > 0:
		d.Ticket = ""
		d.Wrong = x.t("account.signin.pause", "n", int(math.Ceil(refused.Pause.Minutes())))
	case refused.Ticket != "" && x.r.PostFormValue("code") == "":
		return x.pageStatus(http.StatusOK, "account/code", page{Title: x.t("account.code.title"), Data: d, Bare: true})
	case refused.Ticket != "":
		d.Wrong = x.t("account.signin.code.wrong")
	case x.r.PostFormValue("ticket") != "":
		d.Wrong = x.t("account.signin.late")
	default:
		d.Wrong = x.t("account.signin.wrong", "name", d.Name)
	}
	if refused.Left > 0 && refused.Pause == 0 {
		d.Left = x.t("account.signin.left", "n", refused.Left)
	}
	name, title := "account/signin", x.t("account.signin.title")
	if d.Ticket != "" {
		name, title = "account/code", x.t("account.code.title")
	}
	return x.pageStatus(http.StatusUnprocessableEntity, name, page{Title: title, Data: d, Bare: true})
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
func (x *exchange) sayable(err error) string {
	e, is := errors.AsType[*havre.Error](err)
	if !is {
		return ""
	}
	switch e.Code {
	case havre.CodeInvalid, havre.CodeDenied, havre.CodeExists:
		return x.told(err)
	case havre.CodeInternal, havre.CodeUnauthenticated, havre.CodeNotFound, havre.CodeFull, havre.CodeUnavailable, havre.CodeHistoryWentBack:
	}
	return ""
}
