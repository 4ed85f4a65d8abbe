package framadate

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// sheet is what the instance's CSV says.
type sheet struct {
	dates   []string   // of a poll of dates: one for each column
	moments []string   // the same
	names   []string   // of the voters
	cells   [][]string // their words; a line may have fewer than there are columns
}

// parseSheet reads the CSV of a poll. Its first line is not read for choices: commas in them are not quoted.
func parseSheet(data []byte, kind Kind) (*sheet, error) {
	head := 1
	if kind == Dates {
		head = 2
	}
	var first [][]byte
	for range head {
		line, rest, found := bytes.Cut(data, []byte("\n"))
		if !found {
			return nil, errors.New("it has no header")
		}
		first, data = append(first, line), rest
	}
	s := &sheet{}
	if kind == Dates {
		for i, into := range []*[]string{&s.dates, &s.moments} {
			fields, err := csv.NewReader(bytes.NewReader(first[i])).Read()
			if err != nil {
				return nil, err
			}
			if len(fields) < 2 || fields[0] != "" || len(fields) > maxOptions+2 {
				return nil, errors.New("its header is of another kind")
			}
			*into = fields[1 : len(fields)-1]
		}
		if len(s.dates) != len(s.moments) {
			return nil, errors.New("its dates and moments do not fit")
		}
	}
	reader := csv.NewReader(bytes.NewReader(data))
	reader.FieldsPerRecord = -1
	records, err := reader.ReadAll()
	if err != nil {
		return nil, err
	}
	for _, record := range records {
		if len(record) < 2 || len(s.names) >= maxVoters {
			return nil, errors.New("it has a line that is no voter's")
		}
		s.names = append(s.names, record[0])
		s.cells = append(s.cells, record[1:len(record)-1])
	}
	return s, nil
}

// answerWords are those of the CSV in the languages of Framadate. They changed between versions, so that a word
// which is not among them says nothing.
var answerWords = func() map[string]Answer {
	known := map[string]Answer{}
	for answer, words := range map[Answer]string{
		Yes:        "Yes|Oui|Ja|Òc|Si|Sí|Sì|Ya",
		IfNeedBe:   "Under reserve|Si nécessaire|Unter Vorbehalt|Se cal|En caso de ser necesario|Se necessario|Indien nodig|Marteze|Si és necessari|Ifneedbe",
		No:         "No|Non|Nein|Nee|Ket",
		Unanswered: "Unknown|Inconnu|Unbekannt|Desconocido|Sconosciuto|Onbekend|Dianav|Desconegut|unkown", //nolint:misspell // 1.0 writes it so
	} {
		for word := range strings.SplitSeq(words, "|") {
			known[word] = answer
		}
	}
	return known
}()

// agrees says whether the CSV and the page tell the same of a poll, as far as the CSV can: it puts an apostrophe before
// names that begin like formulas, drops their line breaks, leaves out what is unanswered at the end, and on old PHP says
// no for it.
func (s *sheet) agrees(p *Poll) error {
	if p.Kind == Dates && len(s.dates) != len(p.Options) {
		return fmt.Errorf("%d columns in the CSV, %d on the page", len(s.dates), len(p.Options))
	}
	if len(s.names) != len(p.Voters) {
		return fmt.Errorf("%d voters in the CSV, %d on the page", len(s.names), len(p.Voters))
	}
	for i, v := range p.Voters {
		name := strings.TrimSpace(s.names[i])
		if name != v.Name && strings.TrimPrefix(name, "'") != v.Name && squeeze(name) != squeeze(v.Name) {
			return fmt.Errorf("another voter %d in the CSV than on the page", i+1)
		}
		if len(s.cells[i]) > len(p.Options) {
			return fmt.Errorf("voter %d has more answers in the CSV than there are options", i+1)
		}
		for k, word := range s.cells[i] {
			said, known := answerWords[word]
			blank := v.Answers[k] == Unanswered && (said == No || said == Unanswered) ||
				v.Answers[k] == No && said == Unanswered // 0.9 knows nothing unanswered
			if known && said != v.Answers[k] && !blank {
				return fmt.Errorf("another answer of voter %d in the CSV than on the page", i+1)
			}
		}
	}
	return nil
}

// squeeze leaves out all blanks.
func squeeze(text string) string { return strings.Join(strings.Fields(text), "") }

// resolve gives the columns of a poll of dates their dates: by the author's page, which has the instant at which a day
// begins, by the CSV, and at last by walking along the names of months. s may be nil.
func (p *page) resolve(s *sheet) {
	if p.poll.Kind != Dates {
		return
	}
	for i := range p.poll.Options {
		o, c := &p.poll.Options[i], p.columns[i]
		number, _ := readDay(c.day)
		date := ""
		if s != nil && i < len(s.dates) {
			date = readShortDate(s.dates[i])
		}
		if c.unix != 0 && date == "" {
			date = dayAt(c.unix, number)
		}
		if date == "" {
			date = walked(c.month, number)
		}
		o.Date = date
		if date == "" {
			o.Day = oneLine(c.day + " " + c.month)
		}
		if c.unix != 0 {
			o.Offset = offsetOf(date, c.unix)
		}
	}
	// One column whose day does not begin at midnight means that the instance's zone was changed since: then the others
	// tell nothing sure either.
	if slices.ContainsFunc(p.poll.Options, func(o Option) bool { return o.Offset == "" }) {
		for i := range p.poll.Options {
			p.poll.Options[i].Offset = ""
		}
	}
}

// walked returns the date of a day's number in a month by its name, empty if that is in no language that is known.
func walked(month string, number int) string {
	year, m, ok := readMonth(month)
	if !ok || number == 0 {
		return ""
	}
	date, ok := readLongDate(fmt.Sprintf("%04d-%02d-%02d", year, m, number))
	if !ok {
		return ""
	}
	return date
}
