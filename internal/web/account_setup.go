package web

import (
	"net/http"
	"slices"
	"strings"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/internal/store"
)

// setup is what the three steps of the first start show.
type setup struct {
	*door
	Step    int
	Called  string // the server
	Closed  bool   // the server is set up already
	Code    string
	Name    string
	Display string
	Folders []setupFolder
	Other   string
	People  string
	Links   []setupLink
	Disk    *diskSpace
	Next    string
}

type setupFolder struct {
	Name   string
	Chosen bool
	There  bool // was made before
}

type setupLink struct{ Name, Link string }

// diskSpace is the room of the file system that keeps the versions, in bytes.
type diskSpace struct{ Free, Total, Used int64 }

func (s *Server) setupPage(x *exchange) error {
	needs, err := s.hub.NeedsSetup(x.ctx())
	if err != nil {
		return err
	}
	v := &setup{door: s.door(x), Step: 1, Closed: !needs, Code: x.r.FormValue("code"), Called: s.hub.ServerName()}
	if needs {
		if v.Name, err = s.hub.FirstAdminName(x.ctx()); err != nil {
			return err
		}
	} else if x.session != nil {
		return x.redirect("/")
	}
	return s.showSetup(x, http.StatusOK, v)
}

func (s *Server) showSetup(x *exchange, status int, v *setup) error {
	return x.pageStatus(status, "account/setup", page{Title: x.t("account.setup.title"), Data: v, Bare: true})
}

// setUp is the first step: the administrator's name and password, and what the server is called.
func (s *Server) setUp(x *exchange) error {
	f := x.r.PostFormValue
	v := &setup{door: s.door(x), Step: 1, Code: f("code"), Name: strings.TrimSpace(f("name")), Display: f("display"), Called: strings.TrimSpace(f("server"))}
	if strings.TrimSpace(v.Display) == "" {
		v.Display = v.Name
	}
	token, session, err := s.hub.SetUp(x.ctx(), hub.Setup{
		Code: v.Code, Name: v.Name, DisplayName: v.Display, Password: f("password"),
		Address: x.r.RemoteAddr, Agent: x.r.UserAgent(),
	})
	if err == nil && v.Called != "" && v.Called != s.hub.ServerName() {
		// Somebody is signed in now: a name that cannot be one is put right in the settings.
		if err := s.hub.SetServerName(x.ctx(), store.Actor{Name: session.User.Name}, v.Called); x.sayable(err) == "" && err != nil {
			return err
		}
	}
	if err == nil {
		return x.enter(token, session, "/setup/folders")
	}
	if v.Wrong = x.passwordWrong(err); v.Wrong == "" {
		if havre.CodeOf(err) == havre.CodeDenied {
			v.Wrong = x.t("account.setup.code.wrong")
		} else {
			v.Wrong = x.sayable(err)
		}
	}
	if v.Wrong == "" {
		return err
	}
	return s.showSetup(x, http.StatusUnprocessableEntity, v)
}

func (s *Server) setupFoldersPage(x *exchange) error {
	return s.showSetupFolders(x, http.StatusOK, "", "")
}

func (s *Server) showSetupFolders(x *exchange, status int, other, wrong string) error {
	v := &setup{door: s.door(x), Step: 2, Other: other}
	v.Wrong = wrong
	there, err := x.admin().Folders(x.ctx())
	if err != nil {
		return err
	}
	for _, f := range there {
		v.Folders = append(v.Folders, setupFolder{Name: f.Name, There: true})
	}
	for i, name := range strings.Split(x.t("account.setup.folders.names"), "|") {
		if !slices.ContainsFunc(there, func(f store.Folder) bool { return store.SameName(f.Name, name) }) {
			v.Folders = append(v.Folders, setupFolder{Name: name, Chosen: i == 0 && len(there) == 0})
		}
	}
	if free, total, err := s.hub.DiskSpace(); err == nil {
		v.Disk = &diskSpace{Free: free, Total: total, Used: total - free}
	}
	return s.showSetup(x, status, v)
}

// setUpFolders is the second step: the first folders, which the administrator manages.
func (s *Server) setUpFolders(x *exchange) error {
	if err := x.parseForm(); err != nil {
		return err
	}
	names := x.r.PostForm["folder"] //nolint:forbidigo // parsed above
	other := strings.TrimSpace(x.r.PostFormValue("other"))
	if other != "" {
		names = append(names, other)
	}
	for _, name := range names {
		f, err := x.admin().AddFolder(x.ctx(), name)
		if havre.CodeOf(err) == havre.CodeExists && err != nil {
			continue // the step was sent twice
		}
		if wrong := x.sayable(err); wrong != "" {
			return s.showSetupFolders(x, http.StatusUnprocessableEntity, other, wrong)
		}
		if err != nil {
			return err
		}
		if err := x.admin().Grant(x.ctx(), f.Name, x.session.User.Name, havre.RightManage); err != nil {
			return err
		}
	}
	return x.redirect("/setup/invite")
}

func (s *Server) setupInvitePage(x *exchange) error {
	return s.showSetup(x, http.StatusOK, &setup{door: s.door(x), Step: 3})
}

// maxSetupPeople is how many people the set-up invites at once; more come by the page of people.
const maxSetupPeople = 100

// setupInvite is the third step: a line for each person, who may write in the folders that there are.
func (s *Server) setupInvite(x *exchange) error {
	v := &setup{door: s.door(x), Step: 3, People: x.r.PostFormValue("people")}
	names := slices.DeleteFunc(strings.FieldsFunc(v.People, func(r rune) bool { return r == '\n' || r == '\r' || r == ',' || r == ';' }),
		func(n string) bool { return strings.TrimSpace(n) == "" })
	if len(names) > maxSetupPeople {
		v.Wrong = x.t("account.setup.people.many", "n", maxSetupPeople)
		return s.showSetup(x, http.StatusUnprocessableEntity, v)
	}
	folders, err := x.admin().Folders(x.ctx())
	if err != nil {
		return err
	}
	var done []string
	for _, name := range names {
		link, err := s.inviteWriter(x, strings.TrimSpace(name), folders)
		if wrong := x.sayable(err); wrong != "" {
			v.Wrong, v.People = wrong, strings.Join(names[len(done):], "\n")
			return s.showSetup(x, http.StatusUnprocessableEntity, v)
		}
		if err != nil {
			return err
		}
		done = append(done, name)
		v.Links = append(v.Links, setupLink{strings.TrimSpace(name), link})
	}
	v.People = ""
	return s.showSetup(x, http.StatusOK, v)
}

// inviteWriter makes an account that may write in the folders, and returns its invitation.
func (s *Server) inviteWriter(x *exchange, name string, folders []store.Folder) (string, error) {
	u, err := x.admin().AddUser(x.ctx(), store.NewUser{Name: name, Role: store.RoleMember})
	if err != nil {
		return "", err
	}
	for _, f := range folders {
		if err := x.admin().Grant(x.ctx(), f.Name, u.Name, havre.RightWrite); err != nil {
			return "", err
		}
	}
	inv, err := x.admin().Invite(x.ctx(), u.Name)
	if err != nil {
		return "", err
	}
	return s.invitationLink(x, inv.Secret), nil
}
