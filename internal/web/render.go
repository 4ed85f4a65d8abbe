package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"text/template/parse"
)

// page is what a handler says about its page; the layout does the rest.
type page struct {
	Title  string
	Nav    nav
	At     string  // the current item of the navigation: "activity", "people", or "folder:NAME"
	Crumbs []crumb // the way to the page, from above
	Data   any     // for the template's "content"
	Past   bool    // shows something other than now
	Bare   bool    // no padding: the page arranges its whole width
	// State, if not nil, is what Data does not say as JSON of the content, so that the page's tag is known
	// before it is rendered. Words for times are part of it.
	State any
}

// crumb is one step of the way to a page.
type crumb struct{ Name, Address string }

// nav is the navigation beside a page.
type nav uint8

const (
	navNone nav = iota
	navFiles
	navAdmin
)

// page answers with templates/NAME.html in the layout; for htmx with its title and content only.
func (x *exchange) page(name string, p page) error { return x.pageStatus(http.StatusOK, name, p) }

// pageStatus is page with another status, as for a form with errors.
func (x *exchange) pageStatus(status int, name string, p page) error {
	if x.htmx() {
		return x.render(status, name, "layout-part", &frame{x: x, page: p})
	}
	f, err := x.frame(p)
	if err != nil {
		return err
	}
	if p.State != nil && f.Toast == nil && status == http.StatusOK {
		if same, err := x.unchanged(name, "layout", p, f); same || err != nil {
			return err
		}
	}
	return x.render(status, name, "layout", f)
}

// unchanged gives the answer a tag made from what decides it: the values, as JSON, and everything of the
// request and the person that a template can ask for. It says whether the browser has the same, which it
// is told then.
func (x *exchange) unchanged(state ...any) (bool, error) {
	h := sha256.New()
	u, head := &x.session.User, x.r.Header
	for _, v := range append(state,
		x.s.epoch, x.lang, x.zone.String(), x.secret, x.r.URL.RequestURI(), head["Cookie"], x.htmx(),
		u.ID, u.Name, u.DisplayName, u.Role, u.SecondFactor, u.Preferences, x.hub.ServerName(),
	) {
		if err := json.NewEncoder(h).Encode(v); err != nil {
			return false, err
		}
	}
	x.tag = `W/"` + base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:12]) + `"`
	if !strings.Contains(head.Get("If-None-Match"), x.tag) {
		return false, nil
	}
	x.htmlHeaders()
	x.w.Header().Set("Etag", x.tag)
	x.w.Header().Set("Cache-Control", "private, no-cache")
	x.w.WriteHeader(http.StatusNotModified)
	return true, nil
}

// htmlHeaders sets the headers of all pages and parts of pages.
func (x *exchange) htmlHeaders() {
	h := x.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", x.lang)
	h.Add("Vary", "Cookie, Accept-Language, Accept-Encoding, Hx-Request")
}

// fragment answers with one block of templates/NAME.html.
func (x *exchange) fragment(name, block string, data any) error {
	return x.render(http.StatusOK, name, block, data)
}

// render writes one block, wholly or not at all.
func (x *exchange) render(status int, name, block string, data any) error {
	var b bytes.Buffer
	if err := x.s.pages.execute(&b, x, name, block, data); err != nil {
		return err
	}
	if x.says != nil && x.htmx() {
		if err := x.s.pages.execute(&b, x, name, "toast-swap", x.takeToast()); err != nil {
			return err
		}
	}
	x.htmlHeaders()
	h := x.w.Header()
	// What a page has said not to be kept, for it shows a secret, is not.
	keep := h.Get("Cache-Control") != "no-store"
	if keep && status == http.StatusOK && (x.r.Method == http.MethodGet || x.r.Method == http.MethodHead) {
		tag := x.tag
		if tag == "" {
			sum := sha256.Sum256(b.Bytes())
			tag = `W/"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
		}
		h.Set("Etag", tag)
		h.Set("Cache-Control", "private, no-cache")
		if strings.Contains(x.r.Header.Get("If-None-Match"), tag) {
			x.w.WriteHeader(http.StatusNotModified)
			return nil
		}
	} else {
		h.Set("Cache-Control", "no-store")
	}
	return writeCompressed(x.w, x.r, status, b.Bytes())
}

// templates are all pages, each with the layout and the parts. Functions such as t depend on the
// request, so a page is executed by a copy that belongs to the request meanwhile.
type templates struct {
	assets *assets
	base   *template.Template // the layout and the parts, never executed, so that it can be cloned
	pages  map[string]*pageTemplate
}

type pageTemplate struct {
	own  []*parse.Tree // what it has beside base, or instead of it; never executed either
	free chan *bound
}

// bound is a copy of a page for one request at a time.
type bound struct {
	t *template.Template
	x *exchange
}

// maxFree is how many copies of a page are kept for later requests.
const maxFree = 8

// loadTemplates parses templates/layout*.html and templates/parts/*.html together with each
// templates/SLICE/NAME.html. Files whose names begin with _ are parts of the pages of their slice.
func loadTemplates(files fs.FS, a *assets) (*templates, error) {
	ts := &templates{assets: a, pages: map[string]*pageTemplate{}}
	none := func() *template.Template {
		return template.New("").Funcs((&bound{}).funcs(ts)).Option("missingkey=error")
	}
	var err error
	ts.base, err = none().ParseFS(files, "templates/layout*.html", "templates/parts/*.html")
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(files, "templates/*/*.html")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		slice := path.Base(path.Dir(name))
		if slice == "parts" || strings.HasPrefix(path.Base(name), "_") {
			continue
		}
		t := none()
		if shared, _ := fs.Glob(files, "templates/"+slice+"/_*.html"); len(shared) > 0 {
			if t, err = t.ParseFS(files, shared...); err != nil {
				return nil, err
			}
		}
		if t, err = t.ParseFS(files, name); err != nil {
			return nil, err
		}
		if t.Lookup("content") == nil {
			return nil, fmt.Errorf(`%s does not define "content"`, name)
		}
		p := &pageTemplate{free: make(chan *bound, maxFree)}
		for _, t := range t.Templates() {
			// What has nothing in it replaces nothing: bodies of files that only define.
			if t.Tree != nil && (!parse.IsEmptyTree(t.Tree.Root) || ts.base.Lookup(t.Name()) == nil) {
				p.own = append(p.own, t.Tree)
			}
		}
		ts.pages[slice+"/"+strings.TrimSuffix(path.Base(name), ".html")] = p
	}
	return ts, nil
}

// copyOf returns a copy of a page that can be executed. Pages have most of what they consist of in common: a whole one
// kept for each would take a third of the memory of a server.
func (ts *templates) copyOf(p *pageTemplate) (*bound, error) {
	t, err := ts.base.Clone()
	if err != nil {
		return nil, err
	}
	for _, own := range p.own {
		if _, err := t.AddParseTree(own.Name, own.Copy()); err != nil {
			return nil, err
		}
	}
	c := &bound{}
	c.t = t.Funcs(c.funcs(ts))
	return c, nil
}

func (ts *templates) execute(b *bytes.Buffer, x *exchange, name, block string, data any) error {
	p := ts.pages[name]
	if p == nil {
		return fmt.Errorf("there is no templates/%s.html", name)
	}
	var c *bound
	select {
	case c = <-p.free:
	default:
		var err error
		if c, err = ts.copyOf(p); err != nil {
			return err
		}
	}
	c.x = x
	err := c.t.ExecuteTemplate(b, block, data)
	c.x = nil
	if err != nil {
		return err
	}
	select {
	case p.free <- c:
	default:
	}
	return nil
}
