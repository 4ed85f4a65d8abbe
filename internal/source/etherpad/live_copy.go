package etherpad

import (
	"bytes"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/source"
	"github.com/havre-cloud/havre/internal/source/etherpad/changeset"
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
	if c.Files, err = liveFiles(f.text, f.doc.Address, f.authors); err != nil {
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

// liveFiles returns the forms of a pad that need nothing but its present text, the same bytes as a whole copy has.
func liveFiles(t *changeset.Text, a source.Address, authors map[string]Author) ([]source.File, error) {
	var files []source.File
	for _, form := range []struct {
		ext    string
		render func(io.Writer) error
	}{
		{".txt", func(w io.Writer) error { return RenderText(w, t) }},
		{".html", func(w io.Writer) error {
			return RenderHTML(w, t, Page{Title: title(a.Name), Source: a.URL, Authors: authors})
		}},
		{".md", func(w io.Writer) error { return RenderMarkdown(w, t) }},
	} {
		var b bytes.Buffer
		if err := form.render(&b); err != nil {
			return nil, err
		}
		files = append(files, source.File{Ext: form.ext, Size: int64(b.Len()), Open: func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(b.Bytes())), nil
		}})
	}
	return files, nil
}
