package web

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"time"

	"golang.org/x/text/language"
)

// year is how long the browser keeps what a person chose for it, in seconds.
const year = 365 * 24 * 60 * 60

// choices are what can be chosen for a browser, and the values.
var choices = map[string][]string{
	cookieTheme:   {"auto", "light", "dark"},
	cookieLang:    {"en", "fr"},
	cookieDensity: {"normal", "compact"},
	cookieLetters: {"on", "off"},
}

// setAppearance keeps theme, language, density and letters as keys with the account, so that they are the same in all
// browsers of the person, and in this browser, which shows pages to strangers too; its time zone only here.
func (s *Server) setAppearance(x *exchange) error {
	kept := map[string]string{}
	if x.session != nil {
		kept = preferences(x.session.User.Preferences)
	}
	for name, values := range choices {
		if v := x.r.PostFormValue(name); slices.Contains(values, v) {
			x.setCookie(name, v, year)
			kept[name] = v
		}
	}
	if x.session != nil {
		b, err := json.Marshal(kept)
		if err != nil {
			return err
		}
		if string(b) != x.session.User.Preferences {
			if err := s.hub.SetPreferences(x.ctx(), x.session, string(b)); err != nil {
				return err
			}
		}
	}
	if v := x.r.PostFormValue(cookieZone); v != "" && len(v) < 64 {
		if _, err := time.LoadLocation(v); err == nil {
			x.setCookie(cookieZone, v, year)
		}
	}
	if x.r.Header.Get("X-Quiet") != "" {
		x.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return x.redirect(x.back("/"))
}

// preferences reads what an account keeps; what cannot be read, or is no choice any more, is left out.
func preferences(text string) map[string]string {
	kept := map[string]string{}
	if json.Unmarshal([]byte(text), &kept) != nil {
		return map[string]string{}
	}
	maps.DeleteFunc(kept, func(name, value string) bool { return !slices.Contains(choices[name], value) })
	return kept
}

// chosen returns what the person chose, else what was chosen in this browser, else the first value there is.
func (x *exchange) chosen(name string) string {
	if v := x.choice(name); v != "" {
		return v
	}
	return choices[name][0]
}

// choice is chosen, or "" if nobody chose.
func (x *exchange) choice(name string) string {
	if x.session != nil {
		if v := preferences(x.session.User.Preferences)[name]; v != "" {
			return v
		}
	}
	if c, err := x.r.Cookie(name); err == nil && slices.Contains(choices[name], c.Value) {
		return c.Value
	}
	return ""
}

var matcher = language.NewMatcher([]language.Tag{language.English, language.French})

// language returns the chosen language, or the one that the browser prefers.
func (x *exchange) language() string {
	if v := x.choice(cookieLang); v != "" {
		return v
	}
	// A malformed header is the same as none: English.
	tags, _, _ := language.ParseAcceptLanguage(x.r.Header.Get("Accept-Language"))
	_, i, _ := matcher.Match(tags...)
	return choices[cookieLang][i]
}

// zoneOf returns the browser's time zone, or the server's.
func zoneOf(r *http.Request) *time.Location {
	if c, err := r.Cookie(cookieZone); err == nil && c.Value != "" && len(c.Value) < 64 {
		if z, err := time.LoadLocation(c.Value); err == nil {
			return z
		}
	}
	return time.Local //nolint:gosmopolitan // the server's clock is the best guess
}
