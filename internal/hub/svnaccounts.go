package hub

import (
	"context"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/internal/svnaccounts"
	"github.com/havre-cloud/havre/svn"
)

// SvnImport is what of an existing Subversion server is to be taken over.
type SvnImport struct {
	// Passwords are those of a password file; nil: there is none, and everybody in Authz is a person.
	Passwords []svnaccounts.Password
	// AnyCase: the server with that file lets people in whatever the case of the name they type.
	AnyCase bool
	// Authz are groups and rights; nil: only people are taken over.
	Authz *svnaccounts.Authz
	// Folders are those whose rights become what Authz says.
	Folders []SvnFolder
	// Keep says which passwords are taken over.
	Keep SvnPasswords
	// Others: people who are in Authz only get accounts as well.
	Others bool
	// Patterns says what becomes of rules with patterns that take something away.
	Patterns SvnPatterns
}

// SvnPatterns says what becomes of rules with patterns that take something away: there are no patterns here.
type SvnPatterns uint8

// The choices.
const (
	SvnPatternsRefuse   SvnPatterns = iota // nothing is done as long as there are any
	SvnPatternsNarrow                      // it is taken away from the first directory with a pattern downwards
	SvnPatternsLeaveOut                    // the rules do not count: people get what the others give
)

// SvnFolder is a folder and its repository's name in authz files: its path below the directory of all
// repositories (svnserve -r, SVNParentPath).
type SvnFolder struct {
	Folder store.Folder
	Repo   string
}

// SvnPasswords says which passwords are taken over.
type SvnPasswords uint8

// The choices.
const (
	SvnKeep   SvnPasswords = iota // all that can be
	SvnStrong                     // those that would be taken today, as far as they can be read
	SvnNone
)

// SvnPlan is what an import will do. Nothing is done yet.
type SvnPlan struct {
	People  []SvnPerson // by name
	Groups  []SvnGroup  // by name; those that change
	Folders []SvnRights // those of the request, in their order
	Notes   []SvnNote   // by file and line
}

// SvnPerson is somebody whom the files name.
type SvnPerson struct {
	Name     string
	New      bool // an account is made
	Password SvnPassword
	Why      string // why it is not taken over, or what is to be said of it
	Weak     bool   // taken over although it would not be taken today

	entry *svnaccounts.Password
}

// SvnPassword says what becomes of a password.
type SvnPassword uint8

// The ways of a password.
const (
	SvnPasswordNone  SvnPassword = iota // of a new account: an invitation
	SvnPasswordTaken                    // the one of the file is good from now on
	SvnPasswordHas                      // the account has one, which stays
)

// SvnGroup is a group that is made or whose direct members change, by names.
type SvnGroup struct {
	Name                    string
	New                     bool
	Add, Remove             []string // people
	AddGroups, RemoveGroups []string
	Everybody               bool // it stands for all people of the files, and is in none of them

	id    string
	group store.Group // as it will be
}

// SvnRights is what changes in a folder.
type SvnRights struct {
	SvnFolder
	Changes []SvnChange // by path and name; none: everybody may do there what the file says already
	Manage  []string    // who manages the folder or a part of it, and goes on to: "ada", "@Office at /plans"
}

// SvnChange is a right that is set or taken away.
type SvnChange struct {
	Path        svn.Path
	User, Group string // one of them: a name
	Had         bool
	Before      havre.Right // if Had
	Remove      bool
	After       havre.Right // if not Remove
}

// SvnFile is one of the files of an import.
type SvnFile uint8

// The files.
const (
	SvnFileNone SvnFile = iota
	SvnFilePasswords
	SvnFileAuthz
)

// SvnNote is something that a person should know before anything is done.
type SvnNote struct {
	File SvnFile
	Line int
	// Refused: the import cannot be done as long as this is so.
	Refused bool
	Text    string
}

// Refused says whether the plan cannot be carried out.
func (p *SvnPlan) Refused() bool {
	return slices.ContainsFunc(p.Notes, func(n SvnNote) bool { return n.Refused })
}

// Empty says whether everything is as the files say already.
func (p *SvnPlan) Empty() bool {
	return len(p.Groups) == 0 &&
		!slices.ContainsFunc(p.People, func(q SvnPerson) bool { return q.New || q.Password == SvnPasswordTaken }) &&
		!slices.ContainsFunc(p.Folders, func(f SvnRights) bool { return len(f.Changes) > 0 })
}

// SvnRepo returns what a folder's repository is called in authz files if nobody says otherwise: the last part of its
// directory or address.
func SvnRepo(f *store.Folder) string {
	if url := f.RemoteURL(); url != "" {
		return path.Base(url)
	}
	if dir := f.AdoptedDir(); dir != "" {
		return filepath.Base(dir)
	}
	return filepath.Base(filepath.FromSlash(f.Location))
}

// SvnFolders returns the folders that the words name, each "FOLDER" or "REPOSITORY=FOLDER". Without words these are the
// folders on this machine whose repositories the rules, which may be nil, name; rules for all repositories are
// about those that havre has adopted.
func (a *Admin) SvnFolders(ctx context.Context, words []string, rules *svnaccounts.Authz) ([]SvnFolder, error) {
	b, err := a.Book(ctx)
	if err != nil {
		return nil, err
	}
	byName := func(name string) *store.Folder {
		i := slices.IndexFunc(b.Folders, func(f store.Folder) bool { return store.SameName(f.Name, name) })
		if i < 0 {
			return nil
		}
		return &b.Folders[i]
	}
	var chosen []SvnFolder
	add := func(f *store.Folder, repo string) error {
		if slices.ContainsFunc(chosen, func(o SvnFolder) bool { return o.Folder.ID == f.ID }) {
			return invalid("the folder %s is named twice", f.Name)
		}
		chosen = append(chosen, SvnFolder{*f, repo})
		return nil
	}
	for _, w := range words {
		f, repo := byName(w), ""
		for i := 0; f == nil && i < len(w); i++ {
			if w[i] == '=' {
				f, repo = byName(w[i+1:]), w[:i]
			}
		}
		if f == nil {
			return nil, havre.Errorf(havre.CodeNotFound, "there is no folder called %s: see the list of folders", w)
		}
		if repo == "" {
			repo = SvnRepo(f)
		}
		if err := add(f, repo); err != nil {
			return nil, err
		}
	}
	if len(words) > 0 {
		return chosen, nil
	}
	return adoptedFor(b, rules)
}

// adoptedFor is SvnFolders without words.
func adoptedFor(b *Book, rules *svnaccounts.Authz) ([]SvnFolder, error) {
	var all, named []SvnFolder
	repos, global := map[string]bool{}, false
	if rules != nil {
		for _, r := range rules.Rules {
			repos[r.Repo] = true
		}
		global = repos[""]
	}
	dirs := map[string]string{}
	for i := range b.Folders {
		f := &b.Folders[i]
		if f.RemoteURL() != "" {
			continue
		}
		one := SvnFolder{*f, SvnRepo(f)}
		if repos[one.Repo] {
			if other, taken := dirs[one.Repo]; taken && other != f.Location {
				return nil, invalid("two repositories are called %s: name the folders, as in --folder %s=FOLDER", one.Repo, one.Repo)
			}
			dirs[one.Repo] = f.Location
			named = append(named, one)
		}
		if repos[one.Repo] || f.AdoptedDir() != "" {
			all = append(all, one)
		}
	}
	switch {
	case rules == nil:
		return all, nil
	case global && len(named) == 0 && len(all) > 1:
		return nil, invalid("the rules name no repository, and there are several folders: say which are meant, as in --folder FOLDER")
	case global:
		return all, nil
	default:
		return named, nil
	}
}

// PlanSvnImport says what an import would do. The rights in the folders become what the rules say, except that who
// manages goes on to; nobody gets more than the rules give.
func (a *Admin) PlanSvnImport(ctx context.Context, in *SvnImport) (*SvnPlan, error) {
	b, err := a.Book(ctx)
	if err != nil {
		return nil, err
	}
	p, err := planSvn(in, b, time.Now())
	if err != nil {
		return nil, err
	}
	return p.plan, nil
}

// svnPlanner makes a plan.
type svnPlanner struct {
	request *SvnImport
	book    *Book
	now     time.Time
	plan    *SvnPlan

	people []*svnPerson          // by name
	byName map[string]*svnPerson // as Subversion spells it
	byID   map[havre.UserID]*svnPerson
	users  map[havre.UserID]*store.User // accounts of now
	keys   map[string]*store.User       // the same, by store.NameKey
	groups []*SvnGroup                  // all of the file, by name
	after  *Book                        // who will be in which group; the grants are those of now
	in     map[havre.UserID]map[string]bool

	everyone  *SvnGroup // see svnEveryone
	everybody bool      // a right is set for it
}

// least returns the least that a person may do at the path by the rules that count.
func (p *svnPlanner) least(repo string, path svn.Path, name string) havre.Right {
	if p.request.Patterns == SvnPatternsLeaveOut {
		return p.request.Authz.Access(repo, path, name)
	}
	return p.request.Authz.Floor(repo, path, name)
}

// svnPerson is a person as both sides know him.
type svnPerson struct {
	name   string // as Subversion spells it
	user   store.User
	row    SvnPerson
	inFile bool // in the password file
}

func planSvn(in *SvnImport, b *Book, now time.Time) (*svnPlanner, error) {
	p := &svnPlanner{
		request: in, book: b, now: now, plan: &SvnPlan{}, byName: map[string]*svnPerson{}, byID: map[havre.UserID]*svnPerson{},
		users: map[havre.UserID]*store.User{}, keys: map[string]*store.User{},
	}
	for i := range b.Users {
		u := &b.Users[i]
		p.users[u.ID], p.keys[store.NameKey(u.Name)] = u, u
	}
	p.findPeople()
	if in.Authz != nil {
		p.findGroups()
		if err := p.rights(); err != nil {
			return nil, err
		}
	}
	for _, who := range p.people {
		p.plan.People = append(p.plan.People, who.row)
	}
	slices.SortStableFunc(p.plan.Notes, func(m, n SvnNote) int {
		if m.File != n.File {
			return int(m.File) - int(n.File)
		}
		return m.Line - n.Line
	})
	return p, nil
}

func (p *svnPlanner) note(file SvnFile, line int, format string, args ...any) {
	p.plan.Notes = append(p.plan.Notes, SvnNote{File: file, Line: line, Text: fmt.Sprintf(format, args...)})
}

func (p *svnPlanner) refuse(file SvnFile, line int, format string, args ...any) {
	p.note(file, line, format, args...)
	p.plan.Notes[len(p.plan.Notes)-1].Refused = true
}

// svnNew begins the identifiers of what is not there yet.
const svnNew = "new "

// findPeople finds out who is somebody here.
func (p *svnPlanner) findPeople() {
	folded := map[string]*svnPerson{}
	for i := range p.request.Passwords {
		entry := &p.request.Passwords[i]
		if err := store.CheckUserName(entry.Name); err != nil {
			p.note(SvnFilePasswords, entry.Line, "%q is left out: %v", entry.Name, err)
			continue
		}
		if other := folded[store.NameKey(entry.Name)]; other != nil {
			p.refuse(SvnFilePasswords, entry.Line, "%s and %s are two people for Subversion and one here: rename one of them, or take the line out", entry.Name, other.name)
			continue
		}
		who := p.person(entry.Name)
		who.row.entry, who.inFile = entry, true
		folded[store.NameKey(entry.Name)] = who
	}
	if p.request.Authz != nil {
		p.findNamed(folded)
	}
	for _, who := range p.people {
		p.choosePassword(who)
	}
	slices.SortFunc(p.people, func(a, b *svnPerson) int { return strings.Compare(store.NameKey(a.name), store.NameKey(b.name)) })
}

// person adds somebody, who may have an account.
func (p *svnPlanner) person(name string) *svnPerson {
	who := &svnPerson{name: name, row: SvnPerson{Name: name, New: true}}
	who.user = store.User{ID: havre.UserID(svnNew + name), Name: name, DisplayName: name, Role: store.RoleMember}
	if u := p.keys[store.NameKey(name)]; u != nil {
		who.user, who.row.New, who.row.Name = *u, false, u.Name
	}
	p.people, p.byName[name], p.byID[who.user.ID] = append(p.people, who), who, who
	return who
}

// findNamed adds those whom groups and rules name.
func (p *svnPlanner) findNamed(folded map[string]*svnPerson) {
	names, lines := p.named()
	spellings := map[string]int{}
	for _, name := range names {
		spellings[store.NameKey(name)]++
	}
	for _, name := range names {
		key, line := store.NameKey(name), lines[name]
		if p.byName[name] != nil {
			continue
		}
		if other := folded[key]; other != nil {
			switch {
			case other.inFile && p.request.AnyCase && spellings[key] == 1:
				// svnserve takes the password of ADA for ada as well; the rules tell which name people use.
				delete(p.byName, other.name)
				other.name, p.byName[name] = name, other
			case other.inFile:
				p.note(SvnFileAuthz, line, "%s is left out: in the password file the name is %s, and Subversion compares letter by letter", name, other.name)
			default:
				p.refuse(SvnFileAuthz, line, "%s and %s are two people for Subversion and one here: rename one of them", name, other.name)
			}
			continue
		}
		known := p.keys[key] != nil
		if err := store.CheckUserName(name); err != nil {
			p.note(SvnFileAuthz, line, "%q is left out: %v", name, err)
			continue
		}
		if p.request.Passwords != nil && !known && !p.request.Others {
			p.note(SvnFileAuthz, line, "%s is left out: this name is in no password file and has no account", name)
			continue
		}
		folded[key] = p.person(name)
	}
}

// named returns the names of people in groups and rules, in the order of the file, and where each is first.
func (p *svnPlanner) named() ([]string, map[string]int) {
	var names []string
	lines := map[string]int{}
	add := func(name string, line int) {
		if _, again := lines[name]; !again && name != "" {
			lines[name] = line
			names = append(names, name)
		}
	}
	for _, g := range p.request.Authz.Groups {
		for _, u := range g.Users {
			add(u, g.Line)
		}
	}
	for _, r := range p.request.Authz.Rules {
		for _, g := range r.Grants {
			if g.To == svnaccounts.ToUser {
				add(g.Name, g.Line)
			}
		}
	}
	return names, lines
}

// choosePassword decides what becomes of a person's password.
func (p *svnPlanner) choosePassword(who *svnPerson) {
	r := &who.row
	switch {
	case who.user.Password:
		r.Password = SvnPasswordHas
	case r.entry == nil:
	case who.user.IsAdmin():
		r.Why = "an administrator's password is chosen anew"
	case p.request.Keep == SvnNone:
		r.Why = "passwords are not taken over"
	case r.entry.Why != "":
		r.Why = r.entry.Why
	case r.entry.Hash != "":
		if p.request.Keep == SvnStrong {
			r.Why = "nobody can see whether the password is a good one"
			break
		}
		r.Password = SvnPasswordTaken
	default:
		weak := checkNewPassword(r.entry.Plain, who.name)
		if weak != nil && p.request.Keep == SvnStrong {
			r.Why = weak.Error()
			break
		}
		r.Password, r.Weak = SvnPasswordTaken, weak != nil
		if weak != nil {
			r.Why = weak.Error()
		}
	}
}
