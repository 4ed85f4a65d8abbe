package etherpad

import (
	"bytes"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"github.com/yuin/goldmark"
	ghtml "github.com/yuin/goldmark/renderer/html"
	"golang.org/x/net/html"

	"github.com/havre-cloud/havre/internal/source/etherpad/changeset"
)

func TestRenderTextIsTheExport(t *testing.T) {
	for _, version := range versions {
		for name, rev := range map[string]int{"demo": 19, "demo.rev5": 5, "long.rev0": 0, "long.rev50": 50, "long.rev125": 125} {
			pad, _, _ := strings.Cut(name, ".")
			text, err := open(t, sample(t, version, pad+".etherpad")).AText(rev)
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			if err := RenderText(&b, text); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(sample(t, version, name+".txt")), b.String()); diff != "" {
				t.Errorf("%s of %s (-want +got):\n%s", name, version, diff)
			}
		}
	}
}

// line is a line of a made-up pad: its attributes as "key=value,...", the text, and the parts that are bold.
type line struct{ marks, text string }

// padOf makes a text. In a line's text "[b:" ... "]" is bold, "[i:" italic, "[x:" both with another author.
func padOf(t testing.TB, lines ...line) *changeset.Text {
	t.Helper()
	pool := &changeset.Pool{}
	var attribs, text strings.Builder
	put := func(s string, pairs ...string) {
		if s == "" {
			return
		}
		for _, pair := range pairs {
			key, value, _ := strings.Cut(pair, "=")
			attribs.WriteString("*" + strconv.FormatInt(int64(pool.Put(changeset.Attrib{Key: key, Value: value})), 36))
		}
		if s == "\n" {
			attribs.WriteString("|1")
		}
		attribs.WriteString("+" + strconv.FormatInt(int64(len(utf16.Encode([]rune(s)))), 36))
		text.WriteString(s)
	}
	for _, l := range lines {
		if l.marks != "" {
			put("*", append(strings.Split(l.marks, ","), "lmkr=1", "insertorder=first", "author=a.1")...)
		}
		rest := l.text
		for rest != "" {
			i := strings.Index(rest, "[")
			j := strings.Index(rest, "]")
			if i < 0 || j < i || i+3 > len(rest) || rest[i+2] != ':' {
				put(rest, "author=a.1")
				break
			}
			put(rest[:i], "author=a.1")
			style := map[byte][]string{
				'b': {"author=a.1", "bold=true"}, 'i': {"author=a.1", "italic=true"}, 'u': {"author=a.1", "underline=true"},
				's': {"author=a.1", "strikethrough=true"}, 'x': {"author=a.2", "bold=true", "italic=true"}, 'l': {"author=a.1", "url=https://example.org/x?y=1&z"},
				'j': {"url=javascript:alert(1)"},
			}[rest[i+1]]
			put(rest[i+3:j], style...)
			rest = rest[j+1:]
		}
		put("\n")
	}
	text1, err := changeset.FromAText(text.String(), attribs.String(), pool)
	if err != nil {
		t.Fatal(err)
	}
	return text1
}

var everything = []line{
	{"heading=h1", "Compte rendu"},
	{"", "Premier [b:mot], [i:deuxième], tro[b:is]ième, [x:autre auteur]."},
	{"", "Deuxième ligne * avec _signes_ & <b>html</b> [link](x) `code` ~~s~~"},
	{"", ""},
	{"", "# pas un titre"},
	{"", "1. pas une liste"},
	{"", "- ni celle-ci"},
	{"", "\tindenté, https://example.org/a_(b)?c=1&d=*e*. Fin, mailto:a@example.org!"},
	{"", ""},
	{"", ""},
	{"", "لغة عربية 🎉"},
	{"list=bullet1", "a"},
	{"list=bullet2", "a.a"},
	{"list=bullet4", "a.a.a, trop profond"},
	{"list=bullet2", "[b:a.b]"},
	{"list=number2,start=1", "un"},
	{"list=number2,start=2", "deux"},
	{"list=bullet1", ""},
	{"list=number1,start=3", "trois"},
	{"list=bullet2", "avec un point"},
	{"list=number1,start=4", "quatre"},
	{"list=number2,start=1", "quatre un"},
	{"list=number2,start=2", "quatre deux"},
	{"list=indent1", "en retrait"},
	{"", "fin [u:souligné] et [s:barré] et [l:lien <x>] et [j:faux lien]"},
	{"heading=code", "func main() {"},
	{"heading=code", "\t``` // <>&"},
	{"heading=code", "}"},
	{"heading=h3,align=center", "Au milieu"},
	{"align=right", "à droite"},
	{"", "   "},
	{"", "*pas un signe"},
}

func rendered(t testing.TB, render func(io.Writer, *changeset.Text) error, text *changeset.Text) string {
	t.Helper()
	var b bytes.Buffer
	if err := render(&b, text); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func page(w io.Writer, text *changeset.Text) error {
	return RenderHTML(w, text, Page{Title: `Réunion <"1">`, Source: "https://pads.example.org/p/x", Authors: map[string]Author{
		"a.1": {ID: "a.1", Name: "Zoé <b>", Color: "#ff6633"}, "a.2": {ID: "a.2", Color: "red;} body{display:none"},
	}})
}

func TestRenderGolden(t *testing.T) {
	text := padOf(t, everything...)
	for name, got := range map[string]string{
		"everything.txt":  rendered(t, RenderText, text),
		"everything.md":   rendered(t, RenderMarkdown, text),
		"everything.html": rendered(t, page, text),
	} {
		if diff := cmp.Diff(string(sample(t, "rendered", name)), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// checkHTML reads a page and checks that every element that is opened is closed, in order, and lies where it may.
func checkHTML(t *testing.T, page string) {
	t.Helper()
	void := map[string]bool{"meta": true, "br": true}
	inline := map[string]bool{"strong": true, "em": true, "u": true, "s": true, "sub": true, "sup": true, "code": true, "span": true, "a": true, "br": true}
	var stack []string
	z := html.NewTokenizer(strings.NewReader(page))
	for {
		kind := z.Next()
		if kind == html.ErrorToken {
			break
		}
		token := z.Token()
		parent := ""
		if len(stack) > 0 {
			parent = stack[len(stack)-1]
		}
		switch kind {
		case html.StartTagToken:
			if (parent == "ul" || parent == "ol") != (token.Data == "li") {
				t.Fatalf("<%s> in <%s>", token.Data, parent)
			}
			if (parent == "p" || strings.HasPrefix(parent, "h") && len(parent) == 2 || inline[parent]) && !inline[token.Data] {
				t.Fatalf("<%s> in <%s>", token.Data, parent)
			}
			for _, a := range token.Attr {
				if a.Key == "href" && !strings.HasPrefix(a.Val, "https://") && !strings.HasPrefix(a.Val, "http://") && !strings.HasPrefix(a.Val, "mailto:") {
					t.Fatalf("a link to %q", a.Val)
				}
				if strings.HasPrefix(a.Key, "on") || a.Key == "style" || a.Key == "src" {
					t.Fatalf("an attribute %s", a.Key)
				}
			}
			if !void[token.Data] {
				stack = append(stack, token.Data)
			}
		case html.EndTagToken:
			if parent != token.Data {
				t.Fatalf("</%s> in <%s>", token.Data, parent)
			}
			stack = stack[:len(stack)-1]
		case html.TextToken:
			if (parent == "ul" || parent == "ol") && strings.TrimSpace(token.Data) != "" {
				t.Fatalf("text in <%s>: %q", parent, token.Data)
			}
		}
	}
	if len(stack) > 0 {
		t.Fatal("not closed:", stack)
	}
}

// shown returns the words of a page's body.
func shown(t *testing.T, page string, within string) string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	var walk func(*html.Node, bool)
	walk = func(n *html.Node, in bool) {
		if n.Type == html.TextNode && in {
			b.WriteString(n.Data)
		}
		if n.Type == html.ElementNode {
			in = in || n.Data == within
			if n.Data == "br" || n.Data == "li" || n.Data == "p" {
				b.WriteByte(' ')
			}
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c, in)
		}
	}
	walk(root, false)
	return b.String()
}

// words are what must be the same however a pad is shown; white space is not.
func words(s string) string {
	return strings.Join(strings.FieldsFunc(strings.ReplaceAll(s, "\u200b", ""), unicode.IsSpace), " ")
}

// TestRenderRandom has pads of random lines: pages are valid, and Markdown that is rendered shows the pad's text.
func TestRenderRandom(t *testing.T) {
	pieces := []string{
		"mot", " ", "  ", "*", "**", "_", "`", "``", "[", "](x)", "<b>", "</li>", "&amp;", "&", "#", "# ", "1. ", "1)", "- ", "+ ", "> ", "===", "---", "~~~", "\\", "\\\\", "|", "!", ":", "\t",
		"https://example.org/a_b*c", "http://[::1", "é🎉", "\u00a0", "\r", "\x01", "a:b", "www.example.org", "x@example.org", "(", ")", "\"", "'", "{{", "]]>", "<!--", "$",
	}
	marks := []string{
		"", "", "", "", "list=bullet1", "list=bullet2", "list=bullet3", "list=number1,start=1", "list=number2,start=5", "list=number3", "list=indent1", "list=indent2", "heading=h2",
		"heading=code", "align=right", "list=weird", "list=bullet99",
	}
	for seed := range 300 {
		r := rand.New(rand.NewPCG(uint64(seed), 7))
		var lines []line
		for range 1 + r.IntN(12) {
			var b strings.Builder
			for range r.IntN(8) {
				piece := pieces[r.IntN(len(pieces))]
				if style := r.IntN(12); style < 5 && !strings.ContainsAny(piece, "[]") {
					piece = "[" + "biusx"[style:style+1] + ":" + piece + "]"
				}
				b.WriteString(piece)
			}
			lines = append(lines, line{marks[r.IntN(len(marks))], b.String()})
		}
		text := padOf(t, lines...)
		checkHTML(t, rendered(t, page, text))
		var want strings.Builder
		for _, p := range Paragraphs(text) {
			want.WriteString(strings.Map(printable, plain(p)) + " ")
		}
		if got := shown(t, rendered(t, page, text), "main"); words(got) != words(want.String()) {
			t.Fatalf("seed %d: the page shows %q, want %q", seed, words(got), words(want.String()))
		}
		var b bytes.Buffer
		md := rendered(t, RenderMarkdown, text)
		if err := goldmark.New(goldmark.WithRendererOptions(ghtml.WithUnsafe())).Convert([]byte(md), &b); err != nil {
			t.Fatal(err)
		}
		if got := shown(t, b.String(), "body"); words(got) != words(want.String()) {
			t.Fatalf("seed %d: %q\nis shown as %q\nwant         %q", seed, md, words(got), words(want.String()))
		}
	}
}

// FuzzRender has lines of anything: pages are valid and have nothing in them that does something.
func FuzzRender(f *testing.F) {
	f.Add("list=bullet1", "un [b:deux] https://example.org/a_(b).", "heading=h2", "<b>&amp; javascript:x")
	f.Add("list=number3", "*", "heading=code", "```")
	f.Add("align=right", "[l:lien] [j:faux]", "", "\t \u200b\u202e")
	f.Fuzz(func(t *testing.T, marks1, text1, marks2, text2 string) {
		var lines []line
		for _, l := range []line{{marks1, text1}, {marks2, text2}} {
			if strings.ContainsAny(l.text, "\n") || strings.ToValidUTF8(l.text, "") != l.text || strings.ContainsAny(l.text, "[]") && !strings.Contains(l.text, "[b:") {
				return
			}
			lines = append(lines, l)
		}
		text := padOf(t, lines...)
		checkHTML(t, rendered(t, page, text))
		_ = rendered(t, RenderMarkdown, text)
		_ = rendered(t, RenderText, text)
	})
}
