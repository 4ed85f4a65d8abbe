package svnaccounts

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// MaxFile is how many bytes a file may have.
const MaxFile = 16 << 20

// SyntaxError says what is wrong with a file, and where.
type SyntaxError struct {
	Line int // from 1; 0: the file as a whole
	Text string
}

func (e *SyntaxError) Error() string {
	if e.Line == 0 {
		return e.Text
	}
	return fmt.Sprintf("line %d: %s", e.Line, e.Text)
}

func wrong(line int, format string, args ...any) error {
	return &SyntaxError{Line: line, Text: fmt.Sprintf(format, args...)}
}

// section is one of a configuration file.
type section struct {
	line    int
	name    string
	options []option
}

// option is a line of a section, with those that continue it.
type option struct {
	line        int
	name, value string
}

// readAll returns the file's text with line feeds only, or why it is none.
func readAll(r io.Reader) (string, error) {
	b, err := io.ReadAll(io.LimitReader(r, MaxFile+1))
	if err != nil {
		return "", err
	}
	if len(b) > MaxFile {
		return "", wrong(0, "it has more than %d MiB", MaxFile>>20)
	}
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return "", wrong(1+bytes.Count(b[:i], []byte("\n")), "it has a NUL byte: this is no text")
	}
	text := strings.ReplaceAll(string(b), "\r\n", "\n")
	text = strings.ReplaceAll(text, "\r", "\n")
	if !utf8.ValidString(text) {
		n := 1
		for line := range strings.SplitSeq(text, "\n") {
			if !utf8.ValidString(line) {
				break
			}
			n++
		}
		return "", wrong(n, "it is not UTF-8: convert the file first")
	}
	return text, nil
}

// blank are the bytes that Subversion takes for white space within a line.
const blank = " \t\v\f"

// parseConfig reads what all configuration files of Subversion have in common. Sections and options are in the order
// of the file, with repetitions.
func parseConfig(r io.Reader) ([]section, error) {
	text, err := readAll(r)
	if err != nil {
		return nil, err
	}
	var sections []section
	continues := false // the line before belongs to an option
	number := 0
	for line := range strings.SplitSeq(text, "\n") {
		number++
		trimmed := strings.Trim(line, blank)
		indented := line != "" && strings.ContainsRune(blank, rune(line[0]))
		switch {
		case trimmed == "":
			continues = false
		case indented && continues:
			options := sections[len(sections)-1].options
			last := &options[len(options)-1]
			last.value = strings.TrimLeft(last.value+" "+trimmed, " ")
		case trimmed[0] == '#':
			continues = false
			if indented {
				return nil, wrong(number, "a comment must start in the first column")
			}
		case trimmed[0] == '[':
			continues = false
			if indented {
				return nil, wrong(number, "the header of a section must start in the first column")
			}
			name, _, ended := strings.Cut(line[1:], "]")
			if !ended {
				return nil, wrong(number, "the header of a section must end with ]")
			}
			sections = append(sections, section{line: number, name: name})
		default:
			o, err := parseOption(number, line, indented, sections)
			if err != nil {
				return nil, err
			}
			s := &sections[len(sections)-1]
			s.options = append(s.options, o)
			continues = true
		}
	}
	return sections, nil
}

func parseOption(number int, line string, indented bool, sections []section) (option, error) {
	if len(sections) == 0 {
		return option{}, wrong(number, "the header of a section is missing before it, such as [groups]")
	}
	if indented {
		return option{}, wrong(number, "it is indented, and there is nothing before it that it could continue")
	}
	i := strings.IndexAny(line, ":=")
	if i < 0 {
		return option{}, wrong(number, "there is no = in it")
	}
	return option{line: number, name: strings.TrimRight(line[:i], blank), value: strings.Trim(line[i+1:], blank)}, nil
}
