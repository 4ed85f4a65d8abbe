package web

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
)

// importPage is what people/import shows: what will happen, or what has.
type importPage struct {
	Text                      string // the table, to be sent again with the decision
	Plan                      string // names what is shown, so that nothing else is done
	Rows                      []importRow
	New, Changed, Same, Wrong int
	NewGroups                 []string
	Stale                     bool // what would happen is not what was shown last time
	Done                      bool
	Links                     string // a table of the invitations, of the result
}

// importRow is what happens, or has happened, with one line.
type importRow struct {
	personLine
	What    string   // new, changed, same, wrong
	Changes []string // in words
	Reason  string   // in words
	user    store.User
	join    []string
}

// importPeople reads a table of people, shows what it would do, and does it once it is confirmed.
func (s *Server) importPeople(x *exchange) error {
	text, wrong, err := x.importedTable()
	if err != nil {
		return err
	}
	var lines []personLine
	if wrong == "" {
		lines, err = readPeople(text)
		if te, ok := errors.AsType[*tableError](err); ok {
			wrong, err = x.t(te.Key, "line", te.Line, "max", maxImportLines), nil
		}
	}
	if err != nil {
		return err
	}
	if wrong != "" {
		return s.peopleWith(x, 422, func(p *peoplePage) { p.Import, p.Wrong = true, wrong })
	}
	p, err := x.planImport(lines)
	if err != nil {
		return err
	}
	p.Text = text
	if plan := x.r.PostFormValue("plan"); plan != "" {
		if plan == p.Plan && p.New+p.Changed > 0 {
			return s.runImport(x, p)
		}
		p.Stale = plan != p.Plan
	}
	return x.pageStatus(200, "people/import", page{
		Title: x.t("people.import.title"), Nav: navAdmin, At: "people", Data: p,
		Crumbs: []crumb{{Name: x.t("people.title"), Address: "/admin/people"}},
	})
}

// importedTable returns the text of the file that is uploaded, or of the form that confirms it.
func (x *exchange) importedTable() (text, wrong string, err error) {
	if v := x.r.PostFormValue("text"); v != "" {
		return v, "", nil
	}
	f, _, err := x.r.FormFile("table")
	if errors.Is(err, http.ErrMissingFile) || errors.Is(err, http.ErrNotMultipart) {
		return "", x.t("people.import.none"), nil
	}
	if err != nil {
		return "", "", &havre.Error{Code: havre.CodeInvalid, Text: x.t("people.import.none"), Cause: err}
	}
	defer func() { _ = f.Close() }() // only read
	b, err := io.ReadAll(io.LimitReader(f, maxImportBytes+1))
	if err != nil {
		return "", "", err
	}
	if len(b) > maxImportBytes {
		return "", x.t("people.import.too_large"), nil
	}
	text, err = decodeTable(b)
	if te, ok := errors.AsType[*tableError](err); ok {
		return "", x.t(te.Key), nil
	}
	return text, "", err
}

// planImport says for each line what it would do to the accounts as they are now.
func (x *exchange) planImport(lines []personLine) (*importPage, error) {
	d, err := readDirectory(x.ctx(), x.admin())
	if err != nil {
		return nil, err
	}
	byName := map[string]*store.User{}
	for i := range d.users {
		byName[store.NameKey(d.users[i].Name)] = &d.users[i]
	}
	groups := map[string]string{}
	for _, g := range d.groups {
		groups[store.NameKey(g.Name)] = g.Name
	}
	p := &importPage{}
	for _, l := range lines {
		r := importRow{personLine: l}
		if l.Problem == "" {
			r.plan(x, d, byName[store.NameKey(l.Name)], groups, p)
		}
		if r.Problem != "" {
			r.What, r.Reason = "wrong", x.t(r.Problem, "name", r.Detail)
		}
		switch r.What {
		case "new":
			p.New++
		case "changed":
			p.Changed++
		case "same":
			p.Same++
		default:
			p.Wrong++
		}
		p.Rows = append(p.Rows, r)
	}
	p.Plan = p.name()
	return p, nil
}

// plan decides about one line; u is the account of that name, if there is one.
func (r *importRow) plan(x *exchange, d *directory, u *store.User, groups map[string]string, p *importPage) {
	for _, g := range r.Groups {
		if store.CheckGroupName(g) != nil {
			r.Problem, r.Detail = "people.import.bad_group", clipCell(g)
			return
		}
	}
	joined := map[string]bool{}
	if u != nil {
		for _, g := range d.groupsOf(u.ID) {
			joined[store.NameKey(g.Name)] = true
		}
	}
	for _, g := range r.Groups {
		key := store.NameKey(g)
		if joined[key] {
			continue
		}
		joined[key] = true
		if groups[key] == "" {
			groups[key] = g
			p.NewGroups = append(p.NewGroups, g)
		}
		r.join = append(r.join, groups[key])
		if u != nil {
			r.Changes = append(r.Changes, x.t("people.import.joins", "name", groups[key]))
		}
	}
	if u == nil {
		r.What = "new"
		if r.DisplayName == "" {
			r.DisplayName = r.Name
		}
		r.user = store.User{Name: r.Name, DisplayName: r.DisplayName, Email: r.Email, Role: r.Role, Quota: r.Quota}
		return
	}
	r.user = *u
	if r.hasDisplay && r.DisplayName != u.DisplayName {
		r.Changes = append(r.Changes, x.t("people.import.renamed", "old", u.DisplayName, "name", r.DisplayName))
		r.user.DisplayName = r.DisplayName
	}
	if r.hasMail && r.Email != u.Email {
		r.Changes = append(r.Changes, x.t("people.import.mail", "name", r.Email))
		r.user.Email = r.Email
	}
	if r.hasRole && r.Role != u.Role {
		if u.IsAdmin() {
			// A table of hundreds of lines is no place to take administrators away by mistake.
			r.Problem, r.Detail = "people.import.admin", u.DisplayName
			return
		}
		r.Changes = append(r.Changes, x.t("people.import.role_is", "name", x.t("people.role."+r.Role.String())))
		r.user.Role = r.Role
	}
	if r.hasQuota && r.Quota != u.Quota {
		r.Changes = append(r.Changes, x.t("people.import.quota_is", "size", formatSize(x.lang, r.Quota)))
		r.user.Quota = r.Quota
	}
	r.DisplayName, r.Email, r.Role = r.user.DisplayName, r.user.Email, r.user.Role
	if r.What = "same"; len(r.Changes) > 0 {
		r.What = "changed"
	}
}

// name returns what is different for every other plan.
func (p *importPage) name() string {
	h := sha256.New()
	for _, r := range p.Rows {
		_, _ = fmt.Fprintf(h, "%q %q %q %q %q %q %d %d %q\n", r.What, r.user.ID, r.Name, r.user.DisplayName, r.user.Email, r.join, r.user.Role, r.user.Quota, r.Problem)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// runImport does what was shown, all or nothing.
func (s *Server) runImport(x *exchange, p *importPage) error {
	var people []store.ImportedPerson
	for _, r := range p.Rows {
		if r.What != "new" && r.What != "changed" {
			continue
		}
		one := store.ImportedPerson{User: r.user.ID, Name: r.user.Name, DisplayName: r.user.DisplayName, Email: r.user.Email, Role: r.user.Role, Join: r.join, Quota: r.user.Quota}
		if r.What == "new" {
			one.SecretHash = "new"
		}
		people = append(people, one)
	}
	invitations, err := x.admin().ImportPeople(x.ctx(), people)
	if err != nil {
		return err
	}
	rows := [][]string{{x.t("people.col.name"), x.t("people.form.name"), x.t("people.form.email"), x.t("people.link.address"), x.t("people.link.expires")}}
	for i, inv := range invitations {
		if inv.Secret != "" {
			rows = append(rows, []string{people[i].DisplayName, people[i].Name, people[i].Email, s.invitationLink(x, inv.Secret), inv.Expires.In(x.zone).Format("2006-01-02 15:04")})
		}
	}
	p.Done = true
	if len(rows) > 1 {
		b, err := safeTable(rows)
		if err != nil {
			return err
		}
		p.Links = strings.TrimPrefix(string(b), "\xef\xbb\xbf")
	}
	slices.SortStableFunc(p.Rows, func(a, b importRow) int { return btoi(b.What == "wrong") - btoi(a.What == "wrong") })
	p.Text = ""
	return x.pageStatus(200, "people/import", page{Title: x.t("people.import.done.title"), Nav: navAdmin, At: "people", Data: p})
}

// saveLinks sends the table of invitations back as a file. The server does not keep it: only its
// fingerprints are stored.
func (s *Server) saveLinks(x *exchange) error {
	rows, err := readLinks(x.r.PostFormValue("links"))
	if err != nil {
		return &havre.Error{Code: havre.CodeInvalid, Text: x.t("people.import.none"), Cause: err}
	}
	return x.sendTable(x.t("people.import.links.file"), rows)
}

// NewGroupNames, GroupNames and ChangeWords are for the page.
func (p *importPage) NewGroupNames() string { return strings.Join(p.NewGroups, ", ") }
func (r importRow) GroupNames() string      { return strings.Join(r.Groups, ", ") }
func (r importRow) ChangeWords() string     { return strings.Join(r.Changes, " · ") }
