package framadate

import (
	"regexp"
	"strconv"
	"strings"
)

// The moments of a day are free text, so what people write in the languages of Framadate is read: "9h", "14h30", "8pm",
// "10:00-11:30", "de 9h à 11h", "9 Uhr", "22h-2h". What is not surely a time ("matin", "9", "2 h de marche") is none.
var (
	timeForm   = `(\d{1,2})(?:\s?(am|pm|a\.m\.|p\.m\.)|\s?[:.h]\s?(\d{2})(?:\s?(am|pm|a\.m\.|p\.m\.)|\s?(?:heures?|uhr|h|u)\b)?|\s?(?:heures?|hours?|uhr|uur|ore|h|u)\b\s?(\d{2})?)`
	between    = `(?:\s*[-–—/→>]\s*|\s+(?:to|à|au|bis|jusqu'à|until|a|al|alle|tot)\s+)`
	prefix     = `(?:de|from|von|entre|between|dalle|alle|desde|van|à|a|at|um|om|@)?\s*`
	single     = regexp.MustCompile(`^` + prefix + timeForm + `(.*)$`)
	doubled    = regexp.MustCompile(`^` + prefix + timeForm + between + timeForm + `(.*)$`)
	bareRange  = regexp.MustCompile(`^` + prefix + `(\d{1,2})` + between + `(\d{1,2})\s?(h|am|pm|uhr|u)?$`)
	bareFirst  = regexp.MustCompile(`^` + prefix + `(\d{1,2})` + between + timeForm + `(.*)$`)
	unitless   = regexp.MustCompile(`^` + prefix + timeForm + between + `(\d{1,2})\s*$`)
	fromHour   = regexp.MustCompile(`^(?:dès|ab|from|à partir de|vanaf)\s+`)
	dotted     = regexp.MustCompile(`^\d{1,2}\.`)
	mayFollow  = regexp.MustCompile(`^\s*(?:$|[(,;:/–—-]|\[)`)
	mayFollow2 = regexp.MustCompile(`^(?:$|\s|[(,;:/–—-]|\[)`)
)

// parseMoment returns the minutes after midnight at which a moment begins and ends; an end after midnight is more than
// a day's, and one that was not written is -1.
func parseMoment(text string) (from, to int, ok bool) {
	text = strings.Join(strings.Fields(strings.ToLower(strings.ReplaceAll(text, "\u00a0", " "))), " ")
	if len(text) > 200 {
		return 0, 0, false
	}
	text = strings.ReplaceAll(text, "’", "'")
	text = fromHour.ReplaceAllString(text, "")
	if m := doubled.FindStringSubmatch(text); m != nil {
		a, b := clockOf(m[1:6]), clockOf(m[6:11])
		if a.half == "" && b.half != "" && a.hour <= 12 {
			a.half = inherited(a, b)
		}
		if mayFollow2.MatchString(m[11]) {
			return span(a, b)
		}
	}
	if m := bareFirst.FindStringSubmatch(text); m != nil && mayFollow2.MatchString(m[7]) {
		hour, _ := strconv.Atoi(m[1])
		a, b := clock{hour: hour}, clockOf(m[2:7])
		if b.half != "" && a.hour <= 12 {
			a.half = inherited(a, b)
		}
		return span(a, b)
	}
	if m := unitless.FindStringSubmatch(text); m != nil {
		hour, _ := strconv.Atoi(m[6])
		return span(clockOf(m[1:6]), clock{hour: hour})
	}
	if m := bareRange.FindStringSubmatch(text); m != nil {
		if m[3] == "" && strings.Contains(text, "/") {
			return 0, 0, false // a day of a month
		}
		return bareSpan(m[1], m[2], m[3])
	}
	m := single.FindStringSubmatch(text)
	if m == nil {
		return 0, 0, false
	}
	c := clockOf(m[1:6])
	// "14h30 salle B" names a time; "2 h de marche" and "1.50 €" may not.
	follows := mayFollow
	if c.precise && !dotted.MatchString(text) {
		follows = mayFollow2
	}
	if !follows.MatchString(m[6]) {
		return 0, 0, false
	}
	from, ok = c.minutes()
	return from, -1, ok && from < 24*60
}

// bareSpan reads "9-11", which are hours when they can be, and "9-11h".
func bareSpan(first, second, unit string) (from, to int, ok bool) {
	x, _ := strconv.Atoi(first)
	y, _ := strconv.Atoi(second)
	a, b := clock{hour: x}, clock{hour: y}
	if unit == "am" || unit == "pm" {
		b.half = unit
		a.half = inherited(a, b)
	}
	if unit == "" && x >= y {
		return 0, 0, false
	}
	return span(a, b)
}

// clock is a time as it was written.
type clock struct {
	hour, minute int
	half         string // "am", "pm"
	precise      bool   // it has minutes or a half: it can be nothing but a time
}

// clockOf reads the five groups of timeForm: hour, half, minutes, half after minutes, minutes after a letter.
func clockOf(groups []string) clock {
	var c clock
	c.hour, _ = strconv.Atoi(groups[0])
	c.half = strings.ReplaceAll(groups[1]+groups[3], ".", "")
	minutes := groups[2] + groups[4]
	c.minute, _ = strconv.Atoi(minutes)
	c.precise = c.half != "" || minutes != ""
	return c
}

// inherited is the half of a first time whose range ends in that of b: "8-10pm", but "11-1pm".
func inherited(a, b clock) string {
	if b.half == "pm" && a.hour%12 > b.hour%12 {
		return "am"
	}
	return b.half
}

func (c clock) minutes() (int, bool) {
	hour := c.hour
	if c.half != "" {
		if hour < 1 || hour > 12 {
			return 0, false
		}
		hour %= 12
		if c.half == "pm" {
			hour += 12
		}
	}
	return hour*60 + c.minute, c.minute < 60 && (hour < 24 || hour == 24 && c.minute == 0)
}

func span(a, b clock) (from, to int, ok bool) {
	from, okA := a.minutes()
	to, okB := b.minutes()
	if !okA || !okB || from >= 24*60 || from == to {
		return 0, 0, false
	}
	if to < from {
		to += 24 * 60
	}
	return from, to, true
}
