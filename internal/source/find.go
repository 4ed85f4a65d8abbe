package source

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/pierrec/lz4/v4"
	"golang.org/x/text/encoding/charmap"
	textunicode "golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// Bounds of what is looked through.
const (
	maxFindText  = 64 << 20  // bytes of a text, a mail box, a page
	maxFindData  = 512 << 20 // bytes of a browser's database
	maxFound     = 20_000
	maxFindDepth = 16
)

// Found is an address that was found in something.
type Found struct {
	Kinds []Recognised // what it could be, the likeliest first; at least one
	File  string       // the name of the file, as it was given
	Line  int          // from 1; 0 where lines mean nothing
	Title string       // what the place called it: a link's text, a bookmark's title
}

// Address returns the likeliest.
func (f Found) Address() Address { return f.Kinds[0].Address }

// Find returns the addresses of documents in data, in the order of their first mention: a text, a mail or mail box, an
// HTML page, a browser's bookmarks (HTML, or JSON of Firefox and Chromium), Firefox's places.sqlite, Markdown, CSV. What data
// is, it says itself; name, which may be empty, helps where it does not. An address that is mentioned twice is returned once, with
// what both mentions had of secrets. Data that is none of these is looked through as a text.
func (r *Registry) Find(name string, data []byte) []Found {
	f := &finder{registry: r, name: name, seen: map[string]int{}}
	f.anything(data, 0)
	return f.found
}

// FindFile is Find for a file, or for the directory of an earlier backup, of which its index is read.
func (r *Registry) FindFile(path string) ([]Found, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("look for addresses: %w", err)
	}
	if info.IsDir() {
		path = filepath.Join(path, IndexCSV)
		if info, err = os.Stat(path); err != nil {
			return nil, fmt.Errorf("a directory is looked through if a backup is in it: %w", err)
		}
	}
	if info.Size() > maxFindData {
		return nil, Errorf(ReasonTooLarge, "%s is too large to be looked through", filepath.Base(path))
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("look for addresses: %w", err)
	}
	defer file.Close()
	f := &finder{registry: r, name: path, seen: map[string]int{}}
	head := make([]byte, len(sqliteMagic))
	if n, err := io.ReadFull(file, head); err == nil && string(head[:n]) == sqliteMagic {
		// A browser that runs keeps what is new beside it.
		err := f.places(path)
		return f.found, err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("look for addresses: %w", err)
	}
	data, err := io.ReadAll(io.LimitReader(file, maxFindText+1))
	if err != nil {
		return nil, fmt.Errorf("look for addresses: %w", err)
	}
	if len(data) > maxFindText {
		return nil, Errorf(ReasonTooLarge, "%s is too large to be looked through", filepath.Base(path))
	}
	f.anything(data, 0)
	return f.found, nil
}

// finder collects what is found in one file.
type finder struct {
	registry *Registry
	name     string
	found    []Found
	seen     map[string]int // by canonical address, the place in found
}

// add notes a candidate. It says whether it is an address of a document.
func (f *finder) add(text, title string, line int, least Likelihood) bool {
	kinds := f.registry.Recognise(text)
	if len(kinds) == 0 {
		kinds = f.registry.Recognise(wrapped(text))
	}
	if len(kinds) == 0 || kinds[0].Likelihood < least {
		return false
	}
	if title = strings.Join(strings.Fields(title), " "); strings.Contains(title, "://") || len(title) > 300 {
		title = ""
	}
	key := kinds[0].Address.URL
	if i, ok := f.seen[key]; ok {
		f.found[i].Title = cmp.Or(f.found[i].Title, title)
		f.found[i].Kinds = merged(f.found[i].Kinds, kinds)
		return true
	}
	if len(f.found) < maxFound {
		f.seen[key] = len(f.found)
		f.found = append(f.found, Found{Kinds: kinds, File: f.name, Line: line, Title: title})
	}
	return true
}

// merged returns what two mentions of one address say together: the surer form, and the secrets of both.
func merged(a, b []Recognised) []Recognised {
	if b[0].Likelihood > a[0].Likelihood {
		a, b = b, a
	}
	a = slices.Clone(a)
	for i := range a {
		for _, other := range b {
			if other.Address == a[i].Address && a[i].Secrets == (Secrets{}) {
				a[i].Secrets = other.Secrets
			}
		}
	}
	return a
}

// wrapped returns the address within an address that only leads to it: links in mails that a provider has rewritten.
func wrapped(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.RawQuery == "" {
		return ""
	}
	query := u.Query()
	for _, key := range []string{"url", "u", "q", "target", "to", "link"} {
		if inner := query.Get(key); strings.HasPrefix(inner, "https://") || strings.HasPrefix(inner, "http://") {
			return inner
		}
	}
	return ""
}

// anything looks at what data is.
func (f *finder) anything(data []byte, depth int) {
	if depth > maxFindDepth {
		return
	}
	if bytes.HasPrefix(data, []byte(sqliteMagic)) {
		f.placesData(data)
		return
	}
	if plain, ok := mozillaLZ4(data); ok {
		data = plain
	}
	data = utf8Text(data)
	head := bytes.TrimLeftFunc(data[:min(len(data), 4096)], unicode.IsSpace)
	lower := bytes.ToLower(head)
	switch {
	case len(head) == 0:
	case head[0] == '{' || head[0] == '[':
		if !f.json(data) {
			f.text(data, 0)
		}
	case bytes.HasPrefix(head, []byte("From ")) && bytes.Contains(head, []byte("\n")):
		f.mailbox(data, depth)
	case looksLikeMail(head):
		if !f.mail(data, depth) {
			f.text(data, 0)
		}
	case bytes.HasPrefix(lower, []byte("<!doctype")) || bytes.HasPrefix(lower, []byte("<html")) ||
		bytes.Contains(lower, []byte("<a ")) && bytes.Contains(lower, []byte("href=")) || bytes.HasPrefix(lower, []byte("<?xml")):
		f.html(data)
	case strings.EqualFold(filepath.Ext(f.name), ".csv") || strings.EqualFold(filepath.Ext(f.name), ".tsv"):
		if !f.csv(data) {
			f.text(data, 0)
		}
	default:
		f.text(data, 0)
	}
}

// mozillaLZ4 decompresses what Firefox calls jsonlz4: 8 bytes of magic, the length (4 bytes, little-endian), an LZ4 block.
func mozillaLZ4(data []byte) ([]byte, bool) {
	rest, ok := bytes.CutPrefix(data, []byte("mozLz40\x00"))
	if !ok || len(rest) < 4 {
		return nil, false
	}
	size := binary.LittleEndian.Uint32(rest)
	if size > maxFindText || uint64(size) > 256*uint64(len(rest)) { // LZ4 cannot do better than 255 to 1
		return nil, false
	}
	plain := make([]byte, size)
	n, err := lz4.UncompressBlock(rest[4:], plain)
	if err != nil {
		return nil, false
	}
	return plain[:n], true
}

// utf8Text returns a text in UTF-8 that may be in UTF-16 with a mark or in Latin 1.
func utf8Text(data []byte) []byte {
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) || bytes.HasPrefix(data, []byte("\xef\xbb\xbf")) {
		marked := transform.NewReader(bytes.NewReader(data), textunicode.BOMOverride(textunicode.UTF8.NewDecoder()))
		if decoded, err := io.ReadAll(marked); err == nil {
			return decoded
		}
	}
	if utf8.Valid(data) {
		return data
	}
	out, err := charmap.Windows1252.NewDecoder().Bytes(data)
	if err != nil {
		return data
	}
	return out
}
