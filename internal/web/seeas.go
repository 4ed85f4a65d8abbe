package web

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/internal/store"
)

// seeAsRoutes show a directory as somebody else sees it.
func (s *Server) seeAsRoutes() []route {
	return []route{
		{pattern: "GET /as/{person}/{folder}", need: needManage, handle: s.seeAs},
		{pattern: "GET /as/{person}/{folder}/{path...}", need: needManage, handle: s.seeAs},
	}
}

// seenRows is how many entries of a directory the page shows.
const seenRows = 2000

// seenAs is what rights/as shows.
type seenAs struct {
	Person, Short string
	Closed        bool
	Place, Back   string
	Rows          []seenRow
	Crumbs        []crumb
	More          int
}

// Count is how many entries the person sees.
func (p *seenAs) Count() int { return len(p.Rows) + p.More }

// seenRow is one entry, as the person would see it.
type seenRow struct {
	Name  string
	Dir   bool
	Link  string // of a directory
	Right havre.Right
	Bare  bool
}

// seeAsAddress is the address of the page for somebody.
func seeAsAddress(person, folder, path string) string {
	return "/as/" + url.PathEscape(person) + strings.TrimPrefix(folderAddress(folder, path), "/f")
}

func (s *Server) seeAs(x *exchange) error {
	f, place, err := x.placeOf()
	if err != nil {
		return err
	}
	b, err := x.hub.FolderBook(x.ctx(), f.ID)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(b.Users, func(u store.User) bool { return store.SameName(u.Name, x.r.PathValue("person")) })
	if i < 0 {
		return notFound()
	}
	u := &b.Users[i]
	entries, err := x.hub.SeeAs(x.ctx(), x.session, f.Name, place.Path, u)
	if err != nil {
		return err
	}
	p := &seenAs{
		Person: u.DisplayName, Short: shortName(u.DisplayName), Closed: u.Closed(x.now), Place: placeName(f.Name, place.Path),
		Back: "/access" + strings.TrimPrefix(folderAddress(f.Name, string(place.Path)), "/f"),
	}
	entries = inOrder(x.lang, entries)
	if p.More = max(len(entries)-seenRows, 0); p.More > 0 {
		entries = entries[:seenRows]
	}
	for _, e := range entries {
		row := seenRow{Name: e.Name, Dir: e.Kind == havre.KindDir, Right: e.Right, Bare: e.Bare}
		if row.Dir {
			row.Link = seeAsAddress(u.Name, f.Name, string(place.Path.Join(e.Name)))
		}
		p.Rows = append(p.Rows, row)
	}
	// Above a place that somebody manages there may be names that are not for the manager.
	var crumbs []crumb
	for dir := place.Path; dir != ""; {
		dir = dir.Dir()
		if x.mayManage(hub.GrantPlace{Folder: f.ID, Path: dir}) != nil {
			break
		}
		crumbs = slices.Insert(crumbs, 0, crumb{Name: cmp.Or(dir.Name(), f.Name), Address: seeAsAddress(u.Name, f.Name, string(dir))})
	}
	p.Crumbs = crumbs
	name := f.Name
	if place.Path != "" {
		name = place.Path.Name()
	}
	return x.page("rights/as", page{
		Title: x.t("access.as.title", "name", p.Short, "place", name), Nav: navFiles, At: "folder:" + f.Name, Crumbs: crumbs, Data: p,
	})
}

// inOrder returns the entries with directories first, by name as people who speak the language sort.
func inOrder(lang string, entries []*hub.Entry) []*hub.Entry {
	byName := map[string]*hub.Entry{}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		byName[e.Name] = e
		names = append(names, e.Name)
	}
	sortNames(lang, names)
	sorted := make([]*hub.Entry, 0, len(entries))
	for _, dirs := range []bool{true, false} {
		for _, n := range names {
			if e := byName[n]; (e.Kind == havre.KindDir) == dirs {
				sorted = append(sorted, e)
			}
		}
	}
	return sorted
}
