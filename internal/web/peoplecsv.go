package web

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"net/mail"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"github.com/havre-cloud/havre/internal/store"
)

// What an import may be: enough for a large school, little enough to be shown on one page.
const (
	maxImportBytes = 5 << 20
	maxImportLines = 10_000
	maxImportCell  = 1000
)

// personLine is one line of a table of people, as somebody wrote it.
type personLine struct {
	Line                         int // in the file, from 1
	Name, DisplayName, Email     string
	Groups                       []string
	Role                         store.Role
	Quota                        int64 // bytes, -1: none
	hasDisplay, hasRole, hasMail bool
	hasQuota                     bool
	Problem                      string // key of a text, or empty
	Detail                       string // what the problem is about
}

// tableError is a table that cannot be read at all; its text is a key.
type tableError struct {
	Key  string
	Line int
}

func (e *tableError) Error() string { return e.Key }

// The columns, by what people call them. Without a line of titles they come in this order.
const (
	colName = iota
	colDisplay
	colMail
	colGroups
	colRole
	colQuota
	columns
)

var columnTitles = map[string]int{
	"name": colName, "login": colName, "user": colName, "username": colName, "user name": colName,
	"identifiant": colName, "utilisateur": colName, "compte": colName, "account": colName,
	"display name": colDisplay, "full name": colDisplay, "fullname": colDisplay, "displayname": colDisplay,
	"nom affiché": colDisplay, "nom complet": colDisplay, "nom": colDisplay, "personne": colDisplay, "person": colDisplay,
	"e-mail": colMail, "email": colMail, "mail": colMail, "courriel": colMail, "adresse": colMail, "address": colMail,
	"adresse e-mail": colMail, "e-mail address": colMail, "email address": colMail, "adresse électronique": colMail,
	"group": colGroups, "groups": colGroups, "groupe": colGroups, "groupes": colGroups,
	"role": colRole, "rôle": colRole,
	"space": colQuota, "quota": colQuota, "espace": colQuota, "espace (go)": colQuota, "space (gb)": colQuota,
}

var roleNames = map[string]store.Role{
	"guest": store.RoleGuest, "invité": store.RoleGuest, "invitée": store.RoleGuest, "invité·e": store.RoleGuest,
	"member": store.RoleMember, "membre": store.RoleMember,
	"folders": store.RoleFolders, "may create folders": store.RoleFolders, "folder manager": store.RoleFolders,
	"dossiers": store.RoleFolders, "crée des dossiers": store.RoleFolders, "peut créer des dossiers": store.RoleFolders,
	"admin": store.RoleAdmin, "administrator": store.RoleAdmin, "administrateur": store.RoleAdmin,
	"administratrice": store.RoleAdmin, "administration": store.RoleAdmin,
}

// decodeTable returns the text of a file that a spreadsheet saved: UTF-8 with or without a mark, or
// what Windows and old programs write for western Europe.
func decodeTable(b []byte) (string, error) {
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	if bytes.IndexByte(b, 0) >= 0 || bytes.HasPrefix(b, []byte("\xff\xfe")) || bytes.HasPrefix(b, []byte("\xfe\xff")) {
		return "", &tableError{Key: "people.import.not_text"}
	}
	if utf8.Valid(b) {
		return string(b), nil
	}
	// Windows-1252 is Latin-1 with letters where that has unused control codes.
	text, err := charmap.Windows1252.NewDecoder().Bytes(b)
	return string(text), err
}

// separator returns what is between the cells, by the first line that is not empty.
func separator(text string) rune {
	line, _, _ := strings.Cut(strings.TrimLeft(text, "\r\n"), "\n")
	best, most := ',', 0
	for _, c := range []rune{',', ';', '\t'} {
		if n := countOutside(line, c); n > most {
			best, most = c, n
		}
	}
	return best
}

// countOutside counts c outside of quotation marks.
func countOutside(line string, c rune) int {
	n, quoted := 0, false
	for _, r := range line {
		switch {
		case r == '"':
			quoted = !quoted
		case r == c && !quoted:
			n++
		}
	}
	return n
}

// readPeople reads a table of people. Lines that cannot be used have a Problem; a table that is none is
// a *tableError.
func readPeople(text string) ([]personLine, error) {
	r := csv.NewReader(strings.NewReader(strings.ReplaceAll(text, "\r\n", "\n")))
	r.Comma = separator(text)
	r.FieldsPerRecord = -1
	r.TrimLeadingSpace = r.Comma != '\t'
	r.ReuseRecord = true
	where := [columns]int{0, 1, 2, 3, 4, 5}
	var lines []personLine
	seen := map[string]int{}
	for first := true; ; first = false {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if pe, ok := errors.AsType[*csv.ParseError](err); ok {
			return nil, &tableError{Key: "people.import.broken", Line: pe.Line}
		} else if err != nil {
			return nil, err
		}
		line, _ := r.FieldPos(0)
		if titles, ok := titleLine(cells); first && ok {
			where = titles
			continue
		}
		if blank(cells) {
			continue
		}
		if len(lines) == maxImportLines {
			return nil, &tableError{Key: "people.import.too_many", Line: line}
		}
		p := personOf(cells, where)
		p.Line = line
		p.check(seen)
		lines = append(lines, p)
	}
	if len(lines) == 0 {
		return nil, &tableError{Key: "people.import.empty"}
	}
	return lines, nil
}

// titleLine says which column is where, if the line is one of titles: one that has the column of names.
func titleLine(cells []string) ([columns]int, bool) {
	where := [columns]int{-1, -1, -1, -1, -1, -1}
	for i, cell := range cells {
		c, ok := columnTitles[strings.ToLower(strings.TrimSpace(cell))]
		if ok && where[c] < 0 {
			where[c] = i
		}
	}
	if where[colName] < 0 && where[colDisplay] >= 0 && (where[colMail] >= 0 || where[colRole] >= 0 || where[colGroups] >= 0) {
		return where, true // names are made from the rest
	}
	return where, where[colName] >= 0
}

func blank(cells []string) bool {
	for _, c := range cells {
		if strings.TrimSpace(c) != "" {
			return false
		}
	}
	return true
}

func personOf(cells []string, where [columns]int) personLine {
	cell := func(c int) string {
		if i := where[c]; i >= 0 && i < len(cells) {
			return strings.TrimSpace(cells[i])
		}
		return ""
	}
	p := personLine{Name: cell(colName), DisplayName: cell(colDisplay), Email: cell(colMail), Role: store.RoleMember}
	p.hasDisplay, p.hasMail = p.DisplayName != "", p.Email != ""
	for g := range strings.FieldsFuncSeq(cell(colGroups), func(r rune) bool { return r == '|' || r == ';' || r == ',' }) {
		if g = strings.TrimSpace(g); g != "" {
			p.Groups = append(p.Groups, g)
		}
	}
	if role := strings.ToLower(cell(colRole)); role != "" {
		var ok bool
		if p.Role, ok = roleNames[role]; !ok {
			p.Problem, p.Detail = "people.import.role", clipCell(cell(colRole))
		}
		p.hasRole = true
	}
	p.Quota = -1
	if space := cell(colQuota); space != "" {
		var ok bool
		if p.Quota, ok = readGigabytes(space); !ok && p.Problem == "" {
			p.Problem, p.Detail = "people.import.quota", clipCell(space)
		}
		p.hasQuota = true
	}
	for _, c := range cells {
		if len(c) > maxImportCell {
			p.Problem, p.Detail = "people.import.long", ""
			p.Name, p.DisplayName, p.Email, p.Groups = clipCell(p.Name), clipCell(p.DisplayName), clipCell(p.Email), nil
		}
	}
	return p
}

func clipCell(s string) string {
	if len(s) <= 60 {
		return s
	}
	return strings.ToValidUTF8(s[:60], "") + "…"
}

// check finds what is wrong with the line by itself. seen has the lines of the names before it.
func (p *personLine) check(seen map[string]int) {
	if p.Name == "" {
		local, _, _ := strings.Cut(p.Email, "@")
		p.Name = local
	}
	if p.Problem != "" {
		return
	}
	switch a, err := mail.ParseAddress(p.Email); {
	case p.Name == "":
		p.Problem = "people.import.no_name"
	case store.CheckUserName(p.Name) != nil:
		p.Problem, p.Detail = "people.import.bad_name", clipCell(p.Name)
	case p.hasDisplay && store.CheckUserName(p.DisplayName) != nil:
		p.Problem, p.Detail = "people.import.bad_name", clipCell(p.DisplayName)
	case p.hasMail && (err != nil || a.Address != p.Email):
		p.Problem, p.Detail = "people.import.bad_mail", clipCell(p.Email)
	}
	key := strings.ToLower(p.Name)
	if first := seen[key]; first > 0 && p.Problem == "" {
		p.Problem, p.Detail = "people.import.twice", p.Name
	} else if p.Problem == "" {
		seen[key] = p.Line
	}
}

// safeCell returns a cell that no spreadsheet takes for a formula.
func safeCell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r|%", rune(s[0])) {
		return "'" + s
	}
	return s
}

// safeTable writes the rows for a spreadsheet, with the mark that makes it read UTF-8.
func safeTable(rows [][]string) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("\xef\xbb\xbf")
	w := csv.NewWriter(&b)
	w.UseCRLF = true
	for _, row := range rows {
		safe := make([]string, len(row))
		for i, c := range row {
			safe[i] = safeCell(c)
		}
		if err := w.Write(safe); err != nil {
			return nil, err
		}
	}
	w.Flush()
	return b.Bytes(), w.Error()
}

// readLinks reads a table that safeTable wrote.
func readLinks(text string) ([][]string, error) {
	if len(text) > maxImportBytes {
		return nil, csv.ErrFieldCount
	}
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		for i, c := range row {
			if rest, ok := strings.CutPrefix(c, "'"); ok && safeCell(rest) != rest {
				row[i] = rest // safeTable puts it there again
			}
		}
	}
	return rows, nil
}
