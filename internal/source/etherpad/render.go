package etherpad

import (
	"io"
	"strconv"
	"strings"

	"github.com/havre-cloud/havre/internal/source/etherpad/changeset"
)

// RenderText writes a text as Etherpad exports it: the lines of lists with a tab for each level and "* " or "1.2. ".
func RenderText(w io.Writer, t *changeset.Text) error {
	var b strings.Builder
	for _, p := range Paragraphs(t) {
		switch p.Kind {
		case KindBullet:
			b.WriteString(strings.Repeat("\t", p.Level) + "* ")
		case KindNumber:
			b.WriteString(strings.Repeat("\t", p.Level))
			for _, n := range p.Number {
				b.WriteString(strconv.Itoa(n) + ".")
			}
			b.WriteByte(' ')
		case KindIndent:
			b.WriteString(strings.Repeat("\t", p.Level))
		}
		for _, s := range p.Spans {
			b.WriteString(s.Text)
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}
