package hub

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/url"
	"strings"

	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
)

// AddRemoteFolder makes a folder of a repository on another Subversion server, or of a directory in it, at the
// address. It is tried at once whether the login may read and write there. Nobody may read the folder yet: see Grant.
//
// What cannot be is a *RemoteError: havre.CodeInvalid with the reason, a server that does not answer
// havre.CodeUnavailable, and a certificate that nobody vouches for a *CertificateError.
func (a *Admin) AddRemoteFolder(ctx context.Context, name, address string, login RemoteLogin) (f *store.Folder, err error) {
	if name, err = store.CheckFolderName(name); err != nil {
		return nil, err
	}
	location, uuid, root, err := a.tryRemote(ctx, address, &login)
	if err != nil {
		return nil, err
	}
	if err := a.notTwice(ctx, location, root); err != nil {
		return nil, err
	}
	if err := a.repos.setLogin(ctx, a.by, location, uuid, &login); err != nil {
		return nil, err
	}
	f, err = a.store.AddFolder(ctx, a.by, store.Folder{Name: name, Location: location, Prefix: root, Repository: uuid})
	return f, a.done(err)
}

// SetRemoteLogin changes with what the folder's server is reached, for all folders in the same repository. It is
// tried first.
func (a *Admin) SetRemoteLogin(ctx context.Context, folder string, login RemoteLogin) error {
	f, err := a.store.FolderByName(ctx, folder)
	if err != nil {
		return err
	}
	address := f.RemoteURL()
	if address == "" {
		return invalid("the folder %s is in a repository of this server: nobody signs in there", f.Name)
	}
	_, uuid, _, err := a.tryRemote(ctx, address+(&url.URL{Path: "/" + string(f.Prefix)}).EscapedPath(), &login)
	if err != nil {
		return err
	}
	if uuid != f.Repository {
		return invalid("at %s there is another repository now", address)
	}
	err = a.repos.setLogin(ctx, a.by, f.Location, uuid, &login)
	a.repos.renew(f.Location)
	return a.done(err)
}

// tryRemote finds out whether the login may read and write at the address.
func (a *Admin) tryRemote(ctx context.Context, address string, login *RemoteLogin) (location, uuid string, root svn.Path, err error) {
	address = strings.TrimRight(strings.TrimSpace(address), "/")
	repo, err := dialRemote(ctx, address, login)
	if err != nil {
		return "", "", "", explainRemote(ctx, address, err)
	}
	defer func() { err = errors.Join(err, repo.Close()) }()
	root = repo.Base()
	head, err := repo.Youngest(ctx)
	if err != nil {
		return "", "", "", explainRemote(ctx, address, err)
	}
	n, err := repo.Stat(ctx, root, head)
	if err != nil {
		return "", "", "", explainRemote(ctx, address, err)
	}
	if n.Kind != svn.KindDir {
		return "", "", "", &RemoteError{RemotePlace, invalid("%s is not a directory", show(root))}
	}
	for _, err := range repo.List(ctx, root, head, false) {
		if err != nil {
			return "", "", "", explainRemote(ctx, address, err)
		}
	}
	// A file that never comes to be: the server says no to it where it would to others.
	err = repo.Try(ctx, &svn.Commit{Changes: []svn.Change{{
		Op: svn.OpPut, Path: root.Join("havre-" + strings.ToLower(rand.Text())), Base: svn.InvalidRevnum,
		Content: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("")), nil },
	}}})
	if e, ok := errors.AsType[*svn.RefusedError](err); ok && e.Refusal != svn.RefusedSignIn {
		return "", "", "", &RemoteError{RemoteWrite, invalid("the server lets us read there, and not write: %s", oneLine(e.Text))}
	}
	if err != nil {
		return "", "", "", explainRemote(ctx, address, err)
	}
	return store.Remote + strings.TrimRight(repo.URL(), "/"), repo.UUID(), root, nil
}
