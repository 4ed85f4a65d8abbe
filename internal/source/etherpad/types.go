package etherpad

import (
	"strconv"
	"strings"
	"time"
)

// Author is someone who wrote in a pad.
type Author struct {
	ID    string // "a." and 16 characters
	Name  string // empty if they gave none
	Color string // "#rrggbb"
}

// SavedRevision is a revision that someone marked with the star.
type SavedRevision struct {
	Rev   int
	Label string
	By    string // author's ID
	ID    string
	Time  time.Time
}

// Message is one of the chat.
type Message struct {
	Author string // ID
	Name   string // as it was then, if the file says so
	Text   string
	Time   time.Time
}

// Change is what is known of a revision without its content.
type Change struct {
	Rev            int
	Author         string // ID, empty if nobody is known
	Time           time.Time
	Added, Removed int // UTF-16 code units
}

// Revision is a change with its content.
type Revision struct {
	Change
	Changeset string // halves of surrogate pairs in the inserted text are U+FFFD
}

// Session is a time of writing without a long pause.
type Session struct {
	From, To       int // revisions, both included
	Start, End     time.Time
	Authors        []string // IDs, in the order of their first change
	Added, Removed int      // UTF-16 code units
}

func millis(n int64) time.Time { return time.UnixMilli(n).UTC() }

// palette has the colours that an author's "colorId" is a number of, the same in 1.8.14 and 2.5.3.
var palette = strings.Fields(`
	#ffc7c7 #fff1c7 #e3ffc7 #c7ffd5 #c7ffff #c7d5ff #e3c7ff #ffc7f1 #ffa8a8 #ffe699 #cfff9e #99ffb3 #a3ffff #99b3ff #cc99ff #ff99e5
	#e7b1b1 #e9dcaf #cde9af #bfedcc #b1e7e7 #c3cdee #d2b8ea #eec3e6 #e9cece #e7e0ca #d3e5c7 #bce1c5 #c1e2e2 #c1c9e2 #cfc1e2 #e0bdd9
	#baded3 #a0f8eb #b1e7e0 #c3c8e4 #cec5e2 #b1d5e7 #cda8f0 #f0f0a8 #f2f2a6 #f5a8eb #c5f9a9 #ececbb #e7c4bc #daf0b2 #b0a0fd #bce2e7
	#cce2bb #ec9afe #edabbd #aeaeea #c4e7b1 #d722bb #f3a5e7 #ffa8a8 #d8c0c5 #eaaedd #adc6eb #bedad1 #dee9af #e9afc2 #f8d2a0 #b3b3e6`)

// colour returns "#rrggbb" for what an author has as "colorId", a shade of grey for what is neither a number of the
// palette nor a colour.
func colour(id string) string {
	if n, err := strconv.Atoi(id); err == nil && n >= 0 && n < len(palette) {
		return palette[n]
	}
	hex, ok := strings.CutPrefix(strings.ToLower(id), "#")
	if ok && strings.Trim(hex, "0123456789abcdef") == "" {
		switch len(hex) {
		case 3:
			return "#" + strings.Repeat(hex[:1], 2) + strings.Repeat(hex[1:2], 2) + strings.Repeat(hex[2:], 2)
		case 6:
			return "#" + hex
		}
	}
	return "#cccccc"
}
