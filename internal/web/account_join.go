package web

import (
	"html/template"
	"net/http"
	"net/url"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
)

// joining is what the page of an invitation shows.
type joining struct {
	*door
	Unknown bool
	Person  string
	Name    string
	Choose  bool // a password
	Device  bool // a device can join
	Action  string
	Line    string // the command
	Link    string
	Picture template.URL // of Link
	Expires time.Time
}

// invitationLink returns the address of an invitation as it is sent to people: behind the # is the
// fingerprint by which their machine recognises the server.
func (s *Server) invitationLink(x *exchange, secret string) string {
	address := ""
	if s.opts.Address != nil {
		address = s.opts.Address(x.ctx())
	}
	if address == "" {
		address = x.r.Host
	}
	link := "https://" + address + "/join/" + url.PathEscape(secret)
	if s.opts.Fingerprint != "" {
		link += "#sha256=" + s.opts.Fingerprint
	}
	return link
}

func (s *Server) joinPage(x *exchange) error { return s.showJoin(x, http.StatusOK, "") }

func (s *Server) showJoin(x *exchange, status int, wrong string) error {
	secret := x.r.PathValue("secret")
	v := &joining{door: s.door(x), Action: "/join/" + url.PathEscape(secret)}
	v.Wrong = wrong
	inv, err := s.hub.Invitation(x.ctx(), secret, x.r.RemoteAddr)
	switch {
	case havre.CodeOf(err) == havre.CodeDenied && err != nil:
		v.Unknown, status = true, http.StatusNotFound
	case err != nil:
		return err
	default:
		if err := v.set(s, x, inv, secret); err != nil {
			return err
		}
	}
	// The address is a secret: nobody else is told it.
	x.w.Header().Set("Referrer-Policy", "no-referrer")
	x.w.Header().Set("Cache-Control", "no-store")
	return x.pageStatus(status, "account/join", page{Title: x.t("account.join.title"), Data: v, Bare: true})
}

func (v *joining) set(s *Server, x *exchange, inv *hub.InvitationState, secret string) (err error) {
	v.Person, v.Name = inv.User.DisplayName, inv.User.Name
	v.Choose, v.Device, v.Expires = inv.ChoosePassword, inv.Device, inv.Expires
	v.Link = s.invitationLink(x, secret)
	v.Line = "havre join '" + v.Link + "'"
	if v.Device {
		v.Picture, err = qrPicture(v.Link)
	}
	return err
}

// join sets the password that the invited person chose.
func (s *Server) join(x *exchange) error {
	secret := x.r.PathValue("secret")
	token, session, err := s.hub.Accept(x.ctx(), secret, x.r.PostFormValue("password"), x.r.RemoteAddr, x.r.UserAgent())
	if wrong := x.passwordWrong(err); wrong != "" {
		return s.showJoin(x, http.StatusUnprocessableEntity, wrong)
	}
	if wrong := x.sayable(err); wrong != "" {
		return s.showJoin(x, http.StatusUnprocessableEntity, wrong)
	}
	if err != nil {
		return err
	}
	if session == nil {
		return x.redirect("/signin")
	}
	// The page shows now how a device joins with the same invitation.
	return x.enter(token, session, "/join/"+url.PathEscape(secret))
}
