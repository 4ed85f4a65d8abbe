package hub

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/fsfs"
)

// RenameFolder gives the folder another name. Its repository and the clients' directories keep theirs.
func (a *Admin) RenameFolder(ctx context.Context, folder, name string) error {
	f, err := a.store.FolderByName(ctx, folder)
	if err != nil {
		return err
	}
	return a.done(a.store.RenameFolder(ctx, a.by, f.ID, name))
}

// ArchiveFolder puts the folder away, or takes it back. Meanwhile nobody reads or changes it, devices keep
// what they have, and nothing is lost.
func (a *Admin) ArchiveFolder(ctx context.Context, folder string, archived bool) error {
	f, err := a.store.FolderByName(ctx, folder)
	if err != nil {
		return err
	}
	return a.done(a.store.ArchiveFolder(ctx, a.by, f.ID, archived))
}

// SetFolderQuota bounds the bytes that the folder's latest revision may have; 0 takes the bound away.
func (a *Admin) SetFolderQuota(ctx context.Context, folder string, bytes int64) error {
	f, err := a.store.FolderByName(ctx, folder)
	if err != nil {
		return err
	}
	return a.done(a.store.SetFolderQuota(ctx, a.by, f.ID, bytes))
}

// FolderByName returns the folder with the name, or the one that had it before it was renamed.
func (a *Admin) FolderByName(ctx context.Context, name string) (store.Folder, error) {
	f, err := a.store.FolderByName(ctx, name)
	if err == nil {
		return f, nil
	}
	if former, formerErr := a.store.FormerFolder(ctx, name); formerErr == nil {
		return former, nil
	}
	return f, err
}

// CreateFolder is AddFolder by a person, who manages the folder from then on.
func (a *Admin) CreateFolder(ctx context.Context, name string, manager havre.UserID) (*store.Folder, error) {
	f, err := a.AddFolder(ctx, name)
	if err != nil {
		return nil, err
	}
	return f, a.done(a.store.SetGrant(ctx, a.by, store.Grant{Folder: f.ID, User: manager, Right: havre.RightManage}))
}

// oldestWritable is the first format of FSFS that fsfs commits to.
const oldestWritable = 3

// AdoptFolder makes a folder of a Subversion repository that is in a directory of the server's disks
// already, or of the directory root in it. Nothing is copied: Subversion's own programs may go on
// to use it, and havre never deletes it. Nobody may read the folder yet: see Grant.
//
// What cannot be adopted is havre.CodeInvalid with the reason.
func (a *Admin) AdoptFolder(ctx context.Context, name, dir string, root svn.Path) (*store.Folder, error) {
	name, err := store.CheckFolderName(name)
	if err != nil {
		return nil, err
	}
	if root, err = svn.CheckPath(strings.Trim(string(root), "/")); err != nil {
		return nil, invalid("%q cannot be a directory of a repository", root)
	}
	dir, err = a.checkAdopted(dir)
	if err != nil {
		return nil, err
	}
	location := store.Adopted + dir
	if err := a.notTwice(ctx, location, root); err != nil {
		return nil, err
	}
	uuid, err := inspect(ctx, dir, root)
	if err != nil {
		return nil, err
	}
	f, err := a.store.AddFolder(ctx, a.by, store.Folder{Name: name, Location: location, Prefix: root, Repository: uuid})
	return f, a.done(err)
}

// checkAdopted returns the real path of the directory.
func (a *Admin) checkAdopted(dir string) (string, error) {
	dir = strings.TrimPrefix(strings.TrimSpace(dir), "file://")
	if !filepath.IsAbs(dir) || strings.ContainsRune(dir, 0) || len(dir) > 1000 {
		return "", invalid("%q is not the absolute path of a directory on the server, as in /srv/svn/project", dir)
	}
	actual, err := filepath.EvalSymlinks(filepath.Clean(dir))
	if err != nil {
		return "", havre.Errorf(havre.CodeInvalid, "%s cannot be read by the server: check the path, and who may read it", dir).Because(err)
	}
	own, err := filepath.EvalSymlinks(a.repos.dir)
	if err != nil {
		return "", err
	}
	if in, err := filepath.Rel(filepath.Dir(own), actual); err == nil && filepath.IsLocal(in) {
		return "", invalid("%s is inside the server's own data: its repositories are folders already", dir)
	}
	return actual, nil
}

// notTwice fails if a folder has this part of the repository already: what happens in one would happen
// in the other.
func (a *Admin) notTwice(ctx context.Context, location string, root svn.Path) error {
	all, err := a.store.Folders(ctx)
	if err != nil {
		return err
	}
	for i := range all {
		f := &all[i]
		_, above := root.Rel(f.Prefix)
		_, below := f.Prefix.Rel(root)
		if f.Location == location && (above || below) {
			return havre.Errorf(havre.CodeExists, "the folder %s has this directory of the repository already", f.Name)
		}
	}
	return nil
}

// inspect returns the UUID of the repository if havre can read and write it.
func inspect(ctx context.Context, dir string, root svn.Path) (uuid string, err error) {
	refuse := func(err error) error {
		return havre.Errorf(havre.CodeInvalid, "%s cannot be adopted: %v", dir, err).Because(err)
	}
	why := func(format string, args ...any) error { return refuse(invalid(format, args...)) }
	format, err := formatOf(dir)
	if err != nil {
		return "", refuse(err)
	}
	if format < oldestWritable {
		return "", why("its format %d can only be read; `svnadmin upgrade` makes it current", format)
	}
	if hook := activeHook(dir); hook != "" {
		if _, err := exec.LookPath(svnserve); err != nil {
			return "", why("it has the hook %s, which only Subversion's program svnserve can run: install it on the server first", hook)
		}
	}
	if err := tryWrite(filepath.Join(dir, "db")); err != nil {
		return "", why("the server's user may not write in its directory db")
	}
	r, err := fsfs.Open(dir, fsfs.Options{})
	if err != nil {
		return "", refuse(err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	head, err := r.Youngest(ctx)
	if err != nil {
		return "", refuse(err)
	}
	n, err := r.Stat(ctx, root, head)
	if err != nil {
		return "", why("there is no directory %s in revision %d", show(root), head)
	}
	if n.Kind != svn.KindDir {
		return "", why("%s is not a directory", show(root))
	}
	return r.UUID(), nil
}

// formatOf returns the number of the FSFS format.
func formatOf(dir string) (int, error) {
	b, err := os.ReadFile(filepath.Join(dir, "db", "format"))
	if err != nil {
		return 0, invalid("it is no Subversion repository, or the server's user may not read it")
	}
	line, _, _ := strings.Cut(string(b), "\n")
	n, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		return 0, invalid("its format is %.40q", line)
	}
	return n, nil
}

// activeHook returns the name of a hook that Subversion would run around a commit.
func activeHook(dir string) string {
	for _, name := range []string{"start-commit", "pre-commit", "post-commit"} {
		for _, end := range []string{"", ".exe", ".bat", ".cmd"} {
			info, err := os.Stat(filepath.Join(dir, "hooks", name+end))
			if err == nil && info.Mode().IsRegular() && (end != "" || info.Mode().Perm()&0o111 != 0) {
				return name + end
			}
		}
	}
	return ""
}

func tryWrite(dir string) error {
	f, err := os.CreateTemp(dir, "havre-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
