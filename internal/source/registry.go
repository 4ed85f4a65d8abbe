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

// Candidates takes an address apart as Recognise does, together with what it is given with. The root of an instance is nothing by
// its form: a key of its API makes it all its pads, a user and password those of an account. group, which may be empty, says that
// only a group of them is meant.
func (r *Registry) Candidates(text, group string, s Secrets) []Recognised {
	if group != "" {
		return oneGroup(text, group, s)
	}
	if kinds := groupOf(text, s); len(kinds) > 0 {
		return kinds
	}
	kinds := r.Recognise(text)
	whole := wholeInstance(text, s)
	switch {
	case len(kinds) > 0 && (kinds[0].Likelihood == Certain || slices.ContainsFunc(kinds, func(k Recognised) bool { return k.Address.Kind == KindEtherpad })):
		return kinds
	case s.APIKey != "":
		return slices.Concat(whole, kinds) // sheets and polls have no keys
	}
	return slices.Concat(kinds, whole)
}

var (
	// groupAddress is that of a group of pads, or of a pad in it.
	groupAddress = regexp.MustCompile(`^(.*)/p/(g\.[A-Za-z0-9]{16})(?:(?:\$|%24)[^/]*)?/?$`)
	groupName    = regexp.MustCompile(`^g\.[A-Za-z0-9]{16}$`)
	// accountGroup is what MyPads calls a group, in its addresses.
	accountGroup = regexp.MustCompile(`^[A-Za-z0-9_-]{1,100}$`)
)

// groupOf recognises a group of an Etherpad's pads by its address, or by that of a pad in it, given together with the key of
// the API, without which nobody can tell what else is in the group.
func groupOf(text string, s Secrets) []Recognised {
	u, ok := parseAddress(text)
	if !ok || s.APIKey == "" {
		return nil
	}
	m := groupAddress.FindStringSubmatch(u.EscapedPath())
	if m == nil {
		return nil
	}
	return collection(u.Scheme+"://"+u.Host+m[1], "group "+m[2], "/p/"+m[2], s)
}

// oneGroup recognises a group by the root of its instance and its own name.
func oneGroup(text, group string, s Secrets) []Recognised {
	root, ok := instanceRoot(text)
	switch {
	case !ok:
	case s.APIKey != "" && groupName.MatchString(group):
		return collection(root, "group "+group, "/p/"+group, s)
	case s.APIKey == "" && s.User != "" && s.Password != "" && accountGroup.MatchString(group):
		return collection(root, "mypads "+group, "/mypads/?/mypads/group/"+group+"/view", s)
	}
	return nil
}

// wholeInstance recognises the root of an Etherpad by what it is given with: a key of its API opens all pads, a user and
// password those that its plugin MyPads keeps for the account.
func wholeInstance(text string, s Secrets) []Recognised {
	root, ok := instanceRoot(text)
	switch {
	case !ok:
	case s.APIKey != "":
		return collection(root, "all", "/", s)
	case s.User != "" && s.Password != "":
		return collection(root, "mypads", "/mypads/", s)
	}
	return nil
}

func instanceRoot(text string) (string, bool) {
	u, ok := parseAddress(text)
	if !ok || u.RawQuery != "" || u.Fragment != "" {
		return "", false
	}
	return strings.TrimSuffix(u.Scheme+"://"+u.Host+u.EscapedPath(), "/"), true
}

func collection(root, name, path string, s Secrets) []Recognised {
	a := Address{Kind: KindEtherpad, Instance: root, Collection: name, URL: root + path}
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
