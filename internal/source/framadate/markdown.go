package framadate

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"github.com/JohannesKaufmann/html-to-markdown/v2/converter"
	"github.com/JohannesKaufmann/html-to-markdown/v2/plugin/base"
	"github.com/JohannesKaufmann/html-to-markdown/v2/plugin/commonmark"
)

// toMarkdown writes harmless HTML as Markdown; what cannot be is left as text.
func toMarkdown(text, plain string) string {
	conv := converter.NewConverter(converter.WithPlugins(base.NewBasePlugin(), commonmark.NewCommonmarkPlugin()))
	md, err := conv.ConvertString(sanitize(text))
	if err != nil {
		return escapeMarkdown(plain)
	}
	return strings.TrimSpace(md)
}

// What means something in Markdown: anywhere, or only where it begins a line or a character's name.
var (
	markdownSpecial = strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "<", `\<`, ">", `\>`,
		"#", `\#`, "|", `\|`, "~", `\~`)
	markdownEntity = regexp.MustCompile(`&([A-Za-z0-9#\\]+;)`)
	markdownStart  = regexp.MustCompile(`^([-+=]|\d+[.)])`)
	markdownNumber = regexp.MustCompile(`^(\d+)([.)])`)
)

// escapeMarkdown writes a text that is nothing but text, in one line.
func escapeMarkdown(text string) string {
	text = markdownSpecial.Replace(strings.Join(strings.Fields(text), " "))
	text = markdownEntity.ReplaceAllString(text, `\&$1`)
	if markdownStart.MatchString(text) {
		text = markdownNumber.ReplaceAllString(text, `$1\$2`)
		if strings.ContainsRune("-+=", rune(text[0])) {
			text = `\` + text
		}
	}
	return text
}

// Markdown returns the poll to be read: what it is about, the table with totals, the best options, the comments.
func (p *Poll) Markdown() []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "# %s\n\n", escapeMarkdown(p.Title))
	if p.Author != "" {
		fmt.Fprintf(&out, "By %s  \n", escapeMarkdown(p.Author))
	}
	if p.URL != "" {
		fmt.Fprintf(&out, "<%s>  \n", strings.NewReplacer("<", "%3C", ">", "%3E", " ", "%20").Replace(p.URL))
	}
	if facts := p.facts(); len(facts) > 0 {
		fmt.Fprintf(&out, "%s\n", strings.Join(facts, " · "))
	}
	if text := toMarkdown(p.Description.HTML, p.Description.Plain); text != "" {
		fmt.Fprintf(&out, "\n%s\n", text)
	}
	p.markdownTable(&out)
	if best := p.best(); len(best) > 0 {
		fmt.Fprintf(&out, "\n## Best\n\n")
		for _, o := range best {
			fmt.Fprintf(&out, "- **%s**: %s\n", escapeMarkdown(o.title()), o.score())
		}
	}
	if len(p.Comments) > 0 {
		out.WriteString("\n## Comments\n")
		for _, c := range p.Comments {
			fmt.Fprintf(&out, "\n**%s**", escapeMarkdown(c.Author))
			if c.Date != "" {
				fmt.Fprintf(&out, ", %s", strings.Replace(c.Date, "T", " ", 1))
			}
			out.WriteString("\n\n")
			for line := range strings.SplitSeq(c.Text, "\n") {
				out.WriteString(strings.TrimRight("> "+escapeMarkdown(line), " ") + "  \n")
			}
		}
	}
	return out.Bytes()
}

// markdownTable writes a line for each voter: the columns are the options, as in the poll.
func (p *Poll) markdownTable(out *bytes.Buffer) {
	out.WriteString("\n## Votes\n\n")
	if p.Voters == nil {
		out.WriteString("The results are hidden.\n\n")
		for _, o := range p.Options {
			fmt.Fprintf(out, "- %s\n", escapeMarkdown(o.title()))
		}
		return
	}
	row := func(first string, cell func(*Option, int) string) {
		out.WriteString("| " + first + " |")
		for i := range p.Options {
			out.WriteString(" " + cell(&p.Options[i], i) + " |")
		}
		out.WriteString("\n")
	}
	row("", func(o *Option, _ int) string { return escapeMarkdown(o.title()) })
	row("---", func(*Option, int) string { return ":---:" })
	for _, v := range p.Voters {
		row(escapeMarkdown(v.Name), func(_ *Option, i int) string {
			return map[Answer]string{Yes: "✓ yes", IfNeedBe: "(✓) if need be", No: "✗ no", Unanswered: "–"}[v.Answers[i]]
		})
	}
	if len(p.Voters) > 0 {
		row("**Total**", func(o *Option, _ int) string {
			text := fmt.Sprintf("**%d**", o.Totals.Yes)
			if o.Totals.IfNeedBe > 0 {
				text += fmt.Sprintf(" (+%d)", o.Totals.IfNeedBe)
			}
			if o.Best {
				text += " ★"
			}
			return text
		})
	}
}
