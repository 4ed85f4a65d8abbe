package framadate

import (
	"bytes"
	"encoding/csv"
	"io"
	"strings"

	"github.com/havre-cloud/havre/internal/source"
)

// Files returns the forms of a poll, the same order every time; equal polls give equal bytes.
func Files(p *Poll) []source.File {
	files := []source.File{
		file(".json", p.JSON()),
		file(".csv", p.CSV()),
		file(".html", p.HTML()),
		file(".md", p.Markdown()),
	}
	if p.Kind == Dates {
		files = append(files, file(".ics", p.Calendar()))
	}
	return files
}

func file(ext string, data []byte) source.File {
	return source.File{Ext: ext, Size: int64(len(data)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(data)), nil
	}}
}

// CSV returns the table: a line of options, then one for each voter, in UTF-8 with the mark by which spreadsheets know it.
// The answers are the words yes, if need be, no and unanswered. No cell is taken for a formula.
func (p *Poll) CSV() []byte {
	var out bytes.Buffer
	out.WriteString("\ufeff")
	w := csv.NewWriter(&out)
	w.UseCRLF = true
	record := []string{"Name"}
	for _, o := range p.Options {
		record = append(record, o.name())
	}
	write := func() {
		for i, cell := range record {
			record[i] = defuse(cell)
		}
		_ = w.Write(record) // a buffer takes everything
	}
	write()
	for _, v := range p.Voters {
		record = record[:0]
		record = append(record, v.Name)
		for _, a := range v.Answers {
			record = append(record, answerText(a))
		}
		write()
	}
	w.Flush()
	return out.Bytes()
}

// defuse keeps a spreadsheet from taking a text for a formula.
func defuse(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r\n|%", rune(text[0])) {
		return "'" + text
	}
	return text
}

// name is what an option is called where there is only its text.
func (o *Option) name() string {
	if o.Label == "" {
		return "(no text)"
	}
	return strings.Join(strings.Fields(o.Label), " ")
}

func answerText(a Answer) string {
	if a == IfNeedBe {
		return "if need be"
	}
	return string(a)
}
