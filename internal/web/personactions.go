package web

import (
	"cmp"
	"net/url"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/internal/store"
)

// linkPage is what people/link shows: an address that is shown once.
type linkPage struct {
	Title, Answer string
	Name, Person  string // whose, and the address of the page
	Link, Letter  string
	Mail          string // address that opens a message with the letter
	Expires       time.Time
}

// showLink answers with the link of an invitation, the one time that it is known. kind is "invite" or
// "reset".
func (s *Server) showLink(x *exchange, u *store.User, inv *hub.Invitation, kind string) error {
	short := shortName(u.DisplayName)
	p := linkPage{
		Title:  x.t("people.link."+kind+".title", "name", u.DisplayName),
		Answer: x.t("people.link."+kind+".answer", "name", short),
		Name:   short, Person: personAddress(u.Name), Link: s.invitationLink(x, inv.Secret), Expires: inv.Expires,
	}
	p.Letter = x.t("people.letter."+kind, "name", short, "server", x.hub.ServerName(), "login", u.Name, "link", p.Link,
		"date", x.moment(inv.Expires), "from", x.session.User.DisplayName)
	if u.Email != "" {
		// mailto: wants %20 for spaces, not +.
		enc := func(t string) string { return strings.ReplaceAll(url.QueryEscape(t), "+", "%20") }
		p.Mail = "mailto:" + url.PathEscape(u.Email) + "?subject=" + enc(x.t("people.letter.subject", "server", x.hub.ServerName())) +
			"&body=" + enc(strings.ReplaceAll(p.Letter, "\n", "\r\n"))
	}
	return x.pageStatus(200, "people/link", page{Title: p.Title, Nav: navAdmin, At: "people", Data: p})
}

// invitePerson makes an account and its invitation.
func (s *Server) invitePerson(x *exchange) error {
	if err := x.parseForm(); err != nil {
		return err
	}
	f := x.readPersonForm()
	f.New, f.Action, f.Back = true, "/admin/people", "/admin/people"
	if f.Name == "" {
		f.Name = f.Display
	}
	again := func(wrong string) error {
		f.Wrong = wrong
		return s.peopleWith(x, 422, func(p *peoplePage) { p.Form = f })
	}
	if f.Wrong != "" {
		return again(f.Wrong)
	}
	people := []store.ImportedPerson{{
		Name: f.Name, DisplayName: cmp.Or(f.Display, f.Name), Email: f.Email, Role: f.role, Join: f.Chosen, SecretHash: "new",
		Expires: f.expires, Quota: f.quota,
	}}
	invitations, err := x.admin().ImportPeople(x.ctx(), people)
	if wrong := x.typed(err); wrong != "" {
		return again(wrong)
	}
	if err != nil {
		return err
	}
	u := &store.User{Name: f.Name, DisplayName: people[0].DisplayName, Email: f.Email}
	return s.showLink(x, u, &invitations[0], "invite")
}

// invitePersonAgain makes another invitation for somebody who has not come yet.
func (s *Server) invitePersonAgain(x *exchange) error {
	u, err := x.chosenPerson()
	if err != nil {
		return err
	}
	inv, err := x.admin().Invite(x.ctx(), u.Name)
	if err != nil {
		return err
	}
	return s.showLink(x, &u, inv, "invite")
}

// resetPerson makes an address at which the person chooses a new password, and takes the second factor
// away if that is asked for.
func (s *Server) resetPerson(x *exchange) error {
	u, err := x.chosenPerson()
	if err != nil {
		return err
	}
	if x.r.PostFormValue("factor") == "1" && u.SecondFactor {
		if err := x.admin().RemoveSecondFactor(x.ctx(), u.Name); err != nil {
			return err
		}
	}
	inv, err := x.admin().InvitePassword(x.ctx(), u.Name)
	if err != nil {
		return err
	}
	return s.showLink(x, &u, inv, "reset")
}

// changePerson changes what is known of an account.
func (s *Server) changePerson(x *exchange) error {
	u, err := x.chosenPerson()
	if err != nil {
		return err
	}
	f := x.readPersonForm()
	f.Name, f.Action, f.Back = u.Name, personAddress(u.Name)+"/change", personAddress(u.Name)
	again := func(wrong string) error {
		f.Wrong = wrong
		return s.personWith(x, 422, func(p *personPage) { p.Form = f })
	}
	if f.Wrong != "" {
		return again(f.Wrong)
	}
	if u.ID == x.session.User.ID && (f.role != u.Role || (!f.expires.IsZero() && f.expires.Before(x.now))) {
		return again(x.t("people.form.wrong.self"))
	}
	err = x.admin().ChangeUser(x.ctx(), u.Name, func(n *store.User) {
		n.DisplayName, n.Email, n.Role, n.Expires, n.Quota = f.Display, f.Email, f.role, f.expires, f.quota
	})
	if wrong := x.typed(err); wrong != "" {
		return again(wrong)
	}
	if err != nil {
		return err
	}
	x.toast(x.t("people.changed", "name", f.Display), nil)
	return x.redirect(personAddress(u.Name))
}

// errSelf is for what nobody should do to the own account.
func (x *exchange) errSelf() error {
	return &havre.Error{Code: havre.CodeInvalid, Text: x.t("people.self")}
}

// suspendPerson closes or reopens an account. It can be undone, so it happens at once.
func (s *Server) suspendPerson(x *exchange) error {
	u, err := x.chosenPerson()
	if err != nil {
		return err
	}
	suspend := x.r.PostFormValue("suspend") == "1"
	if u.ID == x.session.User.ID {
		return x.errSelf()
	}
	if err := x.admin().SetUserDisabled(x.ctx(), u.Name, suspend); err != nil {
		return err
	}
	key, other := "people.reactivated", "1"
	if suspend {
		key, other = "people.suspended", "0"
	}
	x.toast(x.t(key, "name", u.DisplayName), &undo{Action: personAddress(u.Name) + "/suspend", Fields: map[string]string{"suspend": other}})
	return x.redirect(x.back(personAddress(u.Name)))
}

// joinGroup puts a person into a group.
func (s *Server) joinGroup(x *exchange) error {
	u, err := x.chosenPerson()
	if err != nil {
		return err
	}
	d, err := readDirectory(x.ctx(), x.admin())
	if err != nil {
		return err
	}
	g := d.group(x.r.PostFormValue("group"))
	if g == nil {
		return notFound()
	}
	if err := x.admin().SetMember(x.ctx(), g.ID, u.ID, true); err != nil {
		return err
	}
	x.toastMember("groups.added", g, &u, nil, "remove")
	return x.redirect(personAddress(u.Name))
}

// signOutPerson ends all sessions in browsers.
func (s *Server) signOutPerson(x *exchange) error {
	u, err := x.chosenPerson()
	if err != nil {
		return err
	}
	if err := x.admin().EndSessions(x.ctx(), u.Name); err != nil {
		return err
	}
	x.toast(x.t("people.signedout", "name", u.DisplayName), nil)
	return x.redirect(personAddress(u.Name))
}

// deletePerson deletes an account. Its files stay, and so does its name in the history.
func (s *Server) deletePerson(x *exchange) error {
	u, err := x.chosenPerson()
	if err != nil {
		return err
	}
	if u.ID == x.session.User.ID {
		return x.errSelf()
	}
	if err := x.admin().DeleteUser(x.ctx(), u.Name); err != nil {
		return err
	}
	x.toast(x.t("people.deleted", "name", u.DisplayName), nil)
	return x.redirect("/admin/people")
}
