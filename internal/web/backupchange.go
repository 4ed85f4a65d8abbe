package web

import (
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/internal/source"
)

// backupChange does what the page of a document asks for.
func (s *Server) backupChange(x *exchange) error {
	d, err := s.document(x)
	if err != nil {
		return err
	}
	address := "/backups/" + url.PathEscape(string(d.ID))
	ctx, caller, title := x.ctx(), x.caller(), x.sourceTitle(d)
	var said string
	switch x.r.PostFormValue("do") {
	case "check":
		err, said = s.hub.CheckSource(ctx, caller, d.ID), x.t("backups.checking", "name", title)
	case "pause":
		err, said = s.hub.PauseSource(ctx, caller, d.ID), x.t("backups.paused", "name", title)
	case "resume":
		err, said = s.hub.ResumeSource(ctx, caller, d.ID), x.t("backups.resumed", "name", title)
	case "schedule":
		said, err = s.backupSchedule(x, d)
	case "secret":
		said, err = s.backupSecret(x, d)
	case "forget":
		err, said = s.hub.SetSource(ctx, caller, d.ID, hub.SourceChange{Forget: true}), x.t("backups.forgotten", "name", title)
	case "resolve":
		keep := hub.SuspectChoice(x.r.PostFormValue("keep"))
		if keep != hub.KeepGood && keep != hub.KeepSuspect {
			return notFound()
		}
		err, said = s.hub.ResolveSuspect(ctx, caller, d.ID, keep), x.t("backups.resolved", "name", title)
	case "name":
		said, err = s.nameAuthor(x, d)
		address = x.back(address)
	case "ask-remove":
		return x.redirect(address + "?remove")
	case "remove":
		err, said, address = s.hub.RemoveSource(ctx, caller, d.ID), x.t("backups.removed", "name", title), "/backups"
	default:
		return notFound()
	}
	if err != nil {
		return err
	}
	x.toast(said, nil)
	return x.redirect(address)
}

func (s *Server) backupSchedule(x *exchange, d *hub.Source) (string, error) {
	value := x.r.PostFormValue("schedule")
	live, every, err := x.parseSchedule(value)
	if err != nil {
		return "", err
	}
	return x.t("backups.scheduled", "name", x.sourceTitle(d), "when", x.scheduleWords(scheduleValue(live, every))),
		s.hub.SetSource(x.ctx(), x.caller(), d.ID, hub.SourceChange{Live: &live, Schedule: &every})
}

// backupSecret keeps a secret that was missing.
func (s *Server) backupSecret(x *exchange, d *hub.Source) (string, error) {
	secret := source.Secret(strings.TrimSpace(x.r.PostFormValue("secret")))
	more := source.Secrets{}
	switch x.r.PostFormValue("what") {
	case "address":
		more.Address = secret
	case "password":
		more.Password = secret
	case "session":
		more.Session = secret
	case "key":
		more.APIKey = secret
	default:
		return "", notFound()
	}
	if secret == "" || len(secret) > 4096 {
		return "", &havre.Error{Code: havre.CodeInvalid, Text: x.t("backups.why.address")}
	}
	err := s.hub.SetSource(x.ctx(), x.caller(), d.ID, hub.SourceChange{Secrets: &more})
	if err == nil {
		err = s.hub.CheckSource(x.ctx(), x.caller(), d.ID)
	}
	return x.t("backups.saved", "name", x.sourceTitle(d)), err
}

// nameAuthor gives an unnamed author of a pad a name, "" takes it away.
func (s *Server) nameAuthor(x *exchange, d *hub.Source) (string, error) {
	name := strings.TrimSpace(x.r.PostFormValue("name"))
	if len(name) > 400 || !utf8.ValidString(name) {
		return "", &havre.Error{Code: havre.CodeInvalid, Text: x.t("backups.name.long")}
	}
	said := x.t("backups.named", "name", visible(name))
	if name == "" {
		said = x.t("backups.unnamed.again")
	}
	return said, s.hub.NameAuthor(x.ctx(), x.caller(), d.ID, x.r.PostFormValue("author"), name)
}
