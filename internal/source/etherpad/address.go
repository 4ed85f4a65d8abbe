package etherpad

import (
	"encoding/base64"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/havre-cloud/havre/internal/source"
)

// What Address.Collection begins with; a space and the name of a group follow where there is one.
const (
	collectionGroup  = "group"  // "group g.XXXXXXXXXXXXXXXX": a group of Etherpad's API
	collectionAll    = "all"    // every pad of an instance
	collectionMyPads = "mypads" // an account of the plugin MyPads, or "mypads GROUP"
)

var (
	readOnlyName  = regexp.MustCompile(`^r\.[0-9a-f]{32}$`)
	groupName     = regexp.MustCompile(`^g\.[0-9A-Za-z]{16}$`)
	sessionValue  = regexp.MustCompile(`^s\.[0-9A-Za-z]{16,64}(,s\.[0-9A-Za-z]{16,64})*$`)
	myPadsView    = regexp.MustCompile(`^/?mypads/group/([0-9A-Za-z_-]+)(?:/pad/view/([0-9A-Za-z_.-]+)|/view)?/?$`)
	numberPattern = regexp.MustCompile(`^[0-9]+$`)
)

// maxName is the length of a name in UTF-16 code units, without the group's.
const maxName = 50

// known are public instances, with all hosts below them.
var known = []string{
	"framapad.org", "pad.riseup.net", "etherpad.wikimedia.org", "board.net", "yopad.eu", "yourpart.eu", "pads.ccc.de", "pad.education",
	"pad.systemli.org", "zumpad.zum.de", "pad.picasoft.net", "pad.colibris-outilslibres.org", "pad.aquilenet.fr", "pad.chapril.org",
	"pads.domainepublic.net", "etherpad.opendev.org",
}

func knownHost(host string) bool {
	return slices.ContainsFunc(known, func(k string) bool { return host == k || strings.HasSuffix(host, "."+k) })
}

// IsReadOnly tells whether a name is a read-only id.
func IsReadOnly(name string) bool { return readOnlyName.MatchString(name) }

// SanitiseName returns a name as Etherpad itself writes it: runs of white space and of colons become a low line. An
// export of a name that is not so redirects for ever.
func SanitiseName(name string) string {
	name = strings.TrimSpace(name)
	var b strings.Builder
	var last rune
	for _, r := range name {
		kind := r
		if unicode.IsSpace(r) || r == '\ufeff' {
			kind = ' '
		}
		if kind == ' ' || kind == ':' {
			if kind != last {
				b.WriteByte('_')
			}
		} else {
			b.WriteRune(r)
		}
		last = kind
	}
	return b.String()
}

// splitName divides the name of a group's pad; group is empty for others.
func splitName(name string) (group, own string) {
	group, own, ok := strings.Cut(name, "$")
	if !ok || !groupName.MatchString(group) {
		return "", name
	}
	return group, own
}

// validName tells whether a pad can have that name.
func validName(name string) bool {
	_, own := splitName(name)
	n := len(utf16.Encode([]rune(own)))
	return n > 0 && n <= maxName && !strings.Contains(own, "$") && utf8.ValidString(own) &&
		!strings.ContainsFunc(own, unicode.IsControl) && own != "." && own != ".."
}

// title returns what people call a pad.
func title(name string) string {
	_, own := splitName(name)
	return own
}

// padURL returns the address of a pad's page.
func padURL(instance, name string) string { return instance + "/p/" + url.PathEscape(name) }

// exportURL returns the address of an export: "etherpad", "txt" or "html".
func exportURL(a source.Address, kind string) string {
	return padURL(a.Instance, a.Name) + "/export/" + kind
}

// Recognise implements source.Provider.
func (*Provider) Recognise(u *url.URL) source.Recognised {
	scheme, host := strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	if scheme != "http" && scheme != "https" || host == "" || u.Opaque != "" {
		return source.Recognised{}
	}
	r := source.Recognised{Address: source.Address{Kind: source.KindEtherpad}, Likelihood: source.Possible}
	if u.User != nil {
		password, _ := u.User.Password()
		r.Secrets.User, r.Secrets.Password = u.User.Username(), source.Secret(password)
	}
	root := scheme + "://" + host
	segments := strings.Split(strings.TrimPrefix(u.EscapedPath(), "/"), "/")
	for i, s := range segments {
		instance := root
		if i > 0 {
			instance += "/" + strings.Join(segments[:i], "/")
		}
		switch {
		case s == "p" && i+1 < len(segments) && segments[i+1] != "":
			return recognisePad(r, u, instance, segments[i+1:])
		case s == "mypads":
			return recogniseMyPads(r, u, instance)
		case s == "auth_session": // of the plugin of that name: ?sessionID=s.…&padName=g.…$…
			if name := u.Query().Get("padName"); name != "" {
				return recognisePad(r, u, instance, []string{url.PathEscape(name)})
			}
		}
	}
	return source.Recognised{}
}

// recognisePad reads what follows /p/, still escaped.
func recognisePad(r source.Recognised, u *url.URL, instance string, segments []string) source.Recognised {
	name, err := url.PathUnescape(segments[0])
	if err != nil || !utf8.ValidString(name) {
		return source.Recognised{}
	}
	name = SanitiseName(name)
	rest := segments[1:]
	if n := len(rest); n > 0 && rest[n-1] == "" {
		rest = rest[:n-1]
	}
	own := knownHost(u.Hostname())
	switch n := len(rest); {
	case n == 0:
	case n == 1 && (rest[0] == "timeslider" || rest[0] == "import"), n == 2 && rest[0] == "export",
		n == 3 && numberPattern.MatchString(rest[0]) && rest[1] == "export":
		own = true
	default:
		return source.Recognised{} // a site that has something else below /p/
	}
	if groupName.MatchString(name) {
		r.Address.Instance, r.Address.Collection, r.Address.URL = instance, collectionGroup+" "+name, padURL(instance, name)
		r.Likelihood = source.Certain
		return r
	}
	if !validName(name) {
		return source.Recognised{}
	}
	group, _ := splitName(name)
	if own || group != "" || IsReadOnly(name) {
		r.Likelihood = source.Certain
	}
	r.Address.Instance, r.Address.Name, r.Address.URL = instance, name, padURL(instance, name)
	query := u.Query()
	if p := query.Get("mypadspassword"); p != "" {
		if b, err := base64.StdEncoding.DecodeString(p); err == nil && utf8.Valid(b) {
			r.Secrets.Password, r.Likelihood = source.Secret(b), source.Certain
		}
	}
	if s := query.Get("sessionID"); sessionValue.MatchString(s) {
		r.Secrets.Session, r.Likelihood = source.Secret(s), source.Certain
	}
	return r
}

// recogniseMyPads reads the addresses of the plugin's own pages, which are in the query or the fragment:
// /mypads/?/mypads/group/GROUP/pad/view/PAD.
func recogniseMyPads(r source.Recognised, u *url.URL, instance string) source.Recognised {
	query, err := url.QueryUnescape(u.RawQuery)
	if err != nil {
		return source.Recognised{}
	}
	view, _, _ := strings.Cut(query, "&")
	found := myPadsView.FindStringSubmatch(strings.TrimSuffix(view, "="))
	if found == nil {
		found = myPadsView.FindStringSubmatch(strings.TrimPrefix(u.Fragment, "!"))
	}
	r.Likelihood = source.Certain
	r.Address.Instance = instance
	switch {
	case found == nil:
		r.Address.Collection, r.Address.URL = collectionMyPads, instance+"/mypads/"
	case found[2] == "":
		r.Address.Collection = collectionMyPads + " " + found[1]
		r.Address.URL = instance + "/mypads/?/mypads/group/" + found[1] + "/view"
	case !validName(found[2]):
		return source.Recognised{}
	default:
		r.Address.Name, r.Address.URL = found[2], padURL(instance, found[2])
	}
	return r
}
