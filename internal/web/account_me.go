package web

import (
	"encoding/base64"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"rsc.io/qr"

	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/internal/store"
)

// mine is the person's own page.
type mine struct {
	User      store.User
	Sessions  []mySession
	CodesLeft int
	Required  bool // to administer, the person needs a second factor
	Now       time.Time
	Saved     string // which section was saved just now
	Wrong     map[string]string
	Display   string
	Email     string
	Usage     hub.Usage
	Feed      string // its address, when it was made just now
	HasFeed   bool
}

type mySession struct {
	store.Session
	This    bool
	Browser string
}

func (s *Server) mePage(x *exchange) error {
	return s.showMe(x, http.StatusOK, &mine{Saved: x.r.FormValue("saved")})
}

func (s *Server) showMe(x *exchange, status int, v *mine) error {
	v.User, v.Required, v.Now = x.session.User, x.session.NeedsFactor, x.now
	if v.Display == "" {
		v.Display, v.Email = v.User.DisplayName, v.User.Email
	}
	if v.Wrong == nil {
		v.Wrong = map[string]string{}
	}
	for _, k := range []string{"profile", "password", "factor"} {
		v.Wrong[k] += ""
	}
	sessions, err := s.hub.Sessions(x.ctx(), x.session)
	if err != nil {
		return err
	}
	for _, o := range sessions {
		v.Sessions = append(v.Sessions, mySession{o, o.ID == x.session.ID, browserName(o.Agent)})
	}
	if v.Usage, err = s.hub.Usage(x.ctx(), v.User.ID); err != nil {
		return err
	}
	if v.HasFeed, err = s.hub.HasFeed(x.ctx(), x.session); err != nil {
		return err
	}
	if v.User.SecondFactor {
		if v.CodesLeft, err = s.hub.RecoveryCodesLeft(x.ctx(), x.session); err != nil {
			return err
		}
	}
	return x.pageStatus(status, "account/me", page{Title: x.t("account.me.title"), Nav: navFiles, At: "me", Data: v})
}

// browserName makes a few words of what a browser calls itself.
func browserName(agent string) string {
	pick := func(pairs ...string) string {
		for i := 0; i+1 < len(pairs); i += 2 {
			if strings.Contains(agent, pairs[i]) {
				return pairs[i+1]
			}
		}
		return ""
	}
	name := pick("Edg/", "Edge", "OPR/", "Opera", "Firefox/", "Firefox", "Chrome/", "Chrome", "Safari/", "Safari", "curl/", "curl")
	system := pick("Android", "Android", "iPhone", "iPhone", "iPad", "iPad", "Windows", "Windows", "Mac OS", "macOS", "Linux", "Linux")
	return strings.Trim(name+", "+system, ", ")
}

func (s *Server) changeProfile(x *exchange) error {
	display, email := x.r.PostFormValue("display"), x.r.PostFormValue("email")
	err := s.hub.ChangeProfile(x.ctx(), x.session, display, email)
	if wrong := x.sayable(err); wrong != "" {
		return s.showMe(x, http.StatusUnprocessableEntity, &mine{Display: display, Email: email, Wrong: map[string]string{"profile": wrong}})
	}
	if err != nil {
		return err
	}
	return x.redirect("/me?saved=profile")
}

func (s *Server) changePassword(x *exchange) error {
	err := s.hub.ChangePassword(x.ctx(), x.session, x.r.PostFormValue("present"), x.r.PostFormValue("password"))
	wrong := x.passwordWrong(err)
	if wrong == "" {
		wrong = x.sayable(err)
	}
	if wrong != "" {
		return s.showMe(x, http.StatusUnprocessableEntity, &mine{Wrong: map[string]string{"password": wrong}})
	}
	if err != nil {
		return err
	}
	return x.redirect("/me?saved=password")
}

// factor is a second factor that is being set up, or the codes that come with it.
type factor struct {
	*hub.Factor
	Picture template.URL
	Wrong   string
	Codes   []string
	File    template.URL // of Codes
}

func (s *Server) factorPage(x *exchange) error {
	if x.session.User.SecondFactor {
		return x.redirect("/me")
	}
	f, err := s.hub.NewFactor(x.session)
	if err != nil {
		return err
	}
	return s.showFactor(x, http.StatusOK, &factor{Factor: f})
}

func (s *Server) showFactor(x *exchange, status int, f *factor) error {
	if f.Factor != nil && f.URL != "" {
		picture, err := qrPicture(f.URL)
		if err != nil {
			return err
		}
		f.Picture = picture
	}
	x.w.Header().Set("Cache-Control", "no-store")
	return x.pageStatus(status, "account/factor", page{
		Title: x.t("account.factor.title"), Nav: navFiles, At: "me", Data: f,
		Crumbs: []crumb{{x.t("account.me.title"), "/me"}},
	})
}

// qrPicture returns a QR code as a picture that a page can contain.
func qrPicture(text string) (template.URL, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return "", err
	}
	code.Scale = 6
	return template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(code.PNG())), nil //nolint:gosec // made by us
}

// maxSecret bounds the secret of a second factor that comes back with the form; ours are shorter.
const maxSecret = 64

func (s *Server) enableFactor(x *exchange) error {
	secret := x.r.PostFormValue("secret")
	if len(secret) > maxSecret {
		return x.redirect("/me/factor") // not one of ours, and it would not fit the picture
	}
	codes, err := s.hub.EnableFactor(x.ctx(), x.session, secret, x.r.PostFormValue("code"))
	if wrong := x.sayable(err); wrong != "" {
		return s.showFactor(x, http.StatusUnprocessableEntity, &factor{Factor: s.hub.FactorOf(x.session, secret), Wrong: x.t("account.factor.wrong")})
	}
	if err != nil {
		return err
	}
	return s.showFactor(x, http.StatusOK, &factor{
		Codes: codes,
		File:  template.URL("data:text/plain," + url.PathEscape(strings.Join(codes, "\r\n")+"\r\n")), //nolint:gosec // made by us
	})
}

func (s *Server) disableFactor(x *exchange) error {
	err := s.hub.DisableFactor(x.ctx(), x.session, x.r.PostFormValue("present"))
	if wrong := x.sayable(err); wrong != "" {
		return s.showMe(x, http.StatusUnprocessableEntity, &mine{Wrong: map[string]string{"factor": wrong}})
	}
	if err != nil {
		return err
	}
	x.toast(x.t("account.factor.removed"), nil)
	return x.redirect("/me")
}

// endSession signs one browser out, or all others.
func (s *Server) endSession(x *exchange) error {
	id := x.r.PostFormValue("id")
	var err error
	if id == "" {
		err = s.hub.EndOtherSessions(x.ctx(), x.session)
	} else {
		err = s.hub.EndSession(x.ctx(), x.session, id)
	}
	if err != nil {
		return err
	}
	if id == x.session.ID {
		x.setCookie(cookieSession, "", -1)
		return x.redirect("/signin")
	}
	x.toast(x.t("account.sessions.ended"), nil)
	return x.redirect("/me")
}
