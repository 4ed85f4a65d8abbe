package web

import (
	"bytes"
	"strings"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/internal/source/framadate"
)

// fileReplayView is the replay of a file, which does not need the document's instance, nor a source.
type fileReplayView struct {
	backupView
	Name string
	Past string // which version of the file, in words
}

// replayUnit says what a file can be replayed as: "pad", "poll" or nothing.
func (s *Server) replayUnit(x *exchange, at *hub.Spot) (string, error) {
	if at.Node.Kind != havre.KindFile || at.Node.Size > maxReplayFile {
		return "", nil
	}
	switch at.Node.Ext() {
	case "etherpad":
		return "pad", nil
	case "json":
		head, _, err := s.hub.ReadSmall(x.ctx(), at, 256)
		if err == nil && bytes.Contains(head, []byte(`"format": "`+framadate.Format+`"`)) {
			return "poll", nil
		}
		return "", err
	}
	return "", nil
}

// replayAddress is the page on which a file is replayed, "" for files that cannot be.
func (s *Server) replayAddress(x *exchange, at *hub.Spot) (string, error) {
	unit, err := s.replayUnit(x, at)
	if err != nil || unit == "" {
		return "", err
	}
	address := folderAddress(at.Folder.Name, string(at.Path)) + "?replay"
	if at.Past {
		address += "&at=r" + itoa(int64(at.Rev))
	}
	return address, nil
}

// fileReplay replays a file, at ?replay=.
func (s *Server) fileReplay(x *exchange, at *hub.Spot) error {
	unit, err := s.replayUnit(x, at)
	if err != nil {
		return err
	}
	if unit == "" {
		return notFound()
	}
	address := folderAddress(at.Folder.Name, string(at.Path))
	v := &fileReplayView{Name: at.Path.Name()}
	v.Here, v.Address, v.Unit, v.File, v.Size = x.r.URL.RequestURI(), address, unit, address, at.Node.Size
	v.Crumbs = append(crumbsTo(x, at), crumb{v.Name, address})
	v.Title = strings.TrimSuffix(v.Name, "."+at.Node.Ext())
	r := &replayView{Address: address, Param: "replay", Unit: unit, Here: v.Here}
	if at.Past {
		r.Hidden = []choiceOption{{"at", "r" + itoa(int64(at.Rev))}}
		v.File += "?at=r" + itoa(int64(at.Rev))
		v.Past = x.t("backups.file.past", "when", x.within(at.Node.Changed.Time))
	}
	if unit == "poll" {
		var ok bool
		if ok, err = s.pollReplay(x, at, r); err == nil && !ok {
			v.Broken, r = x.t("backups.broken"), nil
		}
	} else {
		r, err = s.padReplay(x, at, r, nil, &v.backupView)
	}
	if err != nil {
		return err
	}
	if r != nil && x.r.FormValue("part") == "moment" {
		return x.fragment("backups/page", "replay-parts", r)
	}
	v.Replay = r
	v.Rest = x.replaySum(&v.backupView)
	return x.page("backups/file", page{Title: v.Title, Nav: navFiles, At: "folder:" + at.Folder.Name, Crumbs: v.Crumbs, Data: v, Past: at.Past})
}
