package hub

import (
	"slices"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/svnaccounts"
	"github.com/havre-cloud/havre/svn"
)

// aboutRules says what of the rules has another meaning here, line by line.
func (p *svnPlanner) aboutRules() {
	everyone, anonymous := 0, 0
	for i := range p.request.Authz.Rules {
		r := &p.request.Authz.Rules[i]
		about := p.aboutFolders(r)
		if len(about) == 0 {
			continue
		}
		if r.Pattern {
			p.aboutPattern(r, about)
		}
		for j := range r.Grants {
			g := &r.Grants[j]
			switch {
			case g.To == svnaccounts.ToAnonymous && g.Right > havre.RightNone:
				p.note(SvnFileAuthz, g.Line, "%s = %s is left out: nobody comes in here without signing in", g.Text, g.Right)
			case g.To == svnaccounts.ToEveryone && g.Right > havre.RightNone && anonymous == 0:
				anonymous = g.Line
			}
			if everyone == 0 && (g.Inverted || g.To == svnaccounts.ToEveryone || g.To == svnaccounts.ToAuthenticated) && !r.Pattern {
				everyone = g.Line
			}
		}
	}
	if anonymous > 0 {
		p.note(SvnFileAuthz, anonymous, "for Subversion * is also who has not signed in: here it is the people who have")
	}
	if everyone > 0 && p.everybody {
		p.note(SvnFileAuthz, everyone, "everybody is the group %q here: who comes later has to be put into it", p.everyone.Name)
	}
}

// aboutFolders returns the folders that the rule is about, and says if there are none.
func (p *svnPlanner) aboutFolders(r *svnaccounts.Rule) []SvnFolder {
	var about []SvnFolder
	repo := false
	for _, f := range p.request.Folders {
		if r.Repo != "" && r.Repo != f.Repo {
			continue
		}
		repo = true
		_, below := r.Path.Rel(f.Folder.Prefix)
		_, above := f.Folder.Prefix.Rel(r.Path)
		if below || above {
			about = append(about, f)
		}
	}
	switch {
	case len(about) > 0:
	case r.Repo != "" && !repo:
		p.note(SvnFileAuthz, r.Line, "[%s] is left out: no folder has the repository %s (say which one: --folder %s=FOLDER)", r.Header, r.Repo, r.Repo)
	default:
		p.note(SvnFileAuthz, r.Line, "[%s] is left out: it is in none of the folders", r.Header)
	}
	return about
}

// aboutPattern says to how many people a pattern gives less here.
func (p *svnPlanner) aboutPattern(r *svnaccounts.Rule, about []SvnFolder) {
	rules := p.request.Authz
	for _, f := range about {
		at := r.Path
		if _, in := at.Rel(f.Folder.Prefix); !in {
			at = f.Folder.Prefix
		}
		less, given := 0, 0
		for _, who := range p.people {
			fits, right := false, havre.RightNone
			for i := range r.Grants {
				if g := &r.Grants[i]; rules.Fits(g, who.name) {
					fits, right = true, max(right, g.Right)
				}
			}
			switch {
			case !fits:
			case p.most(f.Repo, at, who.name) > right:
				less++
			case rules.Floor(f.Repo, at, who.name) < right:
				given++
			}
		}
		where, _ := at.Rel(f.Folder.Prefix)
		switch {
		case less > 0 && p.request.Patterns == SvnPatternsRefuse:
			p.refuse(SvnFileAuthz, r.Line, "[%s]: there are no patterns here, and it takes something away from %d people in %s. Say --patterns narrow to take it away in all of it, or --patterns leave-out to let them have what matches", r.Header, less, svnPlace(f, where))
		case less > 0 && p.request.Patterns == SvnPatternsLeaveOut:
			p.note(SvnFileAuthz, r.Line, "[%s] is left out: what it takes away in %s stays open to %d people, which is MORE than Subversion gives", r.Header, svnPlace(f, where), less)
		case less > 0:
			p.note(SvnFileAuthz, r.Line, "[%s]: there are no patterns here. What it takes away from %d people is taken away in all of %s, which is more than the file says", r.Header, less, svnPlace(f, where))
		case given > 0:
			p.note(SvnFileAuthz, r.Line, "[%s] is left out: there are no patterns here. In %s %d people have less than the file says", r.Header, svnPlace(f, where), given)
		}
	}
}

// most returns the most that rules without patterns say to a person at the path or below.
func (p *svnPlanner) most(repo string, path svn.Path, name string) havre.Right {
	right := p.request.Authz.Access(repo, path, name)
	for i := range p.request.Authz.Rules {
		r := &p.request.Authz.Rules[i]
		if _, in := r.Path.Rel(path); in && !r.Pattern && (r.Repo == "" || r.Repo == repo) {
			right = max(right, p.request.Authz.Access(repo, r.Path, name))
		}
	}
	return right
}

func svnPlace(f SvnFolder, path svn.Path) string {
	if path == "" {
		return "the folder " + f.Folder.Name
	}
	return f.Folder.Name + "/" + string(path)
}

// elsewhere says what other folders people come to or lose because of the groups they are put into or taken from.
func (p *svnPlanner) elsewhere() {
	chosen := map[havre.FolderID]bool{}
	for _, f := range p.request.Folders {
		chosen[f.Folder.ID] = true
	}
	for i := range p.book.Folders {
		folder := &p.book.Folders[i]
		if chosen[folder.ID] {
			continue
		}
		for j := range p.after.Users {
			u := &p.after.Users[j]
			before, after := p.book.reachOf(Holder{User: u.ID}, folder.ID), p.after.reachOf(Holder{User: u.ID}, folder.ID)
			paths := slices.Concat(before.paths, after.paths)
			slices.SortFunc(paths, svn.Path.Compare)
			for _, path := range slices.Compact(paths) {
				if was, is := before.right(path), after.right(path); was != is {
					p.note(SvnFileNone, 0, "%s: %s instead of %s in %s, by the groups that change", u.Name, is, was, svnPlace(SvnFolder{Folder: *folder}, path))
					break
				}
			}
		}
	}
}
