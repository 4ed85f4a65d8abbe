package web

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

var (
	months = map[string][]string{
		"en": {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"},
		"fr": {"janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août", "sept.", "oct.", "nov.", "déc."},
	}
	longMonths = map[string][]string{
		"en": {"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"},
		"fr": {"janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"},
	}
	days = map[string][]string{
		"en": {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"},
		"fr": {"dim.", "lun.", "mar.", "mer.", "jeu.", "ven.", "sam."},
	}
	longDays = map[string][]string{
		"en": {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"},
		"fr": {"dimanche", "lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi"},
	}
)

// ago returns a moment as lists show it: "4 min ago", "Today 08:15", "Wed 18:20", "12 Nov 2024".
func (x *exchange) ago(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	if d := x.now.Sub(t); d >= 0 && d < time.Minute {
		return x.t("core.now")
	} else if d >= 0 && d < time.Hour {
		return x.t("core.minutes", "n", int(d/time.Minute))
	}
	t, now := t.In(x.zone), x.now.In(x.zone)
	clock := t.Format("15:04")
	switch n := daysBetween(t, now); {
	case n == 0:
		return x.t("core.today", "clock", clock)
	case n == 1:
		return x.t("core.yesterday", "clock", clock)
	case n > 1 && n < 7:
		day := days[x.lang][t.Weekday()]
		return upperFirst(day) + "\u00a0" + clock
	}
	return x.day(t)
}

// day returns a date: "12 Nov", or "12 Nov 2024" in another year.
func (x *exchange) day(t time.Time) string {
	t, now := t.In(x.zone), x.now.In(x.zone)
	s := strconv.Itoa(t.Day()) + "\u00a0" + months[x.lang][t.Month()-1]
	if t.Year() != now.Year() {
		s += "\u00a0" + strconv.Itoa(t.Year())
	}
	return s
}

// exact returns a moment in full: "Tuesday 10 November 2026, 16:20:05".
func (x *exchange) exact(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	t = t.In(x.zone)
	return fmt.Sprintf("%s %d %s %d, %s", upperFirst(longDays[x.lang][t.Weekday()]), t.Day(), longMonths[x.lang][t.Month()-1], t.Year(), t.Format("15:04:05"))
}

// moment returns a moment in a sentence: "Tuesday 10 November, 16:20", « mardi 10 novembre à 16:20 ».
func (x *exchange) moment(t time.Time) string {
	t = t.In(x.zone)
	day := fmt.Sprintf("%s %d %s", longDays[x.lang][t.Weekday()], t.Day(), longMonths[x.lang][t.Month()-1])
	if t.Year() != x.now.In(x.zone).Year() {
		day += " " + strconv.Itoa(t.Year())
	}
	if x.lang == "fr" {
		return day + " à " + t.Format("15:04")
	}
	return day + ", " + t.Format("15:04")
}

func upperFirst(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[n:]
}

func lowerFirst(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToLower(r)) + s[n:]
}

// daysBetween counts midnights between two moments of one time zone.
func daysBetween(from, to time.Time) int {
	a := time.Date(from.Year(), from.Month(), from.Day(), 0, 0, 0, 0, time.UTC)
	b := time.Date(to.Year(), to.Month(), to.Day(), 0, 0, 0, 0, time.UTC)
	return int(b.Sub(a) / (24 * time.Hour))
}

// formatSize returns bytes in decimal units with at most three figures: 4.1 MB, 4,1 Mo.
func formatSize(lang string, n int64) string {
	units := []string{"B", "KB", "MB", "GB", "TB", "PB"}
	if lang == "fr" {
		units = []string{"o", "Ko", "Mo", "Go", "To", "Po"}
	}
	v, u := float64(n), 0
	for v >= 999.5 && u < len(units)-1 {
		v, u = v/1000, u+1
	}
	s := strconv.FormatFloat(v, 'f', 0, 64)
	if u > 0 && v < 9.95 {
		s = strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0")
	}
	if lang == "fr" {
		s = strings.Replace(s, ".", ",", 1)
	}
	return s + "\u00a0" + units[u]
}

// splitName splits a file's name into what may be shortened, the end that may not, and the extension.
func splitName(name string) (stem, end, ext string) {
	name = visible(name)
	if i := strings.LastIndexByte(name, '.'); i > 0 && len(name)-i <= 10 && !strings.ContainsRune(name[i:], ' ') {
		name, ext = name[:i], name[i:]
	}
	r := []rune(name)
	if len(r) <= 24 {
		return name, "", ext
	}
	return string(r[:len(r)-9]), string(r[len(r)-9:]), ext
}

// visible shows control characters and marks of direction in a name as symbols.
func visible(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r < 0x20:
			return 0x2400 + r
		case r == 0x7f:
			return 0x2421
		case r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r >= 0x80 && r < 0xa0, r == 0x200e, r == 0x200f:
			return 0xfffd
		}
		return r
	}, name)
}

// initials returns at most two letters of a person's name.
func initials(name string) string {
	var out []rune
	for word := range strings.FieldsFuncSeq(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '\'' && r != '’' }) {
		r, _ := utf8.DecodeRuneInString(word)
		out = append(out, unicode.ToUpper(r))
	}
	switch len(out) {
	case 0:
		return "?"
	case 1:
		return string(out)
	}
	return string([]rune{out[0], out[len(out)-1]})
}
