package web

import (
	"strings"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/svn"
)

// conflictRoutes decide between a file and its conflict copy.
func (s *Server) conflictRoutes() []route {
	return []route{
		{pattern: "GET /conflict/{folder}/{path...}", need: needFolder, handle: s.showConflict},
		{pattern: "POST /conflict/{folder}/{path...}", need: needFolder, handle: s.resolveConflict},
	}
}

// conflictView is what history/conflict shows: the file on the left, the copy on the right.
type conflictView struct {
	differenceView
	Action string // address of the decision
	Name   string // of the file
	Sides  [2]conflictSide
}

// conflictSide is one of the two.
type conflictSide struct {
	Address, Raw string
	Who          string
	Changed      hub.Act
	Size         int64
}

// conflictAddress is where one decides about a conflict copy.
func conflictAddress(folder string, p svn.Path) string {
	return "/conflict" + strings.TrimPrefix(folderAddress(folder, string(p)), "/f")
}

// conflict returns the copy that the address names, and its original.
func (x *exchange) conflict() (both [2]*hub.Spot, err error) {
	p := svn.Path(strings.Trim(x.r.PathValue("path"), "/"))
	original := hub.ConflictOriginal(p.Name())
	if original == "" {
		return both, notFound()
	}
	for i, p := range []svn.Path{p.Dir().Join(original), p} {
		if both[i], err = x.hub.Spot(x.ctx(), x.caller(), x.r.PathValue("folder"), p, svn.InvalidRevnum); err != nil {
			return both, err
		}
		if both[i].Dir() {
			return both, notFound()
		}
	}
	return both, nil
}

func (s *Server) showConflict(x *exchange) error {
	both, err := x.conflict()
	if err != nil {
		return err
	}
	at := both[0]
	v := &conflictView{Action: conflictAddress(at.Folder.Name, both[1].Path), Name: at.Path.Name()}
	v.Two, v.Address = true, v.Action
	v.All = x.r.URL.Query().Has("all")
	v.Write = both[0].Right >= havre.RightWrite && both[1].Right >= havre.RightWrite
	for i, b := range both {
		v.Sides[i] = conflictSide{
			Address: folderAddress(at.Folder.Name, string(b.Path)), Raw: "/raw" + strings.TrimPrefix(folderAddress(at.Folder.Name, string(b.Path)), "/f"),
			Who: x.authorName(b.Node.Changed.Author), Changed: b.Node.Changed, Size: b.Node.Size,
		}
	}
	switch at.Node.Ext() {
	case "png", "jpg", "jpeg", "gif", "webp", "avif":
		v.Image = true
	default:
		if err := s.compareSpots(x, &v.differenceView, both); err != nil {
			return err
		}
	}
	v.Crumbs = crumbsTo(x, at)
	return x.page("history/conflict", page{
		Title: x.t("history.conflict.title", "name", v.Name), Nav: navFiles, At: "folder:" + at.Folder.Name, Crumbs: v.Crumbs, Data: v,
	})
}

func (s *Server) resolveConflict(x *exchange) error {
	both, err := x.conflict()
	if err != nil {
		return err
	}
	keep, key := false, "history.conflict.kept.file"
	switch x.r.PostFormValue("keep") {
	case "file":
	case "copy":
		keep, key = true, "history.conflict.kept.copy"
	default:
		return &havre.Error{Code: havre.CodeInvalid, Text: x.t("core.error.form")}
	}
	d, err := x.hub.ResolveConflict(x.ctx(), x.caller(), both[1], keep)
	if err != nil {
		return err
	}
	return s.done(x, both[0], d, x.t(key, "name", both[0].Path.Name()), folderAddress(both[0].Folder.Name, string(both[0].Path.Dir())))
}
