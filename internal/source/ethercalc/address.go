package ethercalc

import (
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/havre-cloud/havre/internal/source"
)

// knownHosts are public instances.
var knownHosts = []string{
	"lite.framacalc.org", "framacalc.org", "www.framacalc.org", "ethercalc.net", "www.ethercalc.net", "ethercalc.org", "www.ethercalc.org",
	"ethercalc.com", "calc.disroot.org",
}

var (
	hostHints  = regexp.MustCompile(`(?:^|[.-])(?:ethercalc|framacalc|calc|tableurs?|sheets?|spreadsheets?)(?:[.-]|$)`)
	extensions = regexp.MustCompile(`\.(?:csv|csv\.json|html|ods|fods|xlsx|md)$`)
)

// takeApart returns the instance and the room of an address: /ROOM, /=BOOK, /ROOM/edit, /ROOM.csv, /_/ROOM/csv. api is true for
// the last form, which only EtherCalc has.
func takeApart(u *url.URL) (root, room string, api, ok bool) {
	base := url.URL{Scheme: strings.ToLower(u.Scheme), Host: strings.ToLower(u.Host)}
	if base.Scheme != "http" && base.Scheme != "https" || base.Host == "" || len(u.Path) > 500 {
		return "", "", false, false
	}
	base.Host = strings.TrimSuffix(base.Host, map[string]string{"http": ":80", "https": ":443"}[base.Scheme])
	segments := strings.Split(strings.Trim(u.Path, "/"), "/")
	at := len(segments) - 1
	if i := slices.Index(segments, "_"); i >= 0 && i+1 < len(segments) {
		api = true
		segments = slices.Concat(segments[:i], segments[i+1:i+2])
		at = len(segments) - 1
	} else if at > 0 && slices.Contains([]string{"edit", "view", "app", "form", "appeditor"}, segments[at]) {
		at--
	}
	room = extensions.ReplaceAllString(segments[at], "")
	if !validRoom(room) {
		return "", "", false, false
	}
	root = base.String()
	if at > 0 {
		root += "/" + strings.Join(segments[:at], "/")
	}
	return root, room, api, true
}

// validRoom says whether a name can be a room's. A leading underscore is the program's own; what has a dot and letters
// behind it is a file of the program.
func validRoom(room string) bool {
	name := strings.TrimPrefix(room, "=")
	if name == "" || len(name) > 200 || strings.HasPrefix(name, "_") || strings.HasPrefix(name, ".") || name == ".." {
		return false
	}
	if strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || strings.ContainsRune(`/\?#%`, r) }) {
		return false
	}
	return !slices.Contains([]string{".js", ".css", ".png", ".ico", ".json", ".txt", ".xml", ".appcache", ".php", ".htm", ".svg"}, strings.ToLower(path.Ext(name)))
}

// Recognise takes an address of a sheet or a book apart.
func (*Provider) Recognise(u *url.URL) source.Recognised {
	root, room, api, ok := takeApart(u)
	if !ok {
		return source.Recognised{}
	}
	r := source.Recognised{Address: address(root, room)}
	host := strings.ToLower(u.Hostname())
	top := strings.Count(root, "/") == 2
	switch {
	case slices.Contains(knownHosts, host) && top, api && u.Query().Get("auth") != "":
		r.Likelihood = source.Certain
	case hostHints.MatchString(host), hostHints.MatchString(path.Base(root)), api, strings.HasPrefix(room, "="):
		r.Likelihood = source.Possible
	default:
		return source.Recognised{}
	}
	// With it one may write, where the instance has a key.
	if auth := u.Query().Get("auth"); auth != "" && auth != "0" {
		r.Secrets.Address = source.Secret(r.Address.URL + "?auth=" + url.QueryEscape(auth))
	}
	if u.User != nil {
		r.Secrets.User = u.User.Username()
		password, _ := u.User.Password()
		r.Secrets.Password = source.Secret(password)
	}
	return r
}

func address(root, room string) source.Address {
	return source.Address{Kind: source.KindEtherCalc, Instance: root, Name: room, URL: root + "/" + escape(room)}
}

// escape is a room's name in an address. The equals sign of a book stays readable.
func escape(room string) string {
	if name, found := strings.CutPrefix(room, "="); found {
		return "=" + url.PathEscape(name)
	}
	return url.PathEscape(room)
}

// At returns where a sheet is to be made anew, of the address of an instance as a person gives it: its start page, or
// the address that the sheet should have.
func At(u *url.URL) (source.Recognised, bool) {
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return source.Recognised{}, false
	}
	// A directory, or one that is called like the program, is where an instance lives.
	if root, room, _, ok := takeApart(u); ok && !strings.HasSuffix(u.Path, "/") && !hostHints.MatchString(room) {
		return source.Recognised{Likelihood: source.Possible, Address: address(root, room)}, true
	}
	root := strings.ToLower(u.Scheme+"://"+u.Host) + strings.TrimSuffix(path.Clean("/"+u.Path), "/")
	return source.Recognised{Likelihood: source.Possible, Address: source.Address{Kind: source.KindEtherCalc, Instance: root, URL: root + "/"}}, true
}
