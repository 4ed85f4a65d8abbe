package source

import (
	"path"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// maxName is the length in bytes of a name without extension. File systems take 255 bytes; what is set aside gets 40 more.
const maxName = 150

// stampForm is the time in names of files that are kept apart, which sorts, and which every file system takes.
const stampForm = "2006-01-02 15.04.05"

// FileName makes a name of a file, without extension, of a title: one that every file system takes and that reads like
// the title. It holds no control or direction characters, none that Windows, macOS or shells treat specially, is in
// NFC, has no space at its ends and no dot, is no device of Windows, and has 1 to 150 bytes. FileName(FileName(x)) is FileName(x).
func FileName(title string) string {
	title = norm.NFC.String(strings.ToValidUTF8(title, " "))
	title = strings.Map(func(r rune) rune {
		switch {
		case strings.ContainsRune(`/\:|`, r), r == '\u2044', r == '\u2215':
			return '-'
		case strings.ContainsRune(`<>"?*`, r), unicode.IsSpace(r), unicode.IsControl(r), r == utf8.RuneError, r > 0xFFFF && !unicode.IsGraphic(r):
			return ' '
		case unicode.In(r, unicode.Cf, unicode.Co, unicode.Cs):
			if r == '\u200d' { // it joins emoji and letters, and hides nothing by itself
				return r
			}
			return -1
		}
		return r
	}, title)
	title = strings.Join(strings.Fields(title), " ")
	// A leading dot hides, a leading hyphen is an option, "~$" and a trailing "~" are others' temporary files.
	trim := func(s string) string { return strings.Trim(strings.TrimLeft(s, ".-~$ \u200d"), ".~ \u200d") }
	title = trim(cut(trim(title), maxName))
	if title == "" {
		return "untitled"
	}
	if reserved(title) {
		title = "_" + title
	}
	return norm.NFC.String(title)
}

// cut returns at most n bytes of s, and no part of a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !norm.NFC.PropertiesString(s[n:]).BoundaryBefore() {
		n--
		for n > 0 && !utf8.RuneStart(s[n]) {
			n--
		}
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// reserved says whether Windows takes a name for a device, whatever follows a dot.
func reserved(name string) bool {
	base, _, _ := strings.Cut(strings.ToUpper(name), ".")
	base = strings.TrimSpace(base)
	switch base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$":
		return true
	}
	for _, device := range []string{"COM", "LPT"} {
		if n, ok := strings.CutPrefix(base, device); ok && utf8.RuneCountInString(n) == 1 && strings.Contains("0123456789¹²³", n) {
			return true
		}
	}
	return false
}

// Folded returns what two names have in common that are the same file somewhere: on file systems that tell neither case
// nor normal forms apart.
func Folded(name string) string { return norm.NFC.String(cases.Fold().String(norm.NFD.String(name))) }

// UniqueName returns base, or base with a number, such that taken is false for it.
func UniqueName(base string, taken func(name string) bool) string {
	name := base
	for n := 2; taken(name); n++ {
		suffix := " (" + strconv.Itoa(n) + ")"
		name = strings.TrimRight(cut(base, maxName-len(suffix)), " .") + suffix
	}
	return name
}

// WantedName returns the name that an item's files should have, before it is made unique: its title, or its name on
// the instance.
func WantedName(a Address, title string) string {
	if strings.TrimSpace(title) == "" {
		title = a.Name
		if title == "" {
			title = path.Base(a.URL)
		}
	}
	return FileName(title)
}

// SuspectName is the name of the files of a suspect copy that came at a time.
func SuspectName(name string, at time.Time) string {
	return name + " (suspect, " + at.Format(stampForm) + ")"
}

// AsideName is the name of a file that a person had changed, and that is kept beside the new copy.
func AsideName(name string, at time.Time) string {
	return name + " (changed here, " + at.Format(stampForm) + ")"
}
