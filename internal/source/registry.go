package source

import (
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
)

// Registry is all kinds of documents that a program knows. It is safe for concurrent use.
type Registry struct {
	providers []Provider
}

// NewRegistry returns a registry of providers. Where the form of an address fits several equally, the first is asked first.
func NewRegistry(providers ...Provider) *Registry {
	return &Registry{providers: slices.Clone(providers)}
}

// Provider returns the provider of a kind.
func (r *Registry) Provider(kind Kind) (Provider, bool) {
	i := slices.IndexFunc(r.providers, func(p Provider) bool { return p.Kind() == kind })
	if i < 0 {
		return nil, false
	}
	return r.providers[i], true
}

// Providers returns all.
func (r *Registry) Providers() []Provider { return slices.Clone(r.providers) }

// Recognise takes one address, as a person gives it, apart by its form. It returns the kinds that it could be, the
// likeliest first, or none. "https://" may be missing.
func (r *Registry) Recognise(text string) []Recognised {
	u, ok := parseAddress(text)
	if !ok {
		return nil
	}
	var list []Recognised
	for _, p := range r.providers {
		one := *u // providers may change what they get
		if rec := p.Recognise(&one); rec.Likelihood > Unlikely {
			list = append(list, rec)
		}
	}
	slices.SortStableFunc(list, func(a, b Recognised) int { return int(b.Likelihood) - int(a.Likelihood) })
	return list
}

// groupAddress is that of a group of pads, or of a pad in it.
var groupAddress = regexp.MustCompile(`^(.*)/p/(g\.[A-Za-z0-9]{16})(?:(?:\$|%24)[^/]*)?/?$`)

// Group recognises a group of an Etherpad's pads by its address, or by that of a pad in it, given together with the key of
// the API, without which nobody can tell what else is in the group.
func Group(text string, s Secrets) []Recognised {
	u, ok := parseAddress(text)
	if !ok || s.APIKey == "" {
		return nil
	}
	m := groupAddress.FindStringSubmatch(u.EscapedPath())
	if m == nil {
		return nil
	}
	root := u.Scheme + "://" + u.Host + m[1]
	a := Address{Kind: KindEtherpad, Instance: root, Collection: "group " + m[2], URL: root + "/p/" + m[2]}
	return []Recognised{{Address: a, Secrets: s, Likelihood: Possible}}
}

// WholeInstance recognises the root of an Etherpad by what it is given with, for its address tells nothing: a key of its
// API opens all pads, a user and password those that its plugin MyPads keeps for the account.
func WholeInstance(text string, s Secrets) []Recognised {
	u, ok := parseAddress(text)
	if !ok || u.RawQuery != "" || u.Fragment != "" {
		return nil
	}
	root := strings.TrimSuffix(u.Scheme+"://"+u.Host+u.EscapedPath(), "/")
	a := Address{Kind: KindEtherpad, Instance: root, URL: root + "/"}
	switch {
	case s.APIKey != "":
		a.Collection = "all"
	case s.User != "" && s.Password != "":
		a.Collection, a.URL = "mypads", root+"/mypads/"
	default:
		return nil
	}
	return []Recognised{{Address: a, Secrets: s, Likelihood: Possible}}
}

// maxAddress is the length in bytes of the longest address that is looked at.
const maxAddress = 2048

// parseAddress parses an address, cleaned of what text around it leaves and of what only says how one came to it.
func parseAddress(text string) (*url.URL, bool) {
	text = strings.TrimSpace(text)
	if len(text) > maxAddress || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return nil, false
	}
	if !strings.Contains(text, "://") {
		host, _, _ := strings.Cut(text, "/")
		if !strings.Contains(host, ".") || strings.ContainsAny(host, " @") {
			return nil, false
		}
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return nil, false
	}
	u.Scheme = strings.ToLower(u.Scheme)
	host, ok := canonicalHost(u.Hostname())
	if !ok {
		return nil, false
	}
	if port := u.Port(); port != "" {
		host += ":" + port
	}
	u.Host = host
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, false
	}
	if port := u.Port(); u.Scheme == "http" && port == "80" || u.Scheme == "https" && port == "443" {
		u.Host = strings.TrimSuffix(u.Host, ":"+port)
	}
	if u.RawQuery != "" {
		query := u.Query()
		for key := range query {
			if tracking(key) {
				query.Del(key)
			}
		}
		u.RawQuery = query.Encode()
	}
	return u, true
}

// canonicalHost returns a name of a server, or an address, as it is compared: in lower case, with other than Latin letters
// encoded (RFC 5891), without the last dot.
func canonicalHost(name string) (string, bool) {
	if strings.Contains(name, ":") {
		addr, err := netip.ParseAddr(name)
		if err != nil {
			return "", false
		}
		return "[" + addr.WithZone("").String() + "]", true
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if strings.Contains(name, "xn--") || strings.ContainsFunc(name, func(r rune) bool { return r > unicode.MaxASCII }) {
		var err error
		if name, err = hostNames.ToASCII(name); err != nil {
			return "", false
		}
	}
	if strings.Trim(name, ".") == "" || len(name) > 253 || strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '.' && r != '-' && r != '_'
	}) {
		return "", false
	}
	return name, true
}

// hostNames is how browsers read names of servers; underscores occur.
var hostNames = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false))

// tracking says whether a parameter tells only how someone came to a page.
func tracking(key string) bool {
	key = strings.ToLower(key)
	return strings.HasPrefix(key, "utm_") || slices.Contains([]string{"fbclid", "gclid", "mc_cid", "mc_eid", "msclkid", "igshid", "_hsenc", "_hsmi"}, key)
}
