package web

import (
	"html/template"
	"strings"

	"github.com/havre-cloud/havre/internal/hub"
)

// rowMark is what stands behind a name in a list. kinds has a letter for each mark, in the order in which they stand:
// r for rights that are set there, b for a target of backups, o for what can only be read, l for a lock.
type rowMark struct {
	kinds string
	lock  string // who has locked it
}

// markTexts are what the marks mean, by their letters.
var markTexts = map[byte]string{'r': "files.mark.rights", 'b': "files.mark.backup", 'o': "files.mark.readonly", 'l': "files.mark.lock"}

// rowMarks writes marks as rows have them.
func (x *exchange) rowMarks(marks map[string]hub.Mark) map[string]rowMark {
	rows := make(map[string]rowMark, len(marks))
	for name, m := range marks {
		var r rowMark
		for _, k := range []struct {
			on     bool
			letter string
		}{{m.Rights, "r"}, {m.Backup, "b"}, {m.ReadOnly, "o"}, {m.Lock != "", "l"}} {
			if k.on {
				r.kinds += k.letter
			}
		}
		if m.Lock != "" {
			r.lock = visible(x.firstName(m.Lock))
			if m.Lock == x.session.User.Name {
				r.lock = x.t("files.mark.you")
			}
		}
		rows[name] = r
	}
	return rows
}

// marksOf writes the marks of an entry; 29-rows.js writes the same.
func (r *rowWriter) marksOf(name string) string {
	m, ok := r.marks[name]
	if !ok {
		return ""
	}
	var html strings.Builder
	for i := range len(m.kinds) {
		kind := m.kinds[i]
		if kind == 'l' {
			html.WriteString(`<span class="tag mk-l" title="` + template.HTMLEscapeString(r.x.t(markTexts[kind], "name", m.lock)) + `">` + template.HTMLEscapeString(m.lock) + `</span>`)
			continue
		}
		title := template.HTMLEscapeString(r.x.t(markTexts[kind]))
		html.WriteString(`<span class="mk mk-` + string(kind) + `" title="` + title + `"><span class="hidden-text">` + title + `</span></span>`)
	}
	return html.String()
}
