package source

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/html"
	_ "modernc.org/sqlite" // the driver of Firefox's places.sqlite
)

const sqliteMagic = "SQLite format 3\x00"

// findTimeout is for reading a browser's database.
const findTimeout = time.Minute

// html finds addresses in the links and in the text of a page, or of bookmarks in the Netscape format, which is HTML.
func (f *finder) html(data []byte) {
	z := html.NewTokenizer(bytes.NewReader(data))
	z.SetMaxBuf(maxFindText)
	line := 1
	var href string
	var hrefLine int
	var title strings.Builder
	finish := func() {
		if href != "" {
			f.add(strings.TrimSpace(href), title.String(), hrefLine, Possible)
		}
		href = ""
		title.Reset()
	}
	for len(f.found) < maxFound {
		kind := z.Next()
		if kind == html.ErrorToken {
			finish()
			return
		}
		at := line
		line += bytes.Count(z.Raw(), []byte("\n"))
		switch kind {
		case html.StartTagToken, html.SelfClosingTagToken:
			name, more := z.TagName()
			link := string(name) == "a"
			if link {
				finish()
			}
			for more {
				var key, value []byte
				key, value, more = z.TagAttr()
				switch {
				case link && string(key) == "href":
					href, hrefLine = string(value), at
				case string(key) == "src" || string(key) == "href" || string(key) == "data-url":
					f.add(strings.TrimSpace(string(value)), "", at, Possible) // pads are embedded in frames
				}
			}
		case html.EndTagToken:
			if name, _ := z.TagName(); string(name) == "a" {
				finish()
			}
		case html.TextToken:
			text := html.UnescapeString(string(z.Text()))
			if href != "" && title.Len() < 1000 {
				title.WriteString(text)
			}
			f.text([]byte(text), at)
		}
	}
}

// json finds addresses in JSON of any shape, with the title that stands beside them: bookmarks of Firefox ("uri",
// "title") and Chromium ("url", "name").
func (f *finder) json(data []byte) bool {
	decoder := json.NewDecoder(bytes.NewReader(data))
	for read := false; ; read = true {
		var v any
		if err := decoder.Decode(&v); err != nil {
			return read && errors.Is(err, io.EOF)
		}
		f.value(v, "")
	}
}

func (f *finder) value(v any, title string) {
	switch v := v.(type) {
	case string:
		for line := range strings.Lines(v) {
			f.line(strings.TrimRight(line, "\r\n"), title, 0)
		}
	case []any:
		for _, one := range v {
			f.value(one, "")
		}
	case map[string]any:
		title := ""
		for _, key := range []string{"title", "name", "text"} {
			if s, ok := v[key].(string); ok && title == "" {
				title = s
			}
		}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			f.value(v[key], title)
		}
	}
}

// placesData is places for a database that is in memory.
func (f *finder) placesData(data []byte) {
	file, err := os.CreateTemp("", "havre-find-*")
	if err != nil {
		return
	}
	defer os.Remove(file.Name()) //nolint:errcheck // it lies in the temporary directory
	_, err = file.Write(data)
	if err := errors.Join(err, file.Close()); err != nil {
		return
	}
	_ = f.places(file.Name()) // what is no database of Firefox holds no addresses
}

// places finds addresses in Firefox's bookmarks and history: a copy of the database is opened, for the browser may be
// running, with the journal that holds what it wrote last.
func (f *finder) places(path string) error {
	dir, err := os.MkdirTemp("", "havre-find-*")
	if err != nil {
		return fmt.Errorf("look for addresses: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // it lies in the temporary directory
	twin := filepath.Join(dir, "places.sqlite")
	for _, suffix := range []string{"", "-wal"} {
		if err := copyFile(path+suffix, twin+suffix); err != nil && (suffix == "" || !errors.Is(err, fs.ErrNotExist)) {
			return err
		}
	}
	address := url.URL{Scheme: "file", Opaque: filepath.ToSlash(twin), RawQuery: "_pragma=trusted_schema(0)&_pragma=cell_size_check(1)"}
	db, err := sql.Open("sqlite", address.String())
	if err != nil {
		return fmt.Errorf("open %s: %w", filepath.Base(path), err)
	}
	defer db.Close() //nolint:errcheck // it was read only
	// Anything could be in a file that calls itself a database: only tables are read, and not for ever.
	ctx, cancel := context.WithTimeout(context.Background(), findTimeout)
	defer cancel()
	var tables int
	err = db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN ('moz_places', 'moz_bookmarks')").Scan(&tables)
	if err != nil || tables != 2 {
		return errors.Join(fmt.Errorf("%s is no places.sqlite", filepath.Base(path)), err)
	}
	rows, err := db.QueryContext(ctx, `SELECT substr(p.url, 1, 2048), substr(coalesce(b.title, p.title, ''), 1, 300)
		FROM moz_places p LEFT JOIN moz_bookmarks b ON b.fk = p.id
		WHERE p.url LIKE 'http%' ORDER BY b.id IS NULL, b.id, p.id LIMIT 2000000`)
	if err != nil {
		return fmt.Errorf("%s is no places.sqlite: %w", filepath.Base(path), err)
	}
	defer rows.Close()
	for rows.Next() {
		var address, title string
		if err := rows.Scan(&address, &title); err != nil {
			return fmt.Errorf("read %s: %w", filepath.Base(path), err)
		}
		f.add(address, title, 0, Possible)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read %s: %w", filepath.Base(path), err)
	}
	return nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("look for addresses: %w", err)
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return fmt.Errorf("look for addresses: %w", err)
	}
	_, err = io.Copy(out, io.LimitReader(in, maxFindData))
	if err := errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("look for addresses: %w", err)
	}
	return nil
}
