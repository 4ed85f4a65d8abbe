package svnaccounts

import (
	"io"
	"strings"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// Authz is what an authz file says.
type Authz struct {
	Groups []Group // in the order of the file
	Rules  []Rule  // in the order of the file

	groups  map[string]*Group
	inside  map[string]map[string]bool // people in a group, at whatever depth
	literal map[place]*Rule
	pattern []*Rule
}

// Group is one of the file.
type Group struct {
	Line   int
	Name   string
	Users  []string // direct members
	Groups []string // groups in it, all of which are there; there are no circles
}

// Rule is a section with rights.
type Rule struct {
	Line    int
	Header  string   // as it is in the file, without brackets
	Repo    string   // a repository's name; "": all
	Path    svn.Path // of a pattern: the part before the first component that is one
	Pattern bool
	Grants  []Grant
}

// place is where a rule without patterns is.
type place struct {
	repo string
	path svn.Path
}

// Whom says for whom a line is.
type Whom uint8

// The kinds of lines.
const (
	ToUser          Whom = iota
	ToGroup              // @name
	ToEveryone           // *
	ToAuthenticated      // $authenticated
	ToAnonymous          // $anonymous: nobody who has signed in
)

// Grant is a line of a rule.
type Grant struct {
	Line     int
	Text     string // left of the =, as it is in the file
	To       Whom
	Name     string // of the user or the group
	Inverted bool   // ~: for everybody else
	Right    havre.Right
}

// The most of everything in one file.
const (
	maxGroups  = 20_000
	maxMembers = 1_000_000 // of all groups together, whatever their depth
	maxRules   = 50_000
)

// ParseAuthz reads an authz file, and the file with its groups if that is another one, else nil. What Subversion
// refuses is a *SyntaxError.
func ParseAuthz(file, groups io.Reader) (*Authz, error) {
	sections, err := parseConfig(file)
	if err != nil {
		return nil, err
	}
	p := &authzParser{Authz: &Authz{
		groups: map[string]*Group{}, inside: map[string]map[string]bool{}, literal: map[place]*Rule{},
	}, aliases: map[string]string{}}
	definitions := sections
	if groups != nil {
		if definitions, err = parseConfig(groups); err != nil {
			return nil, inGroups(err)
		}
		for _, s := range definitions {
			if s.name != "groups" && s.name != "aliases" {
				return nil, inGroups(wrong(s.line, "[%s]: a file of groups has only the sections [groups] and [aliases]", s.name))
			}
		}
	}
	if err := p.definitions(definitions); err != nil {
		if groups != nil {
			return nil, inGroups(err)
		}
		return nil, err
	}
	return p.Authz, p.rules(sections, groups != nil)
}

// GroupsError is a *SyntaxError in the second file of ParseAuthz.
type GroupsError struct{ Err error }

func (e *GroupsError) Error() string { return e.Err.Error() }

// Unwrap returns the error itself.
func (e *GroupsError) Unwrap() error { return e.Err }

func inGroups(err error) error { return &GroupsError{err} }

type authzParser struct {
	*Authz
	aliases map[string]string
}

// definitions reads aliases and groups. Subversion wants each section once.
func (p *authzParser) definitions(sections []section) error {
	seen := map[string]bool{}
	for _, s := range sections {
		if seen[s.name] {
			return wrong(s.line, "the section [%s] is there twice", s.name)
		}
		seen[s.name] = true
		if s.name != "aliases" {
			continue
		}
		for _, o := range s.options {
			if _, twice := p.aliases[o.name]; twice {
				return wrong(o.line, "the alias %s is there twice", o.name)
			}
			p.aliases[o.name] = o.value
		}
	}
	for _, s := range sections {
		if s.name != "groups" {
			continue
		}
		if len(s.options) > maxGroups {
			return wrong(s.line, "there are more than %d groups", maxGroups)
		}
		p.Groups = make([]Group, 0, len(s.options)) // of a fixed size: the map has pointers into it
		for _, o := range s.options {
			if err := p.group(o); err != nil {
				return err
			}
		}
	}
	return p.flatten()
}

func (p *authzParser) group(o option) error {
	if o.name == "" || strings.ContainsAny(o.name[:1], "@&$~*") {
		return wrong(o.line, "%q cannot be the name of a group", o.name)
	}
	if p.groups[o.name] != nil {
		return wrong(o.line, "the group %s is there twice", o.name)
	}
	g := Group{Line: o.line, Name: o.name}
	for member := range strings.SplitSeq(o.value, ",") {
		member = strings.Trim(member, blank)
		switch {
		case member == "":
		case member[0] == '@':
			g.Groups = append(g.Groups, member[1:])
		case member[0] == '&':
			user, ok := p.aliases[member[1:]]
			if !ok {
				return wrong(o.line, "there is no alias %s", member[1:])
			}
			if user != "" {
				g.Users = append(g.Users, user)
			}
		default:
			g.Users = append(g.Users, member)
		}
	}
	p.Groups = append(p.Groups, g)
	p.groups[g.Name] = &p.Groups[len(p.Groups)-1]
	return nil
}

// flatten finds out who is in each group.
func (p *authzParser) flatten() error {
	const visiting, done = 1, 2
	state := map[string]int{}
	total := 0
	var visit func(g *Group) error
	visit = func(g *Group) error {
		switch state[g.Name] {
		case visiting:
			return wrong(g.Line, "the group %s contains itself", g.Name)
		case done:
			return nil
		}
		state[g.Name] = visiting
		all := map[string]bool{}
		for _, u := range g.Users {
			all[u] = true
		}
		for _, name := range g.Groups {
			inner := p.groups[name]
			if inner == nil {
				return wrong(g.Line, "there is no group %s", name)
			}
			if err := visit(inner); err != nil {
				return err
			}
			for u := range p.inside[name] {
				all[u] = true
			}
		}
		if total += len(all) + len(g.Groups); total > maxMembers {
			return wrong(g.Line, "the groups have more than %d members together", maxMembers)
		}
		state[g.Name], p.inside[g.Name] = done, all
		return nil
	}
	for i := range p.Groups {
		if err := visit(&p.Groups[i]); err != nil {
			return err
		}
	}
	return nil
}

// rules reads the sections with rights.
func (p *authzParser) rules(sections []section, groupsElsewhere bool) error {
	if len(sections) > maxRules {
		return wrong(0, "there are more than %d sections", maxRules)
	}
	seen := map[string]bool{}
	for _, s := range sections {
		if s.name == "groups" || s.name == "aliases" {
			if groupsElsewhere {
				return wrong(s.line, "the groups are in a file of their own: [%s] may not be here as well", s.name)
			}
			continue
		}
		r, key, err := parseHeader(s)
		if err != nil {
			return err
		}
		if seen[key] {
			return wrong(s.line, "there is another section for the same as [%s]", s.name)
		}
		seen[key] = true
		if r.Grants, err = p.grants(s); err != nil {
			return err
		}
		p.Rules = append(p.Rules, r)
	}
	for i := range p.Rules {
		r := &p.Rules[i]
		if r.Pattern {
			p.pattern = append(p.pattern, r)
			continue
		}
		p.literal[place{r.Repo, r.Path}] = r
	}
	return nil
}

// parseHeader returns the rule without its lines, and what it may not have in common with others.
func parseHeader(s section) (r Rule, key string, err error) {
	r = Rule{Line: s.line, Header: s.name}
	rest, glob := strings.CutPrefix(s.name, ":glob:")
	if !strings.HasPrefix(rest, "/") {
		var ok bool
		if r.Repo, rest, ok = strings.Cut(rest, ":"); !ok || r.Repo == "" || !strings.HasPrefix(rest, "/") {
			return r, "", wrong(s.line, "[%s] is no section of an authz file: it must begin with /, or with a repository and :/", s.name)
		}
	}
	path := rest[1:]
	components := strings.Split(path, "/")
	if glob {
		var plain []string
		for _, c := range components {
			word, isPlain := unescape(c)
			if !isPlain {
				r.Pattern = true
				break
			}
			plain = append(plain, word)
		}
		key = r.Repo + ":" + path
		path = strings.Join(plain, "/")
	}
	if r.Path, err = svn.CheckPath(path); err != nil {
		return r, "", wrong(s.line, "[%s] has no proper path: %v", s.name, err)
	}
	if !r.Pattern {
		return r, r.Repo + ":" + string(r.Path), nil
	}
	return r, "pattern " + key, nil
}

// unescape returns the component of a path that a component of a pattern is, if it is only one.
func unescape(c string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(c); i++ {
		switch c[i] {
		case '*', '?', '[':
			return "", false
		case '\\':
			if i++; i == len(c) {
				return "", false
			}
		}
		b.WriteByte(c[i])
	}
	return b.String(), true
}

// grants reads the lines of a rule. Two with one name add up like others.
func (p *authzParser) grants(s section) ([]Grant, error) {
	var all []Grant
	for _, o := range s.options {
		g, err := p.grant(o)
		if err != nil {
			return nil, err
		}
		all = append(all, g)
	}
	return all, nil
}

func (p *authzParser) grant(o option) (Grant, error) {
	g := Grant{Line: o.line, Text: o.name}
	reads, writes := false, false
	for _, c := range o.value {
		switch {
		case c == 'r':
			reads = true
		case c == 'w':
			writes = true
		case strings.ContainsRune(blank, c):
		default:
			return g, wrong(o.line, "%q is no right: it is r, rw or nothing", o.value)
		}
	}
	switch {
	case writes && !reads:
		return g, wrong(o.line, "a right to write without one to read is none: write rw")
	case writes:
		g.Right = havre.RightWrite
	case reads:
		g.Right = havre.RightRead
	}
	name := o.name
	if name, g.Inverted = strings.CutPrefix(name, "~"); g.Inverted && strings.HasPrefix(name, "~") {
		return g, wrong(o.line, "%s is inverted twice", o.name)
	}
	return g, p.whom(&g, name)
}

// whom finds out for whom the line is.
func (p *authzParser) whom(g *Grant, name string) error {
	switch {
	case name == "*":
		g.To = ToEveryone
		if g.Inverted {
			return wrong(g.Line, "~* is nobody")
		}
	case name == "$authenticated":
		g.To = ToAuthenticated
		if g.Inverted {
			g.To, g.Inverted = ToAnonymous, false
		}
	case name == "$anonymous":
		g.To = ToAnonymous
		if g.Inverted {
			g.To, g.Inverted = ToAuthenticated, false
		}
	case strings.HasPrefix(name, "$"):
		return wrong(g.Line, "%s is none of $anonymous and $authenticated", name)
	case strings.HasPrefix(name, "@"):
		return p.toGroup(g, name[1:])
	case strings.HasPrefix(name, "&"):
		user, ok := p.aliases[name[1:]]
		if !ok {
			return wrong(g.Line, "there is no alias %s", name[1:])
		}
		// Here, and not in groups, an alias may stand for a group.
		if strings.HasPrefix(user, "@") {
			return p.toGroup(g, user[1:])
		}
		g.Name = user
	default:
		g.Name = name
	}
	return nil
}

func (p *authzParser) toGroup(g *Grant, name string) error {
	g.To, g.Name = ToGroup, name
	if p.groups[name] == nil {
		return wrong(g.Line, "there is no group %s", name)
	}
	return nil
}
