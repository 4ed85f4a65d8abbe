package web

import (
	"encoding/xml"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/svn"
)

// feedRoutes are the activity for programs that read feeds: at an address that is a secret of the person.
func (s *Server) feedRoutes() []route {
	return []route{
		{pattern: "GET /feed/{secret}", need: needNothing, handle: s.feed},
		{pattern: "POST /me/feed", need: needPerson, handle: s.newFeed},
		{pattern: "POST /me/feed/remove", need: needPerson, handle: s.removeFeed},
	}
}

// feedEntries is how many acts a feed has.
const feedEntries = 50

// An Atom feed, RFC 4287.
type atomFeed struct {
	XMLName xml.Name    `xml:"http://www.w3.org/2005/Atom feed"`
	Lang    string      `xml:"xml:lang,attr"`
	ID      string      `xml:"id"`
	Title   string      `xml:"title"`
	Updated string      `xml:"updated"`
	Links   []atomLink  `xml:"link"`
	Entries []atomEntry `xml:"entry"`
}

type atomLink struct {
	Rel  string `xml:"rel,attr"`
	Href string `xml:"href,attr"`
}

type atomEntry struct {
	ID      string     `xml:"id"`
	Title   string     `xml:"title"`
	Updated string     `xml:"updated"`
	Author  atomPerson `xml:"author"`
	Link    atomLink   `xml:"link"`
	Content atomText   `xml:"content"`
}

type atomPerson struct {
	Name string `xml:"name"`
}

type atomText struct {
	Type string `xml:"type,attr"`
	Text string `xml:",chardata"`
}

// feed answers with what happened in all folders that the person of the secret may read now.
func (s *Server) feed(x *exchange) error {
	u, err := s.hub.FeedOf(x.ctx(), strings.TrimSuffix(x.r.PathValue("secret"), ".atom"))
	if err != nil {
		return err
	}
	// What follows is in the person's name and language, and nothing else of the person's is done.
	x.session = &hub.Session{User: *u}
	x.lang = x.language()
	folders, err := s.hub.Folders(x.ctx(), x.caller())
	if err != nil {
		return err
	}
	var acts []activityAct
	for _, f := range folders {
		at, err := s.hub.Spot(x.ctx(), x.caller(), f.Name, "", svn.InvalidRevnum)
		if havre.CodeOf(err) == havre.CodeNotFound && err != nil {
			continue
		}
		if err != nil {
			return err
		}
		found, err := s.activityOf(x, at, &activityView{}, x.now)
		if err != nil {
			return err
		}
		acts = append(acts, found...)
	}
	slices.SortStableFunc(acts, func(a, b activityAct) int { return b.Time.Compare(a.Time) })
	acts = acts[:min(len(acts), feedEntries)]
	base := "https://" + x.r.Host
	f := atomFeed{
		Lang: x.lang, ID: "urn:havre:feed:" + string(u.ID), Title: x.hub.ServerName(), Updated: u.Created.UTC().Format(time.RFC3339),
		Links: []atomLink{{Rel: "alternate", Href: base + "/activity"}},
	}
	if len(acts) > 0 {
		f.Updated = acts[0].Time.UTC().Format(time.RFC3339)
	}
	for i := range acts {
		f.Entries = append(f.Entries, x.atomEntry(base, &acts[i]))
	}
	h := x.w.Header()
	h.Set("Content-Type", "application/atom+xml; charset=utf-8")
	h.Set("Cache-Control", "private, max-age=300")
	h.Set("X-Robots-Tag", "noindex")
	if _, err := x.w.Write([]byte(xml.Header)); err != nil {
		return err
	}
	return xml.NewEncoder(x.w).Encode(f)
}

func (x *exchange) atomEntry(base string, a *activityAct) atomEntry {
	// A later act of the same run is a new entry: readers show an identifier that they know once.
	e := atomEntry{
		ID: "urn:havre:" + a.Folder + ":r" + strconv.FormatInt(int64(a.Rev), 10), Title: x.actTitle(a), Updated: a.Time.UTC().Format(time.RFC3339),
		Author: atomPerson{a.Name}, Link: atomLink{Rel: "alternate", Href: base + folderAddress(a.Folder, string(a.Place))},
	}
	names := make([]string, 0, len(a.Things)+1)
	for _, t := range a.Things {
		names = append(names, visible(string(t.Path)))
	}
	if n := a.Rest(); n > 0 {
		names = append(names, x.t("history.more", "n", n))
	}
	e.Content = atomText{Type: "text", Text: strings.Join(names, "\n")}
	return e
}

// actTitle says in one line who did what where.
func (x *exchange) actTitle(a *activityAct) string {
	what := x.t("history.act."+string(a.Deed), "n", a.Count)
	switch {
	case a.Conflict != "":
		what = x.t("history.act.conflict", "name", a.Other)
	case a.Restored:
		what = x.t("history.act.restored", "n", a.Count)
	case a.Mixed:
		what = x.t("history.act.changed", "n", a.Count)
	}
	return a.Name + " " + what + " " + x.t("history.in") + " " + visible(a.Where())
}

// newFeed makes the address of the feed, which is shown this once.
func (s *Server) newFeed(x *exchange) error {
	secret, err := s.hub.NewFeed(x.ctx(), x.session)
	if err != nil {
		return err
	}
	return s.showMe(x, http.StatusOK, &mine{Feed: "https://" + x.r.Host + "/feed/" + secret + ".atom"})
}

func (s *Server) removeFeed(x *exchange) error {
	if err := s.hub.RemoveFeed(x.ctx(), x.session); err != nil {
		return err
	}
	return x.redirect("/me?saved=feed#me-feed")
}
