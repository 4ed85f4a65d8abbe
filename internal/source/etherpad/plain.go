package etherpad

import (
	"bytes"
	"cmp"
	"encoding/json"
	"mime"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/JohannesKaufmann/html-to-markdown/v2/converter"
	"github.com/JohannesKaufmann/html-to-markdown/v2/plugin/base"
	"github.com/JohannesKaufmann/html-to-markdown/v2/plugin/commonmark"
	"github.com/microcosm-cc/bluemonday"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/havre-cloud/havre/internal/source"
)

// soonAgain is when the whole export is tried again of a pad whose history contradicted itself: it may have been written in
// while it was read.
const soonAgain = time.Hour

// plain makes a copy without history, of the instance's own text and page. why says what is missing, empty if that was known
// before; page is the answer with the HTML export if it was asked for already.
func (f *fetch) plain(why string, again time.Duration, page *http.Response) (*source.Copy, error) {
	now := f.old
	now.Plain, now.ETag = true, ""
	if why != "" {
		now.Whole = time.Now().Add(again - plainAgain).UTC().Truncate(time.Second)
	}
	if page == nil {
		etag := ""
		if f.old.Plain {
			etag = f.old.HTML
		}
		var err error
		if page, err = f.export("html", etag); err != nil {
			return nil, err
		}
		defer page.Body.Close()
		if page.StatusCode == http.StatusNotModified && etag != "" {
			return f.unchanged(now)
		}
	}
	body, err := f.attachment(page, "text/html")
	if err != nil {
		return nil, err
	}
	resp, err := f.export("txt", "")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := f.attachment(resp, "text/plain")
	if err != nil {
		return nil, err
	}
	clean := sanitise(body)
	marked, err := toMarkdown(clean)
	if err != nil {
		return nil, &source.Error{Reason: source.ReasonDamaged, Text: "the page of the pad cannot be read", Err: err}
	}
	now.HTML = page.Header.Get("ETag")
	now.Text, now.Words = digestText(text), len(strings.Fields(text))
	got := source.NewCopy(nil)
	got.Title = title(f.document.Address.Name)
	if IsReadOnly(f.document.Address.Name) {
		line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
		got.Title = cmp.Or(firstWords(line), got.Title)
	}
	got.Suspect = f.suspect(now, true)
	got.Summary = summary(now.Words)
	got.Notes = []source.Note{{Code: "no-history", Text: "Only the text as it is now could be saved, without its history: the instance cannot give that out, or it is damaged there."}}
	var b bytes.Buffer
	if err := writePage(&b, Page{Title: got.Title, Source: f.document.Address.URL}, clean); err != nil {
		return nil, err
	}
	got.Files = []source.File{inMemory(".txt", text), inMemory(".html", b.String()), inMemory(".md", marked)}
	got.State, err = json.Marshal(now)
	return got, err
}

// attachment reads an export that is to be of a type. Etherpad gives them out as files to be saved, which nothing does that
// stands before it.
func (f *fetch) attachment(resp *http.Response, kind string) (string, error) {
	if resp.StatusCode != http.StatusOK {
		return "", f.refusal(resp)
	}
	disposition, _, err := mime.ParseMediaType(resp.Header.Get("Content-Disposition"))
	if err != nil || disposition != "attachment" || mediaType(resp) != kind {
		return "", source.Errorf(source.ReasonForeign, "the instance answers with a page instead of the pad")
	}
	b, err := source.ReadAll(resp, maxExport)
	if err != nil {
		return "", err
	}
	if !utf8.Valid(b) {
		b = bytes.ToValidUTF8(b, []byte("\ufffd"))
	}
	return string(b), nil
}

// policy is what an instance's page may have: no pictures or styles, which would be fetched from elsewhere.
func policy() *bluemonday.Policy {
	p := bluemonday.NewPolicy()
	p.AllowElements("p", "br", "strong", "b", "em", "i", "u", "s", "del", "sub", "sup", "ul", "ol", "li", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "code", "blockquote")
	p.AllowAttrs("start").Matching(bluemonday.Integer).OnElements("ol")
	p.AllowAttrs("href").OnElements("a")
	p.AllowURLSchemes("http", "https", "mailto")
	p.RequireParseableURLs(true)
	p.RequireNoReferrerOnLinks(true)
	return p
}

// sanitise returns the content of a page's body, without anything that does something.
func sanitise(page string) string {
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		return ""
	}
	var b bytes.Buffer
	for n := range root.Descendants() {
		if n.DataAtom != atom.Body {
			continue
		}
		for c := range n.ChildNodes() {
			if html.Render(&b, c) != nil {
				return ""
			}
		}
		break
	}
	return strings.TrimSpace(policy().Sanitize(b.String()))
}

func toMarkdown(clean string) (string, error) {
	text, err := converter.NewConverter(converter.WithPlugins(base.NewBasePlugin(), commonmark.NewCommonmarkPlugin())).ConvertString(clean)
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(text) + "\n", nil
}
