package framadate

import (
	"net/url"
	"strings"
	"sync"

	"github.com/PuerkitoBio/goquery"
	"github.com/microcosm-cc/bluemonday"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// policy allows what Framadate's markdown can be, without images: a file must not tell anyone that it was opened.
var policy = sync.OnceValue(func() *bluemonday.Policy {
	p := bluemonday.NewPolicy()
	p.AllowElements("p", "br", "b", "strong", "i", "em", "u", "s", "del", "code", "pre", "blockquote", "ul", "ol", "li",
		"h1", "h2", "h3", "h4", "h5", "h6", "hr", "table", "thead", "tbody", "tr", "th", "td")
	p.AllowAttrs("href").OnElements("a")
	p.AllowURLSchemes("http", "https", "mailto")
	p.RequireParseableURLs(true)
	p.AllowRelativeURLs(false)
	p.RequireNoReferrerOnLinks(true)
	return p
})

// sanitize returns HTML that does nothing but be read. It leaves what it made as it is.
func sanitize(text string) string {
	return strings.TrimSpace(policy().Sanitize(text))
}

// linkImages makes links of the images in a selection: with their description, or their address.
func linkImages(s *goquery.Selection) {
	s.Find("img").Each(func(_ int, img *goquery.Selection) {
		text := strings.TrimSpace(img.AttrOr("alt", ""))
		address := webAddress(img.AttrOr("src", ""))
		if text == "" {
			text = "image"
			if u, err := url.Parse(address); err == nil && u.Path != "" {
				text = u.Path[strings.LastIndexByte(u.Path, '/')+1:]
			}
		}
		node := img.Nodes[0]
		shown := &html.Node{Type: html.TextNode, Data: "image: " + text}
		if address != "" && img.ParentsFiltered("a").Length() == 0 {
			link := &html.Node{Type: html.ElementNode, DataAtom: atom.A, Data: "a", Attr: []html.Attribute{{Key: "href", Val: address}}}
			link.AppendChild(shown)
			shown = link
		}
		node.Parent.InsertBefore(shown, node)
		node.Parent.RemoveChild(node)
	})
}

// webAddress returns an address of the web, and nothing of any other.
func webAddress(text string) string {
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return ""
	}
	u.User = nil
	return u.String()
}

// blocks are the elements that begin a line of their own.
var blocks = map[atom.Atom]bool{
	atom.P: true, atom.Div: true, atom.Ul: true, atom.Ol: true, atom.Blockquote: true, atom.Pre: true, atom.Table: true, atom.Hr: true,
	atom.Li: true, atom.Tr: true, atom.H1: true, atom.H2: true, atom.H3: true, atom.H4: true, atom.H5: true, atom.H6: true,
}

// lines returns the text of nodes as one would read it, with its lines. Fixed blanks become ordinary ones.
func lines(nodes ...*html.Node) string {
	var out strings.Builder
	atStart := func() bool { return out.Len() == 0 || strings.HasSuffix(out.String(), "\n") }
	var walk func(*html.Node, bool)
	walk = func(n *html.Node, pre bool) {
		switch {
		case n.Type == html.TextNode && pre:
			out.WriteString(n.Data)
		case n.Type == html.TextNode:
			text := strings.ReplaceAll(n.Data, "\n", " ")
			if atStart() {
				text = strings.TrimLeft(text, " \t")
			}
			out.WriteString(text)
		case n.DataAtom == atom.Br:
			out.WriteString("\n")
		}
		block := blocks[n.DataAtom]
		if block && !atStart() {
			out.WriteString("\n")
		}
		if n.DataAtom == atom.Li {
			out.WriteString("- ")
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c, pre || n.DataAtom == atom.Pre)
		}
		if block && !atStart() {
			out.WriteString("\n")
		}
	}
	for _, n := range nodes {
		walk(n, false)
	}
	return strings.TrimSpace(strings.ReplaceAll(out.String(), "\u00a0", " "))
}
