package fsfs

import (
	"bytes"
	"maps"
	"slices"
	"strconv"

	"github.com/havre-cloud/havre/svn"
)

// hashReader reads a hash dump: entries "K LEN\nKEY\nV LEN\nVALUE\n", then "END\n".
type hashReader struct {
	text []byte
	pos  int
}

// next returns the next key and value, which alias the text. ok is false at the END, and with
// reason when the text is not a hash dump.
func (h *hashReader) next() (key, value []byte, ok bool, reason string) {
	if bytes.HasPrefix(h.text[h.pos:], []byte("END\n")) {
		h.pos += 4
		return nil, nil, false, ""
	}
	if key, reason = h.field('K'); reason != "" {
		return nil, nil, false, reason
	}
	if value, reason = h.field('V'); reason != "" {
		return nil, nil, false, reason
	}
	return key, value, true, ""
}

func (h *hashReader) field(letter byte) ([]byte, string) {
	rest := h.text[h.pos:]
	end := bytes.IndexByte(rest[:min(len(rest), 24)], '\n')
	if end < 3 || rest[0] != letter || rest[1] != ' ' {
		return nil, "a hash dump with a line \"" + string(letter) + " LENGTH\""
	}
	n, ok := parseInt(rest[2:end])
	if !ok || n > int64(len(rest)-end-2) {
		return nil, "a length within the hash dump"
	}
	stop := end + 1 + int(n)
	if rest[stop] != '\n' {
		return nil, "a newline behind a field of the hash dump"
	}
	h.pos += stop + 1
	return rest[end+1 : stop], ""
}

// parseProps reads a property list. reason is what was expected when it is none.
func parseProps(text []byte) (props svn.Props, reason string) {
	h := hashReader{text: text}
	props = svn.Props{}
	for {
		key, value, ok, reason := h.next()
		if reason != "" {
			return nil, reason
		}
		if !ok {
			return props, ""
		}
		props[string(key)] = string(value)
	}
}

// encodeProps returns a property list as it is stored, sorted by name.
func encodeProps(props svn.Props) []byte {
	var dst []byte
	for _, name := range slices.Sorted(maps.Keys(props)) {
		dst = appendHashField(dst, 'K', name)
		dst = appendHashField(dst, 'V', props[name])
	}
	return append(dst, "END\n"...)
}

func appendHashField[T string | []byte](dst []byte, letter byte, field T) []byte {
	dst = append(dst, letter, ' ')
	dst = strconv.AppendInt(dst, int64(len(field)), 10)
	dst = append(dst, '\n')
	dst = append(dst, field...)
	return append(dst, '\n')
}
