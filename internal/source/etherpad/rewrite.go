package etherpad

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"regexp"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/havre-cloud/havre/internal/source/etherpad/changeset"
)

// Rewrite writes the file as that of a pad with another name. Only the name changes: in keys, in what the authors' records say
// of their pads, and wherever it stands as a word in records of plugins. The text and the chat are people's, and stay.
func (d *Document) Rewrite(w io.Writer, name string) error {
	out := bufio.NewWriter(w)
	word := regexp.MustCompile(`(^|[^\pL\pN])` + regexp.QuoteMeta(d.name) + `($|[^\pL\pN])`)
	rename := func(s string) string {
		for word.MatchString(s) { // neighbours share the character between them
			s = word.ReplaceAllString(s, "${1}\x00${2}")
		}
		return strings.ReplaceAll(s, "\x00", name)
	}
	lead, buf := "{", make([]byte, 0, 256)
	err := eachRecord(d.r, d.size, func(key string, raw jsontext.Value, _ span) error {
		rest, own := strings.CutPrefix(key, "pad:")
		before, kind, _ := splitKey(rest)
		switch {
		case own && (rest == d.name || kind != "" && before == d.name):
			key = "pad:" + name + rest[len(d.name):]
		default:
			var err error
			if raw, err = renameStrings(raw, rename); err != nil {
				return err
			}
			key = rename(key)
		}
		if buf, err := jsontext.AppendQuote(append(buf, lead...), key); err != nil {
			return &RecordError{Record: "file", Problem: "a record's name cannot be written"}
		} else if _, err := out.Write(append(buf, ':')); err != nil {
			return err
		}
		lead = ","
		_, err := out.Write(raw)
		return err
	})
	if err == nil {
		err = out.WriteByte('}')
	}
	return errors.Join(err, out.Flush())
}

// renameStrings applies rename to all strings and names in a value; those that stay the same are not touched.
func renameStrings(raw jsontext.Value, rename func(string) string) (jsontext.Value, error) {
	dec := jsontext.NewDecoder(bytes.NewReader(raw), jsonOptions...)
	var result []byte
	last := 0
	for {
		if dec.PeekKind() != '"' {
			_, err := dec.ReadToken()
			if errors.Is(err, io.EOF) {
				return append(result, raw[last:]...), nil
			}
			if err != nil {
				return nil, err
			}
			continue
		}
		quoted, err := dec.ReadValue()
		if err != nil {
			return nil, err
		}
		old := changeset.Decode(unquote(nil, quoted))
		changed := rename(old)
		if changed == old {
			continue
		}
		end := int(dec.InputOffset())
		result = append(result, raw[last:end-len(quoted)]...)
		if result, err = jsontext.AppendQuote(result, changed); err != nil {
			return nil, err
		}
		last = end
	}
}
