package etherpad

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"mime/multipart"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf16"

	"github.com/havre-cloud/havre/internal/source"
)

// Restore makes a pad anew from an ".etherpad" file, with all its revisions, as source.Restorer says. An instance that
// does not take such files gets the present text, as a page or as plain text; what is lost by that is in the result.
//
// Nothing is sent before the file proved to be whole: a damaged one can end the process of a 2.5 instance. Nothing is sent to
// a name under which there is a pad: an import replaces a pad of less than 10 revisions. That an instance says
// that it imported the file proves nothing, so that the pad is read back.
func (p *Provider) Restore(ctx context.Context, c *source.Client, to source.Recognised, file io.ReaderAt, size int64) (*source.Restored, error) {
	doc, err := Open(file, size)
	if err != nil {
		return nil, &source.Error{Reason: source.ReasonDamaged, Text: "the file is no complete pad and is not sent to any instance", Err: err}
	}
	name := SanitiseName(to.Address.Name)
	if !validName(name) {
		return nil, source.Errorf(source.ReasonAddress, "the address names no pad")
	}
	if IsReadOnly(name) {
		return nil, source.Errorf(source.ReasonAddress, "under a read-only address nothing can be restored: choose a name")
	}
	to.Address.Kind, to.Address.Name, to.Address.Collection = source.KindEtherpad, name, ""
	to.Address.URL = padURL(to.Address.Instance, name)
	r := &restore{client: c, to: to, doc: doc, file: file, size: size}
	if err := r.free(ctx); err != nil {
		return nil, err
	}
	if err := r.run(ctx); err != nil {
		return nil, err
	}
	return &source.Restored{Address: to.Address, Lost: r.lost}, nil
}

// Restored tells whether the pad at an address is the one of a file: what an earlier Restore made, and nobody changed since.
func (p *Provider) Restored(ctx context.Context, c *source.Client, at source.Recognised, file io.ReaderAt, size int64) (bool, error) {
	doc, err := Open(file, size)
	if err != nil {
		return false, &source.Error{Reason: source.ReasonDamaged, Text: "the file is no complete pad", Err: err}
	}
	at.Address.Name = SanitiseName(at.Address.Name)
	r := &restore{client: c, to: at, doc: doc}
	err = r.verify(ctx)
	if e, ok := errors.AsType[*source.Error](err); ok && e.Reason == source.ReasonDamaged {
		return false, nil
	}
	return err == nil, err
}

type restore struct {
	client *source.Client
	to     source.Recognised
	doc    *Document
	file   io.ReaderAt
	size   int64
	lost   []string
}

// free asks for an export whether the name is free. Only "there is no such pad" says that it is: where an instance says
// that it is forbidden, a private pad may be there.
func (r *restore) free(ctx context.Context) error {
	resp, err := get(ctx, r.client, exportURL(r.to.Address, "txt"), r.to.Secrets, "")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		source.Drain(resp.Body)
		if mediaType(resp) != "text/plain" {
			return source.Errorf(source.ReasonForeign, "what answers is not an Etherpad, or not one that gives out its pads")
		}
		return source.Errorf(source.ReasonExists, "there is a pad of that name already, and it is left alone")
	}
	switch e := errorFor(resp, head(resp), r.to.Secrets); e.Reason {
	case source.ReasonGone:
		return nil
	case source.ReasonPrivate:
		return source.Errorf(source.ReasonRefused, "the instance lets nobody make a pad of that name, or there is a private one")
	default:
		return e
	}
}

// run imports the pad in the best form that the instance takes.
func (r *restore) run(ctx context.Context) error {
	if r.size > maxImport {
		r.lose("the file has more than the 50 MB that instances take")
	} else {
		taken, err := r.whole(ctx)
		if taken || err != nil {
			return err
		}
	}
	// The pad that is there now is what the instance made of our file: it may be replaced.
	text, err := r.doc.AText(r.doc.Head())
	if err != nil {
		return fmt.Errorf("the last revision: %w", err)
	}
	var want strings.Builder
	if err := RenderText(&want, text); err != nil {
		return err
	}
	for _, form := range []struct {
		ext, content, lost string
	}{
		{".html", importHTML(Paragraphs(text)), ""},
		{".txt", want.String(), "lists, headings, bold and links are plain text"},
	} {
		answer, err := r.send(ctx, form.ext, strings.NewReader(form.content), int64(len(form.content)))
		if err != nil {
			return err
		}
		if !answer.ok() {
			continue
		}
		same, err := r.sameText(ctx, want.String())
		if err != nil {
			return err
		}
		if same {
			if form.lost != "" {
				r.lose(form.lost)
			}
			return nil
		}
	}
	return source.Errorf(source.ReasonRefused, "the instance takes neither the file nor its text; what it made of them may be found under the name")
}

func (r *restore) lose(what string) { r.lost = append(r.lost, what) }

// whole imports the file itself. It is not taken, without an error, by an instance that does not know such files.
func (r *restore) whole(ctx context.Context) (taken bool, err error) {
	answer, err := r.send(ctx, ".etherpad", io.NewSectionReader(r.file, 0, r.size), r.size)
	if err != nil {
		if e, ok := errors.AsType[*source.Error](err); ok && e.Reason == source.ReasonDown && r.verify(ctx) == nil {
			return true, nil // only the answer was lost
		}
		return false, err
	}
	if answer.ok() && (answer.direct() || answer.Data.Direct == nil) {
		err := r.verify(ctx)
		if err == nil || answer.direct() {
			return true, err
		}
	}
	r.lose(fmt.Sprintf("the instance does not take complete pads: the pad has its present text, and none of the %d revisions before it", r.doc.Head()))
	if n := r.doc.ChatHead() + 1; n > 0 {
		r.lose(fmt.Sprintf("%d chat messages", n))
	}
	if n := len(r.doc.Saved()); n > 0 {
		r.lose(fmt.Sprintf("%d saved revisions", n))
	}
	r.lose("who wrote what")
	return false, nil
}

// maxImport is what an Etherpad takes by default.
const maxImport = 50 << 20

// importAnswer is what an instance says to an import.
type importAnswer struct {
	Code    *int
	Message string
	Data    struct {
		Direct *bool `json:"directDatabaseAccess"`
	}
}

func (a *importAnswer) ok() bool     { return a.Code != nil && *a.Code == 0 }
func (a *importAnswer) direct() bool { return a.Data.Direct != nil && *a.Data.Direct }

// send posts a file. What the instance says of it is in the answer; an error is what concerns more than its form.
func (r *restore) send(ctx context.Context, ext string, content io.Reader, size int64) (*importAnswer, error) {
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	if _, err := w.CreateFormFile("file", "pad"+ext); err != nil { // its ending says what it is
		return nil, err
	}
	before := form.Len()
	if err := w.Close(); err != nil {
		return nil, err
	}
	body := io.MultiReader(bytes.NewReader(form.Bytes()[:before]), content, bytes.NewReader(form.Bytes()[before:]))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, padURL(r.to.Address.Instance, r.to.Address.Name)+"/import", io.NopCloser(body))
	if err != nil {
		return nil, source.Errorf(source.ReasonAddress, "this is no address of a pad")
	}
	req.ContentLength = int64(form.Len()) + size
	req.Header.Set("Content-Type", w.FormDataContentType())
	authorise(req, r.to.Secrets)
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	said := head(resp)
	a := &importAnswer{}
	known := json.Unmarshal(said, a) == nil && a.Code != nil
	switch {
	case known && a.Message == "padHasData":
		return nil, source.Errorf(source.ReasonExists, "there is a pad of that name already, and it is left alone")
	case known && (resp.StatusCode == http.StatusOK || *a.Code != 0):
		return a, nil
	case resp.StatusCode == http.StatusOK && mediaType(resp) == "text/html" && bytes.Contains(said, []byte("'ok'")):
		return &importAnswer{Code: new(int)}, nil // how instances before 1.8.3 say it, in a script
	case resp.StatusCode == http.StatusForbidden, resp.StatusCode == http.StatusNotFound, resp.StatusCode == http.StatusMethodNotAllowed:
		return nil, source.Errorf(source.ReasonRefused, "the instance does not let visitors import pads")
	case resp.StatusCode == http.StatusRequestEntityTooLarge:
		return nil, source.Errorf(source.ReasonTooLarge, "the file is larger than the instance takes")
	}
	return nil, errorFor(resp, said, r.to.Secrets)
}

// verify reads the pad back and compares it with the file, record for record.
func (r *restore) verify(ctx context.Context) error {
	resp, err := get(ctx, r.client, exportURL(r.to.Address, "etherpad"), r.to.Secrets, "")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errorFor(resp, head(resp), r.to.Secrets)
	}
	spooled, err := r.client.Spool(resp, maxFile)
	if err != nil {
		return err
	}
	back, err := Open(spooled, spooled.Size())
	if err == nil {
		err = r.compare(back)
	}
	if closing := spooled.Close(); closing != nil {
		return closing
	}
	if err != nil {
		return &source.Error{Reason: source.ReasonDamaged, Text: "the pad on the instance is not what is in the file", Err: err}
	}
	return nil
}

// compare tells where a pad that was read back differs from the file. Names and colours of authors whom the instance knew
// already stay as it knows them.
func (r *restore) compare(back *Document) error {
	if r.doc.Head() != back.Head() || r.doc.ChatHead() != back.ChatHead() || len(r.doc.Saved()) != len(back.Saved()) {
		return fmt.Errorf("revision %d, %d messages and %d saved revisions, not %d, %d and %d",
			back.Head(), back.ChatHead()+1, len(back.Saved()), r.doc.Head(), r.doc.ChatHead()+1, len(r.doc.Saved()))
	}
	next, stop := iter.Pull2(back.Revisions(0, back.Head()))
	defer stop()
	for want, err := range r.doc.Revisions(0, r.doc.Head()) {
		if err != nil {
			return err
		}
		got, err, _ := next()
		if err != nil {
			return err
		}
		if got.Author != want.Author || !got.Time.Equal(want.Time) || got.Changeset != want.Changeset {
			return fmt.Errorf("revision %d differs", want.Rev)
		}
	}
	if err := sameChat(r.doc, back); err != nil {
		return err
	}
	was, is := r.doc.Saved(), back.Saved()
	for n := range was {
		if was[n].Rev != is[n].Rev || was[n].Label != is[n].Label || was[n].By != is[n].By || !was[n].Time.Equal(is[n].Time) {
			return fmt.Errorf("saved revision %d differs", n)
		}
	}
	known := back.Authors()
	others := 0
	for id, a := range r.doc.Authors() {
		if known[id] != a {
			others++
		}
	}
	if others > 0 {
		r.lose(fmt.Sprintf("%d of the authors have another name or colour there: the instance knew them before", others))
	}
	return nil
}

func sameChat(a, b *Document) error {
	was, err := a.Chat()
	if err != nil {
		return err
	}
	is, err := b.Chat()
	if err != nil {
		return err
	}
	for n := range was {
		// Older instances do not give out the names.
		if was[n].Name == "" || is[n].Name == "" {
			was[n].Name, is[n].Name = "", ""
		}
		if was[n] != is[n] {
			return fmt.Errorf("chat message %d differs", n)
		}
	}
	return nil
}

// sameText tells whether a pad has the words of a text.
func (r *restore) sameText(ctx context.Context, want string) (bool, error) {
	resp, err := get(ctx, r.client, exportURL(r.to.Address, "txt"), r.to.Secrets, "")
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return false, errorFor(resp, head(resp), r.to.Secrets)
	}
	got, err := source.ReadAll(resp, maxExport)
	if err != nil {
		return false, err
	}
	return strings.Join(strings.Fields(string(got)), " ") == strings.Join(strings.Fields(want), " "), nil
}

// RestoreName returns the first of several names under which a pad can be restored, as Etherpad writes it: not a read-only
// id, without a group, and cut to the length that there can be. It is empty if there is none.
func RestoreName(names ...string) string {
	for _, name := range names {
		_, own := splitName(SanitiseName(name))
		own = strings.Map(func(r rune) rune {
			if r == '$' || unicode.IsControl(r) {
				return '_'
			}
			return r
		}, own)
		for len(utf16.Encode([]rune(own))) > maxName {
			runes := []rune(own)
			own = string(runes[:len(runes)-1])
		}
		if validName(own) && !IsReadOnly(own) {
			return own
		}
	}
	return ""
}
