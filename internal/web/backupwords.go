package web

import (
	"fmt"
	"html/template"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/internal/source"
)

// soon is how long before its end a document is said to end.
const soon = 8 * 24 * time.Hour

// sleeps is after how long without a change a document is said to be unchanged.
const sleeps = 60 * 24 * time.Hour

// sourceUnit is what the documents of a kind are called in texts: "pad", "poll" or "sheet".
func sourceUnit(k source.Kind) string {
	switch k {
	case source.KindFramadate:
		return "poll"
	case source.KindEtherCalc:
		return "sheet"
	}
	return "pad"
}

// sourceIcon is the symbol of a kind.
func sourceIcon(a source.Address) string {
	switch {
	case a.Collection != "":
		return "folders"
	case a.Kind == source.KindFramadate:
		return "calendar-check"
	case a.Kind == source.KindEtherCalc:
		return "file-spreadsheet"
	}
	return "notebook-pen"
}

// sourceTitle is what people call a source: its document's title, or what a collection is.
func (x *exchange) sourceTitle(s *hub.Source) string {
	collection, of, _ := strings.Cut(s.Address.Collection, " ")
	if collection == "" || s.Title != s.Address.Collection {
		return s.Title
	}
	title := collection
	if collection == "all" || collection == "group" || collection == "mypads" {
		title = x.t("backups.what." + collection)
	}
	return strings.TrimSpace(title + " " + of)
}

// byKey says whether it is a key of the API that opens a source.
func byKey(a source.Address) bool {
	collection, _, _ := strings.Cut(a.Collection, " ")
	return collection == "all" || collection == "group"
}

// sourceWords is how a source is, for its row and its page.
type sourceWords struct {
	State string // of the glyph
	Words string // short
	Why   string // a sentence
	Look  bool   // somebody should look at it
}

// words says how a source is.
func (x *exchange) sourceWords(s *hub.Source) sourceWords {
	w := sourceWords{Look: s.State.Problem(), Why: x.sourceTold(s.Reason, s.Text)}
	since := x.long(x.now.Sub(s.Since))
	kept := ""
	if !s.LastGood.IsZero() {
		kept = ".kept"
	}
	switch s.State {
	case hub.SourceRunning:
		w.State, w.Words, w.Why = "receiving", x.t("backups.is.running"), ""
	case hub.SourceWaiting:
		w.State, w.Words, w.Why = "receiving", x.t("backups.is.waiting"), ""
	case hub.SourceOK, hub.SourceLive:
		w = x.wellWords(s)
	case hub.SourceSuspect:
		w.State, w.Words, w.Why = "waits", x.t("backups.is.suspect"), x.t("backups.why.suspect")
	case hub.SourceGone, hub.SourcePrivate:
		w.State, w.Words = "waits", x.t("backups.is."+string(s.State)+kept)
		if kept == "" {
			w.State = "stopped"
		}
	case hub.SourcePassword, hub.SourceHidden:
		w.State, w.Words = "waits", x.t("backups.is."+string(s.State))
		if s.State == hub.SourcePassword && byKey(s.Address) {
			w.Words = x.t("backups.is.key")
		}
	case hub.SourceUnreachable:
		w.State, w.Words = "stopped", x.t("backups.is.unreachable", "span", since)
		if s.Reason == source.ReasonForeign {
			w.Words = x.t("backups.is.foreign")
		}
	case hub.SourceLimited:
		w.State, w.Words = "behind", x.t("backups.is.limited")
	case hub.SourceFailed:
		w.State, w.Words = "stopped", x.t("backups.is.failed")
		switch s.Reason {
		case source.ReasonDamaged, source.ReasonForbidden, source.ReasonTooLarge, source.ReasonOurs, source.ReasonAddress:
			w.Words = x.t("backups.is." + string(s.Reason))
		default:
		}
	case hub.SourcePaused:
		w.State, w.Words = "away", x.t("backups.is.paused")
	}
	return w
}

// wellWords says how a source is whose copy is good: what ends soon is said first.
func (x *exchange) wellWords(s *hub.Source) sourceWords {
	closes, ends := s.Closes.Sub(x.now), s.Ends.Sub(x.now)
	switch {
	case !s.Closes.IsZero() && closes > 0 && closes < soon:
		return sourceWords{State: "behind", Words: x.t("backups.is.closes", "span", x.long(closes)), Why: x.t("backups.warn.closes", "span", x.long(closes))}
	case !s.Ends.IsZero() && ends > 0 && ends < soon:
		return sourceWords{State: "behind", Words: x.t("backups.is.ends", "span", x.long(ends)), Why: x.t("backups.warn.ends", "span", x.long(ends))}
	case s.State == hub.SourceLive:
		return sourceWords{State: "ok", Words: x.t("backups.is.live")}
	case !s.Closes.IsZero() && closes <= 0:
		return sourceWords{State: "ok", Words: x.t("backups.is.closed")}
	case !s.LastChanged.IsZero() && x.now.Sub(s.LastChanged) > sleeps:
		return sourceWords{State: "ok", Words: x.t("backups.is.same", "span", x.long(x.now.Sub(s.LastChanged)))}
	}
	return sourceWords{State: "ok", Words: x.t("backups.is.ok")}
}

// reasons are those that have a sentence in the texts.
var reasons = map[source.Reason]bool{
	source.ReasonGone: true, source.ReasonPrivate: true, source.ReasonPassword: true, source.ReasonHidden: true, source.ReasonDown: true,
	source.ReasonLimited: true, source.ReasonForeign: true, source.ReasonDamaged: true, source.ReasonForbidden: true, source.ReasonAddress: true,
	source.ReasonExists: true, source.ReasonRefused: true, source.ReasonTooLarge: true, source.ReasonOurs: true,
}

// sourceReason says in a sentence why there is no good copy; "" where nothing is wrong. The sentence of the error itself
// is English, so that it is shown to nobody.
func (x *exchange) sourceReason(r source.Reason) string {
	switch {
	case r == "":
		return ""
	case reasons[r]:
		return x.t("backups.why." + string(r))
	}
	return x.t("backups.why.other")
}

// long is span with months and years.
func (x *exchange) long(d time.Duration) string {
	switch days := int(d / (24 * time.Hour)); {
	case days >= 700:
		return x.t("backups.years", "n", days/365)
	case days >= 60:
		return x.t("backups.months", "n", days/30)
	}
	return x.span(d)
}

// within is ago within a sentence.
func (x *exchange) within(t time.Time) string {
	when := x.ago(t)
	if x.lang == "fr" || daysBetween(t.In(x.zone), x.now.In(x.zone)) < 2 {
		r, n := utf8.DecodeRuneInString(when)
		when = string(unicode.ToLower(r)) + when[n:]
	}
	return when
}

// series writes a list as a sentence does: "a, b and c".
func (x *exchange) series(parts []string) string {
	if len(parts) < 2 {
		return strings.Join(parts, "")
	}
	return x.t("backups.and", "a", strings.Join(parts[:len(parts)-1], ", "), "b", parts[len(parts)-1])
}

// dayMarks are the marks of a day: their class, and the middle of their height. The style has the height and divides
// a run of equal days, so that a thousand rows are not too heavy.
var dayMarks = map[hub.SourceDay]struct{ class, y string }{
	hub.DayNone: {"none", "13"}, hub.DaySame: {"same", "12"}, hub.DayFailed: {"failed", "7.5"}, hub.DayVersion: {"new", "9"},
}

// sourceDays draws the last 30 days of a source, with a text that sums them up.
func (x *exchange) sourceDays(days *[30]hub.SourceDay) template.HTML {
	runs := map[hub.SourceDay]string{}
	counts := map[hub.SourceDay]int{}
	for i := 0; i < len(days); {
		end := i + 1
		for end < len(days) && days[end] == days[i] {
			end++
		}
		runs[days[i]] += fmt.Sprintf("M%d %sh%d", i*4, dayMarks[days[i]].y, (end-i)*4-1)
		counts[days[i]] += end - i
		i = end
	}
	text := x.t("backups.days.sum", "new", x.t("backups.days.new", "n", counts[hub.DayVersion]), "failed", x.t("backups.days.failed", "n", counts[hub.DayFailed]))
	var b strings.Builder
	b.WriteString(`<svg class="b-days" viewBox="0 0 120 16" role="img"><title>` + template.HTMLEscapeString(text) + `</title>`)
	for _, d := range []hub.SourceDay{hub.DayNone, hub.DaySame, hub.DayFailed, hub.DayVersion} {
		if runs[d] != "" {
			b.WriteString(`<path class="` + dayMarks[d].class + `" d="` + runs[d] + `"></path>`)
		}
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String()) //nolint:gosec // numbers and an escaped text
}
