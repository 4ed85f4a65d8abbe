package framadate

import (
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// monthNames are those of the languages of Framadate, by month, in lower case and without accents. The names come from
// the instance's operating system, so that a page in any language may have English ones.
var monthNames = func() map[string]time.Month {
	names := map[string]time.Month{}
	for _, language := range []string{
		"january february march april may june july august september october november december",
		"janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre", //nolint:misspell // French
		"januar februar marz april mai juni juli august september oktober november dezember",
		"genier febrier marc abril mai junh julhet agost setembre octobre novembre decembre", //nolint:misspell // Occitan
		"enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
		"gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
		"januari februari maart april mei juni juli augustus september oktober november december",
		"genver c'hwevrer meurzh ebrel mae mezheven gouere eost gwengolo here du kerzu",
		"gener febrer marc abril maig juny juliol agost setembre octubre novembre desembre",
		"janeiro fevereiro marco abril maio junho julho agosto setembro outubro novembro dezembro",
	} {
		for i, name := range strings.Fields(language) {
			names[name] = time.Month(i + 1)
		}
	}
	names["jenner"], names["janner"], names["setiembre"] = time.January, time.January, time.September
	return names
}()

// fold returns words in lower case and without accents.
func fold(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		if r == '’' {
			return '\''
		}
		return unicode.ToLower(r)
	}, norm.NFD.String(text))
}

// words are those of a text, without what stands around them.
func words(text string) []string {
	return strings.FieldsFunc(fold(text), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '\''
	})
}

// readMonth reads "December 2026", "décembre 2026", "Desembre de 2026".
func readMonth(text string) (year int, month time.Month, ok bool) {
	for _, word := range words(text) {
		if n, err := strconv.Atoi(word); err == nil && n >= 1900 && n < 10000 {
			year = n
		}
		if m := monthNames[strings.TrimPrefix(word, "d'")]; m != 0 {
			month = m
		}
	}
	return year, month, year != 0 && month != 0
}

// readDay reads the number in "Mon 14", "lun. 14", "14".
func readDay(text string) (int, bool) {
	for _, word := range words(text) {
		if n, err := strconv.Atoi(word); err == nil && n >= 1 && n <= 31 {
			return n, true
		}
	}
	return 0, false
}

// readLongDate reads "Thursday 31 December 2026" in the languages of Framadate, and "2026-12-31".
func readLongDate(text string) (date string, ok bool) {
	for word := range strings.FieldsSeq(text) {
		if _, err := time.Parse(time.DateOnly, word); err == nil {
			return word, true
		}
	}
	year, month, okMonth := readMonth(text)
	day, okDay := readDay(text)
	if !okMonth || !okDay {
		return "", false
	}
	t := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	return t.Format(time.DateOnly), t.Day() == day
}

// readShortDate reads the date of a CSV or of the administration page, which is Y-m-d or d/m/Y by language.
func readShortDate(text string) string {
	text = strings.TrimSpace(text)
	for _, layout := range []string{time.DateOnly, "02/01/2006", "02-01-2006", "02.01.2006"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.Format(time.DateOnly)
		}
	}
	return ""
}

// commentLayouts are the forms of a comment's time; in English and Catalan the month comes first.
var commentLayouts = []string{"02-01-2006 15:04", "02/01/2006 15:04", "2006-01-02 15:04", "02.01.2006 15:04"}

// readCommentTime returns a comment's time as the instance's local one, "2026-11-20T14:05".
func readCommentTime(text, language string) string {
	text = strings.TrimSpace(text)
	layouts := commentLayouts
	if strings.HasPrefix(language, "en") || strings.HasPrefix(language, "ca") {
		layouts = append([]string{"01/02/2006 15:04"}, layouts...)
	}
	for _, layout := range append(layouts, "01/02/2006 15:04") {
		if t, err := time.Parse(layout, text); err == nil {
			return t.Format("2006-01-02T15:04")
		}
	}
	return ""
}

// offsetOf returns how far local time is from UTC, as "+01:00", when a day begins at an instant there.
func offsetOf(date string, unix int64) string {
	day, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return ""
	}
	seconds := day.Unix() - unix
	if seconds%(15*60) != 0 || seconds < -12*3600 || seconds > 14*3600 {
		return ""
	}
	return time.Unix(0, 0).In(time.FixedZone("", int(seconds))).Format("-07:00")
}

// dayAt returns the day that begins at an instant somewhere, by its number of the month if that is known (not 0): the
// date line makes two days possible.
func dayAt(unix int64, number int) string {
	if unix < -1<<33 || unix > 1<<34 { // some centuries
		return ""
	}
	behind := (86400 - unix%86400) % 86400 // east of Greenwich: a day begins there before it does in UTC
	east := time.Unix(unix+behind, 0).UTC()
	west := east.AddDate(0, 0, -1)
	switch {
	case number != 0 && east.Day() == number && behind <= 14*3600:
		return east.Format(time.DateOnly)
	case number != 0 && west.Day() == number && behind-86400 >= -12*3600:
		return west.Format(time.DateOnly)
	case number != 0:
		return ""
	case behind <= 12*3600:
		return east.Format(time.DateOnly)
	}
	return west.Format(time.DateOnly)
}
