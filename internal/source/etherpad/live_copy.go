package etherpad

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/source"
)

// emit makes a copy of what is in none, and hands it over.
func (f *follower) emit() error {
	if f.since.IsZero() || f.text == nil {
		return nil
	}
	textual := f.textual
	f.since, f.textual = time.Time{}, false
	c := source.NewCopy(nil)
	defer func() { f.wrote = map[string]bool{} }()
	if !textual {
		c.Unchanged = true
		return f.changed(c)
	}
	var err error
	if c.Files, err = renderFiles(f.text, f.doc.Address, f.authors); err != nil {
		return err
	}
	if f.time > 0 {
		c.Changed = millis(f.time)
	}
	for _, id := range slices.Sorted(maps.Keys(f.wrote)) {
		if name := f.authors[id].Name; name != "" && !slices.Contains(c.Authors, name) {
			c.Authors = append(c.Authors, name)
		}
	}
	filled := strings.TrimSpace(f.text.String()) != ""
	switch {
	case f.rev < f.high:
		c.Suspect = "the instance lost the latest revisions of the pad"
	case f.filled && !filled:
		c.Suspect = "the pad was emptied"
	}
	if c.Suspect == "" {
		f.filled = filled
	}
	return f.changed(c)
}
