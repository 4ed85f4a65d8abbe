package web

import (
	"bytes"
	"html/template"
	"strings"
	"unicode/utf8"

	"github.com/alecthomas/chroma/v2"
	"github.com/alecthomas/chroma/v2/formatters/html"
	"github.com/alecthomas/chroma/v2/lexers"
	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	tasks "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/util"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
)

// maxPreview is how many bytes of a text are shown.
const maxPreview = 512 << 10

// preview is what the page of a file shows of its contents.
type preview struct {
	Kind  string // "image", "video", "audio", "frame", "text", "html" (made by us), "link", or ""
	Raw   string // address of the contents
	HTML  template.HTML
	Text  string
	Cut   bool // there is more
	Edit  bool // the text can be changed here
	CRLF  bool
	Large bool // too large to be shown
}

// preview makes what is shown of a file.
func (s *Server) preview(x *exchange, at *hub.Spot) (*preview, error) {
	p := &preview{Raw: rawAddress(at)}
	if at.Node.Kind == havre.KindSymlink {
		content, _, err := s.hub.ReadSmall(x.ctx(), at, 4096)
		p.Kind, p.Text = "link", strings.TrimPrefix(string(content), "link ")
		return p, err
	}
	ext := at.Node.Ext()
	if t, ok := inlineTypes[ext]; ok {
		p.Kind, _, _ = strings.Cut(t, "/")
		return p, nil
	}
	if _, ok := sandboxTypes[ext]; ok {
		p.Kind = "frame"
		if ext == "pdf" {
			p.Kind = "pdf" // the viewer of the browser does not start in a sandbox
		}
		return p, nil
	}
	if stored[ext] {
		return p, nil
	}
	content, whole, err := s.hub.ReadSmall(x.ctx(), at, maxPreview)
	if err != nil {
		return nil, err
	}
	if !isText(content) {
		return p, nil
	}
	p.Kind, p.Cut, p.Text = "text", !whole, strings.ToValidUTF8(string(content), "\uFFFD")
	p.CRLF = strings.Contains(p.Text, "\r\n")
	p.Edit = whole && len(content) <= maxEdited && utf8.Valid(content)
	switch ext {
	case "md", "markdown":
		p.HTML, err = markdown(content)
		p.Kind = "html"
	default:
		p.HTML, err = highlight(at.Path.Name(), p.Text)
	}
	return p, err
}

func rawAddress(at *hub.Spot) string {
	a := "/raw/" + strings.TrimPrefix(folderAddress(at.Folder.Name, string(at.Path)), "/f/")
	if at.Past {
		a += "?at=r" + itoa(int64(at.Rev))
	}
	return a
}

// isText says whether the beginning of a file looks like text.
func isText(b []byte) bool {
	if bytes.IndexByte(b, 0) >= 0 {
		return false
	}
	if utf8.Valid(b) {
		return true
	}
	bad := 0
	for _, r := range string(b[:min(len(b), 4096)]) {
		if r == utf8.RuneError {
			bad++
		}
	}
	return bad*20 < min(len(b), 4096) // some other encoding, of which most is ASCII
}

// markdownPolicy lets through what Markdown makes.
var markdownPolicy = func() *bluemonday.Policy {
	p := bluemonday.UGCPolicy()
	p.AllowElements("input")
	p.AllowAttrs("type", "checked", "disabled", "aria-label").OnElements("input")
	p.RequireNoReferrerOnLinks(true)
	return p
}()

// markdownMaker leaves out HTML, and of pictures shows the words for them: they may be on other servers, and
// looking at a file must tell nobody.
var markdownMaker = goldmark.New(goldmark.WithExtensions(extension.GFM),
	goldmark.WithRendererOptions(renderer.WithNodeRenderers(util.Prioritized(ownParts{}, 1))))

// ownParts are the parts of Markdown that we write otherwise than goldmark.
type ownParts struct{}

// RegisterFuncs is for goldmark. The words of a picture are what is in it; the box of a task has a name, for
// readers of the screen.
func (ownParts) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(tasks.KindTaskCheckBox, func(w util.BufWriter, _ []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
		box := `<input type="checkbox" disabled aria-label="–"> `
		if t, ok := n.(*tasks.TaskCheckBox); ok && t.IsChecked {
			box = `<input type="checkbox" disabled checked aria-label="✓"> `
		}
		if !entering {
			return ast.WalkContinue, nil
		}
		_, err := w.WriteString(box)
		return ast.WalkContinue, err
	})
	r.Register(ast.KindImage, func(util.BufWriter, []byte, ast.Node, bool) (ast.WalkStatus, error) { return ast.WalkContinue, nil })
}

func markdown(text []byte) (template.HTML, error) {
	var b bytes.Buffer
	if err := markdownMaker.Convert(text, &b); err != nil {
		return "", err
	}
	return template.HTML(markdownPolicy.SanitizeBytes(b.Bytes())), nil //nolint:gosec // sanitised
}

// maxHighlighted is how many bytes of code are coloured.
const maxHighlighted = 128 << 10

var codeFormat = html.New(html.WithClasses(true), html.WithLineNumbers(true), html.LineNumbersInTable(false), html.PreventSurroundingPre(false))

// codeStyle is empty: the colours of the classes are in our own style sheet. The styles that come with chroma are read by every
// process that has them, in 6 ms.
var codeStyle = chroma.MustNewStyle("classes", chroma.StyleEntries{})

// highlight colours code by classes; text of no known language is escaped only.
func highlight(name, text string) (template.HTML, error) {
	lexer := lexers.Match(name)
	if lexer == nil || len(text) > maxHighlighted {
		lexer = lexers.Fallback
	}
	tokens, err := chroma.Coalesce(lexer).Tokenise(nil, text)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = codeFormat.Format(&b, codeStyle, tokens)
	return template.HTML(b.String()), err //nolint:gosec // chroma escapes
}
