package main

import (
	"fmt"
	"strings"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
)

// describe says what the plan does, for a person who is to agree to it.
func (c *importSvnCmd) describe(in *hub.SvnImport, plan *hub.SvnPlan) string {
	var b strings.Builder
	c.describePeople(&b, plan)
	describeGroups(&b, plan)
	for i := range plan.Folders {
		describeRights(&b, &plan.Folders[i])
	}
	if in.Authz != nil && len(plan.Folders) == 0 {
		b.WriteString("Rights: in no folder. No folder has a repository that the rules name; see --folder.\n\n")
	}
	c.describeNotes(&b, in, plan)
	return b.String()
}

func (c *importSvnCmd) describePeople(b *strings.Builder, plan *hub.SvnPlan) {
	made, kept, weak := 0, 0, 0
	rows := [][]string{}
	for i := range plan.People {
		p := &plan.People[i]
		account := "is here"
		if p.New {
			account = "new"
			made++
		}
		var becomes string
		switch {
		case p.Password == hub.SvnPasswordTaken:
			becomes = "keeps the password"
			kept++
			if p.Weak {
				becomes += ", which is weak"
				weak++
			}
		case p.Password == hub.SvnPasswordHas:
			becomes = "has a password here already"
		case p.New:
			becomes = "gets an invitation"
		default:
			becomes = "has no password yet"
		}
		if p.Why != "" {
			becomes += ": " + p.Why
		}
		rows = append(rows, []string{shown(p.Name), account, becomes})
	}
	fmt.Fprintf(b, "People: %s of %d, %s taken over, %d of them weak.\n\n%s\n",
		counted(int64(made), "new account"), len(plan.People), counted(int64(kept), "password"), weak, indented(table(rows)))
}

func describeGroups(b *strings.Builder, plan *hub.SvnPlan) {
	if len(plan.Groups) == 0 {
		return
	}
	rows := [][]string{}
	for i := range plan.Groups {
		g := &plan.Groups[i]
		what := "changes"
		if g.New {
			what = "new"
		}
		var words []string
		for _, list := range []struct {
			sign  string
			names []string
		}{{"+@", g.AddGroups}, {"+", g.Add}, {"-@", g.RemoveGroups}, {"-", g.Remove}} {
			sign := list.sign
			if g.New {
				sign = strings.TrimPrefix(sign, "+")
			}
			for _, name := range list.names {
				words = append(words, sign+shown(name))
			}
		}
		if g.New && g.Everybody {
			words = []string{"all of them"}
		}
		rows = append(rows, []string{shown(g.Name), what, strings.Join(words, ", ")})
	}
	fmt.Fprintf(b, "Groups: %s.\n\n%s\n", counted(int64(len(plan.Groups)), "change"), indented(table(rows)))
}

func describeRights(b *strings.Builder, f *hub.SvnRights) {
	fmt.Fprintf(b, "Rights in %s (repository %s): ", shown(f.Folder.Name), shown(f.Repo))
	if len(f.Changes) == 0 {
		b.WriteString("as the file says already.\n\n")
		return
	}
	fmt.Fprintf(b, "%s.", counted(int64(len(f.Changes)), "change"))
	if len(f.Manage) > 0 {
		var names []string
		for _, name := range f.Manage {
			names = append(names, shown(name))
		}
		fmt.Fprintf(b, " As before, it is managed by %s.", strings.Join(names, ", "))
	}
	rows := [][]string{}
	for i := range f.Changes {
		c := &f.Changes[i]
		who := shown(c.User)
		if c.Group != "" {
			who = "@" + shown(c.Group)
		}
		var what string
		switch {
		case c.Remove:
			what = c.Before.String() + " is taken away"
		case c.Had:
			what = rightWord(c.After) + " instead of " + c.Before.String()
		default:
			what = rightWord(c.After)
		}
		rows = append(rows, []string{shown("/" + string(c.Path)), who, what})
	}
	fmt.Fprintf(b, "\n\n%s\n", indented(table(rows)))
}

func rightWord(r havre.Right) string {
	if r == havre.RightNone {
		return "nothing"
	}
	return r.String()
}

// describeNotes lists what has another meaning here.
func (c *importSvnCmd) describeNotes(b *strings.Builder, in *hub.SvnImport, plan *hub.SvnPlan) {
	if len(plan.Notes) > 0 {
		fmt.Fprintf(b, "Please look at %s:\n\n", counted(int64(len(plan.Notes)), "line"))
		files := map[hub.SvnFile]string{hub.SvnFilePasswords: c.passwordFile(), hub.SvnFileAuthz: c.Authz}
		for _, n := range plan.Notes {
			sign := "  "
			if n.Refused {
				sign = "!!"
			}
			where := ""
			if n.Line > 0 {
				where = fmt.Sprintf("%s:%d: ", shown(files[n.File]), n.Line)
			}
			fmt.Fprintf(b, "%s %s%s\n", sign, where, harmless(n.Text))
		}
		b.WriteByte('\n')
	} else if in.Authz != nil {
		b.WriteString("Everybody may do here exactly what the files allow with Subversion.\n\n")
	}
	if plan.Empty() && !plan.Refused() {
		b.WriteString("Everything is as the files say already: there is nothing to do.\n")
	}
}

// harmless is shown for a text of which names are only a part.
func harmless(text string) string {
	var b strings.Builder
	for _, r := range text {
		if s := string(r); shown(s) != s {
			b.WriteString(strings.Trim(shown(s), `"`))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}
