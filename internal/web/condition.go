package web

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/hub"
)

// condition is how a replica is, in words: the verdict, and beside it the figures.
type condition struct {
	State string // of the glyph
	Words string
	Note  string
}

// condition returns how a replica is, with its reason.
func (x *exchange) condition(r *hub.ReplicaStatus) condition {
	c := condition{State: string(r.Condition)}
	report := &r.Report
	behind := ""
	if n := max(r.Behind, report.Pending); n > 0 {
		behind = x.t("admin.changes", "n", n)
	}
	span := ""
	if !r.Since.IsZero() {
		span = x.span(x.now.Sub(r.Since))
	}
	switch r.Condition {
	case hub.ConditionOK:
		c.Words = x.t("admin.state.ok")
	case hub.ConditionReceiving:
		c.Words, c.Note = x.t("admin.state.receiving", "n", max(r.Behind, report.Pending)), x.t("admin.behind", "span", span)
	case hub.ConditionBehind:
		c.Words, c.Note = x.t("admin.state.behind", "since", x.since(r.Device.LastSeen)), behind
	case hub.ConditionAway:
		c.Words, c.Note = x.t("admin.state.away", "when", x.day(r.Device.LastSeen)), behind
	case hub.ConditionStopped:
		c.Words, c.Note = strings.TrimSuffix(x.deviceError(report.Error), "."), withComma(behind, span)
	case hub.ConditionWaits:
		c.Words, c.Note = x.t("admin.state.waits", "n", r.Held()), span
	}
	return c
}

// withComma puts a comma between two texts, where there are two.
func withComma(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + ", " + b
}

// since returns since when something is, in a sentence: "for 4 min", "since today 08:15", « depuis mer. 18:31 ».
func (x *exchange) since(t time.Time) string {
	if d := x.now.Sub(t); d < time.Hour {
		return x.t("admin.for", "span", x.span(d))
	}
	when := x.ago(t)
	if x.lang == "fr" || daysBetween(t.In(x.zone), x.now.In(x.zone)) < 2 {
		when = lowerFirst(when)
	}
	return x.t("admin.since", "when", when)
}

// span returns a duration in its largest unit: "6 s", "2 h", "3 days".
func (x *exchange) span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return strconv.Itoa(int(max(d, time.Second)/time.Second)) + "\u00a0s"
	case d < time.Hour:
		return strconv.Itoa(int(d/time.Minute)) + "\u00a0min"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d/time.Hour)) + "\u00a0h"
	}
	return x.t("admin.days", "n", int(d/(24*time.Hour)))
}

// lagPlace returns where on the lag line something is that is so old: weeks are from 0 to 25 percent of
// the width, days to 50, hours to 75, minutes and seconds to 100; each logarithmic.
func lagPlace(age time.Duration) float64 {
	s := max(age.Seconds(), 0)
	const hour, day, week = 3600, 86400, 604800
	switch {
	case s <= hour:
		return 100 - 25*math.Log1p(s)/math.Log1p(hour)
	case s <= day:
		return 75 - 25*math.Log(s/hour)/math.Log(day/hour)
	case s <= week:
		return 50 - 25*math.Log(s/day)/math.Log(7)
	}
	return max(25-25*math.Log(s/week)/math.Log(9), 1)
}

// percent writes a place for an attribute of SVG.
func percent(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) + "%" }

// platformName returns how people call a system: "Linux", "macOS", "Windows".
func platformName(platform string) string {
	for prefix, name := range map[string]string{"linux": "Linux", "darwin": "macOS", "windows": "Windows", "freebsd": "FreeBSD"} {
		if len(platform) >= len(prefix) && platform[:len(prefix)] == prefix {
			return name
		}
	}
	return platform
}
