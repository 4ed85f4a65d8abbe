package reconcile

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/havre-cloud/havre/internal/havre"
)

// maxName is the longest name in bytes that every common file system can have.
const maxName = 255

// ours finds the marks that ConflictName made, so that they do not pile up in one name.
var ours = regexp.MustCompile(` \(conflict, [^()]*, \d{4}-\d\d-\d\d \d\d\.\d\d\.\d\d(?:, \d+)?\)`)

// ConflictName returns the name under which the contents of a device are kept that cannot have
// name: "name (conflict, DEVICE, 2006-01-02 15.04.05).ext". For attempts after the first a number
// is added.
func ConflictName(name string, kind havre.Kind, device string, now time.Time, attempt int) string {
	device = strings.Map(func(r rune) rune {
		if strings.ContainsRune(`/\:*?"<>|()`, r) || r < ' ' || r == 0x7f || r == utf8.RuneError {
			return '-'
		}
		return r
	}, device)
	device = cut(device, 60)
	mark := fmt.Sprintf(" (conflict, %s, %s", device, now.Format("2006-01-02 15.04.05"))
	if attempt > 1 {
		mark += fmt.Sprintf(", %d", attempt)
	}
	mark += ")"
	stem, ext := ours.ReplaceAllString(name, ""), ""
	if kind != havre.KindDir {
		// A dot at the start makes a hidden file, not an extension; a long tail is no extension.
		if i := strings.LastIndexByte(stem, '.'); i > 0 && len(stem)-i <= 20 {
			stem, ext = stem[:i], stem[i:]
		}
	}
	return cut(stem, maxName-len(mark)-len(ext)) + mark + ext
}

// parkedName is where a node waits whose place is taken by one that wants the place of the first.
func parkedName(name string, id NodeID) string {
	mark := fmt.Sprintf(" (moving %d)", id)
	return cut(name, maxName-len(mark)) + mark
}

// cut shortens s to at most n bytes, between characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
