package web

import (
	"net/http"
	"strconv"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/svn"
)

// fileView is what the page of a file shows.
type fileView struct {
	At       *hub.Spot
	Address  string
	Parent   string // address of its directory
	Title    string
	Crumbs   []crumb
	Preview  *preview
	Write    bool
	Manage   bool
	Edit     bool   // the text is in a field
	Replay   string // where it is replayed, "" for most
	Typed    string
	Problem  string
	Base     svn.Revnum
	State    string
	Words    string
	Number   int // of the version
	Changed  time.Time
	Author   string
	Place    int // among the files of the directory, from 1
	Of       int
	Previous string
	Next     string
	Versions *versionsView
	Details  *detailsView
	Raw      string
	AtParam  string
}

// filePage shows a file, as it is or was.
func (s *Server) filePage(x *exchange, at *hub.Spot) error {
	if x.r.URL.Query().Has("replay") {
		return s.fileReplay(x, at)
	}
	return s.showFile(x, at, http.StatusOK, "", "")
}

// showFile shows a file; typed is a text that could not be saved because of the problem.
func (s *Server) showFile(x *exchange, at *hub.Spot, status int, typed, problem string) error {
	q := x.r.URL.Query()
	v := &fileView{
		At: at, Address: folderAddress(at.Folder.Name, string(at.Path)), Parent: folderAddress(at.Folder.Name, string(at.Path.Dir())),
		Title: at.Path.Name(), Crumbs: crumbsTo(x, at), Base: at.Folder.Head, Problem: problem, Raw: rawAddress(at),
		Write: at.Right >= havre.RightWrite && !at.Past, Manage: at.Right >= havre.RightManage, AtParam: q.Get("at"),
		Changed: at.Node.Changed.Time, Author: s.fullName(x.ctx(), at.Node.Changed.Author),
	}
	var err error
	if v.Preview, err = s.preview(x, at); err != nil {
		return err
	}
	if v.Replay, err = s.replayAddress(x, at); err != nil {
		return err
	}
	v.Edit = v.Write && v.Preview.Edit && (q.Has("edit") || problem != "")
	if v.Typed = v.Preview.Text; problem != "" {
		v.Typed = typed
	}
	state, err := s.hub.FolderState(x.ctx(), x.caller(), at.Folder.ID)
	if err != nil {
		return err
	}
	v.State, v.Words = x.stateWords(state)
	if err := s.neighbours(x, at, v); err != nil {
		return err
	}
	if err := s.addVersions(x, at, v); err != nil {
		return err
	}
	if v.Details, err = s.detailsView(x, at.Node, at); err != nil {
		return err
	}
	return x.pageStatus(status, "files/file", page{Title: v.Title, Nav: navFiles, At: "folder:" + at.Folder.Name, Crumbs: v.Crumbs, Data: v, Past: at.Past, Bare: true})
}

// addVersions adds the versions of the file as it is today, or if it is gone, up to the one on the page.
func (s *Server) addVersions(x *exchange, at *hub.Spot, v *fileView) error {
	today := at
	if at.Past {
		now, err := s.hub.Spot(x.ctx(), x.caller(), at.Folder.Name, svn.Path(x.r.PathValue("path")), svn.InvalidRevnum)
		if err != nil && havre.CodeOf(err) != havre.CodeNotFound {
			return err
		}
		if err == nil && !now.Dir() {
			today = now
		}
	}
	var err error
	if v.Versions, err = x.versions(today, at.Rev); err == nil {
		v.Number = v.Versions.Shown
	}
	return err
}

// neighbours finds the files before and after one, by name.
func (s *Server) neighbours(x *exchange, at *hub.Spot, v *fileView) error {
	if at.Past {
		return nil
	}
	names, err := s.hub.FileNames(x.ctx(), at)
	if err != nil {
		return err
	}
	sortNames(x.lang, names)
	v.Of = len(names)
	address := func(name string) string { return folderAddress(at.Folder.Name, string(at.Path.Dir().Join(name))) }
	for i, n := range names {
		if n != at.Path.Name() {
			continue
		}
		v.Place = i + 1
		if i > 0 {
			v.Previous = address(names[i-1])
		}
		if i+1 < len(names) {
			v.Next = address(names[i+1])
		}
	}
	return nil
}

// detailsView is what is known about an entry, beside the list or the preview.
type detailsView struct {
	Entry     *hub.Entry
	Name      string
	Address   string // of the entry
	Directory string // address of what it is in
	Place     string
	Icon      string
	IconClass string
	Kind      string
	Author    string
	Device    string
	Write     bool
	Picture   string
	Base      svn.Revnum
}

// detailsOf returns what is known about an entry of the directory at the spot.
func (s *Server) detailsOf(x *exchange, at *hub.Spot, name string) (*detailsView, error) {
	p, err := svn.CheckPath(name)
	if err != nil || name == "" || p.Dir() != "" {
		return nil, notFound()
	}
	in, err := s.hub.Spot(x.ctx(), x.caller(), at.Folder.Name, at.Path.Join(name), svn.InvalidRevnum)
	if err != nil {
		return nil, err
	}
	return s.detailsView(x, in.Node, in)
}

func (s *Server) detailsView(x *exchange, e *hub.Entry, at *hub.Spot) (*detailsView, error) {
	d := &detailsView{
		Entry: e, Name: e.Name, Address: folderAddress(at.Folder.Name, string(e.Path)), Directory: folderAddress(at.Folder.Name, string(e.Path.Dir())),
		Place: x.placeName(at.Folder.Name, e.Path.Dir()), Author: s.fullName(x.ctx(), e.Changed.Author), Write: at.Right >= havre.RightWrite && !at.Past, Base: at.Folder.Head,
	}
	d.Icon, d.IconClass = iconOf(e)
	switch e.Kind {
	case havre.KindDir:
		d.Kind = x.t("files.kind.dir")
	case havre.KindSymlink:
		d.Kind = x.t("files.kind.link")
	default:
		d.Kind = x.t("files.kind." + kindOf(e.Ext()))
	}
	if thumbnails[e.Ext()] && e.Size <= maxPicture && e.Kind == havre.KindFile {
		d.Picture = "/thumb/" + d.Address[len("/f/"):] + "?h=" + shortHash(e.Hash) + "&size=2"
	}
	if _, err := s.hub.Act(x.ctx(), at, e.Changed.Rev); err != nil {
		return nil, err
	}
	return d, nil
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// Below is the address of the file without its beginning: "/FOLDER/PATH".
func (v *fileView) Below() string { return v.Address[len("/f"):] }
