package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
)

// need is what an endpoint asks of who calls it. Whoever lacks it is told that there is nothing at
// the address; a stranger is sent to the sign-in page.
type need uint8

const (
	needNothing need = iota // open to strangers
	needPerson              // a session
	needFolder              // something to read at {folder}/{path}, or below it
	needManage              // the right to manage {folder}, or an administrator
	needFolders             // may create folders
	needAdmin               // an administrator
)

// route is one endpoint: a pattern of http.ServeMux, what it needs, and what answers.
type route struct {
	pattern string
	need    need
	handle  func(*exchange) error
	// body is how many bytes a request may have; 1 MiB if zero, any number if negative: the handler
	// has its own bound then.
	body int64
	// foreign says that the handler looks for the token of the session's forms itself, because the
	// body is too large to be read before it. Requests of other origins are refused before.
	foreign bool
}

// table returns all endpoints.
func (s *Server) table() []route {
	return slices.Concat(
		s.coreRoutes(),
		s.filesRoutes(),
		s.accountRoutes(),
		s.peopleRoutes(),
		s.groupsRoutes(),
		s.rightsRoutes(),
		s.accessRoutes(),
		s.seeAsRoutes(),
		s.uploadRoutes(),
		s.searchRoutes(),
		s.overviewRoutes(),
		s.foldersRoutes(),
		s.devicesRoutes(),
		s.heldRoutes(),
		s.logRoutes(),
		s.settingsRoutes(),
		s.historyRoutes(),
		s.conflictRoutes(),
		s.feedRoutes(),
		s.backupRoutes(),
	)
}

// coreRoutes are those of the frame around the pages.
func (s *Server) coreRoutes() []route {
	return []route{
		{pattern: "POST /appearance", need: needNothing, handle: s.setAppearance},
		{pattern: "GET /live", need: needPerson, handle: s.serveLive},
		{pattern: "GET /about/licences", need: needNothing, handle: s.licences},
	}
}

// routes makes the handler of a table.
func (s *Server) routes(table []route) http.Handler {
	mux := http.NewServeMux()
	s.mux = mux
	for _, r := range table {
		mux.Handle(r.pattern, s.serve(r))
	}
	mux.Handle("GET /static/{name...}", s.assets)
	mux.Handle("/", s.serve(route{pattern: "/", handle: func(*exchange) error { return notFound() }, foreign: true}))
	return s.guard(mux)
}

// shows says whether a local address can be opened, not only be sent to.
func (s *Server) shows(address string) bool {
	u, err := url.ParseRequestURI(address)
	if err != nil {
		return false
	}
	_, pattern := s.mux.Handler(&http.Request{Method: http.MethodGet, URL: u, RequestURI: address})
	return strings.HasPrefix(pattern, http.MethodGet+" ")
}

// needsFactorError is for an administrator who has to set up a second factor first.
type needsFactorError struct{ err error }

func (e *needsFactorError) Error() string { return e.err.Error() }

func (e *needsFactorError) Unwrap() error { return e.err }

// check fails unless the exchange has what is needed.
func (x *exchange) check(n need) error {
	if n == needNothing {
		return nil
	}
	if x.session == nil {
		return &havre.Error{Code: havre.CodeUnauthenticated, Text: x.t("core.error.signin")}
	}
	ok, err := true, error(nil)
	switch n {
	case needNothing, needPerson:
	case needFolder:
		ok, err = x.reaches(havre.RightRead)
	case needManage:
		if ok = x.session.Admin(); !ok {
			ok, err = x.reaches(havre.RightManage)
		}
	case needFolders:
		ok = x.session.User.Role >= store.RoleFolders
	case needAdmin:
		if ok = x.session.Admin(); !ok && x.session.NeedsFactor {
			return &needsFactorError{&havre.Error{Code: havre.CodeInvalid, Text: x.t("admin.set.factor.needed")}}
		}
	default:
		ok = false
	}
	if err == nil && !ok {
		err = notFound()
	}
	return err
}

// reaches says whether the person has the right at the place that the address names.
func (x *exchange) reaches(right havre.Right) (bool, error) {
	path := x.r.PathValue("path")
	if path != "" {
		if _, err := svn.CheckPath(path); err != nil {
			return false, nil //nolint:nilerr // what cannot be is not there
		}
	}
	has, err := x.hub.Reach(x.ctx(), x.caller(), x.r.PathValue("folder"), svn.Path(path))
	if havre.CodeOf(err) == havre.CodeNotFound {
		return false, nil
	}
	return has >= right, err
}

// notFound is the error for what is not there, or not for this person.
func notFound() error {
	return &havre.Error{Code: havre.CodeNotFound, Text: "there is nothing at this address"}
}
