package hub

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/fsfs"
	"github.com/havre-cloud/havre/svn/fsfs/repcache"
)

// repository is an open repository with what the hub remembers about it.
type repository struct {
	svn.Repository
	known  *knownCommits
	ledger *ledger
}

// learn tells a repository that does not know the SHA-1 of a file what it is.
func (r *repository) learn(n *svn.Node, sha1 []byte) {
	if l, ok := r.Repository.(learner); ok {
		l.learn(n, sha1)
	}
}

// repositories keeps those that were used open.
type repositories struct {
	dir   string // of the server's own
	home  string // of all data
	store *store.Store

	// note is told what went wrong without harm to a commit; set before the first is opened.
	note func(error)

	mu   sync.Mutex
	open map[string]*repository // by location
}

func newRepositories(home string, s *store.Store) *repositories {
	return &repositories{dir: filepath.Join(home, "repositories"), home: home, store: s, open: map[string]*repository{}}
}

// get returns the repository at the location, which stays open until close.
func (rs *repositories) get(location string) (*repository, error) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if r, ok := rs.open[location]; ok {
		return r, nil
	}
	if strings.HasPrefix(location, store.Remote) {
		known, err := rs.store.Remote(context.Background(), location)
		if err != nil {
			return nil, err
		}
		hashes := newHashCache(filepath.Join(rs.home, hashesDir), known.Repository)
		return rs.keep(location, newRemote(strings.TrimPrefix(location, store.Remote), known.Repository, hashes, rs.login)), nil
	}
	dir := rs.path(location)
	if dir == "" {
		return nil, fmt.Errorf("repository %q: not inside the server's repositories", location)
	}
	r, err := fsfs.Open(dir, fsfs.Options{CacheSize: repositoryCache, RepCache: repcache.Open, Note: rs.note})
	if err != nil {
		return nil, fmt.Errorf("repository %s: %w", location, err)
	}
	var used svn.Repository = r
	if strings.HasPrefix(location, store.Adopted) {
		used = &hooked{Repository: r, dir: dir, conf: filepath.Join(rs.home, "svnserve.conf")}
	}
	return rs.keep(location, used), nil
}

// keep remembers an open repository; rs.mu is held.
func (rs *repositories) keep(location string, r svn.Repository) *repository {
	opened := &repository{Repository: r, known: newKnownCommits(r), ledger: newLedger(r)}
	rs.open[location] = opened
	return opened
}

// login returns with what a repository on another server is reached.
func (rs *repositories) login(ctx context.Context, location string) (RemoteLogin, error) {
	var l RemoteLogin
	known, err := rs.store.Remote(ctx, location)
	if err != nil {
		return l, err
	}
	v, err := openVault(rs.home)
	if err != nil {
		return l, err
	}
	return l, v.open("repository "+location, known.Login, &l)
}

// setLogin notes it, encrypted.
func (rs *repositories) setLogin(ctx context.Context, by store.Actor, location, uuid string, l *RemoteLogin) error {
	v, err := openVault(rs.home)
	if err != nil {
		return err
	}
	sealed, err := v.seal("repository "+location, l)
	if err != nil {
		return err
	}
	return rs.store.SetRemote(ctx, by, store.RemoteRecord{Location: location, Repository: uuid, Login: sealed})
}

// path returns the directory of the repository, "" for one on another server and for a location that cannot be one.
func (rs *repositories) path(location string) string {
	if dir, ok := strings.CutPrefix(location, store.Adopted); ok {
		if !filepath.IsAbs(dir) || filepath.Clean(dir) != dir {
			return ""
		}
		return dir
	}
	if !filepath.IsLocal(location) || strings.HasPrefix(location, store.Remote) {
		return ""
	}
	return filepath.Join(rs.dir, location)
}

func (rs *repositories) close() error {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	var errs []error
	for location, r := range rs.open {
		errs = append(errs, r.Close())
		delete(rs.open, location)
	}
	return errors.Join(errs...)
}

// repositoryCache is what the caches of one repository may take, in bytes. A server has many.
const repositoryCache = 16 << 20

// view is a folder, or a directory in it, as one caller sees it. Everything about prefixes is here: all
// other paths in the hub are relative to the caller's scope, or named abs.
type view struct {
	repo   *repository
	folder store.Folder
	scope  havre.Scope
	prefix svn.Path // of the scope in the repository
	reach  *reach
	// whole: everything in the scope can be read, so that nothing has to be left out.
	whole bool
}

// errNoFolder does not tell a folder that is not there from one that the caller may not read.
func errNoFolder() error {
	return havre.Errorf(havre.CodeDenied, "there is no such folder, or you may not read it: ask who manages it")
}

// errArchived is for those who could read the folder if it were not put away.
func errArchived(f *store.Folder) error {
	return havre.Errorf(havre.CodeUnavailable, "the folder %s is archived: nothing can be read or changed in it until an administrator takes it back", f.Name)
}

// view returns the scope if the caller may read something in it.
func (h *Hub) view(ctx context.Context, c *havre.Caller, scope havre.Scope) (*view, error) {
	v, err := h.anyView(ctx, c, scope)
	if err != nil {
		return nil, err
	}
	if !v.reach.sees(scope.Root, true) {
		return nil, errNoFolder()
	}
	return v, nil
}

// anyView is view also where the caller may read nothing, which the caller must not notice.
func (h *Hub) anyView(ctx context.Context, c *havre.Caller, scope havre.Scope) (*view, error) {
	if _, err := svn.CheckPath(string(scope.Root)); err != nil {
		return nil, havre.Errorf(havre.CodeInvalid, "%q cannot be a directory of a folder", scope.Root).Because(err)
	}
	f, reach, err := h.access.of(ctx, c.User, scope.Folder)
	if havre.CodeOf(err) == havre.CodeNotFound {
		return nil, errNoFolder()
	}
	if err != nil {
		return nil, err
	}
	if !f.Archived.IsZero() && reach.sees(scope.Root, true) {
		return nil, errArchived(&f)
	}
	repo, err := h.repos.get(f.Location)
	if err != nil {
		return nil, err
	}
	scope.View = ""
	return &view{
		repo: repo, folder: f, scope: scope, prefix: f.Prefix.Join(string(scope.Root)),
		reach: reach, whole: reach.readsAll(scope.Root),
	}, nil
}

// reserved is the directory of a replica that belongs to the client; it is never synchronised.
const reserved = ".havre"

func isReserved(p svn.Path) bool {
	_, in := p.Rel(reserved)
	return in
}

// abs returns the path in the repository.
func (v *view) abs(p svn.Path) svn.Path { return v.prefix.Join(string(p)) }

// rel returns the path in the view, and whether it is there at all.
func (v *view) rel(abs svn.Path) (svn.Path, bool) {
	p, ok := abs.Rel(v.prefix)
	if !ok || isReserved(p) {
		return "", false
	}
	return p, true
}

// right returns what the caller may do at the path.
func (v *view) right(p svn.Path) havre.Right {
	return v.reach.right(v.inFolder(p))
}

// inFolder returns the path as the grants have it.
func (v *view) inFolder(p svn.Path) svn.Path { return v.scope.Root.Join(string(p)) }

// sees says whether what is at the path is visible to the caller, see reach.
func (v *view) sees(p svn.Path, dir bool) bool { return v.whole || v.reach.sees(v.inFolder(p), dir) }

// seesAll says whether everything at and below the path is visible.
func (v *view) seesAll(p svn.Path) bool { return v.whole || v.reach.readsAll(v.inFolder(p)) }

// readsAbs says whether a path of the repository is in the scope and may be read.
func (v *view) readsAbs(abs svn.Path) bool {
	p, ok := v.rel(abs)
	return ok && v.sees(p, false)
}

// seen is equal for those who see the same in the same scope of a folder; empty for all who see everything.
func (v *view) seen() string {
	if v.whole {
		return ""
	}
	return string(v.folder.ID) + " " + v.reach.shape
}

// seesNode is sees for a node of the repository.
func (v *view) seesNode(p svn.Path, n *svn.Node) bool { return v.sees(p, n.Kind == svn.KindDir) }

// stat returns the node at p in rev, or nil if there is none.
func (v *view) stat(ctx context.Context, p svn.Path, rev svn.Revnum) (*svn.Node, error) {
	n, err := v.repo.Stat(ctx, v.abs(p), rev)
	if has[*svn.NotFoundError](err) || has[*svn.NotDirError](err) {
		return nil, nil //nolint:nilnil // absence is no failure here
	}
	return n, err
}

// unfinished begins the names of directories in which repositories are being made.
const unfinished = ".new-"

// sweep removes what a crash left of create before the time.
func (rs *repositories) sweep(before time.Time) error {
	all, err := os.ReadDir(rs.dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, d := range all {
		if info, err := d.Info(); err == nil && strings.HasPrefix(d.Name(), unfinished) && info.ModTime().Before(before) {
			errs = append(errs, os.RemoveAll(filepath.Join(rs.dir, d.Name())))
		}
	}
	return errors.Join(errs...)
}

// create makes a new repository for a folder, under a name like the folder's, and returns its location
// and UUID. It becomes visible complete or not at all.
func (rs *repositories) create(ctx context.Context, folder string) (location, uuid string, err error) {
	tmp, err := os.MkdirTemp(rs.dir, unfinished)
	if err != nil {
		return "", "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	made := filepath.Join(tmp, "repository")
	r, err := fsfs.Create(made, fsfs.CreateOptions{})
	if err != nil {
		return "", "", err
	}
	uuid = r.UUID()
	if err := r.Close(); err != nil {
		return "", "", err
	}
	base := slug(folder)
	location = base
	for n := 2; ; n++ {
		if err := ctx.Err(); err != nil {
			return "", "", err
		}
		target := filepath.Join(rs.dir, location)
		// Mkdir claims the name against other processes; the rename replaces the empty directory
		// on Unix, and where it does not, the directory goes first.
		err := os.Mkdir(target, 0o700)
		if errors.Is(err, os.ErrExist) {
			location = fmt.Sprintf("%s-%d", base, n)
			continue
		}
		if err == nil {
			err = replaceEmpty(made, target)
		}
		if err != nil {
			return "", "", err
		}
		return location, uuid, syncDir(rs.dir)
	}
}

func replaceEmpty(from, to string) error {
	if err := os.Rename(from, to); err == nil {
		return nil
	}
	if err := os.Remove(to); err != nil {
		return err
	}
	return os.Rename(from, to)
}

// remove undoes create. What was adopted stays.
func (rs *repositories) remove(location string) error {
	if !filepath.IsLocal(location) || strings.HasPrefix(location, store.Adopted) || strings.HasPrefix(location, store.Remote) {
		return fmt.Errorf("repository %q: not one that the server made", location)
	}
	return os.RemoveAll(filepath.Join(rs.dir, location))
}
