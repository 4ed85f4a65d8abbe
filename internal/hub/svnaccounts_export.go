package hub

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/internal/svnaccounts"
	"github.com/havre-cloud/havre/svn"
)

// SvnExportFolders returns the folders that the words name, as SvnFolders does; without words those whose repositories
// are on this machine.
func (a *Admin) SvnExportFolders(ctx context.Context, words []string) ([]SvnFolder, error) {
	if len(words) > 0 {
		return a.SvnFolders(ctx, words, nil)
	}
	b, err := a.Book(ctx)
	if err != nil {
		return nil, err
	}
	var all []SvnFolder
	for i := range b.Folders {
		f := &b.Folders[i]
		if f.RemoteURL() != "" {
			continue
		}
		all = append(all, SvnFolder{*f, SvnRepo(f)})
	}
	return all, nil
}

// AccessState tells by being another one that an export may be another one: something has changed, or an
// account has expired.
type AccessState struct {
	version int64
	until   time.Time
}

// AccessState returns that of now.
func (a *Admin) AccessState(ctx context.Context) (s AccessState, err error) {
	if s.version, err = a.store.AccessVersion(ctx); err == nil {
		s.until, err = a.store.NextExpiry(ctx)
	}
	return s, err
}

// ExportAuthz returns an authz file by which Subversion's servers give everybody the rights in the folders that havre
// gives: reading, and writing for who may write or manage. Accounts that are closed are not in it. The comment is put
// at its top. The same rights give the same file.
func (a *Admin) ExportAuthz(ctx context.Context, folders []SvnFolder, comment ...string) (string, error) {
	b, err := a.Book(ctx)
	if err != nil {
		return "", err
	}
	return b.authz(folders, time.Now(), comment)
}

func (b *Book) authz(folders []SvnFolder, now time.Time, comment []string) (string, error) {
	x := &svnExport{book: b, in: map[havre.UserID]map[string]bool{}, used: map[string]bool{}}
	x.out.Comment = comment
	for i := range b.Users {
		if u := &b.Users[i]; !u.Closed(now) {
			x.people = append(x.people, u)
			x.in[u.ID] = map[string]bool{}
		}
	}
	for _, g := range b.Groups {
		for _, u := range g.Members {
			for _, outer := range b.around[g.ID] {
				if x.in[u] != nil {
					x.in[u][outer] = true
				}
			}
		}
	}
	folders = slices.Clone(folders)
	slices.SortFunc(folders, func(f, g SvnFolder) int {
		if by := strings.Compare(f.Repo, g.Repo); by != 0 {
			return by
		}
		return f.Folder.Prefix.Compare(g.Folder.Prefix)
	})
	for i := range folders {
		f := &folders[i]
		if i == 0 || f.Repo != folders[i-1].Repo {
			x.out.Rules = append(x.out.Rules, svnaccounts.OutputRule{Repo: f.Repo, Lines: []svnaccounts.OutputLine{{Everyone: true}}})
		} else if f.Folder.Location != folders[i-1].Folder.Location {
			return "", invalid("two repositories are called %s: name the folders, as in --folder %s=FOLDER", f.Repo, f.Repo)
		}
		x.folder(f)
	}
	x.groups()
	text, err := x.out.Text()
	if bad, is := errors.AsType[*svnaccounts.InexpressibleError](err); is {
		return "", invalid("an authz file cannot say what is set at /%s in the repository %s: it has no place for ], : and line breaks there", bad.Path, bad.Repo)
	}
	return text, err
}

// svnExport writes an authz file.
type svnExport struct {
	book   *Book
	people []*store.User // with open accounts, by name
	in     map[havre.UserID]map[string]bool
	used   map[string]bool // groups that have a line
	out    svnaccounts.Output
}

// folder writes the rules of a folder, a section for each path at which something is set.
func (x *svnExport) folder(f *SvnFolder) {
	at := map[svn.Path][]store.Grant{}
	var paths []svn.Path
	for _, g := range x.book.Grants {
		if g.Folder != f.Folder.ID {
			continue
		}
		if at[g.Path] == nil {
			paths = append(paths, g.Path)
		}
		at[g.Path] = append(at[g.Path], g)
	}
	slices.SortFunc(paths, svn.Path.Compare)
	for _, path := range paths {
		lines := x.lines(at[path])
		if len(lines) == 0 {
			continue
		}
		abs := f.Folder.Prefix.Join(string(path))
		if last := &x.out.Rules[len(x.out.Rules)-1]; last.Repo == f.Repo && last.Path == abs {
			last.Lines = append(last.Lines, lines...)
			continue
		}
		x.out.Rules = append(x.out.Rules, svnaccounts.OutputRule{Repo: f.Repo, Path: abs, Lines: lines})
	}
}

// lines returns those of one path. For Subversion all lines that fit a person add up; here a person's own counts alone.
// So a group has a line only if none of its members has less, and everybody for whom that is not all has one.
func (x *svnExport) lines(grants []store.Grant) []svnaccounts.OutputLine {
	slices.SortFunc(grants, func(a, b store.Grant) int {
		return strings.Compare(x.groupName(a.Group), x.groupName(b.Group))
	})
	wishes := make([]wish, len(x.people))
	for i, u := range x.people {
		r := newReach(x.mine(grants, u.ID), grants[0].Folder)
		right, set := r.at[grants[0].Path]
		wishes[i] = wish{set, min(right, havre.RightWrite)}
	}
	got := make([]wish, len(x.people))
	var lines []svnaccounts.OutputLine
	for i := range grants {
		g := &grants[i]
		if g.Group == "" {
			continue
		}
		right, fits, members := min(g.Right, havre.RightWrite), true, 0
		for j, u := range x.people {
			if x.in[u.ID][g.Group] {
				members++
				fits = fits && wishes[j].right >= right
			}
		}
		if !fits || members == 0 {
			continue
		}
		x.used[g.Group] = true
		lines = append(lines, svnaccounts.OutputLine{Group: x.groupName(g.Group), Right: right})
		for j, u := range x.people {
			if x.in[u.ID][g.Group] {
				got[j] = wish{true, max(got[j].right, right)}
			}
		}
	}
	for i, u := range x.people {
		if got[i] != wishes[i] {
			lines = append(lines, svnaccounts.OutputLine{User: u.Name, Right: wishes[i].right})
		}
	}
	return lines
}

// mine returns those of the grants that a person has.
func (x *svnExport) mine(grants []store.Grant, user havre.UserID) []store.Grant {
	var mine []store.Grant
	for _, g := range grants {
		if g.User == user || g.Group != "" && x.in[user][g.Group] {
			mine = append(mine, g)
		}
	}
	return mine
}

func (x *svnExport) groupName(id string) string {
	for i := range x.book.Groups {
		if x.book.Groups[i].ID == id {
			return x.book.Groups[i].Name
		}
	}
	return ""
}

// groups writes those that have a line, with those that are in them.
func (x *svnExport) groups() {
	inside := map[string][]string{}
	for _, g := range x.book.Groups {
		inside[g.ID] = g.Groups
	}
	var add func(id string)
	add = func(id string) {
		for _, inner := range inside[id] {
			if !x.used[inner] {
				x.used[inner] = true
				add(inner)
			}
		}
	}
	for _, g := range x.book.Groups {
		if x.used[g.ID] {
			add(g.ID)
		}
	}
	for _, g := range x.book.Groups {
		if !x.used[g.ID] {
			continue
		}
		one := svnaccounts.OutputGroup{Name: g.Name}
		for _, u := range x.people {
			if slices.Contains(g.Members, u.ID) {
				one.Users = append(one.Users, u.Name)
			}
		}
		for _, inner := range g.Groups {
			one.Groups = append(one.Groups, x.groupName(inner))
		}
		slices.Sort(one.Groups)
		x.out.Groups = append(x.out.Groups, one)
	}
}
