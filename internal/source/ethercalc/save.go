package ethercalc

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Limits of a sheet.
const (
	maxSave   = 32 << 20 // bytes
	maxCells  = 500_000
	maxColumn = 702 // ZZ, the last that SocialCalc has
	maxRow    = 1 << 20
	maxSheets = 100 // of a book
)

// cell is one that holds something.
type cell struct {
	column, row int // from 1
	number      bool
	value       string // as it is stored: a number, or text
	formula     string // without the equals sign
	format      string // of a number, SocialCalc's: "d-mmm-yyyy"
}

// save is a sheet in SocialCalc's format.
//
// It is MIME multipart text with \n lines: the first part names the others ("part:sheet"), the sheet's has a line for each
// cell, "cell:A1:t:text", its fields separated by colons and escaped (\c is a colon, \n a line break, \b a
// backslash). Format: SocialCalc.SheetSave in the public sources of SocialCalc.
type save struct {
	text  string // as it came
	sheet string // the part with the cells
	cells []cell
}

var (
	boundaryLine = regexp.MustCompile(`(?i)boundary=("?)([A-Za-z0-9'()+_,./:=?-]{1,70})`)
	coordinate   = regexp.MustCompile(`^([A-Z]{1,2})([1-9][0-9]{0,6})$`)
	unescaper    = strings.NewReplacer(`\c`, ":", `\n`, "\n", `\b`, `\`)
	escaper      = strings.NewReplacer(`\`, `\b`, ":", `\c`, "\n", `\n`, "\r", "")
)

var errIncomplete = errors.New("it ends in its middle")

// parseSave reads a sheet and checks that it is whole.
func parseSave(text string) (*save, error) {
	if len(text) > maxSave {
		return nil, fmt.Errorf("it is larger than %d MiB", maxSave>>20)
	}
	if !strings.HasPrefix(text, "socialcalc:version:") {
		return nil, errors.New("it is not in SocialCalc's format")
	}
	s := &save{text: text}
	unix := strings.ReplaceAll(text, "\r\n", "\n")
	m := boundaryLine.FindStringSubmatch(unix[:min(len(unix), 1000)])
	if m == nil {
		return nil, errors.New("it has no parts")
	}
	parts := strings.Split(unix, "\n--"+m[2])
	if len(parts) < 3 || !strings.HasPrefix(parts[len(parts)-1], "--") {
		return nil, errIncomplete
	}
	index := 0
	for i, name := range partNames(body(parts[1])) {
		if name == "sheet" {
			index = i + 2
		}
	}
	if index == 0 || index >= len(parts)-1 {
		return nil, errors.New("it has no sheet")
	}
	s.sheet = body(parts[index])
	return s, s.read()
}

// body is a part without its header.
func body(part string) string {
	_, text, _ := strings.Cut(part, "\n\n")
	return text
}

func partNames(text string) []string {
	var names []string
	for line := range strings.SplitSeq(text, "\n") {
		if name, found := strings.CutPrefix(line, "part:"); found && len(names) < 20 {
			names = append(names, name)
		}
	}
	return names
}

// read takes the lines of the sheet.
func (s *save) read() error {
	formats := map[string]string{}
	var wanted []string
	for line := range strings.SplitSeq(s.sheet, "\n") {
		switch {
		case strings.HasPrefix(line, "cell:"):
			c, format, ok := readCell(strings.Split(line, ":"))
			if !ok {
				continue
			}
			if len(s.cells) >= maxCells {
				return fmt.Errorf("it has more than %d cells", maxCells)
			}
			s.cells, wanted = append(s.cells, c), append(wanted, format)
		case strings.HasPrefix(line, "valueformat:"):
			if fields := strings.SplitN(line, ":", 3); len(fields) == 3 {
				formats[fields[1]] = unescaper.Replace(fields[2])
			}
		}
	}
	for i := range s.cells {
		s.cells[i].format = formats[wanted[i]]
	}
	return nil
}

// readCell takes the fields of a cell's line; what has no content is none.
func readCell(fields []string) (c cell, format string, ok bool) {
	m := coordinate.FindStringSubmatch(fields[1])
	if m == nil {
		return c, "", false
	}
	for _, letter := range m[1] {
		c.column = c.column*26 + int(letter-'A') + 1
	}
	c.row, _ = strconv.Atoi(m[2])
	if c.column > maxColumn || c.row > maxRow {
		return c, "", false
	}
	field := func(i int) string {
		if i < len(fields) {
			return unescaper.Replace(fields[i])
		}
		return ""
	}
	for i := 2; i < len(fields); {
		switch fields[i] {
		case "v":
			c.value, c.number, ok = field(i+1), true, true
			i += 2
		case "t":
			c.value, ok = field(i+1), true
			i += 2
		case "vt":
			c.value, c.number, ok = field(i+2), strings.HasPrefix(field(i+1), "n"), true
			i += 3
		case "vtf", "vtc":
			c.value, c.number, ok = field(i+2), strings.HasPrefix(field(i+1), "n"), true
			if fields[i] == "vtf" {
				c.formula = field(i + 3)
			}
			i += 4
		case "ntvf":
			format = field(i + 1)
			i += 2
		case "b":
			i += 5
		default:
			i += 2
		}
	}
	return c, format, ok
}

// content is what a copy is compared by: the sheet without what changes when someone only looks at it.
func (s *save) content() string {
	var out strings.Builder
	for line := range strings.SplitSeq(s.sheet, "\n") {
		if line == "" || strings.HasPrefix(line, "version:") {
			continue
		}
		out.WriteString(line + "\n")
	}
	return out.String()
}

// columnName is a column's letters.
func columnName(column int) string {
	name := ""
	for ; column > 0; column = (column - 1) / 26 {
		name = string(rune('A'+(column-1)%26)) + name
	}
	return name
}

// textSheet makes a save of lines of text, for the list of a book's sheets.
func textSheet(rows [][]string) string {
	const boundary = "SocialCalcSpreadsheetControlSave"
	var out strings.Builder
	out.WriteString("socialcalc:version:1.0\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=" + boundary + "\n--" + boundary +
		"\nContent-type: text/plain; charset=UTF-8\n\n# SocialCalc Spreadsheet Control Save\nversion:1.0\npart:sheet\n--" + boundary +
		"\nContent-type: text/plain; charset=UTF-8\n\nversion:1.5\n")
	width := 1
	for i, row := range rows {
		width = max(width, len(row))
		for k, text := range row {
			fmt.Fprintf(&out, "cell:%s%d:t:%s\n", columnName(k+1), i+1, escaper.Replace(text))
		}
	}
	fmt.Fprintf(&out, "sheet:c:%d:r:%d:tvf:1\nvalueformat:1:text-wiki\n--%s--\n", width, len(rows), boundary)
	return out.String()
}
