package web

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/internal/source"
	"github.com/havre-cloud/havre/svn"
)

const (
	// maxPaste is how many bytes a pasted text or a file with addresses may have.
	maxPaste = 32 << 20
	// maxBackupPlaces is how many directories are offered.
	maxBackupPlaces = 400
)

// backupNewView is what backups/new shows.
type backupNewView struct {
	Typed      string
	Wrong      string
	List       *hub.FoundList
	Rows       []addressRow
	Sum        string
	Asked      int // of the rows: those that are known
	Ready      int
	Stay       string
	Places     []choiceOption
	Place      string
	Sub        string
	Schedules  []scheduleChoice
	Left       []foundLeft
	Whole      bool
	WholeWrong string
	Instance   string
	Group      string
	User       string
}

// addressRow is one address.
type addressRow struct {
	Index       int
	State       string
	Dim         bool
	Tick, Can   bool
	Icon        string
	Title       string
	Given       string
	What        string
	Field       string // the secret that is missing
	Placeholder string
	Sign        string
	Words       string
	Link        string
}

// foundLeft is an earlier list with addresses that nobody has decided.
type foundLeft struct {
	ID   string
	At   time.Time
	Open int
}

// backupNew asks what to back up.
func (s *Server) backupNew(x *exchange) error {
	return s.backupNewWith(x, http.StatusOK, &backupNewView{Place: x.r.FormValue("into")})
}

// backupNewWith completes and shows the page.
func (s *Server) backupNewWith(x *exchange, status int, v *backupNewView) error {
	var err error
	if v.Places, err = x.backupPlaces(); err != nil {
		return err
	}
	if v.Place == "" {
		v.Place, _ = url.PathUnescape(x.cookie(cookieBackupPlace)) // none if somebody made it up
	}
	for _, value := range []string{"auto", "live", "1h", "24h", "168h"} {
		v.Schedules = append(v.Schedules, scheduleChoice{value, x.scheduleWords(value), value == "auto"})
	}
	open, err := s.hub.UnresolvedSources(x.ctx(), x.caller())
	if err != nil {
		return err
	}
	for i := range open {
		if v.List != nil && open[i].List == v.List.ID {
			continue
		}
		k := slices.IndexFunc(v.Left, func(l foundLeft) bool { return l.ID == open[i].List })
		if k < 0 {
			k = len(v.Left)
			v.Left = append(v.Left, foundLeft{ID: open[i].List, At: open[i].At})
		}
		v.Left[k].Open++
	}
	v.Left = v.Left[:min(len(v.Left), 5)]
	return x.pageStatus(status, "backups/new", page{
		Title: x.t("backups.add.long"), Nav: navFiles, At: "backups", Crumbs: []crumb{{x.t("backups.title"), "/backups"}}, Data: v,
	})
}

// cookieBackupPlace remembers where the last documents went.
const cookieBackupPlace = "backup-place"

// backupPlaces lists the directories in which the person may write.
func (x *exchange) backupPlaces() ([]choiceOption, error) {
	folders, err := x.hub.Folders(x.ctx(), x.caller())
	if err != nil {
		return nil, err
	}
	var list []choiceOption
	for _, f := range folders {
		dirs, err := x.hub.Directories(x.ctx(), x.caller(), f.Name, maxBackupPlaces-len(list), nil)
		if err != nil {
			continue // archived meanwhile, or its repository is away: others are there
		}
		sortPaths(x.lang, dirs)
		for _, d := range dirs {
			value := f.Name
			if d != "" {
				value += "/" + d
			}
			list = append(list, choiceOption{value, visible(placeWords(f.Name, d))})
		}
		if len(list) >= maxBackupPlaces {
			break
		}
	}
	return list, nil
}

// backupSpot finds the directory that a form names. A new subdirectory is made with the first copy.
func (x *exchange) backupSpot(place, sub string) (*hub.Spot, error) {
	folder, path, _ := strings.Cut(place, "/")
	if sub = strings.Trim(strings.TrimSpace(sub), "/"); sub != "" {
		path = strings.TrimPrefix(path+"/"+sub, "/")
	}
	p, err := svn.CheckPath(path)
	if err != nil || folder == "" {
		return nil, notFound()
	}
	return x.hub.SourceSpot(x.ctx(), x.caller(), folder, p)
}

// backupPaste takes a text, a file, or a whole instance.
func (s *Server) backupPaste(x *exchange) error {
	switch x.r.PostFormValue("do") {
	case "whole":
		return s.backupWhole(x)
	case "find":
	default:
		return notFound()
	}
	name, data := "", []byte(x.r.PostFormValue("text"))
	if f, header, err := x.r.FormFile("file"); err == nil {
		defer f.Close()
		content, err := io.ReadAll(io.LimitReader(f, maxPaste+1))
		if err != nil {
			return err
		}
		if len(content) > 0 {
			name, data = header.Filename, content
		}
	}
	wrong := func(text string) error {
		v := &backupNewView{Typed: x.r.PostFormValue("text"), Wrong: text}
		return s.backupNewWith(x, http.StatusUnprocessableEntity, v)
	}
	if len(data) > maxPaste {
		return wrong(x.t("backups.too.large", "size", formatSize(x.lang, maxPaste)))
	}
	list, err := s.hub.FindSources(x.ctx(), x.caller(), name, data)
	if havre.CodeOf(err) == havre.CodeInvalid && err != nil {
		return wrong(x.t("backups.new.nothing"))
	}
	if err != nil {
		return err
	}
	return x.redirect("/backups/new/" + url.PathEscape(list))
}

// backupFound shows what is known of the addresses so far.
func (s *Server) backupFound(x *exchange) error {
	list, err := s.hub.Found(x.ctx(), x.caller(), x.r.PathValue("list"))
	if err != nil {
		return err
	}
	v := &backupNewView{List: list, Place: x.r.FormValue("into")}
	x.foundRows(v)
	if x.htmx() {
		return x.fragment("backups/new", "backups-found-part", v) // the list asks for itself until all is known
	}
	return s.backupNewWith(x, http.StatusOK, v)
}

// foundRows makes the rows and sums them up.
func (x *exchange) foundRows(v *backupNewView) {
	counts := map[hub.FoundState]int{}
	look := 0
	for i := range v.List.Items {
		f := &v.List.Items[i]
		if f.State == hub.FoundDropped {
			continue
		}
		counts[f.State]++
		r := x.addressRow(f)
		if f.State != hub.FoundChecking {
			v.Asked++
		}
		if f.State == hub.FoundNeeds || f.State == hub.FoundNone {
			look++
		}
		if r.Tick {
			v.Ready++
		}
		v.Rows = append(v.Rows, r)
	}
	var parts []string
	for _, p := range []struct {
		key string
		n   int
	}{
		{"ready", counts[hub.FoundReady]},
		{"known", counts[hub.FoundKnown]},
		{"done", counts[hub.FoundAdded]},
		{"look", look},
		{"asking", counts[hub.FoundChecking]},
	} {
		if p.n > 0 {
			parts = append(parts, x.t("backups.new."+p.key, "n", p.n))
		}
	}
	colon := ": "
	if x.lang == "fr" {
		colon = "\u00a0: "
	}
	if len(parts) > 0 {
		v.Sum = colon + strings.Join(parts, ", ")
	}
	if look > 0 {
		v.Stay = x.t("backups.new.stay", "n", look)
	}
}

// addressRow says what is known of an address, and what is missing.
func (x *exchange) addressRow(f *hub.Found) addressRow {
	r := addressRow{Index: f.Index, State: string(f.State), Icon: sourceIcon(f.Address), Given: f.Given, Title: f.Title, Words: x.t("backups.found." + string(f.State))}
	if r.Title == "" {
		r.Title = f.Address.Name
	}
	if r.Title == "" {
		r.Title = hostOf(f.Given)
	}
	what := sourceUnit(f.Address.Kind)
	switch collection, _, _ := strings.Cut(f.Address.Collection, " "); {
	case f.Address.Kind == "":
		what, r.Icon = "unknown", "link"
	case collection == "group" || collection == "all" || collection == "mypads":
		what = collection
	}
	r.What = x.t("backups.what." + what)
	if host := hostOf(f.Address.Instance); host != "" {
		r.What = x.t("backups.found.at", "what", r.What, "host", host)
	}
	if f.State == hub.FoundNone && f.Reason == source.ReasonHidden {
		r.State, r.Sign, r.Words = "needs", "key-round", x.t("backups.found.needs")
		x.foundNeeds(f, &r)
		return r
	}
	switch f.State {
	case hub.FoundChecking:
		r.Sign, r.Dim, r.Can = "hourglass", true, true
	case hub.FoundReady:
		r.Sign, r.Tick, r.Can = "circle-check", true, true
		if f.Reason != "" { // its instance does not answer now
			r.Sign, r.What = "hourglass", x.sourceReason(f.Reason)
		}
	case hub.FoundKnown:
		r.Sign, r.Dim, r.What = "copy", true, x.t("backups.found.saved", "place", placeOf(f.Place))
		r.Link = "/backups/" + url.PathEscape(string(f.Source))
	case hub.FoundAdded:
		r.Sign, r.Dim, r.What = "check", true, x.t("backups.found.saved.new", "place", placeOf(f.Place))
		r.Link = "/backups/" + url.PathEscape(string(f.Source))
	case hub.FoundNeeds:
		r.Sign = "key-round"
		x.foundNeeds(f, &r)
	case hub.FoundNone:
		r.Sign, r.Dim = "ban", true
		r.What = x.sourceTold(f.Reason, f.Text)
		switch f.Reason {
		case source.ReasonGone:
			if said := x.toldText(f.Text); f.Address.Collection != "" && said != "" {
				r.What = said
				break
			}
			r.What = x.t("backups.why.missing." + sourceUnit(f.Address.Kind))
		case source.ReasonDown, source.ReasonLimited:
			r.Words = x.t("backups.found.down")
		case "":
			r.What = x.t("backups.why.address")
		default:
		}
	case hub.FoundDropped:
	}
	return r
}

// foundNeeds says which secret would help.
func (x *exchange) foundNeeds(f *hub.Found, r *addressRow) {
	r.What = x.sourceTold(f.Reason, f.Text)
	collection, _, _ := strings.Cut(f.Address.Collection, " ")
	switch f.Reason {
	case source.ReasonHidden:
		r.Field, r.Placeholder = "address", f.Address.Instance+"/…/admin"
	case source.ReasonPassword:
		switch collection {
		case "all", "group":
			r.Field, r.Placeholder = "key", x.t("backups.field.key")
		case "":
			r.What = x.t("backups.why.needs.password")
			fallthrough
		default:
			r.Field, r.Placeholder = "password", x.t("backups.field.password")
		}
	case source.ReasonPrivate:
		r.What, r.Field, r.Placeholder = x.t("backups.why.account"), "session", x.t("backups.field.session")
	default:
	}
}

// placeOf writes FOLDER/PATH as people read it.
func placeOf(place string) string {
	folder, path, _ := strings.Cut(place, "/")
	return placeWords(folder, path)
}

// backupAdd does what the form of a list asks for.
func (s *Server) backupAdd(x *exchange) error {
	id := x.r.PathValue("list")
	list, err := s.hub.Found(x.ctx(), x.caller(), id)
	if err != nil {
		return err
	}
	here := "/backups/new/" + url.PathEscape(id)
	switch x.r.PostFormValue("do") {
	case "complete":
		for i := range list.Items {
			f := &list.Items[i]
			var more source.Secrets
			for name, set := range map[string]*source.Secret{"address-": &more.Address, "password-": &more.Password, "session-": &more.Session, "key-": &more.APIKey} {
				*set = source.Secret(strings.TrimSpace(x.r.PostFormValue(name + strconv.Itoa(f.Index))))
			}
			if more == (source.Secrets{}) || f.State == hub.FoundAdded {
				continue
			}
			if err := s.hub.CompleteFound(x.ctx(), x.caller(), id, f.Index, more); err != nil {
				return err
			}
		}
		return x.redirect(here)
	case "drop":
		var all []int
		for i := range list.Items {
			if list.Items[i].State != hub.FoundAdded {
				all = append(all, list.Items[i].Index)
			}
		}
		if err := s.hub.DropFound(x.ctx(), x.caller(), id, all); err != nil {
			return err
		}
		x.toast(x.t("backups.new.dropped"), nil)
		return x.redirect("/backups")
	case "add":
	default:
		return notFound()
	}
	return s.backupAddTicked(x, list)
}

// backupAddTicked begins to back up what is ticked.
func (s *Server) backupAddTicked(x *exchange, list *hub.FoundList) error {
	var chosen []int
	ticked := x.r.Form["item"]
	for i := range list.Items {
		f := &list.Items[i]
		if (f.State == hub.FoundReady || f.State == hub.FoundChecking) && slices.Contains(ticked, strconv.Itoa(f.Index)) {
			chosen = append(chosen, f.Index)
		}
	}
	if len(chosen) == 0 {
		return &havre.Error{Code: havre.CodeInvalid, Text: x.t("backups.new.none")}
	}
	place := x.r.PostFormValue("place")
	at, err := x.backupSpot(place, x.r.PostFormValue("sub"))
	if err != nil {
		return err
	}
	live, every, err := x.parseSchedule(x.r.PostFormValue("schedule"))
	if err != nil {
		return err
	}
	if err := s.hub.AddFound(x.ctx(), x.caller(), list.ID, chosen, at, hub.SourceHow{Live: live, Schedule: every}); err != nil {
		return err
	}
	if len(place) < 1000 {
		x.setCookie(cookieBackupPlace, url.PathEscape(place), 180*24*3600)
	}
	x.toast(x.t("backups.new.added", "n", len(chosen)), nil)
	return x.redirect("/backups")
}

// backupWhole begins to back up all pads of an instance, a group or an account.
func (s *Server) backupWhole(x *exchange) error {
	field := func(name string) string { return strings.TrimSpace(x.r.PostFormValue(name)) }
	v := &backupNewView{Whole: true, Instance: field("instance"), Group: field("group"), User: field("user"), Place: field("place")}
	wish := hub.SourceWish{URL: v.Instance, Group: v.Group, Secrets: source.Secrets{APIKey: source.Secret(field("key")), User: v.User, Password: source.Secret(x.r.PostFormValue("password"))}}
	u, err := url.Parse(v.Instance)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || wish.Secrets.APIKey == "" && (v.User == "" || wish.Secrets.Password == "") {
		v.WholeWrong = x.t("backups.new.whole.wrong")
		return s.backupNewWith(x, http.StatusUnprocessableEntity, v)
	}
	at, err := x.backupSpot(v.Place, "")
	if err != nil {
		return err
	}
	list, err := s.hub.AddSources(x.ctx(), x.caller(), at, []hub.SourceWish{wish})
	if err != nil {
		return err
	}
	return x.redirect("/backups/new/" + url.PathEscape(list))
}
