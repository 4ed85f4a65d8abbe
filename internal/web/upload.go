package web

import (
	"cmp"
	"crypto/hmac"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/svn"
)

// uploadRoutes take files. Small ones come in batches, each of which is one revision, large ones by tus
// and then all at once (docs/decisions/0016).
func (s *Server) uploadRoutes() []route {
	return []route{
		{pattern: "GET /uploads", need: needPerson, handle: s.uploadPanel},
		// The form has its token in its first field, so that its files need not be read before it is checked.
		{pattern: "POST /upload/{folder}", need: needFolder, handle: s.addFiles, body: -1, foreign: true},
		{pattern: "POST /upload/{folder}/{path...}", need: needFolder, handle: s.addFiles, body: -1, foreign: true},
		{pattern: "POST /present/{folder}", need: needFolder, handle: s.present, body: maxQuestion},
		{pattern: "POST /present/{folder}/{path...}", need: needFolder, handle: s.present, body: maxQuestion},
		{pattern: "POST /finish/{folder}", need: needFolder, handle: s.finish, body: maxQuestion},
		{pattern: "POST /finish/{folder}/{path...}", need: needFolder, handle: s.finish, body: maxQuestion},
		{pattern: "OPTIONS /upload/", need: needPerson, handle: tus(s.tusOptions)},
		{pattern: "POST /upload/{$}", need: needPerson, handle: tus(s.tusCreate), body: -1},
		{pattern: "HEAD /upload/{id}", need: needPerson, handle: tus(s.tusHead)},
		{pattern: "PATCH /upload/{id}", need: needPerson, handle: tus(s.tusPatch), body: -1},
		{pattern: "DELETE /upload/{id}", need: needPerson, handle: tus(s.tusDelete)},
	}
}

const (
	maxBatch    = 1000    // files of one request of the script
	maxForm     = 20_000  // files of a form
	maxQuestion = 4 << 20 // bytes of a list of places
	maxField    = 8 << 10 // bytes of a field beside a file
)

// uploadPanel is what the script shows of running uploads, with its words.
func (s *Server) uploadPanel(x *exchange) error {
	texts, err := json.Marshal(x.s.texts.forms(x.lang, "upload."))
	if err != nil {
		return err
	}
	return x.fragment("upload/panel", "panel", struct{ Texts string }{string(texts)})
}

// newBatch begins a batch for the directory that the address names.
func (s *Server) newBatch(x *exchange) (*hub.Batch, error) {
	at, err := s.uploadSpot(x)
	if err != nil {
		return nil, err
	}
	return s.hub.NewBatch(x.ctx(), x.caller(), at)
}

func (s *Server) uploadSpot(x *exchange) (*hub.Spot, error) {
	return s.hub.Spot(x.ctx(), x.caller(), x.r.PathValue("folder"), svn.Path(strings.TrimSuffix(x.r.PathValue("path"), "/")), svn.InvalidRevnum)
}

func batchFile(place, existing string, modified, base int64) hub.BatchFile {
	f := hub.BatchFile{Place: place, ModTime: milliseconds(modified), Base: svn.Revnum(max(base, 0))}
	switch existing {
	case "replace":
		f.Existing = hub.ExistingReplace
	case "both":
		f.Existing = hub.ExistingBoth
	}
	return f
}

// addFiles takes the files of a form, or of a batch from the script: all become one revision.
func (s *Server) addFiles(x *exchange) error {
	parts, err := x.r.MultipartReader()
	if err != nil {
		return &havre.Error{Code: havre.CodeDenied, Text: x.t("core.error.forged")} // whoever it is sends no form of ours
	}
	script := strings.Contains(x.r.Header.Get("Accept"), "application/json")
	in := &incoming{x: x, parts: parts, limit: maxForm, existing: "replace"}
	if script {
		in.limit, in.existing = maxBatch, ""
	}
	batch, err := in.read()
	if err != nil {
		if batch != nil {
			err = errors.Join(err, batch.Discard(x.ctx()))
		}
		return err
	}
	d, err := batch.Commit(x.ctx())
	if err != nil {
		return err
	}
	if script {
		return x.writeJSON(x.outcomes(batch, d))
	}
	return s.added(x, batch, d)
}

// added says what became of the files of a form.
func (s *Server) added(x *exchange, batch *hub.Batch, d *hub.Done) error {
	good, why := 0, ""
	for i := range batch.Outcomes {
		o := &batch.Outcomes[i]
		if o.Err == nil {
			good++
		} else if why == "" {
			why = " " + x.t("upload.form.refused", "name", o.Place, "why", x.uploadReason(o))
		}
	}
	text := x.t("upload.form.none")
	if good > 0 {
		text = x.t("upload.form.done", "n", good)
	}
	var back *undo
	if d != nil && d.Rev != svn.InvalidRevnum {
		back = &undo{
			Action: folderAddress(x.r.PathValue("folder"), ""),
			Fields: map[string]string{"do": "undo", "rev": strconv.FormatInt(int64(d.Rev), 10), "back": x.back("/")},
		}
	}
	x.toast(text+why, back)
	return x.redirect(folderAddress(x.r.PathValue("folder"), x.r.PathValue("path")))
}

// incoming reads the parts of a form: its token, then for each file the fields that belong to it,
// place, modified, existing and base, and the file.
type incoming struct {
	x        *exchange
	parts    *multipart.Reader
	limit    int
	existing string // what becomes of files whose names are taken
	checked  bool   // the token was right
}

// read returns the batch of the files; it may not be nil although there was an error.
func (in *incoming) read() (*hub.Batch, error) {
	if err := in.check(in.x.r.Header.Get("X-Csrf")); err != nil && in.x.r.Header.Get("X-Csrf") != "" {
		return nil, err
	}
	batch, err := in.x.s.newBatch(in.x)
	if err != nil {
		return nil, err
	}
	fields := map[string]string{}
	for count := 0; ; {
		part, err := in.parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return batch, in.x.brokenOff(err)
		}
		if part.FormName() != "file" {
			b, err := io.ReadAll(io.LimitReader(part, maxField))
			if err != nil {
				return batch, in.x.brokenOff(err)
			}
			fields[part.FormName()] = string(b)
			if part.FormName() == "csrf" {
				if err := in.check(string(b)); err != nil {
					return batch, err
				}
			}
			continue
		}
		if !in.checked {
			break
		}
		if part.FileName() == "" {
			continue // no file was chosen
		}
		if count++; count > in.limit {
			return batch, &havre.Error{Code: havre.CodeInvalid, Text: in.x.t("upload.many")}
		}
		if err := batch.Add(in.x.ctx(), in.file(fields, part.FileName()), part); err != nil {
			return batch, err
		}
		clear(fields)
	}
	if !in.checked {
		return batch, &havre.Error{Code: havre.CodeDenied, Text: in.x.t("core.error.forged")}
	}
	return batch, nil
}

func (x *exchange) brokenOff(err error) error {
	return &havre.Error{Code: havre.CodeInvalid, Text: x.t("upload.broken"), Cause: err}
}

// check compares the token of the form.
func (in *incoming) check(token string) error {
	if in.x.secret == "" || !hmac.Equal([]byte(token), []byte(in.x.csrf())) {
		return &havre.Error{Code: havre.CodeDenied, Text: in.x.t("core.error.forged")}
	}
	in.checked = true
	return nil
}

// file says where a file goes by the fields before it, or by its name.
func (in *incoming) file(fields map[string]string, name string) hub.BatchFile {
	place := fields["place"]
	if place == "" {
		place = name
	}
	existing := fields["existing"]
	if existing == "" {
		existing = in.existing
	}
	modified, _ := strconv.ParseInt(fields["modified"], 10, 64) // 0: nobody knows
	base, _ := strconv.ParseInt(fields["base"], 10, 64)         // 0: the youngest
	return batchFile(place, existing, modified, base)
}

// presentRequest asks what is at places.
type presentRequest struct {
	Places []string `json:"places"`
}

type presentAnswer struct {
	Base  int64          `json:"base"`
	Files []presentPlace `json:"files"`
}

// presentPlace is nothing but braces for a place where a file may go.
type presentPlace struct {
	Taken   bool   `json:"taken,omitempty"`
	Size    int64  `json:"size,omitempty"`
	SHA1    string `json:"sha1,omitempty"`
	Refused string `json:"refused,omitempty"`
}

// present says what is already there, so that it is asked before anything is sent, and identical
// contents are not sent at all.
func (s *Server) present(x *exchange) error {
	var q presentRequest
	if err := x.readJSON(&q); err != nil {
		return err
	}
	if len(q.Places) > maxBatch {
		return &havre.Error{Code: havre.CodeInvalid, Text: x.t("upload.many")}
	}
	at, err := s.uploadSpot(x)
	if err != nil {
		return err
	}
	list, err := s.hub.Present(x.ctx(), x.caller(), at, q.Places)
	if err != nil {
		return err
	}
	a := presentAnswer{Base: int64(at.Folder.Head), Files: make([]presentPlace, len(list))}
	for i := range list {
		p := &a.Files[i]
		p.Taken, p.Size, p.SHA1 = list[i].Taken, list[i].Size, hex.EncodeToString(list[i].Hash.SHA1())
		if list[i].Err != nil {
			p.Refused = x.uploadReason(&hub.Outcome{Err: list[i].Err})
		}
	}
	return x.writeJSON(a)
}

// outcomesAnswer tells the script what became of each file, in the order of the request.
type outcomesAnswer struct {
	Rev   int64         `json:"rev"`
	Files []fileOutcome `json:"files"`
}

type fileOutcome struct {
	State string `json:"state"` // "done", "same", "taken", "refused", "lost": the upload is not there
	Text  string `json:"text,omitempty"`
	Place string `json:"place,omitempty"` // where it is, if not where it was sent
}

func (x *exchange) outcomes(batch *hub.Batch, d *hub.Done) outcomesAnswer {
	a := outcomesAnswer{Rev: -1, Files: make([]fileOutcome, len(batch.Outcomes))}
	if d != nil {
		a.Rev = int64(d.Rev)
	}
	for i := range batch.Outcomes {
		o, f := &batch.Outcomes[i], &a.Files[i]
		switch {
		case o.Same:
			f.State = "same"
		case o.Err == nil:
			f.State = "done"
			if o.Path.Name() != svn.Path(o.Place).Name() {
				f.Place = string(o.Path)
			}
		case o.Refused == havre.RefusedOutOfDate, havre.CodeOf(o.Err) == havre.CodeExists:
			f.State, f.Text = "taken", x.uploadReason(o)
		case o.Refused == havre.RefusedUpload, havre.CodeOf(o.Err) == havre.CodeNotFound:
			f.State, f.Text = "lost", x.t("upload.refused.lost")
		default:
			f.State, f.Text = "refused", x.uploadReason(o)
		}
	}
	return a
}

// uploadReason says in the person's language why a file was refused.
func (x *exchange) uploadReason(o *hub.Outcome) string {
	keys := map[havre.RefusalReason]string{
		havre.RefusedOutOfDate: "upload.refused.changed", havre.RefusedDenied: "upload.refused.denied",
		havre.RefusedLocked: "upload.refused.locked", havre.RefusedUpload: "upload.refused.lost",
		havre.RefusedParent: "upload.refused.parent", havre.RefusedInvalid: "upload.refused.invalid",
	}
	if key := keys[o.Refused]; key != "" {
		return x.t(key)
	}
	if text := x.told(o.Err); text != "" {
		return text
	}
	return x.t("upload.refused.invalid")
}

// readJSON reads the body of a request of the script.
func (x *exchange) readJSON(v any) error {
	if err := json.NewDecoder(x.r.Body).Decode(v); err != nil {
		return &havre.Error{Code: havre.CodeInvalid, Text: x.t("core.error.form"), Cause: err}
	}
	return nil
}

// writeJSON answers the script.
func (x *exchange) writeJSON(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	x.w.Header().Set("Content-Type", "application/json")
	x.w.Header().Set("Cache-Control", "no-store")
	return writeCompressed(x.w, x.r, http.StatusOK, b)
}

// forms returns the texts of a slice for a script: the form for one, and the other.
func (t *texts) forms(lang, prefix string) map[string][2]string {
	m := map[string][2]string{}
	for key, s := range t.byLang[lang] {
		if name, ok := strings.CutPrefix(key, prefix); ok {
			m[name] = [2]string{cmp.Or(s.one, s.other), s.other}
		}
	}
	return m
}
