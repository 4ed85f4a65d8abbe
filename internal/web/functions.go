package web

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/store"
)

// funcs are the functions of the templates.
func (c *bound) funcs(ts *templates) template.FuncMap {
	return template.FuncMap{
		"t":           func(key string, args ...any) string { return c.x.t(key, args...) },
		"th":          func(key string, args ...any) template.HTML { return c.x.s.texts.html(c.x.lang, key, args...) },
		"texts":       func(prefix string) (string, error) { return c.x.s.texts.begin(c.x.lang, prefix) },
		"icon":        ts.icon,
		"glyph":       ts.glyph,
		"state":       ts.state,
		"asset":       ts.assets.address,
		"csrf":        func() template.HTML { return csrfField(c.x.csrf()) },
		"token":       func() string { return c.x.csrf() },
		"ago":         func(t time.Time) template.HTML { return c.x.time(t, c.x.ago(t)) },
		"agoText":     func(t time.Time) string { return c.x.ago(t) },
		"date":        func(t time.Time) template.HTML { return c.x.time(t, c.x.day(t)) },
		"dateText":    func(t time.Time) string { return c.x.day(t) },
		"clock":       func(t time.Time) template.HTML { return c.x.time(t, t.In(c.x.zone).Format("15:04")) },
		"exact":       func(t time.Time) string { return c.x.exact(t) },
		"moment":      func(t time.Time) string { return c.x.moment(t) },
		"size":        func(n any) string { v, _ := integer(n); return formatSize(c.x.lang, v) },
		"num":         func(n any) string { v, _ := integer(n); return formatNumber(c.x.lang, v) },
		"name":        fileName,
		"visible":     visible,
		"initials":    initials,
		"fullname":    func(login string) string { return c.x.authorName(login) },
		"avatar":      avatar,
		"fingerprint": fingerprint,
		"link":        func(folder string, path any) string { return folderAddress(folder, fmt.Sprint(path)) },
		"lang":        func() string { return c.x.lang },
		"here":        func() string { return c.x.here() },
		"me":          func() *store.User { return c.x.me() },
		"isAdmin":     func() bool { return c.x.session != nil && c.x.session.Admin() },
		"choice":      func(name string) string { return c.x.chosen(name) },
		"dict":        dict,
		"list":        func(v ...any) []any { return v },
		"join":        func(v []string, sep string) string { return strings.Join(v, sep) },
		"add":         func(a, b int) int { return a + b },
		"part": func(name string, data ...any) (template.HTML, error) {
			var b bytes.Buffer
			var d any
			if len(data) > 0 {
				d = data[0]
			}
			err := c.t.ExecuteTemplate(&b, name, d)
			return template.HTML(b.String()), err //nolint:gosec // html/template has escaped it
		},
	}
}

// me returns the person, nil for strangers.
func (x *exchange) me() *store.User {
	if x.session == nil {
		return nil
	}
	return &x.session.User
}

// fingerprint writes a fingerprint in hexadecimal digits, with colons or without, that breaks between pairs only.
func fingerprint(text string) template.HTML {
	var b strings.Builder
	b.WriteString(`<code class="fingerprint">`)
	digits := 0
	for _, c := range text {
		if c != ':' {
			if digits > 0 && digits%2 == 0 {
				b.WriteString("<wbr>")
			}
			digits++
		}
		b.WriteString(template.HTMLEscapeString(string(c)))
	}
	b.WriteString("</code>")
	return template.HTML(b.String()) //nolint:gosec // escaped
}

// dict makes a map for a part that needs several values.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, errors.New("dict: a name without a value")
	}
	m := make(map[string]any, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, errors.New("dict: a name is a string")
		}
		m[name] = pairs[i+1]
	}
	return m, nil
}

// icon returns a symbol of the sprite; its name is that of Lucide. Classes may follow.
func (ts *templates) icon(name string, classes ...string) template.HTML {
	return ts.use("i-"+name, "icon", classes)
}

// glyph returns the sign of a state with a text for those who do not see it. The states are ok,
// receiving, sending, behind, away, stopped and waits.
func (ts *templates) glyph(state, label string) template.HTML {
	s := ts.use("s-"+state, "glyph", []string{"is-" + state})
	if label != "" {
		s += template.HTML(`<span class="hidden-text">` + template.HTMLEscapeString(label) + `</span>`) //nolint:gosec // escaped
	}
	return s
}

// state returns the sign of a state beside its words.
func (ts *templates) state(state, words string) template.HTML {
	return template.HTML(`<span class="state">`) + ts.glyph(state, "") +
		template.HTML(`<span>`+template.HTMLEscapeString(words)+`</span></span>`) //nolint:gosec // escaped
}

func (ts *templates) use(symbol, class string, classes []string) template.HTML {
	for _, c := range classes {
		class += " " + c
	}
	return template.HTML(`<svg class="` + template.HTMLEscapeString(class) + `" aria-hidden="true" focusable="false"><use href="` + //nolint:gosec // escaped
		ts.assets.address("sprite.svg") + `#` + template.HTMLEscapeString(symbol) + `"></use></svg>`)
}

func csrfField(token string) template.HTML {
	return template.HTML(`<input type="hidden" name="csrf" value="` + token + `">`) //nolint:gosec // letters and digits
}

// time returns words as a time element with the exact moment.
func (x *exchange) time(t time.Time, words string) template.HTML {
	if t.IsZero() {
		return ""
	}
	return template.HTML(`<time datetime="` + t.UTC().Format(time.RFC3339) + `" title="` + template.HTMLEscapeString(x.exact(t)) + `">` + //nolint:gosec // escaped
		template.HTMLEscapeString(words) + `</time>`)
}

// fileName returns a name of which only the beginning may be shortened by the style.
func fileName(name string) template.HTML {
	stem, end, ext := splitName(name)
	e := template.HTMLEscapeString
	s := `<bdi class="name" title="` + e(visible(name)) + `"><span class="stem">` + e(stem) + `</span>`
	if end != "" {
		s += `<span class="end">` + e(end) + `</span>`
	}
	if ext != "" {
		s += `<span class="ext">` + e(ext) + `</span>`
	}
	return template.HTML(s + `</bdi>`) //nolint:gosec // escaped
}

// avatar returns the round sign of a person.
func avatar(name string) template.HTML {
	e := template.HTMLEscapeString
	return template.HTML(`<span class="avatar" aria-hidden="true" title="` + e(name) + `">` + e(initials(name)) + `</span>`) //nolint:gosec // escaped
}
