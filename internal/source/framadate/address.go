package framadate

import (
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/havre-cloud/havre/internal/source"
)

// The forms of ids: generated ones are 16 letters and digits, chosen ones have hyphens too; one of an administration
// page, 24. With a generated id, that of the administration begins with it.
var (
	generatedID = regexp.MustCompile(`^[A-Za-z0-9]{16}$`)
	anyID       = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)
	adminID     = regexp.MustCompile(`^[A-Za-z0-9]{24}$`)
	uniqID      = regexp.MustCompile(`^[A-Za-z0-9]{16}$`)
	hostHints   = regexp.MustCompile(`(?:^|[.-])(?:framadate|date|dates|dating|sondages?|polls?|umfragen?|termine?|encuestas?|studs|rdv)(?:[.-]|$)`)
)

// knownHosts are public instances.
var knownHosts = []string{"framadate.org", "www.framadate.org", "date.infini.fr", "poll.disroot.org"}

// parts are what an address names.
type parts struct {
	root   string // without a slash at the end
	id     string
	admin  string // the id of the administration page
	vote   string // of one line
	script bool   // it names a script, which only Framadate has
}

// takeApart reads the forms of addresses, clean ones and those of scripts.
func takeApart(u *url.URL) (parts, bool) {
	base := url.URL{Scheme: strings.ToLower(u.Scheme), Host: strings.ToLower(u.Host)}
	if base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return parts{}, false
	}
	base.Host = strings.TrimSuffix(base.Host, map[string]string{"http": ":80", "https": ":443"}[base.Scheme])
	clean := path.Clean("/" + u.Path)
	if strings.Contains(clean, ".php") {
		return ofScript(base.String(), clean, u.Query())
	}
	segments := strings.Split(strings.Trim(clean, "/"), "/")
	for i, segment := range segments {
		rest := segments[i+1:]
		p := parts{root: base.String() + prefixOf(segments[:i])}
		switch {
		case len(rest) > 0 && rest[0] == "admin" && adminID.MatchString(segment):
			p.admin = segment
		case len(rest) == 2 && rest[0] == "vote" && anyID.MatchString(segment) && uniqID.MatchString(rest[1]):
			p.id, p.vote = segment, rest[1]
		case len(rest) == 3 && rest[0] == "action" && rest[1] == "get_ical_file" && anyID.MatchString(segment):
			p.id = segment
		case len(rest) == 0 && anyID.MatchString(segment):
			p.id = segment
		default:
			continue
		}
		return p, true
	}
	return parts{}, false
}

func prefixOf(segments []string) string {
	if len(segments) == 0 {
		return ""
	}
	return "/" + strings.Join(segments, "/")
}

// ofScript reads an address of one of the program's scripts.
func ofScript(root, clean string, query url.Values) (parts, bool) {
	p := parts{root: root + strings.TrimSuffix(path.Dir(clean), "/"), script: true}
	switch path.Base(clean) {
	case "studs.php":
		p.id, p.vote = query.Get("poll"), query.Get("vote")
	case "adminstuds.php":
		p.admin = query.Get("poll")
	case "exportcsv.php":
		p.id, p.admin = query.Get("poll"), query.Get("admin")
	default:
		return parts{}, false
	}
	if p.vote != "" && !uniqID.MatchString(p.vote) {
		p.vote = ""
	}
	if p.admin != "" {
		p.id = ""
		return p, adminID.MatchString(p.admin)
	}
	return p, anyID.MatchString(p.id)
}

// idOf returns the id that an address of a poll names, empty if it is none.
func idOf(link string) string {
	u, err := url.Parse(link)
	if err != nil {
		return ""
	}
	p, ok := takeApart(u)
	if !ok || p.admin != "" {
		return ""
	}
	return p.id
}

// Recognise takes an address apart: of a poll, its administration, one of its lines, its CSV; clean or of a script.
func (*Provider) Recognise(u *url.URL) source.Recognised {
	p, ok := takeApart(u)
	if !ok {
		return source.Recognised{}
	}
	r := source.Recognised{Likelihood: likelihood(p, u)}
	if r.Likelihood == source.Unlikely {
		return source.Recognised{}
	}
	name := p.id
	if p.admin != "" {
		// With a chosen id this is a wrong guess, which Probe corrects; what identifies the document is then the first part
		// of a secret that opens nothing by itself.
		name = p.admin[:16]
		r.Secrets.Address = source.Secret(adminAddress(p))
	}
	if p.vote != "" {
		r.Secrets.Address = source.Secret(p.root + "/studs.php?poll=" + p.id + "&vote=" + p.vote)
	}
	if u.User != nil {
		r.Secrets.User = u.User.Username()
		password, _ := u.User.Password()
		r.Secrets.Password = source.Secret(password)
	}
	r.Address = address(p.root, name, p.script)
	return r
}

func adminAddress(p parts) string {
	if p.script {
		return p.root + "/adminstuds.php?poll=" + p.admin
	}
	return p.root + "/" + p.admin + "/admin"
}

// address makes one of a poll, in the form that was given: an instance without rewriting has only the script.
func address(root, id string, script bool) source.Address {
	a := source.Address{Kind: source.KindFramadate, Instance: root, Name: id, URL: root + "/" + id}
	if script {
		a.URL = root + "/studs.php?poll=" + id
	}
	return a
}

// likelihood says how sure the form is.
func likelihood(p parts, u *url.URL) source.Likelihood {
	host := strings.ToLower(u.Hostname())
	known := slices.Contains(knownHosts, host)
	hinted := hostHints.MatchString(host) || hostHints.MatchString(strings.ToLower(path.Base(p.root)))
	switch {
	case p.script, p.admin != "", p.vote != "":
		return source.Certain
	case known && strings.Count(p.root, "/") == 2 && !reserved(p.id):
		return source.Certain
	case hinted && !reserved(p.id):
		return source.Possible
	case generatedID.MatchString(p.id) && mixed(p.id):
		return source.Possible
	}
	return source.Unlikely
}

// reserved are what stands on an instance beside polls.
func reserved(id string) bool {
	return slices.Contains([]string{"admin", "vote", "action", "css", "js", "images", "fonts", "nav", "abc", "fr", "en", "login", "about", "robots"}, strings.ToLower(id))
}

// mixed says whether an id looks drawn by lot: letters of both cases, or a digit among letters.
func mixed(id string) bool {
	return strings.ToLower(id) != id && strings.ToUpper(id) != id || strings.ContainsAny(id, "0123456789") && strings.ToUpper(id) != strings.ToLower(id)
}

// At returns where a poll is to be made anew, of the address of an instance as a person gives it: its start page, one of
// its scripts, or the address that the poll should have.
func At(u *url.URL) (source.Recognised, bool) {
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return source.Recognised{}, false
	}
	root := url.URL{Scheme: u.Scheme, Host: strings.ToLower(u.Host), Path: strings.TrimSuffix(path.Clean("/"+u.Path), "/")}
	if strings.HasSuffix(root.Path, ".php") {
		root.Path = strings.TrimSuffix(path.Dir(root.Path), "/")
	}
	r := source.Recognised{Likelihood: source.Possible, Address: source.Address{Kind: source.KindFramadate, Instance: root.String(), URL: root.String() + "/"}}
	host := slices.Contains(knownHosts, root.Host) || hostHints.MatchString(root.Host)
	name := path.Base(root.Path)
	if root.Path != "" && anyID.MatchString(name) && !hostHints.MatchString(name) && host {
		root.Path = strings.TrimSuffix(path.Dir(root.Path), "/")
		r.Address = address(root.String(), name, false)
	}
	if u.User != nil {
		r.Secrets.User = u.User.Username()
		password, _ := u.User.Password()
		r.Secrets.Password = source.Secret(password)
	}
	return r, true
}
