package web

import (
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
}

// setAppearance keeps theme, language, density and time zone of this browser.
func (s *Server) setAppearance(x *exchange) error {
	for name, values := range choices {
		if v := x.r.PostFormValue(name); slices.Contains(values, v) {
			x.setCookie(name, v, year)
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

// chosen returns what was chosen for this browser, or the first value there is.
func chosen(r *http.Request, name string) string {
	if c, err := r.Cookie(name); err == nil && slices.Contains(choices[name], c.Value) {
		return c.Value
	}
	return choices[name][0]
}

var matcher = language.NewMatcher([]language.Tag{language.English, language.French})

// languageOf returns the chosen language, or the one that the browser prefers.
func (s *Server) languageOf(r *http.Request) string {
	if c, err := r.Cookie(cookieLang); err == nil && slices.Contains(choices[cookieLang], c.Value) {
		return c.Value
	}
	// A malformed header is the same as none: English.
	tags, _, _ := language.ParseAcceptLanguage(r.Header.Get("Accept-Language"))
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
