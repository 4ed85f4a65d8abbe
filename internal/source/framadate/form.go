package framadate

import (
	"bytes"
	"context"
	"net/url"
	"strings"

	"github.com/PuerkitoBio/goquery"

	"github.com/havre-cloud/havre/internal/source"
)

// form is a page with one.
type form struct {
	doc *goquery.Document
}

func readForm(a *answer) (*form, error) {
	doc, err := goquery.NewDocumentFromReader(bytes.NewReader(a.body))
	if err != nil {
		return nil, &source.Error{Reason: source.ReasonDamaged, Text: "the instance's form cannot be read", Err: err}
	}
	return &form{doc}, nil
}

// form asks for a page, sending fields if there are any, and makes sure that it has the field that is to be filled in next.
func (s *session) form(ctx context.Context, address string, fields url.Values, next string) (*form, error) {
	a, err := s.ask(ctx, address, fields)
	if err != nil {
		return nil, err
	}
	if a.location != nil {
		if strings.HasSuffix(a.location.Path, "/maintenance.php") {
			return nil, down
		}
		return nil, source.Errorf(source.ReasonForeign, "the form by which polls are made leads to %s", a.location.Host)
	}
	if err := statusError(a.status); err != nil {
		return nil, err
	}
	f, err := readForm(a)
	if err != nil {
		return nil, err
	}
	if !f.has(next) {
		if fields == nil {
			return nil, source.Errorf(source.ReasonForeign, "this instance has no form by which polls are made")
		}
		return nil, source.Errorf(source.ReasonRefused, "the instance does not take the poll: %s", problemOf(a))
	}
	return f, nil
}

func (f *form) has(selector string) bool { return f.doc.Find(selector).Length() > 0 }

func (f *form) value(selector string) string {
	return strings.TrimSpace(f.doc.Find(selector).First().AttrOr("value", ""))
}

// layout returns the form of a date, for time.Format, that a field's attribute describes in some language:
// "jj/mm/aaaa", "yyyy-mm-dd", "tt.mm.jjjj". Four letters are the year, m is the month.
func (f *form) layout(selector, attribute string) string {
	text := strings.ToLower(f.doc.Find(selector).First().AttrOr(attribute, ""))
	var out strings.Builder
	for i := 0; i < len(text); {
		n := 1
		for i+n < len(text) && text[i+n] == text[i] {
			n++
		}
		switch {
		case n == 4:
			out.WriteString("2006")
		case text[i] == 'm':
			out.WriteString("01")
		case text[i] >= 'a' && text[i] <= 'z':
			out.WriteString("02")
		default:
			out.WriteByte(text[i])
		}
		i += n
	}
	if layout := out.String(); len(layout) == 10 && strings.Contains(layout, "2006") && strings.Contains(layout, "01") && strings.Contains(layout, "02") {
		return layout
	}
	return "02/01/2006"
}
