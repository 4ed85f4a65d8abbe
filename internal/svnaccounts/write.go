package svnaccounts

import (
	"fmt"
	"slices"
	"strings"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// Output is an authz file that is to be written.
type Output struct {
	Comment []string // lines at the top
	Groups  []OutputGroup
	Rules   []OutputRule
}

// OutputGroup is a group. Names may be any; those that the syntax cannot express are changed in the file.
type OutputGroup struct {
	Name   string
	Users  []string
	Groups []string
}

// OutputRule says who may do what at a path and below.
type OutputRule struct {
	Repo  string
	Path  svn.Path
	Lines []OutputLine
}

// OutputLine is a right of one of User, Group, or everyone.
type OutputLine struct {
	User, Group string
	Everyone    bool
	Right       havre.Right
}

// InexpressibleError is for what has no place in an authz file.
type InexpressibleError struct {
	Repo string
	Path svn.Path
}

func (e *InexpressibleError) Error() string {
	return fmt.Sprintf("an authz file cannot say [%s:/%s]: a repository's name must have no colon and not begin with a slash, and there must be no ] and no line break", e.Repo, e.Path)
}

// Text returns the file. Equal values give equal texts.
func (o *Output) Text() (string, error) {
	w := &writer{groups: map[string]string{}, aliases: map[string]string{}}
	for _, g := range o.Groups {
		w.nameGroup(g.Name)
	}
	var groups, rules strings.Builder
	for _, g := range o.Groups {
		if name := w.groups[g.Name]; name != g.Name {
			fmt.Fprintf(&groups, "# The name %q cannot be written here.\n", g.Name)
		}
		var members []string
		for _, inner := range g.Groups {
			members = append(members, "@"+w.nameGroup(inner))
		}
		for _, u := range g.Users {
			members = append(members, w.user(u))
		}
		fmt.Fprintf(&groups, "%s =%s\n", w.groups[g.Name], list(members))
	}
	for _, r := range o.Rules {
		if err := r.check(); err != nil {
			return "", err
		}
		fmt.Fprintf(&rules, "\n[%s:/%s]\n", r.Repo, r.Path)
		for _, l := range r.Lines {
			name := "*"
			switch {
			case l.Group != "":
				name = "@" + w.nameGroup(l.Group)
			case strings.HasPrefix(l.User, "@"):
				// An alias for a name with @ would be a group here, and is a person in a group.
				name = "@" + w.own(l.User, &groups)
			case !l.Everyone:
				name = w.user(l.User)
			}
			fmt.Fprintf(&rules, "%s =%s\n", name, map[bool]string{true: " " + letters(l.Right)}[l.Right > havre.RightNone])
		}
	}
	var b strings.Builder
	for _, line := range o.Comment {
		b.WriteString(strings.TrimRight("# "+oneLine(line), " ") + "\n")
	}
	if len(w.aliases) > 0 {
		b.WriteString("\n# Names that cannot be written as they are.\n[aliases]\n")
		for _, user := range w.order {
			fmt.Fprintf(&b, "%s = %s\n", w.aliases[user], user)
		}
	}
	if groups.Len() > 0 {
		b.WriteString("\n[groups]\n" + groups.String())
	}
	b.WriteString(rules.String())
	return b.String(), nil
}

func (r *OutputRule) check() error {
	if r.Repo == "" || strings.ContainsAny(r.Repo, ":]\n\r") || r.Repo[0] == '/' || strings.ContainsAny(string(r.Path), "]\n\r\x00") {
		return &InexpressibleError{r.Repo, r.Path}
	}
	return nil
}

func letters(r havre.Right) string {
	if r >= havre.RightWrite {
		return "rw"
	}
	return "r"
}

// perLine is how many members of a group are in a line.
const perLine = 8

func list(members []string) string {
	var b strings.Builder
	for i, m := range members {
		switch {
		case i == 0:
			b.WriteByte(' ')
		case i%perLine == 0:
			b.WriteString(",\n  ")
		default:
			b.WriteString(", ")
		}
		b.WriteString(m)
	}
	return b.String()
}

// writer remembers by what names things are in the file.
type writer struct {
	groups  map[string]string // as they are in the file
	aliases map[string]string // by user
	order   []string          // of aliases
}

// user returns the name as it can be in a list and before a =.
func (w *writer) user(name string) string {
	if !strings.ContainsAny(name, "=:,") && !strings.ContainsAny(name[:1], "@&$~*#[;"+blank) && strings.Trim(name, blank) == name {
		return name
	}
	alias, ok := w.aliases[name]
	if !ok {
		alias = fmt.Sprintf("name%d", len(w.order)+1)
		w.aliases[name] = alias
		w.order = append(w.order, name)
	}
	return "&" + alias
}

// own returns the group that has one person only.
func (w *writer) own(user string, groups *strings.Builder) string {
	key := "\x00" + user // no group is called that
	if _, made := w.groups[key]; !made {
		w.groups[key] = w.nameGroup("only " + user)
		fmt.Fprintf(groups, "%s = %s\n", w.groups[key], w.user(user))
	}
	return w.groups[key]
}

// nameGroup returns the group's name in the file.
func (w *writer) nameGroup(name string) string {
	if as, ok := w.groups[name]; ok {
		return as
	}
	as := strings.Map(func(r rune) rune {
		if strings.ContainsRune("=:,]", r) {
			return '_'
		}
		return r
	}, name)
	if strings.ContainsAny(as[:1], "@&$~*#[;"+blank) {
		as = "_" + strings.TrimLeft(as, "@&$~*#[;"+blank)
	}
	used := func(s string) bool {
		for _, other := range w.groups {
			if other == s {
				return true
			}
		}
		return false
	}
	for base, n := as, 2; used(as); n++ {
		as = fmt.Sprintf("%s_%d", base, n)
	}
	w.groups[name] = as
	return as
}

func oneLine(s string) string {
	return strings.Join(slices.Collect(strings.FieldsFuncSeq(s, func(r rune) bool { return r == '\n' || r == '\r' })), " ")
}
