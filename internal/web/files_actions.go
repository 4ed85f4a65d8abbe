package web

import (
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/svn"
)

// act does what a form of a directory or file asks for. Each is one revision, and each says how it is
// undone.
func (s *Server) act(x *exchange) error {
	if err := x.parseForm(); err != nil {
		return err
	}
	at, err := x.spot()
	if err != nil {
		return err
	}
	switch x.r.PostFormValue("do") {
	case "mkdir":
		return s.makeDir(x, at)
	case "file":
		return s.makeFile(x, at)
	case "rename":
		return s.renameItem(x, at)
	case "ask-move", "ask-copy":
		return s.moveQuestion(x, at)
	case "move", "copy":
		return s.move(x, at)
	case "delete", "delete-many":
		return s.deleteItems(x, at)
	case "download":
		return x.redirect(folderAddress(at.Folder.Name, string(at.Path)) + "?download&" + encodeItems(x.r.PostForm["item"])) //nolint:forbidigo // a field, filled above
	case "undo":
		return s.undo(x, at)
	case "restore":
		return s.restore(x, at)
	case "bring-back":
		return s.bringBack(x, at)
	case "save":
		return s.saveText(x, at)
	}
	return &havre.Error{Code: havre.CodeInvalid, Text: x.t("core.error.form")}
}

// base is the revision that the person looked at.
func (x *exchange) base(at *hub.Spot) svn.Revnum {
	n, err := strconv.ParseInt(x.r.PostFormValue("base"), 10, 63)
	if err != nil || n < 0 || svn.Revnum(n) > at.Folder.Head {
		return at.Folder.Head
	}
	return svn.Revnum(n)
}

// items returns the chosen entries of a directory.
func (x *exchange) items(at *hub.Spot) ([]svn.Path, error) {
	var list []svn.Path
	for _, name := range x.r.PostForm["item"] { //nolint:forbidigo // a field, filled by act
		p, err := svn.CheckPath(string(at.Path.Join(name)))
		if err != nil || name == "" || strings.Contains(name, "/") {
			return nil, &havre.Error{Code: havre.CodeInvalid, Text: x.t("core.error.form")}
		}
		list = append(list, p)
	}
	if len(list) == 0 {
		return nil, &havre.Error{Code: havre.CodeInvalid, Text: x.t("files.none")}
	}
	return list, nil
}

// done says what happened, with the way back, and leads on.
func (s *Server) done(x *exchange, at *hub.Spot, d *hub.Done, text, to string) error {
	if n := len(d.Refused); n > 0 {
		text += " " + x.t("files.refused", "n", n, "first", d.Refused[0].Path.Name(), "why", x.say(d.Refused[0].Said))
	}
	x.toast(text, &undo{
		Action: folderAddress(at.Folder.Name, ""),
		Fields: map[string]string{"do": "undo", "rev": strconv.FormatInt(int64(d.Rev), 10), "back": to},
	})
	return x.redirect(to)
}

// checkName refuses a name that not everybody's devices could store.
func (x *exchange) checkName(name string) error {
	fault, sign, at := hub.FaultOf(name)
	if fault == "" {
		return nil
	}
	return &havre.Error{Code: havre.CodeInvalid, Text: x.t("files.fault."+string(fault), "sign", string(sign), "at", at)}
}

// taken says in this language that there is something with that name.
func (x *exchange) taken(err error, name string) error {
	if havre.CodeOf(err) == havre.CodeExists {
		return &havre.Error{Code: havre.CodeExists, Text: x.t("files.taken", "name", name), Cause: err}
	}
	return err
}

func (s *Server) makeDir(x *exchange, at *hub.Spot) error {
	name := strings.TrimSpace(x.r.PostFormValue("name"))
	if err := x.checkName(name); err != nil {
		return err
	}
	d, err := s.hub.MakeDir(x.ctx(), x.caller(), at, name)
	if err != nil {
		return x.taken(err, name)
	}
	return s.done(x, at, d, x.t("files.made", "name", name), folderAddress(at.Folder.Name, string(at.Path)))
}

func (s *Server) makeFile(x *exchange, at *hub.Spot) error {
	name := strings.TrimSpace(x.r.PostFormValue("name"))
	if name != "" && path.Ext(name) == "" {
		name += ".txt"
	}
	p := at.Path.Join(name)
	if err := x.checkName(name); err != nil {
		return err
	}
	d, err := s.hub.PutFile(x.ctx(), x.caller(), at, p, svn.InvalidRevnum, nil)
	if err != nil {
		return x.taken(err, name)
	}
	return s.done(x, at, d, x.t("files.made", "name", name), folderAddress(at.Folder.Name, string(p))+"?edit")
}

func (s *Server) renameItem(x *exchange, at *hub.Spot) error {
	items, err := x.items(at)
	if err != nil {
		return err
	}
	name := strings.TrimSpace(x.r.PostFormValue("name"))
	if err := x.checkName(name); err != nil {
		return err
	}
	here := folderAddress(at.Folder.Name, string(at.Path))
	if name == items[0].Name() {
		return x.redirect(here)
	}
	d, made, err := s.hub.Move(x.ctx(), x.caller(), at, []hub.Transfer{{From: items[0], To: at.Path.Join(name)}}, x.base(at), false)
	if err != nil {
		return err
	}
	return s.done(x, at, d, x.t("files.renamed", "name", items[0].Name(), "to", made[0].To.Name()), here)
}

// moveView asks where the chosen entries go.
type moveView struct {
	Address string
	Items   []string
	Places  []string
	Here    string
	Base    svn.Revnum
	Title   string
	Copy    bool
	Self    bool // the page is that of the one item
	Folder  string
	Query   string // what the places are called, if there are more than are offered
	More    bool   // there are others
}

// maxPlaces is how many directories are offered as the place to go.
const maxPlaces = 2000

// searchedPlaces is how many directories are looked through for those that are called as somebody typed.
const searchedPlaces = 100_000

func (s *Server) moveQuestion(x *exchange, at *hub.Spot) error {
	items, err := x.items(at)
	if err != nil {
		return err
	}
	v := &moveView{
		Address: folderAddress(at.Folder.Name, string(at.Path)), Here: string(at.Path), Base: at.Folder.Head,
		Copy: x.r.PostFormValue("do") == "ask-copy", Folder: at.Folder.Name,
	}
	chosen := map[svn.Path]bool{}
	for _, p := range items {
		v.Items = append(v.Items, p.Name())
		chosen[p] = true
	}
	key := "files.move.title"
	if v.Copy {
		key = "files.copy.title"
	}
	v.Title = x.t(key, "n", len(items), "name", items[0].Name())
	limit := maxPlaces + 1
	if v.Query = strings.TrimSpace(x.r.PostFormValue("where")); v.Query != "" {
		limit = searchedPlaces
	}
	if v.Places, err = s.hub.Directories(x.ctx(), x.caller(), at.Folder.Name, limit, chosen); err != nil {
		return err
	}
	if v.Query != "" {
		want := plain(v.Query)
		v.Places = slices.DeleteFunc(v.Places, func(p string) bool { return !strings.Contains(plain(p), want) })
	}
	sortPaths(x.lang, v.Places)
	if v.More = len(v.Places) > maxPlaces; v.More {
		v.Places = v.Places[:maxPlaces]
	}
	if x.r.Header.Get("Hx-Target") == "f-dialog" {
		return x.fragment("files/move", "move-dialog", v)
	}
	return x.page("files/move", page{
		Title: v.Title, Nav: navFiles, At: "folder:" + at.Folder.Name, Data: v,
		Crumbs: append(crumbsTo(x, at), crumb{at.Path.Name(), v.Address}),
	})
}

func (s *Server) move(x *exchange, at *hub.Spot) error {
	items, err := x.items(at)
	if err != nil {
		return err
	}
	to, err := svn.CheckPath(x.r.PostFormValue("to"))
	if err != nil {
		return &havre.Error{Code: havre.CodeInvalid, Text: x.t("core.error.form")}
	}
	copying := x.r.PostFormValue("do") == "copy"
	var list []hub.Transfer
	for _, p := range items {
		list = append(list, hub.Transfer{From: p, To: to.Join(p.Name())})
	}
	if to == at.Path && !copying {
		return x.redirect(folderAddress(at.Folder.Name, string(at.Path)))
	}
	d, _, err := s.hub.Move(x.ctx(), x.caller(), at, list, x.base(at), copying)
	if err != nil {
		return err
	}
	where := to.Name()
	if to == "" {
		where = at.Folder.Name
	}
	key := "files.moved"
	if copying {
		key = "files.copied"
	}
	return s.done(x, at, d, x.t(key, "n", len(items), "name", items[0].Name(), "to", where), folderAddress(at.Folder.Name, string(at.Path)))
}

func (s *Server) deleteItems(x *exchange, at *hub.Spot) error {
	items, err := x.items(at)
	if err != nil {
		return err
	}
	if x.r.PostFormValue("do") == "delete" {
		files, bytes, err := s.hub.Below(x.ctx(), at, items, countedFiles)
		if err != nil {
			return err
		}
		if files > askAbove {
			return s.deleteQuestion(x, at, items, files, bytes)
		}
	}
	d, err := s.hub.Delete(x.ctx(), x.caller(), at, items, x.base(at))
	if err != nil {
		return err
	}
	return s.done(x, at, d, x.t("files.deleted.done", "n", len(items), "name", items[0].Name()), folderAddress(at.Folder.Name, string(at.Path)))
}

// Above askAbove files a deletion shows its numbers first; they are counted up to countedFiles.
const (
	askAbove     = 100
	countedFiles = 100_000
)

// deleteView asks whether so much goes.
type deleteView struct {
	Address string
	Title   string
	Items   []string
	Files   int
	More    bool // than Files
	Bytes   int64
	Base    svn.Revnum
}

func (s *Server) deleteQuestion(x *exchange, at *hub.Spot, items []svn.Path, files int, bytes int64) error {
	v := &deleteView{
		Address: folderAddress(at.Folder.Name, string(at.Path)), Files: files, More: files >= countedFiles, Bytes: bytes, Base: x.base(at),
		Title: x.t("files.delete.title", "n", len(items), "name", items[0].Name()),
	}
	for _, p := range items {
		v.Items = append(v.Items, p.Name())
	}
	if x.r.Header.Get("Hx-Target") == "f-dialog" {
		return x.fragment("files/delete", "delete-dialog", v)
	}
	return x.page("files/delete", page{Title: v.Title, Nav: navFiles, At: "folder:" + at.Folder.Name, Data: v, Crumbs: append(crumbsTo(x, at), crumb{at.Path.Name(), v.Address})})
}

func (s *Server) undo(x *exchange, at *hub.Spot) error {
	rev, err := strconv.ParseInt(x.r.PostFormValue("rev"), 10, 63)
	if err != nil {
		return &havre.Error{Code: havre.CodeInvalid, Text: x.t("core.error.form")}
	}
	if _, err := s.hub.Undo(x.ctx(), x.caller(), at, svn.Revnum(rev)); err != nil {
		return err
	}
	x.toast(x.t("files.undone"), nil)
	return x.redirect(x.back(folderAddress(at.Folder.Name, string(at.Path))))
}

// maxEdited is how many bytes a text may have that is changed in the browser.
const maxEdited = havre.InlineLimit

// saveText saves a text that was changed in the browser. If somebody saved another version meanwhile,
// the page says so and keeps what was typed.
func (s *Server) saveText(x *exchange, at *hub.Spot) error {
	text := strings.ReplaceAll(x.r.PostFormValue("text"), "\r\n", "\n")
	if x.r.PostFormValue("crlf") == "1" {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	d, err := s.hub.PutFile(x.ctx(), x.caller(), at, at.Path, x.base(at), []byte(text))
	if err == nil {
		return s.done(x, at, d, x.t("files.saved", "name", at.Path.Name()), folderAddress(at.Folder.Name, string(at.Path)))
	}
	problem := x.sayable(err)
	if problem == "" {
		return err
	}
	if newer := at.Node.Changed; newer.Rev > x.base(at) {
		problem = x.t("files.edit.priority", "name", s.fullName(x.ctx(), newer.Author), "when", x.ago(newer.Time))
	}
	return s.showFile(x, at, http.StatusConflict, text, problem)
}
