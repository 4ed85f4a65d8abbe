package framadatetest

import (
	"bytes"
	"encoding/base64"
	"html"
	"regexp"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	ghtml "github.com/yuin/goldmark/renderer/html"
)

// named are the names of characters that the program writes, those of HTML5: even of punctuation.
var named = strings.NewReplacer("\t", "&Tab;", "\n", "&NewLine;", "!", "&excl;", `"`, "&quot;", "#", "&num;", "$", "&dollar;",
	"%", "&percnt;", "&", "&amp;", "'", "&apos;", "(", "&lpar;", ")", "&rpar;", "*", "&ast;", "+", "&plus;", ",", "&comma;",
	".", "&period;", "/", "&sol;", ":", "&colon;", ";", "&semi;", "<", "&lt;", "=", "&equals;", ">", "&gt;", "?", "&quest;",
	"@", "&commat;", "[", "&lbrack;", `\`, "&bsol;", "]", "&rsqb;", "^", "&Hat;", "_", "&lowbar;", "`", "&grave;", "{", "&lbrace;",
	"|", "&vert;", "}", "&rcub;", "é", "&eacute;", "è", "&egrave;", "à", "&agrave;", "ü", "&uuml;", "É", "&Eacute;", "ç", "&ccedil;",
	"û", "&ucirc;", "ô", "&ocirc;")

func entities(text string) string { return named.Replace(text) }

func base64url(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// unbase64 undoes it; what cannot be is empty.
func unbase64(text string) string {
	data, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil {
		return ""
	}
	return string(data)
}

var (
	tags   = regexp.MustCompile(`<[^>]*>`)
	spaces = regexp.MustCompile(` {2,}`)
	md     = goldmark.New(goldmark.WithExtensions(extension.Strikethrough), goldmark.WithRendererOptions(ghtml.WithHardWraps()))
)

func stripTags(text string) string { return tags.ReplaceAllString(text, "") }

// markdown renders in the program's safe way: markup is escaped, lines are broken where they are. One line keeps the
// blanks around it and has no paragraph; runs of blanks become fixed ones elsewhere.
func markdown(text string, line bool) string {
	source := strings.NewReplacer("<", "&lt;").Replace(text)
	if !line {
		source = spaces.ReplaceAllStringFunc(source, func(run string) string { return strings.Repeat("&nbsp;", len(run)) })
	}
	var out bytes.Buffer
	if err := md.Convert([]byte(source), &out); err != nil {
		return html.EscapeString(text)
	}
	rendered := strings.TrimSpace(out.String())
	if !line {
		return rendered
	}
	rendered = strings.TrimSuffix(strings.TrimPrefix(rendered, "<p>"), "</p>")
	if strings.HasPrefix(text, " ") {
		rendered = " " + rendered
	}
	return rendered
}

var oldLink = regexp.MustCompile(`^(?s).*?\[(!\[(.*?)\]\((.*?)\)|.*?)\]\((.*?)\)`)

// choice renders a choice. Before 1.1 it is text, or the one link or image in it.
func choice(version Version, text string) string {
	if version >= V1_1 {
		return markdown(text, true)
	}
	m := oldLink.FindStringSubmatch(text)
	image := strings.Contains(text, "![")
	switch {
	case m == nil:
		return entities(text)
	case m[3] != "":
		return `<a href="` + entities(m[4]) + `"><img src="` + entities(m[3]) + `" class="img-responsive" alt="` + entities(m[2]) + `" title="" /></a>`
	case image:
		return `<img src="` + entities(m[4]) + `" class="img-responsive" alt="` + entities(m[1]) + `" title="" />`
	}
	return `<a href="` + m[4] + `">` + entities(m[1]) + `</a>`
}

// plain is a choice without its markup, entities left as they are.
func plain(version Version, text string) string { return stripTags(choice(version, text)) }

// breaks is how comments are written.
func breaks(text string) string {
	return strings.ReplaceAll(html.EscapeString(text), "\n", "<br />\n")
}

// csvField quotes a field as the version does.
func csvField(version Version, text string) string {
	text = strings.NewReplacer(`"`, `""`, "\r\n", "", "\n", "").Replace(text)
	if version >= V1_1 && text != "" && strings.ContainsRune("=+-@", rune(text[0])) {
		text = "'" + text
	}
	return `"` + text + `"`
}
