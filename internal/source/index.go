package source

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/csv"
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The names of the lists that a directory of copies has.
const (
	IndexHTML = "index.html"
	IndexCSV  = "index.csv"
)

// By these a list is known to be one of ours.
const (
	indexMark   = `<meta name="generator" content="havre">`
	indexHeader = "title,kind,address,state,last seen,last changed,ends,holds,files,remarks"
)

// IndexEntry is one document in the lists of a directory. It holds nothing secret.
type IndexEntry struct {
	Kind    Kind
	Title   string
	Name    string   // of its files, without extension; empty if there is no copy
	Exts    []string // of its files
	URL     string
	State   string // a few words: "up to date", "gone on the instance"
	Good    bool   // the copy is what the instance has
	Seen    time.Time
	Changed time.Time
	Ends    time.Time
	Summary string
	Remarks []string
}

// IndexEntry returns the item's line in the lists.
func (i *Item) IndexEntry() IndexEntry {
	e := IndexEntry{
		Kind: i.Address.Kind, Title: cmp.Or(strings.TrimSpace(i.Title), i.Address.Name, i.Address.URL), Name: i.Name, URL: i.Address.URL,
		State: i.Last.Outcome.Words(), Good: i.Last.Outcome.Good(), Seen: i.History.Good, Changed: i.History.Changed,
		Ends: i.History.Ends, Summary: i.Summary,
	}
	for _, f := range i.Files {
		e.Exts = append(e.Exts, f.Ext)
	}
	if !e.Good && i.Last.Error != "" {
		e.Remarks = append(e.Remarks, i.Last.Error)
	}
	for _, n := range i.Notes {
		e.Remarks = append(e.Remarks, n.Text)
	}
	return e
}

// Words says an outcome in a few words.
func (o Outcome) Words() string {
	switch o {
	case OutcomeNew, OutcomeChanged, OutcomeUnchanged:
		return "up to date"
	case OutcomeSuspect:
		return "suspect: the copy before is kept"
	case OutcomeGone:
		return "gone on the instance"
	case OutcomePrivate:
		return "may not be read"
	case OutcomeUnreachable:
		return "the instance does not answer"
	case OutcomeLimited:
		return "the instance asked for a pause"
	case OutcomeFailed:
		return "failed"
	}
	return "not looked at yet"
}

//go:embed index.html.tmpl
var indexTemplate string

var indexPage = template.Must(template.New(IndexHTML).Funcs(template.FuncMap{
	"day":  func(t time.Time) string { return t.UTC().Format("2006-01-02") },
	"at":   func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") },
	"utc":  func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"file": func(name, ext string) string { return "./" + url.PathEscape(name+ext) },
	"host": func(address string) string {
		if u, err := url.Parse(address); err == nil {
			return u.Host
		}
		return ""
	},
	"label": func(ext string) string { return strings.TrimPrefix(ext, ".") },
	"kind":  Kind.Word,
}).Parse(indexTemplate))

// Word names a kind for people.
func (k Kind) Word() string {
	switch k {
	case KindEtherpad:
		return "pad"
	case KindFramadate:
		return "poll"
	case KindEtherCalc:
		return "sheet"
	}
	return string(k)
}

// Index returns the lists of a directory, as a page that needs nothing else, and as a table for spreadsheets. Entries are sorted
// by title. Times are in UTC.
func Index(title string, entries []IndexEntry) (page, table []byte, err error) {
	entries = slices.Clone(entries)
	slices.SortFunc(entries, func(a, b IndexEntry) int {
		return cmp.Or(strings.Compare(Folded(a.Title), Folded(b.Title)), strings.Compare(a.URL, b.URL))
	})
	var html bytes.Buffer
	data := struct {
		Title   string
		Entries []IndexEntry
		Bad     int
	}{Title: title, Entries: entries}
	for _, e := range entries {
		if !e.Good {
			data.Bad++
		}
	}
	if err := indexPage.Execute(&html, data); err != nil {
		return nil, nil, fmt.Errorf("make the list of copies: %w", err)
	}
	table, err = indexTable(entries)
	return html.Bytes(), table, err
}

func indexTable(entries []IndexEntry) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("\ufeff") // without it, Excel takes the text for another encoding
	w := csv.NewWriter(&b)
	w.UseCRLF = true
	rows := [][]string{strings.Split(indexHeader, ",")}
	for _, e := range entries {
		var files []string
		for _, ext := range e.Exts {
			files = append(files, e.Name+ext)
		}
		rows = append(rows, []string{
			e.Title, string(e.Kind), e.URL, e.State, stamp(e.Seen), stamp(e.Changed), stamp(e.Ends), e.Summary,
			strings.Join(files, "; "), strings.Join(e.Remarks, "; "),
		})
	}
	for _, row := range rows {
		for i := range row {
			row[i] = harmless(row[i])
		}
		if err := w.Write(row); err != nil {
			return nil, fmt.Errorf("make the table of copies: %w", err)
		}
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return nil, fmt.Errorf("make the table of copies: %w", err)
	}
	return b.Bytes(), nil
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// harmless returns a cell that no spreadsheet takes for a formula.
func harmless(cell string) string {
	cell = strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, cell)
	if trimmed := strings.TrimLeft(cell, " \u00a0\ufeff"); trimmed != "" && strings.ContainsRune("=+-@|%＝＋－＠", []rune(trimmed)[0]) {
		return "'" + cell
	}
	return cell
}
