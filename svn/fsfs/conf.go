package fsfs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// maxConf bounds db/fsfs.conf, in bytes.
const maxConf = 1 << 20

// conf is what db/fsfs.conf says of how to write: values by section and option, "io/block-size", in
// lower case, for Subversion does not tell "A" from "a" there. Nothing in it concerns reading.
type conf struct {
	dir    string
	values map[string]string
}

// readConf reads db/fsfs.conf. Without the file all options have their defaults.
func (r *Repository) readConf() (conf, error) {
	c := conf{dir: r.dir}
	data, err := r.readBounded("fsfs.conf", maxConf)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, err
	}
	var bad int
	if c.values, bad = parseConf(data); bad > 0 {
		return c, &FormatError{Dir: r.dir, Reason: fmt.Sprintf("db/fsfs.conf, line %d, is neither a section, an option nor a comment", bad)}
	}
	return c, nil
}

// parseConf reads sections "[name]" and options "name = value". A line that begins with a space goes
// on with the value of the line before. bad is the number of the first line that is none of these,
// or 0.
func parseConf(data []byte) (values map[string]string, bad int) {
	values = map[string]string{}
	section, last := "", ""
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	number := 0
	for line := range strings.Lines(string(data)) {
		number++
		text := strings.TrimSpace(line)
		switch {
		case text == "":
			last = ""
		case line[0] == '#' || line[0] == ';':
		case line[0] == ' ' || line[0] == '\t':
			if last == "" {
				return nil, number
			}
			values[last] += " " + text
		case line[0] == '[':
			name, _, ok := strings.Cut(text[1:], "]")
			if !ok {
				return nil, number
			}
			section, last = strings.ToLower(name), ""
		default:
			i := strings.IndexAny(text, "=:")
			if i < 1 || section == "" {
				return nil, number
			}
			last = section + "/" + strings.ToLower(strings.TrimSpace(text[:i]))
			values[last] = strings.TrimSpace(text[i+1:])
		}
	}
	return values, 0
}

// bool returns an option, named "section/option", or its default where it is not set.
func (c conf) bool(name string, otherwise bool) (bool, error) {
	switch v := c.values[name]; strings.ToLower(v) {
	case "":
		return otherwise, nil
	case "true", "yes", "on", "1":
		return true, nil
	case "false", "no", "off", "0":
		return false, nil
	default:
		return false, &FormatError{Dir: c.dir, Reason: fmt.Sprintf("db/fsfs.conf: %s is %.40q instead of true or false", name, v)}
	}
}

// int returns an option between the limits, or its default where it is not set.
func (c conf) int(name string, otherwise, lowest, highest int64) (int64, error) {
	v := c.values[name]
	if v == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < lowest || n > highest {
		return 0, &FormatError{Dir: c.dir, Reason: fmt.Sprintf("db/fsfs.conf: %s is %.40q instead of a number from %d to %d", name, v, lowest, highest)}
	}
	return n, nil
}
