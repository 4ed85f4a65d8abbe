package ethercalc

import (
	"bytes"
	_ "embed"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"

	"github.com/havre-cloud/havre/internal/source"
)

//go:embed sheet.html
var sheetPage string

var sheetTemplate = template.Must(template.New("sheet").Parse(sheetPage))

// Format is the name and version of the JSON in which a book is kept (docs/formats/poll.md).
const Format = "havre-sheets/1"

// container is a book in one file.
type container struct {
	Format string           `json:"format"`
	Room   string           `json:"room"`
	Sheets []containerSheet `json:"sheets"`
}

type containerSheet struct {
	Room  string `json:"room"`
	Title string `json:"title"`
	Save  string `json:"socialcalc"`
}

// sheets are the rooms with cells, without the list of a book.
func (b *book) sheets() []*room {
	if len(b.titles) > 0 {
		return b.rooms[1:]
	}
	return b.rooms
}

func (b *book) title(i int) string {
	if i < len(b.titles) && b.titles[i] != "" {
		return b.titles[i]
	}
	return fmt.Sprintf("Sheet%d", i+1)
}

// files makes all forms of a document: in SocialCalc's own format (".socialcalc"), or JSON for a book (".ethercalc"), as XLSX, HTML, and CSV for each
// sheet. Equal sheets give equal bytes.
func files(b *book) ([]source.File, error) {
	var list []source.File
	add := func(ext string, data []byte) {
		list = append(list, source.File{Ext: ext, Size: int64(len(data)), Open: func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(data)), nil
		}})
	}
	workbook, err := b.workbook()
	if err != nil {
		return nil, err
	}
	if len(b.titles) == 0 {
		add(".socialcalc", []byte(b.rooms[0].save.text))
		add(".csv", sheetCSV(b.rooms[0]))
	} else {
		c := container{Format: Format, Room: strings.TrimPrefix(b.name, "=")}
		for i, r := range b.sheets() {
			c.Sheets = append(c.Sheets, containerSheet{r.name, b.title(i), r.save.text})
			add(fmt.Sprintf(".%d.csv", i+1), sheetCSV(r))
		}
		var out bytes.Buffer
		encoder := json.NewEncoder(&out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(c); err != nil {
			return nil, err
		}
		add(".ethercalc", out.Bytes())
	}
	add(".xlsx", workbook)
	page, err := b.page()
	if err != nil {
		return nil, err
	}
	add(".html", page)
	return list, nil
}

// sheetCSV is what the cells show, in UTF-8 with its mark, no cell a formula.
func sheetCSV(r *room) []byte {
	var out bytes.Buffer
	out.WriteString("\ufeff")
	w := csv.NewWriter(&out)
	w.UseCRLF = true
	for _, row := range r.rows {
		safe := make([]string, len(row))
		for i, text := range row {
			safe[i] = defuse(text)
		}
		_ = w.Write(safe) // a buffer takes everything
	}
	w.Flush()
	return out.Bytes()
}

var plainNumber = regexp.MustCompile(`^[-+]?[0-9][0-9., ]*%?$`)

// defuse keeps a spreadsheet from taking a text for a formula; numbers below zero are none.
func defuse(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r\n|%", rune(text[0])) && !plainNumber.MatchString(text) {
		return "'" + text
	}
	return text
}

// numberFormats are those of SocialCalc that spreadsheets write the same way: of dates, times, and plain numbers.
var numberFormats = regexp.MustCompile(`^(?:[dmyhs:/ .,#0%-]|AM/PM|\[h\])+$`)

// maxFormatted is how many numbers of a sheet are written as they look.
const maxFormatted = 20_000

// workbook is XLSX with values only: a formula's result is there, the formula is in the sheet's own format. On the
// way it gives the rows of the instance's CSV, which shows numbers bare, what dates and times look like.
func (b *book) workbook() ([]byte, error) {
	f := excelize.NewFile()
	defer f.Close() //nolint:errcheck // it is in memory only
	styles := map[string]int{}
	names := map[string]bool{}
	for i, r := range b.sheets() {
		name := sheetName(b.title(i), i, names)
		if i == 0 {
			if err := f.SetSheetName("Sheet1", name); err != nil {
				return nil, err
			}
		} else if _, err := f.NewSheet(name); err != nil {
			return nil, err
		}
		for _, c := range r.save.cells {
			if err := writeCell(f, name, c, styles); err != nil {
				return nil, err
			}
		}
		r.format(f, name)
	}
	var out bytes.Buffer
	if err := f.Write(&out); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// format shows the numbers of a sheet as their formats say.
func (r *room) format(f *excelize.File, sheet string) {
	formatted := 0
	for _, c := range r.save.cells {
		if !c.number || !numberFormats.MatchString(c.format) || c.row > len(r.rows) || c.column > len(r.rows[c.row-1]) || formatted == maxFormatted {
			continue
		}
		formatted++
		text, err := f.GetCellValue(sheet, columnName(c.column)+strconv.Itoa(c.row))
		if err == nil && text != "" {
			r.rows[c.row-1][c.column-1] = text
		}
	}
}

// sheetName is a title as spreadsheets take it: 31 characters, some not, each once.
func sheetName(title string, i int, taken map[string]bool) string {
	name := strings.TrimSpace(strings.Map(func(r rune) rune {
		if strings.ContainsRune(`:\/?*[]'`, r) || r < ' ' {
			return ' '
		}
		return r
	}, title))
	if runes := []rune(name); len(runes) > 28 {
		name = strings.TrimSpace(string(runes[:28]))
	}
	if name == "" || taken[strings.ToLower(name)] {
		name = strings.TrimSpace(fmt.Sprintf("%.20s %d", name, i+1))
	}
	taken[strings.ToLower(name)] = true
	return name
}

func writeCell(f *excelize.File, sheet string, c cell, styles map[string]int) error {
	at := columnName(c.column) + strconv.Itoa(c.row)
	number, err := strconv.ParseFloat(c.value, 64)
	if !c.number || err != nil {
		text := []rune(strings.ToValidUTF8(c.value, "\ufffd"))
		return f.SetCellStr(sheet, at, string(text[:min(len(text), excelize.TotalCellChars)]))
	}
	if err := f.SetCellFloat(sheet, at, number, -1, 64); err != nil {
		return err
	}
	if !numberFormats.MatchString(c.format) {
		return nil
	}
	style, found := styles[c.format]
	if !found {
		if style, err = f.NewStyle(&excelize.Style{CustomNumFmt: &c.format}); err != nil {
			return err
		}
		styles[c.format] = style
	}
	return f.SetCellStyle(sheet, at, at, style)
}

// shownCell is a cell of the page.
type shownCell struct {
	Text, Formula string
	Number        bool
}

type shownSheet struct {
	Title   string
	Columns []string
	Rows    []shownRow
}

type shownRow struct {
	Number int
	Cells  []shownCell
}

// page is HTML that needs nothing else, runs nothing and loads nothing.
func (b *book) page() ([]byte, error) {
	view := struct {
		Title  string
		Many   bool
		Sheets []shownSheet
	}{Title: strings.TrimPrefix(b.name, "="), Many: len(b.titles) > 0}
	for i, r := range b.sheets() {
		view.Sheets = append(view.Sheets, r.shown(b.title(i)))
	}
	var out bytes.Buffer
	err := sheetTemplate.Execute(&out, view)
	return out.Bytes(), err
}

// shown puts what the cells show together with what they are.
func (r *room) shown(title string) shownSheet {
	known := map[[2]int]cell{}
	for _, c := range r.save.cells {
		known[[2]int{c.row, c.column}] = c
	}
	s := shownSheet{Title: title}
	width := 0
	for i, row := range r.rows {
		width = max(width, len(row))
		cells := make([]shownCell, len(row))
		for k, text := range row {
			c := known[[2]int{i + 1, k + 1}]
			cells[k] = shownCell{Text: text, Number: c.number}
			if c.formula != "" {
				cells[k].Formula = "=" + c.formula
			}
		}
		s.Rows = append(s.Rows, shownRow{i + 1, cells})
	}
	for i := range width {
		s.Columns = append(s.Columns, columnName(i+1))
	}
	return s
}
