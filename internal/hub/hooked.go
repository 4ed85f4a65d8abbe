package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/rasvn"
)

// hooked is a repository on the server's disk that Subversion's own programs use too. While it has hooks that
// run around commits, commits go through svnserve, which runs them; everything else is read from the disk.
type hooked struct {
	svn.Repository
	dir  string
	conf string // where the configuration for svnserve is, or will be
}

// svnserveConf lets svnserve do what the hub has allowed: the rights are checked already.
const svnserveConf = "[general]\nanon-access = none\nauth-access = write\n"

// svnserve is the program that runs the hooks.
const svnserve = "svnserve"

// Commit implements svn.Repository. The hooks see the author of the commit as its user.
func (r *hooked) Commit(ctx context.Context, c *svn.Commit) (rev svn.Revnum, err error) {
	hook := activeHook(r.dir)
	if hook == "" {
		return r.Repository.Commit(ctx, c)
	}
	if _, err := exec.LookPath(svnserve); err != nil {
		return svn.InvalidRevnum, havre.Errorf(havre.CodeUnavailable, "the repository has the hook %s, which only Subversion's program svnserve can run: "+
			"an administrator has to install it on the server", hook).Because(err)
	}
	if err := r.configure(); err != nil {
		return svn.InvalidRevnum, err
	}
	author := c.RevProps[svn.PropAuthor]
	through, err := rasvn.Open(ctx, "svn://localhost/", rasvn.Options{
		User: author,
		Dial: func(ctx context.Context) (io.ReadWriteCloser, error) {
			return rasvn.Command(ctx, svnserve, "--tunnel", "--root", r.dir, "--config-file", r.conf, "--tunnel-user", author)
		},
	})
	if err != nil {
		return svn.InvalidRevnum, fmt.Errorf("repository with hooks: %w", err)
	}
	defer func() { err = errors.Join(err, through.Close()) }()
	return through.Commit(ctx, c)
}

// configure writes the configuration if it is not there.
func (r *hooked) configure() error {
	if b, err := os.ReadFile(r.conf); err == nil && string(b) == svnserveConf {
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(r.conf), filepath.Base(r.conf)+"-*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(svnserveConf)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), r.conf)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
