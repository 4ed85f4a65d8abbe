package svnaccounts

import (
	"slices"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// Fits says whether the line is for a person who has signed in with that name.
func (a *Authz) Fits(g *Grant, user string) bool {
	switch g.To {
	case ToEveryone, ToAuthenticated:
		return true
	case ToAnonymous:
		return false
	case ToGroup:
		// Subversion leaves lines for empty groups out, inverted ones as well.
		return len(a.inside[g.Name]) > 0 && a.inside[g.Name][user] != g.Inverted
	default:
		return (g.Name == user) != g.Inverted
	}
}

// InGroup says whether the person is in the group, at whatever depth.
func (a *Authz) InGroup(group, user string) bool { return a.inside[group][user] }

// sum adds up the lines of a rule that fit.
func (a *Authz) sum(r *Rule, user string) (right havre.Right, fits bool) {
	for i := range r.Grants {
		if g := &r.Grants[i]; a.Fits(g, user) {
			right, fits = max(right, g.Right), true
		}
	}
	return right, fits
}

// At returns what the rules without patterns for exactly this path say to a person, if anything.
func (a *Authz) At(repo string, path svn.Path, user string) (right havre.Right, said bool) {
	for _, name := range slices.Compact([]string{repo, ""}) {
		if r := a.literal[place{name, path}]; r != nil {
			if right, fits := a.sum(r, user); fits {
				return right, true
			}
		}
	}
	return havre.RightNone, false
}

// Access returns what a person who has signed in may do at a path, as far as rules without patterns say.
func (a *Authz) Access(repo string, path svn.Path, user string) havre.Right {
	for ; ; path = path.Dir() {
		if right, said := a.At(repo, path, user); said {
			return right
		}
		if path == "" {
			return havre.RightNone
		}
	}
}

// Patterns returns the rules with patterns that are about the repository, in the order of the file.
func (a *Authz) Patterns(repo string) []*Rule {
	return slices.DeleteFunc(slices.Clone(a.pattern), func(r *Rule) bool { return r.Repo != "" && r.Repo != repo })
}

// RuleAt returns the rules without patterns for a path, the repository's own first.
func (a *Authz) RuleAt(repo string, path svn.Path) []*Rule {
	var rules []*Rule
	for _, name := range slices.Compact([]string{repo, ""}) {
		if r := a.literal[place{name, path}]; r != nil {
			rules = append(rules, r)
		}
	}
	return rules
}

// Floor returns the least that a person may do at the path by any rule: what the rules without patterns say or,
// if that is less, what those with patterns say that may fit there.
func (a *Authz) Floor(repo string, path svn.Path, user string) havre.Right {
	right := a.Access(repo, path, user)
	for _, r := range a.Patterns(repo) {
		if _, in := path.Rel(r.Path); !in {
			continue
		}
		if says, fits := a.sum(r, user); fits {
			right = min(right, says)
		}
	}
	return right
}
